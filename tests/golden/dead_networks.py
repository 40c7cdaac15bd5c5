"""A network whose side branches compute nothing, and its int8 `.tflite` golden files.

What TensorFlow's converter makes of a kernel of zeros, of an output that is zero for
every image, and of a bias that the kernel's scale leaves no room for. Write the files
again with `python -m tests.golden.dead_networks` when the pinned TensorFlow changes.
"""

import pathlib

import numpy as np

from tests.golden import tiny_networks
from tfpipeline.compat import keras
from tfpipeline.quantization.tflite import ranges

FOLDER = pathlib.Path(__file__).parent / "dead_int8"
# The layers whose kernels are zeros, one of each kind.
DEAD = ("dead_conv", "dead_depthwise", "dead_dense")
# Beside such a kernel all but the zero are more than int32 holds.
BIASES = (0.5, -1.0, 0.0, 2.0)
# File name -> biases of the dead layers.
VARIANTS = {"zeros": (0.0,) * len(BIASES), "biases": BIASES}

_layers = keras.layers


def build(biases: tuple[float, ...]) -> keras.Model:
    """The network; `biases` are those of each layer in `DEAD`."""
    keras.backend.reset_uids()
    keras.utils.set_random_seed(7)
    image = _layers.Input(tiny_networks.IMAGE_SHAPE)
    alive = _layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    dead = _layers.Conv2D(4, 3, padding="same", name="dead_conv")(image)
    x = _layers.Add()([alive, dead])
    dead = _layers.DepthwiseConv2D(3, padding="same", name="dead_depthwise")(alive)
    x = _layers.GlobalAveragePooling2D()(_layers.Add()([x, dead]))
    dead = _layers.Dense(4, name="dead_dense")(_layers.Flatten()(image))
    x = _layers.Dense(5)(_layers.Add()([x, dead]))
    model = keras.Model(image, x, name="dead")
    for name in DEAD:
        kernel, _ = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([0 * kernel, np.array(biases)])
    return model


def fake_quantized(model: keras.Model) -> keras.Model:
    """`model` with fake quantizers; those of outputs that are zero say 0 to 0.

    Our calibration gives such an output an ordinary range; tfmot's does not.
    """
    qat_model = tiny_networks.fake_quantized(model)
    for entry in ranges.find(qat_model):
        if entry.layer not in DEAD or entry.role not in ranges.OUTPUT_ROLES:
            continue
        if not model.get_layer(entry.layer).get_weights()[1].any():
            entry.minimum.assign(0.0)
            entry.maximum.assign(0.0)
    return qat_model


def main() -> None:
    """Writes all golden files."""
    for name, biases in VARIANTS.items():
        model = build(biases)
        tiny_networks.write(FOLDER / name, model, fake_quantized(model))


if __name__ == "__main__":
    main()
