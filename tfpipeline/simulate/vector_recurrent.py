"""As `recurrent_kernels`, on whole arrays of images."""

from collections.abc import Sequence

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.simulate import derived, fixed_point, recurrent, vector_arithmetic

Array = graph.Array


def lstm(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """All images in each row."""
    assert isinstance(layer, graph.Lstm)
    source = inputs[0].astype(np.int64) - derived.zero_point(g, layer.inputs[0])
    # Rows first, then all that have a state of their own.
    rows = source if layer.time_major else np.moveaxis(source, 1, 0)
    gates, factors = recurrent.gates(g, layer), recurrent.cell(g, layer)
    sigmoid = recurrent.sigmoid_table()
    of_candidate = recurrent.tanh_table(*recurrent.tanh_factor(recurrent.GATE_SCALE))
    tables = (sigmoid, sigmoid, of_candidate, sigmoid)
    tanh = recurrent.tanh_table(*factors.tanh)
    is_wide = g.tensors[layer.inputs[0]].dtype == "int16"
    zero = derived.zero_point(g, layer.states[0])
    low, high = derived.type_bounds(g, layer.states[0])
    units = g.tensors[layer.output].shape[-1]
    hidden = np.zeros((rows.shape[1], units), np.int64)
    cell = np.zeros_like(hidden)
    results = []
    # What does not depend on the state, of all rows at once.
    given = [
        _product(rows, gate.input_kernel, gate.bias, gate.input_factor, is_wide)
        for gate in gates
    ]
    for row in range(len(rows)):
        taken, kept, candidate, shown = (
            table[_short(of_input[row] + of_hidden) + 2**15]
            for table, of_input, of_hidden in (
                (
                    tables[i],
                    given[i],
                    _product(
                        hidden, gate.recurrent_kernel, 0, gate.recurrent_factor, is_wide
                    ),
                )
                for i, gate in enumerate(gates)
            )
        )
        first = _short(vector_arithmetic.scale(kept * cell, *factors.forget))
        second = _short(vector_arithmetic.scale(taken * candidate, *factors.taken_in))
        cell = _short(first + second)
        if factors.clip is not None:
            cell = np.clip(cell, -factors.clip, factors.clip)
        product = vector_arithmetic.scale(tanh[cell + 2**15] * shown, *factors.hidden)
        hidden = np.clip(product + zero, low, high) - zero
        results.append(hidden + zero)
    found = np.stack(results, axis=0 if layer.time_major else 1)
    return found.astype(g.tensors[layer.output].dtype)


def _short(values: Array) -> Array:
    found: Array = np.clip(values, -(2**15), 2**15 - 1)
    return found


def _product(
    rows: Array,
    kernel: Array,
    bias: Array | int,
    factor: derived.Factor,
    is_wide: bool,
) -> Array:
    # Integers below 2**53 are exact in float64, whose products BLAS has.
    sums = (rows.astype(np.float64) @ kernel.T.astype(np.float64)).astype(np.int64)
    sums = sums + bias
    if not is_wide:
        return _short(vector_arithmetic.scale(sums, *factor))
    multiplier, shift = factor
    digits = 15 - shift
    sums = sums * fixed_point.reduced_multiplier(multiplier) + (1 << (digits - 1))
    return _short(vector_arithmetic.wrap(sums >> digits))


def svdf(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """All images and filters at once."""
    assert isinstance(layer, graph.Svdf)
    into, out = recurrent.svdf_factors(g, layer)
    low, high = derived.type_bounds(g, layer.states[0])
    state_zero = derived.zero_point(g, layer.states[0])
    source = inputs[0].astype(np.int64) - derived.zero_point(g, layer.inputs[0])
    kernel = g.constants[layer.weights].astype(np.float64)
    sums = (source.astype(np.float64) @ kernel.T).astype(np.int64)
    values = np.clip(vector_arithmetic.scale(sums, *into), low, high) + state_zero
    dtype = g.tensors[layer.states[0]].dtype
    values = values.astype(dtype).astype(np.int64) - state_zero
    values *= g.constants[layer.time_weights][:, -1].astype(np.int64)
    totals = values.reshape(len(values), -1, layer.rank).sum(axis=-1)
    totals = totals + g.constants[layer.bias].astype(np.int64)
    scaled = vector_arithmetic.scale(totals, *out) + derived.zero_point(g, layer.output)
    least, most = derived.type_bounds(g, layer.output)
    result: Array = np.clip(scaled, least, most).astype(g.tensors[layer.output].dtype)
    return result
