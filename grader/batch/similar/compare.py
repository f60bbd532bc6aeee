"""How much of each hand-in's own code is in each other one.

Code is compared by its grams: runs of so many tokens, as in winnowing (Schleimer, Wilkerson, Aiken 2003), but all of
them and not a sample, since a class is small. What is given is taken out first, and what is left on either side of it
closes up. Two grams are alike when their tokens are: nothing is hashed, so that nothing is alike by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.batch.similar.code import Code, heads, stubs

GRAM = 16  # tokens: the shortest stretch that is looked at
LEAST_OWN = 2 * GRAM  # with fewer tokens of its own a hand-in is left out
BLOCK = 256  # hand-ins that one is compared with at a time, for the memory

Numbers = NDArray[np.int64]
Truths = NDArray[np.bool_]


class Work(msgspec.Struct, frozen=True):
    """One hand-in, or what is compared as if it were one.

    name: unique; label: for people; students: their ids; files: those that are compared; group: whose it is, `class`,
    `before` (an earlier year's) or `reference`. Only a pair with one of the class is looked at.
    """

    name: str
    label: str
    students: frozenset[str]
    files: tuple[Code, ...]
    group: str = "class"


class Own(msgspec.Struct, frozen=True):
    """What is a work's own: for each token of it its file and its place there; the gram that begins with it,
    -1 where the file ends sooner."""

    file: Numbers
    place: Numbers
    gram: Numbers

    @property
    def tokens(self) -> int:
        """How many there are."""
        return len(self.place)


class Pair(msgspec.Struct, frozen=True):
    """Two works by their numbers, the tokens of each that are in the other, and the share of both together."""

    a: int
    b: int
    tokens_a: int
    tokens_b: int
    share_a: float
    share_b: float
    share: float


class Compared(msgspec.Struct, frozen=True):
    """All of a class. own: of each work; found[a, b]: how many tokens of a are in b; holders: how many of the
    class have each gram; looked_at[a, b]: whether that is a pair, and never [b, a] as well."""

    works: tuple[Work, ...]
    own: tuple[Own, ...]
    found: Numbers
    holders: Numbers
    looked_at: Truths

    @property
    def shares(self) -> NDArray[np.float64]:
        """[a, b]: how much of the two works' own code is in the other one, of both together."""
        tokens = np.array([own.tokens for own in self.own], np.int64)
        both = np.maximum(tokens[:, None] + tokens, 1)
        return np.asarray((self.found + self.found.T) / both, np.float64)

    @property
    def in_class(self) -> Truths:
        """The pairs within the class: what is usual is seen from them."""
        ours = np.array([work.group == "class" for work in self.works], np.bool_)
        return self.looked_at & ours


def compare(works: Sequence[Work], given: Sequence[Code] = ()) -> Compared:
    """Compares every work of the class with every other work, without what is given."""
    own = owned(works, given)
    grams = max((int(o.gram.max(initial=-1)) for o in own), default=-1) + 1
    held = [np.unique(o.gram[o.gram >= 0]) for o in own]
    holders = np.zeros(grams, np.int64)
    for work, mine in zip(works, held, strict=True):
        if work.group == "class":
            holders[mine] += 1
    found = np.array(list(_found(own, held, grams)), np.int64).reshape(len(works), len(works))
    return Compared(tuple(works), tuple(own), found, holders, _looked_at(works, own))


def ranked(compared: Compared, least: float) -> Iterator[Pair]:
    """The pairs with so large a share or a larger one, those most alike first."""
    shares = np.where(compared.looked_at, compared.shares, -1.0)
    first, second = np.nonzero((shares >= least) & (compared.found > 0))
    order = np.lexsort((second, first, -compared.found[first, second], -shares[first, second]))
    for a, b in zip(first[order].tolist(), second[order].tolist(), strict=True):
        yield Pair(
            a=a,
            b=b,
            tokens_a=int(compared.found[a, b]),
            tokens_b=int(compared.found[b, a]),
            share_a=compared.found[a, b] / compared.own[a].tokens,
            share_b=compared.found[b, a] / compared.own[b].tokens,
            share=float(shares[a, b]),
        )


def _looked_at(works: Sequence[Work], own: Sequence[Own]) -> Truths:
    """Which pairs are: one of the class with another of it or with what is no part of it, each once; never two of
    one student, and none with too little of its own."""
    count = len(works)
    ours = np.array([work.group == "class" for work in works], np.bool_)
    enough = np.array([one.tokens >= LEAST_OWN for one in own], np.bool_)
    places = np.arange(count)
    pairs = (places[:, None] < places) | ~ours
    pairs &= ours[:, None] & enough & enough[:, None]
    np.fill_diagonal(pairs, False)
    mine: dict[str, list[int]] = {}
    for place, work in enumerate(works):
        for student in work.students if work.group == "class" else ():
            mine.setdefault(student, []).append(place)
    for together in mine.values():
        pairs[np.ix_(together, together)] = False
    return pairs


def owned(works: Sequence[Work], given: Sequence[Code]) -> list[Own]:
    """What is each work's own. The grams are numbered so that like ones have one number."""
    files = [code for work in works for code in work.files]
    numbered = _numbered([code.words for code in [*files, *given]])
    grams = _grams(numbered)
    known = np.unique(np.concatenate([*grams[len(files) :], np.array([-1])]))
    given_heads = {code.words[low:high] for code in given for low, high in heads(code.words)}
    kept = [
        np.flatnonzero(~(covered((one >= 0) & np.isin(one, known)) | _frame(code, given_heads)))
        for code, one in zip(files, grams, strict=False)
    ]
    rest = _grams([words[places] for words, places in zip(numbered, kept, strict=False)])
    own = []
    first = 0
    for work in works:
        mine = range(first, first + len(work.files))
        first += len(work.files)
        own.append(
            Own(
                file=_joined([np.full(len(kept[k]), k - mine.start) for k in mine]),
                place=_joined([kept[k] for k in mine]),
                gram=_joined([rest[k] for k in mine]),
            )
        )
    return own


def _frame(code: Code, given_heads: set[tuple[str, ...]]) -> Truths:
    """Which tokens are what solutions are put into: heads that are given, too short for a gram, and stubs."""
    found = np.zeros(len(code.words), np.bool_)
    for low, high in heads(code.words):
        found[low:high] |= code.words[low:high] in given_heads
    for low, high in stubs(code.words):
        found[low:high] = True
    return found


def _joined(parts: Sequence[Numbers]) -> Numbers:
    return np.concatenate([*parts, np.empty(0, np.int64)])


def _numbered(files: Sequence[Sequence[str]]) -> list[Numbers]:
    numbers: dict[str, int] = {}
    return [
        np.array([numbers.setdefault(word, len(numbers)) for word in words], np.int64)
        for words in files
    ]


def _grams(files: Sequence[Numbers]) -> list[Numbers]:
    """The gram that begins at each token. Runs are numbered by pairs of shorter runs, twice as long each time."""
    sizes = [len(words) for words in files]
    runs, length = _joined(files), 1
    while length < GRAM and len(runs):
        step = min(length, GRAM - length)
        if len(runs) <= step:
            runs = runs[:0]
            break
        pairs = runs[:-step] * (runs.max() + 1) + runs[step:]
        runs = np.unique(pairs, return_inverse=True)[1].astype(np.int64)
        length += step
    whole = np.full(sum(sizes), -1, np.int64)
    whole[: len(runs)] = runs
    found = np.split(whole, np.cumsum(sizes)[:-1]) if sizes else []
    for one in found:
        one[max(0, len(one) - GRAM + 1) :] = -1  # these would end in the next file
    return found


def covered(begins: NDArray[Any]) -> Truths:
    """Which tokens the grams that begin there hold, along the last axis."""
    sums = np.cumsum(begins, axis=-1, dtype=np.int32)
    sums[..., GRAM:] -= sums[..., :-GRAM].copy()
    return sums > 0


def _found(own: Sequence[Own], held: Sequence[Numbers], grams: int) -> Iterator[Numbers]:
    """For each work, how many of its tokens are in each."""
    # Who has a gram, gram by gram: the holders of gram g are who[start[g]:start[g + 1]].
    gram = _joined(held)
    who = _joined([np.full(len(mine), k) for k, mine in enumerate(held)])
    who = who[np.argsort(gram, kind="stable")]
    start = np.concatenate([[0], np.cumsum(np.bincount(gram, minlength=grams))]).astype(np.int64)
    for one in own:
        begins = np.flatnonzero(one.gram >= 0)
        mine = one.gram[begins]
        sizes = start[mine + 1] - start[mine]
        places = np.repeat(begins, sizes)
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        others = who[np.repeat(start[mine], sizes) + offsets]
        counts = np.zeros(len(own), np.int64)
        for low in range(0, len(own), BLOCK):
            here = (others >= low) & (others < low + BLOCK)
            begun = np.zeros((min(BLOCK, len(own) - low), one.tokens), np.bool_)
            begun[others[here] - low, places[here]] = True
            counts[low : low + BLOCK] = covered(begun).sum(axis=1)
        yield counts
