"""The folder for the vendor's tool: what its files say of each other."""

import dataclasses
import itertools

import numpy as np
import pytest
import yaml

from export.max78000 import description, files, network, text
from tests import folder_trees, graph_builder
from tests.export.max78000 import vendor_networks
from tests.golden.max78000_vendor import record
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import policy, quantize

Builder = graph_builder.Builder


def _written(tmp_path, case):
    found = record.prepare(case)
    files.write(tmp_path / "files", found, case)
    return found, tmp_path / "files"


def _layers(folder):
    description_text = (folder / files.DESCRIPTION_FILE).read_text(encoding="utf-8")
    return yaml.safe_load(description_text)["layers"]


def _small():
    net = Builder((8, 8, 3), "Small net")
    net.conv(4, name="first")
    net.flatten()
    net.dense(2, name="logits")
    return vendor_networks.randomized(net.build())


def test_the_folder_holds_all_files_and_none_of_an_older_one(tmp_path):
    files.write(tmp_path / "files", record.prepare("mixed"), "older")
    _, folder = _written(tmp_path, "mixed")
    assert folder_trees.ours(folder) == [
        "README.txt",
        "checkpoint.pth.tar",
        "known_answer.npz",
        "network.yaml",
        "report.txt",
        "sample_mixed.npy",
    ]


def test_sample_and_known_answer_are_channels_first(tmp_path):
    found, folder = _written(tmp_path, "mixed")
    sample = np.load(folder / "sample_mixed.npy")
    assert (sample.dtype, sample.shape) == (np.int64, (3, 32, 32))
    with np.load(folder / files.KNOWN_ANSWER_FILE) as known:
        np.testing.assert_array_equal(known["input"], sample)
        assert known["input"].dtype == np.int8
        assert known["layer_4"].dtype == np.int32
        for index, values in enumerate(found.outputs):
            turned = values.transpose(2, 0, 1)
            np.testing.assert_array_equal(known[f"layer_{index}"], turned)


def test_sample_of_a_line_has_no_columns(tmp_path):
    _, folder = _written(tmp_path, "conv1d")
    assert np.load(folder / "sample_conv1d.npy").shape == (128, 128)


def test_description_says_where_and_what(tmp_path):
    _, folder = _written(tmp_path, "mixed")
    layers = _layers(folder)
    assert [layer["quantization"] for layer in layers] == [8, 4, 2, 1, 8]
    assert layers[0]["data_format"] == "HWC"
    assert layers[2]["avg_pool"] == layers[2]["pool_stride"] == 2
    assert [layer["activate"] for layer in layers][1:3] == ["ReLU", "None"]
    assert [layer.get("pad") for layer in layers] == [1, 1, 0, 0, None]
    assert (layers[4]["op"], layers[4]["flatten"]) == ("mlp", True)
    assert layers[4]["output_width"] == 32
    for one, other in itertools.pairwise(layers):
        assert one["output_processors"] == other["processors"]
        assert one["out_offset"] == other["in_offset"]


def test_description_of_sums_and_concatenations(tmp_path):
    _, folder = _written(tmp_path, "residual")
    layers = _layers(folder)
    sums = [layer for layer in layers if "eltwise" in layer]
    assert [layer["in_sequences"] for layer in sums] == [[2, 3], [6, 7], [10, 11]]
    assert sums[2]["pool_first"] is False
    gaps = [index for index, layer in enumerate(layers) if "write_gap" in layer]
    assert gaps == [2, 3, 6, 7, 10, 11]


def test_readme_has_the_command(tmp_path):
    _, folder = _written(tmp_path, "mixed")
    readme = (folder / files.README_FILE).read_text(encoding="utf-8")
    assert "--sample-input FOLDER/sample_mixed.npy" in readme
    assert "--device MAX78000" in readme
    assert "--softmax" in readme
    assert text.TOOL in readme
    assert max(map(len, readme.splitlines())) <= 88


def test_report_says_where_everything_lies(tmp_path):
    found, folder = _written(tmp_path, "residual")
    report = (folder / files.REPORT_FILE).read_text(encoding="utf-8")
    rows = report.split("MEMORY MAP\n")[1].split("\n\n")[0].splitlines()
    assert len(rows) == 2 + len(found.lowered.steps)
    region = found.placed.data.outputs[2]
    assert f"{region.processors:#018x} {region.offset:#06x}" in rows[4]
    assert "gap 1" in rows[4]
    assert "the sample is random" in report


@pytest.mark.parametrize(
    ("name", "expected"),
    [("FaceNet v1", "facenet_v1"), ("a/b.c", "a_b_c"), ("--", "network")],
)
def test_names_that_the_tool_takes(name, expected):
    assert description.identifier(name) == expected


def test_a_quantized_graph_is_taken_as_it_is():
    g = _small()
    q = quantize.quantize(g, policy.Policy(weight_bits=4))
    direct, indirect = (
        network.prepare(q),
        network.prepare(g, weights=policy.Policy(weight_bits=4)),
    )
    for one, other in zip(direct.outputs, indirect.outputs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not any("quantized after training" in note for note in direct.notes)
    assert any("quantized after training" in note for note in indirect.notes)


def test_a_wide_result_is_as_the_graph_says():
    for wide, dtype in ((True, np.int32), (False, np.int8)):
        q = quantize.quantize(_small(), wide_output=wide)
        assert network.prepare(q).outputs[-1].dtype == dtype


def test_a_folded_input_is_folded_from_the_image():
    found = vendor_networks.CASES["facenet_v6_folded"].graph()
    image = np.arange(88 * 88 * 3).reshape(88, 88, 3).astype(np.int8)
    folded = network.prepare(found, image).sample
    assert folded.shape == (44, 44, 12)
    # Of the block at (5, 7), the pixel of its second row and first column.
    np.testing.assert_array_equal(folded[5, 7, 6:9], image[11, 14])


def test_the_first_that_is_wrong_is_said_and_the_others_are_counted():
    net = Builder((8, 8, 3))
    net.conv(4, 5, name="a")
    net.conv(4, stride=2, name="b")
    net.conv(4, clamp=graph.RELU6, name="c")
    with pytest.raises(errors.TargetError) as raised:
        network.prepare(vendor_networks.randomized(net.build()))
    assert "Conv2D 'a': kernel size" in str(raised.value)
    assert "Conv2D 'b': " in str(raised.value)
    assert "[MAX78000-CONV-01]" in str(raised.value)
    assert "[MAX78000-CONV-02]" in str(raised.value)
    assert str(raised.value).endswith("; and 2 more")
    assert len(str(raised.value)) < 400


def test_too_small_a_memory_is_an_error():
    net = Builder((100, 100, 3))
    net.conv(64, name="large")
    with pytest.raises(errors.TargetError, match=r"Conv2D 'large': the data memory"):
        network.prepare(vendor_networks.randomized(net.build()))


def test_integers_of_another_scheme_are_refused():
    g = _small()
    other = graph.QuantParams((0.02,), (3,), 8)
    tensors = {
        name: dataclasses.replace(tensor, dtype="int8", quant=other)
        for name, tensor in g.tensors.items()
    }
    constants = {name: c.astype(np.int8) for name, c in g.constants.items()}
    tflite = dataclasses.replace(g, tensors=tensors, constants=constants)
    with pytest.raises(errors.ExportError, match=r"scale 0\.02, zero point 3"):
        network.prepare(tflite)


def test_a_sample_of_another_shape_is_refused():
    with pytest.raises(errors.ExportError, match=r"must be int8 \(8, 8, 3\)"):
        network.prepare(_small(), np.zeros((3, 8, 8), np.int8))
