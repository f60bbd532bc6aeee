"""Tasks 3.1 and 3.2: the compiled kernels against NumPy, in every layout, and the gradients of a product."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles import Array, judge, same_cases
from .subjects import REFERENCE, minitorch
from .test_tensor import under_test
from .test_tensor_ops import Layout, smaller

fast = minitorch.fast_ops
# Sides below, at and above what a register holds, and one long run that is cut into pieces.
sides = st.lists(st.sampled_from([1, 2, 3, 9]), min_size=1, max_size=3).map(tuple)
LONG = (3, 20_000)


def dense(shape: tuple[int, ...], order: tuple[int, ...], first: float = 1.0) -> Layout:
    """A layout without gaps: what a TensorData holds."""
    return Layout(shape, order, 1, first)


@st.composite
def layouts(draw: st.DrawFn, shape: tuple[int, ...], first: float = 1.0) -> Layout:
    return dense(shape, tuple(draw(st.permutations(range(len(shape))))), first)


@pytest.fixture(scope="module")
def kernels() -> dict[str, Any]:
    """Compiled once, when they are first called."""
    return {
        "map": fast.tensor_map(fast.njit(lambda x: 2.0 * x + 1.0)),
        "zip": fast.tensor_zip(fast.njit(lambda x, y: x - 2.0 * y)),
        "reduce": fast.tensor_reduce(fast.njit(lambda x, y: x - y)),
    }


@given(st.data())
@same_cases
def test_map(kernels: dict[str, Any], data: st.DataObject) -> None:
    shape = data.draw(sides)
    out = data.draw(layouts(shape, first=-7.0))
    a = data.draw(smaller(shape).flatmap(layouts))
    kernels["map"](*out.triple(), *a.triple())
    assert np.array_equal(out.view, np.broadcast_to(2 * a.view + 1, shape))


@given(st.data())
@same_cases
def test_zip(kernels: dict[str, Any], data: st.DataObject) -> None:
    shape = data.draw(sides)
    out = data.draw(layouts(shape, first=-7.0))
    a = data.draw(smaller(shape).flatmap(layouts))
    b = data.draw(smaller(shape).flatmap(lambda s: layouts(s, first=100.0)))
    kernels["zip"](*out.triple(), *a.triple(), *b.triple())
    assert np.array_equal(out.view, np.broadcast_to(a.view - 2 * b.view, shape))


@given(st.data())
@same_cases
def test_reduce_starts_from_what_the_output_holds(
    kernels: dict[str, Any], data: st.DataObject
) -> None:
    shape = data.draw(sides)
    dim = data.draw(st.integers(0, len(shape) - 1))
    a = data.draw(layouts(shape))
    out = data.draw(layouts((*shape[:dim], 1, *shape[dim + 1 :]), first=5.0))
    expected = out.view - a.view.sum(dim, keepdims=True)
    kernels["reduce"](*out.triple(), *a.triple(), dim)
    assert np.array_equal(out.view, expected)


def test_a_long_run_is_cut_into_pieces_and_none_is_lost(kernels: dict[str, Any]) -> None:
    plain = (0, 1)
    out, a, b = dense(LONG, plain, 0.0), dense(LONG, plain), dense(LONG[1:], (0,), 3.0)
    kernels["map"](*out.triple(), *a.triple())
    assert np.array_equal(out.view, 2 * a.view + 1)
    kernels["zip"](*out.triple(), *a.triple(), *b.triple())
    assert np.array_equal(out.view, a.view - 2 * b.view)
    total = dense((1, LONG[1]), plain, 0.0)
    expected = total.view - a.view.sum(0, keepdims=True)
    kernels["reduce"](*total.triple(), *a.triple(), 0)
    assert np.array_equal(total.view, expected)


@given(st.data())
@same_cases
def test_matrix_multiplication(data: st.DataObject) -> None:
    around = st.sampled_from([1, 2, 3, 5, 63, 64, 65])
    i, k, j = (data.draw(around) for _ in range(3))
    n, a_batch, b_batch = data.draw(st.sampled_from([(1, 1, 1), (3, 3, 3), (3, 1, 3), (3, 3, 1)]))
    out = data.draw(layouts((n, i, j), first=0.0))
    a, b = data.draw(layouts((a_batch, i, k))), data.draw(layouts((b_batch, k, j)))
    a.storage %= 7.0
    b.storage %= 5.0
    fast.tensor_matrix_multiply(*out.triple(), *a.triple(), *b.triple())
    assert np.array_equal(out.view, a.view @ b.view)


def test_tiles_that_are_cut_off_on_every_side() -> None:
    a, b = (np.arange(1.0 * n * m).reshape(1, n, m) % 8 for n, m in ((131, 66), (66, 257)))
    backend = minitorch.TensorBackend(minitorch.FastOps)
    left, right = (minitorch.Tensor.make(x.ravel(), x.shape, backend=backend) for x in (a, b))
    assert np.array_equal((left @ right).to_numpy(), a @ b)
    assert np.array_equal((left.view(131, 66) @ right.view(66, 257)).to_numpy(), (a @ b)[0])


PRODUCTS = {
    "matrices": ((2, 3), (3, 4)),
    "batches": ((2, 2, 3), (2, 3, 2)),
    "one matrix on the left": ((1, 2, 3), (3, 3, 2)),
    "one matrix on the right": ((3, 2, 3), (1, 3, 2)),
    "a matrix and a batch": ((2, 3), (2, 3, 2)),
}


@pytest.mark.parametrize("shapes", PRODUCTS.values(), ids=PRODUCTS)
def test_gradients_of_a_product(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    rng = np.random.default_rng(0)
    point: list[Array] = [rng.integers(-16, 17, shape) / 8 for shape in shapes]
    for turned in (False, True):
        orders = [tuple(range(x.ndim))[:: -1 if turned else 1] for x in point]
        value, vjp = under_test(lambda a, b: a @ b, orders)
        judge(value, vjp, anp.matmul, point, seed=1)


def test_modules_1_and_2_do_without_numba() -> None:
    code = "import sys, minitorch; assert 'numba' not in sys.modules; minitorch.FastOps"
    subprocess.run([sys.executable, "-c", code], cwd=REFERENCE, check=True)
