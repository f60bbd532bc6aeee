"""The terms over a gradebook: who did it, in all modules, whatever could not be graded."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import msgspec
import pytest
from golden.sample_reports import buggy

from grader.batch import book, run
from grader.batch.model import Class, HandIn, Row, Student
from grader.batch.roster import Entry, Roster
from grader.batch.standing import settled
from grader.cli.batch import beyond, left_behind
from grader.cli.gradebook import counted
from grader.course import Course
from grader.report.json import from_json
from grader.report.outline import standing_lines
from grader.terms import Adjustment, Attempts, Dates, Extension, Late, Terms

DUE = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
TERMS = Terms(
    dates={"m": Dates(DUE), "n": Dates(DUE + dt.timedelta(days=7))},
    late=Late(percent_per_day=10),
)


def row(
    name: str,
    score: float | None,
    *students: str,
    module: str = "m",
    days: float = 0.0,
    attempt: int = 1,
    problem: str = "",
) -> Row:
    """A hand-in so many days after module m is due; `score` "none" where there is no report."""
    received = (DUE + dt.timedelta(days=days)).isoformat()
    who = tuple(Student(student) for student in students)
    hand_in = HandIn(name, who, f"/{name}", received, attempt, problem=problem)
    report = msgspec.structs.replace(buggy(), score=score, max_score=100.0)
    return Row(module, hand_in, None if problem else report, problem)


def scores(rows: list[Row]) -> list[float | None]:
    return [None if row.standing is None else row.standing.score for row in rows]


def test_rows_are_settled_in_their_order_and_lateness_is_taken() -> None:
    found = settled([row("b", 80, "bo", days=1.0), row("a", 80, "ada")], TERMS)
    assert scores(found) == [72, 80]
    assert all(one.counts for one in found)


def test_late_days_are_shared_between_modules() -> None:
    terms = msgspec.structs.replace(TERMS, late=Late(percent_per_day=10, tokens=1))
    first = row("a", 80, "ada", days=1.0)
    second = row("a", 80, "ada", module="n", days=8.0)
    assert scores(settled([second, first], terms)) == [72, 80]


def test_what_cannot_be_graded_takes_no_attempt_s_place_and_what_is_held_does() -> None:
    one = row("a", 60, "ada")
    found = settled([one, row("a-2", 0, "ada", attempt=2, problem="a torn zip")], TERMS)
    assert [r.counts for r in found] == [True, False]
    found = settled([one, row("a-2", None, "ada", attempt=2)], TERMS)
    assert [r.counts for r in found] == [False, True]
    assert found[1].standing is None


def test_the_best_attempt_counts_where_the_course_says_so() -> None:
    terms = msgspec.structs.replace(TERMS, attempts=Attempts(counts="best"))
    found = settled([row("a", 60, "ada"), row("a-2", 50, "ada", attempt=2)], terms)
    assert [r.counts for r in found] == [True, False]


def test_a_group_is_told_apart_where_its_members_stand_differently() -> None:
    pair = row("pair", 80, "ada", "bo", days=1.0)
    (alike,) = settled([pair], TERMS)
    assert [s.id for s in alike.hand_in.students] == ["ada", "bo"]
    extended = {"bo": {"m": Extension(days=2)}}
    found = settled([pair], msgspec.structs.replace(TERMS, extensions=extended))
    assert [r.hand_in.students[0].id for r in found] == ["ada", "bo"]
    assert scores(found) == [72, 80]


def test_hand_ins_of_nobody_known_are_no_attempts_of_one_person() -> None:
    found = settled([row("a", 60), row("b", 70, attempt=2)], TERMS)
    assert [r.counts for r in found] == [True, True]


def test_a_report_is_written_with_its_standing_and_follows_later_hand_ins(tmp_path: Path) -> None:
    terms = msgspec.structs.replace(TERMS, late=Late(percent_per_day=10, tokens=1))
    second = row("a", 80, "ada", module="n", days=8.0)
    reports = run.Reports(tmp_path, terms, [])

    def written(one: Row) -> float:
        reports.write(one.module, run.Done(one.hand_in, run.NOW, one.report))
        standing = from_json(
            (tmp_path / one.module / f"{one.hand_in.id}.json").read_bytes()
        ).standing
        assert standing is not None
        return standing.score

    assert written(second) == 80
    # Her one late day goes to the module that was handed in first.
    assert written(row("a", 80, "ada", days=1.0)) == 80
    assert written(second) == 72


def test_a_report_that_no_longer_holds_is_taken_away(tmp_path: Path) -> None:
    reports = run.Reports(tmp_path, Terms(), [])
    one = row("a", 80, "ada")
    reports.write("m", run.Done(one.hand_in, run.NOW, one.report))
    assert len(list((tmp_path / "m").iterdir())) == 2
    reports.write("m", run.Done(one.hand_in, run.NOT_GRADABLE, problem="a torn zip"))
    assert not list((tmp_path / "m").iterdir())


def test_a_report_of_an_attempt_that_does_not_count_says_so(tmp_path: Path) -> None:
    terms = msgspec.structs.replace(TERMS, attempts=Attempts(counts="best"))
    first, second = row("a", 80, "ada", attempt=1), row("a-2", 200 / 3, "ada", attempt=2, days=1.0)
    reports = run.Reports(tmp_path, terms, [first, second])
    for one, said in (
        (first, "Counts: 80 / 100"),
        (second, "Does not count, for another attempt does; this one stands at"),
    ):
        reports.write(one.module, run.Done(one.hand_in, run.NOW, one.report))
        name = tmp_path / one.module / one.hand_in.id
        assert said in name.with_suffix(".html").read_text()
        report = from_json(name.with_suffix(".json").read_bytes())
        told = standing_lines(report)
        assert told[0].startswith(said)
        # Points are told with two decimals at most, here as everywhere.
        assert not re.search(r"\.\d{3}", " ".join(told))


def test_of_two_that_nothing_orders_the_same_one_counts_in_a_report_and_in_the_class() -> None:
    several = [row(f"h{k:02}", 80, f"s{k}") for k in range(9)]
    for k in (9, 10):
        one = row(f"h{k:02}", 80, "ada")
        several.append(
            msgspec.structs.replace(one, hand_in=msgspec.structs.replace(one.hand_in, received=""))
        )
    reports = run.Reports(Path(), TERMS, several)
    told = [found.counts for one in several if (found := reports.standing("m", one.hand_in))]
    assert told == [one.counts for one in settled(several, TERMS)] == [True] * 9 + [False, True]


def test_what_another_batch_wrote_meanwhile_counts_in_the_reports(
    course: Course, tmp_path: Path
) -> None:
    # Late days that went into a module which the course has no more are gone.
    first, second = course.settings.modules[0], "bygone"
    dates = {first: Dates(DUE), second: Dates(DUE)}
    terms = Terms(dates=dates, late=Late(percent_per_day=10, tokens=1))
    late = {
        name: row(f"{name}-ada", 80, "ada", module=name, days=days)
        for name, days in ((first, 1.0), (second, 0.5))
    }
    path = tmp_path / "gradebook.sqlite"
    with book.Book(path) as kept, book.Book(path) as others:
        begun = {
            name: (of, run.Reports(tmp_path / "reports", terms, run.rows_of(of)))
            for name, of in ((first, kept), (second, others))
        }
        for name, one in late.items():
            of, reports = begun[name]
            of.keep(name, one.hand_in, book.GRADED, key=name, report=one.report)
            reports.write(name, run.Done(one.hand_in, run.NOW, one.report))
        run.bring_up_to_date(begun[first][1], course, kept, first)
        assert not kept.written_elsewhere()
        assert others.written_elsewhere()
    for name, counts in ((first, 72), (second, 80)):
        written = (tmp_path / "reports" / name / f"{name}-ada.json").read_bytes()
        standing = from_json(written).standing
        assert standing is not None
        assert standing.score == counts


def test_what_was_graded_without_the_roster_shares_the_late_days_of_who_is_in_it(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = course.settings.modules[0], "later"
    agreed = {"1": {first: (Adjustment(-1, "a fee"),)}}
    dates = {first: Dates(DUE), second: Dates(DUE)}
    terms = Terms(dates=dates, late=Late(percent_per_day=10, tokens=1), adjustments=agreed)
    monkeypatch.setattr("grader.course.load_terms", lambda _: terms)
    people = Roster((Entry(Student("1", "Ada"), ("ada",)),))
    with book.Book(tmp_path / "gradebook.sqlite") as kept:
        for module, who, days in ((first, "ada", 0.5), (second, "1", 1.0)):
            one = row(module, 80, who, module=module, days=days)
            kept.keep(module, one.hand_in, book.GRADED, key=module, report=one.report)
        reports = run.Reports(tmp_path, terms, run.rows_of(kept, people), people)
        for module, counts in ((first, 79), (second, 72)):
            (one,) = counted(kept, module, course.root, raw=False, roster=people)
            assert [student.id for student in one.hand_in.students] == ["1"]
            for standing in (one.standing, reports.standing(module, one.hand_in)):
                assert standing is not None
                assert standing.score == counts


def test_the_standings_of_a_class_take_no_time_that_grows_with_its_square() -> None:
    seen = 0

    class Counted(Student):
        def __getattribute__(self, name: str) -> object:
            nonlocal seen
            seen += 1
            return super().__getattribute__(name)

    def looked(many: int) -> int:
        nonlocal seen
        several = [row(f"h{k:03}", 80) for k in range(many)]
        several = [
            msgspec.structs.replace(
                one,
                hand_in=msgspec.structs.replace(one.hand_in, students=(Counted(one.hand_in.id),)),
            )
            for one in several
        ]
        reports = run.Reports(Path(), TERMS, several)
        seen = 0
        for one in several:
            reports.standing("m", one.hand_in)
        return seen

    assert looked(200) <= 2 * looked(100)


@pytest.mark.parametrize(
    ("dates", "late", "said"),
    [
        (Dates(DUE), Late(), True),
        (Dates(DUE, DUE + dt.timedelta(days=2)), Late(percent_per_day=10), True),
        (Dates(DUE, DUE + dt.timedelta(days=3, minutes=-5)), Late(grace_minutes=10), False),
        # With a day that costs and no last one, late work is work as it was meant.
        (Dates(DUE), Late(percent_per_day=10), False),
        (
            Dates(DUE, DUE + dt.timedelta(days=2)),
            Late(percent_per_day=10, after_late_due="accept"),
            False,
        ),
    ],
)
def test_a_deadline_is_advised_only_where_late_work_would_not_count_as_it_is(
    dates: Dates, late: Late, said: bool
) -> None:
    hand_in = row("a", 80, "ada", days=3.0).hand_in
    found = Class("git", "", (hand_in,))
    told = beyond(found, [], "m", Terms(dates={"m": dates}, late=late), "")
    assert [("last commit is after the last date of a:" in line) for line in told] == [True] * said


def test_an_adjustment_of_what_has_no_score_is_told() -> None:
    rows = [row("a", 80, "ada"), row("b", None, "bo"), row("c", 0, "cy", problem="a torn zip")]
    found = Class("folder", "", tuple(one.hand_in for one in rows), (Student("di"),))
    more = (Adjustment(3, "a typo"),)
    terms = Terms(adjustments={who: {"m": more} for who in ("ada", "bo", "cy", "di")})
    (line,) = left_behind(found, rows, "m", terms)
    assert line.endswith(
        "without a score in m, so that what is adjusted does nothing yet: bo, cy, di"
    )
