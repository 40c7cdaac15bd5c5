"""Inputs of a split, read into memory and checked on the way."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from tfpipeline import errors
from tfpipeline.data import request as requests

if TYPE_CHECKING:
    from tfpipeline.data.own import examples


@dataclasses.dataclass(frozen=True)
class Store:
    """Where the splits of a data set go.

    Attributes:
        asked: how the data set is to be read.
        where: names the data set.
    """

    asked: requests.Request
    where: str

    def inputs(
        self, split: str, part: "examples.Examples", positions: np.ndarray
    ) -> np.ndarray:
        """Inputs [len(positions), *shape] of a part.

        Raises:
            DataError: an input cannot be read, or is not finite.
        """
        result = np.empty((len(positions), *part.shape), part.dtype)
        row = 0
        for chunk in part.read(positions):
            _require_finite(chunk, part, positions[row : row + len(chunk)])
            result[row : row + len(chunk)] = chunk
            row += len(chunk)
        if row != len(positions):
            raise errors.DataError(
                f"{self.where} gave {row} of {len(positions)} {split} examples: it "
                "changed while it was read"
            )
        return result


def _require_finite(
    chunk: np.ndarray, part: "examples.Examples", positions: np.ndarray
) -> None:
    if chunk.dtype == np.uint8 or np.isfinite(chunk).all():
        return
    wrong = np.flatnonzero(~np.isfinite(chunk).reshape(len(chunk), -1).all(1))[0]
    values = chunk[wrong]
    bad = values[~np.isfinite(values)].flat[0]
    raise errors.DataError(
        f"{part.where(int(positions[wrong]))} holds {bad}: inputs must be finite"
    )
