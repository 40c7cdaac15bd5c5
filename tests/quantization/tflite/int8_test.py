"""The int8 scheme: what is quantized, calibrated, trained and deployed."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests import layer_networks
from tfpipeline import errors
from tfpipeline.compat import keras, tf, tfmot
from tfpipeline.keras_networks import batch_norm_folding, layer_traits
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.quantization.tflite import ranges

layers = keras.layers

NETWORKS = ("plain", "residual", "branches", "pooled")


def _logits(model, images):
    """Returns what enters the final Softmax, if there is one, else the output."""
    last = model.layers[-1]
    if isinstance(getattr(last, "layer", last), layers.Softmax):
        model = keras.Model(model.inputs, last.input)
    return model(images, training=False).numpy()


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", NETWORKS)
def test_everything_is_quantized_with_a_measured_range(name, prepared):
    qat = prepared(name).qat
    assert tflite_int8.unquantized_layers(qat) == ()
    assert ranges.initial(qat) == ()


@pytest.mark.slow
def test_every_supported_layer_is_in_a_network_that_is_tested(prepared):
    models = [prepared(name).folded for name in NETWORKS]
    # Those of docs/layers.md are trained too, by integration/layers_test.py.
    models += [layer_networks.build(name) for name in layer_networks.CASES]
    used = {type(layer) for model in models for layer in model.layers}
    # Nothing is left in deployment of those that only act in training.
    expected = set(tflite_int8.SUPPORTED_LAYERS) - set(layer_traits.IN_TRAINING_ONLY)
    assert expected <= used


@pytest.mark.slow
def test_the_plain_tfmot_scheme_leaves_weights_in_float(prepared):
    quantize = tf.autograph.experimental.do_not_convert(
        tfmot.quantization.keras.quantize_model
    )
    naive = quantize(prepared("residual").folded)
    assert tflite_int8.unquantized_layers(naive) == ("stem", "block1", "depthwise")
    assert len(ranges.initial(naive)) == len(ranges.find(naive))


def test_layers_that_keep_a_range_have_no_quantizer(prepared):
    owners = {
        entry.layer for name in NETWORKS for entry in ranges.find(prepared(name).qat)
    }
    keeping = {"pool", "flatten", "drop", "drop_maps", "pad", "reshape", "maximum"}
    assert not owners & keeping
    assert "average" in owners


def test_branches_are_rounded_once_behind_their_concatenation(prepared):
    # The converter gives every branch the scale of the Concatenate, whatever finer
    # range training may have seen.
    found = {(e.layer, e.role) for e in ranges.find(prepared("branches").qat)}
    assert ("concat", "output") in found
    assert ("right", "kernel") in found
    assert not {("right", "post_activation"), ("left_relu", "output")} & found


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_deployed_network_computes_the_fake_quantized_one(
    name, prepared, deployed, images
):
    # Every network has dead channels, see conftest: without the least range that
    # ChannelQuantizer keeps, their bias overflows and outputs are 30 steps off.
    qat = prepared(name).qat
    result = deployed(name)
    assert result.input_quantization == (1 / 128, 0)
    scale, zero_point = result.output_quantization
    expected = np.round(qat(images, training=False) / scale + zero_point)
    expected = np.clip(expected, -128, 127)
    # An operator rounds within 1 step of what fake quantization does, and up to 2
    # reach the output (measured on seven networks of up to ten operators).
    tolerance = 2.0
    if name == "plain":
        # The slope of Softmax is at most 1/4, so a step of the logits is up to
        # logit_scale * 256 / 4 output steps; and Softmax itself rounds.
        tolerance = tolerance * max(1.0, _logit_scale(qat) * 64) + 1
    assert np.abs(result.outputs - expected).max() <= tolerance


def _logit_scale(qat):
    (entry,) = (
        entry
        for entry in ranges.find(qat)
        if (entry.layer, entry.role) == ("logits", "post_activation")
    )
    return float(entry.maximum - entry.minimum) / 255


@pytest.mark.default_cases(2)
@pytest.mark.parametrize(
    ("name", "requantizations"),
    # An average pool has the range of what it reads, as TensorFlow Lite needs it.
    [("plain", 0), ("residual", 0), ("branches", 0), ("pooled", 0)],
)
def test_the_deployed_network_is_all_integer(name, requantizations, deployed):
    result = deployed(name)
    assert {tensor["dtype"] for tensor in result.tensors} <= {np.int8, np.int32}
    assert "DEQUANTIZE" not in result.operators
    assert result.operators["QUANTIZE"] == requantizations


def test_depthwise_weights_have_a_scale_a_channel(prepared, deployed):
    kernel = prepared("residual").folded.get_layer("depthwise").get_weights()[0]
    limits = np.abs(kernel).max(axis=(0, 1)).ravel()
    expected = np.maximum(limits, limits.max() / 1024) / 127
    (scales,) = (
        tensor["quantization_parameters"]["scales"]
        for tensor in deployed("residual").tensors
        if list(tensor["shape"]) == [1, 3, 3, 6] and tensor["dtype"] == np.int8
    )
    np.testing.assert_allclose(scales, expected, rtol=1e-6)


@pytest.fixture(scope="module")
def trained():
    """Returns a small float network trained on ten noisy patterns, and test images."""
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    patterns = rng.uniform(-1, 1, (10, 8, 8, 3))

    def sample(count):
        labels = rng.integers(0, 10, count)
        noisy = 0.4 * patterns[labels] + 0.6 * rng.uniform(-1, 1, (count, 8, 8, 3))
        return (np.round(noisy * 127) / 128).astype(np.float32), labels

    image = layers.Input((8, 8, 3))
    x = image
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
    return model, pixels[:128], *sample(512)


@pytest.mark.slow
def test_a_trained_network_keeps_its_decisions_before_any_training_step(trained):
    model, calibration, pixels, labels = trained
    decisions = model(pixels).numpy().argmax(axis=1)
    accuracy = (decisions == labels).mean()
    assert accuracy > 0.6

    folded = batch_norm_folding.fold(model)
    qat = tflite_int8.prepare_qat(folded, calibration)
    after = qat(pixels, training=False).numpy().argmax(axis=1)
    start = tflite_int8.build(folded)(pixels, training=False).numpy().argmax(axis=1)
    agreement, start_agreement = (
        (decisions == other).mean() for other in (after, start)
    )
    # 8 bits move the logits by about 1 % of their range; 2 % of 512 images lie that
    # near to a decision boundary. At tfmot's start ranges far more decisions change.
    assert agreement >= 0.98
    assert start_agreement < agreement
    assert abs((after == labels).mean() - accuracy) <= 0.02


_STEPS = """
import hashlib, sys
import numpy as np
from tfpipeline.compat import keras, tf
from tfpipeline.quantization.tflite import int8 as tflite_int8, ranges

tf.config.experimental.enable_op_determinism()
layers = keras.layers
rng = np.random.default_rng(2)
pixels = (rng.integers(0, 256, (32, 8, 8, 3)) / 128 - 1).astype(np.float32)
labels = rng.integers(0, 3, 32)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

keras.utils.set_random_seed(5)
image = layers.Input((8, 8, 3))
x = layers.Conv2D(4, 3, padding="same", name="conv")(image)
x = layers.DepthwiseConv2D(3, name="depthwise")(layers.ReLU(name="relu")(x))
x = layers.GlobalAveragePooling2D()(layers.ReLU(max_value=6.0)(x))
folded = keras.Model(image, layers.Dense(3, name="logits")(x))
model = tflite_int8.prepare_qat(folded, pixels)
optimizer = keras.optimizers.Adam(1e-2)
optimizer.build(model.trainable_variables)
variables = [*model.variables, *optimizer.variables]
start = [variable.numpy() for variable in variables]

@tf.function(autograph=False)
def step(x, y):
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True))
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return value

def run():
    for variable, value in zip(variables, start):
        variable.assign(value)
    # Values beyond the input range, as noise augmentation yields them.
    losses = [float(step(pixels * (1.0 + 0.2 * i), labels)) for i in range(4)]
    assert all(np.isfinite(losses)) and losses[-1] < losses[0], losses
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in variables)).hexdigest()

before = {(e.layer, e.role): e.maximum.numpy() for e in ranges.find(model)}
digests = run() + " " + run()
after = {(e.layer, e.role): e.maximum.numpy() for e in ranges.find(model)}
still = [key for key in before if np.array_equal(before[key], after[key])]
assert not still, still
clipped = np.clip(pixels * 1.5, -1, 127 / 128)
assert np.array_equal(model(pixels * 1.5), model(clipped))
sys.stdout.write(digests)
"""


@pytest.mark.slow
def test_training_steps_move_ranges_and_repeat_bit_for_bit():
    # Determinism cannot be switched off again, so it must not enter this process.
    process = subprocess.run(
        [sys.executable, "-c", _STEPS],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.returncode == 0, process.stderr
    first, second = process.stdout.split()
    assert first == second


def test_ptq_by_the_converter_has_the_exact_input_scale(prepared, images, lite):
    network = prepared("residual")
    dark = np.clip(images * 0.5, -1, 0.4).astype(np.float32)
    before = dark.copy()
    result = lite(network.folded, dark, tflite_int8.representative_dataset(dark))
    assert result.input_quantization == (1 / 128, 0)
    assert {tensor["dtype"] for tensor in result.tensors} <= {np.int8, np.int32}
    np.testing.assert_array_equal(dark, before)
    scale, zero_point = result.output_quantization
    expected = _logits(network.folded, np.round(dark * 128) / 128)
    # Post-training quantization: an error of a few of the 256 output steps.
    assert np.abs((result.outputs - zero_point) * scale - expected).max() <= 8 * scale


def test_representative_dataset_yields_single_images(images):
    batches = list(tflite_int8.representative_dataset(images[:3])())
    assert [batch[0].shape for batch in batches] == [(1, 8, 8, 3)] * 3
    assert batches[0][0].min() == -1 and batches[0][0].max() == 127 / 128
    np.testing.assert_array_equal(batches[2][0][0], images[2])


def _refused(build_layers):
    image = layers.Input((8, 8, 3), name="image")
    with pytest.raises(errors.QuantizationError) as caught:
        tflite_int8.build(keras.Model(image, build_layers(image)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("build_layers", "named"),
    [
        (lambda x: layers.Lambda(lambda v: 2 * v, name="twice")(x), "'twice': Lambda"),
        (lambda x: layers.ReLU(name="r")(x + 1.0), "TFOpLambda cannot be quantized"),
        (lambda x: layers.ELU(name="elu")(x), "'elu': ELU"),
        (lambda x: layers.SeparableConv2D(4, 3, name="sep")(x), "'sep': SeparableConv"),
        (lambda x: layers.BatchNormalization(name="bn")(x), "'bn' is not folded"),
        (
            lambda x: layers.ReLU(threshold=1.0, name="clip")(x),
            "'clip': a ReLU must have no threshold",
        ),
        (
            lambda x: layers.Conv2D(4, 3, activation="tanh", name="fused")(x),
            "'fused': activation 'tanh'",
        ),
        (
            lambda x: layers.Activation("hard_sigmoid", name="hard")(x),
            "'hard': activation 'hard_sigmoid'",
        ),
        (
            lambda x: keras.Sequential([layers.Conv2D(4, 3)], name="inner")(x),
            "'inner' of model",
        ),
    ],
)
def test_a_layer_that_cannot_be_quantized_is_named(build_layers, named):
    assert named in _refused(build_layers)


def test_other_kinds_of_models_are_refused():
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    keras3 = pytest.importorskip("keras")
    unbuilt = keras.Sequential([layers.Conv2D(4, 3)])
    foreign = keras3.Sequential([keras3.Input((8, 8, 3)), keras3.layers.Flatten()])
    for model, reason in (
        (Subclassed(), "subclassed"),
        (foreign, "not a tf_keras (Keras 2) model"),
        (unbuilt, "no input shape yet"),
    ):
        with pytest.raises(errors.QuantizationError) as caught:
            tflite_int8.build(model)
        assert reason in str(caught.value)


def test_a_sequential_model_is_accepted(images):
    model = keras.Sequential(
        [layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.ReLU(), layers.Flatten()]
    )
    qat = tflite_int8.prepare_qat(batch_norm_folding.fold(model), images)
    assert tflite_int8.unquantized_layers(qat) == ()


def _wrong(images):
    nan = images.copy()
    nan[0, 0, 0, 0] = np.nan
    return {
        "float64": images.astype(np.float64),
        "uint8": ((images + 1) * 128).astype(np.uint8),
        "no image": images[:0],
        "shape": images[:, :4],
        "pixels": (images + 1) * 128,
        "127.5": (images + 1) * (128 / 127.5) - 1,
        "nan": nan,
    }


@pytest.mark.parametrize(
    "wrong", ["float64", "uint8", "no image", "shape", "pixels", "127.5", "nan"]
)
def test_wrong_calibration_images_are_refused(wrong, prepared, images):
    with pytest.raises(errors.QuantizationError, match="Received: "):
        tflite_int8.prepare_qat(prepared("plain").folded, _wrong(images)[wrong])


def test_two_inputs_are_refused(images):
    pair = [layers.Input((8, 8, 3)), layers.Input((8, 8, 3))]
    model = keras.Model(pair, layers.Add()(pair))
    with pytest.raises(errors.QuantizationError, match="2 inputs"):
        tflite_int8.prepare_qat(model, images)


@pytest.mark.parametrize("name", ["plain", "pooled"])
def test_the_input_is_clipped_to_the_fixed_range(name, prepared, images):
    qat = prepared(name).qat
    clipped = np.clip(2 * images, -1, 127 / 128)
    np.testing.assert_array_equal(qat(2 * images), qat(clipped))
