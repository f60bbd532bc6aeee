"""The simulator: a missing barrier shows in every run, a right kernel is right in every order."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grader.box import simulator
from grader.box.simulator import (
    ORDERS,
    BarrierError,
    Cells,
    Shared,
    Watch,
    launch,
    state,
    syncthreads,
    syncwarp,
)

ROOT = Path(__file__).resolve().parents[2]
thread, block, sides = simulator.ThreadIndex(), simulator.BlockIndex(), simulator.BlockSides()
shared = Shared()


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    assert state.block is None, "a launch has ended, however it ended"
    state.order, state.watch = simulator.FORWARD, None


def ran(kernel: Callable[..., None], values: list[float], cells: int, blocks: Any, threads: Any):
    """What a kernel writes, in each order."""
    found = {}
    for order in ORDERS:
        state.order = order
        out = Cells(np.zeros(cells), "out")
        launch(kernel, blocks, threads, [out, Cells(values, "a")])
        found[order] = out.values
    return found


def turned(out: Any, a: Any) -> None:
    """Each thread reads what another one has brought."""
    cache = shared.array(8, np.float64)
    cache[thread.x] = a[thread.x]
    syncthreads()
    out[thread.x] = cache[7 - thread.x]


def turned_without(out: Any, a: Any) -> None:
    cache = shared.array(8, np.float64)
    cache[thread.x] = a[thread.x]
    out[thread.x] = cache[7 - thread.x]


def tree(out: Any, a: Any) -> None:
    cache = shared.array(8, np.float64)
    cache[thread.x] = a[thread.x]
    syncthreads()
    reach = 4
    while reach:
        if thread.x < reach:
            cache[thread.x] += cache[thread.x + reach]
        syncthreads()
        reach //= 2
    out[thread.x] = cache[0]


def tree_without(out: Any, a: Any) -> None:
    cache = shared.array(8, np.float64)
    cache[thread.x] = a[thread.x]
    syncthreads()
    reach = 4
    while reach:
        if thread.x < reach:
            cache[thread.x] += cache[thread.x + reach]
        reach //= 2
    out[thread.x] = cache[0]


def tiles(out: Any, a: Any) -> None:
    cache = shared.array(4, np.float64)
    total = 0.0
    for first in (0, 4):
        cache[thread.x] = a[first + thread.x]
        syncthreads()
        for k in range(4):
            total += cache[k]
        syncthreads()
    out[thread.x] = total


def tiles_without(out: Any, a: Any) -> None:
    cache = shared.array(4, np.float64)
    total = 0.0
    for first in (0, 4):
        cache[thread.x] = a[first + thread.x]
        syncthreads()
        for k in range(4):
            total += cache[k]
    out[thread.x] = total


def rows(out: Any, a: Any) -> None:
    """Rows of a shared array, as `cache[i][j]`, under a name of their own, and filled at once."""
    cache = shared.array((3, 8), np.float64)
    cache[0][thread.x] = a[thread.x]
    row = cache[1]
    row[thread.x] = 1.0
    if thread.x == 0:
        cache[2][:] = 2.0
    syncthreads()
    out[thread.x] = cache[0][7 - thread.x] + row[-1 - thread.x] + cache[2, 7 - thread.x]


def rows_without(out: Any, a: Any) -> None:
    cache = shared.array((3, 8), np.float64)
    row = cache[1]
    row[thread.x] = a[thread.x]
    out[thread.x] = cache[1, 7 - thread.x]


def rows_at_once_without(out: Any, a: Any) -> None:
    cache = shared.array((3, 8), np.float64)
    if thread.x == 0:
        cache[1][:] = a[0]
    out[thread.x] = cache[1][7 - thread.x]


def shifted_without(out: Any, a: Any) -> None:
    """Right when threads run forwards, wrong when they run backwards."""
    cache = shared.array(8, np.float64)
    cache[thread.x] = a[thread.x]
    out[thread.x] = cache[max(thread.x - 1, 0)]


VALUES = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]


@pytest.mark.parametrize(
    ("kernel", "threads", "right"),
    [(turned, 8, VALUES[::-1]), (tree, 8, [255.0] * 8), (tiles, 4, [255.0] * 4)],
)
def test_a_right_kernel_gives_the_same_in_every_order(kernel, threads, right) -> None:
    assert ran(kernel, VALUES, threads, 1, threads) == dict.fromkeys(ORDERS, right)


@pytest.mark.parametrize(
    ("kernel", "threads", "right"),
    [
        (turned_without, 8, VALUES[::-1]),
        (tree_without, 8, [255.0] * 8),
        (tiles_without, 4, [255.0] * 4),
        (shifted_without, 8, VALUES[:1] + VALUES[:-1]),
    ],
)
def test_a_missing_barrier_is_found_in_every_run(kernel, threads, right) -> None:
    first = ran(kernel, VALUES, threads, 1, threads)
    assert any(answer != right for answer in first.values())
    for _ in range(3):
        assert repr(ran(kernel, VALUES, threads, 1, threads)) == repr(first)


def test_threads_and_blocks_run_in_the_order_that_is_asked_for() -> None:
    came = []

    def kernel(out: Any, a: Any) -> None:
        came.append((block.x, thread.x))
        syncthreads()
        came.append((block.x, thread.x))

    ran(kernel, VALUES, 1, 2, 4)
    forward = [(b, t) for b in (0, 1) for t in (0, 1, 2, 3, 0, 1, 2, 3)]
    interleaved = [(b, t) for b in (0, 1) for t in (1, 3, 0, 2, 2, 0, 3, 1)]
    reverse = [(b, t) for b in (1, 0) for t in (3, 2, 1, 0, 3, 2, 1, 0)]
    assert came == forward + reverse + interleaved


@pytest.mark.parametrize(
    "kernel", [turned_without, tree_without, tiles_without, rows_without, rows_at_once_without]
)
def test_two_threads_that_meet_in_a_cell_are_told_of(kernel) -> None:
    state.watch = watch = Watch()
    threads = 4 if kernel is tiles_without else 8
    launch(kernel, 1, threads, [Cells(np.zeros(8), "out"), Cells(VALUES, "a")])
    text = str(watch.races[0])
    assert "and no barrier stands between" in text
    assert f"of the shared array of line {kernel.__code__.co_firstlineno + 1} " in text
    assert ("cell [1, " in text) == (kernel in (rows_without, rows_at_once_without))


@pytest.mark.parametrize("kernel", [turned, tree, tiles, rows])
def test_threads_that_a_barrier_keeps_apart_are_not(kernel) -> None:
    state.watch = watch = Watch()
    launch(kernel, 1, 4 if kernel is tiles else 8, [Cells(np.zeros(8), "out"), Cells(VALUES, "a")])
    assert watch.races == []
    assert (watch.shared_made, watch.left_early) == (1, 0)
    assert watch.shared_reads > 0 < watch.shared_writes


def added_by_all(out: Any, a: Any) -> None:
    out[0] += a[thread.x]


def written_by_all(out: Any, a: Any) -> None:
    out[block.x] = a[thread.x]


def read_before_it_is_there(out: Any, a: Any) -> None:
    if thread.x == 0:
        out[0] = 1.0
    out[1 + thread.x] = out[0]


def handed_on(out: Any, a: Any) -> None:
    if thread.x == 0:
        out[0] = 1.0
    syncthreads()
    out[1 + thread.x] = out[0]


@pytest.mark.parametrize(
    ("kernel", "blocks", "says"),
    [
        (
            added_by_all,
            1,
            "thread 1 reads cell 0 of out (line {0}), which thread 0 writes (line {0})",
        ),
        (written_by_all, 1, "thread 1 writes cell 0 of out (line {0}), which thread 0 writes"),
        (read_before_it_is_there, 1, "thread 1 reads cell 0 of out (line {2})"),
        (handed_on, 1, None),
        (handed_on, 2, None),
        (lambda out, a: added_by_all(out[block.x :], a) if thread.x == 0 else None, 2, None),
    ],
)
def test_threads_that_meet_in_a_cell_of_the_output_are_told_of(kernel, blocks, says) -> None:
    state.watch = watch = Watch()
    launch(kernel, blocks, 4, [Cells(np.zeros(8), "out"), Cells(VALUES, "a")])
    if says is None:
        assert watch.races == []
    else:
        first = kernel.__code__.co_firstlineno + 1
        assert says.format(first, first + 1, first + 2) in str(watch.races[0])
        assert str(watch.races[0]).endswith("and no barrier stands between")


def test_what_a_function_of_another_file_does_is_told_at_the_line_that_calls_it() -> None:
    other: dict[str, Any] = {}
    exec(compile("def fill(n, index):\n    index[0] = n", "tensor_data.py", "exec"), other)

    def kernel(out: Any, a: Any) -> None:
        index = shared.array(1, np.int32)
        other["fill"](thread.x, index)
        out[thread.x] = index[0]

    state.watch = watch = Watch()
    launch(kernel, 1, 4, [Cells(np.zeros(8), "out"), Cells(VALUES, "a")])
    first = kernel.__code__.co_firstlineno
    assert f"(line {first + 2}), which thread 0 " in str(watch.races[0])


def test_no_barrier_keeps_two_blocks_apart() -> None:
    def kernel(out: Any, a: Any) -> None:
        syncthreads()
        if thread.x == block.x:
            out[0] += a[block.x]

    state.watch = watch = Watch()
    launch(kernel, 2, 4, [Cells(np.zeros(8), "out"), Cells(VALUES, "a")])
    assert "which thread 0 of block 0 writes" in str(watch.races[0])
    assert str(watch.races[0]).endswith("and no barrier holds for two blocks")


def test_a_part_of_the_output_is_filled_at_once() -> None:
    def kernel(out: Any, a: Any) -> None:
        if thread.x == 0:
            out[2:5] = 7.0
            out[5:][1:] = a[:2]

    assert ran(kernel, VALUES, 8, 1, 2)["forward"] == [0, 0, 7, 7, 7, 0, *VALUES[:2]]


def test_writing_what_is_there_already_and_adding_atomically_are_no_races() -> None:
    class Given:
        def add(self, array: Any, index: int, value: float) -> None:
            array[index] += value

    adding = simulator.Atomic(Given())

    def kernel(out: Any, a: Any) -> None:
        flag, total = shared.array(1, np.float64), shared.array(1, np.float64)
        flag[0] = 1.0
        if thread.x == 0:
            total[0] = 0.0
        syncthreads()
        adding.add(total, 0, a[thread.x])
        syncthreads()
        out[thread.x] = total[0]

    state.watch = watch = Watch()
    out = Cells(np.zeros(8), "out")
    launch(kernel, 1, 8, [out, Cells(VALUES, "a")])
    assert (out.values, watch.races) == ([255.0] * 8, [])


def test_shared_memory_is_not_a_number_until_it_is_written_and_each_block_has_its_own() -> None:
    def kernel(out: Any, a: Any) -> None:
        cache = shared.array(1, np.float64)
        out[block.x] = cache[0]
        cache[0] = 1.0

    assert all(np.isnan(v).all() for v in ran(kernel, VALUES, 2, 2, 1).values())


# Barriers that not all threads come to


def test_threads_that_wait_at_different_barriers_are_refused_and_told_of() -> None:
    def kernel(out: Any, a: Any) -> None:
        if thread.x < 3:
            syncthreads()
        else:
            syncthreads()

    line = kernel.__code__.co_firstlineno
    with pytest.raises(BarrierError, match=f"3 in line {line + 2} and 5 in line {line + 4}"):
        launch(kernel, 1, 8, [Cells(VALUES, "out"), Cells(VALUES, "a")])


def test_a_block_that_can_never_go_on_is_told_of() -> None:
    def kernel(out: Any, a: Any) -> None:
        syncwarp() if thread.x else syncthreads()

    with pytest.raises(BarrierError, match="the block can never go on"):
        launch(kernel, 1, 8, [Cells(VALUES, "out"), Cells(VALUES, "a")])


def test_a_warp_does_not_wait_for_another_one() -> None:
    def kernel(out: Any, a: Any) -> None:
        cache = shared.array(64, np.float64)
        cache[thread.x] = thread.x
        if thread.x >= 32:
            syncwarp()
            cache[thread.x - 32] = cache[95 - thread.x]
        syncthreads()
        out[thread.x] = cache[thread.x]

    right = [63.0 - i for i in range(32)] + [32.0 + i for i in range(32)]
    assert ran(kernel, VALUES, 64, 1, 64)["forward"] == right


def test_a_thread_that_has_returned_is_not_waited_for_but_counted() -> None:
    def kernel(out: Any, a: Any) -> None:
        if thread.x >= 3:
            return
        syncthreads()
        out[thread.x] = a[thread.x]

    state.watch = watch = Watch()
    out = Cells(np.zeros(3), "out")
    launch(kernel, 1, 8, [out, Cells(VALUES, "a")])
    assert (out.values, watch.left_early) == (VALUES[:3], 5)


def test_what_all_threads_say_is_counted() -> None:
    def kernel(out: Any, a: Any) -> None:
        some = simulator.syncthreads_count(thread.x < 3)
        every = simulator.syncthreads_and(thread.x < 8)
        out[thread.x] = some + 100 * every + 1000 * simulator.syncthreads_or(thread.x == 9)

    assert ran(kernel, VALUES, 8, 1, 8) == dict.fromkeys(ORDERS, [103.0] * 8)


# Places


def test_every_thread_of_every_block_knows_its_place() -> None:
    def kernel(out: Any, a: Any) -> None:
        x, y, z = simulator.grid(3)
        wide, high, _ = simulator.gridsize(3)
        assert x == block.x * sides.x + thread.x
        out[(z * high + y) * wide + x] = x + 10 * y + 100 * z

    right = [x + 10.0 * y + 100.0 * z for z in range(4) for y in range(2) for x in range(6)]
    assert ran(kernel, VALUES, 48, (3, 1, 2), (2, 2, 2)) == dict.fromkeys(ORDERS, right)


def test_a_place_outside_of_memory_is_told_with_the_thread() -> None:
    def kernel(out: Any, a: Any) -> None:
        out[thread.x] = a[block.x * 4 + thread.x]

    with pytest.raises(IndexError, match="thread 0 of block 2 reads cell 8 of a, which has 8"):
        launch(kernel, 3, 4, [Cells(VALUES, "out"), Cells(VALUES, "a")])
    with pytest.raises(IndexError, match="writes cell -1 of out"):
        Cells(VALUES, "out")[-1] = 0.0


def test_a_part_of_memory_is_memory_and_what_is_done_to_it_is_counted() -> None:
    def kernel(out: Any, a: Any) -> None:
        near, far = a[block.x * 4 :], out[block.x * 4 : block.x * 4 + 4]
        far[::-1][thread.x] = near[thread.x] + len(far)

    right = [12.0, 8.0, 6.0, 5.0, 132.0, 68.0, 36.0, 20.0]
    assert ran(kernel, VALUES, 8, 2, 4) == dict.fromkeys(ORDERS, right)
    out, a = Cells(np.zeros(8), "out"), Cells(VALUES, "a")
    launch(kernel, 2, 4, [out, a])
    assert out.writes == [1] * 8
    assert (a.reads[0, 0, 0], a.most_reads()) == ([1] * 4 + [0] * 4, 1)


def test_a_place_outside_of_a_part_is_told_with_the_cell_of_the_whole() -> None:
    a = Cells(VALUES, "a")
    with pytest.raises(IndexError, match="reads cell 8 of a, which has 8"):
        a[4:][4]
    with pytest.raises(IndexError, match="writes cell 3 of a, which lies outside of the part"):
        a[4:][-1] = 0.0
    with pytest.raises(TypeError, match=r"its index is one whole number, not 0\.5"):
        a[1:][0.5]


def test_a_block_has_at_most_1024_threads_and_a_kernel_launches_none() -> None:
    with pytest.raises(ValueError, match="at most 1024 threads"):
        launch(turned, 1, (32, 33), [])
    with pytest.raises(RuntimeError, match="cannot launch"):
        launch(lambda: launch(turned, 1, 1, []), 1, 1, [])


# Kernels that mean ill


def test_what_a_kernel_raises_ends_the_launch_and_the_next_one_is_as_if_nothing_had_been() -> None:
    kept = []

    def kernel(out: Any, a: Any) -> None:
        try:
            syncthreads()
        except BaseException as error:
            kept.append(error)
            syncthreads()  # and does not go

    def deep(out: Any, a: Any) -> None:
        if thread.x == 2:
            deep(out, a)
        kernel(out, a)

    with pytest.raises(RecursionError):
        launch(deep, 1, 8, [Cells(VALUES, "out"), Cells(VALUES, "a")])
    assert len(kept) == 2
    assert ran(tree, VALUES, 8, 1, 8) == dict.fromkeys(ORDERS, [255.0] * 8)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_a_kernel_that_never_ends_is_ended_by_the_clock() -> None:
    class Rung(BaseException):
        pass

    def ring(*_: Any) -> None:
        raise Rung

    def kernel(out: Any, a: Any) -> None:
        cache = shared.array(1, np.float64)
        cache[0] = 0.0
        while cache[0] == 0.0:  # until another thread writes, which cannot come by
            pass

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, 0.05)
    try:
        with pytest.raises(Rung):
            launch(kernel, 1, 8, [Cells(VALUES, "out"), Cells(VALUES, "a")])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


# In the place of numba's simulator


def test_kernels_of_numba_run_in_it_and_what_is_for_a_gpu_is_tried_there_as_well() -> None:
    """There is no GPU to test on: what a question does on one runs against the simulator's arrays."""
    code = """
        import sys
        import numpy as np
        from grader.box import imports, modes
        modes.prepare("simulator")
        from grader.box.bindings import minitorch_cuda
        package = imports.Package(sys.argv[1], ["minitorch"])
        package.load()
        subject = minitorch_cuda.bind(package)
        a = np.arange(66.0).reshape(2, 33)
        for mode in ("simulator", "gpu"):
            subject.mode = mode
            twice = subject.cuda_kernel("tensor_map", lambda x: 2 * x, [2, 33], [1, 0], 0.0, [(a, [0, 1])])
            assert (twice == 2 * a).all()
            assert (subject.cuda_sums(a[0]) == [496.0, 32.0]).all()
            sums = subject.cuda_kernel(
                "tensor_reduce", lambda x, y: x + y, [2, 1], [0, 1], 0.0, [(a, [0, 1])], 1, 0.0
            )
            assert (sums == a.sum(1, keepdims=True)).all()
        from numba import cuda

        @cuda.jit
        def beyond(out, a, size):
            out[size // 32 + 1] = 1.0

        # On a GPU nothing stops a kernel that writes beside its array, but it is seen afterwards.
        memory = minitorch_cuda.Memory([1.0, 2.0], "out")
        memory.device[minitorch_cuda.GUARD + 2] = 0.5
        try:
            memory.read()
        except IndexError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(ROOT / "reference")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "the kernel writes outside of out, which has 2 cells"
