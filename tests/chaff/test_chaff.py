"""Every mistake is caught by the check that is meant for it; under three seeds where all tests are asked."""

from __future__ import annotations

from collections import Counter

import pytest

from grader.bank import Module
from grader.judge.grading import Grading
from grader.model import Outcome, Submission
from grader.sandbox import Sandbox

from . import module0, module1, module2, module3, module3_cuda, module4, warmup
from .mistakes import Mistake, keys, made

MISTAKES = [
    *warmup.MISTAKES,
    *module0.MISTAKES,
    *module1.MISTAKES,
    *module2.MISTAKES,
    *module3.MISTAKES,
    *module3_cuda.MISTAKES,
    *module4.MISTAKES,
]
SLOW = {*module3.SLOW, *module3_cuda.SLOW}
CAUGHT = {Outcome.FAILED, Outcome.RAISED, Outcome.TIMED_OUT}


def outcomes(module: Module, submission: Submission, box: Sandbox) -> dict[str, Outcome]:
    """The outcome of every check of a module. A fact is not told by a name that is missing in what looks for it."""
    verdicts = Grading(module, submission, box).run()
    facts = {check.key for check in module.assignment.checks if check.compare == "facts"}
    raised = [v for key, v in verdicts.items() if key in facts and v.outcome is Outcome.RAISED]
    lost = [v for v in raised if v.reason.startswith(("AttributeError", "KeyError", "NameError"))]
    assert [v.reason for v in lost if v.counterexample and not v.counterexample.where] == []
    return {key: verdict.outcome for key, verdict in verdicts.items()}


CASES = [
    pytest.param(
        mistake,
        id=f"{mistake.module}: {mistake.what}",
        marks=pytest.mark.thorough if mistake.what in SLOW else (),
    )
    for mistake in MISTAKES
]


@pytest.mark.parametrize("mistake", CASES)
def test_a_mistake_is_caught_under_every_seed(mistake: Mistake, banks, reference, box) -> None:
    """A miss is reported with the checks, among all of the module, that would have caught the mistake."""
    submission = made(mistake, reference)
    assignment, _ = banks.declared(mistake.module)
    named = keys(mistake, assignment)
    # What numba makes of a kernel has little to do with numbers, and it takes its time.
    compiled = all(c.mode == "compiled" for c in assignment.checks if c.key in named)
    draws = 1 if compiled else None
    for seed, module in enumerate(banks.under_each_seed(mistake.module, named)[:draws]):
        found = outcomes(module, submission, box)
        missed = {key: outcome.value for key, outcome in found.items() if outcome not in CAUGHT}
        if missed:
            whole = outcomes(banks.module(mistake.module), submission, box)
            others = [key for key, outcome in whole.items() if outcome in CAUGHT]
            pytest.fail(f"draw {seed}: {missed}; caught by {others or 'no check'}")
        if Outcome.TIMED_OUT in found.values():
            return  # how long it takes does not depend on the numbers drawn


def test_no_two_mistakes_are_the_same() -> None:
    """Each is told once: by its words and by its edit."""
    assert [
        what for what, n in Counter((m.module, m.what) for m in MISTAKES).items() if n > 1
    ] == []
    assert [what for what, n in Counter(m[:1] + m[2:4] for m in MISTAKES).items() if n > 1] == []
