"""What each target says of a network, to look at."""

import json
from collections.abc import Mapping
from typing import Any

from tfpipeline.report_pages import charts, page

_MOST_OPEN = 40
_RAM = ("ram_bytes", "arena_planned_bytes", "data_bytes")

Estimate = Mapping[str, Any]


def sections(formats: Mapping[str, Mapping[str, Estimate]]) -> list[page.Section]:
    """A section a number format, in it a part a target that the network fits."""
    found = []
    for name, targets in formats.items():
        title = "What it costs"
        if len(formats) > 1:
            title += f" in {name}"
        drawn: dict[str, str] = {}
        parts = [
            _part(target, each, drawn)
            for target, each in targets.items()
            if each["layers"]
        ]
        found.append(
            page.Section(
                title,
                (
                    "By models, whose errors stand beside their figures where somebody "
                    "compared them with a board; docs/performance.md explains them.",
                ),
                (_comparison(targets),),
                parts=tuple(parts),
            )
        )
    return found


def _comparison(targets: Mapping[str, Estimate]) -> page.Table:
    head = ("target", "latency", "energy", "weights", "RAM", "fits")
    rows = []
    for name, each in targets.items():
        memory = each["memory"]
        stored = memory.get("weight_bytes", 0) + memory.get("bias_bytes", 0)
        ram = next((memory[x] for x in _RAM if x in memory), None)
        latencies = [_latency(x) for x in each["latency"].values()]
        joules = next(
            (x["joules"] for x in each["latency"].values() if x["joules"]), None
        )
        rows.append(
            (
                name,
                " / ".join(latencies) or "-",
                "-" if joules is None else f"{1e6 * joules:,.0f} uJ",
                f"{stored:,} B" if each["layers"] else "-",
                "-" if ram is None else f"{ram:,} B",
                "no" if each["violations"] else "yes",
            )
        )
    return page.Table(head, tuple(rows))


def _latency(record: Mapping[str, Any]) -> str:
    text = f"{1e3 * record['seconds']:,.3f} ms"
    if record["relative_error"] is not None:
        text += f" ± {100 * record['relative_error']:.0f} %"
    # Results of before have no such word.
    return f"{text} {record.get('evidence', '')}".rstrip()


def _part(target: str, each: Estimate, drawn: dict[str, str]) -> page.Section:
    """A target; a map that another target has, too, is named and not drawn again."""
    paragraphs = [f"Does not fit: {line}" for line in each["violations"]]
    paragraphs += list(each["notes"])
    images = []
    for found in each["maps"]:
        key = json.dumps([found["steps"], found["blocks"]])
        if key in drawn:
            paragraphs.append(f"{found['title']}: the same as of {drawn[key]}.")
            continue
        drawn[key] = target
        images.append(_map(target, found))
    memory = tuple(
        (name.replace("_", " "), f"{size:,}", f"{size / 1024:,.1f}")
        for name, size in each["memory"].items()
    )
    return page.Section(
        target,
        tuple(paragraphs),
        (page.Table(("memory", "bytes", "KiB"), memory, "memory"), _layers(each)),
        tuple(images),
    )


def _layers(each: Estimate) -> page.Table:
    """Layers with the cycles of each model as bars."""
    models = each["latency"]
    longest = {
        name: max((x["latency"][name] for x in each["layers"]), default=0) or 1
        for name in models
    }
    rows = []
    for layer in each["layers"]:
        bars = []
        for name, found in models.items():
            cycles = layer["latency"][name]
            share = f"{100 * cycles / (found['cycles'] or 1):.1f} %"
            bars.append(page.Bar(cycles / longest[name], f"{cycles:,.0f} ({share})"))
        counts = (f"{layer['macs']:,}", f"{layer['weight_bytes']:,}")
        rows.append((layer["name"], *bars, layer["kind"], *counts))
    head = ("layer", *(f"cycles by {x}" for x in models), "kind", "MACs", "weights, B")
    title = "" if models and len(rows) <= _MOST_OPEN else f"{len(rows)} layers"
    return page.Table(head, tuple(rows), title)


def _map(target: str, found: Mapping[str, Any]) -> page.Image:
    lanes = [(each["name"], each["start"]) for each in found["lanes"]]
    told = f"{target}: {found['title']}; a row a step, time downwards"
    if lanes:
        size = lanes[1][1] - lanes[0][1]
        reach = max(
            (x["offset"] % size + x["bytes"] for x in found["blocks"]), default=1
        )
        drawn = charts.memories(found["steps"], found["blocks"], lanes, reach)
        told += (
            f"; a column for the processors that it names, its first {reach:,} of "
            f"{size:,} bytes"
        )
        return page.image(drawn, told)
    bound = found["bound_bytes"]
    drawn = charts.memory(
        found["steps"], found["blocks"], bound=bound, available=found["available_bytes"]
    )
    told += f"; peak {found['peak_bytes']:,} bytes"
    if bound is not None:
        told += f", no plan can go below {bound:,}"
    return page.image(drawn, told)
