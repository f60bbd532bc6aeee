"""What to mend first: faults that keep files from being imported, cells that were left out, files of earlier modules.

The last are those that break what is asked of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from grader.bank import Module
from grader.box.modes import PLAIN, PYTHON
from grader.box.notebook import is_made, left_out
from grader.judge.grading import Grading
from grader.model import WAITS, Outcome, Raised, Submission, Verdict
from grader.sandbox import Sandbox
from grader.sandbox.session import Opened

# Modes without a compiler, in which files can be tried one by one.
QUICK_MODES = (PLAIN, PYTHON)
MAX_BLAMED = 3  # files of earlier modules that a hint names one by one
NULL_BYTES = "cannot contain null bytes"  # as Python says it
MAX_HINTS = 4  # faults of importing, and cells, that are told


def import_hints(opened: Opened | None) -> list[str]:
    """What to mend first, one sentence for each fault that keeps files from being imported."""
    faults: dict[tuple[str, str], list[str]] = {}
    for name, raised in (opened.failures if opened is not None else {}).items():
        place = raised.where[0].removesuffix(" in <module>") if raised.where else ""
        faults.setdefault((place, _import_fault(raised)), []).append(name)
        if raised.type == "MemoryError":
            break  # what is imported after it fails for want of memory, and says so in odd ways
    hints = []
    for (place, fault), names in list(faults.items())[:MAX_HINTS]:
        verb = "cannot be imported"
        if place:
            hints.append(f"Start at {place}: {fault}. Until it is mended, {_listed(names)} {verb}.")
        else:
            hints.append(f"{_listed(names)} {verb}: {fault}.")
    return hints


def hints_of(submission: Submission, opened: Opened | None) -> list[str]:
    """What to mend first, of all that keeps code from being read or imported."""
    no_text = [
        name
        for name, data in submission.files.items()
        if name.endswith(".py") and b"\0" in data and not is_made(data)
    ]
    # Python names no file for one with null bytes, so its fault would be told at the lines that import it.
    faults = [hint for hint in import_hints(opened) if not (no_text and NULL_BYTES in hint)]
    told = [
        f"Start at {name}:1: the file holds null bytes, as UTF-16 does. Save it as UTF-8."
        for name in no_text[:MAX_HINTS]
    ]
    return told + cell_hints(submission) + faults


def cell_hints(submission: Submission) -> list[str]:
    """What to mend first in a notebook, one sentence for each cell that was left out because it is no Python."""
    hints = []
    for source in submission.files.values():
        for cell in left_out(source) if is_made(source) else []:
            if cell.why.startswith("it begins with %%"):
                continue  # its author has it so
            lost = (
                f"{_listed(cell.names)} {'are' if len(cell.names) > 1 else 'is'} not defined by it"
            )
            hints.append(
                f"Start at {cell.place}: {cell.why}. Until it is mended, {lost if cell.names else 'it is left out'}."
            )
    return hints[:MAX_HINTS]


def _import_fault(raised: Raised) -> str:
    """`SyntaxError: invalid syntax`: the first line of an exception's message that says anything."""
    if raised.kind == "timeout":
        return "importing takes too long"
    if raised.type == "MemoryError":
        return "importing takes more memory than is allowed"
    lines = [line.strip() for line in raised.message.splitlines() if line.strip()]
    said = lines[0][:200].rstrip(".") if lines else ""
    return f"{raised.type}: {said}" if said else raised.type


def _listed(names: Sequence[str]) -> str:
    """`a, b and 2 more`."""
    shown = list(names[:3])
    if len(names) > len(shown):
        return f"{', '.join(shown)} and {len(names) - len(shown)} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def overlaid(submission: Submission, files: dict[str, bytes]) -> Submission:
    """The submission with some of its files replaced."""
    return msgspec.structs.replace(submission, files=submission.files | files)


def earlier_hints(
    module: Module,
    submission: Submission,
    sandbox: Sandbox,
    verdicts: dict[str, Verdict],
    earlier: dict[str, bytes],
) -> list[str]:
    """Whether failed checks pass once files of earlier modules are the course's own, and which files."""
    # What ran out of time is not tried again: a hint must not cost more than the grading.
    not_worth = (Outcome.PASSED, Outcome.HELD, Outcome.TIMED_OUT)
    dear = {c.key for c in module.assignment.checks if c.at_most_times or c.mode not in QUICK_MODES}
    # What waits for a check that failed may pass as soon as it is asked: that says nothing of earlier files.
    failed = [
        key
        for key, verdict in verdicts.items()
        if verdict.outcome not in not_worth
        and key not in dear
        and not verdict.reason.startswith(WAITS)
    ]
    own = {name: data for name, data in earlier.items() if submission.files.get(name) != data}
    if not failed or not own:
        return []
    few = msgspec.structs.replace(
        module.assignment,
        checks=tuple(
            msgspec.structs.replace(c, after=())
            for c in module.assignment.checks
            if c.key in failed
        ),
    )

    def passing(files: dict[str, bytes]) -> set[str]:
        changed = msgspec.structs.replace(module, assignment=few)
        found = Grading(changed, overlaid(submission, files), sandbox).run()
        return {key for key, verdict in found.items() if verdict.outcome is Outcome.PASSED}

    healed = passing(own)
    if not healed:
        return []
    blame = narrowed(list(own), lambda names: passing({n: own[n] for n in names}) == healed)
    named = " and ".join(blame) if len(blame) <= MAX_BLAMED else "files of earlier modules"
    many = (
        f"{len(healed)} of the checks that failed pass"
        if len(healed) > 1
        else "1 of the checks that failed passes"
    )
    return [
        f"{many} with the course's own {named}: what breaks lies in your file of an earlier module"
    ]


def narrowed(names: list[str], enough: Callable[[list[str]], bool]) -> list[str]:
    """The smallest run of names that is still enough, found by halving; all where neither half is."""
    while len(names) > 1:
        middle = len(names) // 2
        for half in (names[:middle], names[middle:]):
            if enough(half):
                names = half
                break
        else:
            break
    return names
