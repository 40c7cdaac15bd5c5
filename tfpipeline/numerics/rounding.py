"""To the nearest integer, halves away from zero: C's `round`, `TfLiteRound`.

Nothing is added to a value before it is cut off: 0.5 added to the largest number below
0.5 gives 1.
"""

import math

import numpy as np

from tfpipeline.ir import graph


def half_away(values: graph.Array) -> graph.Array:
    """The nearest integers, in the floating point type of `values`."""
    magnitude = np.abs(values)
    whole = np.floor(magnitude)
    nearest: graph.Array = np.copysign(whole + (magnitude - whole >= 0.5), values)
    return nearest


def half_away_integer(value: float) -> int:
    """The nearest integer of one number."""
    magnitude = abs(value)
    whole = math.floor(magnitude)
    nearest = whole + (magnitude - whole >= 0.5)
    return nearest if value >= 0 else -nearest
