"""Every error of ours, in one family: each one says what went wrong, where, and what to do next.

A student's mistake is never one of these; it is a value in the report. Exit codes follow the table
that `docs/design.md` gives ("Exit codes").
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any


class GraderError(Exception):
    """The root. `exit_code` is what the command ends with when nobody handles the error."""

    exit_code = 4


class UsageError(GraderError):
    """The command line or a configuration file is wrong; the message names file, line and key."""

    exit_code = 2


class BrokenCheck(UsageError):
    """A check that cannot be graded with: no question, nothing returned, no case drawn."""


class OutputFault(GraderError):
    """An output cannot be written, such as on a full disk. The report stands, and so do the other outputs."""


class NotGradable(GraderError):
    """The submission cannot be taken in at all (no such directory, a link in a zip, a bomb).

    what: without the advice, which is for who hands it in.
    """

    exit_code = 3

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(f"{what}. {advice}" if advice else what)
        self.what = what
        self.advice = advice


class SandboxLost(GraderError):
    """The box went away for a reason that is ours, so that what was asked of it is HELD."""


class ReferenceFault(GraderError):
    """The answer key itself raised, timed out or answered with something that cannot be compared."""


_WORD = re.compile(r"[^\W_]+")
ALIKE = 0.7  # from which on words are taken to be meant
MOST_NAMED = 30  # names that are listed where one is unknown; of more, those that are like it


def unknown(what: str, name: str, known: Any) -> str:
    """`there is no module 'modul2'. Did you mean 'module2'? There are: ...`"""
    known = list(known)
    if len(known) > MOST_NAMED:
        like = nearest(name, known)
        if not like:
            return f"there is no {what} {name!r}, and none of the {len(known)} is like it"
        listed = ", ".join(map(repr, like))
        return f"there is no {what} {name!r}. Of the {len(known)}, these are like it: {listed}"
    near = difflib.get_close_matches(name, known, 1, 0.5)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"there is no {what} {name!r}.{guess} There are: {', '.join(known) or 'none'}"


def nearest(name: str, known: Sequence[str], most: int = 3) -> list[str]:
    """Those of the names in which the words of `name`, or words like them, occur: the nearest first."""
    words = _WORD.findall(name.lower())[:20]

    def likeness(other: str) -> float:
        there = _WORD.findall(other.lower())
        best = [
            max((difflib.SequenceMatcher(None, word, t).ratio() for t in there), default=0.0)
            for word in words
        ]
        letters = sum(map(len, words))
        return sum(b * len(w) for b, w in zip(best, words, strict=True)) / letters if words else 0.0

    ranked = sorted(((likeness(other), other) for other in known), key=lambda pair: -pair[0])
    return [other for value, other in ranked[:most] if value >= ALIKE]
