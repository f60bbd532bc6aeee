"""What module 3's questions are asked on, how closely, in which run mode, and for how many points.

Whether numbers are right is found out with numba's compiler off, where a kernel is a Python function: that is
quick, and a fault has a line. Then each kernel is compiled once, and it is asked what numba made of it, whether
it is still right, and whether its iterations get in each other's way.
"""

import itertools

import numpy as np
import questions
from hypothesis import strategies as st

from grader.checks import (
    again,
    arrays,
    broadcastable,
    case,
    choices,
    integers,
    orders,
    shapes,
    task,
    training,
    upstreams,
)

FEW = 8  # cases of a compiled kernel: what they are to find does not hide in the numbers


def plain(shape):
    return list(range(len(shape)))


def any_or_plain(draw, shape, anything):
    return draw(orders(len(shape))) if anything else plain(shape)


# Task 3.1

fast = task("3.1")


@st.composite
def map_cases(draw, broadcast=False, any_output=False):
    """Input in any layout; the output row-major, or in any layout as well."""
    full, (small, _) = draw(broadcastable(2, 3, 3))
    small = (small or (1,)) if broadcast else full
    return {
        "a": draw(arrays(small)),
        "order": draw(orders(len(small))),
        "shape": list(full),
        "out_order": any_or_plain(draw, full, any_output),
    }


@st.composite
def zip_cases(draw, broadcast=False, any_output=False):
    """Inputs in any layout; the output row-major, or in any layout as well."""
    full, (left, right) = draw(broadcastable(2, 3, 3))
    left, right = (left or (1,), right or (1,)) if broadcast else (full, full)
    return {
        "a": draw(arrays(left)),
        "a_order": draw(orders(len(left))),
        "b": draw(arrays(right)),
        "b_order": draw(orders(len(right))),
        "shape": list(full),
        "out_order": any_or_plain(draw, full, any_output),
    }


@st.composite
def reduce_cases(draw, any_output=False):
    shape = draw(shapes(1, 3, 3))
    return {
        "a": draw(arrays(shape)),
        "order": draw(orders(len(shape))),
        "dim": draw(st.integers(0, len(shape) - 1)),
        "out_order": any_or_plain(draw, shape, any_output),
    }


wide = np.arange(1.0, 7.0).reshape(2, 3)
row, column = wide[:1] * 10, wide[:, :1] * 10


def one(a, order, out_order):
    return {"a": a, "order": order, "shape": [2, 3], "out_order": out_order}


def two(a, a_order, b, b_order, out_order=(0, 1)):
    return {
        "a": a,
        "a_order": a_order,
        "b": b,
        "b_order": b_order,
        "shape": [2, 3],
        "out_order": list(out_order),
    }


# The strides of a row are those of the matrix it is stretched to: only the shapes differ.
fast.check(
    questions.fast_map,
    map_cases(),
    edges=[one(wide, [0, 1], [0, 1]), one(wide, [1, 0], [0, 1])],
    function="3x + 1",
    weight=3,
    on="python",
    title="The fast tensor_map reads every layout of its input",
)
fast.check(
    questions.fast_map,
    map_cases(broadcast=True),
    edges=[one(row, [0, 1], [0, 1]), one(row[0], [0], [0, 1]), one(column, [0, 1], [0, 1])],
    function="3x + 1",
    weight=3,
    on="python",
    title="The fast tensor_map stretches a smaller input over the output",
)
fast.check(
    questions.fast_map,
    map_cases(any_output=True),
    edges=[one(wide, [0, 1], [1, 0]), one(wide, [1, 0], [1, 0])],
    function="3x + 1",
    weight=2,
    on="python",
    title="The fast tensor_map writes through the strides of its output",
)
fast.check(
    questions.fast_zip,
    zip_cases(),
    edges=[
        two(wide, first, wide * wide, second)
        for first, second in itertools.product([[0, 1], [1, 0]], repeat=2)
    ],
    function="x - y",
    weight=3,
    on="python",
    title="The fast tensor_zip reads every layout of its inputs",
)
fast.check(
    questions.fast_zip,
    zip_cases(broadcast=True),
    edges=[
        two(wide, [0, 1], row, [0, 1]),
        two(row, [0, 1], wide, [0, 1]),
        two(wide, [0, 1], row[0], [0]),
        two(column, [0, 1], row, [0, 1]),
    ],
    function="x - y",
    weight=3,
    on="python",
    title="The fast tensor_zip stretches smaller inputs over the output",
)
fast.check(
    questions.fast_zip,
    zip_cases(any_output=True),
    edges=[
        two(wide, [0, 1], wide * wide, [0, 1], [1, 0]),
        two(wide, [1, 0], wide * wide, [1, 0], [1, 0]),
    ],
    function="x - y",
    weight=2,
    on="python",
    title="The fast tensor_zip writes through the strides of its output",
)
for name, start in {"x + y": 0.0, "x * y": 1.0, "max(x, y)": -1000.0}.items():
    fast.check(
        questions.fast_reduce,
        reduce_cases(),
        function=name,
        start=start,
        weight=2,
        on="python",
        title="The fast tensor_reduce folds one dimension with {function}",
    )
fast.check(
    questions.fast_reduce,
    reduce_cases(any_output=True),
    edges=[
        {
            "a": np.arange(12.0).reshape(2, 3, 2),
            "order": [0, 1, 2],
            "dim": 1,
            "out_order": [2, 1, 0],
        }
    ],
    function="x + y",
    start=0.0,
    weight=2,
    on="python",
    title="The fast tensor_reduce writes through the strides of its output",
)
again(
    fast,
    "module2",
    tasks=("2.3", "2.4"),
    title="On the fast backend: {title}",
    weight=6,
    on="python",
    cases=12,
    seconds=1.5,  # of which they take hundredths: a kernel that never ends must not use up the run
)


# Sides that are 1, small, or larger than a vector register and than a thread's share.
SIDES = [1, 2, 3, 5, 8, 33]


@st.composite
def compiled_shapes(draw, inputs, broadcast=True):
    """A shape and shapes that stretch to it, each with the order of its axes. No axis of two is stretched
    in both: then it would not be in their shape."""
    full = draw(st.lists(st.sampled_from(SIDES), min_size=1, max_size=3))
    stretched = [draw(st.integers(0, inputs)) if broadcast else 0 for _ in full]
    found = [
        [1 if at == number else side for side, at in zip(full, stretched, strict=True)]
        for number in range(1, inputs + 1)
    ]
    return full, found, [draw(orders(len(full))) for _ in range(inputs)]


@st.composite
def compiled_map_cases(draw):
    full, (small,), (order,) = draw(compiled_shapes(1))
    return {"small": small, "shape": full, "order": order}


@st.composite
def compiled_zip_cases(draw):
    full, (left, right), (a_order, b_order) = draw(compiled_shapes(2))
    return {"left": left, "right": right, "shape": full, "a_order": a_order, "b_order": b_order}


@st.composite
def compiled_reduce_cases(draw):
    full, _, (order,) = draw(compiled_shapes(1, broadcast=False))
    return {"shape": full, "order": order, "dim": draw(st.integers(0, len(full) - 1))}


def made_by_numba(target, name, question, cases, edges, first):
    """What is asked of each kernel once it is compiled. first: the title of the check of its values."""
    compiled = f"numba compiles tensor_{name}"
    parallel = f"numba runs the loop of tensor_{name} in parallel"
    nothing = st.just({})
    facts = {"on": "compiled", "compare": "facts", "cases": 1, "name": name}
    target.check(questions.compiles, nothing, **facts)
    target.check(questions.runs_in_parallel, nothing, after=[compiled], **facts)
    target.check(questions.keeps_apart, nothing, weight=1.5, after=[parallel], **facts)
    target.check(
        question,
        cases,
        edges=edges,
        on="compiled",
        cases=FEW,
        after=[compiled, first],
        title=f"The compiled tensor_{name} gives the right numbers",
    )


# A side is longer than a byte counts, with a sign or without.
big = {"order": [1, 0], "shape": [20, 260]}
made_by_numba(
    fast,
    "map",
    questions.compiled_map,
    compiled_map_cases(),
    [
        big | {"small": [20, 260]},
        big | {"small": [1, 260]},
        big | {"small": [20, 260], "order": [0, 1]},
    ],
    "The fast tensor_map reads every layout of its input",
)
big = {"shape": [20, 260], "a_order": [0, 1], "b_order": [1, 0]}
made_by_numba(
    fast,
    "zip",
    questions.compiled_zip,
    compiled_zip_cases(),
    [
        big | {"left": [20, 260], "right": [20, 260]},
        big | {"left": [20, 260], "right": [20, 260], "b_order": [0, 1]},
        big | {"left": [20, 1], "right": [1, 260]},
    ],
    "The fast tensor_zip reads every layout of its inputs",
)
big = {"shape": [3, 260, 5]}
made_by_numba(
    fast,
    "reduce",
    questions.compiled_reduce,
    compiled_reduce_cases(),
    [big | {"order": [0, 1, 2], "dim": dim} for dim in range(3)]
    + [big | {"order": [2, 0, 1], "dim": 1}],
    "The fast tensor_reduce folds one dimension with x + y",
)


# Task 3.2

multiplication = task("3.2")


@st.composite
def matmul_cases(draw, a_batch=None, b_batch=None, any_output=False, gradient=False):
    """Batches of small matrices in any layout. a_batch, b_batch: 1 where one matrix serves all."""
    n = draw(st.integers(2, 3)) if a_batch or b_batch else draw(st.integers(1, 3))
    i, k, j = (draw(st.integers(1, 3)) for _ in range(3))
    found = {
        "a": draw(arrays((a_batch or n, i, k))),
        "b": draw(arrays((b_batch or n, k, j))),
        "a_order": draw(orders(3)),
        "b_order": draw(orders(3)),
    }
    if gradient:
        return found | {"upstream": draw(arrays((n, i, j), upstreams()))}
    return found | {"out_order": draw(orders(3)) if any_output else [0, 1, 2]}


@st.composite
def matrices(draw, gradient=False):
    i, k, j = (draw(st.integers(1, 4)) for _ in range(3))
    found = {
        "a": draw(arrays((i, k))),
        "b": draw(arrays((k, j))),
        "a_order": draw(orders(2)),
        "b_order": draw(orders(2)),
    }
    return found | {"upstream": draw(arrays((i, j), upstreams()))} if gradient else found


@st.composite
def sizes(draw, around):
    """Sides just below, at and just above powers of 2: where a tile ends."""
    i, k, j = (draw(st.sampled_from(around)) for _ in range(3))
    n, m = draw(st.sampled_from([(1, 1), (2, 2), (1, 2), (2, 1)]))
    return {
        "left": [n, i, k],
        "right": [m, k, j],
        "a_order": draw(orders(3)),
        "b_order": draw(orders(3)),
    }


def sized(n, m, i, k, j):
    layout = {"a_order": [0, 1, 2], "b_order": [0, 1, 2]}
    return {"left": [n, i, k], "right": [m, k, j]} | layout


BATCHES = "tensor_matrix_multiply multiplies batches of matrices"
multiplication.check(questions.fast_matmul, matmul_cases(), weight=4, on="python")
multiplication.check(
    questions.fast_matmul,
    matmul_cases(a_batch=1),
    weight=2,
    on="python",
    title="tensor_matrix_multiply uses the one matrix of a for every matrix of b",
)
multiplication.check(
    questions.fast_matmul,
    matmul_cases(b_batch=1),
    weight=2,
    on="python",
    title="tensor_matrix_multiply uses the one matrix of b for every matrix of a",
)
multiplication.check(
    questions.fast_matmul,
    matmul_cases(any_output=True),
    weight=2,
    on="python",
    title="tensor_matrix_multiply writes through the strides of its output",
)
multiplication.check(
    questions.matmul_of_size,
    sizes([1, 2, 7, 8, 9, 15, 16, 17]),
    edges=[sized(1, 1, 33, 1, 2), sized(1, 1, 2, 33, 3), sized(1, 1, 3, 2, 33)],
    weight=2,
    on="python",
    cases=12,
)
multiplication.check(questions.matmul_value, matrices(), weight=2, on="python", cases=30)
multiplication.check(
    questions.matmul_gradient,
    matrices(gradient=True),
    weight=2,
    on="python",
    cases=30,
    title="The gradients of a @ b for two matrices",
)
multiplication.check(
    questions.matmul_gradient,
    matmul_cases(gradient=True),
    weight=2,
    on="python",
    cases=30,
    title="The gradients of a @ b for two batches",
)
for a_batch, b_batch, which in ((1, None, "a"), (None, 1, "b")):
    multiplication.check(
        questions.matmul_gradient,
        matmul_cases(a_batch=a_batch, b_batch=b_batch, gradient=True),
        on="python",
        cases=30,
        title=f"The gradients of a @ b where {which} is one matrix for all: its uses are summed",
    )
made_by_numba(
    multiplication,
    "matrix_multiply",
    questions.matmul_of_size,
    sizes([1, 3, 8, 16, 31, 32, 33]),
    [sized(1, 1, 33, 65, 34), sized(2, 1, 5, 130, 3), sized(1, 2, 3, 7, 66)],
    BATCHES,
)


@st.composite
def products(draw):
    n, i, k, j = (draw(st.integers(1, 3)) for _ in range(4))
    return {
        "a": draw(arrays((n, i, k))),
        "b": draw(arrays((n, k, j))),
        "upstream": draw(arrays((n, i, j), upstreams())),
    }


multiplication.check(
    questions.compiled_program,
    products(),
    weight=2,
    on="compiled",
    cases=FEW,
    after=["numba compiles tensor_zip", "numba compiles tensor_matrix_multiply"],
)


# Task 3.3

# A GPU where there is one; else numba's simulator, in which the threads of a block run in an order that is
# part of the case. A missing barrier gives a wrong value in one of the three, every time.
CUDA = ("gpu", "simulator")
TURNS = ["forward", "reverse", "interleaved"]
turns = st.sampled_from(TURNS)

cuda = task("3.3")


def counted(*shape):
    """An array whose entries are all different, none of them 0."""
    return np.arange(1.0, np.prod(shape) + 1.0).reshape(shape) / 8.0


def rows_in_order(draw, rank, anyhow):
    """The axes of an output row by row, or in any order."""
    return draw(orders(rank)) if anyhow else list(range(rank))


@st.composite
def cuda_maps(draw, any_output=False):
    shape, (small, _) = draw(broadcastable(2))
    small = small or (1,)
    return {
        "a": draw(arrays(small)),
        "order": draw(orders(len(small))),
        "shape": list(shape),
        "out_order": rows_in_order(draw, len(shape), any_output),
        "turns": draw(turns),
    }


@st.composite
def cuda_zips(draw, any_output=False):
    shape, (first, second) = draw(broadcastable(2))
    first, second = first or (1,), second or (1,)
    return {
        "a": draw(arrays(first)),
        "a_order": draw(orders(len(first))),
        "b": draw(arrays(second)),
        "b_order": draw(orders(len(second))),
        "shape": list(shape),
        "out_order": rows_in_order(draw, len(shape), any_output),
        "turns": draw(turns),
    }


# One cell less than a block of 32 threads, as many, one more; and two blocks.
AROUND_BLOCKS = [1, 31, 32, 33, 64, 65]
# No side and no stride is like another, and there are more cells than one block has threads.
WIDE_MAP = {
    "a": counted(3, 1, 11),
    "order": [2, 0, 1],
    "shape": [3, 2, 11],
    "out_order": [0, 1, 2],
    "turns": "reverse",
}
WIDE_ZIP = {
    "a": counted(3, 1, 11),
    "a_order": [2, 0, 1],
    "b": counted(2, 1),
    "b_order": [1, 0],
    "shape": [3, 2, 11],
    "out_order": [0, 1, 2],
    "turns": "reverse",
}
ANY_OUTPUT = {"out_order": [1, 2, 0]}
cuda.check(
    questions.cuda_map,
    cuda_maps(),
    on=CUDA,
    cases=30,
    weight=2.5,
    edges=[
        {"a": counted(n), "order": [0], "shape": [n], "out_order": [0], "turns": "forward"}
        for n in AROUND_BLOCKS
    ]
    + [WIDE_MAP],
)
cuda.check(
    questions.cuda_map,
    cuda_maps(any_output=True),
    title="tensor_map writes to an output in any layout",
    on=CUDA,
    cases=15,
    weight=0.5,
    edges=[WIDE_MAP | ANY_OUTPUT],
)
cuda.check(
    questions.cuda_zip,
    cuda_zips(),
    on=CUDA,
    cases=30,
    weight=2.5,
    edges=[
        {
            "a": counted(n),
            "a_order": [0],
            "b": counted(1),
            "b_order": [0],
            "shape": [n],
            "out_order": [0],
            "turns": "forward",
        }
        for n in AROUND_BLOCKS
    ]
    + [WIDE_ZIP],
)
cuda.check(
    questions.cuda_zip,
    cuda_zips(any_output=True),
    title="tensor_zip writes to an output in any layout",
    on=CUDA,
    cases=15,
    weight=0.5,
    edges=[WIDE_ZIP | ANY_OUTPUT],
)
one_case = {"cases": 1, "compare": "facts", "on": "simulator"}
cuda.check(questions.cuda_map_facts, st.just({"a": counted(3, 11)}), weight=0.5, **one_case)
cuda.check(
    questions.cuda_zip_facts,
    st.just({"a": counted(3, 11), "b": counted(1, 11)}),
    weight=0.5,
    **one_case,
)
cuda.check(
    questions.cuda_sum_practice,
    case(a=integers(1, 70).flatmap(lambda n: arrays((n,))), turns=turns),
    on=CUDA,
    cases=20,
    weight=3,
    edges=[{"a": counted(40), "turns": t} for t in TURNS]
    + [{"a": counted(n), "turns": "forward"} for n in AROUND_BLOCKS],
)
cuda.check(questions.cuda_sum_facts, st.just({"a": counted(40)}), weight=1, **one_case)


@st.composite
def cuda_folds(draw, entries=None, any_output=False):
    """One or two cells of output: each takes a block of 1024 threads."""
    shape, dim = draw(st.sampled_from(FOLDED))
    return {
        "a": draw(arrays(shape, entries)),
        "order": draw(orders(len(shape))),
        "dim": dim,
        "out_order": rows_in_order(draw, len(shape), any_output),
        "turns": draw(turns),
    }


FOLDED = [
    (shape, dim)
    for shape in itertools.chain(*(itertools.product(range(1, 6), repeat=r) for r in (1, 2, 3)))
    for dim in range(len(shape))
    if np.prod(shape) <= 10 and np.prod(shape) // shape[dim] <= 2
]


def cuda_fold(a, dim, turns="forward", order=None, out_order=None):
    rank = list(range(a.ndim))
    return {
        "a": a,
        "order": order or rank,
        "dim": dim,
        "out_order": out_order or rank,
        "turns": turns,
    }


# Powers of 2, so that a product of them is exact in whatever order it is made.
TWOS = choices(1, 2, -2, 0.5, -0.5, 4)
cuda.check(
    questions.cuda_reduce,
    cuda_folds(),
    on=CUDA,
    cases=6,
    weight=2.5,
    function="x + y",
    edges=[cuda_fold(counted(5), 0, t) for t in TURNS]
    + [cuda_fold(counted(n), 0, t) for n, t in ((33, "reverse"), (1024, "forward"))]
    + [cuda_fold(counted(2, 3, 2), 1, "reverse", [2, 0, 1])],
)
cuda.check(
    questions.cuda_reduce,
    cuda_folds(any_output=True),
    title="tensor_reduce writes to an output in any layout",
    on=CUDA,
    cases=2,
    weight=0.5,
    function="x + y",
    edges=[cuda_fold(counted(2, 2, 3), 1, "forward", [0, 1, 2], [2, 0, 1])],
)
cuda.check(
    questions.cuda_reduce,
    cuda_folds(TWOS),
    on=CUDA,
    cases=2,
    weight=1,
    function="x * y",
    edges=[cuda_fold(np.array([2.0, 4.0, -0.5]), 0)],
)
cuda.check(
    questions.cuda_reduce,
    cuda_folds(),
    on=CUDA,
    cases=2,
    weight=1,
    function="max(x, y)",
    edges=[cuda_fold(np.array([-3.0, -0.5, -2.0]), 0)],
)
cuda.check(
    questions.cuda_reduce_facts, st.just({"a": counted(2, 5), "dim": 1}), weight=1, **one_case
)
cuda.check(
    questions.cuda_tensors,
    case(a=arrays((2, 3)), b=arrays((1, 3))),
    on=CUDA,
    cases=2,
    weight=1,
)

# What a kernel takes: t a tensor (storage, shape, strides), a a storage, n a whole number, x a number.
COMPILED = {"on": ("gpu", "ptx"), "compare": "facts", "cases": 1, "weight": 0.75}
nothing = st.just({})
for kernel, function, takes in (
    ("tensor_map", "2x + 1", "tnt"),
    ("tensor_zip", "x - 2y", "tntt"),
    ("tensor_reduce", "x + y", "tntnx"),
    ("_sum_practice", "", "aan"),
):
    cuda.check(
        questions.cuda_compiles, nothing, kernel=kernel, function=function, takes=takes, **COMPILED
    )


# Task 3.4

cuda_mm = task("3.4")


@st.composite
def cuda_squares(draw):
    size = draw(st.integers(1, 4))
    square = arrays((size, size))
    return {"a": draw(square), "b": draw(square), "turns": draw(turns)}


cuda_mm.check(
    questions.cuda_mm_practice,
    cuda_squares(),
    on=CUDA,
    cases=6,
    weight=3,
    edges=[{"a": counted(2, 2), "b": counted(2, 2) - 1.0, "turns": t} for t in TURNS]
    + [{"a": counted(n, n), "b": np.eye(n) * 2.0, "turns": "forward"} for n in (31, 32)],
)
cuda_mm.check(
    questions.cuda_mm_facts,
    st.just({"a": counted(3, 3), "b": counted(3, 3)}),
    weight=2,
    **one_case,
)


def cuda_product(a, b, turns="forward", a_order=(0, 1, 2), b_order=(0, 1, 2), out_order=(0, 1, 2)):
    return {
        "a": a,
        "a_order": list(a_order),
        "b": b,
        "b_order": list(b_order),
        "out_order": list(out_order),
        "turns": turns,
    }


@st.composite
def cuda_products(draw, any_output=False):
    """Two small batches of matrices in any layout; one of the two may be a single matrix for all."""
    batch = draw(st.integers(1, 2))
    rows, inner, columns = (draw(st.integers(1, 3)) for _ in range(3))
    single = draw(st.sampled_from(["", "a", "b"]))
    return cuda_product(
        draw(arrays((1 if single == "a" else batch, rows, inner))),
        draw(arrays((1 if single == "b" else batch, inner, columns))),
        draw(turns),
        draw(orders(3)),
        draw(orders(3)),
        rows_in_order(draw, 3, any_output),
    )


cuda_mm.check(
    questions.cuda_matmul,
    cuda_products(),
    on=CUDA,
    cases=8,
    weight=3,
    title="tensor_matrix_multiply multiplies small matrices, in batches and in any layout",
    edges=[
        # No side and no stride is like another.
        cuda_product(counted(2, 1, 3), counted(2, 3, 2)),
        cuda_product(counted(1, 2, 3), counted(2, 3, 1)),
        cuda_product(counted(2, 2, 3), counted(1, 3, 1)),
        cuda_product(counted(2, 2, 3), counted(2, 3, 4), "reverse", (2, 0, 1), (1, 2, 0)),
    ],
)
cuda_mm.check(
    questions.cuda_matmul,
    cuda_products(any_output=True),
    on=CUDA,
    cases=2,
    weight=0.5,
    title="tensor_matrix_multiply writes to an output in any layout",
    edges=[cuda_product(counted(2, 2, 1), counted(2, 1, 3), "forward", out_order=(2, 0, 1))],
)
cuda_mm.check(
    questions.cuda_matmul,
    case(
        a=arrays((1, 1, 33)),
        a_order=st.just([0, 1, 2]),
        b=arrays((1, 33, 2)),
        b_order=st.just([0, 1, 2]),
        out_order=st.just([0, 1, 2]),
        turns=turns,
    ),
    on=CUDA,
    cases=1,
    weight=3,
    title="tensor_matrix_multiply goes through matrices that are wider than a tile",
    edges=[
        *[cuda_product(counted(1, 2, 33), counted(1, 33, 2), t) for t in TURNS],
        cuda_product(counted(1, 1, 32), counted(1, 32, 1)),
        cuda_product(counted(1, 1, 65), counted(1, 65, 1), "reverse"),
    ],
)
cuda_mm.check(
    questions.cuda_matmul,
    case(
        a=arrays((1, 34, 1)),
        a_order=st.just([0, 1, 2]),
        b=arrays((1, 1, 2)),
        b_order=st.just([0, 1, 2]),
        out_order=st.just([0, 1, 2]),
        turns=turns,
    ),
    on=CUDA,
    cases=1,
    weight=2,
    title="tensor_matrix_multiply fills outputs that are larger than a tile",
    edges=[
        cuda_product(counted(1, 33, 1), counted(1, 1, 2)),
        cuda_product(counted(1, 2, 1), counted(1, 1, 33)),
        cuda_product(counted(1, 32, 1), counted(1, 1, 1)),
    ],
)
cuda_mm.check(
    questions.cuda_matmul_facts,
    st.just({"a": counted(1, 2, 33), "b": counted(1, 33, 2)}),
    weight=2,
    **one_case,
)
cuda_mm.check(
    questions.cuda_matrices,
    case(a=arrays((2, 3)), b=arrays((3, 1))),
    on=CUDA,
    cases=1,
    weight=1,
)
for kernel, takes in (("_mm_practice", "aaan"), ("_tensor_matrix_multiply", "tntt")):
    cuda_mm.check(
        questions.cuda_compiles, nothing, kernel=kernel, function="", takes=takes, **COMPILED
    )


# Task 3.5

for name in ("xor", "circle", "spiral"):
    task("3.5").check(
        questions.trained_fast,
        training(name, count=6, hidden=3, rate=1.0, steps=20),
        title=f"Tensors on the fast backend learn the data set '{name}'",
        compare="learns",
        on="python",
        cases=1,
    )


# Task 3.6. Of right kernels in public repositories those with a quick way for tensors that are laid out alike
# take 0.8 to 1.5 times as long as the reference, those without 6 to 13 times; reductions 2 to 10 times, products
# 2.5 to 4.4 times (the reference's are in blocks). An index that is worked out in an inner loop costs far more.

quick = task("3.6")
for question, limit, kernel in (
    (questions.many_maps, 4.0, "map"),
    (questions.many_zips, 4.0, "zip"),
    (questions.many_reductions, 40.0, "reduce"),
    (questions.many_products, 20.0, "matrix_multiply"),
):
    quick.check(
        question,
        st.fixed_dictionaries({"seed": st.integers(0, 2**40)}),
        on="compiled",
        cases=8,
        at_most_times=limit,
        after=[f"The compiled tensor_{kernel} gives the right numbers"],
    )
