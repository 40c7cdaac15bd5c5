"""Distances of pairs, to look at."""

from collections.abc import Mapping
from typing import Any

from tfpipeline import descriptor_forms
from tfpipeline.report.run_pages import classes
from tfpipeline.report_pages import charts, page


def sections(record: Mapping[str, Any]) -> list[page.Section]:
    """Histograms of distances, and the curves of all forms."""
    forms = {descriptor_forms.named(x): each for x, each in record["forms"].items()}
    if not forms:
        return []
    images = []
    for name, each in forms.items():
        drawn = charts.histograms(
            {who: (each["edges"], counts) for who, counts in each["counts"].items()},
            "squared distance of two descriptors",
            "pairs",
        )
        images.append(page.image(drawn, f"{name}: distances of the tested pairs"))
    found = [
        page.Section(
            "How far apart",
            ("The less both overlap, the better a threshold can tell people apart.",),
            images=tuple(images),
        )
    ]
    lines = {name: each["curves"] for name, each in forms.items() if "curves" in each}
    if lines:
        found.append(classes.curves(lines, "each form", "distances"))
    return found
