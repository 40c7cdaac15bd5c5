"""Draws scenes of three kinds of shapes, and the mask of each.

    python experiments/segmentation/draw.py runs/data/shapes.npz
    python experiments/segmentation/draw.py runs/data/shapes_folded.npz 2
    python experiments/segmentation/draw.py runs/data/shapes

A scene has one to four balls, boxes and triangles of any color before a ground of
waves and noise; the last one drawn hides what is behind it. Pixels at an edge are of no
class (255), as in Pascal VOC. With a second argument blocks of so many pixels a side
are channels, as `tf.nn.space_to_depth` has them, and masks stay as they are. What does
not end in .npz is a folder: the same scenes as PNGs in train/images and train/masks.
"""

import itertools
import os
import sys

import numpy as np
from PIL import Image

SIDE = 64
NAMES = ("ground", "ball", "box", "triangle")
UNLABELED = 255
COUNTS = {"train": 600, "test": 150}


def scene(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [64, 64, 3] and uint8 [64, 64]."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    angle, period = random.uniform(0, np.pi), random.uniform(6, 30)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    picture = random.uniform(0.2, 0.8, 3) + 0.15 * wave[..., None]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(random.integers(1, 5)):
        kind = int(random.integers(1, len(NAMES)))
        # Above 0 inside, in pixels from the edge.
        depth = _depth(random, kind, x, y)
        light = 1 + 0.3 * np.tanh(depth / 6)[..., None]
        color = random.uniform(0, 1, 3) * light * 0.9
        picture = np.where((depth > 0)[..., None], color, picture)
        mask[depth > 0] = kind
        mask[np.abs(depth) < 0.5] = UNLABELED
    picture += random.normal(0, 0.04, picture.shape)
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8), mask


def _depth(
    random: np.random.Generator, kind: int, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    center_x, center_y = random.uniform(8, SIDE - 8, 2)
    size, angle = random.uniform(6, 16), random.uniform(0, 2 * np.pi)
    u = (x - center_x) * np.cos(angle) + (y - center_y) * np.sin(angle)
    v = (y - center_y) * np.cos(angle) - (x - center_x) * np.sin(angle)
    if kind == 1:
        return size - np.hypot(u, v)
    if kind == 2:
        return np.minimum(size - np.abs(u), random.uniform(0.5, 1) * size - np.abs(v))
    # Three sides at the same distance from the center.
    turns = np.array([0, 2, 4]) * np.pi / 3
    sides = [0.6 * size - (u * np.cos(turn) + v * np.sin(turn)) for turn in turns]
    return np.minimum.reduce(sides)


def folded(pictures: np.ndarray, factor: int) -> np.ndarray:
    """[N, H / f, W / f, f * f * C] of [N, H, W, C]."""
    count, height, width, channels = pictures.shape
    blocks = pictures.reshape(
        count, height // factor, factor, width // factor, factor, channels
    )
    turned = blocks.transpose(0, 1, 3, 2, 4, 5)
    return turned.reshape(count, height // factor, width // factor, -1)


def main(path: str, factor: int = 1) -> None:
    """Writes a file of arrays as `--dataset` takes it."""
    arrays: dict[str, np.ndarray] = {"class_names": np.array(NAMES)}
    for place, (part, count) in enumerate(COUNTS.items()):
        random = np.random.default_rng([7, place])
        drawn = [scene(random) for _ in range(count)]
        arrays[f"x_{part}"] = folded(np.stack([each for each, _ in drawn]), factor)
        arrays[f"y_{part}"] = np.stack([mask for _, mask in drawn])
    if not path.endswith(".npz"):
        _write_pictures(path, arrays)
        return
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    np.savez_compressed(path, **arrays)


def _write_pictures(root: str, arrays: dict[str, np.ndarray]) -> None:
    for part, letter in itertools.product(COUNTS, "xy"):
        folder = os.path.join(root, part, {"x": "images", "y": "masks"}[letter])
        os.makedirs(folder, exist_ok=True)
        for place, pixels in enumerate(arrays[f"{letter}_{part}"]):
            Image.fromarray(pixels).save(os.path.join(folder, f"{place:03}.png"))
        names = "".join(f"{name}\n" for name in NAMES)
        with open(os.path.join(root, part, "classes.txt"), "w") as stream:
            stream.write(names)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
