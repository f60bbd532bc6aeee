"""Writes what the methods of the `minitorch_fast` binding do as lines of Python for a student to paste."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from grader.box.bindings import minitorch_script
from grader.box.bindings.minitorch_fast import grid
from grader.box.bindings.plain import literal

MAX_CHARACTERS = 4000


class Script(minitorch_script.Script):
    """See the module's docstring."""

    backend = ", backend=fast"

    def tensors(self, arrays: list[Any], orders: list[list[int]] | None) -> list[str]:
        self.imported("minitorch.fast_ops", "FastOps")
        self.imported("minitorch.tensor_ops", "TensorBackend")
        if "fast = TensorBackend(FastOps)" not in self.lines:
            self.lines.append("fast = TensorBackend(FastOps)")
        return super().tensors(arrays, orders)

    def kernel_of(self, name: str, function: Callable[..., float] | None) -> str:
        kernel = self.take(f"fast_ops.tensor_{name}")
        if function is None:
            return kernel
        self.imported("numba", "njit")
        return f"{kernel}(njit({literal(function)}))"

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
        super().kernel(name, function, shape, order, fill, inputs, *extra)
        if sum(map(len, self.lines)) > MAX_CHARACTERS:
            self.lines.clear()  # more numbers than anybody wants to paste

    def grid(self, shape: Sequence[int], first: int = 0) -> Any:
        return grid(shape, first)
