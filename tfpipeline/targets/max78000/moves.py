"""Layers that bring a tensor to other processors, and change nothing of it.

Data that passes through a layer without weights stays with its processors, so that two
concatenations or sums may want a tensor in two places. A 1x1 convolution by one, of
each channel alone, writes the same integers wherever its output shall lie: 64 times a
value, shifted left by one place, is 128 times it, which the device rounds to the value
itself. So is 32 times, shifted by two, and so on: each move has another one, because
the tool stores equal kernels once, and its `--log-intermediate` fails then.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import draft, joins, processor_maps
from tfpipeline.targets.max78000 import spec as specs

KIND = "Move"
# Kernels of 64, 32, ... 1.
MOST = 7


def identity(number: int, channels: int) -> tuple[graph.Array, int]:
    """The kernel of a network's move by its number, and its output shift.

    Args:
        number: below MOST.
        channels: of the tensor.

    Returns:
        int8 `[channels, 1, 1, channels]`, and the places by which results move up.
    """
    kernel: graph.Array = (64 >> number) * np.eye(channels, dtype=np.int8)
    return kernel[:, None, None, :], number + 1


def with_moves(network: draft.Network, spec: specs.Spec) -> draft.Network:
    """The network with a move in front of each join that wants a tensor elsewhere.

    One after another, at most MOST, each where it settles most; what no move settles
    stays for the constraints to tell.
    """
    lacking = _conflicts(network, spec)
    for _ in range(MOST if lacking else 0):
        choices = [network, *_moved(network)]
        counts = [_conflicts(each, spec) for each in choices]
        # Which settles nothing is the first.
        best = counts.index(min(counts))
        if best == 0:
            break
        lacking, network = counts[best], choices[best]
        if not lacking:
            break
    return network


def _conflicts(network: draft.Network, spec: specs.Spec) -> int:
    return len(processor_maps.assign(network, spec).conflicts)


def _moved(network: draft.Network) -> Iterator[draft.Network]:
    """The network with one move more, for each join and each thing that it reads."""
    if len(network.inputs) != 1 or any(
        not each.is_possible for each in network.concatenations
    ):
        return
    for layer in network.layers:
        if layer.kind == joins.COPY:
            yield _replaced(network, layer, _as_move(layer))
    for index, whole in enumerate(network.concatenations):
        for position, (name, channels) in enumerate(whole.parts):
            move = joins.copied(network, name, f"{whole.name}/moved_{position}")
            parts = list(whole.parts)
            parts[position] = (move.output, channels)
            others = list(network.concatenations)
            others[index] = dataclasses.replace(whole, parts=tuple(parts))
            yield dataclasses.replace(
                joins.inserted(network, _as_move(move), name),
                concatenations=tuple(others),
            )
    for layer in network.layers:
        if layer.convolves and len(layer.operands) == 1:
            continue
        for position, name in enumerate(layer.operands):
            move = joins.copied(network, name, f"{layer.name}/moved_{position}")
            operands = list(layer.operands)
            operands[position] = move.output
            changed = dataclasses.replace(layer, operands=tuple(operands))
            yield joins.inserted(
                _replaced(network, layer, changed), _as_move(move), name
            )


def _as_move(copy: draft.Layer) -> draft.Layer:
    is_line = copy.in_dim[1] == 1 < copy.in_dim[0]
    operator = "conv1d" if is_line else "conv2d"
    return dataclasses.replace(copy, kind=KIND, operator=operator)


def _replaced(
    network: draft.Network, layer: draft.Layer, other: draft.Layer
) -> draft.Network:
    layers = (other if each is layer else each for each in network.layers)
    return dataclasses.replace(network, layers=tuple(layers))
