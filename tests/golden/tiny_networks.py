"""Tiny networks, one for each shape of graph, and their int8 `.tflite` golden files.

The golden files let the tests of the NumPy side run without TensorFlow. Write them
again with `python -m tests.golden.tiny_networks` when the pinned TensorFlow changes.
"""

import pathlib
from collections.abc import Callable

import numpy as np

from export.tflite import int8
from tests.export import tensorflow_converter
from tfpipeline.compat import keras
from tfpipeline.quantization.tflite import int8 as tflite_int8

FOLDER = pathlib.Path(__file__).parent / "tflite_int8"
CALIBRATION_IMAGES = 32
IMAGE_SHAPE = (8, 8, 3)

_layers = keras.layers


def plain() -> keras.Model:
    """Convolution, pooling and two dense layers: a FULLY_CONNECTED feeds another."""
    image = _layers.Input(IMAGE_SHAPE)
    x = _layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = _layers.MaxPooling2D()(x)
    x = _layers.Flatten()(x)
    x = _layers.Dense(12, activation="relu")(x)
    return keras.Model(image, _layers.Dense(10)(x), name="plain")


def depthwise() -> keras.Model:
    """Convolution, depthwise convolution and a global average."""
    image = _layers.Input(IMAGE_SHAPE)
    x = _layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(image)
    x = _layers.DepthwiseConv2D(3, padding="same")(x)
    x = _layers.ReLU()(x)
    x = _layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, _layers.Dense(10)(x), name="depthwise")


def residual() -> keras.Model:
    """A residual addition and a softmax, which may amplify a FULLY_CONNECTED's LSB."""
    image = _layers.Input(IMAGE_SHAPE)
    x = _layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    y = _layers.Conv2D(8, 3, padding="same")(x)
    x = _layers.ReLU()(_layers.Add()([x, y]))
    x = _layers.GlobalAveragePooling2D()(x)
    x = _layers.Softmax()(_layers.Dense(10)(x))
    return keras.Model(image, x, name="residual")


def concat() -> keras.Model:
    """Two branches joined, and a convolution as classifier: no FULLY_CONNECTED."""
    image = _layers.Input(IMAGE_SHAPE)
    left = _layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    right = _layers.Conv2D(4, 1, activation="relu")(image)
    x = _layers.Concatenate()([left, right])
    x = _layers.Conv2D(10, 1)(x)
    return keras.Model(image, _layers.GlobalAveragePooling2D()(x), name="concat")


NETWORKS: tuple[Callable[[], keras.Model], ...] = (plain, depthwise, residual, concat)


def build(network: Callable[[], keras.Model]) -> keras.Model:
    """Builds `network` with weights that depend on nothing but this line."""
    # Without it the layers' names would count those built before.
    keras.backend.reset_uids()
    keras.utils.set_random_seed(7)
    return network()


def images(count: int, seed: int = 1) -> np.ndarray:
    """Random images, float32 `[count, 8, 8, 3]` from -1 to 127/128."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *IMAGE_SHAPE))
    return ((pixels - 128) / 128).astype(np.float32)


def fake_quantized(model: keras.Model) -> keras.Model:
    """`model` with fake quantizers, their ranges from the calibration images."""
    return tflite_int8.prepare_qat(model, images(CALIBRATION_IMAGES))


def write(stem: pathlib.Path, model: keras.Model, qat_model: keras.Model) -> None:
    """Writes `stem`_ptq.tflite of a float network, `stem`_qat.tflite of its twin."""
    after = int8.convert_ptq(model, images(CALIBRATION_IMAGES))
    trained = tensorflow_converter.convert(qat_model)
    for suffix, converted in (("ptq", after), ("qat", trained)):
        stem.with_name(f"{stem.name}_{suffix}.tflite").write_bytes(converted)


def main() -> None:
    """Writes all golden files."""
    for network in NETWORKS:
        model = build(network)
        write(FOLDER / network.__name__, model, fake_quantized(model))


if __name__ == "__main__":
    main()
