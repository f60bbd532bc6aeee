"""The house and the rooms: namespaces(7) in two layers.

The **house** is built once and holds the zygote: its own users, processes, network (an interface-less
one), System V objects and host name, and a root file system with nothing but libraries, read-only. Each
worker then gets a **room** in it: a process namespace and a mount namespace of its own, with a scratch
directory of limited size. So what is expensive is paid once and what must be separate is separate.

`unshare`, `mount` and the maps are explained in user_namespaces(7), pid_namespaces(7), pivot_root(2).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterable

from grader.box.walls import kernel

SCRATCH = "/scratch"
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT = 1, 2, 4, 8, 32
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_NOATIME, _RELATIME = 1024, 1 << 21

# In this order: the first gives an ordinary user the right to the others.
KINDS = {
    "user ns": ("user", kernel.CLONE_NEWUSER),
    "network ns": ("net", kernel.CLONE_NEWNET),
    "ipc ns": ("ipc", kernel.CLONE_NEWIPC),
    "uts ns": ("uts", kernel.CLONE_NEWUTS),
    "mount ns": ("mnt", kernel.CLONE_NEWNS),
    "pid ns": ("pid", kernel.CLONE_NEWPID),
}


class CannotBeHad(Exception):
    """A wall that this machine does not give us: its name, and why."""

    def __init__(self, wall: str, why: str) -> None:
        super().__init__(wall, why)
        self.wall = wall
        self.why = why


def _inode(kind: str) -> int:
    return os.stat(f"/proc/self/ns/{kind}").st_ino


def leave(skip: Iterable[str], write_maps: Callable[[], None]) -> dict[str, str]:
    """Leaves every namespace but those in `skip`; the new ones, each with a word on what was seen.

    `write_maps` is called between the user namespace and the rest: another process has to write the
    maps. The process namespace begins with the next child. Raises CannotBeHad.
    """
    done: dict[str, str] = {}
    for name, (kind, flag) in KINDS.items():
        if name in skip:
            continue
        try:
            before = _inode(kind)
            kernel.unshare(flag)
            if name == "user ns":
                write_maps()
            if name != "pid ns" and _inode(kind) == before:
                raise OSError(errno.EPERM, "the namespace did not change")
        except OSError as error:
            raise CannotBeHad(name, error.strerror or str(error)) from None
        done[name] = "its own"
    if "network ns" in done:
        names = [name for _, name in socket.if_nameindex()]
        done["network ns"] = f"interfaces: {', '.join(names) or 'none'}"
    return done


def maps(pid: int, *, first: int, count: int, groups: bool) -> None:
    """Maps `count` ids from `first` on to themselves in the user namespace of `pid`. OSError.

    An identity map: nobody in the house is called root, and the ids outside it do not exist there.
    """
    if not groups:  # an ordinary user must give up setgroups(2) first
        with contextlib.suppress(FileNotFoundError):
            _write(f"/proc/{pid}/setgroups", "deny")
    group = first if groups else os.getegid()
    _write(f"/proc/{pid}/gid_map", f"{group} {group} {count}")
    _write(f"/proc/{pid}/uid_map", f"{first} {first} {count}")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


class Sources:
    """Descriptors of what the house is built from, opened while it can still be reached.

    An interpreter below a directory of mode 0700 (an interpreter in the home of root) can be bound by descriptor when its
    path can no longer be walked.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.fds: dict[str, int] = {}
        for path in sorted({*paths, *_DEVICES}):
            if any(path.startswith(above + "/") for above in self.fds):
                continue
            with contextlib.suppress(OSError):
                self.fds[path] = os.open(path, os.O_PATH | os.O_CLOEXEC)

    def close(self) -> None:
        for fd in self.fds.values():
            os.close(fd)


def build(sources: Sources, *, proc: bool) -> bool:
    """Moves this process into a root of its own made of `sources`; whether /proc could be mounted.

    Raises CannotBeHad("mount ns").
    """
    umask = os.umask(0o022)  # every worker has to walk these directories
    try:
        return _build(sources, proc=proc)
    except OSError as error:
        raise CannotBeHad("mount ns", error.strerror or str(error)) from None
    finally:
        os.umask(umask)


def _build(sources: Sources, *, proc: bool) -> bool:
    kernel.mount("none", "/", flags=_REC | _PRIVATE)
    base = next(path for path in ("/tmp", "/mnt", "/run", "/dev") if os.path.isdir(path))
    kernel.mount(
        "tmpfs", base, "tmpfs", flags=_NOSUID | _NODEV, data="size=1m,nr_inodes=4096,mode=755"
    )
    for path, fd in sources.fds.items():
        _bind(fd, base + path)
    os.mkdir(base + SCRATCH, 0o755)
    with contextlib.suppress(FileExistsError):  # libraries may live below /tmp
        os.symlink(SCRATCH, base + "/tmp")
    os.makedirs(base + "/proc", exist_ok=True)
    has_proc = proc and mount_proc(base + "/proc")
    os.chdir(base)
    # The kernel documents this stacking: the old root ends up on top of the new one and is detached.
    kernel.syscall("pivot_root", b".", b".")
    kernel.umount_detach(".")
    os.chdir("/")
    kernel.mount("none", "/", flags=_REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)
    return has_proc


def _bind(fd: int, target: str) -> None:
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(f"/proc/self/fd/{fd}", target, flags=_BIND | _REC)
    wanted = _RDONLY | _NOSUID | _NOEXEC * stat.S_ISREG(mode)
    if not stat.S_ISCHR(mode):
        wanted |= _NODEV
    try:
        attributes = struct.pack("4Q", wanted, 0, 0, 0)  # MOUNT_ATTR_* have the values of MS_* here
        kernel.syscall(
            "mount_setattr", 0xFFFFFFFFFFFFFF9C, os.fsencode(target), 0x8000, attributes, 32
        )
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        # Before Linux 5.12: flags that the outer mount has are locked and have to be repeated.
        have = os.statvfs(target).f_flag
        kept = have & (_RDONLY | _NOSUID | _NODEV | _NOEXEC | _NOATIME) | _RELATIME * bool(
            have & 4096
        )
        kernel.mount("none", target, flags=_REMOUNT | _BIND | wanted | kept)


def mount_proc(target: str) -> bool:
    """Mounts /proc of this process namespace; False where an outer container has hidden parts of its own."""
    try:
        kernel.mount("proc", target, "proc", flags=_NOSUID | _NODEV | _NOEXEC)
    except OSError:
        return False
    return True


def furnish(uid: int, gid: int, *, mebibytes: int, proc: bool) -> None:
    """Makes this process' room: its own mounts, an empty scratch directory, its own /proc. OSError."""
    kernel.unshare(kernel.CLONE_NEWNS)
    size = f"size={mebibytes}m,nr_inodes=4096,mode=700,uid={uid},gid={gid}"
    kernel.mount("tmpfs", SCRATCH, "tmpfs", flags=_NOSUID | _NODEV, data=size)
    if proc:
        flags = _NOSUID | _NODEV | _NOEXEC
        try:
            kernel.mount("proc", "/proc", "proc", flags=flags, data="subset=pid")
        except OSError:  # before Linux 5.8
            kernel.mount("proc", "/proc", "proc", flags=flags)
