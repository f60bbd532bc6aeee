r"""The functions that a Tensor can pass through, each with its derivative.

As for Scalars, ``forward`` computes the result and saves what the derivative will need, and
``backward`` receives $d$, one derivative for each cell of the output, and returns one for each
cell of every input. In full that would be a product with the Jacobian,

$$d^{\text{in}}_j = \sum_i d_i \cdot \frac{\partial \text{out}_i}{\partial \text{in}_j},$$

but for a map the Jacobian is diagonal and for a zip it is two diagonals, so a product cell by
cell is enough. Where broadcasting let one input cell feed several output cells, ``backward``
returns one derivative for each use, and ``Tensor.expand`` adds them up.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .autodiff import Context, central_difference
from .tensor_data import TensorData
from .tensor_ops import SimpleBackend, TensorBackend

if TYPE_CHECKING:
    from .tensor import Tensor
    from .tensor_data import Storage, UserIndex, UserShape


def wrap_tuple(x: Any) -> tuple[Any, ...]:
    """Put a single value into a tuple; leave a tuple alone."""
    return x if isinstance(x, tuple) else (x,)


def to_ints(t: Tensor) -> list[int]:
    """Read a one-dimensional tensor of whole numbers, such as a shape or an order."""
    return [int(t[i]) for i in range(t.size)]


class Function:
    """The common part of all functions of Tensors. It is never instantiated.

    Arguments that are not differentiated by, such as a dimension or a shape, travel as tensors
    too; ``backward`` returns 0.0 for them.
    """

    @classmethod
    def _forward(cls, ctx: Context, *inputs: Tensor) -> Tensor:
        return cls.forward(ctx, *inputs)  # type: ignore[attr-defined, no-any-return]

    @classmethod
    def _backward(cls, ctx: Context, grad_output: Tensor) -> tuple[Any, ...]:
        return wrap_tuple(cls.backward(ctx, grad_output))  # type: ignore[attr-defined]

    @classmethod
    def apply(cls, *vals: Tensor) -> Tensor:
        """Run forward on the inputs' data and remember in the result how it was made.

        Args:
            vals: the input tensors.

        Returns:
            A tensor whose history holds this function, its context and its inputs, or a constant
            if none of the inputs asks for a gradient.
        """
        from .tensor import History, Tensor

        needs_grad = any(v.requires_grad() for v in vals)
        ctx = Context(no_grad=not needs_grad)
        result = cls._forward(ctx, *(v.detach() for v in vals))
        history = History(cls, ctx, vals) if needs_grad else None
        return Tensor(result._tensor, history, backend=result.backend)


class Neg(Function):
    r"""Negation, $f(a) = -a$ in each cell."""

    @staticmethod
    def forward(ctx: Context, t1: Tensor) -> Tensor:
        """Change the sign of each cell."""
        return t1.f.neg_map(t1)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Tensor:
        r"""Apply the chain rule with $f'(a) = -1$."""
        return grad_output.f.neg_map(grad_output)


class Inv(Function):
    r"""Reciprocal, $f(a) = \frac{1}{a}$ in each cell."""

    @staticmethod
    def forward(ctx: Context, t1: Tensor) -> Tensor:
        """Take the reciprocal of each cell."""
        ctx.save_for_backward(t1)
        return t1.f.inv_map(t1)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Tensor:
        r"""Apply the chain rule with $f'(a) = -\frac{1}{a^2}$."""
        (t1,) = ctx.saved_values
        return grad_output.f.inv_back_zip(t1, grad_output)


class Add(Function):
    r"""Addition, $f(a, b) = a + b$ in each cell, broadcast."""

    @staticmethod
    def forward(ctx: Context, t1: Tensor, t2: Tensor) -> Tensor:
        """Add two tensors."""
        return t1.f.add_zip(t1, t2)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        r"""Apply the chain rule with $f'_a = 1$ and $f'_b = 1$."""
        return grad_output, grad_output


class Mul(Function):
    r"""Multiplication, $f(a, b) = a b$ in each cell, broadcast."""

    @staticmethod
    def forward(ctx: Context, a: Tensor, b: Tensor) -> Tensor:
        """Multiply two tensors cell by cell."""
        raise NotImplementedError("Task 2.3: Multiply two tensors cell by cell.")

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        r"""Apply the chain rule with $f'_a = b$ and $f'_b = a$."""
        raise NotImplementedError("Task 2.4: Apply the chain rule with $f'_a = b$ and $f'_b = a$.")


class Sigmoid(Function):
    r"""Sigmoid, $\sigma(a) = \frac{1}{1 + e^{-a}}$ in each cell."""

    @staticmethod
    def forward(ctx: Context, t1: Tensor) -> Tensor:
        """Take the sigmoid of each cell."""
        raise NotImplementedError("Task 2.3: Take the sigmoid of each cell.")

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Tensor:
        r"""Apply the chain rule with $\sigma'(a) = \sigma(a) \, (1 - \sigma(a))$."""
        raise NotImplementedError(
            "Task 2.4: Apply the chain rule with $\\sigma'(a) = \\sigma(a) \\, (1 - \\sigma(a))$."
        )


class ReLU(Function):
    r"""Rectified linear unit, $f(a) = \max(a, 0)$ in each cell."""

    @staticmethod
    def forward(ctx: Context, t1: Tensor) -> Tensor:
        """Take the larger of each cell and 0."""
        raise NotImplementedError("Task 2.3: Take the larger of each cell and 0.")

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Tensor:
        r"""Apply the chain rule with $f'(a) = 1$ for $a > 0$, else $0$."""
        raise NotImplementedError(
            "Task 2.4: Apply the chain rule with $f'(a) = 1$ for $a > 0$, else $0$."
        )


class Log(Function):
    r"""Natural logarithm, $f(a) = \log a$ in each cell."""

    @staticmethod
    def forward(ctx: Context, t1: Tensor) -> Tensor:
        """Take the logarithm of each cell."""
        raise NotImplementedError("Task 2.3: Take the logarithm of each cell.")

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Tensor:
        r"""Apply the chain rule with $f'(a) = \frac{1}{a}$."""
        raise NotImplementedError("Task 2.4: Apply the chain rule with $f'(a) = \\frac{1}{a}$.")


class Exp(Function):
    r"""Exponential, $f(a) = e^a$ in each cell."""

    @staticmethod
    def forward(ctx: Context, t1: Tensor) -> Tensor:
        """Take the exponential of each cell."""
        raise NotImplementedError("Task 2.3: Take the exponential of each cell.")

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Tensor:
        r"""Apply the chain rule with $f'(a) = e^a$."""
        raise NotImplementedError("Task 2.4: Apply the chain rule with $f'(a) = e^a$.")


class Sum(Function):
    r"""Sum over a dimension, $f(a)_{0, j} = \sum_i a_{i, j}$; the dimension stays, with size 1."""

    @staticmethod
    def forward(ctx: Context, a: Tensor, dim: Tensor) -> Tensor:
        """Add up the cells along a dimension."""
        return a.f.add_reduce(a, int(dim.item()))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, float]:
        r"""Apply the chain rule with $\partial f_{0, j} / \partial a_{i, j} = 1$.

        Each cell of $a$ receives the derivative of the one sum that it entered. The derivatives
        are handed on with size 1 in the summed dimension; ``Tensor.expand`` repeats them.
        """
        return grad_output, 0.0


class All(Function):
    r"""Test that no cell along a dimension is 0: $f(a)_{0, j} = \prod_i a_{i, j}$ of 0s and 1s."""

    @staticmethod
    def forward(ctx: Context, a: Tensor, dim: Tensor) -> Tensor:
        """Multiply up the cells along a dimension."""
        ctx.save_for_backward(a.shape)
        return a.f.mul_reduce(a, int(dim.item()))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, float]:
        """Apply the chain rule to a test, whose derivative is 0."""
        (shape,) = ctx.saved_values
        return grad_output.zeros(shape), 0.0


class LT(Function):
    r"""Less than, $f(a, b) = 1$ if $a < b$, else $0$, in each cell, broadcast."""

    @staticmethod
    def forward(ctx: Context, a: Tensor, b: Tensor) -> Tensor:
        """Tell in each cell whether a is less than b."""
        raise NotImplementedError("Task 2.3: Tell in each cell whether a is less than b.")

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        r"""Apply the chain rule to a step: $f'_a = f'_b = 0$ wherever it has a derivative."""
        raise NotImplementedError(
            "Task 2.4: Apply the chain rule to a step: $f'_a = f'_b = 0$ wherever it has a derivative."
        )


class EQ(Function):
    r"""Equality, $f(a, b) = 1$ if $a = b$, else $0$, in each cell, broadcast."""

    @staticmethod
    def forward(ctx: Context, a: Tensor, b: Tensor) -> Tensor:
        """Tell in each cell whether a equals b."""
        raise NotImplementedError("Task 2.3: Tell in each cell whether a equals b.")

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        r"""Apply the chain rule to a step: $f'_a = f'_b = 0$ wherever it has a derivative."""
        raise NotImplementedError(
            "Task 2.4: Apply the chain rule to a step: $f'_a = f'_b = 0$ wherever it has a derivative."
        )


class IsClose(Function):
    r"""Near equality, $f(a, b) = 1$ if $|a - b| < 10^{-2}$, else $0$, in each cell, broadcast."""

    @staticmethod
    def forward(ctx: Context, a: Tensor, b: Tensor) -> Tensor:
        """Tell in each cell whether a and b nearly agree."""
        raise NotImplementedError("Task 2.3: Tell in each cell whether a and b nearly agree.")


class Permute(Function):
    r"""Reordering of dimensions: dimension $k$ of the result is dimension $o_k$ of the input."""

    @staticmethod
    def forward(ctx: Context, a: Tensor, order: Tensor) -> Tensor:
        """Reorder the dimensions of a."""
        raise NotImplementedError("Task 2.3: Reorder the dimensions of a.")

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, float]:
        r"""Apply the chain rule to a reordering: each derivative goes back where its cell was.

        The order that undoes $o$ is its inverse, $o^{-1}$ with $o^{-1}_{o_k} = k$. It differs
        from $o$ as soon as three dimensions change places in a ring.
        """
        raise NotImplementedError(
            "Task 2.4: Apply the chain rule to a reordering: each derivative goes back where its cell was."
        )


class View(Function):
    """Another shape over the same cells, counted row by row."""

    @staticmethod
    def forward(ctx: Context, a: Tensor, shape: Tensor) -> Tensor:
        """Give a another shape; a must be contiguous, because its storage is shared."""
        assert a._tensor.is_contiguous(), "only a contiguous tensor can be viewed"
        ctx.save_for_backward(a.shape)
        return a._new(TensorData(a._tensor._storage, tuple(to_ints(shape))))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, float]:
        """Apply the chain rule to a renaming of cells: give the derivatives the old shape."""
        (shape,) = ctx.saved_values
        # The derivatives may arrive in any layout, for instance from a permute, so they are
        # copied into row-by-row order before their storage is given the old shape.
        in_order = grad_output.f.id_map(grad_output)
        return grad_output._new(TensorData(in_order._tensor._storage, shape)), 0.0


class Copy(Function):
    r"""A copy laid out row by row, $f(a) = a$."""

    @staticmethod
    def forward(ctx: Context, a: Tensor) -> Tensor:
        """Copy each cell."""
        return a.f.id_map(a)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Tensor:
        r"""Apply the chain rule with $f'(a) = 1$."""
        return grad_output


class MatMul(Function):
    r"""Product of matrices, $f(a, b)_{n, i, j} = \sum_k a_{n, i, k} \, b_{n, k, j}$, in batches."""

    @staticmethod
    def forward(ctx: Context, t1: Tensor, t2: Tensor) -> Tensor:
        """Multiply two matrices, or two batches of them, which are broadcast."""
        ctx.save_for_backward(t1, t2)
        return t1.f.matrix_multiply(t1, t2)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        r"""Apply the chain rule: with the derivatives $d$ as matrices, $d \, b^T$ and $a^T d$."""
        t1, t2 = ctx.saved_values
        f = grad_output.f
        return (
            f.matrix_multiply(grad_output, transposed(t2)),
            f.matrix_multiply(transposed(t1), grad_output),
        )


def transposed(t: Tensor) -> Tensor:
    """Exchange the last two dimensions; no number moves."""
    order = [*range(t.dims - 2), t.dims - 1, t.dims - 2]
    return t._new(t._tensor.permute(*order))


# Tensors from nothing: constructors for users.


def _make(
    values: Sequence[float] | Storage,
    shape: UserShape,
    backend: TensorBackend,
    requires_grad: bool,
) -> Tensor:
    from .tensor import Tensor

    made = Tensor.make(values, shape, backend=backend)
    made.requires_grad_(requires_grad)
    return made


def zeros(shape: UserShape, backend: TensorBackend = SimpleBackend) -> Tensor:
    """Make a constant tensor of the given shape (a tuple) filled with 0."""
    return _make(np.zeros(math.prod(shape)), shape, backend, requires_grad=False)


def rand(
    shape: UserShape, backend: TensorBackend = SimpleBackend, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of the given shape (a tuple) with cells drawn evenly from [0, 1)."""
    values = [random.random() for _ in range(math.prod(shape))]
    return _make(values, shape, backend, requires_grad)


def tensor(ls: Any, backend: TensorBackend = SimpleBackend, requires_grad: bool = False) -> Tensor:
    """Make a tensor from nested lists.

    Args:
        ls: a number, or a list (or tuple) of such lists, all of one level equally long.
        backend: the functions to compute with.
        requires_grad: whether to collect a gradient.

    Returns:
        A tensor with one dimension for each level of nesting.
    """

    def shape_of(ls: Any) -> list[int]:
        if not isinstance(ls, (list, tuple)):
            return []
        return [len(ls), *(shape_of(ls[0]) if ls else [])]

    def cells_of(ls: Any) -> list[float]:
        if not isinstance(ls, (list, tuple)):
            return [float(ls)]
        return [cell for row in ls for cell in cells_of(row)]

    return _make(cells_of(ls), tuple(shape_of(ls)), backend, requires_grad)


# Checking a gradient.


def grad_central_difference(
    f: Callable[..., Tensor],
    *vals: Tensor,
    arg: int = 0,
    epsilon: float = 1e-6,
    ind: UserIndex,
) -> float:
    r"""Approximate the derivative of $\sum_i f(x)_i$ by one cell of one argument.

    Args:
        f: a function of n tensors that returns a tensor.
        vals: the n tensors to evaluate it at.
        arg: the number of the argument.
        epsilon: the step to either side.
        ind: the index of the cell in that argument.
    """
    x = vals[arg]

    def total(cell: float) -> float:
        changed = x.contiguous().detach()
        changed[ind] = cell
        return f(*vals[:arg], changed, *vals[arg + 1 :]).sum().item()

    result: float = central_difference(total, x[ind], epsilon=epsilon)
    return result


def grad_check(f: Callable[..., Tensor], *vals: Tensor) -> None:
    r"""Compare the gradients that backward finds with central differences, in every cell.

    The function checked is $\sum_i f(x)_i$, because a central difference needs a single number.

    Args:
        f: a function of n tensors that returns a tensor.
        vals: the n tensors to evaluate it at; they become leaves and lose the gradient they had.

    Raises:
        AssertionError: if a derivative is off by more than one part in a hundred.
    """
    for x in vals:
        x.requires_grad_(True)
        x.zero_grad_()
    f(*vals).sum().backward()

    for arg, x in enumerate(vals):
        for index in x._tensor.indices():
            expected = grad_central_difference(f, *vals, arg=arg, ind=index)
            found = 0.0 if x.grad is None else x.grad[index]
            if not abs(found - expected) <= 1e-2 * (1.0 + abs(expected)):
                raise AssertionError(
                    f"the derivative by argument {arg} at {index} is {found}, "
                    f"but the central difference is {expected}"
                )
