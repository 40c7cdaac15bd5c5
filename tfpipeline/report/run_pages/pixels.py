"""Classes of pixels, to look at."""

from collections.abc import Mapping
from typing import Any

from tfpipeline.report.run_pages import classes, inputs
from tfpipeline.report.run_pages.sections import percent
from tfpipeline.report_pages import page


def sections(record: Mapping[str, Any], shown: inputs.Shown) -> list[page.Section]:
    """Confusion of pixels, classes one by one, the pictures with most wrong pixels."""
    rows = tuple(
        (name, *(percent(ious[place], 1) for ious in record["ious"].values()))
        for place, name in enumerate(record["names"])
    )
    head = ("class", *(f"IoU {form}" for form in record["ious"]))
    captions = [
        (each["example"], f"{percent(each['right_pixels'], 1)} of the pixels are right")
        for each in record["mistakes"]
    ]
    listed = tuple(
        (str(each["example"]), percent(each["right_pixels"], 1))
        for each in record["mistakes"]
    )
    return [
        classes.confusion(record, "pixels"),
        page.Section(
            "Class by class",
            ("IoU: pixels that truth and answer share, of those that either has.",),
            (page.Table(head, rows),),
        ),
        page.Section(
            "Pictures with most wrong pixels",
            (f"Of {record['deployed']}.",),
            (page.Table(("test example", "right pixels"), listed, "the list"),),
            galleries=shown.gallery(captions),
        ),
    ]
