"""Pictures of any mode and size as uint8 [H, W, channels], read by Pillow."""

import contextlib
import dataclasses
import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from tfpipeline import errors
from tfpipeline.pictures import image_size
from tfpipeline.untrusted import content, damage

Size = tuple[int, int]
Source = TypeVar("Source")

# More than any photograph of a camera has, and than Pillow warns of: 89 million.
_MAX_PIXELS = 1 << 26
_MAX_BYTES = 1 << 28
_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I"})
# Exif's tag of the orientation, and those values of it that turn by 90 degrees.
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
_CHUNK = 256
# Decoding leaves Python's lock; more threads than these wait for the disk.
_THREADS = min(8, 2 * (os.cpu_count() or 1))


@dataclasses.dataclass(frozen=True)
class Look:
    """How pictures are to come out.

    Attributes:
        size: (height, width) that they are resized to.
        channels: 1 (gray) or 3 (RGB).
    """

    size: Size
    channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.size, self.channels)


def look(
    paths: Sequence[str], size: Size | None = None, grayscale: bool = False
) -> Look:
    """What pictures have in common, by their headers alone.

    Args:
        paths: of all pictures.
        size: (height, width) that they are resized to; None: they have one size.
        grayscale: they become gray. Otherwise they are only if each of them is.

    Raises:
        DataError: one is no picture, or they differ in size; names files.
        StorageError: one cannot be read.
    """
    first: tuple[Size, str] | None = None
    is_gray = True
    with _strict(), futures.ThreadPoolExecutor(_THREADS) as pool:
        for path, (found, gray) in zip(paths, pool.map(_header, paths), strict=True):
            is_gray = is_gray and gray
            if first is None:
                first = found, path
            if size is None and found != first[0]:
                raise errors.DataError(
                    f"pictures differ in size: {first[1]} is "
                    f"{image_size.text(first[0])}, {path} {image_size.text(found)}; "
                    "give --image_size=H,W"
                )
    if first is None:
        raise errors.DataError("there is no picture")
    return Look(size or first[0], 1 if grayscale or is_gray else 3)


def size_of(path: str) -> Size:
    """Height and width of a picture's file as it is stored, by its header.

    Raises:
        DataError: it is no picture; names the file.
        StorageError: it cannot be read.
    """
    with _strict(), opened(path, path) as picture:
        return picture.height, picture.width


def read(paths: Sequence[str], wanted: Look) -> Iterator[np.ndarray]:
    """Decodes pictures in order.

    Returns:
        uint8 [m, H, W, channels].

    Raises:
        DataError: one is damaged; names the file.
        StorageError: one cannot be read.
    """
    return in_chunks(paths, lambda path: read_one(path, wanted))


def in_chunks(
    sources: Sequence[Source], read_source: Callable[[Source], np.ndarray]
) -> Iterator[np.ndarray]:
    """Reads pictures by several threads at once, in order.

    Args:
        sources: of them.
        read_source: source -> uint8 [H, W, channels].

    Yields:
        uint8 [m, H, W, channels].
    """
    with futures.ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(sources), _CHUNK):
            with _strict():
                chunk = pool.map(read_source, sources[start : start + _CHUNK])
                yield np.stack(list(chunk))


def read_one(path: str, wanted: Look) -> np.ndarray:
    """Decodes a picture file, uint8 [H, W, channels]; see `of_bytes`.

    Raises:
        DataError: it is damaged; names the file.
        StorageError: it cannot be read.
    """
    return of_bytes(content.read(path, _MAX_BYTES), wanted, path)


def of_bytes(data: bytes, wanted: Look, what: str) -> np.ndarray:
    """Decodes a picture: turned as Exif says, in 8 bits, resized.

    16 bits become the upper 8; what is transparent lets white through; an animation is
    its first picture. Resizing is bilinear and antialiased, and stretches.

    Args:
        data: of the file.
        wanted: size and channels.
        what: names it in an error.

    Raises:
        DataError: it is damaged, or too large.
    """
    with _named(what), Image.open(io.BytesIO(data)) as picture:
        _require_size(picture, what)
        upright = ImageOps.exif_transpose(picture)
        return fitted(converted(upright, wanted.channels), wanted.size)


def fitted(picture: Image.Image, size: Size) -> np.ndarray:
    """uint8 [H, W, channels] of a picture in mode L or RGB, resized where need be."""
    if picture.size != size[::-1]:
        picture = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    pixels = np.asarray(picture)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def of_pixels(pixels: np.ndarray, wanted: Look) -> np.ndarray:
    """Pixels uint8 [H, W, 1 or 3] as `of_bytes` makes a picture of such a file."""
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return fitted(converted(picture, wanted.channels), wanted.size)


def converted(picture: Image.Image, channels: int) -> Image.Image:
    """A picture of any mode in 8 bits, gray or RGB, without transparency."""
    mode = "L" if channels == 1 else "RGB"
    if picture.mode.startswith("I"):
        # Pillow would cut 16 bits off at 255.
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("pixels have over 16 bits")
        picture = Image.fromarray((values >> 8).astype(np.uint8))
    if picture.mode == "F":
        raise ValueError("pixels are real numbers; give --dataset=FILE.npz instead")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert(mode)


def _header(path: str) -> tuple[Size, bool]:
    """Upright (height, width), and whether a picture is gray."""
    with opened(path, path) as picture:
        width, height = picture.size
        if picture.getexif().get(_ORIENTATION) in _TURNED:
            width, height = height, width
        return (height, width), picture.mode in _GRAY_MODES


def _require_size(picture: Image.Image, what: str) -> None:
    """Raises a DataError where a picture has more pixels than are read."""
    width, height = picture.size
    if not 0 < width * height <= _MAX_PIXELS:
        raise errors.DataError(
            f"{what} has {width}x{height} pixels; up to {_MAX_PIXELS:,} are read"
        )


@contextlib.contextmanager
def opened(source: str | io.BytesIO, what: str) -> Iterator[Image.Image]:
    """A picture that is not decoded yet.

    Args:
        source: path or bytes of the file.
        what: names it in an error.

    Raises:
        DataError: it is none, or damaged, or too large, or the caller finds that out.
        StorageError: the path is absent, or no plain file.
    """
    if isinstance(source, str):
        # No pipe, at which Pillow would wait for ever.
        with content.opened(source):
            pass
    with _named(what), Image.open(source) as picture:
        _require_size(picture, what)
        yield picture


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """Errors of Pillow as DataErrors that name the picture."""
    try:
        yield
    except errors.PipelineError:
        raise
    # Damage makes Pillow raise SyntaxError, struct.error, AssertionError and others.
    except Exception as error:
        raise errors.DataError(
            f"{what} is not a picture, or damaged: {damage.reason(error)}. Replace or "
            "remove it"
        ) from error


@contextlib.contextmanager
def _strict() -> Iterator[None]:
    """Pillow's warnings of damaged and of huge pictures as errors; in all threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
