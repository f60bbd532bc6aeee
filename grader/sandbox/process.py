"""The portable sandbox, for practice: a worker is a plain child process. It separates; it protects nobody.

It runs wherever Python does, enforces limits on time and, where the system has them, on memory and the size
of files, hands the child a cleared environment and a folder of its own, and kills the process tree. The
child runs as the same user, sees the same files and the same network: for one's own code on one's own
machine. What a system lacks is found by looking for it, not by the system's name.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from grader.box import wire
from grader.errors import SandboxLost
from grader.model import Limits, Wall
from grader.sandbox import Usage
from grader.sandbox.scratch import remove

_START = """
import sys
sys.path[:] = {path!r}
import os, types
for name, place in (("grader", []), ("grader.box", [{box!r}])):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = place
{limits}
read, write = os.dup(0), os.dup(1)
try:
    import msvcrt
except ImportError:
    pass
else:
    for end in (read, write): msvcrt.setmode(end, os.O_BINARY)
null = os.open(os.devnull, os.O_RDWR)
for stream in (0, 1, 2): os.dup2(null, stream)
try:
    from grader.box.walls import kernel
    kernel.give_up_tracing()
except (ImportError, AttributeError, TypeError, KeyError, OSError):
    pass  # a system without such a right
from grader.box.worker import serve
serve(read, write, {scratch!r})
"""
# Some systems have no such limits, others refuse or ignore them.
_LIMITS = """
try:
    import resource
except ImportError:
    pass
else:
    with open('/proc/self/statm') if os.path.exists('/proc/self/statm') else open(os.devnull) as f:
        mapped = int((f.read().split() or ['0'])[0]) * resource.getpagesize()
    for which, size in (("AS", mapped + {memory}), ("CORE", 0), ("FSIZE", 64 << 20)):
        try: resource.setrlimit(getattr(resource, "RLIMIT_" + which), (size, size))
        except (AttributeError, ValueError, OSError): pass
"""
_TRY_MEMORY = """
import os, sys
{limits}
try: b"x" * {memory}
except MemoryError: sys.exit(0)
sys.exit(1)
"""
PROC = "/proc"
KEPT = ("SYSTEMROOT", "PATH", "LD_LIBRARY_PATH")
PRACTICE = "practice mode"
STOP_ROUNDS = 20
LEAVE_SECONDS = (
    2.0  # for a thread to see that its worker is gone; one that escaped may hold the pipe for ever
)


def worker_environment(scratch: str) -> dict[str, str]:
    """What a worker may know of the world outside: nothing but how to run Python on one thread."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    return (
        kept
        | dict.fromkeys(threads, "1")
        | {
            "HOME": scratch,
            "TMPDIR": scratch,
            "USERPROFILE": scratch,
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MALLOC_ARENA_MAX": "2",  # an arena maps 64 MiB, which RLIMIT_AS would count
            "NUMBA_CACHE_DIR": os.path.join(scratch, "numba"),
        }
    )


def import_path() -> list[str]:
    """Where a worker finds the standard library and numpy; never the course or the rest of `grader`."""
    paths = sysconfig.get_paths()
    standard = [p for p in sys.path if p.endswith(("lib-dynload", ".zip", "DLLs"))]
    return list(dict.fromkeys([paths["stdlib"], *standard, paths["purelib"], paths["platlib"]]))


def interpreter() -> str:
    """What to start: where a virtual environment's Python only starts another one, that other one, because
    limits and ends are those of the process that is known."""
    base = getattr(sys, "_base_executable", None)
    return base if base and not hasattr(os, "fork") and os.path.isfile(base) else sys.executable


def limits_memory() -> bool:
    """Whether this system holds a process to a limit on its memory, as tried once."""
    code = _TRY_MEMORY.format(limits=_LIMITS.format(memory=32 << 20), memory=64 << 20)
    command = [interpreter(), "-I", "-S", "-c", code]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class ChildProcess:
    """A worker that talks over its standard streams. A thread reads and a thread writes, because not
    every platform can wait for a pipe with a limit."""

    def __init__(self, limits: Limits) -> None:
        self.scratch = tempfile.mkdtemp(prefix="backcheck-")
        code = _START.format(
            path=import_path(),
            box=str(Path(wire.__file__).parent),
            scratch=self.scratch,
            limits=_LIMITS.format(memory=limits.memory_mb << 20),
        )
        try:
            self.child = subprocess.Popen(
                [interpreter(), "-I", "-S", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=worker_environment(self.scratch),
                cwd=self.scratch,
                start_new_session=hasattr(os, "setsid"),
                # Where there are such groups, an interrupt from the keyboard is for the grader alone.
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                bufsize=0,
            )
        except OSError as error:
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise SandboxLost(f"a worker process cannot be started: {error}") from error
        self.incoming: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.room = threading.Semaphore(64)
        self.sent = threading.Event()
        self.closed = False
        self.deaf = False
        self.over = False
        self.threads = [
            threading.Thread(target=end, daemon=True) for end in (self._read, self._write)
        ]
        for thread in self.threads:
            thread.start()

    def _read(self) -> None:
        stream = self.child.stdout
        assert stream is not None
        while True:
            try:
                data = os.read(stream.fileno(), 1 << 20)
            except (OSError, ValueError):
                data = b""
            self.incoming.put(data)
            if not data:
                return
            # A worker that sends without end must wait for the reader, not fill our memory.
            self.room.acquire()
            if self.over:
                self.incoming.put(b"")
                return

    def _write(self) -> None:
        stream = self.child.stdin
        assert stream is not None
        while (data := self.outgoing.get()) is not None:
            view = memoryview(data)
            try:
                while view:
                    view = view[os.write(stream.fileno(), view) :]
            except (OSError, ValueError):
                self.deaf = True
            self.sent.set()

    def send(self, data: bytes, *, seconds: float) -> bool:
        if self.deaf or self.child.poll() is not None:
            return False
        self.sent.clear()
        self.outgoing.put(data)
        return self.sent.wait(seconds) and not self.deaf

    def receive(self, *, seconds: float) -> bytes | None:
        if self.closed:
            return b""
        try:
            data = self.incoming.get(timeout=seconds)
        except queue.Empty:
            return None
        self.room.release()
        self.closed = not data
        return data

    def usage(self) -> Usage | None:
        return process_usage(self.child.pid) if self.child.poll() is None else None

    def kill(self) -> None:
        with deaf_to_children():
            kill_descendants(self.child.pid)
            if hasattr(os, "killpg") and hasattr(os, "setsid"):
                # What left the tree by a double fork is still in the session's process group.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.child.pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                self.child.kill()
            try:
                self.child.wait(timeout=10)
            except subprocess.TimeoutExpired as error:
                raise SandboxLost(f"process {self.child.pid} cannot be killed") from error
        self.over = True
        self.outgoing.put(None)
        self.room.release()
        for thread, stream in zip(self.threads, (self.child.stdout, self.child.stdin), strict=True):
            thread.join(LEAVE_SECONDS)
            # The number of a pipe that is closed while a thread is about to read it may be that of the next worker's
            # pipe by then, whose answer would be lost.
            if stream is not None and not thread.is_alive():
                with contextlib.suppress(OSError):
                    stream.close()
        remove(Path(self.scratch))

    def ending(self) -> str:
        try:
            code = self.child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return ""
        return describe_status(code)


def describe_status(code: int) -> str:
    """`exit status 3` or `killed by SIGSEGV`, from what `subprocess` calls a return code."""
    if code >= 1 << 31:  # Windows: an exception ended it, and this is its number
        return f"exit status {code:#x}"
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def process_usage(pid: int) -> Usage | None:
    """Processor time and idleness of one process; by /proc where there is one, by psutil elsewhere."""
    if not os.path.isdir(f"{PROC}/{pid}/task"):
        import psutil

        try:
            process = psutil.Process(pid)
            times = process.cpu_times()
            running = process.status() in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
        except psutil.Error:
            return None
        return Usage(times.user + times.system, not running)
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        idle = True
        for task in os.listdir(f"{PROC}/{pid}/task"):
            with open(f"{PROC}/{pid}/task/{task}/stat", "rb") as file:
                idle &= file.read().rpartition(b")")[2].split()[0] not in (b"R", b"D")
    except (OSError, IndexError):
        return None
    ticks = sum(int(field) for field in fields[11:15])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), idle)


@contextlib.contextmanager
def deaf_to_children() -> Iterator[None]:
    """Holds back the news that a child was stopped, where a system has such news.

    A worker may trace us: then whatever signal we are sent stops us until the worker says otherwise, and a
    worker that we have just stopped says nothing any more.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def kill_descendants(pid: int) -> None:
    """Kills all processes that a process has started and that still name it as an ancestor.

    The process itself is stopped, not killed: once it is gone nobody could tell whose its children are.
    What is stopped starts nothing, so that a few looks find all, however fast they breed.
    """
    import psutil

    found: list[psutil.Process] = []
    try:
        root = psutil.Process(pid)
        root.suspend()
        for _ in range(STOP_ROUNDS):
            new = [child for child in root.children(recursive=True) if child not in found]
            for child in new:
                with contextlib.suppress(psutil.Error):
                    child.suspend()
            if not new:
                break
            found += new
    except psutil.Error:
        pass  # it has ended meanwhile
    for child in found:
        with contextlib.suppress(psutil.Error):
            child.kill()


class ProcessSandbox:
    """Plain child processes. See the module's docstring for what that does not protect."""

    name = "process"
    protects = False

    def __init__(self) -> None:
        self.running: list[ChildProcess] = []
        self._memory: bool | None = None

    def walls(self, limits: Limits | None = None) -> tuple[Wall, ...]:
        if self._memory is None:
            self._memory = limits_memory()
        memory = "RLIMIT_AS, as tried" if self._memory else "this system does not hold to one"
        own = f"{PRACTICE}: killed with its children, unless they hide"
        return (
            Wall("separate process", True, own),
            Wall("cleared environment", True),
            Wall("memory limit", self._memory, memory),
            Wall("other user", False),
            Wall("file system", False, "the worker reads what you can read"),
            Wall("network", False),
            Wall("system calls", False),
        )

    def start(self, limits: Limits) -> ChildProcess:
        self.running = [p for p in self.running if p.child.poll() is None]
        process = ChildProcess(limits)
        self.running.append(process)
        return process

    def close(self) -> None:
        for process in self.running:
            process.kill()
        self.running.clear()
