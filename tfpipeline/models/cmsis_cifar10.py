"""cmsis_cifar10: the CIFAR-10 network of the CMSIS-NN paper, the STM32 reference."""

from tfpipeline.compat import keras
from tfpipeline.models import blocks


def cmsis_cifar10(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds the network of Lai, Suda, Chandra, "CMSIS-NN", arXiv:1801.06601.

    All pools are 3x3 of stride 2 in Caffe's rounding (32 to 16 to 8 to 4), which
    'same' padding reproduces: no padding before, one position after. The paper calls
    all three pools maximum; Arm's generated code for the Cortex-M7 takes averages in
    the last two. The paper's are built here, because an average pool gets a range of
    its own in quantization-aware training and so costs a QUANTIZE operation in TFLite.
    Deployed form at 32x32x3, 10 classes:

    | layer     | output   |       MACs | weights | biases |
    |-----------|----------|------------|---------|--------|
    | conv1 5x5 | 32x32x32 |  2,457,600 |   2,400 |     32 |
    | pool1     | 16x16x32 |            |         |        |
    | conv2 5x5 | 16x16x32 |  6,553,600 |  25,600 |     32 |
    | pool2     | 8x8x32   |            |         |        |
    | conv3 5x5 | 8x8x64   |  3,276,800 |  51,200 |     64 |
    | pool3     | 4x4x64   |            |         |        |
    | logits    | 10       |     10,240 |  10,240 |     10 |
    | total     |          | 12,298,240 |  89,440 |    138 |

    The paper reports 79.9 % with 8-bit weights (80.3 % in float) and 99.1 ms on an
    STM32F746 at 216 MHz; it trains without BatchNormalization (`batch_norm=False`).

    Args:
      input_shape: (height, width, channels), height and width at least 8.
      num_classes: number of logits.
      batch_norm: a BatchNormalization after each convolution, to be folded.
      dropout: rate in front of the dense layer; 0 for none (the paper's own).
      width: factor on the channels of every layer but the last; 1 as published.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] logits.
    """
    image = x = blocks.image_input(input_shape)
    for index, filters in enumerate((32, 32, 64), start=1):
        x = blocks.conv(
            x, filters, 5, f"conv{index}", batch_norm=batch_norm, width=width
        )
        x = keras.layers.MaxPooling2D(
            3, strides=2, padding="same", name=f"pool{index}"
        )(x)
    x = blocks.drop(x, dropout, "dropout")
    logits = blocks.classifier(x, num_classes)
    return keras.Model(image, logits, name="cmsis_cifar10")
