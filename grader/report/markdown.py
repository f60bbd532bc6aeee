"""The report as GitHub Markdown, for a job's summary page.

Text of a student stands in fenced blocks, or escaped so that it neither renders, links nor mentions.
"""

from __future__ import annotations

import re

from grader.model import Report, Verdict
from grader.report.outline import (
    SHOWN_LATER,
    WORDS,
    Outline,
    Part,
    answers,
    beside,
    box_line,
    deducted_line,
    evidence_lines,
    flag_line,
    held_line,
    incomplete_line,
    mismatch_line,
    outline,
    ran_line,
    replay_line,
    score_line,
    sentences,
    standing_lines,
    starts,
    stopped_line,
    tallies,
    task_title,
    waiting_line,
)
from grader.report.text import cut, one_line, points, sentence, visible

_SPECIAL = re.compile(r"([\\`*_{}\[\]()+\-.!|~$:=])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
MOST = 1 << 19  # bytes of faults told in full: GitHub shows no summary of more than twice as much
_WORD_JOINER = "\u2060"  # after @ and #, so that GitHub neither mentions nor links


def render(report: Report) -> str:
    """A table of tasks, then every failing check folded, then what waits."""
    told = outline(report)
    blocks = [f"## {_text(report.title)}: {_text(score_line(report))}"]
    blocks += [f"> [!WARNING]\n> {_text(line)}" for line in _warnings(report)]
    blocks.append(sentence(_text(" · ".join(tallies(report.checks)))) + ".")
    blocks.append(_table(told))
    blocks += [f"> {_text(stopped_line(group))}" for group in told.common]
    left = MOST
    for part in told.parts:
        made = _part(part, left)
        left -= len("".join(made).encode())
        blocks += made
    if report.flags:
        blocks.append("### For a TA")
        for flag in report.flags:
            lines = [f"- {_text(flag_line(flag))}"]
            blocks.append("\n".join(lines + [f"  - {_code(e)}" for e in evidence_lines(flag)]))
    if report.hints:
        blocks += ["### Next", "\n".join(f"- {_text(hint)}" for hint in report.hints)]
    if report.notes:
        blocks += ["### Notes", "\n".join(f"- {_text(note)}" for note in report.notes)]
    ran = f" {_text(sentence(ran_line(report)))}." if ran_line(report) else ""
    replay = replay_line(report)
    again = f" Replay a check: {_code(replay)}" if replay else ""
    blocks.append(
        f"<sub>Sandbox: {_text(box_line(report).removesuffix('.'))}. Seed {report.provenance.seed}.{ran}{again}</sub>"
    )
    return "\n\n".join(blocks) + "\n"


def _warnings(report: Report) -> list[str]:
    lines = (
        held_line(report),
        incomplete_line(report),
        deducted_line(report),
        *standing_lines(report),
    )
    return [line for line in lines if line]


def _table(told: Outline) -> str:
    rows = ["| Task | | Passed | Points |", "| :-- | :-- | --: | --: |"]
    for part in told.parts:
        rows.append(
            f"| {_text(part.task.id)} | {_text(task_title(part.task))} | {len(part.passed)} / {len(part.checks)} "
            f"| {points(part.task.score)} / {points(part.task.max_score)} |"
        )
    return "\n".join(rows)


def _part(part: Part, left: int) -> list[str]:
    """The blocks of a task. left: bytes for its faults; the others are named and no more."""
    waiting = [_text(stopped_line(group)) for group in part.stopped]
    if part.unimplemented:
        line = _text(waiting_line(part))
        places = ", ".join(_code(place) for place in starts(part)[:3])
        waiting.insert(0, f"{line} (start at {places})" if places else line)
    if not part.faults and not waiting:
        return []
    blocks = [f"### Task {_text(part.task.id)} {_text(task_title(part.task))}".rstrip()]
    for verdict in part.faults:
        fault = _fault(verdict)
        left -= len(fault.encode())
        blocks.append(fault if left > 0 else f"{_named(verdict)}, and more than fits here")
    if waiting:
        blocks.append("\n".join(f"- {line}" for line in waiting))
    return blocks


def _named(verdict: Verdict) -> str:
    """One line of HTML that says which check it is, and what became of it."""
    later = SHOWN_LATER[verdict.visibility]
    return (
        f"❌ <b>{_html(verdict.title)}</b>: {WORDS[verdict.outcome].text}"
        f" ({points(verdict.score)} / {points(verdict.max_score)})"
        f"{f' <i>{later}</i>' if later else ''}"
    )


def _fault(verdict: Verdict) -> str:
    blocks = [
        f"<details><summary>{_named(verdict)}</summary>",
        *(_text(line) for line in sentences(verdict) + beside(verdict)),
    ]
    example = verdict.counterexample
    if example is not None:
        expected, observed = answers(example)
        values = [f"{visible(name)} = {_value(text)}" for name, text in example.inputs.items()]
        values += [f"expected: {_value(expected)}"] if expected else []
        values += [f"yours:    {_value(observed)}"] if observed else []
        values += [f"in {visible(place)}" for place in example.where]
        blocks += [_fenced("\n".join(values), "text")] if values else []
        blocks += [_text(f"{mismatch_line(example)}.")] if mismatch_line(example) else []
        blocks += [_fenced(_value(example.snippet), "python")] if example.snippet else []
    if verdict.hint:
        blocks.append(f"**Hint:** {_text(verdict.hint)}")
    return "\n\n".join([*blocks, "</details>"])


def _value(text: str) -> str:
    return cut(visible(text), characters=2000, lines=40)


def _html(text: str) -> str:
    return one_line(visible(text)).translate(_ENTITIES).replace("@", f"@{_WORD_JOINER}")


def _text(text: str) -> str:
    """One line of text that Markdown shows as it is."""
    flat = cut(one_line(visible(text)), characters=1000, lines=1)
    flat = _SPECIAL.sub(r"\\\1", flat).translate(_ENTITIES)
    return flat.replace("@", f"@{_WORD_JOINER}").replace("#", f"#{_WORD_JOINER}")


def _code(text: str) -> str:
    """A code span that no run of backticks inside can end."""
    flat = cut(one_line(visible(text)), characters=300, lines=1)
    fence = "`" * (_longest_run(flat) + 1)
    pad = " " if "`" in flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
