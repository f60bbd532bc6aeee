"""Mistakes in module 1."""

from __future__ import annotations

from .mistakes import Kind

operators = Kind("module1", "minitorch/operators.py")
functions = Kind("module1", "minitorch/scalar_functions.py")
scalar = Kind("module1", "minitorch/scalar.py")
autodiff = Kind("module1", "minitorch/autodiff.py")

CUBE = "central_difference is close to f' for f = cube"
GRAPH = "backward adds up the contributions"
REUSED = "A value that is used twice"

# The bodies of the two functions of task 1.4, as they stand in the reference.
SORT = """\
    finished: list[Variable] = []
    seen: set[int] = set()
    stack = [(variable, False)]
    while stack:
        node, parents_visited = stack.pop()
        if parents_visited:
            finished.append(node)
        elif node.unique_id not in seen and not node.is_constant():
            seen.add(node.unique_id)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return finished[::-1]
"""
BREADTH_FIRST = """\
    order, seen, queue = [], set(), [variable]
    while queue:
        node = queue.pop(0)
        if node.unique_id in seen or node.is_constant():
            continue
        seen.add(node.unique_id)
        order.append(node)
        queue.extend(node.parents)
    return order
"""
PREORDER = """\
    order, seen = [], set()

    def visit(node):
        if node.unique_id in seen or node.is_constant():
            return
        seen.add(node.unique_id)
        order.append(node)
        for parent in node.parents:
            visit(parent)

    visit(variable)
    return order
"""
UNMARKED = """\
    order = []

    def visit(node):
        if node.is_constant():
            return
        for parent in node.parents:
            visit(parent)
        if all(node.unique_id != other.unique_id for other in order):
            order.append(node)

    visit(variable)
    return order[::-1]
"""
BY_VALUE = """\
    order = []

    def visit(node):
        if node.is_constant() or node in order:
            return
        for parent in node.parents:
            visit(parent)
        order.append(node)

    visit(variable)
    return order[::-1]
"""
WALK = """\
    arriving = {variable.unique_id: deriv}
    for node in topological_sort(variable):
        d_node = arriving.pop(node.unique_id)
        if node.is_leaf():
            node.accumulate_derivative(d_node)
            continue
        for parent, d_parent in node.chain_rule(d_node):
            if parent.is_constant():
                continue
            if parent.unique_id in arriving:
                d_parent = arriving[parent.unique_id] + d_parent
            arriving[parent.unique_id] = d_parent
"""
BY_NAME = """\
    arriving = {variable.name: deriv}
    for node in topological_sort(variable):
        if node.name not in arriving:
            continue
        d_node = arriving.pop(node.name)
        if node.is_leaf():
            node.accumulate_derivative(d_node)
            continue
        for parent, d_parent in node.chain_rule(d_node):
            arriving[parent.name] = arriving.get(parent.name, 0.0) + d_parent
"""
EVERY_PATH = """\
    if variable.is_leaf():
        variable.accumulate_derivative(deriv)
        return
    for parent, d_parent in variable.chain_rule(deriv):
        if not parent.is_constant():
            backpropagate(parent, d_parent)
"""
QUEUED = """\
    queue = [(variable, deriv)]
    while queue:
        node, d_node = queue.pop(0)
        if node.is_leaf():
            node.accumulate_derivative(d_node)
        else:
            queue.extend(pair for pair in node.chain_rule(d_node) if not pair[0].is_constant())
"""
TWICE_AT_LEAVES = """\
    arriving = {variable.unique_id: deriv}
    for node in topological_sort(variable):
        d_node = arriving.pop(node.unique_id)
        if node.is_leaf():
            node.accumulate_derivative(d_node)
            continue
        for parent, d_parent in node.chain_rule(d_node):
            if parent.is_leaf():
                parent.accumulate_derivative(d_parent)
            arriving[parent.unique_id] = arriving.get(parent.unique_id, 0.0) + d_parent
"""

# A walk with a queue of its own: a leaf is done when it is first reached.
LEAVES_ONCE = """\
    arriving, done, queue = {variable.unique_id: deriv}, set(), [variable]
    while queue:
        node = queue.pop(0)
        if node.unique_id in done or node.is_constant():
            continue
        done.add(node.unique_id)
        d_node = arriving[node.unique_id]
        if node.is_leaf():
            node.accumulate_derivative(d_node)
            continue
        for parent, d_parent in node.chain_rule(d_node):
            arriving[parent.unique_id] = arriving.get(parent.unique_id, 0.0) + d_parent
            queue.append(parent)
"""
TWICE = "A second backward adds"

MISTAKES = [
    # Task 1.1
    autodiff.edited(
        "the difference is taken to one side only",
        [
            ("    below[arg] = vals[arg] - epsilon\n", ""),
            ("/ (2.0 * epsilon)", "/ epsilon"),
        ],
        CUBE,
        "central_difference is close to f' for f = exp",
    ),
    autodiff("the difference is divided by half its width", "/ (2.0 * epsilon)", "/ epsilon", CUBE),
    autodiff("the difference is not divided at all", " / (2.0 * epsilon)", "", CUBE),
    autodiff.edited(
        "central_difference moves the first argument whatever `arg` says",
        [
            ("above[arg] = vals[arg] + epsilon", "above[0] = vals[0] + epsilon"),
            ("below[arg] = vals[arg] - epsilon", "below[0] = vals[0] - epsilon"),
        ],
        "central_difference moves the argument",
    ),
    autodiff.edited(
        "central_difference moves all arguments",
        [
            ("above[arg] = vals[arg] + epsilon", "above = [v + epsilon for v in vals]"),
            ("below[arg] = vals[arg] - epsilon", "below = [v - epsilon for v in vals]"),
        ],
        "central_difference moves the argument",
    ),
    autodiff(
        "central_difference has a step of its own and ignores `epsilon`",
        "    above = list(vals)\n",
        "    epsilon = 1e-6\n    above = list(vals)\n",
        "central_difference takes a step",
    ),
    autodiff(
        "the default step is 1e-2",
        "arg: int = 0, epsilon: float = 1e-6) -> Any",
        "arg: int = 0, epsilon: float = 1e-2) -> Any",
        CUBE,
        "central_difference is close to f' for f = exp",
    ),
    autodiff(
        "the default step is 1e-12",
        "arg: int = 0, epsilon: float = 1e-6) -> Any",
        "arg: int = 0, epsilon: float = 1e-12) -> Any",
        CUBE,
    ),
    # Task 1.2
    operators("mul adds", "return x * y", "return x + y", "Mul.forward", "Scalar * Scalar"),
    operators("mul drops the fraction", "return x * y", "return float(int(x * y))", "Mul.forward"),
    operators("the sign stays", "return -x\n", "return x\n", "Neg.forward", "-Scalar"),
    operators(
        "lt compares the other way round",
        "1.0 if x < y else 0.0",
        "1.0 if x > y else 0.0",
        "LT.forward",
    ),
    operators(
        "lt is true for equal numbers",
        "1.0 if x < y else 0.0",
        "1.0 if x <= y else 0.0",
        "LT.forward",
    ),
    operators(
        "eq is always true", "1.0 if x == y else 0.0", "1.0", "EQ.forward", "Scalar == Scalar"
    ),
    operators(
        "eq is true within one",
        "1.0 if x == y else 0.0",
        "1.0 if abs(x - y) < 1 else 0.0",
        "EQ.forward",
    ),
    operators(
        "eq is a comparison with a tolerance",
        "return 1.0 if x == y else 0.0",
        "return is_close(x, y)",
        "EQ.forward",
    ),
    operators(
        "eq is a comparison with the tolerance of math.isclose",
        "return 1.0 if x == y else 0.0",
        "return float(math.isclose(x, y))",
        "EQ.forward",
        "Scalar == Scalar",
    ),
    operators(
        "relu lets everything through", "return x if x > 0 else 0.0", "return x", "ReLU.forward"
    ),
    operators(
        "relu is leaky",
        "return x if x > 0 else 0.0",
        "return x if x > 0 else 0.01 * x",
        "ReLU.forward",
    ),
    operators(
        "relu keeps the negative numbers",
        "x if x > 0 else 0.0",
        "x if x < 0 else 0.0",
        "Scalar.relu()",
    ),
    operators("relu is the absolute value", "x if x > 0 else 0.0", "abs(x)", "ReLU.forward"),
    operators(
        "sigmoid overflows far below 0",
        "    if x >= 0:\n        return 1.0 / (1.0 + math.exp(-x))\n",
        "    return 1.0 / (1.0 + math.exp(-x))\n",
        "Sigmoid.forward is right far from 0",
    ),
    operators(
        "sigmoid overflows far above 0",
        "    if x >= 0:\n        return 1.0 / (1.0 + math.exp(-x))\n",
        "",
        "Sigmoid.forward is right far from 0",
    ),
    operators(
        "sigmoid is cut off at 20",
        "    if x >= 0:\n        return",
        "    if abs(x) > 20:\n        return float(x > 0)\n    if x >= 0:\n        return",
        "Sigmoid.forward is right far from 0",
    ),
    operators(
        "inv gives the number itself",
        "return 1.0 / x",
        "return x",
        "Inv.forward",
        "Scalar / Scalar",
    ),
    operators("log has base 10", "return math.log(x)", "return math.log10(x)", "Scalar.log()"),
    scalar(
        "a > b asks whether a < b",
        "return LT.apply(b, self)",
        "return LT.apply(self, b)",
        "Scalar > Scalar",
    ),
    scalar(
        "a - b is b - a",
        "return Add.apply(self, Neg.apply(b))",
        "return Add.apply(b, Neg.apply(self))",
        "Scalar - Scalar",
        "Scalar - number",
    ),
    scalar(
        "a - b forgets the sign",
        "return Add.apply(self, Neg.apply(b))",
        "return Add.apply(self, b)",
        "Scalar - Scalar",
    ),
    scalar(
        "== asks whether it is the same object",
        "return EQ.apply(self, b)",
        "return Scalar(float(self is b))",
        "Scalar == Scalar",
    ),
    scalar(
        "relu() calls Sigmoid",
        "return ReLU.apply(self)",
        "return Sigmoid.apply(self)",
        "Scalar.relu()",
    ),
    scalar(
        "> works with Scalars alone",
        "return LT.apply(b, self)",
        "return LT.apply(b.data, self)",
        "Scalar > number",
    ),
    scalar(
        "number / Scalar is Scalar / number",
        "return Mul.apply(b, Inv.apply(self))",
        "return Mul.apply(self, Inv.apply(b))",
        "number / Scalar",
    ),
    scalar(
        "exp() computes with the number alone",
        "return Exp.apply(self)",
        "return Scalar(Exp.forward(Context(), self.data))",
        "The gradient of Scalar.exp()",
    ),
    scalar(
        "relu() computes with the number alone",
        "return ReLU.apply(self)",
        "return Scalar(max(self.data, 0.0))",
        "The gradient of Scalar.relu()",
    ),
    scalar(
        "/ divides by the number alone",
        "return Mul.apply(self, Inv.apply(b))",
        "return Mul.apply(self, 1.0 / (b.data if isinstance(b, Scalar) else b))",
        "The gradients of quotients",
    ),
    scalar(
        "number / Scalar computes with the number alone",
        "return Mul.apply(b, Inv.apply(self))",
        "return Scalar(b / self.data)",
        "The gradients of quotients",
    ),
    scalar(
        "+ works with Scalars alone",
        "return Add.apply(self, b)",
        "return Add.apply(self, Scalar(b.data))",
        "Scalar + number",
    ),
    scalar(
        "+ loses where its operand came from",
        "return Add.apply(self, b)",
        "return Add.apply(self, b.data if isinstance(b, Scalar) else b)",
        GRAPH,
    ),
    # Task 1.3
    scalar(
        "chain_rule passes on the first input only",
        "list(zip(history.inputs, d_inputs, strict=True))",
        "list(zip(history.inputs, d_inputs, strict=True))[:1]",
        "chain_rule pairs",
        "chain_rule handles",
    ),
    scalar(
        "chain_rule pairs the inputs in reverse",
        "zip(history.inputs, d_inputs, strict=True)",
        "zip(history.inputs[::-1], d_inputs, strict=True)",
        "chain_rule pairs",
    ),
    scalar(
        "chain_rule drops the upstream gradient",
        "_backward(history.ctx, d_output)",
        "_backward(history.ctx, 1.0)",
        "chain_rule multiplies",
        "chain_rule pairs",
    ),
    scalar(
        "chain_rule multiplies the upstream gradient in again",
        "list(zip(history.inputs, d_inputs, strict=True))",
        "[(x, d * d_output) for x, d in zip(history.inputs, d_inputs)]",
        "chain_rule multiplies",
    ),
    scalar(
        "chain_rule gives a variable that comes twice one pair",
        "list(zip(history.inputs, d_inputs, strict=True))",
        "list({x.unique_id: (x, d) for x, d in zip(history.inputs, d_inputs)}.values())",
        "chain_rule gives one pair",
    ),
    scalar(
        "chain_rule hands on numbers in place of the variables",
        "list(zip(history.inputs, d_inputs, strict=True))",
        "[(x.data, d) for x, d in zip(history.inputs, d_inputs)]",
        "chain_rule multiplies",
    ),
    scalar(
        "chain_rule handles two inputs at most",
        "list(zip(history.inputs, d_inputs, strict=True))",
        "list(zip(history.inputs[:2], d_inputs))",
        "chain_rule handles",
    ),
    # Task 1.4: Functions
    functions(
        "Mul.backward swaps its gradients",
        "operators.mul(d_output, b), operators.mul(d_output, a)",
        "operators.mul(d_output, a), operators.mul(d_output, b)",
        "Mul.backward",
    ),
    functions(
        "Mul.backward leaves the upstream gradient out",
        "operators.mul(d_output, b), operators.mul(d_output, a)",
        "b, a",
        "Mul.backward",
    ),
    functions(
        "Mul.backward multiplies the upstream gradient into one input only",
        "operators.mul(d_output, b), operators.mul(d_output, a)",
        "operators.mul(d_output, b), a",
        "Mul.backward",
    ),
    functions(
        "Inv.backward leaves the upstream gradient out",
        "operators.inv_back(a, d_output)",
        "operators.inv_back(a, 1.0)",
        "Inv.backward",
    ),
    operators("inv_back has the wrong sign", "-d / (x * x)", "d / (x * x)", "Inv.backward"),
    operators("inv_back forgets the square", "-d / (x * x)", "-d / x", "Inv.backward"),
    functions(
        "Neg.backward leaves the upstream gradient out",
        "return operators.neg(d_output)",
        "return -1.0",
        "Neg.backward",
    ),
    functions(
        "Neg.backward keeps the sign",
        "return operators.neg(d_output)",
        "return d_output",
        "Neg.backward",
    ),
    functions(
        "Sigmoid.backward leaves the upstream gradient out",
        "return operators.mul(d_output, slope)",
        "return slope",
        "Sigmoid.backward",
    ),
    functions(
        "Sigmoid.backward forgets 1 - s",
        "slope = operators.mul(operators.sigmoid(a), operators.sigmoid(-a))",
        "slope = operators.sigmoid(a)",
        "Sigmoid.backward",
    ),
    functions(
        "Sigmoid.backward takes the input for the output",
        "slope = operators.mul(operators.sigmoid(a), operators.sigmoid(-a))",
        "slope = a * (1.0 - a)",
        "Sigmoid.backward",
    ),
    functions(
        "ReLU.backward leaves the upstream gradient out",
        "operators.relu_back(a, d_output)",
        "operators.relu_back(a, 1.0)",
        "ReLU.backward",
    ),
    operators(
        "relu_back lets everything through",
        "return d if x > 0 else 0.0",
        "return d",
        "ReLU.backward",
    ),
    operators(
        "relu_back asks for the sign of d",
        "d if x > 0 else 0.0",
        "d if d > 0 else 0.0",
        "ReLU.backward",
    ),
    functions(
        "Exp.backward leaves the upstream gradient out",
        "operators.mul(d_output, result)",
        "result",
        "Exp.backward",
    ),
    functions(
        "Exp saves its input where backward wants the output",
        "ctx.save_for_backward(result)",
        "ctx.save_for_backward(a)",
        "Exp.backward",
    ),
    operators(
        "log_back leaves the upstream gradient out",
        "return d / x",
        "return 1.0 / x",
        "The gradient of the logistic",
    ),
    functions.edited(
        "Mul keeps its inputs on the class",
        [
            (
                "ctx.save_for_backward(a, b)\n        return operators.mul(a, b)",
                "Mul.saved = (a, b)\n        return operators.mul(a, b)",
            ),
            ("a, b = ctx.saved_values", "a, b = Mul.saved"),
        ],
        "Mul remembers",
        "backward adds up the contributions",
    ),
    functions.edited(
        "Log keeps its input on the class",
        [
            (
                "ctx.save_for_backward(a)\n        return operators.log(a)",
                "Log.a = a\n        return operators.log(a)",
            ),
            (
                "(a,) = ctx.saved_values\n        return operators.log_back(a, d_output)",
                "return operators.log_back(Log.a, d_output)",
            ),
        ],
        "The gradient of Scalar.log()",
    ),
    operators(
        "inv_back is right for positive numbers only",
        "-d / (x * x)",
        "-d / (x * abs(x))",
        "Inv.backward",
    ),
    functions.edited(
        "Exp keeps its result in a global",
        [
            ("ctx.save_for_backward(result)", "global last\n        last = result"),
            ("(result,) = ctx.saved_values", "result = last"),
        ],
        "Exp remembers",
    ),
    functions.edited(
        "the gradient goes through <",
        [
            (
                "return operators.lt(a, b)\n        # end solution\n\n    @staticmethod\n"
                "    def backward(ctx: Context, d_output: float) -> tuple[float, float]:\n",
                "return operators.lt(a, b)\n\n    @staticmethod\n"
                "    def backward(ctx: Context, d_output: float) -> tuple[float, float]:\n"
                "        return d_output, -d_output\n",
            )
        ],
        "No gradient flows through <",
        "No gradient flows through >",
    ),
    functions.edited(
        "the gradient goes through ==",
        [
            (
                "return operators.eq(a, b)\n        # end solution\n\n    @staticmethod\n"
                "    def backward(ctx: Context, d_output: float) -> tuple[float, float]:\n",
                "return operators.eq(a, b)\n\n    @staticmethod\n"
                "    def backward(ctx: Context, d_output: float) -> tuple[float, float]:\n"
                "        return d_output, d_output\n",
            )
        ],
        "No gradient flows through ==",
    ),
    # Task 1.4: the graph
    autodiff("breadth-first order in place of a topological one", SORT, BREADTH_FIRST, REUSED),
    autodiff(
        "a node is put down when it is first seen, before what else uses it", SORT, PREORDER, REUSED
    ),
    autodiff("a leaf is done when it is first reached", WALK, LEAVES_ONCE, REUSED, GRAPH),
    autodiff(
        "what the search has seen is remembered for ever",
        "    seen: set[int] = set()\n",
        "    seen = topological_sort.__dict__.setdefault('seen', set())\n",
        TWICE,
    ),
    scalar(
        "a leaf keeps the last derivative only",
        "self.derivative = x if self.derivative is None else self.derivative + x",
        "self.derivative = x",
        TWICE,
    ),
    autodiff(
        "the sums of intermediate values stay for the next backward",
        "        d_node = arriving.pop(node.unique_id)\n",
        "        d_node = arriving.pop(node.unique_id)\n"
        "        if not node.is_leaf():\n"
        "            node.derivative = d_node = d_node + (node.derivative or 0.0)\n",
        TWICE,
    ),
    autodiff(
        "the search never marks what it has seen and takes every path",
        SORT,
        UNMARKED,
        "A chain in which every value is used twice",
    ),
    autodiff(
        "variables are told apart by their value", SORT, BY_VALUE, "Two variables of the same value"
    ),
    autodiff.edited(
        "variables are told apart by their name",
        [
            ("node.unique_id not in seen", "node.name not in seen"),
            ("seen.add(node.unique_id)", "seen.add(node.name)"),
            (WALK, BY_NAME),
        ],
        "Two variables of the same name",
    ),
    autodiff(
        "the order runs from the inputs to the output",
        "return finished[::-1]",
        "return finished",
        "backward carries the gradient along a chain",
    ),
    autodiff(
        "a contribution overwrites the one before",
        "                d_parent = arriving[parent.unique_id] + d_parent\n",
        "                pass\n",
        REUSED,
        GRAPH,
    ),
    autodiff(
        "only the first contribution counts",
        "                d_parent = arriving[parent.unique_id] + d_parent\n",
        "                continue\n",
        REUSED,
        GRAPH,
    ),
    autodiff(
        "contributions are multiplied",
        "arriving[parent.unique_id] + d_parent",
        "arriving[parent.unique_id] * d_parent",
        REUSED,
    ),
    autodiff(
        "backward starts from 1 whatever arrives",
        "arriving = {variable.unique_id: deriv}",
        "arriving = {variable.unique_id: 1.0}",
        "backward carries the gradient along a chain",
    ),
    autodiff(
        "every path is walked on its own", WALK, EVERY_PATH, "backward visits each operation once"
    ),
    autodiff(
        "every contribution is queued on its own",
        WALK,
        QUEUED,
        "backward visits each operation once",
    ),
    autodiff(
        "a leaf is given its derivative on arrival and again at its turn",
        WALK,
        TWICE_AT_LEAVES,
        "backward carries the gradient along a chain",
    ),
    autodiff(
        "the walk ends at the first leaf",
        "            node.accumulate_derivative(d_node)\n            continue\n",
        "            node.accumulate_derivative(d_node)\n            break\n",
        GRAPH,
    ),
    autodiff(
        "a derivative of 0 is taken for none",
        "            if parent.is_constant():\n                continue\n",
        "            if parent.is_constant() or not d_parent:\n                continue\n",
        "No gradient flows through <",
    ),
    autodiff(
        "intermediate values keep a derivative too",
        "        if node.is_leaf():\n            node.accumulate_derivative(d_node)\n            continue\n",
        "        node.accumulate_derivative(d_node)\n        if node.is_leaf():\n            continue\n",
        "backward carries the gradient along a chain",
    ),
    # Task 1.5
    scalar(
        "every derivative has the wrong sign",
        "self.derivative = x if self.derivative is None else self.derivative + x",
        "self.derivative = -x if self.derivative is None else self.derivative - x",
        "Scalars learn the data set 'xor'",
        "Scalars learn the data set 'spiral'",
    ),
    scalar(
        "every derivative is far too small",
        "self.derivative = x if self.derivative is None else self.derivative + x",
        "self.derivative = x / 64",
        "Scalars learn the data set 'circle'",
    ),
]
