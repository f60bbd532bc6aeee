"""The first page of the authors' guide shows the files of the smallest course as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COURSE = ROOT / "examples" / "courses" / "two_functions"
SHOWN = ("grader.yaml", *(f"assignments/two_functions/{n}" for n in ("module.yaml", "questions.py", "checks.py")))  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_a_file_of_the_course_stands_in_the_guide_as_it_is(name: str) -> None:
    page = (ROOT / "docs" / "authors-guide.md").read_text(encoding="utf-8")
    assert f"`{name}`" in page
    assert (COURSE / name).read_text(encoding="utf-8").strip() in page


def test_the_first_half_of_the_answer_key_stands_there_too() -> None:
    page = (ROOT / "docs" / "authors-guide.md").read_text(encoding="utf-8")
    first, _, _ = (COURSE / "reference" / "student.py").read_text().partition("class Exp")
    assert first.strip() in page
