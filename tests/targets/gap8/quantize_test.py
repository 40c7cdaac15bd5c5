"""Programs of integers against what gap_quantization made of the same network."""

import numpy as np
import pytest

from tests.targets.gap8 import recorded_networks
from tfpipeline.targets.gap8 import program, quantize, simulate


def quantized(recorded):
    return quantize.quantize(
        recorded.graph,
        recorded.ranges,
        num_bits=recorded.num_bits,
        raw_input=recorded.described["raw_input"],
    )


@pytest.mark.real_data
@pytest.mark.parametrize("name", recorded_networks.NAMES)
def test_integers_equal_the_tool(name):
    recorded = recorded_networks.Recorded(name)
    found = quantized(recorded)
    rows = dict(recorded.described["layers"])
    for layer in found.layers:
        row = rows.pop(layer.name, None)
        if isinstance(layer, program.Conv):
            form = layer.format
            assert (form.norm, form.bias_norm) == (row["norm"], row["norm"])
            assert (form.in_q, form.weight_q) == (row["in_frac"], row["w_frac"])
            assert (form.bias_q, form.out_q) == (row["b_frac"], row["out_frac"])
            weights = recorded.arrays[f"q/{layer.name}/weight"]
            np.testing.assert_array_equal(layer.weights, weights)
            bias = recorded.arrays[f"q/{layer.name}/bias"]
            np.testing.assert_array_equal(layer.bias, bias)
        elif isinstance(layer, program.Concat):
            assert list(layer.norms) == row["norm"]
            assert found.tensors[layer.output].q == row["out_frac"]
    assert not rows


@pytest.mark.real_data
@pytest.mark.parametrize("name", recorded_networks.NAMES)
def test_activations_equal_the_tool(name):
    recorded = recorded_networks.Recorded(name)
    precision = (
        simulate.DOUBLE if recorded.described["double_precision"] else simulate.SINGLE
    )
    p = quantized(recorded)
    for found in (
        simulate.outputs(p, recorded.image, precision),
        simulate.outputs_readable(p, recorded.image, precision),
    ):
        for tensor in recorded_networks.OUTPUTS:
            # The tool's 8-bit average pool is its own, see `quantize`.
            if tensor != "gap" or p.num_bits == 16:
                expected = recorded.recorded(tensor)
                np.testing.assert_array_equal(found[tensor][0], expected, tensor)
        head = recorded.arrays["device/head.out"]
        np.testing.assert_array_equal(found["head"][0], head)


@pytest.mark.real_data
@pytest.mark.parametrize("name", recorded_networks.NAMES)
def test_images_become_the_tools_integers(name):
    recorded = recorded_networks.Recorded(name)
    image = recorded.arrays["input_u8"].astype(np.float32)[None, :, :, None]
    if not recorded.described["raw_input"]:
        image /= 256
    found = simulate.quantize_images(quantized(recorded), image)
    np.testing.assert_array_equal(found, recorded.image)
