"""Questions of module 1. They run in the box and know no answers."""

import math

# Task 1.1


def exp(x):
    return math.exp(x)


def cube(x):
    return x * x * x


def mixed(x, y, z):
    return x * y + y * z * z + 3.0 * z


SMOOTH = {"exp": exp, "cube": cube}


def derivative_of_one(subject, function, x):
    "central_difference is close to the derivative of a function of one argument"
    return subject.call("autodiff.central_difference", SMOOTH[function], x)


def derivative_of_many(subject, x, y, z, arg):
    "central_difference moves the argument that `arg` names and no other"
    return subject.call("autodiff.central_difference", mixed, x, y, z, arg=arg)


def step_width(subject, x, epsilon):
    "central_difference takes a step of the size of `epsilon`"
    asked = []

    def watched(value):
        asked.append(value)
        return value

    subject.call("autodiff.central_difference", watched, x, epsilon=epsilon)
    return (max(asked) - min(asked)) / epsilon if asked else 0.0


# Task 1.2


def forward_one(subject, function, x):
    "{function}.forward computes the value"
    return subject.forward(f"scalar_functions.{function}", x)


def forward_two(subject, function, x, y):
    "{function}.forward computes the value"
    return subject.forward(f"scalar_functions.{function}", x, y)


def scalar_unary(subject, step, x):
    "Scalar: {step} of a Scalar"
    return subject.scalar_method([[step, 0]], [x])


def scalar_binary(subject, step, x, y):
    "Scalar: {step} of two Scalars"
    return subject.scalar_method([[step, 0, 1]], [x, y])


def scalar_number(subject, step, x, c):
    "Scalar: {step} of a Scalar and a plain number"
    return subject.scalar_method([[step, 0, c]], [x])


# Task 1.3. The Functions are ours, so that nothing depends on the student's own backward.


def chain_one(subject, x, upstream):
    "chain_rule multiplies the upstream gradient into the derivative of a Function of one input"

    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a * a * a

    def backward(ctx, d):
        (a,) = ctx.saved_values
        return 3.0 * a * a * d

    def backward_tuple(ctx, d):
        return (backward(ctx, d),)

    try:
        return subject.chain_rule(subject.scalar_function(forward, backward), [x], upstream, [0])
    except TypeError:
        # A chain_rule that goes straight to backward may count on a tuple from every Function.
        function = subject.scalar_function(forward, backward_tuple)
        return subject.chain_rule(function, [x], upstream, [0])


def _product_like(subject):
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b + 2.0 * a

    def backward(ctx, d):
        a, b = ctx.saved_values
        return (b + 2.0) * d, a * d

    return subject.scalar_function(forward, backward)


def chain_two(subject, x, y, upstream):
    "chain_rule pairs each input with its own derivative, in order"
    return subject.chain_rule(_product_like(subject), [x, y], upstream, [0, 1])


def chain_twice(subject, x, upstream):
    "chain_rule gives one pair for each argument, also when both are the same variable"
    return subject.chain_rule(_product_like(subject), [x], upstream, [0, 0])


def chain_three(subject, x, y, z, upstream):
    "chain_rule handles a Function of three inputs"

    def forward(ctx, a, b, c):
        ctx.save_for_backward(a, b, c)
        return a * b - 5.0 * c

    def backward(ctx, d):
        a, b, _ = ctx.saved_values
        return b * d, a * d, -5.0 * d

    return subject.chain_rule(
        subject.scalar_function(forward, backward), [x, y, z], upstream, [0, 1, 2]
    )


# Task 1.4


def vjp_one(subject, function, x, upstream):
    "{function}.backward is the upstream gradient times the derivative"
    return subject.vjp(f"scalar_functions.{function}", x, upstream=upstream)


def vjp_two(subject, function, x, y, upstream):
    "{function}.backward gives one derivative for each input, in order"
    return subject.vjp(f"scalar_functions.{function}", x, y, upstream=upstream)


def interleaved(subject, function, runs, upstreams):
    "{function} remembers the inputs of each call apart"
    return subject.vjp_interleaved(f"scalar_functions.{function}", runs, upstreams)


def path(subject, program, leaves, upstream):
    "backward carries the gradient along a chain of operations"
    return subject.scalar_gradients(program, leaves, upstream)


def graph(subject, program, leaves, upstream):
    "backward adds up the contributions of every path through a graph"
    return subject.scalar_gradients(program, leaves, upstream)


def reused(subject, program, leaves, upstream):
    "A value that is used twice gets the sum of both contributions"
    return subject.scalar_gradients(program, leaves, upstream)


def same_names(subject, x, y, upstream):
    "Two variables of the same name are two variables"
    program = [["mul", 0, 1], ["add", 2, 0]]
    return subject.scalar_gradients(program, [x, y], upstream, names=["x", "x"])


def equal_values(subject, x, upstream):
    "Two variables of the same value are two variables"
    program = [["mul", 0, 1], ["mul_number", 1, 3.0], ["add", 2, 3]]
    return subject.scalar_gradients(program, [x, x], upstream)


def method_gradient(subject, step, x, y, upstream):
    "The gradient of Scalar.{step}(), of each call apart"
    return subject.scalar_gradients([[step, 0], [step, 1], ["sub", 2, 3]], [x, y], upstream)


def quotient_gradient(subject, x, y, c, upstream):
    "The gradients of quotients: of two Scalars, and of a Scalar and a plain number"
    program = [
        ["div", 0, 1],
        ["number_div", 1, c],
        ["div_number", 0, c],
        ["add", 2, 3],
        ["add", 5, 4],
    ]
    return subject.scalar_gradients(program, [x, y], upstream)


def twice(subject, program, leaves, upstream, again):
    "A second backward adds to the derivatives of the first"
    return subject.scalar_gradients(program, leaves, upstream, again=[again])


def comparisons(subject, step, x, y, upstream):
    "No gradient flows through {step}"
    program = [["mul", 0, 1], [step, 0, 1], ["add", 2, 3]]
    return subject.scalar_gradients(program, [x, y], upstream)


def deep(subject, x, depth, upstream):
    "backward gets through a long chain"
    steps = [["add_number", 0.5], ["neg"], ["mul_number", 1.0], ["sub_number", 0.25]]
    program = []
    for place in range(depth):
        name, *rest = steps[place % len(steps)]
        program.append([name, place, *rest])
    return subject.scalar_gradients(program, [x], upstream)


def visits(subject, x):
    "backward visits each operation once, however often its value is used"
    counts = []
    for doublings in (3, 6, 10):
        program = [["add", place, place] for place in range(doublings)]
        counts.append(subject.backward_calls(program, [x], "Add"))
    return counts


def doubled(subject, x, upstream):
    "A chain in which every value is used twice is done in reasonable time"
    program = [["add", place, place] for place in range(24)]
    return subject.scalar_gradients(program, [x], upstream)


def logistic_loss(subject, w1, w2, b, x1, x2):
    "The gradient of the logistic loss -log sigmoid(w1 x1 + w2 x2 + b)"
    program = [
        ["mul_number", 0, x1],
        ["mul_number", 1, x2],
        ["add", 3, 4],
        ["add", 5, 2],
        ["sigmoid", 6],
        ["log", 7],
        ["neg", 8],
    ]
    return subject.scalar_gradients(program, [w1, w2, b], 1.0)


# Task 1.5


def trained(subject, points, labels, layers, rate, steps):
    "Scalars learn"
    return subject.train("scalars", points, labels, layers, rate, steps)
