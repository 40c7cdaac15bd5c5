"""DS-CNN, the network of MLPerf Tiny's keyword spotting, at any width."""

import tf_keras as keras


def ds_cnn(input_shape, num_classes, filters=64, blocks=4):
    """A convolution, then depthwise and pointwise ones, a mean and classes.

    The benchmark's own is 64 filters and 4 blocks, and a first kernel of 10 x 4.
    """
    layers = keras.layers

    def finished(x):
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    inputs = layers.Input(input_shape)
    first = layers.Conv2D(filters, (10, 4), strides=2, padding="same", use_bias=False)
    x = finished(first(inputs))
    for _ in range(blocks):
        x = finished(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
        x = finished(layers.Conv2D(filters, 1, use_bias=False)(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(num_classes, activation="softmax")(x))
