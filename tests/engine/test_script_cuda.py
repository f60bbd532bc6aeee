"""Snippets of launches run in numba's own simulator, as a student runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grader.course import load_checks, load_course
from grader.judge.script import snippet

ROOT = Path(__file__).resolve().parents[2]
SAID = {
    "3.3/tensor_map writes to an output in any layout": "[1.25 4.   6.75 1.5 ",
    "3.3/sum_practice adds each 32 neighbours": "[66.  36.5]",
}


@pytest.mark.parametrize("key", SAID)
def test_a_launch_that_is_told_runs_without_a_gpu(key: str) -> None:
    course = load_course(ROOT)
    assignment, declared = load_checks(course, "module3")
    (item,) = [item for item in declared if item.check.key == key]
    code = snippet(assignment, item.check, dict(item.edges[0]))
    assert "NUMBA_ENABLE_CUDASIM=1" in code
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(course.reference)},
    )
    assert ran.stdout.startswith(SAID[key]), ran.stderr


def test_a_long_row_is_written_short() -> None:
    course = load_course(ROOT)
    assignment, declared = load_checks(course, "module3")
    (item,) = [
        i
        for i in declared
        if i.check.title.startswith("tensor_reduce folds one dimension with x + y")
    ]
    (long,) = [edge for edge in item.edges if len(edge["a"]) == 1024]
    code = snippet(assignment, item.check, dict(long))
    assert "a = np.arange(1, 1025) / 8.0" in code
    assert len(code) < 600
