"""What rounding takes from a layer altogether: kernels of zeros, biases cut off.

A layer has one scale for its kernel and its bias, so the larger of the two can cost the
other everything.
"""

from collections.abc import Iterator

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import arithmetic, quantize
from tfpipeline.targets.max78000 import policy as policies


def notes(g: graph.Graph, policy: policies.Policy) -> tuple[str, ...]:
    """One line for each layer of a float graph that loses its kernel, or biases.

    Args:
        g: float, as `quantize.quantize` takes it.
        policy: bits of the weights.
    """
    return tuple(
        f"{layer.kind} '{layer.name}': {loss}"
        for layer in g.layers
        if isinstance(layer, graph.Weighted)
        for loss in _losses(
            g.constants[layer.weights],
            None if layer.bias is None else g.constants[layer.bias],
            policy.bits(layer.name),
            policy.shift_quantile,
        )
    )


def _losses(
    kernel: graph.Array, bias: graph.Array | None, bits: int, quantile: float
) -> Iterator[str]:
    found = quantize.quantize_layer(kernel, bias, bits, quantile)
    alone = quantize.weight_shift(kernel, None, quantile, weight_bits=bits)
    largest = 0.0 if bias is None else float(np.abs(bias).max())
    if kernel.any() and not found.weights.any():
        because = ""
        if found.shift > alone:
            because = (
                f": its bias, up to {largest:g}, sets the scale of weights of at most "
                f"{np.abs(kernel).max():g}"
            )
        yield (
            f"all weights become 0 at {bits} bits, so that its output is the same for "
            f"every image{because}"
        )
    if bias is not None and (count := _cut_off(bias, found.scale)):
        yield (
            f"{count} of {bias.size} biases, up to {largest:g}, are cut off at 8 bits "
            f"in steps of {found.scale:g}, which is that of its weights"
        )


def _cut_off(bias: graph.Array, scale: float) -> int:
    """How many lie more than a step beyond the ends."""
    low, high = arithmetic.weight_range(arithmetic.BIAS_BITS)
    steps = bias.astype(np.float64) / scale
    return int(((steps < low - 1) | (steps > high + 1)).sum())
