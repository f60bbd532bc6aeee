"""Grading: every outcome is reached by real code in a real process, and costs what it must, no more."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grader import bank
from grader.box import wire
from grader.course import Course
from grader.errors import SandboxLost
from grader.intake import read_submission
from grader.judge.answer import judge
from grader.judge.grading import points
from grader.judge.hints import hints_of, import_hints, narrowed
from grader.model import Limits, Outcome, Raised, Submission, Tolerance, Wall
from grader.report.json import from_json, to_json
from grader.sandbox.process import ChildProcess, ProcessSandbox
from grader.sandbox.session import End, Opened

from .courses import FILES, REFERENCE, changed, dedented, grade_files, graded, make_course, write

ALL_PASSED = dict.fromkeys(("double", "square", "total", "later"), "passed")


def test_the_reference_s_own_code_passes_everything(tiny: Course, tmp_path: Path) -> None:
    found = grade_files(tiny, tmp_path, changed())
    assert found.outcomes == ALL_PASSED
    assert (found.report.score, found.report.max_score) == (40.0, 40.0)
    assert found.report.complete
    assert [t.score for t in found.report.tasks] == [10.0, 30.0]
    assert all(v.cases_run == v.cases >= 100 for v in found.report.checks)
    assert found["double"].score == pytest.approx(2.0)
    assert found["square"].score == pytest.approx(8.0)


def test_a_wrong_number_is_failed_with_the_case_that_shows_it(tiny: Course, tmp_path: Path) -> None:
    found = grade_files(tiny, tmp_path, changed(square="def square(x): return abs(x) * x"))
    assert found.outcomes == ALL_PASSED | {"square": "failed"}
    assert found.report.score == pytest.approx(32.0)
    verdict = found["square"]
    assert verdict.score == 0.0
    assert verdict.hint == "x times itself."
    example = verdict.counterexample
    assert example is not None
    x = float(example.inputs["x"])
    assert x < 0
    assert (float(example.expected), float(example.observed)) == (x * x, -x * x)
    assert example.snippet


def test_an_edge_is_asked_too(tiny: Course, tmp_path: Path) -> None:
    found = grade_files(
        tiny, tmp_path, changed(double="def double(x): return 2 * x if x != 0.5 else 0.0")
    )
    assert found["double"].outcome is Outcome.FAILED
    assert found["double"].counterexample is not None
    assert found["double"].counterexample.inputs == {"x": "0.5"}


@pytest.mark.parametrize(
    "body",
    [
        "return None",
        "return 'text'",
        "return [x]",
        "return float('nan')",
        "return 1e999",
        "return lambda: x",
        "return object()",
        "return print",
        "return (y for y in [x])",
        "return 10 ** 5000",
    ],
)
def test_an_answer_of_another_kind_is_failed_never_a_crash(
    tiny: Course, tmp_path: Path, body: str
) -> None:
    found = grade_files(tiny, tmp_path, changed(square=f"def square(x): {body}"))
    assert found.outcomes == ALL_PASSED | {"square": "failed"}


def test_an_exception_is_raised_and_says_where(tiny: Course, tmp_path: Path) -> None:
    found = grade_files(
        tiny,
        tmp_path,
        changed(square="def square(x):\n    if x > 1:\n        raise ValueError('too big')\n    return x * x"),
    )  # fmt: skip
    verdict = found["square"]
    assert found.outcomes == ALL_PASSED | {"square": "raised"}
    assert verdict.reason == "ValueError: too big"
    assert verdict.counterexample is not None
    assert verdict.counterexample.where[0].startswith("work.py:")
    assert "in square" in verdict.counterexample.where[0]


@pytest.mark.parametrize(
    "body",
    [
        "raise SystemExit(0)",
        "import sys; sys.exit()",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
        "raise BaseException('x')",
        "return square(x)",
        "return [0] * (1 << 50)",
        "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})",
        "raise type('E' * 5000, (Exception,), {})('m' * 100_000)",
        "raise Exception('\\x1b[2J\\ud800')",
    ],
)
def test_whatever_is_raised_is_a_value(tiny: Course, tmp_path: Path, body: str) -> None:
    found = grade_files(tiny, tmp_path, changed(square=f"def square(x): {body}"))
    assert found.outcomes == ALL_PASSED | {"square": "raised"}
    assert len(found["square"].reason) < 3000
    assert "\x1b" not in found["square"].reason
    from_json(to_json(found.report))


def test_what_is_not_written_yet_is_unimplemented(tiny: Course, tmp_path: Path) -> None:
    found = grade_files(
        tiny, tmp_path, changed(square="def square(x): raise NotImplementedError('Task 1')")
    )
    assert found.outcomes == ALL_PASSED | {"square": "unimplemented"}
    assert found["square"].reason == "Task 1"
    assert found["square"].cases_run == 0
    gone = grade_files(
        tiny, tmp_path / "gone", {"work.py": "def total(values): return sum(values)"}
    )
    assert gone["double"].outcome is Outcome.UNIMPLEMENTED
    assert gone["double"].reason == "work.double is not defined"


def test_code_that_computes_without_end_is_timed_out_and_says_where(
    tiny: Course, tmp_path: Path
) -> None:
    found = grade_files(
        tiny, tmp_path, changed(square="def square(x):\n    while True:\n        pass")
    )
    assert found.outcomes == ALL_PASSED | {"square": "timed_out"}
    example = found["square"].counterexample
    assert example is not None
    assert "in square" in example.where[0]


@pytest.mark.parametrize(
    "definition",
    [
        "def square(x):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
        "def square(x):\n    f = lambda n: 1 if n < 2 else f(n - 1) + f(n - 2)\n    return f(60)",
        "def square(x): return 7 ** 7 ** 8",
    ],
)  # fmt: skip
def test_what_cannot_be_interrupted_is_ended_from_outside(
    tiny: Course, tmp_path: Path, definition: str
) -> None:
    began = time.monotonic()
    found = grade_files(tiny, tmp_path, changed(square=definition))
    assert found.outcomes == ALL_PASSED | {"square": "timed_out"}
    assert found.report.score == pytest.approx(32.0)
    assert time.monotonic() - began < 30


def test_code_that_sleeps_is_timed_out(tiny: Course, tmp_path: Path) -> None:
    found = grade_files(
        tiny, tmp_path, changed(square="import time\ndef square(x): time.sleep(1000)")
    )
    assert found.outcomes == ALL_PASSED | {"square": "timed_out"}
    assert "waited" in found["square"].reason


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("os._exit(3)", "exit status 3"),
        ("os.abort()", "SIGABRT"),
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
        ("ctypes.string_at(0)", "SIGSEGV"),
    ],
)
def test_a_process_that_ends_is_crashed_and_the_next_check_gets_another(
    tiny: Course, tmp_path: Path, body: str, said: str
) -> None:
    found = grade_files(
        tiny,
        tmp_path,
        changed(
            square=f"import ctypes, os\ndef square(x):\n    if x > 2: {body}\n    return x * x"
        ),
    )
    assert found.outcomes == ALL_PASSED | {"square": "crashed"}
    assert said in found["square"].reason


def test_an_answer_that_is_right_only_the_second_time_is_flaky(
    tiny: Course, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    code = f"""
        import os
        def square(x):
            if x > 1 and not os.path.exists({str(flag)!r}):
                open({str(flag)!r}, "w").close()
                return 0.0
            return x * x
    """
    found = grade_files(tiny, tmp_path / "s", changed(square=code), shrink=True)
    assert found.outcomes == ALL_PASSED | {"square": "flaky"}
    assert found["square"].score == 0.0


def test_an_answer_that_depends_on_earlier_questions_is_wrong_not_flaky(
    tiny: Course, tmp_path: Path
) -> None:
    code = """
        seen = []
        def square(x):
            seen.append(x)
            return x * x if len(seen) < 20 else 0.5
    """
    found = grade_files(tiny, tmp_path, changed(square=code), shrink=True)
    assert found["square"].outcome is Outcome.FAILED


def test_an_input_that_is_changed_in_place_is_failed_even_with_the_right_answer(
    tiny: Course, tmp_path: Path
) -> None:
    code = """
        def total(values):
            result = 0.0
            while values:
                result += values.pop(0)
            return result
    """
    found = grade_files(tiny, tmp_path, changed(total=code))
    assert found["total"].outcome is Outcome.FAILED
    example = found["total"].counterexample
    assert example is not None
    assert example.mismatch.kind == "mutated"
    assert found["total"].reason == "the input values was changed in place"


def test_what_comes_after_something_that_failed_is_blocked_by_name(
    tiny: Course, tmp_path: Path
) -> None:
    found = grade_files(tiny, tmp_path, changed(total="def total(values): return 1.0"))
    assert found.outcomes == ALL_PASSED | {"total": "failed", "later": "blocked"}
    assert found["later"].reason == "waits for: total adds everything up"
    unwritten = "def double(x): raise NotImplementedError\ndef square(x): raise NotImplementedError"
    found = grade_files(tiny, tmp_path / "b", changed(double=unwritten))
    assert found.outcomes == {
        "double": "unimplemented", "square": "unimplemented", "total": "blocked", "later": "blocked",
    }  # fmt: skip
    assert found["total"].reason == "waits for task 1"
    half = grade_files(
        tiny, tmp_path / "c", changed(double="def double(x): raise NotImplementedError")
    )
    assert half.outcomes == ALL_PASSED | {"double": "unimplemented"}


def test_one_cause_is_told_once_also_to_what_waits_for_what_waits(tmp_path: Path) -> None:
    checks = dedented(FILES["assignments/sums/checks.py"]) + (
        'second.check(questions.one, case(x=reals()), function="later", title="last", '
        'after=["later gives the right number"])\n'
    )
    course = make_course(tmp_path / "c", {"assignments/sums/checks.py": checks})
    found = grade_files(course, tmp_path, changed(total="def total(values): return 1.0"))
    reasons = {v.title: v.reason for v in found.report.checks}
    assert reasons["last"] == reasons["later gives the right number"]


def test_a_fault_that_keeps_several_files_from_being_imported_is_one_hint() -> None:
    fault = Raised("SyntaxError", "invalid\nsyntax", ("pack/a.py:3 in <module>",), "error")
    failures = {f"pack.{name}": fault for name in "abcde"}
    failures["pack.f"] = Raised("TimeLimit", "", (), "timeout")
    hints = import_hints(Opened(failures, (), End.DONE))
    assert hints == [
        "Start at pack/a.py:3: SyntaxError: invalid. Until it is mended, pack.a, pack.b, pack.c and 2 more "
        "cannot be imported.",
        "pack.f cannot be imported: importing takes too long.",
    ]


def test_a_file_that_is_no_text_is_told_and_not_the_line_that_imports_it() -> None:
    """PowerShell writes UTF-16 where output is sent to a file, and Python names no file for it."""
    files = {"work.py": b"import more\n", "more.py": "x = 1\n".encode("utf-16")}
    why = "source code string cannot contain null bytes"
    failures = {
        "work": Raised("SyntaxError", why, ("work.py:1 in <module>",), "error"),
        "other": Raised("ValueError", "no", ("other.py:2 in <module>",), "error"),
    }
    hints = hints_of(Submission("a", "a", files, "digest"), Opened(failures, (), End.DONE))
    assert hints == [
        "Start at more.py:1: the file holds null bytes, as UTF-16 does. Save it as UTF-8.",
        "Start at other.py:2: ValueError: no. Until it is mended, other cannot be imported.",
    ]


def test_a_submission_that_cannot_be_imported_is_blocked_with_a_hint(
    tiny: Course, tmp_path: Path
) -> None:
    found = grade_files(tiny, tmp_path, {"work.py": "def double(x:\n"})
    assert set(found.outcomes.values()) == {"blocked"}
    assert found.report.score == 0.0
    assert "work.py:1" in found.report.hints[0]
    assert "SyntaxError" in found["double"].reason
    found = grade_files(tiny, tmp_path / "b", {"work.py": "import os; os._exit(0)"})
    assert set(found.outcomes.values()) == {"blocked"}
    assert "exit status 0" in found["double"].reason


# Faults of ours


class LosingSandbox:
    """A sandbox that cannot start a worker, always or the first few times."""

    name = "losing"
    protects = False

    def __init__(self, times: int) -> None:
        self.times = times
        self.inner = ProcessSandbox()

    def walls(self) -> tuple[Wall, ...]:
        return ()

    def start(self, limits: Limits) -> ChildProcess:
        if self.times > 0:
            self.times -= 1
            raise SandboxLost("the machine is out of processes")
        return self.inner.start(limits)

    def close(self) -> None:
        self.inner.close()


def test_a_fault_of_ours_is_held_has_no_score_and_costs_nobody_a_point(
    tiny: Course, tmp_path: Path
) -> None:
    found = grade_files(tiny, tmp_path, changed(), sandbox=LosingSandbox(10**9))
    assert found.outcomes == {"double": "held", "square": "held", "total": "held", "later": "held"}
    assert found.report.score is None
    assert found["double"].score is None
    assert "out of processes" in found["double"].reason
    assert from_json(to_json(found.report)) == found.report


def test_a_box_that_is_lost_once_is_tried_again_and_one_that_is_lost_twice_holds_one_check(
    tiny: Course, tmp_path: Path
) -> None:
    assert (
        grade_files(tiny, tmp_path / "a", changed(), sandbox=LosingSandbox(1)).outcomes
        == ALL_PASSED
    )
    found = grade_files(tiny, tmp_path / "b", changed(), sandbox=LosingSandbox(2))
    assert found.outcomes == ALL_PASSED | {"double": "held"}
    assert found.report.score is None
    assert [t.score for t in found.report.tasks] == [None, 30.0]


def test_a_held_check_does_not_block_what_comes_after_it(tiny: Course, tmp_path: Path) -> None:
    ready = bank.load(tiny, "sums")
    few = msgspec.structs.replace(
        ready,
        assignment=msgspec.structs.replace(
            ready.assignment,
            checks=tuple(c for c in ready.assignment.checks if c.task == "2"),
        ),
    )
    submission = read_submission(write(tmp_path, changed()), few.assignment.expects)
    report = graded(tiny, few, submission, LosingSandbox(2))
    assert report.checks[0].outcome is Outcome.HELD
    # It was not the student's doing: the second check is asked, or held as well, but never blocked.
    assert report.checks[1].outcome in (Outcome.PASSED, Outcome.HELD)


# Limits


def test_the_limit_of_the_whole_run_leaves_a_whole_report(tmp_path: Path) -> None:
    module = dedented(FILES["assignments/sums/module.yaml"]).replace(
        "run_seconds: 20", "run_seconds: 0.8"
    )
    course = make_course(tmp_path / "course", {"assignments/sums/module.yaml": module})
    slow = """
        def waste():
            for _ in range(10 ** 9): pass
        def double(x): waste()
        def square(x): waste()
        def total(values): waste()
    """
    found = grade_files(course, tmp_path / "s", changed(double=slow))
    assert len(found.report.checks) == 4
    assert found.outcomes["double"] == found.outcomes["square"] == "timed_out"
    assert "the whole run may take 0.8 s" in found["total"].reason
    assert not found.report.complete
    assert found.report.score == 0.0


def test_an_exponential_check_keeps_the_points_of_the_others(tiny: Course, tmp_path: Path) -> None:
    code = """
        def total(values):
            def add(n):
                return 0.0 if n < 0 else add(n - 1) * 0 + add(n - 1) * 0 + values[min(n, 0)]
            return add(40) if values else 0.0
    """
    found = grade_files(tiny, tmp_path, changed(total=code))
    assert found.outcomes == ALL_PASSED | {"total": "timed_out", "later": "blocked"}
    assert found.report.tasks[0].score == 10.0


def test_only_the_named_tasks_are_graded_and_the_report_says_it_is_not_whole(
    tiny: Course, tmp_path: Path
) -> None:
    found = grade_files(tiny, tmp_path, changed(double="def double(x): return 0.0"), only=["2"])
    assert found.outcomes == {"total": "passed", "later": "passed"}
    assert (found.report.score, found.report.max_score) == (30.0, 30.0)
    assert "only task 2 was graded" in found.report.notes


# Answers that lie


def test_a_forged_count_of_seconds_leaves_the_report_readable(tiny: Course, tmp_path: Path) -> None:
    code = """
        import gc, time
        real = time.process_time
        def square(x):
            time.process_time = lambda: float("nan")
            return x * x
    """
    found = grade_files(tiny, tmp_path, changed(square=code))
    assert from_json(to_json(found.report)) == found.report
    for verdict in found.report.checks:
        assert 0.0 <= verdict.seconds < 100.0


def test_an_object_that_claims_to_equal_everything_gains_nothing(
    tiny: Course, tmp_path: Path
) -> None:
    code = """
        class Yes(float):
            def __eq__(self, other): return True
            def __float__(self): return 1.0
            __hash__ = float.__hash__
            def __sub__(self, other): return 0.0
            def __abs__(self): return 0.0
        def square(x): return Yes(-5.0)
    """
    found = grade_files(tiny, tmp_path, changed(square=code))
    assert found.outcomes == ALL_PASSED | {"square": "failed"}


def test_a_frame_of_any_bytes_is_a_fault_of_the_answer_never_of_ours() -> None:
    expected = wire.encode(1.0)
    from grader.model import Check, Visibility

    check = Check("1", "t", "q", {}, 1.0, Tolerance(), "close", Visibility.VISIBLE, 1.0)
    frames: list[Any] = [b"", b"x", wire.HEAD.pack(2**31, 2**60), wire.encode([1.0])]
    header = b'{"a":["<f8",[0,549755813888,549755813888],0]}'
    frames.append(wire.HEAD.pack(len(header), 0) + header)
    for frame in frames:
        fault = judge(check, expected, wire.encode(0.0), frame)
        assert fault is not None
        assert fault.outcome in (Outcome.CRASHED, Outcome.FAILED)
    assert judge(check, expected, wire.encode(0.0), expected) is None


def test_a_report_names_what_is_needed_to_repeat_it(tiny: Course, tmp_path: Path) -> None:
    report = grade_files(tiny, tmp_path, changed()).report
    ready = bank.load(tiny, "sums")
    assert report.provenance.seed == 1
    assert report.provenance.banks == {k: b.digest[:16] for k, b in ready.banks.items()}
    assert report.provenance.sandbox == "process"
    assert report.provenance.protects is False
    assert sum(points(ready.assignment, c) for c in ready.assignment.checks) == pytest.approx(40.0)


def test_two_gradings_of_the_same_files_say_the_same(tiny: Course, tmp_path: Path) -> None:
    files = changed(square="def square(x): return x * x + (x > 3)")
    found = [grade_files(tiny, tmp_path / n, files, shrink=True).report.checks for n in "ab"]
    timeless = [[msgspec.structs.replace(v, seconds=0.0) for v in checks] for checks in found]
    assert timeless[0] == timeless[1]


def test_files_of_an_earlier_module_that_are_to_blame_are_named(tmp_path: Path) -> None:
    module = dedented(FILES["assignments/sums/module.yaml"]) + "earlier: [base.py]\n"
    key = "from base import twice\n" + dedented(REFERENCE).replace("2.0 * x", "twice(x)")
    course = make_course(
        tmp_path / "course",
        {
            "assignments/sums/module.yaml": module,
            "reference/work.py": key,
            "reference/base.py": "def twice(x): return 2.0 * x\n",
        },
    )
    files = {"work.py": key, "base.py": "def twice(x): return 3.0 * x\n"}
    earlier = {"base.py": b"def twice(x): return 2.0 * x\n"}
    found = grade_files(course, tmp_path / "s", files, earlier=earlier)
    assert found.outcomes == ALL_PASSED | {"double": "failed"}
    assert any("base.py" in hint for hint in found.report.hints)
    instead = grade_files(course, tmp_path / "s", files, earlier=earlier, earlier_mode="reference")
    assert instead.outcomes == ALL_PASSED


def test_a_check_that_only_waited_does_not_blame_an_earlier_file(tmp_path: Path) -> None:
    module = dedented(FILES["assignments/sums/module.yaml"]) + "earlier: [base.py]\n"
    key = dedented(REFERENCE)
    course = make_course(
        tmp_path / "course",
        {
            "assignments/sums/module.yaml": module,
            "reference/work.py": key,
            "reference/base.py": "BASE = 2.0\n",
        },
    )
    files = {"work.py": key.replace("result += value", "pass"), "base.py": "BASE = 3.0\n"}
    found = grade_files(course, tmp_path / "s", files, earlier={"base.py": b"BASE = 2.0\n"})
    assert found.outcomes == ALL_PASSED | {"total": "failed", "later": "blocked"}
    assert found.report.hints == ()


def test_an_answer_of_many_times_the_length_is_wrong_without_being_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading 100 of these for each question took minutes, in which the submission used no time."""
    from grader.model import Check, Visibility

    check = Check("1", "t", "q", {}, 1.0, Tolerance(), "close", Visibility.VISIBLE, 1.0)
    slack = wire.encode(0.0)
    # As far apart in letters as two equal answers can be.
    short, long = wire.encode([0] * 40_000), wire.encode([-2.2250738585072014e-308] * 40_000)
    assert judge(check, short, slack, long) is None
    huge, read = wire.encode([0] * 240_000), wire.decode

    def decode(frame: bytes) -> Any:
        assert frame != huge
        return read(frame)

    monkeypatch.setattr(wire, "decode", decode)
    fault = judge(check, wire.encode([1.0]), slack, huge)
    assert fault is not None
    assert fault.outcome is Outcome.FAILED
    assert "468 KiB" in fault.mismatch.observed


@pytest.mark.parametrize("guilty", [{"a"}, {"d"}, {"h"}, {"i"}, {"g", "h"}, {"a", "i"}])
def test_the_files_to_blame_are_found_by_halving(guilty: set[str]) -> None:
    """What is left is enough, and as small as halves can make it."""
    tried = []

    def enough(names: list[str]) -> bool:
        tried.append(names)
        return guilty <= set(names)

    found = narrowed(list("abcdefghi"), enough)
    assert guilty <= set(found)
    assert len(tried) <= 8
    assert len(found) == (9 if guilty == {"a", "i"} else 3 if len(guilty) == 2 else 1)
