"""Drawing on NumPy arrays, many images at a time: noise, masks, mixing, blur.

Colors are float32 in 0..1, channels last. Coordinates are float32, y down and x right.
"""

from collections.abc import Iterator

import numpy as np


def value_noise(
    generator: np.random.Generator, count: int, size: int, cells: int
) -> np.ndarray:
    """Smooth random fields: a coarse random grid, interpolated.

    Args:
        generator: source of the grid's values.
        count: number of fields.
        size: height and width in pixels.
        cells: cells of the coarse grid a side; more make a finer grain.

    Returns:
        float32 [count, size, size] in 0..1.
    """
    grid = generator.random((count, cells + 1, cells + 1), np.float32)
    position = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(cells / size)
    cell = np.minimum(position.astype(np.int64), cells - 1)
    share = smooth_step(position - cell.astype(np.float32))
    # Plain sums rather than a matrix product, whose threads cost more than they give.
    rows = grid[:, cell]
    rows = rows + (grid[:, cell + 1] - rows) * share[:, None]
    left = rows[:, :, cell]
    return left + (rows[:, :, cell + 1] - left) * share


def smooth_step(value: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, and 3v^2 - 2v^3 between, with zero slope at both ends."""
    value = np.clip(value, 0.0, 1.0)
    return value * value * (3.0 - 2.0 * value)


def coverage(inside: np.ndarray, edge: float | np.ndarray) -> np.ndarray:
    """Soft mask of a shape given by a function that is positive inside.

    Args:
        inside: values of the function.
        edge: its value at which the mask has just become 1; 0 there and -edge are the
            middle and the outer end of the ramp.
    """
    ramp = 0.5 + inside * (0.5 / edge)
    return np.clip(ramp, 0.0, 1.0, out=ramp)


def mix(below: np.ndarray, above: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Lays colors `above` over `below` [..., H, W, 3] with `mask` [..., H, W]."""
    # In place: fresh memory for each step would take most of the time.
    mixed = (above - below) * mask[..., None]
    mixed += below
    return mixed


def downsample(images: np.ndarray, factor: int) -> np.ndarray:
    """Means over factor x factor pixels of [..., H, W, C]."""
    *lead, height, width, channels = images.shape
    blocks = images.reshape(
        *lead, height // factor, factor, width // factor, factor, channels
    )
    return blocks.mean(axis=(-4, -2))


def blur(images: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Gaussian blur, edges repeated.

    Args:
        images: float32 [N, H, W, C].
        sigma: pixels [N]; 0 leaves the image as it is.
    """
    radius = max(1, int(np.ceil(2.5 * float(sigma.max(initial=0.0)))))
    offsets = np.arange(-radius, radius + 1, dtype=np.float32)
    kernel = np.exp(-0.5 * (offsets / np.maximum(sigma, 1e-3)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32)
    weights = kernel[:, :, None, None, None]
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (radius, radius), (0, 0), (0, 0)), mode="edge")
    images = _weighted_sum(
        padded[:, tap : tap + height] * weights[:, tap] for tap in range(2 * radius + 1)
    )
    padded = np.pad(images, ((0, 0), (0, 0), (radius, radius), (0, 0)), mode="edge")
    return _weighted_sum(
        padded[:, :, tap : tap + width] * weights[:, tap]
        for tap in range(2 * radius + 1)
    )


def _weighted_sum(terms: Iterator[np.ndarray]) -> np.ndarray:
    total = next(terms)
    for term in terms:
        total += term
    return total


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Colors 0..1 as uint8, rounded and clipped."""
    return (np.clip(images, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
