"""The peer: a property-test suite under pytest with the same questions and domains, drawn anew each time.

It runs the submission in its own process and compares with nothing, so it costs less than a real suite,
which also has to compute what to expect. Run by `bench/grading.py`, with the submission and the module in
the environment.
"""

import os
import sys
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck

from grader.box.bindings import functions, minitorch
from grader.box.imports import Package
from grader.course import find_course, load_checks

COURSE = find_course(Path(__file__).parent)
MODULE = os.environ["BENCH_MODULE"]
ASSIGNMENT, DECLARED = load_checks(COURSE, MODULE)
BINDING = {"functions": functions, "minitorch": minitorch}[ASSIGNMENT.binding]


@pytest.fixture(scope="session")
def subject():
    package = Package(str(Path(os.environ["BENCH_SUBMISSION"]).resolve()), list(ASSIGNMENT.expects))
    package.load()
    return BINDING.bind(package)


@pytest.fixture(scope="session")
def questions():
    namespace = {"__name__": "questions"}
    exec(compile(ASSIGNMENT.questions, "questions.py", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("item", DECLARED, ids=lambda item: item.check.key)
def test_check(item, subject, questions):
    @hypothesis.settings(
        max_examples=COURSE.settings.cases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(inputs=item.domain)
    def run(inputs):
        assert questions[item.check.question](subject, **item.check.given, **inputs) is not None

    run()


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q", "-p", "no:cacheprovider"]))
