"""A program's integers in the layouts of a PyTorch checkpoint.

The vendor's tool walks the checkpoint in order: each `weight` is that of the next layer
that has one (ai8x-synthesis ab4f4c0, izer/checkpoint.py). A bias counts in units of
2**(bits - 1); the tool adds 8 - bits to the shift.
"""

import numpy as np
import numpy.typing as npt

from tfpipeline.targets.max78000 import lowering, program

Floats = npt.NDArray[np.float32]


def state(lowered: lowering.Lowered, p: program.Program) -> dict[str, Floats]:
    """Tensors by name, of all layers with weights, in the order of execution."""
    result: dict[str, Floats] = {}
    for step, layer in zip(lowered.steps, p.layers, strict=True):
        if layer.weights is None:
            continue
        bits = layer.hardware.weight_bits
        result[f"{step.name}.op.weight"] = _kernel(layer)
        if layer.bias is not None:
            unit = np.float32(2 ** (bits - 1))
            result[f"{step.name}.op.bias"] = layer.bias.astype(np.float32) * unit
        shift = layer.output_shift - (8 - bits)
        result[f"{step.name}.output_shift"] = np.array([shift], np.float32)
        result[f"{step.name}.weight_bits"] = np.array([bits], np.float32)
    return result


def _kernel(layer: program.Layer) -> Floats:
    """`[out, in, rows, columns]`, `[out, in, length]`, or `[out, in]`.

    That of a transposed convolution is `[in, out, rows, columns]` and not turned
    around.
    """
    assert layer.weights is not None
    weights = layer.weights.astype(np.float32)
    operator = layer.hardware.operator
    if operator == "linear":
        return weights.reshape(len(weights), -1)
    kernel = weights.transpose(0, 3, 1, 2)
    if operator == "conv1d":
        return kernel[..., 0]
    if operator == "convtranspose2d":
        return kernel.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    return kernel
