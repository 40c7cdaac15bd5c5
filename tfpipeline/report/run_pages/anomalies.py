"""Inputs that are rebuilt, to look at."""

from collections.abc import Mapping
from typing import Any

from tfpipeline.report.run_pages import classes, inputs
from tfpipeline.report_pages import charts, page


def sections(record: Mapping[str, Any], shown: inputs.Shown) -> list[page.Section]:
    """Scores of normal inputs and of others, curves, and what is most wrong."""
    edges = record["edges"]
    drawn = charts.histograms(
        {name: (edges, counts) for name, counts in record["counts"].items()},
        "mean squared error of an example",
    )
    found = [
        page.Section(
            "Scores",
            (f"How far an example is from what {record['deployed']} makes of it.",),
            images=(page.image(drawn, "Histogram of the scores of test examples"),),
        )
    ]
    if record["curves"]:
        found.append(classes.curves(record["curves"], record["deployed"], "scores"))
    if record["mistakes"]:
        captions, rows = [], []
        for each in record["mistakes"]:
            what = "anomaly" if each["is_anomaly"] else "normal"
            captions.append((each["example"], f"{what}, score {each['score']:.4g}"))
            rows.append((str(each["example"]), what, f"{each['score']:.4g}"))
        head = ("test example", "what it is", "score")
        found.append(
            page.Section(
                "What is most wrong",
                ("Normal ones of the highest scores, then anomalies of the lowest.",),
                (page.Table(head, tuple(rows), "the list"),),
                galleries=shown.gallery(captions),
            )
        )
    return found
