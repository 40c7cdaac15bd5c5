"""The Keras layers that the MAX78000 scheme has, and what each is to it."""

import math
from typing import Any

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import batch_norm_folding, layer_traits, topology
from tfpipeline.targets.max78000 import policy as policies

_LAYERS = keras.layers

# Attribute that holds the kernel, and its axes of output channels.
KERNELS: dict[type[Any], tuple[str, tuple[int, ...]]] = {
    _LAYERS.Conv1D: ("kernel", (2,)),
    _LAYERS.Conv2D: ("kernel", (3,)),
    _LAYERS.Conv2DTranspose: ("kernel", (2,)),
    _LAYERS.Dense: ("kernel", (1,)),
    _LAYERS.DepthwiseConv2D: ("depthwise_kernel", (2, 3)),
}
SUMS = (_LAYERS.Add, _LAYERS.Subtract)
_WINDOWED_AVERAGES = (_LAYERS.AveragePooling1D, _LAYERS.AveragePooling2D)
_GLOBAL_AVERAGES = (_LAYERS.GlobalAveragePooling1D, _LAYERS.GlobalAveragePooling2D)
_MOVING = (
    *layer_traits.IN_TRAINING_ONLY,
    _LAYERS.Activation,
    _LAYERS.Concatenate,
    _LAYERS.Cropping1D,
    _LAYERS.Cropping2D,
    _LAYERS.Flatten,
    _LAYERS.GlobalMaxPooling1D,
    _LAYERS.GlobalMaxPooling2D,
    _LAYERS.MaxPooling1D,
    _LAYERS.MaxPooling2D,
    _LAYERS.ReLU,
    _LAYERS.Reshape,
    _LAYERS.ZeroPadding1D,
    _LAYERS.ZeroPadding2D,
)
SUPPORTED_LAYERS = (
    *KERNELS,
    *SUMS,
    *_WINDOWED_AVERAGES,
    *_GLOBAL_AVERAGES,
    *_MOVING,
    _LAYERS.Softmax,
)
"""The layer classes that the scheme quantizes, besides `tf.abs`; no subclass of one."""

_FUNCTIONS = ("linear", "relu")


def check(model: keras.Model, policy: policies.Policy, wide: tuple[str, ...]) -> None:
    """Refuses a network that the scheme cannot quantize.

    Args:
        model: functional.
        policy: bits of its layers.
        wide: names of the layers that write 32-bit sums.

    Raises:
        QuantizationError: naming the layer, and what to do.
        UsageError: the policy names a layer that the model does not have.
    """
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if len(shapes) != 1 or None in shapes[0][1:]:
        raise errors.QuantizationError(
            f"model {model.name!r} must have one input of a fixed size; found {shapes}"
        )
    weighted = [layer.name for layer in model.layers if type(layer) in KERNELS]
    policy.check_names(tuple(weighted), model.name)
    architecture = topology.to_dict(model)
    sources = topology.producers(architecture)
    for layer in model.layers:
        reading = sources[layer.name]
        fault = _fault(layer, len(reading))
        if not fault and layer_traits.is_softmax(layer) and reading[0] not in wide:
            fault = (
                "softmax must read a last layer of 32 bits, because it is not "
                "proportional to what it reads; leave it to the loss (from_logits=True)"
            )
        if is_magnitude(layer) and not _is_only_reader(model, layer, architecture):
            fault = (
                "tf.abs must be the only reader of a convolution or Dense layer "
                "without activation"
            )
        if fault:
            raise errors.QuantizationError(
                f"layer {layer.name!r} ({type(layer).__name__}): {fault}"
            )
    if not weighted:
        raise errors.QuantizationError(
            f"model {model.name!r} has no layer with weights to be quantized"
        )


def wide_layers(model: keras.Model) -> tuple[str, ...]:
    """Returns the names of layers that can write 32-bit sums.

    They have weights, no activation and one pixel of output, and nothing but the host
    reads them: the rule of `targets.max78000.lowering`.
    """
    architecture = topology.to_dict(model)
    readers, outputs = topology.consumers(architecture), topology.outputs(architecture)

    def goes_out(name: str) -> bool:
        """Whether only the host reads what a layer writes."""
        reading = readers[name]
        if len(reading) + outputs.count(name) != 1:
            return False
        return not reading or (
            _is_for_host(model.get_layer(reading[0])) and goes_out(reading[0])
        )

    return tuple(
        layer.name
        for layer in model.layers
        if type(layer) in KERNELS
        and layer_traits.activation_name(layer) == "linear"
        and all(size == 1 for size in layer.output_shape[1:-1])
        and goes_out(layer.name)
    )


def weight_names(layer: Any) -> tuple[str, ...]:
    """Returns the attributes of the kernel and, where there is one, of the bias."""
    kernel, _ = KERNELS[type(layer)]
    return (kernel, "bias") if layer.use_bias else (kernel,)


def averaged(layer: Any) -> int | None:
    """Returns how many values a layer averages; `None` of layers that do not."""
    if isinstance(layer, _WINDOWED_AVERAGES):
        size = layer.pool_size
        return math.prod(size) if isinstance(size, tuple) else int(size)
    if isinstance(layer, _GLOBAL_AVERAGES):
        return math.prod(layer.input_shape[1:-1])
    return None


def is_magnitude(layer: Any) -> bool:
    """Says whether a layer is what `tf.abs` on a Keras tensor becomes."""
    is_function = type(layer).__name__ == "TFOpLambda"
    return is_function and layer.get_config()["function"] == "math.abs"


def is_relu(layer: Any) -> bool:
    """Says whether a layer is a ReLU and nothing else."""
    if isinstance(layer, _LAYERS.Activation):
        return layer_traits.activation_name(layer) == "relu"
    return isinstance(layer, _LAYERS.ReLU)


def _fault(layer: Any, count: int) -> str:
    """Says why a layer with `count` inputs cannot be quantized; empty if it can."""
    kind = type(layer)
    if kind is _LAYERS.InputLayer or is_magnitude(layer):
        return ""
    if batch_norm_folding.is_normalization(layer):
        return (
            "it is not folded; use tfpipeline.keras_networks.batch_norm_folding first"
        )
    if kind not in SUPPORTED_LAYERS:
        return (
            f"the MAX78000 scheme has no {kind.__name__}; docs/layers.md lists the "
            "layers that it has"
        )
    if isinstance(layer, SUMS) and count != 2:
        return f"it must have two inputs, as each sum saturates; found {count}"
    if count > 1 and not isinstance(layer, (*SUMS, _LAYERS.Concatenate)):
        return "it is called twice; use a layer for each call"
    if isinstance(layer, _WINDOWED_AVERAGES) and layer.padding != "valid":
        return f"padding of an average must be 'valid'; found {layer.padding!r}"
    if isinstance(layer, _LAYERS.ReLU):
        most = None if layer.max_value is None else float(layer.max_value)
        limits = (most, float(layer.negative_slope), float(layer.threshold))
        if limits != (None, 0.0, 0.0):
            return (
                "a ReLU must be plain, because ranges are scaled; found max_value, "
                f"negative_slope, threshold = {limits}"
            )
    function = layer_traits.activation_name(layer)
    if function not in _FUNCTIONS and not layer_traits.is_softmax(layer):
        return (
            f"activation {function!r} must be one of {', '.join(_FUNCTIONS)}; "
            "write a magnitude as tf.abs behind the layer"
        )
    return ""


def _is_only_reader(
    model: keras.Model, layer: Any, architecture: dict[str, Any]
) -> bool:
    """Says whether nothing else sees what `layer` reads of a layer with weights."""
    (source,) = topology.producers(architecture)[layer.name]
    before = model.get_layer(source)
    return (
        type(before) in KERNELS
        and layer_traits.activation_name(before) == "linear"
        and topology.consumers(architecture)[source] == [layer.name]
        and source not in topology.outputs(architecture)
    )


def _is_for_host(layer: Any) -> bool:
    """Says whether a layer only makes a result readable."""
    shapes = (_LAYERS.Dropout, _LAYERS.Flatten, _LAYERS.Reshape)
    return layer_traits.is_softmax(layer) or isinstance(layer, shapes)
