"""Grades many submissions at once, and keeps what came of each in the gradebook as soon as it is known.

One submission never costs another: each job process has one in hand, and one that dies or hangs with it is ended
and started anew. What such a job had in hand is tried once more at the end, alone. Nothing here prints.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any, Protocol

import msgspec
import psutil

from grader import bank
from grader.bank import write_whole
from grader.batch import book as books
from grader.batch import job
from grader.batch.book import Book, of_hand_in
from grader.batch.model import HandIn, Row
from grader.batch.names import file_name
from grader.batch.standing import settled
from grader.course import Course
from grader.errors import GraderError, OutputFault, UsageError
from grader.model import Limits, Report
from grader.report import VIEWS
from grader.report.json import from_json
from grader.terms import Terms

JOB_MB = 350  # MiB of a job and of the box that it keeps, beside what a submission may take
END_SECONDS = 5.0  # for a job to close its box
POLL_SECONDS = 1.0

NOW, KNOWN, HELD, NOT_GRADABLE = "graded", "known", "held", "not gradable"


class Options(msgspec.Struct, frozen=True):
    """How a batch is run. jobs: how many at once; patience: seconds of the wall clock after which a job hangs."""

    jobs: int
    patience: float
    sandbox: str | None = None
    seed: int | None = None
    force: bool = False


class Done(msgspec.Struct, frozen=True):
    """What came of one hand-in. kind: `graded` now, `known` already, `held` or `not gradable`."""

    hand_in: HandIn
    kind: str
    report: Report | None = None
    problem: str = ""


class Watcher(Protocol):
    """Who is told how a batch goes."""

    def step(self, job: int, hand_in: HandIn | None, text: str) -> None:
        """What a job does now; no hand-in: it waits."""

    def done(self, done: Done) -> None:
        """A hand-in was dealt with, and that is kept."""


class Reports:
    """The folder of reports: one of each hand-in, below its module's name, with what counts under the course's
    terms.

    Late days and attempts tie a student's hand-ins together, so that one more may change the reports of others.
    """

    def __init__(self, folder: Path, terms: Terms, rows: Sequence[Row]) -> None:
        self.folder = folder
        self.terms = terms
        self.has_terms = terms != Terms()
        self.rows = {(row.module, row.hand_in.id): _light(row) for row in rows}

    def write(self, module: str, done: Done) -> None:
        """Writes what came of a hand-in; where there is no report any more, none of before is left."""
        report = done.report
        row = Row(module, done.hand_in, report, done.problem)
        self.rows[module, done.hand_in.id] = _light(row)
        if report is not None and self.has_terms:
            report = self._standing(module, done.hand_in, report)
        for ending in ("json", "html"):
            path = self.folder / module / f"{file_name(done.hand_in.id)}.{ending}"
            try:
                if report is None:
                    path.unlink(missing_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                data = VIEWS[ending](report).encode()
                if not path.exists() or path.read_bytes() != data:
                    write_whole(path, data)
            except OSError as error:
                raise OutputFault(
                    f"{path}: cannot be written: {error.strerror}. What was graded is kept: make room "
                    "and run the command again"
                ) from error

    def _standing(self, module: str, hand_in: HandIn, report: Report) -> Report:
        """The report with its standing. A group whose members stand differently has none of its own."""
        who = {student.id for student in hand_in.students}
        theirs = [
            row
            for row in self.rows.values()
            if row.hand_in.id == hand_in.id or who & {s.id for s in row.hand_in.students}
        ]
        found = [
            row
            for row in settled(theirs, self.terms)
            if (row.module, row.hand_in.id) == (module, hand_in.id)
        ]
        standing = found[0].standing if len(found) == 1 else None
        return msgspec.structs.replace(report, standing=standing)


def run(
    course: Course,
    ready: bank.Module,
    hand_ins: Sequence[HandIn],
    book: Book,
    reports: Reports,
    options: Options,
    watcher: Watcher,
) -> list[Done]:
    """Grades what is not known yet; what came of each hand-in, in the order in which it was known.

    Whatever ends it early, an interruption or a full disk, ends the jobs; what was done is kept.
    """
    batch = _Batch(course, ready, book, reports, options, watcher)
    book.enrol(ready.assignment.name, hand_ins)
    try:
        batch.run(hand_ins)
    finally:
        batch.close()
    return batch.dealt


def patience(limits: Limits) -> float:
    """Seconds on the wall after which no grading can still be at work: it is graded twice at most (for the
    hint about earlier files), with shrinking between, on a machine that may be busy."""
    return 300.0 + 6 * (limits.run_seconds + limits.compile_seconds)


def jobs_for(limits: Limits, wanted: int | None = None) -> int:
    """How many submissions at once: as many as there are processors, and as memory is free for."""
    if wanted is not None:
        return wanted
    room = psutil.virtual_memory().available // ((JOB_MB + limits.memory_mb) << 20)
    return max(1, min(_processors(), room))


def _processors() -> int:
    """The processors that this process may use."""
    asked: Any = getattr(os, "sched_getaffinity", None)
    many = len(asked(0)) if asked is not None else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        many = min(many, math.ceil(int(quota) / int(period)))
    return max(1, many)


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


class _Lost(Exception):
    """A job died or hung, or failed at one submission. The text says how."""


class _Worker:
    """One job process as the batch sees it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: Any = None
        self.pipe: connection.Connection | None = None
        self.hand_in: HandIn | None = None
        self.key = ""
        self.deadline = math.inf

    def start(self, setup: bytes, frame: bytes) -> None:
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
        self.hand_in, self.key = hand_in, ""
        self.order(job.Order(hand_in.path), patience)

    def order(self, order: job.Order, patience: float) -> None:
        assert self.pipe is not None
        self.deadline = time.monotonic() + patience
        with contextlib.suppress(OSError):  # a death is noticed where its reply is read
            self.pipe.send_bytes(msgspec.json.encode(order))

    def reply(self) -> job.Reply:
        """What the job says. Raises _Lost, with the process ended, when it is dead."""
        assert self.pipe is not None
        try:
            return msgspec.json.decode(self.pipe.recv_bytes(), type=job.Reply)
        except (EOFError, OSError, msgspec.DecodeError):
            self.process.join(END_SECONDS)
            code = self.process.exitcode
            self.stop()
        how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
        raise _Lost(f"the process that graded it ended {how}")

    def stop(self, *, gently: bool = False) -> None:
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


class _Batch:
    """The state of a batch while it runs. Everything happens in one thread, which waits for replies."""

    def __init__(
        self,
        course: Course,
        ready: bank.Module,
        book: Book,
        reports: Reports,
        options: Options,
        watcher: Watcher,
    ) -> None:
        self.module = ready.assignment.name
        self.memory = ready.assignment.limits.memory_mb << 20
        self.book, self.reports, self.options, self.watcher = book, reports, options, watcher
        setup = job.Setup(
            str(course.root), course.settings, ready.digest, options.sandbox, options.seed
        )
        self.setup, self.frame = msgspec.json.encode(setup), bank.as_frame(ready)
        self.workers = [_Worker(number) for number in range(options.jobs)]
        self.queue: deque[HandIn] = deque()
        self.again: deque[HandIn] = deque()
        self.tried: set[str] = set()
        self.waiting: dict[str, list[HandIn]] = {}  # for a grading of the same content
        self.own: set[str] = set()  # keys of what was graded in this batch
        self.dealt: list[Done] = []

    def run(self, hand_ins: Sequence[HandIn]) -> None:
        for hand_in in hand_ins:
            if hand_in.problem:
                self._refused(hand_in, hand_in.problem)
            else:
                self.queue.append(hand_in)
        while True:
            self._hand_out()
            busy = [worker for worker in self.workers if worker.hand_in is not None]
            if not busy:
                if not self.waiting:
                    return
                # What they waited for has changed under our hands: they are taken for themselves.
                self.queue.extend(one for others in self.waiting.values() for one in others)
                self.waiting.clear()
                continue
            for worker in self._heard(busy):
                in_hand = worker.hand_in
                assert in_hand is not None
                try:
                    self._take(worker, in_hand, worker.reply())
                except _Lost as lost:
                    self._lost(worker, in_hand, str(lost))
            for worker in busy:
                if worker.hand_in is not None and time.monotonic() > worker.deadline:
                    worker.stop()
                    hung = (
                        f"the process that graded it did not end within {self.options.patience:g} s"
                    )
                    self._lost(worker, worker.hand_in, hung)

    def close(self) -> None:
        for worker in self.workers:
            if worker.process is not None:
                with contextlib.suppress(OSError):
                    worker.process.terminate()
        for worker in self.workers:
            worker.stop(gently=True)

    def _heard(self, busy: Sequence[_Worker]) -> Iterator[_Worker]:
        pipes: dict[Any, _Worker] = {worker.pipe: worker for worker in busy}
        for pipe in connection.wait(list(pipes), POLL_SECONDS):
            yield pipes[pipe]

    def _hand_out(self) -> None:
        """Gives each job that waits its next submission; what is tried again, one at a time at the end."""
        for worker in self.workers:
            if worker.hand_in is not None:
                continue
            busy = any(other.hand_in is not None for other in self.workers)
            if self.queue and not (busy and self._short_of_memory()):
                hand_in = self.queue.popleft()
            elif self.again and not busy and not self.queue:
                hand_in = self.again.popleft()
            else:
                self.watcher.step(worker.number, None, "")
                continue
            if worker.process is None:
                worker.start(self.setup, self.frame)
            worker.look(hand_in, self.options.patience)
            self.watcher.step(worker.number, hand_in, "taken in")

    def _short_of_memory(self) -> bool:
        return psutil.virtual_memory().available < self.memory + (JOB_MB << 20)

    def _take(self, worker: _Worker, hand_in: HandIn, reply: job.Reply) -> None:
        if reply.kind == "step":
            self.watcher.step(worker.number, hand_in, reply.text)
        elif reply.kind == "key":
            self._looked(worker, hand_in, reply.text)
        elif reply.kind == "refused":
            worker.hand_in = None
            self._refused(hand_in, reply.text)
        elif reply.kind == "report":
            worker.hand_in = None
            self._graded(hand_in, worker.key, from_json(reply.data))
        elif reply.kind == "unable":
            raise (UsageError if reply.usage else GraderError)(reply.text)
        else:
            raise _Lost(reply.text)

    def _looked(self, worker: _Worker, hand_in: HandIn, key: str) -> None:
        others = self.waiting.get(key)
        if others is not None and hand_in.id not in self.tried:
            worker.hand_in = None
            others.append(hand_in)
            return
        fresh = self.options.force and key not in self.own
        report = None if fresh else self.book.known(key)
        if report is None:
            worker.key = key
            self.waiting.setdefault(key, [])
            worker.order(job.Order(), self.options.patience)
        else:
            worker.hand_in = None
            self.own.add(key)
            for one in (hand_in, *self.waiting.pop(key, [])):
                self._keep(one, KNOWN, key, report)

    def _graded(self, hand_in: HandIn, key: str, report: Report) -> None:
        kind = HELD if report.score is None else NOW
        self.own.add(key)
        self._keep(hand_in, kind, key, report, new=True)
        for other in self.waiting.pop(key, []):
            self._keep(other, HELD if report.score is None else KNOWN, key, report)

    def _keep(
        self, hand_in: HandIn, kind: str, key: str, report: Report, *, new: bool = False
    ) -> None:
        held = report.score is None
        problem = "a check could not be graded, through a fault of the grader" if held else ""
        state = books.HELD if held else books.GRADED
        self.book.keep(
            self.module,
            hand_in,
            state,
            key=key,
            report=report if new else None,
            problem=problem,
        )
        self._dealt(Done(hand_in, kind, of_hand_in(report, hand_in), problem))

    def _refused(self, hand_in: HandIn, why: str) -> None:
        self.book.keep(self.module, hand_in, books.NOT_GRADABLE, problem=why)
        self._dealt(
            Done(
                msgspec.structs.replace(hand_in, problem=why),
                NOT_GRADABLE,
                problem=why,
            )
        )

    def _lost(self, worker: _Worker, hand_in: HandIn, why: str) -> None:
        """A job was lost with a submission: it is tried once more, then held, with those of the same content."""
        worker.hand_in = None
        if hand_in.id not in self.tried:
            self.tried.add(hand_in.id)
            self.again.append(hand_in)
            return
        for one in (hand_in, *self.waiting.pop(worker.key, [])):
            said = f"{why}, twice. It may be a fault of the grader or of this machine"
            self.book.keep(self.module, one, books.HELD, problem=said)
            self._dealt(Done(one, HELD, problem=said))

    def _dealt(self, done: Done) -> None:
        self.reports.write(self.module, done)
        self.dealt.append(done)
        self.watcher.done(done)


def rows_of(course: Course, book: Book) -> list[Row]:
    """All rows of all modules of the course, which share late days."""
    return [row for module in course.settings.modules for row in book.rows(module)]


def bring_up_to_date(reports: Reports, module: str, rows: Sequence[Row]) -> None:
    """Writes the reports whose standing a later hand-in has changed."""
    for row in rows:
        if row.report is not None:
            reports.write(module, Done(row.hand_in, KNOWN, row.report, row.problem))


def _light(row: Row) -> Row:
    """The row without what was found, so that a whole class is no matter of memory."""
    if row.report is None:
        return row
    bare = msgspec.structs.replace(row.report, checks=(), tasks=(), hints=(), notes=(), flags=())
    return msgspec.structs.replace(row, report=bare)
