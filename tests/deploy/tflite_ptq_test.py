"""Post-training quantization beside int8: what the converter does not give."""

import types

import numpy as np
import pytest

from export.tflite import int4_kernels, int8
from tests.quantization import conftest
from tfpipeline.deploy import choices, int4, int16x8
from tfpipeline.ir import from_tflite, global_pools, graph
from tfpipeline.quantization import input_ranges
from tfpipeline.readers import from_keras
from tfpipeline.simulate import execution
from tfpipeline.targets.tflm import flatbuffer, interpreter, reference


@pytest.fixture(scope="module")
def job():
    """The part of a run's job that is read: a network with a global maximum."""
    pixels = np.random.default_rng(3).integers(0, 256, (32, 8, 8, 3))
    return types.SimpleNamespace(
        trained=types.SimpleNamespace(model=conftest.build_trained_like("pooled")),
        calibration=(pixels / 128 - 1).astype(np.float32),
        choices=choices.Choices(),
        network="pooled",
    )


def _operators(data):
    return [operator.name for operator in flatbuffer.read(data).operators]


@pytest.mark.slow
def test_a_global_maximum_of_int16_becomes_a_pool_of_the_same_integers(job):
    model = job.trained.model
    given = int8.convert_ptq(
        model, job.calibration, input_ranges.SIGNED, activation_bits=16
    )
    # Otherwise the rewriting is not needed any more.
    assert "REDUCE_MAX" in _operators(given)
    data = int16x8._convert_ptq(job)
    assert "REDUCE_MAX" not in _operators(data)
    assert "MAX_POOL_2D" in _operators(data)
    assert flatbuffer.read(data).output.scales == flatbuffer.read(given).output.scales
    quantized = reference.quantize_input(data, job.calibration)
    micro = interpreter.predict(data, quantized)
    pooled = global_pools.as_pools(from_tflite.read(given))
    expected = execution.predict(pooled, quantized)
    np.testing.assert_array_equal(micro, expected)
    assert len(np.unique(micro)) > 32


def test_kernels_of_4_bits_come_from_the_float_network(job):
    data = int4._convert_ptq(job)
    program = flatbuffer.require_integer(data)
    assert (program.input.scales, program.input.zero_points) == ((1 / 128,), (0,))
    g = from_tflite.read(data)
    kernels = [x for x in g.layers if isinstance(x, graph.Weighted)]
    assert int4_kernels.stored(g) == {layer.weights for layer in kernels}
    real = from_keras.read(job.trained.model)
    of_float = [x for x in real.layers if isinstance(x, graph.Weighted)]
    for layer, other in zip(kernels, of_float, strict=True):
        values, quant = g.constants[layer.weights], g.tensors[layer.weights].quant
        weights = real.constants[other.weights]
        shape = [1] * weights.ndim
        shape[quant.axis or 0] = len(quant.scale)
        steps = weights / np.reshape(quant.scale, shape)
        # Half a step of rounding, and float32.
        assert np.abs(steps - values).max() <= 0.5001
        assert np.abs(values).max() == 7
