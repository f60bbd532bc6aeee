"""Tasks 4.1 and 4.2: the compiled convolutions, as kernels and as Functions."""

from __future__ import annotations

import itertools
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles import Array, judge, same_cases
from .subjects import minitorch
from .test_tensor import arrays, drawn_orders, eighths, seeds, under_test
from .test_tensor_ops import Layout

fast_conv = minitorch.fast_conv


def convolved(input: Array, weight: Array, sides: tuple[int, ...], reverse: bool) -> Array:
    """The definition, cell by cell: no shape of the output is special."""
    out = np.zeros((input.shape[0], weight.shape[0], *sides))
    for place in itertools.product(*map(range, sides)):
        for offset in itertools.product(*map(range, weight.shape[2:])):
            cell = tuple(p - k if reverse else p + k for p, k in zip(place, offset, strict=True))
            if all(0 <= i < n for i, n in zip(cell, input.shape[2:], strict=True)):
                cells, factors = input[(..., *cell)], weight[(..., *offset)]
                out[(..., *place)] += cells @ factors.T
    return out


def padded(input: Array, weight: Array) -> Array:
    """The Function, in autograd.numpy: one product for each place of the kernel."""
    dims = input.ndim - 2
    window = weight.shape[2:]
    wide = anp.pad(input, [(0, 0), (0, 0), *[(0, k - 1) for k in window]], mode="constant")
    total = 0.0
    for offset in itertools.product(*map(range, window)):
        cut = tuple(slice(k, k + n) for k, n in zip(offset, input.shape[2 : 2 + dims], strict=True))
        part = wide[(slice(None), slice(None), *cut)]
        total = total + anp.einsum("bc...,oc->bo...", part, weight[(..., *offset)])
    return total


@st.composite
def extents(draw: st.DrawFn, dims: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    batch, inner, outer = (draw(st.integers(1, 2)) for _ in range(3))
    sides = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    window = tuple(draw(st.integers(1, 5 - dims)) for _ in range(dims))
    return (batch, inner, *sides), (outer, inner, *window)


@pytest.mark.parametrize("dims", [1, 2])
@given(st.data())
@same_cases
def test_the_kernel_in_every_layout_and_to_an_output_of_any_size(
    dims: int, data: st.DataObject
) -> None:
    given_shape, weight_shape = data.draw(extents(dims))
    sides = tuple(data.draw(st.integers(1, 5)) for _ in range(dims))
    reverse = data.draw(st.booleans())
    layouts = []
    for shape in ((given_shape[0], weight_shape[0], *sides), given_shape, weight_shape):
        order = tuple(data.draw(st.permutations(range(dims + 2))))
        layouts.append(Layout(shape, order, data.draw(st.integers(1, 2)), 1.0))
    out, input, weight = layouts
    input.storage[:] = data.draw(arrays(input.storage.shape, eighths))
    weight.storage[:] = data.draw(arrays(weight.storage.shape, eighths))
    # What lies between the cells of the output stays as it was.
    expected = out.storage.copy()
    beside = np.ones(len(expected), dtype=bool)
    for index in np.ndindex(out.shape):
        beside[sum(i * s for i, s in zip(index, out.strides, strict=True))] = False
    out.view[...] = 0.0
    kernel = getattr(fast_conv, f"tensor_conv{dims}d")
    kernel(*out.triple(), out.view.size, *input.triple(), *weight.triple(), reverse)
    assert np.array_equal(out.view, convolved(input.view, weight.view, sides, reverse))
    assert np.array_equal(out.storage[beside], expected[beside])


@pytest.mark.parametrize("dims", [1, 2])
@given(st.data(), seeds)
@same_cases
def test_values_and_gradients(dims: int, data: st.DataObject, seed: int) -> None:
    point = [data.draw(arrays(shape, eighths)) for shape in data.draw(extents(dims))]
    value, vjp = under_test(getattr(minitorch, f"conv{dims}d"), drawn_orders(data, *point))
    assert np.array_equal(value(*point), convolved(*point, point[0].shape[2:], False))
    judge(value, vjp, padded, point, seed)


@pytest.mark.parametrize("dims", [1, 2])
def test_channels_that_do_not_fit_are_refused(dims: int) -> None:
    kernel: Any = getattr(fast_conv, f"_tensor_conv{dims}d")
    order, sides = tuple(range(dims + 2)), (1,) * dims
    out, input = Layout((1, 1, *sides), order, 1, 0.0), Layout((1, 2, *sides), order, 1, 0.0)
    with pytest.raises(AssertionError):
        kernel(*out.triple(), 1, *input.triple(), *out.triple(), False)
