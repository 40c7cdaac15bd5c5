"""Answers that are numbers, to look at."""

from collections.abc import Mapping
from typing import Any

from tfpipeline.report.run_pages import inputs
from tfpipeline.report_pages import charts, page

_MOST_PANELS = 6


def sections(record: Mapping[str, Any], shown: inputs.Shown) -> list[page.Section]:
    """Predicted against true, and what is farthest off."""
    truth, predicted = record["truth"], record["predicted"]
    images = []
    for place, name in enumerate(record["names"][:_MOST_PANELS]):
        actual = [row[place] for row in truth]
        groups = {
            form: (actual, [row[place] for row in values])
            for form, values in predicted.items()
        }
        drawn = charts.scatter(groups, (f"true {name}", "predicted"), diagonal=True)
        images.append(page.image(drawn, f"{name}: predicted against true"))
    more = len(record["names"]) - len(images)
    note = f" {more} more values are in results.json." if more else ""
    captions, rows = [], []
    for each in record["mistakes"]:
        wanted, answer = _listed(each["truth"]), _listed(each["answer"])
        captions.append((each["example"], f"true {wanted}, predicted {answer}"))
        rows.append((str(each["example"]), wanted, answer))
    head = ("test example", "true", "predicted")
    return [
        page.Section(
            "Predicted against true",
            (
                f"{len(truth):,} test examples, evenly spread over the split; on the "
                f"dotted line the network is right.{note}",
            ),
            images=tuple(images),
        ),
        page.Section(
            "What is farthest off",
            (f"Of {record['deployed']}, the farthest first.",),
            (page.Table(head, tuple(rows), "the list"),),
            galleries=shown.gallery(captions),
        ),
    ]


def _listed(values: list[float]) -> str:
    text = ", ".join(f"{value:.4g}" for value in values[:4])
    return text + (", ..." if len(values) > 4 else "")
