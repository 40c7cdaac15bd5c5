"""Integers that TFLite derives from scales: multipliers, shifts and bounds.

Both sets of kernels take them from here. Sources, for each the file of TFLite or TFLite
Micro that computes it, stand at the functions.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.numerics import rounding
from tfpipeline.simulate import fixed_point

# Headroom of the operands of ADD and SUB: add_common.cc, `left_shift`.
ADD_LEFT_SHIFT = {"int8": 20, "int16": 15}
# Integer bits of the differences in SOFTMAX: lite/kernels/internal/softmax_common.h.
SOFTMAX_DIFF_BITS = 5
SOFTMAX_SUM_BITS = 12

# Multiplier and shift, as `fixed_point.quantize_multiplier` gives them.
Factor = tuple[int, int]
Index = tuple[Any, ...]


def quant(g: graph.Graph, name: str) -> graph.QuantParams:
    """The quantization of a tensor that a verified integer graph must have."""
    found = g.tensors[name].quant
    assert found is not None
    return found


def scale(g: graph.Graph, name: str) -> float:
    """The one scale of an activation."""
    return quant(g, name).scale[0]


def zero_point(g: graph.Graph, name: str) -> int:
    """The one zero point of an activation."""
    return quant(g, name).zero_point[0]


def bounds(g: graph.Graph, layer: graph.Layer) -> tuple[int, int]:
    """Smallest and largest integer of a layer's output, with its fused activation.

    kernel_util.cc, `CalculateActivationRangeQuantized`: the division is in float32.
    """
    low, high = type_bounds(g, layer.output)
    clamp: graph.Clamp = getattr(layer, "clamp", graph.NO_CLAMP)
    step, zero = scale(g, layer.output), zero_point(g, layer.output)
    if math.isfinite(clamp.minimum):
        low = max(low, zero + steps(clamp.minimum, step))
    if math.isfinite(clamp.maximum):
        high = min(high, zero + steps(clamp.maximum, step))
    return low, high


def type_bounds(g: graph.Graph, name: str) -> tuple[int, int]:
    """Smallest and largest integer of a tensor's type."""
    limits = np.iinfo(g.tensors[name].dtype)
    return int(limits.min), int(limits.max)


def steps(value: float, step: float) -> int:
    """A real bound in steps of a scale, rounded; the division is in float32."""
    return rounding.half_away_integer(float(np.float32(value) / np.float32(step)))


def channel_factors(g: graph.Graph, layer: graph.Weighted) -> list[Factor]:
    """Multiplier and shift of each output channel, in double.

    kernel_util.cc: `PopulateConvolutionQuantizationParams`. Older sources multiply the
    scales of a dense layer of one scale in float32; the interpreter no longer does.
    """
    channels = g.tensors[layer.output].shape[-1]
    source, result = scale(g, layer.inputs[0]), scale(g, layer.output)
    kernel = quant(g, layer.weights).scale
    factors = [fixed_point.quantize_multiplier(source * k / result) for k in kernel]
    return factors * (channels if len(kernel) == 1 else 1)


def bias_values(g: graph.Graph, layer: graph.Weighted) -> graph.Array:
    """The bias of each output channel as int64, zeros where there is none."""
    if layer.bias is None:
        return np.zeros(g.tensors[layer.output].shape[-1], np.int64)
    return g.constants[layer.bias].reshape(-1).astype(np.int64)


def kernel_values(g: graph.Graph, layer: graph.Weighted) -> graph.Array:
    """The kernel as int64 without its zero point."""
    values = g.constants[layer.weights].astype(np.int64)
    return values - quant(g, layer.weights).zero_point[0]


def has_wide_sums(g: graph.Graph, layer: graph.Weighted) -> bool:
    """Whether sums have 64 bits and are scaled by `fixed_point.scale_wide`.

    conv.cc and fully_connected.cc: int16 activations, unless the bias is int32.
    """
    narrow = layer.bias is not None and g.tensors[layer.bias].dtype == "int32"
    return g.tensors[layer.inputs[0]].dtype == "int16" and not narrow


def rescale_factor(g: graph.Graph, layer: graph.Layer) -> Factor:
    """From the scale of the input to that of the output: quantize_common.cc."""
    return fixed_point.quantize_multiplier(
        scale(g, layer.inputs[0]) / scale(g, layer.output)
    )


def sum_shift(g: graph.Graph, layer: graph.Layer) -> int:
    """How far ADD and SUB shift their operands to the left."""
    return ADD_LEFT_SHIFT[g.tensors[layer.output].dtype]


def sum_factors(g: graph.Graph, layer: graph.Layer) -> tuple[Factor, Factor, Factor]:
    """Of both operands and the result of ADD and SUB: add_common.cc."""
    first, second = (scale(g, name) for name in layer.inputs)
    twice = 2 * max(first, second)
    result = twice / (2 ** sum_shift(g, layer) * scale(g, layer.output))
    reals = (first / twice, second / twice, result)
    a, b, c = (fixed_point.quantize_multiplier(real) for real in reals)
    return a, b, c


def product_factor(g: graph.Graph, layer: graph.Layer) -> Factor:
    """Of the product of both operands: mul_common.cc."""
    first, second = (scale(g, name) for name in layer.inputs)
    return fixed_point.quantize_multiplier(first * second / scale(g, layer.output))


def leaky_factors(g: graph.Graph, layer: graph.LeakyRelu) -> tuple[Factor, Factor, int]:
    """Of positive values, and of the magnitude and sign of negative ones' results.

    leaky_relu_common.cc, in double; older sources divide in float32.
    """
    source, result = scale(g, layer.inputs[0]), scale(g, layer.output)
    alpha = float(np.float32(layer.alpha))
    return (
        fixed_point.quantize_multiplier(source / result),
        fixed_point.quantize_multiplier(source * abs(alpha) / result),
        -1 if alpha < 0 else 1,
    )


def slope_factors(g: graph.Graph, layer: graph.PRelu) -> tuple[Factor, Factor]:
    """Of positive values, and of products with a slope: prelu_common.cc, in double."""
    source, slopes = (scale(g, name) for name in layer.inputs)
    result = scale(g, layer.output)
    reals = (source / result, source * slopes / result)
    first, second = (fixed_point.quantize_multiplier(real) for real in reals)
    return first, second


def mean_factor(g: graph.Graph, layer: graph.Layer, count: int) -> Factor:
    """Rescaling and the division by `count` in one: reduce.h, `QuantizedMeanOrSum`."""
    multiplier, shift = rescale_factor(g, layer)
    # As far as 64 bits and the shift's range allow.
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << extra) // count, shift - extra


def softmax16_factor(g: graph.Graph, layer: graph.Softmax) -> Factor:
    """Of differences in int16: softmax_common.cc; 65535 stands for 10.0."""
    step = scale(g, layer.inputs[0])
    return fixed_point.quantize_multiplier(step * layer.beta / (10.0 / 65535.0))


def softmax_parameters(g: graph.Graph, layer: graph.Softmax) -> tuple[Factor, int]:
    """Multiplier of differences, and the smallest difference that counts.

    softmax_common.cc; quantization_util.cc, `PreprocessSoftmaxScaling`.
    """
    step = scale(g, layer.inputs[0])
    unit = 2 ** (31 - SOFTMAX_DIFF_BITS)
    factor = fixed_point.quantize_multiplier(
        min(layer.beta * step * unit, float(fixed_point.INT32_MAX))
    )
    return factor, -input_radius(SOFTMAX_DIFF_BITS, factor[1])


def input_radius(integer_bits: int, shift: int) -> int:
    """How far arguments of `integer_bits` count: `CalculateInputRadius`.

    quantization_util.cc; `shift` is that of the arguments' multiplier.
    """
    largest = 2**integer_bits - 1
    return math.floor(math.ldexp(largest, 31 - integer_bits - shift))


def window(
    size: Sequence[int],
    position: Sequence[int],
    layer: graph.Layer,
    taps: Sequence[int],
) -> tuple[Index, Index]:
    """The part of a window that lies inside the input.

    Args:
        size: pixels of the input along each spatial axis.
        position: the output pixel.
        layer: a convolution or a pool.
        taps: size of the kernel along each axis.

    Returns:
        Slices of the input's plane, and the slices of the kernel's that meet them.
    """
    strides, padding, dilation = sliding(layer)
    inputs, kernels = [], []
    for axis, (pixels, at) in enumerate(zip(size, position, strict=True)):
        rate = dilation[axis]
        start = at * strides[axis] - padding[axis][0]
        first = max(0, -(start // rate))
        last = max(first, min(taps[axis], -((start - pixels) // rate)))
        inputs.append(slice(start + first * rate, start + last * rate, rate))
        kernels.append(slice(first, last))
    return tuple(inputs), tuple(kernels)


def sliding(
    layer: graph.Layer,
) -> tuple[tuple[int, ...], graph.Padding, tuple[int, ...]]:
    """Strides, padding and dilation of a convolution or a pool."""
    if isinstance(layer, graph.Pool):
        return layer.strides, layer.padding, (1,) * len(layer.strides)
    assert isinstance(layer, (graph.Conv1D, graph.Conv2D, graph.DepthwiseConv2D))
    return layer.strides, layer.padding, layer.dilation
