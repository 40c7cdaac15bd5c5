"""resnet8: the image classification reference of MLPerf Tiny."""

from tfpipeline.compat import keras, tf
from tfpipeline.models import blocks


def resnet8(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds the ResNet8 of MLPerf Tiny: three residual blocks, the last two halving.

    The layers are those of the benchmark's `pretrainedResnet.tflite`; its 8x8 average
    pool with reshape is a GlobalAveragePooling2D here, the same values at 32x32. As
    there, the 1x1 convolutions of the shortcuts have no BatchNormalization. Deployed
    form at 32x32x3, 10 classes:

    | layer               | output   |      MACs | weights | biases |
    |---------------------|----------|-----------|---------|--------|
    | conv1 3x3           | 32x32x16 |   442,368 |     432 |     16 |
    | block1_conv1 3x3    | 32x32x16 | 2,359,296 |   2,304 |     16 |
    | block1_conv2 3x3    | 32x32x16 | 2,359,296 |   2,304 |     16 |
    | block2_conv1 3x3/2  | 16x16x32 | 1,179,648 |   4,608 |     32 |
    | block2_conv2 3x3    | 16x16x32 | 2,359,296 |   9,216 |     32 |
    | block2_shortcut 1x1/2 | 16x16x32 | 131,072 |     512 |     32 |
    | block3_conv1 3x3/2  | 8x8x64   | 1,179,648 |  18,432 |     64 |
    | block3_conv2 3x3    | 8x8x64   | 2,359,296 |  36,864 |     64 |
    | block3_shortcut 1x1/2 | 8x8x64 |   131,072 |   2,048 |     64 |
    | pool (mean)         | 64       |           |         |        |
    | logits              | 10       |       640 |     640 |     10 |
    | total               |          | 12,501,632 | 77,360 |    346 |

    Args:
      input_shape: (height, width, channels), height and width at least 4.
      num_classes: number of logits.
      batch_norm: a BatchNormalization after each 3x3 convolution, to be folded.
      dropout: rate in front of the dense layer; 0 for none (the benchmark's own).
      width: factor on the channels of every layer but the last; 1 as published.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] logits.
    """
    image = blocks.image_input(input_shape)
    x = blocks.conv(image, 16, 3, "conv1", batch_norm=batch_norm, width=width)
    x = _residual(x, 16, "block1", batch_norm=batch_norm, width=width, halve=False)
    x = _residual(x, 32, "block2", batch_norm=batch_norm, width=width, halve=True)
    x = _residual(x, 64, "block3", batch_norm=batch_norm, width=width, halve=True)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = blocks.drop(x, dropout, "dropout")
    logits = blocks.classifier(x, num_classes)
    return keras.Model(image, logits, name="resnet8")


def _residual(
    x: tf.Tensor,
    filters: int,
    name: str,
    *,
    batch_norm: bool,
    width: float,
    halve: bool,
) -> tf.Tensor:
    """Adds two 3x3 convolutions to `x`, or to its 1x1 convolution when halving."""
    strides = 2 if halve else 1
    body = blocks.conv(
        x,
        filters,
        3,
        f"{name}_conv1",
        batch_norm=batch_norm,
        width=width,
        strides=strides,
    )
    body = blocks.conv(
        body,
        filters,
        3,
        f"{name}_conv2",
        batch_norm=batch_norm,
        width=width,
        relu=False,
    )
    if halve:
        x = blocks.conv(
            x,
            filters,
            1,
            f"{name}_shortcut",
            batch_norm=False,
            width=width,
            strides=strides,
            relu=False,
        )
    x = keras.layers.Add(name=f"{name}_add")([x, body])
    return keras.layers.ReLU(name=f"{name}_relu")(x)
