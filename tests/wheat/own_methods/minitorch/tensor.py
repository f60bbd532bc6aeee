"""Different: the methods that the 2024 course leaves to students; gradients spread and summed axis by axis."""

# ruff: noqa
from __future__ import annotations
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias, Union
import numpy as np
import numpy.typing as npt
from .autodiff import Context, Variable, backpropagate
from .tensor_data import TensorData, shape_broadcast
from .tensor_functions import (
    EQ,
    LT,
    Add,
    All,
    Copy,
    Exp,
    Function,
    Inv,
    IsClose,
    Log,
    Mul,
    Neg,
    Permute,
    ReLU,
    Sigmoid,
    Sum,
    View,
    tensor,
)

if TYPE_CHECKING:
    from .tensor_data import KernelTriple, Storage, UserIndex, UserShape, UserStrides
    from .tensor_ops import TensorBackend
TensorLike = Union[float, int, "Tensor"]
DerivativeOf: TypeAlias = tuple[Variable, Any]


@dataclass(frozen=True)
class History:
    last_fn: type[Function] | None = None
    ctx: Context | None = None
    inputs: Sequence[Tensor] = ()


_unique_ids = count(1)


class Tensor:
    backend: TensorBackend
    f: TensorBackend
    history: History | None
    grad: Tensor | None
    _tensor: TensorData
    unique_id: int
    name: str

    def __init__(
        self,
        v: TensorData,
        back: History | None = None,
        name: str | None = None,
        backend: TensorBackend | None = None,
    ) -> None:
        assert isinstance(v, TensorData), "a Tensor is made from TensorData"
        assert backend is not None, "a Tensor needs a backend"
        self.unique_id = next(_unique_ids)
        self._tensor = v
        self.history = back
        self.backend = self.f = backend
        self.grad = None
        self.name = str(self.unique_id) if name is None else name

    @staticmethod
    def make(
        storage: Storage | Sequence[float],
        shape: UserShape,
        strides: UserStrides | None = None,
        backend: TensorBackend | None = None,
    ) -> Tensor:
        return Tensor(TensorData(storage, shape, strides), backend=backend)

    def requires_grad_(self, x: bool) -> None:
        self.history = History() if x else None

    def requires_grad(self) -> bool:
        return self.history is not None

    def to_numpy(self) -> npt.NDArray[np.float64]:
        return self.detach().contiguous()._tensor._storage.reshape(self.shape)

    @property
    def shape(self) -> UserShape:
        return self._tensor.shape

    @property
    def size(self):
        return int(np.prod(self.shape))

    @property
    def dims(self) -> int:
        return self._tensor.dims

    def _ensure_tensor(self, b: TensorLike) -> Tensor:
        if isinstance(b, (int, float)):
            return Tensor.make([b], (1,), backend=self.backend)
        b._type_(self.backend)
        return b

    def __add__(self, b: TensorLike) -> Tensor:
        return Add.apply(self, self._ensure_tensor(b))

    def __sub__(self, b):
        return self + Neg.apply(self._ensure_tensor(b))

    def __mul__(self, b: TensorLike) -> Tensor:
        return Mul.apply(self, self._ensure_tensor(b))

    def __truediv__(self, b: TensorLike) -> Tensor:
        return Mul.apply(self, Inv.apply(self._ensure_tensor(b)))

    def __rtruediv__(self, b: TensorLike) -> Tensor:
        return Mul.apply(self._ensure_tensor(b), Inv.apply(self))

    def __lt__(self, b: TensorLike) -> Tensor:
        return LT.apply(self, self._ensure_tensor(b))

    def __eq__(self, b):
        return EQ.apply(self._ensure_tensor(b), self)

    def __gt__(self, b):
        return LT.apply(-self, -self._ensure_tensor(b))

    def __neg__(self):
        return self * -1.0

    def __radd__(self, b):
        return Add.apply(self._ensure_tensor(b), self)

    def __rmul__(self, b):
        return Mul.apply(self._ensure_tensor(b), self)

    def is_close(self, y):
        return IsClose.apply(self, self._ensure_tensor(y))

    def sigmoid(self) -> Tensor:
        return Sigmoid.apply(self)

    def relu(self) -> Tensor:
        return ReLU.apply(self)

    def log(self) -> Tensor:
        return Log.apply(self)

    def exp(self) -> Tensor:
        return Exp.apply(self)

    def all(self, dim=None):
        if dim is not None:
            return All.apply(self, self._ensure_tensor(dim))
        found = self
        for d in range(self.dims):
            found = All.apply(found, self._ensure_tensor(d))
        return found.contiguous().view(1)

    def sum(self, dim=None):
        if dim is not None:
            return Sum.apply(self, self._ensure_tensor(dim))
        total = self
        for d in range(self.dims):
            total = total.sum(d)
        return total.view(1)

    def mean(self, dim=None):
        count = self.size if dim is None else self.shape[dim]
        return 1.0 / count * self.sum(dim)

    def permute(self, *order: int) -> Tensor:
        return Permute.apply(self, tensor(list(order), backend=self.backend))

    def view(self, *shape: int) -> Tensor:
        return View.apply(self, tensor(list(shape), backend=self.backend))

    def contiguous(self) -> Tensor:
        return Copy.apply(self)

    def item(self) -> float:
        assert self.size == 1, f"only a tensor of size 1 is an item, this has shape {self.shape}"
        return self[(0,) * self.dims]

    def __getitem__(self, key: int | UserIndex) -> float:
        return self._tensor.get((key,) if isinstance(key, int) else key)

    def __setitem__(self, key: int | UserIndex, val: float) -> None:
        self._tensor.set((key,) if isinstance(key, int) else key, val)

    def __repr__(self) -> str:
        return self._tensor.to_string()

    def _type_(self, backend: TensorBackend) -> None:
        self.backend = self.f = backend

    def _new(self, tensor_data: TensorData) -> Tensor:
        return Tensor(tensor_data, backend=self.backend)

    def zeros(self, shape: UserShape | None = None) -> Tensor:
        shape = self.shape if shape is None else shape
        return self._new(TensorData([0.0] * math.prod(shape), shape))

    def detach(self) -> Tensor:
        return self._new(self._tensor)

    def tuple(self) -> KernelTriple:
        return self._tensor.tuple()

    def expand(self, other):
        if tuple(other.shape) == tuple(self.shape):
            return other
        spread = other
        if other.dims <= self.dims and any(
            (n != m for n, m in zip(self.shape[::-1], other.shape[::-1]) if m == 1)
        ):
            spread = other.zeros(shape_broadcast(self.shape, other.shape))
            self.f.id_map(other, spread)
        while len(spread.shape) > len(self.shape):
            spread = self.f.add_reduce(spread, 0)
            spread = spread._new(TensorData(spread._tensor._storage, tuple(spread.shape[1:])))
        for d, n in enumerate(self.shape):
            if n == 1:
                spread = self.f.add_reduce(spread, d)
        return spread

    def accumulate_derivative(self, x):
        assert self.is_leaf(), "Only leaf variables can have derivatives."
        if self.grad is None:
            self.grad = Tensor.make([0.0] * self.size, self.shape, backend=self.backend)
        self.grad += x

    def is_leaf(self) -> bool:
        return self.history is not None and self.history.last_fn is None

    def is_constant(self) -> bool:
        return self.history is None

    @property
    def parents(self) -> Iterable[Variable]:
        assert self.history is not None, "a constant has no parents"
        return self.history.inputs

    def chain_rule(self, d_output: Any) -> Iterable[DerivativeOf]:
        history = self.history
        assert history is not None, "a constant has no chain rule"
        assert history.last_fn is not None, "a leaf has no chain rule"
        assert history.ctx is not None
        d_inputs = history.last_fn._backward(history.ctx, d_output)
        return [
            (x, x.expand(self._ensure_tensor(d)))
            for x, d in zip(history.inputs, d_inputs, strict=True)
        ]

    def backward(self, grad_output: Tensor | None = None) -> None:
        if grad_output is None:
            assert self.shape == (1,), "give the derivatives of a tensor that is not a single cell"
            grad_output = self._ensure_tensor(1.0)
        backpropagate(self, grad_output.detach())

    def zero_grad_(self):
        self.grad = self.zeros()
