"""C's rounding: halves away from zero, and nothing else moved."""

import numpy as np
import pytest

from tfpipeline.numerics import rounding

BELOW_HALF = float(np.nextafter(0.5, 0))
CASES = [
    (0.0, 0),
    (0.4, 0),
    (BELOW_HALF, 0),
    (-BELOW_HALF, 0),
    (0.5, 1),
    (-0.5, -1),
    (1.5, 2),
    (-2.5, -3),
    (2.0**52 + 1, 2**52 + 1),
    (-(2.0**47) + 0.5, -(2**47)),
]


@pytest.mark.parametrize(("value", "nearest"), CASES)
def test_halves_go_away_from_zero(value, nearest):
    assert rounding.half_away_integer(value) == nearest
    np.testing.assert_array_equal(rounding.half_away(np.array([value])), [nearest])


def test_float32_is_rounded_as_it_is():
    values = np.array([np.nextafter(np.float32(0.5), 0), 0.5, 8388609], np.float32)
    found = rounding.half_away(values)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([0, 1, 8388609], np.float32))


def test_arrays_are_rounded_as_single_numbers():
    random = np.random.default_rng(0)
    values = random.normal(size=10_000) * 10.0 ** random.uniform(-2, 15, 10_000)
    values = np.concatenate([values, np.arange(-100, 100) / 2])
    np.testing.assert_array_equal(
        rounding.half_away(values), [rounding.half_away_integer(v) for v in values]
    )
