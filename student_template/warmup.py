r"""Warm-up: derivatives by hand, before any graph.

A function that can be differentiated comes as two halves. ``forward`` computes $f(x)$ and saves
in a context what it will need later. ``backward`` takes a number $d$ and returns $d \cdot f'(x)$;
with several inputs it returns one such product for each. Where the $d$ comes from does not matter
here: the chain rule will hand it over in Module 1.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Context:
    """What forward leaves for backward.

    Attributes:
        saved_values: what forward saved, always a tuple, also if it is a single value.
    """

    saved_values: tuple[float, ...] = ()

    def save_for_backward(self, *values: float) -> None:
        """Keep the values that backward will need."""
        self.saved_values = values

    @property
    def saved_tensors(self) -> tuple[float, ...]:
        """The saved values under another name."""
        return self.saved_values


class ScalarFunction:
    """The common part of the functions below: a way to try both halves at once."""

    @classmethod
    def derivatives(cls, *inputs: float, d: float = 1.0) -> tuple[float, ...]:
        """Run forward, then backward with d, and return one derivative for each input."""
        ctx = Context()
        cls.forward(ctx, *inputs)  # type: ignore[attr-defined]
        result = cls.backward(ctx, d)  # type: ignore[attr-defined]
        return result if isinstance(result, tuple) else (result,)


def derivative(f: Callable[[float], float]) -> Callable[[float], float]:
    r"""Return a function that approximates f' by a central difference.

    $$f'(x) \approx \frac{f(x + h) - f(x - h)}{2 h}$$

    A large step $h$ leaves out higher terms of $f$ (an error of order $h^2$); a small one leaves
    few correct digits in the difference (an error of order $\varepsilon / h$, where $\varepsilon$
    is the machine precision, ``sys.float_info.epsilon``). The two balance near
    $h = \varepsilon^{1/3}$, for large $x$ multiplied by $|x|$.

    Args:
        f: a smooth function of one number.

    Returns:
        A function of one number.
    """

    raise NotImplementedError(
        "Task derivative: Return a function that approximates f' by a central difference."
    )


class Neg(ScalarFunction):
    r"""Negation, $f(x) = -x$."""

    @staticmethod
    def forward(ctx: Context, x: float) -> float:
        """Compute -x."""
        raise NotImplementedError("Task functions: Compute -x.")

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        r"""Apply the chain rule with $f'(x) = -1$."""
        raise NotImplementedError("Task functions: Apply the chain rule with $f'(x) = -1$.")


class Sin(ScalarFunction):
    r"""Sine, $f(x) = \sin x$ with $x$ in radians."""

    @staticmethod
    def forward(ctx: Context, x: float) -> float:
        """Compute sin x."""
        raise NotImplementedError("Task functions: Compute sin x.")

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        r"""Apply the chain rule with $f'(x) = \cos x$."""
        raise NotImplementedError("Task functions: Apply the chain rule with $f'(x) = \\cos x$.")


class Mul(ScalarFunction):
    r"""Multiplication, $f(x, y) = x y$."""

    @staticmethod
    def forward(ctx: Context, x: float, y: float) -> float:
        """Compute x y."""
        raise NotImplementedError("Task functions: Compute x y.")

    @staticmethod
    def backward(ctx: Context, d: float) -> tuple[float, float]:
        r"""Apply the chain rule with $f'_x = y$ and $f'_y = x$."""
        raise NotImplementedError(
            "Task functions: Apply the chain rule with $f'_x = y$ and $f'_y = x$."
        )


class TimesFive(ScalarFunction):
    r"""Multiplication by a constant, $f(x) = 5 x$."""

    @staticmethod
    def forward(ctx: Context, x: float) -> float:
        """Compute 5 x."""
        raise NotImplementedError("Task functions: Compute 5 x.")

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        r"""Apply the chain rule with $f'(x) = 5$."""
        raise NotImplementedError("Task functions: Apply the chain rule with $f'(x) = 5$.")


class Square(ScalarFunction):
    r"""Square, $f(x) = x^2$."""

    @staticmethod
    def forward(ctx: Context, x: float) -> float:
        """Compute the square of x."""
        raise NotImplementedError("Task functions: Compute the square of x.")

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        r"""Apply the chain rule with $f'(x) = 2 x$."""
        raise NotImplementedError("Task functions: Apply the chain rule with $f'(x) = 2 x$.")


class AddTimes2(ScalarFunction):
    r"""Addition of a doubled number, $f(x, y) = x + 2 y$."""

    @staticmethod
    def forward(ctx: Context, x: float, y: float) -> float:
        """Compute x + 2 y."""
        raise NotImplementedError("Task functions: Compute x + 2 y.")

    @staticmethod
    def backward(ctx: Context, d: float) -> tuple[float, float]:
        r"""Apply the chain rule with $f'_x = 1$ and $f'_y = 2$."""
        raise NotImplementedError(
            "Task functions: Apply the chain rule with $f'_x = 1$ and $f'_y = 2$."
        )


class G:
    r"""A function with two outputs, $G(x_1, x_2) = (x_1, \; x_1 x_2)$.

    Its derivatives form a matrix, the Jacobian, with a row for each output and a column for each
    input. A final result that depends on both outputs sends back a derivative to each of them,
    $d_1$ and $d_2$, and an input collects from both:

    $$d_{x_j} = d_1 \frac{\partial G_1}{\partial x_j} + d_2 \frac{\partial G_2}{\partial x_j}.$$
    """

    @staticmethod
    def forward(ctx: Context, x1: float, x2: float) -> tuple[float, float]:
        """Compute both outputs."""
        raise NotImplementedError("Task jacobian: Compute both outputs.")

    @staticmethod
    def jacobian(x1: float, x2: float) -> list[list[float]]:
        r"""Compute the rows of the Jacobian: row i, column j holds $\partial G_i/\partial x_j$."""
        raise NotImplementedError(
            "Task jacobian: Compute the rows of the Jacobian: row i, column j holds $\\partial G_i/\\partial x_j$."
        )

    @staticmethod
    def backward(ctx: Context, d1: float, d2: float) -> tuple[float, float]:
        r"""Compute both input derivatives $d_{x_1}$ and $d_{x_2}$ from $d_1$ and $d_2$."""
        raise NotImplementedError(
            "Task jacobian: Compute both input derivatives $d_{x_1}$ and $d_{x_2}$ from $d_1$ and $d_2$."
        )


def logistic_loss(w1: float, w2: float, b: float, x1: float, x2: float) -> float:
    r"""Compute the loss of a linear model on a point that should be positive.

    $$L(w_1, w_2, b) = -\log \sigma(m), \qquad m = x_1 w_1 + x_2 w_2 + b$$

    Written out, $L = \log(1 + e^{-m})$. For a very negative $m$ the exponential overflows; the
    equal form $L = -m + \log(1 + e^{m})$ does not.

    Args:
        w1: the weight of the first coordinate.
        w2: the weight of the second coordinate.
        b: the bias.
        x1: the first coordinate of the point.
        x2: the second coordinate of the point.

    Returns:
        The loss, never negative.
    """
    raise NotImplementedError(
        "Task loss: Compute the loss of a linear model on a point that should be positive."
    )


def logistic_loss_gradient(
    w1: float, w2: float, b: float, x1: float, x2: float
) -> tuple[float, float, float]:
    r"""Compute the derivatives of the loss by the two weights and the bias.

    By the chain rule through $m = x_1 w_1 + x_2 w_2 + b$,

    $$L'_{w_1} = L'_m \cdot x_1, \qquad L'_{w_2} = L'_m \cdot x_2, \qquad L'_b = L'_m,$$

    where $L'_m$ is the derivative of $-\log \sigma(m)$ by $m$.

    Args:
        w1: the weight of the first coordinate.
        w2: the weight of the second coordinate.
        b: the bias.
        x1: the first coordinate of the point.
        x2: the second coordinate of the point.

    Returns:
        $(L'_{w_1}, L'_{w_2}, L'_b)$.
    """
    raise NotImplementedError(
        "Task loss: Compute the derivatives of the loss by the two weights and the bias."
    )
