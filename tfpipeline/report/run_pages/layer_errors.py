"""Error by layer of each number format, to look at."""

from collections.abc import Mapping
from typing import Any

from tfpipeline.report_pages import charts, page


def sections(formats: Mapping[str, Mapping[str, Any]]) -> list[page.Section]:
    """SQNR of every layer, a part a format."""
    if not formats:
        return []
    parts = []
    for name, each in formats.items():
        if "layers" not in each:
            parts.append(page.Section(name, (each["reason"],)))
            continue
        layers = each["layers"]
        rows = tuple(
            (
                x["name"],
                x["kind"],
                *(_told(x[y]) for y in ("accumulated_db", "alone_db")),
            )
            for x in layers
        )
        drawn = charts.decibels(
            [x["name"] for x in layers],
            {
                "up to the layer": [x["accumulated_db"] for x in layers],
                "the layer alone": [x["alone_db"] for x in layers],
            },
        )
        head = ("layer", "kind", "up to it, dB", "alone, dB")
        parts.append(
            page.Section(
                name,
                (f"On {each['examples']} validation examples.",),
                (page.Table(head, rows, "the numbers"),),
                (page.image(drawn, f"{name}: signal to quantization noise by layer"),),
            )
        )
    return [
        page.Section(
            "Where integers lose",
            (
                "Signal to quantization noise of each layer's output beside the float "
                "network of the same weights: 6 dB are a bit. A layer that is low "
                "alone loses itself; one that is low only up to it inherits.",
            ),
            parts=tuple(parts),
        )
    ]


def _told(decibels: float | None) -> str:
    return "exact or zero" if decibels is None else f"{decibels:.1f}"
