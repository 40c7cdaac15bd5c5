"""Branches of a one-stage detector: each looks for objects of one range of sizes.

A branch is a map of cells. A cell's receptive field has a center in the image, and what
the network says in the cell is of an object around that center. As in LFFD (He et al.
2019), branches are told apart by the longer side of an object.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tfpipeline import errors

# An object a little outside of a branch's sizes is neither object nor background there.
_GRAY_BELOW = 0.9
_GRAY_ABOVE = 1.1


@dataclasses.dataclass(frozen=True)
class Branch:
    """A map of cells and the sizes of the objects that it is responsible for.

    Attributes:
        stride: pixels between the centers of neighboring cells.
        first_center: the pixel that the first cell looks at; of networks with pools it
            ends in .5, halfway between two.
        smallest, largest: of the longer sides of its objects, in pixels, both included.
    """

    stride: int
    first_center: float
    smallest: int
    largest: int

    def __post_init__(self) -> None:
        if not (self.stride > 0 and 0 < self.smallest <= self.largest):
            raise errors.UsageError(
                "a branch has a stride and sizes above 0, smallest first. Received: "
                f"stride {self.stride}, sizes {self.smallest} to {self.largest}"
            )

    @property
    def unit(self) -> float:
        """Pixels that a box output of 1 stands for: half the largest size."""
        return self.largest / 2

    @property
    def gray_smallest(self) -> int:
        """The longer side from which an object is gray, in pixels."""
        return math.floor(_GRAY_BELOW * self.smallest)

    @property
    def gray_largest(self) -> int:
        """The longer side up to which an object is gray, in pixels."""
        return math.ceil(_GRAY_ABOVE * self.largest)

    def centers(self, cells: int) -> npt.NDArray[np.float64]:
        """Centers of so many cells along one axis, float64 [cells], in pixels."""
        return self.first_center + self.stride * np.arange(cells, dtype=np.float64)


class _Sized(Protocol):
    """What a network's specification says of a branch."""

    @property
    def stride(self) -> int: ...
    @property
    def center(self) -> float: ...
    @property
    def smallest(self) -> int: ...
    @property
    def largest(self) -> int: ...


def of(specified: Iterable[_Sized]) -> tuple[Branch, ...]:
    """Those of a network, of `models.specs.ModelSpec.branches`."""
    return tuple(
        Branch(each.stride, each.center, each.smallest, each.largest)
        for each in specified
    )
