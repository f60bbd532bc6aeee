"""The author's door: everything that a module's `checks.py` may import.

    from grader.checks import away_from, case, reals, task
    import questions

    backward = task("1.4")
    backward.check(questions.vjp, case(x=away_from(0), upstream=reals()), function="Inv", weight=2)

A *domain* is a Hypothesis strategy for the arguments of a question. Domains keep off kinks, ties, overflow
and cancellation by construction; all numbers lie on a grid of powers of two, so that sums and products are
exact and a counterexample reads well. Nothing here runs a question.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import math
import textwrap
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, cast

import msgspec
from hypothesis import strategies as st

from grader.box.modes import MODES
from grader.errors import BrokenCheck
from grader.model import Check, Tolerance, Visibility

GRID = 64
Strategy = st.SearchStrategy[Any]
P = ParamSpec("P")
R = TypeVar("R")


def _kept(make: Callable[P, R]) -> Callable[P, R]:
    """Makes the same domain once. A `@composite` domain asks for others each time that it is drawn from; made anew,
    they cost more than the draw, and Hypothesis keeps what it has found out about each."""
    return cast(Callable[P, R], functools.lru_cache(maxsize=4096)(make))


# The numbers behind a domain of numbers: an array of them is then drawn in one piece, an order of magnitude
# faster than entry by entry.
_tables: weakref.WeakKeyDictionary[Strategy, list[float]] = weakref.WeakKeyDictionary()


# Domains of numbers


@_kept
def reals(low: float = -8.0, high: float = 8.0, *, grid: int = GRID) -> Strategy:
    """Floats in [low, high] that are multiples of 1/grid, simplest first: a counterexample shrinks to 0
    and the small whole numbers, then to halves, quarters and so on.

    grid: a power of two; refined until the interval holds 400 numbers when it is narrow.
    """
    while (high - low) * grid < 400 and grid < 1 << 20 and grid >= GRID:
        grid *= 2
    return _from_table(_table(low, high, grid), f"reals({low}, {high})")


@_kept
def eighths(low: float = -8.0, high: float = 8.0) -> Strategy:
    """Multiples of 1/8 in [low, high]: the entries of arrays, where sums and products must be exact."""
    return reals(low, high, grid=8)


def _table(low: float, high: float, grid: int) -> list[float]:
    first, last = math.ceil(low * grid), math.floor(high * grid)

    def simplicity(n: int) -> tuple[int, int, bool]:
        # The denominator in lowest terms, then the distance from 0, then plus before minus.
        return grid // math.gcd(n, grid) if n else 1, abs(n), n < 0

    return [n / grid for n in sorted(range(first, last + 1), key=simplicity)]


def _from_table(values: list[float], what: str) -> Strategy:
    if not values:
        raise BrokenCheck(f"{what} holds no number of its grid")
    strategy = st.integers(0, len(values) - 1).map(values.__getitem__)
    _tables[strategy] = values
    return strategy


@_kept
def away_from(
    *points: float, low: float = -8.0, high: float = 8.0, gap: float = 0.25, grid: int = GRID
) -> Strategy:
    """`reals(low, high)` that keep at least `gap` from every one of `points`."""
    values = [x for x in _table(low, high, grid) if all(abs(x - p) >= gap for p in points)]
    return _from_table(values, f"away_from{points} in [{low}, {high}]")


@_kept
def upstreams() -> Strategy:
    """Gradients that arrive from above: never 0 and not only 1, so that a forgotten factor shows."""
    values = [x for x in _table(-8.0, 8.0, 8) if x != 0.0 and x != 1.0]
    return _from_table([*values[:8], 1.0, *values[8:]], "upstreams")


@_kept
def choices(*values: float) -> Strategy:
    """One of a few numbers, simplest first."""
    return _from_table([float(value) for value in values], "choices()")


def integers(low: int, high: int) -> Strategy:
    """Whole numbers in [low, high]."""
    return st.integers(low, high)


def lists_of(elements: Strategy, min_size: int, max_size: int) -> Strategy:
    """Lists of so many entries."""
    return st.lists(elements, min_size=min_size, max_size=max_size)


# Domains of arrays


@_kept
def shapes(min_dims: int = 1, max_dims: int = 3, max_side: int = 4, max_cells: int = 8) -> Strategy:
    """Shapes as tuples, every side at least 1, with at most `max_cells` cells; small ones first."""
    found = [
        sides
        for dims in range(min_dims, max_dims + 1)
        for sides in itertools.product(range(1, max_side + 1), repeat=dims)
        if math.prod(sides) <= max_cells
    ]
    return st.sampled_from(sorted(found, key=lambda sides: (math.prod(sides), len(sides))))


def arrays(shape: tuple[int, ...], elements: Strategy | None = None) -> Strategy:
    """float64 arrays of one shape, entry by entry from `elements` (eighths in [-8, 8])."""
    return _arrays(tuple(shape), eighths() if elements is None else elements)


@_kept
def _arrays(shape: tuple[int, ...], entries: Strategy) -> Strategy:
    import numpy as np

    cells = math.prod(shape)
    table = _tables.get(entries)
    if table is None or len(table) > 256:
        return st.lists(entries, min_size=cells, max_size=cells).map(
            lambda values: np.array(values, dtype=np.float64).reshape(shape)
        )
    numbers = np.array(table)
    return st.binary(min_size=cells, max_size=cells).map(
        lambda data: numbers[np.frombuffer(data, dtype=np.uint8) % len(numbers)].reshape(shape)
    )


@st.composite
def broadcastable(
    draw: st.DrawFn, count: int = 2, max_dims: int = 3, max_side: int = 3
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """A result shape and `count` shapes that broadcast to it, of mixed ranks, ones anywhere.

    Follows NumPy's rule: align at the right, a side of 1 stretches. Every side of the result is there in
    full in at least one of the shapes; a shape may be ().
    """
    full = draw(shapes(1, max_dims, max_side))
    rank = len(full)
    # One number holds all choices: for each shape how many leading axes it lacks and which sides are 1.
    choice = draw(st.integers(0, ((rank + 1) << rank) ** count * count - 1))
    found = []
    for _ in range(count):
        choice, dropped = divmod(choice, rank + 1)
        choice, ones = divmod(choice, 1 << rank)
        found.append([1 if ones >> axis & 1 else full[axis] for axis in range(dropped, rank)])
    whole = found[choice % count]
    whole[:0] = full[: rank - len(whole)]
    for axis in range(rank):
        if all(axis < rank - len(s) or s[axis - rank] == 1 for s in found):
            whole[axis] = full[axis]
    return full, [tuple(sides) for sides in found]


@_kept
def orders(rank: int) -> Strategy:
    """Permutations of the axes of a tensor of that rank, as lists; shrinks towards the identity."""
    return st.sampled_from([list(order) for order in itertools.permutations(range(rank))])


DATA_SETS: dict[str, Callable[[float, float], bool]] = {
    "simple": lambda x, y: x < 0.5,
    "diag": lambda x, y: x + y < 0.5,
    "split": lambda x, y: x < 0.2 or x > 0.8,
    "xor": lambda x, y: (x < 0.5) != (y < 0.5),
    "circle": lambda x, y: (x - 0.5) ** 2 + (y - 0.5) ** 2 > 0.1,
}


@st.composite
def training(
    draw: st.DrawFn, data: str, *, count: int = 8, hidden: int = 4, rate: float, steps: int
) -> dict[str, Any]:
    """What a small network is to learn: points of one of the course's data sets, half of each class, the
    weights to start from, a rate and a number of steps.

    data: a key of `DATA_SETS`, or "spiral" (two arms, r = t / 20 at the angles t and t + pi). The unit
    square that the points come from is stretched to [-2, 2]; they keep off the border between the classes.
    The weights are such that the network learns: plain gradient descent, in NumPy, brings the loss below
    a third and all points to the right side.
    """
    import numpy as np

    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = [float(n % 2) for n in range(count)]
    while True:
        points = np.round(4.0 * (_points(data, labels, rng) - 0.5) * 256) / 256
        for _ in range(20):
            shapes_ = ((2, hidden), (hidden,), (hidden, 1), (1,))
            layers = [np.round(rng.normal(0.0, 1.0, shape) * 256) / 256 for shape in shapes_]
            losses, outputs = _descent(points, labels, layers, rate, steps)
            right = bool(((outputs > 0.5) == (np.array(labels) > 0.5)).all())
            if right and losses[-1] < losses[0] / 3 and max(losses) < 2 * losses[0]:
                return {
                    "points": points,
                    "labels": labels,
                    "layers": layers,
                    "rate": rate,
                    "steps": steps,
                }


def _points(data: str, labels: list[float], rng: Any) -> Any:
    """One point of the unit square for each label, (n, 2)."""
    import numpy as np

    if data == "spiral":
        angles = rng.uniform(3.0, 9.0, len(labels))
        turned = angles + math.pi * np.array(labels)
        return 0.5 + np.stack([np.cos(turned), np.sin(turned)], 1) * angles[:, None] / 20.0
    inside = DATA_SETS[data]
    found: list[list[float]] = []
    while len(found) < len(labels):
        x, y = rng.integers(0, 65, 2) / 64
        near = {inside(x + dx, y + dy) for dx in (-0.06, 0.06) for dy in (-0.06, 0.06)}
        if near == {labels[len(found)] == 1.0}:
            found.append([x, y])
    return np.array(found)


def _descent(points: Any, labels: list[float], layers: list[Any], rate: float, steps: int) -> Any:
    """The losses before each step and after the last, and the outputs then; see
    `grader.box.bindings.training`."""
    import numpy as np

    w1, b1, w2, b2 = layers
    y = np.array(labels)
    losses = []
    with np.errstate(all="ignore"):
        for step in range(steps + 1):
            z = points @ w1 + b1
            h = np.maximum(z, 0.0)
            p = 1.0 / (1.0 + np.exp(-(h @ w2 + b2)))[:, 0]
            losses.append(float(-np.log(np.where(y > 0.5, p, 1.0 - p)).sum()))
            if step < steps:
                d = ((p - y) * rate / len(y))[:, None]
                dz = (d @ w2.T) * (z > 0.0)
                w1, b1 = w1 - points.T @ dz, b1 - dz.sum(0)
                w2, b2 = w2 - h.T @ d, b2 - d.sum(0)
    return losses, p


def case(**arguments: Strategy) -> Strategy:
    """The arguments of a question, each from a domain of its own."""
    return st.fixed_dictionaries(arguments)


# Declaring checks


class Declared(msgspec.Struct, frozen=True):
    """A check with what stays at home: its domain and the cases its author wrote.

    arguments: what a case must give, in the order of the question's parameters; on: the run modes that it
    can be asked in, best first.
    """

    check: Check
    domain: Strategy
    edges: tuple[dict[str, Any], ...]
    cases: int | None
    arguments: tuple[str, ...]
    on: tuple[str, ...] = ()


class _Collector:
    """What the `checks.py` that is being loaded has declared so far."""

    def __init__(self) -> None:
        self.declared: list[Declared] = []
        self.active = False
        self.others: Mapping[str, tuple[Declared, ...]] = {}


_collector = _Collector()


class TaskChecks:
    """The checks of one task; made by `task`."""

    def __init__(self, task_id: str, seconds: float | None) -> None:
        self.id = task_id
        self.seconds = seconds

    def check(
        self,
        question: Callable[..., Any],
        domain: Strategy,
        *,
        title: str | None = None,
        weight: float = 1.0,
        edges: Sequence[Mapping[str, Any]] = (),
        tolerance: Tolerance | None = None,
        compare: str = "close",
        visibility: str = "visible",
        seconds: float | None = None,
        after: Sequence[str] = (),
        cases: int | None = None,
        hint: str = "",
        on: str | Sequence[str] = "",
        at_most_times: float = 0.0,
        **given: Any,
    ) -> None:
        """Declares one check: `question` asked on cases from `domain`.

        title: the student's sentence; by default the question's docstring, with `{names}` filled in from
        `given`. edges: cases written by hand, asked first. compare: a comparison of `grader.judge.compare`.
        after: titles of checks without which this one is BLOCKED. cases: how many to draw (the course's
        number by default). on: the run mode that it is asked in (`grader.box.modes`), or several, of which
        the first counts that the machine offers. at_most_times: when every answer is right, how many times as
        long as the reference it may take (`grader.judge.speed`); a case must then take well over a millisecond. given: arguments that are the same in every case.

        Raises BrokenCheck when the question cannot check anything: no docstring, no `return`, a subject
        that it never uses, an argument that nothing fills.
        """
        sentence = title or _sentence(question)
        try:
            sentence = sentence.format(**given)
        except (KeyError, IndexError) as error:
            raise BrokenCheck(
                f"{question.__name__}: its sentence names {error}, which is not given"
            ) from None
        if isinstance(edges, Mapping) or not all(isinstance(edge, Mapping) for edge in edges):
            raise BrokenCheck("edges: expected a list of cases, such as [{'x': 0.5}]")
        if isinstance(after, str):
            raise BrokenCheck(f"after: expected a list of titles: after=[{after!r}]")
        arguments = _validate(question, given, [dict(edge) for edge in edges])
        if not weight > 0:
            raise BrokenCheck(f"{sentence}: a weight must be more than 0, not {weight}")
        modes = (on,) if isinstance(on, str) else tuple(on)
        for mode in modes:
            if mode not in MODES:
                raise BrokenCheck(f"on: {mode!r} is no run mode; there are {', '.join(MODES[1:])}")
        record = Check(
            task=self.id,
            title=sentence,
            question=question.__name__,
            given=dict(given),
            weight=float(weight),
            tolerance=tolerance or Tolerance(),
            compare=compare,
            visibility=Visibility(visibility),
            seconds=float(seconds or self.seconds or 0.0),
            after=tuple(after),
            hint=hint,
            mode=modes[0] if modes else "",
            at_most_times=float(at_most_times),
        )
        _collector.declared.append(
            Declared(record, domain, tuple(dict(edge) for edge in edges), cases, arguments, modes)
        )


def task(task_id: str, *, seconds: float | None = None) -> TaskChecks:
    """Opens the checks of a task of `module.yaml`. seconds: CPU limit of each of its checks."""
    if not _collector.active:
        raise BrokenCheck("task() is for a module's checks.py, which the grader loads")
    return TaskChecks(task_id, seconds)


def again(
    target: TaskChecks,
    module: str,
    *,
    tasks: Sequence[str],
    title: str = "{title}, once more",
    weight: float = 1.0,
    on: str | Sequence[str] = "",
    cases: int | None = None,
    seconds: float | None = None,
) -> None:
    """Declares the checks of some tasks of another module once more, in this one.

    module: one that `builds_on` of module.yaml names. title: how each is called now. weight: of all of them
    together, shared as it was. on, cases, seconds: as for `check`.
    """
    known = _collector.others
    if module not in known:
        raise BrokenCheck(f"again({module!r}): module.yaml does not name it under builds_on")
    chosen = [item for item in known[module] if item.check.task in tasks]
    if not chosen:
        raise BrokenCheck(f"again({module!r}): it has no check of task {', '.join(tasks)}")
    total = sum(item.check.weight for item in chosen)
    modes = (on,) if isinstance(on, str) else tuple(on)

    def named(old: str) -> str:
        return title.replace("{title}", old)

    for item in chosen:
        check = msgspec.structs.replace(
            item.check,
            task=target.id,
            title=named(item.check.title),
            weight=weight * item.check.weight / total,
            seconds=seconds or target.seconds or 0.0,
            after=tuple(map(named, item.check.after)),
            mode=modes[0],
        )
        few = cases if item.cases is None or cases is None else min(cases, item.cases)
        _collector.declared.append(
            msgspec.structs.replace(item, check=check, cases=few or item.cases, on=modes)
        )


def collect(
    run: Callable[[], None], others: Mapping[str, tuple[Declared, ...]] | None = None
) -> tuple[Declared, ...]:
    """What the checks declared by `run` are. Used by the loader; raises BrokenCheck for a repeated title.

    others: what the modules declare that this one builds on.
    """
    _collector.declared = []
    _collector.others = others or {}
    _collector.active = True
    try:
        run()
    finally:
        _collector.active = False
    seen: set[str] = set()
    for declared in _collector.declared:
        if declared.check.key in seen:
            raise BrokenCheck(
                f"two checks of task {declared.check.task} say {declared.check.title!r}"
            )
        seen.add(declared.check.key)
    return tuple(_collector.declared)


def _sentence(question: Callable[..., Any]) -> str:
    text = inspect.getdoc(question)
    if not text:
        raise BrokenCheck(
            f"questions.{question.__name__} has no docstring: its first line is the sentence students read"
        )
    return text.splitlines()[0].rstrip(".")


def _validate(
    question: Callable[..., Any], given: Mapping[str, Any], edges: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Refuses a question that cannot check anything; returns the arguments that its cases must give."""
    name = question.__name__
    parameters = list(inspect.signature(question).parameters.values())
    if not parameters:
        raise BrokenCheck(f"questions.{name} takes no subject: there is nothing it could ask")
    subject = parameters[0].name
    node = ast.parse(textwrap.dedent(inspect.getsource(question))).body[0]
    used = any(isinstance(n, ast.Name) and n.id == subject for n in ast.walk(node))
    if not used:
        raise BrokenCheck(
            f"questions.{name} never uses its {subject!r}: it would pass any submission"
        )
    if not any(isinstance(n, ast.Return) and n.value is not None for n in _own(node)):
        raise BrokenCheck(f"questions.{name} returns nothing: there would be nothing to compare")
    if any(isinstance(n, ast.Assert) for n in ast.walk(node)):
        raise BrokenCheck(f"questions.{name} asserts; a question only returns values")
    names = {p.name for p in parameters[1:]}
    for argument in [*given, *(key for edge in edges for key in edge)]:
        if argument not in names:
            raise BrokenCheck(
                f"questions.{name} has no argument {argument!r}; it takes {', '.join(sorted(names))}"
            )
    optional = {p.name for p in parameters[1:] if p.default is not p.empty}
    return tuple(p.name for p in parameters[1:] if p.name not in given and p.name not in optional)


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function's own body: what functions inside it hold is left out."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            yield child
            yield from _own(child)


__all__ = [
    "Strategy",
    "Tolerance",
    "again",
    "arrays",
    "away_from",
    "broadcastable",
    "case",
    "choices",
    "eighths",
    "integers",
    "lists_of",
    "orders",
    "reals",
    "shapes",
    "task",
    "training",
    "upstreams",
]
