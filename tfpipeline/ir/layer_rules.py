"""Rules of single layers: shapes, types and scales of what they read and write.

They may assume that the rules of structure hold.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from tfpipeline.ir import geometry, graph, recurrent_rules, rule, structure_rules

# (input, kernel, output) -> types that the bias may have. The integer rows are those of
# TFLite: quantization spec, https://ai.google.dev/edge/litert/models/quantization_spec,
# where int16 activations take int64 biases, or int32 from quantization-aware training.
# Int32 results are sums that a target hands out as they are (MAX78000, 32-bit output).
# Int16 kernels are ours: simulated for studies of number formats, run by no target.
WEIGHTED_TYPES: dict[tuple[str, str, str], tuple[str, ...]] = {
    ("float32", "float32", "float32"): ("float32",),
    ("int8", "int8", "int8"): ("int32",),
    ("int8", "int8", "int32"): ("int32",),
    ("int16", "int8", "int16"): ("int64", "int32"),
    ("int16", "int16", "int16"): ("int64",),
}
ACTIVATION_TYPES = ("float32", "int8", "int16")
# Of the input of PRelu, its slopes and its output: micro/kernels/prelu_common.cc.
SLOPED_TYPES = (
    ("float32", "float32", "float32"),
    ("int8", "int8", "int8"),
    ("int16", "int8", "int16"),
)
# Of positions, by the type of the input.
POSITION_TYPES = {
    "float32": ("float32", "int32", "int64"),
    "int8": ("int32", "int64"),
    "int16": ("int32", "int64"),
}
# Of the input of Softmax and its output: micro/kernels/softmax_common.cc.
SOFTMAX_TYPES = (
    *((dtype, dtype) for dtype in ACTIVATION_TYPES),
    ("int8", "int16"),
)
RESHAPED_TYPES = (*ACTIVATION_TYPES, "int32")
REQUANTIZED_TYPES = ("uint8", "int8", "int16", "int32")

# Layers that move or compare integers and cannot change their scale.
SCALE_KEEPING = (
    graph.MaxPool,
    graph.AveragePool,
    graph.Extremum,
    graph.Reduction,
    graph.Concat,
    graph.Split,
    graph.Pack,
    graph.Unpack,
    graph.Pad,
    graph.PadV2,
    graph.Gather,
    graph.ResizeBilinear,
    graph.Reshape,
    graph.SpaceToDepth,
)
# Of these, the ones with several operands, which must have one scale.
JOINING = (graph.Concat, graph.Pack, graph.Extremum, graph.PadV2)
# Layers that read two tensors; all others but Concat read one.
_PAIRS = (graph.Elementwise, graph.Extremum, graph.PadV2, graph.PRelu)
MIRROR_MODES = ("reflect", "symmetric")
WINDOWED = (
    graph.Conv1D,
    graph.Conv2D,
    graph.DepthwiseConv2D,
    graph.TransposeConv2D,
    graph.Pool,
)

_Check = Callable[[graph.Graph, graph.Layer], Iterator[str]]


def _arity(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    count = len(layer.inputs)
    if isinstance(layer, (graph.Concat, graph.Pack)):
        if count < 1:
            yield "no inputs"
    elif count != (2 if isinstance(layer, _PAIRS) else 1):
        yield f"{count} inputs"
    elif isinstance(layer, graph.PadV2) and layer.inputs[1] not in g.constants:
        yield f"the value '{layer.inputs[1]}' that is no constant"


def _attributes(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    for field in ("strides", "dilation", "kernel_size"):
        value = getattr(layer, field, None)
        if value is not None and (
            len(value) != _planar(layer) or min(value, default=1) < 1
        ):
            yield f"{field} {value}"
    if not _is_padding(layer):
        yield f"padding {getattr(layer, 'padding', ())}"
    clamp = getattr(layer, "clamp", graph.NO_CLAMP)
    if not clamp.minimum < clamp.maximum:
        yield f"clamp {clamp}"
    if isinstance(layer, graph.Activation):
        if layer.function not in graph.ACTIVATION_FUNCTIONS:
            yield f"function {layer.function!r}"
    elif isinstance(layer, graph.Softmax) and not 0 < layer.beta < math.inf:
        yield f"beta {layer.beta}"
    elif isinstance(layer, graph.Stateful):
        yield from recurrent_rules.attributes(layer)
    elif isinstance(layer, graph.SpaceToDepth) and layer.block_size < 1:
        yield f"block size {layer.block_size}"
    elif isinstance(layer, graph.LeakyRelu) and not math.isfinite(layer.alpha):
        yield f"alpha {layer.alpha}"
    elif isinstance(layer, graph.MirrorPad) and layer.mode not in MIRROR_MODES:
        yield f"mode {layer.mode!r}"
    elif isinstance(layer, graph.StridedSlice) and 0 in layer.steps:
        yield f"steps {layer.steps}"


def _is_padding(layer: graph.Layer) -> bool:
    """Whether padding is not negative, but behind what kernels reach."""
    padding: graph.Padding = getattr(layer, "padding", ())
    if not isinstance(layer, graph.TransposeConv2D):
        return all(min(pair) >= 0 for pair in padding)
    return all(
        before >= 0 and after > -stride
        for (before, after), stride in zip(padding, layer.strides, strict=False)
    )


def _planar(layer: graph.Layer) -> int:
    """How many spatial axes a layer's windows have."""
    if isinstance(layer, graph.Pool):
        return len(layer.padding)
    return 1 if isinstance(layer, graph.Conv1D) else 2


def _weighted_shapes(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    if not isinstance(layer, graph.Weighted):
        return
    source, kernel, result = _operands(g, layer)
    wanted = len(result)
    if layer.bias is not None:
        bias = g.tensors[layer.bias].shape
        if math.prod(bias) != result[-1] or bias[-1:] != result[-1:]:
            yield f"bias {bias} for {result[-1]} channels"
    if isinstance(layer, graph.Dense):
        rows = math.prod(source) // kernel[-1]
        if len(kernel) != 2 or math.prod(source) != rows * kernel[-1]:
            yield f"kernel {kernel} on input {source}"
        elif result[-1] != kernel[0] or math.prod(result) != rows * kernel[0]:
            yield f"output {result} of kernel {kernel} on input {source}"
        return
    if not len(source) == len(kernel) == wanted:
        yield f"kernel {kernel} on input {source} and output {result}"
    elif isinstance(layer, graph.DepthwiseConv2D):
        if kernel[0] != 1 or kernel[-1] != result[-1] or kernel[-1] % source[-1]:
            yield f"kernel {kernel} on {source[-1]} channels to {result[-1]}"
    elif isinstance(layer, graph.TransposeConv2D):
        if (kernel[0], kernel[-1]) != (result[-1], source[-1]):
            yield f"kernel {kernel} on {source[-1]} channels to {result[-1]}"
    else:
        groups, rest = divmod(source[-1], kernel[-1])
        if rest or kernel[0] != result[-1] or result[-1] % groups:
            yield f"kernel {kernel} on {source[-1]} channels to {result[-1]}"


def _operands(
    g: graph.Graph, layer: graph.Weighted
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    names = (layer.inputs[0], layer.weights, layer.output)
    source, kernel, result = (g.tensors[name].shape or (1,) for name in names)
    return source, kernel, result


def _window_shapes(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    if not isinstance(layer, WINDOWED):
        return
    source, result = g.tensors[layer.inputs[0]].shape, g.tensors[layer.output].shape
    kernel, dilation = _taps(g, layer)
    planar = _planar(layer)
    windows = (kernel, layer.strides, layer.padding)
    if len(source) != planar + 2 or {len(values) for values in windows} != {planar}:
        yield f"input {source}, kernel {kernel}, padding {layer.padding}"
        return
    axes = zip(source[1:-1], *windows, dilation, strict=True)
    if isinstance(layer, graph.TransposeConv2D):
        plane = tuple(geometry.transposed_size(*axis[:-1]) for axis in axes)
    else:
        plane = tuple(geometry.output_size(*axis) for axis in axes)
    channels = source[-1:] if isinstance(layer, graph.Pool) else result[-1:]
    if result != (source[0], *plane, *channels):
        yield f"{result} from {source}; the window gives {plane}"


def _extents(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    """Planes that execution makes: padded inputs, and transposed outputs uncropped."""
    if not isinstance(layer, WINDOWED):
        return
    source = g.tensors[layer.inputs[0]].shape
    kernel, _ = _taps(g, layer)
    if isinstance(layer, graph.TransposeConv2D):
        axes = zip(source[1:-1], layer.strides, kernel, strict=False)
        plane = [(size - 1) * stride + taps for size, stride, taps in axes]
    else:
        pairs = zip(source[1:-1], layer.padding, strict=False)
        plane = [size + sum(pair) for size, pair in pairs]
    elements = math.prod((*plane, *source[-1:]))
    if elements > structure_rules.MAX_ELEMENTS:
        yield f"{elements:,} elements"


def _taps(
    g: graph.Graph, layer: graph.Layer
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Kernel size and dilation of a layer with windows."""
    if isinstance(layer, graph.Pool):
        return layer.kernel_size, (1,) * len(layer.kernel_size)
    assert isinstance(layer, graph.Weighted)
    size = g.tensors[layer.weights].shape[1:-1]
    return size, getattr(layer, "dilation", (1,) * len(size))


def _other_shapes(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    sources = [g.tensors[name].shape for name in layer.inputs]
    source, result = sources[0], g.tensors[layer.output].shape
    expected: tuple[int, ...] | None = source
    if isinstance(layer, (graph.Weighted, graph.Pool)):
        return
    if isinstance(layer, graph.Stateful):
        yield from recurrent_rules.shapes(g, layer)
        return
    if isinstance(layer, graph.Several):
        yield from _shapes_of_parts(g, layer)
        return
    if isinstance(layer, (graph.Elementwise, graph.Extremum, graph.PRelu)):
        try:
            expected = np.broadcast_shapes(*sources)
        except ValueError:
            expected = None
        if isinstance(layer, graph.PRelu) and expected != source:
            expected = None
    elif isinstance(layer, (graph.Mean, graph.Reduction)):
        kept = tuple(1 if i in layer.axes else s for i, s in enumerate(source))
        dropped = tuple(s for i, s in enumerate(source) if i not in layer.axes)
        if not all(0 <= axis < len(source) for axis in layer.axes):
            expected = None
        else:
            expected = dropped if result == dropped else kept
    elif isinstance(layer, graph.Position):
        expected = None
        if 0 <= layer.axis < len(source):
            expected = (*source[: layer.axis], *source[layer.axis + 1 :])
    elif isinstance(layer, graph.Concat):
        expected = _concatenated(sources, layer.axis)
    elif isinstance(layer, graph.Pack):
        expected = _stacked(sources, layer.axis)
    elif isinstance(layer, (graph.Pad, graph.PadV2, graph.MirrorPad)):
        expected = None
        if len(layer.padding) == len(source):
            pairs = zip(source, layer.padding, strict=True)
            expected = tuple(size + sum(pair) for size, pair in pairs)
        if isinstance(layer, graph.PadV2) and math.prod(sources[1]) != 1:
            expected = None
        if isinstance(layer, graph.MirrorPad) and not _is_mirrored(layer, source):
            expected = None
    elif isinstance(layer, graph.Transpose):
        expected = None
        if sorted(layer.permutation) == list(range(len(source))):
            expected = tuple(source[axis] for axis in layer.permutation)
    elif isinstance(layer, (graph.Slice, graph.StridedSlice)):
        expected = _sliced(layer, source, result)
    elif isinstance(layer, (graph.ResizeNearestNeighbor, graph.ResizeBilinear)):
        is_plane = len(source) == len(result) == 4
        expected = (source[0], *result[1:3], source[3]) if is_plane else None
    elif isinstance(layer, graph.Reshape):
        expected = result if math.prod(result) == math.prod(source) else None
    elif isinstance(layer, graph.SpaceToDepth):
        expected = _blocks(source, layer.block_size)
    if result != expected:
        yield f"{result} from {', '.join(map(str, sources))}"


def _shapes_of_parts(g: graph.Graph, layer: graph.Several) -> Iterator[str]:
    """What is cut from an input is what would be joined to it again."""
    source = g.tensors[layer.inputs[0]].shape
    parts = [g.tensors[name].shape for name in graph.written_names(layer)]
    joined = None
    if isinstance(layer, graph.Split):
        joined = _concatenated(parts, layer.axis)
    elif isinstance(layer, graph.Unpack):
        joined = _stacked(parts, layer.axis)
    if joined != source:
        yield f"{', '.join(map(str, parts))} from {source}"


def _stacked(sources: list[tuple[int, ...]], axis: int) -> tuple[int, ...] | None:
    first = sources[0]
    if len(set(sources)) != 1 or not 0 <= axis <= len(first):
        return None
    return (*first[:axis], len(sources), *first[axis:])


def _concatenated(sources: list[tuple[int, ...]], axis: int) -> tuple[int, ...] | None:
    first = sources[0]
    if not 0 <= axis < len(first):
        return None
    rests = {(*s[:axis], *s[axis + 1 :]) for s in sources if len(s) == len(first)}
    if len(rests) != 1 or any(len(s) != len(first) for s in sources):
        return None
    return (*first[:axis], sum(s[axis] for s in sources), *first[axis + 1 :])


def _is_mirrored(layer: graph.MirrorPad, source: tuple[int, ...]) -> bool:
    """Whether there are as many values to be mirrored as are asked for."""
    offset = 1 if layer.mode == "reflect" else 0
    pairs = zip(source, layer.padding, strict=True)
    return all(max(pair) <= size - offset for size, pair in pairs)


def _sliced(
    layer: graph.Slice | graph.StridedSlice,
    source: tuple[int, ...],
    result: tuple[int, ...],
) -> tuple[int, ...] | None:
    """The shape of a slice, without the axes of one value that `result` leaves out."""
    steps = getattr(layer, "steps", (1,) * len(source))
    if {len(layer.begin), len(layer.size), len(steps)} != {len(source)}:
        return None
    for begin, count, step, whole in zip(
        layer.begin, layer.size, steps, source, strict=True
    ):
        last = begin + (count - 1) * step
        if count < 1 or not 0 <= begin < whole or not 0 <= last < whole:
            return None
        if count == 1 and step != 1:
            return None
    is_strided = isinstance(layer, graph.StridedSlice)
    if is_strided and geometry.dropped_axes(layer.size, result) is not None:
        return result
    return layer.size


def _blocks(source: tuple[int, ...], size: int) -> tuple[int, ...] | None:
    if len(source) != 4 or source[1] % size or source[2] % size:
        return None
    batch, height, width, channels = source
    return (batch, height // size, width // size, channels * size * size)


def _types(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    names = (*layer.inputs, *graph.written_names(layer))
    types = [g.tensors[name].dtype for name in names]
    if isinstance(layer, graph.Weighted):
        key = (types[0], g.tensors[layer.weights].dtype, types[1])
        if key not in WEIGHTED_TYPES:
            yield f"input {key[0]}, kernel {key[1]}, output {key[2]}"
        elif layer.bias is not None:
            bias = g.tensors[layer.bias].dtype
            if bias not in WEIGHTED_TYPES[key]:
                yield f"bias {bias} beside {key[0]}"
    elif isinstance(layer, graph.Stateful):
        yield from recurrent_rules.types(g, layer)
    elif isinstance(layer, graph.Requantize):
        if not set(types) <= set(REQUANTIZED_TYPES):
            yield f"{types[0]} to {types[1]}"
    elif isinstance(layer, graph.Position):
        if types[0] not in ACTIVATION_TYPES or types[1] not in POSITION_TYPES[types[0]]:
            yield f"{types[0]} to {types[1]}"
    elif isinstance(layer, graph.PRelu):
        if tuple(types) not in SLOPED_TYPES:
            yield ", ".join(types)
    elif isinstance(layer, graph.Softmax):
        if tuple(types) not in SOFTMAX_TYPES:
            yield f"{types[0]} to {types[1]}"
    else:
        is_reshape = isinstance(layer, graph.Reshape)
        valid = RESHAPED_TYPES if is_reshape else ACTIVATION_TYPES
        if len(set(types)) != 1 or types[0] not in valid:
            yield ", ".join(types)


def channel_axis(layer: graph.Layer, kernel: tuple[int, ...]) -> int:
    """The axis that the output channels of a kernel of this shape lie along."""
    return len(kernel) - 1 if isinstance(layer, graph.DepthwiseConv2D) else 0


def _scales(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    names = layer.inputs
    if not isinstance(layer, graph.Position):
        names += graph.written_names(layer)
    tensors = [g.tensors[name] for name in names]
    tensors += [g.tensors[name] for name in graph.state_names(layer)]
    kernels = [g.tensors[name] for name in graph.kernel_names(layer)]
    for tensor in (*tensors, *kernels):
        is_kernel = any(tensor is each for each in kernels)
        quant = tensor.quant
        if tensor.dtype == "float32":
            continue
        if quant is None:
            yield f"'{tensor.name}' of {tensor.dtype} without a scale"
        elif not all(scale > 0 for scale in quant.scale) and not is_kernel:
            yield f"'{tensor.name}' with the scale {quant.scale[0]}"
        elif quant.axis is not None and not is_kernel:
            yield f"'{tensor.name}' with {len(quant.scale)} scales"
        elif quant.axis is not None and quant.axis != channel_axis(layer, tensor.shape):
            yield f"'{tensor.name}' with scales along axis {quant.axis}"
        elif len(set(quant.zero_point)) > 1:
            yield f"'{tensor.name}' with different zero points"
    if isinstance(layer, SCALE_KEEPING):
        result = tensors[len(layer.inputs)]
        for tensor in tensors[: len(names)]:
            if tensor.quant != result.quant:
                yield f"'{tensor.name}' and '{result.name}' of different scales"


def _each_layer(check: _Check) -> Callable[[graph.Graph], Iterator[rule.Breach]]:
    def breaches(g: graph.Graph) -> Iterator[rule.Breach]:
        for layer in g.layers:
            if isinstance(layer, graph.Unknown):
                continue
            for found in check(g, layer):
                yield rule.subject(layer), found

    return breaches


# What the rules of operands rely on.
ATTRIBUTE_RULES = (
    rule.Rule(
        "IR-ARITY",
        "Concat and Pack read one or more tensors, Add, Sub, Mul, Minimum, Maximum, "
        "PRelu and PadV2 (a constant second) two, all others one",
        _each_layer(_arity),
    ),
    rule.Rule(
        "IR-ATTRIBUTES",
        "strides, dilation and sizes must be positive, one for each spatial axis, "
        "padding not negative, bounds in order, steps not 0, slopes finite, modes one "
        f"of {', '.join(MIRROR_MODES)}, functions one of those in docs/operators.md",
        _each_layer(_attributes),
    ),
)
OPERAND_RULES = (
    rule.Rule(
        "IR-KERNEL",
        "kernel and bias must fit the channels of the input and output",
        _each_layer(_weighted_shapes),
    ),
    rule.Rule(
        "IR-WINDOW",
        "the output's shape must be what strides, padding and dilation give",
        _each_layer(_window_shapes),
    ),
    rule.Rule(
        "IR-EXTENT",
        "an input with its padding, which grows with the dilation, may have at most "
        f"{structure_rules.MAX_ELEMENTS:,} elements, and so may what a transposed "
        "convolution makes before it is cropped",
        _each_layer(_extents),
    ),
    rule.Rule(
        "IR-RESULT",
        "the output's shape must follow from the inputs'",
        _each_layer(_other_shapes),
    ),
    rule.Rule(
        "IR-OPERANDS",
        "types must be all float32, int8 (int32 bias, and so may be the result of "
        "weights), or int16 with kernels of int8 (int64, int32 bias) or int16 (int64); "
        "slopes int8 beside integers, positions int32 or int64, and a softmax of int8 "
        "may be int16",
        _each_layer(_types),
    ),
    rule.Rule(
        "IR-SCALES",
        "integer activations need one positive scale, kernels one or one an output "
        "channel with the same zero points, and layers that only move integers keep it",
        _each_layer(_scales),
    ),
)
