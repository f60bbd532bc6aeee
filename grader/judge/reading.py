"""Reads a submission's own files for means that a course may not want, without ever importing one.

It knows syntax trees and a small call graph. It finds libraries that differentiate, difference quotients
and complex steps that a backward can reach, large tables, and code that is made of text at run time. It
decides nothing: a finding says where and what, and which functions must run for it to matter.
"""

from __future__ import annotations

import ast
import re
import time
import warnings
from collections.abc import Iterable, Iterator

import msgspec

from grader.judge.quotients import quotients
from grader.judge.source import (
    TABLE_KEYS,
    File,
    Function,
    Place,
    codec_of,
    names_of,
    read_file,
    text_of,
)
from grader.parsing import MOST_PARTS, SLOW_CODECS, hard, parts

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

LARGEST_SUM = 1 << 22  # bytes of all files together
MOST_TOGETHER = 2 * MOST_PARTS  # signs and lines of all files together
SECONDS = 5.0  # processor time for a whole submission; honest ones take some milliseconds


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
        self.parts = 0
        self.unread: list[tuple[str, str]] = []
        self.parsed: dict[str, File] = {}  # by module
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
        self.classes: dict[str, list[File]] = {}
        self.named: dict[str, list[Function]] = {}
        for file in self.parsed.values():
            for name in file.methods:
                self.classes.setdefault(name, []).append(file)
            for function in file.functions:
                self.named.setdefault(function.name, []).append(function)

    def _by_name(self, file: File) -> list[str]:
        """The modules that a file imports by a call, where their names can be read."""
        found: list[str] = []
        for function in file.functions:
            for call in function.calls:
                if time.process_time() > self.until:
                    return found
                if call.args and self.dotted(file, call.func) in IMPORTS_BY_NAME:
                    found.append(text_of(function, call.args[0]) or "")
        return found

    def _of(self, top: str) -> list[str]:
        """The Python files of one top-level name."""
        return [
            path
            for path in self.files
            if path == f"{top}.py" or (path.startswith(f"{top}/") and path.endswith(".py"))
        ]

    def _parse(self, path: str) -> File | None:
        data = self.files[path]
        self.size += len(data)
        if self.size > LARGEST_SUM or time.process_time() > self.until:
            self.unread.append((path, "one of too many to be read"))
            return None
        why = hard(data)
        self.parts += 0 if why else parts(data)
        if not why and self.parts > MOST_TOGETHER:
            why = "one of too many"
        if why:
            self.unread.append((path, f"{why} to be read"))
            return None
        codec = codec_of(data)
        if codec in SLOW_CODECS:
            self.unread.append((path, f"written in {codec}, which takes too long to be read"))
            return None
        try:
            return read_file(path, data)
        except (SyntaxError, ValueError):
            return None  # Python will not run it either
        except (RecursionError, MemoryError):
            self.unread.append((path, "nested too deeply to be read"))
            return None

    # The call graph

    def dotted(self, file: File, node: ast.expr) -> str:
        """The full name of `np.linalg.norm`, with the file's imports looked through; "" for others."""
        parts = names_of(node)
        if not parts:
            return ""
        return ".".join([file.aliases.get(parts[0], parts[0]), *parts[1:]])

    def reached(self, function: Function) -> Iterator[Function]:
        """The functions of the submission that one names."""
        file = function.file
        yield from function.inner.values()
        for name in function.loads:
            self.tick()
            step: Function | None = function
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
            parts = names_of(attribute)
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

    def at(self, dotted: str) -> Iterator[Function]:
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

    def from_roots(self) -> dict[int, tuple[Function, set[Function]]]:
        """Every function that a backward can reach: by identity, with the backwards that reach it."""
        found: dict[int, tuple[Function, set[Function]]] = {}
        edges: dict[int, list[Function]] = {}
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
        self, file: File, function: Function, call: ast.Call
    ) -> Iterator[Finding]:
        name = self.dotted(file, call.func)
        if name not in IMPORTS_BY_NAME or not call.args:
            return
        text = text_of(function, call.args[0])
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
                    text = text_of(function, call.args[0]) if call.args else None
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
    file: File,
    line: int,
    what: str,
    users: Iterable[Function],
    roots: Iterable[Function] = (),
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


def _told_roots(function: Function, roots: set[Function]) -> str:
    """` in Exp.backward`, or ` in diff, which Exp.backward reaches`."""
    names = sorted({f"{r.owner}.{r.name}" if r.owner else r.name for r in roots})
    own = f"{function.owner}.{function.name}" if function.owner else function.name
    if function in roots:
        return f" in {own}"
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f" in {own}, which {' and '.join(names[:2])}{more} can reach"


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
