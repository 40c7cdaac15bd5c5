"""Where a number format loses: the error of each layer against the float graph.

The measure is the signal-to-quantization-noise ratio, `10 log10(sum x**2 / sum (x -
q)**2)` in decibels, over all values of all images: 6 dB are one bit. It is taken twice:

* accumulated: `q` is what the integer graph computes from the integer image.
* alone: `q` is what the one layer computes from the float graph's inputs of it, as
  integers. What layers before it lost is not in it, what rounding its inputs costs is.
"""

import dataclasses
import math

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.numerics import affine
from tfpipeline.precision import matching
from tfpipeline.simulate import (
    execution,
    float_execution,
    reference_kernels,
    vector_kernels,
)

Array = graph.Array


@dataclasses.dataclass(frozen=True)
class LayerError:
    """One layer's output over all images.

    Attributes:
        name: of the layer in the float graph.
        kind: of the layer.
        signal: sum of the squares of the float values.
        accumulated_noise: sum of the squares of what the whole integer graph errs.
        alone_noise: of what the layer alone errs.
    """

    name: str
    kind: str
    signal: float
    accumulated_noise: float
    alone_noise: float

    @property
    def accumulated_db(self) -> float:
        """Infinite without an error; not a number where all is zero."""
        return decibels(self.signal, self.accumulated_noise)

    @property
    def alone_db(self) -> float:
        """As `accumulated_db`."""
        return decibels(self.signal, self.alone_noise)


def decibels(signal: float, noise: float) -> float:
    """The ratio of two sums of squares; see `LayerError`."""
    if signal == 0:
        return math.nan
    return math.inf if noise == 0 else 10 * math.log10(signal / noise)


def measure(
    float_graph: graph.Graph, integer_graph: graph.Graph, images: Array
) -> tuple[LayerError, ...]:
    """Measures every layer, in the order of the float graph.

    Args:
        float_graph: a verified float graph with one input.
        integer_graph: the same network in integers that `simulate` computes.
        images: real inputs `[N, ...]`, N >= 1.

    Raises:
        GraphError: the graphs are not of one network, or not simulated.
        UsageError: the images do not fit.
    """
    pairs = matching.match(float_graph, integer_graph)
    execution.require_supported(integer_graph)
    size = float_execution.BATCH_SIZE if execution.keeps_batch(integer_graph) else 1
    sums = np.zeros((len(pairs), 3))
    for start in range(0, len(images), size):
        part = images[start : start + size]
        real = float_execution.activations(float_graph, part)
        source = _integers(integer_graph, integer_graph.inputs[0], part)
        computed = execution.activations(
            integer_graph, [source], vector_kernels.KERNELS
        )
        for row, pair in enumerate(pairs):
            x = real[pair[0].output]
            alone = _alone(integer_graph, pair, real, float_graph)
            sums[row, 0] += (x**2).sum()
            for column, values in enumerate((computed[pair[1].output], alone), 1):
                error = x - _real(integer_graph, pair[1].output, values)
                sums[row, column] += (error**2).sum()
    return tuple(
        LayerError(layer.name, layer.kind, *map(float, row))
        for (layer, _), row in zip(pairs, sums, strict=True)
    )


def _alone(
    integer_graph: graph.Graph,
    pair: matching.Pair,
    real: dict[str, Array],
    float_graph: graph.Graph,
) -> Array:
    """What the integer layer computes from the float graph's inputs."""
    layer, own = pair
    operands = []
    for name, source in zip(own.inputs, layer.inputs, strict=True):
        if name in integer_graph.constants:
            operands.append(integer_graph.constants[name])
        else:
            values = real.get(source, float_graph.constants.get(source))
            assert values is not None
            operands.append(_integers(integer_graph, name, values))
    found = vector_kernels.KERNELS[type(own)](integer_graph, own, operands)
    return reference_kernels.listed(found)[0]


def _integers(g: graph.Graph, name: str, values: Array) -> Array:
    tensor = g.tensors[name]
    assert tensor.quant is not None
    return affine.quantized(values.astype(np.float64), tensor.quant, tensor.dtype)


def _real(g: graph.Graph, name: str, values: Array) -> Array:
    quant = g.tensors[name].quant
    # A position is what it is.
    return values if quant is None else affine.dequantized(values, quant)
