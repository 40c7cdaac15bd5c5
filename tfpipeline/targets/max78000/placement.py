"""A lowered network's place in the memories of the device."""

import dataclasses

from tfpipeline.targets.max78000 import data_memory, lowering, memory, shortage


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where everything lies; the processors are in the layers.

    Attributes:
        data: the input and each layer's output.
        kernels: each layer's words in the weight memory of its processors.
        biases: the quadrant of each layer's bias.
    """

    data: data_memory.Plan
    kernels: memory.KernelPlacement
    biases: memory.BiasPlacement

    @property
    def shortages(self) -> tuple[shortage.Shortage, ...]:
        """What does not fit: which memory, by how much, and what would help."""
        return (
            *self.data.shortages,
            *self.kernels.shortages,
            *self.biases.shortages,
        )


def plan(lowered: lowering.Lowered) -> Placement:
    """Places the tensors, kernels and biases of a network that has layers.

    Kernels and biases are placed as the vendor's tool does it; it cannot be told
    otherwise. The data memory is ours to plan.
    """
    return Placement(
        data=data_memory.plan(
            lowered.layers,
            [step.operands for step in lowered.steps],
            lowered.outputs,
            input_format=lowered.input_format,
            spec=lowered.spec,
        ),
        kernels=memory.place_kernels(lowered.layers, lowered.spec),
        biases=memory.place_biases(lowered.layers, lowered.spec),
    )
