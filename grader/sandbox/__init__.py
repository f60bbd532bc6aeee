"""One protocol, several boxes. A sandbox starts worker processes; what is said to them is in `session`.

A `Sandbox` never reads an answer and a `session` never starts a process, so that a new kind of box is
one new class with three methods, judged by the conformance suite in `tests/sandbox/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from grader.model import Limits, Wall

LEVELS = ("none", "files", "contained")

# What `ending` says of a process that may have been killed by somebody else, such as a machine without memory.
KILLED, OUT_OF_MEMORY = "killed by SIGKILL", "killed for memory"


def level(walls: Iterable[Wall]) -> str:
    """How much a box with these walls keeps in, from what was seen to hold in it.

    `none`: it only separates. `files`: the course, the host and other submissions cannot be read, or belong
    to another user. `contained`: files outside cannot be opened at all, no process can be started, reached
    or traced, no network used, no privilege gained, and memory is limited.
    """
    walls = tuple(walls)
    up = {wall.name for wall in walls if wall.up}
    if any(wall.name == "course out of reach" and not wall.up for wall in walls):
        return "none"
    shut = up & {"mount ns", "landlock", "container"}
    if shut and up >= {"seccomp", "rlimits", "no new privileges", "closed descriptors"}:
        return "contained"
    return "files" if shut or "other uid" in up else "none"


class Usage(NamedTuple):
    """What a box has used so far. cpu_seconds: user and system time of its worker; idle: no
    thread of it wants the processor at this moment (it sleeps or waits, rather than being kept from it).
    """

    cpu_seconds: float
    idle: bool


class BoxProcess(Protocol):
    """One worker process in its box: bytes in, bytes out, and a way to end it."""

    def send(self, data: bytes, *, seconds: float) -> bool:
        """Sends all of `data`; False when the other end is gone or did not take it in time."""

    def receive(self, *, seconds: float) -> bytes | None:
        """Some bytes (at most 1 MiB); b"" when the other end is closed; None when none came in time."""

    def usage(self) -> Usage | None:
        """What it used so far; None when the process is gone."""

    def kill(self) -> None:
        """Ends the process and everything that it started, at once. May be called twice."""

    def ending(self) -> str:
        """How it ended, for a person: `exit status 3`, `killed by SIGSEGV`; "" when not known.

        Raises SandboxLost when it was not the process that ended but the box around it.
        """


class Sandbox(Protocol):
    """A kind of box. `protects` is False for a box that only separates processes."""

    name: str
    protects: bool

    def walls(self, limits: Limits | None = None) -> tuple[Wall, ...]:
        """The protections, each with whether it is really up here (probed, not assumed).

        limits: of the workers that will be wanted next, so that one that is started for looking is of use.
        """

    def start(self, limits: Limits) -> BoxProcess:
        """A fresh worker, ready to be sent a submission. Raises SandboxLost when none can be had."""

    def close(self) -> None:
        """Ends everything that this sandbox still runs. May be called twice."""
