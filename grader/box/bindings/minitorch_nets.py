"""Binding `minitorch_nets`: convolution, pooling, maxima, softmax and dropout of module 4.

One defect of the course's own files is made up for. The given `View.backward` takes the storage of the
gradient as it lies, which is wrong for one that came through a permute, as in every `tile`. While gradients
are asked for, it gets them row by row. Nothing else of the submission is changed.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from grader.box.bindings.minitorch import MiniTorch
from grader.box.bindings.minitorch_fast import GUARD, OUTSIDE, Fast
from grader.box.bindings.plain import number
from grader.box.faults import Blocked, InputMutated, Missing
from grader.box.imports import Package


class Nets(Fast):
    """The vocabulary over a `minitorch` package with `fast_conv.py` and `nn.py`."""

    module = "fast_conv"
    whole = frozenset({"conv1d", "conv2d"})

    def backend(self) -> Any:
        """The plain backend: what is made with tensors here does not depend on module 3."""
        return MiniTorch.backend(self)

    # Functions of tensors by their name, `nn.softmax`; `extra` are plain arguments after the tensors.

    def net_value(
        self,
        path: str,
        arrays: list[Any],
        *extra: Any,
        orders: list[list[int]] | None = None,
    ) -> Any:
        """The output of a function of tensors."""
        leaves = self.leaves(arrays, orders)
        output = self.array(self.get(path)(*leaves, *extra))
        self.unchanged(leaves, arrays)
        return output

    def net_gradients(
        self,
        path: str,
        arrays: list[Any],
        upstream: Any,
        *extra: Any,
        orders: list[list[int]] | None = None,
    ) -> dict[str, Any]:
        """The output of a function of tensors and every input's gradient after `backward(upstream)`."""
        leaves = self.leaves(arrays, orders)
        output = self.get(path)(*leaves, *extra)
        backward = self.attribute(output, "backward", "the result (a Tensor is expected)")
        with self.views_in_order():
            backward(self.make(upstream, grad=False))
        self.unchanged(leaves, arrays)
        return {
            "value": self.array(output),
            "gradients": [self.read(leaf.grad) for leaf in leaves],
        }

    def gradients_apart(
        self, path: str, calls: list[list[Any]], upstreams: list[Any], *extra: Any
    ) -> list[Any]:
        """The gradients of several calls of a function of tensors: all calls first, then every `backward`."""
        leaves = [self.leaves(arrays, None) for arrays in calls]
        outputs = [self.get(path)(*given, *extra) for given in leaves]
        for output, upstream in zip(outputs, upstreams, strict=True):
            backward = self.attribute(output, "backward", "the result (a Tensor is expected)")
            backward(self.make(upstream, grad=False))
        return [self.read(leaf.grad) for given in leaves for leaf in given]

    @contextlib.contextmanager
    def views_in_order(self) -> Iterator[None]:
        """Hands gradients to `View.backward` row by row."""
        try:
            view = self.get("tensor_functions.View")
            given = self.attribute(view, "backward", "View")
        except (Missing, Blocked):
            yield
            return

        def backward(ctx: Any, gradient: Any) -> Any:
            return given(ctx, self.make(self.array(gradient), grad=False))

        own = vars(view).get("backward")
        view.backward = staticmethod(backward)
        try:
            yield
        finally:
            if own is None:
                del view.backward
            else:
                view.backward = own

    # Convolution

    def convolution(
        self,
        shape: Sequence[int],
        out_order: Sequence[int],
        input: Any,
        input_order: Sequence[int],
        weight: Any,
        weight_order: Sequence[int],
        reverse: bool,
    ) -> Any:
        """What `tensor_conv1d` or `tensor_conv2d` writes into an output of that shape and layout, 0 before.
        The inputs must stay as they are, and so must what lies before and behind the output's storage."""
        import numpy as np

        kernel = self.fast(f"conv{len(shape) - 2}d")
        around, *output = self.guarded(np.zeros(shape), out_order, OUTSIDE)
        out, sides, strides = output
        given = [
            self.guarded(array, order, np.nan)
            for array, order in ((input, input_order), (weight, weight_order))
        ]
        before = [whole.tobytes() for whole, *_ in given]
        triples = [part for _, *triple in given for part in triple]
        kernel(*output, int(np.prod(shape)), *triples, bool(reverse))
        for name, (whole, *_), old in zip(("input", "weight"), given, before, strict=True):
            if whole.tobytes() != old:
                raise InputMutated(name)
        if (around[:GUARD] != OUTSIDE).any() or (around[-GUARD:] != OUTSIDE).any():
            raise IndexError("the kernel writes before or behind the storage of out")
        return self.strided(out, sides, strides, "out")

    def convolve(
        self, batch: int, inner: int, outer: int, sides: list[int], window: list[int]
    ) -> Any:
        """A convolution of many different numbers, in layouts that are not row by row."""
        dims = len(sides)
        plain = list(range(2 + dims))
        return self.convolution(
            [batch, outer, *sides],
            plain,
            self.grid([batch, inner, *sides]),
            [1, 0, *plain[2:]],
            self.grid([outer, inner, *window], 5),
            plain,
            False,
        )

    def example(self, name: str, function: Callable[..., float] | None) -> None:
        if name == "conv1d":
            self.convolve(2, 2, 2, [4], [2])
        else:
            self.convolve(2, 2, 2, [3, 4], [2, 2])

    def large(self, name: str, function: Callable[..., float] | None) -> Any:
        if name == "conv1d":
            return self.convolve(7, 3, 5, [29], [4])
        return self.convolve(5, 3, 5, [7, 9], [2, 3])

    # Pooling and maxima

    def windows(self, a: Any, kernel: list[int], order: list[int] | None = None) -> dict[str, Any]:
        """What `tile` gives. The cells of each window are sorted: their order is nobody's business."""
        import numpy as np

        leaves = self.leaves([a], None if order is None else [order])
        found = self.get("nn.tile")(*leaves, tuple(kernel))
        tiles, height, width = found
        cells = self.array(tiles)
        self.unchanged(leaves, [a])
        if type(cells) is np.ndarray and cells.ndim:
            cells = np.sort(cells, axis=-1)
        return {"tiles": cells, "new_height": number(height), "new_width": number(width)}

    def shares(
        self,
        path: str,
        a: Any,
        upstream: Any,
        *extra: Any,
        split: Sequence[int],
        axes: Sequence[int],
    ) -> Any:
        """The gradient of a function of one tensor, one row for each group of cells of which the largest
        share an upstream.

        split: the shape that the gradient is given first; axes: those of its axes that make up a row.
        """
        (gradient,) = self.net_gradients(path, [a], upstream, *extra)["gradients"]
        return self.rows_of(gradient, a, split, axes)

    def marks(self, path: str, a: Any, dim: int) -> Any:
        """The cells that a function of one tensor marks along a dimension, one row for each place there."""
        return self.rows_of(self.net_value(path, [a], dim), a, a.shape, [dim])

    def rows_of(self, values: Any, a: Any, split: Sequence[int], axes: Sequence[int]) -> Any:
        """Values in rows, see `shares`; unchanged when they have not the shape of `a`."""
        import numpy as np

        if type(values) is not np.ndarray or values.shape != a.shape:
            return values
        last = np.moveaxis(values.reshape(split), axes, range(-len(axes), 0))
        return last.reshape(-1, int(np.prod([split[axis] for axis in axes])))

    # Dropout. Which cells are dropped is left to chance; Python's and NumPy's generators are seeded from the
    # case, so that a submission that uses them does the same again.

    def seeded(self, seed: int) -> Any:
        """Seeds both generators; a generator of our own that they do not know."""
        import numpy as np

        random.seed(seed)
        np.random.seed(seed)
        return np.random.RandomState(seed + 1)

    def nonzero(self, shape: Sequence[int], seed: int) -> Any:
        """An array of small and large numbers of either sign."""
        return self.seeded(seed).choice([-4.0, -0.125, 0.125, 4.0], size=tuple(shape))

    def dropout(self, a: Any, *arguments: Any) -> Any:
        """What `dropout` makes of an array that has no 0, over that array: 0 where a cell was dropped."""
        import numpy as np

        found = self.net_value("nn.dropout", [a], *arguments)
        if type(found) is not np.ndarray or found.shape != a.shape:
            raise ValueError(f"dropout gives {described(found)} for a tensor of shape {a.shape}")
        return found / a

    def dropout_counts(self, shape: Sequence[int], rate: float, seed: int) -> dict[str, Any]:
        """How many cells one call drops: of all, of groups by value, and how many neighbours along each
        dimension, which has an even size, share a fate."""
        a = self.nonzero(shape, seed)
        dropped = self.dropout(a, rate) == 0.0
        alike = rate * rate + (1.0 - rate) * (1.0 - rate)
        moved = [(dim, dropped.swapaxes(0, dim)) for dim in range(dropped.ndim)]
        return {
            "dropped of all cells": event(dropped, rate),
            "dropped of the negative cells": event(dropped[a < 0], rate),
            "dropped of the large cells": event(dropped[abs(a) > 1], rate),
        } | {
            f"neighbours along dimension {dim} of which both or none are dropped": event(
                cells[0::2] == cells[1::2], alike
            )
            for dim, cells in moved
        }

    def dropout_calls(
        self, shape: Sequence[int], rate: float, seed: int, calls: int
    ) -> dict[str, Any]:
        """How often each cell of a tensor is dropped in several calls; how often just as many as are to be
        expected, which independent cells seldom are; and how many cells share a fate in two calls in a row, of the
        pairs that begin with an even number and of the others."""
        import numpy as np

        a = self.nonzero(shape, seed)
        dropped: Any = np.array([self.dropout(a, rate) == 0.0 for _ in range(calls)])
        found = {
            f"calls that drop the cell {list(map(int, place))}": event(
                dropped[(slice(None), *place)], rate
            )
            for place in np.ndindex(a.shape)
        }
        usual = int(rate * a.size)
        likely = math.comb(a.size, usual) * rate**usual * (1.0 - rate) ** (a.size - usual)
        counts = dropped.reshape(calls, -1).sum(axis=1)
        found[f"calls that drop {usual} of {a.size} cells"] = event(counts == usual, likely)
        alike = rate * rate + (1.0 - rate) * (1.0 - rate)
        pairs = dropped[:-1] == dropped[1:]
        for first in (0, 1):
            title = f"cells of which both or none are dropped in calls {first + 1} and {first + 2}, and so on"
            found[title] = event(pairs[first::2], alike)
        return found

    def dropout_survivors(self, shape: Sequence[int], rate: float, seed: int) -> list[float]:
        """The least and the greatest factor that cells which are not dropped are multiplied by. If all of
        them are scaled so that the mean stays, by 1 / (1 - rate), that scale is taken out. A course may add 1e-6
        to the denominator."""
        factors = self.dropout(self.nonzero(shape, seed), rate)
        factors = factors[factors != 0.0]
        if factors.size and (abs(factors * (1.0 - rate) - 1.0) < 1e-5).all():
            factors = factors * (1.0 - rate)
        return [float(factors.min()), float(factors.max())] if factors.size else []

    def dropout_gradient(
        self, shape: Sequence[int], rate: float, seed: int, upstream: Any
    ) -> dict[str, Any]:
        """By how much the factors on the gradient differ from those on the cells at most."""
        import numpy as np

        a = self.nonzero(shape, seed)
        found = self.net_gradients("nn.dropout", [a], upstream, rate)
        (gradient,), value = found["gradients"], found["value"]
        for what, got in (("value", value), ("gradient", gradient)):
            if type(got) is not np.ndarray or got.shape != a.shape:
                return {what: described(got)}
        return {"gradient": float(abs(gradient / upstream - value / a).max())}


def event(happened: Any, rate: float) -> dict[str, Any]:
    """How often something happened, of how many times, and how likely it is each time."""
    return {"count": int(happened.sum()), "of": int(happened.size), "rate": rate}


def described(value: Any) -> str:
    """What stands where a tensor was expected."""
    shape = getattr(value, "shape", None)
    return f"a value of type {type(value).__name__}" if shape is None else f"shape {tuple(shape)}"


def bind(package: Package) -> Nets:
    """The subject for the package `minitorch`."""
    return Nets(package, "minitorch")


def __getattr__(name: str) -> Any:
    if name == "Script":
        from grader.box.bindings.minitorch_nets_script import Script

        return Script
    raise AttributeError(name)
