"""Softmax on whole batches at once; equal to the reference kernel bit for bit."""

from collections.abc import Sequence

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.simulate import derived, fixed_point, lookup, vector_arithmetic

Array = graph.Array


def softmax(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.softmax`: a table of the 256 exponentials."""
    assert isinstance(layer, graph.Softmax)
    result = g.tensors[layer.output]
    if inputs[0].dtype == "int16":
        return _softmax16(g, layer, inputs[0])
    factor, smallest = derived.softmax_parameters(g, layer)
    low, high = derived.type_bounds(g, layer.output)
    table = np.array(
        [
            fixed_point.exp_of_negative(fixed_point.scale(-below, *factor))
            if -below >= smallest
            else 0
            for below in range(256)
        ],
        np.int64,
    )
    values = inputs[0].astype(np.int64)
    below = values.max(axis=-1, keepdims=True) - values
    exps = table[below]
    digits = derived.SOFTMAX_SUM_BITS
    parts = vector_arithmetic.rounding_shift_right(exps, digits)
    totals, rows = np.unique(parts.sum(axis=-1), return_inverse=True)
    headroom = [32 - int(total).bit_length() for total in totals]
    reciprocal = [
        fixed_point.one_over_one_plus((int(total) << bits) - 2**31)
        for total, bits in zip(totals, headroom, strict=True)
    ]
    shift = digits - np.array(headroom, np.int64) + 31 - result.num_bits
    product = vector_arithmetic.scale(exps, np.array(reciprocal)[rows][..., None], 0)
    rounded = vector_arithmetic.rounding_shift_right(product, shift[rows][..., None])
    values = np.clip(rounded + low, low, high)
    found: Array = np.where(-below >= smallest, values, low).astype(result.dtype)
    return found


def _softmax16(g: graph.Graph, layer: graph.Softmax, source: Array) -> Array:
    values = source.astype(np.int64)
    low, high = lookup.INT16_MIN, lookup.INT16_MAX
    differences = values - values.max(axis=-1, keepdims=True)
    scaled = vector_arithmetic.scale(differences, *derived.softmax16_factor(g, layer))
    exps = _interpolated(lookup.exp_table(), np.clip(scaled + high, low, high))
    totals = exps.sum(axis=-1, keepdims=True)
    # The exponent of a float is one more than the place of an integer's first bit.
    shift = np.frexp(totals)[1].astype(np.int64) - 1
    arguments = (((totals << (30 - shift)) + 2**13) >> 14) - 2**16 + low
    reciprocals = _interpolated(
        lookup.reciprocal_table(), np.clip(arguments, low, high)
    )
    rounded = (exps * reciprocals + (np.int64(1) << (shift - 1))) >> shift
    result: Array = np.clip(rounded, 0, high).astype(np.int16)
    return result


def _interpolated(table: Array, values: Array) -> Array:
    """`lookup.interpolated`."""
    index = (values >> 7) + lookup.STEPS // 2
    base, following = table[index], table[index + 1]
    result: Array = base + (((following - base) * (values & 0x7F) + 64) >> 7)
    return result
