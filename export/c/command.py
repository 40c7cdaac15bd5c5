"""`python -m export --targets=c`: a network as C99, and what an emulator says of it."""

import dataclasses
import pathlib
from typing import Annotated

import numpy as np

from export.audio import beside
from export.c import emulation, files, host, network, patch_search, states
from export.c.cores import catalog
from export.detection import beside as boxes
from export.given import Given
from export.target import Prepared, Target
from export.tflite import from_graph
from tfpipeline import errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.ir import from_tflite, graph
from tfpipeline.numerics import lost_weights
from tfpipeline.post_training import loss
from tfpipeline.targets.tflm import interpreter

# Random inputs of --host_compiler.
_CHECKED = 64


def _require_patches(text: str) -> None:
    if text != patch_search.AUTO and not (text.isdecimal() and 2 <= int(text) <= 1000):
        raise errors.UsageError(
            "patches must be auto or a number from 2 to 1000. Received: "
            f"{errors.brief(text)}"
        )


@dataclasses.dataclass(frozen=True)
class Flags(fields.Config):
    """What the command line says of this target."""

    emulate: Annotated[
        tuple[str, ...],
        Flag(
            f"Run it in QEMU on these cores, of {', '.join(catalog.CORES)}, and count "
            "the instructions of each layer."
        ),
    ] = ()
    host_compiler: Annotated[
        str | None,
        Flag(
            "A C compiler of this machine, such as cc: compile the network by it, run "
            f"it on {_CHECKED} random inputs, and compare all outputs with TensorFlow "
            "Lite Micro's, to the last bit."
        ),
    ] = None
    patches: Annotated[
        str | None,
        Flag(
            "Compute the first layers in patches, strips of rows, so that their "
            "results are never whole: a number of patches, or auto for what makes the "
            "arena smallest. The same integers and no MACs more; some more code.",
            check=_require_patches,
        ),
    ] = None


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
    if flags.host_compiler is not None:
        host.require(flags.host_compiler)
    g, cost = _integers(given)
    plain = found = network.prepare(g, g.name, given.metadata)
    if flags.patches is not None:
        is_auto = flags.patches == patch_search.AUTO
        found = patch_search.smallest(plain, None if is_auto else int(flags.patches))
    checked = _checked(found, flags.host_compiler)
    heard = beside.contents(
        given.front_end, given.model, found.name, g.tensors[g.inputs[0]]
    )
    decoder = boxes.of_run(given.model, found.name, [g.tensors[x] for x in g.outputs])
    kept = states.num_bytes(g)

    def report(output: pathlib.Path | None) -> list[str]:
        lines = [
            f"model      {len(g.layers)} layers as C99, no runtime",
            f"arena      {found.plan.peak_bytes:,} bytes, static",
            *([f"states     {kept:,} bytes, static"] if kept else []),
            *(patch_search.lines(found, plain) if found.patched else ()),
            *beside.lines(heard),
            *checked,
            *boxes.lines(decoder),
            "harness    harness/README.md: on a board, over a serial line",
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

    return Prepared({**files.contents(found), **heard, **decoder}, report, cost)


def _checked(found: network.Network, compiler: str | None) -> list[str]:
    """What the compiled C computes, beside TensorFlow Lite Micro's interpreter.

    Raises:
        VerificationError: an output differs.
    """
    if compiler is None:
        return []
    random = np.random.default_rng(0)
    inputs = [
        random.integers(*_limits(x), (_CHECKED, *x.shape[1:]), x.dtype, endpoint=True)
        for x in found.inputs.values()
    ]
    with host.compiled(found, compiler) as program:
        ours = program.run(inputs)
    micro = interpreter.run(from_graph.to_bytes(found.g), inputs)
    differing = sum(
        int((one != other.reshape(one.shape)).sum())
        for one, other in zip(ours, micro, strict=True)
    )
    total = sum(each.size for each in ours)
    if differing:
        raise errors.VerificationError(
            f"{differing} of {total} outputs of the C, compiled by {compiler}, are not "
            "those of TensorFlow Lite Micro. This is a defect, please report it"
        )
    return [
        f"checked    compiled by {compiler}: {total} outputs of {_CHECKED} random "
        "inputs equal TensorFlow Lite Micro's to the last bit"
    ]


def _limits(tensor: graph.Tensor) -> tuple[int, int]:
    limits = np.iinfo(tensor.dtype)
    return int(limits.min), int(limits.max)


def _integers(given: Given) -> tuple[graph.Graph, loss.Loss | None]:
    if given.calibration is not None:
        file = given.int8
        return from_tflite.read(file.data, name=given.name), file.cost
    given.require_integers("C of integers")
    return given.source().graph, None


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
