"""The input's normalization folded into the layers that read it.

The camera gives integers 0 to 255; a network was trained on (scale * x - mean) / std,
channel by channel. A layer that reads the input takes the camera's values if

    w' = w * scale / std        b' = b - sum(w * mean / std)

where the sum is over a kernel's taps and input channels. With scale = 1 / 255 that is
w / (255 std). It is exact only where the layer adds no zeros around the input: those
zeros stand for `mean`, and among the camera's values no zero does. A first convolution
of 1x1, or one without padding, has none.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph, verify

Array = graph.Array


def fold_normalization(
    g: graph.Graph,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    scale: float = 1 / 255,
    accept_borders: bool = False,
) -> graph.Graph:
    """The graph for the camera's values: weights and biases changed, nothing else.

    Computed in float64, stored in float32.

    Args:
        g: a well-formed float graph.
        mean: by input channel, or one for all.
        std: likewise; positive.
        scale: what the camera's value is multiplied by before.
        accept_borders: fold into padded layers too, whose outermost results then are
            those of an image with another border (`border_note` says which).

    Raises:
        QuantizationError: a layer without weights reads the input, or a padded one, or
            the factors do not fit.
    """
    channels = g.tensors[g.inputs[0]].shape[-1]
    means = _each_channel(mean, channels, "mean")
    deviations = _each_channel(std, channels, "std")
    positive = min(scale, *deviations) > 0 and np.isfinite([*means, *deviations]).all()
    if len(g.inputs) != 1 or not positive:
        raise errors.QuantizationError(
            f"graph '{g.name}': folding needs one input, and scale and std above 0; "
            f"found {len(g.inputs)} inputs, mean {tuple(mean)}, std {tuple(std)}, "
            f"scale {scale:g}"
        )
    note = border_note(g)
    if note and not accept_borders:
        raise errors.QuantizationError(f"graph '{g.name}': {note}")
    state = _State(g, scale / deviations, means / deviations)
    layers = tuple(
        state.folded(layer) if g.inputs[0] in layer.inputs else layer
        for layer in g.layers
    )
    shell = dataclasses.replace(g, layers=layers)
    used = list(graph.tensor_names(shell))
    return verify.require(
        dataclasses.replace(
            shell,
            tensors={name: state.tensors[name] for name in used},
            constants={n: state.constants[n] for n in used if n in state.constants},
        )
    )


def border_note(g: graph.Graph) -> str:
    """What folding changes at the borders; empty where it is exact."""
    padded = [
        layer for layer in g.layers if g.inputs[0] in layer.inputs and _is_padded(layer)
    ]
    if not padded:
        return ""
    names = ", ".join(f"{layer.kind} '{layer.name}'" for layer in padded)
    return (
        f"{names} pads the input with zeros, which are its mean before folding and "
        "black after it; begin with a layer without padding (a 1x1 convolution), or "
        "accept other results along the borders"
    )


def _is_padded(layer: graph.Layer) -> bool:
    return any(map(any, getattr(layer, "padding", ())))


def _each_channel(values: Sequence[float], channels: int, what: str) -> Array:
    found = np.asarray(values, np.float64).reshape(-1)
    if found.size not in (1, channels):
        raise errors.QuantizationError(
            f"{what} must have 1 or {channels} values; found {found.size}"
        )
    return np.broadcast_to(found, (channels,))


class _State:
    """The graph's tensors and constants, and new ones beside them."""

    def __init__(self, g: graph.Graph, factors: Array, offsets: Array):
        self._g = g
        self._factors = factors
        self._offsets = offsets
        self.tensors: dict[str, graph.Tensor] = dict(g.tensors)
        self.constants: dict[str, Array] = dict(g.constants)

    def folded(self, layer: graph.Layer) -> graph.Layer:
        """A layer that reads the input, with other weights and another bias."""
        kinds = (graph.Conv2D, graph.DepthwiseConv2D, graph.Dense)
        if not isinstance(layer, kinds):
            raise errors.QuantizationError(
                f"graph '{self._g.name}': {layer.kind} '{layer.name}' reads the input; "
                "only Conv2D, DepthwiseConv2D and Dense can take a normalization in"
            )
        kernel = self._g.constants[layer.weights].astype(np.float64)
        factors = self._spread(self._factors, layer, kernel.shape)
        means = kernel * self._spread(self._offsets, layer, kernel.shape)
        # The outputs are the first axis, of depthwise kernels the last.
        outputs = kernel.ndim - 1 if isinstance(layer, graph.DepthwiseConv2D) else 0
        sums = means.sum(axis=tuple(i for i in range(kernel.ndim) if i != outputs))
        bias = -sums
        if layer.bias is not None:
            bias = bias + self._g.constants[layer.bias].astype(np.float64).reshape(-1)
        return dataclasses.replace(
            layer,
            weights=self._constant(f"{layer.name}/folded/kernel", kernel * factors),
            bias=self._constant(f"{layer.name}/folded/bias", bias),
        )

    def _spread(
        self, values: Array, layer: graph.Layer, shape: tuple[int, ...]
    ) -> Array:
        """A value for each input of the kernel, broadcast to its last axis."""
        if isinstance(layer, graph.DepthwiseConv2D):
            return np.repeat(values, shape[-1] // values.size)
        if shape[-1] % values.size:
            raise errors.QuantizationError(
                f"graph '{self._g.name}': {layer.kind} '{layer.name}' has groups; a "
                "normalization cannot be folded into it"
            )
        # A dense layer reads pixel after pixel, each with all channels.
        return np.tile(values, shape[-1] // values.size)

    def _constant(self, name: str, values: Array) -> str:
        while name in self.tensors:
            name += "'"
        self.constants[name] = values.astype(np.float32)
        self.tensors[name] = graph.Tensor(name, values.shape, "float32")
        return name
