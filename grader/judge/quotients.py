"""Difference quotients in a function: where it divides the difference of two values of one function by a step."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import msgspec

from grader.judge.source import Function, names_of

LARGEST_STEP = 0.01
SHORT = 120


def quotients(
    function: Function, tick: Callable[[], None] = lambda: None
) -> Iterator[tuple[int, str]]:
    """The lines at which a function divides the difference of two values of one function by a step.

    tick: is called for each product, and raises when there is no more time.
    """
    for product in function.products:
        tick()
        division = isinstance(product.op, ast.Div)
        sides = [(product.left, product.right)]
        if not division:
            sides.append((product.right, product.left))
        for whole, other in sides:
            difference = _difference(function, whole)
            if difference is None:
                continue
            divided = division or _is_rate(function, other)
            if divided and _stepped(function, difference, other):
                text = " ".join(_written(product)[: SHORT * 2].split())
                yield product.lineno, f"{text[:SHORT]}{'...' if len(text) > SHORT else ''}"
                break


def _difference(function: Function, node: ast.expr) -> ast.BinOp | None:
    """The subtraction that a product holds: `(f(a) - f(b))`, `d * (f(a) - f(b))`, or a name for it."""
    for _ in range(6):
        node = function.value(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            return node
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
            left = function.value(node.left)
            minus = isinstance(left, ast.BinOp) and isinstance(left.op, ast.Sub)
            node = left if minus or isinstance(node.op, ast.Div) else node.right
        elif isinstance(node, ast.UnaryOp):
            node = node.operand
        elif isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
            node = node.args[0]  # float(...)
        else:
            return None
    return None


def _is_rate(function: Function, node: ast.expr) -> bool:
    """Whether multiplying by it may be dividing by a step: `1 / (2 * h)`, `5e5`."""
    node = function.value(node)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float)) and abs(node.value) >= 1 / LARGEST_STEP
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)


class _Value(msgspec.Struct, frozen=True):
    """A call as the name of what is called and the expressions that it is given."""

    name: str
    given: tuple[ast.expr, ...]


def _evaluation(function: Function, node: ast.expr) -> _Value | None:
    """The call behind a value: `f(x)`, `f(x).item()`, `float(f(x))`, `(x + h).exp()`."""
    for _ in range(6):
        node = function.value(node)
        if isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in ("float", "sum", "abs") and node.args:
                node = node.args[0]
            elif isinstance(called, ast.Attribute) and called.attr in ("item", "sum", "data"):
                node = called.value
            else:
                parts = names_of(called)
                inner = function.value(called.value) if isinstance(called, ast.Attribute) else None
                if isinstance(called, ast.Attribute) and (
                    not parts or isinstance(inner, (ast.BinOp, ast.UnaryOp))
                ):
                    assert inner is not None
                    return _Value(f".{called.attr}", (inner, *node.args))
                return _Value(".".join(parts), tuple(node.args)) if parts else None
        elif isinstance(node, ast.Attribute):
            node = node.value
        else:
            return None
    return None


def _stepped(function: Function, difference: ast.BinOp, divisor: ast.expr) -> bool:
    """Whether a difference is one of two values of the same function at neighbouring places."""
    left = _evaluation(function, difference.left)
    right = _evaluation(function, difference.right)
    if left is None or right is None or left.name != right.name:
        # `(f(x + h) - out) / h`, where out was saved: one value is enough if it is stepped by the divisor.
        one = left or right
        return one is not None and any(_by(function, arg, divisor) for arg in one.given)
    first = left.name.split(".")[0]
    if function.parameter(first) and "." not in left.name and first not in ("self", "cls", "ctx"):
        return True
    if left.name.rpartition(".")[2] in ("forward", "_forward", "apply"):
        return True
    for given, also in zip(left.given, right.given, strict=False):
        here, there = function.value(_bare(given)), function.value(_bare(also))
        a, b = _dump(here), _dump(there)
        if a == b:
            continue
        turned = isinstance(there, ast.UnaryOp) and _dump(function.value(there.operand)) == a
        if turned and function.local(left.name):
            return _is_step(function, given, divisor)
        if _flat(a) == _flat(b) and "Add()" in a + b:
            step = _step(here) or _step(there)
            return step is None or _is_step(function, step, divisor)
        for whole, part in ((here, b), (there, a)):
            if _step(whole) is None:
                continue
            assert isinstance(whole, ast.BinOp)
            if part in (_dump(whole.left), _dump(function.value(whole.left))):
                return _is_step(function, whole.right, divisor)
    return False


def _written(node: ast.expr) -> str:
    """An expression as Python, or what it is where Python cannot write it down."""
    try:
        return ast.unparse(node)
    except (ValueError, RecursionError):  # a number of too many digits; a sum of too many parts
        return "a quotient that is too long to show"


def _dump(node: ast.expr) -> str:
    """An expression as a text that equal ones share; where it has no such text, it is equal to itself alone."""
    try:
        return ast.dump(node)
    except (ValueError, RecursionError):
        return f"<{id(node)}>"


def _bare(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Starred) else node


def _flat(dump: str) -> str:
    return dump.replace("Add()", "Sub()")


def _step(node: ast.expr) -> ast.expr | None:
    """`h` of `x + h`; None where the sum stands deeper."""
    plus = isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub))
    return node.right if plus and isinstance(node, ast.BinOp) else None


def _by(function: Function, node: ast.expr, divisor: ast.expr) -> bool:
    """Whether an argument is `x + h` and the divisor is made of h."""
    step = _step(function.value(_bare(node)))
    return step is not None and _is_step(function, step, divisor)


def _is_step(function: Function, step: ast.expr, divisor: ast.expr) -> bool:
    """Whether `step` is small, and the divisor is made of it."""
    value = function.value(step)
    if isinstance(value, ast.Constant):
        small = isinstance(value.value, (int, float)) and 0 < abs(value.value) <= LARGEST_STEP
        if not small:
            return False
        if isinstance(step, ast.Constant):
            return True
    names = {n.id for n in ast.walk(step) if isinstance(n, ast.Name)}
    below = {n.id for n in ast.walk(divisor) if isinstance(n, ast.Name)}
    resolved = function.value(divisor)
    below |= {n.id for n in ast.walk(resolved) if isinstance(n, ast.Name)}
    return bool(names & below)
