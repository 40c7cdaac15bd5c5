"""Pictures with boxes: read one at a time, and fitted into a network's input."""

import dataclasses
import io
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from tfpipeline import errors
from tfpipeline.data import request as requests
from tfpipeline.data import specs, splits
from tfpipeline.data.own import examples, pictures
from tfpipeline.detection import objects
from tfpipeline.untrusted import content

# Of an encoded picture.
_MAX_BYTES = 1 << 28


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A picture and the objects in it.

    Attributes:
        name: for messages.
        data: of the encoded file; None: of `path`.
        path: of the file, where it is one.
        height, width: in pixels, as the boxes mean them.
        boxes: float32 [N, 4], x1, y1, x2, y2 in its pixels.
        ignored: bool [N], crowds and what nobody could recognize.
    """

    name: str
    data: bytes | None
    path: str
    height: int
    width: int
    boxes: npt.NDArray[np.float32]
    ignored: npt.NDArray[np.bool_]

    @property
    def state(self) -> str:
        """Changes with the content of the file, as far as size and time tell it."""
        if self.data is not None:
            return f"{self.name} {len(self.data)}"
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise errors.StorageError(
                f"cannot read {self.path}: {error.strerror or error}"
            ) from error
        return f"{self.path} {found.st_size} {found.st_mtime_ns}"

    def image(self, channels: int, least: float = 1.0) -> Image.Image:
        """The decoded picture.

        Args:
            channels: 1 (gray) or 3 (RGB).
            least: share of its sides that is needed; of a JPEG no more than the power
                of two above is decoded, in a fraction of the time.

        Raises:
            DataError: it is damaged, or not of the annotated size.
            StorageError: it cannot be read.
        """
        data = self.data
        if data is None:
            data = content.read(self.path, _MAX_BYTES)
        what = self.path or self.name
        with pictures.opened(io.BytesIO(data), what) as opened:
            if opened.size != (self.width, self.height):
                raise errors.DataError(
                    f"{what} has {opened.width}x{opened.height} pixels, its "
                    f"annotation says {self.width}x{self.height}: boxes would lie "
                    "elsewhere"
                )
            if opened.format == "JPEG" and least < 1:
                wanted = (int(self.width * least) + 1, int(self.height * least) + 1)
                opened.draft("L" if channels == 1 else "RGB", wanted)
            return pictures.converted(opened, channels)


def size_of(data: bytes, what: str) -> tuple[int, int]:
    """Height and width of an encoded picture, by its header.

    Raises:
        DataError: it is damaged; `what` names it.
    """
    with pictures.opened(io.BytesIO(data), what) as opened:
        return opened.height, opened.width


@dataclasses.dataclass(frozen=True)
class Fit:
    """The input of a detector.

    Attributes:
        height, width: in pixels.
        channels: 1 or 3.
    """

    height: int
    width: int
    channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an input."""
        return self.height, self.width, self.channels

    def scale(self, picture: Picture) -> float:
        """Pixels of the picture for one of the input, 1 at least: none is enlarged."""
        return max(1.0, picture.height / self.height, picture.width / self.width)

    def rows(self, picture: Picture) -> objects.Rows:
        """The objects of the fitted picture."""
        scale = self.scale(picture)
        return objects.rows(picture.boxes / scale, picture.ignored, scale)

    def pixels(self, picture: Picture) -> npt.NDArray[np.uint8]:
        """uint8 [H, W, channels]: scaled, at the upper left corner, zeros beside it."""
        scale = self.scale(picture)
        image = picture.image(self.channels, 1 / scale)
        size = (
            min(self.height, max(1, round(picture.height / scale))),
            min(self.width, max(1, round(picture.width / scale))),
        )
        result = np.zeros(self.shape, np.uint8)
        result[: size[0], : size[1]] = pictures.fitted(image, size)
        return result


def dataset(
    spec: specs.DatasetSpec,
    asked: requests.Request,
    parts: dict[str, Sequence[Picture]],
    description: str = "",
) -> splits.Dataset:
    """The three splits of pictures with boxes, fitted into the input of a detector.

    Args:
        spec: of the data set.
        asked: with an `input_shape`; --image_size and --grayscale change it.
        parts: the parts that it has itself, with `train`.
        description: of what is annotated, behind that of the data set.

    Returns:
        Inputs uint8 [N, H, W, C] and targets float32 [N, M, 6], rows of
        `detection.objects`; `pictures` are those of the train split in their own size.

    Raises:
        DataError: a picture is damaged, or none has an object.
        UsageError: nobody said the size of the input.
    """
    fit = _fit(asked)
    for name, part in parts.items():
        if not any(len(each.boxes) for each in part):
            raise errors.DataError(
                f"no picture of the part '{name}' of {spec.where or spec.name} has a "
                "box"
            )
    rows = {name: [fit.rows(each) for each in part] for name, part in parts.items()}
    most = max(len(each) for part in rows.values() for each in part)
    found = {
        name: examples.Examples(
            objects.joined(rows[name], most),
            fit.shape,
            np.dtype(np.uint8),
            _reader(part, fit),
            where=lambda place, part=part: part[place].path or part[place].name,
            key=f"{[each.state for each in part]} {fit}",
        )
        for name, part in parts.items()
    }
    result = examples.dataset(spec, asked, found)
    for name in (examples.TRAIN, examples.VALIDATION, examples.TEST):
        if not objects.count(getattr(result, name).targets):
            raise errors.DataError(
                f"no picture of the {name} split of {spec.where or spec.name} has an "
                "object that counts: give more pictures, or another --seed"
            )
    train = parts[examples.TRAIN]
    return dataclasses.replace(
        result,
        pictures=tuple(train[int(place)] for place in result.train_indices),
        description="; ".join(filter(None, (result.description, description))),
    )


def _fit(asked: requests.Request) -> Fit:
    size = asked.reading.height_and_width
    if size is None and asked.input_shape is None:
        raise errors.UsageError(
            "say the size that pictures are fitted into: --image_size=H,W"
        )
    if size is None:
        assert asked.input_shape is not None
        size = asked.input_shape[:2]
    channels = 3 if asked.input_shape is None else asked.input_shape[2]
    return Fit(*size, 1 if asked.reading.grayscale else channels)


def _reader(
    part: Sequence[Picture], fit: Fit
) -> Callable[[npt.NDArray[np.int64]], Iterator[npt.NDArray[np.uint8]]]:
    def read(positions: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.uint8]]:
        return pictures.in_chunks([part[i] for i in positions], fit.pixels)

    return read
