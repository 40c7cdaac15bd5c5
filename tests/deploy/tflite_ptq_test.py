"""Quantization after training, as a run deploys it."""

import types

import numpy as np
import pytest

from export.tflite import after_training, int4_kernels, int8
from tests.golden import tiny_networks
from tests.quantization import conftest
from tfpipeline import errors
from tfpipeline.configs import quantization
from tfpipeline.deploy import choices, tflite
from tfpipeline.ir import from_tflite, graph
from tfpipeline.post_training import float_network, input_range
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
        quantization=quantization.Quantization(method="ptq"),
        network="pooled",
    )


def _converted(number_format, job):
    return tflite.after_training_of(number_format)(job)


@pytest.mark.parametrize(
    ("number_format", "scale"), [("int8", 2**-7), ("int16x8", 2**-15)]
)
def test_files_are_micros_and_take_pixels_exactly(job, number_format, scale):
    data = _converted(number_format, job)
    program = flatbuffer.require_integer(data, [number_format.removesuffix("x8")])
    assert (program.input.scales, program.input.zero_points) == ((scale,), (0,))
    quantized = reference.quantize_input(data, job.calibration)
    micro = interpreter.predict(data, quantized)
    np.testing.assert_array_equal(
        micro, execution.predict(from_tflite.read(data), quantized)
    )
    assert len(np.unique(micro)) > 32
    # TensorFlow Lite Micro has no REDUCE_MAX of int16.
    assert "MAX_POOL_2D" in [operator.name for operator in program.operators]


def test_options_of_the_run_are_those_of_its_files(job):
    changed = quantization.Quantization(
        method="ptq", equalize=True, ranges="mse", bias_correction=True
    )
    other = types.SimpleNamespace(**{**vars(job), "quantization": changed})
    assert _converted("int8", other) != _converted("int8", job)
    with pytest.raises(errors.UsageError, match="go with --scheme=int8; found gap8"):
        quantization.Quantization(scheme="gap8", equalize=True).check()


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("network", [tiny_networks.plain, tiny_networks.depthwise])
def test_integers_are_those_of_tensorflows_converter(network, bits):
    model, images = tiny_networks.build(network), tiny_networks.images(32)
    theirs = from_tflite.read(int8.convert_ptq(model, images, activation_bits=bits))
    given = float_network.FloatNetwork(
        from_keras.read(model), images, input_range.NAMED[input_range.SIGNED]
    )
    ours = from_tflite.read(after_training.made(given, f"wi8_ai{bits}"))
    for one, other in zip(theirs.layers, ours.layers, strict=True):
        assert type(one) is type(other)
        quants = [
            (theirs.tensors[name].quant, ours.tensors[another].quant)
            for name, another in zip(
                (one.output, *graph.kernel_names(one)),
                (other.output, *graph.kernel_names(other)),
                strict=True,
            )
        ]
        for quant, mine in quants:
            # Float32 there, float64 here.
            np.testing.assert_allclose(mine.scale, quant.scale, rtol=1e-5)
            assert mine.zero_point == quant.zero_point
        for name, another in zip(
            graph.kernel_names(one), graph.kernel_names(other), strict=True
        ):
            np.testing.assert_array_equal(
                ours.constants[another], theirs.constants[name]
            )


def test_kernels_of_4_bits_come_from_the_float_network(job):
    data = _converted("int4", job)
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
