"""What single layers must be: convolutions, linear layers, their inputs and outputs."""

import math

from tfpipeline.targets.max78000 import draft, geometry
from tfpipeline.targets.max78000 import spec as specs
from tfpipeline.targets.max78000.violation import Constraint, each_layer

_CONVOLUTIONS = ("conv2d", "conv1d", "convtranspose2d")
_WEIGHTED = (*_CONVOLUTIONS, "linear")

TOOL = "tool"
MANUAL = "manual"
# The MAX78000's by the tool, the MAX78002's from the manual.
BOTH = "tool; MAX78002: manual"
DESCRIPTION = "tool: its network descriptions have no other"


def size(pair: draft.Pair) -> str:
    """Rows and columns as messages write them."""
    return f"{pair[0]}x{pair[1]}"


def _operator(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return None if layer.operator in specs.OPERATORS else layer.operator


def _kernel_2d(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return None if layer.kernel in specs.KERNELS_2D else size(layer.kernel)


def _kernel_1d(layer: draft.Layer, spec: specs.Spec) -> str | None:
    length = layer.kernel[0]
    return None if length <= specs.MAX_KERNEL_1D else str(length)


def _stride(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return None if layer.stride == (1, 1) else size(layer.stride)


def _dilation_2d(layer: draft.Layer, spec: specs.Spec) -> str | None:
    is_small = max(layer.dilation) <= spec.max_dilation
    return None if is_small else size(layer.dilation)


def _dilation_1d(layer: draft.Layer, spec: specs.Spec) -> str | None:
    taps, dilation = layer.kernel[0], layer.dilation[0]
    if (taps - 1) * dilation < specs.MAX_KERNEL_1D:
        return None
    is_bare = layer.padding == draft.NO_PADDING and layer.eltwise is None
    is_bare = is_bare and not layer.pools and taps <= specs.MAX_DILATED_KERNEL_1D
    if is_bare and dilation <= spec.max_dilation_1d:
        return None
    return f"{taps} taps, dilation {dilation}"


def _groups(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return None if layer.groups == 1 else f"{layer.groups} groups"


def _depthwise(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if layer.groups == 1 or layer.groups == layer.in_channels == layer.out_channels:
        return None
    return f"{layer.groups} groups, {layer.in_channels} to {layer.out_channels}"


def _symmetric(layer: draft.Layer, spec: specs.Spec) -> str | None:
    rows, columns = layer.padding
    equal = rows[0] == rows[1] and columns[0] == columns[1]
    if equal and (layer.operator == "conv1d" or rows == columns):
        return None
    return f"{rows[0]} and {rows[1]} rows, {columns[0]} and {columns[1]} columns"


def _pad(layer: draft.Layer, spec: specs.Spec) -> str | None:
    for pads, taps in zip(layer.padding, layer.kernel, strict=True):
        if max(pads) > specs.MAX_PAD or max(pads) >= taps:
            return f"{max(pads)} beside {taps} taps"
    return None


def _wide_pad(layer: draft.Layer, spec: specs.Spec) -> str | None:
    is_wide = layer.in_channels > spec.processors and not spec.pads_wide_1d
    if is_wide and layer.padding != draft.NO_PADDING:
        return f"{max(layer.padding[0])} of {layer.in_channels} channels"
    return None


def _transposed(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if (layer.kernel, layer.stride, layer.output_pad) == ((3, 3), (2, 2), (1, 1)):
        return None
    return f"{size(layer.kernel)}, stride {size(layer.stride)}"


def _transposed_pad(layer: draft.Layer, spec: specs.Spec) -> str | None:
    rows, columns = layer.padding
    # Pad 0, 1 or 2 cuts so much in front and one less behind; see the page's traps.
    is_pad = rows[0] in range(specs.MAX_PAD + 1) and rows[1] == rows[0] - 1
    if rows == columns and is_pad:
        return None
    return f"{rows[0]} and {rows[1]} rows, {columns[0]} and {columns[1]} columns"


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
    return f"{size(layer.in_dim)} to {size(layer.out_dim)}"


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
    return f"{size(layer.pooled_dim)} pixels, not flattened"


def _flattened_pixels(layer: draft.Layer, spec: specs.Spec) -> str | None:
    pixels = math.prod(layer.in_dim)
    fits = not layer.flatten or pixels <= spec.max_flatten_pixels
    return None if fits else str(pixels)


def _flattened_values(layer: draft.Layer, spec: specs.Spec) -> str | None:
    values = layer.in_channels * math.prod(layer.in_dim)
    fits = not layer.flatten or values <= specs.MAX_FLATTENED
    return None if fits else f"{values:,}"


def _flattens_alone(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if not layer.flatten:
        return None
    if layer.pools:
        return f"a pool of {size(layer.pool)}"
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
    Constraint(
        id="KIND-01",
        applies_to="all layers",
        rule="the layer must be a convolution, a transposed convolution, a linear "
        "layer, a pool, a sum or a difference",
        fix="leave it out, or end the network in front of it and compute the rest on "
        "the processor",
        source=DESCRIPTION,
        check=each_layer(_operator),
    ),
    Constraint(
        id="CONV-01",
        applies_to="conv2d",
        rule="kernel size must be one of 1x1, 3x3",
        fix="two 3x3 in a row see the pixels of a 5x5, three those of a 7x7, but that "
        "is another network, which must be trained again",
        source=TOOL,
        check=each_layer(_kernel_2d, "conv2d"),
    ),
    Constraint(
        id="CONV-02",
        applies_to="conv2d, conv1d",
        rule="stride must be 1",
        fix="pool by 2 in front of a convolution of stride 1, and train again",
        source=TOOL,
        check=each_layer(_stride, "conv2d", "conv1d"),
    ),
    Constraint(
        id="CONV-03",
        applies_to="conv2d",
        rule="dilation must be at most {spec.max_dilation}",
        fix="pool in front, or stack 3x3 convolutions",
        source=BOTH,
        check=each_layer(_dilation_2d, "conv2d", "convtranspose2d"),
    ),
    Constraint(
        id="CONV-04",
        applies_to="conv2d, conv1d",
        rule="a convolution must not have groups, and a depthwise one is one",
        fix="use a plain convolution of as many channels, or the MAX78002 for "
        "depthwise ones",
        source=TOOL,
        check=each_layer(_groups, *_CONVOLUTIONS),
        devices=("max78000",),
    ),
    Constraint(
        id="CONV-05",
        applies_to="conv2d, conv1d",
        rule="groups must be 1, or as many as input channels and as output channels",
        fix="use a plain convolution, or a depthwise one of multiplier 1",
        source=TOOL,
        check=each_layer(_depthwise, *_CONVOLUTIONS),
        devices=("max78002",),
    ),
    Constraint(
        id="PAD-01",
        applies_to="conv2d, conv1d",
        rule="padding must be the same on all sides",
        fix="strides and even kernels make TensorFlow's 'same' padding uneven: use "
        "stride 1 and odd kernels, or ZeroPadding and padding='valid'",
        source=TOOL,
        check=each_layer(_symmetric, "conv2d", "conv1d"),
    ),
    Constraint(
        id="PAD-02",
        applies_to="conv2d, conv1d",
        rule="padding must be 0, 1 or 2, and less than the kernel",
        fix="use less padding, or a 3x3 kernel where a 1x1 is padded",
        source=TOOL,
        check=each_layer(_pad, "conv2d", "conv1d"),
    ),
    Constraint(
        id="PAD-03",
        applies_to="conv1d",
        rule="padding must be 0 with more than 64 input channels",
        fix="use padding='valid', or at most 64 channels",
        source=MANUAL,
        check=each_layer(_wide_pad, "conv1d"),
        devices=("max78002",),
    ),
    Constraint(
        id="CONV1D-01",
        applies_to="conv1d",
        rule="kernel size must be 1 to 9",
        fix="use several convolutions in a row, and train again",
        source=TOOL,
        check=each_layer(_kernel_1d, "conv1d"),
    ),
    Constraint(
        id="CONV1D-02",
        applies_to="conv1d",
        rule="a dilated kernel must reach over at most 9 positions, or have at most 3 "
        "taps, no padding, pool or sum, and a dilation of at most "
        "{spec.max_dilation_1d}",
        fix="use padding='valid', a pool of its own, or fewer taps",
        source=BOTH,
        check=each_layer(_dilation_1d, "conv1d"),
    ),
    Constraint(
        id="TCONV-01",
        applies_to="convtranspose2d",
        rule="kernel size must be 3x3 and stride 2x2",
        fix="use Conv2DTranspose(filters, 3, strides=2)",
        source=TOOL,
        check=each_layer(_transposed, "convtranspose2d"),
    ),
    Constraint(
        id="TCONV-02",
        applies_to="convtranspose2d",
        rule="of the full result 1 row and column must be cut in front and none "
        "behind, or 2 in front and 1 behind",
        fix="use padding='valid' and crop the first row and column; 'same' crops the "
        "last ones, which shifts the image by a pixel",
        source="tool; cropping compared with tf_keras",
        check=each_layer(_transposed_pad, "convtranspose2d"),
    ),
    Constraint(
        id="ACT-01",
        applies_to="layers with weights",
        rule="the activation must be none, ReLU or Abs",
        fix="use ReLU and train again; activations end at 127/128 in any case",
        source=TOOL,
        check=each_layer(_activation, *_WEIGHTED),
    ),
    Constraint(
        id="ACT-02",
        applies_to="passthrough",
        rule="a layer without weights must not have an activation",
        fix="apply it in the convolutions in front of a sum or pool, or put a 1x1 "
        "convolution with the activation behind",
        source=MANUAL,
        check=each_layer(_passthrough_activation, "passthrough"),
    ),
    Constraint(
        id="CHAN-01",
        applies_to="all layers",
        rule="input and output channels must be at most {spec.max_channels}",
        fix="use fewer channels",
        source="tool; the manual of the MAX78002 says 2048",
        check=each_layer(_channels),
    ),
    Constraint(
        id="BIAS-01",
        applies_to="layers with weights",
        rule="a layer with a bias must have at most {spec.bias_bytes_per_quadrant} "
        "output channels",
        fix="use fewer channels, or use_bias=False",
        source=TOOL,
        check=each_layer(_bias, *_WEIGHTED),
    ),
    Constraint(
        id="BIAS-02",
        applies_to="layers with weights",
        rule="a bias must have 8 bits",
        fix="quantize for this device",
        source="manual; tool",
        check=each_layer(_bias_bits, *_WEIGHTED),
    ),
    Constraint(
        id="DIM-01",
        applies_to="all layers",
        rule="rows and columns must be at most {spec.max_dim}",
        fix="use a smaller input, or fold the data",
        source="tool; the manual says one less",
        check=each_layer(_dimensions),
    ),
    Constraint(
        id="WEIGHT-01",
        applies_to="layers with weights",
        rule="weights must have 1, 2, 4 or 8 bits",
        fix="choose one of them",
        source=TOOL,
        check=each_layer(_weight_bits, *_WEIGHTED),
    ),
    Constraint(
        id="SHIFT-01",
        applies_to="layers with weights",
        rule="the output shift, 8 less the weights' bits included, must be -15 to 15",
        fix="scale weights and activations alike",
        source=TOOL,
        check=each_layer(_output_shift, *_WEIGHTED),
    ),
    Constraint(
        id="OUT-01",
        applies_to="all layers",
        rule="outputs must have 8 bits, or 32 where a layer with weights has no "
        "activation",
        fix="leave the activation out, or use 8 bits",
        source=TOOL,
        check=each_layer(_output_width),
    ),
    Constraint(
        id="LIN-01",
        applies_to="linear",
        rule="an input of several pixels must be flattened",
        fix="add Flatten in front",
        source=TOOL,
        check=each_layer(_unflattened, "linear"),
    ),
    Constraint(
        id="FLAT-01",
        applies_to="linear",
        rule="a flattened input must have at most {spec.max_flatten_pixels} pixels",
        fix="pool in front",
        source=TOOL,
        check=each_layer(_flattened_pixels),
    ),
    Constraint(
        id="FLAT-02",
        applies_to="linear",
        rule="a flattened input must have at most 16,384 values",
        fix="pool in front, or use fewer channels",
        source=TOOL,
        check=each_layer(_flattened_values),
    ),
    Constraint(
        id="FLAT-03",
        applies_to="linear",
        rule="only linear layers may flatten, and they must not pool or stream",
        fix="give the pool a layer of its own",
        source=TOOL,
        check=each_layer(_flattens_alone),
    ),
    Constraint(
        id="STREAM-01",
        applies_to="streaming layers",
        rule="rows x columns x passes over the input channels must be below 2^21",
        fix="use a smaller input, or fold the data",
        source=MANUAL,
        check=each_layer(_stream_values),
    ),
    Constraint(
        id="STREAM-02",
        applies_to="streaming layers",
        rule="a streaming layer must have no bias, which is unreliable",
        fix="use use_bias=False in the streaming layers",
        source=MANUAL,
        check=each_layer(_stream_bias),
        devices=("max78000",),
    ),
    Constraint(
        id="STREAM-03",
        applies_to="streaming layers",
        rule="a streaming layer must have weights",
        fix="pool in front of a convolution",
        source=MANUAL,
        check=each_layer(_stream_convolves),
        devices=("max78002",),
    ),
    Constraint(
        id="FEATURE-01",
        applies_to="all layers",
        rule=f"the MAX78002 alone has {', '.join(specs.FEATURES)}",
        fix="choose the MAX78002, or do without",
        source="tool (read_gap); manual",
        check=each_layer(_features),
    ),
)
