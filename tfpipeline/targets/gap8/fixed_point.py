"""Fixed point of the GAP8: formats of the numbers, and the rounding of the chip.

A number of `num_bits` bits with `q` fraction bits is an integer that stands for
integer / 2**q. Where magnitudes reach `max_abs`, the integer bits are
ceil(log2(max_abs)), and what is left of the width, less the sign, is fraction. A power
of two 2**n has n integer bits, so 2**n itself is clipped by one step. Both counts may
be negative or exceed the width.

A layer with weights multiplies integers of `in_q` and `weight_q` fraction bits into an
accumulator of 32 bits and shifts the sum right by `norm` to `out_q` fraction bits; its
bias, as wide as the data, has those of the output.

Source: the rule of gap_quantization (GreenWaves Technologies, xperience-ai/
gap_quantization e4f086f), restated; the shift of the chip is `gap_roundnorm_reg` of
gap_sdk release-v3.1 in the build with rounding.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph

Array = graph.Array

# Widths of data and weights that the chip's kernels exist for.
WIDTHS: dict[int, np.dtype[Any]] = {8: np.dtype(np.int8), 16: np.dtype(np.int16)}
ACCUMULATOR_BITS = 32
# Shifts that a register of 32 bits takes.
MAX_NORM = ACCUMULATOR_BITS - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Format:
    """Fraction bits of what a layer with weights reads, multiplies, adds and writes."""

    in_q: int
    weight_q: int
    bias_q: int
    out_q: int

    @property
    def norm(self) -> int:
        """Binary places by which the sum of products is shifted right."""
        return self.in_q + self.weight_q - self.out_q

    @property
    def bias_norm(self) -> int:
        """Binary places by which the bias is shifted left to the sum of products."""
        return self.in_q + self.weight_q - self.bias_q

    def shifted(self, places: int) -> "Format":
        """With so many fraction bits less of output and bias; the weights stay."""
        return dataclasses.replace(
            self, bias_q=self.bias_q - places, out_q=self.out_q - places
        )


def value_range(num_bits: int) -> tuple[int, int]:
    """Smallest and largest integer of a width."""
    return -(2 ** (num_bits - 1)), 2 ** (num_bits - 1) - 1


def integer_bits(max_abs: float) -> int:
    """ceil(log2(max_abs)), taken from the exponent, so that no logarithm rounds.

    Raises:
        QuantizationError: zero, negative or not finite; zero has no logarithm, and a
            tensor that is zero throughout is a fault of the network or of the images.
    """
    if not 0 < max_abs < math.inf:
        raise errors.QuantizationError(
            f"the largest magnitude must be positive and finite; found {max_abs:g}"
        )
    mantissa, exponent = math.frexp(max_abs)
    return exponent - 1 if mantissa == 0.5 else exponent


def fraction_bits(num_bits: int, integers: int) -> int:
    """What `integers` integer bits and the sign leave of a width."""
    return num_bits - integers - 1


def layer_format(
    num_bits: int, in_integers: int, weight_integers: int, out_integers: int
) -> Format:
    """Formats of a layer from the integer bits of its input, weights and output.

    The weights lose the fraction bits by which a sum of the output's magnitude would
    exceed the accumulator.

    Args:
        num_bits: 16 or 8.
        in_integers: integer bits of the input.
        weight_integers: integer bits of the kernel.
        out_integers: integer bits of the sum with its bias, before any ReLU.

    Raises:
        QuantizationError: the sum has fewer fraction bits than the output would need,
            so that it would have to be shifted left, which the kernels do not do.
            (gap_quantization takes a shift of 0 and keeps the bias at a scale that
            then is wrong.)
    """
    in_q = fraction_bits(num_bits, in_integers)
    out_q = fraction_bits(num_bits, out_integers)
    weight_q = fraction_bits(num_bits, weight_integers)
    excess = out_integers + weight_q + in_q - (ACCUMULATOR_BITS - 1)
    weight_q -= max(excess, 0)
    found = Format(in_q, weight_q, bias_q=out_q, out_q=out_q)
    if found.norm < 0:
        raise errors.QuantizationError(
            f"the output's magnitude (2**{out_integers}) is too small for inputs of "
            f"2**{in_integers} and weights of 2**{weight_integers}: the sum would be "
            f"shifted by {found.norm}; scale the weights down, or check the "
            "calibration images"
        )
    return found


def quantize(values: Array, q: int, num_bits: int) -> Array:
    """Integers of float32 values: to the nearest, halves upwards, saturated.

    In float32 throughout, as the tool computes it.

    Args:
        values: real numbers of any shape.
        q: fraction bits.
        num_bits: 16 or 8; int16 or int8 is returned.
    """
    with np.errstate(over="ignore"):
        steps = np.ldexp(values.astype(np.float32), q) + np.float32(0.5)
    return saturate(np.floor(steps), num_bits)


def round_shift(values: Array, norm: int) -> Array:
    """int64 values shifted right by `norm`: to the nearest, halves upwards."""
    half = (1 << norm) >> 1
    result: Array = (values.astype(np.int64) + half) >> norm
    return result


def wrap(values: Array, num_bits: int = ACCUMULATOR_BITS) -> Array:
    """int64 values as a register of `num_bits` bits holds them: two's complement."""
    half = 1 << (num_bits - 1)
    mask = (1 << num_bits) - 1
    result: Array = ((values.astype(np.int64) + half) & mask) - half
    return result


def saturate(values: Array, num_bits: int) -> Array:
    """Values clipped to the range of a width, as int16 or int8."""
    low, high = value_range(num_bits)
    result: Array = np.clip(values, low, high).astype(WIDTHS[num_bits])
    return result
