"""Outputs of a network over a split."""

import numpy as np
import pytest

from tfpipeline.compat import keras
from tfpipeline.data.preprocessing import SIGNED
from tfpipeline.training import evaluation


@pytest.mark.parametrize("count", [1, 250, 501])
def test_batches_do_not_change_the_result(count):
    image = keras.Input((2, 2, 3))
    model = keras.Model(image, keras.layers.Flatten()(image))
    pixels = np.random.default_rng(0).integers(0, 256, (count, 2, 2, 3), np.uint8)
    found = evaluation.logits(evaluation.forward_function(model), pixels, SIGNED)
    np.testing.assert_array_equal(found, SIGNED.real(pixels).reshape(count, -1))
