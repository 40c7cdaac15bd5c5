"""The forms that `--dataset` takes besides the names of our sets; without TensorFlow.

A form is a value: how its text looks, what must be there before anything is read, and
which function reads it. The function is named only, because most need TensorFlow.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable, Collection, Iterator

from tfpipeline import errors
from tfpipeline.data import boxed_layouts, mask_layouts

# Names that folders and files of a part may have.
PART_NAMES = (
    "train",
    "training",
    "validation",
    "valid",
    "val",
    "dev",
    "test",
    "testing",
)
PICTURE_SUFFIXES = tuple(
    ".png .jpg .jpeg .bmp .gif .webp .tif .tiff .ppm .pgm".split()  # noqa: SIM905
)
WAVE_SUFFIXES = (".wav",)
TABLE_SUFFIXES = (".csv", ".tsv")
TFDS_PREFIX = "tfds:"
# Folder, its parts, a class, and in it pictures: what a look into a folder covers.
_DEPTH = 3
_FUNCTION = re.compile(r"(?P<source>.+\.py|[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")
_TFDS = re.compile(
    r"(?P<name>[A-Za-z_][\w.]*)(/(?P<config>[\w.+-]+))?(:(?P<version>[\w.]+))?"
)


@dataclasses.dataclass(frozen=True)
class Form:
    """A kind of place that data come from.

    Attributes:
        name: of the form, a noun.
        syntax: for `--help` and messages.
        matches: whether a text is of this form, by its look and by what stands there.
        check: raises a UsageError if it cannot be read; sees no content of files.
        reader: `module:function` below tfpipeline.data that reads it: (DatasetSpec,
            request.Request) -> splits.Dataset.
    """

    name: str
    syntax: str
    matches: Callable[[str], bool]
    check: Callable[[str], None]
    reader: str


def split_function(text: str) -> tuple[str, str]:
    """`file.py:function` or `package.module:function` in its two parts.

    Raises:
        UsageError: it is neither.
    """
    match = _FUNCTION.fullmatch(text)
    if match is None:
        raise errors.UsageError(f"'{text[:80]}' is no FILE.py:FUNCTION")
    return match["source"], match["name"]


def split_tfds(text: str) -> tuple[str, str | None, str | None]:
    """`tfds:NAME[/CONFIG][:VERSION]` as (name, config, version).

    Raises:
        UsageError: it is something else.
    """
    match = _TFDS.fullmatch(text.removeprefix(TFDS_PREFIX))
    if match is None or not text.startswith(TFDS_PREFIX):
        raise errors.UsageError(
            f"'{text[:80]}' is not of the form tfds:NAME[/CONFIG][:VERSION]"
        )
    return match["name"], match["config"], match["version"]


def find(text: str, names: Collection[str]) -> Form:
    """The form of `text`, checked.

    Args:
        text: of `--dataset`.
        names: what it could be besides, for messages.

    Raises:
        UsageError: it is of none, or what it names is not there.
    """
    for form in FORMS:
        if form.matches(text):
            form.check(text)
            return form
    if os.path.isdir(text):
        raise errors.UsageError(
            f"the folder {text} holds no data: neither .csv files, nor a folder a "
            "class (with or without train, validation and test above them) with "
            "pictures or .wav files"
        )
    raise errors.UsageError(
        f"unknown data set '{text[:60]}'. Choose one of: {', '.join(names)}; or give "
        f"{', '.join(form.syntax for form in FORMS)}"
    )


def telling_name(text: str) -> str:
    """What a data set is called in files, after what names it: letters, digits, _."""
    function = _FUNCTION.fullmatch(text)
    if text.startswith(TFDS_PREFIX):
        stem = split_tfds(text)[0]
    elif function is not None:
        stem = function["name"]
    else:
        stem = pathlib.Path(os.path.abspath(text)).stem
    return re.sub(r"\W+", "_", stem).strip("_") or "data"


def holds(
    folder: str | os.PathLike[str], suffixes: tuple[str, ...], *, in_folders: bool
) -> bool:
    """Whether a folder has a file with one of these suffixes; looks no further.

    Args:
        folder: to look into.
        suffixes: in lower case.
        in_folders: the file must lie in a folder of it, or in one of those; otherwise
            in the folder itself.
    """
    depth = _DEPTH if in_folders else 1
    return any(
        name.lower().endswith(suffixes)
        for level, name in _files(os.fspath(folder), depth)
        if (level > 0) == in_folders
    )


def _files(folder: str, depth: int, level: int = 0) -> Iterator[tuple[int, str]]:
    """Level below the first folder and name of each file."""
    below = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    below.append(entry.path)
                else:
                    yield level, entry.name
    # A ValueError is a NUL in the name.
    except (OSError, ValueError):
        return
    if depth > 1:
        for path in below:
            yield from _files(path, depth - 1, level + 1)


def _ends(*suffixes: str) -> Callable[[str], bool]:
    return lambda text: text.lower().endswith(suffixes)


def _class_folders_of(*suffixes: str) -> Callable[[str], bool]:
    return lambda text: holds(text, suffixes, in_folders=True)


def _is_table(text: str) -> bool:
    if os.path.isdir(text):
        return holds(text, TABLE_SUFFIXES, in_folders=False)
    return text.lower().endswith(TABLE_SUFFIXES)


def _require_file(text: str) -> None:
    if not os.path.isfile(text):
        raise errors.UsageError(f"there is no file {text}")


def _require_source(text: str) -> None:
    source, _ = split_function(text)
    if source.endswith(".py"):
        _require_file(source)


def _checked_tfds(text: str) -> None:
    split_tfds(text)


def _nothing(text: str) -> None:
    del text


def _has_masks(text: str) -> bool:
    return bool(mask_layouts.find(text, PART_NAMES))


def _has_boxes(text: str) -> bool:
    return bool(boxed_layouts.find(text, PART_NAMES))


FORMS = (
    Form(
        "TFDS",
        "tfds:NAME[/CONFIG][:VERSION]",
        lambda text: text.startswith(TFDS_PREFIX),
        _checked_tfds,
        "own.tfds_builders:read",
    ),
    Form("arrays", "FILE.npz", _ends(".npz"), _require_file, "own.array_files:read"),
    Form(
        "a function",
        "FILE.py:FUNCTION",
        lambda text: _FUNCTION.fullmatch(text) is not None and not os.path.exists(text),
        _require_source,
        "own.functions:read",
    ),
    # Before class folders, which pictures in a folder `images` look like.
    Form(
        "boxes",
        "a folder of pictures with boxes (COCO, Pascal VOC, YOLO)",
        _has_boxes,
        _nothing,
        "own.boxed_folders:read",
    ),
    Form(
        "masks",
        "a folder with images/ and masks/ of the same names",
        _has_masks,
        _nothing,
        "own.mask_folders:read",
    ),
    Form(
        "pictures",
        "a folder of class folders with pictures",
        _class_folders_of(*PICTURE_SUFFIXES),
        _nothing,
        "own.picture_folders:read",
    ),
    Form(
        "sounds",
        "one with .wav files",
        _class_folders_of(*WAVE_SUFFIXES),
        _nothing,
        "own.wave_folders:read",
    ),
    Form(
        "a table",
        "FILE.csv or a folder of them",
        _is_table,
        lambda text: None if os.path.isdir(text) else _require_file(text),
        "own.tables:read",
    ),
)
