import numpy as np
import pytest

from tfpipeline.compat import keras
from tfpipeline.data import procedural, procedural_objects


def _images(split: int, batches: int) -> tuple[np.ndarray, np.ndarray]:
    parts = [
        procedural_objects.draw_batch(0, split, 50 * number)
        for number in range(batches)
    ]
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def test_all_classes_are_about_as_frequent() -> None:
    _, labels = _images(procedural.TRAIN, 12)
    assert np.bincount(labels, minlength=10).min() > 30


def test_pixels_alone_do_not_tell_the_class() -> None:
    """A linear classifier must stay poor: place, size, color and light all vary."""
    images, labels = _images(procedural.TRAIN, 20)
    test_images, test_labels = _images(procedural.TEST, 10)
    features, test_features = (
        part.reshape(len(part), 16, 2, 16, 2, 3).mean((2, 4, 5)).reshape(len(part), -1)
        for part in (images / 255.0 - 0.5, test_images / 255.0 - 0.5)
    )
    ridge = features.T @ features + 10.0 * np.eye(features.shape[1])
    weights = np.linalg.solve(ridge, features.T @ np.eye(10)[labels])
    accuracy = (np.argmax(test_features @ weights, axis=1) == test_labels).mean()
    assert accuracy < 0.35


@pytest.mark.slow
def test_small_network_learns_some_of_it() -> None:
    """Well above chance on half of the set; the whole set gives 90 % in 8 epochs."""
    keras.utils.set_random_seed(0)
    images, labels = _images(procedural.TRAIN, 80)
    test_images, test_labels = _images(procedural.TEST, 20)
    layers = keras.layers
    model = keras.Sequential([layers.Input((32, 32, 3)), layers.Rescaling(1 / 255)])
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same"))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=64, epochs=8, verbose=0)
    predicted = model.predict(test_images, verbose=0).argmax(axis=1)
    assert 0.35 < (predicted == test_labels).mean() < 0.95
