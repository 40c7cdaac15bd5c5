"""Clips of sound in `.wav` files.

Own, because a file that is cut short must be an error that names it: SciPy's reader
gives a warning and what is there, and Python's knows no real numbers.
"""

import dataclasses
import math
import os
import struct

import numpy as np
import numpy.typing as npt
from scipy import signal

from tfpipeline import errors
from tfpipeline.audio import float_features, front_end
from tfpipeline.untrusted import content, damage

Samples = npt.NDArray[np.int16]
Reals = npt.NDArray[np.float64]

SUFFIX = ".wav"
# Ten minutes of 48 kHz in stereo, and no memory that a file may choose.
MAX_BYTES = 1 << 27
_RATES = (1_000, 384_000)
_MAX_CHANNELS = 64

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# Coding and bits a sample -> how they are stored, and what is full scale.
_CODINGS = {
    (_PCM, 8): ("u1", 2.0**7),
    (_PCM, 16): ("<i2", 2.0**15),
    (_PCM, 24): ("u1", 2.0**23),
    (_PCM, 32): ("<i4", 2.0**31),
    (_FLOAT, 32): ("<f4", 1.0),
    (_FLOAT, 64): ("<f8", 1.0),
}
_OTHER_CODINGS = {2: "ADPCM", 6: "A-law", 7: "mu-law", 0x11: "ADPCM", 0x55: "MP3"}
# What a program writes that does not know the length yet.
_OPEN_LENGTHS = (0, 0xFFFFFFFF)


@dataclasses.dataclass(frozen=True)
class _Format:
    coding: int
    channels: int
    rate: int
    bits: int


def read(path: str | os.PathLike[str], given: front_end.FrontEnd) -> Samples:
    """The clip of a file, at the front end's rate.

    Channels are averaged, other rates resampled by a polyphase filter
    (`scipy.signal.resample_poly`). What is too long is cut off at its end, what is too
    short gets zeros there. A file of 16 bits, one channel and the front end's rate is
    given back as it is.

    Args:
        path: of a file of 8, 16, 24 or 32 bits PCM, or 32 or 64 bits floating point.
        given: rate and length of the clip.

    Returns:
        `[clip_samples]`.

    Raises:
        StorageError: the file cannot be read, or is larger than `MAX_BYTES`.
        DamagedFileError: it is no such file, is cut short, or has no samples, or some
            that are not finite.
    """
    return parse(content.read(path, MAX_BYTES), os.fspath(path), given)


def read_wave(path: str | os.PathLike[str]) -> tuple[int, Reals]:
    """The whole wave of a file, as it is.

    Returns:
        Samples a second, and `[samples]`, full scale 1, channels averaged.

    Raises:
        StorageError, DamagedFileError: as `read`.
    """
    what = os.fspath(path)
    form, values = _samples(content.read(path, MAX_BYTES), what)
    return form.rate, _mono(values, what)


def parse(data: bytes, what: str, given: front_end.FrontEnd) -> Samples:
    """As `read`, of a file's bytes; `what` names it in an error."""
    form, values = _samples(data, what)
    needed = _needed_samples(form.rate, given)
    wave = _mono(values[:needed], what)
    return _clip(_resampled(wave, form.rate, given.sample_rate), given.clip_samples)


def _samples(data: bytes, what: str) -> tuple[_Format, Reals]:
    """Format, and `[samples, channels]`."""
    with damage.reported(what, "a .wav file of PCM or floating point samples"):
        form, raw = _chunks(data)
        return form, _decoded(form, raw).reshape(-1, form.channels)


def _mono(values: Reals, what: str) -> Reals:
    if not np.isfinite(values).all():
        raise errors.DamagedFileError(f"{what} has samples that are not finite")
    result: Reals = values.mean(axis=1)
    return result


def _chunks(data: bytes) -> tuple[_Format, bytes]:
    """Format and samples of a RIFF file; other chunks are left out."""
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("it does not begin as RIFF and WAVE")
    at, form = 12, None
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"fmt ":
            form = _format(data[at : at + length])
        if name == b"data":
            if form is None:
                raise ValueError("its samples come before their format")
            if length in _OPEN_LENGTHS and at < len(data):
                length = (len(data) - at) // _frame_bytes(form) * _frame_bytes(form)
            if at + length > len(data):
                raise ValueError(
                    f"it is cut short: {len(data) - at:,} of {length:,} bytes of "
                    "samples are there"
                )
            return form, data[at : at + length]
        # Chunks begin at even places.
        at += length + length % 2
    raise ValueError("it has no samples")


def _format(chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise ValueError("its format has fewer than 16 bytes")
    coding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if coding == _EXTENSIBLE and len(chunk) >= 26:
        # The first bytes of a GUID whose rest is fixed.
        (coding,) = struct.unpack_from("<H", chunk, 24)
    if (coding, bits) not in _CODINGS:
        coded = _OTHER_CODINGS.get(coding, f"coding {coding}")
        told = {_PCM: "PCM", _FLOAT: "floating point"}.get(coding, coded)
        raise ValueError(f"it has samples of {bits} bits {told}; convert it first")
    if not 1 <= channels <= _MAX_CHANNELS:
        raise ValueError(f"it has {channels:,} channels")
    if not _RATES[0] <= rate <= _RATES[1]:
        raise ValueError(f"it has {rate:,} samples a second")
    return _Format(coding, channels, rate, bits)


def _frame_bytes(form: _Format) -> int:
    """Of a sample of each channel."""
    return form.channels * form.bits // 8


def _decoded(form: _Format, raw: bytes) -> Reals:
    """All channels' samples in turn, full scale 1."""
    if not raw:
        raise ValueError("it has no samples")
    if len(raw) % _frame_bytes(form):
        raise ValueError("its last sample is cut short")
    dtype, full_scale = _CODINGS[form.coding, form.bits]
    values = np.frombuffer(raw, dtype)
    if (form.coding, form.bits) == (_PCM, 8):
        return (values.astype(np.float64) - full_scale) / full_scale
    if (form.coding, form.bits) == (_PCM, 24):
        # The high three bytes of 32 bits.
        wide = np.zeros((len(values) // 3, 4), np.uint8)
        wide[:, 1:] = values.reshape(-1, 3)
        return wide.view("<i4").ravel() / (256 * full_scale)
    return values.astype(np.float64) / full_scale


def _needed_samples(rate: int, given: front_end.FrontEnd) -> int:
    """Of the file's, for the clip and what the filter of `resample_poly` reaches."""
    up, down = _steps(rate, given.sample_rate)
    reach = 10 * max(up, down)
    return (given.clip_samples * down + reach) // up + 2


def _steps(source: int, target: int) -> tuple[int, int]:
    common = math.gcd(source, target)
    return target // common, source // common


def _resampled(wave: Reals, source: int, target: int) -> Reals:
    if source == target:
        return wave
    result: Reals = signal.resample_poly(wave, *_steps(source, target))
    return result


def _clip(wave: Reals, length: int) -> Samples:
    """The nearest int16, cut off or filled with zeros at its end."""
    integers = np.rint(wave[:length] * float_features.FULL_SCALE)
    limits = np.iinfo(np.int16)
    samples = np.zeros(length, np.int16)
    samples[: len(integers)] = np.clip(integers, limits.min, limits.max)
    return samples
