"""Runs a module that was made of a notebook, statement by statement.

A cell that fails stops nothing that does not need it.

`grader.notebook` makes such a module: its first line names the notebook, and a line stands before each cell.
Places in it are told as the cell and the line in it, which is what its author can find.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import functools
import os
import time
import types
from bisect import bisect_right
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from typing import Any, NamedTuple

from grader.box.faults import TimeLimit

MARK = "# Made of the code cells of "
CELL = "# %% code cell "
LEFT_OUT = "# %% left out: "  # then the names that the cell seems to define, `; `, and why


def is_made(source: bytes) -> bool:
    """Whether a file was made of a notebook."""
    return source.startswith(MARK.encode())


def located(source: bytes, line: int) -> str:
    """`hw1.ipynb code cell 3, line 2`: where a line of such a file stands in its notebook."""
    name, starts, numbers = _cells(source)
    place = bisect_right(starts, line) - 1
    if place < 0:
        return name
    return f"{name} code cell {numbers[place]}, line {line - starts[place]}"


def name_of(source: bytes) -> str:
    """The notebook that such a file was made of."""
    return _cells(source)[0]


class LeftOut(NamedTuple):
    """A cell that was left out. place: `hw1.ipynb code cell 3`; names: what it seems to define."""

    place: str
    names: list[str]
    why: str


def left_out(source: bytes) -> list[LeftOut]:
    """The cells that were left out of such a file."""
    name, starts, numbers = _cells(source)
    lines = source.decode("utf-8", "replace").split("\n")
    found = []
    for start, number in zip(starts, numbers, strict=True):
        if start < len(lines) and lines[start].startswith(LEFT_OUT):
            names, _, why = lines[start].removeprefix(LEFT_OUT).partition("; ")
            found.append(LeftOut(f"{name} code cell {number}", names.split(), why))
    return found


@functools.lru_cache(maxsize=8)
def _cells(source: bytes) -> tuple[str, list[int], list[str]]:
    """The notebook's name, and for each cell the line before it and its number."""
    lines = source.decode("utf-8", "replace").split("\n")
    marked = [at for at, text in enumerate(lines, start=1) if text.startswith(CELL)]
    return (
        lines[0].removeprefix(MARK),
        marked,
        [lines[at - 1].removeprefix(CELL) for at in marked],
    )


def located_on_disk(path: str, line: int) -> str:
    """The same of a file; "" where it was not made of a notebook."""
    source = _read(path)
    return located(source, line) if source else ""


@functools.lru_cache(maxsize=64)
def _read(path: str) -> bytes:
    """A file that was made of a notebook; nothing of any other."""
    try:
        with open(path, "rb") as file:
            head = file.read(len(MARK))
            return head + file.read() if is_made(head) else b""
    except OSError:
        return b""


def runs_notebook(path: str) -> bool:
    """Whether the file at `path` was made of a notebook."""
    return bool(_read(path))


class NotebookLoader(SourceFileLoader):
    """Executes a module's statements one by one. What fails is told to `lost`, with the names that it would
    have bound, and the next is tried. Once the time is up, only what defines something is executed. What was left
    out of the module is told to `absent`."""

    lost: Callable[[list[str], BaseException], None]
    absent: Callable[[LeftOut], None]
    flags = 0  # of `from __future__ import ...`
    out_of_time = False

    def exec_module(self, module: types.ModuleType) -> None:
        source = self.get_data(self.path)
        for cell in left_out(source):
            self.absent(cell)
        tree = ast.parse(source, self.path)
        module.__dict__.setdefault("display", _shown)
        rest = iter(_statements(tree.body))
        with _without_waiting():
            self._run(rest, module)

    def _run(self, rest: Iterator[ast.stmt], module: types.ModuleType) -> None:
        while True:
            names: list[str] = []
            try:
                for statement in rest:
                    if self.out_of_time and not _defines(statement):
                        continue
                    names = _bound(statement)
                    self._execute(statement, module)
                return
            except TimeLimit as error:
                # It rings on, and may ring anywhere here: whatever it ends, the next statement comes.
                self.out_of_time = True
                self.lost(names, error)
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                self.lost(names, error)

    def _execute(self, statement: ast.stmt, module: types.ModuleType) -> None:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                feature = getattr(__future__, alias.name, None)
                self.flags |= getattr(feature, "compiler_flag", 0)
        whole = ast.Module([statement], [])
        code = compile(whole, self.path, "exec", flags=self.flags, dont_inherit=True)
        exec(code, module.__dict__)


def _statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a module. A notebook is `__main__` where it was written, so what stands under `if __name__ ==
    "__main__":` defines something there; what else stands under it was kept from being imported, and is."""
    found: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.If) and _is_main(statement.test):
            found += (part for part in statement.body if _defines(part) or _is_plain(part))
        else:
            found.append(statement)
    return found


def _is_main(test: ast.expr) -> bool:
    """Whether a condition is `__name__ == "__main__"`, either way round."""
    if not isinstance(test, ast.Compare) or [type(sign) for sign in test.ops] != [ast.Eq]:
        return False
    sides = (test.left, test.comparators[0])
    names = [side.id for side in sides if isinstance(side, ast.Name)]
    values = [side.value for side in sides if isinstance(side, ast.Constant)]
    return (names, values) == (["__name__"], ["__main__"])


def _is_plain(statement: ast.stmt) -> bool:
    """Whether a statement gives a name a value that nothing is called for: `EPSILON = 1e-6`."""
    return isinstance(statement, (ast.Assign, ast.AnnAssign)) and not any(
        isinstance(node, ast.Call) for node in ast.walk(statement)
    )


@contextlib.contextmanager
def _without_waiting() -> Iterator[None]:
    """`time.sleep` does not wait in here: nobody watches, and who waits long is ended with all that comes after."""
    sleep = time.sleep
    time.sleep = _shown
    try:
        yield
    finally:
        time.sleep = sleep


def _shown(*values: Any, **options: Any) -> None:
    """IPython's `display`, and a pause, with nobody to see them."""


def _defines(statement: ast.stmt) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return isinstance(statement, kinds)


def _bound(statement: ast.stmt) -> list[str]:
    """The names that a statement would have bound at the top level."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).split(".")[0] for alias in statement.names]
    return [
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def relative(root: str, file: str, line: int) -> str:
    """`student.py:12`, or the place in a notebook, for a file below `root`."""
    return located_on_disk(file, line) or f"{file[len(root + os.sep) :]}:{line}"
