"""The roster: a CSV of the students of a course, as any system exports it, and who of them handed in what.

Column names are matched leniently; nobody is matched by a guess.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import msgspec

from grader.batch.model import Class, HandIn, Student
from grader.batch.names import shown
from grader.errors import UsageError

LONGEST = 32 << 20

# What a column is called, in the order of preference, without spaces, case and signs.
COLUMNS: dict[str, tuple[str, ...]] = {
    "id": (
        "id", "studentid", "sid", "sisuserid", "sisid", "idnumber", "studentnumber", "matriculationnumber",
        "matrikelnummer", "userid", "identifier",
    ),
    "name": ("name", "fullname", "student", "studentname", "displayname"),
    "first": ("firstname", "givenname", "first", "vorname"),
    "last": ("lastname", "surname", "familyname", "last", "nachname"),
    "email": ("email", "emailaddress", "mail", "sisloginid"),
    "section": ("section", "sections", "group", "tutorial", "class"),
    "github": ("github", "githubusername", "githubid", "githublogin", "gitlab", "username", "login"),
    "folder": ("folder", "handin", "submission", "canvasid", "moodleid", "participant"),
}  # fmt: skip


class Entry(msgspec.Struct, frozen=True):
    """A line of the roster. handles: other words that the student is known by, such as a name on GitHub."""

    student: Student
    handles: tuple[str, ...] = ()


class Roster(msgspec.Struct, frozen=True):
    """The students in the order of the file, and one sentence for each line that is left out."""

    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()


def read(path: Path) -> Roster:
    """The roster in a CSV file: comma, semicolon or tab; UTF-8 with or without a mark, UTF-16, else Latin-1.

    Raises UsageError where no column tells who a student is.
    """
    try:
        if path.stat().st_size > LONGEST:
            raise UsageError(f"{path}: larger than {LONGEST >> 20} MiB. Is this the roster?")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    text = _text(data)
    head = text.split("\n", 1)[0]
    between = max(",;\t", key=head.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=between))
    except csv.Error as error:
        raise UsageError(f"{path}: this is no CSV file: {error}") from error
    if not lines:
        raise UsageError(f"{path}: the file is empty. Its first line names the columns")
    places = _columns(lines[0])
    if not places.keys() & {"id", "email", "name", "last", "github"}:
        raise UsageError(
            f"{path}: line 1 names no column for students. Expected one of id, name, email, github"
        )
    entries: list[Entry] = []
    warnings: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        entry = _entry(places, line)
        if entry is None:
            if any(cell.strip() for cell in line) and "Points Possible" not in line[0]:
                warnings.append(f"line {number} of the roster names nobody: left out")
        elif entry.student.id in {e.student.id for e in entries}:
            warnings.append(
                f"line {number} of the roster names {shown(entry.student.id)} again: left out"
            )
        else:
            entries.append(entry)
    return Roster(tuple(entries), tuple(warnings))


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _columns(head: list[str]) -> dict[str, int]:
    """Where each kind of column is."""
    names = ["".join(c for c in cell.casefold() if c.isalnum()) for cell in head]
    found = {}
    for kind, known in COLUMNS.items():
        places = [names.index(name) for name in known if name in names]
        if places:
            found[kind] = places[0]
    return found


def _entry(places: dict[str, int], line: list[str]) -> Entry | None:
    def cell(kind: str) -> str:
        place = places.get(kind, len(line))
        return line[place].strip() if place < len(line) else ""

    name = cell("name") or f"{cell('first')} {cell('last')}".strip()
    email, github, folder = cell("email"), cell("github"), cell("folder")
    number = cell("id") or email or github or name
    if not number:
        return None
    handles = tuple(handle for handle in (github, folder) if handle)
    return Entry(Student(number, name, email, cell("section")), handles)


# Who handed in what


def joined(found: Class, roster: Roster) -> Class:
    """The class with the roster's students in place of what the source knows, and who is absent.

    By student number, then e-mail address, then a name on GitHub or of the folder, then the full name, each only
    where it fits one student. A repository may be named `module2-ada`: its end is looked at too.
    """
    by: list[dict[str, list[Student]]] = [{}, {}, {}, {}]
    for entry in roster.entries:
        student = entry.student
        keys = (
            [student.id],
            [student.email, student.email.partition("@")[0]],
            list(entry.handles),
            _spellings(student.name),
        )
        for table, words in zip(by, keys, strict=True):
            for word in {_plain(word) for word in words if word}:
                table.setdefault(word, []).append(student)
    warnings = [*found.warnings, *roster.warnings]
    seen: set[str] = set()
    hand_ins = []
    for hand_in in found.hand_ins:
        people = []
        for student in hand_in.students:
            match = _match(by, student, hand_in, alone=len(hand_in.students) == 1)
            if match is None:
                who = shown(student.name or student.id)
                warnings.append(f"{hand_in.id}: {who} is not in the roster")
            people.append(match or student)
        if not people:
            warnings.append(f"{hand_in.id}: nobody of the roster is known for it")
        seen |= {student.id for student in people}
        hand_ins.append(msgspec.structs.replace(hand_in, students=_once(people)))
    absent = tuple(e.student for e in roster.entries if e.student.id not in seen)
    return Class(found.kind, found.detail, tuple(hand_ins), absent, tuple(dict.fromkeys(warnings)))


def _match(
    by: list[dict[str, list[Student]]], student: Student, hand_in: HandIn, *, alone: bool
) -> Student | None:
    ids, emails, handles, names = by
    told = [(ids, student.id), (emails, student.email), (emails, student.id)]
    told += [(handles, student.id), (handles, student.name)]
    told += [(names, student.name), (names, student.id)]
    if alone:
        told += [(handles, _end(student.id, handles)), (handles, hand_in.id), (ids, hand_in.id)]
    for table, word in told:
        people = table.get(_plain(word), []) if word else []
        if len(people) == 1:
            return people[0]
    return None


def _end(word: str, handles: dict[str, list[Student]]) -> str:
    """The longest handle that a name ends in, after a hyphen."""
    parts = word.casefold().split("-")
    ends = ["-".join(parts[k:]) for k in range(1, len(parts))]
    return next((end for end in ends if _plain(end) in handles), "")


def _spellings(name: str) -> list[str]:
    """`Ada Lovelace` and, as Canvas writes it, `lovelaceada`, also where the roster has `Lovelace, Ada`."""
    last, comma, first = name.partition(",")
    words = [*first.split(), *last.split()] if comma else name.split()
    turned = [*last.split(), *first.split()] if comma else words[-1:] + words[:-1]
    return [name, " ".join(words), "".join(turned)]


def _plain(word: str) -> str:
    """Words that are the same but for case, accents as they are composed, and signs between."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", word).casefold())
    return " ".join("".join(c if c.isalnum() or c in "@.+" else " " for c in folded).split())


def _once(people: list[Student]) -> tuple[Student, ...]:
    return tuple({student.id: student for student in people}.values())
