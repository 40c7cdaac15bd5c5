"""Made-up people for verification, drawn as `procedural_faces` draws them.

One head an image, in the middle, turned a little and lit from anywhere. The first
people are for training, the others stand in the folds of the pairs.
"""

import numpy as np

from tfpipeline.data import (
    face_drawing,
    lfw_people,
    people,
    procedural,
    procedural_faces,
    raster,
)

NAME = "procedural_faces"
NUM_FOLDS = 5
# Pairs of each kind in a fold.
_PAIRS = 30
_SIDE = 128
# The beginning of the seeds of photographs and of pairs, beside those of
# `procedural_faces`.
_PHOTOGRAPH_STREAM, _PAIR_STREAM = 3, 4


def read(photographs: int, seed: int = 0) -> people.People:
    """Draws `photographs` of each of the 40 + 20 people of `procedural_faces`.

    The 20 people of its test split are in the folds, four in each.

    Args:
        photographs: of each person, at least 2.
        seed: another one gives other people.
    """
    known = {
        **procedural_faces.people(seed, procedural.TRAIN),
        **procedural_faces.people(seed, procedural.TEST),
    }
    images = [
        _photograph(
            known[number],
            np.random.default_rng([seed, _PHOTOGRAPH_STREAM, number, index]),
        )
        for number in sorted(known)
        for index in range(photographs)
    ]
    labels = np.repeat(np.arange(len(known), dtype=np.int32), photographs)
    return people.People(
        name=NAME,
        images=lfw_people.gray(np.stack(images)),
        labels=labels,
        names=tuple(f"person_{number:02d}" for number in sorted(known)),
        pairs=_pairs(labels, np.random.default_rng([seed, _PAIR_STREAM])),
    )


def _photograph(
    identity: face_drawing.Identity, generator: np.random.Generator
) -> np.ndarray:
    """uint8 [128, 128, 3]."""
    uniform = generator.uniform
    light = np.array([uniform(-0.7, 0.7), uniform(-0.8, 0.2), 1.0])
    view = face_drawing.View(
        center_x=_SIDE / 2 + uniform(-4, 4),
        center_y=_SIDE / 2 + uniform(-4, 4),
        half_height=uniform(46, 56),
        roll=uniform(-0.12, 0.12),
        yaw=uniform(-0.4, 0.4),
        pitch=uniform(-0.2, 0.2),
        light=(light / np.linalg.norm(light)).astype(np.float32),
        brightness=uniform(0.7, 1.1),
        contrast=uniform(0.2, 0.6),
        smile=uniform(-0.5, 1.0),
        gaze=uniform(-0.3, 0.3),
        clothes=uniform(0.1, 0.9, 3).astype(np.float32),
    )
    axis = np.arange(_SIDE, dtype=np.float32) + 0.5
    colors, opacity, _ = face_drawing.draw(identity, view, axis[None, :], axis[:, None])
    wall = raster.mix(
        uniform(0.1, 0.9, 3).astype(np.float32),
        uniform(0.1, 0.9, 3).astype(np.float32),
        raster.value_noise(generator, 1, _SIDE, cells=6)[0],
    )
    scene = raster.mix(wall, colors, opacity)
    noise = generator.standard_normal(scene.shape, np.float32)
    return raster.to_uint8(scene + np.float32(0.02) * noise)


def _pairs(labels: np.ndarray, generator: np.random.Generator) -> people.Pairs:
    first_test = procedural_faces.NUM_TRAIN_IDENTITIES
    tested = np.arange(first_test, first_test + procedural_faces.NUM_TEST_IDENTITIES)
    rows: list[tuple[int, int, bool, int]] = []
    for fold, inside in enumerate(np.array_split(tested, NUM_FOLDS)):
        for _ in range(_PAIRS):
            one, other = generator.choice(inside, 2, replace=False)
            own = generator.choice(np.flatnonzero(labels == one), 2, replace=False)
            rows.append((own[0], own[1], True, fold))
            stranger = generator.choice(np.flatnonzero(labels == other))
            rows.append((own[0], stranger, False, fold))
    first, second, same, folds = zip(*rows, strict=True)
    return people.Pairs(
        np.array(first, np.int64),
        np.array(second, np.int64),
        np.array(same, np.bool_),
        np.array(folds, np.int64),
    )
