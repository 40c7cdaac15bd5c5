"""Batches: each image at most once an epoch, the same ones for the same seed."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.configs import recipe
from tfpipeline.data import augmentation, pipeline, preprocessing, splits
from tfpipeline.data.preprocessing import RAW, SIGNED, UNSIGNED

BYTES = np.arange(256, dtype=np.uint8)


def _split(count=50):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 4, 4, 3), np.uint8)
    return splits.Split(images, np.arange(count, dtype=np.int32))


def _epoch(split, epoch=0, seed=0, batch_size=8, **fields):
    data = pipeline.source(split, recipe.Augmentation(**fields), batch_size)
    batches = pipeline.training_batches(data, seed=seed, epoch=epoch)
    images, labels = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def test_epoch_is_full_batches_of_distinct_images():
    split = _split()
    images, labels = _epoch(split)
    assert len(labels) == 48 == pipeline.steps_per_epoch(50, 8) * 8
    assert len(set(labels.tolist())) == 48
    np.testing.assert_array_equal(images, SIGNED.real(split.inputs[labels]))


def test_left_out_images_change_between_epochs():
    split = _split()
    left_out = [
        set(range(50)) - set(_epoch(split, epoch)[1].tolist()) for epoch in range(6)
    ]
    assert len(set(map(frozenset, left_out))) > 1


def test_depends_on_seed_and_epoch_only():
    split = _split()
    options = {"random_crop": 1, "gaussian_noise": 0.1}
    first = _epoch(split, 2, 5, **options)
    again = _epoch(split, 2, 5, **options)
    for left, right in zip(first, again, strict=True):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(first[1], _epoch(split, 3, 5, **options)[1])
    assert not np.array_equal(first[1], _epoch(split, 2, 6, **options)[1])


def test_batches_of_unsigned_pixels():
    split = _split()
    data = pipeline.source(split, recipe.Augmentation(), 8, UNSIGNED)
    batches = pipeline.training_batches(data, seed=0, epoch=0)
    for images, labels in batches.as_numpy_iterator():
        np.testing.assert_array_equal(images * 256, split.inputs[labels])


@pytest.mark.parametrize(
    "read_as", [SIGNED, UNSIGNED, RAW, preprocessing.of("-3,1", True, BYTES)]
)
def test_numpy_and_tensorflow_read_alike(read_as):
    np.testing.assert_array_equal(
        read_as.real(BYTES), augmentation.to_input(BYTES, read_as).numpy()
    )


def test_windows_of_floats_and_their_targets_come_as_they_are():
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(20, 7, 3)).astype(np.float32)
    split = splits.Split(inputs, inputs[:, 0])
    data = pipeline.source(split, recipe.Augmentation(), 4, RAW)
    for batch, targets in pipeline.training_batches(data, seed=0, epoch=0):
        np.testing.assert_array_equal(batch[:, 0], targets)
        assert batch.shape == (4, 7, 3)


def test_transforms_of_pictures_are_refused_for_other_data():
    split = splits.Split(np.zeros((8, 5), np.float32), np.zeros(8, np.int32))
    with pytest.raises(errors.UsageError, match=r"--rotation transforms pictures"):
        pipeline.source(split, recipe.Augmentation(rotation=3.0), 4, RAW)


def test_batches_of_mixed_examples():
    split = _split()

    def shares(targets):
        return augmentation.tf.one_hot(targets, 50)

    augmented = recipe.Augmentation(mixup_alpha=0.5, cutmix_alpha=0.5)
    data = pipeline.source(split, augmented, 8, shares=shares)

    def epoch(number):
        batches = pipeline.training_batches(data, seed=0, epoch=number)
        return list(batches.as_numpy_iterator())

    first, again = epoch(1), epoch(1)
    for (inputs, targets), (same_inputs, same_targets) in zip(
        first, again, strict=True
    ):
        np.testing.assert_array_equal(inputs, same_inputs)
        np.testing.assert_array_equal(targets, same_targets)
        assert inputs.shape == (8, 4, 4, 3) and targets.shape == (8, 50)
    mixed = np.concatenate([targets for _, targets in first])
    assert 0.3 < np.mean((mixed > 0).sum(axis=1) == 2) <= 1
    # What is mixed is what would else be trained on, in the same order.
    plain = pipeline.source(split, recipe.Augmentation(), 8)
    order = [t for _, t in pipeline.training_batches(plain, seed=0, epoch=1)]
    largest = mixed.argmax(axis=1)
    both = np.stack(
        (np.concatenate(order), np.concatenate([np.roll(t, -1) for t in order]))
    )
    assert np.all((largest == both).any(axis=0))


def test_rows_of_numbers_can_be_added_up_and_not_be_cut():
    rows = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    split = splits.Split(rows, np.arange(20, dtype=np.int32))
    data = pipeline.source(
        split, recipe.Augmentation(mixup_alpha=0.5), 4, preprocessing.in_range(-9, 9)
    )
    assert data.steps == 5
    for name in ("cutmix_alpha", "cutout"):
        with pytest.raises(errors.UsageError, match=f"--{name} transforms pictures"):
            pipeline.source(split, recipe.Augmentation(**{name: 1}), 4)
