"""Properties that the operators must have, whatever the numbers.

A test here states a law, not a table of results: Hypothesis looks for numbers that break it. A
good test passes on right operators, and fails as soon as an operator breaks the law.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import lists
from minitorch import operators
from minitorch.operators import add, addLists, lt, mul, neg, sigmoid

from .strategies import assert_close, small_floats

# ---------------------------------------------------------------------------------------------
# Task 0.2: laws of the operators
# ---------------------------------------------------------------------------------------------


@pytest.mark.task0_2
@given(small_floats, small_floats)
def test_sigmoid(a: float, b: float) -> None:
    """Test four properties of the sigmoid function.

    * It is never below 0 and never above 1.
    * One minus the sigmoid of a number is the sigmoid of its negative.
    * At 0 it is one half.
    * It never falls as its argument grows.
    """
    raise NotImplementedError("Task 0.2: Test four properties of the sigmoid function.")


@pytest.mark.task0_2
@given(small_floats, small_floats, small_floats)
def test_transitive(a: float, b: float, c: float) -> None:
    """Test that less-than is transitive: a < b and b < c give a < c."""
    raise NotImplementedError(
        "Task 0.2: Test that less-than is transitive: a < b and b < c give a < c."
    )


@pytest.mark.task0_2
@given(small_floats, small_floats)
def test_symmetric(a: float, b: float) -> None:
    """Test that mul gives the same number whichever factor comes first."""
    raise NotImplementedError(
        "Task 0.2: Test that mul gives the same number whichever factor comes first."
    )


@pytest.mark.task0_2
@given(small_floats, small_floats, small_floats)
def test_distribute(a: float, b: float, c: float) -> None:
    """Test that mul distributes over add: a (b + c) = a b + a c."""
    raise NotImplementedError(
        "Task 0.2: Test that mul distributes over add: a (b + c) = a b + a c."
    )


@pytest.mark.task0_2
@given(small_floats)
def test_other(a: float) -> None:
    """Test a property of your own choice, of any of the operators."""
    raise NotImplementedError(
        "Task 0.2: Test a property of your own choice, of any of the operators."
    )


# ---------------------------------------------------------------------------------------------
# Task 0.3: a law of the functions of lists
# ---------------------------------------------------------------------------------------------


@pytest.mark.task0_3
@given(
    lists(small_floats, min_size=5, max_size=5),
    lists(small_floats, min_size=5, max_size=5),
)
def test_sum_distribute(ls1: list[float], ls2: list[float]) -> None:
    """Test that two sums added are the sum of the lists added, with sum and addLists."""
    raise NotImplementedError(
        "Task 0.3: Test that two sums added are the sum of the lists added, with sum and addLists."
    )
