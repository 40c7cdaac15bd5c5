"""Small Keras networks: one for each way a layer is read, and random ones."""

from collections.abc import Callable

import numpy as np

from tfpipeline.compat import keras, tf

L = keras.layers
IMAGE = (8, 8, 3)


def sequence(*layers, shape=IMAGE, name=None):
    """The layers one after another."""
    return keras.Sequential([keras.Input(shape), *layers], name=name)


def randomized(model, seed=0):
    """`model` with weights, and statistics of normalizations, that are not special."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [rng.uniform(0.5, 1.5, w.shape).astype(np.float32) for w in model.get_weights()]
    )
    return model


def _branches():
    image = keras.Input(IMAGE)
    z = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 1, name="z")(image)))
    x = L.Conv2D(4, 1, name="x")(image)
    y = L.Conv2D(4, 1, name="y2")(L.Conv2D(4, 1, name="y1")(image))
    w = L.Conv2D(4, 1, name="w")(x)
    return keras.Model(image, L.Concatenate()([y, z, x, w]), name="branches")


def _branches_of_a_name_before_the_inputs():
    model = _branches()
    return keras.Model(model.inputs, model.outputs, name="aaa")


def _arithmetic():
    image = keras.Input(IMAGE)
    a = L.Conv2D(3, 1)(image)
    gate = L.GlobalAveragePooling2D(keepdims=True)(image)
    gate = L.Activation("sigmoid")(L.Conv2D(3, 1)(gate))
    b = L.Multiply()([image, gate])
    return keras.Model(image, L.ReLU()(L.Add()([a, L.Subtract()([b, image]), image])))


def _shared():
    image = keras.Input(IMAGE)
    conv = L.Conv2D(3, 1)
    x = conv(conv(image))
    return keras.Model(image, L.Add()([L.Conv2D(3, 1)(x), x]))


def _nested():
    inner = sequence(L.Conv2D(3, 1), L.BatchNormalization(), L.ReLU(), name="inner")
    image = keras.Input(IMAGE)
    return keras.Model(image, inner(L.MaxPooling2D(1)(inner(image))), name="outer")


def _read_twice():
    image = keras.Input(IMAGE)
    x = L.Conv2D(4, 1)(image)
    both = [x, L.BatchNormalization()(x), L.ReLU()(x)]
    return keras.Model(image, L.Concatenate()(both))


def _functions():
    image = keras.Input(IMAGE)
    x = tf.nn.space_to_depth(tf.abs(image * 2.0 - 1.0), 2)
    return keras.Model(image, 2.0 - tf.nn.relu(L.Conv2D(3, 1)(x)))


def _extrema():
    image = keras.Input(IMAGE)
    a, b = L.Conv2D(4, 1)(image), L.Conv2D(4, 1)(image)
    x = L.Minimum()([L.Maximum()([a, b]), b])
    return keras.Model(image, tf.maximum(tf.minimum(x, 1.5), 0.25))


def _averaged():
    image = keras.Input(IMAGE)
    branches = [L.Conv2D(3, 1)(image) for _ in range(2)]
    return keras.Model(image, L.Average()(branches))


def _moved():
    image = keras.Input(IMAGE)
    x = tf.pad(L.Conv2D(3, 1)(image), [[0, 0], [1, 2], [0, 1], [0, 0]], "REFLECT")
    x = tf.pad(x, [[0, 0], [1, 2], [0, 1], [1, 0]], "SYMMETRIC")
    x = tf.pad(x, [[0, 0], [0, 1], [2, 0], [0, 0]], constant_values=0.5)
    x = tf.transpose(L.Conv2D(3, 1)(x)[:, 1:-1, ::-2, 1:], [0, 2, 1, 3])
    x = tf.slice(x, [0, 1, 0, 0], [-1, 4, 9, -1])[..., -1, 0]
    x = L.Dense(3)(x[:, :3])
    y = tf.reduce_max(L.Conv2D(3, 1)(image), [1, 2])
    z = tf.nn.leaky_relu(tf.reduce_min(x, axis=1, keepdims=True))
    x = tf.reduce_max(x, axis=-1, keepdims=True)
    return keras.Model(image, L.Concatenate()([x, z, y]))


def _in_parts():
    rows = keras.Input((8, 4))
    a, b, _ = tf.split(L.Dense(6)(rows), [2, -1, 1], axis=-1)
    first, second = tf.split(rows, 2, axis=1)
    slices = tf.unstack(rows, axis=1)
    x = tf.stack([slices[6], slices[1], slices[1]], axis=-1)
    pair = tf.stack([L.Dense(3)(a), b], 1)
    flat = [L.Flatten()(each) for each in (second, first, x, pair)]
    return keras.Model(rows, L.Concatenate()(flat))


# Every one equals what the converter makes of it, to the last bit.
CONVERTED: dict[str, Callable[[], keras.Model]] = {
    "convolutions": lambda: sequence(
        L.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        L.Conv2D(6, 3, groups=2, dilation_rate=(1, 1), use_bias=False),
        L.Activation("tanh"),
        shape=(9, 8, 4),
    ),
    "dilated": lambda: sequence(
        L.Conv2D(4, 3, dilation_rate=2, padding="same"),
        L.DepthwiseConv2D(3, dilation_rate=2),
    ),
    "normalized": lambda: sequence(
        L.Conv2D(9, 3, use_bias=False),
        L.BatchNormalization(),
        L.ReLU(),
        L.DepthwiseConv2D(3, depth_multiplier=2),
        L.BatchNormalization(scale=False, epsilon=0.1),
        L.ReLU(6.0),
        L.Flatten(),
        L.Dense(11),
        L.BatchNormalization(center=False),
        L.Activation("relu"),
    ),
    "normalized_elsewhere": lambda: sequence(
        L.BatchNormalization(),
        L.Conv2D(4, 3, padding="same", activation="relu"),
        L.BatchNormalization(),
        L.ReLU(),
        L.MaxPooling2D(),
        L.BatchNormalization(),
    ),
    "transposed": lambda: sequence(
        L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
        L.Conv2DTranspose(5, 3, strides=2, use_bias=False),
        L.BatchNormalization(),
        L.ReLU(),
        L.Conv2DTranspose(2, 2, use_bias=False),
        L.Conv2DTranspose(2, 2, strides=(3, 4), padding="same"),
        L.Conv2DTranspose(2, 1, strides=2),
    ),
    "separable": lambda: sequence(
        L.SeparableConv2D(
            4, 3, strides=2, depth_multiplier=2, padding="same", use_bias=False
        ),
        L.BatchNormalization(),
        L.Activation("swish"),
        L.SeparableConv2D(4, 3, activation="relu"),
    ),
    "pools": lambda: sequence(
        L.AveragePooling2D(padding="same"),
        L.ReLU(),
        L.MaxPooling2D(3, 2, padding="same"),
        L.ReLU(6.0),
        L.GlobalAveragePooling2D(),
        L.Dense(4, activation="softmax"),
    ),
    "global_maximum": lambda: sequence(L.GlobalMaxPooling2D(), L.Dense(3)),
    "padded": lambda: sequence(
        L.ZeroPadding2D(1),
        L.Conv2D(4, 3),
        L.ZeroPadding2D(((0, 1), (0, 1))),
        L.DepthwiseConv2D(3, strides=2),
        L.ZeroPadding2D(1),
        L.Conv2D(4, 3, strides=2),
        L.ZeroPadding2D(0),
    ),
    "flattened": lambda: sequence(
        L.Dense(5, activation="relu"),
        L.Flatten(),
        L.Dense(12),
        L.Reshape((2, 2, 3)),
        L.MaxPooling2D(2),
        L.Flatten(),
        L.Dense(3),
        L.Softmax(),
        shape=(4, 6),
    ),
    "scaled_inputs": lambda: sequence(
        L.Rescaling(1 / 127.5, -1), L.Conv2D(4, 3), L.Rescaling(2.0), L.Dropout(0.5)
    ),
    "scaled_padded_inputs": lambda: sequence(
        L.Rescaling(1 / 127.5, -1), L.Conv2D(4, 3, padding="same")
    ),
    "leaky": lambda: sequence(
        L.LeakyReLU(0.2),
        L.Conv2D(4, 1, activation=L.ReLU(negative_slope=0.1)),
        L.ReLU(negative_slope=0.125),
    ),
    "sloped": lambda: sequence(
        L.Conv2D(4, 1), L.PReLU(shared_axes=[1, 2]), L.Conv2D(2, 1), L.PReLU()
    ),
    "hard_sigmoid": lambda: sequence(L.Dense(5, activation="hard_sigmoid"), shape=(6,)),
    "permuted": lambda: sequence(L.Permute((2, 3, 1)), L.Conv2D(4, 1)),
    "up_sampled": lambda: sequence(
        L.UpSampling2D((2, 3)),
        L.Conv2D(4, 1),
        L.UpSampling2D(2, interpolation="bilinear"),
    ),
    "cropped": lambda: sequence(
        L.Cropping2D(((1, 0), (2, 1))), L.Conv2D(4, 1), L.Cropping2D(1)
    ),
    "in_parts": _in_parts,
    "repeated_rows": lambda: sequence(
        L.Dense(3), L.UpSampling1D(3), L.Dense(2), L.UpSampling1D(1), shape=(4, 2)
    ),
    "recurrent": lambda: sequence(
        L.LSTM(6, return_sequences=True),
        L.LSTM(3),
        L.Dense(2),
        shape=(5, 4),
    ),
    "softmax_of_rows": lambda: sequence(L.Conv2D(4, 1), L.Softmax(axis=1)),
    "lines": lambda: sequence(
        L.DepthwiseConv1D(3, padding="same", depth_multiplier=2),
        L.ZeroPadding1D(1),
        L.SeparableConv1D(3, 3, padding="causal", activation="relu"),
        L.ZeroPadding1D(1),
        L.SeparableConv1D(
            4, 2, dilation_rate=2, use_bias=False, activation=tf.nn.relu6
        ),
        shape=(12, 3),
    ),
    "averaged": _averaged,
    "standardized": lambda: sequence(
        L.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 0.0, 2.0]),
        L.MaxPooling2D(2),
        L.Normalization(axis=None, mean=0.5, variance=0.25),
    ),
    "bounded": lambda: sequence(
        L.Conv2D(4, 1), L.ReLU(2.5), L.MaxPooling2D(2), L.ReLU(3.0)
    ),
    "leaky_inside": lambda: sequence(
        L.Conv2D(4, 1, activation=L.LeakyReLU(0.25)),
    ),
    "extrema": _extrema,
    "moved": _moved,
    "branches": _branches,
    "branches_of_a_name_before_the_inputs": _branches_of_a_name_before_the_inputs,
    "arithmetic": _arithmetic,
    "shared": _shared,
    "nested": _nested,
    "read_twice": _read_twice,
    "functions": _functions,
}


def random_network(seed: int) -> keras.Model:
    """A functional network of five to nine layers that branches and joins."""
    rng = np.random.default_rng(seed)
    letters = rng.permutation(list("abcdefghijklmnopqrstuvwxyz"))
    names = iter([f"{letter}_{rng.integers(100)}" for letter in letters])
    image = keras.Input((8, 8, int(rng.integers(1, 5))))
    planes = [image]

    def pick():
        return planes[rng.integers(max(0, len(planes) - 3), len(planes))]

    def conv(x, kind):
        bias, size = bool(rng.integers(2)), int(rng.integers(1, 4))
        options = {"padding": "same", "use_bias": bias, "name": next(names)}
        if kind == "depthwise":
            return L.DepthwiseConv2D(size, **options)(x)
        kinds = {"conv": L.Conv2D, "separable": L.SeparableConv2D}
        return kinds[kind](int(rng.integers(1, 9)), size, **options)(x)

    def joined(kind):
        width = int(rng.integers(1, 6))
        sides = [L.Conv2D(width, 1, name=next(names))(pick()), pick()]
        if kind is not L.Concatenate:
            sides[1] = L.Conv2D(width, 3, padding="same", name=next(names))(sides[1])
        return kind(name=next(names))(sides)

    for _ in range(rng.integers(3, 6)):
        kind = rng.choice(["conv", "depthwise", "separable", "join", "pool"])
        if kind == "join":
            kinds = [L.Add, L.Multiply, L.Subtract, L.Concatenate]
            x = joined(kinds[rng.integers(len(kinds))])
        elif kind == "pool":
            pools = [L.MaxPooling2D, L.AveragePooling2D]
            x = pools[rng.integers(2)](2, 1, "same", name=next(names))(pick())
        else:
            x = conv(pick(), kind)
        if rng.integers(2):
            x = L.BatchNormalization(name=next(names))(x)
        if rng.integers(2):
            x = L.ReLU([None, 6.0][rng.integers(2)], name=next(names))(x)
        planes.append(x)
    x = L.Concatenate(name=next(names))([planes[-1], pick()])
    x = (L.Flatten if rng.integers(2) else L.GlobalAveragePooling2D)()(x)
    x = L.Dense(int(rng.integers(1, 6)), name=next(names))(x)
    name = str(rng.choice(["aa", "model"]))
    return randomized(keras.Model(image, x, name=name), seed)
