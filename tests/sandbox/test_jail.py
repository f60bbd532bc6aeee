"""The jail against real attempts to get out of it: no mock, every process is one.

`ATTACKS` is a table. Each attack must be refused by the whole jail, by each single wall that is said to
stop it, and must *succeed* once all of those are down: an attack that cannot succeed proves nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

import grader
from grader.errors import SandboxLost
from grader.model import Limits
from grader.sandbox.jail import Jail, JailProcess

pytestmark = pytest.mark.skipif(not Jail.available()[0], reason=Jail.available()[1])
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

NAMESPACES = frozenset(["user ns", "network ns", "ipc ns", "uts ns", "mount ns", "pid ns"])
MODES = {"d3": frozenset(), "d1": NAMESPACES, "d1, same uid": NAMESPACES | {"other uid"}}
PROJECT = Path(grader.__file__).resolve().parent.parent


def ask(process: JailProcess, code: str, *, seconds: float = 60) -> dict[str, Any] | None:
    """The stand-in's reply to a snippet; None when it closed its end or did not answer."""
    text = textwrap.dedent(code).encode()
    if not process.send(len(text).to_bytes(4, "big") + text, seconds=5):
        return None
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        piece = process.receive(seconds=seconds)
        if not piece:
            return None
        data += piece
    reply: dict[str, Any] = json.loads(data[4:])
    return reply


def value(process: JailProcess, code: str, *, seconds: float = 60) -> Any:
    reply = ask(process, code, seconds=seconds)
    assert reply is not None, process.ending()
    assert "value" in reply, reply
    return reply["value"]


def gone(pids: set[int], *, seconds: float = 5) -> bool:
    """Whether all of them end (or are only waiting to be reaped) in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not {pid for pid in pids if runs(pid)}:
            return True
        time.sleep(0.02)
    return False


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def may_look_at(pid: int) -> bool:
    try:
        psutil.Process(pid).num_fds()
    except psutil.AccessDenied:
        return False
    return True


def family(jail: Jail) -> set[int]:
    """Guard, zygote and everything below."""
    assert jail._zygote is not None
    guard = psutil.Process(jail._zygote.process.pid)
    return {guard.pid, *(child.pid for child in guard.children(recursive=True))}


@pytest.fixture(scope="session")
def jail_without(stand_in: str) -> Iterator[Callable[..., Jail]]:
    """A jail with those walls down, one for each set and kept for the session."""
    jails: dict[Any, Jail] = {}

    def make(without: frozenset[str] = frozenset(), *, preload: tuple[str, ...] = ()) -> Jail:
        key = (without, preload)
        if key not in jails:
            jails[key] = Jail(worker=stand_in, without=without, preload=preload)
        return jails[key]

    yield make
    for jail in jails.values():
        jail.close()


@pytest.fixture
def worker(jail_without: Callable[..., Jail]) -> Iterator[JailProcess]:
    process = jail_without().start(Limits())
    yield process
    process.kill()


@pytest.fixture(params=MODES.values(), ids=MODES.keys())
def jail(request: pytest.FixtureRequest, stand_in: str) -> Iterator[Jail]:
    """A jail of its own for one test, in every mode."""
    with Jail(worker=stand_in, without=request.param) as made:
        yield made


# --- the table ---------------------------------------------------------------------------------


class Attack(NamedTuple):
    """code: sets `result` to something true when it succeeds; `stopped_by`: each alone suffices;
    down: walls that must be down as well for it to succeed."""

    code: str
    stopped_by: tuple[str, ...]
    down: tuple[str, ...] = ()


FILES = ("mount ns", "landlock")
PROCESSES = ("seccomp", "pid ns", "other uid")

ATTACKS = {
    "reads a public file beside the project": Attack(
        "result = open(PUBLIC).read()", FILES, ("other uid",)
    ),
    "reads a private file beside the project": Attack(
        "result = open(PRIVATE).read()", (*FILES, "other uid"), ("no new privileges",)
    ),
    "reads a private file at home": Attack(
        "result = open(AT_HOME).read()", (*FILES, "other uid"), ("no new privileges",)
    ),
    "lists the project": Attack(
        "import os; result = 'pyproject.toml' in os.listdir(PROJECT)", FILES, ("other uid",)
    ),
    "reads the grader's command line": Attack(
        "result = open(f'/proc/{GRADER}/cmdline').read()", FILES, ("pid ns", "user ns")
    ),
    "writes beside the project": Attack(
        "result = open(BESIDE + '/written', 'w').write('x')",
        (*FILES, "other uid"),
        ("no new privileges",),
    ),
    "changes the mode of a file beside the project": Attack(
        "import os; os.chmod(PRIVATE, 0o600); result = True",
        ("mount ns", "other uid", "seccomp"),
        ("no new privileges",),
    ),
    "changes the mode of a library that it has opened": Attack(
        """
        import os
        fd = os.open(os.__file__, os.O_RDONLY)
        os.fchmod(fd, os.fstat(fd).st_mode & 0o777)
        result = True
        """,
        ("mount ns", "other uid", "seccomp"),
        ("no new privileges",),
    ),
    "changes the times of a file beside the project": Attack(
        "import os; os.utime(PRIVATE); result = True",
        ("mount ns", "other uid", "seccomp"),
        ("no new privileges",),
    ),
    "connects to a port of the host": Attack(
        "import socket; socket.create_connection(('127.0.0.1', PORT), 2); result = True",
        ("network ns", "seccomp"),
        ("landlock", "user ns"),
    ),
    "connects to an abstract socket of the host": Attack(
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect(ABSTRACT); result = True",
        ("network ns", "seccomp"),
        ("landlock", "user ns"),
    ),
    "forks": Attack("import os; p = os.fork(); p or os._exit(0); result = p", ("seccomp",)),
    "starts a thread that is a process": Attack(
        "import os; result = os.posix_spawn(LOADER, [LOADER, '--version'], {})",
        ("seccomp",),
        ("landlock",),
    ),
    "starts a program": Attack(
        "import os, fcntl; fcntl.fcntl(write_fd, fcntl.F_SETFD, 0)\n"
        "for fd in (1, 2): os.dup2(write_fd, fd)\n"
        "os.execv(LOADER, [LOADER, '--version'])",
        ("seccomp", "landlock"),
    ),
    "signals the grader": Attack(
        "import os; os.kill(GRADER, 0); result = True",
        PROCESSES,
        ("landlock", "no new privileges", "user ns"),
    ),
    "traces a process of the grader's user": Attack(
        """
        import ctypes
        result = ctypes.CDLL(None).ptrace(0x4206, VICTIM, None, None) == 0  # PTRACE_SEIZE: no stop
        """,
        (*PROCESSES, "landlock"),
        ("no new privileges", "user ns"),
    ),
    "makes a user namespace": Attack(
        "import ctypes; result = ctypes.CDLL(None).unshare(0x10000000) == 0",
        ("seccomp",),
        tuple(NAMESPACES),
    ),
    "makes a file in memory": Attack("import os; result = os.memfd_create('x')", ("seccomp",)),
    "takes a gigabyte": Attack("result = len(b'x' * (1 << 30))", ("rlimits", "cgroup")),
    "raises its own limits": Attack(
        """
        import resource
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        result = hard == resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        """,
        ("rlimits",),
        ("no new privileges", "other uid"),
    ),
    "writes one large file": Attack(
        """
        with open("large", "wb") as file:
            for _ in range(70):
                file.write(bytes(1 << 20))
        result = True
        """,
        ("mount ns", "rlimits"),
    ),
    "writes many files": Attack(
        """
        for number in range(70):
            with open(f"part-{number}", "wb") as file:
                file.write(bytes(1 << 20))
        result = True
        """,
        ("mount ns",),
    ),
}


@pytest.fixture(scope="module")
def surroundings() -> Iterator[dict[str, Any]]:
    """What the attacks look for: files, a listening port, an abstract socket, a process."""
    with contextlib.ExitStack() as stack:
        beside = stack.enter_context(tempfile.TemporaryDirectory(dir=PROJECT, prefix="reference-"))
        os.chmod(beside, 0o755)
        for name, mode in (("public", 0o644), ("private", 0o600)):
            path = Path(beside, name)
            path.write_text("the answer key")
            path.chmod(mode)
        at_home = stack.enter_context(tempfile.NamedTemporaryFile("w", dir=Path.home()))
        at_home.write("the answer key")
        at_home.flush()
        port = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0backcheck-test-{os.getpid()}")
        abstract.listen()
        victim = subprocess.Popen(["sleep", "600"])
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        yield {
            "BESIDE": beside,
            "PUBLIC": f"{beside}/public",
            "PRIVATE": f"{beside}/private",
            "AT_HOME": at_home.name,
            "PROJECT": str(PROJECT),
            "GRADER": os.getpid(),
            "PORT": port.getsockname()[1],
            "ABSTRACT": f"\0backcheck-test-{os.getpid()}",
            "VICTIM": victim.pid,
            "LOADER": os.path.realpath(
                next(Path("/lib64").glob("ld-linux*"), Path("/lib/ld-linux-aarch64.so.1"))
            ),
        }


def succeeds(jail: Jail, attack: Attack, surroundings: dict[str, Any]) -> bool:
    process = jail.start(Limits())
    try:
        names = "".join(f"{name} = {thing!r}\n" for name, thing in surroundings.items())
        code = names + textwrap.dedent(attack.code)
        text = code.encode()
        assert process.send(len(text).to_bytes(4, "big") + text, seconds=5)
        data = process.receive(seconds=30) or b""
        if not data[4:].startswith(b"{"):
            return data != b""  # a program that the attack started speaks instead of the stand-in
        return bool(json.loads(data[4:]).get("value"))
    finally:
        process.kill()


@pytest.mark.parametrize("name", ATTACKS)
def test_the_whole_jail_refuses(
    name: str, jail_without: Callable[..., Jail], surroundings: dict[str, Any]
) -> None:
    jail = jail_without()
    up = {wall.name for wall in jail.walls() if wall.up}
    if not up & set(ATTACKS[name].stopped_by):
        pytest.skip("no wall against it can be had here")
    assert not succeeds(jail, ATTACKS[name], surroundings)


@pytest.mark.parametrize(
    ("name", "wall"),
    [(name, wall) for name, attack in ATTACKS.items() for wall in attack.stopped_by],
)
def test_each_wall_alone_refuses(
    name: str, wall: str, jail_without: Callable[..., Jail], surroundings: dict[str, Any]
) -> None:
    attack = ATTACKS[name]
    off = frozenset([*attack.stopped_by, *attack.down]) - {wall}
    # An ordinary user's namespaces hang on the first; a fresh /proc hangs on the process namespace.
    off -= {"user ns"} if wall.endswith(" ns") else set()
    if {w.name: w.up for w in jail_without(off).walls()}[wall]:
        assert not succeeds(jail_without(off), attack, surroundings)
    else:
        pytest.skip(f"{wall} cannot be had here")


@pytest.mark.parametrize("name", ATTACKS)
def test_without_those_walls_the_attack_succeeds(
    name: str, jail_without: Callable[..., Jail], surroundings: dict[str, Any]
) -> None:
    attack = ATTACKS[name]
    off = frozenset([*attack.stopped_by, *attack.down])
    assert succeeds(jail_without(off), attack, surroundings)


def test_system_calls_that_nobody_needs_are_refused(worker: JailProcess) -> None:
    """By number, past every library: tracing, mounting, keys, programs for the kernel, rings, memory of others."""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers here are those of x86_64")
    numbers = {
        "socket": 41, "socketpair": 53, "fork": 57, "vfork": 58, "execve": 59, "ptrace": 101, "setuid": 105,
        "personality": 135, "pivot_root": 155, "mount": 165, "kexec_load": 246, "add_key": 248,
        "keyctl": 250, "unshare": 272, "perf_event_open": 298, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "memfd_create": 319, "bpf": 321, "userfaultfd": 323, "pidfd_open": 434,
        "io_uring_setup": 425, "clone3": 435, "mknod": 133, "shmget": 29, "setsid": 112, "sendmsg": 46,
    }  # fmt: skip
    answers = value(
        worker,
        f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        result = {{}}
        for name, number in {numbers}.items():
            if libc.syscall(number, 0, 0, 0, 0, 0) == -1:
                result[name] = ctypes.get_errno()
        """,
    )
    assert (
        dict.fromkeys(numbers, 1) | {"pidfd_open": 38, "io_uring_setup": 38, "clone3": 38}
        == answers
    )


def test_a_call_by_the_other_table_of_numbers_kills(worker: JailProcess) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("x32 is a thing of x86_64")
    assert ask(worker, "import ctypes; ctypes.CDLL(None).syscall(0x40000000 | 39)") is None
    assert worker.ending() == "killed by SIGSYS"


# --- what a worker is and has ----------------------------------------------------------------------


def test_every_wall_says_whether_it_is_up(jail: Jail) -> None:
    walls = {wall.name: wall for wall in jail.walls()}
    assert all(wall.detail for wall in walls.values())
    assert not [wall for wall in walls.values() if wall.name in jail._without and wall.up]
    assert [
        name
        for name in ("no new privileges", "closed descriptors", "rlimits")
        if not walls[name].up
    ] == []


def test_a_worker_holds_its_socket_and_nothing_else(jail: Jail) -> None:
    process = jail.start(Limits())
    code = """
    import os
    result = []
    for fd in range(1024):
        try:
            os.fstat(fd)
            result.append(fd)
        except OSError:
            pass
    """
    assert value(process, code) == [0, 1, 2, 3]


def test_a_worker_has_no_environment_of_ours(jail: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_TOKEN", "secret")
    process = jail.start(Limits())
    seen = value(process, "import os; result = dict(os.environ)")
    assert "COURSE_TOKEN" not in seen
    assert seen["HOME"] == seen["TMPDIR"]
    assert seen["OMP_NUM_THREADS"] == "1"


def test_hashes_are_the_same_in_every_run(jail_without: Callable[..., Jail], stand_in: str) -> None:
    with Jail(worker=stand_in) as other:
        hashes = {
            value(j.start(Limits()), "result = hash('minitorch')") for j in (jail_without(), other)
        }
    assert len(hashes) == 1


@needs_root
def test_no_worker_is_root_and_no_two_are_the_same_user(jail_without: Callable[..., Jail]) -> None:
    for mode in (MODES["d3"], MODES["d1"]):
        pair = [jail_without(mode).start(Limits()) for _ in range(2)]
        uids = [value(p, "import os; result = [*os.getresuid(), *os.getresgid()]") for p in pair]
        seen = [set(psutil.Process(p._pid).uids()) for p in pair]
        for process in pair:
            process.kill()
        assert all(len(set(ids)) == 1 and 0 not in ids for ids in uids)
        assert uids[0] != uids[1]
        assert [{ids[0]} for ids in uids] == seen


@needs_root
def test_a_worker_cannot_look_into_the_scratch_of_another(
    jail_without: Callable[..., Jail],
) -> None:
    for mode in (MODES["d3"], NAMESPACES | {"landlock"}):
        one, other = (jail_without(mode).start(Limits()) for _ in range(2))
        path = value(one, "open('notes', 'w').write('mine'); result = scratch + '/notes'")
        assert ask(other, f"result = open({path!r}).read()")["raised"] in (
            "PermissionError",
            "FileNotFoundError",
        )
        assert value(one, "result = open('notes').read()") == "mine"
        one.kill()
        other.kill()


def test_the_libraries_can_be_read_but_not_written(worker: JailProcess) -> None:
    code = "import {0}; path = {0}.__file__; result = len(open(path).read())"
    assert value(worker, code.format("fractions")) > 0
    reply = ask(worker, "open(path if 'path' in globals() else __import__('json').__file__, 'a')")
    assert reply is not None
    assert reply["raised"] in ("PermissionError", "OSError")


def test_modules_that_were_not_preloaded_can_be_imported(worker: JailProcess) -> None:
    assert value(worker, "import numpy; result = float(numpy.linalg.det(numpy.eye(3)))") == 1.0


KERNEL = """
from numba import njit, prange

@njit(parallel=True, cache=True)
def total(a):
    s = 0.0
    for i in prange(a.size):
        s += a[i]
    return s
"""


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_numba_compiles_parallel_kernels_and_caches_them_in_scratch(
    layer: str, jail_without: Callable[..., Jail]
) -> None:
    pytest.importorskip("numba")
    process = jail_without(preload=("numpy", "numba")).start(Limits())
    code = f"""
    import os, sys
    import numba, numpy
    numba.config.THREADING_LAYER = {layer!r}
    with open("kernel.py", "w") as file:
        file.write({KERNEL!r})
    sys.path.insert(0, os.getcwd())
    import kernel
    total = float(kernel.total(numpy.ones(1000)))
    result = [total, numba.threading_layer(), sum(len(files) for _, _, files in os.walk("numba"))]
    """
    answer = value(process, code, seconds=120)
    process.kill()
    assert [1000.0, layer, 2] == answer


def test_a_recursion_without_end_ends_only_its_worker(jail: Jail) -> None:
    one, other = jail.start(Limits()), jail.start(Limits())
    code = "import sys; sys.setrecursionlimit(10**8)\nclass A:\n    def __repr__(self): return repr(self)\nrepr(A())"
    assert ask(one, code) is None
    assert one.ending() == "killed by SIGSEGV"
    assert value(other, "result = 1") == 1


# --- how a worker ends -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV"),
        ("import os; os._exit(3)", "exit status 3"),
        ("import os; os.close(write_fd); os._exit(0)", "exit status 0"),
    ],
)
def test_the_ending_is_told(jail: Jail, code: str, ending: str) -> None:
    process = jail.start(Limits())
    assert ask(process, code) is None
    assert ending == process.ending()
    assert process.usage() is None
    process.kill()
    assert ending == process.ending()


STUBBORN = {
    "sleeps": "import time; time.sleep(600)",
    "loops": "while True: pass",
    "has threads": """
        import threading
        def loop():
            while True: pass
        for _ in range(4): threading.Thread(target=loop).start()
        loop()
        """,
    "blocks every signal": """
        import signal, time
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        time.sleep(600)
        """,
}


@pytest.mark.parametrize("name", STUBBORN)
def test_kill_ends_a_worker_that(name: str, jail: Jail) -> None:
    process = jail.start(Limits())
    before = family(jail)
    assert ask(process, STUBBORN[name], seconds=0.3) is None
    began = time.monotonic()
    process.kill()
    process.kill()
    assert time.monotonic() - began < 2
    assert not runs(process._pid)
    assert family(jail) == before - {process._pid}
    assert process.ending() == "killed by SIGKILL"


@pytest.mark.parametrize("mode", MODES)
def test_kill_ends_grandchildren_where_fork_is_allowed(mode: str, stand_in: str) -> None:
    """Children that left the session, whose parent is gone, and that fork again."""
    with Jail(worker=stand_in, without=MODES[mode] | {"seccomp"}) as jail:
        idle = jail.start(Limits())
        before = family(jail)
        process = jail.start(Limits())
        code = """
        import os, time
        for _ in range(3):
            if not os.fork():
                os.setsid()
                if os.fork(): os._exit(0)
                os.fork()
                while True: time.sleep(0.1)
        time.sleep(0.2)
        result = True
        """
        assert value(process, code)
        started = family(jail) - before
        assert len(started) >= 7
        process.kill()
        assert gone(started)
        assert family(jail) == before
        assert value(idle, "result = 1") == 1


@pytest.mark.parametrize("mode", MODES)
def test_fifty_workers_leave_nothing_behind(mode: str, jail_without: Callable[..., Jail]) -> None:
    jail = jail_without(MODES[mode])
    jail.start(Limits()).kill()

    scratches: set[Path] = set()

    def held() -> tuple[int, ...]:
        processes = family(jail)
        fds = [
            psutil.Process(pid).num_fds() for pid in (os.getpid(), *processes) if may_look_at(pid)
        ]
        return len(processes), sum(path.exists() for path in scratches), *fds

    time.sleep(0.1)
    before = held()
    for _ in range(50):
        process = jail.start(Limits())
        scratches |= {process._scratch} - {None}
        value(
            process,
            "import os; os.makedirs('a/b'); open('a/b/c', 'w').close(); os.mkdir('a/d', 0); result = 1",
        )
        process.kill()
    deadline = time.monotonic() + 2
    while held() != before and time.monotonic() < deadline:
        time.sleep(0.01)  # the zygote closes its end after it has told ours
    assert held() == before


def test_a_scratch_that_is_hard_to_remove_is_removed(jail_without: Callable[..., Jail]) -> None:
    process = jail_without(MODES["d1"]).start(Limits())
    code = """
    import os
    for _ in range(1500):
        os.mkdir("d"); os.chdir("d")
    result = scratch
    """
    path = value(process, code)
    process.kill()
    assert not os.path.exists(path)


GRADER = """
import os, sys, time
sys.path.insert(0, {project!r})
from grader.model import Limits
from grader.sandbox.jail import Jail
jail = Jail(worker={worker!r}, without={without!r})
workers = [jail.start(Limits()) for _ in range(2)]
for one in workers:
    text = b"import signal\\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\\nwhile True: pass"
    one.send(len(text).to_bytes(4, "big") + text, seconds=5)
print("up", *(one._scratch for one in workers if one._scratch), flush=True)
if {first!r}:  # as the kernel may do it while it ends a process: a worker's socket before the zygote's
    workers[0]._status.close()
    while workers[0].receive(seconds=5) != b"":
        pass
    time.sleep(0.5)  # the zygote has noticed by then
    os.kill(os.getpid(), 9)
time.sleep(600)
"""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("who", ["the grader", "the guard", "the zygote"])
def test_nothing_survives_kill_9_of(who: str, mode: str, stand_in: str) -> None:
    code = GRADER.format(
        project=str(PROJECT), worker=stand_in, without=set(MODES[mode]), first=False
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        up, *scratches = process.stdout.readline().decode().split()
        assert up == "up"
        (guard,) = psutil.Process(process.pid).children()
        (zygote,) = guard.children()
        started = {guard.pid, zygote.pid, *(worker.pid for worker in zygote.children())}
        assert len(started) == 4
        os.kill(
            {"the grader": process.pid, "the guard": guard.pid, "the zygote": zygote.pid}[who],
            signal.SIGKILL,
        )
        assert gone(started)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        if who != "the grader":  # where it lives, it is the one that removes
            for path in scratches:
                subprocess.run(["rm", "-rf", path], check=True)
    assert not [path for path in scratches if os.path.exists(path)]


def test_a_worker_that_ended_before_the_grader_was_killed_leaves_no_scratch(stand_in: str) -> None:
    code = GRADER.format(
        project=str(PROJECT), worker=stand_in, without=set(MODES["d1"]), first=True
    )
    grader = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert grader.returncode == -signal.SIGKILL, grader.stderr
    up, *scratches = grader.stdout.decode().split()
    assert (up, len(scratches)) == ("up", 2)
    deadline = time.monotonic() + 10
    while any(map(os.path.exists, scratches)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [path for path in scratches if os.path.exists(path)]


def test_after_the_zygote_was_lost_the_next_start_makes_another(stand_in: str) -> None:
    with Jail(worker=stand_in) as jail:
        first = jail.start(Limits())
        for pid in family(jail):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert first.receive(seconds=5) == b""
        with contextlib.suppress(SandboxLost):  # unless it told the worker's end before its own
            assert first.ending() == "killed by SIGKILL"
        jail._zygote.process.wait()
        assert value(jail.start(Limits()), "result = 1") == 1


# --- the protocol ----------------------------------------------------------------------------------


def test_send_and_receive_keep_to_their_time(worker: JailProcess) -> None:
    began = time.monotonic()
    assert worker.receive(seconds=0.1) is None
    text = b"import time; time.sleep(600)"
    assert worker.send(len(text).to_bytes(4, "big") + text, seconds=1)
    assert not worker.send(bytes(64 << 20), seconds=0.2)
    assert time.monotonic() - began < 2
    worker.kill()
    assert not worker.send(b"x", seconds=1)
    assert worker.receive(seconds=1) == b""


def test_usage_tells_a_busy_worker_from_a_sleeping_one(worker: JailProcess) -> None:
    assert (
        ask(
            worker,
            "import time; time.sleep(0.5); t = time.process_time()\nwhile True: pass",
            seconds=0.2,
        )
        is None
    )
    sleeping = worker.usage()
    time.sleep(0.8)
    busy = worker.usage()
    assert sleeping is not None
    assert sleeping.idle
    assert busy is not None
    assert not busy.idle
    assert busy.cpu_seconds > sleeping.cpu_seconds
    worker.kill()
    assert worker.usage() is None


def test_the_memory_limit_is_the_one_asked_for(jail: Jail) -> None:
    process = jail.start(Limits(memory_mb=128))
    assert value(process, "result = len(bytearray(64 << 20))") == 64 << 20
    reply = ask(process, "bytearray(160 << 20)")
    assert reply is not None
    assert reply["raised"] == "MemoryError"


def test_where_memory_runs_out_for_all_the_worker_ends_first(jail: Jail) -> None:
    process = jail.start(Limits())
    try:
        assert value(process, "result = 1") == 1
        assert Path(f"/proc/{process._pid}/oom_score_adj").read_text().strip() == "1000"
        assert Path("/proc/self/oom_score_adj").read_text().strip() != "1000"
    finally:
        process.kill()


def test_spares_are_ready_ahead_and_end_with_the_jail(stand_in: str) -> None:
    jail = Jail(worker=stand_in, spares=1)
    first = jail.start(Limits())
    time.sleep(0.2)
    everybody = family(jail)
    assert len(everybody) == 4
    second = jail.start(Limits())
    assert second._pid in everybody
    assert value(second, "result = 2") == 2
    other = jail.start(Limits(memory_mb=100))
    assert value(other, "result = 3") == 3
    first.kill()
    everybody |= family(jail)
    jail.close()
    jail.close()
    assert gone(everybody)


def test_what_cannot_be_preloaded_is_named(stand_in: str) -> None:
    with (
        Jail(worker=stand_in, preload=("no_such_module",)) as jail,
        pytest.raises(SandboxLost, match="no_such_module"),
    ):
        jail.start(Limits())


def test_the_grader_needs_no_numpy_to_open_a_jail(worker: JailProcess) -> None:
    assert not value(worker, "import sys; result = 'numpy' in sys.modules")


def test_the_worker_holds_nothing_of_the_rest_of_the_grader(worker: JailProcess) -> None:
    assert (
        value(
            worker,
            "import sys; result = [m for m in sys.modules if m.startswith('grader.') and not m.startswith('grader.box')]",
        )
        == []
    )
    reply = ask(worker, "import grader.model")
    assert reply is not None
    assert reply["raised"] == "ModuleNotFoundError"


# --- other machines --------------------------------------------------------------------------------

ELSEWHERE = """
import ctypes, errno, os, struct, sys
def step(code, k, yes=0, no=0): return struct.pack("HBBI", code, yes, no, k)
refused = {refused}
steps = [step(0x20, 0)]
for number in refused: steps += [step(0x15, number, 0, 1), step(6, 0x50000 | errno.EPERM)]
code = b"".join([*steps, step(6, 0x7FFF0000)])
buffer = ctypes.create_string_buffer(code, len(code))
libc = ctypes.CDLL(None, use_errno=True)
prog = struct.pack("H6xQ", len(code) // 8, ctypes.addressof(buffer))
libc.prctl(38, 1, 0, 0, 0)
assert not refused or libc.syscall(317, 1, 0, prog) == 0, ctypes.get_errno()
if {uid} is not None:
    os.setgroups([]); os.setgid({uid}); os.setuid({uid})
sys.path[:0] = {path}
from grader.model import Limits
from grader.sandbox.jail import Jail
import json
with Jail(worker={worker!r}) as jail:
    process = jail.start(Limits())
    text = b"import os; result = os.getuid()"
    process.send(len(text).to_bytes(4, "big") + text, seconds=5)
    uid = json.loads(process.receive(seconds=30)[4:])["value"]
    print(json.dumps([Jail.available()[0], uid, [w.name for w in jail.walls() if w.up]]))
"""
# What Docker's default profile refuses to a container without privileges.
UNSHARE, SETNS, MOUNT, LANDLOCK = [272], [308], [165, 155, 442], [444, 445, 446]


def elsewhere(stand_in: str, *, refused: list[int], uid: int | None) -> tuple[bool, int, set[str]]:
    """Availability, uid of a worker and walls, with those system calls refused and as that user."""
    if os.geteuid() != 0 or os.uname().machine != "x86_64":
        pytest.skip("needs root on x86_64 to play another machine")
    python = sys.executable
    if uid is not None:
        # Not only the project's own mode counts: it may lie below a folder that is closed to others.
        readable = subprocess.run(
            ["cat", str(Path(PROJECT) / "grader" / "model.py")],
            user=uid,
            group=uid,
            capture_output=True,
        )
        if readable.returncode != 0:
            pytest.skip("the project cannot be read by others")
        candidates = [python, "/usr/bin/python3"]
        probe = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
        for python in candidates:
            with contextlib.suppress(OSError):
                if (
                    subprocess.run(
                        [python, "-c", probe], user=uid, group=uid, capture_output=True
                    ).returncode
                    == 0
                ):
                    break
        else:
            pytest.skip("no Python of this version that everybody may run")
    packages = [path for path in sys.path if path.endswith("-packages")]
    code = ELSEWHERE.format(
        refused=refused, uid=uid, path=[str(PROJECT), *packages], worker=stand_in
    )
    done = subprocess.run(
        [python, "-B", "-c", code], capture_output=True, text=True, timeout=60, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    available, worker_uid, walls = json.loads(done.stdout)
    return available, worker_uid, set(walls)


def test_root_in_an_unprivileged_container(stand_in: str) -> None:
    available, uid, walls = elsewhere(stand_in, refused=UNSHARE + SETNS + MOUNT, uid=None)
    assert available
    assert uid != 0
    assert not walls & NAMESPACES
    assert {
        "other uid",
        "landlock",
        "seccomp",
        "rlimits",
        "no new privileges",
        "closed descriptors",
    } <= walls


def test_an_ordinary_user_on_a_plain_machine(stand_in: str) -> None:
    available, uid, walls = elsewhere(stand_in, refused=[], uid=1000)
    assert available
    assert uid == 1000
    assert walls >= NAMESPACES | {"landlock", "seccomp", "bounded scratch"}


def test_an_ordinary_user_in_an_unprivileged_container(stand_in: str) -> None:
    available, uid, walls = elsewhere(stand_in, refused=UNSHARE + SETNS + MOUNT, uid=1000)
    assert available
    assert uid == 1000
    assert not walls & NAMESPACES
    assert {"landlock", "seccomp", "rlimits"} <= walls


def test_a_kernel_without_landlock(stand_in: str) -> None:
    available, _, walls = elsewhere(stand_in, refused=LANDLOCK, uid=None)
    assert available
    assert "landlock" not in walls
    assert walls >= NAMESPACES | {"other uid", "seccomp"}


def test_where_files_could_be_read_freely_there_is_no_jail(stand_in: str) -> None:
    with pytest.raises(AssertionError, match="cannot keep files from a worker"):
        elsewhere(stand_in, refused=UNSHARE + SETNS + MOUNT + LANDLOCK, uid=1000)


ALONE = """
from grader.model import Limits
from grader.sandbox.jail import Jail

with Jail() as jail:
    print(*[wall.name for wall in jail.walls(Limits()) if not wall.up], sep=",")
"""


def test_root_of_a_namespace_that_knows_no_other_user_is_an_ordinary_user() -> None:
    """As in `unshare -r`, bubblewrap, or a rootless container without further ids."""
    shell = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*shell, "true"], capture_output=True).returncode:
        pytest.skip("no user namespace can be made here")
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    ran = subprocess.run(
        [*shell, sys.executable, "-c", ALONE], capture_output=True, text=True, env=environment
    )
    down = set(ran.stdout.strip().split(","))
    assert ran.returncode == 0, ran.stderr
    assert "other uid" in down
    assert not down & (NAMESPACES | {"landlock", "seccomp", "rlimits"})
