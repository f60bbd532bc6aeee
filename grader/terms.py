"""The terms of a course: when work is due, what lateness costs, which attempt counts, what is added by hand.

Pure arithmetic on times and points: no clock is read, no file and no submission.
"""

from __future__ import annotations

import msgspec


class Line(msgspec.Struct, frozen=True):
    """One reason why a score is not the raw one. points: what it adds; negative where it takes."""

    points: float
    reason: str


class Standing(msgspec.Struct, frozen=True):
    """A score under the course's terms.

    raw: what the checks gave; score: what counts, never below 0; lines: every difference between the two, in
    order; late_seconds: how long after the date that holds for this student, 0 in time; tokens: late days that
    it used up.
    """

    raw: float
    score: float
    max_score: float
    lines: tuple[Line, ...] = ()
    late_seconds: float = 0.0
    tokens: int = 0
