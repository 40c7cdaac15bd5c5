"""Test examples as a network reads them, and what its task measures on them.

`evaluate` measures forms of a network on them, and `run` a board.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from export.given import Given
from tfpipeline import atomic_files, errors, run_folder
from tfpipeline.configs import fields, images
from tfpipeline.configs.fields import Flag
from tfpipeline.data import preprocessing, specs
from tfpipeline.inference import runners
from tfpipeline.metadata import flags as metadata_flags
from tfpipeline.metadata import model_metadata
from tfpipeline.post_training import float_network
from tfpipeline.tasks import catalog as tasks
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds


@dataclasses.dataclass(frozen=True)
class Data(images.Images):
    """Data as train takes them; without a name those of a run."""

    dataset: Annotated[
        str,
        Flag(
            "A data set, as train takes it; its test split is measured. May be left "
            "out of a run, which is measured on its own.",
            check=lambda name: specs.find(name) if name else None,
        ),
    ] = ""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is to be measured, as flags say it.

    Attributes:
        data: where the examples are.
        task: its name, or auto.
        threshold: probability from which an answer is yes.
        limit: of test examples, which are spread evenly; None for all.
        calibration_images: training examples that set ranges.
        seed: of what is drawn.
    """

    data: Data
    task: str = tasks.AUTO
    threshold: float = 0.5
    limit: int | None = None
    calibration_images: int = 256
    seed: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class MeasuredData:
    """Test examples, and what figures come of outputs for them.

    Attributes:
        network: that reads them, with its calibration data.
        positions: of the examples in the test split.
        stored: inputs as the data set has them, `[N, ...]`.
        inputs: as the network reads them, float32 `[N, ...]`.
        names: of the classes or labels.
        objective: of the task.
        examples: what is right.
    """

    network: runners.Network
    positions: npt.NDArray[np.int64]
    stored: npt.NDArray[Any]
    inputs: npt.NDArray[np.float32]
    names: tuple[str, ...]
    objective: Any
    examples: Any

    @property
    def kind(self) -> kinds.TaskKind:
        """Of the task."""
        kind: kinds.TaskKind = self.objective.kind
        return kind

    def measure(self, outputs: kinds.FloatArray) -> Mapping[str, float | None]:
        """Figure -> value of real outputs `[N, ...]` for all inputs."""
        shaped = _shaped(outputs, self.objective.head)
        figures: Mapping[str, float | None]
        figures = self.objective.measure(shaped, self.examples)
        return figures


def find(given: Given, asked: Asked) -> MeasuredData:
    """Loads the data, and finds out how the network reads them.

    Args:
        given: the network.
        asked: what of which data.

    Raises:
        UsageError: no data are said, or they and the network do not go together.
        PipelineError: the data or the network cannot be had.
    """
    folder = run_folder.RunFolder(pathlib.Path(given.model))
    known = given.metadata
    data, seed = _data_of(asked, folder, known)
    # Seconds of imports that nobody else should wait for.
    from tfpipeline.data import catalog, splits
    from tfpipeline.training import objectives

    more = {}
    task = (_task_of(folder, known) or {}).get("name", asked.task)
    if tasks.reads_boxes(task):
        # Pictures of any size are fitted into what the network takes.
        taken = runners.Network(given).input_shape()
        more = {"reads_boxes": True, "input_shape": taken}
    dataset = catalog.load_flags(data, seed, **more)
    reading = _preprocessing(data, dataset.train.inputs, given, known)
    positions = splits.calibration_indices(
        len(dataset.train), asked.calibration_images, seed
    )
    network = runners.Network(
        given,
        reading.real(dataset.train.inputs[positions]),
        reading.low,
        reading.high,
    )
    shape = network.input_shape()
    if shape != dataset.input_shape:
        raise errors.UsageError(
            f"'{given.model}' reads inputs of shape {shape}; those of "
            f"'{data.dataset}' have {dataset.input_shape}"
        )
    head = network.head()
    record = _task_of(folder, known) if asked.task == tasks.AUTO else None
    if record is None:
        options = kinds.Options(threshold=asked.threshold)
        objective = objectives.of(asked.task, options, dataset, lambda _: head)
    else:
        objective = tasks.recorded(record, objectives.traits(dataset), head)
    count = min(len(dataset.test), asked.limit or len(dataset.test))
    chosen = np.arange(count) * len(dataset.test) // count
    stored = dataset.test.inputs[chosen]
    inputs = reading.real(stored)
    return MeasuredData(
        network,
        chosen,
        stored,
        inputs,
        tuple(dataset.class_names),
        objective,
        objective.examples(inputs, dataset.test.targets[chosen]),
    )


def _data_of(
    asked: Asked,
    folder: run_folder.RunFolder,
    known: model_metadata.Metadata | None,
) -> tuple[Data, int]:
    """The data and the seed that divides them."""
    data = asked.data
    if data.dataset:
        if known is not None:
            leaves = fields.leaves(data)
            said = {leaf.name for leaf, value in leaves if value != leaf.default}
            learned = metadata_flags.of(known).items()
            data = fields.replaced(data, {k: v for k, v in learned if k not in said})
        return data, asked.seed
    if not run_folder.is_run(folder):
        raise errors.UsageError(
            f"say on what '{folder.root}' is measured: --dataset=DATA"
        )
    flags = run_folder.recorded_flags(folder)
    return fields.replaced(asked.data, flags), int(flags.get("seed", asked.seed))


def _preprocessing(
    data: Data,
    stored: np.ndarray,
    given: Given,
    known: model_metadata.Metadata | None,
) -> preprocessing.Preprocessing:
    """What the network reads of stored inputs: by flags, or as it says itself."""
    is_said = data.input_range != preprocessing.AUTO or not data.normalize
    is_of_pixels = stored.dtype == np.uint8
    if not is_said and known is not None and known.is_of_pixels == is_of_pixels:
        # Integers saturate beyond it, and the figures show that.
        return known.preprocessing
    is_run = pathlib.Path(given.model).is_dir() and run_folder.is_run(
        run_folder.RunFolder(pathlib.Path(given.model))
    )
    if is_of_pixels and not is_said and not is_run:
        g, model, _ = given.loaded()
        limits = float_network.pixels_of(preprocessing.AUTO, g, model)
        return preprocessing.of_bytes(limits.low, limits.high)
    return preprocessing.of(data.input_range, data.normalize, stored)


def _task_of(
    folder: run_folder.RunFolder, known: model_metadata.Metadata | None
) -> Mapping[str, Any] | None:
    """What a run or an export says of its task; `None` where nobody says."""
    if known is not None and known.task:
        return known.task
    if not run_folder.is_run(folder) or not folder.results_json.is_file():
        return None
    results = atomic_files.read_json(folder.results_json)
    record: Mapping[str, Any] = results.get("task", tasks.DEFAULT_RECORD)
    return record


def _shaped(outputs: kinds.FloatArray, head: head_lib.Head) -> kinds.FloatArray:
    """Outputs as the network gives them; a chip may keep other axes of length 1."""
    return outputs.reshape(len(outputs), *head.row_shape)
