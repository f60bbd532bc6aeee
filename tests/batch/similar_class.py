"""A class for `grade similar`: one module, eight students who solved it in eight ways, and disguises for a copy."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable
from pathlib import Path

from engine.courses import dedented, write

from grader.course import Course, load_course

COURSE = """
course: Tiny
modules: [before, tape]
"""

START = """
title: Start
expects: [tape]
tasks:
  - {id: "0", title: Before, points: 1}
"""

MODULE = """
title: Tapes
expects: [tape]
tasks:
  - {id: "1", title: Order, points: 10}
  - {id: "2", title: Derivatives, points: 10}
"""

REFERENCE = '''
"""A tape of derivatives."""

import math


class Node:
    """A value with what it was made of.

    parents: pairs of a node and the local derivative by it.
    """

    def __init__(self, value, parents=()):
        self.value = float(value)
        self.parents = tuple(parents)
        self.derivative = None

    def is_leaf(self):
        """Whether nothing was computed to get it."""
        return not self.parents

    def accumulate(self, amount):
        """Add to the derivative that a leaf keeps."""
        if self.derivative is None:
            self.derivative = 0.0
        self.derivative += amount


def product(a, b):
    """Multiply two nodes, and keep the derivative by each."""
    return Node(a.value * b.value, [(a, b.value), (b, a.value)])


def order(last):
    """List the nodes that last was made of, each before what it was made of."""
    # begin solution 1
    finished, marked = [], set()
    pending = [(last, False)]
    while pending:
        node, ready = pending.pop()
        if ready:
            finished.insert(0, node)
        elif node not in marked:
            marked.add(node)
            pending.append((node, True))
            pending.extend((parent, False) for parent, _ in node.parents)
    return finished
    # end solution


def backpropagate(last, upstream=1.0):
    """Bring the derivative of last to each leaf."""
    # begin solution 2
    amounts = {last: upstream}
    for node in order(last):
        amount = amounts.pop(node)
        if node.is_leaf():
            node.accumulate(amount)
        for parent, local in node.parents:
            amounts[parent] = amounts.get(parent, 0.0) + amount * local
    # end solution


def central(f, values, which):
    """Approximate the derivative of f by one of its values."""
    # begin solution 2
    step = 1e-6 * max(1.0, abs(values[which]))
    above = f(*values[:which], values[which] + step, *values[which + 1 :])
    below = f(*values[:which], values[which] - step, *values[which + 1 :])
    return (above - below) / (2.0 * step)
    # end solution


def size(nodes):
    """The length of the vector of derivatives."""
    # begin solution 2
    return math.sqrt(math.fsum(node.derivative**2 for node in nodes))
    # end solution
'''

# What stands in the four functions, in the order above.
BODIES: dict[str, tuple[str, str, str, str]] = {
    "ada": (
        """
    seen = set()
    result = []

    def visit(node):
        if id(node) in seen:
            return
        seen.add(id(node))
        for parent, _ in node.parents:
            visit(parent)
        result.append(node)

    visit(last)
    result.reverse()
    return result
""",
        """
    totals = {}
    totals[id(last)] = upstream
    for node in order(last):
        total = totals[id(node)]
        if node.is_leaf():
            node.accumulate(total)
            continue
        for parent, local in node.parents:
            if id(parent) not in totals:
                totals[id(parent)] = 0.0
            totals[id(parent)] += total * local
""",
        """
    epsilon = 1e-5
    up = list(values)
    down = list(values)
    up[which] += epsilon
    down[which] -= epsilon
    return (f(*up) - f(*down)) / (2 * epsilon)
""",
        """
    total = 0.0
    for node in nodes:
        total += node.derivative * node.derivative
    return math.sqrt(total)
""",
    ),
    "emmy": (
        """
    children = {}
    todo = [last]
    known = {last}
    while todo:
        current = todo.pop()
        for parent, _ in current.parents:
            children[parent] = children.get(parent, 0) + 1
            if parent not in known:
                known.add(parent)
                todo.append(parent)
    ready = [last]
    listed = []
    while ready:
        current = ready.pop(0)
        listed.append(current)
        for parent, _ in current.parents:
            children[parent] -= 1
            if children[parent] == 0:
                ready.append(parent)
    return listed
""",
        """
    from collections import defaultdict

    gradient = defaultdict(float)
    gradient[last] = upstream
    nodes = order(last)
    while len(nodes) > 0:
        first, nodes = nodes[0], nodes[1:]
        [gradient.__setitem__(p, gradient[p] + w * gradient[first]) for p, w in first.parents]
        if first.is_leaf():
            first.accumulate(gradient[first])
""",
        """
    h = 0.0001

    def shifted(by):
        return f(*[v + by if k == which else v for k, v in enumerate(values)])

    return 0.5 * (shifted(h) - shifted(-h)) / h
""",
        """
    return sum(n.derivative**2 for n in nodes) ** 0.5
""",
    ),
    "sofia": (
        """
    depth = {}

    def measure(node, so_far):
        if depth.get(node, -1) >= so_far:
            return
        depth[node] = so_far
        for edge in node.parents:
            measure(edge[0], so_far + 1)

    measure(last, 0)
    return sorted(depth, key=lambda node: depth[node])
""",
        """
    if last.is_leaf():
        return last.accumulate(upstream)
    carried = dict.fromkeys(order(last), 0.0)
    carried[last] = upstream
    for node, d in carried.items():
        if node.is_leaf():
            node.accumulate(d)
        else:
            for k in range(len(node.parents)):
                source, weight = node.parents[k]
                carried[source] = carried[source] + weight * d
""",
        """
    before, x, after = values[:which], values[which], values[which + 1 :]
    h = 2.0**-17
    return (f(*before, x + h, *after) - f(*before, x - h, *after)) / (2.0 * h)
""",
        """
    longest = max(abs(n.derivative) for n in nodes) or 1.0
    scaled = [(n.derivative / longest) ** 2 for n in nodes]
    return longest * math.sqrt(sum(scaled))
""",
    ),
    "grace": (
        """
    def walk(node):
        if node not in visited:
            visited.append(node)
            for pair in node.parents:
                yield from walk(pair[0])
            yield node

    visited = []
    return list(walk(last))[::-1]
""",
        """
    todo = order(last)
    inbox = [0.0] * len(todo)
    inbox[0] = upstream
    for place, node in enumerate(todo):
        received = inbox[place]
        for source, slope in node.parents:
            inbox[todo.index(source)] += received * slope
    for node, received in zip(todo, inbox):
        if not node.parents:
            node.accumulate(received)
""",
        """
    values = list(values)
    middle = values[which]
    width = 1e-4
    values[which] = middle + width / 2
    right = f(*values)
    values[which] = middle - width / 2
    left = f(*values)
    return (right - left) / width
""",
        """
    return math.hypot(*[node.derivative for node in nodes])
""",
    ),
    "mary": (
        """
    stack = [last]
    out = []
    while stack:
        top = stack[-1]
        missing = [p for p, _ in top.parents if p not in out]
        if missing:
            stack.append(missing[0])
        else:
            stack.pop()
            if top not in out:
                out.append(top)
    out.reverse()
    return out
""",
        """
    class Box:
        def __init__(self):
            self.total = 0.0

    boxes = {node: Box() for node in order(last)}
    boxes[last].total = upstream
    for node, box in boxes.items():
        for p, factor in node.parents:
            boxes[p].total += box.total * factor
    leaves = filter(Node.is_leaf, boxes)
    for leaf in leaves:
        leaf.accumulate(boxes[leaf].total)
""",
        """
    def moved(sign):
        copy = [*values]
        copy[which] = copy[which] + sign * h
        return f(*copy)

    h = 1e-6
    difference = moved(1) - moved(-1)
    return difference / (h + h)
""",
        """
    squares = map(lambda node: pow(node.derivative, 2), nodes)
    return pow(sum(squares), 0.5)
""",
    ),
    "zu": (
        """
    levels = [[last]]
    while levels[-1]:
        following = []
        for node in levels[-1]:
            for parent, _ in node.parents:
                following.append(parent)
        levels.append(following)
    flat = [node for level in levels for node in level]
    kept = []
    for node in reversed(flat):
        if node not in kept:
            kept.append(node)
    return kept[::-1]
""",
        """
    def push(node, amount):
        if node.is_leaf():
            node.accumulate(amount)
        else:
            for parent, local in node.parents:
                push(parent, amount * local)

    push(last, upstream)
""",
        """
    delta = max(1e-8, 1e-6 * abs(values[which]))
    plus = tuple(v + delta * (i == which) for i, v in enumerate(values))
    minus = tuple(v - delta * (i == which) for i, v in enumerate(values))
    slope = f(*plus) - f(*minus)
    slope /= 2 * delta
    return slope
""",
        """
    answer = 0
    count = len(nodes)
    index = 0
    while index < count:
        answer = answer + nodes[index].derivative ** 2
        index = index + 1
    return answer ** (1 / 2)
""",
    ),
    "katherine": (
        """
    position = {last: 0}
    changed = True
    while changed:
        changed = False
        for node in list(position):
            for source, _slope in node.parents:
                wanted = position[node] + 1
                if position.get(source, 0) < wanted:
                    position[source] = wanted
                    changed = True
    return [node for node, _ in sorted(position.items(), key=lambda item: item[1])]
""",
        """
    waiting = order(last)
    flow = {id(node): 0.0 for node in waiting}
    flow[id(waiting[0])] += upstream
    while waiting:
        node = waiting.pop(0)
        value = flow.pop(id(node))
        node.is_leaf() and node.accumulate(value)
        for parent, rate in node.parents:
            flow[id(parent)] += rate * value
""",
        """
    h = 1e-3
    args = list(values)
    samples = []
    for offset in (h, -h):
        args[which] = values[which] + offset
        samples.append(f(*args))
    high, low = samples
    return (high - low) / 2 / h
""",
        """
    vector = [n.derivative for n in nodes]
    dot = 0.0
    for u, v in zip(vector, vector):
        dot += u * v
    return dot and math.exp(math.log(dot) / 2)
""",
    ),
    "maryam": (
        """
    import collections

    queue = collections.deque()
    times = {}
    queue.append(last)
    tick = 0
    while len(queue) != 0:
        head = queue.popleft()
        tick += 1
        times[head] = tick
        queue.extend(pair[0] for pair in head.parents)
    return sorted(times, key=times.get)
""",
        """
    nodes = order(last)
    by_node = {}
    for node in nodes:
        amount = sum(
            local * by_node[child]
            for child in by_node
            for parent, local in child.parents
            if parent is node
        )
        by_node[node] = amount + (upstream if node is last else 0.0)
    for node, amount in by_node.items():
        if node.is_leaf():
            node.accumulate(amount)
""",
        """
    def g(t):
        new = dict(enumerate(values))
        new[which] = t
        return f(*new.values())

    x = values[which]
    eps = 1e-5 * (1 + abs(x))
    return (g(x + eps) - g(x - eps)) / ((x + eps) - (x - eps))
""",
        """
    if not nodes:
        return 0.0
    head, *tail = nodes
    return math.sqrt(head.derivative**2 + size(tail) ** 2)
""",
    ),
}


def made(folder: Path) -> Course:
    """The course, in that folder."""
    write(
        folder,
        {
            "grader.yaml": COURSE,
            "assignments/before/module.yaml": START,
            "assignments/tape/module.yaml": MODULE,
            "reference/tape.py": REFERENCE,
        },
    )
    return load_course(folder)


def solved(bodies: tuple[str, str, str, str]) -> str:
    """The file of someone who put these bodies in."""
    before, *rest = dedented(REFERENCE).split("    # begin solution ")
    return before + "".join(
        body.strip("\n") + "\n" + part.partition("    # end solution\n")[2]
        for body, part in zip(bodies, rest, strict=True)
    )


def template() -> str:
    """The file as it is handed out."""
    return solved(("    raise NotImplementedError",) * 4)


CLASS = {name: solved(bodies) for name, bodies in BODIES.items()}

# What the template gives: a copy keeps these names, or does not run.
GIVEN = {
    "Node", "value", "parents", "derivative", "is_leaf", "accumulate", "product", "order", "backpropagate", "central",
    "size", "math", "amount", "a", "b", "self", "__init__",
}  # fmt: skip


def renamed(text: str) -> str:
    """With other names for all that the student named."""
    tree = ast.parse(text)
    named = [
        n.id if isinstance(n, ast.Name) else n.arg if isinstance(n, ast.arg) else n.name
        for n in ast.walk(tree)
        if (isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        or isinstance(n, (ast.arg, ast.FunctionDef, ast.ClassDef))
    ]
    fresh = {name: f"my_{k}" for k, name in enumerate(dict.fromkeys(named)) if name not in GIVEN}
    lines = text.splitlines(keepends=True)
    for node in sorted(
        (n for n in ast.walk(tree) if isinstance(n, (ast.Name, ast.arg))),
        key=lambda n: (-n.lineno, -n.col_offset),
    ):
        name = node.id if isinstance(node, ast.Name) else node.arg
        line = lines[node.lineno - 1]
        if name in fresh and line[node.col_offset :].startswith(name):
            end = node.col_offset + len(name)
            lines[node.lineno - 1] = line[: node.col_offset] + fresh[name] + line[end:]
    text = "".join(lines)
    for name, other in fresh.items():
        text = text.replace(f"def {name}(", f"def {other}(").replace(
            f"class {name}:", f"class {other}:"
        )
    return text


def reordered(text: str) -> str:
    """With the functions and classes of the file in another order."""
    tree = ast.parse(text)
    lines = text.splitlines(keepends=True)
    starts = [n.lineno - 1 for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    parts = ["".join(lines[a:b]) for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]
    return "".join(lines[: starts[0]]) + "".join(random.Random(1).sample(parts, len(parts)))


def reformatted(text: str) -> str:
    """Laid out by another hand: other quotes, lines, brackets; no comment is left."""
    return ast.unparse(ast.parse(text)).replace("    ", "\t")


def commented(text: str) -> str:
    """With a comment on each line and docstrings that are new."""
    unit = "\t" if "\n\t" in text else "    "
    lines = []
    for line in text.splitlines():
        lines.append(f"{line}  # what this does" if line.strip() and '"""' not in line else line)
        if line.lstrip().startswith("def ") and line.endswith(":"):
            indent = line[: len(line) - len(line.lstrip())] + unit
            lines.append(f'{indent}"""Does something\n\n{indent}of my own."""')
    return "\n".join(lines) + "\n"


def all_of_it(text: str) -> str:
    """Every disguise at once."""
    return commented(reformatted(reordered(renamed(text))))


DISGUISES: dict[str, Callable[[str], str]] = {
    "renamed": renamed,
    "reordered": reordered,
    "reformatted": reformatted,
    "commented": commented,
    "all of it": all_of_it,
}
