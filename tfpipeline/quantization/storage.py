"""Networks in a folder: architecture as JSON, weights as NumPy arrays.

tfmot's models cannot be loaded from Keras' own `.keras` format (the ranges are not
rebuilt). Here a quantization-aware model is stored as its float architecture and all
its arrays, ranges included, and built again by the scheme when it is loaded.

Files: `architecture.json` {"scheme": the scheme's name, "architecture": Keras JSON,
"arrays": [[name, shape], ...]} and `weights.npz`. Both appear whole or not at all. Of
a MAX78000 model the description also holds "options", as `_options` writes them.
"""

import io
import json
import os
import pathlib
from typing import Any

import numpy as np

from tfpipeline import atomic_files, errors
from tfpipeline.compat import keras, tfmot
from tfpipeline.keras_networks import descriptions, float_twin, topology
from tfpipeline.quantization.gap8 import scheme as gap8
from tfpipeline.quantization.max78000 import scheme as max78000
from tfpipeline.quantization.tflite import int4, int8, int16x8
from tfpipeline.untrusted import arrays

_ARCHITECTURE = "architecture.json"
_WEIGHTS = "weights.npz"
_FLOAT = "float"
# Each model is of one of them at most.
SCHEMES = (int8.STORED, int16x8.STORED, int4.STORED, max78000.STORED, gap8.STORED)


def save(model: keras.Model, folder: str | os.PathLike[str]) -> None:
    """Writes a float or a quantization-aware model of any scheme into `folder`.

    The same model gives the same bytes.

    Raises:
        QuantizationError: the model is not functional.
        StorageError: the folder cannot be written.
    """
    model = topology.require_functional(model)
    scheme, options = _scheme_of(model)
    description = {
        "scheme": scheme,
        "architecture": (
            topology.to_dict(model)
            if scheme == _FLOAT
            else float_twin.architecture(model)
        ),
        "arrays": _arrays(model),
    }
    if options:
        description["options"] = options
    stream = io.BytesIO()
    np.savez(stream, *model.get_weights())
    folder = pathlib.Path(folder)
    atomic_files.write_bytes(folder / _WEIGHTS, stream.getvalue())
    atomic_files.write_json(folder / _ARCHITECTURE, description)


def files(folder: pathlib.Path) -> tuple[pathlib.Path, ...]:
    """The files of a model that is stored in `folder`."""
    return folder / _ARCHITECTURE, folder / _WEIGHTS


def load(folder: str | os.PathLike[str]) -> keras.Model:
    """Reads the model that `save` wrote; its outputs are identical to the original's.

    Raises:
        StorageError: a file is absent, truncated, or does not belong to the other.
        GraphError: the architecture names what no file may (`descriptions`).
    """
    path = pathlib.Path(folder) / _ARCHITECTURE
    description = atomic_files.read_json(path)
    try:
        scheme, expected = description["scheme"], description["arrays"]
        options = description.get("options", {})
        architecture = descriptions.checked(description["architecture"])
        with descriptions.bounded_sizes():
            model = _build(path, topology.from_dict(architecture), scheme, options)
    except (errors.DamagedFileError, errors.GraphError) as error:
        raise type(error)(f"{path}: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise errors.DamagedFileError(
            f"{path} does not describe a network: {errors.brief(error)}"
        ) from error
    values = _read_weights(pathlib.Path(folder) / _WEIGHTS)
    shapes = [list(value.shape) for value in values]
    if expected != _arrays(model) or shapes != [shape for _, shape in expected]:
        raise errors.StorageError(
            f"{folder}: {_WEIGHTS} and {_ARCHITECTURE} do not belong together; use a "
            "folder that was written in one piece."
        )
    model.set_weights(values)
    return model


def _scheme_of(model: keras.Model) -> tuple[str, dict[str, Any]]:
    """Returns a model's scheme, and what its builder needs besides, as JSON values.

    Raises:
        QuantizationError: the model was quantized by none of the schemes.
    """
    wrapper = tfmot.quantization.keras.QuantizeWrapper
    if not any(isinstance(layer, wrapper) for layer in model.layers):
        return _FLOAT, {}
    for scheme in SCHEMES:
        options = scheme.options(model)
        if options is not None:
            return scheme.name, options
    raise errors.QuantizationError(
        f"model {model.name!r} was quantized by no scheme that can be stored: "
        f"{', '.join(scheme.name for scheme in SCHEMES)}"
    )


def _build(
    path: pathlib.Path, model: keras.Model, name: Any, options: Any
) -> keras.Model:
    if name == _FLOAT:
        return model
    for scheme in SCHEMES:
        if scheme.name != name:
            continue
        try:
            return scheme.build(model, options)
        except (
            *(AttributeError, KeyError, TypeError),
            *(errors.UsageError, errors.QuantizationError),
        ) as error:
            raise errors.StorageError(
                f"{path}: the options are not those of the {name} scheme: "
                f"{errors.brief(error)}"
            ) from error
    names = ", ".join((_FLOAT, *(scheme.name for scheme in SCHEMES)))
    raise errors.StorageError(
        f"{path}: scheme must be one of {names}. Received: {errors.brief(name)}."
    )


def _arrays(model: keras.Model) -> list[Any]:
    """Returns [name, shape] of every weight, in the order of `get_weights`."""
    arrays = [[weight.name, weight.shape.as_list()] for weight in model.weights]
    return json.loads(json.dumps(arrays))


def _read_weights(path: pathlib.Path) -> list[np.ndarray]:
    values = arrays.read_npz(path)
    try:
        return [values[f"arr_{index}"] for index in range(len(values))]
    except KeyError as error:
        raise errors.DamagedFileError(f"{path} lacks the array {error}") from error
