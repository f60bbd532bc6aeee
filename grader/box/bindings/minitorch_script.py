"""Writes what the methods of the `minitorch` binding do as lines of Python for a student to paste."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from grader.box.bindings import plain
from grader.box.bindings.plain import Code, literal

INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "lt": "<",
    "gt": ">",
    "eq": "==",
    "matmul": "@",
}
NUMBER_RIGHT = {
    "add_number": "+",
    "mul_number": "*",
    "sub_number": "-",
    "div_number": "/",
    "lt_number": "<",
    "gt_number": ">",
    "eq_number": "==",
}
NUMBER_LEFT = {"number_add": "+", "number_mul": "*", "number_div": "/"}


class Script(plain.Script):
    """See the module's docstring."""

    context_source = "minitorch.autodiff"
    backend = ""  # a further argument of every tensor

    def step(self, name: str, rest: list[Any], names: list[str]) -> str:
        """One step of a straight-line program as an expression."""
        if name in INFIX:
            return f"{names[rest[0]]} {INFIX[name]} {names[rest[1]]}"
        if name in NUMBER_RIGHT:
            return f"{names[rest[0]]} {NUMBER_RIGHT[name]} {literal(rest[1])}"
        if name in NUMBER_LEFT:
            return f"{literal(rest[1])} {NUMBER_LEFT[name]} {names[rest[0]]}"
        if name == "neg":
            return f"-{names[rest[0]]}"
        if name == "is_close":
            return f"{names[rest[0]]}.is_close({names[rest[1]]})"
        method = {"sum_all": "sum", "mean_all": "mean"}.get(name, name)
        arguments = rest[1:]
        if name in ("permute", "view"):
            arguments = list(rest[1])
        return f"{names[rest[0]]}.{method}({', '.join(map(literal, arguments))})"

    def program(self, program: list[list[Any]], names: list[str]) -> str:
        """The lines of a program; returns the name of its output."""
        for place, (name, *rest) in enumerate(program):
            self.lines.append(f"y{place} = {self.step(name, rest, names)}")
            names = [*names, f"y{place}"]
        return names[-1]

    # Names are imported from the file that defines them: not every module's package brings them all.

    def scalars(self, values: list[float], given: list[str] | None = None) -> list[str]:
        self.imported("minitorch.scalar", "Scalar")
        names = [f"x{place}" for place in range(len(values))]
        for place, value in enumerate(values):
            extra = "" if given is None else f", name={given[place]!r}"
            self.lines.append(f"x{place} = Scalar({literal(value)}{extra})")
        return names

    def scalar(self, value: float, name: str | None = None) -> None:
        self.imported("minitorch.scalar", "Scalar")
        self.lines.append(f"Scalar({literal(value)})")

    def scalar_method(self, program: list[list[Any]], values: list[float]) -> None:
        self.lines.append(f"print({self.program(program, self.scalars(values))}.data)")

    def scalar_gradients(
        self,
        program: list[list[Any]],
        values: list[float],
        upstream: float,
        names: list[str] | None = None,
        again: Sequence[float] = (),
    ) -> None:
        leaves = self.scalars(values, names)
        output = self.program(program, leaves)
        self.lines += [f"{output}.backward({literal(d)})" for d in (upstream, *again)]
        self.lines.append(
            f"print({output}.data, {', '.join(f'{leaf}.derivative' for leaf in leaves)})"
        )

    def backward_calls(self, program: list[list[Any]], values: list[float], name: str) -> None:
        self.lines.clear()
        output = self.program(program, self.scalars(values))
        self.lines.append(f"{output}.backward(1.0)  # count how often {name}.backward is called")

    def chain_rule(
        self, function: Any, values: list[float], upstream: float, places: list[int]
    ) -> None:
        names = self.scalars(values)
        self.lines.append(f"y = F.apply({', '.join(names[place] for place in places)})")
        self.lines.append(f"print(list(y.chain_rule({literal(upstream)})))")

    def tensors(self, arrays: list[Any], orders: list[list[int]] | None) -> list[str]:
        self.imported("minitorch.tensor_functions", "tensor")
        names = []
        for place, array in enumerate(arrays):
            name = f"x{place}"
            order = None if orders is None else orders[place]
            if order is None or order == sorted(order):
                self.lines.append(f"{name} = tensor({literal(array)}{self.backend})")
            else:
                # The same numbers, laid out in another order: a permuted view of a row-major tensor.
                back = [order.index(axis) for axis in range(len(order))]
                laid = literal(array.transpose(order))
                self.lines.append(
                    f"{name} = tensor({laid}{self.backend}).permute({', '.join(map(str, back))})"
                )
            names.append(name)
        return names

    def tensor_value(
        self, program: list[list[Any]], arrays: list[Any], orders: list[list[int]] | None = None
    ) -> None:
        self.lines.append(f"print({self.program(program, self.tensors(arrays, orders))})")

    def tensor_gradients(
        self,
        program: list[list[Any]],
        arrays: list[Any],
        upstream: Any,
        orders: list[list[int]] | None = None,
        again: Sequence[Any] = (),
        forget: bool = False,
    ) -> None:
        names = self.tensors(arrays, orders)
        self.lines += [f"{name}.requires_grad_(True)" for name in names]
        output = self.program(program, names)
        self.lines.append(f"{output}.backward(tensor({literal(upstream)}{self.backend}))")
        for d in again:
            self.lines += [f"{name}.zero_grad_()" for name in names if forget]
            self.lines.append(f"{output}.backward(tensor({literal(d)}{self.backend}))")
        self.lines.append(f"print({output})")
        self.lines.append(f"print({', '.join(f'{name}.grad' for name in names)})")

    def tensor_vjp(self, name: str, arrays: list[Any], upstream: Any, *extra: Any) -> None:
        short = self.take(f"tensor_functions.{name}")
        self.imported(self.context_source, "Context")
        names = self.tensors(arrays, None)
        for place, value in enumerate(extra):
            self.lines.append(
                f"n{place} = tensor({literal(value if isinstance(value, list) else [value])}"
                f"{self.backend})"
            )
            names.append(f"n{place}")
        self.lines += [
            "ctx = Context()",
            f"{short}.forward({', '.join(['ctx', *names])})",
            f"print({short}.backward(ctx, tensor({literal(upstream)}{self.backend})))",
        ]

    def integers(self, values: Any) -> Code:
        self.numpy()
        return Code(f"np.array({literal(values)})")

    def numpy(self) -> None:
        if "import numpy as np" not in self.lines:
            self.lines.insert(0, "import numpy as np")

    def scalar_function(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        base = self.take("scalar_functions.ScalarFunction")
        halves = {"forward": forward, "backward": backward}
        body = ", ".join(f"{name!r}: staticmethod({literal(f)})" for name, f in halves.items())
        self.lines.append(f"F = type('F', ({base},), {{{body}}})")

    def tensor_data(self, storage: Any, shape: Any, strides: Any) -> None:
        self.imported("minitorch.tensor_data", "TensorData")
        self.lines.append(
            f"data = TensorData({literal(storage)}, {tuple(shape)}, {strides and tuple(strides)})"
        )

    def shape_from(self, name: str, *shapes: Any) -> None:
        short = self.take(f"tensor_data.{name}")
        self.lines.append(f"print({short}({', '.join(str(tuple(shape)) for shape in shapes)}))")

    def index_from(self, name: str, dims: int, *args: Any) -> None:
        short = self.take(f"tensor_data.{name}")
        self.numpy()
        given = [f"np.array({arg})" if isinstance(arg, list) else repr(arg) for arg in args]
        self.lines += [
            f"index = np.array({[-1] * dims})",
            f"{short}({', '.join([*given, 'index'])})",
            "print(index)",
        ]

    def data_layout(self, data: Any) -> None:
        self.lines.append("print(data.shape, data.strides, data._storage)")

    def kernel_of(self, name: str, function: Callable[..., float] | None) -> str:
        """The expression of a kernel."""
        return f"{self.take(f'tensor_ops.tensor_{name}')}({literal(function)})"

    def kernel(
        self,
        name: str,
        function: Callable[..., float] | None,
        shape: Any,
        order: Any,
        fill: float,
        inputs: list[tuple[Any, Any]],
        *extra: Any,
    ) -> None:
        kernel = self.kernel_of(name, function)
        self.numpy()
        storage, sides, strides = laid_out(shape, order)
        self.lines.append(f"out = np.full({storage}, {fill!r})")
        arguments = [f"out, np.array({sides}), np.array({strides})"]
        for place, (array, layout) in enumerate(inputs):
            numbers = array.transpose(list(layout)).reshape(-1)
            _, sides, strides = laid_out(array.shape, layout)
            self.lines.append(f"in{place} = np.array({literal(numbers)})")
            arguments.append(f"in{place}, np.array({sides}), np.array({strides})")
        arguments += [repr(value) for value in extra]
        self.lines.append(f"{kernel}({', '.join(arguments)})")
        _, sides, strides = laid_out(shape, order)
        places = [8 * stride for stride in strides]
        whole = f"out.reshape({sides})"
        if list(order) != sorted(order):
            whole = f"np.lib.stride_tricks.as_strided(out, {sides}, {places})"
        self.lines.append(f"print({whole})")


def laid_out(shape: Any, order: Any) -> tuple[int, list[int], list[int]]:
    """Cells, sides and strides of a tensor of that shape, with its axes in that order in storage."""
    strides = [0] * len(shape)
    step = 1
    for axis in reversed(list(order)):
        strides[axis] = step
        step *= shape[axis]
    return step, [int(n) for n in shape], strides
