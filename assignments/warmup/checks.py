"""What the warm-up's questions are asked on, how closely, and for how many points."""

import questions

from grader.checks import Tolerance, away_from, case, integers, lists_of, reals, task, upstreams

# A central difference with a sensible step is good to about 1e-9 here; a one-sided one to about 1e-7.
DIFFERENCE = Tolerance(relative=2e-8, absolute=2e-8)

derivative = task("derivative")
for name, domain in {
    "square": reals(),
    "cube": reals(),
    "sin": reals(),
    "exp": reals(-3, 3),
    "reciprocal": away_from(0, gap=0.5),
}.items():
    derivative.check(
        questions.derivative_of,
        case(x=domain),
        function=name,
        title="derivative(f) is close to f' for f = {function}",
        tolerance=DIFFERENCE,
    )

functions = task("functions")
for name in ("Neg", "Sin", "TimesFive", "Square"):
    functions.check(questions.forward_one, case(x=reals()), function=name)
    functions.check(
        questions.backward_one, case(x=reals(), upstream=upstreams()), function=name, weight=2
    )
for name in ("Mul", "AddTimes2"):
    functions.check(questions.forward_two, case(x=reals(), y=reals()), function=name)
    functions.check(
        questions.backward_two,
        case(x=reals(), y=reals(), upstream=upstreams()),
        function=name,
        weight=2,
    )
for name, arity in {"Sin": 1, "Mul": 2, "Square": 1}.items():
    functions.check(
        questions.interleaved,
        case(
            runs=lists_of(lists_of(reals(), arity, arity), 2, 2),
            upstreams=lists_of(upstreams(), 2, 2),
        ),
        function=name,
    )

jacobian = task("jacobian")
jacobian.check(questions.pair_forward, case(x1=reals(), x2=reals()))
jacobian.check(questions.pair_jacobian, case(x1=reals(), x2=reals()))
jacobian.check(
    questions.pair_backward, case(x1=reals(), x2=reals(), d1=upstreams(), d2=upstreams()), weight=2
)

# |w.x + b| stays below 7, where 1 - sigmoid loses no more than three digits.
weights = {
    "w1": reals(-1, 1),
    "w2": reals(-1, 1),
    "b": reals(-1, 1),
    "x1": reals(-3, 3),
    "x2": reals(-3, 3),
}
LOSS = Tolerance(relative=1e-9, absolute=1e-9)
loss = task("loss")
loss.check(questions.loss_value, case(**weights), tolerance=LOSS)
loss.check(
    questions.loss_extreme,
    case(w1=integers(-40, 40).map(float), b=reals(-1, 1), x1=integers(10, 40).map(float)),
    tolerance=Tolerance(relative=1e-9, absolute=1e-9),
    edges=[{"w1": -40.0, "b": 0.0, "x1": 40.0}, {"w1": 40.0, "b": 0.0, "x1": 40.0}],
)
loss.check(questions.loss_gradient, case(**weights), tolerance=LOSS, weight=2)
