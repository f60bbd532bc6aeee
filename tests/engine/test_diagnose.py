"""Diagnoses: a sentence only where it fits most of the failing cases, and never a wrong one by chance."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from grader.box.modes import COMPILED, SIMULATOR
from grader.judge.compare import close
from grader.judge.diagnose import MOST, Failure, diagnose
from grader.model import Mismatch, Tolerance

Answer = Callable[[dict[str, Any]], Any]


def failures(right: Answer, wrong: Answer, cases: list[dict[str, Any]]) -> list[Failure]:
    """The failing ones among the cases, as the judge hands them on."""
    found = []
    for inputs in cases:
        expected, observed = right(inputs), wrong(inputs)
        mismatch = close(expected, observed, Tolerance(), 0.0)
        if mismatch is not None:
            found.append(Failure(inputs, expected, observed, mismatch))
    return found[:12]


def numbers(count: int = 30) -> list[dict[str, Any]]:
    chance = random.Random(7)
    return [
        {
            "x": chance.randrange(-64, 64) / 8 or 0.5,
            "y": chance.randrange(-64, 64) / 8 or 0.5,
            "upstream": chance.randrange(9, 64) / 8,
            "a": np.array([chance.randrange(-64, 64) / 8 for _ in range(6)]).reshape(2, 3),
        }
        for _ in range(count)
    ]


def vjp(i: dict[str, Any]) -> Any:
    return [i["upstream"] * i["y"], i["upstream"] * i["x"]]


SAID: dict[str, tuple[Answer, Answer]] = {
    "swapped": (vjp, lambda i: vjp(i)[::-1]),
    "upstream gradient is left out": (
        lambda i: [2 * i["x"] * i["upstream"]],
        lambda i: [2 * i["x"]],
    ),
    "multiplied in twice": (
        lambda i: [2 * i["x"] * i["upstream"]],
        lambda i: [2 * i["x"] * i["upstream"] ** 2],
    ),
    "passed on as it came": (
        lambda i: [math.cos(i["x"]) * i["upstream"]],
        lambda i: [i["upstream"]],
    ),
    "raise IndexingError for it": (lambda i: "raises IndexingError", lambda i: i["a"]),
    "raises IndexingError here, but": (lambda i: i["a"], lambda i: "raises IndexingError"),
    "zero everywhere": (lambda i: i["a"] * 2, lambda i: i["a"] * 0),
    "exactly the negative": (lambda i: i["x"] ** 3 + 5, lambda i: -(i["x"] ** 3) - 5),
    "is 2 times": (lambda i: i["x"] + i["y"] ** 2, lambda i: 2 * (i["x"] + i["y"] ** 2)),
    "is 1/3 of": (lambda i: 3 * i["a"], lambda i: i["a"]),
    "wrong places": (
        lambda i: np.ascontiguousarray(i["a"].T),
        lambda i: i["a"].reshape(3, 2),
    ),
    "exchanged": (lambda i: float(i["x"] < i["y"]), lambda i: float(i["x"] >= i["y"])),
    "off by 1": (lambda i: i["x"] ** 2, lambda i: i["x"] ** 2 + 1),
    "not a number": (lambda i: i["x"], lambda i: float("nan")),
    "overflows": (lambda i: i["x"], lambda i: float("inf")),
    "returns None": (lambda i: i["x"], lambda i: None),
    "shape of its input": (
        lambda i: {"value": 1.0, "gradients": [i["a"].sum(0)]},
        lambda i: {"value": 1.0, "gradients": [i["a"]]},
    ),
    "No gradient arrived": (
        lambda i: {"value": 1.0, "gradients": [i["x"]]},
        lambda i: {"value": 1.0, "gradients": [None]},
    ),
}


@pytest.mark.parametrize("sentence", SAID)
def test_a_common_mistake_is_named(sentence: str) -> None:
    found = failures(*SAID[sentence], numbers())
    assert found
    assert sentence.lower() in diagnose(found).lower()


def test_a_condition_that_is_wrong_one_way_is_told_by_its_side() -> None:
    def near(size: float) -> Answer:
        return lambda i: float(abs(i["x"] - i["y"]) < size)

    for size, said in ((5.0, "is 1 and should be 0"), (0.5, "is 0 and should be 1")):
        found = failures(near(2.0), near(size), numbers(200))
        assert len(found) > 3
        assert said in diagnose(found)
        assert said in diagnose(found, right=0.9)
        pairs = [f._replace(expected=np.array([f.expected, 1.0])) for f in found]
        pairs = [f._replace(observed=np.array([f.observed, 1.0])) for f in pairs]
        assert said in diagnose(pairs)


def test_a_condition_that_is_wrong_both_ways_is_not_told_by_one_side() -> None:
    more, less = (
        Failure({}, e, 1.0 - e, Mismatch("", "value", str(e), str(1.0 - e))) for e in (0.0, 1.0)
    )
    assert "is 1 and should be 0" in diagnose([more] * 9, right=0.8)
    assert diagnose([less, *[more] * 9], right=0.8) == ""


def test_true_and_false_are_not_exchanged_where_most_answers_are_right() -> None:
    found = failures(lambda i: float(i["x"] < i["y"]), lambda i: float(i["x"] >= i["y"]), numbers())
    assert "exchanged" in diagnose(found, right=0.4)
    assert diagnose(found, right=0.6) == ""
    modes = [f._replace(expected={"a": f.expected}, observed={"a": f.observed}) for f in found]
    assert diagnose(modes) == ""


def test_a_number_that_was_returned_is_not_said_to_be_lost() -> None:
    cases = [{"x": x / 4} for x in range(-30, -3)]
    assert diagnose(failures(lambda i: 1 / i["x"] ** 2, lambda i: 0.0, cases)) == ""
    off = diagnose(failures(lambda i: -i["x"], lambda i: 1 - i["x"], cases))
    assert off == "Every number is off by 1."


def test_a_shape_with_another_number_of_axes_is_told_as_such() -> None:
    cases = [{"a": i["a"]} for i in numbers()]
    more = failures(lambda i: i["a"], lambda i: i["a"][None], cases)
    assert "how many axes" in diagnose(more)
    turned = failures(lambda i: i["a"], lambda i: i["a"].T, cases)
    assert "order of the axes" in diagnose(turned)


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [(SIMULATOR, "shared and local memory"), (COMPILED, "before and behind a storage")],
)
def test_what_else_is_not_a_number_in_a_run_mode(mode: str, sentence: str) -> None:
    found = failures(lambda i: i["x"], lambda i: float("nan"), numbers())
    assert sentence in diagnose(found, mode)
    zero = failures(lambda i: i["a"] * 2, lambda i: i["a"] * 0, numbers())
    assert diagnose(zero, mode) == diagnose(zero) != ""


SILENT: dict[str, Answer] = {
    "noise": lambda i: i["x"] * i["y"] + math.sin(i["x"] * 100),
    "another formula": lambda i: i["x"] ** 3 - i["y"],
    "a formula that is right for small numbers": lambda i: i["x"] * i["y"] * (1 + abs(i["x"])),
    "a constant": lambda i: 2.625,
}


@pytest.mark.parametrize("wrong", SILENT)
def test_nothing_is_said_where_nothing_fits(wrong: str) -> None:
    found = failures(lambda i: i["x"] * i["y"], SILENT[wrong], numbers())
    assert len(found) > 5
    assert diagnose(found) == ""


def test_one_number_is_not_enough_to_say_that_all_are_off_by_as_much() -> None:
    found = failures(lambda i: 65600.0, lambda i: 16416.0, numbers())
    assert diagnose(found) == ""


def test_a_pattern_that_fits_the_smallest_case_by_chance_is_not_said() -> None:
    cases = [{"x": 3.0}, {"x": 5.0}, {"x": 7.0}]
    found = failures(lambda i: 2 * i["x"], lambda i: i["x"] ** 2 + i["x"], cases)
    assert diagnose(found[:1]) != ""
    assert diagnose(found) == ""


def test_three_quarters_of_the_cases_are_enough() -> None:
    mismatch = Mismatch("", "value", "1.0", "2.0")
    doubled = [Failure({}, float(n), 2.0 * n, mismatch) for n in range(3, 12)]
    other = Failure({}, 3.0, 17.3, mismatch)
    assert MOST == 0.75
    assert "2 times" in diagnose([*doubled, other, other, other])
    assert diagnose([*doubled, *[other] * 4]) == ""


def test_nothing_fails_nothing_is_said() -> None:
    assert diagnose([]) == ""


@pytest.mark.parametrize(
    ("expected", "observed"),
    [
        (1.0, "text"),
        ([1.0, [2.0]], [1.0]),
        (np.zeros((0,)), np.zeros((0, 2))),
        ({"gradients": [1.0, None]}, {"gradients": None}),
        (0.0, 0.0),
        ([], []),
        (1e308, -1e308),
        (5e-324, 1.0),
        (float("nan"), 1.0),
        (float("inf"), float("-inf")),
        (2**2000, 1),
        (1.0, 2**2000),
        (np.array([2**63 - 1]), np.array([1.5])),
        (None, None),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_strange_answers_are_no_error(expected: Any, observed: Any) -> None:
    for kind in ("value", "type", "shape", "length", "mutated", "not finite"):
        for path in ("", "[0]", "gradients[1][0, 2]", "gradients[999]", "[", "..", "a b"):
            failure = Failure({"upstream": 2.0}, expected, observed, Mismatch(path, kind, "e", "o"))
            assert isinstance(diagnose([failure] * 3), str)
