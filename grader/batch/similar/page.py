"""What was found as one HTML page for those who teach: no network, no server, no second file.

Names and source text of students are escaped by the template's autoescape, and what hides or turns text is written
out; the page's own Content-Security-Policy lets its one style and its one script run and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from markupsafe import Markup

from grader.batch.page import digest, environment, source
from grader.batch.similar.compare import Work
from grader.batch.similar.found import COLUMNS, Alike, Found
from grader.batch.similar.stretches import Span
from grader.report.text import count, visible

CONTEXT = 1  # lines around what is alike
MOST_LINES = 150  # of a stretch
MOST_STRETCHES = 40  # of a pair
LONGEST_LINE = 400  # characters
MOST_TEXT = 3 << 20  # characters of all source text together


class Line(msgspec.Struct, frozen=True):
    """A line of source. pieces: its text, and of each piece what kind of mark it has, "" for none; skipped: how
    many lines before it are not shown, for nothing in them is alike."""

    number: int
    pieces: tuple[tuple[str, str], ...]
    skipped: int = 0


class Side(msgspec.Struct, frozen=True):
    """One side of a stretch. more: lines at its end that are not shown."""

    name: str
    first: int
    last: int
    lines: tuple[Line, ...]
    more: int

    @property
    def size(self) -> int:
        """Characters."""
        return sum(len(text) for line in self.lines for text, _ in line.pieces)


class Both(msgspec.Struct, frozen=True):
    """A stretch on both sides."""

    a: Side
    b: Side
    tokens: int


class Opened(msgspec.Struct, frozen=True):
    """A pair as the page shows it: without stretches where the page would be too large. more: stretches that are
    not shown, the shortest ones."""

    of: Alike
    stretches: tuple[Both, ...]
    more: int


class Column(msgspec.Struct, frozen=True):
    """One column of the distribution: from and to how many percent, the pairs, the height in percent."""

    low: int
    high: int
    pairs: int
    height: float
    listed: bool


def render(
    found: Found, module: str, *, title: str = "", course: str = "", notes: Sequence[str] = ()
) -> str:
    """The page. notes: on what was not compared."""
    pairs = list(_opened(found))
    style = "\n".join(source(name) for name in ("report.css", "class.css", "similar.css"))
    script = source("similar.js")
    groups = [work.group for work in found.works]
    return (
        environment()
        .get_template("similar.html.j2")
        .render(
            module=module,
            title=title or module,
            course=course,
            found=found,
            pairs=pairs,
            left=left_out(found, sum(not pair.stretches for pair in pairs)),
            columns=_columns(found),
            ours=groups.count("class"),
            before=groups.count("before"),
            reference="reference" in groups,
            notes=[*too_little(found), *notes],
            percent=percent,
            short=_short,
            style=Markup(style),  # ours both, and nothing is put into them
            script=Markup(script),
            policy=f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}'; "
            "base-uri 'none'; form-action 'none'",
        )
    )


def percent(share: float) -> str:
    """`83 %`; only all of it is 100 %, and only nothing is 0 %."""
    whole = round(100 * share)
    if share < 1:
        whole = min(whole, 99)
    if share > 0:
        whole = max(whole, 1)
    return f"{whole} %"


def left_out(found: Found, closed: int = 0) -> str:
    """What is not to be seen, in words; "" where nothing is. closed: pairs whose source is left out."""
    said = []
    hidden = found.above - found.folded - len(found.alike)
    if hidden:
        said.append(f"{count(hidden, 'more pair')} with {percent(found.least)} or more not listed")
    if found.folded:
        said.append(
            f"{count(found.folded, 'pair')} not listed because a work in it is just the same as one that is"
        )
    if closed:
        said.append(f"the source of {count(closed, 'pair')} left out to keep the page small")
    return "; ".join(said)


def too_little(found: Found) -> list[str]:
    """A line on each work that was not compared because it is as it was given."""
    return [
        f"{work.name} is left out: it has next to no code of its own" for work in found.too_little
    ]


def _columns(found: Found) -> list[Column]:
    highest = max(found.spread, default=0)
    width = 100 // COLUMNS
    return [
        Column(
            low=k * width,
            high=(k + 1) * width,
            pairs=pairs,
            height=round(100 * pairs / highest, 2),
            listed=k * width >= 100 * found.least,
        )
        for k, pairs in enumerate(found.spread)
        if highest
    ]


def _short(number: int) -> str:
    """A count for a narrow column: `950`, `1.2k`, `45k`, and nothing for none."""
    if number < 1000:
        return str(number or "")
    return f"{number / 1000:.1f}k" if number < 9950 else f"{number / 1000:.0f}k"


def _opened(found: Found) -> Iterator[Opened]:
    left = MOST_TEXT
    for alike in found.alike:
        shown = tuple(
            Both(_side(one.a, alike.a), _side(one.b, alike.b), one.tokens)
            for one in alike.stretches[:MOST_STRETCHES]
        )
        size = sum(both.a.size + both.b.size for both in shown)
        fits = size <= left
        left -= size if fits else 0
        yield Opened(alike, shown if fits else (), len(alike.stretches) - len(shown))


def _side(span: Span, work: Work) -> Side:
    code = work.files[span.file]
    lines = code.text.split("\n")
    near = {k for line in span.marks for k in range(line - CONTEXT, line + CONTEXT + 1)}
    numbers = sorted(k for k in near if 1 <= k <= len(lines))
    # A gap of one line is shown rather than told.
    numbers = sorted({*numbers, *(k + 1 for k in numbers if k + 2 in near and k + 2 <= len(lines))})
    shown: list[Line] = []
    for k in numbers[:MOST_LINES]:
        skipped = k - shown[-1].number - 1 if shown else 0
        pieces = tuple(_pieces(lines[k - 1], span.marks.get(k, ())))
        shown.append(Line(k, pieces, skipped))
    return Side(code.name, span.first, span.last, tuple(shown), len(numbers) - len(shown))


def _pieces(text: str, marks: Sequence[tuple[int, int, bool]]) -> Iterator[tuple[str, str]]:
    at = 0
    for low, high, seldom in marks:
        if low >= LONGEST_LINE:
            break
        if low > at:
            yield visible(text[at:low]), ""
        at = min(high, LONGEST_LINE)
        yield visible(text[low:at]), "strong" if seldom else "faint"
    if at < min(len(text), LONGEST_LINE):
        yield visible(text[at:LONGEST_LINE]), ""
    if len(text) > LONGEST_LINE:
        yield f"… ({len(text) - LONGEST_LINE} more characters)", ""
