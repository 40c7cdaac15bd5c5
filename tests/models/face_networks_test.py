"""The networks of the cascade are those of their sources."""

import inspect
import itertools
import json
import os
import pathlib

import numpy as np
import pytest

from tests import registered_networks
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.cost import macs
from tfpipeline.ir import graph
from tfpipeline.models import counts, registry, specs
from tfpipeline.networks import catalog

NAMES = (*registered_networks.DETECTORS, *registered_networks.DESCRIPTORS[1:])
# MACs, weights and biases of the deployed form; slopes of PReLU not among them.
# lffd_*, arcface_*, mobilefacenet_y*: reference/cascade/*.json, which publish them.
# The others are this package's own, and in the tables of their docstrings.
TOTALS = {
    "lffd_v1": (13_407_827_648, 2_285_248, 5_360),
    "lffd_v2": (9_127_763_392, 1_516_992, 3_614),
    "lffd_head17": (6_797_380_544, 1_024_704, 2_840),
    "lffd_mcu": (25_828_800, 94_704, 546),
    "lffd_mcu_2": (25_081_600, 64_816, 380),
    "mobilefacenet_y1": (220_965_376, 976_000, 9_792),
    "mobilefacenet_y2": (468_825_088, 1_942_720, 19_200),
    "mobilefacenet_mcu": (40_589_952, 179_136, 3_296),
    "mobilefacenet_max78000": (72_097_792, 196_528, 640),
    "arcface_r18": (2_609_954_816, 24_008_384, 5_376),
    "arcface_r34": (4_459_642_880, 34_109_120, 9_088),
    "arcface_r50": (6_309_330_944, 43_546_304, 13_184),
    "arcface_r100": (12_089_606_144, 65_074_880, 23_680),
}
# File of reference/cascade, network, input; None for the network's own.
REFERENCES = (
    ("lffd_v1_640x640", "lffd_v1", None),
    ("lffd_v1_480x640", "lffd_v1", (480, 640, 3)),
    ("lffd_v2_640x640", "lffd_v2", None),
    ("lffd_v2_480x640", "lffd_v2", (480, 640, 3)),
    ("arcface_mbf_y1_128d_112", "mobilefacenet_y1", None),
    ("arcface_mbf_y2_256d_112", "mobilefacenet_y2", None),
    ("arcface_r18_112", "arcface_r18", None),
    ("arcface_r34_112", "arcface_r34", None),
    ("arcface_r50_112", "arcface_r50", None),
    ("arcface_r100_112", "arcface_r100", None),
)
WITH_WEIGHTS = (graph.Conv2D, graph.DepthwiseConv2D, graph.Dense)


@pytest.mark.parametrize("name", NAMES)
def test_outlines_have_the_published_counts(name):
    g = catalog.load(name)
    layers = [layer for layer in g.layers if isinstance(layer, WITH_WEIGHTS)]
    counted = [macs.layer_count(g, layer) for layer in layers]
    found = tuple(
        sum(getattr(each, field) for each in counted)
        for field in ("macs", "weights", "biases")
    )
    assert found == TOTALS[name]


def test_parameters_of_the_sources():
    totals = {name: sum(values[1:]) for name, values in TOTALS.items()}
    assert totals["lffd_v1"] == 2_290_608
    assert totals["lffd_v2"] == 1_520_606
    assert totals["lffd_head17"] == 1_027_544
    # The paper's 0.99 million, with the slopes of PReLU.
    assert totals["mobilefacenet_y1"] + 7_552 == 993_344


@pytest.mark.parametrize("name", NAMES)
def test_results_of_the_outline(name):
    g = catalog.load(name)
    expected = registered_networks.output_shapes(name)
    assert [g.tensors[output].shape for output in g.outputs] == expected


@pytest.mark.default_cases(2)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            x, marks=pytest.mark.slow if x in registered_networks.HEAVY else []
        )
        for x in NAMES
    ],
)
def test_networks_are_their_outlines_and_docstrings(name):
    model = registry.build(name)
    totals = counts.count(model)
    plain = [layer for layer in totals.layers if "D" in layer.kind]
    found = tuple(
        sum(getattr(layer, field) for layer in plain)
        for field in ("macs", "weights", "biases")
    )
    assert found == TOTALS[name]
    rows = {layer.name: layer for layer in totals.layers} | {"total": totals}
    text = inspect.getdoc(registry.function_of(specs.MODELS[name]))
    if "| total" in text:
        for line in text.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 5 and cells[2].replace(",", "").isdigit():
                row = rows.pop(cells[0].split()[0])
                values = tuple(int(cell.replace(",", "")) for cell in cells[2:])
                assert values == (row.macs, row.weights, row.biases), cells
                if row is not totals:
                    assert cells[1] == "x".join(map(str, row.output_shape)), cells
        assert not rows


def _reference(name: str) -> list[dict]:
    root = pathlib.Path(__file__).resolve().parents[2]
    shared = pathlib.Path(os.environ.get("TFPIPELINE_SHARED", root.parent / "shared"))
    path = shared / "reference" / "cascade" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no {path}; set TFPIPELINE_SHARED")
    return json.loads(path.read_text(encoding="utf-8"))["ops"]


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(("file", "name", "input_shape"), REFERENCES)
def test_every_operation_is_the_reference_file_s(file, name, input_shape):
    operations = _reference(file)
    if input_shape is None:
        found = _of_outline(catalog.load(name))
    else:
        found = [
            (x.macs, x.weights, x.biases, *x.output_shape)
            for x in counts.count(registry.build(name, input_shape=input_shape)).layers
        ]
    expected = [
        (x["macs"], x["weights"], x["bias"], *_side(x), x["cout"])
        for x in operations
        if x["op"] in ("conv", "dwconv", "gconv", "fc")
    ]
    # Parallel branches have no order.
    assert sorted(found) == sorted(expected)
    if input_shape is None:
        assert _scalings(catalog.load(name)) == _expected_scalings(operations)


def _side(operation: dict) -> tuple[int, ...]:
    if operation["op"] == "fc":
        return ()
    return operation["hout"], operation["wout"]


def _of_outline(g: graph.Graph) -> list[tuple[int, ...]]:
    found = []
    for layer in g.layers:
        if isinstance(layer, WITH_WEIGHTS):
            count = macs.layer_count(g, layer)
            shape = g.tensors[layer.output].shape[1:]
            found.append((count.macs, count.weights, count.biases, *shape))
    return found


def _scalings(g: graph.Graph) -> dict[str, int]:
    """Layers and their constants that no convolution has taken in."""
    found = {"sums": 0, "slopes": 0, "scales": 0}
    for layer in g.layers:
        constants = [x for x in layer.inputs if x in g.constants]
        if isinstance(layer, graph.Add) and not constants:
            found["sums"] += 1
        if isinstance(layer, graph.PRelu):
            found["slopes"] += g.tensors[layer.inputs[1]].num_elements
        if isinstance(layer, graph.Mul):
            found["scales"] += g.tensors[constants[0]].num_elements
    return found


def _expected_scalings(operations: list[dict]) -> dict[str, int]:
    return {
        "sums": sum(x["op"] == "add" for x in operations),
        "slopes": sum(x.get("extra_params", 0) for x in operations),
        # A scale and an offset a channel.
        "scales": sum(x["weights"] for x in operations if x["op"] == "bn") // 2,
    }


@pytest.mark.slow
@pytest.mark.real_data
def test_the_layers_of_the_official_head_detector():
    root = pathlib.Path(__file__).resolve().parents[2]
    shared = pathlib.Path(os.environ.get("TFPIPELINE_SHARED", root.parent / "shared"))
    path = shared / "data" / "networks" / "lffd_head17_480x640.h5"
    if not path.is_file():
        pytest.skip(f"no {path}; set TFPIPELINE_SHARED")
    official = keras.models.load_model(path, compile=False)
    model = registry.build("lffd_head17", input_shape=(192, 256, 3))
    renamed = {}
    for place, branch in enumerate(("conv8", "conv11", "conv14", "conv17"), start=1):
        renamed |= {f"score{place}": f"{branch}_3_score"}
        renamed |= {f"box{place}": f"{branch}_3_bbox"}
    for layer in model.layers:
        if layer.weights:
            source = official.get_layer(renamed.get(layer.name, layer.name))
            layer.set_weights(source.get_weights())
    # The same values from its own layers at this size: our input is scaled by now.
    config = official.get_config()
    config["layers"][0]["config"]["batch_input_shape"] = (None, 192, 256, 3)
    smaller = keras.Model.from_config(config)
    smaller.set_weights(official.get_weights())
    pixels = np.random.default_rng(0).integers(0, 256, (1, 192, 256, 3))
    expected = smaller(pixels.astype(np.float32))
    outputs = model(((pixels - 127.5) / 127.5).astype(np.float32))
    for place, (one, other) in enumerate(zip(outputs, expected, strict=True)):
        values = keras.activations.softmax(one) if place % 2 == 0 else one
        # Seventeen layers in float32, whose first scales in another order.
        np.testing.assert_allclose(values, other, atol=2e-4)


@pytest.mark.parametrize("name", registered_networks.DETECTORS)
def test_branches_see_what_their_layers_see(name):
    g = catalog.load(name)
    views = _views(g)
    branches = specs.MODELS[name].branches
    assert len(g.outputs) == 2 * len(branches)
    for place, branch in enumerate(branches):
        for output in g.outputs[2 * place : 2 * place + 2]:
            assert views[output] == (
                branch.stride,
                branch.center,
                branch.receptive_field,
            )
    ranges = [(branch.smallest, branch.largest) for branch in branches]
    assert all(one[1] == two[0] for one, two in itertools.pairwise(ranges))


def _views(g: graph.Graph) -> dict[str, tuple[int, float, int]]:
    """Stride, center of the first cell and field of view of every tensor."""
    views: dict[str, tuple[int, float, int]] = {g.inputs[0]: (1, 0.0, 1)}
    for layer in g.layers:
        stride, center, field = max(
            (views[x] for x in layer.inputs if x in views), key=lambda view: view[2]
        )
        kernel, step, before = 1, 1, 0
        if isinstance(layer, graph.Conv2D):
            kernel = g.tensors[layer.weights].shape[1]
            step, before = layer.strides[0], layer.padding[0][0]
        elif isinstance(layer, graph.Pool):
            kernel, step = layer.kernel_size[0], layer.strides[0]
        center += stride * ((kernel - 1) / 2 - before)
        views[layer.output] = (stride * step, center, field + stride * (kernel - 1))
    return views


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", ["lffd_mcu", "mobilefacenet_mcu", "lffd_head17"])
def test_smallest_side_of_networks_with_steps_of_all_kinds(name):
    side = specs.MODELS[name].min_side
    model = registry.build(name, input_shape=(side, side + 3, 3))
    outputs = model(np.zeros((1, side, side + 3, 3), np.float32))
    first = outputs[0] if isinstance(outputs, list) else outputs
    assert np.isfinite(first).all()
    with pytest.raises(errors.UsageError, match="too small for its pools and strides"):
        registry.build(name, input_shape=(side, side - 1, 3))


def test_logits_of_boxes_are_float32_and_depend_on_the_picture():
    keras.utils.set_random_seed(1)
    model = registry.build("lffd_mcu", width=0.5, dropout=0.2)
    assert [x.shape[-1] for x in model.outputs] == [2, 4, 2, 4, 2, 4]
    assert model.output_names == ["score1", "box1", "score2", "box2", "score3", "box3"]
    images = np.random.default_rng(0).uniform(-1, 1, (2, 80, 80, 3))
    for values in model(images.astype(np.float32)):
        assert values.dtype == np.float32
        assert len(np.unique(values, axis=0)) == 2
    assert model.get_layer("stage1_conv").filters == 16


@pytest.mark.parametrize("name", ["lffd_mcu_2", "mobilefacenet_max78000"])
def test_half_the_width(name):
    totals = counts.count(registry.build(name, width=0.5))
    # The first layer and the last ones keep one side.
    assert TOTALS[name][1] / 4 < totals.weights < TOTALS[name][1] / 3.6
