"""RandAugment: a few transforms drawn at random for each picture, all of one strength.

Cubuk et al., arXiv:1909.13719. Operations and their ranges are torchvision's
(transforms/autoaugment.py, RandAugment with 31 steps), without its Equalize, whose
histograms cannot be had for a whole batch at once; what comes in from outside is the
reflected border instead of black. A batch is transformed as a whole: each operation is
computed of all pictures, and each picture takes the one that was drawn for it.
"""

from tfpipeline.compat import tf
from tfpipeline.data import parts

# Strengths are 0 to this.
MAX_MAGNITUDE = 30
# Of a picture's side, radians of 30 degrees, and parts of one: torchvision's ends.
_TRANSLATE, _ROTATE, _SHEAR, _CHANGE = 150.0 / 331.0, 0.5235988, 0.3, 0.9
# ITU-R BT.601 luma, as in data/augmentation.
_LUMA = (0.299, 0.587, 0.114)


def rand_augment(
    pixels: tf.Tensor,
    count: int,
    magnitude: int,
    seed: tf.Tensor,
    rows: parts.Rows | None = None,
) -> tf.Tensor:
    """Applies `count` operations to each picture, drawn independently.

    Args:
        pixels: float32 [N, H, W, C], 0 to 255.
        count: of operations.
        magnitude: 0 to MAX_MAGNITUDE.
        seed: int32 [2].
        rows: which of a batch the pictures are; None: all.

    Returns:
        float32 [N, H, W, C], 0 to 255.
    """
    rows = rows or parts.Rows.all_of(pixels)
    seeds = tf.random.experimental.stateless_split(seed, count)
    for layer in range(count):
        pixels = _layer(pixels, magnitude / MAX_MAGNITUDE, seeds[layer], rows)
    return pixels


def _layer(
    pixels: tf.Tensor, strength: float, seed: tf.Tensor, rows: parts.Rows
) -> tf.Tensor:
    shape = (rows.total,)
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 2), num=2)
    operations = 1 + len(_GEOMETRY) + len(_COLORS)
    drawn = rows.of(
        tf.random.stateless_uniform(shape, seeds[0], 0, operations, dtype=tf.int32)
    )
    sides = rows.of(tf.random.stateless_uniform(shape, seeds[1]))
    sign = tf.where(sides < 0.5, -1.0, 1.0)
    # Number 0 leaves a picture as it is.
    moved = _moved(pixels, drawn, strength * sign)
    result = tf.where(_of(drawn, 1, len(_GEOMETRY)), moved, pixels)
    for place, change in enumerate(_COLORS):
        first = 1 + len(_GEOMETRY) + place
        changed = change(pixels, strength, sign[:, None, None, None])
        result = tf.where(_of(drawn, first, 1), changed, result)
    return tf.clip_by_value(result, 0.0, 255.0)


def _of(drawn: tf.Tensor, first: int, count: int) -> tf.Tensor:
    """Which pictures have one of `count` operations from `first` on, [N, 1, 1, 1]."""
    inside = tf.logical_and(drawn >= first, drawn < first + count)
    return inside[:, None, None, None]


def _moved(pixels: tf.Tensor, drawn: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Each picture by the geometric operation that was drawn; others anyhow."""
    shape = tf.shape(pixels)
    height, width = (tf.cast(size, tf.float32) for size in (shape[1], shape[2]))
    ones, zeros = tf.ones_like(strength), tf.zeros_like(strength)
    # Rows of the matrix that maps an output pixel to its input pixel, by the center.
    xx, xy, yx, yy, dx, dy = ones, zeros, zeros, ones, zeros, zeros
    for place, name in enumerate(_GEOMETRY, start=1):
        is_drawn = drawn == place
        if name == "shear_x":
            xy = tf.where(is_drawn, _SHEAR * strength, xy)
        elif name == "shear_y":
            yx = tf.where(is_drawn, _SHEAR * strength, yx)
        elif name == "translate_x":
            dx = tf.where(is_drawn, _TRANSLATE * strength * width, dx)
        elif name == "translate_y":
            dy = tf.where(is_drawn, _TRANSLATE * strength * height, dy)
        else:
            angle = _ROTATE * strength
            xx = tf.where(is_drawn, tf.cos(angle), xx)
            yy = tf.where(is_drawn, tf.cos(angle), yy)
            xy = tf.where(is_drawn, -tf.sin(angle), xy)
            yx = tf.where(is_drawn, tf.sin(angle), yx)
    center_x, center_y = (width - 1.0) / 2.0, (height - 1.0) / 2.0
    dx += center_x - xx * center_x - xy * center_y
    dy += center_y - yx * center_x - yy * center_y
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=tf.stack((xx, xy, dx, yx, yy, dy, zeros, zeros), axis=1),
        output_shape=shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def _brightness(pixels: tf.Tensor, strength: float, sign: tf.Tensor) -> tf.Tensor:
    return pixels * (1.0 + _CHANGE * strength * sign)


def _color(pixels: tf.Tensor, strength: float, sign: tf.Tensor) -> tf.Tensor:
    return _blended(_gray(pixels), pixels, strength, sign)


def _contrast(pixels: tf.Tensor, strength: float, sign: tf.Tensor) -> tf.Tensor:
    mean = tf.reduce_mean(_gray(pixels), axis=(1, 2, 3), keepdims=True)
    return _blended(mean, pixels, strength, sign)


def _sharpness(pixels: tf.Tensor, strength: float, sign: tf.Tensor) -> tf.Tensor:
    # Pillow's SMOOTH, which its Sharpness blends with: 5 in the middle of ones, / 13.
    padded = tf.pad(pixels, ((0, 0), (1, 1), (1, 1), (0, 0)), "SYMMETRIC")
    total = 9.0 * tf.nn.avg_pool2d(padded, 3, 1, "VALID") + 4.0 * pixels
    return _blended(total / 13.0, pixels, strength, sign)


def _posterize(pixels: tf.Tensor, strength: float, sign: tf.Tensor) -> tf.Tensor:
    del sign
    # 8 bits at strength 0, 4 at the highest.
    step = 2.0 ** round(4.0 * strength)
    return tf.floor(pixels / step) * step


def _solarize(pixels: tf.Tensor, strength: float, sign: tf.Tensor) -> tf.Tensor:
    del sign
    return tf.where(pixels >= 255.0 * (1.0 - strength), 255.0 - pixels, pixels)


def _auto_contrast(pixels: tf.Tensor, strength: float, sign: tf.Tensor) -> tf.Tensor:
    del strength, sign
    low = tf.reduce_min(pixels, axis=(1, 2), keepdims=True)
    high = tf.reduce_max(pixels, axis=(1, 2), keepdims=True)
    spread = tf.where(high > low, 255.0 / tf.maximum(high - low, 1.0), 1.0)
    return tf.where(high > low, (pixels - low) * spread, pixels)


def _gray(pixels: tf.Tensor) -> tf.Tensor:
    if pixels.shape[-1] != 3:
        return pixels
    return tf.tensordot(pixels, tf.constant(_LUMA), 1)[..., None]


def _blended(
    base: tf.Tensor, pixels: tf.Tensor, strength: float, sign: tf.Tensor
) -> tf.Tensor:
    return base + (1.0 + _CHANGE * strength * sign) * (pixels - base)


_GEOMETRY = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
_COLORS = (
    _brightness,
    _color,
    _contrast,
    _sharpness,
    _posterize,
    _solarize,
    _auto_contrast,
)
