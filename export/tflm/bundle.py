"""All that a bundle tells: the network, its arena, its operators, its known answers."""

import dataclasses
import struct
from collections.abc import Mapping, Sequence

import numpy as np
import tflite

from export import literal_limits
from export.tflite import metadata_entry, normal_form, offline_plan, sound_scales
from export.tflm import arena, goldens, limits, operators, spelling, structures
from tfpipeline import errors
from tfpipeline.ir import tflite_file
from tfpipeline.metadata import model_metadata
from tfpipeline.targets.tflm import flatbuffer, interpreter, ports

# Metadata of a file whose weights are indices into tables: kCompressionMetadataString,
# tensorflow/lite/micro/compression.h. Only interpreters compiled for it read it.
_COMPRESSED = "COMPRESSION_METADATA"

Ends = Mapping[str, tflite_file.FileTensor]

# Seed of the random input, which makes the same files for the same network.
SEED = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Bundle:
    """What the files say.

    Attributes:
        name: the namespace.
        model: the `.tflite` file, with our plan if `is_planned`.
        program: the same, parsed.
        methods: calls that register its operators.
        measured: arena of the interpreter on this machine, in bytes; its smallest
            size is `measured_bytes`.
        arm: arena of a 32-bit Arm core, by the interpreter's own steps.
        host: arena of a 64-bit machine, likewise.
        plan: where our plan puts the tensors, and both plans' bytes.
        cases: known answers.
        labels: of the output's elements; empty where unknown.
        notes: what was changed of the file that it was made from.
    """

    name: str
    model: bytes
    program: tflite_file.Program
    methods: tuple[str, ...]
    measured: goldens.Run
    measured_bytes: int
    arm: arena.Arena
    host: arena.Arena
    plan: offline_plan.OfflinePlan
    is_planned: bool
    cases: tuple[goldens.Case, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()
    metadata: model_metadata.Metadata | None = None

    @property
    def inputs(self) -> Ends:
        """What the caller gives, by its name: `Input`, or `Input0`, `Input1`, ..."""
        return _ends(self.program, "Input", self.program.inputs)

    @property
    def outputs(self) -> Ends:
        """What the caller gets, likewise."""
        return _ends(self.program, "Output", self.program.outputs)


def _ends(program: tflite_file.Program, role: str, indices: Sequence[int]) -> Ends:
    if len(indices) == 1:
        return {role: program.tensors[indices[0]]}
    return {f"{role}{i}": program.tensors[index] for i, index in enumerate(indices)}


def prepare(
    model: bytes,
    name: str,
    *,
    with_plan: bool = False,
    sample: str | None = None,
    labels: Sequence[str] = (),
) -> Bundle:
    """Checks a network, runs it, and finds its arena.

    Args:
        model: a `.tflite` file.
        name: becomes the namespace.
        with_plan: whether our plan of the arena goes into the file, where it needs
            less memory than TensorFlow Lite Micro's.
        sample: a `.npy` whose answer is recorded beside that of a random input.
        labels: one for each element of the output, or none.

    Raises:
        GraphError: the file is damaged.
        ExportError: naming all that TensorFlow Lite Micro cannot run, or not as
            planned.
        VerificationError: our plan changes outputs, or saves other than it promises.
        UsageError, DataError: `sample` or `labels` do not fit.
    """
    # Before anything is copied or run.
    if (large := literal_limits.reason(len(model))) is not None:
        raise errors.ExportError(f"not for TensorFlow Lite Micro: {large}")
    described = metadata_entry.read(model, "the network")
    # A firmware need not carry it: README.md says the same.
    normal = normal_form.normal(metadata_entry.without(model))
    model = normal.model
    program = tflite_file.parse(model)
    metadata = _metadata(model)
    found = limits.reasons(program)
    if _COMPRESSED in metadata:
        found.append(
            "its weights are compressed: TensorFlow Lite Micro reads them on PCs only; "
            "export without --compress"
        )
    if found:
        raise errors.ExportError(errors.told("not for TensorFlow Lite Micro: ", found))
    sound_scales.require(model)
    if not labels and described is not None and _has_names(described, program):
        labels = described.names
    _check_labels(labels, program)
    inputs = {"random": goldens.random_inputs(program, SEED)}
    if sample is not None:
        inputs["sample"] = (goldens.read_sample(sample, program),)
    plan = offline_plan.make(model)
    was_planned = offline_plan.METADATA in metadata
    planned = model
    if with_plan and not was_planned:
        planned = offline_plan.with_plan(model)
    images = ports.joined(list(inputs.values()))
    run = _run(planned, model, images, plan)
    head = run.head_bytes
    expected = arena.estimate(program, structures.PACKAGE_64, head).arena_bytes
    first, *_ = inputs.values()
    answers = tuple(each[:1] for each in run.outputs)
    return Bundle(
        name=spelling.identifier(name),
        model=planned,
        program=program,
        methods=operators.methods(each.name for each in program.operators),
        measured=run,
        measured_bytes=goldens.measure(planned, first, answers, expected),
        arm=arena.estimate(program, structures.ARM_32, head),
        host=arena.estimate(program, structures.X86_64, head),
        plan=plan,
        is_planned=was_planned or planned != model,
        cases=tuple(
            goldens.Case(each, given, tuple(found[i : i + 1] for found in run.outputs))
            for i, (each, given) in enumerate(inputs.items())
        ),
        labels=tuple(labels),
        notes=normal.notes,
        metadata=described,
    )


def _has_names(
    described: model_metadata.Metadata, program: tflite_file.Program
) -> bool:
    """Whether metadata have a name for each element of one output."""
    if len(program.outputs) != 1:
        return False
    shape = program.tensors[program.outputs[0]].shape
    return len(described.names) == int(np.prod(shape))


def _run(
    planned: bytes,
    model: bytes,
    images: ports.Arrays,
    plan: offline_plan.OfflinePlan,
) -> goldens.Run:
    """Runs the network, and holds our plan to what it promises."""
    size = interpreter.generous_arena_bytes(flatbuffer.read(model))
    plain = goldens.run(model, images, size)
    if planned == model:
        return plain
    run = goldens.run(planned, images, size)
    saved = plain.head_bytes - run.head_bytes
    promised = plan.greedy_bytes - plan.head_bytes
    is_equal = ports.are_equal(run.outputs, plain.outputs)
    if saved != promised or not is_equal:
        same = "the same" if is_equal else "other"
        raise errors.VerificationError(
            f"our plan of the arena was to save {promised} bytes; the interpreter "
            f"saved {saved}, with {same} outputs. Export without --offline_plan."
        )
    return run


def _metadata(model: bytes) -> set[str]:
    """Names of the file's metadata; `tflite_file` has read it without fault before.

    Raises:
        GraphError: the list is damaged.
    """
    root = tflite.Model.GetRootAsModel(model, 0)
    try:
        entries = [root.Metadata(i) for i in range(min(root.MetadataLength(), 1024))]
        return {(entry.Name() or b"").decode(errors="replace") for entry in entries}
    except (AttributeError, LookupError, TypeError, ValueError, struct.error) as error:
        raise errors.GraphError(
            f"damaged TFLite file: its metadata: {error or type(error).__name__}"
        ) from error


def _check_labels(labels: Sequence[str], program: tflite_file.Program) -> None:
    if labels and len(program.outputs) != 1:
        raise errors.DataError(
            f"labels are for networks of one output; this one has "
            f"{len(program.outputs)}"
        )
    elements = int(np.prod(program.tensors[program.outputs[0]].shape))
    if labels and len(labels) != elements:
        raise errors.DataError(
            f"there must be a label for each of the output's {elements} elements, one "
            f"a line; found {len(labels)}"
        )
