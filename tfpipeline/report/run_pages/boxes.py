"""Boxes of objects, to look at."""

from collections.abc import Mapping
from typing import Any

from tfpipeline.report.run_pages import inputs
from tfpipeline.report_pages import charts, page


def sections(record: Mapping[str, Any], shown: inputs.Shown) -> list[page.Section]:
    """Precision over recall, and the pictures with most mistakes."""
    found = []
    lines = {
        name: (each["recall"], each["precision"])
        for name, each in record["precision_recall"].items()
    }
    if lines:
        drawn = charts.rates((("precision and recall", "recall", "precision", lines),))
        found.append(
            page.Section(
                "At other thresholds",
                (
                    "A box is right from an intersection over union of 0.5 on; "
                    "curves end where no box of a lower score is left.",
                ),
                images=(page.image(drawn, "Precision over recall of boxes"),),
            )
        )
    images, rows = [], []
    for each in record["mistakes"]:
        caption = f"{each['missed']} missed, {each['false']} false"
        rows.append((str(each["example"]), str(each["missed"]), str(each["false"])))
        example = shown.by_position.get(each["example"])
        if example is not None:
            drawn = inputs.boxed(example, each["truth"], each["boxes"])
            images.append(page.image(drawn, caption, photographs=True))
    found.append(
        page.Section(
            "Pictures with most mistakes",
            (
                f"Of {record['deployed']}, boxes of a score of 0.5 and more counted. "
                "Dashed orange: what is there; blue: what was found, with its score.",
            ),
            (page.Table(("test example", "missed", "false"), tuple(rows), "the list"),)
            if rows
            else (),
            galleries=(page.Gallery(tuple(images)),) if images else (),
        )
    )
    return found
