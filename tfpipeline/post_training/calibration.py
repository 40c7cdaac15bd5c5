"""Calibration data: the user's files, as the network reads them."""

import dataclasses
import functools
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.pictures import png_images
from tfpipeline.post_training import input_range
from tfpipeline.untrusted import arrays, content

Array = npt.NDArray[np.float32]

HELP = (
    "Inputs like those of the field, which decide the ranges of a float network that "
    "is quantized after training: a folder of .png or .npy with one each, one .npy or "
    ".npz of [N, ...], or data as train's --dataset takes them, whose train split is "
    "read; some hundred are enough."
)
# Ranges settle with some hundred inputs; of more, these are taken, evenly spaced.
MAX_INPUTS = 1024
# Of all of them in float32, for networks of large pictures.
MAX_BYTES = 1 << 30

_ARRAYS = (".npy", ".npz")
_INPUTS = (".npy", ".png")
# Arrays of an .npz that is a data set (docs/data.md).
_SETS = frozenset({"x", "x_train"})


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """Where calibration data come from.

    Attributes:
        title: names it, for messages.
        are_pictures: whether it holds pixels, which the network takes scaled.
        read: (shape of one input, what the network takes of pixels) -> float32
            `[N, *shape]`; raises as `read` does.
    """

    title: str
    are_pictures: bool
    read: Callable[[tuple[int, ...], input_range.InputRange], Array]


def of_files(path: str) -> Source:
    """The files of `read`."""
    return Source(path, are_pictures(path), functools.partial(read, path))


def of_stored(title: str, stored: arrays.Array) -> Source:
    """Inputs of a data set.

    Args:
        title: names it, for messages.
        stored: `[N, ...]`, of which as many as `read` takes are taken: uint8, which are
            pixels, or float32 as the network takes them.
    """
    is_of_pixels = stored.dtype == np.uint8

    def values(shape: tuple[int, ...], pixels: input_range.InputRange) -> Array:
        if stored.shape[1:] != shape:
            raise errors.DataError(
                f"'{title}' has inputs of shape {list(stored.shape[1:])}; the network "
                f"reads {list(shape)}"
            )
        chosen = stored[_spread(len(stored), _limit(shape))]
        return pixels.of_pixels(chosen) if is_of_pixels else chosen.astype(np.float32)

    return Source(title, is_of_pixels, values)


def holds_inputs(path: str) -> bool:
    """Whether a path is of the files that `read` takes, by what stands there."""
    place = pathlib.Path(path)
    if not content.exists(place):
        return False
    if place.is_dir():
        return any(file.suffix.lower() in _INPUTS for file in place.iterdir())
    if place.suffix.lower() == ".npz":
        # With inputs and targets it is a data set.
        stored = _stored(place)
        return isinstance(stored, np.ndarray) or _SETS.isdisjoint(stored)
    return place.suffix.lower() in _ARRAYS


def read(path: str, shape: tuple[int, ...], pixels: input_range.InputRange) -> Array:
    """Reads calibration data.

    Args:
        path: a `.npy` or `.npz` file of numbers `[N, *shape]` as the network takes
            them, or a folder of `.npy` files with an input each, or of `.png` files.
        shape: of the network's input, without the batch.
        pixels: what the network takes of a picture's pixels.

    Returns:
        float32 `[N, *shape]`, in the order of the files' names; of more than
        `MAX_INPUTS`, or than fit `MAX_BYTES`, as many, evenly spaced.

    Raises:
        UsageError: neither such a file nor a folder with any.
        DataError: a file cannot be read, or holds another shape, or what is no number.
    """
    place = pathlib.Path(path)
    limit = _limit(shape)
    try:
        if place.is_dir():
            return _of_folder(place, shape, pixels, limit)
        exists = place.exists()
    # ValueError: a NUL in the name.
    except (OSError, ValueError) as error:
        raise errors.UsageError(f"cannot read {errors.brief(path)}: {error}") from None
    if place.suffix.lower() not in _ARRAYS or not exists:
        raise errors.UsageError(
            "--calibration must name a .npy or .npz file, or a folder of .png or .npy "
            f"inputs, that exists; found {errors.brief(path)}"
        )
    stored = _array(place)
    _require(place, stored, shape)
    return _checked(place, stored[_spread(len(stored), limit)], shape)


def are_pictures(path: str) -> bool:
    """Whether calibration data are pictures, whose pixels have to be scaled."""
    place = pathlib.Path(path)
    if not content.exists(place) or not place.is_dir():
        return False
    return any(file.suffix.lower() == ".png" for file in place.iterdir())


def _of_folder(
    folder: pathlib.Path,
    shape: tuple[int, ...],
    pixels: input_range.InputRange,
    limit: int,
) -> Array:
    files = files_of(folder)
    chosen = [files[i] for i in _spread(len(files), limit)]
    return np.stack([_single(file, shape, pixels) for file in chosen])


def files_of(folder: pathlib.Path) -> list[pathlib.Path]:
    """The inputs in a folder, sorted.

    Raises:
        UsageError: there is none.
    """
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in _INPUTS)
    if not files:
        raise errors.UsageError(f"the folder '{folder}' holds no .png and no .npy")
    return files


def _limit(shape: tuple[int, ...]) -> int:
    """How many inputs are taken."""
    return max(1, min(MAX_INPUTS, MAX_BYTES // (4 * math.prod(shape))))


def _spread(total: int, limit: int) -> Sequence[int]:
    count = min(total, limit)
    return [i * total // count for i in range(count)]


def _single(
    file: pathlib.Path, shape: tuple[int, ...], pixels: input_range.InputRange
) -> Array:
    if file.suffix.lower() == ".npy":
        stored: Array = _checked(file, _array(file)[np.newaxis], shape)[0]
        return stored
    try:
        image = png_images.read(content.read(file))
    except (errors.StorageError, errors.DataError) as error:
        raise errors.DataError(f"cannot read {file}: {error}") from error
    picture: Array = _checked(file, pixels.of_pixels(image)[np.newaxis], shape)[0]
    return picture


def _array(file: pathlib.Path) -> arrays.Array:
    """The array of a `.npy`, or the one of an `.npz`, called `images` if of several."""
    stored = _stored(file)
    if isinstance(stored, np.ndarray):
        return stored
    if "images" in stored:
        return stored["images"]
    if len(stored) == 1:
        return next(iter(stored.values()))
    raise errors.DataError(
        f"{file} must hold one array, or one called 'images', or be a data set with "
        f"'x' or 'x_train'; it has {errors.listed(stored) or 'none'}"
    )


def _stored(file: pathlib.Path) -> arrays.Array | Mapping[str, arrays.Array]:
    """What a file holds: an array, or several by name."""
    try:
        data = content.read(file)
        if arrays.is_npy(data):
            return arrays.parse_npy(data, str(file))
        return arrays.parse_npz(data, str(file))
    except errors.StorageError as error:
        raise errors.DataError(str(error)) from error


def _require(file: pathlib.Path, values: arrays.Array, shape: tuple[int, ...]) -> None:
    fits = values.ndim and len(values) and values.shape[1:] == shape
    if not fits or values.dtype.kind not in "iuf":
        sizes = ", ".join(map(str, shape))
        raise errors.DataError(
            f"{file} must hold numbers of shape (N, {sizes}), N >= 1, as the network "
            f"reads them; found {values.dtype} {errors.brief(values.shape)}"
        )


def _checked(file: pathlib.Path, values: arrays.Array, shape: tuple[int, ...]) -> Array:
    _require(file, values, shape)
    with np.errstate(over="ignore"):  # Infinite then, and told below.
        result: Array = values.astype(np.float32)
    if not np.isfinite(result).all():
        raise errors.DataError(f"{file} holds what is not a finite number in float32")
    return result
