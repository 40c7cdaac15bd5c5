"""Which processors hold each tensor: packed from the first, parts side by side.

Of more than 64 channels, channel c lies with processor c mod p in pass c div p, where p
is a pass's share of the channels, rounded up to four (ai8x-synthesis ab4f4c0).
"""

import dataclasses
from collections.abc import Iterator, Mapping

from tfpipeline.targets.max78000 import draft, geometry
from tfpipeline.targets.max78000 import spec as specs

# Tensors whose first processors differ by so many: (one, the other, difference).
_Tie = tuple[str, str, int]


@dataclasses.dataclass(frozen=True)
class Assignment:
    """The processors of every tensor.

    Attributes:
        maps: by tensor; bit i is processor i.
        conflicts: tensors that two readers want on different processors, or that
            reach beyond the last one.
    """

    maps: Mapping[str, int]
    conflicts: tuple[str, ...]


def assign(network: draft.Network, spec: specs.Spec) -> Assignment:
    """Processors of all tensors; the first of two wishes counts where they conflict.

    `network.maps` come before both.
    """
    channels = {network.inputs[0]: network.in_channels}
    channels |= {layer.output: layer.out_channels for layer in network.layers}
    channels |= {each.output: each.channels for each in network.concatenations}
    neighbors: dict[str, list[tuple[str, int]]] = {name: [] for name in channels}
    for one, other, difference in _ties(network, spec):
        if one in channels and other in channels:
            neighbors[one].append((other, difference))
            neighbors[other].append((one, -difference))
    first: dict[str, int] = {}
    conflicts = []
    for name in channels:
        if name in first:
            continue
        component = {name: 0}
        waiting = [name]
        for one in waiting:
            for other, difference in neighbors[one]:
                place = component[one] + difference
                if component.setdefault(other, place) != place:
                    conflicts.append(other)
                elif other not in waiting:
                    waiting.append(other)
        lowest = min(component.values())
        first |= {each: place - lowest for each, place in component.items()}
    for name, place in first.items():
        width = geometry.processors_of_pass(channels[name], spec)
        if place + width > spec.processors:
            conflicts.append(name)
            first[name] = 0
    maps = {
        name: geometry.packed_map(channels[name], first=first[name], spec=spec)
        for name in channels
    }
    if network.input_format == "CHW":
        maps[network.inputs[0]] = sum(
            1 << spec.processors_per_memory * channel
            for channel in range(network.in_channels)
        )
    return Assignment(maps | network.maps, tuple(dict.fromkeys(conflicts)))


def _ties(network: draft.Network, spec: specs.Spec) -> Iterator[_Tie]:
    for layer in network.layers:
        if not layer.convolves:
            # Data that passes through stays with its processors.
            yield layer.operands[0], layer.output, 0
        for other in layer.operands[1:]:
            yield layer.operands[0], other, 0
    for each in network.concatenations:
        share = geometry.processors_of_pass(each.channels, spec)
        offset = 0
        for name, channels in each.parts:
            yield each.output, name, offset % share
            offset += channels
