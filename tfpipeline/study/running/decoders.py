"""From a detector's outputs to boxes, one value a family of detectors.

One decoder with one rule of suppression serves every number format.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.detection import branches as branches_lib
from tfpipeline.detection import decoding, yunet
from tfpipeline.models import specs
from tfpipeline.tasks import head

AUTO = "auto"
Outputs = Sequence[npt.NDArray[Any]]
# Of a probability, so that its logarithm is finite.
_LEAST = 1e-30


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What a detector finds in a picture, the surest first.

    Attributes:
        boxes: float64 [N, 4], x1, y1, x2, y2 in pixels.
        scores: float64 [N].
        landmarks: float64 [N, 10]; None of a detector without.
    """

    boxes: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    landmarks: npt.NDArray[np.float64] | None = None

    def moved(self, scale: float, offset: tuple[float, float]) -> "Found":
        """In the pixels of the picture that was scaled and then moved to `offset`."""
        back = [(self.boxes - np.tile(offset, 2)) / scale]
        if self.landmarks is not None:
            back.append((self.landmarks - np.tile(offset, 5)) / scale)
        return Found(back[0], self.scores, *back[1:])


# Outputs of one picture, their functions, the input's size and the threshold.
Decode = Callable[[Outputs, Sequence[head.Head], tuple[int, int], float], Found]


@dataclasses.dataclass(frozen=True, eq=False)
class Decoder:
    """A family of detectors.

    Attributes:
        outputs: how many it has.
        decode: what makes boxes of them.
    """

    outputs: int
    decode: Decode


def _of_branches(branches: Sequence[branches_lib.Branch]) -> Decoder:
    """LFFD's: for each branch scores [H, W, 2] and boxes [H, W, 4], in any order."""

    def decode(
        outputs: Outputs,
        heads: Sequence[head.Head],
        size: tuple[int, int],
        threshold: float,
    ) -> Found:
        scores, boxes = [], []
        for values, each in zip(outputs, heads, strict=True):
            if values.shape[-1] == 4:
                boxes.append(values)
            elif each.function == head.SOFTMAX:
                scores.append(np.log(np.maximum(values, _LEAST)))
            else:
                scores.append(values)
        if not len(scores) == len(boxes) == len(branches):
            raise errors.UsageError(
                f"a detector of {len(branches)} branches gives as many scores "
                f"[H, W, 2] and boxes [H, W, 4]; found {len(scores)} and {len(boxes)}"
            )
        maps = [decoding.Maps(*pair) for pair in zip(scores, boxes, strict=True)]
        found = decoding.detect(maps, branches, size, threshold=threshold)
        return Found(found.boxes.astype(np.float64), found.scores.astype(np.float64))

    return Decoder(2 * len(branches), decode)


def _yunet(
    outputs: Outputs,
    heads: Sequence[head.Head],
    size: tuple[int, int],
    threshold: float,
) -> Found:
    # Files keep the sigmoid or leave it to the host.
    chances = [
        values if each.function == head.SIGMOID or place >= 6 else _chance(values)
        for place, (values, each) in enumerate(zip(outputs, heads, strict=True))
    ]
    found = yunet.detect(chances, size, threshold=threshold)
    return Found(
        found.boxes.astype(np.float64),
        found.scores.astype(np.float64),
        found.landmarks.reshape(len(found.scores), -1).astype(np.float64),
    )


def _chance(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Probabilities as they are, and logits as such."""
    is_probability = bool(values.min() >= 0 and values.max() <= 1)
    return values.astype(np.float64) if is_probability else head.sigmoid(values)


DECODERS = {
    "yunet": Decoder(12, _yunet),
    **{
        spec.name: _of_branches(branches_lib.of(spec.branches))
        for spec in specs.MODELS.values()
        if spec.branches
    },
}


def named(name: str, outputs: int) -> Decoder:
    """A decoder by its name, or by a network's number of outputs.

    Raises:
        UsageError: none has so many.
    """
    if name != AUTO:
        return DECODERS[name]
    for each in DECODERS.values():
        if each.outputs == outputs:
            return each
    numbers = ", ".join(f"{key} {each.outputs}" for key, each in DECODERS.items())
    raise errors.UsageError(
        f"no decoder is for a detector of {outputs} outputs ({numbers}): give --decoder"
    )
