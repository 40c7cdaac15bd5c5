"""What an integer `.tflite` computes, measured against the networks it came from.

TensorFlow Lite Micro's own interpreter is the reference. Accuracy over many images
comes quicker from XNNPACK for int8, which judges nothing alone, and for int16, which
XNNPACK lacks, from our own execution of the graph, which must equal TensorFlow Lite
Micro bit for bit. For kernels of 4 bits see `narrow_kernels`.
"""

import dataclasses
import functools
import hashlib
import importlib.metadata
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from export.tflite import (
    narrow_kernels,
    offline_plan,
    sound_scales,
    time_limits,
    trained_outputs,
)
from tfpipeline import atomic_files, errors, marked_folder
from tfpipeline.ir import from_tflite
from tfpipeline.simulate import execution
from tfpipeline.targets.tflm import (
    agreement,
    arena,
    flatbuffer,
    interpreter,
    pool,
    ports,
    reference,
    rows,
    simulation,
)
from tfpipeline.tasks import classification, consistency
from tfpipeline.tasks import kind as kinds

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = interpreter.IntArray

# The fewest images on which TFLite's reference is compared with TFLite Micro, where the
# split has as many; as many are compared by operator.
MIN_COMPARED_IMAGES = 256

# TFLite Micro runs 50 to 110 images a second and core for the networks here.
DEFAULT_MICRO_IMAGES = 512

CONSISTENCY_REASON = (
    "the fake-quantized network rounds in float, each integer operator may differ from "
    "it by 1 LSB, and an image whose two best classes are that close may change its "
    "class either way"
)

# What runs whole splits, by the type of the network's input.
SIMULATED = "our execution of the graph"
_WHOLE_SPLITS = {"int8": "TFLite", "int16": SIMULATED}

# Images of a file of unknown origin, and multiply-accumulates of all of them at most:
# both reference interpreters take some seconds for a billion.
INSPECTION_IMAGES = 16
INSPECTION_MACS = 15 * 10**9

# Of one image, by which the smallest arena is found as a rule.
_ARENA_RUNS = 4

MODEL_FILE = "model.tflite"
VERIFICATION_FILE = "verification.json"

_ACCURACY = classification.KIND.figures[0].name
_RUNTIMES = ("tflite-micro", "ai-edge-litert", "numpy")


@dataclasses.dataclass(frozen=True)
class Port:
    """The network's input or output: `real = (integer - zero_point) * scale`.

    Without a scale it is a position.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


@dataclasses.dataclass(frozen=True)
class Accuracies:
    """The figure of each network on the same `images` images.

    That of the task: of classes, the part of the images that is classified as labeled.
    None where that network was not given or not run on these images.
    `same_class_as_fake_quantized` is the part of them on which the integer network
    (TFLite Micro where it ran) and the fake-quantized one choose the same class, or
    give the same answer; None where outputs are values.
    `simulated` is our execution of the graph, `tflite_fast` XNNPACK: one of the two.
    """

    images: int
    float_network: float | None
    fake_quantized: float | None
    tflite_fast: float | None = None
    tflite_reference: float | None = None
    tflite_micro: float | None = None
    same_class_as_fake_quantized: float | None = None
    simulated: float | None = None


@dataclasses.dataclass(frozen=True)
class Verification:
    """All that `verify` found out; `to_dict` is what `verification.json` holds.

    `logits_nmse`: mean squared difference of TFLite Micro's outputs, as real numbers,
    from the fake-quantized ones, over the variance of those.

    `fake_quantized`: how far single outputs are from the fake-quantized ones.

    `kernels`: type of each kernel by its name, where some have 4 bits; on
    `simulated_images` images such a network equals our execution of its graph bit for
    bit. TFLite's reference does not run all of them: then `end_to_end` is `None`, as is
    the accuracy of it, and `operator_agreement` is empty.

    `more_inputs`, `more_outputs`: behind the first one of each.

    `figure`: what the accuracies are.
    """

    model_bytes: int
    model_sha256: str
    operators: tuple[str, ...]
    input: Port
    output: Port
    arena: arena.ArenaReport
    all_images: Accuracies | None
    same_images: Accuracies | None
    same_images_selection: str
    operator_agreement: tuple[agreement.OperatorAgreement, ...]
    end_to_end: agreement.EndToEnd | None
    tolerance_points: float
    versions: dict[str, str]
    logits_nmse: float | None = None
    fake_quantized: trained_outputs.Difference | None = None
    kernels: dict[str, str] | None = None
    simulated_images: int | None = None
    more_inputs: tuple[Port, ...] = ()
    more_outputs: tuple[Port, ...] = ()
    figure: str = _ACCURACY

    @property
    def ends(self) -> tuple[tuple[str, Port], ...]:
        """All inputs, then all outputs, each with `input` or `output` before it."""
        inputs = (("input", each) for each in (self.input, *self.more_inputs))
        outputs = (("output", each) for each in (self.output, *self.more_outputs))
        return (*inputs, *outputs)

    def to_dict(self) -> dict[str, Any]:
        """The verification as JSON values, with the reasons beside the tolerances."""
        values = dataclasses.asdict(self)
        if self.figure == _ACCURACY:
            del values["figure"]
        values["tolerance_reasons"] = {
            "operator_agreement": agreement.TOLERANCE_REASON,
            "tolerance_points": CONSISTENCY_REASON,
            "fake_quantized": trained_outputs.REASON,
        }
        return values


def verify(
    model: bytes,
    images: FloatArray,
    examples: kinds.Examples,
    *,
    objective: kinds.Objective = classification.OF_LOGITS,
    float_logits: FloatArray | None = None,
    fake_quant_logits: FloatArray | None = None,
    outputs: IntArray | None = None,
    micro_images: int = DEFAULT_MICRO_IMAGES,
    tolerance_points: float = consistency.DEFAULT_TOLERANCE_POINTS,
    processes: int = 2,
) -> Verification:
    """Runs an integer network in all its forms on the same images.

    Args:
        model: a full-integer `.tflite`.
        images: float32 `[N, H, W, C]` as the float network reads them, all of the
            split that is reported.
        examples: what the outputs should be, `[N]`.
        objective: what the network learned.
        float_logits: the float network's outputs on `images`, `[N, ...]`.
        fake_quant_logits: the quantization-aware network's outputs on `images`; None
            for post-training quantization, which has none.
        outputs: what `predict` gave for `images`, where that has been done.
        micro_images: on how many of the images, evenly spaced, TFLite Micro and
            TFLite's reference kernels run.
        tolerance_points: how far the integer and the fake-quantized network may lie
            apart; see `consistency.require`.
        processes: child processes at a time.

    Raises:
        ExportError: not a full-integer network, or it does not run in TFLite Micro.
        VerificationError: TFLite and TFLite Micro disagree, or the integer network does
            not agree with the fake-quantized one, in accuracy or in single outputs;
            names both numbers.
    """
    program = flatbuffer.require_integer(model)
    sound_scales.require(model)
    logits = {
        "float": float_logits,
        "fake-quantized": fake_quant_logits,
        "integer": outputs,
    }
    _check(program, images, examples, logits, micro_images)
    quantized = reference.quantize_input(model, images)
    fast = outputs
    if fast is None:
        fast = predict(model, quantized, processes=processes)
    who = _WHOLE_SPLITS[program.input.dtype]
    real = functools.partial(real_outputs, program)
    judge = _Judge.of(objective, examples, real(fast), trained_outputs.near(program))
    everything = judge.accuracies(who, real(fast), float_logits, fake_quant_logits)
    judge.require(who, real(fast), fake_quant_logits, tolerance_points)

    chosen = _evenly_spaced(len(images), micro_images)
    compared = _compare(
        model, [quantized[chosen]], processes, pool.DEFAULT_TIMEOUT_SECONDS
    )
    micro = rows.joined(compared.micro)
    exact = None if compared.exact is None else rows.joined(compared.exact)
    if who == SIMULATED:
        narrow_kernels.require_equal(SIMULATED, fast[chosen], micro)
    some_float = None if float_logits is None else float_logits[chosen]
    some_fake = None if fake_quant_logits is None else fake_quant_logits[chosen]
    judge = judge.of_some(chosen)
    same = dataclasses.replace(
        judge.accuracies(who, real(fast[chosen]), some_float, some_fake),
        tflite_reference=None if exact is None else judge.measured(real(exact)),
        tflite_micro=judge.measured(real(micro)),
        same_class_as_fake_quantized=judge.same(real(micro), some_fake),
    )
    judge.require("TFLite Micro", real(micro), some_fake, tolerance_points)
    difference = None
    if some_fake is not None:
        some = _evenly_spaced(len(chosen), trained_outputs.IMAGES)
        difference = trained_outputs.compare(program, micro[some], some_fake[some])
    return dataclasses.replace(
        _verification(model, compared),
        all_images=everything,
        same_images=same,
        same_images_selection=(
            f"image i * {len(images)} // {len(chosen)}, i from 0 to {len(chosen) - 1}"
        ),
        tolerance_points=tolerance_points,
        logits_nmse=_nmse(program, micro, some_fake),
        fake_quantized=difference,
        figure=judge.figure,
    )


def real_outputs(
    program: flatbuffer.Program, outputs: IntArray
) -> npt.NDArray[np.float64]:
    """What a file's output integers `[N, ...]` stand for."""
    return rows.real(program, outputs)


def predict(
    model: bytes,
    quantized: IntArray,
    *,
    processes: int = 2,
    done: Callable[[int], None] | None = None,
) -> IntArray:
    """The outputs for whole splits, by the quickest route for the network's type.

    Args:
        model: a full-integer `.tflite`.
        quantized: `[N, H, W, C]` of the input's type.
        processes: children at a time.
        done: called with the number of images of every part that is done; int16 only,
            as XNNPACK takes seconds.

    Returns:
        `[N, classes]` of the output's type (of several outputs, see `rows`): of XNNPACK
        for int8, and for int16 those of TFLite Micro, computed by `simulate`.
    """
    program = flatbuffer.require_integer(model)
    if _WHOLE_SPLITS[program.input.dtype] == SIMULATED:
        found = simulation.run(model, [quantized], processes=processes, done=done)
    else:
        found = reference.run(model, [quantized], processes=processes)
    return rows.joined(found)


def inspect(
    model: bytes,
    *,
    types: Sequence[str] = flatbuffer.INTEGER_TYPES,
    images: int | None = None,
    processes: int = 2,
    timeout_seconds: float | None = None,
) -> Verification:
    """Verifies a `.tflite` of which nothing else is known, on random images.

    Checks that it is full integer, that TFLite Micro runs it and agrees with TFLite's
    reference, and finds its arena; there are no accuracies.

    Args:
        model: the file.
        types: that its inputs and outputs may have.
        images: as many as are tried; None for `INSPECTION_IMAGES`, or fewer where they
            would take more than `INSPECTION_MACS`.
        processes: children at a time.
        timeout_seconds: limit for each interpreter; None for `time_limits`.

    Raises:
        ExportError: not a TFLite file, damaged, not full integer, or TFLite Micro
            computes other numbers than its scales say.
        VerificationError: TFLite and TFLite Micro disagree.
    """
    program = flatbuffer.require_integer(model, types)
    sound_scales.require(model)
    if images is None:
        images = _affordable_images(model)
    random = interpreter.random_inputs(program, images)
    if timeout_seconds is None:
        timeout_seconds = time_limits.of(model, images)
    compared = _compare(model, random, processes, timeout_seconds)
    return _verification(model, compared)


def _affordable_images(model: bytes) -> int:
    products = time_limits.products(model)
    if products is None:
        return INSPECTION_IMAGES
    return max(1, min(INSPECTION_IMAGES, INSPECTION_MACS // max(products, 1)))


def compare(
    model: bytes,
    *,
    images: int = 2,
    timeout_seconds: float = time_limits.SECONDS,
) -> None:
    """The comparisons of `inspect` alone, on fewer images: no arena, no record.

    Raises:
        ExportError, VerificationError: as `inspect`.
    """
    program = flatbuffer.require_integer(model)
    random = interpreter.random_inputs(program, images)
    _compare(model, random, 1, timeout_seconds)


def sha256(model: bytes) -> str:
    """The digest that identifies a model in `verification.json`."""
    return hashlib.sha256(model).hexdigest()


def write(
    path: str | os.PathLike[str],
    model: bytes,
    verification: Verification,
    others: Mapping[str, str] | None = None,
) -> None:
    """Writes `contents` as the folder `path`, and other files beside them.

    Raises:
        ForeignFileError: the folder holds what is not ours.
        StorageError: it cannot be written.
        ExportError: `verification` is of another model.
    """
    marked_folder.write(path, contents(model, verification) | dict(others or {}))


def contents(model: bytes, verification: Verification) -> dict[str, str | bytes]:
    """`model.tflite` and `verification.json`.

    Raises:
        ExportError: `verification` is of another model.
    """
    if verification.model_sha256 != sha256(model):
        raise errors.ExportError("the verification is of another model than the one")
    record = atomic_files.json_text(verification.to_dict())
    return {MODEL_FILE: model, VERIFICATION_FILE: record}


@dataclasses.dataclass(frozen=True, eq=False)
class _Compared:
    """Outputs of TFLite Micro and of TFLite's reference, and how far they agree."""

    micro: ports.Arrays
    exact: ports.Arrays | None
    operators: tuple[agreement.OperatorAgreement, ...]
    end_to_end: agreement.EndToEnd | None
    simulated_images: int | None


def _compare(
    model: bytes, inputs: Sequence[IntArray], processes: int, timeout_seconds: float
) -> _Compared:
    # TFLite first: it checks the file's structure, which TFLite Micro trusts.
    limits: dict[str, Any] = {
        "processes": processes,
        "timeout_seconds": timeout_seconds,
    }
    program = flatbuffer.read(model)
    has_reference = narrow_kernels.have_reference(program)
    exact = end_to_end = simulated_images = None
    outputs: ports.Arrays = ()
    operators: tuple[agreement.OperatorAgreement, ...] = ()
    if any(tensor.is_variable for tensor in program.tensors):
        # TFLite refuses forms of such layers that TFLite Micro runs: the graph's rules
        # check their structure.
        execution.require_supported(from_tflite.read(model))
    else:
        kernels = "reference" if has_reference else "fast"
        outputs = reference.run(model, inputs, kernels=kernels, **limits)
    micro = interpreter.run(model, inputs, **limits)
    plain = offline_plan.without_plan(model)
    if plain != model:
        _require_as_without_plan(micro, interpreter.run(plain, inputs, **limits))
    # The slowest comparisons, and every result of every operator counts in one.
    chosen = _evenly_spaced(len(inputs[0]), MIN_COMPARED_IMAGES)
    some = [images[chosen] for images in inputs]
    if has_reference:
        exact = outputs
        operators = agreement.compare_operators(plain, some, **limits)
        end_to_end = agreement.compare_outputs(model, exact, micro)
    if narrow_kernels.find(program) is not None or not has_reference:
        simulated = simulation.run(model, some, **limits)
        for ours, theirs in zip(simulated, micro, strict=True):
            narrow_kernels.require_equal(SIMULATED, ours, theirs[chosen])
        simulated_images = len(chosen)
    return _Compared(micro, exact, operators, end_to_end, simulated_images)


def _require_as_without_plan(planned: ports.Arrays, plain: ports.Arrays) -> None:
    """Checks that a plan of the arena lets no tensor overwrite another in use."""
    images = len(plain[0])
    different = np.zeros(images, bool)
    for found, expected in zip(planned, plain, strict=True):
        different |= (found != expected).reshape(images, -1).any(axis=1)
    if different.any():
        raise errors.VerificationError(
            f"TensorFlow Lite Micro computes something else with the file's plan of "
            f"the arena, for {np.count_nonzero(different)} of {images} images: tensors "
            "overlap in it. Export without --offline_plan, from a file without a plan"
        )


def _verification(model: bytes, compared: _Compared) -> Verification:
    program = flatbuffer.read(model)
    return Verification(
        model_bytes=len(model),
        model_sha256=sha256(model),
        operators=tuple(operator.name for operator in program.operators),
        input=_port(program.input),
        output=_port(program.output),
        more_inputs=tuple(_port(program.tensors[i]) for i in program.inputs[1:]),
        more_outputs=tuple(_port(program.tensors[i]) for i in program.outputs[1:]),
        arena=arena.find_arena(
            model, timeout_seconds=time_limits.of(model, _ARENA_RUNS)
        ),
        all_images=None,
        same_images=None,
        same_images_selection="",
        operator_agreement=compared.operators,
        end_to_end=compared.end_to_end,
        tolerance_points=consistency.DEFAULT_TOLERANCE_POINTS,
        versions={name: importlib.metadata.version(name) for name in _RUNTIMES},
        kernels=narrow_kernels.find(program),
        simulated_images=compared.simulated_images,
    )


def _port(tensor: flatbuffer.Tensor) -> Port:
    return Port(
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype,
        scale=tensor.scales[0] if tensor.scales else None,
        zero_point=tensor.zero_points[0] if tensor.zero_points else None,
    )


def _nmse(
    program: flatbuffer.Program, micro: IntArray, expected: FloatArray | None
) -> float | None:
    if expected is None:
        return None
    real = real_outputs(program, micro)
    variance = np.var(expected, dtype=np.float64)
    error = np.mean((real - expected.reshape(real.shape)) ** 2)
    return float(error / variance) if variance else None


@dataclasses.dataclass(frozen=True, eq=False)
class _Judge:
    """What all forms of a network are measured by, on the same examples."""

    objective: kinds.Objective
    examples: kinds.Examples
    figure: str
    near: FloatArray

    @classmethod
    def of(
        cls,
        objective: kinds.Objective,
        examples: kinds.Examples,
        outputs: FloatArray,
        near: FloatArray,
    ) -> "_Judge":
        figure, _ = objective.main(outputs, examples)
        return cls(objective, examples, figure.name, near)

    def of_some(self, indices: npt.NDArray[np.int64]) -> "_Judge":
        return dataclasses.replace(self, examples=self.examples.take(indices))

    def measured(self, outputs: FloatArray) -> float | None:
        return self.objective.measure(outputs, self.examples)[self.figure]

    def same(self, outputs: FloatArray, fake: FloatArray | None) -> float | None:
        if fake is None:
            return None
        return consistency.same_answers(outputs, fake, self.objective)

    def require(
        self, who: str, outputs: FloatArray, fake: FloatArray | None, points: float
    ) -> None:
        if fake is not None:
            consistency.require(
                who, outputs, self.examples, fake, self.objective, points, self.near
            )

    def accuracies(
        self,
        who: str,
        fast: FloatArray,
        float_logits: FloatArray | None,
        fake_quant_logits: FloatArray | None,
    ) -> Accuracies:
        def optional(outputs: FloatArray | None) -> float | None:
            return None if outputs is None else self.measured(outputs)

        return Accuracies(
            images=len(self.examples),
            float_network=optional(float_logits),
            fake_quantized=optional(fake_quant_logits),
            tflite_fast=None if who == SIMULATED else self.measured(fast),
            simulated=self.measured(fast) if who == SIMULATED else None,
            same_class_as_fake_quantized=self.same(fast, fake_quant_logits),
        )


def _evenly_spaced(total: int, count: int) -> npt.NDArray[np.int64]:
    """`count` indices below `total`, spread so that a sorted split is covered too."""
    count = min(count, total)
    return np.arange(count, dtype=np.int64) * total // count


def _check(
    program: flatbuffer.Program,
    images: FloatArray,
    examples: kinds.Examples,
    logits: Mapping[str, npt.NDArray[Any] | None],
    micro_images: int,
) -> None:
    if images.shape[1:] != program.input.shape[1:] or len(images) < 1:
        raise errors.UsageError(
            f"images must be (N >= 1, {', '.join(map(str, program.input.shape[1:]))}); "
            f"found {images.shape}"
        )
    if len(examples) != len(images):
        raise errors.UsageError(f"{len(examples)} labels for {len(images)} images")
    for name, outputs in logits.items():
        if outputs is not None and len(outputs) != len(images):
            raise errors.UsageError(
                f"{len(outputs)} {name} outputs for {len(images)} images"
            )
    fewest = min(MIN_COMPARED_IMAGES, len(images))
    if micro_images < fewest:
        raise errors.UsageError(
            f"micro_images must be at least {fewest}; found {micro_images}"
        )
