"""What convolutions must be: kernels, strides, dilations, groups and padding."""

from tfpipeline.targets.max78000 import draft, violation
from tfpipeline.targets.max78000 import spec as specs

_CONVOLUTIONS = ("conv2d", "conv1d", "convtranspose2d")


def _kernel_2d(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return None if layer.kernel in specs.KERNELS_2D else violation.size(layer.kernel)


def _kernel_1d(layer: draft.Layer, spec: specs.Spec) -> str | None:
    length = layer.kernel[0]
    return None if length <= specs.MAX_KERNEL_1D else str(length)


def _stride(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return None if layer.stride == (1, 1) else violation.size(layer.stride)


def _dilation_2d(layer: draft.Layer, spec: specs.Spec) -> str | None:
    is_small = max(layer.dilation) <= spec.max_dilation
    return None if is_small else violation.size(layer.dilation)


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
    return f"{violation.size(layer.kernel)}, stride {violation.size(layer.stride)}"


def _transposed_pad(layer: draft.Layer, spec: specs.Spec) -> str | None:
    rows, columns = layer.padding
    # Pad 0, 1 or 2 cuts so much in front and one less behind; see the page's traps.
    is_pad = rows[0] in range(specs.MAX_PAD + 1) and rows[1] == rows[0] - 1
    if rows == columns and is_pad:
        return None
    return f"{rows[0]} and {rows[1]} rows, {columns[0]} and {columns[1]} columns"


CONSTRAINTS = (
    violation.Constraint(
        id="CONV-01",
        applies_to="conv2d",
        rule="kernel size must be one of 1x1, 3x3",
        fix="two 3x3 in a row see the pixels of a 5x5, three those of a 7x7, but that "
        "is another network, which must be trained again",
        source=violation.TOOL,
        check=violation.each_layer(_kernel_2d, "conv2d"),
    ),
    violation.Constraint(
        id="CONV-02",
        applies_to="conv2d, conv1d",
        rule="stride must be 1",
        fix="pool by 2 in front of a convolution of stride 1, and train again",
        source=violation.TOOL,
        check=violation.each_layer(_stride, "conv2d", "conv1d"),
    ),
    violation.Constraint(
        id="CONV-03",
        applies_to="conv2d",
        rule="dilation must be at most {spec.max_dilation}",
        fix="pool in front, or stack 3x3 convolutions",
        source=violation.BOTH,
        check=violation.each_layer(_dilation_2d, "conv2d", "convtranspose2d"),
    ),
    violation.Constraint(
        id="CONV-04",
        applies_to="conv2d, conv1d",
        rule="a convolution must not have groups, and a depthwise one is one",
        fix="use a plain convolution of as many channels; the MAX78002 has depthwise "
        "ones (--targets=max78002)",
        source=violation.TOOL,
        check=violation.each_layer(_groups, *_CONVOLUTIONS),
        devices=("max78000",),
    ),
    violation.Constraint(
        id="CONV-05",
        applies_to="conv2d, conv1d",
        rule="groups must be 1, or as many as input channels and as output channels",
        fix="use a plain convolution, or a depthwise one of multiplier 1",
        source=violation.TOOL,
        check=violation.each_layer(_depthwise, *_CONVOLUTIONS),
        devices=("max78002",),
    ),
    violation.Constraint(
        id="PAD-01",
        applies_to="conv2d, conv1d",
        rule="padding must be the same on all sides",
        fix="strides and even kernels make TensorFlow's 'same' padding uneven: use "
        "stride 1 and odd kernels, or ZeroPadding and padding='valid'",
        source=violation.TOOL,
        check=violation.each_layer(_symmetric, "conv2d", "conv1d"),
    ),
    violation.Constraint(
        id="PAD-02",
        applies_to="conv2d, conv1d",
        rule="padding must be 0, 1 or 2, and less than the kernel",
        fix="use less padding, or a 3x3 kernel where a 1x1 is padded",
        source=violation.TOOL,
        check=violation.each_layer(_pad, "conv2d", "conv1d"),
    ),
    violation.Constraint(
        id="PAD-03",
        applies_to="conv1d",
        rule="padding must be 0 with more than 64 input channels",
        fix="use padding='valid', or at most 64 channels",
        source=violation.MANUAL,
        check=violation.each_layer(_wide_pad, "conv1d"),
        devices=("max78002",),
    ),
    violation.Constraint(
        id="CONV1D-01",
        applies_to="conv1d",
        rule="kernel size must be 1 to 9",
        fix="use several convolutions in a row, and train again",
        source=violation.TOOL,
        check=violation.each_layer(_kernel_1d, "conv1d"),
    ),
    violation.Constraint(
        id="CONV1D-02",
        applies_to="conv1d",
        rule="a dilated kernel must reach over at most 9 positions, or have at most 3 "
        "taps, no padding, pool or sum, and a dilation of at most "
        "{spec.max_dilation_1d}",
        fix="use padding='valid', a pool of its own, or fewer taps",
        source=violation.BOTH,
        check=violation.each_layer(_dilation_1d, "conv1d"),
    ),
    violation.Constraint(
        id="TCONV-01",
        applies_to="convtranspose2d",
        rule="kernel size must be 3x3 and stride 2x2",
        fix="use Conv2DTranspose(filters, 3, strides=2)",
        source=violation.TOOL,
        check=violation.each_layer(_transposed, "convtranspose2d"),
    ),
    violation.Constraint(
        id="TCONV-02",
        applies_to="convtranspose2d",
        rule="of the full result 1 row and column must be cut in front and none "
        "behind, or 2 in front and 1 behind",
        fix="use padding='valid' and crop the first row and column; 'same' crops the "
        "last ones, which shifts the image by a pixel",
        source="tool; cropping compared with tf_keras",
        check=violation.each_layer(_transposed_pad, "convtranspose2d"),
    ),
)
