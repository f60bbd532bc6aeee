"""Different: Functions save their outputs or derivatives and no inputs, and do without operators.py."""

# ruff: noqa
import math

from .autodiff import Context


def wrap_tuple(x):
    return x if isinstance(x, tuple) else (x,)


class ScalarFunction:
    @classmethod
    def _backward(cls, ctx, d_out):
        return wrap_tuple(cls.backward(ctx, d_out))

    @classmethod
    def _forward(cls, ctx, *inps):
        return cls.forward(ctx, *inps)

    @classmethod
    def apply(cls, *vals):
        from .scalar import Scalar, ScalarHistory

        scalars = [v if isinstance(v, Scalar) else Scalar(v) for v in vals]
        ctx = Context(False)
        c = cls._forward(ctx, *[s.data for s in scalars])
        assert isinstance(c, float)
        return Scalar(c, ScalarHistory(cls, ctx, scalars))


class Local(ScalarFunction):
    """A Function of one input whose derivative is known when its value is."""

    @staticmethod
    def value_and_slope(a):
        raise NotImplementedError

    @classmethod
    def forward(cls, ctx, a):
        value, slope = cls.value_and_slope(a)
        ctx.save_for_backward(slope)
        return value

    @classmethod
    def backward(cls, ctx, d_output):
        return d_output * ctx.saved_tensors[0]


class Log(Local):
    @staticmethod
    def value_and_slope(a):
        return math.log(a), 1 / a


class Inv(Local):
    @staticmethod
    def value_and_slope(a):
        return 1 / a, -1 / a**2


class Neg(Local):
    @staticmethod
    def value_and_slope(a):
        return -a, -1


class Sigmoid(Local):
    @staticmethod
    def value_and_slope(a):
        s = 0.5 * (1.0 + math.tanh(0.5 * a))
        return s, s * (1.0 - s)


class ReLU(Local):
    @staticmethod
    def value_and_slope(a):
        return max(0.0, a), a > 0


class Exp(Local):
    @staticmethod
    def value_and_slope(a):
        e = math.exp(a)
        return e, e


class Add(ScalarFunction):
    @staticmethod
    def forward(ctx, a, b):
        return a + b

    @staticmethod
    def backward(ctx, d_output):
        return d_output, d_output


class Mul(ScalarFunction):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward((b, a))
        return a * b

    @staticmethod
    def backward(ctx, d_output):
        (slopes,) = ctx.saved_values
        return tuple(d_output * slope for slope in slopes)


class LT(ScalarFunction):
    @staticmethod
    def forward(ctx, a, b):
        return float(a < b)

    @staticmethod
    def backward(ctx, d_output):
        return 0.0, 0.0


class EQ(ScalarFunction):
    @staticmethod
    def forward(ctx, a, b):
        return float(a == b)

    @staticmethod
    def backward(ctx, d_output):
        return 0.0, 0.0
