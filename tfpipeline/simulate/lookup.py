"""Tables that TFLite's int16 kernels interpolate in, made by its rules.

Sources: tensorflow/lite/kernels/internal/common.h, `LUTPopulate`, `LUTLookup` and
`sigmoid_table_uint16`; micro/kernels/softmax_common.cc for the ranges.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tfpipeline.numerics import rounding

Table = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1
# Steps between the entries; an entry more closes the last one.
STEPS = 512
# The spacing of int16 over a unit: 65535 steps.
_RANGE = np.float32(INT16_MAX - INT16_MIN)


def interpolated(table: Table, value: int) -> int:
    """The table's value at an int16: its 9 high bits choose the entry."""
    index, offset = (value >> 7) + STEPS // 2, value & 0x7F
    base = int(table[index])
    slope = int(table[index + 1]) - base
    return base + ((slope * offset + 64) >> 7)


@functools.cache
def exp_table() -> Table:
    """`exp` on [-10, 0], the arguments from -32768 to 32767."""
    return _table(np.float32(10) / _RANGE, INT16_MAX, math.exp)


@functools.cache
def reciprocal_table() -> Table:
    """`1 / (1 + x)` on [0, 1], the arguments from -32768 to 32767."""
    return _table(np.float32(1) / _RANGE, INT16_MIN, lambda x: 1 / (1 + x))


@functools.cache
def sigmoid_table() -> Table:
    """`sigmoid(i / 24)` with 16 fractional bits for i from 0 to 255.

    The source has the numbers only. They are the function with half of the error at the
    middle of each step taken off, as in its other tables, and 1 as the last.
    """
    exact = [2**16 / (1 + math.exp(-i / 48)) for i in range(2 * 256 + 1)]
    starts, middles, ends = exact[:-1:2], exact[1::2], exact[2::2]
    values = [
        start + (middle - (start + end) / 2) / 2
        for start, middle, end in zip(starts, middles, ends, strict=True)
    ]
    entries = [rounding.half_away_integer(value) for value in values]
    return np.array([*entries[:-1], 2**16 - 1], np.int64)


def _table(
    scale: np.float32, zero_point: int, function: Callable[[float], float]
) -> Table:
    """Entries with half of the error at the middle of their step taken off.

    All steps are in float32, as in the source.
    """
    lowest = scale * np.float32(INT16_MIN - zero_point)
    highest = scale * np.float32(INT16_MAX - zero_point)
    step = (highest - lowest) / np.float32(STEPS)
    unit = np.float32(2) / _RANGE
    per_unit = np.float32(2**16) / (
        unit * np.float32(INT16_MAX) - unit * np.float32(INT16_MIN)
    )

    def scaled(arguments: Float32Array) -> Float32Array:
        values = np.array([function(float(x)) for x in arguments], np.float32)
        return values * per_unit

    starts = lowest + np.arange(STEPS + 1, dtype=np.float32) * step
    starts[-1] = highest
    middles = scaled(starts[:-1] + step / np.float32(2))
    # The end of a step is computed from its number, that of the last one too.
    ends = scaled(lowest + np.arange(1, STEPS + 1, dtype=np.float32) * step)
    entries = rounding.half_away(scaled(starts))
    guesses = rounding.half_away((ends + entries[:-1]) / np.float32(2))
    entries[:-1] -= rounding.half_away(
        (guesses - rounding.half_away(middles)) / np.float32(2)
    )
    return np.clip(entries, INT16_MIN, INT16_MAX).astype(np.int64)
