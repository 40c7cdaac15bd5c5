"""Random networks for the vendor's tool, by number: joins of every kind, thin maps.

Those from `FIRST_OF_PIXELS` on join pixels too. Every third begins with a chain of
convolutions of larger maps, and has a memory that does not hold it but for streams and
layers that write over what they have read.
"""

import dataclasses
import math

import numpy as np

from export.max78000 import network
from tests import graph_builder
from tests.export.max78000 import vendor_networks
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import spec as specs

_CHANNELS = (4, 8, 12, 16, 24, 64)
FIRST_OF_PIXELS = 300


class _Maker:
    """A network in the making; `tensors` may be read by what comes next."""

    def __init__(self, seed: int) -> None:
        self.joins_pixels = seed >= FIRST_OF_PIXELS
        self.rng = np.random.default_rng(seed)
        self.net = graph_builder.Builder(self._shape(), f"random_{seed}")
        self.tensors = [self.net.last]

    def begin_with_a_chain(self) -> None:
        """Two to four convolutions, some of them pooled, mostly without a bias."""
        sides = [int(n) for n in self.rng.integers(16, 29, 2)]
        channels = int(self.rng.choice((1, 3, 4, 12, 16)))
        self.net = graph_builder.Builder((*sides, channels), self.net.name)
        for _ in range(self.rng.integers(2, 5)):
            if self.rng.random() < 0.4 and min(self.net.shape()[1:3]) > 7:
                self.net.pool()
            self.net.conv(
                int(self.rng.choice((4, 8, 12, 16, 32))),
                int(self.rng.choice((1, 3, 3))),
                bias=(False, 1.0)[int(self.rng.random() < 0.1)],
            )
        self.tensors = [self.net.last]

    def graph(self) -> graph.Graph:
        """Two to nine layers, and an end that may be a vector."""
        for _ in range(self.rng.integers(2, 10)):
            self._step()
        if self.rng.random() < 0.6:
            self._end()
        outputs = [self.net.last]
        if self.rng.random() < 0.15:
            others = [name for name in self.tensors[1:] if name != self.net.last]
            outputs = [*self._some(others, 1), self.net.last]
        _drop_unread(self.net, outputs)
        return vendor_networks.randomized(self.net.build(*outputs), seed=1)

    def _shape(self) -> tuple[int, ...]:
        length = int(self.rng.integers(4, 25))
        channels = int(self.rng.choice((1, 3, 4, 8, 12, 16, 64, 70)))
        wide = int(self.rng.integers(4, 17))
        shapes = (
            (1, length, channels),
            (length, 1, channels),
            (length, channels),
            (length, wide, channels),
        )
        return shapes[self.rng.choice(4, p=(0.3, 0.2, 0.2, 0.3))]

    def _some(self, names: list[str], count: int) -> list[str]:
        if not names:
            return []
        chosen = self.rng.choice(len(names), size=min(count, len(names)), replace=False)
        return [names[i] for i in chosen]

    def _source(self) -> str:
        """Mostly the latest."""
        if self.rng.random() < 0.7:
            return self.tensors[-1]
        return self._some(self.tensors, 1)[0]

    def _step(self) -> None:
        source = self._source()
        kinds = (self._conv, self._pool, self._sum, self._concat)
        if self.joins_pixels and self.rng.random() < 0.25:
            self._join_pixels(source)
        else:
            kinds[self.rng.choice(4, p=(0.45, 0.13, 0.27, 0.15))](source)
        self.tensors.append(self.net.last)

    def _conv(self, source: str, channels: int | None = None) -> str:
        shape = self.net.shape(source)
        if channels is None:
            channels = int(self.rng.choice(_CHANNELS))
        size: int | tuple[int, int] = int(self.rng.choice((1, 3)))
        if len(shape) == 4 and min(shape[1:3]) == 1 and self.rng.random() < 0.6:
            size = (1, size) if shape[1] == 1 else (size, 1)
        clamp = graph.RELU if self.rng.random() < 0.7 else graph.NO_CLAMP
        bias = (False, 1.0)[self.rng.integers(2)]
        return self.net.conv(channels, size, source=source, clamp=clamp, bias=bias)

    def _pool(self, source: str) -> None:
        shape = self.net.shape(source)
        kind = (graph.MaxPool, graph.AveragePool)[self.rng.integers(2)]
        size: int | tuple[int, int] = 2
        if len(shape) == 4 and min(shape[1:3]) < 2:
            size = (1, 2) if shape[1] < 2 else (2, 1)
        if max(shape[1:-1]) < 4 or shape[-1] > 64:
            self._conv(source)
        elif size != 2:
            # A stride of one row in front of two-dimensional layers is not square.
            self.net.pool(size, source=source, kind=kind)
            self._conv(self.net.last)
        else:
            self.net.pool(size, source=source, kind=kind)

    def _alike(self, source: str, *, channels: bool) -> list[str]:
        end = None if channels else -1
        wanted = self.net.shape(source)[:end]
        return [name for name in self.tensors if self.net.shape(name)[:end] == wanted]

    def _sum(self, source: str) -> None:
        kind = (graph.Add, graph.Sub)[self.rng.integers(2)]
        [other] = self._some(self._alike(source, channels=True), 1)
        if other == source or self.rng.random() < 0.3:
            other = self._conv(source, self.net.shape(source)[-1])
            self.tensors.append(other)
        self.net.join(kind, other, source=source)

    def _concat(self, source: str) -> None:
        channels = self.net.shape(source)[-1]
        others = self._some(self._alike(source, channels=True), 2)
        others = [name for name in others if name != source]
        if not others or channels % 4 or channels * (len(others) + 1) > 64:
            source = self._conv(source, 8)
            others = [self._conv(source, 8)]
            self.tensors += [source, *others]
        self.net.concat(*others, source=source)

    def _join_pixels(self, source: str) -> None:
        """Rows behind rows, or the pixels of lines behind one another."""
        shape = self.net.shape(source)
        others = [
            name
            for name in self.tensors
            if self.net.shape(name)[2:] == shape[2:] and len(shape) > 2
        ]
        others = self._some(others, 2) or [self._conv(source, shape[-1])]
        if len(self.net.shape(others[0])) == len(shape):
            self.net.concat(*others, source=source, axis=1)

    def _end(self) -> None:
        net = self.net
        shape = net.shape(net.last)
        if math.prod(shape[1:-1]) > 100 or (shape[-1] > 64 and shape[-1] % 8):
            self._conv(net.last, 8)
            net.mean()
        if self.rng.random() < 0.7:
            net.flatten()
            net.dense(int(self.rng.integers(2, 11)))


def _drop_unread(net: graph_builder.Builder, outputs: list[str]) -> None:
    """Takes out the layers that no output is computed from."""
    read, kept = {*outputs}, []
    for layer in reversed(net.layers):
        if layer.output in read:
            read |= {*layer.inputs}
            kept.insert(0, layer)
            continue
        for name in (layer.output, f"{layer.name}/kernel", f"{layer.name}/bias"):
            net.tensors.pop(name, None)
            net.constants.pop(name, None)
    net.layers = kept


def make(seed: int) -> graph.Graph:
    """The network of a number, with random kernels and biases."""
    maker = _Maker(seed)
    if is_large(seed):
        maker.begin_with_a_chain()
    return maker.graph()


def is_large(seed: int) -> bool:
    """Whether a network begins with a chain of larger maps."""
    return seed % 3 == 2


def prepare(seed: int, spec: specs.Spec = specs.MAX78000) -> network.Network:
    """The network of a number, ready to be written.

    Of those that begin with a chain, in the least memory.

    Raises:
        TargetError: what the device cannot run.
    """
    g = make(seed)
    return in_least_memory(g, spec) if is_large(seed) else network.prepare(g, spec=spec)


def in_least_memory(g: graph.Graph, spec: specs.Spec) -> network.Network:
    """A network for the least memory of ten that holds it.

    Raises:
        TargetError: what the device cannot run.
    """
    found = network.prepare(g, spec=spec)
    data = found.placed.data
    reach = max(region.end_byte for region in (data.input, *data.outputs))
    for tenths in range(1, 10):
        size = reach * tenths // 40 * 4
        small = dataclasses.replace(spec, memory_instance_bytes=size)
        try:
            return network.prepare(g, spec=small)
        except errors.TargetError:
            continue
    return found
