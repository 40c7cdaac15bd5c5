"""Files of tables: all of one at once, or some rows after the others.

Of text that is larger than memory only some columns are held; the inputs' numbers go to
a file of their own, row by row (`inputs`).
"""

import codecs
import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfpipeline import errors
from tfpipeline.data.own import examples, stored_inputs
from tfpipeline.untrusted import content, damage

_KIND = "a table of text"
_SEPARATORS = ",;\t"
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Rows of text that are parsed at a time, where not all are.
_CHUNK = 1 << 14
# The first bytes, which the separator is told from.
_HEAD_BYTES = 65536


def whole(path: str) -> pd.DataFrame:
    """All of a file.

    Raises:
        DataError: it is no text.
        DamagedFileError: it is no table.
        StorageError: it cannot be read.
    """
    # One pass, so that a column has one type.
    (frame,) = _frames(path, low_memory=False)
    return frame


def columns(path: str, names: Sequence[str]) -> pd.DataFrame:
    """Some columns of a file, of which no more is held.

    Raises:
        As `whole`.
    """
    found = list(_frames(path, usecols=_only(names), chunksize=_CHUNK))
    kinds = {name: {each[name].dtype.kind in "if" for each in found} for name in names}
    texts = [name for name in names if len(kinds[name]) > 1]
    if texts:
        # Numbers here and texts there: texts, as they stand.
        given: dict[str, Any] = dict.fromkeys(texts, str)
        found = list(_frames(path, usecols=_only(names), chunksize=_CHUNK, dtype=given))
    return pd.concat(found, ignore_index=True)[list(names)]


def _only(names: Sequence[str]) -> Any:
    wanted = set(names)
    return lambda name: str(name).strip() in wanted


def header(path: str) -> pd.DataFrame:
    """The first rows of a file.

    Raises:
        As `whole`.
    """
    (frame,) = _frames(path, nrows=_CHUNK)
    return frame


def inputs(
    paths: Sequence[str], rows: Sequence[int], names: Sequence[str], store: Any
) -> np.ndarray:
    """Columns of numbers, float32 [rows, columns], in a file of the cache.

    Args:
        paths: of the tables.
        rows: how many each has.
        names: of the columns, which each has.
        store: a `stored_inputs.Store` on the disk.

    Raises:
        DataError: a value is no finite number; names its line.
        StorageError: a file cannot be read, or the cache not be written.
    """
    ends = np.cumsum([0, *rows])

    def place(row: int) -> str:
        file = int(np.searchsorted(ends, row, side="right")) - 1
        return f"{paths[file]} line {row - int(ends[file]) + 2}"

    def read(positions: np.ndarray) -> Iterator[np.ndarray]:
        # Of all rows, as they are asked for here.
        del positions
        for path in paths:
            start = 0
            for frame in _frames(path, usecols=_only(names), chunksize=_CHUNK):
                yield numbers(frame, names, path, start)
                start += len(frame)

    part = examples.Examples(
        np.zeros(int(ends[-1]), np.int32),
        (len(names),),
        np.dtype(np.float32),
        read,
        where=place,
        key=key(paths, names),
    )
    return store.inputs("rows", part, np.arange(len(part)))


def key(paths: Sequence[str], names: Sequence[str]) -> str:
    """What changes whenever the files do: of names, sizes and times."""
    stats = [os.stat(path) for path in paths]
    said = [
        (os.path.abspath(path), stat.st_size, stat.st_mtime_ns)
        for path, stat in zip(paths, stats, strict=True)
    ]
    return hashlib.sha256(repr((said, list(names))).encode()).hexdigest()


def is_larger(paths: Sequence[str], limit: int | None) -> bool:
    """Whether files have more bytes than a limit; None: a quarter of the memory."""
    return stored_inputs.limit_bytes(limit) < sum(map(os.path.getsize, paths))


def numbers(
    frame: pd.DataFrame, names: Sequence[str], path: str, start: int = 0
) -> np.ndarray:
    """Columns as float32 [rows, columns].

    Args:
        frame: rows of a file.
        names: of the columns.
        path: of the file.
        start: rows of the file in front of these.

    Raises:
        DataError: a value is no finite number; names its line.
    """
    for name in names:
        column = frame[name]
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            row = int(wrong[0])
            raise errors.DataError(
                unusable(f"{path} line {start + row + 2}", name, column.iloc[row])
            )
    return frame[list(names)].to_numpy(np.float32)


def unusable(place: str, name: str, value: object) -> str:
    """What to say of a value that is no finite number."""
    if isinstance(value, np.generic):
        value = value.item()
    told = "nothing" if pd.isna(value) else errors.brief(value)
    return (
        f"{place} has {told} in column {errors.brief(name)}, which must be a finite "
        "number"
    )


def _frames(path: str, **options: Any) -> Iterator[pd.DataFrame]:
    """A file's rows: all at once, or with `chunksize` some after the others."""
    with content.opened(path) as stream:
        head = stream.read(_HEAD_BYTES)
        mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
        encoding = _MARKS.get(mark, "utf-8")
        if encoding != "utf-16" and b"\0" in head[:4096]:
            raise errors.DataError(
                f"{path} is no text of UTF-8: it holds NUL bytes, as UTF-16 without a "
                "mark does; save it as UTF-8"
            )
        stream.seek(0)
        with damage.reported(path, _KIND):
            line = head.decode(encoding, errors="ignore").partition("\n")[0]
            read: Any = pd.read_csv(
                stream,
                sep=max(_SEPARATORS, key=line.count),
                encoding=encoding,
                skipinitialspace=True,
                index_col=False,
                **options,
            )
            for frame in read if "chunksize" in options else (read,):
                frame.columns = [str(name).strip() for name in frame.columns]
                yield frame
