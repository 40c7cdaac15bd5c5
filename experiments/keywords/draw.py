"""Draws spoken words as the features of MLPerf Tiny's keyword spotting, 49 x 10.

    python experiments/keywords/draw.py runs/data/words.npz

A word is two or three sounds, each a vector of ten cepstral coefficients that glides to
the next one; speakers differ in pitch (an offset of all coefficients), speed and the
moment at which they begin, over noise. The last class is other sounds or none.
"""

import pathlib
import sys

import numpy as np

_FRAMES, _COEFFICIENTS, _WORDS = 49, 10, 7
_NAMES = ["on", "off", "left", "right", "up", "down", "stop", "other"]


def _word(generator: np.random.Generator, sounds: np.ndarray) -> np.ndarray:
    """[frames, coefficients] of sounds that follow one another."""
    length = generator.integers(20, 36)
    begin = generator.integers(2, _FRAMES - length - 2)
    places = np.linspace(0, len(sounds) - 1, length)
    features = np.zeros((_FRAMES, _COEFFICIENTS))
    for index in range(_COEFFICIENTS):
        features[begin : begin + length, index] = np.interp(
            places, np.arange(len(sounds)), sounds[:, index]
        )
    return features


def _examples(generator: np.random.Generator, count: int, alphabet: np.ndarray):
    """float32 [count, 49, 10, 1] in [-1, 1), and class numbers."""
    words = [
        alphabet[[i, (i + 2) % 6, (2 * i + 1) % 6][: 2 + i % 2]] for i in range(_WORDS)
    ]
    labels = generator.integers(0, len(_NAMES), count)
    features = np.empty((count, _FRAMES, _COEFFICIENTS))
    for row, label in enumerate(labels):
        if label < _WORDS:
            sounds = words[label]
        else:
            sounds = alphabet[generator.integers(6, 8, 1 + row % 2)] * (row % 3 > 0)
        features[row] = _word(generator, sounds)
    voice = generator.normal(0, 0.15, (count, 1, _COEFFICIENTS))
    features = features + voice + generator.normal(0, 0.8, features.shape)
    scaled = np.clip(features / 3, -1, 0.99).astype(np.float32)
    return scaled[..., np.newaxis], labels.astype(np.int32)


def main() -> None:
    path = pathlib.Path(sys.argv[1])
    generator = np.random.default_rng(0)
    alphabet = generator.normal(0, 1, (8, _COEFFICIENTS))
    x_train, y_train = _examples(generator, 3000, alphabet)
    x_test, y_test = _examples(generator, 600, alphabet)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test}
    np.savez(path, **arrays, y_test=y_test, class_names=_NAMES)


if __name__ == "__main__":
    main()
