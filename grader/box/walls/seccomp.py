"""An allow-list of system calls, see seccomp(2) and `Documentation/userspace-api/seccomp_filter.rst`.

The list is what Python, numpy and numba (compiling parallel kernels on the workqueue and omp layers)
were seen to use, plus what ordinary code on the scratch directory may want. There is no process
creation, no program start, no socket, no signal to others, no tracing, no mounting, nor any of the
kernel's newer machinery: new calls are refused until they are named here.

Some calls act on whatever file belongs to the same user, and landlock does not ask about them: changes of
mode and time, and, before its ABI 3, truncation. Where workers share a user with each other or with the
grader, these are refused here, also by descriptor, because libraries may be opened for reading.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from grader.box.walls import kernel

# name: (x86_64, aarch64); None where the architecture has no such call.
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    # bytes
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66),
    "pread64": (17, 67), "pwrite64": (18, 68), "close": (3, 57), "close_range": (436, 436),
    "lseek": (8, 62), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "pipe": (22, None),
    "pipe2": (293, 59), "sendfile": (40, 71), "copy_file_range": (326, 285),
    # files: no call that changes the mode or the time of one, see above
    "stat": (4, None), "fstat": (5, 80), "lstat": (6, None),
    "newfstatat": (262, 79), "statx": (332, 291), "access": (21, None), "faccessat": (269, 48),
    "faccessat2": (439, 439), "readlink": (89, None), "readlinkat": (267, 78),
    "getdents64": (217, 61), "statfs": (137, 43), "fstatfs": (138, 44), "getcwd": (79, 17),
    "chdir": (80, 49), "fchdir": (81, 50), "umask": (95, 166), "mkdir": (83, None),
    "mkdirat": (258, 34), "rmdir": (84, None), "unlink": (87, None), "unlinkat": (263, 35),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "link": (86, None),
    "linkat": (265, 37), "symlink": (88, None), "symlinkat": (266, 36), "ftruncate": (77, 46), "fallocate": (285, 47), "fsync": (74, 82), "fdatasync": (75, 83),
    "flock": (73, 32), "fadvise64": (221, 223),
    # waiting
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    "epoll_create": (213, None), "epoll_create1": (291, 20), "epoll_ctl": (233, 21),
    "epoll_wait": (232, None), "epoll_pwait": (281, 22), "eventfd2": (290, 19),
    # memory
    "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216), "mprotect": (10, 226),
    "madvise": (28, 233), "brk": (12, 214), "msync": (26, 227), "mincore": (27, 232),
    # threads
    "futex": (202, 98), "set_robust_list": (273, 99), "get_robust_list": (274, 100),
    "set_tid_address": (218, 96), "rseq": (334, 293), "membarrier": (324, 283),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120), "getpriority": (140, 141), "arch_prctl": (158, None),
    "exit": (60, 93), "exit_group": (231, 94), "restart_syscall": (219, 128),
    # signals of its own
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "rt_sigpending": (127, 136), "rt_sigsuspend": (130, 133), "rt_sigtimedwait": (128, 137),
    "sigaltstack": (131, 132), "pause": (34, None), "alarm": (37, None), "setitimer": (38, 103),
    "getitimer": (36, 102),
    # clocks, randomness and who am I
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101), "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153),
    "getrusage": (98, 165), "sysinfo": (99, 179), "uname": (63, 160), "getrandom": (318, 278),
    "getcpu": (309, 168), "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178),
    "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "getresuid": (118, 148), "getresgid": (120, 150), "getgroups": (115, 158),
    "getpgrp": (111, None), "getpgid": (121, 155), "getsid": (124, 156), "capget": (125, 90),
    "getrlimit": (97, 163), "setrlimit": (160, 164),
}  # fmt: skip

# Calls that are allowed for some values of one argument: (numbers, argument, values).
_IOCTLS = (0x5401, 0x5413, 0x5421, 0x541B, 0x5450, 0x5451)  # TCGETS WINSZ NBIO NREAD NCLEX CLEX
_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030)  # not F_SETOWN, F_SETSIG, F_NOTIFY: signals
_PRCTLS = (
    2,
    3,
    15,
    16,
    21,
    23,
    39,
)  # get pdeathsig, dumpable, name, seccomp, bounding set, no new privs
_OPEN, _OPENAT = (2, None), (257, 56)
_O_TRUNC, _O_ACCMODE = 0o1000, 3
_CLONE = (56, 220)
_CLONE_THREAD = 0x00010000
_CLONE_LOOKED_AT = _CLONE_THREAD | 0x7E020000 | 0x2000  # THREAD, every NEW*, PTRACE

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_REFUSE = 0x00050000 | errno.EPERM
_UNKNOWN = 0x00050000 | errno.ENOSYS
_NEWEST_GENERATION = 424  # from here on libraries ask first and have an older way when told ENOSYS

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_X32_BIT = 0x40000000


def _step(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, k)


def _one_of(argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Allows when that argument, all 64 bits of it, is one of `values`; else refuses."""
    steps = [_step(_LOAD, 20 + 8 * argument), _step(_EQUAL, 0, 1, 0), _step(_RETURN, _REFUSE)]
    steps.append(_step(_LOAD, 16 + 8 * argument))
    for value in values:
        steps += [_step(_EQUAL, value, 0, 1), _step(_RETURN, _ALLOW)]
    return [*steps, _step(_RETURN, _REFUSE)]


def _no_truncation(argument: int) -> list[bytes]:
    """Refuses to open a file so that it is emptied without having been opened for writing."""
    steps = [_step(_LOAD, 16 + 8 * argument), _step(_AND, _O_TRUNC | _O_ACCMODE)]
    for access in (0, 3):
        steps += [_step(_EQUAL, _O_TRUNC | access, 0, 1), _step(_RETURN, _REFUSE)]
    return [*steps, _step(_RETURN, _ALLOW)]


def program(machine: str, pid: int) -> bytes:
    """The filter for a process that knows itself as `pid`. KeyError for an unknown machine."""
    column = 0 if machine == "x86_64" else 1
    arch = _ARCH[machine]
    steps = [_step(_LOAD, 4), _step(_EQUAL, arch, 1, 0), _step(_RETURN, _KILL_PROCESS)]
    steps.append(_step(_LOAD, 0))
    if machine == "x86_64":
        steps += [_step(_ANY_BIT, _X32_BIT, 0, 1), _step(_RETURN, _KILL_PROCESS)]
    for pair in ALLOWED.values():
        number = pair[column]
        if number is not None:
            steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ALLOW)]
    limited = [
        (_OPEN, _no_truncation(1)),
        (_OPENAT, _no_truncation(2)),
        ((16, 29), _one_of(1, _IOCTLS)),
        ((72, 25), _one_of(1, _FCNTLS)),
        ((157, 167), _one_of(0, _PRCTLS)),
        ((62, 129), _one_of(0, (pid,))),  # kill
        ((234, 131), _one_of(0, (pid,))),  # tgkill: abort() and raise() of its own threads
        ((302, 261), _one_of(0, (0, pid))),  # prlimit64
        (
            _CLONE,
            [
                _step(_LOAD, 16),
                _step(_AND, _CLONE_LOOKED_AT),
                _step(_EQUAL, _CLONE_THREAD, 0, 1),
                _step(_RETURN, _ALLOW),
                _step(_RETURN, _REFUSE),
            ],
        ),
    ]
    for numbers, block in limited:
        limited_number = numbers[column]
        if limited_number is not None:
            steps += [_step(_EQUAL, limited_number, 0, len(block)), *block]
    steps += [_step(_AT_LEAST, _NEWEST_GENERATION, 0, 1), _step(_RETURN, _UNKNOWN)]
    return b"".join([*steps, _step(_RETURN, _REFUSE)])


def restrict(pid: int) -> None:
    """Puts the filter on this thread, which must be the only one and have no_new_privs. OSError."""
    code = program(kernel.MACHINE, pid)
    buffer = ctypes.create_string_buffer(code, len(code))
    prog = struct.pack("H6xQ", len(code) // 8, ctypes.addressof(buffer))
    kernel.syscall("seccomp", 1, 0, prog)  # SECCOMP_SET_MODE_FILTER
