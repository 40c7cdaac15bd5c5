"""Follows every byte of a plan of L2 through the network.

Knows nothing of how a plan was made, nor of lifetimes: the steps are run one after
another on a memory that remembers who wrote each byte last. What a step reads must
still be what was written for it when the step has written its own result.
"""

import numpy as np
import numpy.typing as npt

from tfpipeline.targets.gap8 import l2_plan, spec, steps

_NOBODY = -1
_INPUT = 0
_Owners = npt.NDArray[np.int64]


def find_conflicts(plan: l2_plan.Plan, capacity: int | None = None) -> list[str]:
    """Finds everything that makes a plan unusable, one sentence each.

    Args:
        plan: without shortages.
        capacity: bytes of L2 that it must keep to.
    """
    found = [
        f"'{region.buffer.name}' lies at {region.offset}, which must be a multiple of "
        f"{spec.ALIGNMENT}, not negative, and end at {capacity} or before"
        for region in plan.regions
        if region.offset % spec.ALIGNMENT
        or region.offset < 0
        or (capacity is not None and region.end > capacity)
    ]
    return found or [*_missing_weights(plan), *_Memory(plan).run()]


def _missing_weights(plan: l2_plan.Plan) -> list[str]:
    """Steps whose weights have no room, or too little."""
    if plan.rule == l2_plan.ACTIVATIONS:
        return []
    rooms = {r.step: r.buffer.bytes for r in plan.regions if r.step is not None}
    tilings = {tiling.step: tiling for tiling in plan.tilings}
    found = []
    for step in plan.net.steps:
        size = (step.weight_elements + step.bias_elements) * plan.bits // 8
        if step.name in tilings:
            tiling = tilings[step.name]
            if tiling.channels * tiling.tiles < step.result[0]:
                found.append(f"the tiles of '{step.name}' leave channels out")
            size = -(-size // step.result[0]) * tiling.channels
        if rooms.get(step.name, 0) < size:
            found.append(f"the weights of '{step.name}' have no room")
    return found


class _Memory:
    """L2, byte by byte, and what each buffer should hold."""

    def __init__(self, plan: l2_plan.Plan) -> None:
        self._plan = plan
        self._owners: _Owners = np.full(plan.peak_bytes, _NOBODY, np.int64)
        self._offsets = {r.buffer.name: r.offset for r in plan.regions if not r.step}
        self._expected: dict[str, _Owners] = {
            name: np.full(self._bytes(count), _NOBODY, np.int64)
            for name, count in plan.net.buffer_elements.items()
        }
        # Who loads a step's weights has a number that no writer of activations has.
        self._loaders = {
            step.name: _NOBODY - 1 - time for time, step in enumerate(plan.net.steps)
        }

    def run(self) -> list[str]:
        """Runs all steps; returns what went wrong."""
        plan, found = self._plan, []
        for name in plan.net.inputs:
            if name in plan.net.places:
                self._write(name, _INPUT)
        for time, step in enumerate(plan.net.steps):
            self._load(time)
            self._write(step.output, time + 1)
            for name in step.inputs:
                if not self._is_intact(name):
                    found.append(f"'{step.name}' reads '{name}', which is overwritten")
            if not self._has_weights(step):
                found.append(f"the weights of '{step.name}' are overwritten")
        for name in plan.net.outputs:
            if name in plan.net.places and not self._is_intact(name):
                found.append(f"the result '{name}' is overwritten")
        return found

    def _load(self, time: int) -> None:
        """Loads what the plan loads while a step runs."""
        for region in self._plan.regions:
            if region.step is not None and region.buffer.first == time:
                loader = self._loaders[region.step]
                self._owners[region.offset : region.end] = loader

    def _has_weights(self, step: steps.Step) -> bool:
        own = [r for r in self._plan.regions if r.step == step.name]
        loader = self._loaders[step.name]
        return all((self._owners[r.offset : r.end] == loader).all() for r in own)

    def _bytes(self, elements: int) -> int:
        return elements * self._plan.bits // 8

    def _range(self, name: str) -> tuple[str, int, int]:
        """Buffer of a tensor, and where in it the tensor begins and ends, in bytes."""
        place = self._plan.net.places[name]
        end = place.offset + steps.elements(self._plan.net.shapes[name])
        return place.buffer, self._bytes(place.offset), self._bytes(end)

    def _write(self, name: str, owner: int) -> None:
        buffer, begin, end = self._range(name)
        offset = self._offsets[buffer]
        self._owners[offset + begin : offset + end] = owner
        self._expected[buffer][begin:end] = owner

    def _is_intact(self, name: str) -> bool:
        buffer, begin, end = self._range(name)
        offset = self._offsets[buffer]
        expected = self._expected[buffer][begin:end]
        held = self._owners[offset + begin : offset + end]
        return bool((expected != _NOBODY).all() and (held == expected).all())
