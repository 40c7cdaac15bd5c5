"""Known answers: inputs, and what TensorFlow Lite Micro's interpreter makes of them."""

import dataclasses
import pathlib
import re
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from export.tflite import time_limits
from tfpipeline import errors
from tfpipeline.cost import liveness
from tfpipeline.ir import tflite_file
from tfpipeline.numerics import affine
from tfpipeline.targets.tflm import pool, ports
from tfpipeline.untrusted import arrays

IntArray = npt.NDArray[np.signedinteger[Any]]

# Sizes that are tried at most, upwards or downwards from the expected one.
_MOST_SIZES = 64
# Of them as a rule.
_MEASURING_RUNS = 4

_RECORDED = re.compile(r"Arena allocation (head|tail) (\d+) bytes")


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """Inputs `[1, ...]` and the interpreter's outputs, in the network's types."""

    name: str
    inputs: ports.Arrays
    outputs: ports.Arrays


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """What one interpreter computed, and the parts of its arena in bytes."""

    outputs: ports.Arrays
    head_bytes: int
    tail_bytes: int


def random_inputs(program: tflite_file.Program, seed: int) -> ports.Arrays:
    """Integers of the whole range of each input's type, `[1, ...]`."""
    random = np.random.default_rng(seed)
    found = []
    for tensor in (program.tensors[i] for i in program.inputs):
        limits = np.iinfo(tensor.dtype)
        found.append(
            random.integers(
                limits.min, limits.max, tensor.shape, tensor.dtype, endpoint=True
            )
        )
    return tuple(found)


def read_sample(file: str, program: tflite_file.Program) -> IntArray:
    """An input from a `.npy`: integers as they are, or what the float network reads.

    Returns:
        Of the input's shape and type; reals as QUANTIZE makes integers of them.

    Raises:
        UsageError: a file of another kind, or a network of several inputs.
        DataError: it cannot be read, or holds another shape, or larger values.
    """
    path = pathlib.Path(file)
    if len(program.inputs) != 1:
        raise errors.UsageError(
            f"a sample is for networks of one input; this one has {len(program.inputs)}"
        )
    if path.suffix.lower() != ".npy":
        raise errors.UsageError(
            f"the sample '{path}' must be a .npy with the network's input: integers of "
            "its type, or reals as the float network reads them"
        )
    try:
        values = arrays.read_npy(path)
    except errors.StorageError as error:
        raise errors.DataError(f"the sample: {error}") from error
    tensor = program.tensors[program.inputs[0]]
    if values.shape not in (tensor.shape, tensor.shape[1:]):
        raise errors.DataError(
            f"the sample {path} must have the shape {tensor.shape}; found "
            f"{values.shape}"
        )
    limits = np.iinfo(tensor.dtype)
    if values.dtype.kind == "f" and np.isfinite(values).all():
        scale, zero_point = tensor.scales[0], tensor.zero_points[0]
        values = affine.quantized_float32(values, scale, zero_point, tensor.dtype)
    elif values.dtype.kind not in "iu" or (
        values.min() < limits.min or values.max() > limits.max
    ):
        raise errors.DataError(
            f"the sample {path} must hold finite reals, or integers from {limits.min} "
            f"to {limits.max}; found {values.dtype}, {values.min()} to {values.max()}"
        )
    result: IntArray = values.reshape(tensor.shape).astype(tensor.dtype)
    return result


def run(model: bytes, inputs: ports.Arrays, arena_bytes: int) -> Run:
    """Runs `[N, ...]` for each input through TensorFlow Lite Micro in a child process.

    Raises:
        ExportError: the interpreter does not run the network; says why.
        VerificationError: it printed no sizes.
    """
    [reply] = _run(model, inputs, [arena_bytes], report=True)
    if reply.failure is not None:
        raise errors.ExportError(f"TensorFlow Lite Micro {reply.failure}")
    found = {name: int(size) for name, size in _RECORDED.findall(reply.stderr)}
    if found.keys() != {"head", "tail"}:
        raise errors.VerificationError(
            "TensorFlow Lite Micro printed no 'Arena allocation head, tail': is the "
            "pinned tflite-micro installed?"
        )
    outputs = ports.listed(ports.OUTPUT, reply.arrays)
    return Run(outputs, found["head"], found["tail"])


def measure(
    model: bytes, first_inputs: ports.Arrays, outputs: ports.Arrays, start: int
) -> int:
    """The smallest arena, a multiple of 16 bytes, in which the interpreter is right.

    Args:
        model: the file.
        first_inputs: `[1, ...]` for each input.
        outputs: of a generous arena, `[1, ...]` for each output.
        start: bytes, a multiple of 16, to look from.

    Raises:
        VerificationError: none was found near `start`, or in time.
    """
    deadline = time.monotonic() + time_limits.of(model, _MEASURING_RUNS)
    step = liveness.ALIGNMENT

    def runs_in(*sizes: int) -> list[bool]:
        replies = _run(model, first_inputs, list(sizes))
        return [
            reply.failure is None
            and ports.are_equal(ports.listed(ports.OUTPUT, reply.arrays), outputs)
            for reply in replies
        ]

    runs, runs_below = runs_in(start, start - step)
    size = start
    for _ in range(_MOST_SIZES):
        if time.monotonic() > deadline:
            break
        if runs and not runs_below:
            return size
        if runs:
            size -= step
            [runs_below] = runs_in(size - step)
        else:
            size, runs_below = size + step, False
            [runs] = runs_in(size)
    raise errors.VerificationError(
        f"no smallest arena was found within {_MOST_SIZES} steps of {start} bytes"
    )


def _run(
    model: bytes, inputs: ports.Arrays, sizes: list[int], *, report: bool = False
) -> list[pool.Reply]:
    outputs = len(tflite_file.parse(model).outputs)
    jobs = [
        pool.Job(
            "tflm_predict",
            model,
            ports.named(ports.INPUT, inputs),
            {"arena_bytes": size, "report": report, "outputs": outputs},
        )
        for size in sizes
    ]
    images = len(inputs[0]) * len(sizes)
    limit = time_limits.of(model, images)
    return pool.run(jobs, processes=2, timeout_seconds=limit)
