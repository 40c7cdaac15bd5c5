"""Boxes in YOLO's text, one file a picture: class, center and size as shares."""

import os
from collections.abc import Mapping, Sequence

from tfpipeline import errors
from tfpipeline.detection.annotations import annotated
from tfpipeline.untrusted import content, damage, numbers

_KIND = "YOLO text of boxes"
# Writers round to six decimals, and let boxes end a little outside.
_SLACK = 1e-3


def read(
    folder: str | os.PathLike[str],
    sizes: Mapping[str, tuple[int, int]],
    classes: Sequence[str],
) -> annotated.Annotations:
    """Reads the text beside each picture's name.

    A line is `class x y width height`: the class a number from 0, the center and the
    size of the box as shares of the picture's width and height.

    Args:
        folder: with a file NAME.txt for picture NAME.jpg; a picture without one has no
            boxes, as YOLO's own tools take it.
        sizes: name of each picture, relative to the pictures' folder -> height, width.
        classes: names in the order of their numbers.

    Raises:
        StorageError: a file cannot be read.
        DamagedFileError: one is not of the format; the line is named.
        DataError: there are no pictures, or a class is named twice.
    """
    what = os.fspath(folder)
    annotated.class_places(classes, what)
    pictures = []
    for name, size in sizes.items():
        with damage.reported(what, _KIND):
            annotated.require_name(name)
        path = os.path.join(what, os.path.splitext(name)[0] + ".txt")
        text = content.read_text(path) if content.exists(path) else ""
        with damage.reported(path, _KIND):
            pictures.append(annotated.picture(name, size, _rows(text, size, classes)))
    return annotated.joined(pictures, classes, what)


def read_classes(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The names of classes in a text file, one a line (`classes.txt`).

    Raises:
        StorageError: it cannot be read.
        DamagedFileError: it names none, or one in characters that cannot be shown.
    """
    names = [line.strip() for line in content.read_text(path).split("\n")]
    names = [name for name in names if name]
    with damage.reported(os.fspath(path), "a list of classes"):
        if not names or not all(name.isprintable() for name in names):
            raise ValueError("it names no class, or one that cannot be shown")
    return tuple(names)


def _rows(
    text: str, size: tuple[int, int], classes: Sequence[str]
) -> list[tuple[Sequence[float], int, bool]]:
    rows: list[tuple[Sequence[float], int, bool]] = []
    for place, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            label, box = _line(line.split(), size)
            if label >= len(classes):
                raise ValueError(
                    f"the class {label} is beyond the {len(classes)} that are named"
                )
        except ValueError as error:
            raise ValueError(f"line {place}: {error}") from None
        rows.append((box, label, False))
    return rows


def _line(words: list[str], size: tuple[int, int]) -> tuple[int, Sequence[float]]:
    if len(words) != 5:
        raise ValueError(
            f"{len(words)} values, not the 5 of class, x, y, width and height"
        )
    label = numbers.whole(words[0])
    x, y, width, height = (annotated.number(word, "the share") for word in words[1:])
    for share in (x, y, width, height):
        if not -_SLACK <= share <= 1 + _SLACK:
            raise ValueError(
                f"{errors.brief(share)} is no share of the picture from 0 to 1; pixels "
                "are divided by its width or height"
            )
    rows, columns = size
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return label, tuple(
        corner * side for corner, side in zip(corners, (columns, rows) * 2, strict=True)
    )
