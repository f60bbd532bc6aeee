"""Different: the maximum is found by comparing cells one by one; the first of several largest counts."""

from __future__ import annotations

import math
from typing import Any

from . import operators
from .autodiff import Context
from .tensor import Tensor
from .tensor_functions import Function, rand


def first_largest(input: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    shape = tuple(1 if axis == dim else size for axis, size in enumerate(input.shape))
    found = input.zeros(shape)
    best = {}
    for index in input._tensor.indices():
        key = tuple(0 if axis == dim else i for axis, i in enumerate(index))
        if key not in best or input[index] > input[best[key]]:
            best[key] = index
    marks = input.zeros(input.shape)
    for key, index in best.items():
        found[key] = input[index]
        marks[index] = 1.0
    return found, marks


def max_reduce(input: Tensor, dim: int) -> Tensor:
    return first_largest(input, dim)[0]



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
    return first_largest(input, dim)[1]


class Max(Function):
    r"""Maximum along a dimension, $f(a)_{0, j} = \max_i a_{i, j}$; the dimension has size 1 then."""

    @staticmethod
    def forward(ctx: Context, input: Tensor, dim: Tensor) -> Tensor:
        """Take the largest of the cells along a dimension."""
        along = int(dim.item())
        ctx.save_for_backward(input, along)
        return max_reduce(input, along)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Any]:
        r"""Apply the chain rule: the derivative goes to the cell that was the largest.

        Where several cells are largest there is no derivative; each of them gets it all, as
        ``argmax`` marks them.
        """
        input, along = ctx.saved_values
        return argmax(input, along) * grad_output, 0.0


def max(input: Tensor, dim: int) -> Tensor:
    """Take the largest of the cells along a dimension, which stays with size 1."""
    return Max.apply(input, input._ensure_tensor(dim))


def softmax(input: Tensor, dim: int) -> Tensor:
    r"""Turn the cells along a dimension into shares that add up to 1.

    $$\text{softmax}(a)_i = \frac{e^{a_i}}{\sum_j e^{a_j}}$$

    A number taken from all cells alike changes nothing; without the largest of them, no power is
    more than 1, so none overflows.
    """
    powers = (input - max(input, dim)).exp()
    return powers / powers.sum(dim)


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
    return input * (rand(input.shape, backend=input.backend) > rate)
