"""Bytes by chance: neither the codec, nor a session, nor a whole grading stops or raises for any of them."""

from __future__ import annotations

import random
import time

import pytest

from grader.judge.grade import grade
from grader.model import Outcome, Submission
from grader.report import VIEWS
from grader.sandbox.session import End, Session
from hostile.conftest import House
from hostile.fuzz_wire import by_coverage, target
from hostile.mutants import Babel, mutant

NOBODY = Submission("s", "s", {"student.py": b"", "minitorch/__init__.py": b""}, "0" * 64)


def test_ten_thousand_frames_are_read_or_refused() -> None:
    chance = random.Random(20260901)
    run = target()
    read = sum(run(mutant(chance)) for _ in range(10_000))
    assert 1000 < read < 9000


def test_what_reaches_new_lines_is_changed_further() -> None:
    read, refused, reached = by_coverage(runs=2500)
    assert read > 200
    assert refused > 1000
    assert reached > 230


def test_a_session_ends_as_a_value_whatever_its_worker_says(house: House) -> None:
    module = house.modules["two_functions"]
    check, *_ = module.assignment.checks
    bank = module.banks[check.key]
    chance = random.Random(7)
    ends: dict[End, int] = {}
    said = 0
    while said < 6000:
        babel = Babel(chance, [bank])
        with Session(babel, module.assignment, NOBODY) as session:
            began = time.monotonic()
            reply = session.ask(check.question, check.given, bank.cases, seconds=1.0)
            assert time.monotonic() - began < 5
        ends[reply.end] = ends.get(reply.end, 0) + 1
        assert len(reply.answers) <= len(bank.cases)
        said += babel.said
    assert min(ends.get(end, 0) for end in (End.DONE, End.CRASHED, End.PROTOCOL)) > 50


@pytest.mark.parametrize("name", ["two_functions", "module1", "module2"])
def test_a_grading_of_babble_holds_nothing_and_gives_nothing_away(name: str, house: House) -> None:
    module = house.modules[name]
    chance = random.Random(11)
    seen: set[Outcome] = set()
    said = 0
    while said < 1500:
        babel = Babel(chance, list(module.banks.values()))
        report = grade(module, NOBODY, babel, seed=3)
        said += babel.said
        for verdict in report.checks:
            assert verdict.outcome is not Outcome.HELD, verdict.reason
            seen.add(verdict.outcome)
            # What passed was answered in full.
            assert verdict.outcome is not Outcome.PASSED or verdict.cases_run == verdict.cases
        if said % 5 == 0:
            for render in VIEWS.values():
                render(report).encode()
    assert {Outcome.PASSED, Outcome.FAILED, Outcome.CRASHED} <= seen


def test_a_babbler_that_garbles_nothing_earns_every_point(house: House) -> None:
    class Clear(random.Random):
        def random(self) -> float:
            return 0.8  # of what is sent, nothing is changed

        def randrange(self, *args: int) -> int:  # type: ignore[override]
            return 0

    module = house.modules["two_functions"]
    babel = Babel(Clear(1), list(module.banks.values()))
    assert grade(module, NOBODY, babel, seed=3).score == 100
