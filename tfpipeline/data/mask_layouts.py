"""Where pictures and their masks stand in a folder of one's own; looks at names alone.

`images` and `masks`, in the folder itself or in train, validation and test folders of
it.
"""

import dataclasses
import os
from collections.abc import Sequence

IMAGES, MASKS = "images", "masks"


@dataclasses.dataclass(frozen=True)
class Place:
    """Pictures with masks.

    Attributes:
        part: name of its part as the folder spells it; "" without.
        pictures, masks: the folders.
    """

    part: str
    pictures: str
    masks: str


def find(root: str, part_names: Sequence[str]) -> tuple[Place, ...]:
    """All places of a folder; none where there are no masks.

    Args:
        root: the folder.
        part_names: names that parts may have, in lower case.
    """
    parts = [("", root)]
    try:
        parts += [
            (name, os.path.join(root, name))
            for name in sorted(os.listdir(root))
            if name.lower() in part_names
        ]
    # A ValueError is a NUL in the name.
    except (OSError, ValueError):
        return ()
    return tuple(
        Place(part, os.path.join(folder, IMAGES), os.path.join(folder, MASKS))
        for part, folder in parts
        if os.path.isdir(os.path.join(folder, IMAGES))
        and os.path.isdir(os.path.join(folder, MASKS))
    )
