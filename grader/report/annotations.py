"""The report as GitHub's workflow commands: each fault is an annotation, at the student's line where it is known.

The form: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands. Text of a student can
end no command and begin none: what has a meaning in one is written as its code.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from grader.model import Outcome, Report, Verdict
from grader.report.outline import (
    WAITING,
    WORDS,
    held_line,
    mismatch_line,
    score_line,
    sentences,
    tallies,
)
from grader.report.text import count, cut, one_line, points, visible

MOST = 10  # GitHub shows no more of one kind for a step
START = "Start at "  # begins a hint that names a line
_PLACE = re.compile(r"([\w./-]+\.py):(\d+)\b")


def render(report: Report, folder: str = "") -> str:
    """An error for each of the first faults, a warning for what to mend first, then the score as a notice. folder:
    where in the repository the submission lies; GitHub finds files by their path from its root."""
    faults = [
        v for v in report.checks if v.outcome is not Outcome.PASSED and v.outcome not in WAITING
    ]
    lines = [_annotation(verdict, folder) for verdict in faults[: MOST - 1]]
    if len(faults) >= MOST:
        more = f"{len(faults) - MOST + 1} more checks failed: see the job's summary"
        lines.append(f"::error title={_property('More')}::{_data(more)}")
    lines += [_first(hint, folder) for hint in report.hints]
    if report.score is None:
        lines.append(f"::warning title=No score yet::{_data(held_line(report))}")
    title = _property(one_line(visible(report.title)))
    waiting = [
        f"{count(sum(v.outcome is o for v in report.checks), 'check')} {WORDS[o].text}"
        for o in WAITING
        if any(v.outcome is o for v in report.checks)
    ]
    told = ", ".join([score_line(report), tallies(report.checks)[0], *waiting])
    notes = [cut(one_line(visible(note)), characters=600, lines=1) for note in report.notes]
    lines.append(f"::notice title={title}::{_data(chr(10).join([told, *notes]))}")
    return "\n".join(lines) + "\n"


def no_report(why: str) -> str:
    """The one error that is told where there is no report."""
    return f"::error title=Not graded::{_data(cut(visible(why), characters=1500, lines=20))}\n"


def _first(hint: str, folder: str) -> str:
    """A hint, at the line that keeps files from being imported where it names one."""
    text = visible(hint)
    where = _where(text.removeprefix(START), folder) if text.startswith(START) else ""
    return (
        f"::warning {where}title=What to mend first::{_data(cut(text, characters=1500, lines=20))}"
    )


def _where(told: str, folder: str) -> str:
    """The place that a text begins with, as the properties of a command; "" where it begins with none."""
    place = _PLACE.match(told)
    if place is None:
        return ""
    return f"file={_property(str(PurePosixPath(folder, place[1])))},line={place[2]},"


def _annotation(verdict: Verdict, folder: str) -> str:
    example = verdict.counterexample
    where = _where(visible(example.where[0]), folder) if example and example.where else ""
    amount = f"{points(verdict.score)} / {points(verdict.max_score)}"
    title = _property(
        f"{one_line(visible(verdict.title))}: {WORDS[verdict.outcome].text} ({amount})"
    )
    said = sentences(verdict) or ([mismatch_line(example)] if example else [])
    inputs = [
        f"{visible(k)} = {visible(v)}" for k, v in (example.inputs if example else {}).items()
    ]
    places = [f"in {visible(place)}" for place in (example.where if example else ())]
    text = "\n".join(filter(None, [*said, *inputs, *places])) or WORDS[verdict.outcome].text
    return f"::error {where}title={title}::{_data(cut(text, characters=1500, lines=20))}"


def _data(text: str) -> str:
    """What a command says."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """A value before the second pair of colons."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
