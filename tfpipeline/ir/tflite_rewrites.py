"""Programs of TFLite in operators that each are one layer of the graph."""

import dataclasses
from collections.abc import Callable, Mapping

import tflite

from tfpipeline.ir import tflite_file, tflite_operation

# Tensors that the file does not have, and operators in their order.
Replacement = tuple[
    tuple[tflite_file.FileTensor, ...], tuple[tflite_file.Operator, ...]
]


def _reduce_max(operation: tflite_operation.Operation) -> Replacement | None:
    """A window over the whole plane; then a reshape, for axes that are dropped.

    Of int16 and of other axes it stays what it is: there is no kernel, or no window.
    """
    source = operation.tensor(0)
    axes = {axis + 4 if axis < 0 else axis for axis in operation.integers(1)}
    if len(source.shape) != 4 or axes != {1, 2} or source.dtype == "int16":
        return None
    height, width = operation.plane(source)
    output, program = operation.result(), operation.program
    parent = output.name.split(";")[0].rpartition("/")[0] or output.name
    pooled = dataclasses.replace(
        output,
        index=len(program.tensors),
        name=f"{parent}_pool/Max",
        shape=(*operation.tensor(0).shape[:1], 1, 1, operation.tensor(0).shape[-1]),
    )
    pool = dataclasses.replace(
        operation.operator,
        name="MAX_POOL_2D",
        inputs=operation.operator.inputs[:1],
        outputs=(pooled.index,),
        options={
            "padding": tflite.Padding.VALID,
            "stride_height": height,
            "stride_width": width,
            "kernel_height": height,
            "kernel_width": width,
            "activation": tflite.ActivationFunctionType.NONE,
        },
    )
    if output.shape == pooled.shape:
        return (), (dataclasses.replace(pool, outputs=operation.operator.outputs),)
    reshape = dataclasses.replace(
        operation.operator, name="RESHAPE", inputs=pool.outputs, options={}
    )
    return (pooled,), (pool, reshape)


# Operators that may be several others in a row.
REWRITES: dict[str, Callable[[tflite_operation.Operation], Replacement | None]] = {
    "REDUCE_MAX": _reduce_max
}


# What converts between the real values outside of a network and its integers.
_INWARD, _OUTWARD = "QUANTIZE", "DEQUANTIZE"


def without_float_border(program: tflite_file.Program) -> tflite_file.Program:
    """An integer network that takes and gives real values, as the integers inside.

    The converter's default for full-integer networks puts a QUANTIZE behind each input
    and a DEQUANTIZE before each output. They are left to the caller, as in a network
    that was converted with integer input and output.
    """
    borders = {}
    for operator in program.operators:
        outer, inner_index = _border(operator)
        outside = {_INWARD: program.inputs, _OUTWARD: program.outputs}
        if (
            outer in outside.get(operator.name, ())
            and program.tensors[outer].dtype == "float32"
            and _uses(program, outer) == 1
        ):
            borders[outer] = (operator, inner_index)
    removed = {id(operator) for operator, _ in borders.values()}
    kept = tuple(each for each in program.operators if id(each) not in removed)
    if not kept:
        return program

    def inner(indices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(borders[i][1] if i in borders else i for i in indices)

    return dataclasses.replace(
        program,
        operators=kept,
        inputs=inner(program.inputs),
        outputs=inner(program.outputs),
    )


def _border(operator: tflite_file.Operator) -> tuple[int, int]:
    """The tensors outside and inside of a conversion; -1 where it is not one."""
    if len(operator.inputs) != 1 or len(operator.outputs) != 1:
        return -1, -1
    source, result = operator.inputs[0], operator.outputs[0]
    return (source, result) if operator.name == _INWARD else (result, source)


def _uses(program: tflite_file.Program, index: int) -> int:
    """How often a tensor is read, as an output of the network too."""
    reads = sum(operator.inputs.count(index) for operator in program.operators)
    return reads + program.outputs.count(index)


def rewritten(
    program: tflite_file.Program, names: Mapping[int, str]
) -> tflite_file.Program:
    """The program in operators that each are one layer.

    Raises:
        GraphError: the way that an operator is used is not supported.
    """
    operators: list[tflite_file.Operator] = []
    for operator in program.operators:
        rewrite = REWRITES.get(operator.name)
        operation = tflite_operation.Operation(operator, program, names)
        found = None if rewrite is None else rewrite(operation)
        if found is None:
            operators.append(operator)
            continue
        tensors, others = found
        program = dataclasses.replace(program, tensors=program.tensors + tensors)
        operators += others
    return dataclasses.replace(program, operators=tuple(operators))
