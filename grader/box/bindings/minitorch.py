"""Binding `minitorch`: a package `minitorch` of 2022 or later (modules 1 and 2, and what they build on).

Student objects are built and read through the least of their API that the course itself gives:
`Tensor.make` and a tensor's storage, shape and strides. Nothing here calls the student's comparison,
printing or conversion methods.
"""

from __future__ import annotations

import operator
import os
import types
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from grader.box.bindings import training, vintages
from grader.box.bindings.plain import Context, Functions, number
from grader.box.faults import Blocked, InputMutated, Missing
from grader.box.imports import Package

Step = list[
    Any
]  # ["mul", 0, 1]: an operation and the places of its operands among all values so far

MAX_CELLS = 1 << 22

# The operations of a straight-line program. Operands are the student's objects; what a table entry takes
# after them are plain constants.
SCALAR_STEPS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "neg": operator.neg,
    "lt": operator.lt,
    "gt": operator.gt,
    "eq": operator.eq,
    "log": lambda a: a.log(),
    "exp": lambda a: a.exp(),
    "sigmoid": lambda a: a.sigmoid(),
    "relu": lambda a: a.relu(),
    "add_number": lambda a, c: a + c,
    "number_add": lambda a, c: c + a,
    "mul_number": lambda a, c: a * c,
    "number_mul": lambda a, c: c * a,
    "sub_number": lambda a, c: a - c,
    "lt_number": lambda a, c: a < c,
    "gt_number": lambda a, c: a > c,
    "eq_number": lambda a, c: a == c,
    "div_number": lambda a, c: a / c,
    "number_div": lambda a, c: c / a,
}
TENSOR_STEPS: dict[str, Callable[..., Any]] = SCALAR_STEPS | {
    "is_close": lambda a, b: a.is_close(b),
    "sum": lambda a, dim: a.sum(dim),
    "sum_all": lambda a: a.sum(),
    "mean": lambda a, dim: a.mean(dim),
    "mean_all": lambda a: a.mean(),
    "all": lambda a: a.all(),
    "permute": lambda a, order: a.permute(*order),
    "view": lambda a, shape: a.view(*shape),
    "contiguous": lambda a: a.contiguous(),
}
OPERANDS = dict.fromkeys(("add", "sub", "mul", "div", "lt", "gt", "eq", "is_close", "matmul"), 2)


def innermost(error: BaseException) -> types.CodeType:
    """The code that raised an exception that was caught."""
    trace = error.__traceback__
    assert trace is not None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code


def execute(
    steps: dict[str, Callable[..., Any]], program: list[Step], leaves: Sequence[Any]
) -> Any:
    """Runs a straight-line program; the last value is its output. See `Step`."""
    values = list(leaves)
    for name, *rest in program:
        places = OPERANDS.get(name, 1)
        operands = [values[place] for place in rest[:places]]
        try:
            values.append(steps[name](*operands, *rest[places:]))
        except TypeError as error:
            # `a + b` on a class without __add__: the name is missing, not the maths wrong.
            refused = any(words in str(error) for words in ("unsupported operand", "not supported"))
            if refused and innermost(error).co_filename == __file__:
                raise Missing(
                    f"{type(operands[0]).__name__} has no operator for {name!r}"
                ) from None
            raise
    return values[-1]


class MiniTorch(Functions):
    """The vocabulary over a student's `minitorch` package.

    steps: the operations of a program over tensors.
    """

    steps: ClassVar[dict[str, Callable[..., Any]]] = TENSOR_STEPS
    matrices = False  # whether Tensors are to be multiplied by `@`
    number = staticmethod(number)  # `lt` and `eq` give 1.0 or True, as one likes
    any_year = False  # whether packages of 2020 and 2021 can be asked as well

    def __init__(self, package: Package, prefix: str) -> None:
        super().__init__(package, prefix)
        if not self.any_year:
            self.refused = vintages.refusal(os.path.join(package.root, prefix))

    def get(self, path: str) -> Any:
        """As ever; Blocked for everything in a package of a year whose API is another one."""
        if self.refused:
            raise Blocked(self.refused)
        return super().get(path)

    def context(self) -> Any:
        """The student's own Context, so that what it saves is read the way it saves it."""
        try:
            return self.get("autodiff.Context")()
        except (Missing, Blocked):
            return Context()

    # Scalars

    def scalar(self, value: float, name: str | None = None) -> Any:
        """A leaf of the student's Scalar."""
        make = self.get("scalar.Scalar")
        return make(value) if name is None else make(value, name=name)

    def scalar_method(self, program: list[Step], values: list[float]) -> Any:
        """The value of a program over Scalars."""
        return number(self.data(execute(SCALAR_STEPS, program, [self.scalar(v) for v in values])))

    def data(self, scalar: Any) -> Any:
        return self.attribute(scalar, "data", "the result (a Scalar is expected)")

    def scalar_gradients(
        self,
        program: list[Step],
        values: list[float],
        upstream: float,
        names: list[str] | None = None,
        again: Sequence[float] = (),
    ) -> dict[str, Any]:
        """Runs a program over Scalars and `backward(upstream)`: its value and each leaf's derivative.

        again: upstreams of further calls of `backward` on the same output.
        """
        leaves = [self.scalar(v, None if names is None else names[i]) for i, v in enumerate(values)]
        output = execute(SCALAR_STEPS, program, leaves)
        backward = self.attribute(output, "backward", "the result (a Scalar is expected)")
        for d in (upstream, *again):
            backward(d)
        return {
            "value": number(self.data(output)),
            "gradients": [number(leaf.derivative) for leaf in leaves],
        }

    def scalar_function(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> Any:
        """A Function of ours over the student's ScalarFunction base, for what must not depend on theirs."""
        base = self.get("scalar_functions.ScalarFunction")
        body = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
        return type("Given", (base,), body)

    def chain_rule(
        self, function: Any, values: list[float], upstream: float, places: list[int]
    ) -> list[list[Any]]:
        """`chain_rule(upstream)` of `function` applied to leaves: pairs of (which leaf, derivative).

        places: which leaf each argument is; a leaf may come twice.
        """
        leaves = [self.scalar(v) for v in values]
        output = function.apply(*[leaves[place] for place in places])
        pairs = self.attribute(output, "chain_rule", "Scalar")(upstream)
        found = []
        for variable, derivative in pairs:
            which = [i for i, leaf in enumerate(leaves) if leaf is variable]
            if not which:
                which = [i for i, leaf in enumerate(leaves) if leaf.unique_id == variable.unique_id]
            found.append([which[0] if which else "another variable", number(derivative)])
            if len(found) > 100:
                break
        return found

    def backward_calls(self, program: list[Step], values: list[float], name: str) -> int:
        """How often `name.backward` is called while a program's gradients are computed."""
        function = self.get(f"scalar_functions.{name}")
        backward = self.attribute(function, "backward", name)
        calls = 0

        def counted(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            return backward(*args)

        own = vars(function).get("backward")
        function.backward = staticmethod(counted)
        try:
            self.scalar_gradients(program, values, 1.0)
        finally:
            if own is None:
                del function.backward
            else:
                function.backward = own
        return calls

    # Tensors

    def backend(self) -> Any:
        # From its own file: a package whose __init__ breaks costs only what uses it.
        return self.get("tensor_ops.SimpleBackend")

    def make(self, array: Any, order: Sequence[int] | None = None, *, grad: bool = True) -> Any:
        """A student's Tensor that holds `array`.

        order: which axis lies where in storage, outermost first; None for the usual row-major layout.
        """
        import numpy as np

        array = np.asarray(array, dtype=np.float64)
        storage, shape, strides = self.laid(array, range(array.ndim) if order is None else order)
        make = self.attribute(self.get("tensor.Tensor"), "make", "Tensor")
        tensor = make(
            storage,
            tuple(int(n) for n in shape),
            tuple(int(n) for n in strides),
            backend=self.backend(),
        )
        if grad:
            self.attribute(tensor, "requires_grad_", "Tensor")(True)
        return tensor

    def array(self, tensor: Any, owner: str = "the result") -> Any:
        """The numbers of a student's Tensor as an array, by its storage, shape and strides; anything
        that is no tensor comes back as `number` reads it."""
        data = getattr(tensor, "_tensor", tensor)
        storage = getattr(data, "_storage", None)
        shape, strides = getattr(data, "_shape", None), getattr(data, "_strides", None)
        if storage is None or shape is None or strides is None:
            return number(tensor)
        return self.strided(storage, shape, strides, owner)

    def strided(self, storage: Any, shape: Any, strides: Any, owner: str) -> Any:
        """The numbers that storage, shape and strides describe, each place checked against the storage."""
        import numpy as np

        storage = np.ascontiguousarray(storage, dtype=np.float64).reshape(-1)
        shape = [int(n) for n in shape]
        strides = [int(n) for n in strides]
        if len(shape) != len(strides):
            raise ValueError(f"{owner} has shape {tuple(shape)} but strides {tuple(strides)}")
        cells, last = 1, 0
        for n, stride in zip(shape, strides, strict=True):
            cells *= n
            last += (n - 1) * stride
        if cells > MAX_CELLS or any(n < 0 for n in shape):
            raise ValueError(f"{owner} has shape {tuple(shape)}")
        if cells and (last >= storage.size or any(stride < 0 for stride in strides)):
            raise IndexError(f"{owner} of shape {tuple(shape)} reaches outside its storage")
        if not cells:
            return np.zeros(shape)
        return np.ndarray(shape, np.float64, storage, 0, [8 * s for s in strides]).copy()

    def read(self, value: Any) -> Any:
        """A gradient as plain data: a Tensor as an array, a number as a float, None as None."""
        return value if value is None else self.array(value, "the gradient")

    def tensor_value(
        self, program: list[Step], arrays: list[Any], orders: list[list[int]] | None = None
    ) -> Any:
        """The output of a program over the student's Tensors."""
        leaves = self.leaves(arrays, orders)
        output = self.array(execute(self.steps, program, leaves))
        self.unchanged(leaves, arrays)
        return output

    def leaves(self, arrays: list[Any], orders: list[list[int]] | None) -> list[Any]:
        return [self.make(a, None if orders is None else orders[i]) for i, a in enumerate(arrays)]

    def unchanged(self, leaves: list[Any], arrays: list[Any]) -> None:
        """Raises InputMutated when the student's code wrote into an input tensor."""
        for place, (leaf, array) in enumerate(zip(leaves, arrays, strict=True)):
            now = self.array(leaf, "the input")
            if now.shape != array.shape or now.tobytes() != array.tobytes():
                raise InputMutated(f"x{place}")

    def tensor_gradients(
        self,
        program: list[Step],
        arrays: list[Any],
        upstream: Any,
        orders: list[list[int]] | None = None,
        again: Sequence[Any] = (),
        forget: bool = False,
    ) -> dict[str, Any]:
        """A program over Tensors and `backward(upstream)`: its value and every leaf's gradient.

        again: upstreams of further calls of `backward` on the same output; forget: whether every leaf's
        `zero_grad_` is called before each of these.
        """
        leaves = self.leaves(arrays, orders)
        output = execute(self.steps, program, leaves)
        backward = self.attribute(output, "backward", "the result (a Tensor is expected)")
        backward(self.make(upstream, grad=False))
        for d in again:
            for leaf in leaves if forget else ():
                self.attribute(leaf, "zero_grad_", "Tensor")()
            backward(self.make(d, grad=False))
        self.unchanged(leaves, arrays)
        return {
            "value": self.array(output),
            "gradients": [self.read(leaf.grad) for leaf in leaves],
        }

    def tensor_vjp(self, name: str, arrays: list[Any], upstream: Any, *extra: Any) -> Any:
        """`name.backward` right after `name.forward` on Tensors, as a list of arrays.

        extra: integers or lists of them that MiniTorch passes as tensors (a dimension, an order); their
        own gradients are left out.
        """
        function = self.get(f"tensor_functions.{name}")
        backward = self.attribute(function, "backward", name)
        ctx = self.context()
        leaves = [self.make(a) for a in arrays]
        more = [self.make([float(i) for i in (e if isinstance(e, list) else [e])]) for e in extra]
        self.attribute(function, "forward", name)(ctx, *leaves, *more)
        returned = backward(ctx, self.make(upstream, grad=False))
        self.unchanged(leaves, arrays)
        found = list(returned) if isinstance(returned, (tuple, list)) else [returned]
        return [self.read(g) for g in (found[: len(arrays)] if extra else found)]

    # Training

    def train(self, what: str, *data: Any) -> dict[str, Any]:
        """What the student's Scalars or Tensors learn from a few points; see `training`."""
        return {"scalars": training.scalars, "tensors": training.tensors}[what](self, *data)

    # Storage, shape and strides

    def tensor_data(self, storage: Any, shape: Sequence[int], strides: Sequence[int] | None) -> Any:
        return self.get("tensor_data.TensorData")(
            storage, tuple(shape), None if strides is None else tuple(strides)
        )

    def data_layout(self, data: Any) -> dict[str, Any]:
        """A TensorData as shape, strides and the values at every index."""
        return {
            "shape": [int(n) for n in data.shape],
            "strides": [int(n) for n in data.strides],
            "values": self.array(data),
        }

    def shape_from(self, name: str, *shapes: Sequence[int]) -> Any:
        """The shape that a function of `tensor_data` makes of shapes; the text "raises IndexingError"
        when it raises that. Other exceptions go on."""
        refusal = self.get("tensor_data.IndexingError")
        try:
            return [int(n) for n in self.get(f"tensor_data.{name}")(*map(tuple, shapes))]
        except refusal:
            return "raises IndexingError"

    def index_from(self, name: str, dims: int, *args: Any) -> list[int]:
        """The index that a function of `tensor_data` writes into its last argument, filled with -1 before."""
        out = self.integers([-1] * dims)
        given = [self.integers(arg) if isinstance(arg, list) else arg for arg in args]
        self.get(f"tensor_data.{name}")(*given, out)
        return [int(i) for i in out]

    def integers(self, values: Sequence[int]) -> Any:
        import numpy as np

        return np.array(values, dtype=np.int64)

    def kernel(
        self,
        name: str,
        function: Callable[..., float],
        shape: Sequence[int],
        order: Sequence[int],
        fill: float,
        inputs: Sequence[tuple[Any, Sequence[int]]],
        *extra: Any,
    ) -> Any:
        """What `tensor_map(fn)`, `tensor_zip(fn)` or `tensor_reduce(fn)` writes into an output of that
        shape and layout, filled with `fill` before. The inputs must stay as they are."""
        import numpy as np

        kernel = self.get(f"tensor_ops.tensor_{name}")(function)
        output = self.laid(np.full(shape, fill), order)
        given = [self.laid(array, layout) for array, layout in inputs]
        kernel(*output, *[part for triple in given for part in triple], *extra)
        for place, ((storage, _, strides), (array, layout)) in enumerate(
            zip(given, inputs, strict=True)
        ):
            if (
                storage.tobytes() != self.laid(array, layout)[0].tobytes()
                or len(strides) != array.ndim
            ):
                raise InputMutated(f"in{place}")
        return self.strided(*output, "out")

    def laid(self, array: Any, order: Sequence[int]) -> tuple[Any, Any, Any]:
        """Storage, shape and strides of an array laid out in that order of axes, outermost first."""
        import numpy as np

        laid = np.ascontiguousarray(np.asarray(array, dtype=np.float64).transpose(list(order)))
        strides = [0] * laid.ndim
        step = 1
        for place in reversed(range(laid.ndim)):
            strides[order[place]] = step
            step *= laid.shape[place]
        storage = laid.reshape(-1)
        if np.shares_memory(storage, array):
            storage = storage.copy()
        return storage, self.integers(array.shape), self.integers(strides)


def bind(package: Package) -> MiniTorch:
    """The subject for the package `minitorch`."""
    return MiniTorch(package, "minitorch")


def __getattr__(name: str) -> Any:
    if name == "Script":
        from grader.box.bindings.minitorch_script import Script

        return Script
    raise AttributeError(name)
