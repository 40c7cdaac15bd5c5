"""The operator of TFLite that each layer is: operands, options and version."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from export.tflite import lowering
from tfpipeline.ir import geometry, graph

# An operand: a tensor's name, integers that become a constant, or an absent bias.
Operand = str | npt.NDArray[np.int32] | None


@dataclasses.dataclass(frozen=True)
class Operator:
    """An operator's name in the schema, what it reads, and its options table."""

    name: str
    operands: tuple[Operand, ...]
    options: Any = None


_ACTIVATIONS = {
    graph.NO_CLAMP: schema.ActivationFunctionType.NONE,
    graph.RELU: schema.ActivationFunctionType.RELU,
    graph.Clamp(-1.0, 1.0): schema.ActivationFunctionType.RELU_N1_TO_1,
    graph.RELU6: schema.ActivationFunctionType.RELU6,
}

_FUNCTIONS = {
    "abs": "ABS",
    "hard_swish": "HARD_SWISH",
    "relu": "RELU",
    "relu6": "RELU6",
    "relu_0_to_1": "RELU_0_TO_1",
    "relu_n1_to_1": "RELU_N1_TO_1",
    "sigmoid": "LOGISTIC",
    "tanh": "TANH",
}

# The type of the sums beside int16 activations, which the operator then names.
_SUM_TYPES = {
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
}


def _window(g: graph.Graph, layer: lowering.Windowed) -> dict[str, Any]:
    name = lowering.named_padding(g, layer)
    assert name is not None, "limits.py refuses it"
    return {
        "padding": getattr(schema.Padding, name),
        "strideH": layer.strides[0],
        "strideW": layer.strides[1],
        "fusedActivationFunction": _ACTIVATIONS[layer.clamp],
    }


def _sums(g: graph.Graph, layer: graph.Weighted) -> dict[str, Any]:
    """`quantizedBiasType`, where it is not the default of the other types."""
    if g.tensors[layer.inputs[0]].dtype != "int16":
        return {}
    dtype = "int64" if layer.bias is None else g.tensors[layer.bias].dtype
    return {"quantizedBiasType": _SUM_TYPES[dtype]}


def _bias(layer: graph.Weighted) -> tuple[str, ...]:
    """The bias of a convolution, which TFLite refuses as an absent operand."""
    return () if layer.bias is None else (layer.bias,)


def _dilation(layer: graph.Conv2D | graph.DepthwiseConv2D) -> dict[str, int]:
    height, width = layer.dilation
    return {"dilationHFactor": height, "dilationWFactor": width}


def _conv(g: graph.Graph, layer: graph.Conv2D) -> Operator:
    options = schema.Conv2DOptionsT(
        **_window(g, layer), **_dilation(layer), **_sums(g, layer)
    )
    return Operator("CONV_2D", (*layer.inputs, layer.weights, *_bias(layer)), options)


def _depthwise(g: graph.Graph, layer: graph.DepthwiseConv2D) -> Operator:
    channels = g.tensors[layer.inputs[0]].shape[-1]
    options = schema.DepthwiseConv2DOptionsT(
        **_window(g, layer),
        **_dilation(layer),
        depthMultiplier=g.tensors[layer.output].shape[-1] // channels,
    )
    operands = (*layer.inputs, layer.weights, *_bias(layer))
    return Operator("DEPTHWISE_CONV_2D", operands, options)


def _transpose_conv(g: graph.Graph, layer: graph.TransposeConv2D) -> Operator:
    options = schema.TransposeConvOptionsT(**_window(g, layer), **_sums(g, layer))
    shape = _integers(g.tensors[layer.output].shape)
    names = (layer.weights, *layer.inputs, *_bias(layer))
    operands: tuple[Operand, ...] = (shape, *names)
    return Operator("TRANSPOSE_CONV", operands, options)


def _fully_connected(g: graph.Graph, layer: graph.Dense) -> Operator:
    options = schema.FullyConnectedOptionsT(
        fusedActivationFunction=_ACTIVATIONS[layer.clamp],
        keepNumDims=len(g.tensors[layer.output].shape) != 2,
        **_sums(g, layer),
    )
    # Two operands need version 6; an absent third one does not.
    operands = (*layer.inputs, layer.weights, layer.bias)
    return Operator("FULLY_CONNECTED", operands, options)


def _pool(name: str) -> Callable[[graph.Graph, graph.Pool], Operator]:
    def operator(g: graph.Graph, layer: graph.Pool) -> Operator:
        height, width = layer.kernel_size
        options = schema.Pool2DOptionsT(
            **_window(g, layer), filterHeight=height, filterWidth=width
        )
        return Operator(name, layer.inputs, options)

    return operator


def _mean(g: graph.Graph, layer: graph.Mean | graph.Reduction) -> Operator:
    rank = len(g.tensors[layer.inputs[0]].shape)
    keeps = len(g.tensors[layer.output].shape) == rank
    options = schema.ReducerOptionsT(keepDims=keeps)
    return Operator("MEAN", (*layer.inputs, _integers(layer.axes)), options)


def _elementwise(
    name: str, options: Callable[..., Any], **fields: bool
) -> Callable[[graph.Graph, graph.Elementwise], Operator]:
    def operator(g: graph.Graph, layer: graph.Elementwise) -> Operator:
        activation = _ACTIVATIONS[layer.clamp]
        chosen = options(fusedActivationFunction=activation, **fields)
        return Operator(name, layer.inputs, chosen)

    return operator


def _concatenation(g: graph.Graph, layer: graph.Concat) -> Operator:
    options = schema.ConcatenationOptionsT(axis=layer.axis)
    return Operator("CONCATENATION", layer.inputs, options)


def _split(g: graph.Graph, layer: graph.Split) -> Operator:
    names = graph.written_names(layer)
    sizes = [g.tensors[name].shape[layer.axis] for name in names]
    axis = _integers(layer.axis)
    if len(set(sizes)) == 1:
        options = schema.SplitOptionsT(numSplits=len(sizes))
        return Operator("SPLIT", (axis, *layer.inputs), options)
    options = schema.SplitVOptionsT(numSplits=len(sizes))
    return Operator("SPLIT_V", (*layer.inputs, _integers(sizes), axis), options)


def _pack(g: graph.Graph, layer: graph.Pack) -> Operator:
    options = schema.PackOptionsT(valuesCount=len(layer.inputs), axis=layer.axis)
    return Operator("PACK", layer.inputs, options)


def _unpack(g: graph.Graph, layer: graph.Unpack) -> Operator:
    count = len(graph.written_names(layer))
    options = schema.UnpackOptionsT(num=count, axis=layer.axis)
    return Operator("UNPACK", layer.inputs, options)


def _pad(g: graph.Graph, layer: graph.Pad) -> Operator:
    pairs = _integers(layer.padding)
    return Operator("PAD", (*layer.inputs, pairs), schema.PadOptionsT())


def _extremum(name: str) -> Callable[[graph.Graph, graph.Extremum], Operator]:
    options = schema.MaximumMinimumOptionsT
    return lambda g, layer: Operator(name, layer.inputs, options())


def _reduction(name: str) -> Callable[[graph.Graph, graph.Reduction], Operator]:
    def operator(g: graph.Graph, layer: graph.Reduction) -> Operator:
        return dataclasses.replace(_mean(g, layer), name=name)

    return operator


def _position(
    name: str, options: Callable[..., Any]
) -> Callable[[graph.Graph, graph.Position], Operator]:
    def operator(g: graph.Graph, layer: graph.Position) -> Operator:
        dtype = g.tensors[layer.output].dtype
        # A float graph has positions as real numbers, TFLite as integers.
        chosen = options(outputType=_SUM_TYPES.get(dtype, schema.TensorType.INT32))
        return Operator(name, (*layer.inputs, _integers(layer.axis)), chosen)

    return operator


def _pad_v2(g: graph.Graph, layer: graph.PadV2) -> Operator:
    source, value = layer.inputs
    operands: tuple[Operand, ...] = (source, _integers(layer.padding), value)
    return Operator("PADV2", operands, schema.PadV2OptionsT())


def _mirror_pad(g: graph.Graph, layer: graph.MirrorPad) -> Operator:
    mode = getattr(schema.MirrorPadMode, layer.mode.upper())
    operands: tuple[Operand, ...] = (*layer.inputs, _integers(layer.padding))
    return Operator("MIRROR_PAD", operands, schema.MirrorPadOptionsT(mode=mode))


def _transpose(g: graph.Graph, layer: graph.Transpose) -> Operator:
    operands: tuple[Operand, ...] = (*layer.inputs, _integers(layer.permutation))
    return Operator("TRANSPOSE", operands, schema.TransposeOptionsT())


def _slice(g: graph.Graph, layer: graph.Slice) -> Operator:
    operands: tuple[Operand, ...] = (
        *layer.inputs,
        _integers(layer.begin),
        _integers(layer.size),
    )
    return Operator("SLICE", operands, schema.SliceOptionsT())


def _strided_slice(g: graph.Graph, layer: graph.StridedSlice) -> Operator:
    """An end in front of the first value cannot be named: its mask is set instead."""
    ends = []
    mask = 0
    axes = zip(layer.begin, layer.size, layer.steps, strict=True)
    for axis, (begin, size, step) in enumerate(axes):
        end = begin + size * step
        ends.append(max(end, 0))
        mask |= (end < 0) << axis
    dropped = geometry.dropped_axes(layer.size, g.tensors[layer.output].shape) or ()
    options = schema.StridedSliceOptionsT(
        endMask=mask, shrinkAxisMask=sum(1 << axis for axis in dropped)
    )
    lists = (layer.begin, ends, layer.steps)
    operands: tuple[Operand, ...] = (*layer.inputs, *map(_integers, lists))
    return Operator("STRIDED_SLICE", operands, options)


def _resize(
    name: str, options: Callable[..., Any]
) -> Callable[[graph.Graph, Any], Operator]:
    def operator(g: graph.Graph, layer: Any) -> Operator:
        chosen = options(
            alignCorners=layer.align_corners, halfPixelCenters=layer.half_pixel_centers
        )
        size = _integers(g.tensors[layer.output].shape[1:3])
        return Operator(name, (*layer.inputs, size), chosen)

    return operator


def _leaky_relu(g: graph.Graph, layer: graph.LeakyRelu) -> Operator:
    options = schema.LeakyReluOptionsT(alpha=layer.alpha)
    return Operator("LEAKY_RELU", layer.inputs, options)


def _prelu(g: graph.Graph, layer: graph.PRelu) -> Operator:
    return Operator("PRELU", layer.inputs)


def _reshape(g: graph.Graph, layer: graph.Reshape) -> Operator:
    shape = g.tensors[layer.output].shape
    options = schema.ReshapeOptionsT(newShape=list(shape))
    return Operator("RESHAPE", (*layer.inputs, _integers(shape)), options)


def _space_to_depth(g: graph.Graph, layer: graph.SpaceToDepth) -> Operator:
    options = schema.SpaceToDepthOptionsT(blockSize=layer.block_size)
    return Operator("SPACE_TO_DEPTH", layer.inputs, options)


def _quantize(g: graph.Graph, layer: graph.Requantize) -> Operator:
    return Operator("QUANTIZE", layer.inputs, schema.QuantizeOptionsT())


def _softmax(g: graph.Graph, layer: graph.Softmax) -> Operator:
    options = schema.SoftmaxOptionsT(beta=layer.beta)
    return Operator("SOFTMAX", layer.inputs, options)


def _activation(g: graph.Graph, layer: graph.Activation) -> Operator:
    return Operator(_FUNCTIONS[layer.function], layer.inputs)


def _lstm(g: graph.Graph, layer: graph.Lstm) -> Operator:
    """Without peepholes, a projection and layer normalization."""
    options = schema.UnidirectionalSequenceLSTMOptionsT(
        fusedActivationFunction=schema.ActivationFunctionType.TANH,
        cellClip=layer.cell_clip,
        timeMajor=layer.time_major,
    )
    operands = (
        *(*layer.inputs, *layer.input_weights, *layer.recurrent_weights),
        *((None,) * 3),
        *layer.biases,
        *(None, None, *layer.states),
        *((None,) * 4),
    )
    return Operator("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, options)


def _svdf(g: graph.Graph, layer: graph.Svdf) -> Operator:
    options = schema.SVDFOptionsT(
        rank=layer.rank, fusedActivationFunction=_ACTIVATIONS[layer.clamp]
    )
    operands = (*layer.inputs, *graph.constant_names(layer), *layer.states)
    return Operator("SVDF", operands, options)


# `Conv1D` is not among them: `lowering.lower` makes a `Conv2D` of it.
WRITERS: dict[type[graph.Layer], Callable[[graph.Graph, Any], Operator]] = {
    graph.Conv2D: _conv,
    graph.DepthwiseConv2D: _depthwise,
    graph.TransposeConv2D: _transpose_conv,
    graph.Dense: _fully_connected,
    graph.MaxPool: _pool("MAX_POOL_2D"),
    graph.AveragePool: _pool("AVERAGE_POOL_2D"),
    graph.Mean: _mean,
    # Scales of int16 that are powers of two would be computed by other kernels.
    graph.Add: _elementwise("ADD", schema.AddOptionsT, potScaleInt16=False),
    graph.Sub: _elementwise("SUB", schema.SubOptionsT, potScaleInt16=False),
    graph.Mul: _elementwise("MUL", schema.MulOptionsT),
    graph.Minimum: _extremum("MINIMUM"),
    graph.Maximum: _extremum("MAXIMUM"),
    graph.ReduceMax: _reduction("REDUCE_MAX"),
    graph.ReduceMin: _reduction("REDUCE_MIN"),
    graph.ArgMax: _position("ARG_MAX", schema.ArgMaxOptionsT),
    graph.ArgMin: _position("ARG_MIN", schema.ArgMinOptionsT),
    graph.Concat: _concatenation,
    graph.Split: _split,
    graph.Pack: _pack,
    graph.Unpack: _unpack,
    graph.Pad: _pad,
    graph.PadV2: _pad_v2,
    graph.MirrorPad: _mirror_pad,
    graph.Transpose: _transpose,
    graph.Slice: _slice,
    graph.StridedSlice: _strided_slice,
    graph.ResizeNearestNeighbor: _resize(
        "RESIZE_NEAREST_NEIGHBOR", schema.ResizeNearestNeighborOptionsT
    ),
    graph.ResizeBilinear: _resize("RESIZE_BILINEAR", schema.ResizeBilinearOptionsT),
    graph.Reshape: _reshape,
    graph.SpaceToDepth: _space_to_depth,
    graph.Requantize: _quantize,
    graph.Softmax: _softmax,
    graph.Activation: _activation,
    graph.LeakyRelu: _leaky_relu,
    graph.PRelu: _prelu,
    graph.Lstm: _lstm,
    graph.Svdf: _svdf,
}


def operator(g: graph.Graph, layer: graph.Layer) -> Operator:
    """The operator that `layer` of a lowered graph without violations is."""
    return WRITERS[type(layer)](g, layer)


# Version of an operator for the type of its input, or for its kernel's where that is
# int4; 1 where none is given. TFLite refuses a file of a newer version than it knows.
# Source: GetBuiltinOperatorVersion, tensorflow/lite/tools/versioning/op_version.cc.
_SINCE_INT8 = {"int8": 2, "int16": 3}
VERSIONS: dict[str, dict[str, int]] = {
    # 8 and 11 and 5: with a type of the sums, as int16 is written here.
    "CONV_2D": {"int8": 3, "int4": 7, "int16": 8},
    "FULLY_CONNECTED": {"int8": 4, "int4": 10, "int16": 11},
    "TRANSPOSE_CONV": {"int8": 2, "int16": 5},
    "DEPTHWISE_CONV_2D": {"int8": 3, "int4": 7, "int16": 5},
    "ADD": {"int8": 2, "int16": 3},
    "SUB": {"int8": 2, "int16": 5},
    "MUL": {"int8": 2, "int16": 4},
    "SPACE_TO_DEPTH": {"int8": 2},
    "LEAKY_RELU": {"int16": 2},
    "SLICE": {"int8": 2, "int16": 4},
    "STRIDED_SLICE": {"int8": 2},
    "TRANSPOSE": {"int8": 2, "int16": 5},
    "ARG_MAX": {"int8": 2},
    "ARG_MIN": {"int8": 2},
    "MIRROR_PAD": {"int8": 2},
    "MAXIMUM": {"int8": 2, "int16": 4},
    "MINIMUM": {"int8": 2, "int16": 4},
    "RESIZE_BILINEAR": {"int8": 2, "int16": 4},
    "RESIZE_NEAREST_NEIGHBOR": {"int8": 2, "int16": 4},
    "SPLIT": {"int8": 2, "int16": 4},
    "SVDF": {"int8": 3},
    "SPLIT_V": {"int8": 2},
    "PACK": {"int8": 2, "int16": 3},
    "UNPACK": {"int8": 2, "int16": 4},
    "UNIDIRECTIONAL_SEQUENCE_LSTM": {"int16": 5},
    **dict.fromkeys(
        (
            "ABS",
            "AVERAGE_POOL_2D",
            "CONCATENATION",
            "LOGISTIC",
            "MAX_POOL_2D",
            "MEAN",
            "PAD",
            "PADV2",
            "REDUCE_MAX",
            "REDUCE_MIN",
            "RELU",
            "RELU6",
            "SOFTMAX",
            "TANH",
        ),
        _SINCE_INT8,
    ),
}


def version(g: graph.Graph, layer: graph.Layer, name: str, *, is_int4: bool) -> int:
    """The lowest version of operator `name` that has all that `layer` uses.

    Args:
        g: the graph of the layer.
        layer: what the operator is written for.
        name: of the operator in the schema.
        is_int4: whether its kernel is stored in 4 bits.
    """
    dtype = "int4" if is_int4 else g.tensors[layer.inputs[0]].dtype
    return max(VERSIONS.get(name, {}).get(dtype, 1), _needed(g, layer))


def _needed(g: graph.Graph, layer: graph.Layer) -> int:
    """The version that a layer's attributes and shapes need, whatever its type."""
    source, result = g.tensors[layer.inputs[0]], g.tensors[layer.output]
    match layer:
        case graph.Conv2D() if g.tensors[layer.weights].shape[-1] < source.shape[-1]:
            return 6
        case graph.DepthwiseConv2D() if layer.dilation != (1, 1):
            return 2
        case graph.TransposeConv2D() if layer.clamp != graph.NO_CLAMP:
            return 4
        case graph.TransposeConv2D() if layer.bias is not None:
            return 3
        case graph.Dense() if len(result.shape) != 2:
            return 5
        case graph.Sub() if len(result.shape) > 4 and _is_broadcast(g, layer):
            return 3
        case graph.Mul() if source.dtype == "int8" and _gain(g, layer) >= 1:
            return 3
        case graph.Pad() | graph.PadV2() if len(source.shape) > 4:
            return 4
        case graph.Transpose() if len(source.shape) > 4:
            return 6 if len(source.shape) > 5 else 4
        case graph.Slice() if len(source.shape) > 4:
            return 5
        case graph.StridedSlice() if len(source.shape) > 4:
            return 4
        case graph.Extremum() if len(result.shape) > 4 and _is_broadcast(g, layer):
            return 3
        case graph.ResizeBilinear() if layer.half_pixel_centers:
            return 3
        case graph.ResizeNearestNeighbor() if (
            layer.half_pixel_centers or layer.align_corners
        ):
            return 3
        case graph.Requantize() if result.dtype == "int16":
            return 2
    return 1


def _is_broadcast(g: graph.Graph, layer: graph.Layer) -> bool:
    return len({g.tensors[name].shape for name in layer.inputs}) > 1


def _gain(g: graph.Graph, layer: graph.Layer) -> float:
    """What the product of two integers is multiplied by."""
    first, second, result = (
        np.float32(quant.scale[0])
        for name in (*layer.inputs, layer.output)
        if (quant := g.tensors[name].quant) is not None
    )
    return float(first * second / result)


def _integers(values: Any) -> npt.NDArray[np.int32]:
    return np.array(values, np.int32)
