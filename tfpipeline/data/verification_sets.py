"""The data sets for verification by name."""

import dataclasses
import os

from tfpipeline import errors
from tfpipeline.data import lfw_people, people, procedural_people, specs

NAMES = specs.VERIFICATION
# Of each made-up person.
PROCEDURAL_PHOTOGRAPHS = 12


def load(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    pairs: str | os.PathLike[str] | None = None,
    side: int = lfw_people.SIDE,
    photographs: int = PROCEDURAL_PHOTOGRAPHS,
    keeps_colors: bool = False,
) -> people.People:
    """Loads gray photographs and their pairs into memory.

    Args:
        name: one of NAMES.
        data_dir: of `lfw`: where it was prepared (see lfw_people.read).
        pairs: of `lfw`: the file `pairs.txt`.
        side: of the images, pixels; a divisor of 128.
        photographs: of each person of `procedural_faces`.
        keeps_colors: whether photographs are kept in color as well, at their full size.

    Raises:
        UsageError: an unknown name, or `lfw` without pairs.
        DataError: the data set cannot be read.
    """
    if name == "lfw":
        if pairs is None:
            raise errors.UsageError(
                "--dataset=lfw needs --pairs=FILE, the pairs.txt of its View 2"
            )
        found = lfw_people.read(data_dir, pairs, keeps_colors=keeps_colors)
    elif name == procedural_people.NAME:
        found = procedural_people.read(photographs)
    else:
        raise errors.UsageError(
            f"unknown data set '{name}'. Choose one of: {', '.join(NAMES)}"
        )
    return dataclasses.replace(found, images=people.box_resized(found.images, side))
