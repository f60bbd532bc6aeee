"""The walls around one worker: put up in order, then looked at from inside.

`put_up` runs in the worker's process between fork and the first byte of a student's code. Every wall is
optional, because machines differ; none is claimed that was not seen to hold. Nothing here starts a
process, and nothing here is undone: a worker that is inside stays inside.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from grader.box.walls import kernel, landlock, limits, namespaces, seccomp

ENVIRONMENT = frozenset(
    {"PATH", "LANG", "LC_CTYPE", "HOME", "TMPDIR", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE"}
    | {"MALLOC_ARENA_MAX", "NUMBA_CACHE_DIR"}
    | {f"{name}_NUM_THREADS" for name in ("OPENBLAS", "OMP", "MKL", "NUMBA")}
)
OFF = "switched off"
OUT_OF_REACH = "course out of reach"
_OUT_OF_REACH = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR)


class Finding(NamedTuple):
    """One wall as seen from inside: `grader.model.Wall` before it travels."""

    name: str
    up: bool
    detail: str


class House(NamedTuple):
    """What all workers of one zygote share.

    namespaces: those left, with a word on each; missing: walls that cannot be had, and why; proc: is
    there a /proc of its own; libraries: what may be read; secrets: files that nobody in the house may open; canary: a file outside them that anybody else
    may read; skip: walls not wanted; mapped: bytes of address space of an idle worker; parent: the
    zygote's process id as its workers see it, 0 for a stranger.
    """

    namespaces: Mapping[str, str]
    missing: Mapping[str, str]
    proc: bool
    libraries: Sequence[str]
    secrets: Sequence[str]
    canary: str
    skip: frozenset[str]
    mapped: int
    parent: int

    def has(self, name: str) -> bool:
        """Whether that namespace was left."""
        return name in self.namespaces


class Room(NamedTuple):
    """What one worker gets. uid: whom it becomes, None to stay; scratch: the one directory that it may
    write, of at most `scratch_mb` MiB where that can be enforced; memory_mb: beyond what it maps already.
    """

    uid: int | None
    scratch: str
    scratch_mb: int
    memory_mb: int
    cpu_seconds: float


def put_up(house: House, room: Room) -> list[Finding]:
    """Puts up every wall that can be had and says which are up. Descriptors have been closed before.

    Raises OSError where going on would leave a worker less protected than it looks.
    """
    with contextlib.suppress(
        PermissionError
    ):  # the leader of a session is in one of its own already
        os.setsid()
    failed: dict[str, str] = dict.fromkeys(house.skip, OFF) | dict(house.missing)

    def attempt(name: str, action: Callable[[], object]) -> None:
        if name in failed:
            return
        try:
            action()
        except OSError as error:
            failed[name] = error.strerror or str(error)

    if house.has("mount ns"):
        owner = os.geteuid() if room.uid is None else room.uid
        group = os.getegid() if room.uid is None else room.uid
        namespaces.furnish(owner, group, mebibytes=room.scratch_mb, proc=house.proc)
    rules: list[landlock.Rules] = []
    attempt("landlock", lambda: rules.append(_rules(house, room)))
    if room.uid is None:
        why = "only root can become another user" if os.geteuid() else "no other user is known here"
        failed.setdefault("other uid", why)
    else:
        uid = room.uid
        attempt("other uid", lambda: limits.become(uid))
    attempt("no new privileges", limits.give_up_privileges)
    attempt("dies with the grader", lambda: kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL))
    if not house.has("pid ns") and os.getppid() != house.parent:
        raise OSError(errno.ESRCH, "the zygote ended meanwhile")
    _settle(room.scratch)
    table = limits.table(
        address_space=house.mapped + room.memory_mb * limits.MIB,
        file_size=room.scratch_mb * limits.MIB,
        cpu_seconds=room.cpu_seconds,
        own_uid="other uid" not in failed,
    )
    attempt("rlimits", lambda: limits.put_on(table))
    if rules:
        attempt("landlock", rules[0].enforce)
    attempt("seccomp", lambda: seccomp.restrict(os.getpid()))
    return _look(house, room, table, failed, rules[0].version if rules else 0)


def _rules(house: House, room: Room) -> landlock.Rules:
    rules = landlock.Rules()
    readable = [*house.libraries, *(["/proc"] if house.proc else [])]
    rules.allow(readable, landlock.READ)
    rules.allow(["/dev/null"], landlock.USE)
    rules.allow(["/dev/zero", "/dev/urandom"], landlock.READ)
    rules.allow([room.scratch], landlock.SCRATCH)
    return rules


def _settle(scratch: str) -> None:
    """Makes `scratch` the place where everything of this worker happens."""
    os.chdir(scratch)
    os.environ.update(HOME=scratch, TMPDIR=scratch, NUMBA_CACHE_DIR=f"{scratch}/numba")
    if config := sys.modules.get("numba.core.config"):
        config.reload_config()
    sys.argv[:] = [""]


def _look(
    house: House,
    room: Room,
    table: Mapping[int, int],
    failed: Mapping[str, str],
    version: int,
) -> list[Finding]:
    """Looks at every wall from inside."""
    found: list[Finding] = []

    def finding(name: str, holds: bool, detail: str) -> None:
        why = failed.get(name)
        if why is None and not holds:
            why = "put up, but it does not hold"
        found.append(Finding(name, why is None, detail if why is None else why))

    uids = set(os.getresuid()) | set(os.getresgid())
    who = f"uid {os.getuid()}"
    if not os.path.exists(os.__file__):
        who += "; Python lies where it may not go, so only what was preloaded can be imported"
    finding("other uid", uids == {room.uid} and 0 not in uids, who)
    for name, seen in house.namespaces.items():
        holds, detail = True, seen
        if name == "pid ns":
            holds, detail = os.getpid() == 1, "alone in it"
        elif name == "mount ns":
            read_only = bool(os.statvfs("/").f_flag & os.ST_RDONLY)
            holds, detail = (
                read_only and not os.path.exists(house.canary),
                "libraries only, read-only",
            )
        finding(name, holds, detail)
    for name in namespaces.KINDS:
        if not house.has(name):
            finding(name, False, "")
    space = os.statvfs(room.scratch)
    bounded = space.f_blocks * space.f_frsize <= room.scratch_mb * limits.MIB
    if bounded:
        finding("bounded scratch", True, f"{room.scratch_mb} MiB in memory")
    else:
        why = f"each file of at most {room.scratch_mb} MiB, their number is not limited"
        found.append(Finding("bounded scratch", False, why))
    refused = _refused(lambda: os.listdir("/"), errno.EACCES) and _refused(
        lambda: os.open(house.canary, os.O_RDONLY), errno.EACCES, errno.ENOENT
    )
    finding("landlock", refused, landlock.knows(version))
    if house.secrets:
        read = [path for path in house.secrets if not _refused(_opening(path), *_OUT_OF_REACH)]
        found.append(Finding(OUT_OF_REACH, not read, read[0] if read else "tried from inside"))
    filtering = kernel.prctl(kernel.PR_GET_SECCOMP) == 2
    filtering = filtering and _refused(socket.socketpair, errno.EPERM)
    finding("seccomp", filtering, f"{len(seccomp.ALLOWED)} calls allowed on {kernel.MACHINE}")
    finding(
        "rlimits",
        limits.are_on(table),
        f"memory +{room.memory_mb} MiB, {limits.DESCRIPTORS} descriptors",
    )
    plain = kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS) == 1 and kernel.capabilities() == 0
    finding("no new privileges", plain, "no capabilities either")
    word = ctypes.c_int(0)
    kernel.prctl(kernel.PR_GET_PDEATHSIG, ctypes.byref(word))
    finding("dies with the grader", word.value == signal.SIGKILL, "SIGKILL")
    finding("closed descriptors", limits.open_descriptors() == [0, 1, 2, 3, 4], "its socket only")
    finding("cleared environment", set(os.environ) <= ENVIRONMENT, f"{len(os.environ)} variables")
    return found


def _opening(path: str) -> Callable[[], object]:
    return lambda: os.close(os.open(path, os.O_RDONLY))


def _refused(action: Callable[[], object], *numbers: int) -> bool:
    try:
        action()
    except OSError as error:
        return error.errno in numbers
    return False
