"""The portable sandbox: a worker is a plain child process. It separates; it protects nobody.

It runs wherever Python does, enforces limits on time and (on POSIX) memory, hands the child a cleared
environment and a folder of its own, and kills the process tree. The child runs as the same user,
sees the same files and the same network: for one's own code on one's own machine.
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
null = os.open(os.devnull, os.O_RDWR)
for stream in (0, 1, 2): os.dup2(null, stream)
from grader.box.worker import serve
serve(read, write, {scratch!r})
"""
_LIMITS = """
import resource
with open('/proc/self/statm') if os.path.exists('/proc/self/statm') else open(os.devnull) as f:
    mapped = int((f.read().split() or ['0'])[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + {memory},) * 2)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20,) * 2)
"""
KEPT = ("SYSTEMROOT", "PATH", "LD_LIBRARY_PATH")


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
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "NUMBA_CACHE_DIR": os.path.join(scratch, "numba"),
        }
    )


def import_path() -> list[str]:
    """Where a worker finds the standard library and numpy; never the course or the rest of `grader`."""
    paths = sysconfig.get_paths()
    standard = [p for p in sys.path if p.endswith(("lib-dynload", ".zip"))]
    return list(dict.fromkeys([paths["stdlib"], *standard, paths["purelib"], paths["platlib"]]))


class ChildProcess:
    """A worker that talks over its standard streams. A thread reads and a thread writes, because not
    every platform can wait for a pipe with a limit."""

    def __init__(self, limits: Limits) -> None:
        self.scratch = tempfile.mkdtemp(prefix="backcheck-")
        limit_code = _LIMITS.format(memory=limits.memory_mb << 20) if os.name == "posix" else ""
        code = _START.format(
            path=import_path(),
            box=str(Path(wire.__file__).parent),
            scratch=self.scratch,
            limits=limit_code,
        )
        try:
            self.child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=worker_environment(self.scratch),
                cwd=self.scratch,
                start_new_session=os.name == "posix",
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
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._write, daemon=True).start()

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
        kill_descendants(self.child.pid)
        if os.name == "posix":
            # What left the tree by a double fork is still in the session's process group.
            try:
                os.killpg(self.child.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        else:
            self.child.kill()
        try:
            self.child.wait(timeout=10)
        except subprocess.TimeoutExpired as error:
            raise SandboxLost(f"process {self.child.pid} cannot be killed") from error
        self.outgoing.put(None)
        for stream in (self.child.stdin, self.child.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass
        for _ in range(4):
            self.room.release()
        remove(Path(self.scratch))

    def ending(self) -> str:
        try:
            code = self.child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return ""
        return describe_status(code)


def describe_status(code: int) -> str:
    """`exit status 3` or `killed by SIGSEGV`, from what `subprocess` calls a return code."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def process_usage(pid: int) -> Usage | None:
    """Processor time and idleness of one process; by /proc where there is one, by psutil elsewhere."""
    if sys.platform != "linux":
        import psutil

        try:
            process = psutil.Process(pid)
            times = process.cpu_times()
            running = process.status() in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
        except psutil.Error:
            return None
        return Usage(times.user + times.system, not running)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        idle = True
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat", "rb") as file:
                idle &= file.read().rpartition(b")")[2].split()[0] not in (b"R", b"D")
    except (OSError, IndexError):
        return None
    ticks = sum(int(field) for field in fields[11:15])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), idle)


def kill_descendants(pid: int) -> None:
    """Kills all processes that a process has started and that still name it as an ancestor."""
    import psutil

    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()


class ProcessSandbox:
    """Plain child processes. See the module's docstring for what that does not protect."""

    name = "process"
    protects = False

    def __init__(self) -> None:
        self.running: list[ChildProcess] = []

    def walls(self, limits: Limits | None = None) -> tuple[Wall, ...]:
        posix = os.name == "posix"
        return (
            Wall("separate process", True, "killed with its children, unless they hide"),
            Wall("cleared environment", True),
            Wall("memory limit", posix, "RLIMIT_AS" if posix else ""),
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
