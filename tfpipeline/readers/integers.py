"""From a fake-quantized network to the integers of TensorFlow Lite.

The rules are those of TensorFlow's converter (TensorFlow 2.21, compiler/mlir/lite and
mlir's quant dialect):

* Ranges become scales, and kernels and biases integers, as `numerics.affine` says. A
  kernel so near zero that its bias would be cut off gets a larger scale, which the
  converter gives to kernels without fake quantizers only: `layer_weights.with_room`.
* Biases of zeros are stored or left out as `fusion.store_biases` says.
* Layers that only move integers have one scale: what they write has that of what they
  read, and what a Concat, a minimum or a maximum reads that of what it writes. Where
  both are fixed and differ, a Requantize stands behind the layer that writes it. A
  RELU6 of its own has one in front: TensorFlow Lite Micro compares its integers and
  does not rescale them.
* Softmax and sigmoid write scale 1/256 and zero point -128, tanh 1/128 and 0; in 16
  bits all three write 1/32768 and 0.

Kernels have 8 bits; activations all 8 or all 16. For 16 bits these are TensorFlow
Lite's "int16 activations with int8 weights", whose zero points are 0. Beside
activations of 8 bits kernels may have 4, which are narrow and stored as int8 here.
"""

import dataclasses

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph, layer_rules
from tfpipeline.numerics import affine, layer_weights
from tfpipeline.readers import draft as draft_lib
from tfpipeline.readers import fusion

Draft = draft_lib.Draft


def quantize(draft: Draft, inputs: tuple[str, ...]) -> None:
    """Gives every tensor of `draft` its integers, in place.

    Raises:
        GraphError: naming the layers whose result has no range.
    """
    num_bits = _activation_bits(draft)
    known = {name: _quant(r) for name, r in draft.ranges.items()}
    quants = _propagate(draft, known, num_bits)
    missing = [
        f"{layer.kind} '{layer.name}'"
        for layer in draft.layers
        if layer.output not in quants
    ] + [f"input '{name}'" for name in inputs if name not in quants]
    if missing:
        raise errors.GraphError(
            f"no range for what {', '.join(missing)} writes: the quantization-aware "
            "network leaves it in float; give the layer an output quantizer"
        )
    _requantize(draft, quants)
    for name in {*inputs, *(layer.output for layer in draft.layers)}:
        draft.tensors[name] = dataclasses.replace(
            draft.tensors[name],
            dtype=f"int{num_bits}",
            quant=quants[name].stored(num_bits, None),
        )
    draft.layers = [
        _weights(draft, quants, layer, num_bits)
        if isinstance(layer, graph.Weighted)
        else _operands(draft, quants, layer, num_bits)
        for layer in draft.layers
    ]


def _activation_bits(draft: Draft) -> int:
    kernels: set[int] = set()
    activations: set[int] = set()
    for name, limits in draft.ranges.items():
        (kernels if name in draft.constants else activations).add(limits.num_bits)
    allowed = {8} if 16 in activations else {4, 8}
    if len(activations) > 1 or kernels - allowed:
        raise errors.GraphError(
            "kernels must have 8 bits, or 4 beside activations of 8, and activations "
            f"all 8 or all 16; found kernels of {sorted(kernels)} and activations of "
            f"{sorted(activations)}"
        )
    return min(activations, default=8)


def _quant(limits: draft_lib.Range) -> affine.Affine:
    return affine.of_ranges(
        limits.minimum, limits.maximum, limits.num_bits, limits.narrow
    )


def _propagate(
    draft: Draft, quants: dict[str, affine.Affine], num_bits: int
) -> dict[str, affine.Affine]:
    """Adds what follows from the ranges, until nothing does."""
    dtype = f"int{num_bits}"
    count = -1
    while len(quants) != count:
        count = len(quants)
        for layer in draft.layers:
            function = getattr(layer, "function", layer.kind.lower())
            if (function, dtype) in affine.FIXED_OUTPUTS:
                scale, zero_point = affine.FIXED_OUTPUTS[function, dtype]
                quants.setdefault(layer.output, affine.Affine((scale,), (zero_point,)))
            elif isinstance(layer, layer_rules.JOINING):
                continue
            elif (_moves(layer) or _compares(layer)) and layer.inputs[0] in quants:
                quants.setdefault(layer.output, quants[layer.inputs[0]])
        for layer in reversed(draft.layers):
            # A ReLU that training rounds behind alone: what it cuts off needs no range.
            is_relu = isinstance(layer, graph.Activation) and layer.function == "relu"
            if (_moves(layer) or is_relu) and layer.output in quants:
                for name in layer.inputs:
                    quants.setdefault(name, quants[layer.output])
    return quants


def _moves(layer: graph.Layer) -> bool:
    return isinstance(layer, layer_rules.SCALE_KEEPING)


def _compares(layer: graph.Layer) -> bool:
    """Whether it is a RELU6, which writes the integers that it reads: activations.h."""
    return isinstance(layer, graph.Activation) and layer.function == "relu6"


def _requantize(draft: Draft, quants: dict[str, affine.Affine]) -> None:
    """Puts a Requantize where a layer that keeps integers would change their scale."""
    behind: dict[str, list[graph.Layer]] = {}

    def converted(source: str, name: str, quant: affine.Affine) -> str:
        output = draft.tensor(name, draft.shape(source))
        quants[output] = quant
        behind.setdefault(source, []).append(
            graph.Requantize(name=output, inputs=(source,), output=output)
        )
        return output

    layers: list[graph.Layer] = []
    for layer in draft.layers:
        quant = quants[layer.output]
        keeps = _moves(layer) or _compares(layer)
        if not keeps or all(quants[name] == quant for name in layer.inputs):
            layers.append(layer)
        elif isinstance(layer, layer_rules.JOINING) or _compares(layer):
            inputs = tuple(
                name
                if quants[name] == quant
                else converted(name, f"{name}/requantized", quant)
                for name in layer.inputs
            )
            layers.append(dataclasses.replace(layer, inputs=inputs))
        else:
            unscaled = draft.tensor(f"{layer.output}/moved", draft.shape(layer.output))
            quants[unscaled] = quants[layer.inputs[0]]
            layers.append(dataclasses.replace(layer, output=unscaled))
            behind[unscaled] = [
                graph.Requantize(
                    name=f"{layer.name}/requantize",
                    inputs=(unscaled,),
                    output=layer.output,
                )
            ]
    written = {layer.output for layer in layers}
    first = [
        new for name, news in behind.items() if name not in written for new in news
    ]
    draft.layers = first
    for layer in layers:
        draft.layers += [layer, *behind.get(layer.output, ())]


def _weights(
    draft: Draft, quants: dict[str, affine.Affine], layer: graph.Weighted, num_bits: int
) -> graph.Weighted:
    limits = draft.ranges.get(layer.weights)
    if limits is None:
        raise errors.GraphError(
            f"{layer.kind} '{layer.name}': its kernel has no range; give it a weight "
            "quantizer"
        )
    kernel = draft.constants[layer.weights]
    axis = layer_rules.channel_axis(layer, kernel.shape)
    quant = _quant(limits)
    if isinstance(layer, graph.DepthwiseConv2D) and limits.is_per_channel:
        # tfmot has a range for each multiplier; channel c * multipliers + m has m's.
        quant = quant.repeated(max(kernel.shape[axis] // len(quant.scale), 1))
    if len(quant.scale) not in (1, kernel.shape[axis]):
        raise errors.GraphError(
            f"{layer.kind} '{layer.name}': {len(quant.scale)} kernel ranges for "
            f"{kernel.shape[axis]} channels; one, or one a channel is supported"
        )
    if layer.bias is not None:
        (source,) = quants[layer.inputs[0]].scale
        quant = layer_weights.with_room(
            quant, draft.constants[layer.bias], source, affine.bias_room(num_bits)
        )
    values = affine.kernel_integers(kernel, quant, limits.num_bits, axis, limits.narrow)
    weights = _constant(
        draft,
        f"{layer.name}/kernel",
        values,
        quant.stored(limits.num_bits, axis),
    )
    return dataclasses.replace(
        layer, weights=weights, bias=_bias(draft, quants, layer, quant, num_bits)
    )


def _operands(
    draft: Draft, quants: dict[str, affine.Affine], layer: graph.Layer, num_bits: int
) -> graph.Layer:
    """The layer with its constant operands as integers: slopes have 8 bits."""
    bits = 8 if isinstance(layer, graph.PRelu) else num_bits
    names = []
    for name in layer.inputs:
        if name in draft.constants and name in quants:
            quant = quants[name].stored(bits, None)
            values = affine.quantized(draft.constants[name], quant, f"int{bits}")
            name = _constant(draft, name, values, quant)
        names.append(name)
    return dataclasses.replace(layer, inputs=tuple(names))


def _bias(
    draft: Draft,
    quants: dict[str, affine.Affine],
    layer: graph.Weighted,
    kernel: affine.Affine,
    num_bits: int,
) -> str | None:
    channels = draft.shape(layer.output)[-1]
    values = np.zeros(channels, np.float32)
    if layer.bias is not None:
        values = draft.constants[layer.bias]
    if isinstance(layer, fusion.WITHOUT_ZEROS) and not values.any():
        return None
    (source,) = quants[layer.inputs[0]].scale
    integers, quant = affine.bias_integers(values, source, kernel.scale, num_bits)
    return _constant(draft, f"{layer.name}/bias", integers, quant)


def _constant(
    draft: Draft, name: str, values: graph.Array, quant: graph.QuantParams
) -> str:
    name = draft.tensor(name, values.shape)
    draft.tensors[name] = graph.Tensor(name, values.shape, values.dtype.name, quant)
    draft.constants[name] = values
    return name
