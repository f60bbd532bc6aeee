"""Speed is judged by ratios taken in turn: decided with few errors, or not decided at all."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path

import pytest

from grader.intake import read_folder
from grader.judge import speed
from grader.judge.grading import Opponent
from grader.model import Submission

from .courses import Graded, grade_files, make_course

QUESTIONS = """
def work(subject, n):
    "work is quick"
    return subject.call("work", n)
"""
CHECKS = """
import questions
from grader.checks import case, integers, task

first = task("1")
first.check(questions.work, case(n=integers(1, 500)), cases=8, at_most_times=4.0, weight=3)
first.check(questions.work, case(n=integers(1, 5)), title="work is right")
"""
MODULE = """
title: Speed
expects: [work]
limits: {check_seconds: 10, import_seconds: 5, run_seconds: 60, wall_factor: 40}
tasks:
  - {id: "1", title: Speed, points: 10}
"""
REFERENCE = """
def work(n):
    total = 0.0
    for i in range(40_000):
        total += float(n)
    return total
"""
FILES = {
    "assignments/sums/module.yaml": MODULE,
    "assignments/sums/questions.py": QUESTIONS,
    "assignments/sums/checks.py": CHECKS,
    "reference/work.py": REFERENCE,
}
SLOW = REFERENCE + "\nquick = work\ndef work(n):\n    return [quick(n) for _ in range(12)][0]\n"
NEITHER = """
def once(n):
    total = 0.0
    for i in range(40_000):
        total += float(n)
    return total

calls = []

def work(n):
    calls.append(n)
    return [once(n) for _ in range(7 if len(calls) % 2 else 1)][0]
"""
LATER = (
    REFERENCE
    + "\ncalls = []\nquick = work\ndef work(n):\n    calls.append(n)\n    return quick(n) + (len(calls) > 12)\n"
)

# Slow, and quick at what it has been asked before.
KEPT = SLOW + "\nimport functools\nwork = functools.cache(work)\n"
BURNS = (
    REFERENCE
    + """
import threading, time

answering = threading.Event()

def burn():
    while True:
        time.sleep(0.0005) if answering.is_set() else sum(range(1000))

def work(n, quick=work, started=[]):
    answering.set()
    if not started:
        started.append(threading.Thread(target=burn, daemon=True))
        started[0].start()
    total = quick(n)
    answering.clear()
    return total
"""
)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory):
    return make_course(tmp_path_factory.mktemp("course"), FILES)


def timed(course, folder: Path, code: str) -> Graded:
    with Opponent(read_folder(course.reference, ["work"])) as opponent:
        return grade_files(course, folder, {"work.py": code}, opponent=opponent)


def test_as_quick_as_the_reference_passes_and_says_how_quick(course, tmp_path: Path) -> None:
    found = timed(course, tmp_path, REFERENCE)["work is quick"]
    assert found.outcome.value == "passed"
    assert 0.3 < found.ratio < 3
    assert found.remark.startswith("It takes ")
    assert " times the reference's time (median of " in found.remark


def test_much_slower_fails_on_its_speed_alone(course, tmp_path: Path) -> None:
    found = timed(course, tmp_path, SLOW)
    assert found["work is right"].outcome.value == "passed"
    slow = found["work is quick"]
    assert slow.ratio > 4
    assert slow.reason.endswith("at most 4 times is asked for")
    if slow.outcome.value == "held":
        assert "the machine is too busy" in slow.reason
        pytest.skip("this machine is too busy to decide")
    assert slow.outcome.value == "failed"
    assert found.report.score == pytest.approx(2.5)


def test_what_cannot_be_decided_is_held_and_costs_nothing(course, tmp_path: Path) -> None:
    found = timed(course, tmp_path, NEITHER)
    held = found["work is quick"]
    assert held.outcome.value == "held"
    assert held.score is None
    assert "could not be judged: " in held.reason
    assert found.report.score is None


def test_a_quick_wrong_answer_earns_nothing(course, tmp_path: Path) -> None:
    wrong = timed(course, tmp_path / "a", "def work(n): return 1.0")["work is quick"]
    assert wrong.outcome.value == "failed"
    assert wrong.ratio is None
    assert timed(course, tmp_path / "b", LATER)["work is quick"].outcome.value == "flaky"


def test_answers_that_were_kept_do_not_help(course, tmp_path: Path) -> None:
    with Opponent(read_folder(course.reference, ["work"])) as opponent:
        found = grade_files(course, tmp_path, {"work.py": KEPT}, opponent=opponent, shrink=True)
    assert found["work is quick"].outcome.value in ("failed", "held")
    assert found["work is quick"].ratio > 4


def test_whoever_works_in_the_turn_of_the_reference_is_not_quick(course, tmp_path: Path) -> None:
    busy = timed(course, tmp_path, BURNS)["work is quick"]
    if busy.outcome.value == "held":
        pytest.skip("this machine is too busy to let anybody meddle")
    if busy.outcome.value == "passed" and busy.ratio > 0.5:
        pytest.skip("there are processors enough: nothing was taken from the reference")
    assert busy.outcome.value == "failed"
    assert busy.reason.startswith("it goes on working when it has answered: ")
    assert busy.reason.endswith("Start no threads")


def test_work_in_the_turn_of_the_reference_is_counted() -> None:
    used = [0.0]

    def work(seconds: float, of_theirs: float) -> speed.Runner:
        def run(number: int) -> None:
            time.sleep(seconds)
            used[0] += of_theirs

        return run

    def measured(meanwhile: float) -> speed.Timed:
        quick, reference = work(0.001, 0.001), work(0.004, meanwhile)
        return speed.measure(quick, reference, limit=1.0, meter=lambda: used[0])

    assert measured(0.0).within is True
    found = measured(0.004)
    assert found.within is False
    assert found.meddles == f"{0.004 * len(found.ours):.2g} s"


def test_a_reference_that_cannot_be_run_is_no_fault_of_the_submission(
    course, tmp_path: Path
) -> None:
    wrong = Submission("r", "r", {"work.py": b"raise SystemExit"}, "0" * 64)
    with Opponent(wrong) as opponent:
        found = grade_files(course, tmp_path, {"work.py": REFERENCE}, opponent=opponent)
    held = found["work is quick"]
    assert held.outcome.value == "held"
    assert held.reason == "could not be graded: the reference cannot be run beside it"


def test_whose_time_it_is_that_is_not_steady_is_said() -> None:
    def jumps(number: int) -> None:
        time.sleep(0.012 if number % 2 else 0.001)

    found = speed.measure(jumps, lambda number: time.sleep(0.004), limit=1.0)
    assert found.within is None
    assert found.why in (
        "60 rounds did not decide it, and its own time is not steady, while the reference's is",
        "the machine is too busy: the reference's own time is not steady",
    )


def test_without_the_reference_speed_is_left_out_and_costs_nothing(course, tmp_path: Path) -> None:
    found = grade_files(course, tmp_path, {"work.py": SLOW})
    assert found.outcomes == {"work": "passed"}
    assert found.report.score == 10
    assert found.report.notes == (
        "not asked here: 1 work is quick. That takes the reference, to be timed beside",
    )


def simulated(centre: float, rng: random.Random, *, jumps: bool = True) -> bool | None:
    """A decision about ratios whose median is `centre`, at a limit of 1. jumps: one in ten is five times
    as large, as on a busy machine."""
    ratios: list[float] = []
    looks = set(speed.looks_at())
    for count in range(1, speed.ROUNDS + 1):
        ratios.append(centre * rng.lognormvariate(0.0, 0.5))
        ratios[-1] *= 5.0 if jumps and rng.random() < 0.1 else 1.0
        found = speed.decided(ratios, 1.0) if count in looks else None
        if found is not None:
            return found
    return None


def test_wrong_decisions_are_as_rare_as_is_said() -> None:
    """At the very limit, where errors are likeliest, at most one in a thousand goes either way."""
    rng = random.Random(5)
    found = [simulated(1.0, rng, jumps=False) for _ in range(20_000)]
    assert 0 < found.count(True) <= 40
    assert 0 < found.count(False) <= 40


def test_clear_cases_are_decided_early_on_a_noisy_machine() -> None:
    rng = random.Random(6)
    assert [simulated(0.2, rng) for _ in range(100)] == [True] * 100
    assert [simulated(6.0, rng) for _ in range(100)] == [False] * 100


def test_a_machine_on_which_the_reference_jumps_decides_against_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = {"ours": itertools.cycle([1.0, 9.0]), "theirs": itertools.cycle([100.0, 900.0])}
    monkeypatch.setattr(speed, "_timed", lambda run, number: next(times[run(number) or "ours"]))
    found = speed.measure(lambda n: "theirs", lambda n: "ours", limit=4.0)
    assert found.within is None
    assert "too busy" in found.why
