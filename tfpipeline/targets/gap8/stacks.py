"""Where the parts of concatenations lie: one after another, in the whole.

In CHW the channels of a part are one piece of the whole, so that each part is written
where it belongs. What has its place already, what the network is given, and what has to
be shifted first is copied there.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from tfpipeline.targets.gap8 import steps


@dataclasses.dataclass(frozen=True)
class Stacks:
    """Concatenations with their copies.

    Attributes:
        joins: as given, `copied` filled in.
        inside: the place in the whole of each part and of each copy of one.
        copies: the steps that copy, by the whole that they write into.
    """

    joins: tuple[steps.Join, ...]
    inside: Mapping[str, steps.Place]
    copies: Mapping[str, tuple[steps.Step, ...]]

    def place(self, name: str) -> steps.Place:
        """The buffer of a tensor, through concatenations of concatenations."""
        place = steps.Place(name, 0)
        while place.buffer in self.inside:
            outer = self.inside[place.buffer]
            place = steps.Place(outer.buffer, outer.offset + place.offset)
        return place


def stack(
    joins: Iterable[steps.Join],
    shapes: Mapping[str, steps.Shape],
    given: Collection[str],
    shifted: Mapping[str, Sequence[int]] | None = None,
) -> Stacks:
    """Places the parts of all concatenations.

    Args:
        joins: in order.
        shapes: of all parts.
        given: tensors that no step writes.
        shifted: for the name of a concatenation, the numbers of the parts that it must
            shift.
    """
    inside: dict[str, steps.Place] = {}
    copies: dict[str, tuple[steps.Step, ...]] = {}
    stacked = []
    for join in joins:
        offset = 0
        copied: dict[int, steps.Step] = {}
        must_shift = (shifted or {}).get(join.name, ())
        for number, part in enumerate(join.parts):
            name = part
            if part in inside or part in given or number in must_shift:
                copied[number] = _copy(join, number, shapes[part])
                name = copied[number].output
            inside[name] = steps.Place(join.output, offset)
            offset += steps.elements(shapes[part])
        stacked.append(dataclasses.replace(join, copied=tuple(copied)))
        copies[join.output] = tuple(copied.values())
    return Stacks(tuple(stacked), inside, copies)


def in_order(computed: Sequence[steps.Step], stacked: Stacks) -> tuple[steps.Step, ...]:
    """The steps of a network, the copies of each concatenation where it stands.

    Args:
        computed: all steps but the copies, in order.
        stacked: of the same network.
    """
    ordered: list[steps.Step] = []
    for time in range(len(computed) + 1):
        for join in stacked.joins:
            if join.time == time:
                ordered += stacked.copies[join.output]
        ordered += computed[time : time + 1]
    return tuple(ordered)


def _copy(join: steps.Join, number: int, shape: steps.Shape) -> steps.Step:
    name = f"{join.name}/part{number}"
    return steps.Step(
        name=name,
        operation=steps.COPY,
        layers=(),
        inputs=(join.parts[number],),
        output=name,
        source=shape,
        body=shape,
        result=shape,
    )
