"""One job of a batch: a process that keeps one box and grades one submission after another.

It speaks to the batch in messages of bytes over one pipe, and holds nothing that is not lost gladly: what kills it
costs the submission that it had in hand.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import grader
from grader import bank
from grader.batch.parcel import unpacked
from grader.course import Course, CourseFile, digest_of
from grader.errors import GraderError, NotGradable, UsageError
from grader.intake import read_submission
from grader.model import OF_ONE_FILE, Report, Submission
from grader.report.json import from_json, to_json
from grader.setting import Kept, grade_one, open_box, with_seed
from grader.signals import raising

if TYPE_CHECKING:
    from grader.sandbox import Sandbox

STEP_SECONDS = 0.3  # between two messages about where a grading is


class Setup(msgspec.Struct, frozen=True):
    """What a job must know before its first submission. bank: the digest of the module that follows as a frame."""

    root: str
    settings: CourseFile
    bank: str
    sandbox: str | None
    seed: int | None


class Order(msgspec.Struct, frozen=True):
    """What a job is told to do: take in what lies at `path` (as the file system spells it), or else grade: what is in the parcel (see
    `grader.batch.parcel`), or, where there is none, what it took in. before: an earlier report on that as JSON, from
    which what would be found again is taken over, or nothing."""

    path: bytes = b""
    parcel: bytes = b""
    before: bytes = b""


class Reply(msgspec.Struct, frozen=True):
    """What a job answers.

    kind: `key` (text: what the grading will be known by; submission: the digest of the files), `refused` (it cannot be graded), `step` (where the
    grading is; there may be any number), `report` (data: as JSON), `nothing` (graded, it turned out
    to be no submission), `failed` (a fault of ours with this submission), `unable` (nothing can be graded here; usage: it is the user's to mend).
    """

    kind: str
    text: str = ""
    data: bytes = b""
    usage: bool = False
    submission: str = ""


def key_of(course: Course, ready: bank.Module, submission: Submission, seed: int | None) -> str:
    """What a grading is known by: all that its report depends on."""
    return digest_of(
        submission.digest.encode(),
        msgspec.json.encode([_text(note) for note in submission.notes]),
        ready.digest.encode(),
        grader.__version__.encode(),
        str(with_seed(course, seed).settings.seed).encode(),
        course.settings.earlier.encode(),
    )


def take_in(
    course: Course, ready: bank.Module, path: Path, seed: int | None
) -> tuple[Submission | None, Reply]:
    """What lies at a path as a submission, None where it is none, and what is to be said of it."""
    assignment = ready.assignment
    try:
        taken = read_submission(
            path,
            assignment.expects,
            assignment.also,
            any_name=assignment.binding in OF_ONE_FILE,
        )
    except NotGradable as error:
        return None, Reply("refused", _text(to_staff(error)))
    except Exception as error:
        return None, _failed(error)
    return taken, Reply("key", key_of(course, ready, taken, seed), submission=taken.digest)


def to_staff(error: NotGradable) -> str:
    """Why something cannot be graded, with what a TA can do where a student would be told to hand it in again."""
    then = ". Put it right there, or ask for it again" if error.advice else ""
    return f"{error.what}{then}"


def work(pipe: connection.Connection) -> None:
    """What the process does: it sets up from two messages, then follows orders until the pipe is closed."""
    # The batch gets Ctrl-C too, and ends its jobs. Not SIG_IGN, which the box would inherit.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    raising(signal.SIGTERM, _end, SystemExit)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        setup = msgspec.json.decode(pipe.recv_bytes(), type=Setup)
        ready = bank.from_frame(pipe.recv_bytes(), setup.bank)
        assert ready is not None
        course = Course(Path(setup.root), setup.settings)
        with Kept(course, ready, seed=setup.seed) as kept:
            job = _Job(pipe, setup, course, ready, kept)
            try:
                while True:
                    order = msgspec.json.decode(pipe.recv_bytes(), type=Order)
                    job.tell(job.follow(order))
            finally:
                job.close_box()


class _Job:
    """What a job keeps from one submission to the next; also the progress that a grading reports to."""

    def __init__(
        self,
        pipe: connection.Connection,
        setup: Setup,
        course: Course,
        ready: bank.Module,
        kept: Kept,
    ) -> None:
        self.pipe = pipe
        self.setup = setup
        self.course = course
        self.ready = ready
        self.kept = kept
        self.box: Sandbox | None = None
        self.taken: Submission | None = None
        self.last = 0.0

    def tell(self, reply: Reply) -> None:
        self.pipe.send_bytes(msgspec.json.encode(reply))

    def follow(self, order: Order) -> Reply:
        if order.path:
            self.taken, said = take_in(
                self.course, self.ready, Path(os.fsdecode(order.path)), self.setup.seed
            )
            return said
        before = order.before
        if order.parcel:
            self.taken, before = unpacked(order.parcel)
        return self.grade(from_json(before) if before else None)

    def grade(self, before: Report | None) -> Reply:
        assert self.taken is not None
        self.last = 0.0
        if self.box is None:
            try:
                self.box = open_box(self.setup.sandbox, self.course, self.ready, self)
            except GraderError as error:
                return Reply("unable", _text(str(error)), usage=isinstance(error, UsageError))
        try:
            report = grade_one(
                self.course,
                self.ready,
                self.taken,
                self.box,
                seed=self.setup.seed,
                progress=self,
                kept=self.kept,
                before=before,
            )
        except NotGradable as error:
            return Reply("nothing", _text(str(error)))
        except Exception as error:
            self.close_box()
            return _failed(error)
        if report.score is None:
            # A box that lost a worker for a reason of ours may lose the next one too.
            self.close_box()
        return Reply("report", data=to_json(report))

    def close_box(self) -> None:
        box, self.box = self.box, None
        if box is not None:
            box.close()

    def say(self, text: str) -> None:
        now = time.monotonic()
        if now - self.last > STEP_SECONDS:
            self.last = now
            self.tell(Reply("step", _text(text)))

    def note(self, text: str) -> None:
        self.tell(Reply("step", _text(text)))


def _failed(error: Exception) -> Reply:
    return Reply("failed", _text(f"a fault of the grader: {type(error).__name__}: {error}"))


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()


def _end(number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the box is being closed
    raise SystemExit


def _end_with_parent() -> None:
    """Ends this process, and with it the box, when the batch is gone without a word."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
