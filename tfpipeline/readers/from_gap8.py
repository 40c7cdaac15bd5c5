"""Reads a model of the GAP8 scheme into a program of the chip's integers."""

from tfpipeline.compat import keras
from tfpipeline.keras_networks import float_twin
from tfpipeline.quantization.gap8 import scheme as gap8
from tfpipeline.readers import from_keras
from tfpipeline.targets.gap8 import program, quantize


def read(qat_model: keras.Model, *, name: str | None = None) -> program.Program:
    """The integers that the model computes with, trained or only prepared.

    Args:
        qat_model: as from `gap8.prepare_qat`, or `build` with stored weights.
        name: of the program; the model's own if `None`.

    Raises:
        QuantizationError: the model is of another scheme, or training has moved weights
            to where the kernels cannot compute with them.
        GraphError: a layer that the graph does not have.
    """
    num_bits = gap8.num_bits_of(qat_model)
    twin = float_twin.extract(qat_model)
    g = from_keras.read(twin, name=name or qat_model.name)
    magnitudes = gap8.magnitudes_of(qat_model, g)
    raw_input = magnitudes[g.inputs[0]] == 2.0 ** (num_bits - 1)
    return quantize.quantize(g, magnitudes, num_bits=num_bits, raw_input=raw_input)
