"""A cgroup for each worker of the jail, where this machine lets us make one: memory with swap, and threads.

rlimits bound one process' address space. A cgroup bounds what a worker really holds, together with all that
it might start and with its scratch in memory, see cgroups(7). Groups are made beside or beneath the
grader's own, so that limits on the grader hold for its workers too, and in version 1 or 2 of the interface,
whichever has the memory controller.

The grader makes a group and opens its door; the worker goes in itself, before it is anything else, and the
grader looks whether it did. Nothing here waits for a worker or ends one.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import re
import time
from pathlib import Path
from typing import NamedTuple

MIB = 1 << 20
PREFIX = "backcheck"
CONTROLLERS = ("memory", "pids")
REMOVE_SECONDS = 0.5
# The files that tell of memory in version 1 and 2: the limit, what is taken, and what of that can be given back.
FIRST = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
SECOND = ("memory.max", "memory.current", "inactive_file")
UNLIMITED = 1 << 60  # which version 1 writes in place of no limit
_serial = itertools.count()


class Place(NamedTuple):
    """Where groups are made: the version of the interface, and the folder for each controller."""

    version: int
    folders: dict[str, Path]


class Mount(NamedTuple):
    """A mounted hierarchy: where, which part of it, and what is in it."""

    target: Path
    root: str
    kind: str
    options: frozenset[str]


def own_name() -> str:
    """The part of a group's name that says that it is ours."""
    return _own_name(os.getpid())


@functools.cache
def _own_name(pid: int) -> str:
    return owner(pid)


def owner(pid: int) -> str:
    """The part of a group's name that says whose it is: a process and its birth in its process namespace."""
    return f"{PREFIX}-{_namespace()}-{pid}-{_born(pid)}"


def _namespace() -> str:
    with contextlib.suppress(OSError):
        return re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
    return "0"


def _born(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""


# --- where --------------------------------------------------------------------------------------------


def find(proc: Path = Path("/proc/self")) -> Place:
    """Where groups can be made. Raises OSError, with the reason, where they cannot.

    proc: the grader's own folder in /proc.
    """
    try:
        mounts = _mounts((proc / "mountinfo").read_text(encoding="utf-8", errors="replace"))
        own = _own((proc / "cgroup").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        raise OSError(errno.ENOENT, "this kernel has no cgroups") from None
    first = {
        controller: mount
        for mount in mounts
        if mount.kind == "cgroup"
        for controller in CONTROLLERS
        if controller in mount.options and controller in own
    }
    if "memory" in first:
        return Place(1, {name: _folder(mount, own[name]) for name, mount in first.items()})
    second = next((mount for mount in mounts if mount.kind == "cgroup2"), None)
    if second is None or "" not in own:
        raise OSError(errno.ENOENT, "no cgroup hierarchy with the memory controller is mounted")
    folder = _second(second, _folder(second, own[""]))
    return Place(2, dict.fromkeys(CONTROLLERS, folder))


def _mounts(text: str) -> list[Mount]:
    """Mounted cgroup hierarchies, from /proc/self/mountinfo (proc(5))."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) > 4 and len(rest) > 2 and rest[0] in ("cgroup", "cgroup2"):
            root, target = (re.sub(r"\\(\d{3})", _unescaped, field) for field in fields[3:5])
            found.append(Mount(Path(target), root, rest[0], frozenset(rest[2].split(","))))
    return found


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match.group(1), 8))


def _own(text: str) -> dict[str, str]:
    """Controller -> this process' group; "" stands for version 2."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _folder(mount: Mount, path: str) -> Path:
    inside = os.path.relpath(path, mount.root)
    if inside.split("/")[0] == "..":
        raise OSError(errno.ENOENT, "the mounted cgroup hierarchy does not show our own group")
    return mount.target / inside


def _second(mount: Mount, here: Path) -> Path:
    """A folder of version 2 whose children are controlled, see "No Internal Process Constraint" in
    Documentation/admin-guide/cgroup-v2.rst: one with processes in it cannot have such children."""
    if here.name == f"{own_name()}-grader":  # an earlier call went into a leaf of our own
        here = here.parent
    if _controls(here):
        return here
    try:
        _write(here / "cgroup.subtree_control", _switch("+"))
        return here
    except OSError as error:
        refusal = error
    if refusal.errno == errno.EBUSY and _alone(here):
        # The group was made for us alone (systemd: `Delegate=yes`): we move down, to make room for others.
        leaf = here / f"{own_name()}-grader"
        _make(leaf)
        _write(leaf / "cgroup.procs", str(os.getpid()))
        _write(here / "cgroup.subtree_control", _switch("+"))
        return here
    if here != mount.target and _controls(here.parent):
        return here.parent
    why = refusal.strerror or str(refusal)
    if refusal.errno == errno.EBUSY:
        why = "other processes share our group, and none is delegated to us"
    raise OSError(refusal.errno, why)


def _controls(folder: Path) -> bool:
    return set(CONTROLLERS) <= set(_read(folder / "cgroup.subtree_control").split())


def _alone(folder: Path) -> bool:
    return _read(folder / "cgroup.procs").split() == [str(os.getpid())]


def _switch(sign: str) -> str:
    return " ".join(sign + name for name in CONTROLLERS)


def restore(proc: Path = Path("/proc/self")) -> None:
    """Undoes what `find` did to make room, once no group is left. May be called at any time."""
    with contextlib.suppress(OSError, StopIteration, KeyError):
        own = _own((proc / "cgroup").read_text(encoding="utf-8"))
        mounts = _mounts((proc / "mountinfo").read_text(encoding="utf-8"))
        leaf = _folder(next(m for m in mounts if m.kind == "cgroup2"), own[""])
        ours = [name for name in os.listdir(leaf.parent) if name.startswith(own_name())]
        if ours == [leaf.name] == [f"{own_name()}-grader"]:
            _write(leaf.parent / "cgroup.subtree_control", _switch("-"))
            _write(leaf.parent / "cgroup.procs", str(os.getpid()))
            _remove(leaf)


# --- how much room there is ---------------------------------------------------------------------------


def room(proc: Path = Path("/proc/self")) -> int | None:
    """Bytes that the groups of this process, of a container or of a cluster's queue, leave it; None where none of
    them limits memory. What the kernel would give back, such as files that were read, is no part of what is taken.

    proc: this process' own folder in /proc.
    """
    left: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        mounts = _mounts((proc / "mountinfo").read_text(encoding="utf-8", errors="replace"))
        own = _own((proc / "cgroup").read_text(encoding="utf-8", errors="replace"))
        for mount in mounts:
            first = mount.kind == "cgroup" and "memory" in mount.options
            path = own.get("memory" if first else "") if first or mount.kind == "cgroup2" else None
            if path is None:
                continue
            with contextlib.suppress(OSError):
                here = _folder(mount, path)
                while True:
                    left += _left(here, *(FIRST if first else SECOND))
                    if here == mount.target:
                        break
                    here = here.parent
    return max(0, min(left)) if left else None


def _left(folder: Path, limit: str, usage: str, back: str) -> list[int]:
    """What a group leaves, as a list of one; empty where it has no limit."""
    try:
        most, taken = int(_read(folder / limit)), int(_read(folder / usage))
    except (OSError, ValueError):  # the topmost has no such files; `max` is no number
        return []
    if most >= UNLIMITED:
        return []
    told = (line.split() for line in _read(folder / "memory.stat").splitlines())
    return [most - taken + sum(int(line[1]) for line in told if line[:1] == [back])]


# --- a group ------------------------------------------------------------------------------------------


class Group:
    """The cgroup of one worker: made now, entered by the worker, removed when it has ended."""

    def __init__(self, place: Place, *, memory: int, processes: int) -> None:
        """memory: bytes, swap included; processes: threads count as such. Raises OSError."""
        self.place = place
        self.memory = memory
        self.processes = processes
        self.name = f"{own_name()}-{next(_serial)}"
        self.folders = {name: folder / self.name for name, folder in place.folders.items()}
        self._made: list[Path] = []
        try:
            for folder in dict.fromkeys(self.folders.values()):
                _make(folder)
                self._made.append(folder)
            self._limit()
        except OSError:
            self.remove()
            raise

    def _limit(self) -> None:
        memory = self.folders["memory"]
        if self.place.version == 1:
            _write(memory / "memory.limit_in_bytes", str(self.memory))
            with contextlib.suppress(FileNotFoundError):  # a kernel that does not count swap
                _write(memory / "memory.memsw.limit_in_bytes", str(self.memory))
        else:
            _write(memory / "memory.max", str(self.memory))
            with contextlib.suppress(FileNotFoundError):
                _write(memory / "memory.swap.max", "0")
            with contextlib.suppress(FileNotFoundError):
                _write(memory / "memory.oom.group", "1")
        if "pids" in self.folders:
            _write(self.folders["pids"] / "pids.max", str(self.processes))

    def doors(self) -> list[int]:
        """Descriptors to which a process with one thread writes "0" to go in. Whoever calls closes them.

        In version 1 that is `tasks`: moving oneself alone does not make the kernel wait for all others.
        """
        door = "tasks" if self.place.version == 1 else "cgroup.procs"
        return [os.open(folder / door, os.O_WRONLY | os.O_CLOEXEC) for folder in self._made]

    def admit(self, pid: int) -> None:
        """Puts a process in from outside. OSError."""
        for folder in self._made:
            _write(folder / "cgroup.procs", str(pid))

    def holds(self, pid: int, proc: Path = Path("/proc")) -> bool:
        """Whether that process is in it, by the kernel's word."""
        try:
            own = _own((proc / str(pid) / "cgroup").read_text(encoding="utf-8"))
        except OSError:
            return False
        names = [""] if self.place.version == 2 else list(self.folders)
        return all(own.get(name, "").endswith(f"/{self.name}") for name in names)

    def look(self) -> str:
        """Its limits as the kernel has them, for a person. Raises OSError where they are not ours."""
        memory = self.folders["memory"]
        if self.place.version == 1:
            limit = _read(memory / "memory.limit_in_bytes")
            swap = _read(memory / "memory.memsw.limit_in_bytes")
            counted = _at_most(swap, self.memory)
        else:
            limit = _read(memory / "memory.max")
            counted = _at_most(_read(memory / "memory.swap.max"), 0)
        if not _at_most(limit, self.memory):
            raise OSError(errno.EINVAL, f"asked for {self.memory} bytes, the kernel says {limit!r}")
        said = f"version {self.place.version}: {int(limit) / MIB:.0f} MiB"
        said += " with swap" if counted else ", swap not counted"
        if "pids" in self.folders:
            processes = _read(self.folders["pids"] / "pids.max")
            if not _at_most(processes, self.processes):
                raise OSError(errno.EINVAL, f"pids.max is {processes!r}")
            said += f", {processes} threads"
        return said

    def ran_out(self) -> bool:
        """Whether the kernel has ended a process in it for memory."""
        name = "memory.oom_control" if self.place.version == 1 else "memory.events"
        match = re.search(r"^oom_kill (\d+)$", _read(self.folders["memory"] / name), re.MULTILINE)
        return match is not None and int(match.group(1)) > 0

    def remove(self) -> bool:
        """Removes it, waiting a moment for what is ending in it; whether it is gone. May be called twice."""
        deadline = time.monotonic() + REMOVE_SECONDS
        while self._made:
            try:
                _remove(self._made[-1])
            except FileNotFoundError:
                pass
            except OSError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.002)
                continue
            self._made.pop()
        return True


def reap(place: Place) -> list[str]:
    """Removes groups of graders that are gone, which hold no process any more; their names."""
    removed = []
    for folder in dict.fromkeys(place.folders.values()):
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            match = re.fullmatch(rf"{PREFIX}-(\d+)-(\d+)-(\d*)-(\w+)", name)
            if match is None or match[1] != _namespace():
                continue  # a process id says something in its own namespace only
            if name.startswith(owner(int(match[2])) + "-"):
                continue
            with contextlib.suppress(OSError):
                _remove(folder / name)
                removed.append(name)
    return removed


def _at_most(text: str, limit: int) -> bool:
    return text.isdigit() and int(text) <= limit


def _make(folder: Path) -> None:
    os.mkdir(folder, 0o755)


def _remove(folder: Path) -> None:
    os.rmdir(folder)


def _write(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _read(path: Path) -> str:
    """What a file says; "" when there is none."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
