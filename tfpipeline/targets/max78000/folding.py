"""Data folding: the input's pixels moved into channels, so that more processors work.

A graph gains a `SpaceToDepth` in front, which the host does while it loads the data,
and loses the first poolings whose strides multiply to the factor; every layer behind
them keeps its shapes.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import geometry, graph, verify
from tfpipeline.targets.max78000 import accelerator_layer

_SHAPE_KEEPING = (graph.Activation, graph.Requantize)


def fold(g: graph.Graph, factor: int) -> graph.Graph:
    """A well-formed graph whose input is folded by `factor` in both directions.

    It is another network, to be trained anew: the first kernel sees `factor` times the
    surroundings, and the values of its kernel here are ones.

    Args:
        g: a graph that begins with a chain of convolutions and pools.
        factor: side of the blocks of pixels that become channels; 1 for `g` itself.

    Raises:
        GraphError: the input has no multiple of `factor` pixels a side, or the graph
            does not begin with poolings that make it up.
    """
    if factor == 1:
        return g
    state = _State(g, factor)
    return verify.require(state.result(tuple(_layers(state))))


def fold_input(
    in_channels: int, in_dim: accelerator_layer.Pair, factor: int
) -> tuple[int, accelerator_layer.Pair]:
    """Channels and size of an input whose pixels are rearranged into channels.

    Each block of `factor` x `factor` pixels becomes one pixel of `factor`^2 times the
    channels: sub-image [i::f, j::f] for each i, and j within i.

    Raises:
      GraphError: the size is not a multiple of the factor.
    """
    if factor < 1 or in_dim[0] % factor or in_dim[1] % factor:
        raise errors.GraphError(
            f"an input of {in_dim[0]}x{in_dim[1]} cannot be folded by {factor}: both "
            "sides must be multiples"
        )
    return in_channels * factor**2, (in_dim[0] // factor, in_dim[1] // factor)


def _layers(state: "_State") -> Iterator[graph.Layer]:
    g = state.g
    yield graph.SpaceToDepth(
        name="fold",
        inputs=g.inputs,
        output=state.current,
        block_size=state.remaining,
    )
    for layer in g.layers:
        if state.remaining == 1:
            yield state.reading(layer)
        elif _readers(g, state.original) != 1 or state.original not in layer.inputs:
            raise state.error(f"'{state.original}' has several readers")
        elif isinstance(layer, graph.Pool) and state.takes_out(layer):
            state.take_out(layer)
        else:
            yield state.smaller(layer)
    if state.remaining > 1:
        raise state.error("the network ends before")


class _State:
    """Where the walk along the first layers has come to.

    Attributes:
        g: the graph as it was.
        remaining: what the strides of poolings still have to multiply to.
        original: the tensor of `g` that the walk has come to.
        current: the tensor of the folded graph in its place.
    """

    def __init__(self, g: graph.Graph, factor: int):
        source = g.tensors[g.inputs[0]]
        if len(g.inputs) != 1 or len(source.shape) != 4:
            raise errors.GraphError(
                f"graph '{g.name}' cannot be folded: it needs one input of rows, "
                f"columns and channels; found {source.shape}"
            )
        _, rows, columns, channels = source.shape
        channels, (rows, columns) = fold_input(channels, (rows, columns), factor)
        self.g = g
        self.factor = self.remaining = factor
        self.original = source.name
        self.current = f"{source.name}/folded"
        self.tensors = dict(g.tensors)
        self.constants = dict(g.constants)
        self._renamed = {self.original: self.current}
        self._set_shape(source.name, self.current, (1, rows, columns, channels))

    def reading(self, layer: graph.Layer) -> graph.Layer:
        """A layer that is as it was, but for the names of what it reads."""
        inputs = tuple(self._renamed.get(name, name) for name in layer.inputs)
        return dataclasses.replace(layer, inputs=inputs)

    def takes_out(self, pool: graph.Pool) -> bool:
        """Whether the folding does in place of a pooling what it is there for."""
        stride = pool.strides[0]
        return stride > 1 and self.remaining % stride == 0 == len(set(pool.strides)) - 1

    def take_out(self, pool: graph.Pool) -> None:
        """Leaves a pooling out."""
        self.remaining //= pool.strides[0]
        self._renamed[pool.output] = self.current
        self.original = pool.output
        before = self.g.tensors[pool.output].shape
        if self.remaining == 1 and before != self.tensors[self.current].shape:
            raise self.error(
                f"behind '{pool.name}' are {before[1]}x{before[2]} pixels, which no "
                "folding leaves"
            )

    def smaller(self, layer: graph.Layer) -> graph.Layer:
        """A layer on the folded data, with fewer pixels."""
        shape = self.tensors[self.current].shape
        result = self.reading(layer)
        if isinstance(result, graph.Conv2D):
            result = self._with_kernel(result, shape[-1])
            kernel = self.tensors[result.weights].shape
            plane = _plane(shape, kernel[1:-1], result, result.dilation)
            shape = (1, *plane, kernel[0])
        elif isinstance(result, graph.Pool):
            plane = _plane(shape, result.kernel_size, result, (1, 1))
            shape = (1, *plane, shape[-1])
        elif not isinstance(result, _SHAPE_KEEPING):
            raise self.error(f"{layer.kind} '{layer.name}' comes before")
        self._set_shape(layer.output, layer.output, shape)
        self.original = self.current = layer.output
        return result

    def result(self, layers: tuple[graph.Layer, ...]) -> graph.Graph:
        """The folded graph of these layers."""
        g = self.g
        outputs = tuple(self._renamed.get(name, name) for name in g.outputs)
        shell = graph.Graph(g.name, {}, {}, layers, g.inputs, outputs)
        used = list(graph.tensor_names(shell))
        return dataclasses.replace(
            shell,
            tensors={name: self.tensors[name] for name in used},
            constants={n: self.constants[n] for n in used if n in self.constants},
        )

    def error(self, why: str) -> errors.GraphError:
        """Why the graph cannot be folded."""
        return errors.GraphError(
            f"graph '{self.g.name}' can be folded by {self.factor} only if the strides "
            f"of its first poolings multiply to {self.factor}: {why}"
        )

    def _with_kernel(self, layer: graph.Conv2D, channels: int) -> graph.Conv2D:
        kernel = self.tensors[layer.weights]
        if kernel.shape[-1] == channels:
            return layer
        if kernel.shape[-1] * self.factor**2 != channels:
            raise self.error(f"{layer.kind} '{layer.name}' has groups")
        name = f"{layer.weights}/folded"
        shape = (*kernel.shape[:-1], channels)
        self._set_shape(layer.weights, name, shape)
        self.constants[name] = np.broadcast_to(np.ones((), kernel.dtype), shape)
        return dataclasses.replace(layer, weights=name)

    def _set_shape(self, source: str, name: str, shape: tuple[int, ...]) -> None:
        tensor = self.g.tensors[source]
        self.tensors[name] = dataclasses.replace(tensor, name=name, shape=shape)


def _readers(g: graph.Graph, name: str) -> int:
    reads = sum(layer.inputs.count(name) for layer in g.layers)
    return reads + g.outputs.count(name)


def _plane(
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    layer: graph.Conv2D | graph.Pool,
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    axes = (shape[1:-1], kernel, layer.strides, layer.padding, dilation)
    return tuple(geometry.output_size(*axis) for axis in zip(*axes, strict=True))
