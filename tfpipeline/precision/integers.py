"""Real numbers as integers: scales from ranges, and rounding.

Halves are rounded away from zero, as TensorFlow's converter and TFLite do.
"""

import numpy as np

from tfpipeline.ir import graph

Array = graph.Array


def rounded(values: Array) -> Array:
    """To the nearest integers, still as floats.

    Adding 0.5 to the largest number below 0.5 gives 1; what is below 0.5 is 0.
    """
    magnitude = np.abs(values)
    return np.where(
        magnitude < 0.5, 0.0, np.copysign(np.floor(magnitude + 0.5), values)
    )


def symmetric(
    values: Array, num_bits: int, axis: int | None
) -> tuple[Array, graph.QuantParams]:
    """Constants as integers from `-(2**(num_bits - 1) - 1)`, with zero points of 0.

    Args:
        values: real numbers.
        num_bits: 2 to 16.
        axis: of one scale a slice; `None` for one scale. A slice of zeros has the
            scale 1, so that nothing is divided by zero.

    Returns:
        int8, or int16 for more than 8 bits; and the scales, float32 values.
    """
    others = None if axis is None else tuple(i for i in range(values.ndim) if i != axis)
    most = np.abs(values.astype(np.float64)).max(axis=others, keepdims=True)
    largest = 2 ** (num_bits - 1) - 1
    scales = np.where(most > 0, most / largest, 1.0).astype(np.float32)
    steps = rounded(values / scales.astype(np.float64))
    integers = np.clip(steps, -largest, largest)
    quant = graph.QuantParams(
        scale=tuple(float(scale) for scale in scales.ravel()),
        zero_point=(0,) * scales.size,
        num_bits=num_bits,
        axis=axis if scales.size > 1 else None,
    )
    return integers.astype(np.int8 if num_bits <= 8 else np.int16), quant


def of_range(low: float, high: float, num_bits: int) -> graph.QuantParams:
    """Scale and zero point of activations from `low` to `high`, and of zero always.

    8 bits use the whole range and a zero point, 16 bits are symmetric without
    -32768: TFLite's specifications of int8 and of int16 activations.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    limit = 2 ** (num_bits - 1)
    if num_bits > 8:
        most = max(-low, high)
        scale, zero_point = most / (limit - 1) if most > 0 else 1.0, 0
    else:
        scale = (high - low) / (2 * limit - 1) if high > low else 1.0
        # From the end that is nearer to zero, where the division errs less.
        end = -limit - low / scale if -low < high else limit - 1 - high / scale
        zero_point = int(rounded(np.array(min(max(end, -limit), limit - 1))))
    return graph.QuantParams((float(np.float32(scale)),), (zero_point,), num_bits)


def quantized(values: Array, quant: graph.QuantParams, dtype: str) -> Array:
    """Real activations as integers of one scale, saturated to the type."""
    limits = np.iinfo(dtype)
    steps = rounded(values / quant.scale[0]) + quant.zero_point[0]
    integers: Array = np.clip(steps, limits.min, limits.max).astype(dtype)
    return integers


def dequantized(values: Array, quant: graph.QuantParams) -> Array:
    """Integers as float64, `scale * (integer - zero_point)`."""
    shape = [1] * values.ndim
    if quant.axis is not None:
        shape[quant.axis] = len(quant.scale)
    scale = np.array(quant.scale, np.float64)
    zero_point = np.array(quant.zero_point, np.float64)
    if quant.axis is not None:
        scale, zero_point = scale.reshape(shape), zero_point.reshape(shape)
    real: Array = (values.astype(np.float64) - zero_point) * scale
    return real
