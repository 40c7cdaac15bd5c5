"""Crops that a detector is trained on, chosen by face and branch.

LFFD's sampling (section 1.4 of its training configuration): a picture with an object,
one of its objects, a branch, and a size within that branch's range; the picture is
scaled so that the object has that size, and the crop has the object at its center, a
little aside. So each branch sees as many objects as the others, whatever sizes a data
set has. A crop is a function of its seed alone.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from tfpipeline.data import boxed_pictures
from tfpipeline.detection import boxes as boxes_lib
from tfpipeline.detection import branches as branches_lib

# Share of crops from pictures without an object, where there are such.
NEGATIVE = 0.1
# Their scales: LFFD enlarges and shrinks them so.
_NEGATIVE_SCALES = (0.5, 3.5)
# Chance that an object gets larger than the last branch finds, up to this factor, so
# that what is too large is learned as background.
_BEYOND, _BEYOND_FACTOR = 0.1, 1.5
# Branches that are told apart where an object is too small to be enlarged far.
_SMALL_BRANCHES = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Crop:
    """What one example of training is.

    Attributes:
        image: uint8 [H, W, channels].
        boxes: float64 [N, 4], in its pixels; they may reach out of it.
        ignored: bool [N].
    """

    image: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float64]
    ignored: npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, eq=False)
class Sampler:
    """Draws crops.

    Attributes:
        pictures: of the train split.
        shape: (H, W, channels) of a crop.
        branches: of the detector.
        flips: whether half of the crops are mirrored.
        with_objects, without: places of pictures that have objects and that have none.
    """

    pictures: Sequence[boxed_pictures.Picture]
    shape: tuple[int, int, int]
    branches: Sequence[branches_lib.Branch]
    flips: bool
    with_objects: npt.NDArray[np.int64]
    without: npt.NDArray[np.int64]

    def draw(self, random: np.random.Generator) -> Crop:
        """One crop."""
        is_negative = bool(len(self.without)) and random.random() < NEGATIVE
        places = self.without if is_negative else self.with_objects
        picture = self.pictures[int(places[random.integers(len(places))])]
        if is_negative:
            scale = random.uniform(*_NEGATIVE_SCALES)
            corner = self._anywhere(picture, scale, random)
        else:
            scale, corner = self._around_an_object(picture, random)
        crop = self._cut(picture, scale, corner)
        return mirrored(crop) if self.flips and random.random() < 0.5 else crop

    def _around_an_object(
        self, picture: boxed_pictures.Picture, random: np.random.Generator
    ) -> tuple[float, npt.NDArray[np.float64]]:
        """The scale, and the crop's corner in the scaled picture."""
        counted = np.flatnonzero(~picture.ignored)
        box = picture.boxes[counted[random.integers(len(counted))]].astype(np.float64)
        side = float(boxes_lib.longer_sides(box[None])[0])
        last = self._last_branch(side)
        branch = self.branches[int(random.integers(last + 1))]
        wanted = random.integers(branch.smallest, branch.largest + 1)
        if last == len(self.branches) - 1 and random.random() < _BEYOND:
            top = self.branches[-1].largest
            wanted = random.uniform(top, _BEYOND_FACTOR * top)
        scale = float(wanted) / side
        aside = random.uniform(-0.5, 0.5, 2) * branch.stride
        height, width, _ = self.shape
        center = (box[:2] + box[2:]) / 2 * scale + aside
        return scale, np.round(center - np.array([width, height]) / 2)

    def _last_branch(self, side: float) -> int:
        """The last branch whose size an object may get: small ones blur."""
        for place, branch in enumerate(self.branches[:_SMALL_BRANCHES]):
            if side <= branch.smallest:
                return place
        return len(self.branches) - 1

    def _anywhere(
        self,
        picture: boxed_pictures.Picture,
        scale: float,
        random: np.random.Generator,
    ) -> npt.NDArray[np.float64]:
        height, width, _ = self.shape
        room = np.array(
            [picture.width * scale - width, picture.height * scale - height]
        )
        return np.round(random.uniform(0, 1, 2) * room)

    def _cut(
        self,
        picture: boxed_pictures.Picture,
        scale: float,
        corner: npt.NDArray[np.float64],
    ) -> Crop:
        """The crop; zeros where it reaches out of the picture."""
        height, width, channels = self.shape
        image = picture.image(channels, scale)
        # The part of the picture that shows, in its own pixels.
        low = np.maximum(corner, 0) / scale
        sides = np.array([picture.width, picture.height], np.float64)
        high = np.minimum((corner + np.array([width, height])) / scale, sides)
        result = np.zeros(self.shape, np.uint8)
        start = np.rint(low * scale - corner).astype(int)
        end = np.minimum(np.rint(high * scale - corner).astype(int), [width, height])
        if (end > start).all():
            # A JPEG may have been decoded at a half or less.
            decoded = np.array(image.size) / sides
            part = image.resize(
                (int(end[0] - start[0]), int(end[1] - start[1])),
                Image.Resampling.BILINEAR,
                box=(*(low * decoded), *(high * decoded)),
            )
            pixels = np.asarray(part)
            if pixels.ndim == 2:
                pixels = pixels[..., np.newaxis]
            result[start[1] : end[1], start[0] : end[0]] = pixels
        boxes = picture.boxes.astype(np.float64) * scale - np.tile(corner, 2)
        inside = (boxes[:, :2] < [width, height]).all(1) & (boxes[:, 2:] > 0).all(1)
        return Crop(result, boxes[inside], picture.ignored[inside])


def sampler(
    pictures: Sequence[boxed_pictures.Picture],
    shape: tuple[int, int, int],
    branches: Sequence[branches_lib.Branch],
    *,
    flips: bool,
) -> Sampler:
    """A sampler of pictures, at least one of which has an object that counts."""
    counts = np.array([int((~each.ignored).sum()) for each in pictures])
    sizes = np.array([len(each.boxes) for each in pictures])
    return Sampler(
        pictures,
        shape,
        branches,
        flips,
        with_objects=np.flatnonzero(counts > 0),
        without=np.flatnonzero(sizes == 0),
    )


def mirrored(crop: Crop) -> Crop:
    """Left for right."""
    width = crop.image.shape[1]
    boxes = crop.boxes.copy()
    # A box ends at its last pixel's edge, so that an edge at x comes to width - x.
    boxes[:, [0, 2]] = width - crop.boxes[:, [2, 0]]
    return Crop(np.ascontiguousarray(crop.image[:, ::-1]), boxes, crop.ignored)
