"""Answers that are classes or labels, to look at."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpipeline.report.run_pages import inputs
from tfpipeline.report.run_pages.sections import percent
from tfpipeline.report_pages import charts, page

_MOST_OPEN = 20


def sections(record: Mapping[str, Any], shown: inputs.Shown) -> list[page.Section]:
    """Confusion, classes one by one, calibration, curves, mistakes, changed answers."""
    found = [_by_class(record)]
    if "confusion" in record:
        found.insert(0, confusion(record))
    found.append(_calibration(record))
    if record["curves"]:
        found.append(curves(record["curves"], record["deployed"]))
    found.append(_mistakes(record, shown))
    if record["changes"]:
        found.append(_changes(record, shown))
    return found


def confusion(record: Mapping[str, Any], what: str = "examples") -> page.Section:
    """What is taken for what.

    Args:
        record: with `names`, and a matrix or the largest pairs by form.
        what: is counted.
    """
    names, deployed = record["names"], record["deployed"]
    counts = record["confusion"][deployed]
    title, about = "What is taken for what", f"Test {what} by {deployed}."
    if "pairs" in counts:
        rows = tuple(
            (names[a], names[b], f"{count:,}") for a, b, count in counts["pairs"]
        )
        table = page.Table(("true", "answer", what), rows)
        return page.Section(title, (f"{about} The most frequent mistakes.",), (table,))
    matrix = np.array(counts["matrix"])
    drawn = charts.matrix(matrix, names, names, ("true", "answer"))
    rows = tuple(
        (name, *map(str, row)) for name, row in zip(names, matrix.tolist(), strict=True)
    )
    tables = (page.Table(("true \\ answer", *names), rows, "the numbers"),)
    return page.Section(
        title,
        (
            f"{about} Rows are what is true, columns the answer; darker is a larger "
            "share of the row.",
        ),
        tables,
        (page.image(drawn, f"Confusion matrix of {deployed}"),),
    )


def _by_class(record: Mapping[str, Any]) -> page.Section:
    names, forms = record["names"], record["by_class"]
    head = ["class", "examples"]
    for form in forms:
        head += [f"{x} {form}" for x in ("precision", "recall", "F1")]
    rows = []
    for place, name in enumerate(names):
        first = next(iter(forms.values()))
        cells = [name, f"{first['examples'][place]:,}"]
        for each in forms.values():
            cells += [percent(each[x][place], 1) for x in ("precision", "recall", "f1")]
        rows.append(tuple(cells))
    title = "" if len(rows) <= _MOST_OPEN else f"{len(rows)} classes"
    return page.Section(
        "Class by class",
        (
            "Precision: of the examples that got the answer, how many are of the "
            "class. Recall: of those of the class, how many got the answer.",
        ),
        (page.Table(tuple(head), tuple(rows), title),),
    )


def _calibration(record: Mapping[str, Any]) -> page.Section:
    forms = record["calibration"]
    drawn = charts.calibration(
        {name: (each["confidence"], each["right"]) for name, each in forms.items()}
    )
    rows = tuple(
        (name, percent(each["expected_calibration_error"]))
        for name, each in forms.items()
    )
    bins = record["calibration"][record["deployed"]]
    numbers = tuple(
        (f"{sure:.3f}", f"{right:.3f}", f"{count:,}")
        for sure, right, count in zip(
            bins["confidence"], bins["right"], bins["examples"], strict=True
        )
    )
    return page.Section(
        "How sure it may be",
        ("Below the dotted line the network is surer than it is right.",),
        (
            page.Table(("form", "mean gap (ECE)"), rows),
            page.Table(
                ("confidence", "right", "answers"),
                numbers,
                f"bins of {record['deployed']}",
            ),
        ),
        (page.image(drawn, "Share of right answers by confidence, ten bins"),),
    )


def curves(
    of: Mapping[str, Mapping[str, Any]], deployed: str, by: str = "probabilities"
) -> page.Section:
    """ROC and precision-recall.

    Args:
        of: name -> points and areas.
        deployed: the form that they are of.
        by: what the threshold is of.
    """
    roc = {name: (x["false_rates"], x["true_rates"]) for name, x in of.items()}
    precision = {name: (x["recall"], x["precision"]) for name, x in of.items()}
    drawn = charts.rates(
        (
            ("ROC", "false alarms", "found", roc),
            ("precision and recall", "recall", "precision", precision),
        )
    )
    rows = tuple(
        (name, f"{x['auc']:.4f}", f"{x['average_precision']:.4f}")
        for name, x in of.items()
    )
    return page.Section(
        "At other thresholds",
        (f"Each one against all others, by the {by} of {deployed}.",),
        (page.Table(("class", "AUC", "average precision"), rows),),
        (page.image(drawn, f"ROC and precision-recall curves of {deployed}"),),
    )


def _mistakes(record: Mapping[str, Any], shown: inputs.Shown) -> page.Section:
    names = record["names"]
    captions, rows = [], []
    for each in record["mistakes"]:
        sure = percent(each["confidence"], 1)
        if "label" in each:
            label = names[each["label"]]
            truth, answer = (
                f"{label}: {'yes' if each[x] else 'no'}" for x in ("truth", "answer")
            )
        else:
            truth, answer = names[each["truth"]], names[each["answer"]]
        captions.append((each["example"], f"{truth}, taken for {answer}, {sure} sure"))
        rows.append((str(each["example"]), truth, answer, sure))
    head = ("test example", "true", "answer", "sure")
    return page.Section(
        "Its surest mistakes",
        (f"Of {record['deployed']}: wrong answers, the surest first.",)
        if rows
        else ("There are none on the test examples.",),
        (page.Table(head, tuple(rows), "the list"),) if rows else (),
        galleries=shown.gallery(captions),
    )


def _changes(record: Mapping[str, Any], shown: inputs.Shown) -> page.Section:
    names, changes = record["names"], record["changes"]
    head = ("form", "other answers", "right to wrong", "wrong to right", "McNemar p")
    rows = tuple(
        (
            form,
            f"{each['changed']:,}",
            f"{each['only_a']:,}",
            f"{each['only_b']:,}",
            f"{each['mcnemar_p']:.3g}",
        )
        for form, each in changes.items()
    )
    examples = changes.get(record["deployed"], {}).get("examples", [])
    captions = []
    listed = []
    for each in examples:
        truth, before, after = (
            _said(each[x], names) for x in ("truth", "float", "answer")
        )
        captions.append((each["example"], f"{truth}: float says {before}, now {after}"))
        listed.append((str(each["example"]), truth, before, after))
    tables = [page.Table(head, rows)]
    if listed:
        columns = ("test example", "true", "float32", record["deployed"])
        tables.append(page.Table(columns, tuple(listed), "examples that change"))
    return page.Section(
        "Who changes class between formats",
        (
            "Against float32, example by example. A small p says that what was lost "
            "and what was gained are more than chance apart.",
        ),
        tuple(tables),
        galleries=shown.gallery(captions),
    )


def _said(answer: Any, names: list[str]) -> str:
    if isinstance(answer, list):
        said = [names[place] for place, value in enumerate(answer) if value]
        return " + ".join(said) or "none"
    return str(names[answer])
