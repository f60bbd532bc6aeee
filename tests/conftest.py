"""What several kinds of tests share: the course, banks under several seeds, and the fastest box."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from drawn import DRAWS, PRELOAD, PROJECT, Banks, reference_submission

from grader.course import Course, load_course
from grader.model import Submission
from grader.sandbox import Sandbox
from grader.sandbox.jail import Jail
from grader.sandbox.process import ProcessSandbox

collect_ignore_glob = ["wheat/*/*"]  # submissions, whose own tests are not ours


@pytest.fixture(scope="session")
def course() -> Course:
    """The course of this repository."""
    return load_course(PROJECT)


@pytest.fixture(scope="session")
def banks(course: Course, request: pytest.FixtureRequest) -> Iterator[Banks]:
    """Every module under the course's seed, or three where all tests are asked: to draw takes longer than to grade.
    `bench/draws.py` tries any number of others."""
    few = "not thorough" in request.config.getoption("markexpr")
    found = Banks(course, draws=1 if few else len(DRAWS))
    with found.closing:
        yield found


@pytest.fixture(scope="session")
def reference(course: Course) -> Submission:
    """The answer key as a submission to any module."""
    return reference_submission(course)


@pytest.fixture(scope="session")
def box() -> Iterator[Sandbox]:
    """The sandbox that starts a worker fastest."""
    sandbox: Sandbox = Jail(preload=PRELOAD) if Jail.available()[0] else ProcessSandbox()
    try:
        yield sandbox
    finally:
        sandbox.close()
