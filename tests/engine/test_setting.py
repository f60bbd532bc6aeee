"""What gradings keep between them changes nothing in what they find."""

from __future__ import annotations

from pathlib import Path

import msgspec

from grader import bank
from grader.course import load_course
from grader.intake import read_file
from grader.model import Report
from grader.sandbox import Sandbox
from grader.setting import Kept, grade_one

ROOT = Path(__file__).resolve().parents[2]


class Silent:
    def say(self, text: str) -> None:
        """Nobody listens."""

    def note(self, text: str) -> None:
        """Nobody listens."""


def found(report: Report) -> list[object]:
    """All of a report but times."""
    return [
        [msgspec.structs.replace(verdict, seconds=0.0) for verdict in report.checks],
        report.hints,
        report.notes,
        report.flags,
    ]


def test_a_second_submission_is_graded_as_if_it_were_the_first(box: Sandbox) -> None:
    course = load_course(ROOT)
    ready = bank.load(course, "warmup")
    right = read_file(ROOT / "reference" / "warmup.py", ready.assignment.expects)
    text = right.files["warmup.py"].decode()
    for old in ("d * 2.0 * x", "d * math.cos(x)"):
        assert old in text
    first, second = (
        msgspec.structs.replace(right, files={"warmup.py": wrong.encode()})
        for wrong in (
            text.replace("d * 2.0 * x", "2.0 * x"),
            text.replace("d * math.cos(x)", "d * math.sin(x)"),
        )
    )
    alone = [
        grade_one(course, ready, one, box, seed=None, progress=Silent()) for one in (first, second)
    ]
    with Kept(course, ready) as kept:
        together = [
            grade_one(course, ready, one, box, seed=None, progress=Silent(), kept=kept)
            for one in (first, second, first)
        ]
        assert kept.shrinker is not None
        assert kept.shrinker.declared is not None  # something was made smaller
    assert found(together[0]) == found(together[2]) == found(alone[0])
    assert found(together[1]) == found(alone[1])
