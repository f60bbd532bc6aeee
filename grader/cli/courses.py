"""The commands for those who make a course, and for the machine it runs on: list, bank, pack, image, doctor,
template, start."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader.cli.console import (
    COURSE,
    Progress,
    check_output,
    complete_module,
    put,
    write_files,
)
from grader.errors import OutputFault, UsageError
from grader.setting import load_banks

if TYPE_CHECKING:
    from grader.course import Course


@click.command("list", short_help="The course's modules, or a module's checks.")
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
            total = sum(task.points for task in settings.tasks if not task.extra)
            extra = sum(task.points for task in settings.tasks if task.extra)
            more = f" and {extra:g} extra" if extra else ""
            put(f"  {name:<12} {total:g} points{more}  {settings.title}")
        return
    from grader.judge.grading import points

    if course.pack(module) is not None:
        assignment = load_banks(course, module, None, Progress()).assignment
    else:
        assignment, _ = load_checks(course, module)
    put(f"{module}: {assignment.title}")
    for task in assignment.tasks:
        kind = " of extra credit" if task.extra else ""
        put(f"  {task.id}  {task.title} ({task.points:g} points{kind})")
        for check in assignment.checks:
            if check.task == task.id:
                put(f"    {points(assignment, check):6.2f}  {check.title}")


@click.command("bank", short_help="Build, list, show or check the stored cases.")
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
    from grader.course import find_course
    from grader.errors import unknown
    from grader.judge.compare import show

    course = find_course(Path.cwd(), course_dir)
    modules = [module] if module else list(course.settings.modules)
    progress = Progress()
    differ = False
    for name in modules:
        ready = load_banks(course, name, None, progress)
        progress.clear()
        path = course.pack(name) or bank.bank_path(name, ready.digest)
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
                why = unknown("check", wanted, list(ready.banks))
                raise UsageError(f"{name}: {why}. All of them: grade list {name}")
            for item in found:
                put(item.check)
                for case, answer in zip(item.cases, item.answers, strict=True):
                    put(f"  {show(wire.decode(case))}  ->  {show(wire.decode(answer))}")
    if differ:
        raise SystemExit(1)


@click.command("pack", short_help="Put a module into one file, without the answer key.")
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


@click.command("image", short_help="Build, list or remove the Docker sandbox's image.")
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


@click.command("doctor", short_help="What works on this machine, and what to install.")
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


@click.command("template", short_help="Check or write the template that students start from.")
@click.argument("module", required=False, shell_complete=complete_module)
@click.option(
    "--check", "only_check", is_flag=True, help="Compare the committed template with the reference."
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write it to this folder.")
@click.option(
    "--install",
    default="backcheck",
    show_default=True,
    metavar="WHAT",
    help="What students tell pip to install: a version, or the address of a wheel.",
)
@COURSE
def template(
    module: str | None,
    only_check: bool,
    output: Path | None,
    install: str,
    course_dir: Path | None,
) -> None:
    """Makes `student_template/` from the marked regions of `reference/`, or checks that they agree.

    With MODULE and --output DIR: the whole repository that a student clones for that module, with the hand-out,
    the public checks as a pack, a workflow for GitHub Actions and a README.
    """
    from grader import template as stripping
    from grader.course import find_course

    course = find_course(Path.cwd(), course_dir)
    if module is not None:
        student_repository(course, module, output, only_check, install)
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


def student_repository(
    course: Course, module: str, output: Path | None, only_check: bool, install: str
) -> None:
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
    if not install.strip() or not install.isprintable():
        raise UsageError("--install: say what pip is to install, such as backcheck==0.1.0")
    made = student.files(course, ready, install)
    write_files(output, made)
    put(f"{output}: {len(made)} files. Try: cd {shlex.quote(str(output))} && grade {module}")


@click.command("start", short_help="Take your files of earlier modules along to the next.")
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

    What was here under the same name is kept beside it as NAME.before (or NAME.before2, and so on, where that is
    taken), unless it is what you bring. A file is left where it is if it has a task still to do that is done here.
    """
    from grader.course import find_course
    from grader.platforms import student

    course = find_course(Path.cwd(), course_dir)
    if not source.is_dir():
        said = (
            "this is no folder. Unpack it first" if source.exists() else "there is no such folder"
        )
        raise UsageError(f"--from {source}: {said}")
    if source.resolve() == course.root:
        raise UsageError(f"--from {source}: that is this folder. Name the one of the module before")
    found = student.carried(course, module, source)
    faults = [fault for name in found.files if (fault := in_the_way(course.root, name))]
    if faults:
        raise UsageError(f"{'. '.join(faults)}. Nothing was copied")
    for name, data in found.files.items():
        path = course.root / name
        here = path.read_bytes() if path.is_file() else None
        undone = student.lost(data, here) if here is not None else []
        if here == data:
            state = "the same"
        elif undone:
            verb = "are" if len(undone) > 1 else "is"
            put(
                f"{name}: not taken: {' and '.join(undone)} {verb} still to do in it, and done here"
            )
            continue
        elif dry_run:
            state = "would be copied"
        elif here is None:
            state = "copied"
        else:
            kept = free_name(course.root, f"{name}.before", here)
            write_files(course.root, {kept: here})
            state = f"copied, the old one is kept as {Path(kept).name}"
        if here != data and not dry_run:
            write_files(course.root, {name: data})
        put(f"{name}: {state}")
    for name in found.absent:
        put(f"{name}: not in {source}; the one here stays")
    for name in found.kept:
        put(f"{name}: not taken: another one is here already")
    if not found.files:
        put(f"{module} needs no file of an earlier module")


def in_the_way(root: Path, name: str) -> str:
    """Why a file of that name cannot be written below a folder, or "" where it can."""
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        return f"{path}: a link leads out of this folder. Remove it"
    if path.exists() and not path.is_file():
        return f"{path}: this is no file. Move it away, for {name} is to be put there"
    for parent in list(path.relative_to(root).parents)[:-1]:
        if (root / parent).exists() and not (root / parent).is_dir():
            return (
                f"{root / parent}: this is no folder. Move it away, for {name} is to be put in it"
            )
    return ""


def free_name(root: Path, name: str, data: bytes) -> str:
    """A name under which nothing else is kept yet: `name`, or with a number behind it."""
    for number in itertools.count(2):
        path = root / name
        if not os.path.lexists(path) or (path.is_file() and path.read_bytes() == data):
            break
        name = f"{name.rstrip('0123456789')}{number}"
    return name


COMMANDS = (list_, bank_, pack_, image_, doctor, template, start)
