"""Different: each output is a slice of a padded copy of the input, times the kernel, which is turned for `reverse`."""

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
    batch_, out_channels, out_width = out_shape
    batch, in_channels, width = input_shape
    out_channels_, in_channels_, kw = weight_shape

    assert batch == batch_
    assert in_channels == in_channels_
    assert out_channels == out_channels_

    for i in prange(batch * out_channels):
        b, o = i // out_channels, i % out_channels
        before = kw - 1 if reverse else 0
        padded = np.zeros((in_channels, width + kw + out_width))
        kernel = np.zeros((in_channels, kw))
        for c in range(in_channels):
            for x in range(width):
                place = b * input_strides[0] + c * input_strides[1] + x * input_strides[2]
                padded[c, before + x] = input[place]
            for k in range(kw):
                place = o * weight_strides[0] + c * weight_strides[1] + k * weight_strides[2]
                kernel[c, kw - 1 - k if reverse else k] = weight[place]
        for x in range(out_width):
            place = b * out_strides[0] + o * out_strides[1] + x * out_strides[2]
            out[place] = np.sum(padded[:, x : x + kw] * kernel)


tensor_conv1d = njit(_tensor_conv1d, parallel=True)


class Conv1dFun(Function):

    @staticmethod
    def forward(ctx: Context, input: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(input, weight)
        batch, in_channels, width = input.shape
        out_channels, in_channels2, _ = weight.shape
        assert in_channels == in_channels2

        output = input.zeros((batch, out_channels, width))
        tensor_conv1d(*output.tuple(), output.size, *input.tuple(), *weight.tuple(), False)
        return output

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Tensor]:
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
    batch_, out_channels, out_height, out_width = out_shape
    batch, in_channels, height, width = input_shape
    out_channels_, in_channels_, kh, kw = weight_shape

    assert batch == batch_
    assert in_channels == in_channels_
    assert out_channels == out_channels_

    for i in prange(batch * out_channels):
        b, o = i // out_channels, i % out_channels
        above, before = (kh - 1, kw - 1) if reverse else (0, 0)
        padded = np.zeros((in_channels, height + kh + out_height, width + kw + out_width))
        kernel = np.zeros((in_channels, kh, kw))
        for c in range(in_channels):
            for y in range(height):
                for x in range(width):
                    place = b * input_strides[0] + c * input_strides[1]
                    place += y * input_strides[2] + x * input_strides[3]
                    padded[c, above + y, before + x] = input[place]
            for j in range(kh):
                for k in range(kw):
                    place = o * weight_strides[0] + c * weight_strides[1]
                    value = weight[place + j * weight_strides[2] + k * weight_strides[3]]
                    if reverse:
                        kernel[c, kh - 1 - j, kw - 1 - k] = value
                    else:
                        kernel[c, j, k] = value
        for y in range(out_height):
            for x in range(out_width):
                place = b * out_strides[0] + o * out_strides[1]
                place += y * out_strides[2] + x * out_strides[3]
                out[place] = np.sum(padded[:, y : y + kh, x : x + kw] * kernel)


tensor_conv2d = njit(_tensor_conv2d, parallel=True, fastmath=True)


class Conv2dFun(Function):

    @staticmethod
    def forward(ctx: Context, input: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(input, weight)
        batch, in_channels, height, width = input.shape
        out_channels, in_channels2, _, _ = weight.shape
        assert in_channels == in_channels2

        output = input.zeros((batch, out_channels, height, width))
        tensor_conv2d(*output.tuple(), output.size, *input.tuple(), *weight.tuple(), False)
        return output

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> tuple[Tensor, Tensor]:
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
