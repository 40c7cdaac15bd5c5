"""Parts of batches: together they are the batch that one worker makes, to the bit."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.configs import recipe
from tfpipeline.data import parts, pipeline, splits


def _split() -> splits.Split:
    images = np.random.default_rng(0).integers(0, 256, (13, 6, 5, 3), np.uint8)
    return splits.Split(images, np.arange(13, dtype=np.int32))


@pytest.mark.parametrize(
    "transforms",
    [
        {"random_crop": 1, "horizontal_flip": True, "cutout": 2},
        {"color_jitter": 0.2, "gaussian_noise": 0.1, "rotation": 10.0},
        {"rand_augment": (2, 9)},
        {"mixup_alpha": 0.3, "cutmix_alpha": 1.0, "mix_probability": 0.7},
    ],
)
def test_parts_together_are_the_batch(transforms):
    augmentation = recipe.Augmentation(**transforms)
    shares = (lambda labels: tf.one_hot(labels, 13)) if augmentation.mixes else None
    beside = np.arange(26, dtype=np.float32).reshape(13, 2)
    data = pipeline.source(_split(), augmentation, 6, shares=shares, beside=beside)

    def batches(part):
        made = pipeline.training_batches(data, seed=3, epoch=1, part=part)
        return [tf.nest.flatten(batch) for batch in made.as_numpy_iterator()]

    whole = batches(parts.WHOLE)
    shared = [batches(parts.Part(index, 3)) for index in range(3)]
    assert len(whole) == 2
    for step, batch in enumerate(whole):
        for place, values in enumerate(batch):
            together = np.concatenate([each[step][place] for each in shared])
            np.testing.assert_array_equal(values, together)


def test_a_part_reads_its_own_rows_alone(monkeypatch):
    split = _split()
    read: list[int] = []

    def rows(positions):
        read.extend(positions.tolist())
        return split.inputs[positions]

    monkeypatch.setattr(
        pipeline,
        "_gatherer",
        lambda inputs: lambda at: tf.numpy_function(rows, (at,), inputs.dtype),
    )
    data = pipeline.source(split, recipe.Augmentation(), 6)
    batches = pipeline.training_batches(data, seed=3, epoch=0, part=parts.Part(1, 2))
    labels = np.concatenate([found for _, found in batches.as_numpy_iterator()])
    assert sorted(read) == sorted(labels.tolist())
    assert len(read) == 6


def test_a_batch_that_cannot_be_shared_out():
    with pytest.raises(errors.UsageError, match="--batch_size=6 is that of all 4"):
        parts.Part(0, 4).rows(6)
