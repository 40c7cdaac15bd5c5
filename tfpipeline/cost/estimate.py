"""What a network costs on one target: the shape of the result, the same for all.

A target fills it in; who prints or compares it needs to know no target.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from tfpipeline.cost import activations, occupancy, operations, weights
from tfpipeline.ir import graph


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may choose about an estimate.

    Attributes:
        weight_bits: width of weights that are not quantized yet; `None` for 8.
            Targets without that width say so and count 8.
        layer_bits: by layer name, other widths of weights (MAX78000).
        activation_bits: width of activations that are not quantized yet, 8 or 16.
        fold: side of the blocks of pixels that the input's channels take up (MAX78000).
        split_kernels: whether kernels that are too large become several 3x3 (MAX78000).
        clock_hz: instead of the target's own clock.
        latency_models: names of the models wanted; empty for all.
        to_tflite: gives the network as a file, for targets with a compiler that takes
            one; `None` where there is a graph only.
    """

    weight_bits: int | None = None
    layer_bits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    activation_bits: int = activations.DEFAULT_BITS
    fold: int = 1
    split_kernels: bool = False
    clock_hz: float | None = None
    latency_models: tuple[str, ...] = ()
    to_tflite: Callable[[], bytes] | None = None

    def wants(self, model: str) -> bool:
        """Whether the latency model of this name is to be reported."""
        return not self.latency_models or model in self.latency_models


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """One line of the estimate; `latency_cycles` by latency model."""

    name: str
    kind: str
    macs: int
    macc: int
    comp: int
    add: int
    mul: int
    bitwise: int
    weight_bytes: int
    latency_cycles: Mapping[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """One inference by one model; the truth within +- `relative_error` of it.

    Attributes:
        cycles: of the whole network, what is spent outside of its layers included.
        seconds: at the clock that was asked for.
        relative_error: a share, `None` where nobody compared with hardware.
        joules: energy, `None` where the target was never measured.
        evidence: how the model is known, in a word or two for tables; empty where the
            target has one kind only, which its page tells.
    """

    cycles: float
    seconds: float
    relative_error: float | None = None
    joules: float | None = None
    evidence: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """A network on a target.

    Attributes:
        target: its name.
        layers: as the target runs them, which may be other than the graph's.
        latency: by model; empty where there is no model.
        memory: named sizes in bytes.
        violations: why the network cannot run there, one line each; empty if it can.
        notes: what a reader of the figures must know, one line each.
        sections: further text, a title each.
        maps: memories over the time of an inference.
    """

    target: str
    layers: tuple[Layer, ...]
    latency: Mapping[str, Latency]
    memory: Mapping[str, int]
    violations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sections: Mapping[str, str] = dataclasses.field(default_factory=dict)
    maps: tuple[occupancy.Occupancy, ...] = ()

    @property
    def totals(self) -> Layer:
        """The sums of the layers; cycles of a model are those of the network."""
        return total(
            self.layers, {name: found.cycles for name, found in self.latency.items()}
        )

    def macs_per_cycle(self, model: str) -> float:
        """Multiply-accumulates a cycle, the unit to compare targets in."""
        cycles = self.latency[model].cycles
        return self.totals.macs / cycles if cycles else 0.0


def refused(target: str, violations: Sequence[str]) -> Estimate:
    """Of a network of which some layer has no form at all on the target."""
    return Estimate(
        target=target, layers=(), latency={}, memory={}, violations=tuple(violations)
    )


def graph_layer(
    g: graph.Graph, layer: graph.Layer, latency_cycles: Mapping[str, float]
) -> Layer:
    """The line of a layer that a target runs as it stands in the graph."""
    counts = operations.count(g, layer)
    return Layer(
        name=layer.name,
        kind=layer.kind,
        macs=counts.macc,
        **counts.by_name(),
        weight_bytes=weights.weight_bytes(g, layer),
        latency_cycles=latency_cycles,
    )


def total(layers: Sequence[Layer], latency_cycles: Mapping[str, float]) -> Layer:
    """A line named `total` with the sums of the layers' counts and bytes."""
    summed = ("macs", "macc", "comp", "add", "mul", "bitwise", "weight_bytes")
    return Layer(
        name="total",
        kind="",
        latency_cycles=latency_cycles,
        **{field: sum(getattr(layer, field) for layer in layers) for field in summed},
    )
