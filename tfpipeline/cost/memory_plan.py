"""Where each buffer lies in the arena."""

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
