"""Sounds in class folders: `.wav` files of one sample rate."""

import io
import warnings
from collections.abc import Iterator, Sequence
from concurrent import futures

import numpy as np
from scipy.io import wavfile

from tfpipeline import errors
from tfpipeline.data import forms, specs, splits
from tfpipeline.data import request as requests
from tfpipeline.data.own import class_folders, examples, front_ends
from tfpipeline.untrusted import content, damage

# Ten minutes of 8 channels of 48 kHz in 32 bits.
_MAX_BYTES = 1 << 30
_CHUNK = 256
_THREADS = 4


def read(spec: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Reads sounds by class, as waves in [-1, 1) or what a front end makes of them.

    Raises:
        DataError: a file is damaged, or rates or lengths differ; names the file.
        StorageError: a file or a folder cannot be read.
    """
    files, names = class_folders.find(spec.where, forms.WAVE_SUFFIXES)
    paths = [path for part in files.values() for path in part.paths]
    rate, first = wave(paths[0])
    seconds = asked.reading.clip_seconds
    length = len(first) if seconds is None else round(seconds * rate)
    front_end = front_ends.named(asked.reading.front_end, rate)

    def of(part: class_folders.Files) -> examples.Examples:
        def chunks(positions: np.ndarray) -> Iterator[np.ndarray]:
            chosen = [part.paths[i] for i in positions]
            for waves in _waves(chosen, rate, length, seconds is None, paths[0]):
                yield front_end.features(waves)

        return examples.Examples(
            part.classes,
            front_end.features(np.zeros((1, length), np.float32)).shape[1:],
            np.dtype(np.float32),
            chunks,
            where=part.paths.__getitem__,
            key=f"{part.key} {length} {front_end}",
        )

    parts = {name: of(part) for name, part in files.items()}
    return examples.dataset(spec, asked, parts, names)


def wave(path: str) -> tuple[int, np.ndarray]:
    """Sample rate, Hz, and the wave of a file, float32 [samples] in [-1, 1].

    Integers of n bits are divided by 2^(n - 1); channels are averaged.

    Raises:
        DataError: it is no `.wav`, damaged, or empty.
        StorageError: it cannot be read.
    """
    data = content.read(path, _MAX_BYTES)
    try:
        with warnings.catch_warnings():
            # Of chunks besides the wave, which do no harm.
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate, samples = wavfile.read(io.BytesIO(data))
    # A damaged file makes scipy raise struct.error, ValueError and others.
    except Exception as error:
        raise errors.DataError(
            f"{path} is no .wav file, or damaged: {damage.reason(error)}. Replace or "
            "remove it"
        ) from error
    if not len(samples):
        raise errors.DataError(f"{path} holds no sample. Replace or remove it")
    return int(rate), _mono(_real(samples))


def _real(samples: np.ndarray) -> np.ndarray:
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype.kind == "i":
        # 24 bits come in the upper ones of 32.
        return (samples / 2.0 ** (8 * samples.dtype.itemsize - 1)).astype(np.float32)
    return samples.astype(np.float32)


def _mono(samples: np.ndarray) -> np.ndarray:
    if samples.ndim == 1:
        return samples
    return samples.mean(axis=1, dtype=np.float64).astype(np.float32)


def _waves(
    paths: Sequence[str], rate: int, length: int, is_exact: bool, first: str
) -> Iterator[np.ndarray]:
    """float32 [m, length] of files, in order."""

    def one(path: str) -> np.ndarray:
        found, samples = wave(path)
        if found != rate:
            raise errors.DataError(
                f"{path} has {found} Hz, {first} has {rate}: bring all to one rate"
            )
        if is_exact and len(samples) != length:
            raise errors.DataError(
                f"{path} has {len(samples)} samples, {first} has {length}: give "
                "--clip_seconds=S, to which they are cut or padded"
            )
        clipped = samples[:length]
        return np.pad(clipped, (0, length - len(clipped)))

    with futures.ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(paths), _CHUNK):
            yield np.stack(list(pool.map(one, paths[start : start + _CHUNK])))
