"""A network of one's own trains as it is: its weights, its end, nothing nested."""

import numpy as np
import pytest

from tests.readers import keras_networks
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.models import forms
from tfpipeline.own_networks import prepared

L = keras.layers
_SHAPE, _CLASSES = (6, 6, 3), 4

# Keras says that `.h5` is an old format.
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model:UserWarning")


def _network(shape=_SHAPE):
    inner = keras.Sequential(
        [L.Conv2D(5, 3, use_bias=False), L.BatchNormalization(), L.ReLU()], name="inner"
    )
    image = L.Input(shape)
    x = L.GlobalAveragePooling2D()(inner(image))
    outputs = L.Dense(_CLASSES, activation="softmax")(x)
    return keras_networks.randomized(keras.Model(image, outputs, name="a-b"))


def _prepared(path, shape=_SHAPE, classes=_CLASSES):
    form = forms.find(str(path))
    return prepared.prepare(form, form.digest(), (), shape, classes)


def _images(shape=_SHAPE):
    return np.random.default_rng(0).uniform(-1, 1, (3, *shape)).astype(np.float32)


@pytest.mark.parametrize("name", ["some net.keras", "some net.h5"])
def test_it_computes_what_the_file_does(tmp_path, name):
    model = _network()
    model.save(tmp_path / name)
    network = _prepared(tmp_path / name)
    built = network.build("float32", fresh=False)
    assert built.name == "some_net"
    assert not any(isinstance(layer, keras.Model) for layer in built.layers)
    assert built.layers[-1].activation is keras.activations.softmax
    expected = model(_images())
    # Keras may compute a nested layer otherwise in the last bit.
    np.testing.assert_allclose(built(_images()), expected, rtol=0, atol=1e-6)
    # Each build is a network of its own.
    built.set_weights([np.zeros_like(x) for x in built.get_weights()])
    again = network.build("float32", fresh=False)
    np.testing.assert_allclose(again(_images()), expected, rtol=0, atol=1e-6)


def test_fresh_weights_are_drawn_by_the_seed(tmp_path):
    path = tmp_path / "net.keras"
    _network().save(path)
    network = _prepared(path)
    drawn = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        drawn.append(network.build("float32", fresh=True).get_weights()[0])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[0], network.weights[0])


def test_bfloat16_is_the_arithmetic_of_all_layers(tmp_path):
    path = tmp_path / "net.keras"
    _network().save(path)
    built = _prepared(path).build("bfloat16", fresh=False)
    inputs, *layers = built.layers
    assert inputs.dtype == "float32"
    assert {layer.dtype_policy.name for layer in layers} == {"mixed_bfloat16"}
    assert {weight.dtype.name for weight in built.weights} == {"float32"}


def test_open_sizes_become_those_of_the_data(tmp_path):
    path = tmp_path / "net.keras"
    _network((None, None, 3)).save(path)
    built = _prepared(path, (8, 6, 3)).build("float32", fresh=False)
    assert built.input_shape == (None, 8, 6, 3)


@pytest.mark.parametrize("shape", [(6, 6, 1), (5, 6, 3), (36, 3)])
def test_data_that_do_not_fit_are_told_with_the_network(tmp_path, shape):
    path = tmp_path / "net.keras"
    _network().save(path)
    sizes = "x".join(map(str, shape))
    with pytest.raises(errors.UsageError) as caught:
        _prepared(path, shape)
    assert str(caught.value) == (
        f"'net.keras' takes 6x6x3 and gives 4; the data are of {sizes}, and one output "
        "is trained: give data or a network that fits"
    )


def test_several_ends_do_not_fit(tmp_path):
    one, other = L.Input((6, 6, 3)), L.Input((2,))
    outputs = L.Dense(4)(L.Concatenate()([L.Flatten()(one), other]))
    keras.Model([one, other], [outputs, other]).save(tmp_path / "net.keras")
    with pytest.raises(errors.UsageError, match="takes 6x6x3, 2 and gives 4, 2; the"):
        _prepared(tmp_path / "net.keras")
