"""Tables of numbers, `.csv` or `.tsv`: a row an example, or windows of rows.

A folder of tables is one table, in the order of the files' names; no window spans two
files, two groups, or a place where a class or a group changes back.
"""

import dataclasses
import hashlib
import os

import numpy as np
import pandas as pd

from tfpipeline import errors
from tfpipeline.configs.images import Reading
from tfpipeline.data import forms, specs, splits
from tfpipeline.data import request as requests
from tfpipeline.data.own import examples, labels, stored_inputs, table_files

# Of a column that is taken for numbers with a slip, the part that are numbers.
_MOSTLY = 0.5
# Windows without --group are divided in blocks of this many window lengths of rows, so
# that no row is in two parts, and each part has examples from all along a recording.
_WINDOWS_A_BLOCK = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """The rows of all files, in order.

    Attributes:
        frame: the columns; of a table larger than memory those of labels and groups.
        files: int64 [rows], number of the file of each.
        paths: of the files.
        head: the first rows, of all columns.
        is_large: whether the inputs' columns are not in `frame`.
    """

    frame: pd.DataFrame
    files: np.ndarray
    paths: list[str]
    head: pd.DataFrame
    is_large: bool = False

    def place(self, row: int) -> str:
        """A row's file and line, for messages; the header is line 1."""
        file = int(self.files[row])
        first = int(np.searchsorted(self.files, file))
        return f"{self.paths[file]} line {row - first + 2}"


def read(spec: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Reads a table as the flags of `Reading` say.

    Raises:
        DataError: no table, a column that is absent or no numbers, a value that is
            missing (names the line), fewer rows than a window.
        StorageError: a file cannot be read.
        UsageError: --label is missing.
    """
    reading = asked.reading
    paths = _paths(spec.where)
    is_large = table_files.is_larger(paths, asked.memory_bytes)
    names = list(table_files.header(paths[0]).columns)
    if not reading.label:
        raise errors.UsageError(
            f"say which column of {spec.where} is learned, --label=COLUMN of "
            f"{errors.listed(names)}"
        )
    group = [] if reading.group is None else [reading.group]
    for column in (*reading.label, *reading.columns, *group):
        if column not in names:
            raise errors.UsageError(
                f"{spec.where} has no column {errors.brief(column)}; it has "
                f"{errors.listed(names)}"
            )
    kept = list(dict.fromkeys((*reading.label, *group)))
    table = _table(paths, kept if is_large else None)
    inputs = _stored(table, spec, asked) if is_large else _inputs(table, reading)
    key = table_files.key(paths, names) if is_large else ""
    targets, class_names = _targets(table, reading)
    groups = _groups(table, reading)
    if reading.window is None:
        part = examples.of_arrays(
            inputs,
            targets,
            groups=None if not group else groups,
            where=table.place,
            key=key,
        )
    else:
        part = _windows(table, reading, inputs, targets, groups, key)
    return examples.dataset(spec, asked, {examples.TRAIN: part}, class_names)


def unlabeled(path: str, reading: Reading) -> np.ndarray:
    """The inputs in a table, float32 [N, columns] or, of windows, [N, rows, columns].

    Args:
        path: of a file; a column of `reading.label` may be there and is left out.
        reading: columns, window and stride; the rows behind the last whole window are
            left out.

    Raises:
        DataError: as `read`; or the table is shorter than a window.
        StorageError: it cannot be read.
    """
    table = _table([path])
    for column in reading.columns:
        if column not in table.frame.columns:
            raise errors.DataError(
                f"{path} has no column {errors.brief(column)}; it has "
                f"{errors.listed(list(table.frame.columns))}"
            )
    rows = _inputs(table, reading)
    if reading.window is None:
        return rows
    if len(rows) < reading.window:
        raise errors.DataError(
            f"{path} has {len(rows)} rows; a window has {reading.window}"
        )
    starts = np.arange(
        0, len(rows) - reading.window + 1, reading.stride or reading.window
    )
    return rows[starts[:, None] + np.arange(reading.window)]


def _paths(where: str) -> list[str]:
    if not os.path.isdir(where):
        return [where]
    return [
        os.path.join(where, name)
        for name in sorted(os.listdir(where))
        if name.lower().endswith(forms.TABLE_SUFFIXES) and not name.startswith(".")
    ]


def _table(paths: list[str], kept: list[str] | None = None) -> Table:
    """All columns of all files, or those that are `kept`."""
    frames, heads = [], []
    for path in paths:
        frame = None if kept is not None else table_files.whole(path)
        head = table_files.header(path) if frame is None else frame
        heads.append(head)
        if list(head.columns) != list(heads[0].columns):
            raise errors.DataError(
                f"{path} has the columns {errors.listed(list(head.columns), 4)}, "
                f"{paths[0]} has {errors.listed(list(heads[0].columns), 4)}"
            )
        if not len(head):
            raise errors.DataError(f"{path} has no rows below its header")
        frames.append(table_files.columns(path, kept or ()) if frame is None else frame)
    files = np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])
    frame = pd.concat(frames, ignore_index=True)
    return Table(frame, files, paths, heads[0], kept is not None)


def _inputs(table: Table, reading: Reading) -> np.ndarray:
    """float32 [rows, columns]."""
    names = _names(table, reading)
    for name in names:
        _require_numbers(table, name)
    return table.frame[names].to_numpy(np.float32)


def _stored(
    table: Table, spec: specs.DatasetSpec, asked: requests.Request
) -> np.ndarray:
    """The same in a file of the cache, for a table that is larger than memory."""
    store = stored_inputs.Store(asked, spec.where, spec.name, is_on_disk=True)
    rows = np.bincount(table.files, minlength=len(table.paths)).tolist()
    names = _names(table, asked.reading)
    return table_files.inputs(table.paths, rows, names, store)


def _names(table: Table, reading: Reading) -> list[str]:
    """Names of the columns that are inputs."""
    aside = {*reading.label, reading.group}
    names = list(reading.columns) or [
        name
        for name in table.head.columns
        if name not in aside and _is_of_numbers(table, name)
    ]
    if not names:
        raise errors.DataError(
            f"{table.paths[0]} has no column of numbers besides "
            f"{errors.listed(sorted(filter(None, aside)))}"
        )
    return names


def _is_of_numbers(table: Table, name: str) -> bool:
    """Whether a column holds numbers.

    Raises:
        DataError: most of it does, and a value is none: nobody would miss the column.
    """
    column = table.head[name]
    if pd.api.types.is_numeric_dtype(column):
        return True
    advice = f"; give --columns if {errors.brief(name)} is no input"
    texts = column.dropna().astype(str)
    numbers = pd.to_numeric(texts, errors="coerce").notna()
    if len(texts) and numbers.mean() >= _MOSTLY:
        row = int(texts.index[~numbers][0])
        told = table_files.unusable(table.place(row), name, column[row])
        raise errors.DataError(told + advice)
    pointed = pd.to_numeric(texts.str.replace(",", "."), errors="coerce").notna()
    if len(texts) and pointed.mean() >= _MOSTLY:
        raise errors.DataError(
            f"{table.paths[0]} has numbers with a comma in column "
            f"{errors.brief(name)}, {texts.iloc[0][:20]}: write a point{advice}"
        )
    return False


def _require_numbers(table: Table, name: str) -> None:
    column = table.frame[name]
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        row = int(wrong[0])
        raise errors.DataError(
            table_files.unusable(table.place(row), name, column.iloc[row])
        )


def _targets(table: Table, reading: Reading) -> tuple[np.ndarray, tuple[str, ...]]:
    frame = table.frame[list(reading.label)]
    what = f"column {errors.listed(reading.label)} of {table.paths[0]}"
    missing = np.flatnonzero(frame.isna().any(axis=1))
    if len(missing):
        raise errors.DataError(
            f"{table.place(int(missing[0]))} has no value in {what.split(' of ')[0]}"
        )
    if len(reading.label) > 1:
        for name in reading.label:
            _require_numbers(table, name)
        kind, names = labels.NUMBERS, reading.label
        return labels.targets(frame.to_numpy(np.float64), kind, what, names)
    values = frame.iloc[:, 0]
    if reading.targets == labels.NUMBERS:
        _require_numbers(table, reading.label[0])
    array = values.to_numpy()
    if array.dtype.kind not in "biuf":
        array = values.astype(str).to_numpy(str)
    targets, names = labels.targets(array, reading.targets, what)
    return targets, names if targets.dtype == np.int32 else reading.label


def _groups(table: Table, reading: Reading) -> np.ndarray:
    """int64 [rows]: by --group, or else by file."""
    if reading.group is None:
        return table.files
    values = table.frame[reading.group]
    missing = np.flatnonzero(values.isna())
    if len(missing):
        raise errors.DataError(
            f"{table.place(int(missing[0]))} has no value in column "
            f"{errors.brief(reading.group)}"
        )
    return np.unique(values.astype(str).to_numpy(str), return_inverse=True)[1]


def _windows(
    table: Table,
    reading: Reading,
    inputs: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    key: str,
) -> examples.Examples:
    """Windows [rows, columns]; the class of most of its rows, or its last numbers."""
    length = reading.window or 0
    stride = reading.stride or length
    pieces = _pieces(table.files, groups)
    is_blocked = reading.group is None and len(table.paths) == 1
    starts, owners = [], []
    for first, end in pieces:
        begins = np.arange(first, end - length + 1, stride)
        if is_blocked:
            block = _WINDOWS_A_BLOCK * length
            owner = (begins - first) // block
            begins = begins[(begins - first + length - 1) // block == owner]
            owners.append((begins - first) // block)
        else:
            owners.append(groups[begins])
        starts.append(begins)
    rows = np.concatenate(starts) if starts else np.empty(0, np.int64)
    if not len(rows):
        longest = max(end - first for first, end in pieces)
        raise errors.DataError(
            f"--window={length} is more than the {longest} rows that follow one "
            f"another in {table.paths[0]}"
        )
    span = np.arange(length)

    def read_chunks(positions: np.ndarray):
        for some in np.array_split(positions, max(1, len(positions) // 1024)):
            yield inputs[rows[some][:, None] + span]

    return examples.Examples(
        _of_windows(targets, rows, length),
        (length, inputs.shape[1]),
        inputs.dtype,
        read_chunks,
        groups=np.concatenate(owners),
        where=lambda i: table.place(int(rows[i])),
        # Windows that overlap are larger than the rows that they are of.
        key=_key(inputs, rows, length, key),
    )


def _key(inputs: np.ndarray, rows: np.ndarray, length: int, of_inputs: str) -> str:
    """Of the inputs' own key, or where they have none of the numbers."""
    digest = hashlib.sha256(f"{of_inputs}{length}".encode())
    digest.update(np.ascontiguousarray(rows).data)
    if not of_inputs:
        digest.update(np.ascontiguousarray(inputs).data)
    return digest.hexdigest()


def _pieces(files: np.ndarray, groups: np.ndarray) -> list[tuple[int, int]]:
    """(first row, row after the last) of what belongs to one file and one group."""
    change = (np.diff(files) != 0) | (np.diff(groups) != 0)
    ends = [*(np.flatnonzero(change) + 1).tolist(), len(files)]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _of_windows(targets: np.ndarray, rows: np.ndarray, length: int) -> np.ndarray:
    if targets.dtype != np.int32:
        return targets[rows + length - 1]
    # How often each class came before each row: [rows + 1] for one class at a time.
    best = np.zeros(len(rows), np.int64)
    result = np.zeros(len(rows), np.int32)
    for kind in range(int(targets.max()) + 1):
        before = np.concatenate(([0], np.cumsum(targets == kind)))
        count = before[rows + length] - before[rows]
        result[count > best] = kind
        best = np.maximum(best, count)
    return result
