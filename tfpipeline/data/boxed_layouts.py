"""Where boxes and pictures stand in a folder of one's own; looks at names alone.

    Pascal VOC   Annotations/*.xml, pictures in JPEGImages, images, or beside
    YOLO         labels/*.txt, pictures in images; names in classes.txt
    COCO         annotations.json, annotations/*.json or _annotations.coco.json;
                 pictures in images, or beside

each in the folder itself, or in train, validation and test folders of it; or with such
folders in labels and images. COCO files with a part in their name are of that part.
"""

import dataclasses
import os
from collections.abc import Sequence

VOC, YOLO, COCO = "Pascal VOC", "YOLO", "COCO"
_VOC_FOLDERS = ("Annotations", "annotations")
_PICTURE_FOLDERS = ("images", "JPEGImages")
_COCO_FILES = ("annotations.json", "_annotations.coco.json")
LABELS, IMAGES, ANNOTATIONS = "labels", "images", "annotations"


@dataclasses.dataclass(frozen=True)
class Place:
    """Boxes of some pictures.

    Attributes:
        kind: of the annotations.
        part: name of its part as the folder or the file spells it; "" without.
        annotations: file (COCO) or folder.
        pictures: their folder.
        root: where names of classes may stand.
    """

    kind: str
    part: str
    annotations: str
    pictures: str
    root: str


def find(root: str, part_names: Sequence[str]) -> tuple[Place, ...]:
    """All places of a folder; none where there are no boxes.

    Args:
        root: the folder.
        part_names: names that parts may have, in lower case.
    """
    places = _places(root, "", root)
    for name in _names(root):
        if name.lower() in part_names:
            places += _places(os.path.join(root, name), name, root)
    labels = os.path.join(root, LABELS)
    for name in _names(labels):
        folder = os.path.join(labels, name)
        if name.lower() in part_names and _holds(folder, ".txt"):
            images = os.path.join(root, IMAGES, name)
            places.append(Place(YOLO, name, folder, images, root))
    return tuple(places)


def part_of_file(path: str, part_names: Sequence[str]) -> str:
    """The part in a file's name, such as of instances_train2017.json; "" without."""
    name = os.path.splitext(os.path.basename(path))[0].lower()
    words = "".join(c if c.isalpha() else " " for c in name).split()
    return next((word for word in words if word in part_names), "")


def _places(folder: str, part: str, root: str) -> list[Place]:
    pictures = folder
    for name in _PICTURE_FOLDERS:
        if os.path.isdir(os.path.join(folder, name)):
            pictures = os.path.join(folder, name)
            break
    found = []
    for name in _VOC_FOLDERS:
        annotations = os.path.join(folder, name)
        if _holds(annotations, ".xml"):
            found.append(Place(VOC, part, annotations, pictures, root))
            break
    labels = os.path.join(folder, LABELS)
    if _holds(labels, ".txt") and os.path.isdir(os.path.join(folder, IMAGES)):
        found.append(Place(YOLO, part, labels, pictures, root))
    files = [os.path.join(folder, name) for name in _COCO_FILES]
    annotations = os.path.join(folder, ANNOTATIONS)
    files += [
        os.path.join(annotations, name)
        for name in _names(annotations)
        if name.lower().endswith(".json")
    ]
    found += [
        Place(COCO, part, file, pictures, root)
        for file in files
        if os.path.isfile(file)
    ]
    return found


def _holds(folder: str, suffix: str) -> bool:
    return any(
        name.lower().endswith(suffix) and name != "classes.txt"
        for name in _names(folder)
    )


def _names(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    # A ValueError is a NUL in the name.
    except (OSError, ValueError):
        return []
