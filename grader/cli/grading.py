"""The commands that grade or show one submission: run, render, replay, schema."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader.cli.console import (
    COLOUR,
    COURSE,
    Progress,
    check_output,
    check_outputs,
    complete_module,
    complete_task,
    exit_code,
    put,
    read_report,
    show_report,
    shown_at,
    write_view,
    write_views,
)
from grader.errors import NotGradable, UsageError
from grader.setting import grade_one, load_banks, open_box

if TYPE_CHECKING:
    from grader.bank import Module
    from grader.course import Course
    from grader.model import Report
    from grader.sandbox import Sandbox


@click.command("run", short_help="Grade a submission: `grade module2`.")
@click.argument("module", shell_complete=complete_module)
@click.option(
    "--submission",
    "-s",
    type=click.Path(),
    help="A folder, a zip or tar file, or a file (default: here).",
)
@COURSE
@click.option(
    "--only",
    metavar="TASK",
    multiple=True,
    shell_complete=complete_task,
    help="Grade this task only; may be repeated.",
)
@click.option(
    "--sandbox",
    type=click.Choice(["auto", "docker", "jail", "process"]),
    help="Which box the code runs in.",
)
@click.option("--seed", type=int, help="Draw other cases than the course's.")
@click.option(
    "--json",
    "json_to",
    type=click.Path(),
    metavar="FILE",
    help="Write the report as JSON; - for standard output.",
)
@click.option(
    "--html",
    "html_to",
    type=click.Path(),
    metavar="FILE",
    help="Write the report as a page; - likewise.",
)
@click.option(
    "--gradescope",
    "gradescope_to",
    type=click.Path(),
    metavar="FILE",
    help="Write Gradescope's results.json; - likewise.",
)
@click.option(
    "--markdown",
    "markdown_to",
    type=click.Path(),
    metavar="FILE",
    help="Write it as Markdown, as for a job's summary; - likewise.",
)
@click.option(
    "--junit",
    "junit_to",
    type=click.Path(),
    metavar="FILE",
    help="Write it as JUnit XML; - likewise.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print the score alone.")
@click.option(
    "--verbose", "-v", is_flag=True, help="Tell all faults in full, and list the passed checks too."
)
@COLOUR
def run(
    module: str,
    submission: str | None,
    course_dir: Path | None,
    only: tuple[str, ...],
    sandbox: str | None,
    seed: int | None,
    json_to: str | None,
    html_to: str | None,
    gradescope_to: str | None,
    markdown_to: str | None,
    junit_to: str | None,
    quiet: bool,
    verbose: bool,
    color: str,
) -> None:
    """Grades MODULE and prints the report."""
    from grader.course import find_course
    from grader.errors import unknown
    from grader.intake import read_submission

    course = find_course(Path.cwd(), course_dir)
    if module not in course.settings.modules:
        whole = click.get_current_context().find_root().command
        commands = list(whole.commands) if isinstance(whole, click.Group) else []
        raise UsageError(
            unknown("module or command", module, [*course.settings.modules, *commands])
        )
    outputs = {
        "json": json_to,
        "html": html_to,
        "gradescope": gradescope_to,
        "markdown": markdown_to,
        "junit": junit_to,
    }
    wanted = {name: to for name, to in outputs.items() if to is not None}
    check_outputs(wanted)
    if submission == "":
        raise UsageError("--submission: an empty name. Name a folder or a zip file")
    path = find_submission(Path(submission) if submission else None, course, module)
    progress = Progress(color)
    box: Sandbox | None = None
    try:
        ready = load_banks(course, module, seed, progress)
        for task in only:
            if task not in [t.id for t in ready.assignment.tasks]:
                raise UsageError(unknown("task", task, [t.id for t in ready.assignment.tasks]))
        check_asked(course, ready, only)
        taken = read_submission(path, ready.assignment.expects, ready.assignment.also)
        box = open_box(sandbox, course, ready, progress)
        report = grade_one(course, ready, taken, box, only=only, seed=seed, progress=progress)
    finally:
        progress.clear()
        if box is not None:
            box.close()
    if "-" not in wanted.values():
        show_report(report, quiet=quiet, verbose=verbose, color=color)
    write_views(report, wanted)
    raise SystemExit(exit_code(report))


def check_asked(course: Course, ready: Module, only: Sequence[str]) -> None:
    """Raises UsageError for a task of which no check is asked here, and for a module where none is: nothing would be
    graded, and nothing fail."""
    from grader.judge.grading import without_speed

    timed = course.pack(ready.assignment.name) is None and course.reference.is_dir()
    assignment = (ready if timed else without_speed(ready)).assignment
    asked = {check.task for check in assignment.checks}
    why = "; ".join(line for line in assignment.left_out if line.startswith("not asked here"))
    for task in only:
        if task not in asked:
            raise UsageError(f"--only {task}: no check of that task is left; {why}")
    if not asked:
        raise UsageError(f"{assignment.name}: no check is left; {why}")


def find_submission(given: Path | None, course: Course, module: str) -> Path:
    """The submission's path: as given, relative to here or to the course; this folder by default, and in a student's
    repository the whole of it where this is a folder of the code.

    Raises NotGradable in the course's own folder, which holds several submissions and is none. A student's holds
    packs, and is read as a submission whatever is missing in it.
    """
    from grader.course import load_module
    from grader.intake import holds

    settings = load_module(course, module)
    if given is None:
        here = Path.cwd()
        place = here.resolve()
        if holds(here, settings.expects) or not place.is_relative_to(course.root):
            return here
        if course.pack(module) is not None:
            top = place.relative_to(course.root).parts[:1]
            return course.root if {*top} & {*settings.expects, *settings.also} else here
        if place == course.root:
            raise NotGradable(
                f"{here} is the course's own folder and holds no submission. "
                "Name one: grade MODULE --submission DIR"
            )
        return here
    if not given.exists() and not given.is_absolute() and (course.root / given).exists():
        return course.root / given
    return given


@click.command("render", short_help="Make any view of a stored report again.")
@click.argument("report", type=click.Path(path_type=Path))
@click.option(
    "--as",
    "name",
    default="terminal",
    show_default=True,
    help="terminal, html, json, gradescope, markdown, junit or annotations.",
)
@click.option("--output", "-o", type=click.Path(), help="A file (default: standard output).")
@click.option("--verbose", "-v", is_flag=True, help="On the terminal: tell all in full.")
@click.option(
    "--for",
    "audience",
    type=click.Choice(["staff", "student"]),
    default="staff",
    show_default=True,
    help="A student's leaves out what is not shown yet.",
)
@click.option(
    "--at",
    default="",
    metavar="TIME",
    help="With --for student: what the dates of the course let students see then (default: now).",
)
@COURSE
@COLOUR
def render(
    report: Path,
    name: str,
    output: str | None,
    verbose: bool,
    audience: str,
    at: str,
    course_dir: Path | None,
    color: str,
) -> None:
    """Renders REPORT (a JSON report) without running any student code."""
    from grader.errors import unknown
    from grader.report import VIEWS

    if name not in VIEWS:
        raise UsageError(unknown("view", name, sorted(VIEWS)))
    if output not in (None, "-"):
        check_output(str(output), "--output")
    try:
        stored = read_report(report)
    except UsageError as error:
        if name == "annotations":
            from grader.report.annotations import no_report

            write_view(no_report(str(error)), output or "-")
        raise
    if audience == "student":
        from grader.report.audience import for_student

        stored = for_student(stored, shown_at(at, stored.module, course_dir))
    elif at:
        raise UsageError("--at: say for whom as well: --for student")
    text = None
    if name == "annotations":
        from grader.report.annotations import render as annotations

        text = annotations(stored, in_repository(stored))
    if name == "terminal" and output in (None, "-"):
        show_report(stored, quiet=False, verbose=verbose, color=color)
    else:
        write_view(text if text is not None else VIEWS[name](stored), output or "-")


def in_repository(report: Report) -> str:
    """The folder of a report's submission from the root of the repository that it lies in; "" where it lies in none,
    or is not here."""
    from grader.intake import GRADED_IN

    origin = Path(report.origin).resolve()
    if not origin.is_dir():
        return ""
    inner = [note.removeprefix(GRADED_IN) for note in report.notes if note.startswith(GRADED_IN)]
    workspace = Path(os.environ.get("GITHUB_WORKSPACE") or origin).resolve()
    above = [folder for folder in (origin, *origin.parents) if (folder / ".git").exists()]
    # That of the workflow, where others lie in it; where none is known by its .git, the workflow's folder.
    root = workspace if workspace in above or not above else above[0]
    if not origin.is_relative_to(root):
        return ""
    return (origin.relative_to(root) / "".join(inner[:1])).as_posix()


@click.command("replay", short_help="Ask one check of a stored report again.")
@click.argument("report", type=click.Path(path_type=Path))
@click.argument("check")
@click.option(
    "--submission",
    "-s",
    type=click.Path(path_type=Path),
    help="Where it lies now (default: as in the report).",
)
@COURSE
@click.option("--sandbox", type=click.Choice(["auto", "docker", "jail", "process"]))
@COLOUR
def replay(
    report: Path,
    check: str,
    submission: Path | None,
    course_dir: Path | None,
    sandbox: str | None,
    color: str,
) -> None:
    """Asks CHECK (a part of its title, or TASK/TITLE) of REPORT's submission again, with the same seed."""
    import msgspec

    from grader.course import find_course
    from grader.errors import unknown
    from grader.intake import read_submission
    from grader.model import OF_ONE_FILE

    stored = read_report(report)
    keys = [f"{v.task}/{v.title}" for v in stored.checks]
    found = [k for k in keys if k == check] or [k for k in keys if check.lower() in k.lower()]
    if not found:
        raise UsageError(unknown("check", check, keys))
    course = find_course(Path.cwd(), course_dir)
    progress = Progress(color)
    seed = stored.provenance.seed
    box: Sandbox | None = None
    try:
        packed = course.pack(stored.module) is not None  # its cases are those of its seed
        ready = load_banks(course, stored.module, None if packed else seed, progress)
        missing = [k for k in found if k not in ready.banks]
        if missing:
            raise UsageError(f"{missing[0]}: the course has no such check any more")
        for key in found:
            if stored.provenance.banks.get(key) not in (None, ready.banks[key].digest[:16]):
                click.echo(
                    f"note: the cases of {key} have changed since this report was made", err=True
                )
        free = tuple(msgspec.structs.replace(c, after=()) for c in ready.assignment.checks)
        few = msgspec.structs.replace(ready.assignment, checks=free)
        taken = read_submission(
            submission or Path(stored.origin),
            few.expects,
            few.also,
            any_name=few.binding in OF_ONE_FILE,  # as a batch takes it
        )
        if taken.digest[:16] != stored.provenance.submission_digest:
            click.echo("note: the submission has changed since this report was made", err=True)
        box = open_box(sandbox, course, ready, progress)
        again = grade_one(
            course,
            msgspec.structs.replace(ready, assignment=few),
            taken,
            box,
            keys=found,
            seed=seed,
            progress=progress,
        )
    finally:
        progress.clear()
        if box is not None:
            box.close()
    show_report(again, quiet=False, verbose=True, color=color)
    raise SystemExit(exit_code(again))


@click.command("schema", short_help="The JSON Schema of a report.")
def schema() -> None:
    """Prints the JSON Schema of the report."""
    from grader.report.json import schema as report_schema

    put(json.dumps(report_schema(), indent=2))


COMMANDS = (run, render, replay, schema)
