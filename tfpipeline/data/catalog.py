"""The data sets by name, and how each becomes train, validation and test."""

import dataclasses
import os
import pathlib

import numpy as np

from tfpipeline import errors
from tfpipeline.data import splits, tfds_source


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """What is known of a data set before it is read.

    Attributes:
        name: the name for `--dataset`, also that of the TFDS builder.
        description: one line for `--help` and the run's summary.
        num_classes: classes of the classification form; None when it depends on the
            prepared files.
        image_shape: (H, W, C) of the classification form.
        needs_download: False when the package makes the images itself.
        has_scenes: True when `load_scenes` gives images with face boxes.
        folder_names: names that the prepared folder may have, best first.
    """

    name: str
    description: str
    num_classes: int | None
    image_shape: tuple[int, int, int]
    needs_download: bool
    has_scenes: bool = False
    folder_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.folder_names:
            object.__setattr__(self, "folder_names", (self.name,))


DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            name="cifar10",
            description="CIFAR-10: 50,000 + 10,000 photographs of 10 kinds of objects",
            num_classes=10,
            image_shape=(32, 32, 3),
            needs_download=True,
        ),
        DatasetSpec(
            name="cifar100",
            description="CIFAR-100: photographs of 100 kinds of objects",
            num_classes=100,
            image_shape=(32, 32, 3),
            needs_download=True,
        ),
    )
}


def spec(name: str) -> DatasetSpec:
    """The data set called `name`.

    Raises:
        UsageError: there is none; the message lists the names.
    """
    if name not in DATASETS:
        raise errors.UsageError(
            f"unknown data set '{name}'. Choose one of: {', '.join(DATASETS)}"
        )
    return DATASETS[name]


def load(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    limit: int | None = None,
) -> splits.Dataset:
    """Loads the classification form of a data set into memory.

    Args:
        name: a key of `DATASETS`.
        data_dir: prepared TFDS root, folder of the builder, or version folder; TFDS's
            own default when None.
        seed: chooses the validation examples, nothing else.
        validation_fraction: share of the source's train split kept for validation.
        limit: keep only the first `limit` train examples (before the validation split)
            and the first `limit / 5` test examples; for quick runs.

    Raises:
        UsageError: unknown name, or a limit below 5.
        DataError: the data set is not there or cannot be read.
    """
    chosen = spec(name)
    if limit is not None and limit < 5:
        raise errors.UsageError(f"limit must be 5 or more. Received: {limit}")
    folder = _prepared_folder(chosen, data_dir)
    return _load_labeled(chosen, folder, seed, validation_fraction, limit)


def _load_labeled(
    chosen: DatasetSpec,
    folder: pathlib.Path,
    seed: int,
    validation_fraction: float,
    limit: int | None,
) -> splits.Dataset:
    builder = tfds_source.open_prepared(folder)
    parts = {}
    for split, part_limit in (("train", limit), ("test", limit and limit // 5)):
        images, labels = tfds_source.read_images(
            builder, split, chosen.image_shape, part_limit
        )
        parts[split] = splits.Split(images, labels.astype(np.int32))
    train_indices, validation_indices = splits.split_validation(
        len(parts["train"]), validation_fraction, seed
    )
    return splits.Dataset(
        name=chosen.name,
        class_names=tfds_source.class_names(builder),
        train=parts["train"].take(train_indices),
        validation=parts["train"].take(validation_indices),
        test=parts["test"],
        train_indices=train_indices,
        validation_indices=validation_indices,
        description=chosen.description,
    )


def _prepared_folder(
    chosen: DatasetSpec, data_dir: str | os.PathLike[str] | None
) -> pathlib.Path:
    root = pathlib.Path(data_dir) if data_dir else tfds_source.default_root()
    folder = tfds_source.find_prepared(chosen.folder_names, root)
    if folder is None:
        raise errors.DataError(
            f"data set '{chosen.name}' is not in {root}. "
            "Give --data_dir=FOLDER of a prepared copy."
        )
    return folder
