"""What each TFLite operator is in the graph: one plain function an operator."""

from collections.abc import Callable, Sequence
from typing import Any

import tflite

from tfpipeline.ir import (
    geometry,
    graph,
    tflite_file,
    tflite_operation,
    tflite_rewrites,
)

FUNCTIONS = {
    "ABS": "abs",
    "HARD_SWISH": "hard_swish",
    "LOGISTIC": "sigmoid",
    "RELU": "relu",
    "RELU6": "relu6",
    "RELU_0_TO_1": "relu_0_to_1",
    "RELU_N1_TO_1": "relu_n1_to_1",
    "TANH": "tanh",
}

# Why an operator that people do meet has no place in the graph.
NOT_SUPPORTED = {
    "DEQUANTIZE": "part of the network is float; export a full-integer network",
}
_OPEN_BATCH = "the batch is open; convert from a function of batch 1"
# What the converter writes for a dilated convolution of an open batch; of a fixed one
# it is the convolution's own dilation.
_BLOCKS = ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")

Reader = Callable[[tflite_operation.Operation], graph.Layer]


def _weighted(
    operation: tflite_operation.Operation,
    data: int = 0,
    weights: int = 1,
    bias: int = 2,
) -> dict[str, Any]:
    """The fields of a layer with a kernel, from the positions of its operands."""
    for position in (weights, bias) if operation.has(bias) else (weights,):
        if operation.tensor(position).data is None:
            raise operation.error(
                f"the kernel and bias must be constants; input {position} "
                f"'{operation.name(position)}' is not"
            )
    source, kernel = operation.tensor(data).dtype, operation.tensor(weights).dtype
    if source == "float32" and kernel in ("int4", "int8"):
        raise operation.error(
            "integer weights beside float activations (dynamic range quantization) "
            "are not supported; export a full-integer or a float network"
        )
    is_int16 = source == "int16"
    bias_type = operation.operator.options.get("bias_type")
    if is_int16 and not operation.has(bias) and bias_type == tflite.TensorType.INT32:
        raise operation.error(
            "without a bias, sums of 32 bits of int16 are not supported; convert with "
            "64-bit biases, or give the layer a bias"
        )
    return {
        **operation.common(0),
        "inputs": (operation.name(data),),
        "weights": operation.name(weights),
        "bias": operation.name(bias) if operation.has(bias) else None,
        "clamp": operation.clamp(),
    }


def _window(
    operation: tflite_operation.Operation,
    size: tuple[int, int],
    kernel: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> dict[str, Any]:
    """Strides and explicit padding of a window that slides over `size` pixels."""
    options = operation.operator.options
    strides = (options["stride_height"], options["stride_width"])
    if min(*strides, *kernel, *dilation) < 1:
        raise operation.error(
            f"stride {strides}, kernel {kernel} and dilation {dilation} must be "
            "positive"
        )
    padding: graph.Padding = ((0, 0), (0, 0))
    if options["padding"] == tflite.Padding.SAME:
        padding = geometry.same_padding(size, kernel, strides, dilation)
    elif options["padding"] != tflite.Padding.VALID:
        raise operation.error(f"padding {options['padding']} is neither SAME nor VALID")
    return {"strides": strides, "padding": padding}


def _convolution(
    operation: tflite_operation.Operation,
    kind: type[graph.Conv2D] | type[graph.DepthwiseConv2D],
) -> graph.Layer:
    options = operation.operator.options
    dilation = (options["dilation_height"], options["dilation_width"])
    size = operation.plane(operation.tensor(0))
    kernel = operation.plane(operation.tensor(1))
    return kind(
        **_weighted(operation),
        **_window(operation, size, kernel, dilation),
        dilation=dilation,
    )


def _transpose_conv(operation: tflite_operation.Operation) -> graph.Layer:
    size = operation.plane(operation.result())
    if operation.integers(0) != operation.result().shape:
        raise operation.error(
            f"the shape operand {operation.integers(0)} differs from the output's "
            f"{operation.result().shape}"
        )
    # A convolution from the output to the input defines the padding at the start.
    kernel = operation.plane(operation.tensor(1))
    window = _window(operation, size, kernel)
    source = operation.plane(operation.tensor(2))
    axes = zip(source, kernel, window["strides"], window["padding"], size, strict=True)
    window["padding"] = tuple(
        geometry.transposed_padding(count, taps, stride, before, result)
        for count, taps, stride, (before, _), result in axes
    )
    return graph.TransposeConv2D(**_weighted(operation, data=2, bias=3), **window)


def _fully_connected(operation: tflite_operation.Operation) -> graph.Layer:
    if operation.operator.options["weights_format"] != 0:
        raise operation.error("shuffled weights are not supported")
    return graph.Dense(**_weighted(operation))


def _pool(operation: tflite_operation.Operation, kind: type[graph.Pool]) -> graph.Layer:
    options = operation.operator.options
    kernel = (options["kernel_height"], options["kernel_width"])
    size = operation.plane(operation.tensor(0))
    return kind(
        **operation.common(),
        **_window(operation, size, kernel),
        kernel_size=kernel,
        clamp=operation.clamp(),
    )


def _mean(operation: tflite_operation.Operation) -> graph.Layer:
    axes = _axes(operation, 1)
    return graph.Mean(**operation.common(), axes=tuple(sorted(set(axes))))


def _axes(operation: tflite_operation.Operation, position: int) -> tuple[int, ...]:
    """Axes of the first input, counted from the front."""
    rank = len(operation.tensor(0).shape)
    axes = operation.integers(position)
    if any(not -rank <= axis < rank for axis in axes):
        raise operation.error(f"axes {axes} do not exist in {rank} dimensions")
    return tuple(axis % rank for axis in axes)


def _elementwise(
    operation: tflite_operation.Operation, kind: type[graph.Elementwise]
) -> graph.Layer:
    return kind(**operation.common(2), clamp=operation.clamp())


def _concatenation(operation: tflite_operation.Operation) -> graph.Layer:
    if operation.clamp() != graph.NO_CLAMP:
        raise operation.error("a fused activation is not supported here")
    rank = len(operation.result().shape)
    axis = operation.operator.options["axis"]
    if not -rank <= axis < rank:
        raise operation.error(f"axis {axis} does not exist in {rank} dimensions")
    count = len(operation.operator.inputs)
    return graph.Concat(**operation.common(count), axis=axis % rank)


def _split(operation: tflite_operation.Operation, data: int, axis: int) -> graph.Layer:
    """SPLIT and SPLIT_V, whose operands are in another order."""
    found = operation.integers(axis)
    if len(found) != 1:
        raise operation.error(f"one axis is needed; found {found}")
    return graph.Split(
        **operation.several(data),
        axis=operation.axis(found[0], len(operation.tensor(data).shape)),
    )


def _pack(operation: tflite_operation.Operation) -> graph.Layer:
    count, options = len(operation.operator.inputs), operation.operator.options
    _require_count(operation, count, "inputs")
    rank = len(operation.result().shape)
    return graph.Pack(
        **operation.common(count), axis=operation.axis(options["axis"], rank)
    )


def _unpack(operation: tflite_operation.Operation) -> graph.Layer:
    options = operation.operator.options
    _require_count(operation, len(operation.operator.outputs), "outputs")
    rank = len(operation.tensor(0).shape)
    return graph.Unpack(
        **operation.several(0), axis=operation.axis(options["axis"], rank)
    )


def _require_count(
    operation: tflite_operation.Operation, found: int, what: str
) -> None:
    """TensorFlow Lite Micro goes by the count in the options."""
    count = operation.operator.options["count"]
    if found != count:
        raise operation.error(f"its options say {count} {what}; found {found}")


def _pairs(operation: tflite_operation.Operation) -> graph.Padding:
    """The second input, (before, after) of each axis."""
    values = operation.integers(1)
    if len(values) != 2 * len(operation.tensor(0).shape):
        raise operation.error(f"a pair for every dimension is needed, found {values}")
    return tuple(zip(values[::2], values[1::2], strict=True))


def _pad(operation: tflite_operation.Operation) -> graph.Layer:
    if operation.has(2):
        return _pad_v2(operation)
    return graph.Pad(**operation.common(), padding=_pairs(operation))


def _pad_v2(operation: tflite_operation.Operation) -> graph.Layer:
    if operation.tensor(2).data is None:
        raise operation.error("the value must be constant")
    inputs = (operation.name(0), operation.name(2))
    return graph.PadV2(
        **{**operation.common(), "inputs": inputs}, padding=_pairs(operation)
    )


def _mirror_pad(operation: tflite_operation.Operation) -> graph.Layer:
    modes = {
        tflite.MirrorPadMode.REFLECT: "reflect",
        tflite.MirrorPadMode.SYMMETRIC: "symmetric",
    }
    mode = modes.get(operation.operator.options["mode"], "unknown")
    return graph.MirrorPad(**operation.common(), padding=_pairs(operation), mode=mode)


def _transpose(operation: tflite_operation.Operation) -> graph.Layer:
    return graph.Transpose(**operation.common(), permutation=_axes(operation, 1))


def _slice(operation: tflite_operation.Operation) -> graph.Layer:
    shape = operation.tensor(0).shape
    begin, size = operation.integers(1), operation.integers(2)
    if not len(begin) == len(size) == len(shape):
        raise operation.error(
            f"begin {begin} and size {size} must have a value for each of {shape}"
        )
    axes = zip(shape, begin, size, strict=True)
    whole = tuple(n - first if count == -1 else count for n, first, count in axes)
    return graph.Slice(**operation.common(), begin=begin, size=whole)


def _strided_slice(operation: tflite_operation.Operation) -> graph.Layer:
    options, shape = operation.operator.options, operation.tensor(0).shape
    for name in ("ellipsis_mask", "new_axis_mask", "offset"):
        if options[name]:
            raise operation.error(f"{name} {options[name]} is not supported; use 0")
    operands = [operation.integers(i) for i in (1, 2, 3)]
    if any(len(values) != len(shape) for values in operands) or 0 in operands[2]:
        raise operation.error(
            f"begin, end and strides {operands} must have a value for each of {shape}, "
            "and no stride may be 0"
        )
    axes = []
    for axis, (count, *values) in enumerate(zip(shape, *operands, strict=True)):
        begin, end, step = values
        first = None if options["begin_mask"] >> axis & 1 else begin
        last = None if options["end_mask"] >> axis & 1 else end
        # TFLite's masks and negative indices are Python's: strided_slice_logic.h.
        steps = range(count)[slice(first, last, step)]
        if options["shrink_axis_mask"] >> axis & 1:
            if step < 0:
                raise operation.error(
                    f"axis {axis} is dropped by the stride {step}, for which TFLite "
                    "Micro writes nothing; use 1"
                )
            start = slice(first, last, step).indices(count)[0]
            steps = range(start, start + 1)
        # A single value is in no direction.
        stride = step if len(steps) > 1 else 1
        axes.append((steps[0], len(steps), stride) if steps else (0, 0, 1))
    begins, sizes, strides = zip(*axes, strict=True)
    return graph.StridedSlice(
        **operation.common(), begin=begins, size=sizes, steps=strides
    )


def _resize(
    operation: tflite_operation.Operation,
    kind: type[graph.ResizeNearestNeighbor] | type[graph.ResizeBilinear],
) -> graph.Layer:
    size = operation.integers(1)
    if size != operation.plane(operation.result()):
        raise operation.error(
            f"the size operand {size} differs from the output's shape "
            f"{operation.result().shape}"
        )
    options = operation.operator.options
    return kind(
        **operation.common(),
        align_corners=bool(options["align_corners"]),
        half_pixel_centers=bool(options["half_pixel_centers"]),
    )


def _reduction(
    operation: tflite_operation.Operation, kind: type[graph.Reduction]
) -> graph.Layer:
    axes = _axes(operation, 1)
    return kind(**operation.common(), axes=tuple(sorted(set(axes))))


def _position(
    operation: tflite_operation.Operation, kind: type[graph.Position]
) -> graph.Layer:
    axes = _axes(operation, 1)
    if len(axes) != 1:
        raise operation.error(f"one axis is expected; found {axes}")
    return kind(**operation.common(), axis=axes[0])


def _leaky_relu(operation: tflite_operation.Operation) -> graph.Layer:
    alpha = float(operation.operator.options["alpha"])
    return graph.LeakyRelu(**operation.common(), alpha=alpha)


def _softmax(operation: tflite_operation.Operation) -> graph.Layer:
    return graph.Softmax(**operation.common(), beta=operation.operator.options["beta"])


def _space_to_depth(operation: tflite_operation.Operation) -> graph.Layer:
    size = operation.operator.options["block_size"]
    return graph.SpaceToDepth(**operation.common(), block_size=size)


def _quantize(operation: tflite_operation.Operation) -> graph.Layer:
    if operation.tensor(0).dtype == "float32":
        raise operation.error(NOT_SUPPORTED["DEQUANTIZE"])
    return graph.Requantize(**operation.common())


def _activation(operation: tflite_operation.Operation) -> graph.Layer:
    function = FUNCTIONS[operation.operator.name]
    return graph.Activation(**operation.common(), function=function)


def _reshape(operation: tflite_operation.Operation) -> graph.Layer:
    return graph.Reshape(**operation.common())


# Of the operands of UNIDIRECTIONAL_SEQUENCE_LSTM: micro/kernels/lstm_shared.h.
_LSTM_WEIGHTS, _LSTM_RECURRENT, _LSTM_BIASES = range(1, 5), range(5, 9), range(12, 16)
_LSTM_STATES = (18, 19)
# Peepholes, a projection, layer normalization.
_LSTM_VARIANTS = (9, 10, 11, 16, 17, 20, 21, 22, 23)


def _lstm(operation: tflite_operation.Operation) -> graph.Layer:
    options = operation.operator.options
    if any(operation.has(position) for position in _LSTM_VARIANTS):
        raise operation.error(
            "peepholes, projections and layer normalization are not supported, nor run "
            "by TensorFlow Lite Micro"
        )
    if options["activation"] != tflite.ActivationFunctionType.TANH:
        raise operation.error(
            f"its activation must be TANH; found {options['activation']}"
        )
    return graph.Lstm(
        **operation.common(),
        states=_states(operation, _LSTM_STATES),
        input_weights=_constants(operation, _LSTM_WEIGHTS),
        recurrent_weights=_constants(operation, _LSTM_RECURRENT),
        biases=_constants(operation, _LSTM_BIASES),
        cell_clip=options["cell_clip"],
        time_major=bool(options["time_major"]),
    )


def _svdf(operation: tflite_operation.Operation) -> graph.Layer:
    weights, time_weights, bias = _constants(operation, (1, 2, 3))
    return graph.Svdf(
        **operation.common(),
        states=_states(operation, (4,)),
        weights=weights,
        time_weights=time_weights,
        bias=bias,
        rank=operation.operator.options["rank"],
        clamp=operation.clamp(),
    )


def _states(
    operation: tflite_operation.Operation, positions: Sequence[int]
) -> tuple[str, ...]:
    for position in positions:
        if not operation.tensor(position).is_variable:
            raise operation.error(f"input {position} must be a variable, its state")
    return tuple(operation.name(position) for position in positions)


def _constants(
    operation: tflite_operation.Operation, positions: Sequence[int]
) -> tuple[str, ...]:
    for position in positions:
        if not operation.tensor(position).is_constant:
            raise operation.error(
                f"the kernels and biases must be constants; input {position} "
                f"'{operation.name(position)}' is not"
            )
    return tuple(operation.name(position) for position in positions)


READERS: dict[str, Reader] = {
    "CONV_2D": lambda op: _convolution(op, graph.Conv2D),
    "DEPTHWISE_CONV_2D": lambda op: _convolution(op, graph.DepthwiseConv2D),
    "TRANSPOSE_CONV": _transpose_conv,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": lambda op: _pool(op, graph.MaxPool),
    "AVERAGE_POOL_2D": lambda op: _pool(op, graph.AveragePool),
    "MEAN": _mean,
    "ADD": lambda op: _elementwise(op, graph.Add),
    "SUB": lambda op: _elementwise(op, graph.Sub),
    "MUL": lambda op: _elementwise(op, graph.Mul),
    "MINIMUM": lambda op: graph.Minimum(**op.common(2)),
    "MAXIMUM": lambda op: graph.Maximum(**op.common(2)),
    "REDUCE_MAX": lambda op: _reduction(op, graph.ReduceMax),
    "REDUCE_MIN": lambda op: _reduction(op, graph.ReduceMin),
    "ARG_MAX": lambda op: _position(op, graph.ArgMax),
    "ARG_MIN": lambda op: _position(op, graph.ArgMin),
    "CONCATENATION": _concatenation,
    "SPLIT": lambda op: _split(op, data=1, axis=0),
    "SPLIT_V": lambda op: _split(op, data=0, axis=2),
    "PACK": _pack,
    "UNPACK": _unpack,
    "PAD": _pad,
    "PADV2": _pad_v2,
    "MIRROR_PAD": _mirror_pad,
    "TRANSPOSE": _transpose,
    "SLICE": _slice,
    "STRIDED_SLICE": _strided_slice,
    "RESIZE_NEAREST_NEIGHBOR": lambda op: _resize(op, graph.ResizeNearestNeighbor),
    "RESIZE_BILINEAR": lambda op: _resize(op, graph.ResizeBilinear),
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "SPACE_TO_DEPTH": _space_to_depth,
    "QUANTIZE": _quantize,
    "SOFTMAX": _softmax,
    "LEAKY_RELU": _leaky_relu,
    "PRELU": lambda op: graph.PRelu(**op.common(2)),
    "SVDF": _svdf,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    **{name: _activation for name in FUNCTIONS},
}


def _has_open_batch(operation: tflite_operation.Operation) -> bool:
    """Whether an operator that is not supported is there because the batch is open.

    The converter then computes shapes while the network runs: a SHAPE, and what it
    feeds. Slices, stacks and blocks of a network's own stand in files of batch 1 too.
    """
    program, name = operation.program, operation.operator.name
    if name in READERS:
        return False
    if name in _BLOCKS:
        return any(
            program.tensors[i].signature[:1] == (-1,)
            for i in (*program.inputs, *operation.operator.inputs)
            if i >= 0
        )
    writers = {i: each for each in program.operators for i in each.outputs}
    waiting, seen = [operation.operator], set()
    while waiting:
        operator = waiting.pop()
        if operator.name == "SHAPE":
            return True
        if operator.index not in seen:
            seen.add(operator.index)
            sources = (writers.get(i) for i in operator.inputs)
            waiting += [x for x in sources if x and x.name in tflite_rewrites.OF_SHAPES]
    return False


def layer(operation: tflite_operation.Operation) -> graph.Layer:
    """The layer that `operation` is.

    Raises:
        GraphError: the operator, or the way it is used, is not supported.
    """
    name = operation.operator.name
    variable = operation.program.variable(operation.operator)
    if variable is not None:
        raise operation.error(
            f"tensor {variable.index} '{variable.name[:60]}' "
            f"{tflite_file.VARIABLE_REASON}"
        )
    if _has_open_batch(operation):
        raise operation.error(f"not supported: {_OPEN_BATCH}")
    if name in NOT_SUPPORTED:
        raise operation.error(f"not supported: {NOT_SUPPORTED[name]}")
    if name not in READERS:
        raise operation.error(
            f"not supported; docs/operators.md lists the {len(READERS)} that are"
        )
    return READERS[name](operation)


# Operators that hold nearly all of a network's work: without them nothing is priced.
_WORK = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})


def can_be_missing(operation: tflite_operation.Operation) -> bool:
    """Whether figures without this operator, which is not supported, tell something.

    Not without the work of a network, nor of one whose batch is open, for which there
    is better advice.
    """
    return operation.operator.name not in _WORK and not _has_open_batch(operation)


def unknown(operation: tflite_operation.Operation) -> graph.Unknown | None:
    """What is known of an operator without a kind: the activations it works on.

    Returns:
        `None` where it writes nothing that a graph can hold.
    """

    def held(indices: tuple[int, ...]) -> tuple[str, ...]:
        tensors = [operation.program.tensors[i] for i in indices if i >= 0]
        return tuple(
            operation.names[each.index]
            for each in tensors
            if each.dtype in graph.DTYPES
            and not (each.is_constant or each.is_variable or each.is_dynamic)
        )

    results = held(operation.operator.outputs)
    if not results:
        return None
    return graph.Unknown(
        name=results[0],
        inputs=held(operation.operator.inputs),
        output=results[0],
        further=results[1:],
        operator=operation.operator.name,
    )
