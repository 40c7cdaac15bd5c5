"""Networks in patches: the integers of `simulate`, in the memory that is planned."""

import dataclasses
import pathlib
import re

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from export.c import command, network, patch_search, patches, storage
from tests import graph_builder
from tests.cost import plan_check
from tests.export import commands
from tests.export.c import compiler, mlperf_tiny, patched_networks, random_graphs
from tests.simulate import micro, operators_test
from tests.simulate import operator_cases as cases
from tfpipeline import errors
from tfpipeline.cost import macs
from tfpipeline.ir import from_tflite, graph, verify
from tfpipeline.simulate import execution

ROOT = pathlib.Path(__file__).parents[3]
GOLDENS = sorted((ROOT / "tests/golden").glob("*_int*/*.tflite"))
SETTINGS = hypothesis.settings(deadline=None, max_examples=40)


def quantized(net, dtype="int8"):
    return random_graphs.quantized(net.build(), np.random.default_rng(0), dtype)


def rows_of(g, count):
    return g.tensors[g.layers[count - 1].output].shape[1]


def every_choice(g, most=4):
    """The graph in some of the patches that are possible."""
    for count in patches.ends(g):
        height = rows_of(g, count)
        for rows in sorted({1, 2, -(-height // 3), -(-height // 2)})[:most]:
            if rows < height:
                yield patches.patched(g, count, rows)


def in_memory(g, patched, needed):
    """The network as it is written, by one of the plans that there are."""
    plain = network.prepare(g, "net")
    stored = storage.planned_for(patched, needed)
    return dataclasses.replace(plain, stored=stored, patched=patched)


def assert_same(patched, seed=0):
    """The integers of the whole graph, by no more MACs, and in the planned memory."""
    g = patched.whole
    verify.require(patched.g)
    images = micro.random_images(g, 2, seed)
    expected = execution.run(g, [images])
    for one, other in zip(execution.run(patched.g, [images]), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert macs.graph_count(patched.g).macs <= macs.graph_count(g).macs
    # Layers that nothing comes from are left out.
    assert macs.graph_count(patched.g).parameters <= macs.graph_count(g).parameters
    for needed in storage.needs(patched):
        found = in_memory(g, patched, needed)
        assert plan_check.find_conflicts(found.plan) == []
        assert found.plan.peak_bytes >= needed.bound_bytes
        results = patched_networks.computed_in_arena(found, [images[:1]])
        for one, other in zip(results, expected, strict=True):
            np.testing.assert_array_equal(one, other[:1])


@hypothesis.given(g=patched_networks.networks(), data=strategies.data())
@SETTINGS
def test_patches_have_the_integers_of_the_whole(g, data):
    counts = patches.ends(g)
    hypothesis.assume(counts)
    count = data.draw(strategies.sampled_from(counts))
    rows = data.draw(strategies.integers(1, rows_of(g, count) - 1))
    assert_same(patches.patched(g, count, rows))


@pytest.mark.parametrize("path", GOLDENS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_networks_in_patches_have_the_integers_of_the_whole(path):
    g = from_tflite.read(path.read_bytes())
    for patched in every_choice(g, most=2):
        assert_same(patched)


def operators():
    """Operators that can be in patches."""
    for name, case in operators_test.CASES.items():
        g = from_tflite.read(cases.models.one_operator(*case))
        if patches.ends(g) and len(g.inputs) == 1:
            yield name, g


OPERATORS = dict(operators())


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_in_patches_have_the_integers_of_the_whole(name):
    for patched in every_choice(OPERATORS[name], most=2):
        assert_same(patched)


def test_every_kind_that_may_be_in_patches_is_tried():
    tried = {layer.kind for g in OPERATORS.values() for layer in g.layers}
    possible = {
        *("Conv2D", "DepthwiseConv2D", "MaxPool", "AveragePool", "Pad", "PadV2"),
        *("Activation", "LeakyRelu", "PRelu", "Requantize", "Add", "Sub", "Mul"),
        *("Minimum", "Maximum", "Concat", "SpaceToDepth"),
    }
    # Random networks have them, behind others.
    assert possible - tried <= {"Concat", "Activation"}


def residual():
    """Two blocks whose shortcuts lie within the patches."""
    net = graph_builder.Builder((24, 10, 3))
    net.conv(4, stride=2)
    for _ in range(2):
        source = net.last
        net.depthwise(3)
        net.conv(4, 1, relu=False)
        net.join(graph.Add, source)
    net.pool(2)
    net.flatten()
    net.dense(5)
    return net


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Networks in several patches, in one program with guards and sanitizers."""
    graphs = {f"residual, {x}": quantized(residual(), x) for x in ("int8", "int16")}
    graphs |= {
        path.stem: from_tflite.read(path.read_bytes())
        for path in GOLDENS
        if path.parent.name == "mlperf_int8"
    }
    graphs |= {name: OPERATORS[name] for name in list(OPERATORS)[::5]}
    graphs |= {
        seed: random_graphs.plane_graph(np.random.default_rng(seed), "int8")
        for seed in range(6)
    }
    found = {}
    for name, g in graphs.items():
        for patched in list(every_choice(g, most=2))[-2:]:
            at = f"{name}: {patched.num_layers} layers, {patched.rows} rows"
            found[at] = network.in_patches(network.prepare(g, "net"), patched)
    assert len(found) > 25
    folder = tmp_path_factory.mktemp("c")
    return compiler.Program(folder, found, *compiler.SANITIZERS)


@pytest.mark.parametrize("in_place", [False, True])
def test_compiled_patches_have_the_integers_of_the_whole(compiled, in_place):
    for name, found in compiled.networks.items():
        images = micro.random_images(found.g, 4, seed=3)
        expected = execution.predict(found.g, images)
        np.testing.assert_array_equal(
            compiled.predict(name, images, in_place=in_place), expected
        )


def test_a_kernel_in_patches_is_written_once():
    path = ROOT / "tests/golden/mlperf_int8/mobilenet.tflite"
    g = from_tflite.read(path.read_bytes())
    found = network.in_patches(network.prepare(g, "net"), patches.patched(g, 3, 2))
    assert found.patched.num_patches > 2
    text = network.source(found)
    weights = [each.weights for each in found.g.layers if hasattr(each, "weights")]
    assert text.count("_multiplier[") == len(weights)
    whole = network.header(network.prepare(g, "net"))
    (line,) = (x for x in whole.splitlines() if "WEIGHT_BYTES" in x)
    assert line in network.header(found)


def test_rows_that_windows_read_again_are_kept():
    """A window of 3 rows with a stride of 1 reads 2 of them again."""
    net = graph_builder.Builder((8, 5, 2))
    net.conv(3, padding="valid")
    net.depthwise(3, padding="valid")
    g = quantized(net)
    patched = patches.patched(g, 2, 1)
    assert patched.num_patches == 4
    rows = [
        patched.g.tensors[layer.output].shape[1]
        for layer in patched.g.layers
        if patched.origins[layer.name] == "layer0" and layer.kind == "Conv2D"
    ]
    assert rows == [3, 1, 1, 1]
    kept = [x.name for x in patched.g.layers if x.name.endswith(" kept")]
    assert len(kept) == 3
    assert {patched.g.tensors[name].shape for name in kept} == {(1, 2, 3, 3)}


def test_the_result_lies_where_the_input_was():
    net = graph_builder.Builder((64, 16, 4))
    net.conv(4)
    patched = patches.patched(quantized(net), 1, 4)
    needed = storage.needs(patched)[1]
    found = in_memory(patched.whole, patched, needed)
    row = 16 * 4
    # A patch of 4 rows is written while one above it is the first still read, and the
    # second one's rows from the third on.
    apart = found.stored.offsets["input"] - found.stored.offsets[patched.output]
    assert apart == 5 * row
    scratch = max(b.bytes for b in found.plan.buffers if "scratch" in b.name)
    assert found.plan.peak_bytes <= 64 * row + apart + -(-scratch // 16) * 16


def test_an_input_that_is_read_later_stays():
    net = graph_builder.Builder((16, 8, 2))
    net.conv(2, padding="same")
    net.join(graph.Add, "input")
    g = quantized(net)
    assert patches.ends(g) == (1, 2)
    assert len(storage.needs(patches.patched(g, 1, 4))) == 1
    assert len(storage.needs(patches.patched(g, 2, 4))) == 2
    for patched in every_choice(g):
        assert_same(patched)


def dense_network():
    net = graph_builder.Builder((8,))
    net.dense(4)
    return net


def transposed_network():
    net = graph_builder.Builder((8, 8, 2))
    net.transposed(3)
    return net


def gate_network():
    net = graph_builder.Builder((8, 8, 2))
    plane = net.last
    gate = net.mean(keep=True)
    net.last = plane
    net.join(graph.Mul, gate)
    return net


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (dense_network(), "Dense 'layer0': it has other operands than one image"),
        (transposed_network(), "TransposeConv2D 'layer0': its rows are not those of"),
        (gate_network(), "Mean 'layer0': its rows are not those of"),
    ],
    ids=["dense", "transposed", "gate"],
)
def test_what_cannot_be_in_patches_is_refused(net, reason):
    found = network.prepare(quantized(net), "net")
    with pytest.raises(errors.ExportError, match="cannot be computed in pat") as caught:
        patch_search.smallest(found)
    assert reason in str(caught.value)
    assert "Leave out --patches" in str(caught.value)


def test_patches_without_a_smaller_arena_are_refused():
    """The largest results are those of layers behind."""
    net = graph_builder.Builder((8, 8, 2))
    net.conv(3)
    net.flatten()
    net.dense(1000)
    net.dense(1000)
    found = network.prepare(quantized(net), "net")
    assert patches.ends(found.g) == (1,)
    for number, words in ((None, "patches"), (4, "4 patches")):
        text = rf"needs no smaller arena in {words}: .* by layer 4,\d{{3}}. Leave out"
        with pytest.raises(errors.ExportError, match=text) as caught:
            patch_search.smallest(found, number)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", ["1", "x", "-4", "2.5", ""])
def test_the_flag_is_auto_or_a_number(value):
    with pytest.raises(errors.UsageError, match="auto or a number from 2 to 1000"):
        command.Flags(patches=value)


def test_the_command_says_what_patches_change(tmp_path):
    path = ROOT / "tests/golden/mlperf_int8/mobilenet.tflite"
    told = "\n".join(commands.run("c", path, tmp_path / "whole"))
    assert "patches" not in told
    told = "\n".join(commands.run("c", path, tmp_path / "patched", patches="auto"))
    arena = re.search(r"^arena +([\d,]+) bytes", told, re.MULTILINE)[1]
    assert f"           arena {arena} bytes, -" in told
    header = (tmp_path / "patched" / "mobilenet.h").read_text()
    assert f"MOBILENET_ARENA_BYTES {arena.replace(',', '')}\n" in header


def test_results_of_one_row_are_not_in_patches():
    net = graph_builder.Builder((1, 8, 2))
    net.conv(3, (1, 3))
    found = network.prepare(quantized(net), "net")
    with pytest.raises(errors.ExportError, match="no single result of several rows"):
        patch_search.smallest(found)


def visual_wake_words():
    net = mlperf_tiny.visual_wake_words()
    return random_graphs.quantized(net, np.random.default_rng(0), "int8")


def test_visual_wake_words_in_patches():
    g = visual_wake_words()
    plain = network.prepare(g, "net")
    found = patch_search.smallest(plain)
    assert (plain.plan.peak_bytes, found.plan.peak_bytes) == (55_360, 31_488)
    assert plan_check.find_conflicts(found.plan) == []
    assert macs.graph_count(found.computed).macs == macs.graph_count(g).macs
    images = micro.random_images(g, 2, seed=1)
    expected = execution.predict(g, images)
    np.testing.assert_array_equal(execution.predict(found.computed, images), expected)
    (result,) = patched_networks.computed_in_arena(found, [images[:1]])
    np.testing.assert_array_equal(result, expected[:1])


def test_a_number_of_patches_is_kept_to():
    g = visual_wake_words()
    plain = network.prepare(g, "net")
    four = patch_search.smallest(plain, 4)
    assert four.patched.num_patches == 4
    assert 31_488 < four.plan.peak_bytes < 55_360
    lines = patch_search.lines(four, plain)
    assert lines[0].startswith("patches    4 of the first")
    assert f"arena {four.plan.peak_bytes:,} bytes" in lines[1]
    assert "+0.0% MACs" in lines[2]
