"""The constants of a front end in integers, and its number formats.

    samples     int16, full scale 2^15
    window      Q31; products with samples are rounded to 2^30 for full scale
    spectrum    int32: kissfft's transform, which divides by its length N
    magnitudes  uint32: 2^30 / N for 1
    mel         uint64: 2^44 / N for 1, by weights of 14 bits
    features    int32 in Q16: natural logarithms, or their cosine transform

The transform, root, bands and logarithm are those of TensorFlow Lite Micro's operators
SignalRfft (int32), SignalFilterBankSquareRoot, SignalFilterBank and
SignalFilterBankLog, bit for bit; tests ask its interpreter. The window is not that of
SignalWindow, which rounds to int16 and loses what is quiet; a cosine transform it does
not have. The logarithm goes on for what has more than 32 bits.
"""

import dataclasses
import functools
import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tfpipeline.audio import float_features, front_end, mel_bank
from tfpipeline.numerics import rounding

Int16s = npt.NDArray[np.int16]
Int32s = npt.NDArray[np.int32]
_Integer = TypeVar("_Integer", np.int16, np.int32)

WINDOW_BITS = 31
# What products of samples and window are divided by: full scale becomes 2^30, of which
# the pairs of the transform stay below 2^31.
WINDOW_SHIFT = 16
SCALED_BITS = 15 + WINDOW_BITS - WINDOW_SHIFT
WEIGHT_BITS = 14
# Of features.
FEATURE_BITS = 16

# signal/src/log.cc: bits of a logarithm's fraction, segments of its table, and ln(2).
LOG_BITS = 16
LOG_SEGMENT_BITS = 7
LOG_OF_2 = 45426

# _kiss_fft_guts.h for 32 bits: SAMP_MAX, FRACBITS.
FFT_ONE = 2**31 - 1
FFT_BITS = 31


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """Constants of a front end; N is its `fft_length`.

    Attributes:
        window: `[window_samples]` in Q31.
        radices: of the stages of the complex transform of N / 2, the last one first.
        order: `[N / 2]`: which pair of samples each place of the first stage takes.
        twiddles: `[N / 2, 2]`: real and imaginary parts, in units of `FFT_ONE`.
        splits: `[N / 4, 2]`: those that part the spectra of even and odd samples.
        span_starts: `[mel_bins + 1]`: see `mel_bank.Span`.
        span_widths: as many.
        falling: `[sum of widths]` in Q14: what goes to the band below; the rest of
            `2^14` goes to the band above.
        log_offset: what is added before the logarithm, in units of mel.
        log_lead: `[129]`: `log2(1 + x) - x` at multiples of 1/128, in Q16.
        log_of_one: logarithm of the integer that means 1, in Q16.
        cosines: `[coefficients, mel_bins]` in `cosine_bits`; empty for "log_mel".
        cosine_bits: fractional bits.
    """

    window: Int32s
    radices: tuple[int, ...]
    order: Int32s
    twiddles: Int32s
    splits: Int32s
    span_starts: Int16s
    span_widths: Int16s
    falling: Int16s
    log_offset: int
    log_lead: npt.NDArray[np.uint16]
    log_of_one: int
    cosines: Int16s
    cosine_bits: int


@functools.lru_cache(maxsize=8)
def of(given: front_end.FrontEnd) -> Tables:
    """The constants of a front end; all clips of the same length share them."""
    half = given.fft_length // 2
    radices = _radices(half)
    spans = mel_bank.spans(given)
    falling = np.concatenate([span.falling for span in spans])
    one = 2.0 ** (SCALED_BITS + WEIGHT_BITS) / given.fft_length
    steps = np.arange(2**LOG_SEGMENT_BITS + 1) / 2**LOG_SEGMENT_BITS
    cosines, cosine_bits = _cosines(given)
    return Tables(
        window=_rounded(float_features.window(given), WINDOW_BITS, np.int32),
        radices=radices,
        order=np.array(_order(radices), np.int32),
        twiddles=_turns(-2 * np.pi * np.arange(half) / half),
        splits=_turns(-np.pi * (np.arange(1, half // 2 + 1) / half + 0.5)),
        span_starts=np.array([span.start for span in spans], np.int16),
        span_widths=np.array([len(span.falling) for span in spans], np.int16),
        falling=_rounded(falling, WEIGHT_BITS, np.int16),
        log_offset=rounding.half_away_integer(front_end.LOG_OFFSET * one),
        log_lead=rounding.half_away((np.log2(1 + steps) - steps) * 2**LOG_BITS).astype(
            np.uint16
        ),
        log_of_one=rounding.half_away_integer(math.log(one) * 2**FEATURE_BITS),
        cosines=cosines,
        cosine_bits=cosine_bits,
    )


def _rounded(
    values: mel_bank.Reals, bits: int, dtype: type[_Integer]
) -> npt.NDArray[_Integer]:
    """With fractional `bits`; 1 becomes the largest integer where it is beyond."""
    integers = rounding.half_away(values * 2.0**bits)
    return np.minimum(integers, np.iinfo(dtype).max).astype(dtype)


def _radices(length: int) -> tuple[int, ...]:
    """kf_factor of kiss_fft.c for a power of two: fours first, then a two."""
    fours, rest = divmod(length.bit_length() - 1, 2)
    return (4,) * fours + (2,) * rest


def _order(radices: tuple[int, ...]) -> list[int]:
    """kf_work of kiss_fft.c: each stage takes every radix-th of what it is given."""
    if not radices:
        return [0]
    inner = _order(radices[1:])
    return [first + radices[0] * i for first in range(radices[0]) for i in inner]


def _turns(phases: mel_bank.Reals) -> Int32s:
    """`[..., 2]`: kf_cexp of _kiss_fft_guts.h."""
    parts = np.stack([np.cos(phases), np.sin(phases)], axis=-1)
    return np.floor(0.5 + FFT_ONE * parts).astype(np.int32)


def _cosines(given: front_end.FrontEnd) -> tuple[Int16s, int]:
    """With as many bits as the largest leaves to an int16."""
    if given.kind != "mfcc":
        return np.zeros((0, given.mel_bins), np.int16), 0
    values = float_features.cosines(given)
    _, exponent = math.frexp(float(np.abs(values).max()))
    return _rounded(values, 15 - exponent, np.int16), 15 - exponent
