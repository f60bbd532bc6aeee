"""Loads `grader.yaml` and `assignments/`, validates both, and names file, line and key of a mistake.

It reads files and never runs a question. Loading a module's `checks.py` (which needs Hypothesis) is a
separate step, taken only when a bank has to be drawn or a failure shrunk.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import math
import os
import re
import sys
import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import grader
from grader.errors import BrokenCheck, UsageError, unknown
from grader.model import Assignment, Check, Limits, Policy, Task, Visibility
from grader.packfile import SUFFIX, read_header
from grader.sandbox import LEVELS
from grader.terms import Attempts, Late, Terms
from grader.termsfile import (
    DatesFile,
    Fault,
    StudentsFile,
    agreed_faults,
    dates_of,
    extension_of,
    faults,
    zone,
)
from grader.yamlfile import dotted, read_yaml

if TYPE_CHECKING:
    from grader.checks import Declared

SANDBOXES = ("auto", "docker", "jail", "process")
PER = ("batch", "submission")
WORDS_OF_POLICY = ("flag", "allow")


# First words of a command line: `grade list` would be a module's name as well.
COMMANDS = frozenset(
    ["bank", "batch", "completion", "diff", "doctor", "export", "gradescope", "image", "list", "pack", "page", "render", "replay", "run", "schema", "similar", "start", "template"]
)  # fmt: skip


class DockerFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the Docker sandbox works.

    per: how long a container lives, `batch` or `submission`; image: an image by name, "" for the one that
    fits this machine's Python; cpus: processors that a container may use at a time, 0 for one a worker;
    packages: what submissions may import beside numpy and what the modules preload.
    """

    per: str = "batch"
    image: str = ""
    cpus: float = 0.0
    packages: tuple[str, ...] = ()


class Isolation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """sandbox: `auto` (the strongest that works), `docker`, `jail` or `process`; require: the level (see
    `grader.sandbox.level`) below which nothing is graded."""

    sandbox: str = "auto"
    require: str = "none"
    docker: DockerFile = DockerFile()


class SomeLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Those of `grader.model.Limits` that a course sets otherwise than a module does."""

    check_seconds: float | None = None
    import_seconds: float | None = None
    run_seconds: float | None = None
    compile_seconds: float | None = None
    wall_factor: float | None = None
    memory_mb: int | None = None
    output_mb: int | None = None


class CourseFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`grader.yaml`: one course on one machine.

    cases: how many Hypothesis cases a check draws; earlier: whose files of earlier modules are graded
    with, `student` or `reference`; limits: module -> what takes the place of single limits of its
    `module.yaml`. The rest are the terms (see `grader.terms`): timezone: of times without an offset; dates: by
    module.
    """

    course: str
    modules: tuple[str, ...]
    seed: int = 0
    cases: int = 100
    earlier: str = "student"
    isolation: Isolation = Isolation()
    limits: dict[str, SomeLimits] = {}
    timezone: str = "UTC"
    dates: dict[str, DatesFile] = {}
    late: Late = Late()
    attempts: Attempts = Attempts()


class TaskFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task as `module.yaml` lists it."""

    id: str
    title: str
    points: float
    needs: tuple[str, ...] = ()
    extra: bool = False


class ModuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`module.yaml`.

    expects: top-level modules or packages that a submission must hold; also: folders of it that are taken as
    well, where they are there; earlier: files of earlier modules, relative to the submission; preload: modules that the box imports first; builds_on: modules of the course
    whose questions this one asks once more; policy: what each kind of flag does to the score.
    """

    title: str
    tasks: tuple[TaskFile, ...]
    binding: str = "functions"
    expects: tuple[str, ...] = ("minitorch",)
    also: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    builds_on: tuple[str, ...] = ()
    limits: Limits = Limits()
    policy: Policy = Policy()


class Course(msgspec.Struct, frozen=True):
    """A validated course: where it lies and what `grader.yaml` says."""

    root: Path
    settings: CourseFile

    @property
    def reference(self) -> Path:
        """The folder of the answer key."""
        return self.root / "reference"

    def folder(self, module: str) -> Path:
        """The folder of a module of this course. UsageError, with the nearest name, when there is none."""
        if module not in self.settings.modules:
            raise UsageError(unknown("module", module, self.settings.modules))
        return self.root / "assignments" / module

    def pack(self, module: str) -> Path | None:
        """The pack that stands in for a module whose folder is not here; None where it is, or is no pack."""
        if (self.folder(module) / "module.yaml").is_file():
            return None
        path = self.root / "packs" / f"{module}{SUFFIX}"
        return path if path.is_file() else None


def find_course(start: Path, given: Path | None = None) -> Course:
    """The course in `given`, or the nearest `grader.yaml` in or above `start`.

    Raises UsageError when there is none, or when the file is wrong.
    """
    if given is not None:
        folder = given.parent if given.name == "grader.yaml" else given
        if not (folder / "grader.yaml").is_file():
            raise UsageError(
                f"{given}: there is no grader.yaml. A course is a folder that holds one"
            )
        return load_course(folder.resolve())
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "grader.yaml").is_file():
            return load_course(folder)
    raise UsageError(
        f"no grader.yaml in {start} or above it. Go into the course's folder, or name it: "
        "grade MODULE --course DIR"
    )


def load_course(root: Path) -> Course:
    """The course in that folder. Raises UsageError that names file, line and key of a mistake."""
    path = root / "grader.yaml"
    settings, locate = read_yaml(path, CourseFile)
    for at, name in enumerate(settings.modules):
        folder, pack = root / "assignments" / name, root / "packs" / f"{name}{SUFFIX}"
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
            raise UsageError(
                f"{path}:{locate('modules', at)}: modules: {name!r} is no name of a module"
            )
        if name in COMMANDS:
            raise UsageError(
                f"{path}:{locate('modules', at)}: modules: {name!r} is a command, `grade {name}`: give the module "
                "another name"
            )
        if not (folder / "module.yaml").is_file() and not pack.is_file():
            raise UsageError(
                f"{path}:{locate('modules', at)}: modules: {name!r} has no assignments/{name}/module.yaml "
                f"and no packs/{name}{SUFFIX}"
            )
        if name in settings.modules[:at]:
            raise UsageError(f"{path}:{locate('modules', at)}: modules: {name!r} is named twice")
    if not settings.modules:
        raise UsageError(f"{path}:{locate('modules')}: modules: name at least one module")
    if settings.earlier not in ("student", "reference"):
        raise UsageError(
            f"{path}:{locate('earlier')}: earlier: expected 'student' or 'reference', not {settings.earlier!r}"
        )
    if settings.isolation.sandbox not in SANDBOXES:
        raise UsageError(
            f"{path}:{locate('isolation', 'sandbox')}: isolation.sandbox: "
            + unknown("sandbox", settings.isolation.sandbox, SANDBOXES)
        )
    isolation = settings.isolation
    for keys, value, known in (
        (("isolation", "require"), isolation.require, LEVELS),
        (("isolation", "docker", "per"), isolation.docker.per, PER),
    ):
        if value not in known:
            raise UsageError(
                f"{path}:{locate(*keys)}: {'.'.join(keys)}: {unknown(keys[-1], value, known)}"
            )
    if not 0 <= isolation.docker.cpus < math.inf:
        raise UsageError(
            f"{path}:{locate('isolation', 'docker', 'cpus')}: isolation.docker.cpus: expected 0 or more, "
            f"not {isolation.docker.cpus:g}"
        )
    if not 1 <= settings.cases <= 10_000:
        raise UsageError(
            f"{path}:{locate('cases')}: cases: expected 1 to 10000, not {settings.cases}"
        )
    for name in settings.limits:
        if name not in settings.modules:
            raise UsageError(
                f"{path}:{locate('limits', name)}: limits: {unknown('module', name, settings.modules)}"
            )
        check_limits(settings.limits[name], path, locate, "limits", name)
    _known_modules(settings.dates, settings.modules, path, locate, "dates")
    _raise_first(
        faults(
            settings.timezone,
            settings.dates,
            settings.late,
            settings.attempts,
        ),
        path,
        locate,
    )
    return Course(root, settings)


def load_terms(course: Course) -> Terms:
    """The terms of the course, with what `students.yaml` beside its `grader.yaml` agrees with single students.

    Raises UsageError that names file, line and key of a mistake.
    """
    settings = course.settings
    where = zone(settings.timezone)
    if where is None:
        raise UsageError(f"timezone: {settings.timezone!r} is no time zone")
    dates = {module: dates_of(given, where) for module, given in settings.dates.items()}
    path = course.root / "students.yaml"
    agreed = StudentsFile()
    if path.exists():
        agreed, locate = read_yaml(path, StudentsFile)
        for key in ("extensions", "adjustments"):
            for student, modules in getattr(agreed, key).items():
                _known_modules(modules, settings.modules, path, locate, key, student)
        _raise_first(agreed_faults(agreed, where, dates), path, locate)
    return Terms(
        dates=dates,
        late=settings.late,
        attempts=settings.attempts,
        extensions={
            student: {module: extension_of(given, where) for module, given in modules.items()}
            for student, modules in agreed.extensions.items()
        },
        adjustments=agreed.adjustments,
    )


def _known_modules(
    named: Iterable[str], modules: Sequence[str], path: Path, locate: Any, *keys: str
) -> None:
    for name in named:
        if name not in modules:
            raise UsageError(
                f"{path}:{locate(*keys, name)}: {'.'.join(keys)}: {unknown('module', name, modules)}"
            )


def _raise_first(found: Iterable[Fault], path: Path, locate: Any) -> None:
    for keys, said in found:
        raise UsageError(f"{path}:{locate(*keys)}: {dotted(keys)}: {said}")


def check_limits(limits: Limits | SomeLimits, path: Path, locate: Any, *keys: str) -> None:
    """Raises UsageError for a limit that is no positive number; `compile_seconds` may be 0."""
    for name, value in msgspec.structs.asdict(limits).items():
        none = name == "compile_seconds"
        if value is not None and not (0 < value < math.inf or (none and value == 0)):
            raise UsageError(
                f"{path}:{locate(*keys, name)}: {'.'.join([*keys, name])}: "
                f"expected {'0 or more' if none else 'more than 0'}, not {value:g}"
            )


def check_policy(policy: Policy, path: Path, locate: Any) -> None:
    """Raises UsageError for what is neither a share of points nor one of the two words."""
    for name, value in msgspec.structs.asdict(policy).items():
        right = value in WORDS_OF_POLICY if isinstance(value, str) else 0 < value <= 1
        if not right:
            said = repr(value) if isinstance(value, str) else f"{value:g}"
            raise UsageError(
                f"{path}:{locate('policy', name)}: policy.{name}: expected 'flag', 'allow' or a share of "
                f"the points above 0 and up to 1, not {said}"
            )


def load_module(course: Course, module: str) -> ModuleFile:
    """A module's `module.yaml`, validated. Raises UsageError that names file, line and key."""
    packed = course.pack(module)
    if packed is not None:
        header = read_header(packed)
        try:
            settings = msgspec.convert(header.settings, ModuleFile)
        except msgspec.ValidationError as error:
            raise UsageError(
                f"{packed}: its settings cannot be read: {error}. It was made by backcheck {header.by}, and this is "
                f"{grader.__version__}: install that version"
            ) from error
        return overridden(course, module, settings)
    path = course.folder(module) / "module.yaml"
    settings, locate = read_yaml(path, ModuleFile)
    seen: set[str] = set()
    ids = [task.id for task in settings.tasks]
    if not ids:
        raise UsageError(f"{path}:{locate('tasks')}: tasks: a module needs at least one task")
    for at, task in enumerate(settings.tasks):
        if task.id in seen:
            raise UsageError(
                f"{path}:{locate('tasks', at, 'id')}: tasks: two tasks have the id {task.id!r}"
            )
        seen.add(task.id)
        if not 0 < task.points < math.inf:
            wanted = "a number of points" if task.points > 0 else "more than 0"
            raise UsageError(
                f"{path}:{locate('tasks', at, 'points')}: points: expected {wanted}, not {task.points:g}"
            )
        for needed in task.needs:
            if needed not in ids[:at]:
                raise UsageError(
                    f"{path}:{locate('tasks', at, 'needs')}: needs: {needed!r} is no task before {task.id!r}"
                )
    if all(task.extra for task in settings.tasks):
        raise UsageError(
            f"{path}:{locate('tasks')}: tasks: all of them are extra credit. At least one must be worth the points"
        )
    for at, name in enumerate(settings.expects):
        if not name.isidentifier():
            raise UsageError(
                f"{path}:{locate('expects', at)}: expects: {name!r} is no name of a module"
            )
    for at, name in enumerate(settings.also):
        if not name.isidentifier() or name in settings.expects:
            why = "is expected already" if name in settings.expects else "is no name of a folder"
            raise UsageError(f"{path}:{locate('also', at)}: also: {name!r} {why}")
    if not settings.expects:
        raise UsageError(f"{path}:{locate('expects')}: expects: name at least one module")
    check_limits(settings.limits, path, locate, "limits")
    for at, name in enumerate(settings.preload):
        if not _importable(name):
            raise UsageError(
                f"{path}:{locate('preload', at)}: preload: there is no module {name!r} here. "
                "Install it, or take it out"
            )
    for at, name in enumerate(settings.earlier):
        if not (course.reference / name).is_file() or ".." in Path(name).parts:
            raise UsageError(
                f"{path}:{locate('earlier', at)}: earlier: there is no file {name!r} in {course.reference}"
            )
    before = course.settings.modules[: course.settings.modules.index(module)]
    for at, name in enumerate(settings.builds_on):
        if name not in before:
            raise UsageError(
                f"{path}:{locate('builds_on', at)}: builds_on: {name!r} is no module before {module!r} in "
                "the modules of grader.yaml"
            )
    check_policy(settings.policy, path, locate)
    from grader.box.worker import BINDINGS

    if settings.binding not in BINDINGS:
        raise UsageError(
            f"{path}:{locate('binding')}: binding: {unknown('binding', settings.binding, BINDINGS)}"
        )
    return overridden(course, module, settings)


def overridden(course: Course, module: str, settings: ModuleFile) -> ModuleFile:
    """The settings with the limits that `grader.yaml` sets otherwise."""
    override = course.settings.limits.get(module)
    if override is None:
        return settings
    changed = {k: v for k, v in msgspec.structs.asdict(override).items() if v is not None}
    return msgspec.structs.replace(
        settings, limits=msgspec.structs.replace(settings.limits, **changed)
    )


def _importable(name: str) -> bool:
    """Whether a module of that name is installed; it is not imported."""
    import importlib.util

    try:
        return importlib.util.find_spec(name.split(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def load_checks(course: Course, module: str) -> tuple[Assignment, tuple[Declared, ...]]:
    """The assignment with its checks and their domains: runs the module's `checks.py`, and so Hypothesis.

    Raises BrokenCheck or UsageError when the author made a mistake, naming the file and line.
    """
    from grader import checks, modes

    folder = course.folder(module)
    settings = load_module(course, module)
    others = {name: load_checks(course, name) for name in settings.builds_on}

    def run() -> None:
        questions = types.ModuleType("questions")
        questions.__file__ = str(folder / "questions.py")
        sys.modules["questions"] = questions
        try:
            for path, namespace in (
                (folder / "questions.py", vars(questions)),
                (
                    folder / "checks.py",
                    {"__name__": "checks", "__file__": str(folder / "checks.py")},
                ),
            ):
                code = compile(path.read_text(encoding="utf-8"), str(path), "exec")
                # What they print is no part of a report.
                with contextlib.redirect_stdout(sys.stderr):
                    exec(code, namespace)
        finally:
            del sys.modules["questions"]

    try:
        declared = checks.collect(run, {name: found[1] for name, found in others.items()})
    except BrokenCheck as error:
        raise BrokenCheck(f"{_author_line(error, folder)}: {error}") from error
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: this file is missing") from error
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{_author_line(error, folder)}: {type(error).__name__}: {error}"
        ) from error
    ids = {task.id for task in settings.tasks}
    used = {d.check.task for d in declared}
    for stray in sorted(used - ids):
        raise BrokenCheck(
            f"{folder / 'checks.py'}: task({stray!r}): {unknown('task', stray, sorted(ids))}"
        )
    for empty in sorted(ids - used):
        raise BrokenCheck(f"{folder / 'checks.py'}: task {empty} of module.yaml has no check")
    from grader.judge.compare import COMPARISONS

    for place, d in enumerate(declared):
        before = {earlier.check.title for earlier in declared[:place]}
        for needed in d.check.after:
            if needed not in before:
                raise BrokenCheck(
                    f"{folder / 'checks.py'}: {d.check.title!r} comes after {needed!r}, which is no check before it"
                )
        if d.check.compare not in COMPARISONS:
            raise BrokenCheck(
                f"{folder / 'checks.py'}: {d.check.title!r}: {unknown('comparison', d.check.compare, COMPARISONS)}"
            )
    limits = settings.limits
    text = (folder / "questions.py").read_text(encoding="utf-8")
    text = _together({n: a.questions for n, (a, _) in others.items()} | {module: text}, folder)
    # Only what this machine can ask is a check of the assignment here.
    sandbox = course.settings.isolation.sandbox
    found = [(d, modes.first_offered(d.on, sandbox)) for d in declared]
    declared = tuple(d for d, mode in found if mode is not None)
    checks_ = tuple(
        msgspec.structs.replace(
            d.check, seconds=d.check.seconds or limits.check_seconds, mode=mode or ""
        )
        for d, mode in found
        if mode is not None
    )
    out: dict[str, list[Check]] = {}
    for d, mode in found:
        if mode is None:
            out.setdefault(modes.needs(d.on), []).append(d.check)
    left_out = tuple(
        f"not asked here: {some(titles(checks))}. That takes {lacking}"
        for lacking, checks in out.items()
    )
    assignment = Assignment(
        name=module,
        title=settings.title,
        binding=settings.binding,
        expects=settings.expects,
        tasks=tuple(Task(t.id, t.title, t.points, t.needs, t.extra) for t in settings.tasks),
        checks=checks_,
        questions=text,
        limits=limits,
        preload=settings.preload,
        earlier=settings.earlier,
        policy=settings.policy,
        left_out=left_out,
        also=settings.also,
    )
    return assignment, tuple(
        msgspec.structs.replace(d, check=c) for d, c in zip(declared, checks_, strict=True)
    )


def some(titles: Sequence[str]) -> str:
    """`a; b and 4 more`."""
    more = f" and {len(titles) - 2} more" if len(titles) > 3 else ""
    return "; ".join(titles[: 2 if more else None]) + more


def titles(checks: Iterable[Check]) -> list[str]:
    """What students may be told of checks: the titles of those that they see, and how many others there are."""
    checks = list(checks)
    seen = [f"{c.task} {c.title}" for c in checks if c.visibility is Visibility.VISIBLE]
    rest = len(checks) - len(seen)
    return seen + [f"{rest} check{'s' if rest > 1 else ''} not shown yet"] * (rest > 0)


def _together(texts: dict[str, str], folder: Path) -> str:
    """The questions of several modules as one file. Raises BrokenCheck for a name that two of them give."""
    seen: dict[str, str] = {}
    for module, text in texts.items():
        for node in ast.parse(text).body:
            name = getattr(node, "name", "")
            if name and seen.setdefault(name, module) != module:
                raise BrokenCheck(
                    f"{folder / 'questions.py'}: {name} is also a function of {seen[name]}'s questions.py, "
                    "on which this module builds: give it another name"
                )
    return "\n\n".join(texts.values())


def _author_line(error: BaseException, folder: Path) -> str:
    """`.../checks.py:12`, the innermost line of the author's files that an error came through."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    found = str(folder / "checks.py")
    step = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if os.path.dirname(name) == str(folder):
            found = f"{name}:{step.tb_lineno}"
        step = step.tb_next
    return found


def digest_of(*parts: bytes) -> str:
    """sha256 over parts, each with its length, as 64 hexadecimal digits."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()
