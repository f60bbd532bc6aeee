"""What the answer key is held against: central differences and HIPS autograd."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

import autograd
import numpy as np
import numpy.typing as npt
from hypothesis import settings

Array = npt.NDArray[np.float64]
Function = Callable[..., Array]

# The same cases on every run; and no deadline, since a loaded machine is no fault of the key.
same_cases = settings(deadline=None, derandomize=True, database=None, max_examples=30)

# A central difference with h near eps^(1/3) is off by about eps^(2/3), which is 4e-11, times the
# size of the function and of its third derivative. The domains below keep both under 1e3.
DIFFERENCE = 1e-6


def directional_difference(
    f: Function, point: Sequence[Array], direction: Sequence[Array]
) -> Array:
    """Approximate J v: how f changes at the point along a direction, by a central difference."""
    size = max((float(np.max(np.abs(x), initial=0.0)) for x in point), default=0.0)
    h = math.cbrt(sys.float_info.epsilon) * max(1.0, size)
    above = [x + h * v for x, v in zip(point, direction, strict=True)]
    below = [x - h * v for x, v in zip(point, direction, strict=True)]
    return (f(*above) - f(*below)) / (2 * h)


def numerical_vjp(f: Function, point: Sequence[Array], upstream: Array) -> list[Array]:
    """Approximate u' J, coordinate by coordinate."""
    gradients = []
    for arg, x in enumerate(point):
        gradient = np.zeros_like(x)
        for index in np.ndindex(x.shape):
            direction = [np.zeros_like(other) for other in point]
            direction[arg][index] = 1.0
            gradient[index] = np.sum(upstream * directional_difference(f, point, direction))
        gradients.append(gradient)
    return gradients


def autograd_vjp(f: Function, point: Sequence[Array], upstream: Array) -> list[Array]:
    """Compute u' J by HIPS autograd; f is written with ``autograd.numpy``."""
    gradients = []
    for arg in range(len(point)):
        vjp, _ = autograd.make_vjp(f, arg)(*point)
        gradients.append(np.asarray(vjp(upstream)))
    return gradients


def assert_close(found: Array, expected: Array, tolerance: float, what: str) -> None:
    """Assert that two arrays agree in shape and, relative to the larger of 1 and them, in value."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale, err_msg=what)


def judge(
    f: Function, vjp: Callable[..., list[Array]], truth: Function, point: Sequence[Array], seed: int
) -> None:
    """Hold a function and its gradients against all that we have.

    Args:
        f: the function under test, of arrays.
        vjp: its gradients under test, of arrays and then ``upstream``.
        truth: the same function in ``autograd.numpy``.
        point: where to evaluate it; no kink within 1e-4.
        seed: for the upstream and the direction, drawn at random and so not all alike.
    """
    expected = np.asarray(truth(*point))
    assert_close(f(*point), expected, 1e-12, "the value")

    rng = np.random.default_rng(seed)
    upstream = rng.uniform(-2, 2, expected.shape)
    found = vjp(*point, upstream=upstream)
    for arg, (mine, theirs, slope) in enumerate(
        zip(
            found,
            autograd_vjp(truth, point, upstream),
            numerical_vjp(f, point, upstream),
            strict=True,
        )
    ):
        assert_close(mine, theirs, 1e-10, f"the gradient by argument {arg}, against autograd")
        assert_close(mine, slope, DIFFERENCE, f"the gradient by argument {arg}, against slopes")

    direction = [rng.uniform(-1, 1, x.shape) for x in point]
    forwards = float(np.sum(upstream * directional_difference(f, point, direction)))
    backwards = sum(float(np.sum(g * v)) for g, v in zip(found, direction, strict=True))
    assert_close(backwards, forwards, DIFFERENCE, "<u, Jv> = <J'u, v>")
