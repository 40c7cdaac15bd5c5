"""Prediction records: what a network said of each sample, apart from any measure.

Running and measuring meet in these files only, so that a Keras network, an interpreter,
a simulator and a dump of a microcontroller are measured alike. A record is of one
sample, number format and stage (such as `detector` or `verifier`), and holds what there
is of boxes, landmarks, scores, an embedding and a label.

Two forms hold the same: `.npz` for many records, and JSON lines (`.jsonl`), which any
program can print: `{"sample": "a/1.jpg", "format": "int8", "stage": "detector",
"boxes": [[x1, y1, x2, y2]], "scores": [0.9]}`, one object a line.
"""

import dataclasses
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import atomic_files, errors
from tfpipeline.untrusted import arrays, content, damage, json_values

# Fields that are arrays, and the length of their rows.
_MASK = "mask"
_ARRAYS = {"boxes": 4, "scores": 1, "embedding": 1, "landmarks": 10, _MASK: 1}
# The format and the stage of what is asked.
TRUTH = "truth"
_NAMES = ("sample", "format", "stage")
_MAX_RECORDS = 1_000_000
_MAX_VALUES = 1_000_000
_MAX_NAME = 1_000
_MAX_LABEL = 1 << 31
_MAX_CLASS = 255
_KIND = "a file of prediction records"


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """What a network said of a sample.

    Attributes:
        sample: names the sample, the same in every format.
        format: of numbers, such as `float` or `int8`.
        stage: of a cascade, or the task.
        boxes: float64 [N, 4], x1, y1, x2, y2 in pixels; None where there are none to
            be had, [0, 4] where none was found.
        scores: float64, [N] of the boxes, or [classes]; None without.
        embedding: float64 [D]; None without. Integers of up to 53 bits are exact.
        landmarks: float64 [N, 10] of the boxes, x and y of five points in pixels; None
            without.
        label: of the truth, or the person's number; None without.
        mask: uint8 [H * W], the class of each pixel, row by row; None without.
    """

    sample: str
    format: str
    stage: str
    boxes: npt.NDArray[np.float64] | None = None
    scores: npt.NDArray[np.float64] | None = None
    embedding: npt.NDArray[np.float64] | None = None
    label: int | None = None
    landmarks: npt.NDArray[np.float64] | None = None
    mask: npt.NDArray[np.uint8] | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from all others: sample, format, stage."""
        return self.sample, self.format, self.stage


def write(path: str | os.PathLike[str], records: Sequence[Record]) -> None:
    """Writes records, as JSON lines to `.jsonl` and as arrays to `.npz`, atomically.

    Raises:
        UsageError: the name ends in neither.
        DataError: two records are of one sample, format and stage, or a value is not
            of its field.
        StorageError: the file cannot be written.
    """
    form = _form(path)
    try:
        checked = [_checked(dataclasses.asdict(record)) for record in records]
        _require_unique(checked)
    except ValueError as error:
        raise errors.DataError(f"a prediction record: {error}") from error
    data = _to_lines(checked) if form == ".jsonl" else _to_npz(checked)
    atomic_files.write_bytes(path, data)


def read(path: str | os.PathLike[str]) -> tuple[Record, ...]:
    """Reads records, in the order of the file.

    Raises:
        UsageError: the name ends in neither `.jsonl` nor `.npz`.
        StorageError: the file cannot be read.
        DamagedFileError: it is not of the form; the line or the record is named.
    """
    what = os.fspath(path)
    form = _form(path)
    with damage.reported(what, _KIND):
        if form == ".jsonl":
            records = _from_lines(content.read(path), what)
        else:
            records = _from_npz(arrays.read_npz(path), what)
        _require_unique(records)
    return tuple(records)


def select(records: Iterable[Record], *, format: str, stage: str) -> dict[str, Record]:
    """The records of a format and a stage, by sample."""
    return {
        record.sample: record
        for record in records
        if (record.format, record.stage) == (format, stage)
    }


def common(*selections: Mapping[str, Record]) -> tuple[str, ...]:
    """The samples of several selections, sorted.

    Raises:
        DataError: they are not of the same samples; one that is missing is named.
    """
    everything = sorted(set().union(*selections))
    for selection in selections:
        missing = [sample for sample in everything if sample not in selection]
        if missing:
            raise errors.DataError(
                "formats are compared over the same samples; records are missing of "
                f"{errors.listed(missing)}"
            )
    return tuple(everything)


def _form(path: str | os.PathLike[str]) -> str:
    form = os.path.splitext(os.fspath(path))[1]
    if form not in (".jsonl", ".npz"):
        raise errors.UsageError(
            f"records are in .npz or .jsonl. Received: {os.fspath(path)}"
        )
    return form


def _checked(values: Mapping[str, Any]) -> Record:
    """A record of values as they stand in a file.

    Raises:
        ValueError: saying which of them is wrong.
    """
    unknown = sorted(set(values) - {field.name for field in dataclasses.fields(Record)})
    if unknown:
        raise ValueError(f"there is no field {errors.brief(unknown[0])}")
    for name in _NAMES:
        text = values.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= _MAX_NAME:
            raise ValueError(f"{name} {errors.brief(text)} is no name")
        if not text.isprintable():
            raise ValueError(f"{name} has characters that cannot be shown")
    label = values.get("label")
    if label is not None and (type(label) is not int or abs(label) > _MAX_LABEL):
        raise ValueError(f"label {errors.brief(label)} is no number of a class")
    parts: dict[str, Any] = {name: _array(values.get(name), name) for name in _ARRAYS}
    return Record(
        **{name: values[name] for name in _NAMES},
        **parts,
        label=label,
    )


def _array(value: Any, name: str) -> npt.NDArray[Any] | None:
    if value is None:
        return None
    try:
        array = np.array(value, np.float64)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{name} is no array of numbers") from None
    width = _ARRAYS[name]
    if width > 1:
        array = array.reshape(-1, width) if array.size == 0 else array
        fits = array.ndim == 2 and array.shape[1] == width
    else:
        fits = array.ndim == 1
    if not fits or array.size > _MAX_VALUES:
        raise ValueError(f"{name} cannot be of the shape {list(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has a value that is not finite")
    if name != _MASK:
        return array
    if (array != np.clip(np.floor(array), 0, _MAX_CLASS)).any():
        raise ValueError(f"{name} has a value that is no class from 0 to {_MAX_CLASS}")
    return array.astype(np.uint8)


def _require_unique(records: Sequence[Record]) -> None:
    seen = set()
    for record in records:
        if record.key in seen:
            raise ValueError(
                f"{errors.brief(record.sample)} is there twice in "
                f"{errors.brief(record.format)}, {errors.brief(record.stage)}"
            )
        seen.add(record.key)


def _to_lines(records: Sequence[Record]) -> bytes:
    lines = []
    for record in records:
        values = dataclasses.asdict(record)
        plain = {
            key: value.tolist() if isinstance(value, np.ndarray) else value
            for key, value in values.items()
            if value is not None
        }
        lines.append(json.dumps(plain) + "\n")
    return "".join(lines).encode("utf-8")


def _from_lines(data: bytes, what: str) -> list[Record]:
    lines = data.split(b"\n")
    if len(lines) > _MAX_RECORDS:
        raise ValueError(f"it has over {_MAX_RECORDS:,} lines")
    records = []
    for place, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        values = json_values.parse(line, f"{what}, line {place},")
        try:
            if not isinstance(values, dict):
                raise ValueError("it is no object")
            records.append(_checked(values))
        except ValueError as error:
            raise ValueError(f"line {place}: {error}") from None
    return records


def _to_npz(records: Sequence[Record]) -> bytes:
    names = [[getattr(record, name) for name in _NAMES] for record in records]
    labels = [record.label for record in records]
    # Names as JSON: arrays of text would be objects, which nobody should unpickle.
    stored: dict[str, Any] = {
        "names": np.frombuffer(
            json.dumps({"names": names, "labels": labels}).encode(), np.uint8
        )
    }
    for field, columns in _ARRAYS.items():
        values = [getattr(record, field) for record in records]
        stored[f"{field}_rows"] = np.array(
            [-1 if value is None else len(value) for value in values], np.int64
        )
        some = [value.reshape(-1, columns) for value in values if value is not None]
        empty = np.empty((0, columns), np.uint8 if field == _MASK else np.float64)
        stored[field] = np.concatenate([empty, *some])
    stream = io.BytesIO()
    np.savez(stream, **stored)
    return stream.getvalue()


def _from_npz(stored: Mapping[str, npt.NDArray[Any]], what: str) -> list[Record]:
    head = json_values.parse(stored["names"].astype(np.uint8).tobytes(), what)
    names, labels = head["names"], head["labels"]
    if len(names) > _MAX_RECORDS or len(names) != len(labels):
        raise ValueError("it has other names than labels, or too many")
    columns = {
        field: _split(stored[field], stored[f"{field}_rows"], width, len(names))
        if field in stored
        else [None] * len(names)  # Of before the field.
        for field, width in _ARRAYS.items()
    }
    records = []
    for place, (three, label) in enumerate(zip(names, labels, strict=True)):
        values = dict(zip(_NAMES, three, strict=True))
        parts = {field: column[place] for field, column in columns.items()}
        try:
            records.append(_checked({**values, **parts, "label": label}))
        except ValueError as error:
            raise ValueError(f"record {place}: {error}") from None
    return records


def _split(
    values: npt.NDArray[Any], rows: npt.NDArray[Any], width: int, records: int
) -> list[npt.NDArray[Any] | None]:
    """A field's array of each record, of all of them one after the other."""
    is_whole = np.issubdtype(rows.dtype, np.integer)
    if values.shape[1:] != (width,) or rows.shape != (records,) or not is_whole:
        raise ValueError("its arrays are not of its records")
    if rows.size and (rows.min() < -1 or rows.max() > _MAX_VALUES):
        raise ValueError("a record has an impossible number of values")
    counts = np.maximum(rows.astype(np.int64), 0)
    if counts.sum() != len(values):
        raise ValueError("its arrays are longer or shorter than its records")
    parts = np.split(values, np.cumsum(counts)[:-1]) if records else []
    return [
        None if row < 0 else part if width > 1 else part.reshape(-1)
        for part, row in zip(parts, rows, strict=True)
    ]
