"""The filter of system calls, run by an interpreter of our own for both machines, without a kernel.

`syscalls.txt` holds the kernel's numbers by name, made from its headers and compared with them where they
are installed. What must be allowed stands here by name, apart from the filter's own table: a wrong number
on a machine that nobody has at hand shows as a call that is allowed and must not be.
"""

from __future__ import annotations

import itertools
import os
import re
import struct
from pathlib import Path

import pytest

from grader.box.walls import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE, UNKNOWN = 0x00050000 | 1, 0x00050000 | 38  # EPERM, ENOSYS
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PID = 4711
HIGH = 1 << 32

_MUST = """
read write readv writev pread64 pwrite64 close close_range lseek dup dup2 dup3 pipe pipe2 sendfile
copy_file_range stat fstat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat
getdents64 statfs fstatfs getcwd chdir fchdir umask mkdir mkdirat rmdir unlink unlinkat rename renameat
renameat2 link linkat symlink symlinkat ftruncate fallocate fsync fdatasync flock fadvise64 poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait
epoll_pwait eventfd2 mmap munmap mremap mprotect madvise brk msync mincore futex set_robust_list
get_robust_list set_tid_address rseq membarrier sched_yield sched_getaffinity sched_getparam
sched_getscheduler getpriority arch_prctl exit exit_group restart_syscall rt_sigaction rt_sigprocmask
rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack pause alarm setitimer getitimer
clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times getrusage sysinfo uname
getrandom getcpu getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp
getpgid getsid capget getrlimit setrlimit
"""
MUST = frozenset(_MUST.split())

_NEVER = """
fork vfork clone3 execve execveat ptrace process_vm_readv process_vm_writev socket socketpair connect bind
sendto sendmsg recvmsg mount umount2 pivot_root chroot unshare setns bpf perf_event_open keyctl add_key
request_key memfd_create memfd_secret userfaultfd io_uring_setup io_uring_enter pidfd_open pidfd_send_signal
pidfd_getfd kexec_load init_module finit_module delete_module setuid setresuid setgid setgroups setsid setpgid
rt_sigqueueinfo rt_tgsigqueueinfo tkill shmget shmat msgget semget mq_open open_by_handle_at name_to_handle_at
personality acct swapon reboot syslog landlock_create_ruleset seccomp capset setpriority sched_setaffinity
sched_setscheduler process_madvise mount_setattr open_tree fsopen move_mount iopl ioperm mknod mknodat chown
fchown fchownat lchown chmod fchmod fchmodat utime utimes utimensat futimesat truncate setxattr quotactl fanotify_init inotify_init1 timer_create
"""

# name: (which argument decides, values that are allowed, values that must not be)
BY_ARGUMENT: dict[str, tuple[int, list[int], list[int]]] = {
    "ioctl": (1, [0x5401, 0x5413, 0x5421, 0x541B, 0x5450, 0x5451], [0, 0x5412, 0x541D, 0x5402]),
    "fcntl": (1, [*range(8), 36, 37, 38, 1030], [8, 9, 10, 15, 16, 1024, 1026, 1033]),
    "prctl": (0, [2, 3, 15, 16, 21, 23, 39], [1, 4, 22, 24, 35, 36, 38, 47, 59]),
    "kill": (0, [PID], [0, 1, PID + 1, 2**64 - 1]),
    "tgkill": (0, [PID], [0, 1, PID + 1, 2**64 - 1]),
    "prlimit64": (0, [0, PID], [1, PID + 1]),
}
CLONE_THREAD = 0x00010000
THREAD = 0x003D0F00  # as glibc makes one: VM FS FILES SIGHAND THREAD SYSVSEM SETTLS PARENT_SETTID CHILD_CLEARTID
NO_THREADS = [0, 17, 0x4111, 0x01200011]  # as fork, vfork and posix_spawn make processes
IN_A_NAMESPACE = [0x00020000, 0x02000000, *(1 << bit for bit in range(26, 31))]
PTRACE = 0x2000


def verdict(program: bytes, arch: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """What a filter returns for a call: classic BPF, as bpf(4) and seccomp(2) describe it."""
    steps = list(struct.iter_unpack("HBBI", program))
    words = [argument & (2**64 - 1) for argument in (*arguments, *[0] * 6)][:6]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0x1000, *words)
    value, at = 0, 0
    while True:
        code, if_true, if_false, k = steps[at]
        at += 1
        if code == 0x20:  # BPF_LD | BPF_W | BPF_ABS
            assert k % 4 == 0 <= k <= len(data) - 4
            (value,) = struct.unpack_from("<I", data, k)
        elif code == 0x54:  # BPF_ALU | BPF_AND | BPF_K
            value &= k
        elif code in (0x15, 0x35, 0x45):  # BPF_JMP | BPF_JEQ, BPF_JGE, BPF_JSET | BPF_K
            holds = {0x15: value == k, 0x35: value >= k, 0x45: value & k != 0}[code]
            at += if_true if holds else if_false
        elif code == 0x06:  # BPF_RET | BPF_K
            return k
        else:
            raise AssertionError(
                f"an instruction that the kernel's filter needs not know: {code:#x}"
            )


def numbers() -> dict[str, tuple[int | None, int | None]]:
    """name -> (x86_64, aarch64), as the kernel numbers its calls."""
    found = {}
    for line in (Path(__file__).parent / "syscalls.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, *columns = line.split()
            one, other = (None if c == "-" else int(c) for c in columns)
            found[name] = (one, other)
    return found


NUMBERS = numbers()


def by_number(machine: str) -> dict[int, str]:
    column = list(ARCH).index(machine)
    return {row[column]: name for name, row in NUMBERS.items() if row[column] is not None}  # type: ignore[misc]


def number_of(machine: str, name: str) -> int | None:
    return NUMBERS[name][list(ARCH).index(machine)]


@pytest.fixture(params=list(ARCH))
def machine(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_the_kernel_would_take_the_program(machine: str) -> None:
    program = seccomp.program(machine, PID)
    steps = list(struct.iter_unpack("HBBI", program))
    assert 0 < len(steps) <= 4096  # BPF_MAXINSNS
    assert steps[-1][0] == 0x06
    for at, (code, if_true, if_false, _) in enumerate(steps):
        if code & 7 == 5:  # BPF_JMP
            assert at + 1 + max(if_true, if_false) < len(steps)


def test_every_number_gets_the_verdict_that_its_name_deserves(machine: str) -> None:
    """Arguments are all zero: `prlimit64` of oneself and `fcntl(F_DUPFD)` are right, `kill(0)` is not."""
    program, names = seccomp.program(machine, PID), by_number(machine)
    for number in range(601):
        name = names.get(number, "")
        if name in MUST or name in ("prlimit64", "fcntl", "open", "openat"):
            wanted = ALLOW
        else:
            wanted = UNKNOWN if number >= 424 else REFUSE
        found = verdict(program, ARCH[machine], number)
        assert found == wanted, (number, name, hex(found))


def test_what_is_allowed_has_a_number_on_each_machine_or_is_older_than_aarch64() -> None:
    for name in [*MUST, *BY_ARGUMENT, "clone"]:
        assert NUMBERS[name][0] is not None
    older = {name for name in MUST if NUMBERS[name][1] is None}
    assert older == {
        "dup2", "pipe", "stat", "lstat", "access", "readlink", "mkdir", "rmdir", "unlink", "rename",
        "link", "symlink", "poll", "select", "epoll_create", "epoll_wait", "arch_prctl", "pause",
        "alarm", "time", "getpgrp",
    }  # fmt: skip


def test_no_call_reaches_beyond_the_worker(machine: str) -> None:
    """By name, so that a new number in the list cannot let one of them in."""
    program = seccomp.program(machine, PID)
    for name in _NEVER.split():
        number = number_of(machine, name)
        if number is None:
            continue
        for arguments in ((0,) * 6, (PID,) * 6, (CLONE_THREAD,) * 6):
            assert verdict(program, ARCH[machine], number, arguments) in (REFUSE, UNKNOWN), name


@pytest.mark.parametrize("name", BY_ARGUMENT)
def test_both_words_of_an_argument_decide(machine: str, name: str) -> None:
    place, good, bad = BY_ARGUMENT[name]
    program, number = seccomp.program(machine, PID), number_of(machine, name)
    assert number is not None

    def asked(value: int, other: int) -> int:
        arguments = [other] * 6
        arguments[place] = value
        return verdict(program, ARCH[machine], number, tuple(arguments))

    for other in (0, good[0], 2**64 - 1):
        assert {asked(value, other) for value in good} == {ALLOW}
        assert {asked(value, other) for value in bad} == {REFUSE}
        # The lower word alone would be right.
        assert {asked(value | HIGH << shift, other) for value in good for shift in range(32)} == {
            REFUSE
        }


def test_a_clone_is_a_thread_in_the_same_namespaces_or_nothing(machine: str) -> None:
    program, number = seccomp.program(machine, PID), number_of(machine, "clone")
    assert number is not None

    def asked(flags: int) -> int:
        return verdict(program, ARCH[machine], number, (flags,))

    assert asked(THREAD) == asked(CLONE_THREAD) == ALLOW
    assert {asked(flags) for flags in NO_THREADS} == {REFUSE}
    for flag in (*IN_A_NAMESPACE, PTRACE):
        assert asked(THREAD | flag) == asked(flag) == REFUSE
    for several in itertools.combinations(IN_A_NAMESPACE, 2):
        assert asked(THREAD | several[0] | several[1]) == REFUSE


@pytest.mark.parametrize(("name", "place"), [("open", 1), ("openat", 2)])
def test_what_is_emptied_is_opened_for_writing(machine: str, name: str, place: int) -> None:
    """Before ABI 3 landlock takes an opening that empties a file for one that reads it."""
    program, number = seccomp.program(machine, PID), number_of(machine, name)
    if number is None:
        pytest.skip(f"{machine} has no such call")

    def asked(flags: int, high: int) -> int:
        arguments = [high] * 6
        arguments[place] = flags
        return verdict(program, ARCH[machine], number, tuple(arguments))

    others = (0, os.O_CREAT, os.O_CLOEXEC | os.O_NOFOLLOW, os.O_DIRECTORY, os.O_APPEND, HIGH)
    for more, high in itertools.product(others, (0, 2**64 - 1)):
        for access in range(4):
            wanted = REFUSE if access in (0, 3) else ALLOW
            assert asked(access | os.O_TRUNC | more, high) == wanted
            assert asked(access | more, high) == ALLOW


def test_another_table_of_numbers_kills(machine: str) -> None:
    program = seccomp.program(machine, PID)
    foreign = [arch for name, arch in ARCH.items() if name != machine]
    for arch in (*foreign, 0x40000003, 0x40000028, 0, 0xFFFFFFFF):  # i386 and arm among them
        for number in range(601):
            assert verdict(program, arch, number) == KILL
    for number in [bit | n for n in range(601) for bit in (0x40000000, 0x80000000 | 0x40000000)]:
        found = verdict(program, ARCH[machine], number)
        assert found == (KILL if machine == "x86_64" else UNKNOWN)


def test_numbers_of_the_future_are_unknown(machine: str) -> None:
    program = seccomp.program(machine, PID)
    for number in (601, 1000, 0x0FFFFFFF, 0x80000000):
        assert verdict(program, ARCH[machine], number) == UNKNOWN


def test_an_unknown_machine_has_no_filter() -> None:
    with pytest.raises(KeyError):
        seccomp.program("riscv64", PID)


def test_the_kernel_and_the_interpreter_agree(machine: str) -> None:
    """On this machine's own numbers, in a child that puts the filter on itself."""
    if os.uname().machine != machine:
        pytest.skip(f"needs {machine}")
    from grader.box.walls import kernel

    harmless = {
        "getpid": (),
        "kill": (2**31 - 1, 0),
        "ptrace": (0xFFFF,),
        "clone3": (0, 0),
        "prctl": (4, 7),
    }
    calls = {number_of(machine, name): arguments for name, arguments in harmless.items()}
    read, write = os.pipe()
    child = os.fork()
    if not child:
        import ctypes

        try:
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
            seccomp.restrict(os.getpid())
            libc = ctypes.CDLL(None, use_errno=True)
            found = []
            for number, arguments in calls.items():
                result = libc.syscall(number, *arguments)
                found.append(0 if result >= 0 else ctypes.get_errno())
            os.write(write, bytes(found))
        finally:
            os._exit(0)
    os.close(write)
    seen = os.read(read, 100)
    os.close(read)
    os.waitpid(child, 0)
    program = seccomp.program(machine, child)
    wanted = [verdict(program, ARCH[machine], n, a) & 0xFF for n, a in calls.items() if n is not None]  # fmt: skip
    assert list(seen) == [0 if word == ALLOW & 0xFF else word for word in wanted]
    assert set(seen) == {0, 1, 38}


# --- the table itself --------------------------------------------------------------------------------

HEADERS = {
    "x86_64": [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")],
    "aarch64": [Path("/usr/include/asm-generic/unistd.h")],
}  # fmt: skip
ONLY_32_BIT = re.compile(r"\w+_time64|clock_(get|set|adj)time64|timer(fd)?_[gs]ettime64")
NO_CALLS = {"syscalls", "arch_specific_syscall", "sync_file_range2"}


def header(path: Path) -> dict[str, int]:
    """The numbers in a header of the kernel, for a machine of 64 bits."""
    defined = dict(re.findall(r"^#define (__NR\w+)\s+(\w+)$", path.read_text(), re.MULTILINE))
    found = {}
    for name, value in defined.items():
        value = defined.get(value, value)
        short = name.removeprefix("__NR_")
        if short == name or not value.isdigit() or short in NO_CALLS:
            continue
        if not ONLY_32_BIT.fullmatch(short) and int(value) not in range(403, 424):
            found[short] = int(value)
    # Two names for one number: what is called so on 32 bits only.
    for old in ("fcntl64", "statfs64", "fstatfs64", "truncate64", "ftruncate64", "llseek", "sendfile64",
                "fstatat64", "fstat64", "mmap2", "fadvise64_64"):  # fmt: skip
        found.pop(old, None)
    return found


def test_the_numbers_are_those_of_the_kernel_headers(machine: str) -> None:
    path = next((path for path in HEADERS[machine] if path.exists()), None)
    if path is None:
        pytest.skip("the kernel's headers are not installed (Debian: linux-libc-dev)")
    stored = {name: number for number, name in by_number(machine).items()}
    there = header(path)
    assert len(there) > 300
    for name in there.keys() & stored.keys():
        assert there[name] == stored[name], name
    assert not {*MUST, *BY_ARGUMENT, "clone"} & stored.keys() - there.keys()


def test_the_filter_names_calls_as_the_kernel_does() -> None:
    assert set(seccomp.ALLOWED) == MUST
    for name, pair in seccomp.ALLOWED.items():
        assert pair == NUMBERS[name], name
