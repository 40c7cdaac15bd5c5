"""Float graphs with random weights, for what executes and quantizes them."""

import dataclasses

import numpy as np

from tests import graph_builder
from tfpipeline.ir import graph


def randomized(g, seed=0):
    """The graph with weights and biases that keep activations near one."""
    random = np.random.default_rng(seed)
    constants = {}
    kernels = {each.weights for each in g.layers if isinstance(each, graph.Weighted)}
    for name, values in g.constants.items():
        fan_in = np.prod(values.shape[1:]) if name in kernels else 16
        spread = (2 / max(fan_in, 1)) ** 0.5
        constants[name] = random.normal(0, spread, values.shape).astype(np.float32)
    return dataclasses.replace(g, constants=constants)


def images(g, count, seed=0):
    """Real inputs from -1 to 1."""
    shape = (count, *g.tensors[g.inputs[0]].shape[1:])
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def every_kind():
    """Networks that have every kind of layer but Requantize, and all functions."""
    plane = graph_builder.Builder((9, 8, 4), name="plane")
    plane.conv(6, 3, stride=2, groups=2)
    plane.depthwise(3, multiplier=2, relu=False)
    first = plane.pool(2, stride=1, kind=graph.AveragePool, padding="same")
    plane.conv(12, 2, dilation=2, padding=((2, 0), (1, 1)))
    plane.pool(3, stride=1, padding="same")
    plane.join(graph.Add, first, clamp=graph.RELU6)
    plane.join(graph.Sub, first)
    plane.join(graph.Mul, first)
    plane.concat(first)
    plane.transposed(3)
    plane.pad(((0, 0), (1, 0), (0, 2), (0, 0)))
    plane.mean()
    plane.dense(5)
    plane.softmax()
    row = graph_builder.Builder((12, 3), name="row")
    row.conv(4, 3, stride=2)
    row.pool(2)
    row.flatten()
    row.dense(4, bias=False)
    moved = graph_builder.Builder((6, 5, 4), name="moved")
    first = moved.like(graph.LeakyRelu, alpha=0.3)
    moved.conv(4, relu=False)
    moved.prelu()
    moved.join(graph.Maximum, first)
    moved.join(graph.Minimum, moved.constant("bound", (4,)))
    moved.pad_value(((0, 0), (1, 0), (0, 2), (0, 0)), 0.5)
    moved.mirror(((0, 0), (2, 1), (0, 3), (0, 0)))
    moved.mirror(((0, 0), (2, 1), (0, 0), (1, 0)), "symmetric")
    moved.transpose(0, 2, 1, 3)
    moved.slice((0, 1, 2, 0), (1, 8, 9, 5))
    moved.slice((0, 7, 0, 4), (1, 4, 3, 5), (1, -2, 4, -1))
    moved.resize(9, 7)
    moved.resize(4, 8, align_corners=True, half_pixel_centers=False)
    moved.resize(9, 5, graph.ResizeBilinear)
    moved.resize(
        7, 6, graph.ResizeBilinear, align_corners=True, half_pixel_centers=False
    )
    moved.resize(5, 8, graph.ResizeBilinear, half_pixel_centers=False)
    moved.reduce(graph.ReduceMin, (2,), keep=True)
    moved.reduce(graph.ReduceMax, (1,))
    lowest = graph_builder.Builder((6, 4), name="lowest")
    lowest.position(1, graph.ArgMin)
    highest = graph_builder.Builder((6, 4), name="highest")
    highest.reduce(graph.ReduceMax, (1,))
    highest.position(1)
    parts = graph_builder.Builder((4, 6), name="parts")
    left, right, _ = parts.split((3, 1, 2))
    parts.concat(right, left)
    *slices, _ = parts.unpack(axis=1)
    parts.pack(*slices, axis=2)
    networks = [plane, row, moved, lowest, highest, parts]
    for function in graph.ACTIVATION_FUNCTIONS:
        builder = graph_builder.Builder((6, 6, 2), name=function)
        builder.space_to_depth(2)
        builder.conv(3, 1, relu=False)
        builder.activation(function)
        networks.append(builder)
    return {each.name: randomized(each.build()) for each in networks}


def recurrent():
    """Networks of layers that keep a state."""
    lstm = graph_builder.Builder((5, 4), name="lstm")
    lstm.lstm(6, clip=0.5)
    lstm.lstm(3)
    svdf = graph_builder.Builder((5,), name="svdf")
    svdf.svdf(4, rank=2)
    svdf.svdf(3, clamp=graph.RELU)
    return {each.name: randomized(each.build()) for each in (lstm, svdf)}


def small_network(seed=0):
    """A convolutional network whose layers all run in int8 and in int16."""
    builder = graph_builder.Builder((8, 8, 3), name="small")
    builder.conv(8)
    first = builder.depthwise()
    builder.conv(8, 1, relu=False)
    builder.join(graph.Add, first, clamp=graph.RELU)
    builder.pool()
    left = builder.conv(4, 1)
    builder.conv(6)
    builder.concat(left)
    builder.mean()
    builder.dense(5)
    builder.softmax()
    return randomized(builder.build(), seed)
