"""`python -m export --targets=c`: a network as C99, and what an emulator says of it."""

import dataclasses
import pathlib
from typing import Annotated

from export.audio import beside
from export.c import emulation, files, network, states
from export.detection import beside as boxes
from export.given import Given
from export.target import Prepared, Target
from tfpipeline import errors, model_source
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.configs.sound import Sound
from tfpipeline.ir import from_tflite, graph
from tfpipeline.numerics import lost_weights
from tfpipeline.post_training import loss


@dataclasses.dataclass(frozen=True)
class Flags(fields.Config):
    """What the command line says of this target."""

    emulate: Annotated[
        tuple[str, ...],
        Flag(
            "Run it in QEMU on these cores, of cortex-m3, cortex-m4 and cortex-m7, and "
            "count the instructions of each layer."
        ),
    ] = ()
    sound: Sound = Sound()  # noqa: RUF009 a frozen value


def prepare(given: Given, flags: Flags) -> Prepared:
    """C that computes a network, and a program that tests it.

    Args:
        given: a file, a graph or the folder of a run, of integers; with calibration
            data a float network, which is quantized to int8 here.
        flags: of the target.

    Raises:
        PipelineError: as `emulation.require`, `model_source.load` and
            `network.prepare`; the report a VerificationError where an emulated core
            does not meet the known answers.
    """
    emulation.require(flags.emulate)
    g, cost = _integers(given)
    found = network.prepare(g, g.name)
    heard = beside.contents(
        flags.sound, given.model, found.name, g.tensors[g.inputs[0]]
    )
    decoder = boxes.of_run(given.model, found.name, [g.tensors[x] for x in g.outputs])
    kept = states.num_bytes(g)

    def report(output: pathlib.Path | None) -> list[str]:
        lines = [
            f"model      {len(g.layers)} layers as C99, no runtime",
            f"arena      {found.plan.peak_bytes:,} bytes, static",
            *([f"states     {kept:,} bytes, static"] if kept else []),
            *beside.lines(heard),
            *boxes.lines(decoder),
            *(f"note       {note}" for note in lost_weights.notes(g)),
            f"written    {output}; compile all of it and run it, for the test",
        ]
        if output is None:
            return lines
        for core in flags.emulate:
            ran = emulation.run(output, found, core)
            lines += emulation.to_text(found, ran)
            if ran.exit_code:
                raise errors.VerificationError("\n".join(lines))
        return lines

    return Prepared(files.contents(found) | heard | decoder, report, cost)


def _integers(given: Given) -> tuple[graph.Graph, loss.Loss | None]:
    if given.calibration is not None:
        file = given.int8
        return from_tflite.read(file.data, name=given.name), file.cost
    given.require_integers("C of integers")
    return model_source.with_weights(given.model).graph, None


TARGET = Target(
    name="c",
    title="portable C99 without a runtime",
    takes=(
        "a .tflite file or a graph.json, of integers, or a float network with "
        "--calibration"
    ),
    flags=Flags(),
    prepare=prepare,
)
