"""Grades how fast code is: the submission against the reference, in turn, in the same run.

Time is taken outside of the box, around a whole question, so that no clock of a submission has a say. What
is judged is the ratio of two times that were taken one right after the other, because a machine that is
shared slows both. A ratio is above the limit or it is not; whether the *median* of such ratios is, is
decided by the sign test: of n ratios with a median above the limit, all but k are below it with a probability of
at most the lower tail of Binomial(n, 1/2). Rounds go on until one side is that improbable. Where they end
without, or where the reference itself takes three times as long in one round as in another, nothing is
decided, and nobody loses a point.

Source of the test: Dixon and Mood, The statistical sign test, JASA 41 (1946).
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

CONFIDENCE = 0.999
ROUNDS = 60
STEADY = 3.0  # the quartiles of the reference's times may be so many times apart
LOOKS = (
    6  # how often the rounds may end with a decision; each look has its share of what may be wrong
)
FIRST_LOOK = 14


class Timed(NamedTuple):
    """What was measured. ratios: the submission's time over the reference's, one for each round; theirs,
    ours: seconds for one question, the submission's and the reference's; within: whether the ratio's
    median is at most the limit, None where it was not decided, and then why."""

    ratios: tuple[float, ...]
    theirs: tuple[float, ...]
    ours: tuple[float, ...]
    within: bool | None
    why: str = ""

    @property
    def told(self) -> str:
        """`2.1 times the reference's time (median of 14 rounds, 12 ms against 5.7 ms)`."""
        if not self.ratios:
            return ""
        return (
            f"{statistics.median(self.ratios):.2g} times the reference's time (median of "
            f"{len(self.ratios)} rounds; {_milli(self.theirs)} against {_milli(self.ours)})"
        )


def _milli(seconds: tuple[float, ...]) -> str:
    return f"{statistics.median(seconds) * 1000:.3g} ms"


class Stop(Exception):
    """Raised by a runner that has no time to tell: the measuring ends there."""


Runner = Callable[[int], None]  # runs the question on the bank's case of that number


def measure(theirs: Runner, ours: Runner, *, limit: float, cases: int) -> Timed:
    """Runs both in turn until it is decided whether the one takes at most `limit` times as long."""
    pairs: list[tuple[float, float]] = []
    looks = set(looks_at())
    numbers = itertools.cycle(range(cases))
    within: bool | None = None
    for number in itertools.islice(numbers, ROUNDS):
        # Which of them goes first changes from round to round.
        if len(pairs) % 2:
            second = _timed(ours, number)
            first = _timed(theirs, number)
        else:
            first = _timed(theirs, number)
            second = _timed(ours, number)
        pairs.append((first, second))
        if len(pairs) in looks:
            within = decided([a / b for a, b in pairs], limit)
            if within is not None:
                break
    first_times, second_times = zip(*pairs, strict=True)
    ratios = tuple(a / b for a, b in pairs)
    why = "" if within is not None else f"{ROUNDS} rounds did not decide it"
    low, _, high = statistics.quantiles(second_times, n=4)
    if within is not True and high > STEADY * low:
        within, why = None, "the machine is too busy: the reference's own time is not steady"
    return Timed(ratios, first_times, second_times, within, why)


def _timed(run: Runner, number: int) -> float:
    began = time.perf_counter()
    run(number)
    return max(time.perf_counter() - began, 1e-9)


def looks_at() -> Iterator[int]:
    """After how many rounds a decision is looked for: few times, as each look may be wrong."""
    for look in range(LOOKS):
        yield round(FIRST_LOOK + (ROUNDS - FIRST_LOOK) * look / (LOOKS - 1))


def decided(ratios: list[float], limit: float) -> bool | None:
    """Whether the median ratio is at most the limit, at `CONFIDENCE` over all looks; None where these
    ratios do not tell."""
    above = sum(ratio > limit for ratio in ratios)
    wrong = (1.0 - CONFIDENCE) / LOOKS
    if tail(len(ratios), above) <= wrong:
        return True
    if tail(len(ratios), len(ratios) - above) <= wrong:
        return False
    return None


def tail(n: int, k: int) -> float:
    """P(X <= k) for X of Binomial(n, 1/2)."""
    return sum(math.comb(n, i) for i in range(k + 1)) / 2.0**n
