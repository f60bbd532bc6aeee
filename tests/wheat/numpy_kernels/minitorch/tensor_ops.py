"""Different: kernels over strided NumPy views, np.vectorize and np.ndindex."""

# ruff: noqa
import numpy as np

from . import operators
from .tensor_data import (
    MAX_DIMS,
    broadcast_index,
    index_to_position,
    shape_broadcast,
    to_index,
)


class TensorOps:
    cuda = False

    @staticmethod
    def map(fn):
        pass

    @staticmethod
    def zip(fn):
        pass

    @staticmethod
    def reduce(fn, start=0.0):
        pass


class TensorBackend:
    def __init__(self, ops):
        self.neg_map = ops.map(operators.neg)
        self.sigmoid_map = ops.map(operators.sigmoid)
        self.relu_map = ops.map(operators.relu)
        self.log_map = ops.map(operators.log)
        self.exp_map = ops.map(operators.exp)
        self.id_map = ops.map(operators.id)
        self.id_cmap = ops.cmap(operators.id) if hasattr(ops, "cmap") else None
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
        self.matrix_multiply = None
        self.cuda = ops.cuda


class SimpleOps(TensorOps):
    @staticmethod
    def map(fn):
        f = tensor_map(fn)

        def ret(a, out=None):
            if out is None:
                out = a.zeros(a.shape)
            f(*out.tuple(), *a.tuple())
            return out

        return ret

    @staticmethod
    def zip(fn):
        f = tensor_zip(fn)

        def ret(a, b):
            c_shape = shape_broadcast(a.shape, b.shape) if a.shape != b.shape else a.shape
            out = a.zeros(c_shape)
            f(*out.tuple(), *a.tuple(), *b.tuple())
            return out

        return ret

    @staticmethod
    def reduce(fn, start=0.0):
        f = tensor_reduce(fn)

        def ret(a, dim):
            out_shape = list(a.shape)
            out_shape[dim] = 1
            out = a.zeros(tuple(out_shape))
            out._tensor._storage[:] = start
            f(*out.tuple(), *a.tuple(), dim)
            return out

        return ret


def seen(storage, shape, strides):
    """The storage as an array of that shape."""
    steps = [int(s) * storage.itemsize for s in strides]
    return np.lib.stride_tricks.as_strided(storage, [int(n) for n in shape], steps)


def tensor_map(fn):
    many = np.vectorize(fn, otypes=[np.float64])

    def _map(out, out_shape, out_strides, in_storage, in_shape, in_strides):
        seen(out, out_shape, out_strides)[...] = many(seen(in_storage, in_shape, in_strides))

    return _map


def tensor_zip(fn):
    def _zip(
        out, out_shape, out_strides, a_storage, a_shape, a_strides, b_storage, b_shape, b_strides
    ):
        target = seen(out, out_shape, out_strides)
        a = np.broadcast_to(seen(a_storage, a_shape, a_strides), target.shape)
        b = np.broadcast_to(seen(b_storage, b_shape, b_strides), target.shape)
        for index in np.ndindex(target.shape):
            target[index] = fn(a[index], b[index])

    return _zip


def tensor_reduce(fn):
    def _reduce(out, out_shape, out_strides, a_storage, a_shape, a_strides, reduce_dim):
        target = np.moveaxis(seen(out, out_shape, out_strides), reduce_dim, 0)
        source = np.moveaxis(seen(a_storage, a_shape, a_strides), reduce_dim, 0)
        for index in np.ndindex(source.shape):
            at = (0, *index[1:])
            target[at] = fn(target[at], source[index])

    return _reduce


SimpleBackend = TensorBackend(SimpleOps)
