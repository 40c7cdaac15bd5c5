"""Parts of a batch, of which each worker makes its own.

Random numbers are drawn for the whole batch and those of the part are taken, so that
the parts together are, to the bit, the batch that one worker would make.
"""

import dataclasses

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import tf


@dataclasses.dataclass(frozen=True)
class Part:
    """One of `count` equal parts of every batch, side by side in its order.

    Attributes:
        index: of this one, from 0.
        count: of the parts.
    """

    index: int = 0
    count: int = 1

    def rows(self, batch_size: int, beyond: int = 0) -> np.ndarray:
        """Its positions in a batch, int64 [batch_size / count + beyond].

        Args:
            batch_size: of the whole batch.
            beyond: so many rows more that follow it, the first behind the last.

        Raises:
            UsageError: the batch cannot be shared out.
        """
        require_shares(batch_size, self.count)
        rows = batch_size // self.count
        return (self.index * rows + np.arange(rows + beyond)) % batch_size


WHOLE = Part()


def require_shares(batch_size: int, count: int) -> None:
    """Raises a UsageError where a batch is not so many equal parts."""
    if batch_size % count:
        raise errors.UsageError(
            f"--batch_size={batch_size} is that of all {count} devices together, and "
            "must be a multiple of their number"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Which rows of a batch a function is given.

    Attributes:
        total: rows of the whole batch.
        positions: of the given ones in it, int64; None: all of them.
    """

    total: int | tf.Tensor
    positions: np.ndarray | None = None

    @classmethod
    def all_of(cls, batch: tf.Tensor) -> "Rows":
        """The rows of a batch that is whole."""
        return cls(tf.shape(batch)[0])

    def of(self, drawn: tf.Tensor, axis: int = 0) -> tf.Tensor:
        """Of values for the whole batch, those of the given rows."""
        if self.positions is None:
            return drawn
        return tf.gather(drawn, self.positions, axis=axis)
