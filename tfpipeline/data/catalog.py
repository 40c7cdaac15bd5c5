"""The data sets by name, and how each becomes train, validation and test."""

import dataclasses
import os
import pathlib
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfpipeline import errors
from tfpipeline.configs import images
from tfpipeline.data import (
    boxed_pictures,
    face_crops,
    identities,
    prepared_folders,
    procedural,
    procedural_faces,
    procedural_objects,
    scenes,
    specs,
    splits,
    tfds_download,
    tfds_source,
)
from tfpipeline.data import (
    request as requests,
)

_BUILDERS: dict[str, type[tfds.core.GeneratorBasedBuilder]] = {
    "procedural_objects": procedural_objects.ProceduralObjects,
    "procedural_faces": procedural_faces.ProceduralFaces,
}
_SPLITS = ("train", "validation", "test")
# Balanced crops that a scene of `procedural_faces` gives (measured: 7 on average); says
# how many scenes must be generated for a limited number of crops.
_LEAST_CROPS_A_SCENE = 5


def load(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    limit: int | None = None,
    download: bool = True,
    **others: Any,
) -> splits.Dataset:
    """Loads a data set, as `--dataset` names it.

    Args:
        name: a key of `specs.DATASETS`, or a text of one of `forms.FORMS`.
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
        **others: see request.Request.

    Raises:
        UsageError: unknown name, or a limit below 5.
        DataError: the data set is not there or cannot be read.
        StorageError: a `procedural_*` set cannot be written.
    """
    chosen = specs.find(name)
    if limit is not None and limit < 5:
        raise errors.UsageError(f"limit must be 5 or more. Received: {limit}")
    read: Callable[[specs.DatasetSpec, requests.Request], splits.Dataset]
    if others.get("reads_boxes") and chosen.scene_splits:
        chosen = dataclasses.replace(chosen, reader="catalog:read_boxes")
    read = pkgutil.resolve_name(f"{__package__}.{chosen.reader}")
    return read(
        chosen,
        requests.Request(
            data_dir=data_dir,
            seed=seed,
            validation_fraction=validation_fraction,
            limit=limit,
            download=download,
            **others,
        ),
    )


def load_flags(given: images.Images, seed: int, **others: Any) -> splits.Dataset:
    """As `load`, from the flags of a command.

    Args:
        given: the flags.
        seed: of the run.
        **others: see request.Request.
    """
    return load(
        given.dataset,
        data_dir=given.data_dir,
        seed=seed,
        validation_fraction=given.validation_fraction,
        limit=given.train_limit,
        reading=given.reading,
        memory_bytes=given.memory_bytes,
        cache_dir=given.cache_dir,
        **others,
    )


def read_labeled(chosen: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Reads a set whose records hold an image and a class."""
    builder = _opened(chosen, asked, asked.limit)
    return _divided(chosen, asked, *_labeled_parts(chosen, builder, asked.limit))


def read_identities(
    chosen: specs.DatasetSpec, asked: requests.Request
) -> splits.Dataset:
    """Reads LFW; see `identities`."""
    builder = _opened(chosen, asked, asked.limit)
    return _divided(chosen, asked, *_identity_parts(builder, asked.limit))


def read_face_crops(
    chosen: specs.DatasetSpec, asked: requests.Request
) -> splits.Dataset:
    """Reads face / no-face crops of a set of scenes."""
    scenes_needed = asked.limit
    if scenes_needed is not None:
        scenes_needed = -(-scenes_needed // _LEAST_CROPS_A_SCENE)
    builder = _opened(chosen, asked, scenes_needed)
    return _load_face_crops(
        chosen, builder, asked.seed, asked.validation_fraction, asked.limit
    )


def read_boxes(chosen: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Reads whole scenes with the boxes of their faces.

    The test split is the source's second one, as it has one for `train` and one for
    `test` scenes; the first is divided into train and validation.
    """
    builder = _opened(chosen, asked, asked.limit)
    parts = {
        part: scenes.boxed(builder, source)
        for part, source in zip(
            ("train", "test"), chosen.scene_splits or (), strict=True
        )
    }
    title = chosen.description.partition(":")[0]
    told = dataclasses.replace(chosen, description=f"{title}: scenes, boxes of faces")
    return boxed_pictures.dataset(told, asked, parts)


def _opened(
    chosen: specs.DatasetSpec, asked: requests.Request, examples: int | None
) -> tfds.core.DatasetBuilder:
    return tfds_source.open_prepared(
        _prepared_folder(chosen, asked.data_dir, examples, asked.download)
    )


def _divided(
    chosen: specs.DatasetSpec,
    asked: requests.Request,
    parts: dict[str, splits.Split],
    class_names: tuple[str, ...],
) -> splits.Dataset:
    """Validation told apart from train."""
    train_indices, validation_indices = splits.split_validation(
        len(parts["train"]), asked.validation_fraction, asked.seed
    )
    return splits.Dataset(
        name=chosen.name,
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
        name: a key of `specs.DATASETS` whose `scene_splits` is set.
        split: train, validation or test.
        data_dir, seed, validation_fraction, download: as for `load`.
        limit: keep only the first `limit` scenes of the split.

    Raises:
        UsageError: unknown name or split, or a data set without scenes.
        DataError: the data set is not there or cannot be read.
        StorageError: a `procedural_*` set cannot be written.
    """
    chosen = specs.named(name)
    if chosen.scene_splits is None:
        with_scenes = [
            key for key, value in specs.DATASETS.items() if value.scene_splits
        ]
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
    chosen: specs.DatasetSpec,
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
    chosen: specs.DatasetSpec,
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


def _labeled_parts(
    chosen: specs.DatasetSpec, builder: tfds.core.DatasetBuilder, limit: int | None
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


def _identity_parts(
    builder: tfds.core.DatasetBuilder, limit: int | None
) -> tuple[dict[str, splits.Split], tuple[str, ...]]:
    """Train and test of LFW; see `identities`."""
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
    chosen: specs.DatasetSpec,
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
    root = pathlib.Path(data_dir or prepared_folders.default_root()).expanduser()
    folder = prepared_folders.find(chosen.folder_names, root)
    if folder is None and download and not data_dir:
        folder = tfds_download.prepare(chosen.name, root, chosen.source_url)
    return folder or prepared_folders.require(chosen.name, chosen.folder_names, root)


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
