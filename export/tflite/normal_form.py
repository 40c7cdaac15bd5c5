"""Files of other tools in the form that everything here and on the device takes.

A full-integer network may still take and give reals, which is the converter's default,
or unsigned bytes: that border is left to the caller, who needs no interpreter for it.
Biases of files from before 2020 name the axis of their kernel as their own, which
TensorFlow Lite Micro does not look at and TFLite refuses. What a graph is read from
(`ir.from_tflite`) is read the same way.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from export.tflite import offline_plan, packing
from tfpipeline import errors
from tfpipeline.ir import tflite_file, tflite_rewrites


@dataclasses.dataclass(frozen=True, eq=False)
class Normal:
    """A network, and what was changed of it.

    Attributes:
        model: the `.tflite` file.
        notes: one sentence for each change; none where `model` is the file as it was.
    """

    model: bytes
    notes: tuple[str, ...]


def normal(model: bytes) -> Normal:
    """The network without what converts at its border, and biases with one axis.

    Args:
        model: a `.tflite` file.

    Returns:
        The same bytes where there is nothing to do. A plan of the arena is dropped with
        the tensors that it was made for.

    Raises:
        GraphError: the file is damaged, or of a form that is not supported.
    """
    program = tflite_file.parse(model)
    border = tflite_rewrites.border(program)
    # Not what is nothing but a border.
    border = border if len(border) < len(program.operators) else {}
    parsed = schema.ModelT.InitFromPackedBuf(model)
    subgraph, *others = parsed.subgraphs
    if others:
        _require_no_calls(program)
    biases = [each for each in subgraph.tensors if _names_axis_of_kernel(each)]
    shapes = tflite_rewrites.shape_operators(program)
    if not border and not biases and not shapes and not others:
        return Normal(model, ())
    for tensor in biases:
        tensor.quantization.quantizedDimension = 0
    parsed.buffers = packing.buffers(parsed)
    if others:
        _leave_out_others(parsed)
    if border or shapes:
        # Its offsets are of tensors by their number.
        offline_plan.drop(parsed)
        for tensor, shape in _shapes(program, shapes).items():
            subgraph.tensors[tensor].buffer = len(parsed.buffers)
            parsed.buffers.append(packing.Buffer(np.array(shape, "<i4").tobytes()))
        removed = {operator.index for operator, _ in border.values()} | shapes
        _leave_out(
            parsed, removed, {outer: inner for outer, (_, inner) in border.items()}
        )
    notes = _notes(program, border, len(biases), len(shapes))
    if others:
        notes.append(
            f"{len(others)} of {len(others) + 1} subgraphs are left out: the first is "
            "what TensorFlow Lite Micro runs"
        )
    return Normal(packing.pack(parsed), tuple(notes))


# Operators that run another subgraph.
_CALLS = ("CALL", "CALL_ONCE", "IF", "WHILE")


def _require_no_calls(program: tflite_file.Program) -> None:
    for operator in program.operators:
        if operator.name in _CALLS:
            raise errors.GraphError(
                f"operator {operator.index} {operator.name} runs another of the file's "
                f"{program.subgraphs} subgraphs, which is not supported: convert a "
                "single function without conditions and loops"
            )


def _leave_out_others(parsed: Any) -> None:
    """Takes all subgraphs but the first out of a file, and what only they hold."""
    first, *others = parsed.subgraphs
    kept = {int(tensor.buffer) for tensor in first.tensors}
    for index in {int(t.buffer) for each in others for t in each.tensors} - kept:
        parsed.buffers[index] = packing.Buffer()
    parsed.subgraphs = [first]
    signatures = parsed.signatureDefs or []
    parsed.signatureDefs = [each for each in signatures if each.subgraphIndex == 0]
    offline_plan.drop(parsed)


def _shapes(
    program: tflite_file.Program, computing: frozenset[int]
) -> dict[int, tuple[int, ...]]:
    """Tensor that was to be computed as a shape -> the shape that is in the file."""
    written = {
        i for each in program.operators if each.index in computing for i in each.outputs
    }
    return {
        each.inputs[1]: program.tensors[each.outputs[0]].shape
        for each in program.operators
        if each.name == "RESHAPE" and len(each.inputs) > 1 and each.inputs[1] in written
    }


def _names_axis_of_kernel(tensor: Any) -> bool:
    quantization = tensor.quantization
    is_line = tensor.shape is not None and len(tensor.shape) == 1
    return is_line and quantization is not None and quantization.quantizedDimension != 0


def _leave_out(parsed: Any, removed: Collection[int], inner: Mapping[int, int]) -> None:
    """Takes operators, and tensors that nothing reads any more, out of a subgraph.

    Args:
        parsed: changed in place.
        removed: the operators, by index.
        inner: index of each outer tensor of the border -> that of the tensor inside.
    """
    subgraph = parsed.subgraphs[0]
    subgraph.operators = [
        each for i, each in enumerate(subgraph.operators) if i not in removed
    ]
    borders = [inner.get(int(i), int(i)) for i in (*subgraph.inputs, *subgraph.outputs)]
    lists = [
        each
        for operator in subgraph.operators
        for each in (operator.inputs, operator.outputs, operator.intermediates)
        if each is not None
    ]
    used = {*borders, *(int(i) for each in lists for i in each)}
    kept = [i for i in range(len(subgraph.tensors)) if i in used]
    number = {index: place for place, index in enumerate(kept)} | {-1: -1}

    def renumbered(indices: Sequence[int] | None) -> list[int] | None:
        if indices is None:
            return None
        return [number[inner.get(int(i), int(i))] for i in indices]

    subgraph.tensors = [subgraph.tensors[index] for index in kept]
    subgraph.inputs = renumbered(subgraph.inputs)
    subgraph.outputs = renumbered(subgraph.outputs)
    for operator in subgraph.operators:
        operator.inputs = renumbered(operator.inputs)
        operator.outputs = renumbered(operator.outputs)
        operator.intermediates = renumbered(operator.intermediates)
    for signature in parsed.signatureDefs or []:
        for entry in (*(signature.inputs or []), *(signature.outputs or [])):
            index = int(entry.tensorIndex)
            entry.tensorIndex = number[inner.get(index, index)]


def _notes(
    program: tflite_file.Program,
    border: Mapping[int, tuple[tflite_file.Operator, int]],
    biases: int,
    shapes: int,
) -> list[str]:
    notes = []
    for role, indices in (("input", program.inputs), ("output", program.outputs)):
        for outer in indices:
            if outer not in border:
                continue
            given = program.tensors[outer].dtype
            integers = program.tensors[border[outer][1]].dtype
            by = "real = scale * (integer - zero point)"
            if given == "uint8":
                by = "byte - 128" if role == "input" else "integer + 128 is the byte"
            notes.append(f"the {given} {role} is left out: {integers}, {by}")
    if biases:
        notes.append(
            f"{biases} biases named the axis of their kernel; they have but axis 0"
        )
    if shapes:
        notes.append(
            f"{shapes} operators that computed shapes of an open batch are left out: "
            "the batch is 1"
        )
    return notes
