"""GitHub's workflow commands: one line each, at the student's line, and no text of theirs is a command."""

from __future__ import annotations

import re

import msgspec
from sample_reports import buggy, full_marks, hostile

from grader.report.annotations import render


def test_a_fault_is_an_error_at_its_line() -> None:
    lines = render(buggy()).splitlines()
    assert lines[0].startswith(
        "::error file=minitorch/tensor_data.py,line=71,title=to_index reaches"
    )
    assert "took too long (0 / 3)::It did not answer within 5 s on this case.%0A" in lines[0]
    assert lines[-1].startswith("::notice title=Module 2%3A Tensors::32.05 / 50, 25 of 35 checks")


def test_what_keeps_a_file_from_being_imported_is_told_at_its_line() -> None:
    """No check was asked then, and none of them is an error."""
    hints = (
        "Start at work.py:3: SyntaxError: invalid syntax. Until it is mended, work cannot be imported.",
        "2 of the checks that failed pass with the course's own ops.py:1",
    )
    report = msgspec.structs.replace(full_marks(), hints=hints)
    first, second, score = render(report, "hw").splitlines()
    assert first == f"::warning file=hw/work.py,line=3,title=What to mend first::{hints[0]}"
    assert second == f"::warning title=What to mend first::{hints[1]}"
    assert score.startswith("::notice ")


def test_nothing_is_wrong_with_full_marks() -> None:
    (line,) = render(full_marks()).splitlines()
    assert line.startswith("::notice ")


def test_no_text_of_a_student_ends_or_begins_a_command() -> None:
    for line in render(hostile()).splitlines():
        assert line.startswith(("::error ", "::warning ", "::notice "))
        head = line[2:].partition("::")[0]
        assert head.count("title=") == 1 or "title%3D" in head
        assert "\r" not in line
        assert not re.search(r"%(?!25|0A|0D|3A|2C)", line)
