"""The command `grade`: parses, calls, prints, and ends with an exit code. Nothing else prints or exits.

Data goes to standard output, progress and errors to standard error. Exit codes: 0 graded and everything
passed, 1 graded and something failed, 2 a usage or configuration error, 3 the submission cannot be graded,
4 a fault of the grader or its sandbox, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

import grader
from grader.errors import GraderError, NotGradable, OutputFault, UsageError

if TYPE_CHECKING:
    from grader.bank import Module
    from grader.course import Course
    from grader.model import Report
    from grader.sandbox import Sandbox

COURSE = click.option(
    "--course", "course_dir", type=click.Path(path_type=Path), envvar="GRADE_COURSE",
    help="The course's folder (default: the nearest grader.yaml above here).",
)  # fmt: skip
COLOUR = click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True,
    help="Colour on the terminal; NO_COLOR and FORCE_COLOR are obeyed.",
)  # fmt: skip


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
    grade doctor                           what works on this machine
    """


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


@cli.command("run", short_help="Grade a submission: `grade module2`.")
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
    from grader.course import find_course, load_module, unknown
    from grader.intake import read_submission

    course = find_course(Path.cwd(), course_dir)
    if module not in course.settings.modules:
        commands = list(cli.commands)
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
    path = find_submission(
        Path(submission) if submission else None, course, load_module(course, module).expects
    )
    progress = Progress(color)
    box: Sandbox | None = None
    try:
        ready = load_banks(course, module, seed, progress)
        for task in only:
            if task not in [t.id for t in ready.assignment.tasks]:
                raise UsageError(unknown("task", task, [t.id for t in ready.assignment.tasks]))
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


def find_submission(given: Path | None, course: Course, expects: Sequence[str]) -> Path:
    """The submission's path: as given, relative to here or to the course; this folder by default.

    Raises NotGradable in the course's own folder, which holds several submissions and is none.
    """
    from grader.intake import holds

    if given is None:
        here = Path.cwd()
        if here.resolve() == course.root and not holds(here, expects):
            raise NotGradable(
                f"{here} is the course's own folder and holds no submission. "
                "Name one: grade MODULE --submission DIR"
            )
        return here
    if not given.exists() and not given.is_absolute() and (course.root / given).exists():
        return course.root / given
    return given


def with_seed(course: Course, seed: int | None) -> Course:
    """The course with another seed."""
    import msgspec

    if seed is None:
        return course
    settings = msgspec.structs.replace(course.settings, seed=seed)
    return msgspec.structs.replace(course, settings=settings)


def load_banks(course: Course, module: str, seed: int | None, progress: Progress) -> Module:
    """The module with its banks, from its pack where it has one; else saying what is drawn when they must be
    drawn first."""
    from grader import bank

    if course.pack(module) is not None:
        from grader import pack

        if seed is not None:
            raise UsageError(
                "--seed: a pack holds its cases already; new ones are drawn where the course is"
            )
        return pack.ready(course, module)

    def drawing(key: str, done: int, total: int) -> None:
        progress.say(f"drawing the cases of {module} (once): {done}/{total} {key}")

    return bank.load(with_seed(course, seed), module, drawing)


def open_box(name: str | None, course: Course, ready: Module, progress: Progress) -> Sandbox:
    """The box that was asked for, or else the course's, in which no file of the answers can be opened."""
    from grader import bank
    from grader.sandbox.choose import Wanted, choose

    assignment = ready.assignment
    packed = course.pack(assignment.name)
    answers = [
        *sorted(course.reference.rglob("*.py"))[:4],
        course.folder(assignment.name) / "checks.py",
        bank.bank_path(assignment.name, ready.digest),
        *([packed] if packed is not None else []),
    ]
    wanted = Wanted(
        preload=assignment.preload,
        limits=assignment.limits,
        secrets=[str(path.absolute()) for path in answers],
        say=progress.note,
    )
    isolation = course.settings.isolation
    return choose(name or isolation.sandbox, isolation, wanted)


def opponent_of(course: Course, ready: Module) -> Any:
    """The reference as a submission where a check of speed needs it; None where none does."""
    from grader.intake import read_folder

    timed = any(check.at_most_times for check in ready.assignment.checks)
    if not timed or not course.reference.is_dir():
        return None
    return read_folder(course.reference, ready.assignment.expects, ready.assignment.also)


def grade_one(
    course: Course,
    ready: Module,
    submission: Any,
    box: Sandbox,
    *,
    only: Sequence[str] = (),
    keys: Sequence[str] = (),
    seed: int | None,
    progress: Progress,
) -> Report:
    """The report on one submission, with shrinking and hints."""
    from grader.judge.grade import grade
    from grader.judge.shrink import Shrinker

    seeded = with_seed(course, seed)
    earlier = {}
    for name in ready.assignment.earlier:
        path = course.reference / name
        if path.is_file():
            earlier[name] = path.read_bytes()

    def step(check: Any, done: int, total: int) -> None:
        progress.say(f"{done}/{total} {check.task} {check.title}")

    packed = course.pack(ready.assignment.name) is not None
    with contextlib.nullcontext() if packed else Shrinker(seeded, ready) as shrinker:
        return grade(
            ready,
            submission,
            box,
            seed=seeded.settings.seed,
            course=course.settings.course,
            only=only,
            keys=keys,
            opponent=opponent_of(course, ready),
            shrinker=shrinker,
            earlier=earlier,
            earlier_mode=course.settings.earlier,
            progress=step,
        )


def check_outputs(wanted: dict[str, str]) -> None:
    """Raises UsageError for an output that cannot work, before anything is graded."""
    if list(wanted.values()).count("-") > 1:
        raise UsageError(
            "only one of --json, --html and --gradescope can go to standard output (-)"
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


def show_report(report: Report, *, quiet: bool, verbose: bool, color: str) -> None:
    """Prints the report for a person."""
    if quiet:
        score = "held" if report.score is None else f"{report.score:g}"
        put(f"{report.module} {score}/{report.max_score:g}")
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


def terminal_width() -> int:
    """Columns to write to: the terminal's, at most 120; 80 where there is none."""
    import shutil

    return min(shutil.get_terminal_size((80, 24)).columns, 120)


def use_colour(choice: str, stream: Any) -> bool:
    """Whether to colour what goes to `stream`: the flag, then NO_COLOR, FORCE_COLOR, then the terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


def exit_code(report: Report) -> int:
    """0 when everything passed, 1 when something failed, 4 when something is held."""
    if report.score is None:
        return 4
    from grader.model import Outcome

    return 0 if all(v.outcome is Outcome.PASSED for v in report.checks) else 1


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
            sys.stderr.write("\r\x1b[K" + text[:width])
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


@cli.command("list", short_help="The course's modules, or a module's checks.")
@click.argument("module", required=False, shell_complete=complete_module)
@COURSE
def list_(module: str | None, course_dir: Path | None) -> None:
    """Lists the modules of the course, or the tasks and checks of MODULE with their points."""
    from grader.course import find_course, load_checks, load_module

    course = find_course(Path.cwd(), course_dir)
    if module is None:
        put(f"{course.settings.course} ({course.root})")
        for name in course.settings.modules:
            settings = load_module(course, name)
            total = sum(task.points for task in settings.tasks)
            put(f"  {name:<12} {total:g} points  {settings.title}")
        return
    from grader.judge.grade import points

    if course.pack(module) is not None:
        assignment = load_banks(course, module, None, Progress()).assignment
    else:
        assignment, _ = load_checks(course, module)
    put(f"{module}: {assignment.title}")
    for task in assignment.tasks:
        put(f"  {task.id}  {task.title} ({task.points:g} points)")
        for check in assignment.checks:
            if check.task == task.id:
                put(f"    {points(assignment, check):6.2f}  {check.title}")


@cli.command("bank", short_help="Build, list, show or check the stored cases.")
@click.argument("action", type=click.Choice(["build", "list", "show", "check"]))
@click.argument("module", required=False, shell_complete=complete_module)
@click.option("--check", "wanted", help="For `show`: the check, by a part of its title.")
@COURSE
def bank_(action: str, module: str | None, wanted: str | None, course_dir: Path | None) -> None:
    """The case banks: drawn once, answered by the reference once, kept by content.

    \b
    build [MODULE]   draws what is not there yet
    list [MODULE]    one line for each bank: cases, digest, check
    show MODULE      the cases of one check (--check) with the expected answers
    check [MODULE]   draws everything anew and compares with what is stored
    """
    from grader import bank
    from grader.box import wire
    from grader.course import find_course, unknown
    from grader.judge.compare import show

    course = find_course(Path.cwd(), course_dir)
    modules = [module] if module else list(course.settings.modules)
    progress = Progress()
    differ = False
    for name in modules:
        ready = load_banks(course, name, None, progress)
        progress.clear()
        path = bank.bank_path(name, ready.digest)
        if action == "build":
            cases = sum(len(b.cases) for b in ready.banks.values())
            put(f"{name}: {len(ready.banks)} checks, {cases} cases in {path}")
        elif action == "list":
            for item in ready.banks.values():
                put(f"{name}  {len(item.cases):5d}  {item.digest[:12]}  {item.check}")
        elif action == "check":
            if course.pack(name) is not None:
                put(f"{name}: a pack, whose digest fits; cases are drawn where the course is")
                continue
            again = bank.build(course, name, ready.digest)
            wrong = [k for k, b in again.banks.items() if ready.banks[k].digest != b.digest]
            differ |= bool(wrong)
            for key in wrong:
                put(f"{name}: {key}: drawn anew, it holds other cases or answers")
            put(
                f"{name}: {len(again.banks) - len(wrong)} of {len(again.banks)} banks are the same drawn anew"
            )
        else:
            found = [b for k, b in ready.banks.items() if (wanted or "").lower() in k.lower()]
            if not wanted:
                raise UsageError("name a check: grade bank show MODULE --check PART-OF-ITS-TITLE")
            if not found:
                raise UsageError(f"{name}: {unknown('check', wanted, list(ready.banks))}")
            for item in found:
                put(item.check)
                for case, answer in zip(item.cases, item.answers, strict=True):
                    put(f"  {show(wire.decode(case))}  ->  {show(wire.decode(answer))}")
    if differ:
        raise SystemExit(1)


@cli.command("pack", short_help="Put a module into one file, without the answer key.")
@click.argument("module", shell_complete=complete_module)
@click.option(
    "--for",
    "audience",
    type=click.Choice(["student", "grader"]),
    default="student",
    show_default=True,
    help="Whose it is: the public checks alone, or all.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(),
    help="The file (default: MODULE.pack; - for standard output).",
)
@COURSE
def pack_(module: str, audience: str, output: str | None, course_dir: Path | None) -> None:
    """Writes MODULE's questions, cases, expected answers and handout as one file.

    With the file in the folder packs/ beside a grader.yaml, `grade MODULE` grades there without assignments/
    and without reference/. A pack for students has the public checks alone.
    """
    from grader import pack
    from grader.course import find_course

    course = find_course(Path.cwd(), course_dir)
    if course.pack(module) is not None:
        raise UsageError(
            f"{course.pack(module)}: {module} is a pack already; packs are made of a course"
        )
    to = output or f"{module}{pack.SUFFIX}"
    check_output(to, "--output")
    progress = Progress()
    ready = load_banks(course, module, None, progress)
    progress.clear()
    data = pack.make(course, ready, audience)
    if to == "-":
        sys.stdout.buffer.write(data)
        return
    from grader.bank import write_whole

    try:
        write_whole(Path(to), data)
    except OSError as error:
        raise OutputFault(f"{to}: cannot be written: {error.strerror}") from error
    held = pack.read(Path(to)).module
    cases = sum(len(b.cases) for b in held.banks.values())
    put(
        f"{to}: {len(held.banks)} checks with {cases} cases for the {audience}, {len(data) / 1024:.0f} KiB, "
        f"digest {pack.read_header(Path(to)).digest[:12]}"
    )


@cli.command("image", short_help="Build, list or remove the Docker sandbox's image.")
@click.argument("action", type=click.Choice(["build", "list", "remove"]))
@click.option(
    "--pull", is_flag=True, help="Build from the Dockerfile, with a registry and PyPI, instead."
)
@click.option("--force", is_flag=True, help="Build although the engine holds the image.")
@COURSE
def image_(action: str, pull: bool, force: bool, course_dir: Path | None) -> None:
    """The image of the Docker sandbox: a Python with what submissions may import, nothing of the course.

    \b
    build    makes it from this machine's Python (no registry is needed), unless the engine holds it
    list     the images of ours that the engine holds
    remove   removes them all; containers that were left behind too
    """
    from grader.course import find_course, load_module
    from grader.sandbox import docker, image

    course = find_course(Path.cwd(), course_dir)
    settings = course.settings.isolation.docker
    client = docker.connect()
    try:
        if action == "build":
            progress = Progress()
            for names in sorted(
                {
                    image.wanted(load_module(course, name).preload, settings.packages)
                    for name in course.settings.modules
                }
            ):
                held = {name for name, _, _ in image.stored(client)}
                if image.tag(names) in held and not force:
                    click.echo(f"{image.tag(names)}  there already: {', '.join(names)}")
                    continue
                if pull:
                    built = image.build_from_dockerfile(client, names)
                else:
                    built = image.build(client, names, progress.note)
                progress.clear()
                click.echo(f"{built}  built: {', '.join(names)}")
        elif action == "list":
            for name, size, short in image.stored(client):
                click.echo(f"{name}  {size >> 20} MiB  {short}")
        else:
            for short in docker.reap(client):
                click.echo(f"removed container {short}")
            for name in image.remove(client):
                click.echo(f"removed {name}")
    finally:
        client.close()


@cli.command(short_help="What works on this machine, and what to install.")
@COURSE
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(course_dir: Path | None, as_json: bool) -> None:
    """Says what works here: Python, packages, sandboxes with the walls that are really up, the course."""
    from grader.doctor import examine

    found = examine(course_dir)
    if as_json:
        put(json.dumps([item._asdict() for item in found], indent=2))
    else:
        for item in found:
            put(f"{'ok ' if item.fine else '-- '} {item.what:<22} {item.detail}")
            if item.advice:
                put(f"     {item.advice}")
    if any(item.needed and not item.fine for item in found):
        raise SystemExit(4)


def read_report(path: Path) -> Report:
    """A stored report. Raises UsageError when there is none at `path`."""
    from grader.report.json import from_json

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return from_json(data)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


@cli.command(short_help="Make any view of a stored report again.")
@click.argument("report", type=click.Path(path_type=Path))
@click.option(
    "--as",
    "name",
    default="terminal",
    show_default=True,
    help="terminal, html, json, gradescope, markdown or junit.",
)
@click.option("--output", "-o", type=click.Path(), help="A file (default: standard output).")
@click.option("--verbose", "-v", is_flag=True, help="On the terminal: tell all in full.")
@COLOUR
def render(report: Path, name: str, output: str | None, verbose: bool, color: str) -> None:
    """Renders REPORT (a JSON report) without running any student code."""
    from grader.course import unknown
    from grader.report import VIEWS

    if name not in VIEWS:
        raise UsageError(unknown("view", name, sorted(VIEWS)))
    if output not in (None, "-"):
        check_output(str(output), "--output")
    stored = read_report(report)
    if name == "terminal" and output in (None, "-"):
        show_report(stored, quiet=False, verbose=verbose, color=color)
    else:
        write_view(VIEWS[name](stored), output or "-")


@cli.command(short_help="Ask one check of a stored report again.")
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

    from grader.course import find_course, unknown
    from grader.intake import read_submission

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
        ready = load_banks(course, stored.module, seed, progress)
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
        taken = read_submission(submission or Path(stored.origin), few.expects, few.also)
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


@cli.command(short_help="Check or write the template that students start from.")
@click.argument("module", required=False, shell_complete=complete_module)
@click.option(
    "--check", "only_check", is_flag=True, help="Compare the committed template with the reference."
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write it to this folder.")
@COURSE
def template(
    module: str | None, only_check: bool, output: Path | None, course_dir: Path | None
) -> None:
    """Makes `student_template/` from the marked regions of `reference/`, or checks that they agree.

    With MODULE and --output DIR: the whole repository that a student clones for that module, with the hand-out,
    the public checks as a pack, a workflow for GitHub Actions and a README.
    """
    from grader import template as stripping
    from grader.course import find_course

    course = find_course(Path.cwd(), course_dir)
    if module is not None:
        student_repository(course, module, output, only_check)
        return
    target = output or course.root / "student_template"
    try:
        files = stripping.generate(course.reference)
        differences = stripping.check(course.reference, target) if only_check else []
    except stripping.TemplateError as error:
        raise UsageError(str(error)) from error
    if only_check:
        for line in differences:
            put(line)
        if differences:
            raise SystemExit(1)
        put(f"{target}: {len(files)} files agree with {course.reference}")
        return
    write_files(target, files)
    put(f"wrote {len(files)} files to {target}")


def student_repository(course: Course, module: str, output: Path | None, only_check: bool) -> None:
    """Writes what a student clones, into a folder that is not there or empty."""
    from grader.platforms import student

    if only_check or output is None:
        raise UsageError(
            "grade template MODULE --output DIR: name a folder for the student's repository"
        )
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(
            f"{output}: is there already and not empty. Name a folder that is to be made"
        )
    if course.pack(module) is not None:
        raise UsageError(f"{module} is a pack here: a template is made where the course is")
    progress = Progress()
    ready = load_banks(course, module, None, progress)
    progress.clear()
    made = student.files(course, ready)
    write_files(output, made)
    put(f"{output}: {len(made)} files. Try: cd {output} && grade {module}")


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


@cli.command(short_help="Take your files of earlier modules along to the next.")
@click.argument("module", shell_complete=complete_module)
@click.option(
    "--from",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder of your work on the module before.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be copied, and copy nothing.")
@COURSE
def start(module: str, source: Path, dry_run: bool, course_dir: Path | None) -> None:
    """Copies your own files of earlier modules, which MODULE builds on, into this folder.

    What was here under the same name is kept beside it as NAME.before, unless it is what you bring.
    """
    from grader.course import find_course
    from grader.platforms import student

    course = find_course(Path.cwd(), course_dir)
    if not source.is_dir():
        raise UsageError(f"--from {source}: there is no such folder")
    if source.resolve() == course.root:
        raise UsageError(f"--from {source}: that is this folder. Name the one of the module before")
    found, absent = student.carried(course, module, source)
    for name, data in found.items():
        path = course.root / name
        here = path.read_bytes() if path.is_file() else None
        state = (
            "the same"
            if here == data
            else "copied"
            if here is None
            else "copied, the old one is kept"
        )
        if here is not None and here != data and not dry_run:
            write_files(course.root, {f"{name}.before": here})
        if here != data and not dry_run:
            write_files(course.root, {name: data})
        put(f"{name}: {state if not dry_run or here == data else 'would be copied'}")
    for name in absent:
        put(f"{name}: not in {source}; the one here stays")
    if not found:
        put(f"{module} needs no file of an earlier module")


@cli.command(short_help="The JSON Schema of a report.")
def schema() -> None:
    """Prints the JSON Schema of the report."""
    from grader.report.json import schema as report_schema

    put(json.dumps(report_schema(), indent=2))


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
        text = f"a fault of the grader: {type(error).__name__}: {error}. Run again with --debug and report it"
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
    import _thread
    import signal
    import threading

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def unraisable(lost: Any) -> None:
        # Raised inside a callback of the garbage collector (Hypothesis has one), it went nowhere.
        if issubclass(lost.exc_type, KeyboardInterrupt):
            threading.Timer(0.05, _thread.interrupt_main, (signal.SIGTERM,)).start()
        else:
            sys.__unraisablehook__(lost)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)
    sys.unraisablehook = unraisable


def json_target(argv: Sequence[str]) -> str:
    """Where the command line wants the report as JSON, read without a parser, for the case that something
    is wrong with it; "" nowhere."""
    if "doctor" in argv:
        return ""  # there, --json takes no file
    for place, word in enumerate(argv):
        if word == "--json" and place + 1 < len(argv):
            return argv[place + 1]
        if word.startswith("--json="):
            return word.removeprefix("--json=")
    return ""


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
