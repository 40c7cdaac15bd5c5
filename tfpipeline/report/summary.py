"""What each step cost in accuracy, and where everything lies, as text."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tfpipeline import number_formats, run_folder
from tfpipeline.tasks import catalog as tasks
from tfpipeline.tasks import kind as kinds

# Of the float network in the accuracy table.
FLOAT = number_formats.FLOAT


def row(
    name: str,
    figures: Mapping[str, Mapping[str, float | None]],
    model_bytes: int | None = None,
) -> dict[str, Any]:
    """One row of the table of figures.

    Args:
        name: of the network's form.
        figures: split name -> figure -> its value, None where it could not be measured.
        model_bytes: size of its `.tflite`, where there is one.
    """
    values: dict[str, Any] = {"network": name}
    for split, measured in figures.items():
        for figure, value in measured.items():
            values[f"{split}_{figure}"] = value
    values["model_bytes"] = model_bytes
    return values


def render(results: dict[str, Any], folder: run_folder.RunFolder) -> str:
    """The summary of a run.

    Args:
        results: what results.json holds.
        folder: of the run.
    """
    flags = results["flags"]
    lines = [f"{flags['model']} on {flags['dataset']}", ""]
    kind = tasks.named(results.get("task", tasks.DEFAULT_RECORD)["name"])
    lines += _figure_lines(kind, results["accuracy"])
    lines += _task_lines(results.get("task", tasks.DEFAULT_RECORD))
    lines.append("")
    for stage in _stages():
        if stage in results:
            lines.append(f"{stage:5s} training: {_epochs_told(results[stage])}")
    for name, record in results["exports"].items():
        if "end_to_end" in record:
            title = "" if name == number_formats.ALL[0].name else f"{name}, "
            lines += ["", *_tflite_lines(title, kind, record)]
        elif "fake_quantized" in record:
            lines += ["", _trained_line(name, record["fake_quantized"])]
    for name, notes in results.get("notes", {}).items():
        lines += ["", f"notes on {name}:", *(f"  {note}" for note in notes)]
    lines += ["", "what it costs, by models (python -m tfpipeline.estimate):"]
    lines += [f"  {line}" for line in results["estimate"].splitlines()]
    for name, text in results.get("other_estimates", {}).items():
        lines += ["", f"the same for {name}:"]
        lines += [f"  {line}" for line in text.splitlines()]
    lines += ["", "files:", *_file_lines(results, folder)]
    return "\n".join(lines) + "\n"


def _epochs_told(record: dict[str, Any]) -> str:
    if not record["epochs"]:
        return "none, the network as it was given"
    return (
        f"epochs {record['epochs']}, best {record['best_epoch']}, "
        f"{record['seconds'] / 60:.1f} min"
    )


def _stages() -> tuple[str, ...]:
    """Stages of training, in order."""
    return (run_folder.FLOAT, *number_formats.stages())


@dataclasses.dataclass(frozen=True)
class _Column:
    """A figure of a split in the table."""

    split: str
    figure: kinds.Figure
    title: str
    width: int

    def text(self, row: dict[str, Any]) -> str:
        """The cell of a row."""
        value = row[f"{self.split}_{self.figure.name}"]
        return f"{self.figure.text(value):>{self.width}s}"


def _columns(kind: kinds.TaskKind, row: dict[str, Any]) -> list[_Column]:
    """The most telling figure of both splits, others of test alone."""
    measured = [x for x in kind.figures if row[f"test_{x.name}"] is not None]
    main, *others = measured
    if not others:
        return [
            _Column("validation", main, "validation", 12),
            _Column("test", main, "test", 10),
        ]
    places = [("validation", main), *(("test", figure) for figure in measured)]
    titles = [f"{split} {figure.title}" for split, figure in places]
    return [
        _Column(*place, title, len(title) + 2)
        for place, title in zip(places, titles, strict=True)
    ]


def _figure_lines(kind: kinds.TaskKind, rows: list[dict[str, Any]]) -> list[str]:
    columns = _columns(kind, rows[0])
    main = columns[0].figure
    heads = "".join(f"{each.title:>{each.width}s}" for each in columns)
    lines = [f"{'network':22s}{heads}{'cost':>10s}{'size':>13s}"]
    reference = rows[0][f"test_{main.name}"]
    for row in rows:
        values = "".join(each.text(row) for each in columns)
        cost = main.cost(row[f"test_{main.name}"], reference)
        size = f"{row['model_bytes']:,} B" if row["model_bytes"] else ""
        lines.append(f"{row['network']:22s}{values}{cost:>10s}{size:>13s}".rstrip())
    unit = "percentage points of" if main.is_share else "change of the"
    lines.append(f"cost: {unit} test {main.title} against float32")
    return lines


def _task_lines(task: Mapping[str, Any]) -> list[str]:
    """What readers of the outputs must know."""
    lines = []
    if "threshold" in task:
        lines.append(f"an answer is yes from a probability of {task['threshold']:g} on")
    for number, mean in enumerate(task.get("mean", ())):
        deviation = task["deviation"][number]
        lines.append(f"value {number} = output x {deviation:.6g} + {mean:.6g}")
    return lines


def _tflite_lines(
    title: str, kind: kinds.TaskKind, record: dict[str, Any]
) -> list[str]:
    same = record["same_images"]
    figure = kind.figure(record.get("figure", kind.figures[0].name))
    what = f", {figure.title}" if "figure" in record else ""
    lines = [f"{title}on the same {same['images']} test images{what}:"]
    for name, key in (
        ("float32", "float_network"),
        ("fake-quantized", "fake_quantized"),
        ("TFLite (XNNPACK)", "tflite_fast"),
        ("our own execution", "simulated"),
        ("TFLite reference", "tflite_reference"),
        ("TensorFlow Lite Micro", "tflite_micro"),
    ):
        if same.get(key) is not None:
            lines.append(f"  {name:22s}{figure.text(same[key]):>9s}")
    lines += [
        *_agreement_lines(record),
        f"smallest arena that runs here: {record['arena']['arena_bytes']:,} B; "
        f"operators: {', '.join(sorted(set(record['operators'])))}",
    ]
    return lines


def _agreement_lines(record: dict[str, Any]) -> list[str]:
    lines = []
    if (trained := record.get("fake_quantized")) is not None:
        lines.append(_trained_line("TFLite Micro", trained))
    if (agreement := record["end_to_end"]) is not None:
        lines.append(
            f"TFLite reference against TFLite Micro: {agreement['differing_images']} "
            f"of {agreement['images']} images differ, by {agreement['max_lsb']} LSB at "
            "most"
        )
    if kernels := record.get("kernels"):
        narrow = sum(kind == "int4" for kind in kernels.values())
        lines.append(
            f"{narrow} of {len(kernels)} kernels in 4 bits; TFLite Micro equals our "
            f"own execution to the last bit on {record['simulated_images']} images"
        )
    return lines


def _trained_line(who: str, trained: dict[str, Any]) -> str:
    return (
        f"{who} against the fake-quantized network: at most "
        f"{trained['largest']:.1f} steps of the output apart, an output "
        f"{trained['mean']:.2f} in the mean, on {trained['images']} images"
    )


def _file_lines(results: dict[str, Any], folder: run_folder.RunFolder) -> list[str]:
    entries = [(folder.metrics, "one line an epoch")]
    entries += [
        (folder.model(stage), f"the best {stage} network")
        for stage in _stages()
        if stage in results
    ]
    for target, record in results["exports"].items():
        file = folder.export(target) / record.get("file", number_formats.TFLITE_FILE)
        size = f", {record['model_bytes']:,} B" if "model_bytes" in record else ""
        entries.append((file, f"for {target}{size}"))
        if "end_to_end" in record:
            entries.append(
                (folder.export(target) / "verification.json", "how it was verified")
            )
    entries.append((folder.graph, "the network for estimate and other targets"))
    entries += [
        (folder.other_graph(name), f"the same in {name}")
        for name in results.get("other_estimates", {})
    ]
    entries.append((folder.results_json, "the figures above"))
    entries.append((folder.report, "all of it as a page for a browser"))
    return [f"  {path}  ({what})" for path, what in entries]
