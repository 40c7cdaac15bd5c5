"""Runs beside each other: flags, figures, costs, tests on the same examples.

A run is what its results.json holds; its answers are those of predictions.npz.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline import number_formats, run_folder
from tfpipeline.report.findings import answers, evidence, intervals
from tfpipeline.study.measures import agreement
from tfpipeline.tasks import catalog as tasks
from tfpipeline.tasks import kind as kinds

# What a target calls the memory of activations, and what is stored of a network.
_RAM = ("ram_bytes", "arena_planned_bytes", "data_bytes")
_STORED = ("weight_bytes", "bias_bytes")
COSTS: Mapping[str, str] = {
    "latency": "latency, ms",
    "ram": "RAM, KiB",
    "flash": "weights and biases, KiB",
    "energy": "energy, uJ",
    "macs": "million MACs",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Compared:
    """A run that is compared.

    Attributes:
        name: that no other one has.
        results: what results.json holds.
        fingerprint: of its data.
        kept: its answers; None where it kept none.
    """

    name: str
    results: Mapping[str, Any]
    fingerprint: Any
    kept: evidence.Evidence | None

    @property
    def kind(self) -> kinds.TaskKind:
        """Of its task."""
        return tasks.named(self.results.get("task", tasks.DEFAULT_RECORD)["name"])

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Of its table of figures."""
        rows: Sequence[Mapping[str, Any]] = self.results["accuracy"]
        return rows

    @property
    def deployed(self) -> str:
        """The form that is deployed: the last of the first number format."""
        said = self.results.get("findings", {}).get("answers", {}).get("deployed")
        return str(said or self.rows[-1]["network"])

    def interval(self, form: str) -> intervals.Ends | None:
        """Of the most telling figure of a form."""
        forms = self.results.get("findings", {}).get("answers", {}).get("forms", {})
        ends = forms.get(form, {}).get("interval")
        return None if ends is None else (ends[0], ends[1])


def named(folders: Sequence[run_folder.RunFolder]) -> list[str]:
    """Names of runs: those of their folders, or their paths where two are alike."""
    short = [folder.root.resolve().name for folder in folders]
    if len(set(short)) == len(short):
        return short
    return [str(folder.root) for folder in folders]


def flags(runs: Sequence[Compared]) -> dict[str, list[Any]]:
    """Flag -> its value in each run, of those that are not the same in all."""
    names = dict.fromkeys(name for run in runs for name in run.results["flags"])
    values = {name: [run.results["flags"].get(name) for run in runs] for name in names}
    return {
        name: each
        for name, each in values.items()
        if any(value != each[0] for value in each)
    }


def figure(runs: Sequence[Compared]) -> kinds.Figure:
    """The most telling figure that all runs have; of runs of one kind of task.

    Raises:
        ValueError: they have none in common.
    """
    for each in runs[0].kind.figures:
        key = f"test_{each.name}"
        if all(row.get(key) is not None for run in runs for row in run.rows):
            return each
    raise ValueError("the runs have no figure in common")


def tests(runs: Sequence[Compared]) -> list[dict[str, Any]]:
    """The float and the deployed form of each run beside the first run's.

    McNemar's test where answers are right or wrong, and the interval of the difference
    of the most telling figure, examples resampled for both alike.
    """
    found: list[dict[str, Any]] = []
    for run in runs[1:]:
        for form, base in (
            (run.rows[0]["network"], runs[0].rows[0]["network"]),
            (run.deployed, runs[0].deployed),
        ):
            record = {"run": run.name, "form": form, "than": runs[0].name, "base": base}
            if record not in [{k: x[k] for k in record} for x in found]:
                found.append({**record, **_paired(runs[0], base, run, form)})
    return found


def _paired(one: Compared, base: str, other: Compared, form: str) -> dict[str, Any]:
    if one.kept is None or other.kept is None:
        return {"reason": "a run kept no answers"}
    if one.fingerprint != other.fingerprint:
        return {"reason": "the runs have other data, so nothing is paired"}
    module = answers.of_kind(one.kind)
    truth = one.kept.targets
    if base not in one.kept.forms or form not in other.kept.forms:
        return {"reason": "a run kept no answers of this form"}
    first, second = one.kept.forms[base], other.kept.forms[form]
    values = [module.figure(parts, truth) for parts in (first, second)]
    record: dict[str, Any] = {"values": values}
    rights = module.right(first, truth), module.right(second, truth)
    if rights[0] is not None and rights[1] is not None:
        table = agreement.compare(rights[0], rights[1])
        statistic, p_value = table.mcnemar()
        record |= {
            "lost": table.only_a,
            "gained": table.only_b,
            "mcnemar_statistic": statistic,
            "mcnemar_p": p_value,
        }
    ends = _difference(module, first, second, truth)
    record["difference"] = None if ends is None else list(ends)
    return record


def _difference(
    module: answers.Module,
    first: evidence.Parts,
    second: evidence.Parts,
    truth: evidence.Parts,
) -> intervals.Ends | None:
    """Of the second's figure less the first's; None where parts are of no example."""
    sizes = {len(np.atleast_1d(x)) for x in (*first.values(), *second.values())}
    sizes |= {len(np.atleast_1d(x)) for x in truth.values()}
    if len(sizes) != 1:
        return None

    def difference(drawn: Any) -> float | None:
        of_drawn = {name: each[drawn] for name, each in truth.items()}
        values = [
            module.figure({name: x[drawn] for name, x in parts.items()}, of_drawn)
            for parts in (first, second)
        ]
        if values[0] is None or values[1] is None:
            return None
        return values[1] - values[0]

    return intervals.resampled(difference, sizes.pop())


def points(run: Compared, of: kinds.Figure) -> list[dict[str, Any]]:
    """Each number format on each target: its figure, and what it costs.

    A cost that nobody knows is None.
    """
    found = []
    targets = run.results.get("findings", {}).get("targets", {})
    for name, each in targets.items():
        row = _row(run, name)
        if row is None:
            continue
        for target, record in each.items():
            if record["layers"]:
                found.append(
                    {
                        "run": run.name,
                        "format": name,
                        "form": row["network"],
                        "target": target,
                        "figure": row[f"test_{of.name}"],
                        "fits": not record["violations"],
                        **costs(record),
                    }
                )
    return found


def costs(record: Mapping[str, Any]) -> dict[str, float | None]:
    """`COSTS` of a target's estimate, as `report.costs.to_dict` has it."""
    memory = record["memory"]
    latency = next(iter(record["latency"].values()), None)
    joules = next(
        (x["joules"] for x in record["latency"].values() if x["joules"]), None
    )
    ram = next((memory[name] for name in _RAM if name in memory), None)
    return {
        "latency": None if latency is None else 1e3 * latency["seconds"],
        "ram": None if ram is None else ram / 1024,
        "flash": sum(memory.get(name, 0) for name in _STORED) / 1024,
        "energy": None if joules is None else 1e6 * joules,
        "macs": record["totals"]["macs"] / 1e6,
    }


def _row(run: Compared, name: str) -> Mapping[str, Any] | None:
    """The row of figures of a number format: trained for it, else quantized after."""
    if name == number_formats.FLOAT:
        return run.rows[0]
    each = number_formats.named(name)
    rows = {row["network"]: row for row in run.rows}
    return rows.get(each.qat) or rows.get(each.ptq)


def front(
    figures: Sequence[float], costs_of: Sequence[float], *, higher: bool
) -> list[int]:
    """Positions of points that no other one beats in both, the cheapest first.

    Args:
        figures: of the points.
        costs_of: likewise, the less the better.
        higher: whether a higher figure is the better one.
    """
    sign = 1 if higher else -1
    order = sorted(range(len(figures)), key=lambda i: (costs_of[i], -sign * figures[i]))
    kept: list[int] = []
    for place in order:
        if not kept or sign * figures[place] > sign * figures[kept[-1]]:
            kept.append(place)
    return kept
