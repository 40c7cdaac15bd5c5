"""How tfmot rounds each layer of a model of the GAP8 scheme."""

from typing import Any

from tfpipeline.compat import keras
from tfpipeline.keras_networks import layer_traits
from tfpipeline.quantization import given_configs
from tfpipeline.quantization.gap8 import quantizers
from tfpipeline.targets.gap8 import fusion

_LAYERS = keras.layers

# Attribute that holds the kernel.
KERNELS: dict[type[Any], str] = {
    _LAYERS.Conv1D: "kernel",
    _LAYERS.Conv2D: "kernel",
    _LAYERS.Dense: "kernel",
    _LAYERS.DepthwiseConv2D: "depthwise_kernel",
}
JOINS = (_LAYERS.Add, _LAYERS.Concatenate)
GLOBAL_AVERAGES = (_LAYERS.GlobalAveragePooling1D, _LAYERS.GlobalAveragePooling2D)
AVERAGES = (_LAYERS.AveragePooling1D, _LAYERS.AveragePooling2D, *GLOBAL_AVERAGES)
_MOVING = (
    *layer_traits.IN_TRAINING_ONLY,
    _LAYERS.Activation,
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
SUPPORTED_LAYERS = (*KERNELS, *JOINS, *AVERAGES, *_MOVING, _LAYERS.Softmax)
"""The layer classes that the scheme quantizes; no subclass of one."""


class OutputConfig(given_configs.PassConfig):
    """Rounds what a layer without weights writes.

    Attributes:
        quantizer: of the output.
    """

    def __init__(self, quantizer: quantizers.FormatQuantizer) -> None:
        self.quantizer = quantizer

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [self.quantizer]

    def get_config(self) -> dict[str, Any]:
        return {"quantizer": self.quantizer}


class WeightedConfig(given_configs.PassConfig):
    """Rounds the kernel and the bias of a layer, and the sums that it writes.

    Attributes:
        num_bits: 16 or 8, of all of them.
    """

    def __init__(self, num_bits: int) -> None:
        self.num_bits = num_bits

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        names = weight_names(layer)
        kinds = (quantizers.KernelQuantizer, quantizers.BiasQuantizer)
        return [
            (getattr(layer, name), kind(self.num_bits))
            for name, kind in zip(names, kinds, strict=False)
        ]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        for name, value in zip(weight_names(layer), quantize_weights, strict=True):
            setattr(layer, name, value)

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        kernel = getattr(layer, weight_names(layer)[0])
        return [quantizers.SumQuantizer(self.num_bits, kernel)]

    def get_config(self) -> dict[str, Any]:
        return {"num_bits": self.num_bits}


def weight_names(layer: Any) -> tuple[str, ...]:
    """Returns the attributes of the kernel and, where there is one, of the bias."""
    kernel = KERNELS[type(layer)]
    return (kernel, "bias") if layer.use_bias else (kernel,)


def fault(layer: Any) -> str:
    """Says why the scheme cannot quantize a layer; empty if it can."""
    kind = type(layer)
    if kind is _LAYERS.InputLayer:
        return ""
    if kind not in SUPPORTED_LAYERS:
        return "no layer of the GAP8 scheme, see docs/targets/gap8.md"
    if kind is _LAYERS.Add and len(layer.inbound_nodes[0].keras_inputs) != 2:
        count = len(layer.inbound_nodes[0].keras_inputs)
        return f"it must have two inputs, as each sum is rounded; found {count}"
    name = layer_traits.activation_name(layer)
    # Where these may stand is for the chip's constraints to say.
    is_left_to_host = layer_traits.is_softmax(layer) or (
        kind is _LAYERS.Activation and name in fusion.HOST_FUNCTIONS
    )
    if name not in ("linear", "relu") and not is_left_to_host:
        return f"activation {name!r} must be linear or relu"
    return ""
