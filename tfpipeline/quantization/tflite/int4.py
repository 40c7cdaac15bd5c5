"""The int8 scheme of TensorFlow Lite with kernels of 4 bits: `wi4_ai8`.

Kernels of convolutions and Dense layers are rounded to [-7, 7], with a scale a
channel for convolutions and one scale for Dense, which is what TensorFlow Lite Micro
reads (tensorflow/lite/micro/kernels/fully_connected_common.cc). These are all kernels
that the int8 scheme has. Activations, biases and the layout of the network are those of
the int8 scheme (`tflite_int8`), so that both formats of one float network differ in
their kernels only.

TensorFlow's converter does not pack what was trained so. The file is written from the
graph that `readers.from_keras` makes, so the ranges here are the scales there.
"""

from typing import Any

import numpy as np

from tfpipeline.compat import keras, tfmot
from tfpipeline.keras_networks import same_function
from tfpipeline.quantization import input_ranges, stored_scheme
from tfpipeline.quantization.tflite import channel_quantizer, ranges
from tfpipeline.quantization.tflite import int8 as tflite_int8

NUM_BITS = 4

_QUANT = tfmot.quantization.keras


def prepare_qat(
    folded_model: keras.Model,
    images: np.ndarray,
    input_range: input_ranges.InputRange = input_ranges.SIGNED,
) -> keras.Model:
    """Returns `folded_model` with fake quantization, its ranges set from `images`.

    Args:
        folded_model: functional model without batch normalization, as from
            `batch_norm_folding.fold`, one float32 input in `input_range`.
        images: calibration images, float32 [N, H, W, C] in `input_range`.
        input_range: fixed for the input, whatever the images hold.

    Returns:
        A new model for training and evaluation; `folded_model` stays as it is.

    Raises:
        QuantizationError: a layer that the scheme cannot quantize, or images of
            another type, shape or scale than the network's input; or tfmot made
            another network of it.
    """
    images = input_ranges.check_calibration_images(folded_model, images, input_range)
    qat_model = build(folded_model, input_range)
    ranges.set_from_weights(qat_model)
    ranges.calibrate(qat_model, folded_model, images)
    same_function.require_float_twin(qat_model, folded_model)
    return qat_model


def build(
    folded_model: keras.Model,
    input_range: input_ranges.InputRange = input_ranges.SIGNED,
) -> keras.Model:
    """Returns `folded_model` with fake quantization, ranges still at their start.

    For restoring weights and ranges afterwards; otherwise use `prepare_qat`.

    Raises:
        QuantizationError: a layer that the scheme cannot quantize.
    """
    fixed = tflite_int8.fixed_quantizer(input_range)
    return tflite_int8.apply(folded_model, _Scheme(fixed), "int4")


def is_of_scheme(qat_model: keras.Model) -> bool:
    """Whether `build` or `prepare_qat` made the model."""
    return any(
        isinstance(getattr(layer, "quantize_config", None), NarrowConfig)
        for layer in qat_model.layers
    )


class NarrowConfig(tfmot.quantization.keras.QuantizeConfig):
    """A configuration for 8 bits whose kernel gets 4.

    Attributes:
        wide: the configuration for 8 bits.
    """

    def __init__(self, wide: tflite_int8.KernelConfig) -> None:
        self.wide = wide

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        return [
            (kernel, _narrow(quantizer))
            for kernel, quantizer in self.wide.get_weights_and_quantizers(layer)
        ]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        self.wide.set_quantize_weights(layer, quantize_weights)

    def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
        return self.wide.get_activations_and_quantizers(layer)

    def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
        self.wide.set_quantize_activations(layer, quantize_activations)

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return self.wide.get_output_quantizers(layer)

    def get_config(self) -> dict[str, Any]:
        return {"wide": self.wide.get_config()}


class _Layout(tflite_int8.Layout):
    """The int8 scheme's layout, its kernels narrowed."""

    def apply(
        self, model: keras.Model, layer_quantize_map: dict[str, Any]
    ) -> tuple[keras.Model, dict[str, Any]]:
        model, layer_quantize_map = super().apply(model, layer_quantize_map)
        for entry in layer_quantize_map.values():
            if isinstance(entry.get("quantize_config"), tflite_int8.KernelConfig):
                entry["quantize_config"] = NarrowConfig(entry["quantize_config"])
        return model, layer_quantize_map


class _Scheme(tflite_int8.Scheme):
    """The int8 scheme with 4 bits for kernels."""

    def get_layout_transformer(self) -> Any:
        return _Layout(self._input_quantizer)


def _narrow(quantizer: Any) -> Any:
    """The quantizer of a kernel for 4 bits, as many scales as for 8."""
    if isinstance(quantizer, channel_quantizer.ChannelQuantizer):
        return channel_quantizer.ChannelQuantizer(
            quantizer.depthwise, NUM_BITS, quantizer.transposed
        )
    return _QUANT.quantizers.LastValueQuantizer(
        num_bits=NUM_BITS, per_axis=False, symmetric=True, narrow_range=True
    )


STORED = stored_scheme.StoredScheme(
    "int4",
    lambda model: tflite_int8.stored_options(model) if is_of_scheme(model) else None,
    lambda model, options: build(model, tflite_int8.stored_input_range(options)),
)
