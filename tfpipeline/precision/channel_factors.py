"""Which channels of a float graph may be scaled, and the graph with them scaled.

A convolution, a dense layer, ReLU, PReLU, a pool, a sum, a concatenation and all that
only moves values are homogeneous: f(x / s) = f(x) / s for s > 0, channel by channel. So
between two layers with weights each channel can be divided by a factor of its own,

    kernel' = kernel * s_in / s_out        bias' = bias / s_out

without any change of the result. Channels that layers without weights tie together (the
two operands of a sum) share one factor: they are one class. The network's inputs and
outputs, and whatever a layer reads or writes that is not homogeneous (ReLU6, sigmoid, a
softmax, a product of two tensors), keep the factor 1.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from tfpipeline.ir import graph

Array = graph.Array

FIXED = 0
"""The class whose factor is 1."""


@dataclasses.dataclass(frozen=True, eq=False)
class Classes:
    """Channels that share a factor.

    Attributes:
        of: tensor -> the class of each channel, int `[channels]` of its last axis.
        count: of classes; they are numbered from `FIXED` on.
    """

    of: Mapping[str, Array]
    count: int


def find(g: graph.Graph) -> Classes:
    """The classes of all activations.

    Args:
        g: a verified float graph.
    """
    draft = _Draft(g)
    for layer in g.layers:
        draft.add(layer)
    return draft.result()


def scaled(g: graph.Graph, classes: Classes, factors: Array) -> graph.Graph:
    """The same network with the channels of its activations divided by factors.

    Args:
        g: a verified float graph.
        classes: of `g`.
        factors: float64 `[classes.count]`, above 0; 1 for `FIXED`.

    Returns:
        A graph of the same layers and tensors; its outputs are those of `g` but for the
        rounding of its constants to float32.
    """
    constants = dict(g.constants)
    for layer in g.layers:
        if isinstance(layer, graph.Weighted):
            behind = factors[classes.of[layer.output]]
            before = _of_kernel(g, layer, factors[classes.of[layer.inputs[0]]])
            kernel = constants[layer.weights]
            constants[layer.weights] = _float32(
                kernel * before / _along_outputs(layer, kernel, behind)
            )
            if layer.bias is not None:
                constants[layer.bias] = _float32(constants[layer.bias] / behind)
        elif isinstance(layer, (graph.Add, graph.Sub)):
            for name in layer.inputs:
                if name in g.constants and constants[name].ndim:
                    ends = factors[classes.of[layer.output]]
                    constants[name] = _float32(constants[name] / ends)
    return dataclasses.replace(g, constants=constants)


def of_input_channels(g: graph.Graph, layer: graph.Weighted, values: Array) -> Array:
    """The largest of a kernel's `values` for each channel that the layer reads.

    Args:
        g: the graph.
        layer: of it.
        values: of the kernel's shape.
    """
    channels = g.tensors[layer.inputs[0]].shape[-1]
    places = _of_kernel(g, layer, np.arange(channels))
    found = np.zeros(channels)
    np.maximum.at(found, np.broadcast_to(places, values.shape), values)
    return found


def _of_kernel(g: graph.Graph, layer: graph.Weighted, per_channel: Array) -> Array:
    """What is known of the channels that a layer reads, to broadcast over a kernel."""
    kernel = g.tensors[layer.weights].shape
    if isinstance(layer, graph.DepthwiseConv2D):
        return np.repeat(per_channel, kernel[-1] // len(per_channel))
    if isinstance(layer, graph.Dense):
        if kernel[-1] % len(per_channel):
            return per_channel[:1]  # All are `FIXED`.
        # Of a whole picture, whose channels follow each other fastest.
        return np.tile(per_channel, kernel[-1] // len(per_channel))
    groups = len(per_channel) // kernel[-1]
    rows = np.repeat(per_channel.reshape(groups, -1), kernel[0] // groups, axis=0)
    return rows.reshape(kernel[0], *(1 for _ in kernel[1:-1]), kernel[-1])


def _along_outputs(layer: graph.Weighted, kernel: Array, per_channel: Array) -> Array:
    if isinstance(layer, graph.DepthwiseConv2D):
        return per_channel
    return per_channel.reshape(-1, *(1 for _ in kernel.shape[1:]))


def _float32(values: Array) -> Array:
    return values.astype(np.float32)


def _is_homogeneous(clamp: graph.Clamp) -> bool:
    return all(end == 0 or math.isinf(end) for end in (clamp.minimum, clamp.maximum))


class _Draft:
    """Classes in the making: each channel of each tensor has a number, and a parent."""

    def __init__(self, g: graph.Graph):
        self._graph = g
        self._parents = [FIXED]
        self._numbers: dict[str, Array] = {}
        uses = Counter(n for layer in g.layers for n in graph.read_names(layer))
        self._shared = {name for name in g.constants if uses[name] > 1}
        for name in g.inputs:
            self._fix(name)

    def add(self, layer: graph.Layer) -> None:
        """A layer, behind those that write what it reads."""
        tie = _TIES.get(type(layer))
        clamp = getattr(layer, "clamp", graph.NO_CLAMP)
        constants = set(graph.read_names(layer)) & self._graph.constants.keys()
        written = graph.written_names(layer)
        for name in written:
            self._numbers[name] = self._new(self._channels(name))
        is_tied = (
            tie is not None
            and _is_homogeneous(clamp)
            and not constants & self._shared
            and tie(self, layer)
        )
        if not is_tied:
            self._fix(*written)
            # What a layer with weights reads may be scaled whatever it writes.
            if not isinstance(layer, graph.Weighted) or constants & self._shared:
                self._fix(*layer.inputs)

    def result(self) -> Classes:
        """Classes numbered in order; `FIXED` first."""
        self._fix(*self._graph.outputs)
        roots = np.array([self._root(i) for i in range(len(self._parents))])
        found, numbers = np.unique(roots, return_inverse=True)
        assert found[0] == FIXED
        of = {name: numbers[each] for name, each in self._numbers.items()}
        return Classes(of, len(found))

    def with_weights(self, layer: graph.Layer) -> bool:
        """Reads and writes what it likes."""
        source = self._graph.tensors[layer.inputs[0]].shape
        assert isinstance(layer, graph.Weighted)
        kernel = self._graph.tensors[layer.weights].shape
        if isinstance(layer, graph.Dense) and kernel[-1] % source[-1]:
            self._fix(*layer.inputs)
        return True

    def channel_by_channel(self, layer: graph.Layer) -> bool:
        """Each channel of the result is made of the same channel of all operands."""
        channels = self._channels(layer.output)
        names = [n for n in layer.inputs if n not in self._graph.constants]
        if any(self._channels(name) != channels for name in names):
            return False
        for name in names:
            self._join(self._numbers[name], self._numbers[layer.output])
        return True

    def moved(self, layer: graph.Layer) -> bool:
        """As `channel_by_channel`, unless something is done along the last axis."""
        last = len(self._graph.tensors[layer.inputs[0]].shape) - 1
        if last in getattr(layer, "axes", ()):
            return False
        if getattr(layer, "padding", ((0, 0),) * (last + 1))[last:] not in (
            (),
            ((0, 0),),
        ):
            return False
        return self.channel_by_channel(layer)

    def summed(self, layer: graph.Layer) -> bool:
        """As `channel_by_channel`; a constant has to have a value for each channel."""
        channels = (self._channels(layer.output),)
        constants = [n for n in layer.inputs if n in self._graph.constants]
        shapes = [self._graph.tensors[name].shape[-1:] for name in constants]
        return all(x == channels for x in shapes) and self.channel_by_channel(layer)

    def multiplied(self, layer: graph.Layer) -> bool:
        """By a constant."""
        is_scaling = any(name in self._graph.constants for name in layer.inputs)
        return is_scaling and self.channel_by_channel(layer)

    def sloped(self, layer: graph.Layer) -> bool:
        """By slopes that are constant."""
        is_constant = all(name in self._graph.constants for name in layer.inputs[1:])
        return is_constant and self.channel_by_channel(layer)

    def function(self, layer: graph.Layer) -> bool:
        """Those that know no size."""
        is_homogeneous = getattr(layer, "function", "") in ("relu", "abs")
        return is_homogeneous and self.channel_by_channel(layer)

    def concatenated(self, layer: graph.Layer) -> bool:
        """Along the channels, or one after another of the same."""
        assert isinstance(layer, graph.Concat)
        if any(name in self._graph.constants for name in layer.inputs):
            return False
        if layer.axis != len(self._graph.tensors[layer.output].shape) - 1:
            return self.channel_by_channel(layer)
        parts = [self._numbers[name] for name in layer.inputs]
        self._join(np.concatenate(parts), self._numbers[layer.output])
        return True

    def reshaped(self, layer: graph.Layer) -> bool:
        """Channels stay the fastest axis, or become part of it."""
        before, behind = self._numbers[layer.inputs[0]], self._numbers[layer.output]
        if len(behind) % len(before):
            return False
        self._join(np.tile(before, len(behind) // len(before)), behind)
        return True

    def _channels(self, name: str) -> int:
        return self._graph.tensors[name].shape[-1] if self._shape(name) else 1

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._graph.tensors[name].shape

    def _new(self, count: int) -> Array:
        start = len(self._parents)
        self._parents += range(start, start + count)
        return np.arange(start, start + count)

    def _fix(self, *names: str) -> None:
        for name in names:
            if name in self._graph.constants:
                continue
            if name not in self._numbers:
                self._numbers[name] = self._new(self._channels(name))
            self._join(self._numbers[name], np.zeros_like(self._numbers[name]))

    def _join(self, first: Array, second: Array) -> None:
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            a, b = self._root(one), self._root(other)
            # So that the root of what is fixed is `FIXED`.
            self._parents[max(a, b)] = min(a, b)

    def _root(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number


# What a kind ties together; False of one, or none, means that all of it is fixed.
_TIES: dict[type[graph.Layer], Callable[[_Draft, graph.Layer], bool]] = {
    graph.Conv1D: _Draft.with_weights,
    graph.Conv2D: _Draft.with_weights,
    graph.DepthwiseConv2D: _Draft.with_weights,
    graph.TransposeConv2D: _Draft.with_weights,
    graph.Dense: _Draft.with_weights,
    graph.MaxPool: _Draft.channel_by_channel,
    graph.AveragePool: _Draft.channel_by_channel,
    graph.Mean: _Draft.moved,
    graph.ReduceMax: _Draft.moved,
    graph.ReduceMin: _Draft.moved,
    graph.Pad: _Draft.moved,
    graph.MirrorPad: _Draft.moved,
    graph.ResizeNearestNeighbor: _Draft.channel_by_channel,
    graph.ResizeBilinear: _Draft.channel_by_channel,
    graph.Reshape: _Draft.reshaped,
    graph.Concat: _Draft.concatenated,
    graph.Add: _Draft.summed,
    graph.Sub: _Draft.summed,
    graph.Mul: _Draft.multiplied,
    graph.LeakyRelu: _Draft.channel_by_channel,
    graph.PRelu: _Draft.sloped,
    graph.Activation: _Draft.function,
}
