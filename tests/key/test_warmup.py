"""The warm-up exercises."""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Callable

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles import Array, assert_close, judge, same_cases
from .subjects import REFERENCE, warmup

numbers = st.integers(-40, 40).map(lambda n: n / 8)
seeds = st.integers(0, 1000)


def test_it_needs_only_the_standard_library() -> None:
    tree = ast.parse((REFERENCE / "warmup.py").read_text(encoding="utf-8"))
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


NEAR, FAR = [0.0, 1e-3, 1.0, -2.0], [50.0, -1e4]
SLOPES: list[tuple[Callable[[float], float], Callable[[float], float], list[float]]] = [
    (math.sin, math.cos, NEAR),
    (math.exp, math.exp, NEAR),
    # The step grows with x, which suits functions that change more slowly far out, as these do.
    (lambda x: x * x * x, lambda x: 3 * x * x, NEAR + FAR),
    (lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2, NEAR + FAR),
    (lambda x: 5 * x - 2, lambda x: 5.0, NEAR + FAR),
]


@pytest.mark.parametrize(("f", "slope", "x"), [(f, s, x) for f, s, xs in SLOPES for x in xs])
def test_derivative_is_good_to_nine_digits(
    f: Callable[[float], float], slope: Callable[[float], float], x: float
) -> None:
    assert warmup.derivative(f)(x) == pytest.approx(slope(x), rel=1e-9, abs=1e-9)


FUNCTIONS = {
    "Neg": (anp.negative, 1),
    "Sin": (anp.sin, 1),
    "Mul": (anp.multiply, 2),
    "TimesFive": (lambda x: 5 * x, 1),
    "Square": (lambda x: x**2, 1),
    "AddTimes2": (lambda x, y: x + 2 * y, 2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(x=numbers, y=numbers, seed=seeds)
@same_cases
def test_function(name: str, x: float, y: float, seed: int) -> None:
    truth, count = FUNCTIONS[name]
    function = getattr(warmup, name)

    def value(*point: Array) -> Array:
        return np.asarray(function.forward(warmup.Context(), *(float(p) for p in point)))

    def vjp(*point: Array, upstream: Array) -> list[Array]:
        found = function.derivatives(*(float(p) for p in point), d=float(upstream))
        return [np.asarray(d) for d in found]

    judge(value, vjp, truth, [np.asarray(x), np.asarray(y)][:count], seed)


@given(x1=numbers, x2=numbers, seed=seeds)
@same_cases
def test_g(x1: float, x2: float, seed: int) -> None:
    def truth(x: Array) -> Array:
        return anp.array([x[0], x[0] * x[1]])

    def value(x: Array) -> Array:
        return np.array(warmup.G.forward(warmup.Context(), float(x[0]), float(x[1])))

    def vjp(x: Array, upstream: Array) -> list[Array]:
        ctx = warmup.Context()
        warmup.G.forward(ctx, float(x[0]), float(x[1]))
        return [np.array(warmup.G.backward(ctx, float(upstream[0]), float(upstream[1])))]

    point = np.array([x1, x2])
    judge(value, vjp, truth, [point], seed)
    expected = autograd.jacobian(truth)(point)
    assert_close(np.array(warmup.G.jacobian(x1, x2)), expected, 1e-12, "the Jacobian")


@given(p=st.tuples(numbers, numbers, numbers, numbers, numbers), seed=seeds)
@same_cases
def test_logistic_loss(p: tuple[float, float, float, float, float], seed: int) -> None:
    *weights, x1, x2 = p

    def truth(w1: Array, w2: Array, b: Array) -> Array:
        return anp.logaddexp(0.0, -(x1 * w1 + x2 * w2 + b))

    def value(*w: Array) -> Array:
        return np.asarray(warmup.logistic_loss(*(float(v) for v in w), x1, x2))

    def vjp(*w: Array, upstream: Array) -> list[Array]:
        gradient = warmup.logistic_loss_gradient(*(float(v) for v in w), x1, x2)
        return [np.asarray(float(upstream) * g) for g in gradient]

    judge(value, vjp, truth, [np.asarray(w) for w in weights], seed)


@pytest.mark.parametrize("m", [-2000.0, -40.0, 40.0, 2000.0])
def test_logistic_loss_far_out(m: float) -> None:
    loss = warmup.logistic_loss(0.0, 0.0, m, 1.0, 1.0)
    slope = warmup.logistic_loss_gradient(0.0, 0.0, m, 1.0, 1.0)[2]
    if m < 0:
        assert loss == pytest.approx(-m, rel=1e-12)
        assert slope == pytest.approx(-1.0, rel=1e-12)
    else:
        assert loss == pytest.approx(math.exp(-m), rel=1e-9, abs=0)
        assert slope == pytest.approx(-math.exp(-m), rel=1e-9, abs=0)


def test_the_context_always_holds_a_tuple() -> None:
    ctx = warmup.Context()
    ctx.save_for_backward(3.0)
    assert ctx.saved_values == ctx.saved_tensors == (3.0,)
