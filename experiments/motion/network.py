"""A network of convolutions along time."""

import tf_keras as keras


def along_time(input_shape, num_classes, filters=16):
    """Three convolutions of five samples, each of which halves the time.

    The axes of the sensor are channels of pictures one column wide, which is what
    every target's kernels take.
    """
    layers = keras.layers
    inputs = layers.Input(input_shape)
    samples, axes = input_shape
    x = layers.Reshape((samples, 1, axes))(inputs)
    for factor in (1, 2, 2):
        x = layers.Conv2D(factor * filters, (5, 1), padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.MaxPooling2D((2, 1))(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(num_classes)(x))
