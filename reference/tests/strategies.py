"""What the tests have in common: which numbers they are tried on, and when two numbers agree."""

from __future__ import annotations

from hypothesis.strategies import floats, integers
from minitorch import operators

# Numbers as one meets them in a small network. Products of two of them are far from overflow.
small_floats = floats(min_value=-100, max_value=100, allow_nan=False)
small_ints = integers(min_value=1, max_value=3)


def assert_close(a: float, b: float) -> None:
    """Assert that two numbers agree, as far as ``operators.is_close`` tells."""
    assert operators.is_close(a, b), f"{a} and {b} are not close"
