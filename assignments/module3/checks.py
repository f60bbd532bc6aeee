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
    orders,
    shapes,
    task,
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


big = {"order": [1, 0], "shape": [40, 70]}
made_by_numba(
    fast,
    "map",
    questions.compiled_map,
    compiled_map_cases(),
    [
        big | {"small": [40, 70]},
        big | {"small": [1, 70]},
        big | {"small": [40, 70], "order": [0, 1]},
    ],
    "The fast tensor_map reads every layout of its input",
)
big = {"shape": [40, 70], "a_order": [0, 1], "b_order": [1, 0]}
made_by_numba(
    fast,
    "zip",
    questions.compiled_zip,
    compiled_zip_cases(),
    [
        big | {"left": [40, 70], "right": [40, 70]},
        big | {"left": [40, 70], "right": [40, 70], "b_order": [0, 1]},
        big | {"left": [40, 1], "right": [1, 70]},
    ],
    "The fast tensor_zip reads every layout of its inputs",
)
big = {"shape": [6, 70, 5]}
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
    after=["numba compiles tensor_matrix_multiply"],
)
