"""The loss of masks beside that in NumPy, and pictures mirrored with their masks."""

import numpy as np
import pytest

from tests.tasks import segmentation_test as cases
from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.configs import recipe
from tfpipeline.data import parts, splits
from tfpipeline.tasks import segmentation
from tfpipeline.training.tasks import segmentation as trained
from tfpipeline.training.tasks import supervised


def test_the_loss_is_that_of_numpy():
    found, sums = trained.loss(
        tf.constant(cases.LOGITS), tf.constant(cases.MASKS), cases.OBJECTIVE
    )
    expected = segmentation.KIND.validation_loss(
        cases.LOGITS, cases.EXAMPLES, cases.OBJECTIVE
    )
    assert float(found) == pytest.approx(expected, rel=1e-5)
    measured = cases.OBJECTIVE.measure(cases.LOGITS, cases.EXAMPLES)
    numbers = {name: value.numpy() for name, value in sums.items()}
    assert trained.figures(numbers, 6)["pixel_accuracy"] == pytest.approx(
        measured["pixel_accuracy"]
    )


def _config(**augmentation):
    return supervised.Config(4, recipe.Augmentation(**augmentation), cases.OBJECTIVE)


def _dataset():
    masks = np.random.default_rng(1).integers(0, 3, (16, 5, 4)).astype(np.uint8)
    pictures = np.repeat(40 * masks[..., None], 3, axis=-1)
    split = splits.Split(pictures, masks)
    return splits.Dataset(
        "drawn", (), split, split, split, np.arange(16), np.arange(16)
    )


def test_masks_are_mirrored_with_their_pictures():
    dataset = _dataset()
    epochs, steps = trained.epochs(_config(horizontal_flip=True), dataset, 3)
    assert steps == 4
    turned = 0
    for images, masks in epochs(0).batches(parts.WHOLE):
        expected = (40 * masks.numpy().astype(np.float32) - 128) / 128
        np.testing.assert_array_equal(images.numpy()[..., 0], expected)
        kept = {mask.tobytes() for mask in dataset.train.targets}
        turned += sum(mask.tobytes() not in kept for mask in masks.numpy())
    assert 2 <= turned <= 14


def test_what_moves_pictures_alone_is_refused():
    with pytest.raises(errors.UsageError, match="without their masks"):
        trained.epochs(_config(random_crop=2), _dataset(), 0)
