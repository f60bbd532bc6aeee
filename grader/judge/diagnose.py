"""Says in one sentence why an answer is probably wrong, from the two answers alone.

Every rule is a pattern that a common mistake leaves in the numbers. A rule that does not fit says nothing:
no sentence is better than a wrong one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from grader.box.wire import Opaque
from grader.model import Mismatch

Flat = list[float]
NEAR = 1e-7


def diagnose(inputs: dict[str, Any], expected: Any, observed: Any, mismatch: Mismatch) -> str:
    """One sentence, or "" when no pattern fits. `inputs` are the question's arguments."""
    if mismatch.kind == "mutated":
        return "An input was changed in place: work on a copy, or write only into `out`."
    if mismatch.kind == "type":
        return _type(observed, mismatch)
    if mismatch.kind == "shape":
        return _shape(mismatch)
    if mismatch.kind == "length":
        return ""
    e, o = _part(expected, mismatch.path), _part(observed, mismatch.path)
    for rule in (_nan, _swapped, _upstream, _zero, _scaled, _reordered, _flipped, _shifted):
        sentence = rule(inputs, expected, observed, e, o)
        if sentence:
            return sentence
    return ""


def _part(tree: Any, path: str) -> Flat:
    """The leaf of a tree that holds a mismatch, as a flat list of numbers; [] when there is none."""
    for step in path.replace("]", "").replace("[", ".").split("."):
        if not step:
            continue
        if isinstance(tree, dict) and step in tree:
            tree = tree[step]
        elif isinstance(tree, list) and step.isdigit() and int(step) < len(tree):
            tree = tree[int(step)]
        else:
            break
    return _flat(tree)


def _flat(value: Any) -> Flat:
    if isinstance(value, bool):
        return [float(value)]
    if isinstance(value, (int, float)):
        return [float(value)]
    if hasattr(value, "dtype") and value.dtype.kind in "fiub":
        return [float(x) for x in value.reshape(-1)[:4096]]
    if isinstance(value, list):
        found = [_flat(item) for item in value]
        return [x for part in found for x in part] if all(found) else []
    return []


def _same(a: Flat, b: Flat) -> bool:
    return len(a) == len(b) > 0 and all(
        abs(x - y) <= NEAR * max(1.0, abs(x), abs(y)) for x, y in zip(a, b, strict=True)
    )


def _ratio(e: Flat, o: Flat) -> float | None:
    """The one factor that takes every expected number to the observed one; None when there is none."""
    if len(e) != len(o) or not e:
        return None
    largest = max(range(len(e)), key=lambda i: abs(e[i]))
    if abs(e[largest]) < 1e-9:
        return None
    factor = o[largest] / e[largest]
    return factor if _same([x * factor for x in e], o) else None


def _type(observed: Any, mismatch: Mismatch) -> str:
    if "gradients" in mismatch.path and mismatch.observed == "None":
        return "No gradient arrived here: is every input of every operation visited on the way back?"
    if mismatch.observed == "None":
        return "The function returns None: is a `return` missing?"
    if isinstance(observed, Opaque):
        return f"A number or a tensor is expected here, not a {observed.type}."
    return ""


def _shape(mismatch: Mismatch) -> str:
    if "gradients" in mismatch.path or "[" in mismatch.path:
        return "A gradient has the shape of its input: sum it over the axes along which the input was broadcast."
    return ""


def _nan(inputs: dict[str, Any], expected: Any, observed: Any, e: Flat, o: Flat) -> str:
    if any(math.isnan(x) for x in o) and not any(math.isnan(x) for x in e):
        return "The answer is not a number: look for 0/0, inf - inf, or the log of a negative number."
    if any(math.isinf(x) for x in o) and not any(math.isinf(x) for x in e):
        return "The answer overflows: rewrite the formula so that it never raises e to a large power."
    return ""


def _gradients(answer: Any) -> list[Flat]:
    if isinstance(answer, dict):
        answer = answer.get("gradients")
    if isinstance(answer, list) and len(answer) > 1:
        return [_flat(item) for item in answer]
    return []


def _swapped(inputs: dict[str, Any], expected: Any, observed: Any, e: Flat, o: Flat) -> str:
    want, got = _gradients(expected), _gradients(observed)
    if len(want) == len(got) == 2 and not _same(want[0], want[1]):
        if _same(want[0], got[1]) and _same(want[1], got[0]):
            return "The two gradients are swapped: backward returns them in the order of forward's inputs."
    return ""


def _upstream(inputs: dict[str, Any], expected: Any, observed: Any, e: Flat, o: Flat) -> str:
    upstream = _flat(inputs.get("upstream"))
    if not upstream or len(e) != len(o) or not e:
        return ""
    if len(upstream) == 1 and abs(upstream[0] - 1.0) > NEAR and abs(upstream[0]) > NEAR:
        factors = [upstream[0]] * len(e)
    elif len(upstream) == len(e) and any(abs(u - 1.0) > NEAR for u in upstream):
        factors = upstream
    else:
        return ""
    if any(abs(x) > NEAR for x in e):
        if _same([x * f for x, f in zip(o, factors, strict=True)], e):
            return "The upstream gradient is left out: multiply the local derivative by the gradient that backward receives."
        if _same([x * f for x, f in zip(e, factors, strict=True)], o):
            return "The upstream gradient is multiplied in twice."
        if _same(factors, o):
            return "The upstream gradient is passed on as it came: the local derivative is left out."
    return ""


def _zero(inputs: dict[str, Any], expected: Any, observed: Any, e: Flat, o: Flat) -> str:
    if o and all(x == 0 for x in o) and any(abs(x) > NEAR for x in e):
        return "The answer is zero everywhere: is the result computed but never stored or returned?"
    return ""


def _scaled(inputs: dict[str, Any], expected: Any, observed: Any, e: Flat, o: Flat) -> str:
    factor = _ratio(e, o)
    if factor is None or abs(factor - 1) < NEAR:
        return ""
    if abs(factor + 1) < NEAR:
        return "The sign is wrong: the answer is exactly the negative of what it should be."
    if abs(factor - round(factor)) < NEAR and 1 < abs(factor) < 100:
        return f"The answer is {round(factor)} times what it should be: is a contribution counted more than once?"
    if factor != 0 and abs(1 / factor - round(1 / factor)) < NEAR and abs(factor) < 1 and abs(1 / factor) < 100:
        return f"The answer is 1/{round(1 / factor)} of what it should be: is a contribution lost?"
    return ""


def _reordered(inputs: dict[str, Any], expected: Any, observed: Any, e: Flat, o: Flat) -> str:
    if len(e) == len(o) > 1 and len(set(e)) > 1 and _same(sorted(e), sorted(o)):
        return "The right numbers stand in the wrong places: look at the indices, the strides or the order of axes."
    return ""


def _flipped(inputs: dict[str, Any], expected: Any, observed: Any, e: Flat, o: Flat) -> str:
    if e and len(e) == len(o) and set(e) | set(o) <= {0.0, 1.0}:
        if all(x + y == 1.0 for x, y in zip(e, o, strict=True)):
            return "True and false are exchanged: compare the other way round."
    return ""


def _shifted(inputs: dict[str, Any], expected: Any, observed: Any, e: Flat, o: Flat) -> str:
    if len(e) == len(o) > 1:
        shift = o[0] - e[0]
        if abs(shift) > NEAR and _same([x + shift for x in e], o):
            return f"Every number is off by {shift:g}: is a starting value wrong?"
    return ""


Rule = Callable[[dict[str, Any], Any, Any, Flat, Flat], str]
