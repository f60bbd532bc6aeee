"""What the terms of a course make of a gradebook: each row's standing, and whether it counts.

Pure: rows in, rows out. All modules belong in one call, for late days are shared between them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from grader.batch.model import Row, Student
from grader.terms import Settled, Terms, Work, settle_all


def settled(rows: Sequence[Row], terms: Terms) -> list[Row]:
    """The rows in their order, each with its standing and whether it counts.

    Each member of a group has dates and late days of their own: where that makes a difference, the group's row
    becomes one for each member. What cannot be graded is no attempt and takes nobody's place; what is held, or
    not graded yet, is one, and has no standing.
    """
    best = {row.module: row.report.max_score for row in rows if row.report is not None}
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if not row.hand_in.problem:
            for name in _names(row, place):
                groups.setdefault(name, []).append(place)
    found: dict[tuple[str, int], Settled] = {}
    for name, places in groups.items():
        works = [_work(rows[place], place, best) for place in places]
        settlements = settle_all(terms, name.removeprefix("\0").partition("\0")[0], works)
        found |= {(name, int(key)): settlement for key, settlement in settlements.items()}
    return [
        done
        for place, row in enumerate(rows)
        for done in _rows(row, [found.get((n, place)) for n in _names(row, place)])
    ]


def _names(row: Row, place: int) -> list[str]:
    """Who did it. A hand-in of nobody known stands for itself."""
    return [student.id for student in row.hand_in.students] or [f"\0\0{place}"]


def _work(row: Row, place: int, best: dict[str, float]) -> Work:
    report = row.report
    return Work(
        id=f"{place:09}",  # so that of two that nothing tells apart the same one counts in any class
        module=row.module,
        raw=None if report is None else report.score,
        max_score=best.get(row.module, 0.0) if report is None else report.max_score,
        received=row.hand_in.received,
        attempt=row.hand_in.attempt,
    )


def _rows(row: Row, members: Sequence[Settled | None]) -> list[Row]:
    if all(member == members[0] for member in members):
        return [_with(row, row.hand_in.students, members[0])]
    return [
        _with(row, (student,), member)
        for student, member in zip(row.hand_in.students, members, strict=True)
    ]


def _with(row: Row, students: tuple[Student, ...], found: Settled | None) -> Row:
    return msgspec.structs.replace(
        row,
        hand_in=msgspec.structs.replace(row.hand_in, students=students),
        standing=None if found is None else found.standing,
        counts=found is not None and found.counts,
    )
