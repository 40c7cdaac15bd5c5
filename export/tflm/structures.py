"""Sizes of what TensorFlow Lite Micro keeps in its arena, by machine.

`sizeof` and `alignof` at revision 90b983c2b3f1, as a compiler printed them:
arm-none-eabi-g++ 12.2 -mcpu=cortex-m7 (4-byte pointers, and enums as short as their
values, as the Arm EABI wants), and g++ 12.2 on x86-64. Other 32-bit machines keep enums
in 4 bytes: that adds at most 16 bytes an operator to the options.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Size:
    """Bytes of a structure, and of what its address must be a multiple."""

    bytes: int
    alignment: int


@dataclasses.dataclass(frozen=True)
class Machine:
    """Pointers and `size_t` of `pointer_bytes`, and structures by name."""

    pointer_bytes: int
    sizes: Mapping[str, Size]


# Name: bytes and alignment on 32 bits, then on 64. Core, in the order of use:
# tensorflow/lite/micro/{arena_allocator,memory_planner}/*.h, micro_allocator.h,
# tensorflow/lite/c/common.h.
_CORE = {
    "SingleArenaBufferAllocator": (36, 4, 72, 8),
    "GreedyMemoryPlanner": (44, 4, 72, 8),
    "MicroAllocator": (36, 4, 72, 8),
    "MicroBuiltinDataAllocator": (8, 4, 16, 8),
    "SubgraphAllocations": (8, 4, 16, 8),
    "TfLiteEvalTensor": (12, 4, 24, 8),
    "NodeAndRegistration": (32, 4, 64, 8),
    "ScratchBufferHandle": (4, 4, 8, 8),
    "TfLiteTensor": (32, 4, 64, 8),
    "TfLiteAffineQuantization": (12, 4, 24, 8),
    # Only while the memory is planned.
    "ScratchBufferRequest": (12, 4, 16, 8),
    "AllocationInfo": (24, 4, 32, 8),
}

# Options: tensorflow/lite/core/c/builtin_op_data.h.
_OPTIONS = {
    "TfLiteAddParams": (2, 1, 8, 4),
    "TfLiteArgMaxParams": (1, 1, 4, 4),
    "TfLiteArgMinParams": (1, 1, 4, 4),
    "TfLiteConcatenationParams": (8, 4, 8, 4),
    "TfLiteConvParams": (28, 4, 28, 4),
    "TfLiteDepthwiseConvParams": (28, 4, 28, 4),
    "TfLiteFullyConnectedParams": (5, 1, 16, 4),
    "TfLiteLeakyReluParams": (4, 4, 4, 4),
    "TfLiteMirrorPaddingParams": (1, 1, 4, 4),
    "TfLiteMulParams": (1, 1, 4, 4),
    "TfLitePackParams": (8, 4, 8, 4),
    "TfLitePoolParams": (40, 4, 40, 4),
    "TfLiteReducerParams": (1, 1, 1, 1),
    "TfLiteReshapeParams": (36, 4, 36, 4),
    "TfLiteResizeBilinearParams": (2, 1, 2, 1),
    "TfLiteResizeNearestNeighborParams": (2, 1, 2, 1),
    "TfLiteSoftmaxParams": (4, 4, 4, 4),
    "TfLiteSpaceToDepthParams": (4, 4, 4, 4),
    "TfLiteSplitParams": (4, 4, 4, 4),
    "TfLiteSplitVParams": (4, 4, 4, 4),
    "TfLiteSVDFParams": (8, 4, 12, 4),
    "TfLiteSqueezeParams": (36, 4, 36, 4),
    "TfLiteStridedSliceParams": (24, 4, 24, 4),
    "TfLiteSubParams": (2, 1, 8, 4),
    "TfLiteTransposeConvParams": (16, 4, 20, 4),
    "TfLiteUnidirectionalSequenceLSTMParams": (16, 4, 16, 4),
    "TfLiteUnpackParams": (8, 4, 8, 4),
}

# Data of the reference kernels: tensorflow/lite/micro/kernels. The arena's alignment
# of 16 is stricter than theirs.
_DATA = {
    "DequantizeOpData": (32, 8, 32, 8),
    "HardSwishParams": (20, 4, 20, 4),
    "LeakyReluOpData": (24, 4, 24, 4),
    "OpDataAbsRsqrt": (28, 4, 28, 4),
    "OpDataAdd": (60, 4, 60, 4),
    "OpDataConcatenation": (24, 4, 40, 8),
    "OpDataConv": (56, 4, 72, 8),
    "OpDataFullyConnected": (48, 4, 64, 8),
    # No compiler of 32 bits was at hand: its enumerations have a type of their own.
    "OpDataLSTM": (688, 8, 688, 8),
    "OpDataLogistic": (16, 4, 16, 4),
    "OpDataMirrorPad": (20, 4, 20, 4),
    "OpDataMul": (36, 4, 36, 4),
    "OpDataPad": (56, 4, 56, 4),
    "OpDataPooling": (32, 4, 32, 4),
    "OpDataQuantizeReference": (32, 8, 32, 8),
    "OpDataReduce": (44, 4, 44, 4),
    "OpDataSvdf": (36, 4, 36, 4),
    "OpDataSub": (52, 4, 52, 4),
    "OpDataTanh": (16, 4, 16, 4),
    "OpDataTransposeConv": (72, 4, 80, 8),
    "PreluParams": (28, 4, 28, 4),
    "Relu6OpData": (8, 4, 8, 4),
    "ReluOpData": (28, 4, 28, 4),
    "SoftmaxParams": (56, 8, 80, 8),
    "StridedSliceParams": (84, 4, 84, 4),
}

_ALL = {**_CORE, **_OPTIONS, **_DATA}

# Where the interpreter of the package `tflite-micro` 0.dev20261023182759 has more: it
# records allocations, is compiled with USE_TFLM_COMPRESSION, and is of a later revision
# that was not at hand: its TfLiteFullyConnectedParams is the one of a few sizes tried
# with which the tails of 23 networks come out equal.
_PACKAGE = {
    "SingleArenaBufferAllocator": (104, 8),
    "MicroAllocator": (272, 8),
    "SubgraphAllocations": (24, 8),
    "OpDataConcatenation": (80, 8),
    "OpDataConv": (80, 8),
    "OpDataFullyConnected": (72, 8),
    "OpDataTransposeConv": (88, 8),
    "TfLiteFullyConnectedParams": (32, 8),
}

ARM_32 = Machine(4, {name: Size(*sizes[:2]) for name, sizes in _ALL.items()})
X86_64 = Machine(8, {name: Size(*sizes[2:]) for name, sizes in _ALL.items()})
PACKAGE_64 = Machine(
    8, {**X86_64.sizes, **{name: Size(*sizes) for name, sizes in _PACKAGE.items()}}
)
