"""How numbers and other people's text are put into a view.

Text of a student (a message, a value, a file name) is hostile until it has passed `visible`. Nothing
here knows a view's own markup: each view escapes for itself.
"""

from __future__ import annotations

import unicodedata

from grader.terms import rounded

# Cc control, Cf format (bidi overrides, zero widths, soft hyphens, tags), Cs lone surrogates,
# Zl and Zp line breaks that only some programs break at.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Needed to write Persian or to compose an emoji, and harmless to the order of a line.
_KEPT = frozenset("\n\t\u200c\u200d")


def visible(text: str) -> str:
    """The text with every character that hides, reorders or controls written as a Python escape.

    Newlines and tabs stay; `\\r\\n` becomes `\\n`. The result encodes as UTF-8 and is legal in XML 1.0.
    """
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in _KEPT:
        return character
    code = ord(character)
    noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    if not noncharacter and unicodedata.category(character) not in _HIDDEN:
        return character
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def encodable(text: str) -> str:
    """The text with lone surrogates written as escapes, so that it can be stored as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def cut(text: str, *, characters: int, lines: int) -> str:
    """The beginning of a text, and how much is left out if anything is."""
    rows = text.split("\n")
    kept = "\n".join(rows[:lines])
    if len(kept) > characters:
        return f"{kept[:characters]}… ({len(text) - characters:,} more characters)"
    if len(rows) > lines:
        return f"{kept}\n… ({count(len(rows) - lines, 'more line')})"
    return kept


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def points(value: float | None) -> str:
    """A number of points with at most two decimals; a dash while there is none."""
    if value is None:
        return "–"
    return str(rounded(value))


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 check`, `3 checks`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def sentence(text: str) -> str:
    """The text with a capital at its beginning, and the rest as it is."""
    return text[:1].upper() + text[1:]


def duration(seconds: float) -> str:
    """Seconds as a reader wants them: `12 ms`, `3.4 s`, `2 min 5 s`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
