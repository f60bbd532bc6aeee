"""Different: Scalar as the 2022 course has it, a plain class; a - b and a > b by other Functions; a - number
and number * a without wrapping; numbers added up in place."""

# ruff: noqa
from dataclasses import dataclass
from typing import Any, Optional, Sequence, Type, Union

from .autodiff import Context, Variable, backpropagate, central_difference
from .scalar_functions import EQ, LT, Add, Exp, Inv, Log, Mul, Neg, ReLU, ScalarFunction, Sigmoid

ScalarLike = Union[float, int, "Scalar"]


@dataclass
class ScalarHistory:
    last_fn: Optional[Type[ScalarFunction]] = None
    ctx: Optional[Context] = None
    inputs: Sequence["Scalar"] = ()


_var_count = 0


class Scalar:
    def __init__(self, v, back=ScalarHistory(), name=None):
        global _var_count
        _var_count += 1
        self.unique_id = _var_count
        self.data = float(v)
        self.history = back
        self.derivative = None
        if name is not None:
            self.name = name
        else:
            self.name = str(self.unique_id)

    def __repr__(self):
        return "Scalar(%f)" % self.data

    def __mul__(self, b):
        return Mul.apply(self, b)

    def __truediv__(self, b):
        return Mul.apply(self, Inv.apply(b))

    def __rtruediv__(self, b):
        return Mul.apply(b, Inv.apply(self))

    def __add__(self, b):
        return Add.apply(self, b)

    def __bool__(self):
        return bool(self.data)

    def __lt__(self, b):
        return LT.apply(self, b)

    def __gt__(self, b):
        return LT.apply(b, self)

    def __eq__(self, b):
        return EQ.apply(self, b)

    def __sub__(self, b):
        if isinstance(b, Scalar):
            return Add.apply(self, Mul.apply(b, Scalar(-1)))
        return Add.apply(self, -b)

    def __neg__(self):
        return Mul.apply(self, -1)

    __radd__ = __add__
    __rmul__ = __mul__

    def log(self):
        return Log.apply(self)

    def exp(self):
        return Exp.apply(self)

    def sigmoid(self):
        return Sigmoid.apply(self)

    def relu(self):
        return ReLU.apply(self)

    def accumulate_derivative(self, x):
        assert self.is_leaf(), "Only leaf variables can have derivatives."
        if self.derivative is None:
            self.derivative = 0.0
        self.derivative += x

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
        assert h is not None
        assert h.last_fn is not None
        assert h.ctx is not None
        grads = h.last_fn.backward(h.ctx, d_output)
        if not isinstance(grads, tuple):
            grads = (grads,)
        pairs = []
        for i in range(len(h.inputs)):
            if h.inputs[i].is_constant():
                continue
            pairs.append((h.inputs[i], grads[i]))
        return tuple(pairs)

    def backward(self, d_output=None):
        if d_output is None:
            d_output = 1.0
        backpropagate(self, d_output)


def derivative_check(f, *scalars):
    out = f(*scalars)
    out.backward()
