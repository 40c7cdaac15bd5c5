"""What every layer must be: channels, sizes, biases, activations, linear layers."""

import math

from tfpipeline.targets.max78000 import draft, geometry, violation
from tfpipeline.targets.max78000 import spec as specs

_WEIGHTED = ("conv2d", "conv1d", "convtranspose2d", "linear")


def _operator(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return None if layer.operator in specs.OPERATORS else layer.operator


def _activation(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if layer.activation in (None, *specs.ACTIVATIONS):
        return None
    return layer.activation


def _passthrough_activation(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return layer.activation


def _channels(layer: draft.Layer, spec: specs.Spec) -> str | None:
    most = max(layer.in_channels, layer.out_channels)
    if most <= spec.max_channels:
        return None
    return f"{layer.in_channels} in, {layer.out_channels} out"


def _bias(layer: draft.Layer, spec: specs.Spec) -> str | None:
    fits = layer.bias is None or layer.out_channels <= spec.bias_bytes_per_quadrant
    return None if fits else str(layer.out_channels)


def _bias_bits(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if layer.bias is None or layer.bias_bits <= specs.BIAS_BITS:
        return None
    return f"{layer.bias_bits} bits"


def _dimensions(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if max(*layer.in_dim, *layer.out_dim) <= spec.max_dim:
        return None
    return f"{violation.size(layer.in_dim)} to {violation.size(layer.out_dim)}"


def _shape(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if layer.operator not in specs.OPERATORS:
        return None
    if draft.natural_dim(layer) == layer.out_dim:
        return None
    return f"{violation.size(layer.in_dim)} to {violation.size(layer.out_dim)}"


def _weight_bits(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return None if layer.weight_bits in specs.WEIGHT_BITS else str(layer.weight_bits)


def _output_shift(layer: draft.Layer, spec: specs.Spec) -> str | None:
    fits = abs(layer.output_shift) <= specs.MAX_OUTPUT_SHIFT
    return None if fits else str(layer.output_shift)


def _output_width(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if layer.output_width == specs.OUTPUT_WIDTHS[0]:
        return None
    is_raw = layer.convolves and layer.activation is None
    if is_raw and layer.output_width in specs.OUTPUT_WIDTHS:
        return None
    return f"{layer.output_width} bits, activation {layer.activation}"


def _unflattened(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if layer.flatten or layer.pooled_dim == (1, 1):
        return None
    return f"{violation.size(layer.pooled_dim)} pixels, not flattened"


def _flattened_pixels(layer: draft.Layer, spec: specs.Spec) -> str | None:
    pixels = math.prod(layer.in_dim)
    fits = not layer.flatten or pixels <= spec.max_flatten_pixels
    return None if fits else str(pixels)


def _flattened_values(layer: draft.Layer, spec: specs.Spec) -> str | None:
    values = layer.in_channels * math.prod(layer.in_dim)
    fits = not layer.flatten or values <= specs.MAX_FLATTENED
    return None if fits else f"{values:,}"


def _flattened_passes(layer: draft.Layer, spec: specs.Spec) -> str | None:
    share = geometry.processors_of_pass(layer.in_channels, spec)
    passes = geometry.passes(layer.in_channels, spec)
    if not layer.flatten or share * passes == layer.in_channels:
        return None
    return f"{layer.in_channels} channels, {share} in a pass"


def _flattens_alone(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if not layer.flatten:
        return None
    if layer.pools:
        return f"a pool of {violation.size(layer.pool)}"
    if layer.streaming:
        return "streaming"
    return None if layer.operator == "linear" else layer.operator


def _stream_values(layer: draft.Layer, spec: specs.Spec) -> str | None:
    passes = geometry.passes(layer.in_channels, spec)
    values = math.prod(layer.in_dim) * passes
    if not layer.streaming or values < specs.MAX_STREAM_VALUES:
        return None
    return f"{values:,}"


def _stream_bias(layer: draft.Layer, spec: specs.Spec) -> str | None:
    has_bias = layer.streaming and layer.bias is not None
    return f"{layer.out_channels} biases" if has_bias else None


def _stream_convolves(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return layer.operator if layer.streaming and not layer.convolves else None


def _features(layer: draft.Layer, spec: specs.Spec) -> str | None:
    lacking = [name for name in layer.features if name not in spec.features]
    return ", ".join(lacking) or None


CONSTRAINTS = (
    violation.Constraint(
        id="KIND-01",
        applies_to="all layers",
        rule="the layer must be a convolution, a transposed convolution, a linear "
        "layer, a pool, a sum or a difference",
        fix="leave it out, or end the network in front of it and compute the rest on "
        "the processor",
        source=violation.DESCRIPTION,
        check=violation.each_layer(_operator),
    ),
    violation.Constraint(
        id="ACT-01",
        applies_to="layers with weights",
        rule="the activation must be none, ReLU or Abs",
        fix="use ReLU and train again; activations end at 127/128 in any case",
        source=violation.TOOL,
        check=violation.each_layer(_activation, *_WEIGHTED),
    ),
    violation.Constraint(
        id="ACT-02",
        applies_to="passthrough",
        rule="a layer without weights must not have an activation",
        fix="apply it in the convolutions in front of a sum or pool, or put a 1x1 "
        "convolution with the activation behind",
        source=violation.MANUAL,
        check=violation.each_layer(_passthrough_activation, "passthrough"),
    ),
    violation.Constraint(
        id="CHAN-01",
        applies_to="all layers",
        rule="input and output channels must be at most {spec.max_channels}",
        fix="use fewer channels",
        source="tool; the manual of the MAX78002 says 2048",
        check=violation.each_layer(_channels),
    ),
    violation.Constraint(
        id="BIAS-01",
        applies_to="layers with weights",
        rule="a layer with a bias must have at most {spec.bias_bytes_per_quadrant} "
        "output channels",
        fix="use fewer channels, or use_bias=False",
        source=violation.TOOL,
        check=violation.each_layer(_bias, *_WEIGHTED),
    ),
    violation.Constraint(
        id="BIAS-02",
        applies_to="layers with weights",
        rule="a bias must have 8 bits",
        fix="quantize for this device",
        source="manual; tool",
        check=violation.each_layer(_bias_bits, *_WEIGHTED),
    ),
    violation.Constraint(
        id="DIM-01",
        applies_to="all layers",
        rule="rows and columns must be at most {spec.max_dim}",
        fix="use a smaller input, or fold the data",
        source="tool; the manual says one less",
        check=violation.each_layer(_dimensions),
    ),
    violation.Constraint(
        id="SHAPE-01",
        applies_to="all layers",
        rule="rows and columns must be those that the windows leave",
        fix="keep the axes of the image apart from the channels",
        source=violation.DESCRIPTION,
        check=violation.each_layer(_shape),
    ),
    violation.Constraint(
        id="WEIGHT-01",
        applies_to="layers with weights",
        rule="weights must have 1, 2, 4 or 8 bits",
        fix="choose one of them",
        source=violation.TOOL,
        check=violation.each_layer(_weight_bits, *_WEIGHTED),
    ),
    violation.Constraint(
        id="SHIFT-01",
        applies_to="layers with weights",
        rule="the output shift, 8 less the weights' bits included, must be -15 to 15",
        fix="scale weights and activations alike",
        source=violation.TOOL,
        check=violation.each_layer(_output_shift, *_WEIGHTED),
    ),
    violation.Constraint(
        id="OUT-01",
        applies_to="all layers",
        rule="outputs must have 8 bits, or 32 where a layer with weights has no "
        "activation",
        fix="leave the activation out, or use 8 bits",
        source=violation.TOOL,
        check=violation.each_layer(_output_width),
    ),
    violation.Constraint(
        id="LIN-01",
        applies_to="linear",
        rule="an input of several pixels must be flattened",
        fix="add Flatten in front",
        source=violation.TOOL,
        check=violation.each_layer(_unflattened, "linear"),
    ),
    violation.Constraint(
        id="FLAT-01",
        applies_to="linear",
        rule="a flattened input must have at most {spec.max_flatten_pixels} pixels",
        fix="pool in front",
        source=violation.TOOL,
        check=violation.each_layer(_flattened_pixels),
    ),
    violation.Constraint(
        id="FLAT-02",
        applies_to="linear",
        rule="a flattened input must have at most 16,384 values",
        fix="pool in front, or use fewer channels",
        source=violation.TOOL,
        check=violation.each_layer(_flattened_values),
    ),
    violation.Constraint(
        id="FLAT-03",
        applies_to="linear",
        rule="only linear layers may flatten, and they must not pool or stream",
        fix="give the pool a layer of its own",
        source=violation.TOOL,
        check=violation.each_layer(_flattens_alone),
    ),
    violation.Constraint(
        id="FLAT-04",
        applies_to="linear",
        rule="a flattened input of more than 64 channels must fill all its passes",
        fix="use a multiple of 8 channels up to 128, of 12 up to 192, and so on",
        source=violation.TOOL,
        check=violation.each_layer(_flattened_passes),
    ),
    violation.Constraint(
        id="STREAM-01",
        applies_to="streaming layers",
        rule="rows x columns x passes over the input channels must be below 2^21",
        fix="use a smaller input, or fold the data",
        source=violation.MANUAL,
        check=violation.each_layer(_stream_values),
    ),
    violation.Constraint(
        id="STREAM-02",
        applies_to="streaming layers",
        rule="a streaming layer must have no bias, which is unreliable",
        fix="use use_bias=False in the streaming layers",
        source=violation.MANUAL,
        check=violation.each_layer(_stream_bias),
        devices=("max78000",),
    ),
    violation.Constraint(
        id="STREAM-03",
        applies_to="streaming layers",
        rule="a streaming layer must have weights",
        fix="pool in front of a convolution",
        source=violation.MANUAL,
        check=violation.each_layer(_stream_convolves),
        devices=("max78002",),
    ),
    violation.Constraint(
        id="FEATURE-01",
        applies_to="all layers",
        rule=f"the MAX78002 alone has {', '.join(specs.FEATURES)}",
        fix="choose the MAX78002, or do without",
        source="tool (read_gap); manual",
        check=violation.each_layer(_features),
    ),
)
