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

# Up to as many multiply-accumulates OpenBLAS, which NumPy comes with, uses one thread
# (interface/gemm.c: SMP_THRESHOLD_MIN * GEMM_MULTITHREAD_THRESHOLD). `simulate` runs
# batches in parallel instead: threads that share so flat a product mostly wait for each
# other, on a busy machine for ten times as long as they compute.
ONE_THREAD_MACS = 2**18
# With fewer rows at a time BLAS is slow for other reasons.
MIN_ROWS = 4


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
    """As `reference_kernels.convolved`, in place on the sums of products."""
    hardware, sums = layer.hardware, _products(layer, data)
    if layer.bias is not None:
        sums += layer.bias.astype(sums.dtype) * (1 << arithmetic.FRACTION_BITS)
    if hardware.output_width == 32:
        return sums.astype(np.int32)
    sums += arithmetic.half_step(layer.output_shift)
    sums *= 2.0 ** (layer.output_shift - arithmetic.FRACTION_BITS)
    np.floor(sums, out=sums)
    np.clip(sums, arithmetic.MIN_VALUE, arithmetic.MAX_VALUE, out=sums)
    return arithmetic.activate(sums.astype(np.int8), hardware.activation)


def _products(layer: program.Layer, data: Array) -> Array:
    """Sums of products `[N, rows, columns, out_channels]` in an exact float type."""
    assert layer.weights is not None
    hardware, dtype = layer.hardware, exact_float(layer)
    source = reference_kernels.spread(hardware, data.astype(dtype))
    groups, taps = hardware.groups, layer.weights.shape[1:]
    windows = _windows(hardware, source).reshape(
        len(data), *hardware.out_dim, *taps[:-1], groups, taps[-1]
    )
    columns = np.moveaxis(windows, -2, 0).reshape(groups, -1, math.prod(taps))
    kernels = layer.weights.astype(dtype).reshape(groups, -1, math.prod(taps))
    products = [_product(*pair) for pair in zip(columns, kernels, strict=True)]
    sums = products[0] if groups == 1 else np.concatenate(products, axis=-1)
    return sums.reshape(len(data), *hardware.out_dim, hardware.out_channels)


def _product(columns: Array, kernels: Array) -> Array:
    """`columns @ kernels.T` in slices that BLAS gives one thread each."""
    count, taps = columns.shape
    result = np.empty((count, len(kernels)), columns.dtype)
    rows = ONE_THREAD_MACS // kernels.size
    whole = count // rows * rows if rows >= MIN_ROWS else 0
    if whole:
        np.matmul(
            columns[:whole].reshape(-1, rows, taps),
            kernels.T,
            out=result[:whole].reshape(-1, rows, len(kernels)),
        )
    np.matmul(columns[whole:], kernels.T, out=result[whole:])
    return result


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
