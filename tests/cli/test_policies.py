"""Extra credit, and checks that students see from a date on: from the course's files to what is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from engine.courses import CHECKS, MODULE, REFERENCE, dedented, write

from cli.conftest import Run

EXTRA = '  - {id: "3", title: For the curious, points: 5, extra: true}\n'
MORE_CHECKS = """
third = task("3")
third.check(questions.one, case(x=reals()), function="cube")
"""
CUBE = """

def cube(x):
    return x * x * x
"""


@pytest.fixture(scope="module")
def generous(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course with a task of extra credit, and a check of task 2 that is shown after the due date."""
    root = tmp_path_factory.mktemp("generous") / "course"
    shutil.copytree(course, root)
    checks = dedented(CHECKS).replace(
        'function="total")', 'function="total", visibility="after_due_date")'
    )
    dates = "dates: {sums: {due: 2026-10-01 23:59, published: 2026-10-20 12:00}}\n"
    return write(
        root,
        {
            "grader.yaml": (root / "grader.yaml").read_text().replace("process", "auto") + dates,
            "assignments/sums/module.yaml": dedented(MODULE) + EXTRA,
            "assignments/sums/checks.py": checks + MORE_CHECKS,
            "reference/work.py": dedented(REFERENCE) + CUBE,
        },
    )


def graded(grade: Run, course: Path, submission: Path, to: Path, code: int) -> dict[str, object]:
    ran = grade("sums", "-s", submission, "--json", to, cwd=course)
    assert ran.returncode == code, ran.stdout + ran.stderr
    found: dict[str, object] = json.loads(to.read_text())
    return found


def test_extra_credit_comes_on_top(grade: Run, generous: Path, tmp_path: Path) -> None:
    all_ = write(tmp_path / "all", {"work.py": dedented(REFERENCE) + CUBE})
    report = graded(grade, generous, all_, tmp_path / "all.json", 0)
    assert (report["score"], report["max_score"]) == (45, 40)
    told = grade("render", tmp_path / "all.json").stdout
    assert "45 / 40" in told
    assert "For the curious (extra credit)" in told
    for view in ("html", "markdown", "junit", "gradescope"):
        told = grade("render", tmp_path / "all.json", "--as", view).stdout
        assert "(extra credit)" in told.replace("\\", "")
    assert "40 points and 5 extra" in grade("list", cwd=generous).stdout
    assert "(5 points of extra credit)" in grade("list", "sums", cwd=generous).stdout


def test_who_leaves_extra_credit_out_has_failed_nothing(
    grade: Run, generous: Path, right: Path, tmp_path: Path
) -> None:
    report = graded(grade, generous, right, tmp_path / "right.json", 0)
    assert (report["score"], report["max_score"]) == (40, 40)
    tried = CUBE.replace("x * x * x", "x * x")
    wrong = write(tmp_path / "wrong", {"work.py": dedented(REFERENCE) + tried})
    assert graded(grade, generous, wrong, tmp_path / "wrong.json", 1)["score"] == 40


def test_all_tasks_for_extra_credit(grade: Run, generous: Path, tmp_path: Path) -> None:
    root = tmp_path / "course"
    shutil.copytree(generous, root)
    path = root / "assignments/sums/module.yaml"
    path.write_text(
        path.read_text().replace("30,", "30, extra: true,").replace("10}", "10, extra: true}")
    )
    ran = grade("list", cwd=root)
    assert ran.returncode == 2
    assert "module.yaml:" in ran.stderr
    assert "all of them are extra credit" in ran.stderr


def test_a_student_sees_a_check_from_its_date_on(
    grade: Run, generous: Path, right: Path, tmp_path: Path
) -> None:
    stored = tmp_path / "right.json"
    graded(grade, generous, right, stored, 0)

    def seen(*more: str) -> tuple[int, float]:
        ran = grade("render", stored, "--as", "json", *more, cwd=generous)
        assert ran.returncode == 0, ran.stderr
        report = json.loads(ran.stdout)
        return len(report["checks"]), report["max_score"]

    everything = seen()
    before = seen("--for", "student", "--at", "2026-10-01T23:00Z")
    after = seen("--for", "student", "--at", "2026-10-02T00:00Z")
    assert before == (everything[0] - 1, pytest.approx(everything[1] - 10))
    assert after == everything
    # Elsewhere, where no course says when, what is not visible yet stays so.
    ran = grade("render", stored, "--as", "json", "--for", "student", cwd=tmp_path)
    assert len(json.loads(ran.stdout)["checks"]) == everything[0] - 1
    for wrong in (["--for", "student", "--at", "tomorrow"], ["--at", "2026-10-02T00:00Z"]):
        ran = grade("render", stored, *wrong, cwd=generous)
        assert ran.returncode == 2
        assert "--at: " in ran.stderr
