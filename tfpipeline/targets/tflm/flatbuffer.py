"""A full-integer `.tflite` as the interpreters take it, read without trusting it.

`ir.tflite_file` parses it in Python, so that a truncated or hostile file ends in one
`ExportError` before any C++ interpreter sees it.
"""

import math
from collections.abc import Sequence

from tfpipeline import errors
from tfpipeline.ir import tflite_file

FILE_IDENTIFIER = tflite_file.FILE_IDENTIFIER

# A tensor of 64 MiB is beyond any microcontroller; a damaged shape easily exceeds it.
MAX_TENSOR_BYTES = 2**26

# Operators that only stand at the border of a float part.
CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})

# Types of a full-integer network's input and output.
INTEGER_TYPES = ("int8", "int16")

# Types that QUANTIZE converts at the ends: micro/kernels/quantize_common.cc. uint8 is
# one of them too; `export.tflite.normal_form` leaves such an end out.
CONVERTED_TYPES = (*INTEGER_TYPES, "int32")

# Operators whose result is a position: integers of 32 bits without a scale.
POSITIONS = frozenset({"ARG_MAX", "ARG_MIN"})

FLOAT_TYPES = frozenset({"float16", "float32", "float64", "bfloat16"})

# What to do about types of the border that the converter gives if asked for.
_BORDER_ADVICE = dict.fromkeys(
    ("float32", "uint8"),
    "; convert with inference_input_type=tf.int8 and inference_output_type=tf.int8",
)

_OTHER_TARGET = {"int8": "--targets=int8", "int16": "--targets=int16x8"}

Tensor = tflite_file.FileTensor
Operator = tflite_file.Operator
Program = tflite_file.Program


def read(model: bytes) -> Program:
    """Parses the first subgraph of a `.tflite` file, which TFLite Micro runs.

    Raises:
        ExportError: not a TFLite file, truncated, inconsistent, or of a form that is
            not supported.
    """
    try:
        program = tflite_file.parse(model)
    except errors.GraphError as error:
        raise errors.ExportError(str(error)) from error
    if not program.operators:
        raise errors.ExportError("the network has no operators: nothing is computed")
    for operator in program.operators:
        variable = program.variable(operator)
        if variable is not None:
            raise errors.ExportError(
                f"operator {operator.index} {operator.name}: tensor {variable.index} "
                f"'{variable.name[:60]}' {tflite_file.VARIABLE_REASON}"
            )
    for tensor in program.tensors:
        if min(tensor.shape, default=1) < 0:
            raise errors.ExportError(
                f"tensor {tensor.index} '{tensor.name[:60]}' has no fixed shape, "
                f"{tensor.shape}; convert from a function of fixed shapes and batch 1"
            )
        if tensor.num_bytes > MAX_TENSOR_BYTES:
            raise errors.ExportError(
                f"at most {MAX_TENSOR_BYTES} bytes in tensor {tensor.index} "
                f"'{tensor.name[:60]}' are accepted, found {tensor.num_bytes}"
            )
    return program


def require_integer(model: bytes, types: Sequence[str] = INTEGER_TYPES) -> Program:
    """Parses `model` and checks that it is full integer, its input and output included.

    A position as the output is int32 without a scale. An input that QUANTIZE alone
    reads, and an output that it writes, may be int32, or of another type than `types`
    if what lies behind it is of them.

    Args:
        model: a `.tflite` file.
        types: that its inputs and outputs may have.

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
        advice = "Use layers that the quantization scheme covers."
        if not layers:
            advice = "Convert with inference_input_type=tf.int8, and output alike."
        raise errors.ExportError(
            f"the network is not full integer: {_sentence(*cause)}{more}. {advice}"
        )
    found_positions = positions(program)
    ends = [("input", program.tensors[i]) for i in program.inputs]
    for tensor in (program.tensors[i] for i in program.outputs):
        if tensor.index not in found_positions:
            ends.append(("output", tensor))
        elif tensor.dtype != "int32":
            raise errors.ExportError(wide_position(tensor))
    for role, tensor in ends:
        known = end_types(program, tensor, types)
        is_integer = tensor.dtype in known and len(tensor.scales) == 1
        if not is_integer or not 0 < tensor.scales[0] < math.inf:
            advice = _BORDER_ADVICE.get(tensor.dtype, "")
            if tensor.dtype in INTEGER_TYPES and tensor.dtype not in types:
                advice = f"; that is a network for {_OTHER_TARGET[tensor.dtype]}"
            raise errors.ExportError(
                f"the network's {role} '{tensor.name[:60]}' must be "
                f"{' or '.join(known)} with one positive scale; found {tensor.dtype} "
                f"with the scales {tensor.scales[:3]}{advice}"
            )
        if len(tensor.shape) < 2 or tensor.shape[0] != 1 or 0 in tensor.shape:
            raise errors.ExportError(
                f"the network's {role} '{tensor.name}' must have a batch of 1; found "
                f"the shape {tensor.shape}"
            )
    return program


def positions(program: Program) -> frozenset[int]:
    """Indices of the tensors that hold positions, as `POSITIONS` write them."""
    return frozenset(
        index
        for operator in program.operators
        if operator.name in POSITIONS
        for index in operator.outputs
    )


def end_types(
    program: Program, end: Tensor, types: Sequence[str] = INTEGER_TYPES
) -> Sequence[str]:
    """The types that an input or output may have in a network of `types`."""
    inner = _converted(program, end)
    if not inner:
        return types
    if all(tensor.dtype in types for tensor in inner):
        return CONVERTED_TYPES
    return (*types, "int32")


def _converted(program: Program, end: Tensor) -> list[Tensor]:
    """What lies behind the QUANTIZE at an end; nothing if anything else meets it."""
    readers = [each for each in program.operators if end.index in each.inputs]
    writers = [each for each in program.operators if end.index in each.outputs]
    if not writers and all(each.name == "QUANTIZE" for each in readers):
        return [program.tensors[each.outputs[0]] for each in readers]
    if not readers and all(each.name == "QUANTIZE" for each in writers):
        return [program.tensors[each.inputs[0]] for each in writers]
    return []


def wide_position(tensor: Tensor) -> str:
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
        for tensor in (program.tensors[i] for i in indices if i >= 0)
        if tensor.dtype in FLOAT_TYPES
    ]


def _sentence(operator: Operator, verb: str, tensor: Tensor) -> str:
    return (
        f"operator {operator.index} {operator.name} {verb} {tensor.dtype} tensor "
        f"'{tensor.name[:100]}'"
    )
