"""The float network as a `.tflite`: what deployment without quantization costs."""

import hashlib
import os
from typing import Any

from export.tflite import tracing
from tfpipeline import errors, marked_folder
from tfpipeline.compat import keras, tf

MODEL_FILE = "model.tflite"


def convert(model: keras.Model) -> bytes:
    """Converts a float Keras network to a float32 `.tflite` of batch 1.

    Raises:
        ExportError: the network does not convert.
    """
    try:
        return bytes(tracing.converter(model).convert())
    except (ValueError, RuntimeError, TypeError, tf.errors.OpError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise errors.ExportError(
            f"'{model.name}' does not convert to float32 TFLite: {first}"
        ) from error


def export(model: keras.Model, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Writes `model.tflite` as the folder `path`.

    Returns:
        {"model_bytes", "model_sha256"}.

    Raises:
        ExportError: the network does not convert.
        ForeignFileError: the folder holds what is not ours.
        StorageError: the folder cannot be written.
    """
    flat = convert(model)
    marked_folder.write(path, {MODEL_FILE: flat})
    return {
        "model_bytes": len(flat),
        "model_sha256": hashlib.sha256(flat).hexdigest(),
    }
