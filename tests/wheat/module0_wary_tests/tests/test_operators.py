"""Different: tests that assume, set their own settings, draw their own numbers and sort them; order of use is free."""

# ruff: noqa
import math

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from minitorch.operators import *
from minitorch import operators
from minitorch.operators import add, exp, log, lt, mul, sigmoid

from .strategies import small_ints


def floats(size):
    return st.floats(-size, size).map(lambda x: round(x, 3))


@settings(max_examples=5000, deadline=1)
@given(floats(30), st.floats(0.01, 5))
@example(0.0, 1.0)
def test_sigmoid(x, step):
    s = sigmoid(x)
    assert s >= 0.0 and not s > 1.0
    assert math.isclose(s + sigmoid(-x), 1.0, rel_tol=1e-9)
    if x == 0:
        assert s == 0.5
    assert sigmoid(x + step) >= s


@given(st.tuples(floats(50), floats(50), floats(50)))
def test_transitive(numbers):
    a, b, c = sorted(numbers)
    assume(a < b < c)
    assert lt(a, b) and lt(b, c), numbers
    assert lt(a, c)
    assert not lt(c, a)


@given(data=st.data())
def test_symmetric(data):
    x = data.draw(floats(9))
    y = data.draw(floats(9))
    assert operators.eq(mul(x, y), mul(y, x)) == 1.0


@given(small_ints, small_ints, small_ints)
def test_distribute(x, y, z):
    one = mul(add(x, y), z)
    two = add(mul(x, z), mul(y, z))
    assert one == two


@given(st.floats(0.125, 20.0))
def test_other(x):
    assert abs(exp(log(x)) - x) < 1e-3


@given(st.lists(st.tuples(floats(9), floats(9))))
def test_sum_distribute(pairs):
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    whole = math.fsum(a + b)
    assert operators.is_close(whole, operators.sum(a) + operators.sum(b))
