"""What a batch came to, in numbers and in words. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from grader.batch.names import shown
from grader.batch.run import AWAY, HELD, KNOWN, NOT_GRADABLE, NOW, Done
from grader.report.text import count, duration, points

MOST_TOLD = 20  # hand-ins that one list names


class Told(msgspec.Struct, frozen=True):
    """A hand-in that has no score, and why."""

    id: str
    problem: str


class Summary(msgspec.Struct, frozen=True):
    """A batch in numbers.

    graded: in this run; known: from earlier ones, or of the same content; not_there: known, and not to be found now;
    taken_over: verdicts of these gradings that
    an earlier one of the same files had found; mean, median: of all hand-ins' points before the terms, None where
    there are none; per_minute: of what was graded in this run.
    """

    schema: str
    module: str
    total: int
    graded: int
    known: int
    taken_over: int
    held: tuple[Told, ...]
    not_gradable: tuple[Told, ...]
    not_there: tuple[Told, ...]
    mean: float | None
    median: float | None
    max_score: float | None
    seconds: float
    per_minute: float


def summary(module: str, dealt: Sequence[Done], seconds: float) -> Summary:
    """The numbers of a batch that took so many seconds."""
    scores = [d.report.score for d in dealt if d.report is not None and d.report.score is not None]
    graded = sum(done.kind == NOW for done in dealt)
    return Summary(
        schema="backcheck/batch/1",
        module=module,
        total=len(dealt),
        graded=graded,
        known=sum(done.kind == KNOWN for done in dealt),
        taken_over=sum(
            done.report.provenance.taken_over
            for done in dealt
            if done.kind == NOW and done.report is not None
        ),
        held=_told(dealt, HELD),
        not_gradable=_told(dealt, NOT_GRADABLE),
        not_there=_told(dealt, AWAY),
        mean=round(statistics.fmean(scores), 4) if scores else None,
        median=round(statistics.median(scores), 4) if scores else None,
        max_score=next((d.report.max_score for d in dealt if d.report is not None), None),
        seconds=round(seconds, 3),
        per_minute=round(60 * graded / seconds, 1) if seconds > 0 else 0.0,
    )


def pace(found: Summary) -> str:
    """How long the batch took and how fast it was, in a sentence; "" where nothing was graded."""
    if not found.graded:
        return ""
    took = duration(found.seconds)
    return f"{count(found.graded, 'submission')} graded in {took}, {found.per_minute:g} per minute."


def lines(found: Summary, *, terms: bool = False) -> list[str]:
    """The same for a person: a short table, then one line for each hand-in without a score. terms: whether the course
    has any, so that what counts is something else."""
    before = ", before the terms" if terms else ""
    rows = [("graded now", str(found.graded)), ("known already", str(found.known))]
    if found.taken_over:
        rows.append(("verdicts kept", str(found.taken_over)))
    if found.held:
        rows.append(("held", str(len(found.held))))
    if found.not_gradable:
        rows.append(("not gradable", str(len(found.not_gradable))))
    if found.not_there:
        rows.append((AWAY, str(len(found.not_there))))
    if found.mean is not None:
        rows.append(("mean", f"{points(found.mean)} / {points(found.max_score)}{before}"))
        rows.append(("median", f"{points(found.median)} / {points(found.max_score)}{before}"))
    if found.graded:
        rows.append(("per minute", f"{found.per_minute:g}"))
    many = "submission" if found.total == 1 else "submissions"
    said = [f"{found.module}: {found.total} {many}"]
    said += [f"  {name:<14} {value}" for name, value in rows]
    for title, told in (("held", found.held), ("not gradable", found.not_gradable)):
        said += [f"{title}: {one.id}: {shown(one.problem)}" for one in told[:MOST_TOLD]]
        if len(told) > MOST_TOLD:
            said.append(f"{title}: and {len(told) - MOST_TOLD} more")
    return said


def _told(dealt: Sequence[Done], kind: str) -> tuple[Told, ...]:
    return tuple(
        Told(done.hand_in.id, done.problem)
        for done in sorted(dealt, key=lambda done: done.hand_in.id)
        if done.kind == kind
    )
