"""Sample inputs from files: an image, or the array that the vendor's tool reads."""

import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.pictures import png_images
from tfpipeline.targets.max78000 import arithmetic
from tfpipeline.untrusted import arrays, content

SUFFIXES = (".npy", ".png")


def read(file: str, shape: Sequence[int]) -> npt.NDArray[np.int8]:
    """The input of a network.

    Args:
        file: a PNG, whose pixels count from -128, or a `.npy` of integers from -128 to
            127, channels first.
        shape: of the input without the batch, channels last.

    Returns:
        int8 of `shape`.

    Raises:
        UsageError: a file of another kind.
        DataError: it cannot be read, or holds another shape or larger values.
    """
    path = pathlib.Path(file)
    if path.suffix.lower() not in SUFFIXES:
        raise errors.UsageError(
            f"the sample '{path}' must be one of {', '.join(SUFFIXES)}"
        )
    try:
        if path.suffix.lower() == ".png":
            values = png_images.read(content.read(path)).astype(np.int64)
            values += arithmetic.MIN_VALUE
        else:
            stored = arrays.read_npy(path)
            _require_shape(path, stored, (shape[-1], *shape[:-1]), "channels first")
            values = np.moveaxis(stored, 0, -1)
    except errors.StorageError as error:
        raise errors.DataError(f"the sample: {error}") from error
    _require_shape(path, values, tuple(shape), "channels last")
    if values.min() < arithmetic.MIN_VALUE or values.max() > arithmetic.MAX_VALUE:
        raise errors.DataError(
            f"the sample {path} must hold values from -128 to 127; found "
            f"{values.min()} to {values.max()}"
        )
    return values.astype(np.int8)


def _require_shape(
    path: pathlib.Path,
    values: npt.NDArray[np.generic],
    shape: tuple[int, ...],
    order: str,
) -> None:
    """Checks what a file holds, in the order of the file's own axes."""
    if values.shape != shape or values.dtype.kind not in "iu":
        raise errors.DataError(
            f"the sample {path} must hold integers of shape {shape}, {order}; found "
            f"{values.dtype} {values.shape}"
        )
