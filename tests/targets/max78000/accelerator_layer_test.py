"""What is refused as a hardware layer, and the sizes of one that is not."""

import dataclasses
import re

import pytest

from tests.targets.max78000 import layer_chains
from tfpipeline import errors
from tfpipeline.targets.max78000 import accelerator_layer

(LAYER,) = layer_chains.chain(4, (8, 8), [layer_chains.conv2d(6, name="body")])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"operator": "conv3d"}, "operator must be one of conv2d, conv1d, "),
        ({"pool_type": "min"}, "pool_type must be one of max, avg; found 'min'"),
        ({"eltwise": "mul"}, "eltwise must be one of None, add, sub, or, xor; found"),
        ({"activation": "tanh"}, "activation must be one of None, ReLU, Abs; found"),
        ({"weight_bits": 3}, "weight_bits must be one of 1, 2, 4, 8; found 3"),
        ({"output_width": 16}, "output_width must be one of 8, 32; found 16"),
        ({"in_channels": 0}, "in_channels must be positive; found (0,)"),
        ({"pool_stride": (0, 1)}, "pool_stride must be positive; found (0, 1)"),
        ({"processors": 0}, "processors must be positive"),
        ({"output_processors": 1 << 64}, "processors are numbered 0 to 63; found 64"),
        ({"pad": (-1, 0)}, "pad must not be negative; found (-1, 0)"),
        ({"groups": 4}, "groups must divide the channels; found 4"),
        ({"operands": 2}, "eltwise needs two or more operands"),
        ({"eltwise": "add"}, "eltwise needs two or more operands"),
        ({"flatten": True}, "only linear layers flatten; found conv2d"),
        ({"operator": "linear"}, "a linear layer's kernel is 1x1; found (3, 3)"),
        ({"pool": (9, 9)}, "pooling leaves 0x0 of (8, 8)"),
        ({"pad": (0, 0), "in_dim": (2, 8)}, "the layer leaves 0x6 of (2, 8)"),
    ],
)
def test_what_no_accelerator_layer_has_is_refused(changes, message):
    expected = f"accelerator layer .* 'body': {re.escape(message)}"
    with pytest.raises(errors.GraphError, match=expected):
        dataclasses.replace(LAYER, **changes)


@pytest.mark.parametrize(
    ("operator", "changes", "pooled", "out"),
    [
        ("conv2d", {"pad": (2, 0)}, (8, 8), (10, 6)),
        ("conv2d", {"pool": (3, 2), "pool_stride": (2, 2)}, (3, 4), (3, 4)),
        ("conv2d", {"pool": (2, 2), "pool_dilation": (2, 1)}, (6, 7), (6, 7)),
        ("conv2d", {"dilation": (2, 1)}, (8, 8), (6, 8)),
        ("convtranspose2d", {"stride": (2, 2)}, (8, 8), (16, 16)),
        ("convtranspose2d", {"stride": (2, 2), "pad": (0, 2)}, (8, 8), (18, 14)),
        (
            "conv1d",
            {"kernel": (9, 1), "pad": (0, 0), "in_dim": (20, 1)},
            (20, 1),
            (12, 1),
        ),
    ],
)
def test_sizes(operator, changes, pooled, out):
    layer = dataclasses.replace(LAYER, operator=operator, **changes)
    assert (layer.pooled_dim, layer.out_dim) == (pooled, out)


def test_layers_are_values():
    assert dataclasses.replace(LAYER) == LAYER
    assert isinstance(LAYER, accelerator_layer.AcceleratorLayer)
    with pytest.raises(dataclasses.FrozenInstanceError):
        LAYER.groups = 2
