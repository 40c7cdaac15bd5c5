"""Sounds in class folders: `.wav` files, as waves or as features of them."""

from collections.abc import Iterator, Sequence
from concurrent import futures

import numpy as np

from tfpipeline import errors
from tfpipeline.data import forms, specs, splits
from tfpipeline.data import request as requests
from tfpipeline.data.own import class_folders, examples, front_ends

_CHUNK = 256
_THREADS = 4


def read(spec: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Reads sounds by class; see front_ends for what networks take of them.

    Raises:
        DataError: rates or lengths differ where they must not; names the file.
        StorageError: a file or a folder cannot be read, or is damaged.
        UsageError: there is no such front end.
    """
    reading = asked.reading
    if reading.front_end not in front_ends.MAKERS:
        raise errors.UsageError(
            f"--front_end must be one of {', '.join(front_ends.MAKERS)}; found "
            f"{errors.brief(reading.front_end)}"
        )
    files, names = class_folders.find(spec.where, forms.WAVE_SUFFIXES)
    first = next(path for part in files.values() for path in part.paths)
    with front_ends.strict():
        make = front_ends.MAKERS[reading.front_end]
        read_as = make(first, reading.clip_seconds)
    parts = {name: _examples(part, read_as) for name, part in files.items()}
    return examples.dataset(spec, asked, parts, names)


def _examples(
    files: class_folders.Files, read_as: front_ends.Reading
) -> examples.Examples:
    return examples.Examples(
        files.classes,
        read_as.shape,
        np.dtype(np.float32),
        lambda positions: _inputs([files.paths[i] for i in positions], read_as),
        where=files.paths.__getitem__,
        key=f"{files.key} {read_as.key}",
    )


def _inputs(paths: Sequence[str], read_as: front_ends.Reading) -> Iterator[np.ndarray]:
    with futures.ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(paths), _CHUNK):
            with front_ends.strict():
                clips = list(pool.map(read_as.clip, paths[start : start + _CHUNK]))
            yield read_as.inputs(np.stack(clips))
