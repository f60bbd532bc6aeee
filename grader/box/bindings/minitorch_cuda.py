"""Binding `minitorch_cuda`: the kernels of `cuda_ops`, launched one by one.

In the run mode `simulator` a kernel runs in Python, its threads in an order that the question names, and what
it does to memory is seen cell by cell. In `gpu` it runs on a GPU, in `ptx` it is only compiled. Kernels are
launched as the course's own `CudaOps` launches them, but into outputs that are big enough for the grid.
"""

from __future__ import annotations

import contextlib
import dis
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from grader.box import modes
from grader.box.bindings.minitorch_fast import Fast
from grader.box.faults import InputMutated, Missing
from grader.box.imports import Package

BLOCK = 32  # threads of a block of map and zip, and the sides of one of the matrix kernels
REDUCE_BLOCK = 1024
GUARD = 64  # cells before and after an array on a GPU that a kernel must leave alone
MARK = -987654.25
CAPABILITY = (9, 0)
YES = "yes"
ONCE = "each cell once"

Layout = tuple[Any, Sequence[int]]  # an array and the order of its axes in storage


def blocks_for(cells: int) -> int:
    return (int(cells) + BLOCK - 1) // BLOCK


class Memory:
    """One array of a launch, on a GPU: between guards that show whether a kernel wrote outside of it."""

    def __init__(self, values: Any, name: str) -> None:
        import numpy as np
        from numba import cuda

        self.name = name
        self.size = len(values)
        whole = np.full(self.size + 2 * GUARD, MARK)
        whole[GUARD : GUARD + self.size] = values
        self.device = cuda.to_device(whole)
        self.argument = self.device[GUARD : GUARD + self.size]

    def read(self) -> Any:
        """What it holds now. Raises IndexError when something was written beside it."""
        whole = self.device.copy_to_host()
        if (whole[:GUARD] != MARK).any() or (whole[GUARD + self.size :] != MARK).any():
            raise IndexError(
                f"the kernel writes outside of {self.name}, which has {self.size} cells"
            )
        return whole[GUARD : GUARD + self.size].copy()


class Simulated:
    """One array of a launch in the simulator, where every access is seen."""

    def __init__(self, values: Any, name: str) -> None:
        from grader.box.simulator import Cells

        self.argument = Cells(values, name)

    def read(self) -> Any:
        """What it holds now."""
        import numpy as np

        return np.array(self.argument.values, dtype=np.float64)


class Launched:
    """What a launch left behind: the output's cells, and the arrays themselves by their names."""

    def __init__(self, output: Any, arrays: dict[str, Any]) -> None:
        self.output = output
        self.arrays = arrays


class Cuda(Fast):
    """The vocabulary over the kernels of `cuda_ops`, beside those of `fast_ops`."""

    def cuda(self) -> Any:
        from numba import cuda

        return cuda

    def memory(self, values: Any, name: str) -> Any:
        return (Memory if self.mode == modes.GPU else Simulated)(values, name)

    def kernel_of(self, name: str, function: Callable[..., float] | None = None) -> Any:
        """The student's kernel: `tensor_map` and its kin made with `function`, or one that is ready."""
        if function is None:
            return self.ready(name)
        return self.get(f"cuda_ops.{name}")(self.cuda().jit(device=True)(function))

    def ready(self, name: str) -> Any:
        """A kernel of no function: the compiled one, or, where it has another name, its plain body."""
        try:
            return self.get(f"cuda_ops.{ready_name(name)}")
        except Missing:
            return self.cuda().jit(self.get(f"cuda_ops.{name}"))

    def launch(
        self,
        kernel: Any,
        blocks: Any,
        threads: Any,
        arguments: Sequence[Any],
        turns: str,
        watch: Any = None,
    ) -> None:
        """Launches a kernel. turns: the order in which the threads of a block run, where there is one;
        watch: what is to see of it."""
        if self.mode == modes.GPU:
            kernel[blocks, threads](*arguments)
            self.cuda().synchronize()
            return
        from grader.box.simulator import state

        state.order, state.watch = turns, watch
        try:
            kernel[blocks, threads](*arguments)
        finally:
            state.watch = None

    def launched(
        self,
        kernel: Any,
        blocks: Any,
        threads: Any,
        output: Any,
        inputs: dict[str, Any],
        arguments: Callable[..., Sequence[Any]],
        turns: str,
        watch: Any = None,
    ) -> Launched:
        """What a kernel writes into a row of cells. Its inputs must stay as they are.

        arguments: puts the kernel's arguments together from the output and the inputs, as it sees them.
        """
        arrays = {"out": self.memory(output, "out")}
        arrays |= {name: self.memory(values, name) for name, values in inputs.items()}
        given = arguments(*[array.argument for array in arrays.values()])
        self.launch(kernel, blocks, threads, given, turns, watch)
        for name, values in inputs.items():
            if arrays[name].read().tobytes() != values.tobytes():
                raise InputMutated(name)
        return Launched(arrays["out"].read(), arrays)

    # Kernels over tensors

    def cuda_kernel(
        self,
        name: str,
        function: Callable[..., float] | None,
        shape: Sequence[int],
        order: Sequence[int],
        fill: float,
        inputs: list[Layout],
        *extra: Any,
        turns: str = "forward",
    ) -> Any:
        """What the kernel of that name writes into an output of that shape and layout, which holds `fill`
        before. name: tensor_map, tensor_zip, tensor_reduce or _tensor_matrix_multiply; extra: what the
        kernel takes after its inputs."""
        sides, strides, found = self.over_tensors(
            name, function, shape, order, fill, inputs, extra, turns
        )
        return self.strided(found.output, sides, strides, "out")

    def over_tensors(
        self,
        name: str,
        function: Callable[..., float] | None,
        shape: Sequence[int],
        order: Sequence[int],
        fill: float,
        inputs: list[Layout],
        extra: Sequence[Any],
        turns: str,
        watch: Any = None,
    ) -> tuple[Any, Any, Launched]:
        """Shape and strides of a kernel's output, and what came of the launch."""
        import numpy as np

        kernel = self.kernel_of(name, function)
        output = self.laid(np.full(shape, fill), order)
        given = [self.laid(array, layout) for array, layout in inputs]
        size = int(output[0].size)
        blocks, threads = self.dimensions(name, shape, size)

        def arguments(out: Any, *storages: Any) -> list[Any]:
            found = [out, output[1].copy(), output[2].copy(), size]
            for storage, (_, sides, strides) in zip(storages, given, strict=True):
                found += [storage, sides.copy(), strides.copy()]
            return [*found, *extra]

        storages = {name: storage for name, (storage, _, _) in zip("ab", given, strict=False)}
        found = self.launched(kernel, blocks, threads, output[0], storages, arguments, turns, watch)
        return *output[1:], found

    def dimensions(self, name: str, shape: Sequence[int], size: int) -> tuple[Any, Any]:
        """The grid and the block that the course launches a kernel with."""
        if name.endswith("multiply"):
            return (blocks_for(shape[1]), blocks_for(shape[2]), int(shape[0])), (BLOCK, BLOCK, 1)
        if name.endswith("reduce"):
            return size, REDUCE_BLOCK
        return blocks_for(size), BLOCK

    # Practice kernels

    def cuda_sums(self, a: Any, turns: str = "forward") -> Any:
        """What `_sum_practice` writes for a row of numbers: one cell for each 32 of them."""
        return self.practice_sums(a, turns).output[: blocks_for(len(a))]

    def practice_sums(self, a: Any, turns: str, watch: Any = None) -> Launched:
        import numpy as np

        # The course launches one block more than it takes where the size is a multiple of 32.
        size = len(a)
        blocks = size // BLOCK + 1
        return self.launched(
            self.kernel_of("_sum_practice"),
            blocks,
            BLOCK,
            np.zeros(blocks),
            {"a": a},
            lambda out, storage: [out, storage, size],
            turns,
            watch,
        )

    def cuda_product(self, a: Any, b: Any, turns: str = "forward") -> Any:
        """What `_mm_practice` writes for two square matrices."""
        return self.practice_product(a, b, turns).output.reshape(a.shape)

    def practice_product(self, a: Any, b: Any, turns: str, watch: Any = None) -> Launched:
        import numpy as np

        size = int(a.shape[0])
        return self.launched(
            self.kernel_of("_mm_practice"),
            1,
            (BLOCK, BLOCK),
            np.zeros(size * size),
            {"a": a.reshape(-1), "b": b.reshape(-1)},
            lambda out, first, second: [out, first, second, size],
            turns,
            watch,
        )

    # Facts of what a kernel does to memory

    def cuda_facts(
        self,
        name: str,
        function: Callable[..., float] | None,
        inputs: list[Any],
        *extra: Any,
        demands: Sequence[str],
    ) -> dict[str, str]:
        """What a kernel does to memory in one launch in the simulator.

        demands: which of `shared`, `barriers`, `reads` and `writes` are answered; what else there is to
        say of them goes to `told`.
        """
        from grader.box.simulator import Watch

        watch = Watch()
        if name == "_sum_practice":
            found = self.practice_sums(inputs[0], "forward", watch)
        elif name == "_mm_practice":
            found = self.practice_product(inputs[0], inputs[1], "forward", watch)
        else:
            layouts: list[Layout] = [(array, list(range(array.ndim))) for array in inputs]
            shape = self.shape_of(name, inputs, extra)
            order = list(range(len(shape)))
            _, _, found = self.over_tensors(
                name, function, shape, order, 0.0, layouts, extra, "forward", watch
            )
        reads = {key: a.argument for key, a in found.arrays.items() if key != "out"}
        answers = {
            "shared": shared_memory(watch, sum(len(cells) for cells in reads.values())),
            "barriers": barriers(watch),
            "reads": most_read(reads),
            "writes": most_written(found.arrays["out"].argument),
        }
        told = [
            f"{title} {answers[key]}."
            for key, title in (("reads", "A block reads"), ("writes", "The kernel writes"))
            if "shared" in demands and key not in demands and answers[key] != ONCE
        ]
        if watch.left_early:
            told.append(
                f"{watch.left_early} threads of a block end without coming to a barrier at which others "
                "wait. GPUs of compute capability 7.0 and later allow that; older ones hang."
            )
        return {key: answers[key] for key in demands} | {"told": " ".join(told)}

    def shape_of(self, name: str, inputs: list[Any], extra: Sequence[Any]) -> list[int]:
        """The shape of what a kernel makes of its inputs."""
        import numpy as np

        if name.endswith("multiply"):
            a, b = (array.shape for array in inputs)
            return [max(a[0], b[0]), a[1], b[2]]
        if name.endswith("reduce"):
            return [1 if d == extra[0] else int(n) for d, n in enumerate(inputs[0].shape)]
        return [int(n) for n in np.broadcast_shapes(*[array.shape for array in inputs])]

    # Compiling

    def compiled_for_gpu(
        self, name: str, function: Callable[..., float] | None, takes: str
    ) -> dict[str, str]:
        """Whether a kernel compiles for a GPU.

        takes: its arguments, one letter each: t storage, shape and strides, a storage, n a whole number,
        x a number.
        """
        import numba
        from numba import types

        kernel = self.kernel_of(name, function)
        body = getattr(kernel, "py_func", None)
        if body is None:
            return {
                "compiled": f"no: {name} gives {type(kernel).__name__}, which cuda.jit did not make"
            }
        if "NotImplementedError" in body.__code__.co_names:
            raise NotImplementedError(f"{name} is not implemented yet")  # which would compile
        row, whole = types.float64[::1], types.int64
        sides = numba.from_dtype(self.integers([1]).dtype)[::1]
        kinds = {
            "t": [row, sides, sides],
            "a": [row],
            "n": [whole],
            "x": [types.float64],
        }
        signature = tuple(kind for letter in takes for kind in kinds[letter])
        if self.mode == modes.PTX:
            without_device()
        try:
            self.cuda().compile_ptx(body, signature, cc=CAPABILITY)
        except Exception as error:
            return {"compiled": f"no: {refusal(error, body)}"}
        return {"compiled": YES}

    # Tensors

    def cuda_value(self, program: list[Any], arrays: list[Any]) -> Any:
        """The output of a program over Tensors whose backend is the student's CudaOps."""
        with self.on_cuda():
            return self.tensor_value(program, arrays)

    def cuda_matrices(self, a: Any, b: Any) -> Any:
        """What `CudaOps.matrix_multiply` makes of two Tensors."""
        multiply = self.get("cuda_ops.CudaOps.matrix_multiply")
        with self.on_cuda():
            return self.array(multiply(*[self.make(array, grad=False) for array in (a, b)]))

    @contextlib.contextmanager
    def on_cuda(self) -> Iterator[None]:
        """Tensors are made with the backend of CudaOps."""
        self.in_turn()
        usual = self.backend()
        make = self.get("tensor_ops.TensorBackend")
        self.made_backend = make(self.get("cuda_ops.CudaOps"))
        try:
            yield
        finally:
            self.made_backend = usual

    def in_turn(self) -> None:
        """Threads run in their usual order from here on, where the order is ours."""
        if self.mode != modes.GPU:
            from grader.box.simulator import FORWARD, state

            state.order, state.watch = FORWARD, None


def ready_name(name: str) -> str:
    """What the compiled kernel is called whose body is called `name`."""
    return name.lstrip("_") if name.endswith("multiply") else f"jit{name}"


def shared_memory(watch: Any, cells: int) -> str:
    """Whether a kernel works in shared memory. cells: how many its inputs have."""
    if not watch.shared_made:
        return "no: the kernel makes no cuda.shared.array"
    if not watch.shared_writes:
        return "no: nothing is written into the shared array"
    if not watch.shared_reads:
        return "no: nothing is read from the shared array"
    if 2 * watch.shared_reads < cells:
        return f"no: shared memory is read {watch.shared_reads} times, for {cells} cells of input"
    return YES


def barriers(watch: Any) -> str:
    """Whether a barrier stands wherever one must."""
    return f"no: {watch.races[0]}" if watch.races else YES


def most_read(inputs: dict[str, Any]) -> str:
    """How often a block reads a cell of its inputs, where that is more than once."""
    for name, cells in inputs.items():
        most = cells.most_reads()
        if most > 1:
            return f"one cell of {name} {most} times"
    return ONCE


def most_written(cells: Any) -> str:
    """How often a cell of the output is written, where that is more than once; or that one thread writes all."""
    most = max(cells.writes, default=0)
    if most > 1:
        return f"cell {cells.writes.index(most)} of out {most} times"
    if len(cells.writers) == 1 and sum(cells.writes) > 1:
        return f"all {sum(cells.writes)} cells of out in one thread"
    return ONCE


def refusal(error: BaseException, body: Any) -> str:
    """What the compiler has to say of a kernel, in one line that begins with the student's line, where the
    compiler names it."""
    said = str.__str__(str(error))
    found = re.findall(r'File "[^"]*", line (\d+)', said) or re.findall(r"\((\d+)\)$", said, re.M)
    where = f"line {found[-1]}: " if found else ""
    lines = [line.strip() for line in said.splitlines()]
    # The first line names a step of the compiler, where there is a second one that says what is wrong.
    lines = [line for line in lines if line and not line.startswith("Failed in ")]
    first = lines[0] if lines else type(error).__name__
    if "shared.array" in first or "local.array" in first:
        places = lines_naming(body, "shared" if "shared.array" in first else "local")
        return (
            f"{places}the shape of such an array must be known when the kernel is compiled: write a number, "
            "or the name of a constant of the file"
        )
    if first.endswith("found for signature:") and len(lines) > 1:
        return f"{where}nothing does this on a GPU: {lines[1].removeprefix('>>> ')}"
    return f"{where}{first}"


def lines_naming(body: Any, name: str) -> str:
    """`line 12: ` for where a function uses a name."""
    found, line = [], 0
    for step in dis.get_instructions(body):
        line = step.starts_line or line
        if step.argval == name and line not in found:
            found.append(line)
    return f"line {' and line '.join(map(str, found))}: " if found else ""


def without_device() -> None:
    """Lets functions that kernels call be compiled where there is no GPU: for one as `CAPABILITY` says."""
    import sys

    class Device:
        compute_capability = CAPABILITY

    dispatcher = sys.modules["numba.cuda.dispatcher"]
    dispatcher.get_current_device = Device  # type: ignore[attr-defined]


def bind(package: Package) -> Cuda:
    """The subject for the package `minitorch`."""
    return Cuda(package, "minitorch")


def __getattr__(name: str) -> Any:
    if name == "Script":
        from grader.box.bindings.minitorch_cuda_script import Script

        return Script
    raise AttributeError(name)
