"""Which graphs can be simulated, as tables; each limit is one of TFLite Micro's own."""

import math
from collections.abc import Iterator

import numpy as np

from tfpipeline.ir import graph, layer_rules
from tfpipeline.numerics import affine
from tfpipeline.simulate import (
    activation_functions,
    derived,
    fixed_point,
    interpolation,
    recurrent,
)

BOTH = ("int8", "int16")

# Types of input and output that a kind is defined for, where they are equal.
TYPES: dict[type[graph.Layer], tuple[str, ...]] = {
    graph.Conv1D: BOTH,
    graph.Conv2D: BOTH,
    graph.DepthwiseConv2D: BOTH,
    graph.TransposeConv2D: BOTH,
    graph.Dense: BOTH,
    graph.MaxPool: BOTH,
    graph.AveragePool: BOTH,
    graph.Mean: BOTH,
    graph.Add: BOTH,
    graph.Sub: BOTH,
    graph.Mul: BOTH,
    graph.Minimum: BOTH,
    graph.Maximum: BOTH,
    graph.ReduceMax: ("int8",),
    graph.ReduceMin: ("int8",),
    graph.ArgMax: ("int8",),
    graph.ArgMin: ("int8",),
    graph.Concat: BOTH,
    graph.Split: BOTH,
    graph.Pack: BOTH,
    graph.Unpack: BOTH,
    graph.Pad: BOTH,
    graph.PadV2: BOTH,
    graph.MirrorPad: ("int8",),
    graph.Transpose: BOTH,
    graph.Slice: BOTH,
    graph.StridedSlice: BOTH,
    graph.ResizeNearestNeighbor: BOTH,
    graph.ResizeBilinear: ("int8",),
    graph.Reshape: BOTH,
    graph.SpaceToDepth: ("int8",),
    graph.Softmax: BOTH,
    graph.Activation: BOTH,
    graph.LeakyRelu: BOTH,
    graph.PRelu: BOTH,
    graph.Lstm: BOTH,
    graph.Svdf: ("int8",),
}

# Dimensions that a kernel takes at most: pad.h, transpose_common.cc, slice.cc,
# strided_slice_common.cc.
MAX_RANKS: dict[type[graph.Layer], int] = {
    graph.Pad: 5,
    graph.PadV2: 5,
    graph.Transpose: 5,
    graph.Slice: 5,
    graph.StridedSlice: 4,
}

# Types from which and to which QUANTIZE works: quantize_common.cc.
REQUANTIZED = {
    ("int8", "int8"),
    ("int8", "uint8"),
    ("int8", "int16"),
    ("int8", "int32"),
    ("uint8", "int8"),
    ("int16", "int8"),
    ("int16", "int16"),
    ("int16", "int32"),
    ("int32", "int8"),
    ("int32", "int16"),
}

# How far the scale of a function's result may be from its power of two, in int16.
_LOG2_TOLERANCE = 1e-3

# Kernels of int16 without a version for int32 biases.
_INT64_BIAS_ONLY = (graph.DepthwiseConv2D, graph.TransposeConv2D)


def reasons(g: graph.Graph) -> list[str]:
    """Everything that keeps a verified graph from being simulated; empty if nothing."""
    return [
        f"{layer.kind} '{layer.name}' is not simulated: {reason}"
        for layer in g.layers
        for reason in _of_layer(g, layer)
    ]


def misread(g: graph.Graph) -> list[str]:
    """Where TFLite Micro runs a file, and computes what its scales do not say.

    Args:
        g: a verified integer graph, as a file has it.
    """
    return [
        f"{layer.kind} '{layer.name}': {reason}"
        for layer in g.layers
        if not any(_of_types(g, layer))
        for reason in _of_scales(g, layer)
    ]


def undeployable(g: graph.Graph) -> list[str]:
    """What is simulated for studies and run by no target: no writer takes it."""
    wide = [
        f"'{layer.name}'"
        for layer in g.layers
        if isinstance(layer, graph.Weighted)
        and g.tensors[layer.weights].dtype == "int16"
    ]
    if not wide:
        return []
    more = f" and {len(wide) - 3} more" if len(wide) > 3 else ""
    return [
        f"16-bit weights of {', '.join(wide[:3])}{more} are not deployable by TFLite, "
        "which has no kernels for them: wi16_ai16 is a number format for studies"
    ]


def lacking(layer: graph.Layer, dtype: str) -> Iterator[str]:
    """Why there is no kernel of `layer` for activations of `dtype`, if there is none.

    What scales decide is left to `reasons`.
    """
    types = TYPES.get(type(layer), BOTH)
    if dtype not in types:
        yield f"TFLite Micro has it for {' and '.join(types)} only"
    elif isinstance(layer, graph.Activation):
        reason = activation_functions.NOT_SUPPORTED.get((layer.function, dtype))
        if reason is not None:
            yield f"{layer.function} of {dtype}: {reason}"


def _typed(layer: graph.Layer) -> tuple[str, ...]:
    """Names of the activations that a layer's `TYPES` are about."""
    if isinstance(layer, graph.PRelu):
        return (layer.inputs[0], layer.output)
    if isinstance(layer, graph.Position):
        return layer.inputs
    return (*layer.inputs, *graph.written_names(layer))


def _of_layer(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    found = list(_of_types(g, layer))
    # Rules of scales need those of types.
    yield from found or _of_scales(g, layer)


def _of_types(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    names = _typed(layer)
    dtypes = [g.tensors[name].dtype for name in names]
    if isinstance(layer, graph.Requantize):
        if (dtypes[0], dtypes[1]) not in REQUANTIZED:
            pairs = ", ".join(f"{a} to {b}" for a, b in sorted(REQUANTIZED))
            yield f"it turns {dtypes[0]} into {dtypes[1]}; supported are {pairs}"
            return
    elif not set(dtypes) <= set(TYPES[type(layer)]):
        yield f"it has {dtypes[0]} tensors; supported are " + ", ".join(
            TYPES[type(layer)]
        )
        return
    for name, dtype in zip(names, dtypes, strict=True):
        tensor = g.tensors[name]
        if dtype != f"int{tensor.num_bits}" and dtype != f"uint{tensor.num_bits}":
            yield f"'{name}' of {tensor.num_bits} bits must fill its {dtype}"
        is_shifted = dtype == "int16" and derived.zero_point(g, name) != 0
        if is_shifted and not _takes_zero_point(layer, dtypes):
            yield f"the zero point of the int16 tensor '{name}' must be 0"
    if isinstance(layer, (graph.Activation, graph.Softmax)):
        name = _function(layer)
        reason = activation_functions.NOT_SUPPORTED.get((name, dtypes[0]))
        if reason is not None:
            yield f"{name} of {dtypes[0]}: {reason}"


def _takes_zero_point(layer: graph.Layer, dtypes: list[str]) -> bool:
    """Whether a kernel reads and writes int16 with a zero point other than 0.

    quantize_common.cc subtracts and adds it; a softmax of int8 writes one.
    """
    if isinstance(layer, graph.Softmax):
        return dtypes[0] == "int8"
    return isinstance(layer, graph.Requantize)


def _function(layer: graph.Activation | graph.Softmax) -> str:
    return layer.function if isinstance(layer, graph.Activation) else "softmax"


def _of_scales(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    yield from _of_clamp(g, layer)
    yield from _of_factors(g, layer)
    if isinstance(layer, graph.Weighted):
        yield from _of_bias(g, layer)
    if isinstance(layer, (graph.Add, graph.Sub)):
        yield from _of_sum(g, layer)
    if isinstance(layer, graph.Position):
        found = g.tensors[layer.output].dtype
        if found != "int32":
            yield (
                f"it writes {found}, which TFLite Micro does not; make it int32 "
                "(output_type=tf.int32)"
            )
    if isinstance(layer, graph.ResizeBilinear):
        yield from _of_resize(g, layer)
    rank = len(g.tensors[layer.inputs[0]].shape)
    if rank > MAX_RANKS.get(type(layer), rank):
        yield f"it has {rank} dimensions, at most {MAX_RANKS[type(layer)]} are possible"
    if isinstance(layer, (graph.Activation, graph.Softmax)):
        yield from _of_function(g, layer)
    if isinstance(layer, graph.Lstm):
        yield from _of_lstm(g, layer)
    if isinstance(layer, graph.Svdf):
        yield from _of_svdf(g, layer)


def _of_lstm(g: graph.Graph, layer: graph.Lstm) -> Iterator[str]:
    hidden, cell = (derived.quant(g, name) for name in layer.states)
    if any(len(derived.quant(g, n).scale) > 1 for n in graph.kernel_names(layer)):
        yield "its kernels must have one scale each"
        return
    power = recurrent.cell_power(cell.scale[0])
    least, most_power = affine.CELL_POWERS
    if power is None or not least <= power <= most_power or cell.zero_point[0]:
        yield (
            "its cell's scale must be a power of two from 2**-27 to 2, with the zero "
            f"point 0; found {cell.scale[0]:.4g} and {cell.zero_point[0]}"
        )
        return
    result = derived.quant(g, layer.output)
    if (hidden.scale, hidden.zero_point) != (result.scale, result.zero_point):
        yield (
            "its result is its hidden state, whose scale and zero point it must have; "
            f"found {result.scale[0]:.4g} and {result.zero_point[0]} for "
            f"{hidden.scale[0]:.4g} and {hidden.zero_point[0]}; TensorFlow's converter "
            "writes such in front of a CONCATENATION or PACK: put another layer, such "
            "as Dense, between"
        )
    factors = [
        factor
        for gate in recurrent.gates(g, layer)
        for factor in (gate.input_factor, gate.recurrent_factor)
    ]
    is_wide = g.tensors[layer.inputs[0]].dtype == "int16"
    most = fixed_point.MAX_WIDE_SHIFT if is_wide else fixed_point.MAX_SHIFT
    yield from _of_growth([shift for _, shift in factors], most)
    found = recurrent.cell(g, layer)
    shifts = [shift for _, shift in (found.forget, found.taken_in, found.hidden)]
    yield from _of_growth(shifts, fixed_point.MAX_SHIFT)


def _of_svdf(g: graph.Graph, layer: graph.Svdf) -> Iterator[str]:
    if any(len(derived.quant(g, n).scale) > 1 for n in graph.kernel_names(layer)):
        yield "its kernels must have one scale each"
        return
    if any(derived.quant(g, n).zero_point[0] for n in graph.kernel_names(layer)):
        yield "the zero points of its kernels must be 0"
    if g.tensors[layer.states[0]].dtype == "int16" and derived.zero_point(
        g, layer.states[0]
    ):
        yield "the zero point of its state of int16 must be 0"
    state, time = (derived.scale(g, n) for n in (layer.states[0], layer.time_weights))
    bias = g.tensors[layer.bias].quant
    sums = float(np.float32(state) * np.float32(time))
    if bias is None or abs(bias.scale[0] - sums) >= 1e-5:
        found = "none" if bias is None else f"{bias.scale[0]:.3g}"
        yield f"its bias must have the scale of its sums, {sums:.3g}; found {found}"
    if derived.bounds(g, layer) != derived.type_bounds(g, layer.output):
        yield (
            "TFLite Micro leaves out its activation where integers do not saturate at "
            "its bounds"
        )
    yield from _of_growth(
        [shift for _, shift in recurrent.svdf_factors(g, layer)], fixed_point.MAX_SHIFT
    )


def _of_growth(shifts: list[int], most: int) -> Iterator[str]:
    if max(shifts) > most:
        yield (
            f"its integers grow by 2**{max(shifts)} from scale to scale, more than the "
            f"2**{most} that TFLite Micro computes"
        )


def _of_clamp(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    """`Quantize` of kernel_util.cc, which fails where an int32 does not hold it."""
    clamp: graph.Clamp = getattr(layer, "clamp", graph.NO_CLAMP)
    ends = [abs(end) for end in (clamp.minimum, clamp.maximum) if math.isfinite(end)]
    if not ends:
        return
    step = derived.scale(g, layer.output)
    if max(ends) / step >= 2**31:
        yield (
            f"its clamp at {max(ends):g} is beyond int32 in steps of its output's "
            f"scale {step:.3g}"
        )


def _of_factors(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    """Shifts that no kernel computes: `fixed_point.MAX_SHIFT`."""
    factors: list[derived.Factor] = []
    most = fixed_point.MAX_SHIFT
    match layer:
        case graph.Weighted():
            factors = derived.channel_factors(g, layer)
            if derived.has_wide_sums(g, layer):
                most = fixed_point.MAX_WIDE_SHIFT
        case graph.Mul():
            factors = [derived.product_factor(g, layer)]
        case graph.Mean() | graph.Requantize():
            factors = [derived.rescale_factor(g, layer)]
        case graph.Activation(function="relu" | "abs"):
            factors = [derived.rescale_factor(g, layer)]
        case graph.Softmax() if g.tensors[layer.inputs[0]].dtype == "int16":
            factors = [derived.softmax16_factor(g, layer)]
    largest = max((shift for _, shift in factors), default=0)
    if largest > most:
        yield (
            f"its integers grow by 2**{largest} from scale to scale, more than the "
            f"2**{most} that TFLite Micro computes; its output's scale is "
            f"{derived.scale(g, layer.output):.3g}"
        )


def _of_bias(g: graph.Graph, layer: graph.Weighted) -> Iterator[str]:
    is_wide = derived.has_wide_sums(g, layer)
    is_int16 = g.tensors[layer.inputs[0]].dtype == "int16"
    if isinstance(layer, _INT64_BIAS_ONLY) and is_int16 and not is_wide:
        yield "beside int16 its bias must be int64; found int32"
    if is_wide:
        yield from _of_wide_sums(g, layer)
    if isinstance(layer, graph.Dense) and layer.bias is not None:
        yield from _of_dense_bias(g, layer, layer.bias)


def _of_dense_bias(g: graph.Graph, layer: graph.Dense, name: str) -> Iterator[str]:
    """GetQuantizedConvolutionMultipler of kernel_util.cc, for one scale a kernel."""
    kernel, bias = derived.quant(g, layer.weights), g.tensors[name].quant
    if bias is None or len(kernel.scale) > 1:
        return
    sums = derived.scale(g, layer.inputs[0]) * kernel.scale[0]
    if abs(sums - bias.scale[0]) > 0.02 * derived.scale(g, layer.output):
        yield (
            f"its bias must have the scale of its sums, {sums:.3g}; found "
            f"{bias.scale[0]:.3g}"
        )


def _of_sum(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    """QuantizeMultiplierSmallerThanOneExp ends the program: quantization_util.cc."""
    _, _, (_, shift) = derived.sum_factors(g, layer)
    if shift > 0:
        most = max(derived.scale(g, name) for name in layer.inputs)
        parts = 2 ** (derived.sum_shift(g, layer) - 1)
        yield (
            f"the scale of its result must be more than a {parts}th of its operands' "
            f"larger one; found {derived.scale(g, layer.output):.3g} for {most:.3g}"
        )


def _of_resize(g: graph.Graph, layer: graph.ResizeBilinear) -> Iterator[str]:
    """What resize_bilinear.cc refuses, and what it reads behind its input."""
    if layer.align_corners and layer.half_pixel_centers:
        yield "align_corners and half_pixel_centers exclude each other"
        return
    shapes = (g.tensors[n].shape[1:3] for n in (layer.inputs[0], layer.output))
    for size, count in zip(*shapes, strict=True):
        if max(interpolation.integers(layer, size, count).lower) >= size:
            yield (
                f"TFLite Micro's steps of 1/{interpolation.ONE} end behind the input: "
                f"{size} pixels are resized to {count}"
            )


def _of_wide_sums(g: graph.Graph, layer: graph.Weighted) -> Iterator[str]:
    kernel = derived.kernel_values(g, layer)
    axis = layer_rules.channel_axis(layer, kernel.shape)
    others = tuple(i for i in range(kernel.ndim) if i != axis)
    sums = int(np.abs(kernel).sum(axis=others).max()) * 2**15
    largest = sums + max(abs(int(end)) for end in _ends(derived.bias_values(g, layer)))
    if largest > affine.MAX_WIDE_SUM:
        yield f"its sums reach {largest}; they must stay below {affine.MAX_WIDE_SUM}"


def _ends(values: graph.Array) -> tuple[int, int]:
    return int(values.min()), int(values.max())


def _of_function(
    g: graph.Graph, layer: graph.Activation | graph.Softmax
) -> Iterator[str]:
    name, dtype = _function(layer), g.tensors[layer.inputs[0]].dtype
    source, result = derived.quant(g, layer.inputs[0]), derived.quant(g, layer.output)
    written = g.tensors[layer.output].dtype
    wanted = affine.FIXED_OUTPUTS.get((name, dtype))
    if written != dtype:
        wanted = affine.WIDENED_SOFTMAX
    if wanted is not None and not _is_near(wanted, result, written):
        yield (
            f"{name} of {dtype} writes {written} of the scale {wanted[0]:g} and the "
            f"zero point {wanted[1]}; found {result.scale[0]:g} and "
            f"{result.zero_point[0]}"
        )
    if name == "hard_swish" and source.scale[0] >= 128 * result.scale[0]:
        yield "the output's scale must be more than a 128th of the input's"
    if name == "hard_swish":
        yield from _of_hard_swish(source.scale[0], result.scale[0])
    if name == "relu6" and source != result:
        yield activation_functions.unscaled(
            (source.scale[0], source.zero_point[0]),
            (result.scale[0], result.zero_point[0]),
        )
    if name in ("sigmoid", "tanh"):
        yield from _of_curve(name, dtype, source.scale[0])
    if isinstance(layer, graph.Softmax) and dtype == "int8":
        # QuantizeMultiplierGreaterThanOne ends the program: quantization_util.cc.
        least = 2.0 ** (derived.SOFTMAX_DIFF_BITS - 31) / layer.beta
        if source.scale[0] <= least:
            yield f"its input's scale must be more than {least:.3g}"


def _is_near(wanted: tuple[float, int], found: graph.QuantParams, dtype: str) -> bool:
    """Whether a result's scale and zero point are those that a function writes.

    int8 exactly; of int16 softmax_common.cc takes a scale within a thousandth, as
    1/65535 for 1/65536, and CheckedLog2 of quantization_util.cc one a little nearer.
    """
    if dtype == "int8":
        return wanted == (found.scale[0], found.zero_point[0])
    is_near = abs(math.log2(found.scale[0] / wanted[0])) < _LOG2_TOLERANCE
    return is_near and wanted[1] == found.zero_point[0]


def _of_hard_swish(source: float, result: float) -> Iterator[str]:
    """RoundingDivideByPOT of int16, fixedpoint.h: its mask has 16 bits."""
    shift = -min(activation_functions.hard_swish_shifts(source, result))
    if shift > 15:
        yield (
            f"TFLite Micro shifts its 16 bits by {shift}, at most 15 can be; found the "
            f"scales {source:.3g} and {result:.3g}"
        )


def _of_curve(name: str, dtype: str, scale: float) -> Iterator[str]:
    if dtype == "int16":
        end = activation_functions.CURVE16_END
        if scale >= end:
            yield (
                f"{name} of int16 needs an input's scale below {end:.4g}, beyond which "
                f"TFLite Micro's 16 bits overflow; found {scale:.3g}"
            )
        return
    low, end = activation_functions.CURVE_SCALES
    if not low <= scale < end:
        yield (
            f"{name} needs an input's scale from {low:.3g} to {end:.3g}; found "
            f"{scale:.3g}"
        )
