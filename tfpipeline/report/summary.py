"""What each step cost in accuracy, and where everything lies, as text."""

from typing import Any

import numpy as np

from tfpipeline import number_formats, run_folder

# Of the float network in the accuracy table.
FLOAT = number_formats.FLOAT


def accuracy_row(
    name: str,
    outputs: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    model_bytes: int | None = None,
) -> dict[str, Any]:
    """One row of the accuracy table.

    Args:
        name: of the network's form.
        outputs: split name -> [N, classes], logits or their integers.
        labels: split name -> [N].
        model_bytes: size of its `.tflite`, where there is one.
    """
    row: dict[str, Any] = {"network": name}
    for split, values in outputs.items():
        hits = np.argmax(values, axis=-1) == labels[split]
        row[f"{split}_accuracy"] = float(np.mean(hits))
    row["model_bytes"] = model_bytes
    return row


def render(results: dict[str, Any], folder: run_folder.RunFolder) -> str:
    """The summary of a run.

    Args:
        results: what results.json holds.
        folder: of the run.
    """
    flags = results["flags"]
    lines = [f"{flags['model']} on {flags['dataset']}", ""]
    lines += _accuracy_lines(results["accuracy"])
    lines.append("")
    for stage in _stages():
        if stage in results:
            lines.append(f"{stage:5s} training: {_epochs_told(results[stage])}")
    for name, record in results["exports"].items():
        if "end_to_end" in record:
            title = "" if name == number_formats.ALL[0].name else f"{name}, "
            lines += ["", *_tflite_lines(title, record)]
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


def _accuracy_lines(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"{'network':22s}{'validation':>12s}{'test':>10s}{'cost':>10s}{'size':>13s}"
    ]
    reference = rows[0]["test_accuracy"]
    for row in rows:
        cost = 100 * (row["test_accuracy"] - reference)
        size = f"{row['model_bytes']:,} B" if row["model_bytes"] else ""
        lines.append(
            f"{row['network']:22s}{100 * row['validation_accuracy']:10.2f} %"
            f"{100 * row['test_accuracy']:8.2f} %{cost:+10.2f}{size:>13s}".rstrip()
        )
    lines.append("cost: percentage points of test accuracy against float32")
    return lines


def _tflite_lines(title: str, record: dict[str, Any]) -> list[str]:
    same = record["same_images"]
    lines = [f"{title}on the same {same['images']} test images:"]
    for name, key in (
        ("float32", "float_network"),
        ("fake-quantized", "fake_quantized"),
        ("TFLite (XNNPACK)", "tflite_fast"),
        ("our own execution", "simulated"),
        ("TFLite reference", "tflite_reference"),
        ("TensorFlow Lite Micro", "tflite_micro"),
    ):
        if same.get(key) is not None:
            lines.append(f"  {name:22s}{100 * same[key]:7.2f} %")
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
    return [f"  {path}  ({what})" for path, what in entries]
