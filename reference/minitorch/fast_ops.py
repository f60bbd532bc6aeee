r"""Map, zip, reduce and matrix multiplication, compiled and run on several processor cores.

The kernels have the arguments and the meaning of those in ``tensor_ops``. Numba translates each
into machine code when it is first called, and shares the iterations of its outermost loop, the
``prange``, among threads. So no two iterations of that loop may write to the same place, be it a
cell of the output or an index that both use.

An index is expensive: to work it out takes longer than what is then done with the cell. So the
kernels work out one for each run of cells that are neighbours in the last dimension, and walk
along the run with the strides. Two facts about layouts make this quick:

* If all tensors are laid out alike, they can be walked through like flat arrays.
* If the last stride is 1, the run is a slice, and the processor takes several cells at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numba import njit as _njit
from numba import prange

from . import tensor_data
from .tensor_data import shape_broadcast
from .tensor_ops import MapProto, TensorOps

if TYPE_CHECKING:
    from .tensor import Tensor
    from .tensor_data import Index, Shape, Storage, Strides

Fn = TypeVar("Fn", bound=Callable[..., Any])


def njit(fn: Fn, **options: Any) -> Fn:
    """Compile a function with Numba; its body is put wherever a compiled function calls it."""
    compiled: Fn = _njit(inline="always", **options)(fn)
    return compiled


# The functions of tensor_data, for use inside kernels. If one of them does not compile, Numba's
# message names the line there.
to_index = njit(tensor_data.to_index)
index_to_position = njit(tensor_data.index_to_position)
broadcast_index = njit(tensor_data.broadcast_index)


class FastOps(TensorOps):
    """The loops, compiled."""

    @staticmethod
    def map(fn: Callable[[float], float]) -> MapProto:
        """Turn a function of a number into one of a tensor; see ``SimpleOps.map``."""
        kernel = tensor_map(njit(fn))

        def apply_map(a: Tensor, out: Tensor | None = None, /) -> Tensor:
            if out is None:
                out = a.zeros(a.shape)
            kernel(*out.tuple(), *a.tuple())
            return out

        return apply_map

    @staticmethod
    def zip(fn: Callable[[float, float], float]) -> Callable[[Tensor, Tensor], Tensor]:
        """Turn a function of two numbers into one of two tensors; see ``SimpleOps.zip``."""
        kernel = tensor_zip(njit(fn))

        def apply_zip(a: Tensor, b: Tensor) -> Tensor:
            shape = a.shape if a.shape == b.shape else shape_broadcast(a.shape, b.shape)
            out = a.zeros(shape)
            kernel(*out.tuple(), *a.tuple(), *b.tuple())
            return out

        return apply_zip

    @staticmethod
    def reduce(
        fn: Callable[[float, float], float], start: float = 0.0
    ) -> Callable[[Tensor, int], Tensor]:
        """Turn a function of two numbers into one that folds a dimension of a tensor.

        See ``SimpleOps.reduce``.
        """
        kernel = tensor_reduce(njit(fn))

        def apply_reduce(a: Tensor, dim: int) -> Tensor:
            shape = list(a.shape)
            shape[dim] = 1
            out = a.zeros(tuple(shape))
            out._tensor._storage[:] = start
            kernel(*out.tuple(), *a.tuple(), dim)
            return out

        return apply_reduce

    @staticmethod
    def matrix_multiply(a: Tensor, b: Tensor) -> Tensor:
        r"""Multiply matrices: $\text{out}_{n, i, j} = \sum_k a_{n, i, k} \, b_{n, k, j}$.

        Args:
            a: a matrix, or a batch of them (three dimensions).
            b: a matrix, or a batch of them. Batches are broadcast.

        Returns:
            A matrix if both are matrices, else a batch.
        """
        both_2d = a.dims == b.dims == 2
        if a.dims == 2:
            a = a.contiguous().view(1, *a.shape)
        if b.dims == 2:
            b = b.contiguous().view(1, *b.shape)
        assert a.shape[2] == b.shape[1], f"a row of {a.shape} does not fit a column of {b.shape}"

        batches = shape_broadcast(a.shape[:1], b.shape[:1])
        out = a.zeros((*batches, a.shape[1], b.shape[2]))
        tensor_matrix_multiply(*out.tuple(), *a.tuple(), *b.tuple())
        return out.view(*out.shape[1:]) if both_2d else out


# begin solution 3.1
# A run is cut into pieces of at most this many cells, so that one long run keeps all cores busy.
PIECE = 16384


@_njit
def count_cells(shape: Shape) -> int:
    """Count the cells of a shape."""
    cells = 1
    for size in shape:
        cells *= int(size)
    return cells


@_njit
def alike(shape1: Shape, strides1: Strides, shape2: Shape, strides2: Strides) -> bool:
    """Tell whether two tensors have the same cells at the same places of their storages."""
    return np.array_equal(shape1, shape2) and np.array_equal(strides1, strides2)


@_njit
def steps_through(big_shape: Shape, shape: Shape, strides: Strides) -> Index:
    """Find how far apart neighbours of a broadcast shape lie in a smaller tensor's storage.

    These are the smaller tensor's strides, but 0 along a dimension that it lacks or that is
    stretched, because there all neighbours are one and the same cell.
    """
    steps = np.zeros(len(big_shape), dtype=np.int64)
    lacking = len(big_shape) - len(shape)
    for dim in range(len(shape)):
        if shape[dim] != 1:
            steps[lacking + dim] = strides[dim]
    return steps


@_njit
def start_of(run: int, shape: Shape, steps: Index) -> int:
    """Find where in a storage a run begins, the runs being counted row by row."""
    index = np.zeros(len(shape), dtype=np.int32)
    to_index(run, shape[:-1], index)
    return index_to_position(index, steps)


# end solution


def tensor_map(fn: Callable[[float], float]) -> Callable[..., None]:
    r"""Make the loop that applies a function to each cell.

    In a good kernel
    * the main loop is parallel,
    * indices are NumPy arrays,
    * no index is worked out where ``out`` and ``in`` have the same shape and strides.

    Args:
        fn: a compiled function of a number.

    Returns:
        A kernel, as of ``tensor_ops.tensor_map``.
    """

    def _map(
        out: Storage,
        out_shape: Shape,
        out_strides: Strides,
        in_storage: Storage,
        in_shape: Shape,
        in_strides: Strides,
    ) -> None:
        r"""Fill the output: $\text{out}_i = f(a_{b(i)})$, where $b$ is ``broadcast_index``."""
        # begin solution 3.1
        cells = count_cells(out_shape)
        if cells == 0:
            return
        run, out_step, in_step = cells, 1, 1
        out_steps = steps_through(out_shape, out_shape, out_strides)
        in_steps = steps_through(out_shape, in_shape, in_strides)
        if not alike(out_shape, out_strides, in_shape, in_strides):
            run, out_step, in_step = int(out_shape[-1]), out_steps[-1], in_steps[-1]

        pieces = (run + PIECE - 1) // PIECE
        for ordinal in prange(cells // run * pieces):
            first = ordinal % pieces * PIECE
            count = min(PIECE, run - first)
            out_at = start_of(ordinal // pieces, out_shape, out_steps) + first * out_step
            in_at = start_of(ordinal // pieces, out_shape, in_steps) + first * in_step
            if out_step == 1 and in_step == 1:
                results, xs = out[out_at : out_at + count], in_storage[in_at : in_at + count]
                for i in range(count):
                    results[i] = fn(xs[i])
            else:
                for i in range(count):
                    out[out_at + i * out_step] = fn(in_storage[in_at + i * in_step])
        # end solution

    return njit(_map, parallel=True)


def tensor_zip(fn: Callable[[float, float], float]) -> Callable[..., None]:
    r"""Make the loop that applies a function to each pair of cells.

    In a good kernel
    * the main loop is parallel,
    * indices are NumPy arrays,
    * no index is worked out where ``out``, ``a`` and ``b`` have the same shape and strides.

    Args:
        fn: a compiled function of two numbers.

    Returns:
        A kernel, as of ``tensor_ops.tensor_zip``.
    """

    def _zip(
        out: Storage,
        out_shape: Shape,
        out_strides: Strides,
        a_storage: Storage,
        a_shape: Shape,
        a_strides: Strides,
        b_storage: Storage,
        b_shape: Shape,
        b_strides: Strides,
    ) -> None:
        r"""Fill the output: $\text{out}_i = f(a_{b(i)}, b_{b(i)})$, each input broadcast."""
        # begin solution 3.1
        cells = count_cells(out_shape)
        if cells == 0:
            return
        run, out_step, a_step, b_step = cells, 1, 1, 1
        out_steps = steps_through(out_shape, out_shape, out_strides)
        a_steps = steps_through(out_shape, a_shape, a_strides)
        b_steps = steps_through(out_shape, b_shape, b_strides)
        if not (
            alike(out_shape, out_strides, a_shape, a_strides)
            and alike(out_shape, out_strides, b_shape, b_strides)
        ):
            run, out_step = int(out_shape[-1]), out_steps[-1]
            a_step, b_step = a_steps[-1], b_steps[-1]

        pieces = (run + PIECE - 1) // PIECE
        for ordinal in prange(cells // run * pieces):
            first = ordinal % pieces * PIECE
            count = min(PIECE, run - first)
            out_at = start_of(ordinal // pieces, out_shape, out_steps) + first * out_step
            a_at = start_of(ordinal // pieces, out_shape, a_steps) + first * a_step
            b_at = start_of(ordinal // pieces, out_shape, b_steps) + first * b_step
            if out_step == 1 and a_step == 1 and b_step == 1:
                results = out[out_at : out_at + count]
                xs, ys = a_storage[a_at : a_at + count], b_storage[b_at : b_at + count]
                for i in range(count):
                    results[i] = fn(xs[i], ys[i])
            else:
                for i in range(count):
                    x, y = a_storage[a_at + i * a_step], b_storage[b_at + i * b_step]
                    out[out_at + i * out_step] = fn(x, y)
        # end solution

    return njit(_zip, parallel=True)


def tensor_reduce(fn: Callable[[float, float], float]) -> Callable[..., None]:
    r"""Make the loop that folds one dimension.

    In a good kernel
    * the main loop is parallel,
    * indices are NumPy arrays,
    * the inner loop works out no index and writes to nothing but local variables.

    Args:
        fn: a compiled function of the result so far and the next cell.

    Returns:
        A kernel, as of ``tensor_ops.tensor_reduce``.
    """

    def _reduce(
        out: Storage,
        out_shape: Shape,
        out_strides: Strides,
        a_storage: Storage,
        a_shape: Shape,
        a_strides: Strides,
        reduce_dim: int,
    ) -> None:
        r"""Fold the input: $\text{out}_{0, j} \leftarrow f(\text{out}_{0, j}, a_{i, j})$."""
        # begin solution 3.1
        cells = count_cells(out_shape)
        if cells == 0:
            return
        folds, fold_step = int(a_shape[reduce_dim]), int(a_strides[reduce_dim])
        out_steps = steps_through(out_shape, out_shape, out_strides)
        a_steps = steps_through(out_shape, out_shape, a_strides)
        run, out_step, a_step = int(out_shape[-1]), out_steps[-1], a_steps[-1]

        pieces = (run + PIECE - 1) // PIECE
        for ordinal in prange(cells // run * pieces):
            first = ordinal % pieces * PIECE
            count = min(PIECE, run - first)
            out_at = start_of(ordinal // pieces, out_shape, out_steps) + first * out_step
            a_at = start_of(ordinal // pieces, out_shape, a_steps) + first * a_step
            if count == 1:
                # The run is a single cell: fold what belongs to it in one go.
                result = out[out_at]
                if fold_step == 1:
                    xs = a_storage[a_at : a_at + folds]
                    for k in range(folds):
                        result = fn(result, xs[k])
                else:
                    for k in range(folds):
                        result = fn(result, a_storage[a_at + k * fold_step])
                out[out_at] = result
            elif out_step == 1 and a_step == 1:
                # Fold whole runs into the run of results, one after the other.
                results = out[out_at : out_at + count]
                for k in range(folds):
                    xs = a_storage[a_at + k * fold_step : a_at + k * fold_step + count]
                    for i in range(count):
                        results[i] = fn(results[i], xs[i])
            else:
                for i in range(count):
                    result = out[out_at + i * out_step]
                    for k in range(folds):
                        result = fn(result, a_storage[a_at + i * a_step + k * fold_step])
                    out[out_at + i * out_step] = result
        # end solution

    # A sum may be taken in any order, so that the processor can add several cells at a time.
    return njit(_reduce, parallel=True, fastmath={"reassoc"})


# begin solution 3.2
# The output is computed in tiles of ROWS times COLS, from INNER columns of a at a time: what is
# in use then stays near the processor.
ROWS, COLS, INNER = 128, 128, 64


@_njit(fastmath={"reassoc", "contract"})
def add_product(total: Storage, left: Storage, right: Storage) -> None:
    """Add the product of two small matrices to a third.

    The height of ``left`` is even and its width is a multiple of 4: so many numbers are taken from
    it at once, because reading and writing ``total`` takes longer than multiplying.
    """
    for i in range(0, left.shape[0], 2):
        total0, total1 = total[i], total[i + 1]
        row0, row1 = left[i], left[i + 1]
        for k in range(0, left.shape[1], 4):
            a0, a1, a2, a3 = row0[k], row0[k + 1], row0[k + 2], row0[k + 3]
            c0, c1, c2, c3 = row1[k], row1[k + 1], row1[k + 2], row1[k + 3]
            b0, b1, b2, b3 = right[k], right[k + 1], right[k + 2], right[k + 3]
            for j in range(right.shape[1]):
                total0[j] += a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j]
                total1[j] += c0 * b0[j] + c1 * b1[j] + c2 * b2[j] + c3 * b3[j]


# end solution


def _tensor_matrix_multiply(
    out: Storage,
    out_shape: Shape,
    out_strides: Strides,
    a_storage: Storage,
    a_shape: Shape,
    a_strides: Strides,
    b_storage: Storage,
    b_shape: Shape,
    b_strides: Strides,
) -> None:
    r"""Fill the output: $\text{out}_{n, i, j} = \sum_k a_{n, i, k} \, b_{n, k, j}$.

    All three have three dimensions. Where one of the batches has size 1 and the other has not, its
    one matrix is used for all $n$.

    In a good kernel
    * the outer loop is parallel,
    * there are no indices and no calls of functions of indices,
    * the inner loop writes to nothing but local variables and does one multiplication.
    """
    # begin solution 3.2
    a_batch_step = a_strides[0] if a_shape[0] > 1 else 0
    b_batch_step = b_strides[0] if b_shape[0] > 1 else 0
    rows, cols, inner = int(out_shape[1]), int(out_shape[2]), int(a_shape[2])
    down, across = (rows + ROWS - 1) // ROWS, (cols + COLS - 1) // COLS

    for tile in prange(out_shape[0] * down * across):
        n = tile // (down * across)
        top, left_edge = tile // across % down * ROWS, tile % across * COLS
        height, width = min(ROWS, rows - top), min(COLS, cols - left_edge)
        # Copies of the parts in use, row by row whatever the strides; 0 where they are filled up.
        total = np.zeros((height + height % 2, width))
        for first in range(0, inner, INNER):
            depth = min(INNER, inner - first)
            left = np.zeros((height + height % 2, (depth + 3) // 4 * 4))
            right = np.zeros(((depth + 3) // 4 * 4, width))
            for i in range(height):
                a_at = n * a_batch_step + (top + i) * a_strides[1] + first * a_strides[2]
                for k in range(depth):
                    left[i, k] = a_storage[a_at + k * a_strides[2]]
            for k in range(depth):
                b_at = n * b_batch_step + (first + k) * b_strides[1] + left_edge * b_strides[2]
                for j in range(width):
                    right[k, j] = b_storage[b_at + j * b_strides[2]]
            add_product(total, left, right)
        for i in range(height):
            out_at = n * out_strides[0] + (top + i) * out_strides[1] + left_edge * out_strides[2]
            for j in range(width):
                out[out_at + j * out_strides[2]] = total[i, j]
    # end solution


tensor_matrix_multiply = njit(_tensor_matrix_multiply, parallel=True)
