"""The child process of `keras3_files`: what a file of Keras 3 holds and computes.

`main(FOLDER)` reads the one model there and leaves `weights.npz`, `layers.json` and
`trials.npz`. It runs without our choice of Keras 2, and imports nothing of ours.
"""

import json
import pathlib
import resource
import sys
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

# Bytes of a file that it may write, and seconds of its processor.
_MAX_FILE_BYTES = 1 << 32
_MAX_SECONDS = 900
# Of an input whose size is open.
_OPEN_SIZE = 32


def main(folder: pathlib.Path, trials: int) -> None:
    """Reads the model in `folder`, which was checked before.

    Args:
        folder: holds `model.keras` or `model.h5`, and gets the results.
        trials: how many random inputs in [-1, 1) it is run on.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_FILE_BYTES, _MAX_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_MAX_SECONDS, _MAX_SECONDS))
    [path] = folder.glob("model.*")
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    arrays: dict[str, Any] = {}
    layers = []
    for names, layer in _layers(model, ()):
        values = [np.asarray(weight) for weight in layer.weights]
        layers.append([list(names), len(values)])
        for value in values:
            arrays[f"array_{len(arrays)}"] = value
    np.savez(folder / "weights.npz", **arrays)
    random = np.random.default_rng(0)
    inputs = [_drawn(random, trials, tensor) for tensor in model.inputs]
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    named = {f"input_{i}": value for i, value in enumerate(inputs)}
    named |= {f"output_{i}": np.asarray(value) for i, value in enumerate(outputs)}
    stored: dict[str, Any] = named
    np.savez(folder / "trials.npz", **stored)
    (folder / "layers.json").write_text(json.dumps(layers), encoding="utf-8")


def _layers(model: Any, prefix: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """Every layer that is no model, with its name behind those of its models."""
    for layer in model.layers:
        names = (*prefix, layer.name)
        if hasattr(layer, "layers") and not hasattr(layer, "layer"):
            yield from _layers(layer, names)
        else:
            yield names, layer


def _drawn(random: np.random.Generator, trials: int, tensor: Any) -> Any:
    shape = (trials, *(size or _OPEN_SIZE for size in tensor.shape[1:]))
    if "float" in str(tensor.dtype):
        return random.uniform(-1, 1, shape).astype(np.float32)
    return random.integers(0, 2, shape).astype(str(tensor.dtype))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
