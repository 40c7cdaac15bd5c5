"""Random image transforms on whole batches, each switchable, repeatable by seed.

The six of the CIFAR study (its slide "data augmentation and analysis of its impact"):
random crop, horizontal flip, rotation, color jitter, Gaussian noise, normalize; and
RandAugment and cutout. What mixes examples with each other is in data/mixing.
All randomness is stateless: the same (seed, step) gives the same batch, which is what
lets an interrupted run resume to the same weights.
"""

from tfpipeline.compat import tf
from tfpipeline.configs import recipe
from tfpipeline.data import parts, rand_augment
from tfpipeline.data.preprocessing import SIGNED, Preprocessing

# Middle of the pixel range, which signed inputs have as 0.
_GRAY = 128.0


def to_input(stored: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """What `Preprocessing.real` does, in TensorFlow.

    Args:
        stored: uint8 or float, of any shape; pixels 0..255, or floats of one's own.
        preprocessing: the mapping.

    Returns:
        float32, of the same shape.
    """
    values = tf.cast(stored, tf.float32)
    if preprocessing.is_identity:
        return values
    return (values - preprocessing.zero) * preprocessing.scale


def augment(
    images: tf.Tensor,
    augmentation: recipe.Augmentation,
    seed: tf.Tensor,
    preprocessing: Preprocessing = SIGNED,
    rows: parts.Rows | None = None,
) -> tf.Tensor:
    """Applies the transforms that are switched on, then `to_input`.

    Args:
        images: uint8 [N, H, W, C].
        augmentation: what to apply.
        seed: int32 [2], for example (run seed, step).
        preprocessing: see `to_input`.
        rows: which of a batch the images are; None: all.

    Returns:
        float32 [N, H, W, C], see `to_input`.
    """
    rows = rows or parts.Rows.all_of(images)
    seeds = tf.unstack(
        tf.random.experimental.stateless_split(tf.cast(seed, tf.int32), 5), num=5
    )
    if augmentation.random_crop or augmentation.horizontal_flip:
        images = _shift_and_flip(images, augmentation, seeds[0], rows)
    pixels = tf.cast(images, tf.float32)
    if augmentation.rotation:
        pixels = _rotate(pixels, augmentation.rotation, seeds[1], rows)
    if augmentation.rand_augment:
        # Of random numbers of its own, so that the others stay what they were.
        own = tf.random.experimental.stateless_fold_in(tf.cast(seed, tf.int32), 3)
        count, magnitude = augmentation.rand_augment
        pixels = rand_augment.rand_augment(pixels, count, magnitude, own, rows)
    if augmentation.color_jitter:
        pixels = _jitter(pixels, augmentation.color_jitter, seeds[2], rows)
    if augmentation.gaussian_noise:
        pixels += rows.of(
            tf.random.stateless_normal(
                (rows.total, *tf.unstack(tf.shape(pixels)[1:], num=3)),
                seeds[3],
                stddev=255.0 * augmentation.gaussian_noise,
            )
        )
    if augmentation.color_jitter or augmentation.gaussian_noise:
        pixels = tf.clip_by_value(pixels, 0.0, 255.0)
    if augmentation.cutout:
        # Likewise.
        own = tf.random.experimental.stateless_fold_in(tf.cast(seed, tf.int32), 2)
        pixels = _cut_out(pixels, augmentation.cutout, own, rows)
    return to_input(pixels, preprocessing)


def _shift_and_flip(
    images: tf.Tensor,
    augmentation: recipe.Augmentation,
    seed: tf.Tensor,
    given: parts.Rows,
) -> tf.Tensor:
    """Crops from the reflected image, and mirrors: two gathers, no padded copy."""
    count, height, width = tf.unstack(tf.shape(images)[:3], num=3)
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 3), num=3)
    rows = tf.tile(tf.range(height)[None], (count, 1))
    columns = tf.tile(tf.range(width)[None], (count, 1))
    shift = augmentation.random_crop
    if shift:
        limits = {"minval": -shift, "maxval": shift + 1, "dtype": tf.int32}
        shape = (given.total, 1)
        rows += given.of(tf.random.stateless_uniform(shape, seeds[0], **limits))
        columns += given.of(tf.random.stateless_uniform(shape, seeds[1], **limits))
        rows, columns = _reflect(rows, height), _reflect(columns, width)
    if augmentation.horizontal_flip:
        drawn = tf.random.stateless_uniform((given.total, 1), seeds[2])
        mirrored = given.of(drawn) < 0.5
        columns = tf.where(mirrored, tf.reverse(columns, (1,)), columns)
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(
        images, columns[:, None] + 0 * rows[:, :, None], axis=2, batch_dims=2
    )


def _reflect(positions: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Positions outside 0..size-1 mirrored back in (the border is not repeated)."""
    last = tf.maximum(size - 1, 1)
    folded = tf.math.floormod(positions, 2 * last)
    return tf.minimum(tf.minimum(folded, 2 * last - folded), size - 1)


def _rotate(
    pixels: tf.Tensor, degrees: float, seed: tf.Tensor, rows: parts.Rows
) -> tf.Tensor:
    shape = tf.shape(pixels)
    center_y = (tf.cast(shape[1], tf.float32) - 1.0) / 2.0
    center_x = (tf.cast(shape[2], tf.float32) - 1.0) / 2.0
    limit = degrees * 3.14159265 / 180.0
    angle = rows.of(tf.random.stateless_uniform((rows.total,), seed, -limit, limit))
    cosine, sine = tf.cos(angle), tf.sin(angle)
    zero = tf.zeros_like(angle)
    # Rows of the projective matrix that maps an output pixel to its input pixel.
    transforms = tf.stack(
        (
            cosine,
            -sine,
            center_x - cosine * center_x + sine * center_y,
            sine,
            cosine,
            center_y - sine * center_x - cosine * center_y,
            zero,
            zero,
        ),
        axis=1,
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=transforms,
        output_shape=shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def _jitter(
    pixels: tf.Tensor, strength: float, seed: tf.Tensor, rows: parts.Rows
) -> tf.Tensor:
    factors = rows.of(
        tf.random.stateless_uniform(
            (rows.total, 3), seed, 1.0 - strength, 1.0 + strength
        )
    )
    brightness, contrast, saturation = tf.unstack(
        factors[:, :, None, None, None], axis=1
    )
    pixels *= brightness
    mean = tf.reduce_mean(pixels, axis=(1, 2, 3), keepdims=True)
    pixels = mean + contrast * (pixels - mean)
    if pixels.shape[-1] == 3:
        # ITU-R BT.601 luma.
        gray = tf.tensordot(pixels, tf.constant((0.299, 0.587, 0.114)), 1)[..., None]
        pixels = gray + saturation * (pixels - gray)
    return pixels


def _cut_out(
    pixels: tf.Tensor, side: int, seed: tf.Tensor, given: parts.Rows
) -> tf.Tensor:
    """A gray square on each image, its center anywhere on it."""
    height, width = tf.unstack(tf.shape(pixels)[1:3], num=2)
    drawn = tf.random.stateless_uniform((2, given.total, 1), seed)
    centers = given.of(drawn, axis=1)

    def covered(size: tf.Tensor, center: tf.Tensor) -> tf.Tensor:
        first = tf.cast(center * tf.cast(size, tf.float32), tf.int32) - side // 2
        positions = tf.range(size)[None]
        return tf.logical_and(positions >= first, positions < first + side)

    rows, columns = covered(height, centers[0]), covered(width, centers[1])
    inside = tf.logical_and(rows[:, :, None], columns[:, None])[..., None]
    return tf.where(inside, _GRAY, pixels)
