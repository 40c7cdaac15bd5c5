"""Our plan of the arena in the file itself, as TensorFlow Lite Micro reads it.

TFLite Micro plans its arena when it starts, by a greedy rule that leaves memory unused.
A `.tflite` file may bring offsets along instead: metadata `OfflineMemoryAllocation`, a
buffer of int32 with a version, the number of subgraphs, the number n of tensors, and n
offsets into the head of the arena, -1 where the runtime is to choose
(tensorflow/lite/micro/docs/memory_management.md). The scratch memory of kernels is no
tensor: the runtime fits it around the tensors.

What a plan saves is known for the reference kernels. Optimized kernels ask for other
scratch memory (CMSIS-NN's convolutions do), which comes on top in either case: measure
the arena of a build that uses them.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from export.tflite import packing
from tfpipeline import errors
from tfpipeline.cost import arena_planner, greedy_planner, liveness
from tfpipeline.ir import tflite_file, tflite_operators, tflite_rewrites

METADATA = "OfflineMemoryAllocation"

# The format's version, which TFLite Micro does not look at, and of subgraphs there is
# one.
_HEADER = (1, 1)

# The runtime chooses: kOnlinePlannedBuffer, tensorflow/lite/micro/memory_planner/
# micro_memory_planner.h.
ONLINE = -1

# Fewer have neither an LSTM nor an SVDF.
_FEWEST = 5

# Operators whose scratch memory is known: all that can be read, and the conversion at
# the border of a network.
_KNOWN = {*tflite_operators.READERS, *tflite_rewrites.REWRITES, "DEQUANTIZE"}


@dataclasses.dataclass(frozen=True)
class OfflinePlan:
    """Where each tensor of a file lies, and what that saves.

    Attributes:
        offsets: bytes from the start of the arena's head for each tensor of the file;
            `ONLINE` for constants, which are not in it.
        head_bytes: activations and scratch memory with these offsets.
        greedy_bytes: the same as TFLite Micro plans by itself.
    """

    offsets: tuple[int, ...]
    head_bytes: int
    greedy_bytes: int


def make(model: bytes) -> OfflinePlan:
    """Plans the activations of a `.tflite` file.

    Raises:
        GraphError: the file is damaged.
        ExportError: it has an operator whose scratch memory is not known.
    """
    program = tflite_file.parse(model)
    buffers = _buffers(program)
    greedy = greedy_planner.plan_greedily(buffers).peak_bytes
    ours = arena_planner.plan_arena(buffers)
    tensors = {
        buffer.name: offset
        for buffer, offset in zip(buffers, ours.offsets, strict=True)
        if buffer.name.isdecimal()
    }
    return OfflinePlan(
        offsets=tuple(
            tensors.get(str(tensor.index), ONLINE) for tensor in program.tensors
        ),
        head_bytes=greedy_planner.head_bytes(buffers, tensors),
        greedy_bytes=greedy,
    )


def with_plan(model: bytes) -> bytes:
    """The file with our plan of the arena, where that needs less memory.

    Returns:
        `model` itself where TFLite Micro's own plan is as small; else the same network
        with the plan, in place of one that it had already.

    Raises:
        GraphError, ExportError: as `make`.
    """
    plan = make(model)
    if plan.head_bytes >= plan.greedy_bytes:
        return model
    data = np.array([*_HEADER, len(plan.offsets), *plan.offsets], "<i4").tobytes()
    parsed = schema.ModelT.InitFromPackedBuf(model)
    buffers = packing.buffers(parsed)
    entries = [e for e in parsed.metadata or [] if e.name == METADATA.encode()]
    if not entries:
        entries = [schema.MetadataT(METADATA, len(buffers))]
        parsed.metadata = [*(parsed.metadata or []), *entries]
        buffers.append(packing.Buffer())
    for entry in entries:
        buffers[entry.buffer] = packing.Buffer(data)
    parsed.buffers = buffers
    return packing.pack(parsed)


def without_plan(model: bytes) -> bytes:
    """The file without a plan of the arena; `model` itself where it has none.

    An interpreter that keeps all tensors, as comparisons by operator need it, takes no
    plan: its planner lays them one behind the other.
    """
    parsed = schema.ModelT.InitFromPackedBuf(model)
    parsed.buffers = packing.buffers(parsed)
    return packing.pack(parsed) if drop(parsed) else model


def drop(parsed: Any) -> bool:
    """Takes the plan out of a `schema.ModelT` of `Buffer`s; whether there was one."""
    entries = parsed.metadata or []
    kept = [each for each in entries if each.name != METADATA.encode()]
    for each in entries:
        if each.name == METADATA.encode() and 0 <= each.buffer < len(parsed.buffers):
            parsed.buffers[each.buffer] = packing.Buffer()
    parsed.metadata = kept or None
    return len(kept) < len(entries)


def _buffers(program: tflite_file.Program) -> tuple[liveness.Buffer, ...]:
    """Activations by their index, in the file's order, and the scratch memory."""
    activations = {
        tensor.index: tensor
        for tensor in program.tensors
        if tensor.data is None and not tensor.is_variable
    }
    steps = [
        liveness.Step(
            f"{operator.index} {operator.name}",
            tuple(str(i) for i in operator.inputs if i in activations),
            tuple(map(str, operator.outputs)),
            _scratch_bytes(program, operator),
        )
        for operator in program.operators
    ]
    sizes = {str(i): _num_bytes(tensor) for i, tensor in activations.items()}
    inputs, outputs = (
        [str(i) for i in border] for border in (program.inputs, program.outputs)
    )
    return liveness.find_buffers(sizes, steps, inputs, outputs)


def _num_bytes(tensor: tflite_file.FileTensor) -> int:
    try:
        return math.prod(tensor.shape) * np.dtype(tensor.dtype).itemsize
    except TypeError as error:
        raise errors.ExportError(
            f"no plan of the arena: tensor {tensor.index} '{tensor.name}' has the type "
            f"{tensor.dtype}, which activations do not have"
        ) from error


def _scratch_bytes(
    program: tflite_file.Program, operator: tflite_file.Operator
) -> tuple[int, ...]:
    """What the reference kernels ask for: tensorflow/lite/micro/kernels/*.cc.

    reduce_common.cc: int32 sums of an integer MEAN, lists of the input's dimensions and
    of the axes. mirror_pad.cc: two lists of the input's dimensions. transpose_conv.cc:
    sums of 32 bits beside int8, of 64 beside int16. conv_common.cc,
    depthwise_conv_common.cc, fully_connected.cc: kernels of 4 bits, unpacked.
    unidirectional_sequence_lstm.cc: four times the cell, the last operand.
    svdf_common.cc: int32 sums of the filters and of the outputs.
    """
    if operator.name not in _KNOWN:
        raise errors.ExportError(
            f"no plan of the arena: the scratch memory of operator {operator.index} "
            f"{operator.name} is not known; known are {', '.join(sorted(_KNOWN))}"
        )
    operands = [program.tensors[i] for i in operator.inputs if i >= 0]
    if operator.name in tflite_file.STATEFUL and len(operands) < _FEWEST:
        raise errors.ExportError(
            f"no plan of the arena: operator {operator.index} {operator.name} has "
            f"{len(operands)} operands"
        )
    if operator.name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        return (2 * math.prod(operands[-1].shape),) * 4
    results = math.prod(program.tensors[operator.outputs[0]].shape)
    if operator.name == "SVDF":
        filters = math.prod(each.shape[0] for each in operands[:2] if each.shape)
        return (4 * filters, 4 * results)
    if operator.name in ("MEAN", "REDUCE_MAX", "REDUCE_MIN"):
        source, axes = operands
        lists = (4 * len(source.shape), 4 * math.prod(axes.shape))
        has_sums = operator.name == "MEAN" and source.dtype in ("int8", "int16")
        return (4 * results, *lists) if has_sums else lists
    if operator.name == "MIRROR_PAD":
        return (4 * len(operands[0].shape),) * 2
    if operator.name == "TRANSPOSE_CONV":
        sums = {"int8": 4, "int16": 8}.get(operands[2].dtype)
        return () if sums is None else (sums * results,)
    return tuple(
        math.prod(tensor.shape) for tensor in operands if tensor.dtype == "int4"
    )
