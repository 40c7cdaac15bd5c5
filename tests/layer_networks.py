"""The smallest network with each Keras layer that docs/layers.md speaks of."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline.compat import keras, tf

L = keras.layers
IMAGE = (8, 8, 3)
LINE = (16, 3)
VECTOR = (12,)
CLASSES = 4

# From a tensor to a tensor.
Part = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer, and where it stands in the smallest network.

    Attributes:
        part: the layer, and what it needs around it.
        shape: of the network's input.
        first: it reads the input, and not a convolution.
        last: it ends the network, and no Dense layer does.
    """

    part: Part
    shape: tuple[int, ...] = IMAGE
    first: bool = False
    last: bool = False


def build(name: str) -> keras.Model:
    """The network of a case; fresh weights, normalizations with statistics."""
    # Layers without a name of ours are called after how many there were.
    keras.backend.reset_uids()
    case = CASES[name]()
    image = keras.Input(case.shape, name="image")
    x = image if case.first else _stem(case.shape)(image)
    x = case.part(x)
    if not case.last:
        x = L.Flatten(name="flat")(x) if len(x.shape) > 2 else x
        x = L.Dense(CLASSES, name="last")(x)
    return with_statistics(keras.Model(image, x, name="net"))


def with_statistics(model: keras.Model) -> keras.Model:
    """The network, its normalizations and slopes as after some training."""
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, (L.BatchNormalization, L.PReLU)):
            layer.set_weights(
                [random.uniform(0.1, 0.9, w.shape) for w in layer.get_weights()]
            )
    return model


def _stem(shape: tuple[int, ...]) -> Part:
    if len(shape) == 3:
        return L.Conv2D(4, 3, padding="same", name="stem")
    if len(shape) == 2:
        return L.Conv1D(4, 3, padding="same", name="stem")
    return L.Dense(8, name="stem")


def _joined(join: Any, count: int = 2) -> Part:
    def part(x: Any) -> Any:
        kind = L.Dense if len(x.shape) == 2 else L.Conv2D
        size = () if kind is L.Dense else (1,)
        return join([kind(4, *size, name=f"branch{i}")(x) for i in range(count)])

    return part


def _behind(*layers: Any) -> Part:
    def part(x: Any) -> Any:
        for layer in layers:
            x = layer(x)
        return x

    return part


def _norm() -> Any:
    return L.BatchNormalization(name="norm")


def _nested(x: Any) -> Any:
    inner = keras.Input(x.shape[1:], name="inner_image")
    y = L.ReLU(name="relu")(_norm()(L.Conv2D(4, 3, name="conv")(inner)))
    return keras.Model(inner, y, name="backbone")(x)


def _normalization() -> Any:
    return L.Normalization(
        axis=-1, mean=[0.1, -0.2, 0.3], variance=[0.5, 0.9, 0.2], name="it"
    )


def _hard_swish(x: Any) -> Any:
    """As MobileNetV3 of Keras has it."""
    return L.Multiply(name="it")([x, L.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)])


# Made anew each time, so that no two networks share a layer.
CASES: dict[str, Callable[[], Case]] = {
    "Conv2D": lambda: Case(L.Conv2D(4, 3, name="it")),
    "Conv2D, dilated": lambda: Case(L.Conv2D(4, 3, dilation_rate=2, name="it")),
    "Conv2D, stride 2": lambda: Case(
        L.Conv2D(4, 3, strides=2, padding="same", name="it")
    ),
    "DepthwiseConv2D": lambda: Case(L.DepthwiseConv2D(3, name="it")),
    "DepthwiseConv2D, multiplier 2": lambda: Case(
        L.DepthwiseConv2D(3, depth_multiplier=2, name="it")
    ),
    "DepthwiseConv2D, dilated": lambda: Case(
        L.DepthwiseConv2D(3, dilation_rate=2, name="it")
    ),
    "SeparableConv2D": lambda: Case(L.SeparableConv2D(4, 3, name="it")),
    "Conv2DTranspose": lambda: Case(
        L.Conv2DTranspose(4, 3, strides=2, padding="same", name="it")
    ),
    "Conv1D": lambda: Case(L.Conv1D(4, 3, name="it"), LINE),
    "Conv1D, causal": lambda: Case(L.Conv1D(4, 3, padding="causal", name="it"), LINE),
    "DepthwiseConv1D": lambda: Case(L.DepthwiseConv1D(3, name="it"), LINE),
    "SeparableConv1D": lambda: Case(L.SeparableConv1D(4, 3, name="it"), LINE),
    "Dense": lambda: Case(L.Dense(4, name="it"), VECTOR, last=True),
    "Dense of each pixel": lambda: Case(L.Dense(4, name="it")),
    "BatchNormalization behind Conv2D": lambda: Case(_norm()),
    "BatchNormalization behind Conv1D": lambda: Case(_norm(), LINE),
    "BatchNormalization behind Dense": lambda: Case(_norm(), VECTOR),
    "BatchNormalization behind SeparableConv2D": lambda: Case(
        _behind(L.SeparableConv2D(4, 3, name="sep"), _norm())
    ),
    "BatchNormalization behind Conv2DTranspose": lambda: Case(
        _behind(L.Conv2DTranspose(4, 2, strides=2, name="up"), _norm())
    ),
    "BatchNormalization behind ReLU": lambda: Case(
        _behind(L.ReLU(name="relu"), _norm())
    ),
    "BatchNormalization behind a pool": lambda: Case(
        _behind(L.MaxPooling2D(name="pool"), _norm())
    ),
    "BatchNormalization before Conv2D": lambda: Case(
        _behind(L.ReLU(name="relu"), _norm(), L.Conv2D(4, 3, name="behind"))
    ),
    "BatchNormalization before Conv2D, padded": lambda: Case(
        _behind(
            L.ReLU(name="relu"), _norm(), L.Conv2D(4, 3, padding="same", name="behind")
        )
    ),
    "BatchNormalization before Dense": lambda: Case(
        _behind(L.ReLU(name="relu"), _norm(), L.Dense(4, name="behind")), VECTOR
    ),
    "BatchNormalization first": lambda: Case(
        _behind(_norm(), L.Conv2D(4, 3, padding="same", name="behind")), first=True
    ),
    "Rescaling first": lambda: Case(
        _behind(L.Rescaling(0.5, 0.25, name="it"), L.Conv2D(4, 3, name="behind")),
        first=True,
    ),
    "Normalization first": lambda: Case(
        _behind(_normalization(), L.Conv2D(4, 3, name="behind")), first=True
    ),
    "Normalization of a vector": lambda: Case(
        _behind(
            L.Normalization(axis=-1, mean=[0.1] * 12, variance=[0.5] * 12, name="it"),
            L.Dense(4, name="behind"),
        ),
        VECTOR,
        first=True,
    ),
    "ReLU": lambda: Case(L.ReLU(name="it")),
    "ReLU, max_value 6": lambda: Case(L.ReLU(6.0, name="it")),
    "ReLU, max_value 2": lambda: Case(L.ReLU(2.0, name="it")),
    "LeakyReLU": lambda: Case(L.LeakyReLU(0.1, name="it")),
    "PReLU": lambda: Case(L.PReLU(shared_axes=[1, 2], name="it")),
    "Softmax": lambda: Case(
        _behind(L.Flatten(), L.Dense(4, name="head"), L.Softmax(name="it")), last=True
    ),
    "Activation sigmoid": lambda: Case(L.Activation("sigmoid", name="it")),
    "Activation tanh": lambda: Case(L.Activation("tanh", name="it")),
    "Activation relu6": lambda: Case(L.Activation("relu6", name="it")),
    "Activation swish": lambda: Case(L.Activation("swish", name="it")),
    "Activation hard_sigmoid": lambda: Case(L.Activation("hard_sigmoid", name="it")),
    "hard swish of MobileNetV3": lambda: Case(_hard_swish),
    "Dense with softmax": lambda: Case(
        L.Dense(4, activation="softmax", name="it"), VECTOR, last=True
    ),
    "Dense with sigmoid": lambda: Case(
        L.Dense(4, activation="sigmoid", name="it"), VECTOR, last=True
    ),
    "Dense with tanh": lambda: Case(L.Dense(4, activation="tanh", name="it"), VECTOR),
    "Dense with relu": lambda: Case(L.Dense(4, activation="relu", name="it"), VECTOR),
    "Conv2D with relu6": lambda: Case(
        L.Conv2D(4, 3, activation=tf.nn.relu6, name="it")
    ),
    "Conv2D with LeakyReLU": lambda: Case(
        L.Conv2D(4, 3, activation=L.LeakyReLU(0.2, name="leaky"), name="it")
    ),
    "Add": lambda: Case(_joined(L.Add(name="it"))),
    "Add of three": lambda: Case(_joined(L.Add(name="it"), 3)),
    "Subtract": lambda: Case(_joined(L.Subtract(name="it"))),
    "Multiply": lambda: Case(_joined(L.Multiply(name="it"))),
    "Multiply of three": lambda: Case(_joined(L.Multiply(name="it"), 3)),
    "Average": lambda: Case(_joined(L.Average(name="it"))),
    "Average of three": lambda: Case(_joined(L.Average(name="it"), 3)),
    "Maximum": lambda: Case(_joined(L.Maximum(name="it"))),
    "Minimum": lambda: Case(_joined(L.Minimum(name="it"))),
    "Concatenate": lambda: Case(_joined(L.Concatenate(name="it"))),
    "Concatenate of rows": lambda: Case(_joined(L.Concatenate(axis=1, name="it"))),
    "Concatenate of columns": lambda: Case(_joined(L.Concatenate(axis=2, name="it"))),
    "Concatenate of three": lambda: Case(_joined(L.Concatenate(name="it"), 3)),
    "MaxPooling2D": lambda: Case(L.MaxPooling2D(name="it")),
    "AveragePooling2D": lambda: Case(L.AveragePooling2D(name="it")),
    "GlobalAveragePooling2D": lambda: Case(L.GlobalAveragePooling2D(name="it")),
    "GlobalMaxPooling2D": lambda: Case(L.GlobalMaxPooling2D(name="it")),
    "MaxPooling1D": lambda: Case(L.MaxPooling1D(name="it"), LINE),
    "AveragePooling1D": lambda: Case(L.AveragePooling1D(name="it"), LINE),
    "GlobalAveragePooling1D": lambda: Case(L.GlobalAveragePooling1D(name="it"), LINE),
    "GlobalMaxPooling1D": lambda: Case(L.GlobalMaxPooling1D(name="it"), LINE),
    "ZeroPadding2D": lambda: Case(
        _behind(L.ZeroPadding2D(1, name="it"), L.Conv2D(4, 3, name="behind"))
    ),
    "ZeroPadding1D": lambda: Case(
        _behind(L.ZeroPadding1D(1, name="it"), L.Conv1D(4, 3, name="behind")), LINE
    ),
    "Cropping2D": lambda: Case(L.Cropping2D(1, name="it")),
    "Cropping1D": lambda: Case(L.Cropping1D(1, name="it"), LINE),
    "UpSampling2D nearest": lambda: Case(L.UpSampling2D(2, name="it")),
    "UpSampling2D bilinear": lambda: Case(
        L.UpSampling2D(2, interpolation="bilinear", name="it")
    ),
    "Resizing first": lambda: Case(
        _behind(L.Resizing(6, 5, name="it"), L.Conv2D(4, 3, name="behind")), first=True
    ),
    "Resizing nearest": lambda: Case(
        L.Resizing(4, 4, interpolation="nearest", name="it")
    ),
    "UpSampling1D": lambda: Case(L.UpSampling1D(2, name="it"), LINE),
    "Flatten": lambda: Case(L.Flatten(name="it")),
    "Reshape": lambda: Case(L.Reshape((8, 32), name="it")),
    "Permute": lambda: Case(L.Permute((2, 1, 3), name="it")),
    "Dropout": lambda: Case(L.Dropout(0.2, name="it")),
    "SpatialDropout2D": lambda: Case(L.SpatialDropout2D(0.2, name="it")),
    "GaussianNoise": lambda: Case(L.GaussianNoise(0.1, name="it")),
    "RandomFlip first": lambda: Case(
        _behind(L.RandomFlip(name="it"), L.Conv2D(4, 3, name="behind")), first=True
    ),
    "Identity": lambda: Case(L.Identity(name="it")),
    "a model in the model": lambda: Case(_nested),
    "x + y": lambda: Case(_joined(lambda both: both[0] + both[1])),
    "2 * x - 1": lambda: Case(lambda x: 2.0 * x - 1.0),
    "x / 2": lambda: Case(lambda x: x / 2.0),
    "tf.nn.relu": lambda: Case(lambda x: tf.nn.relu(x)),
    "TimeDistributed Dense": lambda: Case(
        L.TimeDistributed(L.Dense(4, activation="tanh"), name="it"), LINE
    ),
    "LSTM": lambda: Case(L.LSTM(4, name="it"), LINE),
    "GRU": lambda: Case(L.GRU(4, name="it"), LINE),
    "SimpleRNN": lambda: Case(L.SimpleRNN(4, name="it"), LINE),
    "LayerNormalization": lambda: Case(L.LayerNormalization(name="it")),
    "Embedding": lambda: Case(L.Embedding(8, 4, name="it"), VECTOR, first=True),
    "Lambda": lambda: Case(L.Lambda(lambda x: x * x, name="it")),
}
