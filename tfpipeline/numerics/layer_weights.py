"""Kernel and bias of a layer after training, whose scales follow from their values.

As TensorFlow's converter has them without fake quantizers: kernels symmetric, rounded
halves away from zero with their scales in float32 (SymmetricPerChannelQuantizeValues,
compiler/mlir/tools/optimize/quantization_utils.cc).
"""

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.numerics import affine, rounding

# Integers, and what they mean.
Constant = tuple[graph.Array, graph.QuantParams]

# Biases beside kernels of 8 bits and less stay within this: kBiasMax of the converter's
# quantization_driver.cc, half of int32. Its int16x8 does the same in int64.
_BIAS_ROOM = 2**30


def quantized(
    kernel: graph.Array,
    bias: graph.Array | None,
    source: float,
    *,
    num_bits: int,
    axis: int,
    one_scale: bool = False,
    activation_bits: int = 8,
    power_of_two: bool = False,
) -> tuple[Constant, Constant | None]:
    """Rounds the weights of a layer.

    Args:
        kernel: real numbers.
        bias: real numbers, the channels last; `None` where there is none.
        source: scale of the layer's input.
        num_bits: 2 to 16, of the kernel.
        axis: of the kernel's output channels.
        one_scale: for the whole kernel, not one an output channel.
        activation_bits: 8 or 16, of the layer's input and output.
        power_of_two: scales are the next powers of two.

    Returns:
        The kernel as int8, or int16 for more than 8 bits, symmetric, without the
        smallest integer; and the bias as int32 or int64 on the scales of the sums.
    """
    quant = _of_kernel(kernel, num_bits, None if one_scale else axis)
    if bias is not None and num_bits <= 8:
        quant = with_room(quant, bias, source, _BIAS_ROOM)
    if power_of_two:
        quant = affine.Affine(affine.powers_of_two(quant.scale), quant.zero_point)
    stored = quant.stored(num_bits, axis)
    steps = rounding.half_away(kernel / affine.along(stored.scale, axis, kernel.ndim))
    integers = np.clip(steps, *affine.limits(num_bits, narrow=True))
    return (integers.astype(np.int8 if num_bits <= 8 else np.int16), stored), (
        None
        if bias is None
        else affine.bias_integers(bias, source, stored.scale, activation_bits)
    )


def _of_kernel(values: graph.Array, num_bits: int, axis: int | None) -> affine.Affine:
    """By the largest magnitude, of each slice of `axis` or of all values."""
    others = None if axis is None else tuple(i for i in range(values.ndim) if i != axis)
    most = np.abs(values.astype(np.float64)).max(axis=others).ravel().tolist()
    return affine.of_ranges([-each for each in most], most, num_bits, narrow=True)


def with_room(
    kernel: affine.Affine, bias: graph.Array, source: float, room: int
) -> affine.Affine:
    """The kernel's scales, larger where its bias asks for it.

    A kernel near zero has so small a scale that its bias, whose scale is a multiple of
    it, would be cut off. The converter widens the scale then, till the bias takes half
    of int32: SetBiasParamsWithAdjustments of quantization_driver.cc. It leaves those of
    fake quantizers alone.

    Args:
        kernel: its scales, one or one a channel.
        bias: real numbers, one a channel.
        source: scale of the layer's input.
        room: the largest integer that a bias may be.
    """
    most = np.abs(bias.astype(np.float64)).ravel()
    if len(kernel.scale) == 1:
        most = most.max(keepdims=True)
    scales = np.maximum(kernel.scale, most / room / source)
    return affine.Affine(tuple(scales.tolist()), kernel.zero_point)
