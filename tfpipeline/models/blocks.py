"""The building blocks that every network of the package is made of.

A convolution, its BatchNormalization and its ReLU are three layers, because tfmot
recognizes the chain Conv2D, BatchNormalization, ReLU by its separate layers and
because a BatchNormalization can only be folded into the convolution directly in
front of it.
"""

from tfpipeline.compat import keras, tf

layers = keras.layers

# Weight of the old moving average. The Keras default of 0.99 still holds 37 % of the
# initial values after 100 steps, more steps than an epoch of a small data set has, so
# its validation figures lag behind; 0.9 holds 0.003 %.
_MOMENTUM = 0.9


def image_input(input_shape: tuple[int, int, int]) -> tf.Tensor:
    """Returns the input tensor [batch, H, W, C], pixels scaled to [-1, 127/128]."""
    return keras.Input(shape=input_shape, name="image")


def channels(filters: int, width: float) -> int:
    """Scales the channels of one layer: `filters * width` as an integer, at least 1.

    Args:
      filters: channels at width 1, at least 1.
      width: factor, greater than 0.

    Returns:
      The nearest integer (of two equally near ones the even one), but never 0.
    """
    return max(1, round(filters * width))


def conv(
    x: tf.Tensor,
    filters: int,
    kernel_size: int,
    name: str,
    *,
    batch_norm: bool,
    width: float = 1.0,
    strides: int = 1,
    padding: str = "same",
    use_bias: bool = True,
    relu: bool = True,
) -> tf.Tensor:
    """Adds a convolution, then its BatchNormalization and its ReLU where wanted.

    Args:
      x: float [batch, H, W, C].
      filters: output channels at width 1.
      kernel_size: side of the square kernel.
      name: the convolution's layer name; the others are `<name>_bn`, `<name>_relu`.
      batch_norm: follow the convolution by BatchNormalization, whose offset then
        takes the place of the convolution's own bias.
      width: factor on `filters`, rounded as in `channels`.
      strides: step of the convolution in both directions.
      padding: 'same' or 'valid'.
      use_bias: whether a convolution without BatchNormalization has a bias.
      relu: end in a ReLU.

    Returns:
      float [batch, ceil(H / strides), ceil(W / strides), channels].
    """
    x = layers.Conv2D(
        channels(filters, width),
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=use_bias and not batch_norm,
        # Keeps the variance of activations constant through ReLU layers, without
        # which the deeper networks do not train when they have no normalization.
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return _ended(x, name, batch_norm, relu)


def depthwise(
    x: tf.Tensor,
    kernel_size: int | tuple[int, int],
    name: str,
    *,
    batch_norm: bool,
    strides: int = 1,
    padding: str = "same",
    relu: bool = True,
) -> tf.Tensor:
    """As `conv`, with a kernel for each channel alone.

    Returns:
      float [batch, ceil(H / strides), ceil(W / strides), C].
    """
    x = layers.DepthwiseConv2D(
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=not batch_norm,
        depthwise_initializer="he_normal",
        name=name,
    )(x)
    return _ended(x, name, batch_norm, relu)


def normalize(x: tf.Tensor, name: str) -> tf.Tensor:
    """Adds a BatchNormalization."""
    return layers.BatchNormalization(momentum=_MOMENTUM, name=name)(x)


def prelu(x: tf.Tensor, name: str) -> tf.Tensor:
    """Adds a ReLU whose slope below zero is trained, one a channel, 0.25 at first."""
    return layers.PReLU(
        alpha_initializer=keras.initializers.Constant(0.25),
        shared_axes=[1, 2],
        name=name,
    )(x)


def _ended(x: tf.Tensor, name: str, batch_norm: bool, relu: bool) -> tf.Tensor:
    if batch_norm:
        x = normalize(x, f"{name}_bn")
    if relu:
        x = layers.ReLU(name=f"{name}_relu")(x)
    return x


def max_pool(
    x: tf.Tensor, name: str, *, size: int = 2, strides: int | None = None
) -> tf.Tensor:
    """Keeps the maximum of each `size` x `size` window that lies inside the image.

    Windows are `strides` apart, None for side by side: height and width divided by
    `size`, rounded down.
    """
    return layers.MaxPooling2D(size, strides, name=name)(x)


def drop(x: tf.Tensor, rate: float, name: str) -> tf.Tensor:
    """Adds Dropout of `rate`; adds no layer at all for a rate of zero."""
    return layers.Dropout(rate, name=name)(x) if rate else x


def classifier(x: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Flattens and adds the last dense layer, with biases: [batch, num_classes] logits.

    The layer is float32 under any global Keras dtype policy, because a loss of
    bfloat16 logits is too coarse to train on.
    """
    if len(x.shape) > 2:
        x = layers.Flatten(name="flatten")(x)
    return layers.Dense(num_classes, name="logits", dtype="float32")(x)


def descriptor(x: tf.Tensor, length: int, batch_norm: bool) -> tf.Tensor:
    """Flattens and adds the dense layer of a descriptor: float32 [batch, length].

    Like `classifier`, with BatchNormalization behind it where wanted, to be folded.
    """
    if len(x.shape) > 2:
        x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(
        length, use_bias=not batch_norm, name="descriptor", dtype="float32"
    )(x)
    if not batch_norm:
        return x
    return layers.BatchNormalization(
        momentum=_MOMENTUM, name="descriptor_bn", dtype="float32"
    )(x)


def score_and_box(
    score: tf.Tensor, box: tf.Tensor, place: int, num_classes: int
) -> list[tf.Tensor]:
    """Adds the outputs of a detector's branch, two 1x1 convolutions with biases.

    They are float32 under any policy, for the reason of `classifier`, and logits: a
    softmax of 8 bits has no room for what is nearly certain.

    Args:
      score: float [batch, h, w, C], what the score is made of.
      box: float [batch, h, w, C], what the box is made of.
      place: of the branch, from 1; the layers are `score<place>` and `box<place>`.
      num_classes: channels of the score.

    Returns:
      float32 [batch, h, w, num_classes] and [batch, h, w, 4].
    """
    return [
        layers.Conv2D(num_classes, 1, name=f"score{place}", dtype="float32")(score),
        # Left, top, right and bottom.
        layers.Conv2D(4, 1, name=f"box{place}", dtype="float32")(box),
    ]
