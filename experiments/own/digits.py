"""A network as a function, which reads its weights itself; trained by

python experiments/own/digits.py runs/own
"""

import pathlib
import sys

import numpy as np
import tf_keras as keras


def network(input_shape, num_classes=10, weights=None):
    """Two convolutions and a dense layer."""
    L = keras.layers
    image = L.Input(input_shape)
    x = L.Conv2D(16, 3, padding="same", activation="relu")(image)
    x = L.Conv2D(16, 3, padding="same", activation="relu")(L.MaxPooling2D()(x))
    model = keras.Model(image, L.Dense(num_classes)(L.Flatten()(x)))
    if weights:
        model.load_weights(weights)
    return model


def main() -> None:
    from sklearn import datasets

    folder = pathlib.Path(sys.argv[1])
    found = datasets.load_digits()
    x = (found.images[..., np.newaxis] / 16).astype(np.float32)
    y = found.target
    split = {"x_train": x[:1400], "y_train": y[:1400]}
    np.savez(folder / "digits.npz", **split, x_test=x[1400:], y_test=y[1400:])
    keras.utils.set_random_seed(0)
    model = network(x.shape[1:])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.003), loss)
    model.fit(x[:1400], y[:1400], batch_size=32, epochs=10, verbose=0)
    model.save_weights(folder / "digits.weights.h5")


if __name__ == "__main__":
    main()
