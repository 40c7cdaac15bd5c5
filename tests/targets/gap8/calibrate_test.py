"""Magnitudes before ReLUs, and the tool's integers from its own images."""

import numpy as np
import pytest

from tests.targets.gap8 import float_networks, recorded_networks
from tfpipeline.simulate import float_execution
from tfpipeline.targets.gap8 import calibrate, program, quantize


def test_magnitudes_are_those_before_the_relu():
    g = float_networks.residual()
    images = float_networks.images(g, 9)
    found = calibrate.calibrate(g, images)
    assert tuple(found) == quantize.measured(g)
    after = float_execution.activations(g, images)
    assert found["input"] == np.abs(images).max()
    split = calibrate.unclamped(g, tuple(found))
    before = float_execution.activations(split, images)
    for name, largest in found.items():
        values = before.get(f"{name}/unclamped", before[name])
        assert largest == np.abs(values).max()
        np.testing.assert_array_equal(before[name], after[name])
    name = g.layers[0].output
    assert before[f"{name}/unclamped"].min() < 0 == after[name].min()


def test_what_is_not_a_number_is_not_lost():
    g = float_networks.fires()
    images = float_networks.images(g, 40)
    images[3, 0, 0, 0] = np.nan
    assert np.isnan(calibrate.calibrate(g, images)["input"])


@pytest.mark.real_data
@pytest.mark.parametrize("name", recorded_networks.NAMES)
def test_calibration_finds_the_tools_integers(name):
    recorded = recorded_networks.Recorded(name)
    images = recorded.arrays["calib_u8"].astype(np.float32)[..., None]
    raw = recorded.described["raw_input"]
    images = images if raw else images / 256
    ranges = calibrate.calibrate(recorded.graph, images)
    p = quantize.quantize(
        recorded.graph, ranges, num_bits=recorded.num_bits, raw_input=raw
    )
    for layer in p.layers:
        if isinstance(layer, program.Conv):
            row = recorded.described["layers"][layer.name]
            assert (layer.format.weight_q, layer.format.norm) == (
                row["w_frac"],
                row["norm"],
            )
            for part in ("weight", "bias"):
                found = layer.weights if part == "weight" else layer.bias
                expected = recorded.arrays[f"q/{layer.name}/{part}"]
                np.testing.assert_array_equal(found, expected)
