"""A batch on more than one machine: submissions are graded where the workers of a Dask cluster are.

The batch itself stays as it is. A hand-in is taken in here and travels as data; the module, its banks and the
course's own files go to each worker once. There a submission is graded in a job process beside the worker, in a box
of that machine. What runs in the box reaches neither the worker nor the network.

This is the only module that knows Dask.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import multiprocessing
import re
import shutil
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from multiprocessing import connection
from pathlib import Path
from typing import Any

import msgspec
from distributed import Client, Event, Future, Security, Worker, get_worker
from distributed.comm import connect
from distributed.diagnostics.plugin import WorkerPlugin

import grader
from grader import bank
from grader.batch import job, parcel
from grader.batch.model import HandIn
from grader.batch.process import END_SECONDS, JobProcess, Lost, hung, short_of_memory
from grader.batch.run import Options, setup_of
from grader.course import Course
from grader.errors import GraderError, UsageError
from grader.model import Submission

CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 20.0  # for the workers to end what they keep
LOOK_SECONDS = 1.0  # between two looks at how many workers there are
STEP_SECONDS = 1.0  # between two messages of a worker about where a grading is
IDLE_SECONDS = 300.0  # after which a worker ends a job that has nothing to do
WORST = 3  # machines that an error names


# Here


def address_of(given: str) -> str:
    """The address of the scheduler, which may be in a file that it wrote (`dask scheduler --scheduler-file`).

    Raises UsageError for what is neither.
    """
    if re.fullmatch(r"(tcp|tls)://.+:\d+/?", given):
        return given
    path = Path(given)
    if not path.is_file():
        raise UsageError(
            f"--cluster {given}: expected the address of a Dask scheduler, such as tcp://10.0.0.5:8786, or the "
            "file that `dask scheduler --scheduler-file` writes"
        )
    try:
        return str(json.loads(path.read_bytes())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"--cluster {given}: this is no file of a Dask scheduler: it holds no address"
        ) from error


class Cluster:
    """A connection to a cluster, and the seats that it offers to a batch: one for each thread of its workers.

    most: how many submissions at once, if not so many. Raises UsageError where no scheduler answers, or where it
    or a worker has another version of this grader.
    """

    def __init__(self, given: str, *, most: int | None = None) -> None:
        self.address = address_of(given)
        self.most = most
        self.name = f"backcheck-{uuid.uuid4().hex[:12]}"
        self.ready: bank.Module | None = None
        self.places: dict[str, Place] = {}  # by the key of what is graded there
        self.threads = 0
        self.looked = -math.inf
        _silence()
        try:
            asyncio.run(_greet(self.address))
            self.client = Client(
                self.address, timeout=CONNECT_SECONDS, set_as_default=False, name="grade-batch"
            )
        except Exception as error:  # what is no scheduler may answer anything
            raise UsageError(
                f"--cluster {given}: no Dask scheduler answers at {self.address} "
                f"({_first_line(error)}). Start one with `dask scheduler`, of the Dask that is installed here, "
                "and see that it can be reached"
            ) from error
        try:
            self._same_version()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def prepare(self, course: Course, ready: bank.Module, options: Options) -> None:
        """Gives every worker, now or when it comes, what it needs to grade a module."""
        self.course, self.ready, self.seed = course, ready, options.seed
        host = Host(
            name=self.name,
            setup=setup_of(course, ready, options),
            frame=bank.as_frame(ready),
            files=parcel.course_files(course, ready.assignment.name),
            memory_mb=ready.assignment.limits.memory_mb,
            patience=options.patience,
        )
        with self._answered():
            self.client.register_plugin(host)
            self.client.subscribe_topic(self.name, self._heard)

    def many(self) -> int:
        """How many seats there are now: one where there is no worker, so that what is known needs none."""
        if self.client.status != "running":
            raise self._gone()
        if time.monotonic() - self.looked > LOOK_SECONDS:
            with self._answered():
                self.threads = sum(self.client.nthreads().values())
            self.looked = time.monotonic()
        return max(1, min(self.threads, self.most or self.threads))

    def lacks(self) -> str:
        """That there is no worker, if so."""
        if self.threads:
            return ""
        return f"no worker at {self.address}: waiting for one. Start it with `dask worker {self.address}`"

    def new(self, number: int) -> Place:
        """One more seat."""
        return Place(self, number)

    def short_of_memory(self) -> bool:
        """Never of this machine's: each worker sees to its own."""
        return False

    def submit(self, place: Place, key: str, submission: bytes) -> Future[bytes]:
        """Has a submission, as `parcel.packed` made it, graded by whichever worker is free. What is said of it goes to the place."""
        self.places[key] = place
        with self._answered():
            future = self.client.submit(
                grade_there,
                self.name,
                grader.__version__,
                key,
                submission,
                key=key,
                pure=False,
            )
        future.add_done_callback(self._came)
        return future

    def forget(self, key: str, future: Future[bytes], *, cancel: bool) -> None:
        """Nobody waits for that any more."""
        self.places.pop(key, None)
        if cancel and self.client.status == "running":
            with contextlib.suppress(Exception):
                future.cancel()

    def close(self) -> None:
        """Leaves the cluster: its workers end the jobs and boxes that they keep for this batch."""
        with contextlib.suppress(Exception):
            if self.ready is not None and self.client.status == "running":
                self.client.sync(
                    self.client.scheduler.unregister_worker_plugin,
                    name=self.name,
                    callback_timeout=CLOSE_SECONDS,
                )
        with contextlib.suppress(Exception):
            self.client.close(timeout=1)

    def _same_version(self) -> None:
        with self._answered():
            found = self.client.run(version_there, on_error="return")
            try:
                found["the scheduler"] = self.client.run_on_scheduler(version_there)
            except ImportError as error:
                found["the scheduler"] = error
        others = {where: has for where, has in found.items() if has != grader.__version__}
        if others:
            told = [
                f"{where} has {has if isinstance(has, str) else f'none ({_first_line(has)})'}"
                for where, has in list(others.items())[:WORST]
            ]
            raise UsageError(
                f"--cluster {self.address}: backcheck is {grader.__version__} here, and "
                f"{', '.join(told)}. Install the same version in all of the cluster"
            )

    def _heard(self, event: tuple[float, Any]) -> None:
        """Called where Dask listens: what a worker says of a grading."""
        said = event[1]
        place = self.places.get(said["key"])
        if place is not None:
            place.tell(said["key"], job.Reply("step", said["text"]))

    def _came(self, future: Future[bytes]) -> None:
        """Called in a thread of Dask's: a grading ended, or nothing will come of it."""
        place = self.places.get(future.key)
        if place is None:
            return
        try:
            if future.cancelled():
                reply = job.Reply("unable", str(self._gone()))
            else:
                reply = msgspec.json.decode(future.result(timeout=CLOSE_SECONDS), type=job.Reply)
        except Exception as error:
            reply = job.Reply(
                "failed", f"the cluster: {type(error).__name__}: {_first_line(error)}"
            )
        place.tell(future.key, reply)

    @contextlib.contextmanager
    def _answered(self) -> Iterator[None]:
        """A scheduler that does not answer as an error of ours."""
        try:
            yield
        except (OSError, asyncio.CancelledError) as error:
            raise self._gone() from error

    def _gone(self) -> GraderError:
        return GraderError(
            f"the Dask scheduler at {self.address} is gone. What was graded is kept: run the same command again "
            "when it is back, or without --cluster"
        )


class Place:
    """A seat in the cluster: a submission is taken in here and graded there.

    An empty message in a pipe tells that something was said, so that a batch waits for it as it does for a job process.
    What was said is not in it: a report may be more than a pipe holds, and Dask's own thread must never wait for ours.
    """

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.cluster = cluster
        self.number = number
        self.pipe: connection.Connection | None = None
        self.theirs: connection.Connection | None = None
        self.hand_in: HandIn | None = None
        self.key = ""
        self.deadline = math.inf  # a worker sees to that
        self.taken: Submission | None = None
        self.sent = ""
        self.future: Future[bytes] | None = None
        self.said: deque[job.Reply] = deque()
        self.lock = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether it was started and not ended by us."""
        return self.pipe is not None

    def start(self, setup: bytes, frame: bytes) -> None:
        """Opens the pipe. The workers have what they need already."""
        self.pipe, self.theirs = multiprocessing.Pipe(duplex=False)

    def look(self, hand_in: HandIn, patience: float) -> None:
        """Takes a hand-in in."""
        self.hand_in, self.key, self.sent = hand_in, "", ""
        cluster = self.cluster
        assert cluster.ready is not None
        self.taken, said = job.take_in(
            cluster.course, cluster.ready, Path(hand_in.path), cluster.seed
        )
        self.tell("", said)

    def grade(self, patience: float, before: bytes = b"") -> None:
        """Sends what was taken in."""
        assert self.taken is not None
        self.sent = f"{self.cluster.name}-{uuid.uuid4().hex[:12]}"
        self.future = self.cluster.submit(self, self.sent, parcel.packed(self.taken, before))

    def tell(self, key: str, reply: job.Reply) -> None:
        """Keeps a reply to be read, if it is about what is in hand. Called in any thread."""
        with self.lock:
            if key == self.sent and self.theirs is not None:
                self.said.append(reply)
                self.theirs.send_bytes(b"")

    def reply(self) -> job.Reply:
        """What was said of what is in hand."""
        assert self.pipe is not None
        self.pipe.recv_bytes()
        reply = self.said.popleft()
        if reply.kind != "step":
            self._forget(cancel=False)
        return reply

    def ask_to_end(self) -> None:
        """Has what is in hand graded no more."""
        self._forget(cancel=True)

    def stop(self, *, gently: bool = False) -> None:
        """Closes the pipe."""
        self._forget(cancel=True)
        with self.lock:
            for end in (self.pipe, self.theirs):
                if end is not None:
                    end.close()
            self.pipe = self.theirs = None
            self.said.clear()

    def _forget(self, *, cancel: bool) -> None:
        future, self.future = self.future, None
        if future is not None:
            self.cluster.forget(self.sent, future, cancel=cancel)
        self.sent = "-"


# There


def version_there() -> str:
    """The version of this grader in the process that runs it."""
    return grader.__version__


def grade_there(name: str, version: str, key: str, submission: bytes) -> bytes:
    """What a worker does: grades one submission, and returns the reply of the job that did. Never raises for
    what the submission does."""
    worker = get_worker()
    if version != grader.__version__:
        said = (
            f"{worker.address} has backcheck {grader.__version__}, and it is {version} where the batch runs. "
            "Install the same version in all of the cluster"
        )
        return msgspec.json.encode(job.Reply("unable", said, usage=True))
    host = worker.plugins.get(name)
    if not isinstance(host, Host):
        return msgspec.json.encode(job.Reply("failed", "the batch has left the cluster"))
    begun = Event(key)
    if begun.is_set():
        # Dask gives what was in hand to another worker: whether it is tried again is for the batch to say.
        begun.clear()
        said = "the worker of the cluster that graded it went away"
        return msgspec.json.encode(job.Reply("failed", said))
    begun.set()
    try:
        return msgspec.json.encode(host.grade(key, submission))
    finally:
        begun.clear()


class Host(WorkerPlugin):  # type: ignore[misc]
    """What a worker keeps for a batch: the module, the course's files, and its jobs, one for each thread at work.

    It is made where the batch runs; Dask gives a copy to each worker, and has it set up there.
    """

    def __init__(
        self,
        *,
        name: str,
        setup: bytes,
        frame: bytes,
        files: bytes,
        memory_mb: int,
        patience: float,
    ) -> None:
        self.name = name
        self.setup_data = setup
        self.frame = frame
        self.files = files
        self.memory_mb = memory_mb
        self.patience = patience

    def setup(self, worker: Worker) -> None:
        """Called where the worker is. Nothing is written or started before there is something to grade."""
        self.worker = worker
        self.changed = threading.Condition()
        self.idle: list[tuple[float, JobProcess]] = []
        self.busy: set[JobProcess] = set()
        self.root: Path | None = None
        self.closing = threading.Event()

    async def teardown(self, worker: Worker) -> None:
        """Ends the jobs with their boxes, and removes the course's files."""
        await asyncio.to_thread(self._close)

    def grade(self, key: str, submission: bytes) -> job.Reply:
        """Grades a submission in a job that is free, or in a new one."""
        try:
            process = self._taken()
        except (Lost, OSError) as error:
            return job.Reply("failed", f"{self.worker.address}: {error}")
        try:
            return self._graded(process, key, submission)
        except Lost as lost:
            return job.Reply("failed", str(lost))
        finally:
            self._free(process)

    def _graded(self, process: JobProcess, key: str, submission: bytes) -> job.Reply:
        process.grade(self.patience, parcel=submission)
        told = -math.inf
        while True:
            assert process.pipe is not None
            if not process.pipe.poll(max(0.0, process.deadline - time.monotonic())):
                process.stop()
                raise Lost(hung(self.patience))
            reply = process.reply()
            if reply.kind == "unable":
                return msgspec.structs.replace(reply, text=f"{self.worker.address}: {reply.text}")
            if reply.kind != "step":
                return reply
            if time.monotonic() - told > STEP_SECONDS:
                told = time.monotonic()
                self.worker.log_event(self.name, {"key": key, "text": reply.text})

    def _taken(self) -> JobProcess:
        """A job to grade with. As long as memory is short there is only one at work."""
        with self.changed:
            while self.busy and short_of_memory(self.memory_mb) and not self.closing.is_set():
                self.changed.wait(1.0)
            if self.closing.is_set():
                raise Lost("the batch has left the cluster")
            process = self.idle.pop()[1] if self.idle else JobProcess(len(self.busy))
            self.busy.add(process)
            if process.running:
                return process
            try:
                self._start(process)
            except BaseException:
                self.busy.discard(process)
                raise
        return process

    def _start(self, process: JobProcess) -> None:
        if self.root is None:
            self.root = Path(tempfile.mkdtemp(prefix="backcheck-", dir=self.worker.local_directory))
            parcel.lay_out(self.files, self.root)
            threading.Thread(target=self._end_what_is_idle, daemon=True).start()
        setup = msgspec.json.decode(self.setup_data, type=job.Setup)
        setup = msgspec.structs.replace(setup, root=str(self.root))
        with _may_have_children():
            process.start(msgspec.json.encode(setup), self.frame)

    def _free(self, process: JobProcess) -> None:
        with self.changed:
            self.busy.discard(process)
            if process.running:
                self.idle.append((time.monotonic(), process))
            self.changed.notify_all()

    def _end_what_is_idle(self) -> None:
        """Ends jobs that have had nothing to do for long: their batch may be gone without a word."""
        while not self.closing.wait(IDLE_SECONDS / 10):
            with self.changed:
                long = time.monotonic() - IDLE_SECONDS
                for since, process in list(self.idle):
                    if since < long:
                        self.idle.remove((since, process))
                        process.stop(gently=True)
                if not self.idle and not self.busy:
                    self._remove_files()
                    return

    def _close(self) -> None:
        with self.changed:
            self.closing.set()
            idle, self.idle = [process for _, process in self.idle], []
            for process in (*idle, *self.busy):
                process.ask_to_end()
        for process in idle:
            process.stop(gently=True)
        with self.changed:
            # Who waits for a job sees it end, and gives it back.
            if not self.changed.wait_for(lambda: not self.busy, timeout=END_SECONDS):
                for process in self.busy:
                    process.ask_to_end(at_once=True)
                self.changed.wait_for(lambda: not self.busy, timeout=END_SECONDS)
            idle, self.idle = [process for _, process in self.idle], []
        for process in idle:
            process.stop()
        self._remove_files()

    def _remove_files(self) -> None:
        root, self.root = self.root, None
        if root is not None:
            shutil.rmtree(root, ignore_errors=True)


_STARTING = threading.Lock()


@contextlib.contextmanager
def _may_have_children() -> Iterator[None]:
    """Lets this process start a job. Dask's nanny makes its worker a daemon, and multiprocessing grants these
    no children. The job ends by itself when the worker does."""
    this = multiprocessing.current_process()
    with _STARTING:
        daemon = this.daemon
        this.daemon = False
        try:
            yield
        finally:
            this.daemon = daemon


async def _greet(address: str) -> None:
    """Raises an exception where no scheduler is. Of a client that finds none, noise is left behind."""
    arguments = Security().get_connection_args("client")
    comm = await connect(address, timeout=CONNECT_SECONDS, **arguments)
    try:
        await comm.write({"op": "identity", "reply": True})
        told = await asyncio.wait_for(comm.read(), CONNECT_SECONDS)
    finally:
        comm.abort()
    if told.get("type") != "Scheduler":
        raise ValueError(f"but a {told.get('type')} of one")


def _silence() -> None:
    """Keeps Dask from logging in this process: what it has to say is said by us."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
