"""The order in which every view tells a report: what passed, what to fix, what waits and why.

It sorts and words a report; it draws nothing and decides no score.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

import msgspec

from grader.model import Counterexample, Flag, Outcome, Report, TaskScore, Verdict, Visibility
from grader.report.text import count, cut, one_line, points, visible


class Word(msgspec.Struct, frozen=True):
    """An outcome for the eye: a sign, the same sign in ASCII, plain words, and a noun for a count."""

    sign: str
    plain: str
    text: str
    tally: str


WORDS: dict[Outcome, Word] = {
    Outcome.PASSED: Word("✓", "+", "passed", "passed"),
    Outcome.FAILED: Word("✗", "x", "wrong answer", "with a wrong answer"),
    Outcome.RAISED: Word("✗", "x", "raised an error", "raising an error"),
    Outcome.TIMED_OUT: Word("✗", "x", "took too long", "too slow"),
    Outcome.CRASHED: Word("✗", "x", "crashed Python", "crashing"),
    Outcome.FLAKY: Word("✗", "x", "answers vary", "with varying answers"),
    Outcome.UNIMPLEMENTED: Word("○", "o", "not implemented yet", "not implemented yet"),
    Outcome.BLOCKED: Word("–", "-", "not run", "not run"),
    Outcome.HELD: Word("?", "?", "not graded yet", "not graded yet"),
}

MISMATCHES: dict[str, str] = {
    "value": "The values differ",
    "shape": "The shapes differ",
    "type": "The types differ",
    "length": "The lengths differ",
    "mutated": "Your code changed its input",
    "raised": "One raises an error, the other does not",
    "not finite": "Your value is not finite",
}

SHOWN_LATER: dict[Visibility, str] = {
    Visibility.VISIBLE: "",
    Visibility.HIDDEN: "hidden from students",
    Visibility.AFTER_DUE_DATE: "shown to students after the due date",
    Visibility.AFTER_PUBLISHED: "shown to students once grades are out",
}

# Faults that are told in full unless all are asked for: one cause often makes many checks fail.
FULL_IN_TASK = 3
FULL_IN_REPORT = 6

WAITING = frozenset({Outcome.UNIMPLEMENTED, Outcome.BLOCKED, Outcome.HELD})


class Stopped(msgspec.Struct, frozen=True):
    """Checks without an answer for one and the same reason; `outcome` is BLOCKED or HELD."""

    outcome: Outcome
    reason: str
    checks: tuple[Verdict, ...]


class Part(msgspec.Struct, frozen=True):
    """One task: its line, and its checks by what a reader does with them.

    faults: everything to be fixed, in the order of the report; stopped: the checks that this task
    alone explains; elsewhere: those whose reason spans tasks and stands in `Outline.common`;
    checks: all of them.
    """

    task: TaskScore
    passed: tuple[Verdict, ...]
    faults: tuple[Verdict, ...]
    unimplemented: tuple[Verdict, ...]
    stopped: tuple[Stopped, ...]
    elsewhere: tuple[Stopped, ...]
    checks: tuple[Verdict, ...]


class Outline(msgspec.Struct, frozen=True):
    """A report, ready to be told."""

    parts: tuple[Part, ...]
    common: tuple[Stopped, ...]


def outline(report: Report) -> Outline:
    """Sort the checks of a report by task, and those without an answer by their reason."""
    shared = tuple(
        group
        for group in _stopped(report.checks)
        if group.reason and len({verdict.task for verdict in group.checks}) > 1
    )
    explained = {(group.outcome, group.reason) for group in shared}
    parts = []
    for task in _tasks(report):
        mine = [verdict for verdict in report.checks if verdict.task == task.id]
        groups = _stopped(mine)
        parts.append(
            Part(
                task=task,
                passed=tuple(v for v in mine if v.outcome is Outcome.PASSED),
                faults=tuple(
                    v for v in mine if v.outcome not in WAITING and v.outcome is not Outcome.PASSED
                ),
                unimplemented=tuple(v for v in mine if v.outcome is Outcome.UNIMPLEMENTED),
                stopped=tuple(g for g in groups if (g.outcome, g.reason) not in explained),
                elsewhere=tuple(g for g in groups if (g.outcome, g.reason) in explained),
                checks=tuple(mine),
            )
        )
    return Outline(parts=tuple(parts), common=shared)


def in_full(told: Outline) -> tuple[int, ...]:
    """For each task, how many of its faults are told in full, from the first; the others are named."""
    left = FULL_IN_REPORT
    found = []
    for part in told.parts:
        full = min(len(part.faults), FULL_IN_TASK, left)
        # To leave out a single one would save nobody anything.
        found.append(full + 1 if full and full + 1 == len(part.faults) else full)
        left = max(left - full, 0)
    return tuple(found)


def _tasks(report: Report) -> list[TaskScore]:
    """The tasks of the report, and a line for each task that only a check names."""
    known = {task.id for task in report.tasks}
    strays = dict.fromkeys(v.task for v in report.checks if v.task not in known)
    return [*report.tasks, *(subtotal(TaskScore(t, "", None, 0.0), report.checks) for t in strays)]


def task_title(task: TaskScore) -> str:
    """`Backpropagation`, or `Nesterov's step (extra credit)`."""
    return f"{task.title} (extra credit)".lstrip() if task.extra else task.title


def subtotal(task: TaskScore, checks: Iterable[Verdict]) -> TaskScore:
    """The task's line with the points of these checks."""
    mine = [verdict for verdict in checks if verdict.task == task.id]
    return msgspec.structs.replace(
        task, score=total(v.score for v in mine), max_score=sum(v.max_score for v in mine)
    )


def total(scores: Iterable[float | None]) -> float | None:
    """The sum of the scores; None while one of them is."""
    result = 0.0
    for score in scores:
        if score is None:
            return None
        result += score
    return result


def _stopped(verdicts: Iterable[Verdict]) -> list[Stopped]:
    groups: dict[tuple[Outcome, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.outcome in (Outcome.BLOCKED, Outcome.HELD):
            groups.setdefault((verdict.outcome, verdict.reason), []).append(verdict)
    return [Stopped(outcome, reason, tuple(found)) for (outcome, reason), found in groups.items()]


def tallies(verdicts: Sequence[Verdict]) -> list[str]:
    """`22 of 35 checks passed`, then how many need work, are not implemented, not run, not graded."""
    number = dict.fromkeys(Outcome, 0)
    for verdict in verdicts:
        number[verdict.outcome] += 1
    passed = number[Outcome.PASSED]
    if verdicts and passed == len(verdicts):
        return [f"all {count(passed, 'check')} passed"]
    faults = sum(number[o] for o in Outcome if o not in WAITING and o is not Outcome.PASSED)
    told = [f"{passed} of {count(len(verdicts), 'check')} passed"]
    if faults:
        told.append(f"{faults} to fix")
    told += [
        f"{number[outcome]} {WORDS[outcome].tally}"
        for outcome in (Outcome.UNIMPLEMENTED, Outcome.BLOCKED, Outcome.HELD)
        if number[outcome]
    ]
    return told


def score_line(report: Report) -> str:
    """`32.5 / 50`, or that there is no score yet."""
    if report.score is None:
        return "no score yet"
    return f"{points(report.score)} / {points(report.max_score)}"


def held_line(report: Report) -> str:
    """What a student with held checks has to know; empty when there is a score."""
    if report.score is not None:
        return ""
    held = sum(verdict.outcome is Outcome.HELD for verdict in report.checks)
    what = f"{count(held, 'check')} could not be graded" if held else "This could not be graded"
    return (
        f"No score yet: {what} through a fault of the grader, not of yours. "
        "You lose no points by it, and a TA takes a look."
    )


def deducted_line(report: Report) -> str:
    """What the score is less than the points that were earned; empty where nothing is deducted, or while
    there is no score."""
    taken = sum(flag.points for flag in report.flags)
    if not taken or report.score is None:
        return ""
    earned = sum(task.score or 0.0 for task in report.tasks)
    return f"{points(taken)} of the {points(earned)} points earned are deducted for how values were found."


def standing_lines(report: Report) -> list[str]:
    """What counts under the course's terms, then a line for each reason; none where no terms were applied."""
    found = report.standing
    if found is None or report.score is None:
        return []
    told = [
        f"{one_line(visible(line.reason))}{f': {_signed(line.points)}' if line.points else ''}"
        for line in found.lines
    ]
    worth = f"{points(found.score)} / {points(found.max_score)}"
    if not found.counts:
        return [f"Does not count, for another attempt does; this one stands at {worth}.", *told]
    return [f"Counts: {worth} under the terms of the course.", *told]


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{points(abs(value))}"


def flag_line(flag: Flag) -> str:
    """`A backward ... by differences of values. It concerns 2 checks; 5 points are deducted.`"""
    concerned = count(len(flag.checks), "passed check")
    told = f"It concerns {concerned}; " if flag.checks else "It concerns no passed check; "
    taken = (
        f"{points(flag.points)} points are deducted." if flag.points else "no point is deducted."
    )
    return f"{one_line(visible(flag.sentence))} {told}{taken}"


def evidence_lines(flag: Flag) -> list[str]:
    """What was read or seen, a line each."""
    return [cut(one_line(visible(line)), characters=300, lines=1) for line in flag.evidence[:20]]


def incomplete_line(report: Report) -> str:
    """That the run ended early; empty when it did not."""
    return "" if report.complete else "The run ended early: this is what was known by then."


def box_line(report: Report) -> str:
    """Which box the code ran in, and plainly so when it protects nobody."""
    name = one_line(visible(report.provenance.sandbox))
    if report.provenance.protects:
        return name
    return (
        f"{name}: practice mode, which protects nobody. The code ran with all rights of the user who graded it. "
        "Grade only code you trust this way."
    )


def replay_line(report: Report) -> str:
    """The command that asks the first check that needs it again; "" when none does."""
    for verdict in report.checks:
        if verdict.outcome is not Outcome.PASSED and verdict.outcome not in WAITING:
            key = one_line(visible(f"{verdict.task}/{verdict.title}"))
            return f"grade replay REPORT {shlex.quote(key)}"
    return ""


def brief_line(number: int) -> str:
    """What to do about faults that are named and not told."""
    named = f"{count(number, 'check')} {'is' if number == 1 else 'are'} named only"
    return f"{named}: mend what is told in full first, for one cause may stand behind many. -v tells all."


def waiting_line(part: Part) -> str:
    """`4 checks wait for Task 2.3: not implemented yet`."""
    number = len(part.unimplemented)
    verb = "waits" if number == 1 else "wait"
    return f"{count(number, 'check')} {verb} for Task {visible(part.task.id)}: not implemented yet"


def starts(part: Part) -> list[str]:
    """The places in the student's code at which the unimplemented work begins, each once."""
    found = (v.counterexample for v in part.unimplemented)
    return list(
        dict.fromkeys(visible(example.where[0]) for example in found if example and example.where)
    )


def stopped_line(group: Stopped, *, explained: bool = True) -> str:
    """`3 checks were not run: they need Task 2.2`; without the reason where that stands elsewhere."""
    number = count(len(group.checks), "check")
    were = "was" if len(group.checks) == 1 else "were"
    told = f"{number} {were} {WORDS[group.outcome].text}"
    if not explained:
        return f"{told} (see above)"
    reason = one_line(visible(group.reason))
    return f"{told}: {reason}" if reason else told


def sentences(verdict: Verdict) -> list[str]:
    """Why a check did not pass: the diagnosis, and the reason where it says more than `wrong answer`."""
    example = verdict.counterexample
    diagnosis = visible(example.diagnosis).strip() if example else ""
    reason = visible(verdict.reason).strip()
    if not diagnosis:
        # `expected 2, got 3` stands below as well, in full.
        told = verdict.outcome is Outcome.FAILED and reason.startswith("expected ")
        return [reason] if reason and not (told and example and any(answers(example))) else []
    if not reason or reason == diagnosis or verdict.outcome is Outcome.FAILED:
        return [diagnosis]
    return [reason, diagnosis]


def beside(verdict: Verdict) -> list[str]:
    """What belongs to a verdict beside its outcome: what the code ran on, and what else was found out."""
    lines = [f"Ran on: {one_line(visible(verdict.ran_on))}."] if verdict.ran_on else []
    remark = visible(verdict.remark).strip()
    return lines + ([remark] if remark else [])


def ran_line(report: Report) -> str:
    """`20 checks ran on: compiled by numba` for each thing that code ran on; "" where all was plain."""
    found: dict[str, int] = {}
    for verdict in report.checks:
        if verdict.ran_on and verdict.outcome not in WAITING:
            name = one_line(visible(verdict.ran_on))
            found[name] = found.get(name, 0) + 1
    return "; ".join(f"{count(number, 'check')} on {name}" for name, number in found.items())


def answers(example: Counterexample) -> tuple[str, str]:
    """What was expected and what the student's code gave, as whole as the report knows them."""
    mismatch = example.mismatch
    return (
        visible(example.expected or mismatch.expected),
        visible(example.observed or mismatch.observed),
    )


def mismatch_line(example: Counterexample) -> str:
    """Where the two answers part: `The values differ at gradients[0]: expected 6.0, yours 3.0`.

    Empty where it would only repeat the answers.
    """
    mismatch = example.mismatch
    kind = one_line(visible(mismatch.kind))
    path = one_line(visible(mismatch.path))
    if not path and kind in ("", "value", "raised"):
        return ""
    told = MISMATCHES.get(kind, f"The answers differ ({kind})" if kind else "The answers differ")
    if path:
        told += f" at {path}"
    whole = (example.expected or mismatch.expected, example.observed or mismatch.observed)
    part = (mismatch.expected, mismatch.observed)
    if part != whole and any(part):
        expected, observed = (one_line(visible(text)) or "nothing" for text in part)
        told += f": expected {expected}, yours {observed}"
    return told


def share(score: float | None, best: float) -> float:
    """The part of the points that was earned, from 0 to 1; rounding cannot make a 1 of less."""
    if not best or score is None:
        return 0.0
    earned = score / best
    return 1.0 if earned > 1 - 1e-9 else max(earned, 0.0)
