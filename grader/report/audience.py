"""What a student may see of a report while checks of it are not shown yet.

Only the checks and the flags are cut. The notes and the hints are taken to be the student's own.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from grader.model import Flag, Report, Visibility
from grader.report.outline import subtotal, total
from grader.report.text import count

VISIBLE = frozenset({Visibility.VISIBLE})


def flags_for_student(report: Report, shown: Collection[Visibility] = VISIBLE) -> tuple[Flag, ...]:
    """The flags that took points of visible checks, for a student is owed the reason. The others are for a
    TA alone. What speaks of hidden checks is left out."""
    open_ = {f"{v.task}/{v.title}" for v in report.checks if v.visibility in shown}
    kept = []
    for flag in report.flags:
        deducted = {key: taken for key, taken in flag.deducted.items() if key in open_}
        if deducted:
            kept.append(
                msgspec.structs.replace(
                    flag,
                    deducted=deducted,
                    checks=tuple(key for key in flag.checks if key in open_),
                    evidence=flag.evidence if open_.issuperset(flag.checks) else (),
                )
            )
    return tuple(kept)


def _less(score: float | None, flags: tuple[Flag, ...]) -> float | None:
    return None if score is None else max(0.0, score - sum(flag.points for flag in flags))


def for_student(report: Report, shown: Collection[Visibility] = VISIBLE) -> Report:
    """The report of the checks that are shown alone, with their points, and a note on how many are missing.

    Titles, banks and points of the other checks are gone, so that nothing can be worked out backwards.
    """
    checks = tuple(
        msgspec.structs.replace(v, visibility=Visibility.VISIBLE)
        for v in report.checks
        if v.visibility in shown
    )
    absent = [v for v in report.checks if v.visibility not in shown]
    report = msgspec.structs.replace(report, flags=flags_for_student(report, shown))
    if not absent:
        return msgspec.structs.replace(report, checks=checks)
    named = {name for v in absent for name in (v.title, f"{v.task}/{v.title}")}
    left = {v.task for v in checks}
    extra = {task.id for task in report.tasks if task.extra}
    return msgspec.structs.replace(
        report,
        checks=checks,
        tasks=tuple(subtotal(task, checks) for task in report.tasks if task.id in left),
        standing=None,  # its points are those of hidden checks too
        score=_less(total(v.score for v in checks), report.flags),
        max_score=sum(v.max_score for v in checks if v.task not in extra),
        notes=(
            *report.notes,
            f"{count(len(absent), 'check')} more will be graded than are shown here: "
            "this score is of the visible checks only.",
        ),
        provenance=msgspec.structs.replace(
            report.provenance,
            banks={k: digest for k, digest in report.provenance.banks.items() if k not in named},
            asked={k: digest for k, digest in report.provenance.asked.items() if k not in named},
        ),
    )
