"""Constants in front of a network that scale its input, left to the host."""

import dataclasses

import numpy as np
import numpy.typing as npt

from tfpipeline.ir import graph
from tfpipeline.post_training import float_network, input_range

Array = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Scaled:
    """A network behind its scaling.

    Attributes:
        network: what is left, and the calibration inputs as that reads them.
        layers: what the host computes, in order.
        source: the graph that they are of.
    """

    network: float_network.FloatNetwork
    layers: tuple[graph.Elementwise, ...]
    source: graph.Graph

    def of(self, inputs: Array) -> Array:
        """What the rest of the network reads of inputs `[N, ...]`."""
        values = inputs.astype(np.float64)
        for layer in self.layers:
            values = _computed(layer, self.source, values)
        return values.astype(np.float32)

    @property
    def notes(self) -> tuple[str, ...]:
        """For the user, one line each."""
        return tuple(
            f"{layer.kind} '{layer.name}' in front is left to the host, by "
            f"{_told(layer, self.source)}"
            for layer in self.layers
        )


def left_to_host(network: float_network.FloatNetwork) -> Scaled:
    """Takes additions and multiplications by constants off the input of a network.

    Args:
        network: float, of one input.
    """
    g, layers = network.graph, []
    left = list(g.layers)
    source = g.inputs[0]
    while True:
        readers = [x for x in left if source in x.inputs]
        if len(readers) != 1 or len(left) == 1 or source in g.outputs:
            break
        [first] = readers
        if not isinstance(first, graph.Elementwise) or _constant(first, g) is None:
            break
        layers.append(first)
        left.remove(first)
        source = first.output
    if not layers:
        return Scaled(network, (), g)
    used = {n for x in left for n in (*x.inputs, *graph.constant_names(x))}
    written = {name for x in left for name in graph.written_names(x)}
    kept = {
        name: tensor
        for name, tensor in g.tensors.items()
        if name in used | written | {source} | set(g.outputs)
    }
    rest = dataclasses.replace(
        g,
        layers=tuple(left),
        inputs=(source,),
        tensors=kept,
        constants={name: x for name, x in g.constants.items() if name in kept},
    )
    found = Scaled(network, tuple(layers), g)
    inputs = found.of(network.inputs)
    shape = (2, *(1,) * (inputs.ndim - 1))
    ends = np.array([network.input_range.low, network.input_range.high], np.float32)
    reached = found.of(ends.reshape(shape))
    limits = input_range.InputRange(
        float(min(reached.min(), inputs.min())), float(max(reached.max(), inputs.max()))
    )
    return Scaled(
        dataclasses.replace(network, graph=rest, inputs=inputs, input_range=limits),
        tuple(layers),
        g,
    )


def _constant(layer: graph.Elementwise, g: graph.Graph) -> str | None:
    """The constant of a sum, difference or product of a tensor and a constant."""
    if not isinstance(layer, graph.Add | graph.Mul | graph.Sub):
        return None
    if layer.clamp != graph.NO_CLAMP:
        return None
    names = [name for name in layer.inputs if name in g.constants]
    return names[0] if len(names) == 1 else None


def _computed(
    layer: graph.Elementwise, g: graph.Graph, values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    name = _constant(layer, g)
    assert name is not None
    constant = g.constants[name].astype(np.float64)
    if isinstance(layer, graph.Mul):
        return values * constant
    if isinstance(layer, graph.Add):
        return values + constant
    return constant - values if layer.inputs[0] == name else values - constant


def _told(layer: graph.Elementwise, g: graph.Graph) -> str:
    name = _constant(layer, g)
    assert name is not None
    values = g.constants[name].ravel()
    if len(values) == 1:
        return f"{float(values[0]):.9g}"
    return f"{len(values)} values, the first {float(values[0]):.9g}"
