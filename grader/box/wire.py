"""The codec of the wire and of the bank: trees of plain data <-> frames of JSON and raw bytes.

A frame is `HEAD | header | body`: two lengths, a JSON header, and the raw little-endian bytes of the
arrays in it. Nothing is ever pickled, and nothing that a sender claims is trusted: lengths are capped
before they are read, dtypes come from a list, shapes are checked against the bytes that came.

In the header, plain JSON values stand for themselves and an object is always a tagged value:

    {"x": "nan"}                 a float that JSON has no word for
    {"i": "123..."}              an int beyond 64 bits
    {"a": ["<f8", [2, 3], 0]}    an array: dtype, shape, offset into the body
    {"b": [0, 12]}               bytes: offset and length
    {"d": {...}}                 a dict
    {"r": [type, message, where, kind]}   an exception of the student's code
    {"t": "complex"}             a value that may not travel, by the name of its type
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

HEAD = struct.Struct(">IQ")
DTYPES = frozenset(
    ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "<u8", "<u4", "<u2", "|u1", "|b1"]
)
MAX_DEPTH = 40
MAX_NODES = 500_000
MAX_TEXT = 20_000
MAX_HEADER = 8 << 20  # as objects a header takes some twenty times its size


class WireError(ValueError):
    """A frame that breaks the rules above. Raised at either end; never crashes the reader."""


class Raised(NamedTuple):
    """An exception as it travels; its parts are those of `grader.model.Raised`."""

    type: str
    message: str
    where: tuple[str, ...]
    kind: str


class Opaque(NamedTuple):
    """A value that may not travel: only the name of its type does."""

    type: str


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """`text` cut to `limit` characters, with everything escaped that could upset a reader.

    Lone surrogates, control characters (but newline and tab) and bidirectional controls become
    visible backslash escapes.
    """
    cut = text[:limit]
    safe = "".join(c if _printable(c) else _escape(c) for c in cut)
    return safe if len(text) <= limit else f"{safe}... ({len(text) - limit} more characters)"


def _printable(c: str) -> bool:
    return c.isprintable() or c in "\n\t"


def _escape(c: str) -> str:
    code = ord(c)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def _array_module() -> Any:
    """numpy if something has loaded it already: without it no array can be there to encode."""
    import sys

    return sys.modules.get("numpy")


class _Encoder:
    """Walks one tree. Reads every value by its base class' own methods, so that a subclass that lies
    in `__float__`, `__eq__` or `__array__` is taken for the plain value inside it."""

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.offset = 0
        self.nodes = 0
        self.numpy = _array_module()

    def blob(self, data: bytes) -> int:
        at = self.offset
        self.body.append(data)
        self.offset += len(data)
        return at

    def node(self, value: Any, depth: int = 0) -> Any:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise WireError(f"nested deeper than {MAX_DEPTH}")
        if self.nodes > MAX_NODES:
            raise WireError(f"more than {MAX_NODES} values")
        kind = type(value)
        if kind is float or issubclass(kind, float):
            number = float.__float__(value)
            return number if math.isfinite(number) else {"x": repr(number)}
        if value is None or kind is bool:
            return value
        if issubclass(kind, int):
            whole = int.__index__(value)
            if -(2**63) <= whole < 2**63:
                return whole
            if whole.bit_length() > 4096:
                return {"t": f"int of {whole.bit_length()} bits"}
            return {"i": hex(whole)}
        if issubclass(kind, str):
            return clean(str.__str__(value))
        if kind is Raised:
            return {"r": [value.type, value.message, list(value.where), value.kind]}
        if kind is Opaque:
            return {"t": value.type}
        if issubclass(kind, list):
            return [self.node(item, depth + 1) for item in list.__iter__(value)]
        if issubclass(kind, tuple):
            return [self.node(item, depth + 1) for item in tuple.__iter__(value)]
        if issubclass(kind, dict):
            pairs = list(dict.items(value))
            if all(type(k) is str for k, _ in pairs):
                return {"d": {clean(k, 200): self.node(v, depth + 1) for k, v in pairs}}
            return {"t": "dict whose keys are not strings"}
        if issubclass(kind, (bytes, bytearray)):
            data = bytes(memoryview(value))
            return {"b": [self.blob(data), len(data)]}
        np = self.numpy
        if np is not None:
            if issubclass(kind, np.ndarray):
                return self.array(np.ndarray.view(value, np.ndarray))
            if issubclass(kind, np.generic):
                return self.scalar(value)
        return {"t": clean(type_name(kind), 200)}

    def array(self, value: Any) -> Any:
        np = self.numpy
        if value.dtype.str == "<f8":
            return {"a": ["<f8", list(value.shape), self.blob(value.tobytes())]}
        little = value.dtype.newbyteorder("<")
        if little.str not in DTYPES:
            return {"t": f"array of dtype {clean(str(value.dtype), 100)}"}
        data = np.ascontiguousarray(value, dtype=little).tobytes()
        return {"a": [little.str, list(value.shape), self.blob(data)]}

    def scalar(self, value: Any) -> Any:
        plain = self.numpy.generic.item(value)
        if type(plain) in (float, int, bool):
            return self.node(plain)
        return {"t": clean(type_name(type(value)), 200)}


def type_name(kind: type) -> str:
    """A class' name by `type`'s own descriptor, so that no metaclass can answer in its place."""
    return str.__str__(type.__dict__["__name__"].__get__(kind))


def encode(tree: Any) -> bytes:
    """The whole frame of one tree. Raises WireError when it is too deep or has too many values."""
    encoder = _Encoder()
    try:
        header = msgspec.json.encode(encoder.node(tree))
    except RecursionError:
        raise WireError("nested too deeply") from None
    body = b"".join(encoder.body)
    return HEAD.pack(len(header), len(body)) + header + body


def lengths(head: bytes, limit: int) -> tuple[int, int]:
    """Header and body length of a frame, from its first `HEAD.size` bytes; WireError over `limit`."""
    header, body = HEAD.unpack(head)
    if header > min(limit, MAX_HEADER) or body > limit:
        raise WireError(f"a message of {header + body} bytes; {limit} are allowed")
    return header, body


def decode(frame: bytes | memoryview) -> Any:
    """The tree of one whole frame. Raises WireError for anything that `encode` could not have sent.

    Arrays come back writeable, contiguous, little-endian; tuples as lists.
    """
    if len(frame) < HEAD.size:
        raise WireError("a frame shorter than its head")
    header, body = HEAD.unpack(frame[: HEAD.size])
    if HEAD.size + header + body != len(frame):
        raise WireError("a frame whose lengths do not add up")
    if header > MAX_HEADER:
        raise WireError(f"a header of {header} bytes; {MAX_HEADER} are allowed")
    view = memoryview(frame)
    try:
        tree = msgspec.json.decode(view[HEAD.size : HEAD.size + header])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise WireError(f"a header that is not JSON: {error}") from None
    return _Decoder(view[HEAD.size + header :]).node(tree)


class _Decoder:
    def __init__(self, body: memoryview) -> None:
        self.body = body
        self.claimed = 0
        self.nodes = 0
        self.tags: dict[str, Callable[[Any, int], Any]] = {
            "x": self.special,
            "i": self.whole,
            "a": self.array,
            "b": self.blob,
            "d": self.mapping,
            "r": self.raised,
            "t": self.opaque,
        }

    def node(self, value: Any, depth: int = 0) -> Any:
        if depth > MAX_DEPTH + 4:
            raise WireError("nested too deeply")
        kind = type(value)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise WireError(f"more than {MAX_NODES} values")
        if kind is list:
            return [self.node(item, depth + 1) for item in value]
        if kind is dict:
            if len(value) != 1:
                raise WireError("an object with other than one tag")
            ((tag, content),) = value.items()
            read = self.tags.get(tag)
            if read is None:
                raise WireError(f"an unknown tag {clean(tag, 40)!r}")
            return read(content, depth)
        return value

    def special(self, content: Any, depth: int) -> float:
        if content not in ("nan", "inf", "-inf"):
            raise WireError("a special float of no known name")
        return float(content)

    def whole(self, content: Any, depth: int) -> int:
        if type(content) is not str or len(content) > 1100:
            raise WireError("a long integer that is not text")
        try:
            return int(content, 16)
        except ValueError:
            raise WireError("a long integer that is not hexadecimal") from None

    def slice(self, offset: Any, size: int) -> memoryview:
        # Ranges may not overlap in total: a small frame cannot claim the same bytes a million times.
        self.claimed += size
        if type(offset) is not int or offset < 0 or offset + size > len(self.body):
            raise WireError("bytes outside the frame")
        if self.claimed > len(self.body):
            raise WireError("more bytes claimed than were sent")
        return self.body[offset : offset + size]

    def array(self, content: Any, depth: int) -> Any:
        import numpy as np

        if type(content) is not list or len(content) != 3:
            raise WireError("an array without dtype, shape and offset")
        dtype, shape, offset = content
        if type(dtype) is not str or dtype not in DTYPES:
            raise WireError("an array of a dtype that may not travel")
        if type(shape) is not list or len(shape) > 16:
            raise WireError("an array without a sensible shape")
        if not all(type(n) is int and 0 <= n < 2**40 for n in shape):
            raise WireError("an array with an impossible shape")
        if math.prod(n or 1 for n in shape) >= 2**48:
            # numpy counts an empty array's other sides too, and refuses what it cannot address.
            raise WireError("an array with an impossible shape")
        count = math.prod(shape)
        data = self.slice(offset, count * np.dtype(dtype).itemsize)
        return np.frombuffer(data, dtype=dtype, count=count).reshape(shape).copy()

    def blob(self, content: Any, depth: int) -> bytes:
        if type(content) is not list or len(content) != 2 or type(content[1]) is not int:
            raise WireError("bytes without offset and length")
        if content[1] < 0:
            raise WireError("bytes of negative length")
        return bytes(self.slice(content[0], content[1]))

    def mapping(self, content: Any, depth: int) -> dict[str, Any]:
        if type(content) is not dict:
            raise WireError("a dict that is none")
        return {key: self.node(value, depth + 1) for key, value in content.items()}

    def raised(self, content: Any, depth: int) -> Raised:
        if type(content) is not list or len(content) != 4:
            raise WireError("an exception without its four parts")
        name, message, where, kind = content
        if not all(type(text) is str for text in (name, message, kind)):
            raise WireError("an exception that is not text")
        if type(where) is not list or not all(type(text) is str for text in where):
            raise WireError("an exception without lines")
        return Raised(
            clean(name, 200), clean(message, 4000), tuple(clean(w, 400) for w in where[:20]), kind
        )

    def opaque(self, content: Any, depth: int) -> Opaque:
        if type(content) is not str:
            raise WireError("a type without a name")
        return Opaque(clean(content, 200))
