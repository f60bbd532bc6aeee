"""Which texts Python itself needs minutes or gigabytes to parse: nobody waits for what is written for that alone."""

from __future__ import annotations

import codecs
import re

LONGEST = 1 << 19  # bytes that are parsed at once; each may take a kilobyte
# Names in one dotted name: what a parser keeps of an import grows with their square.
MOST_DOTS = 1_000
# Signs and lines of one text: a tree has some nodes for each, at half a kilobyte each. A long file has five thousand.
MOST_PARTS = 100_000
MOST_BRACES = 10_000_000_000  # braces times length: the fields of one f-string are each looked for from its start

_BETWEEN_PARTS = bytes(
    b for b in range(256) if b >= 0x80 or chr(b).isalnum() or chr(b) in "_ \t\r\f"
)
# As Python looks for it, in the first two lines.
_CODING = re.compile(rb"\A(?:[^\r\n]*(?:\r\n?|\n))??[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)")
# Ways to write a file down that no editor knows, and that Python takes minutes to read.
SLOW_CODECS = frozenset({"punycode", "idna"})
_DOTTED = re.compile(rb"(?:\.[\s\\]*[\w\x80-\xff]+[\s\\]*)+")


def parts(text: bytes) -> int:
    """How many signs and line ends a text has: what its syntax tree is as large as, at most."""
    return len(text.translate(None, _BETWEEN_PARTS))


def hard(text: bytes) -> str:
    """Why a text is not parsed, in words that stand between "it is" and "to be read"; "" for one that may be."""
    if len(text) > LONGEST:
        return f"{len(text) >> 10} KiB long, too long"
    # What is read is what comes of the encoding that the text names, and that may look like anything.
    if named := _CODING.match(text):
        try:
            codec = codecs.lookup(named[1].decode("ascii", "replace"))
            if codec.name not in SLOW_CODECS:
                return _hard(text) or _hard(text.decode(codec.name).encode("utf-8", "replace"))
        except (LookupError, ValueError):
            pass  # then Python does not read it either
    return _hard(text)


def _hard(text: bytes) -> str:
    if text.count(b"{") * len(text) > MOST_BRACES:
        return "full of braces, too hard"
    # No chain of attributes is so long either: Python gives up at a few thousand.
    if any(found[0].count(b".") > MOST_DOTS for found in _DOTTED.finditer(text)):
        return "made of a name of very many parts, too hard"
    if parts(text) > MOST_PARTS:
        return "made of very many parts, too many"
    return ""
