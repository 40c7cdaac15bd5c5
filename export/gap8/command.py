"""`python -m export --targets=gap8`: what the AutoTiler and NNTool take, and C."""

import dataclasses
import functools
import pathlib
from typing import Annotated

from export.gap8 import calibration, files, network
from export.target import Prepared, Target
from tfpipeline import errors, model_source, number_formats, run_folder
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.ir import global_pools, graph, serialize, single_results
from tfpipeline.targets.gap8 import kernels, program, program_file

PRECISIONS = {"double": kernels.DOUBLE, "single": kernels.SINGLE}
_WIDTHS = (16, 8)


@dataclasses.dataclass(frozen=True)
class Flags(fields.Config):
    """What the command line says of this target."""

    images: Annotated[
        str | None,
        Flag(
            "Images that decide the formats of a float network: a folder of .png or "
            ".npy, or one .npy or .npz of [N, rows, columns, channels].",
            name="calibration",
        ),
    ] = None
    pixels: Annotated[
        str,
        Flag(
            "What the network takes of a .png's pixel: (pixel - 128) / 128, pixel / "
            "256, or the pixel as it is, which then is the chip's input too.",
            choices=calibration.PIXELS,
        ),
    ] = calibration.SIGNED
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


def prepare(model: str, given: Flags) -> Prepared:
    """All files of a network.

    Args:
        model: the folder of a run, a graph or a `.tflite`, of floats; or a
            `program.npz`, or the folder of a run or an export that holds one.
        given: flags.

    Raises:
        UsageError: what does not go together, or is missing.
        PipelineError: as `network.from_float`.
    """
    path = pathlib.Path(model)
    stored = _stored(path, given.weight_bits)
    if stored is not None:
        found = network.from_program(
            stored,
            precision=PRECISIONS[given.precision],
            g=_beside(path),
            images=_images(given, stored.input.shape),
        )
    else:
        found = _from_float(model, given)
    return Prepared(files.contents(found), functools.partial(_report, found))


def _stored(path: pathlib.Path, weight_bits: int | None) -> program.Program | None:
    """The program that a path holds, if it does; of a run, of the width that is asked.

    Raises:
        UsageError: a program of another width was named itself.
    """
    name = program_file.FILE_NAME
    own = [path, path / name]
    run, formats = run_folder.RunFolder(path), number_formats.of_scheme("gap8")
    for place in (*own, *(run.export_file(each.name) for each in formats)):
        if place.suffix != ".npz" or not place.is_file():
            continue
        p = program_file.read(place)
        if weight_bits in (None, p.num_bits):
            return p
        if place in own:
            raise errors.UsageError(
                f"'{path}' has integers of {p.num_bits} bits already: leave out "
                "--weight_bits"
            )
    return None


def _beside(path: pathlib.Path) -> graph.Graph | None:
    """The float graph of a run, which its program is of."""
    folder = run_folder.RunFolder(path).graph
    if not (folder / serialize.FILE_NAME).is_file():
        return None
    g = serialize.read(folder)
    return g if _is_float(g) else None


def _is_float(g: graph.Graph) -> bool:
    return all(tensor.dtype == "float32" for tensor in g.tensors.values())


def _from_float(model: str, given: Flags) -> network.Network:
    if given.weight_bits not in (None, *_WIDTHS):
        raise errors.UsageError(
            "GAP8 has integers of 16 and 8 bits; found --weight_bits="
            f"{given.weight_bits}"
        )
    g = _float_graph(model)
    if given.images is None:
        raise errors.UsageError(
            "the formats come from images: give --calibration=FOLDER of .png or .npy, "
            "or an .npz"
        )
    shape = g.tensors[g.inputs[0]].shape[1:]
    return network.from_float(
        g,
        calibration.read(given.images, shape, given.pixels),
        num_bits=given.weight_bits or 16,
        precision=PRECISIONS[given.precision],
        pixels=given.pixels,
    )


def _float_graph(model: str) -> graph.Graph:
    """The float network; of a run whose deployed network has integers, the one beside.

    Raises:
        UsageError: there are integers only.
    """
    g = model_source.with_weights(model).graph
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


def _images(given: Flags, shape: program.Shape) -> graph.Array | None:
    if given.images is None:
        return None
    channels, rows, columns = shape
    return calibration.read(given.images, (rows, columns, channels), given.pixels)


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
    takes="a .tflite file, a graph.json or a Keras file, of floats, or a program.npz",
    flags=Flags(),
    prepare=prepare,
)
