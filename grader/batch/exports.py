"""A module's grades as the files that other systems take: one function each, from grades to text.

No cell is a formula to a spreadsheet, ids are text, and the order is that of the grades. What has no score
has an empty cell, never a zero.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from grader.batch import grades as of
from grader.batch.grades import Grade
from grader.batch.lms import named
from grader.batch.model import Row
from grader.report import junit as one_junit
from grader.report.outline import score_line, standing_lines
from grader.report.text import visible
from grader.terms import rounded

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Wanted(msgspec.Struct, frozen=True):
    """What the columns are called. column: of the score, as the other system knows the assignment; "" for the
    module's title; theirs: ids of students that are the other system's own numbers."""

    module: str
    column: str = ""
    theirs: frozenset[str] = frozenset()


def cell(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula; a number as it is."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    plain = visible(value)
    return f"'{plain}" if value.startswith(FORMULA) else plain


def table(lines: Iterable[Sequence[Any]], quoting: Any = csv.QUOTE_MINIMAL) -> str:
    """Lines as CSV with line ends as RFC 4180 asks for."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting)
    writer.writerows([cell(value) for value in line] for line in lines)
    return out.getvalue()


def as_csv(grades: Sequence[Grade], wanted: Wanted) -> str:
    """Everything of a student on one line, with a column for each task."""
    rows = _rows(grades)
    tasks = of.tasks(rows)
    head = [
        "id", "name", "email", "section", "module", "status", "score", "max_score", "raw_score",
        "late_seconds", "late_days_used", "attempt", "attempts", "received", "hand_in", "flags", "problem",
    ]  # fmt: skip
    lines: list[list[Any]] = [[*head, *(f"task {task}" for task in tasks)]]
    for grade in grades:
        student, row = grade.student, grade.row
        report = row.report if row else None
        standing = row.standing if row else None
        points = {task.id: task.score for task in report.tasks} if report else {}
        lines.append(
            [
                student.id,
                student.name,
                student.email,
                student.section,
                wanted.module,
                of.state(row),
                of.score(row),
                rounded(report.max_score) if report else None,
                _points(report.score if report else None),
                standing.late_seconds if standing and row and row.hand_in.received else None,
                standing.tokens if standing else None,
                row.hand_in.attempt if row else None,
                grade.attempts,
                row.hand_in.received if row else None,
                row.hand_in.id if row else None,
                " ".join(flag.kind for flag in report.flags) if report else None,
                row.problem if row else None,
                *(_points(points.get(task)) for task in tasks),
            ]
        )
    return table(lines, csv.QUOTE_NONNUMERIC)


def as_jsonl(grades: Sequence[Grade], wanted: Wanted) -> str:
    """One JSON object on each line, with the points of the tasks and what each check found."""
    lines = []
    for grade in grades:
        row = grade.row
        report = row.report if row else None
        about = {
            "module": wanted.module,
            "id": grade.student.id,
            "name": grade.student.name,
            "email": grade.student.email,
            "section": grade.student.section,
            "status": of.state(row),
            "score": _number(of.score(row)),
            "max_score": _number(_points(report.max_score if report else None)),
            "raw_score": _number(_points(report.score if report else None)),
            "standing": msgspec.to_builtins(row.standing) if row else None,
            "attempt": row.hand_in.attempt if row else None,
            "attempts": grade.attempts,
            "received": row.hand_in.received if row else "",
            "hand_in": row.hand_in.id if row else "",
            "notes": list(row.hand_in.notes) if row else [],
            "problem": row.problem if row else "",
            "flags": [flag.kind for flag in report.flags] if report else [],
            "tasks": {task.id: _number(_points(task.score)) for task in report.tasks}
            if report
            else {},
            "checks": {f"{v.task}/{v.title}": v.outcome.value for v in report.checks}
            if report
            else {},
        }
        lines.append(json.dumps(about, ensure_ascii=True, allow_nan=False) + "\n")
    return "".join(lines)


def as_canvas(grades: Sequence[Grade], wanted: Wanted) -> str:
    """Canvas's gradebook: a line with the points that are possible, then one for each student."""
    rows = _rows(grades)
    column = wanted.column or of.title(rows, wanted.module)
    lines: list[list[Any]] = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", column],
        ["    Points Possible", "", "", "", "", of.best(rows)],
    ]
    for grade in grades:
        who = grade.student
        number = who.id if who.id in wanted.theirs else _number_in("canvas", grade.row)
        # In its first column of numbers Canvas takes any number for one of its own.
        lines.append(
            [
                who.name or who.id,
                number,
                "" if who.id == number else who.id,
                who.email,
                who.section,
                of.score(grade.row),
            ]
        )
    return table(lines)


def _number_in(system: str, row: Row | None) -> str:
    """The number that a system gave whose name is on what was handed in; "" for any other."""
    told = named(row.hand_in.path) if row is not None else None
    number = told[1]["student"] if told is not None and told[0] == system else ""
    return number if number.isdigit() else ""  # anonymous work has none


def as_moodle(grades: Sequence[Grade], wanted: Wanted) -> str:
    """Moodle's grading worksheet, by the numbers of participants that its download names."""
    head = [
        "Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade",
        "Grade can be changed", "Last modified (submission)", "Last modified (grade)", "Feedback comments",
    ]  # fmt: skip
    best = of.best(_rows(grades))
    lines: list[list[Any]] = [head]
    for grade in grades:
        row, student = grade.row, grade.student
        number = _number_in("moodle", row)
        lines.append(
            [
                f"Participant {number}" if number else student.id,
                student.name,
                student.email,
                "No submission" if row is None else f"Submitted for grading ({of.state(row)})",
                of.score(row),
                best,
                "Yes",
                row.hand_in.received if row else None,
                None,
                _comment(row) if row and of.score(row) is not None else None,
            ]
        )
    return table(lines)


def _comment(row: Row) -> str:
    """What makes the grade: the points of the checks, or what counts of them under the terms and why."""
    assert row.report is not None
    report = msgspec.structs.replace(row.report, standing=row.standing)
    return " ".join(standing_lines(report) or [score_line(report)])


def as_gradescope(grades: Sequence[Grade], wanted: Wanted) -> str:
    """The columns of the grades that Gradescope lets an instructor download."""
    rows = _rows(grades)
    column = wanted.column or of.title(rows, wanted.module)
    lines: list[list[Any]] = [
        [
            "First Name", "Last Name", "SID", "Email", "Sections", column, f"{column} - Max Points",
            f"{column} - Submission Time", f"{column} - Lateness (H:M:S)", "Status",
        ]
    ]  # fmt: skip
    best = of.best(rows)
    for grade in grades:
        first, last = _two_names(grade.student.name)
        row = grade.row
        timed = row is not None and row.hand_in.received != ""
        late = int(row.standing.late_seconds) if row and row.standing else 0
        lines.append(
            [
                first,
                last,
                grade.student.id,
                grade.student.email,
                grade.student.section,
                of.score(row),
                best,
                row.hand_in.received if row else None,
                f"{late // 3600:02}:{late // 60 % 60:02}:{late % 60:02}" if timed else None,
                of.state(row).capitalize(),
            ]
        )
    return table(lines)


def as_junit(grades: Sequence[Grade], wanted: Wanted) -> str:
    """One `testsuite` for each student and task; what has no report is an `error` of its own suite."""
    root = ET.Element("testsuites", {"name": visible(wanted.module)})
    sums = dict.fromkeys(("tests", "failures", "errors"), 0)
    for grade in grades:
        row, who = grade.row, visible(grade.student.id)
        if row is not None and row.report is not None:
            report = msgspec.structs.replace(row.report, standing=row.standing)
            suites = list(ET.fromstring(one_junit.render(report)))
            for suite in suites:
                suite.set("name", f"{who}: {suite.get('name')}")
        else:
            numbers = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
            suite = ET.Element("testsuite", {"name": who, **numbers})
            case = {"classname": visible(wanted.module), "name": "submission"}
            told = row.problem if row and row.problem else of.state(row)
            ET.SubElement(
                ET.SubElement(suite, "testcase", case), "error", {"message": visible(told)}
            )
            suites = [suite]
        for suite in suites:
            root.append(suite)
            for name in sums:
                sums[name] += int(suite.get(name, "0"))
    for name, number in sums.items():
        root.set(name, str(number))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _rows(grades: Iterable[Grade]) -> list[Row]:
    return [grade.row for grade in grades if grade.row is not None]


def _points(value: float | None) -> Decimal | None:
    return None if value is None else rounded(value)


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _two_names(name: str) -> tuple[str, str]:
    last, comma, first = name.partition(",")
    if comma:
        return first.strip(), last.strip()
    words = name.split()
    return " ".join(words[:-1] or words), words[-1] if len(words) > 1 else ""


EXPORTS: dict[str, Callable[[Sequence[Grade], Wanted], str]] = {
    "canvas": as_canvas,
    "csv": as_csv,
    "gradescope": as_gradescope,
    "jsonl": as_jsonl,
    "junit": as_junit,
    "moodle": as_moodle,
}
