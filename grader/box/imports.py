"""Imports a submission so that one broken file or one missing name costs no more than it must.

Python gives up on a whole package when one of its files does not compile or one name is missing. Here
every file that can be imported is, and the rest is remembered with the reason, by name. First the plain
import is tried; only when it fails are the files taken one by one, and only then does
`from .operators import prod` of a name that is not there give a stand-in that raises when it is used.

Libraries that course code imports without need, to draw or by an editor's doing, have a stand-in as well where
they are not installed.
"""

from __future__ import annotations

import ast
import dis
import functools
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Callable
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, SourceFileLoader
from typing import Any, NoReturn

from grader.box.faults import Blocked, Missing
from grader.box.notebook import LeftOut, NotebookLoader, located_on_disk, runs_notebook

_IMPORT_FROM = dis.opmap["IMPORT_FROM"]

# What is imported in passing: to draw, to show, to check types, or because an editor put it there. A name that
# is none of these is more likely misspelt, and says so.
STRAYS = frozenset({
    "IPython", "altair", "beartype", "bokeh", "chalk", "colorama", "colour", "datasets", "embeddings",
    "graphviz", "ipdb", "jaxtyping", "jedi", "line_profiler", "matplotlib", "memory_profiler", "mnist",
    "networkx", "pandas", "plotly", "pydot", "pytest", "rich", "scipy", "seaborn", "sklearn", "streamlit",
    "sympy", "tabulate", "termcolor", "tkinter", "toposort", "torch", "torchvision", "tqdm", "turtle",
    "typeguard", "wandb",
})  # fmt: skip
# Part of Python, and yet not to be had without a screen.
SCREEN = frozenset({"tkinter", "turtle"})
# Decorators that change nothing about a right call.
HARMLESS = frozenset({("beartype", "beartype"), ("typeguard", "typechecked")})


class _Absent(type):
    """The class of stand-ins: a class, so that a student's class may even inherit from one."""

    def __call__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise Missing(cls.__doc__)

    def __getattr__(cls, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Missing(cls.__doc__)


def stand_in(module: str, name: str) -> type:
    """What `from module import name` gives when there is no such name: it raises when it is used."""
    return _Absent(name, (), {"__doc__": f"{module}.{name} is not defined", "__module__": module})


def is_stand_in(value: Any) -> bool:
    return type(value) is _Absent


class _Stray(types.ModuleType):
    """A library that is not installed: everything in it raises when it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if (self.__name__, name) in HARMLESS:
            return _unchanged
        return _Absent(
            name,
            (),
            {"__doc__": f"{self.__name__} is not installed here", "__module__": self.__name__},
        )


def _unchanged(*args: Any, **options: Any) -> Any:
    """A decorator, with or without arguments, that gives back what it decorates."""
    return args[0] if len(args) == 1 and callable(args[0]) else lambda function: function


def stands_in(module: Any) -> bool:
    """Whether a module is a stand-in for one that is not installed."""
    return type(module) is _Stray


class _StrayLoader(Loader):
    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return _Stray(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing of it runs."""


class _Strays:
    """The finder of last resort: a stand-in for a stray library, where a file of the submission imports it."""

    def __init__(self, package: Package) -> None:
        self.package = package

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.split(".")[0] not in STRAYS:
            return None
        frame: Any = sys._getframe(1)
        while frame is not None and _imports(frame.f_code.co_filename):
            frame = frame.f_back
        file = frame.f_code.co_filename if frame is not None else ""
        root = self.package.root + os.sep
        # Who asks whether a library is there, by `try: import`, means to do without it.
        if not file.startswith(root) or frame.f_lineno in guarded(file):
            return None
        where = located_on_disk(file, frame.f_lineno) or file[len(root) :].replace(os.sep, "/")
        self.package.note(
            f"{where} imports {name.split('.')[0]}, which is not installed: a stand-in was given"
        )
        spec = ModuleSpec(name, _StrayLoader(), is_package=True)
        spec.submodule_search_locations = []
        return spec


def _imports(file: str) -> bool:
    """Whether code of that file is part of the way to import: Python's own, or the finders here."""
    return file.startswith("<frozen importlib._bootstrap") or file in (
        importlib.__file__,
        _imports.__code__.co_filename,
    )


@functools.lru_cache(maxsize=64)
def guarded(file: str) -> frozenset[int]:
    """The lines of a file on which a failing import is caught."""
    try:
        with open(file, "rb") as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    return frozenset(
        line
        for node in ast.walk(tree)
        if _catches(node)
        for inside in getattr(node, "body", ())
        for line in range(inside.lineno, (inside.end_lineno or inside.lineno) + 1)
    )


def _catches(node: ast.AST) -> bool:
    """Whether a statement is a `try` with an `except`, or `with suppress(...)`."""
    if isinstance(node, ast.With):
        return any("suppress" in ast.dump(item.context_expr) for item in node.items)
    return isinstance(node, ast.Try) and bool(node.handlers)


class _TolerantLoader(SourceFileLoader):
    """Loads a file as usual, but lets `from it import name` of a missing name give a stand-in."""

    package: Package

    def exec_module(self, module: types.ModuleType) -> None:
        def absent(name: str) -> Any:
            # Only the import statement is answered: hasattr, star imports and plain access behave as ever.
            frame = sys._getframe(1)
            opcode = frame.f_code.co_code[frame.f_lasti] if frame.f_lasti >= 0 else -1
            initialising = getattr(module.__spec__, "_initializing", False)
            if opcode != _IMPORT_FROM or name.startswith("__") or initialising:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            importer = frame.f_globals.get("__name__", "?")
            self.package.note(
                f"{importer} imports {name} from {module.__name__}, which does not define it"
            )
            return stand_in(module.__name__, name)

        module.__dict__["__getattr__"] = absent
        super().exec_module(module)


class Package:
    """The top-level modules of one submission (`minitorch`, or `warmup`).

    failures: module name -> why it cannot be imported. notes: what was worked around.
    """

    def __init__(self, root: str, names: list[str]) -> None:
        self.root = root
        self.names = list(names)
        self.failures: dict[str, BaseException] = {}
        self.notes: list[str] = []
        self.lost: dict[str, str] = {}  # names of a notebook that it does not define -> why
        self.describe: Callable[[BaseException], str] = repr
        self.tolerant = False
        self.strays = _Strays(self)
        self.found: dict[str, Any] = {}

    def note(self, text: str) -> None:
        if text not in self.notes and len(self.notes) < 20:
            self.notes.append(text)

    def resolve(self, path: str) -> Any:
        """What `minitorch.operators.mul` names. Raises Missing for a name that is not there, Blocked for
        one whose file cannot be imported."""
        if path in self.found:
            return self.found[path]
        parts = path.split(".")
        for cut in range(len(parts), 0, -1):
            module = self._module(".".join(parts[:cut]))
            if module is not None:
                break
        else:
            raise self._absent(parts[0])
        value: Any = module
        for done, name in enumerate(parts[cut:], start=cut):
            whole = ".".join(parts[: done + 1])
            if whole in self.failures:
                # A package that imports its files when they are asked for would only fail once more.
                raise self._blocked(whole)
            try:
                value = getattr(value, name)
            except (AttributeError, ModuleNotFoundError) as error:
                inside = hasattr(value, "__path__") and done + 1 < len(parts)
                if isinstance(error, ModuleNotFoundError) and not (inside and error.name == whole):
                    raise
                if inside and not os.path.exists(os.path.join(self.root, *parts[: done + 1])):
                    file = whole.replace(".", "/")
                    raise Blocked(f"there is no {file}.py in the submission") from None
                failed = self._absent(whole)
                # `minitorch.prod` may be missing only because the file that exports it did not load.
                if not isinstance(failed, Blocked) and done == 1 and self.failures and cut == 1:
                    failed = self._blocked(sorted(self.failures)[-1])
                raise failed from None
        if is_stand_in(value):
            raise Missing(value.__doc__)
        self.found[path] = value
        return value

    def _lost(self, module: str, names: list[str], error: BaseException) -> None:
        """A statement of a notebook failed, which would have bound those names."""
        said = self.describe(error)
        for name in names:
            self.lost.setdefault(f"{module}.{name}", f"its statement failed: {said}")
        self.note(f"a statement of the notebook failed, and the next ones were run: {said}")

    def _left_out(self, module: str, cell: LeftOut) -> None:
        """A cell of a notebook is no part of the module that was made of it."""
        for name in cell.names:
            self.lost.setdefault(f"{module}.{name}", f"{cell.place} was left out: {cell.why}")

    def _module(self, name: str) -> types.ModuleType | None:
        """A module of the submission, imported now if nothing has imported it so far."""
        if name not in sys.modules and "." in name and name.rpartition(".")[0] in sys.modules:
            base = os.path.join(self.root, *name.split("."))
            if os.path.isfile(base + ".py") and name not in self.failures:
                try:
                    return importlib.import_module(name)
                except (Exception, SystemExit) as error:
                    self.failures[name] = error
        return sys.modules.get(name)

    def _absent(self, name: str) -> Exception:
        if name in self.failures:
            return self._blocked(name)
        if name in self.lost:
            return Blocked(f"{name} is not defined, because {self.lost[name]}")
        if "." not in name and not os.path.exists(os.path.join(self.root, name)):
            return Blocked(f"there is no {name} in the submission")
        return Missing(f"{name} is not defined")

    def _blocked(self, name: str) -> Blocked:
        error = self.failures[name]
        where = name.replace(".", "/")
        where += ".py" if os.path.isfile(os.path.join(self.root, f"{where}.py")) else ""
        return Blocked(f"{where} cannot be imported: {self.describe(error)}")

    # The finder: the submission's own names come from its own folder, whatever else is installed.

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        parts = name.split(".")
        if parts[0] in SCREEN:
            return self.strays.find_spec(name, path, target)
        if parts[0] not in self.names:
            return None
        base = os.path.join(self.root, *parts)
        for file, is_package in ((os.path.join(base, "__init__.py"), True), (base + ".py", False)):
            if os.path.isfile(file):
                kind: type[SourceFileLoader] = (
                    _TolerantLoader if self.tolerant else SourceFileLoader
                )
                if not is_package and runs_notebook(file):
                    kind = NotebookLoader
                loader = kind(name, file)
                if isinstance(loader, _TolerantLoader):
                    loader.package = self
                elif isinstance(loader, NotebookLoader):
                    loader.lost = functools.partial(self._lost, name)
                    loader.absent = functools.partial(self._left_out, name)
                return importlib.util.spec_from_file_location(
                    name,
                    file,
                    loader=loader,
                    submodule_search_locations=[base] if is_package else None,
                )
        if os.path.isdir(base):
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [base]
            return spec
        return None

    def load(self) -> None:
        """Imports everything that can be imported. Failures are kept, never raised."""
        sys.dont_write_bytecode = True
        sys.meta_path.insert(0, self)
        if not any(isinstance(finder, _Strays) for finder in sys.meta_path):
            sys.meta_path.append(self.strays)
        sys.path.append(self.root)
        for name in self.names:
            self.tolerant = False
            try:
                importlib.import_module(name)
            except Exception as error:
                self._piece_by_piece(name, error)
            except SystemExit as error:
                self.note(f"{name} calls exit() while it is imported")
                self._piece_by_piece(name, error)

    def _piece_by_piece(self, name: str, error: BaseException) -> None:
        """Imports the files of a package one by one, after its import as a whole has failed."""
        folder = os.path.join(self.root, name)
        self.tolerant = True
        self._forget(name)
        if not os.path.isdir(folder):
            if isinstance(error, ImportError):
                # A single file that imports a missing name from a neighbour of ours: once more, tolerantly.
                try:
                    importlib.import_module(name)
                    return
                except (Exception, SystemExit) as second:
                    error = second
            self.failures[name] = error
            return
        try:
            importlib.import_module(name)
            return
        except (Exception, SystemExit) as second:
            error = second
        self._forget(name)
        package = types.ModuleType(name)
        package.__path__ = [folder]
        package.__spec__ = ModuleSpec(name, None, is_package=True)
        sys.modules[name] = package
        for module in self._modules(folder):
            full = f"{name}.{module}"
            try:
                importlib.import_module(full)
            except (Exception, SystemExit) as failure:
                self.failures[full] = failure
                self._forget(full)
        self._exports(folder, package)
        if not any(known.startswith(f"{name}.") for known in self.failures):
            self.failures[name] = error  # the fault lies in __init__.py itself

    def _forget(self, name: str) -> None:
        for known in list(sys.modules):
            if known == name or known.startswith(name + "."):
                del sys.modules[known]

    def _modules(self, folder: str) -> list[str]:
        """The package's files, those that its `__init__` imports first and in that order."""
        files = sorted(
            entry[:-3]
            for entry in os.listdir(folder)
            if entry.endswith(".py") and entry != "__init__.py"
        )
        first = [module for module, _ in self._imported(folder) if module in files]
        return list(dict.fromkeys(first + files))

    def _imported(self, folder: str) -> list[tuple[str, list[ast.alias]]]:
        try:
            with open(os.path.join(folder, "__init__.py"), "rb") as file:
                tree = ast.parse(file.read())
        except (OSError, SyntaxError, ValueError):
            return []
        return [
            (node.module or "", node.names)
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.level == 1
        ]

    def _exports(self, folder: str, package: types.ModuleType) -> None:
        """Does what the `from .x import ...` lines of a package that failed would have done."""
        for module, aliases in self._imported(folder):
            source = sys.modules.get(f"{package.__name__}.{module}") if module else package
            if source is None:
                continue
            for alias in aliases:
                if alias.name != "*":
                    value = getattr(source, alias.name, None)
                    if value is not None:
                        setattr(package, alias.asname or alias.name, value)
                    continue
                public = getattr(source, "__all__", None) or [
                    n for n in vars(source) if not n.startswith("_")
                ]
                for name in public:
                    if name in vars(source):
                        setattr(package, name, vars(source)[name])
