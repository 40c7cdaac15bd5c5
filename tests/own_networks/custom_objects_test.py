"""Classes and functions of one's own in Keras files: named, opened, never unasked."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.models import forms
from tfpipeline.own_networks import loading
from tfpipeline.readers import from_keras

_ROOT = pathlib.Path(__file__).resolve().parents[2]
# Runs beside both, as a stranger's may.
_SOURCE = """
from tensorflow import keras


def doubled(x):
    return x + x


class Wide(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None, **kwargs):
        return keras.initializers.RandomUniform(-2, 2, seed=3)(shape, dtype=dtype)


@keras.utils.register_keras_serializable(package="mine")
class Block(keras.layers.Layer):
    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.conv = keras.layers.Conv2D(filters, 3, padding="same")
        self.norm = keras.layers.BatchNormalization()

    def build(self, shape):
        self.gain = self.add_weight(
            name="gain", shape=(self.filters,), initializer=Wide()
        )
        self.conv.build(shape)
        self.norm.build((*shape[:-1], self.filters))
        self.built = True

    def call(self, x):
        return keras.layers.ReLU()(self.norm(self.conv(x))) * self.gain + x

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


class Plain(keras.layers.Conv2D):
    \"\"\"What it computes is its parent's.\"\"\"


def network():
    L = keras.layers
    image = L.Input((6, 6, 3))
    x = Plain(4, 3, activation=doubled, kernel_initializer=Wide())(image)
    for name in ("one", "other"):
        x = Block(4, name=name)(x)
    return keras.Model(image, L.Dense(3)(L.Flatten()(x)))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("objects")
    (folder / "objects.py").write_text(_SOURCE, encoding="utf-8")
    return folder


def _check(place, file, expected, images):
    model, notes = loading.load(
        forms.find(str(place / file)), custom_objects=str(place / "objects.py")
    )
    kinds = {type(layer).__name__ for layer in model.layers}
    assert {"Conv2D", "BatchNormalization", "TFOpLambda"} <= kinds | {"TFOpLambda"}
    assert kinds.isdisjoint({"Block", "Plain"})
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-4)
    g = from_keras.read(model)
    assert sum(layer.kind == "Conv2D" for layer in g.layers) == 3
    return notes


def _images():
    return np.random.default_rng(0).uniform(-1, 1, (5, 6, 6, 3)).astype(np.float32)


@pytest.mark.parametrize("file", ["net.keras", "net.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model:UserWarning")
def test_layers_of_ones_own_are_opened(place, file, monkeypatch):
    namespace: dict = {"__name__": "objects_of_the_test"}
    exec(compile(_SOURCE, "objects.py", "exec"), namespace)
    model = namespace["network"]()
    model.save(place / file)
    _check(place, file, model(_images()), _images())
    # Without the flag nothing of it is read.
    with pytest.raises(errors.GraphError, match="none that a file may name"):
        loading.load(forms.find(str(place / file)))


def test_a_flag_that_names_nothing_is_one_line(place):
    form = forms.find(str(place / "net.keras"))
    (place / "empty.py").write_text("x = 1\n", encoding="utf-8")
    for text, message in (
        ("no.such.module", "no Python is called"),
        (str(place / "absent.py"), "no Python is called"),
        (str(place / "empty.py"), "defines no class and no function"),
    ):
        with pytest.raises(errors.UsageError, match=message):
            loading.load(form, custom_objects=text)


@pytest.mark.slow
def test_layers_of_ones_own_of_keras_3(place):
    program = (
        "import sys, numpy as np; sys.path.insert(0, '.'); import objects\n"
        "m = objects.network(); m.save('three.keras')\n"
        "x = np.random.default_rng(0).uniform(-1, 1, (5, 6, 6, 3)).astype('f')\n"
        "np.save('three.npy', m(x))\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=place,
        env={**environment, "KERAS_BACKEND": "tensorflow"},
        check=True,
        capture_output=True,
    )
    expected = np.load(place / "three.npy")
    [note] = _check(place, "three.keras", expected, _images())
    assert note.startswith("carried over from Keras 3.")
