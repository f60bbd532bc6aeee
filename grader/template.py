"""The students' template, made from the answer key by taking the solutions out.

In the answer key a solution stands between two comment lines of the same indentation:

    # begin solution 1.2
    return a * b
    # end solution

Inside a function it gives way to a ``NotImplementedError`` that names the task. At class or
module level, where it holds helpers that a student would invent, it goes without a trace. All
else, signatures, docstrings and given code, stays as it is.

Nothing here writes a file: ``generate`` returns the template's files and ``check`` compares them
with those committed.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath

__all__ = ["Region", "TemplateError", "check", "generate", "regions", "strip"]

_MARKER = re.compile(r"#\s*(begin|end)\s+solution\b", re.IGNORECASE)
_BEGIN = re.compile(r"# begin solution ([\w.-]+)")
_END = "# end solution"
_LINE_LENGTH = 100


class TemplateError(ValueError):
    """The solution markers of a file make no sense.

    The message names the file and the line. Mend the markers in the answer key.
    """


@dataclass(frozen=True, slots=True)
class Region:
    """One solution in a file of the answer key.

    Attributes:
        task: the task's id, such as ``1.2``.
        first: the line of the begin marker, counted from 1.
        last: the line of the end marker.
        function: the dotted name of the function around it, or None at class or module level.
        summary: the first line of that function's docstring, or an empty string.
    """

    task: str
    first: int
    last: int
    function: str | None
    summary: str


def regions(text: str, path: str) -> list[Region]:
    """Find the solutions in a Python source.

    Args:
        text: the source.
        path: its name, for messages.

    Returns:
        The regions in the order of the file.

    Raises:
        TemplateError: if the source does not parse, or if markers are malformed, nested,
            unbalanced, differently indented, or leave the function they begin in.
    """
    found: list[Region] = []
    functions = _functions(text, path)
    begin: tuple[int, int, str] | None = None  # line, column, task
    for line, column, comment in _markers(text, path):
        where = f"{path}, line {line}"
        opened = _BEGIN.fullmatch(comment)
        if opened:
            if begin is not None:
                raise TemplateError(f"{where}: a solution begins inside that of line {begin[0]}")
            begin = (line, column, opened.group(1))
        elif comment != _END:
            raise TemplateError(
                f"{where}: {comment!r} is no marker; write '# begin solution <task>' or '{_END}'"
            )
        elif begin is None:
            raise TemplateError(f"{where}: a solution ends that never began")
        elif column != begin[1]:
            raise TemplateError(
                f"{where}: the markers of a solution are indented alike, see line {begin[0]}"
            )
        else:
            found.append(_region(begin[2], begin[0], line, text, functions, path))
            begin = None
    if begin is not None:
        raise TemplateError(f"{path}, line {begin[0]}: a solution begins that never ends")
    return found


def strip(text: str, path: str) -> str:
    """Take the solutions out of a Python source.

    Args:
        text: the source.
        path: its name, for messages.

    Returns:
        The source that students receive.

    Raises:
        TemplateError: as ``regions``; also if a function to be blanked has no docstring to
            describe the task, or if what remains is not Python.
    """
    lines = text.splitlines()
    for region in reversed(regions(text, path)):
        before, after = lines[: region.first - 1], lines[region.last :]
        if region.function is None:
            lines = _joined(before, after)
            continue
        if not region.summary:
            raise TemplateError(
                f"{path}, line {region.first}: {region.function} has no docstring to name the task"
            )
        marker = lines[region.first - 1]
        indent = marker[: len(marker) - len(marker.lstrip())]
        message = f"Task {region.task}: {region.summary}"
        lines = [*before, *_raise(message, indent), *after]
    stripped = "\n".join(lines) + "\n"
    _parse(stripped, f"{path} without its solutions")
    return stripped


def generate(reference: Path) -> dict[str, bytes]:
    """Make the template from the answer key.

    Args:
        reference: the folder of the answer key. Caches and hidden files in it are passed over.

    Returns:
        The template's files, by their path relative to the folder, written with forward slashes.
        Python files have lost their solutions, others are unchanged.

    Raises:
        TemplateError: if a marker makes no sense or the folder holds no Python file.
    """
    files: dict[str, bytes] = {}
    for name, path in _files(reference).items():
        content = path.read_bytes()
        if path.suffix == ".py":
            content = strip(content.decode("utf-8"), name).encode("utf-8")
        files[name] = content
    if not any(name.endswith(".py") for name in files):
        raise TemplateError(f"{reference} holds no Python file; is it the answer key?")
    return files


def check(reference: Path, committed: Path) -> list[str]:
    """Compare the committed template with the one that the answer key yields now.

    Args:
        reference: the folder of the answer key.
        committed: the folder of the committed template.

    Returns:
        The differences, one plain sentence each; empty if there are none.

    Raises:
        TemplateError: as ``generate``.
    """
    wanted = generate(reference)
    present = _files(committed) if committed.is_dir() else {}
    differences = []
    for name in sorted(wanted.keys() | present.keys()):
        if name not in present:
            differences.append(f"{name} is missing")
        elif name not in wanted:
            differences.append(f"{name} is extra: the answer key has no such file")
        elif (content := present[name].read_bytes()) != wanted[name]:
            differences.append(f"{name} differs at line {_first_difference(wanted[name], content)}")
    return differences


def _files(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        if path.is_file() and not hidden:
            found[str(PurePosixPath(name))] = path
    return found


def _first_difference(wanted: bytes, content: bytes) -> int:
    pairs = zip_longest(wanted.splitlines(True), content.splitlines(True))
    return next(number for number, (a, b) in enumerate(pairs, start=1) if a != b)


def _parse(text: str, path: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise TemplateError(f"{path}, line {error.lineno}: {error.msg}") from error


def _markers(text: str, path: str) -> list[tuple[int, int, str]]:
    """Find the comments that are, or seem meant as, markers: line, column, comment."""
    # Tokens, not lines: the same words inside a docstring are no marker.
    _parse(text, path)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = []
    for token in tokens:
        if token.type == tokenize.COMMENT and _MARKER.match(token.string):
            line, column = token.start
            if token.line[:column].strip():
                raise TemplateError(f"{path}, line {line}: a marker stands on a line of its own")
            found.append((line, column, token.string.rstrip()))
    return found


@dataclass(frozen=True, slots=True)
class _Function:
    name: str
    first: int
    last: int
    summary: str


def _functions(text: str, path: str) -> list[_Function]:
    """List the functions of a source; one inside another comes after it."""
    found: list[_Function] = []

    def walk(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{prefix}.{child.name}" if prefix else child.name
                if not isinstance(child, ast.ClassDef):
                    summary = (ast.get_docstring(child) or "").partition("\n")[0].strip()
                    last = child.end_lineno or child.lineno
                    found.append(_Function(name, child.lineno, last, summary))
            walk(child, name)

    walk(_parse(text, path), "")
    return found


def _region(
    task: str, first: int, last: int, text: str, functions: Sequence[_Function], path: str
) -> Region:
    where = f"{path}, line {first}"
    lines = enumerate(text.splitlines()[first : last - 1], start=first + 1)
    code = [number for number, line in lines if line.split("#")[0].strip()]
    if not code:
        raise TemplateError(f"{where}: the solution is empty")
    around = [f for f in functions if f.first < first <= f.last]
    if around:
        innermost = around[-1]
        if code[-1] > innermost.last:
            raise TemplateError(f"{where}: the solution leaves the function {innermost.name}")
        return Region(task, first, last, innermost.name, innermost.summary)
    if any(first < f.first < last <= f.last for f in functions):
        raise TemplateError(f"{where}: the solution ends inside a function it began outside of")
    return Region(task, first, last, None, "")


def _joined(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Put together what stood around a removed region, with the blank lines of one gap."""

    def trimmed(lines: Sequence[str]) -> tuple[list[str], int]:
        kept = list(lines)
        while kept and not kept[-1].strip():
            kept.pop()
        return kept, len(lines) - len(kept)

    head, gap_before = trimmed(before)
    rest, gap_after = trimmed(after[::-1])
    tail = rest[::-1]
    gap = max(gap_before, gap_after) if head and tail else 0
    return [*head, *[""] * gap, *tail]


def _raise(message: str, indent: str) -> list[str]:
    """Write the statement that stands in for a solution, as a formatter would lay it out."""
    quoted = repr(message) if '"' in message else '"' + message.replace("\\", "\\\\") + '"'
    line = f"{indent}raise NotImplementedError({quoted})"
    if len(line) <= _LINE_LENGTH:
        return [line]
    return [f"{indent}raise NotImplementedError(", f"{indent}    {quoted}", f"{indent})"]
