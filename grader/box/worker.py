"""The worker: takes a submission and questions over the wire, answers with plain values, knows nothing else.

It never judges, and it never holds an expected answer: whatever the student's code does to this process
can change answers only. Four messages come in (`open`, `ask`, `watch`, `bye`), each with an id that every
reply repeats. A long `ask` is answered in several parts, so that a case that never ends costs its own answer
and not those before it.
"""

from __future__ import annotations

import builtins
import importlib
import os
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

from grader.box import imports, modes, wire
from grader.box.faults import Blocked, InputMutated, Missing, TimeLimit
from grader.box.notebook import relative
from grader.box.watch import Watch
from grader.box.wire import Raised, WireError, clean, type_name

FLUSH_SECONDS = 0.005
PLAIN = frozenset({float, int, str, bool, type(None)})
BINDINGS = {
    "functions": "grader.box.bindings.functions",
    "minitorch": "grader.box.bindings.minitorch",
    "minitorch_modules": "grader.box.bindings.minitorch_modules",
    "minitorch_fast": "grader.box.bindings.minitorch_fast",
    "minitorch_cuda": "grader.box.bindings.minitorch_cuda",
    "minitorch_nets": "grader.box.bindings.minitorch_nets",
}


class Clock:
    """A limit on this process' processor time that interrupts Python code where it is.

    It runs from `start` to `stop`, but rings only while `armed`: student code is interrupted, ours never.
    The grader holds a second, harder limit outside; this one exists to say *where* the time went.
    """

    def __init__(self) -> None:
        self.armed = False
        self.usable = hasattr(signal, "setitimer")
        if self.usable:
            signal.signal(signal.SIGPROF, self._ring)

    def _ring(self, number: int, frame: Any) -> None:
        if self.armed:
            raise TimeLimit

    def start(self, seconds: float) -> None:
        if self.usable:
            # Rings again and again: a bare `except:` in a loop swallows the first one only.
            signal.setitimer(signal.ITIMER_PROF, max(seconds, 0.01), 0.05)

    def stop(self) -> None:
        if self.usable:
            signal.setitimer(signal.ITIMER_PROF, 0)


class Channel:
    """Whole frames over two file descriptors."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self.read_fd = read_fd
        self.write_fd = write_fd

    def _exactly(self, count: int) -> bytes | None:
        parts: list[bytes] = []
        while count:
            part = os.read(self.read_fd, min(count, 1 << 20))
            if not part:
                return None
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def receive(self) -> Any:
        """The next message, or None when the grader has hung up."""
        head = self._exactly(wire.HEAD.size)
        if head is None:
            return None
        header, body = wire.HEAD.unpack(head)
        rest = self._exactly(header + body)
        return None if rest is None else wire.decode(head + rest)

    def send(self, message: Any) -> None:
        view = memoryview(wire.encode(message))
        while view:
            view = view[os.write(self.write_fd, view) :]


KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (TimeLimit, "timeout"),
    (NotImplementedError, "unimplemented"),
    (Missing, "missing"),
    (Blocked, "blocked"),
    (InputMutated, "mutated"),
)


def describe(error: BaseException, root: str) -> Raised:
    """An exception as plain text. The student's `__str__` may lie, raise or be huge: it runs here, in
    the box, and only a cut text leaves. All else is read by the base classes' own means."""
    family = type(error)
    kind = next((word for base, word in KINDS if issubclass(family, base)), "error")
    message = "the time limit was reached" if kind == "timeout" else said(error)
    where = tuple(locations(error, root))
    return Raised(clean(type_name(family), 100), clean(message, 1000), where, kind)


def said(error: BaseException) -> str:
    """What an exception says, as exactly `str`."""
    syntax = issubclass(type(error), SyntaxError)
    try:
        text = SyntaxError.__dict__["msg"].__get__(error) if syntax else error
        return str.__str__(str(text))
    except BaseException:
        return "(its message cannot be shown: __str__ raises)"


def summary(raised: Raised) -> str:
    """One line for an exception: `SyntaxError at scalar.py:12: invalid syntax (line 12)`."""
    at = f" at {raised.where[0].removesuffix(' in <module>')}" if raised.where else ""
    said = raised.message.splitlines()[:1]
    return f"{raised.type}{at}" + (f": {said[0]}" if said else "")


def locations(error: BaseException, root: str) -> list[str]:
    """`file.py:12 in forward`, innermost first, for the frames that are the student's own."""
    found: list[str] = []
    prefix = root + os.sep
    if issubclass(type(error), SyntaxError):
        file, line = (SyntaxError.__dict__[name].__get__(error) for name in ("filename", "lineno"))
        if type(file) is str and type(line) is int and file.startswith(prefix):
            found.append(relative(root, file, line))
    step = BaseException.__dict__["__traceback__"].__get__(error)
    frames: list[str] = []
    while step is not None and len(frames) < 2000:
        code = step.tb_frame.f_code
        file, name = str.__str__(code.co_filename), str.__str__(code.co_name)
        if file.startswith(prefix):
            frames.append(f"{relative(root, file, step.tb_lineno)} in {name}")
        step = step.tb_next
    found += frames[::-1]
    return [clean(line, 300) for line in found[:8]]


class Worker:
    """The state of one box: the imported submission, the questions, and the limit that is running."""

    def __init__(self, channel: Channel, scratch: str) -> None:
        self.channel = channel
        self.scratch = scratch
        self.root = os.path.join(scratch, "submission")
        self.clock = Clock()
        self.subject: Any = None
        self.questions: dict[str, Any] = {}
        self.output_bytes = 16 << 20

    def guarded(self, action: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """What `action` returns, or the Raised of what it raised, be it SystemExit or a time limit."""
        clock = self.clock
        try:
            try:
                clock.armed = True
                return action(*args, **options)
            finally:
                clock.armed = False
        except BaseException as error:
            clock.armed = False
            return describe(error, self.root)

    def open(self, message: dict[str, Any]) -> dict[str, Any]:
        """Writes the submission into the scratch folder, imports it, loads the questions."""
        self.output_bytes = message["output_bytes"]
        for path, data in message["files"].items():
            target = os.path.join(self.root, *path.split("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(data)
        os.makedirs(self.root, exist_ok=True)
        for name in message["preload"]:
            importlib.import_module(name)
        modes.prepare(message["mode"])
        binding = importlib.import_module(BINDINGS[message["binding"]])
        package = imports.Package(self.root, message["expects"])
        package.describe = lambda error: (
            str(error) if isinstance(error, Blocked) else summary(describe(error, self.root))
        )
        self.clock.start(message["import_seconds"])
        failure = self.guarded(package.load)
        self.clock.stop()
        failures = {name: describe(error, self.root) for name, error in package.failures.items()}
        if isinstance(failure, Raised):
            failures.setdefault(message["expects"][0], failure)
            for name in message["expects"]:
                package.failures.setdefault(name, Blocked(summary(failure)))
        self.subject = binding.bind(package)
        self.subject.mode = message["mode"]
        namespace: dict[str, Any] = {"__name__": "questions", "__builtins__": builtins}
        exec(compile(message["questions"], "questions.py", "exec"), namespace)
        self.questions = namespace
        return {
            "failures": failures,
            "notes": package.notes,
            "refused": getattr(self.subject, "refused", ""),
        }

    def ask(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answers to all cases, in parts. `cases` are frames of their own, decoded one by one, so
        that no case can reach another one's arrays."""
        question = self.questions[message["question"]]
        given = message["given"]
        answers: list[bytes] = []
        first = 0
        last_flush = time.monotonic()
        began = time.process_time()
        seconds, compiling = float(message["seconds"]), float(message["compile_seconds"])
        self.clock.start(seconds + compiling)
        for number, frame in enumerate(message["cases"]):
            if number == 1 and compiling:
                # What the first case has left of its allowance is not for the others, and the grader is
                # told at once that it is done.
                if answers:
                    yield self.part(first, answers, began)
                    first, answers, last_flush = number, [], time.monotonic()
                beyond = time.process_time() - began - compiling
                self.clock.start(seconds - max(beyond, 0.0))
            if answers and time.monotonic() - last_flush > FLUSH_SECONDS:
                yield self.part(first, answers, began)
                first, answers, last_flush = number, [], time.monotonic()
            inputs = wire.decode(frame)
            before = kept(inputs)
            answer = self.guarded(question, self.subject, **given, **inputs)
            answers.append(self.encoded(answer, before, inputs))
            if type(answer) is Raised:
                final = answer.kind in ("timeout", "missing", "unimplemented", "blocked")
                if final and (number == 0 or answer.kind == "timeout"):
                    break
        self.clock.stop()
        yield self.part(first, answers, began) | {"done": True}

    def watch(self, message: dict[str, Any]) -> dict[str, Any]:
        """A few cases of several questions again, those marked under a profile: what ran, the answers, and
        which of the modules that are asked about are loaded."""
        told = []
        self.clock.start(float(message["seconds"]))
        for ask in message["asks"]:
            question = self.questions[ask["question"]]
            watch = Watch(self.root)
            answers = []
            for number, frame in enumerate(ask["cases"]):
                inputs = wire.decode(frame)
                before = kept(inputs)
                if number < ask["watched"]:
                    watch.begin()
                answer = self.guarded(question, self.subject, **ask["given"], **inputs)
                watch.end()
                answers.append(self.encoded(answer, before, inputs))
            told.append(watch.told() | {"answers": answers})
        self.clock.stop()
        # A stand-in for a library that is not installed cannot compute anything.
        loaded = [
            name
            for name in message["modules"]
            if name in sys.modules and not imports.stands_in(sys.modules[name])
        ]
        return {"told": told, "loaded": loaded, "done": True}

    def part(self, first: int, answers: list[bytes], began: float) -> dict[str, Any]:
        return {"first": first, "answers": answers, "cpu": time.process_time() - began}

    def encoded(self, answer: Any, before: dict[str, Any], inputs: dict[str, Any]) -> bytes:
        """The answer's frame; a Raised in its place when it cannot travel or an input was changed."""
        try:
            if type(answer) is not Raised and (after := kept(inputs)) != before:
                changed = [name for name, value in before.items() if after[name] != value]
                answer = Raised("InputMutated", ", ".join(changed), (), "mutated")
            data = wire.encode(answer)
            if len(data) > self.output_bytes:
                raise WireError(
                    f"an answer of {len(data) >> 20} MiB; {self.output_bytes >> 20} are allowed"
                )
            return data
        except (WireError, MemoryError) as error:
            return wire.encode(Raised("AnswerTooLarge", clean(str(error)), (), "error"))
        except BaseException as error:
            return wire.encode(describe(error, self.root))

    def run(self) -> None:
        """Serves messages until the grader hangs up."""
        while True:
            message = self.channel.receive()
            if message is None or message["do"] == "bye":
                return
            reply = {"id": message["id"]}
            if message["do"] == "open":
                self.channel.send(reply | self.open(message))
            elif message["do"] == "watch":
                self.channel.send(reply | self.watch(message))
            else:
                for part in self.ask(message):
                    self.channel.send(reply | part)


def kept(inputs: dict[str, Any]) -> dict[str, Any]:
    """What the question could change in its arguments, frozen: names cannot be bound anew from inside."""
    return {name: frozen(v) for name, v in inputs.items() if type(v) not in PLAIN}


def frozen(value: Any) -> Any:
    """A value that does not change when `value` is changed in place, and that then differs from it."""
    kind = type(value)
    if kind is list:
        return tuple([frozen(item) for item in value])
    if kind is dict:
        return tuple([(name, frozen(item)) for name, item in value.items()])
    if kind in PLAIN:
        return kind, value
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is numpy.ndarray:
        return value.shape, value.dtype.str, value.tobytes()
    # An object that student code has put there: its own __eq__ must have no say.
    return "another object", id(value)


def serve(read_fd: int, write_fd: int, scratch: str) -> None:
    """Runs a worker over two descriptors; student code writes files only under `scratch`, its cwd."""
    os.chdir(scratch)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 (for the life of the process)
    sys.stdout = open(os.devnull, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    sys.stderr = sys.stdout
    sys.argv = ["submission"]
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    try:
        Worker(Channel(read_fd, write_fd), scratch).run()
    finally:
        # A thread that the student left behind must not keep this process alive.
        os._exit(0)
