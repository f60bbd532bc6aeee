"""Different: plain functions in place of static methods, 1-tuples returned, values made floats here."""

# ruff: noqa
from . import operators
from .autodiff import Context


def wrap_tuple(x):
    if isinstance(x, tuple):
        return x
    return (x,)


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

        raw_vals, scalars = [], []
        for v in vals:
            if not isinstance(v, Scalar):
                v = Scalar(v)
            scalars.append(v)
            raw_vals.append(v.data)
        ctx = Context(False)
        c = cls._forward(ctx, *raw_vals)
        assert isinstance(c, float), "Expected return type float got %s" % (type(c))
        return Scalar(c, ScalarHistory(cls, ctx, scalars))


class Add(ScalarFunction):
    def forward(ctx, a, b):
        return float(a + b)

    def backward(ctx, d):
        return (d, d)


class Log(ScalarFunction):
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return operators.log(a)

    def backward(ctx, d):
        (a,) = ctx.saved_values
        return (operators.log_back(a, d),)


class Mul(ScalarFunction):
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return float(a * b)

    def backward(ctx, d):
        a, b = ctx.saved_values
        return (b * d, a * d)


class Inv(ScalarFunction):
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return float(operators.inv(a))

    def backward(ctx, d):
        return (operators.inv_back(*ctx.saved_values, d),)


class Neg(ScalarFunction):
    def forward(ctx, a):
        return float(-a)

    def backward(ctx, d):
        return (-d,)


class Sigmoid(ScalarFunction):
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return float(operators.sigmoid(a))

    def backward(ctx, d):
        (a,) = ctx.saved_values
        return (operators.exp(-a) / (1.0 + operators.exp(-a)) ** 2 * d,)


class ReLU(ScalarFunction):
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return float(operators.relu(a))

    def backward(ctx, d):
        return (operators.relu_back(*ctx.saved_values, d),)


class Exp(ScalarFunction):
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return float(operators.exp(a))

    def backward(ctx, d):
        (a,) = ctx.saved_values
        return (d * operators.exp(a),)


class LT(ScalarFunction):
    def forward(ctx, a, b):
        return float(operators.lt(a, b))

    def backward(ctx, d):
        return (0, 0)


class EQ(ScalarFunction):
    def forward(ctx, a, b):
        return 1.0 if operators.eq(a, b) else 0.0

    def backward(ctx, d):
        return (0.0 * d, 0.0 * d)
