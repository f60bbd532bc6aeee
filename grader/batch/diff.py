"""Two gradebooks compared: who gained, who lost, and by which check. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from grader.batch.grades import best, score, state
from grader.batch.model import Row
from grader.model import Outcome
from grader.terms import rounded


class Change(msgspec.Struct, frozen=True):
    """What is another in one hand-in.

    before, after: the states, `absent` where a gradebook lacks it; old, new: the points that count, None where there
    are none; gained, lost: keys of the checks that pass now and did not, and the other way round; changed: keys
    of those that fail in another way.
    """

    hand_in: str
    before: str
    after: str
    old: Decimal | None
    new: Decimal | None
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def points(self) -> Decimal:
        """Gained, or with a minus lost; 0 where one of the two scores is not there."""
        return Decimal(0) if self.old is None or self.new is None else self.new - self.old


def compare(old: Sequence[Row], new: Sequence[Row]) -> list[Change]:
    """The hand-ins that are not alike in both, those that lose most first."""
    before, after = _named(old), _named(new)
    changes = []
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        was, now = _outcomes(one), _outcomes(other)
        both = [key for key in now if key in was] if was and now else []
        change = Change(
            name,
            state(one) if one else "absent",
            state(other) if other else "absent",
            score(one),
            score(other),
            tuple(key for key in both if now[key] is Outcome.PASSED is not was[key]),
            tuple(key for key in both if was[key] is Outcome.PASSED is not now[key]),
            tuple(
                key
                for key in both
                if was[key] is not now[key] and Outcome.PASSED not in (was[key], now[key])
            ),
        )
        if (change.before, change.old) != (change.after, change.new) or (
            change.gained or change.lost or change.changed
        ):
            changes.append(change)
    return sorted(changes, key=lambda change: (change.points, change.hand_in))


class Frame(msgspec.Struct, frozen=True):
    """What is another in the module itself: the points possible, None where nothing is graded, keys of the checks
    that only one of the two has, and the checks that are worth something else: key, points before and after."""

    old_best: Decimal | None
    new_best: Decimal | None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    revalued: tuple[tuple[str, Decimal, Decimal], ...] = ()


def frame(old: Sequence[Row], new: Sequence[Row]) -> Frame:
    """What differs between two gradings of a module that is no hand-in's doing."""
    before, after = _checks(old), _checks(new)
    if not before or not after:
        return Frame(best(old), best(new))
    return Frame(
        best(old),
        best(new),
        tuple(key for key in after if key not in before),
        tuple(key for key in before if key not in after),
        tuple(
            (key, before[key], after[key])
            for key in after
            if key in before and before[key] != after[key]
        ),
    )


def _checks(rows: Sequence[Row]) -> dict[str, Decimal]:
    """The keys of all checks with what they are worth, in their order."""
    return {
        f"{verdict.task}/{verdict.title}": rounded(verdict.max_score)
        for row in rows
        if row.report
        for verdict in row.report.checks
    }


def _named(rows: Sequence[Row]) -> dict[str, Row]:
    """The rows by their hand-ins; by the students as well where one hand-in has several rows."""
    many = Counter(row.hand_in.id for row in rows)
    return {
        row.hand_in.id
        if many[row.hand_in.id] == 1
        else f"{row.hand_in.id} ({', '.join(student.id for student in row.hand_in.students)})": row
        for row in rows
    }


def by_check(changes: Sequence[Change]) -> list[tuple[str, int, int]]:
    """Each check of the changes with how many gained and how many lost it, the most moved first."""
    gained = Counter(key for change in changes for key in change.gained)
    lost = Counter(key for change in changes for key in change.lost)
    keys = sorted(gained.keys() | lost.keys(), key=lambda key: (-gained[key] - lost[key], key))
    return [(key, gained[key], lost[key]) for key in keys]


def _outcomes(row: Row | None) -> dict[str, Outcome]:
    report = row.report if row else None
    return {f"{v.task}/{v.title}": v.outcome for v in report.checks} if report else {}
