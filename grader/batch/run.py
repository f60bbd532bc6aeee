"""Grades many submissions at once, and keeps what came of each in the gradebook as soon as it is known.

One submission never costs another: each job process has one in hand, and one that dies or hangs with it is ended
and started anew. What such a job had in hand is tried once more at the end, alone. Jobs may be on other machines
(`grader.batch.cluster`); what is known, kept and written is so here alone. Nothing here prints.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any, Protocol

import msgspec

from grader import bank
from grader.bank import write_whole
from grader.batch import book as books
from grader.batch import job
from grader.batch.book import Book, of_hand_in
from grader.batch.model import HandIn, Row
from grader.batch.names import file_name
from grader.batch.process import JOB_MB, JobProcess, Lost, free_memory, hung, short_of_memory
from grader.batch.roster import Roster, enrolled
from grader.batch.standing import settled
from grader.course import Course
from grader.errors import GraderError, OutputFault, UsageError
from grader.model import Limits, Outcome, Report
from grader.report import VIEWS
from grader.report.json import from_json, to_json
from grader.sandbox import LEVELS, level
from grader.terms import Standing, Terms

POLL_SECONDS = 1.0

NOW, KNOWN, HELD, NOT_GRADABLE = "graded", "known", "held", "not gradable"
AWAY = "not there now"


class Options(msgspec.Struct, frozen=True):
    """How a batch is run. jobs: how many at once; patience: seconds of the wall clock after which a job hangs."""

    jobs: int
    patience: float
    sandbox: str | None = None
    seed: int | None = None
    force: bool = False


class Done(msgspec.Struct, frozen=True):
    """What came of one hand-in. kind: `graded` now, `known` already, `held`, `not gradable`, or `not there now`: it
    was graded before and cannot be looked at, as when a disk is away, so that what was graded stays."""

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

    def note(self, text: str) -> None:
        """What all of it waits for now; "": for nothing any more."""


class Seat(Protocol):
    """Where one submission after another is graded: a job process of this machine, or a place in a cluster.

    pipe: is ready when there is a reply; deadline: by the monotonic clock, after which it hangs.
    """

    number: int
    pipe: connection.Connection | None
    hand_in: HandIn | None
    key: str
    deadline: float

    @property
    def running(self) -> bool: ...

    def start(self, setup: bytes, frame: bytes) -> None: ...

    def look(self, hand_in: HandIn, patience: float) -> None: ...

    def grade(self, patience: float, before: bytes = b"") -> None: ...

    def reply(self) -> job.Reply:
        """Raises Lost when nothing more will come."""

    def ask_to_end(self) -> None: ...

    def stop(self, *, gently: bool = False) -> None: ...


class Seats(Protocol):
    """Where the seats of a batch come from."""

    def many(self) -> int:
        """How many there are now, at least one. Raises GraderError where none can be any more."""

    def lacks(self) -> str:
        """What is waited for before anything can be graded, or ""."""

    def new(self, number: int) -> Seat:
        """One more."""

    def short_of_memory(self) -> bool:
        """Whether no second submission should be begun now."""


class Here:
    """The seats of this machine: job processes."""

    def __init__(self, jobs: int, memory_mb: int) -> None:
        self.jobs = jobs
        self.memory_mb = memory_mb

    def many(self) -> int:
        """As many as were asked for."""
        return self.jobs

    def lacks(self) -> str:
        """Nothing."""
        return ""

    def new(self, number: int) -> Seat:
        """A job process, not started yet."""
        return JobProcess(number)

    def short_of_memory(self) -> bool:
        """Whether there is no room for one more submission."""
        return short_of_memory(self.memory_mb)


class Reports:
    """The folder of reports: one of each hand-in, below its module's name, with what counts under the course's
    terms.

    Late days and attempts tie a student's hand-ins together, so that one more may change the reports of others.
    people: who is who, also in what was graded without the roster.
    """

    def __init__(
        self, folder: Path, terms: Terms, rows: Sequence[Row], people: Roster | None = None
    ) -> None:
        self.folder = folder
        self.terms = terms
        self.people = people
        self.has_terms = terms != Terms()
        self.rows: dict[tuple[str, str], Row] = {}
        # Where each student's hand-ins are among them: a class is looked through once, not once for each of it.
        self.of: dict[str, set[tuple[str, str]]] = {}
        for row in rows:
            self.hold(row)

    def hold(self, row: Row) -> None:
        """Counts a row among those that tie a student's hand-ins together, in place of what it was before."""
        place = (row.module, row.hand_in.id)
        if before := self.rows.get(place):
            for student in before.hand_in.students:
                self.of[student.id].discard(place)
        self.rows[place] = _light(row)
        for student in row.hand_in.students:
            self.of.setdefault(student.id, set()).add(place)

    def write(self, module: str, done: Done) -> None:
        """Writes what came of a hand-in; where there is no report any more, none of before is left."""
        report = done.report
        row = Row(module, done.hand_in, report, done.problem)
        self.hold(row)
        if report is not None and self.has_terms:
            standing = self.standing(module, done.hand_in)
            report = msgspec.structs.replace(report, standing=standing)
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

    def standing(self, module: str, hand_in: HandIn) -> Standing | None:
        """What counts of a hand-in. A group whose members stand differently has none of its own."""
        own = (module, hand_in.id)
        places = {own} & self.rows.keys()
        places = places.union(*(self.of.get(student.id, ()) for student in hand_in.students))
        theirs = [self.rows[place] for place in sorted(places)]
        found = [row for row in settled(theirs, self.terms) if (row.module, row.hand_in.id) == own]
        return found[0].standing if len(found) == 1 else None


def run(
    course: Course,
    ready: bank.Module,
    hand_ins: Sequence[HandIn],
    book: Book,
    reports: Reports,
    options: Options,
    watcher: Watcher,
    seats: Seats | None = None,
) -> list[Done]:
    """Grades what is not known yet; what came of each hand-in, in the order in which it was known.

    seats: where it is graded, if not in `options.jobs` processes of this machine. Whatever ends it early, an
    interruption or a full disk, ends the jobs; what was done is kept.
    """
    batch = _Batch(course, ready, book, reports, options, watcher, seats)
    book.enrol(ready.assignment.name, hand_ins)
    try:
        batch.run(hand_ins)
    finally:
        batch.close()
    return batch.dealt


def protected(report: Report | None, course: Course) -> Report | None:
    """The report, unless it was made in a box below the level that the course requires by now."""
    if report is None:
        return None
    reached = LEVELS.index(level(report.provenance.walls))
    return report if reached >= LEVELS.index(course.settings.isolation.require) else None


def setup_of(course: Course, ready: bank.Module, options: Options) -> bytes:
    """What a job of a batch must know, as it is sent."""
    return msgspec.json.encode(
        job.Setup(str(course.root), course.settings, ready.digest, options.sandbox, options.seed)
    )


def patience(limits: Limits) -> float:
    """Seconds on the wall after which no grading can still be at work: it is graded twice at most (for the
    hint about earlier files), with shrinking between, on a machine that may be busy."""
    return 300.0 + 6 * (limits.run_seconds + limits.compile_seconds)


def jobs_for(limits: Limits, wanted: int | None = None) -> int:
    """How many submissions at once: as many as there are processors, and as memory is free for."""
    if wanted is not None:
        return wanted
    room = free_memory() // ((JOB_MB + limits.memory_mb) << 20)
    return max(1, min(_processors(), room))


def _processors() -> int:
    """The processors that this process may use."""
    asked: Any = getattr(os, "sched_getaffinity", None)
    many = len(asked(0)) if asked is not None else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        many = min(many, math.ceil(int(quota) / int(period)))
    return max(1, many)


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
        seats: Seats | None,
    ) -> None:
        self.module = ready.assignment.name
        self.course = course
        self.seats = seats or Here(options.jobs, ready.assignment.limits.memory_mb)
        self.book, self.reports, self.options, self.watcher = book, reports, options, watcher
        self.setup, self.frame = setup_of(course, ready, options), bank.as_frame(ready)
        self.taken: list[Seat] = []
        self.lack = ""  # what was last said to be waited for
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
            busy = [seat for seat in self.taken if seat.hand_in is not None]
            if not busy:
                if not self.waiting:
                    return
                # What they waited for has changed under our hands: they are taken for themselves.
                self.queue.extend(one for others in self.waiting.values() for one in others)
                self.waiting.clear()
                continue
            self._tell_what_lacks()
            for seat in self._heard(busy):
                in_hand = seat.hand_in
                assert in_hand is not None
                try:
                    self._take(seat, in_hand, seat.reply())
                except Lost as lost:
                    self._lost(seat, in_hand, str(lost))
            for seat in busy:
                if seat.hand_in is not None and time.monotonic() > seat.deadline:
                    seat.stop()
                    self._lost(seat, seat.hand_in, hung(self.options.patience))

    def close(self) -> None:
        for seat in self.taken:
            seat.ask_to_end()
        for seat in self.taken:
            seat.stop(gently=True)

    def _heard(self, busy: Sequence[Seat]) -> Iterator[Seat]:
        pipes: dict[Any, Seat] = {seat.pipe: seat for seat in busy}
        for pipe in connection.wait(list(pipes), POLL_SECONDS):
            yield pipes[pipe]

    def _hand_out(self) -> None:
        """Gives each seat that is free its next submission; what is tried again, one at a time at the end."""
        many = self.seats.many()
        while len(self.taken) < many:
            self.taken.append(self.seats.new(len(self.taken)))
        for seat in self.taken:
            if seat.hand_in is not None:
                continue
            busy = sum(other.hand_in is not None for other in self.taken)
            if self.queue and busy < many and not (busy and self.seats.short_of_memory()):
                hand_in = self.queue.popleft()
            elif self.again and not busy and not self.queue:
                hand_in = self.again.popleft()
            else:
                self.watcher.step(seat.number, None, "")
                continue
            if not seat.running:
                seat.start(self.setup, self.frame)
            seat.look(hand_in, self.options.patience)
            self.watcher.step(seat.number, hand_in, "taken in")

    def _tell_what_lacks(self) -> None:
        lack = self.seats.lacks()
        if lack != self.lack:
            self.lack = lack
            self.watcher.note(lack)

    def _take(self, seat: Seat, hand_in: HandIn, reply: job.Reply) -> None:
        if reply.kind == "step":
            self.watcher.step(seat.number, hand_in, reply.text)
        elif reply.kind == "key":
            self._looked(seat, hand_in, reply)
        elif reply.kind == "refused":
            seat.hand_in = None
            self._refused(hand_in, reply.text)
        elif reply.kind == "nothing":
            seat.hand_in = None
            for one in (hand_in, *self.waiting.pop(seat.key, [])):
                self._refused(one, reply.text)
        elif reply.kind == "report":
            seat.hand_in = None
            self._graded(hand_in, seat.key, from_json(reply.data))
        elif reply.kind == "unable":
            raise (UsageError if reply.usage else GraderError)(reply.text)
        else:
            raise Lost(reply.text)

    def _looked(self, seat: Seat, hand_in: HandIn, reply: job.Reply) -> None:
        key = reply.text
        others = self.waiting.get(key)
        if others is not None and hand_in.id not in self.tried:
            seat.hand_in = None
            others.append(hand_in)
            return
        fresh = self.options.force and key not in self.own
        report = None if fresh else protected(self.book.known(key), self.course)
        if report is None:
            seat.key = key
            self.waiting.setdefault(key, [])
            latest = self.book.latest(self.module, reply.submission)
            before = None if self.options.force else protected(latest, self.course)
            seat.grade(self.options.patience, to_json(before) if before else b"")
        else:
            seat.hand_in = None
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
        problem = _why_held(report) if held else ""
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
        if not os.path.lexists(hand_in.path):
            kept = self.book.kept_of(self.module, hand_in)
            if kept is not None:
                here = msgspec.structs.replace(hand_in, problem="")
                self._dealt(Done(here, AWAY, of_hand_in(kept, here), why))
                return
        self.book.keep(self.module, hand_in, books.NOT_GRADABLE, problem=why)
        self._dealt(
            Done(
                msgspec.structs.replace(hand_in, problem=why),
                NOT_GRADABLE,
                problem=why,
            )
        )

    def _lost(self, seat: Seat, hand_in: HandIn, why: str) -> None:
        """A job was lost with a submission: it is tried once more, then held, with those of the same content."""
        seat.hand_in = None
        if hand_in.id not in self.tried:
            self.tried.add(hand_in.id)
            self.again.append(hand_in)
            return
        for one in (hand_in, *self.waiting.pop(seat.key, [])):
            said = f"{why}, twice. It may be a fault of the grader or of this machine"
            self.book.keep(self.module, one, books.HELD, problem=said)
            self._dealt(Done(one, HELD, problem=said))

    def _dealt(self, done: Done) -> None:
        self.reports.write(self.module, done)
        self.dealt.append(done)
        self.watcher.done(done)


def _why_held(report: Report) -> str:
    """Why a report has no score yet, by the first check that has none."""
    held = next(verdict for verdict in report.checks if verdict.outcome is Outcome.HELD)
    return f"{held.task}/{held.title}: {held.reason}"


def rows_of(book: Book, people: Roster | None = None) -> list[Row]:
    """All rows of all modules, which share late days, also of one that the course has no more, with the roster's
    students. What another batch writes after that, `bring_up_to_date` reads."""
    book.written_elsewhere()
    return [row for module in book.modules() for row in _rows(book, module, people)]


def _rows(book: Book, module: str, people: Roster | None) -> list[Row]:
    rows = book.rows(module)
    return rows if people is None else enrolled(rows, people)[0]


def bring_up_to_date(reports: Reports, course: Course, book: Book, module: str) -> None:
    """Writes the reports whose standing is another now, by a later hand-in or by other terms; late days tie the
    modules together. Of `module` also those that are not there."""
    if reports.has_terms and book.written_elsewhere():
        for name in book.modules():
            for row in _rows(book, name, reports.people):
                reports.hold(row)
    for name in course.settings.modules:
        for row in _rows(book, name, reports.people):
            path = reports.folder / name / f"{file_name(row.hand_in.id)}.json"
            if row.report is None or (name != module and not path.is_file()):
                continue
            standing = reports.standing(name, row.hand_in) if reports.has_terms else None
            if not path.is_file() or standing != _standing_told(path):
                reports.write(name, Done(row.hand_in, KNOWN, row.report, row.problem))


class _Told(msgspec.Struct):
    standing: Standing | None = None


def _standing_told(path: Path) -> Standing | None:
    """What a report that was written says of its standing."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Told).standing
    except (OSError, msgspec.MsgspecError):
        return None


def _light(row: Row) -> Row:
    """The row without what was found, so that a whole class is no matter of memory."""
    if row.report is None:
        return row
    bare = msgspec.structs.replace(row.report, checks=(), tasks=(), hints=(), notes=(), flags=())
    return msgspec.structs.replace(row, report=bare)
