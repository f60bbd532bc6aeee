"""What an attack is, and how its source is put together.

Every attack is bounded: what it loops or sleeps ends by itself in 20 s, it takes at most 2 GB, and it
touches no network but the loopback. Most are confined to one method of an honest submission, so that all
other checks must be graded as if they were not there.
"""

from __future__ import annotations

import textwrap
from typing import NamedTuple


class Attack(NamedTuple):
    """One hostile submission.

    files: what is put over the honest submission to `course`. spoils: patterns of the checks (as
    "task/title") that the attack itself makes wrong; all others must pass. ends: the outcomes that those
    may have ("intake": the submission may be refused). walls: it is stopped by walls only, so a box
    without them owes a report and nothing else. proof: text that the report shows where it succeeded.
    harms: without walls it would harm the machine, and is not run there.
    """

    name: str
    tries: str
    course: str
    files: dict[str, str]
    spoils: tuple[str, ...]
    ends: frozenset[str]
    walls: bool = False
    proof: str = ""
    harms: bool = False


HONEST = '''
import math

class Mul:
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, d):
        a, b = ctx.saved_values
        return d * b, d * a

class Exp:
    @staticmethod
    def forward(ctx, a):
        out = math.exp(a)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, d):
        (out,) = ctx.saved_values
        return d * out
'''  # fmt: skip

# What an attacker finds of the worker, from inside any function that it calls.
TOOLS = r"""
import ctypes, gc, json, os, signal, socket, struct, sys, threading, time

def worker():
    "The worker and the message that it is answering."
    step = sys._getframe()
    while step is not None:
        if "message" in step.f_locals and "self" in step.f_locals:
            return step.f_locals["self"], step.f_locals["message"]
        step = step.f_back
    raise LookupError("no worker")

def fd():
    return worker()[0].channel.write_fd

def frame(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">IQ", len(text), len(body)) + text + body

def part(answers, first=0, done=True, identity=None, **more):
    "The frame of a reply with these answers."
    blobs = [a if isinstance(a, bytes) else frame(a) for a in answers]
    places, at = [], 0
    for blob in blobs:
        places.append({"b": [at, len(blob)]})
        at += len(blob)
    identity = worker()[1]["id"] if identity is None else identity
    header = {"id": identity, "first": first, "answers": places, "done": done, "cpu": 0.0} | more
    return frame({"d": header}, b"".join(blobs))

def put(data, to=None):
    to = fd() if to is None else to
    while data:
        data = data[os.write(to, data):]

def once(memory=[]):
    "True the first time only."
    memory.append(1)
    return len(memory) == 1
"""

SPOILED = {
    "Mul.forward": ("mul_*",),
    "Mul.backward": ("mul_backward/*",),
    "Exp.forward": ("exp_*",),
    "Exp.backward": ("exp_backward/*",),
}
ARGUMENTS = {
    "Mul.forward": "ctx, a, b",
    "Mul.backward": "ctx, d",
    "Exp.forward": "ctx, a",
    "Exp.backward": "ctx, d",
}


def attack(
    name: str,
    tries: str,
    body: str,
    *ends: str,
    at: str = "Mul.backward",
    top: str = "",
    tools: bool = True,
    spoils: tuple[str, ...] | None = None,
    walls: bool = False,
    proof: str = "",
    harms: bool = False,
) -> Attack:
    """An attack on the smallest course from inside one method; `honest(...)` is what that was before.

    ends: outcomes of the checks that are spoiled, `failed` by default.
    """
    arguments = ARGUMENTS[at]
    source = HONEST + (TOOLS if tools else "") + textwrap.dedent(top)
    source += (
        f"\nhonest = {at}\ndef attack({arguments}):\n"
        f"{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
        f"{at} = staticmethod(attack)\n"
    )
    return Attack(
        name,
        tries,
        "two_functions",
        {"student.py": source},
        SPOILED[at] if spoils is None else spoils,
        frozenset(ends or ("failed",)),
        walls,
        proof,
        harms,
    )


def whole(
    name: str,
    tries: str,
    source: str,
    *ends: str,
    files: dict[str, str] | None = None,
    tools: bool = False,
    spoils: tuple[str, ...] = ("*",),
    walls: bool = False,
    proof: str = "",
    harms: bool = False,
) -> Attack:
    """An attack on the smallest course by the whole file: it runs when that is imported."""
    text = (TOOLS if tools else "") + textwrap.dedent(source)
    return Attack(
        name,
        tries,
        "two_functions",
        {"student.py": text} | (files or {}),
        spoils,
        frozenset(ends or ("failed",)),
        walls,
        proof,
        harms,
    )


def torch(
    name: str,
    tries: str,
    into: str,
    source: str,
    *ends: str,
    course: str = "module2",
    spoils: tuple[str, ...] = ("*",),
    tools: bool = False,
    walls: bool = False,
    proof: str = "",
) -> Attack:
    """An attack on MiniTorch: lines put at the end of one file of an honest package."""
    text = (TOOLS if tools else "") + textwrap.dedent(source)
    return Attack(
        name,
        tries,
        course,
        {f"+minitorch/{into}": text},
        spoils,
        frozenset(ends or ("failed",)),
        walls,
        proof,
    )
