"""Ranges of activations: extremes, percentiles, and of the least squared error."""

import numpy as np
import pytest

from tests import float_graphs, graph_builder
from tfpipeline import errors
from tfpipeline.numerics import affine
from tfpipeline.precision import histograms, ranges

RANDOM = np.random.default_rng(4)
NORMAL = RANDOM.normal(1, 2, 40_000)
POSITIVE = np.maximum(RANDOM.standard_t(3, 40_000), 0)


def histogram(values):
    found = histograms.Histogram(values.min(), values.max())
    for part in np.array_split(values, 3):
        found.add(part)
    return found


@pytest.mark.parametrize("values", [NORMAL, POSITIVE], ids=["normal", "positive"])
@pytest.mark.parametrize("percentile", [99.0, 99.9, 100.0])
def test_so_many_values_lie_between_the_ends(values, percentile):
    low, high = histogram(values).between(percentile)
    width = (values.max() - values.min()) / 2048
    part = percentile / 100
    # Beyond an end no more than asked for, and a bin further in, more.
    assert (values <= high).mean() >= part >= (values < high - width).mean()
    assert (values >= low).mean() >= part
    if low < 0:
        assert (values > low + width).mean() <= part


def squared_error(values, low, high, num_bits):
    quant = affine.of_observed(low, high, num_bits)
    dtype = "int8" if num_bits <= 8 else "int16"
    integers = affine.quantized(values, quant, dtype)
    return ((values - affine.dequantized(integers, quant)) ** 2).mean()


@pytest.mark.parametrize("values", [NORMAL, POSITIVE], ids=["normal", "positive"])
def test_the_least_error_is_less_than_that_of_any_other_range(values):
    low, high = histogram(values).least_error(8)
    found = squared_error(values, low, high, 8)
    assert found < 0.98 * squared_error(values, values.min(), values.max(), 8)
    for factor in (0.8, 0.9, 1.1, 1.2):
        # Edges of bins, and a scale that is not quite `range / 255` with a zero point.
        assert found < 1.02 * squared_error(values, low * factor, high * factor, 8)


def test_16_bits_cut_nothing_off_that_counts():
    low, high = histogram(NORMAL).least_error(16)
    assert low <= np.percentile(NORMAL, 0.01)
    assert high >= np.percentile(NORMAL, 99.99)


@pytest.mark.parametrize("value", [0.0, 1.5, -2.0])
def test_one_value_has_a_range(value):
    values = np.full(7, value)
    found = histogram(values)
    assert found.least_error(8) == found.between(99.0) == (value, value)


def test_each_tensor_is_observed_by_the_rule():
    builder = graph_builder.Builder((6, 6, 2))
    builder.conv(3)
    g = float_graphs.randomized(builder.build())
    images = float_graphs.images(g, 40)
    extremes = ranges.observe(g, images)
    for rule in (ranges.Rule("percentile", 99.0), ranges.Rule("mse")):
        found = ranges.observe(g, images, rule=rule)
        assert found.keys() == extremes.keys()
        for name, (low, high) in found.items():
            assert extremes[name][0] <= low < high <= extremes[name][1]
        if rule.method == "percentile":
            assert found["input"][1] < extremes["input"][1]
    assert ranges.observe(g, images, rule=ranges.Rule()) == extremes


def test_rules_that_are_none_are_refused():
    with pytest.raises(errors.UsageError, match="one of minmax, percentile, mse"):
        ranges.Rule("entropy")
    with pytest.raises(errors.UsageError, match="above 50 and at most 100; found 50"):
        ranges.Rule("percentile", 50.0)
