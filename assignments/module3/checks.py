"""What module 3's questions are asked on, in which run mode, and for how many points."""

import itertools

import numpy as np
import questions
from hypothesis import strategies as st

from grader.checks import (
    arrays,
    broadcastable,
    case,
    choices,
    integers,
    orders,
    task,
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


def fold(a, dim, turns="forward", order=None, out_order=None):
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
    cases=10,
    weight=2.5,
    function="x + y",
    edges=[fold(counted(5), 0, t) for t in TURNS]
    + [
        fold(counted(n), 0, t)
        for n, t in ((33, "reverse"), (1000, "interleaved"), (1024, "forward"))
    ]
    + [fold(counted(2, 3, 2), 1, "reverse", [2, 0, 1])],
)
cuda.check(
    questions.cuda_reduce,
    cuda_folds(any_output=True),
    title="tensor_reduce writes to an output in any layout",
    on=CUDA,
    cases=3,
    weight=0.5,
    function="x + y",
    edges=[fold(counted(2, 2, 3), 1, "forward", [0, 1, 2], [2, 0, 1])],
)
cuda.check(
    questions.cuda_reduce,
    cuda_folds(TWOS),
    on=CUDA,
    cases=3,
    weight=1,
    function="x * y",
    edges=[fold(np.array([2.0, 4.0, -0.5]), 0)],
)
cuda.check(
    questions.cuda_reduce,
    cuda_folds(),
    on=CUDA,
    cases=3,
    weight=1,
    function="max(x, y)",
    edges=[fold(np.array([-3.0, -0.5, -2.0]), 0)],
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
def squares(draw):
    size = draw(st.integers(1, 4))
    square = arrays((size, size))
    return {"a": draw(square), "b": draw(square), "turns": draw(turns)}


cuda_mm.check(
    questions.cuda_mm_practice,
    squares(),
    on=CUDA,
    cases=6,
    weight=3,
    edges=[{"a": counted(2, 2), "b": counted(2, 2) - 1.0, "turns": t} for t in TURNS]
    + [{"a": counted(31, 31), "b": np.eye(31) * 2.0, "turns": "forward"}],
)
cuda_mm.check(
    questions.cuda_mm_facts,
    st.just({"a": counted(3, 3), "b": counted(3, 3)}),
    weight=2,
    **one_case,
)


def product(a, b, turns="forward", a_order=(0, 1, 2), b_order=(0, 1, 2), out_order=(0, 1, 2)):
    return {
        "a": a,
        "a_order": list(a_order),
        "b": b,
        "b_order": list(b_order),
        "out_order": list(out_order),
        "turns": turns,
    }


@st.composite
def products(draw, any_output=False):
    """Two small batches of matrices in any layout; one of the two may be a single matrix for all."""
    batch = draw(st.integers(1, 2))
    rows, inner, columns = (draw(st.integers(1, 3)) for _ in range(3))
    single = draw(st.sampled_from(["", "a", "b"]))
    return product(
        draw(arrays((1 if single == "a" else batch, rows, inner))),
        draw(arrays((1 if single == "b" else batch, inner, columns))),
        draw(turns),
        draw(orders(3)),
        draw(orders(3)),
        rows_in_order(draw, 3, any_output),
    )


cuda_mm.check(
    questions.cuda_matmul,
    products(),
    on=CUDA,
    cases=8,
    weight=3,
    title="tensor_matrix_multiply multiplies small matrices, in batches and in any layout",
    edges=[
        # No side and no stride is like another.
        product(counted(2, 1, 3), counted(2, 3, 2)),
        product(counted(1, 2, 3), counted(2, 3, 1)),
        product(counted(2, 2, 3), counted(1, 3, 1)),
        product(counted(2, 2, 3), counted(2, 3, 4), "reverse", (2, 0, 1), (1, 2, 0)),
    ],
)
cuda_mm.check(
    questions.cuda_matmul,
    products(any_output=True),
    on=CUDA,
    cases=2,
    weight=0.5,
    title="tensor_matrix_multiply writes to an output in any layout",
    edges=[product(counted(2, 2, 1), counted(2, 1, 3), "forward", out_order=(2, 0, 1))],
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
        *[product(counted(1, 2, 33), counted(1, 33, 2), t) for t in TURNS],
        product(counted(1, 1, 32), counted(1, 32, 1)),
        product(counted(1, 1, 65), counted(1, 65, 1), "reverse"),
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
        product(counted(1, 33, 1), counted(1, 1, 2)),
        product(counted(1, 2, 1), counted(1, 1, 33)),
        product(counted(1, 32, 1), counted(1, 1, 1)),
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
