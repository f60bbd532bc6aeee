"""Different: as a course's own files have it: the maximum begins at -1e9 and keeps its dimension's tensor."""

from __future__ import annotations

from typing import Any

from . import operators
from .autodiff import Context
from .fast_ops import FastOps
from .tensor import Tensor
from .tensor_functions import Function, rand

max_reduce = FastOps.reduce(operators.max, -1e9)


def tile(input: Tensor, kernel: tuple[int, int]) -> tuple[Tensor, int, int]:
    r"""Cut images into windows that lie side by side, and line up the cells of each window.

    $$\text{tiles}_{b, c, y, x, j k_w + k} = \text{input}_{b, c, y k_h + j, x k_w + k}$$
    """
    batch, channel, height, width = input.shape
    kh, kw = kernel
    assert height % kh == 0
    assert width % kw == 0
    rows, columns = height // kh, width // kw
    split = input.contiguous().view(batch, channel, rows, kh, columns, kw)
    windows = split.permute(0, 1, 2, 4, 3, 5).contiguous()
    return windows.view(batch, channel, rows, columns, kh * kw), rows, columns


def avgpool2d(input: Tensor, kernel: tuple[int, int]) -> Tensor:
    """Replace each window of the images by the mean of its cells.
    """
    tiles, rows, columns = tile(input, kernel)
    return tiles.mean(4).view(input.shape[0], input.shape[1], rows, columns)


def argmax(input: Tensor, dim: int) -> Tensor:
    """Mark the largest cells along a dimension: 1 where a cell is as large as any, else 0.
    """
    return input == max_reduce(input, dim)


class Max(Function):
    r"""Maximum along a dimension, $f(a)_{0, j} = \max_i a_{i, j}$; the dimension has size 1 then."""

    @staticmethod
    def forward(ctx: Context, input: Tensor, dim: Tensor) -> Tensor:
        """Take the largest of the cells along a dimension."""
        along = int(dim.item())
        out = max_reduce(input, along)
        ctx.save_for_backward(input, out)
        return out

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Any]:
        r"""Apply the chain rule: the derivative goes to the cell that was the largest.

        Where several cells are largest there is no derivative; each of them gets it all, as
        ``argmax`` marks them.
        """
        input, out = ctx.saved_values
        return grad_output * (input == out), grad_output.zeros((1,))


def max(input: Tensor, dim: int) -> Tensor:
    """Take the largest of the cells along a dimension, which stays with size 1."""
    return Max.apply(input, input._ensure_tensor(dim))


def softmax(input: Tensor, dim: int) -> Tensor:
    r"""Turn the cells along a dimension into shares that add up to 1.

    $$\text{softmax}(a)_i = \frac{e^{a_i}}{\sum_j e^{a_j}}$$

    A number taken from all cells alike changes nothing; without the largest of them, no power is
    more than 1, so none overflows.
    """
    largest = max_reduce(input, dim)
    return (input - largest).exp() / (input - largest).exp().sum(dim=dim)


def logsoftmax(input: Tensor, dim: int) -> Tensor:
    r"""Take the logarithm of the softmax along a dimension.

    $$\log \text{softmax}(a)_i = a_i - m - \log \sum_j e^{a_j - m}, \qquad m = \max_j a_j$$

    Written so, it is right also where the softmax itself is too small for a float.
    """
    shifted = input - max(input, dim)
    return shifted - shifted.exp().sum(dim).log()


def maxpool2d(input: Tensor, kernel: tuple[int, int]) -> Tensor:
    """Replace each window of the images by the largest of its cells.
    """
    tiles, rows, columns = tile(input, kernel)
    return max(tiles, 4).view(input.shape[0], input.shape[1], rows, columns)


def dropout(input: Tensor, rate: float, ignore: bool = False) -> Tensor:
    """Set each cell to 0 with some probability, and leave the others as they are.
    """
    if ignore:
        return input
    noise = rand(input.shape)
    return input * (noise > rate)
