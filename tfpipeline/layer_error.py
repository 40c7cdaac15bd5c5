"""Where a quantized network loses: the error of every layer in each number format.

    python -m tfpipeline.layer_error --run=runs/demo

Compares the float network of a run with its integers: those of its exported .tflite
files, and those of the number formats of --formats, quantized here after training. A
file of quantization-aware training is compared with the float network of the weights
that this training reached. Without a run: --float_model, --models and --images.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from absl import logging

from tfpipeline import (
    atomic_files,
    entry,
    errors,
    marked_folder,
    model_source,
    number_formats,
    run_folder,
)
from tfpipeline.configs import fields, network
from tfpipeline.configs import images as images_config
from tfpipeline.configs.fields import Flag
from tfpipeline.ir import from_tflite, graph
from tfpipeline.models import forms
from tfpipeline.precision import formats, layer_error, quantize, ranges
from tfpipeline.report import layer_errors
from tfpipeline.simulate import float_execution, support
from tfpipeline.tasks import catalog as tasks
from tfpipeline.untrusted import arrays

# Of the marker in a folder of its own.
_WRITER = "layer_error"


_NO_WEIGHTS = (forms.Kind.NAME, forms.Kind.FOLDER)
_FLOAT_FORMS = forms.words([kind for kind in forms.Kind if kind not in _NO_WEIGHTS])


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    run: Annotated[str | None, Flag("The folder of a run (--workdir of train).")] = None
    data_dir: Annotated[
        str | None, Flag("With --run: where its data set is, as for train.")
    ] = None
    num_images: Annotated[
        int,
        Flag(
            "Images that errors are measured on; of a run, of its validation split.",
            low=1,
        ),
    ] = 64
    float_model: Annotated[
        str | None,
        Flag(f"Without --run: the float network, with its weights: {_FLOAT_FORMS}."),
    ] = None
    model_options: network.ModelOptions = ()
    custom_objects: network.CustomObjects = None
    models: Annotated[
        tuple[str, ...],
        Flag("Without --run: integer .tflite files of --float_model."),
    ] = ()
    images: Annotated[
        str | None,
        Flag(
            "Without --run: .npy of real inputs [N, ...]; the first half sets the "
            "ranges of --formats, errors are measured on the second."
        ),
    ] = None
    widths: Annotated[
        tuple[str, ...],
        Flag("What to compare.", choices=tuple(formats.FORMATS), name="formats"),
    ] = ("wi8_ai8", "wi8_ai16", "wi16_ai16")
    output: Annotated[
        str | None,
        Flag(
            "Folder for layer_error.csv and layer_error.png; of a run, the run's own."
        ),
    ] = None

    def check(self) -> None:
        """Either a run or files."""
        if self.run and self.float_model:
            raise errors.UsageError(_EITHER)
        if self.run and (self.models or self.images):
            raise errors.UsageError("--models and --images do not go with --run")


_EITHER = "give either --run=FOLDER or --float_model=FILE"
# What is compared: a float graph with its integer graphs by name.
_Comparison = tuple[graph.Graph, Mapping[str, graph.Graph]]


def main(command: Command) -> None:
    """Prints the table, and writes the CSV file and the plot."""
    output = pathlib.Path(command.output) if command.output else None
    if output is not None and not run_folder.is_run(run_folder.RunFolder(output)):
        marked_folder.require(output, writer=_WRITER)
    if command.run:
        comparisons, calibration, images = _of_run(
            pathlib.Path(command.run), command.data_dir, command.num_images
        )
    elif command.float_model:
        comparisons, calibration, images = _of_files(command, command.float_model)
    else:
        raise errors.UsageError(_EITHER)
    chosen = [formats.named(name) for name in command.widths]
    reference, given = comparisons[0]
    quantized, notes = _quantized(reference, calibration, chosen)
    comparisons[0] = (reference, {**quantized, **given})
    found: dict[str, Sequence[layer_error.LayerError]] = {}
    for real, graphs in comparisons:
        for name, g in graphs.items():
            found[name] = layer_error.measure(real, g, images)
    if not found:
        raise errors.UsageError(
            f"nothing to compare: {'; '.join(notes) or 'no models'}"
        )
    print(f"'{reference.name}', SQNR of each layer's output over {len(images)} images")
    print("\n".join([layer_errors.to_text(found), *notes]).rstrip())
    if output is None and command.run:
        output = pathlib.Path(command.run)
    if output is not None:
        title = f"{reference.name}: error by layer, {len(images)} images"
        _write(output, found, title)


def _quantized(
    g: graph.Graph, calibration: graph.Array, chosen: Sequence[formats.Format]
) -> tuple[dict[str, graph.Graph], list[str]]:
    """The float graph in each format that can be simulated; why others are left out."""
    float_execution.require_float(g)
    found = ranges.observe(g, calibration)
    result, notes = {}, []
    for form in chosen:
        integers = quantize.quantize(g, found, form)
        reasons = support.reasons(integers)
        if reasons:
            notes.append(f"note: {form.name} is left out: {reasons[0]}")
            continue
        result[f"{form.name} PTQ"] = integers
        if not form.is_deployable:
            notes += [f"note: {reason}" for reason in support.undeployable(integers)]
    return result, notes


def _write(output: pathlib.Path, found: layer_errors.Errors, title: str) -> None:
    folder = run_folder.RunFolder(output)
    contents = {
        folder.layer_error_csv: layer_errors.to_csv(found).encode(),
        folder.layer_error_png: layer_errors.to_png(found, title),
    }
    if run_folder.is_run(folder):
        run_folder.claim(folder)
        for path, content in contents.items():
            atomic_files.write_bytes(path, content)
    else:
        named = {path.name: content for path, content in contents.items()}
        marked_folder.write(output, named, _WRITER)
    for path in contents:
        print(f"written    {path}")


def _of_files(
    command: Command, float_model: str
) -> tuple[list[_Comparison], graph.Array, graph.Array]:
    """The networks and images that flags name."""
    if not command.images:
        raise errors.UsageError("say on what to measure: --images=FILE.npy")
    if float_model in model_source.names():
        raise errors.UsageError(
            f"'{float_model}' is a network without weights; give a file"
        )
    images = arrays.read_npy(command.images)
    if images.ndim < 2 or len(images) < 2:
        raise errors.UsageError(
            f"{command.images} must hold two images or more, [N, ...]; found "
            f"{images.shape}"
        )
    half = len(images) // 2
    real = model_source.load(
        float_model,
        model_options=command.model_options,
        custom_objects=command.custom_objects,
    ).graph
    graphs = {pathlib.Path(path).stem: _integer(path) for path in command.models}
    if len(graphs) < len(command.models):
        raise errors.UsageError("files of --models must have different names")
    measured = images[half:][: command.num_images]
    return [(real, graphs)], images[:half], measured


def _integer(path: str | pathlib.Path) -> graph.Graph:
    return from_tflite.read_file(pathlib.Path(path))


def _of_run(
    path: pathlib.Path, data_dir: str | None, num_images: int
) -> tuple[list[_Comparison], graph.Array, graph.Array]:
    """The networks of a run, and `num_images` images of its data set.

    Raises:
        UsageError: the run has no float network yet.
    """
    folder = run_folder.RunFolder(path)
    stored = folder.model(run_folder.FLOAT)
    if not stored.exists():
        raise errors.UsageError(
            f"'{path}' has no float network in {stored}: is it the folder of a run "
            "whose float training is done?"
        )
    record = atomic_files.read_json(folder.run_json)["flags"]
    # TFDS tells by absl's log where it reads.
    logging.set_verbosity(logging.WARNING)
    # Seconds of imports that nobody else should wait for.
    from tfpipeline.data import catalog, preprocessing, splits
    from tfpipeline.keras_networks import float_twin
    from tfpipeline.quantization import storage
    from tfpipeline.readers import from_keras

    data = fields.replaced(images_config.Images(data_dir=data_dir), record)
    trained = storage.load(stored)
    dataset = catalog.load_flags(
        data,
        record["seed"],
        reads_boxes=tasks.reads_boxes(record.get("task", tasks.AUTO)),
        input_shape=tuple(trained.input_shape[1:]),
    )
    positions = splits.calibration_indices(
        len(dataset.train), record["calibration_images"], record["seed"]
    )
    measured = _evenly_spaced(len(dataset.validation), num_images)
    read_as = preprocessing.of(data.input_range, data.normalize, dataset.train.inputs)
    images = [
        read_as.real(split.inputs[indices])
        for split, indices in (
            (dataset.train, positions),
            (dataset.validation, measured),
        )
    ]
    comparisons: list[_Comparison] = [
        (from_keras.read(trained, name=record["model"]), {})
    ]
    for name, integers in _exported(folder).items():
        stage = folder.model(number_formats.named(name).stage)
        if stage.exists():
            # Against the weights it was made from, or the ratio would measure training.
            twin = float_twin.extract(storage.load(stage))
            real = from_keras.read(twin, name=record["model"])
            comparisons.append((real, {f"export/{name} QAT": integers}))
        else:
            real, given = comparisons[0]
            given = {**given, f"export/{name} PTQ": integers}
            comparisons[0] = (real, given)
    return comparisons, images[0], images[1]


def _exported(folder: run_folder.RunFolder) -> dict[str, graph.Graph]:
    """The integer networks that the run exported, by the names of their folders."""
    found: dict[str, graph.Graph] = {}
    for name, file in sorted(folder.tflite_files().items()):
        if file.exists():
            found[name] = _integer(file)
    return found


def _evenly_spaced(total: int, count: int) -> Any:
    """`count` indices below `total`, spread so that a sorted split is covered too."""
    count = min(count, total)
    return np.arange(count) * total // count


if __name__ == "__main__":
    entry.start(main, "layer_error", Command(), arguments=("run",))
