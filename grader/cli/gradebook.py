"""The commands that make something of a gradebook: export, diff, page. None of them grades or changes it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grader.cli.console import (
    COURSE,
    check_output,
    complete_module,
    put,
    shown_at,
    write_files,
    write_view,
)
from grader.errors import OutputFault, UsageError

if TYPE_CHECKING:
    from grader.batch.book import Book
    from grader.batch.diff import Change, Frame
    from grader.batch.model import Row
    from grader.batch.roster import Roster
    from grader.model import Visibility

GRADEBOOK = "gradebook.sqlite"
MODULE = click.option(
    "--module", "-m", shell_complete=complete_module, help="Where the gradebook holds several."
)
ROSTER = click.option(
    "--roster", "roster_csv", type=click.Path(path_type=Path), metavar="CSV",
    help="Who is in the course: its order, and who handed nothing in.",
)  # fmt: skip
RAW = click.option(
    "--raw", is_flag=True, help="The points of the checks, without the course's terms."
)


@click.command("export", short_help="Make a gradebook's grades into what another system takes.")
@click.argument("book", type=click.Path(path_type=Path))
@click.option(
    "--as",
    "name",
    help="canvas, csv, gradescope, jsonl, junit or moodle.",
)
@click.option("--output", "-o", type=click.Path(), help="A file (default: standard output).")
@MODULE
@ROSTER
@click.option("--column", default="", help="The assignment's name in the other system.")
@click.option("--bom", is_flag=True, help="Begin with the mark by which Excel knows UTF-8.")
@click.option(
    "--feedback",
    type=click.Path(path_type=Path),
    metavar="DIR|FILE.zip",
    help="Write the reports, one file for each hand-in.",
)
@click.option(
    "--form",
    type=click.Choice(["html", "markdown", "json"]),
    default="html",
    show_default=True,
    help="Of the feedback.",
)
@click.option(
    "--for",
    "system",
    type=click.Choice(["folder", "canvas", "moodle"]),
    default="folder",
    show_default=True,
    help="Whose names the feedback's files have.",
)
@click.option("--full", is_flag=True, help="Feedback with the checks that students do not see.")
@click.option(
    "--at",
    default="",
    metavar="TIME",
    help="Feedback with what the dates of the course let students see then (default: now).",
)
@RAW
@COURSE
def export(
    book: Path,
    name: str | None,
    output: str | None,
    module: str | None,
    roster_csv: Path | None,
    column: str,
    bom: bool,
    feedback: Path | None,
    form: str,
    system: str,
    full: bool,
    at: str,
    raw: bool,
    course_dir: Path | None,
) -> None:
    """Writes the grades of BOOK, a gradebook or the folder that holds one.

    \b
    grade export out --as canvas -o canvas.csv
    grade export out --feedback feedback.zip --for moodle
    """
    from grader.batch.exports import EXPORTS, Wanted
    from grader.batch.grades import grades
    from grader.errors import unknown

    if name is None and feedback is None:
        raise UsageError(f"say what to make: --as {', '.join(EXPORTS)}; or --feedback DIR")
    if name is not None and name not in EXPORTS:
        raise UsageError(unknown("export", name, list(EXPORTS)))
    if output not in (None, "-"):
        check_output(str(output), "--output")
    roster = _roster(roster_csv)
    with opened(book) as kept:
        module = chosen(kept, module)
        rows = counted(kept, module, course_dir, raw=raw, roster=roster)
    _note_uneven(rows)
    if feedback is not None:
        seen = None if full else shown_at(at, module, course_dir)
        _feedback(rows, feedback, form=form, system=system, seen=seen)
    if name is not None:
        theirs = roster is not None and roster.numbers == name
        ids = frozenset(e.student.id for e in roster.entries) if roster and theirs else frozenset()
        wanted = Wanted(module, column, ids)
        made = EXPORTS[name](grades(rows, roster), wanted)
        write_view(("\ufeff" if bom else "") + made, output or "-")


def _feedback(
    rows: list[Row], to: Path, *, form: str, system: str, seen: frozenset[Visibility] | None
) -> None:
    from grader.bank import write_whole
    from grader.batch.feedback import feedback, zipped
    from grader.batch.names import shown
    from grader.report.text import count

    files, left_out = feedback(rows, form=form, system=system, shown_checks=seen)
    if str(to) == "-":
        raise UsageError(
            "--feedback -: these are many files, and not for standard output. Name a folder, or a file "
            "that ends in .zip"
        )
    if to.suffix.lower() == ".zip":
        check_output(str(to), "--feedback")
        try:
            write_whole(to.absolute(), zipped(files))
        except OSError as error:
            raise OutputFault(f"{to}: cannot be written: {error.strerror}") from error
    elif to.exists() and not to.is_dir():
        raise UsageError(f"--feedback: {to} is a file. Name a folder, or a file that ends in .zip")
    else:
        write_files(to, files)
        if stale := _not_of_now(to, files):
            more = f" and {len(stale) - 3} more" if len(stale) > 3 else ""
            left_out.append(
                f"{to} also holds what this export did not write: {', '.join(map(shown, stale[:3]))}{more}. Look at it "
                "before the folder is sent to anybody"
            )
    for line in left_out:
        click.echo(f"note: {line}", err=True)
    click.echo(f"{to}: {count(len(files), 'file')}", err=True)


def _not_of_now(folder: Path, files: dict[str, bytes]) -> list[str]:
    """What lies where feedback does and was not written now: of an earlier export, or somebody's own."""
    from grader.batch.feedback import FORMS

    found = [p for end in FORMS.values() for p in folder.glob(f"*.{end}")]
    found += [p for end in FORMS.values() for p in folder.glob(f"*/feedback.{end}")]
    return sorted({path.relative_to(folder).as_posix() for path in found} - files.keys())


@click.command("diff", short_help="Compare two gradebooks: who gained, who lost, by which check.")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@MODULE
@click.option(
    "--json",
    "json_to",
    type=click.Path(),
    metavar="FILE",
    help="Write it as JSON; - for standard output.",
)
def diff(old: Path, new: Path, module: str | None, json_to: str | None) -> None:
    """Tells what is another in NEW than in OLD: two gradebooks, such as of before and after a change of checks."""
    from grader.batch.diff import compare, frame

    if json_to not in (None, "-"):
        check_output(str(json_to), "--json")
    with opened(new) as kept:
        module = chosen(kept, module)
        after = kept.rows(module)
    with opened(old) as kept:
        before = kept.rows(chosen(kept, module))
    changes, around = compare(before, after), frame(before, after)
    if json_to is not None:
        write_view(json.dumps(diff_json(module, changes, around), indent=2) + "\n", json_to)
    if json_to != "-":
        many = len({row.hand_in.id for row in (*before, *after)})
        put("\n".join(diff_lines(changes, around, many)))


@click.command("page", short_help="Make the page of a class from a gradebook.")
@click.argument("book", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", type=click.Path(), help="A file (default: index.html beside the gradebook)."
)
@MODULE
@ROSTER
@RAW
@COURSE
def page(
    book: Path,
    output: str | None,
    module: str | None,
    roster_csv: Path | None,
    raw: bool,
    course_dir: Path | None,
) -> None:
    """Writes one HTML page on the class of BOOK, a gradebook or the folder that holds one.

    Its lines lead to the reports in `reports/` beside the gradebook, where these are.
    """
    roster = _roster(roster_csv)
    with opened(book) as kept:
        module = chosen(kept, module)
        rows = counted(kept, module, course_dir, raw=raw, roster=roster)
        _note_uneven(rows)
        beside = kept.path.parent
    to = output or str(beside / "index.html")
    if to != "-":
        check_output(to, "--output")
    write_page(rows, module, roster, beside, to)
    if to != "-":
        put(to)


def write_page(
    rows: list[Row], module: str, roster: Roster | None, beside: Path, to: str, pace: str = ""
) -> None:
    """Writes the page of a class to a file or, for "-", to standard output. beside: the gradebook's folder; pace:
    how fast its last batch was, in words."""
    from grader.batch.grades import grades
    from grader.batch.page import render

    page_at = Path.cwd() if to == "-" else Path(to).absolute().parent
    links = _links(rows, beside, page_at)
    write_view(render(grades(rows, roster), module, links, pace=pace), to)


def _links(rows: list[Row], beside: Path, page_at: Path) -> dict[str, str]:
    """Addresses of the reports that are there, as seen from the page."""
    from urllib.parse import quote

    from grader.batch.names import file_name

    found = {}
    for row in rows:
        report = beside.absolute() / "reports" / row.module / f"{file_name(row.hand_in.id)}.html"
        if report.is_file():
            way = Path(os.path.relpath(report, page_at)).as_posix()
            found[row.hand_in.id] = quote(way)
    return found


def diff_json(module: str, changes: list[Change], around: Frame) -> dict[str, Any]:
    """The same for a program."""
    from grader.batch.diff import by_check

    return {
        "schema": "backcheck/diff/1",
        "module": module,
        "max_score": {"before": _number(around.old_best), "after": _number(around.new_best)},
        "checks_added": around.added,
        "checks_removed": around.removed,
        "checks_revalued": [
            {"check": key, "before": _number(was), "after": _number(now)}
            for key, was, now in around.revalued
        ],
        "changes": [
            {
                "hand_in": change.hand_in,
                "before": {"status": change.before, "score": _number(change.old)},
                "after": {"status": change.after, "score": _number(change.new)},
                "gained": change.gained,
                "lost": change.lost,
                "changed": change.changed,
            }
            for change in changes
        ],
        "checks": [
            {"check": key, "gained": gained, "lost": lost}
            for key, gained, lost in by_check(changes)
        ],
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def diff_lines(changes: list[Change], around: Frame, hand_ins: int) -> list[str]:
    """Who gained and who lost, by which check, for a person. hand_ins: of how many."""
    from grader.batch.diff import by_check
    from grader.report.text import count

    gained = sum(change.points > 0 for change in changes)
    lost = sum(change.points < 0 for change in changes)
    lines = [
        f"{count(hand_ins, 'hand-in')}: {gained} gained, {lost} lost, {len(changes)} changed in all"
    ]
    if around.old_best is not None and around.new_best not in (None, around.old_best):
        lines.append(f"points possible: {around.old_best} -> {around.new_best}")
    lines += [f"check of the new one alone: {key}" for key in around.added]
    lines += [f"check of the old one alone: {key}" for key in around.removed]
    lines += [f"check worth {was} -> {now} points: {key}" for key, was, now in around.revalued]
    for change in changes:
        lines.append(
            f"{change.hand_in}  {_score(change.old, change.before)} -> {_score(change.new, change.after)}"
        )
        lines += [f"    - {key}" for key in change.lost]
        lines += [f"    + {key}" for key in change.gained]
        lines += [f"    ~ {key}" for key in change.changed]
    moved = by_check(changes)
    if moved:
        lines.append("by check:")
        lines += [f"    {key}: {up} gained, {down} lost" for key, up, down in moved]
    return lines


def _score(value: Any, state: str) -> str:
    return f"{value}" if value is not None else state


# A gradebook


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Book]:
    """The gradebook that is at `path` or in that folder; none is made. Raises UsageError."""
    from grader.batch.book import Book

    file = path / GRADEBOOK if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"{file}: there is no gradebook. `grade batch` makes one")
    try:
        kept = Book(file)
    except OutputFault:
        # On a disk that is for reading alone. What another batch is about to write stands beside it.
        if os.access(file.parent, os.W_OK) or Path(f"{file}-wal").exists():
            raise
        kept = Book(file, archived=True)
    with kept:
        yield kept


def chosen(kept: Book, module: str | None) -> str:
    """The module that is meant: the only one, where none is named. Raises UsageError."""
    from grader.errors import unknown

    modules = kept.modules()
    if module is None and len(modules) == 1:
        return modules[0]
    if not modules:
        raise UsageError(f"{kept.path}: the gradebook holds nothing yet")
    if module is None:
        raise UsageError(f"{kept.path}: name one of its modules: --module {', '.join(modules)}")
    if module not in modules:
        raise UsageError(f"{kept.path}: {unknown('module', module, modules)}")
    return module


def counted(
    kept: Book,
    module: str,
    course_dir: Path | None,
    *,
    raw: bool,
    roster: Roster | None = None,
    told: bool = False,
) -> list[Row]:
    """The module's rows with the roster's students, each with what counts under the terms of the course, unless `raw`.

    A gradebook may be read where its course is not: then nothing is applied, and that is said. told: whether it was
    said already who is not in the roster.
    """
    from grader.batch.roster import enrolled
    from grader.batch.standing import settled
    from grader.course import find_course, load_terms

    def rows(name: str) -> list[Row]:
        found = kept.rows(name)
        if roster is None:
            return found
        found, warnings = enrolled(found, roster)
        for line in warnings if name == module and not told else ():
            click.echo(f"note: {line}", err=True)
        return found

    if raw:
        return rows(module)
    try:
        course = find_course(Path.cwd(), course_dir)
    except UsageError:
        if course_dir is not None:
            raise
        click.echo(
            "note: no course is here, so no terms are applied. Name it with --course", err=True
        )
        return rows(module)
    # Late days are shared by all modules, and what is agreed with somebody stands under the roster's id.
    everything = [row for name in kept.modules() for row in rows(name)]
    return [row for row in settled(everything, load_terms(course)) if row.module == module]


def _roster(path: Path | None) -> Roster | None:
    from grader.batch import roster

    if path is None:
        return None
    found = roster.read(path)
    for line in found.warnings:
        click.echo(f"note: {line}", err=True)
    return found


def _note_uneven(rows: list[Row]) -> None:
    from grader.batch.grades import uneven

    if said := uneven(rows):
        click.echo(f"note: {said}", err=True)


COMMANDS = (export, diff, page)
