"""A grading set up from a course: its banks, a box that keeps the answers out of reach, the reference beside it.

Every command that grades, whatever it grades, begins here. Nothing here prints.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.bank import Module
    from grader.course import Course
    from grader.judge.grade import SoFar
    from grader.judge.grading import Opponent
    from grader.model import Report
    from grader.sandbox import Sandbox


class Progress(Protocol):
    """Who is told what goes on: `say` often, `note` where something slow begins."""

    def say(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...


def with_seed(course: Course, seed: int | None) -> Course:
    """The course with another seed."""
    import msgspec

    if seed is None:
        return course
    settings = msgspec.structs.replace(course.settings, seed=seed)
    return msgspec.structs.replace(course, settings=settings)


def load_banks(course: Course, module: str, seed: int | None, progress: Progress) -> Module:
    """The module with its banks, from its pack where it has one; else saying what is drawn when they must be
    drawn first."""
    from grader import bank

    if course.pack(module) is not None:
        from grader import pack

        if seed is not None:
            raise UsageError(
                "--seed: a pack holds its cases already; new ones are drawn where the course is"
            )
        return pack.ready(course, module)

    def drawing(key: str, done: int, total: int) -> None:
        progress.say(f"drawing the cases of {module} (once): {done}/{total} {key}")

    return bank.load(with_seed(course, seed), module, drawing)


def open_box(name: str | None, course: Course, ready: Module, progress: Progress) -> Sandbox:
    """The box that was asked for, or else the course's, in which no file of the answers can be opened."""
    from grader import bank
    from grader.sandbox.choose import Wanted, choose

    assignment = ready.assignment
    packed = course.pack(assignment.name)
    answers = [
        *sorted(course.reference.rglob("*.py"))[:4],
        course.folder(assignment.name) / "checks.py",
        bank.bank_path(assignment.name, ready.digest),
        *([packed] if packed is not None else []),
    ]
    wanted = Wanted(
        preload=assignment.preload,
        limits=assignment.limits,
        secrets=[str(path.absolute()) for path in answers],
        say=progress.note,
    )
    isolation = course.settings.isolation
    return choose(name or isolation.sandbox, isolation, wanted)


def opponent_of(course: Course, ready: Module) -> Opponent | None:
    """The reference, where a check of speed needs it beside a submission; None where none does."""
    from grader.intake import read_folder
    from grader.judge.grading import Opponent

    timed = any(check.at_most_times for check in ready.assignment.checks)
    if not timed or not course.reference.is_dir():
        return None
    assignment = ready.assignment
    return Opponent(read_folder(course.reference, assignment.expects, assignment.also))


class Kept:
    """What one grading leaves for the next of the same module: the reference, which answers new cases while a
    failure is made smaller and is timed beside submissions. A pack has none, and keeps nothing."""

    def __init__(self, course: Course, ready: Module, *, seed: int | None = None) -> None:
        from grader.judge.shrink import Shrinker

        packed = course.pack(ready.assignment.name) is not None
        self.shrinker = None if packed else Shrinker(with_seed(course, seed), ready)
        self.opponent = None if packed else opponent_of(course, ready)

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends what still runs. May be called twice."""
        if self.shrinker is not None:
            self.shrinker.close()
        if self.opponent is not None:
            self.opponent.close()


def grade_one(
    course: Course,
    ready: Module,
    submission: Any,
    box: Sandbox,
    *,
    only: Sequence[str] = (),
    keys: Sequence[str] = (),
    seed: int | None,
    progress: Progress,
    so_far: SoFar | None = None,
    kept: Kept | None = None,
    before: Report | None = None,
    paced: bool = False,
) -> Report:
    """The report on one submission, with shrinking and hints. so_far: as `grader.judge.grade.grade` calls it.
    kept: from one submission to the next of the same module and seed; made anew where there is none. before: an earlier report, from which
    what would be found again is taken over. paced: as `grader.judge.grade.grade` has it."""
    from grader.judge.grade import grade
    from grader.packfile import read_header

    packed = course.pack(ready.assignment.name)
    drawn = read_header(packed).seed if packed else with_seed(course, seed).settings.seed
    earlier = {}
    for name in ready.assignment.earlier:
        path = course.reference / name
        if path.is_file():
            earlier[name] = path.read_bytes()

    def step(check: Any, done: int, total: int) -> None:
        progress.say(f"{done}/{total} {check.task} {check.title}")

    own = Kept(course, ready, seed=seed) if kept is None else contextlib.nullcontext(kept)
    with own as at_hand:
        if at_hand.shrinker is not None:
            at_hand.shrinker.begin()
        return grade(
            ready,
            submission,
            box,
            seed=drawn,
            course=course.settings.course,
            only=only,
            keys=keys,
            opponent=at_hand.opponent,
            shrinker=at_hand.shrinker,
            earlier=earlier,
            # A pack has no reference whose files could be taken.
            earlier_mode="student" if packed else course.settings.earlier,
            progress=step,
            so_far=so_far,
            before=before,
            paced=paced,
        )
