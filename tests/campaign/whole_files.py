"""Whether files are whole: none of ours may be seen while it is half written."""

import io
import json
import pathlib
import re
import zipfile

import numpy as np
from PIL import Image

from tfpipeline import leftovers
from tfpipeline.ir import from_tflite


def broken(files: dict[str, pathlib.Path]) -> list[str]:
    """Names of files that are not whole, each with the reason.

    Temporary files, which have a name that says so, may be anything.
    """
    found = []
    for name, path in files.items():
        if is_temporary(name):
            continue
        try:
            _require(path.name, path.read_bytes())
        except Exception as error:
            found.append(f"{name}: {type(error).__name__} {str(error)[:100]}")
    return found


def is_temporary(name: str) -> bool:
    """Whether any part of a path is named as temporary files are."""
    return any(
        leftovers.is_name(part) or part.endswith((".tmp", ".lock"))
        for part in name.split("/")
    )


def _require(name: str, data: bytes) -> None:
    suffix = pathlib.Path(name).suffix
    match suffix:
        case ".json":
            json.loads(data)
        case ".jsonl" | ".log":
            # A line that was being added is dropped by its reader.
            for line in data.splitlines()[:-1]:
                json.loads(line)
        case ".npz":
            with np.load(io.BytesIO(data)) as stored:
                for key in stored.files:
                    stored[key]
        case ".npy":
            np.load(io.BytesIO(data))
        case ".tflite":
            from_tflite.read(data)
        case ".keras" | ".tar":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                assert archive.testzip() is None
        case ".png":
            Image.open(io.BytesIO(data)).load()
        case ".html" | ".svg":
            assert data.rstrip().endswith(f"</{suffix[1:]}>".encode()), "no end"
        case ".txt" | ".csv" | ".c" | ".h" | ".cc" | ".yaml" | ".md" | ".ld":
            assert re.search(rb"\n\Z", data), "no end of its last line"
