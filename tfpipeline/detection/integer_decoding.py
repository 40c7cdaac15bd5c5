"""From a detector's integers to boxes, in integers only: what its C computes beside it.

Coordinates are in sixteenths of a pixel and scores in 1/1,024 of a logit, the object's
less the background's: a softmax of 8 bits would make all sure faces equally sure, and
the order of scores is that of the softmax anyway. The rules are those of `decoding` and
`suppression`; only the rounding differs.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.detection import branches as branches_lib
from tfpipeline.detection import decoding, suppression

PIXEL_BITS = 4
PIXEL = 1 << PIXEL_BITS
LOGIT_BITS = 10
# Of the multipliers' fractions.
MULTIPLIER_BITS = 16
OVERLAP_BITS = 15
# With it, no product of the C leaves 64 bits.
MAX_SIDE = 16_384
_MAX_MULTIPLIER = (1 << 30) - 1
_MAX_ZERO_POINT = 1 << 15


@dataclasses.dataclass(frozen=True)
class Decoder:
    """A detector's numbers as integers.

    Attributes:
        height, width: of the network's input.
        cells: rows and columns of each branch's map.
        centers: first center and stride of each branch, in sixteenths of a pixel.
        score_multipliers: 1/1,024 logits a step of a logit, with MULTIPLIER_BITS.
        box_multipliers: sixteenths of a pixel a step of a box, with MULTIPLIER_BITS.
        box_zero_points: integers that stand for a box output of 0.
        threshold: boxes stay whose score is above it, in 1/1,024 of a logit.
        overlap: the share of a box's area above which it goes, with OVERLAP_BITS.
        most: so many boxes of the highest scores enter suppression.
    """

    height: int
    width: int
    cells: tuple[tuple[int, int], ...]
    centers: tuple[tuple[int, int], ...]
    score_multipliers: tuple[int, ...]
    box_multipliers: tuple[int, ...]
    box_zero_points: tuple[int, ...]
    threshold: int
    overlap: int
    most: int


@dataclasses.dataclass(frozen=True)
class Quantization:
    """How the maps of a branch stand for real numbers.

    Attributes:
        logit_scale: of both logits; their zero point cancels.
        box_scale, box_zero_point: of the boxes.
    """

    logit_scale: float
    box_scale: float
    box_zero_point: int


def prepare(
    branches: Sequence[branches_lib.Branch],
    cells: Sequence[tuple[int, int]],
    quantizations: Sequence[Quantization],
    size: tuple[int, int],
    *,
    threshold: float = decoding.THRESHOLD,
    overlap: float = suppression.OVERLAP,
    most: int = 100,
) -> Decoder:
    """The integers of a detector.

    Args:
        branches: of the detector.
        cells: rows and columns of each branch's map.
        quantizations: of each branch.
        size: height and width of the network's input.
        threshold: the softmax's share above which boxes stay, between 0 and 1.
        overlap: as for `suppression.suppress`.
        most: so many boxes of the highest scores enter suppression.

    Raises:
        UsageError: these do not fit each other, or leave the integers.
    """
    if not len(branches) == len(cells) == len(quantizations) > 0:
        raise errors.UsageError(
            "every branch has cells and a quantization. Received: "
            f"{len(branches)}, {len(cells)} and {len(quantizations)}"
        )
    if not (0 < threshold < 1 and 0 <= overlap <= 1 and 0 < most <= 65_535):
        raise errors.UsageError(
            "a threshold lies between 0 and 1, an overlap from 0 to 1, boxes from 1 to "
            f"65,535. Received: {threshold:g}, {overlap:g} and {most}"
        )
    if not all(0 < side <= MAX_SIDE for side in size):
        raise errors.UsageError(f"sides of an input are 1 to {MAX_SIDE:,} pixels")
    if not all(abs(q.box_zero_point) <= _MAX_ZERO_POINT for q in quantizations):
        raise errors.UsageError("zero points of boxes are of at most 16 bits")
    return Decoder(
        height=size[0],
        width=size[1],
        cells=tuple(cells),
        centers=tuple(
            (round(each.first_center * PIXEL), each.stride * PIXEL) for each in branches
        ),
        score_multipliers=tuple(
            _multiplier(each.logit_scale, 1 << LOGIT_BITS) for each in quantizations
        ),
        box_multipliers=tuple(
            _multiplier(each.box_scale, branch.unit * PIXEL)
            for each, branch in zip(quantizations, branches, strict=True)
        ),
        box_zero_points=tuple(each.box_zero_point for each in quantizations),
        threshold=math.floor(math.log(threshold / (1 - threshold)) * (1 << LOGIT_BITS)),
        overlap=round(overlap * (1 << OVERLAP_BITS)),
        most=most,
    )


def decode(
    decoder: Decoder,
    logits: Sequence[npt.NDArray[np.integer[Any]]],
    boxes: Sequence[npt.NDArray[np.integer[Any]]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The boxes of one image.

    Args:
        decoder: the detector's integers.
        logits: of each branch [H, W, 2], of the object and of the background; int8 or
            int16.
        boxes: of each branch [H, W, 4].

    Returns:
        Boxes [N, 4] in sixteenths of a pixel and scores [N] in 1/1,024 of a logit, in
        descending order of the scores.
    """
    parts = [
        _candidates(decoder, branch, logits[branch], boxes[branch])
        for branch in range(len(decoder.cells))
    ]
    found = np.concatenate([part[0] for part in parts])
    scores = np.concatenate([part[1] for part in parts])
    order = np.argsort(-scores, kind="stable")[: decoder.most]
    # Shares of areas as integers: both sides of the rule by 2^15.
    kept = order[
        suppression.suppress(
            found[order],
            scores[order],
            added=PIXEL,
            goes=lambda shared, areas: shared << OVERLAP_BITS > decoder.overlap * areas,
        )
    ]
    return found[kept], scores[kept]


def _candidates(
    decoder: Decoder,
    branch: int,
    logits: npt.NDArray[np.integer[Any]],
    boxes: npt.NDArray[np.integer[Any]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    wide = logits.astype(np.int64)
    scores = _scaled(wide[..., 0] - wide[..., 1], decoder.score_multipliers[branch])
    chosen = scores > decoder.threshold
    steps = boxes.astype(np.int64) - decoder.box_zero_points[branch]
    offsets = _scaled(steps, decoder.box_multipliers[branch])
    first, stride = decoder.centers[branch]
    rows, columns = (first + stride * np.arange(n) for n in decoder.cells[branch])
    corners = np.empty(boxes.shape, np.int64)
    corners[..., 0::2] = columns[None, :, None] - offsets[..., 0::2]
    corners[..., 1::2] = rows[:, None, None] - offsets[..., 1::2]
    limits = np.array([decoder.width, decoder.height] * 2) * PIXEL
    return np.clip(corners, 0, limits)[chosen], scores[chosen]


def _scaled(values: npt.NDArray[np.int64], multiplier: int) -> npt.NDArray[np.int64]:
    """Values times a multiplier with MULTIPLIER_BITS, halves rounded up."""
    half = 1 << (MULTIPLIER_BITS - 1)
    result: npt.NDArray[np.int64] = (values * multiplier + half) >> MULTIPLIER_BITS
    return result


def _multiplier(scale: float, units: float) -> int:
    result = round(scale * units * (1 << MULTIPLIER_BITS))
    if not 0 < result <= _MAX_MULTIPLIER:
        raise errors.UsageError(
            f"the scale {scale:g} of a detector's output leaves the decoder's integers"
        )
    return result
