"""Different: backward works with tensor operators, Functions save outputs and masks, steps give numbers back."""

# ruff: noqa
from __future__ import annotations
import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from .autodiff import Context, central_difference
from .tensor_data import TensorData
from .tensor_ops import SimpleBackend, TensorBackend

if TYPE_CHECKING:
    from .tensor import Tensor
    from .tensor_data import UserIndex, UserShape


def wrap_tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def to_ints(t: Tensor) -> list[int]:
    return [int(t[i]) for i in range(t.size)]


class Function:
    @classmethod
    def _forward(cls, ctx: Context, *inputs: Tensor) -> Tensor:
        return cls.forward(ctx, *inputs)

    @classmethod
    def _backward(cls, ctx: Context, grad_output: Tensor) -> tuple[Any, ...]:
        return wrap_tuple(cls.backward(ctx, grad_output))

    @classmethod
    def apply(cls, *vals: Tensor) -> Tensor:
        from .tensor import History, Tensor

        needs_grad = any((v.requires_grad() for v in vals))
        ctx = Context(no_grad=not needs_grad)
        result = cls._forward(ctx, *(v.detach() for v in vals))
        history = History(cls, ctx, vals) if needs_grad else None
        return Tensor(result._tensor, history, backend=result.backend)


class Neg(Function):
    @staticmethod
    def forward(ctx: Context, t1: Tensor) -> Tensor:
        return t1.f.neg_map(t1)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Tensor:
        return grad_output.f.neg_map(grad_output)


class Inv(Function):
    @staticmethod
    def forward(ctx: Context, t1: Tensor) -> Tensor:
        ctx.save_for_backward(t1)
        return t1.f.inv_map(t1)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Tensor:
        (t1,) = ctx.saved_values
        return grad_output.f.inv_back_zip(t1, grad_output)


class Add(Function):
    @staticmethod
    def forward(ctx: Context, t1: Tensor, t2: Tensor) -> Tensor:
        return t1.f.add_zip(t1, t2)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        return (grad_output, grad_output)


class Mul(Function):
    @staticmethod
    def forward(ctx, t1, t2):
        ctx.save_for_backward(t1, t2)
        return t2.f.mul_zip(t2, t1)

    @staticmethod
    def backward(ctx, grad_output):
        t1, t2 = ctx.saved_tensors
        return (t2 * grad_output, t1 * grad_output)


class Sigmoid(Function):
    @staticmethod
    def forward(ctx, t1):
        out = t1.f.sigmoid_map(t1)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, grad_output):
        (s,) = ctx.saved_tensors
        return grad_output * s * (-s + 1.0)


class ReLU(Function):
    @staticmethod
    def forward(ctx, t1):
        mask = t1.f.lt_zip(t1.zeros(), t1)
        ctx.save_for_backward(mask)
        return t1.f.mul_zip(t1, mask)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.saved_values[0]


class Log(Function):
    @staticmethod
    def forward(ctx: Context, t1: Tensor) -> Tensor:
        ctx.save_for_backward(t1)
        return t1.f.log_map(t1)

    @staticmethod
    def backward(ctx, grad_output):
        a = ctx.saved_values[0]
        return grad_output / a


class Exp(Function):
    @staticmethod
    def forward(ctx, t1):
        ctx.save_for_backward(t1)
        return t1.f.exp_map(t1)

    @staticmethod
    def backward(ctx, grad_output):
        (t1,) = ctx.saved_values
        return Exp.forward(Context(), t1) * grad_output


class Sum(Function):
    @staticmethod
    def forward(ctx, a, dim):
        ctx.save_for_backward(a.shape, dim)
        return a.f.add_reduce(a, int(dim.item()))

    @staticmethod
    def backward(ctx, grad_output):
        shape, dim = ctx.saved_values
        return (grad_output.f.add_zip(grad_output.zeros(shape), grad_output), 0.0)


class All(Function):
    @staticmethod
    def forward(ctx: Context, a: Tensor, dim: Tensor) -> Tensor:
        ctx.save_for_backward(a.shape)
        return a.f.mul_reduce(a, int(dim.item()))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, float]:
        (shape,) = ctx.saved_values
        return (grad_output.zeros(shape), 0.0)


class LT(Function):
    @staticmethod
    def forward(ctx, a, b):
        return a.f.lt_zip(a, b)

    @staticmethod
    def backward(ctx, grad_output):
        return (0.0, 0.0)


class EQ(Function):
    @staticmethod
    def forward(ctx, a, b):
        return a.f.eq_zip(a, b)

    @staticmethod
    def backward(ctx, grad_output):
        return (0.0, 0.0)


class IsClose(Function):
    @staticmethod
    def forward(ctx, a, b):
        return a.f.is_close_zip(a, b)

    @staticmethod
    def backward(ctx, grad_output):
        return (0.0, 0.0)


def minitorch_tensor(a, order):
    from .tensor import Tensor

    return Tensor(a._tensor.permute(*order), backend=a.backend)


class Permute(Function):
    @staticmethod
    def forward(ctx, a, order):
        order = [int(order[i]) for i in range(order.size)]
        ctx.save_for_backward(order)
        return minitorch_tensor(a, order)

    @staticmethod
    def backward(ctx, grad_output):
        (order,) = ctx.saved_values
        undo = sorted(range(len(order)), key=lambda k: order[k])
        return (minitorch_tensor(grad_output, undo), 0.0)


class View(Function):
    @staticmethod
    def forward(ctx: Context, a: Tensor, shape: Tensor) -> Tensor:
        assert a._tensor.is_contiguous(), "only a contiguous tensor can be viewed"
        ctx.save_for_backward(a.shape)
        return a._new(TensorData(a._tensor._storage, tuple(to_ints(shape))))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, float]:
        (shape,) = ctx.saved_values
        in_order = grad_output.f.id_map(grad_output)
        return (grad_output._new(TensorData(in_order._tensor._storage, shape)), 0.0)


class Copy(Function):
    @staticmethod
    def forward(ctx: Context, a: Tensor) -> Tensor:
        return a.f.id_map(a)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Tensor:
        return grad_output


def _make(
    values: Sequence[float], shape: UserShape, backend: TensorBackend, requires_grad: bool
) -> Tensor:
    from .tensor import Tensor

    made = Tensor.make(values, shape, backend=backend)
    made.requires_grad_(requires_grad)
    return made


def zeros(shape: UserShape, backend: TensorBackend = SimpleBackend) -> Tensor:
    return _make([0.0] * math.prod(shape), shape, backend, requires_grad=False)


def rand(
    shape: UserShape, backend: TensorBackend = SimpleBackend, requires_grad: bool = False
) -> Tensor:
    values = [random.random() for _ in range(math.prod(shape))]
    return _make(values, shape, backend, requires_grad)


def tensor(ls: Any, backend: TensorBackend = SimpleBackend, requires_grad: bool = False) -> Tensor:

    def shape_of(ls: Any) -> list[int]:
        if not isinstance(ls, (list, tuple)):
            return []
        return [len(ls), *(shape_of(ls[0]) if ls else [])]

    def cells_of(ls: Any) -> list[float]:
        if not isinstance(ls, (list, tuple)):
            return [float(ls)]
        return [cell for row in ls for cell in cells_of(row)]

    return _make(cells_of(ls), tuple(shape_of(ls)), backend, requires_grad)


def grad_central_difference(
    f: Callable[..., Tensor], *vals: Tensor, arg: int = 0, epsilon: float = 1e-06, ind: UserIndex
) -> float:
    x = vals[arg]

    def total(cell: float) -> float:
        changed = x.contiguous().detach()
        changed[ind] = cell
        return f(*vals[:arg], changed, *vals[arg + 1 :]).sum().item()

    result: float = central_difference(total, x[ind], epsilon=epsilon)
    return result


def grad_check(f: Callable[..., Tensor], *vals: Tensor) -> None:
    for x in vals:
        x.requires_grad_(True)
        x.zero_grad_()
    f(*vals).sum().backward()
    for arg, x in enumerate(vals):
        for index in x._tensor.indices():
            expected = grad_central_difference(f, *vals, arg=arg, ind=index)
            found = 0.0 if x.grad is None else x.grad[index]
            if not abs(found - expected) <= 0.01 * (1.0 + abs(expected)):
                raise AssertionError(
                    f"the derivative by argument {arg} at {index} is {found}, but the central difference is {expected}"
                )
