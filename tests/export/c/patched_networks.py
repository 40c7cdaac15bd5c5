"""Random integer networks whose first layers can be in patches, and their memory.

`computed_in_arena` runs a network as C does, in one array of bytes at the places that
its plan says, each layer by `simulate`: a plan by which anything is overwritten that is
still read gives other integers.
"""

import numpy as np
from hypothesis import strategies

from tests import graph_builder
from tests.export.c import random_graphs
from tfpipeline.ir import graph
from tfpipeline.simulate import reference_kernels, vector_kernels

small = strategies.integers(1, 3)
seeds = strategies.integers(0, 2**32 - 1)
pads = strategies.tuples(strategies.integers(0, 3), strategies.integers(0, 3))
paddings = strategies.one_of(
    strategies.sampled_from(("same", "valid")), strategies.tuples(pads, pads)
)


@strategies.composite
def networks(draw, dtypes=("int8", "int16")):
    """Convolutions, pools, padding and branches; some end in a dense layer."""
    size = draw(strategies.integers(4, 19)), draw(strategies.integers(3, 8))
    net = graph_builder.Builder((*size, draw(small)))
    for _ in range(draw(strategies.integers(1, 6))):
        draw(layers(net))
    if draw(strategies.booleans()):
        net.mean()
        net.dense(3)
    dtype = draw(strategies.sampled_from(dtypes))
    random = np.random.default_rng(draw(seeds))
    return random_graphs.quantized(net.build(), random, dtype)


@strategies.composite
def layers(draw, net):
    """One more layer, or two branches that are joined."""
    _, height, width, channels = net.shape()
    kind = draw(strategies.integers(0, 9))
    window = _window(draw, height, width)
    if kind < 2:
        net.conv(draw(small), **window, relu=draw(strategies.booleans()))
    elif kind < 4:
        net.depthwise(**window, multiplier=draw(strategies.integers(1, 2)))
    elif kind == 4:
        _add_pool(draw, net, height, width)
    elif kind == 5:
        net.pad(((0, 0), draw(pads), draw(pads), (0, 0)))
    elif kind == 6:
        net.activation(draw(strategies.sampled_from(("relu", "tanh", "abs"))))
    elif kind == 7:
        net.conv(draw(strategies.integers(1, 5)), 1)
    else:
        source = net.last
        first = net.conv(channels, draw(small), padding="same")
        net.depthwise(draw(small), source=source, padding="same")
        if kind == 8:
            net.join(graph.Add, draw(strategies.sampled_from((source, first))))
        else:
            net.concat(first)


def _window(draw, height, width):
    """A window with its padding, which leaves something of the plane."""
    sizes = tuple(draw(strategies.integers(1, min(4, n))) for n in (height, width))
    rate = 1
    if min(height, width) > 2 * max(sizes):
        rate = draw(strategies.integers(1, 2))
    strides = draw(strategies.tuples(small, small))
    padding = draw(paddings)
    return {"size": sizes, "stride": strides, "padding": padding, "dilation": rate}


def _add_pool(draw, net, height, width):
    sizes = tuple(draw(strategies.integers(1, min(3, n))) for n in (height, width))
    kind = draw(strategies.sampled_from((graph.MaxPool, graph.AveragePool)))
    strides = draw(strategies.tuples(small, small))
    padding = draw(strategies.sampled_from(("same", "valid")))
    # A pool may not pad by its whole window.
    net.pool(sizes, stride=strides, kind=kind, padding=padding)


def computed_in_arena(found, inputs):
    """The outputs for one image, computed in the arena of a network in patches.

    Args:
        found: the network.
        inputs: for each input an array of batch 1.
    """
    g, stored, random = found.computed, found.stored, np.random.default_rng(0)
    arena = random.integers(0, 256, found.plan.peak_bytes).astype(np.uint8)

    def lies(name):
        tensor = g.tensors[name]
        begin = stored.offsets[name]
        return slice(
            begin, begin + tensor.num_elements * np.dtype(tensor.dtype).itemsize
        )

    def value(name):
        if name in g.constants:
            return g.constants[name]
        tensor = g.tensors[name]
        return arena[lies(name)].view(tensor.dtype).reshape(tensor.shape).copy()

    for name, array in zip(g.inputs, inputs, strict=True):
        arena[lies(name)] = np.ascontiguousarray(array).view(np.uint8).ravel()
    scratch = {
        buffer.name: slice(offset, offset + buffer.bytes)
        for buffer, offset in zip(found.plan.buffers, found.plan.offsets, strict=True)
    }
    for layer in found.steps:
        step = vector_kernels.prepared(g, layer)
        results = reference_kernels.listed(step([value(n) for n in layer.inputs]))
        if layer.name in stored.scratch:
            # Whatever a kernel leaves in its own memory.
            place = scratch[f"{layer.name}/scratch0"]
            assert place.start == stored.scratch[layer.name]
            arena[place] = random.integers(0, 256, place.stop - place.start)
        for name, array in zip(graph.written_names(layer), results, strict=True):
            arena[lies(name)] = np.ascontiguousarray(array).view(np.uint8).ravel()
    return [value(name) for name in g.outputs]
