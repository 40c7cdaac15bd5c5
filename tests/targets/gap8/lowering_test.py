"""Steps with their weights: the chip's order, and what is refused."""

import re

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
        parts += ["pool"] if step.fields.get("pool") else []
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
    assert kinds(lowering.lower(builder.build(), 16)) == [
        "Conv+relu+pool",
        "Conv+relu+pool",
        "MaxPool",
    ]


def test_what_is_read_twice_is_not_fused():
    builder = graph_builder.Builder((8, 8, 1))
    first = builder.conv(2, relu=False)
    builder.activation("relu")
    builder.join(graph.Add, first)
    draft = lowering.lower(builder.build(), 16)
    assert kinds(draft) == ["Conv", "MaxPool+relu", "Add"]
    window = draft.steps[1].fields["window"]
    assert window == program.Window((1, 1), (1, 1))


def test_zeros_in_front_become_padding():
    draft = lowering.lower(float_networks.padded(), 16)
    assert draft.steps[0].fields["padding"] == ((2, 2), (2, 2))
    assert draft.steps[0].inputs == ("input",)


def _line(rows):
    """A network of one-dimensional layers, or of the same over one row."""
    size = (lambda n: (1, n)) if rows else (lambda n: n)
    pad = (lambda *pair: ((0, 0), pair)) if rows else (lambda *pair: (pair,))
    builder = graph_builder.Builder((*rows, 21, 3))
    builder.conv(4, size(3), stride=size(2) if not rows else (2, 2), padding=pad(1, 1))
    first = builder.pool(size(2), stride=size(1) if not rows else (1, 1))
    builder.conv(4, size(3), padding=pad(2, 0), relu=False)
    builder.join(graph.Add, first)
    builder.conv(5, size(2), dilation=size(2) if not rows else (1, 2), padding="valid")
    builder.pool(size(2), stride=(2, 2)[: 1 + len(rows)], kind=graph.AveragePool)
    builder.dense(6)
    return float_networks.with_values(builder.build())


def test_one_dimensional_layers_are_those_of_one_row():
    line, plane = (lowering.lower(_line(rows), 16) for rows in ((), (1,)))
    expected = ["Conv+relu+pool", "Conv", "Add", "Conv+relu", "AvgPool", "Linear"]
    assert kinds(line) == expected
    for one, other in zip(line.steps, plane.steps, strict=True):
        assert one.fields.keys() == other.fields.keys()
        assert (one.shape, dict(one.fields)) == (other.shape, dict(other.fields))
        if one.weights is not None:
            np.testing.assert_array_equal(one.weights, other.weights)


def test_dense_reads_a_plane_channel_by_channel():
    builder = graph_builder.Builder((2, 3, 4))
    builder.flatten()
    builder.dense(1)
    g = builder.build()
    (layer,) = (each for each in g.layers if isinstance(each, graph.Dense))
    weights = np.arange(24, dtype=np.float32).reshape(1, 24)
    constants = {**g.constants, layer.weights: weights}
    g = graph.Graph(g.name, g.tensors, constants, g.layers, g.inputs, g.outputs)
    (step,) = lowering.lower(g, 16).steps
    expected = weights.reshape(2, 3, 4).transpose(2, 0, 1).reshape(1, 24)
    np.testing.assert_array_equal(step.weights, expected)


def test_depthwise_kernels_get_a_row_for_each_output():
    builder = graph_builder.Builder((4, 4, 2))
    builder.depthwise(3)
    (step,) = lowering.lower(builder.build(), 16).steps
    assert step.weights.shape == (2, 1, 3, 3)
    assert step.fields["groups"] == 2


def test_the_end_is_left_to_the_host():
    draft = lowering.lower(float_networks.residual(), 16)
    assert draft.notes == ("Softmax 'layer10' is left to the host",)
    assert draft.outputs == (draft.steps[-1].output,)


# Networks with slopes, and with transposed convolutions.
_REFUSED = re.compile(r"unet_.*|arcface_.*|mobilefacenet_y\d")


@pytest.mark.parametrize("name", [x for x in catalog.names() if _REFUSED.match(x)])
def test_other_registered_networks_are_refused(name):
    with pytest.raises(errors.TargetError, match="cannot run on GAP8"):
        lowering.lower(catalog.load(name), 16)


@pytest.mark.parametrize("name", [x for x in catalog.names() if not _REFUSED.match(x)])
def test_registered_networks_have_kernels(name):
    draft = lowering.lower(catalog.load(name), 16)
    assert draft.steps[-1].output in draft.outputs


def test_the_descriptor_network_is_27_calls_and_8_concatenations():
    counts = kinds(lowering.lower(catalog.load("reid_squeezenet"), 16))
    assert counts.count("Conv+relu+pool") == 5
    assert counts.count("Concat") == 8
    assert counts.count("AvgPool") == 1
    assert len(counts) == 26 + 8 + 1


@pytest.mark.parametrize("keeps", [True, False])
def test_dense_on_single_pixels_keeps_their_planes_or_flattens_them(keeps):
    builder = graph_builder.Builder((4, 4, 3))
    builder.mean(keep=keeps)
    last = builder.dense(5)
    if keeps:
        builder.tensors[last] = graph.Tensor(last, (1, 1, 1, 5), "float32")
    _, step = lowering.lower(builder.build(), 16).steps
    assert step.kind is (program.Conv if keeps else program.Linear)
    assert step.weights.shape == ((5, 3, 1, 1) if keeps else (5, 3))


def test_a_bias_that_the_graph_lacks_is_zeros():
    builder = graph_builder.Builder((4, 4, 3))
    builder.conv(5, bias=False)
    [step] = lowering.lower(builder.build(), 16).steps
    np.testing.assert_array_equal(step.bias, np.zeros(5, np.float32))


def test_a_maximum_behind_a_concatenation_is_computed_in_front_of_it():
    builder = graph_builder.Builder((8, 8, 2))
    first = builder.conv(3, source="input")
    builder.conv(4, source="input")
    builder.concat(first)
    pooled = builder.pool()
    draft = lowering.lower(builder.build(), 16)
    assert kinds(draft) == ["Conv+relu+pool", "Conv+relu+pool", "Concat"]
    concat = draft.steps[-1]
    assert concat.output == pooled
    assert set(concat.inputs) == {step.output for step in draft.steps[:2]}
    # What sets the format is measured in front of the maximum.
    assert draft.steps[0].measured == first


def test_the_first_breach_is_said_and_how_many_more_there_are():
    builder = graph_builder.Builder((8, 8, 4))
    builder.conv(4, clamp=graph.RELU6)
    builder.conv(4, groups=2)
    builder.space_to_depth(2)
    with pytest.raises(errors.TargetError) as caught:
        lowering.lower(builder.build(), 16)
    assert str(caught.value).startswith("'net' cannot run on GAP8: SpaceToDepth 'laye")
    assert str(caught.value).endswith("(and 2 more, which estimate lists)")
    assert len(str(caught.value)) < 400
