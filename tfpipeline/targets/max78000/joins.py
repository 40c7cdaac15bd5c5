"""Copies of tensors that several layers want in different places.

The operands of an element-wise operation lie interleaved in the data memory, and so do
the parts of a concatenation of more channels than processors. Other layers cannot read
data with gaps (`read_gap`, on MAX78002 only), so that what they read as well is copied
by a layer that does nothing else, as in the vendor's networks.

The tool joins channels where all parts have the same rows and columns, else pixels; so
that where pixels are joined of parts alike, a copy gives one of them another shape.

One row of pixels is a column to some layers. Where a layer reads one tensor, the tool's
`in_dim` turns it; where it reads several, that counts the pixels of all of them (tool:
izer.py), so that copies turn them beforehand.
"""

import collections
import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping

from tfpipeline.targets.max78000 import draft
from tfpipeline.targets.max78000 import spec as specs

Parts = Mapping[str, tuple[str, ...]]

# The kind of a layer that copies.
COPY = "Copy"


def with_copies(network: draft.Network, spec: specs.Spec) -> draft.Network:
    """The network with a copy of each tensor that cannot lie as all its readers want.

    A copy comes right behind the layers that write what it copies, as in the vendor's
    networks. The tool takes neither a concatenation as an operand or a part of another,
    nor the input as a part of one; these are copied too.
    """
    if not _is_closed(network):
        # The device cannot run it anyway.
        return network
    return _for_concatenations(_for_sums(_turned(network, spec)), spec)


def _is_closed(network: draft.Network) -> bool:
    """Whether all that is read is the input, or written by a layer."""
    parts = [name for each in network.concatenations for name, _ in each.parts]
    known = {*network.inputs, *(layer.output for layer in network.layers)}
    known |= _parts(network).keys()
    return (
        len(network.inputs) == 1
        and known.issuperset([*parts, *_listed(network)])
        and all(each.is_possible for each in network.concatenations)
    )


def _turned(network: draft.Network, spec: specs.Spec) -> draft.Network:
    """The network with the rows and columns of all that a layer reads the same.

    But of pixels that are joined, which the tool takes for channels then.
    """
    read = {*_listed(network)}
    for index, each in enumerate(network.concatenations):
        if each.output not in read:
            # Another, which has its parts, is read instead.
            continue
        if each.along == draft.PIXELS:
            network = _with_unequal_parts(network, index, spec)
        else:
            network = _with_equal_parts(network, index)
    # Sums follow what they read, which may be sums.
    reads = _Reads.of(network)
    for layer in network.layers:
        # A layer is changed in its own turn alone.
        if not reads.is_settled(layer):
            network = _with_equal_sources(network, layer.output)
            reads = _Reads.of(network)
    return network


@dataclasses.dataclass(frozen=True)
class _Reads:
    """What layers find where they read.

    Attributes:
        shapes: channels, rows and columns of every tensor.
        parts: of every concatenation.
        joined: concatenations of channels.
    """

    shapes: Mapping[str, tuple[int, draft.Pair]]
    parts: Parts
    joined: Collection[str]

    @classmethod
    def of(cls, network: draft.Network) -> "_Reads":
        """Of all layers."""
        joined = {e.output for e in network.concatenations if e.along != draft.PIXELS}
        return cls(_shapes(network), _parts(network), joined)

    def dims(self, layer: draft.Layer) -> list[draft.Pair]:
        """Rows and columns of what a layer reads."""
        return [self.shapes[name][1] for name in layer.operands]

    def is_settled(self, layer: draft.Layer) -> bool:
        """Whether a layer reads all with one shape, or nothing can be done about it."""
        dims = self.dims(layer)
        is_single = len(layer.operands) == 1 and layer.operands[0] not in self.joined
        is_turned = all(math.prod(dim) == math.prod(layer.in_dim) for dim in dims)
        return is_single or not is_turned or {*dims} == {layer.in_dim}


def _with_equal_parts(network: draft.Network, index: int) -> draft.Network:
    """Copies turn the parts of a concatenation that are not as its readers want."""
    each = network.concatenations[index]
    shapes = _shapes(network)
    dims = [shapes[name][1] for name, _ in each.parts]
    if len({*dims}) == 1 or len({sorted(dim) == sorted(dims[0]) for dim in dims}) > 1:
        return network
    wanted = [layer.in_dim for layer in network.layers if each.output in layer.operands]
    dim = next((d for d in wanted if d in dims), dims[0])
    layers, parts = list(network.layers), list(each.parts)
    for position, (name, channels) in enumerate(each.parts):
        if dims[position] != dim:
            copy = copied(network, name, f"{each.name}/turned_{position}", dim)
            _insert(layers, copy, _leaves(_parts(network), name))
            parts[position] = (copy.output, channels)
    concatenations = list(network.concatenations)
    concatenations[index] = dataclasses.replace(each, parts=tuple(parts))
    return dataclasses.replace(
        network, layers=tuple(layers), concatenations=tuple(concatenations)
    )


def _with_unequal_parts(
    network: draft.Network, index: int, spec: specs.Spec
) -> draft.Network:
    """A copy of the last part has other rows and columns, where all have the same.

    Of the last but the input, whose rows and columns are those of the first layer.
    """
    each, shapes = network.concatenations[index], _shapes(network)
    if len({shapes[part][1] for part, _ in each.parts}) > 1:
        return network
    names = [name for name, _ in each.parts]
    written = [i for i, name in enumerate(names) if name not in network.inputs]
    position = max(written, default=len(names) - 1)
    name, channels = each.parts[position]
    dim = _another_dim(shapes[name][1], spec.max_dim)
    copy = copied(network, name, f"{each.name}/turned_{position}", dim)
    layers, concatenations = list(network.layers), list(network.concatenations)
    _insert(layers, copy, _leaves(_parts(network), name))
    parts = list(each.parts)
    parts[position] = (copy.output, channels)
    concatenations[index] = dataclasses.replace(each, parts=tuple(parts))
    return dataclasses.replace(
        network, layers=tuple(layers), concatenations=tuple(concatenations)
    )


def _another_dim(dim: draft.Pair, most: int) -> draft.Pair:
    """Other rows and columns of as many pixels; the same if there are none."""
    pixels = math.prod(dim)
    found = [(pixels // n, n) for n in range(1, most + 1) if pixels % n == 0]
    choices = [(dim[1], dim[0]), *found]
    return next((c for c in choices if c != dim and max(c) <= most), dim)


def _with_equal_sources(network: draft.Network, output: str) -> draft.Network:
    """Lets the layer that writes a tensor read all it reads with one shape."""
    reads = _Reads.of(network)
    layer = next(each for each in network.layers if each.output == output)
    if reads.is_settled(layer):
        return network
    dims, parts = reads.dims(layer), reads.parts
    is_sum = layer.eltwise is not None and not layer.convolves
    if is_sum and not layer.pools and len({*dims}) == 1:
        changed = dataclasses.replace(layer, in_dim=dims[0], out_dim=dims[0])
        layers = [changed if each is layer else each for each in network.layers]
        return dataclasses.replace(network, layers=tuple(layers))
    layers, operands = list(network.layers), list(layer.operands)
    for position, name in enumerate(layer.operands):
        if dims[position] == layer.in_dim:
            continue
        # What reads a concatenation cannot turn it, what reads the copy can.
        is_whole = name in parts
        dim = dims[position] if is_whole else layer.in_dim
        copy = copied(network, name, f"{layer.name}/turned_{position}", dim)
        _insert(layers, copy, _leaves(parts, name))
        operands[position] = copy.output
    changed = dataclasses.replace(layer, operands=tuple(operands))
    layers = [changed if each is layer else each for each in layers]
    network = dataclasses.replace(network, layers=tuple(layers))
    # The copy of a whole is turned by another, where it is one of several operands.
    return network if len(operands) == 1 else _with_equal_sources(network, output)


def _for_sums(network: draft.Network) -> draft.Network:
    reads, parts, shapes = _reads(network), _parts(network), _shapes(network)
    writers = {layer.output: index for index, layer in enumerate(network.layers)}
    layers: list[draft.Layer] = []
    # By the layer that copies come right behind, the first of them first; the input's
    # are behind none.
    copies: dict[int, list[draft.Layer]] = collections.defaultdict(list)
    for layer in network.layers:
        operands = list(layer.operands)
        is_sum = len(operands) > 1 and not layer.broadcasts
        for position, name in enumerate(layer.operands):
            if is_sum and (reads[name] > 1 or name in parts):
                copy = _copy(name, f"{layer.name}/copy_{position}", *shapes[name])
                leaves = _leaves(parts, name)
                behind = max(writers.get(leaf, -1) for leaf in leaves)
                copies[behind].insert(0, copy)
                operands[position] = copy.output
        layers.append(dataclasses.replace(layer, operands=tuple(operands)))
    whole = copies[-1]
    for index, layer in enumerate(layers):
        whole += [layer, *copies[index]]
    return dataclasses.replace(network, layers=tuple(whole))


def _for_concatenations(network: draft.Network, spec: specs.Spec) -> draft.Network:
    layers = list(network.layers)
    concatenations: list[draft.Concatenation] = []
    read, ways, wholes = {*_listed(network)}, _ways(network), _parts(network)
    # Long dilated ones write rubbish around their pixels (`geometry.is_folded_1d`).
    ragged = {each.output for each in network.layers if each.dilation != (1, 1)}
    for each in network.concatenations:
        changed = list(each.parts)
        names = tuple(name for name, _ in each.parts)
        for position, (name, channels) in enumerate(each.parts):
            is_shared = len(ways[name]) > 1 or names.count(name) > 1
            if each.output in read and (
                name in network.inputs
                or name in wholes
                or (each.along == draft.PIXELS and (is_shared or name in ragged))
                or (is_shared and each.channels > spec.processors)
                or (is_shared and not _extends(names, name, concatenations))
            ):
                copy = copied(network, name, f"{each.name}/copy_{position}")
                _insert(layers, copy, _leaves(wholes, name))
                changed[position] = (copy.output, channels)
        concatenations.append(dataclasses.replace(each, parts=tuple(changed)))
        wholes = {**wholes, each.output: tuple(name for name, _ in changed)}
    return dataclasses.replace(
        network, layers=tuple(layers), concatenations=tuple(concatenations)
    )


def _extends(
    names: tuple[str, ...], part: str, earlier: list[draft.Concatenation]
) -> bool:
    """Whether all earlier concatenations of a part begin as this one, or it as they."""
    others = [tuple(name for name, _ in each.parts) for each in earlier]
    return all(
        names[: len(other)] == other[: len(names)] for other in others if part in other
    )


def _reads(network: draft.Network) -> collections.Counter[str]:
    """How often each tensor is read: by layers, by concatenations, as an output."""
    names = [name for layer in network.layers for name in layer.operands]
    names += [name for each in network.concatenations for name, _ in each.parts]
    return collections.Counter([*names, *network.outputs])


def _ways(network: draft.Network) -> Mapping[str, set[str]]:
    """For each tensor, by which names it is read: its own, those of concatenations."""
    parts = _parts(network)
    result: dict[str, set[str]] = collections.defaultdict(set)
    for name in _listed(network):
        for part in parts.get(name, (name,)):
            result[part].add(name)
    return result


def _listed(network: draft.Network) -> tuple[str, ...]:
    """Names of what is read: by layers, as an output; wholes as parts of such too."""
    names = [name for layer in network.layers for name in layer.operands]
    names += network.outputs
    parts = _parts(network)
    for name in dict.fromkeys(names):
        names += _wholes(parts, name)
    return tuple(names)


def _wholes(parts: Parts, name: str) -> Iterator[str]:
    """The wholes that are parts of a whole, and those that are parts of them."""
    for part in parts.get(name, ()):
        if part in parts:
            yield part
            yield from _wholes(parts, part)


def _parts(network: draft.Network) -> Parts:
    return {
        each.output: tuple(name for name, _ in each.parts)
        for each in network.concatenations
    }


def _leaves(parts: Parts, name: str) -> tuple[str, ...]:
    """The tensors that layers write, of which a whole is made; else the tensor."""
    if name not in parts:
        return (name,)
    return tuple(leaf for part in parts[name] for leaf in _leaves(parts, part))


def inserted(network: draft.Network, layer: draft.Layer, name: str) -> draft.Network:
    """The network with a layer behind those that write what it reads."""
    layers = list(network.layers)
    _insert(layers, layer, _leaves(_parts(network), name))
    return dataclasses.replace(network, layers=tuple(layers))


def _insert(
    layers: list[draft.Layer], copy: draft.Layer, sources: tuple[str, ...]
) -> None:
    writers = [i for i, each in enumerate(layers) if each.output in sources]
    layers.insert(max(writers, default=-1) + 1, copy)


def copied(
    network: draft.Network, name: str, copy: str, dim: draft.Pair | None = None
) -> draft.Layer:
    """A layer called `copy` that passes a tensor on, read with rows and columns `dim`.

    Those of the tensor are taken where none are given.
    """
    channels, shape = _shapes(network)[name]
    return _copy(name, copy, channels, dim or shape)


def _copy(name: str, copy: str, channels: int, dim: draft.Pair) -> draft.Layer:
    return draft.Layer(
        kind=COPY,
        name=copy,
        operator="passthrough",
        operands=(name,),
        output=f"{copy}/output",
        in_channels=channels,
        in_dim=dim,
        out_channels=channels,
        out_dim=dim,
    )


def _shapes(network: draft.Network) -> dict[str, tuple[int, draft.Pair]]:
    shapes = {network.inputs[0]: (network.in_channels, network.in_dim)}
    for layer in network.layers:
        shapes[layer.output] = (layer.out_channels, layer.out_dim)
    for each in network.concatenations:
        _, dim = shapes[each.parts[0][0]]
        dim = each.dim if each.along == draft.PIXELS else dim
        shapes[each.output] = (each.channels, dim)
    return shapes
