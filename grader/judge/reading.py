"""Reads a submission's own files for means that a course may not want, without ever importing one.

It knows syntax trees and a small call graph. It finds libraries that differentiate, difference quotients
and complex steps that a backward can reach, large tables, and code that is made of text at run time. It
decides nothing: a finding says where and what, and which functions must run for it to matter.
"""

from __future__ import annotations

import ast
import codecs
import functools
import io
import re
import time
import tokenize
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from grader.parsing import LONGEST, hard

# Top-level modules that differentiate, by rules or by numbers.
FOREIGN = frozenset({
    "ad", "aesara", "algopy", "autograd", "autograd_gamma", "casadi", "chainer", "diffrax",
    "dynet", "equinox", "flax", "functorch", "haiku", "jax", "jaxlib", "jaxopt", "keras",
    "micrograd", "mindspore", "mxnet", "mygrad", "numdifftools", "numpyro", "oneflow", "optax",
    "paddle", "pyadolc", "pyro", "pytensor", "pytorch_lightning", "symengine", "sympy",
    "tensorflow", "theano", "tinygrad", "torch", "torchaudio", "torchvision", "uncertainties",
})  # fmt: skip
# Functions of other libraries that do.
FOREIGN_CALLS = frozenset({
    "numpy.gradient", "scipy.optimize.approx_fprime", "scipy.optimize.check_grad",
    "scipy.misc.derivative", "scipy.differentiate.derivative", "scipy.differentiate.jacobian",
})  # fmt: skip
READS_DATA = frozenset({
    "open", "io.open", "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "numpy.fromfile",
    "numpy.frombuffer", "pickle.load", "pickle.loads", "json.load", "json.loads", "marshal.load",
    "shelve.open", "sqlite3.connect", "base64.b64decode", "zlib.decompress",
})  # fmt: skip
RUNS_TEXT = frozenset(
    ("exec", "eval", "compile", "builtins.exec", "builtins.eval", "builtins.compile")
)
RUNS_ELSE = frozenset({
    "marshal.loads", "types.CodeType", "types.FunctionType", "os.system", "os.popen",
    "subprocess.run", "subprocess.Popen", "subprocess.check_output", "subprocess.call",
    "runpy.run_path", "runpy.run_module", "importlib.util.spec_from_file_location",
    "importlib.machinery.SourceFileLoader", "importlib.machinery.SourcelessFileLoader",
})  # fmt: skip
IMPORTS_BY_NAME = frozenset(
    ("__import__", "importlib.import_module", "importlib.__import__", "builtins.__import__")
)

# What no homework needs, and who looks for the questioner does: the grader's own modules, frames of other
# functions, every object there is, the memory, and how numba works inside.
PRIES_IN = frozenset({"grader", "greenlet", "gc", "ctypes", "numba.core", "numba.cuda.simulator"})
HARMLESS_IN = frozenset({"numba.core.types", "numba.core.errors"})
DEEPEST = max(name.count(".") + 1 for name in PRIES_IN | HARMLESS_IN)
PRIES_BY = frozenset({
    "sys._getframe", "sys._current_frames", "sys.settrace", "sys.setprofile", "sys.modules",
    "inspect.currentframe", "inspect.stack", "inspect.getouterframes",
})  # fmt: skip
PRIES_AT = frozenset(
    ("f_back", "f_locals", "f_globals", "__closure__", "__globals__", "cell_contents")
)

# Functions that answer with a derivative: what they reach is how they found it.
_ROOT = re.compile(r"_?(backward|chain\w+|backprop\w*|jacobian|vjp)|.*_(back|backward|vjp|grad|gradient|jacobian)")  # fmt: skip
_NO_ROOT = re.compile(r"check|numer|approx|differenc|test|(zero|requires|no)_grad")
# What courses call their own difference quotient, where the function itself cannot be found.
_DIFFERENCE_NAME = re.compile(r"(grad_)?(central|finite|forward|numeric(al)?)_(diff\w*|deriv\w*|grad\w*|jacobian)")  # fmt: skip

TABLE_KEYS = 8  # entries of a dict, or comparisons with a constant, that look like a table
TABLE_NUMBERS = 64  # numbers in one list
LONG_TEXT = 1000  # characters of a constant that may hold data
LARGEST_SUM = 1 << 22  # bytes of all files together
KEPT_FILE = (
    1 << 16
)  # bytes of a file whose tree is kept for the next submission that has it as well
SECONDS = 5.0  # processor time for a whole submission; honest ones take some milliseconds
LARGEST_STEP = 0.01
SHORT = 120
LONGEST_CHAIN = 50  # names in `a.b.c`, above which it is no name of anything
MOST_TARGETS = 20  # names that one table is bound to
MOST_PARTS = 2000  # of an expression that stands for a text
# Ways to write a file down that no editor knows, and that Python takes minutes to read.
SLOW_CODECS = frozenset({"punycode", "idna"})

_SIGNS = frozenset({ast.Load, ast.Store, ast.Del})
Place = tuple[
    str, int
]  # a function, by its file and its first line, as Python's own frames name it


class Finding(msgspec.Struct, frozen=True):
    """One thing that was read.

    kind: a key of Policy; where: `student.py:12`; what: in words; functions: those that must run for it
    to matter; owners: the names by which a question may ask for them (`Exp`, `derivative`); sure: False
    for what may well be harmless, and only says where to look closer.
    """

    kind: str
    where: str
    what: str
    functions: frozenset[Place] = frozenset()
    owners: frozenset[str] = frozenset()
    sure: bool = True


class _TooLong(Exception):
    """Raised inside the reader when its time is used up."""


class _Function:
    """A function, or the top level of a file, with what stands directly in it."""

    def __init__(self, file: _File, node: Any, name: str, owner: str, outer: _Function | None):
        self.file = file
        self.node = node
        self.name = name
        self.owner = owner  # the class that it is a method of, or ""
        self.outer = outer
        decorators = getattr(node, "decorator_list", [])
        self.first = min([d.lineno for d in decorators] + [getattr(node, "lineno", 1)])
        self.place: Place = file.path, self.first
        self.inner: dict[str, _Function] = {}
        self.parameters: set[str] = set()
        self.assigned: dict[str, list[tuple[int, ast.expr]]] = {}
        self.loads: set[str] = set()
        self.attributes: list[ast.Attribute] = []
        self.calls: list[ast.Call] = []
        self.products: list[ast.BinOp] = []
        self.complexes: list[tuple[int, str]] = []
        self.keys = 0  # comparisons with a constant number
        self.keys_at = 0

    @property
    def asked_as(self) -> str:
        """The name by which a question asks for it: its class, or its own."""
        outermost = self
        while outermost.outer is not None and outermost.outer.name:
            outermost = outermost.outer
        return outermost.owner or outermost.name

    def parameter(self, name: str) -> bool:
        """Whether a name is a parameter here or of a function around it."""
        step: _Function | None = self
        while step is not None:
            if name in step.parameters:
                return True
            step = step.outer
        return False

    def local(self, name: str) -> bool:
        """Whether a name is a function that is defined here, such as `shifted` of `shifted(h)`."""
        values = self.assigned.get(name, [])
        return name in self.inner or any(isinstance(v, ast.Lambda) for _, v in values)

    def value(self, node: ast.expr) -> ast.expr:
        """A local name as what was last assigned to it; other expressions as they are."""
        for _ in range(4):
            if not isinstance(node, ast.Name):
                break
            found = [v for line, v in self.assigned.get(node.id, []) if line <= node.lineno]
            if not found or found[-1] is node:
                break
            node = found[-1]
        return node


class _File:
    """A file that compiles: its functions, classes and imports."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path = path
        self.module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self.package = path.endswith("__init__.py")
        self.top = _Function(self, tree, "", "", None)
        self.functions: list[_Function] = [self.top]
        self.methods: dict[str, dict[str, _Function]] = {}
        self.aliases: dict[str, str] = {}  # name -> dotted name that it stands for
        self.stars: list[str] = []
        self.imports: list[tuple[str, int, str, list[str], _Function]] = []
        self.tables: list[tuple[int, str, list[str], _Function]] = []
        _walk(self, tree)

    def absolute(self, node: ast.ImportFrom) -> str:
        """The dotted module of a `from` import, its leading dots resolved."""
        if not node.level:
            return node.module or ""
        parts = self.module.split(".")
        drop = node.level - 1 if self.package else node.level
        parts = parts[: len(parts) - drop] if drop else parts
        return ".".join([*parts, node.module] if node.module else parts)


def _codec(data: bytes) -> str:
    """The codec that a file says it is written in, by Python's name for it; "" for one that Python does not
    know, and where it cannot tell."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        named, _ = tokenize.detect_encoding(io.BytesIO(lines).readline)
        return codecs.lookup(named).name
    except (SyntaxError, LookupError, ValueError):
        return ""


@functools.lru_cache(maxsize=64)
def _file(path: str, data: bytes) -> _File:
    """One file, read. Kept, because most of a class' files are those that the course gave."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _File(path, ast.parse(data))


def _walk(file: _File, tree: ast.Module) -> None:
    """Fills a file's record in one pass, without recursion: a tree may be as deep as its author likes."""
    stack: list[tuple[Any, _Function, str, str]] = [(tree, file.top, "", "")]
    while stack:
        node, here, owner, bound = stack.pop()
        kind = type(node)
        if kind in (ast.FunctionDef, ast.AsyncFunctionDef):
            made = _Function(file, node, node.name, owner if here is file.top else "", here)
            args = node.args
            every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
            made.parameters = {a.arg for a in every if a is not None}
            file.functions.append(made)
            if owner and here is file.top:
                file.methods.setdefault(owner, {})[node.name] = made
            else:
                here.inner[node.name] = made
            stack += [(d, here, "", "") for d in [*node.decorator_list, *args.defaults]]
            stack += [(child, made, "", "") for child in _body(node.body)]
            continue
        if kind is ast.ClassDef:
            stack += [(child, here, "", "") for child in node.decorator_list]
            stack += [(child, here, node.name, "") for child in _body(node.body)]
            continue
        if kind is ast.Module:
            stack += [(child, here, "", "") for child in _body(node.body)]
            continue
        if kind is ast.If and _names(node.test)[-1:] == ["TYPE_CHECKING"]:
            stack += [(child, here, owner, "") for child in node.orelse]
            continue
        # A method may stand under a condition.
        owner_below = owner if kind in (ast.If, ast.Try, ast.With) else ""
        if kind is ast.Expr and isinstance(node.value, ast.Constant):
            continue  # a text that stands for a comment
        _note(file, here, node, kind, bound)
        if kind in (ast.Assign, ast.AnnAssign) and here is file.top:
            targets = node.targets if kind is ast.Assign else [node.target]
            named = [t.id for t in targets if isinstance(t, ast.Name)]
            bound = " ".join(named[:MOST_TARGETS]) or bound
        for field in node._fields:
            value = getattr(node, field, None)
            if type(value) is list:
                stack += [(c, here, owner_below, bound) for c in value if isinstance(c, ast.AST)]
            elif isinstance(value, ast.AST) and type(value) not in _SIGNS:
                stack.append((value, here, owner_below, bound))


def _body(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements without a docstring."""
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return body[1:]
    return body


def _note(file: _File, here: _Function, node: Any, kind: type, bound: str) -> None:
    """Takes down what one node says."""
    if kind is ast.Name:
        if isinstance(node.ctx, ast.Load):
            here.loads.add(node.id)
    elif kind is ast.Attribute:
        here.attributes.append(node)
        if node.attr == "imag":
            here.complexes.append((node.lineno, ".imag"))
    elif kind is ast.Call:
        here.calls.append(node)
        if isinstance(node.func, ast.Name) and node.func.id == "complex":
            here.complexes.append((node.lineno, "complex(...)"))
    elif kind is ast.Constant:
        value = node.value
        if type(value) is complex:
            here.complexes.append((node.lineno, repr(value)))
        elif isinstance(value, (str, bytes)) and len(value) >= LONG_TEXT:
            sort = "text" if isinstance(value, str) else "bytes"
            what = f"a constant of {len(value)} characters of {sort}"
            file.tables.append((node.lineno, what, bound.split(), here))
    elif kind is ast.BinOp:
        if isinstance(node.op, (ast.Div, ast.Mult)):
            here.products.append(node)
    elif kind is ast.Assign:
        for target in node.targets:
            _assign(here, target, node.value)
    elif kind is ast.AnnAssign and node.value is not None:
        _assign(here, node.target, node.value)
    elif kind is ast.Dict:
        keys = sum(_numeric(key) for key in node.keys if key is not None)
        if keys >= TABLE_KEYS and keys >= 0.8 * len(node.keys):
            what = f"a table of {keys} entries whose keys are numbers"
            file.tables.append((node.lineno, what, bound.split(), here))
    elif kind in (ast.List, ast.Tuple, ast.Set):
        numbers = sum(_numeric(item) for item in node.elts)
        if numbers >= TABLE_NUMBERS:
            what = f"a list of {numbers} numbers"
            file.tables.append((node.lineno, what, bound.split(), here))
    elif kind is ast.Compare:
        sides = [node.left, *node.comparators]
        equal = all(isinstance(op, (ast.Eq, ast.In)) for op in node.ops)
        if equal and any(_numeric(side) for side in sides):
            here.keys += 1
            here.keys_at = here.keys_at or node.lineno
    elif kind is ast.MatchValue:
        if _numeric(node.value):
            here.keys += 1
            here.keys_at = here.keys_at or node.lineno
    elif kind is ast.Import:
        for alias in node.names:
            name = alias.asname or alias.name.split(".")[0]
            file.aliases[name] = alias.name if alias.asname else name
            file.imports.append((alias.name, node.lineno, f"import {alias.name}", [name], here))
    elif kind is ast.ImportFrom:
        source = file.absolute(node)
        names = [alias.asname or alias.name for alias in node.names]
        for alias in node.names:
            if alias.name == "*":
                file.stars.append(source)
            else:
                file.aliases[alias.asname or alias.name] = f"{source}.{alias.name}"
        told = f"from {'.' * node.level}{node.module or ''} import {', '.join(names)}"
        file.imports.append((source, node.lineno, told, names, here))


def _assign(here: _Function, target: ast.expr, value: ast.expr) -> None:
    if isinstance(target, ast.Name):
        here.assigned.setdefault(target.id, []).append((target.lineno, value))
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, part in zip(target.elts, value.elts, strict=False):
            if isinstance(one, ast.Name):
                here.assigned.setdefault(one.id, []).append((one.lineno, part))


def _numeric(node: Any) -> bool:
    """A number, a signed number, or a tuple or list of a few of them."""
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    if isinstance(node, (ast.Tuple, ast.List)) and 0 < len(node.elts) <= 16:
        return all(
            isinstance(e.operand if isinstance(e, ast.UnaryOp) else e, ast.Constant)
            for e in node.elts
        )
    return False


def _names(node: Any) -> list[str]:
    """`a.b.c` as its parts; [] for what is no chain of names."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        if len(parts) == LONGEST_CHAIN:
            return []  # each part of a long chain is looked at, so the time would grow with its square
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return []
    return [node.id, *reversed(parts)]


class Reader:
    """The files that a grading can reach, and what they call.

    beside: files that run as well, but compute nothing that is graded, such as a student's tests.
    """

    def __init__(
        self, files: dict[str, bytes], expects: Iterable[str], also: Iterable[str] = ()
    ) -> None:
        self.files = files
        self.until = time.process_time() + SECONDS
        self.size = 0
        self.unread: list[tuple[str, str]] = []
        self.parsed: dict[str, _File] = {}  # by module
        waiting = list(expects)
        seen: set[str] = set()
        while waiting:
            top = waiting.pop()
            if top in seen:
                continue
            seen.add(top)
            for path in self._of(top):
                file = self._parse(path)
                if file is not None:
                    self.parsed[file.module] = file
                    # Also neighbours outside of the expected package: Python imports them all the same.
                    names = [*file.aliases.values(), *file.stars, *(i[0] for i in file.imports)]
                    names += self._by_name(file)
                    waiting += [name.split(".")[0] for name in names]
        beside = [self._parse(path) for top in also if top not in seen for path in self._of(top)]
        self.beside = [file for file in beside if file is not None]
        self.classes: dict[str, list[_File]] = {}
        self.named: dict[str, list[_Function]] = {}
        for file in self.parsed.values():
            for name in file.methods:
                self.classes.setdefault(name, []).append(file)
            for function in file.functions:
                self.named.setdefault(function.name, []).append(function)

    def _by_name(self, file: _File) -> list[str]:
        """The modules that a file imports by a call, where their names can be read."""
        found: list[str] = []
        for function in file.functions:
            for call in function.calls:
                if time.process_time() > self.until:
                    return found
                if call.args and self.dotted(file, call.func) in IMPORTS_BY_NAME:
                    found.append(_text(function, call.args[0]) or "")
        return found

    def _of(self, top: str) -> list[str]:
        """The Python files of one top-level name."""
        return [
            path
            for path in self.files
            if path == f"{top}.py" or (path.startswith(f"{top}/") and path.endswith(".py"))
        ]

    def _parse(self, path: str) -> _File | None:
        data = self.files[path]
        self.size += len(data)
        if self.size > LARGEST_SUM or time.process_time() > self.until:
            self.unread.append((path, "one of too many to be read"))
            return None
        why = hard(data)
        if why:
            self.unread.append((path, f"{why} to be read"))
            return None
        codec = _codec(data)
        if codec in SLOW_CODECS:
            self.unread.append((path, f"written in {codec}, which takes too long to be read"))
            return None
        try:
            return (_file if len(data) <= KEPT_FILE else _file.__wrapped__)(path, data)
        except (SyntaxError, ValueError):
            return None  # Python will not run it either
        except (RecursionError, MemoryError):
            self.unread.append((path, "nested too deeply to be read"))
            return None

    # The call graph

    def dotted(self, file: _File, node: ast.expr) -> str:
        """The full name of `np.linalg.norm`, with the file's imports looked through; "" for others."""
        parts = _names(node)
        if not parts:
            return ""
        return ".".join([file.aliases.get(parts[0], parts[0]), *parts[1:]])

    def reached(self, function: _Function) -> Iterator[_Function]:
        """The functions of the submission that one names."""
        file = function.file
        yield from function.inner.values()
        for name in function.loads:
            self.tick()
            step: _Function | None = function
            while step is not None and name not in step.inner:
                step = step.outer
            if step is not None:
                yield step.inner[name]
            elif name in file.aliases:
                yield from self.at(file.aliases[name])
            elif file.stars:
                for star in file.stars:
                    yield from self.at(f"{star}.{name}")
        for attribute in function.attributes:
            self.tick()
            parts = _names(attribute)
            if len(parts) < 2:
                continue
            if parts[0] in ("self", "cls"):
                found = file.methods.get(function.owner, {}).get(parts[1])
                if found is not None:
                    yield found
            elif parts[-2] in self.classes:
                for home in self.classes[parts[-2]]:
                    found = home.methods[parts[-2]].get(parts[-1])
                    if found is not None:
                        yield found
            else:
                yield from self.at(self.dotted(file, attribute))

    def at(self, dotted: str) -> Iterator[_Function]:
        """The top-level function of that full name; a package hands on what its files define."""
        module, _, name = dotted.rpartition(".")
        file = self.parsed.get(module)
        if file is None:
            return
        found = file.top.inner.get(name)
        if found is not None:
            yield found
        elif name in file.aliases and file.aliases[name] != dotted:
            source, _, original = file.aliases[name].rpartition(".")
            home = self.parsed.get(source)
            if home is not None and original in home.top.inner:
                yield home.top.inner[original]
        else:
            for star in file.stars:
                home = self.parsed.get(star)
                if home is not None and name in home.top.inner:
                    yield home.top.inner[name]

    def from_roots(self) -> dict[int, tuple[_Function, set[_Function]]]:
        """Every function that a backward can reach: by identity, with the backwards that reach it."""
        found: dict[int, tuple[_Function, set[_Function]]] = {}
        edges: dict[int, list[_Function]] = {}
        for file in self.parsed.values():
            for root in file.functions:
                if not _ROOT.fullmatch(root.name) or _NO_ROOT.search(root.name):
                    continue
                waiting = [root]
                seen: set[int] = set()
                while waiting:
                    here = waiting.pop()
                    if id(here) in seen:
                        continue
                    self.tick()
                    seen.add(id(here))
                    found.setdefault(id(here), (here, set()))[1].add(root)
                    if id(here) not in edges:
                        edges[id(here)] = list(dict.fromkeys(self.reached(here)))
                    waiting += edges[id(here)]
        return found

    # What is looked for

    def findings(self) -> list[Finding]:
        """Everything that was found, in the order of the files."""
        found: list[Finding] = []
        try:
            for look in (self.hidden, self.prying, self.foreign, self.methods, self.tables):
                for finding in look():
                    found.append(finding)
                    self.tick()
                self.tick()
        except _TooLong:
            path = (
                min(file.path for file in self.parsed.values()) if self.parsed else min(self.files)
            )
            what = (
                f"not all could be read within {SECONDS:g} s: the files are made to be hard to read"
            )
            found.append(Finding("hidden_code", f"{path}:1", what))
        return sorted(set(found), key=lambda f: (f.kind, _in_order(f.where), f.what))

    def tick(self) -> None:
        """Raises _TooLong when the time is used up: who reads must not wait for who is read."""
        if time.process_time() > self.until:
            raise _TooLong

    def own(self, top: str) -> bool:
        """Whether a top-level module is the submission's own file."""
        return f"{top}.py" in self.files or any(p.startswith(f"{top}/") for p in self.files)

    def foreign(self) -> Iterator[Finding]:
        for file in self.parsed.values():
            for source, line, told, names, here in file.imports:
                top = source.split(".")[0]
                if top in FOREIGN and not self.own(top):
                    users = [here, *(f for f in file.functions if f.loads & set(names))]
                    yield _finding("foreign_autodiff", file, line, told, users)
            for function in file.functions:
                for call in function.calls:
                    yield from self._imported_by_name(file, function, call)

    def _imported_by_name(
        self, file: _File, function: _Function, call: ast.Call
    ) -> Iterator[Finding]:
        name = self.dotted(file, call.func)
        if name not in IMPORTS_BY_NAME or not call.args:
            return
        text = _text(function, call.args[0])
        if text is None:
            what = f"{name}(...) of a name that is made at run time"
            yield _finding("hidden_code", file, call.lineno, what, [function])
        elif text.split(".")[0] in FOREIGN and not self.own(text.split(".")[0]):
            users = [function]
            if function is file.top:
                bound = {
                    n
                    for n, values in function.assigned.items()
                    if any(v is call for _, v in values)
                }
                users += [f for f in file.functions if f.loads & bound]
            what = f"{name}({text!r})"
            yield _finding("foreign_autodiff", file, call.lineno, what, users)

    def hidden(self) -> Iterator[Finding]:
        for path, why in self.unread:
            yield Finding("hidden_code", f"{path}:1", f"the file is {why}")
        for file in self.parsed.values():
            for function in file.functions:
                for call in function.calls:
                    name = self.dotted(file, call.func)
                    if name in RUNS_ELSE:
                        yield _finding("hidden_code", file, call.lineno, f"{name}(...)", [function])
                    if name not in RUNS_TEXT or name in self.named or name in file.aliases:
                        continue
                    text = _text(function, call.args[0]) if call.args else None
                    inside = "" if text is None else _imported_in(text)
                    what = f"{name} of a text"
                    if inside:
                        what += f" that imports {inside}"
                        yield _finding("foreign_autodiff", file, call.lineno, what, [function])
                    elif text is None:
                        what += " that is made at run time"
                    yield _finding("hidden_code", file, call.lineno, what, [function])

    def prying(self) -> Iterator[Finding]:
        """Code that reaches for what runs it."""
        for file in [*self.parsed.values(), *self.beside]:
            for source, line, told, names, here in file.imports:
                if any(_pries(f"{source}.{name}") for name in names) and not self.own(
                    source.split(".")[0]
                ):
                    yield _finding("hidden_code", file, line, told, [here])
            for function in file.functions:
                self.tick()
                for attribute in function.attributes:
                    name = self.dotted(file, attribute)
                    if name in PRIES_BY or attribute.attr in PRIES_AT:
                        what = name or f"....{attribute.attr}"
                        yield _finding("hidden_code", file, attribute.lineno, what, [function])

    def methods(self) -> Iterator[Finding]:
        """Difference quotients and complex numbers that a backward reaches."""
        for function, roots in self.from_roots().values():
            self.tick()
            file = function.file
            told = _told_roots(function, roots)
            for line, what in quotients(function, self.tick):
                yield _finding("differences", file, line, what + told, [function], roots)
            for call in function.calls:
                name = self.dotted(file, call.func)
                last = name.rpartition(".")[2]
                known = last in self.named
                if name in FOREIGN_CALLS or (_DIFFERENCE_NAME.fullmatch(last) and not known):
                    what = f"{name}(...)" + told
                    yield _finding("differences", file, call.lineno, what, [function], roots)
            for line, sign in function.complexes:
                what = f"a complex number ({sign})" + told
                yield _finding("complex_step", file, line, what, [function], roots)

    def tables(self) -> Iterator[Finding]:
        """What may be a table of answers. Most of it is harmless, so none of it is sure."""
        for file in self.parsed.values():
            for line, what, names, here in file.tables:
                users = [here]
                if here is file.top and names:
                    wanted = set(names)
                    users += [
                        f
                        for other in self.parsed.values()
                        for f in other.functions
                        if f.loads & wanted or any(a.attr in wanted for a in f.attributes)
                    ]
                yield _finding("lookup_table", file, line, what, users, sure=False)
            for function in file.functions:
                if function.keys >= TABLE_KEYS:
                    what = f"{function.keys} comparisons with constant numbers"
                    yield _finding(
                        "lookup_table", file, function.keys_at, what, [function], sure=False
                    )
                for call in function.calls:
                    name = self.dotted(file, call.func)
                    if name in READS_DATA or name.endswith((".read_text", ".read_bytes")):
                        users = [function] if function.name else list(file.functions)
                        what = f"{name}(...) reads data"
                        yield _finding("lookup_table", file, call.lineno, what, users, sure=False)


def _pries(module: str) -> bool:
    """Whether a module is one of those that no homework needs."""
    parts = module.split(".")
    above = {".".join(parts[:n]) for n in range(1, min(len(parts), DEEPEST) + 1)}
    return bool(above & PRIES_IN) and not above & HARMLESS_IN


def read(
    files: dict[str, bytes], expects: Iterable[str], also: Iterable[str] = ()
) -> list[Finding]:
    """What the Python files of a submission say, those that the expected modules can import; and whether
    those in the folders `also` pry."""
    return Reader(files, expects, also).findings()


def _finding(
    kind: str,
    file: _File,
    line: int,
    what: str,
    users: Iterable[_Function],
    roots: Iterable[_Function] = (),
    *,
    sure: bool = True,
) -> Finding:
    users = list(users)
    asked = [f for f in [*users, *roots] if f.name]
    return Finding(
        kind,
        f"{file.path}:{line}",
        what,
        frozenset(f.place for f in users if f.name),
        frozenset(f.asked_as for f in asked),
        sure,
    )


def _in_order(where: str) -> tuple[str, int]:
    path, _, line = where.rpartition(":")
    return path, int(line)


def _told_roots(function: _Function, roots: set[_Function]) -> str:
    """` in Exp.backward`, or ` in diff, which Exp.backward reaches`."""
    names = sorted({f"{r.owner}.{r.name}" if r.owner else r.name for r in roots})
    own = f"{function.owner}.{function.name}" if function.owner else function.name
    if function in roots:
        return f" in {own}"
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f" in {own}, which {' and '.join(names[:2])}{more} can reach"


def _text(function: _Function, node: Any) -> str | None:
    """The text that an expression of constants stands for; None when it is not known before it runs, or is
    made of so many parts or so long that it takes a while to know."""
    left = MOST_PARTS

    def of(node: Any) -> str | None:
        nonlocal left
        left -= 1
        if left < 0:
            return None
        node = function.value(node)
        if isinstance(node, ast.Constant):
            value = node.value
            if isinstance(value, bytes):
                return value.decode("utf-8", "replace")
            return value if isinstance(value, str) else None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return together("", [node.left, node.right])
        joined = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if joined and node.func.attr == "join" and node.args:
            items = getattr(node.args[0], "elts", [])
            between = of(node.func.value) if items else None
            return None if between is None else together(between, items)
        return None

    def together(between: str, items: list[Any]) -> str | None:
        parts: list[str] = []
        length = 0
        for item in items:
            part = of(item)
            length += len(between) + len(part or "")
            if part is None or length > LONGEST:
                return None
            parts.append(part)
        return between.join(parts)

    try:
        return of(node)
    except RecursionError:
        return None


def _imported_in(text: str) -> str:
    """The first library that differentiates which a text of Python imports; ""."""
    if hard(text.encode("utf-8", "replace")):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value] if node.value.split(".")[0] in FOREIGN else []
        for name in names:
            if name.split(".")[0] in FOREIGN:
                return name.split(".")[0]
    return ""


# Difference quotients


def quotients(
    function: _Function, tick: Callable[[], None] = lambda: None
) -> Iterator[tuple[int, str]]:
    """The lines at which a function divides the difference of two values of one function by a step.

    tick: is called for each product, and raises when there is no more time.
    """
    for product in function.products:
        tick()
        division = isinstance(product.op, ast.Div)
        sides = [(product.left, product.right)]
        if not division:
            sides.append((product.right, product.left))
        for whole, other in sides:
            difference = _difference(function, whole)
            if difference is None:
                continue
            divided = division or _is_rate(function, other)
            if divided and _stepped(function, difference, other):
                text = " ".join(_written(product)[: SHORT * 2].split())
                yield product.lineno, f"{text[:SHORT]}{'...' if len(text) > SHORT else ''}"
                break


def _difference(function: _Function, node: ast.expr) -> ast.BinOp | None:
    """The subtraction that a product holds: `(f(a) - f(b))`, `d * (f(a) - f(b))`, or a name for it."""
    for _ in range(6):
        node = function.value(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            return node
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
            left = function.value(node.left)
            minus = isinstance(left, ast.BinOp) and isinstance(left.op, ast.Sub)
            node = left if minus or isinstance(node.op, ast.Div) else node.right
        elif isinstance(node, ast.UnaryOp):
            node = node.operand
        elif isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
            node = node.args[0]  # float(...)
        else:
            return None
    return None


def _is_rate(function: _Function, node: ast.expr) -> bool:
    """Whether multiplying by it may be dividing by a step: `1 / (2 * h)`, `5e5`."""
    node = function.value(node)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float)) and abs(node.value) >= 1 / LARGEST_STEP
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)


class _Value(msgspec.Struct, frozen=True):
    """A call as the name of what is called and the expressions that it is given."""

    name: str
    given: tuple[ast.expr, ...]


def _evaluation(function: _Function, node: ast.expr) -> _Value | None:
    """The call behind a value: `f(x)`, `f(x).item()`, `float(f(x))`, `(x + h).exp()`."""
    for _ in range(6):
        node = function.value(node)
        if isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in ("float", "sum", "abs") and node.args:
                node = node.args[0]
            elif isinstance(called, ast.Attribute) and called.attr in ("item", "sum", "data"):
                node = called.value
            else:
                parts = _names(called)
                inner = function.value(called.value) if isinstance(called, ast.Attribute) else None
                if isinstance(called, ast.Attribute) and (
                    not parts or isinstance(inner, (ast.BinOp, ast.UnaryOp))
                ):
                    assert inner is not None
                    return _Value(f".{called.attr}", (inner, *node.args))
                return _Value(".".join(parts), tuple(node.args)) if parts else None
        elif isinstance(node, ast.Attribute):
            node = node.value
        else:
            return None
    return None


def _stepped(function: _Function, difference: ast.BinOp, divisor: ast.expr) -> bool:
    """Whether a difference is one of two values of the same function at neighbouring places."""
    left = _evaluation(function, difference.left)
    right = _evaluation(function, difference.right)
    if left is None or right is None or left.name != right.name:
        # `(f(x + h) - out) / h`, where out was saved: one value is enough if it is stepped by the divisor.
        one = left or right
        return one is not None and any(_by(function, arg, divisor) for arg in one.given)
    first = left.name.split(".")[0]
    if function.parameter(first) and "." not in left.name and first not in ("self", "cls", "ctx"):
        return True
    if left.name.rpartition(".")[2] in ("forward", "_forward", "apply"):
        return True
    for given, also in zip(left.given, right.given, strict=False):
        here, there = function.value(_bare(given)), function.value(_bare(also))
        a, b = _dump(here), _dump(there)
        if a == b:
            continue
        turned = isinstance(there, ast.UnaryOp) and _dump(function.value(there.operand)) == a
        if turned and function.local(left.name):
            return _is_step(function, given, divisor)
        if _flat(a) == _flat(b) and "Add()" in a + b:
            step = _step(here) or _step(there)
            return step is None or _is_step(function, step, divisor)
        for whole, part in ((here, b), (there, a)):
            if _step(whole) is None:
                continue
            assert isinstance(whole, ast.BinOp)
            if part in (_dump(whole.left), _dump(function.value(whole.left))):
                return _is_step(function, whole.right, divisor)
    return False


def _written(node: ast.expr) -> str:
    """An expression as Python, or what it is where Python cannot write it down."""
    try:
        return ast.unparse(node)
    except (ValueError, RecursionError):  # a number of too many digits; a sum of too many parts
        return "a quotient that is too long to show"


def _dump(node: ast.expr) -> str:
    """An expression as a text that equal ones share; where it has no such text, it is equal to itself alone."""
    try:
        return ast.dump(node)
    except (ValueError, RecursionError):
        return f"<{id(node)}>"


def _bare(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Starred) else node


def _flat(dump: str) -> str:
    return dump.replace("Add()", "Sub()")


def _step(node: ast.expr) -> ast.expr | None:
    """`h` of `x + h`; None where the sum stands deeper."""
    plus = isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub))
    return node.right if plus and isinstance(node, ast.BinOp) else None


def _by(function: _Function, node: ast.expr, divisor: ast.expr) -> bool:
    """Whether an argument is `x + h` and the divisor is made of h."""
    step = _step(function.value(_bare(node)))
    return step is not None and _is_step(function, step, divisor)


def _is_step(function: _Function, step: ast.expr, divisor: ast.expr) -> bool:
    """Whether `step` is small, and the divisor is made of it."""
    value = function.value(step)
    if isinstance(value, ast.Constant):
        small = isinstance(value.value, (int, float)) and 0 < abs(value.value) <= LARGEST_STEP
        if not small:
            return False
        if isinstance(step, ast.Constant):
            return True
    names = {n.id for n in ast.walk(step) if isinstance(n, ast.Name)}
    below = {n.id for n in ast.walk(divisor) if isinstance(n, ast.Name)}
    resolved = function.value(divisor)
    below |= {n.id for n in ast.walk(resolved) if isinstance(n, ast.Name)}
    return bool(names & below)
