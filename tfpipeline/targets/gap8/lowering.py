"""From a float graph to kernel calls that have no integers yet.

The chip's order is channels first, and one call does a convolution with its ReLU and
max pool. Reshapes that only drop or flatten axes vanish: a `Linear` reads the values of
a plane in the order channel, row, column, to which its weights are brought here. What
stands at the end and only makes the result readable (softmax) is left to the host.

All that has no kernel is found before anything is said about it.
"""

import collections
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import program

Array = graph.Array

# A pool that leaves everything as it is.
_PIXEL = program.Window((1, 1), (1, 1))
_HOST_FUNCTIONS = ("sigmoid", "tanh", "hard_swish")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One call of a kernel, with float weights or none.

    Attributes:
        kind: the class of `program` that it becomes.
        name: of the graph's layer.
        inputs: names of tensors that it reads.
        output: the tensor that it writes, behind what it does besides.
        measured: the graph's tensor whose magnitude before any ReLU sets the format.
        shape: of the output.
        weights: float32, as the program orders them.
        bias: float32 `[outputs]`.
        fields: what else the class takes, but its integers.
    """

    kind: type[program.Layer]
    name: str
    inputs: tuple[str, ...]
    output: str
    measured: str
    shape: program.Shape
    weights: Array | None = None
    bias: Array | None = None
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Draft:
    """The calls of a network, in order; as `program.Program` but for the integers."""

    name: str
    input: str
    input_shape: program.Shape
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...]

    def readers(self, name: str) -> int:
        """How often a tensor is read, by steps and as a result."""
        reads = sum(step.inputs.count(name) for step in self.steps)
        return reads + self.outputs.count(name)


def lower(g: graph.Graph) -> Draft:
    """The kernel calls of a well-formed float graph with batch normalizations folded.

    Raises:
        QuantizationError: naming every layer that the kernels cannot compute.
    """
    state = _State(g)
    if len(g.inputs) != 1:
        state.faults.append(f"{len(g.inputs)} inputs; one is needed")
    for layer in g.layers:
        lowering = _LOWERINGS.get(type(layer))
        if lowering is None:
            kinds = ", ".join(kind.__name__ for kind in _LOWERINGS)
            state.fault(layer, f"has no kernel on the GAP8; use {kinds}")
        else:
            lowering(state, layer)
        # What reads it is checked too.
        state.alias.setdefault(layer.output, layer.output)
    if state.faults:
        faults = "; ".join(state.faults)
        raise errors.QuantizationError(f"graph '{g.name}' for the GAP8: {faults}")
    return Draft(
        name=g.name,
        input=g.inputs[0],
        input_shape=chip_shape(g.tensors[g.inputs[0]].shape),
        steps=tuple(state.steps.values()),
        outputs=tuple(state.alias[name] for name in g.outputs),
        notes=tuple(state.notes),
    )


def chip_shape(shape: tuple[int, ...]) -> program.Shape:
    """Channels, rows and columns of a tensor `[1, rows, columns, channels]`, `[1, n]`.

    A tensor of another rank is a vector of its values.
    """
    if len(shape) == 4:
        return shape[3], shape[1], shape[2]
    return math.prod(shape), 1, 1


class _State:
    """The calls so far.

    Attributes:
        steps: by the tensor that each writes.
        alias: by tensor of the graph, the tensor that has its values.
        pads: zeros around a tensor that its reader adds, by tensor.
    """

    def __init__(self, g: graph.Graph):
        self.g = g
        self.steps: dict[str, Step] = {}
        self.alias = {name: name for name in g.inputs}
        self.pads: dict[str, program.Padding] = {}
        self.faults: list[str] = []
        self.notes: list[str] = []
        reads = [name for layer in g.layers for name in layer.inputs]
        self.readers = collections.Counter([*reads, *g.outputs])

    def fault(self, layer: graph.Layer, what: str) -> None:
        """Notes why a layer cannot be lowered."""
        self.faults.append(f"{layer.kind} '{layer.name}' {what}")

    def shape(self, name: str) -> program.Shape:
        """The chip's shape of a tensor of the graph, behind its alias."""
        return chip_shape(self.g.tensors[self.alias.get(name, name)].shape)

    def relu(self, layer: graph.Layer) -> bool:
        """Whether a layer is clamped as a ReLU; any other clamp is a fault."""
        clamp = getattr(layer, "clamp", graph.NO_CLAMP)
        if clamp not in (graph.NO_CLAMP, graph.RELU):
            limits = f"{clamp.minimum:g}..{clamp.maximum:g}"
            self.fault(layer, f"is clamped to {limits}; the kernels have plain ReLU")
        return clamp == graph.RELU

    def add(self, layer: graph.Layer, kind: type[program.Layer], **values: Any) -> None:
        """Adds the call for a layer, whose inputs must not be padded by others."""
        for name in layer.inputs:
            if name in self.pads and kind is not program.Conv:
                self.fault(layer, "cannot read padded data; only Conv2D can")
        fields = values.pop("fields", {})
        self.steps[layer.output] = Step(
            kind=kind,
            name=layer.name,
            inputs=tuple(self.alias[name] for name in layer.inputs),
            output=layer.output,
            measured=layer.output,
            shape=chip_shape(self.g.tensors[layer.output].shape),
            fields=fields,
            **values,
        )

    def fused(self, layer: graph.Layer, **fields: Any) -> bool:
        """Lets the call before a layer do its work too, if only this layer reads it."""
        source = layer.inputs[0]
        step = self.steps.get(source)
        if step is None or self.readers[source] != 1:
            return False
        del self.steps[source]
        self.steps[layer.output] = dataclasses.replace(
            step,
            output=layer.output,
            shape=chip_shape(self.g.tensors[layer.output].shape),
            fields={**step.fields, **fields},
        )
        return True

    def before(self, layer: graph.Layer) -> Step | None:
        """The call that writes what a layer reads, if it reads that as it is."""
        return self.steps.get(layer.inputs[0])


def _convolution(state: _State, layer: graph.Layer) -> None:
    assert isinstance(layer, (graph.Conv2D, graph.DepthwiseConv2D))
    kernel = state.g.constants[layer.weights]
    channels = state.shape(layer.inputs[0])[0]
    if isinstance(layer, graph.DepthwiseConv2D):
        # [1, rows, columns, outputs]
        weights, groups = kernel.transpose(3, 0, 1, 2), channels
    else:
        weights, groups = kernel.transpose(0, 3, 1, 2), channels // kernel.shape[3]
    if 1 < groups < channels:
        state.fault(layer, f"has {groups} groups; the kernels take 1 or {channels}")
    inner = state.pads.get(layer.inputs[0], program.NO_PADDING)
    pairs = zip(inner, layer.padding, strict=True)
    rows, columns = ((a[0] + b[0], a[1] + b[1]) for a, b in pairs)
    state.add(
        layer,
        program.Conv,
        weights=weights,
        bias=_bias(state, layer, len(weights)),
        fields={
            "relu": state.relu(layer),
            "strides": layer.strides,
            "padding": (rows, columns),
            "dilation": layer.dilation,
            "groups": groups,
        },
    )


def _dense(state: _State, layer: graph.Layer) -> None:
    assert isinstance(layer, graph.Dense)
    weights = state.g.constants[layer.weights]
    bias = _bias(state, layer, len(weights))
    fields = {"relu": state.relu(layer)}
    channels, rows, columns = state.shape(layer.inputs[0])
    if layer.inputs[0] in state.pads:
        state.fault(layer, "cannot read padded data; only Conv2D can")
    elif len(state.g.tensors[layer.output].shape) == 4:
        weights = weights[:, :, None, None]
        state.add(layer, program.Conv, weights=weights, bias=bias, fields=fields)
    elif weights.shape[1] != channels * rows * columns:
        state.fault(layer, "must read a whole plane or each pixel's channels")
    else:
        planes = weights.reshape(-1, rows, columns, channels).transpose(0, 3, 1, 2)
        flat = planes.reshape(len(weights), -1)
        state.add(layer, program.Linear, weights=flat, bias=bias, fields=fields)


def _bias(state: _State, layer: graph.Weighted, outputs: int) -> Array:
    if layer.bias is None:
        return np.zeros(outputs, np.float32)
    return state.g.constants[layer.bias].reshape(-1)


def _max_pool(state: _State, layer: graph.Layer) -> None:
    assert isinstance(layer, graph.MaxPool)
    window = _window(state, layer)
    relu = state.relu(layer)
    step = state.before(layer)
    if step is not None and step.kind is program.Conv and "pool" not in step.fields:
        relu_too = relu or step.fields["relu"]
        if state.fused(layer, pool=window, relu=relu_too):
            return
    state.add(layer, program.MaxPool, fields={"window": window, "relu": relu})


def _average_pool(state: _State, layer: graph.Layer) -> None:
    assert isinstance(layer, graph.AveragePool)
    if any(map(any, layer.padding)):
        state.fault(
            layer,
            f"has padding {layer.padding}; the kernel would count what it adds as zeros"
            ", and the network does not count it",
        )
    fields = {"window": _window(state, layer), "relu": state.relu(layer)}
    state.add(layer, program.AvgPool, fields=fields)


def _window(state: _State, layer: graph.Pool) -> program.Window:
    if len(layer.kernel_size) != 2:
        state.fault(layer, "must have rows and columns")
        return _PIXEL
    kernel, strides, padding = layer.kernel_size, layer.strides, layer.padding
    return program.Window(
        (kernel[0], kernel[1]), (strides[0], strides[1]), (padding[0], padding[1])
    )


def _mean(state: _State, layer: graph.Layer) -> None:
    assert isinstance(layer, graph.Mean)
    shape = state.g.tensors[layer.inputs[0]].shape
    if len(shape) != 4 or sorted(layer.axes) != [1, 2]:
        state.fault(
            layer, f"is over axes {layer.axes} of {shape}; use rows and columns"
        )
        return
    window = program.Window((shape[1], shape[2]), (1, 1))
    state.add(layer, program.AvgPool, fields={"window": window, "relu": False})


def _concat(state: _State, layer: graph.Layer) -> None:
    assert isinstance(layer, graph.Concat)
    shape = state.g.tensors[layer.output].shape
    aliases = [state.shape(name) for name in layer.inputs]
    flat = len(shape) != 4 and any(math.prod(each[1:]) > 1 for each in aliases)
    if layer.axis != len(shape) - 1 or flat:
        state.fault(layer, "must be along the channels")
    state.add(layer, program.Concat)


def _add(state: _State, layer: graph.Layer) -> None:
    constants = [name for name in layer.inputs if name in state.g.constants]
    shapes = {state.g.tensors[name].shape for name in layer.inputs}
    if constants or len(shapes) != 1:
        state.fault(layer, "must have two inputs of one shape, none of them constant")
        return
    state.add(layer, program.Add, fields={"relu": state.relu(layer)})


def _pad(state: _State, layer: graph.Layer) -> None:
    assert isinstance(layer, graph.Pad)
    source = layer.inputs[0]
    planar = len(layer.padding) == 4 and not any(layer.padding[0] + layer.padding[3])
    if not planar or layer.output in state.g.outputs or source in state.pads:
        state.fault(layer, "must pad the rows and columns in front of a Conv2D")
        return
    state.alias[layer.output] = state.alias[source]
    state.pads[layer.output] = (layer.padding[1], layer.padding[2])


def _reshape(state: _State, layer: graph.Layer) -> None:
    before = state.g.tensors[layer.inputs[0]].shape
    after = state.g.tensors[layer.output].shape
    keeps = [n for n in before if n > 1] == [n for n in after if n > 1]
    flattens = max(after) == math.prod(after) == after[-1]
    pixels = before[-1:] == after[-1:] and keeps
    if len(after) == 4:
        pixels = pixels and chip_shape(after) == state.shape(layer.inputs[0])
    planes = math.prod(state.shape(layer.inputs[0])[1:])
    readers = [each for each in state.g.layers if layer.output in each.inputs]
    only_dense = all(isinstance(each, (graph.Dense, graph.Reshape)) for each in readers)
    if not (pixels or (flattens and (planes == 1 or only_dense))):
        state.fault(layer, f"makes {after} of {before}; only flattening is possible")
    state.alias[layer.output] = state.alias[layer.inputs[0]]
    if layer.inputs[0] in state.pads:
        state.fault(layer, "cannot read padded data; only Conv2D can")
    if flattens and planes > 1 and layer.output in state.g.outputs:
        state.notes.append(f"'{layer.output}' is in the order channel, row, column")


def _activation(state: _State, layer: graph.Layer) -> None:
    assert isinstance(layer, graph.Activation)
    if layer.function in _HOST_FUNCTIONS and _is_last(state, layer):
        _leave_to_host(state, layer)
        return
    if layer.function != "relu":
        state.fault(layer, f"is {layer.function}; the kernels have ReLU only")
        return
    step = state.before(layer)
    if step is None or "relu" not in step.fields or not state.fused(layer, relu=True):
        # A pool of single pixels is what is left of the call: its ReLU.
        state.add(layer, program.MaxPool, fields={"window": _PIXEL, "relu": True})


def _softmax(state: _State, layer: graph.Layer) -> None:
    if _is_last(state, layer):
        _leave_to_host(state, layer)
    else:
        state.fault(layer, "is inside the network; it may only end it")


def _is_last(state: _State, layer: graph.Layer) -> bool:
    return layer.output in state.g.outputs and state.readers[layer.output] == 1


def _leave_to_host(state: _State, layer: graph.Layer) -> None:
    state.alias[layer.output] = state.alias[layer.inputs[0]]
    state.notes.append(f"{layer.kind} '{layer.name}' is left to the host")


_LOWERINGS: dict[type[graph.Layer], Callable[[_State, graph.Layer], None]] = {
    graph.Conv2D: _convolution,
    graph.DepthwiseConv2D: _convolution,
    graph.Dense: _dense,
    graph.MaxPool: _max_pool,
    graph.AveragePool: _average_pool,
    graph.Mean: _mean,
    graph.Concat: _concat,
    graph.Add: _add,
    graph.Pad: _pad,
    graph.Reshape: _reshape,
    graph.Activation: _activation,
    graph.Softmax: _softmax,
}

# The kinds of layers that `lower` knows; it refuses all others.
KINDS = tuple(_LOWERINGS)
