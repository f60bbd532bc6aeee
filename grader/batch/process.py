"""A job process as whoever started it sees it: orders go in, replies come out, and it can be ended at any time."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing import connection
from typing import Any

import msgspec
import psutil

from grader.batch import job
from grader.batch.model import HandIn
from grader.sandbox import cgroup

JOB_MB = 350  # MiB of a job and of the box that it keeps, beside what a submission may take
END_SECONDS = 5.0  # for a job to close its box


class Lost(Exception):
    """A job died or hung, or failed at one submission. The text says how."""


class JobProcess:
    """One job process, with what it has in hand. Used by one thread at a time.

    deadline: by the monotonic clock, after which it hangs.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: Any = None
        self.pipe: connection.Connection | None = None
        self.hand_in: HandIn | None = None
        self.key = ""
        self.deadline = math.inf

    @property
    def running(self) -> bool:
        """Whether it was started and not ended by us."""
        return self.process is not None

    def start(self, setup: bytes, frame: bytes) -> None:
        """Starts it, for gradings as `setup` (a `job.Setup`) and the module in `frame` say."""
        # Not forked: a database that is open must not be carried into another process.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=job.work, args=(theirs,), name=f"job {self.number}")
        with _no_interrupt():
            self.process.start()
        theirs.close()
        with contextlib.suppress(OSError):  # it died at once, which the first order tells
            self.pipe.send_bytes(setup)
            self.pipe.send_bytes(frame)

    def look(self, hand_in: HandIn, patience: float) -> None:
        """Has it take a hand-in in."""
        self.hand_in, self.key = hand_in, ""
        self._order(job.Order(os.fsencode(hand_in.path)), patience)

    def grade(self, patience: float, before: bytes = b"", parcel: bytes = b"") -> None:
        """Has it grade what it took in, or what the parcel holds. before: an earlier report on it as JSON."""
        self._order(job.Order(parcel=parcel, before=before), patience)

    def _order(self, order: job.Order, patience: float) -> None:
        assert self.pipe is not None
        self.deadline = time.monotonic() + patience
        with contextlib.suppress(OSError):  # a death is noticed where its reply is read
            self.pipe.send_bytes(msgspec.json.encode(order))

    def reply(self) -> job.Reply:
        """What the job says. Raises Lost, with the process ended, when it is dead."""
        assert self.pipe is not None
        try:
            return msgspec.json.decode(self.pipe.recv_bytes(), type=job.Reply)
        except (EOFError, OSError, msgspec.DecodeError):
            self.process.join(END_SECONDS)
            code = self.process.exitcode
            self.stop()
        how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
        raise Lost(f"the process that graded it ended {how}")

    def ask_to_end(self, *, at_once: bool = False) -> None:
        """Asks it to close its box and end, or ends it `at_once`, and does not wait. Any thread may do so."""
        process = self.process
        if process is not None:
            with contextlib.suppress(OSError):
                (process.kill if at_once else process.terminate)()

    def stop(self, *, gently: bool = False) -> None:
        """Ends it. gently: gives it time to close its box."""
        if self.process is None:
            return
        if gently:
            self.process.terminate()
            self.process.join(END_SECONDS)
        self.process.kill()
        self.process.join()
        assert self.pipe is not None
        self.pipe.close()
        self.process = self.pipe = None


def short_of_memory(memory_mb: int) -> bool:
    """Whether this machine has no room for one more submission that may take so much."""
    return free_memory() < (memory_mb + JOB_MB) << 20


def free_memory() -> int:
    """Bytes that can still be taken here: of the machine, and of the container or the queue that this runs in."""
    free: int = psutil.virtual_memory().available
    left = cgroup.room()
    return free if left is None else min(free, left)


def hung(patience: float) -> str:
    """What is said of a job that was ended because it took too long."""
    return f"the process that graded it did not end within {patience:g} s"


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Keeps Ctrl-C back for a moment, and from a process that is started in it until that wants it."""
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    mask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        mask(signal.SIG_UNBLOCK, [signal.SIGINT])
