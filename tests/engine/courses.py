"""Tiny courses in a folder of their own, graded by the real engine in real processes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grader import bank
from grader.course import Course, load_course
from grader.intake import read_submission
from grader.judge.grade import grade
from grader.judge.shrink import Shrinker
from grader.model import Report, Submission, Verdict
from grader.sandbox import Sandbox
from grader.sandbox.process import ProcessSandbox

COURSE = """
course: Tiny
modules: [sums]
seed: 1
cases: 100
isolation: {sandbox: process}
"""

MODULE = """
title: Sums
expects: [work]
limits:
  check_seconds: 0.5
  import_seconds: 1
  run_seconds: 20
tasks:
  - {id: "1", title: Small functions, points: 10}
  - {id: "2", title: Larger functions, points: 30, needs: ["1"]}
"""

QUESTIONS = """
def one(subject, function, x):
    "{function} gives the right number"
    return subject.call(function, x)


def many(subject, function, values):
    "{function} adds everything up"
    return subject.call(function, values)
"""

CHECKS = """
import questions
from grader.checks import case, lists_of, reals, task

first = task("1")
first.check(questions.one, case(x=reals()), function="double", edges=[{"x": 0.5}])
first.check(questions.one, case(x=reals()), function="square", weight=4, hint="x times itself.")
second = task("2")
second.check(questions.many, case(values=lists_of(reals(), 0, 4)), function="total")
second.check(
    questions.one, case(x=reals()), function="later", after=["total adds everything up"], weight=2
)
"""

REFERENCE = '''
"""The answer key."""


def double(x):
    return 2.0 * x


def square(x):
    return x * x


def total(values):
    result = 0.0
    for value in values:
        result += value
    return result


def later(x):
    return x + 1.0
'''

# The files of the tiny course; a test replaces those that it is about.
FILES = {
    "grader.yaml": COURSE,
    "assignments/sums/module.yaml": MODULE,
    "assignments/sums/questions.py": QUESTIONS,
    "assignments/sums/checks.py": CHECKS,
    "reference/work.py": REFERENCE,
}


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Writes files under a folder; text loses the indentation that its lines share."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else dedented(content).encode()
        path.write_bytes(data)
    return root


def dedented(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def make_course(root: Path, files: Mapping[str, str] | None = None) -> Course:
    """The tiny course in that folder, with some of its files replaced."""
    return load_course(write(root, {**FILES, **(files or {})}))


def changed(**functions: str) -> dict[str, str]:
    """A submission like the reference, with functions written differently: name -> whole definition."""
    text = dedented(REFERENCE)
    for definition in functions.values():
        text += "\n\n" + dedented(definition)
    return {"work.py": text}


class Graded:
    """A report with its verdicts by the beginning of their titles."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def __getitem__(self, start: str) -> Verdict:
        (found,) = [v for v in self.report.checks if v.title.startswith(start)]
        return found

    @property
    def outcomes(self) -> dict[str, str]:
        """The first word of each title -> what was found."""
        return {v.title.split()[0]: v.outcome.value for v in self.report.checks}


def grade_files(
    course: Course,
    folder: Path,
    files: Mapping[str, str | bytes],
    *,
    module: str = "sums",
    sandbox: Sandbox | None = None,
    shrink: bool = False,
    only: Sequence[str] = (),
    **options: Any,
) -> Graded:
    """Grades files as a submission, in the process sandbox unless another is given."""
    ready = bank.load(course, module)
    submission = read_submission(write(folder, files), ready.assignment.expects)
    return Graded(graded(course, ready, submission, sandbox, shrink=shrink, only=only, **options))


def graded(
    course: Course,
    ready: bank.Module,
    submission: Submission,
    sandbox: Sandbox | None = None,
    *,
    shrink: bool = False,
    **options: Any,
) -> Report:
    """The report on a submission that was taken in already."""
    box = sandbox or ProcessSandbox()
    try:
        with Shrinker(course, ready) as shrinker:
            return grade(
                ready,
                submission,
                box,
                seed=course.settings.seed,
                shrinker=shrinker if shrink else None,
                **options,
            )
    finally:
        box.close()
