"""Snippets: what a student is told to paste runs as it stands and asks what the check asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader import bank
from grader.box import wire
from grader.course import Course, load_checks, load_course
from grader.judge.script import snippet

from .courses import make_course

ROOT = Path(__file__).resolve().parents[2]

# Runs every snippet by itself and says which failed: one process for all of a module.
RUNNER = """
import contextlib, io, json, os, sys, traceback
sys.path.insert(0, sys.argv[1])
if "NUMBA_ENABLE_CUDASIM" in os.environ:
    from grader.box import simulator
    simulator.install()  # numba's own threads take a minute for what these take a second for
failed = {}
for key, code in json.load(sys.stdin).items():
    if "tests" in sys.modules:
        # A snippet may have put a wrong operator in its place.
        for name in [n for n in sys.modules if n.split(".")[0] in ("tests", "minitorch")]:
            del sys.modules[name]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            exec(compile(code, "snippet", "exec"), {"__name__": "__main__"})
    except BaseException:
        failed[key] = traceback.format_exc(limit=-1)[-300:]
    else:
        if "print(" in code and not said.getvalue().strip():
            failed[key] = "it prints nothing"
json.dump(failed, sys.stdout)
"""

# Questions whose point is that the answer is an exception.
RAISES = ("raises", "notices")


def snippets(course: Course, module: str, cases: int = 2) -> tuple[dict[str, str], int]:
    """The snippet of a few cases of every check, and how many checks there are that ask for values: what
    numba made of a kernel, or how a network learns, has no lines that would show it."""
    assignment, declared = load_checks(course, module)
    found = {}
    for item in declared:
        frames = [wire.encode(edge) for edge in item.edges]
        frames += bank.draw_cases(item, 1, cases)
        for number, frame in enumerate(frames):
            code = snippet(assignment, item.check, wire.decode(frame))
            if code:
                found[f"{item.check.key} [{number}]"] = code
    return found, sum(item.check.compare not in ("facts", "learns") for item in declared)


def failing(course: Course, codes: dict[str, str]) -> dict[str, str]:
    # Kernels as Python functions: to compile one for each snippet takes minutes, and there is no GPU.
    kernels = any("numba" in code for code in codes.values())
    settings = {"NUMBA_DISABLE_JIT": "1", "NUMBA_ENABLE_CUDASIM": "1"} if kernels else {}
    ran = subprocess.run(
        [sys.executable, "-c", RUNNER, str(course.reference)],
        input=json.dumps(codes),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **settings},
    )
    found: dict[str, str] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize(
    "module",
    [
        *("warmup", "module1", "module2", "module3"),
        *(pytest.param(name, marks=pytest.mark.thorough) for name in ("module0", "module4")),
    ],
)
def test_every_snippet_runs_with_a_right_submission(module: str) -> None:
    course = load_course(ROOT)
    codes, checks = snippets(course, module)
    covered = {key.rpartition(" [")[0] for key in codes}
    # A question that asks in a loop, or watches what is called, has no lines that would show it; nor has one that
    # takes the time.
    timed = sum(item.check.at_most_times > 0 for item in load_checks(course, module)[1])
    assert len(covered) >= checks - 3 - timed
    failed = {
        key: f"{why}\n{codes[key]}"
        for key, why in failing(course, codes).items()
        if not any(word in key for word in RAISES)
    }
    assert not failed, "\n\n".join(f"{key}\n{why}" for key, why in list(failed.items())[:5])


def test_a_snippet_prints_what_the_check_asks_for(tiny: Course) -> None:
    assignment, declared = load_checks(tiny, "sums")
    code = snippet(assignment, declared[1].check, {"x": 3.0})
    assert code == "from work import square\nprint(square(3.0))"
    assert failing(tiny, {"square": code}) == {}


def test_a_question_that_computes_with_the_answer_does_not_stop_the_snippet(
    tmp_path: Path,
) -> None:
    from .courses import QUESTIONS, dedented

    more = dedented(QUESTIONS) + dedented(
        """
        def computed(subject, function, x):
            "The sum of two answers"
            return subject.call(function, x) + 1 / subject.call("missing", x)
        """
    )
    checks = dedented(
        """
        import questions
        from grader.checks import case, reals, task
        task("1").check(questions.computed, case(x=reals()), function="double")
        task("2").check(questions.one, case(x=reals()), function="later")
        """
    )
    course = make_course(
        tmp_path, {"assignments/sums/questions.py": more, "assignments/sums/checks.py": checks}
    )
    assignment, declared = load_checks(course, "sums")
    assert "double(2.0)" in snippet(assignment, declared[0].check, {"x": 2.0})


def test_functions_that_a_question_makes_are_written_out_each_its_own(tmp_path: Path) -> None:
    from .courses import QUESTIONS, dedented

    more = dedented(QUESTIONS) + dedented(
        """
        def shifted(x):
            return x + OFFSET

        OFFSET = 1.0

        def halved(value):
            return value / 2.0

        def up(subject, x):
            "A function of its own"
            def given(value):
                return value + 1.0
            return subject.applied("twice", given, x)

        def down(subject, x):
            "Another function of the same name, which needs a third"
            def given(value):
                return math.floor(halved(value))
            return subject.applied("twice", given, x)

        def unknown(subject, x):
            "A function that needs what cannot be written out"
            return subject.applied("twice", shifted, x)
        """
    )
    checks = """
        import questions
        from grader.checks import case, reals, task
        for question in (questions.up, questions.down, questions.unknown):
            task("1").check(question, case(x=reals()))
        task("2").check(questions.one, case(x=reals()), function="later")
    """
    key = """
        def twice(function):
            return lambda x: function(function(x))
    """
    files = {"questions.py": "import math\n" + more, "checks.py": checks}
    course = make_course(
        tmp_path,
        {f"assignments/sums/{name}": text for name, text in files.items()}
        | {"reference/work.py": key},
    )
    assignment, declared = load_checks(course, "sums")
    up, down, lost = (snippet(assignment, d.check, {"x": 3.0}) for d in declared[:3])
    assert "value + 1.0" in up
    assert "floor" not in up
    assert "def halved" in down
    assert failing(course, {"up": up, "down": down}) == {}
    assert lost == ""


@pytest.mark.parametrize(
    ("imported", "name", "told"),
    [
        ("from minitorch.operators import sum", "sum", "AssertionError"),
        ("from minitorch.operators import sum as total", "total", "AssertionError"),
        ("from minitorch import operators", "operators.sum", "AssertionError"),
        ("", "sum", ""),  # it asks Python's own, and never notices
    ],
)
def test_a_wrong_operator_is_met_where_the_student_s_test_calls_it(
    imported: str, name: str, told: str, tmp_path: Path
) -> None:
    codes, _ = snippets(load_course(ROOT), "module0", 1)
    code = codes["0.3/test_sum_distribute notices a wrong sum or addLists [1]"]
    (tmp_path / "minitorch").symlink_to(ROOT / "reference" / "minitorch")
    (tmp_path / "tests").mkdir()
    test = f"{imported}\ndef test_sum_distribute():\n    assert {name}([1.0, 2.0]) == 3.0\n"
    (tmp_path / "tests" / "test_operators.py").write_text(test)
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (ran.stderr.splitlines() or [""])[-1] == told


def test_the_lines_show_every_part_of_the_answer() -> None:
    codes, _ = snippets(load_course(ROOT), "module2", 1)
    (code,) = (code for key, code in codes.items() if "The gradient of view" in key)
    assert code.splitlines()[-2:] == ["print(y0)", "print(x0.grad)"]
    turned = next(code for key, code in codes.items() if "tensor_zip writes" in key)
    assert turned.splitlines()[-1].startswith("print(np.lib.stride_tricks.as_strided(out, [2, 3], ")


@pytest.mark.parametrize("module", ["module1", "module2"])
def test_a_name_is_imported_from_the_file_that_defines_it(module: str) -> None:
    """Which names the package itself brings differs from module to module."""
    codes, _ = snippets(load_course(ROOT), module, 1)
    assert not [key for key, code in codes.items() if "from minitorch import" in code]
