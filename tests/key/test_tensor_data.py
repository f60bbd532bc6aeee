"""Tasks 2.1 and 2.2: indices, strides, permutations and broadcasting, against NumPy."""

from __future__ import annotations

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles import same_cases
from .subjects import minitorch

data_of = minitorch.TensorData
shapes = st.lists(st.integers(1, 4), min_size=0, max_size=4).map(tuple)
permuted_shapes = shapes.flatmap(
    lambda shape: st.tuples(st.just(shape), st.permutations(range(len(shape))).map(tuple))
)


def filled(shape: tuple[int, ...]) -> object:
    """A tensor whose cells are numbered in the order of their storage."""
    return data_of([float(n) for n in range(math.prod(shape))], shape)


@given(shapes)
@same_cases
def test_counting_visits_every_index_once(shape: tuple[int, ...]) -> None:
    index = np.zeros(len(shape), dtype=np.int32)
    seen = []
    for ordinal in range(math.prod(shape)):
        minitorch.to_index(ordinal, np.array(shape, dtype=np.int32), index)
        seen.append(tuple(int(i) for i in index))
    assert seen == list(np.ndindex(shape))
    assert list(filled(shape).indices()) == seen


@given(permuted_shapes)
@same_cases
def test_positions_and_permuted_cells_are_those_of_numpy(
    case: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    shape, order = case
    array = np.arange(math.prod(shape), dtype=float).reshape(shape)
    permuted = filled(shape).permute(*order)
    truth = array.transpose(order)
    assert permuted.shape == truth.shape
    for index in np.ndindex(truth.shape):
        assert permuted.get(index) == truth[index]
        assert permuted.index(index) == int(truth[index])


def test_a_permutation_that_is_not_its_own_inverse() -> None:
    permuted = filled((2, 3, 4)).permute(1, 2, 0)
    assert permuted.shape == (3, 4, 2)
    assert permuted.strides == (4, 1, 12)


def test_a_permutation_shares_the_storage() -> None:
    t = filled((2, 3))
    t.permute(1, 0).set((2, 1), 99.0)
    assert t.get((1, 2)) == 99.0


def test_an_order_that_repeats_a_dimension_is_refused() -> None:
    with pytest.raises(AssertionError, match="once"):
        filled((2, 3)).permute(0, 0)


def test_position_is_a_sum_over_any_strides() -> None:
    index, strides = np.array([1, 2, 3], np.int32), np.array([7, 0, 100], np.int32)
    position = minitorch.index_to_position(index, strides)
    assert position == 307
    assert type(position) is int


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4, min_side=1))
@same_cases
def test_broadcast_shapes_and_cells_are_those_of_numpy(
    shapes: hnp.BroadcastableShapes,
) -> None:
    first, second = shapes.input_shapes
    assert minitorch.shape_broadcast(first, second) == shapes.result_shape
    big = np.array(shapes.result_shape, dtype=np.int32)
    for shape in (first, second):
        array = np.arange(math.prod(shape)).reshape(shape)
        truth = np.broadcast_to(array, shapes.result_shape)
        out = np.zeros(len(shape), dtype=np.int32)
        for index in np.ndindex(shapes.result_shape):
            at = np.array(index, dtype=np.int32)
            minitorch.broadcast_index(at, big, np.array(shape, dtype=np.int32), out)
            assert array[tuple(out)] == truth[index]
            assert tuple(at) == index, "the index handed in was changed"


@given(shapes, shapes)
@same_cases
def test_shapes_broadcast_exactly_when_numpy_says_so(
    first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    try:
        expected = np.broadcast_shapes(first, second)
    except ValueError:
        with pytest.raises(minitorch.IndexingError):
            minitorch.shape_broadcast(first, second)
    else:
        assert minitorch.shape_broadcast(first, second) == expected


@pytest.mark.parametrize("index", [(2, 0), (0, 3), (-1, 0), (0,), (0, 0, 0)])
def test_an_index_outside_the_shape_is_refused(index: tuple[int, ...]) -> None:
    with pytest.raises(minitorch.IndexingError):
        filled((2, 3)).get(index)


def test_strides_that_do_not_fit_are_refused() -> None:
    with pytest.raises(minitorch.IndexingError):
        data_of([1.0, 2.0], (2,), (1, 1))
    with pytest.raises(AssertionError, match="cells"):
        data_of([1.0, 2.0, 3.0], (2,))


@given(permuted_shapes)
@same_cases
def test_contiguous_means_row_by_row(case: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    shape, order = case
    permuted = filled(shape).permute(*order)
    cells = [permuted.get(index) for index in np.ndindex(permuted.shape)]
    assert permuted.is_contiguous() == (cells == sorted(cells))


def test_sample_reaches_every_index_and_no_other() -> None:
    t = filled((2, 3))
    assert {t.sample() for _ in range(400)} == set(np.ndindex(2, 3))


def test_printing_nests_the_rows() -> None:
    assert filled((2, 2)).to_string() == "[[0.00 1.00]\n [2.00 3.00]]"
