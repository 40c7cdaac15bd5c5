"""Data sets of TensorFlow Datasets: `tfds:NAME[/CONFIG][:VERSION]`."""

import importlib
import importlib.util
import os
import pathlib
import sys
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from tfpipeline import errors
from tfpipeline.data import (
    forms,
    prepared_folders,
    specs,
    splits,
    tfds_download,
    tfds_source,
)
from tfpipeline.data import request as requests
from tfpipeline.data.own import array_files, examples, pictures, streams
from tfpipeline.untrusted import code, damage


def read(spec: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Reads the supervised form, (input, target), of a prepared data set.

    A name with dots, or one that TFDS does not know, is the module of a builder of
    one's own, which is imported and prepares its data. Pictures are resized where
    --image_size says so.

    Raises:
        DataError: it is not there and cannot be downloaded; or has no such form.
        UsageError: there is no such builder.
    """
    name, config, version = forms.split_tfds(spec.where)
    builder = _builder(name, config, version, asked)
    keys = builder.info.supervised_keys
    if keys is None or len(keys) != 2 or not all(isinstance(k, str) for k in keys):
        features = errors.listed(list(builder.info.features))
        raise errors.DataError(
            f"{spec.where} has no (input, target): its builder names no "
            f"supervised_keys of {features}"
        )
    given: dict[str, np.ndarray | streams.Streamed] = {}
    for split in builder.info.splits:
        part = examples.PART_NAMES.get(split.lower())
        if part is not None:
            x, y = _arrays(builder, split, (keys[0], keys[1]), asked, spec.where)
            given[f"x_{part}"], given[f"y_{part}"] = x, y
    label = builder.info.features[keys[1]]
    if isinstance(label, tfds.features.ClassLabel) and label.num_classes:
        given[array_files.CLASS_NAMES] = np.array(label.names)
    return array_files.from_arrays(spec, asked, given, spec.where)


def _builder(
    name: str, config: str | None, version: str | None, asked: requests.Request
) -> tfds.core.DatasetBuilder:
    root = pathlib.Path(asked.data_dir or prepared_folders.default_root()).expanduser()
    if "." in name:
        return _own(name, config, root)
    try:
        text = "".join(
            (name, f"/{config}" if config else "", f":{version}" if version else "")
        )
        builder = tfds.builder(text, data_dir=os.fspath(root), try_gcs=False)
    # TFDS raises errors of many classes for names, configs and versions.
    except Exception as error:
        if importlib.util.find_spec(name) is not None:
            return _own(name, config, root)
        raise errors.UsageError(
            f"TFDS has no '{name}' in {root}: {damage.reason(error)}"
        ) from error
    if not builder.is_prepared():
        if asked.data_dir is not None or not asked.download:
            raise errors.DataError(
                f"data set '{name}' is not prepared in {root}: prepare it with TFDS, "
                "or leave --data_dir out to download it"
            )
        source = builder.info.homepage or "https://storage.googleapis.com/"
        tfds_download.prepare(name, root, source)
        builder = tfds.builder(text, data_dir=os.fspath(root), try_gcs=False)
    return builder


def _own(name: str, config: str | None, root: pathlib.Path) -> tfds.core.DatasetBuilder:
    """The builder in a module that the command line names, its data prepared."""
    try:
        with code.contained():
            module = importlib.import_module(name)
    except Exception as error:
        raise errors.UsageError(
            f"cannot import {name}: {type(error).__name__}: {damage.reason(error)}"
        ) from error
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, tfds.core.DatasetBuilder)
        and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise errors.UsageError(
            f"{name} must define one builder of TFDS; found {len(classes)}"
        )
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        builder = classes[0](data_dir=os.fspath(root), config=config)
        tfds_source.require_free(root / builder.name)
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False)
        )
    except errors.PipelineError:
        raise
    # The builder is anybody's.
    except Exception as error:
        raise errors.DataError(
            f"the builder {name} failed: {type(error).__name__}: {damage.reason(error)}"
        ) from error
    return builder


def _arrays(
    builder: tfds.core.DatasetBuilder,
    split: str,
    keys: tuple[str, str],
    asked: requests.Request,
    what: str,
) -> tuple[np.ndarray | streams.Streamed, np.ndarray]:
    """Inputs of a part, in memory or not, and its targets."""
    size = asked.reading.height_and_width
    is_picture = isinstance(builder.info.features[keys[0]], tfds.features.Image)
    first = _first(builder, split, asked.limit)

    # In the order of the records, whatever the number of files.
    def chunks(positions: np.ndarray | None) -> Iterator[streams.Chunk]:
        places = first if positions is None else positions
        shape: tuple[int, ...] | None = None
        for number, example in enumerate(
            tfds_source.read_examples(builder, split, places)
        ):
            value = np.asarray(example[keys[0]])
            if is_picture:
                value = _picture(value, size, asked.reading.grayscale)
            shape = value.shape if shape is None else shape
            if value.shape != shape:
                raise errors.DataError(
                    f"example {number} of '{split}' in {what} has the shape "
                    f"{list(value.shape)}, the first {list(shape)}"
                    + ("; give --image_size=H,W" if is_picture else "")
                )
            yield value[np.newaxis], np.asarray(example[keys[1]])[np.newaxis]

    inputs, targets = streams.read(chunks, asked.memory_bytes, what)
    return inputs, _texts(targets)


def _first(
    builder: tfds.core.DatasetBuilder, split: str, limit: int | None
) -> np.ndarray | None:
    """The first examples of a part, or all; TFDS shuffles records as it writes them."""
    if limit is None:
        return None
    most = limit if examples.PART_NAMES[split.lower()] == examples.TRAIN else limit // 5
    return np.arange(min(most, tfds_source.num_examples(builder, split)))


def _texts(values: np.ndarray) -> np.ndarray:
    return values.astype(str) if values.dtype.kind == "S" else values


def _picture(
    pixels: np.ndarray, size: pictures.Size | None, grayscale: bool
) -> np.ndarray:
    """uint8 [H, W, channels], resized and made gray where that is asked for."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    is_gray = pixels.shape[-1] == 1
    picture = Image.fromarray(pixels[..., 0] if is_gray else pixels)
    picture = picture.convert("L" if is_gray or grayscale else "RGB")
    return pictures.fitted(picture, size or picture.size[::-1])
