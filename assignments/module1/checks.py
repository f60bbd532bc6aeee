"""What module 1's questions are asked on, how closely, and for how many points."""

import questions
from hypothesis import strategies as st

from grader.checks import (
    Tolerance,
    away_from,
    case,
    eighths,
    integers,
    lists_of,
    reals,
    task,
    training,
    upstreams,
)

# Task 1.1. The step is 1e-6: a central difference is then good to about 1e-9 of the derivative, a
# one-sided one only to 2e-7 or worse on these functions.
difference = task("1.1")
for name in ("exp", "cube"):
    difference.check(
        questions.derivative_of_one,
        case(x=reals(1, 4)),
        function=name,
        title="central_difference is close to f' for f = {function}",
        tolerance=Tolerance(relative=4e-8, absolute=0.0),
        weight=2,
    )
difference.check(
    questions.derivative_of_many,
    case(x=reals(), y=reals(), z=reals(), arg=integers(0, 2)),
    tolerance=Tolerance(relative=1e-6, absolute=1e-6),
    weight=2,
)
# Half a step to either side and a whole one are both called central difference.
difference.check(
    questions.step_width,
    case(x=reals(), epsilon=st.sampled_from([0.5, 0.125, 0.25, 2.0**-6, 2.0**-10, 1e-4])),
    compare="factor_two",
)

# Some courses add 1e-6 inside log or to a denominator, against a division by 0.
EPSILON = Tolerance(relative=4e-5, absolute=4e-6)
UNARY = {
    "Neg": reals(),
    "Inv": away_from(0),
    "Sigmoid": reals(-6, 6),
    "ReLU": away_from(0),
    "Exp": reals(-6, 6),
}
ties = st.one_of(
    st.fixed_dictionaries({"x": reals(), "y": reals()}),
    reals().map(lambda x: {"x": x, "y": x}),
    # Near, but not equal: `==` is no comparison with a tolerance, however small.
    reals().map(lambda x: {"x": x, "y": x + 2.0**-8}),
    reals().map(lambda x: {"x": x, "y": x + 2.0**-40}),
)

scalars = task("1.2")
for name, domain in UNARY.items():
    scalars.check(
        questions.forward_one,
        case(x=domain),
        function=name,
        tolerance=EPSILON if name == "Inv" else None,
    )
scalars.check(
    questions.forward_one,
    case(x=reals(-30, 30)),
    function="Sigmoid",
    title="Sigmoid.forward is right far from 0 as well",
    edges=[{"x": -1000.0}, {"x": 1000.0}],
)
scalars.check(questions.forward_two, case(x=reals(), y=reals()), function="Mul")
for name in ("LT", "EQ"):
    scalars.check(
        questions.forward_two,
        ties,
        edges=[{"x": 0.0, "y": 1.0}, {"x": 1.0, "y": 0.0}],
        function=name,
    )
for step, sign in {"add": "+", "sub": "-", "mul": "*", "lt": "<", "gt": ">", "eq": "=="}.items():
    scalars.check(questions.scalar_binary, ties, step=step, title=f"Scalar {sign} Scalar")
scalars.check(
    questions.scalar_binary,
    case(x=reals(), y=away_from(0)),
    step="div",
    title="Scalar / Scalar",
    tolerance=EPSILON,
)
for step, domain in {
    "neg": reals(),
    "exp": reals(-6, 6),
    "sigmoid": reals(-6, 6),
    "relu": away_from(0),
}.items():
    title = "-Scalar" if step == "neg" else f"Scalar.{step}()"
    scalars.check(questions.scalar_unary, case(x=domain), step=step, title=title)
scalars.check(
    questions.scalar_unary,
    case(x=reals(0.5, 16)),
    step="log",
    title="Scalar.log()",
    tolerance=EPSILON,
)
for step, text in {
    "add_number": "Scalar + number",
    "number_add": "number + Scalar",
    "sub_number": "Scalar - number",
    "mul_number": "Scalar * number",
    "number_mul": "number * Scalar",
}.items():
    scalars.check(questions.scalar_number, case(x=reals(), c=reals()), step=step, title=text)
for step, text in {"div_number": "Scalar / number", "number_div": "number / Scalar"}.items():
    scalars.check(
        questions.scalar_number,
        case(x=away_from(0), c=away_from(0)),
        step=step,
        title=text,
        tolerance=EPSILON,
        weight=0.5,
        after=["Scalar / Scalar"],
    )
for step, sign in {"lt_number": "<", "gt_number": ">", "eq_number": "=="}.items():
    scalars.check(
        questions.scalar_number,
        ties.map(lambda pair: {"x": pair["x"], "c": pair["y"]}),
        step=step,
        title=f"Scalar {sign} number",
        weight=0.5,
        after=[f"Scalar {sign} Scalar"],
    )

chain = task("1.3")
chain.check(questions.chain_one, case(x=reals(), upstream=upstreams()))
chain.check(questions.chain_two, case(x=reals(), y=reals(), upstream=upstreams()), weight=2)
chain.check(questions.chain_twice, case(x=reals(), upstream=upstreams()))
chain.check(questions.chain_three, case(x=reals(), y=reals(), z=reals(), upstream=upstreams()))


# Task 1.4: programs over Scalars

# Only additions, products and negations: a fault in another Function has checks of its own.
ONE = ["neg", "add_number", "mul_number", "sub_number", "number_add", "number_mul"]
TWO = ["add", "mul", "sub"]


@st.composite
def chains(draw):
    """Programs in which each value is used once, by the next step."""
    program = []
    for name in draw(st.lists(st.sampled_from(ONE), min_size=1, max_size=6)):
        program.append([name, len(program), *([draw(eighths(-3, 3))] if "number" in name else [])])
    return {"program": program, "leaves": [draw(reals(-3, 3))], "upstream": draw(upstreams())}


@st.composite
def graphs(draw, reuse=False):
    """Programs of one to three leaves in which any earlier value may be used again, and all are used."""
    count = draw(st.integers(1, 3))
    leaves = [draw(reals(-2, 2)) for _ in range(count)]
    program = []
    if reuse:
        program.append([draw(st.sampled_from(["mul", "add"])), 0, 0])
        program.append([draw(st.sampled_from(TWO)), *draw(st.permutations([0, count]))])
    for _ in range(draw(st.integers(1, 4))):
        last = count + len(program) - 1
        if draw(st.booleans()):
            other = draw(st.integers(0, last))
            program.append([draw(st.sampled_from(TWO)), last, other])
        else:
            name = draw(st.sampled_from(ONE[:3]))
            program.append([name, last, *([draw(reals(-2, 2))] if "number" in name else [])])
    used = {operand for step in program for operand in step[1:3] if isinstance(operand, int)}
    for leaf in range(count):
        if leaf not in used:
            program.append(["add", count + len(program) - 1, leaf])
    return {"program": program, "leaves": leaves, "upstream": draw(upstreams())}


ONE_INPUT = "{function}.backward is the upstream gradient times the derivative"
MUL = "Mul.backward gives one derivative for each input, in order"
GRAPH = Tolerance(relative=1e-9, absolute=1e-10)
backward = task("1.4")
for name, domain in UNARY.items():
    backward.check(
        questions.vjp_one,
        case(x=domain, upstream=upstreams()),
        function=name,
        weight=2,
        tolerance=EPSILON if name == "Inv" else None,
    )
backward.check(
    questions.vjp_two, case(x=reals(), y=reals(), upstream=upstreams()), function="Mul", weight=2
)
for name, arity in {"Mul": 2, "Inv": 1, "Sigmoid": 1, "ReLU": 1, "Exp": 1}.items():
    domain = {"Mul": reals(), "Sigmoid": reals(-6, 6), "Exp": reals(-6, 6)}.get(name, away_from(0))
    backward.check(
        questions.interleaved,
        case(
            runs=lists_of(lists_of(domain, arity, arity), 2, 2),
            upstreams=lists_of(upstreams(), 2, 2),
        ),
        function=name,
        weight=0.5,
        tolerance=EPSILON if name == "Inv" else None,
        after=[MUL if name == "Mul" else ONE_INPUT.format(function=name)],
    )
backward.check(questions.path, chains(), tolerance=GRAPH, weight=2)
backward.check(
    questions.reused,
    graphs(reuse=True),
    tolerance=GRAPH,
    weight=3,
    edges=[
        {"program": [["mul", 0, 0]], "leaves": [3.0], "upstream": 1.0},
        # A diamond whose arms have different lengths: breadth-first order is wrong here.
        {
            "program": [["neg", 0], ["neg", 1], ["neg", 2], ["mul", 3, 1], ["mul", 4, 0]],
            "leaves": [2.0],
            "upstream": 1.0,
        },
        {
            "program": [["mul", 0, 0], ["mul", 1, 0], ["add", 2, 1], ["mul", 3, 1]],
            "leaves": [2.0],
            "upstream": 3.0,
        },
    ],
)
backward.check(questions.graph, graphs(), tolerance=GRAPH, weight=3)
backward.check(questions.same_names, case(x=reals(), y=reals(), upstream=upstreams()))
backward.check(questions.equal_values, case(x=reals(), upstream=upstreams()))
# A method that computes with `.data` has the right value and no history.
for step, domain in {
    "log": reals(0.5, 16),
    "exp": reals(-6, 6),
    "sigmoid": reals(-6, 6),
    "relu": away_from(0),
}.items():
    function = {"exp": "Exp", "sigmoid": "Sigmoid", "relu": "ReLU"}.get(step)
    backward.check(
        questions.method_gradient,
        case(x=domain, y=domain, upstream=upstreams()),
        step=step,
        title=f"The gradient of Scalar.{step}()",
        tolerance=EPSILON if step == "log" else None,
        weight=0.5,
        after=[ONE_INPUT.format(function=function)] if function else [],
    )
backward.check(
    questions.quotient_gradient,
    case(x=reals(), y=away_from(0, gap=0.5), c=away_from(0), upstream=upstreams()),
    tolerance=EPSILON,
    weight=0.5,
    after=[ONE_INPUT.format(function="Inv"), MUL],
)
# A chain: that a backward adds up all paths is asked elsewhere.
backward.check(
    questions.twice,
    st.builds(lambda found, u: found | {"again": u}, chains(), upstreams()),
    tolerance=GRAPH,
)
for step, name in {"lt": "<", "gt": ">", "eq": "=="}.items():
    backward.check(
        questions.comparisons,
        st.builds(lambda pair, u: pair | {"upstream": u}, ties, upstreams()),
        step=step,
        title=f"No gradient flows through {name}",
        weight=0.5,
    )
backward.check(
    questions.deep,
    case(x=reals(), depth=integers(20, 120), upstream=upstreams()),
    edges=[{"x": 1.0, "depth": 280, "upstream": 2.0}],
)
backward.check(questions.visits, case(x=reals()), compare="growth", weight=2)
backward.check(
    questions.doubled,
    case(x=reals(), upstream=upstreams()),
    after=["backward visits each operation once, however often its value is used"],
)
backward.check(
    questions.logistic_loss,
    case(w1=reals(-1, 1), w2=reals(-1, 1), b=reals(-1, 1), x1=reals(-1, 1), x2=reals(-1, 1)),
    # log(sigmoid) of a course that adds 1e-6 inside log: sigmoid is above 0.04 here.
    tolerance=Tolerance(relative=1e-4, absolute=1e-4),
    weight=2,
)


# Task 1.5: one run for each data set, as long as it takes a network of three hidden values to learn six points.

for name in ("simple", "diag", "split", "xor", "circle", "spiral"):
    task("1.5").check(
        questions.trained,
        training(name, count=6, hidden=3, rate=1.0, steps=20),
        title=f"Scalars learn the data set '{name}'",
        compare="learns",
        cases=1,
    )
