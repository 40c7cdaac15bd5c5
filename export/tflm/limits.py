"""What keeps a network from running in TensorFlow Lite Micro as it is, all at once."""

import math
from collections.abc import Iterator

from export.tflm import operators
from tfpipeline.ir import tflite_file
from tfpipeline.targets.tflm import flatbuffer

_FLOAT = ("float16", "float32", "float64", "bfloat16")


def reasons(program: tflite_file.Program) -> list[str]:
    """One sentence for each operator or border that cannot be written; none if all can.

    Args:
        program: the file.
    """
    return [
        *_border("input", program, program.inputs),
        *_border("output", program, program.outputs),
        *(text for each in program.operators for text in _operator(program, each)),
    ]


def _border(
    role: str, program: tflite_file.Program, indices: tuple[int, ...]
) -> Iterator[str]:
    positions = flatbuffer.positions(program)
    for tensor in (program.tensors[i] for i in indices):
        who = f"{role} '{tensor.name}'"
        is_position = tensor.index in positions
        if is_position:
            if tensor.dtype != "int32":
                yield flatbuffer.wide_position(tensor)
        elif tensor.dtype not in (types := flatbuffer.end_types(program, tensor)):
            yield f"{who} must be {' or '.join(types)}; found {tensor.dtype}"
        elif len(tensor.scales) != 1 or not 0 < tensor.scales[0] < math.inf:
            yield f"{who} must have one positive scale; found {tensor.scales}"
        if tensor.is_dynamic or not (is_position or tensor.shape[:1] == (1,)):
            yield f"{who} must have a fixed shape, batch 1; found {tensor.shape}"
        if tensor.data is not None:
            yield f"{who} must not be constant"
        if tensor.is_variable:
            yield f"{who} {tflite_file.VARIABLE_REASON}"


def _operator(
    program: tflite_file.Program, operator: tflite_file.Operator
) -> Iterator[str]:
    who = f"operator {operator.index} {operator.name}"
    if operator.name not in operators.KERNELS:
        yield f"{who} is not supported; docs/operators.md lists what is"
    variable = program.variable(operator)
    if variable is not None:
        yield (
            f"{who}: tensor {variable.index} '{variable.name[:60]}' "
            f"{tflite_file.VARIABLE_REASON}"
        )
    indices = (*operator.inputs, *operator.outputs)
    for tensor in (program.tensors[i] for i in indices if i >= 0):
        if tensor.dtype in _FLOAT:
            yield f"{who} has the {tensor.dtype} tensor '{tensor.name}'"
            return
