"""lffd_mcu: detectors made as LFFD, for microcontrollers."""

from tfpipeline.compat import keras, tf
from tfpipeline.models import blocks


def lffd_mcu(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds a detector of three branches and 32 channels for faces of 8 to 64 pixels.

    LFFD's parts, 3x3 and 1x1 convolutions, ReLU and sums, as microcontrollers run
    them: each step down is a pool, which the MAX78000 wants in place of a stride, and
    every convolution has its ReLU, because that chip has none behind a sum. Deployed
    form at 80x80x3:

    | layer                  | output   |      MACs | weights | biases |
    |------------------------|----------|-----------|---------|--------|
    | conv1 3x3              | 80x80x16 | 2,764,800 |     432 |     16 |
    | conv2 3x3              | 40x40x32 | 7,372,800 |   4,608 |     32 |
    | stage1_conv 3x3        | 20x20x32 | 3,686,400 |   9,216 |     32 |
    | stage1_conv1 3x3       | 20x20x32 | 3,686,400 |   9,216 |     32 |
    | stage1_conv2 3x3       | 20x20x32 | 3,686,400 |   9,216 |     32 |
    | stage2_conv 3x3        | 10x10x32 |   921,600 |   9,216 |     32 |
    | stage2_conv1 3x3       | 10x10x32 |   921,600 |   9,216 |     32 |
    | stage2_conv2 3x3       | 10x10x32 |   921,600 |   9,216 |     32 |
    | stage3_conv 3x3        | 5x5x32   |   230,400 |   9,216 |     32 |
    | stage3_conv1 3x3       | 5x5x32   |   230,400 |   9,216 |     32 |
    | stage3_conv2 3x3       | 5x5x32   |   230,400 |   9,216 |     32 |
    | branch1_score 1x1      | 20x20x32 |   409,600 |   1,024 |     32 |
    | score1 1x1             | 20x20x2  |    25,600 |      64 |      2 |
    | branch1_box 1x1        | 20x20x32 |   409,600 |   1,024 |     32 |
    | box1 1x1               | 20x20x4  |    51,200 |     128 |      4 |
    | branch2_score 1x1      | 10x10x32 |   102,400 |   1,024 |     32 |
    | score2 1x1             | 10x10x2  |     6,400 |      64 |      2 |
    | branch2_box 1x1        | 10x10x32 |   102,400 |   1,024 |     32 |
    | box2 1x1               | 10x10x4  |    12,800 |     128 |      4 |
    | branch3_score 1x1      | 5x5x32   |    25,600 |   1,024 |     32 |
    | score3 1x1             | 5x5x2    |     1,600 |      64 |      2 |
    | branch3_box 1x1        | 5x5x32   |    25,600 |   1,024 |     32 |
    | box3 1x1               | 5x5x4    |     3,200 |     128 |      4 |
    | total                  |          | 25,828,800 | 94,704 |   546 |

    Args:
      input_shape: (height, width, channels), height and width at least 16.
      num_classes: channels of a score.
      batch_norm: a BatchNormalization after each convolution but the outputs, to be
        folded.
      dropout: rate in front of each branch; 0 for none.
      width: factor on the channels of every layer but the outputs; 0.5 for 16.

    Returns:
      A functional model, [batch, H, W, C] float to the float32 logits
      [batch, h, w, num_classes] and boxes [batch, h, w, 4] of each branch; see
      `specs.Branch`.
    """
    return _build(
        "lffd_mcu",
        input_shape,
        num_classes,
        3,
        batch_norm=batch_norm,
        dropout=dropout,
        width=width,
    )


def lffd_mcu_2(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds `lffd_mcu` with its first two branches, for faces of 8 to 32 pixels.

    Arguments and outputs are those of `lffd_mcu`.
    """
    return _build(
        "lffd_mcu_2",
        input_shape,
        num_classes,
        2,
        batch_norm=batch_norm,
        dropout=dropout,
        width=width,
    )


def _build(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    branches: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float,
) -> keras.Model:
    """A branch behind each stage of a pool, a convolution and a residual pair."""

    def conv(x: tf.Tensor, name: str, *, size: int = 3, filters: int = 32) -> tf.Tensor:
        return blocks.conv(x, filters, size, name, batch_norm=batch_norm, width=width)

    image = blocks.image_input(input_shape)
    x = blocks.max_pool(conv(image, "conv1", filters=16), "pool1")
    x = conv(x, "conv2")
    outputs: list[tf.Tensor] = []
    for stage in range(1, branches + 1):
        x = conv(blocks.max_pool(x, f"pool{stage + 1}"), f"stage{stage}_conv")
        body = conv(conv(x, f"stage{stage}_conv1"), f"stage{stage}_conv2")
        x = keras.layers.Add(name=f"stage{stage}_add")([x, body])
        branch = blocks.drop(x, dropout, f"dropout{stage}")
        score = conv(branch, f"branch{stage}_score", size=1)
        box = conv(branch, f"branch{stage}_box", size=1)
        outputs += blocks.score_and_box(score, box, stage, num_classes)
    return keras.Model(image, outputs, name=name)
