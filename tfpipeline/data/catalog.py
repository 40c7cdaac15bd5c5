"""The data sets by name, and how each becomes train, validation and test."""

import dataclasses
import os
import pathlib

import numpy as np
import tensorflow_datasets as tfds

from tfpipeline import errors
from tfpipeline.data import (
    face_crops,
    identities,
    procedural,
    procedural_faces,
    procedural_objects,
    scenes,
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
        scene_splits: the source's splits that give (train and validation, test) scenes
            with face boxes; None when there are no scenes.
        folder_names: names that the prepared folder may have, best first.
        source_url: where the official builder downloads from; empty without download.
    """

    name: str
    description: str
    num_classes: int | None
    image_shape: tuple[int, int, int]
    needs_download: bool
    scene_splits: tuple[str, str] | None = None
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
            name="wider_face",
            description="WIDER FACE: face / no-face crops of photographs of crowds",
            num_classes=2,
            image_shape=(88, 88, 3),
            needs_download=True,
            # The official test split has no boxes; validation stands in for it.
            scene_splits=("train", "validation"),
            source_url="https://drive.google.com/",
        ),
        DatasetSpec(
            name="lfw",
            description="LFW: who is it, among people with at least 20 photographs",
            num_classes=None,
            image_shape=(identities.IMAGE_SIZE, identities.IMAGE_SIZE, 3),
            needs_download=True,
            folder_names=("lfw_crop128", "lfw"),
            source_url="https://ndownloader.figshare.com/files/5976018",
        ),
        DatasetSpec(
            name="procedural_objects",
            description="8,000 + 2,000 made-up images of 10 kinds of shapes, offline",
            num_classes=10,
            image_shape=(32, 32, 3),
            needs_download=False,
        ),
        DatasetSpec(
            name="procedural_faces",
            description="Made-up scenes with faces: face / no-face crops, offline",
            num_classes=2,
            image_shape=(88, 88, 3),
            needs_download=False,
            scene_splits=("train", "test"),
        ),
    )
}

_BUILDERS: dict[str, type[tfds.core.GeneratorBasedBuilder]] = {
    "procedural_objects": procedural_objects.ProceduralObjects,
    "procedural_faces": procedural_faces.ProceduralFaces,
}
_SPLITS = ("train", "validation", "test")
# Balanced crops that a scene of `procedural_faces` gives (measured: 7 on average); says
# how many scenes must be generated for a limited number of crops.
_LEAST_CROPS_A_SCENE = 5


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
        limit: keep only the first `limit` train examples (validation's share of them
            included) and the first `limit / 5` test examples; for quick runs, which
            generate no more of a `procedural_*` set than they need.
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
    examples = limit
    if chosen.scene_splits and limit is not None:
        examples = -(-limit // _LEAST_CROPS_A_SCENE)
    folder = _prepared_folder(chosen, data_dir, examples, download)
    builder = tfds_source.open_prepared(folder)
    if chosen.scene_splits:
        return _load_face_crops(chosen, builder, seed, validation_fraction, limit)
    read = _read_identities if name == "lfw" else _read_labeled
    parts, class_names = read(chosen, builder, limit)
    train_indices, validation_indices = splits.split_validation(
        len(parts["train"]), validation_fraction, seed
    )
    return splits.Dataset(
        name=name,
        class_names=class_names,
        train=parts["train"].take(train_indices),
        validation=parts["train"].take(validation_indices),
        test=parts["test"],
        train_indices=train_indices,
        validation_indices=validation_indices,
        description=chosen.description,
    )


def load_scenes(
    name: str,
    split: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    limit: int | None = None,
    download: bool = True,
) -> scenes.Scenes:
    """Opens the box-annotated scenes of a data set, to be read one at a time.

    Train and validation are told apart by scene, with the same draw as `load` makes.

    Args:
        name: a key of `DATASETS` whose `scene_splits` is set.
        split: train, validation or test.
        data_dir, seed, validation_fraction, download: as for `load`.
        limit: keep only the first `limit` scenes of the split.

    Raises:
        UsageError: unknown name or split, or a data set without scenes.
        DataError: the data set is not there or cannot be read.
        StorageError: a `procedural_*` set cannot be written.
    """
    chosen = spec(name)
    if chosen.scene_splits is None:
        with_scenes = [key for key, value in DATASETS.items() if value.scene_splits]
        raise errors.UsageError(
            f"data set '{name}' has no scenes. Choose one of: {', '.join(with_scenes)}"
        )
    if split not in _SPLITS:
        raise errors.UsageError(
            f"unknown split '{split}'. Choose one of: {', '.join(_SPLITS)}"
        )
    folder = _prepared_folder(chosen, data_dir, None, download)
    builder = tfds_source.open_prepared(folder)
    found = _scene_parts(chosen, builder, seed, validation_fraction)[split]
    return dataclasses.replace(found, positions=found.positions[:limit])


def _scene_parts(
    chosen: DatasetSpec,
    builder: tfds.core.DatasetBuilder,
    seed: int,
    validation_fraction: float,
) -> dict[str, scenes.Scenes]:
    train_source, test_source = chosen.scene_splits or ("", "")
    train, validation = splits.split_validation(
        tfds_source.num_examples(builder, train_source), validation_fraction, seed
    )
    test = np.arange(tfds_source.num_examples(builder, test_source))
    return {
        "train": scenes.Scenes(builder, train_source, train),
        "validation": scenes.Scenes(builder, train_source, validation),
        "test": scenes.Scenes(builder, test_source, test),
    }


def _load_face_crops(
    chosen: DatasetSpec,
    builder: tfds.core.DatasetBuilder,
    seed: int,
    validation_fraction: float,
    limit: int | None,
) -> splits.Dataset:
    """Face / no-face crops; all crops of a scene are in one split.

    The `*_indices` of the result are the scenes' positions in the source, one a crop.
    The windows do not depend on `seed`, so the test split is always the same.
    """
    parts = _scene_parts(chosen, builder, seed, validation_fraction)
    crops = {}
    for split, part in parts.items():
        parameters = face_crops.CropParameters()
        if limit is not None:
            shares = {
                "train": 1.0 - validation_fraction,
                "validation": validation_fraction,
                "test": 0.2,
            }
            # Both classes alike, so half of the share each.
            most = max(1, round(shares[split] * limit / 2))
            parameters = dataclasses.replace(parameters, max_per_class=most)
        crops[split] = face_crops.crop_scenes(part, parameters)
    train, validation, test = (
        splits.Split(crops[split].images, crops[split].labels) for split in _SPLITS
    )
    windows = "; ".join(
        f"{split}: " + ", ".join(f"{n} {kind}" for kind, n in found.histogram.items())
        for split, found in crops.items()
    )
    return splits.Dataset(
        name=chosen.name,
        class_names=face_crops.CLASS_NAMES,
        train=train,
        validation=validation,
        test=test,
        train_indices=parts["train"].positions[crops["train"].scene_numbers],
        validation_indices=parts["validation"].positions[
            crops["validation"].scene_numbers
        ],
        description=f"{chosen.description} (windows found: {windows})",
    )


def _read_labeled(
    chosen: DatasetSpec, builder: tfds.core.DatasetBuilder, limit: int | None
) -> tuple[dict[str, splits.Split], tuple[str, ...]]:
    """Train and test of a set whose records hold an image and a class."""
    parts = {}
    for split, most in (("train", limit), ("test", limit and limit // 5)):
        positions = None
        if most is not None:
            positions = np.arange(min(most, tfds_source.num_examples(builder, split)))
        images, labels = tfds_source.read_images(
            builder, split, chosen.image_shape, positions
        )
        parts[split] = splits.Split(images, labels.astype(np.int32))
    return parts, tfds_source.class_names(builder)


def _read_identities(
    chosen: DatasetSpec, builder: tfds.core.DatasetBuilder, limit: int | None
) -> tuple[dict[str, splits.Split], tuple[str, ...]]:
    """Train and test of LFW; see `identities`."""
    del chosen
    selection = identities.select(tfds_source.read_labels(builder, "train"))
    parts = {
        split: splits.Split(
            *identities.read(builder, positions[:most], selection.class_names)
        )
        for split, positions, most in (
            ("train", selection.train, limit),
            ("test", selection.test, limit and limit // 5),
        )
    }
    return parts, selection.class_names


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
    """The smallest of the builder's configs that holds `limit` train examples.

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
