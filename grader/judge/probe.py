"""Asks passed checks a little more, after everything has been graded: how they were answered, not what.

Each passed check is asked a case of its bank under a watch, and one whose inputs have moved by one part in
10^9; all of that is one message. Only where something is suspected are fresh cases drawn. Nothing here changes a verdict, and
a fault in it costs what it would have found and no more.
"""

from __future__ import annotations

import ast
import functools
import re
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from grader.bank import PER_ROUNDING, Module, nudged
from grader.box import wire
from grader.box.modes import PLAIN, PYTHON
from grader.judge.compare import COMPARISONS
from grader.judge.reading import FOREIGN, Finding
from grader.judge.shrink import Shrinker
from grader.judge.source import Place
from grader.model import CaseBank, Check, Outcome, Verdict
from grader.sandbox.session import Ask, Session

AGAIN = 5  # cases of a check that are watched once more where the first showed something
FRESH = 16  # cases that are drawn where something is suspected
MOST_SUSPECTED = 12  # checks that are looked at more closely
SECONDS = 2.0  # processor time for one look at all checks
DERIVATIVE = re.compile(r"vjp|grad|backward|jacobian|chain")

MOVED_SLACKS = 2.0 / PER_ROUNDING  # what a case may move by that has moved by 2^-30, in slacks


class Seen(msgspec.Struct, frozen=True):
    """How one passed check was answered.

    moved, fresh: of how many such cases how many were wrong; pairs: those of `Watched` that were seen in
    nearly all cases, with their calls in all of these together; again: how many cases these are.
    """

    ran: frozenset[Place] = frozenset()
    moved: tuple[int, int] = (0, 0)
    fresh: tuple[int, int] = (0, 0)
    pairs: tuple[tuple[str, str, int, int], ...] = ()
    again: int = 0


class Look(msgspec.Struct, frozen=True):
    """What was seen of all passed checks, by key, and which libraries that differentiate were loaded."""

    checks: dict[str, Seen] = {}
    loaded: tuple[str, ...] = ()


def look(
    module: Module,
    session: Session,
    verdicts: dict[str, Verdict],
    findings: Sequence[Finding],
    shrinker: Shrinker | None,
) -> Look:
    """Asks the passed checks once more, a little: those that are answered in Python."""
    found = Look()
    for mode in (PLAIN, PYTHON):
        passed = [
            check
            for check in module.assignment.checks
            if check.mode == mode
            and check.key in verdicts
            and verdicts[check.key].outcome is Outcome.PASSED
        ]
        if passed:
            session.use(mode)
            some = _look(module, session, passed, findings, shrinker)
            loaded = tuple(dict.fromkeys(found.loaded + some.loaded))
            found = Look(found.checks | some.checks, loaded)
    return found


def _look(
    module: Module,
    session: Session,
    passed: Sequence[Check],
    findings: Sequence[Finding],
    shrinker: Shrinker | None,
) -> Look:
    """The same, of checks that are asked in one mode."""

    def spent() -> bool:
        return session.used_seconds > module.assignment.limits.run_seconds

    if spent():
        return Look()
    pick = secrets.SystemRandom()
    chosen = {check.key for check in passed}
    if not any(finding.kind == "lookup_table" for finding in findings):
        chosen = {
            check.key for some in _by_task(passed) for check in pick.sample(some, min(2, len(some)))
        }
    seen, loaded = _first(module, session, passed, chosen, bool(findings), pick)
    if any(how.moved[0] for how in seen.values()) and not spent():
        rest = [check for check in passed if check.key not in chosen]
        seen |= _first(module, session, rest, {c.key for c in rest}, bool(findings), pick)[0]
    if not spent():
        strange = [c for c in passed if c.key in seen and seen[c.key].pairs]
        _again(module, session, strange, seen, pick)
    if shrinker is not None:
        for check in suspects(passed, findings, seen)[:MOST_SUSPECTED]:
            if spent():
                break
            fresh = _fresh(check, module.banks[check.key], session, shrinker)
            seen[check.key] = msgspec.structs.replace(seen[check.key], fresh=fresh)
    return Look(seen, loaded)


def _by_task(checks: Sequence[Check]) -> list[list[Check]]:
    tasks: dict[str, list[Check]] = {}
    for check in checks:
        tasks.setdefault(check.task, []).append(check)
    return list(tasks.values())


def _first(
    module: Module,
    session: Session,
    checks: Sequence[Check],
    chosen: set[str],
    suspicious: bool,
    pick: Any,
) -> tuple[dict[str, Seen], tuple[str, ...]]:
    """One message: a case of each check to watch, where that can show something, and one that has moved of
    those that are chosen."""
    asked = asked_for(module.assignment.questions)
    asks, moved = [], []
    for check in checks:
        bank = module.banks[check.key]
        curious = suspicious or bool(DERIVATIVE.search(asked.get(check.question, "")))
        watched = _some(bank, pick)[: 1 if curious else 0]
        moved.append(_movable(check, bank, pick) if check.key in chosen else [])
        cases = [bank.cases[p] for p in watched] + [nudged(bank.cases[p]) for p in moved[-1]]
        asks.append(Ask(check.question, check.given, cases, len(watched)))
    tops = {path.split("/")[0].removesuffix(".py") for path in session.submission.files}
    told, loaded = session.watch(asks, sorted(FOREIGN - tops), seconds=SECONDS)
    seen = {}
    for check, ask, places, watched_ in zip(checks, asks, moved, told, strict=False):
        answers = watched_.answers[ask.watched :]
        wrong = _wrong_where_moved(check, module.banks[check.key], places, answers)
        seen[check.key] = Seen(watched_.ran, (wrong, len(answers)), pairs=watched_.pairs)
    return seen, loaded


def _again(
    module: Module, session: Session, checks: Sequence[Check], seen: dict[str, Seen], pick: Any
) -> None:
    """Watches more cases of the checks in which a backward asked a forward for strange things: what two
    numbers did by chance, they do not do again."""
    checks = checks[:MOST_SUSPECTED]
    asks = []
    for check in checks:
        bank = module.banks[check.key]
        cases = [bank.cases[p] for p in (_some(bank, pick) * AGAIN)[:AGAIN]]
        asks += [Ask(check.question, check.given, [case], 1) for case in cases]
    told = session.watch(asks, (), seconds=SECONDS)[0] if asks else []
    for number, check in enumerate(checks):
        mine = told[number * AGAIN : (number + 1) * AGAIN]
        total: dict[tuple[str, str], list[int]] = {}
        for watched in mine:
            for back, fore, near, strange in watched.pairs:
                sums = total.setdefault((back, fore), [0, 0, 0])
                sums[0] += 1
                sums[1] += near
                sums[2] += strange
        pairs = tuple(
            (*pair, near, strange)
            for pair, (cases_, near, strange) in total.items()
            if cases_ >= AGAIN - 1
        )
        seen[check.key] = msgspec.structs.replace(seen[check.key], pairs=pairs, again=len(mine))


def _some(bank: CaseBank, pick: Any) -> list[int]:
    """A few places of a bank, from its smaller half: these are cheap, and no reader minds."""
    half = range(min(len(bank.cases), bank.edges + (len(bank.cases) - bank.edges + 1) // 2))
    return list(pick.sample(half, min(AGAIN, len(half))))


def _wrong_where_moved(
    check: Check, bank: CaseBank, places: Sequence[int], answers: Sequence[bytes]
) -> int:
    """How many cases that have moved are answered wrong. Such an answer moves as far as the reference's
    did; twice that is given."""
    wide = msgspec.structs.replace(
        check.tolerance, conditioning=check.tolerance.conditioning + MOVED_SLACKS
    )
    return sum(
        not _right(check, wide, bank.answers[place], bank.slack[place], answer)
        for place, answer in zip(places, answers, strict=False)
    )


def _movable(check: Check, bank: CaseBank, pick: Any) -> list[int]:
    """A case whose answer is known to move with its inputs; none where there is none."""
    if check.compare != "close":
        return []
    return [p for p in _some(bank, pick) if _moves(wire.decode(bank.slack[p]))][:1]


def _moves(slack: Any) -> bool:
    if isinstance(slack, (list, dict)):
        return any(_moves(s) for s in (slack.values() if isinstance(slack, dict) else slack))
    return bool(slack > 0.0)


def _right(check: Check, tolerance: Any, expected: bytes, slack: bytes, observed: bytes) -> bool:
    try:
        answer = wire.decode(observed)
    except (wire.WireError, MemoryError):
        return False
    if isinstance(answer, wire.Raised):
        return False
    compare = COMPARISONS[check.compare]
    return compare(wire.decode(expected), answer, tolerance, wire.decode(slack)) is None


def _fresh(check: Check, bank: CaseBank, session: Session, shrinker: Shrinker) -> tuple[int, int]:
    """How many of how many fresh cases are answered wrong."""
    cases = shrinker.fresh(check.key, bank, secrets.randbits(60), FRESH)
    if not cases:
        return 0, 0
    reply = session.ask(
        check.question, check.given, [case for case, _, _ in cases], seconds=check.seconds
    )
    wrong = sum(
        not _right(check, check.tolerance, expected, slack, answer)
        for (_, expected, slack), answer in zip(cases, reply.answers, strict=False)
    )
    return wrong, len(reply.answers)


def suspects(
    passed: Sequence[Check], findings: Sequence[Finding], seen: dict[str, Seen]
) -> list[Check]:
    """The checks whose answers may be looked up: all moved cases were wrong, or a table was read that
    belongs to what ran."""
    tables = [f for f in findings if f.kind == "lookup_table"]
    found = []
    for check in passed:
        how = seen.get(check.key)
        if how is None:
            continue
        wrong, asked = how.moved
        if (asked and wrong == asked) or any(ran(f, how) for f in tables):
            found.append(check)
    return found


def ran(finding: Finding, how: Seen) -> bool:
    """Whether a function that a finding is about ran while a check was watched. What stands at the top of
    a file, in no function, runs for every check."""
    return not finding.functions or bool(finding.functions & how.ran)


@functools.lru_cache(maxsize=8)
def asked_for(questions: str) -> dict[str, str]:
    """The source of each question, by its name."""
    lines = questions.splitlines()
    return {
        node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.parse(questions).body
        if isinstance(node, ast.FunctionDef)
    }
