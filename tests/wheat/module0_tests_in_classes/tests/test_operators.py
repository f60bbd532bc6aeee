"""Different: tests that are methods, of classes for pytest and for unittest, with fixtures and set-ups."""

# ruff: noqa
import unittest

import pytest
from hypothesis import given, strategies as st

from minitorch import operators
from minitorch.operators import add, addLists, inv, lt, mul, sigmoid

from .strategies import small_floats


@pytest.fixture
def grid():
    return [x / 4 for x in range(-20, 21)]


@pytest.fixture()
def pairs(grid):
    yield [(a, b) for a in grid[::5] for b in grid[::7]]


class TestSigmoid:
    tolerance = None

    def setup_method(self, method):
        self.tolerance = 1e-9

    def test_sigmoid(self, grid):
        values = [sigmoid(x) for x in grid]
        assert all(0.0 <= v <= 1.0 for v in values)
        assert values == sorted(values)
        for x, v in zip(grid, values):
            assert abs(1.0 - v - sigmoid(-x)) < self.tolerance
        assert abs(sigmoid(0.0) - 0.5) < self.tolerance


class Laws(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.numbers = [-3.0, -0.5, 0.0, 1.5, 4.0]

    def setUp(self):
        self.places = 6

    @given(small_floats, small_floats, small_floats)
    def test_transitive(self, a, b, c):
        if lt(a, b) and lt(b, c):
            self.assertTrue(lt(a, c))

    def test_distribute(self):
        for a in self.numbers:
            for b in self.numbers:
                with self.subTest(a=a, b=b):
                    left, right = mul(a, add(b, 2.5)), add(mul(a, b), mul(a, 2.5))
                    self.assertAlmostEqual(left, right, places=self.places)


@pytest.mark.task0_2
class TestOthers:
    @pytest.mark.parametrize("a", [0.25, 3.0])
    @pytest.mark.parametrize("b", [-1.5, 8.0])
    def test_symmetric(self, a, b, pairs):
        for x, y in [*pairs, (a, b)]:
            assert mul(x, y) == mul(y, x)

    @staticmethod
    @given(x=st.floats(0.125, 64.0))
    def test_other(x):
        assert abs(inv(inv(x)) - x) < 1e-6

    @given(st.lists(st.tuples(small_floats, small_floats), min_size=2, max_size=4))
    def test_sum_distribute(self, rows):
        a, b = [x for x, _ in rows], [y for _, y in rows]
        both = operators.sum(addLists(a, b))
        assert abs(operators.sum(a) + operators.sum(b) - both) < 1e-6
