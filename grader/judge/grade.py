"""Grades one submission and writes the report: the verdicts, what to mend first, what was flagged, what it rests on."""

from __future__ import annotations

import datetime
import platform
import time
from collections.abc import Callable, Sequence

import msgspec

import grader
from grader.bank import Module
from grader.box.notebook import is_made, located, name_of
from grader.errors import NotGradable
from grader.judge import again
from grader.judge.grading import NOT_REACHED, Grading, Opponent, Progress
from grader.judge.hints import earlier_hints, hints_of, overlaid
from grader.judge.policy import flags as flags_of
from grader.judge.reading import Finding, read
from grader.judge.shrink import Shrinker
from grader.model import (
    OF_ONE_FILE,
    Assignment,
    Flag,
    Outcome,
    Provenance,
    Report,
    Submission,
    TaskScore,
    Verdict,
)
from grader.sandbox import Sandbox

SoFar = Callable[[Report], None]


def grade(
    module: Module,
    submission: Submission,
    sandbox: Sandbox,
    *,
    seed: int,
    course: str = "",
    only: Sequence[str] = (),
    keys: Sequence[str] = (),
    shrinker: Shrinker | None = None,
    earlier: dict[str, bytes] | None = None,
    earlier_mode: str = "student",
    opponent: Opponent | None = None,
    progress: Progress | None = None,
    so_far: SoFar | None = None,
    before: Report | None = None,
    paced: bool = False,
) -> Report:
    """The report on one submission.

    earlier: the reference's files of earlier modules. With `earlier_mode="reference"` they take the place
    of the submission's own; otherwise they are only tried on checks that failed, for a hint. opponent: the
    reference, to be timed beside the submission. so_far: is given the report after each check, with the others
    as out of time, for whoever may be ended before all is done. before: an earlier report; what would be found
    again is taken over from it. paced: without an opponent, whether the time is taken all the same, for `pace`.
    Raises NotGradable for a notebook in a package's place that has nothing of it.
    """
    began = time.perf_counter()
    beside = opponent.submission.digest if opponent is not None else ""
    asked = again.digests(module, earlier=earlier_mode, opponent=beside)
    graded = (
        overlaid(submission, earlier) if earlier and earlier_mode == "reference" else submission
    )
    findings = read_carefully(graded, module.assignment)

    def made(verdicts: dict[str, Verdict], hints: Sequence[str]) -> Report:
        opened = run.opened
        notes = submission.notes + (opened.notes if opened else ()) + run.assignment.left_out
        if only:
            notes += (f"only task {', '.join(only)} was graded",)
        return report(
            module,
            submission,
            sandbox,
            verdicts,
            seed=seed,
            course=course,
            only=only,
            notes=notes,
            hints=tuple(hints),
            seconds=time.perf_counter() - began,
            earlier_mode=earlier_mode,
            asked={key: asked[key] for key in verdicts},
            taken_over=run.taken_over,
            pace=run.pace,
            flags=flags_of(module.assignment, verdicts, findings, run.seen),
        )

    def judged() -> None:
        if so_far is not None:
            so_far(made(run.so_far(), hints_of(graded, run.opened)))

    run = Grading(
        module,
        graded,
        sandbox,
        only=only,
        keys=keys,
        shrinker=shrinker,
        progress=progress,
        findings=findings,
        opponent=opponent,
        judged=judged,
        holding=again.holding(before, asked, submission.digest, sandbox.name),
        paced=paced,
    )
    verdicts = run.run()
    refuse_a_lone_notebook(graded, module.assignment, verdicts)
    hints = hints_of(graded, run.opened)
    if run.opened is not None and run.opened.refused:
        # Whatever else is said of it would be about an API that it does not have.
        hints = [f"{run.opened.refused[:1].upper()}{run.opened.refused[1:]}."]
    elif earlier and earlier_mode != "reference":
        hints += earlier_hints(module, submission, sandbox, verdicts, earlier)
    return made(verdicts, hints)


def refuse_a_lone_notebook(
    submission: Submission, assignment: Assignment, verdicts: dict[str, Verdict]
) -> None:
    """Raises NotGradable for a notebook in the place of a package's files, none of which it stands in for."""
    (name, *more) = assignment.expects
    source = submission.files.get(f"{name}.py", b"")
    if more or assignment.binding in OF_ONE_FILE or not is_made(source):
        return
    nothing = (Outcome.UNIMPLEMENTED, Outcome.BLOCKED)
    if verdicts and all(verdict.outcome in nothing for verdict in verdicts.values()):
        raise NotGradable(
            f"{name_of(source)}: {assignment.title} expects the folder {name}/ with its files, and a notebook can "
            f"hold none of them. Nothing that is asked was found in it. Hand in the folder {name}/"
        )


def read_carefully(submission: Submission, assignment: Assignment) -> list[Finding]:
    """What is read in a submission's files. A file that upsets the reader costs what it would have shown."""
    try:
        found = read(submission.files, assignment.expects, assignment.also)
        return [msgspec.structs.replace(f, where=_in_notebook(submission, f.where)) for f in found]
    except Exception as error:
        what = f"its files could not be read ({type(error).__name__})"
        return [Finding("hidden_code", f"{assignment.expects[0]}:1", what)]


def _in_notebook(submission: Submission, where: str) -> str:
    """A place `work.py:12` as the cell of the notebook that the file was made of, where it was made of one."""
    name, _, line = where.rpartition(":")
    source = submission.files.get(name, b"")
    if not is_made(source) or not line.isdigit():
        return where
    return f"{located(source, int(line))}:"


def report(
    module: Module,
    submission: Submission,
    sandbox: Sandbox,
    verdicts: dict[str, Verdict],
    *,
    seed: int,
    course: str,
    only: Sequence[str],
    notes: tuple[str, ...],
    hints: tuple[str, ...],
    seconds: float,
    earlier_mode: str,
    asked: dict[str, str],
    taken_over: int,
    pace: dict[str, float],
    flags: tuple[Flag, ...] = (),
) -> Report:
    """Puts a report together from verdicts, and takes from its score what flags deduct."""
    assignment = module.assignment
    tasks = []
    for task in assignment.tasks:
        own = [v for v in verdicts.values() if v.task == task.id]
        if not own:
            continue
        held = any(v.score is None for v in own)
        score = None if held else _rounded(sum(v.score or 0.0 for v in own))
        tasks.append(TaskScore(task.id, task.title, score, task.points, task.extra))
    held = any(t.score is None for t in tasks)
    earned = sum(t.score or 0.0 for t in tasks)
    deducted = sum(flag.points for flag in flags)
    score = None if held else _rounded(max(0.0, earned - deducted))
    from importlib.metadata import version

    return Report(
        submission=submission.id,
        origin=submission.origin,
        module=assignment.name,
        title=assignment.title,
        score=score,
        max_score=_rounded(sum(t.max_score for t in tasks if not t.extra)),
        tasks=tuple(tasks),
        checks=tuple(verdicts[c.key] for c in assignment.checks if c.key in verdicts),
        notes=notes,
        hints=hints,
        seconds=round(seconds, 3),
        complete=not any(
            v.outcome is Outcome.TIMED_OUT and v.reason.startswith(NOT_REACHED)
            for v in verdicts.values()
        ),
        provenance=Provenance(
            sandbox=sandbox.name,
            protects=sandbox.protects,
            walls=sandbox.walls(),
            seed=seed,
            banks={key: module.banks[key].digest[:16] for key in verdicts},
            assignment_digest=module.digest[:16],
            submission_digest=submission.digest[:16],
            versions={
                "backcheck": grader.__version__,
                "python": platform.python_version(),
                **{name: version(name) for name in ("hypothesis", "msgspec", "numpy")},
            },
            graded_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            course=course,
            earlier=earlier_mode,
            asked=asked,
            taken_over=taken_over,
        ),
        flags=flags,
        pace=pace,
    )


def _rounded(value: float) -> float:
    """Points without the dust of adding shares."""
    return round(value, 6)
