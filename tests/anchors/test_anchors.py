"""The two anchors: the reference earns every point, the template none, in every box."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from drawn import PRELOAD

from grader.course import Course
from grader.intake import read_folder
from grader.judge.grade import grade
from grader.judge.grading import without_speed
from grader.model import Outcome, Report
from grader.sandbox import Sandbox
from grader.sandbox.choose import docker_available
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.jail import Jail
from grader.sandbox.process import ProcessSandbox

MODULES = ("warmup", "module0", "module1", "module2", "module3", "module4")
NOT_YET = {Outcome.UNIMPLEMENTED, Outcome.BLOCKED}


BOXES: dict[str, tuple[Callable[[], Sandbox], Callable[[], tuple[bool, str]]]] = {
    "process": (ProcessSandbox, lambda: (True, "")),
    "jail": (lambda: Jail(preload=PRELOAD), Jail.available),
    "docker": (lambda: DockerSandbox(preload=PRELOAD), docker_available),
}


@pytest.fixture(scope="module", params=list(BOXES))
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    make, works = BOXES[request.param]
    available, reason = works()
    if not available:
        pytest.skip(reason)
    made = make()
    try:
        yield made
    finally:
        made.close()


def graded(folder: str, module: str, course: Course, banks, sandbox: Sandbox) -> Report:
    """The report on a folder of the repository."""
    ready = banks.module(module)
    wanted = ready.assignment.expects, ready.assignment.also
    submission = read_folder(course.root / folder, *wanted)
    return grade(ready, submission, sandbox, seed=course.settings.seed)


def outcomes(report: Report) -> dict[str, Outcome]:
    return {f"{v.task}/{v.title}": v.outcome for v in report.checks}


@pytest.mark.parametrize("module", MODULES)
def test_the_reference_earns_every_point(module, course, banks, sandbox) -> None:
    report = graded("reference", module, course, banks, sandbox)
    assert {k: o for k, o in outcomes(report).items() if o is not Outcome.PASSED} == {}
    # How quick it is beside itself is no question for a machine that others work on.
    assignment = without_speed(banks.module(module)).assignment
    asked = {check.task for check in assignment.checks}
    points = sum(task.points for task in assignment.tasks if task.id in asked)
    assert report.score == report.max_score == points > 0
    assert report.hints == ()
    assert report.notes == assignment.left_out


@pytest.mark.parametrize("module", MODULES)
def test_the_template_earns_nothing_and_every_check_says_that_it_is_not_done(
    module, course, banks, sandbox
) -> None:
    report = graded("student_template", module, course, banks, sandbox)
    assert {k: o for k, o in outcomes(report).items() if o not in NOT_YET} == {}
    assert report.score == 0


def test_the_course_has_no_module_without_anchors(course: Course) -> None:
    assert set(MODULES) == set(course.settings.modules)
