"""Task 0.1 and 0.3: functions of numbers and of lists."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles import same_cases
from .subjects import REFERENCE, load_tests, minitorch

ops = minitorch.operators
numbers = st.floats(-100, 100)
lists = st.lists(numbers, max_size=8)


@given(numbers, numbers)
@same_cases
def test_arithmetic_is_that_of_python(x: float, y: float) -> None:
    assert ops.add(x, y) == x + y
    assert ops.mul(x, y) == x * y
    assert ops.neg(x) == -x
    assert ops.id(x) == x
    assert ops.max(x, y) == max(x, y)
    assert ops.relu(x) == max(x, 0.0)
    assert ops.exp(x) == math.exp(x)
    assert ops.lt(x, y) == float(x < y)
    assert ops.eq(x, y) == float(x == y)
    assert ops.is_close(x, y) == float(abs(x - y) < 0.01)


def test_comparisons_of_equal_and_close_numbers() -> None:
    assert ops.eq(2.0, 2.0) == 1.0
    assert ops.lt(2.0, 2.0) == 0.0
    assert ops.max(2.0, 2.0) == 2.0
    assert ops.is_close(1.0, 1.009) == 1.0
    assert ops.is_close(1.0, 1.011) == 0.0
    assert ops.is_close(0.01, 0.0) == 0.0


@pytest.mark.parametrize("name", ["lt", "eq", "is_close", "max", "add", "mul"])
def test_two_floats_give_a_float(name: str) -> None:
    assert type(getattr(ops, name)(1.0, 2.0)) is float
    assert type(getattr(ops, name)(2.0, 1.0)) is float


@pytest.mark.parametrize("name", ["neg", "id", "relu", "sigmoid", "exp"])
def test_one_float_gives_a_float(name: str) -> None:
    assert type(getattr(ops, name)(1.5)) is float
    assert type(getattr(ops, name)(-1.5)) is float


@given(st.floats(-700, 700))
@same_cases
def test_sigmoid_keeps_its_digits_on_both_sides(x: float) -> None:
    # Both forms are exact where their exponential does not swamp the 1.
    expected = 1 / (1 + math.exp(-x)) if x >= -30 else math.exp(x)
    assert ops.sigmoid(x) == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize(("x", "expected"), [(-5000.0, 0.0), (5000.0, 1.0), (0.0, 0.5)])
def test_sigmoid_never_overflows(x: float, expected: float) -> None:
    assert ops.sigmoid(x) == expected


@given(st.floats(1e-3, 100))
@same_cases
def test_log_is_exact_and_inverse_to_exp(x: float) -> None:
    assert ops.log(x) == math.log(x)
    assert ops.exp(ops.log(x)) == pytest.approx(x, rel=1e-12)
    assert ops.inv(x) == 1 / x
    assert ops.inv(-x) == -1 / x


@given(st.floats(0.01, 50), st.floats(-5, 5))
@same_cases
def test_back_functions_are_d_times_the_slope(x: float, d: float) -> None:
    h = 1e-5 * x
    for name, back, at in [
        ("log", "log_back", x),
        ("inv", "inv_back", x),
        ("inv", "inv_back", -x),
        ("relu", "relu_back", x),
        ("relu", "relu_back", -x),
    ]:
        f = getattr(ops, name)
        slope = (f(at + h) - f(at - h)) / (2 * h)
        assert getattr(ops, back)(at, d) == pytest.approx(d * slope, rel=1e-6, abs=1e-9), back


def test_relu_has_slope_0_at_its_kink() -> None:
    assert ops.relu_back(0.0, 3.0) == 0.0


@given(lists)
@same_cases
def test_functions_of_a_list(ls: list[float]) -> None:
    assert list(ops.negList(ls)) == [-x for x in ls]
    assert list(ops.addLists(ls, ls[::-1])) == [x + y for x, y in zip(ls, ls[::-1], strict=True)]
    assert ops.sum(ls) == pytest.approx(math.fsum(ls), abs=1e-9)
    assert ops.prod(ls) == pytest.approx(math.prod(ls))
    assert list(ops.map(lambda x: 2 * x + 1)(ls)) == [2 * x + 1 for x in ls]
    assert list(ops.zipWith(lambda x, y: x - y)(ls, ls[::-1])) == [
        x - y for x, y in zip(ls, ls[::-1], strict=True)
    ]


def test_folding_goes_from_the_left() -> None:
    assert ops.reduce(lambda x, y: x - y, 10.0)([1.0, 2.0, 3.0]) == 4.0
    assert ops.reduce(lambda x, y: x - y, 10.0)([]) == 10.0
    assert ops.sum([]) == 0.0
    assert ops.prod([]) == 1.0


@pytest.mark.parametrize("name", ["sigmoid", "transitive", "symmetric", "distribute", "other"])
def test_the_key_s_own_tests_pass_on_the_key(name: str) -> None:
    own = load_tests("key_tests", REFERENCE / "tests", minitorch)
    getattr(own, f"test_{name}")()
    own.test_sum_distribute()
