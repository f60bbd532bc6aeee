r"""The functions that a Scalar can pass through, each with its derivative.

A function $f$ has two halves. ``forward`` computes $f(x)$ from plain floats and saves in the
context what its derivative will need. ``backward`` receives $d$, the derivative of the final
result by this function's output, and returns $d \cdot f'(x)$, which is the derivative of the
final result by this function's input: the chain rule for one box. With two inputs it returns
two such products, $d \cdot f'_x(x, y)$ and $d \cdot f'_y(x, y)$.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import operators
from .autodiff import Context

if TYPE_CHECKING:
    from .scalar import Scalar, ScalarLike


def wrap_tuple(x: Any) -> tuple[Any, ...]:
    """Put a single value into a tuple; leave a tuple alone."""
    return x if isinstance(x, tuple) else (x,)


class ScalarFunction:
    """The common part of all functions of Scalars. It is never instantiated."""

    @classmethod
    def _forward(cls, ctx: Context, *inputs: float) -> float:
        return cls.forward(ctx, *inputs)  # type: ignore[attr-defined, no-any-return]

    @classmethod
    def _backward(cls, ctx: Context, d_output: float) -> tuple[float, ...]:
        return wrap_tuple(cls.backward(ctx, d_output))  # type: ignore[attr-defined]

    @classmethod
    def apply(cls, *vals: ScalarLike) -> Scalar:
        """Run forward on the inputs' numbers and remember in the result how it was made.

        Args:
            vals: Scalars, or plain numbers, which become Scalars of their own.

        Returns:
            A Scalar whose history holds this function, its context and its inputs.

        Raises:
            TypeError: if forward returns something other than a float.
        """
        from .scalar import Scalar, ScalarHistory

        inputs = [v if isinstance(v, Scalar) else Scalar(v) for v in vals]
        ctx = Context()
        result = cls._forward(ctx, *(v.data for v in inputs))
        if not isinstance(result, float):
            raise TypeError(
                f"{cls.__name__}.forward returned {type(result).__name__}, expected float"
            )
        return Scalar(result, ScalarHistory(cls, ctx, inputs))


class Add(ScalarFunction):
    r"""Addition, $f(a, b) = a + b$."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        """Add a and b."""
        return operators.add(a, b)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> tuple[float, float]:
        r"""Apply the chain rule with $f'_a = 1$ and $f'_b = 1$."""
        return d_output, d_output


class Log(ScalarFunction):
    r"""Natural logarithm, $f(a) = \log a$."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        """Take the logarithm of a."""
        ctx.save_for_backward(a)
        return operators.log(a)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        r"""Apply the chain rule with $f'(a) = \frac{1}{a}$."""
        (a,) = ctx.saved_values
        return operators.log_back(a, d_output)


class Mul(ScalarFunction):
    r"""Multiplication, $f(a, b) = a b$."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        """Multiply a and b."""
        ctx.save_for_backward(a, b)
        return operators.mul(a, b)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> tuple[float, float]:
        r"""Apply the chain rule with $f'_a = b$ and $f'_b = a$."""
        a, b = ctx.saved_values
        return operators.mul(d_output, b), operators.mul(d_output, a)


class Inv(ScalarFunction):
    r"""Reciprocal, $f(a) = \frac{1}{a}$."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        """Take the reciprocal of a."""
        ctx.save_for_backward(a)
        return operators.inv(a)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        r"""Apply the chain rule with $f'(a) = -\frac{1}{a^2}$."""
        (a,) = ctx.saved_values
        return operators.inv_back(a, d_output)


class Neg(ScalarFunction):
    r"""Negation, $f(a) = -a$."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        """Change the sign of a."""
        return operators.neg(a)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        r"""Apply the chain rule with $f'(a) = -1$."""
        return operators.neg(d_output)


class Sigmoid(ScalarFunction):
    r"""Sigmoid, $\sigma(a) = \frac{1}{1 + e^{-a}}$."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        """Take the sigmoid of a."""
        ctx.save_for_backward(a)
        return operators.sigmoid(a)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        r"""Apply the chain rule with $\sigma'(a) = \sigma(a) \, (1 - \sigma(a))$."""
        (a,) = ctx.saved_values
        slope = operators.mul(operators.sigmoid(a), operators.sigmoid(-a))
        return operators.mul(d_output, slope)


class ReLU(ScalarFunction):
    r"""Rectified linear unit, $f(a) = \max(a, 0)$."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        """Take the larger of a and 0."""
        ctx.save_for_backward(a)
        return operators.relu(a)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        r"""Apply the chain rule with $f'(a) = 1$ for $a > 0$, else $0$."""
        (a,) = ctx.saved_values
        return operators.relu_back(a, d_output)


class Exp(ScalarFunction):
    r"""Exponential, $f(a) = e^a$."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        """Take the exponential of a."""
        result = operators.exp(a)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        r"""Apply the chain rule with $f'(a) = e^a$."""
        (result,) = ctx.saved_values
        return operators.mul(d_output, result)


class LT(ScalarFunction):
    r"""Less than, $f(a, b) = 1$ if $a < b$, else $0$."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        """Tell whether a is less than b."""
        return operators.lt(a, b)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> tuple[float, float]:
        r"""Apply the chain rule to a step: $f'_a = f'_b = 0$ wherever it has a derivative."""
        return 0.0, 0.0


class EQ(ScalarFunction):
    r"""Equality, $f(a, b) = 1$ if $a = b$, else $0$."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        """Tell whether a equals b."""
        return operators.eq(a, b)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> tuple[float, float]:
        r"""Apply the chain rule to a step: $f'_a = f'_b = 0$ wherever it has a derivative."""
        return 0.0, 0.0
