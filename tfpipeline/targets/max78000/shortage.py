"""A memory of the device that a network needs more of than there is."""

import dataclasses

# The index that stands for the network's input.
INPUT = -1


@dataclasses.dataclass(frozen=True)
class Memory:
    """One kind of memory; `fix` says what makes a network need less of it."""

    id: str
    name: str
    unit: str
    fix: str


WEIGHTS = Memory(
    "MEM-01",
    "weight memory of a processor",
    "words of 72 bits",
    "use fewer bits a weight, or fewer output channels: each processor keeps the "
    "kernels of all of them",
)
BIASES = Memory(
    "MEM-02",
    "bias memory of a quadrant",
    "bytes",
    "leave out some biases, or use fewer channels",
)
DATA = Memory(
    "MEM-03",
    "data memory of four processors",
    "bytes",
    "fold the input, pool earlier, or begin with padded convolutions without biases, "
    "which can stream",
)
MEMORIES = (WEIGHTS, BIASES, DATA)


@dataclasses.dataclass(frozen=True)
class Shortage:
    """What one layer needs more of, together with the layers placed before it.

    Attributes:
        device: its name.
        memory: what is too small.
        index: of the layer, or `INPUT`.
        needed: in the memory's unit.
        available: in the memory's unit.
    """

    device: str
    memory: Memory
    index: int
    needed: int
    available: int

    def message(self, subject: str) -> str:
        """One line about the layer that `subject` names."""
        memory = self.memory
        return (
            f"{subject}: the {memory.name} has {self.available:,} {memory.unit}; "
            f"found {self.needed:,}, {self.needed - self.available:,} too many "
            f"[{self.device.upper()}-{memory.id}]; {memory.fix}"
        )

    def __str__(self) -> str:
        """The line, with the layer's number."""
        subject = "input" if self.index == INPUT else f"layer {self.index}"
        return self.message(subject)
