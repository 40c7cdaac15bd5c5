"""A float network as quantization-aware training takes it: `fold`.

Quantizers know convolutions, Dense layers, activations, pools and what moves values.
Anything else is first written as those (`rewrites`), and every batch normalization goes
to where it costs least:

* into the layer with weights before it (`batch_norm_folding`);
* otherwise, where it is all that a layer with weights reads, into that layer:
  kernel' = kernel * scale, bias' = bias + kernel * offset, an offset only where nothing
  is padded with zeros;
* otherwise it becomes a layer of its own, a depthwise convolution over single pixels,
  or where a chip has none a convolution whose kernel is a diagonal.

All of it is exact but for float rounding, which `same_function` checks. A network that
needs none of it is folded as ever.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline.compat import keras
from tfpipeline.keras_networks import (
    batch_norm_folding,
    diagonals,
    rebuilding,
    rewrites,
    same_function,
    topology,
)

Builder = rebuilding.Builder
Call = rebuilding.Call
_LAYERS = keras.layers


@dataclasses.dataclass(frozen=True)
class Target:
    """What is rewritten for a target besides what `rewrites` does for all.

    Attributes:
        takes: whether a layer is.
        rewrite: what a call of it becomes; None of layers that stay.
        has_depthwise: whether a multiply-add of each channel may be a depthwise
            convolution; otherwise it is a convolution with a diagonal kernel.
    """

    takes: Callable[[Any], bool] = lambda layer: False
    rewrite: rebuilding.Rewrite = lambda call, builder: None
    has_depthwise: bool = True


ANY = Target()
"""Nothing besides."""


# Axis of the kernel that the input's channels lie along.
_INPUT_AXES: dict[type[Any], int] = {
    _LAYERS.Conv1D: 1,
    _LAYERS.Conv2D: 2,
    _LAYERS.Dense: 0,
    _LAYERS.DepthwiseConv2D: 2,
}


def is_rewritten(model: keras.Model, target: Target = ANY) -> bool:
    """Whether `fold` makes more of a network than `batch_norm_folding.fold` does.

    It makes no layer, so that fresh weights of later networks stay what they were.
    """
    return (
        rewrites.is_needed(model)
        or bool(batch_norm_folding.unfoldable(model))
        or any(map(target.takes, model.layers))
    )


def fold(model: keras.Model, target: Target = ANY) -> keras.Model:
    """Returns a network without normalizations, of layers that quantizers know.

    Args:
        model: functional or Sequential tf_keras network.
        target: what else is rewritten.

    Returns:
        A new functional model of the same name with its own float32 weights; its
        outputs are those of `model` in inference.

    Raises:
        QuantizationError: the model is not functional, or of Keras 3; a normalization
            is not along the channels; or another network came out.
    """
    topology.require_listed(model)
    if not is_rewritten(model, target):
        return batch_norm_folding.fold(model)
    result = rebuilding.rebuild(model, rewrites.rewrite)
    if any(map(target.takes, result.layers)):
        result = rebuilding.rebuild(result, target.rewrite)
    result = batch_norm_folding.fold(result, partly=True)
    # Where several stand in a row, the next one then follows a convolution.
    while any(map(batch_norm_folding.is_normalization, result.layers)):
        left = batch_norm_folding.unfoldable(result)
        if left:
            result = _moved(result, left, target.has_depthwise)
        result = batch_norm_folding.fold(result, partly=True)
    same_function.require(result, model)
    return result


def _moved(
    model: keras.Model, names: tuple[str, ...], has_depthwise: bool
) -> keras.Model:
    """The network with those normalizations elsewhere that follow no other one.

    Args:
        model: functional.
        names: of its normalizations.
        has_depthwise: as for `fold`.
    """
    architecture = topology.to_dict(model)
    producers = topology.producers(architecture)
    first = [name for name in names if not set(producers[name]) & set(names)]
    readers = {name: _reader(model, architecture, name) for name in first}
    norms = {
        reader: model.get_layer(name) for name, reader in readers.items() if reader
    }

    def rewrite(call: Call, builder: Builder) -> Any:
        if call.name in norms:
            return _with_norm_before(call, builder, norms[call.name])
        if call.name not in readers:
            return None
        if readers[call.name]:
            return call.tensors[0]
        return _alone(call, builder, has_depthwise)

    return rebuilding.rebuild(model, rewrite)


def _reader(model: keras.Model, architecture: dict[str, Any], name: str) -> str | None:
    """The layer that a normalization can go into, if all that reads it is that one."""
    producers = topology.producers(architecture)
    reading = topology.consumers(architecture)[name]
    if len(reading) != 1 or name in topology.outputs(architecture):
        return None
    reader = model.get_layer(reading[0])
    if type(reader) not in _INPUT_AXES or producers[reader.name] != [name]:
        return None
    if len(producers[name]) != 1:
        return None
    _, offset = batch_norm_folding.statistics(model.get_layer(name))
    size = getattr(reader, "kernel_size", (1,))
    is_padded = getattr(reader, "padding", "valid") != "valid" and max(size) > 1
    return None if is_padded and offset.any() else reader.name


def _with_norm_before(call: Call, builder: Builder, norm: Any) -> Any:
    """The layer of a call with a normalization of what it reads in its weights."""
    layer = call.layer
    scale, offset = batch_norm_folding.statistics(norm)
    kernel, *rest = (weight.astype(np.float64) for weight in layer.get_weights())
    axis = _INPUT_AXES[type(layer)]
    shape = [n if i == axis else 1 for i, n in enumerate(kernel.shape)]
    terms = kernel * offset.reshape(shape)
    if type(layer) is _LAYERS.DepthwiseConv2D:
        added = terms.sum(axis=(0, 1)).ravel()
    else:
        added = terms.sum(axis=tuple(range(kernel.ndim - 1)))
    config = layer.get_config()
    for key in ("name", "trainable"):
        config.pop(key)
    return builder.apply(
        call,
        type(layer),
        call.tensors[0],
        weights=[kernel * scale.reshape(shape), added + (rest[0] if rest else 0.0)],
        **{**config, "use_bias": True},
    )


def _alone(call: Call, builder: Builder, has_depthwise: bool) -> Any:
    """A normalization as a convolution over single pixels."""
    (x,) = call.tensors
    scale, offset = batch_norm_folding.statistics(call.layer)
    if not has_depthwise:
        return diagonals.multiply_add(call, builder, x, scale, offset)
    line = tuple(x.shape[1:])
    plane = (*(1,) * (3 - len(line)), *line)
    if line != plane:
        x = builder.apply(call, _LAYERS.Reshape, x, part="plane", target_shape=plane)
    kernel = scale.reshape(1, 1, -1, 1)
    weights = [kernel, offset]
    x = builder.apply(call, _LAYERS.DepthwiseConv2D, x, weights=weights, kernel_size=1)
    if line != plane:
        x = builder.apply(call, _LAYERS.Reshape, x, part="line", target_shape=line)
    return x
