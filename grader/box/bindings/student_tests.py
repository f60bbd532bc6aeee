"""Runs a student's own property tests, on operators that are put in the place of theirs.

A test is a plain function or a method of a class, or one that Hypothesis calls with numbers of its choice;
always the same ones, and few. What is looked for is only whether it comes to its end. pytest is not needed: what
tests use of it while they are collected is stood in for.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import itertools
import os
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from grader.box.faults import Blocked, Missing
from grader.box.imports import Package, stand_in, stands_in

EXAMPLES = 60
FOLDER = "tests"


class Operators:
    """A module that stands in for the submission's `operators`, and whose functions can be exchanged.

    Tests take functions out of it by name, once; so each is a function that calls whatever counts at the
    time. called: the names of those that were called since `use`.
    """

    def __init__(self, package: Package, path: str) -> None:
        self.path = path
        self.package = package
        self.module = types.ModuleType(path)
        self.functions: Mapping[str, Callable[..., Any]] = {}
        self.called: list[str] = []
        self.own = sys.modules.get(path)
        self.module.__dict__["__getattr__"] = self._other

    def _other(self, name: str) -> Any:
        """A name that is no operator of ours: a helper that the student keeps among their own."""
        if self.own is None or name.startswith("__"):
            raise AttributeError(f"module {self.path!r} has no attribute {name!r}")
        return getattr(self.own, name)

    def use(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.functions = functions
        self.called = []
        for name in functions:
            if name not in self.module.__dict__:
                self.module.__dict__[name] = self._dispatcher(name)

    def _dispatcher(self, name: str) -> Callable[..., Any]:
        def operator(*args: Any, **options: Any) -> Any:
            if name not in self.called:
                self.called.append(name)
            return self.functions[name](*args, **options)

        operator.__name__ = operator.__qualname__ = name
        operator.__module__ = self.path
        return operator

    @contextlib.contextmanager
    def standing(self) -> Iterator[None]:
        """The module in its place: in `sys.modules`, in its package, and where that exports its functions."""
        above, _, short = self.path.rpartition(".")
        whole = sys.modules.get(above)
        if whole is None:
            # Nothing of the package could be imported: the operators are all of it that a test may need.
            whole = types.ModuleType(above)
            whole.__path__ = [os.path.join(self.package.root, above)]
        before = {above: sys.modules.get(above), self.path: sys.modules.get(self.path)}
        names = dict(vars(whole))
        sys.modules[above], sys.modules[self.path] = whole, self.module
        vars(whole)[short] = self.module
        own = vars(self.own) if self.own is not None else {}
        for name in self.functions:
            if name != short and name in own and names.get(name) is own[name]:
                vars(whole)[name] = self.module.__dict__[name]
        try:
            yield
        finally:
            for name, module in before.items():
                if module is None:
                    sys.modules.pop(name, None)
                else:
                    sys.modules[name] = module
            for name in (short, *self.functions):
                if name in names:
                    vars(whole)[name] = names[name]
                else:
                    vars(whole).pop(name, None)


class Tests:
    """The tests of one submission, imported once, while `operators` stand in for its own."""

    def __init__(self, package: Package, path: str) -> None:
        self.package = package
        self.operators = Operators(package, path)
        self.packages: dict[str, Package] = {}
        self.found: dict[str, Any] = {}

    def run(self, name: str, functions: Mapping[str, Callable[..., Any]]) -> None:
        """Runs the test of that name on operators; raises what it raises.

        Raises Missing when there is no such test, Blocked when its file is not there or cannot be imported.
        """
        self.operators.use(functions)
        with self.operators.standing():
            test = self.found.get(name)
            if test is None:
                test = self.found[name] = self._imported(name)
            self.operators.called = []
            for arguments in given_by_marks(test):
                for given in with_fixtures(test, arguments):
                    test(**given)

    def _imported(self, name: str) -> Any:
        place = self.place(name)
        prepare()
        top = place.split(".")[0]
        if top not in self.packages:
            package = self.packages[top] = Package(self.package.root, [top])
            package.describe = self.package.describe
            package.load()
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(place)  # what it raises is raised once more, and told, below
        method = method_of(sys.modules.get(place), name)
        test = method or self.packages[top].resolve(f"{place}.{name}")
        if not callable(test):
            raise Missing(f"{name} in {place.replace('.', '/')}.py is no function")
        body: Any = test if method is None else method.body
        if getattr(body, "is_hypothesis_test", False):
            # Whatever the student set: how many examples are tried is the same for everybody.
            body._hypothesis_internal_use_settings = few()
        return test

    def place(self, name: str) -> str:
        """The module that defines a test: `tests.test_operators`, or any other file that does."""
        root = self.package.root
        files = []
        for folder, folders, names in os.walk(os.path.join(root, FOLDER)):
            folders.sort()
            files += [os.path.join(folder, n) for n in sorted(names) if n.endswith(".py")]
        files += [
            os.path.join(root, n)
            for n in sorted(os.listdir(root))
            if re.fullmatch(r"test_\w+\.py", n)
        ]
        usual = self.operators.path.rpartition(".")[2]
        files.sort(key=lambda file: os.path.basename(file) != f"test_{usual}.py")
        word = name.encode()
        plain = rb"^(?:def|class)\s+%s\b|^%s\s*=" % (word, word)
        for pattern in (plain, rb"^[ \t]+def\s+%s\b" % word):  # a function, else a method
            for file in files:
                with open(file, "rb") as source:
                    if re.search(pattern, source.read(), re.M):
                        inside = os.path.relpath(file, root).removesuffix(".py")
                        return inside.replace(os.sep, ".")
        where = f"{FOLDER}/test_{usual}.py"
        if not os.path.isfile(os.path.join(root, *where.split("/"))):
            raise Blocked(f"there is no {where} in the submission")
        raise Missing(f"{where} does not define {name}")


class Method:
    """A test that is a method. Each call is on a new object of its class, between what pytest or unittest calls
    before and after it."""

    def __init__(self, holder: type, name: str) -> None:
        self.holder = holder
        self.name = name
        self.body = getattr(holder, name)
        self.pytestmark = [*marks_of(holder), *marks_of(self.body)]

    def __call__(self, /, **arguments: Any) -> None:
        cases = sys.modules.get("unittest")
        named = cases is not None and issubclass(self.holder, cases.TestCase)
        made = self.holder(self.name) if named else self.holder()
        for given in with_fixtures(getattr(made, self.name), arguments):
            self.once(self.holder(self.name) if named else self.holder(), given)

    def once(self, instance: Any, arguments: dict[str, Any]) -> None:
        """One run of the test."""
        method = getattr(instance, self.name)
        for name in ("setUpClass", "setup_class", "setUp", "setup_method"):
            self.around(instance, name, method)
        try:
            method(**arguments)
        finally:
            for name in ("tearDown", "teardown_method"):
                self.around(instance, name, method)

    def around(self, instance: Any, name: str, method: Any) -> None:
        """Calls what stands before or after a test, if the class has it; some of it may take the method."""
        found = getattr(instance, name, None)
        if found is not None:
            takes = getattr(getattr(found, "__code__", None), "co_argcount", 1) > 1
            found(method) if takes and name.endswith("_method") else found()


def method_of(module: Any, name: str) -> Method | None:
    """The test of that name in a class of a module; None where the module itself has the name, or no class has."""
    names = dict(vars(module)) if isinstance(module, types.ModuleType) else {}
    if name not in names:
        for value in names.values():
            if isinstance(value, type) and callable(getattr(value, name, None)):
                return Method(value, name)
    return None


def few() -> Any:
    """Hypothesis' settings for a student's test: always the same examples, few, and nothing stored."""
    from hypothesis import HealthCheck, Phase, settings

    return settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


def prepare() -> None:
    """Before a test's file is imported: Hypothesis' settings, and a pytest where none is loaded."""
    from hypothesis import settings

    settings.register_profile("box", few())
    settings.load_profile("box")
    if stands_in(sys.modules.get("pytest")) or "pytest" not in sys.modules:
        sys.modules["pytest"] = pytest()


def told(error: Exception) -> None:
    """Puts the numbers that Hypothesis found into the message of a failed assertion."""
    if type(error) is not AssertionError:
        return
    notes = [
        " ".join(note.split()).replace("( ", "(").replace(", )", ")")
        for note in getattr(error, "__notes__", ())
        if type(note) is str
    ]
    said = [str(part) for part in error.args[:1] if type(part) is str]
    if said or notes:
        error.args = ("; ".join([*said, *notes[:1]]),)


def with_fixtures(test: Any, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The arguments of a test, and what fixtures of its class, its file or `conftest.py` give for its other names.

    A fixture with several `params` gives a value for each of them: the test is run for every combination.
    """
    try:
        names = [] if isinstance(test, Method) else [*inspect.signature(test).parameters]
    except (TypeError, ValueError):
        names = []
    found = {}
    for name in names:
        give = None if name in arguments else fixture_of(test, name)
        if give is not None:
            found[name] = [*values_of(give)]
    for values in itertools.product(*found.values()):
        yield arguments | dict(zip(found, values, strict=True))


def values_of(give: Any) -> Iterator[Any]:
    """What a fixture gives: once, or once for each of its `params`, which it finds in `request.param`."""
    asked = "request" in inspect.signature(give).parameters
    for param in getattr(give, "params", None) or [None]:
        request = {"request": types.SimpleNamespace(param=param)} if asked else {}
        for given in with_fixtures(give, request):
            value = give(**given)
            yield next(value) if isinstance(value, types.GeneratorType) else value


def fixture_of(test: Any, name: str) -> Callable[..., Any] | None:
    """The fixture of that name that a test or another fixture sees, if there is one."""
    with contextlib.suppress(Exception, SystemExit):
        importlib.import_module(f"{FOLDER}.conftest")
    modules = [sys.modules.get(n) for n in (test.__module__, f"{FOLDER}.conftest")]
    for place in (getattr(test, "__self__", None), *modules):
        give: Callable[..., Any] | None = getattr(place, name, None)
        if callable(give) and getattr(give, "is_fixture", False):
            return give
    return None


def marks_of(test: Any) -> list[Any]:
    """The marks that decorate a test, or a class of tests."""
    marks = getattr(test, "pytestmark", [])
    return marks if isinstance(marks, list) else []


def given_by_marks(test: Any) -> Iterator[dict[str, Any]]:
    """The arguments that `pytest.mark.parametrize` gives a test; no arguments, once, where it has none."""
    tables = []
    for mark in marks_of(test):
        if getattr(mark, "name", "") != "parametrize":
            continue
        names, rows = mark.args[:2]
        names = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
        tables.append(
            [dict(zip(names, row if len(names) > 1 else [row], strict=True)) for row in rows]
        )
    for rows in itertools.product(*tables):
        yield {name: value for row in rows for name, value in row.items()}


# What stands in for pytest


class _Mark:
    """`pytest.mark.anything`, as a decorator with or without arguments."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any, **options: Any) -> Any:
        if len(args) == 1 and not options and isinstance(args[0], (types.FunctionType, type)):
            return args[0]
        mark = types.SimpleNamespace(name=self.name, args=args, kwargs=options)

        def marked(test: Any) -> Any:
            test.pytestmark = [*getattr(test, "pytestmark", []), mark]
            return test

        return marked


class _Marks:
    def __getattr__(self, name: str) -> _Mark:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Mark(name)


class _Near:
    """`pytest.approx` of a number, or of a list or dict of numbers."""

    def __init__(self, wanted: Any, rel: float | None, abs: float | None) -> None:
        self.wanted = wanted
        self.rel = 1e-6 if rel is None and abs is None else rel or 0.0
        self.abs = 1e-12 if abs is None else abs

    def __eq__(self, other: Any) -> bool:
        wanted = self.wanted
        if isinstance(wanted, dict):
            return set(wanted) == set(other) and all(self.near(wanted[k], other[k]) for k in wanted)
        if isinstance(wanted, (list, tuple)):
            return len(wanted) == len(other) and all(map(self.near, wanted, other))
        return self.near(wanted, other)

    def near(self, wanted: Any, other: Any) -> bool:
        return bool(wanted == other or abs(wanted - other) <= max(self.abs, self.rel * abs(wanted)))

    def __repr__(self) -> str:
        return f"approx({self.wanted!r})"

    __hash__ = None  # type: ignore[assignment]


@contextlib.contextmanager
def _raises(expected: Any, *, match: str | None = None) -> Iterator[Any]:
    found = types.SimpleNamespace(value=None, type=None)
    try:
        yield found
    except expected as error:
        if match is not None and not re.search(match, str(error)):
            raise AssertionError(f"{match!r} is not in {str(error)!r}") from error
        found.value, found.type = error, type(error)
        return
    raise AssertionError(f"{expected!r} was not raised")


def _fail(reason: str = "") -> None:
    raise AssertionError(reason)


def pytest() -> types.ModuleType:
    """A module with what tests of functions of numbers use of pytest."""
    module = types.ModuleType("pytest")

    def approx(expected: Any, rel: float | None = None, abs: float | None = None) -> _Near:
        return _Near(expected, rel, abs)

    def fixture(*args: Any, **options: Any) -> Any:
        def marked(function: Any) -> Any:
            function.is_fixture, function.params = True, options.get("params")
            return function

        return marked(args[0]) if args and callable(args[0]) else marked

    def param(*values: Any, **options: Any) -> Any:
        return values if len(values) > 1 else values[0]

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
        __getattr__=other,
    )
    return module
