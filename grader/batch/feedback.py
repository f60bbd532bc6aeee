"""The reports as students are to get them: one file each, named as the system wants that takes them back."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from grader.batch.lms import named
from grader.batch.model import HandIn, Row
from grader.batch.names import file_name, shown, slug
from grader.model import Report, Visibility
from grader.report import VIEWS
from grader.report.audience import VISIBLE, for_student

FORMS = {"html": "html", "markdown": "md", "json": "json"}
SYSTEMS = ("folder", "canvas", "moodle")


def feedback(
    rows: Sequence[Row],
    *,
    form: str = "html",
    system: str = "folder",
    shown_checks: Collection[Visibility] | None = VISIBLE,
) -> tuple[dict[str, bytes], list[str]]:
    """The files by their names, and one sentence for each hand-in that there is none for.

    system: `folder` names a file as its hand-in, `canvas` as Canvas named the upload, `moodle` puts it into the
    folder that Moodle made. shown_checks: which checks it tells of; None: all,
    with what is for staff alone.
    """
    files: dict[str, bytes] = {}
    left_out = []
    many = Counter(row.hand_in.id for row in rows)
    for row in rows:
        if row.report is None:
            left_out.append(
                f"{row.hand_in.id}: no report: {shown(row.problem or 'not graded yet')}"
            )
            continue
        name = _name(row.hand_in, FORMS[form], system)
        if not name:
            left_out.append(
                f"{row.hand_in.id}: {shown(row.hand_in.path)} is no name that {system.capitalize()} gave"
            )
            continue
        if many[row.hand_in.id] > 1 and system == "folder":
            # A group whose members have dates of their own.
            whose = " ".join(student.id for student in row.hand_in.students)
            name = f"{file_name(row.hand_in.id)}-{slug(whose)}.{FORMS[form]}"
        files[name] = VIEWS[form](to_student(row, row.report, shown_checks)).encode()
    # A group whose members stand differently is told once.
    return files, list(dict.fromkeys(left_out))


def to_student(row: Row, report: Report, shown_checks: Collection[Visibility] | None) -> Report:
    """The report of what is shown, with what counts under the terms, and without the paths of the machine that graded."""
    report = msgspec.structs.replace(
        report, standing=row.standing or report.standing, origin=Path(row.hand_in.path).name
    )
    return report if shown_checks is None else for_student(report, shown_checks)


def _name(hand_in: HandIn, ending: str, system: str) -> str:
    if system == "folder":
        return f"{file_name(hand_in.id)}.{ending}"
    told = named(hand_in.path)
    if told is None or told[0] != system:
        return ""
    found = told[1].groupdict()
    if system == "moodle":
        return f"{found['name']}_{found['student']}_assignsubmission_file_/feedback.{ending}"
    if "original" not in found:
        return ""
    # Canvas reads whose it is from what stands before the file's own name.
    return f"{told[1].string[: told[1].start('original')]}feedback.{ending}"


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip that is the same for the same files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)
    return out.getvalue()
