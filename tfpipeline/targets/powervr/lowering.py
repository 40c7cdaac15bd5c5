"""A graph as the passes over memory that a PowerVR accelerator makes of it.

A pass is a layer with what is computed beside it: a convolution takes in its bias, the
activation and the scaling behind it, and the sum that it is the costliest part of.
PReLU is a pass of its own. Of what a pass makes it writes what others read: of a sum
that is read with and without its ReLU, both. These choices were made with the table of
`spec.TABLE` in view, as `docs/targets/powervr.md` says.
"""

import bisect
import collections
import dataclasses
from collections.abc import Iterable

from tfpipeline.cost import macs
from tfpipeline.ir import graph

# What only says how values lie, or adds a border while they are read.
_MOVED = (graph.Pad, graph.Reshape)
_ACCUMULATING = (graph.Conv1D, graph.Conv2D, graph.DepthwiseConv2D, graph.Dense)


@dataclasses.dataclass
class _Draft:
    """A pass that still takes in layers; `made` are all tensors that it computes."""

    layers: list[graph.Layer]
    reads: list[str]
    made: list[str]


@dataclasses.dataclass(frozen=True)
class Pass:
    """One pass over memory.

    Attributes:
        layers: names of the graph's layers in it; the first one gives the work.
        reads: tensors, and `writes` likewise.
        weights: values of kernels, scales and offsets. Biases and slopes of PReLU are
            too few to count.
        pixels: places that each output channel is computed at; 0 for no products.
        channels: of the output.
        taps: products of one output value.
    """

    layers: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    weights: int
    pixels: int
    channels: int
    taps: int


@dataclasses.dataclass(frozen=True)
class Lowered:
    """All passes in the order that they run in.

    Attributes:
        passes: what is ready and reads what was just written comes first, of several
            the one of the fewest products: side ways before the long way.
        readers: how many passes read each tensor.
        unkept: tensors that are read as they are and scaled: they stay in memory in one
            form, and no buffer keeps them.
    """

    passes: tuple[Pass, ...]
    readers: dict[str, int]
    unkept: frozenset[str]


def lower(g: graph.Graph) -> Lowered:
    """The passes of a well-formed graph."""
    reading = _reading(g)
    drafts: list[_Draft] = []
    by_tensor: dict[str, _Draft] = {}
    same: dict[str, str] = {}
    unkept = set()
    for layer in g.layers:
        sources = [same.get(x, x) for x in layer.inputs if x not in g.constants]
        if isinstance(layer, _MOVED) and len(sources) == 1:
            same[layer.output] = sources[0]
            continue
        taker = _taker(g, layer, sources, by_tensor, reading)
        if taker is not None and _is_scaled_prelu(taker, layer, sources, reading):
            unkept.add(sources[0])
            same[layer.output] = sources[0]
            taker.layers.append(layer)
            continue
        if taker is None:
            taker = _Draft([], [], [])
            drafts.append(taker)
        taker.layers.append(layer)
        taker.reads += [x for x in sources if x not in taker.made]
        names = graph.written_names(layer)
        taker.made += names
        by_tensor |= dict.fromkeys(names, taker)
    outputs = {same.get(x, x) for x in g.outputs}
    passes = _finished(g, drafts, outputs)
    readers: dict[str, int] = {}
    for each in passes:
        for name in each.reads:
            readers[name] = readers.get(name, 0) + 1
    return Lowered(_ordered(passes), readers, frozenset(unkept))


def _reading(g: graph.Graph) -> dict[str, int]:
    """How many layers read each tensor; a result of the network once more."""
    counts: dict[str, int] = {}
    for name in (*(x for layer in g.layers for x in layer.inputs), *g.outputs):
        counts[name] = counts.get(name, 0) + 1
    return counts


def _taker(
    g: graph.Graph,
    layer: graph.Layer,
    sources: list[str],
    by_tensor: dict[str, _Draft],
    reading: dict[str, int],
) -> _Draft | None:
    """The pass that computes `layer` beside its own, if one does."""
    if len(sources) == 1 and isinstance(
        layer, (graph.Activation, graph.Mul, graph.Add)
    ):
        return by_tensor.get(sources[0])
    if not isinstance(layer, graph.Add):
        return None
    candidates = [
        by_tensor[x]
        for x in sources
        if x in by_tensor
        and reading[x] == 1
        and by_tensor[x].made[-1] == x
        and isinstance(by_tensor[x].layers[0], _ACCUMULATING)
    ]
    return max(
        candidates, key=lambda x: macs.layer_count(g, x.layers[0]).macs, default=None
    )


def _is_scaled_prelu(
    taker: _Draft, layer: graph.Layer, sources: list[str], reading: dict[str, int]
) -> bool:
    """Whether `layer` scales what a PReLU made and others read as it is."""
    if not isinstance(taker.layers[0], graph.PRelu):
        return False
    is_read = sources[0] in taker.made and reading[sources[0]] > 1
    return is_read or len(taker.layers) > 1


def _finished(
    g: graph.Graph, drafts: list[_Draft], outputs: Iterable[str]
) -> list[Pass]:
    read = {name for draft in drafts for name in draft.reads} | set(outputs)
    passes = []
    for draft in drafts:
        first = draft.layers[0]
        channels = g.tensors[first.output].shape[-1]
        total = macs.layer_count(g, first).macs
        values = g.tensors[first.output].num_elements
        passes.append(
            Pass(
                layers=tuple(layer.name for layer in draft.layers),
                reads=tuple(dict.fromkeys(draft.reads)),
                writes=tuple(x for x in draft.made if x in read),
                weights=sum(_weights(g, layer) for layer in draft.layers),
                pixels=values // channels if total else 0,
                channels=channels,
                taps=-(-total // values),
            )
        )
    return passes


def _weights(g: graph.Graph, layer: graph.Layer) -> int:
    """Values of a kernel, or of the constants that scale and shift."""
    if isinstance(layer, graph.PRelu):
        return 0
    constants = [x for x in layer.inputs if x in g.constants]
    return macs.layer_count(g, layer).weights + sum(
        g.tensors[x].num_elements for x in constants
    )


def _ordered(passes: list[Pass]) -> tuple[Pass, ...]:
    """The order of `Lowered`; a tie is for the earlier one of the graph."""
    made = {x for each in passes for x in each.writes}
    # What each pass waits for, and who waits for what.
    lacking = [made.intersection(each.reads) for each in passes]
    readers: dict[str, list[int]] = collections.defaultdict(list)
    for index, names in enumerate(lacking):
        for name in names:
            readers[name].append(index)
    # In the order of the graph.
    ready = [index for index, names in enumerate(lacking) if not names]
    result: list[Pass] = []
    while ready:
        last = set(result[-1].writes) if result else set()
        next_to_it = [i for i in ready if last.intersection(passes[i].reads)]
        chosen = min(next_to_it, key=lambda i: _work(passes[i]), default=ready[0])
        ready.remove(chosen)
        result.append(passes[chosen])
        for name in passes[chosen].writes:
            for index in readers.pop(name, ()):
                lacking[index].discard(name)
                if not lacking[index]:
                    bisect.insort(ready, index)
    return tuple(result)


def _work(each: Pass) -> int:
    return each.pixels * each.channels * each.taps
