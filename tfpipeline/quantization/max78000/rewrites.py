"""Layers that the MAX78000 lacks, as others that compute the same.

LeakyReLU, PReLU     two convolutions over single pixels, `relu(x)` and `relu(-x)`
                     side by side in between
UpSampling2D by 2    a transposed convolution that writes each pixel four times
BatchNormalization   where no kernel takes it in: a convolution over single pixels
"""

from typing import Any

import numpy as np

from tfpipeline.compat import keras
from tfpipeline.keras_networks import diagonals, quantizable, rebuilding

_LAYERS = keras.layers
# Of a transposed convolution of stride 2 whose first row and column are cut off.
_TAPS = (0.0, 1.0, 1.0)


def _takes(layer: Any) -> bool:
    return diagonals.is_sloped(layer) or _doubles(layer)


def _doubles(layer: Any) -> bool:
    return (
        isinstance(layer, _LAYERS.UpSampling2D)
        and layer.interpolation == "nearest"
        and tuple(layer.size) == (2, 2)
    )


def _rewrite(call: rebuilding.Call, builder: rebuilding.Builder) -> Any:
    if diagonals.is_sloped(call.layer):
        return diagonals.sloped(call, builder)
    return _doubled(call, builder) if _doubles(call.layer) else None


def _doubled(call: rebuilding.Call, builder: rebuilding.Builder) -> Any:
    (x,) = call.tensors
    channels = x.shape[-1]
    taps = np.outer(_TAPS, _TAPS)[:, :, np.newaxis, np.newaxis]
    x = builder.apply(
        call,
        _LAYERS.Conv2DTranspose,
        x,
        weights=[taps * np.eye(channels)],
        filters=channels,
        kernel_size=3,
        strides=2,
        use_bias=False,
    )
    first = ((1, 0), (1, 0))
    return builder.apply(call, _LAYERS.Cropping2D, x, part="cut", cropping=first)


TARGET = quantizable.Target(_takes, _rewrite, has_depthwise=False)
"""For `quantizable.fold`."""
