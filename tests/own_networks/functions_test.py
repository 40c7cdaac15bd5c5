"""Functions that make networks: how they are called, and one line for every fault."""

import pytest

from tfpipeline import errors
from tfpipeline.models import forms
from tfpipeline.own_networks import functions

_SOURCE = """
from tensorflow import keras


def network(shape, classes, width=4):
    inputs = keras.Input(shape)
    x = keras.layers.Flatten()(inputs)
    x = keras.layers.Dense(width)(x)
    return keras.Model(inputs, keras.layers.Dense(classes)(x))


def both(input_shape, num_classes, width=4):
    return network(input_shape, num_classes, width)


def neither():
    return network((2, 2, 1), 3)


def classes_only(num_classes=7):
    return network((2, 2, 1), num_classes)


def anything(**options):
    return network(options["input_shape"], options["num_classes"])


def needs_more(input_shape, depth):
    raise AssertionError


def raises(input_shape):
    raise ValueError("no such network\\nand more")


def keras_3():
    class Model:
        pass

    Model.__module__ = "keras.src.models.functional"
    return Model()


def nothing():
    return None


NUMBER = 3
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("functions") / "nets.py"
    path.write_text(_SOURCE, encoding="utf-8")
    return path


def _made(file, name, options=None, **known):
    return functions.made(forms.find(f"{file}:{name}"), options or {}, **known)


_KNOWN = {"input_shape": (4, 4, 3), "num_classes": 5}


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("both", ((None, 4, 4, 3), (None, 5))),
        ("neither", ((None, 2, 2, 1), (None, 3))),
        ("classes_only", ((None, 2, 2, 1), (None, 5))),
        ("anything", ((None, 4, 4, 3), (None, 5))),
    ],
)
def test_a_function_gets_what_it_takes(file, name, shapes):
    model = _made(file, name, **_KNOWN)
    assert (model.input_shape, model.output_shape) == shapes


def test_options_are_arguments_too(file):
    model = _made(file, "both", {"width": 9}, **_KNOWN)
    assert model.layers[2].units == 9
    # Without data, the options may say what data would.
    model = _made(file, "both", {"input_shape": (2, 2, 1), "num_classes": 2})
    assert model.output_shape == (None, 2)


def test_a_module_by_its_name(file, monkeypatch):
    monkeypatch.syspath_prepend(str(file.parent))
    model = functions.made(forms.find("nets:neither"), {})
    assert model.output_shape == (None, 3)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("absent", {}, "there is no function 'absent'; functions there are anything, "),
        ("NUMBER", {}, "there is no function 'NUMBER'"),
        ("both", {"alpha": 1}, "takes no alpha; its parameters are input_shape, num_"),
        ("needs_more", {}, r"needs depth too: give --model_options=depth=\.\.\."),
        ("raises", {}, r"raised ValueError no such network \(called with input_shape="),
        ("keras_3", {}, "which is of Keras 3: write `from tensorflow import keras`"),
        ("nothing", {}, r"must return a tf_keras.Model; found builtins.NoneType"),
    ],
)
def test_what_is_no_network(file, name, options, message):
    with pytest.raises(errors.UsageError, match=message) as caught:
        _made(file, name, options, **_KNOWN)
    assert "\n" not in str(caught.value)
    assert len(errors.one_line(str(caught.value))) <= errors.MAX_LINE_CHARACTERS


def test_a_file_that_cannot_be_imported(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("import nothing_of_this_name\n", encoding="utf-8")
    with pytest.raises(errors.UsageError, match="importing it raised ModuleNotFound"):
        functions.made(forms.find(f"{path}:small"), {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nsys.exit(0)\n", r"importing it raised .*sys\.exit\(0\)"),
        ("def net():\n    raise SystemExit\n", r"raised .*ended the program"),
    ],
)
def test_code_that_ends_the_program_is_told(text, message, tmp_path):
    path = tmp_path / "script.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(errors.UsageError, match=message):
        functions.made(forms.find(f"{path}:net"), {})
