"""Compares two answers once and names the first place at which they differ.

Answers are data of unknown origin: types are looked at exactly, nothing is converted by a method of the
value, and NaN equals NaN only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from grader.box.wire import Opaque, Raised, clean
from grader.model import Mismatch, Tolerance

TEXT = 700
TOLD = "told"


def show(value: Any, limit: int = TEXT, *, inside: bool = False) -> str:
    """A value as a person would type it: arrays as nested lists, floats in full, cut at `limit`.

    inside: whether it stands inside of another value, or is to be pasted; a dict has its braces then.
    """
    if isinstance(value, Opaque):
        return f"<{value.type}>"
    if isinstance(value, Raised):
        return clean(f"{value.type}: {value.message}", limit)
    if _is_array(value):
        return clean(repr(value.tolist()), limit)
    if isinstance(value, list):
        return clean(
            "[" + ", ".join(show(item, limit, inside=True) for item in value[:200]) + "]", limit
        )
    if isinstance(value, dict):
        items = [(k, show(v, limit, inside=True)) for k, v in value.items()]
        if inside:
            return clean("{" + ", ".join(f"{k!r}: {v}" for k, v in items) + "}", limit)
        return clean(", ".join(f"{k}: {v}" for k, v in items), limit)
    return clean(repr(value), limit)


def close(expected: Any, observed: Any, tolerance: Tolerance, slack: Any) -> Mismatch | None:
    """None when the answers agree: same structure, shapes and types of leaves, numbers within
    `tolerance` plus `tolerance.conditioning * slack`."""
    return _tree(expected, observed, tolerance, slack, "")


def growth(expected: Any, observed: Any, tolerance: Tolerance, slack: Any) -> Mismatch | None:
    """For lists of counts at growing sizes: each may be up to three times what the reference needs (plus
    8), which leaves room for any sensible way of working and none for one that doubles at every step."""
    if not isinstance(observed, list) or len(observed) != len(expected):
        return _tree(expected, observed, tolerance, slack, "")
    for place, (want, got) in enumerate(zip(expected, observed, strict=True)):
        if type(got) is not int:
            return Mismatch(f"[{place}]", "type", "a count", show(got))
        if got > 3 * want + 8:
            return Mismatch(f"[{place}]", "value", f"about {want} calls", f"{got} calls")
        if got < want / 3:
            return Mismatch(f"[{place}]", "value", f"about {want} calls", f"{got} calls")
    return None


def factor_two(expected: Any, observed: Any, tolerance: Tolerance, slack: Any) -> Mismatch | None:
    """For a size that is a matter of convention: anything from half to twice the reference's is right."""
    if type(observed) not in (int, float):
        return _tree(expected, observed, tolerance, slack, "")
    if 0.49 * abs(expected) <= abs(observed) <= 2.01 * abs(expected):
        return None
    return Mismatch("", "value", f"{expected!r}, or half or twice as much", show(observed))


def facts(expected: Any, observed: Any, tolerance: Tolerance, slack: Any) -> Mismatch | None:
    """For a dict of short texts. Each must be the reference's, but for `told`: what a student is told of it
    all, which is no matter of right or wrong."""
    if not isinstance(observed, dict) or set(observed) != set(expected):
        return _tree(expected, observed, tolerance, slack, "")
    for name, want in expected.items():
        found = None if name == TOLD else _tree(want, observed[name], tolerance, slack, name)
        if found:
            return found
    return None


def shares(expected: Any, observed: Any, tolerance: Tolerance, slack: Any) -> Mismatch | None:
    """For a maximum that several cells may reach: one row for each maximum, in which the reference gives
    all of them the same number u, not 0, and the others 0.

    Every subgradient is right: shares of u over those cells, none negative, that add up to u. So is u for
    each of them, which is what a course's own `argmax`, that marks all of them, leads to. Numbers are
    compared as closely as `tolerance` says; what an input's rounding would move has no meaning here.
    """
    import numpy as np

    still = Tolerance(tolerance.relative, tolerance.absolute, 0.0)
    if not _is_array(observed) or observed.shape != expected.shape:
        return _tree(expected, observed, still, slack, "")
    want, got = expected.astype(np.float64), observed.astype(np.float64)
    for place, (row, found) in enumerate(zip(want, got, strict=True)):
        whole = _array(row, found, still, 0.0, f"[{place}]")
        if whole is None:
            continue
        largest = row != 0.0
        upstream = float(row[largest][0])
        outside = _array(row[~largest], found[~largest], still, 0.0, f"[{place}]")
        if outside is not None or not np.isfinite(found).all():
            return whole
        room = tolerance.absolute / abs(upstream) + tolerance.relative
        with np.errstate(all="ignore"):
            parts = found[largest] / upstream
            total = float(parts.sum())
        # Not "greater than": the sum of infinities may be no number.
        if (parts < -room).any() or not abs(total - 1.0) <= room * len(parts):
            said = f"{upstream!r} for the largest cell"
            if largest.sum() > 1:
                said = f"{upstream!r} for one of the largest cells, for each, or shared among them"
            return Mismatch(f"[{place}]", "value", f"{said}, as in {show(row)}", show(found))
    return None


FALSE_ALARM = 1e-9  # of one count


def binomial(expected: Any, observed: Any, tolerance: Tolerance, slack: Any) -> Mismatch | None:
    """For what is left to chance: a dict of counts, each {"count": k, "of": n, "rate": p}. Any count is right
    that n independent trials, each of probability p, would give.

    n and p are the reference's. A count is wrong when the exact two-sided test of the binomial distribution
    with equal tails (Clopper and Pearson, Biometrika 26, 1934) rejects it at the level `FALSE_ALARM`; so
    right work fails one count with at most that probability, and any of N counts with at most N times that
    (Boole's inequality), however the counts depend on each other.
    """
    if not isinstance(observed, dict) or set(observed) != set(expected):
        return _tree(expected, observed, tolerance, slack, "")
    for name, want in expected.items():
        got = observed[name]
        if not isinstance(got, dict) or set(got) != set(want) or type(got["count"]) is not int:
            return Mismatch(name, "type", _kind(want), _kind(got))
        n, p, k = want["of"], want["rate"], got["count"]
        if type(got["of"]) is not int or got["of"] != n:
            return Mismatch(name, "value", f"a count of {n}", f"a count of {show(got['of'])}")
        if min(_at_most(k, n, p), _at_most(n - k, n, 1.0 - p)) < FALSE_ALARM / 2:
            likely = f"about {p * n:.0f} of {n} (each with probability {p:.3g})"
            return Mismatch(name, "value", likely, f"{k} of {n}")
    return None


def _at_most(k: int, n: int, p: float) -> float:
    """The probability that at most k of n independent trials succeed, each with probability p in (0, 1)."""
    if not 0 <= k <= n:
        return 0.0 if k < 0 else 1.0
    logs = math.log(p), math.log1p(-p)
    return math.fsum(
        math.exp(
            math.lgamma(n + 1)
            - math.lgamma(i + 1)
            - math.lgamma(n - i + 1)
            + i * logs[0]
            + (n - i) * logs[1]
        )
        for i in range(k + 1)
    )


def learns(expected: Any, observed: Any, tolerance: Tolerance, slack: Any) -> Mismatch | None:
    """For a training run: its loss at the end is the reference's, or is above it by at most a quarter of
    what the reference's came down; and all but one of the points that it gets right are right.

    Two right programs may part at a kink or by rounding, and the course asks for a network that learns, not
    for the same one.
    """
    if not isinstance(observed, dict) or set(observed) != set(expected):
        return _tree(expected, observed, tolerance, slack, "")
    for name in ("start", "end", "right"):
        if type(observed[name]) not in (int, float):
            return _tree(expected[name], observed[name], tolerance, slack, name)
    most = expected["end"] + 0.25 * max(expected["start"] - expected["end"], 0.0)
    if not 0.0 <= observed["end"] <= most:
        said = f"a loss of at most {most:.3g}, coming from {expected['start']:.3g}"
        return Mismatch("end", "value", said, repr(observed["end"]))
    if not expected["right"] - 1 <= observed["right"]:
        said = f"{expected['right']} points on the right side, or one less"
        return Mismatch("right", "value", said, repr(observed["right"]))
    return None


Comparison = Callable[[Any, Any, Tolerance, Any], Mismatch | None]
COMPARISONS: dict[str, Comparison] = {
    "close": close,
    "growth": growth,
    "factor_two": factor_two,
    "facts": facts,
    "shares": shares,
    "binomial": binomial,
    "learns": learns,
}


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape")


def _kind(value: Any) -> str:
    """What a value is, in words: `a number`, `an array of shape (2, 3)`, `None`."""
    if isinstance(value, Opaque):
        return f"a value of type {value.type}"
    if _is_array(value):
        return f"an array of shape {tuple(value.shape)}"
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"a dict of {', '.join(value)}"
    if isinstance(value, str):
        return f"the text {show(value, 200)}"
    return show(value, 200)


def _values(items: list[Any]) -> str:
    return "1 value" if len(items) == 1 else f"{len(items)} values"


def _tree(
    expected: Any, observed: Any, tolerance: Tolerance, slack: Any, path: str
) -> Mismatch | None:
    if _is_array(expected):
        return _array(expected, observed, tolerance, slack, path)
    if isinstance(expected, list):
        if not isinstance(observed, list):
            return Mismatch(path, "type", _values(expected), _kind(observed))
        if len(expected) != len(observed):
            return Mismatch(path, "length", _values(expected), _values(observed))
        slacks = (
            slack
            if isinstance(slack, list) and len(slack) == len(expected)
            else [0.0] * len(expected)
        )
        for place, (e, o, s) in enumerate(zip(expected, observed, slacks, strict=True)):
            found = _tree(e, o, tolerance, s, f"{path}[{place}]")
            if found:
                return found
        return None
    if isinstance(expected, dict):
        if not isinstance(observed, dict) or set(observed) != set(expected):
            return Mismatch(path, "type", _kind(expected), _kind(observed))
        for key, e in expected.items():
            s = slack.get(key, 0.0) if isinstance(slack, dict) else 0.0
            found = _tree(e, observed[key], tolerance, s, f"{path}.{key}" if path else key)
            if found:
                return found
        return None
    if type(expected) is float or (type(expected) is int and type(observed) is float):
        if type(observed) not in (float, int):
            return Mismatch(path, "type", f"the number {expected!r}", _kind(observed))
        return _number(float(expected), observed, tolerance, slack, path)
    if type(expected) is str:
        same = type(observed) is str and observed == expected
        return None if same else Mismatch(path, "value", expected, show(observed))
    if type(expected) is not type(observed):
        return Mismatch(path, "type", _kind(expected), _kind(observed))
    return None if expected == observed else Mismatch(path, "value", show(expected), show(observed))


def _number(
    expected: float, observed: Any, tolerance: Tolerance, slack: Any, path: str
) -> Mismatch | None:
    try:
        value = float(observed)
    except OverflowError:
        value = math.inf if observed > 0 else -math.inf
    if math.isfinite(expected) and math.isfinite(value):
        room = tolerance.absolute + tolerance.relative * abs(expected)
        room += tolerance.conditioning * (slack if isinstance(slack, float) else 0.0)
        if abs(expected - value) <= room:
            return None
        return Mismatch(path, "value", repr(expected), repr(value))
    if math.isnan(expected) and math.isnan(value):
        return None
    if expected == value:
        return None
    return Mismatch(path, "not finite", repr(expected), repr(value))


def _array(
    expected: Any, observed: Any, tolerance: Tolerance, slack: Any, path: str
) -> Mismatch | None:
    import numpy as np

    shape = tuple(expected.shape)
    if not _is_array(observed):
        if shape == () and type(observed) in (int, float):
            return _number(float(expected), observed, tolerance, slack, path)
        return Mismatch(path, "type", f"an array of shape {shape}", _kind(observed))
    if tuple(observed.shape) != shape:
        return Mismatch(path, "shape", f"shape {shape}", f"shape {tuple(observed.shape)}")
    want, got = expected.astype(np.float64), observed.astype(np.float64)
    with np.errstate(all="ignore"):
        room = tolerance.absolute + tolerance.relative * np.abs(want)
        room = room + tolerance.conditioning * (slack if isinstance(slack, float) else 0.0)
        finite = np.isfinite(want) & np.isfinite(got)
        same = (want == got) | (np.isnan(want) & np.isnan(got))
        fine = np.where(finite, np.abs(want - got) <= room, same)
    if fine.all():
        return None
    first = np.unravel_index(int(np.argmin(fine)), fine.shape)
    place = f"{path}[{', '.join(str(int(i)) for i in first)}]"
    e, o = float(want[first]), float(got[first])
    kind = "value" if math.isfinite(o) and math.isfinite(e) else "not finite"
    return Mismatch(place, kind, repr(e), repr(o))
