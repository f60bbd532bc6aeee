"""Scalar: a number that remembers how it was computed.

A Scalar is used like a float. Each operation makes a new Scalar whose history names the function
and its inputs; ``backward`` follows these histories to find derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Union

from .autodiff import Context, Variable, backpropagate, central_difference
from .scalar_functions import (
    EQ,
    LT,
    Add,
    Exp,
    Inv,
    Log,
    Mul,
    Neg,
    ReLU,
    ScalarFunction,
    Sigmoid,
)

ScalarLike = Union[float, int, "Scalar"]


# Frozen, because all Scalars that a user makes share one empty history.
@dataclass(frozen=True)
class ScalarHistory:
    """How a Scalar came to be.

    Attributes:
        last_fn: the function that made it, or None if a user did.
        ctx: the context of that call.
        inputs: the Scalars that the function was given.
    """

    last_fn: type[ScalarFunction] | None = None
    ctx: Context | None = None
    inputs: Sequence[Scalar] = ()


_unique_ids = count(1)


class Scalar:
    """A number with a history.

    Attributes:
        data: the number.
        history: how it was made. An empty history marks a leaf, which collects a derivative;
            None marks a constant, which takes no part in differentiation.
        derivative: for a leaf, the derivative collected so far; None before any backward.
        unique_id: a number that no other Scalar has.
        name: for printing; the unique_id if none is given.
    """

    data: float
    history: ScalarHistory | None
    derivative: float | None
    unique_id: int
    name: str

    def __init__(
        self,
        v: float,
        back: ScalarHistory | None = ScalarHistory(),
        name: str | None = None,
    ) -> None:
        self.unique_id = next(_unique_ids)
        self.data = float(v)
        self.history = back
        self.derivative = None
        self.name = str(self.unique_id) if name is None else name

    def __repr__(self) -> str:
        return f"Scalar({self.data})"

    def __bool__(self) -> bool:
        return bool(self.data)

    # Arithmetic: every operator hands over to the function of its name.

    def __mul__(self, b: ScalarLike) -> Scalar:
        return Mul.apply(self, b)

    def __truediv__(self, b: ScalarLike) -> Scalar:
        return Mul.apply(self, Inv.apply(b))

    def __rtruediv__(self, b: ScalarLike) -> Scalar:
        return Mul.apply(b, Inv.apply(self))

    def __radd__(self, b: ScalarLike) -> Scalar:
        return self + b

    def __rmul__(self, b: ScalarLike) -> Scalar:
        return self * b

    def __add__(self, b: ScalarLike) -> Scalar:
        r"""Add: $a + b$."""
        return Add.apply(self, b)

    def __lt__(self, b: ScalarLike) -> Scalar:
        r"""Compare: 1 if $a < b$, else 0."""
        return LT.apply(self, b)

    def __gt__(self, b: ScalarLike) -> Scalar:
        r"""Compare: 1 if $a > b$, else 0."""
        return LT.apply(b, self)

    def __eq__(self, b: ScalarLike) -> Scalar:  # type: ignore[override]
        r"""Compare: 1 if $a = b$, else 0."""
        return EQ.apply(self, b)

    def __sub__(self, b: ScalarLike) -> Scalar:
        r"""Subtract: $a - b = a + (-b)$."""
        return Add.apply(self, Neg.apply(b))

    def __neg__(self) -> Scalar:
        r"""Change the sign: $-a$."""
        return Neg.apply(self)

    def log(self) -> Scalar:
        r"""Take the natural logarithm: $\log a$."""
        return Log.apply(self)

    def exp(self) -> Scalar:
        r"""Take the exponential: $e^a$."""
        return Exp.apply(self)

    def sigmoid(self) -> Scalar:
        r"""Take the sigmoid: $\sigma(a)$."""
        return Sigmoid.apply(self)

    def relu(self) -> Scalar:
        r"""Cut off negative numbers: $\max(a, 0)$."""
        return ReLU.apply(self)

    # Differentiation: what ``autodiff.Variable`` asks for.

    def accumulate_derivative(self, x: Any) -> None:
        """Add x to the derivative of this leaf."""
        assert self.is_leaf(), "only a leaf collects a derivative"
        self.derivative = x if self.derivative is None else self.derivative + x

    def is_leaf(self) -> bool:
        """Tell whether a user made this Scalar, so that no function is behind it."""
        return self.history is not None and self.history.last_fn is None

    def is_constant(self) -> bool:
        """Tell whether this Scalar takes no part in differentiation."""
        return self.history is None

    @property
    def parents(self) -> Iterable[Variable]:
        """The inputs of the function that made this Scalar; none for a leaf."""
        assert self.history is not None, "a constant has no parents"
        return self.history.inputs

    def chain_rule(self, d_output: Any) -> Iterable[tuple[Variable, Any]]:
        r"""Pair each input of the function that made this Scalar with its derivative.

        For $y = f(x_1, \ldots, x_n)$ and $d$ arriving at $y$, the derivative that flows to
        $x_i$ through this one use is $d \cdot f'_{x_i}(x_1, \ldots, x_n)$.

        Args:
            d_output: $d$, the derivative of the final result by this Scalar.

        Returns:
            One pair (input, derivative) for each input, in the order of the inputs.
        """
        history = self.history
        assert history is not None, "a constant has no chain rule"
        assert history.last_fn is not None, "a leaf has no chain rule"
        assert history.ctx is not None
        d_inputs = history.last_fn._backward(history.ctx, d_output)
        return list(zip(history.inputs, d_inputs, strict=True))

    def backward(self, d_output: float | None = None) -> None:
        """Find the derivative of this Scalar by every leaf it was computed from.

        Args:
            d_output: the derivative arriving here; 1 if none is given.

        Returns:
            Nothing. The derivatives are added to each leaf's ``derivative``.
        """
        backpropagate(self, 1.0 if d_output is None else d_output)


def derivative_check(f: Callable[..., Scalar], *scalars: Scalar) -> None:
    """Compare the derivatives that backward finds with central differences.

    Args:
        f: a function of n Scalars that returns a Scalar.
        scalars: the n leaves to evaluate it at; their derivatives are overwritten.

    Raises:
        AssertionError: if a derivative is off by more than one part in a hundred.
    """
    for x in scalars:
        x.derivative = None
    f(*scalars).backward()

    def value(*numbers: float) -> float:
        return f(*(Scalar(v) for v in numbers)).data

    point = [x.data for x in scalars]
    for i, x in enumerate(scalars):
        expected = central_difference(value, *point, arg=i)
        found = 0.0 if x.derivative is None else x.derivative
        if not abs(found - expected) <= 1e-2 * (1.0 + abs(expected)):
            raise AssertionError(
                f"at {point} the derivative by argument {i} is {found}, "
                f"but the central difference is {expected}"
            )
