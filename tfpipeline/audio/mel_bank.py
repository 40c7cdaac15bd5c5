"""Bands of equal width in mel, as `tf.signal.linear_to_mel_weight_matrix` has them.

A band rises from the middle of the one before it to its own, and falls to the middle of
the next: each bin of the spectrum lies between two middles and goes to both bands, in
parts that are 1 together.
"""

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt

from tfpipeline.audio import front_end

Reals = npt.NDArray[np.float64]

# tf.signal's mel_ops.py, and TensorFlow Lite Micro's freq_to_mel.cc.
_BREAK_HERTZ = 700.0
_HIGH_Q = 1127.0


def mel(hertz: Reals) -> Reals:
    """Frequencies in mel."""
    return _HIGH_Q * np.log1p(hertz / _BREAK_HERTZ)


def edges(given: front_end.FrontEnd) -> Reals:
    """`[mel_bins + 2]` in mel: where the bands begin, their middles, where they end."""
    low, high = mel(np.array([given.low_hertz, given.high_hertz]))
    return np.linspace(low, high, given.mel_bins + 2)


def bins(given: front_end.FrontEnd) -> Reals:
    """`[fft_length / 2 + 1]`: the bins of the spectrum, in mel."""
    count = given.fft_length // 2 + 1
    return mel(np.linspace(0.0, given.sample_rate / 2, count))


def weights(given: front_end.FrontEnd) -> Reals:
    """`[fft_length / 2 + 1, mel_bins]`: the part of each bin that goes to each band.

    The constant part of the signal goes to none, as in `tf.signal`.
    """
    at, ends = bins(given)[:, np.newaxis], edges(given)
    rising = (at - ends[:-2]) / (ends[1:-1] - ends[:-2])
    falling = (ends[2:] - at) / (ends[2:] - ends[1:-1])
    result: Reals = np.maximum(0.0, np.minimum(rising, falling))
    result[0] = 0.0
    return result


@dataclasses.dataclass(frozen=True)
class Span:
    """The bins of the spectrum between two neighbouring edges.

    Attributes:
        start: the first bin.
        falling: `[width]`: what of each goes to the band whose middle is the first
            edge; the rest of 1 goes to the band of the second.
    """

    start: int
    falling: Reals


def spans(given: front_end.FrontEnd) -> tuple[Span, ...]:
    """One more than there are bands, the lowest first.

    Nothing is before the first edge, so the falling part of the first span is dropped;
    so is the rising part of the last.
    """
    at, ends = bins(given), edges(given)
    # Bin 0 goes nowhere; a bin on an edge belongs to the span that begins there.
    begins = np.maximum(np.searchsorted(at, ends, side="left"), 1)
    return tuple(
        Span(int(start), (ends[i + 1] - at[start:stop]) / (ends[i + 1] - ends[i]))
        for i, (start, stop) in enumerate(itertools.pairwise(begins))
    )
