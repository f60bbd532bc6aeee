"""What is made of a gradebook: right numbers in the right places, no formula, nothing invented."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from click.testing import CliRunner, Result
from golden.sample_reports import buggy, full_marks

from grader.batch import book
from grader.batch.diff import compare
from grader.batch.exports import EXPORTS, Wanted
from grader.batch.feedback import feedback
from grader.batch.grades import grades, score
from grader.batch.model import HandIn, Row, Student
from grader.cli import cli
from grader.errors import UsageError
from grader.model import Outcome, Visibility
from grader.report.text import points
from grader.terms import Line, Standing, rounded
from tests.batch.gradebooks import ADA, EMMY, MODULE, filled


def grade(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)


def made(path: Path, *words: str | Path) -> str:
    ran = grade("export", path, *words)
    assert ran.exit_code == 0, ran.output
    return ran.stdout_bytes.decode()


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_holds_one_line_for_each_student(tmp_path: Path) -> None:
    text = made(filled(tmp_path), "--as", "csv")
    told = {line["name"]: line for line in lines(text)}
    assert list(told)[:3] == ['\'=HYPERLINK("http://x")', "Emmy Noether", ""]
    for name in ("Lovelace, Ada", "Emmy Noether"):
        # A group's grade is each member's, and the later attempt makes it.
        line = told[name]
        assert (line["hand_in"], line["attempt"], line["attempts"]) == ("ada-emmy-2", "2", "2")
        assert (line["score"], line["max_score"], line["status"]) == ("50", "50", "graded")
        assert [line[f"task 2.{k}"] for k in range(1, 5)] == ["10", "10", "14", "16"]
    kurt = told["Kurt Gödel"]
    assert (kurt["score"], kurt["status"], kurt["id"]) == ("", "held", "0103")
    hedy = next(line for name, line in told.items() if name.startswith("Hedy"))
    assert (hedy["score"], hedy["status"], hedy["problem"]) == (
        "",
        "not gradable",
        "the zip is damaged",
    )
    assert "\u202e" not in text
    assert '"0103"' in text


@pytest.mark.parametrize("name", ["csv", "canvas", "moodle", "gradescope"])
def test_no_cell_is_a_formula(tmp_path: Path, name: str) -> None:
    cells = [
        cell
        for line in csv.reader(io.StringIO(made(filled(tmp_path), "--as", name)))
        for cell in line
    ]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_an_export_is_the_same_each_time(tmp_path: Path, name: str) -> None:
    path = filled(tmp_path)
    to = tmp_path / "out"
    text = made(path, "--as", name)
    made(tmp_path, "--as", name, "-o", to)
    assert to.read_bytes().decode() == text
    assert text.encode("utf-8")


def test_a_roster_gives_the_order_and_who_is_missing(tmp_path: Path) -> None:
    roster = tmp_path / "r.csv"
    roster.write_text("id,name,section\n0103,Kurt Gödel,C\n77,Sofja Kowalewskaja,C\n0102,E. N.,B\n")
    ran = grade("export", filled(tmp_path), "--as", "csv", "--roster", roster)
    told = lines(ran.stdout)
    assert [(line["id"], line["status"]) for line in told[:3]] == [
        ("0103", "held"),
        ("77", "missing"),
        ("0102", "graded"),
    ]
    assert (told[0]["section"], told[1]["score"], told[2]["name"]) == ("C", "", "E. N.")
    assert "Lovelace, Ada is not in the roster" in ran.stderr


def test_canvas_has_its_columns_and_the_possible_points(tmp_path: Path) -> None:
    text = made(filled(tmp_path), "--as", "canvas", "--column", "Tensors (4711)")
    table = list(csv.reader(io.StringIO(text)))
    assert table[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Tensors (4711)"]
    assert (table[1][0].strip(), table[1][-1]) == ("Points Possible", "50")
    by_id = {line[2]: line[-1] for line in table[2:]}
    assert (by_id["0101"], by_id["0103"], by_id["0104"]) == ("50", "", "")
    # These are no numbers of Canvas's.
    assert {line[1] for line in table[2:]} == {""}


def test_of_a_groups_work_and_ones_own_the_later_one_makes_the_grade() -> None:
    ours = HandIn("ours", (ADA, EMMY), "/in/1", "2026-10-01T23:00:00+02:00", 2)
    own = HandIn("own", (ADA,), "/in/2", "2026-10-01T21:30:00+00:00", 1)
    made_of = grades([Row(MODULE, ours, buggy()), Row(MODULE, own, full_marks())])
    assert {g.student.id: g.row and g.row.hand_in.id for g in made_of} == {
        ADA.id: "own",
        EMMY.id: "ours",
    }


def test_of_what_has_no_time_no_lateness_is_told() -> None:
    standing = Standing(50, 50, 50)
    rows = [
        Row(MODULE, HandIn("ada", (ADA,), "/in/1"), full_marks(), standing=standing),
        Row(
            MODULE,
            HandIn("e", (EMMY,), "/in/2", "2026-10-01T21:30:00+00:00"),
            full_marks(),
            standing=standing,
        ),
    ]
    told = {
        line["id"]: line["late_seconds"]
        for line in lines(EXPORTS["csv"](grades(rows), Wanted(MODULE)))
    }
    assert told == {ADA.id: "", EMMY.id: "0.0"}
    shown = lines(EXPORTS["gradescope"](grades(rows), Wanted(MODULE)))
    assert sorted(line for one in shown for key, line in one.items() if "H:M:S" in key) == [
        "",
        "00:00:00",
    ]


def test_a_note_on_what_has_no_report_is_one_plain_line() -> None:
    hand_in = HandIn("ada", (ADA,), "/in/1")
    _, (line,) = feedback([Row(MODULE, hand_in, None, "/in/\x1b[31m\n\u202e.zip: torn")])
    assert line.isprintable()


def test_numbers_of_canvas_and_moodle_go_back_where_they_came_from(tmp_path: Path) -> None:
    path = tmp_path / "gradebook.sqlite"
    uploads = {
        "11": "/in/lovelaceada_11_9_work.zip",
        "12": "/in/noetheremmy_LATE_12_text.html",
        "21": "/in/Ada Lovelace_21_assignsubmission_file_/work.zip",
        "22": "/in/Emmy Noether_22_assignsubmission_file",
    }
    with book.Book(path) as kept:
        for number, upload in uploads.items():
            # The roster knows them by other numbers.
            hand_in = HandIn(f"h{number}", (Student(f"0{number}", "A B"),), upload)
            kept.enrol(MODULE, [hand_in])
            kept.keep(MODULE, hand_in, book.GRADED, key="1", report=buggy())
    canvas = list(csv.reader(io.StringIO(made(path, "--as", "canvas"))))[2:]
    assert [line[1:3] for line in canvas] == [
        ["11", "011"],
        ["12", "012"],
        ["", "021"],
        ["", "022"],
    ]
    moodle = [line["Identifier"] for line in lines(made(path, "--as", "moodle"))]
    assert moodle == ["011", "012", "Participant 21", "Participant 22"]
    (tmp_path / "c.csv").write_text("Student,ID,SIS User ID,SIS Login ID\nA B,021,0021,x\n")
    told = made(path, "--as", "canvas", "--roster", tmp_path / "c.csv")
    assert list(csv.reader(io.StringIO(told)))[2][1:3] == ["021", ""]


def test_moodle_knows_its_participants(tmp_path: Path) -> None:
    told = {line["Identifier"]: line for line in lines(made(filled(tmp_path), "--as", "moodle"))}
    assert told["0101"]["Grade"] == "50"
    assert told["0101"]["Maximum Grade"] == "50"
    assert told["0103"]["Grade"] == ""
    assert "held" in told["0103"]["Status"]
    # Without it Moodle refuses the file.
    assert "Last modified (grade)" in told["0101"]


@pytest.mark.parametrize("name", ["moodle", "junit"])
def test_what_is_told_beside_a_grade_is_what_counts(name: str) -> None:
    lines = (Line(-10, "1 day late"), Line(3, "adjusted by +3: a typo"))
    told = HandIn("ada", (ADA,), "/in/1", "2026-10-01T21:30:00+00:00")
    rows = [Row(MODULE, told, full_marks(), standing=Standing(50, 43, 50, lines))]
    text = EXPORTS[name](grades(rows), Wanted(MODULE))
    assert "Counts: 43 / 50 under the terms of the course." in text
    assert "1 day late: -10" in text


def test_gradescope_has_first_and_last_names(tmp_path: Path) -> None:
    told = {line["SID"]: line for line in lines(made(filled(tmp_path), "--as", "gradescope"))}
    assert (told["0101"]["First Name"], told["0101"]["Last Name"]) == ("Ada", "Lovelace")
    assert (told["0102"]["First Name"], told["0102"]["Last Name"]) == ("Emmy", "Noether")


def test_jsonl_tells_the_checks(tmp_path: Path) -> None:
    told = {
        one["id"]: one
        for one in map(json.loads, made(filled(tmp_path), "--as", "jsonl").splitlines())
    }
    assert told["0101"]["score"] == 50.0
    assert set(told["0101"]["checks"].values()) == {"passed"}
    assert "failed" in told["=1+2"]["checks"].values()
    assert told["0103"]["score"] is None
    assert told["0104"]["checks"] == {}
    assert told["flag"]["flags"]


def test_csv_and_jsonl_tell_the_same_points() -> None:
    task = msgspec.structs.replace(full_marks().tasks[0], score=6.0625, max_score=6.0625)
    whole = msgspec.structs.replace(full_marks(), score=53.125, max_score=53.125, tasks=(task,))
    found = grades([Row("m", HandIn("a", (Student("a"),), "/a"), whole)])
    (line,) = lines(EXPORTS["csv"](found, Wanted("m")))
    told = json.loads(EXPORTS["jsonl"](found, Wanted("m")))
    for name in ("score", "max_score", "raw_score"):
        assert float(line[name]) == told[name] == 53.13
    assert float(line[f"task {task.id}"]) == told["tasks"][task.id] == 6.06


def test_junit_adds_up(tmp_path: Path) -> None:
    root = ET.fromstring(made(filled(tmp_path), "--as", "junit"))
    cases = list(root.iter("testcase"))
    assert int(root.get("tests", "")) == len(cases)
    assert int(root.get("failures", "")) == len(list(root.iter("failure"))) > 0
    assert int(root.get("errors", "")) == len(list(root.iter("error"))) > 0
    assert "skipped" not in root.attrib
    assert any(suite.get("name", "").startswith("0101: ") for suite in root)


def test_a_mark_for_excel_is_written_only_where_it_is_asked_for(tmp_path: Path) -> None:
    path = filled(tmp_path)
    assert not made(path, "--as", "csv").startswith("\ufeff")
    assert made(path, "--as", "csv", "--bom").startswith("\ufeff")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2.675, "2.68"),
        (12.0, "12"),
        (100.0, "100"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.33"),
        (32.045 - 1e-12, "32.05"),
        (53.125, "53.13"),
    ],
)
def test_points_are_rounded_as_people_do_and_the_same_everywhere(value: float, said: str) -> None:
    assert str(rounded(value)) == points(value) == said


def test_a_gradebook_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no gradebook"):
        grade("export", tmp_path, "--as", "csv")
    assert not list(tmp_path.iterdir())


def test_one_module_of_several_has_to_be_named(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with book.Book(path) as kept:
        kept.enrol("other", [HandIn("x", (), "/x")])
    with pytest.raises(UsageError, match="--module"):
        grade("export", path, "--as", "csv")
    assert [line["status"] for line in lines(made(path, "--as", "csv", "-m", "other"))] == [
        "waiting"
    ]


# Feedback


def test_feedback_is_one_file_for_each_hand_in(tmp_path: Path) -> None:
    path = filled(tmp_path)
    ran = grade("export", path, "--feedback", tmp_path / "f")
    assert sorted(p.name for p in (tmp_path / "f").iterdir()) == [
        f"{name}.html" for name in ("ada-emmy-2", "ada-emmy", "evil", "flag", "kurt")
    ]
    assert "hedy: no report: the zip is damaged" in ran.stderr
    assert "/in/" not in (tmp_path / "f" / "ada-emmy.html").read_text()
    assert "did not write" not in ran.stderr
    (tmp_path / "f" / "left.html").touch()
    ran = grade("export", path, "--feedback", tmp_path / "f")
    assert "f also holds what this export did not write: left.html." in ran.stderr
    assert (tmp_path / "f" / "left.html").exists()
    grade("export", path, "--feedback", tmp_path / "f.zip", "--form", "markdown")
    with zipfile.ZipFile(tmp_path / "f.zip") as archive:
        assert "evil.md" in archive.namelist()


@pytest.mark.parametrize(
    "words", [("export", "{book}", "--feedback", "-"), ("batch", MODULE, ".", "--out", "-")]
)
def test_no_folder_is_called_as_standard_output_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    path = filled(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(cli, [word.format(book=path) for word in words])
    assert isinstance(ran.exception, UsageError)
    assert "not for standard output" in str(ran.exception)
    assert not (tmp_path / "-").exists()


def test_two_things_on_standard_output_are_refused_by_their_names() -> None:
    ran = CliRunner().invoke(cli, ["similar", MODULE, ".", "-o", "-", "--json", "-"])
    said = "only one of --output and --json can go to standard output (-)"
    assert str(ran.exception) == said


def test_feedback_goes_back_under_the_names_it_came_by(tmp_path: Path) -> None:
    ada = HandIn("ada", (Student("12", "Ada"),), "/s/lovelaceada_LATE_12_34_w.zip")
    emmy = HandIn(
        "emmy", (Student("13", "Emmy"),), "/s/Emmy Noether_13_assignsubmission_file_/w.zip"
    )
    anybody = HandIn("x", (Student("anon_Xk3b2", "anon_Xk3b2"),), "/s/LATE_anon_Xk3b2_35_w.zip")
    path = tmp_path / "b.sqlite"
    with book.Book(path) as kept:
        for hand_in in (ada, emmy, anybody):
            kept.keep(MODULE, hand_in, book.GRADED, key="1", report=buggy())
    for system, names, other in (
        (
            "canvas",
            ["LATE_anon_Xk3b2_35_feedback.html", "lovelaceada_LATE_12_34_feedback.html"],
            "emmy",
        ),
        ("moodle", ["Emmy Noether_13_assignsubmission_file_/feedback.html"], "ada"),
    ):
        ran = grade("export", path, "--feedback", tmp_path / "f.zip", "--for", system)
        with zipfile.ZipFile(tmp_path / "f.zip") as archive:
            assert archive.namelist() == names
        assert f"note: {other}: " in ran.stderr
    # Canvas has no number of its own for who is anonymous.
    told = list(csv.DictReader(io.StringIO(made(path, "--as", "canvas"))))
    assert [line["ID"] for line in told if line["Student"] == "anon_Xk3b2"] == [""]


def test_feedback_hides_what_students_do_not_see(tmp_path: Path) -> None:
    report = buggy()
    secret, *others = report.checks
    secret = msgspec.structs.replace(secret, title="a secret check", visibility=Visibility.HIDDEN)
    path = tmp_path / "b.sqlite"
    with book.Book(path) as kept:
        told = msgspec.structs.replace(report, checks=(secret, *others))
        kept.keep(MODULE, HandIn("ada", (), "/in/ada"), book.GRADED, key="1", report=told)
    grade("export", path, "--feedback", tmp_path / "f")
    assert "secret" not in (tmp_path / "f" / "ada.html").read_text()
    grade("export", path, "--feedback", tmp_path / "f", "--full")
    assert "secret" in (tmp_path / "f" / "ada.html").read_text()


def test_members_of_a_group_with_other_dates_have_files_of_their_own() -> None:
    """The terms may make two rows of one hand-in, one for each member."""
    rows = [
        Row(
            MODULE,
            HandIn("pair", (Student(who),), "/in/pair"),
            buggy(),
            standing=Standing(9, counted, 50),
        )
        for who, counted in (("ada", 7.0), ("emmy", 9.0))
    ]
    files, _ = feedback(rows, shown_checks=None)
    assert sorted(files) == ["pair-ada.html", "pair-emmy.html"]
    assert len(feedback(rows, system="moodle")[1]) == 1
    assert len(set(files.values())) == 2
    assert [change.hand_in for change in compare([], rows)] == ["pair (ada)", "pair (emmy)"]
    assert [str(score(grade.row)) for grade in grades(rows)] == ["7", "9"]


# Two gradebooks


def pair(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    for path, ada, kurt in ((paths[0], full_marks(), buggy()), (paths[1], buggy(), full_marks())):
        with book.Book(path) as kept:
            same = HandIn("same", (), "/in/same")
            for number, (hand_in, report) in enumerate(
                (
                    (HandIn("ada", (), "/in/a"), ada),
                    (HandIn("kurt", (), "/in/k"), kurt),
                    (same, buggy()),
                )
            ):
                kept.keep(MODULE, hand_in, book.GRADED, key=str(number), report=report)
    with book.Book(paths[1]) as kept:
        kept.keep(MODULE, HandIn("new", (), "/in/n"), book.GRADED, key="9", report=buggy())
    return paths


def test_diff_tells_who_lost_who_gained_and_by_which_check(tmp_path: Path) -> None:
    old, new = pair(tmp_path)
    before = old.read_bytes(), new.read_bytes()
    ran = grade("diff", old, new, "--json", "-")
    told = json.loads(ran.stdout)
    by_name = {change["hand_in"]: change for change in told["changes"]}
    assert list(by_name) == ["ada", "new", "kurt"]
    failed = {f"{v.task}/{v.title}" for v in buggy().checks if v.outcome is not Outcome.PASSED}
    assert set(by_name["ada"]["lost"]) == set(by_name["kurt"]["gained"]) == failed
    assert by_name["ada"]["gained"] == by_name["kurt"]["lost"] == []
    assert by_name["new"]["before"] == {"status": "absent", "score": None}
    assert {(c["gained"], c["lost"]) for c in told["checks"]} == {(1, 1)}
    shown = grade("diff", old, new).stdout
    assert shown.startswith("4 hand-ins: 1 gained, 1 lost, 3 changed in all\nada  50 -> ")
    assert "same" not in shown
    assert (old.read_bytes(), new.read_bytes()) == before


def test_two_gradebooks_that_are_alike_have_no_difference(tmp_path: Path) -> None:
    path = filled(tmp_path)
    assert grade("diff", path, path).stdout == "6 hand-ins: 0 gained, 0 lost, 0 changed in all\n"


def test_diff_tells_what_is_another_in_the_module_itself(tmp_path: Path) -> None:
    paths = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    old = buggy()
    first, second, *others = old.checks
    renamed = msgspec.structs.replace(first, title="a new check")
    heavier = msgspec.structs.replace(second, max_score=second.max_score + 0.5)
    checks = (renamed, heavier, *others)
    new = msgspec.structs.replace(
        old, max_score=old.max_score + 20, score=(old.score or 0) + 5, checks=checks
    )
    worth = rounded(second.max_score)
    for path, report in zip(paths, (old, new), strict=True):
        with book.Book(path) as kept:
            kept.keep(MODULE, HandIn("ada", (), "/in/a"), book.GRADED, key="1", report=report)
    assert grade("diff", *paths).stdout.splitlines()[1:5] == [
        f"points possible: {old.max_score:g} -> {new.max_score:g}",
        f"check of the new one alone: {first.task}/a new check",
        f"check of the old one alone: {first.task}/{first.title}",
        f"check worth {worth} -> {rounded(heavier.max_score)} points: {second.task}/{second.title}",
    ]
    told = json.loads(grade("diff", *paths, "--json", "-").stdout)
    assert told["max_score"] == {"before": old.max_score, "after": new.max_score}
    assert told["checks_added"] == [f"{first.task}/a new check"]
    (revalued,) = told["checks_revalued"]
    assert revalued["after"] - revalued["before"] == 0.5


# A disk that is for reading alone


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0 or shutil.which("unshare") is None, reason="mounting"
)
def test_grades_are_exported_from_a_disk_for_reading_alone(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "book").mkdir()
    (tmp_path / "gradebook.sqlite").rename(tmp_path / "book" / "gradebook.sqlite")
    before = sorted((tmp_path / "book").iterdir())
    place = shlex.quote(str(tmp_path / "book"))
    line = f"{sys.executable} -m grader export {place} --as csv --raw"
    script = (
        f"mount --bind {place} {place} && mount -o remount,bind,ro {place} && "
        f"! touch {place}/x && {line}"
    )
    ran = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    assert "Read-only" in ran.stderr, ran.stderr
    assert sorted((tmp_path / "book").iterdir()) == before
    assert ran.stdout == grade("export", tmp_path / "book", "--as", "csv", "--raw").stdout != ""
