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
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline import atomic_files, errors
from tfpipeline.compat import keras, tfmot
from tfpipeline.keras_networks import float_twin, topology
from tfpipeline.quantization import input_ranges
from tfpipeline.quantization.gap8 import scheme as gap8
from tfpipeline.quantization.max78000 import scheme as max78000
from tfpipeline.quantization.tflite import int4 as tflite_int4
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.quantization.tflite import int16x8 as tflite_int16x8
from tfpipeline.targets.max78000 import policy

_ARCHITECTURE = "architecture.json"
_WEIGHTS = "weights.npz"
_FLOAT = "float"
_INT4 = "int4"
_INT8 = "int8"
_INT16 = "int16x8"
_MAX78000 = "max78000"
_GAP8 = "gap8"


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


def load(folder: str | os.PathLike[str]) -> keras.Model:
    """Reads the model that `save` wrote; its outputs are identical to the original's.

    Raises:
        StorageError: a file is absent, truncated, or does not belong to the other.
    """
    path = pathlib.Path(folder) / _ARCHITECTURE
    description = atomic_files.read_json(path)
    try:
        scheme = description["scheme"]
        expected = description["arrays"]
        model = topology.from_dict(description["architecture"])
        options = description.get("options", {})
    except (KeyError, TypeError, ValueError) as error:
        raise errors.StorageError(
            f"{path} does not describe a network: {error!r}"
        ) from error
    if scheme not in _BUILDERS:
        raise errors.StorageError(
            f"{path}: scheme must be one of {', '.join(_BUILDERS)}. "
            f"Received: {scheme!r}."
        )
    try:
        model = _BUILDERS[scheme](model, options)
    except (
        *(AttributeError, KeyError, TypeError),
        *(errors.UsageError, errors.QuantizationError),
    ) as error:
        raise errors.StorageError(
            f"{path}: the options are not those of the {scheme} scheme: {error!r}"
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
    """Returns a model's scheme, and what its builder needs besides, as JSON values."""
    wrapper = tfmot.quantization.keras.QuantizeWrapper
    if not any(isinstance(layer, wrapper) for layer in model.layers):
        return _FLOAT, {}
    if gap8.is_of_scheme(model):
        return _GAP8, {"num_bits": gap8.num_bits_of(model)}
    if tflite_int16x8.is_of_scheme(model):
        return _INT16, {}
    scheme = max78000.scheme_of(model)
    if scheme is None:
        name = _INT4 if tflite_int4.is_of_scheme(model) else _INT8
        fixed = tflite_int8.input_range_of(model)
        if fixed == input_ranges.SIGNED:
            return name, {}
        return name, {"input_range": [fixed.minimum, fixed.maximum]}
    return _MAX78000, {
        "weight_bits": dict(scheme.policy.overrides),
        "shift_quantile": scheme.policy.shift_quantile,
        "wide_output": scheme.wide_output,
    }


def _build_max78000(model: keras.Model, options: Any) -> keras.Model:
    bits = policy.Policy(
        overrides=options["weight_bits"], shift_quantile=options["shift_quantile"]
    )
    return max78000.build(model, max78000.Scheme(bits, options["wide_output"]))


# From a float model and the options to a model of the scheme.
def _build_int8(model: keras.Model, options: Any) -> keras.Model:
    return tflite_int8.build(model, _input_range(options))


def _build_int4(model: keras.Model, options: Any) -> keras.Model:
    return tflite_int4.build(model, _input_range(options))


def _input_range(options: Any) -> input_ranges.InputRange:
    if not options:
        return input_ranges.SIGNED
    low, high = options["input_range"]
    return input_ranges.InputRange(low, high)


_BUILDERS: dict[str, Callable[[keras.Model, Any], keras.Model]] = {
    _FLOAT: lambda model, options: model,
    _INT4: _build_int4,
    _INT8: _build_int8,
    _INT16: lambda model, options: tflite_int16x8.build(model),
    _MAX78000: _build_max78000,
    _GAP8: lambda model, options: gap8.build(model, options["num_bits"]),
}


def _arrays(model: keras.Model) -> list[Any]:
    """Returns [name, shape] of every weight, in the order of `get_weights`."""
    arrays = [[weight.name, weight.shape.as_list()] for weight in model.weights]
    return json.loads(json.dumps(arrays))


def _read_weights(path: pathlib.Path) -> list[np.ndarray]:
    try:
        # Read first: np.load leaves a file that it cannot read open.
        stream = io.BytesIO(path.read_bytes())
        with np.load(stream, allow_pickle=False) as archive:
            return [archive[f"arr_{index}"] for index in range(len(archive.files))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise errors.StorageError(f"cannot read {path}: {error}") from error
