"""`python -m export --targets=gap8`: what the AutoTiler and NNTool take, and C."""

import dataclasses
import functools
import pathlib
from typing import Annotated

from export.gap8 import files, network
from export.given import Given
from export.target import Prepared, Target
from tfpipeline import errors, model_source, number_formats, run_folder
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.cost import macs
from tfpipeline.ir import global_pools, graph, serialize, single_results
from tfpipeline.metadata import model_metadata
from tfpipeline.post_training import (
    float_network,
    gap8,
    host_scaling,
    input_range,
    loss,
)
from tfpipeline.targets.gap8 import kernels, program, program_file

PRECISIONS = {"double": kernels.DOUBLE, "single": kernels.SINGLE}
_WIDTHS = (16, 8)


@dataclasses.dataclass(frozen=True)
class Flags(fields.Config):
    """What the command line says of this target."""

    weight_bits: Annotated[
        int | None,
        Flag("Width of a float network's weights and data: 16 if not given, or 8."),
    ] = None
    precision: Annotated[
        str,
        Flag(
            "Which of the library's convolutions the AutoTiler's model calls: those "
            "with 32-bit sums, as NNTool, or those of 2019.",
            choices=tuple(PRECISIONS),
        ),
    ] = "double"


def prepare(given: Given, flags: Flags) -> Prepared:
    """All files of a network.

    Args:
        given: the folder of a run, a graph, a `.tflite` or a Keras file, of floats; or
            a `program.npz`, or the folder of a run or an export that holds one; or what
            gap_quantization wrote.
        flags: of the target.

    Raises:
        UsageError: what does not go together, or is missing.
        PipelineError: as `network.from_float`.
    """
    stored = _stored(given, flags.weight_bits)
    if stored is None:
        return _from_float(given, flags)
    beside = _beside(given)
    prepared = network.from_program(
        stored,
        precision=PRECISIONS[flags.precision],
        g=beside,
        images=_images(given, stored, beside),
    )
    prepared = dataclasses.replace(prepared, metadata=_metadata(given))
    return Prepared(files.contents(prepared), functools.partial(_report, prepared))


def _stored(given: Given, weight_bits: int | None) -> program.Program | None:
    """The program that a network is, if it is; of a run, of the width that is asked.

    Raises:
        UsageError: a program of another width was named itself.
    """
    path = pathlib.Path(given.model)
    if given.gap_quantized is not None:
        return _of_width(given.gap_quantized.program, weight_bits, path)
    name = program_file.FILE_NAME
    own = [path, path / name]
    run, formats = run_folder.RunFolder(path), number_formats.of_scheme("gap8")
    for place in (*own, *(run.export_file(each.name) for each in formats)):
        if place.suffix != ".npz" or not place.is_file():
            continue
        p = program_file.read(place)
        if place in own:
            return _of_width(p, weight_bits, path)
        if weight_bits in (None, p.num_bits):
            return p
    return None


def _of_width(
    p: program.Program, weight_bits: int | None, path: pathlib.Path
) -> program.Program:
    if weight_bits in (None, p.num_bits):
        return p
    raise errors.UsageError(
        f"'{path}' has integers of {p.num_bits} bits already: leave out --weight_bits"
    )


def _beside(given: Given) -> graph.Graph | None:
    """The float graph of a run, which its program is of, or of given integers."""
    if given.gap_quantized is not None:
        return given.gap_quantized.graph
    folder = run_folder.RunFolder(pathlib.Path(given.model)).graph
    if not (folder / serialize.FILE_NAME).is_file():
        return None
    g = serialize.read(folder)
    return g if _is_float(g) else None


def _is_float(g: graph.Graph) -> bool:
    return all(tensor.dtype == "float32" for tensor in g.tensors.values())


def _from_float(given: Given, flags: Flags) -> Prepared:
    if flags.weight_bits not in (None, *_WIDTHS):
        raise errors.UsageError(
            "GAP8 has integers of 16 and 8 bits; found --weight_bits="
            f"{flags.weight_bits}"
        )
    if given.calibration is None:
        _float_graph(given)  # Of integers alone, that comes first.
        raise errors.UsageError(
            "the formats come from inputs: give --calibration=DATA, a folder of .png "
            "or .npy, an .npz, or data as train takes them"
        )
    rewritten, notes = _network(given)
    source, scaling = host_scaling.left_to_host(rewritten)
    g, p = gap8.quantized(source, flags.weight_bits or 16)
    prepared = network.from_program(
        p, precision=PRECISIONS[flags.precision], g=g, images=source.inputs
    )
    prepared = dataclasses.replace(
        prepared,
        metadata=given.metadata,
        notes=(*notes, *scaling.notes, *prepared.notes),
    )
    return Prepared(
        files.contents(prepared),
        functools.partial(_report, prepared),
        loss.measure(_form(source, g, p), macs.graph_count(g).macs),
    )


def _metadata(given: Given) -> model_metadata.Metadata | None:
    """Of the run that a program is of; calibration images have no part in it."""
    return dataclasses.replace(given, calibration=None).metadata


def _network(given: Given) -> tuple[float_network.FloatNetwork, tuple[str, ...]]:
    """The float network, and what the host has to know of it.

    Of a run whose deployed network has integers, it is the one beside.

    Raises:
        UsageError: there are integers only.
    """
    if given.is_of_keras or given.is_read_by_tensorflow:
        # Once for all targets, as it is slow.
        network = given.network
        single_results.require(network.graph, "GAP8")
        if network.model is not None:
            from tfpipeline.post_training import gap8_network

            network, front = gap8_network.rewritten(network)
            return network, front.notes
        g = global_pools.as_pools(network.graph)
        return dataclasses.replace(network, graph=g), ()
    network = float_network.make(
        _float_graph(given), given.calibration_source, given.input_range
    )
    says_classes = given.says_classes(network.graph)
    return dataclasses.replace(network, says_classes=says_classes), ()


def _float_graph(given: Given) -> graph.Graph:
    model = given.model
    g = given.source().graph
    single_results.require(g, "GAP8")
    if _is_float(g):
        return global_pools.as_pools(g)
    run = run_folder.RunFolder(pathlib.Path(model))
    beside = run.export_file(number_formats.FLOAT)
    if beside.is_file():
        return global_pools.as_pools(model_source.load(str(beside)).graph)
    raise errors.UsageError(
        f"'{model}' has integers of another target; GAP8's are made of a float "
        "network: export it with --export=float32 when training, and give its .tflite"
    )


def _form(
    source: float_network.FloatNetwork, g: graph.Graph, p: program.Program
) -> loss.Form:
    """The program beside the network that it is of."""
    moved = {layer.output for layer in g.layers if isinstance(layer, graph.Reshape)}

    def compute(inputs: graph.Array) -> dict[str, graph.Array]:
        values = network.reals(p, inputs)
        # A flattened tensor lies in another order here; lines have one row on the chip.
        return {
            name: each.reshape(len(each), *g.tensors[name].shape[1:])
            if name in g.tensors
            else each
            for name, each in values.items()
            if name not in moved
        }

    return loss.Form(
        f"GAP8, {p.num_bits} bits",
        g,
        source.inputs,
        source.run,
        compute,
        p.outputs,
        source.says_classes,
    )


def _images(
    given: Given, p: program.Program, g: graph.Graph | None
) -> graph.Array | None:
    if given.calibration is None:
        return None
    channels, rows, columns = p.input.shape
    shape: tuple[int, ...] = (rows, columns, channels)
    if g is not None:  # Which knows a line or a vector from a plane.
        shape = g.tensors[g.inputs[0]].shape[1:]
    quantized = given.gap_quantized
    is_raw = quantized is not None and quantized.takes_pixels
    usual = input_range.PIXELS if is_raw else input_range.SIGNED
    pixels = input_range.parse(given.input_range) or input_range.NAMED[usual]
    return given.calibration_source.read(shape, pixels)


def _report(found: network.Network, output: pathlib.Path | None) -> list[str]:
    p = found.program
    peak = "not planned"
    if found.plan is not None:
        size = found.plan.peak_bytes
        peak = f"{size:,} bytes ({size / 1024:.1f} KiB), with the weights of a layer"
    return [
        f"model      {len(p.layers)} layers of {p.num_bits} bits, "
        f"{p.weight_bytes:,} bytes of weights and biases",
        f"L2         {peak}",
        f"AutoTiler  {len(found.calls.calls)} generator calls, "
        f"{found.precision.replace('_', ' ')}",
        *(f"note       {note}" for note in found.notes),
        f"written    {output}; {files.README_FILE} has the vendor's commands",
    ]


TARGET = Target(
    name="gap8",
    title="AutoTiler and NNTool",
    takes="a .tflite file, a graph.json or a Keras file, of floats, a program.npz, or "
    "the layers of gap_quantization",
    flags=Flags(),
    prepare=prepare,
)
