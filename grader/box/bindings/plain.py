"""What all bindings share: reading numbers without trusting them, and calling forward/backward pairs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from grader.box.faults import Missing
from grader.box.imports import Package

MAX_ITEMS = 100_000


class Context:
    """What `forward` saves and `backward` reads, for submissions that bring no Context of their own."""

    def __init__(self, no_grad: bool = False) -> None:
        self.no_grad = no_grad
        self.saved_values: tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        if not self.no_grad:
            self.saved_values = values

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        return self.saved_values


def number(value: Any) -> Any:
    """A float for everything that is one number (bool, int, float, numpy scalar); others unchanged.

    Read by the base class' own methods: a subclass of float is worth the eight bytes in it.
    """
    kind = type(value)
    if issubclass(kind, float):
        return float.__float__(value)
    if issubclass(kind, int):
        whole = int.__index__(value)
        return float(whole) if abs(whole) < 2**1023 else value
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, numpy.generic):
        plain = numpy.generic.item(value)
        if type(plain) in (bool, int, float):
            return float(plain)
    return value


def numbers(values: Any, read: Callable[[Any], Any] = number) -> list[Any]:
    """The items of any iterable (list, generator, map object), each read by `read`."""
    found: list[Any] = []
    for value in values:
        found.append(read(value))
        if len(found) > MAX_ITEMS:
            raise ValueError(f"an iterable of more than {MAX_ITEMS} items")
    return found


def untrue(value: Any) -> Any:
    """As `number`, but True and False are no numbers: they stay what they are."""
    read = number(value)
    numpy = sys.modules.get("numpy")
    kind = type(value)
    if kind is bool or (numpy is not None and issubclass(kind, numpy.bool_)):
        return value
    return read


class Functions:
    """The vocabulary for `forward`/`backward` pairs over plain numbers, in any module.

    number: how what `forward` and `backward` return is read; refused: why nothing of this submission can be
    asked, or "".
    """

    number = staticmethod(untrue)
    refused = ""

    def __init__(self, package: Package, prefix: str) -> None:
        self.package = package
        self.prefix = prefix

    def get(self, path: str) -> Any:
        """The student's object of that name; Missing or Blocked when there is none."""
        return self.package.resolve(f"{self.prefix}.{path}")

    def attribute(self, value: Any, name: str, owner: str) -> Any:
        """`value.name`, or Missing that says what has no such attribute."""
        try:
            return getattr(value, name)
        except AttributeError:
            raise Missing(f"{owner}.{name} is not defined") from None

    def call(self, path: str, *args: Any, **options: Any) -> Any:
        """What the student's function returns; a number is read as a float."""
        return number(self.get(path)(*args, **options))

    def applied(self, path: str, function: Any, *args: Any) -> Any:
        """`path(function)(*args)`: for a function that returns a function."""
        made = self.get(path)(function)
        return number(made(*args)) if callable(made) else number(made)

    def row(self, path: str, *args: Any) -> list[Any]:
        """What the student's function returns, as a list of numbers."""
        return numbers(self.get(path)(*args))

    def rows(self, path: str, *args: Any) -> list[Any]:
        """What the student's function returns, as a list of lists of numbers."""
        return [numbers(row) for row in self.get(path)(*args)]

    def context(self) -> Any:
        """A fresh context, of our own kind."""
        return Context()

    def forward(self, name: str, *inputs: float) -> Any:
        """The output of `name.forward` on numbers; several outputs as a list."""
        returned = self.attribute(self.get(name), "forward", name)(self.context(), *inputs)
        if issubclass(type(returned), (tuple, list)):
            return numbers(returned, self.number)
        return self.number(returned)

    def gradients(self, returned: Any, count: int) -> Any:
        """What `backward` returned, as a list of `count` numbers where it can be read as one.

        One input: the bare derivative and the 1-tuple mean the same. Several: a tuple or a list.
        """
        if issubclass(type(returned), (tuple, list)):
            return numbers(returned, self.number)
        return [self.number(returned)] if count == 1 else self.number(returned)

    def vjp(self, name: str, *inputs: float, upstream: float) -> Any:
        """upstream times Jacobian: what `name.backward` returns after `name.forward`, as a list."""
        function = self.get(name)
        backward = self.attribute(function, "backward", name)
        ctx = self.context()
        self.attribute(function, "forward", name)(ctx, *inputs)
        return self.gradients(backward(ctx, upstream), len(inputs))

    def vjp_many(self, name: str, inputs: list[float], upstream: list[float]) -> Any:
        """`name.backward(ctx, d1, d2, ...)` of a function with several outputs."""
        function = self.get(name)
        backward = self.attribute(function, "backward", name)
        ctx = self.context()
        self.attribute(function, "forward", name)(ctx, *inputs)
        return self.gradients(backward(ctx, *upstream), len(inputs))

    def vjp_interleaved(self, name: str, runs: list[list[float]], upstream: list[float]) -> Any:
        """All forwards first, then all backwards: each must remember its own inputs."""
        function = self.get(name)
        forward = self.attribute(function, "forward", name)
        backward = self.attribute(function, "backward", name)
        contexts = [self.context() for _ in runs]
        for ctx, inputs in zip(contexts, runs, strict=True):
            forward(ctx, *inputs)
        return [
            self.gradients(backward(ctx, u), len(inputs))
            for ctx, inputs, u in zip(contexts, runs, upstream, strict=True)
        ]


class Code(str):
    """A piece of Python that stands for a value in a script: `np.array([1, 2])`."""

    __slots__ = ()


def literal(value: Any) -> str:
    """A value as one types it: arrays as nested lists."""
    if isinstance(value, Code):
        return value
    if hasattr(value, "tolist"):
        return repr(value.tolist())
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return str(value.__name__) if callable(value) else repr(value)


class Script:
    """Writes what the methods of `Functions` do as lines of Python for a student to paste."""

    context_source = "grader.box.bindings.plain"

    def __init__(self, module: str) -> None:
        self.module = module
        self.lines: list[str] = []

    def take(self, path: str) -> str:
        """The import of a name, once; returns the bare name."""
        where, _, name = f"{self.module}.{path}".rpartition(".")
        self.imported(where, name)
        return name

    def imported(self, where: str, name: str) -> None:
        line = f"from {where} import {name}"
        if line not in self.lines:
            self.lines.insert(sum(known.startswith("from ") for known in self.lines), line)

    def get(self, path: str) -> None:
        self.take(path)

    def call(self, path: str, *args: Any, **options: Any) -> None:
        named = [f"{key}={literal(value)}" for key, value in options.items()]
        self.lines.append(f"print({self.take(path)}({', '.join([*map(literal, args), *named])}))")

    def applied(self, path: str, function: Any, *args: Any) -> None:
        self.lines.append(
            f"print({self.take(path)}({literal(function)})({', '.join(map(literal, args))}))"
        )

    def row(self, path: str, *args: Any) -> None:
        top, _, rest = path.partition(".")
        whole = f"{self.take(top)}.{rest}" if rest else self.take(top)
        self.lines.append(f"print({whole}({', '.join(map(literal, args))}))")

    rows = row

    def forward(self, name: str, *inputs: Any) -> None:
        short = self.take(name)
        self.imported(self.context_source, "Context")
        self.lines.append(
            f"print({short}.forward({', '.join(['Context()', *map(literal, inputs)])}))"
        )

    def vjp(self, name: str, *inputs: Any, upstream: Any) -> None:
        short = self.take(name)
        self.imported(self.context_source, "Context")
        self.lines += [
            "ctx = Context()",
            f"{short}.forward({', '.join(['ctx', *map(literal, inputs)])})",
            f"print({short}.backward(ctx, {literal(upstream)}))",
        ]

    def vjp_many(self, name: str, inputs: list[float], upstream: list[float]) -> None:
        short = self.take(name)
        self.imported(self.context_source, "Context")
        self.lines += [
            "ctx = Context()",
            f"{short}.forward({', '.join(['ctx', *map(literal, inputs)])})",
            f"print({short}.backward({', '.join(['ctx', *map(literal, upstream)])}))",
        ]

    def vjp_interleaved(self, name: str, runs: list[list[float]], upstream: list[float]) -> None:
        short = self.take(name)
        self.imported(self.context_source, "Context")
        for place, inputs in enumerate(runs):
            self.lines.append(f"ctx{place} = Context()")
            self.lines.append(
                f"{short}.forward({', '.join([f'ctx{place}', *map(literal, inputs)])})"
            )
        for place, u in enumerate(upstream):
            self.lines.append(f"print({short}.backward(ctx{place}, {literal(u)}))")
