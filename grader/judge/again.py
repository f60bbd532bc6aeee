"""What of an earlier report on the same files still holds: the verdicts of checks of which nothing has changed.

A check is known by all that its verdict depends on: its question with what is given to it, its cases and answers, how
these are compared, the limits, the grader. Who mends one check has that one asked again, and no other.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import msgspec

import grader
from grader.bank import Module
from grader.box import wire
from grader.course import digest_of
from grader.model import Assignment, Check, Outcome, Report, Verdict

# Not what the machine had a part in: time, memory, chance.
KEPT = (Outcome.PASSED, Outcome.FAILED, Outcome.RAISED, Outcome.UNIMPLEMENTED)


def digests(module: Module, *, earlier: str, opponent: str = "") -> dict[str, str]:
    """Each check's key with the hash of what its verdict depends on, beside the submission.

    earlier: whose files of earlier modules are graded with; opponent: the digest of what is timed beside.
    """
    common = digest_of(_engine().encode(), earlier.encode(), _shared(module.assignment))
    return {
        check.key: digest_of(
            common.encode(),
            _own(check),
            module.banks[check.key].digest.encode(),
            opponent.encode() if check.at_most_times else b"",
        )[:16]
        for check in module.assignment.checks
    }


def holding(
    before: Report | None, now: dict[str, str], submission_digest: str, sandbox: str
) -> dict[str, Verdict]:
    """The verdicts of the earlier report that would be found again, by the checks' keys."""
    if before is None:
        return {}
    origin = before.provenance
    if (origin.submission_digest, origin.sandbox) != (submission_digest[:16], sandbox):
        return {}
    return {
        key: verdict
        for verdict in before.checks
        if (key := f"{verdict.task}/{verdict.title}") in now
        and origin.asked.get(key) == now[key]
        and verdict.outcome in KEPT
    }


def _shared(assignment: Assignment) -> bytes:
    """What all checks of a module have in common. Titles and points are no part of it."""
    bare = msgspec.structs.replace(assignment, name="", title="", tasks=(), checks=(), left_out=())
    return msgspec.json.encode(bare)


def _own(check: Check) -> bytes:
    # What is given may hold arrays and infinities, which JSON has no word for.
    bare = msgspec.structs.replace(check, given={}, weight=1.0, hint="")
    return msgspec.json.encode(bare) + wire.encode(check.given)


@functools.cache
def _engine() -> str:
    """What asks, answers and compares, as a hash: a version is too coarse for those who change the engine."""
    root = Path(grader.__file__).parent
    files: Sequence[Path] = sorted([*root.glob("box/**/*.py"), *root.glob("judge/*.py")])
    return digest_of(grader.__version__.encode(), *(path.read_bytes() for path in files))
