"""Sources read names of any kind; the gradebook keeps what it is told and is never spoilt."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from golden.sample_reports import buggy

from grader.batch import book, sources
from grader.batch.model import HandIn, Student
from grader.batch.names import distinct, file_name
from grader.errors import OutputFault, UsageError

NAMES = ["ada", "Ada.zip", 'a,"b"\nc', "\u202eevil", "con", "empty"]


def test_a_folder_of_any_names_has_distinct_ids(tmp_path: Path) -> None:
    for name in NAMES:
        path = tmp_path / name
        path.write_bytes(b"x") if name.endswith(".zip") else path.mkdir()
        if path.is_dir() and name != "empty":
            (path / "work.py").write_text("")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    found = sources.read(tmp_path).hand_ins
    ids = [h.id for h in found]
    assert len(set(ids)) == len(NAMES)
    assert "ada" in ids
    assert all(i.isprintable() and file_name(i) == i and i != "con" for i in ids)
    assert [h.id for h in found if h.problem] == ["empty"]
    assert [h.id for h in sources.read(tmp_path).hand_ins] == ids
    assert sources.read(tmp_path / "ada" / "..").hand_ins == found


def test_names_that_are_composed_differently_are_told_apart() -> None:
    assert len(set(distinct(["\u00e9va", "e\u0301va", "\u00c9VA"]))) == 3


def test_a_list_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "work.py").write_text("")
    (tmp_path / "class.txt").write_text("# ours\nada # on time\n\ngone.zip\n")
    one, other = sources.read(tmp_path / "class.txt").hand_ins
    assert (one.path, one.problem) == (str(tmp_path / "ada"), "")
    assert "no such" in other.problem


def test_a_report_comes_back_as_the_one_of_its_hand_in(tmp_path: Path) -> None:
    (tmp_path / "in" / "ada").mkdir(parents=True)
    (hand_in,) = sources.read(tmp_path / "in").hand_ins
    report = buggy()
    with book.Book(tmp_path / "b.sqlite") as first, book.Book(tmp_path / "b.sqlite") as second:
        first.enrol("m", [hand_in])
        assert first.rows("m")[0].problem == "not graded yet"
        first.keep("m", hand_in, book.GRADED, key="k", report=report)
        second.keep("m", hand_in, book.GRADED, key="k")
        (row,) = second.rows("m")
        assert row.report is not None
        assert (row.report.submission, row.report.origin) == ("ada", hand_in.path)
        assert row.report.checks == report.checks
        assert second.known("k") == report
        assert second.known("other") is None


def test_an_id_that_someone_else_was_given_has_no_result_of_before(tmp_path: Path) -> None:
    first = HandIn("ada", (Student("ada", "Ada"),), "/in/Ada")
    with book.Book(tmp_path / "b.sqlite") as kept:
        kept.enrol("m", [first])
        kept.keep("m", first, book.GRADED, key="k", report=buggy())
        kept.enrol("m", [msgspec.structs.replace(first, students=(Student("0101", "A. L."),))])
        (row,) = kept.rows("m")
        assert (row.report is not None, row.hand_in.students[0].id) == (True, "0101")
        other = msgspec.structs.replace(first, path="/in/ada")
        kept.enrol("m", [other])
        (row,) = kept.rows("m")
        assert (row.report, row.problem) == (None, "not graded yet")
        # The grading itself is kept: it is known where it turns up again.
        assert kept.known("k") is not None


def test_a_newer_gradebook_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    book.Book(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {book.SCHEMA + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="newer"):
        book.Book(path)
    assert path.read_bytes() == before


def test_an_older_gradebook_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    hand_in = HandIn("ada", (), "/in/ada")
    report = buggy()
    digest = report.provenance.submission_digest
    with book.Book(path) as kept:
        kept.keep("m", hand_in, book.GRADED, key="k", report=report)
    with sqlite3.connect(path) as connection:  # as the first version made it
        connection.execute("DROP INDEX gradings_by_submission")
        connection.execute("ALTER TABLE gradings DROP COLUMN submission")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with book.Book(path) as kept:
        assert kept.known("k") == kept.latest("m", digest) == report
        assert kept.rows("m")[0].hand_in == hand_in
        assert kept.connection.execute("PRAGMA user_version").fetchone() == (book.SCHEMA,)
        columns = kept.connection.execute("PRAGMA table_info(gradings)").fetchall()
    with book.Book(tmp_path / "new.sqlite") as made:
        assert made.connection.execute("PRAGMA table_info(gradings)").fetchall() == columns


def test_the_latest_report_on_the_same_files(tmp_path: Path) -> None:
    first, second = buggy(), msgspec.structs.replace(buggy(), title="Tensors, mended")
    digest = first.provenance.submission_digest
    held = msgspec.structs.replace(first, score=None)
    with book.Book(tmp_path / "b.sqlite") as kept:
        hand_in = HandIn("ada", (), "/in/ada")
        for key, report in (("z", first), ("a", second), ("m", held)):
            kept.keep("m", hand_in, book.GRADED, key=key, report=report)
        assert kept.latest("m", digest + "and more") == second
        assert kept.latest("n", digest) is None
        assert kept.latest("m", "0123456789abcdef") is None


def test_what_is_broken_off_in_the_middle_is_not_there(tmp_path: Path) -> None:
    """The report goes in before the hand-in does: neither may stay alone."""
    no_path = HandIn("ada", (), "nul\ud800")
    with book.Book(tmp_path / "b.sqlite") as kept:
        with pytest.raises(UnicodeEncodeError):
            kept.keep("m", no_path, book.GRADED, key="k", report=buggy())
        assert kept.known("k") is None
        assert kept.rows("m") == []


def test_what_is_no_gradebook_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    path.write_text("a list of grades")
    with pytest.raises(UsageError, match="no gradebook"):
        book.Book(path)
    assert path.read_text() == "a list of grades"


def fill(kept: book.Book, hand_in: HandIn) -> None:
    for number in range(1, 50):
        kept.keep("m", hand_in, book.GRADED, key=str(number), report=buggy())


def test_a_full_disk_is_said_and_what_was_kept_stays(tmp_path: Path) -> None:
    (tmp_path / "in" / "ada").mkdir(parents=True)
    (hand_in,) = sources.read(tmp_path / "in").hand_ins
    report = buggy()
    with book.Book(tmp_path / "b.sqlite") as kept:
        kept.keep("m", hand_in, book.GRADED, key="0", report=report)
        pages = kept.connection.execute("PRAGMA page_count").fetchone()[0]
        kept.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OutputFault, match="disk full"):
            fill(kept, hand_in)
    with book.Book(tmp_path / "b.sqlite") as again:
        assert again.known("0") == report
        assert again.rows("m")[0].report is not None


def test_a_copy_keeps_the_gradings_that_were_where_it_goes(tmp_path: Path) -> None:
    hand_in = HandIn("ada", (), "/in/ada")
    held = msgspec.structs.replace(buggy(), score=None)
    with book.Book(tmp_path / "b.sqlite") as kept:
        kept.keep("m", hand_in, book.GRADED, key="a", report=buggy())
        kept.copy(tmp_path / "c.sqlite")
        with book.Book(tmp_path / "c.sqlite") as other:
            other.keep("m", hand_in, book.GRADED, key="b", report=buggy())
            other.keep("m", hand_in, book.HELD, key="h", report=held)
        kept.copy(tmp_path / "c.sqlite")
        assert kept.known("b") is None
        with book.Book(tmp_path / "c.sqlite") as other:
            assert other.known("a") == other.known("b") == buggy()
            assert other.latest("m", buggy().provenance.submission_digest) == buggy()
            assert other.rows("m") == kept.rows("m")
            assert other.connection.execute("SELECT key FROM gradings").fetchall() == [
                ("a",),
                ("b",),
            ]
    assert {path.name for path in tmp_path.iterdir()} == {"b.sqlite", "c.sqlite"}


def test_paths_that_end_alike_are_called_after_the_folder_above(tmp_path: Path) -> None:
    for name in ("ada", "emmy"):
        (tmp_path / name / "work").mkdir(parents=True)
    for order in ("ada/work\nemmy/work/\n", "emmy/work\nada/work\n"):
        (tmp_path / "class.txt").write_text(order)
        found = sources.read(tmp_path / "class.txt").hand_ins
        told = {h.id: (h.students[0].name, Path(h.path).parent.name) for h in found}
        assert told == {"work-ada": ("ada", "ada"), "work-emmy": ("emmy", "emmy")}
