"""The author's door: a check that cannot check anything is refused when it is loaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader import checks
from grader.checks import (
    arrays,
    away_from,
    broadcastable,
    choices,
    eighths,
    orders,
    reals,
    shapes,
    task,
    upstreams,
)
from grader.course import load_checks
from grader.errors import BrokenCheck, UsageError

from .courses import make_course

same_cases = settings(deadline=None, derandomize=True, database=None, max_examples=60)


def questioned(tmp_path: Path, question: str, declaration: str) -> None:
    """Loads a course with one question and one declaration more than the tiny one has."""
    from .courses import CHECKS, QUESTIONS, dedented

    files = {
        "assignments/sums/questions.py": dedented(QUESTIONS) + "\n\n" + dedented(question),
        "assignments/sums/checks.py": dedented(CHECKS) + dedented(declaration) + "\n",
    }
    load_checks(make_course(tmp_path, files), "sums")


GOOD = """
def asked(subject, x):
    "A sentence"
    return subject.call("double", x)
"""
DECLARED = "first.check(questions.asked, case(x=reals()))"


def test_a_good_question_is_taken(tmp_path: Path) -> None:
    questioned(tmp_path, GOOD, DECLARED)


BROKEN = {
    "no docstring": ("def asked(subject, x):\n    return subject.call('double', x)", DECLARED),
    "never uses": ('def asked(subject, x):\n    "A sentence"\n    return x', DECLARED),
    "returns nothing": (
        'def asked(subject, x):\n    "A sentence"\n    subject.call("double", x)',
        DECLARED,
    ),
    "asserts": (
        'def asked(subject, x):\n    "A sentence"\n    y = subject.call("double", x)\n'
        "    assert y == 2 * x\n    return y",
        DECLARED,
    ),
    "takes no subject": ('def asked():\n    "A sentence"\n    return 1', DECLARED),
    "no argument 'wide'": (GOOD, "first.check(questions.asked, case(x=reals()), wide=3)"),
    "no argument 'y'": (GOOD, "first.check(questions.asked, case(x=reals()), edges=[{'y': 1.0}])"),
    "two checks": (GOOD, f"{DECLARED}\n{DECLARED}"),
    "a weight must be": (GOOD, "first.check(questions.asked, case(x=reals()), weight=0)"),
    "more than 0": (GOOD, "first.check(questions.asked, case(x=reals()), weight=float('nan'))"),
    "its sentence names": (
        GOOD,
        "first.check(questions.asked, case(x=reals()), title='{missing} is right')",
    ),
    "there is no task": (GOOD, "task('9').check(questions.asked, case(x=reals()))"),
    "which is no check": (GOOD, "first.check(questions.asked, case(x=reals()), after=['gone'])"),
    "there is no comparison": (
        GOOD,
        "first.check(questions.asked, case(x=reals()), compare='closer')",
    ),
    "holds no number": (GOOD, "first.check(questions.asked, case(x=reals(0.001, 0.002, grid=8)))"),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_check_is_refused_that(message: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenCheck, match=message) as caught:
        questioned(tmp_path, *BROKEN[message])
    assert "checks.py" in str(caught.value)


def test_a_return_without_a_value_is_no_answer(tmp_path: Path) -> None:
    question = 'def asked(subject, x):\n    "A sentence"\n    subject.call("double", x)\n    return'
    with pytest.raises(BrokenCheck, match="returns nothing"):
        questioned(tmp_path, question, DECLARED)


def test_a_return_or_a_subject_of_an_inner_function_does_not_count(tmp_path: Path) -> None:
    inner = """
    def asked(subject, x):
        "A sentence"
        def helper(value):
            return value
        subject.call("double", helper(x))
    """
    with pytest.raises(BrokenCheck, match="returns nothing"):
        questioned(tmp_path, inner, DECLARED)


MISTAKES = {
    "checks.py:12: NameError": (GOOD, "first.check(questions.asked, kase(x=reals()))"),
    "checks.py:12: AttributeError": (GOOD, "first.check(questions.askd, case(x=reals()))"),
    "checks.py:12: TypeError": (GOOD, "first.check(questions.asked)"),
    "checks.py:12: ValueError": (
        GOOD,
        "first.check(questions.asked, case(x=reals()), visibility='invisible')",
    ),
    "questions.py:1[0-9]: SyntaxError": ("def asked(subject, x:\n    return 1", DECLARED),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_of_the_author_is_told_with_file_and_line(message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        questioned(tmp_path, *MISTAKES[message])


def test_a_task_without_a_check_is_refused(tmp_path: Path) -> None:
    one = "import questions\nfrom grader.checks import *\nfirst = task('1')\n"
    one += "first.check(questions.one, case(x=reals()), function='double')\n"
    with pytest.raises(BrokenCheck, match=r"task 2 of module\.yaml has no check"):
        load_checks(make_course(tmp_path, {"assignments/sums/checks.py": one}), "sums")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for name in ("checks.py", "questions.py"):
        course = make_course(tmp_path / name)
        (course.root / "assignments" / "sums" / name).unlink()
        with pytest.raises(UsageError, match=name):
            load_checks(course, "sums")


def test_task_is_refused_outside_of_a_course() -> None:
    with pytest.raises(BrokenCheck, match="which the grader loads"):
        task("1")


def test_the_author_needs_to_import_nothing_that_the_door_does_not_offer() -> None:
    assert set(checks.__all__) <= set(vars(checks))


# Domains


def on_grid(x: float, grid: int) -> bool:
    return (x * grid).is_integer()


@given(reals(-3, 5), eighths(), away_from(0, 1), upstreams(), choices(3.0, 4.0))
@same_cases
def test_numbers_lie_on_their_grid_and_in_their_interval(
    x: float, e: float, a: float, u: float, c: float
) -> None:
    assert -3 <= x <= 5
    assert on_grid(x, 64)
    assert on_grid(e, 8)
    assert min(abs(a), abs(a - 1)) >= 0.25
    assert u != 0.0
    assert c in (3.0, 4.0)


@given(reals(1, 1.5))
@same_cases
def test_a_narrow_interval_gets_a_finer_grid(x: float) -> None:
    assert 1 <= x <= 1.5
    assert on_grid(x, 1024)


def test_the_simplest_number_comes_first() -> None:
    assert _first(reals(-2, 2), 6) == [0.0, 1.0, -1.0, 2.0, -2.0, 0.5]
    assert _first(away_from(0), 2) == [1.0, -1.0]
    assert _first(choices(7.0, 3.0), 2) == [7.0, 3.0]


def _first(domain: Any, count: int) -> list[float]:
    return checks._tables[domain][:count]


@given(st.data())
@same_cases
def test_shapes_broadcast_to_the_shape_that_is_promised(data: st.DataObject) -> None:
    import numpy as np

    full, parts = data.draw(broadcastable(3))
    assert np.broadcast_shapes(*parts) == full
    assert all(side >= 1 for side in full)


@given(shapes(0, 3, 3), st.data())
@same_cases
def test_arrays_have_their_shape_and_entries_of_their_domain(
    shape: tuple[int, ...], data: st.DataObject
) -> None:
    for entries in (None, upstreams(), reals(-100, 100)):
        array = data.draw(arrays(shape, entries))
        assert array.shape == shape
        assert array.dtype == float
        assert all(on_grid(float(x), 64) for x in array.reshape(-1))
    order = data.draw(orders(len(shape)))
    assert sorted(order) == list(range(len(shape)))


@pytest.fixture(autouse=True)
def nothing_stays_declared() -> Iterator[None]:
    yield
    assert not checks._collector.active


def test_a_broken_module_leaves_the_door_closed(tmp_path: Path) -> None:
    def run() -> None:
        raise RuntimeError

    failing: Callable[[], None] = run
    with pytest.raises(RuntimeError):
        checks.collect(failing)
    with pytest.raises(BrokenCheck):
        task("1")


def test_every_number_of_a_domain_is_finite() -> None:
    for domain in (reals(), eighths(), away_from(0), upstreams()):
        assert all(math.isfinite(x) for x in checks._tables[domain])


def test_a_domain_is_made_once_however_often_it_is_drawn_from() -> None:
    @st.composite
    def pairs(draw: st.DrawFn) -> Any:
        return draw(arrays((2, 3), upstreams())), draw(arrays((2,), away_from(0, 1)))

    def drawn() -> None:
        @given(pairs())
        @same_cases
        def draw(pair: Any) -> None:
            assert pair[0].shape == (2, 3)

        draw()

    drawn()
    held = len(checks._tables)
    drawn()
    assert len(checks._tables) == held
    assert arrays((2, 3), upstreams()) is arrays((2, 3), upstreams())
    assert away_from(0, gap=1.0) is not away_from(0)
