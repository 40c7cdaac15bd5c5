"""Small networks of MLPerf Tiny's topologies, and their `.tflite` golden files.

Each is the benchmark's row of layers with fewer channels, blocks and pixels: what a
kernel, reader or planner meets there, in files of a few kB. `squeeze` has what those
lack. Write the files again with `python -m tests.golden.mlperf_networks`.
"""

import pathlib
from collections.abc import Callable

import numpy as np

from export.tflite import int8, tracing
from tests.golden import tiny_networks
from tfpipeline.compat import keras, tf
from tfpipeline.quantization.tflite import int8 as tflite_int8

FOLDER = pathlib.Path(__file__).parent
INT8_FOLDER = FOLDER / "mlperf_int8"
INT16_FOLDER = FOLDER / "tflite_int16"

_layers = keras.layers


def _conv(x, filters, size, strides=1):
    """A convolution; its biases are random."""
    return _layers.Conv2D(
        filters,
        size,
        strides,
        padding="same",
        activation="relu",
        kernel_initializer="he_normal",
        bias_initializer="random_normal",
    )(x)


def _separable(x, filters, strides=1):
    """Depthwise and pointwise convolution."""
    x = _layers.DepthwiseConv2D(
        3,
        strides,
        padding="same",
        depthwise_initializer=keras.initializers.RandomNormal(stddev=0.5),
        bias_initializer="random_normal",
    )(x)
    return _conv(_layers.ReLU()(x), filters, 1)


def _classified(x, pool_size, classes):
    """Average pool, reshape, dense layer and softmax, as all its classifiers end."""
    x = _layers.Flatten()(_layers.AveragePooling2D(pool_size)(x))
    # Wide weights: random images have much the same averages.
    spread = keras.initializers.RandomNormal(stddev=0.7)
    return _layers.Softmax()(_layers.Dense(classes, kernel_initializer=spread)(x))


def mobilenet() -> keras.Model:
    """Visual wake words: MobileNetV1."""
    image = _layers.Input((24, 24, 3))
    x = _conv(image, 4, 3, strides=2)
    for filters, strides in ((8, 1), (8, 2), (16, 1), (16, 2)):
        x = _separable(x, filters, strides)
    return keras.Model(image, _classified(x, (3, 3), 2), name="mobilenet")


def ds_cnn() -> keras.Model:
    """Keyword spotting: DS-CNN on a plane of time and frequency."""
    image = _layers.Input((25, 10, 1))
    x = _conv(image, 8, (10, 4), strides=2)
    for _ in range(2):
        x = _separable(x, 8)
    return keras.Model(image, _classified(x, (13, 5), 12), name="ds_cnn")


def resnet() -> keras.Model:
    """Image classification: residual blocks, one of them with a projection."""
    image = _layers.Input((16, 16, 3))
    x = _conv(image, 4, 3)
    for filters, strides in ((4, 1), (8, 2)):
        y = _layers.Conv2D(filters, 3, padding="same")(_conv(x, filters, 3, strides))
        if strides > 1:
            x = _layers.Conv2D(filters, 1, strides, padding="same")(x)
        x = _layers.ReLU()(_layers.Add()([x, y]))
    return keras.Model(image, _classified(x, (8, 8), 10), name="resnet")


def autoencoder() -> keras.Model:
    """Anomaly detection: dense layers alone."""
    x = vector = _layers.Input((40,))
    for units in (16, 4, 16):
        x = _layers.Dense(units, activation="relu")(x)
    return keras.Model(vector, _layers.Dense(40)(x), name="autoencoder")


def squeeze() -> keras.Model:
    """Gates from the largest values, a transposed convolution, padding and tanh."""
    image = _layers.Input((8, 8, 3))
    x = _layers.ZeroPadding2D(1)(image)
    x = _layers.Conv2D(8, 3, strides=2)(x)
    gate = _layers.GlobalMaxPooling2D(keepdims=True)(x)
    gate = _layers.Conv2D(8, 1, activation="sigmoid")(gate)
    x = _layers.Multiply()([x, gate])
    x = _layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    x = _layers.Activation("tanh")(x)
    x = _layers.GlobalMaxPooling2D()(x)
    return keras.Model(image, _layers.Dense(5)(x), name="squeeze")


NETWORKS: tuple[Callable[[], keras.Model], ...] = (
    mobilenet,
    ds_cnn,
    resnet,
    autoencoder,
    squeeze,
)
# TFLite Micro has no REDUCE_MAX of int16, which `squeeze` becomes.
INT16_NETWORKS = (*tiny_networks.NETWORKS, mobilenet, ds_cnn, resnet, autoencoder)


def images(model: keras.Model, count: int, seed: int = 1) -> np.ndarray:
    """Random inputs, float32 from -1 to 127/128."""
    shape = (count, *model.input_shape[1:])
    values = np.random.default_rng(seed).integers(-128, 128, shape)
    return (values / 128).astype(np.float32)


def convert_int16(model: keras.Model, calibration: np.ndarray) -> bytes:
    """A `.tflite` of int16 activations and int8 weights, by calibration.

    Args:
        model: a float network.
        calibration: as `images` makes them.
    """
    converter = tracing.converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = tflite_int8.representative_dataset(calibration)
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    ]
    converter.inference_input_type = tf.int16
    converter.inference_output_type = tf.int16
    return bytes(converter.convert())


def main() -> None:
    """Writes all golden files."""
    for network in NETWORKS:
        model = tiny_networks.build(network)
        converted = int8.convert_ptq(model, images(model, 32))
        (INT8_FOLDER / f"{model.name}.tflite").write_bytes(converted)
    for network in INT16_NETWORKS:
        model = tiny_networks.build(network)
        converted = convert_int16(model, images(model, 32))
        (INT16_FOLDER / f"{model.name}.tflite").write_bytes(converted)


if __name__ == "__main__":
    main()
