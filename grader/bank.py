"""Draws the cases of a module once, has the reference answer them once, and keeps both on disk.

A bank is found again by its content: the module's files, the reference, the engine that draws and the
course's seed. With a bank in the cache a grading loads neither Hypothesis nor the reference. Nothing here
sees a submission.

Tolerances. For every case the reference is asked a second time with each float input moved by 2^-30 of
itself (alternating up and down). What the answer moves by, times 2^-22, is what one rounding error in
each input does; `Tolerance.conditioning` times that is allowed on top of the relative and absolute
tolerance (first-order conditioning; Higham, Accuracy and Stability of Numerical Algorithms, 1.6).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import grader
from grader import modes
from grader.box import wire
from grader.box.modes import MODES
from grader.course import Course, digest_of, load_checks, load_module
from grader.errors import BrokenCheck, ReferenceFault, UsageError
from grader.model import Assignment, CaseBank, Check, Limits
from grader.sandbox.process import ProcessSandbox
from grader.sandbox.session import End, Session

if TYPE_CHECKING:
    from grader.checks import Declared

FORMAT = 3
END_SECONDS = 15.0  # that a forked child has to end its worker and itself
KEPT = 8  # stored versions of a module; older ones are removed
FRAMES = ("cases", "answers", "slack")
NUDGE = 2.0**-30
PER_ROUNDING = 2.0**-22
KEY_LIMITS = Limits(
    check_seconds=60,
    import_seconds=60,
    run_seconds=3600,
    compile_seconds=60,
    memory_mb=4096,
    output_mb=256,
)

Progress = Callable[
    [str, int, int], None
]  # what is being drawn, how many checks are done, of how many


class Module(msgspec.Struct, frozen=True):
    """A module ready to grade with: the assignment and a bank for each of its checks."""

    assignment: Assignment
    banks: dict[str, CaseBank]
    digest: str


def cache_folder() -> Path:
    """Where banks are kept: `$GRADE_CACHE`, or the user's cache folder of the platform."""
    named = os.environ.get("GRADE_CACHE")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("backcheck", appauthor=False)) / "banks"


def module_digest(course: Course, module: str) -> str:
    """What a module's banks depend on, as one hash: its files, the reference, the engine, the seed."""
    import importlib.metadata

    engine = Path(grader.__file__).parent
    files: list[Path] = sorted((engine / "box").rglob("*.py"))
    own = ("checks.py", "bank.py", "model.py", "course.py", "yamlfile.py", "modes.py")
    files += [engine / name for name in own]
    folder = course.folder(module)
    files += [folder / name for name in ("module.yaml", "questions.py", "checks.py")]
    for other in load_module(course, module).builds_on:
        files += [course.folder(other) / name for name in ("questions.py", "checks.py")]
    if course.reference.is_dir():
        files += sorted(p for p in course.reference.rglob("*.py") if "__pycache__" not in p.parts)
    parts = [
        f"{FORMAT} {grader.__version__}".encode(),
        *(importlib.metadata.version(name).encode() for name in ("hypothesis", "numpy")),
        f"{module} {course.settings.seed} {course.settings.cases}".encode(),
        # What this machine can ask decides which checks there are.
        " ".join(m for m in MODES if modes.offered(m, course.settings.isolation.sandbox)).encode(),
        msgspec.json.encode(course.settings.limits.get(module)),
    ]
    for path in files:
        try:
            near = path.parent.name + "/" + path.name
            parts += [near.encode("utf-8", "surrogateescape"), path.read_bytes()]
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    return digest_of(*parts)


def check_seed(course_seed: int, module: str, key: str) -> int:
    """The seed of one check: from the course's seed, the module and the check's own name, so that a new
    check moves no other."""
    text = f"{course_seed}|{module}|{key}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def bank_path(module: str, digest: str) -> Path:
    return cache_folder() / f"{module}-{digest[:20]}.bank"


def load(course: Course, module: str, progress: Progress | None = None) -> Module:
    """The module with its banks: from the cache, or drawn now and kept for the next time."""
    digest = module_digest(course, module)
    path = bank_path(module, digest)
    ready = read(path, digest)
    if ready is None:
        ready = build(course, module, digest, progress)
        store(path, ready)
    return ready


def read(path: Path, digest: str) -> Module | None:
    """A stored module; None when there is none, or when the file is damaged or of another content."""
    try:
        return from_frame(path.read_bytes(), digest)
    except OSError:
        return None


def from_frame(data: bytes, digest: str) -> Module | None:
    """What `as_frame` wrote; None when it is damaged or of another content."""
    try:
        tree = wire.decode(data)
        if tree["format"] != FORMAT or tree["digest"] != digest:
            return None
        assignment = msgspec.json.decode(tree["assignment"], type=Assignment)
        # What is given to a check may hold what JSON has no word for (arrays, infinities).
        checks = zip(assignment.checks, tree["given"], strict=True)
        assignment = msgspec.structs.replace(
            assignment, checks=tuple(msgspec.structs.replace(c, given=g) for c, g in checks)
        )
        banks = {bank.check: bank for bank in map(bank_from, tree["banks"])}
        return Module(assignment, banks, digest)
    except (wire.WireError, msgspec.DecodeError, struct.error, KeyError, TypeError, ValueError):
        return None


def joined(frames: tuple[bytes, ...]) -> bytes:
    """Many frames as one piece; a frame says its own length, so nothing stands between them."""
    return b"".join(frames)


def split(data: bytes) -> tuple[bytes, ...]:
    """The frames that `joined` put together."""
    found = []
    at = 0
    while at < len(data):
        header, body = wire.HEAD.unpack_from(data, at)
        end = at + wire.HEAD.size + header + body
        found.append(data[at:end])
        at = end
    return tuple(found)


def store(path: Path, module: Module) -> None:
    """Writes a module's banks, whole or not at all. A cache that cannot be written is no error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, as_frame(module))
        for old in sorted(path.parent.glob(f"{module.assignment.name}-*.bank"), key=_age)[KEPT:]:
            old.unlink()


def _age(path: Path) -> float:
    """Seconds since a file was written, with the youngest first."""
    return -path.stat().st_mtime


def as_frame(module: Module) -> bytes:
    """A module with its banks as one frame; `from_frame` reads it."""
    bare = tuple(msgspec.structs.replace(c, given={}) for c in module.assignment.checks)
    tree = {
        "format": FORMAT,
        "digest": module.digest,
        "assignment": msgspec.json.encode(msgspec.structs.replace(module.assignment, checks=bare)),
        "given": [check.given for check in module.assignment.checks],
        "banks": [bank_tree(bank) for bank in module.banks.values()],
    }
    return wire.encode(tree)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all: a temporary file beside it, then a rename.

    A link is followed. A device or a pipe, such as /dev/stdout, is written to and not replaced.
    """
    if path.exists() and not path.is_dir() and (not path.is_file() or path.parent == Path("/dev")):
        with path.open("ab") as file:
            file.write(data)
        return
    path = path.resolve()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def content_digest(bank: CaseBank) -> str:
    """The hash of what a bank holds."""
    return digest_of(bank.check.encode(), *(joined(getattr(bank, name)) for name in FRAMES))


# Drawing


class Enough(BaseException):
    """Ends an exploration from inside a test. No Exception, so that Hypothesis lets it through."""


def build(course: Course, module: str, digest: str, progress: Progress | None = None) -> Module:
    """Draws every check's cases and asks the reference. Raises BrokenCheck or ReferenceFault, naming the
    check, when one of them cannot be graded with."""
    assignment, declared = load_checks(course, module)
    banks: dict[str, CaseBank] = {}
    try:
        for bank in draw_all(course, assignment, declared):
            banks[bank.check] = bank
            if progress is not None:
                progress(bank.check, len(banks), len(declared))
    except BrokenCheck as error:
        raise BrokenCheck(f"{course.folder(module) / 'checks.py'}: {error}") from error
    banks = {item.check.key: banks[item.check.key] for item in declared}
    # The first grading uses just what later ones will read.
    built = from_frame(as_frame(Module(assignment, banks, digest)), digest)
    if built is None:
        raise BrokenCheck(f"{module}: what its checks are given cannot be stored")
    return built


def draw_all(
    course: Course, assignment: Assignment, declared: Sequence[Declared]
) -> Iterator[CaseBank]:
    """The banks of all checks, as they are done, drawn on every core where processes can be forked (the
    domains are functions of the author's and cannot be sent to another process)."""
    # Apple's own libraries do not survive a fork: https://docs.python.org/3/library/multiprocessing.html
    forks_safely = hasattr(os, "fork") and sys.platform != "darwin"
    many = min(os.cpu_count() or 1, 4, len(declared)) if forks_safely else 1
    if many == 1:
        yield from draw_share(course, assignment, declared)
        return
    import multiprocessing
    from multiprocessing.connection import Connection, wait

    forks = multiprocessing.get_context("fork")
    ends: dict[Connection, Any] = {}
    for place in range(many):
        ours, theirs = forks.Pipe(duplex=False)
        share = declared[place::many]
        process = forks.Process(
            target=_send_share,
            args=(course, assignment, share, theirs, [ours, *ends]),
            daemon=True,
        )
        process.start()
        theirs.close()
        ends[ours] = process
    done: set[str] = set()
    try:
        while ends:
            for end in wait(list(ends)):
                assert isinstance(end, Connection)
                try:
                    bank = bank_from(wire.decode(end.recv_bytes()))
                    done.add(bank.check)
                    yield bank
                except EOFError:
                    ends.pop(end).join()
    finally:
        for end in ends:
            end.close()
        for process in ends.values():
            _end(process)
    # What a child could not draw is drawn here, so that its error is raised in the author's own words.
    yield from draw_share(course, assignment, [d for d in declared if d.check.key not in done])


def _end(process: Any) -> None:
    """Ends a forked child that is not needed any more, and gives it time to end its worker."""
    deadline = time.monotonic() + END_SECONDS
    while process.is_alive() and time.monotonic() < deadline:
        # Again and again: the exception that a signal raises is lost when it comes inside a callback of
        # the garbage collector, and Hypothesis has one.
        process.terminate()
        process.join(1.0)
    if process.is_alive():
        process.kill()
    process.join()


def _send_share(
    course: Course, assignment: Assignment, share: Sequence[Declared], end: Any, inherited: Any
) -> None:
    """What a forked child does: draws its share and sends each bank; leaves out what cannot be drawn."""
    for other in inherited:
        other.close()  # else nobody notices that the parent has stopped reading
    _ended_by_its_parent()
    with contextlib.suppress(Exception, KeyboardInterrupt):
        for bank in draw_share(course, assignment, share):
            end.send_bytes(wire.encode(bank_tree(bank)))
    end.close()
    os._exit(0)


def _ended_by_its_parent() -> None:
    """Lets SIGTERM, and not Ctrl-C, end this process: the parent gets Ctrl-C as well and passes it on."""

    def stop(number: int, frame: object) -> None:
        os.dup2(nowhere, 2)  # what is ended has nothing to say, least of all where it was
        raise KeyboardInterrupt

    nowhere = os.open(os.devnull, os.O_WRONLY)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def draw_share(
    course: Course, assignment: Assignment, share: Sequence[Declared]
) -> Iterator[CaseBank]:
    """The banks of some checks, drawn one after the other."""
    if not share:
        return
    with reference_session(course, assignment) as session:
        for item in share:
            seed = check_seed(course.settings.seed, assignment.name, item.check.key)
            yield draw(item, seed, item.cases or course.settings.cases, session)


def bank_tree(bank: CaseBank) -> dict[str, Any]:
    """A bank as plain data; `bank_from` reads it."""
    plain = {name: getattr(bank, name) for name in ("check", "seed", "edges", "digest")}
    return plain | {name: joined(getattr(bank, name)) for name in FRAMES}


def bank_from(tree: dict[str, Any]) -> CaseBank:
    """What `bank_tree` made. Raises WireError when its content does not fit its digest."""
    bank = CaseBank(
        check=tree["check"],
        seed=tree["seed"],
        edges=tree["edges"],
        digest=tree["digest"],
        cases=split(tree["cases"]),
        answers=split(tree["answers"]),
        slack=split(tree["slack"]),
    )
    if content_digest(bank) != bank.digest:
        raise wire.WireError("a bank whose digest does not fit")
    return bank


@contextlib.contextmanager
def reference_session(course: Course, assignment: Assignment) -> Iterator[Session]:
    """A worker that answers with the reference: the same worker, wire and binding as a submission's."""
    from grader.intake import read_folder

    if not course.reference.is_dir():
        raise UsageError(f"{course.reference}: there is no such folder, so nothing can be answered")
    submission = read_folder(course.reference, assignment.expects, assignment.also)
    sandbox = ProcessSandbox()
    relaxed = msgspec.structs.replace(assignment, limits=KEY_LIMITS)
    try:
        with Session(sandbox, relaxed, submission) as session:
            yield session
    finally:
        sandbox.close()


def draw(item: Declared, seed: int, count: int, session: Session) -> CaseBank:
    """The bank of one check: its edges, then `count` different cases drawn from its domain (all of them
    when the domain holds fewer), smallest first."""
    check = item.check
    edges = list(dict.fromkeys(case_frame(item, edge) for edge in item.edges))
    try:
        found = draw_cases(item, seed, count)
    except BrokenCheck:
        raise
    except Exception as error:
        # The author's own functions run here (map, filter, composite), and Hypothesis has errors of its own.
        raise BrokenCheck(
            f"{check.key}: its domain draws no case: {type(error).__name__}: {error}"
        ) from error
    drawn = sorted(set(found) - set(edges), key=size)
    cases = (*edges, *drawn)
    if not drawn:
        raise BrokenCheck(f"{check.key}: its domain draws no case")
    answers = ask_reference(check, cases, session)
    moved = ask_reference(check, [nudged(case) for case in cases], session, may_raise=True)
    slack = tuple(
        wire.encode(movement(wire.decode(a), None if m is None else wire.decode(m)))
        for a, m in zip(answers, moved, strict=True)
    )
    bank = CaseBank(
        check.key, seed, cases, tuple(a for a in answers if a is not None), slack, len(edges), ""
    )
    return msgspec.structs.replace(bank, digest=content_digest(bank))


def size(frame: bytes) -> tuple[int, float, bytes]:
    """How big a case is to a reader: how many values it holds, then how far these are from 0 and from
    whole numbers, then its bytes to break ties."""
    values = list(_values(wire.decode(frame)))
    return len(values), sum(map(_complexity, values)), frame


def _values(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list):
        for item in tree:
            yield from _values(item)
    elif hasattr(tree, "dtype"):
        yield from tree.reshape(-1).tolist()
    else:
        yield tree


def _complexity(value: Any) -> float:
    """0 for 0, 1 for 1 and -1 (a minus counts a little), 2 for 2 and for 1/2, much for 3.140625."""
    if not isinstance(value, (int, float)) or value != value:
        return 1.0
    if not 1e-9 < abs(value) < 1e9:
        return 0.0 if value == 0 else 1e9
    above, below = float(abs(value)).as_integer_ratio()
    return min(float(above + below), 1e9) - 1.0 + (0.25 if value < 0 else 0.0)


def draw_cases(item: Declared, seed: int, count: int) -> list[bytes]:
    """Up to `count` distinct cases as frames, from Hypothesis' generator with that seed."""
    found: dict[bytes, None] = {}

    def keep(inputs: dict[str, Any]) -> None:
        found[case_frame(item, inputs)] = None
        if len(found) >= count:
            raise Enough

    with contextlib.suppress(Enough):
        explore(item, seed, keep, max_examples=max_examples(count))
    return list(found)


def case_frame(item: Declared, inputs: Any) -> bytes:
    """A case as a frame, its arguments in the order of the question's own.

    Raises BrokenCheck when the arguments are not those that the question takes.
    """
    if not isinstance(inputs, dict) or set(inputs) != set(item.arguments):
        has = ", ".join(map(str, inputs)) if isinstance(inputs, dict) else type(inputs).__name__
        raise BrokenCheck(
            f"{item.check.key}: the question takes {', '.join(item.arguments) or 'no argument'}, "
            f"and a case gives {has or 'none'}"
        )
    return wire.encode({name: inputs[name] for name in item.arguments})


def max_examples(count: int) -> int:
    """How many examples Hypothesis may run for `count` distinct cases: some repeat a case. Shrinking must
    use the same number, for Hypothesis draws by it."""
    return 4 * count


def explore(
    item: Declared,
    seed: int,
    test: Callable[[dict[str, Any]], None],
    *,
    max_examples: int,
    shrink: bool = False,
) -> None:
    """Runs `test` on cases that Hypothesis draws; the same seed draws the same cases in the same order."""
    import hypothesis
    from hypothesis import HealthCheck, Phase, Verbosity

    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]

    def run(inputs: Any) -> None:
        test(inputs)

    wrapped = hypothesis.given(inputs=item.domain)(run)
    wrapped = hypothesis.settings(
        max_examples=max_examples,
        phases=phases,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        print_blob=False,
    )(wrapped)
    wrapped = hypothesis.seed(seed)(wrapped)
    with own_constants(), no_mutations():
        wrapped()


@contextlib.contextmanager
def no_mutations() -> Iterator[None]:
    """Keeps Hypothesis from following each example with five copies of it in which one part repeats another.

    A bank would hold few cases that truly differ: a hundred programs came in thirty shapes. There is no
    setting for it, so the private mutator is stood in for; without it (another version) nothing is lost but
    that.
    """
    from hypothesis.internal.conjecture.engine import ConjectureRunner

    original = getattr(ConjectureRunner, "generate_mutations_from", None)
    if original is None:
        yield
        return
    ConjectureRunner.generate_mutations_from = lambda self, data: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        ConjectureRunner.generate_mutations_from = original  # type: ignore[method-assign]


@contextlib.contextmanager
def own_constants() -> Iterator[None]:
    """Keeps Hypothesis from drawing literals that it finds in local source files.

    They would make a bank depend on which files happen to be imported on one machine. There is no setting
    for it, so the private collector is stood in for; without it (another version) nothing is lost but that.
    """
    from hypothesis.internal.conjecture import providers

    original = getattr(providers, "_get_local_constants", None)
    constants = getattr(providers, "Constants", None)
    if original is None or constants is None:
        yield
        return
    empty = constants()
    providers._get_local_constants = lambda: empty  # type: ignore[attr-defined, unused-ignore]
    cache = getattr(providers, "CONSTANTS_CACHE", None)
    try:
        if cache is not None:
            cache.cache.clear()
        yield
    finally:
        providers._get_local_constants = original  # type: ignore[attr-defined, unused-ignore]
        if cache is not None:
            cache.cache.clear()


def ask_reference(
    check: Check, cases: Any, session: Session, *, may_raise: bool = False
) -> tuple[Any, ...]:
    """The reference's answers as frames. Raises ReferenceFault, naming check and case, when it has none.

    may_raise: give None for a case that the reference cannot answer (a nudged input may leave the domain).
    """
    answers: list[bytes | None] = []
    session.use(check.mode)
    while len(answers) < len(cases):
        reply = session.ask(
            check.question, check.given, cases[len(answers) :], seconds=KEY_LIMITS.check_seconds
        )
        answers += reply.answers
        if reply.end is not End.DONE:
            opened = session.opened
            why = reply.detail or (opened.detail if opened else "")
            raise ReferenceFault(f"{check.key}: the reference stopped: {why}")
        if not reply.answers:
            raise ReferenceFault(f"{check.key}: the reference gave no answer")
        last = wire.decode(reply.answers[-1])
        if len(answers) < len(cases) and not (may_raise and isinstance(last, wire.Raised)):
            break
    for place, frame in enumerate(answers):
        if frame is None:
            continue
        problem = unusable(wire.decode(frame))
        if problem and may_raise:
            answers[place] = None
        elif problem:
            raise ReferenceFault(
                f"{check.key}: the reference's own answer {problem}, on {wire.decode(cases[place])}"
            )
    return tuple(answers)


def unusable(answer: Any) -> str:
    """Why an answer of the reference cannot be graded against; "" when it can."""
    if isinstance(answer, wire.Raised):
        at = f" (reference/{answer.where[0]})" if answer.where else ""
        return f"raises {answer.type}: {answer.message}{at}"
    if isinstance(answer, wire.Opaque):
        return f"holds a {answer.type}, which cannot be compared"
    if answer is None:
        return "is None: the question returns nothing"
    if isinstance(answer, (list, dict)):
        for item in answer.values() if isinstance(answer, dict) else answer:
            problem = "" if item is None else unusable(item)
            if problem:
                return problem
    return ""


def nudged(frame: bytes) -> bytes:
    """A case with every float moved by 2^-30 of itself, up and down in turn."""
    turn = [1.0]

    def move(value: Any) -> Any:
        if isinstance(value, float):
            turn[0] = -turn[0]
            return value * (1.0 + turn[0] * NUDGE)
        if isinstance(value, list):
            return [move(item) for item in value]
        if isinstance(value, dict):
            return {key: move(item) for key, item in value.items()}
        if hasattr(value, "dtype") and value.dtype.kind == "f":
            import numpy as np

            signs = np.where(np.arange(value.size).reshape(value.shape) % 2, -1.0, 1.0)
            return value * (1.0 + signs * NUDGE)
        return value

    return wire.encode(move(wire.decode(frame)))


def movement(answer: Any, moved: Any) -> Any:
    """How far one rounding error in every input moves each leaf of an answer: its tree, one float a leaf."""
    if isinstance(answer, list):
        same = isinstance(moved, list) and len(moved) == len(answer)
        return [movement(a, moved[i] if same else None) for i, a in enumerate(answer)]
    if isinstance(answer, dict):
        same = isinstance(moved, dict)
        return {key: movement(a, moved.get(key) if same else None) for key, a in answer.items()}
    if isinstance(answer, float) and isinstance(moved, float):
        change = abs(answer - moved) * PER_ROUNDING
        return change if change < float("inf") else 0.0
    if hasattr(answer, "dtype") and getattr(moved, "shape", None) == answer.shape and answer.size:
        import numpy as np

        with np.errstate(all="ignore"):
            change = float(
                np.nanmax(np.abs(answer.astype(float) - moved.astype(float)), initial=0.0)
            )
        return change * PER_ROUNDING if change < float("inf") else 0.0
    return 0.0
