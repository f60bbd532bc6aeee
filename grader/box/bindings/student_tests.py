"""Runs a student's own property tests, on operators that are put in the place of theirs.

A test is a plain function or a method of a class, or one that Hypothesis calls with numbers of its choice;
always the same ones, and few. What is looked for is only whether it comes to its end. pytest is not needed:
`pytest_stand_in` is what tests find in its place.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from grader.box.bindings.pytest_stand_in import (
    Fixtures,
    asked,
    given_by_marks,
    marks_of,
    pytest,
)
from grader.box.faults import Blocked, Missing
from grader.box.imports import Package, stands_in

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
        for name, function in functions.items():
            if isinstance(function, types.FunctionType):
                function.__qualname__ = name  # for what Python says of a wrong call
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
        self.found: dict[str, Test] = {}

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
            test()

    def _imported(self, name: str) -> Test:
        place = self.place(name)
        prepare()
        top = place.split(".")[0]
        if top not in self.packages:
            package = self.packages[top] = Package(self.package.root, [top])
            package.describe = self.package.describe
            package.load()
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(place)  # what it raises is raised once more, and told, below
        module = sys.modules.get(place)
        holder = holder_of(module, name)
        body = getattr(holder, name) if holder else self.packages[top].resolve(f"{place}.{name}")
        if not callable(body):
            raise Missing(f"{name} in {place.replace('.', '/')}.py is no function")
        function = getattr(body, "__func__", body)
        if getattr(function, "is_hypothesis_test", False):
            # Whatever the student set: how many examples are tried is the same for everybody.
            function._hypothesis_internal_use_settings = few()
        for before in ("setUpModule", "setup_module"):
            around(module, before, module)
        return Test(name, body, module, holder)

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


class Test:
    """A test: a function, or a method of a class. It is run for every row of its tables and every one of its
    fixtures' `params`, a method each time on a new object, between what pytest or unittest call before and after.

    holder: the class whose method it is, or None.
    """

    def __init__(self, name: str, body: Any, module: Any, holder: type | None) -> None:
        self.name = name
        self.body = body
        self.module = module
        self.holder = holder
        self.marks = [mark for part in (module, holder, body) for mark in marks_of(part)]

    def __call__(self) -> None:
        fixtures = Fixtures(self.made(), self.module)
        names = fixtures.needed(self.method(fixtures.instance), self.marks)
        for arguments, given in given_by_marks(self.marks):
            wanted = [name for name in names if name not in arguments]
            for params in fixtures.choices(wanted, given):
                self.once(arguments, fixtures, wanted, params)

    def made(self) -> Any:
        """An object of the class, if it is a method."""
        cases = sys.modules.get("unittest")
        named = cases is not None and self.holder and issubclass(self.holder, cases.TestCase)
        return None if self.holder is None else self.holder(self.name) if named else self.holder()

    def method(self, instance: Any) -> Any:
        return self.body if self.holder is None else getattr(instance, self.name)

    def once(
        self,
        arguments: dict[str, Any],
        fixtures: Fixtures,
        names: list[str],
        params: dict[str, Any],
    ) -> None:
        """One run. A test that says that it is to be skipped has come to its end."""
        instance = self.made()
        test = self.method(instance)
        place = self.module if instance is None else instance
        skipped = getattr(sys.modules.get("unittest"), "SkipTest", ())
        try:
            for before in BEFORE if self.holder else ("setup_function",):
                around(place, before, test)
            with fixtures.values(instance, names, params) as values:
                given = {name: values[name] for name in asked(test) if name in values} | arguments
                self.called(test, given)
        except skipped:
            pass
        finally:
            for after in AFTER if self.holder else ("teardown_function",):
                around(place, after, test)

    def called(self, test: Any, given: dict[str, Any]) -> None:
        """The test with its arguments. One that nothing gives is told by its name."""
        try:
            test(**given)
        except TypeError as error:
            lacking = [name for name in asked(test) if name not in given]
            if not lacking or error.__traceback__ is None or error.__traceback__.tb_next:
                raise
            raise TypeError(
                f"nothing gives {self.name} its argument {lacking[0]!r}: no decorator and no fixture"
            ) from error


BEFORE = ("setUpClass", "setup_class", "setUp", "setup_method")
AFTER = ("tearDown", "teardown_method")


def around(place: Any, name: str, test: Any) -> None:
    """Calls what stands before or after a test in its class or its file, if it is there; some of it may take the
    test."""
    found = getattr(place, name, None)
    if found is not None:
        found(test) if asked(found) else found()


def holder_of(module: Any, name: str) -> type | None:
    """The class of a module that has a test of that name; None where the module itself has it, or no class has."""
    names = dict(vars(module)) if isinstance(module, types.ModuleType) else {}
    if name not in names:
        for value in names.values():
            if isinstance(value, type) and callable(getattr(value, name, None)):
                return value
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
