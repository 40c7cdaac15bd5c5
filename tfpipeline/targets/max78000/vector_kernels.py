"""The reference kernels on whole batches at once; equal to them bit for bit.

Convolutions run as one matrix product in floating point. That is exact because every
sum of products, in whatever order it is added up, is an integer that the type holds:
`exact_float` compares the bound of the layer's sums with the type's significand. What
follows stays exact too: bias and the half for rounding are within the same bound, and
the shift is a factor of a power of two.
"""

import math

import numpy as np
import numpy.typing as npt

from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import (
    accelerator_layer,
    arithmetic,
    program,
    reference_kernels,
)

Array = graph.Array

# Values of the matrix of windows that are made at once: 1 MB of float32 stays in cache.
BLOCK = 2**18


def exact_float(layer: program.Layer) -> npt.DTypeLike:
    """The faster type of float32 and float64 that holds all sums of the layer."""
    bound = layer.largest_sum + arithmetic.half_step(layer.output_shift)
    # Integers up to 2**24 are exact in float32, and those of 32 bits in float64.
    return np.float32 if bound <= 2**24 else np.float64


def pooled(hardware: accelerator_layer.AcceleratorLayer, data: Array) -> Array:
    """As `reference_kernels.pooled`: one tap of all windows after the other."""
    averages = hardware.pool_type == "avg"
    taps = (
        data[:, *_positions(hardware, tap)].astype(np.int32 if averages else np.int8)
        for tap in np.ndindex(*hardware.pool)
    )
    result = next(taps)
    for tap in taps:
        (np.add if averages else np.maximum)(result, tap, out=result)
    return arithmetic.average(result, hardware.window) if averages else result


def _positions(
    hardware: accelerator_layer.AcceleratorLayer, tap: tuple[int, ...]
) -> tuple[slice, slice]:
    """Rows and columns of the data that a tap of the pooling window meets."""
    rows, columns = (
        slice(
            tap[axis] * hardware.pool_dilation[axis],
            tap[axis] * hardware.pool_dilation[axis]
            + (hardware.pooled_dim[axis] - 1) * hardware.pool_stride[axis]
            + 1,
            hardware.pool_stride[axis],
        )
        for axis in (0, 1)
    )
    return rows, columns


def convolved(layer: program.Layer, data: Array) -> Array:
    """As `reference_kernels.convolved`: sums of a block of pixels, settled in place."""
    assert layer.weights is not None
    hardware, dtype = layer.hardware, exact_float(layer)
    source = reference_kernels.spread(hardware, data.astype(dtype))
    groups, taps = hardware.groups, layer.weights.shape[1:]
    values = math.prod(taps)
    kernels = np.ascontiguousarray(
        layer.weights.astype(dtype).reshape(groups, -1, values).transpose(0, 2, 1)
    )
    windows = _windows(hardware, source)
    height, *shape = *hardware.out_dim, hardware.out_channels
    wide = np.int32 if hardware.output_width == 32 else np.int8
    result = np.empty((len(data), height, *shape), wide)
    # As many rows of pixels at a time as keep the matrix of windows, or the sums, in a
    # core's cache.
    row = shape[0] * max(values * groups, 4 * shape[1])
    images, rows = max(1, BLOCK // (height * row)), max(1, BLOCK // row)
    for start in range(0, len(data), images):
        for first in range(0, height, rows):
            block = windows[start : start + images, first : first + rows]
            target = result[start : start + images, first : first + rows]
            if groups == 1:
                sums = block.reshape(-1, values) @ kernels[0]
            else:
                parted = block.reshape(-1, math.prod(taps[:-1]), groups, taps[-1])
                columns = np.moveaxis(parted, -2, 0).reshape(groups, -1, values)
                sums = np.concatenate(np.matmul(columns, kernels), axis=-1)
            target[:] = _settled(layer, sums).reshape(target.shape)
    return result


def _settled(layer: program.Layer, sums: Array) -> Array:
    """Sums of products `[pixels, channels]`, which are overwritten, as results."""
    if layer.bias is not None:
        sums += layer.bias.astype(sums.dtype) * (1 << arithmetic.FRACTION_BITS)
    if layer.hardware.output_width == 32:
        return sums.astype(np.int32)
    sums += arithmetic.half_step(layer.output_shift)
    sums *= 2.0 ** (layer.output_shift - arithmetic.FRACTION_BITS)
    np.floor(sums, out=sums)
    np.clip(sums, arithmetic.MIN_VALUE, arithmetic.MAX_VALUE, out=sums)
    return arithmetic.activate(sums.astype(np.int8), layer.hardware.activation)


def _windows(hardware: accelerator_layer.AcceleratorLayer, source: Array) -> Array:
    """View `[N, rows, columns, *kernel, channels]` of what each output sees."""
    stride = reference_kernels.stride_behind_spread(hardware)
    reach = [hardware.dilation[axis] * (hardware.kernel[axis] - 1) for axis in (0, 1)]
    windows = np.lib.stride_tricks.sliding_window_view(
        source, (reach[0] + 1, reach[1] + 1), axis=(1, 2)
    )
    strided = windows[
        :,
        :: stride[0],
        :: stride[1],
        :,
        :: hardware.dilation[0],
        :: hardware.dilation[1],
    ]
    return np.moveaxis(strided, 3, -1)
