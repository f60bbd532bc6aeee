r"""The storage of tensors: one flat array, read through a shape and strides.

A tensor of shape $(s_0, \ldots, s_{n-1})$ keeps its numbers in a one-dimensional storage. Its
strides $(t_0, \ldots, t_{n-1})$ say how far apart in the storage two neighbours along each
dimension lie, so that several shapes can look at the same storage without copying it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

MAX_DIMS = 32


class IndexingError(RuntimeError):
    """An index or a shape that does not fit the tensor it is used with."""


# Inside the kernels shapes, strides and indices are small arrays; outside they are tuples.
Storage: TypeAlias = npt.NDArray[np.float64]
OutIndex: TypeAlias = npt.NDArray[np.int32]
Index: TypeAlias = npt.NDArray[np.int32]
Shape: TypeAlias = npt.NDArray[np.int64]
Strides: TypeAlias = npt.NDArray[np.int64]

UserIndex: TypeAlias = Sequence[int]
UserShape: TypeAlias = Sequence[int]
UserStrides: TypeAlias = Sequence[int]

KernelTriple: TypeAlias = tuple[Storage, Shape, Strides]


def index_to_position(index: Index, strides: Strides) -> int:
    r"""Find where in the storage an index lies: $p = \sum_k i_k t_k$.

    Args:
        index: the index, one entry $i_k$ for each dimension.
        strides: the strides $t_k$ of the tensor.

    Returns:
        The position in the storage.
    """
    raise NotImplementedError(
        "Task 2.1: Find where in the storage an index lies: $p = \\sum_k i_k t_k$."
    )


def to_index(ordinal: int, shape: Shape, out_index: OutIndex) -> None:
    r"""Count through a shape: turn a number from 0 to size - 1 into an index.

    Every index of the shape must come up exactly once. We count like an odometer, the last
    dimension fastest:

    $$i_k = \left\lfloor \frac{\text{ordinal}}{s_{k+1} \cdots s_{n-1}} \right\rfloor \bmod s_k.$$

    Args:
        ordinal: the number.
        shape: the shape.
        out_index: filled with the index.
    """
    raise NotImplementedError(
        "Task 2.1: Count through a shape: turn a number from 0 to size - 1 into an index."
    )


def broadcast_index(big_index: Index, big_shape: Shape, shape: Shape, out_index: OutIndex) -> None:
    r"""Find which cell of a smaller tensor is seen at an index of the broadcast tensor.

    Shapes are aligned at their last dimension. The smaller tensor is repeated along each of its
    dimensions of size 1, so there its index is 0; leading dimensions that it lacks are dropped.

    Args:
        big_index: an index into the broadcast shape.
        big_shape: the broadcast shape.
        shape: the shape of the smaller tensor; it has no more dimensions than ``big_shape``.
        out_index: filled with the index into the smaller tensor.
    """
    raise NotImplementedError(
        "Task 2.2: Find which cell of a smaller tensor is seen at an index of the broadcast tensor."
    )


def shape_broadcast(shape1: UserShape, shape2: UserShape) -> UserShape:
    r"""Find the shape that two shapes broadcast to.

    Shapes are aligned at their last dimension and the shorter one is filled up with 1 on the
    left. In each dimension the two sizes must be equal, or one of them must be 1, which is then
    stretched to the other.

    Args:
        shape1: a shape.
        shape2: another shape.

    Returns:
        The broadcast shape, a tuple.

    Raises:
        IndexingError: if in some dimension the sizes differ and neither is 1.
    """
    raise NotImplementedError("Task 2.2: Find the shape that two shapes broadcast to.")


def strides_from_shape(shape: UserShape) -> UserStrides:
    r"""Lay out a shape row by row: $t_k = s_{k+1} s_{k+2} \cdots s_{n-1}$."""
    return tuple(math.prod(shape[dim + 1 :]) for dim in range(len(shape)))


class TensorData:
    """A storage with the shape and the strides to read it by.

    Attributes:
        shape: the size of each dimension.
        strides: the distance in the storage between neighbours along each dimension.
        dims: the number of dimensions.
        size: the number of cells.
    """

    _storage: Storage
    _strides: Strides
    _shape: Shape
    strides: UserStrides
    shape: UserShape
    dims: int
    size: int

    def __init__(
        self,
        storage: Sequence[float] | Storage,
        shape: UserShape,
        strides: UserStrides | None = None,
    ) -> None:
        """Make a tensor's data.

        Args:
            storage: the numbers; an array is shared, a list is copied.
            shape: the shape, a tuple.
            strides: the strides, a tuple; row by row if none are given.

        Raises:
            IndexingError: if there is not one stride for each dimension.
        """
        if strides is None:
            strides = strides_from_shape(shape)
        assert isinstance(shape, tuple), "the shape must be a tuple"
        assert isinstance(strides, tuple), "the strides must be a tuple"
        if len(strides) != len(shape):
            raise IndexingError(f"strides {strides} do not match shape {shape}")
        if not isinstance(storage, np.ndarray):
            storage = np.array(storage, dtype=np.float64)
        self._storage = storage
        self._shape = np.array(shape, dtype=np.int64)
        self._strides = np.array(strides, dtype=np.int64)
        self.shape = shape
        self.strides = strides
        self.dims = len(shape)
        self.size = math.prod(shape)
        assert len(self._storage) == self.size, (
            f"shape {shape} has {self.size} cells but the storage has {len(self._storage)}"
        )

    def is_contiguous(self) -> bool:
        """Tell whether the cells, counted row by row, lie one after the other in the storage."""
        # The stride of a dimension of size 1 is never used, so it may be anything.
        row_by_row = strides_from_shape(self.shape)
        return all(
            size == 1 or stride == expected
            for size, stride, expected in zip(self.shape, self.strides, row_by_row, strict=True)
        )

    @staticmethod
    def shape_broadcast(shape_a: UserShape, shape_b: UserShape) -> UserShape:
        """Find the shape that two shapes broadcast to."""
        return shape_broadcast(shape_a, shape_b)

    def index(self, index: int | UserIndex) -> int:
        """Find where in the storage an index lies.

        Raises:
            IndexingError: if the index has the wrong length or lies outside the shape.
        """
        entries = (index,) if isinstance(index, int) else tuple(index)
        if len(entries) != self.dims:
            raise IndexingError(f"index {entries} has not one entry per dimension of {self.shape}")
        for i, size in zip(entries, self.shape, strict=True):
            if not 0 <= i < size:
                raise IndexingError(f"index {entries} lies outside the shape {self.shape}")
        return index_to_position(np.array(entries, dtype=np.int32), self._strides)

    def indices(self) -> Iterable[UserIndex]:
        """Go through all indices."""
        index: Index = np.zeros(self.dims, dtype=np.int32)
        for ordinal in range(self.size):
            to_index(ordinal, self._shape, index)
            yield tuple(int(i) for i in index)

    def sample(self) -> UserIndex:
        """Draw an index at random."""
        return tuple(random.randint(0, size - 1) for size in self.shape)

    def get(self, key: UserIndex) -> float:
        """Read the cell at an index."""
        return float(self._storage[self.index(key)])

    def set(self, key: UserIndex, val: float) -> None:
        """Write the cell at an index."""
        self._storage[self.index(key)] = val

    def tuple(self) -> KernelTriple:
        """Return storage, shape and strides, as the kernels take them."""
        return self._storage, self._shape, self._strides

    def permute(self, *order: int) -> TensorData:
        r"""Reorder the dimensions: dimension $k$ of the result is dimension $o_k$ of this tensor.

        $$s'_k = s_{o_k}, \qquad t'_k = t_{o_k}$$

        Args:
            order: $o_0, \ldots, o_{n-1}$, each dimension once.

        Returns:
            A TensorData over the same storage; no number moves.
        """
        assert sorted(order) == list(range(self.dims)), (
            f"{order} does not name each dimension of {self.shape} once"
        )
        raise NotImplementedError(
            "Task 2.1: Reorder the dimensions: dimension $k$ of the result is dimension $o_k$ of this tensor."
        )

    def to_cuda_(self) -> None:
        """Move the storage to the GPU, if it is not there yet."""
        from numba import cuda

        if not cuda.is_cuda_array(self._storage):
            self._storage = cuda.to_device(self._storage)

    def to_string(self) -> str:
        """Write the tensor as nested lists, one innermost row per line."""
        return rows_to_string(self, ())


def rows_to_string(data: TensorData, start: tuple[int, ...]) -> str:
    """Write the part of a tensor whose index begins with ``start`` as nested lists."""
    depth = len(start)
    if depth == data.dims:
        return f"{data.get(start):.2f}"
    parts = [rows_to_string(data, (*start, i)) for i in range(data.shape[depth])]
    separator = " " if depth == data.dims - 1 else "\n" + " " * (depth + 1)
    return "[" + separator.join(parts) + "]"
