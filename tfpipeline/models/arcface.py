"""arcface: the residual networks that ArcFace was published with, as descriptors."""

from typing import Any

from tfpipeline.compat import keras, tf
from tfpipeline.models import blocks

# Channels of the four stages; each begins by halving the image.
_CHANNELS = (64, 128, 256, 512)
# Units of a stage, by the number of layers in the network's name.
_UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}
_DEPTHS = {f"arcface_r{depth}": units for depth, units in _UNITS.items()}


def arcface_r18(
    input_shape: tuple[int, int, int], num_classes: int, **options: Any
) -> keras.Model:
    """Builds LResNet18E-IR: 24,013,760 weights and biases, 2.610 GMAC; see `build`."""
    return build("arcface_r18", input_shape, num_classes, **options)


def arcface_r34(
    input_shape: tuple[int, int, int], num_classes: int, **options: Any
) -> keras.Model:
    """Builds LResNet34E-IR: 34,118,208 weights and biases, 4.460 GMAC; see `build`."""
    return build("arcface_r34", input_shape, num_classes, **options)


def arcface_r50(
    input_shape: tuple[int, int, int], num_classes: int, **options: Any
) -> keras.Model:
    """Builds LResNet50E-IR: 43,559,488 weights and biases, 6.309 GMAC; see `build`."""
    return build("arcface_r50", input_shape, num_classes, **options)


def arcface_r100(
    input_shape: tuple[int, int, int], num_classes: int, **options: Any
) -> keras.Model:
    """Builds LResNet100E-IR: 65,098,560 weights and biases, 12.090 GMAC; see `build`.

    The network of the cascade study's PowerVR table: no smaller one comes near it.
    """
    return build("arcface_r100", input_shape, num_classes, **options)


def build(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds a network of units BatchNormalization, 3x3, PReLU, 3x3, and a sum.

    The first unit of a stage halves the image with its second convolution, and adds a
    1x1 convolution with stride 2; nothing follows a sum. What begins a unit cannot be
    folded, because the convolution behind it pads with zeros: it is deployed as a
    scale and an offset a channel. The head is Dropout and a dense layer with
    BatchNormalization; the published one has one more in front of the Dropout, which
    the dense layer takes in: the deployed forms are equal.

    Args:
      name: a key of the table of units above.
      input_shape: (height, width, channels), 112x112x3 as published.
      num_classes: length of the descriptor, 512 as published. It is not normalized.
      batch_norm: whether there is BatchNormalization.
      dropout: rate in front of the dense layer.
      width: factor on the channels of every layer but the last.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] float32.
    """
    image = blocks.image_input(input_shape)
    x = blocks.conv(
        image, _CHANNELS[0], 3, "conv0", batch_norm=batch_norm, width=width, relu=False
    )
    x = blocks.prelu(x, "conv0_prelu")
    for stage, units in enumerate(_DEPTHS[name], start=1):
        filters = _CHANNELS[stage - 1]
        for unit in range(1, units + 1):
            x = _unit(
                x,
                filters,
                f"stage{stage}_unit{unit}",
                batch_norm=batch_norm,
                width=width,
                halve=unit == 1,
            )
    x = blocks.drop(x, dropout, "dropout")
    return keras.Model(image, blocks.descriptor(x, num_classes, batch_norm), name=name)


def _unit(
    x: tf.Tensor,
    filters: int,
    name: str,
    *,
    batch_norm: bool,
    width: float,
    halve: bool,
) -> tf.Tensor:
    shortcut = x
    if batch_norm:
        x = blocks.normalize(x, f"{name}_bn")
    x = blocks.conv(
        x, filters, 3, f"{name}_conv1", batch_norm=batch_norm, width=width, relu=False
    )
    x = blocks.prelu(x, f"{name}_prelu")
    if halve:
        x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        shortcut = blocks.conv(
            shortcut,
            filters,
            1,
            f"{name}_shortcut",
            batch_norm=batch_norm,
            width=width,
            strides=2,
            relu=False,
        )
    x = blocks.conv(
        x,
        filters,
        3,
        f"{name}_conv2",
        batch_norm=batch_norm,
        width=width,
        strides=2 if halve else 1,
        padding="valid" if halve else "same",
        relu=False,
    )
    return keras.layers.Add(name=f"{name}_add")([shortcut, x])
