"""Graphs on folded data, against chains of layers and by their shapes."""

import numpy as np
import pytest

from tests import graph_builder
from tests.targets.max78000 import (
    graph_networks,
    layer_chains,
    published_networks,
)
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.simulate import reference_kernels
from tfpipeline.targets.max78000 import folding, lowering

Builder = graph_builder.Builder


def test_factor_of_one_is_the_graph_itself():
    g = graph_networks.facenet("v6")
    assert folding.fold(g, 1) is g


@pytest.mark.parametrize("version", published_networks.FACENET_CHANNELS)
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_folded_graph_is_the_folded_chain(version, factor):
    folded = folding.fold(graph_networks.facenet(version), factor)
    steps = published_networks.facenet_steps(version.replace("v3", "v2"))
    channels, dim, steps = layer_chains.fold(
        *published_networks.FACENET_INPUT, steps, factor
    )
    lowered = lowering.lower(folded)
    assert lowered.layers == layer_chains.chain(channels, dim, steps)
    assert lowered.notes == (
        "SpaceToDepth 'fold' is left to the host, which folds the data",
    )


def test_folding_moves_pixels_into_channels():
    assert folding.fold_input(3, (88, 44), 2) == (12, (44, 22))
    assert folding.fold_input(3, (88, 44), 1) == (3, (88, 44))
    with pytest.raises(errors.GraphError, match="9x8 cannot be folded by 2"):
        folding.fold_input(3, (9, 8), 2)


def test_pools_that_are_taken_out_leave_everything_behind_them():
    g = graph_networks.cmsisnet()
    folded = folding.fold(g, 2)
    names = [layer.name for layer in folded.layers]
    assert names == ["fold", *(x.name for x in g.layers if x.name != "pool1")]
    assert folded.tensors["conv2/output"].shape == (1, 16, 16, 32)
    assert folded.constants["conv1/kernel/folded"].shape == (32, 3, 3, 12)
    for name in ("conv3/output", "logits/kernel", "logits/output"):
        assert folded.tensors[name] == g.tensors[name]


def test_blocks_of_pixels_become_channels_row_by_row():
    # The order of the vendor's training tools: sub-image [i::2, j::2], i before j.
    net = Builder((4, 4, 1))
    net.conv(1, 1, bias=False, clamp=graph.NO_CLAMP)
    net.pool()
    folded = folding.fold(net.build(), 2)
    values = np.arange(16.0, dtype=np.float32).reshape(1, 4, 4, 1)
    result = reference_kernels.space_to_depth(folded, folded.layers[0], [values])
    image = values[0, :, :, 0]
    parts = [image[i::2, j::2] for i in (0, 1) for j in (0, 1)]
    np.testing.assert_array_equal(result[0], np.stack(parts, axis=-1))


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda net: net.conv(4), "the network ends before"),
        (lambda net: net.pool(3), "the network ends before"),
        (lambda net: net.pool((2, 4)), "the network ends before"),
        (
            lambda net: net.join(graph.Add, net.conv(12), source="input"),
            "has several readers",
        ),
        (lambda net: net.depthwise(multiplier=4), "DepthwiseConv2D 'layer0' comes"),
        (lambda net: net.conv(4, groups=4), "Conv2D 'layer0' has groups"),
        (lambda net: net.flatten(), "Reshape 'layer0' comes before"),
        (
            lambda net: net.conv(4, padding="valid") and net.pool(),
            "behind 'layer1' are 5x5 pixels, which no folding leaves",
        ),
    ],
)
def test_what_cannot_be_folded(add, message):
    net = Builder((12, 12, 12))
    add(net)
    with pytest.raises(errors.GraphError, match=message):
        folding.fold(net.build(), 2)


def test_sides_that_are_no_multiples():
    net = Builder((9, 8, 3))
    net.pool()
    with pytest.raises(errors.GraphError, match="9x8 cannot be folded by 2"):
        folding.fold(net.build(), 2)
    net = Builder((8, 3))
    net.pool()
    with pytest.raises(errors.GraphError, match="needs one input of rows, columns"):
        folding.fold(net.build(), 2)
