"""Writes what the methods of the `minitorch_nets` binding do as lines of Python for a student to paste."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grader.box.bindings import minitorch_script
from grader.box.bindings.minitorch_script import laid_out
from grader.box.bindings.plain import literal


class Script(minitorch_script.Script):
    """See the module's docstring."""

    def applied_to(self, path: str, names: Sequence[str], extra: Sequence[Any]) -> str:
        """The call of a function on tensors and plain arguments."""
        given = [repr(tuple(e)) if isinstance(e, (list, tuple)) else literal(e) for e in extra]
        return f"{self.take(path)}({', '.join([*names, *given])})"

    def net_value(
        self,
        path: str,
        arrays: list[Any],
        *extra: Any,
        orders: list[list[int]] | None = None,
    ) -> None:
        self.lines.append(f"print({self.applied_to(path, self.tensors(arrays, orders), extra)})")

    def net_gradients(
        self,
        path: str,
        arrays: list[Any],
        upstream: Any,
        *extra: Any,
        orders: list[list[int]] | None = None,
    ) -> None:
        names = self.tensors(arrays, orders)
        if path.startswith("nn."):
            self.imported("minitorch.tensor_functions", "View")
            self.lines += [
                "# The given View.backward needs its gradient row by row.",
                "back = View.backward",
                "View.backward = staticmethod(lambda ctx, d: back(ctx, d.contiguous().detach()))",
            ]
        self.lines += [f"{name}.requires_grad_(True)" for name in names]
        self.lines += [
            f"y = {self.applied_to(path, names, extra)}",
            f"y.backward(tensor({literal(upstream)}))",
            "print(y)",
            f"print({', '.join(f'{name}.grad' for name in names)})",
        ]

    def gradients_apart(
        self, path: str, calls: list[list[Any]], upstreams: list[Any], *extra: Any
    ) -> None:
        names = self.tensors([array for arrays in calls for array in arrays], None)
        self.lines += [f"{name}.requires_grad_(True)" for name in names]
        left = iter(names)
        for place, arrays in enumerate(calls):
            given = [next(left) for _ in arrays]
            self.lines.append(f"y{place} = {self.applied_to(path, given, extra)}")
        for place, upstream in enumerate(upstreams):
            self.lines.append(f"y{place}.backward(tensor({literal(upstream)}))")
        self.lines.append(f"print({', '.join(f'{name}.grad' for name in names)})")

    def shares(
        self,
        path: str,
        a: Any,
        upstream: Any,
        *extra: Any,
        split: Sequence[int],
        axes: Sequence[int],
    ) -> None:
        self.net_gradients(path, [a], upstream, *extra)

    def marks(self, path: str, a: Any, dim: int) -> None:
        self.net_value(path, [a], dim)

    def windows(self, a: Any, kernel: list[int], order: list[int] | None = None) -> None:
        self.net_value("nn.tile", [a], kernel, orders=None if order is None else [order])

    def convolution(
        self,
        shape: Sequence[int],
        out_order: Sequence[int],
        input: Any,
        input_order: Sequence[int],
        weight: Any,
        weight_order: Sequence[int],
        reverse: bool,
    ) -> None:
        kernel = self.take(f"fast_conv.tensor_conv{len(shape) - 2}d")
        self.numpy()
        size, sides, strides = laid_out(shape, out_order)
        self.lines.append(f"out = np.zeros({size})")
        arguments = [f"out, np.array({sides}), np.array({strides}), {size}"]
        for name, array, order in (
            ("input", input, input_order),
            ("weight", weight, weight_order),
        ):
            _, own_sides, own_strides = laid_out(array.shape, order)
            numbers = array.transpose(list(order)).reshape(-1)
            self.lines.append(f"{name} = np.array({literal(numbers)})")
            arguments.append(f"{name}, np.array({own_sides}), np.array({own_strides})")
        self.lines.append(f"{kernel}({', '.join([*arguments, str(bool(reverse))])})")
        whole = f"out.reshape({sides})"
        if list(out_order) != sorted(out_order):
            places = [8 * stride for stride in strides]
            whole = f"np.lib.stride_tricks.as_strided(out, {sides}, {places})"
        self.lines.append(f"print({whole})")

    # Dropout: what is counted is left to the student's eye.

    def seeded(self, seed: int) -> None:
        self.lines.insert(0, "import random")
        self.numpy()
        self.lines.append(f"random.seed({seed}); np.random.seed({seed})")

    def dropping(self, shape: Sequence[int], rate: float, seed: int) -> None:
        self.imported("minitorch.tensor_functions", "tensor")
        name = self.take("nn.dropout")
        self.seeded(seed)
        self.lines += [
            f"a = np.random.RandomState({seed + 1}).choice([-4.0, -0.125, 0.125, 4.0], size={tuple(shape)})",
            "x = tensor(a.tolist())",
            f"y = {name}(x, {rate!r})",
            "print(y)",
        ]

    def dropout_counts(self, shape: Sequence[int], rate: float, seed: int) -> None:
        self.dropping(shape, rate, seed)

    def dropout_survivors(self, shape: Sequence[int], rate: float, seed: int) -> None:
        self.dropping(shape, rate, seed)

    def dropout_calls(self, shape: Sequence[int], rate: float, seed: int, calls: int) -> None:
        self.dropping(shape, rate, seed)
        self.lines[-1:] = [f"for _ in range({calls}):", f"    print(dropout(x, {rate!r}))", ""]

    def dropout_gradient(self, shape: Sequence[int], rate: float, seed: int, upstream: Any) -> None:
        self.dropping(shape, rate, seed)
        at = self.lines.index("x = tensor(a.tolist())") + 1
        self.lines.insert(at, "x.requires_grad_(True)")
        self.lines += [f"y.backward(tensor({literal(upstream)}))", "print(x.grad)"]
