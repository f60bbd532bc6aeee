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


# Task 3.3


def _double_and_one(x):
    return 2.0 * x + 1.0


def _first_minus_twice(x, y):
    return x - 2.0 * y


CUDA_FUNCTIONS = {
    "2x + 1": _double_and_one,
    "x - 2y": _first_minus_twice,
    "x + y": _sum,
    "x * y": _product,
    "max(x, y)": _maximum,
}
# What changes nothing when it is folded in.
CUDA_STARTS = {"x + y": 0.0, "x * y": 1.0, "max(x, y)": -1000.0}


def cuda_map(subject, a, order, shape, out_order, turns):
    "tensor_map applies the function to each cell, by a thread for each"
    return subject.cuda_kernel(
        "tensor_map", CUDA_FUNCTIONS["2x + 1"], shape, out_order, 0.0, [(a, order)], turns=turns
    )


def cuda_zip(subject, a, a_order, b, b_order, shape, out_order, turns):
    "tensor_zip applies the function to each pair of cells, by a thread for each"
    inputs = [(a, a_order), (b, b_order)]
    return subject.cuda_kernel(
        "tensor_zip", CUDA_FUNCTIONS["x - 2y"], shape, out_order, 0.0, inputs, turns=turns
    )


def cuda_map_facts(subject, a):
    "tensor_map: threads beyond the last cell do nothing, and none disturbs another"
    function = CUDA_FUNCTIONS["2x + 1"]
    return subject.cuda_facts("tensor_map", function, [a], demands=["writes", "barriers"])


def cuda_zip_facts(subject, a, b):
    "tensor_zip: threads beyond the last cell do nothing, and none disturbs another"
    function = CUDA_FUNCTIONS["x - 2y"]
    return subject.cuda_facts("tensor_zip", function, [a, b], demands=["writes", "barriers"])


def cuda_sum_practice(subject, a, turns):
    "sum_practice adds each 32 neighbours"
    return subject.cuda_sums(a, turns)


def cuda_sum_facts(subject, a):
    "sum_practice sums in shared memory, with barriers where they must be"
    return subject.cuda_facts("_sum_practice", None, [a], demands=["shared", "barriers"])


def cuda_reduce(subject, function, a, order, dim, out_order, turns):
    "tensor_reduce folds one dimension with {function}, by a block for each cell"
    shape = list(a.shape)
    shape[dim] = 1
    return subject.cuda_kernel(
        "tensor_reduce",
        CUDA_FUNCTIONS[function],
        shape,
        out_order,
        0.0,
        [(a, order)],
        dim,
        CUDA_STARTS[function],
        turns=turns,
    )


def cuda_reduce_facts(subject, a, dim):
    "tensor_reduce folds in shared memory, with barriers where they must be"
    function = CUDA_FUNCTIONS["x + y"]
    demands = ["shared", "barriers"]
    return subject.cuda_facts("tensor_reduce", function, [a], dim, 0.0, demands=demands)


def cuda_tensors(subject, a, b):
    "Tensors of the CUDA backend are added, negated and summed"
    return subject.cuda_value([["add", 0, 1], ["neg", 2], ["sum", 3, 0]], [a, b])


def cuda_compiles(subject, kernel, function, takes):
    "{kernel} compiles for a GPU"
    return subject.compiled_for_gpu(kernel, CUDA_FUNCTIONS.get(function), takes)


# Task 3.4


def cuda_mm_practice(subject, a, b, turns):
    "mm_practice multiplies two small square matrices"
    return subject.cuda_product(a, b, turns)


def cuda_mm_facts(subject, a, b):
    "mm_practice reads each cell once, into shared memory, and writes each once"
    demands = ["shared", "barriers", "reads", "writes"]
    return subject.cuda_facts("_mm_practice", None, [a, b], demands=demands)


def cuda_matmul(subject, a, a_order, b, b_order, out_order, turns):
    "tensor_matrix_multiply multiplies matrices"
    shape = [max(a.shape[0], b.shape[0]), a.shape[1], b.shape[2]]
    inputs = [(a, a_order), (b, b_order)]
    return subject.cuda_kernel(
        "_tensor_matrix_multiply", None, shape, out_order, 0.0, inputs, turns=turns
    )


def cuda_matmul_facts(subject, a, b):
    "tensor_matrix_multiply reads each cell once in a block, into shared memory, and writes each once"
    demands = ["shared", "barriers", "reads", "writes"]
    return subject.cuda_facts("_tensor_matrix_multiply", None, [a, b], demands=demands)


def cuda_matrices(subject, a, b):
    "CudaOps.matrix_multiply multiplies tensors of two dimensions"
    return subject.cuda_matrices(a, b)


# Task 3.5


def trained_fast(subject, points, labels, layers, rate, steps):
    "Tensors on the fast backend learn"
    return subject.train("tensors", points, labels, layers, rate, steps)


# Task 3.6


def many_maps(subject, seed):
    "tensor_map works out no index where input and output are laid out alike"
    return subject.many_times("map", _triple, [[300, 400]] * 2, seed, 10)


def many_zips(subject, seed):
    "tensor_zip works out no index where all three tensors are laid out alike"
    return subject.many_times("zip", _difference, [[300, 400]] * 3, seed, 10)


def many_reductions(subject, seed):
    "tensor_reduce is quick"
    return subject.many_times("reduce", _sum, [[300, 1, 20], [300, 40, 20]], seed, 10)


def many_products(subject, seed):
    "tensor_matrix_multiply is quick"
    return subject.many_times("matrix_multiply", None, [[2, 100, 100]] * 3, seed, 3)
