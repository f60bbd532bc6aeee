"""One list of properties for every box that works here, over the real worker and real processes.

A new kind of sandbox joins by one line in `BOXES`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from grader.box import wire
from grader.box.wire import Opaque, Raised
from grader.model import Assignment, Limits, Submission, Task
from grader.sandbox import KILLED, Sandbox
from grader.sandbox.choose import docker_available
from grader.sandbox.docker import OWNER, DockerSandbox, connect, own_labels
from grader.sandbox.jail import Jail
from grader.sandbox.process import ProcessSandbox
from grader.sandbox.session import End, Reply, Session

BOXES: dict[str, Callable[[], Sandbox]] = {
    "process": ProcessSandbox,
    "jail": Jail,
    "docker": DockerSandbox,
}
WORKS = {"process": (True, ""), "jail": Jail.available(), "docker": docker_available()}

QUESTIONS = """
def ask(subject, path, x):
    "What a function gives for a number or anything else"
    return subject.call(path, x)
"""
GOOD = "def good(x): return x\n"


@pytest.fixture(scope="module", params=list(BOXES))
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    works, why = WORKS[request.param]
    if not works:
        pytest.skip(why)
    sandbox = BOXES[request.param]()
    yield sandbox
    sandbox.close()


def session(box: Sandbox, code: str, **limits: Any) -> Session:
    """A session for a submission of one file, with small limits."""
    small: dict[str, Any] = {
        "check_seconds": 1,
        "import_seconds": 2,
        "run_seconds": 30,
        "wall_factor": 2,
        "memory_mb": 256,
        "output_mb": 1,
    }
    assignment = Assignment(
        name="m",
        title="M",
        binding="functions",
        expects=("work",),
        tasks=(Task("1", "T", 1.0),),
        checks=(),
        questions=QUESTIONS,
        limits=Limits(**(small | limits)),
    )
    text = GOOD + textwrap.dedent(code)
    return Session(box, assignment, Submission("s", "s", {"work.py": text.encode()}, "0" * 64))


def ask(open_session: Session, path: str, *values: Any, seconds: float = 1.0) -> Reply:
    cases = [wire.encode({"x": value}) for value in values or (1.0,)]
    return open_session.ask("ask", {"path": path}, cases, seconds=seconds)


def answers(open_session: Session, path: str, *values: Any, seconds: float = 1.0) -> list[Any]:
    reply = ask(open_session, path, *values, seconds=seconds)
    assert reply.end is End.DONE, reply
    return [wire.decode(frame) for frame in reply.answers]


def still_serves(open_session: Session) -> bool:
    """Whether the next question is answered, by this worker or by the one that takes its place."""
    return answers(open_session, "good", 5.0, 6.0) == [5.0, 6.0]


def ours() -> set[int]:
    """The processes that this one has started, those of this test session's other boxes included; of
    containers too, which the engine starts in our name."""
    own = {
        child.pid
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE
    }
    return own | (contained() if WORKS["docker"][0] else set())


def contained() -> set[int]:
    """The processes in containers of this process, by the engine's own word."""
    client = connect()
    try:
        mine = own_labels()[OWNER]
        found: set[int] = set()
        for container in client.containers.list(filters={"label": f"{OWNER}={mine}"}):
            with contextlib.suppress(Exception):  # it may end while it is asked
                column = "hpid" if "Podman" in WORKS["docker"][1] else "-o pid"
                found |= {int(row[0]) for row in container.top(ps_args=column)["Processes"]}
        return found
    finally:
        client.close()


def runs(pid: int) -> bool:
    """Whether there is such a process that does not only wait to be reaped."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# Answers


def test_answers_come_back_in_order_and_bit_by_bit(box: Sandbox) -> None:
    with session(box, "") as opened:
        values = [0.1, -0.0, [1.0, [2.0, None]], {"a": True}, "text", 2**70]
        found = answers(opened, "good", *values)
        assert [wire.encode(v) for v in found] == [wire.encode(v) for v in values[:-1]] + [
            wire.encode(float(2**70))
        ]
        (array,) = answers(opened, "good", np.arange(6.0).reshape(2, 3))
        assert array.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_many_cases_are_one_question(box: Sandbox) -> None:
    with session(box, "") as opened:
        values = [float(n) for n in range(3000)]
        assert answers(opened, "good", *values) == values


def test_what_cannot_travel_comes_back_as_the_name_of_its_type(box: Sandbox) -> None:
    with session(box, "class Thing: pass\ndef thing(x): return [Thing(), {1}, 1j]") as opened:
        assert answers(opened, "thing") == [[Opaque("Thing"), Opaque("set"), Opaque("complex")]]


def test_an_exception_is_an_answer_and_the_next_case_is_asked(box: Sandbox) -> None:
    code = "def odd(x):\n    if x % 2: raise ValueError('odd')\n    return x"
    with session(box, code) as opened:
        even, odd, again = answers(opened, "odd", 2.0, 3.0, 4.0)
        assert (even, again) == (2.0, 4.0)
        assert odd == Raised("ValueError", "odd", ("work.py:3 in odd",), "error")


def test_what_is_printed_disturbs_nothing(box: Sandbox) -> None:
    code = """
        import os, sys
        def noisy(x):
            print("x" * 10_000)
            sys.stderr.write("y" * 10_000)
            for fd in (1, 2):
                os.write(fd, b"\\0" * 1000)
            assert sys.stdin.read() == ""
            assert os.read(0, 10) == b""
            return x
    """
    with session(box, code) as opened:
        assert answers(opened, "noisy", *range(30)) == [float(n) for n in range(30)]


def test_the_worker_knows_nothing_of_the_world_outside(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADE_SECRET", "the answers")
    code = """
        import os, sys
        def seen(x):
            return " ".join([*os.environ, *os.environ.values(), *sys.argv, *sys.path])
        def loaded(x):
            return [name for name in sys.modules if name.split(".")[0] in ("hypothesis", "reference", "yaml")]
        def ours(x):
            return [name for name in sys.modules if name.startswith("grader.") and not name.startswith("grader.box")]
    """
    with session(box, code) as opened:
        assert "SECRET" not in answers(opened, "seen")[0]
        assert answers(opened, "loaded") == [[]]
        assert answers(opened, "ours") == [[]]


# Ends


ENDS = {
    "exit": ("import os\ndef end(x): os._exit(7)", "exit status 7"),
    "segfault": ("import ctypes\ndef end(x): ctypes.string_at(0)", "SIGSEGV"),
    "abort": ("import os\ndef end(x): os.abort()", "killed by SIG"),
    "kill": ("import os\ndef end(x): os.kill(os.getpid(), 9)\n", ""),
    "close": ("import os\ndef end(x): os.closerange(0, 100)", ""),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_process_that_ends_is_a_value_and_gets_a_successor(box: Sandbox, how: str) -> None:
    code, said = ENDS[how]
    with session(box, code) as opened:
        reply = ask(opened, "end", 1.0, 2.0)
        if how == "kill" and reply.end is End.DONE:
            # The first process of its own pid namespace cannot even kill itself.
            assert box.protects
        else:
            assert reply.end is End.CRASHED
            assert reply.answers == []
            assert said in reply.detail
        assert still_serves(opened)


@pytest.mark.parametrize("when", ["while it imports", "before its first answer"])
def test_a_worker_that_is_killed_from_outside_costs_nothing(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    start, started = box.start, []

    def kill(process: Any) -> None:
        process.kill()
        process.ending = lambda: KILLED

    def killed_once(limits: Limits) -> Any:
        started.append(start(limits))
        if len(started) == 1 and when == "while it imports":
            kill(started[0])
        return started[-1]

    monkeypatch.setattr(box, "start", killed_once)
    with session(box, "") as opened:
        assert opened.open().end is End.DONE
        if when == "before its first answer":
            kill(started[0])
        assert still_serves(opened)
        assert len(started) == 2


def test_answers_given_before_the_end_are_kept(box: Sandbox) -> None:
    code = """
        import os, time
        def later(x):
            if x == 3: os._exit(1)
            time.sleep(0.02)
            return x
    """
    with session(box, code) as opened:
        reply = ask(opened, "later", 1.0, 2.0, 3.0, 4.0)
        assert reply.end is End.CRASHED
        assert [wire.decode(a) for a in reply.answers] in ([1.0], [1.0, 2.0])


def test_a_worker_that_ends_between_two_questions_costs_no_waiting(box: Sandbox) -> None:
    code = """
        import os, threading
        def timed(x):
            threading.Timer(0.05, os._exit, [0]).start()
            return x
    """
    with session(box, code) as opened:
        assert answers(opened, "timed", 1.0) == [1.0]
        time.sleep(0.3)
        began = time.monotonic()
        ask(opened, "good")
        assert time.monotonic() - began < 5
        assert still_serves(opened)


def test_a_worker_that_has_closed_its_ears_is_not_talked_to_for_long(box: Sandbox) -> None:
    body = "os._exit = lambda code: time.sleep(60)\nos.close(channel()[0].read_fd)"
    with attacked(box, body) as opened:
        # Where both directions are one socket, its own answer is lost as well.
        assert ask(opened, "attack", 1.0).end in (End.DONE, End.CRASHED, End.IDLE)
        began = time.monotonic()
        assert ask(opened, "good").end in (End.DONE, End.CRASHED, End.IDLE)
        assert time.monotonic() - began < 10
        assert still_serves(opened)


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("def end(x):\n    while True: pass", {End.DONE, End.TIMED_OUT}),
        (
            "def end(x):\n    while True:\n        try:\n            while True: pass\n"
            "        except BaseException: pass",
            {End.DONE, End.TIMED_OUT},
        ),
        ("def end(x): return 9 ** 9 ** 9", {End.DONE, End.TIMED_OUT}),
        ("import re\ndef end(x): return re.match('(a+)+$', 'a' * 50 + 'b')", {End.DONE, End.TIMED_OUT}),
        ("import time\ndef end(x): time.sleep(1000)", {End.IDLE}),
        ("import threading\ndef end(x): threading.Event().wait()", {End.IDLE}),
    ],
    ids=["loop", "stubborn loop", "power", "regex", "sleep", "wait"],
)  # fmt: skip
def test_what_does_not_end_is_ended(box: Sandbox, code: str, ends: set[End]) -> None:
    with session(box, code) as opened:
        began = time.monotonic()
        reply = ask(opened, "end", seconds=0.3)
        assert time.monotonic() - began < 15
        assert reply.end in ends
        if reply.end is End.DONE:
            assert wire.decode(reply.answers[-1]).kind == "timeout"
        else:
            assert reply.detail
        assert still_serves(opened)


def test_seconds_of_waiting_and_of_computing_are_counted(box: Sandbox) -> None:
    with session(box, "def end(x):\n    while True: pass") as opened:
        opened.open()
        before = opened.used_seconds
        ask(opened, "end", seconds=0.4)
        assert opened.used_seconds - before > 0.3


def test_waiting_in_short_steps_is_waiting_too(box: Sandbox) -> None:
    """Else a submission that used no processor time to speak of could be graded for an hour."""
    code = """
        import time
        def end(x):
            while True:
                time.sleep(0.2)
                began = time.process_time()
                while time.process_time() - began < 0.01: pass
    """
    with session(box, code) as opened:
        opened.open()
        before = opened.used_seconds
        assert ask(opened, "end", seconds=0.3).end is End.IDLE
        assert opened.used_seconds - before > 3


def test_a_worker_that_works_does_not_wait(box: Sandbox) -> None:
    code = """
        import time
        def work(x):
            began = time.process_time()
            while time.process_time() - began < 0.05: pass
            return x
    """
    with session(box, code) as opened:
        opened.open()
        before = opened.used_seconds
        for _ in range(10):
            assert answers(opened, "work", 1.0, 2.0) == [1.0, 2.0]
        assert 0.8 < opened.used_seconds - before < 2


# Memory and size


def test_the_memory_limit_bites(box: Sandbox) -> None:
    code = """
        def at_once(x): return len(bytearray(1 << 30))
        def slowly(x):
            hoard = []
            while True: hoard.append(bytearray(1 << 20))
    """
    with session(box, code, check_seconds=5) as opened:
        for path in ("at_once", "slowly"):
            reply = ask(opened, path, seconds=5)
            if reply.end is End.DONE:
                assert wire.decode(reply.answers[0]).type == "MemoryError"
            else:
                assert reply.end in (End.CRASHED, End.TIMED_OUT)
            assert still_serves(opened)


def test_a_huge_answer_is_refused(box: Sandbox) -> None:
    code = """
        def text(x): return ["x" * 10_000] * 500
        def numbers(x): return [0.5] * 1_000_000
        def raw(x): return bytearray(4 << 20)
        def fits(x): return [0.5] * 1000
    """
    with session(box, code) as opened:
        for path in ("text", "numbers", "raw"):
            (refused,) = answers(opened, path)
            assert refused.type == "AnswerTooLarge"
        assert answers(opened, "fits") == [[0.5] * 1000]


def test_a_deep_answer_is_refused(box: Sandbox) -> None:
    code = """
        def deep(x):
            tree = []
            for _ in range(100_000): tree = [tree]
            return tree
        def loop(x):
            tree = []
            tree.append(tree)
            return tree
    """
    with session(box, code) as opened:
        for path in ("deep", "loop"):
            (refused,) = answers(opened, path)
            assert isinstance(refused, Raised)
        assert still_serves(opened)


# Frames that are forged. `channel` is what an attacker finds in its own process: the worker's frame.


CHANNEL = """
import gc, json, os, struct, sys, threading, time
def channel():
    step = sys._getframe()
    while step is not None:
        if "message" in step.f_locals and "self" in step.f_locals:
            return step.f_locals["self"].channel, step.f_locals["message"]["id"]
        step = step.f_back
    raise LookupError
def frame(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">IQ", len(text), len(body)) + text + body
def part(identity, first, answers, done):
    blobs = [frame(a) for a in answers]
    places, at = [], 0
    for blob in blobs:
        places.append({"b": [at, len(blob)]})
        at += len(blob)
    return frame({"d": {"id": identity, "first": first, "answers": places, "done": done, "cpu": 0.0}}, b"".join(blobs))
def everywhere(data):
    for fd in range(64):
        try:
            os.set_blocking(fd, False)
            os.write(fd, data)
        except OSError:
            pass
def put(data):
    fd = channel()[0].write_fd
    while data:
        data = data[os.write(fd, data):]
"""


def attacked(box: Sandbox, body: str) -> Session:
    code = CHANNEL + "def attack(x):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return session(box, code + "\n    return x\n")


FORGED = {
    "bytes without sense": "everywhere(b'\\xff' * 5000)",
    "a head that claims gigabytes": "everywhere(struct.pack('>IQ', 2**32 - 1, 2**63))",
    "a message of another question": "put(part(12345, 0, [1.0, 1.0], True))",
    "a message without an id": "put(frame({'d': {'answers': [], 'done': True}}))",
    "a list": "put(frame([1, 2]))",
    "an id that is an array": "put(frame({'d': {'id': {'a': ['<i8', [2], 0]}, 'done': True}}, bytes(16)))",
    "a place that is an array": "put(frame({'d': {'id': channel()[1], 'first': {'a': ['<i8', [2], 0]}, 'answers': [], 'done': True}}, bytes(16)))",
    "answers out of order": "put(part(channel()[1], 7, [1.0, 1.0], True))",
    "more answers than cases": "put(part(channel()[1], 0, [1.0] * 50, True))",
    "answers that are none": "put(frame({'d': {'id': channel()[1], 'first': 0, 'answers': 3, 'done': True}}))",
    "an array that claims too much": "put(frame({'d': {'id': channel()[1], 'x': {'a': ['<f8', [0, 2**39, 2**39], 0]}}}))",
    "too many frames": "\nfor _ in range(5000): put(part(channel()[1], 0, [], False))",
    "too many bytes": "\nfor _ in range(5000): put(frame({'d': {'id': channel()[1], 'pad': 'x' * 9000}}))",
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_frame_ends_the_exchange_as_a_value(box: Sandbox, what: str) -> None:
    with attacked(box, FORGED[what]) as opened:
        reply = ask(opened, "attack", 1.0, 2.0)
        assert reply.end in (End.PROTOCOL, End.CRASHED, End.TIMED_OUT, End.IDLE)
        assert reply.detail
        assert still_serves(opened)


def test_a_reply_forged_in_full_is_only_an_answer(box: Sandbox) -> None:
    body = "put(part(channel()[1], 0, [99.0, 99.0], True)); time.sleep(100)"
    with attacked(box, body) as opened:
        reply = ask(opened, "attack", 1.0, 2.0)
        assert [wire.decode(a) for a in reply.answers] in ([99.0, 99.0], [])
        # What is left of the forgery is no answer to the next question either.
        for _ in range(3):
            found = ask(opened, "good", 5.0)
            assert [wire.decode(a) for a in found.answers] in ([5.0], [])
        assert still_serves(opened)


def test_a_frame_that_comes_a_byte_at_a_time_is_not_waited_for_for_ever(box: Sandbox) -> None:
    body = """
        os.write(channel()[0].write_fd, struct.pack(">IQ", 1000, 500_000))
        while True:
            os.write(channel()[0].write_fd, b"x")
            time.sleep(0.01)
    """
    with attacked(box, body) as opened:
        began = time.monotonic()
        reply = ask(opened, "attack", seconds=0.2)
        assert reply.end in (End.TIMED_OUT, End.IDLE)
        assert time.monotonic() - began < 15


def test_a_forged_reply_to_open_carries_no_control_characters(box: Sandbox) -> None:
    code = """
        put(frame({"d": {"id": channel()[1], "modules": [], "notes": ["\\x1b[2Jnote" * 1000] * 100,
            "failures": {"d": {"\\x1b[2Jname": {"r": ["E\\x1b", "m\\x1b", ["w\\x1b"], "error"]}}}}}))
    """
    with session(box, CHANNEL + textwrap.dedent(code)) as opened:
        result = opened.open()
        text = repr(result.notes) + "".join(result.failures)
        text += "".join(f.type + f.message + "".join(f.where) for f in result.failures.values())
        assert "\x1b" not in "".join(result.notes) + text
        assert len(text) < 20_000


def test_a_reply_to_open_whose_notes_are_no_list_is_a_value(box: Sandbox) -> None:
    code = """
        put(frame({"d": {"id": channel()[1], "failures": {"d": {}}, "notes": {"a": ["<f8", [], 0]}}}, bytes(8)))
    """
    with session(box, CHANNEL + textwrap.dedent(code)) as opened:
        assert opened.open().end is End.PROTOCOL


# What is left behind


LEFT = {
    "a reply too many": "put(part(channel()[1], 0, [x], True))",
    "a timer that ends the process": "threading.Timer(0.05, os._exit, [0]).start()",
    "a thread that takes the next question": "threading.Thread(target=os.read, args=(channel()[0].read_fd, 9999), daemon=True).start()",
}


@pytest.mark.parametrize("what", LEFT)
def test_what_one_question_leaves_behind_does_not_cost_the_next_one(
    box: Sandbox, what: str
) -> None:
    with attacked(box, LEFT[what]) as opened:
        ask(opened, "attack")
        if "timer" in what:
            time.sleep(0.1)
        assert answers(opened, "good", 5.0, 6.0) == [5.0, 6.0]


def test_a_question_that_ends_the_process_is_asked_twice_at_most(box: Sandbox) -> None:
    code = """
        import os
        def end(x): os._exit(3)
    """
    with session(box, code) as opened:
        opened.open()
        started = []
        start = box.start
        opened.sandbox = type(
            "Counting", (), {"start": lambda self, limits: started.append(1) or start(limits)}
        )()
        ask(opened, "good")
        assert ask(opened, "end").end is End.CRASHED
        assert len(started) == 1
        assert ask(opened, "end").end is End.CRASHED
        assert len(started) == 2


def test_a_thread_that_is_left_behind_ends_with_its_worker(box: Sandbox) -> None:
    code = """
        import threading, time
        def forever():
            while True: time.sleep(0.01)
        def leave(x):
            threading.Thread(target=forever).start()
            return x
    """
    with session(box, code) as opened:
        assert answers(opened, "leave", 1.0, 2.0) == [1.0, 2.0]
        assert still_serves(opened)
        before = ours()
    assert len(ours()) < len(before)


def test_child_processes_do_not_outlive_their_worker(box: Sandbox) -> None:
    # What forks twice and takes a session of its own leaves the tree of a box that does not protect; a
    # test that did so would leave it on this machine for ever.
    code = """
        import os, time
        def breed(x):
            made = []
            for alone in (False, True):
                try:
                    child = os.fork()
                except OSError:
                    return []
                if not child:
                    if alone: os.setsid()
                    os.fork()
                    while True: time.sleep(1)
                made.append(child)
            time.sleep(0.2)
            return made
    """
    before = ours()
    with session(box, code) as opened:
        (children,) = answers(opened, "breed")
        if not children:
            assert box.protects
            return
        assert len(ours() - before) >= 5
    deadline = time.monotonic() + 5
    while ours() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not ours() - before
    assert not [pid for pid in children if runs(int(pid))]


def test_files_of_one_worker_are_gone_for_the_next(box: Sandbox) -> None:
    code = """
        import os
        def litter(x):
            open("left.txt", "w").write("x")
            return os.listdir()
        def found(x): return os.listdir()
        def end(x): os._exit(0)
    """
    with session(box, code) as opened:
        assert "left.txt" in answers(opened, "litter")[0]
        ask(opened, "end")
        assert "left.txt" not in answers(opened, "found")[0]


def test_a_scratch_that_is_hard_to_remove_is_removed(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = """
        import os
        def dig(x):
            for _ in range(1500):
                os.mkdir("d")
                os.chdir("d")
            os.mkdir("shut", 0)
            for place in (".", os.path.expanduser("~")):
                try:
                    os.chmod(place, 0)
                except PermissionError:
                    pass  # where there is a filter of system calls, no mode can be changed
            return x
    """
    for _ in range(2):
        with session(box, code) as opened:
            ask(opened, "dig")
        assert os.listdir(tmp_path) == []
        with session(box, "") as opened:
            assert still_serves(opened)


@pytest.mark.parametrize("kind", list(BOXES))
def test_close_leaves_no_process_and_no_folder_and_may_come_twice(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    works, why = WORKS[kind]
    if not works:
        pytest.skip(why)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        before = ours()
        sandbox = BOXES[kind]()
        sessions = [session(sandbox, "") for _ in range(3)]
        for opened in sessions:
            assert still_serves(opened)
        assert ours() - before
        sessions[0].close()
        sessions[0].close()
        process = sessions[1].process
        assert process is not None
        process.kill()
        process.kill()
        assert process.usage() is None
        sandbox.close()
        sandbox.close()
        deadline = time.monotonic() + 5
        while ours() - before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not ours() - before
        assert [p.name for p in Path(folder).iterdir()] == []
        monkeypatch.undo()


def test_two_sessions_at_once_do_not_mix(box: Sandbox) -> None:
    state = "seen = []\ndef add(x):\n    seen.append(x)\n    return [WHO, *seen]\n"
    with contextlib.ExitStack() as stack:
        first, second = (
            stack.enter_context(session(box, f"WHO = {who}\n{state}")) for who in (1, 2)
        )
        assert answers(first, "add", 10.0) == [[1, 10.0]]
        assert answers(second, "add", 20.0) == [[2, 20.0]]
        assert answers(first, "add", 11.0) == [[1, 10.0, 11.0]]
        first.close()
        assert answers(second, "add", 21.0) == [[2, 20.0, 21.0]]
        assert answers(first, "add", 12.0) == [[1, 12.0]]


# Walls


def test_the_walls_are_named_and_what_is_said_of_them_is_true(box: Sandbox) -> None:
    walls = box.walls()
    names = [wall.name for wall in walls]
    assert len(names) == len(set(names)) > 3
    assert all(type(wall.up) is bool for wall in walls)
    up = {wall.name for wall in walls if wall.up}
    code = """
        import os, socket
        def reads(x):
            try: return open("/etc/passwd").read() != ""
            except OSError: return False
        def lists(x):
            try: return os.listdir("/") != []
            except OSError: return False
        def connects(x):
            try:
                socket.socket(socket.AF_INET).close()
                return True
            except OSError: return False
    """
    with session(box, code) as opened:
        can_read = any(answers(opened, "reads") + answers(opened, "lists"))
        can_connect = bool(answers(opened, "connects")[0])
    assert can_read is not box.protects
    if can_read:
        assert not up & {"file system", "landlock", "mount ns"}
    if can_connect:
        assert not up & {"network", "seccomp"}


@pytest.mark.skipif(sys.platform != "linux", reason="ptrace(2) as Linux has it")
def test_nobody_holds_the_grader_by_tracing_it(box: Sandbox) -> None:
    if not box.protects and os.geteuid() != 0:
        pytest.skip("only root has a right that its worker can be without")
    code = """
        import ctypes, os
        def trace(x):
            libc = ctypes.CDLL(None, use_errno=True)
            others = {os.getppid(), 1} - {0, os.getpid()}
            return [libc.ptrace(how, pid, None, None) for pid in others for how in (0x4206, 0x4207)].count(0)
    """
    with session(box, code) as opened:
        assert answers(opened, "trace") == [0]
        assert still_serves(opened)
