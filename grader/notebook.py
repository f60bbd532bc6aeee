"""A notebook becomes a module: its code cells in order, without lines for the shell and the notebook itself.

Only what is needed is read of the file (msgspec skips outputs, whatever they hold), and nothing is executed.
Formats 2 to 4 are read.
"""

from __future__ import annotations

import ast
import re
import warnings
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from grader.box.notebook import CELL, LEFT_OUT, MARK
from grader.errors import NotGradable
from grader.parsing import hard

MAX_NOTEBOOK = 64 << 20  # bytes, most of which are pictures in outputs
MAX_CODE = 4 << 20  # characters of all code cells
MOST_VALUES = 4_000_000  # of the file: one that is a cell or a line takes some eighty bytes here
MOST_READ_AGAIN = (
    4 << 20
)  # characters of cells that are parsed anew after a line of IPython was left out of them
# Cell magics whose cell is Python all the same. Every other one hands the cell to something else.
_PYTHON_CELLS = frozenset({"capture", "memit", "mprun", "prun", "time", "timeit", "lprun", "python", "python3"})  # fmt: skip
# A line of IPython: `!ls`, `%time x`, `?f`, `f?`, `names = !ls`, `took = %timeit f()`.
_LINE = re.compile(r"(?:[!%?].*|[\w., '\"\[\]]+=\s*[!%]\s*\w.*|[%\w.\[\]]+\?{1,2}\s*)$")
# What IPython takes for `%pip install numpy` where it is alone in its cell.
_ALONE = re.compile(
    r"\s*(?:pip|conda|mamba|uv|cd|ls|ll|pwd|cat|cp|mv|rm|mkdir|rmdir|matplotlib|load_ext|autoreload|time|timeit)"
    r"(?:\s+[^\s=].*)?$"
)
# What a line begins with that was copied with the prompt it was typed at: IPython takes it away.
_PROMPT = re.compile(r">>>(?: |$)|In \[\d+\]: ?")
_ANY_PROMPT = re.compile(rf"^(?:{_PROMPT.pattern}|\.\.\.(?: |$)|\s*\.{{3,}}: ?)")
_DIRECTIVES = re.compile(r"^\s*(?:#.*)?$")
# What a cell that is no Python would have defined, as far as can be told without reading it as Python.
_DEFINES = re.compile(
    r"^(?:(?:async\s+)?def|class)\s+(\w+)|^(\w+)[ \t]*(?::[^=\n]+)?=(?!=)", re.MULTILINE
)
# A text, which may say so too, or what Python writes for a number that is none.
_NO_NUMBER = re.compile(rb'("(?:[^"\\]++|\\.)*+"?)|-?Infinity|NaN', re.DOTALL)
_NOTHING = msgspec.Raw(b"null")
_T = TypeVar("_T")
MOST_CELLS = 5_000
MOST_NAMES = 50  # of those
MOST_TOLD = 5


class _Cell(msgspec.Struct):
    cell_type: msgspec.Raw = _NOTHING
    source: msgspec.Raw = _NOTHING
    input: msgspec.Raw = _NOTHING  # what formats 2 and 3 call it


class _Sheet(msgspec.Struct):
    cells: list[msgspec.Raw] | None = None


class _Notebook(msgspec.Struct):
    nbformat: msgspec.Raw
    metadata: msgspec.Raw = _NOTHING
    cells: list[msgspec.Raw] | None = None
    worksheets: list[msgspec.Raw] | None = None


class _Metadata(msgspec.Struct):
    kernelspec: msgspec.Raw = _NOTHING


class _Kernel(msgspec.Struct):
    language: msgspec.Raw = _NOTHING


def _as(kind: type[_T], raw: msgspec.Raw) -> _T | None:
    """A part of the file as what it should be; None where it is something else."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        return None


def _text(raw: msgspec.Raw) -> str:
    """What a cell holds: a text, or its lines."""
    return _as(str, raw) or "".join(line or "" for line in _as(list[str | None], raw) or ())


def _code(raw: msgspec.Raw) -> str | None:
    """The text of a cell of code; None for any other cell."""
    cell = _as(_Cell, raw)
    if cell is None or _as(str, cell.cell_type) != "code":
        return None
    return _text(cell.source) or _text(cell.input)


def _language(metadata: msgspec.Raw) -> str:
    """The language that a notebook says it is written in; "" where it says none."""
    about = _as(_Metadata, metadata)
    kernel = _as(_Kernel, about.kernelspec) if about is not None else None
    return (_as(str, kernel.language) or "" if kernel is not None else "")[:40]


def _opened(data: bytes) -> _Notebook:
    """The file as far as all its cells. Raises what msgspec raises for what is none."""
    try:
        return msgspec.json.decode(data, type=_Notebook)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # Python writes into an output what JSON does not know.
        if data.count(b'"') > MOST_VALUES:
            raise
        mended = _NO_NUMBER.sub(lambda found: found[1] or b"null", data)
        if mended == data:
            raise
        return msgspec.json.decode(mended, type=_Notebook)


def to_module(name: str, data: bytes) -> tuple[bytes, list[str]]:
    """The source of a module, and notes on what was left out. name: the notebook's file name.

    A line of the module is a line of a cell: what is left out of a cell leaves its line there. Raises
    NotGradable for what is no notebook, or none in Python.
    """
    if len(data) > MAX_NOTEBOOK:
        raise NotGradable(
            f"{name} has more than {MAX_NOTEBOOK >> 20} MiB. Clear its outputs and save it again"
        )
    if data.count(b",") > MOST_VALUES:
        raise NotGradable(
            f"{name} holds more than {MOST_VALUES // 10**6} million values. Clear its outputs and save it again"
        )
    try:
        read = _opened(data.removeprefix(BOM_UTF8))
        language = _language(read.metadata)
        sheets = [_as(_Sheet, raw) for raw in (read.worksheets or ())[:MOST_CELLS]]
        cells = [
            *(read.cells or ()),
            *(cell for sheet in sheets if sheet for cell in sheet.cells or ()),
        ]
        if len(cells) > 2 * MOST_CELLS:
            raise NotGradable(f"{name} has more than {2 * MOST_CELLS} cells")
        code = [text for text in map(_code, cells) if text is not None]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise NotGradable(
            f"{name}: this is no notebook, or it is damaged ({error}). Open it, save it and hand it in again"
        ) from error
    if language and "python" not in language.lower():
        raise NotGradable(f"{name} is written in {language!r}", "Hand in one in Python")
    if not code:
        raise NotGradable(f"{name}: there is no code cell in it")
    if len(code) > MOST_CELLS:
        raise NotGradable(f"{name} has more than {MOST_CELLS} code cells")
    if sum(map(len, code)) > MAX_CODE:
        raise NotGradable(
            f"{name} has more than {MAX_CODE >> 20} MiB of code. Leave out what is no code"
        )
    return _joined(name, code)


def _joined(name: str, code: Sequence[str]) -> tuple[bytes, list[str]]:
    printable = "".join(c if c.isprintable() else "?" for c in name)
    lines = [MARK + printable]
    dropped: list[int] = []
    left_out: list[str] = []
    left = MOST_READ_AGAIN
    for number, text in enumerate(code, start=1):
        kept, ipython, why = python(text, left)
        left -= ipython * len(text)
        if why:
            kept[0] = f"{LEFT_OUT}{' '.join(_names(text))}; {why}"
        lines += [f"{CELL}{number}", *kept]
        dropped += [number] * ipython
        if why:
            left_out.append(f"{printable}: code cell {number} was left out: {why}")
    taken = len(code) - len(left_out)
    notes = [
        f"{_count(taken, 'code cell')} of {printable} {'was' if taken == 1 else 'were'} graded"
    ]
    if dropped:
        where = sorted(set(dropped))
        named = ", ".join(map(str, where[:MOST_TOLD])) + (", ..." if len(where) > MOST_TOLD else "")
        notes.append(
            f"{printable}: {_count(len(dropped), 'line')} for the shell or the notebook left out "
            f"(code cell{'s' if len(where) > 1 else ''} {named})"
        )
    notes += left_out[:MOST_TOLD]
    if len(left_out) > MOST_TOLD:
        notes.append(f"{printable}: {len(left_out) - MOST_TOLD} more code cells were left out")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace"), notes


def _names(text: str) -> list[str]:
    """What a cell that was left out seems to define at its top level."""
    found = dict.fromkeys(match[1] or match[2] for match in _DEFINES.finditer(text))
    return [name for name in found if name.isidentifier()][:MOST_NAMES]


def python(text: str, most: int = MOST_READ_AGAIN) -> tuple[list[str], int, str]:
    """A cell's lines that are Python, how many lines of IPython were left out, and why all of them were.

    most: characters that may be parsed again because of such lines.

    There are always as many lines as the cell has: one that is left out is `pass` at its indentation, one of a
    cell that is left out a bare comment sign.
    """
    # What Python takes for the end of a line, and nothing else: a form feed is none.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    first = next((at for at, line in enumerate(lines) if not _DIRECTIVES.match(line)), 0)
    lines = _at_the_margin(lines, first)
    magic = re.match(r"\s*%%(\w*)", lines[first])
    ipython = 0
    if magic:
        if magic[1] not in _PYTHON_CELLS:
            return ["#"] * len(lines), 0, f"it begins with %%{magic[1]}"
        lines[first] = "#"
        ipython += 1
    if "\0" in text:
        return ["#"] * len(lines), 0, "it holds a null byte"
    why = hard(text.encode("utf-8", "replace"))
    if why:
        return ["#"] * len(lines), 0, f"it is {why} to be read"
    for _ in range(len(lines) + 1):
        fault = _fault("\n".join(lines))
        if fault is None:
            return lines, ipython, ""
        at, said = fault
        if not 0 <= at < len(lines) or not (_LINE.match(lines[at].lstrip()) or _alone(lines, at)):
            break
        if (most := most - len(text)) < 0:
            return (
                ["#"] * len(lines),
                ipython,
                "it has too many lines for the shell or the notebook",
            )
        # A command goes on where its line ends in a backslash.
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        more = lines[at].rstrip().endswith("\\")
        lines[at] = f"{indent}pass"
        ipython += 1
        while more and at + 1 < len(lines):
            at += 1
            more = lines[at].rstrip().endswith("\\")
            lines[at] = "#"
            ipython += 1
    return ["#"] * len(lines), 0, f"line {at + 1} is no Python ({said})"


def _at_the_margin(lines: list[str], first: int) -> list[str]:
    """A cell as IPython takes it: what its first line of code is indented by is no part of any line, nor are prompts."""
    indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    lines = [line.removeprefix(indent) for line in lines]
    if _PROMPT.match(lines[first]):
        lines = [_ANY_PROMPT.sub("", line) for line in lines]
    return lines


def _alone(lines: list[str], at: int) -> bool:
    """Whether a line is a command that is alone in its cell, comments apart."""
    rest = (line for place, line in enumerate(lines) if place != at)
    return bool(_ALONE.match(lines[at])) and all(map(_DIRECTIVES.match, rest))


def _fault(source: str) -> tuple[int, str] | None:
    """The line, from 0, at which a text is no Python, and what Python says of it; None where it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except SyntaxError as error:
        return (error.lineno or 1) - 1, " ".join(error.msg.split())
    except (ValueError, RecursionError, MemoryError) as error:
        return -1, str(error) or type(error).__name__
    return None


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def chosen(names: Sequence[str], expects: Sequence[str], origin: str) -> str | None:
    """Which of several notebooks, by their paths in the submission, is the one to grade; None for none.

    The one named as the assignment asks, else the only one of the shallowest folder that holds any. Raises
    NotGradable where that does not say which.
    """
    if len(expects) != 1 or not names:
        return None
    wanted = f"{expects[0]}.ipynb"
    top = min(name.count("/") for name in names)
    level = [name for name in names if name.count("/") == top]
    named = [name for name in level if name.rsplit("/", 1)[-1] == wanted]
    if len(named) == 1:
        return named[0]
    if len(level) > 1:
        raise NotGradable(
            f"{origin}: {len(level)} notebooks in it could be the submission: {', '.join(sorted(level)[:4])}",
            f"Name the one to grade {wanted}",
        )
    return level[0]
