"""Readable kernels of the layers that keep a state, which begins anew with each image.

Sources: tensorflow/lite/micro/kernels/lstm_eval.h, lstm_eval.cc, svdf_common.cc.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.simulate import activation_functions, derived, fixed_point, recurrent

Array = graph.Array


def _short(value: int) -> int:
    return min(max(value, -(2**15)), 2**15 - 1)


def lstm(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Row after row, each of a batch with a state of its own."""
    assert isinstance(layer, graph.Lstm)
    tensor = g.tensors[layer.output]
    source = inputs[0].astype(np.int64) - derived.zero_point(g, layer.inputs[0])
    result = np.empty(tensor.shape, tensor.dtype)
    if layer.time_major:
        source, rows = np.moveaxis(source, 0, 1), np.moveaxis(result, 0, 1)
    else:
        rows = result
    for batch in range(len(source)):
        zero = derived.zero_point(g, layer.states[0])
        hidden, cell = [zero] * tensor.shape[-1], [0] * tensor.shape[-1]
        for time, row in enumerate(source[batch]):
            hidden, cell = _step(g, layer, row, hidden, cell)
            rows[batch, time] = hidden
    return result


def _step(
    g: graph.Graph, layer: graph.Lstm, row: Array, hidden: list[int], cell: list[int]
) -> tuple[list[int], list[int]]:
    """Both states after a row."""
    zero = derived.zero_point(g, layer.states[0])
    low, high = derived.type_bounds(g, layer.states[0])
    is_wide = g.tensors[layer.inputs[0]].dtype == "int16"
    scale = fixed_point.scale_wide if is_wide else fixed_point.scale
    quant = graph.QuantParams((recurrent.GATE_SCALE,), (0,), 16)
    before = np.array(hidden, np.int64) - zero
    found = []
    for number, gate in enumerate(recurrent.gates(g, layer)):
        name = "tanh" if number == 2 else "sigmoid"
        function = activation_functions.function(name, quant, quant)
        of_input = gate.input_kernel @ row + gate.bias
        of_hidden = gate.recurrent_kernel @ before
        found.append(
            [
                function(
                    _short(
                        _short(scale(int(a), *gate.input_factor))
                        + _short(scale(int(b), *gate.recurrent_factor))
                    )
                )
                for a, b in zip(of_input, of_hidden, strict=True)
            ]
        )
    factors = recurrent.cell(g, layer)
    tanh = activation_functions.tanh16(*factors.tanh)
    new_hidden, new_cell = [], []
    for taken, kept, candidate, shown, old in zip(*found, cell, strict=True):
        first = _short(fixed_point.scale(kept * old, *factors.forget))
        second = _short(fixed_point.scale(taken * candidate, *factors.taken_in))
        value = _short(first + second)
        if factors.clip is not None:
            value = max(min(factors.clip, value), -factors.clip)
        new_cell.append(value)
        product = fixed_point.scale(tanh(value) * shown, *factors.hidden)
        new_hidden.append(min(max(product + zero, low), high))
    return new_hidden, new_cell


def svdf(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """One moment, behind others of zeros."""
    assert isinstance(layer, graph.Svdf)
    into, out = recurrent.svdf_factors(g, layer)
    low, high = derived.type_bounds(g, layer.states[0])
    bits = 8 * np.dtype(g.tensors[layer.states[0]].dtype).itemsize
    state_zero = derived.zero_point(g, layer.states[0])
    zero = derived.zero_point(g, layer.output)
    kernel = g.constants[layer.weights].astype(np.int64)
    last = g.constants[layer.time_weights][:, -1].tolist()
    bias = g.constants[layer.bias].tolist()
    tensor = g.tensors[layer.output]
    result = np.empty(tensor.shape, tensor.dtype)
    least, most = derived.type_bounds(g, layer.output)
    for batch, row in enumerate(
        inputs[0].astype(np.int64) - derived.zero_point(g, layer.inputs[0])
    ):
        sums = list(bias)
        for number, total in enumerate((kernel @ row).tolist()):
            value = min(max(fixed_point.scale(total, *into), low), high)
            # It is stored in the state's type.
            value = fixed_point.wrap(state_zero + value, bits) - state_zero
            sums[number // layer.rank] += last[number] * value
        result[batch] = [
            min(max(fixed_point.scale(total, *out) + zero, least), most)
            for total in sums
        ]
    return result


KERNELS: dict[
    type[graph.Layer], Callable[[graph.Graph, graph.Layer, Sequence[Array]], Array]
] = {graph.Lstm: lstm, graph.Svdf: svdf}
