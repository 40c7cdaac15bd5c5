"""The order of a graph's layers, told by what they are and not by their names.

Where a network branches, several orders are possible, and the one that is run decides
where everything lies. A graph has that of its file, or of TensorFlow's converter, which
goes by names (`readers/converter_order`): `conv2d_10` comes before `conv2d_9`, and the
numbers of automatic names depend on what was built before in the same process. Here a
layer counts as what it computes and how it is connected, so that a network has the same
places whatever its layers are called.
"""

import dataclasses
import functools
import operator
from collections.abc import Callable, Mapping, Sequence

from tfpipeline.ir import graph


def by_structure(g: graph.Graph) -> graph.Graph:
    """The graph with its layers in the order of a depth-first search.

    Of the readers of a tensor, those come first whose results never meet the others',
    such as the heads of a detector: the shortest way to the end first, of ways of one
    length that with the largest results. Then the rest, the longest way in front, as a
    block's convolutions before its shortcut. Else what an earlier output or operand is
    made of comes first. What no output is made of comes before all others, so that its
    memory is free again.
    """
    readers = _readers(g)
    numbers = _numbers(g)
    outputs = {*g.outputs}
    # A bit of an integer stands for a layer, by its position.
    ends = sum(
        1 << position
        for position, each in enumerate(g.layers)
        if not outputs.isdisjoint(graph.written_names(each))
    )
    lengths: dict[str, int] = {}
    # Layers that read what a layer writes, or what is made of it, and that itself.
    reached: dict[str, int] = {}
    for position, layer in reversed([*enumerate(g.layers)]):
        found = [each.name for each in _readers_of(layer, readers)]
        lengths[layer.name] = 1 + max((lengths[name] for name in found), default=0)
        further = (reached[name] for name in found)
        reached[layer.name] = functools.reduce(operator.or_, further, 1 << position)

    def size(layers: int) -> int:
        return sum(
            g.tensors[each.output].num_elements
            for position, each in enumerate(g.layers)
            if layers >> position & 1
        )

    def ordered(layers: Sequence[graph.Layer]) -> list[graph.Layer]:
        if len(layers) < 2:
            return list(layers)
        names = {layer.name for layer in layers}

        def preference(layer: graph.Layer) -> tuple[bool, bool, int, int, int]:
            name = layer.name
            is_used = bool(ends & reached[name])
            if any(reached[name] & reached[other] for other in names - {name}):
                return is_used, True, -lengths[name], 0, numbers[name]
            return is_used, False, lengths[name], -size(reached[name]), numbers[name]

        return sorted(layers, key=preference)

    return dataclasses.replace(g, layers=_reverse_postorder(g, readers, ordered))


# By tensor, the layers that read it.
_Readers = Mapping[str, Sequence[graph.Layer]]


def _readers(g: graph.Graph) -> _Readers:
    readers: dict[str, list[graph.Layer]] = {}
    for layer in g.layers:
        for name in dict.fromkeys(layer.inputs):
            readers.setdefault(name, []).append(layer)
    return readers


def _readers_of(layer: graph.Layer, readers: _Readers) -> list[graph.Layer]:
    names = graph.written_names(layer)
    return [reader for name in names for reader in readers.get(name, ())]


def _numbers(g: graph.Graph) -> dict[str, int]:
    """Of each layer by name, where it is met on the way from the outputs backwards.

    Outputs and operands are taken in their order, so that no two layers are alike.
    """
    writers = {name: each for each in g.layers for name in graph.written_names(each)}
    numbers: dict[str, int] = {}
    waiting = [writers[name] for name in reversed(g.outputs) if name in writers]
    while waiting:
        layer = waiting.pop()
        if layer.name not in numbers:
            numbers[layer.name] = len(numbers)
            sources = [writers[name] for name in layer.inputs if name in writers]
            waiting += reversed(sources)
    # What no output is made of, if a graph has such.
    for layer in g.layers:
        numbers.setdefault(layer.name, len(numbers))
    return numbers


def _reverse_postorder(
    g: graph.Graph,
    readers: _Readers,
    ordered: Callable[[Sequence[graph.Layer]], list[graph.Layer]],
) -> tuple[graph.Layer, ...]:
    """All layers, each behind what it reads; the preferred of several first."""
    starts = [layer for name in g.inputs for layer in readers.get(name, ())]
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
            following = ordered(_readers_of(layer, readers))
            stack.extend((each, False) for each in following)
    return tuple(left[::-1])
