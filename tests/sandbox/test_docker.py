"""What only the Docker sandbox does: containers that are made, shared, lost and removed, and their image.

Every container is a real one. What all boxes have in common stands in `test_conformance.py`.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.box import porter, wire
from grader.errors import SandboxLost, UsageError
from grader.model import Assignment, Limits, Submission, Task
from grader.sandbox import docker, image
from grader.sandbox.choose import docker_available
from grader.sandbox.docker import OWNER, DockerSandbox, connect, own_labels, reap
from grader.sandbox.session import End, Session

AVAILABLE, WHY = docker_available()
# Podman's socket says some things in another way, and takes a profile as a file alone.
needs_docker = pytest.mark.skipif(
    not AVAILABLE or "Podman" in WHY, reason=f"not Docker's own engine: {WHY}"
)
needs_engine = pytest.mark.skipif(not AVAILABLE, reason=f"no container engine: {WHY}")

QUESTIONS = """
def ask(subject, path, x):
    "What a function gives"
    return subject.call(path, x)
"""
GOOD = "def good(x): return x\n"
SMALL = Limits(check_seconds=2, import_seconds=3, run_seconds=30, memory_mb=128, output_mb=1)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    found = connect()
    yield found
    found.close()


@pytest.fixture
def boxes() -> Iterator[Callable[..., DockerSandbox]]:
    """Makes sandboxes that are closed when the test is over."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> DockerSandbox:
            return stack.enter_context(DockerSandbox(**options))

        yield make


def session(box: DockerSandbox, code: str = "") -> Session:
    assignment = Assignment(
        name="m",
        title="M",
        binding="functions",
        expects=("work",),
        tasks=(Task("1", "T", 1.0),),
        checks=(),
        questions=QUESTIONS,
        limits=SMALL,
    )
    text = GOOD + textwrap.dedent(code)
    return Session(box, assignment, Submission("s", "s", {"work.py": text.encode()}, "0" * 64))


def answer(opened: Session, path: str, value: Any = 1.0, *, seconds: float = 2.0) -> Any:
    reply = opened.ask("ask", {"path": path}, [wire.encode({"x": value})], seconds=seconds)
    assert reply.end is End.DONE, reply
    return wire.decode(reply.answers[0])


def containers(client: Any, of: DockerSandbox | str) -> list[Any]:
    """The running ones of one sandbox, or of one owner."""
    owner = of if isinstance(of, str) else own_labels()[OWNER]
    found = list(client.containers.list(filters={"label": f"{OWNER}={owner}"}))
    if isinstance(of, str):
        return found
    # Other tests of this process have sandboxes of their own.
    ours = {known.container.id for known in of._containers if known.container is not None}
    return [container for container in found if container.id in ours]


# A container from inside


INSIDE = """
import os, socket
def who(x): return [os.getuid(), os.geteuid(), os.getgid()]
def root(x):
    try: return sorted(os.listdir("/"))
    except OSError as e: return e.strerror
def passwd(x):
    try: return open("/etc/passwd").read()
    except OSError as e: return e.strerror
def write(x):
    found = []
    for path in ("/probe", "/opt/backcheck/probe", "/box/probe", "/scratch/probe", "/scratch/0/probe", "/scratch/1/probe", "/dev/shm/probe"):
        try:
            open(path, "w").close()
            found.append(path)
        except OSError: pass
    return found
def neighbours(x):
    found = []
    for n in range(8):
        try: found.append([n, os.listdir(f"/scratch/{n}/room")])
        except OSError: pass
    return found
def processes(x):
    try: return [p for p in os.listdir("/proc") if p.isdigit()]
    except OSError as e: return e.strerror
def connect(x):
    try: return socket.create_connection(("127.0.0.1", 1), 1) and True
    except OSError as e: return e.strerror
def child(x):
    try: return os.fork()
    except OSError as e: return e.strerror
def signal(x):
    found = []
    for pid in range(1, 40):
        if pid == os.getpid(): continue
        try:
            os.kill(pid, 0)
            found.append(pid)
        except OSError: pass
    return found
def engine(x):
    return [p for p in ("/var/run/docker.sock", "/run/docker.sock") if os.path.exists(p)]
"""


@needs_engine
def test_from_inside_there_is_nothing_but_libraries(boxes: Callable[..., DockerSandbox]) -> None:
    box = boxes()
    with session(box, INSIDE) as opened, session(box, INSIDE) as beside:
        assert answer(beside, "good") == 1.0
        assert answer(opened, "who") == [65534, 65534, 65534]
        assert answer(opened, "root") == "Permission denied"
        assert answer(opened, "passwd") == "Permission denied"
        assert answer(opened, "write") == []
        assert [n for n, _ in answer(opened, "neighbours")] == [opened.process.slot]  # type: ignore[union-attr]
        assert answer(opened, "processes") == "Permission denied"
        assert answer(opened, "connect") == "Operation not permitted"
        assert answer(opened, "child") == "Operation not permitted"
        assert answer(opened, "signal") == []
        assert answer(opened, "engine") == []


@needs_docker
def test_the_engine_was_asked_for_every_limit(
    boxes: Callable[..., DockerSandbox], client: Any
) -> None:
    box = boxes(cpus=1.0, workers=2)
    box.start(SMALL)
    (container,) = containers(client, box)
    host = container.attrs["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["Privileged"]
    assert any("no-new-privileges" in option for option in host["SecurityOpt"])
    assert host["Memory"] == host["MemorySwap"] == (docker.OVERHEAD_MB + 2 * (128 + 64)) << 20
    assert host["PidsLimit"] == 3 * docker.PIDS + docker.PIDS_BEYOND
    assert host["NanoCpus"] == 1_000_000_000
    assert {limit["Name"] for limit in host["Ulimits"]} == {"nofile", "nproc", "fsize", "core"}
    assert not host["Binds"]
    assert container.attrs["Config"]["User"] == "65534:65534"
    assert host["LogConfig"]["Type"] == "none"
    up = {wall.name for wall in box.walls() if wall.up}
    assert up >= {"container memory", "container pids", "container cpu", "read-only root",
                  "no capabilities", "engine's seccomp", "network ns", "landlock", "seccomp"}  # fmt: skip


# Sharing


@needs_engine
def test_a_container_serves_many_and_each_is_gone_for_the_next(
    boxes: Callable[..., DockerSandbox], client: Any
) -> None:
    box = boxes(workers=2)
    litter = "import os\ndef litter(x):\n    open('left', 'w').close()\n    return os.listdir()\n"
    for _ in range(5):
        with session(box, litter) as opened:
            assert answer(opened, "litter") == ["left", "submission"]
    assert len(containers(client, box)) == 1


@needs_engine
def test_where_a_container_is_full_there_is_another(
    boxes: Callable[..., DockerSandbox], client: Any
) -> None:
    box = boxes(workers=1)
    with session(box) as first, session(box) as second:
        assert answer(first, "good", 1.0) == 1.0
        assert answer(second, "good", 2.0) == 2.0
        assert len(containers(client, box)) == 2


@needs_engine
def test_per_submission_each_worker_has_a_container_that_goes_with_it(
    boxes: Callable[..., DockerSandbox], client: Any
) -> None:
    box = boxes(per="submission")
    seen = set()
    for _ in range(2):
        with session(box) as opened:
            assert answer(opened, "good") == 1.0
            (container,) = containers(client, box)
            seen.add(container.id)
        assert containers(client, box) == []
    assert len(seen) == 2


@needs_engine
def test_a_worker_that_floods_holds_up_nobody(boxes: Callable[..., DockerSandbox]) -> None:
    flood = """
        import os, sys
        def flood(x):
            step = sys._getframe()
            while "message" not in step.f_locals: step = step.f_back
            fd = step.f_locals["self"].channel.write_fd
            while True: os.write(fd, b"x" * 65536)
    """
    box = boxes()
    with session(box, flood) as loud, session(box) as quiet:
        assert answer(quiet, "good") == 1.0
        ends: list[End] = []
        case = [wire.encode({"x": 1.0})]
        thread = threading.Thread(
            target=lambda: ends.append(loud.ask("ask", {"path": "flood"}, case, seconds=2).end)
        )
        thread.start()
        for value in range(50):
            assert answer(quiet, "good", float(value)) == value
        thread.join(30)
        assert ends in ([End.PROTOCOL], [End.TIMED_OUT])
        assert answer(quiet, "good", 7.0) == 7.0


@needs_engine
def test_more_than_the_window_passes_both_ways(boxes: Callable[..., DockerSandbox]) -> None:
    numpy = pytest.importorskip("numpy")
    large = numpy.arange(1_500_000.0)  # 12 MB, three windows
    box = boxes(preload=("numpy",))
    assignment = session(box).assignment
    relaxed = type(assignment)(
        **{f: getattr(assignment, f) for f in assignment.__struct_fields__}
        | {"limits": Limits(output_mb=16)}
    )
    submission = Submission("s", "s", {"work.py": GOOD.encode()}, "0" * 64)
    with Session(box, relaxed, submission) as opened:
        reply = opened.ask("ask", {"path": "good"}, [wire.encode({"x": large})], seconds=10)
        assert reply.end is End.DONE
        assert (wire.decode(reply.answers[0]) == large).all()


CLOSES = """
import os, threading, time
def close(x):
    found = []
    def work():
        for place in ("/box/grader", "/box/grader/box/wire.py", *(f"/scratch/{n}/room" for n in range(16))):
            try:
                os.chmod(place, 0)
                found.append(place)
            except OSError: pass
            try:
                os.fchmod(os.open(place, os.O_RDONLY), 0)
                found.append(place)
            except OSError: pass
    def go_on():
        while True:
            work()
            time.sleep(0.001)
    work()
    threading.Thread(target=go_on, daemon=True).start()
    return found
"""


@needs_engine
def test_nobody_closes_the_folders_of_another(boxes: Callable[..., DockerSandbox]) -> None:
    """Workers of a container share a user, and landlock does not ask who changes a mode."""
    writes = "def write(x):\n    open('a', 'w').close()\n    return x\n"
    box = boxes(workers=3)
    with session(box, CLOSES) as hostile, session(box, writes) as beside:
        assert answer(beside, "write") == 1.0
        assert answer(hostile, "close") == []
        time.sleep(0.1)
        assert answer(beside, "write") == 1.0
        with session(box, writes) as later:
            assert answer(later, "write") == 1.0


TAKES = """
import threading, time, os
def threads(x):
    threading.stack_size(1 << 15)
    while True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
def files(x):
    number = 0
    while True:
        open(f"file-{number}", "w").close()
        number += 1
def folders(x):
    while True:
        os.mkdir("d")
        os.chdir("d")
"""
A_THREAD = """
import threading
def starts(x):
    found = []
    thread = threading.Thread(target=found.append, args=(x,))
    thread.start()
    thread.join()
    return found
"""


@needs_engine
@pytest.mark.parametrize("what", ["threads", "files", "folders"])
def test_what_a_container_has_for_all_is_not_taken_by_one(
    boxes: Callable[..., DockerSandbox], what: str
) -> None:
    box = boxes(workers=3)
    with session(box, TAKES) as greedy, session(box, A_THREAD) as beside:
        assert answer(beside, "starts") == [1.0]
        replies: list[Any] = []
        case = [wire.encode({"x": 1.0})]
        thread = threading.Thread(
            target=lambda: replies.append(greedy.ask("ask", {"path": what}, case, seconds=8))
        )
        thread.start()
        while thread.is_alive():
            assert answer(beside, "starts") == [1.0]
            with session(box, A_THREAD) as later:
                assert answer(later, "starts") == [1.0]
        (reply,) = replies
        assert reply.end is End.CRASHED
        assert re.search(r"ended for more than \d+ (threads|files)", reply.detail)


SPINS = """
import hashlib, threading, time
data = bytes(30 << 20)
def spin(x):
    def work():
        time.sleep(0.5)
        while True: hashlib.sha256(data).digest()  # without the interpreter's lock
    threading.stack_size(1 << 16)
    for _ in range(60): threading.Thread(target=work, daemon=True).start()
    return x
def compute(x):
    began = time.process_time()
    while time.process_time() - began < x: pass
    return x
"""


@needs_engine
def test_many_threads_take_no_more_time_from_others_than_one(
    boxes: Callable[..., DockerSandbox],
) -> None:
    box = boxes(cpus=1.0)
    with session(box, SPINS) as greedy, session(box, SPINS) as beside:
        assert answer(beside, "compute", 0.01) == 0.01
        assert answer(greedy, "spin") == 1.0
        time.sleep(0.7)
        began = time.monotonic()
        assert answer(beside, "compute", 0.3) == 0.3
        # Half of one processor, where 60 threads would leave a sixtieth.
        assert time.monotonic() - began < 6


# Losing


@needs_engine
def test_a_container_that_is_lost_is_our_fault_and_the_next_question_gets_another(
    boxes: Callable[..., DockerSandbox], client: Any
) -> None:
    box = boxes()
    slow = "import time\ndef slow(x):\n    while True: pass\n"
    with session(box, slow) as opened:
        assert answer(opened, "good") == 1.0
        (container,) = containers(client, box)
        threading.Timer(0.5, container.kill).start()
        with pytest.raises(SandboxLost, match="container"):
            opened.ask("ask", {"path": "slow"}, [wire.encode({"x": 1.0})], seconds=20)
        opened.close()
        assert answer(opened, "good", 3.0) == 3.0


@needs_engine
def test_a_container_that_stands_still_is_lost_and_holds_nobody_up(
    boxes: Callable[..., DockerSandbox], client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "STREAM_SECONDS", 1)
    monkeypatch.setattr(docker, "KILL_SECONDS", 1)
    box = boxes()
    with session(box) as opened:
        assert answer(opened, "good") == 1.0
        (container,) = containers(client, box)
        container.pause()
        lost: list[BaseException] = []

        def question() -> None:
            with pytest.raises(SandboxLost) as raised:
                opened.ask("ask", {"path": "good"}, [wire.encode({"x": bytes(8 << 20)})], seconds=2)
            lost.append(raised.value)

        thread = threading.Thread(target=question, daemon=True)
        thread.start()
        thread.join(20)
        container.unpause()
        assert len(lost) == 1
        opened.close()
        assert answer(opened, "good", 3.0) == 3.0


GRADER = """
import sys, time
from grader.model import Limits
from grader.sandbox.docker import DockerSandbox, own_labels, OWNER
box = DockerSandbox()
box.start(Limits())
print(own_labels()[OWNER], flush=True)
time.sleep(600)
"""


@needs_engine
def test_a_grader_that_was_killed_leaves_nothing_that_runs_and_the_next_one_tidies_up(
    client: Any,
) -> None:
    child = subprocess.Popen([sys.executable, "-c", GRADER], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    owner = child.stdout.readline().strip()
    assert len(containers(client, owner)) == 1
    assert reap(client) == []  # its owner lives
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    deadline = time.monotonic() + 10
    while containers(client, owner) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert containers(client, owner) == []
    reap(client)
    assert client.containers.list(all=True, filters={"label": f"{OWNER}={owner}"}) == []


@needs_engine
def test_an_engine_that_ignores_the_memory_limit_is_refused(
    boxes: Callable[..., DockerSandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = docker.options

    def without_memory(*args: Any) -> dict[str, Any]:
        found = original(*args)
        del found["mem_limit"], found["memswap_limit"]
        return found

    monkeypatch.setattr(docker, "options", without_memory)
    with pytest.raises(SandboxLost, match="container memory"):
        boxes().start(SMALL)


@pytest.fixture
def without_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    original = docker.options
    profile = (
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["landlock_create_ruleset"], '
        '"action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}'
    )

    def options(*args: Any) -> dict[str, Any]:
        found = original(*args)
        found["security_opt"] = ["no-new-privileges", f"seccomp={profile}"]
        return found

    monkeypatch.setattr(docker, "options", options)


@needs_docker
@pytest.mark.usefixtures("without_landlock")
def test_without_landlock_no_two_submissions_share_a_container(
    boxes: Callable[..., DockerSandbox], client: Any
) -> None:
    box = boxes()
    with session(box) as first, session(box) as second:
        assert answer(first, "good") == 1.0
        assert answer(second, "good") == 1.0
        assert "landlock" not in {wall.name for wall in box.walls() if wall.up}
        assert len(containers(client, box)) == 2


@needs_docker
@pytest.mark.usefixtures("without_landlock")
def test_nor_do_two_that_come_first_at_the_same_time(boxes: Callable[..., DockerSandbox]) -> None:
    box = boxes()
    together = threading.Barrier(3)
    started: list[Any] = []

    def start() -> None:
        together.wait()
        started.append(box.start(SMALL))

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 3
    shared = [p._container for p in started if p._container.served > 1]
    assert not shared


@needs_engine
def test_spares_are_ready_ahead(boxes: Callable[..., DockerSandbox]) -> None:
    box = boxes(spares=1)
    box.start(SMALL).kill()
    (kept,) = box._spares.ready
    assert kept[1].wait_until_ready()
    taken = box.start(SMALL)
    assert taken is kept[1]
    box.close()
    assert not taken.runs()


def test_without_an_engine_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/engine.sock")
    with pytest.raises(UsageError, match=r"no container engine answers.*grade doctor"):
        DockerSandbox().start(SMALL)
    works, why = DockerSandbox.available()
    assert not works
    assert "no container engine answers" in why


# The image


def test_an_image_is_named_by_what_is_in_it() -> None:
    plain = image.tag(image.wanted([]))
    assert plain == image.tag(image.wanted(["math", "numpy.linalg"]))
    assert plain != image.tag(image.wanted([], ["click"]))
    assert plain.startswith("backcheck-box:")
    assert set(image.distributions(["click"])) >= {"click"}
    with pytest.raises(UsageError, match="nonesuch, which is not installed"):
        image.tag(image.wanted([], ["nonesuch"]))


@needs_engine
def test_what_a_course_names_can_be_imported_and_nothing_else(
    boxes: Callable[..., DockerSandbox],
) -> None:
    code = """
        import importlib
        def can(x):
            try:
                importlib.import_module(x)
                return True
            except ImportError:
                return False
    """
    with session(boxes(), code) as opened:
        found = {name: answer(opened, "can", name) for name in
                 ("numpy", "typing_extensions", "decimal", "hypothesis", "click", "yaml", "docker",
                  "grader.judge", "grader.bank", "reference")}  # fmt: skip
    assert [name for name, can in found.items() if can] == ["numpy", "typing_extensions", "decimal"]


@needs_engine
def test_an_image_by_name_that_is_not_there_is_a_usage_error(
    boxes: Callable[..., DockerSandbox],
) -> None:
    with pytest.raises(UsageError, match="holds no image 'nobody/none:1'"):
        boxes(image="nobody/none:1").start(SMALL)


def test_a_tree_is_packed_to_the_same_bytes_each_time(tmp_path: Path) -> None:
    packed = []
    for turn in (1, 2):
        root = tmp_path / str(turn)
        for name in ("b/y", "a", "b/x") if turn == 1 else ("a", "b/x", "b/y"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
        file = tmp_path / f"{turn}.tar"
        with open(file, "wb") as out:
            image.pack(root, out)
        packed.append(file.read_bytes())
    assert packed[0] == packed[1]


# What comes out of a container is hostile input


@pytest.mark.parametrize("seed", range(20))
def test_a_stream_without_sense_loses_the_container_and_nothing_else(seed: int) -> None:
    draw = random.Random(seed)
    ours, theirs = socket.socketpair()
    container = docker._Container.__new__(docker._Container)
    container.processes, container.lock = {}, threading.Lock()
    container.lost, container.findings, container.stderr = "", {}, bytearray()
    container.hello, container.stream = threading.Event(), ours
    container.write_lock = threading.Lock()
    process = docker.DockerProcess(container, 1, 0)
    container.processes[1] = process
    kinds = range(12)
    bodies = [b"", b"{}", b"[]", b"null", b"[1]", b'{"ready": 3}', b'{"ready": [[1]]}', b"\xff" * 9,
              b'{"ended": {}}', draw.randbytes(50)]  # fmt: skip

    def frames() -> Iterator[bytes]:
        for _ in range(draw.randrange(1, 40)):
            body = porter.record(
                draw.choice(kinds), draw.choice([0, 1, 2**32 - 1]), draw.choice(bodies)
            )
            if draw.random() < 0.2:
                body = bytes(b ^ draw.choice([0, 0, 0, 255]) for b in body)
            yield (
                bytes([draw.choice([1, 1, 1, 2, 0, 77]), 0, 0, 0])
                + len(body).to_bytes(4, "big")
                + body
            )

    with theirs:
        theirs.sendall(b"".join(frames()) + draw.randbytes(draw.randrange(30)))
    container.read()
    assert container.lost
    assert not process.runs()
    ours.close()


def test_more_data_than_the_window_allows_loses_the_container() -> None:
    container: Any = None
    process = docker.DockerProcess(container, 1, 0)
    for _ in range(porter.WINDOW // 4096):
        process.on_data(b"x" * 4096)
    with pytest.raises(ValueError, match="more data"):
        process.on_data(b"x")


# The porter


def test_records_are_taken_apart_however_they_arrive() -> None:
    sent = [
        (porter.DATA, 7, b"abc"),
        (porter.CLOSED, 7, b""),
        (porter.START, 2**32 - 1, b"x" * 5000),
    ]
    stream = b"".join(porter.record(*one) for one in sent)
    for size in (1, 3, 4096, len(stream)):
        buffer, found = bytearray(), []
        for at in range(0, len(stream), size):
            buffer += stream[at : at + size]
            found += porter.records(buffer)
        assert found == sent
        assert not buffer
    with pytest.raises(ValueError, match="a record of"):
        porter.records(bytearray(porter.RECORD.pack(1, 1, porter.LARGEST + 1)))


def test_a_folder_is_emptied_however_deep_or_closed(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    here = os.getcwd()
    os.chdir(room)
    try:
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
        (Path() / "file").touch()
    finally:
        os.chdir(here)
    shut = room / "shut" / "inner"
    shut.mkdir(parents=True)
    (shut / "file").touch()
    (room / "link").symlink_to("/etc")
    shut.chmod(0)
    shut.parent.chmod(0)
    porter.empty(str(room))
    assert list(room.iterdir()) == []
    assert Path("/etc").is_dir()
