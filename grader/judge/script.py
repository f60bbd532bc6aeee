"""Writes the lines of Python that a question amounts to, in the student's own vocabulary.

The question is run once more at home, against a recorder in place of a subject: what it calls is written
down by the binding's own `Script`, and nothing of the submission runs.
"""

from __future__ import annotations

import importlib
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

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        write = getattr(self._script, name, None)

        def record(*args: Any, **kwargs: Any) -> _Anything:
            if write is not None:
                write(*args, **kwargs)
            return _Anything()

        return record


def snippet(assignment: Assignment, check: Check, inputs: dict[str, Any]) -> str:
    """Lines to paste into a Python prompt that show what the question asks; "" when there are none."""
    binding = importlib.import_module(BINDINGS[assignment.binding])
    script = binding.Script(assignment.expects[0])
    namespace: dict[str, Any] = {"__name__": "questions"}
    try:
        exec(compile(assignment.questions, "questions.py", "exec"), namespace)
        namespace[check.question](_Recorder(script), **check.given, **inputs)
    except Exception:
        # A question that computes with the answers cannot go on with a recorder: what was written stands.
        pass
    lines = script.lines
    return "\n".join(lines[:MAX_LINES]) if len(lines) <= MAX_LINES else ""
