"""The report as one HTML page that needs no network, no script and no second file.

Every word of a student goes through `visible`, is cut, and is escaped by the template's autoescape;
the page's own Content-Security-Policy refuses whatever would get past that.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from grader.model import Outcome, Report, Verdict
from grader.report import outline as told
from grader.report.text import count, cut, duration, one_line, points, sentence, visible

_KINDS: dict[Outcome, str] = {
    Outcome.PASSED: "pass",
    Outcome.UNIMPLEMENTED: "wait",
    Outcome.BLOCKED: "wait",
    Outcome.HELD: "held",
}


class Share(msgspec.Struct, frozen=True):
    """A stretch of a task's bar in percent: where it begins and how long it is."""

    kind: str
    start: float
    length: float


def render(report: Report) -> str:
    """The page."""
    environment = _environment()
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    outline = told.outline(report)
    return environment.get_template("report.html.j2").render(
        report=report,
        origin=report.provenance,
        outline=outline,
        full=told.in_full(outline),
        told=told,
        style=Markup(style),  # ours, and nothing is put into it
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )


@functools.cache
def _style() -> str:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, "report.css")[0].strip()


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("grader.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        said=_said,
        sentence=sentence,
        block=_block,
        code=_code,
        points=points,
        count=count,
        duration=duration,
    )
    environment.globals.update(
        kind=_kind,
        bar_of=_bar,
        anchor=_anchor,
    )
    return environment


def _said(text: str) -> str:
    """One line of someone's words."""
    return cut(one_line(visible(text)), characters=600, lines=1)


def _block(text: str) -> str:
    """A value, with its line breaks."""
    return cut(visible(text).strip("\n"), characters=1200, lines=24)


def _code(text: str) -> str:
    """Lines to be pasted, which are of no use when cut."""
    return cut(visible(text).strip("\n"), characters=4000, lines=60)


def _kind(outcome: Outcome) -> str:
    """The style class and the icon of an outcome."""
    return _KINDS.get(outcome, "fault")


def _bar(checks: tuple[Verdict, ...]) -> list[Share]:
    """The points of checks as stretches: earned, to fix, waiting, held."""
    whole = sum(verdict.max_score for verdict in checks)
    shares: list[Share] = []
    start = 0.0
    for kind in ("pass", "fault", "wait", "held"):
        part = sum(v.max_score for v in checks if _kind(v.outcome) == kind)
        if part and whole:
            length = 100 * part / whole
            shares.append(Share(kind, round(start, 2), round(length, 2)))
            start += length
    return shares


def _anchor(task: Any) -> str:
    """A task's fragment: ASCII letters, digits and dashes."""
    return "task-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in task.id)
