"""The terms of a course: when work is due, what lateness costs, which attempt counts, what is added by hand.

Pure arithmetic on times and points: no clock is read, no file and no submission.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from grader.errors import UsageError

CENT = Decimal("0.01")
DAY = 86_400.0  # seconds; a late day is 24 hours, also where a clock is put forward or back


class Line(msgspec.Struct, frozen=True):
    """One reason why a score is not the raw one. points: what it adds; negative where it takes."""

    points: float
    reason: str


class Standing(msgspec.Struct, frozen=True):
    """A score under the course's terms.

    raw: what the checks gave; score: what counts, never below 0; lines: every difference between the two, in
    order, and what else is to be known, with 0 points; late_seconds: how long after the date that holds for this
    student, 0 in time; tokens: late days that it used up; counts: whether the student's grade is made of it, and not
    of another attempt.
    """

    raw: float
    score: float
    max_score: float
    lines: tuple[Line, ...] = ()
    late_seconds: float = 0.0
    tokens: int = 0
    counts: bool = True


class Dates(msgspec.Struct, frozen=True):
    """When a module is due, until when it is taken late, and when its grades are out; None where there is no such
    date.

    All know their offset. Their time zone is the course's, so that a day later is the same time of day.
    """

    due: dt.datetime | None = None
    late_due: dt.datetime | None = None
    published: dt.datetime | None = None


class Late(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lateness costs.

    percent_per_day: of the points earned, for each day; at_most_percent: never more than this; per: `started`
    (each day that has begun) or `exact` (by the second); grace_minutes: taken as in time, and no part of any day;
    tokens: late days that each student may have for nothing, in all modules together; after_late_due: `zero`, or
    `accept` with what the days cost.
    """

    percent_per_day: float = 0.0
    at_most_percent: float = 100.0
    per: str = "started"
    grace_minutes: float = 0.0
    tokens: int = 0
    after_late_due: str = "zero"


class Attempts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """limit: how many attempts at a module may count, the first ones; 0 for any number. counts: which of these
    make the grade, `latest`, `best` or `all`."""

    limit: int = 0
    counts: str = "latest"


class Extension(msgspec.Struct, frozen=True):
    """Another date for one student. due: instead of the module's; late_due: likewise, None to move it as far as
    `due` moves; days: instead of `due`, so many days later; reason: for the report, or ""."""

    due: dt.datetime | None = None
    late_due: dt.datetime | None = None
    days: int = 0
    reason: str = ""


class Adjustment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points that a person adds, or takes with a minus, and why."""

    points: float
    reason: str


class Terms(msgspec.Struct, frozen=True):
    """All terms of a course.

    dates: by module; extensions, adjustments: student -> module -> what was agreed.
    """

    dates: dict[str, Dates] = {}
    late: Late = Late()
    attempts: Attempts = Attempts()
    extensions: dict[str, dict[str, Extension]] = {}
    adjustments: dict[str, dict[str, tuple[Adjustment, ...]]] = {}


class Work(msgspec.Struct, frozen=True):
    """One attempt of one student at a module: what the terms need to know of it.

    id: unique among the student's; raw: None while a check is held; received: ISO 8601 with an offset, or "";
    attempt: 1, 2 ... by time.
    """

    id: str
    module: str
    raw: float | None
    max_score: float
    received: str = ""
    attempt: int = 1


class Settled(msgspec.Struct, frozen=True):
    """What came of an attempt: its standing, None while it is held, and whether the grade is made of it."""

    standing: Standing | None
    counts: bool


class Lateness(msgspec.Struct, frozen=True):
    """seconds: after the due date in force, 0 in time and within the grace; days: what is paid for, after the
    grace; closed: after the last date on which it is taken."""

    seconds: float
    days: float
    closed: bool


# Dates


def dates_for(terms: Terms, module: str, student: str) -> Dates:
    """The dates in force for that student."""
    dates = terms.dates.get(module, Dates())
    extension = terms.extensions.get(student, {}).get(module)
    if extension is None:
        return dates
    due, late_due = extension.due or dates.due, extension.late_due or dates.late_due
    if extension.days and dates.due is not None:
        due = dates.due + dt.timedelta(days=extension.days)
    if extension.late_due is None and due and dates.due and dates.late_due:
        moved = _utc(due) - _utc(dates.due)
        late_due = (_utc(dates.late_due) + moved).astimezone(dates.late_due.tzinfo)
        if extension.days:
            late_due = dates.late_due + dt.timedelta(days=extension.days)
    return msgspec.structs.replace(dates, due=due, late_due=late_due)


def shown(terms: Terms, module: str, at: dt.datetime) -> frozenset[str]:
    """Which kinds of visibility students may see at that time (a time with an offset), in Gradescope's words.

    `after_due_date` waits for whoever is last: for the late due date where there is one, and for every extension,
    so that nobody hears from a friend what is still to be done. `hidden` stays so.
    """
    found = {"visible"}
    dates = terms.dates.get(module, Dates())
    whose = ["", *(name for name, modules in terms.extensions.items() if module in modules)]
    last = []
    for student in whose:
        theirs = dates_for(terms, module, student)
        last += [_utc(day) for day in (theirs.due, theirs.late_due) if day is not None]
    if dates.due is not None and max(last) <= _utc(at):
        found.add("after_due_date")
    if dates.published is not None and _utc(dates.published) <= _utc(at):
        found.add("after_published")
    return frozenset(found)


def moment(received: str) -> dt.datetime | None:
    """When something was received; None where nothing tells. Raises UsageError for what is no such time."""
    if not received:
        return None
    try:
        found = dt.datetime.fromisoformat(received)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(
            f"received: {received!r} is no time with an offset. Write it like 2026-10-01T23:59:00+02:00"
        )
    return _utc(found)


def lateness(dates: Dates, late: Late, received: str) -> Lateness:
    """How late something is under these dates. What has no due date, or no time of its own, is in time."""
    when = moment(received)
    if when is None or dates.due is None:
        return Lateness(0.0, 0.0, closed=False)
    grace = late.grace_minutes * 60
    seconds = (when - _utc(dates.due)).total_seconds()
    over = seconds - grace
    if over <= 0:
        return Lateness(0.0, 0.0, closed=False)
    days = float(math.ceil(over / DAY)) if late.per == "started" else over / DAY
    last = dates.late_due
    closed = last is not None and (when - _utc(last)).total_seconds() > grace
    return Lateness(seconds, days, closed=closed and late.after_late_due == "zero")


# One attempt


def settle(
    raw: float,
    max_score: float,
    *,
    terms: Terms,
    module: str,
    student: str = "",
    received: str = "",
    tokens_left: int = 0,
) -> Standing:
    """The score of one attempt, with a line for every difference from `raw`.

    In this order: lateness, adjustments, and that no score is below 0. tokens_left: how
    many late days this attempt may use for nothing; it uses as few as help most.
    """
    lines = []
    dates = dates_for(terms, module, student)
    late = lateness(dates, terms.late, received)
    if dates.due is not None and not received:
        told = "when it was handed in is not known, so nothing is taken for lateness"
        lines.append(Line(0.0, told))
    used = _tokens(raw, late, terms.late, tokens_left)
    if late.days:
        lines += _late_lines(raw, late, dates, terms.late, used, tokens_left)
    lines += _extended(terms.extensions.get(student, {}).get(module), dates)
    lines += [
        Line(_rounded(a.points), f"adjusted by {a.points:+g}: {a.reason}")
        for a in terms.adjustments.get(student, {}).get(module, ())
    ]
    total = raw + sum(line.points for line in lines)
    if _rounded(total) < 0:
        lines.append(Line(_rounded(-total), "a score is never below 0"))
        total = 0.0
    return Standing(
        raw=_rounded(raw),
        score=max(0.0, _rounded(total)),
        max_score=_rounded(max_score),
        lines=tuple(lines),
        late_seconds=round(late.seconds, 3),
        tokens=used,
    )


def _percent(days: float, late: Late) -> float:
    return min(max(days, 0.0) * late.percent_per_day, late.at_most_percent)


def _tokens(score: float, late: Lateness, rules: Late, left: int) -> int:
    """The fewest late days that bring the penalty as low as any number of those left can."""
    if late.closed or score <= 0:
        return 0
    offered = range(min(max(left, 0), math.ceil(late.days)) + 1)
    return min(offered, key=lambda used: (_percent(late.days - used, rules), used))


def _late_lines(
    score: float, late: Lateness, dates: Dates, rules: Late, used: int, left: int
) -> list[Line]:
    assert dates.due is not None
    grace = f", with {_amount(rules.grace_minutes)} minutes of grace" if rules.grace_minutes else ""
    if late.closed and dates.late_due is not None:
        told = (
            f"handed in after {_time(dates.late_due)}, the last date on which it was taken{grace}"
        )
        return [Line(_rounded(-score), told)]
    many = "day" if late.days == 1 else "days"
    told = (
        f"{_amount(late.days)} {many} late ({_span(late.seconds)} after {_time(dates.due)}{grace})"
    )
    lines = []
    if used:
        tokens = "late day" if used == 1 else "late days"
        lines.append(Line(0.0, f"{told}: {used} {tokens} used of {left}, {left - used} left"))
        rest = late.days - used
        told = (
            f"{_amount(rest)} {'day' if rest == 1 else 'days'} of lateness that no late day covers"
        )
    percent = _percent(late.days - used, rules)
    if percent or not used:
        at_most = (
            ", the most that is taken"
            if percent < max(late.days - used, 0.0) * rules.percent_per_day
            else ""
        )
        taken = f"{told}: {_amount(percent)} % of {_points(score)}{at_most}"
        lines.append(Line(_rounded(-score * percent / 100), taken))
    return lines


def _extended(extension: Extension | None, dates: Dates) -> list[Line]:
    if extension is None or dates.due is None:
        return []
    why = f": {extension.reason}" if extension.reason else ""
    return [Line(0.0, f"due {_time(dates.due)} by an extension{why}")]


# All attempts of a student


def settle_all(terms: Terms, student: str, works: Iterable[Work]) -> dict[str, Settled]:
    """The standing of each attempt of one student by its id, and which of them count.

    Only attempts that count use late days, in the order in which they were received, so that the order of
    `works` is no matter. An attempt that is held keeps the late days that it would use.
    """
    mine = sorted(works, key=lambda work: (work.module, work.attempt, work.id))
    plain = {work.id: _standing(terms, student, work, 0) for work in mine}
    chosen = counting(mine, terms.attempts, plain)
    left = terms.late.tokens
    settled = {
        work.id: Settled(_counted(plain[work.id], counts=work.id in chosen), work.id in chosen)
        for work in mine
    }
    for work in sorted(mine, key=_received):
        if work.id in chosen and left > 0:
            standing = _standing(terms, student, work, left)
            settled[work.id] = Settled(standing, counts=True)
            if standing is None:
                # What a held attempt would use, were it worth anything.
                late = lateness(dates_for(terms, work.module, student), terms.late, work.received)
                left -= _tokens(work.max_score, late, terms.late, left)
            else:
                left -= standing.tokens
    return settled


def counting(
    works: Iterable[Work], attempts: Attempts, standings: dict[str, Standing | None]
) -> frozenset[str]:
    """The ids of the attempts that count, among those within the limit of their module.

    `best` looks at the score after lateness and before late days, and prefers the earlier of two equal ones; a
    held attempt is best only where no other is graded.
    """
    modules: dict[str, list[Work]] = {}
    for work in works:
        modules.setdefault(work.module, []).append(work)
    found: set[str] = set()
    for mine in modules.values():
        if all(work.received for work in mine):
            # Somebody's own attempts and those with a group are not counted together.
            mine.sort(key=lambda work: (_received(work)[0], work.attempt, work.id))
        else:
            mine.sort(key=lambda work: (work.attempt, work.id))
        within = mine[: attempts.limit or None]
        if attempts.counts == "all":
            found.update(work.id for work in within)
            continue
        best = within[-1]
        if attempts.counts == "best":
            graded = [(s.score, work) for work in within if (s := standings.get(work.id))]
            # `max` keeps the first of equal ones.
            best = max(graded, key=lambda pair: pair[0])[1] if graded else best
        found.add(best.id)
    return frozenset(found)


def _counted(standing: Standing | None, *, counts: bool) -> Standing | None:
    return standing and msgspec.structs.replace(standing, counts=counts)


def _standing(terms: Terms, student: str, work: Work, left: int) -> Standing | None:
    if work.raw is None:
        return None
    return settle(
        work.raw,
        work.max_score,
        terms=terms,
        module=work.module,
        student=student,
        received=work.received,
        tokens_left=left,
    )


def _received(work: Work) -> tuple[float, str, str]:
    when = moment(work.received)
    return (when.timestamp() if when else math.inf, work.module, work.id)


# Numbers and times in words


def rounded(value: float) -> Decimal:
    """To two decimals, a half up, wherever points are told; the dust of binary fractions is no reason to round down."""
    exact = Decimal(repr(_rounded(value))).quantize(CENT, ROUND_HALF_UP)
    return exact.quantize(Decimal(1)) if exact == exact.to_integral() else exact.normalize()


def _utc(when: dt.datetime) -> dt.datetime:
    # Two times of one zone are subtracted by their clocks, which a change of the hour makes wrong.
    return when.astimezone(dt.UTC)


def _rounded(value: float) -> float:
    """Points without the dust of percentages; never -0."""
    return round(value, 6) + 0.0


def _amount(value: float) -> str:
    return str(rounded(value))


def _points(value: float) -> str:
    return f"{_amount(value)} {'point' if value == 1 else 'points'}"


def _time(when: dt.datetime) -> str:
    return when.isoformat(" ", "minutes" if not when.second else "seconds")


def _span(seconds: float) -> str:
    """`1 d 3 h`, `5 min`, `20 s`: the two largest units."""
    left = int(seconds)
    told = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        number, left = divmod(left, size)
        if number:
            told.append(f"{number} {unit}")
    return " ".join(told[:2]) or "less than 1 s"
