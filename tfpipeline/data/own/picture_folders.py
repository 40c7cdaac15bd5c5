"""Pictures in class folders."""

from collections.abc import Callable, Iterator

import numpy as np

from tfpipeline.data import forms, specs, splits
from tfpipeline.data import request as requests
from tfpipeline.data.own import class_folders, examples, pictures


def read(spec: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Reads pictures by class; see class_folders.find and pictures.of_bytes.

    Raises:
        DataError: a picture is damaged, sizes differ, a class is empty; names the file.
        StorageError: a file or a folder cannot be read.
    """
    reading = asked.reading
    files, names = class_folders.find(spec.where, forms.PICTURE_SUFFIXES)
    paths = [path for part in files.values() for path in part.paths]
    look = pictures.look(paths, reading.height_and_width, reading.grayscale)
    parts = {name: _examples(part, look) for name, part in files.items()}
    return examples.dataset(spec, asked, parts, names)


def _examples(files: class_folders.Files, look: pictures.Look) -> examples.Examples:
    return examples.Examples(
        files.classes,
        look.shape,
        np.dtype(np.uint8),
        reader_of(files.paths, look),
        where=files.paths.__getitem__,
        key=f"{files.key} {look}",
    )


def reader_of(
    paths: list[str], look: pictures.Look
) -> Callable[[np.ndarray], Iterator[np.ndarray]]:
    """What Examples.read is for these pictures."""
    return lambda positions: pictures.read([paths[i] for i in positions], look)
