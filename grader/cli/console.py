"""What every command needs: options, completion, output to the terminal and to files.

Data goes to standard output, progress and errors to standard error.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grader.errors import GraderError, OutputFault, UsageError

if TYPE_CHECKING:
    from grader.model import Report, Visibility

COURSE = click.option(
    "--course", "course_dir", type=click.Path(path_type=Path), envvar="GRADE_COURSE",
    help="The course's folder (default: the nearest grader.yaml above here).",
)  # fmt: skip
COLOUR = click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True,
    help="Colour on the terminal; NO_COLOR and FORCE_COLOR are obeyed.",
)  # fmt: skip


class Within(click.FloatRange):
    """A number between two others. `nan` is none, though it is neither below the one nor above the other."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found: float = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is not in the range {self._describe_range()}.", param, ctx)
        return found


def course_modules(ctx: click.Context) -> tuple[str, ...]:
    """The modules of the course that is meant, for shell completion; none where there is no course."""
    from grader.course import find_course

    try:
        return find_course(Path.cwd(), ctx.params.get("course_dir")).settings.modules
    except GraderError:
        return ()


def complete_module(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The course's modules, for shell completion."""
    return [name for name in course_modules(ctx) if name.startswith(incomplete)]


def complete_task(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The tasks of the module that is being typed, for shell completion."""
    from grader.course import find_course, load_module

    # A line that ends in an option without its value is not parsed: look for the module in its words.
    words = os.environ.get("COMP_WORDS", "").split()
    module = next((word for word in words if word in course_modules(ctx)), "")
    try:
        course = find_course(Path.cwd(), ctx.params.get("course_dir"))
        tasks = load_module(course, module).tasks
    except GraderError:
        return []
    return [task.id for task in tasks if task.id.startswith(incomplete)]


def put(text: str, *, nl: bool = True, color: bool | None = None) -> None:
    """Writes to standard output. That nobody reads it, as behind `| head`, changes no exit code."""
    try:
        click.echo(text, nl=nl, color=color)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputFault(f"standard output cannot be written: {error.strerror}") from error


def complain(text: str, code: int, as_json: str = "") -> None:
    """An error on standard error; also as JSON, in place of the report, where one was asked for."""
    click.echo(f"grade: {text}", err=True)
    if not as_json:
        return
    said = json.dumps({"schema": "backcheck/error/1", "error": text, "exit_code": code})
    if as_json == "-":
        with contextlib.suppress(OutputFault):
            put(said)
        return
    from grader.bank import write_whole

    # A report of an earlier run must not be taken for one of this run.
    with contextlib.suppress(OSError):
        write_whole(Path(as_json).absolute(), f"{said}\n".encode())


def terminal_width() -> int:
    """Columns to write to: the terminal's, at most 120; 80 where there is none."""
    import shutil

    return min(shutil.get_terminal_size((80, 24)).columns, 120)


def columns(text: str) -> int:
    """How many columns of a terminal a line takes: Chinese letters and emoji have two, marks that join a letter none."""
    from rich.cells import cell_len

    return cell_len(text)


def fitting(text: str, width: int) -> str:
    """As much of a line as fits into so many columns."""
    from rich.cells import set_cell_size

    return text if columns(text) <= width else set_cell_size(text, width).rstrip()


def use_colour(choice: str, stream: Any) -> bool:
    """Whether to colour what goes to `stream`: the flag, then NO_COLOR, FORCE_COLOR, then the terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


class Progress:
    """One line on standard error that is overwritten; plain lines, few of them, where it is no terminal."""

    def __init__(self, color: str = "auto") -> None:
        self.live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.last = 0.0
        self.shown = False
        self.said: set[str] = set()

    def say(self, text: str) -> None:
        now = time.monotonic()
        if not self.live:
            # Not a terminal: say once that something slow has begun, and no more.
            start = text.split(":", 1)[0]
            if "drawing" in text and start not in self.said:
                self.said.add(start)
                click.echo(f"{start} ...", err=True)
            return
        if now - self.last > 0.1:
            self.last = now
            self.shown = True
            width = terminal_width() - 1
            sys.stderr.write("\r\x1b[K" + fitting(text, width))
            sys.stderr.flush()

    def note(self, text: str) -> None:
        """Something slow has begun: said at once, and once where this is no terminal."""
        if self.live:
            self.last = 0.0
            self.say(f"{text} ...")
        else:
            click.echo(f"{text} ...", err=True)

    def clear(self) -> None:
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self.shown = False


def show_report(report: Report, *, quiet: bool, verbose: bool, color: str) -> None:
    """Prints the report for a person."""
    if quiet:
        from grader.report.text import points

        score = "held" if report.score is None else points(report.score)
        put(f"{report.module} {score}/{points(report.max_score)}")
        return
    from grader.report.terminal import render

    text = render(
        report,
        console_width=terminal_width(),
        colour=use_colour(color, sys.stdout),
        verbose=verbose,
        unicode=(sys.stdout.encoding or "").lower().startswith("utf"),
    )
    put(text, nl=False, color=True)


def shown_at(at: str, module: str, course_dir: Path | None) -> frozenset[Visibility]:
    """What students may see at that time, "" for now, by the dates of the course; where none is here, what they
    always see. Raises UsageError for what is no time."""
    import datetime as dt

    from grader.course import find_course, load_terms
    from grader.model import Visibility
    from grader.terms import Terms, moment, shown

    try:
        when = moment(at) or dt.datetime.now(dt.UTC)
    except UsageError as error:
        raise UsageError(f"--at: {error}") from error
    try:
        terms = load_terms(find_course(Path.cwd(), course_dir))
    except UsageError:
        if course_dir is not None:
            raise
        terms = Terms()
    return frozenset(Visibility(kind) for kind in shown(terms, module, when))


def exit_code(report: Report) -> int:
    """0 when everything passed that had to, 1 when something failed, 4 when something is held."""
    if report.score is None:
        return 4
    from grader.model import Outcome

    # Whoever leaves extra credit out has failed nothing.
    extra = {task.id for task in report.tasks if task.extra}
    left_out = (Outcome.UNIMPLEMENTED, Outcome.BLOCKED)
    fine = (
        v.outcome is Outcome.PASSED or (v.task in extra and v.outcome in left_out)
        for v in report.checks
    )
    return 0 if all(fine) else 1


def read_report(path: Path) -> Report:
    """A stored report. Raises UsageError when there is none at `path`."""
    from grader.report.json import from_json

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # Windows has written it, out of what was printed.
        data = data.decode(json.detect_encoding(data), "replace").encode()
    try:
        return from_json(data)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def check_outputs(wanted: dict[str, str]) -> None:
    """Raises UsageError for an output that cannot work, before anything is graded."""
    to_standard_output = [f"--{name}" for name, to in wanted.items() if to == "-"]
    if len(to_standard_output) > 1:
        raise UsageError(
            f"only one of {' and '.join(to_standard_output)} can go to standard output (-)"
        )
    for name, to in wanted.items():
        if to != "-":
            check_output(to, f"--{name}")


def check_output(to: str, option: str) -> None:
    """Raises UsageError when there can be no file at `to`."""
    path = Path(to).absolute()
    if not to:
        raise UsageError(f"{option}: an empty name. Name a file, or - for standard output")
    if path.is_dir():
        raise UsageError(f"{option}: {to} is a folder. Name a file in it: {Path(to) / 'report'}")
    if not path.parent.is_dir():
        raise UsageError(f"{option}: {to}: the folder {path.parent} does not exist")


def write_views(report: Report, wanted: dict[str, str]) -> None:
    """Writes the named outputs, each whole or not at all: all that can be written, whatever befalls one."""
    from grader.report import VIEWS

    faults = []
    for name, to in wanted.items():
        try:
            write_view(VIEWS[name](report), to)
        except OutputFault as error:
            faults.append(str(error))
    if faults:
        raise OutputFault(". ".join(faults))


def write_view(text: str, to: str) -> None:
    """Writes a view to a file, or to standard output for `-`. Raises OutputFault when it cannot."""
    from grader.bank import write_whole

    if to == "-":
        put(text, nl=not text.endswith("\n"))
        return
    try:
        write_whole(Path(to).absolute(), text.encode())
    except OSError as error:
        raise OutputFault(f"{to}: cannot be written: {error.strerror}") from error


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Writes files below a folder, each whole or not at all."""
    from grader.bank import write_whole

    for name, data in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        except OSError as error:
            raise OutputFault(f"{path}: cannot be written: {error.strerror}") from error
