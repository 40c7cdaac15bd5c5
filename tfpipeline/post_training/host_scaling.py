"""What scales the input in front of a network, left to the host.

The input of a chip is what its integers hold; a network that takes pixels of 0 to 255
begins with a scaling, for which chips have no layer. A scaling is what only multiplies
by constants and adds constants: in a graph sums, differences and products with a
constant, here; in a Keras network Rescaling and Normalization, in `front_layers`. All
of them that follow one another from the input on go, as long as something is left and
nothing else reads what they read.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from tfpipeline.ir import graph
from tfpipeline.post_training import float_network, input_range

Array = npt.NDArray[np.float32]
_Reals = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """`value * scale + offset`, broadcast over inputs `[N, ...]`.

    Attributes:
        layer: kind and name, for the user.
        scale: float64, one number or several.
        offset: likewise.
    """

    layer: str
    scale: _Reals
    offset: _Reals


@dataclasses.dataclass(frozen=True)
class Scaling:
    """What the host makes of inputs before a network reads them; nothing of no steps.

    Attributes:
        steps: in order.
    """

    steps: tuple[Step, ...] = ()

    def of(self, inputs: Array) -> Array:
        """What the rest of the network reads of inputs `[N, ...]`."""
        values = inputs.astype(np.float64)
        for step in self.steps:
            values = values * step.scale + step.offset
        return values.astype(np.float32)

    def reach(
        self, declared: input_range.InputRange, inputs: Array
    ) -> input_range.InputRange:
        """The range of what the rest reads, of inputs `[N, ...]` in a declared one."""
        if not self.steps:
            return declared
        ends = np.array([declared.low, declared.high], np.float32)
        reached = self.of(ends.reshape(2, *(1,) * (inputs.ndim - 1)))
        # With no name, even where the ends are one's: a value need be no whole pixel.
        return input_range.InputRange(float(reached.min()), float(reached.max()))

    @property
    def notes(self) -> tuple[str, ...]:
        """For the user, one line each."""
        return tuple(
            f"{step.layer} is left to the host: value * {_told(step.scale)} + "
            f"{_told(step.offset)}"
            for step in self.steps
        )


def left_to_host(
    network: float_network.FloatNetwork,
) -> tuple[float_network.FloatNetwork, Scaling]:
    """A network behind the scaling of its graph, and that.

    Args:
        network: float, of one input.

    Returns:
        The network with inputs and a range as the rest reads them, and what the host
        makes of the old ones.
    """
    g = network.graph
    left, steps = list(g.layers), []
    source = g.inputs[0]
    while True:
        readers = [x for x in left if source in x.inputs]
        step = _of_operator(readers[0], g) if len(readers) == 1 else None
        if step is None or len(left) == 1 or source in g.outputs:
            break
        steps.append(step)
        left.remove(readers[0])
        source = readers[0].output
    scaling = Scaling(tuple(steps))
    return behind(network, _graph_behind(g, left, source), scaling), scaling


def behind(
    network: float_network.FloatNetwork, rest: graph.Graph, scaling: Scaling
) -> float_network.FloatNetwork:
    """The network of a graph from behind a scaling."""
    if not scaling.steps:
        return dataclasses.replace(network, graph=rest)
    return dataclasses.replace(
        network,
        graph=rest,
        inputs=scaling.of(network.inputs),
        input_range=scaling.reach(network.input_range, network.inputs),
    )


def _graph_behind(
    g: graph.Graph, layers: list[graph.Layer], source: str
) -> graph.Graph:
    if source == g.inputs[0]:
        return g
    shell = dataclasses.replace(g, layers=tuple(layers), inputs=(source,))
    used = set(graph.tensor_names(shell))
    return dataclasses.replace(
        shell,
        tensors={name: tensor for name, tensor in g.tensors.items() if name in used},
        constants={name: x for name, x in g.constants.items() if name in used},
    )


def _of_operator(layer: graph.Layer, g: graph.Graph) -> Step | None:
    """What a layer of a graph does, if it only scales."""
    if not isinstance(layer, graph.Add | graph.Mul | graph.Sub):
        return None
    names = [name for name in layer.inputs if name in g.constants]
    if layer.clamp != graph.NO_CLAMP or len(names) != 1:
        return None
    name, one, zero = f"{layer.kind} '{layer.name}'", np.ones(()), np.zeros(())
    constant = g.constants[names[0]].astype(np.float64)
    if isinstance(layer, graph.Mul):
        return Step(name, constant, zero)
    if isinstance(layer, graph.Add):
        return Step(name, one, constant)
    if layer.inputs[0] in g.constants:
        return Step(name, -one, constant)
    return Step(name, one, -constant)


def _told(values: _Reals) -> str:
    first = f"{float(values.ravel()[0]):.9g}"
    return first if values.size == 1 else f"{values.size} values, the first {first},"
