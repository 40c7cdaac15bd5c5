"""Networks that keep a state through what verifies and bundles them."""

import numpy as np
import pytest

from export.c import network
from export.tflite import after_training, from_graph, int8, verify
from export.tflm import arena, bundle, project, structures
from tests import float_graphs, recurrent
from tests.ir import tflite_models as models
from tests.simulate import micro
from tfpipeline import errors, model_source
from tfpipeline.compat import keras, tf
from tfpipeline.cost import estimate
from tfpipeline.ir import from_tflite, graph, single_results
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
    for each in catalog.estimate_all(g, catalog.SURVEYED, estimate.Options()):
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
    for each in catalog.estimate_all(g, catalog.SURVEYED, estimate.Options()):
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


@pytest.mark.slow
def test_the_result_that_the_converter_gives_another_scale_is_refused():
    rows = keras.Input((8, 4))
    x = L.Concatenate()([L.LSTM(6, return_sequences=True)(rows), rows])
    model = keras.Model(rows, L.Dense(3)(x))
    (reason,) = support.reasons(from_tflite.read(quantized(model)[0]))
    assert "in front of a CONCATENATION or PACK: put another layer" in reason


def test_what_no_kernel_reads_is_not_quantized():
    for name, form, reason in (
        ("lstm", "wi4_ai8", "reads its kernels as int8 alone; found 4 bits"),
        ("svdf", "wi8_ai8", "keeps a state, whose range"),
    ):
        g = float_graphs.recurrent()[name]
        observed = ranges.observe(g, float_graphs.images(g, 2))
        with pytest.raises(errors.GraphError, match=reason):
            quantize.quantize(g, observed, formats.named(form))


def float_network_of(model):
    images = np.random.default_rng(0).uniform(-1, 1, (20, 8, 4)).astype(np.float32)
    g = from_keras.read(model)
    declared = input_range.of_values(images)
    return float_network.FloatNetwork(g, images, declared, model)


@pytest.mark.parametrize("recipe", ["wi8_ai8", "wi8_ai16"])
def test_two_lstms_are_quantized_as_micro_runs_them(recipe):
    g = float_graphs.recurrent()["lstm"]
    images = float_graphs.images(g, 8)
    given = float_network.FloatNetwork(g, images, input_range.of_values(images))
    require_micros_bits(after_training.made(given, recipe))


def require_micros_bits(data):
    """That our execution computes what the interpreter does; returns the graph."""
    g = from_tflite.read(data)
    inputs = micro.random_inputs(g, 4)
    (expected,) = micro.run(data, inputs, 1)
    np.testing.assert_array_equal(execution.run(g, inputs)[0], expected)
    return g


@pytest.mark.slow
@pytest.mark.parametrize(
    "given", [options.PLAIN, options.Options(equalize=True, bias_correction=True)]
)
@pytest.mark.parametrize("recipe", ["wi8_ai8", "wi8_ai16"])
def test_a_float_lstm_of_keras_is_quantized_as_micro_runs_it(recipe, given):
    keras.utils.set_random_seed(1)
    rows = keras.Input((8, 4))
    # In front of a concatenation, which the converter's files must not have.
    x = L.Concatenate()([L.LSTM(6, return_sequences=True)(rows), rows])
    model = keras.Model(rows, L.Dense(3)(L.LSTM(5)(x)))
    network_in = float_network_of(model)
    made = after_training.make(network_in, formats.named(recipe), recipe, given)
    assert made.cost.worst_output.db > 30
    network.prepare(require_micros_bits(made.data), "net")


@pytest.mark.slow
def test_an_lstm_has_the_kernels_and_the_cell_of_the_converter():
    keras.utils.set_random_seed(1)
    rows = keras.Input((8, 4))
    model = keras.Model(rows, L.LSTM(6, return_sequences=True)(rows))
    given = float_network_of(model)
    made = after_training.made(given, "wi8_ai8")
    theirs = int8.convert_ptq(model, given.inputs)
    ours, other = (from_tflite.read(data) for data in (made, theirs))
    (layer,), (expected,) = (
        [x for x in g.layers if isinstance(x, graph.Lstm)] for g in (ours, other)
    )
    # The ranges of the hidden state differ: its calibration does not reset the state.
    for name, same in zip(
        (*graph.kernel_names(layer), layer.states[1]),
        (*graph.kernel_names(expected), expected.states[1]),
        strict=True,
    ):
        assert ours.tensors[name].quant == other.tensors[same].quant
        if name in ours.constants:
            np.testing.assert_array_equal(ours.constants[name], other.constants[same])


def test_a_written_file_brings_what_tflite_asks_for():
    model = from_graph.to_bytes(from_tflite.read(MODELS["lstm"]))
    parsed = models.schema.ModelT.InitFromPackedBuf(model)
    assert len(parsed.subgraphs[0].operators[0].intermediates) == 5
