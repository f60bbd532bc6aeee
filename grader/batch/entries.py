"""What a source says of each thing that was handed in, as hand-ins with ids and attempts.

Looks at names and sizes; no file of a submission is read here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from grader.batch.model import HandIn, Student
from grader.batch.names import marked, shown, slug, stem
from grader.intake import MAX_ARCHIVE
from grader.report.text import encodable
from grader.setting import Progress

IGNORED = frozenset(["__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"])

LINK = "it is a symbolic link. Put what it leads to there, or name that in a list of paths"
DAMAGED = "it is damaged in the download"  # of a file, which only another download can mend


class Source(msgspec.Struct, frozen=True):
    """Where to look, and what may be done there.

    path: absolute; scratch: a folder of ours to which files may be unpacked, None where nothing may be written;
    deadline: commits after this time (ISO 8601 with an offset) are not looked at, "" for none; refused: what was
    not unpacked, by its path, and why; progress: who is told what takes long.
    """

    path: Path
    scratch: Path | None = None
    deadline: str = ""
    refused: dict[str, str] = {}
    progress: Progress | None = None


class Entry(msgspec.Struct, frozen=True):
    """One thing as its source tells it. key: the name that the source knows it by, unique there; the rest as in
    HandIn. attempt: 0 where the order of the times tells."""

    key: str
    students: tuple[Student, ...]
    path: Path
    received: str = ""
    attempt: int = 0
    notes: tuple[str, ...] = ()
    problem: str = ""


def hand_ins(entries: Iterable[Entry]) -> tuple[HandIn, ...]:
    """The hand-ins in the order of their ids.

    The id is made of the students' names; who has the same name as another is told apart by digits made of their
    student's id. Later attempts of the same students are `-2`, `-3` by their times.
    """
    by_whom: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        whom = tuple(sorted(student.id for student in entry.students)) or (entry.key,)
        by_whom.setdefault(whom, []).append(entry)
    names = {whom: _names(mine[0]) for whom, mine in by_whom.items()}
    plain = {whom: slug(name) for whom, name in names.items()}
    taken = list(plain.values())
    found: dict[str, HandIn] = {}
    for whom, mine in sorted(by_whom.items()):
        mine.sort(key=lambda entry: (entry.attempt, entry.received, entry.key))
        alone = taken.count(plain[whom]) == 1
        base = plain[whom] if alone else marked(plain[whom], "\n".join(whom))
        for number, entry in enumerate(mine, 1):
            name = base if number == 1 else f"{base}-{number}"
            while name in found or (number > 1 and name in taken):
                name = marked(name, entry.key)
            found[name] = HandIn(
                id=name,
                students=tuple(map(_stored, entry.students)),
                path=str(entry.path),
                received=entry.received,
                attempt=max(number, entry.attempt),
                notes=tuple(map(encodable, entry.notes)),
                problem=encodable(entry.problem or problem(entry.path)),
            )
    return tuple(found[name] for name in sorted(found))


def _stored(student: Student) -> Student:
    """The student with names that can be stored: those of files may hold what is no text."""
    return Student(*map(encodable, (student.id, student.name, student.email, student.section)))


def _names(entry: Entry) -> str:
    told = [student.name or student.id for student in entry.students]
    return " ".join(told[:3]) if told else stem(entry.key)


def as_text(data: bytes) -> str:
    """What a list holds: UTF-8, or UTF-16 with its mark. Names of files that are neither stay as they are."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))


def folder_names(path: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name, without what no student put there."""
    with os.scandir(path) as found:
        kept = [e for e in found if not e.name.startswith(".") and e.name not in IGNORED]
    return sorted(kept, key=lambda entry: entry.name)


def problem(path: Path) -> str:
    """Why nothing can be taken from there, from its name and size alone; "" where it may."""
    try:
        if path.is_dir():
            return "" if folder_names(path) else "the folder is empty: nothing was handed in"
        size = path.stat().st_size
        if size == 0:
            return "the file is empty. Ask for it again"
        if size > MAX_ARCHIVE:
            return too_large(size)
    except FileNotFoundError:
        return "there is no such file or folder"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def too_large(size: int) -> str:
    """Why a file of that many bytes is not looked into."""
    return f"the file has {size >> 20} MiB; {MAX_ARCHIVE >> 20} MiB are allowed. Ask for the code alone"


def refusals(source: Source, path: Path) -> tuple[tuple[str, ...], str]:
    """What was not unpacked of a hand-in: notes on files in it, and the problem where it is the file itself."""
    notes = tuple(
        f"{shown(str(Path(name).relative_to(path)))} was left out: {why}"
        for name, why in sorted(source.refused.items())
        if Path(name) != path and Path(name).is_relative_to(path)
    )
    damaged = [note for note in notes if DAMAGED in note]
    # A student loses no point for what a download has lost.
    told = f"{damaged[0]}. Download it again" if damaged else ""
    return notes[:8], source.refused.get(str(path), told)
