"""What becomes one kernel call, and what is refused."""

import numpy as np
import pytest

from tests import graph_builder
from tests.targets.gap8 import float_networks
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.networks import catalog
from tfpipeline.targets.gap8 import lowering, program


def kinds(draft):
    """Each step with what is fused into it."""
    names = []
    for step in draft.steps:
        parts = [step.kind.__name__]
        parts += ["relu"] if step.fields.get("relu") else []
        parts += ["pool"] if "pool" in step.fields else []
        names.append("+".join(parts))
    return names


def test_convolution_relu_and_pool_are_one_call():
    builder = graph_builder.Builder((8, 8, 1))
    builder.conv(2, relu=False)
    builder.activation("relu")
    builder.pool()
    builder.conv(2, relu=False)
    builder.pool()
    builder.activation("relu")
    builder.pool(1)
    assert kinds(lowering.lower(builder.build())) == [
        "Conv+relu+pool",
        "Conv+relu+pool",
        "MaxPool",
    ]


def test_what_is_read_twice_is_not_fused():
    builder = graph_builder.Builder((8, 8, 1))
    first = builder.conv(2, relu=False)
    builder.activation("relu")
    builder.join(graph.Add, first)
    draft = lowering.lower(builder.build())
    assert kinds(draft) == ["Conv", "MaxPool+relu", "Add"]
    window = draft.steps[1].fields["window"]
    assert window == program.Window((1, 1), (1, 1))


def test_zeros_in_front_become_padding():
    draft = lowering.lower(float_networks.padded())
    assert draft.steps[0].fields["padding"] == ((1, 2), (0, 1))
    assert draft.steps[0].inputs == ("input",)


def test_dense_reads_a_plane_channel_by_channel():
    builder = graph_builder.Builder((2, 3, 4))
    builder.flatten()
    builder.dense(1)
    g = builder.build()
    (layer,) = (each for each in g.layers if isinstance(each, graph.Dense))
    weights = np.arange(24, dtype=np.float32).reshape(1, 24)
    constants = {**g.constants, layer.weights: weights}
    g = graph.Graph(g.name, g.tensors, constants, g.layers, g.inputs, g.outputs)
    (step,) = lowering.lower(g).steps
    expected = weights.reshape(2, 3, 4).transpose(2, 0, 1).reshape(1, 24)
    np.testing.assert_array_equal(step.weights, expected)


def test_depthwise_kernels_get_a_row_for_each_output():
    builder = graph_builder.Builder((4, 4, 2))
    builder.depthwise(3, multiplier=2)
    (step,) = lowering.lower(builder.build()).steps
    assert step.weights.shape == (4, 1, 3, 3)
    assert step.fields["groups"] == 2


def test_the_end_is_left_to_the_host():
    draft = lowering.lower(float_networks.residual())
    assert draft.notes == ("Softmax 'layer10' is left to the host",)
    assert draft.outputs == (draft.steps[-1].output,)


@pytest.mark.parametrize("name", catalog.names())
def test_registered_networks_have_kernels(name):
    draft = lowering.lower(catalog.load(name))
    assert draft.steps[-1].output in draft.outputs


def test_the_descriptor_network_is_27_calls_and_8_concatenations():
    counts = kinds(lowering.lower(catalog.load("reid_squeezenet")))
    assert counts.count("Conv+relu+pool") == 5
    assert counts.count("Concat") == 8
    assert counts.count("AvgPool") == 1
    assert len(counts) == 26 + 8 + 1


def _relu6(builder):
    builder.conv(4, clamp=graph.RELU6)


def _groups(builder):
    builder.conv(4, groups=2)


def _softmax_inside(builder):
    builder.softmax()
    builder.conv(2)


def _padded_pool(builder):
    builder.pool(3, stride=2, padding="same", kind=graph.AveragePool)


def _pad_and_pool(builder):
    builder.pad(((0, 0), (1, 1), (1, 1), (0, 0)))
    builder.pool()


def _pad_channels(builder):
    builder.pad(((0, 0), (0, 0), (0, 0), (0, 1)))
    builder.conv(2)


def _multiplies(builder):
    builder.join(graph.Mul, "input")


def _sigmoid_inside(builder):
    builder.activation("sigmoid")
    builder.conv(2)


def _flat_relu(builder):
    builder.flatten()
    builder.activation("relu")


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (_relu6, "Conv2D 'layer0' is clamped to 0..6"),
        (_groups, "Conv2D 'layer0' has 2 groups"),
        (_softmax_inside, "Softmax 'layer0' is inside the network"),
        (_padded_pool, "AveragePool 'layer0' has padding"),
        (_pad_and_pool, "MaxPool 'layer1' cannot read padded data"),
        (_pad_channels, "Pad 'layer0' must pad the rows and columns"),
        (_multiplies, "Mul 'layer0' has no kernel on the GAP8; use Conv2D, "),
        (_sigmoid_inside, "Activation 'layer0' is sigmoid; the kernels have ReLU"),
        (_flat_relu, "Reshape 'layer0' makes"),
    ],
)
def test_what_has_no_kernel_is_refused(add, message):
    builder = graph_builder.Builder((8, 8, 4))
    add(builder)
    with pytest.raises(errors.QuantizationError, match=message):
        lowering.lower(builder.build())


def test_all_that_is_wrong_is_said_at_once():
    builder = graph_builder.Builder((8, 8, 4))
    _relu6(builder)
    _groups(builder)
    builder.space_to_depth(2)
    with pytest.raises(errors.QuantizationError) as caught:
        lowering.lower(builder.build())
    for name in ("layer0", "layer1", "layer2"):
        assert f"'{name}'" in str(caught.value)


def test_every_kind_is_lowered_or_refused():
    refused = {
        graph.Conv1D,
        graph.TransposeConv2D,
        graph.Sub,
        graph.Mul,
        graph.SpaceToDepth,
        graph.Requantize,
    }
    assert not refused & set(lowering.KINDS)
    assert refused | set(lowering.KINDS) == set(graph.LAYER_KINDS)
