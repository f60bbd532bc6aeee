"""The records of a batch: who handed in what, and what came of it. They are frozen and touch no file."""

from __future__ import annotations

import msgspec

from grader.model import Report
from grader.terms import Standing


class Student(msgspec.Struct, frozen=True):
    """One person of the course.

    id: what the course's own systems know them by (a student number, else an e-mail address, else the name of
    a folder), as text, unique in the class; section: of the roster, or "".
    """

    id: str
    name: str = ""
    email: str = ""
    section: str = ""


class HandIn(msgspec.Struct, frozen=True):
    """One thing that was handed in.

    id: unique in its batch, the same each time its source is read, made for people (`ada-lovelace`,
    `ada-lovelace-2` for the second attempt); students: who did it, several for a group, none where nobody is
    known; path: the folder or file to grade, absolute; received: when, as ISO 8601 with an offset, or "" where
    nothing tells; attempt: 1, 2 ... by time; notes: what a TA should know (`branch solution, not main`);
    problem: why it cannot be graded at all, or "".
    """

    id: str
    students: tuple[Student, ...]
    path: str
    received: str = ""
    attempt: int = 1
    notes: tuple[str, ...] = ()
    problem: str = ""


class Class(msgspec.Struct, frozen=True):
    """What a source holds.

    kind: what it was taken for (`gradescope`, `canvas`, `moodle`, `git`, `folder`, `list`), with `detail` for a
    person; absent: students of the roster with no hand-in; warnings: one sentence each.
    """

    kind: str
    detail: str
    hand_ins: tuple[HandIn, ...]
    absent: tuple[Student, ...] = ()
    warnings: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True):
    """What the gradebook holds of one hand-in to one module.

    report: None where it could not be graded, and then `problem` says why; standing: the score after the
    course's terms, None without a report or while it is held; counts: whether it is (one of) the attempts
    that the student's grade is made of.
    """

    module: str
    hand_in: HandIn
    report: Report | None
    problem: str = ""
    standing: Standing | None = None
    counts: bool = True
