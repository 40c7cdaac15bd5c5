"""A front end in integers, many frames at once.

`integer_reference` says the same of one frame in plain integers and is the
specification; the C of `export.audio` computes the same bits.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.audio import float_features, front_end, integer_tables
from tfpipeline.simulate import fixed_point

Samples = npt.NDArray[np.int16]
Int64s = npt.NDArray[np.int64]

# Frames at a time, so that all of a step stays near the processor.
_FRAMES = 256
_MULTIPLIER_BITS = 31


@dataclasses.dataclass(frozen=True)
class Scaling:
    """From features in Q16 to a network's input: `* multiplier / 2^shift + zero_point`.

    Attributes:
        multiplier: of 31 bits.
        shift: 1 to 62; rounded to nearest, halves up.
        zero_point: of the network's input.
        dtype: "int8" or "int16", of the network's input; saturated.
    """

    multiplier: int
    shift: int
    zero_point: int
    dtype: str


def scaling(scale: float, zero_point: int, dtype: str) -> Scaling:
    """How features become integers of a network's input.

    Args:
        scale: of the network's input.
        zero_point: of the network's input.
        dtype: "int8" or "int16".

    Raises:
        UsageError: no front end's features fit such an input.
    """
    if dtype not in ("int8", "int16"):
        raise errors.UsageError(
            f"a front end writes int8 or int16; found an input of {errors.brief(dtype)}"
        )
    limits = np.iinfo(dtype)
    if not 2.0**-24 <= scale <= 2.0**15 or not limits.min <= zero_point <= limits.max:
        raise errors.UsageError(
            f"features do not fit an input {dtype} with scale {scale:g} and zero point "
            f"{zero_point}"
        )
    real = 1 / (scale * 2**integer_tables.FEATURE_BITS)
    multiplier, exponent = fixed_point.quantize_multiplier(real)
    return Scaling(multiplier, _MULTIPLIER_BITS - exponent, zero_point, dtype)


def features(given: front_end.FrontEnd, samples: Samples) -> npt.NDArray[np.int32]:
    """The features of clips in Q16.

    Args:
        given: the front end.
        samples: `[..., clip_samples]`.

    Returns:
        `[..., frames, features, 1]`; divided by 2^16 they are those of
        `float_features`, with the error that docs/audio.md states.

    Raises:
        UsageError: `samples` are not int16, or not of the clip's length.
    """
    float_features.require_clips(given, samples)
    framed = float_features.frames(given, samples)
    flat = framed.reshape(-1, given.window_samples)
    parts = [
        rows(given, flat[i : i + _FRAMES]) for i in range(0, len(flat), _FRAMES)
    ] or [np.zeros((0, given.num_features), np.int32)]
    return np.concatenate(parts).reshape(*samples.shape[:-1], *given.output_shape)


def reals(values: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """What features in Q16 mean; all of them are float32 without rounding."""
    steps: npt.NDArray[np.float64] = values / 2**integer_tables.FEATURE_BITS
    return steps.astype(np.float32)


def rows(given: front_end.FrontEnd, framed: Samples) -> npt.NDArray[np.int32]:
    """The features of frames in Q16: `[N, window_samples]` to `[N, features]`."""
    tables = integer_tables.of(given)
    padded = np.zeros((len(framed), given.fft_length), np.int64)
    products = framed.astype(np.int64) * tables.window
    padded[:, : given.window_samples] = _shifted(products, integer_tables.WINDOW_SHIFT)
    log_mel = logarithms(tables, mel(tables, magnitudes(*spectrum(tables, padded))))
    if given.kind == "log_mel":
        return log_mel.astype(np.int32)
    sums = log_mel @ tables.cosines.T.astype(np.int64)
    return _shifted(sums, tables.cosine_bits).astype(np.int32)


def quantized(
    values: npt.NDArray[np.int32], by: Scaling
) -> npt.NDArray[np.signedinteger]:
    """Features in Q16 as integers of a network's input."""
    steps = _shifted(values.astype(np.int64) * by.multiplier, by.shift) + by.zero_point
    limits = np.iinfo(by.dtype)
    return np.clip(steps, limits.min, limits.max).astype(by.dtype)


def spectrum(tables: integer_tables.Tables, values: Int64s) -> tuple[Int64s, Int64s]:
    """Real and imaginary parts `[N, length / 2 + 1]` of `[N, length]`, by the length.

    As SignalRfft of int32; magnitudes of `values` are at most 2^30.
    """
    pairs = values.reshape(len(values), -1, 2)[:, tables.order]
    real, imaginary = _transformed(tables, pairs[..., 0], pairs[..., 1])
    return _parted(tables, _part(real, 2), _part(imaginary, 2))


def _transformed(
    tables: integer_tables.Tables, real: Int64s, imaginary: Int64s
) -> tuple[Int64s, Int64s]:
    """The complex transform of what lies in `order`: the innermost stage first."""
    count, length = real.shape
    inner = 1
    for radix in reversed(tables.radices):
        groups = length // (inner * radix)
        shape = (count, groups, radix, inner)
        parts = [
            (_part(real, radix).reshape(shape)[:, :, i], each)
            for i, each in enumerate(
                _part(imaginary, radix).reshape(shape).transpose(2, 0, 1, 3)
            )
        ]
        turned = [parts[0]]
        for i, part in enumerate(parts[1:], start=1):
            turns = tables.twiddles[np.arange(inner) * groups * i].astype(np.int64)
            turned.append(_product(*part, turns[:, 0], turns[:, 1]))
        butterfly = _of_two if radix == 2 else _of_four
        results = butterfly(turned)
        real, imaginary = (
            np.stack([each[part] for each in results], axis=2).reshape(count, length)
            for part in (0, 1)
        )
        inner *= radix
    return real, imaginary


Complex = tuple[Int64s, Int64s]


def _of_two(parts: list[Complex]) -> list[Complex]:
    (ar, ai), (br, bi) = parts
    return [(ar + br, ai + bi), (ar - br, ai - bi)]


def _of_four(parts: list[Complex]) -> list[Complex]:
    (ar, ai), (br, bi), (cr, ci), (dr, di) = parts
    sum_r, sum_i, rest_r, rest_i = ar + cr, ai + ci, ar - cr, ai - ci
    plus_r, plus_i, minus_r, minus_i = br + dr, bi + di, br - dr, bi - di
    return [
        (sum_r + plus_r, sum_i + plus_i),
        (rest_r + minus_i, rest_i - minus_r),
        (sum_r - plus_r, sum_i - plus_i),
        (rest_r - minus_i, rest_i + minus_r),
    ]


def _parted(tables: integer_tables.Tables, real: Int64s, imaginary: Int64s) -> Complex:
    """The spectrum of real values from that of pairs of them, which is halved."""
    count, half = real.shape
    result_r, result_i = (np.zeros((count, half + 1), np.int64) for _ in range(2))
    result_r[:, 0] = real[:, 0] + imaginary[:, 0]
    result_r[:, half] = real[:, 0] - imaginary[:, 0]
    at = np.arange(1, half // 2 + 1)
    low_r, low_i = real[:, at], imaginary[:, at]
    high_r, high_i = real[:, half - at], _part(-imaginary, 1)[:, half - at]
    even_r, even_i = low_r + high_r, low_i + high_i
    turns = tables.splits.astype(np.int64)
    odd_r, odd_i = _product(low_r - high_r, low_i - high_i, turns[:, 0], turns[:, 1])
    result_r[:, at], result_i[:, at] = (even_r + odd_r) >> 1, (even_i + odd_i) >> 1
    # Last, because the middle is written by both.
    result_r[:, half - at] = (even_r - odd_r) >> 1
    result_i[:, half - at] = (odd_i - even_i) >> 1
    return result_r, result_i


def magnitudes(real: Int64s, imaginary: Int64s) -> Int64s:
    """Rounded to nearest, as SignalFilterBankSquareRoot."""
    squares = real * real + imaginary * imaginary
    root: Int64s = np.sqrt(squares.astype(np.float64)).astype(np.int64)
    # A float64 holds 53 bits of 62, so that the root may be beside the right one.
    root -= root * root > squares
    root += (root + 1) * (root + 1) <= squares
    rounded = root + (squares - root * root > root)
    # The operator takes numbers of 32 bits by a root of 16.
    result: Int64s = np.where(squares >> 32, rounded, np.minimum(rounded, 2**16 - 1))
    return result


def mel(tables: integer_tables.Tables, spectra: Int64s) -> Int64s:
    """Mel bands `[N, mel_bins]` of magnitudes, as SignalFilterBank."""
    first = int(tables.span_starts[0])
    covered = spectra[:, first : first + len(tables.falling)]
    falling = covered * tables.falling
    rising = (covered << integer_tables.WEIGHT_BITS) - falling
    bounds = np.concatenate([[0], np.cumsum(tables.span_widths, dtype=np.int64)])
    sums = [
        np.diff(np.pad(each.cumsum(axis=1), ((0, 0), (1, 0)))[:, bounds], axis=1)
        for each in (falling, rising)
    ]
    return sums[0][:, 1:] + sums[1][:, :-1]


def logarithms(tables: integer_tables.Tables, values: Int64s) -> Int64s:
    """Natural logarithms in Q16 of what mel bands mean."""
    return natural(tables, values + tables.log_offset) - tables.log_of_one


def natural(tables: integer_tables.Tables, values: Int64s) -> Int64s:
    """Logarithms of positive integers in Q16, as Log32 of SignalFilterBankLog."""
    bits, segment_bits = integer_tables.LOG_BITS, integer_tables.LOG_SEGMENT_BITS
    whole = _top_bits(values)
    rest = values - (np.int64(1) << whole)
    fraction = (rest << np.maximum(bits - whole, 0)) >> np.maximum(whole - bits, 0)
    segment = fraction >> (bits - segment_bits)
    lead = tables.log_lead.astype(np.int64)
    low, high = lead[segment], lead[segment + 1]
    within = fraction - (segment << (bits - segment_bits))
    # The source divides by 2^16 where a segment has 2^9.
    binary = (whole << bits) + fraction + low + ((high - low) * within >> bits)
    return _shifted(binary * integer_tables.LOG_OF_2, bits)


def _top_bits(values: Int64s) -> Int64s:
    """Which bit is the highest that is set."""
    # frexp rounds what has over 53 bits; mel bands have at most 50.
    return np.frexp(values.astype(np.float64))[1].astype(np.int64) - 1


def _product(real: Int64s, imaginary: Int64s, by_r: Int64s, by_i: Int64s) -> Complex:
    """C_MUL of _kiss_fft_guts.h."""
    bits = integer_tables.FFT_BITS
    return (
        _shifted(real * by_r - imaginary * by_i, bits),
        _shifted(real * by_i + imaginary * by_r, bits),
    )


def _part(values: Int64s, divisor: int) -> Int64s:
    """C_FIXDIV of _kiss_fft_guts.h."""
    if divisor == 1:
        return values
    return _shifted(
        values * (integer_tables.FFT_ONE // divisor), integer_tables.FFT_BITS
    )


def _shifted(values: Int64s, bits: int) -> Int64s:
    """By 2^bits, rounded to nearest, halves up."""
    return (values + (1 << (bits - 1))) >> bits
