"""A file of a network runs nothing, reads nothing and takes no memory that it names."""

import codecs
import io
import json
import marshal
import time
import zipfile

import h5py
import numpy as np
import pytest

from tests.readers import described_networks as described
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import descriptions
from tfpipeline.readers import from_keras, keras_files

_WAYS = pytest.mark.parametrize("write", described.WAYS)


def _call(module, name, *arguments):
    """An object that Keras would make by calling a function of any module."""
    return {
        "module": module,
        "class_name": "function" if not arguments else name,
        "config": name if not arguments else list(arguments),
        "registered_name": name,
    }


def _process(marker):
    return {
        "module": "subprocess",
        "class_name": "Popen",
        "config": {"args": ["touch", str(marker)]},
        "registered_name": None,
    }


def _lambda(marker):
    def write(x):
        open("PATH", "w").close()
        return x

    constants = tuple(
        str(marker) if each == "PATH" else each for each in write.__code__.co_consts
    )
    code = write.__code__.replace(co_consts=constants)
    text = codecs.encode(marshal.dumps(code), "base64").decode()
    return described.layer(
        "Lambda",
        function=[text, None, None],
        function_type="lambda",
        module="__main__",
        output_shape=None,
        output_shape_type="raw",
        output_shape_module=None,
        arguments={},
    )


def _function(name, *node):
    return described.layer("TFOpLambda", [node], function=name) | {
        "inbound_nodes": [list(node)]
    }


def _conv(**config):
    return described.layer("Conv2D", filters=1, kernel_size=[1, 1], **config)


def _model(*layers):
    inner = described.network(*layers)
    return {**inner, "name": "x", "inbound_nodes": [[["input", 0, 0, {}]]]}


def _sequential(*layers):
    return described.layer("Sequential") | {
        "config": {"name": "x", "layers": [described.INPUT, *layers]}
    }


def _quantized(inner, config):
    return described.layer("QuantizeWrapperV2", layer=inner, quantize_config=config)


_NO_CONFIG = {"class_name": "NoOpQuantizeConfig", "config": {}}
_CONSTANT = "_CONSTANT_VALUE"

# What is refused -> the layer, given a path where its code would leave a file.
ATTACKS = {
    "a function of a module": lambda path: {
        **_call("os", "system"),
        "name": "x",
        "inbound_nodes": [[[_CONSTANT, -1, f"touch {path}"]]],
    },
    "by the name of one of our classes": lambda path: {
        **_call("os", "system"),
        "registered_name": "KernelConfig",
        "name": "x",
        "inbound_nodes": [[[_CONSTANT, -1, f"touch {path}"]]],
    },
    "a layer under another name": lambda path: _conv() | {"registered_name": "system"},
    "a layer of another module": lambda path: _conv() | {"module": "os"},
    "a layer of no module": lambda path: _conv() | {"module": None},
    "a class of Keras that is no layer": lambda path: described.layer("Functional2"),
    "code": _lambda,
    "code over time": lambda path: described.layer(
        "TimeDistributed", layer=_lambda(path)
    ),
    "code in both directions": lambda path: described.layer(
        "Bidirectional", layer=_conv(), backward_layer=_lambda(path)
    ),
    "code in a network": lambda path: _model(_lambda(path)),
    "code in a row of layers": lambda path: _sequential(_lambda(path)),
    "code in a wrapper": lambda path: _quantized(_lambda(path), _NO_CONFIG),
    "a process in a wrapper": lambda path: _quantized(_conv(), _process(path)),
    "any attribute of a layer": lambda path: _quantized(
        _conv(),
        {
            "class_name": "Default8BitQuantizeConfig",
            "config": {"activation_attrs": ["__class__"], "weight_attrs": []},
        },
    ),
    "a process that quantizes": lambda path: described.layer(
        "QuantizeLayer", quantizer=_process(path)
    ),
    "a function that writes": lambda path: _function(
        "io.write_file", _CONSTANT, -1, str(path), {"contents": "x"}
    ),
    "a function that writes, of a tensor": lambda path: _function(
        "io.write_file", "input", 0, 0, {"filename": str(path), "contents": "x"}
    ),
    "native code": lambda path: _function(
        "load_op_library", _CONSTANT, -1, str(path), {}
    ),
    "a function of numbers alone": lambda path: _function(
        "math.add", _CONSTANT, -1, 1.0, {"y": 2.0}
    ),
    "a function of a text": lambda path: _function(
        "math.add", _CONSTANT, -1, "text", {"y": ["input", 0, 0]}
    ),
    "a function of many numbers": lambda path: _function(
        "math.add", _CONSTANT, -1, [1.0] * 9, {"y": ["input", 0, 0]}
    ),
    "a layer of a number": lambda path: described.layer(
        "Flatten", [(_CONSTANT, -1, 1.0, {})]
    ),
    "a method": lambda path: described.layer(
        "ClassMethod", cls_symbol="Variable", method_name="from_proto"
    ),
    "an activation of a module": lambda path: _conv(activation=_call("os", "system")),
    "an activation by a name": lambda path: _conv(activation="deserialize"),
    "an activation that is code": lambda path: _conv(activation=_lambda(path)),
    **{
        f"a process as {key}": lambda path, key=key: _conv(**{key: _process(path)})
        for key in (
            *("activation", "kernel_initializer", "bias_initializer", "dtype"),
            *("kernel_regularizer", "activity_regularizer", "kernel_constraint"),
            *("name", "strides", "quantize_config", "quantizer", "anything"),
        )
    },
    "an initializer by a name": lambda path: _conv(kernel_initializer="get"),
    "an initializer of another module": lambda path: _conv(
        kernel_initializer={"module": "os", "class_name": "Zeros", "config": {}}
    ),
    "a constraint by a name": lambda path: _conv(kernel_constraint="serialize"),
    "a regularizer by a name": lambda path: _conv(kernel_regularizer="deserialize"),
    "a process in an initializer": lambda path: _conv(
        kernel_initializer={"class_name": "Zeros", "config": {"a": _process(path)}}
    ),
    "a process in a shape": lambda path: _conv() | {"build_config": _process(path)},
    "a process in arguments": lambda path: described.layer(
        "Flatten", [("input", 0, 0, {"mask": [_process(path)]})]
    ),
    "how to compile a layer": lambda path: _conv() | {"compile_config": _process(path)},
    "marshalled code": lambda path: _conv(
        strides={"class_name": "__lambda__", "config": {"value": ["", None, None]}}
    ),
    "a type": lambda path: _conv(
        strides={"class_name": "__typespec__", "spec_name": "system", "config": []}
    ),
    "a tuple with a process": lambda path: _conv(
        strides={"class_name": "__tuple__", "items": [_process(path)]}
    ),
    "an array of texts": lambda path: _conv(
        strides={"class_name": "__numpy__", "config": {"value": ["a"], "dtype": "int8"}}
    ),
    "a vocabulary in a file": lambda path: described.layer(
        "TextVectorization", vocabulary=str(path)
    ),
    "a SavedModel": lambda path: described.layer("TFSMLayer", filepath=str(path)),
    "a copy for each step in time": lambda path: described.layer(
        "LSTM", units=1, unroll=True
    ),
    "a layer that waits for itself": lambda path: described.layer(
        "Flatten", [("x", 0, 0, {})]
    ),
    "a layer that is absent": lambda path: described.layer("Flatten", [("y", 0, 0)]),
}


@_WAYS
@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_file_may_not_name(write, attack, tmp_path, monkeypatch):
    marker = tmp_path / "marker"

    def built(*arguments, **keywords):
        raise AssertionError("Keras sees the description")

    for function in ("load_model", "model_from_json"):
        monkeypatch.setattr(keras.models, function, built)
    path = write(tmp_path, described.network(ATTACKS[attack](marker)))
    with pytest.raises(errors.GraphError) as caught:
        keras_files.load(path)
    assert str(path) in str(caught.value) and len(str(caught.value)) < 400
    assert not marker.exists()


_BENIGN = {
    "a layer": described.layer("Flatten"),
    "a function": _function("nn.relu", "input", 0, 0, {}),
    "a number minus a tensor": _function(
        "math.subtract", _CONSTANT, -1, 2.0, {"y": ["input", 0, 0]}
    ),
    "rows of a tensor": described.layer(
        "SlicingOpLambda", function="__operators__.getitem"
    )
    | {
        "inbound_nodes": [
            ["input", 0, 0, {"slice_spec": [{"start": 0, "stop": 1, "step": None}]}]
        ]
    },
    "a network": _model(described.layer("Flatten", name="y")),
    "a row of layers": _sequential(described.layer("Flatten", name="y")),
    "an activation": described.layer("Activation", activation="relu6"),
    "a policy": described.layer(
        "Flatten",
        dtype={
            "module": "keras.mixed_precision",
            "class_name": "Policy",
            "config": {"name": "mixed_bfloat16"},
            "registered_name": None,
        },
    ),
}


@_WAYS
@pytest.mark.parametrize("name", _BENIGN)
def test_the_same_files_with_what_they_may_name(write, name, tmp_path):
    model = keras_files.load(write(tmp_path, described.network(_BENIGN[name])))
    assert isinstance(model, keras.Model)


@_WAYS
def test_how_to_compile_a_network_is_not_read(write, tmp_path):
    marker = tmp_path / "marker"
    network = described.network(described.layer("Flatten"))
    network["compile_config"] = {"optimizer": _process(marker)}
    keras_files.load(write(tmp_path, network))
    assert not marker.exists()


@_WAYS
def test_weights_are_counted_before_they_are_allocated(write, tmp_path, monkeypatch):
    monkeypatch.setattr(descriptions, "MAX_WEIGHTS", 1000)
    layer = described.layer("Dense", units=1 << 20)
    for wide in (layer, _model(layer | {"name": "y"}), _sequential(layer)):
        with pytest.raises(errors.GraphError, match="over 1,000 weights"):
            keras_files.load(write(tmp_path, described.network(wide)))


@_WAYS
def test_layers_are_counted(write, tmp_path):
    row = [described.layer("Flatten", name=f"y{i}") for i in range(5000)]
    with pytest.raises(errors.GraphError, match="over 4,096 layers"):
        keras_files.load(write(tmp_path, described.network(_sequential(*row))))


@_WAYS
@pytest.mark.parametrize(
    "description",
    [
        *(None, 3, "text", [], {}, {"class_name": "Functional"}),
        described.layer("Flatten"),
        {"class_name": "Functional", "config": {"layers": 3}},
        {"class_name": "Functional", "config": {"layers": [3]}},
        {"class_name": "Functional", "config": {"layers": [{"class_name": []}]}},
        described.network({**described.layer("Flatten"), "inbound_nodes": "text"}),
        described.network({**described.layer("Flatten"), "inbound_nodes": [[3]]}),
        described.network({**described.layer("Flatten"), "config": 3}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_describes_no_network(write, description, tmp_path):
    path = write(tmp_path, description)
    with pytest.raises((errors.StorageError, errors.GraphError)) as caught:
        keras_files.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_description_that_inflates_is_not_read(tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.21.0"}))
        archive.writestr("config.json", b" " * (1 << 27))
        archive.writestr("model.weights.h5", b"")
    assert path.stat().st_size < 1 << 18
    with pytest.raises(errors.StorageError, match=r"'config.json' has over 67,108,864"):
        from_keras.read_file(path)


def _external_link(file, path):
    file["model_weights/dense"] = h5py.ExternalLink(str(path), "/")


def _soft_link(file, path):
    file["model_weights/dense"] = h5py.SoftLink("/model_weights")


def _external_values(file, path):
    file.create_dataset("a", (4,), "f4", external=[(str(path), 0, 16)])


def _virtual_values(file, path):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(path), "a", (4,))
    file.create_virtual_dataset("a", layout)


def _absent_values(file, path):
    file.create_dataset("a", (1 << 40,), "f4", chunks=(1 << 20,))


def _objects(file, path):
    file.create_dataset("a", (4,), h5py.string_dtype())


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_external_link, "'dense' lies elsewhere"),
        (_soft_link, "'dense' lies elsewhere"),
        (_external_values, "the values of 'a' lie elsewhere"),
        (_virtual_values, "the values of 'a' lie elsewhere"),
        (_absent_values, "its arrays have over"),
        (_objects, "'a' holds no numbers"),
    ],
)
def test_weights_are_in_the_file(edit, message, tmp_path):
    path = described.write_hdf5(tmp_path, described.network(described.layer("Flatten")))
    with h5py.File(path, "r+") as file:
        edit(file, tmp_path / "other.h5")
    with pytest.raises(errors.DamagedFileError, match=message):
        keras_files.load(path)

    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_group("model_weights")
        edit(file, tmp_path / "other.h5")
    zipped = described.write_zip(
        tmp_path, described.network(described.layer("Flatten"))
    )
    with zipfile.ZipFile(zipped) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(zipped, "w") as archive:
        for name, data in (members | {"model.weights.h5": weights.getvalue()}).items():
            archive.writestr(name, data)
    with pytest.raises(errors.DamagedFileError, match=message):
        keras_files.load(zipped)


def test_a_group_that_holds_itself_ends(tmp_path):
    path = described.write_hdf5(tmp_path, described.network(described.layer("Flatten")))
    with h5py.File(path, "r+") as file:
        file["model_weights/again"] = file["model_weights"]
    keras_files.load(path)


def test_a_description_that_is_no_text(tmp_path):
    path = described.write_hdf5(tmp_path, described.network(described.layer("Flatten")))
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = np.arange(3)
    with pytest.raises(errors.DamagedFileError, match="model_config is no text"):
        keras_files.load(path)


def test_layers_in_a_ring_are_refused_at_once(tmp_path):
    first = described.layer("Flatten", [("b", 0, 0, {})], name="a")
    second = described.layer("Flatten", [("a", 0, 0, {})], name="b")
    started = time.monotonic()
    for write in described.WAYS:
        path = write(tmp_path, described.network(first, second))
        with pytest.raises(errors.GraphError, match="a, b: these layers wait"):
            keras_files.load(path)
    assert time.monotonic() - started < 10
