"""Keras 3 models in files, carried over to tf_keras and proven to compute the same.

`tf_keras` cannot read them, and Keras 3 cannot be loaded beside it. The description is
checked and built again here (`keras_networks.keras3_networks`); a child process with
the Keras 3 that TensorFlow installs reads the weights, and runs the network on random
inputs, whose outputs the one built here must give too.
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import h5py
import numpy as np

import tfpipeline
from tfpipeline import errors, leftovers
from tfpipeline.compat import keras
from tfpipeline.keras_networks import keras3_networks, layer_traits, same_function
from tfpipeline.readers import custom_objects
from tfpipeline.untrusted import archives, arrays, content, damage, json_values

_CHILD = "tfpipeline.readers.keras3_child"
_OPENING = "tfpipeline.readers.keras3_opening_child"
_TIMEOUT_SECONDS = 1800
_KIND = "a Keras 3 model"
_MAX_LAYERS_BYTES = 1 << 26
Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a file of Keras 3 holds.

    Attributes:
        version: of the Keras that wrote it.
        description: of the network, as JSON values; not checked.
        weights: bytes of an HDF5 file, checked: of a `.keras` the member with the
            weights, else the whole `.h5`.
        is_zip: whether the file is a `.keras`.
        custom: classes and functions of the user's that the file may name.
    """

    version: str
    description: Any
    weights: bytes
    is_zip: bool
    custom: custom_objects.CustomObjects | None = None


def is_version(version: object) -> bool:
    """Whether a file that says this version of Keras is one of Keras 3."""
    return str(version).startswith("3.")


def load(parts: Parts) -> tuple[keras.Model, str]:
    """The network in tf_keras, and a line that says how equal both are.

    Raises:
        GraphError: naming the layer that cannot be carried over, or whose function is
            another one there.
        StorageError: the file is damaged.
    """
    if parts.custom is not None:
        parts = _opened(parts, parts.custom)
    description = keras3_networks.require(parts.description)
    model, layers = keras3_networks.built(description)
    with leftovers.scratch_folder() as folder:
        _write(parts, description, folder)
        _run(folder, [_CHILD, str(folder), str(same_function.TRIALS)])
        with damage.reported("what Keras 3 reads of the file", _KIND):
            stored = arrays.read_npz(folder / "weights.npz")
            trials = arrays.read_npz(folder / "trials.npz")
            names = json_values.read(folder / "layers.json", _MAX_LAYERS_BYTES)
    _set_weights(layers, names, stored)
    difference, largest = _difference(model, trials)
    # Not `>`: what is not finite is no proof either.
    if not difference <= same_function.TOLERANCE * largest:
        raise errors.GraphError(
            f"carried over from Keras {parts.version} to tf_keras, the network "
            f"computes something else: outputs differ by up to {difference:.3g}, of "
            f"{largest:.3g}. This is a defect, please report it with the file; a float "
            ".tflite of the network can be read instead"
        )
    return model, (
        f"carried over from Keras {parts.version} to tf_keras: on "
        f"{same_function.TRIALS} random inputs outputs differ by at most "
        f"{difference:.3g}, of {largest:.3g}"
    )


def _write(parts: Parts, description: Any, folder: pathlib.Path) -> None:
    """A copy of the file that holds what was checked and nothing else."""
    if parts.is_zip:
        with zipfile.ZipFile(folder / "model.keras", "w") as archive:
            metadata = json.dumps({"keras_version": parts.version})
            archive.writestr("metadata.json", metadata)
            archive.writestr("config.json", json.dumps(description))
            archive.writestr("model.weights.h5", parts.weights)
        return
    copy = folder / "model.h5"
    copy.write_bytes(parts.weights)
    with h5py.File(copy, "r+") as file:
        file.attrs["model_config"] = json.dumps(description)
        for name in ("training_config",):
            if name in file.attrs:
                del file.attrs[name]


def _opened(parts: Parts, custom: custom_objects.CustomObjects) -> Parts:
    """The same network by layers of Keras alone, which a child process makes."""
    description = keras3_networks.require(parts.description, custom.names)
    python = custom.module or str(custom.path.resolve())
    with leftovers.scratch_folder() as folder:
        _write(parts, description, folder)
        # What is found by its name is found from where the user is.
        extra = [os.getcwd()] if custom.module else []
        command = [_OPENING, str(folder), python, *sorted(custom.names)]
        _run(folder, command, extra)
        data = content.read(folder / "opened.keras")
    what = "what Keras 3 makes of the file"
    with damage.reported(what, _KIND), archives.opened(data) as archive:
        text = archives.read(archive, "config.json", _MAX_LAYERS_BYTES)
        return Parts(
            parts.version,
            json_values.parse(text, "config.json"),
            archive.read("model.weights.h5"),
            is_zip=True,
        )


def _run(
    folder: pathlib.Path, command: Sequence[str], extra: Sequence[str] = ()
) -> None:
    """Runs a child on the copy in `folder`.

    Args:
        folder: that it works in.
        command: module and arguments.
        extra: folders that it finds Python in.

    Raises:
        DamagedFileError: Keras 3 cannot read it.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", *command],
            env=_environment(folder, extra),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise errors.DamagedFileError(
            f"Keras 3 has not read it in {_TIMEOUT_SECONDS:,} seconds"
        ) from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise errors.DamagedFileError(
            f"Keras 3 cannot read it: {errors.one_line(reason, 200)}"
        )


def _environment(folder: pathlib.Path, extra: Sequence[str]) -> dict[str, str]:
    """Of the child: TensorFlow's own choice of Keras, and no settings of the user's."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("TF_USE_LEGACY_KERAS", "TF_CONFIG")
    }
    root = str(pathlib.Path(tfpipeline.__file__).parents[1])
    paths = filter(None, [root, *extra, environment.get("PYTHONPATH")])
    return {
        **environment,
        "PYTHONPATH": os.pathsep.join(paths),
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(folder / "keras"),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _set_weights(
    layers: Mapping[keras3_networks.Names, Any],
    names: Any,
    stored: Mapping[str, Array],
) -> None:
    values = iter(stored[f"array_{place}"] for place in range(len(stored)))
    for parts, count in names:
        weights = [next(values) for _ in range(count)]
        layer = layers.get(tuple(parts))
        if layer is None:
            if weights:
                raise _mismatch("/".join(parts), "is not there")
            continue
        _set_layer(layer, weights)


def _set_layer(layer: Any, weights: list[Array]) -> None:
    if isinstance(layer, layer_traits.IN_TRAINING_ONLY) and not weights:
        # Keras 2 counts the state of a random generator in.
        return
    expected = [tuple(weight.shape) for weight in layer.weights]
    # Keras 3 counts nothing in a Normalization.
    if isinstance(layer, keras.layers.Normalization) and len(weights) == 2:
        weights = [*weights, np.zeros((), np.int64)]
    shapes = [weight.shape for weight in weights]
    if shapes != expected:
        raise _mismatch(layer.name, f"has weights {shapes} in place of {expected}")
    layer.set_weights(weights)
    if isinstance(layer, keras.layers.Normalization) and weights:
        layer.finalize_state()


def _mismatch(name: str, what: str) -> errors.GraphError:
    return errors.GraphError(
        f"layer '{name}' cannot be carried over from Keras 3 to tf_keras: there it "
        f"{errors.one_line(what, 150)}; write it with other layers"
    )


def _difference(model: keras.Model, trials: Mapping[str, Array]) -> tuple[float, float]:
    """The largest difference from Keras 3's outputs, and the largest of these."""
    inputs = list(_numbered(trials, "input"))
    results = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    outputs = results if isinstance(results, list | tuple) else [results]
    expected = list(_numbered(trials, "output"))
    if [x.shape for x in expected] != [tuple(x.shape) for x in outputs]:
        return np.inf, 0.0
    differences = [
        float(np.abs(np.asarray(one, np.float64) - other).max(initial=0))
        for one, other in zip(outputs, expected, strict=True)
    ]
    return max(differences), max(float(np.abs(x).max(initial=0)) for x in expected)


def _numbered(values: Mapping[str, Array], name: str) -> Iterator[Array]:
    place = 0
    while f"{name}_{place}" in values:
        yield values[f"{name}_{place}"]
        place += 1
