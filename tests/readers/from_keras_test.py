"""Float Keras networks: what is read equals what the converter writes, to the bit."""

import pathlib
import re

import numpy as np
import pytest

from export.tflite import float32
from tests import registered_networks
from tests.readers import keras_networks
from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.ir import from_tflite, graph, verify
from tfpipeline.models import registry
from tfpipeline.readers import from_keras, keras_functions, keras_layers
from tfpipeline.simulate import float_execution

ROOT = pathlib.Path(__file__).parents[2]
L = keras.layers
SOME = ("cmsisnet", "resnet8")


# Only dropout and Flatten part a normalization from a Dense: the converter takes it
# into the Dense, in QAT and here it goes into the layer in front. The same function.
FOLDED_FORWARD = ("mobilefacenet_mcu",)


def assert_equals_conversion(model):
    expected = from_tflite.read(float32.convert(model))
    found = from_keras.read(model, stored_biases=True)
    assert verify.violations(found) == ()
    assert _skeleton(found) == _skeleton(expected)
    has_norm = any(isinstance(each, L.BatchNormalization) for each in model.layers)
    if not (has_norm and model.name in FOLDED_FORWARD):
        assert graph.equal(found, expected, names=False)
        return
    shape = expected.tensors[expected.inputs[0]].shape[1:]
    images = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    outputs = [float_execution.predict(g, images) for g in (found, expected)]
    # Float32 in another order.
    np.testing.assert_allclose(*outputs, rtol=1e-4, atol=1e-4)
    assert np.abs(outputs[0]).max() > 0.1


def _skeleton(g):
    """Kinds and shapes, which read better in a failure than whole graphs."""
    return [
        (layer.kind, *(g.tensors[n].shape for n in (*layer.inputs, layer.output)))
        for layer in g.layers
    ]


def registered(name, **options):
    keras.utils.set_random_seed(3)
    model = registry.build(name, width=0.25, **options)
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            shape = layer.gamma.shape
            gamma, variance = rng.uniform(0.5, 1.5, (2, *shape)).astype(np.float32)
            beta, mean = rng.normal(size=(2, *shape)).astype(np.float32)
            layer.set_weights([gamma, beta, mean, variance])
    return model


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", SOME)
def test_registered_network_equals_its_conversion(name):
    assert_equals_conversion(registered(name, batch_norm=True))


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", registered_networks.PORTABLE)
def test_every_registered_network_equals_its_conversion(name, batch_norm):
    assert_equals_conversion(registered(name, batch_norm=batch_norm, dropout=0.2))


@pytest.mark.default_cases(4)
@pytest.mark.parametrize("name", keras_networks.CONVERTED)
def test_layers_equal_their_conversion(name):
    network = keras_networks.CONVERTED[name]
    assert_equals_conversion(keras_networks.randomized(network()))


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("seed", range(4))
def test_random_network_equals_its_conversion(seed):
    assert_equals_conversion(keras_networks.random_network(seed))


@pytest.mark.slow
def test_many_random_networks_equal_their_conversion():
    for seed in range(4, 60):
        assert_equals_conversion(keras_networks.random_network(seed))


def one_dimensional():
    return keras_networks.randomized(
        keras_networks.sequence(
            L.Conv1D(4, 3, padding="same", strides=2, activation="relu"),
            L.ZeroPadding1D(1),
            L.Conv1D(5, 2, padding="causal", dilation_rate=2, use_bias=False),
            L.BatchNormalization(),
            L.MaxPooling1D(),
            L.AveragePooling1D(2, 1, "same"),
            L.SpatialDropout1D(0.5),
            L.GlobalAveragePooling1D(),
            shape=(12, 3),
        )
    )


def test_one_dimensional_layers_have_the_values_of_planar_ones():
    found = from_keras.read(one_dimensional())
    converted = from_tflite.read(float32.convert(one_dimensional()))

    kinds = [layer.kind for layer in found.layers]
    assert kinds == ["Conv1D", "Pad", "Conv1D", "MaxPool", "AveragePool", "Mean"]
    planar = [x for x in converted.layers if isinstance(x, graph.Conv2D)]
    linear = [x for x in found.layers if isinstance(x, graph.Conv1D)]
    for one, two in zip(linear, planar, strict=True):
        kernel = converted.constants[two.weights]
        np.testing.assert_array_equal(
            found.constants[one.weights], kernel.squeeze(axis=1)
        )
        np.testing.assert_array_equal(
            found.constants[one.bias], converted.constants[two.bias]
        )
    assert (linear[0].strides, linear[0].padding) == ((2,), ((0, 1),))
    assert (linear[1].dilation, linear[1].padding) == ((2,), ((2, 0),))
    assert linear[0].clamp == graph.RELU


def positions():
    image = keras.Input((6, 4))
    x = L.Dense(3)(image)
    highest = tf.argmax(x, axis=-1, output_type=tf.int32)
    return keras.Model(image, [highest, tf.argmin(x, 1)])


def test_positions_are_those_of_the_file():
    # There they are integers; a float graph is of real numbers throughout.
    model = keras_networks.randomized(positions())
    found = from_keras.read(model, stored_biases=True)
    converted = from_tflite.read(float32.convert(model))
    for kind in (graph.ArgMax, graph.ArgMin):
        one, two = (
            next(layer for layer in g.layers if isinstance(layer, kind))
            for g in (found, converted)
        )
        assert one.axis == two.axis
        shapes = (found.tensors[one.output].shape, converted.tensors[two.output].shape)
        assert shapes[0] == shapes[1]


@pytest.mark.slow
def test_an_lstm_that_takes_or_gives_states_is_refused():
    rows = keras.Input((4, 3))
    _, hidden, cell = L.LSTM(2, return_state=True, name="first")(rows)
    second = L.LSTM(2, name="second")(rows, initial_state=[hidden, cell])
    message = error_of(keras.Model(rows, second))
    assert "'first' (LSTM): return_state=True must be False" in message
    assert "'second' (LSTM): it must begin with a state of zeros" in message
    kept = keras.Sequential([keras.Input(batch_shape=(1, 4, 3))])
    kept.add(L.LSTM(2, stateful=True))
    assert "goes on from its state by itself, until it is reset" in error_of(kept)


def test_results_that_nobody_reads_and_equal_splits():
    rows = keras.Input((4, 6))
    first, _, last = tf.split(rows, 3, axis=-1)
    again, _, _ = tf.split(rows, 3, axis=-1)
    g = from_keras.read(keras.Model(rows, [last, L.Add()([first, again])]))
    assert [layer.kind for layer in g.layers] == ["Split", "Add"]
    assert len(graph.written_names(g.layers[0])) == 3
    assert g.layers[1].inputs == (g.layers[0].output,) * 2
    assert g.outputs[0] == g.layers[0].further[1]


def test_what_cannot_be_cut_or_stacked_is_refused():
    rows = keras.Input((4, 6))
    (message,) = {error_of(keras.Model(rows, tf.stack([rows, rows])))}
    assert "axis 0 is that of the batch" in message


@pytest.mark.slow
def test_every_kind_is_read_from_some_network():
    models = [network() for network in keras_networks.CONVERTED.values()]
    models += [one_dimensional(), positions()]
    graphs = [from_keras.read(model) for model in models]
    kinds = {type(layer) for g in graphs for layer in g.layers}
    # Requantize stands between integers only: see integers_test. Keras has no SVDF.
    others = {graph.Requantize, graph.Svdf}
    assert kinds == set(graph.LAYER_KINDS) - others


@pytest.mark.slow
def test_shapes_are_those_of_keras():
    for network in (*keras_networks.CONVERTED.values(), one_dimensional):
        model = network()
        g = from_keras.read(model)
        (output,) = g.outputs
        assert g.tensors[output].shape == (1, *model.output_shape[1:])


def test_layers_have_the_names_of_keras():
    g = from_keras.read(registered("resnet8"), name="mine")
    names = [layer.name for layer in g.layers]
    assert (g.name, names[:3], names[-2:]) == (
        "mine",
        ["conv1", "block1_conv1", "block1_conv2"],
        ["pool", "logits"],
    )
    assert "block2_shortcut" in names
    nested = from_keras.read(keras_networks.CONVERTED["nested"]())
    assert [layer.name.split("/")[0] for layer in nested.layers] == [
        "inner",
        nested.layers[1].name,
        "inner#1",
    ]


def test_biases_are_the_networks_own_unless_asked_for():
    g = from_keras.read(registry.build("facenet_v2", width=0.25))
    with_bias = [
        layer.name
        for layer in g.layers
        if isinstance(layer, graph.Weighted) and layer.bias is not None
    ]
    assert with_bias == ["logits"]


def test_relu_of_one_is_a_clamp():
    g = from_keras.read(keras_networks.sequence(L.Conv2D(1, 1), L.ReLU(1.0)))
    assert g.layers[0].clamp == graph.Clamp(0.0, 1.0)


def test_two_inputs_and_two_outputs():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    total = L.Add(name="total")([L.Dense(4)(a), b])
    g = from_keras.read(keras.Model([a, b], [total, L.ReLU(name="positive")(total)]))
    assert (g.inputs, g.outputs) == (("a", "b"), ("total", "positive"))


def error_of(model):
    with pytest.raises(errors.GraphError) as caught:
        from_keras.read(model)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_all_faults_are_named_at_once():
    model = keras_networks.sequence(
        L.LayerNormalization(name="up"),
        L.Lambda(lambda x: x, name="own"),
        L.Conv2D(2, 1, activation="selu", name="conv"),
        L.ReLU(threshold=0.1, name="leaky"),
    )
    message = error_of(model)
    for part in (
        "layer 'up' (LayerNormalization): not supported; use BatchNormalization; d",
        "layer 'own' (Lambda): not supported; write the function as Keras layers",
        "layer 'conv' (Conv2D): the activation 'selu' is not supported",
        "; and 1 more",
    ):
        assert part in message


def test_the_page_lists_layers_and_functions():
    page = (ROOT / "docs" / "ir.md").read_text(encoding="utf-8")
    layers = {layer.__name__ for layer in keras_layers.READERS}
    for what, known in (
        ("Layers of Keras", layers),
        ("Functions of TensorFlow", set(keras_functions.READERS)),
    ):
        listed = re.search(rf"{what}: (.+?)\.\n\n", page, re.DOTALL)[1]
        assert set(re.split(r",\s", listed)) == known


@pytest.mark.parametrize(
    ("layers", "part"),
    [
        ([L.BatchNormalization(axis=1)], "axis [1] must be the channels"),
        ([L.Softmax(axis=[1, 2])], "one axis is supported"),
        ([L.UpSampling2D(2, interpolation="area")], "interpolation 'area'"),
        ([L.Conv2D(1, 1, activation=lambda x: x)], "the activation '<lambda>'"),
        ([L.MaxPooling2D(data_format="channels_first")], "'channels_last'"),
        ([L.Reshape((4, -1)), L.LSTM(2, "relu")], "activation must be tanh"),
        (
            [L.Reshape((4, -1)), L.LSTM(2, recurrent_activation="hard_sigmoid")],
            "recurrent_activation must be sigmoid, the one that TensorFlow Lite Micro "
            "has; found hard_sigmoid",
        ),
        (
            [L.Reshape((4, -1)), L.LSTM(2, go_backwards=True)],
            "go_backwards=True must be False: give it x[:, ::-1] instead",
        ),
        ([L.Reshape((4, -1)), L.LSTM(2, use_bias=False)], "use_bias=False must be"),
        ([L.Reshape((4, -1)), L.LSTM(2, unroll=True)], "unroll=True must be False"),
    ],
)
def test_faults_name_their_layer(layers, part):
    message = error_of(keras_networks.sequence(*layers))
    assert part in message
    assert f"'{layers[-1].name}'" in message


def test_cropping_is_padding_of_the_transposed_convolution():
    g = from_keras.read(
        keras_networks.sequence(
            L.Conv2DTranspose(4, 3, strides=2, activation="relu", name="up"),
            L.Cropping2D(((1, 0), (2, 1))),
        )
    )
    (layer,) = g.layers
    assert (layer.name, layer.clamp) == ("up", graph.RELU)
    assert layer.padding == ((1, 0), (2, 1))
    height, width, _ = keras_networks.IMAGE
    assert g.tensors[layer.output].shape == (1, 2 * height, 2 * width - 2, 4)


def test_function_that_is_not_supported():
    image = keras.Input(keras_networks.IMAGE)
    assert "tf.math.exp is not supported" in error_of(
        keras.Model(image, tf.math.exp(image))
    )


def test_training_mode_is_refused():
    image = keras.Input((4,))
    model = keras.Model(image, L.Dropout(0.5)(image, training=True))
    assert "training=True" in error_of(model)


def test_open_shape_names_the_input():
    message = error_of(keras_networks.sequence(L.Conv2D(1, 1), shape=(None, None, 3)))
    assert "(None, None, None, 3) is not static" in message


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


def test_integers_as_input_are_refused():
    image = keras.Input(keras_networks.IMAGE, dtype="uint8", name="bytes")
    model = keras.Model(image, L.Rescaling(1 / 255)(image))
    assert "layer 'bytes' (InputLayer): the input is uint8" in error_of(model)


def test_what_no_output_needs_is_left_out():
    image = keras.Input(keras_networks.IMAGE)
    inner = keras.Model(image, [L.ReLU()(image), L.Conv2D(2, 1)(image)])
    g = from_keras.read(keras.Model(image, inner(image)[1]))
    assert [layer.kind for layer in g.layers] == ["Conv2D"]


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (Subclassed(name="mine"), "model 'mine' (Subclassed) is subclassed"),
        (keras.Sequential([L.Dense(2)], name="open"), "'open' has no input shape"),
        (object(), "builtins.object is not a tf_keras (Keras 2) model"),
    ],
)
def test_models_without_a_list_of_layers(model, part):
    assert part in error_of(model)
