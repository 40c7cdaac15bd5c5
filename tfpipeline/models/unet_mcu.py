"""unet_mcu: U-nets for microcontrollers, a class for each pixel."""

from tfpipeline.compat import keras, tf
from tfpipeline.models import blocks

_LAYERS = keras.layers


def unet_mcu(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds a U-net of two steps down and up.

    3x3 convolutions with ReLU, a pool a step down, a transposed 3x3 convolution with
    stride 2 a step up, and beside it what the way down had of that size. Deployed form
    at 64x64x3 and 4 classes:

    | layer        | output   |      MACs | weights | biases |
    |--------------|----------|-----------|---------|--------|
    | down1 3x3    | 64x64x16 | 1,769,472 |     432 |     16 |
    | down2 3x3    | 32x32x32 | 4,718,592 |   4,608 |     32 |
    | bottom1 3x3  | 16x16x48 | 3,538,944 |  13,824 |     48 |
    | bottom2 3x3  | 16x16x48 | 5,308,416 |  20,736 |     48 |
    | up2 3x3 x2   | 32x32x32 | 3,538,944 |  13,824 |     32 |
    | merged2 3x3  | 32x32x32 | 18,874,368 | 18,432 |     32 |
    | up1 3x3 x2   | 64x64x16 | 4,718,592 |   4,608 |     16 |
    | merged1 3x3  | 64x64x16 | 18,874,368 |  4,608 |     16 |
    | logits 1x1   | 64x64x4  |   262,144 |      64 |      4 |

    Steps up have `same` padding, as TensorFlow Lite has it, which cuts off the last row
    and column; the MAX78000 cuts off the first, see `unet_mcu_folded`.

    Args:
      input_shape: (height, width, channels), height and width multiples of 4.
      num_classes: of a pixel.
      batch_norm: a BatchNormalization after each convolution but the transposed ones
        and the last, to be folded.
      dropout: rate at the bottom; 0 for none.
      width: factor on the channels of every layer but the last.

    Returns:
      A functional model, [batch, H, W, C] float to float32 logits
      [batch, H, W, num_classes].
    """
    image = blocks.image_input(input_shape)
    builder = _Builder(batch_norm, width, cuts_first=False)
    x = builder.steps(image, dropout)
    return keras.Model(image, _logits(x, num_classes), name="unet_mcu")


def unet_mcu_folded(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds `unet_mcu` for pictures whose 2x2 blocks of pixels are channels.

    The host folds them while it loads the data (`tf.nn.space_to_depth`), so that the
    first layer works on a quarter of the pixels with 12 channels, as many processors of
    the MAX78000 at once. A last transposed convolution makes the map of the picture's
    own size: [batch, H, W, 12] to [batch, 2 H, 2 W, num_classes]. Steps up cut off the
    first row and column, as that chip does and TensorFlow Lite cannot. Arguments are
    those of `unet_mcu`.
    """
    image = blocks.image_input(input_shape)
    builder = _Builder(batch_norm, width, cuts_first=True)
    x = builder.steps(image, dropout)
    x = builder.up(x, 16, "unfold")
    return keras.Model(image, _logits(x, num_classes), name="unet_mcu_folded")


def _logits(x: tf.Tensor, num_classes: int) -> tf.Tensor:
    # float32 under any policy, as `blocks.classifier` is.
    return _LAYERS.Conv2D(num_classes, 1, name="logits", dtype="float32")(x)


class _Builder:
    """What every layer of a network is made with."""

    def __init__(self, batch_norm: bool, width: float, *, cuts_first: bool) -> None:
        self._batch_norm = batch_norm
        self._width = width
        self._cuts_first = cuts_first

    def steps(self, image: tf.Tensor, dropout: float) -> tf.Tensor:
        """Down and up again."""
        first = self._conv(image, 16, "down1")
        second = self._conv(blocks.max_pool(first, "pool1"), 32, "down2")
        x = self._conv(blocks.max_pool(second, "pool2"), 48, "bottom1")
        x = blocks.drop(self._conv(x, 48, "bottom2"), dropout, "dropout")
        x = self._merged(self.up(x, 32, "up2"), second, 32, "2")
        return self._merged(self.up(x, 16, "up1"), first, 16, "1")

    def up(self, x: tf.Tensor, filters: int, name: str) -> tf.Tensor:
        """Twice the rows and columns."""
        x = _LAYERS.Conv2DTranspose(
            blocks.channels(filters, self._width),
            3,
            strides=2,
            padding="valid" if self._cuts_first else "same",
            kernel_initializer="he_normal",
            name=name,
        )(x)
        if self._cuts_first:
            x = _LAYERS.Cropping2D(((1, 0), (1, 0)), name=f"{name}_cut")(x)
        return _LAYERS.ReLU(name=f"{name}_relu")(x)

    def _merged(
        self, x: tf.Tensor, beside: tf.Tensor, filters: int, name: str
    ) -> tf.Tensor:
        x = _LAYERS.Concatenate(name=f"concat{name}")([x, beside])
        return self._conv(x, filters, f"merged{name}")

    def _conv(self, x: tf.Tensor, filters: int, name: str) -> tf.Tensor:
        return blocks.conv(
            x, filters, 3, name, batch_norm=self._batch_norm, width=self._width
        )
