"""The generated C against `simulate`, bit for bit, watched by sanitizers."""

import dataclasses
import itertools
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from export.c import files, layers, network, weighted_layers
from tests import graph_builder
from tests.export.c import compiler, random_graphs
from tests.simulate import (
    activations_test,
    micro,
    operators_test,
    recurrent_test,
)
from tests.simulate import operator_cases as cases
from tfpipeline.ir import from_tflite, graph
from tfpipeline.simulate import activation_functions, execution, support

pytestmark = compiler.needs_gcc

ROOT = pathlib.Path(__file__).parents[3]
NETWORKS = [
    *sorted((ROOT / "tests/golden").glob("*_int*/*.tflite")),
    ROOT / "experiments/cifar10/cmsisnet/model.tflite",
]
TRAINED = sorted((ROOT / "experiments/cifar10").glob("*/model.tflite"))
SEEDS = range(12)
KINDS = (
    random_graphs.line_graph,
    *[random_graphs.plane_graph] * 3,
    random_graphs.gate_graph,
    random_graphs.rows_graph,
)


def network_id(path):
    return f"{path.parent.name}/{path.stem}"


def random_graph(seed):
    random = np.random.default_rng(seed)
    dtype = ("int8", "int16")[random.integers(2)]
    return KINDS[seed % len(KINDS)](random, dtype)


def operators():
    """Every operator of the tests of `simulate`, and every activation function."""
    for name, case in operators_test.CASES.items():
        yield name, from_tflite.read(cases.models.one_operator(*case))
    for name, dtype in activation_functions.BUILDERS:
        first = next(iter(activations_test.networks(name, dtype)))
        yield f"{dtype}: {name} of every integer", from_tflite.read(first)


OPERATORS = dict(operators())


def operator_cases():
    """The default tier has the first network of each sequence of layers and type."""
    kept = set()
    for name, g in OPERATORS.items():
        kinds = (g.tensors[g.inputs[0]].dtype, *(layer.kind for layer in g.layers))
        yield name if kinds not in kept else pytest.param(name, marks=pytest.mark.slow)
        kept.add(kinds)


def extreme_graph(dtype, *, bias=True):
    """A dense layer of 1,100 inputs whose weights are all the smallest integer."""
    net = graph_builder.Builder((1100,))
    net.dense(3, bias=bias)
    g = random_graphs.quantized(net.build(), np.random.default_rng(0), dtype)
    (layer,) = g.layers
    result = g.tensors[layer.output]
    # Coarse, so that large sums do not saturate.
    scale = (1000.0 if dtype == "int8" else 0.125,)
    result = dataclasses.replace(
        result, quant=dataclasses.replace(result.quant, scale=scale)
    )
    constants = {**g.constants, layer.weights: np.full((3, 1100), -128, np.int8)}
    tensors = {**g.tensors, layer.output: result}
    return dataclasses.replace(g, tensors=tensors, constants=constants)


EXTREMES = {
    "int8: extreme": extreme_graph("int8"),
    "int16: extreme": extreme_graph("int16"),
    "int16: extreme in 64 bits": extreme_graph("int16", bias=False),
}


# Layouts of columns and weights that few networks have.
_LAYOUTS = {
    "one channel a group": ((5, 5, 4), lambda net: net.conv(4, groups=4)),
    "three channels a group": ((4, 3, 8), lambda net: net.conv(12, groups=4)),
    "strided pixels": ((5, 5, 4), lambda net: net.conv(5, 1, stride=2)),
    "pixels": ((5, 5, 4), lambda net: net.conv(6, 1)),
    "tiles of a line": (
        (16, 4),
        lambda net: net.conv(5, 2, stride=2, padding="valid"),
    ),
}
IN_COLUMNS = ("pixels", "tiles of a line")


def layout_graphs():
    for name, (shape, add) in _LAYOUTS.items():
        net = graph_builder.Builder(shape)
        add(net)
        for dtype in support.BOTH:
            g = random_graphs.quantized(net.build(), np.random.default_rng(0), dtype)
            yield f"{dtype}: {name}", g


LAYOUTS = dict(layout_graphs())


# Planes of depthwise convolutions, and how they are read.
_PLANES = {
    "a tall image": ((13, 1, 3), lambda net: net.depthwise((3, 1))),
    "lines of five": ((7, 5, 3), lambda net: net.depthwise(3)),
    "three pixels": ((3, 3, 4), lambda net: net.depthwise(3)),
    "stride of 2": ((9, 11, 2), lambda net: net.depthwise(3, stride=2, padding="same")),
    "stride of 3": ((10, 13, 2), lambda net: net.depthwise(3, stride=3)),
    "skipped columns": ((9, 10, 2), lambda net: net.depthwise(3, dilation=2)),
    "even kernel": ((8, 9, 2), lambda net: net.depthwise((2, 4))),
    "two of each channel": ((6, 9, 3), lambda net: net.depthwise(3, multiplier=2)),
    "strips": ((60, 50, 1), lambda net: net.depthwise(3)),
    "padding beyond the line": (
        (4, 1, 2),
        lambda net: net.depthwise(1, stride=4, padding=((0, 0), (3, 0))),
    ),
}


def plane_graphs():
    for name, (shape, add) in _PLANES.items():
        net = graph_builder.Builder(shape)
        add(net)
        for dtype in support.BOTH:
            g = random_graphs.quantized(net.build(), np.random.default_rng(0), dtype)
            yield f"{dtype}: plane, {name}", g


PLANES = dict(plane_graphs())


RECURRENT = {
    f"recurrent: {name}": from_tflite.read(model)
    for name, model in recurrent_test.CASES.items()
}


def extreme_images(g):
    limits = np.iinfo(g.tensors[g.inputs[0]].dtype)
    images = np.full((3, 1100), limits.min, limits.dtype)
    images[1] = limits.max
    images[2, ::2] = limits.max
    return images


@pytest.fixture(scope="module")
def sanitized(request, tmp_path_factory):
    """The networks of the tests that were asked for, in one program."""
    asked = {
        item.callspec.id
        for item in request.session.items
        if item.path == request.path and hasattr(item, "callspec")
    }
    graphs = {
        network_id(path): from_tflite.read(path.read_bytes())
        for path in NETWORKS
        if network_id(path) in asked
    }
    graphs |= {name: g for name, g in OPERATORS.items() if name in asked}
    graphs |= {seed: random_graph(seed) for seed in SEEDS if str(seed) in asked}
    graphs |= EXTREMES | LAYOUTS | PLANES | RECURRENT
    folder = tmp_path_factory.mktemp("c")
    return compiler.Program(folder, graphs, *compiler.SANITIZERS)


def assert_bit_exact(program, name, *inputs):
    """Returns the first output."""
    expected = execution.run(program.networks[name].g, inputs)
    found = program.run(name, inputs)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    return expected[0]


@pytest.mark.default_cases(9)
@pytest.mark.parametrize("path", NETWORKS, ids=network_id)
def test_networks_are_bit_exact(sanitized, path):
    name = network_id(path)
    images = micro.random_images(sanitized.networks[name].g, 5, seed=7)
    expected = assert_bit_exact(sanitized, name, images)
    assert len(np.unique(expected, axis=0)) > 1
    in_place = sanitized.predict(name, images, in_place=True)
    np.testing.assert_array_equal(in_place, expected)


@pytest.mark.parametrize("name", list(operator_cases()))
def test_operators_are_bit_exact(sanitized, name):
    g = OPERATORS[name]
    inputs = micro.random_inputs(g, 4, seed=2)
    if name.endswith("every integer"):
        inputs = [activations_test.every(g.tensors[g.inputs[0]].dtype)[np.newaxis]]
    expected = assert_bit_exact(sanitized, name, *inputs)
    assert len(np.unique(expected)) > 1


@pytest.mark.parametrize("seed", SEEDS)
def test_random_graphs_are_bit_exact(sanitized, seed):
    images = micro.random_images(sanitized.networks[seed].g, 4, seed)
    assert_bit_exact(sanitized, seed, images)


@pytest.mark.parametrize("name", EXTREMES)
def test_sums_of_the_largest_products_are_bit_exact(sanitized, name):
    images = extreme_images(sanitized.networks[name].g)
    expected = assert_bit_exact(sanitized, name, images)
    assert len(np.unique(expected, axis=0)) == 3


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_bit_exact(sanitized, name):
    g = sanitized.networks[name].g
    assert_bit_exact(sanitized, name, micro.random_images(g, 4))
    in_columns = weighted_layers.lies_in_columns(g, g.layers[0])
    assert in_columns == (name.split(": ")[1] in IN_COLUMNS)


@pytest.mark.parametrize("name", PLANES)
def test_planes_are_bit_exact(sanitized, name):
    g = sanitized.networks[name].g
    expected = assert_bit_exact(sanitized, name, micro.random_images(g, 4))
    assert len(np.unique(expected)) > 1
    rows = weighted_layers.strip_rows(g, g.layers[0])
    plane = g.tensors[g.outputs[0]].shape[1:3]
    assert (rows < min(plane)) == name.endswith("strips")


@pytest.mark.parametrize("name", recurrent_test.CASES)
def test_states_begin_anew_when_they_are_reset(sanitized, name):
    inputs = micro.random_inputs(RECURRENT[f"recurrent: {name}"], 4, seed=3)
    expected = assert_bit_exact(sanitized, f"recurrent: {name}", *inputs)
    assert len(np.unique(expected)) > 8


@pytest.mark.parametrize("name", recurrent_test.CASES)
def test_states_go_on_from_run_to_run_as_in_tflite_micro(sanitized, name):
    label, model = f"recurrent: {name}", recurrent_test.CASES[name]
    inputs = micro.random_inputs(RECURRENT[label], 9, seed=4)
    (expected,) = micro.run(model, inputs, 1, keep=True)
    (found,) = sanitized.run(label, inputs, keep=True)
    np.testing.assert_array_equal(found, expected)
    (anew,) = micro.run(model, inputs, 1)
    assert (anew != expected).any() or name == "svdf of one moment"


def test_memory_of_states_is_stated_to_the_byte():
    g = RECURRENT["recurrent: int8"]
    found = network.prepare(g, "net")
    # 6 cells of 16 bits, 6 hidden values, whether they are set, filled up to 16 bits.
    assert "#define NET_STATE_BYTES 20" in network.header(found)
    # Input and output, each from a multiple of 16, and no scratch.
    assert found.plan.peak_bytes == 32 + 32
    weights = 4 * (6 * 4 + 6 * 6 + 4 * 6)
    assert f"#define NET_WEIGHT_BYTES {weights}" in network.header(found)
    stateless = network.prepare(OPERATORS["int8: dense"], "net")
    for text in (network.header(stateless), network.source(stateless)):
        assert "STATE" not in text and "reset" not in text


def test_every_kind_is_compiled(sanitized):
    written = {
        layer.kind for found in sanitized.networks.values() for layer in found.g.layers
    }
    assert written == {kind.__name__ for kind in graph.LAYER_KINDS}


def test_every_kind_has_a_builder():
    assert set(layers.BUILDERS) == set(graph.LAYER_KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_optimization_changes_nothing(tmp_path, level):
    graphs = {p.parent.name: from_tflite.read(p.read_bytes()) for p in TRAINED}
    graphs |= {seed: random_graph(seed) for seed in range(100, 140)}
    program = compiler.Program(tmp_path, graphs, level)
    for name, g in graphs.items():
        assert_bit_exact(program, name, micro.random_images(g, 8))


@pytest.mark.slow
def test_every_scale_of_every_activation_is_bit_exact(tmp_path):
    graphs = {
        (name, dtype, number): from_tflite.read(model)
        for name, dtype in activation_functions.BUILDERS
        for number, model in enumerate(activations_test.networks(name, dtype))
    }
    program = compiler.Program(tmp_path, graphs, *compiler.SANITIZERS)
    for name in graphs:
        images = activations_test.every(name[1])[np.newaxis]
        assert_bit_exact(program, name, images)


def test_known_answers_are_met_and_a_wrong_one_is_found(tmp_path):
    g = from_tflite.read(NETWORKS[0].read_bytes())
    found = files.write(tmp_path / "right", g, "net")
    images = micro.random_images(g, 2)
    answers = execution.predict(g, images)
    answers[-1, -1] ^= 1
    shutil.copytree(tmp_path / "right", tmp_path / "wrong")
    wrong = network.test(found, [images], [answers])
    (tmp_path / "wrong" / "net_test.c").write_text(wrong)
    for name, exit_code in (("right", 0), ("wrong", 1)):
        folder = tmp_path / name
        sources = sorted(folder.glob("*.c"))
        program = compiler.compile_program(sources, folder / "program", "-O2")
        assert subprocess.run([program], timeout=60).returncode == exit_code


def test_only_used_kernels_are_written():
    texts = [
        network.source(network.prepare(OPERATORS[name], "net"))
        for name in ("int8: max pool", "int8: dense", "int16: softmax")
    ]
    words = ("max_pool_int8", "convolution_int8", "softmax_int16")
    for (i, text), (j, word) in itertools.product(enumerate(texts), enumerate(words)):
        assert (word in text) == (i == j)


def test_text_is_deterministic_and_narrow():
    for g in (*map(random_graph, SEEDS), *RECURRENT.values()):
        one, other = (network.prepare(g, "Some Net") for _ in range(2))
        assert network.source(one) == network.source(other)
        for text in (network.source(one), network.header(one)):
            assert max(map(len, text.splitlines())) <= 88
            assert text.endswith("\n")


def test_names_cannot_end_a_comment():
    g = OPERATORS["int8: max pool"]
    layer = dataclasses.replace(g.layers[0], name="a */ #error \\\n ??/ /* é")
    text = network.source(
        network.prepare(dataclasses.replace(g, layers=(layer,)), "net")
    )
    assert "/* a _/ _error __ __/ __ _: MaxPool, (1, 9, 7, 4) to" in text


def test_header_says_what_the_caller_needs():
    g = from_tflite.read(NETWORKS[-1].read_bytes())
    found = network.prepare(g, "cmsisnet")
    lines = network.header(found).splitlines()
    source = g.tensors[g.inputs[0]]
    assert f"#define CMSISNET_ARENA_BYTES {found.plan.peak_bytes}" in lines
    assert "#define CMSISNET_INPUT_SHAPE {1, 32, 32, 3}" in lines
    assert "#define CMSISNET_OUTPUT_SIZE 10" in lines
    (scale,) = (line for line in lines if "INPUT_SCALE" in line)
    stored = np.float32(scale.split()[-1].removesuffix("f"))
    assert stored == np.float32(source.quant.scale[0])
    (signature,) = (line for line in lines if "cmsisnet_run" in line)
    assert signature == "void cmsisnet_run(const int8_t *input, int8_t *output);"
