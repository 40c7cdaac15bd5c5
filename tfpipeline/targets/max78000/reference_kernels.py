"""Readable kernels, the specification: plain loops over the outputs.

`vector_kernels` compute the same on whole batches; tests hold the two equal. Data are
int8 `[N, rows, columns, channels]`.
"""

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import accelerator_layer, arithmetic, program

Array = graph.Array


def pooled(hardware: accelerator_layer.AcceleratorLayer, data: Array) -> Array:
    """Maximum or average of each window, which never reaches over the border."""
    result = np.empty((len(data), *hardware.pooled_dim, data.shape[-1]), np.int8)
    for row, column in np.ndindex(*hardware.pooled_dim):
        window = np.array(
            [
                data[
                    :,
                    row * hardware.pool_stride[0] + y * hardware.pool_dilation[0],
                    column * hardware.pool_stride[1] + x * hardware.pool_dilation[1],
                ]
                for y, x in np.ndindex(*hardware.pool)
            ]
        )
        if hardware.pool_type == "max":
            result[:, row, column] = window.max(axis=0)
        else:
            totals = window.sum(axis=0, dtype=np.int64)
            result[:, row, column] = arithmetic.average(totals, len(window))
    return result


def convolved(layer: program.Layer, data: Array) -> Array:
    """Convolution, bias, shift and activation; int32 for an output of 32 bits."""
    hardware = layer.hardware
    assert layer.weights is not None
    sums = arithmetic.accumulate(_products(hardware, data, layer.weights), layer.bias)
    if hardware.output_width == 32:
        return sums.astype(np.int32)
    values = arithmetic.requantize(sums, layer.output_shift)
    return arithmetic.activate(values, hardware.activation)


def spread(hardware: accelerator_layer.AcceleratorLayer, data: Array) -> Array:
    """The data that the kernel slides over: padded, and spread if transposed.

    A transposed convolution puts stride - 1 zeros between the pixels, and around them
    so many that `pad` of the full result is cut off; `output_pad` adds to the end.
    """
    count, *size, channels = data.shape
    step, before, after = (1, 1), hardware.pad, hardware.pad
    if hardware.operator == "convtranspose2d":
        step = hardware.stride
        before = (_full_pad(hardware, 0), _full_pad(hardware, 1))
        after = (
            before[0] + hardware.output_pad[0],
            before[1] + hardware.output_pad[1],
        )
    rows, columns = (
        before[axis] + (size[axis] - 1) * step[axis] + 1 + after[axis]
        for axis in (0, 1)
    )
    result = np.zeros((count, rows, columns, channels), data.dtype)
    result[
        :,
        before[0] : rows - after[0] : step[0],
        before[1] : columns - after[1] : step[1],
    ] = data
    return result


def stride_behind_spread(
    hardware: accelerator_layer.AcceleratorLayer,
) -> accelerator_layer.Pair:
    """Steps of the kernel over `spread` data; those of a transposed one are in it."""
    return (1, 1) if hardware.operator == "convtranspose2d" else hardware.stride


def _full_pad(hardware: accelerator_layer.AcceleratorLayer, axis: int) -> int:
    """Zeros in front for which a transposed convolution has the pad of the layer."""
    return hardware.dilation[axis] * (hardware.kernel[axis] - 1) - hardware.pad[axis]


def _products(
    hardware: accelerator_layer.AcceleratorLayer, data: Array, weights: Array
) -> Array:
    """Sums of products `[N, rows, columns, out_channels]`, int64."""
    source, kernel = spread(hardware, data).astype(np.int64), weights.astype(np.int64)
    stride = stride_behind_spread(hardware)
    per_group = hardware.out_channels // hardware.groups
    width = kernel.shape[-1]
    result = np.zeros((len(data), *hardware.out_dim, hardware.out_channels), np.int64)
    for image, row, column in np.ndindex(*result.shape[:-1]):
        for y, x in np.ndindex(*hardware.kernel):
            pixel = source[
                image,
                row * stride[0] + y * hardware.dilation[0],
                column * stride[1] + x * hardware.dilation[1],
            ]
            for group in range(hardware.groups):
                own = slice(group * per_group, (group + 1) * per_group)
                inputs = pixel[group * width : (group + 1) * width]
                result[image, row, column, own] += kernel[own, y, x] @ inputs
    return result
