"""Names of people and files as names of ours: to be read, to be printed, and safe on every system.

No file is touched here.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence

LONGEST = 60  # characters; four bytes each at most, and file systems take 255
RESERVED = frozenset(
    ["con", "prn", "aux", "nul"] + [f"{port}{n}" for port in ("com", "lpt") for n in range(10)]
)
ENDINGS = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar", ".zip", ".py")

# What is handed in as well, and is taken in, or refused, one at a time.
OTHERS = (".7z", ".rar", ".gz", ".bz2", ".xz", ".zst", ".ipynb")


def stem(name: str) -> str:
    """The name of a file without the ending that says how it is packed."""
    for ending in (*ENDINGS, *OTHERS):
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name


def shown(text: str) -> str:
    """Text for one line of a terminal: what is not printable (line ends, turns of direction) is escaped."""
    return text if text.isprintable() else ascii(text)[1:-1]


def slug(text: str) -> str:
    """Lower-case letters, digits and single hyphens, of any script: `Lovelace, Ada` is `lovelace-ada`."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())
    words = "".join(
        c if unicodedata.category(c)[0] in "LNM" and c.isprintable() else " " for c in folded
    )
    short = "-".join(words.split())[:LONGEST].rstrip("-")
    return f"{short}-x" if short in RESERVED else short or "hand-in"


def marked(text: str, of: str) -> str:
    """`text` with a few digits that tell what was named `of` from others."""
    return f"{text}-{hashlib.sha256(of.encode('utf-8', 'surrogateescape')).hexdigest()[:6]}"


def distinct(names: Sequence[str]) -> list[str]:
    """An id for each file or folder name, in order, no two the same.

    An id does not change when an unlike name comes along. Names that differ in how they are written alone
    (capitals, composed letters, the ending) are told apart by digits made of the name itself; the one that
    is written as its id keeps it.
    """
    plain = [slug(stem(name)) for name in names]
    found: list[str] = []
    for name, one in zip(names, plain, strict=True):
        alone = plain.count(one) == 1 or name == one
        wanted = one if alone else marked(one, name)
        while wanted in found:
            wanted = marked(wanted, name)
        found.append(wanted)
    return found


def file_name(name: str) -> str:
    """A name for the files about a hand-in of that id: the id where that is safe, else one made of it."""
    return name if slug(name) == name else marked(slug(name), name)
