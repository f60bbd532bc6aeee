"""The porter: the first process of a container, between the grader's one stream and the workers' sockets.

The grader cannot hand descriptors into a container, so the porter makes the sockets that the zygote and
its workers need and carries bytes between them and its own standard streams, in records: a kind, a
channel (one worker each), a length, that many bytes. Either end may send so much of one channel ahead of
the other's reading (`WINDOW`) and no more, so that a worker that floods holds up nobody but itself. It
never looks into what it carries.

Beside data, records ask for a worker, end one, and tell what it uses; `HELLO` says what the container
is like from inside. A worker that takes what belongs to all (threads, files) is ended.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from typing import Any, NamedTuple, NoReturn

RECORD = struct.Struct(">BII")  # kind, channel, length
LARGEST = 1 << 20
PIECE = 1 << 16
WINDOW = 4 << 20  # bytes of one channel and direction that may be under way
START, DATA, CREDIT, KILL, USAGE, STATUS, CLOSED, HELLO = range(1, 9)
MESSAGE = 1 << 16
# Of one worker. What a container has of these it has for all of them, and a worker shares its user with the
# others, so that the kernel has no limit for one alone.
MOST_THREADS = 64
MOST_FILES = 4096
WATCH_SECONDS = 0.02


def record(kind: int, channel: int, payload: bytes = b"") -> bytes:
    """One record as bytes."""
    return RECORD.pack(kind, channel, len(payload)) + payload


def records(buffer: bytearray) -> list[tuple[int, int, bytes]]:
    """Takes all whole records off the front of a buffer. Raises ValueError for one that is too large."""
    found: list[tuple[int, int, bytes]] = []
    at = 0
    while len(buffer) - at >= RECORD.size:
        kind, channel, length = RECORD.unpack_from(buffer, at)
        if length > LARGEST:
            raise ValueError(f"a record of {length} bytes")
        end = at + RECORD.size + length
        if len(buffer) < end:
            break
        found.append((kind, channel, bytes(buffer[at + RECORD.size : end])))
        at = end
    del buffer[:at]
    return found


class Channel:
    """One worker as the porter sees it."""

    def __init__(
        self, number: int, data: socket.socket, status: socket.socket, scratch: str
    ) -> None:
        self.number = number
        self.data = data
        self.status = status
        self.scratch = scratch
        self.incoming: deque[bytes] = deque()  # for the worker
        self.credit = WINDOW  # what may still be sent to the grader
        self.pid = 0
        self.data_open = True
        self.excess = ""  # what it had too much of, and is being ended for


class Usage(NamedTuple):
    """See `grader.sandbox.Usage`."""

    cpu_seconds: float
    idle: bool


class Porter:
    """Carries records until the grader's end of the stream closes; then everything ends with it."""

    def __init__(self, read_fd: int, write_fd: int, control: socket.socket) -> None:
        self.read_fd = read_fd
        self.write_fd = write_fd
        self.control = control
        self.buffer = bytearray()
        self.outgoing = bytearray()
        self.channels: dict[int, Channel] = {}
        self.watched_at = 0.0

    def run(self) -> NoReturn:
        """Never returns: the container ends with it."""
        os.set_blocking(self.read_fd, False)
        os.set_blocking(self.write_fd, False)
        while True:
            self.step()

    def step(self) -> None:
        poll = select.poll()
        poll.register(self.read_fd, select.POLLIN)
        if self.outgoing:
            poll.register(self.write_fd, select.POLLOUT)
        by_fd: dict[int, tuple[Channel, bool]] = {}
        for channel in self.channels.values():
            by_fd[channel.status.fileno()] = (channel, False)
            poll.register(channel.status, select.POLLIN)
            if channel.data_open:
                wanted = select.POLLOUT if channel.incoming else 0
                # Nothing is read that may not be passed on at once.
                if channel.credit > 0 and len(self.outgoing) < WINDOW:
                    wanted |= select.POLLIN
                if wanted:
                    by_fd[channel.data.fileno()] = (channel, True)
                    poll.register(channel.data, wanted)
        running = any(channel.pid for channel in self.channels.values())
        for fd, event in poll.poll(WATCH_SECONDS * 1000 if running else None):
            if fd == self.read_fd:
                self.listen()
            elif fd == self.write_fd:
                self.flush()
            else:
                channel, is_data = by_fd[fd]
                if channel.number not in self.channels:
                    continue
                if not is_data:
                    self.told(channel)
                    continue
                if event & select.POLLOUT:
                    self.pass_on(channel)
                if event & ~select.POLLOUT and channel.data_open:
                    self.fetch(channel)
        self.flush()
        if running and time.monotonic() - self.watched_at > WATCH_SECONDS:
            self.watch()
            self.watched_at = time.monotonic()

    def watch(self) -> None:
        """Ends a worker that leaves too little for the others."""
        for channel in self.channels.values():
            if channel.pid and not channel.excess:
                threads = threads_of(channel.pid)
                channel.excess = excess(len(threads), channel.scratch)
                if channel.excess:
                    self.kill(channel)
                elif len(threads) > 1:
                    share(threads)

    def kill(self, channel: Channel) -> None:
        with contextlib.suppress(OSError):
            channel.status.send(b"kill", socket.MSG_NOSIGNAL)

    def flush(self) -> None:
        while self.outgoing:
            try:
                sent = os.write(self.write_fd, memoryview(self.outgoing)[: 1 << 20])
            except BlockingIOError:
                return
            except OSError:
                leave()
            del self.outgoing[:sent]

    def tell(self, kind: int, channel: int, payload: bytes = b"") -> None:
        self.outgoing += record(kind, channel, payload)

    def listen(self) -> None:
        """Takes what the grader sends and does it."""
        try:
            data = os.read(self.read_fd, 1 << 20)
        except BlockingIOError:
            return
        if not data:
            leave()
        self.buffer += data
        for kind, number, payload in records(self.buffer):
            channel = self.channels.get(number)
            if kind == START:
                self.start(number, json.loads(payload))
            elif channel is None:
                continue  # it ended meanwhile
            elif kind == DATA:
                channel.incoming.append(payload)
                self.pass_on(channel)
            elif kind == CREDIT:
                channel.credit += int.from_bytes(payload, "big")
            elif kind == KILL:
                self.kill(channel)
            elif kind == USAGE:
                used = usage(channel.pid)
                self.tell(USAGE, number, json.dumps(used).encode())

    def start(self, number: int, request: dict[str, Any]) -> None:
        """Asks the zygote for a worker."""
        scratch = request["scratch"]
        empty(scratch)
        with contextlib.suppress(FileExistsError):
            os.mkdir(scratch, 0o700)
        ours, theirs = socket.socketpair()
        status, its_status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        status.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.setblocking(False)
        status.setblocking(False)
        with theirs, its_status:
            fds = [theirs.fileno(), its_status.fileno()]
            try:
                socket.send_fds(
                    self.control, [json.dumps(request).encode()], fds, socket.MSG_NOSIGNAL
                )
            except OSError as error:
                told = {"error": f"the zygote is gone ({error})"}
                self.tell(STATUS, number, json.dumps(told).encode())
                ours.close()
                status.close()
                return
        self.channels[number] = Channel(number, ours, status, scratch)

    def pass_on(self, channel: Channel) -> None:
        """Grader to worker, as far as the worker takes it."""
        passed = 0
        while channel.incoming and channel.data_open:
            piece = channel.incoming[0]
            try:
                sent = channel.data.send(piece, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                break
            except OSError:
                channel.incoming.clear()
                break
            passed += sent
            if sent == len(piece):
                channel.incoming.popleft()
            else:
                channel.incoming[0] = piece[sent:]
        if passed:
            self.tell(CREDIT, channel.number, passed.to_bytes(4, "big"))

    def fetch(self, channel: Channel) -> None:
        """Worker to grader, as far as the grader has room."""
        try:
            data = channel.data.recv(min(PIECE, channel.credit))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            channel.credit -= len(data)
            self.tell(DATA, channel.number, data)
        else:
            channel.data_open = False
            self.tell(CLOSED, channel.number)

    def told(self, channel: Channel) -> None:
        """What the zygote (or the worker, when it is ready) says of a worker."""
        try:
            data, ancillary, _, _ = channel.status.recvmsg(MESSAGE, 128)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        data = data or b'{"ended": "the zygote is gone"}'
        message = json.loads(data)
        if "ready" in message:
            channel.pid = sender(ancillary)
        elif "ended" in message and channel.excess:
            data = json.dumps({"ended": channel.excess}).encode()
        self.tell(STATUS, channel.number, data)
        if "ended" in message or "error" in message:
            self.end(channel)

    def end(self, channel: Channel) -> None:
        """Forgets a worker that has ended, once what it still said is passed on."""
        while channel.data_open and channel.credit > 0:
            try:
                data = channel.data.recv(min(PIECE, channel.credit))
            except OSError:
                break
            if not data:
                break
            channel.credit -= len(data)
            self.tell(DATA, channel.number, data)
        self.tell(CLOSED, channel.number)
        channel.data.close()
        channel.status.close()
        del self.channels[channel.number]
        empty(channel.scratch)


def sender(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The process that sent a message, by the kernel's word; 0 when it says none."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(struct.unpack("3i", data[:12])[0])
    return 0


def usage(pid: int) -> Usage | None:
    """Processor time and idleness of a process; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        if fields[0] in (b"Z", b"X"):
            return None
        idle = True
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat", "rb") as file:
                idle &= file.read().rpartition(b")")[2].split()[0] not in (b"R", b"D")
    except (OSError, IndexError):
        return None
    ticks = sum(int(field) for field in fields[11:15])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), idle)


def threads_of(pid: int) -> list[int]:
    """The ids of a process' threads; none when it has ended."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def excess(threads: int, scratch: str) -> str:
    """What a worker has too much of, in words; "" when there is nothing."""
    if threads > MOST_THREADS:
        return f"ended for more than {MOST_THREADS} threads"
    with contextlib.suppress(OSError):
        room = os.statvfs(scratch)
        if room.f_files - room.f_ffree > MOST_FILES:
            return f"ended for more than {MOST_FILES} files"
    return ""


def share(threads: list[int]) -> None:
    """Lets the threads of a worker weigh together what one thread of another weighs: the kernel shares the
    processors of a container among threads. One step of niceness is a fifth, see sched(7)."""
    nice = min(19, math.ceil(math.log(len(threads), 1.25)))
    for thread in threads:
        with contextlib.suppress(OSError):  # it has ended, or is nicer already
            os.setpriority(os.PRIO_PROCESS, thread, nice)


def empty(folder: str) -> None:
    """Removes all that lies in a folder, however deep or closed it is, without recursion: what is in a
    folder is moved up before the folder goes. Stops at what cannot be removed."""
    serial = 0
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)  # its owner may have closed it to itself, and it is used again
        while names := os.listdir(folder):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.islink(path) or not os.path.isdir(path):
                    os.unlink(path)
                    continue
                os.chmod(path, 0o700)
                for inner in os.scandir(path):
                    if inner.is_dir(follow_symlinks=False):
                        os.chmod(inner.path, 0o700)  # a closed folder cannot be moved
                    os.rename(inner.path, os.path.join(folder, f".up-{serial}"))
                    serial += 1
                os.rmdir(path)


def look() -> dict[str, list[Any]]:
    """What the container is like from inside: wall -> [is it up, a word on it]."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        status = dict(line.rstrip().split(":\t", 1) for line in file if ":\t" in line)
    found: dict[str, list[Any]] = {}
    names = [name for _, name in socket.if_nameindex()]
    found["network ns"] = [
        set(names) <= {"lo"},
        f"the container's; interfaces: {', '.join(names) or 'none'}",
    ]
    found["pid ns"] = [os.getpid() == 1, "the container's, shared by its workers"]
    try:
        os.close(os.open("/probe", os.O_CREAT | os.O_WRONLY))
        found["read-only root"] = [False, "the container's root can be written"]
    except OSError as error:
        found["read-only root"] = [
            error.errno in (errno.EROFS, errno.EACCES),
            os.strerror(error.errno or 0),
        ]
        if error.errno == errno.EACCES:
            found["read-only root"] = [bool(os.statvfs("/").f_flag & os.ST_RDONLY), "by its mount"]
    found["container user"] = [os.getuid() != 0, f"uid {os.getuid()}, shared by its workers"]
    capabilities = int(status.get("CapEff", "0"), 16) | int(status.get("CapPrm", "0"), 16)
    found["no capabilities"] = [capabilities == 0, f"{capabilities:x}" if capabilities else "none"]
    seccomp = status.get("Seccomp", "0").strip()
    found["engine's seccomp"] = [
        seccomp == "2",
        {"2": "a filter", "0": "none"}.get(seccomp, seccomp),
    ]
    for wall, limit, unit in (
        ("container memory", memory_limit(), 1 << 20),
        ("container pids", pids_limit(), 1),
        ("container cpu", cpu_limit(), 1),
    ):
        number = "no limit" if limit is None else f"{limit / unit:g}" + (" MiB" if unit > 1 else "")
        found[wall] = [limit is not None, number]
    return found


def _first(*paths: str) -> str:
    for path in paths:
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            return file.read().strip()
    return ""


def memory_limit() -> int | None:
    """Bytes that the container's cgroup (version 2, then 1) may hold; None for no limit."""
    text = _first("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
    return int(text) if text.isdigit() and int(text) < 1 << 60 else None


def pids_limit() -> int | None:
    """How many processes the container's cgroup may hold; None for no limit."""
    text = _first("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max")
    return int(text) if text.isdigit() else None


def cpu_limit() -> float | None:
    """How many processors the container's cgroup may use at a time; None for no limit."""
    two = _first("/sys/fs/cgroup/cpu.max").split()
    if len(two) == 2 and two[0].isdigit():
        return int(two[0]) / int(two[1])
    folder = "/sys/fs/cgroup/cpu"
    quota, period = _first(f"{folder}/cpu.cfs_quota_us"), _first(f"{folder}/cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def leave() -> NoReturn:
    """Ends the porter, and with it the container and all that is in it."""
    os._exit(0)


def main(plan: dict[str, Any]) -> NoReturn:
    """Starts the zygote and carries records.

    plan: the zygote's (see `grader.box.zygote`), and `environment`, which takes the place of what the
    container was started with. Standard input and output are the grader's stream.
    """
    # What the grader's end imports of this module must be there on every system.
    from grader.box.walls import kernel

    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    os.environ.clear()
    os.environ.update(plan["environment"])
    read_fd, write_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    for fd in (read_fd, write_fd):
        os.set_inheritable(fd, False)
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    zygote = os.fork()
    if not zygote:
        # Nothing of the stream may be within reach of what the zygote forks.
        for fd in (read_fd, write_fd):
            os.close(fd)
        control.close()
        os.setsid()
        from grader.box import zygote as inside

        inside.main(theirs.fileno())
        os._exit(70)
    theirs.close()
    control.send(json.dumps(plan).encode())
    hello = control.recv(MESSAGE)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if not hello:
        sys.stderr.flush()
        os._exit(71)
    porter = Porter(read_fd, write_fd, control)
    porter.tell(HELLO, 0, json.dumps(look()).encode())
    porter.flush()
    porter.run()
