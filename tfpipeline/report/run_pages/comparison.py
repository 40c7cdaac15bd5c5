"""Runs beside each other, as text, as rows of a table file and as a page."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline.report.findings import comparison
from tfpipeline.report_pages import charts, page
from tfpipeline.tasks import kind as kinds

COLUMNS = ("run", "form", "figure", "value", "low", "high", "model_bytes")

Runs = Sequence[comparison.Compared]


def sections(runs: Runs) -> list[page.Section]:
    """What differs, the figures, tests on the same examples, figures against costs."""
    of = comparison.figure(runs)
    points = [each for run in runs for each in comparison.points(run, of)]
    return [
        _flags(runs),
        _figures(runs, of),
        _tests(comparison.tests(runs), of),
        *_pareto(points, of),
    ]


def record(runs: Runs) -> dict[str, Any]:
    """The same as JSON values."""
    of = comparison.figure(runs)
    return {
        "runs": [run.name for run in runs],
        "figure": of.name,
        "flags": comparison.flags(runs),
        "accuracy": {run.name: list(run.rows) for run in runs},
        "tests": comparison.tests(runs),
        "points": [each for run in runs for each in comparison.points(run, of)],
    }


def to_text(runs: Runs) -> str:
    """The tables of the page, for a terminal."""
    parts = []
    for section in sections(runs):
        parts.append(section.title)
        parts += [_plain(table) for table in section.tables]
        parts.append("")
    return "\n".join(parts)


def to_csv(runs: Runs) -> str:
    """A line a run, form and figure of the test split, `COLUMNS`."""
    main = comparison.figure(runs)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        for row in run.rows:
            form = row["network"]
            for figure in run.kind.figures:
                value = row[f"test_{figure.name}"]
                if value is None:
                    continue
                ends = run.interval(form) if figure == main else None
                told = ["", ""] if ends is None else [f"{x:.6g}" for x in ends]
                size = row.get("model_bytes") or ""
                writer.writerow(
                    (run.name, form, figure.name, f"{value:.6g}", *told, size)
                )
    return stream.getvalue()


def _plain(table: page.Table) -> str:
    cells = [table.head, *(tuple(map(str, row)) for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = [
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(padded).rstrip())
    return "\n".join(lines)


def _flags(runs: Runs) -> page.Section:
    found = comparison.flags(runs)
    rows = tuple(
        (name, *(_value(each) for each in values)) for name, values in found.items()
    )
    if not rows:
        return page.Section("What differs", ("The runs have the same flags.",))
    head = ("flag", *(run.name for run in runs))
    return page.Section("What differs", tables=(page.Table(head, rows),))


def _value(value: Any) -> str:
    if value is None:
        return "not given"
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _figures(runs: Runs, of: kinds.Figure) -> page.Section:
    """A row a form, a column a run."""
    forms = dict.fromkeys(row["network"] for run in runs for row in run.rows)
    rows = []
    for form in forms:
        cells = [form]
        for run in runs:
            row = next((x for x in run.rows if x["network"] == form), None)
            cells.append("-" if row is None else _told(of, row, run.interval(form)))
        rows.append(tuple(cells))
    for title, what in (("epochs", "epochs"), ("training, min", "seconds")):
        cells = [title]
        for run in runs:
            values = [
                each[what]
                for each in run.results.values()
                if isinstance(each, dict) and {"epochs", "best_epoch"} <= each.keys()
            ]
            total = sum(values)
            cells.append(f"{total / 60:.1f}" if what == "seconds" else str(total))
        rows.append(tuple(cells))
    head = (f"test {of.title}", *(run.name for run in runs))
    return page.Section(
        "How good they are",
        ("In brackets the 95 % interval.",),
        (page.Table(head, tuple(rows)),),
    )


def _told(of: kinds.Figure, row: Mapping[str, Any], ends: Any) -> str:
    text = of.text(row[f"test_{of.name}"])
    if ends is None:
        return text
    low, high = (of.text(each).removesuffix(" %") for each in ends)
    return f"{text} ({low} to {high})"


def _tests(found: Sequence[Mapping[str, Any]], of: kinds.Figure) -> page.Section:
    head = (
        *("run", "form", "than", "difference", "95 %", "lost", "gained", "McNemar p"),
    )
    rows = []
    notes: dict[str, None] = {}
    for each in found:
        start = (each["run"], each["form"], f"{each['than']}, {each['base']}")
        if "reason" in each:
            notes[f"{each['run']}: {each['reason']}."] = None
            rows.append((*start, *["-"] * 5))
            continue
        before, after = each["values"]
        ends = each["difference"]
        rows.append(
            (
                *start,
                _change(of, after - before),
                "-" if ends is None else " to ".join(_change(of, x) for x in ends),
                f"{each['lost']:,}" if "lost" in each else "-",
                f"{each['gained']:,}" if "gained" in each else "-",
                f"{each['mcnemar_p']:.3g}" if "mcnemar_p" in each else "-",
            )
        )
    unit = "in points" if of.is_share else "in its own unit"
    return page.Section(
        "On the same test examples",
        (
            f"The difference of the test {of.title} {unit}, examples resampled for "
            "both runs alike; lost and gained: examples that one run alone is right "
            "about. A small p says that both are more than chance apart.",
            *notes,
        ),
        (page.Table(head, tuple(rows)),),
    )


def _change(of: kinds.Figure, value: float) -> str:
    return f"{100 * value:+.2f}" if of.is_share else f"{value:+.4g}"


def _pareto(
    points: Sequence[Mapping[str, Any]], of: kinds.Figure
) -> list[page.Section]:
    """A figure a cost, in it a panel a target."""
    factor, unit = (100, " (%)") if of.is_share else (1, "")
    images, tables = [], []
    for cost, title in comparison.COSTS.items():
        known = [x for x in points if x[cost] is not None]
        targets = list(dict.fromkeys(x["target"] for x in known))
        if cost == "macs":
            # The same on most targets, whose layers are those of the graph.
            targets = targets[:1]
        if not targets:
            continue
        panels = {}
        for target in targets:
            here = [x for x in known if x["target"] == target]
            figures = [factor * x["figure"] for x in here]
            values = [x[cost] for x in here]
            higher = of.is_better_higher
            best = comparison.front(figures, values, higher=higher)
            panels["MACs" if cost == "macs" else target] = charts.Cloud(
                tuple(f"{x['run']} {x['format']}" for x in here),
                tuple(values),
                tuple(figures),
                tuple(best),
            )
        drawn = charts.pareto(panels, (title, f"test {of.title}{unit}"))
        images.append(page.image(drawn, f"Test {of.title} against {title}"))
    head = ("target", "run", "format", of.title, *comparison.COSTS.values(), "fits")
    rows = tuple(
        (
            each["target"],
            each["run"],
            each["format"],
            of.text(each["figure"]),
            *("-" if each[x] is None else f"{each[x]:,.4g}" for x in comparison.COSTS),
            "yes" if each["fits"] else "no",
        )
        for each in sorted(points, key=lambda x: str(x["target"]))
    )
    if rows:
        tables.append(page.Table(head, rows))
    return (
        [
            page.Section(
                "What it costs",
                ("On the line are the runs that no other one beats in both.",),
                tuple(tables),
                tuple(images),
            )
        ]
        if rows
        else []
    )
