"""Questions of module 0. They run in the box and know no answers.

The operators below are right ones, and no secret: a student's own tests are run on them, and on such as are
wrong on purpose.
"""

import math

# Task 0.1


def one_argument(subject, function, x):
    "{function} of a number"
    return subject.call(f"operators.{function}", x)


def two_arguments(subject, function, x, y):
    "{function} of two numbers"
    return subject.call(f"operators.{function}", x, y)


def back(subject, function, x, d):
    "{function}(x, d) is d times the derivative at x"
    return subject.call(f"operators.{function}", x, d)


# Task 0.2, and the last of 0.3


def _sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def _callable_first(arguments):
    """The function among some arguments, and the others in their order."""
    functions = [a for a in arguments if callable(a)]
    return functions[0], [a for a in arguments if not callable(a)]


def _map(*arguments):
    function, lists = _callable_first(arguments)
    return [function(x) for x in lists[0]] if lists else lambda ls: _map(function, ls)


def _zip_with(*arguments):
    function, lists = _callable_first(arguments)
    if len(lists) < 2:
        return lambda *more: _zip_with(function, *lists, *more)
    return [function(x, y) for x, y in zip(*lists, strict=False)]


def _reduce(*arguments):
    function, rest = _callable_first(arguments)
    lists = [a for a in rest if hasattr(a, "__iter__")]
    if not lists:
        return lambda *more: _reduce(function, *rest, *more)
    values = [a for a in rest if not hasattr(a, "__iter__")] + list(lists[0])
    result = values[0]
    for value in values[1:]:
        result = function(result, value)
    return result


def _sum(ls):
    return float(sum(ls))


OPERATORS = {
    "mul": lambda x, y: x * y,
    "id": lambda x: x,
    "add": lambda x, y: x + y,
    "neg": lambda x: -x,
    "lt": lambda x, y: 1.0 if x < y else 0.0,
    "eq": lambda x, y: 1.0 if x == y else 0.0,
    "max": lambda x, y: x if x > y else y,
    "is_close": lambda x, y: 1.0 if abs(x - y) < 1e-2 else 0.0,
    "sigmoid": _sigmoid,
    "relu": lambda x: x if x > 0 else 0.0,
    "log": math.log,
    "exp": math.exp,
    "inv": lambda x: 1.0 / x,
    "log_back": lambda x, d: d / x,
    "inv_back": lambda x, d: -d / (x * x),
    "relu_back": lambda x, d: d if x > 0 else 0.0,
    "map": _map,
    "zipWith": _zip_with,
    "reduce": _reduce,
    "negList": lambda ls: [-x for x in ls],
    "addLists": lambda a, b: [x + y for x, y in zip(a, b, strict=False)],
    "sum": _sum,
    "prod": lambda ls: float(math.prod(ls)),
}
# Comparisons may give True and False as well, and a test may rely on either.
TRUTHS = {
    "lt": lambda x, y: x < y,
    "eq": lambda x, y: x == y,
    "is_close": lambda x, y: abs(x - y) < 1e-2,
}
RIGHT = [OPERATORS, OPERATORS | TRUTHS]


def _changed(value, change):
    """A result with every number in it changed."""
    if isinstance(value, (list, tuple)):
        return [_changed(item, change) for item in value]
    return change(value)


# Ways in which any operator can be made wrong.
SPOILED = [
    lambda result, arguments: arguments[0],
    lambda result, arguments: arguments[-1],
    lambda result, arguments: _changed(result, lambda x: 0.0),
    lambda result, arguments: _changed(result, lambda x: -x),
    lambda result, arguments: _changed(result, lambda x: x + 1.0),
]


def _spoiled(function, how):
    """A function whose result is wrong; so is that of a function that it gives."""

    def wrong(*arguments):
        result = function(*arguments)
        return _spoiled(result, how) if callable(result) else how(result, arguments)

    return wrong


def _alike(model, function):
    """A comparison that gives 1.0 or True as another one does; other functions as they are."""
    if model not in (*TRUTHS.values(), *(OPERATORS[name] for name in TRUTHS)):
        return function
    kind = type(model(0.0, 1.0))
    return lambda x, y: kind(function(x, y))


def passes(subject, test):
    "{test} passes on right operators"
    return subject.passes(test, RIGHT)


def notices(subject, test, operators):
    "{test} fails on operators that are wrong, and on no others"
    names = {"exp": math.exp, "floor": math.floor}
    for name, text in operators:
        function = eval(text, dict(names))
        alternatives = [right | {name: _alike(right[name], function)} for right in RIGHT]
        if subject.notices(test, alternatives, name=name, text=text, right=RIGHT):
            return "one of these makes the test fail"
    return "none of these makes the test fail"


def notices_any(subject, test):
    "{test} fails when an operator that it calls is wrong"
    for name in subject.operators_called(test, RIGHT):
        for how in SPOILED:
            wrong = [right | {name: _spoiled(right[name], how)} for right in RIGHT]
            if subject.notices(test, wrong, right=RIGHT):
                return "the test fails on wrong operators"
    return "the test passes, however wrong the operators are that it calls"


# Task 0.3


def _affine(x):
    return 3.0 * x + 1.0


def _square(x):
    return x * x


def _minus(x, y):
    return x - y


def _plus(x, y):
    return x + y


def _times(x, y):
    return x * y


FUNCTIONS = {
    "3x + 1": _affine,
    "x * x": _square,
    "x - y": _minus,
    "x + y": _plus,
    "x * y": _times,
}
STARTS = {"x + y": 0.0, "x * y": 1.0}  # such that a fold without a start gives the same


def map_of(subject, function, ls):
    "map applies the function {function} to every element"
    return subject.mapped("operators.map", FUNCTIONS[function], ls)


def zip_with_of(subject, function, a, b):
    "zipWith applies the function {function} to every pair"
    return subject.zipped("operators.zipWith", FUNCTIONS[function], a, b)


def reduce_of(subject, function, ls):
    "reduce folds a list with {function}"
    return subject.folded("operators.reduce", FUNCTIONS[function], STARTS[function], ls)


def reduce_again(subject, function, start, lists):
    "What reduce gives begins with its start, for one list as for the next"
    return subject.folded_each("operators.reduce", FUNCTIONS[function], start, lists)


def negated(subject, ls):
    "negList changes the sign of every element"
    return subject.row("operators.negList", ls)


def added(subject, a, b):
    "addLists adds two lists element by element"
    return subject.row("operators.addLists", a, b)


def of_list(subject, function, ls):
    "{function} of a list"
    return subject.call(f"operators.{function}", ls)


# Task 0.4


def named(subject, tree):
    "named_parameters lists every parameter of the tree by its path"
    return subject.named_parameters(tree)


def named_again(subject, tree, value):
    "named_parameters lists the tree as it is now, when it is asked again"
    return subject.named_again(tree, "late", value)


def listed(subject, tree):
    "parameters lists every parameter of the tree"
    return subject.parameters(tree)


def themselves(subject, tree, step):
    "What parameters lists are the parameters themselves, so that they can be updated"
    return subject.updated(tree, step)


def switched(subject, tree, steps):
    "train() and eval() switch the module and all that is below it"
    return subject.modes(tree, steps)
