"""Different: positions are worked out by hand, without to_index, rows are shared out, and the parallel loop of a
kernel stands in a function that it calls."""

import numpy as np
from numba import njit, prange

from .tensor_data import shape_broadcast
from .tensor_ops import TensorOps


class FastOps(TensorOps):
    @staticmethod
    def map(fn):
        f = tensor_map(njit(fn))

        def ret(a, out=None):
            if out is None:
                out = a.zeros(a.shape)
            f(*out.tuple(), *a.tuple())
            return out

        return ret

    @staticmethod
    def zip(fn):
        f = tensor_zip(njit(fn))

        def ret(a, b):
            out = a.zeros(shape_broadcast(a.shape, b.shape))
            f(*out.tuple(), *a.tuple(), *b.tuple())
            return out

        return ret

    @staticmethod
    def reduce(fn, start=0.0):
        f = tensor_reduce(njit(fn))

        def ret(a, dim):
            out_shape = list(a.shape)
            out_shape[dim] = 1
            out = a.zeros(tuple(out_shape))
            out._tensor._storage[:] = start
            f(*out.tuple(), *a.tuple(), dim)
            return out

        return ret

    @staticmethod
    def matrix_multiply(a, b):
        both_2d = 0
        if len(a.shape) == 2:
            a = a.contiguous().view(1, a.shape[0], a.shape[1])
            both_2d += 1
        if len(b.shape) == 2:
            b = b.contiguous().view(1, b.shape[0], b.shape[1])
            both_2d += 1
        ls = list(shape_broadcast(a.shape[:-2], b.shape[:-2]))
        ls += [a.shape[-2], b.shape[-1]]
        assert a.shape[-1] == b.shape[-2]
        out = a.zeros(tuple(ls))
        tensor_matrix_multiply(*out.tuple(), *a.tuple(), *b.tuple())
        if both_2d == 2:
            out = out.view(out.shape[1], out.shape[2])
        return out


def tensor_map(fn):
    def _map(out, out_shape, out_strides, in_storage, in_shape, in_strides):
        offset = len(out_shape) - len(in_shape)
        for i in prange(out.size):
            rest = np.int64(i)  # numba counts parallel loops in uint64
            o = 0
            p = 0
            for d in range(len(out_shape) - 1, -1, -1):
                at = rest % out_shape[d]
                rest = rest // out_shape[d]
                o += at * out_strides[d]
                if d >= offset and in_shape[d - offset] != 1:
                    p += at * in_strides[d - offset]
            out[o] = fn(in_storage[p])

    return njit(parallel=True)(_map)


@njit
def place(i, big_shape, shape, strides):
    i = np.int64(i)
    p = 0
    offset = len(big_shape) - len(shape)
    for d in range(len(big_shape) - 1, -1, -1):
        at = i % big_shape[d]
        i = i // big_shape[d]
        if d >= offset and shape[d - offset] != 1:
            p += at * strides[d - offset]
    return p


def tensor_zip(fn):
    def _zip(
        out,
        out_shape,
        out_strides,
        a_storage,
        a_shape,
        a_strides,
        b_storage,
        b_shape,
        b_strides,
    ):
        for i in prange(out.size):
            o = place(i, out_shape, out_shape, out_strides)
            a = place(i, out_shape, a_shape, a_strides)
            b = place(i, out_shape, b_shape, b_strides)
            out[o] = fn(a_storage[a], b_storage[b])

    return njit(parallel=True)(_zip)


def tensor_reduce(fn):
    @njit(parallel=True)
    def fold(out, out_shape, out_strides, a_storage, a_strides, size, step):
        for i in prange(out.size):
            o = place(i, out_shape, out_shape, out_strides)
            a = place(i, out_shape, out_shape, a_strides)
            acc = out[o]
            for s in range(size):
                acc = fn(acc, a_storage[a + s * step])
            out[o] = acc

    def _reduce(out, out_shape, out_strides, a_storage, a_shape, a_strides, reduce_dim):
        size, step = a_shape[reduce_dim], a_strides[reduce_dim]
        fold(out, out_shape, out_strides, a_storage, a_strides, size, step)

    return njit(parallel=True)(_reduce)


def _tensor_matrix_multiply(
    out,
    out_shape,
    out_strides,
    a_storage,
    a_shape,
    a_strides,
    b_storage,
    b_shape,
    b_strides,
):
    rows, cols = out_shape[1], out_shape[2]
    for i in prange(out_shape[0] * rows):
        n, r = i // rows, i % rows
        na, nb = min(n, a_shape[0] - 1), min(n, b_shape[0] - 1)
        for c in range(cols):
            acc = 0.0
            for k in range(a_shape[2]):
                acc += (
                    a_storage[na * a_strides[0] + r * a_strides[1] + k * a_strides[2]]
                    * b_storage[nb * b_strides[0] + k * b_strides[1] + c * b_strides[2]]
                )
            out[n * out_strides[0] + r * out_strides[1] + c * out_strides[2]] = acc


tensor_matrix_multiply = njit(parallel=True)(_tensor_matrix_multiply)
