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
from grader.model import CaseBank
from grader.sandbox.session import Session

MAX_EXAMPLES = 400

# (inputs, expected answer, slack) as frames -> whether the student's answer fails in the same way
StillFails = Callable[[bytes, bytes, bytes], bool]


class _Found(Exception):
    """Raised inside Hypothesis' test for a case that fails."""


class Shrinker:
    """Shrinks failures of one module; loads Hypothesis and starts the reference when first needed.

    seconds: wall time for one check; total_seconds: for all of them.
    """

    def __init__(
        self,
        course: Course,
        module: bank.Module,
        *,
        seconds: float = 1.0,
        total_seconds: float = 12.0,
    ) -> None:
        self.course = course
        self.module = module
        self.seconds = seconds
        self.left = total_seconds
        self.stack = contextlib.ExitStack()
        self.declared: dict[str, Any] | None = None
        self.reference: Session | None = None

    def __enter__(self) -> Shrinker:
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

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
        started = time.monotonic()
        end = started + min(self.seconds, self.left)
        best = min(failed, key=bank.size)
        best_answer: tuple[bytes, bytes, bytes] | None = None
        reference = self.reference

        def probe(inputs: dict[str, Any]) -> None:
            nonlocal best, best_answer
            frame = wire.encode(inputs)
            if frame in passed:
                return
            if frame in failed:
                raise _Found
            if time.monotonic() > end:
                raise bank.Enough
            answered = self._expected(item.check, frame, reference)
            if answered is None or not still_fails(frame, *answered):
                passed.add(frame)
                return
            failed.add(frame)
            if bank.size(frame) < bank.size(best):
                best, best_answer = frame, (frame, *answered)
            raise _Found

        with contextlib.suppress(_Found, bank.Enough, GraderError), _quiet():
            bank.explore(
                item,
                cases.seed,
                probe,
                max_examples=max(MAX_EXAMPLES, 2 * len(cases.cases)),
                shrink=True,
            )
        self.left -= time.monotonic() - started
        return best_answer

    def _expected(self, check: Any, frame: bytes, reference: Session) -> tuple[bytes, bytes] | None:
        """The reference's answer and slack for a new case; None where it has no usable answer."""
        answers = bank.ask_reference(check, [frame, bank.nudged(frame)], reference, may_raise=True)
        if answers[0] is None:
            return None
        moved = answers[1] if len(answers) > 1 else None
        slack = bank.movement(
            wire.decode(answers[0]), None if moved is None else wire.decode(moved)
        )
        return answers[0], wire.encode(slack)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hypothesis' errors about flaky tests are no news: the replay decides what is flaky."""
    from hypothesis.errors import HypothesisException

    try:
        yield
    except (HypothesisException, BaseExceptionGroup):
        return
