"""A small network of dense layers."""

import tf_keras as keras


def dense(input_shape, num_classes, units=32):
    """Two hidden layers; one output a target."""
    layers = keras.layers
    inputs = x = layers.Input(input_shape)
    for _ in range(2):
        x = layers.Dense(units, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return keras.Model(inputs, layers.Dense(num_classes)(x))
