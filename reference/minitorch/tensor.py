"""Tensor: an array that remembers how it was computed.

A Tensor is used like an array of numbers. Each operation makes a new Tensor whose history names
the function and its inputs; ``backward`` follows these histories to find gradients. The loops
over the cells are done by a backend.
"""

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
    MatMul,
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
    """How a Tensor came to be.

    Attributes:
        last_fn: the function that made it, or None if a user did.
        ctx: the context of that call.
        inputs: the Tensors that the function was given.
    """

    last_fn: type[Function] | None = None
    ctx: Context | None = None
    inputs: Sequence[Tensor] = ()


_unique_ids = count(1)


class Tensor:
    """An array with a history.

    Attributes:
        backend: the functions to compute with; ``f`` is the same under a short name.
        history: how it was made. An empty history marks a leaf, which collects a gradient;
            None marks a constant, which takes no part in differentiation.
        grad: for a leaf, the gradient collected so far; None before any backward.
        unique_id: a number that no other Tensor has.
        name: for printing; the unique_id if none is given.
    """

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
        """Make a constant tensor from a storage, a shape and, if not row by row, strides."""
        return Tensor(TensorData(storage, shape, strides), backend=backend)

    def requires_grad_(self, x: bool) -> None:
        """Make this tensor a leaf that collects a gradient (True) or a constant (False)."""
        self.history = History() if x else None

    def requires_grad(self) -> bool:
        """Tell whether this tensor takes part in differentiation."""
        return self.history is not None

    def to_numpy(self) -> npt.NDArray[np.float64]:
        """Copy the cells into a NumPy array of the same shape."""
        return self.detach().contiguous()._tensor._storage.reshape(self.shape)

    @property
    def shape(self) -> UserShape:
        """The size of each dimension."""
        return self._tensor.shape

    @property
    def size(self) -> int:
        """The number of cells."""
        return self._tensor.size

    @property
    def dims(self) -> int:
        """The number of dimensions."""
        return self._tensor.dims

    def _ensure_tensor(self, b: TensorLike) -> Tensor:
        """Turn a number into a constant tensor of shape (1,) with our backend."""
        if isinstance(b, (int, float)):
            return Tensor.make([b], (1,), backend=self.backend)
        b._type_(self.backend)
        return b

    # Arithmetic: every operator hands over to the function of its name.

    def __add__(self, b: TensorLike) -> Tensor:
        return Add.apply(self, self._ensure_tensor(b))

    def __sub__(self, b: TensorLike) -> Tensor:
        return Add.apply(self, -self._ensure_tensor(b))

    def __mul__(self, b: TensorLike) -> Tensor:
        return Mul.apply(self, self._ensure_tensor(b))

    def __matmul__(self, b: Tensor) -> Tensor:
        """Multiply matrices, or batches of them; see ``MatMul``."""
        b._type_(self.backend)
        return MatMul.apply(self, b)

    def __truediv__(self, b: TensorLike) -> Tensor:
        return Mul.apply(self, Inv.apply(self._ensure_tensor(b)))

    def __rtruediv__(self, b: TensorLike) -> Tensor:
        return Mul.apply(self._ensure_tensor(b), Inv.apply(self))

    def __lt__(self, b: TensorLike) -> Tensor:
        return LT.apply(self, self._ensure_tensor(b))

    def __eq__(self, b: TensorLike) -> Tensor:  # type: ignore[override]
        return EQ.apply(self, self._ensure_tensor(b))

    def __gt__(self, b: TensorLike) -> Tensor:
        return LT.apply(self._ensure_tensor(b), self)

    def __neg__(self) -> Tensor:
        return Neg.apply(self)

    def __radd__(self, b: TensorLike) -> Tensor:
        return self + b

    def __rmul__(self, b: TensorLike) -> Tensor:
        return self * b

    def is_close(self, y: Tensor) -> Tensor:
        """Tell in each cell whether the two tensors agree to within 0.01."""
        return IsClose.apply(self, y)

    def sigmoid(self) -> Tensor:
        r"""Take the sigmoid of each cell: $\sigma(a)$."""
        return Sigmoid.apply(self)

    def relu(self) -> Tensor:
        r"""Cut off the negative cells: $\max(a, 0)$."""
        return ReLU.apply(self)

    def log(self) -> Tensor:
        r"""Take the natural logarithm of each cell: $\log a$."""
        return Log.apply(self)

    def exp(self) -> Tensor:
        r"""Take the exponential of each cell: $e^a$."""
        return Exp.apply(self)

    # Reductions and shapes.

    def all(self, dim: int | None = None) -> Tensor:
        """Tell whether no cell along a dimension, or in the whole tensor, is 0.

        Args:
            dim: the dimension, which stays with size 1; None for all, with shape (1,).
        """
        if dim is None:
            return All.apply(self.contiguous().view(self.size), self._ensure_tensor(0))
        return All.apply(self, self._ensure_tensor(dim))

    def sum(self, dim: int | None = None) -> Tensor:
        r"""Add up the cells along a dimension, or the whole tensor: $\sum_i a_i$.

        Args:
            dim: the dimension, which stays with size 1; None for all, with shape (1,).
        """
        if dim is None:
            return Sum.apply(self.contiguous().view(self.size), self._ensure_tensor(0))
        return Sum.apply(self, self._ensure_tensor(dim))

    def mean(self, dim: int | None = None) -> Tensor:
        r"""Average along a dimension, or over the whole tensor: $\frac{1}{n} \sum_i a_i$.

        Args:
            dim: the dimension, which stays with size 1; None for all, with shape (1,).
        """
        return self.sum(dim) / (self.size if dim is None else self.shape[dim])

    def permute(self, *order: int) -> Tensor:
        """Reorder the dimensions: dimension k of the result is dimension order[k] of this."""
        return Permute.apply(self, tensor(list(order), backend=self.backend))

    def view(self, *shape: int) -> Tensor:
        """Give a contiguous tensor another shape with the same number of cells."""
        return View.apply(self, tensor(list(shape), backend=self.backend))

    def contiguous(self) -> Tensor:
        """Copy the cells into a tensor laid out row by row."""
        return Copy.apply(self)

    # Single cells.

    def item(self) -> float:
        """Return the one cell of a tensor of size 1."""
        assert self.size == 1, f"only a tensor of size 1 is an item, this has shape {self.shape}"
        return self[(0,) * self.dims]

    def __getitem__(self, key: int | UserIndex) -> float:
        return self._tensor.get((key,) if isinstance(key, int) else key)

    def __setitem__(self, key: int | UserIndex, val: float) -> None:
        self._tensor.set((key,) if isinstance(key, int) else key, val)

    def __repr__(self) -> str:
        return self._tensor.to_string()

    # Relatives of this tensor.

    def _type_(self, backend: TensorBackend) -> None:
        """Compute with another backend from now on."""
        self.backend = self.f = backend
        if backend.cuda:
            self._tensor.to_cuda_()

    def _new(self, tensor_data: TensorData) -> Tensor:
        """Make a constant tensor with our backend."""
        return Tensor(tensor_data, backend=self.backend)

    def zeros(self, shape: UserShape | None = None) -> Tensor:
        """Make a constant tensor of zeros with our backend, of our shape unless one is given."""
        shape = self.shape if shape is None else shape
        return self._new(TensorData(np.zeros(math.prod(shape)), shape))

    def detach(self) -> Tensor:
        """Share the cells but not the history: a constant."""
        return self._new(self._tensor)

    def tuple(self) -> KernelTriple:
        """Return storage, shape and strides, as the kernels take them."""
        return self._tensor.tuple()

    # Differentiation: what ``autodiff.Variable`` asks for.

    def expand(self, other: Tensor) -> Tensor:
        r"""Bring the derivatives of one use of this tensor into its own shape.

        Where broadcasting let a cell $a_j$ feed several output cells, it collects from all:
        $\sum_{i : b(i) = j} d_i$. Where a sum gave one output for several cells, each of them
        receives that output's derivative.

        Args:
            other: the derivatives, in a shape that broadcasts with ours.

        Returns:
            The derivatives in our shape.
        """
        if other.shape == self.shape:
            return other

        # One derivative for each cell of the broadcast shape ...
        shape = shape_broadcast(self.shape, other.shape)
        grad = self.zeros(shape)
        self.f.id_map(other, grad)

        # ... then the sum over every dimension that we lack or that was stretched.
        padded = (1,) * (len(shape) - self.dims) + tuple(self.shape)
        for dim, size in enumerate(padded):
            if size == 1 and shape[dim] != 1:
                grad = self.f.add_reduce(grad, dim)
        return self._new(TensorData(grad._tensor._storage, self.shape))

    def accumulate_derivative(self, x: Any) -> None:
        """Add x, a tensor of our shape, to the gradient of this leaf."""
        assert self.is_leaf(), "only a leaf collects a gradient"
        self.grad = (self.zeros() if self.grad is None else self.grad) + x

    def is_leaf(self) -> bool:
        """Tell whether a user made this tensor, so that no function is behind it."""
        return self.history is not None and self.history.last_fn is None

    def is_constant(self) -> bool:
        """Tell whether this tensor takes no part in differentiation."""
        return self.history is None

    @property
    def parents(self) -> Iterable[Variable]:
        """The inputs of the function that made this tensor; none for a leaf."""
        assert self.history is not None, "a constant has no parents"
        return self.history.inputs

    def chain_rule(self, d_output: Any) -> Iterable[DerivativeOf]:
        """Pair each input of the function that made this tensor with its derivatives.

        Args:
            d_output: the derivatives of the final result by our cells.

        Returns:
            One pair (input, derivatives in the input's shape) for each input.
        """
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
        """Find the gradient of this tensor by every leaf it was computed from.

        Args:
            grad_output: the derivatives arriving here, in our shape. It may be left out if our
                shape is (1,); it is 1 then.

        Returns:
            Nothing. The gradients are added to each leaf's ``grad``.
        """
        if grad_output is None:
            assert self.shape == (1,), "give the derivatives of a tensor that is not a single cell"
            grad_output = self._ensure_tensor(1.0)
        # Detached, so that the gradients found have no history of their own.
        backpropagate(self, grad_output.detach())

    def zero_grad_(self) -> None:
        """Forget the gradient collected so far."""
        self.grad = None
