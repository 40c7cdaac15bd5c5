"""The MAX78000 scheme: tfmot models that compute what the accelerator computes.

Weights and biases: 8, 4, 2 or 1 bits, at one power of two a layer. Activations: int8 in
steps of 1/128, fixed. Every layer with weights rounds and saturates what it writes, and
so does a sum; averages are rounded toward zero; all other layers move values that are
rounded already. The last layer may write its 32-bit sums, which nothing rounds. The
integers themselves are `targets.max78000.quantize`'s, and `readers.from_max78000`
reads them out of a model.

The order of Keras stays: a pool behind a layer and the device's pool in front of the
next one are the same, as are a ReLU before and behind the rounding. Only a magnitude
must be a layer of its own, `tf.abs` behind a layer with weights, because the device
takes it behind the rounding (where that of -1 is 127/128).

A forward pass equals the device bit for bit as long as float32 holds every sum of
products, that is 2**24 in the steps of the layer; `inexact_layers` says where a bound
of the sums is larger, and `exact` returns the same model in float64, which holds all of
them.
"""

import dataclasses
from typing import Any

import numpy as np

from tfpipeline.compat import keras, tfmot
from tfpipeline.keras_networks import (
    float_twin,
    layer_traits,
    same_function,
    topology,
)
from tfpipeline.quantization import given_configs, input_ranges, stored_scheme
from tfpipeline.quantization.max78000 import (
    layer_configs,
    layers,
    power_of_two_quantizers,
    range_equalization,
)
from tfpipeline.targets.max78000 import policy as policies

_QUANT = tfmot.quantization.keras

# Largest integer up to which float32 holds all integers.
_EXACT_SUM = 2**24


@dataclasses.dataclass(frozen=True)
class Scheme:
    """What `build` needs besides the network.

    Attributes:
        policy: bits of the weights; `start_epoch` is the training's business.
        wide_output: whether a last layer of one pixel and without activation writes
            32-bit sums.
    """

    policy: policies.Policy = dataclasses.field(default_factory=policies.Policy)
    wide_output: bool = True

    def wide_layers(self, model: keras.Model) -> tuple[str, ...]:
        """Returns the names of the layers that write 32-bit sums."""
        return layers.wide_layers(model) if self.wide_output else ()


def prepare_qat(
    folded_model: keras.Model,
    images: np.ndarray,
    scheme: Scheme | None = None,
    *,
    coverage: float = range_equalization.COVERAGE,
) -> keras.Model:
    """Returns `folded_model` with fake quantization, its activations brought in range.

    Args:
        folded_model: functional model without batch normalization, as from
            `batch_norm_folding.fold`, one float32 input in [-1, 127/128].
        images: calibration images, float32 [N, ...] in that range.
        scheme: 8 bits and a wide output if `None`.
        coverage: as in `range_equalization.equalize`.

    Returns:
        A new model for training and evaluation; `folded_model` stays as it is. Its
        outputs are the float network's (of an output of 8 bits: divided by a constant)
        but for the rounding.

    Raises:
        QuantizationError: a layer that the scheme cannot quantize, or images of
            another type, shape or scale than the network's input; or tfmot made
            another network of it.
        UsageError: the policy names a layer that the model does not have.
    """
    scheme = scheme or Scheme()
    model = topology.require_functional(folded_model)
    wide = scheme.wide_layers(model)
    layers.check(model, scheme.policy, wide)
    images = input_ranges.check_calibration_images(model, images)
    equalized = range_equalization.equalize(
        model, images, scheme.policy, wide, coverage
    )
    qat_model = build(equalized, scheme)
    same_function.require(equalized, model, up_to_scale=True)
    same_function.require_float_twin(qat_model, equalized)
    return qat_model


def build(folded_model: keras.Model, scheme: Scheme | None = None) -> keras.Model:
    """Returns `folded_model` with fake quantization, its weights as they are.

    For restoring a stored model; `prepare_qat` brings activations in range first.

    Raises:
        QuantizationError: a layer that the scheme cannot quantize.
        UsageError: the policy names a layer that the model does not have.
    """
    scheme = scheme or Scheme()
    model = topology.require_functional(folded_model)
    layers.check(model, scheme.policy, scheme.wide_layers(model))
    return given_configs.apply(
        model, _configs(model, scheme), power_of_two_quantizers.ActivationQuantizer
    )


def scheme_of(model: keras.Model) -> Scheme | None:
    """Returns the scheme that `build` made a model with; `None` of other models.

    Its policy names every layer with weights, and has no start epoch.
    """
    configs = {wrapper.layer.name: config for wrapper, config in _weighted(model)}
    if not configs:
        return None
    (quantile,) = {config.shift_quantile for config in configs.values()}
    bits = {name: config.weight_bits for name, config in configs.items()}
    policy = policies.Policy(overrides=bits, shift_quantile=quantile)
    return Scheme(policy, any(config.wide for config in configs.values()))


def inexact_layers(qat_model: keras.Model) -> tuple[str, ...]:
    """Returns the names of layers whose sums float32 might round."""
    found = []
    for wrapper, config in _weighted(qat_model):
        # The layer's attributes hold rounded tensors; the wrapper has the variables.
        values = {layer_traits.short_name(weight): weight for weight in wrapper.weights}
        names = layers.weight_names(wrapper.layer)
        kernel, bias = (*(values[name].numpy() for name in names), None)[:2]
        if config.largest_sum(wrapper.layer, kernel, bias) > _EXACT_SUM:
            found.append(wrapper.layer.name)
    return tuple(found)


def exact(qat_model: keras.Model) -> keras.Model:
    """Returns the model if float32 holds all its sums, else a copy in float64.

    The device's sums have 32 bits; float64 holds integers of 53. The copy takes float32
    images as well.
    """
    scheme = scheme_of(qat_model)
    if scheme is None or not inexact_layers(qat_model):
        return qat_model
    architecture = float_twin.architecture(qat_model)
    for layer in architecture["config"]["layers"]:
        if "dtype" in layer["config"]:
            layer["config"]["dtype"] = "float64"
    # tfmot's wrappers take their type from here.
    with given_configs.layers_of("float64"):
        copy = build(topology.from_dict(architecture), scheme)
    copy.set_weights(qat_model.get_weights())
    return copy


def _weighted(model: keras.Model) -> list[tuple[Any, Any]]:
    """Returns the wrappers of layers with weights, with their configurations."""
    return [
        (wrapper, wrapper.quantize_config)
        for wrapper in model.layers
        if isinstance(wrapper, _QUANT.QuantizeWrapper)
        and isinstance(wrapper.quantize_config, layer_configs.WeightedConfig)
    ]


def _configs(model: keras.Model, scheme: Scheme) -> dict[str, Any]:
    """Returns, by layer name, how tfmot rounds the layer."""
    wide = scheme.wide_layers(model)
    sources = topology.producers(topology.to_dict(model))
    magnitudes = filter(layers.is_magnitude, model.layers)
    signless = {sources[layer.name][0] for layer in magnitudes}
    configs: dict[str, Any] = {}
    for layer in filter(_is_wrapped, model.layers):
        if type(layer) in layers.KERNELS:
            configs[layer.name] = layer_configs.WeightedConfig(
                scheme.policy.bits(layer.name),
                scheme.policy.shift_quantile,
                wide=layer.name in wide,
                symmetric=layer.name in signless,
            )
        else:
            window = layers.averaged(layer)
            if isinstance(layer, layers.SUMS):
                window = 1
            configs[layer.name] = layer_configs.OutputConfig(window)
    return configs


def _is_wrapped(layer: Any) -> bool:
    # tfmot cannot wrap what a TensorFlow function becomes.
    is_input = isinstance(layer, keras.layers.InputLayer)
    return not is_input and not layers.is_magnitude(layer)


def _stored_options(model: keras.Model) -> dict[str, Any] | None:
    scheme = scheme_of(model)
    if scheme is None:
        return None
    return {
        "weight_bits": dict(scheme.policy.overrides),
        "shift_quantile": scheme.policy.shift_quantile,
        "wide_output": scheme.wide_output,
    }


def _build_stored(model: keras.Model, options: dict[str, Any]) -> keras.Model:
    policy = policies.Policy(
        overrides=options["weight_bits"], shift_quantile=options["shift_quantile"]
    )
    return build(model, Scheme(policy, options["wide_output"]))


STORED = stored_scheme.StoredScheme("max78000", _stored_options, _build_stored)
