"""What a student's tests use of pytest, where pytest itself is not.

Marks, fixtures and the like are stood in for as far as tests of functions of numbers go; what else there is in
pytest raises when it is used. Nothing here collects tests.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import itertools
import re
import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from grader.box.imports import stand_in

# Marks


class _Row(tuple[Any, ...]):
    """`pytest.param(...)`: one row of a table."""


class _Mark:
    """`pytest.mark.anything`, as a decorator with or without arguments."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any, **options: Any) -> Any:
        if len(args) == 1 and not options and isinstance(args[0], (types.FunctionType, type)):
            return args[0]
        if self.name == "parametrize":
            args, options = _table(*args, **options)

        def marked(test: Any) -> Any:
            test.pytestmark = [*getattr(test, "pytestmark", []), marked]
            return test

        vars(marked).update(name=self.name, args=args, kwargs=options)
        return marked


def _table(argnames: Any, argvalues: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
    """The arguments of `parametrize`. A test is run more than once: an iterator would be used up by then."""
    return (argnames, list(argvalues)), options


class _Marks:
    def __getattr__(self, name: str) -> _Mark:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Mark(name)


def marks_of(test: Any) -> list[Any]:
    """The marks that decorate a test or a class of tests, or that these or their file have as `pytestmark`."""
    marks = getattr(test, "pytestmark", [])
    return [m for m in (marks if isinstance(marks, list) else [marks]) if hasattr(m, "args")]


class Given(NamedTuple):
    """What marks give one run of a test.

    arguments: of the test; params: of the fixtures that are named with `indirect`, by their names.
    """

    arguments: dict[str, Any]
    params: dict[str, Any]


def given_by_marks(marks: list[Any]) -> Iterator[Given]:
    """What `pytest.mark.parametrize` gives a test; nothing, once, where it has none of these marks."""
    tables, indirect = [], set()
    for mark in marks:
        if getattr(mark, "name", "") != "parametrize":
            continue
        (names, rows), options = mark.args[:2], getattr(mark, "kwargs", {})
        single = isinstance(names, str) and "," not in names
        names = names.split(",") if isinstance(names, str) else names
        names = [name.strip() for name in names if name.strip()]
        tables.append([_named(names, row, single) for row in rows])
        told = options.get("indirect", ())
        indirect |= {*names} if told is True else {*(told or ())}
    for rows in itertools.product(*tables):
        values = {name: value for row in rows for name, value in row.items()}
        yield Given(
            {name: value for name, value in values.items() if name not in indirect},
            {name: value for name, value in values.items() if name in indirect},
        )


def _named(names: list[str], row: Any, single: bool) -> dict[str, Any]:
    """The values of a row by the names of its columns. single: whether a row is the value of the only name."""
    values = [row] if single and not isinstance(row, _Row) else row
    return dict(zip(names, values, strict=True))


# Fixtures


def fixture(*args: Any, **options: Any) -> Any:
    """The decorator `pytest.fixture`, with or without arguments."""

    def marked(function: Any) -> Any:
        function.is_fixture, function.params = True, options.get("params")
        function.called, function.autouse = options.get("name"), options.get("autouse", False)
        return function

    return marked(args[0]) if args and callable(args[0]) else marked


class Fixtures:
    """The fixtures that a test sees, by name: those of its object, of its file, and of `conftest.py`.

    instance: an object whose method the test is, or None; module: the module of its file. found: where a fixture
    stands and under what name.
    """

    def __init__(self, instance: Any, module: Any) -> None:
        self.instance = instance
        self.found: dict[str, tuple[Any, str]] = {}
        path = getattr(module, "__name__", "").split(".")
        above = [_conftest(".".join(path[:end])) for end in range(1, len(path))]
        for place in (*above, module, instance):
            for name in dir(place):
                give = inspect.getattr_static(place, name)
                if getattr(give, "is_fixture", False) is True:
                    self.found[give.called or name] = place, name

    def of(self, name: str, instance: Any) -> Any:
        """The function of a fixture, that of the object if it is a method."""
        place, short = self.found[name]
        return getattr(instance if place is self.instance else place, short)

    def needed(self, test: Any, marks: list[Any]) -> list[str]:
        """The names of the fixtures of a test: those that every test has come first."""
        always = [name for name in self.found if self.of(name, self.instance).autouse]
        used = [
            name
            for mark in marks
            if getattr(mark, "name", "") == "usefixtures"
            for name in mark.args
        ]
        return [
            name for name in dict.fromkeys([*always, *used, *asked(test)]) if name in self.found
        ]

    def choices(self, names: list[str], given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """One of its `params` for every fixture that has some, and that a test with these fixtures comes to."""
        reached = dict.fromkeys(names)
        for name in names:
            self._reach(name, reached)
        several = {n: self.of(n, self.instance).params for n in reached if n not in given}
        several = {name: [*values] for name, values in several.items() if values}
        for values in itertools.product(*several.values()):
            yield {**given, **dict(zip(several, values, strict=True))}

    def _reach(self, name: str, reached: dict[str, None]) -> None:
        for other in asked(self.of(name, self.instance)):
            if other in self.found and other not in reached:
                reached[other] = None
                self._reach(other, reached)

    @contextlib.contextmanager
    def values(
        self, instance: Any, names: list[str], params: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """What the fixtures of these names give; afterwards, what they do after their `yield`."""
        given: dict[str, Any] = {}

        def value_of(name: str) -> Any:
            if name in given:
                return given[name]
            give = self.of(name, instance)
            wanted = {n: value_of(n) for n in asked(give) if n in self.found and n != name}
            if "request" in asked(give):
                wanted["request"] = types.SimpleNamespace(
                    param=params.get(name), instance=instance, cls=type(instance)
                )
            value = give(**wanted)
            if isinstance(value, types.GeneratorType):
                after.callback(next, value, None)
                value = next(value)
            given[name] = value
            return value

        with contextlib.ExitStack() as after:
            for name in names:
                value_of(name)
            yield given


def asked(function: Any) -> list[str]:
    """The names of what has to be given to a function."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def _conftest(folder: str) -> Any:
    """The module `conftest` of a folder of tests, or None."""
    with contextlib.suppress(Exception, SystemExit):
        return importlib.import_module(f"{folder}.conftest")
    return None


# What else there is


class _Near:
    """`pytest.approx` of a number, or of a list, an array or a dict of numbers."""

    # An array on the other side of a comparison leaves it to us, as a whole.
    __array_ufunc__ = None

    def __init__(self, wanted: Any, rel: float | None, abs: float | None) -> None:
        self.wanted = wanted
        self.rel = 1e-6 if rel is None and abs is None else rel or 0.0
        self.abs = 1e-12 if abs is None else abs

    def __eq__(self, other: Any) -> bool:
        return self.near(self.wanted, other)

    def near(self, wanted: Any, other: Any) -> bool:
        wanted, other = (getattr(v, "tolist", lambda v=v: v)() for v in (wanted, other))
        if isinstance(wanted, dict):
            return set(wanted) == set(other) and all(self.near(wanted[k], other[k]) for k in wanted)
        if isinstance(wanted, (list, tuple)):
            return len(wanted) == len(other) and all(map(self.near, wanted, other))
        return bool(wanted == other or abs(wanted - other) <= max(self.abs, self.rel * abs(wanted)))

    def __repr__(self) -> str:
        return f"approx({self.wanted!r})"

    __hash__ = None  # type: ignore[assignment]


def _raises(
    expected: Any, call: Any = None, /, *args: Any, match: str | None = None, **options: Any
) -> Any:
    """`pytest.raises`: for a `with`, or with a function that is to be called."""
    if call is None:
        return _raising(expected, match)
    with _raising(expected, match) as found:
        call(*args, **options)
    return found


@contextlib.contextmanager
def _raising(expected: Any, match: str | None) -> Iterator[Any]:
    found = types.SimpleNamespace(value=None, type=None)
    try:
        yield found
    except expected as error:
        if match is not None and not re.search(match, str(error)):
            raise AssertionError(f"{match!r} is not in {str(error)!r}") from error
        found.value, found.type = error, type(error)
        return
    raise AssertionError(f"{expected!r} was not raised")


def _fail(reason: str = "", **options: Any) -> None:
    raise AssertionError(reason)


def _skip(reason: str = "", **options: Any) -> None:
    from unittest import SkipTest

    raise SkipTest(reason)


def pytest() -> types.ModuleType:
    """A module with what tests of functions of numbers use of pytest."""
    module = types.ModuleType("pytest")

    def approx(expected: Any, rel: float | None = None, abs: float | None = None) -> _Near:
        return _Near(expected, rel, abs)

    def param(*values: Any, **options: Any) -> _Row:
        return _Row(values)

    def other(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in("pytest", name)

    vars(module).update(
        mark=_Marks(),
        approx=approx,
        fixture=fixture,
        param=param,
        raises=_raises,
        fail=_fail,
        skip=_skip,
        __getattr__=other,
    )
    return module
