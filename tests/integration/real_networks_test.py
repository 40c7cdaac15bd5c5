"""Float Keras files of other projects, quantized after training.

TFPIPELINE_REAL_NETWORKS names a folder of `.keras` or `.h5` files that take pixels of 0
to 255, with a `NAME.npy` of such inputs beside each where there is one; random pixels
stand in for it otherwise, and then nothing is asked of what is lost.
"""

import os
import pathlib

import numpy as np
import pytest

from export.c import host, network
from tests.export import commands
from tfpipeline.ir import from_tflite
from tfpipeline.models import forms
from tfpipeline.readers import keras_files
from tfpipeline.simulate import execution
from tfpipeline.targets.tflm import interpreter

VARIABLE = "TFPIPELINE_REAL_NETWORKS"
FOLDER = os.environ.get(VARIABLE)
FILES = sorted(
    path
    for path in (pathlib.Path(FOLDER).iterdir() if FOLDER else ())
    if path.suffix in forms.KERAS_SUFFIXES
)

pytestmark = [
    pytest.mark.vendor,
    pytest.mark.skipif(not FILES, reason=f"{VARIABLE} names no folder of Keras files"),
]


@pytest.fixture(params=FILES or [pathlib.Path("absent.h5")], ids=lambda x: x.stem)
def given(request, tmp_path):
    data = request.param.with_suffix(".npy")
    if not data.exists():
        shape = keras_files.load(request.param).input_shape[1:]
        pixels = np.random.default_rng(0).integers(0, 256, (2, *shape))
        data = tmp_path / "random.npy"
        np.save(data, pixels.astype(np.float32))
    return request.param, {"calibration": str(data), "input_range": "pixels"}


@pytest.mark.parametrize("per_tensor", [False, True])
@pytest.mark.parametrize("target", ["int8", "int16x8"])
def test_each_output_is_micros_bit_for_bit(given, tmp_path, target, per_tensor):
    model, flags = given
    commands.run(target, model, tmp_path / "out", per_tensor=per_tensor, **flags)
    data = (tmp_path / "out" / "model.tflite").read_bytes()
    g = from_tflite.read(data)
    source = g.tensors[g.inputs[0]]
    limits = np.iinfo(source.dtype)
    inputs = np.random.default_rng(1).integers(
        limits.min, limits.max, source.shape, source.dtype, endpoint=True
    )
    expected = interpreter.run(data, [inputs])
    for ours, micro in zip(execution.run(g, [inputs]), expected, strict=True):
        np.testing.assert_array_equal(ours, micro)
    with host.compiled(network.prepare(g, "net")) as program:
        in_c = program.run([inputs])
    for ours, micro in zip(in_c, expected, strict=True):
        np.testing.assert_array_equal(ours, micro)


@pytest.mark.parametrize("target", ["tflm", "c"])
def test_bundles_and_c_are_written(given, tmp_path, target):
    model, flags = given
    lines = commands.run(target, model, tmp_path / "out", **flags)
    assert any(line.startswith("written") for line in lines)
