"""From the zip that a course's system gives to the grades that it takes back."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from drawn import PROJECT

from grader import bank
from grader.course import Course

RIGHT = (PROJECT / "reference" / "warmup.py").read_text()
METADATA = """\
submission_1:
  :submitters:
  - :name: Ada Lovelace
    :sid: '0101'
  - :name: Emmy Noether
    :sid: '0102'
  :created_at: 2026-10-02 11:00:00 Z
submission_2:
  :submitters:
  - :name: Kurt Gödel
    :sid: '0103'
  :created_at: 2026-10-01 11:00:00 Z
"""
TERMS = """
timezone: UTC
dates:
  warmup: {due: 2026-10-01 12:00}
late: {percent_per_day: 10}
"""


def grade(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grader", *map(str, words)], capture_output=True, text=True
    )


@pytest.fixture
def own_course(course: Course, tmp_path: Path) -> Path:
    """The course with a due date, in a folder of its own."""
    bank.load(course, "warmup")
    folder = tmp_path / "course"
    shutil.copytree(PROJECT / "assignments", folder / "assignments")
    shutil.copytree(PROJECT / "reference", folder / "reference")
    (folder / "grader.yaml").write_text((PROJECT / "grader.yaml").read_text() + TERMS)
    return folder


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("assignment_1_export/submission_metadata.yml", METADATA)
        for name in ("submission_1", "submission_2"):
            archive.writestr(f"assignment_1_export/{name}/warmup.py", RIGHT + f"# {name}\n")
    return path


def test_what_cannot_be_graded_is_told_with_what_a_ta_can_do(
    own_course: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    (source / "ada").mkdir(parents=True)
    (source / "ada" / "essay.txt").write_text("On sums")
    for folder in "ab":
        (source / "emmy" / folder).mkdir(parents=True)
        (source / "emmy" / folder / "warmup.py").write_text(RIGHT)
    (source / "kurt.zip").write_text("no zip")
    words = ("batch", "warmup", source, "--out", tmp_path / "out", "--course", own_course)
    planned = grade(*words, "--dry-run")
    for told in (planned.stdout, grade(*words).stdout):
        lines = [line for line in told.splitlines() if re.search("(ada|emmy|kurt): ", line)]
        assert len(lines) == 3, told
        assert all(line.endswith(". Put it right there, or ask for it again") for line in lines)
        assert "grade MODULE" not in told


def scores(text: str) -> dict[str, tuple[str, str]]:
    return {one["id"]: (one["status"], one["score"]) for one in csv.DictReader(io.StringIO(text))}


def test_a_gradescope_export_is_graded_with_its_times(
    own_course: Path, export: Path, tmp_path: Path
) -> None:
    roster = tmp_path / "r.csv"
    roster.write_text("id,name\n0101,Ada Lovelace\n0104,Sofja Kowalewskaja\n")
    out = tmp_path / "out"
    here = ("--course", own_course)
    ran = grade(
        "batch", "warmup", export, *here, "--out", out, "--roster", roster,
        "--sandbox", "process", "--json",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)
    assert "Kurt Gödel is not in the roster" in ran.stderr
    made = grade("export", out, "--as", "csv", "--roster", roster, *here)
    assert scores(made.stdout) == {
        "0101": ("graded", "90"),
        "0102": ("graded", "90"),
        "0103": ("graded", "100"),
        "0104": ("missing", ""),
    }
    raw = grade("export", out, "--as", "csv", "--raw", *here)
    assert scores(raw.stdout)["0101"] == ("graded", "100")
    elsewhere = subprocess.run(
        [sys.executable, "-m", "grader", "export", str(out), "--as", "csv"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "no terms are applied" in elsewhere.stderr
    assert grade("page", out, *here).returncode == 0
    page = (out / "index.html").read_text()
    assert page.count('href="reports/') == 3


def test_a_look_at_a_download_leaves_nothing_behind(
    own_course: Path, export: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    ran = grade("batch", "warmup", export, "--course", own_course, "--detect")
    assert ran.stdout.startswith("gradescope: 2 submissions")
    ran = grade(
        "batch", "warmup", export, "--course", own_course, "--dry-run", "--out", tmp_path / "o"
    )
    assert ran.stdout.startswith("2 of 2 would be graded")
    assert sorted(tmp_path.rglob("*")) == before
    watched = grade(
        "batch", "warmup", export, "--course", own_course, "--watch", "--out", tmp_path / "o"
    )
    assert (watched.returncode, "--watch" in watched.stderr) == (2, True)
