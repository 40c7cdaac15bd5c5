"""Layers that the GAP8's kernels lack, as others that compute the same.

LeakyReLU, PReLU     two convolutions over single pixels, `relu(x)` and `relu(-x)`
                     side by side in between
Subtract             a sum with the negative
"""

from typing import Any

import numpy as np

from tfpipeline.compat import keras
from tfpipeline.keras_networks import diagonals, quantizable, rebuilding

_LAYERS = keras.layers


def _takes(layer: Any) -> bool:
    return any(is_kind(layer) for is_kind, _ in _RULES)


def _rewrite(call: rebuilding.Call, builder: rebuilding.Builder) -> Any:
    for is_kind, rule in _RULES:
        if is_kind(call.layer):
            return rule(call, builder)
    return None


def _is_multiple(layer: Any) -> bool:
    return type(layer) is _LAYERS.DepthwiseConv2D and layer.depth_multiplier > 1


def _of_multiple(call: rebuilding.Call, builder: rebuilding.Builder) -> Any:
    layer = call.layer
    kernel, *bias = layer.get_weights()
    channels, times = kernel.shape[2:]
    # Output channel = channel * times + which of them.
    several = np.repeat(np.eye(channels), times, axis=1)
    x = builder.apply(
        call,
        _LAYERS.Conv2D,
        call.tensors[0],
        part="several",
        weights=[several[np.newaxis, np.newaxis]],
        filters=channels * times,
        kernel_size=1,
        use_bias=False,
    )
    return builder.apply(
        call,
        _LAYERS.DepthwiseConv2D,
        x,
        weights=[kernel.reshape(*kernel.shape[:2], channels * times, 1), *bias],
        kernel_size=layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
        use_bias=layer.use_bias,
        activation=layer.activation,
    )


def _is_difference(layer: Any) -> bool:
    return isinstance(layer, _LAYERS.Subtract)


def _of_difference(call: rebuilding.Call, builder: rebuilding.Builder) -> Any:
    one, other = call.tensors
    negative = diagonals.multiply_add(call, builder, other, -1.0, part="negative")
    return builder.apply(call, _LAYERS.Add, [one, negative])


_RULES = (
    (diagonals.is_sloped, diagonals.sloped),
    (_is_multiple, _of_multiple),
    (_is_difference, _of_difference),
)
TARGET = quantizable.Target(_takes, _rewrite, has_depthwise=False)
"""For `quantizable.fold`."""
