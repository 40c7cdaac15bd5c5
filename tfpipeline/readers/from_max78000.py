"""Reads a model of the MAX78000 scheme into a graph of the accelerator's integers."""

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.ir import graph
from tfpipeline.keras_networks import float_twin
from tfpipeline.quantization.max78000 import scheme as max78000
from tfpipeline.readers import from_keras
from tfpipeline.targets.max78000 import quantize


def read(qat_model: keras.Model, *, name: str | None = None) -> graph.Graph:
    """The integers that the model computes with, trained or only prepared (PTQ).

    Args:
        qat_model: as from `max78000.prepare_qat` or `build`.
        name: of the graph; the model's own if `None`.

    Returns:
        A graph as `targets.max78000.quantize.quantize` makes it.

    Raises:
        QuantizationError: the model is of another scheme.
        GraphError: a layer that the graph does not have.
    """
    g, scheme = float_network(qat_model, name=name)
    return quantize.quantize(g, scheme.policy, wide_output=scheme.wide_output)


def float_network(
    qat_model: keras.Model, *, name: str | None = None
) -> tuple[graph.Graph, max78000.Scheme]:
    """The float network that `read` rounds, and by which scheme.

    Raises:
        QuantizationError, GraphError: as `read`.
    """
    scheme = max78000.scheme_of(qat_model)
    if scheme is None:
        raise errors.QuantizationError(
            f"model {qat_model.name!r} is not quantized for the MAX78000; use "
            "tfpipeline.quantization.max78000.scheme.prepare_qat"
        )
    twin = float_twin.extract(qat_model)
    return from_keras.read(twin, name=name or qat_model.name), scheme
