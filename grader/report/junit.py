"""The report as JUnit XML, for CI systems that list tests.

`failure` is the student's, `error` is ours (held), `skipped` was not asked (blocked).
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from grader.model import Outcome, Report, TaskScore, Verdict
from grader.report.outline import (
    WAITING,
    WORDS,
    answers,
    beside,
    box_line,
    deducted_line,
    evidence_lines,
    flag_line,
    mismatch_line,
    outline,
    score_line,
    sentences,
    standing_lines,
    task_title,
)
from grader.report.text import cut, one_line, points, visible


def render(report: Report) -> str:
    """One `testsuite` per task, one `testcase` per check; times are CPU seconds of the box. The root has no count of
    the skipped: readers that check the form (Jenkins's xUnit) know it of a suite alone."""
    totals = _totals(report.checks, name=_plain(report.module))
    del totals["skipped"]
    root = ET.Element("testsuites", totals)
    for part in outline(report).parts:
        suite = ET.SubElement(
            root,
            "testsuite",
            {
                **_totals(part.checks, name=_name(part.task)),
                "timestamp": _plain(report.provenance.graded_at),
            },
        )
        properties = ET.SubElement(suite, "properties")
        for name, value in {
            "score": points(part.task.score),
            "max_score": points(part.task.max_score),
            "report_score": score_line(report),
            "seed": str(report.provenance.seed),
            "sandbox": box_line(report),
        }.items():
            ET.SubElement(properties, "property", {"name": name, "value": value})
        for name, value in _flags(report, part.task.id):
            ET.SubElement(properties, "property", {"name": name, "value": value})
        for verdict in part.checks:
            _case(suite, report.module, verdict)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _flags(report: Report, task: str) -> list[tuple[str, str]]:
    """The flags that concern a task, those that concern no check with every task, and the deduction."""
    told = []
    for flag in report.flags:
        if not flag.checks or any(key.startswith(f"{task}/") for key in flag.checks):
            value = " | ".join([flag_line(flag), *evidence_lines(flag)])
            told.append((f"flag.{_plain(flag.kind)}", cut(value, characters=4000, lines=1)))
    line = deducted_line(report)
    told += [("deducted", line)] if line else []
    return told + [("standing", line) for line in standing_lines(report)]


def _case(suite: ET.Element, module: str, verdict: Verdict) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": _plain(f"{module}.task_{verdict.task.replace('.', '_')}"),
            "name": _plain(verdict.title),
            "time": f"{verdict.seconds:.3f}",
        },
    )
    if verdict.outcome is Outcome.PASSED:
        return
    tag = {Outcome.HELD: "error", Outcome.BLOCKED: "skipped"}.get(verdict.outcome, "failure")
    told = sentences(verdict)
    message = one_line(told[0]) if told else WORDS[verdict.outcome].text
    attributes = {"message": cut(message, characters=300, lines=1)}
    if tag != "skipped":
        attributes["type"] = verdict.outcome.value
    element = ET.SubElement(case, tag, attributes)
    element.text = "\n".join(_details(verdict))


def _details(verdict: Verdict) -> list[str]:
    lines = [WORDS[verdict.outcome].text, *sentences(verdict), *beside(verdict)]
    example = verdict.counterexample
    if example is not None and verdict.outcome in WAITING:
        lines += [f"where     {visible(place)}" for place in example.where]
    elif example is not None:
        expected, observed = answers(example)
        lines += [f"input     {visible(k)} = {visible(text)}" for k, text in example.inputs.items()]
        lines += [f"expected  {expected}"] if expected else []
        lines += [f"yours     {observed}"] if observed else []
        lines += [mismatch_line(example)] if mismatch_line(example) else []
        lines += [f"where     {visible(place)}" for place in example.where]
        lines += [visible(example.snippet)] if example.snippet else []
    if verdict.hint:
        lines.append(f"hint      {visible(verdict.hint)}")
    return [cut(line, characters=4000, lines=60) for line in lines]


def _totals(checks: tuple[Verdict, ...], *, name: str) -> dict[str, str]:
    held = sum(v.outcome is Outcome.HELD for v in checks)
    blocked = sum(v.outcome is Outcome.BLOCKED for v in checks)
    passed = sum(v.outcome is Outcome.PASSED for v in checks)
    return {
        "name": name,
        "tests": str(len(checks)),
        "failures": str(len(checks) - held - blocked - passed),
        "errors": str(held),
        "skipped": str(blocked),
        "time": f"{sum(v.seconds for v in checks):.3f}",
    }


def _name(task: TaskScore) -> str:
    return _plain(f"Task {task.id} {task_title(task)}")


def _plain(text: str) -> str:
    return one_line(visible(text))
