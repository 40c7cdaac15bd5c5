"""What `python -m export --targets=gap8` does, and the lines that it prints."""

import pathlib

from export.gap8 import calibration, files, network
from tfpipeline import errors, model_source, number_formats, run_folder
from tfpipeline.ir import graph, serialize
from tfpipeline.targets.gap8 import kernels, program, program_file

PRECISIONS = {"double": kernels.DOUBLE, "single": kernels.SINGLE}
_WIDTHS = (16, 8)


def run(
    model: str,
    output: pathlib.Path | None,
    *,
    images: str | None = None,
    weight_bits: int | None = None,
    precision: str = "double",
    pixels: str = calibration.SIGNED,
) -> list[str]:
    """Writes all files for a network.

    Args:
        model: the folder of a run, a graph or a `.tflite`, of floats; or a
            `program.npz`, or the folder of a run or an export that holds one.
        output: the folder that gets the files.
        images: for calibration; see `calibration.read`.
        weight_bits: of a float network's integers, data included; 16 without.
        precision: of `PRECISIONS`.
        pixels: of `calibration.PIXELS`.

    Returns:
        Lines for the user.

    Raises:
        UsageError: what does not go together, or is missing.
        PipelineError: as `network.from_float` and `files.write`.
    """
    if output is None:
        raise errors.UsageError("say where the files go: --output=FOLDER")
    path = pathlib.Path(model)
    stored = _stored(path, weight_bits)
    if stored is not None:
        found = network.from_program(
            stored,
            precision=PRECISIONS[precision],
            g=_beside(path),
            images=_images(images, stored.input.shape, pixels),
        )
    else:
        found = _from_float(model, images, weight_bits, precision, pixels)
    files.write(output, found)
    return _report(found, output)


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


def _from_float(
    model: str,
    images: str | None,
    weight_bits: int | None,
    precision: str,
    pixels: str,
) -> network.Network:
    if model in model_source.names():
        raise errors.UsageError(
            f"'{model}' is a network without weights; give the folder of a run, or a "
            "file"
        )
    if weight_bits not in (None, *_WIDTHS):
        raise errors.UsageError(
            f"GAP8 has integers of 16 and 8 bits; found --weight_bits={weight_bits}"
        )
    g = _float_graph(model)
    if images is None:
        raise errors.UsageError(
            "the formats come from images: give --calibration=FOLDER of .png or .npy, "
            "or an .npz"
        )
    shape = g.tensors[g.inputs[0]].shape[1:]
    return network.from_float(
        g,
        calibration.read(images, shape, pixels),
        num_bits=weight_bits or 16,
        precision=PRECISIONS[precision],
        pixels=pixels,
    )


def _float_graph(model: str) -> graph.Graph:
    """The float network; of a run whose deployed network has integers, the one beside.

    Raises:
        UsageError: there are integers only.
    """
    g = model_source.load(model).graph
    if _is_float(g):
        return g
    run = run_folder.RunFolder(pathlib.Path(model))
    beside = run.export_file(number_formats.FLOAT)
    if beside.is_file():
        return model_source.load(str(beside)).graph
    raise errors.UsageError(
        f"'{model}' has integers of another target; GAP8's are made of a float "
        "network: export it with --export=float32 when training, and give its .tflite"
    )


def _images(path: str | None, shape: program.Shape, pixels: str) -> graph.Array | None:
    if path is None:
        return None
    channels, rows, columns = shape
    return calibration.read(path, (rows, columns, channels), pixels)


def _report(found: network.Network, output: pathlib.Path) -> list[str]:
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
