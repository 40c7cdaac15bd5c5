"""Traffic and time of a network on GAP8, step by step.

    compute(step) = max(kappa x structural cycles, bytes between L2 and L1 / 8)
    async(step)   = max(compute(step), bytes that L3 gives meanwhile / B_L3)
                    + bytes to wait for / B_L3
    sync(step)    = compute(step) + bytes of the step's weights / B_sync

`kappa`, `B_L3` and `B_sync` are fits (`spec`). Meanwhile, L3 gives the next step's
weights, or the step's own where they are tiled; to wait for are the first step's, and
those that L2 had no room for in time. Between L2 and L1 each byte of input, output and
weights is counted once, which is the least there can be; inputs that are read again for
further output channels are part of what `kappa` stands for.
"""

import dataclasses

from tfpipeline.targets.gap8 import buffers, cycles, l2_plan, spec, steps

SYNC = l2_plan.SYNC
ASYNC = l2_plan.ASYNC


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One step; cycles are those of the cluster.

    Attributes:
        step: what it is about.
        structural_cycles: of the kernel's loops.
        compute_cycles: on the chip, without waiting for L3.
        l3_bytes: read from L3: weights and bias.
        spilled_bytes: activations to and from L3, where L2 does not hold them.
        l2_l1_bytes: moved between L2 and L1.
        async_cycles: with the next weights loaded meanwhile.
        sync_cycles: with the weights loaded in front.
    """

    step: steps.Step
    structural_cycles: float
    compute_cycles: float
    l3_bytes: int
    spilled_bytes: int
    l2_l1_bytes: int
    async_cycles: float
    sync_cycles: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """A network: its lines, and the clocks that their times are for."""

    lines: tuple[Line, ...]
    bits: int
    clocks: spec.Clocks

    def cycles(self, model: str) -> float:
        """Cycles of one inference, of `SYNC` or `ASYNC`."""
        return sum(
            line.sync_cycles if model == SYNC else line.async_cycles
            for line in self.lines
        )

    def seconds(self, model: str) -> float:
        """Seconds of one inference, of `SYNC` or `ASYNC`."""
        return self.cycles(model) / self.clocks.cluster_hz

    @property
    def l3_bytes(self) -> int:
        """Bytes that one inference moves from and to L3."""
        return sum(line.l3_bytes + line.spilled_bytes for line in self.lines)

    @property
    def l2_l1_bytes(self) -> int:
        """Bytes that one inference moves between L2 and L1."""
        return sum(line.l2_l1_bytes for line in self.lines)


def estimate(plan: l2_plan.Plan, clocks: spec.Clocks) -> Cost:
    """Traffic and time of a planned network.

    Args:
        plan: with rule `ASYNC`; says what is loaded when.
        clocks: of cluster and fabric controller.
    """
    bits = plan.bits
    # Cycles of the cluster a byte.
    l3 = clocks.cluster_hz / clocks.l3_bytes_per_second
    blocking = clocks.cluster_hz / spec.SYNC_BYTES_PER_SECOND
    lines = []
    for step, load in zip(plan.net.steps, _loads(plan), strict=True):
        moved, spilled = _moved_bytes(step, plan)
        structural = cycles.structural(step, bits)
        dma = (moved + load.own) / spec.L2_L1_BYTES_PER_CYCLE
        compute = max(spec.KAPPA[bits] * structural, dma)
        meanwhile = l3 * (load.meanwhile + spilled)
        lines.append(
            Line(
                step=step,
                structural_cycles=structural,
                compute_cycles=compute,
                l3_bytes=load.own,
                spilled_bytes=spilled,
                l2_l1_bytes=moved + load.own,
                async_cycles=max(compute, meanwhile) + l3 * load.awaited,
                sync_cycles=compute + blocking * load.own + l3 * spilled,
            )
        )
    return Cost(lines=tuple(lines), bits=bits, clocks=clocks)


@dataclasses.dataclass(frozen=True)
class _Load:
    """Bytes of weights: a step's own, what L3 gives meanwhile, and in front of it."""

    own: int
    meanwhile: int
    awaited: int


def _loads(plan: l2_plan.Plan) -> list[_Load]:
    """What each step of an asynchronous plan loads."""
    names = [step.name for step in plan.net.steps]
    own = [buffers.weight_bytes(step, plan.bits) for step in plan.net.steps]
    # What does not fit is cut into tiles, weights and all.
    streamed = {tiling.step for tiling in plan.tilings}
    streamed |= {shortage.step for shortage in plan.shortages}
    awaited = {*names[:1], *plan.late} - streamed
    found = []
    for time, name in enumerate(names):
        meanwhile = own[time] if name in streamed else 0
        if time + 1 < len(names) and names[time + 1] not in streamed | awaited:
            meanwhile += own[time + 1]
        wait = own[time] if name in awaited else 0
        found.append(_Load(own[time], meanwhile, wait))
    return found


def _moved_bytes(step: steps.Step, plan: l2_plan.Plan) -> tuple[int, int]:
    """Bytes of a step's inputs and output, and how many of them L2 does not hold."""
    sizes = [
        (name, steps.elements(shape) * plan.bits // 8)
        for name, shape in (
            *((name, plan.net.shapes[name]) for name in step.inputs),
            (step.output, step.result),
        )
    ]
    outside = (
        size for name, size in sizes if plan.net.places[name].buffer in plan.outside
    )
    return sum(size for _, size in sizes), sum(outside)
