"""What files say of anything but the time that something took.

Two runs on an idle machine may round to the same tenths of a second, and a third, that
was killed, to others: by their bytes alone the files would be "always the same", and
differ.
"""

import difflib
import json
import pathlib
import re

from tfpipeline import disk, markers

# Of JSON: seconds, seconds_this_start, images_per_second.
_FIGURE = re.compile(rb'("\w*seconds?\w*": *)[-+.\deE]+')
# Of pages and summaries: 12 s, 1.5 min, 1:02:03.
_TOLD = re.compile(rb"\b(\d[\d,.]* (s|min)|\d+:\d\d:\d\d)\b")
_LINES = 6


def read(files: dict[str, pathlib.Path], is_timed: bool = True) -> dict[str, bytes]:
    """Files by name, without the times that were measured.

    Args:
        files: by name, the marker among them.
        is_timed: whether they have any; otherwise their bytes are given.
    """
    bytes_of = {name: path.read_bytes() for name, path in files.items()}
    if not is_timed:
        return bytes_of
    result = {name: _without(name, data) for name, data in bytes_of.items()}
    if markers.NAME in result:
        timed = {name for name, data in bytes_of.items() if data != result[name]}
        result[markers.NAME] = _marker(result[markers.NAME], bytes_of, timed)
    return result


def difference(one: bytes, other: bytes) -> list[str]:
    """The first lines that only one of two files has, with `-` or `+` before them."""
    lines = [data.decode(errors="replace").splitlines() for data in (one, other)]
    found = difflib.unified_diff(*lines, n=0, lineterm="")
    return [each[:200] for each in found if not each.startswith(("---", "+++", "@@"))][
        :_LINES
    ]


def _without(name: str, data: bytes) -> bytes:
    match pathlib.Path(name).suffix:
        case ".json" | ".jsonl":
            return _FIGURE.sub(rb"\1_", data)
        case ".html" | ".txt":
            return _TOLD.sub(b"_", data)
        case _:
            return data


def _marker(data: bytes, files: dict[str, bytes], timed: set[str]) -> bytes:
    """A marker without the digests of files that tell times, if these are right."""
    content = json.loads(data)
    for name in timed & content["files"].keys():
        if disk.digest(files[name]) in content["files"][name]:
            content["files"][name] = "_"
    return json.dumps(content, indent=1).encode()
