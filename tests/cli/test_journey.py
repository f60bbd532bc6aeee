"""A student's way through a module: clone, solve task by task, look at the points, zip it, hand it in on Gradescope."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from drawn import PROJECT
from gradescope.test_gradescope import lay_out
from gradescope.test_gradescope import run as handed_in

from grader import bank, template
from grader.course import load_course, load_module
from grader.platforms import gradescope
from grader.platforms.pytest_plugin import marker


def solved(name: str, tasks: set[str]) -> str:
    """A file of the answer key in which the solutions of these tasks alone stand, and no marker."""
    text = (PROJECT / "reference" / name).read_text(encoding="utf-8")
    lines = text.splitlines()
    for region in template.regions(text, name):
        if region.task in tasks:
            lines[region.first - 1] = lines[region.last - 1] = ""
    return template.strip("\n".join(lines) + "\n", name)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def points(folder: Path, module: str) -> dict[str, tuple[float, float]]:
    """Each task's score and the most that it can have, as `grade` says."""
    ran = run(folder, "grader", module, "--json", "-")
    assert ran.returncode in (0, 1), ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    assert report["score"] == pytest.approx(sum(task["score"] for task in report["tasks"]))
    return {task["id"]: (task["score"], task["max_score"]) for task in report["tasks"]}


@pytest.mark.parametrize("module", ["warmup", pytest.param("module1", marks=pytest.mark.thorough)])
def test_points_rise_task_by_task_and_the_same_score_stands_on_gradescope(
    module: str, tmp_path: Path
) -> None:
    course = load_course(PROJECT)
    ready = bank.load(course, module)
    settings = load_module(course, module)
    tasks = [task.id for task in settings.tasks]
    folder = tmp_path / "mine"
    made = run(PROJECT, "grader", "template", module, "-o", str(folder))
    assert made.returncode == 0, made.stderr
    named = set(re.findall(r"^## Task `?([\w.]+)", (folder / "HANDOUT.md").read_text(), re.M))
    assert set(tasks) - named <= {"1.5"}  # training has no code of the student's
    if settings.earlier:
        # The modules before are done: their files come along.
        begun = run(folder, "grader", "start", module, "--from", str(PROJECT / "reference"))
        assert begun.returncode == 0, begun.stderr
    keys = PROJECT / "reference"
    mine = [
        name
        for name in sorted(path.relative_to(keys).as_posix() for path in keys.rglob("*.py"))
        if (folder / name).is_file() and name not in settings.earlier
    ]
    written = {
        region.task
        for name in mine
        for region in template.regions((keys / name).read_text(encoding="utf-8"), name)
    }
    assert not any(score for score, _ in points(folder, module).values())

    steps = [task for task in tasks if task in written]
    for at, task in enumerate(steps):
        done = set(steps[: at + 1])
        for name in mine:
            (folder / name).write_text(solved(name, done), encoding="utf-8")
        # A task without code of its own, such as training, is done with the last that it needs.
        done |= set(tasks) - written if task == steps[-1] else set()
        found = points(folder, module)
        assert found == {t.id: (t.points if t.id in done else 0, t.points) for t in settings.tasks}
        assert run(folder, "pytest", "-q", "-m", marker(task)).returncode == 0
        for following in steps[at + 1 : at + 2]:
            assert run(folder, "pytest", "-q", "-m", marker(following)).returncode == 1

    archive = gradescope.archive(course, ready, gradescope.Settings(module=module))
    root = lay_out(tmp_path / "autograder", archive, {"mine.zip": zipped(folder)})
    sent = handed_in(root)
    assert sent["score"] == sum(score for score, _ in found.values()) == 100


def zipped(folder: Path) -> bytes:
    """The student's whole folder, as they would pack it, with what `grade` and `pytest` left in it."""
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
    return room.getvalue()
