"""Questions of module 2. They run in the box and know no answers."""

# Task 2.1


def position(subject, index, strides):
    "index_to_position is the sum of index times stride"
    at = subject.call(
        "tensor_data.index_to_position", subject.integers(index), subject.integers(strides)
    )
    return int(at)


def all_indices(subject, shape):
    "to_index reaches every index of a shape exactly once"
    size = 1
    for side in shape:
        size *= side
    return sorted(subject.index_from("to_index", len(shape), n, shape) for n in range(size))


def permuted(subject, values, shape, order):
    "TensorData.permute reorders shape and strides and moves no number"
    return subject.data_layout(subject.tensor_data(values, shape, None).permute(*order))


def permuted_twice(subject, values, shape, order, again):
    "TensorData.permute of a permuted tensor starts from its strides"
    data = subject.tensor_data(values, shape, None).permute(*order)
    return subject.data_layout(data.permute(*again))


# Task 2.2


def broadcast_shape(subject, first, second):
    "shape_broadcast gives the shape that both shapes stretch to"
    return subject.shape_from("shape_broadcast", first, second)


def incompatible_shapes(subject, first, second):
    "shape_broadcast raises IndexingError for shapes that do not fit"
    return subject.shape_from("shape_broadcast", first, second)


def broadcast_position(subject, index, big, shape):
    "broadcast_index finds the index in the smaller shape"
    return subject.index_from("broadcast_index", len(shape), index, big, shape)


# Task 2.3


def _negative(x):
    return -x


def _affine(x):
    return 3.0 * x + 1.0


def _minus(x, y):
    return x - y


def _plus(x, y):
    return x + y


def _times(x, y):
    return x * y


def _larger(x, y):
    return x if x > y else y


KERNELS = {
    "negate": _negative,
    "3x + 1": _affine,
    "x - y": _minus,
    "x + y": _plus,
    "x * y": _times,
    "max(x, y)": _larger,
}


def map_kernel(subject, function, a, order, shape, out_order):
    "tensor_map applies the function everywhere"
    return subject.kernel("map", KERNELS[function], shape, out_order, 0.0, [(a, order)])


def zip_kernel(subject, function, a, a_order, b, b_order, shape, out_order):
    "tensor_zip applies the function to both inputs"
    inputs = [(a, a_order), (b, b_order)]
    return subject.kernel("zip", KERNELS[function], shape, out_order, 0.0, inputs)


def reduce_kernel(subject, function, start, a, order, dim, out_order):
    "tensor_reduce folds one dimension"
    shape = list(a.shape)
    shape[dim] = 1
    return subject.kernel("reduce", KERNELS[function], shape, out_order, start, [(a, order)], dim)


def unary(subject, step, a, order):
    "{step} of a tensor"
    return subject.tensor_value([[step, 0]], [a], [order])


def binary(subject, step, a, b, a_order, b_order):
    "{step} of two tensors"
    return subject.tensor_value([[step, 0, 1]], [a, b], [a_order, b_order])


def with_number(subject, step, a, c):
    "{step} of a tensor and a number"
    return subject.tensor_value([[step, 0, c]], [a])


def along(subject, step, a, order, dim):
    "{step} along one dimension keeps that dimension with size 1"
    return subject.tensor_value([[step, 0, dim]], [a], [order])


def whole(subject, step, a, order):
    "{step} over all of a tensor"
    return subject.tensor_value([[step, 0]], [a], [order])


def permute_value(subject, a, order, axes):
    "permute(...) reorders the dimensions of a tensor"
    return subject.tensor_value([["permute", 0, axes]], [a], [order])


def view_value(subject, a, shape):
    "view(...) gives the same numbers another shape"
    return subject.tensor_value([["view", 0, shape]], [a])


# Task 2.4


def vjp_unary(subject, function, a, upstream):
    "{function}.backward is the upstream gradient times the derivative, entry by entry"
    return subject.tensor_vjp(function, [a], upstream)


def vjp_mul(subject, a, b, upstream):
    "Mul.backward gives one gradient for each input, in order"
    return subject.tensor_vjp("Mul", [a, b], upstream)


def vjp_permute(subject, a, upstream, axes):
    "Permute.backward applies the inverse permutation"
    return subject.tensor_vjp("Permute", [a], upstream, axes)


def gradient_unary(subject, step, a, order, upstream):
    "The gradient of {step}"
    return subject.tensor_gradients([[step, 0]], [a], upstream, [order])


def apart(subject, step, a, b, upstream):
    "{step} remembers the input of each call apart"
    return subject.tensor_gradients([[step, 0], [step, 1], ["sub", 2, 3]], [a, b], upstream)


def gradient_binary(subject, step, a, b, a_order, b_order, upstream):
    "The gradients of {step} have the shapes of its inputs: broadcast axes are summed"
    return subject.tensor_gradients([[step, 0, 1]], [a, b], upstream, [a_order, b_order])


def gradient_number(subject, step, a, c, upstream):
    "The gradient goes through every operation with a plain number"
    return subject.tensor_gradients([[step, 0, c]], [a], upstream)


def gradient_along(subject, step, a, dim, upstream):
    "The gradient of {step} along one dimension"
    return subject.tensor_gradients([[step, 0, dim]], [a], upstream)


def gradient_whole(subject, step, a, upstream):
    "The gradient of {step} over all of a tensor"
    return subject.tensor_gradients([[step, 0]], [a], upstream)


def gradient_permute(subject, a, order, axes, upstream):
    "The gradient of permute goes back to the place that its number came from"
    return subject.tensor_gradients([["permute", 0, axes]], [a], upstream, [order])


def gradient_view(subject, a, shape, upstream):
    "The gradient of view has the shape of its input"
    return subject.tensor_gradients([["view", 0, shape]], [a], upstream)


def gradient_reused(subject, program, leaves, upstream):
    "A tensor that is used more than once gets the sum of all contributions"
    return subject.tensor_gradients(program, leaves, upstream)


def gradient_twice(subject, program, leaves, upstream, again):
    "A second backward adds to the gradients of the first"
    return subject.tensor_gradients(program, leaves, upstream, again=[again])


def gradient_forgotten(subject, program, leaves, upstream, again):
    "zero_grad_ forgets the gradient of the backward before"
    return subject.tensor_gradients(program, leaves, upstream, again=[again], forget=True)


def gradient_graph(subject, program, leaves, upstream):
    "Gradients through a whole graph of tensor operations"
    return subject.tensor_gradients(program, leaves, upstream)


# Task 2.5


def trained(subject, points, labels, layers, rate, steps):
    "Tensors learn"
    return subject.train("tensors", points, labels, layers, rate, steps)
