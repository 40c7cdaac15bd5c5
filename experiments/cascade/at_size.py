"""A fully convolutional Keras network for pictures of another size.

    python experiments/cascade/at_size.py IN.h5 OUT.keras HEIGHT WIDTH

IN may be the folder of a run's stage, such as runs/lffd_mcu/float. Weights stay; a
Reshape to rows of cells takes as many as there are then.
"""

import pathlib
import sys

from tfpipeline.compat import keras
from tfpipeline.readers import keras_files


def at_size(model: keras.Model, height: int, width: int) -> keras.Model:
    """The same layers and weights behind an input of another size."""
    config = model.get_config()
    for layer in config["layers"]:
        inner = layer["config"]
        if layer["class_name"] == "InputLayer":
            key = "batch_input_shape" if "batch_input_shape" in inner else "batch_shape"
            inner[key] = (inner[key][0], height, width, inner[key][-1])
        if layer["class_name"] == "Reshape":
            inner["target_shape"] = (-1, *inner["target_shape"][1:])
    result = keras.Model.from_config(config)
    result.set_weights(model.get_weights())
    return result


def main(source: str, target: str, height: str, width: str) -> None:
    """Reads, rebuilds and writes."""
    model = keras_files.load(pathlib.Path(source))
    at_size(model, int(height), int(width)).save(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
