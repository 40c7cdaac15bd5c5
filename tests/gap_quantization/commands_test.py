"""The commands on a network that gap_quantization wrote."""

import json

import numpy as np
import pytest

from export.given import Given
from tests.gap_quantization import tool_files
from tfpipeline import estimate, model_source, predict
from tfpipeline.inference import runners
from tfpipeline.targets.gap8 import program, simulate


@pytest.fixture
def given(tmp_path):
    """A description, and the integers that it is of."""
    p = tool_files.write_every_kind(tmp_path)
    value = {"format": "gap_quantization", "folder": "layers"}
    path = tmp_path / "quant.json"
    path.write_text(json.dumps({**value, "network": "graph/graph.json"}))
    return str(path), p


def test_estimates_have_the_width_of_the_integers(given):
    path, p = given
    source = model_source.load(path)
    assert source.activation_bits == 16
    assert source.notes[0] == "integers of 16 bits, by gap_quantization"
    _, [found] = estimate.run(estimate.Command(model=path, target=("gap8",)))
    assert not found.violations
    weights = (layer for layer in p.layers if isinstance(layer, program.Weighted))
    expected = sum(layer.weight_bytes for layer in weights)
    assert found.totals.weight_bytes == expected


def test_predictions_are_the_chips_integers(given, tmp_path):
    path, p = given
    shape = (3, 12, 10, 2)
    inputs = np.random.default_rng(8).uniform(-1, 1, shape).astype(np.float32)
    np.save(tmp_path / "inputs.npy", inputs)
    found = predict.lines(
        predict.Command(model=path, source=str(tmp_path / "inputs.npy"), output="json")
    )
    integers = simulate.predict(p, simulate.quantize_images(p, inputs))
    q = p.tensors[p.outputs[0]].q
    np.testing.assert_array_equal(
        [json.loads(line)["outputs"] for line in found],
        integers.reshape(3, -1) * 2.0**-q,
    )
    # The floats that they stand for are there as well.
    network = runners.Network(Given(path))
    assert network.form() == runners.GAP8
    real = network.runner(runners.FLOAT)(inputs).reshape(3, -1)
    limit = 2e-3 * np.abs(real).max()
    np.testing.assert_allclose(integers.reshape(3, -1) * 2.0**-q, real, atol=limit)
