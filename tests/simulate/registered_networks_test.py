"""The registered networks, converted here, against TFLite Micro, bit for bit."""

import numpy as np
import pytest

from export.tflite import int8
from tests import registered_networks
from tests.golden import mlperf_networks
from tests.simulate import micro
from tfpipeline.compat import keras
from tfpipeline.ir import from_tflite
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.models import registry
from tfpipeline.simulate import execution, vector_kernels


@pytest.mark.slow
@pytest.mark.parametrize("name", registered_networks.PORTABLE)
def test_registered_networks_are_bit_exact(name):
    keras.utils.set_random_seed(0)
    folded = batch_norm_folding.fold(registry.build(name))
    calibration = mlperf_networks.images(folded, 8)
    for model in (
        int8.convert_ptq(folded, calibration),
        mlperf_networks.convert_int16(folded, calibration),
    ):
        g = from_tflite.read(model)
        images = micro.random_images(g, 4)
        expected = micro.predict(model, images, arena_bytes=2**25)
        assert len(np.unique(expected, axis=0)) > 1
        np.testing.assert_array_equal(execution.predict(g, images), expected)
        micro.assert_equal_in_every_tensor(model, images[:2], vector_kernels.KERNELS)
