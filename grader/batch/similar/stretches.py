"""Where two works are alike: their stretches side by side, the longest first.

Every token that counts as found in the other work lies in a stretch that is shown here, on both sides.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from grader.batch.similar.compare import GRAM, Compared, Numbers, Own, Work, covered

KEPT = 16  # places of one gram at which a stretch is looked for: code may repeat itself
AT_ONCE = 256  # tokens that are compared at a time
NEAR = 4  # lines between two stretches that are shown as one


class Span(msgspec.Struct, frozen=True):
    """Lines of a file of a work, from `first` to `last`. marks: line -> the columns of what is alike in it, as
    pairs of from and to; with True where it is seldom."""

    file: int
    first: int
    last: int
    marks: dict[int, tuple[tuple[int, int, bool], ...]]


class Stretch(msgspec.Struct, frozen=True):
    """What is alike, in either work, and how many tokens of the first that is."""

    a: Span
    b: Span
    tokens: int


Run = tuple[int, int, int]  # from which token of a, from which of b, how many


def stretches(compared: Compared, a: int, b: int, few: int) -> list[Stretch]:
    """Where works a and b are alike. few: a gram that so many of the class have, or fewer, is seldom."""
    own_a, own_b = compared.own[a], compared.own[b]
    sides = (
        _Side(compared.works[a], own_a, compared.holders, few),
        _Side(compared.works[b], own_b, compared.holders, few),
    )
    runs = _runs(own_a, own_b)
    found = []
    for together in _together(sorted(runs), *sides):
        spans = [
            side.span([(run[k], run[k] + run[2]) for run in together])
            for k, side in enumerate(sides)
        ]
        tokens = {token for i, _, size in together for token in range(i, i + size)}
        found.append(Stretch(spans[0], spans[1], len(tokens)))
    return sorted(found, key=lambda stretch: -stretch.tokens)


def seldom(compared: Compared, a: int, b: int, few: int) -> int:
    """How many of the tokens of work a that are in b are seldom."""
    gram = compared.own[a].gram
    shared = (gram >= 0) & np.isin(gram, compared.own[b].gram)
    return int(covered(shared & (compared.holders[np.maximum(gram, 0)] <= few)).sum())


def _runs(own_a: Own, own_b: Own) -> list[Run]:
    """Like runs of tokens that hold all of either work that is in the other, long ones rather than short ones."""
    places_a, places_b = _places(own_a), _places(own_b)
    left_a = covered((own_a.gram >= 0) & np.isin(own_a.gram, own_b.gram))
    left_b = covered((own_b.gram >= 0) & np.isin(own_b.gram, own_a.gram))
    runs: list[Run] = []

    def take(i: int, j: int, size: int) -> None:
        new = np.flatnonzero(left_a[i : i + size] | left_b[j : j + size])
        if len(new):
            low = max(0, min(int(new[0]), size - GRAM))
            high = max(int(new[-1]) + 1, low + GRAM)
            left_a[i + low : i + high] = left_b[j + low : j + high] = False
            runs.append((i + low, j + low, high - low))

    for size, i, j in sorted(_longest(own_a, own_b, places_b), key=lambda one: (-one[0], one[1:])):
        take(i, j, size)
    # What repeats itself more often than is looked for.
    for i in np.flatnonzero(own_a.gram >= 0).tolist():
        if left_a[i : i + GRAM].any() and (there := places_b.get(int(own_a.gram[i]))):
            take(i, there[0], GRAM)
    for j in np.flatnonzero(own_b.gram >= 0).tolist():
        if left_b[j : j + GRAM].any() and (there := places_a.get(int(own_b.gram[j]))):
            take(there[0], j, GRAM)
    return runs


def _places(own: Own) -> dict[int, list[int]]:
    """Where each gram begins, the first few places."""
    places: dict[int, list[int]] = {}
    for place, gram in enumerate(own.gram.tolist()):
        known = places.setdefault(gram, [])
        if gram >= 0 and len(known) < KEPT:
            known.append(place)
    return places


def _longest(own: Own, other: Own, places: dict[int, list[int]]) -> Iterator[tuple[int, int, int]]:
    """Like runs that cannot be made longer: how many tokens, and where they begin."""
    mine, theirs = own.gram.tolist(), other.gram.tolist()
    for i, gram in enumerate(mine):
        for j in places.get(gram, ()):
            if not (i and j and mine[i - 1] == theirs[j - 1] >= 0):
                yield _length(own, other, i, j), i, j


def _length(own: Own, other: Own, i: int, j: int) -> int:
    """How many tokens from there on are alike: those of the grams that begin there and are the same."""
    grams = 0
    while True:
        mine = own.gram[i + grams : i + grams + AT_ONCE]
        theirs = other.gram[j + grams : j + grams + AT_ONCE]
        most = min(len(mine), len(theirs))
        alike = (mine[:most] == theirs[:most]) & (mine[:most] >= 0)
        same = most if alike.all() else int(alike.argmin())
        grams += same
        if same < AT_ONCE:
            return grams + GRAM - 1


class _Side:
    """One of the two works, to find lines in it."""

    def __init__(self, work: Work, own: Own, holders: Numbers, few: int) -> None:
        self.work = work
        self.own = own
        self.lines = [_line_starts(code.text) for code in work.files]
        self.seldom = covered((own.gram >= 0) & (holders[np.maximum(own.gram, 0)] <= few))

    def line(self, token: int, *, end: bool = False) -> int:
        """The number of the line on which one of the work's own tokens begins, or ends."""
        file, place = int(self.own.file[token]), int(self.own.place[token])
        code = self.work.files[file]
        at = code.ends[place] - 1 if end else code.starts[place]
        return bisect.bisect_right(self.lines[file], at)

    def span(self, runs: Iterable[tuple[int, int]]) -> Span:
        """The lines of these runs, all of one file. Tokens that follow each other are marked as one."""
        tokens = sorted({token for low, high in runs for token in range(low, high)})
        file = int(self.own.file[tokens[0]])
        code, lines = self.work.files[file], self.lines[file]
        marks: dict[int, list[tuple[int, int, bool]]] = {}
        before = -2
        for token in tokens:
            place, seldom = int(self.own.place[token]), bool(self.seldom[token])
            for line, low, high in _pieces(code.starts[place], code.ends[place], lines):
                known = marks.setdefault(line, [])
                if known and known[-1][2] == seldom and place == before + 1:
                    known[-1] = (known[-1][0], high, seldom)
                else:
                    known.append((low, high, seldom))
            before = place
        return Span(file, min(marks), max(marks), {k: tuple(v) for k, v in marks.items()})


def _line_starts(text: str) -> list[int]:
    return [0, *(place + 1 for place, c in enumerate(text) if c == "\n")]


def _pieces(start: int, end: int, lines: list[int]) -> Iterator[tuple[int, int, int]]:
    """A token on each of its lines: the line's number, from and to which column."""
    first = bisect.bisect_right(lines, start)
    last = bisect.bisect_right(lines, end - 1)
    for line in range(first, last + 1):
        begin = lines[line - 1]
        stop = lines[line] - 1 if line < len(lines) else end
        low, high = max(start, begin) - begin, min(end, stop) - begin
        if low < high:
            yield line, low, high


def _together(runs: list[Run], one: _Side, other: _Side) -> Iterator[list[Run]]:
    """The runs, those that follow each other closely on either side as one."""
    together: list[Run] = []
    for run in runs:
        if together and not _near(together[-1], run, one, other):
            yield together
            together = []
        together.append(run)
    if together:
        yield together


def _near(before: Run, run: Run, one: _Side, other: _Side) -> bool:
    for k, side in enumerate((one, other)):
        last, first = before[k] + before[2] - 1, run[k]
        if side.own.file[last] != side.own.file[first]:
            return False
        if not -NEAR <= side.line(first) - side.line(last, end=True) <= NEAR:
            return False
    return True
