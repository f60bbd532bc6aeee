"""What module 0's questions are asked on, how closely, and for how many points.

A student's own tests are asked twice: whether they pass on right operators, and whether they fail on
operators that break the law which they are about. What is wrong with those is written out in the case.
"""

import questions
from hypothesis import strategies as st

from grader.checks import (
    Tolerance,
    away_from,
    case,
    choices,
    eighths,
    lists_of,
    reals,
    task,
    upstreams,
)

# Some courses add 1e-6 inside log or to a denominator, against a division by 0.
EPSILON = Tolerance(relative=4e-5, absolute=4e-6)
NONZERO = away_from(0)
LOGS = reals(0.5, 16)


# Task 0.1

operators = task("0.1")
ANY = eighths()
# Equal, nearly equal, or neither: an equality with a tolerance shows on the near misses.
GAPS = choices(0.0, 1.0, -1.0, 0.0, 2.0**-8, -(2.0**-8), 2.0**-40, 3.5, -2.5)
# Less than 0.01 by a little, and more by a little: an exact number each, so that it stays as it is in a sum.
JUST_CLOSE, JUST_NOT = 5 * 2.0**-9, 21 * 2.0**-11

# Where a number is taken for a truth, 0 is lost: `x > y and x or y` is y.
ZEROS = [{"x": 0.0, "y": -1.0}, {"x": -1.0, "y": 0.0}]


@st.composite
def near(draw, gaps):
    """Two numbers that are so far apart."""
    x = draw(ANY)
    return {"x": x, "y": x + draw(gaps)}


for name, domain, weight in [
    ("add", case(x=ANY, y=ANY), 2),
    ("mul", case(x=ANY, y=ANY), 2),
    ("lt", near(GAPS), 3),
    ("eq", near(GAPS), 3),
    ("max", st.one_of(case(x=ANY, y=ANY), near(GAPS)), 2),
]:
    operators.check(questions.two_arguments, domain, edges=ZEROS, function=name, weight=weight)
# Within 0.01 or not, and never just at it; a tolerance relative to big numbers is another one.
operators.check(
    questions.two_arguments,
    near(choices(0.0, 2.0**-7, -(2.0**-7), 2.0**-6, -(2.0**-6), 0.5, -2.0)),
    edges=[{"x": 100.0, "y": 100.5}, {"x": 0.0, "y": 2.0**-7}, {"x": 1.0, "y": -1.0}]
    + [{"x": 0.0, "y": gap} for gap in (JUST_CLOSE, -JUST_CLOSE, JUST_NOT, -JUST_NOT)],
    function="is_close",
    title="is_close of two numbers: less than 0.01 apart",
    weight=3,
)
# Next to the corner of relu, where a threshold in the wrong place shows.
CORNERS = {"relu": [{"x": -0.125}, {"x": 0.125}, {"x": -(2.0**-10)}, {"x": 2.0**-10}]}
for name, domain, weight, room in [
    ("id", ANY, 1, None),
    ("neg", ANY, 2, None),
    ("relu", reals(), 3, None),
    ("sigmoid", reals(-20, 20), 3, Tolerance(relative=1e-6, absolute=1e-12)),
    ("exp", reals(-20, 20), 2, None),
    ("log", LOGS, 2, EPSILON),
    ("inv", NONZERO, 2, EPSILON),
]:
    operators.check(
        questions.one_argument,
        case(x=domain),
        edges=CORNERS.get(name, ()),
        function=name,
        weight=weight,
        tolerance=room,
    )
operators.check(
    questions.one_argument,
    case(x=choices(1000.0, -1000.0, 100.0, -100.0, 750.0, -750.0)),
    function="sigmoid",
    title="sigmoid of numbers far from 0 does not overflow",
    weight=3,
    after=["sigmoid of a number"],
    hint="Where x is negative, math.exp(-x) is what grows too large.",
)
for name, domain, room in [
    ("log_back", LOGS, EPSILON),
    ("inv_back", NONZERO, EPSILON),
    ("relu_back", NONZERO, None),  # at 0, any slope from 0 to 1 is right
]:
    operators.check(
        questions.back,
        case(x=domain, d=upstreams()),
        edges=[corner | {"d": -2.0} for corner in CORNERS.get(name.removesuffix("_back"), ())],
        function=name,
        weight=3,
        tolerance=room,
    )


# Task 0.2

own = task("0.2")
PART = choices(0.25, 0.5, 0.75)
MORE = choices(1.0, 2.0, 3.0, 0.5)


# Right ones, each written otherwise than usual and the same to the last bit: who finds fault with everything
# notices nothing.
HARMLESS = {
    "sigmoid": "lambda x: exp(x) / (1.0 + exp(x)) if x < 0 else 1.0 / (1.0 + exp(-x))",
    "lt": "lambda x, y: 0.0 if x >= y else 1.0",
    "mul": "lambda x, y: x * y if x > y else y * x",
    "add": "lambda x, y: y + x",
    "sum": "lambda ls: sum(0.0 + x for x in ls)",
    "addLists": "lambda a, b: [y + x for x, y in zip(a, b)]",
}


# Wrong ones that are right about 0 and about empty lists: who tries nothing else notices little.
BEYOND_NOTHING = {
    "test_distribute notices a mul that does not distribute": [
        ["mul", "lambda x, y: x * y * y"],
        ["mul", "lambda x, y: x * x * y"],
    ],
    "test_distribute notices an add over which mul does not distribute": [
        ["add", "lambda x, y: x * y"],
        ["add", "lambda x, y: x + y + x * y"],
    ],
    "test_sum_distribute notices a wrong sum or addLists": [
        ["sum", "lambda ls: sum(ls[1:])"],
        ["addLists", "lambda a, b: a[:1] + b[1:]"],
    ],
}


def wrong(name, *texts, **numbers):
    """A domain of wrong operators of one name: the texts with the same numbers drawn into each of them."""
    return case(
        operators=st.fixed_dictionaries(numbers).map(
            lambda found: [[name, text.format(**found)] for text in texts]
        )
    )


def a_test(target, test, weight, laws, *names):
    """The checks of one student's test, that of the laws with this weight.

    laws: what the test is to notice -> wrong operators; names: the operators that it is about.
    """
    # A test without any assertion passes: that alone is worth little.
    target.check(questions.passes, case(), test=test, weight=0.25)
    for law, domain in laws.items():
        title = f"{test} {law}"
        beyond = [{"operators": BEYOND_NOTHING[title]}] if title in BEYOND_NOTHING else []
        target.check(
            questions.notices,
            domain,
            edges=[{"operators": [[name, HARMLESS[name]] for name in names]}, *beyond],
            test=test,
            cases=3,
            weight=weight,
            # Hypothesis tries many numbers for each that a test does not assume away.
            seconds=20,
            title=title,
            after=[f"{test} passes on right operators"],
            hint="Does the test assert what it works out, and call the operators of your package?",
        )


# Each breaks one of the four properties and keeps the three others.
a_test(
    own,
    "test_sigmoid",
    1,
    {
        "notices a sigmoid outside of 0 and 1": wrong(
            "sigmoid", "lambda x: 0.5 + {c} * x", "lambda x: 0.5 + x * abs(x) * {c}", c=PART
        ),
        "notices where 1 - sigmoid(x) is not sigmoid(-x)": wrong(
            "sigmoid",
            "lambda x: 0.5 + (0.25 - {c} * 0.2 if x > 0 else 0.25 + {c} * 0.2) * x / (1 + abs(x))",
            "lambda x: 0.5 + (0.45 if x > 0 else 0.3 * {c}) * x / (1 + abs(x))",
            c=PART,
        ),
        "notices a sigmoid that is not 0.5 at 0": wrong(
            "sigmoid",
            "lambda x: 0.5 + (0.25 if x > 0 else -0.25 if x < 0 else {c}) + 0.2 * x / (1 + abs(x))",
            "lambda x: 0.5 + (0.25 if x > 0 else -0.25 if x < 0 else -{c}) + 0.2 * x / (1 + abs(x))",
            c=choices(0.125, 0.1, 0.0625),
        ),
        "notices a sigmoid that falls": wrong(
            "sigmoid",
            "lambda x: 0.5 - {c} * x / (1 + abs(x))",
            "lambda x: 1.0 - (1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x)))",
            c=choices(0.5, 0.25, 0.375),
        ),
    },
    "sigmoid",
)
a_test(
    own,
    "test_transitive",
    2,
    {
        # Of two different numbers never both are less than the other, because that would break another law. The
        # first one is the wrong way round for about half of all pairs.
        "notices a less-than that is not transitive": wrong(
            "lt",
            "lambda x, y: 1.0 if x != y and (x < y) == (hash((min(x, y), max(x, y))) % 2 > 0) else 0.0",
            "lambda x, y: 1.0 if 0 < y - x < 1.5 else 0.0",
            "lambda x, y: 1.0 if 0 < (y - x) % {c} < {c} / 2 else 0.0",
            "lambda x, y: 1.0 if 0 < (y - x) % (7 * {c}) < 3.5 * {c} else 0.0",
            "lambda x, y: 1.0 if 0 < y - x < 3 * {c} else 0.0",
            "lambda x, y: 1.0 if 0 < y - x < 40 else 0.0",
            c=choices(3.0, 5.0, 4.0),
        )
    },
    "lt",
)
a_test(
    own,
    "test_symmetric",
    2,
    {
        "notices a mul that is not symmetric": wrong(
            "mul",
            "lambda x, y: x * y + {c} * x",
            "lambda x, y: x * (y + {c}) * y",
            "lambda x, y: x * y + {c} * (x > y)",
            c=MORE,
        )
    },
    "mul",
)
a_test(
    own,
    "test_distribute",
    1.5,
    {
        # The other laws, symmetry and associativity, hold for all of these.
        "notices a mul that does not distribute": wrong(
            "mul", "lambda x, y: x + y + {c}", "lambda x, y: {c} * x * y + x + y", c=MORE
        ),
        "notices an add over which mul does not distribute": wrong(
            "add", "lambda x, y: x + y + {c}", "lambda x, y: {c} * x * y", c=MORE
        ),
    },
    "mul",
    "add",
)
own.check(questions.passes, case(), test="test_other", weight=0.25)
own.check(
    questions.notices_any,
    case(),
    test="test_other",
    weight=1.5,
    after=["test_other passes on right operators"],
    hint="An assertion that holds for any number tests no operator.",
)


# Task 0.3

helpers = task("0.3")
LISTS = lists_of(ANY, 0, 5)
SOME = lists_of(ANY, 1, 5)
# Few factors, all small: a product is exact in whatever order it is taken.
FACTORS = lists_of(eighths(-4, 4), 1, 4)


@st.composite
def two_lists(draw, least):
    """Two lists of equal length."""
    length = draw(st.integers(least, 5))
    return {name: draw(lists_of(ANY, length, length)) for name in ("a", "b")}


for function in ("3x + 1", "x * x"):
    helpers.check(questions.map_of, case(ls=SOME), function=function, weight=1.5)
for function in ("x - y", "x * y"):
    helpers.check(questions.zip_with_of, two_lists(1), function=function, weight=1.5)
for function, domain in {"x + y": SOME, "x * y": FACTORS}.items():
    helpers.check(questions.reduce_of, case(ls=domain), function=function, weight=2)
# What a submission makes of a start that changes nothing does not show.
helpers.check(
    questions.reduce_again,
    case(start=choices(1.0, -2.0, 0.5), lists=lists_of(SOME, 2, 2)),
    function="x + y",
    weight=1,
    after=["reduce folds a list with x + y"],
    hint="Every call begins with the start, and leaves it as it was for the next one.",
)
helpers.check(questions.negated, case(ls=LISTS), weight=3)
helpers.check(questions.added, two_lists(0), weight=3)
# The product of nothing is a matter of convention here, the sum of nothing is not.
helpers.check(questions.of_list, case(ls=LISTS), function="sum", weight=3)
helpers.check(questions.of_list, case(ls=FACTORS), function="prod", weight=3)
a_test(
    helpers,
    "test_sum_distribute",
    2,
    {
        # Some courses do not say that the lists are to be added by addLists.
        "notices a wrong sum or addLists": case(
            operators=MORE.map(
                lambda c: [
                    ["sum", f"lambda ls: sum(ls) + {c}"],
                    ["sum", "lambda ls: sum(ls[1:])"],
                    ["addLists", f"lambda a, b: [x + {c} + y for x, y in zip(a, b)]"],
                    ["addLists", "lambda a, b: a[:1] + b[1:]"],
                ]
            )
        )
    },
    "sum",
    "addLists",
)


# Task 0.4

modules = task("0.4")
PARAMETERS = ("p", "w", "bias")
CHILDREN = ("a", "b", "layer")


@st.composite
def trees(draw, deep=3):
    """A tree of modules. Its parameters have values that are all different, and names that come again in other
    modules."""
    count = [0]

    def node(level):
        parameters = {}
        for name in PARAMETERS[: draw(st.integers(0, 2 if level else 3))]:
            count[0] += 1
            parameters[name] = count[0] / 8
        below = draw(st.integers(0, 2 if level else 3)) if level < deep else 0
        return {
            "parameters": parameters,
            "children": {name: node(level + 1) for name in CHILDREN[:below]},
        }

    return node(0)


def leaf(value=None):
    return {"parameters": {} if value is None else {"p": value}, "children": {}}


def chain(*names, value=0.125):
    """A tree without forks, with one parameter at its end."""
    found = leaf(value)
    for name in reversed(names):
        found = {"parameters": {}, "children": {name: found}}
    return found


SIBLINGS = {"parameters": {"p": 1.0}, "children": {"a": leaf(2.0), "b": leaf(3.0)}}
# Two parameters of one value are two, and one that is 0 is one.
ALIKE = {"parameters": {"p": 0.0, "w": 0.5}, "children": {"a": leaf(0.5)}}
for question, weight in ((questions.named, 5), (questions.listed, 3)):
    modules.check(
        question,
        case(tree=trees()),
        weight=weight,
        edges=[{"tree": t} for t in (SIBLINGS, chain("a", "b", "layer"), leaf(), ALIKE)],
    )
modules.check(
    questions.named_again,
    case(tree=trees(2), value=choices(5.0, 6.0, 7.0)),
    edges=[{"tree": SIBLINGS, "value": 5.0}],
    weight=1,
    after=["named_parameters lists every parameter of the tree by its path"],
    hint="Begin a new list in every call, and keep none from one call to the next.",
)
modules.check(
    questions.themselves,
    case(tree=trees(2), step=choices(1.0, 2.0, -1.0)),
    edges=[{"tree": SIBLINGS, "step": 1.0}],
    weight=1,
    after=["parameters lists every parameter of the tree"],
)


def paths(tree, path=""):
    """The paths of all nodes below one, that one first."""
    found = [path or "(root)"]
    for name, child in tree["children"].items():
        found += paths(child, f"{path}.{name}" if path else name)
    return found


@st.composite
def switches(draw, last):
    """A tree and one to three steps, the last of which is the one that is asked about."""
    tree = draw(trees())
    places = paths(tree)
    steps = [
        [draw(st.sampled_from(places)), draw(st.sampled_from(["eval", "train"]))]
        for _ in range(draw(st.integers(0, 2)))
    ]
    return {"tree": tree, "steps": [*steps, [draw(st.sampled_from(places)), last]]}


deep = chain("a", "b", "layer")
for last, other in (("train", "eval"), ("eval", "train")):
    modules.check(
        questions.switched,
        switches(last),
        title=f"{last}() switches the module and all that is below it",
        weight=4,
        edges=[
            # Everything is in the other mode, three levels down.
            {"tree": deep, "steps": [["(root)", other], ["(root)", last]]},
            # Only the grandchild is: whoever stops at a node that is in the right mode misses it.
            {"tree": deep, "steps": [["(root)", last], ["a.b", other], ["(root)", last]]},
            # A part of the tree is switched, and the rest stays.
            {"tree": SIBLINGS, "steps": [["(root)", other], ["a", last]]},
        ],
    )
