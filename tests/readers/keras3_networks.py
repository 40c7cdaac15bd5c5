"""Writes networks of Keras 3, and what the child process makes of them.

    python -m tests.readers.keras3_networks FOLDER FILE ...

A program of its own: it needs the Keras 3 that the tests' process cannot have.
"""

import pathlib
import shutil
import sys

import keras
import numpy as np
from keras import layers as L

from tfpipeline.readers import keras3_child

TRIALS = 16


def convolutions():
    """Layers with kernels, and activations with parameters."""
    return keras.Sequential(
        [
            L.Input((8, 8, 3)),
            L.Rescaling(0.5, offset=-0.1),
            L.Conv2D(4, 3, padding="same", use_bias=False, kernel_regularizer="l2"),
            L.BatchNormalization(),
            L.ReLU(max_value=6.0, negative_slope=0.1),
            L.SeparableConv2D(4, 3, depth_multiplier=2, padding="same"),
            L.LeakyReLU(negative_slope=0.2),
            L.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same"),
            L.PReLU(shared_axes=[1, 2]),
            L.Conv2DTranspose(3, 2, strides=2, activation="tanh"),
            L.Dropout(0.3),
            L.UpSampling2D(2),
            L.ZeroPadding2D(1),
            L.Cropping2D(((1, 0), (0, 1))),
            L.AveragePooling2D(2),
            L.GlobalMaxPooling2D(),
            L.Dense(
                3,
                activation="softmax",
                kernel_initializer=keras.initializers.VarianceScaling(2.0),
                kernel_constraint="non_neg",
            ),
        ]
    )


def without_an_input():
    """Built by a call; the file says the shape."""
    model = keras.Sequential([L.Conv2D(4, 3), L.Flatten(), L.Dense(2)])
    model(np.zeros((1, 6, 5, 1), np.float32))
    return model


def sequences():
    """Layers over time."""
    model = keras.Sequential(
        [
            L.Input((12, 4)),
            L.Normalization(),
            L.Conv1D(5, 3, padding="causal", activation="relu"),
            L.LSTM(5, return_sequences=True),
            L.GRU(4, return_sequences=True),
            L.Bidirectional(L.LSTM(3, return_sequences=True)),
            L.TimeDistributed(L.Dense(3)),
            L.SeparableConv1D(4, 3),
            L.MaxPooling1D(2),
            L.LayerNormalization(),
            L.Permute((2, 1)),
            L.Reshape((5, 4)),
            L.GlobalAveragePooling1D(),
        ]
    )
    model.layers[0].adapt(np.random.default_rng(0).normal(2, 3, (64, 12, 4)))
    return model


def augmented():
    """Layers that act in training only, and functions that Keras 2 has not."""
    return keras.Sequential(
        [
            L.Input((8, 8, 3)),
            L.RandomFlip("horizontal"),
            L.RandomRotation(0.1),
            L.RandomZoom((-0.1, 0.2), fill_mode="nearest"),
            L.RandomTranslation(0.1, 0.1),
            L.RandomContrast(0.2, value_range=(0, 1)),
            L.RandomBrightness(0.1, value_range=(0, 1)),
            L.RandomHue(0.1),
            L.RandomErasing(),
            L.Conv2D(4, 3, activation="hard_silu"),
            L.Activation("hard_sigmoid"),
            L.DepthwiseConv2D(3, activation="hard_sigmoid"),
            L.Flatten(),
            L.Dense(3, activation="hard_swish"),
        ]
    )


def graph():
    """Operations between layers, nested and shared networks, several ends."""
    image, vector = L.Input((8, 8, 3), name="image"), L.Input((5,), name="vector")
    shared = L.Conv2D(3, 3, padding="same")
    inner = keras.Sequential([L.Conv2D(3, 1), L.ReLU()], name="inner")
    one, other = shared(image), shared(shared(image))
    x = keras.ops.relu(one + other * 0.5)
    x = inner(inner(x)) - one
    x = keras.ops.maximum(x, other) / 2.0
    x = 1.0 - keras.ops.concatenate([x, one], axis=-1)
    x = x[:, 1:, :, :4]
    x = keras.ops.mean(x, axis=[1, 2])
    x = keras.ops.reshape(x, (-1, 2, 2))
    x = keras.ops.sigmoid(keras.ops.transpose(x, (0, 2, 1)))
    x = keras.ops.reshape(x, (-1, 4))
    x = keras.ops.hard_sigmoid(x) + keras.ops.hard_silu(x)
    x = L.Concatenate(name="joined")([x, vector])
    ends = [L.Dense(2, name="first")(x), L.Dense(3, name="second")(x)]
    return keras.Model([image, vector], ends)


# Keras 3 itself cannot read operations between layers from `.h5`.
FILES = {
    "convolutions.keras": convolutions,
    "convolutions.h5": convolutions,
    "without_an_input.keras": without_an_input,
    "sequences.keras": sequences,
    "augmented.keras": augmented,
    "graph.keras": graph,
}


def not_carried_over():
    """Name of a file -> network of which tf_keras has not all."""
    words = L.Input((6, 8))
    return {
        "attention": keras.Model(words, L.MultiHeadAttention(2, 4)(words, words)),
        "hard_gates": keras.Sequential(
            [L.Input((4, 3)), L.LSTM(3, recurrent_activation="hard_sigmoid")]
        ),
        "lambda": keras.Sequential([L.Input((4,)), L.Lambda(lambda x: 2 * x)]),
        "unbuilt": keras.Sequential([L.Conv2D(4, 3)], name="unbuilt"),
    }


def _randomized(model):
    """Weights far from where layers start, the variances above zero."""
    random = np.random.default_rng(1)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            weight.assign(random.uniform(0.05, 0.6, weight.shape))
    return model


def main(folder: pathlib.Path, *files: str) -> None:
    """Writes networks into `folder`, and replies beside them."""
    for file in files:
        make = FILES[file]
        place = folder / file.replace(".", "_")
        place.mkdir()
        path = place / f"model{pathlib.Path(file).suffix}"
        _randomized(make()).save(path)
        keras3_child.main(place, TRIALS)
        shutil.move(path, folder / file)
    for name, model in not_carried_over().items():
        model.save(folder / f"{name}.keras")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
