"""Sizes of the images that bare pixels may be, and the limit they are held to.

A size is (height, width) in pixels, and is printed as `120x160` in that order.
"""

from tfpipeline import errors

Size = tuple[int, int]

# 2048 x 2048, thirteen VGA images: more than any camera module beside a
# microcontroller gives, and little enough to convert in memory.
MAX_PIXELS = 1 << 22
_MAX_EXAMPLES = 4


def text(size: Size) -> str:
    """`size` as messages print it."""
    return f"{size[0]}x{size[1]}"


def require_valid(size: Size, what: str) -> None:
    """Checks that an image of `size` has pixels, and not too many.

    Raises:
        DataError: it has none, or more than MAX_PIXELS.
    """
    height, width = size
    if height < 1 or width < 1:
        raise errors.DataError(
            f"{what}: height and width must be 1 or more; found {text(size)}"
        )
    if height * width > MAX_PIXELS:
        raise errors.DataError(
            f"{what}: an image may have up to {MAX_PIXELS} pixels; found {text(size)}"
        )


def require_equal(found: Size, expected: Size | None, what: str) -> None:
    """Checks the size that a file states against the one that was asked for, if any.

    Raises:
        DataError: they differ.
    """
    if expected is not None and found != expected:
        raise errors.DataError(
            f"{what} is {text(found)} pixels (height x width), not {text(expected)}; "
            "leave out height and width, or give those"
        )


def fitting(pixels: int, near: Size | None = None) -> str:
    """A few sizes of `pixels` pixels: sides of `near` first, then the squarest."""
    if not 1 <= pixels <= MAX_PIXELS:
        return "no size fits"
    heights = [h for h in range(1, int(pixels**0.5) + 1) if pixels % h == 0]
    sizes = [(h, pixels // h) for h in reversed(heights)]
    if near is not None:
        height, width = near
        wished = [(height, pixels // height), (pixels // width, width)]
        sizes = [(h, w) for h, w in wished if h * w == pixels] + sizes
    texts = list(dict.fromkeys(text(size) for size in sizes))
    more = ", ..." if len(texts) > _MAX_EXAMPLES else ""
    return f"{pixels} pixels are {', '.join(texts[:_MAX_EXAMPLES])}{more}"
