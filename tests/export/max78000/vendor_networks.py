"""Networks that the vendor's tool was given, with random weights from a fixed seed."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from tests import graph_builder
from tests.targets.max78000 import graph_networks
from tfpipeline.ir import graph
from tfpipeline.networks import catalog
from tfpipeline.targets.max78000 import folding, policy
from tfpipeline.targets.max78000 import spec as specs

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
    net = Builder((32, 32, 3), "mixed")
    net.conv(16, name="bits_8")
    net.pool()
    net.conv(32, name="bits_4")
    net.pool(kind=graph.AveragePool)
    net.conv(33, 1, clamp=graph.NO_CLAMP, name="bits_2")
    net.conv(20, padding="valid", name="bits_1")
    net.flatten()
    net.dense(10, name="logits")
    return net.build()


def _transposed() -> graph.Graph:
    net = Builder((10, 12, 3), "transposed")
    net.conv(12)
    net.transposed(8, cut=(1, 0), relu=False)
    net.conv(4, clamp=graph.NO_CLAMP)
    net.activation("abs")
    net.transposed(4, cut=(2, 1), relu=False)
    return net.build()


def _concatenated(*channels: int) -> graph.Graph:
    net = Builder((12, 12, 3), "concatenated")
    parts = [net.conv(count, source="input") for count in channels]
    whole = net.concat(*parts[1:], source=parts[0])
    net.conv(channels[0], 1, source=whole)
    net.concat(net.last, source=parts[0])
    net.conv(8)
    return net.build()


def _wide() -> graph.Graph:
    """Parts, sums and pools of several passes, read in several ways."""
    net = Builder((8, 8, 70), "wide")
    one, other = net.conv(64), net.conv(64, source="input")
    whole = net.concat(other, source=one)
    net.conv(128, 1, source=whole)
    net.join(graph.Sub, net.last, source=whole)
    net.pool()
    both = net.conv(100)
    net.join(graph.Add, net.conv(100, 1, source=both), source=both)
    net.join(graph.Add, both)
    net.mean()
    net.dense(10)
    return net.build()


def _joined() -> graph.Graph:
    """The input in a sum and in a concatenation, and sums one after another."""
    net = Builder((16, 16, 8), "joined")
    first = net.conv(8)
    second = net.join(graph.Add, first, source="input")
    third = net.conv(8, source=second)
    net.join(graph.Sub, second, source=third)
    net.concat(net.conv(8), source="input")
    net.conv(16)
    net.pool(kind=graph.AveragePool)
    net.flatten()
    net.dense(5)
    return net.build()


def _channels_apart() -> graph.Graph:
    net = Builder((120, 120, 3), "channels_apart")
    net.pool(2)
    net.conv(8)
    net.pool(4)
    net.conv(8)
    net.pool(3)
    net.flatten()
    net.dense(4)
    return net.build()


def _dilated() -> graph.Graph:
    net = Builder((60, 12), "dilated")
    net.conv(16, 3, dilation=2, padding=((2, 2),))
    net.conv(16, 3, dilation=7, padding="valid")
    net.conv(12, 2, dilation=9, padding="valid", clamp=graph.NO_CLAMP)
    net.pool(3, stride=2)
    net.conv(72, 9, padding="valid")
    net.flatten()
    net.dense(6)
    return net.build()


def _outputs() -> graph.Graph:
    net = Builder((12, 12, 3), "outputs")
    first = net.conv(8)
    net.pool()
    second = net.conv(16, clamp=graph.NO_CLAMP)
    net.conv(6)
    return net.build(first, second, net.last)


def _shared() -> graph.Graph:
    """Two layers with one kernel, which the device stores once."""
    net = Builder((10, 10, 8), "shared")
    net.conv(8, name="first")
    net.conv(8, name="second")
    net.layers[1] = dataclasses.replace(net.layers[1], weights="first/kernel")
    del net.tensors["second/kernel"], net.constants["second/kernel"]
    net.conv(4, 1)
    return net.build()


def _pixels(channels: int) -> graph.Graph:
    """Rows behind rows: of planes of one size and of several, shared, the input too."""
    net = Builder((12, 10, channels), "pixels")
    first = net.conv(channels)
    net.pool()
    small = net.reshape(3, 10, channels, source=net.conv(channels))
    whole = net.concat(small, source=first, axis=1)
    net.join(graph.Add, net.conv(channels, source=whole), source=whole)
    net.pool(5)
    end = net.mean(source=net.conv(8))
    net.concat(first, small, source="input", axis=1)
    net.pool(9)
    net.join(graph.Sub, net.mean(source=net.conv(8)), source=end)
    net.dense(5)
    return net.build()


def _lines() -> graph.Graph:
    """Pixels behind pixels of lines, one of them by a long dilated convolution."""
    net = Builder((24, 4), "lines")
    first = net.conv(8, dilation=5, padding="valid")
    both = net.concat(net.conv(8), source=first, axis=1)
    halves = net.pool(2, source=both), net.pool(4, source=both)
    net.concat(halves[1], source=halves[0], axis=1)
    net.conv(12)
    net.flatten()
    net.dense(3)
    return net.build()


def _nested() -> graph.Graph:
    """Channels of wholes of pixels, and pixels of a whole of channels."""
    net = Builder((6, 5, 4), "nested")
    first, second = net.conv(8), net.conv(8, source="input")
    third = net.conv(8)
    whole = net.concat(second, source=first, axis=1)
    net.concat(net.concat(third, source=second, axis=1), source=whole)
    both = net.last
    net.concat(both, source=net.conv(16), axis=1)
    net.pool(4)
    net.flatten(source=net.conv(4))
    net.dense(3)
    return net.build()


def _flattened() -> graph.Graph:
    """Dense layers behind a concatenation, and behind a layer further in front."""
    net = Builder((6, 6, 3), "flattened")
    parts = net.conv(64), net.conv(64, source="input")
    net.concat(parts[1], source=parts[0])
    net.flatten()
    first = net.dense(4, clamp=graph.RELU)
    net.flatten(source=parts[0])
    net.join(graph.Add, net.dense(4, clamp=graph.RELU), source=first)
    net.dense(3)
    return net.build()


def _depthwise() -> graph.Graph:
    """Inverted residuals of more channels than processors."""
    net = Builder((24, 20, 3), "depthwise")
    net.conv(16)
    net.pool()
    net.conv(96, 1)
    net.depthwise()
    first = net.conv(24, 1, clamp=graph.NO_CLAMP)
    net.conv(96, 1)
    net.depthwise(bias=False)
    net.join(graph.Add, net.conv(24, 1, clamp=graph.NO_CLAMP), source=first)
    net.pool(2, kind=graph.AveragePool)
    net.conv(64, 1)
    net.mean()
    net.dense(10)
    return net.build()


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, the bits of its weights and the device.

    The tool logs all layers' outputs, or fails where two share a kernel.
    """

    build: Callable[[], graph.Graph]
    weights: policy.Policy = dataclasses.field(default_factory=policy.Policy)
    logs_all: bool = True
    spec: specs.Spec = specs.MAX78000

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
    "pixels": Case(lambda: _pixels(8)),
    "lines": Case(_lines),
    "nested": Case(_nested),
    "depthwise_78002": Case(_depthwise, spec=specs.MAX78002),
    "wide_78002": Case(_wide, spec=specs.MAX78002),
    "pixels_78002": Case(lambda: _pixels(72), spec=specs.MAX78002),
    "shared": Case(_shared, logs_all=False),
}
