"""reid_squeezenet: the face descriptor of the GAP8 re-identification system."""

from tfpipeline.compat import keras, tf
from tfpipeline.models import blocks

# (number, squeezed channels, channels of each expansion, maximum behind it): SqueezeNet
# 1.1's modules under the numbers that the GAP8 demo gives them.
_FIRES = (
    (3, 16, 64, False),
    (4, 16, 64, True),
    (6, 32, 128, False),
    (7, 32, 128, True),
    (9, 48, 192, False),
    (10, 48, 192, False),
    (11, 64, 256, False),
)
_LAST_SQUEEZE = 64


def reid_squeezenet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds the feature part of SqueezeNet 1.1 behind a 1x1 convolution of gray.

    The output is a descriptor, not logits: the 512 pooled channels, all at least zero,
    whose squared distance tells two faces apart. `conv0` makes the three channels that
    SqueezeNet starts with, has no ReLU, and takes in whatever normalization the image
    gets: with a 1x1 kernel and no padding that is exact. The 3x3 maxima with stride 2
    stand in each branch, in front of the concatenation, where the GAP8 computes
    them in one kernel with the convolution. Deployed form at 128x128x1, 512 values:

    | layer            | output     |      MACs | weights | biases |
    |------------------|------------|-----------|---------|--------|
    | conv0 1x1        | 128x128x3  |    49,152 |       3 |      3 |
    | conv1 3x3 /2     | 63x63x64   | 6,858,432 |   1,728 |     64 |
    | pool1            | 31x31x64   |           |         |        |
    | fire3_squeeze    | 31x31x16   |   984,064 |   1,024 |     16 |
    | fire3_expand1x1  | 31x31x64   |   984,064 |   1,024 |     64 |
    | fire3_expand3x3  | 31x31x64   | 8,856,576 |   9,216 |     64 |
    | fire4_squeeze    | 31x31x16   | 1,968,128 |   2,048 |     16 |
    | fire4_expand1x1  | 31x31x64   |   984,064 |   1,024 |     64 |
    | fire4_expand3x3  | 31x31x64   | 8,856,576 |   9,216 |     64 |
    | fire4_pool1x1, fire4_pool3x3 | 15x15x64 |  |         |        |
    | fire6_squeeze    | 15x15x32   |   921,600 |   4,096 |     32 |
    | fire6_expand1x1  | 15x15x128  |   921,600 |   4,096 |    128 |
    | fire6_expand3x3  | 15x15x128  | 8,294,400 |  36,864 |    128 |
    | fire7_squeeze    | 15x15x32   | 1,843,200 |   8,192 |     32 |
    | fire7_expand1x1  | 15x15x128  |   921,600 |   4,096 |    128 |
    | fire7_expand3x3  | 15x15x128  | 8,294,400 |  36,864 |    128 |
    | fire7_pool1x1, fire7_pool3x3 | 7x7x128 |   |         |        |
    | fire9_squeeze    | 7x7x48     |   602,112 |  12,288 |     48 |
    | fire9_expand1x1  | 7x7x192    |   451,584 |   9,216 |    192 |
    | fire9_expand3x3  | 7x7x192    | 4,064,256 |  82,944 |    192 |
    | fire10_squeeze   | 7x7x48     |   903,168 |  18,432 |     48 |
    | fire10_expand1x1 | 7x7x192    |   451,584 |   9,216 |    192 |
    | fire10_expand3x3 | 7x7x192    | 4,064,256 |  82,944 |    192 |
    | fire11_squeeze   | 7x7x64     | 1,204,224 |  24,576 |     64 |
    | fire11_expand1x1 | 7x7x256    |   802,816 |  16,384 |    256 |
    | fire11_expand3x3 | 7x7x256    | 7,225,344 | 147,456 |    256 |
    | fire12_squeeze   | 7x7x64     | 1,605,632 |  32,768 |     64 |
    | fire12_expand1x1 | 7x7x256    |   802,816 |  16,384 |    256 |
    | fire12_expand3x3 | 7x7x256    | 7,225,344 | 147,456 |    256 |
    | descriptor       | 512        |           |         |        |
    | total            |            | 80,140,992 | 719,555 | 2,947 |

    722,502 parameters, the 0.722 million of the study's slide. It reports 0.9638 on LFW
    after training on VGGFace2 without alignment, and 0.0005 less at 16 bits.

    Args:
      input_shape: (height, width, channels), height and width at least 31.
      num_classes: length of the descriptor; the last two convolutions share it.
      batch_norm: a BatchNormalization after each convolution, to be folded.
      dropout: rate in front of the pooled descriptor (the study's own is 0).
      width: factor on the channels of every layer but `conv0` and the last two
        convolutions; 1 as published.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] float32.
    """
    image = blocks.image_input(input_shape)
    # Its three channels are those of a color image to the layers behind it.
    x = blocks.conv(image, 3, 1, "conv0", batch_norm=batch_norm, relu=False)
    x = blocks.conv(
        x,
        64,
        3,
        "conv1",
        batch_norm=batch_norm,
        width=width,
        strides=2,
        padding="valid",
    )
    x = blocks.max_pool(x, "pool1", size=3, strides=2)
    for number, squeezed, expanded, pooled in _FIRES:
        channels = blocks.channels(expanded, width)
        x = _fire(
            x,
            f"fire{number}",
            (blocks.channels(squeezed, width), channels, channels),
            batch_norm=batch_norm,
            pooled=pooled,
        )
    half = num_classes // 2
    x = _fire(
        x,
        "fire12",
        (blocks.channels(_LAST_SQUEEZE, width), half, num_classes - half),
        batch_norm=batch_norm,
        pooled=False,
    )
    x = blocks.drop(x, dropout, "dropout")
    # float32 under any policy, as the logits of the classifiers are.
    pool = keras.layers.GlobalAveragePooling2D(name="descriptor", dtype="float32")
    return keras.Model(image, pool(x), name="reid_squeezenet")


def _fire(
    x: tf.Tensor,
    name: str,
    filters: tuple[int, int, int],
    *,
    batch_norm: bool,
    pooled: bool,
) -> tf.Tensor:
    squeezed = blocks.conv(x, filters[0], 1, f"{name}_squeeze", batch_norm=batch_norm)
    branches = []
    for size, channels in zip((1, 3), filters[1:], strict=True):
        kernel = f"{size}x{size}"
        branch = blocks.conv(
            squeezed, channels, size, f"{name}_expand{kernel}", batch_norm=batch_norm
        )
        if pooled:
            branch = blocks.max_pool(branch, f"{name}_pool{kernel}", size=3, strides=2)
        branches.append(branch)
    return keras.layers.Concatenate(name=name)(branches)
