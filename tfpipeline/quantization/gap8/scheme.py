"""The GAP8 scheme: tfmot models that compute what the chip's fixed point computes.

16 or 8 bits for data, weights and biases alike, one power of two a tensor. The integers
are `targets.gap8.quantize`'s: calibration decides the formats of activations once, and
they stay; the format of a kernel follows its largest weight through training, and
`readers.from_gap8` reads the program out of a model.

A sum of two tensors rounds each of them to its own format first, for which Keras has no
place. So both inputs of a sum get the sum's format here, where nothing is left to be
rounded: `shared_around_sums`.

A forward pass in float64 (`exact`) equals the chip's kernels of double precision bit
for bit, wrapping accumulators included. float32, which trains, rounds sums of 16-bit
products in its own way. One thing is not modeled: where a Keras layer has its ReLU
inside (`activation="relu"`), sums below -2**31 wrap on the chip and are zero here.
"""

from collections.abc import Mapping
from typing import Any

from tfpipeline import errors
from tfpipeline.compat import keras, tfmot
from tfpipeline.ir import graph
from tfpipeline.keras_networks import (
    batch_norm_folding,
    float_twin,
    layer_traits,
    same_function,
    topology,
)
from tfpipeline.quantization import given_configs, stored_scheme
from tfpipeline.quantization.gap8 import layer_configs, quantizers
from tfpipeline.targets.gap8 import fixed_point, kernels, lowering, program, quantize

_QUANT = tfmot.quantization.keras
# Layers of this model compute in float64: what stands for sums of 32 bits exactly.
_EXACT = "float64"


def prepare_qat(
    folded_model: keras.Model,
    g: graph.Graph,
    magnitudes: Mapping[str, float],
    *,
    num_bits: int = 16,
    raw_input: bool = False,
) -> keras.Model:
    """Returns `folded_model` with fake quantization, its formats from calibration.

    Args:
        folded_model: functional model without batch normalization.
        g: the same network as a graph, from `readers.from_keras`.
        magnitudes: as `quantize.quantize` takes them.
        num_bits: 16 or 8.
        raw_input: the input is integers 0 to 255.

    Returns:
        A new model for training and evaluation; `folded_model` stays as it is.

    Raises:
        TargetError: the chip cannot run the network.
        QuantizationError: a layer that the scheme cannot quantize, missing ranges, or
            tfmot made another network of it.
    """
    draft = lowering.lower(g, num_bits)
    shared = shared_around_sums(draft, magnitudes)
    p = quantize.quantize(g, shared, num_bits=num_bits, raw_input=raw_input)
    model = build(folded_model, num_bits)
    _set_formats(model, draft, shared, p)
    same_function.require_float_twin(model, folded_model)
    return model


def build(folded_model: keras.Model, num_bits: int = 16) -> keras.Model:
    """Returns `folded_model` with fake quantization whose formats are not set.

    For restoring a stored model, weights and formats; otherwise use `prepare_qat`.

    Raises:
        QuantizationError: a layer that the scheme cannot quantize.
    """
    if num_bits not in fixed_point.WIDTHS:
        raise errors.QuantizationError(f"num_bits must be 16 or 8; found {num_bits}")
    model = topology.require_functional(folded_model)
    require_supported(model)
    configs = {
        layer.name: _config(layer, num_bits)
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    }
    return given_configs.apply(
        model, configs, lambda: quantizers.FormatQuantizer(num_bits)
    )


def exact(qat_model: keras.Model) -> keras.Model:
    """Returns the same model in float64, which holds every sum of the chip."""
    architecture = float_twin.architecture(qat_model)
    for layer in architecture["config"]["layers"]:
        if "dtype" in layer["config"]:
            layer["config"]["dtype"] = _EXACT
    with given_configs.layers_of(_EXACT):
        copy = build(topology.from_dict(architecture), num_bits_of(qat_model))
    copy.set_weights(qat_model.get_weights())
    return copy


def is_of_scheme(model: keras.Model) -> bool:
    """Says whether `build` made a model."""
    return _input_quantizer(model) is not None


def num_bits_of(qat_model: keras.Model) -> int:
    """Returns the width that `build` made a model with.

    Raises:
        QuantizationError: the model is of another scheme.
    """
    quantizer = _input_quantizer(qat_model)
    if quantizer is not None:
        return quantizer.num_bits
    raise errors.QuantizationError(
        f"model {qat_model.name!r} is not quantized for the GAP8; use "
        "tfpipeline.quantization.gap8.scheme.prepare_qat"
    )


def magnitudes_of(qat_model: keras.Model, g: graph.Graph) -> dict[str, float]:
    """Returns magnitudes that give the formats that the model was prepared with.

    Args:
        qat_model: of this scheme.
        g: the float network inside it as a graph.

    Returns:
        By tensor, what `quantize.quantize` takes: powers of two.
    """
    found = {}
    integers = _integers(qat_model)
    draft = lowering.lower(g, num_bits_of(qat_model))
    found[draft.input] = 2.0 ** integers[_input_layer(qat_model)]
    for step in draft.steps:
        if issubclass(step.kind, lowering.MEASURED):
            found[step.measured] = 2.0 ** integers[step.name]
    return found


def shared_around_sums(
    draft: lowering.Draft, magnitudes: Mapping[str, float]
) -> dict[str, float]:
    """Returns magnitudes with which both inputs of each sum have the sum's format.

    Args:
        draft: the network's kernel calls.
        magnitudes: as `quantize.quantize` takes them.

    Returns:
        The same, raised to powers of two where a sum asks for it.

    Raises:
        QuantizationError: the network's input is an input of a sum whose format is
            another.
    """
    result = dict(magnitudes)
    sums = [step for step in draft.steps if step.kind is program.Add]
    changed = bool(sums)
    while changed:
        changed = False
        for step in sums:
            group = [each for name in step.inputs for each in draft.measured(name)]
            group.append(step.measured)
            known = [result[each] for each in group if each in result]
            if not known:
                continue
            largest = 2.0 ** fixed_point.integer_bits(max(known))
            for each in group:
                before = result.get(each, largest)
                if fixed_point.integer_bits(before) < fixed_point.integer_bits(largest):
                    result[each] = largest
                    changed = True
                result.setdefault(each, largest)
    changed_input = result.get(draft.input) != magnitudes.get(draft.input)
    if changed_input and sums:
        raise errors.QuantizationError(
            f"graph '{draft.name}': a sum reads the network's input, whose format is "
            "given; put a convolution in between"
        )
    return result


def _set_formats(
    model: keras.Model,
    draft: lowering.Draft,
    magnitudes: Mapping[str, float],
    p: program.Program,
) -> None:
    """Gives the variables of the quantizers what the program has."""
    widths = p.num_bits - 1
    q = {tensor.name: tensor.q for tensor in p.tensors.values()}
    values: dict[str, dict[str, int]] = {
        _input_layer(model): {quantizers.OUTPUT_INTEGERS: widths - p.input.q}
    }
    for step in draft.steps:
        written = widths - q[step.output]
        own = written
        if step.weights is not None:
            own = fixed_point.integer_bits(float(magnitudes[step.measured]))
        values[step.name] = {
            quantizers.INPUT_INTEGERS: widths - q[step.inputs[0]],
            quantizers.OUTPUT_INTEGERS: own,
            quantizers.PLACES: written - own,
        }
    for layer in model.layers:
        name = getattr(getattr(layer, "layer", layer), "name", layer.name)
        for variable in layer.weights:
            kind = _variable_kind(variable)
            if kind is not None and name in values:
                variable.assign(float(values[name][kind]))


def _integers(model: keras.Model) -> dict[str, int]:
    """By layer, the integer bits of what it writes before a concatenation's places."""
    found = {}
    for layer in model.layers:
        name = getattr(getattr(layer, "layer", layer), "name", layer.name)
        for variable in layer.weights:
            if _variable_kind(variable) == quantizers.OUTPUT_INTEGERS:
                found[name] = round(float(variable.numpy()))
    return found


def _variable_kind(variable: Any) -> str | None:
    name = layer_traits.short_name(variable)
    kinds = (
        quantizers.INPUT_INTEGERS,
        quantizers.OUTPUT_INTEGERS,
        quantizers.PLACES,
    )
    return next((kind for kind in kinds if name.endswith(kind)), None)


def _input_quantizer(model: keras.Model) -> quantizers.FormatQuantizer | None:
    """What rounds the input, if it is of this scheme."""
    for layer in model.layers:
        quantizer = getattr(layer, "quantizer", None)
        if isinstance(quantizer, quantizers.FormatQuantizer):
            return quantizer
    return None


def _input_layer(model: keras.Model) -> str:
    """The name of the quantizer behind the input."""
    return next(
        layer.name for layer in model.layers if type(layer).__name__ == "QuantizeLayer"
    )


def require_supported(model: keras.Model) -> None:
    """Refuses what the scheme cannot quantize, all of it at once.

    Raises:
        QuantizationError: names the layers.
    """
    faults = []
    for layer in model.layers:
        fault = layer_configs.fault(layer)
        if batch_norm_folding.is_normalization(layer):
            fault = "it is not folded; use quantization.batch_norm_folding first"
        if fault:
            faults.append(f"layer {layer.name!r} ({type(layer).__name__}): {fault}")
    if faults:
        raise errors.QuantizationError(errors.told("", faults))


def _config(layer: Any, num_bits: int) -> given_configs.PassConfig:
    if type(layer) in layer_configs.KERNELS:
        return layer_configs.WeightedConfig(num_bits)
    if isinstance(layer, layer_configs.JOINS):
        return layer_configs.OutputConfig(quantizers.FormatQuantizer(num_bits))
    if isinstance(layer, layer_configs.AVERAGES):
        window = _window(layer)
        factor, shift, rounds = kernels.average_factor(num_bits, window)
        return layer_configs.OutputConfig(
            quantizers.AverageQuantizer(num_bits, window.area, factor, shift, rounds)
        )
    return given_configs.PassConfig()


def _window(layer: Any) -> program.Window:
    """Of an average; a line is one row of pixels."""
    if isinstance(layer, layer_configs.GLOBAL_AVERAGES):
        size = strides = layer.input_shape[1:-1]
    else:
        size, strides = layer.pool_size, layer.strides
    rows, columns = (1, *size)[-2:]
    row_step, column_step = (1, *strides)[-2:]
    return program.Window((rows, columns), (row_step, column_step))


def _stored_options(model: keras.Model) -> dict[str, Any] | None:
    return {"num_bits": num_bits_of(model)} if is_of_scheme(model) else None


STORED = stored_scheme.StoredScheme(
    "gap8", _stored_options, lambda model, options: build(model, options["num_bits"])
)
