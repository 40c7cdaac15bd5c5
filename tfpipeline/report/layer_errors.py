"""Errors by layer and number format: a table, a CSV file and a plot."""

import csv
import io
import math
from collections.abc import Mapping, Sequence

from matplotlib import figure

from tfpipeline.precision import layer_error

# Number format -> its layers, all of one network.
Errors = Mapping[str, Sequence[layer_error.LayerError]]

# Values within as many decibels of their column's worst are marked.
MARK_DB = 3.0
MARK = "*"
COLUMNS = ("layer", "kind", "format", "accumulated_db", "alone_db")

_INCHES_A_LAYER = 0.35
_DOTS_AN_INCH = 150
_MARKERS = "osD^vPX*"


def to_text(errors: Errors) -> str:
    """Layers in rows; for each format the accumulated error and that of the layer.

    Decibels; the worst of each column and what is within 3 dB of it are marked.
    """
    columns = [
        column
        for layers in errors.values()
        for column in (
            [each.accumulated_db for each in layers],
            [each.alone_db for each in layers],
        )
    ]
    first = next(iter(errors.values()))
    names = ["layer", *(each.name for each in first)]
    kinds = ["kind", *(each.kind for each in first)]
    heads = ["accumulated", "alone"] * len(errors)
    width = max([len("accumulated"), *(len(name) // 2 + 1 for name in errors)]) + 1
    left = max(map(len, names)) + 2, max(map(len, kinds))
    top = "".join(f"{name:>{2 * width}}" for name in errors)
    rows = [
        [f"{head:>{width - 1}} ", *_cells(column, width)]
        for head, column in zip(heads, columns, strict=True)
    ]
    lines = [" " * (sum(left)) + top]
    for index, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        cells = "".join(row[index] for row in rows)
        lines.append(f"{name:<{left[0]}}{kind:<{left[1]}}{cells}".rstrip())
    lines.append(
        f"dB, 6 dB a bit; {MARK} the worst of the column and what is within "
        f"{MARK_DB:g} dB of it"
    )
    return "\n".join(lines) + "\n"


def _cells(values: Sequence[float], width: int) -> list[str]:
    worst = min((v for v in values if not math.isnan(v)), default=math.nan)
    return [
        f"{_number(value):>{width - 1}}{MARK if value <= worst + MARK_DB else ' '}"
        for value in values
    ]


def _number(value: float) -> str:
    if math.isnan(value):
        return "all zero"
    return "exact" if math.isinf(value) else f"{value:.1f}"


def to_csv(errors: Errors) -> str:
    """A line a layer and format; `inf` without an error, `nan` where all is zero."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, layers in errors.items():
        for each in layers:
            numbers = (f"{each.accumulated_db:.3f}", f"{each.alone_db:.3f}")
            writer.writerow((each.name, each.kind, name, *numbers))
    return stream.getvalue()


def to_png(errors: Errors, title: str) -> bytes:
    """A plot of the errors: layers along x, a line a format."""
    first = next(iter(errors.values()))
    labels = [each.name for each in first]
    inches = max(7.0, 3 + _INCHES_A_LAYER * len(labels)), 7.5
    drawn = figure.Figure(figsize=inches, layout="constrained")
    top, bottom = drawn.subplots(2, 1, sharex=True)
    for index, (name, layers) in enumerate(errors.items()):
        style = {"marker": _MARKERS[index % len(_MARKERS)], "markersize": 5}
        for axes, values in (
            (top, [each.accumulated_db for each in layers]),
            (bottom, [each.alone_db for each in layers]),
        ):
            # What is exact or zero has no place on the axis: a gap in the line.
            finite = [v if math.isfinite(v) else math.nan for v in values]
            axes.plot(range(len(finite)), finite, label=name, linewidth=1.2, **style)
    top.set_title("accumulated up to the layer", fontsize=10)
    bottom.set_title("of the layer alone, from float inputs", fontsize=10)
    for axes in (top, bottom):
        axes.set_ylabel("SQNR in dB")
        axes.grid(visible=True, alpha=0.3)
    bottom.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=8)
    drawn.suptitle(title)
    drawn.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    stream = io.BytesIO()
    # Without the date and version that matplotlib would write into it.
    drawn.savefig(stream, format="png", dpi=_DOTS_AN_INCH, metadata={"Software": None})
    return stream.getvalue()
