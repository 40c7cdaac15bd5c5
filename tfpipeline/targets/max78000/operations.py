"""Operations of a layer as the vendor's tool counts them in its SUMMARY OF OPS.

What is counted (ai8x-synthesis ab4f4c0, izer/simulate.py and stats.py):
  macc     every kernel position of every output, padding and the zeros between the
           pixels of a transposed convolution included
  comp     one per output value for ReLU and Abs; every pixel under the window for each
           value of max pooling
  add      the same amount for average pooling (its division is free); operands - 1 per
           value for element-wise add and sub
  bitwise  operands - 1 per value for element-wise or and xor
Bias, output shift, rounding and saturation cost nothing. `mul` is printed, but no
operator of the tool's network description reaches it.
"""

import math
from collections.abc import Iterable

from tfpipeline.cost import operations as cost_operations
from tfpipeline.targets.max78000 import accelerator_layer

Operations = cost_operations.Operations


def count(layer: accelerator_layer.AcceleratorLayer) -> Operations:
    """Operations of one layer."""
    counts = Operations().by_name()
    out_values = layer.out_channels * math.prod(layer.out_dim)
    if layer.convolves:
        inputs = layer.in_channels // layer.groups * math.prod(layer.kernel)
        if layer.flatten:
            inputs *= math.prod(layer.pooled_dim)
        counts["macc"] += inputs * out_values
    if layer.activation is not None:
        counts["comp"] += out_values
    if layer.window > 1:
        counts["comp" if layer.pool_type == "max" else "add"] += _pooling(layer)
    if layer.eltwise is not None:
        dim = layer.pooled_dim if layer.pool_first else layer.in_dim
        values = layer.in_channels * math.prod(dim)
        kind = "add" if layer.eltwise in ("add", "sub") else "bitwise"
        counts[kind] += (layer.operands - 1) * values
    return Operations(**counts)


def total(operations: Iterable[Operations]) -> Operations:
    """Sum of the counts."""
    fields = [counts.by_name().values() for counts in operations]
    return Operations(*map(sum, zip(*fields, strict=True)))


def _pooling(layer: accelerator_layer.AcceleratorLayer) -> int:
    # With the element-wise operation first, there is one pooled tensor, not one per
    # operand.
    tensors = layer.operands if layer.pool_first else 1
    return tensors * layer.window * layer.in_channels * math.prod(layer.pooled_dim)
