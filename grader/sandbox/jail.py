"""The jail: a box made of Linux alone, with no daemon and no image. See `grader.box.walls` for its walls.

One zygote, started by exec, has everything loaded and forks a walled-in worker in a few milliseconds.
What is said to a worker goes over a socket of its own; how it is and how it ended, the kernel says.
This module never imports what runs in the box and never decides which walls are good enough, except
that a jail in which files could be read freely is refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import grader
from grader.errors import SandboxLost
from grader.model import Limits, Wall
from grader.sandbox import OUT_OF_MEMORY, Usage, cgroup
from grader.sandbox.scratch import remove
from grader.sandbox.spares import Spares

MIB = 1 << 20
CHUNK = 1 << 16  # received at a time; more would cost more in fresh pages than in calls
SCRATCH_MB = 64
START_SECONDS = 30.0
PRELOAD_SECONDS = 180.0  # the first import of numba on a slow machine
KILL_SECONDS = 5.0
FIRST_UID, UIDS = (
    60578,
    606,
)  # left unused by systemd and distributions: https://systemd.io/UIDS-GIDS
SYSTEM_LIBRARIES = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
)
CANARIES = ("/etc/passwd", "/etc/hosts", "/etc/group")  # anybody may read them, a worker must not
KEEPS_FILES = ("other uid", "mount ns", "landlock")
OUT_OF_REACH = "course out of reach"  # as grader.box.walls says it
ZYGOTE_GONE = "the zygote is gone"
ADVICE = "run `grade doctor` to see what this machine offers"

# Neither `site` nor a .pth file nor sitecustomize runs, and of our own package only `box` can be found.
_BOOT = """
import sys, types
fd, package, *paths = sys.argv[1:]
sys.path += paths
sys.modules["grader"] = types.ModuleType("grader")
sys.modules["grader"].__path__ = [package]
from grader.box import zygote
zygote.main(int(fd))
"""


class Jail:
    """A `Sandbox` of Linux walls.

    preload: modules that every worker finds already imported; worker: the module (or file) with
    `serve(read_fd, write_fd, scratch)`; without: names of walls to leave down, for tests; spares: how
    many workers are kept ready ahead; secrets: files of which each worker has to find that it cannot open them. The zygote starts with the first worker.
    """

    name = "jail"
    protects = True

    def __init__(
        self,
        *,
        preload: Iterable[str] = (),
        worker: str = "grader.box.worker",
        without: Iterable[str] = (),
        spares: int = 0,
        secrets: Iterable[str] = (),
    ) -> None:
        self._preload = tuple(preload)
        self._secrets = tuple(secrets)
        self._worker = worker
        self._without = frozenset(without)
        self._spares: Spares[JailProcess] = Spares(spares)
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None
        self._running: set[JailProcess] = set()
        self._walls: tuple[Wall, ...] | None = None

    @staticmethod
    def available() -> tuple[bool, str]:
        """Whether a jail on this machine would keep files from a worker, and how or why not."""
        if sys.platform != "linux":
            return False, "the jail needs Linux"
        from grader.box.walls import kernel, landlock

        if not kernel.SUPPORTED:
            return False, f"the jail knows x86_64 and aarch64, not {kernel.MACHINE}"
        if version := landlock.abi():
            return True, f"landlock {landlock.knows(version)}"
        if may_become_another() and kernel.capabilities() >> 7 & 1:  # CAP_SETUID
            return True, "root may become another user"
        command = [sys.executable, "-I", "-S", "-c", _TRY_NAMESPACES]
        if subprocess.run(command, capture_output=True).returncode == 0:
            return True, "mount namespaces"
        return False, "no landlock, no user namespaces, and not root: files could be read freely"

    def walls(self, limits: Limits | None = None) -> tuple[Wall, ...]:
        """The walls as a worker saw them from inside. When none has run yet one is
        started, and kept for the next `start` with these limits."""
        if self._walls is None:
            wanted = limits or Limits()
            process = self.start(wanted)
            with self._lock:
                self._spares.keep(wanted, process)
        assert self._walls is not None
        return self._walls

    def start(self, limits: Limits) -> JailProcess:
        """A worker behind its walls. Raises SandboxLost when there is none, or with fewer walls than before."""
        with self._lock:
            process = self._spares.take(limits) or self._request(limits)
        try:
            self._check(process.wait_until_ready())
        except SandboxLost:
            process.kill()
            raise
        with self._lock, contextlib.suppress(SandboxLost):
            self._spares.fill(limits, self._request)
        return process

    def close(self) -> None:
        """Ends every worker and the zygote."""
        with self._lock:
            zygote, self._zygote = self._zygote, None
            self._spares.clear()
            running = list(self._running)
        for process in running:
            process.kill()
        if zygote is not None:
            zygote.close()
            cgroup.restore()

    def __enter__(self) -> Jail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self, limits: Limits) -> JailProcess:
        if self._zygote is None or not self._zygote.alive():
            if self._zygote is not None:
                self._zygote.close()
            self._zygote = _Zygote(self._preload, self._worker, self._without, self._secrets)
        process = self._zygote.request(limits, self._running.discard)
        self._running.add(process)
        return process

    def _check(self, walls: tuple[Wall, ...]) -> None:
        if self._walls is None:
            if not self._without and not any(w.up for w in walls if w.name in KEEPS_FILES):
                why = "; ".join(f"{w.name}: {w.detail}" for w in walls if w.name in KEEPS_FILES)
                raise SandboxLost(f"this machine cannot keep files from a worker ({why}); {ADVICE}")
            readable = [w.detail for w in walls if w.name == OUT_OF_REACH and not w.up]
            if readable and not self._without:
                raise SandboxLost(
                    f"a worker can read {readable[0]}: only another uid keeps files from it here, and this file "
                    "is open to everybody. Close the course's folder: chmod -R go-rwx FOLDER"
                )
            self._walls = walls
        lost = {w.name for w in self._walls if w.up} - {w.name for w in walls if w.up}
        if lost:
            raise SandboxLost(f"a worker came up without {', '.join(sorted(lost))}; {ADVICE}")


_TRY_NAMESPACES = """
import ctypes, sys
sys.exit(ctypes.CDLL(None).unshare(0x10020000))
"""


class JailProcess:
    """A `BoxProcess`. One thread may use it while another one kills it."""

    def __init__(
        self,
        data: socket.socket,
        status: socket.socket,
        release: Any,
        scratch: Path | None,
        group: cgroup.Group | str,
    ) -> None:
        """group: its cgroup, or why it has none."""
        data.setblocking(False)
        status.setblocking(False)
        self._data = data
        self._status = status
        self._release = release
        self._scratch = scratch
        self._group = group
        self._lock = threading.Lock()
        self._walls: tuple[Wall, ...] | None = None
        self._pid = 0
        self._born = ""
        self._ending: str | None = None
        self._seen_closed = False
        self._killed = False

    def wait_until_ready(self) -> tuple[Wall, ...]:
        """The walls, once they are up. Raises SandboxLost."""
        with self._lock:
            self._listen(START_SECONDS, until_ready=True)
        if self._walls is None:
            raise SandboxLost(
                f"no worker could be started: {self._ending or 'it took too long'}; {ADVICE}"
            )
        return self._walls

    def runs(self) -> bool:
        """Whether it has not ended, as far as is known without waiting."""
        with self._lock:
            self._listen(0)
        return self._ending is None and not self._killed

    def send(self, data: bytes, *, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        view = memoryview(data)
        while view:
            try:
                view = view[self._data.send(view, socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                if not _wait(self._data, select.POLLOUT, deadline):
                    return False
            except OSError:
                return False
        return True

    def receive(self, *, seconds: float) -> bytes | None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                data = self._data.recv(CHUNK)
            except BlockingIOError:
                if not _wait(self._data, select.POLLIN, deadline):
                    return None
            except OSError:
                self._seen_closed = True
                return b""
            else:
                self._seen_closed |= not data
                return data

    def usage(self) -> Usage | None:
        if not self.runs() or not self._pid:
            return None
        stat = _stat(self._pid)
        if stat is None or stat[19] != self._born or stat[0] in "ZX":
            return None
        ticks = sum(int(field) for field in stat[11:15])
        return Usage(cpu_seconds=ticks / os.sysconf("SC_CLK_TCK"), idle=_idle(self._pid))

    def kill(self) -> None:
        with self._lock:
            if self._killed:
                return
            self._killed = True
            if self._ending is None:
                with contextlib.suppress(OSError):
                    self._status.send(b"kill", socket.MSG_NOSIGNAL)
                self._listen(KILL_SECONDS)
            if self._ending is None and (_stat(self._pid) or [""] * 20)[19] == self._born != "":
                with contextlib.suppress(OSError):
                    os.kill(self._pid, signal.SIGKILL)
            self._status.close()
        with contextlib.suppress(OSError):
            self._data.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits on it
        self._data.close()
        self._release(self)
        if self._scratch is not None:
            remove(self._scratch)

    def ending(self) -> str:
        with self._lock:
            if not self._killed:
                # A socket that closed means a process that is ending: wait for the zygote's word on it.
                self._listen(1.0 if self._seen_closed else 0)
        if self._ending == ZYGOTE_GONE and not self._killed:
            raise SandboxLost(f"{ZYGOTE_GONE} that had started the worker; {ADVICE}")
        return self._ending or ""

    def _listen(self, seconds: float, *, until_ready: bool = False) -> None:
        """Reads the zygote's messages until the end (or readiness) is known or time is up."""
        deadline = time.monotonic() + seconds
        while self._ending is None and not (until_ready and self._walls is not None):
            try:
                data, ancillary, _, _ = self._status.recvmsg(1 << 16, 128)
            except BlockingIOError:
                if not _wait(self._status, select.POLLIN, deadline):
                    return
                continue
            except OSError:
                data, ancillary = b"", []
            message = json.loads(data) if data else {"ended": ZYGOTE_GONE}
            if "ready" in message:
                self._pid = _sender(ancillary)
                self._born = (_stat(self._pid) or [""] * 20)[19]
                found = [Wall(*wall) for wall in message["ready"]]
                self._walls = (*found, _group_wall(self._group, self._pid))
            elif "error" in message:
                self._ending = message["error"]
            elif "ended" in message:
                self._ending = message["ended"]
                if isinstance(self._group, cgroup.Group) and self._group.ran_out():
                    self._ending = OUT_OF_MEMORY


def _group_wall(group: cgroup.Group | str, pid: int) -> Wall:
    """Whether a worker that has read nothing yet is in its cgroup, and the limits hold there."""
    if isinstance(group, str):
        return Wall("cgroup", False, group)
    try:
        if pid and not group.holds(pid):
            group.admit(pid)  # a kernel that would not let it in by itself
        if not group.holds(pid):
            return Wall("cgroup", False, "the worker is not in it")
        return Wall("cgroup", True, group.look())
    except OSError as error:
        return Wall("cgroup", False, error.strerror or str(error))


class _Zygote:
    """The grader's hold on the zygote: process, socket, and the ids that its workers may take."""

    def __init__(
        self,
        preload: tuple[str, ...],
        worker: str,
        without: frozenset[str],
        secrets: tuple[str, ...],
    ) -> None:
        self.uids = _Uids() if may_become_another() and "other uid" not in without else None
        self.groups_left: list[cgroup.Group] = []
        own, lock = self._claim()
        self.lock: socket.socket | None = lock
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the zygote
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        package = Path(grader.__file__).resolve().parent
        packages = [
            p for p in sys.path if os.path.basename(p) in ("site-packages", "dist-packages")
        ]
        packages = [os.path.abspath(p) for p in packages if os.path.isdir(p)]
        libraries = {
            sysconfig.get_path("stdlib"),
            sysconfig.get_path("platstdlib"),
            os.path.join(sys.base_prefix, "lib"),
            str(package / "box"),
            *packages,
            *SYSTEM_LIBRARIES,
        }
        plan = {
            "worker": worker,
            "preload": preload,
            "without": sorted(without),
            "uids": self.uids and [FIRST_UID, UIDS],
            "uid": own,
            "libraries": sorted(path for path in libraries if os.path.exists(path)),
            "secrets": secrets,
            "canary": next((path for path in CANARIES if os.path.exists(path)), CANARIES[0]),
        }
        # Not -I, which would ignore PYTHONHASHSEED: the environment is ours to the last variable anyway.
        command = [sys.executable, "-P", "-s", "-S", "-B", "-c", _BOOT]
        with theirs:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(package), *packages],
                env=environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            self.control.send(json.dumps(plan).encode(), socket.MSG_NOSIGNAL)
            self.control.settimeout(PRELOAD_SECONDS)
            hello = self.control.recv(1 << 16)
        except OSError:
            hello = b""
        self.control.settimeout(None)
        if not hello:
            self.close()
            raise SandboxLost(f"the jail's zygote did not start: {self._last_words()}; {ADVICE}")
        told = json.loads(hello)
        self.scratch_inside = bool(told["scratch"])
        self.mapped = int(told["mapped"])
        self.place = self._place("cgroup" in without)

    def _place(self, switched_off: bool) -> cgroup.Place | str:
        """Where cgroups can be made, or why they cannot. What an earlier grader left there is removed."""
        if switched_off:
            return "switched off"
        try:
            place = cgroup.find()
            cgroup.reap(place)
        except OSError as error:
            return error.strerror or str(error)
        return place

    def _group(self, limits: Limits) -> cgroup.Group | str:
        """A cgroup for a worker: what it may map beyond what it maps at rest, and a scratch in memory."""
        if isinstance(self.place, str):
            return self.place
        from grader.box.walls.limits import THREADS

        memory = self.mapped + (limits.memory_mb + SCRATCH_MB * self.scratch_inside) * MIB
        try:
            return cgroup.Group(self.place, memory=memory, processes=THREADS)
        except OSError as error:
            return error.strerror or str(error)

    def _claim(self) -> tuple[int, socket.socket] | tuple[None, None]:
        return self.uids.claim() if self.uids else (None, None)

    def alive(self) -> bool:
        """Whether it can be asked for a worker."""
        return self.process.poll() is None

    def request(self, limits: Limits, release: Any) -> JailProcess:
        """Asks for a worker without waiting for it. Raises SandboxLost."""
        uid, lock = self._claim()
        scratch = None if self.scratch_inside else _scratch_for(uid)
        request = {
            "uid": uid,
            "scratch": "/scratch" if scratch is None else str(scratch),
            "scratch_mb": SCRATCH_MB,
            "memory_mb": limits.memory_mb,
            # The grader's own clock ends a run; this one is for the case that the grader cannot.
            "cpu_seconds": limits.last_resort_seconds,
        }

        group = self._group(limits)

        def released(process: JailProcess) -> None:
            if isinstance(group, cgroup.Group) and not group.remove():
                self.groups_left.append(group)
            if lock is not None:
                lock.close()
            release(process)

        data, its_data = socket.socketpair()
        status, its_status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        status.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # the kernel says who is ready
        process = JailProcess(data, status, released, scratch, group)
        doors: list[int] = []
        with its_data, its_status:
            try:
                if isinstance(group, cgroup.Group):
                    with contextlib.suppress(OSError):  # then the grader tries to put it in
                        doors = group.doors()
                fds = [its_data.fileno(), its_status.fileno(), *doors]
                socket.send_fds(
                    self.control, [json.dumps(request).encode()], fds, socket.MSG_NOSIGNAL
                )
            except OSError as error:
                its_status.close()
                process.kill()
                raise SandboxLost(f"the jail's zygote is gone ({error}); {ADVICE}") from None
            finally:
                for door in doors:
                    os.close(door)
        return process

    def close(self) -> None:
        self.control.close()
        try:
            self.process.wait(KILL_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for group in self.groups_left:
            group.remove()
        if self.lock is not None:
            self.lock.close()

    def _last_words(self) -> str:
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def may_become_another() -> bool:
    """Whether a worker may run as a user of its own: as root, where the ids are known that it would take.

    Root of a user namespace that maps one user alone, as `unshare -r` makes it, is an ordinary user.
    """
    return os.geteuid() == 0 and all(_known_here(kind) for kind in ("uid", "gid"))


def _known_here(kind: str) -> bool:
    try:
        lines = Path(f"/proc/self/{kind}_map").read_text().splitlines()
    except OSError:
        return True
    ranges = [[int(number) for number in line.split()] for line in lines]
    return any(first <= FIRST_UID < FIRST_UID + UIDS <= first + count for first, _, count in ranges)


class _Uids:
    """User ids that no other jail and no running process has: workers are kept apart by them."""

    def __init__(self) -> None:
        self._foreign = frozenset(_uids_in_use())
        self._next = 0

    def claim(self) -> tuple[int, socket.socket]:
        """An id and what holds it. The longest unused comes first. Raises SandboxLost when all are taken."""
        for _ in range(UIDS):
            uid = FIRST_UID + self._next
            self._next = (self._next + 1) % UIDS
            # A name in the abstract namespace is held exactly as long as its holder lives.
            lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            with contextlib.suppress(OSError):
                if uid not in self._foreign:
                    lock.bind(f"\0backcheck-uid-{uid}")
                    return uid, lock
            lock.close()
        raise SandboxLost(
            f"all {UIDS} user ids for workers are taken; end another grader and try again"
        )


def _uids_in_use() -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, StopIteration), open(f"/proc/{name}/status") as file:
                line = next(line for line in file if line.startswith("Uid:"))
                yield from map(int, line.split()[1:])


def environment() -> dict[str, str]:
    """All that a worker's environment holds. One thread each: a fork and OpenMP do not mix."""
    threads = ("OPENBLAS", "OMP", "MKL", "NUMBA")
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MALLOC_ARENA_MAX": "2",  # an arena maps 64 MiB, which RLIMIT_AS would count
        **{f"{name}_NUM_THREADS": "1" for name in threads},
    }


def _scratch_for(uid: int | None) -> Path:
    # Another user must be able to walk to it, which our own TMPDIR may not allow.
    path = Path(tempfile.mkdtemp(prefix="backcheck-", dir=None if uid is None else "/tmp"))
    if uid is not None:
        os.chown(path, uid, uid)
    return path


def _wait(end: socket.socket, event: int, deadline: float) -> bool:
    """Whether `end` became ready (or closed) before the deadline, which is on the monotonic clock."""
    if end.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(end, event)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _sender(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(struct.unpack("3i", data[:12])[0])
    return 0


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat after the name, see proc(5): [0] is the state, [19] the start time."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def _idle(pid: int) -> bool:
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat", encoding="utf-8", errors="replace") as file:
                if file.read().rpartition(")")[2].split()[0] in ("R", "D"):
                    return False
    return True
