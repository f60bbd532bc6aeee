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
FILLED = "out_index"  # what it is called there
MAKERS = {"zeros", "empty", "ones", "full", "zeros_like", "empty_like", "array", "copy"}
# Those that write into no array that they are given.
READERS = {*MAKERS, "len", "range", "prange", "int", "float", "min", "max", "abs"}
READERS |= {"index_to_position", "array_equal"}
MODULES = ("np", "numpy", "math", "numba")
MAX_INDEX = 64
# What is the same in every iteration, whatever the array holds then.
SIZES = ("size", "shape", "ndim", "strides", "dtype")
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
        varies = names(loop.target)
        private = bound(loop.body, varies)
        for store in stores(loop.body, varies, find):
            if store.name not in private and not store.varies:
                found.append(Shared(loop.lineno, store.line, store.name, store.adds))
    return found


def leaves_something(loop: ast.For, function: ast.FunctionDef, find: Find = nothing) -> bool:
    """Whether anything of a function's parallel loop is left when it has ended.

    False only where it surely does nothing: it has one iteration at most, or one for each dimension, as to work out
    a position; or it adds to no number, and all that it writes is an index, or made anew in each iteration. find: as
    in `shared`.
    """
    ends = loop.iter.args if isinstance(loop.iter, ast.Call) else []
    if len(ends) == 1 and isinstance(ends[0], ast.Constant) and ends[0].value in (0, 1):
        return False
    if len(ends) == 1 and counts_dimensions(ends[0]):
        return False
    if any(
        isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name) for n in walk(loop.body)
    ):
        return True
    lost = made(loop.body, every=True) | made(function.body, every=False)
    return not writes_only(loop.body, lost, find, DEPTH)


def writes_only(body: Sequence[ast.stmt], lost: set[str], find: Find, depth: int) -> bool:
    """Whether all that is surely written there is in the arrays of these names; False also where it cannot be told."""
    for node in walk(body):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            targets = [node.target]
        stored = [part for target in targets for part in parts_of(target)]
        if any(isinstance(part, ast.Subscript) and root_of(part) not in lost for part in stored):
            return False
        if isinstance(node, ast.Call) and not harmless(node, lost, find, depth):
            return False
    return True


def made(body: Sequence[ast.stmt], every: bool) -> set[str]:
    """Names of arrays that are made there and are no other names of something else. every: not only of indices."""
    given: dict[str, list[ast.expr]] = {}
    for target, value in assignments(body):
        if isinstance(target, ast.Name):
            given.setdefault(target.id, []).append(value)
    return {
        name
        for name, values in given.items()
        if all(isinstance(v, ast.Call) and called(v) in MAKERS for v in values)
        and (every or all(as_long_as_a_shape(v) for v in values))
    }


def as_long_as_a_shape(call: ast.expr) -> bool:
    """Whether `np.zeros(MAX_DIMS)` or the like makes room for an index and no more."""
    size = call.args[0] if isinstance(call, ast.Call) and call.args else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and size is None:
        size = call.func.value  # out_shape.copy()
    if isinstance(size, ast.Constant):
        return isinstance(size.value, int) and size.value <= MAX_INDEX
    if isinstance(size, ast.Name):
        return size.id.isupper() or size.id.endswith(("_shape", "_strides", "dims"))
    return size is not None and counts_dimensions(size)


def counts_dimensions(node: ast.expr) -> bool:
    """Whether an expression is `len(out_shape)`, `in_strides.size` or the like."""
    measured = names(node) - {"len"}
    return is_size(node) and all(name.endswith(("shape", "strides")) for name in measured)


def harmless(call: ast.Call, lost: set[str], find: Find, depth: int) -> bool:
    """Whether a call surely writes into no array but those named."""
    given = {name for arg in [*call.args, *call.keywords] for name in names(arg)}
    if isinstance(call.func, ast.Attribute) and (root := root_of(call.func)) not in MODULES:
        given |= {root or ""}
    if called(call) in READERS or not given - lost:
        return True
    if called(call) in WRITERS:
        return all(root_of(at.argument) in lost for at in filled(call, names(call), find, DEPTH))
    function = find(called(call)) if depth and isinstance(call.func, ast.Name) else None
    if function is None:
        return False
    # In there the array may have another name, or a part of it one: only what is known to be lost is.
    arguments = passed(call, function)
    inner = {name for name, arg in arguments.items() if names(arg) and names(arg) <= lost}
    return writes_only(function.body, inner | made(function.body, every=True), find, depth - 1)


def passed(call: ast.Call, function: ast.FunctionDef) -> dict[str, ast.expr]:
    """What a call passes to a function, by the names of its parameters."""
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    names_there = [argument.arg for argument in function.args.args]
    return given | dict(zip(names_there, call.args, strict=False))


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


def bound(body: Sequence[ast.stmt], varies: set[str]) -> set[str]:
    """Names that get a value of their own in each iteration: not another name for something from outside.

    varies: the loop's variables, or those of a function's parameters that vary.
    """
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
            and same_part(value, own | varies)
        }
        if not aliases:
            return own
        own -= aliases


def same_part(value: ast.expr, own: set[str]) -> bool:
    """Whether `a`, `a[:n]` or `a[0]` is the same cells in every iteration."""
    while isinstance(value, ast.Subscript):
        if varying(value.slice, own):
            return False
        value = value.value
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
            if any(varying(arg, varies) for arg in [*call.args, *call.keywords]):
                for at in filled(call, varies, find, depth):
                    if (root := root_of(at.argument)) is not None:
                        varies.add(root)
        if len(varies) == before:
            break
    found = []
    alone = in_one_iteration(body, varies)
    for node in walk(body):
        if node in alone:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AugAssign):
            targets = [node.target]
        for target in targets:
            for part in parts_of(target):
                if isinstance(part, ast.Subscript) and (root := root_of(part)) is not None:
                    place = varying_place(part, varies)
                    found.append(Store(root, part.lineno, place, isinstance(node, ast.AugAssign)))
    for call in calls:
        for at in filled(call, varies, find, depth) if call not in alone else ():
            if (root := root_of(at.argument)) is not None:
                place = at.varies or varying_place(at.argument, varies)
                found.append(Store(root, call.lineno, place, at.adds))
    return found


def in_one_iteration(body: Sequence[ast.stmt], varies: set[str]) -> set[ast.AST]:
    """What is done under a condition such as `i == 0`, which holds in one iteration alone."""
    found: set[ast.AST] = set()
    for node in walk(body):
        if isinstance(node, ast.If) and isinstance(test := node.test, ast.Compare):
            sides = (test.left, test.comparators[-1])
            one = any(isinstance(side, ast.Name) and side.id in varies for side in sides)
            if one and isinstance(test.ops[0], (ast.Eq, ast.NotEq)):
                found |= set(walk(node.body if isinstance(test.ops[0], ast.Eq) else node.orelse))
    return found


def parts_of(target: ast.expr) -> list[ast.expr]:
    if isinstance(target, (ast.Tuple, ast.List)):
        return [part for element in target.elts for part in parts_of(element)]
    return [target]


def varying(node: ast.AST, varies: set[str]) -> bool:
    """Whether the value of an expression depends on the iteration, or on the thread that runs it."""
    if is_size(node):
        return False
    if isinstance(node, ast.Call) and called(node) in THREAD:
        return True
    if isinstance(node, ast.Name):
        return node.id in varies
    return any(varying(child, varies) for child in ast.iter_child_nodes(node))


def is_size(node: ast.AST) -> bool:
    """Whether an expression is `len(a)`, `a.size` or the like of a name."""
    if isinstance(node, ast.Call):
        return called(node) == "len" and all(isinstance(arg, ast.Name) for arg in node.args)
    return (
        isinstance(node, ast.Attribute) and node.attr in SIZES and isinstance(node.value, ast.Name)
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

    argument: ast.expr
    varies: bool
    adds: bool


def filled(call: ast.Call, varies: set[str], find: Find, depth: int) -> list[Filled]:
    """Which of its arguments a call writes into, and whether it does at cells that vary."""
    function = find(called(call)) if depth and isinstance(call.func, ast.Name) else None
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    written: dict[tuple[str, bool], bool] = {}
    if function is not None:
        given = passed(call, function)
        start = {parameter for parameter, arg in given.items() if varying(arg, varies)}
        own = bound(function.body, start)
        for store in stores(function.body, start, find, depth - 1):
            if store.name in given and store.name not in own:
                # An array whose contents vary is no index that varies.
                written.setdefault((store.name, store.varies), store.adds)
    # The course's own functions are known to fill an index from its first place to its last.
    place = WRITERS.get(called(call), len(call.args))
    index = call.args[place] if place < len(call.args) else given.get(FILLED)
    usual = not written or any(given[name] is index for name, _ in written)
    if called(call) in WRITERS and index is not None and usual:
        return [Filled(index, False, False)]
    return [Filled(given[name], varied, adds) for (name, varied), adds in written.items()]
