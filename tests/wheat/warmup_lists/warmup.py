"""Different: lists and NumPy scalars returned, plain functions, a fixed step, saved outputs, no helpers."""

# ruff: noqa
import numpy as np


class Context:
    def save_for_backward(self, *values):
        self.saved_values = values

    @property
    def saved_tensors(self):
        return self.saved_values


class ScalarFunction:
    pass


def derivative(f):
    h = 1e-5
    return lambda x: (f(x + h) - f(x - h)) / (2 * h)


class Neg(ScalarFunction):
    def forward(ctx, x):
        return 0 - x

    def backward(ctx, d):
        return [-d]


class Sin(ScalarFunction):
    def forward(ctx, x):
        ctx.save_for_backward(np.cos(x))
        return np.sin(x)

    def backward(ctx, d):
        return (ctx.saved_tensors[0] * d,)


class Mul(ScalarFunction):
    def forward(ctx, x, y):
        ctx.save_for_backward([x, y])
        return np.float64(x) * y

    def backward(ctx, d):
        [[x, y]] = ctx.saved_values
        return [y * d, x * d]


class TimesFive(ScalarFunction):
    def forward(ctx, x):
        return x + x + x + x + x

    def backward(ctx, d):
        return [5 * d]


class Square(ScalarFunction):
    def forward(ctx, x):
        ctx.x = x
        return x**2

    def backward(ctx, d):
        return 2 * ctx.x * d


class AddTimes2(ScalarFunction):
    def forward(ctx, x, y):
        return x + y + y

    def backward(ctx, d):
        return np.array([1.0, 2.0])[0] * d, np.array([1.0, 2.0])[1] * d


class G:
    def forward(ctx, x1, x2):
        ctx.save_for_backward(x1, x2)
        return [x1, x2 * x1]

    def jacobian(x1, x2):
        return np.array([[1, 0], [x2, x1]])

    def backward(ctx, d1, d2):
        return tuple(np.array([d1, d2]) @ G.jacobian(*ctx.saved_values))


def logistic_loss(w1, w2, b, x1, x2):
    return np.logaddexp(0.0, -(w1 * x1 + w2 * x2 + b))


def logistic_loss_gradient(w1, w2, b, x1, x2):
    s = 1.0 / (1.0 + np.exp(-(w1 * x1 + w2 * x2 + b)))
    return np.array([(s - 1.0) * x1, (s - 1.0) * x2, s - 1.0])
