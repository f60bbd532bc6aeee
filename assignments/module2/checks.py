"""What module 2's questions are asked on, how closely, and for how many points.

Tensors are small: a fault in strides, broadcasting or gradients shows on six numbers as well as on six
thousand, and a small counterexample is one that can be read.
"""

import math

import numpy as np
import questions
from hypothesis import strategies as st

from grader.checks import (
    Tolerance,
    arrays,
    away_from,
    broadcastable,
    case,
    choices,
    eighths,
    orders,
    reals,
    shapes,
    task,
    training,
    upstreams,
)

# Some courses add 1e-6 inside log or to a denominator, against a division by 0.
EPSILON = Tolerance(relative=4e-5, absolute=4e-6)
EXP = eighths(-4, 4)
NONZERO = away_from(0, grid=8)
LOGS = eighths(0.5, 16)


# Task 2.1

data = task("2.1")


@st.composite
def positions(draw):
    sides = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    strides = draw(st.lists(st.integers(0, 12), min_size=len(sides), max_size=len(sides)))
    return {"index": [draw(st.integers(0, n - 1)) for n in sides], "strides": strides}


@st.composite
def permutations(draw, twice=False):
    shape = draw(shapes(2, 4, 3))
    found = {
        "values": [float(n) for n in range(math.prod(shape))],
        "shape": list(shape),
        "order": draw(orders(len(shape))),
    }
    return found | {"again": draw(orders(len(shape)))} if twice else found


data.check(questions.position, positions(), weight=2)
data.check(
    questions.all_indices,
    case(shape=shapes(1, 4, 6, max_cells=48).map(list)),
    edges=[{"shape": [1]}, {"shape": [5]}, {"shape": [2, 3, 4]}],
    weight=3,
)
# Reversing all axes, or exchanging two, is its own inverse: it cannot tell a permutation from its inverse.
turned = {"values": [float(n) for n in range(24)], "shape": [2, 3, 4], "order": [1, 2, 0]}
data.check(questions.permuted, permutations(), edges=[turned], weight=3)
data.check(
    questions.permuted_twice,
    permutations(twice=True),
    edges=[turned | {"again": [2, 0, 1]}],
    weight=2,
)


# Task 2.2

broadcasting = task("2.2")


@st.composite
def fitting(draw):
    _, (first, second) = draw(broadcastable(2, 4, 4))
    return {"first": list(first), "second": list(second)}


@st.composite
def unfitting(draw):
    """Two shapes that differ in one aligned side, neither being 1 there; other sides fit."""
    _, (first, second) = draw(broadcastable(2, 3, 3))
    at = draw(st.integers(1, min(len(first), len(second)))) if first and second else None
    first, second = list(first), list(second)
    if at is None:
        first, second, at = [2], [3], 1
    first[-at] = draw(st.integers(2, 4))
    second[-at] = first[-at] + draw(st.integers(1, 3))
    return {"first": first, "second": second}


@st.composite
def places(draw):
    full, (shape, other) = draw(broadcastable(2, 4, 4))
    small = draw(st.sampled_from([shape, other]))
    return {
        "index": [draw(st.integers(0, n - 1)) for n in full],
        "big": list(full),
        "shape": list(small),
    }


broadcasting.check(
    questions.broadcast_shape,
    fitting(),
    edges=[
        {"first": [2, 3], "second": [3]},
        {"first": [1], "second": [5, 5]},
        {"first": [2, 1, 5], "second": [3, 1]},
    ],
    weight=3,
)
broadcasting.check(
    questions.incompatible_shapes, unfitting(), edges=[{"first": [2, 3], "second": [2]}], weight=2
)
broadcasting.check(
    questions.broadcast_position,
    places(),
    edges=[
        {"index": [1, 2], "big": [2, 3], "shape": [3]},
        {"index": [1, 2], "big": [2, 3], "shape": [2, 1]},
    ],
    weight=3,
)


# Task 2.3

operations = task("2.3")


@st.composite
def one_tensor(draw, elements=None, **extra):
    """An array in any layout, and what `extra` draws for its shape."""
    shape = draw(shapes(1, 3, 3))
    found = {"a": draw(arrays(shape, elements))}
    makers = {"order": any_order} | extra
    return found | {name: draw(make(shape)) for name, make in makers.items()}


def a_dimension(shape):
    return st.integers(0, len(shape) - 1)


@st.composite
def two_tensors(draw, first=None, second=None, gradient=False):
    """Two arrays that broadcast, in any layouts."""
    full, (left, right) = draw(broadcastable(2, 3, 3))
    left, right = left or (1,), right or (1,)
    found = {
        "a": draw(arrays(left, first)),
        "b": draw(arrays(right, second if second is not None else first)),
        "a_order": draw(orders(len(left))),
        "b_order": draw(orders(len(right))),
    }
    return found | {"upstream": draw(arrays(full, upstreams()))} if gradient else found


@st.composite
def tied_tensors(draw):
    """Two arrays of one shape whose entries are equal, nearly equal, or neither."""
    shape = draw(shapes(1, 3, 3))
    a = draw(arrays(shape))
    gaps = choices(0.0, 1.0, -1.0, 0.0, 2.0**-8, -(2.0**-8), 2.0**-40, 3.5, -2.5)
    b = a + draw(arrays(shape, gaps))
    return {"a": a, "b": b, "a_order": draw(orders(a.ndim)), "b_order": draw(orders(a.ndim))}


@st.composite
def near_tensors(draw):
    """Two arrays whose entries are within 0.01 of each other, or not, and never just at 0.01."""
    shape = draw(shapes(1, 3, 3))
    a = draw(arrays(shape, eighths(-2, 2)))
    gap = draw(arrays(shape, choices(0.0, 0.5, 2.0**-7, -(2.0**-7), 2.0**-6, -(2.0**-6), -2.0)))
    return {"a": a, "b": a + gap, "a_order": draw(orders(a.ndim)), "b_order": draw(orders(a.ndim))}


def plain_order(shape):
    return st.just(list(range(len(shape))))


@st.composite
def map_cases(draw, broadcast=False, any_output=False):
    """Input in any layout; the output row-major, or in any layout as well."""
    full, (small, _) = draw(broadcastable(2, 3, 3))
    small = (small or (1,)) if broadcast else full
    return {
        "a": draw(arrays(small)),
        "order": draw(orders(len(small))),
        "shape": list(full),
        "out_order": draw(orders(len(full)) if any_output else plain_order(full)),
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
        "out_order": draw(orders(len(full)) if any_output else plain_order(full)),
    }


wide, row = np.arange(1.0, 7.0).reshape(2, 3), np.array([10.0, 20.0, 30.0])


def layouts(a_order, b_order):
    """Two matrices of one shape, each in a layout of its own."""
    orders = {"a_order": a_order, "b_order": b_order, "out_order": [0, 1]}
    return {"a": wide, "b": wide * wide, "shape": [2, 3]} | orders


operations.check(
    questions.map_kernel,
    map_cases(),
    function="3x + 1",
    weight=2,
    title="tensor_map reads every layout of its input",
)
# A row under a matrix: aligned at the wrong end, its cells are read at the matrix' row numbers.
operations.check(
    questions.map_kernel,
    map_cases(broadcast=True),
    edges=[{"a": row, "order": [0], "shape": [2, 3], "out_order": [0, 1]}],
    function="negate",
    weight=2,
    title="tensor_map stretches a smaller input over the output",
)
operations.check(
    questions.map_kernel,
    map_cases(any_output=True),
    function="3x + 1",
    title="tensor_map writes through the strides of its output",
)
operations.check(
    questions.zip_kernel,
    zip_cases(),
    edges=[layouts([0, 1], [1, 0]), layouts([1, 0], [0, 1])],
    function="x - y",
    weight=2,
    title="tensor_zip reads every layout of its inputs",
)
operations.check(
    questions.zip_kernel,
    zip_cases(broadcast=True),
    edges=[
        {
            "a": wide,
            "a_order": [0, 1],
            "b": row,
            "b_order": [0],
            "shape": [2, 3],
            "out_order": [0, 1],
        }
    ],
    function="x - y",
    weight=2,
    title="tensor_zip stretches smaller inputs over the output",
)
operations.check(
    questions.zip_kernel,
    zip_cases(any_output=True),
    edges=[layouts([0, 1], [0, 1]) | {"out_order": [1, 0]}],
    function="x - y",
    title="tensor_zip writes through the strides of its output",
)
for name, start in {"x + y": 0.0, "x * y": 1.0, "max(x, y)": -1000.0}.items():
    operations.check(
        questions.reduce_kernel,
        one_tensor(dim=a_dimension, out_order=plain_order),
        function=name,
        start=start,
        title="tensor_reduce folds one dimension with {function}",
    )
# An output with a size of 1 lies row by row in most orders: it takes two other dimensions, swapped.
cube = np.arange(12.0).reshape(2, 2, 3) / 8
operations.check(
    questions.reduce_kernel,
    one_tensor(dim=a_dimension, out_order=lambda shape: orders(len(shape))),
    edges=[
        {"a": cube, "order": [0, 1, 2], "dim": 1, "out_order": [2, 1, 0]},
        {"a": cube, "order": [0, 1, 2], "dim": 2, "out_order": [1, 0, 2]},
    ],
    function="x + y",
    start=0.0,
    title="tensor_reduce writes through the strides of its output",
)

UNARY = {
    "neg": ("-tensor", None),
    "sigmoid": ("tensor.sigmoid()", EXP),
    "relu": ("tensor.relu()", NONZERO),
    "exp": ("tensor.exp()", EXP),
    "log": ("tensor.log()", LOGS),
}
for step, (title, domain) in UNARY.items():
    operations.check(
        questions.unary,
        one_tensor(domain),
        step=step,
        title=title,
        tolerance=EPSILON if step == "log" else None,
    )
for step, title in {
    "add": "tensor + tensor",
    "sub": "tensor - tensor",
    "mul": "tensor * tensor",
}.items():
    operations.check(questions.binary, two_tensors(), step=step, title=title)
operations.check(
    questions.binary,
    two_tensors(None, NONZERO),
    step="div",
    title="tensor / tensor",
    tolerance=EPSILON,
)
for step, sign in {"lt": "<", "gt": ">", "eq": "=="}.items():
    operations.check(questions.binary, tied_tensors(), step=step, title=f"tensor {sign} tensor")
operations.check(questions.binary, near_tensors(), step="is_close", title="tensor.is_close(tensor)")
for step, title in {
    "add_number": "tensor + number",
    "number_add": "number + tensor",
    "sub_number": "tensor - number",
    "mul_number": "tensor * number",
    "number_mul": "number * tensor",
}.items():
    operations.check(
        questions.with_number,
        case(a=shapes(1, 3, 3).flatmap(arrays), c=reals()),
        step=step,
        title=title,
        weight=0.5,
    )
for step, title in {"div_number": "tensor / number", "number_div": "number / tensor"}.items():
    operations.check(
        questions.with_number,
        case(a=shapes(1, 3, 3).flatmap(lambda shape: arrays(shape, NONZERO)), c=NONZERO),
        step=step,
        title=title,
        tolerance=EPSILON,
        weight=0.5,
    )
for step, sign in {"lt_number": "<", "gt_number": ">", "eq_number": "=="}.items():
    operations.check(
        questions.with_number,
        case(
            a=shapes(1, 3, 3).flatmap(lambda shape: arrays(shape, choices(0.0, 1.0, -1.0, 2.5))),
            c=choices(0.0, 1.0, -1.0, 2.5),
        ),
        step=step,
        title=f"tensor {sign} number",
        weight=0.5,
        after=[f"tensor {sign} tensor"],
    )
# mean divides, and so has the tolerance of division.
for step, room in {"sum": None, "mean": EPSILON}.items():
    operations.check(
        questions.along,
        one_tensor(dim=a_dimension),
        step=step,
        title=f"tensor.{step}(dim)",
        tolerance=room,
    )
    operations.check(
        questions.whole,
        one_tensor(),
        step=f"{step}_all",
        title=f"tensor.{step}()",
        tolerance=room,
    )
# The course's own `all` takes row-major tensors only.
operations.check(
    questions.whole,
    one_tensor(choices(1.0, 1.0, 1.0, 0.0), order=plain_order),
    step="all",
    title="tensor.all()",
)


def any_order(shape):
    return orders(len(shape))


@st.composite
def views(draw):
    """An array and another shape for its numbers."""
    sides = draw(st.lists(st.sampled_from([1, 2, 2, 3]), min_size=1, max_size=4))
    cells = math.prod(sides)
    divisors = [n for n in range(1, cells + 1) if cells % n == 0]
    first = draw(st.sampled_from(divisors))
    return {
        "a": draw(arrays(tuple(sides))),
        "shape": draw(
            st.sampled_from([[cells], [first, cells // first], [cells // first, 1, first]])
        ),
    }


operations.check(questions.permute_value, one_tensor(axes=any_order), weight=2)
operations.check(questions.view_value, views())


# Task 2.4

gradients = task("2.4")
GRAPH = Tolerance(relative=1e-9, absolute=1e-10)


@st.composite
def vjp_cases(draw, elements=None, inputs=("a",), longest=3):
    shape = draw(shapes(1, longest, longest))
    found = {name: draw(arrays(shape, elements)) for name in inputs}
    return found | {"upstream": draw(arrays(shape, upstreams()))}


@st.composite
def permute_gradients(draw, layout):
    shape = draw(shapes(2, 3, 3))
    axes = draw(orders(len(shape)))
    found = {
        "a": draw(arrays(shape)),
        "axes": axes,
        "upstream": draw(arrays(tuple(shape[axis] for axis in axes), upstreams())),
    }
    return found | {"order": draw(orders(len(shape)))} if layout else found


@st.composite
def along_gradients(draw):
    shape = draw(shapes(1, 3, 3))
    dim = draw(a_dimension(shape))
    reduced = tuple(1 if axis == dim else n for axis, n in enumerate(shape))
    return {"a": draw(arrays(shape)), "dim": dim, "upstream": draw(arrays(reduced, upstreams()))}


def with_order(domain, elements=None):
    return domain.flatmap(
        lambda found: orders(found["a"].ndim).map(lambda order: found | {"order": order})
    )


for name, domain in {
    "Sigmoid": EXP,
    "ReLU": NONZERO,
    "Exp": EXP,
    "Log": LOGS,
}.items():
    gradients.check(
        questions.vjp_unary,
        vjp_cases(domain),
        function=name,
        tolerance=EPSILON if name == "Log" else None,
    )
gradients.check(questions.vjp_mul, vjp_cases(inputs=("a", "b")), weight=2)
turn = np.arange(6.0).reshape(1, 2, 3)
gradients.check(
    questions.vjp_permute,
    permute_gradients(layout=False),
    weight=2,
    edges=[{"a": turn, "upstream": turn.transpose(1, 2, 0) + 1.0, "axes": [1, 2, 0]}],
)
for step, (title, domain) in UNARY.items():
    gradients.check(
        questions.gradient_unary,
        with_order(vjp_cases(domain)),
        step=step,
        title=f"The gradient of {title}, in every layout",
        tolerance=EPSILON if step == "log" else None,
    )
for step, (title, domain) in UNARY.items():
    if step != "neg":
        gradients.check(
            questions.apart,
            vjp_cases(domain, inputs=("a", "b"), longest=2),
            step=step,
            title=f"{title} remembers the input of each call apart",
            tolerance=EPSILON if step == "log" else None,
            weight=0.5,
        )
for step, title in {
    "add": "tensor + tensor",
    "sub": "tensor - tensor",
    "mul": "tensor * tensor",
}.items():
    gradients.check(
        questions.gradient_binary,
        two_tensors(gradient=True),
        step=step,
        title=f"The gradients of {title}: summed over broadcast axes",
        weight=3 if step == "mul" else 2,
    )
gradients.check(
    questions.gradient_binary,
    two_tensors(None, away_from(0, gap=0.5, grid=8), gradient=True),
    step="div",
    title="The gradients of tensor / tensor: summed over broadcast axes",
    tolerance=EPSILON,
)
NUMBERS = ["add", "sub", "mul", "div"]
gradients.check(
    questions.gradient_number,
    st.builds(
        lambda found, step, c: found | {"step": step, "c": c},
        vjp_cases(NONZERO),
        st.sampled_from(
            [f"{name}_number" for name in NUMBERS] + ["number_add", "number_mul", "number_div"]
        ),
        NONZERO,
    ),
    tolerance=EPSILON,
)
for step, sign in {"lt": "<", "eq": "=="}.items():
    gradients.check(
        questions.gradient_binary,
        two_tensors(gradient=True),
        step=step,
        title=f"No gradient flows through tensor {sign} tensor",
        weight=0.5,
    )
for step, room in {"sum": None, "mean": EPSILON}.items():
    gradients.check(
        questions.gradient_along,
        along_gradients(),
        step=step,
        title=f"The gradient of tensor.{step}(dim)",
        tolerance=room,
    )
    gradients.check(
        questions.gradient_whole,
        case(a=shapes(1, 3, 3).flatmap(arrays), upstream=arrays((1,), upstreams())),
        step=f"{step}_all",
        title=f"The gradient of tensor.{step}()",
        tolerance=room,
    )
gradients.check(questions.gradient_permute, permute_gradients(layout=True), weight=2)


@st.composite
def view_gradients(draw):
    found = draw(views())
    return found | {"upstream": draw(arrays(tuple(found["shape"]), upstreams()))}


gradients.check(questions.gradient_view, view_gradients(), weight=0.5)


def fits(first, second):
    """Whether two shapes broadcast."""
    pairs = zip(reversed(first), reversed(second), strict=False)
    return all(m == n or 1 in (m, n) for m, n in pairs)


@st.composite
def graphs(draw, reuse=False):
    """Programs over one or two tensors that broadcast, in which any earlier value may be used again."""
    count = 1 if reuse else draw(st.integers(1, 2))
    _, sides = draw(broadcastable(count, 3, 3))
    sides = [side or (1,) for side in sides]
    leaves = [draw(arrays(side, eighths(-2, 2))) for side in sides]
    known = [tuple(side) for side in sides]
    program = []
    unused = set(range(count))

    def push(step, shape):
        program.append(step)
        known.append(shape)
        unused.difference_update(step[1:3] if step[0] in ("add", "mul", "sub") else step[1:2])

    def turn():
        axes = draw(orders(len(known[-1])))
        push(["permute", len(known) - 1, axes], tuple(known[-1][axis] for axis in axes))

    if reuse:
        push([draw(st.sampled_from(["mul", "add"])), 0, 0], known[0])
        push([draw(st.sampled_from(["mul", "sub"])), *draw(st.permutations([0, 1]))], known[0])
    for _ in range(draw(st.integers(1, 3))):
        last = len(known) - 1
        kind = draw(st.sampled_from(["two", "two", "one", "sum", "permute"]))
        if kind == "two":
            other = draw(
                st.sampled_from([n for n in range(last + 1) if fits(known[last], known[n])])
            )
            name = draw(st.sampled_from(["add", "mul", "sub"]))
            push([name, last, other], np.broadcast_shapes(known[last], known[other]))
        elif kind == "one":
            push(["neg", last], known[last])
        elif kind == "permute" and not unused:  # a leaf that comes later must fit
            turn()
        else:
            dim = draw(st.integers(0, len(known[last]) - 1))
            push(["sum", last, dim], tuple(1 if i == dim else n for i, n in enumerate(known[last])))
    for leaf in sorted(unused):
        last = len(known) - 1
        push(["mul", last, leaf], np.broadcast_shapes(known[last], known[leaf]))
    if not reuse and draw(st.booleans()):
        turn()
    return {"program": program, "leaves": leaves, "upstream": draw(arrays(known[-1], upstreams()))}


gradients.check(
    questions.gradient_reused,
    graphs(reuse=True),
    tolerance=GRAPH,
    weight=3,
    edges=[
        # A diamond whose arms have different lengths: breadth-first order is wrong here.
        {
            "program": [["neg", 0], ["neg", 1], ["neg", 2], ["mul", 3, 1], ["mul", 4, 0]],
            "leaves": [np.array([2.0, -1.0])],
            "upstream": np.array([1.0, 3.0]),
        }
    ],
)
gradients.check(
    questions.gradient_graph,
    graphs(),
    tolerance=GRAPH,
    weight=3,
    edges=[
        # Two permutes, neither its own inverse nor the other's.
        {
            "program": [["permute", 0, [1, 2, 0]], ["neg", 1], ["permute", 2, [1, 0, 2]]],
            "leaves": [turn],
            "upstream": turn.transpose(2, 1, 0) + 1.0,
        }
    ],
)


@st.composite
def two_backwards(draw):
    """A sum of two tensors of one shape, and the upstreams of two calls of backward. Nothing broadcasts and
    nothing is used twice: these are asked elsewhere."""
    shape = draw(shapes(1, 2, 3))
    return {
        "program": draw(st.sampled_from([[["add", 0, 1]], [["neg", 0], ["add", 2, 1]]])),
        "leaves": [draw(arrays(shape)), draw(arrays(shape))],
        "upstream": draw(arrays(shape, upstreams())),
        "again": draw(arrays(shape, upstreams())),
    }


for question in (questions.gradient_twice, questions.gradient_forgotten):
    gradients.check(question, two_backwards(), tolerance=GRAPH)


# Task 2.5: one run for each data set, as long as it takes a network of three hidden values to learn six points.

for name in ("diag", "split", "xor", "circle"):
    task("2.5").check(
        questions.trained,
        training(name, count=6, hidden=3, rate=1.0, steps=20),
        title=f"Tensors learn the data set '{name}'",
        compare="learns",
        cases=1,
    )
