"""What networks take of `.wav` files: the wave, or features of `tfpipeline.audio`.

A further front end is an entry of `MAKERS`.
"""

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from scipy.io import wavfile

from tfpipeline import errors
from tfpipeline.audio import float_features, front_end, wav_files
from tfpipeline.untrusted import content, damage

# Of mel bands; the default is 4 kHz, or what half of a lower sample rate allows.
_HIGH_HERTZ = front_end.FrontEnd.high_hertz


@dataclasses.dataclass(frozen=True)
class Reading:
    """How files become inputs.

    Attributes:
        clip: (path) -> the clip of a file, [samples].
        inputs: (clips [N, samples]) -> float32 [N, *shape].
        shape: of one input.
        key: differs for front ends that compute something else.
    """

    clip: Callable[[str], np.ndarray]
    inputs: Callable[[np.ndarray], np.ndarray]
    shape: tuple[int, ...]
    key: str


def raw(first: str, seconds: float | None) -> Reading:
    """The wave, float32 [samples, 1] in [-1, 1].

    Files have the rate of the first, and its length or that of --clip_seconds, to
    which they are cut or padded with zeros.
    """
    rate, wave = read_wave(first)
    length = len(wave) if seconds is None else max(1, round(seconds * rate))

    def clip(path: str) -> np.ndarray:
        found, samples = read_wave(path)
        if found != rate:
            raise errors.DataError(
                f"{path} has {found} Hz, {first} has {rate}: bring all to one rate"
            )
        if seconds is None and len(samples) != length:
            raise errors.DataError(
                f"{path} has {len(samples)} samples, {first} has {length}: give "
                "--clip_seconds=S, to which they are cut or padded"
            )
        return np.pad(samples[:length], (0, max(0, length - len(samples))))

    return Reading(
        clip, lambda clips: clips[..., np.newaxis], (length, 1), f"{rate} {length}"
    )


def spectral(kind: str) -> Callable[[str, float | None], Reading]:
    """The front end of that kind of `audio.front_end`, at the rate of the first file.

    Other rates are resampled; files are cut or padded to --clip_seconds, by default to
    the length of the first.
    """

    def make(first: str, seconds: float | None) -> Reading:
        rate, wave = read_wave(first)
        given = front_end.FrontEnd(
            kind=kind,
            sample_rate=rate,
            clip_seconds=len(wave) / rate if seconds is None else seconds,
            high_hertz=min(_HIGH_HERTZ, rate / 2),
        )
        return Reading(
            lambda path: wav_files.read(path, given),
            lambda clips: float_features.features(given, clips),
            given.output_shape,
            given.name,
        )

    return make


# --front_end -> (path of the first file, --clip_seconds) -> how files are read.
MAKERS: dict[str, Callable[[str, float | None], Reading]] = {
    "none": raw,
    **{kind: spectral(kind) for kind in front_end.KINDS},
}


def read_wave(path: str) -> tuple[int, np.ndarray]:
    """Sample rate, Hz, and the wave of a file, float32 [samples] in [-1, 1].

    Integers of n bits are divided by 2^(n - 1); channels are averaged. Within
    `strict`, which makes a file that is cut short an error.

    Raises:
        DataError: it is no `.wav`, damaged, or empty.
        StorageError: it cannot be read.
    """
    data = content.read(path, wav_files.MAX_BYTES)
    try:
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


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Within it a file that is cut short is an error; for all threads."""
    with warnings.catch_warnings():
        # Of chunks besides the wave, which do no harm.
        warnings.simplefilter("ignore", wavfile.WavFileWarning)
        warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)
        yield


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
