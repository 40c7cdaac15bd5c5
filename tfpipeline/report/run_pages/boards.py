"""What boards answered to a run's examples, to look at."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline.report_pages import page
from tfpipeline.tasks import kind as kinds


def sections(
    results: Sequence[Mapping[str, Any]], kind: kinds.TaskKind
) -> list[page.Section]:
    """A row a board; none where no board was asked.

    Args:
        results: as `tfpipeline run` keeps them.
        kind: of the run's task, whose figures they have.
    """
    if not results:
        return []
    figures = [
        each
        for each in kind.figures
        if any(result["figures"].get(each.name) is not None for result in results)
    ]
    head = ["board", "kernels", "asked", "as simulated"]
    for each in figures:
        head += [f"{each.title} there", "simulated"]
    head += ["time", "spread", "models"]
    return [
        page.Section(
            "On boards",
            (
                "What `tfpipeline run` was answered over a serial line, each answer "
                "compared with the simulated one, bit for bit. Time is the median of "
                "an inference on the board's own counter.",
                *_counters(results),
            ),
            (page.Table(tuple(head), tuple(_row(each, figures) for each in results)),),
        )
    ]


def _row(result: Mapping[str, Any], figures: Sequence[kinds.Figure]) -> tuple[str, ...]:
    inputs, differing = result["inputs"], len(result["differing"])
    cells = [
        result["board"],
        result["export"],
        f"{inputs:,} {result['title']}",
        "all" if not differing else f"{inputs - differing:,}, not {differing:,}",
    ]
    for each in figures:
        for values in (result["figures"], result["simulated"]):
            cells.append(each.text(values.get(each.name)))
    cycles = result["cycles"]
    median = cycles["median"]
    spread = (cycles["most"] - cycles["least"]) / median if median else 0.0
    unit = "ticks" if cycles["counted"] else "cycles"
    models = [
        f"{each['target']}, {each['model']}: {each['error']:+.0%}"
        for each in result["estimates"]
    ]
    return (
        *cells,
        f"{1e3 * cycles['seconds']:,.3f} ms ({median:,.0f} {unit})",
        f"{spread:.2%}",
        "; ".join(models) or "-",
    )


def _counters(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """What counters count that are no chip's."""
    return [
        f"{board}: {counted}."
        for board, counted in {
            each["board"]: each["cycles"]["counted"] for each in results
        }.items()
        if counted
    ]
