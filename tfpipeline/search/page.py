"""What a search found, to look at."""

from collections.abc import Mapping
from typing import Any

from tfpipeline.report.findings import comparison
from tfpipeline.report_pages import charts, page
from tfpipeline.search import space as spaces


def sections(
    record: Mapping[str, Any], space: spaces.Space, *, higher: bool
) -> list[page.Section]:
    """The front, figures against costs, what matters, and who was not trained.

    Args:
        record: of `studies.record`.
        space: of the search.
        higher: whether a higher metric is the better one.
    """
    trained = record["trained"]
    front = set(record["front"])
    parts = [
        page.Section(
            "What was asked",
            (
                f"{len(trained)} candidates trained, {_not_ended(record)}"
                f"{len(record['refused'])} refused before training, "
                f"{100 * record['refused_share']:.0f} % of all.",
            ),
            (_asked(space),),
        ),
        page.Section(
            "The front",
            ("Candidates that no other one beats in all objectives.",),
            (_table([x for x in trained if x["number"] in front], record, space),),
        ),
    ]
    images = _clouds(trained, space, higher)
    if images:
        parts.append(page.Section("Against costs", images=images))
    if record["importance"]:
        rows = tuple(
            (name, page.Bar(value, f"{100 * value:.1f} %"))
            for name, value in record["importance"].items()
        )
        parts.append(
            page.Section(
                "What matters",
                ("Share of a flag in the variance of the metric (fANOVA of Optuna).",),
                (page.Table(("flag", "share"), rows),),
            )
        )
    tables = [_table(trained, record, space, f"{len(trained)} trained")]
    for name in ("failed", "stopped", "refused"):
        rows = tuple(
            (
                str(x["number"]),
                *(_value(x["flags"].get(f)) for f in space.flags),
                x["why"],
            )
            for x in record[name]
        )
        if rows:
            head = ("trial", *space.flags, "why")
            tables.append(page.Table(head, rows, f"{len(rows)} {name}"))
    parts.append(page.Section("All candidates", tables=tuple(tables)))
    return parts


def to_text(record: Mapping[str, Any], space: spaces.Space) -> str:
    """The front, for a terminal."""
    front = [x for x in record["trained"] if x["number"] in record["front"]]
    table = _table(front, record, space)
    cells = [table.head, *(tuple(map(str, row)) for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    lines.append(
        f"{len(record['trained'])} trained, {_not_ended(record)}"
        f"{len(record['refused'])} refused before training "
        f"({100 * record['refused_share']:.0f} % of all)"
    )
    return "\n".join(lines) + "\n"


def _not_ended(record: Mapping[str, Any]) -> str:
    stopped = len(record["stopped"])
    told = f"{stopped} stopped, " if stopped else ""
    return f"{told}{len(record['failed'])} failed, "


def _asked(space: spaces.Space) -> page.Table:
    rows = []
    for name, each in space.flags.items():
        if isinstance(each, spaces.Range):
            step = "" if each.step is None else f", step {each.step:g}"
            log = ", logarithmic" if each.log else ""
            rows.append((name, f"{each.low:g} to {each.high:g}{step}{log}"))
        else:
            rows.append((name, ", ".join(map(str, each))))
    rows += [(x.of.title, f"at most {x.most:g}") for x in space.constraints]
    rows += [(name, "must fit") for name in space.targets]
    return page.Table(("what", "values"), tuple(rows))


def _table(
    candidates: list[Any],
    record: Mapping[str, Any],
    space: spaces.Space,
    title: str = "",
) -> page.Table:
    head = ("trial", *space.flags, *record["objectives"], "folder", "minutes")
    rows = tuple(
        (
            str(each["number"]),
            *(_value(each["flags"].get(name)) for name in space.flags),
            *(f"{value:.5g}" for value in each["values"]),
            f"trials/{each['folder']:05d}",
            "-" if each["seconds"] is None else f"{each['seconds'] / 60:.1f}",
        )
        for each in candidates
    )
    return page.Table(head, rows, title)


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _clouds(
    trained: list[Any], space: spaces.Space, higher: bool
) -> tuple[page.Image, ...]:
    """The metric against each cost that is known, a panel a target."""
    place = space.objectives.index(spaces.METRIC)
    images = []
    for cost, title in comparison.COSTS.items():
        panels = {}
        for target in space.targets:
            known = [
                x for x in trained if x["costs"].get(target, {}).get(cost) is not None
            ]
            if not known:
                continue
            figures = [x["values"][place] for x in known]
            values = [x["costs"][target][cost] for x in known]
            best = comparison.front(figures, values, higher=higher)
            names = tuple(
                "on the front" if i in best else "others" for i in range(len(known))
            )
            panels[target] = charts.Cloud(
                names, tuple(values), tuple(figures), tuple(best)
            )
        if panels:
            drawn = charts.pareto(panels, (title, "validation metric"))
            images.append(
                page.image(drawn, f"The metric of candidates against {title}")
            )
    return tuple(images)
