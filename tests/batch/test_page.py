"""The page of a class: what a person has to look at first, and numbers that add up."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from click.testing import CliRunner
from golden.sample_reports import blank, buggy, full_marks, held, import_failure

from grader.batch import book
from grader.batch.grades import grades
from grader.batch.model import HandIn, Row, Student
from grader.batch.page import distribution, kinds_of_fault, most_failed, render
from grader.cli import cli
from grader.model import WAITS, Outcome, Report
from tests.batch.gradebooks import MODULE, filled


def rows(**reports: Report) -> list[Row]:
    return [
        Row(MODULE, HandIn(name, (Student(name),), f"/in/{name}"), report)
        for name, report in reports.items()
    ]


def names(page: str) -> list[str]:
    return re.findall(r'<th role="rowheader".*?<bdi dir="auto">(.*?)</bdi>', page)


def test_what_needs_a_person_comes_first(tmp_path: Path) -> None:
    with book.Book(filled(tmp_path)) as kept:
        page = render(grades(kept.rows(MODULE)), MODULE)
    assert [name[:4] for name in names(page)] == ["Kurt", "Hedy", "=HYP", "flag", "Emmy", "Love"]
    assert "the zip is damaged" in page
    assert "attempt 2 of 2" in page


def test_no_word_of_a_student_is_markup(tmp_path: Path) -> None:
    with book.Book(filled(tmp_path)) as kept:
        page = render(grades(kept.rows(MODULE)), MODULE, {"evil": '"><script>alert(2)</script>'})
    assert page.count("<script>") == 1
    assert "\u202e" not in page
    assert "alert(2)&lt;/script&gt;" in page


def test_the_distribution_counts_everyone_once() -> None:
    columns = distribution([0.0, 4.9, 5.0, 50.0, 49.9, 61.0], 50.0)
    assert [column.students for column in columns] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 3]
    assert (columns[-1].low, columns[-1].high, columns[-1].height) == (45.0, 61.0, 100.0)
    assert distribution([], 50.0) == []


def test_checks_are_counted_where_they_were_asked() -> None:
    found = most_failed(rows(ada=full_marks(), emmy=buggy(), kurt=held()))
    keys = {
        (v.task, v.title)
        for v in buggy().checks
        if v.outcome not in (Outcome.PASSED, Outcome.BLOCKED)
    }
    assert keys <= {(check.task, check.title) for check in found}
    assert all(0 < check.failed <= check.asked <= 3 for check in found)
    assert [c.failed / c.asked for c in found] == sorted(
        (c.failed / c.asked for c in found), reverse=True
    )


def test_a_group_counts_once() -> None:
    pair = Row(MODULE, HandIn("pair", (Student("a"), Student("b")), "/in/pair"), blank())
    page = render(grades([pair]), MODULE)
    assert len(names(page)) == 2
    assert '<span class="of"> of 1</span>' in page
    assert '<span class="of"> of 2</span>' not in page


def test_kinds_of_fault_are_told_in_words() -> None:
    told = dict(kinds_of_fault(rows(emmy=buggy())))
    faults = [v for v in buggy().checks if v.outcome not in (Outcome.PASSED, Outcome.HELD)]
    assert sum(told.values()) == len(faults)
    assert "The shapes differ" in told


def test_what_cannot_be_imported_is_a_way_to_fail_and_what_waits_is_none() -> None:
    nothing = import_failure()
    waits = [msgspec.structs.replace(v, reason=f"{WAITS} task 2.1") for v in nothing.checks]
    waiting = msgspec.structs.replace(nothing, checks=tuple(waits))
    told = kinds_of_fault(rows(ada=nothing, emmy=waiting))
    assert told == [("The file is missing or cannot be imported", len(nothing.checks))]
    page = render(grades(rows(ada=nothing)), MODULE)
    assert "How they failed" in page
    assert "Checks most failed" not in page


def test_a_class_without_a_score_has_a_page() -> None:
    waiting = Row(MODULE, HandIn("ada", (), "/in/ada"), None, "not graded yet")
    page = render(grades([waiting]), MODULE)
    assert "No score yet" in page
    assert "Waiting" in page
    assert names(render([], MODULE)) == []


def test_lines_lead_to_the_reports_that_are_there(tmp_path: Path) -> None:
    filled(tmp_path)
    odd = HandIn("ädä", (Student("Ä"),), "/in/x")
    with book.Book(tmp_path / "gradebook.sqlite") as kept:
        kept.keep(MODULE, odd, book.GRADED, key="1")
    (tmp_path / "reports" / MODULE).mkdir(parents=True)
    for name in ("evil", "ädä"):
        (tmp_path / "reports" / MODULE / f"{name}.html").write_text("")
    ran = CliRunner().invoke(cli, ["page", str(tmp_path)], catch_exceptions=False)
    assert ran.exit_code == 0
    page = (tmp_path / "index.html").read_text()
    links = re.findall(r'<a href="(reports[^"]*)"', page)
    assert sorted(links) == [f"reports/{MODULE}/%C3%A4d%C3%A4.html", f"reports/{MODULE}/evil.html"]
    (tmp_path / "out").mkdir()
    CliRunner().invoke(cli, ["page", str(tmp_path), "-o", str(tmp_path / "out" / "c.html")])
    assert f'href="../reports/{MODULE}/evil.html"' in (tmp_path / "out" / "c.html").read_text()


def test_the_page_is_the_same_each_time(tmp_path: Path) -> None:
    with book.Book(filled(tmp_path)) as kept:
        told = kept.rows(MODULE)
    assert render(grades(told), MODULE) == render(grades(told[::-1]), MODULE)
