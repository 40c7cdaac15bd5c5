"""Sounds in class folders: `.wav` files, as waves or as features of a front end."""

from collections.abc import Callable, Iterator
from concurrent import futures

import numpy as np

from tfpipeline import errors
from tfpipeline.audio import front_end as front_ends
from tfpipeline.audio import integer_features, wav_files
from tfpipeline.configs import sound as sound_configs
from tfpipeline.data import forms, specs, splits
from tfpipeline.data import request as requests
from tfpipeline.data.own import class_folders, examples

_CHUNK = 256
_THREADS = 4


def read(spec: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Reads sounds by class, as waves in [-1, 1) or what a front end makes of them.

    Features are the integers that the exported C computes, so that a network is
    trained and measured on what it gets on the device.

    Raises:
        DataError: a file is damaged, or without a front end rates or lengths differ;
            names the file.
        StorageError: a file or a folder cannot be read.
    """
    files, names = class_folders.find(spec.where, forms.WAVE_SUFFIXES)
    sound = asked.reading.sound
    given = sound.value
    if given is None:
        paths = [path for part in files.values() for path in part.paths]
        one, shape, key = _waves(paths[0], sound.clip_seconds)
    else:
        one, shape, key = _features(given), given.output_shape, given.name
    parts = {name: _examples(part, one, shape, key) for name, part in files.items()}
    return examples.dataset(spec, asked, parts, names)


def unlabeled(
    path: str, sound: sound_configs.Sound, shape: tuple[int, ...]
) -> np.ndarray:
    """The input in a `.wav` file, float32 [1, ...], as `read` makes it.

    Args:
        path: of the file.
        sound: the front end, or none.
        shape: of an input, to whose first length a wave is cut or padded.

    Raises:
        DataError: the file is damaged.
        StorageError: it cannot be read.
    """
    given = sound.value
    if given is not None:
        return _features(given)(path)[np.newaxis]
    _, samples = wave(path)
    clipped = samples[: shape[0]]
    padded = np.pad(clipped, (0, shape[0] - len(clipped)))
    return padded.reshape(1, -1, 1)


# A file to its input, float32.
_One = Callable[[str], np.ndarray]


def _examples(
    part: class_folders.Files, one: _One, shape: tuple[int, ...], key: str
) -> examples.Examples:
    def chunks(positions: np.ndarray) -> Iterator[np.ndarray]:
        chosen = [part.paths[i] for i in positions]
        with futures.ThreadPoolExecutor(_THREADS) as pool:
            for start in range(0, len(chosen), _CHUNK):
                yield np.stack(list(pool.map(one, chosen[start : start + _CHUNK])))

    return examples.Examples(
        part.classes,
        shape,
        np.dtype(np.float32),
        chunks,
        where=part.paths.__getitem__,
        key=f"{part.key} {key}",
    )


def _features(given: front_ends.FrontEnd) -> _One:
    def one(path: str) -> np.ndarray:
        try:
            clip = wav_files.read(path, given)
        except errors.DamagedFileError as error:
            raise _unreadable(error) from error
        return integer_features.reals(integer_features.features(given, clip))

    return one


def _waves(first: str, seconds: float | None) -> tuple[_One, tuple[int, ...], str]:
    """Of files that are like the first, or cut and padded to a length."""
    rate, samples = wave(first)
    length = len(samples) if seconds is None else round(seconds * rate)

    def one(path: str) -> np.ndarray:
        found, samples = wave(path)
        if found != rate:
            raise errors.DataError(
                f"{path} has {found} Hz, {first} has {rate}: bring all to one rate, or "
                "take a --front_end, which does"
            )
        if seconds is None and len(samples) != length:
            raise errors.DataError(
                f"{path} has {len(samples)} samples, {first} has {length}: give "
                "--clip_seconds=S, to which they are cut or padded"
            )
        clipped = samples[:length]
        # A channel, as one-dimensional convolutions take it.
        return np.pad(clipped, (0, length - len(clipped)))[:, np.newaxis]

    return one, (length, 1), f"{length} {rate}"


def wave(path: str) -> tuple[int, np.ndarray]:
    """Sample rate, Hz, and the wave of a file, float32 [samples] in [-1, 1].

    Integers of n bits are divided by 2^(n - 1); channels are averaged.

    Raises:
        DataError: it is no `.wav`, damaged, or empty.
        StorageError: it cannot be read.
    """
    try:
        rate, samples = wav_files.read_wave(path)
    except errors.DamagedFileError as error:
        raise _unreadable(error) from error
    return rate, samples.astype(np.float32)


def _unreadable(error: errors.DamagedFileError) -> errors.DataError:
    return errors.DataError(f"{error}. Replace or remove it")
