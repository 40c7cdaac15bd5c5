"""Draws marks on paper, gray and 28 pixels wide."""

from collections.abc import Iterator

import numpy as np

NAMES = ("dash", "slash", "tick", "dot")
_SIDE = 28


def examples(seed: int, count: int) -> Iterator[tuple[np.ndarray, int]]:
    """uint8 [28, 28, 1] and the place of its name, `count` times."""
    random = np.random.default_rng([5, seed])
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    for number in range(count):
        label = number % len(NAMES)
        x, y = columns - random.uniform(9, 19), rows - random.uniform(9, 19)
        reach = random.uniform(6, 9)
        far = np.hypot(x, y)
        distance = [
            np.abs(y) + np.maximum(np.abs(x) - reach, 0),
            np.abs(x + y) / 1.4 + np.maximum(far - reach, 0),
            np.minimum(
                np.abs(x + y) / 1.4 + np.maximum(far - reach, 0) + 9 * (x < 0),
                np.abs(x - y) / 1.4 + np.maximum(far - reach / 2, 0) + 9 * (x > 0),
            ),
            np.maximum(far - reach / 2, 0),
        ][label]
        ink = random.uniform(90, 200) * np.exp(-((distance / 1.8) ** 2))
        paper = random.uniform(200, 245) - ink + random.normal(0, 6, (_SIDE, _SIDE))
        yield np.clip(paper, 0, 255).astype(np.uint8)[..., np.newaxis], label
