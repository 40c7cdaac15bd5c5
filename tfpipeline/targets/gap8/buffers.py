"""Sizes and lifetimes of what lies in L2: activations, and kernels with their biases.

Time is the number of the step, from 0. A buffer lives from the first step that writes
any part of it to the last that reads any, both included; the network's input is there
from 0 on, its result to the end.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from tfpipeline.targets.gap8 import steps


@dataclasses.dataclass(frozen=True)
class Buffer:
    """`bytes` that hold data from step `first` to step `last`, both included."""

    name: str
    bytes: int
    first: int
    last: int

    def overlaps(self, other: "Buffer") -> bool:
        """Whether both hold data during some step."""
        return self.first <= other.last and other.first <= self.last


def activations(net: steps.Network, bits: int) -> tuple[Buffer, ...]:
    """The buffers of all activations, in order of first use.

    Args:
        net: fused.
        bits: of an activation.
    """
    first: dict[str, int] = {}
    last: dict[str, int] = {}

    def use(tensor: str, time: int) -> None:
        name = net.places[tensor].buffer
        first.setdefault(name, time)
        last[name] = max(time, last.get(name, time))

    for name in net.inputs:
        use(name, 0)
    for time, step in enumerate(net.steps):
        for name in (*step.inputs, step.output):
            use(name, time)
    for name in net.outputs:
        if name in net.places:
            use(name, max(len(net.steps) - 1, 0))
    return tuple(
        Buffer(name, net.buffer_elements[name] * bits // 8, first[name], last[name])
        for name in first
    )


def weight_bytes(step: steps.Step, bits: int) -> int:
    """Bytes of a step's kernel and bias, one after the other."""
    return (step.weight_elements + step.bias_elements) * bits // 8


def unpooled(net: steps.Network) -> steps.Network:
    """The network as it would lie in L2 with the pools computed behind the kernels.

    Each buffer grows to what the convolutions write in front of their pools; the pool
    then works in place, since it writes no pixel before it has read it.
    """
    grown = dict(net.buffer_elements)
    for step in net.steps:
        name = net.places[step.output].buffer
        grown[name] += steps.elements(step.body) - steps.elements(step.result)
    return dataclasses.replace(net, buffer_elements=grown)


def live_bytes(buffers: Sequence[Buffer], steps: int) -> list[int]:
    """Sums what is alive during each of so many steps."""
    changes = [0] * (steps + 1)
    for buffer in buffers:
        if buffer.first < steps:
            changes[buffer.first] += buffer.bytes
            changes[min(buffer.last, steps - 1) + 1] -= buffer.bytes
    return list(itertools.accumulate(changes))[:steps]


def lower_bound(net: steps.Network, bits: int, *, ahead: int | None = 0) -> int:
    """The most bytes that any step needs at once: no plan has fewer.

    Args:
        net: fused.
        bits: of activations and weights.
        ahead: how many of the following steps' weights are there too; `None` for no
            weights at all, not even the step's own.
    """
    living = live_bytes(activations(net, bits), len(net.steps))
    return max(
        (
            living[time]
            + sum(
                weight_bytes(step, bits)
                for step in (() if ahead is None else net.steps[time:][: 1 + ahead])
            )
            for time in range(len(net.steps))
        ),
        default=0,
    )


def sides(net: steps.Network) -> Mapping[str, bool]:
    """Whether each buffer grows from the top end; the others grow from the base.

    The input lies at the base; what a step writes lies at the other end than what it
    reads, so that going forth and back needs two buffers and no copy.
    """
    high: dict[str, bool] = {net.places[name].buffer: False for name in net.inputs}
    for step in net.steps:
        output = net.places[step.output].buffer
        source = net.places[step.inputs[0]].buffer if step.inputs else output
        high.setdefault(output, not high.get(source, True))
    return high
