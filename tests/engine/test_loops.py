"""What is read in a kernel's source: places that several iterations of its parallel loop write, and no others."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

from grader.box.bindings.loops import Shared, leaves_something, outermost, shared

ROOT = Path(__file__).resolve().parents[2]


def read(text: str) -> list[Shared]:
    """What is found in the last function of a text; it can call those before it."""
    tree = ast.parse(textwrap.dedent(text))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    return shared(list(functions.values())[-1], functions.get)


WRONG = {
    "an index made before the loop": """
        def kernel(out, shape):
            index = np.zeros(4)
            for i in prange(len(out)):
                to_index(i, shape, index)  # index
                out[i] = index[0]
    """,
    "its other name": """
        def kernel(out, shape):
            index = np.zeros(4)
            for i in numba.prange(len(out)):
                mine = index
                broadcast_index(other, shape, shape, mine)  # mine
                out[i] = mine[0]
    """,
    "a part of it that all share": """
        def kernel(out, shape):
            indices = np.zeros((2, 4))
            for i in prange(len(out)):
                to_index(i, shape, indices[0])  # indices
                out[i] = indices[0][0]
    """,
    "a function of the student's that fills it": """
        def fill(n, places):
            for k in range(4):
                places[k] = n % 4

        def kernel(out, shape):
            index = np.zeros(4)
            for i in prange(len(out)):
                fill(i, index)  # index
                out[i] = index[0]
    """,
    "a sum in one cell": """
        def kernel(out, a, n):
            for i in range(len(out)):
                at = i * 2
                for k in prange(n):
                    out[at] += a[k]  # out
    """,
    "the loop over the sum of a product": """
        def kernel(out, a, b, n):
            for k in prange(n):
                for i in range(n):
                    for j in range(n):
                        out[i * n + j] += a[i, k] * b[k, j]  # out
    """,
    "a count that goes from one iteration to the next": """
        def kernel(out, a):
            at = 0
            for i in prange(len(out)):
                out[at] = a[i]  # out
                at += 1
    """,
    "the first row, or a part of a given length, of what all share": """
        def kernel(out, shape):
            index = np.zeros((2, 4))
            for i in prange(len(out)):
                first = index[0]
                mine = first[: len(shape)]
                to_index(i, shape, mine)  # mine
                out[i] = mine[0]
    """,
    "an index that is handed on by its name": """
        def fill(n, places):
            places[0] = n

        def kernel(out, shape):
            index = np.zeros(4)
            for i in prange(len(out)):
                fill(i, places=index)  # index
                out[i] = index[0]
    """,
    "an index for a to_index of the student's own, with another order of arguments": """
        def to_index(places, shape, n):
            for k in range(len(shape)):
                places[k] = n % shape[k]

        def kernel(out, shape):
            index = np.zeros(4)
            for i in prange(len(out)):
                to_index(index, shape, i)  # index
                out[i] = index[0]
    """,
    "a sum that goes through all of the output in each iteration": """
        def kernel(out, a, n):
            for k in prange(n):
                for i in range(len(out)):
                    out[i] = out[i] + a[k]  # out
    """,
}
RIGHT = {
    "an index of its own": """
        def kernel(out, shape):
            for i in prange(len(out)):
                index = np.zeros(4)
                again = index
                to_index(i, shape, again)
                again[2] = 0
                out[place(index)] = 1.0
    """,
    "a row for each iteration": """
        def kernel(out, shape):
            indices = np.zeros((len(out), 4))
            for i in prange(len(out)):
                mine = indices[i]
                to_index(i, shape, mine)
                to_index(i, shape, indices[i])
                indices[i, 0] = 3
                out[i] = mine[0]
    """,
    "a row for each thread": """
        def kernel(out, shape):
            indices = np.zeros((8, 4))
            for i in prange(len(out)):
                to_index(i, shape, indices[numba.get_thread_id()])
                out[i] = indices[get_thread_id()][0]
    """,
    "a number that numba sums up": """
        def kernel(out, a):
            total = 0.0
            for i in prange(len(a)):
                total += a[i]
            out[0] = total
    """,
    "an inner parallel loop, which runs in turn": """
        def kernel(out, n):
            for i in prange(n):
                mine = np.zeros(4)
                for j in prange(n):
                    mine[0] += j
                out[i] = mine[0]
    """,
    "a share of the cells for each iteration": """
        def kernel(out, n):
            for share in prange(8):
                index = np.zeros(4)
                for i in range(share * n, (share + 1) * n):
                    index[0] = i
                    out[i] = index[0]
    """,
    "a function that writes where it is told": """
        def put(out, at):
            out[at] = 1.0

        def kernel(out):
            for i in prange(len(out)):
                put(out, i)
    """,
    "arguments by their names": """
        def fill(n, places):
            places[0] = n

        def put(out, value, at):
            out[at] = value

        def kernel(out, a):
            for i in prange(len(out)):
                index = np.zeros(4)
                fill(i, places=index)
                put(out, a[index[0]], at=i)
    """,
    "a to_index with another order of arguments": """
        def to_index(places, shape, n):
            for k in range(len(shape)):
                places[k] = n % shape[k]

        def kernel(out, shape):
            start = 3
            for i in prange(len(out)):
                index = np.zeros(4)
                to_index(index, shape, start)
                to_index(index, shape, i)
                out[index[0]] = 1.0
    """,
    "one iteration that is singled out": """
        def kernel(out, a):
            for i in prange(len(out)):
                if i == 0:
                    out[0] = a[0]
                else:
                    out[i] = a[i] - a[i - 1]
    """,
    "a loop that is not parallel": """
        def kernel(out, shape):
            index = np.zeros(4)
            for i in range(len(out)):
                to_index(i, shape, index)
                out[i] = index[0]
    """,
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_place_that_all_iterations_write_is_found(text: str) -> None:
    lines = textwrap.dedent(text).splitlines()
    (marked,) = [(n, line) for n, line in enumerate(lines, 1) if "# " in line]
    (found,) = read(text)
    assert (found.line, found.name) == (marked[0], marked[1].split("# ")[1])
    assert "prange" in lines[found.loop - 1]


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_what_each_iteration_has_for_itself_is_no_fault(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    "path",
    [
        ROOT / "reference" / "minitorch" / "fast_ops.py",
        *(ROOT / "tests" / "wheat").glob("fast_*/minitorch/fast_ops.py"),
    ],
    ids=lambda path: path.parents[1].name,
)
def test_nothing_is_found_in_right_kernels(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    assert [shared(function, functions.get) for function in functions.values()] == [
        [] for _ in functions
    ]
    found = [(f, loop) for f in functions.values() for loop in outermost(f.body)]
    assert all(leaves_something(loop, f, functions.get) for f, loop in found)


def worked(text: str) -> list[bool]:
    """Whether something is left of each parallel loop of the last function of a text."""
    tree = ast.parse(textwrap.dedent(text))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    last = list(functions.values())[-1]
    return [leaves_something(loop, last, functions.get) for loop in outermost(last.body)]


IDLE = {
    "it clears an index": """
        def kernel(out, out_shape):
            index, other = np.zeros(MAX_DIMS), out_shape.copy()
            for d in prange(len(out_shape)):
                index[d], other[d] = 0, 1
    """,
    "it has one iteration": """
        def kernel(out, out_shape):
            for once in prange(1):
                for i in range(len(out)):
                    out[i] = 1.0
    """,
    "it adds up a position over the dimensions": """
        def kernel(out, out_shape, out_strides, in_storage):
            for i in range(len(out)):
                at = 0
                for d in prange(len(out_shape)):
                    at += (i // out_shape[d]) * out_strides[d]
                out[at] = in_storage[i]
    """,
    "a function clears an index": """
        def clear(index, i):
            index[i] = 0

        def kernel(out, out_shape):
            index = np.zeros(MAX_DIMS)
            for d in prange(len(out_shape)):
                clear(index, d)
    """,
    "it fills an index of each iteration's own": """
        def kernel(out, out_shape):
            for i in prange(len(out)):
                index = np.empty(len(out))
                to_index(i, out_shape, index)
                at = index_to_position(index, out_shape)
    """,
}
BUSY = {
    "a part of the output has a name": """
        def kernel(out, n):
            for i in prange(n):
                row = out[i]
                row[0] = 1.0
    """,
    "it fills a buffer that is used later": """
        def kernel(out, n):
            buffer = np.zeros(len(out))
            for i in prange(n):
                buffer[i] = 1.0
    """,
    "a cell has a type written beside it": """
        def kernel(out, n):
            for i in prange(n):
                out[i]: float = 1.0
    """,
    "a function fills the output": """
        def fill(i, where):
            where[i] = 1.0

        def kernel(out, n):
            for i in prange(n):
                fill(i, out)
    """,
    "a function fills it that nobody knows": """
        def kernel(out, n):
            for i in prange(n):
                unknown(i, out)
    """,
    "a function fills a part of the output, under a name of its own": """
        def fill(i, out):
            row = out[i:]
            row[0] = 1.0

        def kernel(out, n):
            for i in prange(n):
                fill(i, out)
    """,
    "a function fills the output under another name": """
        def put(where, i):
            there = where
            there[i] = 1.0

        def fill(i, out):
            tile = np.zeros(1)
            put(out, i)

        def kernel(out, n):
            for i in prange(n):
                fill(i, out)
    """,
    "functions call each other deeper than is read": """
        def d(i, out): out[i] = 1.0
        def c(i, out): d(i, out)
        def b(i, out): c(i, out)
        def a(i, out): b(i, out)

        def kernel(out, n):
            for i in prange(n):
                a(i, out)
    """,
    "a method does": """
        def kernel(out, n):
            for i in prange(n):
                out.itemset(i, 1.0)
    """,
    "it makes a sum": """
        def kernel(out, n):
            total = 0.0
            for i in prange(n):
                total += i
            out[0] = total
    """,
    "as many iterations as there are batches, of which there may be one": """
        def kernel(out, out_shape):
            for n in prange(out_shape[0]):
                out[n] += 1.0
    """,
}


@pytest.mark.parametrize("text", IDLE.values(), ids=IDLE)
def test_a_parallel_loop_of_which_nothing_is_left_is_idle(text: str) -> None:
    assert worked(text) == [False]


@pytest.mark.parametrize("text", BUSY.values(), ids=BUSY)
def test_a_parallel_loop_that_may_work_is_not(text: str) -> None:
    assert worked(text) == [True]
