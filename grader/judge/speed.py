"""Grades how fast code is: the submission against the reference, in turn, in the same run.

Time is taken outside of the box, around a whole question, so that no clock of a submission has a say. What
is judged is the ratio of two times that were taken one right after the other, because a machine that is
shared slows both. A ratio is above the limit or it is not; whether the *median* of such ratios is, is
decided by the sign test: of n ratios with a median above the limit, all but k are below it with a probability of
at most the lower tail of Binomial(n, 1/2). Rounds go on until one side is that improbable. Where they end
without, or where the reference itself takes three times as long in one round as in another, nothing is
decided, and nobody loses a point. A submission that goes on working while the reference has its turn has no
such doubt in its favour: it takes the processor from it.

Source of the test: Dixon and Mood, The statistical sign test, JASA 41 (1946).
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

CONFIDENCE = 0.999
ROUNDS = 60
STEADY = 3.0  # the quartiles of the reference's times may be so many times apart
# How often the rounds may end with a decision; each look has its share of what may be wrong.
LOOKS = 6
FIRST_LOOK = 14
AT_WORK = 0.1  # of the reference's time: so much a submission may work in it, and some ticks of a clock more
TICKS = 0.02


class Timed(NamedTuple):
    """What was measured. ratios: the submission's time over the reference's, one for each round; theirs,
    ours: seconds for one question, the submission's and the reference's; within: whether the ratio's
    median is at most the limit, None where it was not decided, and then why; meddles: why it is not, where
    the submission worked while it was not asked."""

    ratios: tuple[float, ...]
    theirs: tuple[float, ...]
    ours: tuple[float, ...]
    within: bool | None
    why: str = ""
    meddles: str = ""

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


Runner = Callable[[int], None]  # does something with the case of that number
Meter = Callable[[], float]  # the processor time of the submission so far


def measure(
    theirs: Runner,
    ours: Runner,
    *,
    limit: float,
    ready: Runner = lambda number: None,
    meter: Meter = lambda: 0.0,
) -> Timed:
    """Runs both in turn until it is decided whether the one takes at most `limit` times as long.

    ready: comes before each turn and takes no part in its time.
    """
    pairs: list[tuple[float, float]] = []
    looks = set(looks_at())
    within: bool | None = None
    at_work = 0.0

    def their_turn(number: int) -> float:
        ready(number)
        return _timed(theirs, number)

    def our_turn(number: int) -> float:
        nonlocal at_work
        ready(number)
        before = meter()
        seconds = _timed(ours, number)
        at_work += max(meter() - before, 0.0)
        return seconds

    for number in range(ROUNDS):
        # Which of them goes first changes from round to round.
        if len(pairs) % 2:
            second = our_turn(number)
            first = their_turn(number)
        else:
            first = their_turn(number)
            second = our_turn(number)
        pairs.append((first, second))
        if len(pairs) in looks:
            within = decided([a / b for a, b in pairs], limit)
            if within is not None:
                break
    first_times, second_times = zip(*pairs, strict=True)
    ratios = tuple(a / b for a, b in pairs)
    if at_work > AT_WORK * sum(second_times) + TICKS:
        return Timed(ratios, first_times, second_times, False, meddles=f"{at_work:.2g} s")
    why = "" if within is not None else f"{ROUNDS} rounds did not decide it"
    if within is not True and not steady(second_times):
        within, why = None, "the machine is too busy: the reference's own time is not steady"
    elif within is None and not steady(first_times):
        why += ", and its own time is not steady, while the reference's is"
    return Timed(ratios, first_times, second_times, within, why)


def steady(times: tuple[float, ...]) -> bool:
    """Whether the quartiles of some times are close together."""
    low, _, high = statistics.quantiles(times, n=4)
    return high <= STEADY * low


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
