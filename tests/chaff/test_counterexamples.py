"""What a student is shown: the smallest case that shows the mistake, and a sentence that fits it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from grader.course import Course
from grader.judge.grading import Grading
from grader.judge.shrink import Shrinker
from grader.model import Counterexample

from .mistakes import Mistake, keys, made
from .test_chaff import MISTAKES

BY_NAME = {(mistake.module, mistake.what): mistake for mistake in MISTAKES}
MANY = 1_000_000  # for all checks together; each has the probes that every check has

# What the case that is shown holds.
SMALL = [
    ("warmup", "the gradients of Mul are swapped", {"x": 0.0, "y": 1.0, "upstream": -1.0}),
    ("warmup", "the derivative of a square lacks its 2", {"x": 1.0, "upstream": -1.0}),
    ("warmup", "the Jacobian is transposed", {"x1": 0.0, "x2": 1.0}),
    ("module1", "mul drops the fraction", {"x": 0.5, "y": 1.0}),
    ("module1", "relu is the absolute value", {"x": -1.0}),
    ("module1", "eq is always true", {"x": 0.0, "y": 1.0}),
    ("module1", "Exp.backward leaves the upstream gradient out", {"x": 0.0, "upstream": -1.0}),
    ("module1", "sigmoid overflows far below 0", {"x": -1000.0}),
    ("module1", "Mul.backward swaps its gradients", {"x": 0.0, "y": 1.0, "upstream": -1.0}),
    ("module2", "to_index never moves along the first dimension", {"shape": [2]}),
    ("module2", "shapes that do not fit are joined all the same", {"first": [2], "second": [3]}),
    ("module2", "tensor_reduce keeps the last cell alone", {"a": [1.0, 0.0], "dim": 0}),
    ("module2", "mean does not divide", {"a": [0.0, 1.0], "dim": 0}),
    ("module2", "is_close forgets the absolute value", {"a": [0.0], "b": [0.5]}),
    ("module2", "Mul.backward swaps its gradients", {"a": [0.0], "b": [1.0], "upstream": [-1.0]}),
    ("module2", "gradients are not summed over broadcast axes", {"a": [[0.0]], "b": [0.0]}),
    (
        "module2",
        "Permute.backward applies the same order again",
        {"axes": [1, 2, 0], "a": [[[0.0, 0.0]]]},
    ),
]

# The most steps that the program shown may have.
SHORT = [
    ("module1", "breadth-first order in place of a topological one", 3),
    ("module1", "a node is put down when it is first seen, before what else uses it", 3),
    ("module1", "a contribution overwrites the one before", 1),
    ("module1", "only the first contribution counts", 1),
    ("module1", "+ loses where its operand came from", 1),
    ("module1", "backward starts from 1 whatever arrives", 1),
    ("module2", "breadth-first order in place of a topological one", 3),
    ("module2", "a contribution overwrites the one before", 3),
]

UPSTREAM = "The upstream gradient is left out"
SAYS = [
    ("warmup", "Sin.backward leaves the upstream gradient out", UPSTREAM),
    ("warmup", "the gradients of Mul are swapped", "The two gradients are swapped"),
    ("warmup", "the gradient of the loss has the wrong sign", "The sign is wrong"),
    ("module1", "Exp.backward leaves the upstream gradient out", UPSTREAM),
    ("module1", "chain_rule drops the upstream gradient", UPSTREAM),
    ("module1", "chain_rule multiplies the upstream gradient in again", "multiplied in twice"),
    ("module1", "Neg.backward keeps the sign", "the local derivative is left out"),
    ("module1", "inv_back has the wrong sign", "The sign is wrong"),
    ("module1", "lt compares the other way round", "True and false are exchanged"),
    ("module1", "the walk ends at the first leaf", "No gradient arrived here"),
    ("module1", "+ loses where its operand came from", "does every operation remember its inputs"),
    (
        "module1",
        "a leaf is given its derivative on arrival and again at its turn",
        "2 times what it should be",
    ),
    ("module2", "Log.backward leaves the upstream gradient out", UPSTREAM),
    ("module2", "Mul.backward swaps its gradients", "The two gradients are swapped"),
    ("module2", "tensor_map ignores the strides of its input", "in the wrong places"),
    ("module2", "tensor_map works in its input's storage", "changed in place"),
    ("module2", "permute changes the tensor itself", "changed in place"),
    ("module2", "gradients are not summed over broadcast axes", "sum it over the axes"),
    ("module2", "Permute.backward applies the same order again", "order of the axes"),
]

# Nothing is said rather than something that is not so.
SAYS_NOT = [
    ("module1", "eq is always true", "exchanged"),
    ("module1", "lt is true for equal numbers", "exchanged"),
    ("module1", "chain_rule pairs the inputs in reverse", "exchanged"),
    ("module2", "to_index wraps every dimension by itself", "exchanged"),
    ("module2", "contributions are added up inside a tensor that others hold as well", "zero"),
]


@pytest.fixture(scope="module")
def show(course: Course, banks, reference, box) -> Iterator[Any]:
    """The counterexample to a mistake, from the first check that is meant for it."""
    found: dict[Mistake, Counterexample] = {}
    shrinkers: dict[str, Shrinker] = {}

    def shown(module: str, what: str) -> Counterexample:
        mistake = BY_NAME[module, what]
        if mistake not in found:
            assignment, _ = banks.declared(module)
            key = keys(mistake, assignment)[0]
            ready = banks.module(module, [key])
            if module not in shrinkers:
                shrinkers[module] = Shrinker(course, ready, total_probes=MANY)
            run = Grading(ready, made(mistake, reference), box, shrinker=shrinkers[module])
            example = run.run()[key].counterexample
            assert example is not None, f"{what}: nothing is shown"
            found[mistake] = example
        return found[mistake]

    yield shown
    for shrinker in shrinkers.values():
        shrinker.__exit__(None, None, None)


def named(pairs: list[Any]) -> list[Any]:
    return [pytest.param(*pair, id=f"{pair[0]}: {pair[1]}") for pair in pairs]


@pytest.mark.parametrize(("module", "what", "expected"), named(SMALL))
def test_the_case_shown_is_the_smallest_one(module, what, expected, show) -> None:
    inputs = show(module, what).inputs
    assert expected == {name: ast.literal_eval(inputs[name]) for name in expected}


@pytest.mark.parametrize(("module", "what", "steps"), named(SHORT))
def test_the_program_shown_is_short(module, what, steps, show) -> None:
    program = ast.literal_eval(show(module, what).inputs["program"])
    assert len(program) <= steps, program


@pytest.mark.parametrize(
    ("module", "what", "line"),
    [
        ("module2", "tensor_map works in its input's storage", "print(in0)"),
        ("module2", "tensor_reduce works in its input's storage", "print(in0)"),
        ("module2", "permute changes the tensor itself", "print(x0)"),
    ],
)
def test_the_lines_to_paste_show_an_input_that_was_changed(module, what, line, show) -> None:
    example = show(module, what)
    assert example.mismatch.kind == "mutated"
    assert example.snippet.splitlines()[-1].startswith(line)


@pytest.mark.parametrize(("module", "what", "words"), named(SAYS))
def test_the_sentence_names_the_mistake(module, what, words, show) -> None:
    assert words in show(module, what).diagnosis


def test_a_kernel_that_is_compiled_for_one_thread_is_told_so(banks, reference, box) -> None:
    mistake = BY_NAME["module3", "zip is compiled without parallel"]
    key = keys(mistake, banks.declared("module3")[0])[0]
    (verdict,) = (
        Grading(banks.module("module3", [key]), made(mistake, reference), box).run().values()
    )
    assert verdict.reason == "It is compiled without parallel=True"


@pytest.mark.parametrize(("module", "what", "words"), named(SAYS_NOT))
def test_no_sentence_is_said_that_is_not_so(module, what, words, show) -> None:
    assert words not in show(module, what).diagnosis
