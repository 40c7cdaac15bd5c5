"""When each activation of a network is alive, and the memory no plan can go below.

Time is the order of execution, as TensorFlow Lite Micro counts it
(AllocationInfoBuilder::MarkAllocationLifetimes, tensorflow/lite/micro/
micro_allocation_info.cc): the network's input appears at time 0 and operator number i,
counted from 0, runs at time i + 1. A tensor lives from the time it is written to the
time it is last read, both included, so that an operator never overwrites its own input.
The network's output lives to the end.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from tfpipeline import errors

# Bytes. Every buffer of TensorFlow Lite Micro starts at, and is rounded up to, a
# multiple of this: MicroArenaBufferAlignment, tensorflow/lite/micro/
# micro_arena_constants.h. C++ alignment of the widest vector loads.
ALIGNMENT = 16


@dataclasses.dataclass(frozen=True)
class Buffer:
    """`bytes` of memory that hold data from `first_use` to `last_use`, both included.

    Raises:
        UsageError: no bytes, or a last use before the first.
    """

    name: str
    bytes: int
    first_use: int
    last_use: int

    def __post_init__(self) -> None:
        if self.bytes <= 0:
            raise errors.UsageError(
                f"buffer '{self.name}' must have at least 1 byte. Received: "
                f"{self.bytes}"
            )
        if not 0 <= self.first_use <= self.last_use:
            raise errors.UsageError(
                f"buffer '{self.name}' must be used from a time of 0 or later to the "
                f"same time or later. Received: {self.first_use} to {self.last_use}"
            )

    @property
    def aligned_bytes(self) -> int:
        """`bytes` rounded up to a multiple of 16."""
        return -(-self.bytes // ALIGNMENT) * ALIGNMENT

    def overlaps(self, other: "Buffer") -> bool:
        """Whether both hold data at some time."""
        return self.first_use <= other.last_use and other.first_use <= self.last_use


@dataclasses.dataclass(frozen=True)
class Step:
    """One operator: the activations it reads and writes, and its scratch memory."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    scratch_bytes: tuple[int, ...] = ()


def find_buffers(
    tensor_bytes: Mapping[str, int],
    steps: Sequence[Step],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> tuple[Buffer, ...]:
    """Derives the buffers of a network from its operators.

    Args:
        tensor_bytes: bytes of every activation, in the file's order of tensors; the
            greedy planner breaks ties by it.
        steps: the operators in their order of execution.
        inputs: activations that exist before the first operator.
        outputs: activations that must survive the last operator.

    Returns:
        One buffer an activation of more than 0 bytes that is used, in the order of
        `tensor_bytes`; after them one a scratch request, alive during its operator.

    Raises:
        UsageError: a step reads what nothing wrote, or names an unknown activation.
    """
    first_use = dict.fromkeys(inputs, 0)
    last_use = dict.fromkeys(inputs, 0)
    scratch = []
    for time, step in enumerate(steps, start=1):
        for name in step.writes:
            first_use[name] = last_use[name] = time
        for name in step.reads:
            if name not in first_use:
                raise errors.UsageError(
                    f"step '{step.name}' reads '{name}', which neither an earlier step "
                    "writes nor the network is given"
                )
            last_use[name] = time
        scratch += [
            Buffer(f"{step.name}/scratch{number}", size, time, time)
            for number, size in enumerate(step.scratch_bytes)
        ]
    for name in outputs:
        first_use.setdefault(name, 0)
        last_use[name] = len(steps)
    unknown = sorted(first_use.keys() - tensor_bytes.keys())
    if unknown:
        raise errors.UsageError(
            f"the size of activation '{unknown[0]}' is not given; known are "
            f"{', '.join(tensor_bytes)}"
        )
    activations = [
        Buffer(name, size, first_use[name], last_use[name])
        for name, size in tensor_bytes.items()
        if name in first_use and size > 0
    ]
    return (*activations, *scratch)


def live_bytes(buffers: Sequence[Buffer]) -> tuple[int, ...]:
    """Sums the aligned bytes that are alive at each time from 0 to the last use."""
    changes = [0] * (max((b.last_use for b in buffers), default=-1) + 2)
    for buffer in buffers:
        changes[buffer.first_use] += buffer.aligned_bytes
        changes[buffer.last_use + 1] -= buffer.aligned_bytes
    sums = []
    total = 0
    for change in changes[:-1]:
        total += change
        sums.append(total)
    return tuple(sums)


def lower_bound_bytes(buffers: Iterable[Buffer]) -> int:
    """Returns the most bytes alive at any one time: no plan can need fewer."""
    return max(live_bytes(tuple(buffers)), default=0)
