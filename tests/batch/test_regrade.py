"""A check was mended: who gains, who loses, and that nothing else is asked again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from engine.courses import CHECKS, COURSE, FILES, REFERENCE, dedented, make_course, write

from grader.batch.book import Book
from grader.cli.batch import forget
from grader.report.json import from_json

RIGHT = dedented(REFERENCE)
# Wrong on what the mended check asks, and on nothing else.
ODD = RIGHT.replace("result = 0.0", "result = 1.0 if values == [7.25] else 0.0")
WRONG = RIGHT.replace("return x * x", "return x * abs(x)")
MENDED = CHECKS.replace('function="total"', 'function="total", edges=[{"values": [7.25]}]')


class Course:
    """A course with a class of three, graded by the command."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_course(root / "course")
        for name, text in (("ada", RIGHT), ("emmy", ODD), ("kurt", WRONG)):
            write(root / "class", {f"{name}/work.py": text})

    def grade(self, *more: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "grader", "batch", "sums", str(self.root / "class")]
        line += [
            "--out",
            str(self.out),
            "--course",
            str(self.root / "course"),
            "--jobs",
            "1",
            *more,
        ]
        environment = {**os.environ, "GRADE_CACHE": str(self.root / "banks")}
        return subprocess.run(line, capture_output=True, text=True, env=environment)

    @property
    def out(self) -> Path:
        return self.root / "out"

    def scores(self, place: str = ".") -> dict[str, float | None]:
        with Book(self.out / place / "gradebook.sqlite") as book:
            rows = book.rows("sums")
        return {row.hand_in.id: row.report.score if row.report else None for row in rows}

    def files(self) -> dict[str, Any]:
        return {
            path.relative_to(self.out).as_posix(): path.read_bytes()
            for path in sorted(self.out.rglob("*"))
            if path.is_file() and "preview" not in path.parts
        }


@pytest.fixture
def course(tmp_path: Path) -> Course:
    found = Course(tmp_path)
    ran = found.grade()
    assert ran.returncode == 0, ran.stderr
    assert found.scores() == {"ada": 40, "emmy": 40, "kurt": 32}
    return found


def test_a_preview_tells_who_loses_and_changes_nothing(course: Course) -> None:
    write(course.root, {"course/assignments/sums/checks.py": MENDED})
    before = course.files()
    ran = course.grade("--preview")
    assert ran.returncode == 0, ran.stderr
    assert "3 hand-ins: 0 gained, 1 lost, 1 changed in all" in ran.stdout
    assert "emmy  40 -> 10" in ran.stdout
    assert "    - 2/total adds everything up" in ran.stdout
    assert course.files() == before
    assert (course.out / "preview" / "reports" / "sums" / "emmy.html").is_file()
    told = json.loads(course.grade("--preview", "--json").stdout)
    assert [change["hand_in"] for change in told["changes"]] == ["emmy"]
    assert course.files() == before


def test_what_a_preview_found_counts_without_being_asked_again(course: Course) -> None:
    write(course.root, {"course/assignments/sums/checks.py": MENDED})
    course.grade("--preview")
    told = json.loads(course.grade("--json").stdout)
    assert (told["graded"], told["known"]) == (0, 3)
    assert course.scores() == {"ada": 40, "emmy": 10, "kurt": 32}
    assert not (course.out / "preview").exists()


def test_a_preview_stays_while_another_module_is_graded(tmp_path: Path) -> None:
    for module in ("sums", "products"):
        write(tmp_path, {f"reports/{module}/ada.html": "", "gradebook.sqlite": ""})
    forget(tmp_path, "sums")
    assert [path.name for path in tmp_path.glob("reports/*")] == ["products"]
    assert (tmp_path / "gradebook.sqlite").is_file()
    forget(tmp_path, "products")
    assert not tmp_path.exists()


def test_only_the_mended_check_is_asked(course: Course) -> None:
    write(course.root, {"course/assignments/sums/checks.py": MENDED})
    told = json.loads(course.grade("--json").stdout)
    # Four checks; `later` waits for `total`, which emmy fails now.
    assert (told["graded"], told["taken_over"]) == (3, 3 + 2 + 3)
    assert course.scores() == {"ada": 40, "emmy": 10, "kurt": 32}
    again = json.loads(course.grade("--json", "--force").stdout)
    assert (again["graded"], again["taken_over"]) == (3, 0)


def test_who_is_not_graded_again_out_of_other_points_is_told(course: Course) -> None:
    module = dedented(FILES["assignments/sums/module.yaml"]).replace("points: 30", "points: 60")
    write(course.root, {"course/assignments/sums/module.yaml": module})
    shutil.rmtree(course.root / "class" / "kurt")
    said = "not graded out of the same points: kurt out of 40 points; ada, emmy out of 70 points"
    assert said in course.grade().stderr
    line = [sys.executable, "-m", "grader", "export", str(course.out), "--as", "canvas"]
    assert said in subprocess.run(line, capture_output=True, text=True).stderr


def test_who_had_a_grade_and_is_not_gradable_now_is_told_and_has_it_back(course: Course) -> None:
    (course.root / "class" / "emmy" / "work.py").rename(course.root / "aside.py")
    ran = course.grade()
    assert "note: graded before, and not gradable now: emmy. " in ran.stderr
    assert course.scores()["emmy"] is None
    (course.root / "aside.py").rename(course.root / "class" / "emmy" / "work.py")
    ran = course.grade()
    assert "not gradable" not in ran.stdout + ran.stderr
    assert course.scores() == {"ada": 40, "emmy": 40, "kurt": 32}


def test_what_a_list_names_and_is_away_keeps_what_was_graded(tmp_path: Path) -> None:
    """As a folder does: a disk that is not mounted costs nobody a grade."""
    course = Course(tmp_path)
    source = course.root / "class"
    (course.root / "list.txt").write_text("disk/ada\ndisk/emmy\nkurt\nnobody\n")
    (course.root / "disk").mkdir()
    for name in ("ada", "emmy"):
        (source / name).rename(course.root / "disk" / name)
    (source / "kurt").rename(course.root / "kurt")
    source.rmdir()
    (course.root / "list.txt").rename(source)
    assert course.grade().returncode == 0
    assert course.scores() == {"ada": 40, "emmy": 40, "kurt": 32, "nobody": None}
    (course.root / "disk").rename(course.root / "away")
    ran = course.grade()
    assert ran.returncode == 0
    assert "note: not there now, and kept as graded before: ada, emmy\n" in ran.stderr
    plan = course.grade("--dry-run").stdout
    assert "  ada: not there now, and kept as graded before\n" in plan
    assert "  nobody: cannot be graded: there is no such file" in plan
    assert "not there now  2\n" in ran.stdout
    assert course.scores() == {"ada": 40, "emmy": 40, "kurt": 32, "nobody": None}
    assert (course.out / "reports" / "sums" / "ada.html").is_file()
    (course.root / "kurt").rename(course.root / "away" / "kurt")
    ran = course.grade()
    assert ran.returncode == 2
    assert "nothing that it lists is there" in ran.stderr
    assert course.scores()["ada"] == 40


def test_a_preview_that_cannot_be(tmp_path: Path) -> None:
    course = Course(tmp_path)
    ran = course.grade("--preview")
    assert ran.returncode == 2
    assert "--preview: there is no" in ran.stderr
    assert not course.out.exists()
    ran = course.grade("--preview", "--watch")
    assert ran.returncode == 2
    assert "--watch: a preview" in ran.stderr


TWO = (
    COURSE.replace("[sums]", "[sums, more]")
    + """
timezone: UTC
dates:
  sums: {due: 2026-10-01 12:00}
  more: {due: 2026-11-01 12:00}
late: {percent_per_day: 10, tokens: 1}
"""
)
LATE = """
submission_1:
  :submitters:
  - :name: Ada Lovelace
    :sid: '0101'
  :created_at: 2026-%s 11:00:00 Z
"""


def test_other_terms_grade_nothing_again_and_change_the_reports_of_all_modules(
    tmp_path: Path,
) -> None:
    more = {
        f"assignments/more/{name.rpartition('/')[2]}": text
        for name, text in FILES.items()
        if "sums" in name
    }
    make_course(tmp_path / "course", {**more, "grader.yaml": TWO})
    for module, day in (("sums", "10-02"), ("more", "11-02")):
        write(tmp_path, {f"{module}/submission_1/work.py": RIGHT})
        write(tmp_path, {f"{module}/submission_metadata.yml": LATE % day})

    def grade(module: str) -> dict[str, Any]:
        line = [sys.executable, "-m", "grader", "batch", module, str(tmp_path / module), "--json"]
        line += ["--out", str(tmp_path / "out"), "--course", str(tmp_path / "course")]
        environment = {**os.environ, "GRADE_CACHE": str(tmp_path / "banks")}
        ran = subprocess.run(line, capture_output=True, text=True, env=environment)
        assert ran.returncode == 0, ran.stderr
        told: dict[str, Any] = json.loads(ran.stdout)
        return told

    def scores() -> list[float | None]:
        found: list[float | None] = []
        for module in ("sums", "more"):
            path = tmp_path / "out" / "reports" / module / "ada-lovelace.json"
            standing = from_json(path.read_bytes()).standing
            found.append(None if standing is None else standing.score)
        return found

    for module in ("sums", "more"):
        grade(module)
    assert scores() == [40, 36]
    for change, expected in (
        (("tokens: 1", "tokens: 0"), [36, 36]),
        (("percent_per_day: 10", "percent_per_day: 20"), [32, 32]),
        (("timezone", "# timezone"), [32, 32]),
    ):
        path = tmp_path / "course" / "grader.yaml"
        path.write_text(path.read_text().replace(*change))
        assert grade("sums")["graded"] == 0
        assert scores() == expected
    path.write_text(dedented(TWO.partition("timezone")[0]))
    grade("sums")
    assert scores() == [None, None]
