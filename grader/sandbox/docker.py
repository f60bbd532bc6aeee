"""The Docker box: a hardened container with a zygote inside, which forks a walled-in worker for each submission.

One container serves many submissions, a few at a time (or one each, `per="submission"`). All that is said
to its workers goes over one attached stream, see `grader.box.porter`; nothing of the host is mounted, so it
works with an engine anywhere: Docker, Docker Desktop, Podman's socket. What comes back is data of unknown
origin and is read so. This module never imports what runs in the box.

A container ends when its stream closes, so that it outlives a grader that was killed by a moment only;
what an engine could not clean up then is removed when the next grader starts (`reap`).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import queue
import socket
import struct
import sys
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import grader
from grader.box import porter
from grader.errors import SandboxLost, UsageError
from grader.model import Limits, Wall
from grader.sandbox import Usage
from grader.sandbox import image as images
from grader.sandbox.jail import ADVICE, PRELOAD_SECONDS, SCRATCH_MB, environment
from grader.sandbox.spares import Spares

MIB = 1 << 20
START_SECONDS = 60.0
KILL_SECONDS = 5.0
USAGE_SECONDS = 2.0
STREAM_SECONDS = 20  # in which a container takes in something of what it is sent
WORKERS = 4  # at a time in one container
OVERHEAD_MB = 384  # the porter, the zygote and what they preload
PIDS = porter.MOST_THREADS  # for each worker, threads included, and as many for the rest
# What a worker may start before the porter sees that it has too many. All containers of an engine share the
# 4096 of their user.
PIDS_BEYOND = 2048
LARGEST_FRAME = 16 * MIB  # of the engine's stream; it sends 32 KiB
ACKNOWLEDGE = porter.WINDOW // 8
LABEL = "backcheck.box"
OWNER = "backcheck.owner"

# Reads the code of the box from its standard input, then is the porter.
_BOOT = """
import os, sys, io, types, struct, json
def take(n):
    data = b""
    while len(data) < n:
        part = os.read(0, n - len(data))
        if not part: sys.exit(0)
        data += part
    return data
archive, plan = (take(struct.unpack(">I", take(4))[0]) for _ in range(2))
import zipfile
zipfile.ZipFile(io.BytesIO(archive)).extractall("/box")
plan = json.loads(plan)
sys.path += plan["paths"]
sys.modules["grader"] = types.ModuleType("grader")
sys.modules["grader"].__path__ = ["/box/grader"]
from grader.box import porter
porter.main(plan)
"""


def connect(timeout: float = 60.0) -> Any:
    """A client of the engine that answers first: DOCKER_HOST, Docker's own socket, Podman's.

    Raises UsageError when none does, or when the `docker` package is missing.
    """
    try:
        import docker
    except ImportError:
        raise UsageError(
            "the Docker sandbox needs the Python package docker: pip install docker"
        ) from None
    why = "no socket found"
    for url in places():
        try:
            client = docker.DockerClient(base_url=url, timeout=int(timeout), version="auto")
            client.ping()
        except Exception as error:  # the client raises errors of three libraries
            why = f"{url}: {str(error) or type(error).__name__}"
            continue
        return client
    raise UsageError(f"no container engine answers ({why[:300]}); {ADVICE}")


def places() -> list[str]:
    """Where an engine may listen, the user's own word first."""
    if host := os.environ.get("DOCKER_HOST"):
        return [host]
    if sys.platform == "win32":
        return ["npipe:////./pipe/docker_engine"]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    home = os.path.expanduser("~")
    paths = [
        "/var/run/docker.sock",
        f"{runtime}/docker.sock",
        f"{home}/.docker/run/docker.sock",
        f"{home}/.colima/default/docker.sock",
        f"{runtime}/podman/podman.sock",
        "/run/podman/podman.sock",
    ]
    return [f"unix://{path}" for path in paths if os.path.exists(path)]


class DockerSandbox:
    """A `Sandbox` of containers.

    preload: modules that every worker finds imported; image: the name of an image, "" for the one that fits
    this machine's Python, which is made when it is not there; per: `batch` or `submission`, how long a
    container lives; cpus: how many processors it may use at a time, 0 for one a worker; packages: what else
    submissions may import; workers: at a time in one container; spares: workers that are kept ready ahead;
    say: is told what takes long.
    """

    name = "docker"
    protects = True

    def __init__(
        self,
        *,
        preload: Iterable[str] = (),
        image: str = "",
        per: str = "batch",
        cpus: float = 0.0,
        packages: Iterable[str] = (),
        workers: int = WORKERS,
        spares: int = 0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._preload = tuple(preload)
        self._image = image
        self._per = per
        self._cpus = cpus
        self._packages = tuple(packages)
        self._workers = 1 if per == "submission" else min(workers, images.MOST_WORKERS)
        self._say = say
        self._client: Any = None
        self._containers: list[_Container] = []
        self._lock = threading.Lock()
        self._first = threading.Lock()
        self._walls: tuple[Wall, ...] | None = None
        self._spares: Spares[DockerProcess] = Spares(spares)

    @staticmethod
    def available() -> tuple[bool, str]:
        """Whether an engine answers, and which; or why none does."""
        if not places():
            return False, "no container engine's socket was found"
        try:
            client = connect(timeout=10)
        except UsageError as error:
            return False, str(error)
        try:
            version = client.version()
        finally:
            client.close()
        platform_name = (version.get("Platform") or {}).get("Name") or "Docker"
        parts = version.get("Components") or [{}]
        engine = "Podman" if "podman" in json.dumps(parts[0]).lower() else platform_name
        return True, f"{engine} {version.get('Version', '')}".strip()

    def walls(self, limits: Limits | None = None) -> tuple[Wall, ...]:
        """The walls as the container and a worker saw them from inside. When none has run yet one is
        started, and kept for the next `start` with these limits."""
        if self._walls is None:
            wanted = limits or Limits()
            process = self.start(wanted)
            with self._lock:
                self._spares.keep(wanted, process)
        assert self._walls is not None
        return self._walls

    def start(self, limits: Limits) -> DockerProcess:
        """A worker behind its walls, in a container. Raises SandboxLost; UsageError without an engine."""
        if self._walls is None:
            # Whether workers may share a container is known once one of them has looked at its walls.
            with self._first:
                if self._walls is None:
                    return self._start(limits)
        return self._start(limits)

    def _start(self, limits: Limits) -> DockerProcess:
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
        """Ends every container of this sandbox and removes it."""
        with self._lock:
            containers, self._containers = self._containers, []
            client, self._client = self._client, None
            self._spares.clear()
        for container in containers:
            container.close()
        if client is not None:
            client.close()

    def __enter__(self) -> DockerSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self, limits: Limits) -> DockerProcess:
        self._containers = [c for c in self._containers if not c.finished()]
        for container in self._containers:
            if container.limits == limits and self._per != "submission":
                with contextlib.suppress(SandboxLost):
                    return container.request()
        container = self._new_container(limits)
        self._containers.append(container)
        return container.request()

    def _new_container(self, limits: Limits) -> _Container:
        if self._client is None:
            self._client = connect()
            reap(self._client)
        name = self._image or images.tag(images.wanted(self._preload, self._packages))
        found = self._find(name)
        if found is None:
            if self._image:
                raise UsageError(
                    f"isolation.docker.image: the engine holds no image {self._image!r}. "
                    "Leave the key out to have one made, or pull it"
                )
            self._say("building the box's image (once)")
            images.build(self._client, images.wanted(self._preload, self._packages))
            found = self._find(name)
            if found is None:
                raise SandboxLost(f"the engine does not hold the image {name} that was just built")
        cpus = self._cpus or min(self._workers, self._client.info().get("NCPU") or 1)

        def make(cpus: float) -> _Container:
            once = self._per == "submission"
            return _Container(
                self._client, found, name, limits, self._preload, self._workers, cpus, once=once
            )

        try:
            return make(cpus)
        except SandboxLost as error:
            if "cpu" not in str(error).lower():
                raise
            # A rootless engine may have no say over processors; the walls tell that it has not.
            return make(0.0)

    def _find(self, name: str) -> Any:
        import docker

        try:
            return self._client.images.get(name)
        except docker.errors.ImageNotFound:
            return None
        except docker.errors.APIError as error:
            raise SandboxLost(
                f"the engine cannot be asked for {name}: {error.explanation}"
            ) from error

    def _check(self, walls: tuple[Wall, ...]) -> None:
        if self._walls is None:
            up = {wall.name for wall in walls if wall.up}
            for needed in ("read-only root", "network ns", "no capabilities", "container memory"):
                if needed not in up:
                    detail = next((w.detail for w in walls if w.name == needed), "")
                    raise SandboxLost(
                        f"the engine did not give what was asked for: {needed} ({detail}). A rootless engine on "
                        "cgroup version 1 ignores limits: use --sandbox jail, or run the engine as root"
                    )
            if self._workers > 1 and not {"landlock", "seccomp"} <= up:
                # Workers share a user: without these two they could reach each other's files and processes.
                self._workers = 1
                self._per = "submission"
            self._walls = walls
        lost = {w.name for w in self._walls if w.up} - {w.name for w in walls if w.up}
        if lost:
            raise SandboxLost(f"a worker came up without {', '.join(sorted(lost))}; {ADVICE}")


class DockerProcess:
    """A `BoxProcess`: one channel of a container's stream. One thread may use it while another kills it."""

    def __init__(self, container: _Container, number: int, slot: int) -> None:
        self._container = container
        self.number = number
        self.slot = slot
        self._changed = threading.Condition()
        self._credit = porter.WINDOW
        self._incoming: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._under_way = 0  # bytes received and not yet acknowledged
        self._taken = 0
        self._walls: tuple[Wall, ...] | None = None
        self._ending: str | None = None
        self._lost = ""  # why the container is gone under it
        self._usage: Usage | None = None
        self._usage_number = 0
        self._end_of_data = False
        self._killed = False

    # What the container's reader calls.

    def on_data(self, data: bytes) -> None:
        self._under_way += len(data)
        if self._under_way > porter.WINDOW:
            raise ValueError("more data than was allowed")
        self._incoming.put(data)

    def on_closed(self) -> None:
        self._incoming.put(b"")

    def on_credit(self, count: int) -> None:
        with self._changed:
            self._credit += count
            self._changed.notify_all()

    def on_status(self, message: Any) -> None:
        with self._changed:
            if "ready" in message:
                self._walls = tuple(Wall(str(n), bool(up), str(d)) for n, up, d in message["ready"])
            elif "error" in message:
                self._ending = str(message["error"])[:500]
            elif "ended" in message:
                self._ending = str(message["ended"])[:500]
            self._changed.notify_all()

    def on_usage(self, message: Any) -> None:
        with self._changed:
            self._usage = None if message is None else Usage(float(message[0]), bool(message[1]))
            self._usage_number += 1
            self._changed.notify_all()

    def on_lost(self, why: str) -> None:
        with self._changed:
            if self._ending is None:
                self._ending = self._lost = why
            self._changed.notify_all()
        self._incoming.put(b"")

    # What a session calls.

    def wait_until_ready(self) -> tuple[Wall, ...]:
        """The walls, once they are up. Raises SandboxLost."""
        with self._changed:
            self._changed.wait_for(lambda: self._walls or self._ending is not None, START_SECONDS)
            if self._walls is None:
                raise SandboxLost(
                    f"no worker could be started: {self._ending or 'it took too long'}; {ADVICE}"
                )
            return self._container.seen(self._walls)

    def runs(self) -> bool:
        """Whether it has not ended, as far as is known without waiting."""
        return self._ending is None and not self._killed

    def send(self, data: bytes, *, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        view = memoryview(data)
        while view:
            with self._changed:
                left = deadline - time.monotonic()
                if not self._changed.wait_for(
                    lambda: self._credit > 0 or not self.runs(), max(left, 0)
                ):
                    return False
                if not self.runs():
                    return False
                piece = view[: min(porter.PIECE, self._credit)]
                self._credit -= len(piece)
            if not self._container.tell(porter.DATA, self.number, bytes(piece)):
                return False
            view = view[len(piece) :]
        return True

    def receive(self, *, seconds: float) -> bytes | None:
        if self._end_of_data or self._killed:
            return b""
        try:
            data = self._incoming.get(timeout=max(seconds, 0.0001))
        except queue.Empty:
            return None
        self._end_of_data = not data
        self._taken += len(data)
        if self._taken > ACKNOWLEDGE:
            taken, self._taken = self._taken, 0
            self._under_way -= taken
            self._container.tell(porter.CREDIT, self.number, taken.to_bytes(4, "big"))
        return data

    def usage(self) -> Usage | None:
        if not self.runs():
            return None
        with self._changed:
            before = self._usage_number
        if not self._container.tell(porter.USAGE, self.number):
            return None
        with self._changed:
            # An engine that is slow to answer makes nobody idle: what was last known stands.
            self._changed.wait_for(
                lambda: self._usage_number != before or not self.runs(), USAGE_SECONDS
            )
            return self._usage if self.runs() else None

    def kill(self) -> None:
        if self._killed:
            return
        self._killed = True
        self._container.tell(porter.KILL, self.number)
        with self._changed:
            ended = self._changed.wait_for(lambda: self._ending is not None, KILL_SECONDS)
        if not ended:
            self._container.end()  # it takes all of its workers along: they are started anew elsewhere
        self._container.release(self)

    def ending(self) -> str:
        with self._changed:
            if not self._killed:
                self._changed.wait_for(
                    lambda: self._ending is not None, 1.0 if self._end_of_data else 0
                )
            if self._lost and not self._killed:
                raise SandboxLost(self._lost)
            return self._ending or ""


class _Container:
    """One container, its stream, and the workers that run in it."""

    def __init__(
        self,
        client: Any,
        image: Any,
        name: str,
        limits: Limits,
        preload: Sequence[str],
        workers: int,
        cpus: float,
        *,
        once: bool,
    ) -> None:
        self.client = client
        self.limits = limits
        self.once = once
        self.served = 0
        self.processes: dict[int, DockerProcess] = {}
        self.slots = list(range(workers))
        self.lock = threading.Lock()
        self.write_lock = threading.Lock()
        self.lost = ""
        self.findings: dict[str, tuple[bool, str]] = {}
        self.stderr = bytearray()
        self.hello = threading.Event()
        labels = image.labels or {}
        self.image = name
        try:
            self.container = client.containers.create(
                image.id, **options(labels, limits, workers, cpus), labels=own_labels()
            )
        except Exception as error:
            raise SandboxLost(f"the engine made no container: {said(error)}; {ADVICE}") from error
        try:
            self.stream = attach(client, self.container.id)
            self.container.start()
            self.send_raw(first_message(labels, preload))
        except Exception as error:
            self.remove()
            raise SandboxLost(f"the container did not start: {said(error)}; {ADVICE}") from error
        self.reader = threading.Thread(target=self.read, daemon=True, name="backcheck-docker")
        self.reader.start()
        self.hello.wait(PRELOAD_SECONDS)
        if not self.findings:
            self.end()
            why = self.lost or "it said nothing"
            self.remove()
            raise SandboxLost(f"nothing came up in the container: {why}; {ADVICE}")

    def finished(self) -> bool:
        """Whether it can serve nobody any more."""
        if self.lost or (self.once and self.served and not self.processes):
            self.close()
            return True
        return False

    def request(self) -> DockerProcess:
        """A worker, without waiting for it. Raises SandboxLost when there is no room, or no container."""
        with self.lock:
            if self.lost or not self.slots or (self.once and self.served):
                raise SandboxLost(self.lost or "the container is full")
            slot = self.slots.pop()
            self.served += 1
            process = DockerProcess(self, self.served, slot)
            self.processes[process.number] = process
        request = {
            "uid": None,
            "scratch": f"/scratch/{slot}/room",
            "scratch_mb": SCRATCH_MB,
            "memory_mb": self.limits.memory_mb,
            "cpu_seconds": self.limits.last_resort_seconds,
        }
        if not self.tell(porter.START, process.number, json.dumps(request).encode()):
            self.release(process)
            raise SandboxLost(self.lost or "the container is gone")
        return process

    def release(self, process: DockerProcess) -> None:
        """Its place may be taken again."""
        with self.lock:
            if self.processes.pop(process.number, None) is not None:
                self.slots.append(process.slot)
            idle = self.once and not self.processes
        if idle:
            self.close()

    def seen(self, walls: tuple[Wall, ...]) -> tuple[Wall, ...]:
        """The container's walls, then the worker's own that are not the container's already."""
        own = [Wall("container", True, self.image)]
        own += [Wall(name, up, detail) for name, (up, detail) in self.findings.items()]
        # The engine gives these; nothing in the container could make them anew.
        for name in ("ipc ns", "uts ns", "mount ns"):
            own.append(Wall(name, True, "the container's"))
        given = {wall.name for wall in own} | {"user ns", "other uid", "cgroup"}
        return (*own, *(wall for wall in walls if wall.name not in given))

    # The stream.

    def tell(self, kind: int, channel: int, payload: bytes = b"") -> bool:
        """Sends one record; False when the container is gone."""
        if self.lost:
            return False
        try:
            self.send_raw(porter.record(kind, channel, payload))
        except OSError as error:
            self.fail(f"its stream broke ({error})")
            return False
        return True

    def send_raw(self, data: bytes) -> None:
        with self.write_lock:
            self.stream.sendall(data)

    def read(self) -> None:
        """Takes the stream apart until it ends: the engine's frames, and the porter's records in them."""
        frames, inside = bytearray(), bytearray()
        why = "the container ended"
        try:
            while data := self.stream.recv(1 << 18):
                frames += data
                while len(frames) >= 8:
                    kind, length = struct.unpack_from(">BxxxI", frames)
                    if length > LARGEST_FRAME:
                        raise ValueError(f"a frame of {length} bytes")
                    if len(frames) < 8 + length:
                        break
                    payload = bytes(frames[8 : 8 + length])
                    del frames[: 8 + length]
                    if kind == 1:
                        inside += payload
                        for record in porter.records(inside):
                            self.take(*record)
                    else:
                        self.stderr = (self.stderr + payload)[-4000:]
        except Exception as error:  # it is of unknown origin: anything may be wrong with it
            why = f"the container's stream cannot be read ({error})"
        words = self.stderr.decode(errors="replace").strip().splitlines()
        self.fail(why + (f": {words[-1][:300]}" if words else ""))

    def take(self, kind: int, channel: int, payload: bytes) -> None:
        if kind == porter.HELLO and not self.findings:
            found = json.loads(payload)
            self.findings = {
                str(name)[:40]: (bool(up), str(detail)[:200])
                for name, (up, detail) in found.items()
            }
            self.hello.set()
            return
        with self.lock:
            process = self.processes.get(channel)
        if process is None:
            return
        if kind == porter.DATA:
            process.on_data(payload)
        elif kind == porter.CREDIT:
            process.on_credit(int.from_bytes(payload[:4], "big"))
        elif kind == porter.CLOSED:
            process.on_closed()
        elif kind == porter.STATUS:
            process.on_status(json.loads(payload))
        elif kind == porter.USAGE:
            process.on_usage(json.loads(payload))

    def fail(self, why: str) -> None:
        with self.lock:
            if self.lost:
                return
            self.lost = why
            processes = list(self.processes.values())
        self.hello.set()
        for process in processes:
            process.on_lost(why)

    # The end.

    def end(self) -> None:
        """Closes the stream, upon which the porter leaves and the container ends."""
        self.fail("the container was ended")
        # A named pipe on Windows has no `shutdown`.
        with contextlib.suppress(OSError, AttributeError):
            self.stream.shutdown(socket.SHUT_RDWR)
            if threading.current_thread() is not self.reader:
                # A stream that is closed while it is about to be read may have given its number to another by then.
                self.reader.join(KILL_SECONDS)
        with contextlib.suppress(OSError):
            self.stream.close()

    def close(self) -> None:
        self.end()
        self.remove()

    def remove(self) -> None:
        container, self.container = self.container, None
        if container is None:
            return
        with contextlib.suppress(Exception):
            container.kill()
        with contextlib.suppress(Exception):
            container.wait(timeout=10)
        # Podman answers 500 for a moment after the end, and in a race with its own tidying up.
        for attempt in range(20):
            try:
                container.remove(force=attempt > 2)
                return
            except Exception as error:
                if getattr(getattr(error, "response", None), "status_code", 0) == 404:
                    return
                time.sleep(0.05 * (attempt + 1))


def options(labels: dict[str, str], limits: Limits, workers: int, cpus: float) -> dict[str, Any]:
    """How a container is made: nothing of the host in it, nothing that it needs left out.

    limits: of one worker; workers: how many run in it at a time.
    """
    from docker.types import LogConfig, Ulimit

    memory = OVERHEAD_MB + workers * (limits.memory_mb + SCRATCH_MB)
    # Not every engine lets them belong to the user: the porter makes a closed room in each.
    slot = f"size={SCRATCH_MB}m,mode=1777,nosuid,nodev,noexec"
    found: dict[str, Any] = {
        "command": [labels.get("backcheck.python", "python3"), "-P", "-s", "-S", "-B", "-c", _BOOT],
        "entrypoint": [],
        "working_dir": "/",
        "user": "65534:65534",
        "network_mode": "none",
        "read_only": True,
        "tmpfs": {"/box": "size=8m,mode=1777,nosuid,nodev,noexec"}
        | {f"/scratch/{place}": slot for place in range(workers)},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": f"{memory}m",
        "memswap_limit": f"{memory}m",
        "pids_limit": PIDS * (workers + 1) + PIDS_BEYOND,
        "ulimits": [
            Ulimit(name="nofile", soft=256, hard=256),
            # Podman would raise it otherwise, which it may not do within every outer box.
            Ulimit(name="nproc", soft=4096, hard=4096),
            Ulimit(name="fsize", soft=SCRATCH_MB * MIB, hard=SCRATCH_MB * MIB),
            Ulimit(name="core", soft=0, hard=0),
        ],
        "log_config": LogConfig(type="none"),
        "stdin_open": True,
        "tty": False,
        "auto_remove": False,
        "hostname": "box",
    }
    if cpus:
        found["nano_cpus"] = int(cpus * 1e9)
    return found


def first_message(labels: dict[str, str], preload: Sequence[str]) -> bytes:
    """The code of the box and the plan of its zygote, as `_BOOT` reads them."""
    archive = io.BytesIO()
    package = Path(grader.__file__).parent / "box"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(package.rglob("*.py")):
            file.write(path, f"grader/box/{path.relative_to(package).as_posix()}")
    libraries = labels.get("backcheck.libraries", "").split(":")
    plan = {
        "worker": "grader.box.worker",
        "preload": list(preload),
        # What a container has already, and what its engine refuses anyhow.
        "without": ["user ns", "network ns", "ipc ns", "uts ns", "mount ns", "pid ns", "other uid"],
        "uids": None,
        "uid": None,
        "libraries": [
            *filter(None, libraries),
            "/box",
            "/lib",
            "/lib64",
            "/usr/lib",
            "/usr/lib64",
            "/etc/ld.so.cache",
        ],
        "canary": "/etc/passwd",
        "secrets": [],
        "environment": environment() | {"HOME": "/scratch", "TMPDIR": "/scratch"},
        "paths": [*filter(None, labels.get("backcheck.site", "").split(":"))],
    }
    parts = [archive.getvalue(), json.dumps(plan).encode()]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def attach(client: Any, container: str) -> socket.socket:
    """The container's standard streams as one socket, whichever way the engine is reached."""
    parameters = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    stream = client.api.attach_socket(container, parameters)
    found = getattr(stream, "_sock", stream)
    with contextlib.suppress(AttributeError, OSError):
        found.settimeout(None)
    with contextlib.suppress(AttributeError, OSError):
        # Whoever writes holds the others up. The reader waits for as long as the container lives.
        found.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", STREAM_SECONDS, 0)
        )
    result: socket.socket = found
    return result


def said(error: Exception) -> str:
    """An engine's error in one line."""
    return str(getattr(error, "explanation", None) or error).strip().splitlines()[0][:300]


# Containers that a grader left behind.


def machine() -> str:
    """This machine and process namespace: process ids mean something only within one."""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        return f"{file.read().strip()}/{os.readlink('/proc/self/ns/pid')}"
    return f"{platform.node()}/{uuid.getnode():x}"


def born(pid: int) -> str:
    """When a process started, in its machine's own count; "" when there is none."""
    import psutil

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return ""


def own_labels() -> dict[str, str]:
    """Labels by which a container tells whose it is."""
    return {LABEL: grader.__version__, OWNER: f"{machine()} {os.getpid()} {born(os.getpid())}"}


def reap(client: Any) -> list[str]:
    """Removes containers of graders of this machine that are gone; their short ids."""
    removed = []
    try:
        left = client.containers.list(all=True, filters={"label": LABEL})
    except Exception:
        return []  # an engine that cannot list can still run
    here = machine()
    for container in left:
        where, _, rest = (container.labels.get(OWNER) or "").partition(" ")
        pid, _, since = rest.partition(" ")
        if where != here or not pid.isdigit() or born(int(pid)) == since:
            continue
        with contextlib.suppress(Exception):
            container.remove(force=True)
            removed.append(container.short_id)
    return removed
