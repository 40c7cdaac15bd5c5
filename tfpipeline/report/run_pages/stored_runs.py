"""A finished run as its folder has it, whichever version made it."""

from collections.abc import Sequence
from typing import Any

from tfpipeline import (
    atomic_files,
    errors,
    number_formats,
    run_artifacts,
    run_folder,
)
from tfpipeline.ir import serialize
from tfpipeline.report import costs
from tfpipeline.report.findings import (
    comparison,
    estimating,
    evidence,
    histories,
    networks,
)
from tfpipeline.report.run_pages import sections
from tfpipeline.untrusted import content, json_values

_FINDINGS = "findings"
# Of the entry that says what a run verified of a descriptor.
_DESCRIPTOR = "verification"


def results(folder: run_folder.RunFolder) -> dict[str, Any]:
    """What results.json holds; what an earlier version left out of it is made good.

    That is the network, its epochs and costs, from the other files of the run. Answers
    of examples cannot be had again without running the network.

    Raises:
        UsageError: the folder holds no finished run.
        StorageError: a file of it is damaged.
    """
    if not folder.results_json.exists():
        raise errors.UsageError(
            f"'{folder.root}' holds no results.json: is it the folder of a run that "
            "has ended?"
        )
    found = atomic_files.read_json(folder.results_json)
    if not isinstance(found, dict) or not (
        isinstance(found.get("flags"), dict)
        and ("accuracy" in found or _DESCRIPTOR in found)
    ):
        raise errors.DamagedFileError(f"{folder.results_json} is not that of a run")
    if run_artifacts.SIZES not in found:
        found[run_artifacts.SIZES] = {
            name: (folder.root / name).stat().st_size
            for name in found.get(run_artifacts.ENTRY, {})
            if (folder.root / name).is_file()
        }
    if _FINDINGS not in found:
        found[_FINDINGS] = _findings(folder, found)
    return found


def _findings(folder: run_folder.RunFolder, found: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {"history": histories.stages(_epochs(folder))}
    if not folder.graph.exists():
        return values
    g = serialize.read(folder.graph)
    values["network"] = networks.describe(g)
    if _DESCRIPTOR in found:
        estimates = {"gap8": estimating.of_format(g, "gap8")}
    else:
        names = _formats(folder, found)
        graphs = {names[0]: g} if names else {number_formats.FLOAT: g}
        for name in names[1:]:
            graphs[name] = serialize.read(folder.other_graph(name))
        estimates = {
            name: estimating.of_format(each, name) for name, each in graphs.items()
        }
    values["targets"] = {
        name: costs.to_dict(g.name, each)["targets"] for name, each in estimates.items()
    }
    return values


def _formats(folder: run_folder.RunFolder, found: dict[str, Any]) -> list[str]:
    """Number formats of the graphs in the folder, the first one's first."""
    others = list(found.get("other_estimates", {}))
    exported = [x for x in found.get("exports", {}) if x != number_formats.FLOAT]
    first = [name for name in exported if name not in others][:1]
    return first + [name for name in others if folder.other_graph(name).exists()]


def _epochs(folder: run_folder.RunFolder) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; none where it is gone."""
    if not folder.metrics.exists():
        return []
    lines = content.read_text(folder.metrics).splitlines()
    parsed = [json_values.parse(line, str(folder.metrics)) for line in lines]
    return [each for each in parsed if isinstance(each, dict)]


def compared(
    folders: Sequence[run_folder.RunFolder],
) -> list[comparison.Compared]:
    """Finished runs of one kind of task, to be set beside each other.

    Raises:
        UsageError: a folder holds no finished run, or they are of several kinds.
        StorageError: a file is damaged.
    """
    runs = []
    for folder, name in zip(folders, comparison.named(folders), strict=True):
        found = results(folder)
        if "accuracy" not in found:
            raise errors.UsageError(
                f"'{folder.root}' is a run of train_descriptor; its folds are set side "
                "by side by merge_folds"
            )
        record = sections.stored(folder.run_json)
        kept = None
        if folder.predictions.exists():
            kept = evidence.read(folder.predictions)
        fingerprint = record.get("data", {}).get("fingerprint")
        runs.append(comparison.Compared(name, found, fingerprint, kept))
    tasks = dict.fromkeys(run.kind.name for run in runs)
    if len(tasks) > 1:
        raise errors.UsageError(
            f"runs of different tasks have no figure in common: {', '.join(tasks)}"
        )
    return runs
