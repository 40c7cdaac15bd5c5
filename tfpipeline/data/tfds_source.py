"""Prepared TFDS folders: where they are, whether they are whole, what they hold."""

import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfpipeline import errors
from tfpipeline.compat import tf

_INFO_FILE = "dataset_info.json"
# Images decoded per step; large enough that Python's share of the time vanishes.
_BATCH_SIZE = 1000


def default_root() -> pathlib.Path:
    """The folder TFDS itself would use: $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    configured = os.environ.get("TFDS_DATA_DIR")
    return pathlib.Path(configured or "~/tensorflow_datasets").expanduser()


def find_prepared(
    folder_names: tuple[str, ...], root: str | os.PathLike[str]
) -> pathlib.Path | None:
    """Finds the version folder of a prepared data set.

    Args:
        folder_names: names that the builder's folder may have, best first.
        root: the TFDS root (`root/name/version`), the folder of the builder
            (`root/version`) or a version folder itself.

    Returns:
        The folder that holds `dataset_info.json` (of the highest version), or None.

    Raises:
        DataError: `root` is itself a prepared data set, but another one.
    """
    root = pathlib.Path(root).expanduser()
    if (root / _INFO_FILE).is_file():
        return _checked_name(root, folder_names)
    for folder in (*(root / name for name in folder_names), root):
        versions = sorted(folder.glob(f"*/{_INFO_FILE}"), key=_version_key)
        if versions:
            return _checked_name(versions[-1].parent, folder_names)
    return None


def _version_key(info_file: pathlib.Path) -> tuple[int, ...]:
    parts = info_file.parent.name.split(".")
    return tuple(int(part) if part.isdigit() else -1 for part in parts)


def _checked_name(folder: pathlib.Path, names: tuple[str, ...]) -> pathlib.Path:
    found = open_prepared(folder).info.name
    if found not in names:
        raise errors.DataError(
            f"{folder} holds the data set '{found}', not '{names[0]}'. "
            "Give --data_dir the folder above the data set's own."
        )
    return folder


def open_prepared(folder: pathlib.Path) -> tfds.core.DatasetBuilder:
    """Opens a version folder without its builder class and without the network.

    Raises:
        DataError: the folder's description cannot be read, or a shard is absent.
    """
    try:
        builder = tfds.builder_from_directory(folder)
    except (OSError, ValueError, KeyError) as error:
        raise errors.DataError(
            f"{folder} is not a readable TFDS folder: {_first_line(error)}"
        ) from error
    for split in builder.info.splits.values():
        for path in split.filepaths:
            if not os.path.isfile(path):
                raise errors.DataError(
                    f"{path} is absent though {folder / _INFO_FILE} names it. "
                    "Prepare the data set again, or copy the whole folder."
                )
    return builder


def class_names(builder: tfds.core.DatasetBuilder) -> tuple[str, ...]:
    """Names of the classes of the feature `label`, by index."""
    return tuple(builder.info.features["label"].names)


def read_images(
    builder: tfds.core.DatasetBuilder,
    split: str,
    image_shape: tuple[int, int, int],
    limit: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Reads `image` and `label` of a split into memory, in the files' order.

    Args:
        builder: an opened data set whose images all have one shape.
        split: name of a split, without slicing.
        image_shape: the (H, W, C) that every image must have.
        limit: how many examples from the start; all when None.

    Returns:
        images uint8 [N, H, W, C] and labels: int64 [N], or object [N] of bytes where
        the feature is a text.

    Raises:
        DataError: a record is unreadable, or an image has another shape.
    """
    num_examples = builder.info.splits[split].num_examples
    if limit is not None:
        num_examples = min(num_examples, limit)
    images = np.empty((num_examples, *image_shape), np.uint8)
    labels: list[np.ndarray] = []
    position = 0
    batches = (
        raw_examples(builder, split, num_examples)
        .map(
            lambda example: (
                *_decode_checked(example["image"], image_shape),
                example["label"],
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .batch(_BATCH_SIZE)
    )
    for batch, shapes, batch_labels in reading(builder, split, batches):
        wrong = np.flatnonzero((shapes != image_shape).any(axis=1))
        if wrong.size:
            raise errors.DataError(
                f"image {position + wrong[0]} of split '{split}' in "
                f"{builder.data_path}: expected shape {image_shape}, "
                f"found {tuple(int(size) for size in shapes[wrong[0]])}"
            )
        images[position : position + len(batch)] = batch
        labels.append(batch_labels)
        position += len(batch)
    return images, np.concatenate(labels) if labels else np.empty(0, np.int64)


def raw_examples(
    builder: tfds.core.DatasetBuilder, split: str, limit: int | None = None
) -> tf.data.Dataset:
    """The split's examples with `image` still encoded (a string), in the files' order.

    One file after the other (interleave_cycle_length=1): that is the order of the
    official ids, whatever the number of shards.
    """
    dataset = builder.as_dataset(
        split=split if limit is None else f"{split}[:{limit}]",
        shuffle_files=False,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(
            interleave_cycle_length=1, skip_prefetch=True, try_autocache=False
        ),
    )
    return dataset


def reading(
    builder: tfds.core.DatasetBuilder, split: str, dataset: tf.data.Dataset
) -> Iterator[Any]:
    """Iterates over `dataset` as NumPy values; a broken file becomes a DataError.

    Args:
        builder: the opened data set that `dataset` reads.
        split: its split, to name the broken file.
        dataset: derived from `raw_examples`.

    Raises:
        DataError: names the first file that cannot be read.
    """
    try:
        yield from dataset.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
    except tf.errors.OpError as error:
        cause = f"cannot be read: {_first_line(error)}"
        for path in builder.info.splits[split].filepaths:
            damage = _damage(path)
            if damage:
                cause = f"{path} is damaged: {damage}"
                break
        else:
            cause = f"split '{split}' in {builder.data_path} {cause}"
        raise errors.DataError(
            f"{cause}. Copy or prepare the data set again."
        ) from error


def _damage(path: str) -> str:
    """What TensorFlow says of a record file's checksums; empty when they are right."""
    try:
        for _ in tf.data.TFRecordDataset(os.fspath(path)):
            pass
    except tf.errors.OpError as error:
        return _first_line(error)
    return ""


def _decode_checked(
    encoded: tf.Tensor, image_shape: tuple[int, int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes one image (zeros if its shape differs) and gives the found shape."""
    image = tf.io.decode_image(
        encoded, channels=image_shape[-1], expand_animations=False
    )
    found = tf.shape(image)
    image = tf.cond(
        tf.reduce_all(tf.equal(found, image_shape)),
        lambda: image,
        lambda: tf.zeros(image_shape, tf.uint8),
    )
    return tf.ensure_shape(image, image_shape), found


def _first_line(error: Exception) -> str:
    message = getattr(error, "message", None) or str(error)
    return str(message).strip().splitlines()[0] if str(message).strip() else repr(error)
