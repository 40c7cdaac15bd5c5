"""GreenWaves' face re-identification demo: its weights, images and descriptors.

Needs a checkout of github.com/GreenWaves-Technologies/FaceReID (a3bde7e): its folder in
TFPIPELINE_FACEREID.
"""

import hashlib
import json
import os
import pathlib

import numpy as np
import pytest

from tests.targets.gap8 import reference_files
from tfpipeline.networks import catalog
from tfpipeline.targets.gap8 import (
    fixed_point,
    kernels,
    lowering,
    program,
    simulate,
)

pytestmark = pytest.mark.vendor


@pytest.fixture(scope="module")
def folder():
    named = os.environ.get("TFPIPELINE_FACEREID")
    if not named:
        pytest.skip("TFPIPELINE_FACEREID does not name a checkout of FaceReID")
    return pathlib.Path(named)


def _file_name(step):
    """`fire3_expand1x1` is `features.3.expand1x1.0.json`."""
    first = {"conv0": "conv1.0", "conv1": "features.0.0"}
    if step.name in first:
        return f"{first[step.name]}.json"
    fire, part = step.name.removeprefix("fire").split("_")
    return f"features.{fire}.{part}.0.json"


def _layer(step, tensors, folder):
    fields = {"name": step.name, "inputs": step.inputs, "output": step.output}
    q = tensors[step.inputs[0]].q
    if step.kind is program.Conv:
        path = folder / "ReID-Demo" / "quantized_model" / _file_name(step)
        stored = json.loads(path.read_text(encoding="utf-8"))
        names = ("inp_frac_bits", "w_frac_bits", "norm")
        source, weight, norm = (int(stored[name][0]) for name in names)
        # What the files say of the output is stale where a concatenation shifted it.
        q = source + weight - norm
        fields["format"] = fixed_point.Format(source, weight, q, q)
        fields["weights"] = np.array(stored["weight"]).astype(np.int16)
        fields["bias"] = np.array(stored["bias"]).astype(np.int16)
    elif step.kind is program.Concat:
        fields["norms"] = (0,) * len(step.inputs)
    else:
        factor = kernels.average_factor(16, step.fields["window"])
        fields.update(zip(("factor", "shift", "rounds"), factor, strict=True))
    tensors[step.output] = program.Tensor(step.output, step.shape, q)
    return step.kind(**step.fields, **fields)


@pytest.fixture(scope="module")
def demo(folder):
    """The demo's program: our network's calls with its integers."""
    draft = lowering.lower(catalog.load("reid_squeezenet"), 16)
    tensors = {draft.input: program.Tensor(draft.input, draft.input_shape, 0)}
    layers = tuple(_layer(step, tensors, folder) for step in draft.steps)
    return program.Program(
        name="demo",
        num_bits=16,
        tensors=tensors,
        layers=layers,
        inputs=(draft.input,),
        outputs=draft.outputs,
    )


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
