"""A network, to look at."""

from collections.abc import Mapping
from typing import Any

from tfpipeline.report_pages import charts, page

_MOST_DRAWN = 250


def section(record: Mapping[str, Any]) -> page.Section:
    """Layers with shapes, bytes and MACs."""
    layers = record["layers"]
    places: dict[str, int] = {}
    for name in (x["name"] for x in (*record["inputs"], *layers)):
        places.setdefault(name, len(places))
    weights = sum(each["weight_bytes"] for each in layers)
    macs = sum(each["macs"] for each in layers)
    head = ("layer", "kind", "output", "weight bytes", "MACs", "reads")
    rows = tuple(
        (
            each["name"],
            each["kind"],
            "x".join(map(str, each["shape"])),
            f"{each['weight_bytes']:,}",
            f"{each['macs']:,}",
            ", ".join(each["reads"]),
        )
        for each in layers
    )
    inputs = ", ".join("x".join(map(str, each["shape"])) for each in record["inputs"])
    images: tuple[page.Image, ...] = ()
    if len(layers) <= _MOST_DRAWN:
        drawn = charts.network(layers, places)
        images = (page.image(drawn, f"The layers of {record['name']}, top to bottom"),)
    return page.Section(
        "The network",
        (
            f"As it is deployed: {len(layers)} layers, input {inputs}, {weights:,} "
            f"bytes of weights, {macs:,} multiply-accumulates an inference.",
        ),
        (page.Table(head, rows, "the layers as a table"),),
        images,
    )
