"""Watches one case of a question: which functions of the submission run, and what a backward asks for.

It counts and never judges. Student code shares the process with it and can switch it off or forge what it
says, so that its counts are a hint for a person and nothing else.
"""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType
from typing import Any

from grader.box.bindings.plain import number

NEAR = 1e-3  # a step is at most this part of where it starts from (or of 1)
ROUNDING = 2.0**-44  # of a number that came back by another way, such as log(exp(x)): no step
MOST_NUMBERS = 256
MOST_CALLS = 16
MOST_PAIRS = 40
MOST_PLACES = 5000

_OTHERS, _THEIRS, _FORWARD, _BACKWARD = range(4)

Arguments = list[list[Any]]


class Watch:
    """A profile function that is on between `begin` and `end`, once for each case.

    ran: the functions of the submission that ran, as file and first line. pairs: (backward, forward) ->
    how often that forward was called, while that backward ran, next to where it was called before, and
    how often with a complex number.
    """

    def __init__(self, root: str) -> None:
        self.prefix = root + os.sep
        self.kinds: dict[CodeType, int] = {}
        self.ran: set[tuple[str, int]] = set()
        self.pairs: dict[tuple[str, str], list[int]] = {}
        self.backwards: list[CodeType] = []
        self.before: dict[CodeType, list[Arguments]] = {}

    def begin(self) -> None:
        self.backwards.clear()
        self.before.clear()
        sys.setprofile(self.event)

    def end(self) -> None:
        sys.setprofile(None)

    def event(self, frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        kind = self.kinds.get(code)
        if event == "call":
            if kind is None:
                kind = self.kinds[code] = self.kind(code)
            if kind == _FORWARD:
                self.forward(frame, code)
            elif kind == _BACKWARD:
                self.backwards.append(code)
        elif event == "return" and kind == _BACKWARD and self.backwards:
            self.backwards.pop()

    def kind(self, code: CodeType) -> int:
        """What a function is; those of the submission are taken down."""
        if not code.co_filename.startswith(self.prefix):
            return _OTHERS
        if len(self.ran) < MOST_PLACES:
            path = code.co_filename[len(self.prefix) :].replace(os.sep, "/")
            self.ran.add((path, code.co_firstlineno))
        return {"forward": _FORWARD, "backward": _BACKWARD}.get(code.co_name, _THEIRS)

    def forward(self, frame: FrameType, code: CodeType) -> None:
        """Takes down a call of a forward: where it was called, or, inside a backward, how near to that."""
        given = arguments(frame, code)
        known = self.before.setdefault(code, [])
        if not self.backwards:
            known.append(given)
            del known[:-MOST_CALLS]
            return
        strange = any(type(n) is complex for part in given for n in part)
        if not strange and not any(stepped(old, given) for old in known):
            return
        pair = self.backwards[-1].co_qualname, code.co_qualname
        if pair in self.pairs or len(self.pairs) < MOST_PAIRS:
            self.pairs.setdefault(pair, [0, 0])[strange] += 1

    def told(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "ran": [[path, line] for path, line in sorted(self.ran)],
            "pairs": [[*pair, *counts] for pair, counts in self.pairs.items()],
        }


def arguments(frame: FrameType, code: CodeType) -> Arguments:
    """The numbers in each argument of a call; nothing for what holds none, such as a context."""
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 0x04)
    given = frame.f_locals
    found = [numbers(given.get(name)) for name in code.co_varnames[:count]]
    return [part for part in found if part]


def numbers(value: Any) -> list[Any]:
    """The numbers of a value: of a number, a list, an array, a student's Tensor or Scalar."""
    numpy = sys.modules.get("numpy")
    try:
        value = number(value)
        if type(value) in (float, complex):
            return [value]
        if type(value) in (list, tuple):
            flat = [number(item) for item in value[:MOST_NUMBERS]]
            return flat if all(type(n) in (float, complex) for n in flat) else []
        if numpy is None:
            return []
        if isinstance(value, numpy.generic):
            return [complex(value)]
        tensor = getattr(value, "_tensor", value)
        storage: Any = getattr(tensor, "_storage", getattr(value, "data", None))
        if type(value) is numpy.ndarray:
            storage = value
        if type(storage) is numpy.ndarray and storage.dtype.kind in "fciu":
            flat = storage.reshape(-1)[:MOST_NUMBERS].tolist()
            return [n if type(n) is complex else float(n) for n in flat]
        return [storage] if type(storage) in (float, complex) else []
    except Exception:
        return []


def stepped(old: Arguments, new: Arguments) -> bool:
    """Whether some of the numbers moved by a small step, and no other."""
    moved = False
    if [len(part) for part in old] != [len(part) for part in new]:
        return False
    for before, after in zip(old, new, strict=True):
        for a, b in zip(before, after, strict=True):
            if a == b:
                continue
            if type(a) is float and abs(a - b) <= ROUNDING * max(1.0, abs(a)):
                continue
            if type(a) is complex or not abs(a - b) <= NEAR * max(1.0, abs(a)):
                return False
            moved = True
    return moved
