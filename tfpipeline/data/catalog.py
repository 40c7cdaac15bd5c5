"""The data sets by name, and how each becomes train, validation and test."""

import dataclasses
import os
import pathlib

import numpy as np
import tensorflow_datasets as tfds

from tfpipeline import errors
from tfpipeline.data import (
    procedural,
    procedural_objects,
    splits,
    tfds_download,
    tfds_source,
)


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
        source_url: where the official builder downloads from; empty without download.
    """

    name: str
    description: str
    num_classes: int | None
    image_shape: tuple[int, int, int]
    needs_download: bool
    has_scenes: bool = False
    folder_names: tuple[str, ...] = ()
    source_url: str = ""

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
            source_url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        ),
        DatasetSpec(
            name="cifar100",
            description="CIFAR-100: photographs of 100 kinds of objects",
            num_classes=100,
            image_shape=(32, 32, 3),
            needs_download=True,
            source_url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        ),
        DatasetSpec(
            name="procedural_objects",
            description="8,000 + 2,000 made-up images of 10 kinds of shapes, offline",
            num_classes=10,
            image_shape=(32, 32, 3),
            needs_download=False,
        ),
    )
}

_BUILDERS: dict[str, type[tfds.core.GeneratorBasedBuilder]] = {
    "procedural_objects": procedural_objects.ProceduralObjects,
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
    download: bool = True,
) -> splits.Dataset:
    """Loads the classification form of a data set into memory.

    Args:
        name: a key of `DATASETS`.
        data_dir: prepared TFDS root, folder of the builder, or version folder; for the
            `procedural_*` sets the root where they are generated. TFDS's own default
            when None (for `procedural_*` the user's cache folder).
        seed: chooses the validation examples, nothing else.
        validation_fraction: share of the source's train split kept for validation.
        limit: keep only the first `limit` train examples (before the validation split)
            and the first `limit / 5` test examples; for quick runs.
        download: try to download a set that is not in TFDS's default folder. Nothing is
            downloaded when `data_dir` is given.

    Raises:
        UsageError: unknown name, or a limit below 5.
        DataError: the data set is not there or cannot be read.
        StorageError: a `procedural_*` set cannot be written.
    """
    chosen = spec(name)
    if limit is not None and limit < 5:
        raise errors.UsageError(f"limit must be 5 or more. Received: {limit}")
    folder = _prepared_folder(chosen, data_dir, limit, download)
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
    chosen: DatasetSpec,
    data_dir: str | os.PathLike[str] | None,
    limit: int | None,
    download: bool,
) -> pathlib.Path:
    """The version folder of a data set, generated or downloaded where it must be."""
    if not chosen.needs_download:
        builder = _BUILDERS[chosen.name]
        return procedural.prepare(
            builder, data_dir or procedural.default_root(), _config(builder, limit)
        )
    root = pathlib.Path(data_dir or tfds_source.default_root()).expanduser()
    folder = tfds_source.find_prepared(chosen.folder_names, root)
    if folder is None and download and not data_dir:
        folder = tfds_download.prepare(chosen.name, root, chosen.source_url)
    if folder is None:
        raise errors.DataError(
            f"data set '{chosen.name}' is not in {root}. Give --data_dir=FOLDER of a "
            f"prepared TFDS copy (it holds {chosen.folder_names[0]}/VERSION/)"
        )
    return folder


def _config(
    builder: type[tfds.core.GeneratorBasedBuilder], limit: int | None
) -> procedural.ProceduralConfig:
    """The smallest of the builder's configs that holds `limit` examples.

    A small config is the beginning of the large one, so the examples are the same.
    """
    largest, *smaller = sorted(
        builder.BUILDER_CONFIGS, key=lambda config: -config.num_train
    )
    chosen = largest
    for config in smaller:
        if (
            limit is not None
            and limit <= config.num_train
            and limit // 5 <= config.num_test
        ):
            chosen = config
    return chosen
