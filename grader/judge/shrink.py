"""Looks for the smallest case that still shows a fault: Hypothesis shrinks, the live student code answers.

Runs for failures alone, within a limit of seconds, and never decides an outcome: without it the smallest
failing case of the bank is shown.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from grader import bank
from grader.box import wire
from grader.course import Course, load_checks
from grader.errors import GraderError
from grader.model import CaseBank, Check
from grader.sandbox.session import Session

NO_SLACK = wire.encode(0.0)
RENEWED_SECONDS = 600.0  # of a reference that answers for many submissions
PROBES_PER_CASE = 3  # where a check says how many cases are drawn

# (inputs, expected answer, slack) as frames -> whether the student's answer fails in the same way
StillFails = Callable[[bytes, bytes, bytes], bool]


class _Found(Exception):
    """Raised inside Hypothesis' test for a case that fails."""


class Shrinker:
    """Shrinks failures of one module; loads Hypothesis and starts the reference when first needed.

    probes: how many new cases are asked of the submission for one check; total_probes: for all of them. They
    are counted, not timed, so that a busy machine shows the same counterexample; seconds stands behind them
    for code that is slow. finished: whether the last search came to its end, so that the case is the
    smallest that Hypothesis finds.
    """

    def __init__(
        self,
        course: Course,
        module: bank.Module,
        *,
        probes: int = 250,
        total_probes: int = 3000,
        seconds: float = 20.0,
    ) -> None:
        self.course = course
        self.module = module
        self.probes = probes
        self.total_probes = self.left = total_probes
        self.seconds = seconds
        self.finished = False
        self.stack = contextlib.ExitStack()
        self.declared: dict[str, Any] | None = None
        self.reference: Session | None = None

    def __enter__(self) -> Shrinker:
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def renew(self) -> None:
        """For the next submission: it has all probes again. The reference is kept, and started anew now and then."""
        self.left = self.total_probes
        self.finished = False
        if self.reference is not None and self.reference.used_seconds > RENEWED_SECONDS:
            self.stack.close()
            self.declared = self.reference = None

    def _load(self) -> None:
        if self.declared is not None:
            return
        assignment, declared = load_checks(self.course, self.module.assignment.name)
        self.declared = {item.check.key: item for item in declared}
        session = bank.reference_session(self.course, assignment)
        self.reference = self.stack.enter_context(session)

    def smallest(
        self,
        key: str,
        cases: CaseBank,
        passed: set[bytes],
        failed: set[bytes],
        still_fails: StillFails,
    ) -> tuple[bytes, bytes, bytes] | None:
        """The smallest failing case found, with the reference's answer and slack; None when shrinking
        found nothing smaller than the bank holds (or there was no time left).

        passed, failed: frames of bank cases whose outcome is known, so that they are not asked again.
        """
        self.finished = False
        if self.left <= 0:
            return None
        try:
            self._load()
        except GraderError:
            return None
        assert self.declared is not None
        assert self.reference is not None
        item = self.declared.get(key)
        if item is None:
            return None
        end = time.monotonic() + self.seconds
        # Whose author draws few cases has cases that take long.
        left = min(self.probes, self.left, PROBES_PER_CASE * (item.cases or self.probes))
        best = min(failed, key=bank.size)
        best_answer: tuple[bytes, bytes, bytes] | None = None
        reference = self.reference

        def probe(inputs: dict[str, Any]) -> None:
            nonlocal best, best_answer, left
            frame = bank.case_frame(item, inputs)
            if frame in passed:
                return
            if frame in failed:
                raise _Found
            if left <= 0 or time.monotonic() > end:
                raise bank.Enough
            left -= 1
            self.left -= 1
            expected = bank.ask_reference(item.check, [frame], reference, may_raise=True)[0]
            # Most cases pass: what rounding may do is asked for only when one does not.
            fails = expected is not None and still_fails(frame, expected, NO_SLACK)
            slack = self._slack(item.check, frame, expected, reference) if fails else NO_SLACK
            if slack != NO_SLACK:
                fails = still_fails(frame, expected, slack)
            if not fails:
                passed.add(frame)
                return
            failed.add(frame)
            if bank.size(frame) < bank.size(best):
                best, best_answer = frame, (frame, expected, slack)
            raise _Found

        with contextlib.suppress(_Found, bank.Enough, GraderError), _quiet():
            bank.explore(
                item,
                cases.seed,
                probe,
                max_examples=bank.max_examples(item.cases or self.course.settings.cases),
                shrink=True,
            )
        self.finished = left > 0 and time.monotonic() < end
        return best_answer

    def fresh(
        self,
        key: str,
        cases: CaseBank,
        seed: int,
        count: int,
        reference: Session | None = None,
    ) -> list[tuple[bytes, bytes, bytes]]:
        """Up to `count` cases of a check that its bank does not hold, drawn with that seed: each with the
        reference's answer and its slack. None of them where the domain has no others.

        reference: who is asked, if it is open already."""
        try:
            self._load()
            assert self.declared is not None
            reference = reference or self.reference
            assert reference is not None
            item = self.declared[key]
            known = set(cases.cases)
            # From the whole of the domain, not from its beginning, where everything is small.
            drawn = [f for f in bank.draw_cases(item, seed, 8 * count) if f not in known][-count:]
            answers = bank.ask_reference(item.check, drawn, reference, may_raise=True)
            return [
                (frame, answer, self._slack(item.check, frame, answer, reference))
                for frame, answer in zip(drawn, answers, strict=True)
                if answer is not None
            ]
        except (GraderError, KeyError):
            return []

    def _slack(self, check: Check, frame: bytes, expected: bytes, reference: Session) -> bytes:
        """How far rounding moves the reference's answer to a new case; see `grader.bank`."""
        moved = bank.ask_reference(check, [bank.nudged(frame)], reference, may_raise=True)[0]
        answer = wire.decode(expected)
        return wire.encode(bank.movement(answer, None if moved is None else wire.decode(moved)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hypothesis' errors about flaky tests are no news: the replay decides what is flaky."""
    from hypothesis.errors import HypothesisException

    try:
        yield
    except (HypothesisException, BaseExceptionGroup):
        return
