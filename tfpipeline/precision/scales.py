"""One scale for each activation of a float graph, from its range."""

import dataclasses
from collections.abc import Mapping

from tfpipeline import errors
from tfpipeline.ir import graph, layer_rules
from tfpipeline.numerics import affine
from tfpipeline.precision import formats, ranges


@dataclasses.dataclass(frozen=True)
class Scales:
    """Quantization of activations.

    Attributes:
        quants: of every activation but positions, which are plain integers, and of
            constants that are operands; slopes have 8 bits beside any activations.
        requantized: (layer, position) of inputs of layers that join operands, such as
            Concat, that need other integers than they have.
    """

    quants: Mapping[str, graph.QuantParams]
    requantized: frozenset[tuple[str, int]]


def choose(g: graph.Graph, found: ranges.Ranges, form: formats.Format) -> Scales:
    """Gives tensors that layers only move values between one scale, others their own.

    A Concat, a pool, a reshape and others copy integers: what they read and write has
    one scale, of the range of all of it. Softmax, sigmoid and tanh write a scale that
    their integers fix; a Concat or Pack reads them through a Requantize. What an LSTM
    writes is its hidden state; its cell has 16 bits (`affine.of_cell`).

    Raises:
        UsageError: a tensor has no range.
    """
    limits = dict(found)
    for layer in g.layers:
        for name in layer.inputs:
            if name in g.constants:
                values = g.constants[name]
                limits[name] = (float(values.min()), float(values.max()))
    names = [*g.inputs, *(n for layer in g.layers for n in graph.written_names(layer))]
    names += [n for layer in g.layers for n in graph.state_names(layer)]
    missing = [name for name in names if name not in limits]
    if missing:
        raise errors.UsageError(f"no range for the tensor '{missing[0]}'")
    fixed = _fixed(g, form)
    groups = _Groups(limits)
    moving = [layer for layer in g.layers if _keeps_scale(layer)]
    for layer in moving:
        if not isinstance(layer, layer_rules.JOINING):
            for name in graph.written_names(layer):
                groups.join(layer.inputs[0], name)
    for layer in g.layers:
        if isinstance(layer, graph.Lstm):
            groups.join(layer.states[0], layer.output)
    requantized = set()
    for layer in (x for x in moving if isinstance(x, layer_rules.JOINING)):
        own = {groups.of(name) for name in fixed}
        for position, name in enumerate(layer.inputs):
            if groups.of(name) in own:
                requantized.add((layer.name, position))
            else:
                groups.join(name, layer.output)
    slopes = {x.inputs[1] for x in g.layers if isinstance(x, graph.PRelu)}
    by_group = {
        groups.of(name): affine.of_observed(
            *groups.limits(name), 8 if name in slopes else form.activation_bits
        )
        for name in limits
    }
    if form.has_power_of_two_steps:
        by_group = {
            key: dataclasses.replace(quant, scale=affine.powers_of_two(quant.scale))
            for key, quant in by_group.items()
        }
    by_group.update({groups.of(name): quant for name, quant in fixed.items()})
    positions = {x.output for x in g.layers if isinstance(x, graph.Position)}
    quants = {
        name: by_group[groups.of(name)] for name in limits if name not in positions
    }
    for layer in g.layers:
        if isinstance(layer, graph.Lstm):
            quants[layer.states[1]] = affine.of_cell(*limits[layer.states[1]])
    return Scales(quants, frozenset(requantized))


def _keeps_scale(layer: graph.Layer) -> bool:
    """RELU6 on its own writes the integers that it compares: activations.h."""
    is_relu6 = isinstance(layer, graph.Activation) and layer.function == "relu6"
    return is_relu6 or isinstance(layer, layer_rules.SCALE_KEEPING)


def _fixed(g: graph.Graph, form: formats.Format) -> dict[str, graph.QuantParams]:
    """Outputs whose scale their function has by itself."""
    result = {}
    for layer in g.layers:
        name = getattr(layer, "function", layer.kind.lower())
        fixed = affine.FIXED_OUTPUTS.get((name, form.activation_type))
        if fixed is not None:
            scale, zero_point = fixed
            result[layer.output] = graph.QuantParams(
                (scale,), (zero_point,), form.activation_bits
            )
    return result


class _Groups:
    """Tensors that share a scale, and the range of each group."""

    def __init__(self, limits: ranges.Ranges):
        self._parents = {name: name for name in limits}
        self._limits = dict(limits)

    def of(self, name: str) -> str:
        """The group of a tensor: the name of one of them."""
        while self._parents[name] != name:
            name = self._parents[name]
        return name

    def join(self, first: str, second: str) -> None:
        """Makes one group of two."""
        a, b = self.of(first), self.of(second)
        pairs = zip(self._limits[a], self._limits[b], (min, max), strict=True)
        low, high = (choose(x, y) for x, y, choose in pairs)
        self._parents[a] = b
        self._limits[b] = (low, high)

    def limits(self, name: str) -> tuple[float, float]:
        """The range of a tensor's group."""
        return self._limits[self.of(name)]
