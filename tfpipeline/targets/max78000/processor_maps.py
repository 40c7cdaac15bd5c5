"""Which processors hold each tensor: packed from the first, parts side by side.

Of more than 64 channels, channel c lies with processor c mod p in pass c div p, where p
is a pass's share of the channels, rounded up to four (ai8x-synthesis ab4f4c0). Where a
map begins costs nothing, as long as it is at a multiple of four; but a processor keeps
the kernels of every layer that reads from it, and four share a data memory, so that
starting all maps at the first one fills these and leaves others empty.
"""

import collections
import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tfpipeline.targets.max78000 import draft, geometry
from tfpipeline.targets.max78000 import spec as specs

# Where tensors begin: all at the first processor; where the fewest kernels are so far;
# where the least data are. The first that fits is to be taken.
PACKED, BY_KERNELS, BY_DATA = STRATEGIES = ("packed", "by_kernels", "by_data")

# Tensors whose first processors differ by so many: (one, the other, difference).
_Tie = tuple[str, str, int]
# First processors of tensors that are tied together, the lowest of them 0.
_Group = dict[str, int]
_Integers = npt.NDArray[np.int64]


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
    network: draft.Network, spec: specs.Spec, strategy: str = PACKED
) -> Assignment:
    """Processors of all tensors; the first of two wishes counts where they conflict.

    Args:
        network: whose `maps` come before what is found here.
        spec: the device.
        strategy: one of `STRATEGIES`.
    """
    channels = {network.inputs[0]: network.in_channels}
    channels |= {layer.output: layer.out_channels for layer in network.layers}
    channels |= {each.output: each.channels for each in network.concatenations}
    widths = {n: geometry.processors_of_pass(c, spec) for n, c in channels.items()}
    groups, conflicts = _groups(network, widths, spec)
    starts = [0] * len(groups)
    if strategy != PACKED:
        data_first = strategy == BY_DATA
        starts = _spread(network, groups, widths, spec, data_first=data_first)
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
            offset += channels if each.along == draft.CHANNELS else 0


def _spread(
    network: draft.Network,
    groups: Sequence[_Group],
    widths: Mapping[str, int],
    spec: specs.Spec,
    *,
    data_first: bool,
) -> list[int]:
    """First processors of the groups; that of the input stays at the first one."""
    loads = _Loads(network, widths, spec)
    sizes = {name: life.size for name, life in loads.lives.items()}
    weights = sizes if data_first else loads.weights

    def order(index: int) -> tuple[bool, int]:
        holds_input = network.inputs[0] in groups[index]
        return not holds_input, -sum(weights.get(name, 0) for name in groups[index])

    starts = [0] * len(groups)
    for index in sorted(range(len(groups)), key=order):
        group = groups[index]
        width = max(place + widths[name] for name, place in group.items())
        room = spec.processors - width
        choices = [0]
        if network.inputs[0] not in group and room >= 0:
            choices = list(range(0, room + 1, spec.processors_per_memory))
        ranks = []
        for start in choices:
            kernels, data = loads.peaks(group, start)
            excess = max(0, data - spec.memory_instance_bytes)
            # Groups of one width side by side leave no gaps that are too narrow.
            first = data if data_first else excess
            ranks.append((first, kernels, start % width, start))
        starts[index] = min(ranks)[-1]
        loads.add(group, starts[index])
    return starts


class _Loads:
    """What lies in the memories of the processors and of their instances so far."""

    def __init__(
        self, network: draft.Network, widths: Mapping[str, int], spec: specs.Spec
    ):
        instances = spec.processors // spec.processors_per_memory
        self.weights = _kernel_bits(network, spec)
        self.lives = _lives(network, spec)
        self._widths = widths
        self._size = spec.processors_per_memory
        self._kernels = np.zeros(spec.processors, np.int64)
        # By step, with the input's and the end's, and by memory instance.
        self._data = np.zeros((len(network.layers) + 2, instances), np.int64)

    def peaks(self, group: _Group, start: int) -> tuple[int, int]:
        """Bits of kernels and bytes of data where a group would lie, at the fullest."""
        kernels, data = self._shares(group, start)
        return _peak(self._kernels, kernels), _peak(self._data, data)

    def add(self, group: _Group, start: int) -> None:
        """Puts a group to its place."""
        kernels, data = self._shares(group, start)
        self._kernels += kernels
        self._data += data

    def _shares(self, group: _Group, start: int) -> tuple[_Integers, _Integers]:
        kernels, data = np.zeros_like(self._kernels), np.zeros_like(self._data)
        for name, place in group.items():
            first = start + place
            end = first + self._widths[name]
            kernels[first:end] += self.weights[name]
            if name in self.lives:
                life = self.lives[name]
                instances = slice(first // self._size, math.ceil(end / self._size))
                data[life.first : life.last + 1, instances] += life.size
        return kernels, data


def _peak(before: _Integers, more: _Integers) -> int:
    return int(((before + more) * (more > 0)).max())


@dataclasses.dataclass(frozen=True)
class _Life:
    """Bytes of a tensor in each memory instance; the steps that it is needed in."""

    size: int
    first: int
    last: int


def _lives(network: draft.Network, spec: specs.Spec) -> dict[str, _Life]:
    """Of the input, whose step is 0, and of each layer's output."""
    parts = {
        each.output: [name for name, _ in each.parts] for each in network.concatenations
    }
    last: dict[str, int] = {}
    reads = [*(layer.operands for layer in network.layers), network.outputs]
    for step, names in enumerate(reads, start=1):
        every = itertools.chain.from_iterable(parts.get(n, [n]) for n in names)
        last |= dict.fromkeys(every, step)

    def life(name: str, step: int, pixels: int, channels: int, width: int) -> _Life:
        size = pixels * geometry.passes(channels, spec) * spec.processors_per_memory
        return _Life(size * width // 8, step, last.get(name, step))

    lives = {}
    pixels = math.prod(network.in_dim)
    if network.input_format == "CHW":
        pixels = math.ceil(pixels / spec.processors_per_memory)
    name = network.inputs[0]
    lives[name] = life(name, 0, pixels, network.in_channels, 8)
    # Of what streams, only a few rows are there.
    passing = {layer.operands[0] for layer in network.layers if layer.streaming}
    for step, layer in enumerate(network.layers, start=1):
        pixels, name = math.prod(layer.out_dim), layer.output
        lives[name] = life(name, step, pixels, layer.out_channels, layer.output_width)
    return {name: found for name, found in lives.items() if name not in passing}


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
