"""Networks that the vendor's tool was given, with random weights from a fixed seed."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from tests.targets.max78000 import graph_builder, graph_networks
from tfpipeline.ir import graph
from tfpipeline.networks import catalog
from tfpipeline.targets.max78000 import folding, policy

Builder = graph_builder.Builder

# Of a kernel of n inputs: its values are normal, and this by the root of n apart, so
# that results neither vanish nor all saturate.
_SPREAD = 1.6


def randomized(g: graph.Graph, seed: int = 0) -> graph.Graph:
    """The graph with random kernels and biases."""
    rng = np.random.default_rng(seed)
    constants = {}
    for name, values in g.constants.items():
        spread = 0.2 if values.ndim == 1 else _SPREAD / math.sqrt(values[0].size)
        constants[name] = rng.normal(0, spread, values.shape).astype(np.float32)
    return dataclasses.replace(g, constants=constants)


def _mixed() -> graph.Graph:
    net = Builder(32, 32, 3)
    net.conv(16, name="bits_8")
    net.pool()
    net.conv(32, name="bits_4")
    net.pool(kind=graph.AveragePool)
    net.conv(33, 1, clamp=graph.NO_CLAMP, name="bits_2")
    net.conv(20, padding="valid", name="bits_1")
    net.reshape()
    net.dense(10, name="logits")
    return net.build(name="mixed")


def _transposed() -> graph.Graph:
    net = Builder(10, 12, 3)
    net.conv(12)
    net.transpose(8)
    net.conv(4, clamp=graph.NO_CLAMP)
    net.like(graph.Activation, function="abs")
    net.transpose(4, cut=(2, 1))
    return net.build(name="transposed")


def _concatenated(*channels: int) -> graph.Graph:
    net = Builder(12, 12, 3)
    parts = [net.conv(count, source="image") for count in channels]
    whole = net.concat(*parts)
    net.conv(channels[0], 1, source=whole)
    net.concat(parts[0], net.last)
    net.conv(8)
    return net.build(name="concatenated")


def _wide() -> graph.Graph:
    """Parts, sums and pools of several passes, read in several ways."""
    net = Builder(8, 8, 70)
    one, other = net.conv(64), net.conv(64, source="image")
    whole = net.concat(one, other)
    net.conv(128, 1, source=whole)
    net.merge(whole, net.last, kind=graph.Sub)
    net.pool()
    both = net.conv(100)
    net.merge(both, net.conv(100, 1, source=both))
    net.merge(net.last, both)
    net.mean()
    net.dense(10)
    return net.build(name="wide")


def _joined() -> graph.Graph:
    """The input in a sum and in a concatenation, and sums one after another."""
    net = Builder(16, 16, 8)
    first = net.conv(8)
    second = net.merge("image", first)
    third = net.conv(8, source=second)
    net.merge(third, second, kind=graph.Sub)
    net.concat("image", net.conv(8))
    net.conv(16)
    net.pool(kind=graph.AveragePool)
    net.reshape()
    net.dense(5)
    return net.build(name="joined")


def _channels_apart() -> graph.Graph:
    net = Builder(120, 120, 3)
    net.pool(2)
    net.conv(8)
    net.pool(4)
    net.conv(8)
    net.pool(3)
    net.reshape()
    net.dense(4)
    return net.build(name="channels_apart")


def _dilated() -> graph.Graph:
    net = Builder(60, 12)
    net.conv(16, 3, dilation=2, padding=((2, 2),))
    net.conv(16, 3, dilation=7, padding="valid")
    net.conv(12, 2, dilation=9, padding="valid", clamp=graph.NO_CLAMP)
    net.pool(3, strides=2)
    net.conv(72, 9, padding="valid")
    net.reshape()
    net.dense(6)
    return net.build(name="dilated")


def _outputs() -> graph.Graph:
    net = Builder(12, 12, 3)
    first = net.conv(8)
    net.pool()
    second = net.conv(16, clamp=graph.NO_CLAMP)
    net.conv(6)
    return net.build(first, second, net.last, name="outputs")


def _shared() -> graph.Graph:
    """Two layers with one kernel, which the device stores once."""
    net = Builder(10, 10, 8)
    net.conv(8, name="first")
    net.conv(8, name="second")
    net.layers[1] = dataclasses.replace(net.layers[1], weights="first/kernel")
    del net.tensors["second/kernel"], net.constants["second/kernel"]
    net.conv(4, 1)
    return net.build(name="shared")


def _flattened() -> graph.Graph:
    """Dense layers behind a concatenation, and behind a layer further in front."""
    net = Builder(6, 6, 3)
    parts = net.conv(64), net.conv(64, source="image")
    net.concat(*parts)
    net.reshape()
    first = net.dense(4, clamp=graph.RELU)
    net.reshape(source=parts[0])
    net.merge(first, net.dense(4, clamp=graph.RELU))
    net.dense(3)
    return net.build(name="flattened")


@dataclasses.dataclass(frozen=True)
class Case:
    """A network and the bits of its weights.

    The tool logs all layers' outputs, or fails where two share a kernel.
    """

    build: Callable[[], graph.Graph]
    weights: policy.Policy = dataclasses.field(default_factory=policy.Policy)
    logs_all: bool = True

    def graph(self) -> graph.Graph:
        """The float graph with random weights."""
        return randomized(self.build())


_MIXED = policy.Policy(overrides={f"bits_{bits}": bits for bits in (1, 2, 4, 8)})

CASES = {
    **{
        name: Case(lambda name=name: catalog.load(name))
        for name in (
            *("facenet_v1", "facenet_v2", "facenet_v6", "facenet_v7"),
            *("cmsisnet", "nascifarnet", "simplenet"),
        )
    },
    "facenet_v3": Case(
        lambda: catalog.load("facenet_v3"), policy.Policy(weight_bits=4)
    ),
    "facenet_v6_folded": Case(lambda: folding.fold(catalog.load("facenet_v6"), 2)),
    "residual": Case(graph_networks.ressimplenet),
    "conv1d": Case(graph_networks.keywords),
    "mixed": Case(_mixed, _MIXED),
    "transposed": Case(_transposed),
    "concatenated": Case(lambda: _concatenated(16, 16)),
    "wide": Case(_wide),
    "joined": Case(_joined),
    "channels_apart": Case(_channels_apart),
    "dilated": Case(_dilated),
    "outputs": Case(_outputs),
    "flattened": Case(_flattened),
    "shared": Case(_shared, logs_all=False),
}
