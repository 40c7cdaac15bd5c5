"""Chains of layers and folded data."""

import pytest

from tests.targets.max78000 import layer_chains, published_networks
from tfpipeline import errors
from tfpipeline.targets.max78000 import cost


def test_chain_derives_channels_sizes_and_processors():
    steps = (
        layer_chains.conv2d(100, pool=2),
        layer_chains.conv_transpose2d(3),
        layer_chains.pooling((4, 4), pool_type="avg"),
        layer_chains.linear(7, flatten=True),
    )
    layers = layer_chains.chain(3, (16, 16), steps)
    assert [(layer.in_channels, layer.in_dim) for layer in layers] == [
        (3, (16, 16)),
        (100, (8, 8)),
        (3, (16, 16)),
        (3, (4, 4)),
    ]
    assert layers[-1].out_dim == (1, 1)
    maps = [0b111, (1 << 52) - 1, 0b111, 0b111, 0b1111111]
    assert [layer.processors for layer in layers] == maps[:-1]
    assert [layer.output_processors for layer in layers] == maps[1:]


def test_chain_of_one_dimension():
    steps = (
        layer_chains.conv1d(8, size=3, pad=1),
        layer_chains.conv1d(8, size=6, pool=2, pool_type="avg", name="second"),
        layer_chains.pooling((2, 1)),
    )
    layers = layer_chains.chain(4, (20, 1), steps)
    assert [layer.out_dim for layer in layers] == [(20, 1), (5, 1), (2, 1)]
    assert layers[1].name == "second"


def test_chain_refuses_a_layer_without_outputs():
    with pytest.raises(errors.GraphError, match=r"conv2d 'x' needs out_channels"):
        layer_chains.chain(3, (8, 8), [layer_chains.Step(operator="conv2d", name="x")])


def test_folded_facenet_takes_the_cycles_of_the_vendor_tool():
    # Origin: the vendor's tool (ai8x-synthesis ab4f4c0) on FaceNet v6, plain and on
    # data folded 2x2 without the pooling in front of the second convolution.
    steps = published_networks.facenet_steps("v6")
    plain = cost.estimate(layer_chains.chain(3, (88, 88), steps))
    channels, dim, folded_steps = layer_chains.fold(3, (88, 88), steps, 2)
    folded = cost.estimate(layer_chains.chain(channels, dim, folded_steps))
    assert plain.latency_cycles["ai8x"] == 72_544
    assert folded.latency_cycles["ai8x"] == 31_360
    assert folded.weight_bytes == 2_960
    assert folded.operations.macc == plain.operations.macc == 1_249_280


def test_folding_takes_out_as_many_poolings_as_it_needs():
    steps = [layer_chains.conv2d(4), *[layer_chains.conv2d(4, pool=2)] * 3]
    for factor, pools in ((1, [1, 2, 2, 2]), (2, [1, 1, 2, 2]), (4, [1, 1, 1, 2])):
        channels, dim, folded = layer_chains.fold(3, (32, 32), steps, factor)
        assert [step.pool[0] for step in folded] == pools
        assert layer_chains.chain(channels, dim, folded)[-1].out_dim == (4, 4)


@pytest.mark.parametrize("pools", [(1, 1), (2, 1), (3, 3)])
def test_folding_by_what_is_not_pooled_is_refused(pools):
    steps = [layer_chains.conv2d(4, pool=pool) for pool in pools]
    with pytest.raises(errors.GraphError, match="can be folded by 4 only if"):
        layer_chains.fold(3, (32, 32), steps, 4)
