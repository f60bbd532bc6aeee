r"""Convolution: a small kernel slides over a signal or an image.

At each place the cells under the kernel are multiplied by its weights and added up, over all
input channels. The result has as many places as the input: where the kernel reaches over the
border, the input counts as 0. The first weight lies on the place itself and the others on the
cells after it, so the kernel reaches over the right (and lower) border. For the gradients the
same loops run with ``reverse``: the other weights then lie on the cells before the place, and
the kernel reaches over the left (and upper) border.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from .autodiff import Context
from .fast_ops import njit
from .tensor import Tensor
from .tensor_data import Shape, Storage, Strides
from .tensor_functions import Function


def _tensor_conv1d(
    out: Storage,
    out_shape: Shape,
    out_strides: Strides,
    out_size: int,
    input: Storage,
    input_shape: Shape,
    input_strides: Strides,
    weight: Storage,
    weight_shape: Shape,
    weight_strides: Strides,
    reverse: bool,
) -> None:
    r"""Fill the output of a convolution over one dimension.

    $$\text{out}_{b, o, x} = \sum_{c, k} \text{input}_{b, c, x \pm k} \cdot w_{o, c, k}$$

    The sign is $+$, and with ``reverse`` it is $-$. Where $x \pm k$ lies outside the input
    nothing is added. The output may be wider or narrower than the input.

    Args:
        out: storage of the output, all 0 on entry.
        out_shape: batch, out_channels, out_width.
        out_strides: strides of the output.
        out_size: the number of cells of the output.
        input: storage of the input.
        input_shape: batch, in_channels, width.
        input_strides: strides of the input.
        weight: storage of the kernel.
        weight_shape: out_channels, in_channels, k_width.
        weight_strides: strides of the kernel.
        reverse: whether the kernel reaches to the left.
    """
    batch_, out_channels, out_width = out_shape
    batch, in_channels, width = input_shape
    out_channels_, in_channels_, kw = weight_shape

    assert batch == batch_
    assert in_channels == in_channels_
    assert out_channels == out_channels_

    # begin solution 4.1
    sign = -1 if reverse else 1
    step = sign * input_strides[2]
    # Each row of the output belongs to one iteration, so no two threads write to the same cell.
    for row in prange(batch * out_channels):
        b, o = row // out_channels, row % out_channels
        for x in range(out_width):
            # The weights first to last - 1 lie on cells of the input.
            first = max(0, x - width + 1) if reverse else 0
            last = min(kw, x + 1) if reverse else min(kw, width - x)
            total = 0.0
            for c in range(in_channels):
                cell = b * input_strides[0] + c * input_strides[1]
                cell += x * input_strides[2] + first * step
                at = o * weight_strides[0] + c * weight_strides[1] + first * weight_strides[2]
                for _ in range(first, last):
                    total += input[cell] * weight[at]
                    cell += step
                    at += weight_strides[2]
            out[b * out_strides[0] + o * out_strides[1] + x * out_strides[2]] = total
    # end solution


tensor_conv1d = njit(_tensor_conv1d, parallel=True)


class Conv1dFun(Function):
    r"""Convolution over one dimension, with zeros beyond the right border."""

    @staticmethod
    def forward(ctx: Context, input: Tensor, weight: Tensor) -> Tensor:
        """Convolve an input with a kernel.

        Args:
            ctx: remembers both for backward.
            input: batch, in_channels, width.
            weight: out_channels, in_channels, k_width.

        Returns:
            batch, out_channels, width.
        """
        ctx.save_for_backward(input, weight)
        batch, in_channels, width = input.shape
        out_channels, in_channels2, _ = weight.shape
        assert in_channels == in_channels2

        output = input.zeros((batch, out_channels, width))
        tensor_conv1d(*output.tuple(), output.size, *input.tuple(), *weight.tuple(), False)
        return output

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        r"""Apply the chain rule: both gradients are convolutions themselves.

        $$g^w_{o, c, k} = \sum_{b, x} \text{input}_{b, c, x + k} \, d_{b, o, x}, \qquad
          g^{\text{input}}_{b, c, x} = \sum_{o, k} d_{b, o, x - k} \, w_{o, c, k}$$

        For the first one batch and channels change places, and the upstream is the kernel; the
        second one runs in reverse.
        """
        input, weight = ctx.saved_values
        batch, in_channels, width = input.shape
        out_channels, _, kw = weight.shape

        grad_weight = grad_output.zeros((in_channels, out_channels, kw))
        by_channel, upstream = input.permute(1, 0, 2), grad_output.permute(1, 0, 2)
        tensor_conv1d(
            *grad_weight.tuple(), grad_weight.size, *by_channel.tuple(), *upstream.tuple(), False
        )

        grad_input = input.zeros((batch, in_channels, width))
        turned = weight.permute(1, 0, 2)
        tensor_conv1d(
            *grad_input.tuple(), grad_input.size, *grad_output.tuple(), *turned.tuple(), True
        )
        return grad_input, grad_weight.permute(1, 0, 2)


conv1d = Conv1dFun.apply


def _tensor_conv2d(
    out: Storage,
    out_shape: Shape,
    out_strides: Strides,
    out_size: int,
    input: Storage,
    input_shape: Shape,
    input_strides: Strides,
    weight: Storage,
    weight_shape: Shape,
    weight_strides: Strides,
    reverse: bool,
) -> None:
    r"""Fill the output of a convolution over two dimensions.

    $$\text{out}_{b, o, y, x} =
      \sum_{c, j, k} \text{input}_{b, c, y \pm j, x \pm k} \cdot w_{o, c, j, k}$$

    Both signs are $+$, and with ``reverse`` both are $-$. Where $(y \pm j, x \pm k)$ lies outside
    the input nothing is added. The output may be larger or smaller than the input.

    Args:
        out: storage of the output, all 0 on entry.
        out_shape: batch, out_channels, out_height, out_width.
        out_strides: strides of the output.
        out_size: the number of cells of the output.
        input: storage of the input.
        input_shape: batch, in_channels, height, width.
        input_strides: strides of the input.
        weight: storage of the kernel.
        weight_shape: out_channels, in_channels, k_height, k_width.
        weight_strides: strides of the kernel.
        reverse: whether the kernel reaches up and to the left.
    """
    batch_, out_channels, out_height, out_width = out_shape
    batch, in_channels, height, width = input_shape
    out_channels_, in_channels_, kh, kw = weight_shape

    assert batch == batch_
    assert in_channels == in_channels_
    assert out_channels == out_channels_

    # begin solution 4.2
    # Each row of the output belongs to one iteration, so no two threads write to the same cell.
    for row in prange(batch * out_channels * out_height):
        image, y = row // out_height, row % out_height
        b, o = image // out_channels, image % out_channels
        # In arrays of its own, whose cells lie side by side, a row is added up several at a time.
        cells, sums = np.empty(width), np.zeros(out_width)
        for c in range(in_channels):
            for j in range(kh):
                line = y - j if reverse else y + j
                if not 0 <= line < height:
                    continue
                start = b * input_strides[0] + c * input_strides[1] + line * input_strides[2]
                for x in range(width):
                    cells[x] = input[start + x * input_strides[3]]
                at = o * weight_strides[0] + c * weight_strides[1] + j * weight_strides[2]
                for k in range(kw):
                    if reverse:
                        left, right, n = sums[k:], cells, min(out_width - k, width)
                    else:
                        left, right, n = sums, cells[k:], min(out_width, width - k)
                    factor = weight[at + k * weight_strides[3]]
                    for x in range(n):
                        left[x] += factor * right[x]
        place = b * out_strides[0] + o * out_strides[1] + y * out_strides[2]
        for x in range(out_width):
            out[place + x * out_strides[3]] = sums[x]
    # end solution


tensor_conv2d = njit(_tensor_conv2d, parallel=True, fastmath=True)


class Conv2dFun(Function):
    r"""Convolution over two dimensions, with zeros beyond the lower and the right border."""

    @staticmethod
    def forward(ctx: Context, input: Tensor, weight: Tensor) -> Tensor:
        """Convolve images with a kernel.

        Args:
            ctx: remembers both for backward.
            input: batch, in_channels, height, width.
            weight: out_channels, in_channels, k_height, k_width.

        Returns:
            batch, out_channels, height, width.
        """
        ctx.save_for_backward(input, weight)
        batch, in_channels, height, width = input.shape
        out_channels, in_channels2, _, _ = weight.shape
        assert in_channels == in_channels2

        output = input.zeros((batch, out_channels, height, width))
        tensor_conv2d(*output.tuple(), output.size, *input.tuple(), *weight.tuple(), False)
        return output

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        r"""Apply the chain rule: both gradients are convolutions, as in ``Conv1dFun``."""
        input, weight = ctx.saved_values
        batch, in_channels, height, width = input.shape
        out_channels, _, kh, kw = weight.shape

        grad_weight = grad_output.zeros((in_channels, out_channels, kh, kw))
        by_channel, upstream = input.permute(1, 0, 2, 3), grad_output.permute(1, 0, 2, 3)
        tensor_conv2d(
            *grad_weight.tuple(), grad_weight.size, *by_channel.tuple(), *upstream.tuple(), False
        )

        grad_input = input.zeros((batch, in_channels, height, width))
        turned = weight.permute(1, 0, 2, 3)
        tensor_conv2d(
            *grad_input.tuple(), grad_input.size, *grad_output.tuple(), *turned.tuple(), True
        )
        return grad_input, grad_weight.permute(1, 0, 2, 3)


conv2d = Conv2dFun.apply
