"""Where each buffer lies in the arena, and the proof that no two share live bytes.

The check knows nothing of how a plan was made; every planner is held to it.
"""

import dataclasses

from tfpipeline import errors
from tfpipeline.cost import liveness


@dataclasses.dataclass(frozen=True)
class Plan:
    """An offset in bytes a buffer, in the order of `buffers`, and who chose it.

    `is_optimal` says that the planner has proven that no plan has a lower peak.

    Raises:
        UsageError: not one offset a buffer.
    """

    planner: str
    buffers: tuple[liveness.Buffer, ...]
    offsets: tuple[int, ...]
    is_optimal: bool = False

    def __post_init__(self) -> None:
        if len(self.buffers) != len(self.offsets):
            raise errors.UsageError(
                f"a plan must have one offset a buffer. Received: {len(self.buffers)} "
                f"buffers and {len(self.offsets)} offsets"
            )

    @property
    def peak_bytes(self) -> int:
        """Bytes of the arena that hold activations: the end of the highest buffer."""
        ends = (
            offset + buffer.aligned_bytes
            for buffer, offset in zip(self.buffers, self.offsets, strict=True)
        )
        return max(ends, default=0)


def find_conflicts(plan: Plan) -> list[str]:
    """Finds everything that makes `plan` unusable.

    Returns:
        One sentence a violation: an offset that is negative or not a multiple of 16,
        two buffers that are alive at one time and share bytes. Empty for a valid plan.
    """
    placed = list(zip(plan.buffers, plan.offsets, strict=True))
    found = [
        f"buffer '{buffer.name}' lies at offset {offset}, which must be a multiple of "
        f"{liveness.ALIGNMENT} and not negative"
        for buffer, offset in placed
        if offset < 0 or offset % liveness.ALIGNMENT
    ]
    for index, (buffer, offset) in enumerate(placed):
        for other, other_offset in placed[:index]:
            if (
                buffer.overlaps(other)
                and offset < other_offset + other.aligned_bytes
                and other_offset < offset + buffer.aligned_bytes
            ):
                found.append(
                    f"buffers '{other.name}' at {other_offset} and '{buffer.name}' at "
                    f"{offset} share memory at time "
                    f"{max(buffer.first_use, other.first_use)}"
                )
    return found
