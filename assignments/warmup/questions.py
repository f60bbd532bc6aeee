"""Questions of the warm-up. They run in the box and know no answers."""

import math


def square(x):
    return x * x


def cube(x):
    return x * x * x


def reciprocal(x):
    return 1.0 / x


SMOOTH = {
    "square": square,
    "cube": cube,
    "sin": math.sin,
    "exp": math.exp,
    "reciprocal": reciprocal,
}


def derivative_of(subject, function, x):
    "derivative(f) gives a function that is close to f' everywhere"
    return subject.applied("derivative", SMOOTH[function], x)


def forward_one(subject, function, x):
    "{function}.forward computes the value"
    return subject.forward(function, x)


def forward_two(subject, function, x, y):
    "{function}.forward computes the value"
    return subject.forward(function, x, y)


def backward_one(subject, function, x, upstream):
    "{function}.backward is the upstream gradient times the derivative"
    return subject.vjp(function, x, upstream=upstream)


def backward_two(subject, function, x, y, upstream):
    "{function}.backward gives one derivative for each input, in order"
    return subject.vjp(function, x, y, upstream=upstream)


def interleaved(subject, function, runs, upstreams):
    "{function} remembers the inputs of each call apart"
    return subject.vjp_interleaved(function, runs, upstreams)


def pair_forward(subject, x1, x2):
    "G.forward gives both outputs"
    return subject.forward("G", x1, x2)


def pair_jacobian(subject, x1, x2):
    "G.jacobian gives the four derivatives, one row for each output"
    return subject.rows("G.jacobian", x1, x2)


def pair_backward(subject, x1, x2, d1, d2):
    "G.backward sums over both outputs: the upstream gradients times the Jacobian"
    return subject.vjp_many("G", [x1, x2], [d1, d2])


def loss_value(subject, w1, w2, b, x1, x2):
    "logistic_loss is -log sigmoid(x1 w1 + x2 w2 + b)"
    return subject.call("logistic_loss", w1, w2, b, x1, x2)


def loss_extreme(subject, w1, b, x1):
    "logistic_loss stays finite and exact where sigmoid is nearly 0 or 1"
    return subject.call("logistic_loss", w1, 0.0, b, x1, 1.0)


def loss_gradient(subject, w1, w2, b, x1, x2):
    "logistic_loss_gradient gives the derivatives by w1, w2 and b"
    return subject.row("logistic_loss_gradient", w1, w2, b, x1, x2)
