"""The records of experiments/ in one file and in one table.

    python -m tests.experiments_table
    python -m tests.experiments_table --add=RUN --study=cifar10 --data_dir=FOLDER
    python -m tests.experiments_table --check --data_dir=FOLDER

A study keeps what its runs gave in `experiments/STUDY/results.csv`, one value a line:
`study,network,form,metric,value,examples,seed`. The first command puts the studies
together in `experiments/results.csv` and makes the table of `experiments/README.md`
again. The second takes a finished run of tfpipeline.train into a study first: its
figures, its `.tflite` files up to 2 MB, and the accuracy of each of these on 1,000 test
examples, which `tests/integration/experiments_test.py` measures again. The third
measures that of stored files that have none yet, where FOLDER has their data.

Accuracies are shares of one. `source_METRIC` is what a source reports of the metric,
`latency_ms` the time on the target that the form is for, `bytes` what its weights take
where there is no file.
"""

import csv
import dataclasses
import io
import json
import pathlib
import shutil
from collections.abc import Iterable, Sequence

from absl import app, flags

from tfpipeline import errors, number_formats, run_folder
from tfpipeline.configs import command_line, fields, images, run
from tfpipeline.untrusted import flagfiles

ROOT = pathlib.Path(__file__).resolve().parents[1] / "experiments"
FILE = "results.csv"
CHECKED = "accuracy_on_1000"
MODEL_BYTES = "model_bytes"
CHECKED_EXAMPLES = 1000
# No file of the repository may be larger.
_MAX_BYTES = 2_000_000
# What a table's row is about, the first that a record has.
_MAIN = ("test_accuracy", "accuracy")
_BEGIN, _END = "<!-- made by tests.experiments_table -->", "<!-- end -->"


@dataclasses.dataclass(frozen=True)
class Row:
    """One value of a record.

    Attributes:
        study: folder of experiments/.
        network: its name.
        form: number format, and how it came about.
        metric: what was measured.
        value: as it is written.
        examples: that it was measured on; "" for what is no measurement on examples.
        seed: of the run; "" for a source's figure.
    """

    study: str
    network: str
    form: str
    metric: str
    value: str
    examples: str = ""
    seed: str = ""

    @property
    def record(self) -> tuple[str, str, str]:
        """Study, network and form."""
        return self.study, self.network, self.form


_FIELDS = tuple(field.name for field in dataclasses.fields(Row))


def read(path: pathlib.Path) -> list[Row]:
    """The rows of a file.

    Raises:
        DataError: it has other columns, or a value that is no number.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if tuple(reader.fieldnames or ()) != _FIELDS:
            raise errors.DataError(f"{path} must have the columns {','.join(_FIELDS)}")
        rows = [Row(**{name: row[name] for name in _FIELDS}) for row in reader]
    for row in rows:
        float(row.value)
    return rows


def text(rows: Iterable[Row]) -> str:
    """Rows as a file has them."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_FIELDS)
    writer.writerows(dataclasses.astuple(row) for row in rows)
    return stream.getvalue()


def studies(root: pathlib.Path = ROOT) -> list[Row]:
    """The rows of all studies, in the order of their names."""
    return [row for path in sorted(root.glob(f"*/{FILE}")) for row in read(path)]


def stored_files(root: pathlib.Path = ROOT) -> dict[pathlib.Path, Row]:
    """Each `.tflite` of the studies, and the record that says its size.

    Raises:
        DataError: none of its study does, or several.
    """
    sizes = [row for row in studies(root) if row.metric == MODEL_BYTES]
    found = {}
    for path in sorted(root.rglob("*.tflite")):
        study, *folders = path.relative_to(root).parts
        size = path.stat().st_size
        fitting = [
            row
            for row in sizes
            if row.study == study
            and folders[0].startswith(row.network)
            and int(row.value) == size
        ]
        if len(fitting) != 1:
            raise errors.DataError(
                f"{path} has {size} bytes, which {len(fitting)} records of its study "
                "say of their network"
            )
        found[path] = fitting[0]
    return found


def table(rows: Sequence[Row]) -> list[str]:
    """The records as lines of Markdown, those with a figure of accuracy."""
    records: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        records.setdefault(row.record, {})[row.metric] = row
    lines = [
        "| study | network | form | examples | accuracy | the source's | difference "
        "| bytes | on the target |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (study, network, form), values in records.items():
        main = next((name for name in _MAIN if name in values), None)
        if main is None:
            continue
        row = values[main]
        source = values.get(f"source_{main}")
        difference = source and f"{100 * (float(row.value) - float(source.value)):+.2f}"
        size = values.get(MODEL_BYTES) or values.get("bytes")
        latency = values.get("latency_ms")
        cells = (
            f"[{study}]({study}/README.md)",
            network,
            form,
            f"{int(row.examples):,}",
            _percent(row),
            source and _percent(source),
            difference,
            size and f"{int(size.value):,}",
            latency and f"{float(latency.value):.2f} ms",
        )
        lines.append("| " + " | ".join(cell or "" for cell in cells) + " |")
    return lines


def _percent(row: Row) -> str:
    return f"{100 * float(row.value):.2f} %"


def page(old: str, rows: Sequence[Row]) -> str:
    """The page with its table made again; everything else in it stays.

    Raises:
        DataError: the page has no place for it.
    """
    before, begin, rest = old.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise errors.DataError(f"the page needs the lines {_BEGIN} and {_END}")
    lines = "\n".join(table(rows))
    return f"{before}{begin}\n\n{lines}\n\n{end}{after}"


def write(root: pathlib.Path = ROOT) -> None:
    """Makes experiments/results.csv and the table again."""
    rows = studies(root)
    (root / FILE).write_text(text(rows), encoding="utf-8")
    readme = root / "README.md"
    readme.write_text(page(readme.read_text(encoding="utf-8"), rows), encoding="utf-8")


def of_run(folder: run_folder.RunFolder, study: str) -> list[Row]:
    """The rows of a finished run of tfpipeline.train."""
    record = json.loads(folder.run_json.read_text(encoding="utf-8"))
    results = json.loads(folder.results_json.read_text(encoding="utf-8"))
    network, seed = str(record["flags"]["model"]), str(record["seed"])
    counts = {
        f"{split}_": str(record["data"][split]) for split in ("validation", "test")
    }
    rows = []
    for entry in results["accuracy"]:
        form = str(entry["network"])
        for metric, value in entry.items():
            if metric == "network" or value is None:
                continue
            examples = next((n for s, n in counts.items() if metric.startswith(s)), "")
            rows.append(Row(study, network, form, metric, str(value), examples, seed))
    for stage in (run_folder.FLOAT, *number_formats.stages()):
        for name in ("epochs", "seconds"):
            if stage in results:
                value = str(round(results[stage][name]))
                rows.append(Row(study, network, stage, name, value, "", seed))
    return rows


def add(
    folder: run_folder.RunFolder,
    study: str,
    data_dir: str | None,
    root: pathlib.Path = ROOT,
) -> None:
    """Takes a run into a study; what the study said of the same records goes.

    Raises:
        PipelineError: the run is not finished, or its data are not there.
    """
    rows = of_run(folder, study)
    network = rows[0].network
    for name, source in folder.tflite_files().items():
        if not source.exists() or source.stat().st_size > _MAX_BYTES:
            continue
        target = root / study / network / f"{name}.tflite"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        size = target.stat().st_size
        [row] = [r for r in rows if r.metric == MODEL_BYTES and int(r.value) == size]
        rows.append(checked(row, target, data_dir, root))
    path = root / study / FILE
    replaced = {row.record for row in rows}
    kept = [
        row
        for row in (read(path) if path.exists() else ())
        if row.record not in replaced or row.metric.startswith("source_")
    ]
    path.write_text(text([*kept, *rows]), encoding="utf-8")


def data_of(row: Row, root: pathlib.Path = ROOT) -> images.Images:
    """The data of a record, by the flagfile of its study that begins with its network.

    Raises:
        DataError: there is none.
    """
    found = sorted((root / row.study).glob(f"{row.network}*.flags"))
    if not found:
        raise errors.DataError(f"{row.study} has no flagfile {row.network}*.flags")
    values = flags.FlagValues()
    command_line.define(run.Run(), values)
    values(["train", *flagfiles.expanded([f"--flagfile={found[0]}"])])
    return command_line.from_flags(run.Run(), values).images


def checked(
    row: Row, path: pathlib.Path, data_dir: str | None, root: pathlib.Path = ROOT
) -> Row:
    """The accuracy of a stored file on 1,000 examples of the test split.

    They are every tenth of 10,000, evenly as tfpipeline.evaluate takes them.

    Args:
        row: of its record.
        path: the `.tflite`.
        data_dir: of the prepared data set.
        root: folder of the studies.
    """
    # Seconds of imports that the table does not need.
    from tfpipeline import evaluate, measured_data

    given = fields.identity(data_of(row, root), without=("data_dir", "train_limit"))
    data = fields.replaced(measured_data.Data(data_dir=data_dir), given)
    measured = evaluate.run(
        evaluate.Command(model=str(path), data=data, limit=CHECKED_EXAMPLES)
    )
    [figures] = measured.forms.values()
    return dataclasses.replace(
        row,
        metric=CHECKED,
        value=f"{figures['accuracy']:.4f}",
        examples=str(measured.inputs),
    )


def check(data_dir: str, root: pathlib.Path = ROOT) -> None:
    """Measures stored files whose records have no accuracy on 1,000 examples.

    Each is written as soon as it is known.

    Args:
        data_dir: of prepared data sets; files of others are left out.
        root: folder of the studies.
    """
    for path, row in stored_files(root).items():
        place = root / row.study / FILE
        rows = read(place)
        own = [n for n, each in enumerate(rows) if each.record == row.record]
        is_known = any(rows[n].metric == CHECKED for n in own)
        if (
            is_known
            or not (pathlib.Path(data_dir) / data_of(row, root).dataset).exists()
        ):
            continue
        rows.insert(own[-1] + 1, checked(row, path, data_dir, root))
        place.write_text(text(rows), encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Does what the flags say, and makes file and table again."""
    del arguments
    values = flags.FLAGS
    if values.add:
        if not values.study:
            raise app.UsageError("--add=RUN needs --study=NAME")
        add(run_folder.of(values.add), values.study, values.data_dir)
    if values.check:
        if not values.data_dir:
            raise app.UsageError("--check needs --data_dir=FOLDER")
        check(values.data_dir)
    write()


if __name__ == "__main__":
    flags.DEFINE_string("add", None, "Folder of a finished run of tfpipeline.train.")
    flags.DEFINE_string("study", None, "Folder of experiments/ that it goes into.")
    flags.DEFINE_bool("check", False, "Measure stored files that were not yet.")
    flags.DEFINE_string("data_dir", None, "Folder of prepared data sets.")
    app.run(main)
