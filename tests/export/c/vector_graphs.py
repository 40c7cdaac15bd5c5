"""Single layers of int8 whose sizes are no multiples of a vector's, by scales."""

import dataclasses

import numpy as np

from tests import graph_builder
from tests.export.c import random_graphs
from tfpipeline.ir import graph

_AVERAGE = {"kind": graph.AveragePool}

# Shape of the input, and a layer.
_LAYERS = {
    "5x5 of 3": ((9, 7, 3), lambda net: net.conv(7, 5)),
    "3x3 of 16, strided": ((9, 9, 16), lambda net: net.conv(9, 3, stride=2)),
    "3x3 of 5, dilated": ((9, 11, 5), lambda net: net.conv(6, 3, dilation=2)),
    "3x3, unpadded": ((8, 8, 4), lambda net: net.conv(3, 3, padding="valid")),
    "two groups": ((6, 5, 6), lambda net: net.conv(10, 3, groups=2)),
    "1x1 of 16": ((5, 5, 16), lambda net: net.conv(13, 1)),
    "1x1 of 20": ((3, 5, 20), lambda net: net.conv(11, 1)),
    "1x1 of 64, strided": ((7, 5, 64), lambda net: net.conv(10, 1, stride=2)),
    "two pixels": ((1, 2, 24), lambda net: net.conv(21, 1)),
    "three pixels": ((1, 3, 8), lambda net: net.conv(17, 3)),
    "one pixel": ((1, 1, 64), lambda net: net.conv(10, 1)),
    "depthwise, 40 of a line": (
        (9, 1, 40),
        lambda net: net.depthwise((3, 1), padding="valid"),
    ),
    "depthwise, 16": ((7, 9, 16), lambda net: net.depthwise(3)),
    "depthwise, 17, strided": ((7, 9, 17), lambda net: net.depthwise(3, stride=2)),
    "depthwise, 33, stride of 3": (
        (10, 13, 33),
        lambda net: net.depthwise(3, stride=3),
    ),
    "depthwise, 35, 5x5": ((12, 9, 35), lambda net: net.depthwise(5)),
    "depthwise, tiles": ((40, 48, 8), lambda net: net.depthwise(3)),
    "depthwise, 20, dilated": (
        (12, 9, 20),
        lambda net: net.depthwise((4, 2), dilation=2),
    ),
    "depthwise, wide": ((2, 300, 16), lambda net: net.depthwise((1, 15))),
    "depthwise, one result": (
        (15, 1, 128),
        lambda net: net.depthwise((15, 1), padding="valid"),
    ),
    "depthwise, two of each": ((6, 9, 16), lambda net: net.depthwise(3, multiplier=2)),
    "max of 20": ((9, 9, 20), lambda net: net.pool(3, stride=2, padding="same")),
    "max of 33": ((9, 8, 33), lambda net: net.pool(2)),
    "average of 33": ((9, 8, 33), lambda net: net.pool(3, padding="same", **_AVERAGE)),
    "average of 256 pixels": ((16, 16, 19), lambda net: net.pool(16, **_AVERAGE)),
    "average of 289 pixels": ((17, 17, 5), lambda net: net.pool(17, **_AVERAGE)),
    "mean of 35": ((8, 8, 35), lambda net: net.mean()),
    "mean of 289 pixels": ((17, 17, 5), lambda net: net.mean()),
    "mean of rows": ((9, 7, 18), lambda net: net.mean(axes=(1,))),
    "mean of columns": ((9, 7, 18), lambda net: net.mean(axes=(2,))),
    "sum": (
        (5, 7, 3),
        lambda net: net.join(graph.Add, "input", source=net.conv(3, 1)),
    ),
    "difference": (
        (5, 7, 5),
        lambda net: net.join(graph.Sub, "input", source=net.conv(5, 1)),
    ),
}
# Factors of the largest weights' scale: to the right, to the right or not at all, to
# the left too.
_FACTORS = (0.3, 0.9, 3.0)


def graphs():
    """Names and graphs; layers with weights also with coarse and fine results."""
    for name, (shape, add) in _LAYERS.items():
        net = graph_builder.Builder(shape)
        add(net)
        g = random_graphs.quantized(net.build(), np.random.default_rng(0), "int8")
        yield name, g
        if len(g.layers) == 1 and isinstance(g.layers[0], graph.Weighted):
            for factor in _FACTORS:
                yield f"{name}, factor {factor}", _scaled(g, factor)


def _scaled(g, factor):
    """The scale of the result such that the largest factor is as given."""
    (layer,) = g.layers
    source, weights, result = (
        g.tensors[name] for name in (layer.inputs[0], layer.weights, layer.output)
    )
    scale = np.float32(max(weights.quant.scale) * source.quant.scale[0] / factor)
    quant = dataclasses.replace(result.quant, scale=(float(scale),))
    result = dataclasses.replace(result, quant=quant)
    return dataclasses.replace(g, tensors={**g.tensors, layer.output: result})
