"""Conversion of Keras networks to int8 `.tflite`, both ways."""

import numpy as np
import pytest

from export.tflite import int8
from tests.golden import tiny_networks
from tfpipeline import errors
from tfpipeline.compat import keras, tf, tfmot
from tfpipeline.targets.tflm import flatbuffer, interpreter, reference

IMAGES = tiny_networks.images(40, seed=2)


class Sine(keras.layers.Layer):
    """An operator that TFLite computes in float only."""

    def call(self, inputs):
        return tf.sin(inputs)


def sine_network(wrap=lambda layer: layer) -> keras.Model:
    image = keras.layers.Input((8, 8, 3))
    x = wrap(keras.layers.Conv2D(4, 3))(image)
    x = keras.layers.Flatten()(Sine(name="wave")(x))
    return keras.Model(image, wrap(keras.layers.Dense(4))(x), name="with_sine")


def micro_outputs(model: bytes) -> tuple[np.ndarray, float]:
    """Real-valued outputs of TFLite Micro on `IMAGES`, and their scale."""
    port = flatbuffer.read(model).output
    outputs = interpreter.predict(model, reference.quantize_input(model, IMAGES))
    scale = port.scales[0]
    return (outputs.astype(np.float64) - port.zero_points[0]) * scale, scale


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("network", tiny_networks.NETWORKS)
def test_qat_network_computes_what_its_fake_quantizers_do(network):
    model = tiny_networks.build(network)
    wrapped = tiny_networks.fake_quantized(model)
    converted = int8.convert_qat(wrapped)

    outputs, scale = micro_outputs(converted)
    error = np.abs(outputs - wrapped(IMAGES).numpy()) / scale
    # Each operator may round one step differently from the float arithmetic of the
    # fake quantizers; over 4 to 6 operators at most two steps arrive at the output.
    assert error.max() <= 2.01
    assert np.mean(error <= 1.01) > 0.9


@pytest.mark.default_cases(2)
@pytest.mark.parametrize("network", tiny_networks.NETWORKS)
def test_ptq_network_is_full_integer_and_near_the_float_one(network):
    model = tiny_networks.build(network)
    # Calibrated on the very images: no value is clipped, only rounded.
    converted = int8.convert_ptq(model, IMAGES)

    outputs, _ = micro_outputs(converted)
    expected = model(IMAGES).numpy()
    # 8 bits cannot promise more: errors under 5 % of the outputs' spread.
    assert np.abs(outputs - expected).max() < 0.05 * np.ptp(expected)


def test_conversion_is_reproducible():
    model = tiny_networks.build(tiny_networks.plain)
    calibration = tiny_networks.images(tiny_networks.CALIBRATION_IMAGES)
    golden = (tiny_networks.FOLDER / "plain_ptq.tflite").read_bytes()
    assert int8.convert_ptq(model, calibration) == golden


def test_float_operator_is_named_after_ptq():
    with pytest.raises(
        errors.ExportError, match=r"operator \d SIN writes float32 .*with_sine/wave/Sin"
    ):
        int8.convert_ptq(sine_network(), tiny_networks.images(4))


@pytest.mark.slow
def test_float_operator_is_named_after_qat():
    annotate = tfmot.quantization.keras.quantize_annotate_layer
    with tfmot.quantization.keras.quantize_scope({"Sine": Sine}):
        model = tfmot.quantization.keras.quantize_apply(sine_network(annotate))
    with pytest.raises(errors.ExportError, match=r"'wave' \(Sine\): not supported"):
        int8.convert_qat(model)


def test_operator_that_tflite_lacks_is_named():
    image = keras.layers.Input((8, 8, 3))
    x = keras.layers.Flatten()(keras.layers.Lambda(tf.math.erf)(image))
    model = keras.Model(image, keras.layers.Dense(4)(x), name="with_erf")
    with pytest.raises(errors.ExportError, match=r"'with_erf' does not .*tf\.Erf"):
        int8.convert_ptq(model, tiny_networks.images(4))


def test_float_network_is_refused_where_qat_is_expected():
    with pytest.raises(errors.ExportError, match="'plain' has no fake quantizers"):
        int8.convert_qat(tiny_networks.build(tiny_networks.plain))


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (4, 9, 8, 3)])
def test_calibration_images_must_fit(shape):
    with pytest.raises(errors.ExportError, match="calibration images must be"):
        int8.convert_ptq(
            tiny_networks.build(tiny_networks.plain), np.zeros(shape, np.float32)
        )
