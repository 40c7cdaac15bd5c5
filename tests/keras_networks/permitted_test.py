"""What a file may name exists, computes tensors only, and covers what is read."""

import pytest

from tfpipeline.compat import keras, tf
from tfpipeline.keras_networks import permitted
from tfpipeline.readers import keras_functions, keras_layers

# Kept by Keras under other names, for old files.
_OLD = {"BatchNormalizationV1", "BatchNormalizationV2"}


def _classes(names):
    return {name for group in names for name in group.classes}


def test_layers_exist_and_hold_no_code():
    layers = _classes(permitted.LAYERS) - _OLD - {"SlicingOpLambda", "TFOpLambda"}
    for name in layers:
        assert issubclass(getattr(keras.layers, name), keras.layers.Layer)
    assert not layers & {"Lambda", "TFSMLayer", "StringLookup", "TextVectorization"}


def test_every_layer_that_is_read_may_be_named():
    read = {kind.__name__ for kind in keras_layers.READERS}
    assert read <= _classes(permitted.LAYERS)


def test_every_function_that_is_read_may_be_named():
    assert keras_functions.READERS.keys() <= permitted.FUNCTIONS


@pytest.mark.parametrize("name", sorted(permitted.FUNCTIONS))
def test_a_function_is_one_of_tensorflow(name):
    value = tf
    for part in name.removeprefix("__operators__.").split("."):
        # Operators have no public names.
        value = value.math.add if name.startswith("__") else getattr(value, part)
    assert callable(value)
    assert not name.startswith(("io.", "raw_ops.", "py_function", "load_"))


@pytest.mark.parametrize("name", sorted(permitted.ACTIVATIONS - {"relu6"}))
def test_an_activation_is_one_of_keras(name):
    assert callable(keras.activations.get(name))


@pytest.mark.parametrize(
    ("names", "module"),
    [
        (permitted.INITIALIZERS, keras.initializers),
        (permitted.REGULARIZERS, keras.regularizers),
        (permitted.CONSTRAINTS, keras.constraints),
    ],
)
def test_objects_exist_by_every_spelling(names, module):
    for name in _classes(names):
        assert isinstance(getattr(module, name), type)
    texts = permitted.spellings(names)
    assert _classes(names) <= texts
    for text in texts:
        if "_" in text and not text.startswith("min_max"):
            module.get(text)


def test_a_text_that_stands_for_a_class():
    assert {"l1_l2", "L1L2", "l1l2"} <= permitted.spellings(permitted.REGULARIZERS)
    assert "glorot_uniform" in permitted.spellings(permitted.INITIALIZERS)
