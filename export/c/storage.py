"""Where activations and scratch memory of a network in C lie in its arena.

Of a graph in patches, most tensors are parts of others (`patches.Patched.inside`). Two
are there in pieces that live as long as they are needed: the input, whose rows are read
for the last time one after the other, and what the patches are patches of, whose rows
are written one after the other. So the latter may lie where the former was: `_apart`
says how far below it must begin.
"""

import collections
import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from export.c import patches, weighted_layers
from tfpipeline.cost import activations, arena_planner, liveness, memory_plan
from tfpipeline.ir import graph


@dataclasses.dataclass(frozen=True, eq=False)
class Storage:
    """A plan, and the bytes at which activations and scratch memory begin in it.

    Attributes:
        plan: of the arena.
        offsets: of each activation by its name.
        scratch: of each layer that has scratch memory, by its name.
    """

    plan: memory_plan.Plan
    offsets: Mapping[str, int]
    scratch: Mapping[str, int]


@dataclasses.dataclass(frozen=True, eq=False)
class Needs:
    """What a graph in patches needs memory for.

    Attributes:
        buffers: of tensors that are no part of others, of pieces, and scratch memory.
        fixed: index of a buffer -> its place, where pieces lie beside each other.
        origins: tensors that are there in pieces, and where they begin.
    """

    buffers: tuple[liveness.Buffer, ...]
    fixed: Mapping[int, int]
    origins: Mapping[str, int]

    @property
    def bound_bytes(self) -> int:
        """No plan needs fewer."""
        return liveness.lower_bound_bytes(self.buffers)


def planned(g: graph.Graph) -> Storage:
    """Our plan of a graph that is computed layer by layer."""
    buffers = activations.find_buffers(g, scratch=weighted_layers.scratch_bytes)
    plan = arena_planner.plan_arena(buffers)
    return _stored(g, plan, {}, {})


def needs(found: patches.Patched) -> tuple[Needs, ...]:
    """What a graph in patches needs, with input and result apart and, where that is
    possible, with one where the other was."""
    buffers = activations.find_buffers(found.g, scratch=weighted_layers.scratch_bytes)
    by_name = {buffer.name: buffer for buffer in buffers}
    whole = _roots(found, by_name)
    apart = Needs(tuple(whole.values()), {}, {})
    source = _overwritten(found)
    if source is None:
        return (apart,)
    pieces = {
        found.output: _written_pieces(found, by_name),
        source: _read_pieces(found, source),
    }
    begins = {found.output: 0, source: _apart(*pieces.values())}
    joined: list[liveness.Buffer] = []
    fixed: dict[int, int] = {}
    for name, parts in pieces.items():
        for at, buffer in parts:
            fixed[len(joined)] = begins[name] + at
            joined.append(buffer)
    joined += [buffer for name, buffer in whole.items() if name not in pieces]
    return (apart, Needs(tuple(joined), fixed, begins))


def bound_bytes(found: patches.Patched) -> int:
    """No plan of a graph in patches needs fewer."""
    return min(needed.bound_bytes for needed in needs(found))


def smallest(found: patches.Patched) -> Storage:
    """Our plan of a graph in patches: for that of its `needs` which takes least."""
    best: Storage | None = None
    for needed in sorted(needs(found), key=lambda each: each.bound_bytes):
        if best is None or needed.bound_bytes < best.plan.peak_bytes:
            stored = planned_for(found, needed)
            if best is None or stored.plan.peak_bytes < best.plan.peak_bytes:
                best = stored
    assert best is not None
    return best


def planned_for(found: patches.Patched, needed: Needs) -> Storage:
    """Our plan of a graph in patches for one of its `needs`."""
    plan = arena_planner.plan_around(needed.buffers, needed.fixed)
    return _stored(found.g, plan, found.inside, needed.origins)


def _stored(
    g: graph.Graph,
    plan: memory_plan.Plan,
    inside: patches.Inside,
    origins: Mapping[str, int],
) -> Storage:
    places = {
        buffer.name: offset
        for buffer, offset in zip(plan.buffers, plan.offsets, strict=True)
    } | dict(origins)
    names = [n for n in graph.tensor_names(g) if n in places or n in inside]
    offsets = {}
    for name in names:
        root, at = _root(inside, name)
        offsets[name] = places[root] + at
    scratch = {}
    for layer in g.layers:
        if weighted_layers.scratch_bytes(g, layer):
            scratch[layer.name] = places[f"{layer.name}/scratch0"]
    return Storage(plan, offsets, scratch)


def _root(inside: patches.Inside, name: str) -> tuple[str, int]:
    """The tensor that holds another one and is no part itself, and where."""
    at = 0
    while name in inside:
        name, more = inside[name]
        at += more
    return name, at


def _roots(
    found: patches.Patched, buffers: Mapping[str, liveness.Buffer]
) -> dict[str, liveness.Buffer]:
    """What is no part of another tensor, for as long as it or any part is used."""
    members = collections.defaultdict(list)
    for name, buffer in buffers.items():
        members[_root(found.inside, name)[0]].append(buffer)
    return {
        root: dataclasses.replace(
            buffers[root],
            first_use=min(buffer.first_use for buffer in living),
            last_use=max(buffer.last_use for buffer in living),
        )
        for root, living in members.items()
    }


def _overwritten(found: patches.Patched) -> str | None:
    """The input that the patches read, if nothing reads it after them."""
    part = found.whole.layers[: found.num_layers]
    read = [name for layer in part for name in layer.inputs]
    read = [name for name in dict.fromkeys(read) if name in found.whole.inputs]
    later = {n for x in found.whole.layers[found.num_layers :] for n in x.inputs}
    later |= set(found.whole.outputs)
    free = [name for name in read if name not in later]
    return max(free, key=lambda n: _num_bytes(found.whole, n), default=None)


def _num_bytes(g: graph.Graph, name: str) -> int:
    tensor = g.tensors[name]
    return tensor.num_elements * np.dtype(tensor.dtype).itemsize


# Parts of a tensor: from which byte on, and the buffer; multiples of 16 bytes.
_Pieces = Sequence[tuple[int, liveness.Buffer]]


def _written_pieces(
    found: patches.Patched, buffers: Mapping[str, liveness.Buffer]
) -> _Pieces:
    """The patches' results: from when each is written, as long as any is read.

    16 bytes in which two meet are those of the earlier one.
    """
    last = buffers[found.output].last_use
    parts = [
        (at, buffers[name])
        for name, (root, at) in found.inside.items()
        if root == found.output
    ]
    starts = [_rounded_up(at) for at, _ in parts]
    stops = [*starts[1:], _rounded_up(_num_bytes(found.g, found.output))]
    return [
        (start, liveness.Buffer(buffer.name, stop - start, buffer.first_use, last))
        for start, stop, (_, buffer) in zip(starts, stops, parts, strict=True)
        if stop > start
    ]


def _read_pieces(found: patches.Patched, source: str) -> _Pieces:
    """The rows of an input, those together that are read for the last time together.

    16 bytes in which two meet are those of the later one. A row that is given up before
    one above it is kept as long as that.
    """
    g = found.g
    height = g.tensors[source].shape[1]
    row = _num_bytes(g, source) // height
    last = [0] * height
    views = {name: at for name, (root, at) in found.inside.items() if root == source}
    for time, layer in enumerate(g.layers, start=1):
        # A slice only says where rows lie.
        read = () if layer.output in views else layer.inputs
        for name in read:
            if name == source or name in views:
                first = views.get(name, 0) // row
                end = first + g.tensors[name].shape[1]
                last[first:end] = [time] * (end - first)
    last = list(itertools.accumulate(last, max))
    firsts = [i for i in range(height) if i == 0 or last[i] != last[i - 1]]
    starts = [first * row // _UNIT * _UNIT for first in firsts]
    stops = [*starts[1:], _rounded_up(height * row)]
    return [
        (
            start,
            liveness.Buffer(f"{source}/byte{start}", stop - start, 0, last[first]),
        )
        for first, start, stop in zip(firsts, starts, stops, strict=True)
        if stop > start
    ]


def _apart(written: _Pieces, read: _Pieces) -> int:
    """Bytes from the written tensor's beginning to that of the read one.

    Whatever is written ends where, or before, what is still read begins.
    """
    least = 0
    for at, buffer in written:
        unread = [start for start, piece in read if piece.overlaps(buffer)]
        if unread:
            least = max(least, at + buffer.bytes - min(unread))
    return least


_UNIT = liveness.ALIGNMENT


def _rounded_up(size: int) -> int:
    return -(-size // _UNIT) * _UNIT
