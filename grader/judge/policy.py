"""Puts together what was read and what was seen into flags for a TA, and what a course deducts for them.

A deduction needs more than the word of student code: something that was read in its files, or fresh
cases that it answered wrong. What only a watch has seen is shown, and costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from grader.box.wire import clean
from grader.judge.probe import DERIVATIVE, Look, Seen, asked_for, ran
from grader.judge.reading import Finding
from grader.model import Assignment, Check, Flag, Outcome, Verdict

MOST_EVIDENCE = 12
LONGEST = 240

SENTENCES = {
    "foreign_autodiff": "It uses a library that can differentiate by itself.",
    "differences": "A backward seems to find its derivative by differences of values.",
    "complex_step": "A backward seems to find its derivative by complex steps.",
    "lookup_table": "Answers are right on the course's cases and wrong on fresh ones, as if they were "
    "looked up.",
    "hidden_code": "It runs code that reading cannot see. This may be harmless.",
}


def flags(
    assignment: Assignment,
    verdicts: dict[str, Verdict],
    findings: Sequence[Finding],
    look: Look,
) -> tuple[Flag, ...]:
    """The flags of one submission, at most one of a kind, with what the course's policy deducts."""
    passed = [
        check
        for check in assignment.checks
        if check.key in verdicts and verdicts[check.key].outcome is Outcome.PASSED
    ]
    left = {check.key: verdicts[check.key].score or 0.0 for check in passed}
    found = []
    for kind, sentence in SENTENCES.items():
        rule = getattr(assignment.policy, kind)
        if rule == "allow":
            continue
        read, backed = _read(kind, assignment, passed, findings, look.checks)
        told, only_seen = _seen(kind, look)
        if kind == "lookup_table":
            backed = only_seen
            if not only_seen:
                continue
        evidence = [*read, *told]
        if not evidence:
            continue
        deducted = {}
        if isinstance(rule, (int, float)):
            for key in backed:
                deducted[key] = round(min(left[key], rule * (verdicts[key].score or 0.0)), 6)
                left[key] -= deducted[key]
        concerned = {*backed, *only_seen}
        found.append(
            Flag(
                kind=kind,
                sentence=sentence,
                evidence=_few(evidence),
                checks=tuple(check.key for check in passed if check.key in concerned),
                deducted={key: amount for key, amount in deducted.items() if amount > 0},
            )
        )
    return tuple(found)


def _few(evidence: Sequence[str]) -> tuple[str, ...]:
    """Lines that are safe to show: each once, cleaned, cut, and not too many."""
    lines = list(dict.fromkeys(clean(" ".join(line.split()), LONGEST) for line in evidence))
    more = [f"and {len(lines) - MOST_EVIDENCE} more"] if len(lines) > MOST_EVIDENCE else []
    return (*lines[:MOST_EVIDENCE], *more)


def _read(
    kind: str,
    assignment: Assignment,
    passed: Sequence[Check],
    findings: Iterable[Finding],
    seen: dict[str, Seen],
) -> tuple[list[str], list[str]]:
    """The lines of the findings of one kind, and the keys of the passed checks that they concern."""
    lines = []
    keys: set[str] = set()
    for finding in findings:
        if finding.kind != kind:
            continue
        lines.append(f"{finding.where} {finding.what}")
        keys |= set(concerned(finding, assignment, passed, seen))
    return lines, [check.key for check in passed if check.key in keys]


def concerned(
    finding: Finding, assignment: Assignment, passed: Sequence[Check], seen: dict[str, Seen]
) -> list[str]:
    """The passed checks that a finding is about: those in which its functions ran. Where none of them was
    seen to run, which student code can bring about, those that ask for it by name."""
    of_derivatives = finding.kind in ("differences", "complex_step")
    asked = asked_for(assignment.questions)
    may = [
        check
        for check in passed
        if not of_derivatives or DERIVATIVE.search(asked.get(check.question, ""))
    ]
    if not finding.functions:
        return []  # nothing of the submission uses it
    found = [c.key for c in may if c.key in seen and ran(finding, seen[c.key])]
    if found:
        return found
    return [c.key for c in may if finding.owners & _names(c, asked.get(c.question, ""))]


def _names(check: Check, source: str) -> set[str]:
    """The names that a check can ask for: what it is given, and the texts in its question."""
    texts = [value for value in check.given.values() if isinstance(value, str)]
    texts += re.findall(r"[\"']([\w.]+)[\"']", source)
    return {part for text in texts for part in text.split(".")}


def _seen(kind: str, look: Look) -> tuple[list[str], list[str]]:
    """What was seen of one kind while code ran: lines, and the checks they are about."""
    if kind == "foreign_autodiff":
        return [f"{name} was loaded while the code ran" for name in look.loaded], []
    lines: list[str] = []
    keys: list[str] = []
    for key, how in look.checks.items():
        if kind == "lookup_table" and _looked_up(how):
            wrong, asked = how.fresh
            lines.append(f"{key}: {wrong} of {asked} fresh cases are answered wrong")
            keys.append(key)
        for back, fore, near, strange in how.pairs:
            if kind == "differences" and near:
                lines.append(
                    f"{back} calls {fore} next to its input, {near} times in {how.again} cases"
                )
                keys.append(key)
            if kind == "complex_step" and strange:
                lines.append(
                    f"{back} calls {fore} with a complex number, {strange} times in {how.again} cases"
                )
                keys.append(key)
    return lines, list(dict.fromkeys(keys))


def _looked_up(how: Seen) -> bool:
    """Whether many fresh cases were wrong: a mistake that a hundred cases do not show is never so common. A
    table that answers 0 for what it does not know is right now and then."""
    wrong, asked = how.fresh
    return wrong >= 3 and 4 * wrong >= asked
