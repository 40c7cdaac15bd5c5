"""The fake quantizers of a quantization-aware model, and the network inside it.

tensorflow_model_optimization wraps every layer; a wrapper rounds the layer's kernel and
what the layer writes. Here wrappers are taken off, and the ranges that training found
are kept beside the calls they belong to.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras, tfmot
from tfpipeline.ir import graph
from tfpipeline.keras_networks import batch_norm_folding, float_twin, topology
from tfpipeline.readers import draft as draft_lib
from tfpipeline.readers import keras_calls

_WRAPPER = tfmot.quantization.keras.QuantizeWrapper
_INPUT_LAYER = "QuantizeLayer"
_WIDTHS = (4, 8, 16)

Range = draft_lib.Range


@dataclasses.dataclass(frozen=True)
class Ranges:
    """What the wrapper of one layer rounds.

    Attributes:
        kernel: the weights; of a PReLU its slopes.
        before: what a separate activation function (softmax, tanh) reads.
        output: what the layer writes.
    """

    kernel: Range | None = None
    before: Range | None = None
    output: Range | None = None


def are_in(model: keras.Model) -> bool:
    """Whether `model` is quantization-aware."""
    return any(
        isinstance(layer, _WRAPPER) or type(layer).__name__ == _INPUT_LAYER
        for layer in model.layers
    )


def unwrap(
    program: keras_calls.Program, model: keras.Model
) -> tuple[keras_calls.Program, dict[str, Ranges]]:
    """Takes the wrappers off.

    Returns:
        The program of the float layers, each named as in the float network and with its
        float weights, and the ranges by the name of the call.

    Raises:
        GraphError: a layer is quantized in a way that has no integer form here.
    """
    layers: dict[str, Any] = {}
    names: dict[str, str] = {}
    ranges: dict[str, Ranges] = {}
    for call in program.calls:
        layer, name = call.layer, call.name
        if isinstance(layer, _WRAPPER):
            name = call.name.replace(layer.name, layer.layer.name, 1)
            if batch_norm_folding.is_normalization(layer.layer):
                raise call.error(
                    "fold the normalizations with quantization.batch_norm_folding "
                    "before quantization-aware training"
                )
            ranges[name] = _of_wrapper(call)
        elif type(layer).__name__ == _INPUT_LAYER:
            values = getattr(layer, "quantizer_vars", {})
            ranges[name] = Ranges(output=_range(call, layer.quantizer, values))
            layer = keras.layers.Identity(name=layer.name)
        elif _is_foreign(layer):
            raise call.error("not supported; write it as layers of Keras")
        names[call.name] = name
        layers[call.name] = layer
    twin = float_twin.extract(topology.require_functional(model))
    for name, layer in layers.items():
        if isinstance(layer, _WRAPPER):
            layers[name] = twin.get_layer(layer.layer.name)
    return _renamed(program, names, layers), ranges


def _is_foreign(layer: Any) -> bool:
    """Whether its class is not Keras's, which cannot build it from its description."""
    return _package(type(layer)) != _package(keras.layers.Layer)


def _package(kind: type[Any]) -> str:
    return kind.__module__.partition(".")[0]


def annotate(
    draft: draft_lib.Draft, call: keras_calls.Call, first: int, found: Ranges, name: str
) -> str:
    """Notes the ranges of a call whose layers in `draft` start at `first`.

    Args:
        draft: what the call was emitted to.
        call: the call.
        first: index of its first layer.
        found: its ranges.
        name: the tensor that it writes.

    Returns:
        The tensor that it writes, rounded.
    """
    for layer in draft.layers[first:]:
        if isinstance(layer, graph.Weighted):
            if found.kernel is not None:
                draft.ranges[layer.weights] = found.kernel
            if found.before is not None:
                draft.ranges[layer.output] = found.before
        elif isinstance(layer, graph.PRelu) and found.kernel is not None:
            draft.ranges[layer.inputs[1]] = found.kernel
    if found.output is None:
        return name
    if name in draft.ranges and draft.ranges[name] != found.output:
        name = draft.add(graph.Requantize, call.name, (name,), draft.shape(name))
    draft.ranges[name] = found.output
    return name


def _of_wrapper(call: keras_calls.Call) -> Ranges:
    # tfmot has no public way to its quantizers and their variables.
    wrapper = call.layer
    kernels = [_range(call, *entry[1:]) for entry in wrapper._weight_vars]
    before = output = None
    for activation in wrapper._quantize_activations:
        values = getattr(activation, "_pre_activation_vars", None)
        before = _range(call, activation.quantizer, values)
        values = getattr(activation, "_post_activation_vars", None)
        output = _range(call, activation.quantizer, values)
    for quantizer in wrapper._output_quantizers:
        output = _range(call, quantizer, wrapper._output_quantizer_vars)
    if len(kernels) > 1:
        raise call.error(f"one quantized kernel is supported; found {len(kernels)}")
    return Ranges(kernels[0] if kernels else None, before, output)


def _range(
    call: keras_calls.Call, quantizer: Any, variables: Mapping[str, Any] | None
) -> Range | None:
    is_fixed = hasattr(quantizer, "init_min")
    if type(quantizer).__name__ in ("NoneType", "NoQuantizer"):
        return None
    if variables is None and not is_fixed:
        return None
    num_bits = getattr(quantizer, "num_bits", 8)
    if num_bits not in _WIDTHS:
        raise call.error(f"quantized to {num_bits} bits; 4, 8 and 16 are supported")
    if is_fixed:
        # The fixed quantizer takes them as float32.
        ends = (np.float32(quantizer.init_min), np.float32(quantizer.init_max))
    else:
        assert variables is not None
        ends = (variables["min_var"].numpy(), variables["max_var"].numpy())
    low, high = (tuple(np.ravel(end).tolist()) for end in ends)
    # `ChannelQuantizer` does not say so: it is always narrow.
    narrow = getattr(quantizer, "narrow_range", True)
    return Range(low, high, narrow, np.ndim(ends[0]) > 0, num_bits)


def _renamed(
    program: keras_calls.Program, names: Mapping[str, str], layers: Mapping[str, Any]
) -> keras_calls.Program:
    if len(set(names.values())) != len(names):
        raise errors.GraphError("two layers of the quantized network have one name")
    # No layer of several results is quantized, so that none is renamed.
    names = {**names, **{n: n for call in program.calls for n, _ in call.further}}
    calls = tuple(
        dataclasses.replace(
            call,
            name=names[call.name],
            scope=call.name,
            layer=layers[call.name],
            inputs=tuple(names[name] for name in call.inputs),
            arguments=(),
            keywords={},
        )
        for call in program.calls
    )
    return keras_calls.Program(
        calls,
        tuple(names[name] for name in program.inputs),
        tuple(names[name] for name in program.outputs),
    )
