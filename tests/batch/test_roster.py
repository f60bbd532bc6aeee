"""The roster is read as any system writes it, and nobody is matched by a guess."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from grader.batch import roster
from grader.batch.model import Class, HandIn, Student
from grader.errors import UsageError

LINES = [
    "Student Name;SIS User ID;E-Mail;Sections;GitHub Username",
    '"Lovelace, Ada";0101;Ada@Example.org;A;ada-l',
    "Emmy Noether;0102;emmy@example.org;B;noether",
    "Kurt Gödel;0103;kurt@example.org;B;",
    "Emmy Noether;0102;again@example.org;B;",
    ";;;;",
    ";;;B;",
]


def written(path: Path, lines: list[str], encoding: str = "utf-8-sig") -> Path:
    path.write_text("\r\n".join(lines), encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_roster_reads_the_same_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    found = roster.read(written(tmp_path / "r.csv", LINES, encoding))
    assert [e.student for e in found.entries] == [
        Student("0101", "Lovelace, Ada", "Ada@Example.org", "A"),
        Student("0102", "Emmy Noether", "emmy@example.org", "B"),
        Student("0103", "Kurt Gödel", "kurt@example.org", "B"),
    ]
    assert found.entries[0].handles == ("ada-l",)
    assert len(found.warnings) == 2
    assert "again" in found.warnings[0]


def test_first_and_last_names_make_a_name(tmp_path: Path) -> None:
    found = roster.read(
        written(tmp_path / "r.csv", ["First name,Last name,ID number", "Ada,Lovelace,7"])
    )
    assert found.entries[0].student == Student("7", "Ada Lovelace")


def test_a_file_without_students_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 1"):
        roster.read(written(tmp_path / "r.csv", ["points,date", "1,2"]))


def taken(*students: Student) -> Class:
    hand_ins = tuple(HandIn(s.id.lower(), (s,), "/x") for s in students)
    return Class("folder", "", hand_ins)


@pytest.mark.parametrize(
    ("known_as", "number"),
    [
        (Student("0101"), "0101"),
        (Student("x", "", "ADA@example.org"), "0101"),
        (Student("hw1-ada-l"), "0101"),
        (Student("x", "Ada Lovelace"), "0101"),
        (Student("x", "lovelaceada"), "0101"),
        (Student("godel", "KURT GO\u0308DEL"), "0103"),
        (Student("noether"), "0102"),
        (Student("x", "Emmy"), "x"),
        (Student("101"), "101"),
    ],
)
def test_who_is_who(tmp_path: Path, known_as: Student, number: str) -> None:
    people = roster.read(written(tmp_path / "r.csv", LINES))
    found = roster.joined(taken(known_as), people)
    assert found.hand_ins[0].students[0].id == number
    unknown = [line for line in found.warnings if "not in the roster" in line]
    assert bool(unknown) == (number == known_as.id and number != "0101")
    assert len(found.absent) == (3 if unknown else 2)


@pytest.mark.parametrize("written_as", ["NOETHER, Emmy", "Noether Emmy", "Emmy Noether"])
def test_a_name_is_found_in_either_order(tmp_path: Path, written_as: str) -> None:
    people = roster.read(written(tmp_path / "r.csv", LINES))
    (hand_in,) = roster.joined(taken(Student("x", written_as)), people).hand_ins
    assert [student.id for student in hand_in.students] == ["0102"]


@pytest.mark.parametrize(
    "lines",
    [
        ["id,name", "1,James Ryan", "2,Ryan James"],
        ["id,name", '1,"Ryan, James"', '2,"James, Ryan"'],
        ["id,first name,last name", "1,James,Ryan", "2,Ryan,James"],
    ],
)
def test_a_comma_tells_james_ryan_from_ryan_james(tmp_path: Path, lines: list[str]) -> None:
    people = roster.read(written(tmp_path / "r.csv", lines))
    names = {"Ryan, James": "1", "James, Ryan": "2", "James Ryan": "1", "Ryan James": "2"}
    for name, number in names.items():
        (hand_in,) = roster.joined(taken(Student(name, name)), people).hand_ins
        assert [student.id for student in hand_in.students] == [number], name


@pytest.mark.parametrize(
    ("name", "written_as"),
    [
        ("Jan van der Berg", "van der Berg Jan"),
        ("Jan van der Berg", "vanderbergjan"),
        ("María García López", "García López María"),
        ("María García López", "garcíalópezmaría"),
        ("Jan Mayer Smith", "Smith Jan Mayer"),
        ('"van der Berg, Jan"', "van der Berg Jan"),
        ("Sukarno", "Sukarno"),
    ],
)
def test_a_family_name_may_have_several_words(tmp_path: Path, name: str, written_as: str) -> None:
    people = roster.read(written(tmp_path / "r.csv", ["id,name", f"7,{name}", "8,Jan Berg"]))
    (hand_in,) = roster.joined(taken(Student(written_as)), people).hand_ins
    assert [student.id for student in hand_in.students] == ["7"]


def test_two_of_one_name_are_matched_by_nothing_but_more(tmp_path: Path) -> None:
    lines = ["id,name", "1,Ada Lovelace", "2,Ada Lovelace"]
    people = roster.read(written(tmp_path / "r.csv", lines))
    found = roster.joined(taken(Student("x", "Ada Lovelace"), Student("2", "Ada Lovelace")), people)
    assert [h.students[0].id for h in found.hand_ins] == ["x", "2"]
    assert [s.id for s in found.absent] == ["1"]


def of_system(path: str, *people: tuple[str, str]) -> Class:
    """Hand-ins of students with these numbers and names, whose uploads are called after the pattern `path`."""
    hand_ins = tuple(
        HandIn(f"h{number}", (Student(number, name),), path.format(name=name, number=number))
        for number, name in people
    )
    return Class("", "", hand_ins)


CANVAS = "/in/{name}_{number}_9_work.zip"
MOODLE = "/in/{name}_{number}_assignsubmission_file_/work.zip"


@pytest.mark.parametrize("path", [CANVAS, MOODLE])
def test_a_number_of_another_system_is_no_student_number_by_chance(
    tmp_path: Path, path: str
) -> None:
    lines = ["Student ID,Name", "12,Ada Lovelace", "34,Emmy Noether", "56,Pat O'Brien-Smith"]
    people = roster.read(written(tmp_path / "r.csv", lines))
    found = roster.joined(
        of_system(path, ("12", "noetheremmy"), ("34", "gödelkurt"), ("78", "obriensmithpat")),
        people,
    )
    emmy, kurt, pat = (h.students[0] for h in found.hand_ins)
    assert (emmy.id, pat.id) == ("34", "56")
    assert kurt.name == "gödelkurt"
    assert kurt.id not in ("12", "34", "56")
    assert [s.id for s in found.absent] == ["12"]


def test_two_people_of_one_name_are_not_made_one(tmp_path: Path) -> None:
    people = roster.read(
        written(tmp_path / "r.csv", ["Student ID,Name", "77,Ada Lovelace", "12,Kurt Gödel"])
    )
    found = roster.joined(of_system(MOODLE, ("12", "Ada Lovelace"), ("13", "Ada Lovelace")), people)
    assert len({h.students[0].id for h in found.hand_ins} | {"77", "12"}) == 4
    assert [s.id for s in found.absent] == ["77", "12"]
    assert sum("matched to nobody" in line for line in found.warnings) == 2


def test_the_lists_of_canvas_and_moodle_are_rosters_with_their_own_numbers(tmp_path: Path) -> None:
    lines = [
        "Student,ID,SIS User ID,SIS Login ID,Section,Tensors (4711)",
        '"    Points Possible",,,,,100',
        '"Lovelace, Augusta Ada",12,0101,ada,A,',
    ]
    people = roster.read(written(tmp_path / "c.csv", lines))
    assert (people.numbers, people.warnings) == ("canvas", ())
    (ada,) = roster.joined(of_system(CANVAS, ("12", "lovelaceada")), people).hand_ins
    assert ada.students == (Student("12", "Lovelace, Augusta Ada", "ada", "A"),)
    lines = [
        "Identifier,Full name,Grade",
        "Participant 12,Ada Lovelace,",
        "Participant 13,Ada Lovelace,",
    ]
    people = roster.read(written(tmp_path / "m.csv", lines))
    assert people.numbers == "moodle"
    found = roster.joined(of_system(MOODLE, ("12", "Ada Lovelace"), ("13", "Ada Lovelace")), people)
    assert [h.students[0].id for h in found.hand_ins] == ["Participant 12", "Participant 13"]
    assert found.absent == ()


def test_a_roster_as_excel_saves_it(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes("sep=;\r\nID;Name;E-Mail-Adresse\r\n007;Šime Žižek;s@x\r\n".encode("cp1252"))
    (entry,) = roster.read(path).entries
    assert entry.student == Student("007", "Šime Žižek", "s@x")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'id,name\n1,"Ada\n2,Emmy\n3,Kurt\n', "line 4: unexpected end of data"),
        ("id,name\n1,Ada\n".encode("utf-16-le"), "Save it as CSV in UTF-8"),
        (b"PK\x03\x04 a workbook", "Save it as CSV"),
    ],
)
def test_what_would_lose_students_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "r.csv").write_bytes(data)
    with pytest.raises(UsageError, match=said):
        roster.read(tmp_path / "r.csv")


def test_two_hand_ins_of_one_student_that_nothing_orders_are_told(tmp_path: Path) -> None:
    people = roster.read(written(tmp_path / "r.csv", ["id,github", "1,ada", "2,emmy"]))
    names = ("ada", "module2-ada", "emmy")
    found = roster.joined(taken(*map(Student, names)), people)
    (line,) = found.warnings
    assert line.startswith("ada, module2-ada: all of 1")


def test_a_family_name_of_several_words_is_found_as_canvas_sorts_it(tmp_path: Path) -> None:
    lines = ["First Name,Last Name,SID", "Jan,van der Berg,7", "Ana María,García-Pérez Ruiz,8"]
    people = roster.read(written(tmp_path / "r.csv", lines))
    known = of_system(CANVAS, ("12", "vanderbergjan"), ("13", "garcíapérezruizanamaría"))
    found = roster.joined(known, people)
    assert [h.students[0].id for h in found.hand_ins] == ["7", "8"]
    assert found.warnings == ()


def test_the_group_that_moodle_writes_before_a_name_hides_nobody(tmp_path: Path) -> None:
    lines = [
        "Student ID,Name",
        "12,Ada Lovelace",
        "34,Anne-Marie Noether",
        "56,Marie Noether",
        "78,Pat One",
    ]
    people = roster.read(written(tmp_path / "r.csv", lines))
    found = roster.joined(
        of_system(
            MOODLE,
            ("78", "Group A-Ada Lovelace"),
            ("2", "Team-1-Pat One"),
            ("3", "Group A-Anne-Marie Noether"),
        ),
        people,
    )
    assert [h.students[0].id for h in found.hand_ins] == ["12", "78", "3"]
    assert any("Anne-Marie Noether is not in the roster" in line for line in found.warnings)
    # A hyphen of one's own is no group.
    alone = of_system(MOODLE, ("2", "Ada Lovelace"), ("3", "Jean-Pat One"))
    assert [h.students[0].id for h in roster.joined(alone, people).hand_ins] == ["12", "3"]


def test_a_roster_of_ten_thousand_takes_no_time(tmp_path: Path) -> None:
    lines = ["id,name", *(f"{k},Student {k}" for k in range(10_000))]
    began = time.process_time()
    people = roster.read(written(tmp_path / "r.csv", lines))
    assert len(people.entries) == 10_000
    assert time.process_time() - began < 3
