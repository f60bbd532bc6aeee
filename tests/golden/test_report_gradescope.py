"""results.json: Gradescope's own rules, and no point lost or shown that must not be."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from sample_reports import REPORTS, buggy, full_marks, held

from grader.model import Outcome, Visibility
from grader.report import gradescope
from grader.report.json import from_json

VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}
FORMATS = {"text", "html", "simple_format", "md", "ansi"}
TOP: dict[str, Any] = {
    "score": (int, float),
    "execution_time": (int, float),
    "output": str,
    "output_format": FORMATS,
    "test_output_format": FORMATS,
    "test_name_format": FORMATS,
    "visibility": VISIBILITIES,
    "stdout_visibility": VISIBILITIES,
    "extra_data": dict,
    "tests": list,
    "leaderboard": list,
}
TEST: dict[str, Any] = {
    "score": (int, float),
    "max_score": (int, float),
    "status": {"passed", "failed"},
    "name": str,
    "name_format": FORMATS,
    "number": str,
    "output": str,
    "output_format": FORMATS,
    "tags": list,
    "visibility": VISIBILITIES,
    "extra_data": dict,
}


def faults(sent: dict[str, Any]) -> list[str]:
    """What Gradescope would not understand."""
    found = list(_fields(sent, TOP, "results"))
    for index, test in enumerate(sent.get("tests", [])):
        found += _fields(test, TEST, f"tests[{index}]")
        if ("score" in test) != ("max_score" in test):
            found.append(f"tests[{index}] has one of score and max_score")
        if not 0 <= test.get("score", 0) <= test.get("max_score", 0):
            found.append(f"tests[{index}] scores outside its range")
        if not all(isinstance(tag, str) for tag in test.get("tags", [])):
            found.append(f"tests[{index}] has a tag that is no string")
    if "score" not in sent and not all("score" in test for test in sent.get("tests", [])):
        found.append("neither a score nor a score of every test")
    return found


def _fields(record: dict[str, Any], rules: dict[str, Any], where: str) -> list[str]:
    found = [f"{where}.{key} is unknown" for key in record if key not in rules]
    for key, value in record.items():
        rule = rules.get(key)
        if isinstance(rule, set) and value not in rule:
            found.append(f"{where}.{key} is {value!r}")
        elif isinstance(rule, type | tuple) and (
            not isinstance(value, rule) or isinstance(value, bool)
        ):
            found.append(f"{where}.{key} is a {type(value).__name__}")
    return found


@pytest.mark.parametrize("name", REPORTS)
def test_gradescope_understands(name: str) -> None:
    """Every field is known and has a value that the documentation lists."""
    sent = json.loads(gradescope.render(REPORTS[name]()))
    assert faults(sent) == []
    assert len(sent["tests"]) == len(REPORTS[name]().checks)


def test_the_checker_itself_finds_faults() -> None:
    """A checker that finds nothing anywhere would prove nothing."""
    bad = {
        "execution_time": "1 s",
        "visibility": "secret",
        "points": 1,
        "tests": [{"score": 3, "max_score": 2, "number": 1, "tags": [1]}, {"max_score": 1}],
    }
    assert len(faults(bad)) == 8


def test_points_add_up() -> None:
    """The tests' points are the score, and their sum of best points is the module's."""
    sent = gradescope.results(buggy())
    assert sum(t["score"] for t in sent["tests"]) == pytest.approx(sent["score"], abs=1e-2)
    assert sum(t["max_score"] for t in sent["tests"]) == pytest.approx(50, abs=1e-2)
    assert gradescope.results(full_marks())["score"] == 50


def test_numbers_are_unique_strings_of_their_task() -> None:
    """`2.3.4` is the fourth check of Task 2.3."""
    numbers = [t["number"] for t in gradescope.results(buggy())["tests"]]
    assert len(numbers) == len(set(numbers))
    assert numbers[:2] == ["2.1.1", "2.1.2"]
    assert numbers[-1] == "2.4.9"


def test_held_says_that_its_zero_is_no_grade() -> None:
    """A held report cannot be sent without a number, so the words come first."""
    sent = gradescope.results(held())
    assert sent["score"] == 0
    assert sent["extra_data"]["held"] is True
    assert sent["output"].startswith("No score yet: 2 checks could not be graded")
    assert "not your grade" in sent["output"]
    lost = [t for t in sent["tests"] if t["extra_data"]["outcome"] == "held"]
    assert len(lost) == 2
    for test in lost:
        assert not {"score", "max_score", "status"} & test.keys()
        assert "A TA takes a look" in test["output"]


def test_scored_report_is_not_held() -> None:
    assert gradescope.results(buggy())["extra_data"]["held"] is False


def test_hidden_checks_do_not_leak_into_the_open() -> None:
    """The output of the whole tells of visible checks; each test carries its own visibility."""
    sent = gradescope.results(buggy())
    late = [t for t in sent["tests"] if t["visibility"] == "after_due_date"]
    assert [t["name"] for t in late] == ["a tensor used twice gets both gradients"]
    assert "used twice" not in sent["output"]
    assert "25 of 34 checks passed" in sent["output"]
    assert "1 more check will be shown later" in sent["output"]


def test_stdout_is_for_instructors_unless_asked() -> None:
    assert "stdout_visibility" not in gradescope.results(buggy())
    shown = gradescope.results(buggy(), stdout_visibility=Visibility.AFTER_PUBLISHED)
    assert shown["stdout_visibility"] == "after_published"


def test_status_follows_the_outcome() -> None:
    """Passed is passed, and every other graded outcome is failed."""
    for check, test in zip(buggy().checks, gradescope.results(buggy())["tests"], strict=True):
        assert test["status"] == ("passed" if check.outcome is Outcome.PASSED else "failed")


def test_the_whole_report_travels_along_and_is_read_back() -> None:
    report = buggy()
    sent = gradescope.results(report, whole=True)
    assert from_json(json.dumps(sent).encode()) == report
    assert "report" not in gradescope.results(report)["extra_data"]


def test_of_a_box_that_keeps_nothing_in_only_what_students_see_travels_along() -> None:
    report = buggy()
    hidden = [v for v in report.checks if v.visibility is not Visibility.VISIBLE]
    assert hidden
    open_ = msgspec.structs.replace(
        report, provenance=msgspec.structs.replace(report.provenance, protects=False)
    )
    kept = from_json(json.dumps(gradescope.results(open_, whole=True)).encode())
    assert not {v.title for v in hidden} & {v.title for v in kept.checks}
