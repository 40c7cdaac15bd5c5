"""The MAX78000 scheme: equal to the device bit for bit, and what it refuses."""

import itertools
import json

import numpy as np
import pytest

from tests.quantization.max78000 import networks
from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.keras_networks import batch_norm_folding, float_twin, topology
from tfpipeline.quantization import storage
from tfpipeline.quantization.max78000 import layers as max78000_layers
from tfpipeline.quantization.max78000 import scheme as max78000
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.readers import from_keras, from_max78000
from tfpipeline.targets.max78000 import fusion, policy
from tfpipeline.targets.max78000 import spec as specs

layers = keras.layers

WIDE_KINDS = ("dense_of_pixels", "dense_of_vector")
# Every kind with one width in turn, and every width in one kind of each kernel: a kind
# is a wiring, a width the rounding of a kernel.
FORWARD = sorted(
    {
        *zip(networks.KINDS, itertools.cycle(specs.WEIGHT_BITS)),
        *itertools.product(
            ("residual", "conv_1d", "transposed", "dense_of_vector"), specs.WEIGHT_BITS
        ),
    }
)
# The widths between are rounded alike.
_ENDS_OF_WIDTHS = [
    pytest.param(bits, marks=[] if bits in (1, 8) else pytest.mark.slow)
    for bits in specs.WEIGHT_BITS
]


def scheme(bits=8, wide_output=False, **options):
    return max78000.Scheme(policy.Policy(weight_bits=bits, **options), wide_output)


def same(qat, images, wide_output=False):
    """Asserts that model and device agree in all bits; returns the model's outputs."""
    found = qat(images, training=False).numpy()
    expected = networks.on_device(qat, images, wide_output)
    np.testing.assert_array_equal(found, expected)
    return found


@pytest.mark.default_cases(5)
@pytest.mark.parametrize(("kind", "bits"), FORWARD)
def test_forward_pass_is_the_device_bit_for_bit(kind, bits):
    model = networks.build(kind, seed=bits)
    images = networks.images(model)
    qat = max78000.build(model, scheme(bits))
    assert max78000.inexact_layers(qat) == ()
    found = same(qat, images)
    assert len(np.unique(found)) > (2 if bits > 1 else 1)
    np.testing.assert_array_equal(qat(images, training=True), found)


@pytest.mark.default_cases(2)
@pytest.mark.parametrize("bits", _ENDS_OF_WIDTHS)
@pytest.mark.parametrize("kind", WIDE_KINDS)
def test_wide_outputs_are_the_sums_themselves(kind, bits):
    model = networks.build(kind, seed=bits)
    images = networks.images(model)
    qat = max78000.build(model, scheme(bits, wide_output=True))
    found = same(qat, images, wide_output=True)
    g = from_max78000.read(qat)
    (scale,) = g.tensors[g.outputs[0]].quant.scale
    assert np.abs(found / scale).max() >= 128
    np.testing.assert_array_equal(found / scale, np.round(found / scale))


@pytest.mark.slow
def test_a_quantile_and_mixed_widths():
    bits = {"stem": 1, "body": 4, "behind": 2}
    model = networks.build("residual")
    qat = max78000.build(model, scheme(overrides=bits, shift_quantile=0.4))
    same(qat, networks.images(model))
    g = from_max78000.read(qat)
    kernels = {
        layer.name: g.tensors[layer.weights].quant
        for layer in g.layers
        if hasattr(layer, "weights")
    }
    assert {name: quant.num_bits for name, quant in kernels.items()} == bits
    plain = from_max78000.read(max78000.build(model, scheme(overrides=bits)))
    scales = [quant.scale for quant in kernels.values()]
    assert scales != [plain.tensors[f"{name}/kernel"].quant.scale for name in kernels]


def _with_large_sums(kernel=-1.0):
    """Sums of up to 128 * (1152 + 1) * 128, more than 2**24."""
    image = layers.Input((4, 4, 128), name="image")
    conv = layers.Conv2D(3, 3, padding="same", name="conv")(image)
    model = keras.Model(image, conv, name="large")
    values = np.full((3, 3, 128, 3), kernel, np.float32)
    values[..., 1] = np.random.default_rng(2).uniform(-1, 1, (3, 3, 128))
    model.get_layer("conv").set_weights([values, np.float32([-1, 0.3, 0])])
    return model


def test_sums_beyond_float32_are_told_and_run_in_float64():
    model = _with_large_sums()
    qat = max78000.build(model, scheme())
    assert max78000.inexact_layers(qat) == ("conv",)
    exact = max78000.exact(qat)
    images = networks.images(model)
    found = exact(images, training=False).numpy()
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, networks.on_device(qat, images))


def test_smaller_weights_need_no_float64():
    qat = max78000.build(_with_large_sums(-0.875), scheme())
    # 1152 weights of 112, and a bias of 128.
    assert max78000.inexact_layers(qat) == ()
    assert max78000.exact(qat) is qat
    same(qat, networks.images(qat))


@pytest.mark.slow
def test_float64_equals_float32_where_both_are_exact(monkeypatch):
    model = networks.build_classifier()
    images = networks.images(model)
    qat = max78000.prepare_qat(batch_norm_folding.fold(model), images)
    expected = networks.without_softmax(qat)(images)
    monkeypatch.setattr(max78000, "_EXACT_SUM", 1)
    found = networks.without_softmax(max78000.exact(qat))(images)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("bits", _ENDS_OF_WIDTHS)
def test_a_whole_network_is_the_device_bit_for_bit(bits):
    model = networks.build_classifier()
    images = networks.images(model, count=64)
    folded = batch_norm_folding.fold(model)
    qat = max78000.prepare_qat(folded, images, scheme(bits, wide_output=True))
    same(networks.without_softmax(qat), images[:8], wide_output=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(x, marks=pytest.mark.slow) for x in (1, 2))]
)
def test_eight_bits_change_outputs_by_what_the_integers_cost(seed):
    model = networks.build_classifier(seed)
    images = networks.images(model, count=64)
    qat = max78000.prepare_qat(batch_norm_folding.fold(model), images)
    found, expected = (networks.without_softmax(m)(images) for m in (qat, model))
    # Seven bits of activations, rounded six times in a row, and weights that are up to
    # half a bit short of their power of two: 3 to 5 % of the spread of the logits here.
    # A wrong scale anywhere costs all of it.
    error = np.sqrt(np.mean((found - expected) ** 2))
    assert error < 0.1 * np.std(expected)


@pytest.mark.default_cases(10)
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("kind", [*networks.KINDS, "classifier"])
def test_wide_layers_are_those_of_the_lowering(kind, wide):
    model = networks.build_classifier() if kind == "classifier" else None
    model = batch_norm_folding.fold(model) if model else networks.build(kind)
    drafts = fusion.draft_network(
        from_keras.read(model), specs.MAX78000, wide_output=wide
    )
    expected = [layer.name for layer in drafts.layers if layer.output_width == 32]
    assert list(max78000_layers.wide_layers(model) if wide else ()) == expected


@pytest.mark.slow
def test_training_moves_weights_and_stays_the_device():
    model = networks.build_classifier()
    images = networks.images(model, count=32)
    qat = max78000.prepare_qat(batch_norm_folding.fold(model), images, scheme(4, True))
    before = qat.get_weights()
    labels = np.arange(32) % 5
    # Five times this rate makes some seeds of the dropout diverge.
    qat.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    first = qat.evaluate(images, labels, verbose=0)
    qat.fit(images, labels, epochs=8, batch_size=32, verbose=0)
    assert qat.evaluate(images, labels, verbose=0) < first
    moved = [
        not np.array_equal(a, b)
        for a, b, variable in zip(before, qat.get_weights(), qat.weights, strict=True)
        if variable.dtype == tf.float32
    ]
    assert all(moved)
    same(networks.without_softmax(qat), images, wide_output=True)


@pytest.fixture(scope="module")
def trained():
    """A small network trained in plain float on noisy patterns, and test images.

    It comes as (folded model, calibration images, test images, test labels).
    """
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    patterns = rng.uniform(-1, 1, (10, 8, 8, 3))

    def sample(count):
        labels = rng.integers(0, 10, count)
        noisy = 0.35 * patterns[labels] + 0.65 * rng.uniform(-1, 1, (count, 8, 8, 3))
        return (np.round(noisy * 127) / 128).astype(np.float32), labels

    image = x = layers.Input((8, 8, 3))
    for index, filters in enumerate((12, 16)):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU(name=f"relu{index}")(x)
        x = layers.MaxPooling2D()(x)
    model = keras.Model(image, layers.Dense(10)(layers.Flatten()(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(5e-3), loss)
    pixels, labels = sample(1024)
    model.fit(pixels, labels, batch_size=64, epochs=4, verbose=0)
    return batch_norm_folding.fold(model), pixels[:128], *sample(1000)


def _accuracy(model, images, labels):
    return np.mean(np.argmax(model(images, training=True), axis=1) == labels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bits", "loss"),
    # The standard error of 1000 images is 1.1 points. Here 8 bits cost nothing and 4
    # bits 2.6 points; twice that leaves room for other rounding in training.
    [(8, 0.011), pytest.param(4, 0.06, marks=pytest.mark.slow)],
)
def test_first_training_step_has_the_accuracy_of_the_float_network(trained, bits, loss):
    folded, calibration, images, labels = trained
    expected = _accuracy(folded, images, labels)
    assert 0.7 < expected < 0.99
    qat = max78000.prepare_qat(folded, calibration, scheme(bits, True))
    assert _accuracy(qat, images, labels) >= expected - loss
    saturated = max78000.build(folded, scheme(bits, True))
    assert _accuracy(saturated, images, labels) < expected - 0.15


@pytest.mark.slow
def test_a_stored_model_comes_back_identical(tmp_path):
    model = networks.build_classifier()
    images = networks.images(model)
    bits = scheme(overrides={"conv1": 4}, shift_quantile=0.99, wide_output=True)
    qat = max78000.prepare_qat(batch_norm_folding.fold(model), images, bits)
    storage.save(qat, tmp_path)
    loaded = storage.load(tmp_path)
    np.testing.assert_array_equal(loaded(images), qat(images))
    assert topology.to_dict(loaded) == topology.to_dict(qat)
    assert max78000.scheme_of(loaded) == max78000.scheme_of(qat)


@pytest.mark.parametrize(
    "options",
    [
        None,
        {},
        {"weight_bits": {"logits": 3}, "shift_quantile": 1.0, "wide_output": True},
        {"weight_bits": [8], "shift_quantile": 1.0, "wide_output": True},
    ],
)
def test_options_that_make_no_sense_are_noticed(tmp_path, options):
    model = networks.build("dense_of_pixels")
    storage.save(max78000.build(model, scheme()), tmp_path)
    path = tmp_path / "architecture.json"
    description = json.loads(path.read_text()) | {"options": options}
    path.write_text(json.dumps(description))
    with pytest.raises(errors.StorageError, match="options are not those of the max7"):
        storage.load(tmp_path)


def test_scheme_of_a_model():
    model = networks.build("dense_of_vector")
    qat = max78000.build(model, scheme(2, True, overrides={"conv": 8}))
    expected = {"conv": 8, "hidden": 2, "dense": 2}
    assert max78000.scheme_of(qat) == scheme(overrides=expected, wide_output=True)
    assert max78000.scheme_of(model) is None
    images = networks.images(model)
    assert max78000.scheme_of(tflite_int8.prepare_qat(model, images)) is None


def test_the_float_network_inside_keeps_weights_and_names():
    model = networks.build("residual")
    twin = float_twin.extract(max78000.build(model, scheme(1)))
    assert [layer.name for layer in twin.layers] == [
        layer.name for layer in model.layers
    ]
    for found, expected in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def _unfit(build, shape=(4, 4, 4)):
    image = layers.Input(shape, name="image")
    return keras.Model(image, build(image), name="unfit")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x: layers.ReLU(6.0)(x), r"'re_lu\w*' \(ReLU\): a ReLU must be plain"),
        (lambda x: layers.BatchNormalization()(x), "it is not folded; use tfpipeline"),
        (
            lambda x: layers.UpSampling2D()(x),
            r"\(UpSampling2D\): the MAX78000 scheme h",
        ),
        (lambda x: layers.Add()([x, x, x]), "must have two inputs, .*; found 3"),
        (
            lambda x: layers.AveragePooling2D(padding="same")(x),
            "an average must be 'valid'; found 'same'",
        ),
        (
            lambda x: layers.Conv2D(2, 1, activation="tanh")(x),
            "activation 'tanh' must be one of linear, relu; write a magnitude as ",
        ),
        (
            lambda x: layers.Conv2D(2, 1, activation=tf.abs)(x),
            "activation 'abs' must be one of linear, relu; write a magnitude as tf.abs",
        ),
        (
            lambda x: tf.abs(layers.Flatten()(x)),
            "must be the only reader of a convolut",
        ),
        (lambda x: layers.Softmax()(layers.Conv2D(3, 1)(x)), "last layer of 32 bits"),
    ],
)
def test_a_layer_that_does_not_fit_is_named(build, message):
    with pytest.raises(errors.QuantizationError, match=message):
        max78000.build(_unfit(build))


def test_a_shared_layer_is_named():
    conv = layers.Conv2D(4, 1, name="shared")
    with pytest.raises(
        errors.QuantizationError, match=r"'shared' .*: it is called twice"
    ):
        max78000.build(_unfit(lambda x: conv(conv(x))))


def test_a_magnitude_read_beside_is_named():
    def build(x):
        x = layers.Conv2D(4, 1)(x)
        return layers.Add()([x, tf.abs(x)])

    with pytest.raises(
        errors.QuantizationError, match=r"tf\.abs must be the only reader"
    ):
        max78000.build(_unfit(build))


def test_narrow_logits_of_a_softmax_are_refused():
    model = batch_norm_folding.fold(networks.build_classifier())
    with pytest.raises(
        errors.QuantizationError, match=r"'softmax' .* layer of 32 bits"
    ):
        max78000.build(model, scheme(wide_output=False))


def test_an_open_size_is_refused():
    model = _unfit(lambda x: layers.Conv2D(2, 3)(x), (None, None, 3))
    with pytest.raises(
        errors.QuantizationError, match="one input of a fixed size; fou"
    ):
        max78000.build(model)


def test_bits_for_an_unknown_layer():
    model = networks.build("residual")
    with pytest.raises(errors.UsageError, match=r"'stm', .* it has stem, body, behind"):
        max78000.build(model, scheme(overrides={"stm": 4}))


def test_images_out_of_range_are_refused():
    model = networks.build("residual")
    with pytest.raises(errors.QuantizationError, match=r"must lie in \[-1, 0.992188\]"):
        max78000.prepare_qat(model, networks.images(model) + 1)


def test_a_model_of_another_scheme_is_not_read():
    with pytest.raises(
        errors.QuantizationError, match="'residual' is not quantized fo"
    ):
        from_max78000.read(networks.build("residual"))
