"""One answer of a submission beside the reference's: whether it is right, what is wrong with it, and in which words.

Nothing here asks a question or knows a grading.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from grader.box import wire
from grader.box.wire import WireError
from grader.judge.compare import COMPARISONS, TOLD, show
from grader.judge.diagnose import Failure
from grader.model import Check, Mismatch, Outcome

_KINDS = {
    "error": Outcome.RAISED,
    "unimplemented": Outcome.UNIMPLEMENTED,
    "missing": Outcome.UNIMPLEMENTED,
    "blocked": Outcome.BLOCKED,
    "timeout": Outcome.TIMED_OUT,
    "mutated": Outcome.FAILED,
}
# An answer that is right has as many values as the reference's, and none is written in 20 times as many letters.
# To read one that is longer would take our own time, at no cost to the submission.
READ_ANYHOW = 1 << 15
MOST_TIMES = 20
FILE = re.compile(
    r"\w[\w/-]*\.py\b"
)  # a name that a sentence begins with: it keeps its small letter


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with one answer."""

    outcome: Outcome
    mismatch: Mismatch
    expected: Any = None
    observed: Any = None
    where: tuple[str, ...] = ()


def judge(check: Check, expected: bytes, slack: bytes, observed: bytes) -> Fault | None:
    """One answer against the reference's, as frames; None when they agree."""
    if observed == expected:
        return None
    length = _header(observed)
    if length > READ_ANYHOW + MOST_TIMES * _header(expected):
        want = wire.decode(expected)
        said = f"an answer that takes {length >> 10} KiB to write down"
        return Fault(
            Outcome.FAILED, Mismatch("", "type", show(want), said), want, wire.Opaque(said)
        )
    try:
        answer = wire.decode(observed)
    except (WireError, MemoryError) as error:
        return Fault(
            Outcome.CRASHED, Mismatch("", "type", "an answer", f"an unreadable one ({error})")
        )
    want = wire.decode(expected)
    if isinstance(answer, wire.Raised):
        kind = _KINDS.get(answer.kind, Outcome.RAISED)
        text = f"{answer.type}: {answer.message}" if answer.message else answer.type
        sort = "mutated" if answer.kind == "mutated" else "raised"
        said = f"the input {answer.message} was changed in place" if sort == "mutated" else text
        return Fault(kind, Mismatch("", sort, show(want), said), want, answer, answer.where)
    mismatch = COMPARISONS[check.compare](want, answer, check.tolerance, wire.decode(slack))
    return None if mismatch is None else Fault(Outcome.FAILED, mismatch, want, answer)


def _header(frame: bytes) -> int:
    """How long the part of a frame is that is read value by value; 0 where it is not there."""
    if len(frame) < wire.HEAD.size:
        return 0
    length = int(wire.HEAD.unpack(frame[: wire.HEAD.size])[0])
    return length if length <= len(frame) else 0


def reason_of(fault: Fault) -> str:
    mismatch = fault.mismatch
    if fault.outcome is Outcome.RAISED or mismatch.kind == "mutated":
        return mismatch.observed
    at = f" at {mismatch.path}" if mismatch.path else ""
    return f"expected {mismatch.expected}{at}, got {mismatch.observed}"


def fact_of(fault: Fault) -> str:
    """What is wrong, as the fact itself says it: `no: line 12 ...` loses its no."""
    observed, path = fault.observed, fault.mismatch.path
    said = observed.get(path) if isinstance(observed, dict) else None
    if type(said) is str and said.startswith("no: "):
        text = wire.clean(said[4:], 1000)
        return text if FILE.match(text) else text[:1].upper() + text[1:]
    return reason_of(fault)


def remark_among(check: Check, answers: Sequence[bytes]) -> str:
    """What a check found out beside right and wrong."""
    if check.compare != "facts":
        return ""
    return next(filter(None, (remark_of(wire.decode(frame)) for frame in answers)), "")


def remark_of(answer: Any) -> str:
    """What is told beside facts, in the submission's own words: cut and cleaned."""
    told = answer.get(TOLD) if isinstance(answer, dict) else None
    return wire.clean(told, 1000) if type(told) is str else ""


def failure_of(frame: bytes, fault: Fault) -> Failure:
    return Failure(wire.decode(frame), fault.expected, fault.observed, fault.mismatch)
