"""Says in one sentence why an answer is probably wrong, from the two answers alone.

Every rule is a pattern that a common mistake leaves in the numbers. One small case fits many patterns by
chance, so a sentence is said only when it fits most of the failing cases, not just the smallest one: no
sentence is better than a wrong one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from grader.box.modes import COMPILED, PLAIN, SIMULATOR
from grader.model import Mismatch

Flat = list[float]
NEAR = 1e-7
MOST = 0.75
UNDEFINED = "The answer is not a number: look for 0/0, inf - inf, or the log of a negative number."
# What else is not a number in some run modes.
NOT_A_NUMBER = {
    SIMULATOR: (
        "The answer is not a number, as shared and local memory is until it is written: is a cell read that no "
        "thread has filled by then? Look for a syncthreads that is missing, and for cells that nothing is put into."
    ),
    COMPILED: (
        "The answer is not a number, as is all that lies before and behind a storage: look for a place "
        "outside of it."
    ),
}


class Failure(NamedTuple):
    """One failing case. inputs: the question's arguments."""

    inputs: dict[str, Any]
    expected: Any
    observed: Any
    mismatch: Mismatch


def diagnose(failures: Sequence[Failure], mode: str = PLAIN, *, right: float = 0.0) -> str:
    """One sentence that fits at least three quarters of the failing cases, or "".

    failures: the case that is shown first, then others of the same check; ten or so are enough. mode: the
    run mode that they come from; right: the share of all cases of the check that were answered rightly.
    """
    if not failures:
        return ""
    for rule in (
        _raises,
        _type,
        _shape,
        _nan,
        _swapped,
        _left_out,
        _twice,
        _passed_on,
        _zero,
        _scaled,
        _reordered,
        _flipped,
        _one_way,
        _shifted,
    ):
        said = Counter(rule(failure) for failure in failures)
        sentence, count = max(
            ((text, n) for text, n in said.items() if text),
            key=lambda pair: pair[1],
            default=("", 0),
        )
        # The rule must have something to say on the case that is shown, be it, for that case is small,
        # another sentence.
        fits = count >= MOST * len(failures) and rule(failures[0]) != ""
        if rule is _flipped:
            # A test that is always true is not reversed, nor is one that is mostly right.
            fits = fits and right < 0.5
        if rule is _one_way:
            # Of two sides, the case that is shown must not be on the other.
            fits = count == len(failures)
        if rule is _shifted:
            fits = fits and not all(_truths(failure) for failure in failures)
        enough = ENOUGH.get(rule)
        if fits and (enough is None or enough(failures)):
            return NOT_A_NUMBER.get(mode, sentence) if sentence == UNDEFINED else sentence
    return ""


def _leaves(failure: Failure) -> tuple[Flat, Flat]:
    """The expected and observed leaf that a mismatch lies in, as flat lists of numbers."""
    path = failure.mismatch.path
    return _part(failure.expected, path), _part(failure.observed, path)


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
    if isinstance(value, (bool, int, float)):
        try:
            return [float(value)]
        except OverflowError:
            return [math.inf if value > 0 else -math.inf]
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


def _raises(failure: Failure) -> str:
    """For questions whose answer is `raises KeyError` where that is what the code should do."""
    e, o = failure.expected, failure.observed
    if isinstance(e, str) and e.startswith("raises ") and not isinstance(o, str):
        return f"This input is accepted: raise {e.removeprefix('raises ')} for it instead of returning a value."
    if isinstance(o, str) and o.startswith("raises ") and not isinstance(e, str):
        return f"Your code {o} here, but this input has an answer."
    return ""


def _type(failure: Failure) -> str:
    mismatch = failure.mismatch
    if mismatch.kind == "mutated":
        return "An input was changed in place: work on a copy, or write only into the output."
    if mismatch.kind != "type":
        return ""
    if mismatch.observed == "None":
        if "gradients" in mismatch.path:
            return (
                "No gradient arrived here: does every operation remember its inputs, and is each of them "
                "visited on the way back?"
            )
        return "The function returns None: is a `return` missing?"
    if mismatch.observed.startswith("a value of type"):
        return f"A number or a tensor is expected here, not {mismatch.observed}."
    return ""


def _shape(failure: Failure) -> str:
    e, o = _leaves(failure)
    if failure.mismatch.kind == "shape" and _same(sorted(e), sorted(o)):
        want, got = failure.mismatch.expected, failure.mismatch.observed
        if sorted(re.findall(r"\d+", want)) != sorted(re.findall(r"\d+", got)):
            return "The right numbers come in another shape: look at how many axes there are."
        return "The right numbers come in another shape: look at the order of the axes."
    if failure.mismatch.kind == "shape" and "gradients" in failure.mismatch.path:
        return "A gradient has the shape of its input: sum it over the axes along which the input was broadcast."
    return ""


def _nan(failure: Failure) -> str:
    e, o = _leaves(failure)
    if any(math.isnan(x) for x in o) and not any(math.isnan(x) for x in e):
        return UNDEFINED
    if any(math.isinf(x) for x in o) and not any(math.isinf(x) for x in e):
        return (
            "The answer overflows: rewrite the formula so that it never raises e to a large power."
        )
    return ""


def _gradients(answer: Any) -> list[Flat]:
    if isinstance(answer, dict):
        answer = answer.get("gradients")
    if isinstance(answer, list) and len(answer) > 1:
        return [_flat(item) for item in answer]
    return []


def _swapped(failure: Failure) -> str:
    want, got = _gradients(failure.expected), _gradients(failure.observed)
    if len(want) == len(got) == 2 and _same(want[0], got[1]) and _same(want[1], got[0]):
        return (
            "The two gradients are swapped: backward returns them in the order of forward's inputs."
        )
    return ""


def _upstream(failure: Failure) -> Flat:
    """The upstream gradient of each expected number; [] when there is none, or 1 everywhere."""
    e, o = _leaves(failure)
    upstream = _flat(failure.inputs.get("upstream"))
    if failure.mismatch.kind == "shape" or not upstream or len(e) != len(o) or not e:
        return []
    factors = upstream * len(e) if len(upstream) == 1 else upstream
    if len(factors) != len(e) or all(abs(u - 1.0) < NEAR for u in factors):
        return []
    return factors


# Three rules and not one: an upstream gradient of -1 fits several of them.


def _left_out(failure: Failure) -> str:
    e, o = _leaves(failure)
    factors = _upstream(failure)
    if factors and _same([x * f for x, f in zip(o, factors, strict=True)], e):
        return (
            "The upstream gradient is left out: multiply the local derivative by the gradient that "
            "backward receives."
        )
    return ""


def _twice(failure: Failure) -> str:
    e, o = _leaves(failure)
    factors = _upstream(failure)
    if factors and _same([x * f for x, f in zip(e, factors, strict=True)], o):
        return "The upstream gradient is multiplied in twice."
    return ""


def _passed_on(failure: Failure) -> str:
    _, o = _leaves(failure)
    factors = _upstream(failure)
    if factors and _same(factors, o):
        return "The upstream gradient is passed on as it came: the local derivative is left out."
    return ""


def _zero(failure: Failure) -> str:
    e, o = _leaves(failure)
    if isinstance(failure.expected, (int, float)):
        return ""  # a number that was returned: a branch or a formula is wrong, and the input says which
    if o and all(x == 0 for x in o) and any(abs(x) > NEAR for x in e) and not set(e) <= {0.0, 1.0}:
        return "The answer is zero everywhere: is the result computed but never stored or returned?"
    return ""


def _scaled(failure: Failure) -> str:
    e, o = _leaves(failure)
    factor = _ratio(e, o)
    if factor is None or abs(factor) < NEAR or abs(factor - 1) < NEAR:
        return ""
    if abs(factor + 1) < NEAR:
        return "The sign is wrong: the answer is exactly the negative of what it should be."
    if abs(factor - round(factor)) < NEAR and 1 < factor < 100:
        return f"The answer is {round(factor)} times what it should be: is a contribution counted more than once?"
    if abs(1 / factor - round(1 / factor)) < NEAR and 1 < 1 / factor < 100:
        return f"The answer is 1/{round(1 / factor)} of what it should be: is a contribution lost?"
    return ""


def _reordered(failure: Failure) -> str:
    e, o = _leaves(failure)
    if len(e) == len(o) > 1 and len(set(e)) > 1 and _same(sorted(e), sorted(o)):
        return "The right numbers stand in the wrong places: look at the indices, the strides or the order of axes."
    return ""


def _flipped(failure: Failure) -> str:
    e, o = _leaves(failure)
    if _truths(failure) and all(x + y == 1.0 for x, y in zip(e, o, strict=True)):
        return "True and false are exchanged: compare the other way round."
    return ""


def _truths(failure: Failure) -> bool:
    """Whether both answers, as a whole, are zeros and ones."""
    e, o = _flat(failure.expected), _flat(failure.observed)
    return len(e) == len(o) > 0 and {*e, *o} <= {0.0, 1.0}


def _one_way(failure: Failure) -> str:
    e, o = _leaves(failure)
    if not _truths(failure) or e == o:
        return ""
    if all(x <= y for x, y in zip(e, o, strict=True)):
        return "Where the answer is wrong it is 1 and should be 0: does a condition hold too often?"
    if all(x >= y for x, y in zip(e, o, strict=True)):
        return (
            "Where the answer is wrong it is 0 and should be 1: does a condition hold too seldom?"
        )
    return ""


def _both_ways(failures: Sequence[Failure]) -> bool:
    """Whether true came out as false and false as true: a test that is always true is not reversed."""
    return {x for failure in failures for x in _leaves(failure)[0]} == {0.0, 1.0}


def _several(failures: Sequence[Failure]) -> bool:
    """Whether there are numbers enough: any two differ by something."""
    return len({x for failure in failures for x in _leaves(failure)[0]}) > 2


def _shifted(failure: Failure) -> str:
    e, o = _leaves(failure)
    if e and len(e) == len(o) and not isinstance(failure.expected, dict):
        shift = o[0] - e[0]
        if abs(shift) > NEAR and _same([x + shift for x in e], o):
            said = f"Every number is off by {shift:g}"
            many = any(isinstance(x, list) or hasattr(x, "dtype") for x in failure.inputs.values())
            return f"{said}: is a starting value wrong?" if many else f"{said}."
    return ""


# What must hold of all failures together, beside what a rule looks for in each.
ENOUGH: dict[object, Callable[[Sequence[Failure]], bool]] = {
    _flipped: _both_ways,
    _shifted: _several,
}
