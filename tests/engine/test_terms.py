"""The terms of a course: lateness by a submission's own time, late days, attempts and adjustments."""

from __future__ import annotations

import datetime as dt
import sys
import zoneinfo
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.course import load_course, load_terms
from grader.errors import UsageError
from grader.terms import (
    Adjustment,
    Attempts,
    Dates,
    Extension,
    Late,
    Terms,
    Work,
    settle,
    settle_all,
    shown,
)

from .courses import FILES, dedented, write

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
DUE = dt.datetime(2026, 10, 1, 23, 59, tzinfo=BERLIN)
CLOSED = DUE + dt.timedelta(days=5)
LATE = Late(percent_per_day=10, grace_minutes=10, tokens=2)


def after(minutes: int) -> str:
    return (DUE.astimezone(dt.UTC) + dt.timedelta(minutes=minutes)).isoformat()


rules = st.builds(
    Late,
    percent_per_day=st.floats(0, 150),
    at_most_percent=st.floats(0, 100),
    per=st.sampled_from(["started", "exact"]),
    grace_minutes=st.integers(0, 100).map(float),
    tokens=st.integers(0, 5),
    after_late_due=st.sampled_from(["zero", "accept"]),
)
minutes = st.integers(-3000, 12_000)


@given(rules, minutes, minutes, st.floats(0, 100), st.integers(0, 5), st.integers(-200, 200))
def test_a_score_is_explained_and_later_is_never_better(
    late: Late, one: int, other: int, raw: float, left: int, added: int
) -> None:
    adjustments = {"ada": {"m": (Adjustment(added, "by hand"),)}} if added else {}
    terms = Terms({"m": Dates(DUE, CLOSED)}, late, adjustments=adjustments)
    found = [
        settle(raw, 100, terms=terms, module="m", student="ada", received=after(at), tokens_left=left)
        for at in sorted((one, other))
    ]  # fmt: skip
    assert found[0].score >= found[1].score - 1e-5
    for standing in found:
        assert standing.score >= 0
        assert 0 <= standing.tokens <= left
        assert sum(line.points for line in standing.lines) == pytest.approx(
            standing.score - standing.raw, abs=1e-5
        )
    if min(one, other) <= 0 and not added:
        assert found[0].score == pytest.approx(raw, abs=1e-6)


@given(st.data())
def test_the_order_of_the_attempts_is_no_matter_and_late_days_are_never_overspent(
    data: st.DataObject,
) -> None:
    works = [
        Work(f"w{i}", m, data.draw(st.none() | st.floats(0, 9)), 9, after(data.draw(minutes)), i)
        for i, m in enumerate("aabbc")
    ]
    attempts = data.draw(
        st.builds(Attempts, st.integers(0, 2), st.sampled_from(["latest", "best", "all"]))
    )
    terms = Terms({m: Dates(DUE) for m in "abc"}, LATE, attempts)
    found = settle_all(terms, "ada", works)
    assert found == settle_all(terms, "ada", data.draw(st.permutations(works)))
    assert sum(s.standing.tokens for s in found.values() if s.standing) <= LATE.tokens


def test_a_day_late_costs_what_the_lines_say() -> None:
    terms = Terms({"m": Dates(DUE)}, LATE)
    found = settle(85, 100, terms=terms, module="m", received=after(27 * 60))
    assert found.score == 68
    assert [line.reason for line in found.lines] == [
        "2 days late (1 d 3 h after 2026-10-01 23:59+02:00, with 10 minutes of grace): 20 % of 85 points"
    ]


def test_late_days_go_to_what_was_received_first() -> None:
    terms = Terms({m: Dates(DUE) for m in "ab"}, Late(percent_per_day=10, tokens=2))
    works = [Work("x", "a", 10, 10, after(3000)), Work("y", "b", 10, 10, after(60))]
    found = settle_all(terms, "ada", works)
    used = {key: one.standing.tokens for key, one in found.items() if one.standing}
    assert used == {"x": 1, "y": 1}
    (line, _) = found["x"].standing.lines if found["x"].standing else ()
    assert line.reason.endswith("1 late day used of 1, 0 left")


@pytest.mark.parametrize(
    ("counts", "limit", "chosen"),
    [("latest", 0, "3"), ("latest", 2, "2"), ("best", 0, "1"), ("all", 2, "12")],
)
def test_which_attempts_count(counts: str, limit: int, chosen: str) -> None:
    terms = Terms({"m": Dates(DUE)}, Late(percent_per_day=50), Attempts(limit, counts))
    works = [
        Work(str(n), "m", raw, 10, after(at), n)
        for n, raw, at in ((1, 6.0, -5), (2, 10.0, 5), (3, 3.0, 10))
    ]
    found = settle_all(terms, "ada", works)
    assert "".join(key for key, one in sorted(found.items()) if one.counts) == chosen


@pytest.mark.parametrize(
    ("counts", "limit", "chosen"), [("latest", 0, "own"), ("latest", 1, "ours")]
)
def test_attempts_of_ones_own_and_of_a_group_are_ordered_by_time(
    counts: str, limit: int, chosen: str
) -> None:
    terms = Terms({"m": Dates(DUE)}, Late(), Attempts(limit, counts))
    works = [Work("ours", "m", 6, 10, after(-60), 2), Work("own", "m", 3, 10, after(-5), 1)]
    found = settle_all(terms, "ada", works)
    assert [key for key, one in found.items() if one.counts] == [chosen]


@pytest.mark.parametrize(
    ("agreed", "said"),
    [
        ("extensions: {ada: {sums: {reason: ill}}}", "give one of `due` and `days`"),
        ("extensions: {ada: {sum: {days: 1}}}", "Did you mean 'sums'?"),
        ("adjustments: {ada: {sums: [{points: 1, reason: ' '}]}}", "reason: say why"),
    ],
)
def test_a_mistake_in_what_is_agreed_is_told(tmp_path: Path, agreed: str, said: str) -> None:
    write(tmp_path, {**FILES, "grader.yaml": GOOD, "students.yaml": agreed})
    with pytest.raises(UsageError, match=r"students\.yaml:1: ") as caught:
        load_terms(load_course(tmp_path))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "agreed",
    ["", "# nobody yet\n", "---\n", "extensions:\n  # ada: {sums: {days: 2}}\nadjustments:\n"],
)
def test_nothing_but_comments_agrees_nothing(tmp_path: Path, agreed: str) -> None:
    write(tmp_path, {**FILES, "grader.yaml": GOOD, "students.yaml": agreed})
    terms = load_terms(load_course(tmp_path))
    assert (terms.extensions, terms.adjustments) == ({}, {})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  0101: {sums: []}", "adjustments.0101: expected text, not a whole number. Write it in quotes"),
        ("  emmy: {3: []}", "adjustments.emmy.3: expected text"),
        ("  emmy: {sums: 4}", "adjustments.emmy.sums: expected a list"),
        ("  emmy: {sums: [{points: x, reason: y}]}", "adjustments.emmy.sums[0].points: expected a number"),
        ("  emmy: {sums: [{point: 3}]}", "adjustments.emmy.sums[0].point: there is no key 'point'. Did you mean 'points'?"),
    ],
)  # fmt: skip
def test_a_mistake_with_one_student_is_told_by_its_own_line(
    tmp_path: Path, line: str, said: str
) -> None:
    lines = ["adjustments:", "  ada: {sums: [{points: 1, reason: typo}]}", line]
    agreed = "\n".join([*lines, "  kurt: {sums: []}\n"])
    write(tmp_path, {**FILES, "grader.yaml": GOOD, "students.yaml": agreed})
    with pytest.raises(UsageError, match=r"students\.yaml:3: ") as caught:
        load_terms(load_course(tmp_path))
    assert said in str(caught.value)


def test_a_late_day_is_24_hours_where_the_clock_is_put_back() -> None:
    due = dt.datetime(2026, 10, 24, 23, 59, tzinfo=BERLIN)
    terms = Terms({"m": Dates(due)}, Late(percent_per_day=10))
    # By the clock it is one day; by time it is an hour more.
    found = settle(10, 10, terms=terms, module="m", received="2026-10-25T23:59:00+01:00")
    assert found.score == 8


GOOD = dedented(FILES["grader.yaml"]) + dedented("""
    timezone: Europe/Berlin
    dates: {sums: {due: 2026-10-25 02:30, late_due: 2026-10-28 23:59:00}}
    late: {percent_per_day: 10, tokens: 2}
    """)


def test_a_course_without_a_time_zone_needs_no_list_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        with pytest.raises(zoneinfo.ZoneInfoNotFoundError):
            zoneinfo.ZoneInfo("UTC")
        assert load_course(write(tmp_path, FILES)).settings.timezone == "UTC"
    finally:
        zoneinfo.reset_tzpath()


def test_the_terms_are_read_with_what_is_agreed_with_students(tmp_path: Path) -> None:
    agreed = "extensions: {ada: {sums: {days: 2, reason: ill}}}\n"
    write(tmp_path, {**FILES, "grader.yaml": GOOD, "students.yaml": agreed})
    terms = load_terms(load_course(tmp_path))
    # The clock shows 02:30 twice that night: the later one holds.
    due = terms.dates["sums"].due
    assert due is not None
    assert due.astimezone(dt.UTC).isoformat() == "2026-10-25T01:30:00+00:00"
    assert terms.extensions["ada"]["sums"].days == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2026-10-25 02:30", "2026-10-25", "dates.sums.due: 2026-10-25 has no time of day"),
        ("2026-10-25 02:30", "2026-03-29 02:30", "does not exist in Europe/Berlin"),
        ("2026-10-25 02:30", "2026-11-25 02:30", "dates.sums.late_due: this is before `due`"),
        ("Europe/Berlin", "Europe/Berlni", "timezone: 'Europe/Berlni' is no time zone"),
        ("{sums: {due", "{sum: {due", "dates: there is no module 'sum'. Did you mean 'sums'?"),
        ("tokens: 2", "tokens: -1", "late.tokens: expected 0 or more, not -1"),
    ],
)
def test_a_mistake_in_the_terms_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    write(tmp_path, {**FILES, "grader.yaml": GOOD.replace(old, new, 1)})
    with pytest.raises(UsageError, match=r"grader\.yaml:\d+: ") as caught:
        load_course(tmp_path)
    assert said in str(caught.value)


def test_what_students_may_see_waits_for_whoever_is_last() -> None:
    utc = dt.UTC
    dates = Dates(
        dt.datetime(2026, 10, 1, 12, tzinfo=utc),
        dt.datetime(2026, 10, 3, 12, tzinfo=utc),
        dt.datetime(2026, 10, 10, 12, tzinfo=utc),
    )
    one_day = {"sums": Extension(days=1)}
    longer = {
        "ada": {"sums": Extension(days=4)},
        "kurt": one_day,
        "emmy": {"other": Extension(days=90)},
    }
    terms = Terms({"sums": dates}, extensions=longer)

    def seen(day: int, found: Terms = terms) -> list[str]:
        at = dt.datetime(2026, 10, day, 13, tzinfo=dt.timezone(dt.timedelta(hours=1)))
        return sorted(shown(found, "sums", at))

    assert seen(3, Terms({"sums": dates})) == ["after_due_date", "visible"]
    assert seen(2, Terms({"sums": dates})) == ["visible"]
    assert seen(6) == ["visible"]
    assert seen(7) == ["after_due_date", "visible"]
    assert seen(10) == ["after_due_date", "after_published", "visible"]
    assert seen(10, Terms()) == ["visible"]
