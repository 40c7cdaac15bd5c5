"""A graph without the layers that the accelerator does not see.

Reshapes that keep each pixel's channels together, changes of scale, and activations
that a layer in front applies itself are taken out; what stands at the end of a network
and only makes its result readable (softmax) is left to the host, and so is the folding
of the input.
"""

import collections
import dataclasses
import math
from collections.abc import Mapping, Sequence

from tfpipeline.ir import graph

# Functions with a name of the device's own.
_ACTIVATIONS = {"relu": "ReLU", "abs": "Abs"}
_CLAMPS = {
    graph.NO_CLAMP: None,
    graph.RELU: "ReLU",
    graph.RELU6: "relu6",
    graph.Clamp(0.0, 1.0): "relu_0_to_1",
    graph.Clamp(-1.0, 1.0): "relu_n1_to_1",
}
# What the device lacks, and counts as a ReLU.
BOUNDED_RELUS = ("relu6", "relu_0_to_1", "relu_n1_to_1")
# Functions that never fall: they may come before a maximum as well as after it.
_RISING = ("relu", *BOUNDED_RELUS, "sigmoid", "tanh")
_HOST_FUNCTIONS = ("sigmoid", "tanh", "hard_swish")


@dataclasses.dataclass(frozen=True)
class View:
    """The layers that remain; tensors are named by what they are copies of.

    Attributes:
        g: the whole graph.
        layers: those that remain, with their inputs renamed.
        inputs: the tensors that the host gives.
        outputs: the tensors that the host takes.
        producers: the layer of `layers` that writes a tensor.
        readers: how often a tensor is read, by layers and as an output.
        activations: by layer name, what the layer applies to its result.
        absorbed: by tensor, names of the layers taken out behind it.
        notes: what is left to the host, one line each.
    """

    g: graph.Graph
    layers: tuple[graph.Layer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    producers: Mapping[str, graph.Layer]
    readers: Mapping[str, int]
    activations: Mapping[str, str]
    absorbed: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]

    def activation(self, layer: graph.Layer) -> str | None:
        """What a layer applies to its result, by the device's name where it has one."""
        return self.activations.get(layer.name) or fused_activation(layer)

    def names(self, *layers: graph.Layer) -> tuple[str, ...]:
        """Names of the layers, each followed by those taken out behind it."""
        return tuple(
            name
            for layer in layers
            for name in (layer.name, *self.absorbed.get(layer.output, ()))
        )

    def sole(self, tensor: str) -> graph.Layer | None:
        """The layer that writes a tensor which is read once only."""
        return self.producers.get(tensor) if self.readers[tensor] == 1 else None


def view(g: graph.Graph) -> View:
    """The layers of a well-formed graph that the accelerator has to run."""
    counts = _reader_counts(g.layers, g.outputs)
    layers = _with_early_relus(g.layers, counts)
    writers = {layer.output: layer for layer in layers}
    alias: dict[str, str] = {}
    inputs = list(g.inputs)
    kept: list[graph.Layer] = []
    activations: dict[str, str] = {}
    absorbed: dict[str, list[str]] = collections.defaultdict(list)
    notes = []
    for layer in layers:
        source = alias.get(layer.inputs[0], layer.inputs[0])
        if _folds_input(layer, inputs, counts):
            inputs[inputs.index(source)] = layer.output
            notes.append(f"{_subject(layer)} is left to the host, which folds the data")
        elif _ends_on_host(layer, g, counts):
            alias[layer.output] = source
            notes.append(f"{_subject(layer)} is left to the host")
        elif isinstance(layer, graph.Requantize) or _is_mere_shape(layer, g):
            alias[layer.output] = source
            absorbed[source].append(layer.name)
        elif target := _activated(layer, writers, counts, activations):
            assert isinstance(layer, graph.Activation)
            activations[target.name] = _ACTIVATIONS.get(layer.function, layer.function)
            alias[layer.output] = source
            absorbed[source].append(layer.name)
        else:
            renamed = tuple(alias.get(name, name) for name in layer.inputs)
            kept.append(dataclasses.replace(layer, inputs=renamed))
    outputs = tuple(alias.get(name, name) for name in g.outputs)
    return View(
        g=g,
        layers=tuple(kept),
        inputs=tuple(inputs),
        outputs=outputs,
        producers={layer.output: layer for layer in kept},
        readers=_reader_counts(kept, outputs),
        activations=activations,
        absorbed={tensor: tuple(names) for tensor, names in absorbed.items()},
        notes=tuple(notes),
    )


def _with_early_relus(
    layers: Sequence[graph.Layer], counts: Mapping[str, int]
) -> tuple[graph.Layer, ...]:
    """The layers with the ReLU behind a max pool in front of it: the same values."""
    found = {layer.output: layer for layer in layers}
    for layer in layers:
        if not isinstance(layer, graph.MaxPool) or layer.clamp != graph.RELU:
            continue
        before = found.get(layer.inputs[0])
        if not isinstance(before, graph.Weighted) or counts[before.output] != 1:
            continue
        if before.clamp in (graph.NO_CLAMP, graph.RELU):
            found[before.output] = dataclasses.replace(before, clamp=graph.RELU)
            found[layer.output] = dataclasses.replace(layer, clamp=graph.NO_CLAMP)
    return tuple(found.values())


def fused_activation(layer: graph.Layer) -> str | None:
    """The activation that the graph has in the layer itself."""
    if isinstance(layer, graph.Activation):
        return _ACTIVATIONS.get(layer.function, layer.function)
    clamp = getattr(layer, "clamp", graph.NO_CLAMP)
    if clamp in _CLAMPS:
        return _CLAMPS[clamp]
    return f"a clamp to {clamp.minimum:g}..{clamp.maximum:g}"


def _reader_counts(
    layers: Sequence[graph.Layer], outputs: tuple[str, ...]
) -> Mapping[str, int]:
    names = [name for layer in layers for name in layer.inputs]
    return collections.Counter([*names, *outputs])


def _subject(layer: graph.Layer) -> str:
    return f"{layer.kind} '{layer.name}'"


def _folds_input(
    layer: graph.Layer, inputs: list[str], counts: Mapping[str, int]
) -> bool:
    source = layer.inputs[0]
    is_first = source in inputs and counts[source] == 1
    return isinstance(layer, graph.SpaceToDepth) and is_first


def _ends_on_host(
    layer: graph.Layer, g: graph.Graph, counts: Mapping[str, int]
) -> bool:
    if layer.output not in g.outputs or counts[layer.output] != 1:
        return False
    if isinstance(layer, graph.Activation):
        return layer.function in _HOST_FUNCTIONS
    return isinstance(layer, (graph.Softmax, graph.Position))


def _is_mere_shape(layer: graph.Layer, g: graph.Graph) -> bool:
    """Whether a reshape moves no value from one pixel or channel to another."""
    if not isinstance(layer, graph.Reshape):
        return False
    before = g.tensors[layer.inputs[0]].shape
    after = g.tensors[layer.output].shape
    same_sizes = [n for n in before if n > 1] == [n for n in after if n > 1]
    if same_sizes and before[-1:] == after[-1:]:
        return True
    # A dense layer reads all pixels anyway, and a result is only listed.
    reads = [reader for reader in g.layers if layer.output in reader.inputs]
    flat = max(after) == math.prod(after) and after[-1] == max(after)
    return flat and all(isinstance(reader, graph.Dense) for reader in reads)


def _activated(
    layer: graph.Layer,
    writers: Mapping[str, graph.Layer],
    counts: Mapping[str, int],
    activations: Mapping[str, str],
) -> graph.Layer | None:
    """The layer in front that can apply an activation to its own result."""
    if not isinstance(layer, graph.Activation):
        return None
    tensor = layer.inputs[0]
    while counts[tensor] == 1 and tensor in writers:
        writer = writers[tensor]
        if isinstance(writer, (graph.Weighted, graph.Elementwise)):
            is_free = writer.clamp == graph.NO_CLAMP
            return writer if is_free and writer.name not in activations else None
        rises = isinstance(writer, graph.MaxPool) and layer.function in _RISING
        if not rises and not isinstance(writer, (graph.Reshape, graph.Requantize)):
            return None
        tensor = writer.inputs[0]
    return None
