"""Different: functions do a cell or a row of the output each, and write it under a name of their own; which loop
is taken is decided in a kernel for one thread."""

import numpy as np
from numba import njit as _njit
from numba import prange

from .tensor_data import (
    MAX_DIMS,
    broadcast_index,
    index_to_position,
    shape_broadcast,
    to_index,
)
from .tensor_ops import TensorOps


def njit(fn, **kwargs):
    return _njit(inline="always", **kwargs)(fn)


to_index = njit(to_index)
index_to_position = njit(index_to_position)
broadcast_index = njit(broadcast_index)


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


@_njit
def places(i, out_shape, out_strides, in_shape, in_strides):
    out_index = np.zeros(MAX_DIMS, np.int32)
    in_index = np.zeros(MAX_DIMS, np.int32)
    to_index(i, out_shape, out_index)
    broadcast_index(out_index, out_shape, in_shape, in_index)
    return index_to_position(out_index, out_strides), index_to_position(in_index, in_strides)


@_njit
def product_row(row, out, out_shape, out_strides, a_storage, a_shape, a_strides, b_storage, b_shape, b_strides):
    n = row // out_shape[1]
    i = row % out_shape[1]
    start = n * out_strides[0] + i * out_strides[1]
    line = out[start:]
    for j in range(out_shape[2]):
        total = 0.0
        for k in range(a_shape[2]):
            a = (n * a_strides[0] if a_shape[0] > 1 else 0) + i * a_strides[1] + k * a_strides[2]
            b = (n * b_strides[0] if b_shape[0] > 1 else 0) + k * b_strides[1] + j * b_strides[2]
            total += a_storage[a] * b_storage[b]
        line[j * out_strides[2]] = total


def tensor_map(fn):
    @_njit(parallel=True)
    def fast(out, in_storage):
        for i in prange(len(out)):
            out[i] = fn(in_storage[i])

    @_njit(parallel=True)
    def slow(out, out_shape, out_strides, in_storage, in_shape, in_strides):
        for i in prange(len(out)):
            o, j = places(i, out_shape, out_strides, in_shape, in_strides)
            out[o] = fn(in_storage[j])

    @_njit
    def _map(out, out_shape, out_strides, in_storage, in_shape, in_strides):
        if np.array_equal(out_strides, in_strides) and np.array_equal(out_shape, in_shape):
            fast(out, in_storage)
        else:
            slow(out, out_shape, out_strides, in_storage, in_shape, in_strides)

    return _map


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
        for i in prange(len(out)):
            out_index = np.zeros(MAX_DIMS, dtype=np.int32)
            a_index = np.zeros(MAX_DIMS, dtype=np.int32)
            b_index = np.zeros(MAX_DIMS, dtype=np.int32)
            to_index(i, out_shape, out_index)
            o = index_to_position(out_index, out_strides)
            broadcast_index(out_index, out_shape, a_shape, a_index)
            j = index_to_position(a_index, a_strides)
            broadcast_index(out_index, out_shape, b_shape, b_index)
            k = index_to_position(b_index, b_strides)
            out[o] = fn(a_storage[j], b_storage[k])

    return njit(_zip, parallel=True)


def tensor_reduce(fn):
    @_njit
    def one(o, j, n, step, out, a_storage):
        acc = out[o]
        for s in range(n):
            acc = fn(acc, a_storage[j + s * step])
        cell = out[o : o + 1]
        cell[0] = acc

    def _reduce(out, out_shape, out_strides, a_storage, a_shape, a_strides, reduce_dim):
        n, step = a_shape[reduce_dim], a_strides[reduce_dim]
        for i in prange(len(out)):
            o, j = places(i, out_shape, out_strides, out_shape, a_strides)
            one(o, j, n, step, out, a_storage)

    return njit(_reduce, parallel=True)


def _tensor_matrix_multiply(out, out_shape, out_strides, a_storage, a_shape, a_strides, b_storage, b_shape, b_strides):
    for row in prange(out_shape[0] * out_shape[1]):
        product_row(row, out, out_shape, out_strides, a_storage, a_shape, a_strides, b_storage, b_shape, b_strides)


tensor_matrix_multiply = njit(_tensor_matrix_multiply, parallel=True)
assert tensor_matrix_multiply is not None
