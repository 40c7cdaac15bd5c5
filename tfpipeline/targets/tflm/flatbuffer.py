"""A `.tflite` file as plain values, read without TensorFlow and without trusting it.

The file is parsed in Python through the schema package `tflite`, so that a truncated or
hostile file ends in one `ExportError` before any C++ interpreter sees it.
"""

import dataclasses
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tflite

from tfpipeline import errors

# "The file identifier of TFLite", bytes 4 to 7 of the file: tensorflow/lite schema.fbs.
FILE_IDENTIFIER = b"TFL3"

# Bounds on what a parser accepts. The largest network here has about 60 tensors; TFLite
# itself supports tensors of at most 8 dimensions in its kernels.
MAX_TENSORS = 65_536
MAX_OPERATORS = 65_536
MAX_OPERANDS = 4_096
MAX_RANK = 8
# A tensor of 64 MiB is beyond any microcontroller; a damaged shape easily exceeds it.
MAX_TENSOR_BYTES = 2**26

# Operators that only stand at the border of a float part.
CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})

# Types of a full-integer network's input and output.
INTEGER_TYPES = ("int8", "int16")

# Operators whose result is a position: integers of 32 bits without a scale.
POSITIONS = frozenset({"ARG_MAX", "ARG_MIN"})

FLOAT_TYPES = frozenset({"float16", "float32", "float64", "bfloat16"})

_TYPE_NAMES = {
    value: name.lower()
    for name, value in vars(tflite.TensorType).items()
    if not name.startswith("_")
}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One tensor: `shape` with the batch first, `scales` as float32 values.

    `scales` and `zero_points` are empty for a tensor that is not quantized, and have
    one entry a slice of `axis` for per-channel weights.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    is_constant: bool

    @property
    def num_bytes(self) -> int:
        """Size of the data, from the shape; types unknown to NumPy count one byte."""
        try:
            item_bytes = np.dtype(self.dtype).itemsize
        except TypeError:
            item_bytes = 1
        return math.prod(self.shape) * item_bytes


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator; `inputs` and `outputs` are tensor indices, -1 an absent input."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Program:
    """The main subgraph of a `.tflite` file, operators in their order of execution."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def input(self) -> Tensor:
        """The network's only input."""
        return self.tensors[self.inputs[0]]

    @property
    def output(self) -> Tensor:
        """The network's only output."""
        return self.tensors[self.outputs[0]]

    @property
    def gives_position(self) -> bool:
        """Whether the output is a position, as `POSITIONS` write it."""
        writers = (o for o in self.operators if self.outputs[0] in o.outputs)
        return any(operator.name in POSITIONS for operator in writers)

    @property
    def activation_bytes(self) -> int:
        """Sum of the sizes of all tensors that are not constant."""
        return sum(t.num_bytes for t in self.tensors if not t.is_constant)


def read(model: bytes) -> Program:
    """Parses a `.tflite` file with one input, one output and one subgraph.

    Raises:
        ExportError: not a TFLite file, truncated, or inconsistent.
    """
    if len(model) < 8 or model[4:8] != FILE_IDENTIFIER:
        raise errors.ExportError(
            f"not a TFLite file: bytes 4 to 7 must be {FILE_IDENTIFIER!r}; "
            f"found {bytes(model[4:8])!r} in a file of {len(model)} bytes"
        )
    try:
        return _read(bytes(model))
    except (struct.error, IndexError, TypeError, ValueError, AttributeError) as error:
        raise errors.ExportError(
            f"damaged TFLite file of {len(model)} bytes, truncated or overwritten: "
            f"{error or type(error).__name__}. Export it again."
        ) from error


def require_integer(model: bytes, types: Sequence[str] = INTEGER_TYPES) -> Program:
    """Parses `model` and checks that it is full integer, its input and output included.

    A position as the output is int32 without a scale.

    Args:
        model: a `.tflite` file.
        types: that its input and output may have.

    Raises:
        ExportError: naming the operator and the tensor that are not integer.
    """
    program = read(model)
    found = _float_operands(program)
    if found:
        # A layer left in float stands between conversions, and its result carries the
        # layer's name: that is what must be named.
        layers = [f for f in found if f[0].name not in CONVERSIONS]
        results = [f for f in layers if f[1] == "writes"]
        cause = (results or layers or found)[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise errors.ExportError(
            f"the network is not full integer: {_sentence(*cause)}{more}. Use layers "
            "that the quantization scheme covers."
        )
    if program.gives_position:
        if program.output.dtype != "int32":
            raise errors.ExportError(wide_position(program.output))
        ends = [("input", program.input)]
    else:
        ends = [("input", program.input), ("output", program.output)]
    for role, tensor in ends:
        is_integer = tensor.dtype in types and len(tensor.scales) == 1
        if not is_integer or not 0 < tensor.scales[0] < math.inf:
            raise errors.ExportError(
                f"the network's {role} '{tensor.name}' must be {' or '.join(types)} "
                "with one positive scale; found "
                f"{tensor.dtype} with the scales {tensor.scales}"
            )
        if len(tensor.shape) < 2 or tensor.shape[0] != 1 or 0 in tensor.shape:
            raise errors.ExportError(
                f"the network's {role} '{tensor.name}' must have a batch of 1; found "
                f"the shape {tensor.shape}"
            )
    return program


def wide_position(tensor: Any) -> str:
    """Why TensorFlow Lite Micro does not write a position of another type."""
    return (
        f"the position '{tensor.name}' must be int32, as TensorFlow Lite Micro writes "
        f"it; found {tensor.dtype}. Convert it with output_type=tf.int32"
    )


def _float_operands(program: Program) -> list[tuple[Operator, str, Tensor]]:
    return [
        (operator, verb, tensor)
        for operator in program.operators
        for verb, indices in (("reads", operator.inputs), ("writes", operator.outputs))
        for tensor in _present(program, indices)
        if tensor.dtype in FLOAT_TYPES
    ]


def _sentence(operator: Operator, verb: str, tensor: Tensor) -> str:
    return (
        f"operator {operator.index} {operator.name} {verb} {tensor.dtype} tensor "
        f"'{tensor.name}'"
    )


def _read(model: bytes) -> Program:
    root = tflite.Model.GetRootAsModel(model, 0)
    subgraphs = root.SubgraphsLength()
    if subgraphs != 1:
        raise ValueError(f"exactly one subgraph is supported, found {subgraphs}")
    _bound("operator codes", root.OperatorCodesLength(), MAX_OPERATORS)
    _bound("buffers", root.BuffersLength(), MAX_TENSORS)
    data_bytes = [_buffer_bytes(root, i) for i in range(root.BuffersLength())]
    names = [_operator_name(root, i) for i in range(root.OperatorCodesLength())]
    subgraph = root.Subgraphs(0)
    _bound("tensors", subgraph.TensorsLength(), MAX_TENSORS)
    _bound("operators", subgraph.OperatorsLength(), MAX_OPERATORS)
    tensors = tuple(
        _tensor(subgraph.Tensors(i), i, data_bytes)
        for i in range(subgraph.TensorsLength())
    )
    operators = tuple(
        _operator(subgraph.Operators(i), i, names)
        for i in range(subgraph.OperatorsLength())
    )
    program = Program(
        tensors, operators, _indices(subgraph, "Inputs"), _indices(subgraph, "Outputs")
    )
    _check(program)
    return program


def _check(program: Program) -> None:
    if len(program.inputs) != 1 or len(program.outputs) != 1:
        raise ValueError(
            f"one input and one output are supported, found {len(program.inputs)} and "
            f"{len(program.outputs)}"
        )
    if not program.operators:
        raise ValueError("it has no operators")
    for indices in (
        program.inputs,
        program.outputs,
        *(operator.outputs for operator in program.operators),
        *(operator.inputs for operator in program.operators),
    ):
        for index in indices:
            if not -1 <= index < len(program.tensors):
                raise ValueError(
                    f"tensor {index} of {len(program.tensors)} is referred to"
                )
    if min(program.inputs + program.outputs) < 0:
        raise ValueError("the input or the output is absent")


def _present(program: Program, indices: tuple[int, ...]) -> Iterator[Tensor]:
    return (program.tensors[index] for index in indices if index >= 0)


def _tensor(tensor: tflite.Tensor, index: int, data_bytes: list[int]) -> Tensor:
    _bound("dimensions of a tensor", tensor.ShapeLength(), MAX_RANK)
    shape = tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))
    if any(size < 0 for size in shape):
        raise ValueError(f"tensor {index} has the shape {shape}")
    quantization = tensor.Quantization()
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis = 0
    if quantization is not None and quantization.ScaleLength():
        scales = tuple(float(v) for v in quantization.ScaleAsNumpy())
        if quantization.ZeroPointLength():
            zero_points = tuple(int(v) for v in quantization.ZeroPointAsNumpy())
        else:
            zero_points = (0,) * len(scales)
        axis = int(quantization.QuantizedDimension())
    result = Tensor(
        index=index,
        name=(tensor.Name() or b"").decode("utf-8", "replace"),
        shape=shape,
        dtype=_TYPE_NAMES.get(tensor.Type(), f"type {tensor.Type()}"),
        scales=scales,
        zero_points=zero_points,
        axis=axis,
        is_constant=data_bytes[tensor.Buffer()] > 0,
    )
    _bound(f"bytes in tensor {index}", result.num_bytes, MAX_TENSOR_BYTES)
    return result


def _operator(operator: tflite.Operator, index: int, names: list[str]) -> Operator:
    return Operator(
        index=index,
        name=names[operator.OpcodeIndex()],
        inputs=_indices(operator, "Inputs"),
        outputs=_indices(operator, "Outputs"),
    )


def _operator_name(root: tflite.Model, index: int) -> str:
    code = root.OperatorCodes(index)
    # Files before schema 3a carry only the one-byte field; see schema.fbs.
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if builtin == tflite.BuiltinOperator.CUSTOM:
        return (code.CustomCode() or b"CUSTOM").decode("utf-8", "replace")
    try:
        return str(tflite.opcode2name(builtin))
    except (KeyError, ValueError):
        return f"BUILTIN_{builtin}"


def _buffer_bytes(root: tflite.Model, index: int) -> int:
    buffer = root.Buffers(index)
    if buffer.DataLength() == 0:
        return 0
    # frombuffer inside raises ValueError where the vector leaves the file.
    return int(buffer.DataAsNumpy().size)


def _indices(table: tflite.SubGraph | tflite.Operator, field: str) -> tuple[int, ...]:
    length = getattr(table, f"{field}Length")()
    _bound(f"{field.lower()} of an operator", length, MAX_OPERANDS)
    get = getattr(table, field)
    return tuple(int(get(i)) for i in range(length))


def _bound(what: str, found: int, limit: int) -> None:
    if not 0 <= found <= limit:
        raise ValueError(f"at most {limit} {what} are accepted, found {found}")
