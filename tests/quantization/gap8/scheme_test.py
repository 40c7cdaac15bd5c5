"""The GAP8 scheme: equal to the chip's kernels bit for bit, and what it refuses."""

import numpy as np
import pytest

from tests.quantization.max78000 import networks
from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.keras_networks import batch_norm_folding, float_twin
from tfpipeline.quantization import storage
from tfpipeline.quantization.gap8 import scheme as gap8
from tfpipeline.readers import from_gap8, from_keras
from tfpipeline.targets.gap8 import (
    calibrate,
    lowering,
    program,
    program_file,
    quantize,
    simulate,
)

layers = keras.layers

KINDS = (
    "conv_3x3",
    "conv_1x1",
    "conv_without_bias",
    "conv_padded_by_one",
    "max_pool",
    "average_pool",
    "global_average",
    "global_maximum",
    "conv_1d",
    "line_network",
    "add",
    "residual",
    "concatenate",
    "dense_of_pixels",
    "dense_of_vector",
)
WIDTHS = (16, 8)


def prepared(model, images, num_bits=16, **options):
    g = from_keras.read(model)
    magnitudes = calibrate.calibrate(g, images)
    return gap8.prepare_qat(model, g, magnitudes, num_bits=num_bits, **options)


def without_softmax(model):
    """The same model up to its logits."""
    return keras.Model(model.input, model.layers[-2].output)


def same(qat, images):
    """Asserts that model and chip agree in all bits; returns the integers."""
    p = from_gap8.read(qat)
    integers = simulate.predict(p, simulate.quantize_images(p, images))
    model = gap8.exact(qat)
    if isinstance(model.layers[-1].layer, layers.Softmax):
        model = without_softmax(model)
    found = model(images.astype(np.float64), training=False).numpy()
    if found.ndim == 2:
        found = found[:, None, None, :]
    elif found.ndim == 3:
        found = found[:, None]
    steps = found.transpose(0, 3, 1, 2) * 2.0 ** p.tensors[p.outputs[0]].q
    np.testing.assert_array_equal(steps, integers)
    return integers


# What rounds otherwise at 8 bits is in the default tests.
_OTHERWISE = ("average_pool", "concatenate")


@pytest.mark.default_cases(2)
@pytest.mark.parametrize(
    ("kind", "num_bits"),
    [
        pytest.param(
            *(kind, bits),
            marks=[pytest.mark.slow] if bits == 8 and kind not in _OTHERWISE else [],
        )
        for kind in KINDS
        for bits in WIDTHS
    ],
)
def test_forward_pass_is_the_chip_bit_for_bit(kind, num_bits):
    model = networks.build(kind, seed=num_bits)
    images = networks.images(model)
    found = same(prepared(model, images, num_bits), images)
    assert len(np.unique(found)) > 20


@pytest.mark.slow
@pytest.mark.parametrize("num_bits", WIDTHS)
def test_a_whole_network_is_the_chip_bit_for_bit(num_bits):
    folded = batch_norm_folding.fold(networks.build_classifier())
    images = networks.images(folded, count=32)
    same(prepared(folded, images, num_bits), images[:8])


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_what_ends_a_network_is_left_to_the_host(function):
    model = networks.build("conv_3x3")
    ended = keras.Model(model.input, layers.Activation(function)(model.output))
    images = networks.images(ended)
    qat = prepared(ended, images)
    assert from_gap8.read(qat).notes[0].endswith("is left to the host")
    logits = prepared(model, images)
    integers = same(logits, images)
    p = from_gap8.read(qat)
    found = simulate.predict(p, simulate.quantize_images(p, images))
    np.testing.assert_array_equal(found, integers)
    expected = getattr(tf.math, function)(logits(images))
    np.testing.assert_array_equal(qat(images), expected)


@pytest.mark.slow
def test_accumulators_that_wrap_do_so_in_the_model_as_well():
    model = networks.build("conv_3x3")
    images = networks.images(model)
    g = from_keras.read(model)
    magnitudes = calibrate.calibrate(g, images)
    magnitudes[g.outputs[0]] /= 8
    qat = gap8.prepare_qat(model, g, magnitudes)
    (conv,) = from_gap8.read(qat).layers
    assert conv.format.norm == 16
    integers = same(qat, images)
    # An output beyond its format is one beyond the accumulator: norm is 16.
    steps = model(images).numpy().transpose(0, 3, 1, 2) * 2.0**conv.format.out_q
    beyond = np.abs(steps) > 1.01 * 2**15
    assert (np.sign(steps) != np.sign(integers))[beyond].mean() > 0.5


@pytest.mark.slow
def test_without_sums_it_is_post_training_quantization():
    model = networks.build("concatenate")
    images = networks.images(model)
    g = from_keras.read(model)
    expected = quantize.quantize(g, calibrate.calibrate(g, images))
    found = from_gap8.read(prepared(model, images))
    assert found.tensors == expected.tensors
    for layer, other in zip(found.layers, expected.layers, strict=True):
        if isinstance(layer, program.Weighted):
            assert layer.format == other.format
            np.testing.assert_array_equal(layer.weights, other.weights)
            np.testing.assert_array_equal(layer.bias, other.bias)


@pytest.mark.slow
def test_places_of_a_concatenation_are_pushed_into_the_branch():
    model = networks.build("concatenate")
    left = model.get_layer("left")
    left.set_weights([values / 16 for values in left.get_weights()])
    images = networks.images(model)
    qat = prepared(model, images)
    p = from_gap8.read(qat)
    (joined,) = (each for each in p.layers if isinstance(each, program.Concat))
    assert joined.norms == (0, 0)
    assert len({p.tensors[name].q for name in joined.inputs}) == 1
    same(qat, images)


@pytest.mark.slow
def test_a_maximum_behind_a_concatenation_is_computed_in_its_parts():
    image = layers.Input((6, 6, 4), name="image")
    parts = [
        layers.Conv2D(3, size, padding="same", name=f"conv{size}")(image)
        for size in (1, 3)
    ]
    x = layers.Concatenate(name="joined")(parts)
    x = layers.ReLU()(layers.MaxPooling2D(2)(x))
    model = keras.Model(image, layers.Conv2D(4, 3, name="behind")(x))
    networks.set_extreme_weights(model, np.random.default_rng(3))
    images = networks.images(model)
    qat = prepared(model, images)
    kinds = [layer.kind for layer in from_gap8.read(qat).layers]
    assert kinds == ["Conv", "Conv", "Concat", "Conv"]
    same(qat, images)


def test_inputs_of_a_sum_get_its_format():
    model = networks.build("residual")
    images = networks.images(model)
    g = from_keras.read(model)
    magnitudes = calibrate.calibrate(g, images)
    shared = gap8.shared_around_sums(lowering.lower(g, 16), magnitudes)
    assert all(shared[name] >= value for name, value in magnitudes.items())
    p = quantize.quantize(g, shared)
    (add,) = (layer for layer in p.layers if isinstance(layer, program.Add))
    assert add.norms == (0, 0)
    assert {p.tensors[name].q for name in (*add.inputs, add.output)} == {
        p.tensors[add.output].q
    }


def test_a_sum_with_the_input_is_refused():
    image = layers.Input((4, 4, 4), name="image")
    conv = layers.Conv2D(4, 1, name="conv")(image)
    model = keras.Model(image, layers.Add(name="sum")([image, conv]))
    networks.set_extreme_weights(model, np.random.default_rng(0))
    images = networks.images(model)
    g = from_keras.read(model)
    magnitudes = calibrate.calibrate(g, images) | {g.layers[-1].output: 100.0}
    with pytest.raises(errors.QuantizationError, match="reads the network's input"):
        gap8.prepare_qat(model, g, magnitudes)


@pytest.mark.slow
@pytest.mark.parametrize("num_bits", WIDTHS)
def test_training_moves_weights_and_stays_the_chip(num_bits):
    model = batch_norm_folding.fold(networks.build_classifier())
    images = networks.images(model, count=32)
    qat = prepared(model, images, num_bits)
    labels = np.arange(32) % 5
    # Five times this rate makes some seeds of the dropout diverge.
    qat.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    before = {weight.name: weight.numpy() for weight in qat.trainable_weights}
    formats = [weight.numpy() for weight in qat.non_trainable_weights]
    first = qat.evaluate(images, labels, verbose=0)
    qat.fit(images, labels, epochs=8, batch_size=32, verbose=0)
    assert qat.evaluate(images, labels, verbose=0) < first
    for weight in qat.trainable_weights:
        assert not np.array_equal(before[weight.name], weight.numpy()), weight.name
    for weight, value in zip(qat.non_trainable_weights, formats, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    same(qat, images)


@pytest.mark.slow
def test_a_kernel_that_grows_takes_another_format():
    model = networks.build("conv_3x3")
    images = networks.images(model)
    qat = prepared(model, images, 8)
    before = from_gap8.read(qat).layers[0].format
    kernel = next(w for w in qat.trainable_weights if "kernel" in w.name)
    kernel.assign(kernel * 4)
    after = from_gap8.read(qat).layers[0].format
    assert after.weight_q == before.weight_q - 2 and after.out_q == before.out_q
    same(qat, images)


@pytest.mark.slow
def test_float32_differs_from_the_chip_by_a_step_at_most():
    folded = batch_norm_folding.fold(networks.build_classifier())
    images = networks.images(folded, count=32)
    qat = prepared(folded, images)
    near = without_softmax(qat)(images, training=False).numpy()
    exact = without_softmax(gap8.exact(qat))(images, training=False).numpy()
    p = from_gap8.read(qat)
    # float32 keeps 24 bits of a sum of 32, six layers in a row; each may round to the
    # other side of a half, and the next layers carry it on.
    steps = np.abs(near - exact) * 2.0 ** p.tensors[p.outputs[0]].q
    assert steps.max() <= 4


@pytest.mark.slow
@pytest.mark.parametrize("num_bits", [16, pytest.param(8, marks=pytest.mark.slow)])
def test_a_stored_model_comes_back_with_its_formats(tmp_path, num_bits):
    model = networks.build("residual")
    images = networks.images(model)
    qat = prepared(model, images, num_bits)
    takers = [each.name for each in storage.SCHEMES if each.options(qat) is not None]
    assert takers == ["gap8"]
    storage.save(qat, tmp_path / "qat")
    loaded = storage.load(tmp_path / "qat")
    assert gap8.num_bits_of(loaded) == num_bits
    found, expected = from_gap8.read(loaded), from_gap8.read(qat)
    assert program_file.fingerprint(found) == program_file.fingerprint(expected)


def test_the_float_network_inside_is_the_one_that_was_given():
    model = networks.build("dense_of_vector")
    images = networks.images(model, count=4)
    twin = float_twin.extract(prepared(model, images))
    np.testing.assert_array_equal(twin(images), model(images))


@pytest.mark.slow
def test_a_raw_input_is_taken_as_it_is():
    model = networks.build("conv_3x3")
    pixels = np.random.default_rng(4).integers(0, 256, (8, 6, 6, 4)).astype(np.float32)
    qat = prepared(model, pixels, raw_input=True)
    assert from_gap8.read(qat).input.q == 0
    same(qat, pixels)


def test_what_cannot_be_quantized_is_named_all_at_once():
    image = layers.Input((4, 4, 4), name="image")
    x = layers.Conv2D(4, 1, activation="tanh", name="curved")(image)
    x = layers.UpSampling2D(name="larger")(x)
    model = keras.Model(image, layers.BatchNormalization(name="norm")(x))
    with pytest.raises(errors.QuantizationError) as raised:
        gap8.build(model)
    for name in ("curved", "larger", "norm"):
        assert f"'{name}'" in str(raised.value)


@pytest.mark.parametrize("num_bits", [4, 32])
def test_other_widths_are_refused(num_bits):
    with pytest.raises(errors.QuantizationError, match="16 or 8"):
        gap8.build(networks.build("conv_3x3"), num_bits)


def test_another_scheme_is_told():
    with pytest.raises(errors.QuantizationError, match="not quantized for the GAP8"):
        from_gap8.read(networks.build("conv_3x3"))
