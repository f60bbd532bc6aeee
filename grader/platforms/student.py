"""What a student gets for one module: template, hand-out, a pack with the public checks, and what runs them.

`files` makes it, for their machine and for GitHub Actions; `carried` is what a student takes along from the module
before. Nothing here writes a file.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
import shlex
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import jinja2

from grader import pack, template
from grader.bank import Module
from grader.course import Course, load_module
from grader.errors import UsageError
from grader.judge.grading import without_speed

# As `grader.template` writes it.
_TO_DO = re.compile(r"""NotImplementedError\(\s*(['"])(Task [\w.-]+: [^\n]*?)\1\s*\)""")
WORKFLOW = ".github/workflows/grade.yml"


def files(course: Course, module: Module, install: str = "backcheck") -> dict[str, bytes]:
    """The files of a student's repository for a module, by their path in it. install: what pip is told to install.

    Raises UsageError where the template cannot be made or no check is public.
    """
    name = module.assignment.name
    settings = load_module(course, name)
    try:
        stripped = template.generate(course.reference)
    except template.TemplateError as error:
        raise UsageError(str(error)) from error
    wanted = {*settings.expects, *settings.also}
    found = {
        path: data
        for path, data in stripped.items()
        if path.split("/")[0].removesuffix(".py") in wanted
    }
    handout = course.folder(name) / "handout.md"
    if handout.is_file():
        found["HANDOUT.md"] = handout.read_bytes()
    public = without_speed(pack.public(module)).assignment
    asked = {check.task for check in public.checks}
    tasks = [task for task in public.tasks if task.id in asked] or list(public.tasks)

    def rest(extra: bool) -> float:
        whole = sum(task.points for task in settings.tasks if task.extra is extra)
        return whole - sum(task.points for task in tasks if task.extra is extra)

    values = {
        "course": course.settings.course,
        "name": name,
        "title": settings.title,
        "expects": settings.expects,
        "also": settings.also,
        "earlier": settings.earlier,
        "tasks": tasks,
        "rest": rest(False),
        "rest_extra": rest(True),
        "example_marker": "task" + re.sub(r"\W", "_", tasks[-1].id),
        "previous": _previous(course, name),
        "has_handout": "HANDOUT.md" in found,
        "install": shlex.quote(install),
    }
    for path, source in (
        ("grader.yaml", "grader.yaml.j2"),
        ("README.md", "readme.md.j2"),
        (WORKFLOW, "grade.yml.j2"),
        (".gitignore", "gitignore.j2"),
        ("pytest.ini", "pytest.ini.j2"),
    ):
        found[path] = _environment().get_template(source).render(values).encode()
    found[f"packs/{name}{pack.SUFFIX}"] = pack.make(course, module, "student")
    return dict(sorted(found.items()))


class Carried(NamedTuple):
    """What a student takes along. files: by their path; absent: earlier files that are not where they were looked for;
    kept: files that are imported and not taken, because another of that name is here."""

    files: dict[str, bytes]
    absent: list[str]
    kept: list[str]


def carried(course: Course, name: str, source: Path) -> Carried:
    """The student's own files of earlier modules that a module needs, from the folder of their work on the one
    before, with the files that they import of those the student added."""
    wanted = load_module(course, name).earlier
    found, absent = {}, []
    for path in wanted:
        place = source / path
        if place.is_symlink():
            raise UsageError(f"{place}: this is a link. Put the file itself there")
        if place.is_file():
            found[path] = place.read_bytes()
        else:
            absent.append(path)
    if wanted and not found:
        raise UsageError(
            f"{source}: none of the earlier files is there, such as {wanted[0]}. Name the folder of your work on "
            "the module before"
        )
    more, kept = added(found, source, course.root)
    return Carried(found | more, absent, kept)


def added(
    carried: dict[str, bytes], source: Path, here: Path
) -> tuple[dict[str, bytes], list[str]]:
    """The Python files that those carried import, which `here` does not have: no template brings them, so they are
    the student's. Beside them the names of those that `here` has, and has otherwise."""
    found: dict[str, bytes] = {}
    kept: list[str] = []
    seen = set(carried)
    following = list(carried.items())
    while following:
        name, data = following.pop()
        for path in imported(name, data) - seen if name.endswith(".py") else ():
            seen.add(path)
            place = source / path
            if place.is_symlink() or not place.is_file():
                continue
            there = place.read_bytes()
            if not (here / path).exists():
                found[path] = there
            elif not (here / path).is_file() or (here / path).read_bytes() != there:
                kept.append(path)
                continue
            following.append((path, there))
    return dict(sorted(found.items())), sorted(kept)


def imported(name: str, data: bytes) -> set[str]:
    """The paths at which what a file imports may lie, beside it or from the top; none where it is no Python."""
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    folder = PurePosixPath(name).parent
    asked: set[tuple[PurePosixPath, str]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            asked |= {(top, a.name) for a in node.names for top in (PurePosixPath(), folder)}
        elif isinstance(node, ast.ImportFrom):
            above = [folder, *folder.parents]
            tops = above[node.level - 1 : node.level] if node.level else [PurePosixPath(), folder]
            names = [".".join(filter(None, (node.module, alias.name))) for alias in node.names]
            asked |= {(top, dotted) for dotted in names for top in tops}
    paths: set[str] = set()
    for top, dotted in asked:
        parts = itertools.takewhile(str.isidentifier, dotted.split("."))  # a star is none
        place = top
        for part in parts:
            place /= part
            paths |= {f"{place}.py", f"{place}/__init__.py"}
    return paths


def undone(data: bytes) -> Counter[str]:
    """What a file leaves to do as the template does, by the words that stand there, such as `Task 2.1: Convert an
    index`, and how often they do."""
    return Counter(match[2] for match in _TO_DO.finditer(data.decode("utf-8", "replace")))


def lost(data: bytes, here: bytes) -> list[str]:
    """The tasks that a file leaves to do where the one here does not: to take it would undo work."""
    return sorted({words.split(":")[0] for words in undone(data) - undone(here)})


def _previous(course: Course, name: str) -> str:
    place = course.settings.modules.index(name)
    return course.settings.modules[place - 1] if place else ""


@functools.cache
def _environment() -> jinja2.Environment:
    def quoted(text: Any) -> str:
        """A text as a YAML scalar."""
        escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("grader.platforms"),
        autoescape=False,  # none of it is HTML, and all of it is the course's own
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = quoted
    return environment
