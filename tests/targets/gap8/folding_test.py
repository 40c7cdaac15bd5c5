"""Normalization in the first layer: the same values from the camera's."""

import numpy as np
import pytest

from tests import graph_builder
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import folding

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def _with_values(g):
    random = np.random.default_rng(0)
    constants = {
        name: random.standard_normal(g.tensors[name].shape).astype(np.float32)
        for name in g.constants
    }
    return graph.Graph(g.name, g.tensors, constants, g.layers, g.inputs, g.outputs)


def _weights(g):
    layer = g.layers[0]
    bias = 0.0 if layer.bias is None else g.constants[layer.bias].astype(np.float64)
    return g.constants[layer.weights].astype(np.float64), bias


def _sums(g, window):
    """What the first layer makes of one window `[rows, columns, channels]`."""
    weights, bias = _weights(g)
    if isinstance(g.layers[0], graph.DepthwiseConv2D):
        pixels = np.repeat(window, weights.shape[-1] // window.shape[-1], axis=-1)
        return (weights[0] * pixels).sum(axis=(0, 1)) + bias
    return weights.reshape(len(weights), -1) @ window.reshape(-1) + bias


@pytest.mark.parametrize("kind", ["conv", "pixel", "depthwise", "dense", "no bias"])
def test_folded_weights_take_the_camera(kind):
    builder = graph_builder.Builder((3, 3, 3))
    if kind == "dense":
        builder.dense(4)
    elif kind == "depthwise":
        builder.depthwise(3, padding="valid", multiplier=2)
    else:
        size = 1 if kind == "pixel" else 3
        builder.conv(4, size, padding="valid", bias=kind != "no bias")
    g = _with_values(builder.build())
    found = folding.fold_normalization(g, MEAN, STD)
    random = np.random.default_rng(1)
    size = 1 if kind == "pixel" else 3
    camera = random.integers(0, 256, (size, size, 3)).astype(np.float64)
    normalized = (camera / 255 - MEAN) / STD
    # Folded weights are rounded to float32: 24 bits of sums of a few tens.
    np.testing.assert_allclose(_sums(found, camera), _sums(g, normalized), atol=1e-4)
    assert found.outputs == g.outputs


def test_padding_is_refused_or_accepted():
    builder = graph_builder.Builder((8, 8, 1))
    builder.conv(2)
    g = builder.build()
    with pytest.raises(errors.QuantizationError, match="'layer0' pads the input"):
        folding.fold_normalization(g, (0.5,), (0.5,))
    assert "1x1" in folding.border_note(g)
    found = folding.fold_normalization(g, (0.5,), (0.5,), accept_borders=True)
    weights, bias = _weights(found)
    np.testing.assert_array_equal(weights, np.float32(1 / 255 / 0.5))
    # One of bias less nine taps of 1 * 0.5 / 0.5.
    np.testing.assert_array_equal(bias, 1 - 9)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((0.5, 0.5), (1.0,), "mean must have 1 or 3 values; found 2"),
        ((0.5,), (1.0, 2.0), "std must have 1 or 3 values"),
        ((0.5,), (-1.0,), "std above 0"),
        ((0.5,), (0.0,), "std above 0"),
    ],
)
def test_factors_must_fit(mean, std, message):
    builder = graph_builder.Builder((8, 8, 3))
    builder.conv(2, padding="valid")
    with pytest.raises(errors.QuantizationError, match=message):
        folding.fold_normalization(builder.build(), mean, std)


def test_layers_without_weights_are_refused():
    builder = graph_builder.Builder((8, 8, 1))
    builder.pool()
    builder.conv(2)
    with pytest.raises(errors.QuantizationError, match="MaxPool 'layer0' reads"):
        folding.fold_normalization(builder.build(), (0.5,), (0.5,))
