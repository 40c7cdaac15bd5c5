"""Loss and accuracy of logits."""

import numpy as np
import pytest

from tfpipeline.compat import keras
from tfpipeline.data.preprocessing import SIGNED
from tfpipeline.training import evaluation


def test_cross_entropy_is_that_of_keras():
    generator = np.random.default_rng(0)
    logits = generator.normal(scale=5, size=(64, 7)).astype(np.float32)
    labels = generator.integers(0, 7, 64)
    expected = keras.losses.sparse_categorical_crossentropy(
        labels, logits, from_logits=True
    )
    # Keras computes in float32, about 1e-7 relative a term.
    assert evaluation.cross_entropy(logits, labels) == pytest.approx(
        float(np.mean(expected)), rel=1e-5
    )


def test_cross_entropy_of_huge_logits_is_finite():
    logits = np.array([[1e4, -1e4]], np.float32)
    assert evaluation.cross_entropy(logits, np.array([0])) == 0.0
    assert evaluation.cross_entropy(logits, np.array([1])) == 2e4


def test_accuracy_counts_first_largest():
    values = np.array([[1, 1], [0, 1], [1, 0], [0, 1]])
    assert evaluation.accuracy(values, np.array([0, 1, 1, 1])) == 0.75


@pytest.mark.parametrize("count", [1, 250, 501])
def test_batches_do_not_change_the_result(count):
    image = keras.Input((2, 2, 3))
    model = keras.Model(image, keras.layers.Flatten()(image))
    pixels = np.random.default_rng(0).integers(0, 256, (count, 2, 2, 3), np.uint8)
    found = evaluation.logits(evaluation.forward_function(model), pixels, SIGNED)
    np.testing.assert_array_equal(found, SIGNED.real(pixels).reshape(count, -1))
