"""simplenet: the SimpleNet-inspired CIFAR-10 network of the MAX78000 study."""

from tfpipeline.compat import keras
from tfpipeline.models import blocks


def simplenet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds simplenet as the study lists it, behind a 3->32 stem.

    Two gaps of the listing are filled here: its first convolution already takes 32
    channels, so `conv1` brings the image to 32; and it goes from 4x4x256 to a dense
    layer of 1x1x256 without naming what reduces it, which is a 4x4 maximum here.

    The 401,599 parameters that the study prints **cannot be reproduced**: the listed
    layers alone already have 418,144 weights (with the stem), and all weights, biases
    and BatchNormalization parameters of layers with even channel counts add up to an
    even number, while 401,599 is odd. The count or the listing is wrong; the listing
    is what is built. Deployed form at 32x32x3, 10 classes:

    | layer      | output   |      MACs | weights | biases |
    |------------|----------|-----------|---------|--------|
    | conv1 3x3  | 32x32x32 |   884,736 |     864 |     32 |
    | conv2 3x3  | 32x32x32 | 9,437,184 |   9,216 |     32 |
    | conv3 3x3  | 32x32x32 | 9,437,184 |   9,216 |     32 |
    | pool1, dropout1 | 16x16x32 |      |         |        |
    | conv4 3x3  | 16x16x32 | 2,359,296 |   9,216 |     32 |
    | pool2, dropout2 | 8x8x32 |        |         |        |
    | conv5 3x3  | 8x8x64   | 1,179,648 |  18,432 |     64 |
    | conv6 3x3  | 8x8x128  | 4,718,592 |  73,728 |    128 |
    | pool3, dropout3 | 4x4x128 |       |         |        |
    | conv7 3x3  | 4x4x256  | 4,718,592 | 294,912 |    256 |
    | pool4 4x4  | 1x1x256  |           |         |        |
    | logits     | 10       |     2,560 |   2,560 |     10 |
    | total      |          | 32,737,792 | 418,144 |   586 |

    The study reports 87.57 % on CIFAR-10 after 50 epochs.

    Args:
      input_shape: (height, width, channels), height and width at least 32.
      num_classes: number of logits.
      batch_norm: a BatchNormalization after each convolution, to be folded.
      dropout: rate after each of the first three pools (the study's own is 0.3).
      width: factor on the channels of every layer but the last; 1 as published.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] logits.
    """
    image = blocks.image_input(input_shape)
    x = blocks.conv(image, 32, 3, "conv1", batch_norm=batch_norm, width=width)
    x = blocks.conv(x, 32, 3, "conv2", batch_norm=batch_norm, width=width)
    x = blocks.conv(x, 32, 3, "conv3", batch_norm=batch_norm, width=width)
    x = blocks.max_pool(x, "pool1")
    x = blocks.drop(x, dropout, "dropout1")
    x = blocks.conv(x, 32, 3, "conv4", batch_norm=batch_norm, width=width)
    x = blocks.max_pool(x, "pool2")
    x = blocks.drop(x, dropout, "dropout2")
    x = blocks.conv(x, 64, 3, "conv5", batch_norm=batch_norm, width=width)
    x = blocks.conv(x, 128, 3, "conv6", batch_norm=batch_norm, width=width)
    x = blocks.max_pool(x, "pool3")
    x = blocks.drop(x, dropout, "dropout3")
    x = blocks.conv(x, 256, 3, "conv7", batch_norm=batch_norm, width=width)
    x = blocks.max_pool(x, "pool4", size=4)
    logits = blocks.classifier(x, num_classes)
    return keras.Model(image, logits, name="simplenet")
