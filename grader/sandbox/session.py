"""What is said to a worker, over any box: open a submission, ask questions, never wait for ever.

A `Session` belongs to one submission. When its worker dies or runs out of time it is ended, the answer
says so as a value, and the next question gets a fresh worker: one bad check costs itself alone. It never
looks into an answer.
"""

from __future__ import annotations

import enum
import math
import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from grader.box import wire
from grader.box.modes import UNCOMPILED
from grader.box.wire import WireError, clean
from grader.errors import SandboxLost
from grader.model import Assignment, Raised, Submission
from grader.sandbox import KILLED, OUT_OF_MEMORY, BoxProcess, Sandbox, Usage

TICK = 0.02
GRACE_SECONDS = 1.0
IDLE_SECONDS = 3.0
LONGEST_STEP = 0.25
SEND_SECONDS = 30.0
REPLY_FRAMES = 4096
# Bytes of JSON in all parts of a reply to a question: the answers themselves are not in it. As objects they take
# ten times that, and our own time to read.
ANSWER_HEADERS = 1 << 20


class End(enum.Enum):
    """Why an exchange with a worker stopped."""

    DONE = "done"
    TIMED_OUT = "timed_out"
    IDLE = "idle"
    CRASHED = "crashed"
    PROTOCOL = "protocol"


class Reply(msgspec.Struct, frozen=True):
    """The answers to one question. answers: frames, one per case, in order; fewer than cases when the
    worker stopped early. cpu_seconds: as the worker counted (for people, not for limits)."""

    answers: list[bytes]
    end: End
    detail: str = ""
    cpu_seconds: float = 0.0


class Ask(msgspec.Struct, frozen=True):
    """A few cases of one question, the first `watched` of them with an eye on what runs."""

    question: str
    given: dict[str, Any]
    cases: list[bytes]
    watched: int


class Watched(msgspec.Struct, frozen=True):
    """What a worker says of an Ask. It is student code's own word: cleaned and capped, and a hint for a
    person.

    answers: frames, one per case; ran: functions of the submission, by file and first line; pairs:
    (backward, forward, calls next to the input, calls with a complex number).
    """

    answers: tuple[bytes, ...] = ()
    ran: frozenset[tuple[str, int]] = frozenset()
    pairs: tuple[tuple[str, str, int, int], ...] = ()


class Opened(msgspec.Struct, frozen=True):
    """What came of importing the submission: module -> why it failed, and what was worked around.

    refused: why nothing of it can be asked, or "".
    """

    failures: dict[str, Raised]
    notes: tuple[str, ...]
    end: End
    detail: str = ""
    refused: str = ""


class _Ended(Exception):
    def __init__(self, end: End, detail: str) -> None:
        super().__init__(detail)
        self.end = end
        self.detail = detail


class Session:
    """One submission in one kind of box.

    used_seconds: what its workers have used so far, in CPU seconds plus seconds of waiting for nothing.
    What first cases used of their `compile_seconds` is not in it, up to that much for each check.
    """

    def __init__(self, sandbox: Sandbox, assignment: Assignment, submission: Submission) -> None:
        self.sandbox = sandbox
        self.assignment = assignment
        self.submission = submission
        self.process: BoxProcess | None = None
        self.buffer = bytearray()
        self.mode = ""
        self.opened_in: dict[str, Opened] = {}
        self.used_seconds = 0.0
        limits = assignment.limits
        self.compile_left = limits.compile_seconds * max(1, len(assignment.checks))
        self.spent_before = 0.0
        self.served = False  # whether this worker has been asked anything yet

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the worker, and with it everything that the submission started."""
        if self.process is not None:
            self._account()
            self.process.kill()
            self.process = None
        self.buffer.clear()

    @property
    def opened(self) -> Opened | None:
        """What came of the import in the mode that is used; None before it."""
        return self.opened_in.get(self.mode)

    @property
    def compile_seconds(self) -> float:
        """What the first case of a check may use on top, where anything is compiled."""
        return 0.0 if self.mode in UNCOMPILED else self.assignment.limits.compile_seconds

    def use(self, mode: str) -> None:
        """What is asked from here on is asked in that run mode; a worker in another one is ended."""
        if mode != self.mode:
            self.close()
            self.mode = mode

    def open(self) -> Opened:
        """Imports the submission in a fresh worker; again only after the last one was lost."""
        if self.opened is not None and (
            self.process is not None or self.opened.end is not End.DONE
        ):
            # An import that hangs or ends the process does so each time.
            return self.opened
        found = self._opened()
        if _by_another(found.end, found.detail):
            found = self._opened()
        self.opened_in[self.mode] = found
        return found

    def _opened(self) -> Opened:
        limits = self.assignment.limits
        self.close()
        self.process = self.sandbox.start(limits)
        self.served = False
        self.spent_before = 0.0
        message = {
            "do": "open",
            "binding": self.assignment.binding,
            "expects": list(self.assignment.expects),
            "files": self.submission.files,
            "questions": self.assignment.questions,
            "preload": list(self.assignment.preload),
            "mode": self.mode,
            "import_seconds": limits.import_seconds,
            "output_bytes": limits.output_mb << 20,
        }
        try:
            return read_opened(self._exchange(message, limits.import_seconds)[-1])
        except _Ended as ended:
            self.close()
            return Opened({}, (), ended.end, ended.detail)

    def ask(
        self, question: str, given: dict[str, Any], cases: Sequence[bytes], *, seconds: float
    ) -> Reply:
        """The answers to all cases of a question, in one message.

        cases: frames of argument dicts. seconds: CPU time for all of them together; the first one has the
        limit `compile_seconds` on top. A worker that dies, hangs or babbles is a value in the reply;
        SandboxLost is raised for faults of ours alone.
        """
        used = self.process is not None and self.served
        reply = self._asked(question, given, cases, seconds)
        left_behind = used and reply.end not in (End.DONE, End.TIMED_OUT)
        if left_behind or _by_another(reply.end, reply.detail):
            # A thread or a message that an earlier question left behind must not cost this one.
            reply = self._asked(question, given, cases, seconds)
        return reply

    def _asked(
        self, question: str, given: dict[str, Any], cases: Sequence[bytes], seconds: float
    ) -> Reply:
        opened = self.open()
        if self.process is None:
            return Reply([], opened.end, opened.detail)
        answers: list[bytes] = []
        cpu = 0.0
        message = {
            "do": "ask",
            "question": question,
            "given": given,
            "cases": list(cases),
            "seconds": seconds,
            "compile_seconds": self.compile_seconds,
        }
        self.served = True
        parts: list[dict[str, Any]] = []
        try:
            self._exchange(message, seconds, parts)
            end, detail = End.DONE, ""
        except _Ended as ended:
            self.close()
            end, detail = ended.end, ended.detail
        for part in parts:
            frames = part.get("answers")
            if not isinstance(frames, list) or not is_int(part.get("first"), len(answers)):
                self.close()
                return Reply(answers, End.PROTOCOL, "answers out of order")
            answers += [frame for frame in frames if isinstance(frame, bytes)]
            if isinstance(part.get("cpu"), float) and 0.0 <= part["cpu"] < math.inf:
                cpu = part["cpu"]
            if len(answers) > len(cases):
                self.close()
                return Reply([], End.PROTOCOL, "more answers than cases")
        longest = seconds + self.compile_seconds
        return Reply(answers, end, detail, min(cpu, longest * 10))

    def rest(self, seconds: float) -> None:
        """Waits until the worker does nothing, at most that long."""
        until = time.monotonic() + seconds
        while self.process is not None and time.monotonic() < until:
            usage = self.process.usage()
            if usage is None or usage.idle:
                return
            time.sleep(TICK / 10)

    def worked(self) -> float:
        """The processor time of the worker that there is now."""
        usage = self.process.usage() if self.process is not None else None
        return usage.cpu_seconds if usage is not None else 0.0

    def watch(
        self, asks: Sequence[Ask], modules: Sequence[str], *, seconds: float
    ) -> tuple[list[Watched], tuple[str, ...]]:
        """What is seen of a few cases, all in one message, and which of `modules` are loaded by then.
        Nothing at all from a worker that ends or babbles."""
        self.open()
        if self.process is None:
            return [], ()
        message = {
            "do": "watch",
            "asks": [msgspec.structs.asdict(ask) for ask in asks],
            "modules": list(modules),
            "seconds": seconds,
        }
        try:
            reply = self._exchange(message, seconds)[-1]
            told = [as_watched(one, ask) for one, ask in zip(reply["told"], asks, strict=True)]
            return told, tuple(name for name in modules if name in reply["loaded"])
        except (_Ended, LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
            self.close()
            return [], ()

    def _exchange(
        self, message: dict[str, Any], seconds: float, parts: list[dict[str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        """Sends a message and collects its parts up to the one that is `done`."""
        process = self.process
        if process is None:
            raise SandboxLost("a question was asked of a box that is closed")
        parts = [] if parts is None else parts
        limits = self.assignment.limits
        compiling = self.compile_seconds if message["do"] == "ask" else 0.0
        # Before the worker can begin: what it uses from here on is for this message.
        deadline = _Deadline(process, seconds, limits.wall_factor, compiling)
        identity = secrets.randbits(62)
        limit = limits.output_mb << 20
        try:
            began = time.monotonic()
            heard = process.send(wire.encode({"id": identity} | message), seconds=SEND_SECONDS)
            deadline.waited += max(0.0, time.monotonic() - began - IDLE_SECONDS)
            if not heard:
                raise _Ended(End.CRASHED, deadline.ending() or "it stopped listening")
            return self._parts(message["do"], identity, process, deadline, parts, limit)
        finally:
            self._account(deadline.last_cpu)
            self.used_seconds += max(deadline.waited, 0.0)
            free = min(deadline.compiled, self.compile_left)
            self.compile_left -= free
            self.used_seconds -= free

    def _parts(
        self,
        what: str,
        identity: int,
        process: BoxProcess,
        deadline: _Deadline,
        parts: list[dict[str, Any]],
        limit: int,
    ) -> list[dict[str, Any]]:
        received = 0
        headers = ANSWER_HEADERS if what == "ask" else wire.MAX_HEADER
        while True:
            frame = self._frame(process, deadline, 4 * limit, headers)
            received += len(frame)
            headers -= wire.lengths(frame[: wire.HEAD.size], 4 * limit)[0]
            if received > 8 * limit or len(parts) > REPLY_FRAMES:
                raise _Ended(End.PROTOCOL, "it sends without end")
            try:
                part = wire.decode(frame)
            except (WireError, MemoryError) as error:
                raise _Ended(End.PROTOCOL, str(error)) from None
            if not isinstance(part, dict) or not is_int(part.get("id"), identity):
                raise _Ended(End.PROTOCOL, "a message that answers no question")
            parts.append(part)
            deadline.first_answered()
            if what == "open" or part.get("done") is True:
                return parts

    def _frame(self, process: BoxProcess, deadline: _Deadline, limit: int, headers: int) -> bytes:
        """The next whole frame, checked for size before it is read. headers: how long its header may be."""
        need = wire.HEAD.size
        while True:
            if len(self.buffer) >= need:
                try:
                    header, body = wire.lengths(bytes(self.buffer[: wire.HEAD.size]), limit)
                except WireError as error:
                    raise _Ended(End.PROTOCOL, str(error)) from None
                if header > headers:
                    raise _Ended(End.PROTOCOL, "its answers take too much to write down")
                need = wire.HEAD.size + header + body
                if len(self.buffer) >= need:
                    frame = bytes(self.buffer[:need])
                    del self.buffer[:need]
                    return frame
            data = process.receive(seconds=TICK)
            if data:
                self.buffer += data
            elif data == b"":
                raise _Ended(End.CRASHED, deadline.ending() or "the process ended")
            # Also while bytes come in: a worker may send one at a time for ever.
            deadline.check(quiet=data is None)

    def _account(self, seen: float = 0.0) -> None:
        """Counts what the worker has used; `seen` is what was last seen of one that is gone."""
        usage = self.process.usage() if self.process is not None else None
        spent = max(usage.cpu_seconds if usage is not None else seen, self.spent_before)
        self.used_seconds += spent - self.spent_before
        self.spent_before = spent


class _Deadline:
    """The limit from outside: CPU time, then waiting for nothing, in one piece or in all, then a generous
    wall clock.

    A process that is kept from the processor by others is not idle, so that a verdict is the same on a
    busy machine. Time is counted in the steps in which we look: when the whole machine stands still for
    seconds, nobody has waited.

    compile_seconds: on top until the first answer is there; compiled: what was used of them; waited: for
    nothing, in all, beyond what it takes to reach the worker.
    """

    def __init__(
        self, process: BoxProcess, seconds: float, wall_factor: float, compile_seconds: float = 0.0
    ) -> None:
        self.process = process
        self.seconds = seconds
        self.compile_seconds = compile_seconds
        self.compiled = 0.0
        self.compiles = compile_seconds > 0
        began = time.monotonic()
        usage = process.usage()
        self.start_cpu = usage.cpu_seconds if usage else 0.0
        self.last_cpu = self.start_cpu
        self.checked_at = time.monotonic()
        self.waited = -2.0 * (self.checked_at - began)
        self.idle_seconds = 0.0
        self.wall_left = (seconds + compile_seconds) * wall_factor + 5.0

    def first_answered(self) -> None:
        """What the first case did not use to compile is not for the others."""
        if self.compiles:
            self._compiled(self.process.usage())
            self.compiles = False
            self.seconds += self.compiled

    def _compiled(self, usage: Usage | None) -> None:
        if self.compiles and usage is not None:
            used = usage.cpu_seconds - self.start_cpu
            self.compiled = min(self.compile_seconds, max(used, 0.0))

    def ending(self) -> str:
        """How the worker ended. One that goes on without its socket is waited for, at its own cost."""
        began = time.monotonic()
        try:
            return self.process.ending()
        finally:
            self.waited += time.monotonic() - began

    def check(self, *, quiet: bool) -> None:
        """Raises _Ended when a limit is reached. quiet: nothing came for a while."""
        now = time.monotonic()
        step = now - self.checked_at
        if step < TICK:
            return
        self.checked_at = now
        self.wall_left -= min(step, LONGEST_STEP)
        usage = self.process.usage()
        if usage is None:
            return  # it is gone: the next receive says so
        self._compiled(usage)
        allowed = self.seconds + self.compile_seconds * self.compiles
        if usage.cpu_seconds - self.start_cpu > allowed * 1.25 + GRACE_SECONDS:
            raise _Ended(End.TIMED_OUT, f"more than {allowed:.3g} s of processor time")
        if usage.idle:
            # Where something came, the worker may be waiting for us by now.
            longest = LONGEST_STEP if quiet else TICK
            self.waited += max(
                min(step, longest) - max(usage.cpu_seconds - self.last_cpu, 0.0), 0.0
            )
        used = usage.cpu_seconds - self.start_cpu
        if used + self.waited > allowed * 1.25 + GRACE_SECONDS + IDLE_SECONDS:
            raise _Ended(End.IDLE, f"it waited for nothing for {self.waited:.3g} s in all")
        if usage.cpu_seconds > self.last_cpu or not usage.idle:
            self.last_cpu = usage.cpu_seconds
            self.idle_seconds = 0.0
            self._wall()
            return
        self.idle_seconds += min(step, LONGEST_STEP)
        if self.idle_seconds > IDLE_SECONDS:
            raise _Ended(End.IDLE, f"it waited {IDLE_SECONDS:g} s without doing anything")
        self._wall()

    def _wall(self) -> None:
        if self.wall_left < 0:
            raise _Ended(End.TIMED_OUT, "the wall clock's limit")


def as_watched(told: dict[str, Any], ask: Ask) -> Watched:
    """What a worker told of an Ask as a record, with nothing in it that could do harm.

    Raises LookupError, TypeError, ValueError, ArithmeticError or AttributeError for what is none.
    """
    return Watched(
        answers=tuple(f for f in told["answers"][: len(ask.cases)] if isinstance(f, bytes)),
        ran=frozenset((str(path), int(line)) for path, line in told["ran"][:5000]),
        pairs=tuple(
            (clean(str(back), 80), clean(str(fore), 80), _count(near), _count(strange))
            for back, fore, near, strange in told["pairs"][:40]
        ),
    )


def _count(number: Any) -> int:
    return min(max(int(number), 0), 10**6)


def _by_another(end: End, detail: str) -> bool:
    """Whether a worker may have been killed by somebody else, which must not cost its student anything."""
    return end is End.CRASHED and detail in (KILLED, OUT_OF_MEMORY)


def is_int(value: Any, wanted: int) -> bool:
    """Whether a value of a reply is that whole number. An array has no single answer to `==`."""
    return type(value) is int and value == wanted


def read_opened(reply: dict[str, Any]) -> Opened:
    """The reply to `open`. Raises _Ended when it is none."""
    failures, notes = reply.get("failures"), reply.get("notes")
    refused = reply.get("refused", "")
    if type(failures) is not dict or type(notes) is not list or type(refused) is not str:
        raise _Ended(End.PROTOCOL, "an unreadable reply")
    return Opened(
        {
            clean(name, 200): as_raised(raised)
            for name, raised in failures.items()
            if isinstance(raised, wire.Raised)
        },
        tuple(clean(note, 300) for note in notes[:20] if type(note) is str),
        End.DONE,
        refused=clean(refused, 600),
    )


def as_raised(raised: wire.Raised) -> Raised:
    """The record for an exception that came over the wire."""
    return Raised(raised.type, raised.message, raised.where, raised.kind)
