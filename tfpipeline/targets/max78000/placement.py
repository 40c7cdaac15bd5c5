"""A lowered network's place in the memories of the device."""

import dataclasses

from tfpipeline.targets.max78000 import (
    accelerator_layer,
    data_memory,
    limits,
    lowering,
    memory,
    shortage,
)


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where everything lies; the processors are in the layers.

    Attributes:
        data: the input and each layer's output.
        kernels: each layer's words in the weight memory of its processors.
        biases: the quadrant of each layer's bias.
        shortages: what does not fit: which memory, by how much, what would help.
    """

    data: data_memory.Plan
    kernels: memory.KernelPlacement
    biases: memory.BiasPlacement
    shortages: tuple[shortage.Shortage, ...]


def plan(lowered: lowering.Lowered) -> Placement:
    """Places the tensors, kernels and biases of a network that the device can run.

    Kernels and biases are placed as the vendor's tool does it, which cannot be told
    otherwise. The data memory is ours to plan.
    """
    spec = lowered.spec
    layers = accelerator_layer.emulate_streaming(lowered.layers)
    data = data_memory.plan(
        layers,
        [step.operands for step in lowered.steps],
        lowered.outputs,
        input_format=lowered.input_format,
        spec=spec,
    )
    kernels = memory.place_kernels(layers, spec)
    biases = memory.place_biases(layers, spec)
    # A tensor that is too large wherever it lies says more than where it would end.
    too_large = limits.shortages(layers, spec) or data.shortages
    return Placement(
        data=data,
        kernels=kernels,
        biases=biases,
        shortages=(*too_large, *kernels.shortages, *biases.shortages),
    )
