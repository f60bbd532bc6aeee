"""The codec: everything plain comes back bit by bit, everything else is refused or named."""

from __future__ import annotations

import json
import random
import struct
import tracemalloc
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from grader.box import wire
from grader.box.wire import Opaque, Raised, WireError

NAN, INF = float("nan"), float("inf")


def through(value: Any) -> Any:
    """The value after a trip over the wire."""
    return wire.decode(wire.encode(value))


def forged(header: Any, body: bytes = b"") -> bytes:
    """A frame whose lengths are right and whose header is whatever one likes."""
    text = header if isinstance(header, bytes) else msgspec.json.encode(header)
    return wire.HEAD.pack(len(text), len(body)) + text + body


def identical(a: Any, b: Any) -> bool:
    """Same types and same bits. A tuple travels as a list."""
    if isinstance(a, tuple) and type(a) is tuple:
        a = list(a)
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b) or (a != a and b != b)
    if isinstance(a, np.ndarray):
        return a.dtype.newbyteorder("<") == b.dtype and a.shape == b.shape and same_bytes(a, b)
    if isinstance(a, list):
        return len(a) == len(b) and all(identical(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return list(a) == list(b) and all(identical(a[key], b[key]) for key in a)
    return bool(a == b)


def same_bytes(a: Any, b: Any) -> bool:
    return bool(np.ascontiguousarray(a, dtype=b.dtype).tobytes() == b.tobytes())


PLAIN = [
    None,
    True,
    False,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**63) - 1,
    2**200 + 1,
    -(2**4095),
    0.0,
    -0.0,
    0.1,
    5e-324,
    1.7976931348623157e308,
    NAN,
    INF,
    -INF,
    "",
    "κείμενο 中文 🙂\n\ttext",
    b"",
    bytes(range(256)),
    [],
    {},
    [[], {}, [None, [1.5]]],
    {"a": {"b": [1, 2.0, "three"]}, "t": "an opaque's tag", "x": "nan"},
    Raised("ValueError", "no", ("a.py:1 in f", "a.py:9 in g"), "error"),
    Opaque("complex"),
    np.zeros((0, 3)),
    np.array(2.5),
    np.array([NAN, INF, -INF, -0.0]),
    np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
    np.arange(10.0)[::-2],
    np.array([1.0, 2.0], dtype=">f8"),
    np.array([True, False]),
    *[np.array([1, 2, 3], dtype=d) for d in ("f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4")],
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:30])
def test_every_kind_comes_back_bit_by_bit(value: Any) -> None:
    assert identical(value, through(value))


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**300), 2**300)
    | st.floats()
    | st.text(st.characters(categories=("L", "N", "P")), max_size=8)
    | st.binary(max_size=9)
    | numpy_st.arrays(
        numpy_st.floating_dtypes(endianness="<") | numpy_st.integer_dtypes(endianness="<"),
        numpy_st.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    )
)
keys = st.text("abcdxyz", max_size=3)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(trees)
@settings(deadline=None, derandomize=True, database=None, max_examples=300)
def test_what_is_decoded_is_what_was_encoded_and_encodes_to_the_same_bytes(tree: Any) -> None:
    frame = wire.encode(tree)
    assert identical(tree, wire.decode(frame))
    assert wire.encode(wire.decode(frame)) == frame


def test_a_decoded_array_can_be_written_and_shares_no_memory_with_the_frame() -> None:
    frame = bytearray(wire.encode([np.ones(3), np.ones(3)]))
    first, second = wire.decode(memoryview(frame))
    first[0] = 7.0
    assert second[0] == 1.0
    assert wire.decode(bytes(frame))[0][0] == 1.0


# Values that lie about themselves


class LyingFloat(float):
    def __float__(self) -> float:
        return 99.0

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "99.0"


class LyingInt(int):
    def __index__(self) -> int:
        return 99

    def __int__(self) -> int:
        return 99

    def bit_length(self) -> int:
        return 1


class LyingText(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "a lie"

    def __getitem__(self, key: Any) -> str:
        return "a lie"

    def __iter__(self) -> Any:
        return iter("a lie")


class LyingList(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        return iter([99])

    def __len__(self) -> int:
        return 1


class LyingTuple(tuple):  # type: ignore[type-arg]
    __slots__ = ()

    def __iter__(self) -> Any:
        return iter([99])


class LyingDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        return {"lie": 99}.items()

    def __iter__(self) -> Any:
        return iter(["lie"])


class LyingArray(np.ndarray):
    def __array__(self, *args: Any, **options: Any) -> Any:
        return np.full(self.shape, 99.0)

    def __array_finalize__(self, obj: Any) -> None:
        pass

    def tobytes(self, *args: Any) -> bytes:
        return b"\0" * 16


@pytest.mark.parametrize(
    ("liar", "truth"),
    [
        (LyingFloat(2.5), 2.5),
        (LyingInt(7), 7),
        (LyingInt(2**70), 2**70),
        (LyingText("the truth"), "the truth"),
        (LyingList([1, 2]), [1, 2]),
        (LyingTuple([1, 2]), [1, 2]),
        (LyingDict({"a": 1}), {"a": 1}),
        (np.array([1.0, 2.0]).view(LyingArray), np.array([1.0, 2.0])),
        (np.float64(2.5), 2.5),
        (np.int8(-3), -3),
        (np.True_, True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_subclass_that_lies_is_taken_for_the_plain_value_inside_it(liar: Any, truth: Any) -> None:
    assert identical(truth, through(liar))


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name for you")


class Nobody(metaclass=Nameless):
    pass


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1 + 2j, "complex"),
        ({1, 2}, "set"),
        (object(), "object"),
        (len, "builtin_function_or_method"),
        (Nobody(), "Nobody"),
        ({1: 2}, "dict whose keys are not strings"),
        ({LyingText("a"): 2}, "dict whose keys are not strings"),
        (2**4097, "int of 4098 bits"),
        (np.array([None]), "array of dtype object"),
        (np.array(["a"]), "array of dtype <U1"),
        (np.array([1j]), "array of dtype complex128"),
        (np.datetime64("2026-01-01"), "datetime64"),
        (np.longdouble(1), "longdouble"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_may_not_travel_is_named_by_its_type(value: Any, name: str) -> None:
    assert through([value]) == [Opaque(name)]


def test_text_that_could_upset_a_reader_is_escaped_and_cut() -> None:
    assert through("a\x1b[31m\u202eb\x00\ud800") == "a\\x1b[31m\\u202eb\\x00\\ud800"
    long = through("x" * (wire.MAX_TEXT + 5))
    assert len(long) < wire.MAX_TEXT + 50
    assert long.endswith("(5 more characters)")


# Caps


def nested(depth: int) -> Any:
    tree: Any = 1
    for _ in range(depth):
        tree = [tree]
    return tree


def test_depth_is_capped_at_both_ends() -> None:
    assert identical(nested(wire.MAX_DEPTH), through(nested(wire.MAX_DEPTH)))
    with pytest.raises(WireError, match="nested"):
        wire.encode(nested(wire.MAX_DEPTH + 1))
    with pytest.raises(WireError, match="nested"):
        wire.encode(nested(100_000))
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(WireError, match="nested"):
        wire.encode(loop)
    for depth in (60, 500, 100_000):
        with pytest.raises(WireError):
            wire.decode(forged(b"[" * depth + b"]" * depth))
        with pytest.raises(WireError):
            wire.decode(forged(b'{"d":{"a":' * depth + b"1" + b"}}" * depth))


def test_the_number_of_values_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_NODES", 1000)
    wire.encode([0] * 999)
    with pytest.raises(WireError, match="more than 1000"):
        wire.encode([0] * 1000)
    with pytest.raises(WireError, match="more than 1000"):
        wire.encode([[0] * 10] * 100)


def test_a_claimed_length_over_the_limit_is_refused_before_anything_is_read() -> None:
    assert wire.lengths(wire.HEAD.pack(10, 20), 30) == (10, 20)
    for header, body in ((2**32 - 1, 0), (0, 2**64 - 1), (31, 0), (0, 31)):
        with pytest.raises(WireError, match="allowed"):
            wire.lengths(wire.HEAD.pack(header, body), 30)


BODY = bytes(range(32))
BROKEN: dict[str, bytes] = {
    "shorter than its head": b"\0\0\0",
    "empty": b"",
    "lengths that do not add up": wire.HEAD.pack(5, 0) + b"1",
    "huge lengths": wire.HEAD.pack(2**32 - 1, 2**64 - 1) + b"1",
    "no JSON": forged(b"nonsense"),
    "no header": forged(b""),
    "more than one value": forged(b"1 2"),
    "NaN in JSON": forged(b"NaN"),
    "a float beyond range": forged(b"1e999"),
    "an int of 5000 digits": forged(b"9" * 5000),
    "no UTF-8": forged(b'"\xff"'),
    "a lone surrogate": forged(b'"\\ud800"'),
    "an empty object": forged({}),
    "two tags": forged({"x": "nan", "t": "y"}),
    "an unknown tag": forged({"pickle": "gASV"}),
    "a special float of another name": forged({"x": "infinity"}),
    "a special float that is a list": forged({"x": ["nan"]}),
    "a long int that is a number": forged({"i": 5}),
    "a long int that is no number": forged({"i": "0xg"}),
    "a long int that is too long": forged({"i": "f" * 2000}),
    "an array without offset": forged({"a": ["<f8", [1]]}, BODY),
    "an object array": forged({"a": ["|O", [1], 0]}, BODY),
    "a big-endian array": forged({"a": [">f8", [1], 0]}, BODY),
    "a dtype that is a list": forged({"a": [["<f8"], [1], 0]}, BODY),
    "a dtype with fields": forged({"a": ["<f8,<f8", [1], 0]}, BODY),
    "a shape that is a number": forged({"a": ["<f8", 1, 0]}, BODY),
    "a negative side": forged({"a": ["<f8", [-1], 0]}, BODY),
    "two negative sides": forged({"a": ["<f8", [-1, -1], 0]}, BODY),
    "a side that is a float": forged({"a": ["<f8", [1.0], 0]}, BODY),
    "a side that is a bool": forged({"a": ["<f8", [True], 0]}, BODY),
    "a huge side": forged({"a": ["<f8", [2**40], 0]}, BODY),
    "a huge product": forged({"a": ["<f8", [2**39, 2**39], 0]}, BODY),
    "a huge product times nothing": forged({"a": ["<f8", [0, 2**39, 2**39], 0]}, BODY),
    "too many sides": forged({"a": ["<f8", [1] * 17, 0]}, BODY),
    "a negative offset": forged({"a": ["<f8", [1], -8]}, BODY),
    "an offset beyond the end": forged({"a": ["<f8", [1], 25]}, BODY),
    "an offset beyond 64 bits": forged(b'{"a":["<f8",[1],1180591620717411303424]}', BODY),
    "an offset that is a bool": forged({"a": ["<f8", [1], True]}, BODY),
    "arrays that overlap": forged([{"a": ["<f8", [3], 0]}, {"a": ["<f8", [3], 8]}], BODY),
    "the same bytes many times": forged([{"a": ["<f8", [4], 0]}] * 1000, BODY),
    "bytes without length": forged({"b": [0]}, BODY),
    "bytes of negative length": forged({"b": [8, -8]}, BODY),
    "bytes beyond the end": forged({"b": [30, 3]}, BODY),
    "bytes that overlap an array": forged([{"a": ["<f8", [4], 0]}, {"b": [0, 1]}], BODY),
    "a dict that is a list": forged({"d": [1]}),
    "an exception of three parts": forged({"r": ["E", "m", []]}),
    "an exception that is a number": forged({"r": [1, "m", [], "error"]}),
    "an exception whose lines are numbers": forged({"r": ["E", "m", [1], "error"]}),
    "a type that is a number": forged({"t": 3}),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_frame_is_refused_for(what: str) -> None:
    with pytest.raises(WireError):
        wire.decode(BROKEN[what])


def test_names_and_messages_of_a_forged_frame_are_cleaned_and_cut_too() -> None:
    lines = ["\x1b[2J" + "w" * 999] * 1000
    raised = wire.decode(forged({"r": ["\x1b[2J" * 999, "\x1b[2J" * 9999, lines, "error"]}))
    assert "\x1b" not in raised.type + raised.message + "".join(raised.where)
    assert len(raised.where) == 20
    assert len(raised.message) < 20_000
    assert "\x1b" not in wire.decode(forged({"t": "\x1b[2J"})).type


# Frames of chance


SEEDS = [
    [1, 2.5, "three", None, True, NAN, 2**70],
    {"id": 1, "answers": [b"abc", b""], "first": 0, "done": True, "cpu": 0.5},
    {"value": np.arange(6.0).reshape(2, 3), "gradients": [np.array(1.0), np.arange(4, dtype="i2")]},
    Raised("ValueError", "no", ("a.py:1 in f",), "error"),
]
EVIL: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**39,
    2**62,
    2**64 - 1,
    -(2**63),
    1e308,
    0.5,
    "",
    "nan",
    "<f8",
    "|b1",
    "\x00",
    "0x",
    [],
    {},
    [0, 2**39, 2**39],
]


def evil_tree(chance: random.Random, depth: int = 0) -> Any:
    """A header that looks much like a right one."""
    kind = chance.randrange(10)
    if depth > 5 or kind < 3:
        return chance.choice(EVIL)
    if kind == 3:
        return [evil_tree(chance, depth + 1) for _ in range(chance.randrange(4))]
    tag = chance.choice("xiabdrt") if kind < 9 else "?"
    if tag == "a" and chance.random() < 0.7:
        sides = [chance.choice([0, 1, 2, 3, 2**20, 2**39]) for _ in range(chance.randrange(5))]
        return {"a": [chance.choice(sorted(wire.DTYPES)), sides, chance.randrange(40)]}
    if tag == "d" and chance.random() < 0.7:
        return {"d": {f"k{i}": evil_tree(chance, depth + 1) for i in range(chance.randrange(3))}}
    return {tag: evil_tree(chance, depth + 1)}


def mutated(chance: random.Random) -> bytes:
    """A right frame with a few bytes changed, taken out or put in; often with lengths that fit again."""
    frame = bytearray(wire.encode(chance.choice(SEEDS)))
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(frame) + 1)
        action = chance.randrange(4)
        if action == 0 and at < len(frame):
            frame[at] = chance.randrange(256)
        elif action == 1:
            del frame[at : at + chance.randrange(1, 9)]
        elif action == 2:
            frame[at:at] = chance.randbytes(chance.randrange(1, 9))
        else:
            frame[at:at] = frame[: chance.randrange(20)]
    if chance.random() < 0.7 and len(frame) > wire.HEAD.size:
        rest = bytes(frame[wire.HEAD.size :])
        cut = chance.randrange(len(rest) + 1) if chance.random() < 0.3 else rest.rfind(b"}") + 1
        return wire.HEAD.pack(cut, len(rest) - cut) + rest
    return bytes(frame)


def test_thousands_of_wrong_frames_raise_nothing_else_and_take_little_memory() -> None:
    chance = random.Random(20260901)
    frames = [chance.randbytes(chance.randrange(60)) for _ in range(1000)]
    frames += [mutated(chance) for _ in range(3000)]
    frames += [forged(evil_tree(chance), chance.randbytes(64)) for _ in range(4000)]
    refused = read = 0
    tracemalloc.start()
    try:
        for frame in frames:
            try:
                tree = wire.decode(frame)
            except WireError:
                refused += 1
            else:
                # What can be read can be written again, too.
                wire.encode(tree)
                read += 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused > 2000
    assert read > 500
    assert peak < 2 << 20


def test_the_header_is_plain_json_that_another_program_can_read() -> None:
    frame = wire.encode({"x": 1.5, "y": [NAN, np.ones(2)]})
    header, body = wire.HEAD.unpack(frame[: wire.HEAD.size])
    text = frame[wire.HEAD.size : wire.HEAD.size + header]
    assert json.loads(text) == {"d": {"x": 1.5, "y": [{"x": "nan"}, {"a": ["<f8", [2], 0]}]}}
    assert frame[-body:] == np.ones(2).tobytes()
