"""Questions of module 3. They run in the box and know no answers."""

# Task 3.1


def _triple(x):
    return 3.0 * x + 1.0


def _difference(x, y):
    return x - y


def _sum(x, y):
    return x + y


def _product(x, y):
    return x * y


def _maximum(x, y):
    return x if x > y else y


ONE = {"3x + 1": _triple}
TWO = {"x - y": _difference, "x + y": _sum, "x * y": _product, "max(x, y)": _maximum}
FUNCTIONS = {"map": _triple, "zip": _difference, "reduce": _sum, "matrix_multiply": None}


def fast_map(subject, function, a, order, shape, out_order):
    "The fast tensor_map applies the function everywhere"
    return subject.kernel("map", ONE[function], shape, out_order, 0.0, [(a, order)])


def fast_zip(subject, function, a, a_order, b, b_order, shape, out_order):
    "The fast tensor_zip applies the function to both inputs"
    inputs = [(a, a_order), (b, b_order)]
    return subject.kernel("zip", TWO[function], shape, out_order, 0.0, inputs)


def fast_reduce(subject, function, start, a, order, dim, out_order):
    "The fast tensor_reduce folds one dimension"
    shape = list(a.shape)
    shape[dim] = 1
    return subject.kernel("reduce", TWO[function], shape, out_order, start, [(a, order)], dim)


def compiles(subject, name):
    "numba compiles tensor_{name}"
    return subject.compiled(name, FUNCTIONS[name])


def runs_in_parallel(subject, name):
    "numba runs the loop of tensor_{name} in parallel"
    return subject.parallel(name, FUNCTIONS[name])


def keeps_apart(subject, name):
    "No two iterations of the parallel loop of tensor_{name} write to the same place"
    return subject.apart(name, FUNCTIONS[name])


# The layout of the output is a matter of the checks above: here it is row by row.


def compiled_map(subject, small, shape, order):
    "The compiled tensor_map gives the right numbers"
    out_order = list(range(len(shape)))
    return subject.kernel("map", _triple, shape, out_order, 0.0, [(subject.grid(small), order)])


def compiled_zip(subject, left, right, shape, a_order, b_order):
    "The compiled tensor_zip gives the right numbers"
    out_order = list(range(len(shape)))
    inputs = [(subject.grid(left), a_order), (subject.grid(right, 5), b_order)]
    return subject.kernel("zip", _difference, shape, out_order, 0.0, inputs)


def compiled_reduce(subject, shape, order, dim):
    "The compiled tensor_reduce gives the right numbers"
    out_order = list(range(len(shape)))
    small = [1 if axis == dim else side for axis, side in enumerate(shape)]
    inputs = [(subject.grid(shape), order)]
    return subject.kernel("reduce", _sum, small, out_order, 0.0, inputs, dim)


# Task 3.2


def fast_matmul(subject, a, a_order, b, b_order, out_order):
    "tensor_matrix_multiply multiplies batches of matrices"
    shape = [max(a.shape[0], b.shape[0]), a.shape[1], b.shape[2]]
    inputs = [(a, a_order), (b, b_order)]
    return subject.kernel("matrix_multiply", None, shape, out_order, 0.0, inputs)


def matmul_of_size(subject, left, right, a_order, b_order):
    "tensor_matrix_multiply is right for sizes around 8, 16 and 32"
    shape = [max(left[0], right[0]), left[1], right[2]]
    inputs = [(subject.grid(left), a_order), (subject.grid(right, 5), b_order)]
    return subject.kernel("matrix_multiply", None, shape, [0, 1, 2], 0.0, inputs)


def matmul_value(subject, a, b, a_order, b_order):
    "a @ b for two matrices in any layout"
    return subject.tensor_value([["matmul", 0, 1]], [a, b], [a_order, b_order])


def matmul_gradient(subject, a, b, a_order, b_order, upstream):
    "The gradients of a @ b"
    return subject.tensor_gradients([["matmul", 0, 1]], [a, b], upstream, [a_order, b_order])


def compiled_program(subject, a, b, upstream):
    "A whole program on the compiled backend, forward and backward"
    # Every function that is new here has a kernel of its own, which takes a second to compile.
    program = [["matmul", 0, 1], ["mul", 2, 2]]
    return subject.tensor_gradients(program, [a, b], upstream)
