"""How often the values of an activation occur, and the ranges that follow from it."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Bins between the extremes: eight a step of 8 bits.
_BINS = 2048
# Ends that `least_error` tries: so many between zero and each extreme.
_ENDS = 128


class Histogram:
    """Counts of values between two ends.

    Zeros, which integers hold exactly, are counted apart. All values of a bin are taken
    to lie in its middle.
    """

    def __init__(self, low: float, high: float):
        self._low, self._high = low, high
        self._edges = np.linspace(low, high, _BINS + 1)
        self._counts = np.zeros(_BINS)
        self._zeros = 0

    def add(self, values: npt.NDArray[np.floating]) -> None:
        """Counts values of any shape, all of them between the ends."""
        zeros = values.size - int(np.count_nonzero(values))
        self._zeros += zeros
        if self._high == self._low:
            return
        bins = self._bin(values.ravel()).astype(np.int64)
        self._counts += np.bincount(bins, minlength=_BINS)
        self._counts[int(self._bin(np.zeros(1, values.dtype))[0])] -= zeros

    def _bin(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """The bins of values, not rounded; in the values' own precision."""
        steps = (values - self._low) * (_BINS / (self._high - self._low))
        result: npt.NDArray[np.floating] = np.clip(steps, 0, _BINS - 1)
        return result

    def between(self, percentile: float) -> tuple[float, float]:
        """The ends that so many percent of the values are below, or above.

        Within a bin values are taken as evenly spread.

        Args:
            percentile: above 50, up to 100.
        """
        counts = self._counts.copy()
        if self._low < self._high:
            counts[int(self._bin(np.zeros(1))[0])] += self._zeros
        total = counts.sum()
        if not total:
            return self._low, self._high
        parts = np.concatenate([[0.0], np.cumsum(counts) / total])
        part = percentile / 100
        low = self._edges[np.searchsorted(parts, 1 - part, side="right") - 1]
        high = self._edges[np.searchsorted(parts, part, side="left")]
        return float(low), float(high)

    def least_error(self, num_bits: int) -> tuple[float, float]:
        """The ends of which rounding and cutting off err least, squared, together.

        Rounding errs by a twelfth of the squared step, of a range that holds zero.

        Args:
            num_bits: of the integers.
        """
        if self._high == self._low:
            return self._low, self._high
        lows, lost_low = self._below(min(self._low, 0.0))
        highs, lost_high = self._above(max(self._high, 0.0))
        steps = (highs[None] - lows[:, None]) / (2**num_bits - 1)
        rounded = steps**2 / 12 * self._counts.sum()
        total = rounded + lost_low[:, None] + lost_high[None]
        # A range of nothing has no step.
        total[steps <= 0] = np.inf
        row, column = np.unravel_index(np.argmin(total), total.shape)
        return float(lows[row]), float(highs[column])

    def _below(self, end: float) -> tuple[Array, Array]:
        """Lower ends up to zero, and the squared error of what is below each."""
        ends = self._tried(end)
        return ends, self._cut(ends, self._edges[1:][None] <= ends[:, None])

    def _above(self, end: float) -> tuple[Array, Array]:
        ends = self._tried(end)
        return ends, self._cut(ends, self._edges[:-1][None] >= ends[:, None])

    def _tried(self, end: float) -> Array:
        """Edges of bins from `end` towards zero."""
        if end == 0:
            return np.zeros(1)
        wanted = end * np.arange(1, _ENDS + 1) / _ENDS
        nearest = np.searchsorted(self._edges, wanted)
        return np.unique(self._edges[np.minimum(nearest, _BINS)])

    def _cut(self, ends: Array, is_beyond: npt.NDArray[np.bool_]) -> Array:
        middles = (self._edges[1:] + self._edges[:-1]) / 2
        sums = [is_beyond @ (self._counts * middles**power) for power in range(3)]
        return sums[2] - 2 * ends * sums[1] + ends**2 * sums[0]
