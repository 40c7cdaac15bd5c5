"""LFW for verification: all photographs in gray, and the pairs of its View 2."""

import os

import numpy as np
import tensorflow_datasets as tfds

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.data import (
    iteration,
    lfw_folder,
    lfw_pairs,
    people,
    specs,
    tfds_source,
)

SIDE = specs.LFW_SIDE
_FEATURES = ("image", "label", "filename")
# ITU-R BT.601 luma in thousandths, as in data/augmentation.
_LUMA = (299, 587, 114)


def gray(images: np.ndarray) -> np.ndarray:
    """Luma of RGB images: uint8 [..., 3] to [..., 1], rounded half up."""
    weights = np.array(_LUMA, np.uint32)
    total = (images.astype(np.uint32) * weights).sum(axis=-1, keepdims=True)
    return ((total + 500) // 1000).astype(np.uint8)


def read(
    data_dir: str | os.PathLike[str] | None,
    pairs: str | os.PathLike[str],
    *,
    keeps_colors: bool = False,
) -> people.People:
    """Reads the prepared 128x128 copy of LFW.

    Args:
        data_dir: TFDS root, folder of the data set or of its version; None for TFDS's
            own default.
        pairs: the file `pairs.txt`.
        keeps_colors: whether the photographs are kept in color as well, 570 MB.

    Raises:
        DataError: the data set or the pairs are not there or cannot be read, have no
            file names, or do not belong together.
    """
    questions = lfw_pairs.read(pairs)
    folder = lfw_folder.require(data_dir)
    builder = tfds_source.open_prepared(folder)
    absent = [name for name in _FEATURES if name not in builder.info.features]
    if absent:
        raise errors.DataError(f"{folder} has no feature {', '.join(absent)}")
    images, labels = tfds_source.read_images(builder, "train", (SIDE, SIDE, 3))
    files = file_names(builder)
    names, numbers = np.unique(labels, return_inverse=True)
    found = _positions(questions, files, pairs)
    result = people.People(
        name="lfw",
        # A part at a time: the products of all of them take gigabytes.
        images=np.concatenate([gray(part) for part in np.array_split(images, 64)]),
        labels=numbers.astype(np.int32),
        names=tuple(name.decode() for name in names),
        pairs=found,
        colors=images if keeps_colors else None,
    )
    people.folds_of_people(result.labels, found, len(result.names))
    return result


def file_names(builder: tfds.core.DatasetBuilder) -> dict[str, int]:
    """File name -> position, in the records' order."""
    record = {"filename": tf.io.FixedLenFeature([], tf.string)}
    paths = [os.fspath(path) for path in builder.info.splits["train"].filepaths]
    batches = (
        tf.data.TFRecordDataset(paths)
        .batch(1000)
        .map(lambda records: tf.io.parse_example(records, record)["filename"])
    )
    names = np.concatenate(list(iteration.untuned(batches).as_numpy_iterator()))
    return {name.decode(): position for position, name in enumerate(names)}


def _positions(
    questions: tuple[lfw_pairs.Question, ...],
    files: dict[str, int],
    path: str | os.PathLike[str],
) -> people.Pairs:
    wanted = {
        photograph.file_name
        for question in questions
        for photograph in (question.first, question.second)
    }
    absent = sorted(wanted - files.keys())
    if absent:
        raise errors.DataError(
            f"{path} names {len(absent)} photographs that the data set does not hold, "
            f"{absent[0]} first"
        )
    return people.Pairs(
        first=np.array([files[q.first.file_name] for q in questions]),
        second=np.array([files[q.second.file_name] for q in questions]),
        same=np.array([q.same for q in questions]),
        folds=np.array([q.fold for q in questions]),
    )
