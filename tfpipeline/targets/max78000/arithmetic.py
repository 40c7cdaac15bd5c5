"""The integers of the accelerator: weights, bias, shift, rounding, saturation, pooling.

Data are int8 in steps of 1/128. A convolution computes
    sum = x * w + 128 * bias
    y   = floor(sum * 2**output_shift / 128 + 1/2), saturated to int8, then activated
or, with an output of 32 bits, `sum` itself. `output_shift` is what the hardware's
register holds; the network description and the checkpoint have the shift without the
implicit 8 - weight_bits (tool: `output_shift[seq] += 8 - abs(quantization[seq])`).

Source: the vendor's synthesis tool ai8x-synthesis, snapshot ab4f4c0, izer/simulate.py
(`conv2d_layer`, `eltwise_layer`), izer/compute.py (`pool2d`, `eltwise`) and
izer/checkpoint.py; named below as "tool".
"""

from collections.abc import Sequence

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph

Array = graph.Array

# Bits behind the binary point of the data; also of the bias (tool: BIAS_DIV).
FRACTION_BITS = 7
MIN_VALUE, MAX_VALUE = -128, 127

# Of a bias, whatever the width of the weights that it is in steps of: the tool's
# checkpoint.py, `bias_quantization`, "always 8".
BIAS_BITS = 8

# Of the output shift in either direction (tool: accepts -15 to 15).
MAX_OUTPUT_SHIFT = 15


def weight_range(weight_bits: int) -> tuple[int, int]:
    """Smallest and largest weight: full two's complement, -1 and 0 for one bit."""
    return -(2 ** (weight_bits - 1)), 2 ** (weight_bits - 1) - 1


def accumulate(products: Array, bias: Array | None) -> Array:
    """Adds the int8 bias `[channels]` to sums of products `[..., channels]`, int64."""
    if bias is None:
        return products.astype(np.int64)
    scaled: Array = bias.astype(np.int64) << FRACTION_BITS
    return products.astype(np.int64) + scaled


def requantize(sums: Array, output_shift: int) -> Array:
    """Int8 values of int64 sums: to the nearest step, halves upwards, saturated.

    Args:
      sums: what `accumulate` returns.
      output_shift: binary places that the sums move up by.
    """
    right = FRACTION_BITS - output_shift
    steps = ((sums << max(-right, 0)) + half_step(output_shift)) >> max(right, 0)
    return _saturated(steps)


def half_step(output_shift: int) -> int:
    """Half of what a sum is divided by; 0 where the shift goes to the left."""
    return (1 << max(FRACTION_BITS - output_shift, 0)) >> 1


def activate(values: Array, activation: str | None) -> Array:
    """ReLU, Abs or nothing on int8 values; the magnitude of -128 is 127."""
    if activation == "ReLU":
        return np.maximum(values, np.int8(0))
    if activation == "Abs":
        magnitudes = np.abs(values.astype(np.int16))
        return np.minimum(magnitudes, MAX_VALUE).astype(np.int8)
    return values


def average(totals: Array, count: int) -> Array:
    """Int8 means of `count` int8 values from their sums, truncated towards zero.

    The tool does so unless it is told `--avg-pool-rounding`; its manual says "floor".
    """
    means: Array = (np.sign(totals) * (np.abs(totals) // count)).astype(np.int8)
    return means


def combine(operator: str, operands: Sequence[Array]) -> Array:
    """Element-wise add, sub, or, xor of two or more int8 arrays, in their order.

    Sums and differences are exact and saturate once at the end; `sub` takes all others
    from the first.

    Raises:
      UsageError: no such operator.
    """
    first, *others = operands
    if operator in ("add", "sub"):
        total = first.astype(np.int32)
        for other in others:
            total = total + other if operator == "add" else total - other
        return _saturated(total)
    if operator in ("or", "xor"):
        bits = first
        for other in others:
            bits = bits | other if operator == "or" else bits ^ other
        return bits
    raise errors.UsageError(
        f"element-wise operator must be one of add, sub, or, xor; found {operator!r}"
    )


def _saturated(values: Array) -> Array:
    result: Array = np.clip(values, MIN_VALUE, MAX_VALUE).astype(np.int8)
    return result
