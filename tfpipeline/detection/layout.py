"""Where a detector's maps lie in one row of numbers.

Whoever trains, runs or compares networks hands on one array of outputs, [N, values]. Of
a network of several outputs it is these, one behind the other, each flattened; of a
detector the logits and the boxes of the first branch, then those of the second.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.detection import branches as branches_lib
from tfpipeline.detection import decoding

# Values of a cell: logits of the object and of the background, and a box.
LOGITS, BOX = 2, 4


@dataclasses.dataclass(frozen=True)
class Layout:
    """A detector's maps.

    Attributes:
        height, width: of its input, in pixels.
        branches: in the order of its outputs.
        cells: rows and columns of each branch's map.
    """

    height: int
    width: int
    branches: tuple[branches_lib.Branch, ...]
    cells: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not len(self.branches) == len(self.cells) > 0:
            raise errors.UsageError(
                f"every branch has cells. Received: {len(self.branches)} branches, "
                f"{len(self.cells)} maps"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input."""
        return self.height, self.width

    @property
    def num_cells(self) -> tuple[int, ...]:
        """Of each branch."""
        return tuple(rows * columns for rows, columns in self.cells)

    @property
    def part_sizes(self) -> tuple[int, ...]:
        """Values of each output: logits and boxes of the first branch, and so on."""
        return tuple(
            cells * values for cells in self.num_cells for values in (LOGITS, BOX)
        )

    @property
    def num_values(self) -> int:
        """Of all outputs together."""
        return sum(self.part_sizes)

    def maps(self, outputs: npt.NDArray[Any]) -> list[decoding.Maps]:
        """The maps of one image, of its outputs [values]."""
        parts = np.split(outputs, np.cumsum(self.part_sizes)[:-1])
        return [
            decoding.Maps(logits.reshape(*cells, LOGITS), boxes.reshape(*cells, BOX))
            for cells, logits, boxes in zip(
                self.cells, parts[0::2], parts[1::2], strict=True
            )
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; `from_dict` reads it."""
        return {
            "input": [self.height, self.width],
            "branches": [
                {**dataclasses.asdict(branch), "cells": list(cells)}
                for branch, cells in zip(self.branches, self.cells, strict=True)
            ],
        }


def from_dict(values: Mapping[str, Any]) -> Layout:
    """What `Layout.to_dict` wrote.

    Raises:
        DataError: it is no such thing.
    """
    try:
        height, width = values["input"]
        rows = [dict(each) for each in values["branches"]]
        cells = tuple((int(row), int(column)) for row, column in _cells(rows))
        branches = tuple(branches_lib.Branch(**row) for row in rows)
        return Layout(int(height), int(width), branches, cells)
    except (TypeError, ValueError, KeyError, errors.UsageError) as error:
        raise errors.DataError("this does not describe a detector's maps") from error


def _cells(rows: Sequence[dict[str, Any]]) -> list[Any]:
    return [row.pop("cells") for row in rows]
