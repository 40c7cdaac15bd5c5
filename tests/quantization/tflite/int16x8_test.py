"""The int16x8 scheme: what is rounded, to which ranges, and what the file holds.

The whole way is held together here: the ranges of training are the file's scales, and
TensorFlow Lite Micro computes with it what our own execution does, which is what the
fake-quantized network promises but for roundings of its float32 arithmetic.
"""

import numpy as np
import pytest

from export.tflite import from_graph
from tests.quantization import conftest
from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.ir import from_tflite, graph
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.quantization import input_ranges, storage
from tfpipeline.quantization.tflite import int16x8 as tflite_int16x8
from tfpipeline.quantization.tflite import ranges
from tfpipeline.readers import from_keras
from tfpipeline.simulate import execution
from tfpipeline.targets.tflm import flatbuffer, interpreter, reference

L = keras.layers


def _joins():
    """Branches of other scales into one Concatenate: the file needs one scale."""
    image = L.Input((8, 8, 3), name="image")
    x = L.Conv2D(4, 3, activation="relu", padding="same", name="squeeze")(image)
    pooled = L.MaxPooling2D(2, 1, "same", name="pool")(x)
    wide = L.Conv2D(5, 3, padding="same", name="expand")(x)
    x = L.Concatenate(name="joined")([pooled, wide, image])
    x = L.GlobalMaxPooling2D(name="maximum")(x)
    return keras.Model(image, L.Dense(5, name="logits")(x), name="joins")


def _folded(name):
    if name == "joins":
        keras.utils.set_random_seed(5)
        return _joins()
    return batch_norm_folding.fold(conftest.build_trained_like(name))


@pytest.fixture(scope="module")
def made(images):
    """Returns a function: name of a network -> (QAT model, graph, file), made once."""
    known = {}

    def make(name):
        if name not in known:
            model = tflite_int16x8.prepare_qat(_folded(name), images)
            _move_ranges(model)
            g = from_keras.read(model)
            known[name] = model, g, from_graph.to_bytes(g)
        return known[name]

    return make


def _move_ranges(model):
    """Gives activations ranges that only this model has, as training would."""
    rng = np.random.default_rng(8)
    for entry in ranges.find(model):
        if entry.role in ranges.OUTPUT_ROLES:
            limit = entry.maximum * np.float32(rng.uniform(1.0, 1.3))
            entry.minimum.assign(-limit)
            entry.maximum.assign(limit)


NETWORKS = (*conftest.BUILDERS, "joins")


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", NETWORKS)
def test_scales_of_the_file_are_the_trained_ranges(name, made):
    model, g, data = made(name)
    program = flatbuffer.require_integer(data, ["int16"])
    scales = {tensor.name: tensor.scales for tensor in program.tensors}
    outputs = {layer.name: layer.output for layer in g.layers}
    checked = 0
    for entry in ranges.find(model):
        if entry.role not in ranges.OUTPUT_ROLES:
            continue
        # A layer with a function of its own writes a tensor of another name.
        tensor = entry.layer if entry.layer in scales else outputs[entry.layer]
        expected = entry.maximum.numpy() / np.float32(32767)
        assert scales[tensor] == (expected,), entry.layer
        checked += 1
    assert checked >= 2
    assert program.input.scales == (1 / 32768,)
    kernels = [t for t in program.tensors if t.dtype == "int8"]
    biases = [t for t in program.tensors if t.dtype == "int64"]
    weighted = [layer for layer in g.layers if isinstance(layer, graph.Weighted)]
    assert len(kernels) == len(weighted) >= len(biases) > 0
    assert {t.dtype for t in program.tensors} <= {"int8", "int16", "int32", "int64"}
    zero_points = [z for t in program.tensors for z in t.zero_points]
    assert set(zero_points) == {0}


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", NETWORKS)
def test_micro_computes_what_we_do_and_training_promised(name, made, images):
    model, g, data = made(name)
    quantized = reference.quantize_input(data, images)
    micro = interpreter.predict(data, quantized)
    np.testing.assert_array_equal(execution.predict(g, quantized), micro)

    port = flatbuffer.read(data).output
    promised = model(images, training=False).numpy()
    error = np.mean((micro * port.scales[0] - promised) ** 2) / np.var(promised)
    # An operator's result may be a step of 16 bits away, because TFLite Micro's
    # multipliers have 16 bits and fake quantization rounds in float32; 2e-8 was the
    # most that was seen. With a wrong scale it would be above 1e-3.
    assert error < 1e-7


@pytest.mark.slow
def test_a_global_maximum_is_an_operator_that_micro_has(made):
    names = [o.name for o in flatbuffer.read(made("pooled")[2]).operators]
    assert "REDUCE_MAX" not in names and "MAX_POOL_2D" in names


@pytest.mark.parametrize(
    ("pixels", "real"), [("signed", lambda p: (p - 128) / 128), ("", lambda p: p / 256)]
)
def test_pixels_reach_the_network_exactly(pixels, real, made):
    model, _, data = made("plain")
    values = np.resize(np.arange(256), (2, 8, 8, 3))
    images = real(values).astype(np.float32)
    read = keras.Model(model.inputs, model.get_layer("quantize_input").output)
    np.testing.assert_array_equal(read(images), images)
    fed = (values - 128) << 8 if pixels else values << 7
    np.testing.assert_array_equal(reference.quantize_input(data, images), fed)


@pytest.mark.slow
def test_ranges_start_from_the_calibration_images(images):
    folded = _folded("plain")
    model = tflite_int16x8.prepare_qat(folded, images)
    assert ranges.initial(model) == ()
    found = {entry.layer: entry for entry in ranges.find(model)}
    logits = keras.Model(folded.inputs, folded.get_layer("logits").output)(images)
    limit = found["logits"].maximum.numpy()
    assert found["logits"].minimum.numpy() == -limit
    assert limit == pytest.approx(np.abs(logits).max(), rel=1e-5)


def _quantizer(limit):
    layer = L.Layer()
    quantizer = tflite_int16x8.PeakQuantizer()
    weights = quantizer.build(None, "x", layer)
    weights["min_var"].assign(-limit)
    weights["max_var"].assign(limit)
    return quantizer, weights


def test_a_range_grows_at_once_and_falls_slowly():
    quantizer, weights = _quantizer(2.0)
    quantizer(tf.constant([0.5, -3.0]), True, weights)
    assert (weights["min_var"].numpy(), weights["max_var"].numpy()) == (-3.0, 3.0)
    quantizer(tf.constant([1.0]), True, weights)
    assert weights["max_var"].numpy() == pytest.approx(3.0 - 0.001 * 2.0)
    quantizer(tf.constant([9.0]), False, weights)
    assert weights["max_var"].numpy() == pytest.approx(2.998)


def test_values_are_rounded_to_65535_steps():
    quantizer, weights = _quantizer(1.0)
    values = np.linspace(-1.2, 1.2, 10_001, dtype=np.float32)
    steps = quantizer(tf.constant(values), False, weights).numpy() * 32767
    # float32 holds a step to 2^-9 at the range's ends.
    np.testing.assert_allclose(steps, np.round(steps), atol=2**-8)
    assert (steps.min(), steps.max()) == (-32767, 32767)
    inside = np.abs(values) < 1
    np.testing.assert_allclose(steps[inside], values[inside] * 32767, atol=0.51)


def test_a_range_never_vanishes():
    quantizer, weights = _quantizer(1e-9)
    quantizer(tf.zeros(3), True, weights)
    assert weights["max_var"].numpy() == tflite_int16x8.SMALLEST_LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("name", ["residual", "branches"])
def test_a_network_comes_back_from_disk_identical(name, made, images, tmp_path):
    model = made(name)[0]
    storage.save(model, tmp_path)
    loaded = storage.load(tmp_path)
    assert tflite_int16x8.is_of_scheme(loaded)
    np.testing.assert_array_equal(
        loaded(images, training=False), model(images, training=False)
    )


@pytest.mark.slow
def test_int8_is_not_taken_for_it(prepared):
    assert not tflite_int16x8.is_of_scheme(prepared("plain").qat)


def test_a_layer_outside_the_scheme_is_named():
    model = keras.Sequential([L.Input((8, 8, 3)), L.ELU(name="odd")])
    with pytest.raises(errors.QuantizationError, match=r"'odd'.*int16x8 scheme"):
        tflite_int16x8.build(keras.Model(model.inputs, model.outputs))


def test_images_outside_the_input_range_are_refused(images):
    with pytest.raises(errors.QuantizationError, match="must lie in"):
        tflite_int16x8.prepare_qat(_folded("plain"), images * 2, input_ranges.UNSIGNED)


def test_widths_are_not_mixed(made, monkeypatch):
    model = made("plain")[0]
    wrapper = model.get_layer("quant_conv1_relu")
    monkeypatch.setattr(wrapper._output_quantizers[0], "num_bits", 8)
    with pytest.raises(errors.GraphError, match="all 8 or all 16"):
        from_keras.read(model)


@pytest.mark.slow
def test_a_training_step_moves_ranges_and_passes_gradients(made, images):
    model = made("branches")[0]
    saved = model.get_weights()
    found = [e for e in ranges.find(model) if e.role in ranges.OUTPUT_ROLES]
    before = [entry.maximum.numpy() for entry in found]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(images * 0.5, training=True) ** 2)
    gradients = tape.gradient(loss, model.trainable_weights)
    after = [entry.maximum.numpy() for entry in found]
    model.set_weights(saved)
    # Half the image has lower peaks everywhere behind it.
    assert all(new < old for old, new in zip(before, after, strict=True))
    assert all(np.any(gradient != 0) for gradient in gradients)


def test_the_file_reads_as_the_graph(made):
    _, g, data = made("branches")
    assert graph.equal(from_tflite.read(data), g, names=False)
