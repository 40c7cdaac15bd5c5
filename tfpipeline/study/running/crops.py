"""From a face in a picture to the square that a verifier reads.

Two rules: five landmarks to the places of ArcFace's template by a similarity transform
(Umeyama 1991), or a square around the box. Both read the picture once, bilinearly, with
zeros outside.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from tfpipeline import errors
from tfpipeline.study.running import decoders

LANDMARKS, BOX, WHOLE = "landmarks", "box", "whole"
# deepinsight/insightface, `arcface_src`: eyes, nose, corners of the mouth in a square
# of 112 pixels; x, y.
TEMPLATE = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
TEMPLATE_SIDE = 112

Picture = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Rule:
    """How a face is cut out.

    Attributes:
        kind: LANDMARKS, BOX or WHOLE.
        factor: of BOX, the square's side over the longer side of the box.
    """

    kind: str
    factor: float = 1.0


def parse(text: str) -> Rule:
    """A rule of `landmarks`, `whole`, `box:K` or `box`.

    Raises:
        UsageError: it is none.
    """
    kind, _, factor = text.partition(":")
    if kind in (LANDMARKS, WHOLE) and not factor:
        return Rule(kind)
    try:
        value = float(factor or 1)
    except ValueError:
        value = math.nan
    if kind != BOX or not 0.1 <= value <= 10:
        raise errors.UsageError(
            f"it must be landmarks, whole or box:K with K from 0.1 to 10; found "
            f"{errors.brief(text)}"
        )
    return Rule(BOX, value)


def central(found: decoders.Found, size: tuple[int, int]) -> int | None:
    """The face whose center is nearest to the picture's; None of none.

    Args:
        found: in the picture.
        size: height and width of it.
    """
    if not len(found.boxes):
        return None
    centers = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    shifts = centers - np.array([size[1], size[0]]) / 2
    return int(np.argmin(np.hypot(*shifts.T)))


def cut(
    picture: Picture, rule: Rule, found: decoders.Found, place: int, side: int
) -> Picture:
    """The face at `place`, uint8 [side, side, 3].

    Raises:
        UsageError: the rule needs landmarks, which the detector does not give.
    """
    if rule.kind == LANDMARKS:
        if found.landmarks is None:
            raise errors.UsageError(
                "the detector gives no landmarks: give --crop=box:K, such as box:1.15"
            )
        points = found.landmarks[place].reshape(-1, 2)
        scale, shift = similarity(points, TEMPLATE * (side / TEMPLATE_SIDE))
        return _warped(picture, scale, shift, side)
    x1, y1, x2, y2 = found.boxes[place]
    zoom = side / (rule.factor * max(x2 - x1, y2 - y1, 1.0))
    center = np.array([x1 + x2, y1 + y2]) / 2
    return _warped(picture, np.eye(2) * zoom, side / 2 - center * zoom, side)


def similarity(
    source: npt.NDArray[np.floating], target: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Turn with scale [2, 2] and shift [2] that bring points nearest to others.

    Least squares without mirroring (Umeyama 1991).

    Args:
        source, target: [N, 2], x and y.
    """
    means = source.mean(axis=0), target.mean(axis=0)
    centered, goal = source - means[0], target - means[1]
    left, values, right = np.linalg.svd(goal.T @ centered / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(left @ right)) or 1.0])
    spread = np.square(centered).sum(axis=1).mean() or 1.0
    turn = (values * signs).sum() / spread * (left * signs @ right)
    return turn, means[1] - turn @ means[0]


def shrunk(face: Picture, side: int) -> Picture:
    """A face as it is seen from farther away: reduced to `side`, and enlarged again.

    Bilinear, and antialiased where it shrinks (Pillow's). 0, or no less than it has,
    leaves it as it is.
    """
    if not 0 < side < face.shape[0]:
        return face
    small = Image.fromarray(face).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(face.shape[:2][::-1], Image.Resampling.BILINEAR))


def stretched(picture: Picture, size: tuple[int, int]) -> Picture:
    """A whole picture in another height and width, bilinear and antialiased."""
    if picture.shape[:2] == size:
        return picture
    image = Image.fromarray(picture)
    return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))


def fitted(
    picture: Picture, size: tuple[int, int]
) -> tuple[Picture, float, tuple[float, float]]:
    """A picture in the middle of zeros, made smaller where it has to be.

    Returns:
        uint8 [*size, 3], the scale, and x and y of its corner there.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    result = np.zeros((*size, 3), np.uint8)
    result[top : top + inner[0], left : left + inner[1]] = stretched(picture, inner)
    return result, scale, (left, top)


def _warped(
    picture: Picture,
    turn: npt.NDArray[np.float64],
    shift: npt.NDArray[np.float64],
    side: int,
) -> Picture:
    """The square whose points are `turn @ point + shift` of the picture's."""
    image = Image.fromarray(picture)
    inverse = np.linalg.inv(turn)
    origin = -inverse @ shift
    # Reduced first where it shrinks, so that no pixel is left out.
    factor = max(1, int(1 / math.sqrt(abs(np.linalg.det(turn)))))
    if factor > 1:
        image = image.reduce(factor)
        inverse, origin = inverse / factor, origin / factor
    coefficients = (*inverse[0], origin[0], *inverse[1], origin[1])
    return np.asarray(
        image.transform(
            (side, side),
            Image.Transform.AFFINE,
            coefficients,
            Image.Resampling.BILINEAR,
        )
    )
