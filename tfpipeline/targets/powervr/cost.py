"""Bytes over the memory's bus and time of an inference, pass by pass.

    bytes  = w x weights x b + a x sum of what is written and read, of b bytes each
    cycles = pixels x ceil(channels / outputs) x ceil(taps / products)
    time   = sum over passes of max(cycles / clock, bytes / bandwidth)

`m0` takes all of it (a = w = 1). `m1` has a buffer of S bytes: what the very next pass
reads costs min(S, size) bytes less to read, and as much less to write if nothing else
reads it. `m2` has factors instead: a for activations and w for weights. Bandwidth, S
and a are fitted to `spec.TABLE`: they repeat that table, and say less of other networks
and nothing of other cores.
"""

import dataclasses
import math

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.powervr import lowering, spec


@dataclasses.dataclass(frozen=True)
class PassCost:
    """One pass: bytes of memory traffic and cycles of the multipliers."""

    traffic_bytes: float
    cycles: int


@dataclasses.dataclass(frozen=True)
class Cost:
    """An inference by one model; `seconds` of each pass, the slower of both ways."""

    passes: tuple[PassCost, ...]
    pass_seconds: tuple[float, ...]

    @property
    def traffic_bytes(self) -> float:
        """Bytes over the memory's bus."""
        return sum(each.traffic_bytes for each in self.passes)

    @property
    def seconds(self) -> float:
        """Time of one inference."""
        return sum(self.pass_seconds)


def cost(
    g: graph.Graph,
    lowered: lowering.Lowered,
    core: spec.Core,
    model: str,
    bits: int,
    clock_hz: float | None = None,
) -> Cost:
    """What `lowered`, the passes of `g`, costs by `model` at `bits` a value."""
    width = core.widths[bits]
    sizes = {x: each.num_elements * bits // 8 for x, each in g.tensors.items()}
    saved = _saved(lowered, sizes, core.buffer_bytes if model == spec.M1 else 0)
    of_activations = width.activation_share if model == spec.M2 else 1.0
    of_weights = width.weight_share if model == spec.M2 else 1.0
    passes = []
    for each, spared in zip(lowered.passes, saved, strict=True):
        moved = sum(sizes[x] for x in (*each.reads, *each.writes)) - spared
        stored = of_weights * each.weights * bits / 8
        rounds = math.ceil(each.channels / width.outputs)
        steps = math.ceil(each.taps / width.products)
        passes.append(
            PassCost(of_activations * moved + stored, each.pixels * rounds * steps)
        )
    clock = clock_hz or core.clock_hz
    bandwidth = spec.BANDWIDTH[model]
    seconds = tuple(
        max(each.cycles / clock, each.traffic_bytes / bandwidth) for each in passes
    )
    return Cost(tuple(passes), seconds)


def _saved(
    lowered: lowering.Lowered, sizes: dict[str, int], buffer_bytes: int
) -> list[int]:
    """Bytes that the buffer spares each pass."""
    saved = [0] * len(lowered.passes)
    for place in range(1, len(lowered.passes)):
        before, after = lowered.passes[place - 1 : place + 1]
        for name in set(before.writes).intersection(after.reads) - lowered.unkept:
            kept = min(buffer_bytes, sizes[name])
            saved[place] += kept
            if lowered.readers[name] == 1:
                saved[place - 1] += kept
    return saved


def cascade_frames_a_second(
    detections: float, verifications: float, faces: int
) -> float:
    """Frames a second of a detector and a verifier that take turns.

    Args:
        detections: inferences of the detector a second.
        verifications: inferences of the verifier a second.
        faces: in a frame, each verified once.

    Raises:
        UsageError: a rate is not positive, or there are fewer than no faces.
    """
    if detections <= 0 or verifications <= 0 or faces < 0:
        raise errors.UsageError(
            "a cascade needs rates above 0 and no fewer than 0 faces. Received: "
            f"{detections}, {verifications} and {faces}"
        )
    return 1 / (1 / detections + faces / verifications)
