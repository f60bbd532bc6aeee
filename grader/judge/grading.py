"""One submission's verdicts: replays every bank, compares, and shrinks what failed.

A fault of ours makes a check HELD; every fault of the submission is an outcome. Nothing here runs student
code or knows a course.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from grader.bank import Module, size
from grader.box import wire
from grader.box.modes import MODES
from grader.box.notebook import is_made
from grader.course import titles
from grader.errors import SandboxLost
from grader.judge import speed
from grader.judge.answer import (
    Fault,
    fact_of,
    failure_of,
    judge,
    reason_of,
    remark_among,
    remark_of,
)
from grader.judge.compare import show
from grader.judge.diagnose import diagnose
from grader.judge.probe import Look, look
from grader.judge.reading import Finding
from grader.judge.script import snippet
from grader.judge.shrink import RENEWED_SECONDS, Shrinker
from grader.model import (
    WAITS,
    Assignment,
    CaseBank,
    Check,
    Counterexample,
    Mismatch,
    Outcome,
    Submission,
    Verdict,
    Visibility,
)
from grader.modes import TITLES
from grader.sandbox import Sandbox, level
from grader.sandbox.session import End, Opened, Session

Progress = Callable[[Check, int, int], None]

_ENDS = {
    End.TIMED_OUT: Outcome.TIMED_OUT,
    End.IDLE: Outcome.TIMED_OUT,
    End.CRASHED: Outcome.CRASHED,
    End.PROTOCOL: Outcome.CRASHED,
}
NOT_REACHED = "not reached:"
NOT_SHRUNK = ("facts", "learns")  # comparisons of answers that no smaller case explains
# For which a worker's threads may go on after an answer before another's time is taken.
REST_SECONDS = 0.05
WITNESSES = 12  # failing cases that a diagnosis is tried on


class Opponent:
    """The reference in a box of its own, to be timed beside submissions: one worker, which has compiled what it
    was asked, for all checks and submissions that come."""

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self.sandbox: Sandbox | None = None
        self.session: Session | None = None

    def __enter__(self) -> Opponent:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def beside(self, sandbox: Sandbox, assignment: Assignment) -> Session:
        """The session, in the same kind of box as the submission that it is timed beside."""
        if self.session is not None and self.session.used_seconds > RENEWED_SECONDS:
            self.close()
        if self.session is None or self.sandbox is not sandbox:
            self.close()
            self.sandbox = sandbox
            self.session = Session(sandbox, assignment, self.submission)
        return self.session

    def close(self) -> None:
        """Ends the worker. May be called twice."""
        if self.session is not None:
            self.session.close()
            self.session = None


class Grading:
    """The grading of one submission; `run` gives the verdicts.

    findings: what was read in the submission's files. Where given, even if there are none, passed checks
    are looked at once more, for `seen`. opponent: the reference, for checks of speed;
    without it they are not asked. judged: is called after each check. holding: verdicts of an earlier grading
    that stand, by the checks' keys. paced: whether the time of what checks of speed ask is taken even so, for `pace`.
    """

    def __init__(
        self,
        module: Module,
        submission: Submission,
        sandbox: Sandbox,
        *,
        only: Sequence[str] = (),
        keys: Sequence[str] = (),
        shrinker: Shrinker | None = None,
        progress: Progress | None = None,
        findings: Sequence[Finding] | None = None,
        opponent: Opponent | None = None,
        judged: Callable[[], None] | None = None,
        holding: Mapping[str, Verdict] | None = None,
        paced: bool = False,
    ) -> None:
        self.opponent = opponent
        self.paced = [c for c in module.assignment.checks if c.at_most_times] if paced else []
        self.pace: dict[str, float] = {}
        self.holding = holding or {}
        self.taken_over = 0
        self.judged = judged
        if opponent is None:
            module = without_speed(module)
        self.module = module
        self.assignment = module.assignment
        self.submission = submission
        self.sandbox = sandbox
        self.only = tuple(only)
        self.keys = tuple(keys)
        self.shrinker = shrinker
        self.progress = progress
        self.findings = findings
        self.verdicts: dict[str, Verdict] = {}
        self.seen = Look()
        self.opened: Opened | None = None

    def run(self) -> dict[str, Verdict]:
        """The verdict of every check, by its key: of the tasks in `only` and the checks in `keys`, where
        given."""
        checks = self._chosen()
        with Session(self.sandbox, self.assignment, self.submission) as session:
            # Each run mode has a worker of its own: all that is asked in one is asked in one go.
            in_turn = sorted(checks, key=lambda check: MODES.index(check.mode))
            for done, check in enumerate(in_turn):
                if self.progress is not None:
                    self.progress(check, done, len(checks))
                self.verdicts[check.key] = self._guarded(check, session)
                if self.judged is not None:
                    self.judged()
            if self.findings is not None:
                # A fault here must not cost the report: the verdicts are complete.
                with contextlib.suppress(Exception):
                    self.seen = look(
                        self.module, session, self.verdicts, self.findings, self.shrinker
                    )
            with contextlib.suppress(Exception):
                self.pace = self._pace(session)
        return self.verdicts

    def _pace(self, session: Session) -> dict[str, float]:
        """Milliseconds that a right answer to each check of speed takes, the least of several; empty unless all
        are right, for who computes nothing is quicker than anybody."""
        found = {}
        for check in self.paced:
            bank = self.module.banks[check.key]
            if self._waits_for(check):
                return {}
            session.use(check.mode)
            session.open()
            taken = []
            for case, expected, slack in zip(bank.cases, bank.answers, bank.slack, strict=True):
                session.rest(REST_SECONDS)
                began = time.perf_counter()
                reply = session.ask(check.question, check.given, [case], seconds=check.seconds)
                taken.append(time.perf_counter() - began)
                right = reply.end is End.DONE and len(reply.answers) == 1
                if not right or judge(check, expected, slack, reply.answers[0]):
                    return {}
                if self._spent(session):
                    return {}
            # The first one has compiled.
            found[check.key] = round(1000 * min(taken[1:]), 3)
        return found

    def so_far(self) -> dict[str, Verdict]:
        """The verdicts as they are now; what was not asked yet counts as out of time."""
        late = f"{NOT_REACHED} the time for grading was over"
        return {
            check.key: self.verdicts.get(check.key)
            or self._verdict(check, Outcome.TIMED_OUT, reason=late)
            for check in self._chosen()
        }

    def _chosen(self) -> list[Check]:
        return [
            c
            for c in self.assignment.checks
            if (not self.only or c.task in self.only) and (not self.keys or c.key in self.keys)
        ]

    def _guarded(self, check: Check, session: Session) -> Verdict:
        """The verdict of one check. A box that is lost for a reason of ours is tried once more."""
        reason = ""
        for _ in range(2):
            try:
                return self._check(check, session)
            except SandboxLost as error:
                reason = str(error)
            except Exception as error:
                # A fault of ours in one check must not cost the report on all the others.
                reason = f"a fault of the grader ({type(error).__name__}: {error})"
            with contextlib.suppress(SandboxLost):
                session.close()
        return self._verdict(check, Outcome.HELD, reason=f"could not be graded: {reason}")

    def _check(self, check: Check, session: Session) -> Verdict:
        waits = self._waits_for(check)
        if waits:
            return self._verdict(check, Outcome.BLOCKED, reason=waits)
        limits = self.assignment.limits
        if (
            check.visibility is not Visibility.VISIBLE
            and level(self.sandbox.walls(limits)) == "none"
        ):
            return self._verdict(
                check,
                Outcome.HELD,
                reason=f"its cases are hidden, and the sandbox {self.sandbox.name} would show them to anybody",
            )
        if self._spent(session):
            return self._verdict(
                check,
                Outcome.TIMED_OUT,
                reason=self._not_reached(),
            )
        found = self.holding.get(check.key)
        if found is not None and self.opened is not None and self.opened.end is End.DONE:
            return self._taken_over(check, found)
        session.use(check.mode)
        opened = session.open()
        self.opened = self.opened or opened
        if opened.end is not End.DONE:
            self.opened = opened
            return self._verdict(check, Outcome.BLOCKED, reason=_import_ended(opened))
        if found is not None:
            return self._taken_over(check, found)
        bank = self.module.banks[check.key]
        seconds = min(check.seconds, max(1.0, limits.run_seconds - session.used_seconds))
        reply = session.ask(check.question, check.given, bank.cases, seconds=seconds)
        faults = self._faults(check, bank, reply.answers)
        compared = len(reply.answers)
        if faults:
            return self._failed(check, bank, faults, session, compared, reply.cpu_seconds, seconds)
        if reply.end is End.DONE and compared == len(bank.cases):
            if check.at_most_times:
                return self._timed(check, bank, session, reply.cpu_seconds)
            return self._verdict(
                check,
                Outcome.PASSED,
                cases=compared,
                seconds=reply.cpu_seconds,
                remark=remark_among(check, reply.answers),
            )
        return self._stopped(check, bank, compared, reply.end, reply.detail, reply.cpu_seconds)

    def _taken_over(self, check: Check, found: Verdict) -> Verdict:
        """The verdict that was found before, worth what the check is worth now."""
        self.taken_over += 1
        now = self._verdict(check, found.outcome)
        return msgspec.structs.replace(
            found,
            weight=now.weight,
            score=now.score,
            max_score=now.max_score,
            visibility=now.visibility,
            hint=now.hint,
        )

    def _timed(self, check: Check, bank: CaseBank, session: Session, seconds: float) -> Verdict:
        """The verdict on how long right answers take, beside the reference in a box of its own."""
        assert self.opponent is not None
        opponent = self.opponent
        beside = opponent.beside(self.sandbox, self.assignment)
        beside.use(check.mode)
        cases = list(zip(bank.cases, bank.answers, bank.slack, strict=True))[:1]

        def rightly(asked: Session, number: int) -> tuple[bool, float]:
            case, expected, slack = cases[number]
            reply = asked.ask(check.question, check.given, [case], seconds=check.seconds)
            right = reply.end is End.DONE and len(reply.answers) == 1
            right = right and not judge(check, expected, slack, reply.answers[0])
            return right, reply.cpu_seconds

        def ours(number: int) -> None:
            if not rightly(beside, number)[0]:
                opponent.close()
                raise SandboxLost("the reference cannot be run beside it")

        def theirs(number: int) -> None:
            nonlocal seconds
            right, used = rightly(session, number)
            seconds += used
            if not right or self._spent(session):
                raise speed.Stop

        def ready(number: int) -> None:
            if number >= len(cases):
                cases.extend(self._unseen(check, bank, beside))
            for asked in (session, beside):
                asked.rest(REST_SECONDS)

        ours(0)  # compiles
        cases.clear()
        try:
            found = speed.measure(
                theirs,
                ours,
                limit=check.at_most_times,
                ready=ready,
                meter=session.worked,
            )
        except speed.Stop:
            outcome, why = (
                Outcome.FLAKY,
                "what was right at first was not when more was asked, to take its time",
            )
            if self._spent(session):
                outcome, why = Outcome.TIMED_OUT, self._not_reached()
            return self._verdict(check, outcome, cases=len(bank.cases), seconds=seconds, reason=why)
        outcome = {True: Outcome.PASSED, False: Outcome.FAILED, None: Outcome.HELD}[found.within]
        asked_for = f"at most {check.at_most_times:g} times is asked for"
        reason = {
            True: "",
            False: f"it takes {found.told}; {asked_for}",
            None: f"how fast it is could not be judged: {found.why}. It took {found.told}; {asked_for}",
        }[found.within]
        if found.meddles:
            reason = (
                f"it goes on working when it has answered: {found.meddles} of processor time while the "
                "reference had its turn, which takes the processor from that. Start no threads"
            )
        return self._verdict(
            check,
            outcome,
            cases=len(bank.cases),
            seconds=seconds,
            reason=reason,
            remark=f"It takes {found.told}." if found.within else "",
            ratio=round(statistics.median(found.ratios), 3),
        )

    def _unseen(
        self, check: Check, bank: CaseBank, reference: Session
    ) -> list[tuple[bytes, bytes, bytes]]:
        """More cases to take the time of, each with its answer and slack: such as nobody can have kept an
        answer to, where they can be drawn."""
        fresh = []
        if self.shrinker is not None:
            seed = secrets.randbits(60)
            fresh = self.shrinker.fresh(check.key, bank, seed, speed.FIRST_LOOK, reference)
        return fresh or list(zip(bank.cases, bank.answers, bank.slack, strict=True))

    def _not_reached(self) -> str:
        limit = self.assignment.limits.run_seconds
        return f"{NOT_REACHED} the whole run may take {limit:g} s of processor time"

    def _spent(self, session: Session) -> bool:
        """Whether the submission has used all of its time, so that nothing more is asked of it."""
        return session.used_seconds > self.assignment.limits.run_seconds

    def _waits_for(self, check: Check) -> str:
        """Why a check cannot be asked yet: what it comes after has not passed. "" when it can."""
        for title in check.after:
            before = self.verdicts.get(f"{check.task}/{title}") or next(
                (v for v in self.verdicts.values() if v.title == title), None
            )
            # A check that is held may well be right: what comes after it is asked all the same.
            if before is not None and before.outcome not in (Outcome.PASSED, Outcome.HELD):
                # One cause is told once: what that one waits for, this one waits for as well.
                again = before.outcome is Outcome.BLOCKED and before.reason
                return before.reason if again else f"{WAITS}: {title}"
        task = self.assignment.task(check.task)
        for needed in task.needs:
            done = [v.outcome for v in self.verdicts.values() if v.task == needed]
            if done and all(o in (Outcome.UNIMPLEMENTED, Outcome.BLOCKED) for o in done):
                return f"{WAITS} task {needed}"
        return ""

    def _faults(self, check: Check, bank: CaseBank, answers: Iterable[bytes]) -> dict[int, Fault]:
        found = {}
        for place, (answer, expected, slack) in enumerate(
            zip(answers, bank.answers, bank.slack, strict=False)
        ):
            fault = judge(check, expected, slack, answer)
            if fault is not None:
                found[place] = fault
        return found

    def _failed(
        self,
        check: Check,
        bank: CaseBank,
        faults: dict[int, Fault],
        session: Session,
        compared: int,
        seconds: float,
        allowed: float,
    ) -> Verdict:
        first = min(faults)
        fault = faults[first]
        if fault.outcome in (Outcome.UNIMPLEMENTED, Outcome.BLOCKED):
            raised = fault.observed
            example = None
            if raised.where:
                # Not a counterexample in the strict sense: it says where the first case ended.
                example = self._counterexample(check, bank.cases[first], fault, first, shrunk=False)
            return self._verdict(
                check,
                fault.outcome,
                cases=first,
                seconds=seconds,
                reason=raised.message or "not implemented yet",
                counterexample=example,
            )
        # One kind of fault is explained: the one of the smallest case, edges last, because an edge is
        # written by hand and need not be small.
        place = min(
            (p for p in faults if faults[p].outcome is fault.outcome),
            key=lambda p: size(bank.cases[p]),
        )
        fault = faults[place]
        if fault.outcome is Outcome.TIMED_OUT:
            if place == 0:
                allowed += session.compile_seconds
            reason = f"more than {allowed:.3g} s of processor time"
            return self._verdict(
                check,
                fault.outcome,
                cases=compared,
                seconds=seconds,
                reason=reason,
                counterexample=self._counterexample(
                    check, bank.cases[place], fault, place, shrunk=False
                ),
            )
        if fault.outcome is Outcome.CRASHED:
            return self._verdict(
                check,
                fault.outcome,
                cases=compared,
                seconds=seconds,
                reason=fault.mismatch.observed,
            )
        if self._flaky(check, bank, place, session):
            return self._verdict(
                check,
                Outcome.FLAKY,
                cases=compared,
                seconds=seconds,
                reason="the same question was answered differently when it was asked again",
                counterexample=self._counterexample(
                    check, bank.cases[place], fault, place, shrunk=False
                ),
            )
        if check.compare == "facts":
            return self._verdict(
                check,
                fault.outcome,
                cases=compared,
                seconds=seconds,
                reason=fact_of(fault),
                remark=remark_of(fault.observed),
            )
        frame, fault, shrunk = self._smallest(check, bank, faults, place, compared, session)
        why = ""
        if fault.outcome is Outcome.FAILED and check.compare == "close":
            # Cases of every size: the smallest ones alone, with a 0 or a -1 in each, fit many patterns.
            alike = [p for p in faults if faults[p].outcome is Outcome.FAILED]
            alike = alike[:: math.ceil(len(alike) / WITNESSES)]
            why = diagnose(
                [failure_of(frame, fault)] + [failure_of(bank.cases[p], faults[p]) for p in alike],
                mode=check.mode,
                right=1 - len(faults) / len(bank.cases),
            )
        example = self._counterexample(check, frame, fault, place, shrunk=shrunk, diagnosis=why)
        return self._verdict(
            check,
            fault.outcome,
            cases=compared,
            seconds=seconds,
            reason=reason_of(fault),
            counterexample=example,
        )

    def _flaky(self, check: Check, bank: CaseBank, place: int, session: Session) -> bool:
        """Whether a failing case passes when it is asked again, and the whole bank, in a fresh worker,
        does not fail at it a second time either. An answer that depends on earlier questions in the same
        way each time is wrong, not flaky."""

        def fails(reply_answers: list[bytes], at: int, case: int) -> bool:
            if at >= len(reply_answers):
                return True
            return judge(check, bank.answers[case], bank.slack[case], reply_answers[at]) is not None

        if self._spent(session):
            return False
        again = session.ask(check.question, check.given, [bank.cases[place]], seconds=check.seconds)
        if fails(again.answers, 0, place) or self._spent(session):
            return False
        session.close()
        replay = session.ask(
            check.question, check.given, bank.cases[: place + 1], seconds=check.seconds
        )
        return not fails(replay.answers, place, place)

    def _smallest(
        self,
        check: Check,
        bank: CaseBank,
        faults: dict[int, Fault],
        place: int,
        compared: int,
        session: Session,
    ) -> tuple[bytes, Fault, bool]:
        """The smallest failing case that can be found, its fault, and whether Hypothesis looked for it."""
        fault = faults[place]
        latest = [fault]

        def still_fails(frame: bytes, expected: bytes, slack: bytes) -> bool:
            if self._spent(session):
                return False
            reply = session.ask(check.question, check.given, [frame], seconds=check.seconds)
            if not reply.answers:
                return False
            found = judge(check, expected, slack, reply.answers[0])
            same = found is not None and found.outcome is fault.outcome
            if same and found is not None:
                latest[0] = found
            return same

        if (
            self.shrinker is not None
            and check.compare not in NOT_SHRUNK
            and not self._spent(session)
        ):
            failed = {bank.cases[p] for p in faults if faults[p].outcome is fault.outcome}
            passed = {bank.cases[p] for p in range(compared) if p not in faults}
            best = self.shrinker.smallest(check.key, bank, passed, failed, still_fails)
            if best is not None and still_fails(*best):
                return best[0], latest[0], True
            finished = self.shrinker.finished and not self._spent(session)
            return bank.cases[place], fault, finished
        return bank.cases[place], fault, False

    def _stopped(
        self, check: Check, bank: CaseBank, compared: int, end: End, detail: str, seconds: float
    ) -> Verdict:
        """The worker went away, or out of time, before it had answered every case."""
        outcome = _ENDS.get(end, Outcome.CRASHED)
        example = None
        if compared < len(bank.cases):
            mismatch = Mismatch("", "raised", "an answer", detail)
            fault = Fault(outcome, mismatch, wire.decode(bank.answers[compared]))
            example = self._counterexample(
                check, bank.cases[compared], fault, compared, shrunk=False
            )
        if outcome is Outcome.CRASHED:
            reason = f"the process that ran the code ended: {detail}"
        else:
            reason = detail
        return self._verdict(
            check, outcome, cases=compared, seconds=seconds, reason=reason, counterexample=example
        )

    def _counterexample(
        self,
        check: Check,
        frame: bytes,
        fault: Fault,
        place: int,
        *,
        shrunk: bool,
        diagnosis: str = "",
    ) -> Counterexample:
        inputs = wire.decode(frame)
        mutated = fault.mismatch.kind == "mutated"
        answered = fault.outcome is Outcome.FAILED and not mutated
        changed = fault.observed.message.split(", ") if mutated else []
        expected = show(fault.expected) if fault.expected is not None else ""
        observed = show(fault.observed) if answered else fault.mismatch.observed
        if check.compare == "binomial":  # of many counts, the one that is wrong says it all
            expected = fault.mismatch.expected if answered else "counts as chance makes them"
            observed = fault.mismatch.observed
        return Counterexample(
            inputs={name: show(value, inside=True) for name, value in inputs.items()},
            mismatch=fault.mismatch,
            shrunk=shrunk,
            diagnosis=diagnosis,
            snippet=_for_notebook(
                self.submission, snippet(self.assignment, check, inputs, changed)
            ),
            expected=expected,
            observed=observed,
            where=fault.where,
            index=place,
        )

    def _verdict(
        self,
        check: Check,
        outcome: Outcome,
        *,
        cases: int = 0,
        seconds: float = 0.0,
        reason: str = "",
        counterexample: Counterexample | None = None,
        remark: str = "",
        ratio: float | None = None,
    ) -> Verdict:
        """A check's verdict: all of its points or none, and no score at all while it is held."""
        most = points(self.assignment, check)
        score = None if outcome is Outcome.HELD else most if outcome is Outcome.PASSED else 0.0
        bank = self.module.banks.get(check.key)
        return Verdict(
            task=check.task,
            title=check.title,
            outcome=outcome,
            weight=check.weight,
            score=score,
            max_score=most,
            seconds=round(seconds, 4),
            cases_run=cases,
            cases=len(bank.cases) if bank else 0,
            visibility=check.visibility,
            reason=reason,
            hint=check.hint if outcome not in (Outcome.PASSED, Outcome.HELD) else "",
            counterexample=counterexample,
            ran_on=TITLES.get(check.mode, ""),
            remark=remark,
            ratio=ratio,
        )


def without_speed(module: Module) -> Module:
    """The module without the checks that need the reference to run beside."""
    assignment = module.assignment
    slow = [check for check in assignment.checks if check.at_most_times]
    if not slow:
        return module
    note = (
        f"not asked here: {'; '.join(titles(slow))}. That takes the reference, to be timed beside"
    )
    assignment = msgspec.structs.replace(
        assignment,
        checks=tuple(check for check in assignment.checks if check not in slow),
        left_out=(*assignment.left_out, note),
    )
    return msgspec.structs.replace(module, assignment=assignment)


def points(assignment: Assignment, check: Check) -> float:
    """A check's share of its task's points, by weight."""
    total = sum(c.weight for c in assignment.checks if c.task == check.task)
    return assignment.task(check.task).points * check.weight / total


def _import_ended(opened: Opened) -> str:
    if opened.end in (End.TIMED_OUT, End.IDLE):
        return f"importing the submission did not end: {opened.detail}"
    return (
        f"the process ended while the submission was imported ({opened.detail}): look for what runs when "
        "a file is imported, such as a call of os._exit"
    )


def _for_notebook(submission: Submission, lines: str) -> str:
    """Lines to try, where no module is there to import from: what a notebook defines is known in it."""
    made = [name for name, source in submission.files.items() if is_made(source)]
    starts = tuple(f"from {name.removesuffix('.py')} import " for name in made)
    if not any(line.startswith(starts) for line in lines.split("\n")):
        return lines
    kept = [line for line in lines.split("\n") if not line.startswith(starts)]
    return "\n".join(["# in a new cell of the notebook, after all others", *kept])
