"""Binding `minitorch_fast`: the vocabulary of `minitorch` over the compiled backend, and what numba makes of its kernels.

Values are asked for in two run modes: with numba's compiler off, where a kernel is a Python function, and
compiled. What numba did is read from its own records of a compilation, never from what a kernel says of
itself, and is told in words that name the student's own lines.
"""

from __future__ import annotations

import ast
import functools
import inspect
import os
import re
import sys
import textwrap
import time
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from grader.box.bindings import loops
from grader.box.bindings.minitorch import TENSOR_STEPS, MiniTorch
from grader.box.faults import InputMutated
from grader.box.imports import Package

GUARD = 64  # words around every storage: a compiled kernel that leaves its storage lands in them
OUTSIDE = 7.0e300
RUNS, RUN_SECONDS = 200, 0.4  # how often a kernel is called to see a race, and for how long at most
IN_PYTHON = 4  # whoever runs a line in Python for one of so many cells works cell by cell
MATMUL = "matrix_multiply"


# What numba says of something that it does not compile, as it begins -> what is said instead. asked: the call that
# it does not know.
REFUSED = {
    r"numba has no [gs]etitem\(array\([^)]*\), (Tuple\([^)]*|[^,)]*)float\d+": (
        "an index is no whole number there, but a float ({asked}): divide with //, start with 0 instead of 0.0, and "
        "pass on np.int64(i) for the variable i of a prange, which is unsigned and makes floats with signed numbers"
    ),
    r"numba has no setitem\(readonly array": (
        "an array that is made outside of all functions is a constant for numba, and nothing can be written into it: "
        "make it inside the prange"
    ),
    "Overwrite of parallel loop index$": (
        "numba takes a plain copy of the variable of a prange for the variable itself, which may not be changed (a "
        "parameter of a function with inline='always' is such a copy): write `rest = i + 0`, and change rest"
    ),
    "Scipy": "np.dot and @ take SciPy in numba, which is not installed: write the loop over k",
    "LLVM IR parsing error": (
        "numba itself fails on this (LLVM IR parsing error), often where slices or whole arrays whose sizes come from "
        "a shape are combined inside a prange: write that out as a loop over cells"
    ),
}


class Compilation(NamedTuple):
    """What came of the first call of a kernel: the kernels compiled for it, the parallel functions inside them,
    warnings, and what was raised."""

    compiled: list[Any]
    inside: list[Any]
    warnings: list[str]
    error: BaseException | None


class Fast(MiniTorch):
    """The vocabulary over a student's `fast_ops`.

    module: the file that the kernels stand in; whole: those that are kernels, and do not give one for a
    function.
    """

    steps: ClassVar[dict[str, Callable[..., Any]]] = TENSOR_STEPS | {"matmul": lambda a, b: a @ b}
    module = "fast_ops"
    matrices = True
    whole = frozenset({MATMUL})
    mode = ""

    def __init__(self, package: Package, prefix: str) -> None:
        super().__init__(package, prefix)
        self.kernels: dict[str, Any] = {}
        self.compilations: dict[str, Compilation] = {}
        self.made_backend: Any = None

    def backend(self) -> Any:
        if self.made_backend is None:
            make = self.get("tensor_ops.TensorBackend")
            self.made_backend = make(self.get("fast_ops.FastOps"))
        return self.made_backend

    def integers(self, values: Sequence[int]) -> Any:
        """Shapes and strides as the student's own TensorData hands them to a kernel: int32 or int64."""
        import numpy as np

        data = self.get("tensor_data.TensorData")(np.zeros(1), (1,), (1,))
        kind = getattr(getattr(data, "_shape", None), "dtype", None)
        return np.array(values, dtype=np.int64 if kind == np.int64 else np.int32)

    # Kernels

    def fast(self, name: str, function: Callable[..., float] | None = None) -> Any:
        """The student's kernel of a function; made once, so that it is compiled once."""
        if name in self.whole:
            return self.get(f"{self.module}.tensor_{name}")
        assert function is not None
        key = f"{name} of {function.__name__}"
        if key not in self.kernels:
            import numba

            # With the compiler off this leaves the function as it is.
            make = self.get(f"{self.module}.tensor_{name}")
            self.kernels[key] = make(numba.njit(function))
        return self.kernels[key]

    def kernel(
        self,
        name: str,
        function: Callable[..., float] | None,
        shape: Sequence[int],
        order: Sequence[int],
        fill: float,
        inputs: Sequence[tuple[Any, Sequence[int]]],
        *extra: Any,
    ) -> Any:
        """What a kernel writes into an output of that shape and layout, filled with `fill` before.

        name: map, zip, reduce, or matrix_multiply (of no function). The inputs must stay as they are, and so
        must what lies before and behind the output's storage.
        """
        import numpy as np

        kernel = self.fast(name, function)
        around, *output = self.guarded(np.full(shape, fill), order, OUTSIDE)
        out, sides, strides = output
        given = [self.guarded(array, layout, np.nan) for array, layout in inputs]
        before = [whole.tobytes() for whole, *_ in given]
        kernel(*output, *[part for _, *triple in given for part in triple], *extra)
        for place, (whole, *_) in enumerate(given):
            if whole.tobytes() != before[place]:
                raise InputMutated(f"in{place}")
        if (around[:GUARD] != OUTSIDE).any() or (around[-GUARD:] != OUTSIDE).any():
            raise IndexError("the kernel writes before or behind the storage of out")
        return self.strided(out, sides, strides, "out")

    def guarded(self, array: Any, order: Sequence[int], word: float) -> tuple[Any, Any, Any, Any]:
        """Storage, shape and strides of an array, as `laid`, and before them the memory that the storage is
        the middle of: GUARD words on either side hold `word`."""
        import numpy as np

        storage, shape, strides = self.laid(array, order)
        whole = np.full(storage.size + 2 * GUARD, word)
        whole[GUARD : GUARD + storage.size] = storage
        return whole, whole[GUARD : GUARD + storage.size], shape, strides

    def grid(self, shape: Sequence[int], first: int = 0) -> Any:
        return grid(shape, first)

    def many_times(
        self,
        name: str,
        function: Callable[..., float] | None,
        shapes: Sequence[Sequence[int]],
        seed: int,
        times: int,
    ) -> list[float]:
        """The sum of all cells of a kernel's output, for each of many calls on numbers that differ, so that none can
        be left out. shapes: of the output, then of the inputs; all are laid out row by row."""
        import numpy as np

        kernel = self.fast(name, function)
        chance = np.random.default_rng(seed)
        out, *given = [
            self.laid(chance.integers(-64, 65, shape) / 8.0, range(len(shape))) for shape in shapes
        ]
        extra = [1] if name == "reduce" else []
        sums = []
        for _ in range(times):
            out[0][:] = 0.0
            kernel(*out, *[part for triple in given for part in triple], *extra)
            sums.append(float(np.sum(out[0])))
            given[0][0][:] += 0.125
        return sums

    # What numba makes of them

    def example(self, name: str, function: Callable[..., float] | None) -> None:
        """A kernel's first call, on tensors that are laid out differently and then on such that are alike."""
        cells, cube = self.grid([2, 3]), self.grid([2, 2, 2])
        if name == MATMUL:
            self.kernel(name, None, [2, 2, 2], [0, 1, 2], 0.0, [(cube, [0, 1, 2])] * 2)
        elif name == "reduce":
            self.kernel(name, function, [2, 1], [0, 1], 0.0, [(cells, [1, 0])], 1)
        else:
            for order in ([1, 0], [0, 1]):
                inputs = [(cells, order)] * (1 if name == "map" else 2)
                self.kernel(name, function, [2, 3], [0, 1], 0.0, inputs)

    def large(self, name: str, function: Callable[..., float] | None) -> Any:
        """A kernel's answer where every index has to be worked out and each thread has many."""
        if name == MATMUL:
            batches = [(self.grid([4, 37, 11]), [0, 2, 1]), (self.grid([4, 11, 41], 5), [0, 1, 2])]
            return self.kernel(name, None, [4, 37, 41], [0, 1, 2], 0.0, batches)
        if name == "reduce":
            inputs = [(self.grid([61, 5, 37]), [2, 0, 1])]
            return self.kernel(name, function, [61, 1, 37], [0, 1, 2], 0.0, inputs, 1)
        inputs = [(self.grid([31, 41]), [1, 0]), (self.grid([41], 9), [0])]
        return self.kernel(
            name, function, [31, 41], [0, 1], 0.0, inputs[: 1 if name == "map" else 2]
        )

    def compilation(self, name: str, function: Callable[..., float] | None) -> Compilation:
        """What numba compiled when the kernel was first called, be it the kernel itself or one inside it."""
        if name in self.compilations:
            return self.compilations[name]
        from numba.core import event
        from numba.core.registry import CPUDispatcher

        error: BaseException | None = None
        kernel = self.fast(name, function)
        with (
            warnings.catch_warnings(record=True) as caught,
            event.install_recorder("numba:compile") as recorder,
        ):
            warnings.simplefilter("always")
            try:
                self.example(name, function)
            except NotImplementedError:
                raise
            except Exception as raised:
                error = raised
        met = [entry.data.get("dispatcher") for _, entry in recorder.buffer]
        met += self.reached(getattr(kernel, "py_func", kernel), CPUDispatcher)
        seen = {id(d): d for d in met if type(d) is CPUDispatcher and d is not kernel}
        met = [d for d in seen.values() if self.own(d.py_func) and takes_storage(d)]
        # The kernel itself, or, in a plain function, those that it calls.
        chosen = [kernel] if type(kernel) is CPUDispatcher else met
        inside = [d for d in met if d not in chosen and d.targetoptions.get("parallel")]
        found = Compilation(chosen, inside, [str(w.message) for w in caught], error)
        self.compilations[name] = found
        return found

    def reached(self, function: Any, kind: type, depth: int = 3) -> list[Any]:
        """The objects of a class that a plain function names, or a function that it names."""
        found = []
        for value in scope_of(function).values() if depth and self.own(function) else ():
            if type(value) is kind:
                found.append(value)
            elif type(value) is types.FunctionType and value is not function:
                found += self.reached(value, kind, depth - 1)
        return found

    def own(self, function: Any) -> bool:
        """Whether a function, or the code of a frame, stands in the submission."""
        code = function.f_code if type(function) is types.FrameType else None
        code = code or getattr(function, "__code__", None)
        return type(code) is types.CodeType and code.co_filename.startswith(
            self.package.root + os.sep
        )

    def compiled(self, name: str, function: Callable[..., float] | None = None) -> dict[str, str]:
        """Whether numba compiles a kernel to machine code that uses no Python objects."""
        found = self.compilation(name, function)
        spoken = f"tensor_{name}"
        if switched_off():
            no = "no: NUMBA_DISABLE_JIT is set in the submission, which turns numba's compiler off"
            return {"compiled": no, "told": ""}
        if not found.compiled:
            what = "is" if name in self.whole else "gives"
            no = f"no: {spoken} {what} a plain Python function, and nothing of it is compiled"
            return {"compiled": no, "told": ""}
        for kernel in found.compiled:
            overloads = list(kernel.overloads.values())
            if not overloads:
                return {"compiled": f"no: {self.complaint(found.error)}", "told": ""}
            if any(overload.objectmode for overload in overloads):
                return {
                    "compiled": "no: it is compiled in object mode, as slow as Python",
                    "told": "",
                }
        looped = self.in_python(name, function)
        if looped:
            return {"compiled": f"no: {looped}", "told": ""}
        places = " and ".join(dict.fromkeys(place_of(kernel) for kernel in found.compiled))
        return {"compiled": "yes", "told": f"numba compiled {places}."}

    def in_python(self, name: str, function: Callable[..., float] | None) -> str:
        """Where a plain function around compiled ones goes from cell to cell itself; "" where none does.

        The lines of the submission that Python runs are counted: what is compiled is not among them.
        """
        from numba.core.registry import CPUDispatcher

        if type(self.fast(name, function)) is CPUDispatcher:
            return ""
        counted: dict[tuple[str, int], int] = {}

        def line(frame: types.FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                place = frame.f_code.co_filename, frame.f_lineno
                counted[place] = counted.get(place, 0) + 1
            return line

        def call(frame: types.FrameType, event: str, argument: Any) -> Any:
            return line if self.own(frame) else None

        before = sys.gettrace()
        try:
            self.large(name, function)  # compiles what is left to compile
            sys.settrace(call)
            cells = int(self.large(name, function).size)
        except Exception:
            return ""  # whether it is right is asked elsewhere
        finally:
            sys.settrace(before)
        (path, number), times = max(counted.items(), key=lambda item: item[1], default=(("", 0), 0))
        if times < cells / IN_PYTHON:
            return ""
        where = f"{os.path.basename(path)}, line {number}"
        return f"{where} runs in Python, {times} times for an output of {cells} cells"

    def complaint(self, error: BaseException | None) -> str:
        """Why numba does not compile something: the line of the student's source, and one sentence."""
        if error is None:
            return "it is never called"
        text = str(error)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith(("Failed in", "During:"))]
        sentence = re.sub(r"\.?\s*Raised from .*", "", lines[0]) if lines else type(error).__name__
        asked = next((line[4:] for line in lines if line.startswith(">>> ")), "")
        if sentence.startswith("No implementation of function") and asked:
            sentence = f"numba has no {asked}"
        for refused, what_to_do in REFUSED.items():
            if re.match(refused, sentence):
                sentence = what_to_do.format(asked=asked)
                break
        where = self.line_of(error, text)
        return f"{where}{sentence}"[:400]

    def line_of(self, error: BaseException, text: str) -> str:
        """`fast_ops.py, line 12: ` for the innermost place of the submission that a message of numba names."""
        places = re.findall(r'File "([^"\n]+)", line (\d+):', text)
        places += re.findall(r"(/[^\s()]+\.py) \((\d+)\)", text)
        loc = getattr(error, "loc", None)
        if loc is not None:
            places.append((str(loc.filename), str(loc.line)))
        for path, line in places:
            name = os.path.basename(path)
            if name in self.files():
                return f"{name}, line {line}: "
        return ""

    def files(self) -> set[str]:
        """The names of the submission's Python files."""
        return {
            name
            for _, _, names in os.walk(self.package.root)
            for name in names
            if name.endswith(".py")
        }

    def parallel(self, name: str, function: Callable[..., float] | None = None) -> dict[str, str]:
        """Whether numba shares a loop of a kernel among threads, and what it says of each loop."""
        found = self.compilation(name, function)
        told: list[str] = []
        shares, idle = False, ""
        for kernel in [*found.compiled, *found.inside]:
            definition = self.definition(kernel.py_func)
            for overload in kernel.overloads.values():
                diagnostics = overload.metadata.get("parfor_diagnostics")
                # Of what is compiled for one thread numba leaves them empty.
                if not hasattr(diagnostics, "initial_parfors"):
                    continue
                if self.threaded(diagnostics, definition, told):
                    why = self.idle(diagnostics, definition, kernel.py_func)
                    shares |= not why
                    idle = idle or why
        refused = [line for text in found.warnings for line in self.refusals(text)]
        told += refused
        told = list(dict.fromkeys(told))
        if shares:
            return {"parallel": "yes", "told": " ".join(told)}
        if idle:
            return {"parallel": f"no: {idle}", "told": ""}
        if not any(k.targetoptions.get("parallel") for k in [*found.compiled, *found.inside]):
            return {"parallel": "no: it is compiled without parallel=True", "told": ""}
        why = (
            refused[0] if refused else "numba finds no prange in it that it can share among threads"
        )
        return {"parallel": f"no: {why}", "told": ""}

    def threaded(
        self, diagnostics: Any, definition: ast.FunctionDef | None, told: list[str]
    ) -> bool:
        """Whether one of the loops that numba recorded is the kernel's own; adds a sentence on each."""
        lines = {loop.id: loop.loc.line for loop in diagnostics.initial_parfors}
        ranges = {
            loop.id
            for loop in diagnostics.initial_parfors
            if any(pattern[0] == "prange" for pattern in loop.patterns)
        }
        nested = {
            inner: outer for outer, all_ in diagnostics.nested_fusion_info.items() for inner in all_
        }
        joined = {
            second: first for first, all_ in diagnostics.fusion_info.items() for second in all_
        }
        for loop in sorted(ranges, key=lambda loop: (lines[loop], loop)):
            if loop in nested:
                told.append(
                    f"The prange of line {lines[loop]} is inside a parallel loop and runs like a range."
                )
            elif loop in joined:
                told.append(f"numba joined the prange of line {lines[loop]} to the one before it.")
            else:
                told.append(f"numba shares the loop of line {lines[loop]} among threads.")
        if ranges:
            return True
        # Whole arrays at once, as one writes with NumPy; to clear an index inside a loop is no such thing.
        inside = loop_lines(definition)
        for loop in diagnostics.initial_parfors:
            kinds = [str(p[0] if isinstance(p, tuple) else p) for p in loop.patterns]
            computes = any(kind.startswith("array expression") for kind in kinds)
            if computes or ("setitem" in kinds and loop.loc.line not in inside):
                told.append(
                    f"numba shares the array expression of line {loop.loc.line} among threads."
                )
                return True
        return False

    def idle(self, diagnostics: Any, definition: ast.FunctionDef | None, function: Any) -> str:
        """Why the loops that numba shares do none of a kernel's work; "" where one does, or it cannot be told."""
        seen = [] if definition is None else list(loops.outermost(definition.body))
        shared = {
            loop.loc.line
            for loop in diagnostics.initial_parfors
            if any(pattern[0] == "prange" for pattern in loop.patterns)
        }
        known = {
            line
            for loop in seen
            for line in range(loop.lineno, (loop.end_lineno or loop.lineno) + 1)
        }
        if definition is None or not shared or not shared <= known:
            return ""
        find = self.finder(function)
        if any(loops.leaves_something(loop, definition, find) for loop in seen):
            return ""
        return (
            f"the prange of line {seen[0].lineno} shares no work: what fills out is not in it, or it has one "
            "iteration"
        )

    def refusals(self, text: str) -> Iterator[str]:
        """What a warning of numba's says of a loop that it did not share, as a sentence."""
        flat = " ".join(text.split())
        if "will not be executed in parallel" in flat:
            line = re.search(r"line (\d+):", flat)
            where = f" of line {line[1]}" if line else ""
            yield (
                f"numba does not share the prange{where}: it can be left in more than one way "
                "(break, return or raise)."
            )

    def definition(self, function: Any) -> ast.FunctionDef | None:
        """A student's function as its source has it, with the line numbers of its file."""
        if not self.own(function):
            return None
        try:
            lines, first = inspect.getsourcelines(function)
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except (OSError, SyntaxError, TypeError, ValueError):
            return None
        found = next((n for n in tree.body if isinstance(n, ast.FunctionDef)), None)
        if found is not None:
            ast.increment_lineno(found, first - 1)
        return found

    def apart(self, name: str, function: Callable[..., float] | None = None) -> dict[str, str]:
        """Whether the iterations of a kernel's parallel loop keep out of each other's way: by its source, and
        by calling it many times on more threads than there are cores."""
        found = self.compilation(name, function)
        for kernel in [*found.compiled, *found.inside]:
            definition = self.definition(kernel.py_func)
            if definition is None:
                continue
            for place in loops.shared(definition, self.finder(kernel.py_func)):
                return {"apart": f"no: {words(place, definition)}", "told": ""}
        odd, runs = self.odd_runs(name, function)
        if odd:
            no = (
                f"no: {odd} of {runs} calls on several threads gave other numbers than a call on one: "
                "two iterations of the parallel loop write to the same place"
            )
            return {"apart": no, "told": ""}
        return {"apart": "yes", "told": ""}

    def finder(self, function: Any) -> loops.Find:
        """Looks up the functions that a kernel calls, as its own module and the functions around it name them."""
        scope = scope_of(function)

        @functools.cache
        def find(name: str) -> ast.FunctionDef | None:
            value = scope.get(name)
            return self.definition(getattr(value, "py_func", value))

        return find

    def odd_runs(self, name: str, function: Callable[..., float] | None) -> tuple[int, int]:
        """How many of how many calls on all threads gave other numbers than one on a single thread."""
        import numba

        def run() -> bytes:
            return bytes(self.large(name, function).tobytes())

        settings: Any = numba.config
        most = int(settings.NUMBA_NUM_THREADS)  # and not how many the submission has set
        try:
            numba.set_num_threads(1)
            alone = run()
            numba.set_num_threads(most)
            odd = runs = 0
            began = time.process_time()
            while runs < RUNS and time.process_time() - began < RUN_SECONDS:
                odd += run() != alone
                runs += 1
            return odd, runs
        finally:
            numba.set_num_threads(most)


def grid(shape: Sequence[int], first: int = 0) -> Any:
    """An array of many different eighths, for cases too large to be written down."""
    import numpy as np

    cells = int(np.prod(shape))
    return ((np.arange(first, first + cells) * 37) % 129 - 64.0).reshape(shape) / 8


def switched_off() -> bool:
    """Whether numba's compiler is off now, or will be when numba next looks at the environment."""
    import numba

    settings: Any = numba.config
    return bool(settings.DISABLE_JIT) or os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def takes_storage(kernel: Any) -> bool:
    """Whether numba compiled something for an array of floats, and not only for an index or a number."""
    return any(
        getattr(argument, "ndim", 0) and str(getattr(argument, "dtype", "")) == "float64"
        for signature in kernel.signatures
        for argument in signature
    )


def scope_of(function: types.FunctionType) -> dict[str, Any]:
    """What the names in a function's code stand for, as far as they come from outside it."""
    code = function.__code__
    scope = {n: function.__globals__[n] for n in code.co_names if n in function.__globals__}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
        try:
            scope[name] = cell.cell_contents
        except ValueError:
            continue
    return scope


def loop_lines(definition: ast.FunctionDef | None) -> set[int]:
    """The lines of a function that stand inside a loop."""
    return {
        line
        for node in ([] if definition is None else ast.walk(definition))
        if isinstance(node, (ast.For, ast.While))
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def place_of(kernel: Any) -> str:
    """`_map (fast_ops.py, line 12)`."""
    code = kernel.py_func.__code__
    return f"{code.co_name} ({os.path.basename(code.co_filename)}, line {code.co_firstlineno})"


def words(place: loops.Shared, definition: ast.FunctionDef) -> str:
    """A sentence on a place that several iterations write."""
    arguments = [argument.arg for argument in definition.args.args]
    if place.name in arguments[:1]:
        verb = "adds to" if place.adds else "writes to"
        return (
            f"line {place.line} {verb} a cell of {place.name} that does not depend on the variable of the "
            f"prange in line {place.loop}, so all of its iterations do so at the same time"
        )
    return (
        f"line {place.line} writes into {place.name}, which is made outside the prange of line "
        f"{place.loop}: all of its iterations share it"
    )


def bind(package: Package) -> Fast:
    """The subject for the package `minitorch`, on its compiled backend."""
    return Fast(package, "minitorch")


def __getattr__(name: str) -> Any:
    if name == "Script":
        from grader.box.bindings.minitorch_fast_script import Script

        return Script
    raise AttributeError(name)
