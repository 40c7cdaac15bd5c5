"""cmsisnet: the CIFAR-10 network of the MAX78000 study."""

from tfpipeline.compat import keras
from tfpipeline.models import blocks


def cmsisnet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds cmsisnet: the CMSIS-NN paper's net with each 5x5 made of two 3x3.

    The study prints the totals only (94,314 parameters, 16,820,224 MACs); the layers
    below reproduce both exactly and follow the structure of the network that the
    study names as its model. Deployed form at 32x32x3, 10 classes:

    | layer        | output   |      MACs | weights | biases |
    |--------------|----------|-----------|---------|--------|
    | conv1 3x3    | 32x32x32 |   884,736 |     864 |     32 |
    | conv2 3x3    | 32x32x32 | 9,437,184 |   9,216 |     32 |
    | pool1        | 16x16x32 |           |         |        |
    | conv3 3x3    | 16x16x32 | 2,359,296 |   9,216 |     32 |
    | conv4 3x3    | 16x16x32 | 2,359,296 |   9,216 |     32 |
    | pool2        | 8x8x32   |           |         |        |
    | conv5 3x3    | 8x8x64   | 1,179,648 |  18,432 |     64 |
    | pool3        | 4x4x64   |           |         |        |
    | conv6 3x3    | 4x4x64   |   589,824 |  36,864 |     64 |
    | logits       | 10       |    10,240 |  10,240 |     10 |
    | total        |          | 16,820,224 | 94,048 |    266 |

    The study reports 87.15 % on CIFAR-10 after quantization-aware training.

    Args:
      input_shape: (height, width, channels), height and width at least 8.
      num_classes: number of logits.
      batch_norm: a BatchNormalization after each convolution, to be folded.
      dropout: rate in front of the dense layer; 0 for none (the study's own).
      width: factor on the channels of every layer but the last; 1 as published.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] logits.
    """
    image = blocks.image_input(input_shape)
    x = blocks.conv(image, 32, 3, "conv1", batch_norm=batch_norm, width=width)
    x = blocks.conv(x, 32, 3, "conv2", batch_norm=batch_norm, width=width)
    x = blocks.max_pool(x, "pool1")
    x = blocks.conv(x, 32, 3, "conv3", batch_norm=batch_norm, width=width)
    x = blocks.conv(x, 32, 3, "conv4", batch_norm=batch_norm, width=width)
    x = blocks.max_pool(x, "pool2")
    x = blocks.conv(x, 64, 3, "conv5", batch_norm=batch_norm, width=width)
    x = blocks.max_pool(x, "pool3")
    x = blocks.conv(x, 64, 3, "conv6", batch_norm=batch_norm, width=width)
    x = blocks.drop(x, dropout, "dropout")
    logits = blocks.classifier(x, num_classes)
    return keras.Model(image, logits, name="cmsisnet")
