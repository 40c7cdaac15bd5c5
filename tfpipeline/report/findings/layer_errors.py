"""Error by layer of integers beside the float network, in what a moment can measure."""

import math
from typing import Any

from tfpipeline import errors
from tfpipeline.cost import macs
from tfpipeline.ir import graph
from tfpipeline.precision import layer_error
from tfpipeline.simulate import float_execution, support

# Both executions are NumPy's: about this many multiply-accumulates take a second.
_MACS = 150_000_000
_MOST_EXAMPLES = 32


def measure(
    real: graph.Graph, integers: graph.Graph, inputs: graph.Array
) -> dict[str, Any]:
    """SQNR of every layer, as JSON values; why there is none where it cannot be had.

    Args:
        real: the float network that the integers stand for.
        integers: of it.
        inputs: float32 [N, ...], as the network takes them; some of them are used.
    """
    cost = sum(macs.layer_count(real, layer).macs for layer in real.layers)
    count = min(_MOST_EXAMPLES, len(inputs), _MACS // max(cost, 1))
    if count == 0:
        return {
            "reason": f"not measured here: {cost:,} MACs an input take too long; see "
            "tfpipeline layer-error"
        }
    reasons = support.reasons(integers)
    if reasons:
        return {"reason": f"not measured: {reasons[0]}"}
    try:
        float_execution.require_float(real)
        found = layer_error.measure(real, integers, inputs[:count])
    except errors.PipelineError as error:
        return {"reason": f"not measured: {error}"}
    return {
        "examples": count,
        "layers": [
            {
                "name": each.name,
                "kind": each.kind,
                "accumulated_db": _finite(each.accumulated_db),
                "alone_db": _finite(each.alone_db),
            }
            for each in found
        ],
    }


def _finite(decibels: float) -> float | None:
    """None of what is exact, or all zero."""
    return round(decibels, 2) if math.isfinite(decibels) else None
