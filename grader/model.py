"""The records that travel through the grader, from the load of a course to the report.

They are frozen, carry no behaviour beyond derived properties, and never touch a file or a process.
Trees of answers hold: None, bool, int, float, str, list, dict (string keys), and numpy arrays.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from grader.terms import Standing

Tree = Any  # one input or answer; see the module's docstring
OF_ONE_FILE = ("functions",)  # bindings to plain functions; the others bind packages
WAITS = "waits for"  # begins the reason of a check that is blocked by another one


class Outcome(enum.Enum):
    """What a check found. Everything but PASSED and HELD earns nothing; HELD has no score yet."""

    PASSED = "passed"
    FAILED = "failed"
    RAISED = "raised"
    UNIMPLEMENTED = "unimplemented"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    FLAKY = "flaky"
    BLOCKED = "blocked"
    HELD = "held"


class Visibility(enum.Enum):
    """Who sees a check, and when, in Gradescope's words."""

    VISIBLE = "visible"
    HIDDEN = "hidden"
    AFTER_DUE_DATE = "after_due_date"
    AFTER_PUBLISHED = "after_published"


class Raised(msgspec.Struct, frozen=True):
    """An exception of the student's code, as plain text.

    type: the class' name; message: cut to a few lines; where: `file.py:12 in forward`, innermost
    frame of the submission first; kind: `error`, `missing`, `unimplemented`, `timeout`, `blocked`, `mutated`.
    """

    type: str
    message: str
    where: tuple[str, ...] = ()
    kind: str = "error"


class Tolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """|observed - expected| <= absolute + relative * |expected|, plus what rounding may move.

    conditioning: how many times the movement that one rounding error in the inputs causes is
    forgiven on top (see `grader.bank`).
    """

    relative: float = 1e-11
    absolute: float = 1e-12
    conditioning: float = 256.0


class Check(msgspec.Struct, frozen=True):
    """One question with the cases it is asked on.

    question: a function's name in the module's `questions.py`; given: keyword arguments that are the
    same in every case (`function="Exp"`); compare: the name of a comparison in `grader.judge.compare`;
    after: titles of checks without which this one is not asked; mode: a run mode of `grader.box.modes`;
    at_most_times: how many times as long as the reference the submission may take, 0 where that is no matter.
    """

    task: str
    title: str
    question: str
    given: dict[str, Any]
    weight: float
    tolerance: Tolerance
    compare: str
    visibility: Visibility
    seconds: float
    after: tuple[str, ...] = ()
    hint: str = ""
    mode: str = ""
    at_most_times: float = 0.0

    @property
    def key(self) -> str:
        """The name that a command line or a seed uses: unique in its module."""
        return f"{self.task}/{self.title}"


class Task(msgspec.Struct, frozen=True):
    """A numbered exercise. Its points are shared by its checks in proportion to their weights.

    extra: for extra credit: its points come on top of the module's.
    """

    id: str
    title: str
    points: float
    needs: tuple[str, ...] = ()
    extra: bool = False


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a submission may use.

    check_seconds, import_seconds, run_seconds: CPU seconds of the box (for one check, for the import,
    for the whole run); compile_seconds: what the first case of a check may use on top, because a compiled
    kernel is compiled when it is first called; wall_factor: the wall clock's limit is this many times the CPU's, plus five
    seconds; memory_mb: MiB beyond what the empty box already maps; output_mb: MiB in one answer.
    """

    check_seconds: float = 5.0
    import_seconds: float = 10.0
    run_seconds: float = 120.0
    compile_seconds: float = 0.0
    wall_factor: float = 8.0
    memory_mb: int = 512
    output_mb: int = 16

    @property
    def last_resort_seconds(self) -> float:
        """CPU seconds after which a worker ends by itself, where no grader is left to end it."""
        return 2 * self.run_seconds + 60 + 100 * self.compile_seconds


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a course does about right values by other means, for each kind of flag.

    "flag": shown to a TA, no point is lost; "allow": not even that; a number: the share of the points of
    the checks concerned that is deducted.
    """

    foreign_autodiff: float | str = "flag"
    differences: float | str = "flag"
    complex_step: float | str = "flag"
    lookup_table: float | str = "flag"
    hidden_code: float | str = "flag"


class Assignment(msgspec.Struct, frozen=True):
    """One module of a course as the grader needs it: everything but the strategies and the reference.

    also: folders that are taken of a submission beside what it is expected to hold; left_out: one sentence for
    each reason why checks of it are not asked on this machine.
    """

    name: str
    title: str
    binding: str
    expects: tuple[str, ...]
    tasks: tuple[Task, ...]
    checks: tuple[Check, ...]
    questions: str
    limits: Limits
    preload: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    policy: Policy = Policy()
    left_out: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def task(self, task_id: str) -> Task:
        """The task of that id; KeyError when there is none."""
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise KeyError(task_id)


class CaseBank(msgspec.Struct, frozen=True):
    """The stored cases of one check: inputs, the reference's answers, how far rounding moves them.

    All three are frames (see `grader.box.wire`), one per case: `cases` dicts of question arguments,
    smallest first after the `edges` that the author wrote; `answers` what the reference said; `slack`
    trees shaped like the answers, with one float per leaf (how far one rounding error in every input
    moves it).
    """

    check: str
    seed: int
    cases: tuple[bytes, ...]
    answers: tuple[bytes, ...]
    slack: tuple[bytes, ...]
    edges: int
    digest: str


class Submission(msgspec.Struct, frozen=True):
    """The files of one student, already read and checked: relative POSIX path -> bytes."""

    id: str
    origin: str
    files: dict[str, bytes]
    digest: str
    notes: tuple[str, ...] = ()


class Mismatch(msgspec.Struct, frozen=True):
    """The first place at which two answers differ.

    path: `gradients[1][0, 2]`; kind: `value`, `shape`, `type`, `length`, `mutated`, `raised`,
    `not finite`; expected and observed: as text, cut.
    """

    path: str
    kind: str
    expected: str
    observed: str


class Counterexample(msgspec.Struct, frozen=True):
    """A case that shows the fault.

    inputs: argument -> text that can be pasted into a Python prompt; shrunk: whether it is the smallest
    that Hypothesis found (True) or the smallest of the bank; diagnosis: one sentence on why, or empty;
    snippet: lines of Python, in the student's vocabulary, that show it; where: lines of the student's
    code (innermost first) for an exception or a time limit.
    """

    inputs: dict[str, str]
    mismatch: Mismatch
    shrunk: bool
    diagnosis: str = ""
    snippet: str = ""
    expected: str = ""
    observed: str = ""
    where: tuple[str, ...] = ()
    index: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """What one check found in one submission.

    score and max_score: points; cases_run: how many cases were compared; seconds: CPU seconds of the
    box; reason: one sentence for every outcome other than PASSED; hint: what to do next, or empty; ran_on:
    in what the code ran where that is no plain Python (`numba's CUDA simulator`); remark: what the check found
    out beside its outcome, in a sentence or two; ratio: the submission's time over the reference's, where it was
    taken.
    """

    task: str
    title: str
    outcome: Outcome
    weight: float
    score: float | None
    max_score: float
    seconds: float
    cases_run: int
    cases: int
    visibility: Visibility = Visibility.VISIBLE
    reason: str = ""
    hint: str = ""
    counterexample: Counterexample | None = None
    ran_on: str = ""
    remark: str = ""
    ratio: float | None = None


class Wall(msgspec.Struct, frozen=True):
    """One protection of the box: is it up, and in which form (`landlock`, True, `ABI 7`)."""

    name: str
    up: bool
    detail: str = ""


class Provenance(msgspec.Struct, frozen=True):
    """How a report came about, so that it can be repeated.

    banks: each check's key with the digest of its cases; asked: with that of all that its verdict depends on (see
    `grader.judge.again`); taken_over: how many verdicts are those of an earlier grading of the same files.
    """

    sandbox: str
    protects: bool
    walls: tuple[Wall, ...]
    seed: int
    banks: dict[str, str]
    assignment_digest: str
    submission_digest: str
    versions: dict[str, str]
    graded_at: str
    course: str = ""
    earlier: str = "student"
    asked: dict[str, str] = {}
    taken_over: int = 0


class TaskScore(msgspec.Struct, frozen=True):
    """A task's line in the report; `score` is None while one of its checks is held. extra: for extra credit, no
    part of the report's max_score."""

    id: str
    title: str
    score: float | None
    max_score: float
    extra: bool = False


class Flag(msgspec.Struct, frozen=True):
    """Right values by means that a course may not want, for a TA to look at.

    kind: a key of Policy; sentence: what it looks like; evidence: lines that say where and what was seen
    (`student.py:12 import torch`); checks: keys of the passed checks that it concerns; deducted: such a
    key -> points taken. Without a rule of the course nothing is taken.
    """

    kind: str
    sentence: str
    evidence: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    deducted: dict[str, float] = {}

    @property
    def points(self) -> float:
        """All points that this flag takes."""
        return sum(self.deducted.values())


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of one grading. Every view is made from this and nothing else.

    score: the sum of the tasks' scores less what the flags deduct; None while a check is held; standing: what
    counts under the course's terms, None where none were applied; pace: a check of speed that was asked without the
    reference -> milliseconds that one question took.
    """

    schema: str = "backcheck/report/1"
    submission: str
    origin: str
    module: str
    title: str
    score: float | None
    max_score: float
    tasks: tuple[TaskScore, ...]
    checks: tuple[Verdict, ...]
    notes: tuple[str, ...]
    hints: tuple[str, ...]
    seconds: float
    complete: bool
    provenance: Provenance
    flags: tuple[Flag, ...] = ()
    standing: Standing | None = None
    pace: dict[str, float] = {}
