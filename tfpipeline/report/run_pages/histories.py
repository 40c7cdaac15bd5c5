"""The epochs of all stages, to look at."""

from collections.abc import Mapping
from typing import Any

from tfpipeline.report_pages import charts, page

# Quantities in panels of their own, by their names in the record; what else is measured
# stands in a panel with its twin of validation.
_RATE, _SPEED = "learning_rate", "images_per_second"
_SILENT = ("epoch", "best_epoch", "seconds")
_VALIDATION = "val_"
_MOST_PANELS = 8

Columns = Mapping[str, list[Any]]
Lines = dict[str, tuple[list[float], list[float]]]


def sections(history: Mapping[str, Columns]) -> list[page.Section]:
    """Curves of all stages one behind the other; nothing where no epoch was trained."""
    stages = {name: each for name, each in history.items() if each.get("epoch")}
    if not stages:
        return []
    panels = _panels(stages)
    borders, start = [], 0
    for each in stages.values():
        start += len(each["epoch"])
        borders.append(start + 0.5)
    rates = [rate for each in stages.values() for rate in each.get(_RATE, []) if rate]
    logarithmic = ["learning rate"] if rates and max(rates) > 20 * min(rates) else []
    drawn = charts.curves(panels, "epoch", borders[:-1], logarithmic)
    order = ", then ".join(stages)
    tables = tuple(_table(name, each) for name, each in stages.items())
    return [
        page.Section(
            "How it learned",
            (f"Stages one behind the other: {order}; a dotted line where one begins.",),
            tables,
            (
                page.image(
                    drawn, "Loss, figures, learning rate and speed of each epoch"
                ),
            ),
        )
    ]


def _panels(stages: Mapping[str, Columns]) -> dict[str, Lines]:
    names = dict.fromkeys(name for each in stages.values() for name in each)
    measured = [x for x in names if x not in (*_SILENT, _RATE, _SPEED)]
    titles = dict.fromkeys(name.removeprefix(_VALIDATION) for name in measured)
    panels: dict[str, Lines] = {}
    for title in list(titles)[: _MOST_PANELS - 2]:
        panels[title.replace("_", " ")] = {
            label: line
            for label, name in (
                ("train", title),
                ("validation", f"{_VALIDATION}{title}"),
            )
            if name in names and (line := _line(stages, name))[0]
        }
    for title, name in (("learning rate", _RATE), ("examples a second", _SPEED)):
        if name in names:
            panels[title] = {title: _line(stages, name)}
    return {title: lines for title, lines in panels.items() if lines}


def _line(stages: Mapping[str, Columns], name: str) -> tuple[list[float], list[float]]:
    """Epochs, counted over all stages, and values; what is absent is left out."""
    x, y, start = [], [], 0
    for each in stages.values():
        for place, value in enumerate(each.get(name, [])):
            if isinstance(value, int | float):
                x.append(float(start + place + 1))
                y.append(float(value))
        start += len(each["epoch"])
    return x, y


def _table(stage: str, columns: Columns) -> page.Table:
    rows = tuple(
        tuple(
            f"{value:.4g}" if isinstance(value, float) else str(value) for value in row
        )
        for row in zip(*columns.values(), strict=True)
    )
    head = tuple(name.replace("_", " ") for name in columns)
    return page.Table(head, rows, f"epochs of {stage}")
