"""The report for a terminal: what a student reads first, in seconds.

Text of a student never reaches the markup of rich: every cell is a `Text`. Colour only repeats what
signs and words already say.
"""

from __future__ import annotations

import io
import sys

import msgspec
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.model import Outcome, Report, Verdict
from grader.report.outline import (
    SHOWN_LATER,
    WORDS,
    Outline,
    Part,
    Stopped,
    answers,
    beside,
    box_line,
    brief_line,
    deducted_line,
    evidence_lines,
    flag_line,
    held_line,
    in_full,
    incomplete_line,
    mismatch_line,
    outline,
    ran_line,
    replay_line,
    score_line,
    sentences,
    share,
    standing_lines,
    starts,
    stopped_line,
    tallies,
    task_title,
    waiting_line,
)
from grader.report.text import count, cut, duration, one_line, points, visible

_STYLES: dict[Outcome, str] = {
    Outcome.PASSED: "green",
    Outcome.UNIMPLEMENTED: "yellow",
    Outcome.BLOCKED: "yellow",
    Outcome.HELD: "magenta",
}
_FAULT = "red"
_BAR = 16
_BAR_FROM = 60  # columns; a narrower terminal needs them for the task's title
_PLAIN = str.maketrans({"━": "#", "╌": ".", "·": "|", "–": "-", "…": "...", "→": "->"})


class Look(msgspec.Struct, frozen=True):
    """How much is told and with which signs."""

    width: int
    verbose: bool
    unicode: bool

    def own(self, text: str) -> str:
        """Words of ours in the signs that the terminal can show."""
        return text if self.unicode else text.translate(_PLAIN)

    def sign(self, outcome: Outcome) -> str:
        """The outcome's sign."""
        return WORDS[outcome].sign if self.unicode else WORDS[outcome].plain

    def value(self, text: str) -> str:
        """A value of the student's, cut to what is still read."""
        if self.verbose:
            return cut(text, characters=20_000, lines=200)
        return cut(text, characters=max(4 * (self.width - 14), 120), lines=6)

    def said(self, text: str) -> str:
        """A sentence that may quote the student, cut likewise."""
        return self.value(text) if self.verbose else cut(text, characters=480, lines=6)


def render(
    report: Report,
    console_width: int = 80,
    *,
    colour: bool = False,
    verbose: bool = False,
    unicode: bool = True,
) -> str:
    """The report as lines of text, with ANSI colours if `colour`.

    verbose: also the titles of what passed and what waits, times, walls and versions, and values in
    full. unicode: False keeps to ASCII wherever the words are ours.
    """
    look = Look(width=max(console_width, 40), verbose=verbose, unicode=unicode)
    page = io.StringIO()
    screen = _console(page, look.width, colour=colour)
    told = outline(report)
    _head(screen, look, report, told)
    brief = 0
    for part, full in zip(told.parts, in_full(told), strict=True):
        full = len(part.faults) if verbose else full
        _part(screen, look, part, full)
        brief += len(part.faults) - full
    _flags(screen, look, report)
    _foot(screen, look, report, brief, told_much=any(part.faults for part in told.parts))
    lines = page.getvalue().split("\n")
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def render_verdict(verdict: Verdict, *, console_width: int = 100, colour: bool = False) -> str:
    """One check that did not pass, told in full."""
    look = Look(width=max(console_width, 40), verbose=True, unicode=True)
    page = io.StringIO()
    _fault(_console(page, look.width, colour=colour), look, verdict)
    return "\n".join(line.rstrip() for line in page.getvalue().split("\n")).strip("\n")


def _console(page: io.StringIO, width: int, *, colour: bool) -> Console:
    """A console whose output depends on nothing but its arguments."""
    return Console(
        file=page,
        width=width,
        height=sys.maxsize,
        force_terminal=False,
        color_system="standard" if colour else None,
        no_color=False,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
        force_jupyter=False,
    )


def _head(screen: Console, look: Look, report: Report, told: Outline) -> None:
    title = Text.assemble(
        (one_line(visible(report.module)), "bold"), "  ", one_line(visible(report.title))
    )
    style = "bold magenta" if report.score is None else "bold"
    screen.print(_sides(title, Text(look.own(score_line(report)), style)))
    summary = [*tallies(report.checks), duration(report.seconds)]
    screen.print(Text(look.own(" · ".join(summary)), "dim"))
    for line in (
        held_line(report),
        incomplete_line(report),
        deducted_line(report),
        *standing_lines(report),
    ):
        if line:
            screen.print()
            screen.print(_marked(Text("!", "bold magenta"), Text(line), indent=0))
    for group in told.common:
        screen.print()
        screen.print(_stopped(look, group, indent=0))
        if look.verbose:
            _titles(screen, look, group.checks)


def _part(screen: Console, look: Look, part: Part, full: int) -> None:
    """One task. full: how many of its faults are told in full; the others by their titles alone."""
    screen.print()
    name = Text.assemble(
        (f"Task {one_line(visible(part.task.id))}", "bold"),
        "  ",
        one_line(visible(task_title(part.task))),
    )
    screen.print(_sides(name, _points(look, part)))
    if part.passed:
        line = f"{count(len(part.passed), 'check')} passed"
        screen.print(_marked(_sign(look, Outcome.PASSED), Text(line)))
        if look.verbose:
            _titles(screen, look, part.passed, timed=True)
    for verdict in part.faults[:full]:
        _fault(screen, look, verdict)
    if full and len(part.faults) > full:
        screen.print()
    for verdict in part.faults[full:]:
        _fault_title(screen, look, verdict)
    if part.faults and (part.unimplemented or part.stopped or part.elsewhere):
        screen.print()
    if part.unimplemented:
        line = waiting_line(part)
        screen.print(_marked(_sign(look, Outcome.UNIMPLEMENTED), Text(line)))
        places = starts(part)
        if places:
            listed = ", ".join(places[:3]) + (" …" if len(places) > 3 else "")
            screen.print(Padding(Text(f"start at {listed}", "dim", overflow="fold"), (0, 0, 0, 4)))
        if look.verbose:
            _titles(screen, look, part.unimplemented)
    for group in part.stopped:
        screen.print(_stopped(look, group))
        if look.verbose:
            _titles(screen, look, group.checks)
    for group in part.elsewhere:
        screen.print(_stopped(look, group, explained=False))


def _points(look: Look, part: Part) -> Text:
    """`━━━━╌╌  6 / 15`: full only when all points are there, empty only when none is."""
    score, best = part.task.score, part.task.max_score
    earned = share(score, best)
    filled = max(int(_BAR * earned), 1 if earned else 0)
    style = "green" if earned == 1 else "yellow"
    bar = Text.assemble(("━" * filled, style), ("╌" * (_BAR - filled), "dim"))
    amount = f"{points(score)} / {points(best)}"
    if look.width < _BAR_FROM:
        return Text(look.own(amount))
    amount = amount.rjust(11)
    return Text(look.own(bar.plain), spans=bar.spans) + Text(look.own(amount))


def _fault_title(screen: Console, look: Look, verdict: Verdict) -> None:
    title = Text(one_line(visible(verdict.title)), "bold")
    later = SHOWN_LATER[verdict.visibility]
    if later:
        title.append(f" ({later})", "not bold dim")
    outcome = Text.assemble(
        (WORDS[verdict.outcome].text, f"bold {_FAULT}"),
        (f"  {points(verdict.score)} / {points(verdict.max_score)}", "dim"),
    )
    if look.verbose:
        ran = (
            f"  {verdict.cases_run} of {count(verdict.cases, 'case')}, {duration(verdict.seconds)}"
        )
        outcome.append(ran, "dim")
    screen.print(_marked(_sign(look, verdict.outcome), _sides(title, outcome)))


def _fault(screen: Console, look: Look, verdict: Verdict) -> None:
    screen.print()
    _fault_title(screen, look, verdict)
    for line in sentences(verdict) + beside(verdict):
        screen.print(Padding(Text(look.said(line), overflow="fold"), (0, 0, 0, 4)))
    rows = _rows(look, verdict)
    if verdict.hint:
        rows.append((_label("hint"), Text(look.said(visible(verdict.hint)))))
    if rows:
        screen.print(Padding(_labelled(rows, width=8), (0, 0, 0, 4)))
    snippet = verdict.counterexample.snippet if verdict.counterexample else ""
    if snippet:
        # At the margin and unwrapped, so that the lines can be pasted as they are.
        screen.print(Padding(Text("try it", "dim"), (0, 0, 0, 4)))
        whole = visible(snippet).strip("\n")
        text = Text(whole if look.verbose else cut(whole, characters=2000, lines=24), "cyan")
        screen.print(text, soft_wrap=True)


def _rows(look: Look, verdict: Verdict) -> list[tuple[Text, Text]]:
    example = verdict.counterexample
    if example is None:
        return []
    rows: list[tuple[Text, Text]] = []
    for name, value in example.inputs.items():
        text = Text(f"{one_line(visible(name))} = ")
        rows.append((_label("" if rows else "input"), text.append(look.value(visible(value)))))
    expected, observed = answers(example)
    if expected:
        rows.append((_label("expected", "green"), Text(look.value(expected))))
    if observed:
        rows.append((_label("yours", _FAULT), Text(look.value(observed))))
    where = mismatch_line(example)
    if where:
        rows.append((_label("differs"), Text(look.said(where))))
    for index, place in enumerate(example.where if look.verbose else example.where[:3]):
        rows.append((_label("" if index else "where"), Text(look.said(visible(place)))))
    return rows


def _label(word: str, style: str = "dim") -> Text:
    return Text(word, style)


def _stopped(
    look: Look, group: Stopped, *, explained: bool = True, indent: int = 2
) -> RenderableType:
    line = look.said(stopped_line(group, explained=explained))
    return _marked(_sign(look, group.outcome), Text(line), indent=indent)


def _titles(
    screen: Console, look: Look, verdicts: tuple[Verdict, ...], *, timed: bool = False
) -> None:
    for verdict in verdicts:
        line = Text(one_line(visible(verdict.title)), "dim")
        remark = one_line(visible(verdict.remark))
        if timed:
            line.append(f"  {count(verdict.cases_run, 'case')}, {duration(verdict.seconds)}")
        screen.print(Padding(line, (0, 0, 0, 6)))
        if remark:
            screen.print(Padding(Text(look.said(remark), "dim", overflow="fold"), (0, 0, 0, 8)))


def _flags(screen: Console, look: Look, report: Report) -> None:
    """How values were found, for a person to judge."""
    if not report.flags:
        return
    screen.print()
    screen.print(Text("For a TA", "bold"))
    for flag in report.flags:
        screen.print(_marked(Text("!", "bold magenta"), Text(look.said(flag_line(flag)))))
        lines = evidence_lines(flag)
        for line in lines if look.verbose else lines[:3]:
            screen.print(Padding(Text(line, "dim", overflow="fold"), (0, 0, 0, 4)))
        if len(lines) > 3 and not look.verbose:
            rest = look.own(f"… and {count(len(lines) - 3, 'more line')}")
            screen.print(Padding(Text(rest, "dim"), (0, 0, 0, 4)))


def _foot(screen: Console, look: Look, report: Report, brief: int, *, told_much: bool) -> None:
    rows: list[tuple[str, str, str]] = []
    if told_much:
        rows.append(("score", look.own(score_line(report)), "bold"))
    if brief:
        rows.append(("more", brief_line(brief), ""))
    rows += [("next" if i == 0 else "", visible(hint), "") for i, hint in enumerate(report.hints)]
    rows += [("note" if i == 0 else "", visible(note), "") for i, note in enumerate(report.notes)]
    if ran_line(report):
        rows.append(("ran", ran_line(report), "dim"))
    box_style = "dim" if report.provenance.protects else "yellow"
    rows.append(("sandbox", box_line(report), box_style))
    rows.append(("seed", str(report.provenance.seed), "dim"))
    if look.verbose:
        rows += _provenance(look, report)
    screen.print()
    screen.print(
        _labelled(
            [(_label(label), Text(look.said(text), style)) for label, text, style in rows], width=7
        )
    )
    replay = replay_line(report)
    if replay:
        # Unwrapped, so that it can be pasted.
        screen.print(Text(f"replay   {replay}", "dim"), soft_wrap=True)


def _provenance(look: Look, report: Report) -> list[tuple[str, str, str]]:
    origin = report.provenance
    rows = []
    for index, wall in enumerate(origin.walls):
        sign = look.sign(Outcome.PASSED if wall.up else Outcome.FAILED)
        state = "up" if wall.up else "down"
        detail = f", {visible(wall.detail)}" if wall.detail else ""
        rows.append(
            ("" if index else "walls", f"{sign} {visible(wall.name)}: {state}{detail}", "dim")
        )
    versions = ", ".join(f"{visible(k)} {visible(v)}" for k, v in sorted(origin.versions.items()))
    rows.append(("made by", versions, "dim"))
    rows.append(("graded", f"{visible(report.submission)} at {visible(origin.graded_at)}", "dim"))
    rows.append(("files", f"{visible(report.origin)} ({visible(origin.submission_digest)})", "dim"))
    return rows


def _sign(look: Look, outcome: Outcome) -> Text:
    return Text(look.sign(outcome), f"bold {_STYLES.get(outcome, _FAULT)}")


def _marked(sign: Text, body: RenderableType, *, indent: int = 2) -> RenderableType:
    """A sign, and beside it a body that wraps under itself."""
    grid = Table.grid(padding=(0, 1), pad_edge=False, expand=True)
    grid.add_column(width=1, no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    grid.add_row(sign, body)
    return Padding(grid, (0, 0, 0, indent))


def _labelled(rows: list[tuple[Text, Text]], *, width: int) -> Table:
    """Labels in a narrow column, and beside them texts that wrap under themselves."""
    grid = Table.grid(padding=(0, 2), pad_edge=False)
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(label, text)
    return grid


def _sides(left: Text, right: Text) -> RenderableType:
    """One text at the left, wrapping, one at the right edge, whole."""
    grid = Table.grid(padding=(0, 2), pad_edge=False, expand=True)
    grid.add_column(overflow="fold", ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(left, right)
    return grid
