"""The first layers of a graph in patches: strips of rows of the last of them.

One patch after the other is computed through all of these layers, so that none of their
results but the last is ever whole. Of each tensor in between the rows are kept that
windows of the next patch read again: nothing is computed twice, and a patch takes no
MACs more. What comes out is a graph like any other, of which `simulate` tells that its
integers are the same:

* a layer of a patch reads a `Slice` of rows, and pads where the rows end that it pads
  in the whole graph; kernels and biases are the same constants;
* rows to be kept are copied by a `Reshape`, before their patch is given up, and in
  front of the next patch;
* a `Concat` puts the rows of a patch below the kept ones, and the patches of the last
  tensor below each other.

Rows of an image lie one behind the other, so that slices and parts of concatenations
are not copied: `Patched.inside` says where in another tensor each lies.

The method is that of patch-based inference: Lin et al., "MCUNetV2: Memory-Efficient
Patch-based Inference for Tiny Deep Learning", NeurIPS 2021, which computes what patches
share once for each of them. Rows that are kept instead: Alwani et al., "Fused-Layer CNN
Accelerators", MICRO 2016.
"""

import collections
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.ir import geometry, graph

_WINDOWED = (graph.Conv2D, graph.DepthwiseConv2D, graph.Pool)
_PADDED = (graph.Pad, graph.PadV2)
_JOINED = (graph.Elementwise, graph.Extremum, graph.PRelu)
_VALUE_BY_VALUE = (graph.Activation, graph.LeakyRelu, graph.Requantize)

# Bytes of a tensor's start in another tensor.
Inside = Mapping[str, tuple[str, int]]


@dataclasses.dataclass(frozen=True, eq=False)
class Patched:
    """A graph whose first layers are computed in patches.

    Attributes:
        g: of the integers of `whole`.
        whole: the graph as it was.
        num_layers: how many layers of `whole` are in patches.
        num_patches: how many.
        rows: of a patch in the last of the layers' results, but for the last patch.
        origins: layer of `g` -> the layer of `whole` that it is a part of.
        inside: tensor of `g` -> the tensor that holds it, and from which byte on.
        views: layers of `g` that only say so: nothing is to be done.
    """

    g: graph.Graph
    whole: graph.Graph
    num_layers: int
    num_patches: int
    rows: int
    origins: Mapping[str, str]
    inside: Inside
    views: frozenset[str]

    @property
    def output(self) -> str:
        """The tensor that the patches are patches of."""
        return self.whole.layers[self.num_layers - 1].output


@dataclasses.dataclass(frozen=True)
class _Reach:
    """Row `i` of a result reads `extent` rows from `i * stride - before` on."""

    stride: int = 1
    before: int = 0
    extent: int = 1

    def first(self, row: int) -> int:
        return row * self.stride - self.before

    def end(self, row: int) -> int:
        return self.first(row) + self.extent


def obstacle(g: graph.Graph, layer: graph.Layer) -> str | None:
    """Why a layer cannot be computed in patches; None if it can."""
    names = (*_read(g, layer), layer.output)
    shapes = [g.tensors[name].shape for name in names]
    if any(len(shape) != 4 or shape[0] != 1 for shape in shapes):
        return "it has other operands than one image"
    result = shapes[-1]
    if isinstance(layer, _JOINED):
        others = [g.tensors[name].shape for name in layer.inputs if name in g.constants]
        if any(shape[1] != result[1] for shape in shapes):
            return "an operand is the same for all rows"
        if any(len(shape) > 2 and shape[-3] != 1 for shape in others):
            return "a constant has rows of its own"
    elif isinstance(layer, graph.Concat):
        if layer.axis == 1 or not all(name in names for name in layer.inputs):
            return "it puts rows below others"
    elif isinstance(layer, _PADDED):
        if any(layer.padding[0]):
            return "it adds images"
    elif not isinstance(layer, (*_WINDOWED, *_VALUE_BY_VALUE, graph.SpaceToDepth)):
        return "its rows are not those of neighboring input rows"
    return None


def ends(g: graph.Graph) -> tuple[int, ...]:
    """How many first layers can be in patches: after each nothing else is read."""
    last_read: dict[str, int] = dict.fromkeys(g.outputs, len(g.layers))
    for index, layer in enumerate(g.layers):
        for name in layer.inputs:
            last_read[name] = max(last_read.get(name, 0), index)
    found = []
    living: set[str] = set()
    for index, layer in enumerate(g.layers):
        if obstacle(g, layer) is not None:
            break
        living = {n for n in (*living, layer.output) if last_read.get(n, -1) > index}
        if living == {layer.output} and g.tensors[layer.output].shape[1] > 1:
            found.append(index + 1)
    return tuple(found)


def patched(g: graph.Graph, num_layers: int, rows: int) -> Patched:
    """The graph with its first layers in patches.

    Args:
        g: a verified graph of integers.
        num_layers: one of `ends`.
        rows: of a patch in the last of these layers' results, fewer than that has.
    """
    return _Writer(g, num_layers).written(rows)


def _needed(g: graph.Graph, layers: Sequence[graph.Layer]) -> tuple[graph.Layer, ...]:
    """Those layers that the last one's result comes from."""
    names = {layers[-1].output}
    for layer in reversed(layers):
        if layer.output in names:
            names.update(_read(g, layer))
    return tuple(layer for layer in layers if layer.output in names)


def _read(g: graph.Graph, layer: graph.Layer) -> list[str]:
    """The activations that a layer reads."""
    return [name for name in layer.inputs if name not in g.constants]


def _reach(g: graph.Graph, layer: graph.Layer) -> _Reach:
    match layer:
        case graph.Conv2D() | graph.DepthwiseConv2D():
            taps = g.tensors[layer.weights].shape[1]
            extent = geometry.kernel_extent(taps, layer.dilation[0])
            return _Reach(layer.strides[0], layer.padding[0][0], extent)
        case graph.Pool():
            return _Reach(layer.strides[0], layer.padding[0][0], layer.kernel_size[0])
        case graph.Pad() | graph.PadV2():
            return _Reach(before=layer.padding[1][0])
        case graph.SpaceToDepth():
            return _Reach(layer.block_size, 0, layer.block_size)
    return _Reach()


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Some rows of a tensor, from `start` on: the tensor that has them."""

    name: str
    start: int


class _Writer:
    """Writes layers patch by patch; `done` counts the rows of each tensor so far."""

    def __init__(self, g: graph.Graph, num_layers: int) -> None:
        self.g = g
        self.num_layers = num_layers
        self.part = _needed(g, g.layers[:num_layers])
        self.reach = {layer.name: _reach(g, layer) for layer in self.part}
        self.readers: dict[str, list[graph.Layer]] = collections.defaultdict(list)
        for layer in self.part:
            for name in dict.fromkeys(_read(g, layer)):
                self.readers[name].append(layer)
        self.done = {layer.output: 0 for layer in self.part}
        self.kept: dict[str, _Rows] = {}
        self.tensors = dict(g.tensors)
        self.layers: list[graph.Layer] = []
        self.origins: dict[str, str] = {}
        self.inside: dict[str, tuple[str, int]] = {}
        self.views: set[str] = set()
        self.patch = 0

    def written(self, rows: int) -> Patched:
        output = self.part[-1].output
        height = self._height(output)
        strips: list[str] = []
        while self.done[output] < height:
            goal = self._goals(output, min(self.done[output] + rows, height))
            strips.append(self._patch(goal, output))
            self.patch += 1
        name = f"{output}/patches"
        joined = graph.Concat(name=name, inputs=tuple(strips), output=output, axis=1)
        self._add_view(joined, self.part[-1])
        layers = (*self.layers, *self.g.layers[self.num_layers :])
        for layer in layers[len(self.layers) :]:
            self.origins[layer.name] = layer.name
        written = dataclasses.replace(self.g, tensors=self.tensors, layers=layers)
        used = set(graph.tensor_names(written))
        tensors = {name: t for name, t in self.tensors.items() if name in used}
        constants = {name: c for name, c in self.g.constants.items() if name in used}
        written = dataclasses.replace(written, tensors=tensors, constants=constants)
        return Patched(
            g=written,
            whole=self.g,
            num_layers=self.num_layers,
            num_patches=self.patch,
            rows=rows,
            origins=self.origins,
            inside=self.inside,
            views=frozenset(self.views),
        )

    def _height(self, name: str) -> int:
        return self.g.tensors[name].shape[1]

    def _goals(self, output: str, end: int) -> dict[str, int]:
        """How many rows of each tensor there must be for `end` rows of the output."""
        goal = {**self.done, output: end}
        for layer in reversed(self.part):
            if goal[layer.output] <= self.done[layer.output]:
                continue
            sources = _read(self.g, layer)
            height, reach = self._height(sources[0]), self.reach[layer.name]
            rows = self._reached(layer, goal[layer.output], height)
            goal[layer.output] = rows
            for name in sources:
                if name in goal:
                    goal[name] = max(goal[name], min(reach.end(rows - 1), height))
        return goal

    def _reached(self, layer: graph.Layer, rows: int, height: int) -> int:
        """At least `rows` rows of a result: none reads, with those after, padding only.

        Rows of padding alone at the top come with the first other one, those at the
        bottom with the last.
        """
        reach = self.reach[layer.name]
        whole = self._height(layer.output)
        while rows < whole and reach.end(rows - 1) < 1:
            rows += 1
        return whole if reach.first(rows) >= height else rows

    def _patch(self, goal: Mapping[str, int], output: str) -> str:
        """Adds the layers of a patch; the name of its rows of the output."""
        active = [x for x in self.part if goal[x.output] > self.done[x.output]]
        last_reader = {name: x.name for x in active for name in _read(self.g, x)}
        present = dict(self.kept)
        strip = ""
        for layer in active:
            name = layer.output
            first, end = self.done[name], goal[name]
            strip = self._computed(layer, first, end, present)
            if name == output:
                size = self._row_bytes(name)
                self.inside[strip] = (name, first * size)
            else:
                present[name] = self._below_kept(layer, strip, first, end)
            for source in dict.fromkeys(_read(self.g, layer)):
                if source in self.done and last_reader[source] == layer.name:
                    self._keep(source, present[source], goal)
        self.done = dict(goal)
        return strip

    def _computed(
        self,
        layer: graph.Layer,
        first: int,
        end: int,
        present: Mapping[str, _Rows],
    ) -> str:
        """Adds what computes rows `first` to `end` of a layer's output."""
        reach, sources = self.reach[layer.name], _read(self.g, layer)
        height = self._height(sources[0])
        from_row, to_row = reach.first(first), reach.end(end - 1)
        above, below = max(-from_row, 0), max(to_row - height, 0)
        views = {
            name: self._view(
                name, max(from_row, 0), min(to_row, height), present, layer
            )
            for name in sources
        }
        output = self._tensor(layer.output, end - first, "")
        changes: dict[str, Any] = {}
        if isinstance(layer, _WINDOWED):
            changes["padding"] = ((above, below), *layer.padding[1:])
        elif isinstance(layer, _PADDED):
            changes["padding"] = (layer.padding[0], (above, below), *layer.padding[2:])
        self._add(
            dataclasses.replace(
                layer,
                name=f"{layer.name}/patch{self.patch}",
                inputs=tuple(views.get(name, name) for name in layer.inputs),
                output=output,
                **changes,
            ),
            layer,
        )
        return output

    def _view(
        self,
        name: str,
        first: int,
        end: int,
        present: Mapping[str, _Rows],
        layer: graph.Layer,
    ) -> str:
        """Rows of a tensor where they lie."""
        rows = present.get(name, _Rows(name, 0))
        return self._slice(rows, name, first, end, f"for {layer.name}", layer)

    def _slice(
        self,
        rows: _Rows,
        name: str,
        first: int,
        end: int,
        purpose: str,
        layer: graph.Layer,
    ) -> str:
        shape = self.tensors[rows.name].shape
        if (first, end) == (rows.start, rows.start + shape[1]):
            return rows.name
        output = self._tensor(name, end - first, f" {purpose}")
        begin = (0, first - rows.start, 0, 0)
        size = self.tensors[output].shape
        sliced = graph.Slice(
            name=output, inputs=(rows.name,), output=output, begin=begin, size=size
        )
        self._add_view(sliced, layer)
        self.inside[output] = (rows.name, begin[1] * self._row_bytes(name))
        return output

    def _below_kept(
        self, layer: graph.Layer, strip: str, first: int, end: int
    ) -> _Rows:
        """New rows of a layer's output, below those that were kept of it."""
        name = layer.output
        kept = self.kept.pop(name, None)
        if kept is None:
            return _Rows(strip, first)
        above = self._copy(name, kept.name, " above", layer)
        both = self._tensor(name, end - kept.start, " below")
        joined = graph.Concat(name=both, inputs=(above, strip), output=both, axis=1)
        self._add_view(joined, layer)
        self.inside[above] = (both, 0)
        self.inside[strip] = (both, (first - kept.start) * self._row_bytes(name))
        return _Rows(both, kept.start)

    def _keep(self, name: str, rows: _Rows, goal: Mapping[str, int]) -> None:
        """Keeps the rows of a tensor that are read again in later patches."""
        following = [
            max(self.reach[reader.name].first(goal[reader.output]), 0)
            for reader in self.readers[name]
            if goal[reader.output] < self._height(reader.output)
        ]
        first = min(following, default=goal[name])
        if rows == self.kept.pop(name, None) and first == rows.start:
            self.kept[name] = rows
            return
        if first >= goal[name]:
            return
        layer = self.readers[name][-1]
        view = self._slice(rows, name, first, goal[name], "to keep", layer)
        self.kept[name] = _Rows(self._copy(name, view, " kept", layer), first)

    def _copy(self, name: str, source: str, purpose: str, layer: graph.Layer) -> str:
        output = self._tensor(name, self.tensors[source].shape[1], purpose)
        self._add(graph.Reshape(name=output, inputs=(source,), output=output), layer)
        return output

    def _tensor(self, name: str, rows: int, purpose: str) -> str:
        """A tensor of some rows of another one."""
        whole = self.g.tensors[name]
        new = f"{name}/patch{self.patch}{purpose}"
        shape = (1, rows, *whole.shape[2:])
        self.tensors[new] = dataclasses.replace(whole, name=new, shape=shape)
        return new

    def _row_bytes(self, name: str) -> int:
        tensor = self.g.tensors[name]
        return math.prod(tensor.shape[2:]) * np.dtype(tensor.dtype).itemsize

    def _add(self, layer: graph.Layer, origin: graph.Layer) -> None:
        self.layers.append(layer)
        self.origins[layer.name] = origin.name

    def _add_view(self, layer: graph.Layer, origin: graph.Layer) -> None:
        self._add(layer, origin)
        self.views.add(layer.name)
