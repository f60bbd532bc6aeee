r"""Map, zip and reduce: the three loops that all tensor functions are made of.

A kernel (``tensor_map`` and its kin) is a loop over raw storages. ``SimpleOps`` wraps kernels
into functions of tensors, and ``TensorBackend`` gives each such function a name. A faster
backend replaces the kernels and leaves the rest as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from . import operators
from .tensor_data import (
    Index,
    Shape,
    Storage,
    Strides,
    broadcast_index,
    index_to_position,
    shape_broadcast,
    strides_from_shape,
    to_index,
)

if TYPE_CHECKING:
    from .tensor import Tensor


class MapProto(Protocol):
    """A function of one tensor that can fill a tensor already made."""

    def __call__(self, x: Tensor, out: Tensor | None = ..., /) -> Tensor: ...


class TensorOps:
    """The loops that a backend must supply."""

    cuda = False

    @staticmethod
    def map(fn: Callable[[float], float]) -> MapProto:
        """Turn a function of a number into a function of a tensor."""
        raise NotImplementedError("a backend supplies its own map")

    @staticmethod
    def zip(fn: Callable[[float, float], float]) -> Callable[[Tensor, Tensor], Tensor]:
        """Turn a function of two numbers into a function of two tensors."""
        raise NotImplementedError("a backend supplies its own zip")

    @staticmethod
    def reduce(
        fn: Callable[[float, float], float], start: float = 0.0
    ) -> Callable[[Tensor, int], Tensor]:
        """Turn a function of two numbers into one that folds a dimension of a tensor."""
        raise NotImplementedError("a backend supplies its own reduce")

    @staticmethod
    def matrix_multiply(a: Tensor, b: Tensor) -> Tensor:
        """Multiply two matrices, or two batches of matrices."""
        raise NotImplementedError("a backend supplies its own matrix_multiply")


class TensorBackend:
    """The named tensor functions, built from one set of loops."""

    def __init__(self, ops: type[TensorOps]) -> None:
        """Build every function with the given loops.

        Args:
            ops: a class with ``map``, ``zip``, ``reduce`` and ``matrix_multiply``.
        """
        self.neg_map = ops.map(operators.neg)
        self.sigmoid_map = ops.map(operators.sigmoid)
        self.relu_map = ops.map(operators.relu)
        self.log_map = ops.map(operators.log)
        self.exp_map = ops.map(operators.exp)
        self.id_map = ops.map(operators.id)
        self.inv_map = ops.map(operators.inv)

        self.add_zip = ops.zip(operators.add)
        self.mul_zip = ops.zip(operators.mul)
        self.lt_zip = ops.zip(operators.lt)
        self.eq_zip = ops.zip(operators.eq)
        self.is_close_zip = ops.zip(operators.is_close)
        self.relu_back_zip = ops.zip(operators.relu_back)
        self.log_back_zip = ops.zip(operators.log_back)
        self.inv_back_zip = ops.zip(operators.inv_back)

        self.add_reduce = ops.reduce(operators.add, 0.0)
        self.mul_reduce = ops.reduce(operators.mul, 1.0)
        self.matrix_multiply = ops.matrix_multiply
        self.cuda = ops.cuda


class SimpleOps(TensorOps):
    """The loops in plain Python."""

    @staticmethod
    def map(fn: Callable[[float], float]) -> MapProto:
        r"""Turn a function of a number into one of a tensor: $\text{out}_i = f(a_i)$.

        Args:
            fn: the function to apply to each cell.

        Returns:
            A function of a tensor ``a`` and, if wanted, a tensor ``out`` to fill, to whose shape
            ``a`` is broadcast.
        """
        kernel = tensor_map(fn)

        def apply_map(a: Tensor, out: Tensor | None = None, /) -> Tensor:
            if out is None:
                out = a.zeros(a.shape)
            kernel(*out.tuple(), *a.tuple())
            return out

        return apply_map

    @staticmethod
    def zip(fn: Callable[[float, float], float]) -> Callable[[Tensor, Tensor], Tensor]:
        r"""Turn a function of two numbers into one of two tensors: $\text{out}_i = f(a_i, b_i)$.

        Args:
            fn: the function to apply to each pair of cells.

        Returns:
            A function of two tensors, which are broadcast against each other.
        """
        kernel = tensor_zip(fn)

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
        r"""Turn a function of two numbers into one that folds a dimension of a tensor.

        $$\text{out}_{0, j} = f(\ldots f(f(x_0, a_{0, j}), a_{1, j}) \ldots, a_{n-1, j})$$

        Args:
            fn: the function that joins the result so far with the next cell.
            start: the first result, $x_0$.

        Returns:
            A function of a tensor and a dimension; in its result that dimension has size 1.
        """
        kernel = tensor_reduce(fn)

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

        All products are made first and then summed; a faster backend does both in one loop.

        Args:
            a: a matrix, or a batch of them (three dimensions).
            b: a matrix, or a batch of them. Batches are broadcast.

        Returns:
            A matrix if both are matrices, else a batch.
        """
        assert a.shape[-1] == b.shape[-2], f"rows of {a.shape} do not fit columns of {b.shape}"
        products = a.f.mul_zip(
            a.contiguous().view(*a.shape, 1), b.contiguous().view(*b.shape[:-2], 1, *b.shape[-2:])
        )
        out = a.f.add_reduce(products, products.dims - 2)
        return out.view(*out.shape[:-2], out.shape[-1])


# begin solution 2.3
def row_by_row(shape: Shape, strides: Strides) -> bool:
    """Tell whether counting through the shape is the same as walking along the storage."""
    return tuple(strides) == strides_from_shape(tuple(shape))


def count_cells(shape: Shape) -> int:
    """Count the cells of a shape."""
    return int(np.prod(shape, dtype=np.int64))


def new_index(shape: Shape) -> Index:
    """Make room for an index into a shape."""
    return np.zeros(len(shape), dtype=np.int32)


# end solution


def tensor_map(fn: Callable[[float], float]) -> Callable[..., None]:
    r"""Make the loop that applies a function to each cell.

    Args:
        fn: a function of a number.

    Returns:
        A kernel. It takes storage, shape and strides of the output and of the input, and fills
        the output's storage. The input's shape broadcasts to the output's.
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
        # begin solution 2.3
        cells = count_cells(out_shape)
        if (
            tuple(in_shape) == tuple(out_shape)
            and row_by_row(out_shape, out_strides)
            and row_by_row(in_shape, in_strides)
        ):
            # The usual case, and the quick one: there is no index to work out.
            out[:cells] = [fn(x) for x in in_storage[:cells].tolist()]
            return

        out_index, in_index = new_index(out_shape), new_index(in_shape)
        for ordinal in range(cells):
            to_index(ordinal, out_shape, out_index)
            broadcast_index(out_index, out_shape, in_shape, in_index)
            x = in_storage[index_to_position(in_index, in_strides)]
            out[index_to_position(out_index, out_strides)] = fn(float(x))
        # end solution

    return _map


def tensor_zip(fn: Callable[[float, float], float]) -> Callable[..., None]:
    r"""Make the loop that applies a function to each pair of cells.

    Args:
        fn: a function of two numbers.

    Returns:
        A kernel. It takes storage, shape and strides of the output, of the first and of the
        second input, and fills the output's storage. Both inputs broadcast to the output's shape.
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
        # begin solution 2.3
        cells = count_cells(out_shape)
        if (
            tuple(a_shape) == tuple(b_shape) == tuple(out_shape)
            and row_by_row(out_shape, out_strides)
            and row_by_row(a_shape, a_strides)
            and row_by_row(b_shape, b_strides)
        ):
            # The usual case, and the quick one: there is no index to work out.
            pairs = zip(a_storage[:cells].tolist(), b_storage[:cells].tolist(), strict=True)
            out[:cells] = [fn(x, y) for x, y in pairs]
            return

        out_index, a_index, b_index = new_index(out_shape), new_index(a_shape), new_index(b_shape)
        for ordinal in range(cells):
            to_index(ordinal, out_shape, out_index)
            broadcast_index(out_index, out_shape, a_shape, a_index)
            broadcast_index(out_index, out_shape, b_shape, b_index)
            x = a_storage[index_to_position(a_index, a_strides)]
            y = b_storage[index_to_position(b_index, b_strides)]
            out[index_to_position(out_index, out_strides)] = fn(float(x), float(y))
        # end solution

    return _zip


def tensor_reduce(fn: Callable[[float, float], float]) -> Callable[..., None]:
    r"""Make the loop that folds one dimension.

    Args:
        fn: a function of the result so far and the next cell.

    Returns:
        A kernel. It takes storage, shape and strides of the output and of the input, and the
        dimension to fold. The output's shape is the input's with size 1 in that dimension. The
        output's storage holds the start values on entry and the results on return.
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
        # begin solution 2.3
        index = new_index(out_shape)
        step = int(a_strides[reduce_dim])
        for ordinal in range(count_cells(out_shape)):
            to_index(ordinal, out_shape, index)
            # The output's index has 0 in the folded dimension: there the walk through a begins.
            out_position = index_to_position(index, out_strides)
            a_position = index_to_position(index, a_strides)
            result = float(out[out_position])
            for _ in range(a_shape[reduce_dim]):
                result = fn(result, float(a_storage[a_position]))
                a_position += step
            out[out_position] = result
        # end solution

    return _reduce


SimpleBackend = TensorBackend(SimpleOps)
