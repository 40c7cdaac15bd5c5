"""Where everything lies in L2 during each step; each buffer in one piece.

Activations are placed from two ends, as the demo does by hand: the input at the base,
its output above a floating border, the next output at the base again. The border is the
largest of what lies at the base while the upper buffer lives, so it moves from step to
step. The parts of a concatenation lie in place. Where two ends serve badly (skip
connections), placing by size is tried as well, and the smaller peak is taken.

The kernel and bias of a step lie above the activations that live at the time:

    activations  no weights at all
    sync         those of the running step, loaded before it starts
    async        those of the next step too, loaded while this one runs: the weights of
                 every other step hang from the top end

A kernel that does not fit is read from L3 in tiles of output channels while the step
runs, two tiles at a time in L2. Activations are never tiled here: where they do not
fit, the plan says how many bytes are missing (`shortages`), and leaves out the buffers
that live then (`outside`), so that the other steps' places still mean something.
"""

import collections
import dataclasses
import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence

from tfpipeline import errors
from tfpipeline.cost import alive
from tfpipeline.targets.gap8 import buffers, spec, steps

ACTIVATIONS = "activations"
SYNC = "sync"
ASYNC = "async"
RULES = (ACTIVATIONS, SYNC, ASYNC)

# What a tile of weights is a multiple of, where it can be: each core has a channel.
_CHANNELS = spec.CORES
# Bytes that nothing reaches.
_NO_LIMIT = 2**62


@dataclasses.dataclass(frozen=True)
class Region:
    """A buffer and its offset in bytes; `step` names whose weights it holds, if any."""

    buffer: buffers.Buffer
    offset: int
    step: str | None = None

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.buffer.bytes

    def lives(self, time: int) -> bool:
        """Whether it holds data during a step."""
        return self.buffer.first <= time <= self.buffer.last


@dataclasses.dataclass(frozen=True)
class Tiling:
    """A step whose weights come from L3 in tiles while it runs.

    Attributes:
        step: its name.
        channels: output channels of a tile; the last may have fewer.
        tiles: how many.
        window_bytes: what the tiles in L2 take: two of them, or one.
        traffic_bytes: read from L3 in one inference, each weight once.
    """

    step: str
    channels: int
    tiles: int
    window_bytes: int
    traffic_bytes: int

    def __str__(self) -> str:
        """What is tiled and what it costs, in a sentence."""
        return (
            f"the weights of '{self.step}' are read from L3 in {self.tiles} tiles "
            f"of {self.channels} output channels: {self.window_bytes:,} B of L2 at a "
            f"time, {self.traffic_bytes:,} B an inference"
        )


@dataclasses.dataclass(frozen=True)
class Shortage:
    """A step that does not fit: bytes that it needs at least, and that there are."""

    step: str
    needed_bytes: int
    available_bytes: int

    def __str__(self) -> str:
        """What is missing, in a sentence."""
        return (
            f"no plan of L2 for '{self.step}': it needs {self.needed_bytes:,} bytes "
            f"of {self.available_bytes:,}; the AutoTiler may tile its data too"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A plan of L2 for one network.

    Attributes:
        net: the steps that it is for.
        bits: of activations and weights.
        rule: one of `RULES`.
        regions: of activations in order of first use, then of weights.
        tilings: steps whose weights are tiled.
        late: names of steps whose weights could not be loaded during the one before.
        shortages: steps that do not fit; empty for a plan that can be used.
        outside: names of buffers without a place, which a step that does not fit needs.
    """

    net: steps.Network
    bits: int
    rule: str
    regions: tuple[Region, ...]
    tilings: tuple[Tiling, ...] = ()
    late: tuple[str, ...] = ()
    shortages: tuple[Shortage, ...] = ()
    outside: tuple[str, ...] = ()

    @functools.cached_property
    def peak_bytes(self) -> int:
        """Bytes of L2 that the network needs."""
        return max((region.end for region in self.regions), default=0)

    def end(self, time: int) -> int:
        """The first byte above everything that lives during a step."""
        return max((r.end for r in self.alive(time)), default=0)

    def alive(self, time: int) -> Sequence[Region]:
        """What holds data during a step, in the order of `regions`."""
        return self._living.get(time, ())

    @functools.cached_property
    def _living(self) -> Mapping[int, list[Region]]:
        """What lives during each step."""
        found: dict[int, list[Region]] = collections.defaultdict(list)
        for region in self.regions:
            for time in range(region.buffer.first, region.buffer.last + 1):
                found[time].append(region)
        return found

    @property
    def peak_step(self) -> str:
        """Name of the step with the most bytes of those that reach `peak_bytes`."""
        times = range(len(self.net.steps))
        sums = [
            (self.end(t), sum(r.buffer.bytes for r in self.alive(t))) for t in times
        ]
        return self.net.steps[sums.index(max(sums))].name if sums else ""


def plan(
    net: steps.Network,
    *,
    bits: int = spec.DEFAULT_BITS,
    rule: str = SYNC,
    capacity: int | None = spec.L2_BYTES,
) -> Plan:
    """Plans L2.

    Args:
        net: fused.
        bits: of activations and weights.
        rule: one of `RULES`.
        capacity: bytes of L2 that the network may use; `None` for any number.

    Raises:
        UsageError: an unknown rule, a width the chip has not, or no memory.
    """
    if (
        rule not in RULES
        or bits not in spec.BITS
        or (capacity is not None and capacity < 1)
    ):
        raise errors.UsageError(
            f"a plan of L2 is for one of {', '.join(RULES)}, "
            f"{' or '.join(map(str, spec.BITS))} bits and 1 byte or more. Received: "
            f"{rule}, {bits} bits, {capacity} bytes"
        )
    everything = buffers.activations(net, bits)
    limit = _NO_LIMIT if capacity is None else capacity
    living = buffers.live_bytes(everything, len(net.steps))
    full = {
        time: size for time in range(len(net.steps)) if (size := living[time]) > limit
    }
    # How many of these steps come before each.
    earlier = [0, *itertools.accumulate(time in full for time in range(len(net.steps)))]
    placeable = [
        b
        for b in everything
        if earlier[b.first] == earlier[min(b.last + 1, len(net.steps))]
    ]
    candidates = (_two_ended(net, placeable), _by_size(placeable))
    made = [
        _with_weights(net, bits, rule, _Weights(net, each, bits, limit, full), hanging)
        for each in candidates
        for hanging in ((1, 0) if rule == ASYNC else (None,))
    ]
    # The first of equals: the demo's rule.
    return min(made, key=lambda p: (len(p.shortages), len(p.tilings), p.peak_bytes))


def ping_pong_bytes(net: steps.Network, bits: int = spec.DEFAULT_BITS) -> int:
    """What fixed buffers would take: the largest at each end, and of the weights."""
    high = buffers.sides(net)
    sizes = {True: 0, False: 0}
    for each in buffers.activations(net, bits):
        side = high.get(each.name, False)
        sizes[side] = max(sizes[side], each.bytes)
    weights = (buffers.weight_bytes(step, bits) for step in net.steps)
    return sizes[True] + sizes[False] + max(weights, default=0)


def _two_ended(
    net: steps.Network, placeable: Sequence[buffers.Buffer]
) -> tuple[Region, ...]:
    """What lies at the base first, then the rest above it, each in order of time."""
    high = buffers.sides(net)
    order = sorted(placeable, key=lambda b: high.get(b.name, False))
    return _first_fit(placeable, order)


def _by_size(placeable: Sequence[buffers.Buffer]) -> tuple[Region, ...]:
    return _first_fit(placeable, sorted(placeable, key=lambda b: -b.bytes))


def _first_fit(
    placeable: Sequence[buffers.Buffer], order: Iterable[buffers.Buffer]
) -> tuple[Region, ...]:
    regions: dict[str, Region] = {}
    placed = alive.Alive[_Span]()
    for buffer in order:
        offset = _lowest(buffer.bytes, placed.during(buffer.first, buffer.last))
        region = regions[buffer.name] = Region(buffer, offset)
        if buffer.bytes:
            placed.add(_span(region), buffer.first, buffer.last)
    return tuple(regions[buffer.name] for buffer in placeable)


# First byte of a region, and the first aligned one behind it.
_Span = tuple[int, int]


def _span(region: Region) -> _Span:
    return region.offset, _aligned(region.end)


def _lowest(size: int, taken: Iterable[_Span], start: int = 0) -> int:
    """The lowest aligned offset from `start` on that is free of what is taken."""
    offset = _aligned(start)
    for begin, end in sorted(taken):
        if begin >= offset + size:
            break
        offset = max(offset, end)
    return offset


def _aligned(offset: int) -> int:
    return -(-offset // spec.ALIGNMENT) * spec.ALIGNMENT


def _with_weights(
    net: steps.Network, bits: int, rule: str, work: "_Weights", hanging: int | None
) -> Plan:
    """The plan with weights above the activations, tiled where they do not fit.

    Steps whose number modulo 2 is `hanging` have theirs at the top end.
    """
    if hanging is not None:
        work.hang(hanging)
    for time, step in enumerate(net.steps):
        if work.holds_activations(time, step) and rule != ACTIVATIONS:
            work.place(time, step, is_early=rule == ASYNC and time > 0)
    return Plan(
        net=net,
        bits=bits,
        rule=rule,
        regions=tuple(work.placed),
        tilings=tuple(work.tilings),
        late=tuple(work.late),
        shortages=tuple(work.shortages),
        outside=work.outside(net),
    )


class _Weights:
    """Places weights step by step above activations that have their places."""

    def __init__(
        self,
        net: steps.Network,
        activations: tuple[Region, ...],
        bits: int,
        limit: int,
        full: Mapping[int, int],
    ) -> None:
        self._full = full
        self._activations = activations
        self._sizes = [buffers.weight_bytes(step, bits) for step in net.steps]
        self._hanging: int | None = None
        self._ceiling = 0
        self._limit = limit
        self.placed = list(activations)
        # The weights that have their places.
        self._weights = alive.Alive[_Span]()
        # By number of a step, where the activations end; behind the last, nothing does.
        times = 1 + max((r.buffer.last for r in activations), default=0)
        self._ends = [0] * (1 + max(times, len(net.steps)))
        for region in sorted(activations, key=lambda r: r.end):
            first, last = region.buffer.first, region.buffer.last
            self._ends[first : last + 1] = [region.end] * (last + 1 - first)
        self.tilings: list[Tiling] = []
        self.late: list[str] = []
        self.shortages: list[Shortage] = []

    def outside(self, net: steps.Network) -> tuple[str, ...]:
        """The buffers that have no place."""
        inside = {region.buffer.name for region in self._activations}
        return tuple(name for name in net.buffer_elements if name not in inside)

    def hang(self, parity: int) -> None:
        """Hangs the weights of every other step from the end that all of it needs."""
        self._hanging = parity
        needed = 0
        for time, size in enumerate(self._sizes):
            # The lower one of this step's weights and the next one's lives from `first`
            # to `last`, and what is below it then decides where it begins.
            is_low = time % 2 != parity
            first, last = (time - 1, time) if is_low else (time, time + 1)
            after = sum(self._sizes[time + 1 : time + 2])
            needed = max(needed, _aligned(self._top(first, last)) + size + after)
        self._ceiling = min(_aligned(needed), self._limit)

    def _top(self, first: int, last: int) -> int:
        """The first byte above the activations of some steps."""
        return max(self._ends[max(first, 0) : last + 1])

    def _place(self, region: Region) -> None:
        self.placed.append(region)
        if region.buffer.bytes:
            self._weights.add(_span(region), region.buffer.first, region.buffer.last)

    def _lowest(self, weights: buffers.Buffer, start: int) -> int:
        """The lowest place from `start` on that is free while the weights are there.

        From `start` on there are no activations.
        """
        taken = self._weights.during(weights.first, weights.last)
        return _lowest(weights.bytes, taken, start)

    def holds_activations(self, time: int, step: steps.Step) -> bool:
        """Whether a step's activations fit; what is missing is recorded."""
        # Where they would fit but for their places, what the places need.
        needed = self._full.get(time, self._top(time, time))
        if needed > self._limit:
            self.shortages.append(Shortage(step.name, needed, self._limit))
        return needed <= self._limit

    def place(self, time: int, step: steps.Step, *, is_early: bool) -> None:
        """Places a step's weights: whole and early, whole, or in tiles."""
        size = self._sizes[time]
        if not size:
            return
        for first in (time - 1, time) if is_early else (time,):
            found = self._whole(step, size, first, time)
            if found is not None:
                self._place(found)
                if is_early and first == time:
                    self.late.append(step.name)
                return
        self._tile(step, size, time)

    def _whole(
        self, step: steps.Step, size: int, first: int, time: int
    ) -> Region | None:
        weights = buffers.Buffer(f"{step.name}/weights", size, first, time)
        start = self._top(first, time)
        if time % 2 == self._hanging:
            # Not where it hangs if something is in the way: the lowest place then.
            hung = (self._ceiling - size) // spec.ALIGNMENT * spec.ALIGNMENT
            start = max(start, hung)
        offset = self._lowest(weights, start)
        if offset + size > self._limit:
            offset = self._lowest(weights, self._top(first, time))
        fits = offset + size <= self._limit
        return Region(weights, offset, step.name) if fits else None

    def _tile(self, step: steps.Step, size: int, time: int) -> None:
        """Two tiles of as many output channels as fit, one where two do not."""
        ends = [end for _, end in self._weights.during(time, time)]
        start = max(_aligned(self._top(time, time)), *ends, 0)
        total = step.result[0]
        unit = -(-size // total)
        count = 2
        channels = min((self._limit - start) // (2 * unit), total)
        if channels < 1:
            count, channels = 1, (self._limit - start) // unit
        if channels < 1:
            self.shortages.append(Shortage(step.name, start + unit, self._limit))
            return
        if channels > _CHANNELS:
            channels -= channels % _CHANNELS
        window = count * channels * unit
        weights = buffers.Buffer(f"{step.name}/weights", window, time, time)
        self._place(Region(weights, start, step.name))
        tiles = -(-total // channels)
        self.tilings.append(Tiling(step.name, channels, tiles, window, size))
