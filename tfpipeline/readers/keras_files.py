"""Keras models in files: `.keras`, `.h5`, and the folders of `quantization.storage`.

The description of a file is read before Keras builds anything from it, because a Lambda
layer holds code that building would run.
"""

import json
import pathlib
import zipfile
from typing import Any

import h5py

from tfpipeline import errors
from tfpipeline.compat import keras, tfmot
from tfpipeline.quantization import storage
from tfpipeline.quantization.tflite import channel_quantizer
from tfpipeline.quantization.tflite import int8 as tflite_int8

_HDF5_SUFFIXES = (".h5", ".hdf5")
_SUPPORTED = ".keras, .h5, .hdf5, or a folder with architecture.json"
# Classes in quantization-aware models, besides those of tfmot.
_CUSTOM_OBJECTS = {
    kind.__name__: kind
    for kind in (channel_quantizer.ChannelQuantizer, tflite_int8.KernelConfig)
}
_MAX_REASON_CHARACTERS = 300


def load(path: pathlib.Path) -> keras.Model:
    """Loads the model in a file or folder.

    Raises:
        StorageError: it is absent, damaged, or of another format.
        GraphError: it holds a Lambda layer, or was written by Keras 3.
    """
    if not path.exists():
        raise errors.StorageError(f"{path} does not exist")
    if path.is_dir():
        return _load_folder(path)
    if path.suffix == ".keras":
        description = _read_zip
    elif path.suffix in _HDF5_SUFFIXES:
        description = _read_hdf5
    else:
        raise errors.StorageError(
            f"{path} is not a Keras model by its name; supported are {_SUPPORTED}"
        )
    # Keras, h5py and zipfile raise errors of every class on damaged files.
    try:
        config = description(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    _check_lambdas(path, config)
    try:
        with tfmot.quantization.keras.quantize_scope(_CUSTOM_OBJECTS):
            return keras.models.load_model(path, compile=False)
    except Exception as error:
        raise _unreadable(path, error) from error


def _load_folder(path: pathlib.Path) -> keras.Model:
    try:
        return storage.load(path)
    except errors.PipelineError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error


def _read_zip(path: pathlib.Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        metadata = json.loads(archive.read("metadata.json"))
        version = str(metadata["keras_version"])
        if not version.startswith("2."):
            raise errors.GraphError(
                f"written by Keras {version}; save the network with tf_keras (Keras 2)"
            )
        return json.loads(archive.read("config.json"))


def _read_hdf5(path: pathlib.Path) -> Any:
    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
        if config is None:
            raise errors.GraphError(
                "it holds weights or other data but no network; save the whole model"
            )
        return json.loads(config)


def _check_lambdas(path: pathlib.Path, config: Any) -> None:
    names = list(_lambdas(config))
    if names:
        raise errors.GraphError(
            f"{path}: layer {', '.join(map(repr, names))} (Lambda): not supported; "
            "write the function as Keras layers"
        )


def _lambdas(value: Any) -> Any:
    """Names of the Lambda layers anywhere in a description."""
    if isinstance(value, dict):
        if value.get("class_name") == "Lambda":
            yield value.get("config", {}).get("name", "lambda")
        for part in value.values():
            yield from _lambdas(part)
    elif isinstance(value, list):
        for part in value:
            yield from _lambdas(part)


def _unreadable(path: pathlib.Path, error: Exception) -> errors.PipelineError:
    if isinstance(error, errors.PipelineError):
        return type(error)(f"{path}: {error}")
    lines = str(error).strip().splitlines()
    reason = (lines[0] if lines else type(error).__name__)[:_MAX_REASON_CHARACTERS]
    return errors.StorageError(f"cannot read {path} as a Keras model: {reason}")
