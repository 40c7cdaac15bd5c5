"""A network that is trained here, and what it is tested on: 16x16 pictures."""

import numpy as np

from tfpipeline import api
from tfpipeline.compat import keras
from tfpipeline.data import object_drawing

# Of the shapes, the first: 16 pixels show no more than some.
_CLASSES = 4
_TRAIN = 1600


def train(folder, tests):
    """Trains, quantizes and exports a small network; returns the folder of its run.

    Args:
        folder: for its files.
        tests: test pictures.

    Pictures are those of procedural_objects in half their size: a serial line of an
    emulator takes its time for each byte.
    """
    random = np.random.default_rng(0)
    labels = np.arange(_TRAIN + tests) % _CLASSES
    large = object_drawing.draw(random, labels)
    shape = (len(large), 16, 2, 16, 2, 3)
    pictures = large.reshape(shape).mean(axis=(2, 4)).round().astype(np.uint8)
    np.savez(
        folder / "pictures.npz",
        x_train=pictures[:_TRAIN],
        y_train=labels[:_TRAIN],
        x_test=pictures[_TRAIN:],
        y_test=labels[_TRAIN:],
    )
    layers = keras.layers
    source = keras.Input((16, 16, 3))
    x = source
    for channels, strides in ((16, 1), (24, 2), (32, 2)):
        x = layers.Conv2D(
            channels, 3, strides=strides, padding="same", activation="relu"
        )(x)
    x = layers.Dense(_CLASSES)(layers.GlobalAveragePooling2D()(x))
    keras.Model(source, x, name="small").save(folder / "small.keras")
    run = api.train(
        dataset=str(folder / "pictures.npz"),
        model=str(folder / "small.keras"),
        workdir=str(folder / "run"),
        epochs=12,
        batch_size=32,
        qat_epochs=1,
        optimizer="adam",
        learning_rate=0.003,
        learning_rate_schedule="cosine",
    )
    return run.folder
