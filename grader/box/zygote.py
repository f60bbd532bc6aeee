"""The zygote: a process that has everything loaded and forks a walled-in worker whenever it is asked.

It is started by exec before the grader has read any answer, so it carries no memory of the grader. It
speaks JSON messages on one SOCK_SEQPACKET socket (`control`); every worker has a second one (`status`)
that says when it is ready and how it ended. Ownership is by descriptor: when the grader's end of
`status` closes, that worker is killed; when its end of `control` closes, everything is. It never reads
what a worker sends, and never waits for one.

Process tree: the *guard*, which waits outside the house, the zygote, and its workers.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from grader.box import walls
from grader.box.walls import kernel, limits, namespaces

MESSAGE = 1 << 16
LEAVE_SECONDS = 10  # what the zygote has to end its workers and to remove what they left
GROUPS = 2  # descriptors beside a worker's sockets: version 1 of cgroups has a hierarchy for each controller
# What course code imports most: loaded here, it costs no worker anything.
COMMON = (
    "bisect", "cmath", "collections.abc", "contextlib", "copy", "dataclasses", "datetime", "decimal",
    "enum", "fractions", "functools", "heapq", "inspect", "itertools", "json", "math", "numbers",
    "operator", "pathlib", "random", "re", "statistics", "string", "tempfile", "textwrap", "threading",
    "time", "traceback", "types", "typing", "uuid", "warnings", "weakref",
)  # fmt: skip


def main(control_fd: int) -> None:
    """Runs the guard and the zygote; returns in neither."""
    control = socket.socket(fileno=control_fd)
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    grader = os.getppid()
    limits.end_first()
    plan = json.loads(control.recv(MESSAGE))
    os.environ["NUMBA_CACHE_DIR"] = f"{namespaces.SCRATCH}/numba"
    serve = _worker(plan["worker"])
    for name in (*COMMON, *plan["preload"]):
        importlib.import_module(name)
    for binding in Path(__file__).parent.glob("bindings/[!_]*.py"):
        with contextlib.suppress(ImportError):  # it needs what this course does not have
            importlib.import_module(f"grader.box.bindings.{binding.stem}")
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    if getattr(parallel, "_is_initialized", False):
        # Its threads would not be in what is forked, and GNU OpenMP ends a process that is forked so.
        raise SystemExit(
            "preload: a parallel kernel of numba has run; preload what only defines it"
        )
    gc.collect()
    gc.freeze()
    guard(control, plan, serve, grader)


def _worker(name: str) -> Any:
    """`serve` of a module, named by its dotted name or by the path of its file."""
    if not name.endswith(".py"):
        return importlib.import_module(name).serve
    spec = importlib.util.spec_from_file_location("worker", name)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module can be made of {name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.serve


# --- the guard: builds the house, then waits outside it -------------------------------------------


def guard(control: socket.socket, plan: dict[str, Any], serve: Any, grader: int) -> NoReturn:
    """Tries to build the house, each time with what failed left out, then waits for the zygote to end.

    It stays outside because the maps of a user namespace can only be written from there, and because the
    first process of a process namespace needs a parent that reaps it.
    """
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    missing: dict[str, str] = {}
    while True:
        zygote, failure = _try_to_build(control, plan, serve, missing)
        if failure is None:
            break
        name, why = failure
        if name in missing or not name:
            raise SystemExit(f"the zygote could not be started: {name} {why}")
        missing[name] = why
    control.close()
    patience = LEAVE_SECONDS
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == zygote:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
        if os.getppid() != grader:
            if patience <= 0:
                os._exit(0)  # the zygote has PDEATHSIG on us
            patience -= 1  # it hears of the grader's end by itself, and has folders to remove
        if not pid:
            signal.sigtimedwait([signal.SIGCHLD], 1.0)


def _try_to_build(
    control: socket.socket, plan: dict[str, Any], serve: Any, missing: dict[str, str]
) -> tuple[int, tuple[str, str] | None]:
    """One attempt: the zygote's process id, or what cannot be had and why."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    builder = os.fork()
    if not builder:
        try:
            ours.close()
            _become_zygote(control, plan, serve, missing, theirs)
        except namespaces.CannotBeHad as error:
            theirs.send(json.dumps({"failed": [error.wall, error.why]}).encode())
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(70)
    theirs.close()
    zygote = 0
    while message := json.loads(ours.recv(MESSAGE) or b"{}"):
        if "map" in message:
            try:
                _write_maps(builder, plan["uids"])
                ours.send(b"mapped")
            except OSError as error:
                ours.send((error.strerror or "unknown").encode())
        elif "builder leaves" in message:
            os.waitpid(builder, 0)  # after this the zygote is our own child
            zygote = message["builder leaves"]
            ours.send(b"gone")
        elif "failed" in message:
            _reap_all()
            return 0, (message["failed"][0], message["failed"][1])
        elif "built" in message:
            if not zygote:
                return builder, None
            # The builder named its child by the number that it has out here.
            return zygote, None
    _reap_all()
    return 0, ("", "it ended without a word")


def _reap_all() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _write_maps(pid: int, uids: list[int] | None) -> None:
    if uids:
        namespaces.maps(pid, first=uids[0], count=uids[1], groups=True)
    else:
        namespaces.maps(pid, first=os.geteuid(), count=1, groups=False)


def _become_zygote(
    control: socket.socket,
    plan: dict[str, Any],
    serve: Any,
    missing: dict[str, str],
    guard_socket: socket.socket,
) -> NoReturn:
    def ask(message: dict[str, Any]) -> bytes:
        guard_socket.send(json.dumps(message).encode())
        return guard_socket.recv(MESSAGE)

    def write_maps() -> None:
        answer = ask({"map": True})
        if answer != b"mapped":
            raise OSError(1, answer.decode() or "the guard is gone")

    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    skip = frozenset(plan["without"])
    left = namespaces.leave(skip | missing.keys(), write_maps)
    sources = namespaces.Sources(plan["libraries"]) if "mount ns" in left else None
    host_proc = None
    if "pid ns" in left:
        if zygote := os.fork():
            guard_socket.send(json.dumps({"builder leaves": zygote}).encode())
            os._exit(0)
        if guard_socket.recv(MESSAGE) != b"gone":
            os._exit(70)
    else:
        with contextlib.suppress(OSError):
            host_proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY) if "pid ns" in left else None
    mapped = limits.mapped()
    if "user ns" in left and plan["uid"]:
        # The ids that are mapped do not include root: whoever is in the house is not root outside either.
        limits.become(plan["uid"])
    proc = False
    if sources is not None:
        proc = namespaces.build(sources, proc=own_pids is not None)
        sources.close()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    guard_socket.send(b'{"built": true}')
    guard_socket.close()
    house = walls.House(
        namespaces=left,
        missing=missing,
        proc=proc,
        libraries=plan["libraries"],
        canary=plan["canary"],
        secrets=plan["secrets"],
        skip=skip,
        mapped=mapped,
        parent=os.getpid(),
    )
    Zygote(control, house, serve, own_pids, host_proc).run()


# --- the zygote ----------------------------------------------------------------------------------


class Child(NamedTuple):
    """A worker that runs: its process id here, the socket on which its end is told."""

    pid: int
    status: socket.socket


class Zygote:
    """Forks, kills and reaps. One thread, one poll; no step of it waits for a worker."""

    def __init__(
        self,
        control: socket.socket,
        house: walls.House,
        serve: Any,
        own_pids: int | None,
        host_proc: int | None,
    ) -> None:
        self.control = control
        self.house = house
        self.serve = serve
        self.own_pids = own_pids
        self.host_proc = host_proc
        self.children: dict[int, Child] = {}
        self.scratches: set[str] = set()
        self.poll = select.poll()

    def run(self) -> NoReturn:
        """Until the grader's end of `control` closes."""
        wake, tell = socket.socketpair()
        for end in (wake, tell):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        self.poll.register(self.control, select.POLLIN)
        self.poll.register(wake, select.POLLIN)
        hello = {"scratch": self.house.has("mount ns"), "mapped": self.house.mapped}
        self.control.send(json.dumps(hello).encode())
        while True:
            for fd, _ in self.poll.poll():
                if fd == wake.fileno():
                    with contextlib.suppress(BlockingIOError):
                        wake.recv(4096)
                elif fd == self.control.fileno():
                    self.request()
                else:
                    self.poll.unregister(fd)
                    for child in [c for c in self.children.values() if c.status.fileno() == fd]:
                        self.kill(child)
                        with contextlib.suppress(
                            OSError
                        ):  # a close over unread bytes loses our last word
                            child.status.recv(MESSAGE)
            self.reap()

    def request(self) -> None:
        """Starts one worker, or ends everything."""
        try:
            data, fds, _, _ = socket.recv_fds(self.control, MESSAGE, 2 + GROUPS)
        except ConnectionError:
            data, fds = b"", []
        if not data:
            self.leave()
        status = socket.socket(fileno=fds[1])
        try:
            request = json.loads(data)
            pid = self.fork(request, fds[0], fds[1], fds[2:])
        except OSError as error:
            _tell(status, {"error": f"no process could be made: {error}"})
            status.close()
        else:
            self.children[pid] = Child(pid, status)
            self.scratches = {path for path in self.scratches if os.path.lexists(path)}
            self.scratches.add(request["scratch"])
            self.poll.register(status, select.POLLIN)
        finally:
            for fd in (fds[0], *fds[2:]):
                os.close(fd)

    def fork(self, request: dict[str, Any], data: int, status: int, doors: list[int]) -> int:
        """A new worker, the first process of its own process namespace where there can be one."""
        if self.own_pids is None:
            pid = os.fork()
        else:
            pid = -1
            kernel.unshare(kernel.CLONE_NEWPID)
            try:
                pid = os.fork()
            finally:
                if pid:  # the next child is not to be born into the same one
                    kernel.setns(self.own_pids, kernel.CLONE_NEWPID)
        if not pid:
            self.work(request, data, status, doors)
        return pid

    def work(self, request: dict[str, Any], data: int, status: int, doors: list[int]) -> NoReturn:
        """In the worker: walls, then the student's code. Never returns to the zygote's loop.

        doors: where to write to be in the worker's cgroup. Whether it is, the grader looks for itself.
        """
        code = 70
        try:
            for door in doors:
                with contextlib.suppress(OSError):
                    os.write(door, b"0")
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            limits.keep_descriptors(data, status)  # as 3 and 4
            room = walls.Room(**request)
            try:
                found = walls.put_up(self.house, room)
            except OSError as error:
                _say(4, {"error": f"a wall could not be put up: {error}"})
                os._exit(code)
            _say(4, {"ready": found})
            os.close(4)
            self.serve(3, 3, room.scratch)
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        except BaseException:
            code = 1
        finally:
            os._exit(code & 0xFF)

    def kill(self, child: Child) -> None:
        """Ends the process; with a process namespace the kernel ends all that is in it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)

    def reap(self) -> None:
        """Collects what has ended, and what it left behind."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = self.children.pop(pid, None)
            if child is None:
                continue
            self.sweep(pid)
            with contextlib.suppress(KeyError):
                self.poll.unregister(child.status)
            _tell(child.status, {"ended": _ending(status)})
            child.status.close()

    def sweep(self, worker: int) -> None:
        """Without a process namespace: ends what a worker started and left.

        Orphans come to us, the nearest subreaper. A few rounds suffice, as what is stopped cannot fork.
        """
        if self.host_proc is None:
            return
        for _ in range(50):
            left = self.strays(worker)
            if not left:
                return
            for sign in (signal.SIGSTOP, signal.SIGKILL):
                for pid in left:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, sign)
            for pid in left:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.001)

    def strays(self, worker: int) -> list[int]:
        """Descendants of ours that belong to no worker that still runs."""
        parents: dict[int, int] = {}
        for name in os.listdir(self.host_proc):
            if name.isdigit():
                with contextlib.suppress(OSError), open(_at(self.host_proc, name)) as file:
                    fields = file.read().rpartition(")")[2].split()
                    parents[int(name)] = int(fields[1])
        strays, ours = [], os.getpid()
        for pid in parents:
            ancestor = pid
            while parents.get(ancestor, ours) != ours:
                ancestor = parents[ancestor]
            if ancestor in parents and ancestor not in self.children:
                strays.append(pid)
        return strays

    def leave(self) -> NoReturn:
        """Takes every worker along, and their directories: the grader may not be there to remove them."""
        for child in self.children.values():
            self.kill(child)
        deadline = time.monotonic() + LEAVE_SECONDS / 2
        while self.children and time.monotonic() < deadline:
            self.reap()
            time.sleep(0.001)
        if not self.house.has("mount ns"):
            # Of those that ended before us as well: a grader that is killed closes their sockets first.
            for path in self.scratches:
                shutil.rmtree(path, ignore_errors=True)
        os._exit(0)


def _at(directory: int | None, name: str) -> int:
    return os.open(f"{name}/stat", os.O_RDONLY, dir_fd=directory)


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _say(fd: int, message: dict[str, Any]) -> None:
    os.write(fd, json.dumps(message).encode())


def _tell(status: socket.socket, message: dict[str, Any]) -> None:
    """Where nobody listens any more, nobody needs to know."""
    with contextlib.suppress(OSError):
        status.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)
