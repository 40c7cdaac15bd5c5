"""What gap_quantization wrote, read back: integers, wiring, and what is refused."""

import json
import pathlib

import numpy as np
import pytest

from export.gap8 import layer_records
from tests import graph_builder
from tests.gap_quantization import tool_files
from tests.targets.gap8 import float_networks, recorded_networks
from tfpipeline import errors
from tfpipeline.gap_quantization import network
from tfpipeline.ir import graph, serialize
from tfpipeline.simulate import float_execution
from tfpipeline.targets.gap8 import program, simulate


def _described(place, **fields):
    path = place / "quant.json"
    path.write_text(json.dumps({"format": "gap_quantization", **fields}))
    return path


@pytest.fixture
def written(tmp_path):
    """Layers of a network with every kind, and the graph that it is wired like."""
    p = tool_files.write_every_kind(tmp_path)
    files = {
        layer.name: layer.name for layer in p.layers if "norm" in _record(p, layer)
    }
    return tmp_path, p, files


def _record(p, layer):
    return layer_records.record(p, layer)


@pytest.mark.parametrize("num_bits", [16, 8])
@pytest.mark.parametrize("stale", [0, 1])
def test_integers_come_back(tmp_path, num_bits, stale):
    g = tool_files.every_kind()
    expected = tool_files.program_of(g, num_bits)
    tool_files.write(tmp_path / "layers", expected, stale=stale)
    serialize.write(g, tmp_path / "graph")
    path = _described(
        tmp_path,
        folder="layers",
        network="graph/graph.json",
        bits=num_bits,
        files={
            layer.name: layer.name for layer in expected.layers if not _is_pool(layer)
        },
    )
    found = network.find(path)
    tool_files.assert_equal(found.program, expected)
    # The real weights are those that the integers stand for.
    images = np.random.default_rng(2).uniform(-1, 1, (2, 12, 10, 2)).astype(np.float32)
    real = float_execution.predict(found.graph, images)
    integers = simulate.quantize_images(expected, images)
    computed = simulate.predict(expected, integers).reshape(2, -1)
    q = expected.tensors[expected.outputs[0]].q
    limit = {16: 2e-3, 8: 0.2}[num_bits] * np.abs(real).max()
    np.testing.assert_allclose(computed * 2.0**-q, real, atol=limit, rtol=0)


def _is_pool(layer):
    return isinstance(layer, (program.MaxPool, program.AvgPool))


def test_a_folder_is_matched_by_shape(written):
    place, expected, _ = written
    path = _described(place, folder="layers", network="graph/graph.json")
    found = network.find(path)
    tool_files.assert_equal(found.program, expected)
    assert network.find(place).program.layers[0].name == expected.layers[0].name


def test_names_decide_between_kernels_of_one_shape(tmp_path):
    net = graph_builder.Builder((6, 6, 4), "chain")
    for _ in range(11):
        net.conv(4, 3)
    g = float_networks.with_values(net.build())
    expected = tool_files.program_of(g)
    tool_files.write(tmp_path / "layers", expected)
    for number, layer in enumerate(expected.layers):
        # 10 comes behind 9, not behind 1.
        file = tmp_path / "layers" / f"{layer.name}.json"
        file.rename(file.with_name(f"features.{number}.json"))
    serialize.write(g, tmp_path / "graph")
    path = _described(tmp_path, folder="layers", network="graph/graph.json")
    found = network.find(path)
    tool_files.assert_equal(found.program, expected)
    assert found.notes[1].endswith(
        "layer0 is features.0, layer1 is features.1, layer2 is features.2, layer3 is "
        "features.3 and 7 more"
    )


def test_wiring_in_the_description(written):
    place, expected, _ = written
    path = _described(
        place,
        folder="layers",
        input=[2, 12, 10],
        layers=[
            {"conv": "layer0", "stride": 2, "relu": True},
            {"conv": "layer1", "relu": True},
            {"max_pool": 2, "stride": 1, "name": "layer2"},
            {"conv": "layer3", "relu": True, "inputs": "layer0", "padding": 1},
            {"max_pool": 2, "stride": 1, "name": "layer4"},
            {"concat": ["layer4", "layer2"], "name": "layer5"},
            {"conv": "layer6", "groups": 8, "padding": 1, "relu": True},
            {"conv": "layer7"},
            {"add": ["layer6", "layer7"], "name": "layer8", "relu": True},
            {"conv": "layer10"},
        ],
    )
    found = network.find(path)
    images = np.random.default_rng(2).uniform(-1, 1, (2, 12, 10, 2)).astype(np.float32)
    integers = simulate.quantize_images(expected, images)
    np.testing.assert_array_equal(
        simulate.predict(found.program, integers),
        simulate.predict(expected, integers),
    )


_RECORDED = [
    {"conv": "conv1"},
    {"conv": "conv2", "relu": True},
    {"max_pool": 3, "stride": 2, "name": "mp"},
    *(
        line
        for fire, source in (("fire3", "mp"), ("fire4", "fire3.cat"))
        for line in (
            {"conv": f"{fire}.squeeze", "inputs": source, "relu": True},
            {"conv": f"{fire}.expand1x1", "inputs": f"{fire}.squeeze", "relu": True},
            {
                "conv": f"{fire}.expand3x3",
                "inputs": f"{fire}.squeeze",
                "relu": True,
                "padding": 1,
            },
            *(
                [
                    {
                        "max_pool": 3,
                        "stride": 2,
                        "inputs": f"{fire}.expand{n}x{n}",
                        "name": f"{fire}.p{n}",
                    }
                    for n in (1, 3)
                ]
                if fire == "fire4"
                else []
            ),
            {
                "concat": [f"{fire}.p1", f"{fire}.p3"]
                if fire == "fire4"
                else [f"{fire}.expand1x1", f"{fire}.expand3x3"],
                "name": f"{fire}.cat",
            },
        )
    ),
    {"conv": "head"},
    {"avg_pool": "all", "name": "gap"},
]


@pytest.mark.real_data
@pytest.mark.parametrize("name", recorded_networks.NAMES)
def test_activations_equal_the_tool(name, tmp_path):
    """Four runs of gap_quantization, whose activations were recorded."""
    recorded = recorded_networks.Recorded(name)
    for layer, row in recorded.described["layers"].items():
        if row["kind"] == "conv":
            value = {
                "weight": recorded.arrays[f"q/{layer}/weight"].astype(float).tolist(),
                "bias": recorded.arrays[f"q/{layer}/bias"].astype(float).tolist(),
                "norm": [row["norm"]],
                "inp_frac_bits": [row["in_frac"]],
                "w_frac_bits": [row["w_frac"]],
                "b_frac_bits": [row["b_frac"]],
                "out_frac_bits": [row["out_frac"]],
            }
        elif "norm" in row:
            value = {"norm": row["norm"], "out_frac_bits": [row["out_frac"]]}
        else:
            continue
        (tmp_path / f"{layer}.json").write_text(json.dumps(value))
    strides = {
        layer: row["stride"][0]
        for layer, row in recorded.described["layers"].items()
        if row["kind"] == "conv"
    }
    padding = {
        layer: row["padding"][0]
        for layer, row in recorded.described["layers"].items()
        if row["kind"] == "conv"
    }
    lines = [
        {**line, "stride": strides[line["conv"]], "padding": padding[line["conv"]]}
        if "conv" in line
        else line
        for line in _RECORDED
    ]
    path = _described(tmp_path, input=[1, 24, 24], layers=lines)
    found = network.find(path)
    assert found.num_bits == recorded.num_bits
    precision = (
        simulate.DOUBLE if recorded.described["double_precision"] else simulate.SINGLE
    )
    outputs = simulate.outputs(found.program, recorded.image, precision)
    for tensor in recorded_networks.OUTPUTS:
        if tensor in outputs and (tensor != "gap" or found.num_bits == 16):
            np.testing.assert_array_equal(
                outputs[tensor][0], recorded.recorded(tensor), err_msg=tensor
            )
    assert {"conv1", "fire3.cat", "fire4.cat", "head", "gap"} <= set(outputs)


def _changed(place, name, **fields):
    path = place / "layers" / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inp_frac_bits": [3]}, "layer 'layer3' (layer3) reads 3 fraction bits; what"),
        ({"norm": [-1]}, "a norm is negative"),
        ({"norm": [1, 2]}, "norm has 2 values, not one"),
        ({"norm": []}, "norm is no list of numbers"),
        ({"norm": [True]}, "True is no number"),
        ({"norm": [0.5]}, "0.5 is no count of bits"),
        ({"norm": [10**6]}, "1000000 is no count of bits"),
        ({"bias": [1.0]}, "1 biases for 4 outputs"),
        ({"bias": ["a"] * 4}, "bias is no array of 1 axes of numbers"),
        ({"bias": [0.5] * 4}, "bias has numbers that are not whole"),
        ({"bias": [1e6] * 4}, "bias has numbers of over 16 bits"),
        ({"weight": [[1], [1, 2]]}, "is not a layer of gap_quantization, or damaged"),
        ({"weight": [[[[1]]]]}, "1 outputs"),
    ],
)
def test_damaged_layers(written, change, message):
    place, _, files = written
    _changed(place, "layer3", **change)
    path = _described(place, folder="layers", network="graph/graph.json", files=files)
    with pytest.raises(errors.PipelineError) as caught:
        _ = network.find(path).program
    told = str(caught.value)
    assert message in told or "biases for 1 outputs" in told
    assert "layer3" in told
    assert len(told) < errors.MAX_LINE_CHARACTERS and "\n" not in told


_CONV = {"conv": "layer0"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "it must have either 'layers' or 'network'"),
        ({"layers": [], "network": "a"}, "it must have either"),
        ({"network": "mynet"}, "'mynet' is no registered network, graph.json or"),
        ({"network": "net.py:make"}, "is no registered network, graph.json or"),
        ({"network": "net.keras"}, "is no registered network, graph.json or .tflite"),
        ({"network": "cmsisnet"}, "layers with kernels of"),
        ({"network": "cmsisnet", "files": {"no": "layer0"}}, "no layer 'no'"),
        ({"network": "cmsisnet", "file": {}}, "it has 'file', which is none of"),
        ({"network": "cmsisnet", "bits": 12}, "bits must be 8 or 16; found 12"),
        ({"layers": [_CONV]}, "input must be [channels, rows, columns]"),
        ({"input": [1, 2], "layers": [_CONV]}, "input must be [channels, rows"),
        ({"input": [2, 12, 0], "layers": [_CONV]}, "input must be 1 to 65536"),
        ({"layers": [], "input": [2, 12, 10]}, "layers must be a list of layers"),
        ({"layers": [3], "input": [2, 12, 10]}, "layer 1 is no object"),
        ({"layers": [{"dense": "a"}], "input": [2, 12, 10]}, "layer 1 must have one"),
        (
            {"layers": [{"conv": "none"}], "input": [2, 12, 10]},
            "cannot read",
        ),
        (
            {"layers": [{"conv": "layer0"}], "input": [3, 12, 10]},
            "conv 'layer0' has kernels of 2 channels, in 1 groups; it reads 3",
        ),
        (
            {"layers": [{"conv": "layer0", "inputs": "later"}], "input": [2, 12, 10]},
            "'layer0' reads 'later', which is not in front of it",
        ),
        (
            {"layers": [_CONV, _CONV], "input": [2, 12, 10]},
            "two layers are called 'layer0'",
        ),
        (
            {"layers": [_CONV], "input": [2, 2, 2]},
            "conv 'layer0': a window of 3x3 does not fit a plane of 2x2",
        ),
        (
            {"layers": [{"max_pool": 2}], "input": [2, 12, 10]},
            "no layer with weights reads the input: say input_frac_bits",
        ),
        (
            {"layers": [{"conv": "layer0", "stride": "2"}], "input": [2, 12, 10]},
            "stride of layer 1 must be a whole number; found '2'",
        ),
    ],
)
def test_refused_descriptions(written, fields, message):
    place, _, _ = written
    path = _described(place, folder="layers", **fields)
    with pytest.raises(errors.PipelineError) as caught:
        _ = network.find(path).program
    told = str(caught.value)
    assert message in told
    assert len(told) < errors.MAX_LINE_CHARACTERS and "\n" not in told


def test_layers_that_the_chip_lacks_are_named(tmp_path):
    net = graph_builder.Builder((6, 6, 4), "grouped")
    net.conv(4, 3)
    tool_files.write(
        tmp_path, tool_files.program_of(float_networks.with_values(net.build()))
    )
    value = json.loads((tmp_path / "layer0.json").read_text())
    value["weight"] = np.zeros((4, 2, 3, 3)).tolist()
    (tmp_path / "layer0.json").write_text(json.dumps(value))
    lines = [{"conv": "layer0", "groups": 2, "padding": 1}]
    path = _described(tmp_path, input=[4, 6, 6], layers=lines)
    with pytest.raises(errors.TargetError, match=r"'layer0'.*CONV-04"):
        _ = network.find(path).program


def test_layers_alone(written):
    place, _, _ = written
    with pytest.raises(errors.UsageError, match="no registered networks have such"):
        network.find(place / "layers")
    with pytest.raises(errors.UsageError, match="is one layer of gap_quantization"):
        network.find(place / "layers" / "layer0.json")


def test_what_is_not_the_tools(tmp_path):
    (tmp_path / "empty").mkdir()
    assert network.find(tmp_path / "empty") is None
    assert network.find(tmp_path / "nowhere") is None
    g = tool_files.every_kind()
    assert network.find(serialize.write(g, tmp_path / "graph")) is None
    assert network.find(tmp_path / "graph") is None


# 2,000 of each were run once.
_MUTATIONS = 40


@pytest.mark.parametrize("file", ["quant.json", "layers/layer0.json"])
def test_any_bytes_give_one_clear_line(written, file):
    place, _, files = written
    _described(place, folder="layers", network="graph/graph.json", files=files)
    path = pathlib.Path(place / file)
    whole = path.read_bytes()
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(_MUTATIONS):
        data = bytearray(whole)
        for _ in range(random.integers(1, 4)):
            if not data:
                break
            at = int(random.integers(len(data)))
            match random.integers(4):
                case 0:
                    data[at] = int(random.integers(256))
                case 1:
                    del data[at : at + int(random.integers(1, 40))]
                case 2:
                    data[at:at] = random.choice(
                        [b"[", b"]", b"{", b"null", b"-1e999", b'"', b"9" * 30, b"1.5"]
                    )
                case _:
                    data = data[: at + 1]
        path.write_bytes(data)
        try:
            found = network.find(place)
            _ = None if found is None else found.program
        except errors.PipelineError as error:
            refused += 1
            assert len(str(error)) < errors.MAX_LINE_CHARACTERS
            assert "\n" not in str(error)
    assert refused > _MUTATIONS // 2


def test_real_weights_are_exact(written):
    place, expected, files = written
    path = _described(place, folder="layers", network="graph/graph.json", files=files)
    g = network.find(path).graph
    assert isinstance(g.layers[0], graph.Conv2D)
    first = expected.layers[0]
    np.testing.assert_array_equal(
        g.constants[g.layers[0].weights].transpose(0, 3, 1, 2)
        * 2.0**first.format.weight_q,
        first.weights,
    )
