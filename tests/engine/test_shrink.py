"""Shrinking: the smallest case that still shows the fault, in time, and never a different verdict."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from grader import bank
from grader.course import Course
from grader.judge.shrink import Shrinker
from grader.model import Outcome, Verdict

from .courses import changed, grade_files


def shown(found: Verdict) -> str:
    assert found.counterexample is not None
    return next(iter(found.counterexample.inputs.values()))


@pytest.mark.parametrize(
    ("fault", "smallest"),
    [
        ("x > 1", {"2.0"}),
        ("x > 2.5", {"3.0"}),
        ("x < 0", {"-1.0"}),
        ("x != int(x)", {"0.5", "-0.5"}),
        ("True", {"0.0"}),
    ],
)
def test_the_smallest_case_is_the_one_a_person_would_choose(
    tiny: Course, tmp_path: Path, fault: str, smallest: set[str]
) -> None:
    code = f"def square(x): return x * x + 1 if {fault} else x * x"
    found = grade_files(tiny, tmp_path, changed(square=code), shrink=True)["square"]
    assert found.outcome is Outcome.FAILED
    assert found.counterexample is not None
    assert found.counterexample.shrunk
    assert shown(found) in smallest


def test_a_list_shrinks_to_its_shortest(tiny: Course, tmp_path: Path) -> None:
    code = "def total(values): return sum(values) if len(values) < 3 else 0.5"
    found = grade_files(tiny, tmp_path, changed(total=code), shrink=True)["total"]
    assert shown(found) == "[0.0, 0.0, 0.0]"


def test_an_exception_shrinks_to_the_same_exception(tiny: Course, tmp_path: Path) -> None:
    code = """
        def square(x):
            if x > 4: raise ValueError("too large")
            return x * x if x > 0 else -1.0
    """
    found = grade_files(tiny, tmp_path, changed(square=code), shrink=True)["square"]
    if found.outcome is Outcome.RAISED:
        assert float(shown(found)) > 4
        assert "ValueError" in found.reason
    else:
        assert float(shown(found)) <= 0


def test_shrinking_never_changes_an_outcome_or_a_score(tiny: Course, tmp_path: Path) -> None:
    codes = [
        "def square(x): return abs(x) * x",
        "def square(x): return 1 / (x - 1)",
        "def square(x): return [x]",
        "import os\ndef square(x): return os._exit(0) if x > 1 else 0.0",
        "import random\ndef square(x): return random.random()",
    ]
    for number, code in enumerate(codes):
        plain, shrunk = (
            grade_files(tiny, tmp_path / str(number), changed(square=code), shrink=shrink)
            for shrink in (False, True)
        )
        assert plain.outcomes == shrunk.outcomes
        assert plain.report.score == shrunk.report.score


def test_without_time_the_smallest_case_of_the_bank_is_shown(tiny: Course) -> None:
    ready = bank.load(tiny, "sums")
    cases = ready.banks["1/square gives the right number"]
    with Shrinker(tiny, ready, total_probes=0) as shrinker:
        assert (
            shrinker.smallest(cases.check, cases, set(), set(cases.cases), lambda *_: True) is None
        )
        assert shrinker.reference is None


def test_shrinking_keeps_to_its_time(tiny: Course) -> None:
    ready = bank.load(tiny, "sums")
    cases = ready.banks["1/square gives the right number"]

    def slow(frame: bytes, expected: bytes, slack: bytes) -> bool:
        time.sleep(0.05)
        return False

    with Shrinker(tiny, ready, seconds=0.3) as shrinker:
        shrinker._load()
        began = time.monotonic()
        shrinker.smallest(cases.check, cases, set(), set(cases.cases[-3:]), slow)
        assert time.monotonic() - began < 5
        assert not shrinker.finished


def test_shrinking_keeps_to_its_number_of_tries(tiny: Course) -> None:
    ready = bank.load(tiny, "sums")
    cases = ready.banks["1/square gives the right number"]
    asked: list[bytes] = []

    def passes(frame: bytes, expected: bytes, slack: bytes) -> bool:
        asked.append(frame)
        return False

    with Shrinker(tiny, ready, probes=7, total_probes=10) as shrinker:
        for tries in (7, 10, 10):
            shrinker.smallest(cases.check, cases, set(), set(cases.cases[-3:]), passes)
            assert shrinker.left == 10 - tries
    assert len(set(asked)) >= 7


def test_one_that_is_kept_has_all_its_tries_again_and_its_reference(tiny: Course) -> None:
    ready = bank.load(tiny, "sums")
    cases = ready.banks["1/square gives the right number"]
    with Shrinker(tiny, ready, probes=7, total_probes=7) as shrinker:

        def smallest() -> tuple[bytes, bytes, bytes] | None:
            known = set(cases.cases[-3:])
            return shrinker.smallest(cases.check, cases, set(), known, lambda *_: True)

        first = smallest()
        kept = shrinker.reference
        assert first is not None
        assert kept is not None
        assert shrinker.left < 7
        shrinker.renew()
        assert shrinker.left == 7
        assert smallest() == first
        assert shrinker.reference is kept
        kept.used_seconds = 1e9
        shrinker.renew()
        assert smallest() == first
        assert shrinker.reference is not kept


def test_an_unknown_check_is_not_shrunk(tiny: Course) -> None:
    ready = bank.load(tiny, "sums")
    cases = ready.banks["1/square gives the right number"]
    with Shrinker(tiny, ready) as shrinker:
        assert shrinker.smallest("9/gone", cases, set(), set(cases.cases), lambda *_: True) is None
