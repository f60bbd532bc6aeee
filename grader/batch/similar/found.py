"""What is told of a class: its most alike pairs with what is alike in them, files that many share, and what is usual."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.batch.similar.compare import LEAST_OWN, Compared, Pair, Work, ranked
from grader.batch.similar.stretches import Stretch, seldom, stretches

COLUMNS = 20  # of the distribution, of 5 percent each
SEVERAL = 3  # hand-ins with the same file are more than a pair
LEAST_SHARED = 50  # tokens of a file that several have
SELDOM = 0.05  # of the class, and three hand-ins at least: a source and two copies


class Alike(msgspec.Struct, frozen=True):
    """A pair with what is alike in it.

    seldom: how many of the first work's tokens that are in the other few of the class have; rank: how many pairs of
    the class are as much alike or more, this one among them where it is one of the class; usual_a, usual_b: the share
    of each that is in the middle one of the class's other works, None where there is none.
    """

    pair: Pair
    a: Work
    b: Work
    stretches: tuple[Stretch, ...]
    seldom: int
    rank: int
    usual_a: float | None
    usual_b: float | None


class Shared(msgspec.Struct, frozen=True):
    """A file that several works have alike. exactly: to the byte, else but for names, comments and layout."""

    name: str
    works: tuple[Work, ...]
    tokens: int
    exactly: bool


class Found(msgspec.Struct, frozen=True):
    """All that is told.

    few: as many of the class have what is called seldom, or fewer; spread: how many pairs of the class have a share
    in each twentieth; median: of their shares, None without a pair; above: pairs with the least share or more, of
    which `alike` shows some; folded: those that are not listed because another work is just the same as one of them;
    too_little: works with hardly any code of their own.
    """

    works: tuple[Work, ...]
    own: tuple[int, ...]
    least: float
    few: int
    alike: tuple[Alike, ...]
    above: int
    folded: int
    shared: tuple[Shared, ...]
    pairs: int
    spread: tuple[int, ...]
    median: float | None
    too_little: tuple[Work, ...]


def found(compared: Compared, *, least: float, most: int) -> Found:
    """What is to be told. least: the share of a pair that is listed, from 0 to 1; most: how many are."""
    works, own = compared.works, compared.own
    ours = [k for k, work in enumerate(works) if work.group == "class"]
    few = max(3, int(SELDOM * len(ours)))
    shares = np.sort(compared.shares[compared.in_class])
    stands_for = _stands_for(compared)
    alike: list[Alike] = []
    above = folded = 0
    for pair in ranked(compared, least):
        above += 1
        if _told_by_another(pair, stands_for, compared):
            folded += 1
            continue
        if len(alike) < most:
            alike.append(_alike(compared, pair, few, shares))
    return Found(
        works=works,
        own=tuple(one.tokens for one in own),
        least=least,
        few=few,
        alike=tuple(alike),
        above=above,
        folded=folded,
        shared=tuple(_shared(compared)),
        pairs=len(shares),
        spread=tuple(np.histogram(shares, COLUMNS, (0.0, 1.0))[0].tolist()),
        median=float(np.median(shares)) if len(shares) else None,
        too_little=tuple(works[k] for k in ours if own[k].tokens < LEAST_OWN),
    )


def _told_by_another(pair: Pair, stands_for: list[int], compared: Compared) -> bool:
    """Whether a pair says nothing that another does not. Of works that are just the same, the first stands for all:
    with each of them, and with others; not where it and the other one are no pair."""

    def are_pair(one: int, other: int) -> bool:
        return bool(compared.looked_at[one, other] or compared.looked_at[other, one])

    a, b = stands_for[pair.a], stands_for[pair.b]
    if a == b:
        return a not in (pair.a, pair.b) and are_pair(a, pair.a) and are_pair(a, pair.b)
    return (a, b) != (pair.a, pair.b) and are_pair(a, b)


def _alike(compared: Compared, pair: Pair, few: int, shares: NDArray[np.float64]) -> Alike:
    return Alike(
        pair=pair,
        a=compared.works[pair.a],
        b=compared.works[pair.b],
        stretches=tuple(stretches(compared, pair.a, pair.b, few)),
        seldom=seldom(compared, pair.a, pair.b, few),
        rank=int(len(shares) - np.searchsorted(shares, pair.share - 1e-12)),
        usual_a=_usual(compared, pair.a, pair.b),
        usual_b=_usual(compared, pair.b, pair.a),
    )


def _usual(compared: Compared, one: int, but: int) -> float | None:
    """The share of a work that the middle one of the class's others has, without this one."""
    pairs = compared.in_class | compared.in_class.T
    others = [k for k in np.flatnonzero(pairs[one]).tolist() if k != but]
    if compared.works[one].group != "class" or not others:
        return None
    return float(np.median(compared.found[one, others])) / compared.own[one].tokens


def _own_words(compared: Compared, k: int) -> list[tuple[str, ...]]:
    """Of each of a work's files, the words that are its own."""
    own = compared.own[k]
    return [
        tuple(code.words[place] for place in own.place[own.file == file].tolist())
        for file, code in enumerate(compared.works[k].files)
    ]


def _stands_for(compared: Compared) -> list[int]:
    """For each work the first one of the same group that is just the same."""
    first: dict[tuple[str, tuple[tuple[str, ...], ...]], int] = {}
    return [
        first.setdefault((work.group, tuple(sorted(_own_words(compared, k)))), k)
        for k, work in enumerate(compared.works)
    ]


def _shared(compared: Compared) -> list[Shared]:
    """The files that several works have, those that most have first."""
    holders: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for k in range(len(compared.works)):
        for file, words in enumerate(_own_words(compared, k)):
            if len(words) >= LEAST_SHARED:
                holders.setdefault(words, []).append((k, file))
    told = []
    for words, places in holders.items():
        works = list(dict.fromkeys(k for k, _ in places))
        if len(works) < SEVERAL or not any(compared.works[k].group == "class" for k in works):
            continue
        files = [compared.works[k].files[file] for k, file in places]
        told.append(
            Shared(
                name=files[0].name,
                works=tuple(compared.works[k] for k in works),
                tokens=len(words),
                exactly=len({code.text for code in files}) == 1,
            )
        )
    return sorted(told, key=lambda one: (-len(one.works), one.name, one.works[0].name))
