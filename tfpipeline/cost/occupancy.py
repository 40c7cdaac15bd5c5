"""Who lies where in a memory while each step runs, the same for all targets."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tfpipeline.cost import liveness, memory_plan

# Of the step before the first one.
INPUT_STEP = "(input)"


@dataclasses.dataclass(frozen=True)
class Block:
    """A buffer at its place.

    Attributes:
        name: what it holds.
        offset: its first byte.
        bytes: its size.
        first, last: steps during which it holds data.
        is_weights: whether these are weights, which others than activations may be.
    """

    name: str
    offset: int
    bytes: int
    first: int
    last: int
    is_weights: bool = False


@dataclasses.dataclass(frozen=True)
class Lane:
    """One of several memories side by side.

    Attributes:
        name: whose it is.
        start: its first byte, where all are counted one behind the other.
    """

    name: str
    start: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Occupancy:
    """A memory over the time of an inference.

    Attributes:
        title: which memory it is, and by which plan.
        steps: what runs, in order.
        blocks: what lies there.
        bound_bytes: what no plan can go below; None where nobody knows.
        available_bytes: of the memory; None where it is as large as is given to it.
        lanes: memories that this is made of; empty for one.
    """

    title: str
    steps: tuple[str, ...]
    blocks: tuple[Block, ...]
    bound_bytes: int | None = None
    available_bytes: int | None = None
    lanes: tuple[Lane, ...] = ()

    @property
    def peak_bytes(self) -> int:
        """The first byte that nothing reaches."""
        return max((each.offset + each.bytes for each in self.blocks), default=0)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            **dataclasses.asdict(self),
            "steps": list(self.steps),
            "blocks": [dataclasses.asdict(each) for each in self.blocks],
            "lanes": [dataclasses.asdict(each) for each in self.lanes],
            "peak_bytes": self.peak_bytes,
        }


def of_arena(
    plan: memory_plan.Plan,
    step_names: Sequence[str],
    *,
    title: str,
    available_bytes: int | None = None,
) -> Occupancy:
    """A plan of TensorFlow Lite Micro's arena.

    Args:
        plan: of it.
        step_names: the operators in their order of execution.
        title: of the picture.
        available_bytes: of the memory that the arena is in.
    """
    return Occupancy(
        title=title,
        steps=(INPUT_STEP, *step_names),
        blocks=tuple(
            Block(
                buffer.name,
                offset,
                buffer.aligned_bytes,
                buffer.first_use,
                min(buffer.last_use, len(step_names)),
            )
            for buffer, offset in zip(plan.buffers, plan.offsets, strict=True)
        ),
        bound_bytes=liveness.lower_bound_bytes(plan.buffers),
        available_bytes=available_bytes,
    )
