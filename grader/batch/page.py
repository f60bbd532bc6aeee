"""A module's grades as one HTML page for those who teach: no network, no server, no second file.

Every word of a student is escaped by the template's autoescape; the page's own Content-Security-Policy lets its one
style and its one script run and nothing else. Without the script the table is whole and in order.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import jinja2
import msgspec
from markupsafe import Markup

from grader.batch import grades as of
from grader.batch.book import GRADED
from grader.batch.grades import Grade
from grader.batch.model import Row
from grader.model import WAITS, Outcome, Verdict
from grader.report.outline import MISMATCHES, WORDS
from grader.report.text import count, cut, duration, one_line, points, sentence, visible
from grader.terms import rounded

COLUMNS = 10  # of the distribution
MOST = 8  # checks that are told before the rest is folded
FLAKY, FLAGGED = "flaky", "flagged"

# What a person has to look at, before the rest; and how it looks.
FIRST = ("held", "not gradable", FLAKY, FLAGGED, "waiting")
KINDS = {
    "held": "held", "not gradable": "fault", FLAKY: "fault", FLAGGED: "wait", "waiting": "wait",
    "graded": "pass", "missing": "none",
}  # fmt: skip

RAISED = "An error was raised"
NOT_IMPORTED = "The file is missing or cannot be imported"


class Cell(msgspec.Struct, frozen=True):
    """The points of one task: how many, and whether these are all, some or none."""

    task: str
    points: float | None
    share: str


class Line(msgspec.Struct, frozen=True):
    """A student's line. order: its place at first; remark: what a TA should know; link: of the report, or ""."""

    grade: Grade
    name: str
    states: tuple[str, ...]
    score: Decimal | None
    cells: tuple[Cell, ...]
    remark: str
    link: str


class Column(msgspec.Struct, frozen=True):
    """One column of the distribution: from and to how many points, how many students, the height in percent."""

    low: float
    high: float
    students: int
    height: float


class Failed(msgspec.Struct, frozen=True):
    """A check with how many did not pass it, of how many that were asked, and the most common way to fail."""

    task: str
    title: str
    failed: int
    asked: int
    usual: str

    @property
    def share(self) -> float:
        """In percent."""
        return round(100 * self.failed / self.asked, 2)


def render(
    grades: Sequence[Grade],
    module: str,
    links: Mapping[str, str] | None = None,
    *,
    pace: str = "",
) -> str:
    """The page. links: hand-in id -> address of its report, for those that have one; pace: how fast the last
    batch was, in words."""
    rows = _once(grade.row for grade in grades if grade.row is not None)
    tasks = of.tasks(rows)
    lines = [_line(grade, tasks, links or {}) for grade in grades]
    lines.sort(key=_urgency)
    best = of.best(rows)
    scores = [float(line.score) for line in lines if line.score is not None]
    style, script = source("report.css") + "\n" + source("class.css"), source("class.js")
    failed = most_failed(rows)
    states = Counter(state for line in lines for state in line.states)
    return (
        environment()
        .get_template("class.html.j2")
        .render(
            module=module,
            title=of.title(rows, module),
            course=next((row.report.provenance.course for row in rows if row.report), ""),
            lines=lines,
            tasks=tasks,
            best=best,
            median=rounded(statistics.median(scores)) if scores else None,
            mean=rounded(statistics.fmean(scores)) if scores else None,
            states={state: states[state] for state in KINDS if states[state]},
            sections=sorted({line.grade.student.section for line in lines} - {""}),
            columns=distribution(scores, float(best or 0)),
            failed=failed[:MOST],
            more=failed[MOST:],
            kinds=kinds_of_fault(rows),
            times=[line for line in (pace, time_spent(rows)) if line],
            style=Markup(style),  # ours both, and nothing is put into them
            script=Markup(script),
            policy=f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}'; "
            "base-uri 'none'; form-action 'none'",
        )
    )


def distribution(scores: Sequence[float], best: float) -> list[Column]:
    """How many students have how many points, in columns of equal width; none without a score."""
    if not scores or best <= 0:
        return []
    places = Counter(min(int(score / best * COLUMNS), COLUMNS - 1) for score in scores)
    highest = max(places.values())
    return [
        Column(
            low=best * k / COLUMNS,
            # Extra credit lies beyond the points of the module.
            high=best * (k + 1) / COLUMNS if k < COLUMNS - 1 else max(best, *scores),
            students=places[k],
            height=round(100 * places[k] / highest, 2),
        )
        for k in range(COLUMNS)
    ]


def most_failed(rows: Iterable[Row]) -> list[Failed]:
    """The checks that someone failed, those that most failed first. What is held or was not run is not asked."""
    asked: Counter[tuple[str, str]] = Counter()
    ways: dict[tuple[str, str], Counter[Outcome]] = {}
    for verdict in _verdicts(rows):
        if verdict.outcome in (Outcome.HELD, Outcome.BLOCKED):
            continue
        key = (verdict.task, verdict.title)
        asked[key] += 1
        if verdict.outcome is not Outcome.PASSED:
            ways.setdefault(key, Counter())[verdict.outcome] += 1
    found = [
        Failed(
            *key, failed=told.total(), asked=asked[key], usual=WORDS[told.most_common(1)[0][0]].text
        )
        for key, told in ways.items()
    ]
    return sorted(found, key=lambda check: (-check.failed / check.asked, check.task, check.title))


def kinds_of_fault(rows: Iterable[Row]) -> list[tuple[str, int]]:
    """How the checks failed, in words, with how many: the kind of mismatch where there is one."""
    told: Counter[str] = Counter()
    for verdict in _verdicts(rows):
        if verdict.outcome in (Outcome.PASSED, Outcome.HELD):
            continue
        if verdict.outcome is Outcome.BLOCKED:
            # What waits for another check is that one's fault, which is counted there.
            told[NOT_IMPORTED] += not verdict.reason.startswith(WAITS)
            continue
        example = verdict.counterexample
        if verdict.outcome is Outcome.FAILED and example is not None:
            told[MISMATCHES.get(example.mismatch.kind, sentence(WORDS[Outcome.FAILED].text))] += 1
        elif verdict.outcome is Outcome.RAISED:
            told[RAISED] += 1
        else:
            told[sentence(WORDS[verdict.outcome].text)] += 1
    return sorted((+told).items(), key=lambda pair: (-pair[1], pair[0]))


def time_spent(rows: Sequence[Row]) -> str:
    """What the grading of them took, in a sentence; "" where nothing is graded."""
    spent = [row.report.seconds for row in rows if row.report]
    if not spent:
        return ""
    told = ", ".join(
        (
            duration(sum(spent)),
            f"{duration(statistics.median(spent))} for the median submission",
            f"{duration(max(spent))} at most",
        )
    )
    return f"Time of the gradings, added up: {told}."


def _once(rows: Iterable[Row]) -> list[Row]:
    """Each hand-in once, also where it is a group's."""
    return list({row.hand_in.id: row for row in rows}.values())


def _verdicts(rows: Iterable[Row]) -> list[Verdict]:
    return [verdict for row in rows if row.report for verdict in row.report.checks]


def _line(grade: Grade, tasks: Mapping[str, float], links: Mapping[str, str]) -> Line:
    row = grade.row
    report = row.report if row else None
    states = [of.state(row)]
    if report and any(verdict.outcome is Outcome.FLAKY for verdict in report.checks):
        states.append(FLAKY)
    if report and report.flags:
        states.append(FLAGGED)
    if len(states) > 1 and states[0] == GRADED:
        del states[0]
    earned = {task.id: task.score for task in report.tasks} if report else {}
    return Line(
        grade=grade,
        name=grade.student.name or grade.student.id,
        states=tuple(states),
        score=of.score(row),
        cells=tuple(
            Cell(task, earned.get(task), _share(earned.get(task), best))
            for task, best in tasks.items()
        ),
        remark="; ".join([row.problem, *row.hand_in.notes]).strip("; ") if row else "",
        link=links.get(row.hand_in.id, "") if row else "",
    )


def _share(earned: float | None, best: float) -> str:
    if earned is None:
        return "no"
    if earned >= best:
        return "all"
    return "some" if earned > 0 else "zero"


def _urgency(line: Line) -> tuple[int, str, str]:
    urgent = min(
        (FIRST.index(state) for state in line.states if state in FIRST), default=len(FIRST)
    )
    return (urgent, line.name.casefold(), line.grade.student.id)


def digest(text: str) -> str:
    """By which the page's policy knows its style or its script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@functools.cache
def source(name: str) -> str:
    """A style sheet or a script of the pages, as it is."""
    known = environment()
    assert known.loader is not None
    return known.loader.get_source(known, name)[0].strip()


@functools.cache
def environment() -> jinja2.Environment:
    """What the pages on a class are made with: every value is escaped, and a missing one is an error."""
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader("grader.batch"), jinja2.PackageLoader("grader.report")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(said=_said, points=points, count=count, sentence=sentence)
    made.globals.update(kind_of=KINDS)
    return made


def _said(text: str) -> str:
    """One line of someone's words."""
    return cut(one_line(visible(text)), characters=300, lines=1)
