"""Kernels of real numbers for the layers that keep a state, readable and on arrays.

The state begins anew with each image, as in `recurrent_kernels`. An LSTM is Keras' with
the sigmoid in its gates, whose cell is bounded by `cell_clip` where that is not 0.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from tfpipeline.ir import graph

Array = graph.Array
_Kernel = Callable[[graph.Graph, graph.Layer, Sequence[Array]], Array]


def _sigmoid(value: float) -> float:
    # By tanh, which cannot overflow.
    return 0.5 + 0.5 * math.tanh(0.5 * value)


def _values(g: graph.Graph, names: Sequence[str]) -> list[Array]:
    return [g.constants[name].astype(np.float64) for name in names]


def _rows(layer: graph.Lstm, values: Array) -> Array:
    """A view `[time, batch, channels]`."""
    return values if layer.time_major else np.moveaxis(values, 1, 0)


def readable_lstm(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Unit after unit of row after row."""
    assert isinstance(layer, graph.Lstm)
    of_input, of_hidden, biases = (
        _values(g, names)
        for names in (layer.input_weights, layer.recurrent_weights, layer.biases)
    )
    limit = layer.cell_clip or math.inf
    result = np.empty(g.tensors[layer.output].shape)
    source, written = _rows(layer, inputs[0]), _rows(layer, result)
    units = result.shape[-1]
    for batch in range(source.shape[1]):
        hidden, cell = np.zeros(units), np.zeros(units)
        for row in range(len(source)):
            following = np.empty(units)
            for unit in range(units):
                taken, kept, candidate, shown = (
                    float(
                        (of_input[gate][unit] * source[row, batch]).sum()
                        + (of_hidden[gate][unit] * hidden).sum()
                        + biases[gate][unit]
                    )
                    for gate in range(4)
                )
                value = _sigmoid(kept) * cell[unit]
                value += _sigmoid(taken) * math.tanh(candidate)
                cell[unit] = min(max(value, -limit), limit)
                following[unit] = _sigmoid(shown) * math.tanh(cell[unit])
            hidden = following
            written[row, batch] = hidden
    return result


def lstm(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """All images and gates in each row."""
    assert isinstance(layer, graph.Lstm)
    return _histories(g, layer, inputs)[0]


def states(
    g: graph.Graph, layer: graph.Stateful, inputs: Sequence[Array]
) -> dict[str, Array]:
    """What an LSTM's states are after each row, by name; of an SVDF nothing.

    Args:
        g: a verified float graph.
        layer: of it.
        inputs: of the layer.
    """
    if not isinstance(layer, graph.Lstm):
        return {}
    return dict(zip(layer.states, _histories(g, layer, inputs), strict=True))


def _histories(
    g: graph.Graph, layer: graph.Lstm, inputs: Sequence[Array]
) -> tuple[Array, Array]:
    """The hidden state, which is the result, and the cell after each row."""
    of_input, of_hidden, bias = (
        np.concatenate(_values(g, names))
        for names in (layer.input_weights, layer.recurrent_weights, layer.biases)
    )
    source = _rows(layer, inputs[0])
    given = source @ of_input.T + bias
    hidden = np.zeros((source.shape[1], of_hidden.shape[1]))
    cell = np.zeros_like(hidden)
    results, cells = [], []
    for row in given:
        sums = np.split(row + hidden @ of_hidden.T, 4, axis=-1)
        taken, kept, shown = (0.5 + 0.5 * np.tanh(0.5 * sums[i]) for i in (0, 1, 3))
        cell = kept * cell + taken * np.tanh(sums[2])
        if layer.cell_clip:
            cell = np.clip(cell, -layer.cell_clip, layer.cell_clip)
        hidden = shown * np.tanh(cell)
        results.append(hidden)
        cells.append(cell)
    axis = 0 if layer.time_major else 1
    return np.stack(results, axis=axis), np.stack(cells, axis=axis)


def readable_svdf(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Of the moments, the last one alone is not zero."""
    assert isinstance(layer, graph.Svdf)
    kernel, times, bias = _values(g, graph.constant_names(layer))
    result = np.empty(g.tensors[layer.output].shape)
    for batch, row in enumerate(inputs[0]):
        for unit in range(result.shape[-1]):
            filters = range(unit * layer.rank, (unit + 1) * layer.rank)
            parts = [times[i, -1] * (kernel[i] * row).sum() for i in filters]
            result[batch, unit] = bias[unit] + sum(parts)
    return result


def svdf(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """All images and filters at once."""
    assert isinstance(layer, graph.Svdf)
    kernel, times, bias = _values(g, graph.constant_names(layer))
    parts = inputs[0] @ kernel.T * times[:, -1]
    found: Array = parts.reshape(len(parts), -1, layer.rank).sum(axis=-1) + bias
    return found


READABLE: dict[type[graph.Layer], _Kernel] = {
    graph.Lstm: readable_lstm,
    graph.Svdf: readable_svdf,
}
KERNELS: dict[type[graph.Layer], _Kernel] = {graph.Lstm: lstm, graph.Svdf: svdf}
