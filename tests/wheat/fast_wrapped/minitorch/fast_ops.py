"""Different: plain functions around compiled kernels, and sums of slices, as with NumPy."""

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


def tensor_map(fn):
    @_njit(parallel=True)
    def quick(out, in_storage):
        for i in prange(len(out)):
            out[i] = fn(in_storage[i])

    @_njit(parallel=True)
    def general(out, out_shape, out_strides, in_storage, in_shape, in_strides):
        for i in prange(len(out)):
            out_index = np.zeros(MAX_DIMS, np.int32)
            in_index = np.zeros(MAX_DIMS, np.int32)
            to_index(i, out_shape, out_index)
            broadcast_index(out_index, out_shape, in_shape, in_index)
            o = index_to_position(out_index, out_strides)
            out[o] = fn(in_storage[index_to_position(in_index, in_strides)])

    def _map(out, out_shape, out_strides, in_storage, in_shape, in_strides):
        same = list(out_shape) == list(in_shape) and list(out_strides) == list(in_strides)
        if same:
            quick(out, in_storage)
        else:
            general(out, out_shape, out_strides, in_storage, in_shape, in_strides)

    return _map


def tensor_zip(fn):
    @_njit(parallel=True)
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
            out_index = np.zeros(MAX_DIMS, np.int32)
            other = np.zeros(MAX_DIMS, np.int32)
            to_index(i, out_shape, out_index)
            broadcast_index(out_index, out_shape, a_shape, other)
            x = a_storage[index_to_position(other, a_strides)]
            broadcast_index(out_index, out_shape, b_shape, other)
            y = b_storage[index_to_position(other, b_strides)]
            out[index_to_position(out_index, out_strides)] = fn(x, y)

    def kernel(*args):
        _zip(*args)

    return kernel


def tensor_reduce(fn):
    def _reduce(out, out_shape, out_strides, a_storage, a_shape, a_strides, reduce_dim):
        for i in prange(len(out)):
            index = np.zeros(MAX_DIMS, np.int32)
            to_index(i, out_shape, index)
            start = index_to_position(index, a_strides)
            step = a_strides[reduce_dim]
            cells = a_storage[start : start + step * a_shape[reduce_dim] : step]
            o = index_to_position(index, out_strides)
            for x in cells:
                out[o] = fn(out[o], x)

    return njit(_reduce, parallel=True)


@_njit(parallel=True)
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
    a_batch_stride = a_strides[0] if a_shape[0] > 1 else 0
    b_batch_stride = b_strides[0] if b_shape[0] > 1 else 0
    inner = a_shape[2]
    for n in prange(out_shape[0]):
        for i in range(out_shape[1]):
            start = n * a_batch_stride + i * a_strides[1]
            row = a_storage[start : start + (inner - 1) * a_strides[2] + 1 : a_strides[2]]
            for j in range(out_shape[2]):
                start = n * b_batch_stride + j * b_strides[2]
                column = b_storage[start : start + (inner - 1) * b_strides[1] + 1 : b_strides[1]]
                o = n * out_strides[0] + i * out_strides[1] + j * out_strides[2]
                out[o] = (row * column).sum()


def tensor_matrix_multiply(*args):
    _tensor_matrix_multiply(*args)
