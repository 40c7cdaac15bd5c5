"""Graphs as steps: what is fused, what lies in what, what has to be copied."""

import dataclasses

import pytest

from tests import graph_builder
from tests.targets.gap8 import networks
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import fusion, steps


def _operations(net):
    return [step.operation for step in net.steps]


def test_the_demo_s_network_is_its_26_convolutions_and_a_pool():
    layers = networks.reference("reid_squeezenet.json")["layers"]
    found = fusion.fuse(networks.reid())
    assert len(found.steps) == 27
    for step, layer in zip(found.steps, layers, strict=False):
        assert step.operation == steps.CONV
        assert step.source == (layer["cin"], layer["hin"], layer["win"])
        assert step.body == (layer["cout"], layer["conv_hout"], layer["conv_wout"])
        assert step.result == (layer["cout"], layer["hout"], layer["wout"])
        assert step.window.size == (layer["k"], layer["k"])
        assert step.window.strides == (layer["stride"],) * 2
        assert step.window.padding == ((layer["pad"],) * 2,) * 2
        assert (step.activations == ("relu",)) == layer["relu"]
        assert (step.pool is None) == (layer["pool"] is None)
        assert step.weight_elements == layer["weights"]
        assert step.bias_elements == layer["bias"]
        assert step.macs == layer["macs"]
    tail = found.steps[-1]
    assert (tail.operation, tail.window.size) == (steps.AVERAGE_POOL, (7, 7))
    assert tail.result == (512, 1, 1)


def test_a_maximum_behind_a_concatenation_is_the_same_network():
    demo, squeezenet = (
        fusion.fuse(networks.reid(pool_behind_concat=flag)) for flag in (False, True)
    )
    for a, b in zip(demo.steps, squeezenet.steps, strict=True):
        assert (a.operation, a.source, a.body, a.result, a.pool, a.macs) == (
            *(b.operation, b.source, b.body, b.result, b.pool, b.macs),
        )
    for net in (demo, squeezenet):
        assert len(net.buffer_elements) == 1 + 2 + 8 * 2 + 1


def test_expansions_lie_in_their_concatenation():
    net = graph_builder.Builder((8, 8, 4))
    networks.fire(net, 2, 6, False)
    found = fusion.fuse(net.build())
    whole = found.outputs[0]
    parts = [found.places[step.output] for step in found.steps[1:]]
    assert parts == [steps.Place(whole, 0), steps.Place(whole, 6 * 64)]
    assert found.buffer_elements == {"input": 256, "layer0/output": 128, whole: 768}


def test_nested_concatenations_are_one_buffer():
    found = fusion.fuse(networks.dense_block())
    assert _operations(found) == [steps.CONV] * 5
    places = {found.places[step.output].buffer for step in found.steps[:4]}
    assert len(places) == 1
    offsets = [found.places[step.output].offset for step in found.steps[:4]]
    assert offsets == [0, 256, 512, 768]


def test_what_has_its_place_or_is_given_is_copied():
    net = graph_builder.Builder((4, 4, 2))
    first = net.conv(3)
    one = net.concat(first, "input")
    net.last = first
    two = net.concat(one)
    found = fusion.fuse(net.build())
    assert _operations(found) == [steps.CONV, *[steps.COPY] * 3]
    copied = [step.inputs[0] for step in found.steps[1:]]
    assert copied == [first, "input", first]
    assert found.places[one] == steps.Place(two, 48)
    assert found.buffer_elements[two] == 16 * (3 + 3 + 3 + 2)


@pytest.mark.parametrize("reader", ["output", "layer"])
def test_a_tensor_that_others_read_is_not_fused_away(reader):
    net = graph_builder.Builder((8, 8, 2))
    conv = net.conv(2)
    net.pool(2)
    if reader == "layer":
        last = net.last
        net.conv(2, source=conv, stride=2)
        net.join(graph.Add, last)
    g = net.build()
    if reader == "output":
        g = graph.Graph("net", g.tensors, g.constants, g.layers, g.inputs, (conv,))
    assert steps.MAX_POOL in _operations(fusion.fuse(g))


def test_pools_can_be_left_alone():
    found = fusion.fuse(networks.reid(), pools=False)
    assert _operations(found).count(steps.MAX_POOL) == 5


def test_activations_and_pads_go_into_their_kernels():
    net = graph_builder.Builder((8, 8, 2))
    net.pad(((0, 0), (2, 0), (2, 0), (0, 0)))
    net.conv(4, 3, padding=((0, 0), (0, 0)), relu=False)
    net.pool(2)
    net.activation("relu6")
    net.activation("sigmoid")
    net.activation("relu")
    found = fusion.fuse(net.build())
    assert _operations(found) == [steps.CONV, steps.ACTIVATION, steps.MAX_POOL]
    first = found.steps[0]
    assert first.window.padding == ((2, 0), (2, 0))
    assert first.activations == ("relu6",)
    assert first.inputs == ("input",)
    assert [layer.kind for layer in first.layers] == [
        *("Pad", "Conv2D", "MaxPool", "Activation")
    ]
    assert first.subject == "Conv2D 'layer1'"
    assert found.steps[1].activations == ("sigmoid",)


def test_other_kinds():
    net = graph_builder.Builder((8, 8, 4))
    net.depthwise(3)
    net.conv(4, 3, groups=4)
    net.conv(4, 3, groups=2)
    net.transposed(4)
    net.space_to_depth(2)
    net.pool(8, kind=graph.AveragePool)
    net.flatten()
    net.dense(3)
    net.softmax()
    found = fusion.fuse(net.build())
    assert _operations(found) == [
        *(steps.DEPTHWISE, steps.DEPTHWISE, steps.CONV, steps.OTHER, steps.OTHER),
        *(steps.AVERAGE_POOL, steps.LINEAR),
    ]
    assert [step.groups for step in found.steps[:3]] == [4, 4, 2]
    assert found.steps[-1].inputs == (found.steps[-2].output,)
    assert found.steps[-1].source == (16, 1, 1)
    assert found.outputs == (found.steps[-1].output,)
    assert found.notes == ("Softmax 'layer8' is left to the host",)


def test_residual():
    found = fusion.fuse(networks.residual())
    assert _operations(found) == [
        *(steps.CONV, steps.CONV, steps.CONV, steps.ADD),
        *(steps.AVERAGE_POOL, steps.LINEAR),
    ]


@pytest.mark.parametrize("size", [2, 8])
def test_maxima_go_into_convolutions_and_averages_do_not(size):
    net = graph_builder.Builder((8, 8, 2))
    net.conv(4)
    net.pool(size)
    [only] = fusion.fuse(net.build()).steps
    assert (only.pool.window.size, only.result) == ((size, size), (4, *[8 // size] * 2))
    net = graph_builder.Builder((8, 8, 2))
    net.conv(4)
    net.pool(size, kind=graph.AveragePool)
    found = fusion.fuse(net.build())
    assert _operations(found) == [steps.CONV, steps.AVERAGE_POOL]


def test_one_type_of_padding_serves_a_convolution_and_its_pool():
    """The odd pixel lies in front of one window and behind the other, or alike."""
    for padding, operations in (
        (((1, 0), (1, 0)), [steps.CONV, steps.MAX_POOL]),
        (((0, 1), (0, 1)), [steps.CONV]),
    ):
        net = graph_builder.Builder((16, 16, 2))
        net.conv(4, stride=2, padding=padding)
        net.pool(3, stride=2, padding="same")
        assert _operations(fusion.fuse(net.build())) == operations


def test_a_second_relu_is_the_same_kernel():
    net = graph_builder.Builder((8, 8, 2))
    net.conv(4)
    net.activation("relu")
    net.pool(2)
    net.activation("relu")
    [only] = fusion.fuse(net.build()).steps
    assert only.activations == ("relu",)
    assert len(only.layers) == 4


def test_a_bias_is_there_whether_the_graph_has_one_or_not():
    net = graph_builder.Builder((8, 8, 2))
    net.conv(4, bias=False)
    net.depthwise(bias=False)
    net.flatten()
    net.dense(3, bias=False)
    found = fusion.fuse(net.build())
    assert [step.bias_elements for step in found.steps] == [4, 4, 3]


def test_a_depthwise_convolution_of_one_channel_is_a_convolution():
    net = graph_builder.Builder((8, 8, 1))
    net.depthwise(multiplier=3)
    [only] = fusion.fuse(net.build()).steps
    assert (only.operation, only.groups) == (steps.CONV, 1)


def test_a_linear_layer_reads_the_plane_that_was_flattened():
    net = graph_builder.Builder((2, 3, 4))
    net.flatten()
    net.dense(5)
    found = fusion.fuse(net.build())
    [only] = found.steps
    assert (only.operation, only.source) == (steps.LINEAR, (4, 2, 3))
    assert only.inputs == ("input",)


@pytest.mark.parametrize("function", ["sigmoid", "tanh", "hard_swish"])
def test_what_ends_a_network_is_left_to_the_host(function):
    net = graph_builder.Builder((4, 4, 2))
    conv = net.conv(3)
    net.activation(function)
    found = fusion.fuse(net.build())
    assert _operations(found) == [steps.CONV]
    assert found.outputs == (conv,)
    assert found.notes == ("Activation 'layer1' is left to the host",)


def test_a_flattened_result_is_in_another_order():
    net = graph_builder.Builder((4, 4, 2))
    conv = net.conv(3)
    flat = net.flatten()
    found = fusion.fuse(net.build())
    assert found.outputs == (conv,)
    assert found.notes == (f"'{flat}' is in the order channel, row, column",)


def test_a_change_of_scale_is_no_step():
    net = graph_builder.Builder((4, 4, 2))
    conv = net.conv(3)
    net.conv(2)
    g = net.build()
    first, second = g.layers
    scale = graph.Requantize(name="scale", inputs=(conv,), output="scaled")
    second = dataclasses.replace(second, inputs=("scaled",))
    tensors = {**g.tensors, "scaled": dataclasses.replace(g.tensors[conv], name="s")}
    g = dataclasses.replace(g, tensors=tensors, layers=(first, scale, second))
    found = fusion.fuse(g)
    assert _operations(found) == [steps.CONV, steps.CONV]
    assert found.steps[1].inputs == (conv,)
    assert found.places["scaled"] == found.places[conv]
