"""What a worker may use of the machine: rlimits, identity, privileges, descriptors, environment."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import resource
from collections.abc import Mapping

from grader.box.walls import kernel

MIB = 1 << 20
DESCRIPTORS = 64
THREADS = 256
STACK = 64 * MIB  # a deep recursion in C ends in SIGSEGV, after any recursion that is meant


def table(
    *, address_space: int, file_size: int, cpu_seconds: float, own_uid: bool
) -> dict[int, int]:
    """Which rlimit gets which value. RLIMIT_NPROC counts a whole uid, so only a spare uid has one."""
    limits = {
        resource.RLIMIT_AS: address_space,
        resource.RLIMIT_FSIZE: file_size,
        resource.RLIMIT_CPU: math.ceil(cpu_seconds),
        resource.RLIMIT_NOFILE: DESCRIPTORS,
        resource.RLIMIT_STACK: STACK,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if own_uid:
        limits[resource.RLIMIT_NPROC] = THREADS
    return limits


def put_on(limits: Mapping[int, int]) -> None:
    """Soft and hard alike, so that they cannot be raised again; never above what is inherited."""
    for which, value in limits.items():
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


def are_on(limits: Mapping[int, int]) -> bool:
    """Whether each of them, or something tighter, is in force."""
    infinite = resource.RLIM_INFINITY
    now = {which: resource.getrlimit(which) for which in limits}
    return all(infinite != max(now[which]) <= limits[which] for which in limits)


def mapped() -> int:
    """Bytes of address space that this process maps now (`VmSize`)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def end_first() -> None:
    """Where memory runs out for all, the kernel ends this process, or one that is made of it later, and not the
    grader that waits for it. Without /proc it ends the one that holds most."""
    with (
        contextlib.suppress(OSError),
        open("/proc/self/oom_score_adj", "w", encoding="ascii") as file,
    ):
        file.write("1000")


def become(uid: int) -> None:
    """Leaves every identity but `uid` (and the group of the same number). OSError."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def give_up_privileges() -> None:
    """No capability now, none by exec later, and no tracing by others of the same uid. OSError."""
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def keep_descriptors(*kept: int) -> None:
    """Moves `kept` to 3, 4, ...; 0 to 2 become /dev/null; everything else is closed."""
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 16) for fd in kept]
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    for at, fd in enumerate(high):
        os.dup2(fd, 3 + at, inheritable=False)
    kernel.close_from(3 + len(high))


def open_descriptors() -> list[int]:
    """The descriptors that are open, among those that a worker could have."""
    found = []
    for fd in range(DESCRIPTORS * 4):
        try:
            os.fstat(fd)
        except OSError:
            continue
        found.append(fd)
    return found
