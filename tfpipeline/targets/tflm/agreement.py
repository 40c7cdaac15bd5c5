"""Whether TFLite's reference kernels compute what TFLite Micro computes, by operator.

TFLite Micro's double rounding (gemmlowp) is the specification. All operators of
TFLite's reference agree with it bit for bit but these: since TensorFlow 2.20 the
reference FULLY_CONNECTED requantizes its accumulator in float (LiteRT issue 8567,
TensorFlow issue 119412); PRELU rounds once; ABS, LEAKY_RELU, MUL and RELU compute with
their scales in float32, where TFLite Micro does in double. (A multiplier of float32
gives every result that the reference has of int16.) They round a few results the other
way. One LSB is therefore allowed there.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer, interpreter, pool, ports

TOLERANCE_LSB = dict.fromkeys(
    ("ABS", "FULLY_CONNECTED", "LEAKY_RELU", "MUL", "PRELU", "RELU"), 1
)
TOLERANCE_REASON = (
    "since TensorFlow 2.20 the reference FULLY_CONNECTED requantizes in float where "
    "TFLite Micro rounds twice in integers (LiteRT issue 8567): results near a tie "
    "differ by 1 LSB, and so they may where PRELU rounds once and where ABS, "
    "LEAKY_RELU, MUL and RELU have scales of float32. All other operators must be "
    "equal bit for bit."
)


@dataclasses.dataclass(frozen=True)
class OperatorAgreement:
    """One operator over all images, both interpreters reading the same tensors."""

    index: int
    name: str
    tensor: str
    elements: int
    differing: int
    max_lsb: int
    tolerance_lsb: int


@dataclasses.dataclass(frozen=True)
class EndToEnd:
    """The last outputs of both interpreters on the same images.

    `tolerance_lsb` is None where an operator follows one that may differ: its one LSB
    may then grow, by the weights of the next layer or the slope of a softmax, so that
    only the comparison by operator has a bound.
    """

    images: int
    differing_images: int
    max_lsb: int
    same_class: int
    tolerance_lsb: int | None


def compare_operators(
    model: bytes,
    inputs: Sequence[interpreter.IntArray],
    *,
    processes: int = 2,
    timeout_seconds: float = pool.DEFAULT_TIMEOUT_SECONDS,
) -> tuple[OperatorAgreement, ...]:
    """Compares TFLite's reference with TFLite Micro, each operator on its own.

    Each reference operator reads the tensors that TFLite Micro recorded, so that a
    difference neither grows nor hides on its way to the output.

    Args:
        model: a full-integer `.tflite`.
        inputs: for each of the network's inputs `[N, ...]` of its type.
        processes: children at a time.
        timeout_seconds: limit for all of it.

    Raises:
        VerificationError: an operator differs by more than its tolerance, or a child
            crashed.
    """
    program = flatbuffer.require_integer(model)
    interpreter.check_inputs(program, inputs)
    options = {"arena_bytes": interpreter.generous_arena_bytes(program, preserve=True)}
    counts = pool.map_images(
        pool.Job("compare_operators", model, options=options),
        inputs,
        who="the comparison of TFLite with TFLite Micro",
        processes=processes,
        timeout_seconds=timeout_seconds,
    )
    elements = np.sum([count["elements"] for count in counts], axis=0)
    differing = np.sum([count["differing"] for count in counts], axis=0)
    largest = np.max([count["largest"] for count in counts], axis=0)
    results = [(o, tensor) for o in program.operators for tensor in o.outputs]
    rows = tuple(
        OperatorAgreement(
            index=operator.index,
            name=operator.name,
            tensor=program.tensors[tensor].name,
            elements=int(elements[row]),
            differing=int(differing[row]),
            max_lsb=int(largest[row]),
            tolerance_lsb=TOLERANCE_LSB.get(operator.name, 0),
        )
        for row, (operator, tensor) in enumerate(results)
    )
    for row in rows:
        if row.max_lsb > row.tolerance_lsb:
            raise errors.VerificationError(
                f"operator {row.index} {row.name} '{row.tensor}': TFLite's reference "
                f"and TFLite Micro differ by {row.max_lsb} LSB in {row.differing} of "
                f"{row.elements} results; allowed {row.tolerance_lsb}"
            )
    return rows


def compare_outputs(
    model: bytes, reference: ports.Arrays, micro: ports.Arrays
) -> EndToEnd:
    """Compares each output `[N, classes]` of both interpreters.

    An image is of the same class where it is in all outputs.

    Raises:
        VerificationError: they differ by more than the network's tolerance, or in size.
    """
    images = len(micro[0])
    largest = np.zeros(images, np.int64)
    same = np.ones(images, bool)
    for exact, found in zip(reference, micro, strict=True):
        if exact.size != found.size:
            raise errors.VerificationError(
                f"TFLite's reference gives an output of shape {exact.shape[1:]}, "
                f"TFLite Micro {found.shape[1:]}: the file has another shape than its "
                "operators give"
            )
        # TFLite computes a shape, TFLite Micro takes the file's: ones may differ.
        rows, others = exact.reshape(images, -1), found.reshape(images, -1)
        error = np.abs(rows.astype(np.int64) - others.astype(np.int64))
        largest = np.maximum(largest, error.max(axis=1))
        same &= np.argmax(rows, 1) == np.argmax(others, 1)
    result = EndToEnd(
        images=images,
        differing_images=int(np.count_nonzero(largest)),
        max_lsb=int(largest.max()),
        same_class=int(np.count_nonzero(same)),
        tolerance_lsb=_end_to_end_tolerance(flatbuffer.read(model)),
    )
    if result.tolerance_lsb is not None and result.max_lsb > result.tolerance_lsb:
        raise errors.VerificationError(
            f"TFLite's reference and TFLite Micro differ by {result.max_lsb} LSB on "
            f"{result.differing_images} of {result.images} images; allowed "
            f"{result.tolerance_lsb}"
        )
    return result


def _end_to_end_tolerance(program: flatbuffer.Program) -> int | None:
    inexact = {
        tensor: TOLERANCE_LSB[operator.name]
        for operator in program.operators
        for tensor in operator.outputs
        if operator.name in TOLERANCE_LSB
    }
    read = {tensor for operator in program.operators for tensor in operator.inputs}
    if inexact.keys() & read:
        return None
    return max(inexact.values(), default=0)
