"""Programs of TFLite in operators that each are one layer of the graph."""

import dataclasses
from collections.abc import Callable, Mapping

import tflite

from tfpipeline import errors
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


# What converts between the values outside of a network and its integers.
_INWARD, _OUTWARD = "QUANTIZE", "DEQUANTIZE"


def border(program: tflite_file.Program) -> dict[int, tuple[tflite_file.Operator, int]]:
    """The inputs and outputs of an integer network that are converted at once.

    The converter's default for full-integer networks puts a QUANTIZE behind each input
    of reals and a DEQUANTIZE before each output; asked for uint8, it puts a QUANTIZE
    there, which adds or subtracts 128. All of them can be left to the caller.

    Returns:
        Index of the outer tensor -> the operator that converts it, and the index of the
        tensor inside.
    """
    found = {}
    for operator in program.operators:
        if len(operator.inputs) != 1 or len(operator.outputs) != 1:
            continue
        source, result = operator.inputs[0], operator.outputs[0]
        inward, outward = source in program.inputs, result in program.outputs
        if inward and operator.name == _INWARD:
            outer, inner = source, result
        elif outward and operator.name in (_INWARD, _OUTWARD):
            outer, inner = result, source
        else:
            continue
        if _is_left_to_the_caller(program, operator.name, outer, inner):
            found[outer] = operator, inner
    return found


def without_border(program: tflite_file.Program) -> tflite_file.Program:
    """An integer network that takes and gives other values, as the integers inside.

    The border is left to the caller, as in a network that was converted with integer
    input and output.
    """
    borders = border(program)
    removed = {operator.index for operator, _ in borders.values()}
    kept = tuple(each for each in program.operators if each.index not in removed)
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


def _is_left_to_the_caller(
    program: tflite_file.Program, name: str, outer: int, inner: int
) -> bool:
    if outer == inner or inner < 0 or _uses(program, outer) != 1:
        return False
    given, integers = program.tensors[outer], program.tensors[inner]
    if given.dtype == "float32":
        is_input = outer in program.inputs
        return integers.dtype != "float32" and is_input == (name == _INWARD)
    # The same reals: integer + 128.
    return (
        (given.dtype, integers.dtype, name) == ("uint8", "int8", _INWARD)
        and len(given.scales) == 1
        and given.scales == integers.scales
        and given.zero_points[0] - 128 == integers.zero_points[0]
    )


# What the converter computes a shape with while the network runs.
OF_SHAPES = ("SHAPE", "STRIDED_SLICE", "PACK", "CONCATENATION", "MUL", "REDUCE_PROD")


def shape_operators(program: tflite_file.Program) -> frozenset[int]:
    """Operators that only compute the shape operands of RESHAPEs, by their index.

    The converter writes them where the batch is open. For the one image that is run
    they give what stands in the file as the shape of the RESHAPE's output.
    """
    found = {each.index: each for each in program.operators if each.name in OF_SHAPES}
    while True:
        written = {i for each in found.values() for i in each.outputs}
        kept = {
            index: each
            for index, each in found.items()
            if _reads_shapes(program, each, written)
            and _is_read_as_shape(program, each, found)
        }
        if len(kept) == len(found):
            return frozenset(found)
        found = kept


def _reads_shapes(
    program: tflite_file.Program, operator: tflite_file.Operator, written: set[int]
) -> bool:
    if operator.name == "SHAPE":
        # Of one image: the batch alone may be open.
        source = program.tensors[operator.inputs[0]]
        return not source.is_dynamic and source.shape[:1] == (1,)
    return all(
        i < 0 or i in written or program.tensors[i].is_constant for i in operator.inputs
    )


def _is_read_as_shape(
    program: tflite_file.Program,
    operator: tflite_file.Operator,
    computing: Mapping[int, tflite_file.Operator],
) -> bool:
    results = {*operator.outputs}
    if results & {*program.outputs}:
        return False
    for reader in program.operators:
        if reader.index in computing or not results & {*reader.inputs}:
            continue
        is_shape = reader.name == "RESHAPE" and reader.inputs[0] not in results
        if not is_shape or program.tensors[reader.outputs[0]].is_dynamic:
            return False
    return True


def without_shapes(program: tflite_file.Program) -> tflite_file.Program:
    """A network of one image, whose RESHAPEs are told by the shapes of the file."""
    computing = shape_operators(program)
    if not computing:
        return program
    written = {
        i for each in program.operators if each.index in computing for i in each.outputs
    }
    operators = tuple(
        dataclasses.replace(each, inputs=each.inputs[:1])
        if each.name == "RESHAPE" and written & {*each.inputs[1:]}
        else each
        for each in program.operators
        if each.index not in computing
    )
    return dataclasses.replace(program, operators=operators)


def _uses(program: tflite_file.Program, index: int) -> int:
    """How often a tensor is read, as an output of the network too."""
    reads = sum(operator.inputs.count(index) for operator in program.operators)
    return reads + program.outputs.count(index)


def rewritten(
    program: tflite_file.Program, names: Mapping[int, str], *, partly: bool = False
) -> tflite_file.Program:
    """The program in operators that each are one layer.

    Args:
        program: of a file.
        names: of its tensors, by their index.
        partly: whether an operator that cannot be rewritten stays as it is.

    Raises:
        GraphError: the way that an operator is used is not supported.
    """
    operators: list[tflite_file.Operator] = []
    for operator in program.operators:
        rewrite = REWRITES.get(operator.name)
        operation = tflite_operation.Operation(operator, program, names)
        try:
            found = None if rewrite is None else rewrite(operation)
        except errors.GraphError:
            if not partly:
                raise
            found = None
        if found is None:
            operators.append(operator)
            continue
        tensors, others = found
        program = dataclasses.replace(program, tensors=program.tensors + tensors)
        operators += others
    return dataclasses.replace(program, operators=tuple(operators))
