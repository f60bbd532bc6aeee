"""The grades of a module: for each student the one hand-in that counts, and in which state it is.

What is made of a gradebook begins here. Nothing is read or written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from grader.batch.book import GRADED, HELD, NOT_GRADABLE, WAITING
from grader.batch.model import Row, Student
from grader.batch.roster import Roster
from grader.terms import rounded

MISSING = "missing"


class Grade(msgspec.Struct, frozen=True):
    """A student's grade. row: None for a student of the roster who handed nothing in; attempts: how many
    hand-ins there are of this student."""

    student: Student
    row: Row | None = None
    attempts: int = 0


def grades(rows: Sequence[Row], roster: Roster | None = None) -> list[Grade]:
    """One for each student: in the order of the roster, and then by name. A group's hand-in is each member's.

    Of several hand-ins that count, the latest one makes the grade. One of nobody known stands for itself.
    """
    listed = {entry.student.id: entry.student for entry in roster.entries} if roster else {}
    people = dict(listed)
    mine: dict[str, list[Row]] = {}
    for row in rows:
        for student in row.hand_in.students or (Student(row.hand_in.id),):
            people.setdefault(student.id, student)
            mine.setdefault(student.id, []).append(row)
    others = sorted(
        (student for student in people.values() if student.id not in listed),
        key=lambda student: (student.name.casefold() or student.id.casefold(), student.id),
    )
    return [
        Grade(student, _counting(mine.get(student.id, [])), len(mine.get(student.id, [])))
        for student in (*listed.values(), *others)
    ]


def _counting(rows: list[Row]) -> Row | None:
    counting = [row for row in rows if row.counts] or rows
    # Somebody's own attempts and those with a group are not counted together.
    timed = all(row.hand_in.received for row in counting)
    return max(counting, key=lambda row: _when(row, timed=timed), default=None)


def _when(row: Row, *, timed: bool) -> tuple[float, int, str]:
    hand_in = row.hand_in
    time = dt.datetime.fromisoformat(hand_in.received).timestamp() if timed else 0.0
    return (time, hand_in.attempt, hand_in.id)


def state(row: Row | None) -> str:
    """`graded`, `held`, `not gradable`, `waiting`, or `missing`."""
    if row is None:
        return MISSING
    if row.report is not None:
        return HELD if score(row) is None else GRADED
    if row.hand_in.problem:
        return NOT_GRADABLE
    return WAITING if row.problem == "not graded yet" else HELD


def score(row: Row | None) -> Decimal | None:
    """The points that count, to the cent; None where there are none: nothing is a zero that nobody gave."""
    if row is None or row.report is None or row.report.score is None:
        return None
    return rounded(row.standing.score if row.standing else row.report.score)


def tasks(rows: Iterable[Row]) -> dict[str, float]:
    """The points of each task, in the order of the first report that has it."""
    found: dict[str, float] = {}
    for row in rows:
        for task in row.report.tasks if row.report else ():
            found.setdefault(task.id, task.max_score)
    return found


def best(rows: Iterable[Row]) -> Decimal | None:
    """The points of the module; None where nothing is graded."""
    points = [row.report.max_score for row in rows if row.report]
    return rounded(max(points)) if points else None


def uneven(rows: Iterable[Row]) -> str:
    """A sentence where the hand-ins were not all graded out of the same points, since the module was changed and not
    all of them were graded again; "" where they were."""
    names: dict[Decimal, list[str]] = {}
    for row in rows:
        if row.report is not None:
            names.setdefault(rounded(row.report.max_score), []).append(row.hand_in.id)
    if len(names) < 2:
        return ""
    told = []
    for points, ids in sorted(names.items(), key=lambda pair: len(pair[1])):
        alike = list(dict.fromkeys(ids))
        more = f" and {len(alike) - 3} more" if len(alike) > 3 else ""
        told.append(f"{', '.join(alike[:3])}{more} out of {points} points")
    return (
        f"not graded out of the same points: {'; '.join(told)}. Grade all of them again; a batch into a fresh --out leaves "
        "out who is in no source any more, such as somebody's old name"
    )


def title(rows: Iterable[Row], module: str) -> str:
    """The module's title, or its name where nothing is graded."""
    return next((row.report.title for row in rows if row.report), module)
