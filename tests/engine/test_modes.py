"""Run modes: a worker for each, numba set up before the submission is imported, and what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader import modes
from grader.box.bindings.minitorch_fast import Fast
from grader.box.imports import Package
from grader.course import load_checks
from grader.errors import BrokenCheck, UsageError

from .courses import grade_files, make_course

MODULE = """
title: Kernels
expects: [work]
preload: [numpy, numba]
limits: {check_seconds: 5, import_seconds: 5, run_seconds: 60, compile_seconds: 20, memory_mb: 2048}
tasks:
  - {id: "1", title: Kernels, points: 10}
"""
QUESTIONS = """
def double(subject, x):
    "double gives the right number"
    return subject.call("double", x)


def seen(subject):
    "double is compiled"
    kernel = subject.get("double")
    compiled = "yes" if hasattr(kernel, "signatures") else f"no: it is a {type(kernel).__name__}"
    return {"compiled": compiled, "told": f"It was imported in the mode {subject.mode!r}."}


def simulated(subject):
    "numba.cuda is the simulator"
    subject.get("double")
    from numba import cuda

    return type(cuda.jit(lambda: None)).__name__
"""
CHECKS = """
import questions
from grader.checks import case, reals, task
from hypothesis import strategies as st

nothing = st.just({})
first = task("1")
first.check(questions.seen, nothing, on="compiled", compare="facts")
first.check(questions.double, case(x=reals()), on="python", title="in Python")
first.check(questions.double, case(x=reals()), on="compiled", title="compiled", cases=5)
first.check(questions.simulated, nothing, on="simulator")
first.check(questions.double, case(x=reals()), on=("gpu", "python"), title="wherever")
first.check(questions.double, case(x=reals()), on="gpu", title="nowhere")
"""
REFERENCE = """
from numba import njit


@njit
def double(x):
    return 2.0 * x
"""
FILES = {
    "assignments/sums/module.yaml": MODULE,
    "assignments/sums/questions.py": QUESTIONS,
    "assignments/sums/checks.py": CHECKS,
    "reference/work.py": REFERENCE,
}


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(modes, "has_gpu", lambda: False)
    return make_course(tmp_path / "course", FILES)


def test_each_mode_sets_numba_up_before_the_import(kernels, tmp_path: Path) -> None:
    found = grade_files(kernels, tmp_path / "s", {"work.py": REFERENCE})
    assert set(found.outcomes.values()) == {"passed"}
    assert found["in Python"].ran_on == "plain Python, with numba's compiler off"
    assert found["compiled"].ran_on == "this processor, compiled by numba"
    assert found["numba.cuda"].ran_on == "numba's CUDA simulator"
    assert found["double is"].remark == "It was imported in the mode 'compiled'."
    assert [v.title for v in found.report.checks][:2] == ["double is compiled", "in Python"]


def test_what_no_mode_here_can_answer_costs_nothing_and_is_told(kernels, tmp_path: Path) -> None:
    found = grade_files(kernels, tmp_path / "s", {"work.py": REFERENCE})
    assert found["wherever"].ran_on == "plain Python, with numba's compiler off"
    assert "nowhere" not in found.outcomes
    assert found.report.score == found.report.max_score == 10
    (note,) = found.report.notes
    assert note.startswith("not asked here: 1 nowhere. That takes a GPU (and")


def test_what_only_works_uncompiled_is_told_apart(kernels, tmp_path: Path) -> None:
    code = """
        from numba import njit

        @njit
        def double(x):
            return {"a": 2.0, 1: x}["a"] * x
    """
    found = grade_files(kernels, tmp_path / "s", {"work.py": code}, shrink=True)
    assert found["in Python"].outcome.value == "passed"
    assert found["compiled"].outcome.value == "raised"


def test_a_kernel_that_is_not_compiled_fails_by_a_fact(kernels, tmp_path: Path) -> None:
    found = grade_files(
        kernels, tmp_path / "s", {"work.py": "def double(x): return 2.0 * x"}, shrink=True
    )
    assert found.outcomes["double"] == "failed"
    assert found["double is"].reason == "It is a function"
    assert found["double is"].counterexample is None


def test_what_is_told_beside_the_facts_stays_beside_a_wrong_one(kernels, tmp_path: Path) -> None:
    found = grade_files(kernels, tmp_path / "s", {"work.py": "def double(x): return 2.0 * x"})
    assert found["double is"].reason == "It is a function"
    assert found["double is"].remark == "It was imported in the mode 'compiled'."


def test_a_sentence_that_begins_with_a_file_keeps_its_name(kernels, tmp_path: Path) -> None:
    says = QUESTIONS.replace('f"no: it is a {type(kernel).__name__}"', '"no: work.py, line 3"')
    course = make_course(tmp_path / "c", {**FILES, "assignments/sums/questions.py": says})
    found = grade_files(course, tmp_path / "s", {"work.py": "def double(x): return 2.0 * x"})
    assert found["double is"].reason == "work.py, line 3"


def test_the_function_behind_a_kernel_is_there_where_nothing_is_compiled(
    kernels, tmp_path: Path
) -> None:
    code = REFERENCE + "\n\nplain = double.py_func\n"
    found = grade_files(kernels, tmp_path / "s", {"work.py": code})
    assert set(found.outcomes.values()) == {"passed"}


def test_an_unknown_mode_is_told(tmp_path: Path) -> None:
    wrong = CHECKS.replace('on="simulator"', 'on="simulater"')
    course = make_course(tmp_path, {**FILES, "assignments/sums/checks.py": wrong})
    with pytest.raises(BrokenCheck, match="'simulater' is no run mode; there are python, compiled"):
        load_checks(course, "sums")


AGAIN = {
    "grader.yaml": "course: Tiny\nmodules: [sums, more]\ncases: 30\nisolation: {sandbox: process}\n",
    "assignments/more/module.yaml": """
        title: More
        expects: [work]
        builds_on: [sums]
        tasks:
          - {id: "3", title: All of it again, points: 10}
    """,
    "assignments/more/questions.py": """
        def both(subject, x):
            "square of double"
            return subject.call("square", subject.call("double", x))
    """,
    "assignments/more/checks.py": """
        import questions
        from grader.checks import again, case, reals, task

        third = task("3")
        third.check(questions.both, case(x=reals()))
        again(third, "sums", tasks=["1"], weight=3, title="{title}, again", cases=10, seconds=1.5)
    """,
}


def test_a_module_asks_what_another_one_asks_once_more(tmp_path: Path) -> None:
    course = make_course(tmp_path, AGAIN)
    assignment, declared = load_checks(course, "more")
    assert [(c.title, c.weight) for c in assignment.checks] == [
        ("square of double", 1.0),
        ("double gives the right number, again", pytest.approx(0.6)),
        ("square gives the right number, again", pytest.approx(2.4)),
    ]
    assert [d.cases for d in declared] == [None, 10, 10]
    assert [c.seconds for c in assignment.checks[1:]] == [1.5, 1.5]
    from .courses import REFERENCE as SUMS

    found = grade_files(course, tmp_path / "s", {"work.py": SUMS}, module="more")
    assert found.report.score == 10


def test_what_it_builds_on_comes_before_it_and_shares_no_name(tmp_path: Path) -> None:
    course = make_course(
        tmp_path / "a", {**AGAIN, "grader.yaml": "course: T\nmodules: [more, sums]\n"}
    )
    with pytest.raises(UsageError, match=r"module.yaml:3: builds_on: 'sums' is no module before"):
        load_checks(course, "more")
    twice = (
        AGAIN["assignments/more/questions.py"]
        + """
        def one(subject, x):
            "again"
            return subject.call("double", x)
    """
    )
    course = make_course(tmp_path / "b", {**AGAIN, "assignments/more/questions.py": twice})
    with pytest.raises(BrokenCheck, match=r"one is also a function of sums's questions.py"):
        load_checks(course, "more")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "No implementation of function Function(<built-in function setitem>) found for signature:\n \n"
            " >>> setitem(array(float64, 1d, C), float64, int64)",
            "np.int64(i) for the variable i of a prange",
        ),
        (
            "No implementation of function Function(<built-in function setitem>) found for signature:\n \n"
            " >>> setitem(readonly array(int32, 1d, C), int64, int64)",
            "make it inside the prange",
        ),
        ("Scipy 0.16+ is required for linear algebra", "write the loop"),
        ("LLVM IR parsing error\n<string>:9:3: error: '%.4' defined with type 'i32'", "as a loop"),
    ],
)
def test_what_numba_refuses_is_said_with_what_to_do(said: str, told: str, tmp_path: Path) -> None:
    fast = Fast(Package(str(tmp_path), ["minitorch"]), "minitorch")
    assert told in fast.complaint(Exception(said))
