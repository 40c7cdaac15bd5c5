"""Log-mel and MFCC in double precision: what the integers of `integer_features` mean.

As get_dataset.py of MLPerf Tiny's keyword spotting computes them by `tf.signal`: frames
under a periodic Hann window, magnitudes of their Fourier transform, mel bands, natural
logarithm, cosine transform. In double precision, because bands far from a tone are
10^-6 of it, where float32 has one digit left.
"""

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.audio import front_end, mel_bank

Reals = npt.NDArray[np.float64]
Samples = npt.NDArray[np.int16]

# Of an int16 sample: the largest magnitude is 1.
FULL_SCALE = 32_768


def features(given: front_end.FrontEnd, samples: Samples) -> npt.NDArray[np.float32]:
    """The features of clips.

    Args:
        given: the front end.
        samples: `[..., clip_samples]`.

    Returns:
        `[..., frames, features, 1]`.

    Raises:
        UsageError: `samples` are not int16, or not of the clip's length.
    """
    require_clips(given, samples)
    framed = frames(given, samples)
    return rows(given, framed)[..., np.newaxis].astype(np.float32)


def rows(given: front_end.FrontEnd, framed: Samples) -> Reals:
    """The features of frames, `[..., window_samples]` to `[..., features]`."""
    scaled = framed / FULL_SCALE * window(given)
    magnitudes = np.abs(np.fft.rfft(scaled, given.fft_length))
    log_mel: Reals = np.log(magnitudes @ mel_bank.weights(given) + front_end.LOG_OFFSET)
    return log_mel @ cosines(given).T if given.kind == "mfcc" else log_mel


def frames(given: front_end.FrontEnd, samples: Samples) -> Samples:
    """`[..., frames, window_samples]` of `[..., clip_samples]`, as a view."""
    shape = given.window_samples
    views = np.lib.stride_tricks.sliding_window_view(samples, shape, axis=-1)
    return views[..., :: given.hop_samples, :]


def window(given: front_end.FrontEnd) -> Reals:
    """Periodic Hann, as `tf.signal.hann_window`, which takes odd lengths symmetric."""
    count = given.window_samples
    period = count if count % 2 == 0 else count - 1
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(count) / period)


def cosines(given: front_end.FrontEnd) -> Reals:
    """`[coefficients, mel_bins]` of `tf.signal.mfccs_from_log_mel_spectrograms`."""
    count = given.mel_bins
    angles = np.outer(np.arange(given.coefficients), np.arange(count) + 0.5)
    result: Reals = np.sqrt(2 / count) * np.cos(np.pi / count * angles)
    return result


def require_clips(given: front_end.FrontEnd, samples: Samples) -> None:
    """Checks type and length of clips.

    Raises:
        UsageError: naming both.
    """
    length = given.clip_samples
    if samples.dtype != np.int16 or samples.ndim < 1 or samples.shape[-1] != length:
        raise errors.UsageError(
            f"clips must be int16 of shape (..., {length}); found {samples.dtype} "
            f"{samples.shape}"
        )
