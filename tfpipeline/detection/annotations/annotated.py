"""Pictures with annotated boxes, whatever file they come from."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors

# Of pictures, and of the coordinates in them; a wrong unit shows itself.
MAX_SIDE = 65_535
MAX_BOXES = 100_000


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A picture and what stands in it.

    Attributes:
        name: of its file, relative to the pictures' folder, with "/" between.
        height, width: in pixels.
        boxes: float64 [N, 4], x1, y1, x2, y2 in pixels, within the picture.
        labels: int64 [N], places in `Annotations.classes`.
        ignored: bool [N]: crowds and difficult ones, which count neither as found nor
            as missed.
        dropped: how many boxes had no area in the picture.
    """

    name: str
    height: int
    width: int
    boxes: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]
    dropped: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Annotations:
    """Pictures of one data set.

    Attributes:
        classes: names of what is annotated.
        pictures: sorted by name.
    """

    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]


def picture(
    name: str,
    size: tuple[int, int],
    rows: Sequence[tuple[Sequence[float], int, bool]],
) -> Picture:
    """A picture of rows as they stand in a file.

    Args:
        name: of the picture's file.
        size: height and width.
        rows: a box x1, y1, x2, y2, its label and whether it is ignored. Boxes are cut
            to the picture; what is left without area is dropped, and counted.

    Raises:
        ValueError: saying what is wrong with the name, the size or a box.
    """
    require_name(name)
    height, width = size
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise ValueError(f"a picture of {width} x {height} pixels")
    if len(rows) > MAX_BOXES:
        raise ValueError(f"over {MAX_BOXES:,} boxes in one picture")
    boxes = np.array([row[0] for row in rows], np.float64).reshape(-1, 4)
    for box in boxes:
        _require_box(box.tolist())
    boxes = np.clip(boxes, 0, [width, height, width, height])
    kept = (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
    return Picture(
        name=name,
        height=height,
        width=width,
        boxes=boxes[kept],
        labels=np.array([row[1] for row in rows], np.int64)[kept],
        ignored=np.array([row[2] for row in rows], np.bool_)[kept],
        dropped=int((~kept).sum()),
    )


def require_name(name: Any) -> None:
    """Checks that a name lies below the pictures' folder.

    Raises:
        ValueError: it does not, or is no name.
    """
    parts = name.split("/") if isinstance(name, str) else []
    if not parts or any(part in ("", ".", "..") for part in parts) or "\\" in name:
        raise ValueError(
            f"{errors.brief(name)} is no file's name below the pictures' folder"
        )
    if not name.isprintable():
        raise ValueError(f"{errors.brief(name)} has characters that cannot be shown")


def number(value: Any, what: str) -> float:
    """A finite number.

    Args:
        value: as JSON has it, or a text.
        what: names it in an error.

    Raises:
        ValueError: it is none, or is far beyond any picture.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{what} {errors.brief(value)} is no number")
    try:
        result = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{what} {errors.brief(value)} is no number") from None
    if not math.isfinite(result) or abs(result) > 2 * MAX_SIDE:
        raise ValueError(f"{what} {errors.brief(value)} is no place in a picture")
    return result


def side(value: Any, what: str) -> int:
    """A whole number of pixels above 0.

    Raises:
        ValueError: it is none.
    """
    result = number(value, what)
    if result != int(result) or not 0 < result <= MAX_SIDE:
        raise ValueError(f"{what} {errors.brief(value)} is no number of pixels")
    return int(result)


def joined(
    pictures: Sequence[Picture], classes: Sequence[str], what: str
) -> Annotations:
    """A data set of pictures, sorted by their names.

    Args:
        pictures: of any order.
        classes: names of the labels.
        what: names the source in an error.

    Raises:
        DataError: there are none, or two of one name.
    """
    by_name: dict[str, Picture] = {}
    for each in pictures:
        if each.name in by_name:
            raise errors.DataError(f"{what} annotates '{each.name}' twice; merge them")
        by_name[each.name] = each
    if not by_name:
        raise errors.DataError(f"{what} annotates no picture")
    return Annotations(tuple(classes), tuple(by_name[name] for name in sorted(by_name)))


def class_places(classes: Sequence[str], what: str) -> Mapping[str, int]:
    """Name -> label.

    Raises:
        DataError: a name is there twice.
    """
    places = {name: place for place, name in enumerate(classes)}
    if len(places) < len(classes):
        raise errors.DataError(f"{what} names a class twice: {errors.listed(classes)}")
    return places


def _require_box(box: Sequence[float]) -> None:
    x1, y1, x2, y2 = box
    if x2 < x1 or y2 < y1:
        raise ValueError(
            f"a box from {x1:g}, {y1:g} to {x2:g}, {y2:g} has a side below 0"
        )
