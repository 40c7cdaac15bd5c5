"""Keras models in files: `.keras`, `.h5`, and the folders of `quantization.storage`.

Anybody may have made them. The description of a network is checked before Keras builds
anything from it (`keras_networks.descriptions`), and Keras gets a copy of the file that
holds what was checked and nothing else.
"""

import json
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any

from tfpipeline import errors, leftovers
from tfpipeline.compat import keras, tfmot
from tfpipeline.keras_networks import custom_layers, descriptions
from tfpipeline.quantization import storage
from tfpipeline.quantization.tflite import channel_quantizer
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.readers import custom_objects, keras3_files
from tfpipeline.untrusted import archives, content, damage, hdf5, json_values

_SUPPORTED = ".keras, .h5, .hdf5, or a folder with architecture.json"
# Classes in quantization-aware models, besides those of tfmot.
_CUSTOM_OBJECTS = {
    kind.__name__: kind
    for kind in (
        channel_quantizer.ChannelQuantizer,
        tflite_int8.KernelConfig,
        tflite_int8.LayerConfig,
    )
}
_KIND = "a Keras model"
# Members of a `.keras` file.
_METADATA, _CONFIG, _WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
# Attributes of an `.h5` file.
_HDF5_CONFIG = "model_config"
_HDF5_VERSION = "keras_version"
_MAX_DESCRIPTION_BYTES = 1 << 26
_Loaded = tuple[keras.Model, tuple[str, ...]]
_Custom = custom_objects.CustomObjects | None


def load(path: pathlib.Path) -> keras.Model:
    """Loads the model in a file or folder, as `read` does."""
    return read(path)[0]


def read(
    path: pathlib.Path, custom: custom_objects.CustomObjects | None = None
) -> tuple[keras.Model, tuple[str, ...]]:
    """Reads the model in a file or folder.

    Args:
        path: of the file or folder.
        custom: classes and functions of the user's that the file may name; layers of
            such a class are written as layers of Keras.

    Returns:
        The model, and what must be known of it, one line each: how equal it is to the
        file's network, where that was of Keras 3.

    Raises:
        StorageError: it is absent, damaged, or of another format.
        GraphError: it describes what no file may (code, functions, files), more than
            any network has, or layers of Keras 3 that tf_keras has not.
    """
    if not content.exists(path):
        raise errors.StorageError(f"{path} does not exist")
    if path.is_dir():
        return _load_folder(path), ()
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise errors.StorageError(
            f"{path} is not a Keras model by its name; supported are {_SUPPORTED}"
        )
    data = content.read(path)
    # Keras, h5py and zipfile raise errors of every class on damaged files.
    try:
        return reader(data, custom)
    except errors.DamagedFileError as error:
        raise errors.DamagedFileError(f"cannot read {path}: {error}") from error
    except errors.PipelineError as error:
        raise type(error)(f"{path}: {error}") from error
    except Exception as error:
        raise errors.DamagedFileError(
            f"cannot read {path} as {_KIND}: {damage.reason(error)}"
        ) from error


def _load_folder(path: pathlib.Path) -> keras.Model:
    with damage.reported(str(path), "the folder of a network"):
        return storage.load(path)


def _load_zip(data: bytes, custom: _Custom) -> _Loaded:
    with damage.reported("the file", _KIND), archives.opened(data) as archive:
        version = _member(archive, _METADATA)["keras_version"]
        described = _member(archive, _CONFIG)
        weights = archive.read(_WEIGHTS)
    with hdf5.opened(weights, _WEIGHTS):
        pass
    if keras3_files.is_version(version):
        model, note = keras3_files.load(
            keras3_files.Parts(str(version), described, weights, True, custom)
        )
        return model, (note,)
    if not str(version).startswith("2."):
        raise errors.GraphError(
            f"written by Keras {errors.brief(version)}; files of Keras 2 and 3 are read"
        )
    with damage.reported("the file", _KIND):
        description = descriptions.checked(described, custom=_names(custom))
    with leftovers.scratch_folder() as folder:
        copy = folder / "model.keras"
        with zipfile.ZipFile(copy, "w") as archive:
            archive.writestr(_METADATA, json.dumps({"keras_version": version}))
            archive.writestr(_CONFIG, json.dumps(description))
            archive.writestr(_WEIGHTS, weights)
        return _build(copy, custom), ()


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    data = archives.read(archive, name, _MAX_DESCRIPTION_BYTES)
    return json_values.parse(data, name)


def _load_hdf5(data: bytes, custom: _Custom) -> _Loaded:
    with hdf5.opened(data, "the file") as file:
        config = file.attrs.get(_HDF5_CONFIG)
        if config is None:
            raise errors.GraphError(
                "it holds weights or other data but no network; save the whole model"
            )
        if not isinstance(config, str | bytes):
            raise errors.DamagedFileError(f"{_HDF5_CONFIG} is no text")
        described = json_values.parse(config, _HDF5_CONFIG)
        version = file.attrs.get(_HDF5_VERSION)
        if keras3_files.is_version(version):
            model, note = keras3_files.load(
                keras3_files.Parts(str(version), described, data, False, custom)
            )
            return model, (note,)
        description = descriptions.checked(
            described, quantized=True, custom=_names(custom)
        )
        file.attrs[_HDF5_CONFIG] = json.dumps(description)
        return _build(file, custom), ()


def _names(custom: _Custom) -> frozenset[str]:
    return frozenset() if custom is None else custom.names


def _build(source: Any, custom: _Custom) -> keras.Model:
    """The model in a checked copy of a file."""
    objects = {} if custom is None else custom.load()
    with (
        descriptions.bounded_sizes(),
        tfmot.quantization.keras.quantize_scope({**_CUSTOM_OBJECTS, **objects}),
    ):
        model = keras.models.load_model(source, compile=False)
    return custom_layers.opened(model, objects) if objects else model


_READERS: dict[str, Callable[[bytes, _Custom], _Loaded]] = {
    ".keras": _load_zip,
    ".h5": _load_hdf5,
    ".hdf5": _load_hdf5,
}
