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

    # begin solution derivative
    def f_prime(x: float) -> float:
        h = math.cbrt(sys.float_info.epsilon) * max(1.0, abs(x))
        # x + h and x - h are rounded, so we divide by the distance that is really between them.
        above, below = x + h, x - h
        return (f(above) - f(below)) / (above - below)

    return f_prime
    # end solution


class Neg(ScalarFunction):
    r"""Negation, $f(x) = -x$."""

    @staticmethod
    def forward(ctx: Context, x: float) -> float:
        """Compute -x."""
        # begin solution functions
        return -x
        # end solution

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        r"""Apply the chain rule with $f'(x) = -1$."""
        # begin solution functions
        return -d
        # end solution


class Sin(ScalarFunction):
    r"""Sine, $f(x) = \sin x$ with $x$ in radians."""

    @staticmethod
    def forward(ctx: Context, x: float) -> float:
        """Compute sin x."""
        # begin solution functions
        ctx.save_for_backward(x)
        return math.sin(x)
        # end solution

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        r"""Apply the chain rule with $f'(x) = \cos x$."""
        # begin solution functions
        (x,) = ctx.saved_values
        return d * math.cos(x)
        # end solution


class Mul(ScalarFunction):
    r"""Multiplication, $f(x, y) = x y$."""

    @staticmethod
    def forward(ctx: Context, x: float, y: float) -> float:
        """Compute x y."""
        # begin solution functions
        ctx.save_for_backward(x, y)
        return x * y
        # end solution

    @staticmethod
    def backward(ctx: Context, d: float) -> tuple[float, float]:
        r"""Apply the chain rule with $f'_x = y$ and $f'_y = x$."""
        # begin solution functions
        x, y = ctx.saved_values
        return d * y, d * x
        # end solution


class TimesFive(ScalarFunction):
    r"""Multiplication by a constant, $f(x) = 5 x$."""

    @staticmethod
    def forward(ctx: Context, x: float) -> float:
        """Compute 5 x."""
        # begin solution functions
        return 5.0 * x
        # end solution

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        r"""Apply the chain rule with $f'(x) = 5$."""
        # begin solution functions
        return 5.0 * d
        # end solution


class Square(ScalarFunction):
    r"""Square, $f(x) = x^2$."""

    @staticmethod
    def forward(ctx: Context, x: float) -> float:
        """Compute the square of x."""
        # begin solution functions
        ctx.save_for_backward(x)
        return x * x
        # end solution

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        r"""Apply the chain rule with $f'(x) = 2 x$."""
        # begin solution functions
        (x,) = ctx.saved_values
        return d * 2.0 * x
        # end solution


class AddTimes2(ScalarFunction):
    r"""Addition of a doubled number, $f(x, y) = x + 2 y$."""

    @staticmethod
    def forward(ctx: Context, x: float, y: float) -> float:
        """Compute x + 2 y."""
        # begin solution functions
        return x + 2.0 * y
        # end solution

    @staticmethod
    def backward(ctx: Context, d: float) -> tuple[float, float]:
        r"""Apply the chain rule with $f'_x = 1$ and $f'_y = 2$."""
        # begin solution functions
        return d, 2.0 * d
        # end solution


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
        # begin solution jacobian
        ctx.save_for_backward(x1, x2)
        return x1, x1 * x2
        # end solution

    @staticmethod
    def jacobian(x1: float, x2: float) -> list[list[float]]:
        r"""Compute the rows of the Jacobian: row i, column j holds $\partial G_i/\partial x_j$."""
        # begin solution jacobian
        return [[1.0, 0.0], [x2, x1]]
        # end solution

    @staticmethod
    def backward(ctx: Context, d1: float, d2: float) -> tuple[float, float]:
        r"""Compute both input derivatives $d_{x_1}$ and $d_{x_2}$ from $d_1$ and $d_2$."""
        # begin solution jacobian
        (dg1_dx1, dg1_dx2), (dg2_dx1, dg2_dx2) = G.jacobian(*ctx.saved_values)
        return d1 * dg1_dx1 + d2 * dg2_dx1, d1 * dg1_dx2 + d2 * dg2_dx2
        # end solution


# begin solution loss
def sigmoid(m: float) -> float:
    r"""Squash a number into (0, 1): $\sigma(m) = 1/(1 + e^{-m}) = e^m/(1 + e^m)$."""
    if m >= 0:
        return 1.0 / (1.0 + math.exp(-m))
    e = math.exp(m)
    return e / (1.0 + e)


# end solution


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
    # begin solution loss
    m = x1 * w1 + x2 * w2 + b
    # log1p(y) is log(1 + y), exact also where y is too small to change 1 + y.
    return max(-m, 0.0) + math.log1p(math.exp(-abs(m)))
    # end solution


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
    # begin solution loss
    # With sigma' = sigma (1 - sigma), the derivative of -log sigma is -(1 - sigma).
    d_m = -sigmoid(-(x1 * w1 + x2 * w2 + b))
    return d_m * x1, d_m * x2, d_m
    # end solution
