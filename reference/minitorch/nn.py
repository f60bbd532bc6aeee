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
    # begin solution 4.3
    rows, columns = height // kh, width // kw
    split = input.contiguous().view(batch, channel, rows, kh, columns, kw)
    windows = split.permute(0, 1, 2, 4, 3, 5).contiguous()
    return windows.view(batch, channel, rows, columns, kh * kw), rows, columns
    # end solution


def avgpool2d(input: Tensor, kernel: tuple[int, int]) -> Tensor:
    """Replace each window of the images by the mean of its cells.

    Args:
        input: batch, channel, height, width.
        kernel: the height and the width of a window.

    Returns:
        batch, channel, new_height, new_width.
    """
    # begin solution 4.3
    tiles, rows, columns = tile(input, kernel)
    return tiles.mean(4).view(input.shape[0], input.shape[1], rows, columns)
    # end solution


def argmax(input: Tensor, dim: int) -> Tensor:
    """Mark the largest cells along a dimension: 1 where a cell is as large as any, else 0.

    Args:
        input: a tensor of any shape.
        dim: the dimension.

    Returns:
        A tensor of the input's shape. Where several cells are largest, all of them are marked.
    """
    # begin solution 4.4
    return input == max_reduce(input, dim)
    # end solution


class Max(Function):
    r"""Maximum along a dimension, $f(a)_{0, j} = \max_i a_{i, j}$; the dimension has size 1 then."""

    @staticmethod
    def forward(ctx: Context, input: Tensor, dim: Tensor) -> Tensor:
        """Take the largest of the cells along a dimension."""
        # begin solution 4.4
        along = int(dim.item())
        ctx.save_for_backward(input, along)
        return max_reduce(input, along)
        # end solution

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Any]:
        r"""Apply the chain rule: the derivative goes to the cell that was the largest.

        Where several cells are largest there is no derivative; each of them gets it all, as
        ``argmax`` marks them.
        """
        # begin solution 4.4
        input, along = ctx.saved_values
        return argmax(input, along) * grad_output, 0.0
        # end solution


def max(input: Tensor, dim: int) -> Tensor:
    """Take the largest of the cells along a dimension, which stays with size 1."""
    # begin solution 4.4
    return Max.apply(input, input._ensure_tensor(dim))
    # end solution


def softmax(input: Tensor, dim: int) -> Tensor:
    r"""Turn the cells along a dimension into shares that add up to 1.

    $$\text{softmax}(a)_i = \frac{e^{a_i}}{\sum_j e^{a_j}}$$

    A number taken from all cells alike changes nothing; without the largest of them, no power is
    more than 1, so none overflows.
    """
    # begin solution 4.4
    powers = (input - max(input, dim)).exp()
    return powers / powers.sum(dim)
    # end solution


def logsoftmax(input: Tensor, dim: int) -> Tensor:
    r"""Take the logarithm of the softmax along a dimension.

    $$\log \text{softmax}(a)_i = a_i - m - \log \sum_j e^{a_j - m}, \qquad m = \max_j a_j$$

    Written so, it is right also where the softmax itself is too small for a float.
    """
    # begin solution 4.4
    shifted = input - max(input, dim)
    return shifted - shifted.exp().sum(dim).log()
    # end solution


def maxpool2d(input: Tensor, kernel: tuple[int, int]) -> Tensor:
    """Replace each window of the images by the largest of its cells.

    Args:
        input: batch, channel, height, width.
        kernel: the height and the width of a window.

    Returns:
        batch, channel, new_height, new_width.
    """
    # begin solution 4.4
    tiles, rows, columns = tile(input, kernel)
    return max(tiles, 4).view(input.shape[0], input.shape[1], rows, columns)
    # end solution


def dropout(input: Tensor, rate: float, ignore: bool = False) -> Tensor:
    """Set each cell to 0 with some probability, and leave the others as they are.

    Args:
        input: a tensor of any shape.
        rate: the probability; at 0 every cell stays, at 1 none does.
        ignore: whether to give the input back unchanged, as one does after training.

    Returns:
        A tensor of the input's shape. Other cells are dropped on each call.
    """
    # begin solution 4.4
    if ignore:
        return input
    return input * (rand(input.shape, backend=input.backend) > rate)
    # end solution
