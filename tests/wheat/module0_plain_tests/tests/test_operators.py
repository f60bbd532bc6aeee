"""Different: tests without Hypothesis: loops, tables of pytest, helper functions, bools that are really bools."""

# ruff: noqa
import random

import pytest

import minitorch
from minitorch import operators as ops

NUMBERS = [-7.5, -2.0, -0.5, 0.0, 0.25, 1.0, 3.0, 40.0]


def check_range(values):
    for value in values:
        if not 0 <= value <= 1:
            pytest.fail(f"{value} is not between 0 and 1")


def test_sigmoid():
    check_range(map(ops.sigmoid, NUMBERS))
    assert ops.sigmoid(0) == pytest.approx(0.5)
    assert [1 - ops.sigmoid(x) for x in NUMBERS] == pytest.approx([ops.sigmoid(-x) for x in NUMBERS])
    values = [ops.sigmoid(x) for x in NUMBERS]
    assert values == sorted(values), "it falls"


@pytest.mark.parametrize("c", NUMBERS)
@pytest.mark.parametrize("a, b", [(a, b) for a in NUMBERS for b in NUMBERS])
def test_transitive(a, b, c):
    assert ops.lt(a, b) in (True, False)
    if ops.lt(a, b) is True and ops.lt(b, c) is True:
        assert ops.lt(a, c) is True
    assert isinstance(ops.lt(a, c), bool)


class Case:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def holds(self):
        return ops.mul(self.x, self.y) == ops.mul(self.y, self.x)


def test_symmetric():
    assert all(Case(x, y).holds() for x in NUMBERS for y in NUMBERS)


def test_distribute():
    generator = random.Random(4)
    for _ in range(100):
        x, y, z = (generator.randint(-9, 9) for _ in range(3))
        if ops.mul(z, ops.add(x, y)) != ops.add(ops.mul(z, x), ops.mul(z, y)):
            raise ValueError((x, y, z))


test_other = lambda: exec("for x in NUMBERS[:3]: assert ops.relu(x) == 0")


def test_sum_distribute():
    first, second = NUMBERS, NUMBERS[::-1]
    both = minitorch.operators.addLists(first, second)
    assert ops.sum(first) + ops.sum(second) == ops.reduce(ops.add, 0)(both)
    assert list(minitorch.operators.map(ops.neg, first)) == list(ops.map(ops.neg)(first))
