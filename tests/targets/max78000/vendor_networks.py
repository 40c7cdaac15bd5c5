"""Networks that the vendor's tool was run on, from the files beside the project."""

import dataclasses
import json
import os
import pathlib

import numpy as np

from tfpipeline.targets.max78000 import accelerator_layer, program

_ROOT = pathlib.Path(__file__).resolve().parents[3]
_SHARED = pathlib.Path(os.environ.get("TFPIPELINE_SHARED", _ROOT.parent / "shared"))
FOLDER = _SHARED / "reference" / "max78000"


def hardware(row: dict) -> accelerator_layer.AcceleratorLayer:
    """One layer of a network's JSON file."""
    eltwise = None if row["eltwise"] == "none" else row["eltwise"]
    return accelerator_layer.AcceleratorLayer(
        operator=row["op"],
        in_channels=row["in_channels"],
        in_dim=tuple(row["in_dim"]),
        out_channels=row["out_channels"],
        processors=int(row["processors"], 16),
        output_processors=int(row["output_processors"], 16),
        kernel=tuple(row["kernel"]),
        pad=tuple(row["pad"]),
        stride=tuple(row["stride"]),
        dilation=tuple(row["dilation"]),
        groups=row["groups"],
        pool=tuple(row["pool"] or (1, 1)),
        pool_stride=tuple(row["pool_stride"]),
        pool_type=row["pool_type"],
        pool_dilation=tuple(row["pool_dilation"]),
        pool_first=row["pool_first"],
        eltwise=eltwise,
        # Inputs that are concatenated count as one operand.
        operands=1 if eltwise is None else row["operands"],
        flatten=row["flatten"],
        activation=row["activation"],
        weight_bits=row["weight_bits"] or 8,
        # The tool drops a bias that is all zero, and then counts none.
        bias=row["bias_count"] > 0,
        output_width=row["output_width"],
        streaming=row["streaming"],
        name=row["name"],
    )


def known_answer(
    path: pathlib.Path,
) -> tuple[program.Program, np.ndarray, list[np.ndarray]]:
    """The program of a `.kat.npz` file, its image, and what the tool found.

    The JSON file of the same name describes the layers.

    Returns:
      the program; int8 `[1, rows, columns, channels]`; every layer's output
      `[channels, rows, columns]`.
    """
    name = path.name.removesuffix(".kat.npz")
    text = path.with_name(f"{name}.json").read_text(encoding="utf-8")
    rows = json.loads(text)["layers"]
    with np.load(path) as file:
        arrays = dict(file)
    layers = tuple(_layer(row, arrays) for row in rows)
    image = arrays["input"].transpose(1, 2, 0)
    found = [arrays[f"L{index}_out"] for index in range(len(layers))]
    return program.Program(input_shape=image.shape, layers=layers), image[None], found


def _layer(row: dict, arrays: dict) -> program.Layer:
    prefix = f"L{row['index']}_"
    bias = arrays.get(prefix + "b")
    layer = dataclasses.replace(hardware(row), bias=bias is not None)
    weights = arrays.get(prefix + "w") if layer.convolves else None
    if weights is not None:
        outputs, inputs = weights.shape[:2]
        # Of a 1-D kernel the columns are left out.
        weights = weights.reshape(outputs, inputs, *layer.kernel).transpose(0, 2, 3, 1)
    return program.Layer(
        hardware=layer,
        inputs=tuple(row["in_sequences"] or [row["index"] - 1]),
        weights=weights,
        bias=bias,
        output_shift=int(arrays[prefix + "shift"]) if layer.convolves else 0,
    )
