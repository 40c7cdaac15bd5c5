"""Layers with weights as C: convolutions, dense layers, and the windows of pools.

A convolution multiplies columns: the inputs under its kernel side by side, as many as a
channel has taps, rounded up to a multiple of 4 with weights of 0. They are copied to
scratch memory: four columns as pairs of int16 on cores with DSP instructions, on others
two as they are, unless the input itself is columns after each other.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from export.c import (
    convolution_kernels,
    depthwise_kernels,
    literals,
    place,
    vector_convolutions,
    vector_depthwise,
)
from tfpipeline.ir import graph
from tfpipeline.simulate import derived, fixed_point

# Taps that the kernels of convolutions multiply in one step of their loops.
UNROLLED = 4
# Sums below are doubled in 32 bits.
MAX_SMALL_SUM = 2**30 - 1

# Of a plane of a depthwise convolution in scratch memory; more rows than that are
# computed strip by strip.
MAX_PLANE_BYTES = 4096
# Of 16 channels of a few pixels and their neighbors: if more, one by one is computed.
MAX_VECTOR_BYTES = 8192

CONVOLUTIONS = (graph.Conv1D, graph.Conv2D, graph.Dense)


def window(
    g: graph.Graph, layer: graph.Layer, taps: Sequence[int], depth: int
) -> dict[str, int]:
    """Sizes of a convolution or a pool; those along one axis have one row."""
    source, result = g.tensors[layer.inputs[0]].shape, g.tensors[layer.output].shape
    if isinstance(layer, graph.TransposeConv2D):
        strides, padding = layer.strides, layer.padding
        dilation: tuple[int, ...] = (1, 1)
    else:
        strides, padding, dilation = derived.sliding(layer)
    is_line = len(taps) == 1
    fields: dict[str, int] = {}

    def add(names: Sequence[str], values: Sequence[int], missing: int) -> None:
        rows = (missing, *values) if is_line else values
        fields.update(zip(names, rows, strict=True))

    add(("rows", "columns", "channels"), source[1:], 1)
    add(("kernel_rows", "kernel_columns", "kernel_channels"), (*taps, depth), 1)
    add(("output_rows", "output_columns", "output_channels"), result[1:], 1)
    add(("row_stride", "column_stride"), strides, 1)
    add(("row_dilation", "column_dilation"), dilation, 1)
    add(("top", "left"), [before for before, _ in padding], 0)
    return fields


def scratch_bytes(g: graph.Graph, layer: graph.Layer) -> Sequence[int]:
    """Scratch memory of a layer's kernel: the columns of a convolution, or a plane.

    Where taps of a pixel are no multiple of four, a column is gathered before it
    becomes pairs.
    """
    if isinstance(layer, graph.DepthwiseConv2D):
        fields = _plane(g, layer)[0]
        tile = vector_tile(g, layer)
        size = _vector_bytes(fields, tile) if tile else 0
        return (max(_plane_bytes(fields, strip_rows(g, layer)), size),)
    if not isinstance(layer, CONVOLUTIONS):
        return ()
    pixels = math.prod(g.tensors[layer.output].shape[:-1])
    most = convolution_kernels.PAIRED_COLUMNS
    taps = column_taps(g, layer)
    size = 2 * taps * (most if pixels >= most else 1)
    if not lies_in_columns(g, layer):
        width = np.dtype(g.tensors[layer.inputs[0]].dtype).itemsize
        if g.tensors[layer.weights].shape[-1] % UNROLLED:
            size += taps * width
        # Cores without DSP instructions have two columns at most.
        size = max(size, min(2, pixels) * taps * width)
    if g.tensors[layer.inputs[0]].dtype == "int8":
        lanes = vector_convolutions.LANES
        columns = most if pixels >= most else 1
        if not lies_in_columns(g, layer) or taps % lanes:
            size = max(size, columns * -(-taps // lanes) * lanes)
    return (size,)


def convolution(which: place.Place, layer: graph.Layer) -> place.Code:
    """A convolution, or a dense layer: a kernel of one pixel on a line of all rows."""
    assert isinstance(layer, graph.Weighted)
    g, label = which.g, which.label
    kernel = derived.kernel_values(g, layer)
    if isinstance(layer, graph.Dense):
        fields = _dense_window(g, layer)
    else:
        fields = window(g, layer, kernel.shape[1:-1], kernel.shape[-1])
    is_wide = derived.has_wide_sums(g, layer)
    dtype = g.tensors[layer.inputs[0]].dtype
    name = f"convolution_{dtype}" + ("_wide" if is_wide else "")
    bias = derived.bias_values(g, layer)
    # The input's zero point times all taps is part of the bias, as sums may wrap.
    zero = derived.zero_point(g, layer.inputs[0])
    bias = bias - zero * kernel.reshape(len(kernel), -1).sum(axis=1)
    tables = (f"{label}_weights", f"&{label}_window", f"&{label}_scaling")
    columns = (which.scratch, int(lies_in_columns(g, layer)))
    return place.Code(
        (
            _weights(g, layer, f"{label}_weights"),
            *_scaling(g, layer, label, is_wide, bias),
            literals.struct("window", f"{label}_window", fields),
        ),
        (place.call(name, which.inputs[0], which.output, *columns, *tables),),
        (name,),
    )


def depthwise(which: place.Place, layer: graph.Layer) -> place.Code:
    """A depthwise convolution."""
    assert isinstance(layer, graph.DepthwiseConv2D)
    g, label = which.g, which.label
    fields, kernel, is_turned = _planes(g, layer)
    is_wide = derived.has_wide_sums(g, layer)
    name = f"depthwise_{g.tensors[layer.output].dtype}" + ("_wide" if is_wide else "")
    # As of a convolution: a plane has the zero point around it.
    zero = derived.zero_point(g, layer.inputs[0])
    bias = derived.bias_values(g, layer) - zero * kernel.sum(axis=(1, 2))
    strips = [strip_rows(g, layer)]
    if tile := vector_tile(g, layer):
        name = f"vector_{name}"
        strips += tile
    scratch = (which.scratch, *strips, int(is_turned))
    # The taps of all channels follow each other, as vectors have them.
    weights = kernel.transpose(1, 2, 0).ravel().tolist()
    tables = (f"{label}_weights", f"&{label}_window", f"&{label}_scaling")
    return place.Code(
        (
            literals.array("int8_t", f"{label}_weights", weights, behind="BEHIND"),
            *_scaling(g, layer, label, is_wide, bias),
            literals.struct("window", f"{label}_window", fields),
        ),
        (place.call(name, which.inputs[0], which.output, *scratch, *tables),),
        (name,),
    )


def transposed(which: place.Place, layer: graph.Layer) -> place.Code:
    """A transposed convolution."""
    assert isinstance(layer, graph.TransposeConv2D)
    g, label = which.g, which.label
    kernel = derived.kernel_values(g, layer)
    fields = window(g, layer, kernel.shape[1:-1], kernel.shape[-1])
    is_wide = derived.has_wide_sums(g, layer)
    name = f"transposed_{g.tensors[layer.output].dtype}" + ("_wide" if is_wide else "")
    bias = derived.bias_values(g, layer)
    tables = (f"{label}_weights", f"&{label}_window", f"&{label}_scaling")
    return place.Code(
        (
            literals.array("int8_t", f"{label}_weights", kernel.ravel().tolist()),
            *_scaling(g, layer, label, is_wide, bias),
            literals.struct("window", f"{label}_window", fields),
        ),
        (place.call(name, which.inputs[0], which.output, *tables),),
        (name,),
    )


def _planes(
    g: graph.Graph, layer: graph.DepthwiseConv2D
) -> tuple[dict[str, int], graph.Array, bool]:
    """Window and kernel of a depthwise convolution as it is computed.

    Returns:
        The fields of `_plane`; the kernel `[channels, rows, columns]`, whose columns
        that are skipped are taps of 0; whether rows are columns.
    """
    fields, is_turned = _plane(g, layer)
    kernel = derived.kernel_values(g, layer)[0].transpose(2, 0, 1)
    if is_turned:
        kernel = kernel.transpose(0, 2, 1)
    spread = np.zeros((*kernel.shape[:2], fields["kernel_columns"]), kernel.dtype)
    spread[..., :: layer.dilation[0 if is_turned else 1]] = kernel
    return fields, spread, is_turned


def _plane(g: graph.Graph, layer: graph.DepthwiseConv2D) -> tuple[dict[str, int], bool]:
    """The window of a depthwise convolution, and whether rows are columns.

    Pixels of a line are computed together: rows and columns change places where that
    makes fewer of them. Columns that the kernel skips are taps, since taps meet
    neighbors.
    """
    _, *taps, depth = g.tensors[layer.weights].shape
    fields = window(g, layer, taps, depth)
    turned = dict(fields)
    for one, other in (
        *((f"{name}rows", f"{name}columns") for name in ("", "kernel_", "output_")),
        *((f"row_{name}", f"column_{name}") for name in ("stride", "dilation")),
        ("top", "left"),
    ):
        turned[one], turned[other] = fields[other], fields[one]
    is_turned = _line_steps(turned) < _line_steps(fields)
    if is_turned:
        fields = turned
    size = (fields["kernel_columns"] - 1) * fields["column_dilation"] + 1
    return {**fields, "kernel_columns": size, "column_dilation": 1}, is_turned


def _line_steps(fields: Mapping[str, int]) -> int:
    """A measure of a plane's work: pairs of taps, of four pixels at once."""
    fours = -(-fields["output_columns"] // depthwise_kernels.PIXELS)
    reach = (fields["kernel_columns"] - 1) * fields["column_dilation"] + 1
    return fields["output_rows"] * fours * fields["kernel_rows"] * -(-reach // 2)


def _plane_bytes(fields: Mapping[str, int], rows: int) -> int:
    """Scratch memory of a depthwise convolution that computes `rows` rows at a time.

    Taps, a plane, and what the last pixels read behind it: `depthwise_kernels`.
    """
    paired = -(-fields["kernel_columns"] // 2) * 2
    stride = fields["column_stride"]
    line = -(-((fields["output_columns"] - 1) * stride + paired) // 2) * 2
    reach = (fields["kernel_rows"] - 1) * fields["row_dilation"] + 1
    lines = (rows - 1) * fields["row_stride"] + reach
    behind = (depthwise_kernels.PIXELS - 1) * stride
    return 2 * (fields["kernel_rows"] * paired + lines * line + behind)


def strip_rows(g: graph.Graph, layer: graph.DepthwiseConv2D) -> int:
    """Rows of a depthwise convolution's output that are computed at once."""
    fields = _plane(g, layer)[0]
    rows = fields["output_rows"]
    while rows > 1 and _plane_bytes(fields, rows) > MAX_PLANE_BYTES:
        rows -= 1
    return rows


def vector_tile(g: graph.Graph, layer: graph.DepthwiseConv2D) -> tuple[int, int] | None:
    """Rows and columns that cores with MVE compute at once.

    As many as the memory of a plane allows, or `PIXELS` of a line: those for which the
    fewest pixels are copied. None where a sum of two products outgrows int16, a channel
    has several results, a sum cannot be doubled, or a tile takes too much memory.
    """
    source, result = g.tensors[layer.inputs[0]], g.tensors[layer.output]
    if source.dtype != "int8" or source.shape[-1] != result.shape[-1]:
        return None
    if derived.kernel_values(g, layer).min() == -128 or not _is_small(g, layer):
        return None
    fields = _plane(g, layer)[0]
    rows, columns = fields["output_rows"], fields["output_columns"]
    smallest = (1, min(columns, depthwise_kernels.PIXELS))
    least = _vector_bytes(fields, smallest)
    if least > MAX_VECTOR_BYTES:
        return None
    most = max(_plane_bytes(fields, strip_rows(g, layer)), least)
    tiles = [smallest]
    for height in range(1, rows + 1):
        width = columns
        while width and _vector_bytes(fields, (height, width)) > most:
            width -= 1
        if not width:
            break
        tiles.append((height, width))

    def copied(tile: tuple[int, int]) -> int:
        height, width = tile
        count = -(-rows // height) * -(-columns // width)
        return count * math.prod(_vector_plane(fields, tile))

    return min(tiles, key=copied)


def _vector_plane(fields: Mapping[str, int], tile: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the input that a tile of the output is made of."""
    rows, columns = tile
    return (
        (rows - 1) * fields["row_stride"]
        + (fields["kernel_rows"] - 1) * fields["row_dilation"]
        + 1,
        (columns - 1) * fields["column_stride"] + fields["kernel_columns"],
    )


def _vector_bytes(fields: Mapping[str, int], tile: tuple[int, int]) -> int:
    """Scratch memory of `vector_depthwise`: taps and a plane of 16 channels."""
    taps = fields["kernel_rows"] * fields["kernel_columns"]
    return vector_depthwise.LANES * (taps + math.prod(_vector_plane(fields, tile)))


def line_taps(g: graph.Graph, layer: graph.DepthwiseConv2D) -> int:
    """Taps of a row of a depthwise kernel as it is written."""
    return _plane(g, layer)[0]["kernel_columns"]


def scratch_dtype(g: graph.Graph, layer: graph.Layer) -> str:
    """Values in scratch memory: those of the input, or of a plane."""
    is_plane = isinstance(layer, graph.DepthwiseConv2D)
    return "int16" if is_plane else g.tensors[layer.inputs[0]].dtype


def weight_bytes(g: graph.Graph, layer: graph.Weighted) -> int:
    """Bytes of the weights' array."""
    if isinstance(layer, CONVOLUTIONS):
        return len(_packed(g, layer))
    if isinstance(layer, graph.DepthwiseConv2D):
        return _planes(g, layer)[1].size
    return g.tensors[layer.weights].num_elements


def column_taps(g: graph.Graph, layer: graph.Layer) -> int:
    """Taps of a channel, with what fills them up."""
    assert isinstance(layer, graph.Weighted)
    return -(-math.prod(g.tensors[layer.weights].shape[1:]) // UNROLLED) * UNROLLED


def lies_in_columns(g: graph.Graph, layer: graph.Layer) -> bool:
    """Whether the input itself is columns after each other."""
    assert isinstance(layer, graph.Weighted)
    source, kernel = g.tensors[layer.inputs[0]].shape, g.tensors[layer.weights].shape
    if math.prod(kernel[1:]) % UNROLLED:
        return False
    if isinstance(layer, graph.Dense):
        # Whatever axes its input has: rows of as many values as a kernel.
        return True
    if kernel[-1] != source[-1]:
        return False
    strides, padding, dilation = derived.sliding(layer)
    is_tiled = strides[-1] == kernel[-2] and source[-2] % kernel[-2] == 0
    is_line = math.prod((*kernel[1:-2], *strides[:-1], dilation[-1])) == 1
    return is_tiled and is_line and not any(map(any, padding))


def _weights(g: graph.Graph, layer: graph.Weighted, name: str) -> str:
    """The array of a convolution's weights.

    With int8, the order of four taps is the core's: those whose inputs become one pair
    follow each other (`convolution_kernels.order`), so that even bytes of a word are
    two taps of one channel, odd bytes those of the other.
    """
    values = _packed(g, layer)
    if g.tensors[layer.inputs[0]].dtype != "int8":
        return literals.array("ALIGNED int8_t", name, values)
    fours = zip(*(iter(map(str, values)),) * (2 * UNROLLED), strict=True)
    taps = [f"TAPS({', '.join(each)})" for each in fours]
    return literals.array("ALIGNED int8_t", name, taps, len(values), "BEHIND")


def _packed(g: graph.Graph, layer: graph.Weighted) -> list[int]:
    """Weights of two channels in turn, tap by tap.

    Taps are filled up with zeros, and so is a last channel of each group that has no
    other one to be paired with.
    """
    kernel = derived.kernel_values(g, layer)
    groups = 1
    if not isinstance(layer, graph.Dense):
        groups = g.tensors[layer.inputs[0]].shape[-1] // kernel.shape[-1]
    kernel = kernel.reshape(groups, len(kernel) // groups, -1)
    taps = column_taps(g, layer)
    fill = (kernel.shape[1] % 2, taps - kernel.shape[2])
    kernel = np.pad(kernel, ((0, 0), (0, fill[0]), (0, fill[1])))
    return kernel.reshape(-1, 2, taps).transpose(0, 2, 1).ravel().tolist()


def _dense_window(g: graph.Graph, layer: graph.Dense) -> place.Fields:
    """A kernel of one pixel on a line of all rows."""
    units, depth = g.tensors[layer.weights].shape
    rows = g.tensors[layer.inputs[0]].num_elements // depth
    ones = ("kernel_rows", "kernel_columns", "row_stride", "column_stride")
    return {
        **{"rows": 1, "columns": rows, "channels": depth},
        **dict.fromkeys(ones, 1),
        **{"kernel_channels": depth, "row_dilation": 1, "column_dilation": 1},
        **{"output_rows": 1, "output_columns": rows, "output_channels": units},
    }


def _scaling(
    g: graph.Graph,
    layer: graph.Weighted,
    label: str,
    is_wide: bool,
    bias: graph.Array,
) -> list[str]:
    """Biases, multipliers and shifts of the channels, and the struct of them."""
    # A channel of factor 0 may as well be shifted to the right.
    multipliers, shifts = zip(
        *(
            (multiplier, shift if multiplier else -1)
            for multiplier, shift in derived.channel_factors(g, layer)
        ),
        strict=True,
    )
    if is_wide:
        multipliers = tuple(map(fixed_point.reduced_multiplier, multipliers))
        shifts = tuple(15 - shift for shift in shifts)
    bits = 64 if is_wide else 32
    # Vectors read a few elements more.
    is_int8 = g.tensors[layer.inputs[0]].dtype == "int8"
    more = "MORE" if is_int8 and isinstance(layer, CONVOLUTIONS) else ""
    tables = []
    # Sums of the kernels of convolutions begin with it.
    has_bias = bias.any() or not (is_wide or isinstance(layer, graph.TransposeConv2D))
    if has_bias:
        values = bias.astype(np.int64).astype(f"int{bits}").tolist()
        name = f"{label}_bias"
        tables.append(literals.array(f"int{bits}_t", name, values, behind=more))
    multiplier_type = "int16_t" if is_wide else "int32_t"
    multiplier_name = f"{label}_multiplier"
    tables += [
        literals.array(multiplier_type, multiplier_name, multipliers, behind=more),
        literals.array("int8_t", f"{label}_shift", shifts, behind=more),
    ]
    fields = {
        "bias": f"{label}_bias" if has_bias else "0",
        "multiplier": f"{label}_multiplier",
        "shift": f"{label}_shift",
        "input_zero": derived.zero_point(g, layer.inputs[0]),
        **place.bounds(g, layer),
    }
    if not is_wide:
        fields["is_small"] = int(_is_small(g, layer))
    struct = "wide_scaling" if is_wide else "scaling"
    return [*tables, literals.struct(struct, f"{label}_scaling", fields)]


def _is_small(g: graph.Graph, layer: graph.Weighted) -> bool:
    """Whether all factors shift to the right, and all sums can be doubled."""
    factors = derived.channel_factors(g, layer)
    shifts = [shift for multiplier, shift in factors if multiplier]
    return max(shifts, default=-1) < 0 and _has_small_sums(g, layer)


def _has_small_sums(g: graph.Graph, layer: graph.Weighted) -> bool:
    """Whether no sum with its bias can reach 2^30, whatever the input."""
    kernel = np.abs(derived.kernel_values(g, layer))
    axis = -1 if isinstance(layer, graph.DepthwiseConv2D) else 0
    weights = np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1).sum(axis=1)
    source = g.tensors[layer.inputs[0]]
    zero, limits = derived.zero_point(g, source.name), np.iinfo(source.dtype)
    most = max(limits.max - zero, zero - limits.min)
    sums = weights * most + np.abs(derived.bias_values(g, layer))
    return int(sums.max()) <= MAX_SMALL_SUM
