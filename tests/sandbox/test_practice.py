"""The portable sandbox where a system has little: no fork, no rlimits, no timers, no sessions, no /proc.

Such a system is played by taking away from this one: in the grader by patches, in the worker by lines that
run before its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from test_conformance import answers, ask, runs, session, still_serves

import grader
from grader.sandbox import process
from grader.sandbox.process import ProcessSandbox, describe_status, kill_descendants, process_usage
from grader.sandbox.session import End

OURS = str(Path(grader.__file__).resolve().parent.parent)

# What Windows lacks of what a grader or a worker may ask for.
MISSING = {
    "os": ["fork", "forkpty", "killpg", "setsid", "getuid", "geteuid", "getpgid", "sysconf", "chown",
           "mkfifo", "O_NOFOLLOW", "O_NONBLOCK", "setresuid", "sched_getaffinity", "sched_yield"],
    "signal": ["SIGPROF", "SIGALRM", "SIGKILL", "SIGUSR1", "setitimer", "ITIMER_PROF", "pthread_sigmask", "alarm",
               "SIGSTOP", "SIGCONT", "SIGHUP", "SIGCHLD"],
}  # fmt: skip
ABSENT = ["resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "syslog"]
TAKE_AWAY = f"""
import os, signal, sys
for module, names in {MISSING!r}.items():
    for name in names:
        if hasattr(sys.modules[module], name): delattr(sys.modules[module], name)
for name in {ABSENT!r}: sys.modules[name] = None
exists = os.path.exists
os.path.exists = lambda path: not str(path).startswith("/proc") and exists(path)
"""


@pytest.fixture
def poor(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessSandbox]:
    """The sandbox on a system without all of that, for grader and worker alike."""
    start = process._START.replace(
        "{limits}", TAKE_AWAY.replace("{", "{{").replace("}", "}}") + "{limits}"
    )
    monkeypatch.setattr(process, "_START", start)
    monkeypatch.setattr(process, "PROC", "/nowhere")
    monkeypatch.delattr(os, "killpg")
    monkeypatch.delattr(os, "setsid")
    sandbox = ProcessSandbox()
    yield sandbox
    sandbox.close()


def test_such_a_system_lacks_what_it_should(poor: ProcessSandbox) -> None:
    code = """
        import os, signal
        def lacks(x):
            try: import resource
            except ImportError: pass
            else: return False
            return not (hasattr(os, "fork") or hasattr(signal, "setitimer") or os.path.exists("/proc/self"))
    """
    with session(poor, code) as opened:
        assert answers(opened, "lacks") == [True]


def test_it_grades(poor: ProcessSandbox) -> None:
    with session(poor, "def half(x): return x / 2") as opened:
        assert answers(opened, "half", 1.0, 3.0) == [0.5, 1.5]
        assert still_serves(opened)


@pytest.mark.parametrize(
    "code",
    [
        "def end(x):\n    while True: pass",
        "import time\ndef end(x): time.sleep(1000)",
        "import signal, time\ndef end(x):\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    time.sleep(1000)",
    ],
    ids=["loop", "sleep", "ignores SIGTERM"],
)
def test_what_does_not_end_is_ended_from_outside(poor: ProcessSandbox, code: str) -> None:
    with session(poor, code) as opened:
        reply = ask(opened, "end", seconds=0.2)
        assert reply.end in (End.TIMED_OUT, End.IDLE)
        assert still_serves(opened)


def test_the_wall_clock_alone_suffices(
    poor: ProcessSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a system says of every process that it runs, and counts no time for it."""
    from grader.sandbox import Usage

    monkeypatch.setattr(process, "process_usage", lambda pid: Usage(0.0, False))
    with session(poor, "import time\ndef end(x): time.sleep(1000)", wall_factor=1) as opened:
        reply = ask(opened, "end", seconds=0.2)
        assert (reply.end, reply.detail) == (End.TIMED_OUT, "the wall clock's limit")


@pytest.fixture
def breeder() -> Iterator[subprocess.Popen[bytes]]:
    """A process with children and grandchildren, deaf to SIGTERM, some in sessions of their own."""
    code = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for number in range(3):
    if not os.fork():
        if number: os.setsid()
        os.fork()
        while True: time.sleep(0.1)
time.sleep(0.3)
print("up", flush=True)
while True: time.sleep(0.1)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    everybody = psutil.Process(child.pid).children(recursive=True)
    yield child
    for each in everybody:
        with contextlib.suppress(psutil.Error):
            each.kill()
    child.kill()
    child.wait()
    child.stdout.close()


def test_the_whole_tree_is_killed(breeder: subprocess.Popen[bytes]) -> None:
    below = [child.pid for child in psutil.Process(breeder.pid).children(recursive=True)]
    assert len(below) == 6
    kill_descendants(breeder.pid)
    deadline = time.monotonic() + 5
    while any(map(runs, below)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in below if runs(pid)]


def test_a_tree_that_grows_while_it_is_killed_is_killed() -> None:
    """Each process starts the next and ends: whoever looks once sees only a few of them."""
    code = """
import os, time
print("up", flush=True)
while True:
    if not os.fork():
        time.sleep(0.05)
        for _ in range(2): os.fork()
        time.sleep(30)
        os._exit(0)
    time.sleep(0.02)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"up\n"
        time.sleep(0.3)
        kill_descendants(child.pid)
        child.kill()
        child.wait()
        time.sleep(0.2)
        left = [
            p.pid
            for p in psutil.process_iter()
            if p.status() != psutil.STATUS_ZOMBIE and group(p.pid) == child.pid
        ]
        assert left == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.stdout.close()


def group(pid: int) -> int:
    with contextlib.suppress(OSError):
        return os.getpgid(pid)
    return 0


def test_no_thread_of_an_earlier_worker_reads_what_the_next_one_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pipes of the next one have the numbers that the earlier one's had."""
    read, late = os.read, threading.Event()

    def pipe(fd: int) -> int:
        try:
            return os.fstat(fd).st_ino
        except OSError:
            return -1

    def slow(fd: int, size: int) -> bytes:
        if threading.current_thread() in readers:
            # As on a busy machine: its turn comes when the next worker has been started.
            mine, until = pipe(fd), time.monotonic() + 0.5
            late.set()
            while pipe(fd) in (mine, -1) and time.monotonic() < until:
                time.sleep(0.002)
        return read(fd, size)

    readers: list[threading.Thread] = []
    box = ProcessSandbox()
    with session(box, "") as opened:
        assert still_serves(opened)
        first = opened.process
        assert isinstance(first, process.ChildProcess)
        readers += first.threads
        monkeypatch.setattr(os, "read", slow)
        assert still_serves(opened)
        assert late.wait(5)
    with session(box, "") as opened:
        assert still_serves(opened)


def test_a_worker_s_children_end_with_it_without_sessions(poor: ProcessSandbox) -> None:
    code = """
        import subprocess, sys
        def breed(x):
            program = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"
            return subprocess.Popen([sys.executable, "-I", "-S", "-c", program]).pid
    """
    with session(poor, code) as opened:
        (child,) = answers(opened, "breed", seconds=5)
        deadline = time.monotonic() + 10
        while not (below := psutil.Process(int(child)).children()) and time.monotonic() < deadline:
            time.sleep(0.05)
        family = [int(child), below[0].pid]
        assert all(map(runs, family))
    deadline = time.monotonic() + 5
    while any(map(runs, family)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in family if runs(pid)]


def test_usage_is_told_without_proc_as_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    idle = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        time.sleep(1.0)
        with_proc = [process_usage(child.pid) for child in (busy, idle)]
        monkeypatch.setattr(process, "PROC", "/nowhere")
        without = [process_usage(child.pid) for child in (busy, idle)]
        for one, other in zip(with_proc, without, strict=True):
            assert one is not None
            assert other is not None
            assert one.idle is other.idle
            assert 0 <= other.cpu_seconds - one.cpu_seconds < 1
        assert [usage and usage.idle for usage in without] == [False, True]
    finally:
        for child in (busy, idle):
            child.kill()
            child.wait()
    assert process_usage(busy.pid) is None


def test_an_end_is_told_in_the_words_of_any_system() -> None:
    assert describe_status(3) == "exit status 3"
    assert describe_status(0xC0000005) == "exit status 0xc0000005"
    assert describe_status(-int(signal.SIGSEGV)) == "killed by SIGSEGV"
    assert describe_status(-250) == "killed by signal 250"


def test_the_limit_on_memory_is_said_to_hold_only_where_it_was_seen_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wall() -> bool:
        return next(w.up for w in ProcessSandbox().walls() if w.name == "memory limit")

    assert wall()
    monkeypatch.setattr(
        process, "_LIMITS", TAKE_AWAY.replace("{", "{{").replace("}", "}}") + process._LIMITS
    )
    assert not wall()


def test_a_system_that_refuses_limits_still_starts_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS does for the address space."""
    refuse = """
import resource
def refuse(*_): raise ValueError("current limit exceeds maximum limit")
resource.setrlimit = refuse
"""
    monkeypatch.setattr(process, "_LIMITS", refuse + process._LIMITS)
    box = ProcessSandbox()
    with session(box, "") as opened:
        assert still_serves(opened)
    box.close()


def test_what_it_is_for_is_said() -> None:
    assert "practice mode" in next(w.detail for w in ProcessSandbox().walls() if w.up)


IMPORTS = (
    TAKE_AWAY
    + f"""
import builtins, subprocess, tempfile, threading, shutil, select, socket, json, ctypes
sys.path.insert(0, {OURS!r})
del socket.AF_UNIX, os.uname
for name in ("poll", "epoll", "POLLIN", "POLLOUT"):
    if hasattr(select, name): delattr(select, name)
real = ctypes.CDLL
def library(name, *rest, **options):
    if name is None: raise TypeError("bad argument type for built-in operation")
    return real(name, *rest, **options)
ctypes.CDLL = library
sys.platform = "elsewhere"
import grader.cli, grader.doctor, grader.bank, grader.course, grader.intake, grader.judge.grade
import grader.sandbox.process, grader.sandbox.session, grader.sandbox.choose, grader.box.worker
import grader.sandbox.jail, grader.sandbox.docker
from grader.sandbox.choose import choose, docker_available, jail_available
assert not jail_available()[0]
grader.sandbox.choose.docker_available = lambda: (False, "none here")
box = choose("auto")
print(box.name)
box.close()
"""
)


def test_the_grader_loads_and_chooses_on_such_a_system() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "process\n"), done.stderr


GRADES = (
    "import psutil\n"
    + TAKE_AWAY
    + f"""
import subprocess, tempfile
# Libraries that go by the system's name ask for these.
os.getuid = lambda: 0
signal.SIGSTOP, signal.SIGKILL = 19, 9
sys.path.insert(0, {OURS!r})
from grader.cli import main
from grader.sandbox import process
process.PROC = "/nowhere"
main(["run", "warmup", "--submission", {OURS + "/reference"!r}, "--course", {OURS!r}, "--sandbox", "process",
      "--json", "-"])
"""
)


def test_the_command_grades_on_such_a_system() -> None:
    """From the draw of the cases to the report."""
    done = subprocess.run(
        [sys.executable, "-c", GRADES], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert '"sandbox":"process"' in done.stdout.replace(" ", "")


def test_an_answer_travels_as_ever(poor: ProcessSandbox) -> None:
    """Bytes that a stream in text mode would change."""
    data = b"\r\n\n\x1a\r\n\x00\xff" * 1000 + bytes(range(256))
    with session(poor, "") as opened:
        (array,) = answers(opened, "good", np.frombuffer(data))
        assert array.tobytes() == data


TRACED = '''
import sys
from grader.model import Assignment, Limits, Submission, Task
from grader.sandbox.process import ProcessSandbox
from grader.sandbox.session import Session

CODE = b"""
import ctypes, os
def trace(x):
    return float(ctypes.CDLL(None).ptrace(0x4206, os.getppid(), None, None))  # PTRACE_SEIZE
"""
QUESTIONS = "def ask(subject): return subject.call('trace', 1.0)"
assignment = Assignment("m", "M", "functions", ("work",), (Task("1", "T", 1.0),), (), QUESTIONS, Limits())
box = ProcessSandbox()
with Session(box, assignment, Submission("s", "s", {"work.py": CODE}, "0" * 64)) as session:
    from grader.box import wire
    reply = session.ask("ask", {}, [wire.encode({})], seconds=5.0)
    print(session.process.child.pid, wire.decode(reply.answers[0]), flush=True)
print("ended")
'''


@pytest.mark.skipif(sys.platform != "linux", reason="ptrace(2) as Linux has it")
def test_a_worker_that_traces_its_grader_does_not_hold_it_up() -> None:
    ours = subprocess.Popen([sys.executable, "-c", TRACED], stdout=subprocess.PIPE, text=True)
    assert ours.stdout is not None
    worker, traced = ours.stdout.readline().split()
    try:
        if float(traced) != 0.0:
            pytest.skip("this machine lets no process trace its parent")
        assert ours.wait(timeout=20) == 0
        assert ours.stdout.read() == "ended\n"
    finally:
        ours.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(worker), signal.SIGKILL)
        ours.wait()
