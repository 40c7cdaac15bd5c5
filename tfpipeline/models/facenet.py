"""The FaceNet family: face / no face on 88x88 crops, from the MAX78000 face study.

Five networks of one shape: 3x3 convolutions with ReLU, a 2x2 maximum in front of each
but the first, then one dense layer. The convolutions carry no bias, so the two biases
of the dense layer are all of the study's "Bias memory: 2 bytes". BatchNormalization
folds into a bias for each channel, which is why it is off unless asked for here.

The study prints the counts of v1, v2 and v3 per layer, and for v6 and v7 only the
expected time of each layer. Those times have exactly one solution in channel counts
under the rule that gives v2's, which is where the layers of v6 and v7 come from.
"""

from tfpipeline.compat import keras
from tfpipeline.models import blocks


def facenet_v1(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds FaceNet v1 (85 % in its study).

    Deployed form at 88x88x3, 2 classes:

    | layer  | output   |    MACs | weights | biases |
    |--------|----------|---------|---------|--------|
    | conv1  | 88x88x4  | 836,352 |     108 |      0 |
    | conv2  | 44x44x8  | 557,568 |     288 |      0 |
    | conv3  | 22x22x16 | 557,568 |   1,152 |      0 |
    | conv4  | 11x11x32 | 557,568 |   4,608 |      0 |
    | conv5  | 5x5x32   | 230,400 |   9,216 |      0 |
    | logits | 2        |   1,600 |   1,600 |      2 |
    | total  |          | 2,741,056 | 16,972 |     2 |

    Args:
      input_shape: (height, width, channels), height and width at least 16.
      num_classes: number of logits.
      batch_norm: a BatchNormalization after each convolution. It adds 92 biases to
        the deployed form, which the study's network does not have.
      dropout: rate in front of the dense layer; 0 for none (the study's own).
      width: factor on the channels of every layer but the last; 1 as published.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] logits.
    """
    return _facenet(
        "facenet_v1",
        (4, 8, 16, 32, 32),
        input_shape,
        num_classes,
        batch_norm,
        dropout,
        width,
    )


def facenet_v2(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds FaceNet v2 (86 % in its study, with 8-bit weights).

    Deployed form at 88x88x3, 2 classes:

    | layer  | output   |      MACs | weights | biases |
    |--------|----------|-----------|---------|--------|
    | conv1  | 88x88x8  | 1,672,704 |     216 |      0 |
    | conv2  | 44x44x16 | 2,230,272 |   1,152 |      0 |
    | conv3  | 22x22x32 | 2,230,272 |   4,608 |      0 |
    | conv4  | 11x11x64 | 2,230,272 |  18,432 |      0 |
    | conv5  | 5x5x64   |   921,600 |  36,864 |      0 |
    | conv6  | 2x2x64   |   147,456 |  36,864 |      0 |
    | logits | 2        |       512 |     512 |      2 |
    | total  |          | 9,433,088 |  98,648 |      2 |

    Args:
      input_shape: (height, width, channels), height and width at least 32.
      num_classes: number of logits.
      batch_norm: a BatchNormalization after each convolution. It adds 248 biases to
        the deployed form, which the study's network does not have.
      dropout: rate in front of the dense layer; 0 for none (the study's own).
      width: factor on the channels of every layer but the last; 1 as published.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] logits.
    """
    return _facenet(
        "facenet_v2",
        (8, 16, 32, 64, 64, 64),
        input_shape,
        num_classes,
        batch_norm,
        dropout,
        width,
    )


def facenet_v3(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds FaceNet v3: the layers and counts of v2, meant for 4-bit weights.

    98,648 weights of 4 bits are the 49,324 bytes of weight memory that the study
    prints. The study's page order leaves open which of the two memory figures is v2's
    and which v3's; fewer bits after "further quantization" is the reading taken here.

    Args:
      input_shape: (height, width, channels), height and width at least 32.
      num_classes: number of logits.
      batch_norm: as in `facenet_v2`: 248 biases more than the study's network.
      dropout: rate in front of the dense layer; 0 for none (the study's own).
      width: factor on the channels of every layer but the last; 1 as published.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] logits.
    """
    return _facenet(
        "facenet_v3",
        (8, 16, 32, 64, 64, 64),
        input_shape,
        num_classes,
        batch_norm,
        dropout,
        width,
    )


def facenet_v6(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds FaceNet v6 (1,307.51 us expected in its study, against v2's 3,081.31).

    Deployed form at 88x88x3, 2 classes:

    | layer  | output   |    MACs | weights | biases |
    |--------|----------|---------|---------|--------|
    | conv1  | 88x88x4  | 836,352 |     108 |      0 |
    | conv2  | 44x44x4  | 278,784 |     144 |      0 |
    | conv3  | 22x22x4  |  69,696 |     144 |      0 |
    | conv4  | 11x11x8  |  34,848 |     288 |      0 |
    | conv5  | 5x5x16   |  28,800 |   1,152 |      0 |
    | logits | 2        |     800 |     800 |      2 |
    | total  |          | 1,249,280 | 2,636 |      2 |

    Args:
      input_shape: (height, width, channels), height and width at least 16.
      num_classes: number of logits.
      batch_norm: a BatchNormalization after each convolution. It adds 36 biases to
        the deployed form, which the study's network does not have.
      dropout: rate in front of the dense layer; 0 for none (the study's own).
      width: factor on the channels of every layer but the last; 1 as published.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] logits.
    """
    return _facenet(
        "facenet_v6",
        (4, 4, 4, 8, 16),
        input_shape,
        num_classes,
        batch_norm,
        dropout,
        width,
    )


def facenet_v7(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds FaceNet v7 (658.95 us expected in its study, its fastest).

    Deployed form at 88x88x3, 2 classes:

    | layer  | output   |    MACs | weights | biases |
    |--------|----------|---------|---------|--------|
    | conv1  | 88x88x1  | 209,088 |      27 |      0 |
    | conv2  | 44x44x2  |  34,848 |      18 |      0 |
    | conv3  | 22x22x4  |  34,848 |      72 |      0 |
    | conv4  | 11x11x8  |  34,848 |     288 |      0 |
    | conv5  | 5x5x16   |  28,800 |   1,152 |      0 |
    | logits | 2        |     800 |     800 |      2 |
    | total  |          | 343,232 |   2,357 |      2 |

    Args:
      input_shape: (height, width, channels), height and width at least 16.
      num_classes: number of logits.
      batch_norm: a BatchNormalization after each convolution. It adds 31 biases to
        the deployed form, which the study's network does not have.
      dropout: rate in front of the dense layer; 0 for none (the study's own).
      width: factor on the channels of every layer but the last; 1 as published.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] logits.
    """
    return _facenet(
        "facenet_v7",
        (1, 2, 4, 8, 16),
        input_shape,
        num_classes,
        batch_norm,
        dropout,
        width,
    )


def _facenet(
    name: str,
    filters: tuple[int, ...],
    input_shape: tuple[int, int, int],
    num_classes: int,
    batch_norm: bool,
    dropout: float,
    width: float,
) -> keras.Model:
    image = x = blocks.image_input(input_shape)
    for index, channels in enumerate(filters, start=1):
        if index > 1:
            x = blocks.max_pool(x, f"pool{index - 1}")
        x = blocks.conv(
            x,
            channels,
            3,
            f"conv{index}",
            batch_norm=batch_norm,
            width=width,
            use_bias=False,
        )
    x = blocks.drop(x, dropout, "dropout")
    return keras.Model(image, blocks.classifier(x, num_classes), name=name)
