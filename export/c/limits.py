"""What keeps a graph from being written as C, all of it at once."""

import math
from collections.abc import Iterator

import numpy as np

from export import literal_limits
from export.c import (
    axes,
    convolution_kernels,
    depthwise_kernels,
    gathering_kernels,
    moved_layers,
    plain_kernels,
    sigmoid,
    weighted_layers,
)
from tfpipeline.ir import graph
from tfpipeline.numerics import affine
from tfpipeline.simulate import derived, recurrent, support

# Indices and offsets are int32.
MAX_TENSOR_BYTES = 2**31 - 1
# An int32 holds as many int16.
MAX_POOL_TAPS = 2**16 - 1
# Sums of exponentials: 12 bits above those of an addend in int8; int32 for int16.
MAX_SOFTMAX_COLUMNS = {"int8": 2**12, "int16": 2**15}
# Kept and reduced axes in turn.
MAX_MEAN_AXES = 5


# Layers whose loops begin with rows.
_OF_ONE_IMAGE = (
    graph.Weighted,
    graph.Pool,
    graph.SpaceToDepth,
    graph.ResizeBilinear,
)


def reasons(g: graph.Graph) -> list[str]:
    """Everything that is in the way of a verified graph; empty if nothing.

    What cannot be simulated comes alone: the other limits are those of its integers.
    """
    found = support.reasons(g) + support.undeployable(g)
    if found:
        return found
    names = {name for layer in g.layers for name in graph.constant_names(layer)}
    # Alone too: the others look at all weights.
    if (
        large := literal_limits.reason(sum(g.constants[n].nbytes for n in names))
    ) is not None:
        return [large]
    found = [
        f"tensor '{tensor.name}' has {size} bytes; at most {MAX_TENSOR_BYTES} have "
        "indices"
        for tensor in g.tensors.values()
        if (size := tensor.num_elements * np.dtype(tensor.dtype).itemsize)
        > MAX_TENSOR_BYTES
    ]
    return found + [
        f"{layer.kind} '{layer.name}' is not written as C: {reason}"
        for layer in g.layers
        for reason in _of_layer(g, layer)
    ]


def _of_layer(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    source = g.tensors[layer.inputs[0]]
    if isinstance(layer, graph.Weighted):
        yield from _of_weights(g, layer)
    if isinstance(layer, graph.Lstm):
        yield from _of_lstm(g, layer)
    if isinstance(layer, _OF_ONE_IMAGE):
        batch = 1 if isinstance(layer, graph.Dense) else source.shape[0]
        if batch != 1:
            yield f"its input has {batch} images; write one"
    if isinstance(layer, graph.Pool):
        yield from _of_pool(layer)
    elif isinstance(layer, (graph.Mean, graph.Reduction)):
        if len(axes.reduced(source.shape, layer.axes)) > MAX_MEAN_AXES:
            yield f"axes {layer.axes} of {source.shape} have two gaps; one is possible"
    elif isinstance(layer, (graph.Elementwise, graph.Extremum, graph.PRelu)):
        shapes = [g.tensors[name].shape for name in layer.inputs]
        yield from _of_axes(len(axes.broadcast(*shapes)))
    elif isinstance(layer, (graph.Pad, graph.PadV2)):
        yield from _of_axes(len(axes.padded(source.shape, layer.padding)))
    elif isinstance(layer, graph.Gather):
        tables, _ = moved_layers.gathered(g, layer)
        yield from _of_axes(len(tables), gathering_kernels.MAX_AXES)
    elif isinstance(layer, graph.Softmax):
        most = MAX_SOFTMAX_COLUMNS[source.dtype]
        if source.shape[-1] > most:
            yield f"{source.shape[-1]} classes of {source.dtype}; at most {most}"
    elif isinstance(layer, graph.Activation) and source.dtype == "int16":
        yield from _of_table(g, layer)


def _of_weights(g: graph.Graph, layer: graph.Weighted) -> Iterator[str]:
    kernel = derived.kernel_values(g, layer)
    yield from _of_kernel(kernel)
    if isinstance(layer, weighted_layers.CONVOLUTIONS):
        yield from _of_taps(g, layer)
    if not derived.has_wide_sums(g, layer):
        return
    if isinstance(layer, graph.DepthwiseConv2D):
        yield from _of_line(weighted_layers.line_taps(g, layer))
    yield from _of_wide_sums(derived.bias_values(g, layer), kernel.size)


def _of_lstm(g: graph.Graph, layer: graph.Lstm) -> Iterator[str]:
    gates = recurrent.gates(g, layer)
    kernels = [k for gate in gates for k in (gate.input_kernel, gate.recurrent_kernel)]
    # Once, of however many gates it is true.
    yield from _of_kernel(np.concatenate([kernel.ravel() for kernel in kernels]))
    if g.tensors[layer.inputs[0]].dtype == "int16":
        biases = np.concatenate([gate.bias for gate in gates])
        yield from _of_wide_sums(biases, max(kernel.shape[1] for kernel in kernels))


def _of_kernel(kernel: graph.Array) -> Iterator[str]:
    limits = np.iinfo(np.int8)
    if kernel.min() < limits.min or kernel.max() > limits.max:
        yield "its weights without their zero point must fit int8"


def _of_wide_sums(bias: graph.Array, products: int) -> Iterator[str]:
    """Of 64 bits, multiplied by 15 bits."""
    most = int(np.abs(bias).max()) + products * 2**22
    if most >= affine.MAX_WIDE_SUM:
        yield f"sums up to {most}; they must stay below {affine.MAX_WIDE_SUM}"


def _of_taps(g: graph.Graph, layer: graph.Weighted) -> Iterator[str]:
    taps = math.prod(g.tensors[layer.weights].shape[1:])
    most = convolution_kernels.MAX_PRODUCTS["int8"]
    if g.tensors[layer.inputs[0]].dtype == "int8" and taps > most:
        yield f"{taps} weights of each channel; at most {most}"


def _of_line(taps: int) -> Iterator[str]:
    """Products of one row of a kernel, an int32."""
    if taps > depthwise_kernels.MAX_PRODUCTS:
        most = depthwise_kernels.MAX_PRODUCTS
        yield f"{taps} taps of a row, skipped ones included; at most {most}"


def _of_pool(layer: graph.Pool) -> Iterator[str]:
    if math.prod(layer.kernel_size) > MAX_POOL_TAPS:
        yield f"windows of {layer.kernel_size}; at most {MAX_POOL_TAPS} pixels"
    for size, pair in zip(layer.kernel_size, layer.padding, strict=True):
        if max(pair) >= size:
            yield f"padding {pair} of a window of {size} leaves windows empty"


def _of_axes(count: int, most: int = plain_kernels.MAX_AXES) -> Iterator[str]:
    if count > most:
        yield f"{count} axes of different treatment; at most {most}"


def _of_table(g: graph.Graph, layer: graph.Activation) -> Iterator[str]:
    if layer.function in sigmoid.POWERS:
        _, shift = sigmoid.factor(g, layer)
        if shift > 30:
            yield "the input's scale must be at least 2**-29"
