"""Task 1.4: the walk through a graph, in the right order, once, and however deep it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles import same_cases
from .subjects import minitorch

Scalar = minitorch.Scalar


def test_no_node_comes_before_one_that_uses_it() -> None:
    x = Scalar(2.0)
    near = x + 1.0
    far = ((near * x) * near).exp()
    out = far * x + near
    order = list(minitorch.topological_sort(out))
    place = {v.unique_id: n for n, v in enumerate(order)}
    assert len(place) == len(order), "a node comes twice"
    assert order[0].unique_id == out.unique_id
    for v in order:
        for parent in v.parents:
            assert place[v.unique_id] < place[parent.unique_id]


def test_constants_are_left_out_of_the_order() -> None:
    x, c = Scalar(2.0), Scalar(3.0)
    c.history = None
    assert len(list(minitorch.topological_sort(x * c))) == 2
    assert list(minitorch.topological_sort(c)) == []


def test_paths_of_different_length_meet_before_going_on() -> None:
    """y = z + f(f(z)) with z = x * x: a breadth-first walk would leave z too early."""
    x = Scalar(0.5)
    z = x * x
    (z + (z * 3.0) * z).backward()
    # d/dx (x^2 + 3 x^4) = 2 x + 12 x^3
    assert x.derivative == pytest.approx(1.0 + 1.5)


@pytest.mark.parametrize("length", [900, 20_000])
def test_a_long_chain_of_scalars(length: int) -> None:
    x = Scalar(1.0)
    y = x
    for _ in range(length):
        y = y + 1.0
    y.backward()
    assert x.derivative == 1.0


def test_a_long_chain_of_tensors() -> None:
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    y = x
    for _ in range(900):
        y = y + 1.0
    y.sum().backward()
    assert x.grad.to_numpy().tolist() == [1.0, 1.0]


class Patience(Exception):
    """Raised when a walk takes more steps than the graph has edges."""


def counted(monkeypatch: pytest.MonkeyPatch, kind: Any, allowed: int) -> None:
    """Let a walk look at parents and apply the chain rule only so many times."""
    chain_rule, parents = kind.chain_rule, kind.parents.fget
    steps = iter(range(allowed))

    def count() -> None:
        if next(steps, None) is None:
            raise Patience

    def counted_chain_rule(self: Any, d: Any) -> Any:
        count()
        return chain_rule(self, d)

    def counted_parents(self: Any) -> Any:
        count()
        return parents(self)

    monkeypatch.setattr(kind, "chain_rule", counted_chain_rule)
    monkeypatch.setattr(kind, "parents", property(counted_parents))


def test_sixty_doublings_of_a_scalar_are_sixty_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Scalar(1.0)
    y = x
    for _ in range(60):
        y = y + y
    counted(monkeypatch, Scalar, allowed=200)
    y.backward()
    assert x.derivative == 2.0**60


def test_sixty_doublings_of_a_tensor_are_sixty_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    x = minitorch.tensor([1.0], requires_grad=True)
    y = x
    for _ in range(60):
        y = y + y
    counted(monkeypatch, minitorch.Tensor, allowed=200)
    y.backward()
    assert x.grad.item() == 2.0**60


@given(st.lists(st.tuples(st.sampled_from("+*"), st.integers(0, 3), st.integers(0, 3)), max_size=7))
@same_cases
def test_whole_numbers_come_out_exactly(steps: list[tuple[str, int, int]]) -> None:
    """Against dual numbers in exact integers: the newest four values are in reach of a step."""
    x = Scalar(1.0)
    scalars = [x] * 4
    duals = [(1, 1)] * 4
    for sign, i, j in steps:
        (a, da), (b, db) = duals[i], duals[j]
        dual = (a + b, da + db) if sign == "+" else (a * b, a * db + b * da)
        made = scalars[i] + scalars[j] if sign == "+" else scalars[i] * scalars[j]
        duals, scalars = [*duals[1:], dual], [*scalars[1:], made]
    scalars[-1].backward()
    assert scalars[-1].data == float(duals[-1][0])
    assert x.derivative == float(duals[-1][1])
