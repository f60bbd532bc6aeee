"""Module 1: every scalar Function, and programs of Scalars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles import Array, assert_close, judge, same_cases
from .subjects import minitorch

Scalar = minitorch.Scalar
functions = minitorch.scalar_functions

# Multiples of 1/8: a draw is either on a kink or far from it, and none is drawn there.
eighths = st.integers(-32, 32).map(lambda n: n / 8)
off_zero = eighths.filter(bool)
positive = st.integers(1, 64).map(lambda n: n / 8)

ONE_INPUT = {
    "Neg": (anp.negative, eighths),
    "Inv": (lambda x: 1 / x, off_zero),
    "Log": (anp.log, positive),
    "Exp": (anp.exp, eighths),
    "Sigmoid": (lambda x: 1 / (1 + anp.exp(-x)), eighths),
    "ReLU": (lambda x: anp.maximum(x, 0.0), off_zero),
}
TWO_INPUTS = {
    "Add": anp.add,
    "Mul": anp.multiply,
    "LT": lambda x, y: anp.where(x < y, 1.0, 0.0) + 0.0 * (x + y),
    "EQ": lambda x, y: anp.where(x == y, 1.0, 0.0) + 0.0 * (x + y),
}


def under_test(
    f: Callable[..., Any],
) -> tuple[Callable[..., Array], Callable[..., list[Array]]]:
    """Turn a function of Scalars into the value and the gradients of arrays of shape ()."""

    def value(*point: Array) -> Array:
        return np.asarray(f(*(Scalar(float(x)) for x in point)).data)

    def vjp(*point: Array, upstream: Array) -> list[Array]:
        leaves = [Scalar(float(x)) for x in point]
        f(*leaves).backward(float(upstream))
        return [np.asarray(0.0 if x.derivative is None else x.derivative) for x in leaves]

    return value, vjp


def arrays(*numbers: float) -> list[Array]:
    return [np.asarray(x) for x in numbers]


@pytest.mark.parametrize("name", ONE_INPUT)
@given(data=st.data(), seed=st.integers(0, 1000))
@same_cases
def test_function_of_one_input(name: str, data: st.DataObject, seed: int) -> None:
    truth, domain = ONE_INPUT[name]
    f = getattr(functions, name).apply
    judge(*under_test(f), truth, arrays(data.draw(domain)), seed)


@pytest.mark.parametrize("name", TWO_INPUTS)
@given(x=eighths, y=eighths, seed=st.integers(0, 1000))
@same_cases
def test_function_of_two_inputs(name: str, x: float, y: float, seed: int) -> None:
    if name in ("LT", "EQ") and x == y:
        y += 0.125  # on the step itself there is no slope
    f = getattr(functions, name).apply
    judge(*under_test(f), TWO_INPUTS[name], arrays(x, y), seed)


def test_steps_at_equal_inputs() -> None:
    assert functions.LT.apply(2.0, 2.0).data == 0.0
    assert functions.EQ.apply(2.0, 2.0).data == 1.0


def test_sigmoid_keeps_the_digits_of_a_tiny_slope() -> None:
    x = Scalar(40.0)
    x.sigmoid().backward()
    assert x.derivative == pytest.approx(np.exp(-40.0), rel=1e-9, abs=0)


OPERATORS: dict[str, Callable[..., Any]] = {
    "x + y": lambda x, y: x + y,
    "x + 3": lambda x, y: x + 3.0,
    "3 + x": lambda x, y: 3.0 + x,
    "x - y": lambda x, y: x - y,
    "x - 3": lambda x, y: x - 3.0,
    "x * y": lambda x, y: x * y,
    "3 * x": lambda x, y: 3.0 * x,
    "x / y": lambda x, y: x / y,
    "x / 3": lambda x, y: x / 3.0,
    "3 / x": lambda x, y: 3.0 / x,
    "-x": lambda x, y: -x,
    "log": lambda x, y: (x.log() if isinstance(x, Scalar) else anp.log(x)) * y,
    "exp": lambda x, y: (x.exp() if isinstance(x, Scalar) else anp.exp(x)) * y,
    "sigmoid": lambda x, y: (x.sigmoid() if isinstance(x, Scalar) else 1 / (1 + anp.exp(-x))) * y,
    "relu": lambda x, y: (x.relu() if isinstance(x, Scalar) else anp.maximum(x, 0.0)) * y,
}


@pytest.mark.parametrize("name", OPERATORS)
@given(x=positive, y=positive, seed=st.integers(0, 1000))
@same_cases
def test_operator_of_scalars(name: str, x: float, y: float, seed: int) -> None:
    def truth(a: Array, b: Array) -> Array:
        return OPERATORS[name](a, b) + 0.0 * (a + b)

    judge(*under_test(OPERATORS[name]), truth, arrays(x, y), seed)


def test_comparisons_of_scalars() -> None:
    x, y = Scalar(1.0), Scalar(2.0)
    assert [(x < y).data, (x > y).data, (x == y).data] == [1.0, 0.0, 0.0]
    assert [(y < x).data, (y > x).data, (x == 1.0).data] == [0.0, 1.0, 1.0]
    assert bool(x < y) is True
    assert bool(x > y) is False


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Draw a straight-line program; each step may use any value made before it, also twice."""
    steps: list[tuple[str, int, int]] = []
    for n in range(2, 2 + draw(st.integers(2, 9))):
        name = draw(st.sampled_from(["add", "sub", "mul", "neg", "sigmoid", "exp of sigmoid"]))
        # The newest value is preferred, so that the graph is deep and not only wide.
        first = draw(st.sampled_from([n - 1, *range(n)]))
        steps.append((name, first, draw(st.integers(0, n - 1))))
    return steps


def run(program: list[tuple[str, int, int]], x: Any, y: Any, sigmoid: Any, exp: Any) -> Any:
    """Run a program and return its last value. Values are kept small by squashing products."""
    values = [x, y]
    for name, i, j in program:
        a, b = values[i], values[j]
        values.append(
            {
                "add": lambda a, b: (a + b) * 0.5,
                "sub": lambda a, b: (a - b) * 0.5,
                "mul": lambda a, b: a * b,
                "neg": lambda a, b: -a,
                "sigmoid": lambda a, b: sigmoid(a),
                "exp of sigmoid": lambda a, b: exp(sigmoid(a)) * 0.3,
            }[name](a, b)
        )
    return values[-1]


units = st.integers(-8, 8).map(lambda n: n / 8)


@given(program=programs(), x=units, y=units, seed=st.integers(0, 1000))
@same_cases
def test_random_programs_with_reuse(
    program: list[tuple[str, int, int]], x: float, y: float, seed: int
) -> None:
    def ours(a: Any, b: Any) -> Any:
        return run(program, a, b, lambda v: v.sigmoid(), lambda v: v.exp())

    def truth(a: Array, b: Array) -> Array:
        return run(program, a, b, lambda v: 1 / (1 + anp.exp(-v)), anp.exp) + 0.0 * (a + b)

    judge(*under_test(ours), truth, arrays(x, y), seed)


def test_central_difference_steps_to_both_sides_of_the_chosen_argument() -> None:
    def f(x: float, y: float, z: float) -> float:
        return x * y * y + z**3

    at = (2.0, 3.0, 0.5)
    for arg, expected in enumerate([9.0, 12.0, 0.75]):
        found = minitorch.central_difference(f, *at, arg=arg)
        assert found == pytest.approx(expected, rel=1e-8)
    # The error of a central difference vanishes for a square; a one-sided one is off by h.
    square = minitorch.central_difference(lambda x: x * x, 1.0, epsilon=0.5)
    assert square == pytest.approx(2.0, rel=1e-12)


def test_chain_rule_gives_a_pair_for_each_input_in_order() -> None:
    x, y = Scalar(3.0), Scalar(5.0)
    pairs = list((x * y).chain_rule(2.0))
    assert [(v.unique_id, d) for v, d in pairs] == [(x.unique_id, 10.0), (y.unique_id, 6.0)]
    assert [d for _, d in (x + 4.0).chain_rule(2.0)] == [2.0, 2.0]


def test_a_constant_is_passed_by() -> None:
    x, c = Scalar(3.0), Scalar(5.0)
    c.history = None
    (x * c + c).backward()
    assert x.derivative == 5.0
    assert c.derivative is None


def test_derivatives_land_in_leaves_and_add_up_over_calls() -> None:
    x = Scalar(3.0)
    middle = x * x
    y = middle * 2.0
    y.backward()
    y.backward(0.5)
    assert x.derivative == 12.0 * 1.5
    assert middle.derivative is None
    assert y.derivative is None


def test_a_leaf_is_its_own_derivative() -> None:
    x = Scalar(3.0)
    x.backward(2.0)
    assert x.derivative == 2.0


@given(st.integers(-8, 8).map(lambda n: n / 4), st.integers(-8, 8).map(lambda n: n / 4))
@same_cases
def test_logistic_loss_through_scalars(w: float, b: float) -> None:
    """L(w, b) = -log sigmoid(x w + b), differentiated through our Scalars and by autograd."""

    def loss(p: Array) -> Array:
        return -anp.log(1 / (1 + anp.exp(-(1.5 * p[0] + p[1]))))

    ws, bs = Scalar(w), Scalar(b)
    (-(ws * 1.5 + bs).sigmoid().log()).backward()
    expected = autograd.grad(loss)(np.array([w, b]))
    assert_close(np.array([ws.derivative, bs.derivative]), expected, 1e-12, "logistic loss")


def test_forward_that_returns_no_float_is_named() -> None:
    class Whole(minitorch.ScalarFunction):  # type: ignore
        @staticmethod
        def forward(ctx: Any, a: float) -> int:
            return 1

    with pytest.raises(TypeError, match=r"Whole\.forward returned int"):
        Whole.apply(2.0)


def test_derivative_check_accepts_a_right_and_refuses_a_wrong_derivative() -> None:
    class Wrong(minitorch.ScalarFunction):  # type: ignore
        @staticmethod
        def forward(ctx: Any, a: float) -> float:
            return a * a

        @staticmethod
        def backward(ctx: Any, d: float) -> float:
            return d

    minitorch.derivative_check(lambda x, y: x * y + x.exp(), Scalar(1.0), Scalar(2.0))
    minitorch.derivative_check(lambda x, unused: x * 2.0, Scalar(1.0), Scalar(2.0))
    with pytest.raises(AssertionError, match="argument 0"):
        minitorch.derivative_check(Wrong.apply, Scalar(2.0))
