r"""Map, zip, reduce and matrix multiplication for a GPU.

A kernel is written for one thread, and runs as a grid of blocks of threads. The threads of a block
share a small, fast memory and can wait for each other (``cuda.syncthreads``); those of different
blocks can do neither. Three rules follow:

* A grid has as many threads as fill its blocks. Those beyond the last cell must do nothing.
* What one thread writes to shared memory another may read only after a barrier, and may overwrite
  only after one. Every thread of the block must reach it.
* A cell of global memory is slow. Read each once, and keep in shared memory what is used again.

Numba compiles a kernel when it is first called. ``NUMBA_ENABLE_CUDASIM=1`` runs it in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numba
from numba import cuda

from . import tensor_data
from .tensor_data import MAX_DIMS, TensorData, shape_broadcast
from .tensor_ops import MapProto, TensorOps

if TYPE_CHECKING:
    from .tensor import Tensor
    from .tensor_data import Shape, Storage, Strides

Fn = TypeVar("Fn", bound=Callable[..., Any])
Kernel = Any  # a compiled kernel: kernel[blocks, threads](*arguments) launches it

THREADS_PER_BLOCK = 32  # also the side of the tiles in matrix multiplication
REDUCE_THREADS = 1024


def device_jit(fn: Fn, **options: Any) -> Fn:
    """Compile a function that kernels call."""
    compiled: Fn = cuda.jit(device=True, **options)(fn)
    return compiled


def jit(fn: Callable[..., None], **options: Any) -> Kernel:
    """Compile a kernel."""
    return cuda.jit(**options)(fn)


# The functions of tensor_data, for use inside kernels. If one of them does not compile, Numba's
# message names the line there.
to_index = device_jit(tensor_data.to_index)
index_to_position = device_jit(tensor_data.index_to_position)
broadcast_index = device_jit(tensor_data.broadcast_index)


def blocks_of(threads: int, cells: int) -> int:
    """Count the blocks of so many threads that it takes to have one thread for each cell."""
    return (cells + threads - 1) // threads


class CudaOps(TensorOps):
    """The loops, on a GPU."""

    cuda = True

    @staticmethod
    def map(fn: Callable[[float], float]) -> MapProto:
        """Turn a function of a number into one of a tensor; see ``SimpleOps.map``."""
        kernel = tensor_map(device_jit(fn))

        def apply_map(a: Tensor, out: Tensor | None = None, /) -> Tensor:
            if out is None:
                out = a.zeros(a.shape)
            blocks = blocks_of(THREADS_PER_BLOCK, out.size)
            kernel[blocks, THREADS_PER_BLOCK](*out.tuple(), out.size, *a.tuple())
            return out

        return apply_map

    @staticmethod
    def zip(fn: Callable[[float, float], float]) -> Callable[[Tensor, Tensor], Tensor]:
        """Turn a function of two numbers into one of two tensors; see ``SimpleOps.zip``."""
        kernel = tensor_zip(device_jit(fn))

        def apply_zip(a: Tensor, b: Tensor) -> Tensor:
            out = a.zeros(shape_broadcast(a.shape, b.shape))
            blocks = blocks_of(THREADS_PER_BLOCK, out.size)
            kernel[blocks, THREADS_PER_BLOCK](*out.tuple(), out.size, *a.tuple(), *b.tuple())
            return out

        return apply_zip

    @staticmethod
    def reduce(
        fn: Callable[[float, float], float], start: float = 0.0
    ) -> Callable[[Tensor, int], Tensor]:
        r"""Turn a function of two numbers into one that folds a dimension of a tensor.

        A block folds up to 1024 cells into one. A longer dimension is folded again until one cell
        is left.

        Args:
            fn: an associative function that joins two cells.
            start: a value that changes nothing, $f(x, \text{start}) = x$: 0 for a sum.

        Returns:
            A function of a tensor and a dimension; in its result that dimension has size 1.
        """
        kernel = tensor_reduce(device_jit(fn))

        def apply_reduce(a: Tensor, dim: int) -> Tensor:
            while True:
                shape = list(a.shape)
                shape[dim] = blocks_of(REDUCE_THREADS, a.shape[dim])
                out = a.zeros(tuple(shape))
                kernel[out.size, REDUCE_THREADS](*out.tuple(), out.size, *a.tuple(), dim, start)
                if shape[dim] == 1:
                    return out
                a = out

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
        # One block for each tile of the output, and along z one for each matrix of the batch.
        rows, columns = (blocks_of(THREADS_PER_BLOCK, size) for size in out.shape[1:])
        tensor_matrix_multiply[(rows, columns, out.shape[0]), (THREADS_PER_BLOCK,) * 2](
            *out.tuple(), out.size, *a.tuple(), *b.tuple()
        )
        return out.view(*out.shape[1:]) if both_2d else out


def tensor_map(fn: Callable[[float], float]) -> Kernel:
    r"""Make the kernel that applies a function to each cell.

    Args:
        fn: a device function of a number.

    Returns:
        A kernel with the arguments of ``tensor_ops.tensor_map`` and, after those of the output,
        the number of its cells. It is launched with at least one thread for each cell.
    """

    def _map(
        out: Storage,
        out_shape: Shape,
        out_strides: Strides,
        out_size: int,
        in_storage: Storage,
        in_shape: Shape,
        in_strides: Strides,
    ) -> None:
        r"""Fill one cell: $\text{out}_i = f(a_{b(i)})$, where $b$ is ``broadcast_index``."""
        # begin solution 3.3
        out_index = cuda.local.array(MAX_DIMS, numba.int32)
        in_index = cuda.local.array(MAX_DIMS, numba.int32)
        ordinal = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if ordinal < out_size:
            to_index(ordinal, out_shape, out_index)
            broadcast_index(out_index, out_shape, in_shape, in_index)
            x = in_storage[index_to_position(in_index, in_strides)]
            out[index_to_position(out_index, out_strides)] = fn(x)
        # end solution

    return jit(_map)


def tensor_zip(fn: Callable[[float, float], float]) -> Kernel:
    r"""Make the kernel that applies a function to each pair of cells.

    Args:
        fn: a device function of two numbers.

    Returns:
        A kernel with the arguments of ``tensor_ops.tensor_zip`` and, after those of the output,
        the number of its cells. It is launched with at least one thread for each cell.
    """

    def _zip(
        out: Storage,
        out_shape: Shape,
        out_strides: Strides,
        out_size: int,
        a_storage: Storage,
        a_shape: Shape,
        a_strides: Strides,
        b_storage: Storage,
        b_shape: Shape,
        b_strides: Strides,
    ) -> None:
        r"""Fill one cell: $\text{out}_i = f(a_{b(i)}, b_{b(i)})$, each input broadcast."""
        # begin solution 3.3
        out_index = cuda.local.array(MAX_DIMS, numba.int32)
        a_index = cuda.local.array(MAX_DIMS, numba.int32)
        b_index = cuda.local.array(MAX_DIMS, numba.int32)
        ordinal = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if ordinal < out_size:
            to_index(ordinal, out_shape, out_index)
            broadcast_index(out_index, out_shape, a_shape, a_index)
            broadcast_index(out_index, out_shape, b_shape, b_index)
            x = a_storage[index_to_position(a_index, a_strides)]
            y = b_storage[index_to_position(b_index, b_strides)]
            out[index_to_position(out_index, out_strides)] = fn(x, y)
        # end solution

    return jit(_zip)


def _sum_practice(out: Storage, a: Storage, size: int) -> None:
    r"""Sum each 32 neighbours: $\text{out}_j = \sum_{i=0}^{31} a_{32 j + i}$.

    Practice for ``tensor_reduce``. A block of 32 threads makes one cell of the output. Each thread
    moves one number into shared memory, and the sum is made from there. Cells beyond the end
    count as 0.

    Args:
        out: the storage of the output, with a cell for each block.
        a: the storage of the input.
        size: the number of cells of the input.
    """
    # begin solution 3.3
    cache = cuda.shared.array(THREADS_PER_BLOCK, numba.float64)
    place = cuda.threadIdx.x
    i = cuda.blockIdx.x * THREADS_PER_BLOCK + place
    cache[place] = a[i] if i < size else 0.0
    cuda.syncthreads()
    reach = THREADS_PER_BLOCK // 2
    while reach > 0:
        if place < reach:
            cache[place] += cache[place + reach]
        cuda.syncthreads()
        reach //= 2
    if place == 0:
        out[cuda.blockIdx.x] = cache[0]
    # end solution


jit_sum_practice = jit(_sum_practice)


def sum_practice(a: Tensor) -> TensorData:
    """Sum each 32 neighbours of a tensor of one dimension."""
    blocks = blocks_of(THREADS_PER_BLOCK, a.size)
    out = TensorData([0.0] * blocks, (blocks,))
    out.to_cuda_()
    jit_sum_practice[blocks, THREADS_PER_BLOCK](out._storage, a._tensor._storage, a.size)
    return out


def tensor_reduce(fn: Callable[[float, float], float]) -> Kernel:
    r"""Make the kernel that folds one dimension.

    Args:
        fn: an associative device function of two numbers.

    Returns:
        A kernel that is launched with one block of 1024 threads for each cell of the output. It
        takes storage, shape and strides of the output, the number of its cells, storage, shape and
        strides of the input, the dimension to fold, and a start value, which changes nothing. Cell
        $j$ of that dimension of the output is made of the cells $1024 j$ to $1024 j + 1023$ of the
        input.
    """

    def _reduce(
        out: Storage,
        out_shape: Shape,
        out_strides: Strides,
        out_size: int,
        a_storage: Storage,
        a_shape: Shape,
        a_strides: Strides,
        reduce_dim: int,
        reduce_value: float,
    ) -> None:
        r"""Fill one cell by one block, through shared memory."""
        # begin solution 3.3
        cache = cuda.shared.array(REDUCE_THREADS, numba.float64)
        index = cuda.local.array(MAX_DIMS, numba.int32)
        place = cuda.threadIdx.x
        to_index(cuda.blockIdx.x, out_shape, index)
        out_position = index_to_position(index, out_strides)

        # Each thread brings one cell of the dimension.
        at = index[reduce_dim] * REDUCE_THREADS + place
        if at < a_shape[reduce_dim]:
            index[reduce_dim] = at
            cache[place] = a_storage[index_to_position(index, a_strides)]
        else:
            cache[place] = reduce_value
        cuda.syncthreads()

        # Half of the threads fold two cells into one, then half of these, and so on.
        reach = REDUCE_THREADS // 2
        while reach > 0:
            if place < reach:
                cache[place] = fn(cache[place], cache[place + reach])
            cuda.syncthreads()
            reach //= 2
        if place == 0:
            out[out_position] = cache[0]
        # end solution

    return jit(_reduce)


def _mm_practice(out: Storage, a: Storage, b: Storage, size: int) -> None:
    r"""Multiply two small square matrices: $\text{out}_{i, j} = \sum_k a_{i, k} \, b_{k, j}$.

    Practice for ``tensor_matrix_multiply``. One block of 32 x 32 threads makes all of the output.
    All data goes through shared memory: each cell of ``a`` and ``b`` is read once, and each cell
    of ``out`` is written once.

    Args:
        out: the storage of the output.
        a: the storage of the first matrix; all three lie row by row.
        b: the storage of the second matrix.
        size: the number of rows and of columns, at most 32.
    """
    # begin solution 3.4
    a_tile = cuda.shared.array((THREADS_PER_BLOCK, THREADS_PER_BLOCK), numba.float64)
    b_tile = cuda.shared.array((THREADS_PER_BLOCK, THREADS_PER_BLOCK), numba.float64)
    i, j = cuda.threadIdx.x, cuda.threadIdx.y
    inside = i < size and j < size
    if inside:
        a_tile[i, j] = a[i * size + j]
        b_tile[i, j] = b[i * size + j]
    cuda.syncthreads()
    if inside:
        total = 0.0
        for k in range(size):
            total += a_tile[i, k] * b_tile[k, j]
        out[i * size + j] = total
    # end solution


jit_mm_practice = jit(_mm_practice)


def mm_practice(a: Tensor, b: Tensor) -> TensorData:
    """Multiply two square matrices of at most 32 rows."""
    size, _ = a.shape
    out = TensorData([0.0] * (size * size), (size, size))
    out.to_cuda_()
    jit_mm_practice[1, (THREADS_PER_BLOCK, THREADS_PER_BLOCK)](
        out._storage, a._tensor._storage, b._tensor._storage, size
    )
    return out


def _tensor_matrix_multiply(
    out: Storage,
    out_shape: Shape,
    out_strides: Strides,
    out_size: int,
    a_storage: Storage,
    a_shape: Shape,
    a_strides: Strides,
    b_storage: Storage,
    b_shape: Shape,
    b_strides: Strides,
) -> None:
    r"""Multiply matrices: $\text{out}_{n, i, j} = \sum_k a_{n, i, k} \, b_{n, k, j}$.

    A block of 32 x 32 threads makes a tile of the output. It moves along the rows of ``a`` and the
    columns of ``b`` tile by tile, each of which it brings into shared memory, so that it reads
    each cell once. Each cell of ``out`` is written once.

    Args:
        out: the storage of the output, of three dimensions: batch, row, column.
        out_shape: its shape.
        out_strides: its strides.
        out_size: the number of its cells.
        a_storage: the storage of the first input.
        a_shape: its shape; its batch is that of the output or 1, which is then used again for all.
        a_strides: its strides.
        b_storage: the storage of the second input.
        b_shape: its shape; it has as many rows as the first has columns.
        b_strides: its strides.
    """
    # begin solution 3.4
    a_tile = cuda.shared.array((THREADS_PER_BLOCK, THREADS_PER_BLOCK), numba.float64)
    b_tile = cuda.shared.array((THREADS_PER_BLOCK, THREADS_PER_BLOCK), numba.float64)
    row, column = cuda.threadIdx.x, cuda.threadIdx.y
    i = cuda.blockIdx.x * THREADS_PER_BLOCK + row
    j = cuda.blockIdx.y * THREADS_PER_BLOCK + column
    batch = cuda.blockIdx.z
    a_start = batch * a_strides[0] if a_shape[0] > 1 else 0
    b_start = batch * b_strides[0] if b_shape[0] > 1 else 0

    total = 0.0
    inner = a_shape[2]
    for first in range(0, inner, THREADS_PER_BLOCK):
        # What lies outside of a matrix counts as 0.
        k = first + column
        a_tile[row, column] = 0.0
        if i < a_shape[1] and k < inner:
            a_tile[row, column] = a_storage[a_start + i * a_strides[1] + k * a_strides[2]]
        k = first + row
        b_tile[row, column] = 0.0
        if k < inner and j < b_shape[2]:
            b_tile[row, column] = b_storage[b_start + k * b_strides[1] + j * b_strides[2]]
        cuda.syncthreads()
        for k in range(THREADS_PER_BLOCK):
            total += a_tile[row, k] * b_tile[k, column]
        # Nobody may bring the next tile while another still works on this one.
        cuda.syncthreads()
    if i < out_shape[1] and j < out_shape[2]:
        out[batch * out_strides[0] + i * out_strides[1] + j * out_strides[2]] = total
    # end solution


tensor_matrix_multiply = jit(_tensor_matrix_multiply)
