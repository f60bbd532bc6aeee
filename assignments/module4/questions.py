"""Questions of module 4. They run in the box and know no answers."""

# Tasks 4.1 and 4.2


def convolution(subject, input, input_order, weight, weight_order, shape, out_order, reverse):
    "The convolution kernel fills its output"
    return subject.convolution(shape, out_order, input, input_order, weight, weight_order, reverse)


def convolved(subject, function, input, input_order, weight, weight_order):
    "{function} of an input and a kernel"
    return subject.net_value(
        f"fast_conv.{function}", [input, weight], orders=[input_order, weight_order]
    )


def gradient_of_convolution(
    subject, function, place, input, input_order, weight, weight_order, upstream
):
    "The gradient of {function} by one of its inputs"
    found = subject.net_gradients(
        f"fast_conv.{function}", [input, weight], upstream, orders=[input_order, weight_order]
    )
    return found["gradients"][place]


def convolutions_apart(subject, function, inputs, weights, upstreams):
    "Every call of {function} remembers its own input and kernel, not those of the latest call"
    calls = [list(pair) for pair in zip(inputs, weights, strict=True)]
    return subject.gradients_apart(f"fast_conv.{function}", calls, upstreams)


def convolution_compiles(subject, name):
    "numba compiles tensor_{name}"
    return subject.compiled(name)


def convolution_runs_in_parallel(subject, name):
    "numba runs the loop of tensor_{name} in parallel"
    return subject.parallel(name)


def convolution_keeps_apart(subject, name):
    "No two iterations of the parallel loop of tensor_{name} write to the same place"
    return subject.apart(name)


# Task 4.3


def tiles(subject, a, order, kernel):
    "tile gathers the cells of each window"
    return subject.windows(a, kernel, order)


def pooled(subject, function, a, kernel):
    "{function} of images"
    return subject.net_value(f"nn.{function}", [a], tuple(kernel))


def gradient_of_pooling(subject, function, a, kernel, upstream):
    "The gradient of {function}"
    return subject.net_gradients(f"nn.{function}", [a], upstream, tuple(kernel))


# Task 4.4


def along_dimension(subject, function, a, order, dim):
    "{function}(tensor, dim)"
    return subject.net_value(f"nn.{function}", [a], dim, orders=[order])


def gradient_along_dimension(subject, function, a, order, dim, upstream):
    "The gradient of {function}(tensor, dim)"
    return subject.net_gradients(f"nn.{function}", [a], upstream, dim, orders=[order])


def tied_marks(subject, a, dim):
    "argmax marks largest cells only, also where several are largest"
    return subject.marks("nn.argmax", a, dim)


def tied_maximum(subject, a, dim, upstream):
    "Where several cells are largest, the gradient of max goes to these alone"
    return subject.shares("nn.max", a, upstream, dim, split=a.shape, axes=[dim])


def maxima_apart(subject, function, arrays, upstreams, dim):
    "Every call of max remembers its own cells, not those of the latest call"
    return subject.gradients_apart(f"nn.{function}", [[a] for a in arrays], upstreams, dim)


def tied_pool(subject, a, kernel, upstream):
    "Where several cells of a window are largest, the gradient of maxpool2d goes to these alone"
    (batch, channel, height, width), (kh, kw) = a.shape, kernel
    split = (batch, channel, height // kh, kh, width // kw, kw)
    return subject.shares("nn.maxpool2d", a, upstream, tuple(kernel), split=split, axes=[3, 5])


def dropout_unchanged(subject, a, rate, ignore, seed):
    "dropout changes nothing at rate 0, and nothing at any rate where it is to be ignored"
    subject.seeded(seed)
    return subject.net_value("nn.dropout", [a], rate, ignore)


def dropout_everything(subject, a, rate, seed):
    "dropout at rate 1 sets every cell to 0 and keeps the shape"
    subject.seeded(seed)
    return subject.net_value("nn.dropout", [a], rate)


def dropout_rate(subject, shape, rate, seed):
    "dropout drops each cell with the same probability, whatever is in it and around it"
    return subject.dropout_counts(shape, rate, seed)


def dropout_afresh(subject, shape, rate, seed, calls):
    "dropout draws anew in every call and for every cell"
    return subject.dropout_calls(shape, rate, seed, calls)


def dropout_survivors(subject, shape, rate, seed):
    "What dropout leaves is as it was, or all of it scaled by 1 / (1 - rate)"
    return subject.dropout_survivors(shape, rate, seed)


def dropout_gradient(subject, shape, rate, seed, upstream):
    "The gradient of dropout is dropped where the cells were, and scaled as they were"
    return subject.dropout_gradient(shape, rate, seed, upstream)
