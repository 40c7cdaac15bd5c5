"""Face / no-face crops: square windows cut from scenes with face boxes.

Random windows of 200x200 pixels, ambiguous ones removed, the rest resized to 88x88, as
the first of the studies does it ("Face detection using MAX78000", dataset
preprocessing; it gives neither the rule for ambiguous nor the number of windows, so the
rule below is this project's own):

* **face**: the window holds at least one whole box whose shorter side is 40 pixels or
  more and which the source does not mark as invalid;
* **no face**: the window touches no box at all, of whatever size, valid or not;
* **ambiguous**, and removed: every other window (a face cut by the window's edge, a
  face too small, an invalid one).

A scene whose shorter side is below the window is first enlarged until that side equals
the window, its boxes with it. Random windows alone hold few whole faces in crowded
scenes, so windows are drawn around each eligible box as well. A face larger than the
window never counts: each window on it is ambiguous.
"""

import dataclasses
import zlib
from collections.abc import Iterable

import numpy as np
from PIL import Image

from tfpipeline import errors
from tfpipeline.data import scenes

NO_FACE, FACE, AMBIGUOUS = 0, 1, 2
CLASS_NAMES = ("no_face", "face")
# Second number of the seeds: for the windows, and for the crops that are left out.
_WINDOW_STREAM, _BALANCE_STREAM = 0, 1


@dataclasses.dataclass(frozen=True)
class CropParameters:
    """How crops are drawn.

    Attributes:
        window_size: side of a window in the scene, pixels.
        output_size: side of a crop after resizing, pixels.
        min_face_side: shorter side that a box must have to count as a face, pixels.
        random_windows: windows drawn anywhere, a scene.
        windows_per_face: windows drawn around each eligible face.
        max_per_class: crops kept of each class; scenes after that are not read.
        seed: two seeds give different windows, one seed always the same.
    """

    window_size: int = 200
    output_size: int = 88
    min_face_side: int = 40
    random_windows: int = 12
    windows_per_face: int = 3
    max_per_class: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name in ("seed", "windows_per_face") else 1
            if value < least:
                raise errors.UsageError(
                    f"{field.name} must be at least {least}. Received: {value}"
                )


@dataclasses.dataclass(frozen=True, eq=False)
class FaceCrops:
    """Crops of both classes.

    Attributes:
        images: uint8 [N, S, S, 3].
        labels: int32 [N], `NO_FACE` or `FACE`.
        scene_numbers: int64 [N], which scene (of those given) each was cut from.
        histogram: windows by class, "ambiguous" included, before any was left out to
            balance the classes.
    """

    images: np.ndarray
    labels: np.ndarray
    scene_numbers: np.ndarray
    histogram: dict[str, int]


def classify_windows(
    windows: np.ndarray, boxes: np.ndarray, is_eligible: np.ndarray
) -> np.ndarray:
    """Applies the rule of the module's docstring.

    Args:
        windows: [M, 4], ymin, xmin, ymax, xmax in pixels.
        boxes: [N, 4], likewise.
        is_eligible: bool [N], boxes that make a face when a window holds them whole.

    Returns:
        int32 [M] of `NO_FACE`, `FACE`, `AMBIGUOUS`.
    """
    low, high = windows[:, None, :2], windows[:, None, 2:]
    holds = np.all(boxes[:, :2] >= low, -1) & np.all(boxes[:, 2:] <= high, -1)
    touches = np.all(boxes[:, :2] < high, -1) & np.all(boxes[:, 2:] > low, -1)
    labels = np.full(len(windows), AMBIGUOUS, np.int32)
    labels[~touches.any(axis=1)] = NO_FACE
    labels[(holds & is_eligible).any(axis=1)] = FACE
    return labels


def eligible_boxes(
    boxes: np.ndarray, is_valid: np.ndarray, parameters: CropParameters
) -> np.ndarray:
    """bool [N]: boxes large enough to be a face, and small enough for the window."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return (
        is_valid
        & (sides.min(axis=1) >= parameters.min_face_side)
        & (sides.max(axis=1) <= parameters.window_size)
    )


def draw_windows(
    generator: np.random.Generator,
    scene_size: tuple[int, int],
    boxes: np.ndarray,
    parameters: CropParameters,
) -> np.ndarray:
    """Windows anywhere, then windows around each of `boxes`, uniform where possible.

    Args:
        generator: source of the places.
        scene_size: height and width, neither below the window.
        boxes: [N, 4] eligible boxes inside the scene.
        parameters: sizes and numbers.

    Returns:
        int64 [random_windows + N * windows_per_face, 4], inside the scene. A box for
        which no window on whole pixels fits has none.
    """
    room = np.array(scene_size) - parameters.window_size
    places = [generator.integers(0, room + 1, (parameters.random_windows, 2))]
    for box in boxes:
        first = np.maximum(np.ceil(box[2:] - parameters.window_size), 0).astype(int)
        last = np.minimum(np.floor(box[:2]), room).astype(int)
        if (first <= last).all():
            places.append(
                generator.integers(first, last + 1, (parameters.windows_per_face, 2))
            )
    corners = np.concatenate(places)
    return np.concatenate([corners, corners + parameters.window_size], axis=1)


def crop_scenes(
    source: Iterable[scenes.Scene], parameters: CropParameters
) -> FaceCrops:
    """Cuts crops from scenes until both classes are full or the scenes end.

    The windows of a scene depend on the seed and the scene's name only. The larger
    class is cut down to the size of the smaller one by a draw from the same seed; the
    order stays that of the scenes.

    Raises:
        DataError: no crop of some class was found.
    """
    pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    found = np.zeros(3, np.int64)
    kept = np.zeros(2, np.int64)
    for number, scene in enumerate(source):
        image, windows, labels = _labeled_windows(scene, parameters)
        found += np.bincount(labels, minlength=3)
        chosen = _within_limit(labels, parameters.max_per_class - kept)
        kept += np.bincount(labels[chosen], minlength=2)
        crops = _resized_windows(image, windows[chosen], parameters.output_size)
        pieces.append((crops, labels[chosen], np.full(len(chosen), number)))
        if (kept == parameters.max_per_class).all():
            break
    histogram = dict(zip((*CLASS_NAMES, "ambiguous"), found.tolist(), strict=True))
    if not kept.all():
        raise errors.DataError(
            f"the scenes gave no crops of class '{CLASS_NAMES[int(kept.argmin())]}' "
            f"(windows found: {histogram}). Draw more windows or give more scenes"
        )
    images, labels, numbers = (
        np.concatenate(arrays) for arrays in zip(*pieces, strict=True)
    )
    balanced = _balanced(labels, parameters.seed)
    return FaceCrops(images[balanced], labels[balanced], numbers[balanced], histogram)


def _labeled_windows(
    scene: scenes.Scene, parameters: CropParameters
) -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """The scene, enlarged if need be, with its windows and their classes."""
    image = Image.fromarray(scene.image)
    boxes = scene.boxes
    shortest = min(image.size)
    if shortest < parameters.window_size:
        scale = parameters.window_size / shortest
        width, height = (round(side * scale) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        boxes = boxes * np.float32(scale)
    generator = np.random.default_rng(
        [parameters.seed, _WINDOW_STREAM, zlib.crc32(scene.name.encode())]
    )
    is_eligible = eligible_boxes(boxes, scene.is_valid, parameters)
    windows = draw_windows(
        generator, (image.height, image.width), boxes[is_eligible], parameters
    )
    return image, windows, classify_windows(windows, boxes, is_eligible)


def _within_limit(labels: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Positions of the first `room[c]` windows of each class c, ascending."""
    first = [
        np.flatnonzero(labels == label)[: room[label]] for label in (NO_FACE, FACE)
    ]
    return np.sort(np.concatenate(first))


def _resized_windows(image: Image.Image, windows: np.ndarray, size: int) -> np.ndarray:
    """uint8 [M, size, size, 3]; each output pixel is the mean of those it covers."""
    crops = np.empty((len(windows), size, size, 3), np.uint8)
    for crop, (ymin, xmin, ymax, xmax) in zip(crops, windows.tolist(), strict=True):
        resized = image.resize(
            (size, size), Image.Resampling.BOX, box=(xmin, ymin, xmax, ymax)
        )
        crop[:] = np.asarray(resized)
    return crops


def _balanced(labels: np.ndarray, seed: int) -> np.ndarray:
    """Ascending positions of equally many of each class."""
    generator = np.random.default_rng([seed, _BALANCE_STREAM])
    positions = [np.flatnonzero(labels == label) for label in (NO_FACE, FACE)]
    count = min(map(len, positions))
    chosen = [generator.choice(of, count, replace=False) for of in positions]
    return np.sort(np.concatenate(chosen))
