"""What each target says of a network, to look at."""

from collections.abc import Mapping
from typing import Any

from tfpipeline.report_pages import charts, page

_MOST_BARS = 60
_RAM = ("ram_bytes", "arena_planned_bytes", "data_bytes")

Estimate = Mapping[str, Any]


def sections(formats: Mapping[str, Mapping[str, Estimate]]) -> list[page.Section]:
    """A section a number format, in it a part a target that the network fits."""
    found = []
    for name, targets in formats.items():
        title = "What it costs"
        if len(formats) > 1:
            title += f" in {name}"
        parts = [
            _part(target, each) for target, each in targets.items() if each["layers"]
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
    if record["relative_error"] is None:
        return text
    return f"{text} ± {100 * record['relative_error']:.0f} %"


def _part(target: str, each: Estimate) -> page.Section:
    paragraphs = [f"Does not fit: {line}" for line in each["violations"]]
    paragraphs += list(each["notes"])
    images = []
    if each["latency"]:
        images.append(_bars(target, each))
    for found in each["maps"]:
        images.append(_map(target, found))
    memory = tuple(
        (name.replace("_", " "), f"{size:,}", f"{size / 1024:,.1f}")
        for name, size in each["memory"].items()
    )
    layers = tuple(
        (
            layer["name"],
            layer["kind"],
            f"{layer['macs']:,}",
            f"{layer['weight_bytes']:,}",
            *(f"{layer['latency'][x]:,.0f}" for x in each["latency"]),
        )
        for layer in each["layers"]
    )
    head = ("layer", "kind", "MACs", "weight bytes")
    return page.Section(
        target,
        tuple(paragraphs),
        (
            page.Table(("memory", "bytes", "KiB"), memory, "memory"),
            page.Table(
                (*head, *(f"cycles {x}" for x in each["latency"])), layers, "layers"
            ),
        ),
        tuple(images),
    )


def _bars(target: str, each: Estimate) -> page.Image:
    """Cycles of each layer by the first of the target's models."""
    model = next(iter(each["latency"]))
    layers = [x for x in each["layers"] if x["latency"][model]]
    layers = sorted(layers, key=lambda x: -x["latency"][model])[:_MOST_BARS]
    kept = {id(x) for x in layers}
    layers = [x for x in each["layers"] if id(x) in kept]
    cycles = [x["latency"][model] for x in layers]
    total = each["latency"][model]["cycles"] or 1
    drawn = charts.bars(
        [x["name"] for x in layers],
        [x / 1000 for x in cycles],
        "thousand cycles",
        [f"{100 * x / total:.1f} %" for x in cycles],
    )
    return page.image(drawn, f"{target}: cycles of each layer by {model}")


def _map(target: str, found: Mapping[str, Any]) -> page.Image:
    drawn = charts.memory(
        found["steps"],
        found["blocks"],
        bound=found["bound_bytes"],
        available=found["available_bytes"],
        lanes=[(each["name"], each["start"]) for each in found["lanes"]],
    )
    said = f"peak {found['peak_bytes']:,} bytes"
    if found["lanes"]:
        said = "a column for the four processors that it names"
    elif found["bound_bytes"] is not None:
        said += f", no plan can go below {found['bound_bytes']:,}"
    return page.image(
        drawn, f"{target}: {found['title']}; a row a step, time downwards; {said}"
    )
