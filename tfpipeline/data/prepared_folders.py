"""Where prepared TFDS data sets are; found without TensorFlow."""

import os
import pathlib
import re

from tfpipeline import errors
from tfpipeline.untrusted import json_values

INFO_FILE = "dataset_info.json"
# TFDS names the folder that it still writes `incomplete.<random>_<version>`.
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def default_root() -> pathlib.Path:
    """The folder TFDS itself would use: $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    configured = os.environ.get("TFDS_DATA_DIR")
    return pathlib.Path(configured or "~/tensorflow_datasets").expanduser()


def find(
    folder_names: tuple[str, ...], root: str | os.PathLike[str]
) -> pathlib.Path | None:
    """Finds the version folder of a prepared data set.

    Args:
        folder_names: names that the builder's folder may have, best first.
        root: the TFDS root (`root/name/version`), the folder of the builder
            (`root/version`) or a version folder itself.

    Returns:
        The folder that holds `dataset_info.json` (of the highest version), or None.

    Raises:
        DataError: `root` is itself a prepared data set, but another one, or is none
            that can be read.
    """
    root = pathlib.Path(root).expanduser()
    if (root / INFO_FILE).is_file():
        return _checked_name(root, folder_names)
    for folder in (*(root / name for name in folder_names), root):
        versions = [
            path.parent
            for path in folder.glob(f"*/{INFO_FILE}")
            if _VERSION.fullmatch(path.parent.name)
        ]
        if versions:
            return _checked_name(max(versions, key=_version_key), folder_names)
    return None


def require(
    name: str, folder_names: tuple[str, ...], root: str | os.PathLike[str]
) -> pathlib.Path:
    """As `find`, for a data set that must be there.

    Args:
        name: of the data set, for the message.
        folder_names: see `find`.
        root: see `find`.

    Raises:
        DataError: it is not there, or as `find`.
    """
    folder = find(folder_names, root)
    if folder is None:
        raise errors.DataError(
            f"data set '{name}' is not in {root}. Give --data_dir=FOLDER of a "
            f"prepared TFDS copy (it holds {folder_names[0]}/VERSION/)"
        )
    return folder


def _version_key(folder: pathlib.Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.name.split("."))


def _checked_name(folder: pathlib.Path, names: tuple[str, ...]) -> pathlib.Path:
    try:
        found = json_values.read(folder / INFO_FILE)["name"]
    except (errors.StorageError, KeyError, TypeError) as error:
        raise errors.DataError(
            f"{folder} is not a readable TFDS folder: {INFO_FILE} has no name"
        ) from error
    if found not in names:
        raise errors.DataError(
            f"{folder} holds the data set {errors.brief(found)}, not '{names[0]}'. "
            "Give --data_dir the folder above the data set's own."
        )
    return folder
