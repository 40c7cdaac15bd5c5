"""Boxes in the XML of Pascal VOC, one file a picture (VOC2012 development kit)."""

import os
import pathlib
from collections.abc import Sequence

from tfpipeline import errors
from tfpipeline.detection.annotations import annotated
from tfpipeline.untrusted import content, damage, xml_values

_KIND = "an annotation of Pascal VOC"
MAX_BYTES = 1 << 24
_MAX_FILES = 1_000_000


def read(
    folder: str | os.PathLike[str], classes: Sequence[str] | None = None
) -> annotated.Annotations:
    """Reads all `.xml` files of a folder.

    Boxes are xmin, ymin, xmax, ymax of pixels from 1, the last one included, so that
    they become xmin - 1 to xmax here. Those marked `difficult` are ignored, as VOC's
    own evaluation does.

    Args:
        folder: with the files, such as `Annotations`.
        classes: names in the order of their labels; None for those that occur, sorted.

    Raises:
        StorageError: a file cannot be read.
        DamagedFileError: one is not of the format.
        DataError: there are none, or a picture is annotated twice.
    """
    what = os.fspath(folder)
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".xml"))
    except (OSError, ValueError) as error:
        raise errors.StorageError(f"cannot list {what}: {error}") from error
    if not names or len(names) > _MAX_FILES:
        raise errors.DataError(f"{what} has {len(names):,} files of Pascal VOC (.xml)")
    files = [pathlib.Path(folder, name) for name in names]
    raw = [_read_file(file) for file in files]
    if classes is None:
        classes = sorted({name for _, _, rows in raw for _, name, _ in rows})
    labels = annotated.class_places(classes, what)
    pictures = []
    for file, (name, size, rows) in zip(files, raw, strict=True):
        with damage.reported(os.fspath(file), _KIND):
            unknown = sorted({label for _, label, _ in rows} - set(labels))
            if unknown:
                raise ValueError(
                    f"the class {errors.brief(unknown[0])} is none of "
                    f"{errors.listed(classes)}"
                )
            labeled = [(box, labels[label], ignored) for box, label, ignored in rows]
            pictures.append(annotated.picture(name, size, labeled))
    return annotated.joined(pictures, classes, what)


_Rows = list[tuple[Sequence[float], str, bool]]


def _read_file(file: pathlib.Path) -> tuple[str, tuple[int, int], _Rows]:
    root = xml_values.parse(content.read(file, MAX_BYTES), os.fspath(file))
    with damage.reported(os.fspath(file), _KIND):
        if root.tag != "annotation":
            raise ValueError(f"its root is <{root.tag}>, not <annotation>")
        size = root.child("size")
        height, width = (
            annotated.side(size.child(each).text, each) for each in ("height", "width")
        )
        rows = []
        for place, entry in enumerate(root.all("object")):
            try:
                rows.append(_row(entry))
            except ValueError as error:
                raise ValueError(f"object {place + 1}: {error}") from None
        return root.child("filename").text, (height, width), rows


def _row(entry: xml_values.Element) -> tuple[Sequence[float], str, bool]:
    box = entry.child("bndbox")
    x1, y1, x2, y2 = (
        annotated.number(box.child(each).text, each)
        for each in ("xmin", "ymin", "xmax", "ymax")
    )
    name = entry.child("name").text
    if not name or not name.isprintable():
        raise ValueError("the name of its class is empty, or cannot be shown")
    difficult = entry.all("difficult")
    mark = difficult[0].text if difficult else "0"
    if mark not in ("0", "1"):
        raise ValueError(f"difficult {errors.brief(mark)} is neither 0 nor 1")
    return (x1 - 1, y1 - 1, x2, y2), name, mark == "1"
