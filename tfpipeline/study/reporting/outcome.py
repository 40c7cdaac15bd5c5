"""What a study found: figures in long form, and the parts of its report."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline.report_pages import page
from tfpipeline.study.measures import agreement, resampling

COLUMNS = ("study", "network", "form", "metric", "value", "examples", "seed")


@dataclasses.dataclass(frozen=True)
class Row:
    """A figure.

    Attributes:
        study: kind of the study.
        network: the stage that it is of, with the formats before it.
        form: number format.
        metric: what it is.
        value: of it; None where the samples cannot give it.
        examples: samples that it rests on.
        seed: of what was drawn.
    """

    study: str
    network: str
    form: str
    metric: str
    value: float | None
    examples: int
    seed: int


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What is written.

    Attributes:
        rows: all figures.
        sections: of the report.
        notes: lines for the user.
    """

    rows: tuple[Row, ...]
    sections: tuple[page.Section, ...]
    notes: tuple[str, ...] = ()


def rows_of(
    values: Mapping[str, Any],
    *,
    study: str,
    network: str,
    form: str,
    examples: int,
    seed: int,
    prefix: str = "",
) -> list[Row]:
    """A row a number of `values`; what is no number is left out."""
    rows = []
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(
            value, int | float | np.number | None
        ):
            continue
        number = None if value is None or not math.isfinite(value) else float(value)
        rows.append(Row(study, network, form, prefix + name, number, examples, seed))
    return rows


def with_interval(
    name: str,
    values: npt.NDArray[Any],
    first: npt.NDArray[Any],
    second: npt.NDArray[Any] | None = None,
    *,
    resamples: int,
    seed: int,
) -> dict[str, float]:
    """A mean and the ends of its interval, 95 %, as `name`, `name_low`, `name_high`.

    Args:
        name: of the figure.
        values: [N].
        first, second: who the samples are of, as `resampling.over_people`.
        resamples: how often people are drawn.
        seed: of the draws.
    """
    return statistic_with_interval(
        name,
        resampling.mean_of(values),
        first,
        second,
        resamples=resamples,
        seed=seed,
    )


def statistic_with_interval(
    name: str,
    statistic: resampling.Statistic,
    first: npt.NDArray[Any],
    second: npt.NDArray[Any] | None = None,
    *,
    resamples: int,
    seed: int,
) -> dict[str, float]:
    """As `with_interval`, of a figure of weighted samples."""
    found = resampling.over_people(
        statistic, first, second, resamples=resamples, seed=seed
    )
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def percent(value: float | None, digits: int = 1) -> str:
    """As a table shows it."""
    return "-" if value is None or math.isnan(value) else f"{100 * value:.{digits}f} %"


def interval(values: Mapping[str, float], name: str, digits: int = 1) -> str:
    """`83.2 % (81.0 to 85.1)` of what `with_interval` gives."""
    low, high = (100 * values[f"{name}_{end}"] for end in ("low", "high"))
    whole = percent(values[name], digits)
    return f"{whole} ({low:.{digits}f} to {high:.{digits}f})"


def agreement_table(tables: Mapping[str, agreement.Agreement]) -> page.Table:
    """Formats beside the reference, sample by sample."""
    head = (
        *("format", "both right", "lost", "gained", "neither", "overlap |A and B|/|A|"),
        *("Jaccard", "kappa", "flips", "McNemar p"),
    )
    rows = []
    for name, each in tables.items():
        _, p_value = each.mcnemar()
        counts = (each.both, each.only_a, each.only_b, each.neither)
        rows.append(
            (
                name,
                *(f"{count:,}" for count in counts),
                percent(each.overlap),
                percent(each.jaccard),
                "-" if math.isnan(each.kappa) else f"{each.kappa:.3f}",
                f"{each.flips:,}",
                f"{p_value:.3g}",
            )
        )
    return page.Table(head, tuple(rows))


def refusals(refused: Mapping[str, str]) -> tuple[page.Section, ...]:
    """What targets or formats do not take, and why."""
    if not refused:
        return ()
    rows = tuple((name, reason) for name, reason in refused.items())
    return (
        page.Section(
            "Refused",
            ("Formats that the network cannot be had in, by the format's own rules.",),
            (page.Table(("step", "why"), rows),),
        ),
    )


def summary(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Network -> format -> metric -> value."""
    result: dict[str, dict[str, dict[str, float | None]]] = {}
    for row in rows:
        forms = result.setdefault(row.network, {})
        forms.setdefault(row.form, {})[row.metric] = row.value
    return result
