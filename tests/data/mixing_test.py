"""Mixed examples: inputs and targets in the same shares, repeatable by seed."""

import numpy as np
import pytest

from tfpipeline.compat import tf
from tfpipeline.configs import recipe
from tfpipeline.data import mixing


def _examples(count=400, size=8):
    """Pictures all of one value, that of their place in the batch, and one-hot rows."""
    values = np.arange(count, dtype=np.float32)
    images = np.broadcast_to(values[:, None, None, None], (count, size, size, 3))
    return images.copy(), np.eye(count, dtype=np.float32)


def _mix(seed=(1, 2), count=400, size=8, **fields):
    images, targets = _examples(count, size)
    mixed = mixing.mix(
        tf.constant(images),
        tf.constant(targets),
        recipe.Augmentation(**fields),
        tf.constant(seed),
    )
    return [each.numpy() for each in mixed]


def _taken(targets):
    """The share that each example has of the next one."""
    count = len(targets)
    rows = np.arange(count)
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    own, taken = targets[rows, rows], targets[rows, (rows + 1) % count]
    np.testing.assert_allclose(own + taken, 1, atol=1e-6)
    return taken


def test_mixup_adds_inputs_up_in_the_shares_of_the_targets():
    images, targets = _mix(mixup_alpha=1.0)
    taken = _taken(targets)
    for place in range(399):
        np.testing.assert_allclose(images[place], place + taken[place], rtol=1e-5)
    # Beta(1, 1) is uniform: of 400 draws the mean is within 5 deviations.
    assert abs(taken.mean() - 0.5) < 5 * 12**-0.5 / 20
    assert taken.min() < 0.05 and taken.max() > 0.95


def test_the_draws_are_those_of_a_beta_distribution():
    _, targets = _mix(mixup_alpha=0.2, count=2000, size=1)
    taken = _taken(targets)
    # Variance of Beta(a, a): 1 / (4 (2 a + 1)); 2,000 draws are within 10 %.
    assert np.var(taken) == pytest.approx(1 / (4 * 1.4), rel=0.1)
    # The least alpha is nearly all or nothing: within 0.001 of an end are 70 %.
    _, targets = _mix(mixup_alpha=0.05, count=2000, size=1)
    taken = _taken(targets)
    assert np.mean(np.minimum(taken, 1 - taken) < 1e-3) == pytest.approx(0.7, abs=0.05)


def test_cutmix_pastes_a_rectangle_of_the_share_of_the_target():
    images, targets = _mix(cutmix_alpha=1.0)
    taken = _taken(targets)
    shapes = set()
    for place in range(399):
        pasted = images[place, :, :, 0] == place + 1
        assert np.all(images[place][~pasted] == place)
        assert pasted.mean() == pytest.approx(taken[place], abs=1e-6)
        rows, columns = pasted.any(axis=1), pasted.any(axis=0)
        np.testing.assert_array_equal(pasted, np.outer(rows, columns))
        for line in (rows, columns):
            # One stretch at most.
            assert np.abs(np.diff(line.astype(int), prepend=0, append=0)).sum() <= 2
        shapes.add((rows.sum(), columns.sum()))
    assert (0, 0) in shapes and len(shapes) > 20


def test_both_take_turns_and_a_part_stays_as_it_is():
    images, targets = _mix(mixup_alpha=1.0, cutmix_alpha=1.0, mix_probability=0.6)
    taken = _taken(targets)
    spread = np.ptp(images.reshape(400, -1), axis=1)
    untouched = np.mean(taken == 0)
    # 40 % are left out, and of 30 % some rectangles are empty.
    assert 0.3 < untouched < 0.6
    added = np.mean((spread == 0) & (taken > 0) & (taken < 1))
    assert 0.2 < added < 0.4 and 0.1 < np.mean(spread > 0) < 0.4


@pytest.mark.parametrize("name", ["mixup_alpha", "cutmix_alpha"])
def test_same_seed_same_batch_other_seed_other_batch(name):
    one, again, other = (
        _mix(seed, count=40, **{name: 0.5}) for seed in ((1, 2), (1, 2), (1, 3))
    )
    for left, right in zip(one, again, strict=True):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(one[0], other[0])


def test_inputs_of_any_shape_can_be_added_up():
    rows = tf.constant(np.eye(4, dtype=np.float32))
    augmentation = recipe.Augmentation(mixup_alpha=1.0)
    inputs, targets = mixing.mix(rows, rows, augmentation, tf.constant((1, 2)))
    np.testing.assert_array_equal(inputs, targets)
