"""Activation functions on single integers: what TFLite Micro computes without fusing.

Each builder takes the scales of the input and the output and returns the function. The
fast kernel looks results up in `table`, which holds those of all int8 or int16.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.numerics import affine, rounding
from tfpipeline.simulate import derived, fixed_point, lookup

Function = Callable[[int], int]
Builder = Callable[[graph.QuantParams, graph.QuantParams], Function]

# Integer bits of the arguments of LOGISTIC and TANH in int8: micro/kernels/logistic.h.
_INTEGER_BITS = 4
# 3.0 in the 16 bits of HARD_SWISH: micro/kernels/hard_swish_common.cc.
_THREE = 3 / 2**15
# Arguments of the sigmoid table, 24 a unit, have 7 (TANH: 8 of half a unit) bits more.
_TABLE_UNIT = 3 * 2**12


def function(
    name: str, source: graph.QuantParams, result: graph.QuantParams
) -> Function:
    """The function `name` between integers of these scales; see `BUILDERS`."""
    return BUILDERS[name, f"int{source.num_bits}"](source, result)


@functools.lru_cache(maxsize=64)
def table(
    name: str, source: graph.QuantParams, result: graph.QuantParams
) -> graph.Array:
    """Results of all inputs, from the smallest integer to the largest."""
    evaluate = function(name, source, result)
    low, high = affine.limits(source.num_bits)
    values = [evaluate(value) for value in range(low, high + 1)]
    return np.array(values, f"int{result.num_bits}")


def _clamped(value: int, quant: graph.QuantParams, smallest: int | None = None) -> int:
    low, high = affine.limits(quant.num_bits)
    return min(max(value, low if smallest is None else smallest), high)


def _rescale_factor(
    source: graph.QuantParams, result: graph.QuantParams
) -> derived.Factor:
    """From the scale of the input to that of the output, in double.

    Older sources of RELU and ABS divide in float32; the interpreter no longer does.
    """
    return fixed_point.quantize_multiplier(source.scale[0] / result.scale[0])


def _relu(source: graph.QuantParams, result: graph.QuantParams) -> Function:
    """activations.h, `ReluQuantized`."""
    factor = _rescale_factor(source, result)
    zero_in, zero_out = source.zero_point[0], result.zero_point[0]

    def relu(value: int) -> int:
        scaled = fixed_point.scale(value - zero_in, *factor)
        return _clamped(scaled + zero_out, result, smallest=zero_out)

    return relu


def _relu6(source: graph.QuantParams, result: graph.QuantParams) -> Function:
    """activations.h, `Relu6Quantized`: the scale stays."""
    zero = source.zero_point[0]
    six = _clamped(derived.steps(6.0, source.scale[0]) + zero, source)
    return lambda value: min(max(value, zero), six)


def unscaled(source: tuple[float, int], result: tuple[float, int]) -> str:
    """Why a RELU6 between these scales and zero points is not what the file says."""
    return (
        "TFLite Micro does not rescale RELU6, which must write the scale and zero "
        f"point that it reads, {source[0]:.4g} and {source[1]}; found {result[0]:.4g} "
        f"and {result[1]}; put a QUANTIZE in front, or fuse it into the layer before"
    )


def _abs(source: graph.QuantParams, result: graph.QuantParams) -> Function:
    """elementwise.cc, `AbsEvalQuantized`."""
    factor = _rescale_factor(source, result)
    is_rescaled = source.scale != result.scale
    zero_in, zero_out = source.zero_point[0], result.zero_point[0]

    def absolute(value: int) -> int:
        magnitude = abs(value - zero_in)
        if is_rescaled:
            magnitude = fixed_point.scale(magnitude, *factor)
        return _clamped(magnitude + zero_out, result)

    return absolute


def _of_fixed_point(curve: Callable[[int], int], result_bits: int) -> Builder:
    """integer_ops/logistic.h and tanh.h: `curve` from Q4.27 to Q0.31, to int8."""

    def build(source: graph.QuantParams, result: graph.QuantParams) -> Function:
        unit = 2 ** (31 - _INTEGER_BITS)
        factor = fixed_point.quantize_multiplier(source.scale[0] * unit)
        radius = derived.input_radius(_INTEGER_BITS, factor[1])
        zero_in, zero_out = source.zero_point[0], result.zero_point[0]
        low, high = affine.limits(result.num_bits)

        def evaluate(value: int) -> int:
            centered = value - zero_in
            # In this order: of a scale of 8 or more the radius is 0, and zero is low.
            if centered <= -radius:
                return low
            if centered >= radius:
                return high
            exact = curve(fixed_point.scale(centered, *factor))
            rounded = fixed_point.rounding_shift_right(exact, 31 - result_bits)
            return _clamped(rounded + zero_out, result)

        return evaluate

    return build


def hard_swish_shifts(source: float, result: float) -> tuple[int, int]:
    """Exponents of both factors of HARD_SWISH between these scales."""
    fine = source / 128
    return math.frexp(fine / result)[1], math.frexp(fine / _THREE)[1]


def _hard_swish(source: graph.QuantParams, result: graph.QuantParams) -> Function:
    """reference/hard_swish.h: `x * relu6(x + 3) / 6` in 16 bits."""
    fine = source.scale[0] / 128
    to_result, shift = _short_factor(fine / result.scale[0])
    to_three, exponent = _short_factor(fine / _THREE)
    zero_in, zero_out = source.zero_point[0], result.zero_point[0]

    def hard_swish(value: int) -> int:
        scaled = (value - zero_in) * 2**7
        product = fixed_point.doubling_high_multiply(scaled, to_result, 16)
        gate = _saturated(scaled * 2 ** max(exponent - 1, 0))
        gate = fixed_point.doubling_high_multiply(gate, to_three, 16)
        if exponent > 0:
            gate = _saturated(gate * 2)
        gate = fixed_point.rounding_shift_right(gate, max(-exponent, 0))
        gate = (gate + 2**15) >> 1
        swish = fixed_point.divide_towards_zero(gate * product, 2**15)
        rounded = fixed_point.rounding_shift_right(swish, -shift)
        return _clamped(fixed_point.wrap(rounded + zero_out, 16), result)

    return hard_swish


def _short_factor(real: float) -> derived.Factor:
    """Multiplier of 15 bits, and shift: common.h, `DownScaleInt32ToInt16Multiplier`."""
    multiplier, shift = fixed_point.quantize_multiplier(real)
    return fixed_point.reduced_multiplier(multiplier), shift


def _saturated(value: int) -> int:
    return min(max(value, lookup.INT16_MIN), lookup.INT16_MAX)


def _sigmoid16(source: graph.QuantParams, result: graph.QuantParams) -> Function:
    """integer_ops/logistic.h, the int16 kernel: interpolation in `sigmoid_table`."""
    multiplier, shift = table_factor(source.scale[0], powers=(0,))
    entries = lookup.sigmoid_table().tolist()

    def sigmoid(value: int) -> int:
        argument = _shifted(value * multiplier, shift)
        index, offset = divmod(abs(argument), 2**9)
        if index >= 255:
            total = 0x7FFF << 10
        else:
            total = (entries[index] << 9) + offset * (
                entries[index + 1] - entries[index]
            )
        return (total + 2**9 if argument >= 0 else 2**25 - total + 2**9 - 1) >> 10

    return sigmoid


def _tanh16(source: graph.QuantParams, result: graph.QuantParams) -> Function:
    """integer_ops/tanh.h, the int16 kernel: `2 * sigmoid(2 * x) - 1`."""
    return tanh16(*table_factor(source.scale[0], powers=(0, 1)))


def tanh16(multiplier: int, shift: int) -> Function:
    """integer_ops/tanh.h: of `value * multiplier >> shift`, rounded."""
    entries = lookup.sigmoid_table().tolist()

    def tanh(value: int) -> int:
        argument = _shifted(value * multiplier, shift)
        index, offset = divmod(abs(argument), 2**8)
        if index >= 255:
            total = 0xFFFF << 8
        else:
            total = (entries[index] << 8) + offset * (
                entries[index + 1] - entries[index]
            )
        total -= 2**23
        return (total + 2**7 if argument >= 0 else -total + 2**7 - 1) >> 8

    return tanh


def _shifted(value: int, shift: int) -> int:
    """Rounded to nearest, halves up."""
    return (value + (1 << shift >> 1)) >> shift


def table_factor(scale: float, powers: tuple[int, ...]) -> derived.Factor:
    """Multiplier and right shift to arguments of the table.

    logistic_common.cc and tanh.cc: exact for scales of 2**(power - 12), else 15 bits,
    rounded down.
    """
    logarithm = np.log(np.float32(scale)) * (np.float32(1) / np.log(np.float32(2)))
    nearest = rounding.half_away_integer(float(logarithm))
    if abs(logarithm - np.float32(nearest)) < 1e-3 and nearest + 12 in powers:
        return 3 << (nearest + 12), 0
    real, shift = scale * _TABLE_UNIT, 0
    while real <= (2**15 - 1) / 2 and shift <= 30:
        real, shift = 2 * real, shift + 1
    return int(real), shift


# Name and type -> builder; what is missing stands in `NOT_SUPPORTED`.
BUILDERS: dict[tuple[str, str], Builder] = {
    ("abs", "int8"): _abs,
    ("abs", "int16"): _abs,
    ("hard_swish", "int8"): _hard_swish,
    ("relu", "int8"): _relu,
    ("relu", "int16"): _relu,
    ("relu6", "int8"): _relu6,
    ("relu6", "int16"): _relu6,
    ("sigmoid", "int8"): _of_fixed_point(fixed_point.logistic, 8),
    ("sigmoid", "int16"): _sigmoid16,
    ("tanh", "int8"): _of_fixed_point(fixed_point.tanh, 7),
    ("tanh", "int16"): _tanh16,
}

_NO_OPERATOR = "TFLite Micro has no operator for it; use relu or relu6"
# LOGISTIC and TANH shift 1 by the exponent of `scale * 2**27`, as a 64-bit integer:
# CalculateInputRadius of quantization_util.cc.
CURVE_SCALES = (2.0**-28, 2.0**35)
# In int16 they multiply by 3 * 2**12 times the scale, in 16 bits: TFLITE_DCHECK_LE of
# logistic_common.cc and tanh.cc.
CURVE16_END = 2.0**15 / _TABLE_UNIT

NOT_SUPPORTED: dict[tuple[str, str], str] = {
    ("hard_swish", "int16"): "TFLite Micro has it for int8 only",
    ("relu_0_to_1", "int8"): _NO_OPERATOR,
    ("relu_0_to_1", "int16"): _NO_OPERATOR,
    ("relu_n1_to_1", "int8"): _NO_OPERATOR,
    ("relu_n1_to_1", "int16"): _NO_OPERATOR,
}
