"""Writes the launches of the `minitorch_cuda` binding as lines of Python for a student to paste."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from grader.box.bindings import minitorch_fast_script
from grader.box.bindings.minitorch_cuda import BLOCK, REDUCE_BLOCK, blocks_for, ready_name
from grader.box.bindings.minitorch_script import laid_out
from grader.box.bindings.plain import literal

LONG = 12
WITHOUT_GPU = "# without a GPU: NUMBA_ENABLE_CUDASIM=1 python"


class Script(minitorch_fast_script.Script):
    """See the module's docstring."""

    def begin(self, turns: str) -> None:
        self.numpy()
        self.lines.append(WITHOUT_GPU)
        if turns != "forward":
            self.lines.append(f"# the threads of a block ran in this order: {turns}")

    def array(self, name: str, values: Any) -> str:
        """A row of numbers by its name. A long one that rises in equal steps is written shorter."""
        size, first = len(values), literal(values[:1])
        written = f"np.array({literal(values)})"
        if size > LONG and first == "[0.125]" and (values * 8.0 == range(1, size + 1)).all():
            written = f"np.arange(1, {size + 1}) / 8.0"
        self.lines.append(f"{name} = {written}")
        return name

    def cuda_kernel(
        self,
        name: str,
        function: Callable[..., float] | None,
        shape: Sequence[int],
        order: Sequence[int],
        fill: float,
        inputs: list[tuple[Any, Sequence[int]]],
        *extra: Any,
        turns: str = "forward",
    ) -> None:
        kernel = self.take(f"cuda_ops.{name if function else ready_name(name)}")
        self.begin(turns)
        if function is not None:
            self.lines.insert(0, "from numba import cuda")
            kernel = f"{kernel}(cuda.jit(device=True)({literal(function)}))"
        size, sides, strides = laid_out(shape, order)
        self.lines.append(f"out = np.full({size}, {fill!r})")
        arguments = [f"out, np.array({sides}), np.array({strides}), {size}"]
        for place, (values, layout) in enumerate(inputs):
            _, sides, strides = laid_out(values.shape, layout)
            given = self.array("ab"[place], values.transpose(list(layout)).reshape(-1))
            arguments.append(f"{given}, np.array({sides}), np.array({strides})")
        arguments += [repr(value) for value in extra]
        if name.endswith("multiply"):
            launch = (
                f"({blocks_for(shape[1])}, {blocks_for(shape[2])}, {shape[0]}), ({BLOCK}, {BLOCK})"
            )
        elif name.endswith("reduce"):
            launch = f"{size}, {REDUCE_BLOCK}"
        else:
            launch = f"{blocks_for(size)}, {BLOCK}"
        self.lines.append(f"{kernel}[{launch}]({', '.join(arguments)})")
        self.lines.append("print(out)")

    def cuda_sums(self, a: Any, turns: str = "forward") -> None:
        kernel = self.take("cuda_ops.jit_sum_practice")
        self.begin(turns)
        size = len(a)
        given = self.array("a", a)
        self.lines += [
            f"out = np.zeros({size // BLOCK + 1})",
            f"{kernel}[{size // BLOCK + 1}, {BLOCK}](out, {given}, {size})",
            "print(out)",
        ]

    def cuda_product(self, a: Any, b: Any, turns: str = "forward") -> None:
        kernel = self.take("cuda_ops.jit_mm_practice")
        self.begin(turns)
        size = math.isqrt(a.size)
        names = ", ".join(self.array(name, m.reshape(-1)) for name, m in (("a", a), ("b", b)))
        self.lines += [
            f"out = np.zeros({size * size})",
            f"{kernel}[1, ({BLOCK}, {BLOCK})](out, {names}, {size})",
            f"print(out.reshape({size}, {size}))",
        ]
