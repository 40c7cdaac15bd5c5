"""`python -m export --targets=tflm`: a bundle, and what is told of it."""

import dataclasses
import functools
import pathlib
from typing import Annotated

import numpy as np

from export.audio import beside
from export.detection import beside as boxes
from export.given import Given
from export.target import Prepared, Target
from export.tflm import bundle, files, origin
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.ir import graph
from tfpipeline.numerics import lost_weights


@dataclasses.dataclass(frozen=True)
class Flags(fields.Config):
    """What the command line says of this target."""

    offline_plan: Annotated[
        bool,
        Flag("Write our plan of the arena into the file, where that saves memory."),
    ] = False
    sample: Annotated[
        str | None,
        Flag("A .npy, the input whose answer is recorded beside a random one's."),
    ] = None
    labels: Annotated[
        str | None, Flag("A text file with the name of each output, one a line.")
    ] = None


def prepare(given: Given, flags: Flags) -> Prepared:
    """The bundle of a network.

    Args:
        given: a `.tflite` file, or the folder of a run; with calibration data a float
            network, which is quantized to int8 here.
        flags: of the target.

    Raises:
        PipelineError: as `origin` and `bundle.prepare`.
    """
    if given.calibration is not None:
        data, name, cost = given.int8.data, given.name, given.int8.cost
    else:
        given.require_integers("a bundle of integers")
        file, name = origin.find(given.model)
        data, cost = origin.read(file), None
    made = bundle.prepare(
        data,
        name,
        with_plan=flags.offline_plan,
        sample=flags.sample,
        labels=origin.read_labels(flags.labels) if flags.labels else (),
    )
    heard = beside.contents(given.front_end, given.model, made.name, _input(made))
    outputs = boxes.outputs_of(made.program)
    decoder = boxes.of_run(given.model, made.name, outputs)
    report = functools.partial(_report, made, heard, decoder)
    return Prepared({**files.contents(made), **heard, **decoder}, report, cost)


def _input(made: bundle.Bundle) -> graph.Tensor:
    """The network's first input."""
    tensor = made.program.tensors[made.program.inputs[0]]
    num_bits = 8 * np.dtype(tensor.dtype).itemsize
    quant = graph.QuantParams(tensor.scales[:1], tensor.zero_points[:1], num_bits)
    return graph.Tensor(tensor.name, tensor.shape, tensor.dtype, quant)


def _report(
    made: bundle.Bundle,
    heard: dict[str, str],
    decoder: dict[str, str],
    output: pathlib.Path | None,
) -> list[str]:
    saved = made.plan.greedy_bytes - made.plan.head_bytes
    how = "saved by the file" if made.is_planned else "to save with --offline_plan"
    return [
        f"model      {len(made.model):,} bytes, {len(made.program.operators)} "
        f"operators of {len(made.methods)} kinds",
        f"arena      {made.arm.arena_bytes:,} bytes on a 32-bit Arm core, by rule; "
        f"measured {made.measured_bytes:,} on this 64-bit machine",
        f"plan       {made.plan.head_bytes:,} bytes by ours, "
        f"{made.plan.greedy_bytes:,} by TensorFlow Lite Micro's"
        + (f"; {saved:,} {how}" if saved > 0 else ""),
        f"answers    {len(made.cases)}, of TensorFlow Lite Micro's interpreter",
        *beside.lines(heard),
        *boxes.lines(decoder),
        *(f"changed    {note}" for note in made.notes),
        *(f"note       {note}" for note in lost_weights.notes_of_file(made.program)),
        "harness    harness/README.md: on a board, over a serial line",
        f"written    {output}; README.md says how to build and check it",
    ]


TARGET = Target(
    name="tflm",
    title="the same as sources for a project, with known answers",
    takes="a .tflite file, or a float network with --calibration",
    flags=Flags(),
    prepare=prepare,
)
