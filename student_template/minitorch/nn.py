r"""Functions for networks of images: pooling, maxima, softmax, dropout.

All are made of functions of Tensors, whose gradients are known. Only the maximum is new: it has
a ``Function`` of its own, ``Max``.
"""

from __future__ import annotations

import math
from typing import Any

from . import operators
from .autodiff import Context
from .fast_ops import FastOps
from .tensor import Tensor
from .tensor_functions import Function, rand

max_reduce = FastOps.reduce(operators.max, -math.inf)


def tile(input: Tensor, kernel: tuple[int, int]) -> tuple[Tensor, int, int]:
    r"""Cut images into windows that lie side by side, and line up the cells of each window.

    $$\text{tiles}_{b, c, y, x, j k_w + k} = \text{input}_{b, c, y k_h + j, x k_w + k}$$

    Args:
        input: batch, channel, height, width, in any layout.
        kernel: the height $k_h$ and the width $k_w$ of a window; they divide those of the image.

    Returns:
        The windows, in the shape batch, channel, new_height, new_width, $k_h k_w$; how many
        windows lie below each other, and how many beside each other.
    """
    batch, channel, height, width = input.shape
    kh, kw = kernel
    assert height % kh == 0
    assert width % kw == 0
    raise NotImplementedError(
        "Task 4.3: Cut images into windows that lie side by side, and line up the cells of each window."
    )


def avgpool2d(input: Tensor, kernel: tuple[int, int]) -> Tensor:
    """Replace each window of the images by the mean of its cells.

    Args:
        input: batch, channel, height, width.
        kernel: the height and the width of a window.

    Returns:
        batch, channel, new_height, new_width.
    """
    raise NotImplementedError(
        "Task 4.3: Replace each window of the images by the mean of its cells."
    )


def argmax(input: Tensor, dim: int) -> Tensor:
    """Mark the largest cells along a dimension: 1 where a cell is as large as any, else 0.

    Args:
        input: a tensor of any shape.
        dim: the dimension.

    Returns:
        A tensor of the input's shape. Where several cells are largest, all of them are marked.
    """
    raise NotImplementedError(
        "Task 4.4: Mark the largest cells along a dimension: 1 where a cell is as large as any, else 0."
    )


class Max(Function):
    r"""Maximum along a dimension, $f(a)_{0, j} = \max_i a_{i, j}$; the dimension has size 1 then."""

    @staticmethod
    def forward(ctx: Context, input: Tensor, dim: Tensor) -> Tensor:
        """Take the largest of the cells along a dimension."""
        raise NotImplementedError("Task 4.4: Take the largest of the cells along a dimension.")

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Any]:
        r"""Apply the chain rule: the derivative goes to the cell that was the largest.

        Where several cells are largest there is no derivative; each of them gets it all, as
        ``argmax`` marks them.
        """
        raise NotImplementedError(
            "Task 4.4: Apply the chain rule: the derivative goes to the cell that was the largest."
        )


def max(input: Tensor, dim: int) -> Tensor:
    """Take the largest of the cells along a dimension, which stays with size 1."""
    raise NotImplementedError(
        "Task 4.4: Take the largest of the cells along a dimension, which stays with size 1."
    )


def softmax(input: Tensor, dim: int) -> Tensor:
    r"""Turn the cells along a dimension into shares that add up to 1.

    $$\text{softmax}(a)_i = \frac{e^{a_i}}{\sum_j e^{a_j}}$$

    A number taken from all cells alike changes nothing; without the largest of them, no power is
    more than 1, so none overflows.
    """
    raise NotImplementedError(
        "Task 4.4: Turn the cells along a dimension into shares that add up to 1."
    )


def logsoftmax(input: Tensor, dim: int) -> Tensor:
    r"""Take the logarithm of the softmax along a dimension.

    $$\log \text{softmax}(a)_i = a_i - m - \log \sum_j e^{a_j - m}, \qquad m = \max_j a_j$$

    Written so, it is right also where the softmax itself is too small for a float.
    """
    raise NotImplementedError("Task 4.4: Take the logarithm of the softmax along a dimension.")


def maxpool2d(input: Tensor, kernel: tuple[int, int]) -> Tensor:
    """Replace each window of the images by the largest of its cells.

    Args:
        input: batch, channel, height, width.
        kernel: the height and the width of a window.

    Returns:
        batch, channel, new_height, new_width.
    """
    raise NotImplementedError(
        "Task 4.4: Replace each window of the images by the largest of its cells."
    )


def dropout(input: Tensor, rate: float, ignore: bool = False) -> Tensor:
    """Set each cell to 0 with some probability, and leave the others as they are.

    Args:
        input: a tensor of any shape.
        rate: the probability; at 0 every cell stays, at 1 none does.
        ignore: whether to give the input back unchanged, as one does after training.

    Returns:
        A tensor of the input's shape. Other cells are dropped on each call.
    """
    raise NotImplementedError(
        "Task 4.4: Set each cell to 0 with some probability, and leave the others as they are."
    )
