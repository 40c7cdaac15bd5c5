"""Our files of the re-identification demo's own weights, and its files.

Needs a checkout of FaceReID, see `tests.targets.gap8.demo_test`.
"""

import json
import re

import numpy as np
import pytest

from export.gap8 import generator_calls, layer_records
from tests.export.c import compiler
from tests.export.gap8 import c_network_test
from tests.targets.gap8 import demo_test
from tfpipeline.targets.gap8 import kernels, program

pytestmark = pytest.mark.vendor

folder = demo_test.folder
demo = demo_test.demo

# Layers that a concatenation made shift by a place more: the tool left their fraction
# bits as they were.
_STALE = {f"features.{fire}.expand1x1.0" for fire in (4, 6, 7, 10)}


def _tool_name(layer):
    """`fire3_expand1x1` is `features.3.expand1x1.0`."""
    first = {"conv0": "conv1.0", "conv1": "features.0.0"}
    fire, _, part = layer.removeprefix("fire").partition("_")
    return first.get(layer, f"features.{fire}.{part}.0")


@compiler.needs_gcc
@pytest.mark.parametrize("name", ["Lena", "Francesco"])
def test_the_c_computes_the_shipped_descriptors(demo, folder, name, tmp_path):
    path = c_network_test.compiled(tmp_path, demo, "demo", "-O2")
    raw = (folder / "tests" / "ble_test" / f"{name}.pgm").read_bytes()
    pixels = np.frombuffer(raw[-(128 * 128) :], np.uint8).astype(np.int16)
    image = pixels.reshape(1, 1, 128, 128)
    found = c_network_test.run(path, demo, image, kernels.SINGLE)
    expected = (folder / "tests" / "ble_test" / f"{name}.bin").read_bytes()
    np.testing.assert_array_equal(found.ravel(), np.frombuffer(expected, "<i2"))


def test_records_are_the_demos_but_for_stale_fractions(demo, folder):
    stale = set()
    for layer in demo.layers:
        if not isinstance(layer, program.Conv):
            continue
        name = _tool_name(layer.name)
        file = folder / "ReID-Demo" / "quantized_model" / f"{name}.json"
        theirs = json.loads(file.read_text(encoding="utf-8"))
        ours = layer_records.record(demo, layer)
        fractions = ("b_frac_bits", "out_frac_bits")
        assert ours.keys() == theirs.keys()
        for key in ours.keys() - set(fractions):
            np.testing.assert_array_equal(np.array(ours[key]), np.array(theirs[key]))
        differences = {int(theirs[key][0]) - ours[key][0] for key in fractions}
        if differences != {0}:
            assert differences == {1}
            stale.add(name)
    assert stale == _STALE


def test_fraction_bits_are_those_of_the_demos_header(demo, folder):
    """Its header has the shifts in, unlike its JSON files."""
    [file] = (folder / "ReID-Demo").rglob("layer_params_quant.h")
    pattern = re.compile(r"#define\s+(Q_(?:IN|OUT|WEIGHTS|BIAS)_\d+)\s+\(?(-?\d+)")
    theirs = dict(pattern.findall(file.read_text(encoding="utf-8")))
    ours = dict(pattern.findall(layer_records.q_header(demo, "demo")))
    assert len(ours) == 4 * 26
    assert ours == theirs


def test_calls_are_as_many_as_the_demos_kernels(demo):
    calls = generator_calls.make(demo, kernels.SINGLE).calls
    assert len(calls) == 27
    assert {call.arguments.get("ConvOper", "KOP_CONV") for call in calls} == {
        "KOP_CONV"
    }
    assert calls[-1].arguments["PoolOper"] == "KOP_AVGPOOL"
