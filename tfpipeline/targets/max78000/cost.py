"""Everything that a network costs on the accelerator, layer by layer."""

import dataclasses
from collections.abc import Sequence

from tfpipeline.targets.max78000 import (
    accelerator_layer,
    latency,
    limits,
    memory,
    operations,
    shortage,
)
from tfpipeline.targets.max78000 import spec as specs


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """Cost of one layer; `latency_cycles` by model, of the models that cover it.

    `bias_bytes` is the layer's share of its quadrant's bias memory.
    """

    layer: accelerator_layer.AcceleratorLayer
    operations: operations.Operations
    weight_bytes: int
    bias_bytes: int
    kernels: memory.KernelRange
    latency_cycles: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of a network; `latency_cycles` includes the start of the network.

    `shortages` says what does not fit; the figures are those it would have if it did.
    """

    spec: specs.Spec
    layers: tuple[LayerCost, ...]
    operations: operations.Operations
    weight_bytes: int
    bias_bytes: int
    bias_quadrant_bytes: tuple[int, ...]
    latency_cycles: dict[str, float]
    shortages: tuple[shortage.Shortage, ...]

    @property
    def violations(self) -> tuple[str, ...]:
        """The shortages, one line each."""
        return tuple(map(str, self.shortages))

    def latency_seconds(self, model: str, clock_hz: float | None = None) -> float:
        """Seconds by one of `latency_cycles`, at the device's clock or another."""
        return self.latency_cycles[model] / (clock_hz or self.spec.clock_hz)


def estimate(
    layers: Sequence[accelerator_layer.AcceleratorLayer],
    spec: specs.Spec = specs.MAX78000,
) -> Cost:
    """Operations, memory and latency of a network given as hardware layers.

    Whether the device has such layers is another question: `constraints.check`.
    """
    hardware = accelerator_layer.emulate_streaming(layers)
    kernels = memory.place_kernels(hardware, spec)
    biases = memory.place_biases(hardware, spec)
    costs = tuple(
        _layer(layer, index, kernels.ranges[index], spec)
        for index, layer in enumerate(hardware)
    )
    shortages = (
        *limits.shortages(hardware, spec),
        *kernels.shortages,
        *biases.shortages,
    )
    return Cost(
        spec=spec,
        layers=costs,
        operations=operations.total(cost.operations for cost in costs),
        weight_bytes=sum(cost.weight_bytes for cost in costs),
        bias_bytes=biases.total_bytes,
        bias_quadrant_bytes=biases.quadrant_bytes,
        latency_cycles=_total_latency(costs, spec),
        shortages=shortages,
    )


def _layer(
    layer: accelerator_layer.AcceleratorLayer,
    index: int,
    kernels: memory.KernelRange,
    spec: specs.Spec,
) -> LayerCost:
    cycles: dict[str, float] = {}
    if spec.has_latency_model:
        cycles["ai8x"] = latency.ai8x_cycles(
            layer, kernel_word=kernels.first_word, spec=spec
        )
        cycles["kernel_parallel"] = latency.kernel_parallel_cycles(layer, spec)
    return LayerCost(
        layer=layer,
        operations=operations.count(layer),
        weight_bytes=memory.weight_bytes(layer),
        bias_bytes=memory.bias_bytes(layer, is_first=index == 0, spec=spec),
        kernels=kernels,
        latency_cycles=cycles,
    )


def _total_latency(costs: Sequence[LayerCost], spec: specs.Spec) -> dict[str, float]:
    if not spec.has_latency_model:
        return {}
    totals = {
        model: sum(cost.latency_cycles[model] for cost in costs)
        for model in latency.MODELS
    }
    totals["ai8x"] += latency.STARTUP_CYCLES
    return totals
