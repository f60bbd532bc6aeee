r"""The mathematics that everything else is built from: plain functions of Python floats.

First come the functions of one or two numbers, then the ``*_back`` functions that multiply a
derivative by a number handed in from outside, and last the functions of lists. Nothing here
knows about autodifferentiation, Scalars or Tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

# ---------------------------------------------------------------------------------------------
# Task 0.1: functions of numbers
# ---------------------------------------------------------------------------------------------


def mul(x: float, y: float) -> float:
    r"""Multiply two numbers: $f(x, y) = x y$."""
    return x * y


def id(x: float) -> float:
    r"""Return the number unchanged: $f(x) = x$."""
    return x


def add(x: float, y: float) -> float:
    r"""Add two numbers: $f(x, y) = x + y$."""
    return x + y


def neg(x: float) -> float:
    r"""Change the sign: $f(x) = -x$."""
    return -x


def lt(x: float, y: float) -> float:
    r"""Tell whether x is less than y: $f(x, y) = 1$ if $x < y$, else $0$ (as floats)."""
    return 1.0 if x < y else 0.0


def eq(x: float, y: float) -> float:
    r"""Tell whether x equals y: $f(x, y) = 1$ if $x = y$, else $0$ (as floats)."""
    return 1.0 if x == y else 0.0


def max(x: float, y: float) -> float:
    r"""Return the larger of two numbers: $f(x, y) = \max(x, y)$."""
    return x if x > y else y


def is_close(x: float, y: float) -> float:
    r"""Tell whether two numbers nearly agree: $f(x, y) = 1$ if $|x - y| < 10^{-2}$, else $0$."""
    return 1.0 if abs(x - y) < 1e-2 else 0.0


def sigmoid(x: float) -> float:
    r"""Squash a number into (0, 1): $\sigma(x) = \frac{1}{1 + e^{-x}}$.

    The same value is $\frac{e^{x}}{1 + e^{x}}$. Use the first form for $x \ge 0$ and the second
    for $x < 0$: the exponent is then never positive, so $e^{\cdot}$ cannot overflow.
    """
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def relu(x: float) -> float:
    r"""Cut off the negative numbers: $f(x) = \max(x, 0)$ (a float, also where it is 0)."""
    return x if x > 0 else 0.0


def log(x: float) -> float:
    r"""Take the natural logarithm: $f(x) = \log x$ for $x > 0$."""
    return math.log(x)


def exp(x: float) -> float:
    r"""Take the exponential: $f(x) = e^x$."""
    return math.exp(x)


def inv(x: float) -> float:
    r"""Take the reciprocal: $f(x) = \frac{1}{x}$ for $x \ne 0$."""
    return 1.0 / x


def log_back(x: float, d: float) -> float:
    r"""Multiply d by the derivative of log at x: $d \cdot \log'(x)$, where $\log'(x) = x^{-1}$."""
    return d / x


def inv_back(x: float, d: float) -> float:
    r"""Multiply d by the derivative of inv at x: $d \cdot f'(x)$, where $f'(x) = -x^{-2}$."""
    return -d / (x * x)


def relu_back(x: float, d: float) -> float:
    r"""Multiply d by the derivative of relu at x: $f'(x) = 1$ for $x > 0$, else $0$.

    At the kink $x = 0$ every slope from 0 to 1 is a subgradient; by convention we take 0.
    """
    return d if x > 0 else 0.0


# ---------------------------------------------------------------------------------------------
# Task 0.3: functions of lists
# ---------------------------------------------------------------------------------------------


def map(fn: Callable[[float], float]) -> Callable[[Iterable[float]], Iterable[float]]:
    r"""Turn a function of a number into a function of a list: $[f(x_1), \ldots, f(x_n)]$.

    Args:
        fn: the function to apply to each element.

    Returns:
        A function that takes a list and returns the list of results.
    """

    def apply_to_each(ls: Iterable[float]) -> Iterable[float]:
        return [fn(x) for x in ls]

    return apply_to_each


def zipWith(
    fn: Callable[[float, float], float],
) -> Callable[[Iterable[float], Iterable[float]], Iterable[float]]:
    r"""Turn a function of two numbers into one of two lists: $[f(x_1, y_1), f(x_2, y_2), \ldots]$.

    Args:
        fn: the function to apply to each pair.

    Returns:
        A function that takes two lists of equal length and returns the list of results.
    """

    def apply_to_pairs(ls1: Iterable[float], ls2: Iterable[float]) -> Iterable[float]:
        return [fn(x, y) for x, y in zip(ls1, ls2, strict=True)]

    return apply_to_pairs


def reduce(fn: Callable[[float, float], float], start: float) -> Callable[[Iterable[float]], float]:
    r"""Fold a list into one number: $f(\ldots f(f(x_0, x_1), x_2) \ldots, x_n)$.

    Args:
        fn: the function that joins the result so far with the next element.
        start: the first result, $x_0$; it is also the result of an empty list.

    Returns:
        A function that takes a list and returns the number it folds to.
    """

    def fold(ls: Iterable[float]) -> float:
        result = start
        for x in ls:
            result = fn(result, x)
        return result

    return fold


def negList(ls: Iterable[float]) -> Iterable[float]:
    r"""Change the sign of every element: $[-x_1, \ldots, -x_n]$."""
    return map(neg)(ls)


def addLists(ls1: Iterable[float], ls2: Iterable[float]) -> Iterable[float]:
    r"""Add two lists of equal length element by element: $[x_1 + y_1, \ldots, x_n + y_n]$."""
    return zipWith(add)(ls1, ls2)


def sum(ls: Iterable[float]) -> float:
    r"""Add up a list: $\sum_i x_i$, which is 0 for an empty list."""
    return reduce(add, 0.0)(ls)


def prod(ls: Iterable[float]) -> float:
    r"""Multiply up a list: $\prod_i x_i$, which is 1 for an empty list."""
    return reduce(mul, 1.0)(ls)
