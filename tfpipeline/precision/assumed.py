"""Integers for a network that was not quantized yet, to be priced and not to be run.

Compilers read files of integers. What they make of one, and what that costs, follows
from shapes, widths and how far weights can be compressed, hardly from scales.
"""

import dataclasses

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.precision import formats, quantize

# Of every activation.
_RANGE = (-4.0, 4.0)


def integers(g: graph.Graph, activation_bits: int) -> graph.Graph:
    """A float graph in int8 weights, with ranges that are made up.

    Args:
        g: a verified float graph. Kernels of one value, which a network without weights
            has, become normally distributed ones, whose integers compress as badly as
            those that were trained.
        activation_bits: 8 or 16.

    Raises:
        GraphError: as `quantize.quantize`.
    """
    names = [*g.inputs]
    for layer in g.layers:
        names += [*graph.written_names(layer), *graph.state_names(layer)]
    form = formats.named(f"wi8_ai{activation_bits}")
    return quantize.quantize(_weighted(g), dict.fromkeys(names, _RANGE), form)


def _weighted(g: graph.Graph) -> graph.Graph:
    random = np.random.default_rng(0)
    constants = {
        name: random.normal(size=values.shape).astype(np.float32)
        if values.ndim > 1 and np.all(values == values.flat[0])
        else values
        for name, values in g.constants.items()
    }
    return dataclasses.replace(g, constants=constants)
