"""What the verification of a `.tflite` does otherwise when it has kernels of 4 bits.

TFLite on a PC has no reference for a depthwise convolution of 4-bit weights: such a
file is judged by our execution of the graph alone, which must equal TensorFlow Lite
Micro bit for bit. So must every file with 4-bit kernels, whose unpacking is the part
that TFLite and TensorFlow Lite Micro do each in its own way.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer

_TYPE = "int4"
# Operators without a reference: BUILTIN_REF of ai_edge_litert 2.3 lacks version 7.
_WITHOUT_REFERENCE = ("DEPTHWISE_CONV_2D",)
# Operators with a kernel, and which of their inputs that is.
_KERNELS = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "FULLY_CONNECTED": 1,
    "TRANSPOSE_CONV": 1,
}


def find(program: flatbuffer.Program) -> dict[str, str] | None:
    """Type of every kernel by its name; `None` where none has 4 bits."""
    kernels = {
        tensor.name: tensor.dtype
        for operator in program.operators
        for tensor in _kernel(program, operator)
    }
    return kernels if _TYPE in kernels.values() else None


def have_reference(program: flatbuffer.Program) -> bool:
    """Whether TFLite's reference kernels run the file as TFLite Micro does.

    Its kernels of layers that keep a state round otherwise.
    """
    if any(tensor.is_variable for tensor in program.tensors):
        return False
    return not any(
        tensor.dtype == _TYPE
        for operator in program.operators
        if operator.name in _WITHOUT_REFERENCE
        for tensor in _kernel(program, operator)
    )


def require_equal(who: str, outputs: npt.NDArray[Any], micro: npt.NDArray[Any]) -> None:
    """Checks that TensorFlow Lite Micro's integers are those of `who`.

    Raises:
        VerificationError: they differ.
    """
    differing = np.flatnonzero((outputs != micro).any(axis=-1))
    if len(differing):
        raise errors.VerificationError(
            f"{who} differs from TFLite Micro for {len(differing)} of "
            f"{len(micro)} images: this is a defect, please report it"
        )


def _kernel(
    program: flatbuffer.Program, operator: flatbuffer.Operator
) -> list[flatbuffer.Tensor]:
    place = _KERNELS.get(operator.name)
    return [] if place is None else [program.tensors[operator.inputs[place]]]
