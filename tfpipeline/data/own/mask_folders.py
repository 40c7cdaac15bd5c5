"""Pictures and masks of the same names, in the folders `images` and `masks`."""

import dataclasses
import os
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from tfpipeline import errors
from tfpipeline.data import forms, mask_layouts, specs, splits
from tfpipeline.data import request as requests
from tfpipeline.data.own import examples, picture_folders, pictures
from tfpipeline.untrusted import content

# The number of what is not labeled; also white, in masks of two values.
_WHITE = 255
_MAX_BYTES = 1 << 28
# Class numbers of one mask; more are a photograph.
_MODES = ("1", "L", "P")


def read(spec: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Reads pictures, and masks whose pixels are class numbers.

    A mask is a PNG of gray or of a palette, whose index counts; 255 is not labeled.
    Where all masks are black and white alone, white is class 1. Names of classes stand
    in classes.txt, one a line; else they are numbers. Resized masks take the nearest
    pixel.

    Raises:
        DataError: a picture has no mask, another size than it, or is damaged; a mask
            has colors, or a class that classes.txt does not name.
        StorageError: a file or a folder cannot be read.
    """
    reading = asked.reading
    found = {
        examples.PART_NAMES.get(place.part.lower(), examples.TRAIN): pairs_of(place)
        for place in mask_layouts.find(spec.where, forms.PART_NAMES)
    }
    paths = [picture for pairs in found.values() for picture, _ in pairs]
    look = pictures.look(paths, reading.height_and_width, reading.grayscale)
    masks = {
        part: np.concatenate(list(_masks(pairs, look.size)))
        for part, pairs in found.items()
    }
    classes = classes_of(spec.where, masks.values())
    masks = {part: classes.numbers(each) for part, each in masks.items()}
    parts = {
        part: examples.Examples(
            masks[part],
            look.shape,
            np.dtype(np.uint8),
            picture_folders.reader_of([picture for picture, _ in pairs], look),
            where=[picture for picture, _ in pairs].__getitem__,
            key=f"{[_state(path) for pair in pairs for path in pair]} {look}",
        )
        for part, pairs in found.items()
    }
    return examples.dataset(spec, asked, parts, classes.names)


@dataclasses.dataclass(frozen=True)
class Classes:
    """What the values of masks stand for.

    Attributes:
        names: of the classes, in the order of their numbers.
        is_black_and_white: whether white alone marks class 1.
    """

    names: tuple[str, ...]
    is_black_and_white: bool

    def numbers(self, mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Class numbers of a mask's values, 255 of what is not labeled."""
        return (mask == _WHITE).astype(np.uint8) if self.is_black_and_white else mask


def classes_of(root: str, masks: Iterable[npt.NDArray[np.uint8]]) -> Classes:
    """The classes of all masks together.

    Args:
        root: the folder, where classes.txt may name them.
        masks: uint8 of any shape.

    Raises:
        DataError: classes.txt does not name them all.
    """
    values = np.unique(np.concatenate([np.unique(each) for each in masks]))
    is_black_and_white = set(values.tolist()) == {0, _WHITE}
    numbers = np.array([0, 1]) if is_black_and_white else values[values != _WHITE]
    return Classes(_names(root, numbers), is_black_and_white)


def pairs_of(place: mask_layouts.Place) -> list[tuple[str, str]]:
    """Paths of each picture and of its mask.

    Raises:
        DataError: a picture has no mask, or there is none.
        StorageError: a folder cannot be read.
    """
    masks = {os.path.splitext(name)[0]: name for name in _files(place.masks, (".png",))}
    pairs = []
    for name in _files(place.pictures, forms.PICTURE_SUFFIXES):
        path = os.path.join(place.pictures, name)
        stem = os.path.splitext(name)[0]
        if stem not in masks:
            raise errors.DataError(
                f"{path} has no mask {os.path.join(place.masks, stem)}.png: add it, or "
                "remove the picture"
            )
        pairs.append((path, os.path.join(place.masks, masks[stem])))
    if not pairs:
        raise errors.DataError(f"{place.pictures} holds no picture")
    return pairs


def _files(folder: str, suffixes: tuple[str, ...]) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise errors.StorageError(
            f"cannot read {folder}: {error.strerror or error}"
        ) from error
    return [
        name
        for name in names
        if name.lower().endswith(suffixes) and not name.startswith(".")
    ]


def _masks(
    pairs: list[tuple[str, str]], size: pictures.Size
) -> Iterator[npt.NDArray[np.uint8]]:
    """uint8 [m, H, W]."""
    yield from pictures.in_chunks(pairs, lambda pair: resized(read_one(*pair), size))


def read_one(picture: str, path: str) -> npt.NDArray[np.uint8]:
    """The values of a mask, uint8 [H, W] of its picture's size.

    Raises:
        DataError: it has colors, another size than its picture, or is damaged.
    """
    with pictures.opened(path, path) as mask:
        if mask.mode not in _MODES:
            raise errors.DataError(
                f"{path} has the mode {mask.mode}: a mask is a PNG of gray or of a "
                "palette, whose values are class numbers"
            )
        if (mask.height, mask.width) != pictures.size_of(picture):
            raise errors.DataError(
                f"{path} has {mask.width}x{mask.height} pixels, its picture "
                f"{picture} others: they must be alike"
            )
        return np.asarray(mask.convert("L") if mask.mode == "1" else mask, np.uint8)


def resized(mask: npt.NDArray[np.uint8], size: pictures.Size) -> npt.NDArray[np.uint8]:
    """A mask in another height and width, of the nearest pixels."""
    if mask.shape == size:
        return mask
    image = Image.fromarray(mask)
    return np.asarray(image.resize(size[::-1], Image.Resampling.NEAREST))


def _names(root: str, values: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    path = os.path.join(root, "classes.txt")
    largest = int(values.max(initial=0))
    if not os.path.isfile(path):
        return tuple(map(str, range(largest + 1)))
    lines = content.read_text(path).split("\n")
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) <= largest or not all(name.isprintable() for name in names):
        raise errors.DataError(
            f"{path} names {len(names)} classes, and the masks have class {largest}: "
            "name all of them, one a line from class 0 on"
        )
    return names


def _state(path: str) -> str:
    found = os.stat(path)
    return f"{path} {found.st_size} {found.st_mtime_ns}"
