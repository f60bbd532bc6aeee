"""What of an earlier grading stands, and what is asked again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from grader.model import Outcome, Report

from .courses import CHECKS, COURSE, MODULE, QUESTIONS, Graded, changed, grade_files, make_course

WRONG = changed(square="def square(x):\n    return x * abs(x)\n")
MARK = "found before"


def marked(report: Report) -> Report:
    """The report as if its verdicts had been found with a remark, by which they are known again."""
    checks = tuple(msgspec.structs.replace(v, remark=MARK) for v in report.checks)
    return msgspec.structs.replace(report, checks=checks)


def taken_over(found: Graded) -> set[str]:
    names = {v.title.split()[0] for v in found.report.checks if v.remark == MARK}
    assert len(names) == found.report.provenance.taken_over
    return names


@pytest.fixture(autouse=True)
def banks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADE_CACHE", str(tmp_path / "banks"))


@pytest.fixture
def before(tmp_path: Path) -> Report:
    course = make_course(tmp_path / "course")
    return marked(grade_files(course, tmp_path / "work", WRONG).report)


def again(tmp_path: Path, before: Report, **files: str) -> Graded:
    replaced = {f"assignments/sums/{name}": text for name, text in files.items()}
    if "grader.yaml" in files:
        replaced = {"grader.yaml": files["grader.yaml"]}
    course = make_course(tmp_path / "changed", replaced)
    return grade_files(course, tmp_path / "work", WRONG, before=before)


def test_a_changed_check_is_asked_and_no_other(tmp_path: Path, before: Report) -> None:
    stricter = CHECKS.replace("edges=[{", 'edges=[{"x": 3.0}, {')
    found = again(tmp_path, before, **{"checks.py": stricter})
    assert taken_over(found) == {"square", "total", "later"}
    assert found["double"].remark == ""
    assert found.outcomes == {
        "double": "passed", "square": "failed", "total": "passed", "later": "passed"
    }  # fmt: skip
    assert found["square"].counterexample == next(
        v.counterexample for v in before.checks if v.title.startswith("square")
    )


def test_what_cannot_change_a_verdict_is_no_reason_to_ask(tmp_path: Path, before: Report) -> None:
    told = CHECKS.replace("x times itself.", "Multiply x by x.").replace("weight=4", "weight=3")
    found = again(
        tmp_path,
        before,
        **{"checks.py": told + "# a comment\n", "module.yaml": MODULE.replace("10}", "20}")},
    )
    assert taken_over(found) == {"double", "square", "total", "later"}
    assert found["square"].hint == "Multiply x by x."
    assert (found["double"].score, found["double"].max_score) == (5.0, 5.0)
    assert (found.report.score, found.report.max_score) == (35.0, 50.0)


@pytest.mark.parametrize(
    "files",
    [
        {
            "questions.py": QUESTIONS.replace(
                "subject.call(function, x)", "subject.call(function,x)"
            )
        },
        {"module.yaml": MODULE.replace("run_seconds: 20", "run_seconds: 21")},
        {"module.yaml": MODULE.replace("  run_seconds: 20", "  run_seconds: 20\n  memory_mb: 400")},
    ],
)
def test_what_all_checks_depend_on_has_all_asked(
    tmp_path: Path, before: Report, files: dict[str, str]
) -> None:
    assert taken_over(again(tmp_path, before, **files)) == set()


def test_another_tolerance_or_seed_is_another_check(tmp_path: Path, before: Report) -> None:
    loose = CHECKS.replace('function="total"', 'function="total", tolerance=Tolerance(0.5)')
    loose = loose.replace("import case", "import Tolerance, case")
    found = again(tmp_path, before, **{"checks.py": loose})
    assert taken_over(found) == {"double", "square", "later"}
    found = again(tmp_path, before, **{"grader.yaml": COURSE.replace("seed: 1", "seed: 2")})
    assert taken_over(found) == set()


def test_a_check_that_now_waits_is_not_taken_over(tmp_path: Path) -> None:
    """`later` comes after `total`, whose fault is found only once it is asked for it."""
    odd = changed(total="def total(values):\n    return 0.0 if values == [7.25] else sum(values)\n")
    first = marked(grade_files(make_course(tmp_path / "course"), tmp_path / "work", odd).report)
    assert first.score == 40
    more = CHECKS.replace('function="total"', 'function="total", edges=[{"values": [7.25]}]')
    course = make_course(tmp_path / "changed", {"assignments/sums/checks.py": more})
    found = grade_files(course, tmp_path / "work", odd, before=first)
    assert found.outcomes["total"] == "failed"
    assert found["later"].outcome is Outcome.BLOCKED
    assert taken_over(found) == {"double", "square"}


def test_other_files_or_another_box_are_asked_all(tmp_path: Path, before: Report) -> None:
    course = make_course(tmp_path / "changed")
    other = {"work.py": WRONG["work.py"] + "\n# another file\n"}
    assert taken_over(grade_files(course, tmp_path / "other", other, before=before)) == set()
    boxed = msgspec.structs.replace(before.provenance, sandbox="jail")
    elsewhere = msgspec.structs.replace(before, provenance=boxed)
    assert taken_over(again(tmp_path, elsewhere)) == set()


def test_what_the_machine_had_a_part_in_is_asked_again(tmp_path: Path, before: Report) -> None:
    slow = tuple(
        msgspec.structs.replace(v, outcome=Outcome.TIMED_OUT) if v.title[:3] == "tot" else v
        for v in before.checks
    )
    found = again(tmp_path, msgspec.structs.replace(before, checks=slow))
    assert taken_over(found) == {"double", "square", "later"}
    assert found["total"].outcome is Outcome.PASSED


def test_what_the_import_showed_is_told_again(tmp_path: Path) -> None:
    course = make_course(tmp_path / "course")
    noted = {"work.py": "import turtle\n" + WRONG["work.py"]}
    first = grade_files(course, tmp_path / "work", noted).report
    second = grade_files(course, tmp_path / "work", noted, before=first).report
    assert second.provenance.taken_over == 4
    assert second.notes == first.notes != ()
