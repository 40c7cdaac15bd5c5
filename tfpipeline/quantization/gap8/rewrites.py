"""Layers that the GAP8's kernels lack, as others that compute the same.

LeakyReLU, PReLU     two convolutions over single pixels, `relu(x)` and `relu(-x)`
                     side by side in between
Subtract             a sum with the negative
"""

from typing import Any

from tfpipeline.compat import keras
from tfpipeline.keras_networks import diagonals, quantizable, rebuilding

_LAYERS = keras.layers


def _takes(layer: Any) -> bool:
    return diagonals.is_sloped(layer) or isinstance(layer, _LAYERS.Subtract)


def _rewrite(call: rebuilding.Call, builder: rebuilding.Builder) -> Any:
    if diagonals.is_sloped(call.layer):
        return diagonals.sloped(call, builder)
    if not isinstance(call.layer, _LAYERS.Subtract):
        return None
    one, other = call.tensors
    negative = diagonals.multiply_add(call, builder, other, -1.0, part="negative")
    return builder.apply(call, _LAYERS.Add, [one, negative])


TARGET = quantizable.Target(_takes, _rewrite, has_depthwise=False)
"""For `quantizable.fold`."""
