"""Pictures with boxes in a folder of one's own: COCO JSON, Pascal VOC or YOLO text."""

import os
from collections.abc import Sequence

import numpy as np

from tfpipeline import errors
from tfpipeline.data import boxed_layouts, boxed_pictures, forms, specs, splits
from tfpipeline.data import request as requests
from tfpipeline.data.own import examples, pictures
from tfpipeline.detection.annotations import annotated, coco, voc, yolo

# Names that a message lists.
_LISTED = 3


def read(spec: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Reads pictures and the boxes of all their classes as objects of one kind.

    Raises:
        DataError: annotations of several kinds, of one part twice, of pictures that are
            not there or have another size; or none has a box.
        DamagedFileError: an annotation is not of its format; names the place.
        StorageError: a file cannot be read.
    """
    names = forms.PART_NAMES
    places = boxed_layouts.find(spec.where, names)
    kinds = sorted({place.kind for place in places})
    if len(kinds) != 1:
        raise errors.DataError(
            f"{spec.where} has annotations of {errors.listed(kinds) or 'no kind'}: "
            "keep those of one kind"
        )
    parts: dict[str, list[boxed_pictures.Picture]] = {}
    classes: set[str] = set()
    dropped = 0
    for place in places:
        part = _part(place, names, len(places))
        if part in parts:
            raise errors.DataError(
                f"{spec.where} has annotations of the part '{part}' twice "
                f"({place.annotations}): keep one"
            )
        found = _annotations(place)
        classes |= set(found.classes)
        dropped += sum(each.dropped for each in found.pictures)
        parts[part] = [_picture(each, place) for each in found.pictures]
    told = f"{kinds[0]} boxes of {errors.listed(sorted(classes), _LISTED)}"
    if len(classes) > 1:
        told += ", found as one kind of object"
    if dropped:
        told += f"; {dropped} boxes without area left out"
    return boxed_pictures.dataset(spec, asked, dict(parts), told)


def _part(place: boxed_layouts.Place, names: Sequence[str], count: int) -> str:
    name = place.part or boxed_layouts.part_of_file(place.annotations, names)
    if not name:
        if count > 1:
            raise errors.DataError(
                f"{place.annotations} says no part in its name, and there are "
                f"{count}: name them after train, validation and test"
            )
        return examples.TRAIN
    return examples.PART_NAMES[name.lower()]


def _annotations(place: boxed_layouts.Place) -> annotated.Annotations:
    if place.kind == boxed_layouts.COCO:
        return coco.read(place.annotations)
    if place.kind == boxed_layouts.VOC:
        return voc.read(place.annotations)
    sizes = _sizes(place.pictures)
    return yolo.read(place.annotations, sizes, _yolo_classes(place))


def _sizes(folder: str) -> dict[str, tuple[int, int]]:
    """Name of each picture of a folder -> height and width."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise errors.StorageError(
            f"cannot read {folder}: {error.strerror or error}"
        ) from error
    return {
        name: pictures.size_of(os.path.join(folder, name))
        for name in names
        if name.lower().endswith(forms.PICTURE_SUFFIXES) and not name.startswith(".")
    }


def _yolo_classes(place: boxed_layouts.Place) -> Sequence[str]:
    """Names in classes.txt; numbers where there is none."""
    for folder in (place.annotations, os.path.dirname(place.annotations), place.root):
        path = os.path.join(folder, "classes.txt")
        if os.path.isfile(path):
            return yolo.read_classes(path)
    # All classes are one kind of object here, so that names change nothing.
    return [f"class {number}" for number in range(_MOST_CLASSES)]


# Of YOLO's text without names; its largest set, Open Images, has 601.
_MOST_CLASSES = 1_000


def _picture(
    each: annotated.Picture, place: boxed_layouts.Place
) -> boxed_pictures.Picture:
    path = os.path.join(place.pictures, *each.name.split("/"))
    if not os.path.isfile(path):
        raise errors.DataError(
            f"{place.annotations} annotates {errors.brief(each.name)}, and there is no "
            f"file {path}"
        )
    return boxed_pictures.Picture(
        each.name,
        None,
        path,
        each.height,
        each.width,
        each.boxes.astype(np.float32),
        each.ignored,
    )
