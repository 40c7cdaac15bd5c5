"""Scenes: images with face boxes, read one at a time from a prepared data set."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfpipeline import errors
from tfpipeline.data import boxed_pictures, tfds_source
from tfpipeline.detection import boxes as boxes_lib

# Boxes are stored as float32 shares of the image; rounding to a hundredth of a pixel
# gives back the whole pixels of the annotation.
_BOX_DECIMALS = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """An image and the faces in it.

    Attributes:
        name: file name in the source.
        image: uint8 [H, W, 3].
        boxes: float32 [N, 4], ymin, xmin, ymax, xmax in pixels.
        identities: int32 [N], number of the person, -1 where it is not known.
        attributes: further annotations by name, one value a face, as in the source.
    """

    name: str
    image: np.ndarray
    boxes: np.ndarray
    identities: np.ndarray
    attributes: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.shape[2:] != (3,):
            raise errors.DataError(
                f"scene '{self.name}': the image must be uint8 [H, W, 3]. "
                f"Received: {self.image.dtype} {list(self.image.shape)}"
            )
        if self.boxes.dtype != np.float32 or self.boxes.shape[1:] != (4,):
            raise errors.DataError(
                f"scene '{self.name}': boxes must be float32 [N, 4]. "
                f"Received: {self.boxes.dtype} {list(self.boxes.shape)}"
            )
        for field, values in {"identities": self.identities, **self.attributes}.items():
            if values.shape[:1] != self.boxes.shape[:1]:
                raise errors.DataError(
                    f"scene '{self.name}': {field} must have {len(self.boxes)} values. "
                    f"Received: {list(values.shape)}"
                )

    @property
    def is_valid(self) -> np.ndarray:
        """bool [N]: False where the source marks a face as not recognizable."""
        if "invalid" not in self.attributes:
            return np.ones(len(self.boxes), np.bool_)
        return ~self.attributes["invalid"].astype(np.bool_)


@dataclasses.dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes of one split; iterating reads them anew, one at a time.

    Attributes:
        builder: an opened data set with the features of TFDS's `wider_face`.
        split: name of the source's split.
        positions: int64 [N], which of its examples, ascending.
    """

    builder: tfds.core.DatasetBuilder
    split: str
    positions: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self) -> Iterator[Scene]:
        examples = tfds_source.read_examples(self.builder, self.split, self.positions)
        return map(_scene, examples)


def boxed(
    builder: tfds.core.DatasetBuilder, split: str
) -> tuple[boxed_pictures.Picture, ...]:
    """The pictures of a split with their faces, not decoded, in the records' order.

    Faces that the source marks as not recognizable are ignored.

    Raises:
        DataError: a record is unreadable.
    """
    return tuple(map(_boxed, tfds_source.read_examples(builder, split, decodes=False)))


def _boxed(example: dict[str, Any]) -> boxed_pictures.Picture:
    data = bytes(example["image"])
    name = example["image/filename"].decode()
    faces = example["faces"]
    height, width = boxed_pictures.size_of(data, name)
    boxes = faces["bbox"].astype(np.float64) * (height, width, height, width)
    boxes = boxes_lib.from_rows_first(boxes.round(_BOX_DECIMALS).reshape(-1, 4))
    # WIDER has a few boxes without area.
    kept = (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
    ignored = np.zeros(len(boxes), np.bool_)
    if "invalid" in faces:
        ignored = faces["invalid"].astype(np.bool_)
    return boxed_pictures.Picture(
        name, data, "", height, width, boxes[kept].astype(np.float32), ignored[kept]
    )


def _scene(example: dict[str, Any]) -> Scene:
    faces = dict(example["faces"])
    height, width = example["image"].shape[:2]
    boxes = faces.pop("bbox").astype(np.float64) * (height, width, height, width)
    return Scene(
        name=example["image/filename"].decode(),
        image=example["image"],
        boxes=boxes.round(_BOX_DECIMALS).astype(np.float32),
        identities=faces.pop("identity", np.full(len(boxes), -1)).astype(np.int32),
        attributes=faces,
    )
