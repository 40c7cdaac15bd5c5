"""Boxes in COCO's JSON (cocodataset.org, "Data format", object detection)."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline import errors
from tfpipeline.detection.annotations import annotated
from tfpipeline.untrusted import damage, json_values

_KIND = "COCO JSON of boxes"


def read(path: str | os.PathLike[str]) -> annotated.Annotations:
    """Reads `images`, `annotations` and `categories` of a file.

    Labels are the places of the categories in ascending order of their ids. Boxes are
    x, y, width, height in pixels from 0; crowds (`iscrowd`) are ignored. Masks and all
    else are left out.

    Raises:
        StorageError: the file cannot be read.
        DamagedFileError: it is not of the format; the entry is named.
        DataError: it has no pictures, or one or a category twice.
    """
    what = os.fspath(path)
    content = json_values.read(path)
    with damage.reported(what, _KIND):
        return _annotations(content, what)


def _annotations(content: Any, what: str) -> annotated.Annotations:
    images = _entries(content, "images")
    labels, classes = _categories(_entries(content, "categories"), what)
    rows: dict[Any, list[tuple[Sequence[float], int, bool]]] = {}
    for place, image in enumerate(images):
        key = _id(image, f"images[{place}]")
        if key in rows:
            raise ValueError(f"images[{place}]: the id {key} is there twice")
        rows[key] = []
    for place, entry in enumerate(_entries(content, "annotations")):
        where = f"annotations[{place}]"
        image_rows = rows.get(entry.get("image_id"))
        if image_rows is None:
            named = errors.brief(entry.get("image_id"))
            raise ValueError(f"{where}: no image has the id {named}")
        image_rows.append(_row(entry, labels, where))
    pictures = []
    for place, image in enumerate(images):
        try:
            size = (
                annotated.side(image.get("height"), "height"),
                annotated.side(image.get("width"), "width"),
            )
            name: Any = image.get("file_name")
            pictures.append(annotated.picture(name, size, rows[image["id"]]))
        except ValueError as error:
            raise ValueError(f"images[{place}]: {error}") from None
    return annotated.joined(pictures, classes, what)


def _entries(content: Any, key: str) -> list[Mapping[str, Any]]:
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise ValueError(f"it has no list of objects '{key}'")
    return entries


def _id(entry: Mapping[str, Any], where: str) -> int | str:
    value = entry.get("id")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{where}: the id {errors.brief(value)} is no number")
    return value


def _categories(
    entries: Sequence[Mapping[str, Any]], what: str
) -> tuple[dict[Any, int], tuple[str, ...]]:
    named = {}
    for place, entry in enumerate(entries):
        key = _id(entry, f"categories[{place}]")
        if key in named or not isinstance(entry.get("name"), str):
            raise ValueError(f"categories[{place}]: the id is there twice, or no name")
        named[key] = entry["name"]
    order = sorted(named, key=lambda key: (isinstance(key, str), key))
    annotated.class_places([named[key] for key in order], what)
    return {key: place for place, key in enumerate(order)}, tuple(
        named[key] for key in order
    )


def _row(
    entry: Mapping[str, Any], labels: Mapping[Any, int], where: str
) -> tuple[Sequence[float], int, bool]:
    box = entry.get("bbox")
    try:
        if not isinstance(box, list) or len(box) != 4:
            raise ValueError("no bbox of x, y, width, height")
        x, y, width, height = (annotated.number(each, "bbox") for each in box)
        category = entry.get("category_id")
        if isinstance(category, bool | list | dict) or category not in labels:
            raise ValueError(f"no category has the id {errors.brief(category)}")
        crowd = entry.get("iscrowd", 0)
        if crowd not in (0, 1):
            raise ValueError(f"iscrowd {errors.brief(crowd)} is neither 0 nor 1")
        if width < 0 or height < 0:
            raise ValueError(f"a bbox of {width:g} x {height:g} has a side below 0")
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return (x, y, x + width, y + height), labels[category], bool(crowd)
