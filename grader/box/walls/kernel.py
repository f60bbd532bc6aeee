"""The system calls that Python has no name for, by ctypes. Each raises OSError as `os` would.

Numbers are those of the kernel's own tables (`asm/unistd_64.h` on x86_64, `asm-generic/unistd.h` on
aarch64). Nothing here decides anything: what is called when is the walls' business.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from typing import Any

MACHINE = os.uname().machine if hasattr(os, "uname") else ""
SUPPORTED = sys.platform == "linux" and MACHINE in ("x86_64", "aarch64") and sys.maxsize > 2**32

_NUMBERS = {
    # name: (x86_64, aarch64)
    "capget": (125, 90),
    "capset": (126, 91),
    "pivot_root": (155, 41),
    "seccomp": (317, 277),
    "close_range": (436, 436),
    "mount_setattr": (442, 442),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}

PR_SET_PDEATHSIG, PR_GET_PDEATHSIG = 1, 2
PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4
PR_GET_SECCOMP = 21
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS = 38, 39

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_CAPABILITY_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP, _CAP_SYS_PTRACE = 24, 19


def _checked(result: int, what: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _word(value: Any) -> Any:
    return ctypes.c_ulong(value) if isinstance(value, int) else value


def syscall(name: str, *args: Any) -> int:
    """The system call of that name; ints go as machine words, bytes and buffers as pointers."""
    number = _NUMBERS[name][0 if MACHINE == "x86_64" else 1]
    return _checked(_libc.syscall(ctypes.c_long(number), *map(_word, args)), name)


def prctl(option: int, value: Any = 0) -> int:
    """prctl(2) with one argument."""
    zero = ctypes.c_ulong(0)
    return _checked(_libc.prctl(option, _word(value), zero, zero, zero), f"prctl({option})")


def unshare(flags: int) -> None:
    """unshare(2)."""
    _checked(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """setns(2)."""
    _checked(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str = "", *, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    texts = [os.fsencode(text) for text in (source, target, kind)]
    result = _libc.mount(*texts, ctypes.c_ulong(flags), data.encode() or None)
    _checked(result, f"mount {kind or source} on {target}")


def umount_detach(target: str) -> None:
    """umount2(2) with MNT_DETACH."""
    _checked(_libc.umount2(os.fsencode(target), 2), f"umount {target}")


def close_from(first: int) -> None:
    """Closes every descriptor from `first` on."""
    try:
        syscall("close_range", first, 0xFFFFFFFF, 0)
    except OSError:  # before Linux 5.9
        os.closerange(first, min(os.sysconf("SC_OPEN_MAX"), 1 << 16))


def drop_capabilities() -> None:
    """Empties the effective, permitted and inheritable sets, see capabilities(7)."""
    syscall("capset", struct.pack("Ii", _CAPABILITY_VERSION_3, 0), bytes(24))


def give_up_tracing() -> None:
    """Gives up CAP_SYS_PTRACE for good, so that root with more rights cannot be traced or read: see "Ptrace
    access mode checking" in ptrace(2)."""
    with contextlib.suppress(OSError):  # only root may, and only root has to
        prctl(_PR_CAPBSET_DROP, _CAP_SYS_PTRACE)
    head = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(24)
    syscall("capget", head, data)
    words = list(struct.unpack("6I", data.raw))
    words[:3] = [word & ~(1 << _CAP_SYS_PTRACE) for word in words[:3]]
    syscall("capset", struct.pack("Ii", _CAPABILITY_VERSION_3, 0), struct.pack("6I", *words))


def capabilities() -> int:
    """The effective and permitted capabilities of this thread as one bit set; 0 when it has none."""
    data = ctypes.create_string_buffer(24)
    syscall(
        "capget", ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0)), data
    )
    words: tuple[int, ...] = struct.unpack("6I", data.raw)
    return words[0] | words[1] | (words[3] | words[4]) << 32
