"""Packs: what leaves the instructor's machine for one module, in one file.

A pack holds the questions, the banks with the expected answers and how closely they are compared, the
points, limits and policy, and the handout. It holds no reference and no domain, so nobody can draw new cases
from it or read the solution in it. A pack for students holds the public checks alone: those that are hidden
are not in it, nor are their questions. The same course gives the same bytes.
"""

from __future__ import annotations

import ast
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

import grader
from grader import modes
from grader.bank import Module, as_frame, from_frame
from grader.box import wire
from grader.course import Course, load_module, some, titles
from grader.errors import UsageError
from grader.model import Visibility
from grader.packfile import AGAIN, FORMAT, SUFFIX, Header, opened, read_header, sound, written


class Pack(msgspec.Struct, frozen=True):
    """A pack that was read: its header, the module with its banks, and the handout (Markdown)."""

    header: Header
    module: Module
    handout: str


def make(course: Course, module: Module, audience: str) -> bytes:
    """A module as a pack, for `student` or `grader`. Raises UsageError where no check is public."""
    folder = course.folder(module.assignment.name)
    try:
        handout = (folder / "handout.md").read_text(encoding="utf-8")
    except FileNotFoundError:
        handout = ""
    settings = msgspec.to_builtins(load_module(course, module.assignment.name))
    whole = sum(task.points for task in module.assignment.tasks if not task.extra)
    visible = public(module)
    mine = visible if audience == "student" else module
    if not mine.assignment.checks:
        raise UsageError(
            f"{module.assignment.name}: no check of it is visible, so a pack for students would be empty"
        )
    content = zlib.compress(wire.encode({"module": as_frame(mine), "handout": handout}), level=9)
    checks = mine.assignment.checks
    header = Header(
        format=FORMAT,
        by=grader.__version__,
        course=course.settings.course,
        module=module.assignment.name,
        audience=audience,
        settings=settings,
        digest="",
        module_digest=module.digest,
        bindings=(mine.assignment.binding,),
        comparisons=tuple(sorted({check.compare for check in checks})),
        modes=tuple(sorted({check.mode for check in checks})),
        seed=course.settings.seed,
        public=(round(sum(t.points for t in visible.assignment.tasks if not t.extra), 6), whole),
    )
    return written(header, content)


def read(path: Path) -> Pack:
    """The pack in a file. Raises UsageError that says what is wrong with it and what to do."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    header, content = opened(path, data)
    if not sound(header, data):
        raise UsageError(f"{path}: the pack is damaged: it does not fit its digest. {AGAIN}")
    try:
        tree = wire.decode(zlib.decompress(content))
        module = from_frame(tree["module"], header.module_digest)
        handout = tree["handout"]
    except (zlib.error, wire.WireError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: the pack cannot be read: {error}") from error
    if module is None or not isinstance(handout, str):
        raise UsageError(
            f"{path}: its banks are stored as backcheck {header.by} does, and this is {grader.__version__}. "
            f"Install that version. {AGAIN}"
        )
    return Pack(header, module, handout)


# What is public


def public(module: Module) -> Module:
    """The module with its visible checks alone. Each task keeps the points that these are worth in the whole,
    so that a score on them means the same."""
    assignment = module.assignment
    checks = tuple(c for c in assignment.checks if c.visibility is Visibility.VISIBLE)
    known = {c.title for c in checks}
    checks = tuple(
        msgspec.structs.replace(c, after=tuple(t for t in c.after if t in known)) for c in checks
    )
    tasks = []
    for task in assignment.tasks:
        weights = [c.weight for c in assignment.checks if c.task == task.id]
        shown = [c.weight for c in checks if c.task == task.id]
        if shown:
            points = task.points * sum(shown) / sum(weights)
            tasks.append(msgspec.structs.replace(task, points=points))
    ids = {task.id for task in tasks}
    trimmed = msgspec.structs.replace(
        assignment,
        checks=checks,
        tasks=tuple(
            msgspec.structs.replace(t, needs=tuple(n for n in t.needs if n in ids)) for t in tasks
        ),
        questions=only(assignment.questions, {check.question for check in checks}),
    )
    banks = {check.key: module.banks[check.key] for check in checks}
    return Module(trimmed, banks, module.digest)


def only(questions: str, wanted: Iterable[str]) -> str:
    """The source of the questions named, and of what they use of the rest."""
    tree = ast.parse(questions)
    defines: list[tuple[ast.stmt, set[str]]] = [(node, set(_defined(node))) for node in tree.body]
    kept = {place for place, (node, _) in enumerate(defines) if _unnamed(node)}
    open_names = set(wanted)
    done: set[str] = set()
    while open_names:
        name = open_names.pop()
        done.add(name)
        for place, (node, names) in enumerate(defines):
            if name in names and place not in kept:
                kept.add(place)
                used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                open_names |= used - done
    lines = questions.split("\n")  # as Python counts them: a form feed ends none
    parts = []
    for place, (node, _) in enumerate(defines):
        if place in kept:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            parts.append("\n".join(lines[first - 1 : node.end_lineno]))
    return "\n\n\n".join(parts) + "\n"


def _defined(node: ast.AST) -> Iterator[str]:
    """The names that a statement at the top of a file gives a meaning, or changes: `TABLE["a"] = 1` and
    `TABLE.update(a=1)` are as much a part of TABLE as its first line."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
        return
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from ((a.asname or a.name).split(".")[0] for a in node.names)
    elif isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        if not isinstance(node.ctx, ast.Load):
            yield _root(node)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield _root(node.value.func)
    for part in ast.iter_child_nodes(node):
        yield from _defined(part)


def _unnamed(node: ast.stmt) -> bool:
    """Whether a statement gives what is used by no name: `from math import *`, `from __future__ import ...`."""
    return isinstance(node, ast.ImportFrom) and (
        node.module == "__future__" or any(a.name == "*" for a in node.names)
    )


def _root(node: ast.expr) -> str:
    """`TABLE` of `TABLE["a"].rows`; "" where no name stands there."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def ready(course: Course, name: str) -> Module:
    """The module of the course's pack of that name, under the limits that `grader.yaml` gives."""
    path = course.pack(name)
    assert path is not None
    found = read(path)
    if found.header.module != name:
        raise UsageError(f"{path}: this is the pack of {found.header.module}, not of {name}")
    assignment = msgspec.structs.replace(
        found.module.assignment, limits=load_module(course, name).limits
    )
    sandbox = course.settings.isolation.sandbox
    absent = [c for c in assignment.checks if not modes.offered(c.mode, sandbox)]
    for mode in dict.fromkeys(check.mode for check in absent):
        lacking = some(titles([c for c in absent if c.mode == mode]))
        told = f"not asked here: {lacking}. That takes {modes.needs([mode])}"
        assignment = msgspec.structs.replace(assignment, left_out=(*assignment.left_out, told))
    assignment = msgspec.structs.replace(
        assignment, checks=tuple(c for c in assignment.checks if c not in absent)
    )
    if assignment.earlier and course.settings.earlier == "reference":
        told = "the files of earlier modules are the submission's own: a pack holds no others"
        assignment = msgspec.structs.replace(assignment, left_out=(*assignment.left_out, told))
    if found.header.audience == "student":
        _, whole = found.header.public
        # Checks of speed are in the pack and are not asked of it.
        asked = {check.task for check in assignment.checks if not check.at_most_times}
        shown = sum(t.points for t in assignment.tasks if t.id in asked and not t.extra)
        told = f"these are the public checks, worth {round(shown, 6):g} of {whole:g} points"
        assignment = msgspec.structs.replace(assignment, left_out=(told, *assignment.left_out))
    return msgspec.structs.replace(found.module, assignment=assignment)


__all__ = ["SUFFIX", "Header", "Pack", "make", "only", "public", "read", "read_header", "ready"]
