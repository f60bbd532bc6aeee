"""What module 4's questions are asked on, how closely, and for how many points.

Values and gradients are asked with the compiler off: the same lines run as Python, and cases are small.
Then each convolution is compiled once, and it is asked what numba made of it and whether it still is right.
Entries are eighths, so sums of products are exact and any order of adding them is right.
"""

import itertools
import math

import numpy as np
import questions
from hypothesis import strategies as st

from grader.checks import (
    Tolerance,
    arrays,
    case,
    choices,
    eighths,
    integers,
    lists_of,
    orders,
    shapes,
    task,
    upstreams,
)

# Some courses add 1e-6 inside log or to a denominator, against a division by 0.
EPSILON = Tolerance(relative=4e-5, absolute=4e-6)
PYTHON = "python"
FEW = 40  # cases of what goes through many functions of tensors
IN_CTX = "What backward needs belongs in ctx: save_for_backward keeps it apart for every call."


# Tasks 4.1 and 4.2

MOST_PRODUCTS = 200  # of one case: more would show nothing new


def extents(dims, channels, larger=False, other=False):
    """Batch, channels in and out, sides of the input, of the kernel and of the output; small ones first.

    larger: whether the kernel is longer than the input along some dimension, or along none; other:
    whether the output's sides differ from the input's.
    """
    longest = 5 if dims == 1 else 3
    sides = [*itertools.product(range(1, longest + 1), repeat=dims)]
    windows = [*itertools.product(range(1, 4 if not larger else 5), repeat=dims)]
    found = []
    for counts in itertools.product(range(1, channels + 1), repeat=3):
        if channels > 1 and max(counts) == 1:
            continue
        for side, window in itertools.product(sides, windows):
            if larger != any(k > n for k, n in zip(window, side, strict=True)):
                continue
            for out in [s for s in sides if s != side] if other else [side]:
                products = math.prod(counts) * math.prod(window) * math.prod(out)
                if products <= MOST_PRODUCTS:
                    found.append((products, counts, side, window, out))
    return [extent for _, *extent in sorted(found)]


@st.composite
def convolutions(draw, extents, layouts=False, out_layouts=False):
    """An input, a kernel, and the shape and layout of an output."""
    (batch, inner, outer), sides, window, out = draw(st.sampled_from(extents))
    rank = 2 + len(sides)
    plain, any_layout = st.just(list(range(rank))), orders(rank)
    return {
        "input": draw(arrays((batch, inner, *sides))),
        "input_order": draw(any_layout if layouts else plain),
        "weight": draw(arrays((outer, inner, *window))),
        "weight_order": draw(any_layout if layouts else plain),
        "shape": [batch, outer, *out],
        "out_order": draw(any_layout if out_layouts else plain),
    }


def both_ways(cases):
    """The same cases, some of them in reverse."""
    return st.builds(lambda given, reverse: given | {"reverse": reverse}, cases, st.booleans())


@st.composite
def convolution_tensors(draw, extents, gradient=False):
    """An input and a kernel in any layout, and what arrives at their convolution."""
    found = draw(convolutions(extents, layouts=True))
    shape = found.pop("shape")
    found.pop("out_order")
    return found | {"upstream": draw(arrays(tuple(shape), upstreams()))} if gradient else found


def ramp(*shape):
    """The numbers 1, 2, 3 and so on."""
    return np.arange(1.0, 1.0 + math.prod(shape)).reshape(shape)


def whole_case(given, weight, out=None, layout=None):
    """A case of the kernel with numbers that are all different."""
    rank = len(given)
    plain = list(range(rank))
    return {
        "input": ramp(*given),
        "input_order": layout or plain,
        "weight": ramp(*weight) ** 2,
        "weight_order": layout or plain,
        "shape": [given[0], weight[0], *(out or given[2:])],
        "out_order": plain,
    }


def tensors_case(given, weight, gradient=False):
    """A case of tensors with numbers that are all different."""
    found = whole_case(given, weight)
    shape = found.pop("shape")
    found.pop("out_order")
    return found | {"upstream": ramp(*shape) - 0.5} if gradient else found


for number, dims in (("4.1", 1), ("4.2", 2)):
    convolving = task(number)
    kernel = f"tensor_conv{dims}d"
    one, some = extents(dims, 1), extents(dims, 2)
    there = "x - k" if dims == 1 else "(y - j, x - k)"
    at = "k" if dims == 1 else "(j, k)"
    backwards = (
        f"In reverse, weight {at} is multiplied by the input at {there}: the first weight lies on the place "
        "itself, the last one furthest before it."
    )
    # A kernel of several cells on an image that is neither square nor as large as the kernel's reach.
    image, window = ((5,), (3,)) if dims == 1 else ((3, 4), (2, 3))
    convolving.check(
        questions.convolution,
        convolutions(one),
        edges=[whole_case((1, 1, *image), (1, 1, *window))],
        reverse=False,
        title=f"{kernel} lays the kernel on every place, with zeros beyond the border",
        weight=3,
        on=PYTHON,
    )
    convolving.check(
        questions.convolution,
        convolutions(some),
        edges=[whole_case((2, 3, *image), (2, 3, *window))],
        reverse=False,
        title=f"{kernel} adds up the input channels, for every output channel and every batch",
        weight=3,
        on=PYTHON,
    )
    convolving.check(
        questions.convolution,
        convolutions(extents(dims, 1, larger=True)),
        reverse=False,
        title=f"{kernel} takes a kernel that is larger than the input",
        on=PYTHON,
    )
    convolving.check(
        questions.convolution,
        convolutions(extents(dims, 1, other=True)),
        edges=[whole_case((1, 1, *image), (1, 1, *image), window)],
        reverse=False,
        title=f"{kernel} fills an output of another size, as the gradient by the kernel needs it",
        on=PYTHON,
    )
    convolving.check(
        questions.convolution,
        convolutions(some, layouts=True),
        edges=[
            whole_case((2, 2, *image), (2, 2, *window), layout=layout)
            for layout in ([1, 0, *range(2, dims + 2)], [*range(dims + 2)][::-1])
        ],
        reverse=False,
        title=f"{kernel} reads every layout of its inputs",
        weight=2,
        on=PYTHON,
    )
    convolving.check(
        questions.convolution,
        convolutions(some, out_layouts=True),
        reverse=False,
        title=f"{kernel} writes through the strides of its output",
        on=PYTHON,
    )
    convolving.check(
        questions.convolution,
        convolutions(one),
        edges=[whole_case((1, 1, *image), (1, 1, *window))],
        reverse=True,
        title=f"{kernel} in reverse lays the kernel on the cells before every place",
        hint=backwards,
        on=PYTHON,
    )
    convolving.check(
        questions.convolution,
        convolutions(some + extents(dims, 1, larger=True), layouts=True),
        edges=[whole_case((2, 3, *image), (2, 3, *window))],
        reverse=True,
        title=f"{kernel} in reverse takes all channels, kernels and layouts",
        hint=backwards,
        on=PYTHON,
    )
    convolving.check(
        questions.convolved,
        convolution_tensors(some),
        edges=[tensors_case((2, 3, *image), (2, 3, *window))],
        function=f"conv{dims}d",
        weight=2,
        on=PYTHON,
    )
    ways = (
        ("input", "in reverse, on the upstream"),
        (
            "kernel",
            "forwards, with the upstream as the kernel and an output as large as the kernel",
        ),
    )
    for place, (what, by) in enumerate(ways):
        convolving.check(
            questions.gradient_of_convolution,
            convolution_tensors(some, gradient=True),
            edges=[tensors_case((2, 3, *image), (2, 3, *window), gradient=True)],
            function=f"conv{dims}d",
            place=place,
            title=f"The gradient of conv{dims}d by the {what}",
            hint=f"Conv{dims}dFun.backward runs your loop {by}.",
            weight=2,
            on=PYTHON,
        )
    shape, taps = ((1, 2, 3), (2, 2, 2)) if dims == 1 else ((1, 1, 2, 2), (1, 1, 1, 2))
    convolving.check(
        questions.convolutions_apart,
        case(
            inputs=lists_of(arrays(shape), 2, 2),
            weights=lists_of(arrays(taps), 2, 2),
            upstreams=lists_of(arrays((1, taps[0], *shape[2:]), upstreams()), 2, 2),
        ),
        function=f"conv{dims}d",
        cases=10,
        weight=0.5,
        after=[f"The gradient of conv{dims}d by the {what}" for what, _ in ways],
        hint=IN_CTX,
        on=PYTHON,
    )
    compiled = f"numba compiles {kernel}"
    parallel = f"numba runs the loop of {kernel} in parallel"
    facts = {"on": "compiled", "compare": "facts", "cases": 1, "name": f"conv{dims}d"}
    convolving.check(questions.convolution_compiles, st.just({}), **facts)
    convolving.check(questions.convolution_runs_in_parallel, st.just({}), after=[compiled], **facts)
    convolving.check(questions.convolution_keeps_apart, st.just({}), after=[parallel], **facts)
    # Longer than what a kernel may keep at hand, or take at a time.
    long_input, long_kernel = (
        ((2, 5, 37), (6, 5, 9)) if dims == 1 else ((1, 2, 11, 35), (3, 2, 3, 9))
    )
    convolving.check(
        questions.convolution,
        both_ways(convolutions(some, layouts=True)),
        edges=[
            whole_case(given, weight) | {"reverse": reverse}
            for given, weight in (((2, 3, *image), (2, 3, *window)), (long_input, long_kernel))
            for reverse in (False, True)
        ],
        title=f"The compiled {kernel} gives the right numbers",
        after=[compiled],
        cases=8,
        on="compiled",
    )


# Task 4.3

pooling = task("4.3")


@st.composite
def pools(draw, cells=arrays, layouts=False, gradient=False):
    """Images, a window whose sides divide theirs, and what arrives at the pooled images.

    cells: how the entries of an array of some shape are drawn.
    """
    shape = draw(st.sampled_from(POOLS))
    (batch, channel, rows, columns), (kh, kw) = shape
    a = draw(cells((batch, channel, rows * kh, columns * kw)))
    found = {"a": a, "kernel": [kh, kw]}
    if layouts:
        found["order"] = draw(orders(4))
    if gradient:
        found["upstream"] = draw(arrays((batch, channel, rows, columns), upstreams()))
    return found


POOLS = [
    (counts, window)
    for counts in itertools.product((1, 2), (1, 2), (1, 2, 3), (1, 2, 3))
    for window in itertools.product((1, 2, 3), repeat=2)
    if math.prod(counts) * math.prod(window) <= 36
]
POOLS.sort(key=lambda pool: (math.prod(pool[0]) * math.prod(pool[1]), pool))


def pool_case(batch, channel, rows, columns, kh, kw, **extra):
    """Images whose cells are all different."""
    shape = (batch, channel, rows * kh, columns * kw)
    return {"a": (ramp(*shape) * 5) % 37 - 20, "kernel": [kh, kw]} | extra


def pool_gradient(*sides):
    return pool_case(*sides, upstream=ramp(*sides[:4]) - 0.5)


pooling.check(
    questions.tiles,
    pools(),
    edges=[pool_case(2, 2, 2, 3, 3, 2)],
    order=None,
    weight=5,
    on=PYTHON,
)
pooling.check(
    questions.tiles,
    pools(layouts=True),
    title="tile takes images in every layout",
    on=PYTHON,
)
pooling.check(
    questions.pooled,
    pools(),
    edges=[pool_case(2, 2, 2, 3, 3, 2)],
    function="avgpool2d",
    title="avgpool2d takes the mean of each window, in the shape of the windows",
    tolerance=EPSILON,
    weight=5,
    on=PYTHON,
)
pooling.check(
    questions.gradient_of_pooling,
    pools(gradient=True),
    edges=[pool_gradient(2, 2, 2, 3, 3, 2)],
    function="avgpool2d",
    title="The gradient of avgpool2d gives each cell of a window its share",
    cases=FEW,
    tolerance=EPSILON,
    weight=5,
    on=PYTHON,
)


# Task 4.4

networks = task("4.4")
LARGE = choices(1000.0, 998.5, 996.0, -1000.0, 0.0, 1001.25)
SPREAD = choices(0.0, -1.5, -800.0, -1200.0, 750.0)


@st.composite
def different(draw, shape):
    """Multiples of 1/4, or of so little that only an equality tells them apart; no two of them alike, of one sign
    or of both."""
    cells = math.prod(shape)
    step = draw(choices(0.25, 0.25, 2.0**-10))
    first = draw(st.integers(-2 * cells, cells))
    order = draw(st.permutations(range(cells)))
    return (np.array(order, dtype=np.float64).reshape(shape) + first) * step


@st.composite
def along(draw, cells=arrays, gradient=False, layouts=True):
    """An array and one of its dimensions, along which there are several cells."""
    shape = draw(st.sampled_from(ALONG))
    dim = draw(st.sampled_from([axis for axis, n in enumerate(shape) if n > 1]))
    found = {"a": draw(cells(shape)), "dim": dim}
    if layouts:
        found["order"] = draw(orders(len(shape)))
    if gradient:
        reduced = tuple(1 if axis == dim else n for axis, n in enumerate(shape))
        out = shape if gradient == "whole" else reduced
        found["upstream"] = draw(arrays(out, upstreams()))
    return found


ALONG = sorted(
    (
        shape
        for rank in (1, 2, 3)
        for shape in itertools.product((1, 2, 3), repeat=rank)
        if 1 < math.prod(shape) <= 12
    ),
    key=lambda shape: (math.prod(shape), len(shape)),
)


def few(values):
    """Arrays of a few numbers."""
    return lambda shape: arrays(shape, values)


def small(shape):
    return arrays(shape, eighths(-4, 4))


def tied(shape):
    """Arrays in which the largest number often comes twice."""
    return arrays(shape, choices(1.0, -0.5, 1.0, 0.25))


def tied_or_not(shape):
    """Arrays of which the maximum is asked: it is the same number, whether it comes once or twice."""
    return st.one_of(different(shape), tied(shape))


# How the answers of the checks about ties are to be read.
ROWS = "In both answers each row holds the cells that one maximum was taken of."
networks.check(
    questions.along_dimension,
    along(different),
    function="argmax",
    title="argmax marks the largest cell along a dimension",
    on=PYTHON,
)
networks.check(
    questions.tied_marks,
    along(tied, layouts=False),
    compare="shares",
    weight=0.5,
    hint=ROWS,
    on=PYTHON,
)
networks.check(
    questions.along_dimension,
    along(tied_or_not),
    function="max",
    edges=[
        {"a": -ramp(2, 3), "order": [0, 1], "dim": 1},
        {
            "a": -200_000.0 * ramp(3),
            "order": [0],
            "dim": 0,
        },  # below what one begins with who thinks it low
    ],
    title="max takes the largest cell along a dimension",
    weight=3,
    on=PYTHON,
)
networks.check(
    questions.gradient_along_dimension,
    along(different, gradient="reduced"),
    function="max",
    title="The gradient of max goes to the largest cell",
    weight=3,
    on=PYTHON,
)
networks.check(
    questions.tied_maximum,
    along(tied, gradient="reduced", layouts=False),
    compare="shares",
    hint=ROWS,
    on=PYTHON,
)
networks.check(
    questions.maxima_apart,
    case(
        arrays=lists_of(different((2, 3)), 2, 2),
        upstreams=lists_of(arrays((2, 1), upstreams()), 2, 2),
    ),
    function="max",
    dim=1,
    cases=20,
    weight=0.5,
    after=["The gradient of max goes to the largest cell"],
    hint=IN_CTX,
    on=PYTHON,
)
# What is out of range for a softmax taken by its formula is asked of its logarithm more than of itself.
for name, far, weight, what in (
    ("softmax", LARGE, 0.5, "softmax does not overflow where cells are large"),
    ("logsoftmax", SPREAD, 1, "logsoftmax is finite where the softmax is too small for a float"),
):
    networks.check(
        questions.along_dimension,
        along(small),
        function=name,
        tolerance=EPSILON,
        weight=2,
        on=PYTHON,
    )
    networks.check(
        questions.along_dimension,
        along(few(far)),
        function=name,
        title=what,
        tolerance=EPSILON,
        weight=weight,
        on=PYTHON,
    )
    networks.check(
        questions.gradient_along_dimension,
        along(small, gradient="whole"),
        function=name,
        cases=FEW,
        tolerance=EPSILON,
        weight=2,
        on=PYTHON,
    )
networks.check(
    questions.pooled,
    pools(tied_or_not),
    edges=[pool_case(2, 2, 2, 3, 3, 2), {"a": np.ones((1, 1, 2, 2)), "kernel": [2, 2]}],
    function="maxpool2d",
    title="maxpool2d takes the largest cell of each window, in the shape of the windows",
    weight=3,
    on=PYTHON,
)
networks.check(
    questions.gradient_of_pooling,
    pools(different, gradient=True),
    edges=[pool_gradient(2, 2, 2, 3, 3, 2)],
    function="maxpool2d",
    title="The gradient of maxpool2d goes to the largest cell of each window",
    cases=FEW,
    weight=3,
    on=PYTHON,
)
networks.check(
    questions.tied_pool,
    pools(tied, gradient=True),
    compare="shares",
    cases=FEW,
    hint=ROWS,
    on=PYTHON,
)

# What is left to chance. In one case of `dropout_rate` seven counts are looked at, in one of `dropout_afresh`
# fifteen; at the level of `grader.judge.compare.binomial` (1e-9 for each count) that is in all
# 6 * 7 + 6 * 15 = 132 decisions: the odds that right work fails one of them are below 2e-7.
TRIED = 6
RATES = choices(0.25, 0.75, 0.125, 0.375)
SEEDS = integers(0, 2**31)


@st.composite
def kept(draw):
    """A tensor that dropout leaves alone, for one reason or the other."""
    ignore = draw(st.booleans())
    return {
        "a": draw(shapes(1, 3, 3).flatmap(arrays)),
        "rate": draw(choices(0.5, 0.125, 1.0)) if ignore else 0.0,
        "ignore": ignore,
        "seed": draw(SEEDS),
    }


networks.check(questions.dropout_unchanged, kept(), cases=30, tolerance=EPSILON, on=PYTHON)
networks.check(
    questions.dropout_everything,
    case(a=shapes(1, 3, 3).flatmap(arrays), seed=SEEDS),
    rate=1.0,
    cases=20,
    on=PYTHON,
)
networks.check(
    questions.dropout_rate,
    case(rate=RATES, seed=SEEDS),
    shape=[4, 4, 6, 6],
    compare="binomial",
    cases=TRIED,
    weight=3,
    on=PYTHON,
)
networks.check(
    questions.dropout_afresh,
    case(rate=RATES, seed=SEEDS),
    shape=[3, 4],
    calls=100,
    compare="binomial",
    cases=TRIED,
    weight=2,
    on=PYTHON,
)
networks.check(
    questions.dropout_survivors,
    case(rate=choices(0.25, 0.125, 0.375), seed=SEEDS),
    shape=[6, 8],
    cases=10,
    tolerance=EPSILON,
    on=PYTHON,
)
networks.check(
    questions.dropout_gradient,
    case(rate=RATES, seed=SEEDS, upstream=arrays((4, 6), upstreams())),
    shape=[4, 6],
    cases=10,
    weight=2,
    on=PYTHON,
)
