"""Estimates as text, JSON and CSV. docs/performance.md explains every line."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tfpipeline.cost import estimate

COUNTS = ("macs", "macc", "comp", "add", "mul", "bitwise", "weight_bytes")
CSV_COLUMNS = (
    "model",
    "target",
    "layer",
    "kind",
    *COUNTS,
    "latency_model",
    "latency_cycles",
)

# What a target calls the memory of the activations.
_RAM = ("ram_bytes", "arena_planned_bytes", "data_bytes")


def to_dict(model: str, estimates: Iterable[estimate.Estimate]) -> dict[str, Any]:
    """Everything but prose, for programs; the schema of docs/performance.md.

    Args:
        model: what was estimated.
        estimates: one a target.
    """
    return {"model": model, "targets": {e.target: _target_dict(e) for e in estimates}}


def to_csv(model: str, estimates: Iterable[estimate.Estimate]) -> str:
    """One line a layer and latency model, `CSV_COLUMNS`, and each target's total.

    A target without latency models has one line a layer with the last two empty.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for found in estimates:
        for layer in (*found.layers, found.totals):
            start = (model, found.target, layer.name, layer.kind)
            counts = (getattr(layer, name) for name in COUNTS)
            row = (*start, *counts)
            for name, cycles in layer.latency_cycles.items():
                writer.writerow((*row, name, _number(cycles)))
            if not layer.latency_cycles:
                writer.writerow((*row, "", ""))
    return stream.getvalue()


def to_text(model: str, estimates: Sequence[estimate.Estimate]) -> str:
    """For people: the comparison over targets, then each target layer by layer."""
    parts = [model, comparison(estimates)]
    parts += [_target_text(found) for found in estimates]
    return "\n\n".join(parts) + "\n"


def comparison(estimates: Sequence[estimate.Estimate]) -> str:
    """One line a target and latency model, then why what does not fit does not.

    No trailing newline.
    """
    header = (
        "target",
        "latency model",
        "latency",
        "inferences/s",
        "MAC/cycle",
        "weights + bias",
        "RAM",
        "fits",
    )
    rows = [row for found in estimates for row in _comparison_rows(found)]
    reasons = [
        f"{found.target} does not fit: {first_reason(found)}"
        for found in estimates
        if found.violations
    ]
    return "\n".join([table(header, rows, 2), *reasons])


def first_reason(found: estimate.Estimate) -> str:
    """The first violation, and how many more there are."""
    more = len(found.violations) - 1
    return found.violations[0] + (f" (and {more} more)" if more else "")


def _comparison_rows(found: estimate.Estimate) -> list[tuple[str, ...]]:
    memory = found.memory
    stored = memory.get("weight_bytes", 0) + memory.get("bias_bytes", 0)
    ram = next((memory[name] for name in _RAM if name in memory), None)
    tail = (
        f"{stored:,} B" if found.layers else "-",
        "-" if ram is None else f"{ram:,} B",
        "no" if found.violations else "yes",
    )
    rows: list[tuple[str, ...]] = [
        (
            found.target,
            name,
            _milliseconds(latency),
            f"{1 / latency.seconds:,.1f}",
            f"{found.macs_per_cycle(name):,.2f}",
            *tail,
        )
        for name, latency in found.latency.items()
    ]
    return rows or [(found.target, "-", "-", "-", "-", *tail)]


def _milliseconds(latency: estimate.Latency) -> str:
    text = f"{1e3 * latency.seconds:,.3f} ms"
    if latency.relative_error is not None:
        text += f" +-{100 * latency.relative_error:.0f} %"
    return f"{text} {latency.evidence}".rstrip()


def _target_dict(found: estimate.Estimate) -> dict[str, Any]:
    return {
        "layers": [_layer_dict(layer) for layer in found.layers],
        "totals": _layer_dict(found.totals),
        "latency": {
            name: {
                "cycles": _number(latency.cycles),
                "seconds": latency.seconds,
                "relative_error": latency.relative_error,
                "joules": latency.joules,
                "evidence": latency.evidence,
            }
            for name, latency in found.latency.items()
        },
        "memory": dict(found.memory),
        "violations": list(found.violations),
        "notes": list(found.notes),
        "maps": [each.to_dict() for each in found.maps],
    }


def _layer_dict(layer: estimate.Layer) -> dict[str, Any]:
    latency = {name: _number(c) for name, c in layer.latency_cycles.items()}
    return {
        "name": layer.name,
        "kind": layer.kind,
        **{name: getattr(layer, name) for name in COUNTS},
        "latency": latency,
    }


def _number(cycles: float) -> float | int:
    """Whole cycles as the integers they are."""
    return int(cycles) if float(cycles).is_integer() else float(cycles)


def _target_text(found: estimate.Estimate) -> str:
    lines = [f"== {found.target} =="]
    lines += [f"does not fit: {line}" for line in found.violations]
    if found.layers:
        lines.append(_layer_table(found))
    lines += _memory_lines(found.memory)
    for name, latency in found.latency.items():
        lines.append(
            f"latency {name}: {_milliseconds(latency)}, {latency.cycles:,.0f} cycles, "
            f"{found.macs_per_cycle(name):.2f} MAC/cycle"
        )
        if latency.joules is not None:
            lines.append(f"energy {name}: {1e6 * latency.joules:,.0f} uJ an inference")
    lines += [f"note: {line}" for line in found.notes]
    for title, text in found.sections.items():
        lines += ["", f"-- {title} --", text.rstrip("\n")]
    return "\n".join(lines)


def _layer_table(found: estimate.Estimate) -> str:
    lines = (*found.layers, found.totals)
    counts = [name for name in COUNTS if any(getattr(line, name) for line in lines)]
    if all(line.macs == line.macc for line in lines) and "macc" in counts:
        counts.remove("macc")
    models = list(found.latency)
    header = ("layer", "kind", *counts, *(f"cycles {name}" for name in models))
    rows = [
        (
            line.name,
            line.kind,
            *(f"{getattr(line, name):,}" for name in counts),
            *(f"{line.latency_cycles[name]:,.0f}" for name in models),
        )
        for line in lines
    ]
    return table(header, rows, 2)


def _memory_lines(memory: Mapping[str, int]) -> list[str]:
    width = max(map(len, memory), default=0)
    return [
        f"{name:<{width}}  {size:>12,}  {size / 1024:>9,.1f} KiB"
        for name, size in memory.items()
    ]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """Columns as wide as they need; the first `left` and the last of words aligned.

    No trailing newline.
    """
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for cells in (header, *rows):
        padded = [
            f"{cell:<{width}}"
            if index < left or header[index] == "fits"
            else f"{cell:>{width}}"
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
