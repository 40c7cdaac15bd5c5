"""The int16x8 scheme of TensorFlow Lite: 16-bit activations beside 8-bit weights.

Weights as in the int8 scheme (`tflite_int8`). Activations: 16 bits, symmetric, zero
point 0, -32767..32767, one scale a tensor. The layout of the network, and so where
values are rounded, is that of the int8 scheme as well; only the quantizers of
activations differ, so that int8 and int16x8 of one float network can be compared.

TensorFlow's converter does not take such a network (TensorFlow 2.21: "Quantization to
16x8-bit not yet supported for op", and 32-bit biases that no kernel reads well). Its
file is written from the graph that `readers.from_keras` makes of it, so the ranges
here are the scales there.

The input's scale is 1/32768 for inputs in [-1, 1), which fits both ranges of pixels
without any rounding: a microcontroller feeds `(pixel - 128) << 8`, or `pixel << 7` with
`--nonormalize`. Of any other range, 32767 stands for the larger magnitude of its ends.
"""

from typing import Any

import numpy as np

from tfpipeline.compat import keras, tf, tfmot
from tfpipeline.keras_networks import same_function
from tfpipeline.quantization import input_ranges, stored_scheme
from tfpipeline.quantization.tflite import channel_quantizer, ranges
from tfpipeline.quantization.tflite import int8 as tflite_int8

NUM_BITS = 16
INPUT_SCALE = 1 / 32768

DECAY = 0.001
"""Part of the distance to a lower peak that a range falls in a step; so in tfmot."""

SMALLEST_LIMIT = 2.0**-16
"""Least range of a tensor, for one that is zero throughout training."""

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
        input_range: that `images` are checked against, and the input's scale fits.

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
    for entry in ranges.find(qat_model):
        if entry.role in ranges.OUTPUT_ROLES:
            limit = tf.maximum(-entry.minimum, entry.maximum)
            entry.minimum.assign(-limit)
            entry.maximum.assign(limit)
    same_function.require_float_twin(qat_model, folded_model)
    return qat_model


def input_scale(input_range: input_ranges.InputRange) -> float:
    """Real numbers a step of the network's input; a float32 value."""
    limit = max(-input_range.minimum, input_range.maximum)
    return INPUT_SCALE if limit <= 1 else float(np.float32(limit / 32767))


def build(
    folded_model: keras.Model,
    input_range: input_ranges.InputRange = input_ranges.SIGNED,
) -> keras.Model:
    """Returns `folded_model` with fake quantization, ranges still at their start.

    For restoring weights and ranges afterwards; otherwise use `prepare_qat`.

    Raises:
        QuantizationError: a layer that the scheme cannot quantize.
    """
    scale = input_scale(input_range)
    fixed = WideFixedQuantizer(
        num_bits=NUM_BITS,
        init_min=-32768 * scale,
        init_max=32767 * scale,
        narrow_range=False,
    )
    return tflite_int8.apply(folded_model, _Scheme(fixed), "int16x8")


def is_of_scheme(qat_model: keras.Model) -> bool:
    """Whether `build` or `prepare_qat` made the model."""
    quantizers = [getattr(layer, "quantizer", None) for layer in qat_model.layers]
    # Not by the bits: those of the GAP8 may be 16 too.
    return any(isinstance(each, WideFixedQuantizer) for each in quantizers)


# tfmot makes copies of the input's layer, which finds the class by its name.
@keras.utils.register_keras_serializable(package="tfpipeline")
class WideFixedQuantizer(tfmot.quantization.keras.quantizers.FixedQuantizer):
    """tfmot's, which rounds to 8 bits whatever its `num_bits` (tfmot 0.8.1)."""

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, Any], **_: Any
    ) -> tf.Tensor:
        """Returns `inputs` rounded, of the same shape."""
        return tf.quantization.fake_quant_with_min_max_args(
            inputs, self.init_min, self.init_max, self.num_bits, self.narrow_range
        )


class PeakQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Rounds to 16 bits in a symmetric range that follows the largest magnitudes.

    A larger peak than ever widens the range at once, and it falls by `DECAY` of the
    distance to a lower one. tfmot's moving average settles between the peaks of the
    batches and cuts the higher ones off; with 8 bits that can be worth the finer steps,
    with 16 there are steps to spare, and a value that is cut off is the larger error.

    Attributes:
        num_bits: 16.
        narrow_range: -32768 is left out.
    """

    num_bits = NUM_BITS
    narrow_range = True

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Creates the range variables, at tfmot's usual -6 and 6."""
        del tensor_shape
        limit = channel_quantizer.INITIAL_LIMIT
        return {
            f"{end}_var": layer.add_weight(
                f"{name}_{end}",
                initializer=keras.initializers.Constant(value),
                trainable=False,
                # Replicas see different batches.
                aggregation=tf.VariableAggregation.MEAN,
            )
            for end, value in (("min", -limit), ("max", limit))
        }

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, Any], **_: Any
    ) -> tf.Tensor:
        """Returns `inputs` rounded, of the same shape."""
        low, high = weights["min_var"], weights["max_var"]
        if training:
            peak = tf.reduce_max(tf.abs(tf.stop_gradient(inputs)))
            limit = tf.maximum(peak, high + DECAY * (peak - high))
            limit = tf.maximum(limit, SMALLEST_LIMIT)
            low.assign(-limit)
            high.assign(limit)
            low, high = -limit, limit
        return tf.quantization.fake_quant_with_min_max_vars(
            inputs, low, high, num_bits=NUM_BITS, narrow_range=True
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments: none."""
        return {}


class WideConfig(tfmot.quantization.keras.QuantizeConfig):
    """A configuration for 8 bits with `PeakQuantizer` for activations.

    Attributes:
        narrow: the configuration for 8 bits.
    """

    def __init__(self, narrow: Any) -> None:
        self.narrow = narrow

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        return self.narrow.get_weights_and_quantizers(layer)

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        self.narrow.set_quantize_weights(layer, quantize_weights)

    def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
        pairs = self.narrow.get_activations_and_quantizers(layer)
        return [(activation, PeakQuantizer()) for activation, _ in pairs]

    def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
        self.narrow.set_quantize_activations(layer, quantize_activations)

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [PeakQuantizer() for _ in self.narrow.get_output_quantizers(layer)]

    def get_config(self) -> dict[str, Any]:
        narrow = self.narrow
        return {"narrow": [type(narrow).__name__, narrow.get_config()]}


class _Layout(tflite_int8.Layout):
    """The int8 scheme's layout, its configurations widened."""

    def apply(
        self, model: keras.Model, layer_quantize_map: dict[str, Any]
    ) -> tuple[keras.Model, dict[str, Any]]:
        model, layer_quantize_map = super().apply(model, layer_quantize_map)
        for entry in layer_quantize_map.values():
            if entry.get("quantize_config") is not None:
                entry["quantize_config"] = WideConfig(entry["quantize_config"])
        return model, layer_quantize_map


class _Registry(tflite_int8.Registry):
    """The int8 scheme's configurations, widened."""

    def get_quantize_config(self, layer: Any) -> WideConfig:
        return WideConfig(super().get_quantize_config(layer))


class _Scheme(tflite_int8.Scheme):
    """The int8 scheme with 16 bits for activations."""

    def get_layout_transformer(self) -> Any:
        return _Layout(self._input_quantizer)

    def get_quantize_registry(self) -> Any:
        return _Registry()


def _stored_options(qat_model: keras.Model) -> dict[str, Any]:
    """The input range as storage has it: nothing for scale INPUT_SCALE."""
    limit = tflite_int8.input_range_of(qat_model).maximum
    # 32767 float32 scales are exact in float64, so that the scale comes back.
    return {"input_range": [-limit, limit]} if limit > 1 else {}


STORED = stored_scheme.StoredScheme(
    "int16x8",
    lambda model: _stored_options(model) if is_of_scheme(model) else None,
    lambda model, options: build(model, tflite_int8.stored_input_range(options)),
)
