"""What `--model` may say, told from the text alone: nothing is imported or built.

Every command that takes a network asks `find`; what a command takes is a choice of
`Kind`s, whose words stand in its help and in its errors.
"""

import dataclasses
import enum
import importlib.machinery
import os
import pathlib
import re
from collections.abc import Collection

from tfpipeline import disk, errors
from tfpipeline.models import specs

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
# What TensorFlow calls the file of a SavedModel's graph.
SAVED_MODEL = "saved_model.pb"
_FUNCTION = re.compile(r"(?P<place>.+):(?P<function>[^\W\d]\w*)")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
# Of what becomes an identifier of C, a name of files and a value in YAML.
_NO_NAME = re.compile(r"[^0-9A-Za-z]+")
_MAX_NAME_CHARACTERS = 60


class Kind(enum.Enum):
    """A form that a network may come in; the value is its words in help and errors."""

    NAME = "the name of a network"
    KERAS_FILE = "a .keras or .h5 file"
    FUNCTION = "file.py:function or package.module:function"
    TFLITE_FILE = "a .tflite file"
    SAVED_MODEL = "a SavedModel's folder"
    GRAPH = "a graph.json or quant.json"
    FOLDER = "a run's or graph's folder"


# What has layers, and so can be trained.
TRAINABLE = (Kind.NAME, Kind.KERAS_FILE, Kind.FUNCTION)
_SUFFIXES = {
    **dict.fromkeys(KERAS_SUFFIXES, Kind.KERAS_FILE),
    ".tflite": Kind.TFLITE_FILE,
    ".json": Kind.GRAPH,
}
_NOT_TRAINABLE = {
    Kind.SAVED_MODEL: "a SavedModel holds operations but no layers: estimate takes it",
    Kind.TFLITE_FILE: "a .tflite file holds operators but no layers: estimate and "
    "export take it",
}


@dataclasses.dataclass(frozen=True)
class Form:
    """A network that a text names.

    Attributes:
        text: as it was given.
        kind: of the text.
        name: valid in C, in YAML and as a file's; of a registered network its own.
        path: of the file or folder; of a function the file that it stands in.
        function: of `path` that makes the network; "" for what is no function.
        module: with dots, where a function was given by it; else "".
    """

    text: str
    kind: Kind
    name: str
    path: pathlib.Path | None = None
    function: str = ""
    module: str = ""

    @property
    def title(self) -> str:
        """What tells the network from others wherever its files lie."""
        if self.kind is Kind.NAME or self.module or self.path is None:
            return self.text
        return f"{self.path.name}:{self.function}" if self.function else self.path.name

    def require_options(
        self, model_options: Collection[str], custom_objects: str | None
    ) -> None:
        """Checks that what is said beside --model goes with its form.

        Raises:
            UsageError: it does not.
        """
        if model_options and self.kind is not Kind.FUNCTION:
            raise errors.UsageError(
                "--model_options goes with --model=file.py:function only; found "
                f"--model={self.title}"
            )
        if custom_objects and self.kind is not Kind.KERAS_FILE:
            raise errors.UsageError(
                "--custom_objects goes with a .keras or .h5 file only; found "
                f"--model={self.title}"
            )

    def digest(self) -> str | None:
        """SHA-256 of the file that the network comes from; None for a name, a folder.

        Raises:
            StorageError: it cannot be read.
        """
        if self.path is None or self.path.is_dir():
            return None
        return digest_of(self.path)


def words(kinds: Collection[Kind] = tuple(Kind)) -> str:
    """Forms for a help text or an error."""
    *others, last = (kind.value for kind in Kind if kind in kinds)
    return f"{', '.join(others)} or {last}" if others else last


def find(text: str) -> Form:
    """What a text names.

    Raises:
        UsageError: nothing of that name is there, or it is no network by its name.
    """
    if text in specs.MODELS:
        return Form(text, Kind.NAME, text)
    path = pathlib.Path(text)
    if text and _is_there(path):
        return Form(text, _kind_of(path), valid_name(path.stem), path)
    function = _FUNCTION.fullmatch(text)
    if function is not None:
        return _function(text, function["place"], function["function"])
    raise errors.UsageError(
        f"no network and no file is called '{disk.shown(text)}'; give {words()}. "
        f"Networks: {specs.listed_families()}"
    )


def trainable(text: str) -> Form:
    """As `find`, for what can be trained.

    Raises:
        UsageError: as `find`, or it has no layers.
    """
    form = find(text)
    if form.kind not in TRAINABLE:
        reason = _NOT_TRAINABLE.get(form.kind, f"it is {form.kind.value}")
        raise errors.UsageError(
            f"'{disk.shown(text)}' cannot be trained: {reason}; training takes "
            f"{words(TRAINABLE)}"
        )
    return form


def require_module(text: str) -> None:
    """Checks that a text names Python, by its file.

    Raises:
        UsageError: as `module_file`.
    """
    module_file(text)


def module_file(text: str) -> pathlib.Path:
    """The file of `package.module` or `file.py`, found without importing it.

    Raises:
        UsageError: there is none.
    """
    if text.endswith(".py"):
        path: pathlib.Path | None = pathlib.Path(text)
    else:
        path = _source(text) if _MODULE.fullmatch(text) else None
    if path is None or not path.is_file():
        raise errors.UsageError(
            f"no Python is called '{disk.shown(text)}' where this runs; give "
            "package.module or file.py"
        )
    return path


def digest_of(path: pathlib.Path) -> str | None:
    """SHA-256 of a file; None where nothing stands.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        return disk.digest_behind(path)
    except OSError as error:
        raise errors.StorageError(
            f"cannot read {path}: {error.strerror or error}"
        ) from error


def valid_name(text: str) -> str:
    """A name of letters, digits and underscores that begins with a letter."""
    name = _NO_NAME.sub("_", text).strip("_")[:_MAX_NAME_CHARACTERS]
    return name if name[:1].isalpha() else f"network_{name}".rstrip("_")


def _kind_of(path: pathlib.Path) -> Kind:
    if path.is_dir():
        return Kind.SAVED_MODEL if _is_there(path / SAVED_MODEL) else Kind.FOLDER
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise errors.UsageError(
            f"'{disk.shown(path)}' is no network by its name: give {words()}"
        )
    return kind


def _function(text: str, place: str, function: str) -> Form:
    name = valid_name(function)
    if place.endswith(".py"):
        path = pathlib.Path(place)
        if not path.is_file():
            raise errors.UsageError(
                f"'{disk.shown(text)}': there is no file '{disk.shown(place)}'"
            )
        return Form(text, Kind.FUNCTION, name, path, function)
    source = _source(place) if _MODULE.fullmatch(place) else None
    if source is None:
        raise errors.UsageError(
            f"'{disk.shown(text)}': no Python module is called '{disk.shown(place)}' "
            "where this runs; give package.module:function or file.py:function"
        )
    return Form(text, Kind.FUNCTION, name, source, function, place)


def _source(module: str) -> pathlib.Path | None:
    """The file of a module, found without importing it or what it lies in."""
    places: list[str] | None = None
    source: str | None = None
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        spec = importlib.machinery.PathFinder.find_spec(".".join(parts[:count]), places)
        # What is no package holds no modules.
        if spec is None or (count > 1 and places is None):
            return None
        inner, source = spec.submodule_search_locations, spec.origin
        places = None if inner is None else list(inner)
    if source is None or not source.endswith(".py"):
        return None
    return pathlib.Path(source)


def _is_there(path: pathlib.Path) -> bool:
    try:
        return os.path.exists(path)
    # Of what cannot be a path.
    except (OSError, ValueError):
        return False
