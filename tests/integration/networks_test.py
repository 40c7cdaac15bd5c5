"""Every registered network becomes int8, by QAT and PTQ, and runs in TFLite Micro."""

import numpy as np
import pytest

from export.tflite import int8
from tests import registered_networks
from tfpipeline.compat import keras
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.models import registry
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.targets.tflm import flatbuffer, interpreter, reference


@pytest.mark.slow
@pytest.mark.parametrize("name", registered_networks.PORTABLE)
def test_converts_to_full_integer_and_runs(name):
    keras.utils.set_random_seed(0)
    folded = batch_norm_folding.fold(registry.build(name))
    shape = folded.input_shape[1:]
    pixels = np.random.default_rng(0).integers(-128, 128, (8, *shape))
    images = (pixels / 128).astype(np.float32)
    qat = tflite_int8.prepare_qat(folded, images)
    converted = {
        "qat": int8.convert_qat(qat),
        "ptq": int8.convert_ptq(folded, images),
    }
    for model in converted.values():
        program = flatbuffer.require_integer(model)
        assert program.input.scales[0] == 1 / 128
        assert program.input.zero_points[0] == 0
        quantized = reference.quantize_input(model, images)
        np.testing.assert_array_equal(quantized, pixels)
        exact = reference.predict(model, quantized, kernels="reference")
        micro = interpreter.predict(model, quantized)
        # The one FULLY_CONNECTED is last; see docs/verification.md for the LSB.
        difference = np.abs(exact.astype(int) - micro.astype(int))
        assert difference.max() <= 1
        assert len(np.unique(micro)) > 1
