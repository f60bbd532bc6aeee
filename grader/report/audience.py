"""What a student may see of a report before the hidden checks are shown.

Only the checks are cut. The notes and the hints are taken to be the student's own.
"""

from __future__ import annotations

import msgspec

from grader.model import Report, Visibility
from grader.report.outline import subtotal, total
from grader.report.text import count


def for_student(report: Report) -> Report:
    """The report of the visible checks alone, with their points, and a note on how many are missing.

    Titles, banks and points of the other checks are gone, so that nothing can be worked out backwards.
    """
    checks = tuple(v for v in report.checks if v.visibility is Visibility.VISIBLE)
    absent = [v for v in report.checks if v.visibility is not Visibility.VISIBLE]
    if not absent:
        return report
    named = {name for v in absent for name in (v.title, f"{v.task}/{v.title}")}
    left = {v.task for v in checks}
    return msgspec.structs.replace(
        report,
        checks=checks,
        tasks=tuple(subtotal(task, checks) for task in report.tasks if task.id in left),
        score=total(v.score for v in checks),
        max_score=sum(v.max_score for v in checks),
        notes=(
            *report.notes,
            f"{count(len(absent), 'check')} more will be graded than are shown here: "
            "this score is of the visible checks only.",
        ),
        provenance=msgspec.structs.replace(
            report.provenance,
            banks={k: digest for k, digest in report.provenance.banks.items() if k not in named},
        ),
    )
