"""Task 2.3: the kernels on raw storages, in every layout that strides can describe."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles import Array, same_cases
from .subjects import minitorch


class Layout:
    """A storage with room to spare, and an ordinary NumPy view of the cells that are in use."""

    def __init__(self, shape: tuple[int, ...], order: tuple[int, ...], gap: int, first: float):
        # Laid out in the given order of dimensions, with a gap after each cell.
        strides = [0] * len(shape)
        step = gap
        for dim in reversed(order):
            strides[dim] = step
            step *= shape[dim]
        self.storage: Array = first + np.arange(max(1, math.prod(shape)) * gap, dtype=np.float64)
        self.shape, self.strides = shape, tuple(strides)
        self.view = np.lib.stride_tricks.as_strided(
            self.storage, shape, tuple(8 * s for s in strides)
        )

    def triple(self) -> tuple[Any, ...]:
        return (
            self.storage,
            np.array(self.shape, dtype=np.int32),
            np.array(self.strides, dtype=np.int32),
        )


@st.composite
def layouts(draw: st.DrawFn, shape: tuple[int, ...], first: float = 1.0) -> Layout:
    """Draw a layout of a shape; the plain one comes up often enough to meet the quick path."""
    plain = draw(st.booleans())
    dims = tuple(range(len(shape)))
    order = dims if plain else tuple(draw(st.permutations(dims)))
    return Layout(shape, order, 1 if plain else draw(st.integers(1, 2)), first)


sides = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@st.composite
def smaller(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Draw a shape that broadcasts to the given one."""
    kept = shape[draw(st.integers(0, len(shape))) :]
    return tuple(1 if draw(st.booleans()) else side for side in kept)


def untouched(layout: Layout, before: Array) -> bool:
    """Tell whether the cells in the gaps are what they were."""
    used = Layout(layout.shape, tuple(range(len(layout.shape))), 1, 0.0)
    mask = np.ones(len(layout.storage), dtype=bool)
    for index in np.ndindex(used.shape):
        mask[sum(i * s for i, s in zip(index, layout.strides, strict=True))] = False
    return bool(np.all(layout.storage[mask] == before[mask]))


@given(st.data())
@same_cases
def test_map(data: st.DataObject) -> None:
    shape = data.draw(sides)
    out = data.draw(layouts(shape, first=-7.0))
    a = data.draw(smaller(shape).flatmap(layouts))
    before_out, before_a = out.storage.copy(), a.storage.copy()
    minitorch.tensor_map(lambda x: 2.0 * x + 1.0)(*out.triple(), *a.triple())
    assert np.array_equal(out.view, np.broadcast_to(2 * a.view + 1, shape))
    assert untouched(out, before_out)
    assert np.array_equal(a.storage, before_a)


@given(st.data())
@same_cases
def test_zip(data: st.DataObject) -> None:
    shape = data.draw(sides)
    out = data.draw(layouts(shape, first=-7.0))
    a = data.draw(smaller(shape).flatmap(layouts))
    b = data.draw(smaller(shape).flatmap(lambda s: layouts(s, first=100.0)))
    before = out.storage.copy()
    minitorch.tensor_zip(lambda x, y: x - 2.0 * y)(*out.triple(), *a.triple(), *b.triple())
    assert np.array_equal(out.view, np.broadcast_to(a.view - 2 * b.view, shape))
    assert untouched(out, before)


@given(st.data())
@same_cases
def test_reduce_starts_from_what_the_output_holds_and_goes_in_order(data: st.DataObject) -> None:
    shape = data.draw(sides)
    dim = data.draw(st.integers(0, len(shape) - 1))
    a = data.draw(layouts(shape))
    folded = (*shape[:dim], 1, *shape[dim + 1 :])
    out = data.draw(layouts(folded, first=5.0))
    expected = out.view.copy()
    for i in range(shape[dim]):
        expected = expected * 3.0 - np.take(a.view, [i], axis=dim)
    before = out.storage.copy()
    minitorch.tensor_reduce(lambda x, y: x * 3.0 - y)(*out.triple(), *a.triple(), dim)
    assert np.array_equal(out.view, expected)
    assert untouched(out, before)


ORDERS = [(0, 1), (1, 0)]


@pytest.mark.parametrize("out_order", ORDERS)
@pytest.mark.parametrize("a_order", ORDERS)
@pytest.mark.parametrize("b_order", ORDERS)
def test_equal_shapes_in_unequal_layouts(
    out_order: tuple[int, ...], a_order: tuple[int, ...], b_order: tuple[int, ...]
) -> None:
    """The quick path is for tensors that are all laid out row by row, and for no others."""
    shape = (2, 3)
    out = Layout(shape, out_order, 1, -7.0)
    a, b = Layout(shape, a_order, 1, 1.0), Layout(shape, b_order, 1, 100.0)
    minitorch.tensor_map(lambda x: -x)(*out.triple(), *a.triple())
    assert np.array_equal(out.view, -a.view)
    minitorch.tensor_zip(lambda x, y: x - 2.0 * y)(*out.triple(), *a.triple(), *b.triple())
    assert np.array_equal(out.view, a.view - 2.0 * b.view)


def test_backend_functions_of_tensors() -> None:
    f = minitorch.SimpleBackend
    a, b = minitorch.tensor([[1.0, 2.0], [3.0, 4.0]]), minitorch.tensor([10.0, 20.0])
    assert f.add_zip(a, b).to_numpy().tolist() == [[11.0, 22.0], [13.0, 24.0]]
    assert f.add_reduce(a, 0).to_numpy().tolist() == [[4.0, 6.0]]
    assert f.mul_reduce(a, 1).to_numpy().tolist() == [[2.0], [12.0]]
    out = a.zeros((2, 2))
    assert f.neg_map(b, out) is out
    assert out.to_numpy().tolist() == [[-10.0, -20.0], [-10.0, -20.0]]


def test_functions_receive_plain_floats() -> None:
    kinds = set()

    def note(x: float) -> float:
        kinds.add(type(x))
        return x

    kernel = minitorch.tensor_map(note)
    for order in [(0, 1), (1, 0)]:
        kernel(*Layout((2, 3), (0, 1), 1, 0.0).triple(), *Layout((2, 3), order, 1, 0.0).triple())
    assert kinds == {float}


@pytest.mark.parametrize("name", ["map", "zip", "reduce"])
def test_the_abstract_loops_say_that_they_are_abstract(name: str) -> None:
    with pytest.raises(NotImplementedError, match="backend"):
        getattr(minitorch.TensorOps, name)(lambda x: x)
