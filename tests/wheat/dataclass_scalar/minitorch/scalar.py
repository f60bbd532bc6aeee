"""Different: Scalar as the 2024 course has it, a dataclass with __post_init__; methods find their Functions
through the module; chain_rule is a generator."""

# ruff: noqa
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable, Optional, Sequence, Tuple, Type, Union

import numpy as np

from . import scalar_functions as F
from .autodiff import Context, Variable, backpropagate, central_difference
from .scalar_functions import ScalarFunction

ScalarLike = Union[float, int, "Scalar"]


@dataclass
class ScalarHistory:
    last_fn: Optional[Type[ScalarFunction]] = None
    ctx: Optional[Context] = None
    inputs: Sequence[Scalar] = ()


_var_count = 0


@dataclass
class Scalar:
    data: float
    history: Optional[ScalarHistory] = field(default_factory=ScalarHistory)
    derivative: Optional[float] = None
    name: str = field(default="")
    unique_id: int = field(default=0)

    def __post_init__(self):
        global _var_count
        _var_count += 1
        object.__setattr__(self, "unique_id", _var_count)
        object.__setattr__(self, "name", self.name or str(self.unique_id))
        object.__setattr__(self, "data", float(self.data))

    def __repr__(self):
        return f"Scalar({self.data})"

    def __hash__(self):
        return hash(self.unique_id)

    def __mul__(self, b):
        return F.Mul.apply(self, b)

    def __truediv__(self, b):
        return F.Mul.apply(self, F.Inv.apply(b))

    def __rtruediv__(self, b):
        return F.Mul.apply(b, F.Inv.apply(self))

    def __bool__(self):
        return bool(self.data)

    def __radd__(self, b):
        return self + b

    def __rmul__(self, b):
        return self * b

    def __add__(self, b):
        return F.Add.apply(self, b)

    def __lt__(self, b):
        return F.LT.apply(self, b)

    def __gt__(self, b):
        return F.LT.apply(F.Neg.apply(self), F.Neg.apply(b))

    def __eq__(self, b):
        return F.EQ.apply(b, self)

    def __sub__(self, b):
        return self + F.Mul.apply(b, -1.0)

    def __neg__(self):
        return 0.0 * self + F.Neg.apply(self)

    def log(self):
        return F.Log.apply(self)

    def exp(self):
        return F.Exp.apply(self)

    def sigmoid(self):
        return F.Sigmoid.apply(self)

    def relu(self):
        return F.ReLU.apply(self)

    def accumulate_derivative(self, x):
        assert self.is_leaf(), "Only leaf variables can have derivatives."
        if self.derivative is None:
            self.__setattr__("derivative", 0.0)
        self.__setattr__("derivative", self.derivative + x)

    def is_leaf(self):
        return self.history is not None and self.history.last_fn is None

    def is_constant(self):
        return self.history is None

    @property
    def parents(self):
        assert self.history is not None
        return self.history.inputs

    def chain_rule(self, d_output):
        h = self.history
        for variable, d in zip(h.inputs, h.last_fn._backward(h.ctx, d_output)):
            yield variable, d

    def backward(self, d_output=None):
        if d_output is None:
            d_output = 1.0
        backpropagate(self, d_output)


def derivative_check(f, *scalars):
    out = f(*scalars)
    out.backward()
    for i, x in enumerate(scalars):
        check = central_difference(f, *scalars, arg=i)
        np.testing.assert_allclose(x.derivative, check.data, 1e-2, 1e-2)
