"""Pictures of a study, read one at a time, with what is known of them."""

import csv
import dataclasses
import io
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import disk, errors
from tfpipeline.data import forms, mask_layouts, prepared_folders
from tfpipeline.data.own import mask_folders, pictures
from tfpipeline.detection import boxes as boxes_lib
from tfpipeline.detection.annotations import annotated, coco, voc, yolo
from tfpipeline.untrusted import content

LFW = "lfw"
_LFW_FOLDERS = ("lfw_crop128", "lfw")
_CLASSES_FILE = "classes.txt"


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """A picture.

    Attributes:
        name: tells it from all others of its source.
        picture: uint8 [H, W, 3], RGB.
        label: number of its class; None where there is none.
        boxes: float64 [N, 4] of its objects, x1, y1, x2, y2; None where not annotated.
        ignored: bool [N], objects that do not count.
        mask: uint8 [H, W], the class of each pixel, 255 where it does not count; None
            where there is none.
    """

    name: str
    picture: npt.NDArray[np.uint8]
    label: int | None = None
    boxes: npt.NDArray[np.float64] | None = None
    ignored: npt.NDArray[np.bool_] | None = None
    mask: npt.NDArray[np.uint8] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """Pictures of one place.

    Attributes:
        count: how many there are.
        read: reads them all anew, in the same order.
        digest: other pictures, or other facts of them, have another one.
        keys: tells each picture from all others, also of another source of its kind:
            the digest of a file, or its place in a prepared set.
        classes: names of the labels; empty where there are none.
    """

    count: int
    read: Callable[[], Iterator[Sample]]
    digest: str
    keys: frozenset[str]
    classes: tuple[str, ...] = ()


def spread(count: int, limit: int | None) -> npt.NDArray[np.int64]:
    """Places of so many of `count`, evenly spaced."""
    kept = min(count, limit or count)
    return np.arange(kept) * count // kept if kept else np.empty(0, np.int64)


def of_classes(
    folder: str, labels_csv: str | None = None, limit: int | None = None
) -> Source:
    """Pictures of classes: a folder a class, or those that a CSV lists.

    Args:
        folder: of the pictures.
        labels_csv: with the columns `file`, relative to `folder`, and `label`: whole
            numbers from 0, or names, whose numbers are their places in order.
        limit: so many, evenly spaced.

    Raises:
        DataError: there are none, or the CSV is not of this form.
    """
    root = _folder(folder)
    if labels_csv is None:
        classes = tuple(sorted(each.name for each in root.iterdir() if each.is_dir()))
        files = [
            (path, place)
            for place, name in enumerate(classes)
            for path in _pictures_below(root / name)
        ]
        if not files:
            raise errors.DataError(
                f"'{folder}' has no folder with pictures: give a folder a class, or "
                "--labels=FILE.csv with the columns file and label"
            )
    else:
        rows = _table(labels_csv, ("file", "label"))
        classes, numbers = _numbered([row["label"] for row in rows])
        files = [(root / row["file"], n) for row, n in zip(rows, numbers, strict=True)]
    files = [files[place] for place in spread(len(files), limit)]

    def read() -> Iterator[Sample]:
        for path, label in files:
            yield Sample(_name(path, root), _picture(path), label)

    return Source(len(files), read, *_identity(files), classes)


def of_pictures(folder: str, limit: int | None = None) -> Source:
    """All pictures below a folder.

    Raises:
        DataError: there is none.
    """
    root = _folder(folder)
    files = _pictures_below(root)
    files = [files[place] for place in spread(len(files), limit)]
    if not files:
        raise errors.DataError(f"there is no picture below '{folder}'")

    def read() -> Iterator[Sample]:
        for path in files:
            yield Sample(_name(path, root), _picture(path))

    return Source(len(files), read, *_identity([(path, 0) for path in files]))


def of_masks(folder: str, limit: int | None = None) -> Source:
    """Pictures in `images` and a PNG of class numbers of each in `masks`.

    Raises:
        DataError: there are none, a mask is missing, or is none.
    """
    root = _folder(folder)
    places = {
        place.part: place for place in mask_layouts.find(folder, forms.PART_NAMES)
    }
    if "" not in places:
        parts = ", ".join(os.path.join(folder, part) for part in sorted(places))
        raise errors.DataError(
            f"'{folder}' has no folders images and masks"
            + (f"; give one of its parts: {parts}" if parts else "")
        )
    found = mask_folders.pairs_of(places[""])
    files = [found[place] for place in spread(len(found), limit)]
    masks = [mask_folders.read_one(*pair) for pair in files]
    classes = mask_folders.classes_of(folder, masks)

    def read() -> Iterator[Sample]:
        for (path, _), mask in zip(files, masks, strict=True):
            picture = pathlib.Path(path)
            numbers = classes.numbers(mask)
            yield Sample(_name(picture, root), _picture(picture), mask=numbers)

    known = [
        (pathlib.Path(path), disk.digest_behind(pathlib.Path(mask)))
        for path, mask in files
    ]
    return Source(len(files), read, *_identity(known), classes.names)


def of_annotations(folder: str, where: str, limit: int | None = None) -> Source:
    """A folder of pictures with boxes in COCO's, Pascal VOC's or YOLO's files.

    Boxes of all classes count as one kind of object.

    Raises:
        DataError: the pictures or the annotations are not there.
        DamagedFileError: an annotation is not of its format.
    """
    root = _folder(folder)
    found = _annotations(root, pathlib.Path(where))
    chosen = [found.pictures[i] for i in spread(len(found.pictures), limit)]

    def read() -> Iterator[Sample]:
        for each in chosen:
            picture = _picture(root / each.name)
            yield Sample(each.name, picture, None, each.boxes, each.ignored)

    described = [(root / each.name, each.boxes.tolist()) for each in chosen]
    return Source(len(chosen), read, *_identity(described))


def of_scenes(text: str, data_dir: str | None, limit: int | None = None) -> Source:
    """`NAME:SPLIT` of a prepared TFDS set with the features of `wider_face`.

    Faces marked as not recognizable do not count.

    Raises:
        DataError: it is not there.
    """
    name, _, split = text.partition(":")
    root = data_dir or prepared_folders.default_root()
    folder = prepared_folders.require(name, (name,), root)
    from tfpipeline.data import scenes, tfds_source

    builder = tfds_source.open_prepared(folder)
    total = tfds_source.num_examples(builder, split)
    chosen = scenes.Scenes(builder, split, spread(total, limit))

    def read() -> Iterator[Sample]:
        for each in chosen:
            boxes = boxes_lib.from_rows_first(each.boxes).astype(np.float64)
            yield Sample(each.name, each.image, None, boxes, ~each.is_valid)

    info = disk.digest_behind(folder / prepared_folders.INFO_FILE)
    digest = _digest_of([info, split, total, limit])
    keys = frozenset(f"{info} {split} {place}" for place in chosen.positions)
    return Source(len(chosen), read, digest, keys)


def of_lfw(
    data_dir: str | None, wanted: Callable[[list[str]], Sequence[int]]
) -> Source:
    """Photographs of a prepared LFW with the feature `filename`.

    Args:
        data_dir: as --data_dir.
        wanted: chooses places of the file names that it is given.

    Raises:
        DataError: it is not there, or has no file names.
    """
    root = data_dir or prepared_folders.default_root()
    folder = prepared_folders.require(LFW, _LFW_FOLDERS, root)
    from tfpipeline.data import lfw_people, tfds_source

    builder = tfds_source.open_prepared(folder)
    names = list(lfw_people.file_names(builder))
    places = np.unique(np.asarray(wanted(names), np.int64))

    def read() -> Iterator[Sample]:
        examples = tfds_source.read_examples(builder, "train", places)
        for place, example in zip(places, examples, strict=True):
            yield Sample(names[place], example["image"])

    info = disk.digest_behind(folder / prepared_folders.INFO_FILE)
    chosen = [names[place] for place in places]
    keys = frozenset(f"{info} {name}" for name in chosen)
    return Source(len(places), read, _digest_of([info, chosen]), keys)


def of_names(folder: str, names: Sequence[str]) -> Source:
    """Pictures of a folder by their names below it.

    Raises:
        DataError: one is not there.
    """
    root = _folder(folder)
    files = [root / name for name in dict.fromkeys(names)]

    def read() -> Iterator[Sample]:
        for path in files:
            yield Sample(_name(path, root), _picture(path))

    return Source(len(files), read, *_identity([(path, 0) for path in files]))


def people_of(folder: str) -> dict[str, list[str]]:
    """Person -> names of the pictures below the folder of that name.

    Raises:
        DataError: there are fewer than two people.
    """
    root = _folder(folder)
    found = {
        each.name: [_name(path, root) for path in _pictures_below(each)]
        for each in sorted(root.iterdir())
        if each.is_dir()
    }
    people = {name: files for name, files in found.items() if files}
    if len(people) < 2:
        raise errors.DataError(f"'{folder}' has no two folders of people's pictures")
    return people


def table(path: str, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a CSV with a head.

    Raises:
        DataError: it cannot be read, or lacks a column.
    """
    return _table(path, columns)


def _annotations(root: pathlib.Path, where: pathlib.Path) -> annotated.Annotations:
    if where.suffix.lower() == ".json":
        return coco.read(where)
    if not where.is_dir():
        raise errors.DataError(
            f"--annotations must be a .json file or a folder that exists; found "
            f"'{where}'"
        )
    if any(each.suffix == ".xml" for each in where.iterdir()):
        return voc.read(where)
    classes_file = where / _CLASSES_FILE
    if not classes_file.is_file():
        raise errors.DataError(
            f"'{where}' has neither .xml of Pascal VOC nor YOLO's {_CLASSES_FILE}"
        )
    sizes = {
        _name(path, root): pictures.look([str(path)]).size
        for path in _pictures_below(root)
    }
    return yolo.read(where, sizes, yolo.read_classes(classes_file))


def _table(path: str, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        text = content.read_text(path)
    except errors.StorageError as error:
        raise errors.DataError(str(error)) from error
    reader = csv.DictReader(io.StringIO(text))
    absent = [name for name in columns if name not in (reader.fieldnames or ())]
    if absent:
        raise errors.DataError(
            f"{path} has no column {', '.join(absent)}: its first line must name "
            f"{', '.join(columns)}"
        )
    rows = list(reader)
    short = [n for n, row in enumerate(rows, 2) if not all(row[c] for c in columns)]
    if short or not rows:
        place = f"line {short[0]} lacks a value" if short else "it has no rows"
        raise errors.DataError(f"{path}: {place}")
    return rows


def _numbered(labels: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    if all(label.isdecimal() for label in labels):
        numbers = [int(label) for label in labels]
        return tuple(map(str, range(max(numbers) + 1))), numbers
    classes = tuple(sorted(set(labels)))
    return classes, [classes.index(label) for label in labels]


def _folder(folder: str) -> pathlib.Path:
    root = pathlib.Path(folder)
    if not content.exists(root) or not root.is_dir():
        raise errors.DataError(f"there is no folder '{folder}'")
    return root


def _pictures_below(folder: pathlib.Path) -> list[pathlib.Path]:
    found = (each for each in folder.rglob("*") if each.is_file())
    return sorted(p for p in found if p.suffix.lower() in forms.PICTURE_SUFFIXES)


def _picture(path: pathlib.Path) -> npt.NDArray[np.uint8]:
    text = os.fspath(path)
    size = pictures.look([text]).size
    return np.asarray(pictures.read_one(text, pictures.Look(size, 3)), np.uint8)


def _name(path: pathlib.Path, root: pathlib.Path) -> str:
    return path.relative_to(root).as_posix()


def _identity(
    files: Sequence[tuple[pathlib.Path, Any]],
) -> tuple[str, frozenset[str]]:
    """The digest of files' content and what is known of each, and the files' own."""
    absent = [path for path, _ in files if not content.exists(path)]
    if absent:
        raise errors.DataError(f"there is no picture '{absent[0]}'")
    digests = [str(disk.digest_behind(path)) for path, _ in files]
    known = [each for _, each in files]
    described = list(zip(digests, known, strict=True))
    return _digest_of(described), frozenset(digests)


def _digest_of(values: Any) -> str:
    return disk.digest(repr(values).encode())
