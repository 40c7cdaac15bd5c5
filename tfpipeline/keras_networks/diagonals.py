"""What a convolution over single pixels can do in place of another layer.

Chips that have no arithmetic by channel have this; it costs channels * channels
weights.
"""

from typing import Any

import numpy as np

from tfpipeline.compat import keras
from tfpipeline.keras_networks import rebuilding

Builder = rebuilding.Builder
Call = rebuilding.Call

_LAYERS = keras.layers
# By the rank of what is read, the batch included.
_KINDS = {2: _LAYERS.Dense, 3: _LAYERS.Conv1D, 4: _LAYERS.Conv2D}
_SLOPED = (_LAYERS.LeakyReLU, _LAYERS.PReLU)


def multiply_add(
    call: Call,
    builder: Builder,
    x: Any,
    scale: Any,
    offset: Any = None,
    *,
    part: str = "",
) -> Any:
    """`x * scale + offset`.

    Args:
        call: what it stands for.
        builder: of the new network.
        x: `[c]`, `[time, c]` or `[height, width, c]`, the batch in front.
        scale: one number, or `[c]`.
        offset: likewise; None for zeros.
        part: as `Builder.apply` has it.
    """
    channels = x.shape[-1]
    kernel = np.diag(np.broadcast_to(scale, channels))
    weights = [kernel]
    if offset is not None:
        weights.append(np.broadcast_to(offset, channels))
    return _over_pixels(call, builder, x, weights, part=part)


def is_sloped(layer: Any) -> bool:
    """Whether `sloped` can replace a layer: one slope below zero for each channel."""
    if isinstance(layer, _LAYERS.PReLU):
        return all(size == 1 for size in layer.alpha.shape[:-1])
    return isinstance(layer, _LAYERS.LeakyReLU)


def sloped(call: Call, builder: Builder) -> Any:
    """A LeakyReLU or PReLU as `relu(x) - slope * relu(-x)`, in two convolutions."""
    (x,) = call.tensors
    layer, channels = call.layer, x.shape[-1]
    slopes = layer.alpha.numpy() if isinstance(layer, _LAYERS.PReLU) else layer.alpha
    one = np.eye(channels)
    below = one * np.broadcast_to(np.ravel(slopes), channels)
    both = [np.concatenate([one, -one], axis=1)]
    x = _over_pixels(call, builder, x, both, part="both", activation="relu")
    return _over_pixels(call, builder, x, [np.concatenate([one, -below])])


def _over_pixels(
    call: Call,
    builder: Builder,
    x: Any,
    weights: list[np.ndarray],
    *,
    part: str = "",
    **config: Any,
) -> Any:
    """A convolution with a kernel `[inputs, outputs]` and a bias or none."""
    kernel, *bias = weights
    rank = len(x.shape)
    size = {"filters": kernel.shape[1], "kernel_size": 1}
    if rank == 2:
        size = {"units": kernel.shape[1]}
    return builder.apply(
        call,
        _KINDS[rank],
        x,
        part=part,
        weights=[kernel.reshape((*(1,) * (rank - 2), *kernel.shape)), *bias],
        use_bias=bool(bias),
        **size,
        **config,
    )
