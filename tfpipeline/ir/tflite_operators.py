"""What each TFLite operator is in the graph: one plain function an operator."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tflite

from tfpipeline import errors
from tfpipeline.ir import geometry, graph, tflite_file

CLAMPS = {
    tflite.ActivationFunctionType.NONE: graph.NO_CLAMP,
    tflite.ActivationFunctionType.RELU: graph.RELU,
    tflite.ActivationFunctionType.RELU_N1_TO_1: graph.Clamp(-1.0, 1.0),
    tflite.ActivationFunctionType.RELU6: graph.RELU6,
}

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
    "PACK": "the batch is dynamic; convert from a function of batch 1",
    "SHAPE": "the batch is dynamic; convert from a function of batch 1",
    "STRIDED_SLICE": "the batch is dynamic; convert from a function of batch 1",
}

# How the bytes of a constant are read; INT4 is unpacked first.
_NUMPY_TYPES = {
    "float32": "<f4",
    "int4": "i1",
    "int8": "i1",
    "uint8": "u1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
}


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operator with its operands: what a reader function is given."""

    operator: tflite_file.Operator
    program: tflite_file.Program
    names: Mapping[int, str]

    def error(self, reason: str) -> errors.GraphError:
        """An error that names this operator and what it writes."""
        results = self.operator.outputs
        name = self.names[results[0]] if results and results[0] >= 0 else "nothing"
        return errors.GraphError(
            f"operator {self.operator.index} {self.operator.name} writing '{name}': "
            f"{reason}"
        )

    def has(self, position: int) -> bool:
        """Whether the input at `position` is present."""
        inputs = self.operator.inputs
        return position < len(inputs) and inputs[position] >= 0

    def tensor(self, position: int) -> tflite_file.FileTensor:
        """The input at `position`, which must be present."""
        if not self.has(position):
            raise self.error(f"input {position} is absent")
        return self.program.tensors[self.operator.inputs[position]]

    def name(self, position: int) -> str:
        """The graph's name of the input at `position`."""
        return self.names[self.tensor(position).index]

    def result(self) -> tflite_file.FileTensor:
        """The only output."""
        outputs = self.operator.outputs
        if len(outputs) != 1 or outputs[0] < 0:
            raise self.error(f"one output is expected, found {outputs}")
        return self.program.tensors[outputs[0]]

    def integers(self, position: int) -> tuple[int, ...]:
        """The flat values of a constant integer input."""
        tensor = self.tensor(position)
        if tensor.data is None or tensor.dtype not in ("int32", "int64"):
            raise self.error(f"input {position} must be a constant of integers")
        return tuple(int(v) for v in constant(tensor).flat)

    def common(self, inputs: int = 1) -> dict[str, Any]:
        """The fields of every layer, reading the first `inputs` operands."""
        output = self.names[self.result().index]
        names = tuple(self.name(i) for i in range(inputs))
        return {"name": output, "inputs": names, "output": output}

    def clamp(self) -> graph.Clamp:
        """The fused activation."""
        activation = self.operator.options["activation"]
        if activation not in CLAMPS:
            raise self.error(
                f"fused activation {activation} is not supported; only NONE, RELU, "
                "RELU_N1_TO_1 and RELU6 are"
            )
        return CLAMPS[activation]


Reader = Callable[[Operation], graph.Layer]


def constant(tensor: tflite_file.FileTensor) -> graph.Array:
    """The values of a constant in the shape of its tensor; INT4 as int8.

    Raises:
        GraphError: the type is not supported or the data do not fill the shape.
    """
    if tensor.data is None or tensor.dtype not in _NUMPY_TYPES:
        raise errors.GraphError(
            f"tensor {tensor.index} '{tensor.name}' must be a constant of one of "
            f"{', '.join(_NUMPY_TYPES)}; found {tensor.dtype}"
        )
    data = tensor.data
    count = int(np.prod(tensor.shape, dtype=np.int64))
    if tensor.dtype == "int4":
        expected = (count + 1) // 2
    else:
        expected = count * np.dtype(_NUMPY_TYPES[tensor.dtype]).itemsize
    if data.size != expected:
        raise errors.GraphError(
            f"tensor {tensor.index} '{tensor.name}' of shape {tensor.shape} and type "
            f"{tensor.dtype} needs {expected} bytes; found {data.size}"
        )
    if tensor.dtype == "int4":
        return _unpack_int4(data)[:count].reshape(tensor.shape)
    values = data.view(np.uint8).tobytes()
    array: graph.Array = np.frombuffer(values, _NUMPY_TYPES[tensor.dtype])
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return native.reshape(tensor.shape)


def _unpack_int4(data: graph.Array) -> graph.Array:
    """Two's complement nibbles, the low one first, as int8."""
    nibbles = np.stack([data & 0xF, data >> 4], axis=-1).reshape(-1).astype(np.int8)
    unpacked: graph.Array = np.where(nibbles > 7, nibbles - 16, nibbles).astype(np.int8)
    return unpacked


def _weighted(
    operation: Operation, data: int = 0, weights: int = 1, bias: int = 2
) -> dict[str, Any]:
    """The fields of a layer with a kernel, from the positions of its operands."""
    for position in (weights, bias) if operation.has(bias) else (weights,):
        if operation.tensor(position).data is None:
            raise operation.error(
                f"the kernel and bias must be constants; input {position} "
                f"'{operation.name(position)}' is not"
            )
    return {
        **operation.common(0),
        "inputs": (operation.name(data),),
        "weights": operation.name(weights),
        "bias": operation.name(bias) if operation.has(bias) else None,
        "clamp": operation.clamp(),
    }


def _window(
    operation: Operation,
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


def _plane(operation: Operation, tensor: tflite_file.FileTensor) -> tuple[int, int]:
    if len(tensor.shape) != 4:
        raise operation.error(
            f"tensor '{operation.names[tensor.index]}' must have four dimensions; "
            f"found {tensor.shape}"
        )
    return tensor.shape[1], tensor.shape[2]


def _convolution(
    operation: Operation, kind: type[graph.Conv2D] | type[graph.DepthwiseConv2D]
) -> graph.Layer:
    options = operation.operator.options
    dilation = (options["dilation_height"], options["dilation_width"])
    size = _plane(operation, operation.tensor(0))
    kernel = _plane(operation, operation.tensor(1))
    return kind(
        **_weighted(operation),
        **_window(operation, size, kernel, dilation),
        dilation=dilation,
    )


def _transpose_conv(operation: Operation) -> graph.Layer:
    size = _plane(operation, operation.result())
    if operation.integers(0) != operation.result().shape:
        raise operation.error(
            f"the shape operand {operation.integers(0)} differs from the output's "
            f"{operation.result().shape}"
        )
    # A convolution from the output to the input defines the padding.
    kernel = _plane(operation, operation.tensor(1))
    return graph.TransposeConv2D(
        **_weighted(operation, data=2, bias=3), **_window(operation, size, kernel)
    )


def _fully_connected(operation: Operation) -> graph.Layer:
    if operation.operator.options["weights_format"] != 0:
        raise operation.error("shuffled weights are not supported")
    return graph.Dense(**_weighted(operation))


def _pool(operation: Operation, kind: type[graph.Pool]) -> graph.Layer:
    options = operation.operator.options
    kernel = (options["kernel_height"], options["kernel_width"])
    size = _plane(operation, operation.tensor(0))
    return kind(
        **operation.common(),
        **_window(operation, size, kernel),
        kernel_size=kernel,
        clamp=operation.clamp(),
    )


def _mean(operation: Operation) -> graph.Layer:
    rank = len(operation.tensor(0).shape)
    axes = operation.integers(1)
    if any(not -rank <= axis < rank for axis in axes):
        raise operation.error(f"axes {axes} do not exist in {rank} dimensions")
    return graph.Mean(
        **operation.common(), axes=tuple(sorted({axis % rank for axis in axes}))
    )


def _elementwise(operation: Operation, kind: type[graph.Elementwise]) -> graph.Layer:
    return kind(**operation.common(2), clamp=operation.clamp())


def _concatenation(operation: Operation) -> graph.Layer:
    if operation.clamp() != graph.NO_CLAMP:
        raise operation.error("a fused activation is not supported here")
    rank = len(operation.result().shape)
    axis = operation.operator.options["axis"]
    if not -rank <= axis < rank:
        raise operation.error(f"axis {axis} does not exist in {rank} dimensions")
    count = len(operation.operator.inputs)
    return graph.Concat(**operation.common(count), axis=axis % rank)


def _pad(operation: Operation) -> graph.Layer:
    values = operation.integers(1)
    if len(values) != 2 * len(operation.tensor(0).shape):
        raise operation.error(f"a pair for every dimension is needed, found {values}")
    pairs = tuple(zip(values[::2], values[1::2], strict=True))
    return graph.Pad(**operation.common(), padding=pairs)


def _softmax(operation: Operation) -> graph.Layer:
    return graph.Softmax(**operation.common(), beta=operation.operator.options["beta"])


def _space_to_depth(operation: Operation) -> graph.Layer:
    size = operation.operator.options["block_size"]
    return graph.SpaceToDepth(**operation.common(), block_size=size)


def _quantize(operation: Operation) -> graph.Layer:
    if operation.tensor(0).dtype == "float32":
        raise operation.error(NOT_SUPPORTED["DEQUANTIZE"])
    return graph.Requantize(**operation.common())


def _activation(operation: Operation) -> graph.Layer:
    function = FUNCTIONS[operation.operator.name]
    return graph.Activation(**operation.common(), function=function)


def _reshape(operation: Operation) -> graph.Layer:
    return graph.Reshape(**operation.common())


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
    "CONCATENATION": _concatenation,
    "PAD": _pad,
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "SPACE_TO_DEPTH": _space_to_depth,
    "QUANTIZE": _quantize,
    "SOFTMAX": _softmax,
    **{name: _activation for name in FUNCTIONS},
}


def layer(operation: Operation) -> graph.Layer:
    """The layer that `operation` is.

    Raises:
        GraphError: the operator, or the way it is used, is not supported.
    """
    name = operation.operator.name
    if name in NOT_SUPPORTED:
        raise operation.error(f"not supported: {NOT_SUPPORTED[name]}")
    if name not in READERS:
        raise operation.error(
            f"not supported; supported are {', '.join(sorted(READERS))}"
        )
    return READERS[name](operation)
