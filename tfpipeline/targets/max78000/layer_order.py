"""The order of a graph's layers, told by what they are and not by their names.

Where a network branches, several orders are possible, and the one that is run decides
where everything lies. A graph has that of its file, or of TensorFlow's converter, which
goes by names (`readers/converter_order`): `conv2d_10` comes before `conv2d_9`, and the
numbers of automatic names depend on what was built before in the same process. Here a
layer counts as what it computes and how it is connected, so that a network has the same
places whatever its layers are called.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.ir import graph

# What names a layer or a tensor.
_NAMES = ("name", "inputs", "output", "further", "weights", "bias")
# Among the colors of what layers read.
_CONSTANT, _INPUT = -1, -2

Bits = int | Mapping[str, int] | None


def by_structure(g: graph.Graph, weight_bits: Bits = None) -> graph.Graph:
    """The graph with its layers in the order of a depth-first search.

    Of the readers of a tensor, those come first whose results never meet the others',
    such as the heads of a detector, the ones with the shortest way to the end in front;
    then the rest, the longest way in front, as a block's convolutions before its
    shortcut. Between ways of one length that with larger results comes first; else a
    comparison of what the layers are decides.

    Args:
        g: a well-formed graph.
        weight_bits: width of the weights by layer name, which tells layers apart.
    """
    readers = _readers(g)
    colors = _colors(g, readers, weight_bits)
    lengths: dict[str, int] = {}
    # Tensors that are made of a layer's result, and that itself.
    reached: dict[str, frozenset[str]] = {}
    for layer in reversed(g.layers):
        found = [each.name for each, _ in _readers_of(layer, readers)]
        lengths[layer.name] = 1 + max((lengths[name] for name in found), default=0)
        further = (reached[name] for name in found)
        reached[layer.name] = frozenset({layer.output}).union(*further)

    def ordered(layers: Sequence[graph.Layer]) -> list[graph.Layer]:
        names = {layer.name for layer in layers}

        def preference(layer: graph.Layer) -> tuple[bool, int, int, int]:
            others = names - {layer.name}
            meets = any(reached[layer.name] & reached[other] for other in others)
            length = lengths[layer.name]
            size = sum(g.tensors[name].num_elements for name in reached[layer.name])
            way = -length if meets else length
            return meets, way, -size, colors[layer.name]

        return sorted(layers, key=preference)

    return dataclasses.replace(g, layers=_reverse_postorder(g, readers, ordered))


# By tensor, the layers that read it and which of their inputs it is.
_Readers = Mapping[str, Sequence[tuple[graph.Layer, int]]]


def _readers(g: graph.Graph) -> _Readers:
    readers: dict[str, list[tuple[graph.Layer, int]]] = {}
    for layer in g.layers:
        for position, name in enumerate(layer.inputs):
            readers.setdefault(name, []).append((layer, position))
    return readers


def _readers_of(layer: graph.Layer, readers: _Readers) -> list[tuple[graph.Layer, int]]:
    names = graph.written_names(layer)
    return [reader for name in names for reader in readers.get(name, ())]


def _colors(g: graph.Graph, readers: _Readers, bits: Bits) -> dict[str, int]:
    """A number for each layer by name; layers that nothing tells apart share it.

    By refinement: first what a layer is, then, as long as that tells more of them
    apart, the numbers of what it reads, of what reads it and of what has its kernel.
    """
    sharing: dict[str, list[str]] = {}
    for layer in g.layers:
        if isinstance(layer, graph.Weighted):
            sharing.setdefault(layer.weights, []).append(layer.name)
    writers = {name: each for each in g.layers for name in graph.written_names(each)}
    sources = {name: _INPUT - index for index, name in enumerate(g.inputs)}
    colors = _ranks({layer.name: repr(_own(g, layer, bits)) for layer in g.layers})
    while True:

        def source(name: str, colors: Mapping[str, int] = colors) -> int:
            if name in writers:
                return colors[writers[name].name]
            return sources.get(name, _CONSTANT)

        keys = {}
        for layer in g.layers:
            reads = tuple(source(name) for name in layer.inputs)
            found = _readers_of(layer, readers)
            read = tuple(sorted((colors[each.name], place) for each, place in found))
            ends = tuple(i for i, n in enumerate(g.outputs) if n == layer.output)
            kernel = getattr(layer, "weights", "")
            same = tuple(sorted(colors[each] for each in sharing.get(kernel, ())))
            keys[layer.name] = (colors[layer.name], reads, read, ends, same)
        refined = _ranks(keys)
        if len({*refined.values()}) == len({*colors.values()}):
            return colors
        colors = refined


def _ranks(keys: Mapping[str, Any]) -> dict[str, int]:
    order = sorted({*keys.values()})
    ranks = {key: rank for rank, key in enumerate(order)}
    return {name: ranks[key] for name, key in keys.items()}


def _own(g: graph.Graph, layer: graph.Layer, bits: Bits) -> tuple[object, ...]:
    """What a layer is by itself."""
    fields = [
        (field.name, getattr(layer, field.name))
        for field in dataclasses.fields(layer)
        if field.name not in _NAMES
    ]
    shapes = [g.tensors[name].shape for name in graph.written_names(layer)]
    weights: tuple[object, ...] = ()
    if isinstance(layer, graph.Weighted):
        kernel, bias = g.tensors[layer.weights], layer.bias
        # A bias of zeros is none on the device.
        has_bias = bias is not None and bool(np.any(g.constants.get(bias, True)))
        width = bits.get(layer.name) if isinstance(bits, Mapping) else bits
        weights = (kernel.shape, kernel.num_bits, has_bias, width)
    return (layer.kind, fields, shapes, weights)


def _reverse_postorder(
    g: graph.Graph,
    readers: _Readers,
    ordered: Callable[[Sequence[graph.Layer]], list[graph.Layer]],
) -> tuple[graph.Layer, ...]:
    """All layers, each behind what it reads; the preferred of several first."""
    starts = [layer for name in g.inputs for layer, _ in readers.get(name, ())]
    written = {name for layer in g.layers for name in graph.written_names(layer)}
    starts += [layer for layer in g.layers if not written & {*layer.inputs}]
    visited: set[str] = set()
    left: list[graph.Layer] = []
    # What is visited first comes last, and of the stack the last is visited first.
    stack = [(layer, False) for layer in ordered(starts)]
    while stack:
        layer, is_done = stack.pop()
        if is_done:
            left.append(layer)
        elif layer.name not in visited:
            visited.add(layer.name)
            stack.append((layer, True))
            following = ordered([each for each, _ in _readers_of(layer, readers)])
            stack.extend((each, False) for each in following)
    return tuple(left[::-1])
