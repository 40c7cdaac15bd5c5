"""Which graphs can be simulated, as tables; each limit is one of TFLite Micro's own."""

from collections.abc import Iterator

import numpy as np

from tfpipeline.ir import graph, layer_rules
from tfpipeline.numerics import affine
from tfpipeline.simulate import activation_functions, derived, interpolation

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

# Kernels of int16 without a version for int32 biases.
_INT64_BIAS_ONLY = (graph.DepthwiseConv2D, graph.TransposeConv2D)


def reasons(g: graph.Graph) -> list[str]:
    """Everything that keeps a verified graph from being simulated; empty if nothing."""
    found = [
        f"{layer.kind} '{layer.name}' is not simulated: {reason}"
        for layer in g.layers
        for reason in _of_layer(g, layer)
    ]
    if (len(g.inputs), len(g.outputs)) != (1, 1):
        found.append(
            "one input and one output are supported; found "
            f"{len(g.inputs)} and {len(g.outputs)}"
        )
    return found


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
    return (*layer.inputs, layer.output)


def _of_layer(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
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
        if dtype == "int16" and derived.zero_point(g, name) != 0:
            yield f"the zero point of the int16 tensor '{name}' must be 0"
    if isinstance(layer, graph.Weighted):
        yield from _of_wide_kernel(g, layer)
    if isinstance(layer, _INT64_BIAS_ONLY):
        is_wide = derived.has_wide_sums(g, layer)
        if dtypes[0] == "int16" and not is_wide:
            yield "beside int16 its bias must be int64; found int32"
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
        yield from _of_function(g, layer, dtypes[0])


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


def _of_wide_kernel(g: graph.Graph, layer: graph.Weighted) -> Iterator[str]:
    if g.tensors[layer.weights].dtype != "int16":
        return
    kernel = derived.kernel_values(g, layer)
    axis = layer_rules.channel_axis(layer, kernel.shape)
    others = tuple(i for i in range(kernel.ndim) if i != axis)
    sums = int(np.abs(kernel).sum(axis=others).max()) * 2**15
    largest = sums + int(np.abs(derived.bias_values(g, layer)).max())
    if largest >= affine.MAX_WIDE_SUM:
        yield f"its sums reach {largest}; they must stay below {affine.MAX_WIDE_SUM}"


def _of_function(
    g: graph.Graph, layer: graph.Activation | graph.Softmax, dtype: str
) -> Iterator[str]:
    name = layer.function if isinstance(layer, graph.Activation) else "softmax"
    source, result = derived.quant(g, layer.inputs[0]), derived.quant(g, layer.output)
    reason = activation_functions.NOT_SUPPORTED.get((name, dtype))
    if reason is not None:
        yield f"{name} of {dtype}: {reason}"
    wanted = affine.FIXED_OUTPUTS.get((name, dtype))
    if wanted is not None and wanted != (result.scale[0], result.zero_point[0]):
        yield (
            f"{name} of {dtype} writes the scale {wanted[0]:g} and the zero point "
            f"{wanted[1]}; found {result.scale[0]:g} and {result.zero_point[0]}"
        )
    if name == "hard_swish" and source.scale[0] >= 127 * result.scale[0]:
        yield "the output's scale must be at least a 127th of the input's"
