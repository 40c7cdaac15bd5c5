"""Versions of operators in our files, against those of TensorFlow's converter."""

import numpy as np
import pytest

from export.tflite import float32, from_graph, int8
from tests import recurrent
from tests.export.tflite_from_graph_test import parsed, schema
from tests.readers import keras_networks
from tests.simulate import operator_cases as cases
from tests.simulate import operators_test
from tfpipeline.compat import keras, tf
from tfpipeline.ir import from_tflite

NAMES = {v: k for k, v in vars(schema.BuiltinOperator).items() if k.isupper()}


def highest(model):
    """Operator -> version; the converter gives all of one kind the highest."""
    found = {}
    for code in parsed(model).operatorCodes:
        found[code.builtinCode] = max(found.get(code.builtinCode, 0), code.version)
    return {NAMES[code]: version for code, version in found.items()}


def written(model):
    """As `highest`, of the file that is written of another one."""
    return highest(from_graph.to_bytes(from_tflite.read(model)))


def in_five_axes():
    rows = keras.Input((8, 4))
    x = keras.layers.Reshape((2, 2, 2, 4))(keras.layers.Dense(4)(rows))
    y = tf.slice(x, [0, 0, 0, 1, 1], [-1, 2, 1, 1, 2])
    x = tf.transpose(x[:, :, 1:, ::2, 1:], [0, 3, 1, 2, 4])
    flat = [keras.layers.Flatten()(each) for each in (x, y)]
    return keras.Model(rows, keras.layers.Concatenate()(flat))


def cut_and_stacked():
    rows = keras.Input((8, 4))
    x = keras.layers.Dense(6)(rows)
    parts = [*tf.split(x, 3, axis=-1), *tf.split(x, [2, 4], axis=-1)]
    # All of them: the converter leaves an UNPACK whose results are not all read in
    # float, in some runs and not in others.
    parts += tf.unstack(keras.layers.Dense(4)(rows), axis=1)
    parts = [keras.layers.Flatten()(keras.layers.Dense(3)(part)) for part in parts]
    stacked = keras.layers.Flatten()(tf.stack(parts[:5], axis=1))
    return keras.Model(rows, keras.layers.Concatenate()([stacked, *parts]))


MODELS = {
    "cut and stacked": cut_and_stacked,
    "five axes": in_five_axes,
    "recurrent": keras_networks.CONVERTED["recurrent"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_versions_are_those_of_the_converter(name):
    model = MODELS[name]()
    images = np.random.default_rng(0).normal(size=(4, *model.input_shape[1:]))
    files = [float32.convert(model)]
    if name != "five axes":
        # TensorFlow Lite Micro takes four in slices with strides.
        files.append(int8.convert_ptq(model, images.astype(np.float32)))
    for converted in files:
        assert written(converted) == highest(converted)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("split", {"SPLIT": 4}),
        ("split of rows", {"SPLIT_V": 1}),
        ("pack", {"PACK": 3}),
        ("unpack", {"UNPACK": 4}),
        ("transpose", {"TRANSPOSE": 5}),
    ],
)
def test_versions_of_int16(case, expected):
    # The converter's 16x8 writes those of int8; these are GetBuiltinOperatorVersion's.
    model = cases.models.one_operator(*operators_test.CASES[f"int16: {case}"])
    assert written(model) == expected


def test_an_lstm_of_int16_has_a_version_that_tflite_does_not_run():
    assert written(recurrent.lstm("int16")) == {"UNIDIRECTIONAL_SEQUENCE_LSTM": 5}
