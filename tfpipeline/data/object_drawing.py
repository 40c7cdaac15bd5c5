"""Draws the images of `procedural_objects`: one shape of ten kinds in a busy scene.

The label is the kind of the outline alone. Everything else varies without telling the
kind: place, size, rotation, stretch and shear of the shape; its colors and pattern; the
background; light; a shape of another kind cut off by the border; bars across the shape;
blur and noise. Small, low-contrast or half-covered shapes stay hard, as in photographs.
"""

from collections.abc import Callable

import numpy as np

from tfpipeline.data import raster

IMAGE_SIZE = 32
# Outlines are drawn at twice the size; colors vary slowly and are not.
_SUPERSAMPLING = 2
_MASK_SIZE = IMAGE_SIZE * _SUPERSAMPLING
# Things stand upright more or less, as they do before a camera: 25 degrees either way.
_LARGEST_TURN = np.radians(25.0)

Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _disk(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.9 - np.hypot(x, y)


def _ring(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.22 - np.abs(np.hypot(x, y) - 0.75)


def _crescent(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.minimum(0.95 - np.hypot(x, y), np.hypot(x - 0.5, y) - 0.68)


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.78 - np.maximum(np.abs(x), np.abs(y))


def _triangle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # An equilateral one: the three sides are 0.52 from the middle.
    slanted = 0.866 * np.abs(x) - 0.5 * y
    return 0.52 - np.maximum(y, slanted)


def _hourglass(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.minimum(0.78 - np.abs(y), 0.75 * (np.abs(y) - np.abs(x)) + 0.12)


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # Within one tenth of a turn a star's edge is a straight line from tip to notch.
    turn = np.pi / 5.0
    angle = np.abs(np.mod(np.arctan2(y, x) + turn, 2.0 * turn) - turn)
    radius = np.hypot(x, y)
    tip, notch = 1.0, 0.45
    normal_x = notch * np.sin(turn)
    normal_y = tip - notch * np.cos(turn)
    length = np.hypot(normal_x, normal_y)
    along = radius * (np.cos(angle) * normal_x + np.sin(angle) * normal_y)
    return (tip * normal_x - along) / length


def _cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(_box(x, y, 0.95, 0.3), _box(x, y, 0.3, 0.95))


def _box(
    x: np.ndarray, y: np.ndarray, half_width: float, half_height: float
) -> np.ndarray:
    return np.minimum(half_width - np.abs(x), half_height - np.abs(y))


def _heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    side = np.abs(x)
    lobes = 0.5 - np.hypot(side - 0.42, y + 0.3)
    point = np.minimum(0.62 - (0.75 * side + 0.66 * y), y + 0.3)
    return np.maximum(lobes, np.minimum(point, 0.95 - side))


def _arrow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    head = np.minimum(x + 0.05, 0.66 - (0.7 * x + 0.71 * np.abs(y)))
    return np.maximum(head, _box(x + 0.45, y, 0.5, 0.25))


SHAPES: dict[str, Shape] = {
    "disk": _disk,
    "ring": _ring,
    "crescent": _crescent,
    "square": _square,
    "triangle": _triangle,
    "hourglass": _hourglass,
    "star": _star,
    "cross": _cross,
    "heart": _heart,
    "arrow": _arrow,
}
CLASS_NAMES = tuple(SHAPES)


def draw(generator: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Draws one image a label.

    Args:
        generator: source of everything but the labels.
        labels: int [N], indices into `CLASS_NAMES`.

    Returns:
        uint8 [N, 32, 32, 3].
    """
    count = len(labels)
    background, base = _background(generator, count)
    images = _with_intruder(generator, background, labels)
    color = _contrasting_color(generator, base, distance=(0.3, 0.6))
    mask = _shape_masks(
        labels,
        *_placed_coordinates(
            generator, count, radius=(0.55, 0.9), offset=0.15, stretch=1.3
        ),
    )
    fill = _patterned(generator, color)
    images = raster.mix(images, fill, mask)
    images = _with_bars(generator, images)
    images = _lit(generator, images)
    images = raster.blur(images, _uniform(generator, 0.0, 0.9, count))
    sigma = _uniform(generator, 0.005, 0.05, count)[:, None, None, None]
    noise = generator.standard_normal(images.shape, np.float32)
    return raster.to_uint8(images + sigma * noise)


def _uniform(
    generator: np.random.Generator, low: float, high: float, count: int
) -> np.ndarray:
    return generator.uniform(low, high, count).astype(np.float32)


def _per_image(values: np.ndarray) -> np.ndarray:
    """[N] as [N, 1, 1], to meet fields of [N, H, W]."""
    return values[:, None, None]


def _pixel_coordinates(size: int = IMAGE_SIZE) -> tuple[np.ndarray, np.ndarray]:
    """x [1, 1, W] and y [1, H, 1] of the pixels' centers, -1..1 over the image."""
    axis = ((np.arange(size) + 0.5) / size * 2.0 - 1.0).astype(np.float32)
    return axis[None, None, :], axis[None, :, None]


def _background(
    generator: np.random.Generator, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Two colors mixed by noise of two grains; also returns the first color [N, 3]."""
    base = _muted_colors(generator, count)
    other = _contrasting_color(generator, base, distance=(0.02, 0.22))
    coarse = raster.value_noise(generator, count, IMAGE_SIZE, cells=3)
    fine = raster.value_noise(generator, count, IMAGE_SIZE, cells=13)
    share = _per_image(_uniform(generator, 0.0, 0.6, count))
    field = raster.smooth_step(((1.0 - share) * coarse + share * fine - 0.3) * 2.5)
    image = raster.mix(base[:, None, None], other[:, None, None], field)
    return image, base


def _muted_colors(generator: np.random.Generator, count: int) -> np.ndarray:
    """Colors [N, 3] of any brightness and little saturation, as most surfaces have."""
    gray = generator.uniform(0.12, 0.88, (count, 1))
    return (
        (gray + generator.uniform(-0.2, 0.2, (count, 3))).clip(0, 1).astype(np.float32)
    )


def _contrasting_color(
    generator: np.random.Generator, base: np.ndarray, distance: tuple[float, float]
) -> np.ndarray:
    """Colors [N, 3] at a random distance (root mean square a channel) from `base`."""
    direction = generator.standard_normal(base.shape).astype(np.float32)
    # Turned toward the middle, so that clipping does not eat the distance.
    direction = np.where(base > 0.5, -np.abs(direction), np.abs(direction))
    direction /= np.sqrt((direction**2).mean(axis=1, keepdims=True))
    amount = _uniform(generator, *distance, len(base))[:, None]
    return np.clip(base + amount * direction, 0.0, 1.0).astype(np.float32)


def _placed_coordinates(
    generator: np.random.Generator,
    count: int,
    radius: tuple[float, float],
    offset: float,
    stretch: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates in which a shape has radius 1 around 0, and a pixel's size there.

    Args:
        generator: source of place, size, rotation, stretch and shear.
        count: number of images.
        radius: smallest and largest radius, in halves of the image.
        offset: largest offset of the center along each axis, in halves of the image.
        stretch: largest ratio of the two axes.
    """
    x, y = _pixel_coordinates(_MASK_SIZE)
    x = x - _per_image(_uniform(generator, -offset, offset, count))
    y = y - _per_image(_uniform(generator, -offset, offset, count))
    turn = _uniform(generator, -_LARGEST_TURN, _LARGEST_TURN, count)
    cos, sin = _per_image(np.cos(turn)), _per_image(np.sin(turn))
    x, y = cos * x + sin * y, cos * y - sin * x
    size = _uniform(generator, *radius, count)
    ratio = np.exp(_uniform(generator, -0.5, 0.5, count) * np.log(stretch))
    shear = _per_image(_uniform(generator, -0.2, 0.2, count))
    x = x / _per_image(size * ratio) + shear * y / _per_image(size)
    y = y / _per_image(size / ratio)
    return x, y, 1.4 / (size * _MASK_SIZE)


def _shape_masks(
    labels: np.ndarray, x: np.ndarray, y: np.ndarray, pixel: np.ndarray
) -> np.ndarray:
    mask = np.empty((len(labels), _MASK_SIZE, _MASK_SIZE), np.float32)
    for label, name in enumerate(CLASS_NAMES):
        chosen = np.flatnonzero(labels == label)
        inside = SHAPES[name](x[chosen], y[chosen])
        mask[chosen] = raster.coverage(inside, _per_image(pixel[chosen]))
    return raster.downsample(mask[..., None], _SUPERSAMPLING)[..., 0]


def _patterned(generator: np.random.Generator, color: np.ndarray) -> np.ndarray:
    """A fill around `color` [N, 3]: patches, stripes, or both, weak to strong."""
    count = len(color)
    other = _contrasting_color(generator, color, distance=(0.02, 0.15))
    x, y = _pixel_coordinates()
    turn = _per_image(_uniform(generator, 0.0, np.pi, count))
    frequency = _per_image(_uniform(generator, 4.0, 16.0, count))
    phase = _per_image(_uniform(generator, 0.0, 2.0 * np.pi, count))
    wave = np.sin(frequency * (np.cos(turn) * x + np.sin(turn) * y) + phase)
    patches = raster.value_noise(generator, count, IMAGE_SIZE, cells=7)
    striped = _per_image((generator.random(count) < 0.4).astype(np.float32))
    field = striped * (0.5 + 0.5 * wave) + (1.0 - striped) * patches
    return raster.mix(color[:, None, None], other[:, None, None], field)


def _with_intruder(
    generator: np.random.Generator, images: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Puts a shape of another kind behind and beside the object, in 40 % of images."""
    count = len(labels)
    others = (labels + generator.integers(1, len(SHAPES), count)) % len(SHAPES)
    x, y, pixel = _placed_coordinates(
        generator, count, radius=(0.25, 0.6), offset=0.1, stretch=1.5
    )
    angle = _uniform(generator, 0.0, 2.0 * np.pi, count)
    # In the shape's own coordinates 1 is its radius; 1.6 to 3 radii away, the shape is
    # beside the object and often cut off by the border.
    away = _uniform(generator, 1.6, 3.0, count)
    x, y = x - _per_image(away * np.cos(angle)), y - _per_image(away * np.sin(angle))
    present = _per_image((generator.random(count) < 0.4).astype(np.float32))
    color = _muted_colors(generator, count)[:, None, None]
    mask = _shape_masks(others, x, y, pixel)
    return raster.mix(images, color, mask * present)


def _with_bars(generator: np.random.Generator, images: np.ndarray) -> np.ndarray:
    """Lays a bar over a third of the images, like a twig or a pole in front."""
    count = len(images)
    x, y = _pixel_coordinates()
    turn = _per_image(_uniform(generator, 0.0, np.pi, count))
    place = _per_image(_uniform(generator, -0.5, 0.5, count))
    half_width = _per_image(_uniform(generator, 0.03, 0.13, count))
    distance = np.abs(np.cos(turn) * x + np.sin(turn) * y - place)
    present = _per_image((generator.random(count) < 0.33).astype(np.float32))
    color = _muted_colors(generator, count)[:, None, None]
    mask = raster.coverage(half_width - distance, 1.4 / IMAGE_SIZE) * present
    return raster.mix(images, color, mask)


def _lit(generator: np.random.Generator, images: np.ndarray) -> np.ndarray:
    """Multiplies by a light that falls off in one direction and has a tint."""
    count = len(images)
    x, y = _pixel_coordinates()
    turn = _per_image(_uniform(generator, 0.0, 2.0 * np.pi, count))
    slope = _per_image(_uniform(generator, 0.0, 0.35, count))
    light = _per_image(_uniform(generator, 0.6, 1.25, count))
    light = light * (1.0 + slope * (np.cos(turn) * x + np.sin(turn) * y))
    tint = generator.uniform(0.9, 1.1, (count, 1, 1, 3)).astype(np.float32)
    return images * light[..., None] * tint
