"""Python source as tokens, without what a copy is changed in first: names, comments, docstrings and layout.

Pygments reads it, since it reads anything: a file that does not parse is still somebody's code. Nothing is run.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Literal, Name, Number, String, Text, _TokenType

LARGEST = 256 << 10  # bytes of a file; nobody writes as much by hand
MOST_TEXT = 2 << 20  # bytes of one hand-in
MOST_TOKENS = 50_000  # of it

NAME, STRING, NUMBER = "N", "S", "0"
_BLANK = re.compile(r"^[^\S\n]+$", re.MULTILINE)
OPENING, CLOSING = frozenset("([{"), frozenset(")]}")
STUB = "NotImplementedError"


class Code(msgspec.Struct, frozen=True):
    """One file. words: its tokens, so written that a copy has the same ones; starts, ends: where each
    stands in `text`, whose lines end in `\\n`."""

    name: str
    text: str
    words: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def read(
    name: str, data: bytes, given: frozenset[str] = frozenset(), most: int = MOST_TOKENS
) -> Code:
    """A file's code. given: names of the given code, see `names`; most: tokens, the rest is passed over."""
    text = decoded(data)
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end, word in _words(text, given):
        if word == STRING and words[-1:] == [STRING]:
            ends[-1] = end  # "a" "b" is one string
            continue
        if word in CLOSING and words[-1:] == [","]:
            for one in (words, starts, ends):
                one.pop()
        if len(words) == most:
            break
        words.append(word)
        starts.append(start)
        ends.append(end)
    return Code(name, text, tuple(words), tuple(starts), tuple(ends))


def decoded(data: bytes) -> str:
    """The text of a source file, with line ends as `\\n`. What is not UTF-8 is read as Latin-1, in which every
    byte is a character; a declared encoding is not obeyed, for some of them take very long."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def names(sources: Iterable[bytes]) -> frozenset[str]:
    """What given code defines, and with a dot before it what it looks up in something: a student cannot change
    these names, and they tell the call of one given function from that of another."""
    found = set()
    for data in sources:
        before = ""
        for _, kind, word in PythonLexer(stripnl=False).get_tokens_unprocessed(decoded(data)):
            if kind in Text or kind in Comment:
                continue
            if kind in Name.Function or kind in Name.Class:
                found |= {word, f".{word}"}
            elif kind in Name and before == ".":
                found.add(f".{word}")
            before = word
    return frozenset(found)


def heads(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the heads of functions and classes are, from their decorators to their colon: from and to which word."""
    begin = -1
    for place, word in enumerate(words):
        if word in ("def", "class"):
            begin = place
            while begin and words[begin - 1].startswith("@"):
                begin -= 1
            depth = 0
        elif begin >= 0:
            depth += (word in OPENING) - (word in CLOSING)
            if word == ":" and depth == 0:
                yield begin, place + 1
                begin = -1


def stubs(words: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where a NotImplementedError is raised, whatever it says: nobody wrote anything there."""
    for place, word in enumerate(words):
        if word == "raise" and words[place + 1 : place + 2] == (STUB,):
            said = words[place + 2 : place + 5] == ("(", STRING, ")")
            yield place, place + (5 if said else 2)


def first(code: Code, most: int) -> Code:
    """The code as if it ended after so many tokens."""
    return Code(code.name, code.text, code.words[:most], code.starts[:most], code.ends[:most])


def _words(text: str, given: frozenset[str]) -> Iterator[tuple[int, int, str]]:
    last = ""
    nothing = (0, 0, "", "")
    for (start, end, sort, word), (_, _, _, following) in itertools.pairwise(
        itertools.chain(_tokens(text), [nothing])
    ):
        last = _word(sort, word, given, attribute=last == ".", called=following == "(")
        yield start, end, last


def _tokens(text: str) -> Iterator[tuple[int, int, str, str]]:
    """The tokens that say something: from, to, sort, and how they are written."""
    for start, kind, word in PythonLexer(stripnl=False).get_tokens_unprocessed(_eased(text)):
        sort = _sort(kind)
        if sort and word and word != ";":
            yield start, start + len(word), sort, word


def _eased(text: str) -> str:
    """A text of the same length and the same tokens, without what Pygments takes the square of its length for:
    lines of nothing but spaces, and names of characters in a string."""
    return _BLANK.sub(lambda blank: "\n" * len(blank[0]), text).replace("\\N{", "\\N(")


@functools.cache
def _sort(kind: _TokenType) -> str:
    """What a kind of token is to us: nothing, a name, a builtin, a string, a number, or a word as it is."""
    if kind in Text or kind in Comment or kind in String.Doc or kind in String.Affix:
        return ""
    if kind in String:
        return STRING
    if kind in Number or kind in Literal:
        return NUMBER
    if kind in Name.Decorator or kind in Name.Namespace or kind in Name.Function.Magic:
        return "as it is"
    if kind in Name:
        fixed = kind in Name.Builtin and kind not in Name.Builtin.Pseudo
        return "builtin" if fixed else NAME
    return "as it is"


def _word(sort: str, word: str, given: frozenset[str], *, attribute: bool, called: bool) -> str:
    if sort in (STRING, NUMBER):
        return sort
    if sort == "as it is" or word == STUB:
        return word
    if attribute:
        return word if f".{word}" in given else NAME
    return word if called and (sort == "builtin" or word in given) else NAME
