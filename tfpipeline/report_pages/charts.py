"""Figures of reports, each of plain values: curves, bars, matrices, maps of memory.

Colors are of a middle lightness, so that they stand out on white and on black.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib import figure, patches, path, ticker

Array = npt.NDArray[Any]

COLORS = (
    *("#2f7fc1", "#c8620e", "#2e8b57", "#b3478f"),
    *("#8a6d3b", "#5f6bc9", "#c0392b", "#3f8f8f"),
)
_GRAY = "#808890"
_MARKERS = "os^Dv*PX"
_WIDTH = 8.4
# Inches of a line of text.
_ROW = 0.24
# More cells than these have no number in them.
_MOST_NUMBERS = 16
_LONGEST = 34


@dataclasses.dataclass(frozen=True)
class Cloud:
    """Points of a panel.

    Attributes:
        names: of the points.
        x, y: their places.
        best: positions of those that a line joins.
    """

    names: tuple[str, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    best: tuple[int, ...]


def new(width: float, height: float) -> figure.Figure:
    """An empty figure of inches."""
    return figure.Figure((width, height), layout="constrained")


def short(name: str, most: int = _LONGEST) -> str:
    """A name that fits beside a figure, without its middle; `$` is no mathematics."""
    if len(name) > most:
        half = (most - 1) // 2
        name = f"{name[:half]}…{name[-half:]}"
    return name.replace("$", r"\$")


def color(place: int) -> str:
    """Of the series at a place; they repeat."""
    return COLORS[place % len(COLORS)]


def panels(count: int, columns: int = 2) -> tuple[figure.Figure, list[Any]]:
    """A figure with so many axes, the last ones of the grid taken away."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    drawn = new(_WIDTH if columns > 1 else 6.0, 2.7 * rows)
    grid = drawn.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in grid[count:]:
        spare.remove()
    for axes in grid[:count]:
        _plain(axes)
    return drawn, grid[:count]


def curves(
    panels_of: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    x_label: str,
    borders: Sequence[float] = (),
    logarithmic: Sequence[str] = (),
) -> figure.Figure:
    """Lines over a common axis, a panel a quantity.

    Args:
        panels_of: quantity -> line -> (x, y).
        x_label: of the axis.
        borders: places of dashed lines, where another stage begins.
        logarithmic: quantities with a logarithmic axis.
    """
    drawn, grid = panels(len(panels_of))
    for axes, (title, lines) in zip(grid, panels_of.items(), strict=True):
        for place, (name, (x, y)) in enumerate(lines.items()):
            style = {"marker": "."} if len(x) < 40 else {}
            axes.plot(
                x, y, label=short(name), color=color(place), linewidth=1.4, **style
            )
        for border in borders:
            axes.axvline(border, color=_GRAY, linestyle=":", linewidth=1)
        if title in logarithmic:
            axes.set_yscale("log")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(x_label)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        if len(lines) > 1:
            axes.legend(fontsize=8)
    return drawn


def matrix(
    counts: Array, rows: Sequence[str], columns: Sequence[str], labels: tuple[str, str]
) -> figure.Figure:
    """Counts as cells, the darker the larger a share of their row.

    Args:
        counts: [R, C].
        rows, columns: names.
        labels: of both axes, the rows' first.
    """
    height, width = counts.shape
    cell = 0.46 if width <= _MOST_NUMBERS else max(0.14, 7.0 / width)
    drawn = new(max(4.0, 2.2 + cell * width), max(2.6, 1.5 + cell * height))
    axes = drawn.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 8 if counts.max(initial=0) < 1_000 else 7
    for y, x in np.argwhere(counts):
        fill = (*matplotlib.colors.to_rgb(COLORS[0]), float(0.08 + 0.67 * shares[y, x]))
        axes.add_patch(
            patches.Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=fill, linewidth=0)
        )
        if width <= _MOST_NUMBERS:
            axes.text(
                x, y, f"{counts[y, x]:,}", ha="center", va="center", fontsize=size
            )
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    small = 8 if width <= _MOST_NUMBERS else 6
    names = [short(name, 18) for name in columns], [short(name, 24) for name in rows]
    axes.set_xticks(range(width), names[0], rotation=90, fontsize=small)
    axes.set_yticks(range(height), names[1], fontsize=small)
    axes.set_ylabel(labels[0])
    axes.set_xlabel(labels[1])
    axes.set_aspect("equal")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_color(_GRAY)
    return drawn


def intervals(
    names: Sequence[str],
    values: Sequence[float],
    ends: Sequence[tuple[float, float] | None],
    label: str,
) -> figure.Figure:
    """Points with their intervals, one below the other.

    Args:
        names: of the points.
        values: of them.
        ends: of each interval; None where there is none.
        label: of the axis.
    """
    drawn = new(_WIDTH, 0.9 + 0.28 * len(names))
    axes = drawn.subplots()
    for place, (value, interval) in enumerate(zip(values, ends, strict=True)):
        if interval is not None:
            axes.plot(interval, (place, place), color=COLORS[0], linewidth=4, alpha=0.4)
        axes.plot(value, place, "o", color=COLORS[0], markersize=5)
    axes.axvline(values[0], color=_GRAY, linestyle=":", linewidth=1)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [short(name) for name in names], fontsize=9)
    axes.set_xlabel(short(label))
    _plain(axes, "x")
    return drawn


def memory(
    steps: Sequence[str],
    blocks: Sequence[Mapping[str, Any]],
    *,
    bound: int | None = None,
    available: int | None = None,
) -> figure.Figure:
    """Who lies where while each step runs: time downwards, addresses to the right.

    Args:
        steps: names, in their order of execution.
        blocks: `name`, `offset`, `bytes`, `first` and `last` step of each buffer.
        bound: bytes that no plan can go below.
        available: bytes that there are; drawn where the plan comes near them.
    """
    end = max((each["offset"] + each["bytes"] for each in blocks), default=1)
    end = max(end, bound or 0)
    drawn, axes = _rows(steps)
    _fill(axes, blocks)
    if bound is not None:
        _mark(axes, bound, "bound ", COLORS[1], "--")
    if available is not None and available <= 1.6 * end:
        end = max(end, available)
        _mark(axes, available, "all there is ", COLORS[6], "-")
    axes.set_xlim(0, 1.02 * end / 1024)
    axes.set_xlabel("KiB")
    return drawn


def memories(
    steps: Sequence[str],
    blocks: Sequence[Mapping[str, Any]],
    lanes: Sequence[tuple[str, int]],
    reach: int,
) -> figure.Figure:
    """The same of several memories, each from its first byte on.

    Args:
        steps, blocks: as those of `memory`, addresses counted over all memories.
        lanes: name and first byte of each.
        reach: bytes of each that are drawn.
    """
    drawn, axes = _rows(steps)
    starts = [start for _, start in lanes]
    moved = []
    for each in blocks:
        lane = int(np.searchsorted(starts, each["offset"], side="right")) - 1
        offset = each["offset"] - starts[lane] + 1.08 * lane * reach
        moved.append({**each, "offset": offset})
    _fill(axes, moved)
    for lane, (name, _) in enumerate(lanes):
        left, right = (1.08 * lane * reach / 1024, (1.08 * lane + 1) * reach / 1024)
        for edge in (left, right):
            axes.axvline(edge, color=_GRAY, linewidth=0.7)
        axes.text((left + right) / 2, -0.6, name, fontsize=7, ha="center", va="bottom")
    axes.set_xlim(0, 1.08 * len(lanes) * reach / 1024)
    axes.set_xticks([])
    return drawn


def _rows(steps: Sequence[str]) -> tuple[figure.Figure, Any]:
    """Axes with a row a step, in the margins that the names need."""
    names = [short(name) for name in steps]
    height = 0.85 + _ROW * len(names)
    left = 0.15 + 0.068 * max(map(len, names))
    drawn = figure.Figure((_WIDTH, height))
    axes = drawn.add_axes(
        (
            left / _WIDTH,
            0.55 / height,
            (_WIDTH - left - 0.1) / _WIDTH,
            (height - 0.85) / height,
        )
    )
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return drawn, axes


def _fill(axes: Any, blocks: Sequence[Mapping[str, Any]]) -> None:
    numbers: dict[str, int] = {}
    for each in blocks:
        place = numbers.setdefault(each["name"], len(numbers))
        axes.add_patch(
            patches.Rectangle(
                (each["offset"] / 1024, each["first"] - 0.5),
                each["bytes"] / 1024,
                each["last"] - each["first"] + 1,
                facecolor=_GRAY if each["is_weights"] else color(place),
                alpha=0.75,
            )
        )


def _mark(axes: Any, size: int, name: str, of: str, line: str) -> None:
    axes.axvline(size / 1024, color=of, linestyle=line, linewidth=1.6)
    axes.text(size / 1024, -0.6, name, fontsize=8, ha="right", va="bottom", color=of)


def calibration(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
) -> figure.Figure:
    """How often answers are right, by how sure the network is of them.

    Args:
        lines: form -> (mean confidence, share that is right) of each bin.
    """
    drawn = new(5.2, 4.4)
    axes = drawn.subplots()
    axes.plot((0, 1), (0, 1), color=_GRAY, linestyle=":", label="as sure as right")
    for place, (name, (sure, right)) in enumerate(lines.items()):
        axes.plot(
            sure, right, "o-", color=color(place), markersize=4, label=short(name)
        )
    axes.set_xlabel("confidence")
    axes.set_ylabel("share that is right")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=8)
    _plain(axes)
    return drawn


def rates(
    pairs: Sequence[tuple[str, str, str, Mapping[str, tuple[Array, Array]]]],
) -> figure.Figure:
    """ROC and precision-recall side by side.

    Args:
        pairs: title, both labels, and name -> (x, y) of each panel.
    """
    drawn, grid = panels(len(pairs))
    drawn.set_size_inches(_WIDTH, 4.0)
    for axes, (title, x_label, y_label, lines) in zip(grid, pairs, strict=True):
        for place, (name, (x, y)) in enumerate(lines.items()):
            axes.plot(
                *(x, y, "-" if place < len(COLORS) else "--"),
                color=color(place),
                linewidth=1.3,
                label=short(name),
            )
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
    grid[0].legend(fontsize=7)
    return drawn


def scatter(
    groups: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    labels: tuple[str, str],
    *,
    diagonal: bool = False,
) -> figure.Figure:
    """Points of two values.

    Args:
        groups: name -> (x, y).
        labels: of both axes.
        diagonal: whether equal values are marked by a line.
    """
    drawn = new(5.6, 4.8)
    axes = drawn.subplots()
    for place, (name, (x, y)) in enumerate(groups.items()):
        axes.plot(
            x, y, ".", color=color(place), alpha=0.55, markersize=4, label=short(name)
        )
    if diagonal:
        values = [value for pair in groups.values() for side in pair for value in side]
        ends = min(values), max(values)
        axes.plot(ends, ends, color=_GRAY, linestyle=":")
    axes.set_xlabel(short(labels[0]))
    axes.set_ylabel(labels[1])
    if len(groups) > 1:
        axes.legend(fontsize=8)
    _plain(axes)
    return drawn


def histograms(
    groups: Mapping[str, tuple[Sequence[float], Sequence[int]]],
    label: str,
    counted: str = "examples",
) -> figure.Figure:
    """Outlines of histograms with common edges.

    Args:
        groups: name -> (edges [K + 1], counts [K]).
        label: of the values.
        counted: what there are so many of.
    """
    drawn = new(_WIDTH, 3.2)
    axes = drawn.subplots()
    for place, (name, (edges, counts)) in enumerate(groups.items()):
        axes.stairs(counts, edges, color=color(place), linewidth=1.5, label=short(name))
    axes.set_xlabel(short(label))
    axes.set_ylabel(counted)
    axes.legend(fontsize=8)
    _plain(axes)
    return drawn


def network(
    layers: Sequence[Mapping[str, Any]], places: Mapping[str, int]
) -> figure.Figure:
    """Layers one below the other; what skips layers is an arc at the left.

    Args:
        layers: `name`, `kind`, `shape`, `weight_bytes`, `macs` and `reads`, the
            names of the layers (or inputs) that each reads.
        places: row of each name, inputs at rows above the first layer.
    """
    drawn = figure.Figure((_WIDTH, 0.5 + 0.3 * (len(places) + 1)))
    axes = drawn.add_axes((0.0, 0.0, 1.0, 1.0))
    rows = {each["name"]: each for each in layers}
    for x, title in ((4.7, "output"), (6.55, "weights"), (7.9, "MACs")):
        axes.text(x, -1, title, fontsize=8, ha="right", va="center", alpha=0.8)
    for name, y in places.items():
        each = rows.get(name)
        kind = "input" if each is None else each["kind"]
        fill = (*matplotlib.colors.to_rgb(_kind_color(kind)), 0.22)
        edge = _kind_color(kind)
        axes.add_patch(
            patches.FancyBboxPatch(
                (0.85, y - 0.33),
                2.65,
                0.66,
                boxstyle="round,pad=0,rounding_size=0.08",
                facecolor=fill,
                edgecolor=edge,
                linewidth=0.8,
            )
        )
        said = f"{short(name, 24)}" + ("" if each is None else f"  ·  {kind}")
        axes.text(0.93, y, said, fontsize=7.5, va="center")
        if each is None:
            continue
        shape = "x".join(map(str, each["shape"]))
        cells = (shape, _bytes(each["weight_bytes"]), _count(each["macs"]))
        for x, cell in zip((4.7, 6.55, 7.9), cells, strict=True):
            axes.text(x, y, cell, fontsize=8, ha="right", va="center")
        for read in each["reads"]:
            _edge(axes, places[read], y)
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(max(places.values()) + 0.8, -1.6)
    axes.set_axis_off()
    return drawn


def _edge(axes: Any, above: int, y: int) -> None:
    """From one row to another: straight to the next, around what lies between."""
    if y - above == 1:
        corners = [(2.1, above + 0.33), (2.1, y - 0.33)]
        codes = [path.Path.MOVETO, path.Path.LINETO]
    else:
        left = 0.85 - min(0.8, 0.2 + 0.06 * (y - above))
        corners = [(0.85, above + 0.1), (left, above + 0.1), (left, y - 0.1)]
        corners.append((0.85, y - 0.1))
        codes = [path.Path.MOVETO, *[path.Path.CURVE4] * 3]
    axes.add_patch(
        patches.FancyArrowPatch(
            path=path.Path(corners, codes),
            arrowstyle="-|>",
            mutation_scale=6,
            color=_GRAY,
            linewidth=1,
        )
    )


def _kind_color(kind: str) -> str:
    """Convolutions, products, pools and the rest: by what costs and what moves."""
    for place, words in enumerate((("Conv",), ("Dense", "Lstm", "Svdf"), ("Pool",))):
        if any(word in kind for word in words):
            return COLORS[place]
    return _GRAY


def _bytes(count: int) -> str:
    if not count:
        return ""
    return f"{count:,} B" if count < 10_240 else f"{count / 1024:,.1f} KiB"


def _count(count: int) -> str:
    if not count:
        return ""
    for least, unit in ((1e6, "M"), (1e4, "k")):
        if count >= least:
            return f"{count / (1e6 if unit == 'M' else 1e3):,.2f} {unit}"
    return f"{count:,}"


def _plain(axes: Any, grid: str = "both") -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(visible=True, axis=grid, alpha=0.35, linewidth=0.6)
    axes.set_axisbelow(True)


def decibels(
    names: Sequence[str], lines: Mapping[str, Sequence[float | None]]
) -> figure.Figure:
    """Values of layers one below the other; None is a gap.

    Args:
        names: of the layers.
        lines: name -> value of each layer.
    """
    drawn = new(_WIDTH, 1.1 + _ROW * len(names))
    axes = drawn.subplots()
    for place, (name, values) in enumerate(lines.items()):
        x = [math.nan if value is None else value for value in values]
        axes.plot(
            *(x, range(len(x)), "o-"), color=color(place), markersize=4, label=name
        )
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [short(name) for name in names], fontsize=8)
    axes.set_xlabel("dB")
    axes.legend(fontsize=8)
    _plain(axes)
    return drawn


def pareto(panels_of: Mapping[str, Cloud], labels: tuple[str, str]) -> figure.Figure:
    """Figures against a cost, a panel a target; a name has one sign in all of them.

    Args:
        panels_of: target -> its points.
        labels: of both axes.
    """
    drawn, grid = panels(len(panels_of), columns=3)
    names = list(
        dict.fromkeys(name for each in panels_of.values() for name in each.names)
    )
    handles: dict[str, Any] = {}
    for axes, (title, cloud) in zip(grid, panels_of.items(), strict=True):
        best = [(cloud.x[place], cloud.y[place]) for place in cloud.best]
        axes.plot(*zip(*best, strict=True), color=_GRAY, linewidth=1)
        for name, x, y in zip(cloud.names, cloud.x, cloud.y, strict=True):
            place = names.index(name)
            marker = _MARKERS[place // len(COLORS) % len(_MARKERS)]
            [handles[name]] = axes.plot(
                *(x, y, marker), color=color(place), label=short(name), markersize=6
            )
        axes.set_title(short(title), fontsize=10)
        axes.set_xlabel(labels[0], fontsize=8)
        axes.tick_params(labelsize=8)
        axes.margins(0.15)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(4))
    for axes in grid[::3]:
        axes.set_ylabel(labels[1], fontsize=8)
    drawn.legend(handles=list(handles.values()), loc="outside lower left", ncols=3)
    return drawn
