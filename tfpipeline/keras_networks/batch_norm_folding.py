"""Batch normalization folded into the layer before it.

With the moving statistics of a trained network, a normalization is one multiplication
and one addition a channel, which the layer before it absorbs:

    kernel' = kernel * s          s = gamma / sqrt(variance + epsilon)
    bias'   = (bias - mean) * s + beta

Quantization-aware training runs on the folded network: its layers are one to one those
that are deployed, it costs less time a step than an unfolded one, and a scheme whose
weights share one scale cannot absorb a normalization after training.
"""

from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import layer_traits, topology

# Axes of a kernel that its output channels lie along.
_CHANNEL_AXES: dict[type[Any], tuple[int, ...]] = {
    keras.layers.Conv1D: (2,),
    keras.layers.Conv2D: (3,),
    keras.layers.Conv2DTranspose: (2,),
    keras.layers.Dense: (1,),
    keras.layers.DepthwiseConv2D: (2, 3),
}
_FOLDABLE = ", ".join(sorted(kind.__name__ for kind in _CHANNEL_AXES))


def fold(model: keras.Model, *, partly: bool = False) -> keras.Model:
    """Folds every BatchNormalization into the layer before it.

    The result computes what `model(x, training=False)` computes, within float
    rounding. Layer names stay, normalizations go, Dropout stays (it does nothing
    outside training), and every layer computes in float32 even where the float
    network was trained in a mixed policy, which tfmot cannot quantize.

    Args:
        model: functional or Sequential tf_keras model, input [N, H, W, C] float32.
        partly: leave those in that cannot be folded.

    Returns:
        A new functional model of the same name, with its own weights.

    Raises:
        QuantizationError: a normalization does not follow directly and alone a
            convolution or Dense layer without activation; or the model is not
            functional, nested, or of Keras 3.
    """
    model = topology.require_functional(model)
    architecture = topology.to_dict(model)
    normalized_by = _pairs(model, architecture, partly)
    removed = {norm: layer for layer, norm in normalized_by.items()}
    folded_architecture = topology.remove_layers(architecture, removed)
    for layer in folded_architecture["config"]["layers"]:
        if "dtype" in layer["config"]:
            layer["config"]["dtype"] = "float32"
        if layer["name"] in normalized_by:
            layer["config"]["use_bias"] = True
    folded = topology.from_dict(folded_architecture)
    for layer in folded.layers:
        source = model.get_layer(layer.name)
        if layer.name in normalized_by:
            norm = model.get_layer(normalized_by[layer.name])
            layer.set_weights(_folded_weights(source, norm))
        else:
            layer.set_weights(source.get_weights())
    return folded


def is_normalization(layer: Any) -> bool:
    """Says whether `layer` is a batch normalization of any kind."""
    return isinstance(layer, keras.layers.BatchNormalization) or (
        "BatchNormalization" in type(layer).__name__
    )


def unfoldable(model: keras.Model) -> tuple[str, ...]:
    """Names of the normalizations that `fold` refuses.

    Args:
        model: functional, none in it.
    """
    architecture = topology.to_dict(topology.require_functional(model))
    pairs = _pairs(model, architecture, partly=True)
    norms = filter(is_normalization, model.layers)
    return tuple(norm.name for norm in norms if norm.name not in pairs.values())


def statistics(norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a normalization does in inference: float64 scale and offset, [channels].

    Raises:
        QuantizationError: it is not along the channels.
    """
    axes = [int(axis) for axis in np.atleast_1d(norm.axis)]
    shape = norm.get_input_shape_at(0)
    if [axis % len(shape) for axis in axes] != [len(shape) - 1]:
        raise _error(norm, f"normalizes axis {axes}, not the channels (the last axis)")
    mean, beta, factor = _parts(norm)
    return factor, beta - mean * factor


def _pairs(
    model: keras.Model, architecture: dict[str, Any], partly: bool
) -> dict[str, str]:
    """Returns name of the absorbing layer -> name of its normalization."""
    producers = topology.producers(architecture)
    consumers = topology.consumers(architecture)
    outputs = topology.outputs(architecture)
    pairs = {}
    for norm in filter(is_normalization, model.layers):
        fault = ""
        if len(producers[norm.name]) != 1:
            fault = f"is called {len(producers[norm.name])} times"
        layer = model.get_layer(producers[norm.name][0])
        fault = fault or _fault_of_pair(layer, norm)
        if not fault and len(producers[layer.name]) != 1:
            fault = f"follows the shared layer {layer.name!r}"
        if not fault and (
            consumers[layer.name] != [norm.name] or layer.name in outputs
        ):
            fault = f"is not the only reader of the output of {layer.name!r}"
        if not fault:
            pairs[layer.name] = norm.name
        elif not partly:
            raise _error(norm, fault)
    return pairs


def _fault_of_pair(layer: Any, norm: Any) -> str:
    """Why a normalization cannot go into the layer before it; empty if it can."""
    # Exact classes: a subclass may order its kernel differently.
    if type(layer) not in _CHANNEL_AXES:
        return f"follows {layer.name!r} ({type(layer).__name__})"
    if layer.activation is not keras.activations.linear:
        function = layer_traits.activation_name(layer)
        return f"follows the activation {function!r} of {layer.name!r}"
    axes = [int(axis) for axis in np.atleast_1d(norm.axis)]
    if axes != [len(layer.output_shape) - 1]:
        return f"normalizes axis {axes}, not the channels (the last axis)"
    return ""


def _error(norm: Any, found: str) -> errors.QuantizationError:
    return errors.QuantizationError(
        f"{type(norm).__name__} {norm.name!r} cannot be folded: it {found}; put it "
        f"directly behind a layer ({_FOLDABLE}) that has no activation and that "
        "nothing else reads, or remove it."
    )


def _folded_weights(layer: Any, norm: Any) -> list[np.ndarray]:
    """Returns [kernel, bias] float32 of `layer` with `norm` folded in."""
    mean, beta, factor = _parts(norm)
    kernel, *rest = (weight.astype(np.float64) for weight in layer.get_weights())
    bias = rest[0] if rest else np.zeros_like(mean)
    # Of a depthwise kernel, output channel = channel * multiplier + m.
    axes = _CHANNEL_AXES[type(layer)]
    shape = [n if axis in axes else 1 for axis, n in enumerate(kernel.shape)]
    folded = [kernel * factor.reshape(shape), (bias - mean) * factor + beta]
    return [weight.astype(np.float32) for weight in folded]


def _parts(norm: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, beta and factor of a normalization, float64 [channels]."""
    mean = norm.moving_mean.numpy().astype(np.float64)
    variance = norm.moving_variance.numpy().astype(np.float64)
    gamma = norm.gamma.numpy() if norm.scale else np.ones_like(mean)
    beta = norm.beta.numpy() if norm.center else np.zeros_like(mean)
    return mean, beta, gamma / np.sqrt(variance + norm.epsilon)
