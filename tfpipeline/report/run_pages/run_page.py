"""The page of a run: all that results.json says, to look at.

Nothing is computed here. Figures come from results.json, pictures of examples from
predictions.npz, so that the page of a run can be made again at any time.
"""

import datetime
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline import descriptor_forms, run_artifacts, run_folder
from tfpipeline.board import kept_results
from tfpipeline.configs import command_lines, descriptor, run
from tfpipeline.report.findings import evidence
from tfpipeline.report.run_pages import (
    boards,
    histories,
    inputs,
    layer_errors,
    networks,
    pairs,
    targets,
)
from tfpipeline.report.run_pages import sections as sections_lib
from tfpipeline.report_pages import charts, page
from tfpipeline.tasks import catalog as tasks
from tfpipeline.tasks import kind as kinds

_PAIRS = "verification"


def write(
    folder: run_folder.RunFolder, results: Mapping[str, Any], title: str = ""
) -> None:
    """Writes the page of a run into its folder.

    Args:
        folder: of the run.
        results: what results.json holds.
        title: of the page; empty for the network and its data set.

    Raises:
        ForeignFileError: a file is there that no run wrote.
        StorageError: a file cannot be read or written.
    """
    flags = results["flags"]
    title = title or f"{flags['model']} on {flags['dataset']}"
    page.write(folder.report, title, sections(folder, results))


def sections(
    folder: run_folder.RunFolder, results: Mapping[str, Any]
) -> list[page.Section]:
    """All parts of the page that the results have something for."""
    findings = results.get("findings", {})
    shown = inputs.Shown(evidence.read_shown(folder.predictions))
    parts = [_asked(folder, results)]
    if _PAIRS in results:
        parts.append(_verification(results[_PAIRS]))
        parts += pairs.sections(findings.get("pairs", {"forms": {}}))
    else:
        parts.append(_figures(results))
    if "answers" in findings:
        parts += _answers(findings["answers"], shown)
    elif _PAIRS not in results:
        parts.append(
            page.Section(
                "Answers",
                (
                    "This run kept no answers: it was made by an earlier version. The "
                    "same command in a new folder has them.",
                ),
            )
        )
    parts += histories.sections(findings.get("history", {}))
    if "network" in findings:
        parts.append(networks.section(findings["network"]))
    parts += targets.sections(findings.get("targets", {}))
    parts += boards.sections(
        kept_results.read(folder),
        tasks.named(results.get("task", tasks.DEFAULT_RECORD)["name"]),
    )
    parts += layer_errors.sections(findings.get("layer_errors", {}))
    parts.append(_files(folder, results))
    parts.append(_again(results))
    return parts


def _asked(folder: run_folder.RunFolder, results: Mapping[str, Any]) -> page.Section:
    """What was asked, on what, and how long it took."""
    record = sections_lib.stored(folder.run_json)
    data = record.get("data", {})
    flags = results["flags"]
    rows = [("network", str(flags["model"])), ("data set", str(flags["dataset"]))]
    task = results.get("findings", {}).get("answers", {}).get("task")
    if task:
        rows.append(("task", f"{task}: {tasks.named(task).title}"))
    counts = [f"{data[x]:,} {x}" for x in ("train", "validation", "test") if x in data]
    if counts:
        rows.append(("examples", ", ".join(counts)))
    for name, each in results.items():
        if isinstance(each, dict) and {"epochs", "seconds"} <= each.keys():
            rows.append((f"{name} training", _trained(each)))
    if "epochs" in results:
        rows.append(("float training", _trained(results)))
    started = results.get("seconds_this_start")
    if started is not None:
        rows.append(("last start", f"{_duration(started)}, evaluation and files"))
    machine, versions = record.get("machine", {}), record.get("versions", {})
    if machine:
        rows.append(
            ("machine", f"{machine.get('processor')}, {machine.get('cores')} cores")
        )
    if versions:
        told = ("python", "tensorflow", "tf_keras", "numpy", "tflite-micro")
        told_versions = (f"{x} {versions[x]}" for x in told if versions.get(x))
        rows.append(("versions", ", ".join(told_versions)))
    git = record.get("git")
    if git:
        modified = ", with changes" if git.get("modified") else ""
        rows.append(("source", f"{git.get('commit', '')[:12]}{modified}"))
    all_flags = tuple((name, _flag(value)) for name, value in flags.items())
    return page.Section(
        "What was asked",
        tables=(
            page.Table(("what", "which"), tuple(rows)),
            page.Table(("flag", "value"), all_flags, "all flags"),
        ),
    )


def _trained(record: Mapping[str, Any]) -> str:
    if not record["epochs"]:
        return "none, the network as it was given"
    return (
        f"epochs {record['epochs']}, the best {record['best_epoch']}, "
        f"{_duration(record['seconds'])}"
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return str(datetime.timedelta(seconds=round(seconds)))


def _flag(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 300 else f"{text[:297]}..."


def _figures(results: Mapping[str, Any]) -> page.Section:
    """The table of figures, and the most telling one with its interval."""
    kind = tasks.named(results.get("task", tasks.DEFAULT_RECORD)["name"])
    rows = results["accuracy"]
    answers = results.get("findings", {}).get("answers", {})
    forms = answers.get("forms", {})
    measured = [x for x in kind.figures if rows[0][f"test_{x.name}"] is not None]
    main = measured[0]
    head = ["network", f"validation {main.title}", f"test {main.title}"]
    if forms:
        head.append("95 %")
    head += ["cost", *(f"test {each.title}" for each in measured[1:]), "size"]
    table = []
    for row in rows:
        cells = [row["network"]]
        cells += [main.text(row[f"{x}_{main.name}"]) for x in ("validation", "test")]
        if forms:
            cells.append(_interval(main, forms.get(row["network"], {})))
        reference = rows[0][f"test_{main.name}"]
        cells.append(main.cost(row[f"test_{main.name}"], reference))
        cells += [each.text(row[f"test_{each.name}"]) for each in measured[1:]]
        size = row.get("model_bytes")
        cells.append(f"{size:,} B" if size else "")
        table.append(tuple(cells))
    unit = "percentage points of" if main.is_share else "change of the"
    paragraphs = [f"Cost: {unit} test {main.title} against float32."]
    images: tuple[page.Image, ...] = ()
    if any(each.get("interval") for each in forms.values()):
        paragraphs.append(
            "95 %: where the figure would lie for other examples of the same kind; "
            "forms answer the same examples, so that small costs may be sure although "
            "intervals overlap."
        )
        images = (_drawn(main, rows, forms),)
    return page.Section(
        "How good it is",
        tuple(paragraphs),
        (page.Table(tuple(head), tuple(table)),),
        images,
    )


def _interval(figure: kinds.Figure, form: Mapping[str, Any]) -> str:
    ends = form.get("interval")
    if ends is None:
        return "-"
    low, high = (figure.text(each).removesuffix(" %") for each in ends)
    return f"{low} to {high}"


def _drawn(
    main: kinds.Figure, rows: Sequence[Mapping[str, Any]], forms: Mapping[str, Any]
) -> page.Image:
    factor = 100 if main.is_share else 1
    names = [row["network"] for row in rows]
    ends = [forms.get(name, {}).get("interval") for name in names]
    drawn = charts.intervals(
        names,
        [factor * row[f"test_{main.name}"] for row in rows],
        [
            None if each is None else (factor * each[0], factor * each[1])
            for each in ends
        ],
        f"test {main.title}" + (" (%)" if main.is_share else ""),
    )
    return page.image(drawn, f"Test {main.title} of each form with its 95 % interval")


def _verification(forms: Mapping[str, Mapping[str, Any]]) -> page.Section:
    """Pairs of photographs, fold by fold."""
    named = {descriptor_forms.named(name): each for name, each in forms.items()}
    rates = {each["false_accept_rate"] for each in named.values()}
    head = (
        "form",
        "accuracy",
        "± over folds",
        "folds",
        "AUC",
        f"TAR at FAR {min(rates)}",
    )
    rows = tuple(
        (
            name,
            f"{100 * each['accuracy']:.2f} %",
            f"{100 * each['std']:.2f}",
            str(len(each["folds"])),
            f"{each['auc']:.4f}",
            f"{100 * each['true_accept_rate']:.2f} %",
        )
        for name, each in named.items()
    )
    by_fold = {
        name: (
            [fold["fold"] for fold in each["folds"]],
            [100 * fold["accuracy"] for fold in each["folds"]],
        )
        for name, each in named.items()
    }
    drawn = charts.curves({"accuracy (%)": by_fold}, "fold")
    return page.Section(
        "How good it is",
        (
            "Same person or not, by the distance of two descriptors; the threshold of "
            "a fold is chosen on the others.",
        ),
        (page.Table(head, rows),),
        (page.image(drawn, "Accuracy of each form, fold by fold"),),
    )


def _answers(record: Mapping[str, Any], shown: inputs.Shown) -> list[page.Section]:
    kind = tasks.named(record["task"])
    module: Any = importlib.import_module(
        f"tfpipeline.report.run_pages.{kind.findings}"
    )
    found: list[page.Section] = module.sections(record, shown)
    return found


def _files(folder: run_folder.RunFolder, results: Mapping[str, Any]) -> page.Section:
    sizes = results.get(run_artifacts.SIZES, {})
    rows = tuple(
        (name, f"{sizes[name]:,}" if name in sizes else "-", digest)
        for name, digest in sorted(results.get(run_artifacts.ENTRY, {}).items())
    )
    return page.Section(
        "Files",
        (f"Below {folder.root.name}; digests are SHA-256, as results.json has them.",),
        (page.Table(("file", "bytes", "SHA-256"), rows, f"{len(rows)} files"),)
        if rows
        else (),
    )


def _again(results: Mapping[str, Any]) -> page.Section:
    """The command, but for where the data are and where it goes."""
    defaults: Any = run.Run()
    program = "tfpipeline.train"
    if _PAIRS in results:
        defaults, program = descriptor.DescriptorRun(), "tfpipeline.train_descriptor"
    return page.Section(
        "Once more",
        ("The same in a new folder; add --data_dir where the data set has one.",),
        code=command_lines.of(program, results["flags"], defaults),
    )
