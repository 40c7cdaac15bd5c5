"""Channels of a float network brought to like ranges: cross-layer range equalization.

One scale for all channels of an activation gives a channel of small values few of its
steps. `channel_factors` says which channels may be scaled without a change of the
result; here is by how much. (Nagel et al., "Data-Free Quantization Through Weight
Equalization and Bias Correction", arXiv:1906.04721, section 4.1, where ranges of a
layer's weights stand for those of its outputs; here calibration inputs show these.)

For each channel there are two parts, both from 0 to 1:

* `use`: its largest magnitude, of the largest of its tensor;
* `reach`: of the kernels that read it, its largest weight, of the largest one that
  shares the weight's scale. Of a depthwise kernel with a scale a channel it is 1
  whatever the factor, so such a layer has no say.

The factor `sqrt(use / reach)` makes both `sqrt(use * reach)`. Nothing gets larger than
the largest of its tensor was. What is read with a scale a channel only is brought all
the way, by the factor `use`. Where a kernel has one scale, its output channels must not
grow beyond it either: `use` is then the larger one of it and the part of the kernel
that writes the channel.
"""

from collections.abc import Iterator

import numpy as np

from tfpipeline.ir import graph, layer_rules
from tfpipeline.precision import channel_factors, ranges
from tfpipeline.simulate import float_execution

Array = graph.Array

# Kernels that share channels pull at each other; five rounds settle MobileFaceNet to
# 1 % of every factor.
_ROUNDS = 10
_SETTLED = 0.01
# A channel of next to nothing is not blown up by more than 8 bits have steps.
_SMALLEST = 1 / 256


def equalized(
    g: graph.Graph,
    images: Array,
    run: ranges.Runner = float_execution.batches,
    *,
    per_tensor: bool = False,
) -> graph.Graph:
    """The same network with channels of like ranges.

    Args:
        g: a verified float graph with one input.
        images: calibration inputs, `[N, ...]` as the network reads them.
        run: what runs the graph.
        per_tensor: whether its kernels are to have one scale each.

    Returns:
        A graph of the same layers, tensors and results, but for the rounding of its
        constants to float32; `g` itself where no channel may be scaled.

    Raises:
        GraphError: a layer is not supported.
        UsageError: `images` do not fit the input.
    """
    classes = channel_factors.find(g)
    if classes.count == 1:
        return g
    magnitudes = _magnitudes(g, images, run)
    factors = np.ones(classes.count)
    for _ in range(_ROUNDS):
        current = channel_factors.scaled(g, classes, factors)
        step = _step(current, classes, magnitudes, factors, per_tensor)
        factors *= step
        if np.abs(step - 1).max() < _SETTLED:
            break
    return channel_factors.scaled(g, classes, factors)


def _magnitudes(g: graph.Graph, images: Array, run: ranges.Runner) -> dict[str, Array]:
    """Tensor -> the largest magnitude of each channel, `[channels]`."""
    found: dict[str, Array] = {}
    for values in run(g, images):
        for name, array in values.items():
            most = np.abs(array.reshape(-1, array.shape[-1])).max(axis=0)
            found[name] = np.maximum(found.get(name, 0.0), most)
    return found


def _step(
    g: graph.Graph,
    classes: channel_factors.Classes,
    magnitudes: dict[str, Array],
    factors: Array,
    per_tensor: bool,
) -> Array:
    """By what each factor is multiplied, `[classes.count]`."""
    use, reach = np.zeros((2, classes.count))
    for name, own in classes.of.items():
        most = magnitudes[name] / factors[own]
        if most.max() > 0:
            np.maximum.at(use, own, most / most.max())
    for layer, kernel, scales in _kernels(g, per_tensor):
        if per_tensor:
            own = classes.of[layer.output]
            axis = layer_rules.channel_axis(layer, kernel.shape)
            others = tuple(i for i in range(kernel.ndim) if i != axis)
            np.maximum.at(use, own, (kernel / scales).max(axis=others))
        elif isinstance(layer, graph.DepthwiseConv2D):
            continue
        parts = channel_factors.of_input_channels(g, layer, kernel / scales)
        np.maximum.at(reach, classes.of[layer.inputs[0]], parts)
    step = np.sqrt(use / np.where(reach > 0, reach, 1))
    step[reach == 0] = use[reach == 0]
    # Channels without values or weights stay as they are.
    step[use == 0] = 1
    step[channel_factors.FIXED] = 1
    limit = np.maximum(step * factors, _SMALLEST) / factors
    return np.where(step < 1, limit, step)


def _kernels(
    g: graph.Graph, per_tensor: bool
) -> Iterator[tuple[graph.Weighted, Array, Array]]:
    """Layers, the magnitudes of their kernels, and the largest that shares a scale."""
    for layer in g.layers:
        if not isinstance(layer, graph.Weighted):
            continue
        kernel = np.abs(g.constants[layer.weights].astype(np.float64))
        axis = layer_rules.channel_axis(layer, kernel.shape)
        others = tuple(i for i in range(kernel.ndim) if i != axis)
        most = kernel.max(axis=None if per_tensor else others, keepdims=True)
        yield layer, kernel, np.where(most > 0, most, 1)
