"""As `recurrent_kernels`, on whole arrays of images."""

from collections.abc import Callable, Sequence

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
    given = _products(
        [gate.input_kernel for gate in gates],
        [gate.input_factor for gate in gates],
        np.concatenate([gate.bias for gate in gates]),
        is_wide,
    )(rows)
    of_hidden = _products(
        [gate.recurrent_kernel for gate in gates],
        [gate.recurrent_factor for gate in gates],
        np.int64(0),
        is_wide,
    )
    for row in range(len(rows)):
        sums = _short(given[row] + of_hidden(hidden)) + 2**15
        taken, kept, candidate, shown = (
            table[sums[:, i * units : (i + 1) * units]]
            for i, table in enumerate(tables)
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


def _products(
    kernels: Sequence[Array],
    factors: Sequence[derived.Factor],
    bias: Array | np.int64,
    is_wide: bool,
) -> Callable[[Array], Array]:
    """From `[..., channels]` to the scaled products of all gates, in a row."""
    # Integers below 2**53 are exact in float64, whose products BLAS has.
    columns = np.concatenate(kernels).T.astype(np.float64)
    units = [len(kernel) for kernel in kernels]
    multiplier, shift = (
        np.repeat(np.array(values, np.int64), units)
        for values in zip(*factors, strict=True)
    )
    if is_wide:
        multipliers = [fixed_point.reduced_multiplier(each) for each, _ in factors]
        multiplier = np.repeat(np.array(multipliers, np.int64), units)
    digits = 15 - shift
    half = np.int64(1) << (digits - 1) if is_wide else np.int64(0)

    def scaled(rows: Array) -> Array:
        sums = (rows.astype(np.float64) @ columns).astype(np.int64) + bias
        if not is_wide:
            return _short(vector_arithmetic.scale(sums, multiplier, shift))
        return _short(vector_arithmetic.wrap((sums * multiplier + half) >> digits))

    return scaled


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
