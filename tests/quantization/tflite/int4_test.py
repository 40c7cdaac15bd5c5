"""The int8 scheme with kernels of 4 bits: ranges, the file, and what computes it."""

import numpy as np
import pytest

from export.tflite import from_graph, int4_kernels, verify
from tests.quantization import conftest
from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.ir import from_tflite, graph
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.quantization import input_ranges, storage
from tfpipeline.quantization.tflite import int4 as tflite_int4
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.quantization.tflite import ranges
from tfpipeline.readers import from_keras
from tfpipeline.simulate import execution
from tfpipeline.targets.tflm import flatbuffer, interpreter, reference

L = keras.layers


@pytest.fixture(scope="module")
def made(images):
    """Returns a function: name of a network -> (QAT model, graph, file), made once."""
    known = {}

    def make(name):
        if name not in known:
            folded = batch_norm_folding.fold(conftest.build_trained_like(name))
            model = tflite_int4.prepare_qat(folded, images)
            g = from_keras.read(model)
            known[name] = model, g, from_graph.to_bytes(g)
        return known[name]

    return make


SLOW = [
    pytest.param(name, marks=() if name == "residual" else pytest.mark.slow)
    for name in conftest.BUILDERS
]


def _weighted(g):
    return [layer for layer in g.layers if isinstance(layer, graph.Weighted)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_kernels_of_the_file_are_the_trained_ones(name, made):
    model, g, data = made(name)
    tensors = {t.name: t for t in flatbuffer.read(data).tensors}
    stored = from_tflite.read(data)
    kernels = {layer.weights for layer in _weighted(g)}
    assert int4_kernels.stored(g) == kernels
    found = {entry.layer: entry for entry in ranges.find(model) if _is_kernel(entry)}
    assert len(found) == len(kernels) >= 2
    for layer in _weighted(g):
        entry = found[layer.name]
        limits = np.ravel(entry.maximum.numpy())
        assert (len(limits) == 1) == isinstance(layer, graph.Dense)
        tensor = tensors[layer.weights]
        assert tensor.dtype == "int4"
        # Rounded to float32 once.
        scales = (limits.astype(np.float64) / 7).astype(np.float32)
        np.testing.assert_array_equal(np.float32(tensor.scales), scales)
        values = stored.constants[layer.weights]
        assert np.abs(values).max() == 7
        # What training multiplied with, in steps: the file's integers.
        wrapper = model.get_layer(entry.wrapper)
        ((kernel, quantizer, variables),) = wrapper._weight_vars
        rounded = quantizer(kernel, False, variables).numpy()
        steps = _as_stored(layer, rounded) / _along(layer, scales)
        np.testing.assert_array_equal(np.round(steps), values)


def _is_kernel(entry):
    return entry.role in ranges.WEIGHT_ROLES


def _as_stored(layer, kernel):
    if isinstance(layer, graph.Dense):
        return kernel.T
    if isinstance(layer, graph.DepthwiseConv2D):
        return kernel.reshape(1, *kernel.shape[:2], -1)
    return kernel.transpose(3, 0, 1, 2)


def _along(layer, scales):
    if isinstance(layer, graph.Conv2D):
        return scales[:, None, None, None]
    return scales


@pytest.mark.parametrize("name", SLOW)
def test_micro_computes_what_we_do_and_training_promised(name, made, images):
    model, g, data = made(name)
    quantized = reference.quantize_input(data, images)
    micro = interpreter.predict(data, quantized)
    np.testing.assert_array_equal(execution.predict(g, quantized), micro)
    port = flatbuffer.read(data).output
    real = (micro - np.float64(port.zero_points[0])) * port.scales[0]
    promised = model(images, training=False).numpy()
    # Integers of 8 bits and fake quantization differ by some steps of the output, the
    # more the deeper the network; a wrong scale or kernel differs by tens of them.
    assert np.abs(real - promised).max() <= 4 * port.scales[0]
    # What runs whole splits: kernels of XNNPACK, 1 LSB an operator away.
    fast = reference.predict(data, quantized).astype(int)
    assert np.abs(fast - micro).max() <= 4


@pytest.mark.slow
def test_activations_are_those_of_int8(made, prepared):
    int4, int8 = made("residual")[0], prepared("residual").qat
    wide = {e.layer: e for e in ranges.find(int8) if not _is_kernel(e)}
    narrow = [e for e in ranges.find(int4) if not _is_kernel(e)]
    assert len(narrow) == len(wide) > 0
    for entry in narrow:
        assert entry.minimum.numpy() == wide[entry.layer].minimum.numpy()
        assert entry.maximum.numpy() == wide[entry.layer].maximum.numpy()


@pytest.mark.slow
def test_a_network_comes_back_from_disk_identical(made, images, tmp_path, prepared):
    model = made("residual")[0]
    storage.save(model, tmp_path)
    loaded = storage.load(tmp_path)
    assert tflite_int4.is_of_scheme(loaded)
    assert not tflite_int4.is_of_scheme(prepared("residual").qat)
    np.testing.assert_array_equal(
        loaded(images, training=False), model(images, training=False)
    )


@pytest.mark.slow
def test_the_other_input_range_comes_back_as_well(images, tmp_path):
    folded = batch_norm_folding.fold(conftest.build_trained_like("plain"))
    model = tflite_int4.prepare_qat(folded, np.abs(images) / 2, input_ranges.UNSIGNED)
    storage.save(model, tmp_path)
    loaded = storage.load(tmp_path)
    assert tflite_int8.input_range_of(loaded) == input_ranges.UNSIGNED
    assert tflite_int4.is_of_scheme(loaded)
    data = from_graph.to_bytes(from_keras.read(loaded))
    port = flatbuffer.read(data).input
    assert (port.scales, port.zero_points) == ((1 / 256,), (-128,))


@pytest.mark.slow
def test_a_training_step_moves_weights_ranges_and_kernels(images):
    folded = batch_norm_folding.fold(conftest.build_trained_like("plain"))
    model = tflite_int4.prepare_qat(folded, images)
    kernels = [e for e in ranges.find(model) if _is_kernel(e)]
    before = [entry.maximum.numpy() for entry in kernels]
    optimizer = keras.optimizers.SGD(0.5)
    with tf.GradientTape() as tape:
        # Without dropout, which draws what the process has left it.
        loss = tf.reduce_mean((model(images, training=False) - 1.0) ** 2)
    gradients = tape.gradient(loss, model.trainable_weights)
    assert all(np.any(gradient != 0) for gradient in gradients)
    optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    ranges.set_from_weights(model)
    after = [entry.maximum.numpy() for entry in kernels]
    assert all(np.any(a != b) for a, b in zip(before, after, strict=True))


def test_kernels_of_4_bits_do_not_go_with_activations_of_16(made, monkeypatch):
    model = made("residual")[0]
    for layer in model.layers:
        for quantizer in getattr(layer, "_output_quantizers", ()):
            monkeypatch.setattr(quantizer, "num_bits", 16)
        for activation in getattr(layer, "_quantize_activations", ()):
            monkeypatch.setattr(activation.quantizer, "num_bits", 16)
    with pytest.raises(errors.GraphError, match="or 4 beside activations of 8"):
        from_keras.read(model)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "has_reference"), [("plain", 1), ("residual", 0)])
def test_verification_says_what_ran(name, has_reference, made):
    _, g, data = made(name)
    found = verify.inspect(data)
    assert found.simulated_images == 16
    assert set(found.kernels) == {layer.weights for layer in _weighted(g)}
    assert set(found.kernels.values()) == {"int4"}
    assert (found.end_to_end is not None) == bool(has_reference)
    assert bool(found.operator_agreement) == bool(has_reference)
