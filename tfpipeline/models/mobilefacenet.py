"""mobilefacenet: small networks from a face to its descriptor."""

import dataclasses
from typing import Any

from tfpipeline.compat import keras, tf
from tfpipeline.models import blocks


@dataclasses.dataclass(frozen=True)
class _Plan:
    """The layers of a network in numbers.

    Attributes:
      channels: behind the first convolution and of the three stages.
      early: residual blocks at the resolution of the first convolution; 0 for a
        depthwise convolution in their place.
      blocks: residual blocks of each stage, behind the one that halves the image.
      last: channels in front of the global depthwise convolution.
      prelu: whether activations are PReLU, else ReLU.
    """

    channels: tuple[int, int, int, int]
    early: int
    blocks: tuple[int, int, int]
    last: int
    prelu: bool


_PLANS = {
    "mobilefacenet_y1": _Plan((64, 64, 128, 128), 0, (4, 6, 2), 512, True),
    "mobilefacenet_y2": _Plan((64, 64, 128, 128), 2, (8, 16, 4), 512, True),
    "mobilefacenet_mcu": _Plan((32, 32, 64, 64), 0, (2, 3, 1), 256, False),
}
# Channels of the hidden layers of each stage's residual blocks, and of the block that
# halves the image in front of them, as multiples of the first convolution's.
_HIDDEN, _HALVING_HIDDEN = (2, 4, 4), (2, 4, 8)


def mobilefacenet_y1(
    input_shape: tuple[int, int, int], num_classes: int, **options: Any
) -> keras.Model:
    """Builds the published MobileFaceNet: 985,792 weights and biases, 221 MMAC.

    With 7,552 slopes of PReLU the paper's 0.99 million parameters. See `build`.
    """
    return build("mobilefacenet_y1", input_shape, num_classes, **options)


def mobilefacenet_y2(
    input_shape: tuple[int, int, int], num_classes: int, **options: Any
) -> keras.Model:
    """Builds insightface's deeper form: 1,961,920 weights and biases, 469 MMAC.

    Two residual blocks take the place of the first depthwise convolution. See `build`.
    """
    return build("mobilefacenet_y2", input_shape, num_classes, **options)


def mobilefacenet_mcu(
    input_shape: tuple[int, int, int], num_classes: int, **options: Any
) -> keras.Model:
    """Builds a MobileFaceNet of half the channels and blocks, with ReLU.

    179,136 weights and 3,296 biases, 40.6 MMAC at 112x112x3 and 64 values. See
    `build`.
    """
    return build("mobilefacenet_mcu", input_shape, num_classes, **options)


def mobilefacenet_max78000(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds a descriptor without depthwise convolutions and strides.

    A stage is a pool, a 3x3 convolution and a residual pair of them, each with its
    ReLU, because the chip has none behind a sum; the mean over the image is in place
    of the global depthwise convolution. Deployed form at 80x80x3, 64 values:

    | layer              | output   |       MACs | weights | biases |
    |--------------------|----------|------------|---------|--------|
    | conv1 3x3          | 80x80x16 |  2,764,800 |     432 |     16 |
    | stage1_conv 3x3    | 40x40x32 |  7,372,800 |   4,608 |     32 |
    | stage1_conv1 3x3   | 40x40x32 | 14,745,600 |   9,216 |     32 |
    | stage1_conv2 3x3   | 40x40x32 | 14,745,600 |   9,216 |     32 |
    | stage2_conv 3x3    | 20x20x48 |  5,529,600 |  13,824 |     48 |
    | stage2_conv1 3x3   | 20x20x48 |  8,294,400 |  20,736 |     48 |
    | stage2_conv2 3x3   | 20x20x48 |  8,294,400 |  20,736 |     48 |
    | stage3_conv 3x3    | 10x10x64 |  2,764,800 |  27,648 |     64 |
    | stage3_conv1 3x3   | 10x10x64 |  3,686,400 |  36,864 |     64 |
    | stage3_conv2 3x3   | 10x10x64 |  3,686,400 |  36,864 |     64 |
    | last 1x1           | 5x5x128  |    204,800 |   8,192 |    128 |
    | descriptor         | 64       |      8,192 |   8,192 |     64 |
    | total              |          | 72,097,792 | 196,528 |    640 |

    Args:
      input_shape: (height, width, channels), height and width at least 16.
      num_classes: length of the descriptor, which is not normalized.
      batch_norm: a BatchNormalization after each convolution, to be folded.
      dropout: rate in front of the dense layer.
      width: factor on the channels of every layer but the last.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] float32.
    """

    def conv(x: tf.Tensor, filters: int, name: str, *, size: int = 3) -> tf.Tensor:
        return blocks.conv(x, filters, size, name, batch_norm=batch_norm, width=width)

    image = blocks.image_input(input_shape)
    x = conv(image, 16, "conv1")
    for stage, filters in enumerate((32, 48, 64), start=1):
        x = blocks.max_pool(x, f"pool{stage}")
        x = conv(x, filters, f"stage{stage}_conv")
        body = conv(x, filters, f"stage{stage}_conv1")
        body = conv(body, filters, f"stage{stage}_conv2")
        x = keras.layers.Add(name=f"stage{stage}_add")([x, body])
    x = conv(blocks.max_pool(x, "pool4"), 128, "last", size=1)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    x = blocks.drop(x, dropout, "dropout")
    result = blocks.descriptor(x, num_classes, batch_norm)
    return keras.Model(image, result, name="mobilefacenet_max78000")


def build(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds a network of blocks 1x1, depthwise 3x3, 1x1, most of them with a sum.

    The last convolution of a block has no activation, and nothing follows a sum. A
    depthwise convolution as large as what is left of the image ends the network, and a
    dense layer makes the descriptor of it.

    Args:
      name: a key of the table of plans above.
      input_shape: (height, width, channels), 112x112x3 as published.
      num_classes: length of the descriptor, which is not normalized.
      batch_norm: a BatchNormalization after each convolution, to be folded.
      dropout: rate in front of the dense layer (the published network has none).
      width: factor on the channels of every layer but the last.

    Returns:
      A functional model, [batch, H, W, C] float to [batch, num_classes] float32.
    """
    plan = _PLANS[name]
    builder = _Builder(batch_norm, width, plan.prelu)
    first, *stages = plan.channels
    image = blocks.image_input(input_shape)
    x = builder.conv(image, first, 3, "conv1", strides=2)
    if not plan.early:
        x = builder.depthwise(x, "conv2")
    for index in range(1, plan.early + 1):
        x = builder.residual(x, first, first, f"early{index}")
    for stage, (filters, count) in enumerate(zip(stages, plan.blocks, strict=True)):
        hidden = first * _HALVING_HIDDEN[stage]
        prefix = f"stage{stage + 1}"
        x = builder.block(x, hidden, filters, f"{prefix}_halve", strides=2)
        for index in range(1, count + 1):
            hidden = first * _HIDDEN[stage]
            x = builder.residual(x, hidden, filters, f"{prefix}_block{index}")
    x = builder.conv(x, plan.last, 1, "last")
    x = builder.depthwise(x, "global", size=tuple(x.shape[1:3]), active=False)
    x = blocks.drop(x, dropout, "dropout")
    return keras.Model(image, blocks.descriptor(x, num_classes, batch_norm), name=name)


@dataclasses.dataclass(frozen=True)
class _Builder:
    """What every layer of a network is made with."""

    batch_norm: bool
    width: float
    prelu: bool

    def residual(self, x: tf.Tensor, hidden: int, filters: int, name: str) -> tf.Tensor:
        """A block that is added to what it reads."""
        body = self.block(x, hidden, filters, name)
        return keras.layers.Add(name=f"{name}_add")([x, body])

    def block(
        self, x: tf.Tensor, hidden: int, filters: int, name: str, *, strides: int = 1
    ) -> tf.Tensor:
        """1x1 to `hidden` channels, depthwise 3x3, and 1x1 to `filters`."""
        x = self.conv(x, hidden, 1, f"{name}_expand")
        x = self.depthwise(x, f"{name}_depthwise", strides=strides)
        return self.conv(x, filters, 1, f"{name}_project", active=False)

    def conv(
        self,
        x: tf.Tensor,
        filters: int,
        size: int,
        name: str,
        *,
        strides: int = 1,
        active: bool = True,
    ) -> tf.Tensor:
        """A convolution with its normalization and activation."""
        x, padding = self._padded(x, name, strides)
        x = blocks.conv(
            x,
            filters,
            size,
            name,
            batch_norm=self.batch_norm,
            width=self.width,
            strides=strides,
            padding=padding,
            relu=active and not self.prelu,
        )
        return blocks.prelu(x, f"{name}_prelu") if active and self.prelu else x

    def depthwise(
        self,
        x: tf.Tensor,
        name: str,
        *,
        size: int | tuple[int, int] = 3,
        strides: int = 1,
        active: bool = True,
    ) -> tf.Tensor:
        """A depthwise convolution with its normalization and activation."""
        x, padding = self._padded(x, name, strides)
        x = blocks.depthwise(
            x,
            size,
            name,
            batch_norm=self.batch_norm,
            strides=strides,
            padding="same" if active and padding == "same" else "valid",
            relu=active and not self.prelu,
        )
        return blocks.prelu(x, f"{name}_prelu") if active and self.prelu else x

    def _padded(self, x: tf.Tensor, name: str, strides: int) -> tuple[tf.Tensor, str]:
        """`x` with a pixel on every side in front of a stride, as the source has it.

        Where the sides are even, "same" would add it on the right and at the bottom
        only.
        """
        if strides == 1:
            return x, "same"
        return keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x), "valid"
