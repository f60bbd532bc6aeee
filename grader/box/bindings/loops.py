"""Reads a kernel's source for what threads would fight over: a place that two iterations of a parallel loop write.

The kernels are short and their loops plain, so a reading in one pass over names is enough. It follows what
depends on the loop's variable (`varies`); a store into anything that was made outside the loop, at a place
that does not vary, is a place that all iterations write. It says nothing rather than something doubtful: a
race that needs more insight is left to running the kernel.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

# Functions of the course that fill the array at that place of their arguments.
WRITERS = {"to_index": 2, "broadcast_index": 3}
THREAD = ("get_thread_id", "_get_thread_id")
DEPTH = 3

Find = Callable[[str], ast.FunctionDef | None]


class Shared(NamedTuple):
    """A place that several iterations write: the loop's line, the store's line, and whose place it is."""

    loop: int
    line: int
    name: str
    adds: bool


class Store(NamedTuple):
    """A store into a cell: the array's name, the line, whether the cell varies, whether it is `+=` or the like."""

    name: str
    line: int
    varies: bool
    adds: bool


def nothing(_: str) -> None:
    """A `Find` that knows no function."""


def shared(function: ast.FunctionDef, find: Find = nothing) -> list[Shared]:
    """What several iterations of a kernel's parallel loops write.

    find: gives the definition of a function that the kernel calls, by its name there; None when unknown.
    """
    found = []
    for loop in outermost(function.body):
        private = bound(loop.body)
        varies = names(loop.target)
        for store in stores(loop.body, varies, find):
            if store.name not in private and not store.varies:
                found.append(Shared(loop.lineno, store.line, store.name, store.adds))
    return found


def is_prange(node: ast.expr) -> bool:
    """Whether an expression is a call of prange."""
    return isinstance(node, ast.Call) and called(node) in ("prange", "pndindex")


def called(call: ast.Call) -> str:
    """The bare name of what is called."""
    callee = call.func
    return callee.attr if isinstance(callee, ast.Attribute) else getattr(callee, "id", "")


def outermost(body: Sequence[ast.AST]) -> Iterator[ast.For]:
    """The parallel loops that are in no other one; numba runs those inside them one after the other."""
    for node in body:
        if isinstance(node, ast.For) and is_prange(node.iter):
            yield node
        elif not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            yield from outermost(list(ast.iter_child_nodes(node)))


def names(node: ast.AST) -> set[str]:
    """All names in a piece of code."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def walk(body: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    for statement in body:
        yield from ast.walk(statement)


def assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Pairs of a target and what it is given; tuples are taken apart where both sides are one."""
    for node in walk(body):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from paired(target, node.value)
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)):
            if node.value is not None:
                yield node.target, node.value
        elif isinstance(node, ast.For):
            yield node.target, node.iter


def paired(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each name or cell of a target with what it is given: its part of a tuple, or the whole value."""
    if isinstance(target, (ast.Tuple, ast.List)):
        parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
        whole = len(parts) == len(target.elts)
        for at, part in enumerate(target.elts):
            yield from paired(part, parts[at] if whole else value)
    else:
        yield target, value


def bound(body: Sequence[ast.stmt]) -> set[str]:
    """Names that get a value of their own in each iteration: not another name for something from outside."""
    given: dict[str, list[ast.expr]] = {}
    for node in walk(body):
        if isinstance(node, ast.AugAssign):
            continue
        for target, value in assignments([node]) if isinstance(node, ast.stmt) else ():
            if isinstance(target, ast.Name):
                given.setdefault(target.id, []).append(value)
    own = set(given)
    while True:
        # `index = buffer` is no new array, and neither is a slice of one.
        aliases = {
            name
            for name in own
            for value in given[name]
            if isinstance(value, (ast.Name, ast.Subscript))
            and (root := root_of(value)) is not None
            and root not in own
            and sliced(value)
        }
        if not aliases:
            return own
        own -= aliases


def sliced(value: ast.expr) -> bool:
    """Whether a name given this would share its cells: a plain name, or a part with a `:` in it."""
    if isinstance(value, ast.Subscript):
        return any(isinstance(n, ast.Slice) for n in ast.walk(value.slice)) and not names(
            value.slice
        )
    return True


def root_of(node: ast.AST) -> str | None:
    """The name that an expression such as `a`, `a[0]` or `a[0][i]` begins with."""
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def stores(
    body: Sequence[ast.stmt], start: set[str], find: Find, depth: int = DEPTH
) -> list[Store]:
    """All stores into cells, also those of the functions that are called. start: the names that vary."""
    calls = [node for node in walk(body) if isinstance(node, ast.Call)]
    varies = set(start)
    while True:
        before = len(varies)
        for target, value in assignments(body):
            if varying(value, varies) or varying_place(target, varies):
                varies |= {root for part in parts_of(target) if (root := root_of(part))}
            if isinstance(target, ast.Name) and target.id in varies:
                # Two names for one array: what is written under one of them is read under the other.
                varies |= {root} if (root := root_of(value)) is not None else set()
        for node in walk(body):
            # What is done under a condition that varies, varies.
            if isinstance(node, (ast.If, ast.While)) and varying(node.test, varies):
                for target, _ in assignments([*node.body, *node.orelse]):
                    varies |= {root for part in parts_of(target) if (root := root_of(part))}
        for call in calls:
            if any(varying(arg, varies) for arg in call.args):
                for at in filled(call, varies, find, depth):
                    if (root := root_of(call.args[at.place])) is not None:
                        varies.add(root)
        if len(varies) == before:
            break
    found = []
    for node in walk(body):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AugAssign):
            targets = [node.target]
        for target in targets:
            for part in parts_of(target):
                if isinstance(part, ast.Subscript) and (root := root_of(part)) is not None:
                    place = varying_place(part, varies)
                    found.append(Store(root, part.lineno, place, isinstance(node, ast.AugAssign)))
    for call in calls:
        for at in filled(call, varies, find, depth):
            argument = call.args[at.place]
            if (root := root_of(argument)) is not None:
                place = at.varies or varying_place(argument, varies)
                found.append(Store(root, call.lineno, place, at.adds))
    return found


def parts_of(target: ast.expr) -> list[ast.expr]:
    if isinstance(target, (ast.Tuple, ast.List)):
        return [part for element in target.elts for part in parts_of(element)]
    return [target]


def varying(node: ast.AST, varies: set[str]) -> bool:
    """Whether the value of an expression depends on the iteration, or on the thread that runs it."""
    return bool(names(node) & varies) or any(
        isinstance(n, ast.Call) and called(n) in THREAD for n in ast.walk(node)
    )


def varying_place(node: ast.AST, varies: set[str]) -> bool:
    """Whether `a[i]` or `a[i][k]` names another cell in another iteration."""
    while isinstance(node, ast.Subscript):
        if varying(node.slice, varies):
            return True
        node = node.value
    return False


class Filled(NamedTuple):
    """An argument whose cells a called function writes."""

    place: int
    varies: bool
    adds: bool


def filled(call: ast.Call, varies: set[str], find: Find, depth: int) -> list[Filled]:
    """Which of its arguments a call writes into, and whether it does at cells that vary."""
    name = called(call)
    place = WRITERS.get(name, len(call.args))
    if place < len(call.args):
        return [Filled(place, False, False)]
    function = find(name) if depth and isinstance(call.func, ast.Name) else None
    if function is None:
        return []
    parameters = [argument.arg for argument in function.args.args][: len(call.args)]
    start = {p for p, arg in zip(parameters, call.args, strict=False) if varying(arg, varies)}
    own = bound(function.body)
    written: dict[tuple[int, bool], bool] = {}
    for store in stores(function.body, start, find, depth - 1):
        if store.name in parameters and store.name not in own:
            # An array whose contents vary is no index that varies.
            written.setdefault((parameters.index(store.name), store.varies), store.adds)
    return [Filled(place, varied, adds) for (place, varied), adds in written.items()]
