"""The roster: a CSV of the students of a course, as any system exports it, and who of them handed in what.

Column names are matched leniently; nobody is matched by a guess.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import msgspec

from grader.batch.lms import named
from grader.batch.model import Class, HandIn, Row, Student
from grader.batch.names import shown
from grader.errors import UsageError

LONGEST = 32 << 20
MOST_WORDS = 10  # of a name, before which a family name may begin
SEPARATOR = re.compile(r"\"?sep=[^\r\n]\"?\r?\n", re.I)
PARTICIPANT = re.compile(r"Participant (\d+)")  # as Moodle's worksheet has it

# What a column is called, in the order of preference, without spaces, case and signs.
COLUMNS: dict[str, tuple[str, ...]] = {
    "id": (
        "id", "studentid", "sid", "sisuserid", "sisid", "idnumber", "studentnumber", "matriculationnumber",
        "matrikelnummer", "userid", "identifier",
    ),
    "name": ("name", "fullname", "student", "studentname", "displayname"),
    "first": ("firstname", "givenname", "first", "vorname"),
    "last": ("lastname", "surname", "familyname", "last", "nachname"),
    "email": ("email", "emailaddress", "emailadresse", "mail", "sisloginid"),
    "section": ("section", "sections", "group", "tutorial", "class"),
    "github": ("github", "githubusername", "githubid", "githublogin", "gitlab", "username", "login"),
    "folder": ("folder", "handin", "submission", "canvasid", "moodleid", "participant"),
}  # fmt: skip


class Entry(msgspec.Struct, frozen=True):
    """A line of the roster. handles: other words that the student is known by, such as a name on GitHub; sorted:
    the name with the family name first, where the roster has that by itself."""

    student: Student
    handles: tuple[str, ...] = ()
    sorted: str = ""


class Roster(msgspec.Struct, frozen=True):
    """The students in the order of the file, and one sentence for each line that is left out.

    numbers: `canvas` or `moodle` where the ids are that system's own numbers, as in the gradebook that it exports.
    """

    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()
    numbers: str = ""


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
    if data.startswith(b"PK\x03\x04"):
        raise UsageError(f"{path}: this is a workbook, or a zip. Save it as CSV")
    text = _text(data)
    if "\0" in text:
        raise UsageError(
            f"{path}: this is no text in UTF-8, UTF-16 or Latin-1. Save it as CSV in UTF-8"
        )
    if SEPARATOR.match(text):
        text = text.partition("\n")[2]  # a first line `sep=;`, which is for Excel
    head = text.split("\n", 1)[0]
    between = max(",;\t", key=head.count)
    # A quote that is not closed would make one student of many.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=between, strict=True)
    try:
        lines = list(reader)
    except csv.Error as error:
        raise UsageError(
            f"{path}: this is no CSV file: line {reader.line_num}: {error}. Look for a quote too many above it"
        ) from error
    if not lines:
        raise UsageError(f"{path}: the file is empty. Its first line names the columns")
    places = _columns(lines[0])
    if not places.keys() & {"id", "email", "name", "last", "github"}:
        raise UsageError(
            f"{path}: line 1 names no column for students. Expected one of id, name, email, github"
        )
    entries: dict[str, Entry] = {}
    warnings: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        if line and line[0].strip() == "Points Possible":
            continue  # which Canvas writes above the students
        entry = _entry(places, line)
        if entry is None:
            if any(cell.strip() for cell in line):
                warnings.append(f"line {number} of the roster names nobody: left out")
        elif entry.student.id in entries:
            warnings.append(
                f"line {number} of the roster names {shown(entry.student.id)} again: left out"
            )
        else:
            entries[entry.student.id] = entry
    return Roster(
        tuple(entries.values()), tuple(warnings), _numbers(lines[0], list(entries.values()))
    )


def _numbers(head: list[str], entries: Sequence[Entry]) -> str:
    """Whose numbers the ids are: Canvas's gradebook and Moodle's worksheet are known by their columns."""
    names = set(map(_column, head))
    if "id" in names and names & {"sisuserid", "sisloginid"}:
        return "canvas"
    told = [entry.student.id for entry in entries]
    return "moodle" if told and all(map(PARTICIPANT.match, told)) else ""


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode(
            "cp1252"
        )  # the Latin-1 of Windows, which has letters where that has none
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _column(cell: str) -> str:
    return "".join(c for c in cell.casefold() if c.isalnum())


def _columns(head: list[str]) -> dict[str, int]:
    """Where each kind of column is."""
    names = list(map(_column, head))
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
    first, last = cell("first"), cell("last")
    in_order = f"{last}, {first}" if first and last else ""
    return Entry(Student(number, name, email, cell("section")), handles, in_order)


# Who handed in what


def joined(found: Class, roster: Roster) -> Class:
    """The class with the roster's students in place of what the source knows, and who is absent.

    By student number, then e-mail address, then a name on GitHub or of the folder, then the full name, each only
    where it fits one student. A repository may be named `module2-ada`: its end is looked at too. Where a source
    knows two people of one name, a name alone says nothing. Where Moodle writes a group before every name
    (`Group A-Ada Lovelace`), what follows a hyphen is looked at too.
    """
    grouped = _grouped(found)
    by: list[dict[str, list[Student]]] = [{}, {}, {}, {}, {}]
    for entry in roster.entries:
        student = entry.student
        keys = (
            [student.id, PARTICIPANT.sub(r"\1", student.id)],
            [student.email, student.email.partition("@")[0]],
            list(entry.handles),
            [*_spellings(student.name), *(_spellings(entry.sorted) if entry.sorted else ())],
            _turned(student.name, entry.sorted),
        )
        for table, words in zip(by, keys, strict=True):
            for word in {_plain(word) for word in words if word}:
                table.setdefault(word, []).append(student)
    matches = {
        (hand_in.id, student.id): _match(
            by,
            student,
            hand_in,
            alone=len(hand_in.students) == 1,
            grouped=grouped,
            doubted=_doubted(student, hand_in, roster),
        )
        for hand_in in found.hand_ins
        for student in hand_in.students
    }
    sources: dict[
        str, set[str]
    ] = {}  # of each student of the roster, whom the source knows them as
    for (_, known_as), (match, _) in matches.items():
        if match is not None:
            sources.setdefault(match.id, set()).add(known_as)
    warnings = [*found.warnings, *roster.warnings]
    seen: set[str] = set()
    hand_ins = []
    for hand_in in found.hand_ins:
        people = []
        for student in hand_in.students:
            match, by_name = matches[hand_in.id, student.id]
            who = shown(student.name or student.id)
            if match is None:
                warnings.append(f"{hand_in.id}: {who} is not in the roster")
            elif by_name and len(sources[match.id]) > 1:
                warnings.append(
                    f"{hand_in.id}: {who} is the name of {shown(match.id)} in the roster, and others fit that "
                    "too: matched to nobody. Give the roster a column Folder, or numbers"
                )
                match = None
            people.append(match or _apart(student, hand_in, roster))
        if not people:
            warnings.append(f"{hand_in.id}: nobody of the roster is known for it")
        seen |= {student.id for student in people}
        hand_ins.append(msgspec.structs.replace(hand_in, students=_once(people)))
    warnings += _unordered(hand_ins)
    absent = tuple(e.student for e in roster.entries if e.student.id not in seen)
    return Class(found.kind, found.detail, tuple(hand_ins), absent, tuple(dict.fromkeys(warnings)))


def enrolled(rows: Sequence[Row], roster: Roster) -> tuple[list[Row], tuple[str, ...]]:
    """The rows of one module with the roster's students, and a sentence on each of whom it knows nothing."""
    bare = msgspec.structs.replace(roster, warnings=())
    found = joined(Class("", "", tuple(row.hand_in for row in rows)), bare)
    joined_rows = [
        msgspec.structs.replace(row, hand_in=hand_in)
        for row, hand_in in zip(rows, found.hand_ins, strict=True)
    ]
    return joined_rows, found.warnings


def _unordered(hand_ins: Sequence[HandIn]) -> list[str]:
    """A sentence for each student with two hand-ins of which nothing tells which is later."""
    mine: dict[str, list[HandIn]] = {}
    for hand_in in hand_ins:
        for student in hand_in.students:
            mine.setdefault(student.id, []).append(hand_in)
    return [
        f"{', '.join(h.id for h in several)}: all of {shown(who)}, and nothing tells which is the latest: leave the "
        "others out"
        for who, several in mine.items()
        if len({h.attempt for h in several}) < len(several) and not all(h.received for h in several)
    ]


def _match(
    by: list[dict[str, list[Student]]],
    student: Student,
    hand_in: HandIn,
    *,
    alone: bool,
    grouped: bool,
    doubted: bool,
) -> tuple[Student | None, bool]:
    """Whom of the roster a student is, and whether the name alone says so.

    doubted: the number is another system's, and counts where the name does not contradict.
    """
    ids, emails, handles, names, turned = by
    told = [(ids, student.id), (emails, student.email), (emails, student.id)]
    told += [(handles, student.id), (handles, student.name)]
    # `Ryan, James` is James Ryan, also where there is a Ryan James.
    name = _in_order(student.name)
    told += [(names, name), (turned, name)]
    told += [(names, student.id), (turned, student.id)] if name == student.name else []
    if alone:
        told += [(handles, _end(student.id, handles)), (handles, hand_in.id), (ids, hand_in.id)]
    for table, word in told:
        people = table.get(_plain(word), []) if word else []
        if doubted and word == student.id and table in (ids, emails):
            people = [one for one in people if not one.name or _same_name(one, student)]
        if len(people) == 1:
            return people[0], table is names or table is turned
    if grouped:
        # Both a group and a person may have hyphens: whoever fits has to be the only one.
        parts = student.name.split("-")
        ends = [_plain("-".join(parts[k:])) for k in range(1, len(parts))]
        fitting = {one.id: one for end in ends for one in names.get(end, [])}
        if len(fitting) == 1:
            return next(iter(fitting.values())), True
    return None, False


def _grouped(found: Class) -> bool:
    """Whether Moodle wrote a group before every name, as it does where groups hand in."""
    told = [named(hand_in.path) for hand_in in found.hand_ins]
    return bool(told) and all(
        one is not None and one[0] == "moodle" and "-" in one[1]["name"][1:] for one in told
    )


def _apart(student: Student, hand_in: HandIn, roster: Roster) -> Student:
    """Who is in no roster, under an id that nobody has there."""
    if all(entry.student.id != student.id for entry in roster.entries):
        return student
    return msgspec.structs.replace(student, id=f"{student.id} of {hand_in.id}")


def _doubted(student: Student, hand_in: HandIn, roster: Roster) -> bool:
    """Whether a number is one that Canvas or Moodle made up: a student number may be the same by chance."""
    told = named(hand_in.path)
    return told is not None and told[1]["student"] == student.id and roster.numbers != told[0]


def _same_name(one: Student, other: Student) -> bool:
    known = {_plain(spelt) for spelt in (*_spellings(one.name), *_turned(one.name)) if spelt}
    return _plain(_in_order(other.name)) in known


def _end(word: str, handles: dict[str, list[Student]]) -> str:
    """The longest handle that a name ends in, after a hyphen."""
    parts = word.casefold().split("-")
    ends = ["-".join(parts[k:]) for k in range(1, len(parts))]
    return next((end for end in ends if _plain(end) in handles), "")


def _spellings(name: str) -> list[str]:
    """`Ada Lovelace` and, as Canvas writes it, `lovelaceada`, also where the roster has `Lovelace, Ada`.

    No family name stands first with a space behind it: that may be somebody else's name, see `_turned`.
    """
    last, comma, first = name.partition(",")
    words = name.split()
    turned = [*last.split(), *first.split()] if comma else words[-1:] + words[:-1]
    joined_up = "".join(turned)
    return [_in_order(name), joined_up, "".join(c for c in joined_up if c.isalnum())]


def _in_order(name: str) -> str:
    """`Ada Lovelace`, also of `Lovelace, Ada`."""
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}" if comma else name


def _turned(name: str, family_first: str = "") -> list[str]:
    """`Lovelace Ada` and `lovelaceada` of `Ada Lovelace`, as some systems write it without a comma.

    family_first: `Lovelace, Ada`, where that is known. Else a family name may begin at any word: `van der Berg Jan`.
    """
    words = name.split()
    if "," in name or family_first:
        turned = [family_first or name]
    else:
        turned = [" ".join(words[k:] + words[:k]) for k in range(1, min(len(words), MOST_WORDS))]
    return [*turned, *("".join(c for c in one if c.isalnum()) for one in turned)]


def _plain(word: str) -> str:
    """Words that are the same but for case, accents as they are composed, and signs between."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", word).casefold())
    return " ".join("".join(c if c.isalnum() or c in "@.+" else " " for c in folded).split())


def _once(people: list[Student]) -> tuple[Student, ...]:
    return tuple({student.id: student for student in people}.values())
