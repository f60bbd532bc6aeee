"""Different: one parallel loop over the cells of the output, with indices in arrays."""

from __future__ import annotations

import numpy as np
from numba import prange

from .autodiff import Context
from .fast_ops import index_to_position, njit, to_index
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

    size = int(out_size)
    for ordinal in prange(size):
        out_index = np.zeros(3, np.int32)
        in_index = np.zeros(3, np.int32)
        w_index = np.zeros(3, np.int32)
        to_index(ordinal, out_shape, out_index)
        in_index[0] = out_index[0]
        w_index[0] = out_index[1]
        value = 0.0
        for channel in range(in_channels):
            in_index[1] = channel
            w_index[1] = channel
            for k in range(kw):
                w_index[2] = kw - 1 - k if reverse else k
                in_index[2] = out_index[2] - w_index[2] if reverse else out_index[2] + k
                if 0 <= in_index[2] < width:
                    value += (
                        weight[index_to_position(w_index, weight_strides)]
                        * input[index_to_position(in_index, input_strides)]
                    )
        out[index_to_position(out_index, out_strides)] = value


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

    size = int(out_size)
    for ordinal in prange(size):
        out_index = np.zeros(4, np.int32)
        in_index = np.zeros(4, np.int32)
        w_index = np.zeros(4, np.int32)
        to_index(ordinal, out_shape, out_index)
        in_index[0] = out_index[0]
        w_index[0] = out_index[1]
        value = 0.0
        for channel in range(in_channels):
            in_index[1] = channel
            w_index[1] = channel
            for j in range(kh):
                for k in range(kw):
                    w_index[2] = j
                    w_index[3] = k
                    in_index[2] = out_index[2] - j if reverse else out_index[2] + j
                    in_index[3] = out_index[3] - k if reverse else out_index[3] + k
                    if 0 <= in_index[2] < height and 0 <= in_index[3] < width:
                        value += (
                            weight[index_to_position(w_index, weight_strides)]
                            * input[index_to_position(in_index, input_strides)]
                        )
        out[index_to_position(out_index, out_strides)] = value


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
