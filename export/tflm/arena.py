"""The arena that TensorFlow Lite Micro needs on another machine, by its own steps.

The arena has two parts. Its head, activations and scratch memory, is planned from sizes
in the file and is the same on every machine. Its tail holds structures with pointers
in them: this module repeats the interpreter's allocations there, one by one, with the
sizes that the structures have on the machine (`structures`). The steps are those of
MicroAllocator and MicroInterpreter::AllocateTensors at revision 90b983c2b3f1, with the
reference kernels; optimized kernels ask for other data and scratch memory.
"""

import dataclasses

from export.tflm import operators, structures
from tfpipeline.cost import liveness
from tfpipeline.ir import tflite_file

# kMaxScratchBuffersPerOp, micro_allocator.cc: room for requests of one more kernel.
_SPARE_REQUESTS = 12

# GreedyMemoryPlanner::per_buffer_size, greedy_memory_planner.h: ten int.
_PLANNED_BUFFER_BYTES = 40

# LUTSize<int16_t>, tensorflow/lite/kernels/internal/common.h: entries of each of the
# two tables of a softmax of int16.
_SOFTMAX_TABLE_ENTRIES = 513


@dataclasses.dataclass(frozen=True)
class Arena:
    """Memory on one machine, in bytes.

    Attributes:
        head_bytes: activations and scratch memory.
        tail_bytes: what the interpreter keeps beside them.
        planning_bytes: what must be there while the interpreter prepares its kernels
            and plans the memory, tail included, before the head is used as such.
    """

    head_bytes: int
    tail_bytes: int
    planning_bytes: int

    @property
    def used_bytes(self) -> int:
        """What `MicroInterpreter::arena_used_bytes` answers."""
        return self.head_bytes + self.tail_bytes

    @property
    def arena_bytes(self) -> int:
        """The smallest arena, a multiple of 16, that the network runs in."""
        return _aligned(max(self.used_bytes, self.planning_bytes), liveness.ALIGNMENT)


class _Tail:
    """Grows from the arena's end towards its start."""

    def __init__(self, machine: structures.Machine):
        self.used = 0
        self._machine = machine

    def add(self, size: int, alignment: int) -> None:
        """A block whose address is a multiple of `alignment`."""
        self.used = _aligned(self.used + size, alignment)

    def add_structures(self, name: str, count: int = 1) -> None:
        """An array of a structure."""
        size = self._machine.sizes[name]
        self.add(count * size.bytes, size.alignment)

    def add_buffer(self, size: int) -> None:
        """Memory that a kernel or the interpreter asks for without saying what for."""
        self.add(size, liveness.ALIGNMENT)


def estimate(
    program: tflite_file.Program, machine: structures.Machine, head_bytes: int
) -> Arena:
    """The arena of a network of `operators.KERNELS` with the reference kernels.

    Args:
        program: the file.
        machine: `structures.ARM_32` or another.
        head_bytes: of the plan that the interpreter follows.
    """
    tail = _Tail(machine)
    scratch = _num_scratch_buffers(program)
    _add_core(tail, program)
    for operator in program.operators:
        if options := operators.KERNELS[operator.name].options:
            tail.add_structures(options)
    for operator in program.operators:
        if data := operators.KERNELS[operator.name].data:
            tail.add_buffer(machine.sizes[data].bytes)
    planning = 0
    for operator in program.operators:
        for size in _prepared_bytes(program, operator):
            tail.add_buffer(size)
        temporary = _preparing_bytes(program, operator, machine)
        planning = max(planning, tail.used + temporary)
    if scratch:
        tail.add_structures("ScratchBufferHandle", scratch)
    for tensor in program.tensors:
        if tensor.is_variable:
            tail.add_buffer(tensor.num_bytes)
    temporary = _planning_bytes(program, machine, scratch, tail.used)
    planning = max(planning, tail.used + temporary)
    for border in (program.inputs, program.outputs):
        _add_border(tail, machine, [program.tensors[i] for i in border])
    return Arena(head_bytes, tail.used, planning)


def _add_core(tail: _Tail, program: tflite_file.Program) -> None:
    for name in (
        "SingleArenaBufferAllocator",
        "GreedyMemoryPlanner",
        "MicroAllocator",
        "MicroBuiltinDataAllocator",
        "SubgraphAllocations",
    ):
        tail.add_structures(name)
    tail.add_structures("TfLiteEvalTensor", len(program.tensors))
    tail.add_structures("NodeAndRegistration", len(program.operators))


def _add_border(
    tail: _Tail, machine: structures.Machine, tensors: list[tflite_file.FileTensor]
) -> None:
    """A list of pointers, and each input's or output's description."""
    tail.add_buffer(machine.pointer_bytes * len(tensors))
    for tensor in tensors:
        tail.add_structures("TfLiteTensor")
        if tensor.scales:
            tail.add_structures("TfLiteAffineQuantization")
            tail.add(_int_list_bytes(len(tensor.scales)), 4)


def _prepared_bytes(
    program: tflite_file.Program, operator: tflite_file.Operator
) -> tuple[int, ...]:
    """Memory that a kernel's Prepare keeps, block by block, in bytes.

    Convolutions: a multiplier and a shift a channel, both int32. FULLY_CONNECTED: the
    same where its weights have several scales. SOFTMAX of int16: two tables.
    SPACE_TO_DEPTH: a list of its output's dimensions.
    """
    if operator.name in _CHANNEL_AXIS:
        shape = program.tensors[operator.inputs[1]].shape
        return (4 * shape[_CHANNEL_AXIS[operator.name]],) * 2
    if operator.name == "FULLY_CONNECTED":
        scales = len(program.tensors[operator.inputs[1]].scales)
        return (4 * scales,) * 2 if scales > 1 else ()
    if operator.name == "SOFTMAX":
        is_16_bit = program.tensors[operator.inputs[0]].dtype == "int16"
        return (2 * _SOFTMAX_TABLE_ENTRIES,) * 2 if is_16_bit else ()
    if operator.name == "SPACE_TO_DEPTH":
        return (_int_list_bytes(4),)
    return ()


# Of the weights, input 1: kConvQuantizedDimension and its like in the kernels.
_CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 0}


def _preparing_bytes(
    program: tflite_file.Program,
    operator: tflite_file.Operator,
    machine: structures.Machine,
) -> int:
    """Temporary memory of a kernel's Prepare, which describes its operands.

    Convolutions describe all of them twice, but the bias once; so may others, which are
    counted so: their operands are few and small. FULLY_CONNECTED does it once. Requests
    of scratch memory come first.
    """
    tensor, quantization = (
        machine.sizes[name] for name in ("TfLiteTensor", "TfLiteAffineQuantization")
    )
    present = [i for i in operator.inputs if i >= 0]
    indices = [*present, *operator.outputs]
    if operator.name in _CHANNEL_AXIS:
        indices += [*present[:2], *operator.outputs]
    elif operator.name not in ("FULLY_CONNECTED", *tflite_file.STATEFUL):
        indices *= 2
    used = _SPARE_REQUESTS * machine.sizes["ScratchBufferRequest"].bytes
    for index in indices:
        used = _aligned(used, tensor.alignment) + tensor.bytes
        if scales := len(program.tensors[index].scales):
            used += quantization.bytes + _int_list_bytes(scales)
    return used


# Blocks of scratch memory that reference kernels ask for, but for kernels of 4 bits.
_SCRATCH_BUFFERS = {
    "MEAN": 3,
    "MIRROR_PAD": 2,
    "REDUCE_MAX": 2,
    "REDUCE_MIN": 2,
    "TRANSPOSE_CONV": 1,
}


def _num_scratch_buffers(program: tflite_file.Program) -> int:
    """How many blocks of scratch memory the reference kernels ask for.

    Their sizes are `offline_plan`'s, which counts them into the head.
    """
    count = 0
    for operator in program.operators:
        count += {"UNIDIRECTIONAL_SEQUENCE_LSTM": 4, "SVDF": 2}.get(operator.name, 0)
        operands = [program.tensors[i] for i in operator.inputs if i >= 0]
        count += _SCRATCH_BUFFERS.get(operator.name, 0)
        count += sum(tensor.dtype == "int4" for tensor in operands)
    return count


def _planning_bytes(
    program: tflite_file.Program, machine: structures.Machine, scratch: int, tail: int
) -> int:
    """Temporary memory of the planning: requests, life times, the planner's lists.

    The planner gets what is left between two addresses that are multiples of 16, and
    needs room for every buffer there.
    """
    request, info = (
        machine.sizes[name] for name in ("ScratchBufferRequest", "AllocationInfo")
    )
    used = request.bytes * (scratch + _SPARE_REQUESTS)
    used = _aligned(used, machine.pointer_bytes) + machine.pointer_bytes
    used = _aligned(used, info.alignment)
    used += info.bytes * (len(program.tensors) + scratch)
    used = _aligned(used, liveness.ALIGNMENT)
    buffers = scratch + sum(
        tensor.data is None and not tensor.is_variable for tensor in program.tensors
    )
    lists = _aligned(_PLANNED_BUFFER_BYTES * buffers, liveness.ALIGNMENT)
    return used + lists + _aligned(tail, liveness.ALIGNMENT) - tail


def _int_list_bytes(count: int) -> int:
    """TfLiteIntArray: its length, and an int each."""
    return 4 + 4 * count


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
