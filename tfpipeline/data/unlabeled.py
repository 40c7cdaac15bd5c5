"""Pictures that nobody says anything of: for a teacher to describe."""

import os

import numpy as np

from tfpipeline import errors
from tfpipeline.data import forms
from tfpipeline.data.own import class_folders, pictures
from tfpipeline.untrusted import arrays


def read(where: str, side: int) -> np.ndarray:
    """Pictures in color, stretched to a square.

    Args:
        where: a folder, read with all folders in it, in the order of the paths; or an
            .npz with one uint8 array [N, H, W, 1 or 3].
        side: of the square, pixels.

    Returns:
        uint8 [N, side, side, 3].

    Raises:
        DataError: there is none, or one is damaged.
        StorageError: the place cannot be read.
    """
    look = pictures.Look((side, side), 3)
    if not where.lower().endswith(".npz"):
        paths = class_folders.below(where, forms.PICTURE_SUFFIXES)
        if not paths:
            raise errors.DataError(f"--unlabeled={where} holds no picture")
        return np.concatenate(list(pictures.read(paths, look)))
    stored = arrays.read_npz(os.fspath(where))
    found = [each for each in stored.values() if each.ndim == 4]
    if (
        len(found) != 1
        or found[0].dtype != np.uint8
        or found[0].shape[3] not in (1, 3)
        or not len(found[0])
    ):
        raise errors.DataError(
            f"--unlabeled={where} must hold one array of pictures, uint8 [N, H, W, 1 "
            "or 3]"
        )
    return np.stack([pictures.of_pixels(each, look) for each in found[0]])
