"""Different: to_index counts the first dimension fastest, broadcast_index wraps with %, shapes are joined from
the right with zip_longest, permute answers with NumPy integers."""

# ruff: noqa
import random
from itertools import zip_longest

import numpy as np

MAX_DIMS = 32


class IndexingError(RuntimeError):
    pass


def index_to_position(index, strides):
    return np.dot(index, strides)


def to_index(ordinal, shape, out_index):
    cur = ordinal + 0
    for i in range(len(shape)):
        out_index[i] = cur % shape[i]
        cur = cur // shape[i]


def broadcast_index(big_index, big_shape, shape, out_index):
    for i in range(1, len(shape) + 1):
        out_index[-i] = big_index[-i] % shape[-i]


def shape_broadcast(shape1, shape2):
    joined = []
    for a, b in zip_longest(reversed(shape1), reversed(shape2), fillvalue=1):
        if 1 not in (a, b) and a != b:
            raise IndexingError(f"{shape1} {shape2}")
        joined.insert(0, max(a, b))
    return tuple(joined)


def strides_from_shape(shape):
    layout = [1]
    offset = 1
    for s in reversed(shape):
        layout.append(s * offset)
        offset = s * offset
    return tuple(reversed(layout[:-1]))


class TensorData:
    def __init__(self, storage, shape, strides=None):
        if isinstance(storage, np.ndarray):
            self._storage = storage
        else:
            self._storage = np.array(storage, dtype=np.float64)
        if strides is None:
            strides = strides_from_shape(shape)
        assert isinstance(strides, tuple), "Strides must be tuple"
        assert isinstance(shape, tuple), "Shape must be tuple"
        if len(strides) != len(shape):
            raise IndexingError(f"Len of strides {strides} must match {shape}.")
        self._strides = np.array(strides)
        self._shape = np.array(shape)
        self.strides = strides
        self.dims = len(strides)
        self.size = int(np.prod(shape))
        self.shape = shape
        assert len(self._storage) == self.size

    def to_cuda_(self):
        pass

    def is_contiguous(self):
        last = 1e9
        for stride in self._strides:
            if stride > last:
                return False
            last = stride
        return True

    @staticmethod
    def shape_broadcast(shape_a, shape_b):
        return shape_broadcast(shape_a, shape_b)

    def index(self, index):
        aindex = np.array([index] if isinstance(index, int) else index)
        if aindex.shape[0] != len(self.shape):
            raise IndexingError(f"Index {aindex} must be size of {self.shape}.")
        for i, ind in enumerate(aindex):
            if ind >= self.shape[i] or ind < 0:
                raise IndexingError(f"Index {aindex} out of range {self.shape}.")
        return index_to_position(aindex, self._strides)

    def indices(self):
        lshape = np.array(self.shape)
        out_index = np.array(self.shape)
        for i in range(self.size):
            to_index(i, lshape, out_index)
            yield tuple(out_index)

    def sample(self):
        return tuple(random.randint(0, s - 1) for s in self.shape)

    def get(self, key):
        return self._storage[self.index(key)]

    def set(self, key, val):
        self._storage[self.index(key)] = val

    def tuple(self):
        return (self._storage, self._shape, self._strides)

    def permute(self, *order):
        assert list(sorted(order)) == list(range(len(self.shape)))
        order = np.array(order)
        return TensorData(self._storage, tuple(self._shape[order]), tuple(self._strides[order]))

    def to_string(self):
        return str(self._storage)
