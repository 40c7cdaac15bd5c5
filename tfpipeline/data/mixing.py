"""Examples mixed with others of their batch, and their targets in the same shares.

Mixup (Zhang et al., arXiv:1710.09412) adds up two inputs; CutMix (Yun et al.,
arXiv:1905.04899) pastes a rectangle of one picture into the other. Each example has a
share of its own, and its partner is the next of the batch, which is shuffled.
"""

from typing import Any

from tfpipeline.compat import tf
from tfpipeline.configs import recipe
from tfpipeline.data import parts

# Of the random numbers here among those of a batch; augmentation's are split from the
# batch's seed itself.
_STREAM = 1


def mix(
    inputs: tf.Tensor,
    targets: Any,
    augmentation: recipe.Augmentation,
    seed: tf.Tensor,
    rows: parts.Rows | None = None,
) -> tuple[tf.Tensor, Any]:
    """Mixes each example with the next one of the batch.

    Args:
        inputs: float32 [N, ...], as the network takes them; [N, H, W, C] where
            rectangles are pasted.
        targets: float32 [N, K], shares of classes or labels; or a nest of such.
        augmentation: one at least of its `mixup_alpha` and `cutmix_alpha` is above 0.
        seed: int32 [2], that of the batch.
        rows: which of a batch the examples are; None: all. The last of a part has no
            partner there: give one row more, and leave it out of what comes back.

    Returns:
        Both, of the same shapes.
    """
    rows = rows or parts.Rows.all_of(inputs)
    seeds = tf.unstack(
        tf.random.experimental.stateless_split(
            tf.random.experimental.stateless_fold_in(tf.cast(seed, tf.int32), _STREAM),
            5,
        ),
        num=5,
    )
    added, pasted = augmentation.mixup_alpha, augmentation.cutmix_alpha
    # How much of the partner there is, at every place of the input.
    if added:
        taken = _like(1.0 - _beta(added, rows, seeds[0]), inputs)
    if pasted:
        boxes = _boxes(inputs, 1.0 - _beta(pasted, rows, seeds[1]), seeds[2], rows)
        if added:
            is_added = (
                rows.of(tf.random.stateless_uniform((rows.total,), seeds[3])) < 0.5
            )
            taken = tf.where(_like(is_added, inputs), taken, boxes)
        else:
            taken = boxes
    if augmentation.mix_probability < 1:
        drawn = rows.of(tf.random.stateless_uniform((rows.total,), seeds[4]))
        is_mixed = _like(drawn < augmentation.mix_probability, inputs)
        taken = tf.where(is_mixed, taken, tf.zeros_like(taken))
    share = tf.reduce_mean(tf.reshape(taken, (tf.shape(inputs)[0], -1)), axis=1)
    mixed = tf.nest.map_structure(
        lambda values: _mixed(values, _like(share, values)), targets
    )
    return _mixed(inputs, taken), mixed


def _mixed(values: tf.Tensor, taken: tf.Tensor) -> tf.Tensor:
    return values * (1.0 - taken) + tf.roll(values, -1, axis=0) * taken


def _like(values: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
    """Values [N] as [N, 1, ...], with as many axes as `inputs`."""
    return tf.reshape(values, (-1, *[1] * (len(inputs.shape) - 1)))


def _beta(alpha: float, rows: parts.Rows, seed: tf.Tensor) -> tf.Tensor:
    """Draws of Beta(alpha, alpha), one a row, float32."""
    # In float64, where draws for the least alphas are not rounded to the same least
    # number.
    first, second = tf.unstack(
        tf.random.stateless_gamma((2, rows.total), seed, alpha, dtype=tf.float64)
    )
    return rows.of(tf.cast(first / (first + second), tf.float32))


def _boxes(
    inputs: tf.Tensor, areas: tf.Tensor, seed: tf.Tensor, rows: parts.Rows
) -> tf.Tensor:
    """1 inside a rectangle of each picture and 0 outside, float32 [N, H, W, 1].

    Args:
        inputs: [N, H, W, C].
        areas: share of the picture that a rectangle has where it lies inside of it; its
            center may be anywhere, and what lies outside is cut off.
        seed: int32 [2].
        rows: which of a batch the pictures are.
    """
    shape = tf.shape(inputs)
    drawn = tf.random.stateless_uniform((2, rows.total, 1), seed)
    centers = rows.of(drawn, axis=1)
    sides = tf.sqrt(areas)[:, None]
    covered, across = (
        _within(shape[axis + 1], centers[axis], sides) for axis in range(2)
    )
    inside = tf.logical_and(covered[:, :, None], across[:, None])
    return tf.cast(inside, tf.float32)[..., None]


def _within(size: tf.Tensor, centers: tf.Tensor, sides: tf.Tensor) -> tf.Tensor:
    """Which of `size` positions lie in stretches, bool [N, size].

    Args:
        size: int32 [].
        centers: of the stretches [N, 1], in parts of `size`.
        sides: their lengths likewise.
    """
    length = tf.floor(tf.cast(size, tf.float32) * sides)
    first = tf.floor(tf.cast(size, tf.float32) * centers) - tf.floor(length / 2)
    positions = tf.range(size, dtype=tf.int32)
    positions = tf.cast(positions, tf.float32)[None]
    return tf.logical_and(positions >= first, positions < first + length)
