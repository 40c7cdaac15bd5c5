"""Files of other tools in the form that everything here and on the device takes.

A full-integer network may still take and give reals, which is the converter's default,
or unsigned bytes: that border is left to the caller, who needs no interpreter for it.
Biases of files from before 2020 name the axis of their kernel as their own, which
TensorFlow Lite Micro does not look at and TFLite refuses. What a graph is read from
(`ir.from_tflite`) is read the same way.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from export.tflite import offline_plan, packing
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
    [subgraph] = parsed.subgraphs
    biases = [each for each in subgraph.tensors if _names_axis_of_kernel(each)]
    if not border and not biases:
        return Normal(model, ())
    for tensor in biases:
        tensor.quantization.quantizedDimension = 0
    if border:
        # Its offsets are of tensors by their number.
        offline_plan.drop(parsed)
        _leave_out(parsed, {outer: inner for outer, (_, inner) in border.items()})
    parsed.buffers = packing.buffers(parsed)
    return Normal(packing.pack(parsed), tuple(_notes(program, border, len(biases))))


def _names_axis_of_kernel(tensor: Any) -> bool:
    quantization = tensor.quantization
    is_line = tensor.shape is not None and len(tensor.shape) == 1
    return is_line and quantization is not None and quantization.quantizedDimension != 0


def _leave_out(parsed: Any, inner: Mapping[int, int]) -> None:
    """Takes the operators and tensors of the border out of the only subgraph.

    Args:
        parsed: changed in place.
        inner: index of each outer tensor -> that of the tensor inside.
    """
    [subgraph] = parsed.subgraphs
    subgraph.operators = [
        each
        for each in subgraph.operators
        if not {*map(int, each.inputs), *map(int, each.outputs)} & inner.keys()
    ]
    kept = [i for i in range(len(subgraph.tensors)) if i not in inner]
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
) -> Sequence[str]:
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
    return notes
