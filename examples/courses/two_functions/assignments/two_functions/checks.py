"""What it is asked on, and how close an answer must be."""

import questions

from grader.checks import Tolerance, case, lists_of, reals, task, upstreams

# A derivative is right to fifteen digits; what a difference of two values gives, to ten at best.
EXACT = Tolerance(relative=1e-11, absolute=0.0)

FUNCTIONS = {
    "Mul": (lists_of(reals(), 2, 2), [[0.0, 5.0], [-0.5, 0.0], [3e8, -7.0], [-1e-8, 2.5]]),
    "Exp": (lists_of(reals(), 1, 1), [[0.0], [1.0], [-25.0], [25.0]]),
}

for name, (inputs, edges) in FUNCTIONS.items():
    forward, backward = task(f"{name.lower()}_forward"), task(f"{name.lower()}_backward")
    forward.check(
        questions.value,
        case(inputs=inputs),
        edges=[{"inputs": edge} for edge in edges],
        tolerance=EXACT,
        function=name,
    )
    backward.check(
        questions.gradients,
        case(inputs=inputs, upstream=upstreams()),
        edges=[{"inputs": edge, "upstream": -1.75} for edge in edges],
        tolerance=EXACT,
        weight=3,
        function=name,
    )
    backward.check(
        questions.apart,
        case(runs=lists_of(inputs, 3, 3), upstreams=lists_of(upstreams(), 3, 3)),
        tolerance=EXACT,
        weight=2,
        after=[f"{name}.backward gives the upstream gradient times each derivative"],
        function=name,
    )
