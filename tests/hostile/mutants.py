"""Frames that are nearly right, made by chance from right ones, and a worker that answers with them.

Everything here is a function of a `random.Random`, so that a seed is a whole run.
"""

from __future__ import annotations

import json
import random
import struct
from typing import Any

import numpy as np

from grader.box import wire
from grader.box.wire import Opaque, Raised
from grader.model import CaseBank, Limits, Wall
from grader.sandbox import Usage

RIGHT: list[Any] = [
    1.5,
    [1.0, -0.0],
    [1, 2.5, "three", None, True, float("nan"), 2**70],
    {"id": 1, "answers": [b"abc", b""], "first": 0, "done": True, "cpu": 0.5},
    {"value": np.arange(6.0).reshape(2, 3), "gradients": [np.array(1.0), np.arange(4, dtype="i2")]},
    Raised("ValueError", "no", ("a.py:1 in f",), "error"),
    [Opaque("set"), {"a": {"b": [[]]}}],
]
EVIL: list[Any] = [
    None, True, False, -1, 0, 1, 7, 2**31, 2**39, 2**62, 2**64 - 1, -(2**63), 1e308, 0.5, -0.0, "", "nan",
    "<f8", "|b1", "\x00", "0x", "-0x1", "\x1b[2J", [], {}, [[]], [0, 2**39, 2**39],
    {"x": "nan"}, {"x": "-inf"}, {"i": "0x1" + "0" * 900}, {"t": "set"}, {"r": ["E", "m", [], "held"]},
    {"r": ["E", "m", [], "mutated"]}, {"r": ["E", "m", ["a"] * 30, "missing"]}, {"d": {}}, {"d": {"a": []}},
    {"a": ["<f8", [], 0]}, {"a": ["<f8", [1], 0]}, {"a": ["<i8", [2], 0]}, {"a": ["|b1", [3, 0], 0]}, {"b": [0, 0]},
    {"b": [0, 8]},
]  # fmt: skip


def framed(header: bytes, body: bytes = b"") -> bytes:
    return wire.HEAD.pack(len(header), len(body)) + header + body


def bytes_changed(chance: random.Random, frame: bytes) -> bytes:
    """A few bytes changed, taken out, put in or moved; often with lengths that fit again."""
    data = bytearray(frame)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(data) + 1)
        action = chance.randrange(4)
        if action == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif action == 1:
            del data[at : at + chance.randrange(1, 9)]
        elif action == 2:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        else:
            data[at:at] = data[: chance.randrange(20)]
    if chance.random() < 0.7 and len(data) > wire.HEAD.size:
        rest = bytes(data[wire.HEAD.size :])
        cut = chance.randrange(len(rest) + 1) if chance.random() < 0.3 else rest.rfind(b"}") + 1
        return framed(rest[:cut], rest[cut:])
    return bytes(data)


def tree_changed(chance: random.Random, tree: Any) -> Any:
    """A JSON tree with one of its parts replaced, taken out or doubled."""
    if isinstance(tree, dict) and tree and chance.random() < 0.85:
        name = chance.choice(sorted(tree))
        changed = dict(tree)
        if chance.random() < 0.08:
            del changed[name]
        else:
            changed[name] = tree_changed(chance, tree[name])
        return changed
    if isinstance(tree, list) and tree and chance.random() < 0.85:
        place = chance.randrange(len(tree))
        action = chance.randrange(10)
        if action == 0:
            return tree[:place] + tree[place + 1 :]
        if action == 1:
            return tree[:place] + tree[place:] * 2
        return [*tree[:place], tree_changed(chance, tree[place]), *tree[place + 1 :]]
    return chance.choice(EVIL)


def header_changed(chance: random.Random, frame: bytes) -> bytes:
    """The same body under a header that is still JSON, but of another shape."""
    try:
        header, _ = wire.HEAD.unpack(frame[: wire.HEAD.size])
        tree = json.loads(frame[wire.HEAD.size : wire.HEAD.size + header])
    except (ValueError, struct.error):
        return bytes_changed(chance, frame)  # its header is no JSON any more
    text = json.dumps(tree_changed(chance, tree)).encode()
    return framed(text, frame[wire.HEAD.size + header :])


def mutant(chance: random.Random, frame: bytes | None = None) -> bytes:
    """Some frame: of noise, of bytes that were changed, or of a header that was."""
    frame = wire.encode(chance.choice(RIGHT)) if frame is None else frame
    kind = chance.random()
    if kind < 0.1:
        return chance.randbytes(chance.randrange(60))
    if kind < 0.5:
        return bytes_changed(chance, frame)
    return header_changed(chance, frame)


class Babbler:
    """A `BoxProcess` inside this very process, that knows the right answers and garbles what it says.

    said: how many frames it has sent.
    """

    def __init__(self, chance: random.Random, banks: list[CaseBank]) -> None:
        self.chance = chance
        self.banks = banks
        self.waiting = bytearray()
        self.said = 0
        self.dead = False

    def send(self, data: bytes, *, seconds: float) -> bool:
        message = wire.decode(data)
        if message["do"] == "open":
            frames = [wire.encode({"id": message["id"], "failures": {}, "notes": ["a note"]})]
            if self.chance.random() < 0.9:
                self.waiting += frames[0]
                return True
        else:
            frames = self.answered(message)
        for frame in frames:
            self.said += 1
            self.waiting += mutant(self.chance, frame) if self.chance.random() < 0.7 else frame
        return True

    def answered(self, message: dict[str, Any]) -> list[bytes]:
        """The right reply in one or two parts, with some of its answers garbled."""
        known = {c: a for bank in self.banks for c, a in zip(bank.cases, bank.answers, strict=True)}
        answers = [known.get(case, b"") for case in message["cases"]]
        for _ in range(self.chance.randrange(4)):
            place = self.chance.randrange(len(answers))
            answers[place] = mutant(self.chance, answers[place] or None)
            self.said += 1
        cut = self.chance.choice([0, len(answers) // 2])
        parts = [(0, answers[:cut], False), (cut, answers[cut:], True)][cut == 0 :]
        return [
            wire.encode(
                {"id": message["id"], "first": first, "answers": some, "cpu": 0.1, "done": done}
            )
            for first, some, done in parts
        ]

    def receive(self, *, seconds: float) -> bytes | None:
        if self.dead or not self.waiting:
            # It has said all that it had to say: a worker that ends.
            return b""
        many = self.chance.choice([1, 7, 100, 10_000])
        data = bytes(self.waiting[:many])
        del self.waiting[:many]
        return data

    def usage(self) -> Usage | None:
        return Usage(0.0, idle=False)

    def kill(self) -> None:
        self.dead = True

    def ending(self) -> str:
        return ""


class Babel:
    """A `Sandbox` of babblers."""

    name = "babel"
    protects = False

    def __init__(self, chance: random.Random, banks: list[CaseBank]) -> None:
        self.chance = chance
        self.banks = banks
        self.started: list[Babbler] = []

    def walls(self) -> tuple[Wall, ...]:
        return ()

    def start(self, limits: Limits) -> Babbler:
        self.started.append(Babbler(self.chance, self.banks))
        return self.started[-1]

    def close(self) -> None:
        for process in self.started:
            process.kill()

    @property
    def said(self) -> int:
        return sum(process.said for process in self.started)
