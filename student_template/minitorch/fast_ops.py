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
        raise NotImplementedError(
            "Task 3.1: Fill the output: $\\text{out}_i = f(a_{b(i)})$, where $b$ is ``broadcast_index``."
        )

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
        raise NotImplementedError(
            "Task 3.1: Fill the output: $\\text{out}_i = f(a_{b(i)}, b_{b(i)})$, each input broadcast."
        )

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
        raise NotImplementedError(
            "Task 3.1: Fold the input: $\\text{out}_{0, j} \\leftarrow f(\\text{out}_{0, j}, a_{i, j})$."
        )

    # A sum may be taken in any order, so that the processor can add several cells at a time.
    return njit(_reduce, parallel=True, fastmath={"reassoc"})


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
    raise NotImplementedError(
        "Task 3.2: Fill the output: $\\text{out}_{n, i, j} = \\sum_k a_{n, i, k} \\, b_{n, k, j}$."
    )


tensor_matrix_multiply = njit(_tensor_matrix_multiply, parallel=True)
