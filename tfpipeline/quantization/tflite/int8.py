"""The int8 scheme of TensorFlow Lite: tfmot's default 8-bit scheme, completed.

Weights: 8 bits, symmetric, [-127, 127]; a scale a channel for convolutions, one scale
for Dense. Activations: 8 bits, asymmetric, one scale a tensor. Training runs on the
network with folded batch normalization (see `batch_norm_folding`), so the
fake-quantized graph is layer by layer the deployed one.

What differs from `tfmot.quantization.keras.quantize_model` (tfmot 0.8.1):

* tfmot gives a Conv2D, DepthwiseConv2D or Dense that a separate ReLU layer follows a
  configuration that quantizes nothing (default_8bit_transforms.py, LayerReLUQuantize),
  so it would train with float weights while TensorFlow Lite deploys 8-bit ones. Here
  such a layer keeps its weight quantizer; only its output is left to the ReLU, or to
  the Concatenate, that alone reads it. (The converter gives every branch the scale of
  its Concatenate, so a finer range in training would not be deployed.)
* Convolutions have their own weight quantizer, see `channel_quantizer`.
* The input range is fixed to exactly [-1, 127/128] and no training step can move it:
  int8 scale 1/128, zero point 0, and a microcontroller feeds `pixel - 128`.

* tfmot has no Conv1D, PReLU, Multiply, Subtract, Maximum, Minimum and others; they get
  configurations here (`_ADDED`).

What only moves values (MaxPooling2D, Flatten, Reshape, Dropout, UpSampling2D and so on)
gets no quantizer and keeps the range of its input. So do AveragePooling2D and a
bilinear UpSampling2D, which are not rounded in training: TensorFlow Lite rounds them in
the steps of their input, and a range of their own would be a second rounding, by a
QUANTIZE. GlobalAveragePooling2D (MEAN) has a range of its own.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras, tf, tfmot
from tfpipeline.keras_networks import (
    batch_norm_folding,
    layer_traits,
    same_function,
    topology,
)
from tfpipeline.quantization import input_ranges, stored_scheme
from tfpipeline.quantization.tflite import channel_quantizer, ranges

_LAYERS = keras.layers
_QUANT = tfmot.quantization.keras

_KERNEL_LAYERS = (
    _LAYERS.Conv1D,
    _LAYERS.Conv2D,
    _LAYERS.Conv2DTranspose,
    _LAYERS.Dense,
    _LAYERS.DepthwiseConv2D,
)
# Layers that pass values on: input and output have the same scale.
_SAME_RANGE_LAYERS = (
    *layer_traits.IN_TRAINING_ONLY,
    _LAYERS.AveragePooling1D,
    _LAYERS.AveragePooling2D,
    _LAYERS.Cropping1D,
    _LAYERS.Cropping2D,
    _LAYERS.Flatten,
    _LAYERS.GlobalMaxPooling1D,
    _LAYERS.GlobalMaxPooling2D,
    _LAYERS.MaxPooling1D,
    _LAYERS.MaxPooling2D,
    _LAYERS.Permute,
    _LAYERS.Reshape,
    _LAYERS.Resizing,
    _LAYERS.UpSampling2D,
    _LAYERS.ZeroPadding1D,
    _LAYERS.ZeroPadding2D,
)
# Layers that compare values: what they read has the scale of what they write.
_JOINING_LAYERS = (_LAYERS.Concatenate, _LAYERS.Maximum, _LAYERS.Minimum)
# Layers whose output gets a range of its own.
_OWN_RANGE_LAYERS = (
    _LAYERS.Add,
    _LAYERS.GlobalAveragePooling1D,
    _LAYERS.GlobalAveragePooling2D,
    _LAYERS.LeakyReLU,
    _LAYERS.Multiply,
    _LAYERS.PReLU,
    _LAYERS.ReLU,
    _LAYERS.Subtract,
)
# Layers over rows, and the formats that have them after training.
_AFTER_TRAINING: dict[type[Any], str] = {
    _LAYERS.LSTM: "int8 and int16x8",
    _LAYERS.GRU: "int8, int16x8 and int4",
    _LAYERS.SimpleRNN: "int8, int16x8 and int4",
}
SUPPORTED_LAYERS = (
    *_KERNEL_LAYERS,
    *_SAME_RANGE_LAYERS,
    *_JOINING_LAYERS,
    *_OWN_RANGE_LAYERS,
    _LAYERS.Activation,
    _LAYERS.Softmax,
)
"""The layer classes that the scheme quantizes; a subclass of one is not supported."""

# Functions whose int8 output range is fixed by TensorFlow Lite's specification
# (softmax and sigmoid: scale 1/256, zero point -128; tanh: scale 1/128, zero point 0).
_FIXED_RANGE_ACTIVATIONS = ("softmax", "sigmoid", "tanh")
_ACTIVATIONS = ("linear", "relu", "relu6", *_FIXED_RANGE_ACTIVATIONS)
_FUSED_ACTIVATIONS = ("linear", "relu")


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
    """Returns `folded_model` with fake quantization, ranges still at tfmot's start.

    For restoring weights and ranges afterwards; otherwise use `prepare_qat`.

    Raises:
        QuantizationError: a layer that the scheme cannot quantize.
    """
    return apply(folded_model, Scheme(fixed_quantizer(input_range)), "int8")


def fixed_quantizer(input_range: input_ranges.InputRange) -> Any:
    """The quantizer of the network's input: 8 bits, whatever it is trained with."""
    return _QUANT.quantizers.FixedQuantizer(
        num_bits=8,
        init_min=input_range.minimum,
        init_max=input_range.maximum,
        narrow_range=False,
    )


def apply(folded_model: keras.Model, scheme: "Scheme", name: str) -> keras.Model:
    """Returns `folded_model` with the fake quantization of `scheme`.

    Args:
        folded_model: as for `build`.
        scheme: what each layer gets.
        name: of the scheme, for messages.

    Raises:
        QuantizationError: a layer that the scheme cannot quantize.
    """
    model = topology.require_functional(folded_model)
    require_supported(model, name)
    annotated = _QUANT.quantize_annotate_model(model)
    # Nothing in tfmot's layers needs AutoGraph's rewriting of their source; without it
    # the first call takes 2 s instead of 8 to 14 s.
    quantize = tf.autograph.experimental.do_not_convert(_QUANT.quantize_apply)
    qat_model = quantize(annotated, scheme)
    left = unquantized_layers(qat_model)
    if left:
        raise errors.QuantizationError(
            f"the {name} scheme leaves {', '.join(map(repr, left))} of model "
            f"{model.name!r} in float; connect them to layers that round their output."
        )
    return qat_model


def input_range_of(qat_model: keras.Model) -> input_ranges.InputRange:
    """The input range that `build` gave the model; `SIGNED` where it is another's."""
    for layer in qat_model.layers:
        quantizer: Any = getattr(layer, "quantizer", None)
        if hasattr(quantizer, "init_min"):
            return input_ranges.InputRange(quantizer.init_min, quantizer.init_max)
    return input_ranges.SIGNED


def unquantized_layers(qat_model: keras.Model) -> tuple[str, ...]:
    """Returns the names of layers that compute in float in `qat_model`.

    A layer counts as quantized when its kernel has a range and its output has one, or
    when the output is quantized by a ReLU or Concatenate that alone reads it.
    """
    readers = topology.consumers(topology.to_dict(qat_model))
    roles: dict[str, set[str]] = {layer.name: set() for layer in qat_model.layers}
    for found in ranges.find(qat_model):
        roles[found.wrapper].add(found.role)

    def quantized(wrapper: Any) -> bool:
        if not isinstance(wrapper, _QUANT.QuantizeWrapper):
            kind = type(wrapper).__name__
            return kind == "InputLayer" or (
                kind == "QuantizeLayer" and wrapper.quantizer is not None
            )
        kernels = {layer_traits.short_name(w) for w in wrapper.weights} & set(
            ranges.WEIGHT_ROLES
        )
        if kernels - roles[wrapper.name]:
            return False
        if roles[wrapper.name] & set(ranges.OUTPUT_ROLES):
            return True
        if _keeps_range(wrapper.layer):
            return True
        reading = [qat_model.get_layer(name) for name in readers[wrapper.name]]
        return bool(reading) and all(map(_quantizes_for_its_input, reading))

    return tuple(
        getattr(wrapper, "layer", wrapper).name
        for wrapper in qat_model.layers
        if not quantized(wrapper)
    )


def representative_dataset(
    images: np.ndarray, input_range: input_ranges.InputRange = input_ranges.SIGNED
) -> Callable[[], Iterator[list[np.ndarray]]]:
    """Returns the generator function that the converter calibrates with (PTQ).

    The converter takes the input's range from these images, so the first and the last
    value of the first image are set to the ends of `input_range`: two values, and the
    input scale is exact however dark the images are. (A fake quantizer on the input
    fixes the range as well but leaves DEQUANTIZE and QUANTIZE operators.)

    Args:
        images: float32 [N, H, W, C] in `input_range`, the recorded calibration images.
        input_range: of the deployed network's input.

    Returns:
        A function for `TFLiteConverter.representative_dataset`; each element is one
        image as [float32 [1, H, W, C]].
    """

    def generate() -> Iterator[list[np.ndarray]]:
        for index in range(len(images)):
            image = np.array(images[index : index + 1], np.float32)
            if index == 0:
                image.flat[0] = input_range.minimum
                image.flat[-1] = input_range.maximum
            yield [image]

    return generate


class LayerConfig(tfmot.quantization.keras.QuantizeConfig):
    """Rounds some weights of a layer, by one scale each, and what it writes or not.

    Attributes:
        weights: names of the layer's attributes.
        rounds: round the output.
    """

    def __init__(self, weights: tuple[str, ...] = (), rounds: bool = True) -> None:
        self.weights = tuple(weights)
        self.rounds = rounds

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        quantizer = _QUANT.quantizers.LastValueQuantizer(
            num_bits=8, per_axis=False, symmetric=True, narrow_range=True
        )
        return [(getattr(layer, name), quantizer) for name in self.weights]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        for name, value in zip(self.weights, quantize_weights, strict=True):
            setattr(layer, name, value)

    def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
        pass

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [_activation_quantizer()] if self.rounds else []

    def get_config(self) -> dict[str, Any]:
        return {"weights": list(self.weights), "rounds": self.rounds}


def _activation_quantizer() -> Any:
    """tfmot's own quantizer of activations."""
    return _QUANT.quantizers.MovingAverageQuantizer(
        num_bits=8, per_axis=False, symmetric=False, narrow_range=False
    )


# What tfmot has no configuration for, or another one: class -> how it is rounded.
_ADDED: dict[type[Any], LayerConfig] = {
    **dict.fromkeys(
        (
            *layer_traits.IN_TRAINING_ONLY,
            _LAYERS.AveragePooling1D,
            _LAYERS.AveragePooling2D,
            _LAYERS.MaxPooling1D,
            _LAYERS.Resizing,
            _LAYERS.UpSampling2D,
        ),
        LayerConfig(rounds=False),
    ),
    **dict.fromkeys(
        (_LAYERS.Maximum, _LAYERS.Minimum, _LAYERS.Multiply, _LAYERS.Subtract),
        LayerConfig(),
    ),
    _LAYERS.PReLU: LayerConfig(("alpha",)),
}


class Registry(tfmot.quantization.keras.default_8bit.Default8BitQuantizeRegistry):
    """tfmot's configurations, and those that it lacks."""

    def supports(self, layer: Any) -> bool:
        """Whether there is a configuration for a layer."""
        return type(layer) in SUPPORTED_LAYERS

    def get_quantize_config(self, layer: Any) -> Any:
        """How a layer is rounded, if it is no layer with a kernel."""
        if type(layer) in _ADDED:
            return _ADDED[type(layer)]
        return super().get_quantize_config(layer)


class KernelConfig(tfmot.quantization.keras.QuantizeConfig):
    """Quantizes a layer's kernel, and its output unless a later layer does that.

    Attributes:
        quantize_output: round what follows the layer's own activation function.
    """

    def __init__(self, quantize_output: bool) -> None:
        self.quantize_output = quantize_output

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        if isinstance(layer, _LAYERS.Dense):
            return _default_config(layer).get_weights_and_quantizers(layer)
        quantizer = channel_quantizer.ChannelQuantizer(
            isinstance(layer, _LAYERS.DepthwiseConv2D),
            transposed=isinstance(layer, _LAYERS.Conv2DTranspose),
        )
        return [(getattr(layer, _kernel(layer)), quantizer)]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        (value,) = quantize_weights
        setattr(layer, _kernel(layer), value)

    def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
        if not self.quantize_output:
            return []
        return [(layer.activation, _activation_quantizer())]

    def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
        if self.quantize_output:
            (layer.activation,) = quantize_activations

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return []

    def get_config(self) -> dict[str, Any]:
        return {"quantize_output": self.quantize_output}


class Layout(tfmot.quantization.keras.QuantizeLayoutTransform):
    """The default layout with `KernelConfig` and a fixed input range."""

    def __init__(self, input_quantizer: Any) -> None:
        self._input_quantizer = input_quantizer

    def apply(
        self, model: keras.Model, layer_quantize_map: dict[str, Any]
    ) -> tuple[keras.Model, dict[str, Any]]:
        default = _QUANT.default_8bit.Default8BitQuantizeLayoutTransform()
        # What tfmot decides about rounding is taken, not the network that it rewrites:
        # a Concatenate would read its inputs in the order of the layers' list. Told of
        # no other layer, it puts the quantizer behind the input and changes no more.
        inputs: dict[str, Any] = {name: {} for name in model.input_names}
        _, layer_quantize_map = default.apply(model, layer_quantize_map)
        model, _ = default.apply(model, inputs)
        readers = topology.consumers(topology.to_dict(model))
        for layer in model.layers:
            if not isinstance(layer, _KERNEL_LAYERS):
                continue
            reading = [model.get_layer(name) for name in readers[layer.name]]
            fused = len(reading) == 1 and _quantizes_for_its_input(reading[0])
            layer_quantize_map[layer.name]["quantize_config"] = KernelConfig(not fused)
        model = keras.models.clone_model(
            model,
            clone_function=lambda layer: _with_quantizer(layer, self._input_quantizer),
        )
        return model, layer_quantize_map


class Scheme(tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme):
    """tfmot's default 8-bit scheme with `Layout`."""

    def __init__(self, input_quantizer: Any) -> None:
        super().__init__()
        self._input_quantizer = input_quantizer

    def get_layout_transformer(self) -> Any:
        """The changes of the network in front of its quantization."""
        return Layout(self._input_quantizer)

    def get_quantize_registry(self) -> Any:
        """How layers without a kernel are rounded."""
        return Registry()


def _with_quantizer(layer: Any, input_quantizer: Any) -> Any:
    """Gives tfmot's input layer the quantizer; returns other layers as is."""
    if type(layer).__name__ != "QuantizeLayer":
        return layer
    # A fixed name: tfmot numbers these layers by process, and names identify weights.
    return type(layer)(input_quantizer, name="quantize_input")


def _kernel(layer: Any) -> str:
    """The attribute that holds a layer's kernel."""
    depthwise = isinstance(layer, _LAYERS.DepthwiseConv2D)
    return "depthwise_kernel" if depthwise else "kernel"


def _default_config(layer: Any) -> Any:
    registry = _QUANT.default_8bit.Default8BitQuantizeRegistry()
    return registry.get_quantize_config(layer)


def require_supported(model: keras.Model, scheme: str) -> None:
    """Checks, before anything is built, that the scheme quantizes all layers.

    Args:
        model: folded.
        scheme: its name, for the message.

    Raises:
        QuantizationError: names a layer, and what to do.
    """
    for layer in model.layers:
        kind = type(layer)
        if kind is _LAYERS.InputLayer:
            continue
        if batch_norm_folding.is_normalization(layer):
            raise errors.QuantizationError(
                f"{kind.__name__} {layer.name!r} is not folded; pass the network "
                "through tfpipeline.keras_networks.batch_norm_folding.fold first."
            )
        if kind not in SUPPORTED_LAYERS:
            advice = "docs/layers.md lists the layers that can"
            if kind in _AFTER_TRAINING:
                advice = (
                    f"{_AFTER_TRAINING[kind]} have it after training, with "
                    "--quantization=ptq"
                )
            raise errors.QuantizationError(
                f"layer {layer.name!r}: {kind.__name__} cannot be quantized by the "
                f"{scheme} scheme; {advice}."
            )
        _check_activation(layer)


def _check_activation(layer: Any) -> None:
    if isinstance(layer, _LAYERS.ReLU) and (layer.negative_slope or layer.threshold):
        shape = (layer.max_value, float(layer.negative_slope), float(layer.threshold))
        raise errors.QuantizationError(
            f"layer {layer.name!r}: a ReLU must have no threshold, and no "
            "negative_slope beside a max_value. Received: max_value, negative_slope, "
            f"threshold = {shape}."
        )
    if not hasattr(layer, "activation"):
        return
    name = layer_traits.activation_name(layer)
    alone = isinstance(layer, _LAYERS.Activation)
    allowed = _ACTIVATIONS if alone else _FUSED_ACTIVATIONS
    if name not in allowed:
        advice = "" if alone else " or give the activation its own layer"
        raise errors.QuantizationError(
            f"layer {layer.name!r}: activation {name!r} cannot be quantized here; use "
            f"one of {', '.join(allowed)}{advice}."
        )


def _keeps_range(layer: Any) -> bool:
    """Says whether the output of `layer` needs no range of its own."""
    if isinstance(layer, (*_SAME_RANGE_LAYERS, _LAYERS.Softmax)):
        return True
    if isinstance(layer, _LAYERS.Activation):
        name = layer_traits.activation_name(layer)
        return name == "linear" or name in _FIXED_RANGE_ACTIVATIONS
    return False


def _quantizes_for_its_input(wrapper: Any) -> bool:
    """Says whether TensorFlow Lite fuses `wrapper` with the layer before it."""
    layer = getattr(wrapper, "layer", wrapper)
    if isinstance(layer, _LAYERS.Activation):
        return layer_traits.activation_name(layer) in ("relu", "relu6")
    return isinstance(layer, (_LAYERS.ReLU, *_JOINING_LAYERS))


def is_of_scheme(qat_model: keras.Model) -> bool:
    """Whether `build` or `prepare_qat` made the model."""
    return any(
        isinstance(getattr(layer, "quantize_config", None), KernelConfig)
        for layer in qat_model.layers
    )


def stored_options(qat_model: keras.Model) -> dict[str, Any]:
    """The input range as storage has it: nothing for `SIGNED`."""
    fixed = input_range_of(qat_model)
    if fixed == input_ranges.SIGNED:
        return {}
    return {"input_range": [fixed.minimum, fixed.maximum]}


def stored_input_range(options: dict[str, Any]) -> input_ranges.InputRange:
    """The range that `stored_options` wrote."""
    if not options:
        return input_ranges.SIGNED
    low, high = options["input_range"]
    return input_ranges.InputRange(low, high)


STORED = stored_scheme.StoredScheme(
    "int8",
    lambda model: stored_options(model) if is_of_scheme(model) else None,
    lambda model, options: build(model, stored_input_range(options)),
)
