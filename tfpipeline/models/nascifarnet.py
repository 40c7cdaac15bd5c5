"""nascifarnet: the largest CIFAR network of the MAX78000 study."""

from tfpipeline.compat import keras
from tfpipeline.models import blocks


def nascifarnet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds nascifarnet, found by architecture search for the MAX78000.

    The study lists padding 1 for the last 1x1 convolution; its own parameter and MAC
    counts hold for padding 0 only, and the chip refuses a padding of the kernel's
    size, so padding 0 it is. Deployed form at 32x32x3, 10 classes:

    | layer      | output   |       MACs | weights | biases |
    |------------|----------|------------|---------|--------|
    | conv1 3x3  | 32x32x64 |  1,769,472 |   1,728 |     64 |
    | conv2 1x1  | 32x32x32 |  2,097,152 |   2,048 |     32 |
    | conv3 3x3  | 32x32x64 | 18,874,368 |  18,432 |     64 |
    | pool1      | 16x16x64 |            |         |        |
    | conv4 3x3  | 16x16x32 |  4,718,592 |  18,432 |     32 |
    | conv5 1x1  | 16x16x64 |    524,288 |   2,048 |     64 |
    | pool2      | 8x8x64   |            |         |        |
    | conv6 3x3  | 8x8x128  |  4,718,592 |  73,728 |    128 |
    | conv7 1x1  | 8x8x128  |  1,048,576 |  16,384 |    128 |
    | pool3      | 4x4x128  |            |         |        |
    | conv8 3x3  | 4x4x64   |  1,179,648 |  73,728 |     64 |
    | conv9 3x3  | 4x4x128  |  1,179,648 |  73,728 |    128 |
    | pool4      | 2x2x128  |            |         |        |
    | conv10 1x1 | 2x2x128  |     65,536 |  16,384 |    128 |
    | logits     | 10       |      5,120 |   5,120 |     10 |
    | total      |          | 36,180,992 | 301,760 |    842 |

    With 100 classes: 36,227,072 MACs, 347,840 weights, 932 biases. The study reports
    90.13 % on CIFAR-10 and 49.18 % on CIFAR-100 after 150 epochs each.

    Args:
      input_shape: (height, width, channels), height and width at least 16.
      num_classes: number of logits.
      batch_norm: a BatchNormalization after each convolution, to be folded.
      dropout: rate in front of the dense layer; 0 for none (the study's own).
      width: factor on the channels of every layer but the last; 1 as published.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] logits.
    """
    image = blocks.image_input(input_shape)
    x = blocks.conv(image, 64, 3, "conv1", batch_norm=batch_norm, width=width)
    x = blocks.conv(x, 32, 1, "conv2", batch_norm=batch_norm, width=width)
    x = blocks.conv(x, 64, 3, "conv3", batch_norm=batch_norm, width=width)
    x = blocks.max_pool(x, "pool1")
    x = blocks.conv(x, 32, 3, "conv4", batch_norm=batch_norm, width=width)
    x = blocks.conv(x, 64, 1, "conv5", batch_norm=batch_norm, width=width)
    x = blocks.max_pool(x, "pool2")
    x = blocks.conv(x, 128, 3, "conv6", batch_norm=batch_norm, width=width)
    x = blocks.conv(x, 128, 1, "conv7", batch_norm=batch_norm, width=width)
    x = blocks.max_pool(x, "pool3")
    x = blocks.conv(x, 64, 3, "conv8", batch_norm=batch_norm, width=width)
    x = blocks.conv(x, 128, 3, "conv9", batch_norm=batch_norm, width=width)
    x = blocks.max_pool(x, "pool4")
    x = blocks.conv(x, 128, 1, "conv10", batch_norm=batch_norm, width=width)
    x = blocks.drop(x, dropout, "dropout")
    logits = blocks.classifier(x, num_classes)
    return keras.Model(image, logits, name="nascifarnet")
