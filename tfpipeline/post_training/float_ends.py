"""A float network without the functions at its outputs, which a host computes in float.

A softmax or sigmoid of 8 bits has 256 steps between 0 and 1, so that all sure answers
become equally sure. Chips export what is before it, and so does a comparison of number
formats.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tfpipeline.ir import graph, verify
from tfpipeline.tasks import head

Array = npt.NDArray[np.floating]


@dataclasses.dataclass(frozen=True, eq=False)
class Opened:
    """A network and what the host does behind it.

    Attributes:
        graph: without the functions; its outputs are in the same order.
        heads: of each output, what makes the original one of it.
    """

    graph: graph.Graph
    heads: tuple[head.Head, ...]

    def applied(self, outputs: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs of the whole network, of those of `graph`, each [N, ...]."""
        return tuple(
            each.applied(values)
            for each, values in zip(self.heads, outputs, strict=True)
        )


def opened(g: graph.Graph) -> Opened:
    """Takes softmax and sigmoid off each output; a reshape behind them stays.

    Stays whole where something else reads the function, or a softmax is reshaped to
    other rows.
    """
    layers = list(g.layers)
    outputs = list(g.outputs)
    heads = []
    for place, name in enumerate(g.outputs):
        shape = tuple(g.tensors[name].shape[1:])
        function = _without_last(g, layers, outputs, place)
        heads.append(head.Head(shape, function))
    draft = dataclasses.replace(g, layers=tuple(layers), outputs=tuple(outputs))
    used = {*graph.tensor_names(draft), *g.inputs}
    kept = dataclasses.replace(
        draft,
        tensors={name: each for name, each in g.tensors.items() if name in used},
        constants={name: each for name, each in g.constants.items() if name in used},
    )
    return Opened(verify.require(kept), tuple(heads))


def _without_last(
    g: graph.Graph, layers: list[graph.Layer], outputs: list[str], place: int
) -> str:
    """Takes one output's function off, in place; its name."""
    writers = {each.output: each for each in layers}
    last = writers.get(outputs[place])
    moved = last if isinstance(last, graph.Reshape) else None
    if moved is not None:
        last = writers.get(moved.inputs[0])
    function = _function(last)
    if last is None or function == head.LINEAR:
        return head.LINEAR
    readers = [each for each in layers if last.output in each.inputs]
    is_read = any(each is not moved for each in readers) or (
        moved is not None and last.output in outputs
    )
    width = g.tensors[last.output].shape[-1]
    is_turned = moved is not None and g.tensors[moved.output].shape[-1] != width
    if is_read or (is_turned and function == head.SOFTMAX):
        return head.LINEAR
    if last.inputs[0] in g.inputs:
        return head.LINEAR
    layers.remove(last)
    if moved is None:
        outputs[place] = last.inputs[0]
    else:
        where = layers.index(moved)
        layers[where] = dataclasses.replace(moved, inputs=(last.inputs[0],))
    return function


def _function(layer: graph.Layer | None) -> str:
    if isinstance(layer, graph.Softmax) and layer.beta == 1:
        return head.SOFTMAX
    if isinstance(layer, graph.Activation) and layer.function == head.SIGMOID:
        return head.SIGMOID
    return head.LINEAR
