"""Tasks 4.3 and 4.4: pooling, maxima, softmax and dropout."""

from __future__ import annotations

import math
import random
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .oracles import Array, judge, same_cases
from .subjects import minitorch
from .test_tensor import arrays, drawn_orders, eighths, seeds, tensor_of, under_test

sides = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)


def distinct(shape: tuple[int, ...], seed: int) -> Array:
    """Numbers at least 1/4 apart, of both signs, in any order: no maximum is near a kink."""
    cells = math.prod(shape)
    order = np.random.default_rng(seed).permutation(cells)
    return (order.reshape(shape) - cells // 2) / 4


@st.composite
def images(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, int]]:
    # At most 36 cells: each is moved by itself for a central difference.
    batch, channel = draw(st.sampled_from([(1, 1), (1, 2), (2, 1)]))
    rows, columns, kh, kw = draw(
        st.sampled_from([(1, 2, 3, 2), (2, 1, 2, 2), (3, 2, 1, 3), (1, 1, 2, 3), (2, 3, 1, 1)])
    )
    return (batch, channel, rows * kh, columns * kw), (kh, kw)


def windows(x: Any, kernel: tuple[int, int]) -> Any:
    """The cells of each window, by slices: the oracle of tile."""
    kh, kw = kernel
    return anp.stack([x[:, :, j::kh, k::kw] for j in range(kh) for k in range(kw)], axis=-1)


@given(images(), st.data(), seeds)
@same_cases
def test_tile(found: Any, data: st.DataObject, seed: int) -> None:
    shape, kernel = found
    x = distinct(shape, seed)
    leaf = tensor_of(x, *drawn_orders(data, x))
    tiles, rows, columns = minitorch.tile(leaf, kernel)
    assert np.array_equal(tiles.to_numpy(), windows(x, kernel))
    assert (rows, columns) == tiles.shape[2:4]


@pytest.mark.parametrize(
    ("name", "pool"), [("avgpool2d", anp.mean), ("maxpool2d", anp.max)], ids=["avg", "max"]
)
@given(images(), st.data(), seeds)
@settings(same_cases, max_examples=10)
def test_pooling(name: str, pool: Any, found: Any, data: st.DataObject, seed: int) -> None:
    shape, kernel = found
    x = distinct(shape, seed)
    value, vjp = under_test(lambda t: getattr(minitorch, name)(t, kernel), drawn_orders(data, x))
    judge(value, vjp, lambda x: pool(windows(x, kernel), axis=-1), [x], seed)


def test_pooling_refuses_windows_that_do_not_fill_the_image() -> None:
    for kernel in ((2, 3), (3, 2)):
        with pytest.raises(AssertionError):
            minitorch.tile(minitorch.zeros((1, 1, 3, 3)), kernel)


def softmax(x: Any, dim: int) -> Any:
    powers = anp.exp(x)
    return powers / anp.sum(powers, axis=dim, keepdims=True)


ALONG = {
    "max": lambda x, dim: anp.max(x, axis=dim, keepdims=True),
    "softmax": softmax,
    "logsoftmax": lambda x, dim: anp.log(softmax(x, dim)),
}


@pytest.mark.parametrize("name", ALONG)
@given(sides, st.data(), seeds)
@same_cases
def test_along_a_dimension(
    name: str, shape: tuple[int, ...], data: st.DataObject, seed: int
) -> None:
    dim = data.draw(st.integers(0, len(shape) - 1))
    x = distinct(shape, seed) if name == "max" else data.draw(arrays(shape, eighths))
    value, vjp = under_test(lambda t: getattr(minitorch, name)(t, dim), drawn_orders(data, x))
    judge(value, vjp, lambda x: ALONG[name](x, dim), [x], seed)


def test_argmax_marks_all_of_the_largest() -> None:
    x = minitorch.tensor([[1.0, 3.0, 3.0], [-1.0, -2.0, -3.0]])
    assert minitorch.argmax(x, 1).to_numpy().tolist() == [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    assert minitorch.argmax(x, 0).to_numpy().tolist() == [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]


def test_where_the_softmax_is_out_of_range_of_floats_its_logarithm_is_not() -> None:
    x = minitorch.tensor([[1000.0, 0.0, -1000.0]])
    assert minitorch.softmax(x, 1).to_numpy().tolist() == [[1.0, 0.0, 0.0]]
    assert minitorch.logsoftmax(x, 1).to_numpy().tolist() == [[0.0, -1000.0, -2000.0]]


def test_dropout_at_its_limits() -> None:
    x = minitorch.tensor([[1.0, -2.0], [3.0, 4.0]])
    assert minitorch.dropout(x, 0.0).to_numpy().tolist() == x.to_numpy().tolist()
    assert minitorch.dropout(x, 1.0, True).to_numpy().tolist() == x.to_numpy().tolist()
    assert minitorch.dropout(x, 1.0).to_numpy().tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_drops_that_share_and_its_gradient_the_same_cells(rate: float) -> None:
    random.seed(4)
    cells = 2000
    x = minitorch.tensor([2.0] * cells, requires_grad=True)
    y = minitorch.dropout(x, rate)
    y.backward(minitorch.tensor([3.0] * cells))
    out, gradient = y.to_numpy(), x.grad.to_numpy()
    assert set(out) == {0.0, 2.0}
    assert np.array_equal(gradient, out * 1.5)
    # Five standard deviations of a count of independent cells.
    spread = math.sqrt(cells * rate * (1 - rate))
    assert abs(int((out == 0.0).sum()) - rate * cells) < 5 * spread
    assert not np.array_equal(out, minitorch.dropout(x, rate).to_numpy())
