"""Operators of TFLite that are several layers of the graph, as other operators."""

import dataclasses
from collections.abc import Callable, Mapping

import tflite

from tfpipeline.ir import tflite_file, tflite_operation

# Tensors that the file does not have, and operators in their order.
Replacement = tuple[
    tuple[tflite_file.FileTensor, ...], tuple[tflite_file.Operator, ...]
]


def _reduce_max(operation: tflite_operation.Operation) -> Replacement:
    """A window over the whole plane; then a reshape, for axes that are dropped."""
    height, width = operation.plane(operation.tensor(0))
    if {axis + 4 if axis < 0 else axis for axis in operation.integers(1)} != {1, 2}:
        raise operation.error(
            f"supported over the spatial axes (1, 2); found {operation.integers(1)}"
        )
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


# Operators that are several others in a row.
REWRITES: dict[str, Callable[[tflite_operation.Operation], Replacement]] = {
    "REDUCE_MAX": _reduce_max
}


def rewritten(
    program: tflite_file.Program, names: Mapping[int, str]
) -> tflite_file.Program:
    """The program in operators that each are one layer.

    Raises:
        GraphError: the way that an operator is used is not supported.
    """
    operators: list[tflite_file.Operator] = []
    for operator in program.operators:
        if operator.name not in REWRITES:
            operators.append(operator)
            continue
        tensors, others = REWRITES[operator.name](
            tflite_operation.Operation(operator, program, names)
        )
        program = dataclasses.replace(program, tensors=program.tensors + tensors)
        operators += others
    return dataclasses.replace(program, operators=tuple(operators))
