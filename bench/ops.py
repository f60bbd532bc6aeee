"""Tensor operations beside NumPy: the reference's compiled backend, those of submissions, and PyTorch if installed.

    python bench/ops.py [SUBMISSION ...]

Each is timed in a process of its own, on one thread, and beside NumPy there: what is printed is how many times
as long as NumPy it takes, the fastest of several calls of each, both taken in turn. All make a new tensor for
the result. Rows with "backward" are a forward and a backward pass; NumPy then does by hand what they amount to.
A dash stands for an operation that is not there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OPENBLAS", "OMP", "MKL", "NUMBA"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402

SIDE, ROUNDS = 1000, 15
SIZES = (256, 512, 1024)
Pair = tuple[Callable[[], Any], Callable[[], Any]]

rng = np.random.default_rng(0)
A, B = rng.random((SIDE, SIDE)), rng.random((SIDE, SIDE))
MATRICES = {n: (rng.random((n, n)), rng.random((n, n))) for n in SIZES}
IMAGES, WEIGHTS = rng.random((16, 3, 32, 32)), rng.random((8, 3, 3, 3))


def convolved(images: Any, weights: Any) -> Any:
    """A convolution with padding on the right and at the bottom, as a product of matrices."""
    height, width = weights.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (0, height - 1), (0, width - 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    return np.einsum("bchwij,ocij->bohw", windows, weights, optimize=True)


def numpy_rows() -> dict[str, Callable[[], Any]]:
    rows: dict[str, Callable[[], Any]] = {
        "map: -a": lambda: -A,
        "zip: a * b": lambda: A * B,
        "zip: a * row": lambda: A * B[:1],
        "zip: a * column": lambda: A * B[:, :1],
        "zip: a * transposed b": lambda: A * B.T,
        "reduce: sum(0)": lambda: A.sum(0, keepdims=True),
        "reduce: sum(1)": lambda: A.sum(1, keepdims=True),
    }
    for n, (a, b) in MATRICES.items():
        ones = np.ones((n, n))
        rows[f"matmul {n}"] = lambda a=a, b=b: a @ b
        rows[f"matmul {n}, backward"] = lambda a=a, b=b, ones=ones: (a @ b, ones @ b.T, a.T @ ones)
    rows["conv2d 3x3"] = lambda: convolved(IMAGES, WEIGHTS)
    return rows


def minitorch_rows() -> dict[str, Callable[[], Any]]:
    import minitorch
    from minitorch.fast_ops import FastOps

    backend = minitorch.TensorBackend(FastOps)

    def tensor(array: Any, grad: bool = False) -> Any:
        made = minitorch.Tensor.make(array.reshape(-1).copy(), array.shape, backend=backend)
        if grad:
            made.requires_grad_(True)
        return made

    a, b, row, column = tensor(A), tensor(B), tensor(B[:1]), tensor(B[:, :1])
    turned = tensor(B).permute(1, 0)
    f = backend
    rows: dict[str, Callable[[], Any]] = {
        "map: -a": lambda: f.neg_map(a),
        "zip: a * b": lambda: f.mul_zip(a, b),
        "zip: a * row": lambda: f.mul_zip(a, row),
        "zip: a * column": lambda: f.mul_zip(a, column),
        "zip: a * transposed b": lambda: f.mul_zip(a, turned),
        "reduce: sum(0)": lambda: f.add_reduce(a, 0),
        "reduce: sum(1)": lambda: f.add_reduce(a, 1),
    }

    def both_ways(x: Any, y: Any, ones: Any) -> None:
        (tensor(x, True) @ tensor(y, True)).backward(ones)

    for n, (x, y) in MATRICES.items():
        s, t, ones = tensor(x), tensor(y), tensor(np.ones((n, n)))
        rows[f"matmul {n}"] = lambda s=s, t=t: f.matrix_multiply(s, t)
        rows[f"matmul {n}, backward"] = lambda x=x, y=y, ones=ones: both_ways(x, y, ones)
    try:
        from minitorch.fast_conv import conv2d
    except ImportError:
        return rows
    images, weights = tensor(IMAGES), tensor(WEIGHTS)
    rows["conv2d 3x3"] = lambda: conv2d(images, weights)
    return rows


def torch_rows() -> dict[str, Callable[[], Any]]:
    import torch

    torch.set_num_threads(1)
    a, b = torch.from_numpy(A), torch.from_numpy(B)
    rows: dict[str, Callable[[], Any]] = {
        "map: -a": lambda: -a,
        "zip: a * b": lambda: a * b,
        "zip: a * row": lambda: a * b[:1],
        "zip: a * column": lambda: a * b[:, :1],
        "zip: a * transposed b": lambda: a * b.T,
        "reduce: sum(0)": lambda: a.sum(0, keepdim=True),
        "reduce: sum(1)": lambda: a.sum(1, keepdim=True),
    }

    def both_ways(x: Any, y: Any) -> None:
        s, t = (torch.from_numpy(array).requires_grad_() for array in (x, y))
        (s @ t).backward(torch.ones_like(s))

    for n, (x, y) in MATRICES.items():
        s, t = torch.from_numpy(x), torch.from_numpy(y)
        rows[f"matmul {n}"] = lambda s=s, t=t: s @ t
        rows[f"matmul {n}, backward"] = lambda x=x, y=y: both_ways(x, y)
    images, weights = torch.from_numpy(IMAGES), torch.from_numpy(WEIGHTS)
    padded = torch.nn.functional.pad(images, (0, 2, 0, 2))
    rows["conv2d 3x3"] = lambda: torch.nn.functional.conv2d(padded, weights)
    return rows


def fastest(pair: Pair) -> float:
    """How many times as long as the second the first takes: the fastest call of each, taken in turn."""
    best = [float("inf"), float("inf")]
    for call in pair:
        call()
    began = time.perf_counter()
    for done in range(ROUNDS):
        if done > 2 and time.perf_counter() - began > 6:
            break
        for which, call in enumerate(pair):
            start = time.perf_counter()
            call()
            best[which] = min(best[which], time.perf_counter() - start)
    return best[0] / best[1]


def measured(who: str) -> dict[str, float]:
    """The rows of a submission, or of torch, beside NumPy's."""
    sys.path.insert(0, who)
    mine = torch_rows() if who == "torch" else minitorch_rows()
    return {
        name: fastest((mine[name], other)) for name, other in numpy_rows().items() if name in mine
    }


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(sys.argv[2])))
        return
    reference = str(Path(__file__).resolve().parents[1] / "reference")
    table = {}
    for who in [reference, *sys.argv[1:], "torch"]:
        command = [sys.executable, __file__, "--one", who]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            table[Path(who).name] = json.loads(done.stdout.splitlines()[-1])
        elif who != "torch":
            print(f"{who}: {done.stderr.splitlines()[-1:]}", file=sys.stderr)
    print(f"{'times as long as NumPy':28}" + "".join(f"{name[-18:]:>20}" for name in table))
    for row in numpy_rows():
        cells = [f"{found[row]:.2f}" if row in found else "-" for found in table.values()]
        print(f"{row:28}" + "".join(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
