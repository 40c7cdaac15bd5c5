"""Rules of the layers that keep a state: attributes, shapes and types."""

import math
from collections.abc import Iterator

from tfpipeline.ir import graph

GATES = 4

# (input, kernel, bias, hidden state, cell) of an LSTM: ValidateTensorStatus and Eval,
# tensorflow/lite/micro/kernels/lstm_eval.cc, unidirectional_sequence_lstm.cc.
LSTM_TYPES = (
    ("float32", "float32", "float32", "float32", "float32"),
    ("int8", "int8", "int32", "int8", "int16"),
    ("int16", "int8", "int64", "int16", "int16"),
)
# (input, kernel, kernel over time, bias, state) of an SVDF: PrepareSvdf of
# svdf_common.cc.
SVDF_TYPES = (
    ("float32", "float32", "float32", "float32", "float32"),
    ("int8", "int8", "int16", "int32", "int16"),
    ("int8", "int8", "int8", "int32", "int8"),
)


def attributes(layer: graph.Stateful) -> Iterator[str]:
    """What is wrong with a layer by itself."""
    if isinstance(layer, graph.Lstm):
        constants = (layer.input_weights, layer.recurrent_weights, layer.biases)
        if {len(names) for names in constants} != {GATES} or len(layer.states) != 2:
            yield "other than four gates and two states"
        if not 0 <= layer.cell_clip < math.inf:
            yield f"a clip of {layer.cell_clip}"
    if isinstance(layer, graph.Svdf) and (len(layer.states) != 1 or layer.rank < 1):
        yield f"{len(layer.states)} states of rank {layer.rank}"


def shapes(g: graph.Graph, layer: graph.Stateful) -> Iterator[str]:
    """What does not fit the shape of the input."""

    def of(names: tuple[str, ...]) -> set[tuple[int, ...]]:
        return {g.tensors[name].shape for name in names}

    source, result = g.tensors[layer.inputs[0]].shape, g.tensors[layer.output].shape
    if isinstance(layer, graph.Lstm):
        if len(source) != 3:
            yield f"input {source}"
            return
        units = result[-1] if result else 0
        batch = source[1 if layer.time_major else 0]
        fits = (
            result == (*source[:2], units)
            and of(layer.input_weights) == {(units, source[-1])}
            and of(layer.recurrent_weights) == {(units, units)}
            and of(layer.biases) == {(units,)}
            and {math.prod(shape) for shape in of(layer.states)} == {batch * units}
        )
    else:
        assert isinstance(layer, graph.Svdf)
        kernel, moments = (
            g.tensors[name].shape for name in (layer.weights, layer.time_weights)
        )
        if not len(source) == len(kernel) == len(moments) == 2:
            yield f"input {source}, kernels {kernel} and {moments}"
            return
        filters = kernel[0]
        fits = (
            filters % layer.rank == 0
            and kernel[1] == source[1]
            and moments[0] == filters
            and result == (source[0], filters // layer.rank)
            and of((layer.bias,)) == {(filters // layer.rank,)}
            and of(layer.states) == {(source[0], moments[1] * filters)}
        )
    if not fits:
        yield f"kernels, states and output {result} do not fit the input {source}"


def types(g: graph.Graph, layer: graph.Stateful) -> Iterator[str]:
    """What no kernel has together."""

    def of(names: tuple[str, ...]) -> str:
        return "/".join(sorted({g.tensors[name].dtype for name in names}))

    source, result = g.tensors[layer.inputs[0]].dtype, g.tensors[layer.output].dtype
    if isinstance(layer, graph.Lstm):
        kernels = of(graph.kernel_names(layer))
        states = (of(layer.states[:1]), of(layer.states[1:]))
        found: tuple[str, ...] = (source, kernels, of(layer.biases), *states)
        known = found in LSTM_TYPES
    else:
        assert isinstance(layer, graph.Svdf)
        kernels = of((layer.weights,))
        found = (source, kernels, of((layer.time_weights,)), of((layer.bias,)))
        found = (*found, of(layer.states))
        known = found in SVDF_TYPES
    if not known or result != source:
        yield f"{', '.join(found)} to {result}"
