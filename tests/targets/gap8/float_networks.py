"""Float networks with random weights, and images for them."""

import math

import numpy as np

from tests import graph_builder
from tfpipeline.ir import graph


def with_values(g, seed=0):
    """The graph with random weights that keep the magnitude of the data."""
    random = np.random.default_rng(seed)
    constants = dict(g.constants)
    for layer in g.layers:
        if isinstance(layer, graph.Weighted):
            shape = g.constants[layer.weights].shape
            depthwise = isinstance(layer, graph.DepthwiseConv2D)
            inputs = math.prod(shape[:-1] if depthwise else shape[1:])
            inputs //= shape[-1] if depthwise and len(shape) == 1 else 1
            weights = random.standard_normal(shape) * math.sqrt(2 / inputs)
            constants[layer.weights] = weights.astype(np.float32)
            if layer.bias is not None:
                shape = g.constants[layer.bias].shape
                constants[layer.bias] = random.normal(0, 0.2, shape).astype(np.float32)
    return graph.Graph(g.name, g.tensors, constants, g.layers, g.inputs, g.outputs)


def images(g, count, seed=1):
    """Uniform in [-1, 1)."""
    shape = g.tensors[g.inputs[0]].shape[1:]
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape)).astype("f4")


def fires():
    """Convolution and pool, two fires of which one pools, a mean: as the descriptor."""
    builder = graph_builder.Builder((17, 17, 2), name="fires")
    builder.conv(3, 1, relu=False)
    builder.conv(8, 3, stride=2, padding="valid")
    builder.pool(3, stride=2)
    squeezed = builder.conv(4, 1)
    first = builder.conv(5, 1)
    builder.conv(6, 3, source=squeezed)
    builder.concat(first)
    squeezed = builder.conv(4, 1)
    builder.conv(5, 1)
    first = builder.pool(2)
    builder.conv(6, 3, source=squeezed)
    builder.pool(2)
    builder.concat(first)
    builder.mean()
    return with_values(builder.build())


def residual():
    """Sums with a shortcut, an average pool, a dense layer over a plane, softmax."""
    builder = graph_builder.Builder((9, 8, 3), name="residual")
    first = builder.conv(6)
    builder.conv(6)
    builder.conv(6, relu=False)
    builder.join(graph.Add, first)
    builder.activation("relu")
    builder.pool(3, stride=2, kind=graph.AveragePool)
    builder.depthwise(3, stride=2)
    builder.flatten()
    builder.dense(7, relu=True)
    builder.dense(4)
    builder.softmax()
    return with_values(builder.build())


def padded():
    """A layer of zeros in front, dilation, a pool after a sum, a 1x1 dense layer."""
    builder = graph_builder.Builder((10, 10, 2), name="padded")
    builder.pad(((0, 0), (2, 2), (2, 2), (0, 0)))
    builder.conv(4, 3, padding="valid", dilation=2, bias=False)
    first = builder.conv(4, 3)
    builder.conv(4, 1)
    builder.join(graph.Add, first)
    builder.pool(3, stride=2, padding="same")
    builder.activation("relu")
    builder.mean(keep=True)
    builder.conv(5, 1, relu=False)
    return with_values(builder.build())


NETWORKS = {"fires": fires, "residual": residual, "padded": padded}
