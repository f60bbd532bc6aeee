"""Binding `minitorch_modules`: a package `minitorch` of any year, as far as its module 0 goes.

It reads functions of lists in whatever form a student gave them, trees of `Module`, and how the student's own
property tests end. Names and values of parameters are read through the base classes' own methods, and nodes
by the handles of those who built the tree: nothing here asks a student's object how it wants to be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from grader.box.bindings.minitorch import MiniTorch
from grader.box.bindings.plain import MAX_ITEMS, number, numbers
from grader.box.bindings.student_tests import Tests, told
from grader.box.faults import Blocked, InputMutated, Missing
from grader.box.imports import Package
from grader.box.wire import type_name

Tree = dict[str, Any]  # {"parameters": {name: number}, "children": {name: Tree}}
Operators = Mapping[str, Callable[..., Any]]
ROOT = "(root)"

# The forms that functions of functions come in. What is called is the first argument.
MAPS: tuple[Callable[..., Any], ...] = (
    lambda f, fn, ls: f(fn)(ls),
    lambda f, fn, ls: f(fn, ls),
    lambda f, fn, ls: f(ls, fn),
)
ZIPS: tuple[Callable[..., Any], ...] = (
    lambda f, fn, a, b: f(fn)(a, b),
    lambda f, fn, a, b: f(fn, a, b),
    lambda f, fn, a, b: f(a, b, fn),
    lambda f, fn, a, b: f(fn)(a)(b),
)


class Fold(NamedTuple):
    """A form that a fold comes in.

    made: what is made once, of the fold, the function and the start; used: what is then called for a list;
    starts: whether the form has a place for the start.
    """

    made: Callable[..., Any]
    used: Callable[..., Any]
    starts: bool = True


FOLDS = (
    Fold(lambda f, fn, start: f(fn, start), lambda made, fn, start, ls: made(ls)),
    Fold(lambda f, fn, start: f(fn), lambda made, fn, start, ls: made(ls, start)),
    Fold(lambda f, fn, start: f(fn), lambda made, fn, start, ls: made(start, ls)),
    Fold(lambda f, fn, start: f(fn), lambda made, fn, start, ls: made(ls), starts=False),
    Fold(lambda f, fn, start: f, lambda made, fn, start, ls: made(fn, start, ls)),
    Fold(lambda f, fn, start: f, lambda made, fn, start, ls: made(fn, ls, start)),
    Fold(lambda f, fn, start: f, lambda made, fn, start, ls: made(ls, fn, start)),
    Fold(lambda f, fn, start: f, lambda made, fn, start, ls: made(start, fn, ls)),
    Fold(lambda f, fn, start: f, lambda made, fn, start, ls: made(ls, start, fn)),
    Fold(lambda f, fn, start: f, lambda made, fn, start, ls: made(start, ls, fn)),
    Fold(lambda f, fn, start: f(fn)(start), lambda made, fn, start, ls: made(ls)),
    Fold(lambda f, fn, start: f, lambda made, fn, start, ls: made(fn, ls), starts=False),
    Fold(lambda f, fn, start: f, lambda made, fn, start, ls: made(ls, fn), starts=False),
)


def fold_once(way: Fold) -> Callable[..., float]:
    """The form of call that folds one list."""
    return lambda f, fn, start, ls: one_number(way.used(way.made(f, fn, start), fn, start, ls))


def fold_each(way: Fold) -> Callable[..., list[float]]:
    """The form of call that makes a fold once and uses it for several lists. Where the form has no place for a
    start, the start is the first element."""

    def called(f: Any, fn: Any, start: float, *lists: list[float]) -> list[float]:
        made = way.made(f, fn, start)
        given = [ls if way.starts else [start, *ls] for ls in lists]
        return [one_number(way.used(made, fn, start, ls)) for ls in given]

    return called


def one_number(value: Any) -> float:
    """A number; TypeError for anything else, a function that waits for more arguments above all."""
    read = number(value)
    if type(read) is not float:
        raise TypeError(f"a {type_name(type(value))} stands where a number is expected")
    return read


def unchanged(now: list[Any], before: list[float]) -> bool:
    """Whether a list still holds the numbers that it was made with."""
    pairs = zip(now, before, strict=False)
    return len(now) == len(before) and all(
        n is b or (type(n) is type(b) and n == b) for n, b in pairs
    )


def depth(error: BaseException) -> int:
    """How many calls an exception came through."""
    step, found = error.__traceback__, 0
    while step is not None:
        step, found = step.tb_next, found + 1
    return found


class Modules(MiniTorch):
    """The vocabulary over the `operators` and the `module` of a student's `minitorch` package."""

    any_year = True  # module 0 is the same in all of them

    def __init__(self, package: Package, prefix: str) -> None:
        super().__init__(package, prefix)
        self.tests = Tests(package, f"{prefix}.operators")

    # Functions of lists

    def mapped(self, path: str, function: Callable[..., float], values: list[float]) -> Any:
        """What a `map` gives, however it wants to be called."""
        return self.any_form(path, MAPS, self.floats, function, ls=values)

    def zipped(
        self, path: str, function: Callable[..., float], first: list[float], second: list[float]
    ) -> Any:
        """What a `zipWith` gives, however it wants to be called."""
        return self.any_form(path, ZIPS, self.floats, function, a=first, b=second)

    def folded(
        self, path: str, function: Callable[..., float], start: float, values: list[float]
    ) -> Any:
        """What a `reduce` gives, however it wants to be called, with a start or without."""
        return self.any_form(path, [*map(fold_once, FOLDS)], float, function, start, ls=values)

    def folded_each(
        self, path: str, function: Callable[..., float], start: float, lists: list[list[float]]
    ) -> Any:
        """What one `reduce` of a function and a start gives for each of several lists, one after the other."""
        named = {f"lists[{place}]": values for place, values in enumerate(lists)}
        return self.any_form(path, [*map(fold_each, FOLDS)], list, function, start, **named)

    def floats(self, values: Any) -> list[float]:
        return numbers(values, one_number)

    def any_form(
        self,
        path: str,
        forms: Sequence[Callable[..., Any]],
        read: Callable[[Any], Any],
        *arguments: Any,
        **lists: list[float],
    ) -> Any:
        """What the first form of call that gives anything readable gives. The lists must stay as they are.

        Raises, where none does, what came out of the deepest call: it says most about the student's code.
        """
        function = self.get(path)
        faults: list[Exception] = []
        for form in forms:
            fresh = {name: list(values) for name, values in lists.items()}
            try:
                found = read(form(function, *arguments, *fresh.values()))
            except (Missing, Blocked, NotImplementedError):
                raise
            except Exception as error:
                faults.append(error)
                continue
            for name, values in lists.items():
                if not unchanged(fresh[name], values):
                    raise InputMutated(name)
            return found
        raise max(faults, key=depth)

    # Trees of modules

    def tree(self, spec: Tree) -> dict[str, Any]:
        """The nodes of a tree of the student's modules by their dotted paths, the root first.

        Parameters are filed in both ways that there are, by an attribute and by `add_parameter`.
        """
        nodes: dict[str, Any] = {}
        self.plant(spec, "", nodes, [])
        return nodes

    def plant(self, spec: Tree, path: str, nodes: dict[str, Any], leaves: list[Any]) -> Any:
        """Builds a node and what is below it; its nodes and parameters are added to what is given."""
        node = nodes[path or ROOT] = self.get("module.Module")()
        for place, (name, value) in enumerate(spec["parameters"].items()):
            if place % 2:
                leaves.append(self.method(node, "add_parameter")(name, value))
            else:
                leaves.append(self.get("module.Parameter")(value))
                setattr(node, name, leaves[-1])
        for name, below in spec["children"].items():
            child = self.plant(below, f"{path}.{name}" if path else name, nodes, leaves)
            setattr(node, name, child)
        return node

    def method(self, node: Any, name: str) -> Any:
        """A method of a module. Some modules answer None for every name that they do not know."""
        found = self.attribute(node, name, "Module")
        if found is None:
            raise Missing(f"Module.{name} is not defined")
        return found

    def named_parameters(self, spec: Tree) -> list[list[Any]]:
        """`named_parameters()` of a tree as pairs of name and value, in the order of the names. A list,
        any other iterable of pairs, or a dict."""
        root = self.tree(spec)[ROOT]
        return self.pairs(self.method(root, "named_parameters")())

    def pairs(self, returned: Any) -> list[list[Any]]:
        """What `named_parameters()` returned, as pairs of name and value in the order of the names."""
        if issubclass(type(returned), dict):
            returned = dict.items(returned)
        pairs: list[list[Any]] = []
        for pair in returned:
            try:
                name, parameter = pair
            except (TypeError, ValueError):
                pairs.append([f"no pair but a {type_name(type(pair))}"])
                continue
            word = str.__str__(name) if issubclass(type(name), str) else name
            pairs.append([word, self.value(parameter)])
            if len(pairs) > MAX_ITEMS:
                raise ValueError(f"more than {MAX_ITEMS} parameters")
        return sorted(pairs, key=repr)

    def named_again(self, spec: Tree, name: str, value: float) -> list[list[Any]]:
        """`named_parameters()` of a tree that was asked before, and has got one more parameter at its root."""
        root = self.tree(spec)[ROOT]
        for _ in range(2):
            self.pairs(self.method(root, "named_parameters")())
        setattr(root, name, self.get("module.Parameter")(value))
        return self.pairs(self.method(root, "named_parameters")())

    def parameters(self, spec: Tree) -> list[Any]:
        """`parameters()` of a tree as their values, in order."""
        returned = self.method(self.tree(spec)[ROOT], "parameters")()
        return sorted(numbers(returned, self.value), key=repr)

    def updated(self, spec: Tree, step: float) -> list[Any]:
        """The values of a tree's parameters after each of `parameters()` was told to grow by a step."""
        leaves: list[Any] = []
        root = self.plant(spec, "", {}, leaves)
        for parameter in list(self.method(root, "parameters")()):
            parameter.update(self.value(parameter) + step)
        return [self.value(leaf) for leaf in leaves]

    def value(self, parameter: Any) -> Any:
        """A parameter's value as a number; what is no Parameter is told by its type."""
        try:
            return number(parameter.value)
        except AttributeError:
            return f"no Parameter but a {type_name(type(parameter))}"

    def modes(self, spec: Tree, steps: list[list[str]]) -> dict[str, Any]:
        """Whether each node of a tree trains (1) or not (0) after steps such as ["a.b", "eval"]."""
        nodes = self.tree(spec)
        for path, name in steps:
            self.method(nodes[path], name)()
        return {path: self.trains(node) for path, node in nodes.items()}

    def trains(self, node: Any) -> Any:
        """The mode of a module: `training`, or in 2020 a `mode` that is "train" or "eval"."""
        training = getattr(node, "training", None)
        word: Any = getattr(node, "mode", None) if training is None else None
        if issubclass(type(word), str):
            return float(str.__eq__(word, "train"))
        return number(training)

    # The student's own tests

    def passes(self, test: str, alternatives: Sequence[Operators]) -> str:
        """ "passes" if the student's test of that name comes to its end on one of several sets of operators.

        Raises what it raised on the first of them, if it does on none.
        """
        first: Exception | None = None
        for operators in alternatives:
            try:
                self.tests.run(test, operators)
                return "passes"
            except (Missing, Blocked, NotImplementedError):
                raise
            except Exception as error:
                first = first or error
        assert first is not None
        told(first)
        raise first

    def notices(
        self,
        test: str,
        alternatives: Sequence[Operators],
        name: str = "",
        text: str = "",
        right: Sequence[Operators] = (),
    ) -> bool:
        """Whether the student's test of that name fails on every one of several sets of operators.

        name, text: which operator is wrong, and how, in Python: for those who read a script of it. right:
        operators that it is run on after it has failed; a test that only counts its calls fails on them too.
        """
        if not self.fails(test, alternatives):
            return False
        if right and self.fails(test, right):
            raise AssertionError(
                f"once {test} has failed on wrong operators, it fails on right ones as well: what it says "
                "must depend on the operators alone"
            )
        return True

    def fails(self, test: str, alternatives: Sequence[Operators]) -> bool:
        """Whether a test raises on each of several sets of operators."""
        try:
            self.passes(test, alternatives)
        except (Missing, Blocked, InputMutated, NotImplementedError):
            raise
        except Exception:
            return True
        return False

    def operators_called(self, test: str, alternatives: Sequence[Operators]) -> list[str]:
        """The operators that the student's test of that name calls, by name."""
        self.passes(test, alternatives)
        return sorted(self.tests.operators.called)


def bind(package: Package) -> Modules:
    """The subject for the package `minitorch`."""
    return Modules(package, "minitorch")


def __getattr__(name: str) -> Any:
    if name == "Script":
        from grader.box.bindings.minitorch_modules_script import Script

        return Script
    raise AttributeError(name)
