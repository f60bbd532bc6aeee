"""Mistakes in module 0. Those in a student's own tests are tests that cannot fail, or fail on right operators."""

from __future__ import annotations

from .mistakes import Kind

operators = Kind("module0", "minitorch/operators.py")
module = Kind("module0", "minitorch/module.py")
tests = Kind("module0", "tests/test_operators.py")

FAR = "sigmoid of numbers far from 0"
NAMED, LISTED = "named_parameters lists every", "parameters lists"
THEMSELVES = "What parameters lists"
LATER = "named_parameters lists the tree as it is now"
TRAIN, EVAL = "train() switches", "eval() switches"
RIGHT = "passes on right operators"
RANGE, MIRROR = "notices a sigmoid outside", "notices where 1 - sigmoid(x)"
HALF, FALLS = "notices a sigmoid that is not 0.5", "notices a sigmoid that falls"

# The bodies of the student's tests, as they stand in the reference.
TRANSITIVE = """\
    if lt(a, b) and lt(b, c):
        assert lt(a, c)
"""
DISTRIBUTE = "    assert_close(mul(a, add(b, c)), add(mul(a, b), mul(a, c)))\n"
FOLD = """\
        result = start
        for x in ls:
            result = fn(result, x)
        return result
"""
AGAIN = "What reduce gives begins"
OTHER = "    assert add(a, neg(a)) == 0.0\n    assert neg(neg(a)) == a\n"
SUMS = """\
    assert_close(
        operators.sum(ls1) + operators.sum(ls2),
        operators.sum(addLists(ls1, ls2)),
    )
"""
STABLE = """\
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)
"""
WALK = """\
        self.training = training
        for child in self.modules():
            child._set_training(training)
"""
OWN = "        named = list(self._parameters.items())\n"
BELOW = '                named.append((f"{child_name}.{name}", parameter))\n'
INNER = "            for name, parameter in child.named_parameters():\n"
ALL = "        return [parameter for _, parameter in self.named_parameters()]\n"

MISTAKES = [
    # Task 0.1
    operators("mul adds", "    return x * y\n", "    return x + y\n", "mul of two"),
    operators("add takes away", "    return x + y\n", "    return x - y\n", "add of two"),
    operators("neg is the absolute value", "    return -x\n", "    return -abs(x)\n", "neg of"),
    operators(
        "id rounds",
        "    # begin solution 0.1\n    return x\n",
        "    return round(x)\n",
        "id of a number",
    ),
    operators(
        "lt holds for equal numbers",
        "1.0 if x < y else 0.0",
        "1.0 if x <= y else 0.0",
        "lt of two numbers",
    ),
    operators(
        "lt is greater than", "1.0 if x < y else 0.0", "1.0 if x > y else 0.0", "lt of two numbers"
    ),
    operators(
        "lt answers with a text",
        "1.0 if x < y else 0.0",
        "'1.0' if x < y else '0.0'",
        "lt of two numbers",
    ),
    operators(
        "eq has a tolerance",
        "1.0 if x == y else 0.0",
        "1.0 if abs(x - y) < 1e-6 else 0.0",
        "eq of two numbers",
    ),
    operators(
        "eq compares identities",
        "1.0 if x == y else 0.0",
        "1.0 if x is y else 0.0",
        "eq of two numbers",
    ),
    operators(
        "max compares absolute values",
        "x if x > y else y",
        "x if abs(x) > abs(y) else y",
        "max of two numbers",
    ),
    operators(
        "max takes the larger number for a truth, and loses a 0",
        "x if x > y else y",
        "(x > y and x) or y",
        "max of two numbers",
    ),
    operators("max is the smaller", "x if x > y else y", "x if x < y else y", "max of two"),
    operators(
        "is_close without the absolute value",
        "abs(x - y) < 1e-2",
        "x - y < 1e-2",
        "is_close of two numbers",
    ),
    operators(
        "is_close is relative",
        "abs(x - y) < 1e-2",
        "abs(x - y) < 1e-2 * abs(x)",
        "is_close of two numbers",
    ),
    operators("is_close is equality", "abs(x - y) < 1e-2", "x == y", "is_close of two numbers"),
    operators(
        "is_close compares rounded numbers",
        "abs(x - y) < 1e-2",
        "round(x, 2) == round(y, 2)",
        "is_close of two numbers",
    ),
    operators(
        "is_close has a tolerance of 0.1",
        "abs(x - y) < 1e-2",
        "abs(x - y) < 1e-1",
        "is_close of two numbers",
    ),
    operators(
        "is_close has a tolerance of 0.015",
        "abs(x - y) < 1e-2",
        "abs(x - y) < 1.5e-2",
        "is_close of two numbers",
    ),
    operators(
        "is_close has a tolerance of 0.008",
        "abs(x - y) < 1e-2",
        "abs(x - y) < 8e-3",
        "is_close of two numbers",
    ),
    operators(
        "is_close compares absolute values",
        "abs(x - y) < 1e-2",
        "abs(abs(x) - abs(y)) < 1e-2",
        "is_close of two numbers",
    ),
    operators(
        "sigmoid overflows far below 0",
        STABLE,
        "    return 1.0 / (1.0 + math.exp(-x))\n",
        FAR,
    ),
    operators(
        "sigmoid overflows far above 0",
        STABLE,
        "    return math.exp(x) / (1.0 + math.exp(x))\n",
        FAR,
    ),
    operators(
        "sigmoid is mirrored",
        STABLE,
        STABLE.replace("math.exp(-x)", "math.exp(x)").replace("x >= 0", "x < 0")
        + "\n\ndef _mirrored(x):\n    return sigmoid(x)\n",
        "sigmoid of a number",
    ),
    operators(
        "sigmoid is a lookalike",
        STABLE,
        "    return 0.5 + 0.5 * x / (1.0 + abs(x))\n",
        "sigmoid of a number",
    ),
    operators(
        "relu keeps small negative numbers",
        "    return x if x > 0 else 0.0\n",
        "    return x if x > -0.5 else 0.0\n",
        "relu of a number",
    ),
    operators(
        "relu drops small positive numbers",
        "    return x if x > 0 else 0.0\n",
        "    return x if x > 0.1 else 0.0\n",
        "relu of a number",
    ),
    operators(
        "relu_back is 0 for small positive numbers",
        "    return d if x > 0 else 0.0\n",
        "    return d if x > 0.1 else 0.0\n",
        "relu_back",
    ),
    operators("relu is leaky", "x if x > 0 else 0.0\n", "x if x > 0 else 0.01 * x\n", "relu of a"),
    operators("log has base 10", "math.log(x)", "math.log10(x)", "log of a number"),
    operators("log of 1 + x", "math.log(x)", "math.log1p(x)", "log of a number"),
    operators(
        "exp is minus 1",
        "    return math.exp(x)\n",
        "    return math.expm1(x)\n",
        "exp of a number",
    ),
    operators("inv is whole", "    return 1.0 / x\n", "    return 1.0 // x\n", "inv of a number"),
    operators("log_back forgets d", "    return d / x\n", "    return 1.0 / x\n", "log_back"),
    operators(
        "log_back takes d first",
        "def log_back(x: float, d: float)",
        "def log_back(d: float, x: float)",
        "log_back",
    ),
    operators("inv_back has no sign", "-d / (x * x)", "d / (x * x)", "inv_back"),
    operators("inv_back is not squared", "-d / (x * x)", "-d / x", "inv_back"),
    operators("inv_back forgets d", "-d / (x * x)", "-1.0 / (x * x)", "inv_back"),
    operators(
        "relu_back forgets d",
        "    return d if x > 0 else 0.0\n",
        "    return 1.0 if x > 0 else 0.0\n",
        "relu_back",
    ),
    operators(
        "relu_back looks at d",
        "    return d if x > 0 else 0.0\n",
        "    return d if d > 0 else 0.0\n",
        "relu_back",
    ),
    operators(
        "relu_back multiplies by x",
        "    return d if x > 0 else 0.0\n",
        "    return d * x if x > 0 else 0.0\n",
        "relu_back",
    ),
    # Task 0.2
    tests(
        "test_sigmoid never looks above 1",
        "assert 0.0 <= sigmoid(a) <= 1.0",
        "assert sigmoid(abs(a)) >= 0.0",
        f"test_sigmoid {RANGE}",
    ),
    tests(
        "test_sigmoid compares a number with itself",
        "assert_close(1.0 - sigmoid(a), sigmoid(-a))",
        "assert_close(1.0 - sigmoid(a), 1.0 - sigmoid(a))",
        f"test_sigmoid {MIRROR}",
    ),
    tests(
        "test_sigmoid has no look at 0",
        "    assert_close(1.0 - sigmoid(a), sigmoid(-a))\n    assert_close(sigmoid(0.0), 0.5)\n",
        "    if a != 0.0:\n        assert_close(1.0 - sigmoid(a), sigmoid(-a))\n",
        f"test_sigmoid {HALF}",
    ),
    tests(
        "test_sigmoid throws its last comparison away",
        "    assert sigmoid(low) <= sigmoid(high)\n",
        "    sigmoid(low) <= sigmoid(high)\n",
        f"test_sigmoid {FALLS}",
    ),
    tests(
        "test_sigmoid wants it to rise strictly, where floats do not",
        "    assert sigmoid(low) <= sigmoid(high)\n",
        "    assert low == high or sigmoid(low) < sigmoid(high)\n",
        f"test_sigmoid {RIGHT}",
    ),
    tests(
        "test_sigmoid is a lambda that nobody calls",
        "    assert 0.0 <= sigmoid(a) <= 1.0\n",
        "    check = lambda: assert_close(sigmoid(a), 2.0)\n    return\n",
        f"test_sigmoid {RANGE}",
        f"test_sigmoid {MIRROR}",
        f"test_sigmoid {HALF}",
        f"test_sigmoid {FALLS}",
    ),
    tests(
        "test_transitive is about Python's own comparison",
        TRANSITIVE,
        "    if a < b and b < c:\n        assert a < c\n",
        "test_transitive notices",
    ),
    tests(
        "test_transitive asserts what it has assumed",
        "        assert lt(a, c)\n",
        "        assert lt(a, b)\n",
        "test_transitive notices",
    ),
    tests(
        "test_transitive is about asymmetry",
        TRANSITIVE,
        "    if lt(a, b):\n        assert not lt(b, a)\n",
        "test_transitive notices",
    ),
    tests(
        "test_transitive takes comparisons for transitive backwards",
        TRANSITIVE,
        "    if lt(a, c):\n        assert lt(a, b) and lt(b, c)\n",
        f"test_transitive {RIGHT}",
    ),
    tests(
        "test_symmetric asserts a pair, which is always true",
        "    assert mul(a, b) == mul(b, a)\n",
        "    both = mul(a, b), mul(b, a)\n    assert both\n",
        "test_symmetric notices",
    ),
    tests(
        "test_symmetric swallows what it finds",
        "    assert mul(a, b) == mul(b, a)\n",
        "    try:\n        assert mul(a, b) == mul(b, a)\n    except AssertionError:\n        pass\n",
        "test_symmetric notices",
    ),
    tests(
        "test_symmetric returns the comparison",
        "    assert mul(a, b) == mul(b, a)\n",
        "    return mul(a, b) == mul(b, a)\n",
        "test_symmetric passes on right operators",
    ),
    tests(
        "test_symmetric counts how often it was run",
        "    assert mul(a, b) == mul(b, a)\n",
        "    runs.append(1)\n    assert len(runs) <= 2 * 60\n\n\nruns: list[int] = []\n",
        "test_symmetric notices",
    ),
    tests(
        "test_symmetric tries two equal factors",
        "    assert mul(a, b) == mul(b, a)\n",
        "    assert mul(a, a) == mul(a, a)\n",
        "test_symmetric notices",
    ),
    tests(
        "test_distribute adds by Python's own sign",
        DISTRIBUTE,
        "    assert_close(mul(a, b + c), mul(a, b) + mul(a, c))\n",
        "test_distribute notices an add",
    ),
    tests(
        "test_distribute multiplies by Python's own sign",
        DISTRIBUTE,
        "    assert_close(a * add(b, c), add(a * b, a * c))\n",
        "test_distribute notices a mul",
    ),
    tests(
        "test_distribute is about symmetry and associativity",
        DISTRIBUTE,
        "    assert_close(mul(a, add(b, c)), mul(add(c, b), a))\n"
        "    assert_close(mul(a, mul(b, c)), mul(mul(a, b), c))\n"
        "    assert_close(add(a, add(b, c)), add(add(a, b), c))\n",
        "test_distribute notices a mul",
        "test_distribute notices an add",
    ),
    tests(
        "test_distribute has it the other way round",
        DISTRIBUTE,
        "    assert_close(add(a, mul(b, c)), mul(add(a, b), add(a, c)))\n",
        f"test_distribute {RIGHT}",
    ),
    tests(
        "test_distribute tries nothing but 0",
        DISTRIBUTE,
        "    assert mul(0.0, add(0.0, 0.0)) == add(mul(0.0, 0.0), mul(0.0, 0.0))\n",
        "test_distribute notices a mul",
        "test_distribute notices an add",
    ),
    tests("test_other asserts nothing", OTHER, "    add(a, neg(a))\n", "test_other fails"),
    tests("test_other calls no operator", OTHER, "    assert a + 0 == a\n", "test_other fails"),
    tests("test_other always fails", OTHER, "    assert add(a, 1.0) == a\n", f"test_other {RIGHT}"),
    # Task 0.3
    tests(
        "test_sum_distribute is about Python's own sum",
        SUMS,
        "    assert_close(sum(ls1) + sum(ls2), sum([x + y for x, y in zip(ls1, ls2)]))\n",
        "test_sum_distribute notices",
    ),
    tests(
        "test_sum_distribute tries empty lists alone",
        SUMS,
        "    assert operators.sum([]) + operators.sum([]) == operators.sum(addLists([], []))\n",
        "test_sum_distribute notices",
    ),
    operators(
        "map writes into its list",
        "return [fn(x) for x in ls]",
        "ls[:] = [fn(x) for x in ls]\n        return ls",
        "map applies the function 3x + 1",
        "map applies the function x * x",
    ),
    operators(
        "zipWith writes into its first list",
        "return [fn(x, y) for x, y in zip(ls1, ls2, strict=True)]",
        "ls1[:] = [fn(x, y) for x, y in zip(ls1, ls2, strict=True)]\n        return ls1",
        "zipWith applies the function x - y",
    ),
    operators(
        "reduce takes what it has folded out of the list",
        "        for x in ls:\n            result = fn(result, x)\n",
        "        while ls:\n            result = fn(result, ls.pop(0))\n",
        "reduce folds a list with x + y",
    ),
    operators(
        "reduce goes on from where its last call ended",
        FOLD,
        FOLD.replace("        result = start\n", "        nonlocal start\n")
        .replace("result = fn(result, x)", "start = fn(start, x)")
        .replace("return result", "return start"),
        AGAIN,
    ),
    operators(
        "reduce begins with the first element, whatever the start",
        FOLD,
        FOLD.replace(
            "        result = start\n", "        result = ls[0] if ls else start\n"
        ).replace("in ls:", "in ls[1:]:"),
        AGAIN,
    ),
    operators(
        "map leaves the first element as it is",
        "return [fn(x) for x in ls]",
        "return [x if n == 0 else fn(x) for n, x in enumerate(ls)]",
        "map applies the function 3x + 1",
    ),
    operators(
        "zipWith forgets the last pair",
        "return [fn(x, y) for x, y in zip(ls1, ls2, strict=True)]",
        "return [fn(x, y) for x, y in zip(ls1, ls2, strict=True)][:-1]",
        "zipWith applies the function x - y",
        "addLists adds",
    ),
    operators(
        "zipWith exchanges its lists",
        "return [fn(x, y) for",
        "return [fn(y, x) for",
        "zipWith applies the function x - y",
    ),
    operators(
        "reduce returns in the loop",
        "            result = fn(result, x)\n        return result\n",
        "            result = fn(result, x)\n            return result\n",
        "reduce folds a list with x + y",
        "sum of a list",
    ),
    operators(
        "reduce takes the first element twice",
        "        result = start\n",
        "        result = fn(start, ls[0]) if ls else start\n",
        "reduce folds a list with x + y",
        "reduce folds a list with x * y",
        "sum of a list",
        "prod of a list",
    ),
    operators(
        "negList keeps the sign of numbers below 0",
        "return map(neg)(ls)",
        "return map(lambda x: -abs(x))(ls)",
        "negList changes",
    ),
    operators(
        "negList writes into its list",
        "return map(neg)(ls)",
        "ls[:] = map(neg)(ls)\n    return ls",
        "negList changes",
    ),
    operators(
        "addLists puts one list after the other",
        "return zipWith(add)(ls1, ls2)",
        "return ls1 + ls2",
        "addLists adds",
    ),
    operators("sum begins at 1", "reduce(add, 0.0)", "reduce(add, 1.0)", "sum of a list"),
    operators(
        "sum of nothing fails",
        "return reduce(add, 0.0)(ls)",
        "return reduce(add, ls[0])(ls[1:])",
        "sum of a list",
    ),
    operators("prod begins at 0", "reduce(mul, 1.0)", "reduce(mul, 0.0)", "prod of a list"),
    operators("prod adds", "reduce(mul, 1.0)", "reduce(add, 1.0)", "prod of a list"),
    # Task 0.4
    module(
        "train and eval reach the children and stop",
        WALK,
        WALK.replace("child._set_training(training)", "child.training = training"),
        TRAIN,
        EVAL,
    ),
    module(
        "train and eval stay at the module itself",
        WALK,
        "        self.training = training\n",
        TRAIN,
        EVAL,
    ),
    module(
        "train and eval stop where the mode is right already",
        WALK,
        "        if self.training == training:\n            return\n" + WALK,
        TRAIN,
        EVAL,
    ),
    module(
        "train and eval forget the module itself",
        WALK,
        WALK.replace("        self.training = training\n", "")
        + "        for child in self.modules():\n            child.training = training\n",
        TRAIN,
        EVAL,
    ),
    module("eval switches to training", "_set_training(False)", "_set_training(True)", EVAL),
    module(
        "train reaches the last child only",
        WALK,
        WALK.replace("self.modules()", "self.modules()[-1:]"),
        TRAIN,
        EVAL,
    ),
    module("names have no path", 'f"{child_name}.{name}"', "name", NAMED),
    module("names have a slash", 'f"{child_name}.{name}"', 'f"{child_name}/{name}"', NAMED),
    module(
        "names have the last module only",
        'f"{child_name}.{name}"',
        "f\"{child_name}.{name.split('.')[-1]}\"",
        NAMED,
    ),
    module(
        "parameters two levels down are missing",
        INNER,
        "            for name, parameter in child._parameters.items():\n",
        NAMED,
        LISTED,
    ),
    module("the module's own parameters are missing", OWN, "        named = []\n", NAMED, LISTED),
    module(
        "a dict by short names loses those that come again",
        ALL,
        "        found = {n.split('.')[-1]: p for n, p in self.named_parameters()}\n"
        "        return list(found.values())\n",
        LISTED,
    ),
    module(
        "parameters drops one of two that have the same value",
        ALL,
        "        return list({p.value: p for _, p in self.named_parameters()}.values())\n",
        LISTED,
    ),
    module(
        "named_parameters leaves out what is 0",
        OWN,
        "        named = [(n, p) for n, p in self._parameters.items() if p.value]\n",
        NAMED,
        LISTED,
    ),
    module(
        "parameters are those of the module alone",
        ALL,
        "        return list(self._parameters.values())\n",
        LISTED,
    ),
    module(
        "named_parameters writes what it finds into the module",
        OWN + "        for child_name",
        "        named = list(self._parameters.items())\n"
        "        self._parameters['extra'] = Parameter(0.0)\n"
        "        named.append(('extra', self._parameters['extra']))\n        for child_name",
        NAMED,
    ),
    module(
        "named_parameters goes on with the list of its last call",
        OWN,
        "        named = self.__dict__.setdefault('_named', [])\n"
        "        named += self._parameters.items()\n",
        LATER,
    ),
    module(
        "named_parameters keeps what it found in its first call",
        OWN,
        "        if '_named' in self.__dict__:\n            return self._named\n"
        "        named = self.__dict__['_named'] = list(self._parameters.items())\n",
        LATER,
    ),
    module(
        "parameters are copies",
        ALL,
        "        return [Parameter(p.value, p.name) for _, p in self.named_parameters()]\n",
        THEMSELVES,
    ),
    module(
        "named_parameters lists names",
        "        return named\n",
        "        return [n for n, _ in named]\n",
        NAMED,
    ),
    module("parameters are pairs", ALL, "        return self.named_parameters()\n", LISTED),
]
