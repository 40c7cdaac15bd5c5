"""Graphs of the published networks and of every way to join layers."""

import dataclasses

import pytest

from tests import graph_builder
from tests.targets import lacking_kinds
from tests.targets.max78000 import (
    cost_test,
    graph_networks,
    published_networks,
)
from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph
from tfpipeline.networks import catalog
from tfpipeline.targets.max78000 import cost, fusion, lowering, processor_maps
from tfpipeline.targets.max78000 import spec as specs

Builder = graph_builder.Builder


def _ids(lowered):
    return [each.id.removeprefix("MAX78000-") for each in lowered.violations]


def _unplaced(layers):
    """The layers on one processor: large tensors need memories of their own."""
    return [
        dataclasses.replace(layer, processors=1, output_processors=1)
        for layer in layers
    ]


def _operators(lowered):
    return [layer.operator for layer in lowered.layers]


@pytest.mark.parametrize("version", published_networks.FACENET_CHANNELS)
def test_facenet_is_the_chain_described_by_hand(version):
    bits = 4 if version == "v3" else 8
    lowered = lowering.lower(graph_networks.facenet(version), weight_bits=bits)
    assert _unplaced(lowered.layers) == _unplaced(published_networks.facenet(version))
    assert not lowered.violations
    assert not lowered.notes


def test_cmsisnet_and_nascifarnet_are_the_chains_described_by_hand():
    for built, described in (
        (graph_networks.cmsisnet(), published_networks.cmsisnet(fused=True)),
        (graph_networks.nascifarnet(), published_networks.nascifarnet(10)),
    ):
        assert lowering.lower(built).layers == described


def test_steps_name_what_they_came_from():
    lowered = lowering.lower(graph_networks.facenet("v6"))
    second, last = lowered.steps[1], lowered.steps[-1]
    assert second.graph_layers == ("pool1", "conv2")
    assert (second.name, second.kind, second.output) == (
        "conv2",
        "Conv2D",
        "conv2/output",
    )
    assert (second.weights, second.bias, second.flattened) == (
        "conv2/kernel",
        None,
        None,
    )
    assert (last.weights, last.bias) == ("logits/kernel", "logits/bias")
    assert last.flattened == (5, 5, 16)
    assert [step.operands for step in lowered.steps[:2]] == [((-1,),), ((0,),)]


@pytest.mark.parametrize("build", graph_networks.ALL.values(), ids=graph_networks.ALL)
def test_every_layer_of_the_graph_stands_in_one_step_or_note(build):
    g = build()
    lowered = lowering.lower(g)
    named = [name for step in lowered.steps for name in step.graph_layers]
    named += [layer.name for layer in g.layers if isinstance(layer, graph.Concat)]
    named += [note.split("'")[1] for note in lowered.notes]
    assert sorted(named) == sorted(layer.name for layer in g.layers)
    assert _ids(lowered) == []


@pytest.mark.parametrize("build", graph_networks.ALL.values(), ids=graph_networks.ALL)
def test_operands_come_from_earlier_layers_on_the_same_processors(build):
    steps = lowering.lower(build()).steps
    for index, step in enumerate(steps):
        assert len(step.operands) == step.layer.operands
        for parts in step.operands:
            together = 0
            for part in parts:
                assert part < index
                if part != lowering.INPUT:
                    assert not together & steps[part].layer.output_processors
                    together |= steps[part].layer.output_processors
            if lowering.INPUT not in parts:
                assert together == step.layer.processors


def test_conv1d_of_both_spellings():
    # Origin of the cycles: the vendor's tool on its keyword network (kws20 v3).
    for two_dimensional in (False, True):
        lowered = lowering.lower(graph_networks.keywords(two_dimensional))
        assert _operators(lowered) == ["conv1d"] * 8 + ["linear"]
        assert lowered.layers[2].pool == (2, 1)
        result = cost.estimate(lowered.layers)
        assert result.latency_cycles["ai8x"] == 71_782
        assert result.weight_bytes == 169_472


def test_residual_sum_is_taken_in_by_the_next_convolution_and_its_source_copied():
    lowered = lowering.lower(graph_networks.ressimplenet())
    sums = [layer for layer in lowered.layers if layer.eltwise]
    assert [layer.pool_first for layer in sums] == [True, True, False]
    copies = [index for index, step in enumerate(lowered.steps) if step.kind == "Copy"]
    assert copies == [2, 6, 10]
    assert lowered.steps[4].operands == ((2,), (3,))
    result = cost.estimate(lowered.layers)
    assert result.operations.macc == 18_461_184
    assert result.operations.add == 20 * 32 * 32 + 20 * 16 * 16 + 48 * 8 * 8


def test_residual_network_takes_the_cycles_of_the_vendor_s_own_processors():
    vendor = cost.estimate(cost_test.residual_layers()).layers
    found = cost.estimate(lowering.lower(graph_networks.ressimplenet()).layers).layers
    differing = [
        index
        for index, (one, other) in enumerate(zip(vendor, found, strict=True))
        if one.latency_cycles["ai8x"] != other.latency_cycles["ai8x"]
    ]
    # A copy takes as long as its busiest quadrant, and a layer that pools a sum reads
    # its kernels again at 7 positions; both depend on where data and kernels lie.
    assert differing == [2, 6, 12]
    pooled = [result[12] for result in (vendor, found)]
    cycles = [line.latency_cycles["ai8x"] for line in pooled]
    words = [line.kernels.first_word for line in pooled]
    assert cycles[1] - cycles[0] == 7 * (words[1] - words[0])


def test_processors_are_spread_where_packed_ones_would_not_hold_the_kernels():
    network = fusion.draft_network(graph_networks.ressimplenet(), specs.MAX78000)
    packed = processor_maps.assign(network, specs.MAX78000)
    assert {maps & -maps for maps in packed.maps.values()} == {1}
    lowered = lowering.lower(graph_networks.ressimplenet())
    assert not cost.estimate(lowered.layers).violations
    starts = [
        layer.output_processors & -layer.output_processors for layer in lowered.layers
    ]
    assert len(set(starts)) > 1
    assert all(start.bit_length() % 4 == 1 for start in starts)


def test_sum_that_nothing_takes_in_is_a_layer_of_its_own():
    net = Builder((8, 8, 3))
    left, right = net.conv(8), net.conv(8, 1, source="input")
    net.join(graph.Sub, right, source=left)
    net.mean()
    lowered = lowering.lower(net.build())
    assert _operators(lowered) == ["conv2d", "conv2d", "passthrough", "passthrough"]
    assert lowered.layers[2].eltwise == "sub"
    assert lowered.steps[2].operands == ((0,), (1,))
    assert lowered.layers[3].pool_type == "avg"
    assert not lowered.violations


def test_wide_sums_are_not_taken_in():
    for channels, operators in ((128, 3), (132, 4)):
        net = Builder((8, 8, 3))
        first = net.conv(channels)
        net.join(graph.Add, net.conv(channels, source="input"), source=first)
        net.conv(4)
        assert len(lowering.lower(net.build()).layers) == operators


def test_relu_behind_a_sum_is_refused_and_counted():
    net = Builder((8, 8, 3))
    left, right = net.conv(8), net.conv(8, source="input")
    net.join(graph.Add, right, source=left, clamp=graph.RELU, name="sum")
    net.conv(4)
    lowered = lowering.lower(net.build())
    assert _ids(lowered) == ["ACT-02"]
    assert lowered.violations[0].subject == "Add 'sum'"
    assert lowered.layers[2].activation == "ReLU"


def test_copy_of_a_concatenation_comes_behind_all_of_its_parts():
    net = Builder((8, 8, 3))
    first = net.conv(8)
    whole = net.concat(net.conv(8, source="input"), source=first)
    net.join(graph.Add, net.conv(16), source=whole)
    net.conv(4)
    steps = lowering.lower(net.build()).steps
    assert [step.kind for step in steps] == [
        *["Conv2D", "Conv2D", "Copy"],
        *["Conv2D", "Conv2D"],
    ]
    assert [step.operands for step in steps[2:]] == [
        ((0, 1),),
        ((0, 1),),
        ((2,), (3,)),
    ]


def test_tensor_added_to_itself_is_copied_twice():
    net = Builder((8, 8, 3))
    x = net.conv(8)
    net.join(graph.Add, x, source=x)
    net.conv(4)
    lowered = lowering.lower(net.build())
    assert [step.kind for step in lowered.steps] == ["Conv2D", "Copy", "Copy", "Conv2D"]
    assert len(set(lowered.steps[3].operands)) == 2


def test_kernel_of_two_layers_is_stored_once():
    net = Builder((8, 8, 4))
    net.conv(4, name="first")
    net.conv(4, name="second")
    layers = list(net.layers)
    net.layers[1] = dataclasses.replace(layers[1], weights="first/kernel")
    del net.tensors["second/kernel"], net.constants["second/kernel"]
    lowered = lowering.lower(net.build())
    assert [layer.weight_source for layer in lowered.layers] == [None, 0]
    assert cost.estimate(lowered.layers).weight_bytes == 144


@pytest.mark.parametrize("pool", [None, 2, 3])
def test_strided_1x1_convolution_reads_every_other_pixel(pool):
    net = Builder((17, 17, 3))
    if pool:
        net.pool(pool, stride=2)
    net.conv(8, 1, stride=2)
    g = net.build()
    lowered = lowering.lower(g)
    assert not lowered.violations
    (layer,) = lowered.layers
    assert (layer.stride, layer.pool_stride) == ((1, 1), (4, 4) if pool else (2, 2))
    assert layer.pool == (pool or 1, pool or 1)
    assert (1, *layer.out_dim, 8) == g.tensors[g.outputs[0]].shape


def test_kernel_of_one_tap_is_not_dilated():
    net = Builder((16, 4))
    net.conv(4, 1, dilation=3)
    net.conv(4, 3, dilation=3)
    layers = lowering.lower(net.build()).layers
    assert [layer.dilation for layer in layers] == [(1, 1), (3, 1)]


def test_line_of_pixels_along_the_rows():
    net = Builder((32, 1, 4))
    net.conv(8, (3, 1))
    net.pool((2, 1))
    net.conv(8, (5, 1))
    lowered = lowering.lower(net.build())
    assert not lowered.violations
    assert [layer.operator for layer in lowered.layers] == ["conv1d", "conv1d"]
    assert lowered.layers[1].pool == (2, 1)
    assert lowered.layers[1].out_dim == (16, 1)


def test_parts_of_a_concatenation_lie_side_by_side():
    net = Builder((8, 8, 3))
    left, right = net.conv(8), net.conv(8, source="input")
    net.concat(right, source=left)
    net.conv(10, 1)
    lowered = lowering.lower(net.build())
    assert [layer.output_processors for layer in lowered.layers] == [
        0xFF,
        0xFF00,
        0x3FF,
    ]
    assert lowered.layers[2].processors == 0xFFFF
    assert lowered.steps[2].operands == ((0, 1),)
    assert not lowered.violations


def test_concatenation_of_two_full_passes():
    net = Builder((8, 8, 3))
    first = net.conv(64)
    net.concat(net.conv(64, source="input"), source=first)
    net.conv(10, 1)
    lowered = lowering.lower(net.build())
    assert not lowered.violations
    assert lowered.layers[0].output_processors == lowered.layers[1].output_processors


def test_pool_keeps_its_data_in_place_in_front_of_a_concatenation():
    net = Builder((8, 8, 3))
    left = net.conv(8)
    right = net.pool(2, stride=1, source=net.conv(8, source="input"))
    net.conv(4, 2, source=left, padding="valid", name="even")
    net.concat(right)
    net.conv(8)
    lowered = lowering.lower(net.build())
    maps = {step.name: step.layer.output_processors for step in lowered.steps}
    # The pool reads where it writes: behind the first part's four processors.
    assert maps["even"] == 0xF
    assert [maps[f"layer{i}"] for i in range(3)] == [0xFF, 0xFF0, 0xFF0]
    assert _ids(lowered) == ["CONV-01", "CONCAT-05"]


def test_padding_layer_joins_the_convolution():
    net = Builder((8, 8, 3))
    net.pad(((0, 0), (2, 2), (2, 2), (0, 0)))
    net.conv(4, padding="valid")
    lowered = lowering.lower(net.build())
    assert lowered.layers[0].pad == (2, 2)
    assert not lowered.violations


def test_pool_in_front_of_a_dense_layer_is_a_layer_of_its_own():
    net = Builder((8, 8, 3))
    net.conv(4)
    net.pool()
    net.flatten()
    net.dense(10)
    assert _operators(lowering.lower(net.build())) == [
        "conv2d",
        "passthrough",
        "linear",
    ]


def test_pool_with_two_readers_is_a_layer_of_its_own():
    net = Builder((8, 8, 3))
    pooled = net.pool()
    first = net.conv(4, source=pooled)
    net.join(graph.Add, net.conv(4, source=pooled), source=first)
    lowered = lowering.lower(net.build())
    assert _operators(lowered) == ["passthrough", "conv2d", "conv2d", "passthrough"]


def test_dense_layer_on_each_pixel_is_a_1x1_convolution():
    net = Builder((4, 4, 8))
    net.add(
        graph.Dense,
        (1, 4, 4, 5),
        weights=net.constant("kernel", (5, 8)),
        name="dense",
    )
    (layer,) = lowering.lower(net.build()).layers
    assert (layer.operator, layer.kernel, layer.out_dim) == ("conv2d", (1, 1), (4, 4))


@pytest.mark.parametrize("function", ["relu", "abs"])
def test_activation_layer_joins_the_convolution(function):
    net = Builder((8, 8, 3))
    net.conv(4, clamp=graph.NO_CLAMP)
    net.activation(function)
    net.conv(4)
    lowered = lowering.lower(net.build())
    expected = {"relu": "ReLU", "abs": "Abs"}[function]
    assert [layer.activation for layer in lowered.layers] == [expected, "ReLU"]
    assert not lowered.violations


def test_relu_behind_a_max_pool_joins_the_convolution_in_front_of_it():
    for kind, found in ((graph.MaxPool, []), (graph.AveragePool, ["ACT-02"])):
        net = Builder((8, 8, 3))
        net.conv(4, clamp=graph.NO_CLAMP)
        net.pool(kind=kind)
        net.activation("relu")
        net.conv(4)
        assert _ids(lowering.lower(net.build())) == found


def test_softmax_and_sigmoid_at_the_end_are_left_to_the_host():
    for kind, fields in (
        (graph.Softmax, {}),
        (graph.Activation, {"function": "sigmoid"}),
    ):
        net = Builder((4, 4, 3))
        net.flatten()
        net.dense(4)
        net.like(kind, name="end", **fields)
        lowered = lowering.lower(net.build())
        assert lowered.notes == (f"{kind.__name__} 'end' is left to the host",)
        assert lowered.layers[0].output_width == 32
        assert not lowered.violations


def test_width_of_the_result():
    net = Builder((4, 4, 3))
    net.flatten()
    net.dense(4, clamp=graph.RELU)
    assert lowering.lower(net.build()).layers[0].output_width == 8
    net = Builder((4, 4, 3))
    net.conv(4, clamp=graph.NO_CLAMP)
    assert lowering.lower(net.build()).layers[0].output_width == 8
    g = graph_networks.facenet("v1")
    assert lowering.lower(g, wide_output=False).layers[-1].output_width == 8


def test_all_violations_at_once_and_operations_all_the_same():
    net = Builder((32, 32, 3))
    net.conv(16, stride=2, name="a")
    net.conv(32, 5, name="b")
    net.conv(8, clamp=graph.RELU6, name="c")
    net.mean()
    net.dense(10)
    lowered = lowering.lower(net.build())
    assert [(each.id, each.subject) for each in lowered.violations] == [
        ("MAX78000-CONV-01", "Conv2D 'b'"),
        ("MAX78000-CONV-02", "Conv2D 'a'"),
        ("MAX78000-PAD-01", "Conv2D 'a'"),
        ("MAX78000-ACT-01", "Conv2D 'c'"),
    ]
    result = cost.estimate(lowered.layers)
    macs = (27 * 16 + 25 * 16 * 32 + 9 * 32 * 8) * 16 * 16 + 8 * 10
    assert result.operations.macc == macs


def test_message_says_what_and_what_to_do():
    net = Builder((8, 8, 3))
    net.conv(4, 5, name="block_3/conv")
    (violation,) = lowering.lower(net.build()).violations
    assert str(violation).startswith(
        "Conv2D 'block_3/conv': kernel size must be one of 1x1, 3x3; found 5x5 "
        "[MAX78000-CONV-01]; two 3x3 in a row"
    )


@pytest.mark.parametrize(
    ("add", "found"),
    [
        (lambda net: net.join(graph.Mul, "input", source="input"), ["ELT-01"]),
        (lambda net: net.pool(3, stride=2, padding="same"), ["POOL-04"]),
        (
            lambda net: net.pad(((0, 0), (1, 1), (1, 1), (0, 0))) and net.pool(),
            ["KIND-01"],
        ),
        (lambda net: net.softmax() and net.conv(4), ["KIND-01"]),
        (lambda net: net.mean(axes=(3,)), ["KIND-01"]),
        (lambda net: net.reshape(4, 4, 12) and net.conv(4), ["KIND-01"]),
        (lambda net: net.concat("input", source="input", axis=2), ["CONCAT-03"]),
        (
            lambda net: net.conv(4) and net.transposed(4, cut=(0, 0), relu=False),
            ["TCONV-02"],
        ),
        (
            lambda net: net.join(graph.Add, net.constant("c", (3,)), source="input"),
            ["ELT-03"],
        ),
    ],
)
def test_what_has_no_form_on_the_device_gives_no_layers(add, found):
    net = Builder((8, 8, 3))
    add(net)
    net.conv(4)
    lowered = lowering.lower(net.build())
    assert lowered.steps == ()
    assert [name for name in found if name in _ids(lowered)] == found


def test_transposed_convolution_cut_in_front_only():
    for cut, found in (((1, 0), []), ((2, 1), []), ((0, 1), ["TCONV-02"])):
        net = Builder((8, 8, 3))
        net.transposed(4, cut=cut, relu=False)
        lowered = lowering.lower(net.build())
        assert _ids(lowered) == found
        size = 14 if cut == (2, 1) else 16
        assert lowered.layers[0].out_dim == (size, size)


def test_depthwise_runs_on_the_max78002_only():
    net = Builder((8, 8, 8))
    net.depthwise()
    g = net.build()
    assert _ids(lowering.lower(g)) == ["CONV-04"]
    lowered = lowering.lower(g, specs.MAX78002)
    assert not lowered.violations
    assert lowered.layers[0].groups == 8


def test_large_input_of_few_channels_lies_one_channel_an_instance():
    net = Builder((128, 128, 3))
    net.pool(4)
    net.conv(8)
    lowered = lowering.lower(net.build())
    assert lowered.input_format == "CHW"
    assert lowered.layers[0].processors == 0x111
    assert not cost.estimate(lowered.layers).violations


def test_bias_of_zeros_is_dropped_and_one_of_another_value_kept():
    net = Builder((8, 8, 3))
    net.conv(4, bias=0.0)
    net.conv(4, bias=0.5)
    net.conv(4, bias=False)
    lowered = lowering.lower(net.build())
    assert [layer.bias for layer in lowered.layers] == [False, True, False]


def test_weight_bits_by_layer():
    g = graph_networks.facenet("v6")
    lowered = lowering.lower(g, weight_bits={"conv2": 2, "logits": 4})
    assert [layer.weight_bits for layer in lowered.layers] == [8, 2, 8, 8, 8, 4]
    assert _ids(lowering.lower(g, weight_bits={"conv2": 3})) == ["WEIGHT-01"]
    expected = "weight bits for 'conv9', which is no layer with weights of 'facenet_v6'"
    with pytest.raises(errors.UsageError, match=expected):
        lowering.lower(g, weight_bits={"conv9": 8})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("plain_qat", []),
        ("residual_qat", ["ACT-02"]),
        ("concat_qat", ["CONCAT-05"]),
        ("depthwise_qat", ["CONV-02", "CONV-04", "PAD-01"]),
    ],
)
def test_integer_graphs_of_files(name, found):
    g = from_tflite.read_file(f"tests/golden/tflite_int8/{name}.tflite")
    lowered = lowering.lower(g)
    assert _ids(lowered) == found
    assert lowered.steps


@pytest.mark.parametrize("name", catalog.names())
def test_registered_networks(name):
    lowered = lowering.lower(catalog.load(name))
    if name in graph_networks.ALL:
        assert lowered.layers == lowering.lower(graph_networks.ALL[name]()).layers
        assert not lowered.violations
    else:
        assert set(_ids(lowered)) == _REFUSED.get(name, set())


# The networks whose layers the device does not have, and what it refuses.
_DETECTOR = {"CONV-02", "ACT-02", "NET-02"}
_ARCFACE = {"KIND-01", "FLAT-02", "CONV-02", "NORM-01", "NET-02"}
_DEPTHWISE = {"CONV-01", "CONV-02", "CONV-04", "NET-02"}
_REFUSED = {
    **dict.fromkeys(("lffd_v1", "lffd_v2", "lffd_head17"), _DETECTOR),
    **{f"arcface_r{depth}": _ARCFACE for depth in (18, 34, 50, 100)},
    **{f"mobilefacenet_{kind}": {"KIND-01", *_DEPTHWISE} for kind in ("y1", "y2")},
    "mobilefacenet_mcu": _DEPTHWISE,
    "unet_mcu": {"TCONV-02"},
    "cmsis_cifar10": {"CONV-01", "POOL-04"},
    "resnet8": {"CONV-02", "PAD-01", "ACT-02"},
    # A stride, pools that no convolution follows, joins of more than two passes.
    "reid_squeezenet": {"CONV-02", "POOL-06", "CONCAT-02"},
}


def test_a_relu_behind_a_max_pool_goes_in_front_of_it():
    net = Builder((8, 8, 3))
    net.conv(4, clamp=graph.NO_CLAMP)
    net.pool(2)
    net.conv(4)
    conv, pool, last = net.layers
    behind = dataclasses.replace(pool, clamp=graph.RELU)
    before = dataclasses.replace(conv, clamp=graph.RELU)
    g = net.build()
    found, expected = (
        lowering.lower(dataclasses.replace(g, layers=layers))
        for layers in ((conv, behind, last), (before, pool, last))
    )
    assert found.layers == expected.layers
    assert not found.violations


@pytest.mark.parametrize(("kind", "add"), lacking_kinds.ADDED.items())
def test_kinds_that_the_device_lacks_are_named(kind, add):
    net = Builder((8, 8, 4))
    add(net)
    found = lowering.lower(net.build()).violations
    first = next(each for each in found if each.id == "MAX78000-KIND-01")
    assert (first.found, first.subject) == (kind, f"{kind} 'layer0'")
    assert len(str(first)) < 400


def test_positions_may_end_a_network_on_the_host():
    net = Builder((8, 8, 4))
    net.conv(4)
    net.pool(8, kind=graph.AveragePool)
    net.flatten()
    net.dense(5)
    net.position(1)
    lowered = lowering.lower(net.build())
    assert not lowered.violations
    assert lowered.notes == ("ArgMax 'layer4' is left to the host",)
