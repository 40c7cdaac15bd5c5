"""Networks that keep a state through what verifies and bundles them."""

import numpy as np
import pytest

from export.c import network
from export.tflite import after_training, from_graph, int8, verify
from export.tflm import arena, bundle, project, structures
from tests import recurrent
from tests.ir import tflite_models as models
from tests.simulate import micro
from tfpipeline import errors, model_source
from tfpipeline.compat import keras, tf
from tfpipeline.cost import estimate
from tfpipeline.ir import from_tflite, single_results
from tfpipeline.post_training import float_network, input_range
from tfpipeline.precision import formats, options, quantize, ranges
from tfpipeline.readers import from_keras
from tfpipeline.simulate import execution, support
from tfpipeline.targets import catalog

L = keras.layers

MODELS = {
    "lstm": recurrent.lstm(),
    "lstm of int16": recurrent.lstm("int16"),
    "svdf": recurrent.svdf(),
}


@pytest.mark.parametrize("name", MODELS)
def test_verified_against_our_execution(name):
    found = verify.inspect(MODELS[name], images=4)
    assert found.simulated_images == 4
    assert found.operator_agreement == ()
    assert found.end_to_end is None


@pytest.mark.parametrize("name", MODELS)
def test_bundled_in_the_arena_predicted(name):
    made = bundle.prepare(MODELS[name], "net")
    head = made.measured.head_bytes
    expected = arena.estimate(made.program, structures.PACKAGE_64, head)
    assert expected.tail_bytes == made.measured.tail_bytes
    assert expected.arena_bytes == made.measured_bytes
    assert made.plan.greedy_bytes == head
    (case,) = made.cases
    (answer,) = micro.run(MODELS[name], case.inputs, 1)
    assert (answer == case.outputs[0]).all()
    assert "interpreter.Reset()" in project.main(made)


def test_priced_where_it_runs_and_refused_where_not():
    g = from_tflite.read(MODELS["lstm"])
    for each in catalog.estimate_all(g, catalog.NAMES, estimate.Options()):
        if each.target in ("gap8", "max78000", "max78002"):
            assert "keeps a state from run to run" in each.violations[0]
        else:
            assert not each.violations
            assert each.totals.macs == 5 * 4 * (6 * 4 + 6 * 6)
            # Of 6 and of 12 bytes, each from a multiple of 16.
            assert each.target != "tflm" or each.memory["state_bytes"] == 32
    with pytest.raises(errors.TargetError, match="keeps a state"):
        single_results.require(g, "GAP8")


def keras_network():
    rows = keras.Input((8, 4))
    left, right = tf.split(L.LSTM(6, return_sequences=True)(rows), 2, axis=-1)
    x = L.UpSampling1D(2)(tf.stack(tf.unstack(left, axis=1)[:4], axis=1))
    x = L.LSTM(5)(L.Concatenate()([x, right]))
    return keras.Model(rows, L.Dense(3)(x))


@pytest.mark.slow
def test_a_float_network_of_keras_is_priced_on_every_target(tmp_path):
    keras_network().save(tmp_path / "net.keras")
    g = model_source.load(str(tmp_path / "net.keras")).graph
    kinds = {layer.kind for layer in g.layers}
    assert {"Lstm", "Split", "Unpack", "Pack", "Concat", "StridedSlice"} <= kinds
    macs = 8 * 4 * 6 * (4 + 6) + 8 * 4 * 5 * (6 + 5) + 3 * 5
    for each in catalog.estimate_all(g, catalog.NAMES, estimate.Options()):
        if each.target in ("gap8", "max78000", "max78002"):
            assert any("keeps a state" in reason for reason in each.violations)
        else:
            assert not each.violations
            assert each.totals.macs == macs


def quantized(model):
    images = np.random.default_rng(0).normal(size=(20, 8, 4)).astype(np.float32)
    return int8.convert_ptq(model, images), images


@pytest.mark.slow
def test_an_lstm_of_keras_quantized_by_the_converter_runs_bit_for_bit():
    keras.utils.set_random_seed(1)
    rows = keras.Input((8, 4))
    parts = tf.split(L.LSTM(6, return_sequences=True)(rows), 2, axis=-1)
    x = L.Concatenate()([L.Dense(3)(part) for part in parts])
    model = keras.Model(rows, L.Dense(3)(L.LSTM(5)(x)))
    converted, images = quantized(model)
    g = from_tflite.read(converted)
    inputs = micro.random_inputs(g, 6)
    (expected,) = micro.run(converted, inputs, 1)
    np.testing.assert_array_equal(execution.run(g, inputs)[0], expected)
    network.prepare(g, "net")
    # And it is the network: within a few steps of the real numbers, in the mean; the
    # converter calibrates without resetting the state, and outputs may be cut off.
    quant, result = (g.tensors[name].quant for name in (*g.inputs, *g.outputs))
    steps = np.round(images / quant.scale[0]) + quant.zero_point[0]
    (found,) = execution.run(g, [np.clip(steps, -128, 127).astype(np.int8)])
    real = (found.astype(float) - result.zero_point[0]) * result.scale[0]
    assert np.abs(real - model(images).numpy()).mean() < 4 * result.scale[0]


def test_the_result_that_the_converter_gives_another_scale_is_refused():
    rows = keras.Input((8, 4))
    x = L.Concatenate()([L.LSTM(6, return_sequences=True)(rows), rows])
    model = keras.Model(rows, L.Dense(3)(x))
    (reason,) = support.reasons(from_tflite.read(quantized(model)[0]))
    assert "in front of a CONCATENATION or PACK: put another layer" in reason


@pytest.mark.slow
def test_a_float_lstm_is_not_quantized_after_training_here():
    g = from_keras.read(keras_network())
    observed = ranges.observe(g, np.zeros((1, 8, 4), np.float32))
    with pytest.raises(errors.GraphError, match="keeps a state, whose range"):
        quantize.quantize(g, observed, next(iter(formats.FORMATS.values())))


@pytest.mark.slow
def test_a_float_lstm_of_keras_is_quantized_by_the_converter():
    keras.utils.set_random_seed(1)
    rows = keras.Input((8, 4))
    model = keras.Model(rows, L.Dense(3)(L.LSTM(6)(rows)))
    images = np.random.default_rng(0).uniform(-1, 1, (20, 8, 4)).astype(np.float32)
    given = float_network.FloatNetwork(
        from_keras.read(model), images, input_range.of_values(images), model
    )
    form = formats.named("wi8_ai8")
    made = after_training.make(given, form, "int8")
    assert made.cost.worst_output.db > 25
    g = from_tflite.read(made.data)
    inputs = micro.random_inputs(g, 4)
    (expected,) = micro.run(made.data, inputs, 1)
    np.testing.assert_array_equal(execution.run(g, inputs)[0], expected)
    equalized = options.Options(equalize=True)
    with pytest.raises(errors.UsageError, match="which TensorFlow's converter quant"):
        after_training.make(given, form, "int8", equalized)
    with pytest.raises(errors.ExportError, match=r"not .*supported for op: 'UNIDIR"):
        after_training.make(given, formats.named("wi8_ai16"), "int16x8")


def test_a_written_file_brings_what_tflite_asks_for():
    model = from_graph.to_bytes(from_tflite.read(MODELS["lstm"]))
    parsed = models.schema.ModelT.InitFromPackedBuf(model)
    assert len(parsed.subgraphs[0].operators[0].intermediates) == 5
