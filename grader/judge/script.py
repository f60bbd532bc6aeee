"""Writes the lines of Python that a question amounts to, in the student's own vocabulary.

The question is run once more at home, against a recorder in place of a subject: what it calls is written
down by the binding's own `Script`, and nothing of the submission runs.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import itertools
import math
import symtable
import textwrap
import types
from collections.abc import Sequence
from typing import Any

from grader.box.worker import BINDINGS
from grader.model import Assignment, Check

MAX_LINES = 30


class _Anything:
    """Stands for an answer that is not known while recording: any use of it gives another one."""

    def __call__(self, *args: Any, **kwargs: Any) -> _Anything:
        return self

    def __getattr__(self, name: str) -> _Anything:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: Any) -> _Anything:
        return self

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Recorder:
    """A subject whose methods write lines. A method that the binding's Script does not know is silent."""

    def __init__(self, script: Any) -> None:
        self._script = script
        self._functions: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        write = getattr(self._script, name, None)

        def record(*args: Any, **kwargs: Any) -> Any:
            for value in (*args, *kwargs.values()):
                if isinstance(value, types.FunctionType):
                    self._functions[value.__name__] = value.__code__.co_firstlineno
            written = None if write is None else write(*args, **kwargs)
            return _Anything() if written is None else written

        return record


def snippet(
    assignment: Assignment, check: Check, inputs: dict[str, Any], changed: Sequence[str] = ()
) -> str:
    """Lines to paste into a Python prompt that show what the question asks; "" when there are none.

    changed: names of inputs that the submission wrote into, which are shown last.
    """
    binding = importlib.import_module(BINDINGS[assignment.binding])
    script = binding.Script(assignment.expects[0])
    namespace: dict[str, Any] = {"__name__": "questions"}
    recorder = _Recorder(script)
    try:
        exec(compile(assignment.questions, "questions.py", "exec"), namespace)
        namespace[check.question](recorder, **check.given, **inputs)
    except Exception:
        # A question that computes with the answers cannot go on with a recorder: what was written stands.
        pass
    shown = [
        name for name in changed if any(line.startswith(f"{name} = ") for line in script.lines)
    ]
    script.lines += [f"print({name})  # changed" for name in shown]
    lines = _defined(script.lines, assignment.questions, recorder._functions)
    return "\n".join(lines) if len(lines) <= MAX_LINES else ""


def _defined(lines: list[str], questions: str, passed: dict[str, int]) -> list[str]:
    """The lines with the functions of the questions that they use put before them; none at all when a
    name would still be unknown, because lines that cannot run help nobody.

    passed: the functions that the question passed to its subject, each with the line it begins in.
    """
    imports = list(itertools.takewhile(lambda line: line.startswith(("import ", "from ")), lines))
    body = lines[len(imports) :]
    tree = ast.parse(questions)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    functions |= {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and passed.get(node.name) == node.lineno
    }
    added: list[str] = []
    # A function that is put in may need another one.
    for _ in range(4):
        unknown = _unknown([*imports, *added, *body])
        if not unknown:
            return [*imports, *added, *body]
        for name in sorted(unknown):
            if name in functions:
                text = ast.get_source_segment(questions, functions[name], padded=True) or ""
                # The empty line ends the function where the lines are pasted into a prompt.
                added = [*textwrap.dedent(text).splitlines(), "", *added]
            elif name == "math":
                imports.append("import math")
            elif hasattr(math, name):
                imports.append(f"from math import {name}")
            else:
                return []
    return []


def _unknown(lines: list[str]) -> set[str]:
    """The names that some lines of Python use and nothing defines."""
    table = symtable.symtable("\n".join(lines), "snippet", "exec")
    known = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    used = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    below = table.get_children()
    while below:
        scope = below.pop()
        below += scope.get_children()
        used |= {s.get_name() for s in scope.get_symbols() if s.is_referenced() and s.is_global()}
    return used - known - set(vars(builtins))
