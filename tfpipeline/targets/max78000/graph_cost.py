"""What a graph costs on the accelerator: folded, lowered, counted."""

import dataclasses

from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import cost, folding, fusion, lowering, placement
from tfpipeline.targets.max78000 import spec as specs


@dataclasses.dataclass(frozen=True)
class GraphCost:
    """A graph on the device.

    Attributes:
        lowered: its layers there, and why the device cannot run them.
        cost: operations, memory and latency of those layers; of none, where some layer
            could not be formed.
    """

    lowered: lowering.Lowered
    cost: cost.Cost

    @property
    def violations(self) -> tuple[str, ...]:
        """Why the network cannot run: constraints and memories, one line each."""
        lowered, shortages = self.lowered, self.cost.shortages
        if lowered.steps and not lowered.violations:
            shortages = placement.plan(lowered).shortages
        return (
            *map(str, lowered.violations),
            *(each.message(lowered.subject(each.index)) for each in shortages),
        )


def estimate_graph(
    g: graph.Graph,
    spec: specs.Spec = specs.MAX78000,
    *,
    weight_bits: fusion.Bits = None,
    fold: int = 1,
) -> GraphCost:
    """Lowers and counts a well-formed graph.

    Args:
        g: float or quantized, batch normalizations folded.
        spec: the device.
        weight_bits: as `lowering.lower` takes it.
        fold: side of the blocks of pixels that become channels.

    Raises:
        GraphError: the input cannot be folded.
        UsageError: `weight_bits` names a layer that the graph does not have.
    """
    lowered = lowering.lower(folding.fold(g, fold), spec, weight_bits=weight_bits)
    return GraphCost(lowered, cost.estimate(lowered.layers, spec))
