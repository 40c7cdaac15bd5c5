"""Which processors hold each tensor: packed from the first, parts side by side.

Of more than 64 channels, channel c lies with processor c mod p in pass c div p, where p
is a pass's share of the channels, rounded up to four (ai8x-synthesis ab4f4c0). Where a
map begins costs nothing, as long as it is at a multiple of four; but a processor keeps
the kernels of every layer that reads from it, so that starting all maps at the first
one fills its weight memory and leaves others empty.
"""

import collections
import dataclasses
import math
from collections.abc import Iterator, Mapping

from tfpipeline.targets.max78000 import draft, geometry
from tfpipeline.targets.max78000 import spec as specs

# Tensors whose first processors differ by so many: (one, the other, difference).
_Tie = tuple[str, str, int]
# First processors of tensors that are tied together, the lowest of them 0.
_Group = dict[str, int]


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


def assign(
    network: draft.Network, spec: specs.Spec, *, spread: bool = False
) -> Assignment:
    """Processors of all tensors; the first of two wishes counts where they conflict.

    Args:
        network: whose `maps` come before what is found here.
        spec: the device.
        spread: begin at the processors with the fewest kernels so far, the tensors with
            the most kernels first, instead of at the first processor.
    """
    channels = {network.inputs[0]: network.in_channels}
    channels |= {layer.output: layer.out_channels for layer in network.layers}
    channels |= {each.output: each.channels for each in network.concatenations}
    widths = {n: geometry.processors_of_pass(c, spec) for n, c in channels.items()}
    groups, conflicts = _groups(network, widths, spec)
    starts = _spread(network, groups, widths, spec) if spread else [0] * len(groups)
    maps = {}
    for group, start in zip(groups, starts, strict=True):
        for name, place in group.items():
            first = start + place
            if first + widths[name] > spec.processors:
                conflicts.append(name)
                first = 0
            maps[name] = geometry.packed_map(channels[name], first=first, spec=spec)
    if network.input_format == "CHW":
        maps[network.inputs[0]] = sum(
            1 << spec.processors_per_memory * channel
            for channel in range(network.in_channels)
        )
    return Assignment({**maps, **network.maps}, tuple(dict.fromkeys(conflicts)))


def _groups(
    network: draft.Network, widths: Mapping[str, int], spec: specs.Spec
) -> tuple[list[_Group], list[str]]:
    """Tensors that are tied together, and those whose ties contradict each other."""
    neighbors: dict[str, list[tuple[str, int]]] = {name: [] for name in widths}
    for one, other, difference in _ties(network, spec):
        if one in widths and other in widths:
            neighbors[one].append((other, difference))
            neighbors[other].append((one, -difference))
    groups: list[_Group] = []
    conflicts: list[str] = []
    found: set[str] = set()
    for name in widths:
        if name in found:
            continue
        places = {name: 0}
        waiting = collections.deque([name])
        while waiting:
            one = waiting.popleft()
            for other, difference in neighbors[one]:
                place = places[one] + difference
                if other not in places:
                    places[other] = place
                    waiting.append(other)
                elif places[other] != place:
                    conflicts.append(other)
        lowest = min(places.values())
        groups.append({each: place - lowest for each, place in places.items()})
        found |= places.keys()
    return groups, conflicts


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


def _spread(
    network: draft.Network,
    groups: list[_Group],
    widths: Mapping[str, int],
    spec: specs.Spec,
) -> list[int]:
    """First processors of the groups; that of the input stays at the first one."""
    weights = _kernel_bits(network, spec)
    loads = [0] * spec.processors
    starts = [0] * len(groups)

    def order(index: int) -> tuple[bool, int]:
        holds_input = network.inputs[0] in groups[index]
        return not holds_input, -sum(weights[name] for name in groups[index])

    for index in sorted(range(len(groups)), key=order):
        group = groups[index]
        width = max(place + widths[name] for name, place in group.items())
        room = spec.processors - width
        is_fixed = network.inputs[0] in group or room < 0
        choices = range(0, 1 if is_fixed else room + 1, spec.processors_per_memory)

        def fullness(
            start: int, group: _Group = group, width: int = width
        ) -> tuple[int, int, int]:
            fullest = max(
                max(loads[start + p : start + p + widths[n]], default=0) + weights[n]
                for n, p in group.items()
            )
            # Groups of one width side by side leave no gaps that are too narrow.
            return fullest, start % width, start

        starts[index] = min(choices, key=fullness)
        for name, place in group.items():
            first = starts[index] + place
            for processor in range(first, min(first + widths[name], len(loads))):
                loads[processor] += weights[name]
    return starts


def _kernel_bits(network: draft.Network, spec: specs.Spec) -> collections.Counter[str]:
    """Bits of the kernels that each processor of a tensor keeps for its readers."""
    bits: collections.Counter[str] = collections.Counter()
    for layer in network.layers:
        if layer.convolves:
            kernels = geometry.passes(layer.in_channels, spec) * layer.out_channels
            if layer.flatten:
                kernels *= math.prod(layer.in_dim)
            size = math.prod(layer.kernel) * layer.weight_bits
            bits[layer.operands[0]] += kernels * size
    return bits
