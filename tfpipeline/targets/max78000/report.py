"""The text that the vendor's tool prints about a network, character for character.

Source: ai8x-synthesis ab4f4c0, izer/stats.py and izer/backend/max7800x.py.
"""

from tfpipeline import errors
from tfpipeline.targets.max78000 import accelerator_layer, cost, latency, operations


def summary(result: cost.Cost) -> str:
    """`SUMMARY OF OPS` and `RESOURCE USAGE`, as the tool prints them."""
    return f"{summary_of_ops(result)}\n{resource_usage(result)}"


def summary_of_ops(result: cost.Cost) -> str:
    """Operations of the network and of each layer."""
    lines = ["SUMMARY OF OPS", f"Hardware: {_counts(result.operations)}"]
    lines += [
        f"  {_name(index, line.layer)}: {_counts(line.operations)}"
        for index, line in enumerate(result.layers)
    ]
    return "\n".join(lines) + "\n"


def resource_usage(result: cost.Cost) -> str:
    """Weight and bias memory, used and available."""
    spec = result.spec
    return (
        "RESOURCE USAGE\n"
        f"Weight memory: {_share(result.weight_bytes, spec.weight_bytes)}\n"
        f"Bias memory:   {_share(result.bias_bytes, spec.bias_bytes)}\n"
    )


def estimated_latency(result: cost.Cost) -> str:
    """`ESTIMATED LATENCY` by the tool's own cycle model; streaming layers `(est)`.

    Raises:
      UsageError: the tool has no latency model for the device.
    """
    if "ai8x" not in result.latency_cycles:
        raise errors.UsageError(
            f"the ai8x latency model does not cover {result.spec.name}"
        )
    lines = ["ESTIMATED LATENCY", f"{'Startup':9}{latency.STARTUP_CYCLES:18,}"]
    estimated = " (est)" if any(line.layer.streaming for line in result.layers) else ""
    for index, line in enumerate(result.layers):
        mark = " (est)" if line.layer.streaming else ""
        cycles = round(line.latency_cycles["ai8x"])
        lines.append(f"{_name(index, line.layer):9}{cycles:18,}{mark}")
    total = round(result.latency_cycles["ai8x"])
    lines += [f"{'':17}==========", f"Total{total:22,} cycles{estimated}"]
    return "\n".join(lines) + "\n"


def _name(index: int, layer: accelerator_layer.AcceleratorLayer) -> str:
    name = f" ({layer.name})" if layer.name is not None else ""
    return f"Layer {index}{name}"


def _counts(counts: operations.Operations) -> str:
    return (
        f"{counts.total:,} ops ({counts.macc:,} macc; {counts.comp:,} comp; "
        f"{counts.add:,} add; {counts.mul:,} mul; {counts.bitwise:,} bitwise)"
    )


def _share(used: int, available: int) -> str:
    percent = used * 100.0 / available
    return f"{used:,} bytes out of {available:,} bytes total ({percent:.1f}%)"
