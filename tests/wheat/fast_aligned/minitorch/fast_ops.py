"""Different: decorators as of 2022, a quick way for tensors of one shape and layout, and shapes that do not fit are refused."""

import numpy as np
from numba import njit, prange

from .tensor_data import (
    MAX_DIMS,
    broadcast_index,
    index_to_position,
    shape_broadcast,
    to_index,
)
from .tensor_ops import TensorOps


to_index = njit(inline="always")(to_index)
index_to_position = njit(inline="always")(index_to_position)
broadcast_index = njit(inline="always")(broadcast_index)


class FastOps(TensorOps):
    @staticmethod
    def map(fn):
        f = tensor_map(njit()(fn))

        def ret(a, out=None):
            if out is None:
                out = a.zeros(a.shape)
            f(*out.tuple(), *a.tuple())
            return out

        return ret

    @staticmethod
    def zip(fn):
        f = tensor_zip(njit()(fn))

        def ret(a, b):
            out = a.zeros(shape_broadcast(a.shape, b.shape))
            f(*out.tuple(), *a.tuple(), *b.tuple())
            return out

        return ret

    @staticmethod
    def reduce(fn, start=0.0):
        f = tensor_reduce(njit()(fn))

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


@njit
def fits(shape, out_shape):
    for dim in range(1, len(shape) + 1):
        if shape[-dim] != 1 and shape[-dim] != out_shape[-dim]:
            return False
    return len(shape) <= len(out_shape)


def tensor_map(fn):
    def _map(out, out_shape, out_strides, in_storage, in_shape, in_strides):
        assert fits(in_shape, out_shape)
        if (
            len(out_strides) == len(in_strides)
            and (out_strides == in_strides).all()
            and (out_shape == in_shape).all()
        ):
            for i in prange(len(out)):
                out[i] = fn(in_storage[i])
            return
        for i in prange(len(out)):
            out_index = np.empty(MAX_DIMS, np.int32)
            in_index = np.empty(MAX_DIMS, np.int32)
            to_index(i, out_shape, out_index)
            broadcast_index(out_index, out_shape, in_shape, in_index)
            out[index_to_position(out_index, out_strides)] = fn(
                in_storage[index_to_position(in_index, in_strides)]
            )

    return njit(parallel=True)(_map)


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
        assert fits(a_shape, out_shape) and fits(b_shape, out_shape)
        if (
            np.array_equal(a_strides, b_strides)
            and np.array_equal(a_strides, out_strides)
            and np.array_equal(a_shape, b_shape)
            and np.array_equal(a_shape, out_shape)
        ):
            for i in prange(len(out)):
                out[i] = fn(a_storage[i], b_storage[i])
        else:
            for i in prange(len(out)):
                out_index = np.empty(len(out_shape), np.int32)
                a_index = np.empty(len(a_shape), np.int32)
                b_index = np.empty(len(b_shape), np.int32)
                to_index(i, out_shape, out_index)
                broadcast_index(out_index, out_shape, a_shape, a_index)
                broadcast_index(out_index, out_shape, b_shape, b_index)
                out[index_to_position(out_index, out_strides)] = fn(
                    a_storage[index_to_position(a_index, a_strides)],
                    b_storage[index_to_position(b_index, b_strides)],
                )

    return njit(parallel=True)(_zip)


def tensor_reduce(fn):
    def _reduce(out, out_shape, out_strides, a_storage, a_shape, a_strides, reduce_dim):
        for i in prange(len(out)):
            index = np.empty(MAX_DIMS, np.int32)
            to_index(i, out_shape, index)
            o = index_to_position(index, out_strides)
            j = index_to_position(index, a_strides)
            so_far = out[o]
            for _ in range(a_shape[reduce_dim]):
                so_far = fn(so_far, a_storage[j])
                j += a_strides[reduce_dim]
            out[o] = so_far

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
    a_batch_stride = a_strides[0] if a_shape[0] > 1 else 0
    b_batch_stride = b_strides[0] if b_shape[0] > 1 else 0
    for n in prange(out_shape[0]):
        for i in prange(out_shape[1]):
            for j in prange(out_shape[2]):
                a = n * a_batch_stride + i * a_strides[1]
                b = n * b_batch_stride + j * b_strides[2]
                acc = 0.0
                for _ in range(a_shape[2]):
                    acc += a_storage[a] * b_storage[b]
                    a += a_strides[2]
                    b += b_strides[1]
                out[n * out_strides[0] + i * out_strides[1] + j * out_strides[2]] = acc


tensor_matrix_multiply = njit(parallel=True, fastmath=True)(_tensor_matrix_multiply)
