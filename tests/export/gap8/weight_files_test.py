"""Blobs, arrays and JSON of a program's layers."""

import json

import numpy as np
import pytest

from export.gap8 import file_names, layer_records, weight_files
from tests.export.gap8 import programs
from tests.targets.gap8 import quantize_test, recorded_networks
from tfpipeline.targets.gap8 import program


@pytest.mark.parametrize("name", programs.ALL)
def test_blobs_hold_the_integers_in_whole_words(name):
    p = programs.ALL[name]
    found = dict(weight_files.blobs(p))
    stems = file_names.stems(p)
    weighted = [layer for layer in p.layers if isinstance(layer, program.Weighted)]
    assert len(found) == 2 * len(weighted)
    for layer in weighted:
        for what, values in (("weights", layer.weights), ("bias", layer.bias)):
            data = found[f"weights/{stems[layer.name]}.{what}.bin"]
            assert len(data) % 4 == 0 and len(data) - values.nbytes < 4
            integers = np.frombuffer(data, f"<i{p.num_bits // 8}", values.size)
            np.testing.assert_array_equal(integers, values.ravel())
            assert not any(data[values.nbytes :])


def test_a_blob_is_little_endian():
    data = weight_files.blob(np.array([1, -2, 0x1234], np.int16))
    assert data == bytes([1, 0, 0xFE, 0xFF, 0x34, 0x12, 0, 0])


def test_layers_of_like_names_have_files_of_their_own():
    net = programs.Builder((1, 4, 4))
    for _ in range(4):
        net.conv(1, (1, 1))
    p = net.build()
    for layer, name in zip(p.layers, ("a/b", "a.b", "A.B", "../x y"), strict=True):
        object.__setattr__(layer, "name", name)
    assert list(file_names.stems(p).values()) == ["a.b", "a.b.1", "A.B.2", "x_y"]


@pytest.mark.real_data
@pytest.mark.parametrize("name", recorded_networks.NAMES)
def test_records_are_the_tools(name):
    """With fraction bits that fit together, as the recorded ones do."""
    recorded = recorded_networks.Recorded(name)
    p = quantize_test.quantized(recorded)
    found = {path: json.loads(text) for path, text in layer_records.files(p)}
    rows = recorded.described["layers"]
    assert set(found) == {f"layers/{layer}.json" for layer in rows}
    for layer, row in rows.items():
        record = found[f"layers/{layer}.json"]
        assert record["out_frac_bits"] == [row["out_frac"]]
        if row["kind"] != "conv":
            assert record["norm"] == row["norm"]
            continue
        for key, expected in (
            ("norm", "norm"),
            ("w_frac_bits", "w_frac"),
            ("b_frac_bits", "b_frac"),
            ("inp_frac_bits", "in_frac"),
        ):
            assert record[key] == [row[expected]]
        [shift] = record["norm"]
        assert shift == row["in_frac"] + row["w_frac"] - record["out_frac_bits"][0]
        for key in ("weight", "bias"):
            expected = recorded.arrays[f"q/{layer}/{key}"]
            np.testing.assert_array_equal(np.array(record[key]), expected)


def test_a_linear_layer_is_recorded_as_a_convolution_of_the_plane():
    net = programs.Builder((2, 3, 4))
    net.linear(5)
    p = net.build()
    [(_, text)] = layer_records.files(p)
    weights = np.array(json.loads(text)["weight"])
    assert weights.shape == (5, 2, 3, 4)
    np.testing.assert_array_equal(weights.ravel(), p.layers[0].weights.ravel())


def test_headers_have_every_layer():
    p = programs.ALL["mixed8"]
    header = layer_records.q_header(p, "mixed")
    assert header.count("#define Q_WEIGHTS_") == 7
    assert "#define Q_NETWORK_IN 5" in header
    arrays = weight_files.header(p, "mixed")
    assert arrays.count("static const int8_t mixed_S") == 14
