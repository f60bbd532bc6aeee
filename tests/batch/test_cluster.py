"""A batch on a cluster comes to what it comes to here, whatever happens to the cluster. The cluster is a real one:
a scheduler and workers in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import distributed
import msgspec
import psutil
import pytest
from drawn import PROJECT

from batch.test_run import FORGED, RIGHT, WRONG, comparable
from grader import bank
from grader.batch import cluster, parcel, run, sources
from grader.batch.book import Book
from grader.batch.model import HandIn, Row
from grader.course import Course
from grader.errors import UsageError
from grader.intake import read_submission
from grader.terms import Terms

SUBMISSIONS = {
    "ada": RIGHT,
    "the same": RIGHT,
    'emmy "\n" noether': WRONG,
    "leaves": "import os\nos._exit(0)\n",
    "hostile": RIGHT + FORGED.files["student.py"],
    "slow": RIGHT + "\nimport time\ntime.sleep(1)\n",
}
PATIENCE = 60.0  # seconds until what has to happen is given up


@pytest.fixture(scope="module")
def ready(course: Course) -> bank.Module:
    """The module that is graded, with its banks drawn."""
    return bank.load(course, "warmup")


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory: pytest.TempPathFactory, ready: bank.Module) -> Path:
    """Submissions in folders, and a zip that is none."""
    folder = tmp_path_factory.mktemp("class")
    for name, text in SUBMISSIONS.items():
        (folder / name).mkdir()
        (folder / name / "warmup.py").write_text(text)
    (folder / "torn.zip").write_bytes(b"PK\x03\x04 and no more")
    return folder


@pytest.fixture(scope="module")
def graded_here(handed_in: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """The rows of a batch on this machine."""
    out = tmp_path_factory.mktemp("here")
    ran = batch(handed_in, out, "--jobs", "2")
    _, said = ran.communicate(timeout=240)
    assert ran.returncode == 0, said
    return rows(out)


class Machines:
    """A scheduler, and the workers that were started for it, each with a nanny."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        words = ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)]
        self.scheduler = self.begin("scheduler", *words)
        until(lambda: file.is_file() and file.read_bytes().endswith(b"}"))
        self.address = json.loads(file.read_bytes())["address"]

    def begin(self, kind: str, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *words]
        with (self.folder / f"{kind}.log").open("ab") as log:
            process = subprocess.Popen(
                line, stdout=log, stderr=log, cwd=self.folder, env={**os.environ, **environment}
            )
        self.processes.append(process)
        return process

    def worker(self, many: int = 1, *words: str, **environment: str) -> None:
        """Starts workers of one thread each."""
        scratch = ["--local-directory", str(self.folder), "--nthreads", "1"]
        self.begin("worker", self.address, "--nworkers", str(many), *scratch, *words, **environment)

    def below(self) -> list[psutil.Process]:
        """All processes that the workers have started."""
        found = []
        for process in self.processes:
            with contextlib.suppress(psutil.Error):
                found += psutil.Process(process.pid).children(recursive=True)
        return found

    def jobs(self) -> list[psutil.Process]:
        """The job processes: those that a worker started, which its nanny did."""
        found = []
        for process in self.below():
            with contextlib.suppress(psutil.Error):
                above = process.parents()
                if len(above) > 2 and above[2].pid == os.getpid() and is_spawned(process):
                    found.append(process)
        return found

    def leftovers(self) -> list[Any]:
        """What there is of ours beside idle workers."""
        return [*self.jobs(), *self.folder.rglob("backcheck-*")]

    def log(self, kind: str) -> str:
        return (self.folder / f"{kind}.log").read_text()

    def close(self) -> None:
        below = self.below()
        for process in reversed(self.processes):  # a worker takes long to end without its scheduler
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for process in below:
            with contextlib.suppress(psutil.Error):
                process.kill()


def is_spawned(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


@contextlib.contextmanager
def machines(folder: Path) -> Iterator[Machines]:
    started = Machines(folder)
    try:
        yield started
    finally:
        started.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A cluster of two workers."""
    with machines(tmp_path_factory.mktemp("two")) as started:
        started.worker(2)
        yield started


@pytest.fixture
def none(tmp_path: Path) -> Iterator[Machines]:
    """A cluster without a worker."""
    (tmp_path / "cluster").mkdir()
    with machines(tmp_path / "cluster") as started:
        yield started


def until(true: Callable[[], Any]) -> Any:
    """What it returns once that is true of it."""
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)
    return found


def batch(handed_in: Path, out: Path, *more: str, **environment: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "grader", "batch", "warmup", str(handed_in), "--out", str(out)]
    return subprocess.Popen(
        [*line, "--course", str(PROJECT), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=out.parent,
        env={**os.environ, **environment},
    )


def rows(out: Path) -> list[Row]:
    with Book(out / "gradebook.sqlite") as book:
        return [comparable(row) for row in book.rows("warmup")]


def test_a_cluster_comes_to_the_same_rows(
    two: Machines, handed_in: Path, graded_here: list[Row], tmp_path: Path
) -> None:
    ran = batch(handed_in, tmp_path, "--cluster", two.address, "--json")
    until(two.jobs)
    told, said = ran.communicate(timeout=240)
    assert ran.returncode == 0, said
    assert json.loads(told)["graded"] == len(SUBMISSIONS) - 1
    assert "Traceback" not in said, said
    assert rows(tmp_path) == graded_here
    assert two.log("worker").count("Starting Worker plugin backcheck-") == 2
    assert not two.leftovers()


def test_a_worker_that_is_killed_costs_nothing(
    two: Machines, handed_in: Path, graded_here: list[Row], tmp_path: Path
) -> None:
    ran = batch(handed_in, tmp_path, "--cluster", two.address)
    grading = until(two.jobs)[0]
    worker = grading.parent()
    assert worker is not None
    worker.kill()
    _, said = ran.communicate(timeout=240)
    assert ran.returncode == 0, said
    assert rows(tmp_path) == graded_here
    assert not psutil.wait_procs([grading], timeout=20)[1]


def test_an_interrupted_batch_leaves_the_workers_idle(
    two: Machines, handed_in: Path, graded_here: list[Row], tmp_path: Path
) -> None:
    ran = batch(handed_in, tmp_path, "--cluster", two.address)
    until(lambda: list(tmp_path.glob("reports/*/*.html")))
    ran.send_signal(signal.SIGINT)
    _, said = ran.communicate(timeout=60)
    assert ran.returncode == 130, said
    assert f"--cluster {two.address} --resume" in said
    assert "Traceback" not in said, said
    assert not two.leftovers()
    assert kept(tmp_path, graded_here)


def kept(out: Path, graded_here: list[Row]) -> int:
    """How many were graded before a batch was ended early: each as it is here."""
    found = [row for row in rows(out) if row.report is not None]
    whole = {row.hand_in.id: row for row in graded_here}
    assert found == [whole[row.hand_in.id] for row in found]
    return len(found)


def its_worker(grading: psutil.Process) -> None:
    worker = grading.parent()
    assert worker is not None
    worker.kill()


class Meddler:
    """Watches a batch, and does something to the job that grades one of the submissions, as often as told."""

    def __init__(
        self,
        machines: Machines | None = None,
        victim: str = "",
        meddle: Callable[[psutil.Process], None] = psutil.Process.kill,
        times: int = 0,
    ) -> None:
        self.machines = machines
        self.victim = victim
        self.meddle = meddle
        self.times = times

    def step(self, job: int, hand_in: HandIn | None, text: str) -> None:
        if hand_in is None or hand_in.id != self.victim or text in ("", "taken in"):
            return
        if self.times and self.machines is not None:
            self.times -= 1
            for grading in self.machines.jobs():
                self.meddle(grading)

    def done(self, done: run.Done) -> None:
        pass

    def note(self, text: str) -> None:
        pass


@pytest.mark.parametrize(
    ("meddle", "times", "problem"),
    [
        (its_worker, 2, "the worker of the cluster that graded it went away, twice"),
        pytest.param(its_worker, 1, "", marks=pytest.mark.thorough),
        pytest.param(
            psutil.Process.kill,
            2,
            "the process that graded it ended by signal 9, twice",
            marks=pytest.mark.thorough,
        ),
        pytest.param(psutil.Process.kill, 1, "", marks=pytest.mark.thorough),
        pytest.param(
            psutil.Process.suspend,
            2,
            "the process that graded it did not end within 8 s, twice",
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_what_ends_all_that_grades_it_is_held_and_costs_no_other(
    meddle: Callable[[psutil.Process], None],
    times: int,
    problem: str,
    two: Machines,
    course: Course,
    ready: bank.Module,
    handed_in: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "class.txt").write_text("\n".join(str(handed_in / n) for n in ("slow", "ada")))
    hand_ins = sources.read(tmp_path / "class.txt").hand_ins
    options = run.Options(jobs=1, patience=8.0)
    with cluster.Cluster(two.address, most=1) as joined, Book(tmp_path / "book.sqlite") as book:
        joined.prepare(course, ready, options)
        reports = run.Reports(tmp_path / "reports", Terms(), [])
        watcher = Meddler(two, "slow", meddle, times)
        dealt = run.run(course, ready, hand_ins, book, reports, options, watcher, joined)
    assert [done.hand_in.id for done in dealt] == ["ada", "slow"]  # what is tried again comes last
    assert watcher.times == 0
    assert [done.kind for done in dealt] == [run.NOW, run.HELD if problem else run.NOW]
    assert dealt[1].problem.startswith(problem)
    assert not two.leftovers()


@pytest.mark.thorough
def test_a_job_that_has_nothing_to_do_is_ended_after_a_while(
    course: Course,
    ready: bank.Module,
    handed_in: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def jobs() -> list[psutil.Process]:
        return [p for p in psutil.Process().children() if is_spawned(p)]

    monkeypatch.setattr(cluster, "IDLE_SECONDS", 2.0)
    hand_ins = sources.read(handed_in).hand_ins
    options = run.Options(jobs=1, patience=PATIENCE, force=True)
    before = jobs()
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address=":0",
            protocol="tcp://",
            local_directory=tmp_path,
        ) as machine,
        cluster.Cluster(machine.scheduler_address) as joined,
        Book(tmp_path / "book.sqlite") as book,
    ):
        joined.prepare(course, ready, options)
        reports = run.Reports(tmp_path / "reports", Terms(), [])
        for name in ("ada", "slow"):
            one = [hand_in for hand_in in hand_ins if hand_in.id == name]
            dealt = run.run(course, ready, one, book, reports, options, Meddler(), joined)
            assert [done.kind for done in dealt] == [run.NOW]
            assert len(jobs()) == len(before) + 1
            until(lambda: len(jobs()) == len(before))
            until(lambda: not list(tmp_path.rglob("backcheck-*")))


def heard(ran: subprocess.Popen[str], words: str) -> None:
    """Waits until a batch has said that on standard error."""
    assert ran.stderr is not None
    late = threading.Timer(PATIENCE, ran.kill)
    late.start()
    assert any(words in line for line in ran.stderr)
    late.cancel()


def another_version(folder: Path) -> str:
    """A folder with this grader under another version."""
    shutil.copytree(PROJECT / "grader", folder / "grader")
    init = folder / "grader" / "__init__.py"
    text = init.read_text()
    changed = text.replace('__version__ = "', '__version__ = "9')
    assert changed != text
    init.write_text(changed)
    return str(folder)


class Starter:
    """Watches a batch, and starts a worker of two threads when it says that it waits for one."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.notes: list[str] = []
        self.now: set[int] = set()
        self.most = 0
        self.late = threading.Timer(PATIENCE, self.start)

    def start(self) -> None:
        self.late.cancel()
        self.machines.worker(1, "--no-nanny", "--nthreads", "2")

    def step(self, job: int, hand_in: HandIn | None, text: str) -> None:
        (self.now.add if hand_in is not None else self.now.discard)(job)
        self.most = max(self.most, len(self.now))

    def done(self, done: run.Done) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)
        if text:
            self.start()


@pytest.mark.thorough
def test_a_batch_waits_for_workers_and_uses_all_their_threads(
    none: Machines,
    course: Course,
    ready: bank.Module,
    handed_in: Path,
    graded_here: list[Row],
    tmp_path: Path,
) -> None:
    options = run.Options(jobs=1, patience=PATIENCE)
    hand_ins = sources.read(handed_in).hand_ins
    watcher = Starter(none)
    with (
        cluster.Cluster(none.address) as joined,
        Book(tmp_path / "gradebook.sqlite") as book,
    ):
        joined.prepare(course, ready, options)
        reports = run.Reports(tmp_path / "reports", Terms(), [])
        watcher.late.start()
        run.run(course, ready, hand_ins, book, reports, options, watcher, joined)
    assert rows(tmp_path) == graded_here
    assert watcher.notes[0].startswith(f"no worker at {none.address}: waiting for one")
    assert watcher.notes[1:] == [""]
    assert watcher.most == 2


def test_another_version_is_refused(two: Machines, handed_in: Path, tmp_path: Path) -> None:
    newer = {"PYTHONPATH": another_version(tmp_path / "other")}
    ran = batch(handed_in, tmp_path / "out", "--cluster", two.address, **newer)
    _, said = ran.communicate(timeout=60)
    assert ran.returncode == 2
    assert "backcheck is 9" in said
    assert "tcp://127.0.0.1:" in said
    assert "Install the same version" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.thorough
def test_a_worker_of_another_version_that_comes_late_is_refused(
    none: Machines, handed_in: Path, tmp_path: Path
) -> None:
    ran = batch(handed_in, tmp_path / "out", "--cluster", none.address)
    heard(ran, "waiting for one")
    none.worker(1, "--no-nanny", PYTHONPATH=another_version(tmp_path / "other"))
    _, said = ran.communicate(timeout=60)
    assert ran.returncode == 2
    assert "Install the same version" in said


def test_a_scheduler_that_is_lost_costs_no_result(
    none: Machines, handed_in: Path, graded_here: list[Row], tmp_path: Path
) -> None:
    none.worker(1, "--no-nanny")
    ran = batch(handed_in, tmp_path / "out", "--cluster", none.address)
    until(lambda: list((tmp_path / "out").glob("reports/*/*.html")))
    none.scheduler.kill()
    _, said = ran.communicate(timeout=60)
    assert ran.returncode == 4, said
    assert f"the Dask scheduler at {none.address} is gone" in said
    assert "Traceback" not in said, said
    assert kept(tmp_path / "out", graded_here)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler answers at tcp://127.0.0.1:1"),
        ("127.0.0.1:8786", "expected the address of a Dask scheduler"),
        (str(PROJECT / "grader.yaml"), "this is no file of a Dask scheduler"),
    ],
)
def test_where_no_scheduler_answers_the_command_is_wrong(given: str, words: str) -> None:
    with pytest.raises(UsageError, match="--cluster") as raised:
        cluster.Cluster(given)
    assert words in str(raised.value)


def test_the_address_of_a_worker_is_none_of_a_scheduler(two: Machines) -> None:
    *_, worker = until(lambda: re.findall(r"Start worker at: +(\S+)", two.log("worker")))
    with pytest.raises(UsageError, match=r"no Dask scheduler answers .*a Worker of one"):
        cluster.Cluster(worker)


def test_a_cluster_that_is_not_there_makes_no_folder(handed_in: Path, tmp_path: Path) -> None:
    ran = batch(handed_in, tmp_path / "out", "--cluster", "tcp://127.0.0.1:1")
    _, said = ran.communicate(timeout=60)
    assert ran.returncode == 2
    assert "no Dask scheduler answers" in said
    assert not (tmp_path / "out").exists()


def test_without_dask_the_command_says_what_to_install(handed_in: Path, tmp_path: Path) -> None:
    words = ["batch", "warmup", str(handed_in), "--out", str(tmp_path / "out")]
    words += ["--course", str(PROJECT), "--cluster", "tcp://127.0.0.1:1"]
    code = f"import sys; sys.modules['distributed'] = None; import grader.cli; grader.cli.main({words!r})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "pip install 'backcheck[cluster]'" in ran.stderr


# What travels


def test_a_submission_arrives_as_it_was_taken_in(handed_in: Path) -> None:
    taken = read_submission(handed_in / "ada", ["warmup"])
    odd = msgspec.structs.replace(
        taken,
        origin="/home/\udcff",
        files=taken.files | {"a\udce4.py": b"\0\xff"},
        notes=("a\ud800", "b"),
    )
    for submission in (taken, odd):
        assert parcel.unpacked(parcel.packed(submission, b"{}")) == (submission, b"{}")


def test_all_that_a_module_is_made_of_arrives(course: Course, tmp_path: Path) -> None:
    for module in course.settings.modules:
        root = tmp_path / module
        parcel.lay_out(parcel.course_files(course, module), root)
        there = Course(root, course.settings)
        assert bank.module_digest(there, module) == bank.module_digest(course, module)


def test_a_course_that_is_too_large_to_be_sent_is_told(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcel, "MAX_COURSE", 1000)
    with pytest.raises(UsageError, match="too much to be sent to a cluster"):
        parcel.course_files(course, "warmup")
