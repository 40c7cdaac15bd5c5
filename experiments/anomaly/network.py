"""A fully connected autoencoder, MLPerf Tiny's in small."""

import tf_keras as keras


def autoencoder(input_shape, units=64, code=8):
    """From frames of mel bands through `code` values back to the frames."""
    inputs = x = keras.layers.Input(input_shape)
    for width in (units, units, code, units, units):
        x = keras.layers.Dense(width, use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
    return keras.Model(inputs, keras.layers.Dense(input_shape[-1])(x))
