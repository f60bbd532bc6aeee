"""Mistakes in the warm-up."""

from __future__ import annotations

from .mistakes import Kind

warmup = Kind("warmup", "warmup.py")

MISTAKES = [
    warmup(
        "the difference is taken to one side only",
        "return (f(above) - f(below)) / (above - below)",
        "return (f(above) - f(x)) / (above - x)",
        "derivative(f) is close to f' for f = cube",
    ),
    warmup(
        "the step is so small that rounding eats the difference",
        "h = math.cbrt(sys.float_info.epsilon) * max(1.0, abs(x))",
        "h = 1e-12",
        "derivative(f) is close to f' for f = sin",
    ),
    warmup(
        "the step is too wide",
        "h = math.cbrt(sys.float_info.epsilon) * max(1.0, abs(x))",
        "h = 0.01",
        "derivative(f) is close to f' for f = cube",
    ),
    warmup(
        "the difference is divided by the step to one side",
        "/ (above - below)",
        "/ h",
        "derivative(f) is close to f' for f = square",
    ),
    warmup(
        "the derivative is given where its function is asked for",
        "    return f_prime\n",
        "    return f_prime(1.0)\n",
        "derivative(f) is close to f' for f = square",
    ),
    warmup(
        "Sin.backward leaves the upstream gradient out",
        "d * math.cos(x)",
        "math.cos(x)",
        "Sin.backward",
    ),
    warmup(
        "the derivative of sin has the wrong sign",
        "d * math.cos(x)",
        "-d * math.cos(x)",
        "Sin.backward",
    ),
    warmup(
        "sin is taken of degrees",
        "return math.sin(x)",
        "return math.sin(math.radians(x))",
        "Sin.forward",
    ),
    warmup(
        "the gradients of Mul are swapped",
        "return d * y, d * x",
        "return d * x, d * y",
        "Mul.backward",
    ),
    warmup(
        "TimesFive.backward leaves the upstream gradient out",
        "5.0 * d\n",
        "5.0\n",
        "TimesFive.backward",
    ),
    warmup("the derivative of a square lacks its 2", "d * 2.0 * x", "d * x", "Square.backward"),
    warmup(
        "AddTimes2.backward forgets the factor",
        "return d, 2.0 * d",
        "return d, d",
        "AddTimes2.backward",
    ),
    warmup(
        "AddTimes2.backward returns one number",
        "return d, 2.0 * d",
        "return d",
        "AddTimes2.backward",
    ),
    warmup.edited(
        "Square keeps its input on the class",
        [
            (
                "ctx.save_for_backward(x)\n        return x * x",
                "Square.x = x\n        return x * x",
            ),
            (
                "(x,) = ctx.saved_values\n        return d * 2.0 * x",
                "x = Square.x\n        return d * 2.0 * x",
            ),
        ],
        "Square remembers",
    ),
    warmup(
        "the Jacobian is transposed",
        "[[1.0, 0.0], [x2, x1]]",
        "[[1.0, x2], [0.0, x1]]",
        "G.jacobian",
        "G.backward",
    ),
    warmup(
        "G.backward looks at the second output only",
        "return d1 * dg1_dx1 + d2 * dg2_dx1, d1 * dg1_dx2 + d2 * dg2_dx2",
        "return d2 * dg2_dx1, d2 * dg2_dx2",
        "G.backward",
    ),
    warmup(
        "the loss takes the logarithm of a sigmoid that is 0",
        "return max(-m, 0.0) + math.log1p(math.exp(-abs(m)))",
        "return -math.log(sigmoid(m))",
        "logistic_loss stays finite",
    ),
    warmup(
        "the loss lacks its minus",
        "return max(-m, 0.0) + math.log1p(math.exp(-abs(m)))",
        "return math.log(sigmoid(m))",
        "logistic_loss is",
    ),
    warmup(
        "the gradient of the loss has the wrong sign",
        "d_m = -sigmoid(",
        "d_m = sigmoid(",
        "logistic_loss_gradient",
    ),
    warmup(
        "the gradient of the loss is taken at the wrong side of 0",
        "d_m = -sigmoid(-(x1 * w1 + x2 * w2 + b))",
        "d_m = -sigmoid(x1 * w1 + x2 * w2 + b)",
        "logistic_loss_gradient",
    ),
]
