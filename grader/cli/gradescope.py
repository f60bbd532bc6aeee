"""The commands for Gradescope: `gradescope build` on the instructor's machine, `gradescope run` on theirs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from grader.cli.console import COURSE, Progress, Within, check_output, complete_module, put
from grader.errors import OutputFault, UsageError
from grader.setting import load_banks


@click.group("gradescope", short_help="Make the zip that Gradescope takes.")
def gradescope_() -> None:
    """Grading on Gradescope: make the zip here, and upload it as the assignment's autograder."""


@gradescope_.command("build", short_help="Make autograder.zip for a module.")
@click.argument("module", shell_complete=complete_module)
@click.option(
    "--output",
    "-o",
    type=click.Path(),
    default="autograder.zip",
    show_default=True,
    help="The file; - for standard output.",
)
@click.option(
    "--minutes",
    type=Within(1, 40),
    default=10.0,
    show_default=True,
    help="The timeout in the assignment's settings.",
)
@click.option(
    "--attempts",
    type=click.IntRange(0),
    default=0,
    help="Grade this many submissions of a student; the last score stands then (default: all).",
)
@click.option(
    "--leaderboard", is_flag=True, help="Send the times of the module's checks of speed to it."
)
@COURSE
def build(
    module: str,
    output: str,
    minutes: float,
    attempts: int,
    leaderboard: bool,
    course_dir: Path | None,
) -> None:
    """Writes MODULE's checks, the engine and two scripts as the zip that Gradescope asks for."""
    from grader.bank import write_whole
    from grader.course import find_course
    from grader.platforms.gradescope import Settings, archive, terms_there, warnings

    course = find_course(Path.cwd(), course_dir)
    if course.pack(module) is not None:
        raise UsageError(f"{module} is a pack here: the zip is made where the course is")
    check_output(output, "--output")
    progress = Progress()
    ready = load_banks(course, module, None, progress)
    progress.clear()
    if leaderboard and not any(check.at_most_times for check in ready.assignment.checks):
        raise UsageError(f"--leaderboard: {module} has no check of speed (at_most_times)")
    settings = Settings(
        module=module,
        minutes=minutes,
        attempts=attempts,
        terms=terms_there(course, module),
        leaderboard=leaderboard,
    )
    data = archive(course, ready, settings)
    if output == "-":
        sys.stdout.buffer.write(data)
    else:
        try:
            write_whole(Path(output).absolute(), data)
        except OSError as error:
            raise OutputFault(f"{output}: cannot be written: {error.strerror}") from error
    for line in warnings(ready, settings, course.settings.earlier):
        click.echo(f"note: {line}", err=True)
    if output != "-":
        put(f"{output}: {len(data) / 1024:.0f} KiB. Upload it as the assignment's autograder")


@gradescope_.command("run", hidden=True)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default=Path("/autograder"),
    show_default=True,
    help="The folder with source, submission and results.",
)
def run(root: Path) -> None:
    """Grades the submission in Gradescope's container. `run_autograder` calls this."""
    from grader.platforms.gradescope_run import run as run_there

    run_there(root, Progress("never"))


COMMANDS = (gradescope_,)
