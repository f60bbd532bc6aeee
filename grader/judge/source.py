"""A Python file as its functions: what each names, calls, assigns and multiplies. It is read, never imported."""

from __future__ import annotations

import ast
import codecs
import functools
import io
import tokenize
import warnings
from typing import Any

from grader.parsing import LONGEST

# Bytes of a file whose tree is kept for the next submission that has it as well.
KEPT_FILE = 1 << 16
TABLE_KEYS = 8  # entries of a dict, or comparisons with a constant, that look like a table
TABLE_NUMBERS = 64  # numbers in one list
LONG_TEXT = 1000  # characters of a constant that may hold data
LONGEST_CHAIN = 50  # names in `a.b.c`, above which it is no name of anything
MOST_TARGETS = 20  # names that one table is bound to
MOST_PARTS = 2000  # of an expression that stands for a text
_SIGNS = frozenset({ast.Load, ast.Store, ast.Del})
# A function, by its file and its first line, as Python's own frames name it.
Place = tuple[str, int]


class Function:
    """A function, or the top level of a file, with what stands directly in it."""

    def __init__(self, file: File, node: Any, name: str, owner: str, outer: Function | None):
        self.file = file
        self.node = node
        self.name = name
        self.owner = owner  # the class that it is a method of, or ""
        self.outer = outer
        decorators = getattr(node, "decorator_list", [])
        self.first = min([d.lineno for d in decorators] + [getattr(node, "lineno", 1)])
        self.place: Place = file.path, self.first
        self.inner: dict[str, Function] = {}
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
        step: Function | None = self
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


class File:
    """A file that compiles: its functions, classes and imports."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path = path
        self.module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self.package = path.endswith("__init__.py")
        self.top = Function(self, tree, "", "", None)
        self.functions: list[Function] = [self.top]
        self.methods: dict[str, dict[str, Function]] = {}
        self.aliases: dict[str, str] = {}  # name -> dotted name that it stands for
        self.stars: list[str] = []
        self.imports: list[tuple[str, int, str, list[str], Function]] = []
        self.tables: list[tuple[int, str, list[str], Function]] = []
        _walk(self, tree)

    def absolute(self, node: ast.ImportFrom) -> str:
        """The dotted module of a `from` import, its leading dots resolved."""
        if not node.level:
            return node.module or ""
        parts = self.module.split(".")
        drop = node.level - 1 if self.package else node.level
        parts = parts[: len(parts) - drop] if drop else parts
        return ".".join([*parts, node.module] if node.module else parts)


def codec_of(data: bytes) -> str:
    """The codec that a file says it is written in, by Python's name for it; "" for one that Python does not
    know, and where it cannot tell."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        named, _ = tokenize.detect_encoding(io.BytesIO(lines).readline)
        return codecs.lookup(named).name
    except (SyntaxError, LookupError, ValueError):
        return ""


def read_file(path: str, data: bytes) -> File:
    """One file, read. Kept where it is short, because most of a class' files are those that the course gave.

    Raises what `ast.parse` does: SyntaxError, ValueError, RecursionError, MemoryError.
    """
    return (_file if len(data) <= KEPT_FILE else _file.__wrapped__)(path, data)


@functools.lru_cache(maxsize=64)
def _file(path: str, data: bytes) -> File:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return File(path, ast.parse(data))


def _walk(file: File, tree: ast.Module) -> None:
    """Fills a file's record in one pass, without recursion: a tree may be as deep as its author likes."""
    stack: list[tuple[Any, Function, str, str]] = [(tree, file.top, "", "")]
    while stack:
        node, here, owner, bound = stack.pop()
        kind = type(node)
        if kind in (ast.FunctionDef, ast.AsyncFunctionDef):
            made = Function(file, node, node.name, owner if here is file.top else "", here)
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
        if kind is ast.If and names_of(node.test)[-1:] == ["TYPE_CHECKING"]:
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


def _note(file: File, here: Function, node: Any, kind: type, bound: str) -> None:
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


def _assign(here: Function, target: ast.expr, value: ast.expr) -> None:
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


def names_of(node: Any) -> list[str]:
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


def text_of(function: Function, node: Any) -> str | None:
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
