"""What docs/layers.md says of each layer is what happens to a network with it.

Networks with many layers at once run by default; each layer alone, in every number
format, is slow.
"""

import types

import numpy as np
import pytest

from export.gap8 import files as gap8_files
from export.gap8 import network as gap8_network
from export.max78000 import files as max78000_files
from export.max78000 import network as max78000_network
from export.tflite import trained, trained_outputs
from tests import layer_networks, layers_page
from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.configs import quantization
from tfpipeline.deploy import catalog, choices
from tfpipeline.deploy import tflite as deploy_tflite
from tfpipeline.ir import from_tflite
from tfpipeline.keras_networks import float_twin
from tfpipeline.quantization.gap8 import scheme as gap8
from tfpipeline.quantization.max78000 import scheme as max78000
from tfpipeline.readers import from_gap8, from_keras, from_max78000
from tfpipeline.simulate import execution
from tfpipeline.targets.gap8 import simulate as gap8_simulate
from tfpipeline.targets.max78000 import assemble, lowering
from tfpipeline.targets.max78000 import simulate as max78000_simulate
from tfpipeline.targets.tflm import flatbuffer, interpreter, reference

L = keras.layers
CHIPS = ("max78000", "gap8")
IMAGES = 32


def _images(shape):
    pixels = np.random.default_rng(0).integers(-128, 128, (IMAGES, *shape))
    return (pixels / 128).astype(np.float32)


def train(model, number_format, images):
    """The network prepared for a format, and trained for one step."""
    scheme = catalog.of(number_format).training(choices.Choices())
    prepared = scheme.prepare(scheme.fold(model), images)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(prepared(images, training=True) - 0.5))
    gradients = tape.gradient(loss, prepared.trainable_variables)
    assert all(gradient is not None for gradient in gradients)
    for variable, gradient in zip(prepared.trainable_variables, gradients, strict=True):
        variable.assign_sub(0.01 * gradient)
    if scheme.after_epoch is not None:
        scheme.after_epoch(prepared)
    return prepared


def require_same(model, number_format, images):
    """The integers of a trained network compute what it does, and where they run."""
    if number_format == "max78000":
        _require_same_on_max78000(model, images)
    elif number_format == "gap8":
        _require_same_on_gap8(model, images)
    else:
        data = trained.convert(model, name="net")
        micro = _of_every_interpreter(data, images)
        expected = model(images, training=False).numpy()
        trained_outputs.compare(flatbuffer.read(data), micro, expected)


def _of_every_interpreter(data, images):
    """TensorFlow Lite Micro's outputs, which the simulation has as well."""
    inputs = reference.quantize_input(data, images)
    micro = interpreter.predict(data, inputs)
    g = from_tflite.read(data, name="net")
    simulated = execution.predict(g, inputs[:4])
    np.testing.assert_array_equal(
        np.reshape(simulated, (4, -1)), micro[:4].reshape(4, -1)
    )
    return micro


def _require_same_on_max78000(model, images):
    g = from_max78000.read(model, name="net")
    max78000_files.contents(max78000_network.prepare(g), "net")
    bound = assemble.assemble(lowering.lower(g), g)
    integers = (images * 128).astype(np.int8).reshape(len(images), *bound.input_shape)
    computed = max78000_simulate.predict(bound, integers)
    expected = max78000.exact(_without_function(model))(images, training=False)
    step = g.tensors[g.outputs[0]].quant.scale[0]
    np.testing.assert_array_equal(
        computed.reshape(len(images), -1),
        np.reshape(expected.numpy(), (len(images), -1)) / step,
    )


def _require_same_on_gap8(model, images):
    p = from_gap8.read(model, name="net")
    g = from_keras.read(float_twin.extract(model), name="net")
    gap8_files.contents(gap8_network.from_program(p, g=g, images=images[:1]))
    computed = gap8_simulate.predict(p, gap8_simulate.quantize_images(p, images))
    network = gap8.exact(_without_function(model))
    expected = network(images.astype(np.float64), training=False).numpy()
    step = 2.0 ** -p.tensors[p.outputs[0]].q
    np.testing.assert_array_equal(
        computed.reshape(len(images), -1), expected.reshape(len(images), -1) / step
    )


def _without_function(model):
    """What the chip computes: a function at the end is left to the host."""
    last = getattr(model.layers[-1], "layer", model.layers[-1])
    if not isinstance(last, (L.Activation, L.Softmax)):
        return model
    return keras.Model(model.inputs, model.layers[-1].input, name=model.name)


def _everything(x):
    """Layers that TensorFlow Lite Micro has in int8 and in int16."""
    x = L.Rescaling(0.5, 0.1, name="rescaling")(x)
    x = L.Conv2D(4, 3, activation=tf.nn.relu6, name="conv")(x)
    x = L.BatchNormalization(name="alone")(x)
    x = L.SeparableConv2D(4, 3, padding="same", activation="swish", name="sep")(x)
    x = L.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2, name="dw")(x)
    x = L.PReLU(shared_axes=[1, 2], name="prelu")(x)
    three = [L.Conv2D(4, 1, name=f"branch{i}")(x) for i in range(3)]
    x = L.Average(name="average")(three)
    x = L.Multiply(name="multiply")([x, L.Activation("sigmoid", name="gate")(x)])
    x = L.Conv2DTranspose(4, 3, strides=2, padding="same", name="transposed")(x)
    x = L.BatchNormalization(name="behind")(x)
    x = L.LeakyReLU(0.1, name="leaky")(x)
    x = L.Maximum(name="maximum")([x, L.ReLU(2.0, name="bounded")(x)])
    x = L.MaxPooling2D(name="pool")(L.UpSampling2D(name="up")(x))
    x = L.Permute((2, 1, 3), name="permute")(L.Cropping2D(1, name="crop")(x))
    x = L.GlobalAveragePooling2D(name="mean")(x)
    return L.Dense(4, activation="softmax", name="last")(x)


def _line(x):
    x = L.Conv1D(4, 3, padding="causal", activation="relu", name="conv")(x)
    x = L.SeparableConv1D(4, 3, padding="causal", name="sep")(x)
    x = L.BatchNormalization(name="norm")(x)
    x = L.DepthwiseConv1D(3, activation="tanh", name="dw")(L.ReLU(name="relu")(x))
    x = L.MaxPooling1D(name="pool")(L.ZeroPadding1D(1, name="pad")(x))
    x = L.BatchNormalization(name="alone")(L.UpSampling1D(2, name="up")(x))
    x = L.GlobalAveragePooling1D(name="mean")(x)
    return L.Dense(4, name="last")(x)


def _on_chips(x):
    """Layers that both chips have, or get in the place of others."""
    x = L.Conv2D(4, 3, activation="relu", name="conv")(x)
    x = L.BatchNormalization(name="alone")(x)
    x = L.PReLU(shared_axes=[1, 2], name="prelu")(x)
    three = [L.Conv2D(4, 1, name=f"branch{i}")(x) for i in range(3)]
    x = L.LeakyReLU(0.1, name="leaky")(L.Average(name="average")(three))
    x = L.Subtract(name="subtract")([x, L.Conv2D(4, 1, name="other")(x)])
    x = L.MaxPooling2D(name="pool")(x)
    return L.Dense(4, activation="softmax", name="last")(L.Flatten(name="flat")(x))


def _doubled(x):
    x = L.UpSampling2D(name="up")(L.Conv2D(4, 3, activation="relu", name="conv")(x))
    return L.Dense(4, name="last")(L.Flatten(name="flat")(x))


NETWORKS = [
    (_everything, (12, 12, 3), "int8"),
    (_everything, (12, 12, 3), "int16x8"),
    (_line, (16, 3), "int8"),
    pytest.param(_line, (16, 3), "int4", marks=pytest.mark.slow),
    (_on_chips, (8, 8, 3), "max78000"),
    (_on_chips, (8, 8, 3), "gap8"),
    (_doubled, (4, 4, 3), "max78000"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("function", "shape", "number_format"), NETWORKS)
def test_networks_of_many_layers_compute_what_was_trained(
    function, shape, number_format
):
    keras.utils.set_random_seed(1)
    image = keras.Input(shape, name="image")
    model = layer_networks.with_statistics(keras.Model(image, function(image)))
    images = _images(shape)
    layers_page.require_trainable(number_format, model)
    require_same(train(model, number_format, images), number_format, images)


@pytest.mark.slow
def test_page():
    assert layers_page.FILE.read_text(encoding="utf-8") == layers_page.text()


ROWS = [
    pytest.param(name, number_format, id=f"{name}-{number_format}")
    for name in layer_networks.CASES
    for number_format in layers_page.FORMATS
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number_format"), ROWS)
def test_cell(name, number_format):
    keras.utils.set_random_seed(1)
    cell = layers_page.row(name).formats[number_format]
    model = layer_networks.build(name)
    images = _images(model.input_shape[1:])
    if layers_page.QAT in cell.word:
        require_same(train(model, number_format, images), number_format, images)
        return
    assert "\n" not in cell.message
    assert 0 < len(cell.message) < 400
    with pytest.raises(errors.PipelineError) as caught:
        layers_page.require_readable(model)
        layers_page.require_trainable(number_format, model)
    assert str(caught.value) == cell.message


@pytest.mark.slow
@pytest.mark.parametrize("number_format", ["int8", "int16x8"])
@pytest.mark.parametrize("name", layer_networks.CASES)
def test_after_training(name, number_format):
    if layers_page.PTQ not in layers_page.row(name).formats[number_format].word:
        pytest.skip("refused, or only trained")
    _of_every_interpreter(*_after_training(name, number_format))


@pytest.mark.slow
@pytest.mark.parametrize("name", layers_page.UNREADABLE_AFTER_TRAINING)
def test_what_is_joined_of_too_many_rows_is_refused(name):
    with pytest.raises(errors.VerificationError, match="num_inputs <= kMaxInputNum"):
        _of_every_interpreter(*_after_training(name, "int8"))


def _after_training(name, number_format):
    """The file that a run's PTQ writes, and its calibration images."""
    model = layer_networks.build(name)
    images = _images(model.input_shape[1:])
    job = types.SimpleNamespace(
        trained=types.SimpleNamespace(model=model),
        calibration=images,
        choices=choices.Choices(),
        quantization=quantization.Quantization(method="ptq"),
        network="net",
    )
    return deploy_tflite.after_training_of(number_format)(job), images
