"""GreenWaves' face re-identification demo: its weights, images and descriptors.

Needs a checkout of github.com/GreenWaves-Technologies/FaceReID (a3bde7e): its folder in
TFPIPELINE_FACEREID.
"""

import hashlib
import os
import pathlib

import numpy as np
import pytest

from tests.targets.gap8 import reference_files
from tfpipeline.gap_quantization import network
from tfpipeline.targets.gap8 import program, simulate

pytestmark = pytest.mark.vendor


@pytest.fixture(scope="module")
def folder():
    named = os.environ.get("TFPIPELINE_FACEREID")
    if not named:
        pytest.skip("TFPIPELINE_FACEREID does not name a checkout of FaceReID")
    return pathlib.Path(named)


@pytest.fixture(scope="module")
def demo(folder):
    """The demo's program, from its own files alone."""
    found = network.find(folder / "ReID-Demo" / "quantized_model")
    assert found.takes_pixels
    return found.program


def _image(folder, name):
    raw = (folder / "tests" / "ble_test" / f"{name}.pgm").read_bytes()
    pixels = np.frombuffer(raw[-(128 * 128) :], np.uint8)
    return pixels.astype(np.int16).reshape(1, 1, 128, 128)


@pytest.mark.parametrize("name", ["Lena", "Francesco"])
def test_descriptors_equal_those_shipped(demo, folder, name):
    found = simulate.predict(demo, _image(folder, name), simulate.SINGLE)
    raw = (folder / "tests" / "ble_test" / f"{name}.bin").read_bytes()
    np.testing.assert_array_equal(found.reshape(-1), np.frombuffer(raw, "<i2"))


def test_layers_equal_the_recorded_ones(demo, folder):
    path = reference_files.FOLDER / "reid_lena_descriptor.npz"
    if not path.is_file():
        pytest.skip(f"no {path}; set TFPIPELINE_SHARED")
    recorded = np.load(path)
    image = _image(folder, "Lena")
    found = simulate.outputs(demo, image, simulate.SINGLE)
    hashes = [
        hashlib.sha256(found[layer.output][0].astype("<i2").tobytes()).hexdigest()
        for layer in demo.layers
        if isinstance(layer, program.Conv)
    ]
    assert hashes == recorded["layer_sha256"].tolist()
    exact = simulate.predict(demo, image, simulate.DOUBLE)
    np.testing.assert_array_equal(exact.reshape(-1), recorded["descriptor_dp"])
