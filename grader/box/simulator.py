"""CUDA kernels in Python: the threads of a block one after the other, each from barrier to barrier.

This takes the place of the launch in numba's own simulator, which runs the threads of a block as threads of
the system, in whatever order these get to run. Here the order is chosen. A kernel whose barriers are where
they must be gives the same in every order; one that lacks a barrier gives a wrong value in one of them, and
gives it every time. Memory that a block shares holds NaN until it is written.

Barriers hold as on a GPU of compute capability 7.0 or later: a thread that has returned is not waited for.
Threads that wait at different barriers are refused, because on a GPU it is undefined what they do.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import greenlet
import numpy as np

FORWARD, REVERSE, INTERLEAVED = "forward", "reverse", "interleaved"
ORDERS = (FORWARD, REVERSE, INTERLEAVED)
WARP = 32
MAX_THREADS = 1024  # of a block, on every GPU there is
MAX_RACES = 20
FROM_MODULE = (
    "popc",
    "fma",
    "cbrt",
    "brev",
    "clz",
    "ffs",
    "selp",
    "threadfence",
    "threadfence_block",
    "threadfence_system",
    "atomic",
    "const",
    "fp16",
    "warpsize",
)

Site = tuple[int, int]  # a call: the identity of its code, and its place there


class BarrierError(RuntimeError):
    """Threads of a block wait for each other at different barriers."""


class Race:
    """Two threads that touch a cell of memory with no barrier in between, one of them writing.

    first, then: what the two do; cell: which one, and of which array.
    """

    __slots__ = ("cell", "first", "then")

    def __init__(self, first: Touch, then: Touch, cell: str) -> None:
        self.first, self.then, self.cell = first, then, cell

    def __str__(self) -> str:
        first, then = self.first, self.then
        who = f"thread {first.thread.number}"
        between = "no barrier stands between"
        if first.block is not then.block:
            who += f" of block {first.block.number}"
            between = "no barrier holds for two blocks"
        return (
            f"thread {then.thread.number} {then.does} cell {self.cell} (line {then.line}), which {who} "
            f"{first.does} (line {first.line}), and {between}"
        )


class Watch:
    """What is seen of the launches while it is set as `watch`.

    shared_made, shared_reads, shared_writes: how often shared memory was; races: see `Race`; left_early: how many
    threads at most ended while others of their block waited at a barrier.
    """

    def __init__(self) -> None:
        self.shared_made = 0
        self.shared_reads = 0
        self.shared_writes = 0
        self.races: list[Race] = []
        self.left_early = 0
        self.barriers = 0

    def met(self, first: Touch, then: Touch, cell: str) -> None:
        """Notes a race of two touches of one cell, if no barrier stands between them. cell: its name."""
        if first.thread is then.thread or (first.atomic and then.atomic):
            return
        same_warp = first.block is then.block and first.warp == then.warp
        if same_warp and first.warp_phase != then.warp_phase:
            return
        if len(self.races) < MAX_RACES:
            self.races.append(Race(first, then, cell))


class Cells:
    """Global memory of one dimension as kernels see it. A place outside of it raises IndexError.

    reads: how often each cell was read, by block; writes: how often it was written, by all blocks;
    writers: the threads that wrote. While a watch is set, it is told of threads that meet in a cell.
    """

    def __init__(self, values: Any, name: str) -> None:
        self.values: list[float] = [float(x) for x in values]
        self.name = name
        self.size = len(self.values)
        self.shape = (self.size,)
        self.ndim = 1
        self.dtype = np.dtype(np.float64)
        self.reads: dict[tuple[int, ...], list[int]] = {}
        self.writes = [0] * self.size
        self.writers: set[Thread] = set()
        self.written: dict[int, Touch] = {}
        self.seen: dict[int, list[Touch]] = {}

    def __len__(self) -> int:
        return self.size

    def place(self, index: Any, does: str, part: range | None = None) -> int:
        """A place as a plain integer, if it lies in this memory. part: the places that are counted anew from 0."""
        if isinstance(index, tuple) and len(index) == 1:
            index = index[0]
        try:
            at = int(index.__index__())
        except (AttributeError, TypeError):
            raise TypeError(
                f"{self.name} is one row of cells: its index is one whole number, not {index!r}"
            ) from None
        within = part is None or 0 <= at < len(part)
        if part is not None:
            at = part.start + at * part.step
        if not (within and 0 <= at < self.size):
            who = "" if state.block is None else f"{state.block.speaker()} "
            size = f"which has {self.size}"
            if 0 <= at < self.size:
                size = "which lies outside of the part that was taken"
            raise IndexError(f"{who}{does} cell {at} of {self.name}, {size}")
        return at

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Part(self, range(self.size)[index])
        return self.read(self.place(index, "reads"))

    def read(self, at: int) -> float:
        """What a cell holds; that the block reads it is counted."""
        block = () if state.block is None else state.block.index
        reads = self.reads.get(block)
        if reads is None:
            reads = self.reads[block] = [0] * self.size
        reads[at] += 1
        if state.watch is not None:
            now = Touch("reads", outside())
            if at in self.written:
                self.met(self.written[at], now, at)
            self.seen.setdefault(at, []).append(now)
        return self.values[at]

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            self[index].fill(value)
        else:
            self.write(self.place(index, "writes"), value)

    def write(self, at: int, value: Any) -> None:
        """Fills a cell; that it is written is counted."""
        self.writes[at] += 1
        before, self.values[at] = self.values[at], float(value)
        if state.watch is not None:
            now = Touch("writes", outside())
            self.writers.add(now.thread)
            if self.values[at] != before:
                for other in self.seen.pop(at, ()):
                    self.met(other, now, at)
                if at in self.written:
                    self.met(self.written[at], now, at)
            # Also where it writes what is there: then it need not wait for the other.
            self.written[at] = now

    def met(self, first: Touch, then: Touch, at: int) -> None:
        """Tells the watch of two threads in one cell, if no barrier of their block stands between."""
        assert state.watch is not None
        if first.block is not then.block or first.phase == then.phase:
            state.watch.met(first, then, f"{at} of {self.name}")

    def most_reads(self) -> int:
        """How often a block read one and the same cell, at most."""
        return max((max(reads, default=0) for reads in self.reads.values()), default=0)


class Part:
    """A part of global memory, `a[first:]`, whose cells are counted from 0."""

    def __init__(self, whole: Cells, places: range) -> None:
        self.whole = whole
        self.places = places
        self.size = len(places)
        self.shape = (self.size,)
        self.ndim = 1
        self.dtype = whole.dtype

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Part(self.whole, self.places[index])
        return self.whole.read(self.whole.place(index, "reads", self.places))

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            self[index].fill(value)
        else:
            self.whole.write(self.whole.place(index, "writes", self.places), value)

    def fill(self, value: Any) -> None:
        """Writes a number into every cell, or as many numbers as there are cells."""
        given = list(value) if hasattr(value, "__len__") else [value] * self.size
        if len(given) != self.size:
            raise ValueError(f"{len(given)} numbers for {self.size} cells of {self.whole.name}")
        for at, number in zip(self.places, given, strict=True):
            self.whole.write(at, number)


class Thread:
    """One thread of the block that runs.

    waits: for its `warp` or its `block`, or not at all; site and code: in which call it waits.
    """

    __slots__ = ("code", "index", "number", "run", "site", "waits", "warp_phase")

    def __init__(self, index: tuple[int, int, int], number: int, run: greenlet.greenlet) -> None:
        self.index = index
        self.number = number
        self.run = run
        self.site = -1
        self.code: Any = None
        self.waits = ""
        self.warp_phase = 0


class Block:
    """The threads of one block and the memory that they share."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        index: tuple[int, int, int],
        grid: tuple[int, int, int],
        sides: tuple[int, int, int],
        order: str,
    ) -> None:
        self.file = getattr(getattr(function, "__code__", None), "co_filename", "")
        self.args = args
        self.index = index
        self.grid = grid
        self.sides = sides
        self.order = order
        self.phase = 0
        self.number = index[0] + grid[0] * (index[1] + grid[1] * index[2])
        self.arrays: dict[Site, Any] = {}
        self.votes: dict[int, list[bool]] = {}
        places = [
            (x, y, z) for z in range(sides[2]) for y in range(sides[1]) for x in range(sides[0])
        ]
        self.threads = [
            Thread(place, number, greenlet.greenlet(function))
            for number, place in enumerate(places)
        ]
        self.running = self.threads[0]
        self.leave: Callable[[], Any] = greenlet.getcurrent().switch

    def speaker(self) -> str:
        """The thread that runs, as it is called in a message."""
        sides = max(n for n in (3, 2, 1) if n == 1 or self.sides[n - 1] > 1)
        dims = max(n for n in (3, 2, 1) if n == 1 or self.grid[n - 1] > 1)
        thread = ", ".join(map(str, self.running.index[:sides]))
        block = ", ".join(map(str, self.index[:dims]))
        return f"thread {thread} of block {block}"

    def arranged(self, threads: list[Thread]) -> list[Thread]:
        """The threads that can go on, in the order in which they do."""
        if self.order == REVERSE:
            return threads[::-1]
        if self.order == INTERLEAVED:
            mixed = threads[1::2] + threads[::2]
            return mixed[::-1] if self.phase % 2 else mixed
        return threads

    def run(self) -> None:
        """Runs every thread to its end."""
        before = greenlet.getcurrent()
        self.leave = before.switch
        ready = self.threads
        try:
            for thread in self.threads:
                thread.run.parent = before
            while ready:
                for thread in self.arranged(ready):
                    self.running = thread
                    if thread.waits:
                        thread.waits = ""
                        thread.run.switch()
                    else:
                        thread.run.switch(*self.args)
                ready = self.released([t for t in self.threads if t.waits])
        finally:
            for thread in self.threads:
                if thread.waits:
                    thread.run.throw()

    def released(self, waiting: list[Thread]) -> list[Thread]:
        """Those of the waiting threads whose barrier all others have reached that have not returned."""
        if not waiting:
            return []
        if all(thread.waits == "block" for thread in waiting):
            together(waiting, "the block")
            self.phase += 1
            if state.watch is not None:
                state.watch.barriers = max(state.watch.barriers, self.phase)
                left = len(self.threads) - len(waiting)
                state.watch.left_early = max(state.watch.left_early, left)
            return waiting
        warps: dict[int, list[Thread]] = {}
        for thread in waiting:
            warps.setdefault(thread.number // WARP, []).append(thread)
        ready = []
        for threads in warps.values():
            if all(thread.waits == "warp" for thread in threads):
                together(threads, "the warp")
                for thread in threads:
                    thread.warp_phase += 1
                ready += threads
        if not ready:
            raise BarrierError(
                "the block can never go on: some threads of a warp wait in syncthreads and others in syncwarp"
            )
        return ready

    def wait(self, scope: str, frame: types.FrameType) -> None:
        """The barrier: the thread that runs stops here until all others of its block, or warp, are here.

        frame: of the kernel, at the call.
        """
        thread = self.running
        thread.code, thread.site = frame.f_code, frame.f_lasti
        thread.waits = scope
        self.leave()

    def vote(self, value: Any, frame: types.FrameType) -> list[bool]:
        """What all threads say that have not returned."""
        said = self.votes.setdefault(self.phase, [])
        said.append(bool(value))
        self.wait("block", frame)
        return said


def together(threads: list[Thread], whole: str) -> None:
    """Raises BarrierError when threads wait at different barriers."""
    first = threads[0]
    if all(t.site == first.site and t.code is first.code for t in threads):
        return
    lines: dict[int, int] = {}
    for thread in threads:
        line = line_of(thread.code, thread.site)
        lines[line] = lines.get(line, 0) + 1
    said = " and ".join(f"{count} in line {line}" for line, count in sorted(lines.items()))
    raise BarrierError(
        f"the threads of {whole} wait at different barriers, {said}: a barrier is for all threads, so it "
        "may not stand where only some of them come by"
    )


def line_of(code: types.CodeType, at: int) -> int:
    """The line of a place in a function's code."""
    for start, end, line in code.co_lines():
        if start <= at < end and line is not None:
            return line
    return code.co_firstlineno


class State:
    """What runs now, and how what is launched next will run."""

    def __init__(self) -> None:
        self.block: Block | None = None
        self.order = FORWARD
        self.watch: Watch | None = None
        self.atomic = 0  # the line of the atomic operation that is under way


state = State()


def block() -> Block:
    """The block that runs; RuntimeError outside of a kernel."""
    if state.block is None:
        raise RuntimeError("this is for kernels: it was used outside of one")
    return state.block


# What kernels find in `numba.cuda`


class ThreadIndex:
    """`cuda.threadIdx`."""

    x = property(lambda self: block().running.index[0])
    y = property(lambda self: block().running.index[1])
    z = property(lambda self: block().running.index[2])


class BlockIndex:
    """`cuda.blockIdx`."""

    x = property(lambda self: block().index[0])
    y = property(lambda self: block().index[1])
    z = property(lambda self: block().index[2])


class BlockSides:
    """`cuda.blockDim`."""

    x = property(lambda self: block().sides[0])
    y = property(lambda self: block().sides[1])
    z = property(lambda self: block().sides[2])


class GridSides:
    """`cuda.gridDim`."""

    x = property(lambda self: block().grid[0])
    y = property(lambda self: block().grid[1])
    z = property(lambda self: block().grid[2])


def caller() -> types.FrameType:
    """The kernel, or the function that it calls, where it calls one of the functions here."""
    return sys._getframe(2)


def syncthreads() -> None:
    """Waits for all threads of the block."""
    block().wait("block", caller())


def syncwarp(mask: int = 0xFFFFFFFF) -> None:
    """Waits for all threads of the warp; which of them the mask names is not looked at."""
    block().wait("warp", caller())


def syncthreads_count(value: Any) -> int:
    """Waits for all threads of the block; how many of them bring a value that is true."""
    return sum(block().vote(value, caller()))


def syncthreads_and(value: Any) -> int:
    """Waits for all threads of the block; whether all of them bring a value that is true."""
    return int(all(block().vote(value, caller())))


def syncthreads_or(value: Any) -> int:
    """Waits for all threads of the block; whether one of them brings a value that is true."""
    return int(any(block().vote(value, caller())))


def grid(dims: int) -> Any:
    """The thread's place among all threads of the grid."""
    now = block()
    found = tuple(now.index[d] * now.sides[d] + now.running.index[d] for d in range(in_range(dims)))
    return found[0] if dims == 1 else found


def gridsize(dims: int) -> Any:
    """How many threads the grid has along each dimension."""
    now = block()
    found = tuple(now.grid[d] * now.sides[d] for d in range(in_range(dims)))
    return found[0] if dims == 1 else found


def in_range(dims: int) -> int:
    if dims not in (1, 2, 3):
        raise ValueError(f"a grid has 1 to 3 dimensions, not {dims}")
    return dims


def type_of(dtype: Any) -> np.dtype[Any]:
    """numba's type, or NumPy's, as NumPy's."""
    from numba.core.types import Type
    from numba.np import numpy_support

    found: np.dtype[Any] = np.dtype(
        numpy_support.as_dtype(dtype) if isinstance(dtype, Type) else dtype
    )
    return found


_unset: dict[Any, Any] = {}


def unset(shape: Any, dtype: Any) -> Any:
    """An array as a kernel finds it before it writes: nothing in it can be used."""
    key = shape, dtype
    made = _unset.get(key)
    if made is None:
        kind = type_of(dtype)
        if kind.kind == "f":
            made = np.full(shape, np.nan, kind)
        elif kind.kind in "iu":
            made = np.full(shape, np.iinfo(kind).max // 3 * 2, kind)
        else:
            made = np.zeros(shape, kind)
        if len(_unset) < 1000:
            _unset[key] = made
    return made.copy()


class Atomic:
    """`cuda.atomic`: numba's own, which tells while it works, because two atomic operations never race."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.given, name)

        def atomic(*args: Any) -> Any:
            state.atomic = sys._getframe(1).f_lineno
            try:
                return operation(*args)
            finally:
                state.atomic = 0

        return atomic


class Local:
    """`cuda.local`."""

    @staticmethod
    def array(shape: Any, dtype: Any) -> Any:
        """An array of the thread's own."""
        block()
        return unset(shape, dtype)


class Shared:
    """`cuda.shared`."""

    @staticmethod
    def array(shape: Any, dtype: Any) -> Any:
        """The array that all threads of the block get that make it in this place of the kernel."""
        now, frame = block(), caller()
        site = id(frame.f_code), frame.f_lasti
        found = now.arrays.get(site)
        if found is None:
            found = unset(shape, dtype)
            if state.watch is not None:
                state.watch.shared_made += 1
                found = WatchedArray(found, state.watch, frame.f_lineno)
            now.arrays[site] = found
        return found


class Touch:
    """That the thread which runs reads or writes a cell, in which line, and whether as an atomic operation.

    phase, warp_phase: how many barriers of its block, and of its warp, came before.
    """

    __slots__ = ("atomic", "block", "does", "line", "phase", "thread", "warp", "warp_phase")

    def __init__(self, does: str, line: int) -> None:
        self.does = does
        self.block = block()
        self.thread = self.block.running
        self.phase = self.block.phase
        self.warp = self.thread.number // WARP
        self.warp_phase = self.thread.warp_phase
        self.atomic = state.atomic > 0
        self.line = state.atomic or line


def outside() -> int:
    """The line of the kernel's file in which a cell is touched: of a function in another file, where it is called."""
    frame: types.FrameType | None = sys._getframe()
    here, home, line = outside.__code__.co_filename, block().file, 0
    while frame is not None:
        file = frame.f_code.co_filename
        if file == home:
            return frame.f_lineno
        line = line or (frame.f_lineno if file != here else 0)
        frame = frame.f_back
    return line


class Touches:
    """What was done to the cells of a shared array since the last barrier.

    written: by cell, the last write that changed it; read: by cell, all reads.
    """

    def __init__(self) -> None:
        self.phase = -1
        self.written: dict[int, Touch] = {}
        self.read: dict[int, list[Touch]] = {}

    def since(self, phase: int) -> None:
        """Forgets what was before the barrier that this phase began with."""
        if phase != self.phase:
            self.phase = phase
            self.written.clear()
            self.read.clear()


class WatchedArray:
    """A shared array, or a part of one, that tells its watch of every two threads that meet in a cell between
    barriers.

    whole: the shape of the shared array; places: the number of each cell in it; touches: is one for all parts.
    """

    def __init__(
        self,
        cells: Any,
        watch: Watch,
        made: int,
        part: tuple[tuple[int, ...], Any, Touches] | None = None,
    ) -> None:
        self.cells = cells
        self.watch = watch
        self.made = made
        if part is None:
            part = cells.shape, np.arange(cells.size).reshape(cells.shape), Touches()
        self.whole, self.touches = part[0], part[2]
        self.places: Any = part[1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cells, name)

    def __len__(self) -> int:
        return len(self.cells)

    def met(self, first: Touch, then: Touch, place: int) -> None:
        """Tells the watch of two threads in one cell."""
        index = [int(i) for i in np.unravel_index(place, self.whole)]
        cell = str(index if len(index) > 1 else index[0])
        self.watch.met(first, then, f"{cell} of the shared array of line {self.made}")

    def __getitem__(self, index: Any) -> Any:
        value, place = self.cells[index], self.places[index]
        if isinstance(value, np.ndarray):
            part = self.whole, place, self.touches
            return WatchedArray(value, self.watch, self.made, part)
        self.watch.shared_reads += 1
        place, now, touches = int(place), Touch("reads", outside()), self.touches
        touches.since(now.phase)
        if place in touches.written:
            self.met(touches.written[place], now, place)
        touches.read.setdefault(place, []).append(now)
        return value

    def __setitem__(self, index: Any, value: Any) -> None:
        before = np.array(self.cells[index])
        self.cells[index] = value
        self.watch.shared_writes += 1
        changed = before != self.cells[index]
        if not changed.any():
            return
        now, touches = Touch("writes", outside()), self.touches
        touches.since(now.phase)
        for place in np.atleast_1d(self.places[index])[np.atleast_1d(changed)].tolist():
            for other in touches.read.get(place, ()):
                self.met(other, now, place)
            if place in touches.written:
                self.met(touches.written[place], now, place)
            touches.written[place] = now


# Launching


def sides_of(given: Any) -> tuple[int, int, int]:
    """The sides of a grid or a block, as three whole numbers."""
    sides = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if not 1 <= len(sides) <= 3:
        raise ValueError(f"a grid or a block has 1 to 3 dimensions, not {len(sides)}")
    found = [int(side) for side in sides] + [1] * (3 - len(sides))
    if any(side < 1 for side in found):
        raise ValueError(f"a grid or a block has sides of at least 1, not {sides}")
    return found[0], found[1], found[2]


def blocks_in(grid_sides: tuple[int, int, int], order: str) -> Iterator[tuple[int, int, int]]:
    """The places of a grid, in the order in which its blocks run."""
    places = [
        (x, y, z)
        for z in range(grid_sides[2])
        for y in range(grid_sides[1])
        for x in range(grid_sides[0])
    ]
    return reversed(places) if order == REVERSE else iter(places)


def launch(function: Callable[..., Any], blocks: Any, threads: Any, args: Sequence[Any]) -> None:
    """Runs a kernel: all threads of one block, then those of the next, in the order `state.order`."""
    if state.block is not None:
        raise RuntimeError("a kernel cannot launch a kernel")
    grid_sides, sides = sides_of(blocks), sides_of(threads)
    if sides[0] * sides[1] * sides[2] > MAX_THREADS:
        raise ValueError(f"a block has at most {MAX_THREADS} threads, not {sides}")
    given = [getattr(arg, "_ary", arg) for arg in args]
    try:
        for place in blocks_in(grid_sides, state.order):
            state.block = Block(function, given, place, grid_sides, sides, state.order)
            state.block.run()
    finally:
        state.block = None


def install() -> None:
    """Puts this in the place of the launch in numba's simulator, before the submission imports it."""
    from numba import cuda
    from numba.cuda.simulator import kernel, kernelapi
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

    def called(self: Any, *args: Any) -> Any:
        if self._device:
            return self.fn(*args)
        if self.grid_dim is None:
            raise ValueError(
                "a kernel is launched with its blocks and threads: kernel[blocks, threads](...)"
            )
        return launch(self.fn, self.grid_dim, self.block_dim, args)

    launched: Any = kernel.FakeCUDAKernel
    launched.__call__ = called
    module: Any = kernelapi.FakeCUDAModule
    module = module((1, 1, 1), (1, 1, 1), 0)
    given = {name: getattr(module, name) for name in FROM_MODULE if hasattr(module, name)}
    own = {
        "threadIdx": ThreadIndex(),
        "blockIdx": BlockIndex(),
        "blockDim": BlockSides(),
        "gridDim": GridSides(),
        "local": Local(),
        "shared": Shared(),
        "grid": grid,
        "gridsize": gridsize,
        "syncthreads": syncthreads,
        "syncwarp": syncwarp,
        "syncthreads_count": syncthreads_count,
        "syncthreads_and": syncthreads_and,
        "syncthreads_or": syncthreads_or,
        # numba's simulator lacks this one.
        "is_cuda_array": lambda array: isinstance(array, FakeCUDAArray),
    }
    given["atomic"] = Atomic(given["atomic"])
    for name, value in (given | own).items():
        setattr(cuda, name, value)

    def lane(name: str) -> int:
        """`cuda.laneid`, a plain number that is another one in each thread."""
        if name == "laneid":
            return block().running.number % WARP
        raise AttributeError(f"module 'numba.cuda' has no attribute {name!r}")

    names: Any = cuda
    names.__getattr__ = lane
