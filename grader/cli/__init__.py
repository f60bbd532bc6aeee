"""The command `grade`: parses, calls, prints, and ends with an exit code. Nothing else prints or exits.

Data goes to standard output, progress and errors to standard error. Exit codes: 0 graded and everything
passed, 1 graded and something failed, 2 a usage or configuration error, 3 the submission cannot be graded,
4 a fault of the grader or its sandbox, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import grader
from grader.cli import batch, courses, gradebook, gradescope, grading, similar
from grader.cli.console import complain, course_modules, put
from grader.errors import GraderError, OutputFault, UsageError


class Commands(click.Group):
    """`grade module2` is `grade run module2`: a first word that is no command is a module's name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            return "run", self.get_command(ctx, "run"), args
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        modules = course_modules(ctx)
        found = [CompletionItem(name) for name in modules if name.startswith(incomplete)]
        return [*found, *super().shell_complete(ctx, incomplete)]


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True
)
@click.version_option(grader.__version__, prog_name="grade")
@click.option("--debug", is_flag=True, envvar="GRADE_DEBUG", help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Grades a module of a course in automatic differentiation.

    \b
    grade module2                          the submission in this folder
    grade module2 --submission work.zip    another one
    grade module2 --only 2.4               one task
    grade module2 --html report.html       also as a page
    grade batch module2 class/ --out out   a whole class
    grade doctor                           what works on this machine
    """


for command in (
    *grading.COMMANDS,
    *batch.COMMANDS,
    *gradebook.COMMANDS,
    *similar.COMMANDS,
    *courses.COMMANDS,
    *gradescope.COMMANDS,
):
    cli.add_command(command)


@cli.command(short_help="How to switch on shell completion.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Prints the completion script: put `eval "$(grade completion bash)"` into the shell's start file."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"no completion for {shell}")
    put(kind(cli, {}, "grade", "_GRADE_COMPLETE").source())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point: runs the command and ends the process with a documented exit code."""
    import traceback

    open_streams()
    end_on_signals()
    argv = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in argv or os.environ.get("GRADE_DEBUG", "0") not in ("", "0")
    as_json = json_target(argv)
    try:
        cli.main(argv, prog_name="grade", standalone_mode=False)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 4
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("\ninterrupted", err=True)
        code = 130
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = 2
    except click.ClickException as error:
        if as_json == "-":
            complain(error.format_message(), 2, as_json)
        else:
            error.show()
        code = 2
    except GraderError as error:
        if debug:
            traceback.print_exc()
        complain(str(error), error.exit_code, "" if isinstance(error, OutputFault) else as_json)
        code = error.exit_code
    except Exception as error:
        if debug:
            traceback.print_exc()
        text = f"a fault of the grader: {type(error).__name__}: {error}. Run again as `grade --debug ...` and report it"
        complain(text, 4, as_json)
        code = 4
    raise SystemExit(code)


def open_streams() -> None:
    """Opens the standard streams that whoever started us has closed: what is opened next would take
    their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def end_on_signals() -> None:
    """Lets SIGTERM and a closed terminal end the command as Ctrl-C does: with nothing left behind."""
    import signal

    from grader.signals import heard

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)
    heard(signal.SIGTERM, stop, KeyboardInterrupt)


def json_target(argv: Sequence[str]) -> str:
    """Where the command line wants the report as JSON, read without a parser, for the case that something
    is wrong with it; "" nowhere."""
    if next((word for word in argv if not word.startswith("-")), "") in ("doctor", "batch"):
        return "-" if "--json" in argv else ""  # there, --json takes no file
    for place, word in enumerate(argv):
        if word == "--json" and place + 1 < len(argv):
            return argv[place + 1]
        if word.startswith("--json="):
            return word.removeprefix("--json=")
    return ""
