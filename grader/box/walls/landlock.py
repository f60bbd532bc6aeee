"""Which files may be opened, by landlock(7): every ABI from 1 on, handling only what that ABI knows.

Landlock never shows which files exist: it refuses to open them. `stat` stays possible, which is why
a mount namespace, where there can be one, goes around it.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable

from grader.box.walls import kernel

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_SCRATCH_DIR = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 12  # remove dir, file; make dir, file, link
_ALL_OF_ABI_1 = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP = 3  # bind, connect
_SCOPES = 3  # abstract unix sockets, signals
_PATH_BENEATH = 1

READ = _READ_FILE | _READ_DIR
USE = _READ_FILE | _WRITE_FILE  # a device such as /dev/null
SCRATCH = READ | _WRITE_FILE | _SCRATCH_DIR | _REFER | _TRUNCATE


def abi() -> int:
    """The kernel's landlock ABI; 0 when it has none or was started without it."""
    try:
        return kernel.syscall("landlock_create_ruleset", 0, 0, 1)
    except OSError:
        return 0


def knows(version: int) -> str:
    """What that ABI can restrict, for a person."""
    parts = ["files"]
    parts += ["truncation"] * (version >= 3) + ["tcp"] * (version >= 4)
    parts += ["device ioctls"] * (version >= 5) + ["signals, abstract sockets"] * (version >= 6)
    return f"ABI {version}: {', '.join(parts)}"


class Rules:
    """Rules are opened first, while the paths can still be reached, and enforced later."""

    def __init__(self) -> None:
        version = abi()
        if not version:
            raise OSError("this kernel has no landlock, or was started without it")
        self.handled = _ALL_OF_ABI_1
        self.handled |= _REFER * (version >= 2) | _TRUNCATE * (version >= 3)
        self.handled |= _IOCTL_DEV * (version >= 5)
        words = [self.handled]
        words += [_TCP] * (version >= 4) + [_SCOPES] * (version >= 6)
        attributes = struct.pack(f"{len(words)}Q", *words)
        self.fd = kernel.syscall("landlock_create_ruleset", attributes, len(attributes), 0)
        self.version = version

    def allow(self, paths: Iterable[str], access: int) -> None:
        """Allows `access` on and beneath each path; a path that does not exist is left out."""
        for path in paths:
            try:
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                granted = access & self.handled
                if not stat.S_ISDIR(os.fstat(fd).st_mode):
                    granted &= _ON_FILES
                rule = struct.pack("=Qi", granted, fd)
                kernel.syscall("landlock_add_rule", self.fd, _PATH_BENEATH, rule, 0)
            finally:
                os.close(fd)

    def enforce(self) -> None:
        """From here on, for this thread and all that it starts. Needs no_new_privs."""
        kernel.syscall("landlock_restrict_self", self.fd, 0)
        os.close(self.fd)
