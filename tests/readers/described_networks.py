"""Files of Keras networks, written from descriptions by each way that files are read.

No Keras is needed to write them, so that they can say what Keras never would.
"""

import io
import json
import zipfile

import h5py
import numpy as np

INPUT = {
    "class_name": "InputLayer",
    "config": {
        "batch_input_shape": [None, 8, 8, 3],
        "dtype": "float32",
        "sparse": False,
        "ragged": False,
        "name": "input",
    },
    "name": "input",
    "inbound_nodes": [],
}


def layer(class_name, inputs=(("input", 0, 0, {}),), *, name="x", **config):
    """The description of a layer, without its module."""
    return {
        "class_name": class_name,
        "config": {"name": name, "trainable": True, "dtype": "float32", **config},
        "name": name,
        "inbound_nodes": [[list(each) for each in inputs]],
    }


def network(*layers):
    """The description of a functional network that ends with the last of `layers`."""
    end = layers[-1]
    # A network was called once when it was made.
    is_network = end.get("class_name") in ("Functional", "Sequential")
    return {
        "class_name": "Functional",
        "config": {
            "name": "m",
            "trainable": True,
            "layers": [INPUT, *layers],
            "input_layers": [["input", 0, 0]],
            "output_layers": [[end.get("name", "x"), int(is_network), 0]],
        },
    }


def with_modules(value):
    """A description as newer files have it: with modules where it lacks them."""
    if isinstance(value, list):
        return [with_modules(each) for each in value]
    if not isinstance(value, dict):
        return value
    result = {key: with_modules(each) for key, each in value.items()}
    kind = value.get("class_name")
    if kind == "Functional":
        modules = {"module": "tf_keras.src.engine.functional", "registered_name": kind}
    elif kind in ("TFOpLambda", "SlicingOpLambda"):
        place = "tf_keras.src.layers.core.tf_op_layer"
        modules = {"module": place, "registered_name": kind}
    elif kind == "Sequential":
        modules = {"module": "keras", "registered_name": None}
    elif "inbound_nodes" in value:
        modules = {"module": "keras.layers", "registered_name": None}
    else:
        return result
    return {**modules, **result}


def write_zip(folder, description):
    """`.keras`, without weights."""
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_group("vars")
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.21.0"}))
        archive.writestr("config.json", json.dumps(with_modules(description)))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


def write_hdf5(folder, description):
    """`.h5`, without weights."""
    path = folder / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(description)
        file.attrs["keras_version"] = "2.21.0"
        file.attrs["backend"] = "tensorflow"
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = np.array([], "S1")
    return path


def write_run(folder, description):
    """The folder of a stage of a run, without weights."""
    path = folder / "stage"
    path.mkdir(exist_ok=True)
    content = {
        "scheme": "float",
        "architecture": with_modules(description),
        "arrays": [],
    }
    (path / "architecture.json").write_text(json.dumps(content))
    np.savez(path / "weights.npz")
    return path


WAYS = (write_zip, write_hdf5, write_run)
