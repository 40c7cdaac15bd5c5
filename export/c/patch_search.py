"""How many first layers in how many patches take the smallest arena.

Patches take code instead: each calls the kernels of all its layers. Of choices whose
arenas are about as small, that of the fewest calls is taken.
"""

import dataclasses
from collections.abc import Iterator, Sequence

from export.c import network, patches, storage
from tfpipeline import errors
from tfpipeline.cost import macs
from tfpipeline.ir import graph

# --patches without a number.
AUTO = "auto"

# An arena larger by this part of the smallest one is worth fewer calls.
_SLACK = 1 / 32
# Layers of the graph in patches. Some 40 bytes of code call each.
_MAX_LAYERS = 1_200
# A layer of a patch: its rows, what is kept of them, what is put below that.
_LAYERS_EACH = 4


@dataclasses.dataclass(frozen=True, eq=False)
class _Choice:
    """A graph in patches, and the fewest bytes of any plan of its arena."""

    patched: patches.Patched
    bound_bytes: int

    @property
    def num_steps(self) -> int:
        return len(self.patched.g.layers) - len(self.patched.views)


def smallest(found: network.Network, num_patches: int | None = None) -> network.Network:
    """The network in patches that make its arena the smallest.

    Args:
        found: the network, layer by layer.
        num_patches: how many patches; fewer where no rows make as many. Without it
            whatever makes the arena smallest.

    Raises:
        ExportError: it cannot be computed in patches, or that makes no smaller arena.
    """
    g, plain = found.g, found.plan.peak_bytes
    counts = patches.ends(g)
    if not counts:
        raise errors.ExportError(
            f"graph '{g.name[:60]}' cannot be computed in patches: {_obstacle(g)}. "
            "Leave out --patches"
        )
    finest = [
        choice
        for count in counts
        if (choice := _first(_choices(g, count, num_patches))) is not None
    ]
    best = plain
    for choice in sorted(finest, key=lambda each: each.bound_bytes):
        if choice.bound_bytes < best:
            best = min(best, storage.smallest(choice.patched).plan.peak_bytes)
    if best >= plain:
        raise errors.ExportError(_no_gain(found, finest, num_patches))
    limit = min(int(best * (1 + _SLACK)), plain - 1)
    choices = [
        choice
        for coarser in finest
        if coarser.bound_bytes <= limit
        for choice in _within(
            _choices(g, coarser.patched.num_layers, num_patches), limit
        )
    ]
    for choice in sorted(choices, key=lambda each: each.num_steps):
        if storage.smallest(choice.patched).plan.peak_bytes <= limit:
            return network.in_patches(found, choice.patched)
    raise AssertionError("the choice with the smallest arena is one of them")


def lines(found: network.Network, plain: network.Network) -> list[str]:
    """What patches changed, for the user.

    Args:
        found: the network in patches.
        plain: the same, layer by layer.
    """
    patched = found.patched
    assert patched is not None
    before, after = (macs.graph_count(n.computed).macs for n in (plain, found))
    old, new = plain.plan.peak_bytes, found.plan.peak_bytes
    last = patched.whole.layers[patched.num_layers - 1]
    more = f"{(after - before) / before:+.1%}" if before else "0"
    return [
        f"patches    {patched.num_patches} of the first {patched.num_layers} layers, "
        f"to '{last.name}'; {patched.rows} of its rows a patch",
        f"           arena {new:,} bytes, {new / old - 1:+.0%}: layer by layer "
        f"{old:,}; no plan of these patches needs fewer than "
        f"{storage.bound_bytes(patched):,}",
        f"           {more} MACs; {len(found.steps)} steps, layer by layer "
        f"{len(plain.steps)}",
    ]


def _choices(g: graph.Graph, count: int, num_patches: int | None) -> Iterator[_Choice]:
    """The first `count` layers in patches, in fewer and fewer of them."""
    height = g.tensors[g.layers[count - 1].output].shape[1]
    numbers = range(height, 1, -1) if num_patches is None else (num_patches,)
    for rows in dict.fromkeys(-(-height // number) for number in numbers):
        number = -(-height // rows)
        if number * count * _LAYERS_EACH > _MAX_LAYERS and num_patches is None:
            continue
        patched = patches.patched(g, count, rows)
        if patched.num_patches > 1:
            yield _Choice(patched, storage.bound_bytes(patched))


def _first(choices: Iterator[_Choice]) -> _Choice | None:
    return next(choices, None)


def _within(choices: Iterator[_Choice], limit: int) -> Iterator[_Choice]:
    """The first choices, as long as they may take no more than `limit` bytes."""
    for choice in choices:
        if choice.bound_bytes > limit:
            return
        yield choice


def _obstacle(g: graph.Graph) -> str:
    """Why not even one layer can be computed in patches."""
    for layer in g.layers:
        reason = patches.obstacle(g, layer)
        if reason is not None:
            return f"{layer.kind} '{layer.name[:60]}': {reason}"
    return "its first layers have no single result of several rows"


def _no_gain(
    found: network.Network, finest: Sequence[_Choice], num_patches: int | None
) -> str:
    plain = found.plan.peak_bytes
    start = f"graph '{found.g.name[:60]}' needs no smaller arena in "
    start += "patches" if num_patches is None else f"{num_patches} patches"
    least = min((choice.bound_bytes for choice in finest), default=None)
    if least is None:
        return f"{start}: too few rows, or too many steps. Leave out --patches"
    return (
        f"{start}: at least {least:,} bytes, layer by layer {plain:,}. Leave out "
        "--patches"
    )
