"""What a network's outputs are: their shape, and the function that ends the network."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tfpipeline.detection import layout as layouts
from tfpipeline.ir import graph

Array = npt.NDArray[np.floating]

LINEAR, SIGMOID, SOFTMAX = "linear", "sigmoid", "softmax"
# Layers that only move values, so that what they read is what they give.
_MOVES = (graph.Reshape,)
# float32 cannot tell a probability from 1 that is nearer to it than about this; Keras'
# epsilon, so that losses of probabilities are those of Keras.
LEAST_PROBABILITY = 1e-7


@dataclasses.dataclass(frozen=True)
class Head:
    """The end of a network.

    Attributes:
        shape: of an example's outputs; of a detector's score.
        function: LINEAR (logits or plain values), SIGMOID, SOFTMAX, or the name of
            another one.
        layout: of a detector's outputs.
        outputs: how many the network has. Those of several are one row an example,
            each flattened, one behind the other.
    """

    shape: tuple[int, ...]
    function: str = LINEAR
    layout: layouts.Layout | None = None
    outputs: int = 1

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Of an example's outputs as they are handed on."""
        return self.shape if self.layout is None else (self.layout.num_values,)

    @property
    def told(self) -> str:
        """In words, for messages."""
        size = "x".join(map(str, self.shape)) or "1"
        if self.outputs > 1:
            return f"{self.outputs} outputs, the first of {size} values"
        what = "values" if self.function == LINEAR else f"values of a {self.function}"
        return f"{size} {what}"

    def applied(self, values: Array) -> npt.NDArray[np.float64]:
        """The head's function of what it reads, [N, ...], for hosts of a chip.
        Linear, softmax, sigmoid, tanh or hard_swish.
        """
        real = values.astype(np.float64)
        if self.function == LINEAR:
            return real
        return _APPLIED[self.function](real)

    def probabilities(self, outputs: Array) -> npt.NDArray[np.float64]:
        """Sigmoid's or softmax' values, whichever the task has them of.

        Args:
            outputs: [N, ...] of the network; those of a linear head are the logits of
                independent yes and no.
        """
        values = outputs.astype(np.float64)
        return values if self.function == SIGMOID else sigmoid(values)


def of_graph(g: graph.Graph) -> Head:
    """The head of a graph; of one with several outputs the first one's."""
    writers = {layer.output: layer for layer in g.layers}
    name = g.outputs[0]
    shape = tuple(g.tensors[name].shape[1:])
    layer = writers.get(name)
    while isinstance(layer, _MOVES):
        layer = writers.get(layer.inputs[0])
    if isinstance(layer, graph.Softmax):
        return Head(shape, SOFTMAX, outputs=len(g.outputs))
    function = getattr(layer, "function", LINEAR)
    return Head(shape, function, outputs=len(g.outputs))


def sigmoid(logits: Array) -> npt.NDArray[np.float64]:
    """`1 / (1 + exp(-x))` in float64, without overflow."""
    values = logits.astype(np.float64)
    small = np.exp(-np.abs(values))
    result: npt.NDArray[np.float64] = np.where(values < 0, small, 1.0) / (1.0 + small)
    return result


def log_softmax(logits: Array) -> npt.NDArray[np.float64]:
    """Logarithms of softmax along the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    result: npt.NDArray[np.float64] = shifted - np.log(
        np.exp(shifted).sum(axis=-1, keepdims=True)
    )
    return result


def _hard_swish(values: Array) -> npt.NDArray[np.float64]:
    return np.asarray(values * np.clip(values + 3, 0, 6) / 6, np.float64)


_APPLIED: dict[str, Callable[[Array], npt.NDArray[np.float64]]] = {
    SOFTMAX: lambda values: np.exp(log_softmax(values)),
    SIGMOID: sigmoid,
    "tanh": np.tanh,
    "hard_swish": _hard_swish,
}
