"""Where the data of a program lie while C computes it on a PC.

This is not the plan of the chip's L2: weights are constants here, and nothing is moved.
"""

import dataclasses
from collections.abc import Mapping

from tfpipeline.cost import arena_planner, liveness
from tfpipeline.targets.gap8 import program, program_steps


@dataclasses.dataclass(frozen=True)
class Arena:
    """Offsets of all tensors, and the size of the array, in elements.

    Attributes:
        offsets: of each tensor by name.
        elements: of the array.
        moved: concatenations' inputs that have to be copied, by the layer's name; the
            others are written where they belong.
    """

    offsets: Mapping[str, int]
    elements: int
    moved: Mapping[str, tuple[int, ...]]


def plan(p: program.Program) -> Arena:
    """Places the tensors; parts of a concatenation lie one after another."""
    net = program_steps.network(p)
    # Copies have no place of their own here: each is one statement.
    inside = {n: place for n, place in net.places.items() if n in p.tensors}
    uses = _uses(p)
    buffers = []
    for whole in dict.fromkeys(place.buffer for place in inside.values()):
        members = [name for name, place in inside.items() if place.buffer == whole]
        times = [time for name in members for time in uses[name]]
        size = p.tensor_bytes(whole)
        buffers.append(liveness.Buffer(whole, size, min(times), max(times)))
    planned = arena_planner.plan_arena(buffers)
    starts = {
        buffer.name: offset // p.bytes_per_element
        for buffer, offset in zip(planned.buffers, planned.offsets, strict=True)
    }
    offsets = {n: starts[place.buffer] + place.offset for n, place in inside.items()}
    moved = {join.name: join.copied for join in net.joins}
    return Arena(offsets, planned.peak_bytes // p.bytes_per_element, moved)


def _uses(p: program.Program) -> dict[str, list[int]]:
    """When each tensor is written and read: layer i at time i + 1."""
    uses = {name: [0] for name in p.inputs}
    for time, layer in enumerate(p.layers, start=1):
        for name in (*layer.inputs, layer.output):
            uses.setdefault(name, []).append(time)
    for name in p.outputs:
        uses[name].append(len(p.layers) + 1)
    return uses
