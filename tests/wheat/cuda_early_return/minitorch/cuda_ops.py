"""Different: threads that have nothing to do return before the barrier, thread 0 folds alone, the practice
kernels work in single precision, positions are found without an index, and kernels are compiled one by one,
as in the course of 2022."""

import numba
from numba import cuda

from .tensor_data import TensorData, shape_broadcast
from .tensor_ops import TensorOps

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
def position(ordinal, shape, in_shape, in_strides):
    found = 0
    for k in range(len(shape)):
        dim = len(shape) - 1 - k
        i = ordinal % shape[dim]
        ordinal = ordinal // shape[dim]
        own = dim - (len(shape) - len(in_shape))
        if own >= 0 and in_shape[own] > 1:
            found += i * in_strides[own]
    return found


def tensor_map(fn):
    def _map(out, out_shape, out_strides, out_size, in_storage, in_shape, in_strides):
        i = cuda.grid(1)
        if i >= out_size:
            return
        x = in_storage[position(i, out_shape, in_shape, in_strides)]
        out[position(i, out_shape, out_shape, out_strides)] = fn(x)

    return cuda.jit()(_map)


def tensor_zip(fn):
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
        # A thread does several cells, if the grid is too small to have one for each.
        for i in range(cuda.grid(1), out_size, cuda.gridsize(1)):
            x = a_storage[position(i, out_shape, a_shape, a_strides)]
            y = b_storage[position(i, out_shape, b_shape, b_strides)]
            out[position(i, out_shape, out_shape, out_strides)] = fn(x, y)

    return cuda.jit()(_zip)


def _sum_practice(out, a, size):
    cache = cuda.shared.array(32, numba.float32)
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i >= size:
        return
    cache[cuda.threadIdx.x] = a[i]
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        total = 0.0
        for k in range(min(32, size - i)):
            total += cache[k]
        out[cuda.blockIdx.x] = total


jit_sum_practice = cuda.jit()(_sum_practice)


def tensor_reduce(fn):
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
        pos = cuda.threadIdx.x
        if pos >= a_shape[reduce_dim]:
            return
        start = position(cuda.blockIdx.x, out_shape, out_shape, a_strides)
        cache[pos] = a_storage[start + pos * a_strides[reduce_dim]]
        cuda.syncthreads()
        if pos == 0:
            total = reduce_value
            for k in range(min(1024, a_shape[reduce_dim])):
                total = fn(total, cache[k])
            out[position(cuda.blockIdx.x, out_shape, out_shape, out_strides)] = total

    return cuda.jit()(_reduce)


def _mm_practice(out, a, b, size):
    a_shared = cuda.shared.array((32, 32), numba.float32)
    b_shared = cuda.shared.array((32, 32), numba.float32)
    i, j = cuda.grid(2)
    if i >= size or j >= size:
        return
    a_shared[i, j] = a[size * i + j]
    b_shared[i, j] = b[size * i + j]
    cuda.syncthreads()
    total = 0.0
    for k in range(size):
        total += a_shared[i, k] * b_shared[k, j]
    out[size * i + j] = total


jit_mm_practice = cuda.jit()(_mm_practice)


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
    a_batch_stride = a_strides[0] if a_shape[0] > 1 else 0
    b_batch_stride = b_strides[0] if b_shape[0] > 1 else 0
    batch = cuda.blockIdx.z
    a_shared = cuda.shared.array((32, 32), numba.float64)
    b_shared = cuda.shared.array((32, 32), numba.float64)
    i, j = cuda.grid(2)
    pi = cuda.threadIdx.x
    pj = cuda.threadIdx.y
    acc = 0.0
    for start in range(0, a_shape[2], 32):
        if i < a_shape[1] and start + pj < a_shape[2]:
            a_shared[pi, pj] = a_storage[
                batch * a_batch_stride + i * a_strides[1] + (start + pj) * a_strides[2]
            ]
        if start + pi < b_shape[1] and j < b_shape[2]:
            b_shared[pi, pj] = b_storage[
                batch * b_batch_stride + (start + pi) * b_strides[1] + j * b_strides[2]
            ]
        cuda.syncthreads()
        if i < out_shape[1] and j < out_shape[2]:
            for k in range(min(32, a_shape[2] - start)):
                acc += a_shared[pi, k] * b_shared[k, pj]
        cuda.syncthreads()
    if i < out_shape[1] and j < out_shape[2]:
        out[batch * out_strides[0] + i * out_strides[1] + j * out_strides[2]] = acc


tensor_matrix_multiply = cuda.jit(_tensor_matrix_multiply)
