"""Different: a tree that folds neighbours first, sums by atomic addition and by counting along the block,
tiles that lie turned in shared memory, which has one dimension, and barriers in functions of their own."""

import numba
from numba import cuda

from .tensor_data import (
    MAX_DIMS,
    TensorData,
    broadcast_index,
    index_to_position,
    shape_broadcast,
    to_index,
)
from .tensor_ops import TensorOps

to_index = cuda.jit(device=True)(to_index)
index_to_position = cuda.jit(device=True)(index_to_position)
broadcast_index = cuda.jit(device=True)(broadcast_index)

THREADS_PER_BLOCK = 32


class CudaOps(TensorOps):
    cuda = True

    @staticmethod
    def map(fn):
        f = tensor_map(cuda.jit(device=True)(fn))

        def ret(a, out=None):
            if out is None:
                out = a.zeros(a.shape)
            blocks = (out.size + THREADS_PER_BLOCK - 1) // THREADS_PER_BLOCK
            f[blocks, THREADS_PER_BLOCK](*out.tuple(), out.size, *a.tuple())
            return out

        return ret

    @staticmethod
    def zip(fn):
        f = tensor_zip(cuda.jit(device=True)(fn))

        def ret(a, b):
            out = a.zeros(shape_broadcast(a.shape, b.shape))
            blocks = (out.size + THREADS_PER_BLOCK - 1) // THREADS_PER_BLOCK
            f[blocks, THREADS_PER_BLOCK](*out.tuple(), out.size, *a.tuple(), *b.tuple())
            return out

        return ret

    @staticmethod
    def reduce(fn, start=0.0):
        f = tensor_reduce(cuda.jit(device=True)(fn))

        def ret(a, dim):
            out_shape = list(a.shape)
            out_shape[dim] = (a.shape[dim] - 1) // 1024 + 1
            out = a.zeros(tuple(out_shape))
            f[out.size, 1024](*out.tuple(), out.size, *a.tuple(), dim, start)
            return out

        return ret

    @staticmethod
    def matrix_multiply(a, b):
        both_2d = len(a.shape) == 2 and len(b.shape) == 2
        if len(a.shape) == 2:
            a = a.contiguous().view(1, a.shape[0], a.shape[1])
        if len(b.shape) == 2:
            b = b.contiguous().view(1, b.shape[0], b.shape[1])
        shape = [*shape_broadcast(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]]
        out = a.zeros(tuple(shape))
        blocks = (
            (out.shape[1] + (THREADS_PER_BLOCK - 1)) // THREADS_PER_BLOCK,
            (out.shape[2] + (THREADS_PER_BLOCK - 1)) // THREADS_PER_BLOCK,
            out.shape[0],
        )
        threads = (THREADS_PER_BLOCK, THREADS_PER_BLOCK, 1)
        tensor_matrix_multiply[blocks, threads](
            *out.tuple(), out.size, *a.tuple(), *b.tuple()
        )
        return out.view(out.shape[1], out.shape[2]) if both_2d else out

@cuda.jit(device=True)
def together():
    cuda.syncthreads()


def tensor_map(fn):
    @cuda.jit
    def _map(out, out_shape, out_strides, out_size, in_storage, in_shape, in_strides):
        i = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
        out_index = cuda.local.array(MAX_DIMS, numba.int64)
        in_index = cuda.local.array(MAX_DIMS, numba.int64)
        if i < out_size:
            to_index(i, out_shape, out_index)
            broadcast_index(out_index, out_shape, in_shape, in_index)
            at = index_to_position(out_index, out_strides)
            out[at] = fn(in_storage[index_to_position(in_index, in_strides)])

    return _map


def tensor_zip(fn):
    @cuda.jit
    def _zip(
        out,
        out_shape,
        out_strides,
        out_size,
        a_storage,
        a_shape,
        a_strides,
        b_storage,
        b_shape,
        b_strides,
    ):
        i = cuda.grid(1)
        out_index = cuda.local.array(MAX_DIMS, numba.int32)
        index = cuda.local.array(MAX_DIMS, numba.int32)
        if i < out_size:
            to_index(i, out_shape, out_index)
            broadcast_index(out_index, out_shape, a_shape, index)
            x = a_storage[index_to_position(index, a_strides)]
            broadcast_index(out_index, out_shape, b_shape, index)
            y = b_storage[index_to_position(index, b_strides)]
            out[index_to_position(out_index, out_strides)] = fn(x, y)

    return _zip


def _sum_practice(out, a, size):
    total = cuda.shared.array(1, numba.float64)
    place = cuda.threadIdx.x
    i = cuda.blockIdx.x * THREADS_PER_BLOCK + place
    if place == 0:
        total[0] = 0.0
    cuda.syncthreads()
    if i < size:
        cuda.atomic.add(total, 0, a[i])
    cuda.syncthreads()
    if place == 0:
        out[cuda.blockIdx.x] = total[0]


jit_sum_practice = cuda.jit(_sum_practice)


def tensor_reduce(fn):
    @cuda.jit
    def _reduce(
        out,
        out_shape,
        out_strides,
        out_size,
        a_storage,
        a_shape,
        a_strides,
        reduce_dim,
        reduce_value,
    ):
        cache = cuda.shared.array(1024, numba.float64)
        index = cuda.local.array(MAX_DIMS, numba.int32)
        pos = cuda.threadIdx.x
        cell = cuda.blockIdx.x
        if cell < out_size:
            to_index(cell, out_shape, index)
            at = index_to_position(index, out_strides)
            index[reduce_dim] = index[reduce_dim] * 1024 + pos
            if index[reduce_dim] < a_shape[reduce_dim]:
                cache[pos] = a_storage[index_to_position(index, a_strides)]
            else:
                cache[pos] = reduce_value
            step = 1
            while step < 1024:
                together()
                if pos % (2 * step) == 0:
                    cache[pos] = fn(cache[pos], cache[pos + step])
                step *= 2
            if pos == 0:
                out[at] = cache[0]

    return _reduce


def _mm_practice(out, a, b, size):
    a_shared = cuda.shared.array(1024, numba.float64)
    b_shared = cuda.shared.array(1024, numba.float64)
    # The other way about: x counts the columns, so that neighbours read neighbours.
    row, column = cuda.threadIdx.y, cuda.threadIdx.x
    flat = row * 32 + column
    a_shared[flat] = 0.0
    b_shared[flat] = 0.0
    if row < size and column < size:
        a_shared[flat] = a[row * size + column]
        b_shared[flat] = b[row * size + column]
    together()
    total = 0.0
    for k in range(32):
        total += a_shared[row * 32 + k] * b_shared[k * 32 + column]
    if row < size and column < size:
        out[row * size + column] = total


jit_mm_practice = cuda.jit(_mm_practice)


def sum_practice(a):
    (size,) = a.shape
    out = TensorData([0.0 for _ in range(2)], (2,))
    out.to_cuda_()
    jit_sum_practice[(size // THREADS_PER_BLOCK) + 1, THREADS_PER_BLOCK](
        out.tuple()[0], a._tensor._storage, size
    )
    return out


def mm_practice(a, b):
    (size, _) = a.shape
    out = TensorData([0.0 for _ in range(size * size)], (size, size))
    out.to_cuda_()
    jit_mm_practice[1, (THREADS_PER_BLOCK, THREADS_PER_BLOCK)](
        out.tuple()[0], a._tensor._storage, b._tensor._storage, size
    )
    return out

def _tensor_matrix_multiply(
    out,
    out_shape,
    out_strides,
    out_size,
    a_storage,
    a_shape,
    a_strides,
    b_storage,
    b_shape,
    b_strides,
):
    a_tile = cuda.shared.array((32, 33), numba.float64)
    b_tile = cuda.shared.array((32, 33), numba.float64)
    x, y, batch = cuda.threadIdx.x, cuda.threadIdx.y, cuda.blockIdx.z
    i = cuda.blockIdx.x * 32 + x
    j = cuda.blockIdx.y * 32 + y
    rows, inner, columns = a_shape[1], a_shape[2], b_shape[2]
    a_at = (batch if a_shape[0] > 1 else 0) * a_strides[0] + i * a_strides[1]
    b_at = (batch if b_shape[0] > 1 else 0) * b_strides[0] + j * b_strides[2]
    total = 0.0
    tiles = (inner + 31) // 32
    for tile in range(tiles):
        if tile > 0:
            together()
        k = tile * 32 + y
        a_tile[y, x] = a_storage[a_at + k * a_strides[2]] if i < rows and k < inner else 0.0
        k = tile * 32 + x
        b_tile[y, x] = b_storage[b_at + k * b_strides[1]] if j < columns and k < inner else 0.0
        together()
        for k in range(32):
            total += a_tile[k, x] * b_tile[y, k]
    if i < rows and j < columns:
        out[batch * out_strides[0] + i * out_strides[1] + j * out_strides[2]] = total


tensor_matrix_multiply = cuda.jit(_tensor_matrix_multiply)
