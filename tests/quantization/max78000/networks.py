"""Small networks for the MAX78000 scheme, and what the device makes of them."""

import numpy as np

from tfpipeline.compat import keras, tf
from tfpipeline.readers import from_max78000
from tfpipeline.targets.max78000 import assemble, lowering, simulate

layers = keras.layers

SIDE = 6


def _conv(x, name="conv", filters=8, size=3, **options):
    options = {"padding": "same", "name": name} | options
    return layers.Conv2D(filters, size, **options)(x)


def _image(channels=4):
    return layers.Input((SIDE, SIDE, channels), name="image")


def _line():
    return layers.Input((16, 4), name="image")


def conv_3x3(x):
    return _conv(x)


def conv_1x1(x):
    return _conv(x, size=1, activation="relu")


def conv_without_bias(x):
    return layers.Activation("relu")(_conv(x, use_bias=False))


def conv_padded_by_two(x):
    return _conv(layers.ZeroPadding2D(2)(x), padding="valid")


def conv_padded_by_one(x):
    return _conv(layers.ZeroPadding2D(1)(x), padding="valid")


def max_pool(x):
    return _conv(layers.MaxPooling2D(3, strides=1)(_conv(x, "first")))


def average_pool(x):
    return _conv(layers.AveragePooling2D(3, strides=1)(_conv(x, "first")))


def global_average(x):
    return layers.GlobalAveragePooling2D()(_conv(x))


def global_maximum(x):
    return layers.GlobalMaxPooling2D()(layers.ReLU()(_conv(x)))


def add(x):
    return layers.Add()([_conv(x, "left"), _conv(x, "right", size=1)])


def subtract(x):
    return layers.Subtract()([_conv(x, "left"), _conv(x, "right", size=1)])


def residual(x):
    x = layers.ReLU()(_conv(x, "stem"))
    return _conv(layers.Add()([x, _conv(x, "body")]), "behind")


def concatenate(x):
    parts = [layers.ReLU()(_conv(x, "left")), _conv(x, "right", size=1)]
    return _conv(layers.Concatenate()(parts), "behind")


def magnitude(x):
    return tf.abs(_conv(x))


def dense_of_pixels(x):
    return layers.Dense(7, name="dense")(layers.Flatten()(x))


def dense_of_vector(x):
    x = layers.GlobalAveragePooling2D()(_conv(x))
    x = layers.Dense(9, name="hidden")(x)
    return layers.Dense(7, name="dense")(x)


def conv_1d(x):
    x = layers.Conv1D(8, 9, padding="valid", activation="relu", name="first")(x)
    x = layers.AveragePooling1D(2)(layers.MaxPooling1D(2, strides=1)(x))
    return layers.Conv1D(5, 3, padding="same", name="second")(x)


def line_network(x):
    """What a network of sound has: strides, padding, a sum, a flattened line."""
    x = layers.Conv1D(6, 3, strides=2, padding="same", name="stem")(x)
    body = layers.ReLU(name="relu")(x)
    body = layers.ZeroPadding1D((2, 0), name="before")(body)
    body = layers.Conv1D(6, 3, padding="valid", name="body")(body)
    x = layers.Add(name="sum")([x, body])
    x = layers.Concatenate(name="both")([x, layers.Conv1D(2, 1, name="more")(x)])
    x = layers.Flatten()(layers.MaxPooling1D(2)(x))
    return layers.Dense(7, name="dense")(x)


def transposed(x):
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="valid", name="up")(x)
    return layers.Cropping2D(((1, 0), (1, 0)), name="crop")(x)


def classifier():
    """A network with normalizations, a sum, a concatenation, dropout and a softmax."""
    image = x = layers.Input((16, 16, 3), name="image")
    for index, filters in enumerate((8, 12)):
        x = _conv(x, f"conv{index}", filters, use_bias=False)
        x = layers.BatchNormalization(name=f"conv{index}_bn")(x)
        x = layers.ReLU(name=f"conv{index}_relu")(x)
        x = layers.MaxPooling2D(name=f"pool{index}")(x)
    body = layers.BatchNormalization(name="body_bn")(_conv(x, "body", 12))
    x = layers.Add(name="add")([x, body])
    left = layers.ReLU(name="left_relu")(_conv(x, "left", 8, size=1))
    right = layers.Activation("relu", name="right_relu")(_conv(x, "right"))
    x = layers.Concatenate(name="concat")([left, right])
    x = layers.AveragePooling2D(name="average")(x)
    x = layers.Dropout(0.2, name="dropout")(layers.Flatten(name="flatten")(x))
    x = layers.Dense(5, name="logits")(x)
    return keras.Model(image, layers.Softmax(name="softmax")(x), name="classifier")


def build_classifier(seed=0):
    """The classifier with the statistics of a trained network, values beyond 1."""
    model, rng = classifier(), np.random.default_rng(seed)
    for layer in model.layers:
        # Keras' own initial values depend on what else the process has run.
        if hasattr(layer, "kernel"):
            shape = layer.kernel.shape
            deviation = (2 / np.prod(shape[:-1])) ** 0.5
            layer.kernel.assign(rng.normal(0.0, deviation, shape))
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.gamma.assign(rng.uniform(0.5, 2.0, shape))
            layer.beta.assign(rng.normal(0.0, 0.5, shape))
            layer.moving_mean.assign(rng.normal(0.0, 0.5, shape))
            layer.moving_variance.assign(rng.uniform(0.1, 3.0, shape))
    return model


KINDS = {
    build.__name__: build
    for build in (
        conv_3x3,
        conv_1x1,
        conv_without_bias,
        conv_padded_by_one,
        conv_padded_by_two,
        max_pool,
        average_pool,
        global_average,
        global_maximum,
        add,
        subtract,
        residual,
        concatenate,
        magnitude,
        dense_of_pixels,
        dense_of_vector,
        conv_1d,
        transposed,
    )
}
# Only where padding may stand on one side.
OTHERS = {"line_network": line_network}


# Of one row of pixels.
LINES = ("conv_1d", "line_network")


def build(kind, seed=0):
    """A float model of one kind with the weights of `set_extreme_weights`."""
    image = _line() if kind in LINES else _image()
    model = keras.Model(image, (KINDS | OTHERS)[kind](image), name=kind)
    set_extreme_weights(model, np.random.default_rng(seed))
    return model


def set_extreme_weights(model, rng):
    """Gives kernels ends of the range, ties of the rounding, zeros and large values.

    Each layer has another scale, so that results of some saturate.
    """
    for layer in model.layers:
        values = [weight.shape for weight in layer.weights]
        if not values:
            continue
        # Sums of so many products stay around the ends of the range.
        count = np.prod(values[0][:-1])
        scale = np.float32(2.0 ** rng.integers(-1, 2) * rng.uniform(1, 2) / count**0.5)
        special = np.array([1, -1, 0, 0.5 / 128, -1.5 / 8, 0.25, -0.5], np.float32)
        arrays = []
        for shape in values:
            array = rng.uniform(-1, 1, shape).astype(np.float32)
            array.flat[: special.size] = special[: array.size]
            arrays.append(rng.permutation(array.ravel()).reshape(shape) * scale)
        layer.set_weights(arrays)


def images(model, count=16, seed=1):
    """Random images and the ends of the range: float32 multiples of 1/128."""
    rng = np.random.default_rng(seed)
    shape = (count, *model.input_shape[1:])
    steps = rng.integers(-128, 128, shape)
    steps[0], steps[1] = -128, 127
    steps[2] = rng.choice([-128, 127], shape[1:])
    return (steps / 128).astype(np.float32)


def without_softmax(model):
    """The model up to its logits, if it ends in a softmax."""
    last = model.layers[-1]
    if isinstance(getattr(last, "layer", last), layers.Softmax):
        return keras.Model(model.input, last.input, name=model.name)
    return model


def on_device(qat_model, values, wide_output=False):
    """What the simulated device makes of images, as the model's real numbers.

    Returns:
      float64 of the shape of the model's output.
    """
    g = from_max78000.read(qat_model)
    lowered = lowering.lower(g, wide_output=wide_output)
    p = assemble.assemble(lowered, g)
    steps = (values * 128).astype(np.int8).reshape(-1, *p.input_shape)
    found = simulate.predict(p, steps)
    (scale,) = g.tensors[g.outputs[0]].quant.scale
    return found.reshape(len(values), *qat_model.output_shape[1:]) * scale
