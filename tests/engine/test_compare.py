"""Comparing: one walk, the first difference, no trust in the types that came."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from grader.box.wire import Opaque, Raised
from grader.judge.compare import COMPARISONS, FALSE_ALARM, close, show
from grader.model import Mismatch, Tolerance

NAN, INF = float("nan"), float("inf")
EXACT = Tolerance(relative=0.0, absolute=0.0, conditioning=0.0)


def differ(
    expected: Any, observed: Any, tolerance: Tolerance = EXACT, slack: Any = 0.0
) -> Mismatch | None:
    return close(expected, observed, tolerance, slack)


@pytest.mark.parametrize(
    ("expected", "observed"),
    [
        (1.0, 1.0),
        (1.0, 1),
        (2, 2.0),
        (0.0, -0.0),
        (NAN, NAN),
        (INF, INF),
        ("text", "text"),
        (None, None),
        (True, True),
        ([1.0, [2.0]], [1.0, [2.0]]),
        ({"a": 1.0, "b": None}, {"b": None, "a": 1.0}),
        (np.array([1.0, NAN, INF]), np.array([1.0, NAN, INF])),
        (np.array([1.0, 2.0]), np.array([1, 2])),
        (np.array(2.0), 2.0),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (Raised("E", "m", (), "error"), Raised("E", "m", (), "error")),
    ],
    ids=repr,
)
def test_these_answers_agree(expected: Any, observed: Any) -> None:
    assert differ(expected, observed) is None


@pytest.mark.parametrize(
    ("expected", "observed", "kind", "path"),
    [
        (1.0, 1.0000001, "value", ""),
        (1.0, NAN, "not finite", ""),
        (NAN, 1.0, "not finite", ""),
        (INF, -INF, "not finite", ""),
        (1.0, INF, "not finite", ""),
        (1.0, 10**400, "not finite", ""),
        (1.0, True, "type", ""),
        (1.0, "1.0", "type", ""),
        (1.0, None, "type", ""),
        (1.0, [1.0], "type", ""),
        (1.0, Opaque("Liar"), "type", ""),
        (1.0, np.array([1.0]), "type", ""),
        (1, True, "type", ""),
        (True, 1, "type", ""),
        (True, 1.0, "type", ""),
        ("a", "b", "value", ""),
        (None, 0.0, "type", ""),
        (3, 4, "value", ""),
        ([1.0, 2.0], [1.0], "length", ""),
        ([1.0, 2.0], 1.0, "type", ""),
        ([1.0, [2.0, 3.0]], [1.0, [2.0, 4.0]], "value", "[1][1]"),
        ({"a": 1.0}, {"b": 1.0}, "type", ""),
        ({"a": 1.0}, {"a": 1.0, "b": 2.0}, "type", ""),
        ({"gradients": [1.0, 2.0]}, {"gradients": [1.0, 3.0]}, "value", "gradients[1]"),
        (np.zeros((2, 3)), np.zeros((3, 2)), "shape", ""),
        (np.zeros(2), np.zeros((2, 1)), "shape", ""),
        (np.zeros(2), [0.0, 0.0], "type", ""),
        (np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]]), "value", "[0, 1]"),
        (np.array([1.0, 2.0]), np.array([1.0, NAN]), "not finite", "[1]"),
        ({"g": [np.zeros(2)]}, {"g": [np.array([0.0, 1.0])]}, "value", "g[0][1]"),
        (np.array(2.0), 3.0, "value", ""),
    ],
    ids=repr,
)
def test_the_first_difference_is_named(expected: Any, observed: Any, kind: str, path: str) -> None:
    found = differ(expected, observed)
    assert found is not None
    assert (found.kind, found.path) == (kind, path)


def test_the_first_of_several_differences_is_the_one_that_is_told() -> None:
    found = differ([1.0, 2.0, 3.0], [1.0, 5.0, 9.0])
    assert found == Mismatch("[1]", "value", "2.0", "5.0")


def test_a_tolerance_is_relative_plus_absolute_plus_what_rounding_may_move() -> None:
    assert differ(100.0, 101.0, Tolerance(relative=0.01, absolute=0.0)) is None
    assert differ(100.0, 101.1, Tolerance(relative=0.01, absolute=0.0)) is not None
    assert differ(0.0, 0.5, Tolerance(relative=0.0, absolute=0.5)) is None
    loose = Tolerance(relative=0.0, absolute=0.0, conditioning=4.0)
    assert differ(1.0, 2.0, loose, 0.25) is None
    assert differ(1.0, 2.0, loose, 0.2) is not None
    assert differ([1.0, 1.0], [2.0, 1.0], loose, [0.25, 0.0]) is None
    assert differ([1.0, 1.0], [1.0, 2.0], loose, [0.25, 0.0]) is not None
    assert differ({"a": np.zeros(2)}, {"a": np.ones(2)}, loose, {"a": 0.25}) is None
    assert differ({"a": np.zeros(2)}, {"a": np.ones(2)}, loose, {}) is not None


def test_no_tolerance_makes_infinity_or_nan_right() -> None:
    huge = Tolerance(relative=1e300, absolute=1e308)
    for wrong in (NAN, INF, -INF):
        assert differ(1.0, wrong, huge) is not None
        assert differ(np.array([1.0]), np.array([wrong]), huge) is not None
    assert differ(INF, 1.0, huge) is not None


def test_a_slack_of_another_shape_than_the_answer_forgives_nothing() -> None:
    loose = Tolerance(relative=0.0, absolute=0.0, conditioning=1e9)
    for slack in ([1.0], "x", None, {"a": 1.0}, [[1.0], [1.0]]):
        assert differ([1.0, 2.0], [1.0, 2.5], loose, slack) is not None


def test_counts_may_be_three_times_the_reference_but_not_grow_faster() -> None:
    growth = COMPARISONS["growth"]
    assert growth([3, 6, 10], [9, 12, 20], EXACT, 0.0) is None
    found = growth([3, 6, 10], [8, 64, 1024], EXACT, 0.0)
    assert found is not None
    assert (found.path, found.observed) == ("[1]", "64 calls")
    assert growth([9, 9], [9, 2], EXACT, 0.0) is not None
    assert growth([3, 6], [3, 6.0], EXACT, 0.0) is not None
    assert growth([3, 6], [3, True], EXACT, 0.0) is not None
    assert growth([3, 6], [3], EXACT, 0.0) is not None
    assert growth([3, 6], None, EXACT, 0.0) is not None


def test_a_size_by_convention_may_be_half_or_twice_as_much() -> None:
    factor_two = COMPARISONS["factor_two"]
    for fine in (0.5, 1.0, 2, -1.0):
        assert factor_two(1.0, fine, EXACT, 0.0) is None
    for wrong in (0.0, 0.4, 3.0, NAN, INF, None, "1", True):
        assert factor_two(1.0, wrong, EXACT, 0.0) is not None


def test_values_are_shown_as_one_types_them_and_cut() -> None:
    assert show(np.array([[1.0, 2.5]])) == "[[1.0, 2.5]]"
    assert show([1.0, [2, None], "a"]) == "[1.0, [2, None], 'a']"
    assert show({"x": 1.0, "order": [1, 0]}) == "x: 1.0, order: [1, 0]"
    assert show({"a": {"p": 0.5, "q": {}}}) == "a: {'p': 0.5, 'q': {}}"
    assert show({"p": 0.5}, inside=True) == "{'p': 0.5}"
    assert show([{"p": 0.5}]) == "[{'p': 0.5}]"
    assert show(Opaque("Tensor")) == "<Tensor>"
    assert show(Raised("ValueError", "no", (), "error")) == "ValueError: no"
    assert len(show([0.1] * 10_000)) < 800
    assert len(show("x" * 10_000)) < 800
    assert "\x1b" not in show("\x1b[31m") + show(Raised("E", "\x1b[31m", (), "error"))


@pytest.mark.parametrize(
    ("observed", "path"),
    [
        ({"start": 1.0, "end": 0.1, "right": 6}, None),
        ({"start": 1.0, "end": 0.3, "right": 5}, None),
        ({"start": 2.0, "end": 0.0, "right": 6}, None),
        ({"start": 1.0, "end": 0.35, "right": 6}, "end"),
        ({"start": 1.0, "end": NAN, "right": 6}, "end"),
        ({"start": 1.0, "end": -1.0, "right": 6}, "end"),
        ({"start": 1.0, "end": 0.1, "right": 4}, "right"),
        ({"start": 1.0, "end": True, "right": 6}, "end"),
        ({"start": 1.0, "end": "0.1", "right": 6}, "end"),
        ({"start": 1.0, "end": 0.1}, ""),
        ([1.0, 0.1, 6], ""),
    ],
)
def test_a_network_learns_when_its_loss_comes_down_as_the_reference_s_does(
    observed: Any, path: str | None
) -> None:
    """The reference comes from 1.0 down to 0.1: a quarter of that is left to the others."""
    expected = {"start": 1.0, "end": 0.1, "right": 6}
    found = COMPARISONS["learns"](expected, observed, EXACT, 0.0)
    assert (found and found.path) == path


def test_facts_are_the_reference_s_but_for_what_is_told() -> None:
    facts = COMPARISONS["facts"]
    expected = {"compiled": "yes", "told": "one loop"}
    assert facts(expected, {"compiled": "yes", "told": "two loops"}, EXACT, 0.0) is None
    assert facts(expected, {"compiled": "no", "told": "one loop"}, EXACT, 0.0).path == "compiled"
    assert facts(expected, {"compiled": "yes"}, EXACT, 0.0).kind == "type"
    assert facts(expected, "yes", EXACT, 0.0).kind == "type"


TIES = np.array([[0.0, 3.0, 3.0], [-2.0, 0.0, 0.0]])
CLOSE = Tolerance()


@pytest.mark.parametrize(
    ("row", "fine"),
    [
        ([0.0, 3.0, 3.0], True),
        ([0.0, 3.0, 0.0], True),
        ([0.0, 0.0, 3.0], True),
        ([0.0, 1.5, 1.5], True),
        ([0.0, 0.75, 2.25], True),
        ([0.0, 0.0, 0.0], False),
        ([0.0, 1.0, 1.0], False),
        ([0.0, 3.0, 1.5], False),
        ([1.0, 1.0, 1.0], False),
        ([3.0, 0.0, 0.0], False),
        ([0.0, 4.0, -1.0], False),
        ([0.0, -3.0, -3.0], False),
        ([0.0, NAN, 3.0], False),
        ([0.0, INF, -INF], False),
        ([1e-6, 3.0, 3.0], False),
    ],
)
def test_at_a_maximum_that_several_cells_reach_every_subgradient_is_right(
    row: list[float], fine: bool
) -> None:
    observed = np.array([row, [-2.0, 0.0, 0.0]])
    found = COMPARISONS["shares"](TIES, observed, CLOSE, 1e9)
    assert (found is None) == fine
    assert found is None or found.path.startswith("[0]")


def test_shares_say_what_would_have_been_right() -> None:
    shares = COMPARISONS["shares"]
    one = shares(np.array([[0.0, 2.5]]), np.array([[0.0, 5.0]]), CLOSE, 0.0)
    several = shares(np.array([[2.5, 2.5]]), np.array([[5.0, 5.0]]), CLOSE, 0.0)
    assert one is not None
    assert several is not None
    assert one.expected == "2.5 for the largest cell, as in [0.0, 2.5]"
    assert "one of the largest cells, for each, or shared" in several.expected


def test_one_value_is_not_one_values() -> None:
    found = COMPARISONS["close"]([1.0], [], CLOSE, 0.0)
    assert found is not None
    assert (found.expected, found.observed) == ("1 value", "0 values")


def test_shares_that_add_up_to_more_than_there_is_are_wrong_without_a_word_on_stderr() -> None:
    for huge in ([1e308, 1e308, 0.0], [1.7e308, -1.7e308, 0.0], [1e308, 0.0, 1e308]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = COMPARISONS["shares"](np.array([[0.5, 0.5, 0.0]]), np.array([huge]), CLOSE, 0.0)
        assert found is not None


def test_shares_have_the_shape_of_the_answer() -> None:
    shares = COMPARISONS["shares"]
    for wrong in (TIES.T, TIES[:1], TIES.tolist(), 3.0, None, "x", Opaque("Tensor")):
        assert shares(TIES, wrong, CLOSE, 0.0) is not None
    assert shares(TIES, np.array([[0, 3, 0], [-2, 0, 0]]), CLOSE, 0.0) is None


def exact_tail(k: int, n: int, p: Fraction) -> Fraction:
    """P(X <= k), in fractions."""
    return sum((math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)), Fraction(0))


@pytest.mark.parametrize(
    ("n", "p"), [(48, Fraction(1, 4)), (288, Fraction(5, 8)), (9, Fraction(1, 2))]
)
def test_a_count_is_wrong_where_the_exact_binomial_test_says_so(n: int, p: Fraction) -> None:
    def wrong(k: Any) -> bool:
        expected = {"dropped": {"count": round(n * p), "of": n, "rate": float(p)}}
        observed = {"dropped": {"count": k, "of": n, "rate": float(p)}}
        return COMPARISONS["binomial"](expected, observed, EXACT, 0.0) is not None

    level = Fraction(FALSE_ALARM) / 2
    rejected = {
        k for k in range(n + 1) if min(exact_tail(k, n, p), exact_tail(n - k, n, 1 - p)) < level
    }
    assert {k for k in range(n + 1) if wrong(k)} == rejected
    # What right work risks is the probability of all that is rejected.
    risk = sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in rejected)
    assert risk <= Fraction(FALSE_ALARM)
    assert wrong(-1)
    assert wrong(n + 1)


def test_a_count_s_number_and_rate_are_the_reference_s() -> None:
    binomial = COMPARISONS["binomial"]
    expected = {"dropped": {"count": 12, "of": 48, "rate": 0.25}}

    def judged(**changed: Any) -> Mismatch | None:
        return binomial(expected, {"dropped": expected["dropped"] | changed}, EXACT, 0.0)

    assert judged(count=20) is None
    assert judged(count=36, rate=0.75) is not None
    assert judged(of=24).observed == "a count of 24"
    for count in (12.0, True, None, "12", Opaque("int")):
        assert judged(count=count).kind == "type"
    for wrong in ({}, {"dropped": 12}, {"other": expected["dropped"]}, [12], None):
        assert binomial(expected, wrong, EXACT, 0.0).kind == "type"
    for of in (np.array([48, 48]), np.zeros(0), "48", None):
        assert judged(of=of).kind == "value"
    assert judged(count=48).expected == "about 12 of 48 (each with probability 0.25)"
