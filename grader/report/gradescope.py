"""The report as Gradescope's results.json.

All text is sent as `text`, never as HTML or Markdown, so that nothing a student prints is rendered.
What stands at the top level is made of the visible checks alone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from grader.model import Outcome, Report, Verdict, Visibility
from grader.report.audience import for_student
from grader.report.json import tree
from grader.report.outline import (
    WAITING,
    WORDS,
    answers,
    beside,
    deducted_line,
    evidence_lines,
    flag_line,
    held_line,
    incomplete_line,
    mismatch_line,
    sentences,
    standing_lines,
    tallies,
)
from grader.report.text import count, cut, one_line, points, sentence, visible


def render(report: Report, *, stdout_visibility: Visibility | None = None) -> str:
    """`results` as JSON text."""
    compact = msgspec.json.encode(results(report, stdout_visibility=stdout_visibility))
    return msgspec.json.format(compact, indent=2).decode("utf-8") + "\n"


def results(
    report: Report, *, stdout_visibility: Visibility | None = None, whole: bool = False
) -> dict[str, Any]:
    """The fields that Gradescope reads.

    Gradescope knows no grade but a number. A held report is therefore sent with `score` 0, an `output`
    that says first that this is no grade, and `extra_data.held` true, by which a later run finds it;
    a held check carries no score and no status. stdout_visibility: None leaves the captured output
    to instructors. whole: `extra_data` holds the report as well, for audits; where student code could read
    what the next attempt is told of this one, without what hidden checks said.
    """
    sent: dict[str, Any] = {
        "score": _number(_counts(report)),
        "execution_time": round(report.seconds, 3),
        "output": _summary(report),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": Visibility.VISIBLE.value,
        "tests": _tests(report),
        "extra_data": {
            "schema": report.schema,
            "held": report.score is None,
            "complete": report.complete,
            "max_score": _number(report.max_score),
            "submission": visible(report.submission),
            "sandbox": visible(report.provenance.sandbox),
            "protects": report.provenance.protects,
            "seed": report.provenance.seed,
            "assignment_digest": visible(report.provenance.assignment_digest),
            "submission_digest": visible(report.provenance.submission_digest),
            "versions": {
                visible(name): visible(version)
                for name, version in sorted(report.provenance.versions.items())
            },
            "graded_at": visible(report.provenance.graded_at),
            # For instructors: students do not see extra_data.
            "flags": [
                {
                    "kind": visible(flag.kind),
                    "told": flag_line(flag),
                    "evidence": evidence_lines(flag),
                    "checks": [one_line(visible(key)) for key in flag.checks],
                    "deducted": _number(flag.points),
                }
                for flag in report.flags
            ],
        },
    }
    if whole:
        kept = report if report.provenance.protects else for_student(report)
        sent["extra_data"]["report"] = tree(kept)
    if report.pace:
        sent["leaderboard"] = _leaderboard(report)
    if stdout_visibility is not None:
        sent["stdout_visibility"] = stdout_visibility.value
    return sent


def _leaderboard(report: Report) -> list[dict[str, Any]]:
    """The time of each check of speed in milliseconds, less is better; first all of them together."""
    times = {"All together (ms)": sum(report.pace.values())}
    for key, milliseconds in report.pace.items():
        times[f"{one_line(visible(key.partition('/')[2]))} (ms)"] = milliseconds
    return [
        {"name": name, "value": _number(round(value, 3)), "order": "asc"}
        for name, value in times.items()
    ]


def _counts(report: Report) -> float:
    if report.score is None:
        return 0.0
    return report.standing.score if report.standing else report.score


def _summary(report: Report) -> str:
    shown = for_student(report)
    absent = len(report.checks) - len(shown.checks)
    lines = []
    if report.score is None:
        lines += [held_line(report), "The 0 that Gradescope shows is not your grade.", ""]
    lines.append(f"{visible(report.title)}: {', '.join(tallies(shown.checks))}.")
    if absent:
        lines.append(f"{count(absent, 'more check')} will be shown later.")
    lines += [incomplete_line(report)] if not report.complete else []
    lines += [deducted_line(shown)] if deducted_line(shown) else []
    lines += standing_lines(shown)
    later = sum(flag.points for flag in report.flags) - sum(flag.points for flag in shown.flags)
    if later > 1e-9 and report.score is not None:
        lines.append(f"{points(later)} more points are deducted from checks that are shown later.")
    for flag in shown.flags:
        lines += [f"Deducted: {flag_line(flag)}", *(f"  {line}" for line in evidence_lines(flag))]
    lines += [f"Next: {visible(hint)}" for hint in report.hints]
    lines += [f"Note: {visible(note)}" for note in report.notes]
    return cut("\n".join(lines), characters=8000, lines=100)


def _tests(report: Report) -> list[dict[str, Any]]:
    seen: dict[str, int] = {}
    extra = {task.id for task in report.tasks if task.extra}
    tests = []
    for verdict in report.checks:
        seen[verdict.task] = seen.get(verdict.task, 0) + 1
        sent = _test(verdict, f"{visible(verdict.task)}.{seen[verdict.task]}")
        if verdict.task in extra:
            sent["name"] += " (extra credit)"
            sent["tags"].append("extra credit")
        tests.append(sent)
    return tests


def _test(verdict: Verdict, number: str) -> dict[str, Any]:
    sent: dict[str, Any] = {
        "name": one_line(visible(verdict.title)),
        "number": number,
        "output": _output(verdict),
        "tags": [f"task {visible(verdict.task)}", WORDS[verdict.outcome].text],
        "visibility": verdict.visibility.value,
        "extra_data": {
            "task": visible(verdict.task),
            "outcome": verdict.outcome.value,
            "cases": verdict.cases,
            "cases_run": verdict.cases_run,
            "seconds": round(verdict.seconds, 3),
            "max_score": _number(verdict.max_score),
        },
    }
    if verdict.score is not None and verdict.outcome is not Outcome.HELD:
        sent["score"] = _number(verdict.score)
        sent["max_score"] = _number(verdict.max_score)
        sent["status"] = "passed" if verdict.outcome is Outcome.PASSED else "failed"
    return sent


def _output(verdict: Verdict) -> str:
    """What a student reads below the name of a check."""
    if verdict.outcome is Outcome.PASSED:
        lines = [f"Passed on {count(verdict.cases_run, 'case')}.", *beside(verdict)]
        return cut("\n".join(lines), characters=2000, lines=40)
    lines = [sentence(WORDS[verdict.outcome].text) + ".", *sentences(verdict), *beside(verdict)]
    if verdict.outcome is Outcome.HELD:
        lines.append(f"A TA takes a look; {points(verdict.max_score)} points are still open.")
    example = verdict.counterexample
    if example is not None and verdict.outcome in WAITING:
        lines += [f"in {visible(place)}" for place in example.where]
    elif example is not None:
        lines += [
            "",
            *(f"{visible(name)} = {_value(text)}" for name, text in example.inputs.items()),
        ]
        expected, observed = answers(example)
        lines += [f"expected: {_value(expected)}"] if expected else []
        lines += [f"yours:    {_value(observed)}"] if observed else []
        lines += [f"{mismatch_line(example)}."] if mismatch_line(example) else []
        lines += [f"in {visible(place)}" for place in example.where]
        if example.snippet:
            lines += ["", "Try it:", cut(visible(example.snippet), characters=3000, lines=40)]
    if verdict.hint:
        lines += ["", f"Hint: {visible(verdict.hint)}"]
    return cut("\n".join(lines).strip(), characters=10000, lines=200)


def _value(text: str) -> str:
    return cut(visible(text), characters=1500, lines=30)


def _number(value: float) -> float:
    """Points without the last digits of a division, so that parts add up to a readable sum."""
    return round(value, 4)
